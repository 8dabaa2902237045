//! What terminals send: entries, payments, acknowledgements.

use ansinh_store::StoreError;

use crate::fixture::*;

on_each_engine!(
    a_second_payment_of_a_line_is_kept_as_evidence_and_not_booked,
    ingesting_the_same_entries_again_books_nothing,
    a_journal_takes_neither_gaps_nor_two_entries_under_one_number,
    an_acknowledgement_covers_what_is_committed_and_is_made_once,
);

fn a_second_payment_of_a_line_is_kept_as_evidence_and_not_booked(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    ledger.active(0);
    let terminal = ledger.terminal(0);
    let due = ledger.next_list(&terminal);
    let entries = [
        entry(1, 1, None),
        entry(2, 2, Some(payment(&due[0], 1, 1))),
        entry(3, 3, None),
        entry(4, 4, Some(payment(&due[0], 3, 2))),
    ];
    let result = ledger.store.ingest(&terminal, &entries).unwrap();
    assert_eq!((result.stored, result.booked, result.paid_twice), (4, 1, vec![3]));
    assert_eq!(ledger.store.journal(&terminal).unwrap().len(), 4);
    assert_eq!(ledger.store.payments().unwrap().len(), 1);
    let subjects: Vec<_> = ledger
        .store
        .operations()
        .unwrap()
        .into_iter()
        .filter(|operation| operation.action == "second-payment-not-booked")
        .map(|operation| operation.subject)
        .collect();
    assert_eq!(subjects, [format!("{terminal}-3")]);
}

fn ingesting_the_same_entries_again_books_nothing(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    ledger.active(0);
    let terminal = ledger.terminal(0);
    let due = ledger.next_list(&terminal);
    let entries = [entry(1, 1, None), entry(2, 2, Some(payment(&due[0], 1, 1)))];
    ledger.store.ingest(&terminal, &entries).unwrap();
    let again = ledger.store.ingest(&terminal, &entries).unwrap();
    assert_eq!(
        (again.stored, again.known, again.booked, again.paid_twice.len()),
        (0, 2, 0, 0)
    );
}

fn a_journal_takes_neither_gaps_nor_two_entries_under_one_number(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let terminal = ledger.terminal(0);
    ledger
        .store
        .ingest(&terminal, &[entry(1, 1, None), entry(2, 2, None)])
        .unwrap();
    for wrong in [
        vec![entry(2, 9, None)],
        vec![entry(4, 4, None)],
        vec![entry(3, 3, None), entry(5, 5, None)],
    ] {
        let refused = ledger.store.ingest(&terminal, &wrong);
        assert!(matches!(refused, Err(StoreError::Equivocation { .. })));
    }
    assert_eq!(
        ledger.store.journal_head(&terminal).unwrap().unwrap().sequence,
        2,
        "part of a refused batch was kept"
    );
    assert!(matches!(
        ledger.store.ingest("VNT9999999", &[]),
        Err(StoreError::NotFound { .. })
    ));
}

fn an_acknowledgement_covers_what_is_committed_and_is_made_once(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let terminal = ledger.terminal(0);
    let nothing = ledger
        .store
        .acknowledge(&terminal, |_| Ok::<_, StoreError>(vec![]));
    assert!(matches!(nothing, Err(StoreError::NotFound { .. })));
    ledger.store.ingest(&terminal, &[entry(1, 1, None)]).unwrap();
    let first = ledger
        .store
        .acknowledge(&terminal, |head| Ok::<_, StoreError>(head.hash.to_vec()))
        .unwrap();
    let again = ledger
        .store
        .acknowledge(&terminal, |_| Err(StoreError::Random))
        .unwrap();
    assert_eq!((first.sequence, &first), (1, &again));
    assert_eq!(ledger.store.acknowledgements().unwrap(), [first]);
}
