//! What must be in the ledger after a day with faults: the same as after one without.

use std::collections::{HashMap, HashSet};

use ansinh_store::Store;
use ansinh_store::cards::CardState;

use crate::Job;
use crate::job::{CHIPS, End, ISSUER, PEOPLE, chip};

/// How often each act is in the operations log of a finished day, whatever faults there were.
const ACTS: [(&str, usize); 13] = [
    ("operator-added", 2),
    ("list-imported", 1),
    ("delivery-registered", 1),
    ("batch-drafted", 1),
    ("batch-approved", 1),
    ("card-begun", 5),
    ("card-given-up", 2),
    ("card-issued", 3),
    ("terminal-registered", 1),
    ("payment-list-made", 1),
    ("second-payment-not-booked", 1),
    ("card-blocked", 1),
    ("block-list-made", 1),
];

impl Job {
    /// Judges the ledger of a finished day.
    ///
    /// # Panics
    /// With what is wrong.
    pub fn judge(store: &Store) {
        store.check().unwrap();
        judge_cards(store);
        judge_signatures(store);
        judge_money(store);
        judge_operations(store);
    }

    /// Judges the ledger at any moment, between two faults.
    ///
    /// # Panics
    /// With what is wrong.
    pub fn judge_unfinished(store: &Store) {
        store.check().unwrap();
        judge_signatures(store);
        let mut live = HashSet::new();
        for card in store.cards().unwrap() {
            let is_live = !matches!(card.state, CardState::Blocked | CardState::Abandoned);
            assert!(
                !is_live || live.insert(card.person),
                "two live cards of one person"
            );
        }
    }
}

fn judge_cards(store: &Store) {
    let mut numbers = HashSet::new();
    for (number, end) in (0..).zip(CHIPS) {
        let card = store.card_by_chip(&chip(number)).unwrap();
        let state = card.as_ref().map(|card| card.state);
        let expected = match end {
            End::Active => Some(CardState::Active),
            End::GivenUpBeforeCso => Some(CardState::Abandoned),
            End::GivenUpAfterCso | End::Blocked => Some(CardState::Blocked),
            End::Blank => None,
        };
        assert_eq!(state, expected, "chip {number}");
        let Some(card) = card else { continue };
        assert!(numbers.insert(card.number), "a card number twice");
        let steps = store.steps(&card.number).unwrap();
        assert_eq!(steps.first().map(|step| step.step.as_str()), Some("claimed"));
        assert!(
            steps.iter().all(|step| step.note.is_none()),
            "a note of a finished card was kept"
        );
    }
    assert_eq!(store.cards().unwrap().len(), numbers.len());
    assert_eq!(store.blank_cards().unwrap(), 1, "a blank was lost");
    assert_eq!(store.unfinished_cards().unwrap(), 0);
    // Whoever lost a card waits for another one.
    assert_eq!(store.waiting_persons().unwrap(), 1);
    let persons: HashSet<_> = store.cards().unwrap().iter().map(|card| card.person).collect();
    assert_eq!(persons.len(), usize::from(PEOPLE));
}

/// One chain without gaps, in which each released CSO is once.
fn judge_signatures(store: &Store) {
    let log = store.issuer_log(ISSUER.reference).unwrap();
    let mut previous = ISSUER.certificate_hash;
    for (entry, sequence) in log.iter().zip(1..) {
        assert_eq!(
            entry.position.sequence, sequence,
            "a gap in the issuer's sequence"
        );
        assert_eq!(entry.position.previous_hash, previous);
        previous = entry.signed.body_hash;
    }
    let mut signed: Vec<_> = log
        .iter()
        .filter(|entry| entry.kind == "cso")
        .map(|entry| entry.signed.object.clone())
        .collect();
    let cards = store.cards().unwrap();
    let mut released: Vec<_> = cards.into_iter().filter_map(|card| card.cso).collect();
    signed.sort();
    released.sort();
    assert_eq!(signed, released, "a CSO without its card, or twice");
}

fn judge_money(store: &Store) {
    let terminal = store.terminals().unwrap().pop().unwrap().name;
    assert_eq!(store.journal(&terminal).unwrap().len(), 4);
    let payments = store.payments().unwrap();
    assert_eq!(payments.len(), 1, "a line paid twice, or never");
    let acknowledged = store.acknowledgements().unwrap();
    assert_eq!(acknowledged.last().unwrap().sequence, 4);
    assert_eq!(store.payment_lists().unwrap().len(), 1);
    assert_eq!(store.block_lists().unwrap().len(), 1);
}

fn judge_operations(store: &Store) {
    let mut acts = HashMap::new();
    for operation in store.operations().unwrap() {
        *acts.entry(operation.action).or_default() += 1;
    }
    let acts: HashMap<&str, usize> = acts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(acts, HashMap::from(ACTS));
}
