//! A card from claim to activation, or given up.

use std::collections::HashSet;
use std::sync::Mutex;
use std::thread;

use ansinh_store::cards::{BlockReason, CardState, Claim};
use ansinh_store::deliveries::Delivery;
use ansinh_store::{Fact, Store, StoreError};

use crate::fixture::*;

on_each_engine!(
    no_person_is_given_to_two_readers_of_two_processes,
    a_claimed_chip_resumes_the_same_card_after_a_crash,
    a_chip_of_no_delivery_is_refused,
    with_nobody_waiting_a_chip_stays_blank,
    a_delivery_or_chip_is_not_registered_twice,
    steps_out_of_order_are_refused,
    repeated_steps_change_nothing,
    a_public_key_seen_before_is_refused_in_either_role,
    an_unfinished_card_without_a_cso_is_abandoned_and_its_person_waits_again,
    an_unfinished_card_with_a_cso_is_blocked_in_the_same_step,
    the_database_itself_refuses_a_second_live_card,
);

fn no_person_is_given_to_two_readers_of_two_processes(engine: Engine) {
    let ledger = Ledger::new(engine, 40, 60);
    // A second pool on the same file is what a second process has.
    let second = Store::open(&ledger.location).unwrap();
    let claimed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for reader in 0..6_u8 {
            let store = if reader % 2 == 0 { &ledger.store } else { &second };
            let (claimed, officer) = (&claimed, &ledger.officer);
            scope.spawn(move || {
                for number in reader * 10..reader * 10 + 10 {
                    let claim = store
                        .claim_next_person(officer, &chip(number), "reader", 79)
                        .unwrap();
                    if let Claim::New(card) = claim {
                        claimed.lock().unwrap().push(card);
                    }
                }
            });
        }
    });
    let claimed = claimed.into_inner().unwrap();
    assert_eq!(claimed.len(), 40);
    assert_eq!(
        claimed
            .iter()
            .map(|card| card.person)
            .collect::<HashSet<_>>()
            .len(),
        40
    );
    assert_eq!(
        claimed
            .iter()
            .map(|card| card.number)
            .collect::<HashSet<_>>()
            .len(),
        40
    );
    assert_eq!(ledger.store.waiting_persons().unwrap(), 0);
    assert_eq!(ledger.store.blank_cards().unwrap(), 20);
}

fn a_claimed_chip_resumes_the_same_card_after_a_crash(engine: Engine) {
    let ledger = Ledger::new(engine, 2, 2);
    let card = ledger.claim(0);
    ledger
        .store
        .record(
            &card.number,
            &[Fact::About {
                step: "replace keys",
                note: Some(&[1, 2]),
            }],
            "reader 0",
        )
        .unwrap();
    let location = ledger.location;
    // A killed process closes nothing.
    std::mem::forget(ledger.store);
    let store = Store::open(&location).unwrap();
    let Claim::Resumed(resumed) = store
        .claim_next_person(&ledger.officer, &chip(0), "reader 9", 79)
        .unwrap()
    else {
        panic!("not resumed")
    };
    assert_eq!((resumed.number, resumed.person), (card.number, card.person));
    let steps: Vec<_> = store
        .steps(&card.number)
        .unwrap()
        .into_iter()
        .map(|step| (step.step, step.note))
        .collect();
    assert_eq!(
        steps,
        [
            ("claimed".to_owned(), None),
            ("replace keys".to_owned(), Some(vec![1, 2]))
        ]
    );
}

fn a_chip_of_no_delivery_is_refused(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let refused = ledger
        .store
        .claim_next_person(&ledger.officer, &chip(9), "reader", 79);
    assert!(matches!(refused, Err(StoreError::NotFound { what: "chip", .. })));
    assert!(matches!(
        ledger.store.delivery_of(&chip(9)),
        Err(StoreError::NotFound { .. })
    ));
    assert_eq!(ledger.store.delivery_of(&chip(0)).unwrap().name, "2026-11-A");
}

fn with_nobody_waiting_a_chip_stays_blank(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 2);
    ledger.claim(0);
    assert!(matches!(
        ledger
            .store
            .claim_next_person(&ledger.officer, &chip(1), "reader", 79)
            .unwrap(),
        Claim::NobodyWaiting
    ));
    assert_eq!(ledger.store.blank_cards().unwrap(), 1);
}

fn a_delivery_or_chip_is_not_registered_twice(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 2);
    let again = |name: &str, number| {
        let delivery = Delivery {
            name: name.to_owned(),
            key_version: 1,
            check_values: [7; 9],
        };
        ledger
            .store
            .add_delivery(&ledger.officer, &delivery, &[chip(7), chip(number)])
    };
    assert!(matches!(
        again("2026-11-A", 8),
        Err(StoreError::Exists { what: "delivery", .. })
    ));
    assert!(matches!(
        again("2026-12-A", 1),
        Err(StoreError::Exists { what: "chip", .. })
    ));
    assert_eq!(
        ledger.store.delivery_names().unwrap(),
        ["2026-11-A"],
        "half a delivery was registered"
    );
    assert_eq!(ledger.store.blank_cards().unwrap(), 2);
}

