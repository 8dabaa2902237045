//! Journal entries of a terminal, acknowledgements and time statements (DATA 5 to 7).

use crate::certificate::Reference;
use crate::crypto::{Digest, PublicKey, sha256};
use crate::payment::{ClockSource, Operator, Order};
use crate::signed::Body;
use crate::tlv::{DataObject, Error, Field, Reader, Writer, template};
use crate::values::{Amount, CardNumber, Suite, TerminalName, Time, byte_enum};

mod encoded;
mod manual;

pub use encoded::{CarriedReceipt, EncodedOrder, EncodedReceipt, EncodedReversal, Source};
pub use manual::{ManualPayment, NO_CARD};

/// Longest journal entry with its signature in bytes: a CarriedReceipt with the longest order has 564.
pub const MAXIMUM_ENTRY_LENGTH: usize = 576;

/// Orders whose outcome is not known, at most, at one terminal: who pays eight people in doubt needs another terminal, or
/// better cards (DATA 5.3).
pub const MAXIMUM_OPEN_INTENTS: usize = 8;

/// What the first entry of a journal names as the entry before it: SHA-256 of the journal key.
pub fn genesis(journal_key: &PublicKey) -> Digest {
    sha256(&[journal_key.as_bytes()])
}

/// Body `FF26`: one entry (DATA 5.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry<'a> {
    /// The terminal.
    pub terminal: TerminalName,
    /// Counts entries, from 1.
    pub sequence: u32,
    /// Counts the terminal's starts.
    pub boot_count: u32,
    /// When.
    pub time: Time,
    /// Where the time comes from.
    pub clock: ClockSource,
    /// Hash of the entry before; of the first: [`genesis`].
    pub previous: Digest,
    /// What happened.
    pub event: Event<'a>,
}

