//! The terminal: its journal (DATA 5), what of it is where, and the exchange with a card.

use heapless::Vec;

use crate::card::Answer;
use crate::{CardIndex, LINES, OrderIndex};

/// Most entries that a journal can have: four an order, and the lists loaded.
pub const MAXIMUM_JOURNAL: usize = 20;

/// A journal entry that matters for money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// The order is about to be sent.
    Intent(OrderIndex),
    /// Its receipt.
    Paid(OrderIndex),
    /// A protected decision closed the Intent.
    Refused(OrderIndex),
    /// The clerk confirmed that the money was handed over.
    Handed(OrderIndex),
    /// The money was not handed over and never will be: a reversal is announced (SPEC 9.8).
    Reversing(OrderIndex),
    /// Its receipt.
    Reversed(OrderIndex),
    /// The card decided against it.
    NotReversed(OrderIndex),
    /// A list with this number is in force.
    ListLoaded(u8),
}

/// What the terminal has to finish before it serves anybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// An open Intent.
    Pay(OrderIndex),
    /// Paid, and neither handed over nor announced as not handed over.
    HandOver(OrderIndex),
    /// An announced reversal.
    Undo(OrderIndex),
}

impl Task {
    /// The order that it is about.
    #[must_use]
    pub const fn order(self) -> OrderIndex {
        match self {
            Self::Pay(order) | Self::HandOver(order) | Self::Undo(order) => order,
        }
    }
}

/// The exchange with a card: all that a power cut of the terminal takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exchange {
    /// No card, or none that was asked anything.
    Idle,
    /// An order in working memory that no entry announces; only under a fault.
    Unannounced(OrderIndex),
    /// The card's answer to this order or its reversal is on its way.
    Answered(OrderIndex, Answer),
    /// The receipt of this order or its reversal is verified and in working memory.
    Verified(OrderIndex),
}

/// A terminal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Terminal {
    /// All entries ever written. Which of them exist where, the next three say.
    pub journal: Vec<Entry, MAXIMUM_JOURNAL, u8>,
    /// So many are committed to the issuer's store.
    pub committed: u8,
    /// So many are acknowledged.
    pub acknowledged: u8,
    /// So many are given up by the terminal.
    pub erased: u8,
    /// Number of the list in force, 0 for none.
    pub list_number: u8,
    /// Which card the list lets draw each line.
    pub list: [Option<CardIndex>; LINES],
    /// The exchange with a card.
    pub exchange: Exchange,
    /// It is destroyed, its journal with it.
    pub burnt: bool,
}

impl Terminal {
    /// A terminal without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            journal: Vec::new(),
            committed: 0,
            acknowledged: 0,
            erased: 0,
            list_number: 0,
            list: [None; LINES],
            exchange: Exchange::Idle,
            burnt: false,
        }
    }

    /// What the newest entry about an order leaves to do.
    #[must_use]
    pub fn task(&self) -> Option<Task> {
        task(&self.journal)
    }

    /// The entries that the issuer has.
    #[must_use]
    pub fn committed(&self) -> &[Entry] {
        &self.journal[..usize::from(self.committed)]
    }

    /// The entries that the terminal has.
    #[must_use]
    pub fn present(&self) -> &[Entry] {
        if self.burnt {
            return &[];
        }
        &self.journal[usize::from(self.erased)..]
    }

    /// Is the entry with the terminal or with the issuer?
    #[must_use]
    pub fn has(&self, entry: Entry) -> bool {
        self.committed().contains(&entry) || self.present().contains(&entry)
    }

    /// Appends an entry. A journal without room is a fault of the model's bounds.
    ///
    /// # Panics
    /// If there is no room.
    pub fn record(&mut self, entry: Entry) {
        assert!(self.journal.push(entry).is_ok(), "MAXIMUM_JOURNAL is too small");
    }

    /// Entries that may be given up: all before the task that is not finished.
    #[must_use]
    pub fn finished(&self) -> u8 {
        let open = self.task().map(Task::order);
        let first = self
            .journal
            .iter()
            .position(|&entry| open.is_some() && order_of(entry) == open);
        first.map_or(self.journal.len(), usize::from) as u8
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

/// What the newest entry about an order leaves to do.
#[must_use]
pub fn task(journal: &[Entry]) -> Option<Task> {
    let newest = journal.iter().rev().find(|entry| order_of(**entry).is_some());
    match *newest? {
        Entry::Intent(order) => Some(Task::Pay(order)),
        Entry::Paid(order) => Some(Task::HandOver(order)),
        Entry::Reversing(order) => Some(Task::Undo(order)),
        _ => None,
    }
}

/// The order that an entry is about.
#[must_use]
pub const fn order_of(entry: Entry) -> Option<OrderIndex> {
    match entry {
        Entry::Intent(order)
        | Entry::Paid(order)
        | Entry::Refused(order)
        | Entry::Handed(order)
        | Entry::Reversing(order)
        | Entry::Reversed(order)
        | Entry::NotReversed(order) => Some(order),
        Entry::ListLoaded(_) => None,
    }
}
