//! The last orders with their receipts (SPEC 9.7), in a ring with one spare place.
//!
//! The receipt with counter c is in place c mod 33. The ledger's counter says which 32 places count; the one that the next
//! payment writes is never among them, so a power cut while it is written changes nothing.

use card_spec::crypto::Digest;
use card_spec::payment::{LineKey, MAXIMUM_RECEIPT_LENGTH, Order, Receipt};
use card_spec::signed::Signed;
use card_spec::tlv::DataObject;
use heapless::Vec;

use crate::answer::Stop;
use crate::memory::{Memory, RING, Slot};
use crate::state::Ledger;

/// A receipt as it was given.
pub(crate) type StoredReceipt = Vec<u8, MAXIMUM_RECEIPT_LENGTH>;

/// Writes order and receipt to the place of `counter`, which must be the one after the ledger's.
pub(crate) fn store(
    memory: &mut impl Memory,
    counter: u32,
    order: &[u8],
    receipt: &[u8],
) -> Result<(), Stop> {
    let place = place(counter);
    memory.write(Slot::Order(place), order)?;
    memory.write(Slot::Receipt(place), receipt)?;
    Ok(())
}

/// The receipt for the order with this hash.
pub(crate) fn for_order(
    memory: &impl Memory,
    ledger: &Ledger,
    hash: &Digest,
) -> Result<Option<StoredReceipt>, Stop> {
    for place in places(ledger) {
        let receipt = memory.read(Slot::Receipt(place));
        let signed = Signed::<Receipt>::parse(receipt).map_err(|_| Stop::FAULT)?;
        if signed.claimed().order_hash == *hash {
            return copy(receipt).map(Some);
        }
    }
    Ok(None)
}

/// The receipt for the payment of this line.
pub(crate) fn for_line(
    memory: &impl Memory,
    ledger: &Ledger,
    line: LineKey,
) -> Result<Option<StoredReceipt>, Stop> {
    for place in places(ledger) {
        let object = DataObject::parse(memory.read(Slot::Order(place))).map_err(|_| Stop::FAULT)?;
        let order = Order::parse(object).map_err(|_| Stop::FAULT)?;
        if order.line_key == line {
            return copy(memory.read(Slot::Receipt(place))).map(Some);
        }
    }
    Ok(None)
}

/// The places that count, newest first: all but the spare one, or as many as there are receipts.
fn places(ledger: &Ledger) -> impl Iterator<Item = u8> {
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

fn copy(receipt: &[u8]) -> Result<StoredReceipt, Stop> {
    Vec::from_slice(receipt).map_err(|_| Stop::FAULT)
}
