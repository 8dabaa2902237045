//! Who vouches for whom: chains (SPEC 3.4), requests (SPEC 3.5) and link certificates (SPEC 3.6).

use core::fmt;

use super::{Authorization, Certificate, Flags, Reference, Request, Role, TrustAnchor};
use crate::crypto::{Digest, PublicKey, Verify};
use crate::signed::Signed;
use crate::values::Date;

/// Why a certificate was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// Its CAR is not the CHR of the authority at hand (SPEC 3.4).
    UnknownAuthority,
    /// Its signature does not verify.
    Signature,
    /// The authority's role does not allow to sign this role, or the name (SPEC 3.2) or the domain parameters, which
    /// stand in a root and only there (SPEC 3.1), do not fit the role.
    Role,
    /// A TEST certificate below a production root, or the reverse of it (SPEC 3.3).
    Flags,
    /// Its dates do not lie within its authority's, or span more than its role allows (SPEC 3.4).
    Dates,
    /// A link certificate whose holder does not come after its authority (SPEC 3.6).
    Sequence,
    /// It is not valid on the day in question.
    NotValidOn(Date),
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAuthority => f.write_str("signed by an authority that is not known here"),
            Self::Signature => f.write_str("the certificate's signature does not verify"),
            Self::Role => f.write_str(
                "the certificate's role does not fit its authority, its name or the form of its key",
            ),
            Self::Flags => f.write_str("test and production certificates in one chain"),
            Self::Dates => f.write_str("the certificate's dates do not fit its authority's or its role"),
            Self::Sequence => {
                f.write_str("the link certificate's root does not come after the root that signed it")
            }
            Self::NotValidOn(date) => write!(f, "the certificate is not valid on {date}"),
        }
    }
}

impl core::error::Error for CertificateError {}

/// A public key that a chain from a trust anchor vouches for, with the name, role and dates it vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certified {
    holder: Reference,
    key: PublicKey,
    authorization: Authorization,
    effective: Date,
    expiry: Date,
}

/// Days that a terminal's certificate may span (SPEC 3.4), both ends included.
const TERMINAL_DAYS: u32 = 35;

impl Certified {
    /// Takes a root on the caller's word: how it got the anchor is the caller's business.
    pub fn trust(anchor: &TrustAnchor) -> Result<Self, CertificateError> {
        let authorization = anchor.authorization.0;
        if authorization.role != Role::Root || !name_fits(Role::Root, &anchor.reference) {
            return Err(CertificateError::Role);
        }
        if anchor.effective > anchor.expiry {
            return Err(CertificateError::Dates);
        }
        Ok(Self {
            holder: anchor.reference,
            key: anchor.key,
            authorization,
            effective: anchor.effective,
            expiry: anchor.expiry,
        })
    }

    /// Takes a self-signed root certificate whose key the caller trusts.
    pub fn trust_root(
        verifier: &impl Verify,
        root: &Signed<'_, Certificate>,
        trusted: &PublicKey,
    ) -> Result<Self, CertificateError> {
        let body = root.claimed();
        if body.public_key.key != *trusted || body.authority != body.holder {
            return Err(CertificateError::UnknownAuthority);
        }
        if !body.public_key.with_domain_parameters {
            return Err(CertificateError::Role);
        }
        root.verify(verifier, trusted)
            .map_err(|_| CertificateError::Signature)?;
        Self::trust(&body.trust_anchor())
    }

    /// Verifies a certificate that this authority signed (SPEC 3.4; the day is [`Self::valid_on`]).
    pub fn certify(
        &self,
        verifier: &impl Verify,
        certificate: &Signed<'_, Certificate>,
    ) -> Result<Self, CertificateError> {
        let body = certificate.claimed();
        if body.authority != self.holder {
            return Err(CertificateError::UnknownAuthority);
        }
        let Authorization { role, flags } = body.authorization;
        let fits = name_fits(role, &body.holder) && !body.public_key.with_domain_parameters;
        if !self.authorization.role.may_certify(role) || !fits {
            return Err(CertificateError::Role);
        }
        // A demonstration root signs test material only, a production root none of it.
        if flags != self.authorization.flags {
            return Err(CertificateError::Flags);
        }
        let within = self.effective <= body.effective && body.expiry <= self.expiry;
        let long_lived = matches!(role, Role::Issuer | Role::TerminalAuthority);
        let short =
            long_lived || days_spanned(body.effective, body.expiry).is_some_and(|days| days <= TERMINAL_DAYS);
        if body.effective > body.expiry || !within || !short {
            return Err(CertificateError::Dates);
        }
        certificate
            .verify(verifier, &self.key)
            .map_err(|_| CertificateError::Signature)?;
        Ok(Self {
            holder: body.holder,
            key: body.public_key.key,
            authorization: body.authorization,
            effective: body.effective,
            expiry: body.expiry,
        })
    }

