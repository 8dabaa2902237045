//! The terminal's journal (DATA 5): signs and chains entries, and knows what they leave open.

use core::ops::Range;

use card_spec::crypto::{Curve, Digest};
use card_spec::journal::{
    Acknowledgement, EncodedOrder, EncodedReversal, Entry, Event, MAXIMUM_ENTRY_LENGTH, MAXIMUM_OPEN_INTENTS,
    genesis,
};
use card_spec::signed::{Signed, Verified, sign};
use card_spec::values::Time;
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use journal::{Error, HostAcknowledgement, Item, Journal, MAX_RECORD, RecordId};
use link::{MAX_BYTES, Refusal};

use crate::Image;
use crate::clock::Stamp;
use crate::flash::Shared;
use crate::keys::Keys;
use crate::log_error::LogError;
use crate::primitives::Signer;
use crate::recall::{order_of, read_entry, read_if_kept, read_order, recall, reversal_of};
use crate::reversal::EncodedBytes;
use crate::standing::{
    MAXIMUM_UNREVERSED, OpenIntent, OpenOrder, PaidLine, Settled, Standing, Unhanded, Unreversed,
};
use crate::summary;
use crate::totals::Totals;

/// Entries for which there must be room before an order is begun: Intent, Paid, Handed, and after power cuts Boots.
const RESERVE: u32 = 16;
/// Entries for which there must be room before one that settles nothing: what is left then settles an open order.
const RESERVE_TO_SETTLE: u32 = 12;
/// Entries more for each further order that is open: Paid and Handed, each after a power cut; and for each payment that waits to be
/// undone: ReverseIntent and Reversed.
const RESERVE_EACH: u32 = 4;
/// Entries of a payment where nothing goes wrong: Intent, Paid, Handed.
const ENTRIES_OF_A_PAYMENT: u32 = 3;
/// The journal is filling when less than one part in so many of it is free.
const FILLING: u32 = 4;
/// Flag of a Boot entry (DATA 5.2).
const TEST: u8 = 0x80;

/// The journal of a terminal that has certificates.
pub(crate) struct Log<'f, F> {
    journal: Journal<Shared<'f, F>>,
    image: Image,
    genesis: Digest,
    standing: Standing,
    /// Has this start its Boot entry yet? It has none while the journal is full.
    booted: bool,
    /// Names what is in force already: nothing comes before it.
    owed: Option<Event<'static>>,
    /// What the entries say together is not known: they are read out, and nothing is added.
    damaged: bool,
}

