//! Whose turn it is: in order, nobody skipped for good, however a person came to wait again.

use ansinh_store::batches::{NewBatch, Selection};
use ansinh_store::cards::Claim;
use ansinh_store::people::PersonReference;

use crate::fixture::*;

on_each_engine!(
    persons_come_in_order_and_one_whose_chip_was_given_up_comes_next,
    a_person_returned_behind_the_search_is_found_when_nobody_else_waits,
);

impl Ledger {
    fn approve(&self, limit: Option<u32>) {
        let batch = NewBatch {
            title: "test".to_owned(),
            selection: Selection::Everybody,
            limit,
            expires_on: "20991231".to_owned(),
            quota: 99,
        };
        let drafted = self.store.draft_batch(&self.officer, &batch).unwrap();
        self.store.approve_batch(&self.approver, drafted.number).unwrap();
    }

    /// The person who gets this chip.
    fn next(&self, number: u8) -> Option<PersonReference> {
        let claim = self
            .store
            .claim_next_person(&self.officer, &chip(number), "reader", 79);
        match claim.unwrap() {
            Claim::New(card) | Claim::Resumed(card) => Some(card.person),
            Claim::NobodyWaiting => None,
        }
    }
}

fn persons_come_in_order_and_one_whose_chip_was_given_up_comes_next(engine: Engine) {
    let ledger = Ledger::new(engine, 4, 6);
    ledger.sql("DELETE FROM batch_person");
    ledger.sql("DELETE FROM batch");
    ledger.approve(Some(2));
    ledger.approve(None);
    let persons: Vec<_> = (0..3).map(|number| ledger.next(number).unwrap()).collect();
    let first = ledger.store.card_by_chip(&chip(0)).unwrap().unwrap();
    ledger.store.give_up(&ledger.officer, &first.number).unwrap();
    // The first batch was searched to its end, and the second was begun.
    assert_eq!(ledger.next(3), Some(persons[0]));
    let last = ledger.next(4).unwrap();
    assert!(!persons.contains(&last));
    assert_eq!(ledger.next(5), None);
}

fn a_person_returned_behind_the_search_is_found_when_nobody_else_waits(engine: Engine) {
    let ledger = Ledger::new(engine, 2, 5);
    let first = ledger.next(0).unwrap();
    ledger.sql("UPDATE card SET state = 'abandoned'");
    let second = ledger.next(1).unwrap();
    assert_ne!(first, second);
    assert_eq!(ledger.next(2), Some(first));
    assert_eq!(ledger.next(3), None);
    // Again after a search that found nobody.
    ledger.sql("UPDATE card SET state = 'abandoned' WHERE state = 'planned'");
    let again = [ledger.next(3).unwrap(), ledger.next(4).unwrap()];
    assert!(again.contains(&first) && again.contains(&second));
}