    /// Verifies a link certificate that this root signed, and returns the root that it hands the trust on to (SPEC 3.6).
    pub fn follow_link(
        &self,
        verifier: &impl Verify,
        link: &Signed<'_, Certificate>,
    ) -> Result<TrustAnchor, CertificateError> {
        let body = link.claimed();
        if body.authority != self.holder {
            return Err(CertificateError::UnknownAuthority);
        }
        let Authorization { role, flags } = body.authorization;
        // A root's name has one mnemonic only, so both names have the same.
        let fits = name_fits(Role::Root, &body.holder) && body.public_key.with_domain_parameters;
        if self.authorization.role != Role::Root || role != Role::Root || !fits {
            return Err(CertificateError::Role);
        }
        if body.holder.sequence() <= self.holder.sequence() {
            return Err(CertificateError::Sequence);
        }
        if flags != self.authorization.flags {
            return Err(CertificateError::Flags);
        }
        let starts_within = self.effective <= body.effective && body.effective <= self.expiry;
        if !starts_within || body.effective > body.expiry {
            return Err(CertificateError::Dates);
        }
        link.verify(verifier, &self.key)
            .map_err(|_| CertificateError::Signature)?;
        Ok(body.trust_anchor())
    }

    /// Is the day within the dates of this certificate (and so within all of its chain)?
    pub fn valid_on(&self, date: Date) -> Result<(), CertificateError> {
        let valid = self.effective <= date && date <= self.expiry;
        if valid {
            Ok(())
        } else {
            Err(CertificateError::NotValidOn(date))
        }
    }

    /// Has this role?
    pub fn require_role(&self, role: Role) -> Result<(), CertificateError> {
        if self.authorization.role == role {
            Ok(())
        } else {
            Err(CertificateError::Role)
        }
    }

    /// The holder's reference.
    pub fn holder(&self) -> Reference {
        self.holder
    }

    /// The certified key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The role.
    pub fn role(&self) -> Role {
        self.authorization.role
    }

    /// Production or test.
    pub fn flags(&self) -> Flags {
        self.authorization.flags
    }

    /// First day of validity.
    pub fn effective(&self) -> Date {
        self.effective
    }

    /// Last day of validity.
    pub fn expiry(&self) -> Date {
        self.expiry
    }
}

/// Does the name have the form that SPEC 3.2 gives the role?
fn name_fits(role: Role, holder: &Reference) -> bool {
    let text = holder.as_str();
    // `prefix` and so many digits.
    let numbered = |prefix, digits| {
        text.strip_prefix(prefix)
            .is_some_and(|rest: &str| rest.len() == digits && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match role {
        Role::Root => numbered("VNROOT", 5),
        // Province (2) and sequence number (5).
        Role::Issuer => numbered("VNISS", 7),
        Role::TerminalAuthority => numbered("VNTCA", 5),
        Role::TerminalAgreement => holder.terminal_name().is_some() && text.as_bytes().get(10) == Some(&b'A'),
        Role::TerminalJournal => holder.terminal_name().is_some() && text.as_bytes().get(10) == Some(&b'J'),
    }
}

/// Days from `first` to `last`, both included.
fn days_spanned(first: Date, last: Date) -> Option<u32> {
    last.day_number().checked_sub(first.day_number())?.checked_add(1)
}

/// Verifies a request: its holder has the private key (SPEC 3.5).
pub fn verify_request<'a>(
    verifier: &impl Verify,
    request: &Signed<'a, Request>,
) -> Result<ProvenRequest, CertificateError> {
    let body = request.claimed();
    if body.public_key.with_domain_parameters {
        return Err(CertificateError::Role);
    }
    request
        .verify(verifier, &body.public_key.key)
        .map_err(|_| CertificateError::Signature)?;
    Ok(ProvenRequest {
        key: body.public_key.key,
        holder: body.holder,
        hash: request.hash(),
    })
}

/// A request whose holder has proven possession of the key.
#[derive(Clone, Copy, Debug)]
pub struct ProvenRequest {
    key: PublicKey,
    holder: Reference,
    hash: Digest,
}

impl ProvenRequest {
    /// The key whose possession is proven.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// The name asked for.
    pub fn holder(&self) -> Reference {
        self.holder
    }

    /// SHA-256 of the request's body.
    pub fn hash(&self) -> Digest {
        self.hash
    }
}
