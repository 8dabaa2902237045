//! The roots that the card trusts (SPEC 7.8), and the issuers that they vouch for (SPEC 13.3).

use card_spec::apdu::StatusWord;
use card_spec::certificate::{Certificate, CertificateError, Certified, Reference, Role, TrustAnchor};
use card_spec::crypto::PortableP256;
use card_spec::signed::Signed;
use card_spec::values::Date;
use rand_core::CryptoRng;

use crate::Card;
use crate::answer::Stop;
use crate::content::Object;
use crate::memory::{Memory, Slot};
use crate::record::{Record as _, record};
use crate::state::Ledger;

/// No authority of that reference is at hand (SPEC 7.2, 13.2).
pub(crate) const UNKNOWN_AUTHORITY: Stop = Stop::Refused(StatusWord::REFERENCED_DATA_NOT_FOUND);

record! {
    /// One handover at a time: the trust anchor that was loaded, and one more.
    #[derive(Clone, Copy)]
    pub(crate) struct TrustAnchors {
        newest: TrustAnchor = 0xA0,
        older: Option<TrustAnchor> = 0xA1,
    }
}

impl TrustAnchors {
    /// Those of an activated card.
    pub(crate) fn of(memory: &impl Memory) -> Result<Self, Stop> {
        Self::load(memory, Slot::TrustAnchors)?.ok_or(Stop::FAULT)
    }

    /// The anchor that was loaded becomes the only one.
    pub(crate) fn begin(memory: &mut impl Memory, anchor: TrustAnchor) -> Result<(), Stop> {
        let anchors = Self {
            newest: anchor,
            older: None,
        };
        anchors.store(memory, Slot::TrustAnchors)
    }

    /// Is this one of them?
    pub(crate) fn contain(&self, anchor: &TrustAnchor) -> bool {
        self.newest == *anchor || self.older == Some(*anchor)
    }

    /// A certificate of this role under one of them.
    pub(crate) fn certify(
        &self,
        certificate: &Signed<'_, Certificate>,
        role: Role,
    ) -> Result<Certified, CertificateError> {
        certify(&self.root(certificate.claimed().authority)?, certificate, role)
    }

    /// The root with this reference.
    fn root(&self, reference: Reference) -> Result<Certified, CertificateError> {
        let mut anchors = [Some(self.newest), self.older].into_iter().flatten();
        let anchor = anchors.find(|anchor| anchor.reference == reference);
        Certified::trust(&anchor.ok_or(CertificateError::UnknownAuthority)?)
    }

    /// The anchors once the link certificate is accepted: the root that it names is the newest, and a third goes away. One
    /// that was accepted before changes nothing.
    fn after(&self, link: &Signed<'_, Certificate>, remembered: Date) -> Result<Self, CertificateError> {
        let authority = link.claimed().authority;
        let next = self.root(authority)?.follow_link(&PortableP256, link)?;
        if next.expiry < remembered {
            return Err(CertificateError::NotValidOn(remembered));
        }
        if next == self.newest {
            return Ok(*self);
        }
        // Only the newest root hands the trust on: the older one has done so already.
        if authority != self.newest.reference {
            return Err(CertificateError::Sequence);
        }
        Ok(Self {
            newest: next,
            older: Some(self.newest),
        })
    }
}

/// A certificate of this role under this authority (SPEC 3.4).
pub(crate) fn certify(
    authority: &Certified,
    certificate: &Signed<'_, Certificate>,
    role: Role,
) -> Result<Certified, CertificateError> {
    let certified = authority.certify(&PortableP256, certificate)?;
    certified.require_role(role)?;
    Ok(certified)
}

/// The card does not know today's date. What it does know is the remembered one (SPEC 7.2).
pub(crate) fn not_expired(certified: Certified, remembered: Date) -> Result<Certified, CertificateError> {
    if certified.expiry() < remembered {
        Err(CertificateError::NotValidOn(remembered))
    } else {
        Ok(certified)
    }
}

/// May the issuer's certificate `next` take the place of `present`: the same issuer, and no earlier key?
pub(crate) fn continues(present: Reference, next: Reference) -> bool {
    next.mnemonic() == present.mnemonic() && next.sequence() >= present.sequence()
}

impl<M: Memory, R: CryptoRng> Card<M, R> {
    /// A link certificate was presented (SPEC 7.8).
    pub(crate) fn follow_link(
        &mut self,
        link: &Signed<'_, Certificate>,
        remembered: Date,
    ) -> Result<Result<(), CertificateError>, Stop> {
        let present = TrustAnchors::of(&self.memory)?;
        match present.after(link, remembered) {
            Ok(after) if after.newest == present.newest => Ok(Ok(())),
            Ok(after) => after.store(&mut self.memory, Slot::TrustAnchors).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    /// The issuer that signed an issuer script or a block list, if it is the card's (SPEC 13.3): `named` in the signed body,
    /// with the certificate that came along, if one did.
    ///
    /// `6A88` if there is no certificate for it, `6982` if the certificate is wrong.
    pub(crate) fn issuer(
        &self,
        certificate: Option<&Signed<'_, Certificate>>,
        named: Reference,
        ledger: &Ledger,
    ) -> Result<Certified, Stop> {
        let anchors = TrustAnchors::of(&self.memory)?;
        let object = self.content()?.object(Object::IssuerCertificate)?;
        let loaded = Signed::<Certificate>::parse(&object).map_err(|_| Stop::FAULT)?;
        let present = loaded.claimed().holder;
        let Some(certificate) = certificate else {
            if named != present {
                return Err(UNKNOWN_AUTHORITY);
            }
            return anchors.certify(&loaded, Role::Issuer).map_err(|_| Stop::SECURITY);
        };
        if certificate.claimed().holder != named || !continues(present, named) {
            return Err(Stop::SECURITY);
        }
        anchors
            .certify(certificate, Role::Issuer)
            .and_then(|issuer| not_expired(issuer, ledger.remembered))
            .map_err(|_| Stop::SECURITY)
    }
}