impl<'f, F: NorFlash> Log<'f, F> {
    /// Opens the journal and reads what its newest summary does not know of, which is less than a block; `mark` sees the number of
    /// each entry that settles a line, the line, and whether it is paid.
    pub(crate) fn open(
        flash: Shared<'f, F>,
        range: Range<u32>,
        keys: &Keys,
        image: Image,
        mut mark: impl FnMut(u32, PaidLine, bool),
    ) -> Result<Self, LogError> {
        let mut journal = Journal::open(flash, range)?;
        let (mut standing, first) = recall(&mut journal)?;
        let mut damaged = false;
        if let Some(tail) = journal.tail() {
            let (mut buffer, mut other) = ([0; MAX_RECORD], [0; MAX_RECORD]);
            // The last one is read even if nothing is new: the next one is chained to it.
            let mut cursor = journal.iter_from(first.min(tail))?;
            while let Some(item) = journal.next(&mut cursor, &mut buffer)? {
                let Item::Record { id, bytes } = item else {
                    continue;
                };
                let Ok(signed) = Signed::<Entry<'_>>::parse(bytes) else {
                    damaged = true;
                    continue;
                };
                if id == tail {
                    standing.tail = Some((signed.claimed().sequence, signed.hash()));
                }
                if id < first {
                    continue;
                }
                match standing.observe(signed.claimed()) {
                    Settled::Nothing => {}
                    Settled::PaidByHand(line) => mark(id.0, line, true),
                    Settled::NotHandedByHand(entry) => {
                        if let Ok(Some(order)) = read_entry(&mut journal, entry, &mut other, order_of) {
                            mark(id.0, PaidLine::of(order.order()), false);
                        }
                    }
                    Settled::Paid(open) => match read_order(&mut journal, &open, &mut other) {
                        Ok(Some(order)) => mark(id.0, standing.paid(&open, order.order()), true),
                        Ok(None) => damaged = true,
                        // A space is given free, and written over, once the money was handed over.
                        Err(Error::NoSuchRecord) => {}
                        Err(error) => return Err(error.into()),
                    },
                    // Without its order the line stays paid here, and the card knows better.
                    Settled::Reversed(waiting) => {
                        if let Ok(Some(order)) = read_entry(&mut journal, waiting.entry, &mut other, order_of)
                        {
                            mark(id.0, PaidLine::of(order.order()), false);
                        }
                    }
                }
            }
            damaged |= standing.overfull || standing.tail.map(|(sequence, _)| sequence) != Some(tail.0);
        }
        Ok(Self {
            journal,
            image,
            genesis: genesis(&keys.journal.public_key()),
            standing,
            booted: false,
            owed: None,
            damaged,
        })
    }

    /// Is there nothing in the region that a new journal would destroy? A last Synced entry says only that the host has
    /// all before it.
    pub(crate) fn is_forgettable(flash: Shared<'f, F>, range: Range<u32>) -> Result<bool, LogError> {
        let mut journal = match Journal::open(flash, range) {
            Ok(journal) => journal,
            Err(Error::NotFormatted) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let Some(tail) = journal.tail() else {
            return Ok(true);
        };
        let released = journal.released().map_or(0, |released| released.0);
        if released >= tail.0 {
            return Ok(true);
        }
        let mut buffer = [0; MAX_RECORD];
        let Item::Record { bytes, .. } = journal.read(tail, &mut buffer)? else {
            return Ok(false);
        };
        let synced = Signed::<Entry<'_>>::parse(bytes)
            .is_ok_and(|entry| matches!(entry.claimed().event, Event::Synced { .. }));
        Ok(synced && released.saturating_add(1) == tail.0)
    }

    /// Can the journal of these keys begin, or has it even begun? Else what is there was to be destroyed when the keys
    /// were made ([`Self::is_forgettable`]), and the power was cut on the way.
    pub(crate) fn is_ready(flash: Shared<'f, F>, range: Range<u32>, keys: &Keys) -> bool {
        let Ok(mut journal) = Journal::open(flash, range) else {
            return false;
        };
        let Some(tail) = journal.tail() else {
            return true;
        };
        let mut buffer = [0; MAX_RECORD];
        match journal.read(tail, &mut buffer) {
            Ok(Item::Record { bytes, .. }) => {
                Signed::<Entry<'_>>::parse(bytes).is_ok_and(|entry| entry.claimed().terminal == keys.name)
            }
            _ => false,
        }
    }

    /// Makes an empty journal in the region, which [`Self::is_forgettable`].
    pub(crate) fn format(flash: Shared<'f, F>, range: Range<u32>) -> Result<(), LogError> {
        Journal::format(flash, range)?;
        Ok(())
    }

    /// Signs and keeps an entry, and before the first one of this start its Boot entry. After `Ok` it survives any
    /// power cut. Returns its sequence number.
    ///
    /// Whatever can come again and again without settling anything is not kept in the room of an open order.
    pub(crate) fn append(
        &mut self,
        curve: &impl Curve,
        keys: &Keys,
        stamp: Stamp,
        event: Event<'_>,
    ) -> Result<u32, LogError> {
        if matches!(event, Event::Intent(_)) && self.standing.open.is_full() {
            return Err(LogError::Full);
        }
        if is_repeatable(&event) && !self.has_room_beside_order()? {
            return Err(LogError::Full);
        }
        self.boot(curve, keys, stamp)?;
        self.write(curve, keys, stamp, event)
    }

    /// Signs and keeps the entry for what the device's state has put in force: after this start's Boot entry, or before it if the
    /// power went in between. If the flash does not hold it the entry is owed, and comes before any other.
    pub(crate) fn append_owed(
        &mut self,
        curve: &impl Curve,
        keys: &Keys,
        stamp: Stamp,
        event: Event<'static>,
    ) -> Result<(), LogError> {
        self.owed = Some(event);
        self.pay_debt(curve, keys, stamp)
    }

    fn pay_debt(&mut self, curve: &impl Curve, keys: &Keys, stamp: Stamp) -> Result<(), LogError> {
        if let Some(event) = self.owed {
            self.write(curve, keys, stamp, event)?;
            self.owed = None;
        }
        Ok(())
    }

    /// Keeps the entry that is owed, and the Boot entry of this start, unless that was done.
    pub(crate) fn boot(&mut self, curve: &impl Curve, keys: &Keys, stamp: Stamp) -> Result<(), LogError> {
        self.pay_debt(curve, keys, stamp)?;
        if self.booted {
            return Ok(());
        }
        self.standing.boot_count = self.standing.boot_count.saturating_add(1);
        let event = Event::Boot {
            firmware: self.image.firmware,
            flags: if self.image.test { TEST } else { 0 },
        };
        let written = self.write(curve, keys, stamp, event);
        if written.is_err() {
            self.standing.boot_count = self.standing.boot_count.saturating_sub(1);
        }
        written?;
        self.booted = true;
        Ok(())
    }

    fn write(
        &mut self,
        curve: &impl Curve,
        keys: &Keys,
        stamp: Stamp,
        event: Event<'_>,
    ) -> Result<u32, LogError> {
        if self.damaged {
            return Err(LogError::Failed);
        }
        let entry = Entry {
            terminal: keys.name,
            sequence: self.next_sequence().ok_or(LogError::Failed)?,
            boot_count: self.standing.boot_count,
            time: stamp.time,
            clock: stamp.source,
            previous: self.head(),
            event,
        };
        let mut buffer = [0; MAXIMUM_ENTRY_LENGTH];
        let signer = Signer {
            curve,
            key: &keys.journal,
        };
        let encoding = sign(&entry, &signer, &mut buffer).map_err(|_| LogError::Failed)?;
        let signed = Signed::<Entry<'_>>::parse(encoding).map_err(|_| LogError::Failed)?;
        let summary = summary::encode(&self.standing);
        let record = self.journal.append_after(&summary, encoding)?;
        if record.0 != entry.sequence {
            return Err(LogError::Failed);
        }
        self.standing.tail = Some((entry.sequence, signed.hash()));
        if let Settled::Paid(open) = self.standing.observe(&entry) {
            let mut buffer = [0; MAX_RECORD];
            let order = read_order(&mut self.journal, &open, &mut buffer);
            let order = order.ok().flatten();
            // Without the order nobody can say what is to be handed over: what the entries say is not known any more.
            self.damaged |= order.is_none();
            let order = order.ok_or(LogError::Failed)?;
            self.standing.paid(&open, order.order());
        }
        Ok(entry.sequence)
    }

    /// Is there room for a payment with all that may follow it?
    pub(crate) fn has_room(&mut self) -> Result<bool, LogError> {
        self.has_free(self.reserve())
    }

    /// For how many more payments there is room for certain, once the journal is filling.
    pub(crate) fn last_payments(&mut self) -> Result<Option<u32>, LogError> {
        let free = self.journal.free_records(MAXIMUM_ENTRY_LENGTH)?;
        let is_filling = free.saturating_mul(FILLING) < self.journal.capacity(MAXIMUM_ENTRY_LENGTH);
        let left = free.saturating_sub(self.reserve()) / ENTRIES_OF_A_PAYMENT;
        Ok(is_filling.then_some(left))
    }

    /// Entries for which there must be room before an order is begun beside those that are open.
    fn reserve(&self) -> u32 {
        RESERVE.saturating_add(self.in_doubt().saturating_mul(RESERVE_EACH))
    }

    /// Orders that are open, and payments that wait to be undone: each needs room to be settled.
    fn in_doubt(&self) -> u32 {
        let Standing { open, unreversed, .. } = &self.standing;
        u32::try_from(open.len().saturating_add(unreversed.len())).unwrap_or(u32::MAX)
    }

    /// Is there room for an entry that settles nothing?
    pub(crate) fn has_room_beside_order(&mut self) -> Result<bool, LogError> {
        let more = self.in_doubt().saturating_sub(1);
        self.has_free(RESERVE_TO_SETTLE.saturating_add(more.saturating_mul(RESERVE_EACH)))
    }

    fn has_free(&mut self, entries: u32) -> Result<bool, LogError> {
        Ok(self.journal.free_records(MAXIMUM_ENTRY_LENGTH)? >= entries)
    }

    /// Sequence number of the next entry, once [`Self::boot`] is done.
    pub(crate) fn next_sequence(&self) -> Option<u32> {
        self.tail_sequence().checked_add(1)
    }

    /// Has the flash lost an entry without which nothing can be chained to the journal?
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Sequence number of the last entry, 0 for none.
    pub(crate) fn tail_sequence(&self) -> u32 {
        self.journal.tail().map_or(0, |tail| tail.0)
    }

    /// Hash that the next entry names as the one before.
    pub(crate) fn head(&self) -> Digest {
        self.standing.tail.map_or(self.genesis, |(_, hash)| hash)
    }

    /// Sequence number of the last acknowledged entry, 0 for none.
    pub(crate) fn acknowledged(&self) -> u32 {
        self.journal.released().map_or(0, |released| released.0)
    }

    /// Has anything been paid that no host has acknowledged?
    pub(crate) fn has_unsynced_payment(&self) -> bool {
        self.standing.unsynced_payment > 0
    }

    /// The newest time that a host has set, in all entries that are known.
    pub(crate) fn newest_time(&self) -> Time {
        self.standing.newest
    }

    /// The newest time in all entries that are known, also of a clock that an operator had set.
    pub(crate) fn newest_stated_time(&self) -> Time {
        self.standing.newest_stated
    }

    /// The orders whose outcome is not known, oldest first.
    pub(crate) fn open_intents(&self) -> &Vec<OpenIntent, MAXIMUM_OPEN_INTENTS> {
        &self.standing.open
    }

    /// The order of an open Intent, from flash.
    pub(crate) fn order(&mut self, open: &OpenIntent) -> Result<OpenOrder, LogError> {
        let mut buffer = [0; MAX_RECORD];
        let order = read_order(&mut self.journal, open, &mut buffer)?;
        order
            .and_then(|order| OpenOrder::new(&order))
            .ok_or(LogError::Failed)
    }

    /// Payments whose hand-over is not confirmed.
    pub(crate) fn unhanded(&self) -> &[Unhanded] {
        &self.standing.unhanded
    }

    /// Payments whose money was not handed over, and that their cards may still undo here.
    pub(crate) fn unreversed(&self) -> &Vec<Unreversed, MAXIMUM_UNREVERSED> {
        &self.standing.unreversed
    }

    /// The order of a payment that waits to be undone, from flash; `None` if the flash has lost it.
    pub(crate) fn undone_order(&mut self, waiting: &Unreversed) -> Result<Option<OpenOrder>, LogError> {
        self.order_of_intent(waiting.entry, waiting.intent)
    }

    /// The order of a payment whose money is, or was, to be handed over, from flash.
    pub(crate) fn paid_order(&mut self, payment: &Unhanded) -> Result<OpenOrder, LogError> {
        self.order_of_intent(payment.entry, payment.intent)?
            .ok_or(LogError::Failed)
    }

    fn order_of_intent(&mut self, entry: u32, intent: u32) -> Result<Option<OpenOrder>, LogError> {
        let mut buffer = [0; MAX_RECORD];
        let order = read_if_kept(&mut self.journal, entry, &mut buffer, order_of)?;
        let is_meant = |order: &EncodedOrder<'_>| order.order().sequence == intent;
        Ok(order.filter(is_meant).and_then(|order| OpenOrder::new(&order)))
    }

    /// The reversal that the card may have got, from flash; `None` if there was none yet, or the flash has lost it.
    pub(crate) fn reversal(&mut self, waiting: &Unreversed) -> Result<Option<EncodedBytes>, LogError> {
        let mut buffer = [0; MAX_RECORD];
        let Some(entry) = waiting.announced else {
            return Ok(None);
        };
        let reversal = read_if_kept(&mut self.journal, entry, &mut buffer, reversal_of)?;
        Ok(reversal.and_then(|reversal| EncodedBytes::from_slice(reversal.encoding()).ok()))
    }

    /// Wrong PINs and cards of operators since a shift was opened last, as far as entries tell.
    pub(crate) fn failed_proofs(&self) -> u32 {
        self.standing.failed_proofs
    }

    /// What the shift has done.
    pub(crate) fn totals(&self) -> &Totals {
        &self.standing.totals
    }

    /// Whole entries from a sequence number on, as many as fit. Damaged ones are left out: the chain shows the gap.
    #[inline(never)]
    pub(crate) fn entries(&mut self, from: u32, out: &mut Vec<u8, MAX_BYTES>) -> Result<(), LogError> {
        let mut buffer = [0; MAX_RECORD];
        let mut cursor = self.journal.iter_from(RecordId(from))?;
        while let Some(item) = self.journal.next(&mut cursor, &mut buffer)? {
            let Item::Record { bytes, .. } = item else {
                continue;
            };
            if out.extend_from_slice(bytes).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Checks that a verified acknowledgement speaks of this journal (DATA 6).
    pub(crate) fn check(
        &mut self,
        keys: &Keys,
        acknowledgement: &Verified<'_, Acknowledgement>,
    ) -> Result<Acknowledged, Refusal> {
        if acknowledgement.terminal != keys.name || acknowledgement.journal_key != self.genesis {
            return Err(Refusal::NotForThisTerminal);
        }
        let mut buffer = [0; MAX_RECORD];
        let item = self
            .journal
            .read(RecordId(acknowledgement.sequence), &mut buffer)
            .map_err(|error| match error {
                Error::NoSuchRecord => Refusal::UnknownEntry,
                _ => Refusal::Storage,
            })?;
        let same = match item {
            Item::Record { bytes, .. } => {
                Signed::<Entry<'_>>::parse(bytes).is_ok_and(|entry| entry.hash() == acknowledgement.head)
            }
            Item::Damaged { .. } => false,
        };
        if !same {
            return Err(Refusal::UnknownEntry);
        }
        Ok(Acknowledged {
            last: RecordId(acknowledgement.sequence),
            sequence: acknowledgement.sequence,
            hash: acknowledgement.hash(),
        })
    }

    /// Gives the acknowledged space free, and says so in an entry. Again for the same entries: nothing happens.
    ///
    /// An order that is still open is told once more before its space is given free: it will be sent to its card again,
    /// whenever that comes. Where there is no room for it the space stays. So does that of a payment whose money is not
    /// handed over: the next start asks for it.
    pub(crate) fn release(
        &mut self,
        curve: &impl Curve,
        keys: &Keys,
        stamp: Stamp,
        acknowledged: &Acknowledged,
    ) -> Result<(), LogError> {
        // Also where all space is kept.
        self.standing.synced(acknowledged.sequence);
        let all = self.standing.open.clone();
        // One that the flash has lost cannot be told again: its space stays, and what is before it goes.
        let lost = all.iter().filter(|open| self.order(open).is_err());
        let lost = lost.map(|open| open.entry).min();
        let unhanded = self.unhanded().iter().map(|payment| payment.entry);
        let kept = unhanded.chain(lost).min();
        let last = acknowledged.last_before(kept);
        if last.0 <= self.acknowledged() {
            return Ok(());
        }
        for open in all {
            if open.entry > last.0 {
                continue;
            }
            let order = self.order(&open)?;
            let order = order.order().ok_or(LogError::Failed)?;
            match self.append(curve, keys, stamp, Event::StillOpen(order)) {
                Ok(_) => {}
                Err(LogError::Full) => break,
                Err(error) => return Err(error),
            }
        }
        self.repeat_unreversed(curve, keys, stamp, last)?;
        let open = self.standing.open.iter().map(|open| open.entry);
        let unreversed = self.standing.unreversed.iter();
        let unreversed = unreversed.flat_map(|waiting| [Some(waiting.entry), waiting.announced]);
        let last = acknowledged.last_before(kept.into_iter().chain(open).chain(unreversed.flatten()).min());
        if last.0 <= self.acknowledged() {
            return Ok(());
        }
        let acknowledged = Acknowledged {
            last,
            ..*acknowledged
        };
        self.journal.release_until(&acknowledged)?;
        let event = Event::Synced {
            acknowledgement: acknowledged.hash,
            sequence: acknowledged.sequence,
        };
        self.append(curve, keys, stamp, event)?;
        Ok(())
    }

    /// What waits to be undone is told once more before its space, up to `last`, is given free. What the flash has lost holds no space:
    /// a payment without its order is left to the station, and a new reversal takes the place of one that is lost.
    fn repeat_unreversed(
        &mut self,
        curve: &impl Curve,
        keys: &Keys,
        stamp: Stamp,
        last: RecordId,
    ) -> Result<(), LogError> {
        for waiting in self.standing.unreversed.clone() {
            let intent = waiting.intent;
            let Some(order) = self.undone_order(&waiting)? else {
                self.standing.unreversed.retain(|known| *known != waiting);
                continue;
            };
            let reversal = self.reversal(&waiting)?;
            if reversal.is_none() {
                self.standing.forget_reversal(intent);
            }
            if waiting.entry <= last.0 {
                let order = order.order();
                tolerate_full(self.append(curve, keys, stamp, Event::NotHanded { intent, order }))?;
            }
            if waiting.announced.is_some_and(|entry| entry <= last.0)
                && let Some(Ok(reversal)) = reversal.as_ref().map(|bytes| EncodedReversal::parse(bytes))
            {
                let event = Event::ReverseIntent { intent, reversal };
                tolerate_full(self.append(curve, keys, stamp, event))?;
            }
        }
        Ok(())
    }
}

/// Without room nothing is told again, and the space stays.
fn tolerate_full(result: Result<u32, LogError>) -> Result<(), LogError> {
    match result {
        Ok(_) | Err(LogError::Full) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Can it come any number of times while an order is open?
fn is_repeatable(event: &Event<'_>) -> bool {
    match event {
        Event::Refused(refusal) => refusal.closes_intent.is_none(),
        Event::CardBlocked(_)
        | Event::ScriptExecuted(_)
        | Event::CarriedReceipt(_)
        | Event::ShiftOpened { .. }
        | Event::ShiftClosed { .. }
        | Event::OperatorRefused { .. }
        | Event::ClockSetByOperator { .. }
        | Event::CashReceived { .. }
        | Event::CashCounted { .. }
        | Event::ClockSet { .. } => true,
        _ => false,
    }
}

/// Proof that the issuer's signed acknowledgement names an entry of this journal. Made by [`Log::check`] only.
pub(crate) struct Acknowledged {
    last: RecordId,
    sequence: u32,
    hash: Digest,
}

impl Acknowledged {
    /// The last entry that may be given free, if those from `kept` on may not.
    fn last_before(&self, kept: Option<u32>) -> RecordId {
        RecordId(self.sequence.min(kept.unwrap_or(u32::MAX).saturating_sub(1)))
    }
}

impl HostAcknowledgement for Acknowledged {
    fn last_record(&self) -> RecordId {
        self.last
    }
}
