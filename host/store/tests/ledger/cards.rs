//! Blocking, and who waits for another card.

use ansinh_store::StoreError;
use ansinh_store::cards::{BlockReason, Claim};
use ansinh_store::issuer_log::{Position, SignedObject};

use crate::fixture::*;

on_each_engine!(
    who_died_or_is_entitled_to_nothing_waits_for_no_card,
    who_lost_a_card_and_died_waits_no_more,
    a_block_list_holds_every_blocked_card_and_its_numbers_rise,
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

fn a_block_list_holds_every_blocked_card_and_its_numbers_rise(engine: Engine) {
    let ledger = Ledger::new(engine, 3, 3);
    let (first, second) = (ledger.active(0), ledger.active(1));
    ledger
        .store
        .block(&ledger.officer, &second.number, BlockReason::Stolen)
        .unwrap();
    ledger
        .store
        .block(&ledger.officer, &first.number, BlockReason::Lost)
        .unwrap();
    ledger
        .store
        .block(&ledger.officer, &first.number, BlockReason::Stolen)
        .unwrap();
    let make = |_: u32, position: Position, blocked: &[(card_spec::values::CardNumber, u8)]| {
        assert_eq!(blocked, [(first.number, 1), (second.number, 2)]);
        let object = [b"block".as_slice(), &position.sequence.to_be_bytes()].concat();
        Ok::<_, StoreError>((
            SignedObject {
                body_hash: hash(&object),
                object,
            },
            vec![9],
        ))
    };
    ledger
        .store
        .add_block_list(&ledger.officer, ISSUER, make)
        .unwrap();
    ledger
        .store
        .add_block_list(&ledger.officer, ISSUER, make)
        .unwrap();
    let numbers: Vec<_> = ledger
        .store
        .block_lists()
        .unwrap()
        .into_iter()
        .map(|list| list.number)
        .collect();
    assert_eq!(numbers, [1, 2]);
}
