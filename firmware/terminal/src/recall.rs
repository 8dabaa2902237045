//! What the records of the journal are read for again: orders, reversals, and what all of them say together.

use card_spec::journal::{EncodedOrder, EncodedReversal, Entry, Event};
use card_spec::signed::Signed;
use embedded_storage::nor_flash::NorFlash;
use journal::{Error, Item, Journal, MAX_RECORD, RecordId};

use crate::flash::{FlashError, Shared};
use crate::log_error::LogError;
use crate::standing::{OpenIntent, Standing};
use crate::summary;

/// The order of an open Intent; `None` if the flash has lost it.
pub(crate) fn read_order<'b, F: NorFlash>(
    journal: &mut Journal<Shared<'_, F>>,
    open: &OpenIntent,
    buffer: &'b mut journal::Buffer,
) -> Result<Option<EncodedOrder<'b>>, Error<FlashError>> {
    let order = read_entry(journal, open.entry, buffer, order_of)?;
    Ok(order.filter(|order| order.hash() == open.order_hash))
}

/// What an entry holds; `None` if the flash has lost it.
pub(crate) fn read_entry<'b, F: NorFlash, T>(
    journal: &mut Journal<Shared<'_, F>>,
    entry: u32,
    buffer: &'b mut journal::Buffer,
    take: fn(Event<'b>) -> Option<T>,
) -> Result<Option<T>, Error<FlashError>> {
    let Item::Record { bytes, .. } = journal.read(RecordId(entry), buffer)? else {
        return Ok(None);
    };
    let entry = Signed::<Entry<'b>>::parse(bytes).ok();
    Ok(entry.and_then(|entry| take(entry.claimed().event)))
}

/// What an entry holds; `None` if the flash has lost it, or it was written over. Any other error may pass: nothing is to be forgotten
/// for it.
pub(crate) fn read_if_kept<'b, F: NorFlash, T>(
    journal: &mut Journal<Shared<'_, F>>,
    entry: u32,
    buffer: &'b mut journal::Buffer,
    take: fn(Event<'b>) -> Option<T>,
) -> Result<Option<T>, LogError> {
    match read_entry(journal, entry, buffer, take) {
        Err(Error::NoSuchRecord) => Ok(None),
        read => Ok(read?),
    }
}

pub(crate) fn order_of(event: Event<'_>) -> Option<EncodedOrder<'_>> {
    match event {
        Event::Intent(order) | Event::StillOpen(order) => Some(order),
        Event::ManualPaid(paid) => Some(*paid.order()),
        Event::NotHanded { order, .. } => order,
        _ => None,
    }
}

pub(crate) fn reversal_of(event: Event<'_>) -> Option<EncodedReversal<'_>> {
    match event {
        Event::ReverseIntent { reversal, .. } => Some(reversal),
        _ => None,
    }
}

/// What the newest summary says, and the first entry that it does not know of. The first block has none, so all that there is is
/// read: also acknowledged entries count for a shift.
pub(crate) fn recall<F: NorFlash>(
    journal: &mut Journal<Shared<'_, F>>,
) -> Result<(Standing, RecordId), LogError> {
    let mut buffer = [0; MAX_RECORD];
    let known = journal.summary(&mut buffer)?;
    let known = known.and_then(|found| Some((summary::decode(found.bytes)?, found.next)));
    Ok(known.unwrap_or_else(|| (Standing::new(), RecordId(1))))
}
