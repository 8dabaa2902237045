//! Who may begin a card, for whom, and who must have agreed.

use ansinh_store::StoreError;
use ansinh_store::batches::{BatchState, NewBatch, Selection};
use ansinh_store::cards::Claim;
use ansinh_store::operators::{Role, Roles};

use crate::fixture::*;

on_each_engine!(
    without_an_approved_batch_nobody_gets_a_card,
    nobody_approves_what_they_drafted,
    only_an_approver_approves_and_only_a_draft,
    a_quota_stops_one_officer_and_not_the_next,
    a_batch_takes_only_those_who_wait_and_each_once,
    a_closed_batch_begins_no_card_and_frees_its_persons,
    a_batch_that_cannot_be_used_is_refused,
    a_batch_ends_with_its_last_day,
);

impl Ledger {
    /// People who wait, in no batch yet.
    fn without_batches(engine: Engine, people: u8, chips: u8) -> Self {
        let ledger = Self::new(engine, people, chips);
        ledger.sql("DELETE FROM batch_person");
        ledger.sql("DELETE FROM batch");
        ledger
    }

    fn claims_nobody(&self, number: u8) -> bool {
        let claim = self
            .store
            .claim_next_person(&self.officer, &chip(number), "reader", 79);
        matches!(claim, Ok(Claim::NobodyWaiting))
    }
}

fn batch(quota: u32, limit: Option<u32>) -> NewBatch {
    NewBatch {
        title: "test".to_owned(),
        selection: Selection::Everybody,
        limit,
        expires_on: "20991231".to_owned(),
        quota,
    }
}

fn without_an_approved_batch_nobody_gets_a_card(engine: Engine) {
    let ledger = Ledger::without_batches(engine, 1, 1);
    assert!(ledger.claims_nobody(0));
    let drafted = ledger
        .store
        .draft_batch(&ledger.officer, &batch(9, None))
        .unwrap();
    assert_eq!(
        (drafted.state, drafted.persons, drafted.waiting),
        (BatchState::Drafted, 1, 1)
    );
    assert!(ledger.claims_nobody(0), "a draft is no approval");
    assert_eq!(ledger.store.approved_persons().unwrap(), 0);
    ledger
        .store
        .approve_batch(&ledger.approver, drafted.number)
        .unwrap();
    assert_eq!(ledger.store.approved_persons().unwrap(), 1);
    ledger.claim(0);
    assert_eq!(ledger.store.approved_persons().unwrap(), 0);
    assert_eq!(ledger.sql("SELECT claimed_by FROM card"), "officer");
}

fn nobody_approves_what_they_drafted(engine: Engine) {
    let ledger = Ledger::without_batches(engine, 1, 1);
    let drafted = ledger
        .store
        .draft_batch(&ledger.officer, &batch(9, None))
        .unwrap();
    // The first officer has every role, that of approver included.
    let refused = ledger.store.approve_batch(&ledger.officer, drafted.number);
    assert!(matches!(refused, Err(StoreError::FourEyes { .. })), "{refused:?}");
    assert!(ledger.claims_nobody(0));
    let (taken, said) = ledger.try_sql("UPDATE batch SET state = 'approved', approved_by = drafted_by");
    assert!(!taken, "the database itself took it: {said}");
}

fn only_an_approver_approves_and_only_a_draft(engine: Engine) {
    let ledger = Ledger::without_batches(engine, 1, 1);
    let roles: Roles = [Role::Operator, Role::Auditor, Role::Administrator]
        .into_iter()
        .collect();
    let other = ledger.store.add_operator(&ledger.officer, "hoa", roles).unwrap();
    let other = ledger.store.authenticate(&other).unwrap();
    let drafted = ledger
        .store
        .draft_batch(&ledger.officer, &batch(9, None))
        .unwrap();
    let refused = ledger.store.approve_batch(&other, drafted.number);
    assert!(
        matches!(refused, Err(StoreError::NotAllowed { .. })),
        "{refused:?}"
    );
    ledger
        .store
        .approve_batch(&ledger.approver, drafted.number)
        .unwrap();
    let again = ledger.store.approve_batch(&ledger.approver, drafted.number);
    assert!(matches!(again, Err(StoreError::WrongState { .. })), "{again:?}");
    let unknown = ledger.store.approve_batch(&ledger.approver, 99);
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "{unknown:?}");
    let by_approver = ledger.store.draft_batch(&ledger.approver, &batch(9, None));
    assert!(
        matches!(by_approver, Err(StoreError::NotAllowed { .. })),
        "{by_approver:?}"
    );
}

