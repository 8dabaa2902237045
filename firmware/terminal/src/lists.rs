//! The payment lists in force together (DATA 3.4): the newest and those that it keeps, each with its own days.
//!
//! Which they are is part of the device's state and changes in one piece. A line that stands in two of them is paid once: the
//! marks of all count, and the card refuses it as well.

use card_spec::crypto::{Curve, Digest};
use card_spec::list::MAXIMUM_KEPT;
use card_spec::payment::{LineKey, Recipient};
use card_spec::values::{CardNumber, Date};
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::Layout;
use crate::flash::{Area, FlashError, Shared};
use crate::machine::Machine;
use crate::marks::Mark;
use crate::payment_list::{DueLine, Facts, MAXIMUM_DUE, PaymentList, may_take};
use crate::standing::PaidLine;

/// Lists in force at most.
pub(crate) const MAXIMUM_LISTS: usize = MAXIMUM_KEPT + 1;
/// Places in flash: one more, for the list that is being loaded.
pub(crate) const PLACES: usize = MAXIMUM_LISTS + 1;

/// Marks of payments by hand that are looked for together in the next list.
const CARRIED_AT_ONCE: usize = 32;
/// Lines of the lists in force that may be paid by hand (DATA 5.7). Their marks go along into the next list, in sixteen searches of at most
/// 4,000 lines: on flash that is read at 8 MHz some 0.4 s each, and at each mark that is written a board feeds its watchdog.
pub(crate) const MAXIMUM_BY_HAND: usize = 16 * CARRIED_AT_ONCE;

/// A list and where it lies.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ListInForce {
    pub(crate) place: u8,
    pub(crate) facts: Facts,
}

/// The lists in force, by number.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct ListsInForce {
    lists: Vec<ListInForce, MAXIMUM_LISTS>,
    /// Sequence number of the journal entry for the newest: if the journal is shorter, the power was cut before it.
    pub(crate) entry: u32,
}

/// None, for a state that has nothing yet.
impl Default for &ListsInForce {
    fn default() -> Self {
        static NONE: ListsInForce = ListsInForce {
            lists: Vec::new(),
            entry: 0,
        };
        &NONE
    }
}

impl ListsInForce {
    /// The list that was loaded last; it says which others are in force.
    pub(crate) fn newest(&self) -> Option<&Facts> {
        self.lists.last().map(|list| &list.facts)
    }

    /// Number of the newest; 0 for none.
    pub(crate) fn number(&self) -> u32 {
        self.newest().map_or(0, |newest| newest.number)
    }

    pub(crate) fn has(&self, number: u32) -> bool {
        self.lists.iter().any(|list| list.facts.number == number)
    }

    pub(crate) fn is_any_valid_on(&self, day: Date) -> bool {
        self.lists.iter().any(|list| list.facts.is_valid_on(day))
    }

    /// A place that no list in force has.
    pub(crate) fn free_place(&self) -> Option<u8> {
        (0..)
            .take(PLACES)
            .find(|place| self.lists.iter().all(|list| list.place != *place))
    }

    /// Puts a list in force; of those before it the ones that it keeps stay.
    pub(crate) fn put(&mut self, list: ListInForce, keeps: &[u32], entry: u32) {
        self.lists.retain(|before| keeps.contains(&before.facts.number));
        // There is room: it keeps no more than leave a place.
        let _ = self.lists.push(list);
        self.entry = entry;
    }

    /// Opens those that what the journal says of a line in the entry of this number can be about: not the newest, if it was loaded
    /// later. That may have the very lines of one before it, and so its root (DATA 3.3), because they were undone since. What was paid
    /// by hand counts in all, for no card knows of it.
    pub(crate) fn open_for<'f, F: NorFlash>(
        &self,
        entry: u32,
        line: &PaidLine,
        flash: Shared<'f, F>,
        layout: &Layout,
    ) -> impl Iterator<Item = PaymentList<'f, F>> {
        let is_before = entry < self.entry && !line.by_hand;
        let meant = self.lists.len().saturating_sub(is_before.into());
        self.open(flash, layout).take(meant)
    }

    /// Opens them, the newest last.
    pub(crate) fn open<'f, F: NorFlash>(
        &self,
        flash: Shared<'f, F>,
        layout: &Layout,
    ) -> impl Iterator<Item = PaymentList<'f, F>> {
        self.lists.iter().filter_map(move |list| {
            let range = layout.lists.get(usize::from(list.place))?;
            Some(PaymentList::open(Area::new(flash, range.clone()), list.facts))
        })
    }
}

