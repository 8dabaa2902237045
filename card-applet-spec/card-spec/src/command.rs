//! Data fields of the application's commands and responses (SPEC 6, 7 and 9), and their instruction bytes.

use zeroize::Zeroizing;

use crate::crypto::{Digest, PublicKey, Signature};
use crate::signed::{Body, encode_body};
use crate::tlv::{Error, Field, Reader, Writer, template};
use crate::values::{Amount, CardNumber, Date, Suite, TerminalName, byte_enum};

/// Instruction bytes (SPEC 6, 7, 9).
pub mod instruction {
    /// SELECT.
    pub const SELECT: u8 = 0xA4;
    /// INITIALIZE UPDATE.
    pub const INITIALIZE_UPDATE: u8 = 0x50;
    /// EXTERNAL AUTHENTICATE, and MUTUAL AUTHENTICATE in SCP11a.
    pub const EXTERNAL_AUTHENTICATE: u8 = 0x82;
    /// PUT KEY.
    pub const PUT_KEY: u8 = 0xD8;
    /// GENERATE ASYMMETRIC KEY PAIR, data in BER-TLV.
    pub const GENERATE_KEY_PAIR: u8 = 0x47;
    /// STORE DATA.
    pub const STORE_DATA: u8 = 0xE2;
    /// CHANGE REFERENCE DATA.
    pub const CHANGE_REFERENCE_DATA: u8 = 0x24;
    /// ACTIVATE.
    pub const ACTIVATE: u8 = 0x44;
    /// GET DATA.
    pub const GET_DATA: u8 = 0xCA;
    /// PERFORM SECURITY OPERATION: verify certificate.
    pub const PERFORM_SECURITY_OPERATION: u8 = 0x2A;
    /// INTERNAL AUTHENTICATE.
    pub const INTERNAL_AUTHENTICATE: u8 = 0x88;
    /// READ BINARY.
    pub const READ_BINARY: u8 = 0xB0;
    /// VERIFY.
    pub const VERIFY: u8 = 0x20;
    /// DISBURSE.
    pub const DISBURSE: u8 = 0x54;
}

/// Key version of transport keys (SPEC 6.2).
pub const TRANSPORT_KEY_VERSION: u8 = 0x01;
/// Largest total of the objects that STORE DATA loads, in bytes (SPEC 6.6).
pub const MAXIMUM_LOAD: usize = 2_560;
/// Longest command chain in bytes (SPEC 8.5).
pub const MAXIMUM_CHAIN: usize = 512;
/// Reference of the PIN in P2 of VERIFY and CHANGE REFERENCE DATA.
pub const PIN_REFERENCE: u8 = 0x81;
/// Short file identifier of the CSO (SPEC 5.1).
pub const CSO_FILE: u8 = 0x1D;

byte_enum! {
    /// Life cycle of a card, coded as ISO/IEC 7816-4:2020, table 14 (SPEC 6.1).
    pub enum LifeCycle {
        /// With transport keys only.
        Blank = 0x01,
        /// Has issuer keys, is being written.
        Personalizing = 0x03,
        /// Pays.
        Active = 0x05,
        /// Pays nothing until it is unblocked.
        Blocked = 0x04,
        /// Pays nothing for ever.
        Terminated = 0x0C,
    }
}

template! {
    /// Object `A5` in the file control information: version of the specification.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ProprietaryInformation {
        /// Version of the specification, `01`.
        version: u8 = 0x80,
    }
}

template! {
    /// Answer to SELECT, object `6F` (SPEC 6.1).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct FileControlInformation {
        /// The application identifier.
        identifier: [u8; 8] = 0x84,
        /// Life cycle.
        life_cycle: LifeCycle = 0x8A,
        /// Version of the specification.
        proprietary: ProprietaryInformation = 0xA5,
    }
}

impl FileControlInformation {
    /// Tag of the object.
    pub const TAG: u16 = 0x6F;
}

/// A PIN of six digits, erased when dropped. It has no `Debug`, and only [`Pin::digits`] shows it.
pub struct Pin(Zeroizing<[u8; 6]>);

impl Pin {
    /// Takes six ASCII digits.
    pub fn new(digits: &[u8]) -> Option<Self> {
        let digits = <[u8; 6]>::try_from(digits).ok()?;
        digits
            .iter()
            .all(u8::is_ascii_digit)
            .then_some(Self(Zeroizing::new(digits)))
    }

    /// Six ASCII digits, for the command that carries them.
    pub fn digits(&self) -> &[u8; 6] {
        &self.0
    }
}

/// Data of VERIFY (SPEC 9.1).
pub struct VerifyData {
    /// The PIN as typed.
    pub pin: Pin,
    /// Orders that it authorizes.
    pub orders: u8,
    /// Their total at most.
    pub total: Amount,
}

