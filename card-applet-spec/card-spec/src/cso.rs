//! The card security object: one signature that proves the whole card (SPEC 4).

use crate::certificate::{Certified, Reference, Role};
use crate::crypto::{Digest, PublicKey, Verify};
use crate::signed::{Body, Signed, Verified};
use crate::tlv::{Error, Field, Reader, Writer, template};
use crate::values::{Amount, CardNumber, Constant, Date, Suite};

/// A person over all cards that the person ever has: 16 random bytes.
pub type PersonReference = [u8; 16];

/// Which holder checks the issuer allows on a card (object `86`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HolderCheckPolicy {
    /// Allowed methods: [`Self::PIN`], [`Self::PHOTO_DOCUMENT`].
    pub methods: u8,
    /// Tries of the PIN, 1 to 15.
    pub pin_tries: u8,
    /// Orders that one VERIFY may authorize, at least 1.
    pub orders_per_verify: u8,
}

impl HolderCheckPolicy {
    /// Bit of the PIN.
    pub const PIN: u8 = 0x01;
    /// Bit of a photo identity document seen by the clerk.
    pub const PHOTO_DOCUMENT: u8 = 0x02;
}

impl<'a> Field<'a> for HolderCheckPolicy {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        let [methods, pin_tries, orders_per_verify] = <[u8; 3]>::read(reader, tag)?;
        let known = methods & !(Self::PIN | Self::PHOTO_DOCUMENT) == 0;
        if !known || methods == 0 || !(1..=15).contains(&pin_tries) || orders_per_verify == 0 {
            return Err(Error::Value(tag));
        }
        Ok(Self {
            methods,
            pin_tries,
            orders_per_verify,
        })
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.put(tag, &[self.methods, self.pin_tries, self.orders_per_verify])
    }
}

/// The most that a card pays (object `87`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// In one order.
    pub order: Amount,
    /// In one calendar month.
    pub month: Amount,
    /// In one order while no PIN try is left.
    pub order_without_pin: Amount,
}

impl<'a> Field<'a> for Caps {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        let bytes = <[u8; 24]>::read(reader, tag)?;
        let [order, month, order_without_pin] = bytes.as_chunks::<8>().0 else {
            return Err(Error::Value(tag));
        };
        let amount = |bytes: &[u8; 8]| Amount::new(u64::from_be_bytes(*bytes)).ok_or(Error::Value(tag));
        Ok(Self {
            order: amount(order)?,
            month: amount(month)?,
            order_without_pin: amount(order_without_pin)?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.template(tag, |writer| {
            [self.order, self.month, self.order_without_pin]
                .iter()
                .try_for_each(|amount| writer.raw(&amount.vnd().to_be_bytes()))
        })
    }
}

template! {
    /// Digests (object `A9`): SHA-256 of the trust anchor's and of each data group's data object.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct GroupDigests {
        /// Trust anchor, `FF38`: the card takes no root but the one that the issuer signed for.
        trust_anchor: Digest = 0x80,
        /// Holder, `FF31`.
        holder: Digest = 0x81,
        /// Portrait, `FF32`, if the card has one.
        portrait: Option<Digest> = 0x82,
        /// Programmes, `FF33`.
        programmes: Digest = 0x83,
        /// Linked numbers, `FF34`.
        linked_numbers: Digest = 0x84,
        /// Representatives, `FF35`.
        representatives: Digest = 0x85,
        /// Issuance data, `FF36`.
        issuance: Digest = 0x86,
    }
}

template! {
    /// Body `FF21` (SPEC 4.1).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CardSecurityObject {
        /// Signature suite.
        suite: Suite = 0x80,
        /// Format version, `01`.
        format: Constant<1> = 0x81,
        /// CHR of the issuer's certificate.
        issuer: Reference = 0x42,
        /// Card number.
        card_number: CardNumber = 0x5A,
        /// Version of this CSO for the card, first is 1.
        version: u16 = 0x82,
        /// First day of validity.
        effective: Date = 0x5F25,
        /// Last day of validity.
        expiry: Date = 0x5F24,
        /// The card's key agreement key.
        agreement_key: PublicKey = 0x83,
        /// The card's signing key.
        signing_key: PublicKey = 0x84,
        /// The person, over all cards.
        person: PersonReference = 0x85,
        /// Holder checks allowed.
        policy: HolderCheckPolicy = 0x86,
        /// Caps in VND.
        caps: Caps = 0x87,
        /// Digests of the trust anchor and the data groups.
        digests: GroupDigests = 0xA9,
        /// Place in the issuer's sequence (SPEC 4.3).
        issuer_sequence: u64 = 0x8A,
        /// Hash of the body before it in the issuer's sequence.
        issuer_previous: Digest = 0x8B,
    }
}

impl Body<'_> for CardSecurityObject {
    const TAG: u16 = 0xFF21;
}

/// Largest CSO with its signature in bytes: with a portrait and an issuer's reference of 16 bytes.
pub const MAXIMUM_LENGTH: usize = 601;

/// Why a CSO was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsoError {
    /// It names another issuer, or the certificate at hand is not an issuer's.
    Issuer,
    /// Its signature does not verify.
    Signature,
}

impl core::fmt::Display for CsoError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Issuer => "the card security object names another issuer",
            Self::Signature => "the card security object's signature does not verify",
        })
    }
}

impl core::error::Error for CsoError {}

/// Verifies a CSO under the issuer that it names.
pub fn verify<'a>(
    verifier: &impl Verify,
    issuer: &Certified,
    cso: Signed<'a, CardSecurityObject>,
) -> Result<Verified<'a, CardSecurityObject>, CsoError> {
    if issuer.role() != Role::Issuer || cso.claimed().issuer != issuer.holder() {
        return Err(CsoError::Issuer);
    }
    cso.verify(verifier, issuer.key())
        .map_err(|_| CsoError::Signature)
}