/// What a journal entry records (DATA 5.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// The terminal started.
    Boot {
        /// SHA-256 of the firmware image.
        firmware: Digest,
        /// `80`: TEST.
        flags: u8,
    },
    /// A host has set the clock to this entry's time.
    ClockSet {
        /// What it showed before.
        before: Time,
    },
    /// A payment list is in force.
    ListLoaded {
        /// Hash of its header's body.
        header: Digest,
        /// Its number.
        number: u32,
    },
    /// A block list is in force.
    BlockListLoaded {
        /// Hash of its header's body.
        header: Digest,
        /// Its number.
        number: u32,
    },
    /// A clerk began to work.
    ShiftOpened {
        /// The clerk.
        operator: Operator<'a>,
    },
    /// The terminal is about to send this order to a card.
    Intent(EncodedOrder<'a>),
    /// The card has paid.
    Paid(EncodedReceipt<'a>),
    /// The clerk has handed over the money.
    Handed {
        /// Sequence number of the Intent.
        intent: u32,
    },
    /// A payment was refused.
    Refused(Refusal),
    /// The host has acknowledged entries.
    Synced {
        /// Hash of the acknowledgement's body.
        acknowledgement: Digest,
        /// Entries up to this one are in the host's store.
        sequence: u32,
    },
    /// The outcome of this order is not known yet, and its Intent is about to be given free: it is told once more.
    StillOpen(EncodedOrder<'a>),
    /// The clerk has not handed over the money of a payment, and will not.
    NotHanded {
        /// Sequence number of the Intent.
        intent: u32,
        /// Its order, where this is told again because the entry that has it is about to be given free.
        order: Option<EncodedOrder<'a>>,
    },
    /// The terminal is about to send this reversal of a payment to its card.
    ReverseIntent {
        /// Sequence number of the payment's Intent.
        intent: u32,
        /// The reversal.
        reversal: EncodedReversal<'a>,
    },
    /// The card has undone a payment.
    Reversed {
        /// Sequence number of the payment's Intent.
        intent: u32,
        /// The card's receipt, of kind `02`.
        receipt: EncodedReceipt<'a>,
    },
    /// A card has told of a payment or a reversal at another terminal (SPEC 9.9).
    CarriedReceipt(CarriedReceipt<'a>),
    /// A card has blocked itself, because it was shown the block list in force (SPEC 13.10).
    CardBlocked(EncodedReceipt<'a>),
    /// Cash has come into the clerk's drawer.
    CashReceived {
        /// The clerk.
        operator: Operator<'a>,
        /// How much, more than nothing.
        amount: Amount,
    },
    /// The clerk has counted the drawer.
    CashCounted {
        /// The clerk.
        operator: Operator<'a>,
        /// What should be there: received less handed over (DATA 5.3).
        expected: Amount,
        /// What is there.
        counted: Amount,
    },
    /// From now on these operators may work here.
    OperatorsLoaded {
        /// Hash of the list's body.
        list: Digest,
        /// Its number.
        number: u32,
    },
    /// Somebody typed a wrong PIN or showed a wrong card for an operator, not for the first time (DATA 11.4).
    OperatorRefused {
        /// For whom.
        operator: Operator<'a>,
        /// Such attempts since a shift was opened last.
        attempts: u32,
    },
    /// The money of a line was given to the holder of a card that fails, by two operators (DATA 5.7).
    ManualPaid(ManualPayment<'a>),
    /// A clerk's work has ended.
    ShiftClosed {
        /// The clerk.
        operator: Operator<'a>,
        /// How.
        end: ShiftEnd,
    },
    /// A supervisor has set the clock to this entry's time.
    ClockSetByOperator {
        /// What it showed before.
        before: Time,
        /// The supervisor.
        operator: Operator<'a>,
    },
    /// A card has executed an issuer script that the terminal carried (DATA 12).
    ScriptExecuted(EncodedReceipt<'a>),
}

byte_enum! {
    /// How a shift ended (DATA 5.2).
    pub enum ShiftEnd {
        /// The clerk closed it.
        Closed = 1,
        /// Nobody had touched the terminal for a while.
        Idle = 2,
        /// Another list of operators was loaded.
        OperatorsChanged = 3,
    }
}

byte_enum! {
    /// Why a payment was refused (DATA 5.4).
    pub enum RefusalReason {
        /// No line of the list names the card.
        NotOnList = 1,
        /// The card said that the PIN is wrong.
        WrongPin = 2,
        /// The card takes no PIN any more.
        PinBlocked = 3,
        /// The card is on the block list.
        CardBlocked = 4,
        /// The card is expired or not yet valid.
        CardExpired = 5,
        /// The line is paid.
        AlreadyPaid = 6,
        /// Certificate, CSO, session or receipt does not verify.
        NotGenuine = 7,
        /// The terminal does not know the time.
        ClockUnset = 8,
        /// The block list is too old.
        BlockListStale = 9,
        /// The terminal's certificate has expired.
        CertificateExpired = 10,
        /// No space in the journal.
        JournalFull = 11,
        /// The card refused the order; the status word says why.
        RefusedByCard = 12,
        /// The list may not be paid today.
        ListNotValid = 13,
        /// The card left the field.
        CardRemoved = 14,
        /// The clerk stopped it.
        Cancelled = 15,
        /// The terminal holds no valid certificate of the issuer's key that signed the card's CSO.
        UnknownIssuer = 16,
    }
}

template! {
    /// A refused payment: content of a Refused entry.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Refusal {
        /// Why.
        reason: RefusalReason = 0x80,
        /// The card, if it was known.
        card_number: Option<CardNumber> = 0x5A,
        /// The line of the list, if there was one.
        line_number: Option<u32> = 0x81,
        /// The card's status word.
        status_word: Option<u16> = 0x82,
        /// The Intent that this entry closes: the card has decided that it will not pay it, or, where it has paid and the money
        /// was not handed over, that it will not reverse it at this terminal.
        closes_intent: Option<u32> = 0x83,
    }
}

const CONTENT: u16 = 0xA8;

impl Event<'_> {
    /// Byte of the kind (DATA 5.2).
    pub fn kind(&self) -> u8 {
        match self {
            Self::Boot { .. } => 1,
            Self::ClockSet { .. } => 2,
            Self::ListLoaded { .. } => 3,
            Self::BlockListLoaded { .. } => 4,
            Self::ShiftOpened { .. } => 5,
            Self::Intent(_) => 6,
            Self::Paid(_) => 7,
            Self::Handed { .. } => 8,
            Self::Refused(_) => 9,
            Self::Synced { .. } => 10,
            Self::StillOpen(_) => 11,
            Self::NotHanded { .. } => 12,
            Self::ReverseIntent { .. } => 13,
            Self::Reversed { .. } => 14,
            Self::CarriedReceipt(_) => 15,
            Self::CardBlocked(_) => 17,
            Self::CashReceived { .. } => 18,
            Self::CashCounted { .. } => 19,
            Self::OperatorsLoaded { .. } => 20,
            Self::OperatorRefused { .. } => 21,
            Self::ShiftClosed { .. } => 22,
            Self::ClockSetByOperator { .. } => 23,
            Self::ManualPaid(_) => 24,
            Self::ScriptExecuted(_) => 25,
        }
    }
}

impl<'a> Event<'a> {
    fn read(kind: u8, content: DataObject<'a>) -> Result<Self, Error> {
        let mut members = content.members()?;
        let event = match kind {
            1 => Self::Boot {
                firmware: Field::read(&mut members, 0x80)?,
                flags: Field::read(&mut members, 0x81)?,
            },
            2 => Self::ClockSet {
                before: Field::read(&mut members, 0x80)?,
            },
            3 => Self::ListLoaded {
                header: Field::read(&mut members, 0x80)?,
                number: Field::read(&mut members, 0x81)?,
            },
            4 => Self::BlockListLoaded {
                header: Field::read(&mut members, 0x80)?,
                number: Field::read(&mut members, 0x81)?,
            },
            5 => Self::ShiftOpened {
                operator: Field::read(&mut members, 0x80)?,
            },
            6 => Self::Intent(EncodedOrder::read_next(&mut members)?),
            7 => Self::Paid(EncodedReceipt::read_members(&mut members, content)?),
            8 => Self::Handed {
                intent: Field::read(&mut members, 0x80)?,
            },
            9 => {
                let mut alone = Reader::new(content.encoding());
                return Refusal::read(&mut alone, CONTENT).map(Self::Refused);
            }
            10 => Self::Synced {
                acknowledgement: Field::read(&mut members, 0x80)?,
                sequence: Field::read(&mut members, 0x81)?,
            },
            11 => Self::StillOpen(EncodedOrder::read_next(&mut members)?),
            12 => Self::NotHanded {
                intent: Field::read(&mut members, 0x80)?,
                order: match members.is_next(Order::TAG) {
                    true => Some(EncodedOrder::read_next(&mut members)?),
                    false => None,
                },
            },
            13 => Self::ReverseIntent {
                intent: Field::read(&mut members, 0x80)?,
                reversal: EncodedReversal::read_next(&mut members)?,
            },
            14 => Self::Reversed {
                intent: Field::read(&mut members, 0x80)?,
                receipt: EncodedReceipt::read_members(&mut members, content)?,
            },
            15 => Self::CarriedReceipt(CarriedReceipt::read_members(&mut members, content)?),
            17 => Self::CardBlocked(EncodedReceipt::read_members(&mut members, content)?),
            18 => Self::CashReceived {
                operator: Field::read(&mut members, 0x80)?,
                amount: some_cash(Field::read(&mut members, 0x81)?)?,
            },
            19 => Self::CashCounted {
                operator: Field::read(&mut members, 0x80)?,
                expected: Field::read(&mut members, 0x81)?,
                counted: Field::read(&mut members, 0x82)?,
            },
            20 => Self::OperatorsLoaded {
                list: Field::read(&mut members, 0x80)?,
                number: Field::read(&mut members, 0x81)?,
            },
            21 => Self::OperatorRefused {
                operator: Field::read(&mut members, 0x80)?,
                attempts: Field::read(&mut members, 0x81)?,
            },
            22 => Self::ShiftClosed {
                operator: Field::read(&mut members, 0x80)?,
                end: Field::read(&mut members, 0x81)?,
            },
            23 => Self::ClockSetByOperator {
                before: Field::read(&mut members, 0x80)?,
                operator: Field::read(&mut members, 0x81)?,
            },
            24 => Self::ManualPaid(ManualPayment::read_next(&mut members)?),
            25 => Self::ScriptExecuted(EncodedReceipt::read_members(&mut members, content)?),
            _ => return Err(Error::Value(0x87)),
        };
        members.finish()?;
        Ok(event)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        if let Self::Refused(refusal) = self {
            return refusal.write(writer, CONTENT);
        }
        writer.template(CONTENT, |w| match self {
            Self::Boot { firmware, flags } => firmware.write(w, 0x80).and_then(|()| flags.write(w, 0x81)),
            Self::ClockSet { before } => before.write(w, 0x80),
            Self::ListLoaded { header, number } | Self::BlockListLoaded { header, number } => {
                header.write(w, 0x80).and_then(|()| number.write(w, 0x81))
            }
            Self::ShiftOpened { operator } => operator.write(w, 0x80),
            Self::Intent(order) | Self::StillOpen(order) => w.raw(order.encoding()),
            Self::Paid(receipt) | Self::CardBlocked(receipt) | Self::ScriptExecuted(receipt) => {
                receipt.write_members(w)
            }
            Self::CarriedReceipt(carried) => carried.write_members(w),
            Self::Handed { intent } => intent.write(w, 0x80),
            Self::NotHanded { intent, order } => {
                intent.write(w, 0x80)?;
                order.map_or(Ok(()), |order| w.raw(order.encoding()))
            }
            Self::ReverseIntent { intent, reversal } => {
                intent.write(w, 0x80).and_then(|()| w.raw(reversal.encoding()))
            }
            Self::Reversed { intent, receipt } => {
                intent.write(w, 0x80).and_then(|()| receipt.write_members(w))
            }
            Self::Synced {
                acknowledgement,
                sequence,
            } => acknowledgement
                .write(w, 0x80)
                .and_then(|()| sequence.write(w, 0x81)),
            Self::CashReceived { operator, amount } => {
                operator.write(w, 0x80)?;
                some_cash(*amount)?.write(w, 0x81)
            }
            Self::CashCounted {
                operator,
                expected,
                counted,
            } => {
                operator.write(w, 0x80)?;
                expected.write(w, 0x81)?;
                counted.write(w, 0x82)
            }
            Self::OperatorsLoaded { list, number } => {
                list.write(w, 0x80).and_then(|()| number.write(w, 0x81))
            }
            Self::OperatorRefused { operator, attempts } => {
                operator.write(w, 0x80).and_then(|()| attempts.write(w, 0x81))
            }
            Self::ShiftClosed { operator, end } => operator.write(w, 0x80).and_then(|()| end.write(w, 0x81)),
            Self::ClockSetByOperator { before, operator } => {
                before.write(w, 0x80).and_then(|()| operator.write(w, 0x81))
            }
            Self::ManualPaid(payment) => payment.write(w),
            Self::Refused(_) => Ok(()),
        })
    }
}

fn some_cash(amount: Amount) -> Result<Amount, Error> {
    if amount.vnd() == 0 {
        return Err(Error::Value(0x81));
    }
    Ok(amount)
}

template! {
    /// The part of an entry that all kinds share.
    struct EntryHead {
        suite: Suite = 0x80,
        terminal: TerminalName = 0x81,
        sequence: u32 = 0x82,
        boot_count: u32 = 0x83,
        time: Time = 0x84,
        clock: ClockSource = 0x85,
        previous: Digest = 0x86,
        kind: u8 = 0x87,
    }
}

impl<'a> Field<'a> for Entry<'a> {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        let mut members = reader.expect(tag)?.members()?;
        let head = EntryHead::read_members(&mut members)?;
        let content = members.expect(CONTENT)?;
        members.finish()?;
        Ok(Self {
            terminal: head.terminal,
            sequence: head.sequence,
            boot_count: head.boot_count,
            time: head.time,
            clock: head.clock,
            previous: head.previous,
            event: Event::read(head.kind, content)?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        let head = EntryHead {
            suite: Suite::default(),
            terminal: self.terminal,
            sequence: self.sequence,
            boot_count: self.boot_count,
            time: self.time,
            clock: self.clock,
            previous: self.previous,
            kind: self.event.kind(),
        };
        writer.template(tag, |writer| {
            head.write_members(writer)?;
            self.event.write(writer)
        })
    }
}

impl<'a> Body<'a> for Entry<'a> {
    const TAG: u16 = 0xFF26;
}

template! {
    /// Body `FF27`: the host has a terminal's entries up to one in its store (DATA 6).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Acknowledgement {
        /// Signature suite.
        suite: Suite = 0x80,
        /// CHR of the issuer.
        issuer: Reference = 0x42,
        /// The terminal.
        terminal: TerminalName = 0x81,
        /// Last entry in the store.
        sequence: u32 = 0x82,
        /// Hash of that entry's body.
        head: Digest = 0x83,
        /// SHA-256 of the journal key: a terminal made anew has another one.
        journal_key: Digest = 0x84,
        /// When.
        time: Time = 0x85,
    }
}

impl Body<'_> for Acknowledgement {
    const TAG: u16 = 0xFF27;
}

template! {
    /// Body `FF28`: what time it is, over the terminal's nonce (DATA 7).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TimeStatement {
        /// Signature suite.
        suite: Suite = 0x80,
        /// CHR of the issuer.
        issuer: Reference = 0x42,
        /// The terminal that asked.
        terminal: TerminalName = 0x81,
        /// Its nonce.
        nonce: [u8; 16] = 0x82,
        /// The time.
        time: Time = 0x83,
    }
}

impl Body<'_> for TimeStatement {
    const TAG: u16 = 0xFF28;
}
