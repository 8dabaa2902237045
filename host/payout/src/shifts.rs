//! What each shift at a terminal has done, out of the journal that the ledger holds: for the clerk's settlement.

use std::collections::HashMap;

use ansinh_store::{Store, StoreError};
use card_spec::crypto::Digest;
use card_spec::journal::{Entry, Event, ShiftEnd};
use card_spec::signed::Signed;
use card_spec::values::Time;

/// Payments or refusals, and their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub number: u64,
    /// VND.
    pub vnd: u64,
}

impl Sum {
    fn add(&mut self, vnd: u64) {
        self.number += 1;
        self.vnd += vnd;
    }
}

/// A count of the clerk's cash (DATA 5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CashCount {
    /// When, by the terminal's clock.
    pub time: Time,
    /// What should have been there, in VND.
    pub expected_vnd: u64,
    /// What was there, in VND: more is over, less is short.
    pub counted_vnd: u64,
}

/// From one ShiftOpened to the next, or to the end of what the ledger holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// Sequence number of its ShiftOpened entry.
    pub entry: u32,
    /// When, by the terminal's clock; [`Time::UNSET`] if it was not set.
    pub opened: Time,
    /// Who worked.
    pub operator: String,
    /// Has the clerk closed it? Else the power, idleness or another operator ended it, or it goes on.
    pub closed: bool,
    /// What cards have paid.
    pub paid: Sum,
    /// What two operators have paid by hand.
    pub by_hand: Sum,
    /// What was handed over.
    pub handed: Sum,
    /// What was not handed over although it was paid.
    pub not_handed: Sum,
    /// Of all that was not handed over, what its cards have undone.
    pub reversed: Sum,
    /// Refusals.
    pub refused: u64,
    /// Cash that came in, in VND.
    pub received_vnd: u64,
    /// Counts of cash, oldest first.
    pub counts: Vec<CashCount>,
}

/// The shifts of a terminal, oldest first.
///
/// # Errors
/// [`StoreError`]; [`StoreError::NotFound`] for a terminal that is not in the ledger.
pub fn shifts(store: &Store, terminal: &str) -> Result<Vec<Shift>, StoreError> {
    store.terminal(terminal)?;
    let mut reader = Reader::default();
    for entry in store.journal(terminal)? {
        let entry = Signed::<Entry<'_>>::parse(&entry).map_err(|_| StoreError::Malformed("journal entry"))?;
        reader.entry(entry.claimed());
    }
    Ok(reader.shifts)
}

/// What is known between two entries. They were verified when they were taken in.
#[derive(Default)]
struct Reader {
    shifts: Vec<Shift>,
    /// Orders whose outcome is not known: Intent and VND.
    open: HashMap<Digest, (u32, u64)>,
    /// Payments that wait to be handed over, by Intent: VND.
    unhanded: HashMap<u32, u64>,
    /// Payments that stand although their money was not handed over, by Intent: VND.
    not_handed: HashMap<u32, u64>,
}

impl Reader {
    fn entry(&mut self, entry: &Entry<'_>) {
        match &entry.event {
            Event::ShiftOpened { operator } => self.shifts.push(opened(entry, operator.as_str())),
            Event::Intent(order) => {
                let vnd = order.order().amount.vnd();
                self.open.insert(order.hash(), (entry.sequence, vnd));
            }
            Event::Paid(receipt) => {
                if let Some((intent, vnd)) = self.open.remove(&receipt.signed().claimed().object_hash) {
                    self.unhanded.insert(intent, vnd);
                    self.tell(|shift| shift.paid.add(vnd));
                }
            }
            Event::ManualPaid(paid) => {
                let vnd = paid.order().order().amount.vnd();
                self.unhanded.insert(entry.sequence, vnd);
                self.tell(|shift| shift.by_hand.add(vnd));
            }
            Event::Handed { intent } => {
                if let Some(vnd) = self.unhanded.remove(intent) {
                    self.tell(|shift| shift.handed.add(vnd));
                }
            }
            Event::NotHanded { intent, .. } => {
                if let Some(vnd) = self.unhanded.remove(intent) {
                    self.not_handed.insert(*intent, vnd);
                    self.tell(|shift| shift.not_handed.add(vnd));
                }
            }
            Event::Reversed { intent, .. } => {
                if let Some(vnd) = self.not_handed.remove(intent) {
                    self.tell(|shift| shift.reversed.add(vnd));
                }
            }
            Event::Refused(refusal) => {
                self.open
                    .retain(|_, (intent, _)| refusal.closes_intent != Some(*intent));
                self.tell(|shift| shift.refused += 1);
            }
            Event::ShiftClosed { end, .. } => self.tell(|shift| shift.closed = *end == ShiftEnd::Closed),
            Event::CashReceived { amount, .. } => self.tell(|shift| shift.received_vnd += amount.vnd()),
            Event::CashCounted {
                expected, counted, ..
            } => {
                let count = CashCount {
                    time: entry.time,
                    expected_vnd: expected.vnd(),
                    counted_vnd: counted.vnd(),
                };
                self.tell(|shift| shift.counts.push(count));
            }
            _ => {}
        }
    }

    /// Before the first shift nobody works; an order may be settled then.
    fn tell(&mut self, what: impl FnOnce(&mut Shift)) {
        if let Some(shift) = self.shifts.last_mut() {
            what(shift);
        }
    }
}

fn opened(entry: &Entry<'_>, operator: &str) -> Shift {
    Shift {
        entry: entry.sequence,
        opened: entry.time,
        operator: operator.to_owned(),
        closed: false,
        paid: Sum::default(),
        by_hand: Sum::default(),
        handed: Sum::default(),
        not_handed: Sum::default(),
        reversed: Sum::default(),
        refused: 0,
        received_vnd: 0,
        counts: Vec::new(),
    }
}
