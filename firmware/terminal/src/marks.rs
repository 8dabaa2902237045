//! Which lines of a list are paid, in flash: a mark for each, and behind them what undid marks and set them again (DATA 5.5).
//!
//! Bits of NOR flash go one way, so a line that was reversed keeps its mark and gets a slot. The journal comes first: after a power
//! cut its last entries are told here once more, and none of them counts twice.

use embedded_storage::nor_flash::{NorFlash, NorFlashErrorKind};

use crate::flash::{Area, FlashError};

/// Bytes of a mark and of a slot.
const UNIT: u32 = 16;
/// Slots: a reversal needs one, and the line that is paid again another. Without a free one a line keeps its mark until the next
/// list, and the card knows better than a missing one. Not so a payment by hand: its mark goes along, and is made only where slots are free.
const SLOTS: u32 = 64;
/// Bytes for the slots, behind the last mark.
pub(crate) const SLOT_SPACE: u32 = SLOTS * UNIT;

const PAID: u32 = 1;
const REVERSED: u32 = 2;
const BY_HAND: u32 = 3;
/// Slots that a payment by hand may need: the line may have a mark, the power may be cut in its middle, and the money may stay.
const SLOTS_BY_HAND: u32 = 3;
const ERASED: [u8; 16] = [0xFF; 16];

/// Where marks and slots begin in an area.
#[derive(Clone, Copy)]
pub(crate) struct Marks {
    pub(crate) marks: u32,
    pub(crate) slots: u32,
}

/// What is told of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Paid,
    /// Its card does not know: the mark says of which entry it is, and goes along into the next list.
    PaidByHand,
    Undone,
}

impl Mark {
    fn kind(self) -> u32 {
        match self {
            Self::Paid => PAID,
            Self::PaidByHand => BY_HAND,
            Self::Undone => REVERSED,
        }
    }
}

/// What happened to a line after it was marked; or the mark itself, of one that was paid by hand.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Slot {
    kind: u32,
    line: u32,
    /// Sequence number of the Intent, 0 if the line was paid elsewhere.
    intent: u32,
}

impl Slot {
    fn to_bytes(self) -> [u8; 16] {
        let Self { kind, line, intent } = self;
        let words = [kind, line, intent, !(kind ^ line ^ intent)];
        let mut bytes = [0; 16];
        for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// `None` for one in whose middle the power was cut.
    fn from_bytes(bytes: &[u8; 16]) -> Option<Self> {
        let mut words = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|word| u32::from_le_bytes(*word));
        let slot = Self {
            kind: words.next()?,
            line: words.next()?,
            intent: words.next()?,
        };
        (words.next()? == !(slot.kind ^ slot.line ^ slot.intent)).then_some(slot)
    }
}

/// What the slots say of a line.
struct Told {
    is_paid: bool,
    /// By hand: sequence number of the entry.
    by_hand: Option<u32>,
    /// Was the payment of the Intent in question undone?
    is_undone: bool,
    /// The first free slot.
    free: u32,
}

impl Marks {
    /// Is the line known to be paid?
    pub(crate) fn is_paid<F: NorFlash>(self, area: &Area<'_, F>, line: u32) -> Result<bool, FlashError> {
        Ok(self.told(area, line, 0)?.is_paid)
    }

    /// The entry by which the line was paid by hand, if it was.
    pub(crate) fn paid_by_hand<F: NorFlash>(
        self,
        area: &Area<'_, F>,
        line: u32,
    ) -> Result<Option<u32>, FlashError> {
        Ok(self.told(area, line, 0)?.by_hand)
    }

    /// Can a payment by hand be marked, and undone?
    pub(crate) fn has_room_by_hand<F: NorFlash>(self, area: &Area<'_, F>) -> Result<bool, FlashError> {
        Ok(area.read::<16>(self.slot(SLOTS.saturating_sub(SLOTS_BY_HAND)))? == ERASED)
    }

    /// Remembers that an order of this Intent has paid the line, or that its payment was undone. What was undone is told once more
    /// after a power cut, and counts no second time.
    pub(crate) fn tell<F: NorFlash>(
        self,
        area: &mut Area<'_, F>,
        line: u32,
        intent: u32,
        mark: Mark,
    ) -> Result<(), FlashError> {
        let told = self.told(area, line, intent)?;
        let is_told = told.is_paid == (mark != Mark::Undone);
        // In the middle of a mark the power may have been cut: it says paid, and not how.
        let is_told = is_told && (mark != Mark::PaidByHand || told.by_hand.is_some());
        if is_told || told.is_undone {
            return Ok(());
        }
        let kind = mark.kind();
        let slot = Slot { kind, line, intent }.to_bytes();
        if area.read::<16>(self.mark(line))? == ERASED {
            let bytes = if mark == Mark::PaidByHand { slot } else { [0; 16] };
            return write(area, self.mark(line), &bytes);
        }
        if told.free >= SLOTS {
            return Ok(());
        }
        write(area, self.slot(told.free), &slot)
    }

    fn mark(self, line: u32) -> u32 {
        line.saturating_sub(1)
            .saturating_mul(UNIT)
            .saturating_add(self.marks)
    }

    fn slot(self, index: u32) -> u32 {
        index.saturating_mul(UNIT).saturating_add(self.slots)
    }

    fn told<F: NorFlash>(self, area: &Area<'_, F>, line: u32, intent: u32) -> Result<Told, FlashError> {
        let mark = area.read::<16>(self.mark(line))?;
        let by_hand = |slot: &Slot| (slot.kind == BY_HAND).then_some(slot.intent);
        let mut told = Told {
            is_paid: mark != ERASED,
            by_hand: Slot::from_bytes(&mark).as_ref().and_then(by_hand),
            is_undone: false,
            free: 0,
        };
        // Most lines have no mark, and then no slot.
        while told.is_paid | (told.free > 0) && told.free < SLOTS {
            let bytes = area.read::<16>(self.slot(told.free))?;
            if bytes == ERASED {
                break;
            }
            told.free = told.free.saturating_add(1);
            if let Some(slot) = Slot::from_bytes(&bytes).filter(|slot| slot.line == line) {
                told.is_paid = slot.kind != REVERSED;
                told.by_hand = by_hand(&slot);
                told.is_undone |= slot.kind == REVERSED && slot.intent == intent;
            }
        }
        Ok(told)
    }
}

/// What the flash did not take is an error: no card guards what is paid by hand.
fn write<F: NorFlash>(area: &mut Area<'_, F>, offset: u32, bytes: &[u8; 16]) -> Result<(), FlashError> {
    area.write(offset, bytes)?;
    if area.read::<16>(offset)? == *bytes {
        Ok(())
    } else {
        Err(FlashError(NorFlashErrorKind::Other))
    }
}
