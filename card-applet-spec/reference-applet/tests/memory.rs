//! The persistent memory: its slots, what a blank card has in them, and what is said when it fails.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use std::collections::BTreeSet;

use card_spec::scp03::{AesKey, StaticKeys};
use common::{CHIP_SERIAL, Cut, TestMemory, transport_keys};
use reference_applet::memory::{CONTENT_BANKS, CONTENT_BLOCKS, PAID_ROWS, RING};
use reference_applet::{BlankError, PowerLost, Slot, blank};

fn slots() -> Vec<Slot> {
    let mut slots = vec![
        Slot::ChipSerial,
        Slot::StaticKeys,
        Slot::KeyPairs,
        Slot::Pin,
        Slot::TrustAnchors,
        Slot::Ledger,
    ];
    slots.extend((0..CONTENT_BANKS).map(Slot::ContentIndex));
    slots.extend(
        (0..CONTENT_BANKS).flat_map(|bank| (0..CONTENT_BLOCKS).map(move |block| Slot::Content(bank, block))),
    );
    slots.extend((0..PAID_ROWS).map(Slot::PaidRow));
    slots.extend((0..RING).flat_map(|place| [Slot::ReceiptObject(place), Slot::Receipt(place)]));
    slots
}

#[test]
fn every_slot_has_a_place_of_its_own_and_no_place_is_left_over() {
    let places: BTreeSet<u16> = slots().into_iter().map(Slot::index).collect();
    assert_eq!(places.len(), slots().len());
    assert_eq!(places, (0..Slot::COUNT).collect());
}

fn memory(cut: Option<(u32, Cut)>) -> TestMemory {
    TestMemory {
        slots: vec![Vec::new(); usize::from(Slot::COUNT)],
        log: Vec::new(),
        writes: 0,
        cut,
    }
}

#[test]
fn a_blank_card_has_its_serial_and_transport_keys_and_nothing_else() {
    let mut memory = memory(None);
    blank(&mut memory, &CHIP_SERIAL, &transport_keys()).unwrap();
    for slot in slots() {
        let written = !memory.slots[usize::from(slot.index())].is_empty();
        assert_eq!(
            written,
            matches!(slot, Slot::ChipSerial | Slot::StaticKeys),
            "{slot:?}"
        );
    }
}

#[test]
fn a_blank_card_that_was_not_made_is_told_of_with_the_reason() {
    let long = StaticKeys {
        dek: AesKey::from_bytes(&[1; 32]).unwrap(),
        ..transport_keys()
    };
    let keys = blank(&mut memory(None), &CHIP_SERIAL, &long).unwrap_err();
    assert_eq!(keys, BlankError::Keys);
    for write in 0..2 {
        for side in [Cut::Before, Cut::After] {
            let failed = blank(&mut memory(Some((write, side))), &CHIP_SERIAL, &transport_keys());
            assert_eq!(failed, Err(BlankError::Memory));
        }
    }
    let texts = [
        keys.to_string(),
        BlankError::Memory.to_string(),
        PowerLost.to_string(),
    ];
    assert!(texts.iter().all(|text| text.len() > 20));
    assert_eq!(BTreeSet::from(texts).len(), 3);
}
