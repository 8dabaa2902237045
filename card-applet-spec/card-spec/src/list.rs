//! Payment lists and block lists as files and as a terminal receives them (DATA 3 and 4).

use core::ops::Range;

use crate::certificate::Reference;
use crate::crypto::Digest;
use crate::payment::LineKey;
use crate::signed::Body;
use crate::tlv::{Error, Field, Reader, Writer, template};
use crate::values::{Amount, Ascii, CardNumber, Constant, Date, Suite, TerminalName, Time, byte_enum};

/// Lines of a payment list at most (DATA 3.1).
pub const MAXIMUM_LINES: u32 = 4_000;
/// Lists that one list may leave in force beside it (DATA 3.1).
pub const MAXIMUM_KEPT: usize = 3;
/// Days after which a block list is too old to pay with (DATA 4).
pub const BLOCK_LIST_MAXIMUM_AGE_DAYS: u32 = 35;

template! {
    /// Body `FF22`: header of a payment list (DATA 3.1).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ListHeader<'a> {
        /// Signature suite.
        suite: Suite = 0x80,
        /// Format version, `01`.
        format: Constant<1> = 0x81,
        /// CHR of the issuer.
        issuer: Reference = 0x42,
        /// Name of the list.
        list_id: Ascii<'a, 20> = 0x82,
        /// Number of the list, rising.
        number: u32 = 0x83,
        /// Where it is paid.
        pay_point: Ascii<'a, 12> = 0x84,
        /// The terminal that may pay it.
        terminal: TerminalName = 0x85,
        /// First day of payment.
        effective: Date = 0x5F25,
        /// Last day of payment.
        expiry: Date = 0x5F24,
        /// Number of lines.
        lines: u32 = 0x86,
        /// Merkle root of the lines.
        root: Digest = 0x87,
        /// Sum of the lines' amounts.
        total: Amount = 0x88,
        /// Place in the issuer's sequence.
        issuer_sequence: u64 = 0x8A,
        /// Hash of the body before it in the issuer's sequence.
        issuer_previous: Digest = 0x8B,
        /// Earlier lists that stay in force beside it; all others end with it.
        keeps: Option<KeptLists<'a>> = 0x8C,
        /// The most that may be paid by hand for one line, to a card that fails; without it nothing is.
        by_hand_up_to: Option<SomeAmount> = 0x8D,
    }
}

impl<'a> Body<'a> for ListHeader<'a> {
    const TAG: u16 = 0xFF22;
}

impl<'a> ListHeader<'a> {
    /// Numbers of the earlier lists that stay in force beside this one, ascending.
    pub fn kept(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.keeps.into_iter().flat_map(|kept| kept.numbers())
    }
}

/// Numbers of payment lists, 4 bytes each: 1 to [`MAXIMUM_KEPT`], ascending, none twice (DATA 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptLists<'a>(&'a [u8]);

impl<'a> KeptLists<'a> {
    /// From the bytes of the numbers.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let kept = Self(bytes);
        let is_whole = (1..=MAXIMUM_KEPT).any(|count| count.checked_mul(4) == Some(bytes.len()));
        let is_ascending = kept.numbers().is_sorted_by(|before, after| before < after);
        (is_whole && is_ascending && kept.numbers().all(|number| number > 0)).then_some(kept)
    }

    /// The numbers.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + use<'a> {
        let (numbers, _) = self.0.as_chunks();
        numbers.iter().map(|number| u32::from_be_bytes(*number))
    }
}

impl<'a> Field<'a> for KeptLists<'a> {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        Self::new(reader.expect(tag)?.value()).ok_or(Error::Value(tag))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.put(tag, self.0)
    }
}

/// An amount that is not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SomeAmount(Amount);

impl SomeAmount {
    /// `None` for 0.
    pub fn new(amount: Amount) -> Option<Self> {
        (amount.vnd() > 0).then_some(Self(amount))
    }

    /// The amount.
    pub fn amount(self) -> Amount {
        self.0
    }
}

impl Field<'_> for SomeAmount {
    fn read(reader: &mut Reader<'_>, tag: u16) -> Result<Self, Error> {
        Self::new(Amount::read(reader, tag)?).ok_or(Error::Value(tag))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        self.0.write(writer, tag)
    }
}

template! {
    /// A line `FF37` of a payment list (DATA 3.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ListLine {
        /// From 1, consecutive.
        number: u32 = 0x80,
        /// The one card that may draw it.
        card_number: CardNumber = 0x5A,
        /// What is paid.
        line_key: LineKey = 0x81,
        /// How much.
        amount: Amount = 0x82,
        /// Recipients allowed: bit 1 holder, bit 2 representative.
        recipients: u8 = 0x83,
    }
}

impl ListLine {
    /// Tag of a line.
    pub const TAG: u16 = 0xFF37;
    /// Bytes of every line.
    pub const LENGTH: usize = 60;
    /// Where the value of the card number stands in every line, for who looks for a card and parses only its lines.
    pub const CARD_NUMBER: Range<usize> = 11..19;
    /// Where the value of the line key stands in every line.
    pub const LINE_KEY: Range<usize> = 21..47;
}

