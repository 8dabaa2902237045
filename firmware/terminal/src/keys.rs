//! The terminal's own keys, and the chain of certificates that vouches for them (SPEC 3).

use core::fmt::Write as _;

use card_spec::certificate::{
    Certificate, CertificateKey, Certified, Flags, Reference, Request, Role, TrustAnchor,
};
use card_spec::crypto::{PublicKey, SecretKey, Verify};
use card_spec::signed::{Body, Signed, Verified};
use card_spec::tlv::{Field as _, Reader};
use card_spec::values::{Date, TerminalName};
use link::Refusal;

use crate::device::{Certificates, Device, MAXIMUM_CERTIFICATE, Object, StoredKeys};

type Encoded = Object<MAXIMUM_CERTIFICATE>;

/// Name and keys of the terminal.
pub(crate) struct Keys {
    pub(crate) name: TerminalName,
    pub(crate) agreement: SecretKey,
    pub(crate) journal: SecretKey,
}

impl Keys {
    /// The keys as kept; `None` if they are none.
    pub(crate) fn load(stored: &StoredKeys) -> Option<Self> {
        Some(Self {
            name: TerminalName::from_bytes(stored.name)?,
            agreement: SecretKey::from_bytes(&stored.agreement).ok()?,
            journal: SecretKey::from_bytes(&stored.journal).ok()?,
        })
    }

    pub(crate) fn to_stored(&self) -> StoredKeys {
        StoredKeys {
            name: self.name.to_bytes(),
            agreement: *self.agreement.to_bytes(),
            journal: *self.journal.to_bytes(),
        }
    }
}

/// The body of a request for one of the keys (SPEC 3.5): the sequence in the name is a proposal.
pub(crate) fn request(name: TerminalName, purpose: char, key: PublicKey) -> Option<Request> {
    let mut holder = heapless::String::<16>::new();
    write!(holder, "{name}{purpose}00001").ok()?;
    Some(Request {
        profile: Default::default(),
        public_key: CertificateKey {
            key,
            with_domain_parameters: false,
        },
        holder: Reference::new(&holder)?,
    })
}

/// A chain that verified: from the trust anchor to the issuer, and to both keys of this terminal.
pub(crate) struct Credentials {
    issuer: Certified,
    authority: Certified,
    agreement: Certified,
    journal: Certified,
}

impl Credentials {
    /// Verifies what the device keeps, or is about to keep.
    pub(crate) fn verify(
        verifier: &impl Verify,
        keys: &Keys,
        test: bool,
        anchor: &[u8],
        certificates: &Certificates,
    ) -> Result<Self, Refusal> {
        let mut reader = Reader::new(anchor);
        let anchor = TrustAnchor::read(&mut reader, TrustAnchor::TAG).map_err(|_| Refusal::NotGenuine)?;
        reader.finish().map_err(|_| Refusal::NotGenuine)?;
        let root = Certified::trust(&anchor).map_err(|_| Refusal::NotGenuine)?;
        // DATA 8.3: a board without a certified random source belongs below a test root, and only there.
        if (root.flags() == Flags::Test) != test {
            return Err(Refusal::NotGenuine);
        }
        let step = |authority: &Certified, encoding: &[u8], role| {
            let certificate = Signed::<Certificate>::parse(encoding).map_err(|_| Refusal::NotGenuine)?;
            let certified = authority.certify(verifier, &certificate);
            let certified = certified.map_err(|_| Refusal::NotGenuine)?;
            certified.require_role(role).map_err(|_| Refusal::NotGenuine)?;
            Ok::<_, Refusal>(certified)
        };
        let issuer = step(&root, &certificates.issuer, Role::Issuer)?;
        let authority = step(&root, &certificates.authority, Role::TerminalAuthority)?;
        let agreement = step(&authority, &certificates.agreement, Role::TerminalAgreement)?;
        let journal = step(&authority, &certificates.journal, Role::TerminalJournal)?;
        for (certified, key) in [(&agreement, &keys.agreement), (&journal, &keys.journal)] {
            let own_name = certified.holder().terminal_name() == Some(keys.name);
            if !own_name || *certified.key() != key.public_key() {
                return Err(Refusal::NotForThisTerminal);
            }
        }
        Ok(Self {
            issuer,
            authority,
            agreement,
            journal,
        })
    }

    /// Of the chain that the device keeps.
    pub(crate) fn load(
        verifier: &impl Verify,
        keys: &Keys,
        test: bool,
        device: &Device,
    ) -> Result<Self, Refusal> {
        match (&device.trust_anchor, &device.certificates) {
            (Some(anchor), Some(certificates)) => Self::verify(verifier, keys, test, anchor, certificates),
            _ => Err(Refusal::OutOfOrder),
        }
    }

    /// The issuer of cards and lists.
    pub(crate) fn issuer(&self) -> &Certified {
        &self.issuer
    }

    /// Is the day within the dates of all of them?
    pub(crate) fn valid_on(&self, day: Date) -> bool {
        [&self.issuer, &self.agreement, &self.journal]
            .iter()
            .all(|certified| certified.valid_on(day).is_ok())
    }

    /// The newest day that a certificate of this terminal vouches for: it was signed then.
    pub(crate) fn newest_day(&self) -> Date {
        self.agreement.effective().max(self.journal.effective())
    }

    /// Does one of the certificates begin before the one that it would replace? Then it is an old one, sent again.
    pub(crate) fn precede(&self, installed: &Self) -> bool {
        let pairs = [
            (&self.issuer, &installed.issuer),
            (&self.authority, &installed.authority),
            (&self.agreement, &installed.agreement),
            (&self.journal, &installed.journal),
        ];
        pairs.iter().any(|(new, old)| new.effective() < old.effective())
    }

    /// Has one of the certificates ended before this day?
    pub(crate) fn expired_before(&self, day: Date) -> bool {
        [&self.issuer, &self.authority, &self.agreement, &self.journal]
            .iter()
            .any(|certified| certified.expiry() < day)
    }

    /// Verifies an object that the issuer signs and names itself in.
    pub(crate) fn verify_issued<'a, B: Body<'a>>(
        &self,
        verifier: &impl Verify,
        object: &'a [u8],
        names_issuer: impl FnOnce(&B) -> Reference,
    ) -> Result<Verified<'a, B>, Refusal> {
        let signed = Signed::<B>::parse(object).map_err(|_| Refusal::Malformed)?;
        if names_issuer(signed.claimed()) != self.issuer.holder() {
            return Err(Refusal::NotForThisTerminal);
        }
        signed
            .verify(verifier, self.issuer.key())
            .map_err(|_| Refusal::NotGenuine)
    }
}

/// Splits what Install brings: an anchor if there is one, and the four certificates in their order (DATA 8.2).
pub(crate) fn split_objects(objects: &[u8]) -> Result<(Option<Encoded>, Certificates), Refusal> {
    let mut reader = Reader::new(objects);
    let mut next = |tag| {
        let object = reader.expect(tag).map_err(|_| Refusal::Malformed)?;
        Encoded::from_slice(object.encoding()).map_err(|_| Refusal::TooLarge)
    };
    let anchor = if objects.starts_with(&TrustAnchor::TAG.to_be_bytes()) {
        Some(next(TrustAnchor::TAG)?)
    } else {
        None
    };
    const TAG: u16 = <Certificate as Body<'_>>::WRAPPER;
    let certificates = Certificates {
        issuer: next(TAG)?,
        authority: next(TAG)?,
        agreement: next(TAG)?,
        journal: next(TAG)?,
    };
    reader.finish().map_err(|_| Refusal::Malformed)?;
    Ok((anchor, certificates))
}
