//! Order and receipt (SPEC 9): what a terminal asks a card to pay, and what the card answers and signs.

use core::fmt;

use crate::crypto::Digest;
use crate::cso::PersonReference;
use crate::signed::Body;
use crate::tlv::{DataObject, Error, Field, Reader, Writer, template};
use crate::values::{Amount, Ascii, CardNumber, Period, Programme, Suite, TerminalName, Time, byte_enum};

byte_enum! {
    /// Kind of a payment line (DATA 1).
    pub enum LineType {
        /// Monthly benefit.
        Regular = 1,
        /// For months past (truy lĩnh).
        Arrears = 2,
        /// Funeral support (mai táng phí).
        Funeral = 3,
        /// Once only.
        OneOff = 4,
        /// In advance.
        Advance = 5,
        /// Added to a line (phụ cấp, or a changed amount).
        Supplement = 6,
        /// Owed by the person (thu hồi): never paid by a card.
        Recovery = 7,
    }
}

/// What a payment is for: never changes, whatever list carries it (SPEC 1, "line key"; 26 bytes).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineKey([u8; LineKey::LENGTH]);

/// A line key taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineKeyParts {
    /// The person.
    pub person: PersonReference,
    /// The programme.
    pub programme: Programme,
    /// The decision: a number that reveals nothing.
    pub entitlement: u16,
    /// Kind of line.
    pub line_type: LineType,
    /// The month paid for.
    pub period: Period,
}

impl LineKey {
    /// Bytes of a line key.
    pub const LENGTH: usize = 26;

    /// Checks every part.
    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Option<Self> {
        Self::split(&bytes).map(|_| Self(bytes))
    }

    /// The 26 bytes.
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        self.0
    }

    /// From its parts.
    pub fn new(parts: &LineKeyParts) -> Self {
        let mut bytes = [0; Self::LENGTH];
        let fields = [
            &parts.person[..],
            &parts.programme.to_bytes(),
            &parts.entitlement.to_be_bytes(),
            &[parts.line_type as u8],
            &parts.period.to_bytes(),
        ];
        let source = fields.into_iter().flatten();
        bytes
            .iter_mut()
            .zip(source)
            .for_each(|(byte, value)| *byte = *value);
        Self(bytes)
    }

    /// Its parts.
    pub fn parts(&self) -> LineKeyParts {
        // A line key was split once when it was made, so the fallback never runs.
        Self::split(&self.0).unwrap_or(LineKeyParts {
            person: [0; 16],
            programme: Programme::SUDDEN_RELIEF,
            entitlement: 0,
            line_type: LineType::Recovery,
            period: Period::FIRST,
        })
    }

    fn split(bytes: &[u8; Self::LENGTH]) -> Option<LineKeyParts> {
        let (person, rest) = bytes.split_first_chunk::<16>()?;
        let (programme, rest) = rest.split_first_chunk::<4>()?;
        let (entitlement, rest) = rest.split_first_chunk::<2>()?;
        let (line_type, period) = rest.split_first()?;
        Some(LineKeyParts {
            person: *person,
            programme: Programme::from_bytes(*programme)?,
            entitlement: u16::from_be_bytes(*entitlement),
            line_type: LineType::from_byte(*line_type)?,
            period: Period::from_bytes(period.try_into().ok()?)?,
        })
    }
}

impl<'a> Field<'a> for LineKey {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        Self::from_bytes(<[u8; Self::LENGTH]>::read(reader, tag)?).ok_or(Error::Value(tag))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.put(tag, &self.0)
    }
}

impl fmt::Debug for LineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LineKeyParts {
            programme,
            entitlement,
            line_type,
            period,
            ..
        } = self.parts();
        write!(f, "LineKey({programme:?} {entitlement} {line_type:?} {period})")
    }
}

byte_enum! {
    /// Who takes the money.
    pub enum Recipient {
        /// The card's holder.
        Holder = 1,
        /// The first representative in data group 5.
        FirstRepresentative = 2,
        /// The second representative in data group 5.
        SecondRepresentative = 3,
    }
}

byte_enum! {
    /// How the clerk checked the person.
    pub enum HolderCheckMethod {
        /// PIN, compared by the card.
        Pin = 1,
        /// Photo identity document, seen by the clerk.
        PhotoDocument = 2,
    }
}

byte_enum! {
    /// Where a terminal's time comes from.
    pub enum ClockSource {
        /// Nowhere: it was not set since power-on.
        Unset = 0,
        /// An operator typed it.
        Operator = 1,
        /// A signed time statement of the host.
        Host = 2,
    }
}

/// An operator's name at a terminal.
pub type Operator<'a> = Ascii<'a, 20>;

/// The name of a second operator, who vouches for the first: so long that [`Order::MAXIMUM_LENGTH`] bytes hold both.
pub type SecondOperator<'a> = Ascii<'a, 11>;

template! {
    /// A payment order (SPEC 9.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Order<'a> {
        /// The terminal.
        terminal: TerminalName = 0x81,
        /// Sequence number of the terminal's Intent entry.
        sequence: u32 = 0x82,
        /// Hash of the journal entry before it.
        log_head: Digest = 0x83,
        /// Merkle root of the payment list.
        list_root: Digest = 0x84,
        /// CSO hash of the card.
        cso_hash: Digest = 0x85,
        /// Line number in the list.
        line_number: u32 = 0x86,
        /// What is paid.
        line_key: LineKey = 0x87,
        /// How much.
        amount: Amount = 0x88,
        /// Who takes the money.
        recipient: Recipient = 0x89,
        /// How the person was checked.
        method: HolderCheckMethod = 0x8A,
        /// The clerk.
        operator: Operator<'a> = 0x8B,
        /// A second clerk, another one: a payment on a photo document needs one while no PIN try is left.
        second_operator: Option<SecondOperator<'a>> = 0x8C,
        /// When.
        time: Time = 0x8D,
        /// Where the time comes from.
        clock: ClockSource = 0x8E,
        /// Random bytes.
        nonce: [u8; 16] = 0x8F,
    }
}