/// A line in force, by the numbers of its list and of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinePlace {
    pub(crate) list: u32,
    pub(crate) line: u32,
}

/// What the lists have for a card. Nothing of it is trusted yet: [`Machine::due_line`] checks each line.
#[derive(Debug, Default)]
pub(crate) struct Entitlements {
    /// Lines to be paid, the oldest period first.
    pub(crate) due: Vec<LinePlace, MAXIMUM_DUE>,
    /// A line that is paid already.
    pub(crate) paid: Option<u32>,
    /// A line is not paid, but today is none of its list's days.
    pub(crate) on_other_days: bool,
    /// More lines are due than one tap pays.
    pub(crate) more: bool,
    /// A line that is not paid may be taken by a representative.
    pub(crate) for_representative: bool,
}

/// A line that may be due.
struct Candidate {
    place: LinePlace,
    key: LineKey,
    /// Its card has refused it: all others come first.
    declined: bool,
}

/// Candidates in the order in which they are paid, at most so many.
struct Candidates {
    lines: Vec<Candidate, MAXIMUM_DUE>,
    most: usize,
    more: bool,
}

impl Candidates {
    fn insert(&mut self, line: Candidate) {
        // In two lists: an issuer's mistake.
        if self.lines.iter().any(|known| known.key == line.key) {
            return;
        }
        let rank = |line: &Candidate| (line.declined, line.key.parts().period);
        let before = |known: &&Candidate| rank(known) <= rank(&line);
        let place = self.lines.iter().take_while(before).count();
        if self.lines.len() >= self.most {
            self.more = true;
            if place >= self.lines.len() {
                return;
            }
            self.lines.pop();
        }
        // There is room, for more than there are places are never asked for.
        let _ = self.lines.insert(place, line);
    }
}

