//! Data fields of the application's commands and responses (SPEC 6, 7, 9 and 13), and their instruction bytes.

use heapless::Vec;
use zeroize::Zeroizing;

use crate::certificate::Certificate;
use crate::crypto::{Digest, PublicKey, Signature};
use crate::list::BlockEntry;
use crate::signed::{Body, Signed, encode_body};
use crate::tlv::{Error, Field, Reader, Writer, template};
use crate::values::{Amount, CardNumber, Date, Suite, TerminalName, byte_enum};

/// Instruction bytes (SPEC 6, 7, 9, 13).
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
    /// REVERSE.
    pub const REVERSE: u8 = 0x56;
    /// READ RECORD.
    pub const READ_RECORD: u8 = 0xB2;
    /// EXECUTE ISSUER SCRIPT.
    pub const EXECUTE_ISSUER_SCRIPT: u8 = 0x5A;
    /// DEACTIVATE.
    pub const DEACTIVATE: u8 = 0x04;
}

/// Key version of transport keys (SPEC 6.2).
pub const TRANSPORT_KEY_VERSION: u8 = 0x01;
/// Largest total of the objects that STORE DATA loads, in bytes (SPEC 6.6).
pub const MAXIMUM_LOAD: usize = 8_704;
/// Longest command chain in bytes (SPEC 8.5).
pub const MAXIMUM_CHAIN: usize = 512;
/// Reference of the PIN in P2 of VERIFY and CHANGE REFERENCE DATA.
pub const PIN_REFERENCE: u8 = 0x81;
/// Short file identifier of the CSO (SPEC 5.1).
pub const CSO_FILE: u8 = 0x1D;
/// P2 of READ RECORD for a receipt: record of P1 in the file `1B` (SPEC 9.9; ISO/IEC 7816-4:2020, table 85).
pub const RECEIPT_RECORD: u8 = 0xDC;
/// P2 of READ RECORD for what a receipt is for: record of P1 in the file `1C` (SPEC 9.9).
pub const OBJECT_RECORD: u8 = 0xE4;
/// P1 of DEACTIVATE with the header of a block list, and with an entry of it (SPEC 13.10).
pub const BLOCK_LIST_HEADER: u8 = 0x00;
/// P1 of DEACTIVATE with an entry of the block list whose header the session keeps.
pub const BLOCK_LIST_ENTRY: u8 = 0x01;
/// Hashes of an audit path that DEACTIVATE takes at most: one chain holds them (SPEC 15).
pub const MAXIMUM_AUDIT_PATH: usize = 14;

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

/// Data of the holder's own CHANGE REFERENCE DATA (SPEC 9.1): the PIN and the new one, twelve digits in all.
pub struct PinChange {
    /// The PIN as typed.
    pub pin: Pin,
    /// The PIN from then on.
    pub new: Pin,
}

impl PinChange {
    /// Takes the data field.
    ///
    /// # Errors
    /// [`Error::Encoding`] unless it is twelve ASCII digits.
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        let (pin, new) = data.split_at_checked(6).ok_or(Error::Encoding)?;
        Ok(Self {
            pin: Pin::new(pin).ok_or(Error::Encoding)?,
            new: Pin::new(new).ok_or(Error::Encoding)?,
        })
    }

    /// The data field.
    pub fn encode(&self) -> Zeroizing<[u8; 12]> {
        let mut data = Zeroizing::new([0; 12]);
        let digits = self.pin.digits().iter().chain(self.new.digits());
        data.iter_mut()
            .zip(digits)
            .for_each(|(byte, digit)| *byte = *digit);
        data
    }
}

/// What an issuer says to a card through a terminal or a station: the issuer's certificate, if the card may not know it,
/// and a signed object. Data of EXECUTE ISSUER SCRIPT (SPEC 13.1) and of DEACTIVATE with a header (SPEC 13.10).
#[derive(Clone, Copy, Debug)]
pub struct IssuerMessage<'a, B> {
    /// The issuer's certificate.
    pub certificate: Option<Signed<'a, Certificate>>,
    /// What the issuer signed.
    pub object: Signed<'a, B>,
}

impl<'a, B: Body<'a>> IssuerMessage<'a, B> {
    /// Reads the data field.
    pub fn parse(data: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(data);
        let certificate = reader
            .is_next(Certificate::WRAPPER)
            .then(|| Signed::read_next(&mut reader))
            .transpose()?;
        let object = Signed::read_next(&mut reader)?;
        reader.finish()?;
        Ok(Self { certificate, object })
    }

    /// Encodes the data field at the start of `out`.
    pub fn encode<'b>(&self, out: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let mut writer = Writer::new(out);
        if let Some(certificate) = &self.certificate {
            writer.raw(certificate.encoding())?;
        }
        writer.raw(self.object.encoding())?;
        Ok(writer.finish())
    }
}