fn steps_out_of_order_are_refused(engine: Engine) {
    let ledger = Ledger::new(engine, 2, 2);
    let card = ledger.claim(0);
    let wrong =
        |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::WrongState { .. })));
    wrong(ledger.store.activated(&ledger.officer, &card.number));
    wrong(
        ledger
            .store
            .block(&ledger.officer, &card.number, BlockReason::Lost),
    );
    wrong(
        ledger
            .store
            .release_cso(&card.number, (&[], "reader 0"), ISSUER, sign(0))
            .map(drop),
    );
    assert_eq!(
        ledger.store.issuer_log(ISSUER.reference).unwrap(),
        [],
        "a refused CSO used a sequence number"
    );
    let active = ledger.active(1);
    wrong(ledger.store.record(
        &active.number,
        &[Fact::KeysProven {
            agreement: &key(90),
            signing: &key(91),
        }],
        "reader 0",
    ));
    wrong(ledger.store.give_up(&ledger.officer, &active.number).map(drop));
    assert_eq!(
        ledger.store.card(&active.number).unwrap().state,
        CardState::Active
    );
}

fn repeated_steps_change_nothing(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let card = ledger.active(0);
    ledger
        .store
        .record(&card.number, &[Fact::KeysReplaced], "reader 0")
        .unwrap();
    ledger
        .store
        .record(
            &card.number,
            &[Fact::KeysProven {
                agreement: &key(0),
                signing: &key(1),
            }],
            "reader 0",
        )
        .unwrap();
    ledger.store.activated(&ledger.officer, &card.number).unwrap();
    let again = ledger
        .store
        .release_cso(&card.number, (&[], "reader 0"), ISSUER, |_| {
            Err(StoreError::Random)
        })
        .unwrap();
    assert_eq!(Some(again), card.cso);
    assert_eq!(ledger.store.issuer_log(ISSUER.reference).unwrap().len(), 1);
}

fn a_public_key_seen_before_is_refused_in_either_role(engine: Engine) {
    let ledger = Ledger::new(engine, 2, 2);
    ledger.with_keys(0);
    let card = ledger.claim(1);
    ledger
        .store
        .record(&card.number, &[Fact::KeysReplaced], "reader 0")
        .unwrap();
    for (agreement, signing) in [(0, 50), (50, 1), (1, 50), (50, 0), (50, 50)] {
        let refused = ledger.store.record(
            &card.number,
            &[Fact::KeysProven {
                agreement: &key(agreement),
                signing: &key(signing),
            }],
            "reader 0",
        );
        assert!(
            matches!(refused, Err(StoreError::KeySeenBefore { .. })),
            "{agreement} {signing}"
        );
    }
    ledger
        .store
        .record(
            &card.number,
            &[Fact::KeysProven {
                agreement: &key(50),
                signing: &key(51),
            }],
            "reader 0",
        )
        .unwrap();
}

fn an_unfinished_card_without_a_cso_is_abandoned_and_its_person_waits_again(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 2);
    let card = ledger.with_keys(0);
    assert_eq!(
        ledger.store.give_up(&ledger.officer, &card.number).unwrap(),
        CardState::Abandoned
    );
    assert_eq!(ledger.sql("SELECT count(*) FROM block"), "0");
    assert!(matches!(
        ledger
            .store
            .claim_next_person(&ledger.officer, &chip(0), "reader", 79),
        Err(StoreError::WrongState { .. })
    ));
    let second = ledger.claim(1);
    assert_eq!(second.person, card.person);
    assert_ne!(second.number, card.number);
}

fn an_unfinished_card_with_a_cso_is_blocked_in_the_same_step(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 2);
    let card = ledger.released(0);
    assert_eq!(
        ledger.store.give_up(&ledger.officer, &card.number).unwrap(),
        CardState::Blocked
    );
    assert_eq!(
        ledger.sql("SELECT card, reason FROM block"),
        format!("{}|6", card.number)
    );
    let second = ledger.active(1);
    assert_eq!(second.person, card.person);
}

fn the_database_itself_refuses_a_second_live_card(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 2);
    ledger.claim(0);
    let sql = "INSERT INTO card (number, person, chip_serial, version, state, planned_at, batch, claimed_by)
               SELECT '7900000000000099', person, '01010101010101010101', 1, 'planned', '', batch, claimed_by FROM card";
    let (done, answer) = ledger.try_sql(sql);
    assert!(
        !done && answer.to_lowercase().contains("unique constraint"),
        "{answer}"
    );
}
