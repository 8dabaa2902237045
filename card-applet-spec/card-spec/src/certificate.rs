//! Card-verifiable certificates (SPEC 3; TR-03110-3, C.1) and the chains they form.
//!
//! [`Certified`] is a public key that a chain from a trust anchor vouches for. It is made by [`Certified::trust`] from
//! the anchor that the caller holds, and by [`Certified::certify`] from a certificate that verified: nothing else.

mod authorization;
mod chain;
mod public_key;
mod reference;

use crate::crypto::PublicKey;
use crate::signed::Body;
use crate::tlv::{Error, Reader, template};
use crate::values::{Constant, Date};

pub use authorization::{Authorization, AuthorizationBits, Flags, Role};
pub use chain::{CertificateError, Certified, ProvenRequest, verify_request};
pub use public_key::CertificateKey;
pub use reference::Reference;

template! {
    /// Body `7F4E` of a certificate (SPEC 3.1).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Certificate {
        /// Profile identifier, `00`.
        profile: Constant<0> = 0x5F29,
        /// Who signed it.
        authority: Reference = 0x42,
        /// The certified key.
        public_key: CertificateKey = 0x7F49,
        /// Whose key it is.
        holder: Reference = 0x5F20,
        /// What the holder may do.
        authorization: Authorization = 0x7F4C,
        /// First day of validity.
        effective: Date = 0x5F25,
        /// Last day of validity.
        expiry: Date = 0x5F24,
    }
}

impl Body<'_> for Certificate {
    const TAG: u16 = 0x7F4E;
    const WRAPPER: u16 = 0x7F21;
}

template! {
    /// Body `7F4E` of a certificate request, signed with the key in it (SPEC 3.5).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Request {
        /// Profile identifier, `00`.
        profile: Constant<0> = 0x5F29,
        /// The key, without domain parameters.
        public_key: CertificateKey = 0x7F49,
        /// The name asked for.
        holder: Reference = 0x5F20,
    }
}

impl Body<'_> for Request {
    const TAG: u16 = 0x7F4E;
    const WRAPPER: u16 = 0x7F21;
}

template! {
    /// A root as a card and a terminal hold it: object `FF38` (SPEC 6.7).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TrustAnchor {
        /// CHR of the root.
        reference: Reference = 0x42,
        /// Its key.
        key: PublicKey = 0x83,
        /// First day of validity.
        effective: Date = 0x5F25,
        /// Last day of validity.
        expiry: Date = 0x5F24,
        /// Role (must be root) and flags.
        authorization: AuthorizationBits = 0x53,
    }
}

impl TrustAnchor {
    /// Tag of the object.
    pub const TAG: u16 = 0xFF38;
}

impl Certificate {
    /// The root's certificate as a trust anchor object.
    pub fn trust_anchor(&self) -> TrustAnchor {
        TrustAnchor {
            reference: self.holder,
            key: self.public_key.key,
            effective: self.effective,
            expiry: self.expiry,
            authorization: AuthorizationBits(self.authorization),
        }
    }
}

fn expect_value(reader: &mut Reader<'_>, tag: u16, value: &[u8]) -> Result<(), Error> {
    if reader.expect(tag)?.value() == value {
        Ok(())
    } else {
        Err(Error::Value(tag))
    }
}