impl<'f, F: NorFlash, R: CryptoRng, C: Curve> Machine<'f, F, R, C> {
    /// The payment lists in force, the newest last.
    pub(crate) fn lists(&self) -> impl Iterator<Item = PaymentList<'f, F>> {
        self.device.lists.open(self.flash, &self.layout)
    }

    /// Those that may be paid from today.
    pub(crate) fn lists_of_today(&self) -> impl Iterator<Item = PaymentList<'f, F>> {
        let today = self.clock.today();
        self.lists()
            .filter(move |list| today.is_some_and(|today| list.facts().is_valid_on(today)))
    }

    /// Looks in the lists in force for lines of a card that this recipient may take today, `most` at most.
    ///
    /// A line that is marked as paid in any of them is not due from another one, whatever their days.
    pub(crate) fn entitlements(
        &self,
        card: CardNumber,
        recipient: Recipient,
        most: usize,
    ) -> Result<Entitlements, FlashError> {
        let mut paid_in = Vec::new();
        let found = self.look(card, recipient, most, &mut paid_in)?;
        let is_unpaid = !found.due.is_empty() || found.on_other_days;
        if !is_unpaid || paid_in.is_empty() || self.lists().nth(1).is_none() {
            return Ok(found);
        }
        self.look(card, recipient, most, &mut paid_in)
    }

    /// Looks through all lists once. Lines that are paid in the lists `paid_in` are left out; those in which the card has a paid line
    /// come to it.
    fn look(
        &self,
        card: CardNumber,
        recipient: Recipient,
        most: usize,
        paid_in: &mut Vec<u32, MAXIMUM_LISTS>,
    ) -> Result<Entitlements, FlashError> {
        let today = self.clock.today();
        let known = paid_in.clone();
        let mut found = Entitlements::default();
        let mut candidates = Candidates {
            lines: Vec::new(),
            most: most.min(MAXIMUM_DUE),
            more: false,
        };
        for list in self.lists() {
            let is_today = today.is_some_and(|today| list.facts().is_valid_on(today));
            for line in list.payable_to(card) {
                let line = line?;
                let place = list.place_of(&line);
                if list.is_paid(line.number)? {
                    found.paid = Some(line.number);
                    if !paid_in.contains(&place.list) {
                        // There is room for all lists.
                        let _ = paid_in.push(place.list);
                    }
                    continue;
                }
                // In two lists: an issuer's mistake.
                if self.is_paid_in(&known, line.line_key)? {
                    continue;
                }
                if !is_today {
                    found.on_other_days = true;
                    continue;
                }
                found.for_representative |= may_take(&line, Recipient::FirstRepresentative);
                if may_take(&line, recipient) {
                    candidates.insert(Candidate {
                        place,
                        key: line.line_key,
                        declined: self.declined.contains(&place),
                    });
                }
            }
        }
        found.due.extend(candidates.lines.iter().map(|line| line.place));
        found.more = candidates.more;
        Ok(found)
    }

    /// Is a line with this key marked as paid in one of these lists?
    fn is_paid_in(&self, lists: &[u32], key: LineKey) -> Result<bool, FlashError> {
        for list in self.lists().filter(|list| lists.contains(&list.facts().number)) {
            for line in list.payable_for(key) {
                if list.is_paid(line?.number)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// A line, if its list is in force and valid today and the line is genuine, the card's, and not known to be paid.
    pub(crate) fn due_line(&self, place: LinePlace, card: CardNumber) -> Option<DueLine> {
        let list = self
            .lists_of_today()
            .find(|list| list.facts().number == place.list)?;
        list.due_line(place.line, card).ok()?
    }

    /// Do all lists in force that have a line for this key, one at least, name this card in it, unpaid?
    pub(crate) fn is_listed(&self, key: LineKey, card: CardNumber) -> bool {
        let mut listed = false;
        for list in self.lists() {
            match list.names(key, card) {
                Ok(None) => {}
                Ok(Some(true)) => listed = true,
                Ok(Some(false)) | Err(_) => return false,
            }
        }
        listed
    }

    /// How many lines of the lists in force are paid by hand?
    pub(crate) fn paid_by_hand(&self) -> Result<usize, FlashError> {
        let mut paid = 0_usize;
        for list in self.lists() {
            for number in 1..=list.facts().lines {
                paid = paid.saturating_add(list.paid_by_hand(number)?.is_some().into());
            }
        }
        Ok(paid)
    }

    /// What was paid by hand no card knows, so the mark goes along into the next list, before that is in force (DATA 3.4).
    #[inline(never)]
    pub(crate) fn carry_by_hand(&self, next: &ListInForce) -> Result<(), FlashError> {
        let Some(range) = self.layout.lists.get(usize::from(next.place)) else {
            return Ok(());
        };
        let mut next = PaymentList::open(Area::new(self.flash, range.clone()), next.facts);
        // Each search reads the whole next list, and the watchdog waits: one search for many.
        let mut found = Vec::<_, CARRIED_AT_ONCE>::new();
        for list in self.lists() {
            for number in 1..=list.facts().lines {
                if let Some(entry) = list.paid_by_hand(number)?
                    && let Some(key) = list.key(number)?
                {
                    if found.is_full() {
                        next.mark_keys(&found, Mark::PaidByHand)?;
                        found.clear();
                    }
                    // There is room now.
                    let _ = found.push((key, entry));
                }
            }
        }
        next.mark_keys(&found, Mark::PaidByHand)
    }

    /// The line of an order, if its list is still in force.
    pub(crate) fn place_of(&self, root: Digest, line: u32) -> Option<LinePlace> {
        let list = self.lists().find(|list| list.facts().root == root)?;
        Some(LinePlace {
            list: list.facts().number,
            line,
        })
    }

    /// Remembers that a line is paid, or that its payment was undone. If the flash refuses where the card is no guard, nothing more is
    /// paid in this start: the next one marks it from the journal.
    #[inline(never)]
    pub(crate) fn mark(&mut self, line: PaidLine, paid: bool) {
        self.unmarked |= mark(self.lists(), line, paid).is_err();
    }
}

/// Remembers that a line is paid, or that its payment was undone, in every list that it can. An error where the line could be paid
/// by hand for want of the mark; elsewhere its card does not pay it again.
pub(crate) fn mark<'f, F: NorFlash + 'f>(
    lists: impl Iterator<Item = PaymentList<'f, F>>,
    line: PaidLine,
    paid: bool,
) -> Result<(), FlashError> {
    let told = match (paid, line.by_hand) {
        (true, true) => Mark::PaidByHand,
        (true, false) => Mark::Paid,
        (false, _) => Mark::Undone,
    };
    let mut marked = Ok(());
    for mut list in lists {
        let by_hand = line.by_hand || list.facts().by_hand_up_to > 0;
        let told = if list.facts().root == line.list_root {
            list.mark(line.number, line.intent, told)
        } else if by_hand {
            // Its list may have ended since: the next one has its mark.
            list.mark_keys(&[(line.key, line.intent)], told)
        } else {
            Ok(())
        };
        if by_hand {
            marked = marked.and(told);
        }
    }
    marked
}