fn a_quota_stops_one_officer_and_not_the_next(engine: Engine) {
    let ledger = Ledger::without_batches(engine, 3, 4);
    let drafted = ledger
        .store
        .draft_batch(&ledger.officer, &batch(1, None))
        .unwrap();
    ledger
        .store
        .approve_batch(&ledger.approver, drafted.number)
        .unwrap();
    let first = ledger.claim(0);
    let refused = ledger
        .store
        .claim_next_person(&ledger.officer, &chip(1), "reader", 79);
    assert!(
        matches!(refused, Err(StoreError::QuotaUsedUp { .. })),
        "{refused:?}"
    );
    // The card begun is finished whatever the quota says, and a card given up counts for nothing.
    let resumed = ledger
        .store
        .claim_next_person(&ledger.officer, &chip(0), "reader", 79);
    assert!(resumed.is_ok());
    ledger.store.give_up(&ledger.officer, &first.number).unwrap();
    let signed = ledger.released(1);
    ledger.store.give_up(&ledger.officer, &signed.number).unwrap();
    ledger.claim(2);
    let other = [Role::Operator].into_iter().collect();
    let other = ledger.store.add_operator(&ledger.officer, "hoa", other).unwrap();
    let other = ledger.store.authenticate(&other).unwrap();
    assert!(
        ledger
            .store
            .claim_next_person(&other, &chip(3), "reader", 79)
            .is_ok()
    );
}

fn a_batch_takes_only_those_who_wait_and_each_once(engine: Engine) {
    let ledger = Ledger::without_batches(engine, 3, 3);
    let first = ledger
        .store
        .draft_batch(&ledger.officer, &batch(9, Some(2)))
        .unwrap();
    let second = ledger
        .store
        .draft_batch(&ledger.officer, &batch(9, None))
        .unwrap();
    assert_eq!((first.persons, second.persons), (2, 1));
    let nobody = ledger.store.draft_batch(&ledger.officer, &batch(9, None));
    assert!(matches!(nobody, Err(StoreError::OutOfRange(_))), "{nobody:?}");
    assert_eq!(
        ledger.store.batches().unwrap().len(),
        2,
        "a batch of nobody was kept"
    );
}

fn a_closed_batch_begins_no_card_and_frees_its_persons(engine: Engine) {
    let ledger = Ledger::new(engine, 2, 2);
    let begun = ledger.claim(0);
    let batches = ledger.store.batches().unwrap();
    ledger
        .store
        .close_batch(&ledger.approver, batches[0].number)
        .unwrap();
    assert!(ledger.claims_nobody(1));
    let again = ledger.store.close_batch(&ledger.approver, batches[0].number);
    assert!(matches!(again, Err(StoreError::WrongState { .. })), "{again:?}");
    ledger.approve_everybody();
    assert_ne!(ledger.claim(1).person, begun.person);
}

fn a_batch_that_cannot_be_used_is_refused(engine: Engine) {
    let ledger = Ledger::without_batches(engine, 1, 1);
    for (what, wrong) in [
        ("no quota", batch(0, None)),
        (
            "a day gone by",
            NewBatch {
                expires_on: "20200101".to_owned(),
                ..batch(1, None)
            },
        ),
        (
            "no day",
            NewBatch {
                expires_on: "2099-1-1".to_owned(),
                ..batch(1, None)
            },
        ),
        (
            "another commune",
            NewBatch {
                selection: Selection::Commune("00001".to_owned()),
                ..batch(1, None)
            },
        ),
        (
            "unknown persons",
            NewBatch {
                selection: Selection::Persons(vec![[9; 16]]),
                ..batch(1, None)
            },
        ),
    ] {
        let refused = ledger.store.draft_batch(&ledger.officer, &wrong);
        assert!(
            matches!(refused, Err(StoreError::OutOfRange(_))),
            "{what}: {refused:?}"
        );
    }
    assert_eq!(ledger.store.batches().unwrap(), []);
}

fn a_batch_ends_with_its_last_day(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    ledger.sql("UPDATE batch SET expires_on = '20200101'");
    assert!(ledger.claims_nobody(0));
    assert_eq!(ledger.store.approved_persons().unwrap(), 0);
    ledger.approve_everybody();
    ledger.claim(0);
}