impl VerifyData {
    /// Reads the data field: the objects stand in no template.
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(data);
        let pin = Pin::new(reader.expect(0x80)?.value()).ok_or(Error::Value(0x80))?;
        let orders = u8::read(&mut reader, 0x81)?;
        let total = Amount::read(&mut reader, 0x82)?;
        reader.finish()?;
        if orders == 0 {
            Err(Error::Value(0x81))
        } else {
            Ok(Self { pin, orders, total })
        }
    }

    /// Encodes the data field at the start of `out`.
    pub fn encode<'b>(&self, out: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let mut writer = Writer::new(out);
        writer.put(0x80, self.pin.digits())?;
        self.orders.write(&mut writer, 0x81)?;
        self.total.write(&mut writer, 0x82)?;
        Ok(writer.finish())
    }
}

/// Data of GENERATE ASYMMETRIC KEY PAIR (SPEC 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenerateData {
    /// Number that the card is to get.
    pub card_number: CardNumber,
    /// The issuer's nonce.
    pub nonce: [u8; 16],
    /// The host's ephemeral key.
    pub ephemeral: PublicKey,
}

impl GenerateData {
    /// Reads the data field.
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(data);
        let value = Self {
            card_number: Field::read(&mut reader, 0x5A)?,
            nonce: Field::read(&mut reader, 0x81)?,
            ephemeral: Field::read(&mut reader, 0x5F49)?,
        };
        reader.finish()?;
        Ok(value)
    }

    /// Encodes the data field at the start of `out`.
    pub fn encode<'b>(&self, out: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let mut writer = Writer::new(out);
        self.card_number.write(&mut writer, 0x5A)?;
        self.nonce.write(&mut writer, 0x81)?;
        self.ephemeral.write(&mut writer, 0x5F49)?;
        Ok(writer.finish())
    }
}

/// Answer to GENERATE ASYMMETRIC KEY PAIR (SPEC 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneratedKeys {
    /// Key agreement key.
    pub agreement_key: PublicKey,
    /// Signing key.
    pub signing_key: PublicKey,
    /// Signature over the [`KeyPossession`] body.
    pub signature: Signature,
    /// Key confirmation over the same bytes.
    pub confirmation: [u8; 16],
}

impl GeneratedKeys {
    /// Reads the data field.
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(data);
        let value = Self {
            agreement_key: Field::read(&mut reader, 0x83)?,
            signing_key: Field::read(&mut reader, 0x84)?,
            signature: Field::read(&mut reader, 0x5F37)?,
            confirmation: Field::read(&mut reader, 0x86)?,
        };
        reader.finish()?;
        Ok(value)
    }

    /// Encodes the data field at the start of `out`.
    pub fn encode<'b>(&self, out: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let mut writer = Writer::new(out);
        self.agreement_key.write(&mut writer, 0x83)?;
        self.signing_key.write(&mut writer, 0x84)?;
        self.signature.write(&mut writer, 0x5F37)?;
        self.confirmation.write(&mut writer, 0x86)?;
        Ok(writer.finish())
    }
}

template! {
    /// Body `FF2A`: what a card's signing key signs to prove that both keys are the card's (SPEC 6.5).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct KeyPossession {
        /// Signature suite.
        suite: Suite = 0x80,
        /// Number that the card is to get.
        card_number: CardNumber = 0x5A,
        /// The issuer's nonce.
        nonce: [u8; 16] = 0x81,
        /// Key agreement key.
        agreement_key: PublicKey = 0x83,
        /// Signing key.
        signing_key: PublicKey = 0x84,
    }
}

impl Body<'_> for KeyPossession {
    const TAG: u16 = 0xFF2A;
}

template! {
    /// Body `FF29`: binds the CSO to a session (SPEC 7.6).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct SessionBinding {
        /// Signature suite.
        suite: Suite = 0x80,
        /// Receipt of the SCP11a key agreement.
        session_receipt: [u8; 16] = 0x81,
        /// CSO hash.
        cso_hash: Digest = 0x82,
        /// The authenticated terminal.
        terminal: TerminalName = 0x83,
    }
}

impl Body<'_> for SessionBinding {
    const TAG: u16 = 0xFF29;
}

impl SessionBinding {
    /// The bytes that the card signs.
    pub fn signed_bytes<'b>(&self, out: &'b mut [u8]) -> Result<&'b [u8], Error> {
        encode_body(self, out)
    }
}

template! {
    /// Answer to GET DATA `FF3F` (SPEC 6.10).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CardStatus {
        /// Life cycle.
        life_cycle: LifeCycle = 0x8A,
        /// Version of the SCP03 keys.
        key_version: u8 = 0x80,
        /// [`Self::KEYS_PRESENT`], [`Self::DATA_LOADED`], [`Self::PIN_SET`].
        flags: u8 = 0x81,
        /// Hash of the CSO loaded.
        cso_hash: Option<Digest> = 0x82,
        /// PIN tries left.
        pin_tries: u8 = 0x83,
        /// Receipt counter.
        counter: u32 = 0x84,
        /// Head of the receipt chain.
        head: Option<Digest> = 0x85,
        /// Remembered date.
        date: Option<Date> = 0x5F25,
    }
}

impl CardStatus {
    /// Tag of the object.
    pub const TAG: u16 = 0xFF3F;
    /// Key pairs are present.
    pub const KEYS_PRESENT: u8 = 0x01;
    /// STORE DATA was completed.
    pub const DATA_LOADED: u8 = 0x02;
    /// A PIN is set.
    pub const PIN_SET: u8 = 0x04;
}