/// Data of DEACTIVATE with an entry (SPEC 13.10): the proof that a block list holds a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockProof<'a> {
    /// The entry.
    pub entry: BlockEntry,
    /// The entry's data object, the leaf of the Merkle tree.
    pub leaf: &'a [u8],
    /// Index of the entry in the list, from 0.
    pub index: u32,
    /// The hashes beside the way from the leaf to the root (RFC 6962, 2.1.1).
    pub path: Vec<Digest, MAXIMUM_AUDIT_PATH>,
}

impl<'a> BlockProof<'a> {
    /// Reads the data field.
    pub fn parse(data: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(data);
        let leaf = reader.expect(BlockEntry::TAG)?.encoding();
        let index = u32::read(&mut reader, 0x81)?;
        let (hashes, rest) = reader.expect(0x82)?.value().as_chunks::<32>();
        reader.finish()?;
        if !rest.is_empty() {
            return Err(Error::Value(0x82));
        }
        Ok(Self {
            entry: BlockEntry::read(&mut Reader::new(leaf), BlockEntry::TAG)?,
            leaf,
            index,
            path: Vec::from_slice(hashes).map_err(|_| Error::Value(0x82))?,
        })
    }

    /// Encodes the data field at the start of `out`.
    pub fn encode<'b>(&self, out: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let mut writer = Writer::new(out);
        writer.raw(self.leaf)?;
        self.index.write(&mut writer, 0x81)?;
        writer.put(0x82, self.path.as_flattened())?;
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
        /// [`Self::KEYS_PRESENT`], [`Self::DATA_LOADED`], [`Self::PIN_SET`], [`Self::UPDATE_LOADED`],
        /// [`Self::PIN_PERMITTED`].
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
    /// An update is loaded completely and not in force (SPEC 13.6).
    pub const UPDATE_LOADED: u8 = 0x08;
    /// A new PIN may be set (SPEC 13.4).
    pub const PIN_PERMITTED: u8 = 0x10;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::BlockReason;

    #[test]
    fn a_pin_change_is_twelve_digits() {
        let change = PinChange::parse(b"271828314159").unwrap();
        assert_eq!(change.pin.digits(), b"271828");
        assert_eq!(change.new.digits(), b"314159");
        assert_eq!(*change.encode(), *b"271828314159");
        let refused: [&[u8]; 7] = [
            b"",
            b"27182",
            b"271828",
            b"27182831415",
            b"2718283141590",
            b"27182x314159",
            b"27182831415x",
        ];
        for data in refused {
            assert!(PinChange::parse(data).is_err(), "{data:?}");
        }
    }

    fn block_proof(hashes: usize) -> Vec<u8, 600> {
        let entry = BlockEntry {
            card_number: CardNumber::new(79, 1).unwrap(),
            reason: BlockReason::Lost,
        };
        let mut data = [0; 600];
        let mut writer = Writer::new(&mut data);
        entry.write(&mut writer, BlockEntry::TAG).unwrap();
        writer.put(0x81, &[0, 0, 0, 7]).unwrap();
        let path = [[0xAB; 32]; MAXIMUM_AUDIT_PATH + 1];
        writer.put(0x82, path[..hashes].as_flattened()).unwrap();
        Vec::from_slice(writer.finish()).unwrap()
    }

    #[test]
    fn a_block_proof_fits_a_chain_and_reads_as_written() {
        for hashes in 0..=MAXIMUM_AUDIT_PATH {
            let data = block_proof(hashes);
            assert!(data.len() <= MAXIMUM_CHAIN);
            let proof = BlockProof::parse(&data).unwrap();
            assert_eq!((proof.leaf, proof.index), (&data[..BlockEntry::LENGTH], 7));
            assert_eq!(proof.path, [[0xAB; 32]; MAXIMUM_AUDIT_PATH][..hashes]);
            let mut buffer = [0; 600];
            assert_eq!(proof.encode(&mut buffer).unwrap(), &data[..]);
        }
    }

    #[test]
    fn a_block_proof_is_refused_with_anything_missing_or_left_over() {
        let right = block_proof(2);
        for end in 0..right.len() {
            assert!(BlockProof::parse(&right[..end]).is_err(), "{end}");
        }
        let longer = block_proof(MAXIMUM_AUDIT_PATH + 1);
        assert!(BlockProof::parse(&longer).is_err());
        let mut behind = right.clone();
        behind.extend_from_slice(&[0x83, 0]).unwrap();
        assert!(BlockProof::parse(&behind).is_err());
        // 63 bytes are no hashes.
        let mut ragged = right.clone();
        ragged.pop();
        ragged[16 + 6 + 1] = 63;
        assert_eq!(BlockProof::parse(&ragged), Err(Error::Value(0x82)));
    }
}
