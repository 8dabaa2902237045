//! How far each card has counted: by every receipt that is proven, also in a ledger that was there before this was kept.

use ansinh_store::journal::{JournalEntry, Meaning};
use ansinh_store::reversals::AnnouncedReversal;

use crate::fixture::*;

on_each_engine!(
    every_receipt_that_is_proven_counts,
    a_ledger_of_before_knows_as_much_as_its_payments_tell,
);

/// The statement that fills the table in a ledger that has payments.
fn fill() -> String {
    let migration = include_str!("../../migrations/0022_carried_scripts.sql");
    let start = migration.find("INSERT INTO card_counter").unwrap();
    let end = migration[start..].find(';').unwrap();
    migration[start..start + end].to_owned()
}

impl Ledger {
    fn counters(&self) -> String {
        self.sql("SELECT counter FROM card_counter ORDER BY counter")
    }

    /// One card, paid with its first receipt; its terminal and what undoes that.
    fn paid(&self) -> (String, AnnouncedReversal) {
        self.active(0);
        let terminal = self.terminal(0);
        let due = self.next_list(&terminal);
        let paid = payment(&due[0], 2, 1);
        let reversal = AnnouncedReversal {
            intent: 2,
            order: paid.order,
            hash: [7; 32],
        };
        let entries = [entry(1, 1, None), entry(2, 1, Some(paid))];
        self.store.ingest(&terminal, &entries).unwrap();
        (terminal, reversal)
    }

    fn tell(&self, terminal: &str, sequence: u32, meaning: Meaning) {
        let told = JournalEntry {
            meaning,
            ..entry(sequence, 1, None)
        };
        self.store.ingest(terminal, &[told]).unwrap();
    }

    fn undo(&self, terminal: &str, reversal: AnnouncedReversal) {
        let card = self.store.cards().unwrap()[0].number;
        let kept = Meaning::HandOver {
            intent: 2,
            handed: false,
        };
        self.tell(terminal, 3, kept);
        self.tell(terminal, 4, Meaning::ReverseIntent(reversal));
        let reversed = Meaning::Reversed {
            reversal,
            card,
            counter: 2,
        };
        self.tell(terminal, 5, reversed);
    }
}

fn every_receipt_that_is_proven_counts(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let (terminal, reversal) = ledger.paid();
    let card = ledger.store.cards().unwrap()[0].number;
    assert_eq!(ledger.counters(), "1");
    ledger.undo(&terminal, reversal);
    assert_eq!(ledger.counters(), "2");
    // An earlier one, told later, sets nothing back.
    ledger.tell(&terminal, 6, Meaning::CardBlocked { card, counter: 5 });
    ledger.tell(&terminal, 7, Meaning::CardBlocked { card, counter: 3 });
    assert_eq!(ledger.counters(), "5");
    // Nobody can say whether this one is genuine.
    let unknown = Meaning::ReceiptOfUnknownCard {
        card,
        counter: 99,
        object: [9; 32],
    };
    ledger.tell(&terminal, 8, unknown);
    assert_eq!(ledger.counters(), "5");
    ledger.store.card_seen(&ledger.officer, &card, 1, 8, &[]).unwrap();
    assert_eq!(ledger.counters(), "8");
}

fn a_ledger_of_before_knows_as_much_as_its_payments_tell(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let (terminal, reversal) = ledger.paid();
    let anew = || {
        ledger.sql("DELETE FROM card_counter");
        ledger.sql(&fill());
        ledger.counters()
    };
    assert_eq!(anew(), "1");
    // The receipt that undid it came after it.
    ledger.undo(&terminal, reversal);
    assert_eq!(anew(), "2");
}
