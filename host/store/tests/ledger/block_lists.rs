//! Block lists, in full and as what changed.

use ansinh_store::block_lists::{BlockListDraft, NewBlockList};
use ansinh_store::cards::BlockReason;
use ansinh_store::issuer_log::SignedObject;
use ansinh_store::{Location, Store, StoreError};

use crate::fixture::*;

on_each_engine!(
    a_block_list_is_made_from_every_blocked_card_and_its_numbers_rise,
    a_list_goes_back_to_the_full_one_before_it,
    a_delta_needs_a_list_before_it_and_a_failed_one_leaves_nothing,
    deltas_are_in_a_copy_and_in_what_is_restored_from_it,
);

fn list(draft: &BlockListDraft<'_>, is_delta: bool) -> NewBlockList {
    let object = [b"block".as_slice(), &draft.position.sequence.to_be_bytes()].concat();
    NewBlockList {
        header: SignedObject {
            body_hash: hash(&object),
            object,
        },
        is_delta,
        content: vec![u8::try_from(draft.number).unwrap()],
    }
}

/// Publishes in full and as deltas, in this order; gives the numbers that each was made from.
fn publish(ledger: &Ledger, deltas: &[bool]) -> Vec<Vec<u32>> {
    let one = |is_delta: &bool| {
        let mut chain = Vec::new();
        let made = ledger.store.add_block_list(&ledger.officer, ISSUER, |draft| {
            chain = draft.chain.iter().map(|list| list.number).collect();
            Ok::<_, StoreError>(list(&draft, *is_delta))
        });
        assert_eq!(made.unwrap().base.is_some(), *is_delta);
        chain
    };
    deltas.iter().map(one).collect()
}

fn a_block_list_is_made_from_every_blocked_card_and_its_numbers_rise(engine: Engine) {
    let ledger = Ledger::new(engine, 3, 3);
    let (first, second) = (ledger.active(0), ledger.active(1));
    for (card, reason) in [
        (&second, BlockReason::Stolen),
        (&first, BlockReason::Lost),
        (&first, BlockReason::Stolen),
    ] {
        ledger.store.block(&ledger.officer, &card.number, reason).unwrap();
    }
    for number in 1..=2 {
        let made = ledger.store.add_block_list(&ledger.officer, ISSUER, |draft| {
            assert_eq!(draft.blocked, [(first.number, 1), (second.number, 2)]);
            Ok::<_, StoreError>(list(&draft, false))
        });
        assert_eq!(made.unwrap().number, number);
    }
}

fn a_list_goes_back_to_the_full_one_before_it(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    assert!(ledger.store.block_list_chain(u32::MAX).unwrap().is_empty());
    let chains = publish(&ledger, &[false, true, true, false, true]);
    assert_eq!(chains, [vec![], vec![1], vec![1, 2], vec![1, 2, 3], vec![4]]);
    let chain = |at_most| -> Vec<_> {
        let chain = ledger.store.block_list_chain(at_most).unwrap();
        chain.iter().map(|list| (list.number, list.base)).collect()
    };
    assert_eq!(chain(3), [(1, None), (2, Some(1)), (3, Some(2))]);
    assert_eq!(chain(4), [(4, None)]);
    assert_eq!(chain(u32::MAX), [(4, None), (5, Some(4))]);
    assert_eq!(chain(0), []);
    let all = ledger.store.block_lists().unwrap();
    let contents: Vec<_> = all.iter().flat_map(|list| list.content.clone()).collect();
    assert_eq!(contents, [1, 2, 3, 4, 5]);
}

fn a_delta_needs_a_list_before_it_and_a_failed_one_leaves_nothing(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let add = |is_delta| {
        ledger.store.add_block_list(&ledger.officer, ISSUER, |draft| {
            Ok::<_, StoreError>(list(&draft, is_delta))
        })
    };
    assert!(matches!(add(true), Err(StoreError::Malformed(_))));
    add(false).unwrap();
    let signed = ledger.store.issuer_log(ISSUER.reference).unwrap().len();
    let failed = ledger
        .store
        .add_block_list(&ledger.officer, ISSUER, |_| Err(StoreError::Random));
    assert!(matches!(failed, Err(StoreError::Random)));
    assert_eq!(ledger.store.block_lists().unwrap().len(), 1);
    assert_eq!(ledger.store.issuer_log(ISSUER.reference).unwrap().len(), signed);
    // The database takes no list for its own base, nor a later one.
    for base in [1, 2] {
        let (done, _) = ledger.try_sql(&format!("UPDATE block_list SET base = {base} WHERE number = 1"));
        assert!(!done, "{base}");
    }
}

fn deltas_are_in_a_copy_and_in_what_is_restored_from_it(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    publish(&ledger, &[false, true, true]);
    let published = ledger.store.block_lists().unwrap();
    let copy = ledger.folder.path().join("copy.sqlite");
    ledger.store.copy_to(&copy).unwrap();
    assert_eq!(Store::open(&copy).unwrap().block_lists().unwrap(), published);
    let place = tempfile::tempdir().unwrap();
    let restored = Location::File(place.path().join("restored.sqlite"));
    let restored = Store::restore(&copy, restored).unwrap();
    assert_eq!(restored.block_lists().unwrap(), published);
}
