//! The last receipts of every kind, each with what it is for (SPEC 9.7), in a ring with one spare place.
//!
//! The receipt with counter c is in place c mod 33. The ledger's counter says which 32 places count; the one that the next
//! receipt goes to is never among them, so a power cut while it is written changes nothing.

use card_spec::apdu::{Command, StatusWord};
use card_spec::command::{OBJECT_RECORD, RECEIPT_RECORD};
use card_spec::crypto::Digest;
use card_spec::payment::{LineKey, Order, Receipt, ReceiptKind};
use card_spec::reversal::Reversal;
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::Signed;
use card_spec::tlv::DataObject;
use rand_core::CryptoRng;

use crate::answer::{Answer, Stop};
use crate::memory::{Memory, RING, Slot};
use crate::state::{Ledger, State};
use crate::{Card, require_no_data};

/// A receipt with what it is for, as they lie in the ring.
pub(crate) struct StoredReceipt<'m> {
    /// What the receipt says.
    pub(crate) body: Receipt,
    /// The receipt as it was given, `FF20`.
    pub(crate) receipt: &'m [u8],
    /// What it is for, in the form that it came (SPEC 9.9).
    pub(crate) object: &'m [u8],
}

impl<'m> StoredReceipt<'m> {
    fn at(memory: &'m impl Memory, place: u8) -> Result<Self, Stop> {
        let receipt = memory.read(Slot::Receipt(place));
        let signed = Signed::<Receipt>::parse(receipt).map_err(|_| Stop::FAULT)?;
        Ok(Self {
            body: *signed.claimed(),
            receipt,
            object: memory.read(Slot::ReceiptObject(place)),
        })
    }

    /// The order, if this is the receipt of a payment.
    pub(crate) fn order(&self) -> Result<Option<Order<'m>>, Stop> {
        if self.body.kind != ReceiptKind::Payment {
            return Ok(None);
        }
        let object = DataObject::parse(self.object).map_err(|_| Stop::FAULT)?;
        Order::parse(object).map(Some).map_err(|_| Stop::FAULT)
    }

    /// The hash of the order that this undoes, if it is the receipt of a reversal by a terminal (SPEC 9.8) or by the
    /// issuer (13.7).
    fn reversed(&self) -> Result<Option<Digest>, Stop> {
        match self.body.kind {
            ReceiptKind::Payment | ReceiptKind::BlockList => Ok(None),
            ReceiptKind::Reversal => {
                let object = DataObject::parse(self.object).map_err(|_| Stop::FAULT)?;
                let reversal = Reversal::parse(object).map_err(|_| Stop::FAULT)?;
                Ok(Some(reversal.order_hash))
            }
            ReceiptKind::IssuerScript => {
                let script = Signed::<IssuerScript>::parse(self.object).map_err(|_| Stop::FAULT)?;
                Ok(match script.claimed().action {
                    Action::Reverse(order_hash) => Some(order_hash),
                    _ => None,
                })
            }
        }
    }
}

/// Writes a receipt and what it is for to the place of `counter`, which must be the one after the ledger's.
pub(crate) fn store(
    memory: &mut impl Memory,
    counter: u32,
    object: &[u8],
    receipt: &[u8],
) -> Result<(), Stop> {
    let place = place(counter);
    memory.write(Slot::ReceiptObject(place), object)?;
    memory.write(Slot::Receipt(place), receipt)?;
    Ok(())
}

/// The receipts that count, newest first.
fn all<'m, M: Memory>(
    memory: &'m M,
    ledger: &Ledger,
) -> impl Iterator<Item = Result<StoredReceipt<'m>, Stop>> + use<'m, M> {
    places(ledger).map(|place| StoredReceipt::at(memory, place))
}

/// The receipt with this number from the newest, which is 1 (SPEC 9.9).
pub(crate) fn record<'m>(
    memory: &'m impl Memory,
    ledger: &Ledger,
    number: u8,
) -> Result<Option<StoredReceipt<'m>>, Stop> {
    let Some(before) = usize::from(number).checked_sub(1) else {
        return Ok(None);
    };
    all(memory, ledger).nth(before).transpose()
}

/// The newest receipt.
pub(crate) fn newest<'m>(
    memory: &'m impl Memory,
    ledger: &Ledger,
) -> Result<Option<StoredReceipt<'m>>, Stop> {
    record(memory, ledger, 1)
}

/// The receipt of this kind for the object with this hash.
pub(crate) fn for_object<'m>(
    memory: &'m impl Memory,
    ledger: &Ledger,
    kind: ReceiptKind,
    hash: &Digest,
) -> Result<Option<StoredReceipt<'m>>, Stop> {
    for stored in all(memory, ledger) {
        let stored = stored?;
        if stored.body.kind == kind && stored.body.object_hash == *hash {
            return Ok(Some(stored));
        }
    }
    Ok(None)
}

/// The receipt of the newest payment of this line: the one that stands, if the line is paid.
pub(crate) fn for_line<'m>(
    memory: &'m impl Memory,
    ledger: &Ledger,
    line: LineKey,
) -> Result<Option<StoredReceipt<'m>>, Stop> {
    for stored in all(memory, ledger) {
        let stored = stored?;
        if stored.order()?.is_some_and(|order| order.line_key == line) {
            return Ok(Some(stored));
        }
    }
    Ok(None)
}

/// The receipt of the reversal, by a terminal or by the issuer, of the order with this hash.
pub(crate) fn reversal_of<'m>(
    memory: &'m impl Memory,
    ledger: &Ledger,
    order_hash: &Digest,
) -> Result<Option<StoredReceipt<'m>>, Stop> {
    for stored in all(memory, ledger) {
        let stored = stored?;
        if stored.reversed()?.is_some_and(|reversed| reversed == *order_hash) {
            return Ok(Some(stored));
        }
    }
    Ok(None)
}

impl<M: Memory, R: CryptoRng> Card<M, R> {
    /// READ RECORD (SPEC 9.9): the receipts, and what they are for, are two cyclic files.
    pub(crate) fn read_record(&self, command: &Command<'_>) -> Result<Answer, Stop> {
        let of_receipts = match (command.p1, command.p2) {
            (0x00, _) => return Err(Stop::P1_P2),
            (_, RECEIPT_RECORD) => true,
            (_, OBJECT_RECORD) => false,
            _ => return Err(Stop::P1_P2),
        };
        require_no_data(command)?;
        let ledger = State::of(&self.memory)?.activated()?;
        let stored =
            record(&self.memory, &ledger, command.p1)?.ok_or(Stop::Refused(StatusWord::RECORD_NOT_FOUND))?;
        Answer::data(if of_receipts {
            stored.receipt
        } else {
            stored.object
        })
    }
}

/// The places that count, newest first: all but the spare one, or as many as there are receipts.
fn places(ledger: &Ledger) -> impl Iterator<Item = u8> + use<> {
    let kept = u32::from(RING).saturating_sub(1);
    let oldest = ledger.counter.saturating_sub(kept);
    (oldest..ledger.counter)
        .rev()
        .map(|before| place(before.saturating_add(1)))
}

fn place(counter: u32) -> u8 {
    let place = counter.checked_rem(u32::from(RING));
    place
        .and_then(|place| u8::try_from(place).ok())
        .unwrap_or_default()
}
