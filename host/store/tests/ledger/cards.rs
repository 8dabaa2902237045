//! Blocking, and who waits for another card.

use ansinh_store::cards::{BlockReason, Claim};
use card_spec::values::CardNumber;

use crate::fixture::*;

on_each_engine!(
    who_died_or_is_entitled_to_nothing_waits_for_no_card,
    who_lost_a_card_and_died_waits_no_more,
    pages_of_cards_hold_each_card_once_though_others_are_begun_meanwhile,
    who_looks_for_a_persons_cards_is_written_down_and_the_number_is_not,
);

fn who_died_or_is_entitled_to_nothing_waits_for_no_card(engine: Engine) {
    for (reason, waits) in [
        (BlockReason::Lost, true),
        (BlockReason::Stolen, true),
        (BlockReason::Deceased, false),
        (BlockReason::Ended, false),
    ] {
        let ledger = Ledger::new(engine, 1, 2);
        let card = ledger.active(0);
        ledger.store.block(&ledger.officer, &card.number, reason).unwrap();
        assert_eq!(
            ledger.store.waiting_persons().unwrap(),
            u64::from(waits),
            "{reason:?}"
        );
        let claim = || {
            ledger
                .store
                .claim_next_person(&ledger.officer, &chip(1), "reader 0", 79)
                .unwrap()
        };
        assert!(
            matches!(claim(), Claim::NobodyWaiting),
            "{reason:?}: an approval is for one card"
        );
        if waits {
            ledger.approve_everybody();
        }
        assert_eq!(matches!(claim(), Claim::New(_)), waits, "{reason:?}");
    }
}

fn who_lost_a_card_and_died_waits_no_more(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 2);
    let card = ledger.active(0);
    ledger
        .store
        .block(&ledger.officer, &card.number, BlockReason::Lost)
        .unwrap();
    assert_eq!(ledger.store.waiting_persons().unwrap(), 1);
    ledger
        .store
        .block(&ledger.officer, &card.number, BlockReason::Deceased)
        .unwrap();
    assert_eq!(ledger.store.waiting_persons().unwrap(), 0);
    // Nothing brings the person back.
    for reason in [BlockReason::Stolen, BlockReason::Ended] {
        ledger.store.block(&ledger.officer, &card.number, reason).unwrap();
        let blocked = ledger.sql("SELECT reason FROM block");
        assert_eq!(blocked, "4", "{reason:?}");
    }
}

fn pages_of_cards_hold_each_card_once_though_others_are_begun_meanwhile(engine: Engine) {
    let ledger = Ledger::new(engine, 5, 5);
    let page = |last: Option<&CardNumber>, limit| -> Vec<CardNumber> {
        let cards = ledger.store.cards_after(last, limit).unwrap();
        cards.into_iter().map(|card| card.number).collect()
    };
    assert_eq!(page(None, 10), []);
    let begun: Vec<_> = (0..3).map(|number| ledger.claim(number).number).collect();
    let first = page(None, 2);
    assert_eq!(first, begun[..2]);
    let later = ledger.claim(3).number;
    let second = page(first.last(), 2);
    assert_eq!(second, [begun[2], later]);
    assert_eq!(page(second.last(), 2), []);
    // A place, not a card: one that no card has is as good.
    let before_all = "0100000000000009".parse().unwrap();
    assert_eq!(page(Some(&before_all), 1), begun[..1]);
    assert_eq!(page(None, 0), []);
    let all: Vec<_> = ledger
        .store
        .cards()
        .unwrap()
        .iter()
        .map(|card| card.number)
        .collect();
    assert_eq!(page(None, u32::MAX), all);
}

fn who_looks_for_a_persons_cards_is_written_down_and_the_number_is_not(engine: Engine) {
    let ledger = Ledger::new(engine, 2, 2);
    let card = ledger.active(0);
    let personal_id = ledger.store.holder(&card.person).unwrap().person.personal_id;
    let cards_of = |number: &str| {
        let found = ledger.store.look_up_cards(&ledger.officer, number).unwrap();
        found.map(|found| {
            assert_eq!(found.person, card.person);
            found
                .cards
                .into_iter()
                .map(|card| card.number)
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(cards_of(&personal_id), Some(vec![card.number]));
    // A number that the person had before finds the person still.
    ledger
        .store
        .change_personal_id(&ledger.approver, &personal_id, "079199999999")
        .unwrap();
    ledger
        .store
        .change_social_security_number(&ledger.approver, &card.person, "AS0000000017")
        .unwrap();
    for number in [personal_id.as_str(), "079199999999", "AS0000000017"] {
        assert_eq!(cards_of(number), Some(vec![card.number]));
    }
    for number in ["", "079100000000", "0791%", "' OR 1 = 1 --"] {
        assert_eq!(cards_of(number), None);
    }
    let log = ledger.store.operations().unwrap();
    let looked: Vec<_> = log
        .iter()
        .filter(|line| line.action == "person-looked-up")
        .collect();
    let subjects: Vec<_> = looked.iter().map(|line| line.subject.as_str()).collect();
    let person = hex::encode(card.person);
    assert_eq!(subjects[..4], [person.as_str(); 4]);
    assert_eq!(subjects[4..], ["nobody"; 4]);
    assert!(looked.iter().all(|line| line.operator == ledger.officer.name()));
}