impl<'a> Order<'a> {
    /// Tag of an order.
    pub const TAG: u16 = 0xFF23;
    /// Longest order in bytes: what READ RECORD gives back in one response (SPEC 8.2, 9.9).
    pub const MAXIMUM_LENGTH: usize = 239;

    /// Reads an order and checks what no valid one may hold: no amount, no time, an unset clock, a recovery, one
    /// operator twice.
    pub fn parse(object: DataObject<'a>) -> Result<Self, Error> {
        let order = Self::read(&mut Reader::new(object.encoding()), Self::TAG)?;
        if order.amount.vnd() == 0 {
            return Err(Error::Value(0x88));
        }
        if order.time == Time::UNSET {
            return Err(Error::Value(0x8D));
        }
        if order.clock == ClockSource::Unset {
            return Err(Error::Value(0x8E));
        }
        if order.line_key.parts().line_type == LineType::Recovery {
            return Err(Error::Value(0x87));
        }
        if order
            .second_operator
            .is_some_and(|second| second.as_str() == order.operator.as_str())
        {
            return Err(Error::Value(0x8C));
        }
        Ok(order)
    }

    /// Is the other one for the same card, or for a line of the same person? A terminal that does not know the outcome of
    /// one begins no such other (DATA 5.3).
    pub fn same_holder(&self, other: &Order<'_>) -> bool {
        self.cso_hash == other.cso_hash || self.line_key.parts().person == other.line_key.parts().person
    }

    /// Encodes the order at the start of `out`.
    pub fn encode<'b>(&self, out: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let mut writer = Writer::new(out);
        self.write(&mut writer, Self::TAG)?;
        Ok(writer.finish())
    }
}

byte_enum! {
    /// Kind of a receipt.
    pub enum ReceiptKind {
        /// The line is paid.
        Payment = 1,
        /// A payment is undone: the line is unpaid again.
        Reversal = 2,
        /// An issuer script was executed (SPEC 13.1).
        IssuerScript = 3,
        /// The card is blocked by a block list (SPEC 13.10).
        BlockList = 4,
    }
}

/// Outcome of the holder check as the card saw it (object `85` of a receipt).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HolderCheckOutcome {
    /// Does the payment rest on a PIN that the card has compared? A payment on a photo document says no, also if a PIN
    /// was verified besides. Receipts of an issuer script or a block list rest on no holder check and say no.
    pub pin_verified: bool,
    /// PIN tries left.
    pub tries_left: u8,
}

impl<'a> Field<'a> for HolderCheckOutcome {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        match <[u8; 2]>::read(reader, tag)? {
            [method @ (0 | 1), tries_left @ 0..=15] => Ok(Self {
                pin_verified: method == 1,
                tries_left,
            }),
            _ => Err(Error::Value(tag)),
        }
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.put(tag, &[u8::from(self.pin_verified), self.tries_left])
    }
}

/// Body `FF24`: a receipt (SPEC 9.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Signature suite.
    pub suite: Suite,
    /// The card.
    pub card_number: CardNumber,
    /// Version of its CSO.
    pub cso_version: u16,
    /// Counts receipts, from 1.
    pub counter: u32,
    /// Hash of the receipt body before; of the first: the CSO hash at activation.
    pub previous: Digest,
    /// Hash of what was done: the order, the reversal, the body of the issuer script or of the block list's header.
    pub object_hash: Digest,
    /// Outcome of the holder check.
    pub holder_check: HolderCheckOutcome,
    /// Kind.
    pub kind: ReceiptKind,
}

impl<'a> Field<'a> for Receipt {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        let mut members = reader.expect(tag)?.members()?;
        let receipt = Self {
            suite: Field::read(&mut members, 0x80)?,
            card_number: Field::read(&mut members, 0x5A)?,
            cso_version: Field::read(&mut members, 0x81)?,
            counter: Field::read(&mut members, 0x82)?,
            previous: Field::read(&mut members, 0x83)?,
            object_hash: Field::read(&mut members, 0x84)?,
            holder_check: Field::read(&mut members, 0x85)?,
            kind: Field::read(&mut members, 0x86)?,
        };
        members.finish()?;
        if receipt.counter == 0 {
            return Err(Error::Value(0x82));
        }
        let holder_present = matches!(receipt.kind, ReceiptKind::Payment | ReceiptKind::Reversal);
        if receipt.holder_check.pin_verified && !holder_present {
            return Err(Error::Value(0x85));
        }
        Ok(receipt)
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.template(tag, |members| {
            self.suite.write(members, 0x80)?;
            self.card_number.write(members, 0x5A)?;
            self.cso_version.write(members, 0x81)?;
            self.counter.write(members, 0x82)?;
            self.previous.write(members, 0x83)?;
            self.object_hash.write(members, 0x84)?;
            self.holder_check.write(members, 0x85)?;
            self.kind.write(members, 0x86)
        })
    }
}

impl Body<'_> for Receipt {
    const TAG: u16 = 0xFF24;
}

/// Longest receipt with its signature in bytes: one protected response holds it (SPEC 8.2).
pub const MAXIMUM_RECEIPT_LENGTH: usize = 180;