byte_enum! {
    /// Why a card is blocked (DATA 4).
    pub enum BlockReason {
        /// Reported lost.
        Lost = 1,
        /// Reported stolen.
        Stolen = 2,
        /// Another card took its place.
        Replaced = 3,
        /// The holder has died.
        HolderDeceased = 4,
        /// Nothing is due any more.
        EntitlementEnded = 5,
        /// Its issuance failed after the CSO was signed.
        IssuanceFailed = 6,
    }
}

template! {
    /// Body `FF25`: header of a block list (DATA 4).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BlockListHeader {
        /// Signature suite.
        suite: Suite = 0x80,
        /// Format version, `01`.
        format: Constant<1> = 0x81,
        /// CHR of the issuer.
        issuer: Reference = 0x42,
        /// Number of the block list, rising.
        number: u32 = 0x82,
        /// Number of entries.
        count: u32 = 0x83,
        /// Merkle root of the entries.
        root: Digest = 0x84,
        /// When it was signed.
        issued: Time = 0x85,
        /// Place in the issuer's sequence.
        issuer_sequence: u64 = 0x8A,
        /// Hash of the body before it in the issuer's sequence.
        issuer_previous: Digest = 0x8B,
    }
}

impl BlockListHeader {
    /// Longest header with its signature in bytes.
    pub const MAXIMUM_LENGTH: usize = 197;
}

impl Body<'_> for BlockListHeader {
    const TAG: u16 = 0xFF25;
}

template! {
    /// An entry `FF39` of a block list.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BlockEntry {
        /// The card.
        card_number: CardNumber = 0x5A,
        /// Why.
        reason: BlockReason = 0x80,
    }
}

impl BlockEntry {
    /// Tag of an entry.
    pub const TAG: u16 = 0xFF39;
    /// Bytes of every entry.
    pub const LENGTH: usize = 16;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SecretKey;
    use crate::payment::{LineKeyParts, LineType};
    use crate::values::{Period, Programme};
    use heapless::Vec;

    #[test]
    fn lines_and_entries_have_the_lengths_and_places_stated() {
        let card_number = CardNumber::new(79, 1).unwrap();
        let line_key = LineKey::new(&LineKeyParts {
            person: [7; 16],
            programme: Programme::SUDDEN_RELIEF,
            entitlement: 1,
            line_type: LineType::Regular,
            period: Period::FIRST,
        });
        let line = ListLine {
            number: 1,
            card_number,
            line_key,
            amount: Amount::MAXIMUM,
            recipients: 3,
        };
        let entry = BlockEntry {
            card_number,
            reason: BlockReason::Lost,
        };
        let mut buffer = [0; 100];
        let mut writer = Writer::new(&mut buffer);
        line.write(&mut writer, ListLine::TAG).unwrap();
        let encoding = writer.finish();
        assert_eq!(encoding.len(), ListLine::LENGTH);
        assert_eq!(encoding[ListLine::CARD_NUMBER], card_number.to_bytes());
        assert_eq!(encoding[ListLine::LINE_KEY], line_key.to_bytes());
        let mut writer = Writer::new(&mut buffer);
        entry.write(&mut writer, BlockEntry::TAG).unwrap();
        assert_eq!(writer.finish().len(), BlockEntry::LENGTH);
    }

    #[test]
    fn lists_that_are_kept_ascend_and_are_one_to_three() {
        let bytes = |numbers: &[u32]| {
            numbers
                .iter()
                .flat_map(|number| number.to_be_bytes())
                .collect::<Vec<u8, 16>>()
        };
        for kept in [&[1][..], &[1, 2], &[3, 9, u32::MAX]] {
            let bytes = bytes(kept);
            assert!(KeptLists::new(&bytes).unwrap().numbers().eq(kept.iter().copied()));
        }
        for refused in [&[][..], &[0], &[0, 1], &[2, 1], &[2, 2], &[1, 2, 3, 4]] {
            assert_eq!(KeptLists::new(&bytes(refused)), None, "{refused:?}");
        }
        for length in [1, 3, 5, 11] {
            assert_eq!(KeptLists::new(&[1; 12][..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn the_longest_header_of_a_block_list_has_the_length_stated() {
        let header = BlockListHeader {
            suite: Default::default(),
            format: Default::default(),
            issuer: Reference::new("VN12345678900001").unwrap(),
            number: 1,
            count: 1,
            root: [0; 32],
            issued: Time::UNSET,
            issuer_sequence: 1,
            issuer_previous: [0; 32],
        };
        let key = SecretKey::from_bytes(&[7; 32]).unwrap();
        let mut buffer = [0; 256];
        let object = crate::signed::sign(&header, &key, &mut buffer).unwrap();
        assert_eq!(object.len(), BlockListHeader::MAXIMUM_LENGTH);
    }
}
