//! Deltas of block lists (DATA 4.2): every way from one list to another, and what is none.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use std::collections::BTreeMap;

use card_spec::block_delta::{BlockChange, BlockDeltaBase, BlockMerge, DeltaError, Unblocked};
use card_spec::list::{BlockEntry, BlockReason};
use card_spec::tlv::{Error, Field as _, Reader, Writer};
use card_spec::values::CardNumber;
use proptest::collection::btree_map;
use proptest::prelude::*;

fn card(serial: u64) -> CardNumber {
    CardNumber::new(79, serial).unwrap()
}

fn entry(serial: u64, reason: u8) -> BlockEntry {
    BlockEntry {
        card_number: card(serial),
        reason: BlockReason::from_byte(reason).unwrap(),
    }
}

fn blocked(serial: u64, reason: u8) -> BlockChange {
    BlockChange::Blocked(entry(serial, reason))
}

fn unblocked(serial: u64) -> BlockChange {
    BlockChange::Unblocked(Unblocked {
        card_number: card(serial),
    })
}

/// What the changes make of a list.
fn merge(base: &[BlockEntry], changes: &[BlockChange]) -> Result<Vec<BlockEntry>, DeltaError> {
    let mut base = base.iter().copied();
    let mut result = Vec::new();
    let mut merge = BlockMerge::new();
    for change in changes {
        merge.change(
            change,
            || Ok(base.next()),
            |entry| {
                result.push(entry);
                Ok::<_, DeltaError>(())
            },
        )?;
    }
    merge.finish(
        || Ok(base.next()),
        |entry| {
            result.push(entry);
            Ok::<_, DeltaError>(())
        },
    )?;
    Ok(result)
}

fn written(change: &BlockChange) -> Vec<u8> {
    let mut buffer = [0; BlockChange::MAXIMUM_LENGTH];
    let mut writer = Writer::new(&mut buffer);
    change.write(&mut writer).unwrap();
    writer.finish().to_vec()
}

#[test]
fn changes_before_between_and_behind_the_entries() {
    let base = [entry(3, 1), entry(5, 2), entry(7, 3)];
    let changes = [
        blocked(1, 4),
        unblocked(3),
        blocked(4, 1),
        blocked(5, 4),
        blocked(9, 6),
    ];
    let expected = [entry(1, 4), entry(4, 1), entry(5, 4), entry(7, 3), entry(9, 6)];
    assert_eq!(merge(&base, &changes), Ok(expected.to_vec()));
    assert_eq!(merge(&base, &[]), Ok(base.to_vec()));
    let none: Vec<_> = [3, 5, 7].map(unblocked).to_vec();
    assert_eq!(merge(&base, &none), Ok(Vec::new()));
}

#[test]
fn what_is_no_delta_is_refused() {
    let base = [entry(3, 1), entry(5, 2)];
    for (changes, error) in [
        (vec![blocked(4, 1), blocked(1, 1)], DeltaError::Order),
        (vec![blocked(4, 1), blocked(4, 2)], DeltaError::Order),
        (vec![unblocked(3), blocked(3, 1)], DeltaError::Order),
        (vec![unblocked(3), unblocked(3)], DeltaError::Order),
        (vec![unblocked(4)], DeltaError::NotBlocked),
        (vec![unblocked(9)], DeltaError::NotBlocked),
        (vec![blocked(3, 1)], DeltaError::NoChange),
        (vec![blocked(4, 1), blocked(5, 2)], DeltaError::NoChange),
    ] {
        assert_eq!(merge(&base, &changes), Err(error), "{changes:?}");
    }
    assert_eq!(merge(&[], &[unblocked(1)]), Err(DeltaError::NotBlocked));
}

#[test]
fn objects_have_the_lengths_stated_and_others_are_none() {
    let base = BlockDeltaBase {
        number: 7,
        header: [5; 32],
    };
    let mut buffer = [0; BlockDeltaBase::LENGTH];
    let mut writer = Writer::new(&mut buffer);
    base.write(&mut writer, BlockDeltaBase::TAG).unwrap();
    assert_eq!(writer.finish().len(), BlockDeltaBase::LENGTH);
    assert_eq!(written(&unblocked(1)).len(), 13);
    for change in [blocked(1, 6), unblocked(2)] {
        let bytes = written(&change);
        let mut reader = Reader::new(&bytes);
        assert_eq!(BlockChange::read(&mut reader), Ok(change));
        assert_eq!(reader.finish(), Ok(()));
        for length in 0..bytes.len() {
            assert!(BlockChange::read(&mut Reader::new(&bytes[..length])).is_err());
        }
    }
    let mut reason = written(&blocked(1, 6));
    *reason.last_mut().unwrap() = 7;
    assert_eq!(
        BlockChange::read(&mut Reader::new(&reason)),
        Err(Error::Value(0x80))
    );
    // A card that is taken off has no reason.
    let with_reason = [&[0xFF, 0x3B][..], &written(&blocked(1, 6))[2..]].concat();
    assert!(BlockChange::read(&mut Reader::new(&with_reason)).is_err());
    let line = [&[0xFF, 0x37][..], &written(&unblocked(1))[2..]].concat();
    assert!(BlockChange::read(&mut Reader::new(&line)).is_err());
}

/// The one delta between two lists, found by looking at every card.
fn delta(base: &BTreeMap<u64, u8>, result: &BTreeMap<u64, u8>) -> Vec<BlockChange> {
    let change = |serial: u64| match (base.get(&serial), result.get(&serial)) {
        (before, Some(after)) if before != Some(after) => Some(blocked(serial, *after)),
        (Some(_), None) => Some(unblocked(serial)),
        _ => None,
    };
    (0..40).filter_map(change).collect()
}

fn entries(list: &BTreeMap<u64, u8>) -> Vec<BlockEntry> {
    list.iter()
        .map(|(serial, reason)| entry(*serial, *reason))
        .collect()
}

proptest! {
    #[test]
    fn a_list_and_its_delta_are_the_later_list(
        base in btree_map(0_u64..40, 1_u8..=6, 0..30),
        result in btree_map(0_u64..40, 1_u8..=6, 0..30),
    ) {
        let changes = delta(&base, &result);
        prop_assert_eq!(merge(&entries(&base), &changes), Ok(entries(&result)));
        // And no other one is: with any change left out it is another list or none.
        for left_out in 0..changes.len() {
            let mut fewer = changes.clone();
            fewer.remove(left_out);
            prop_assert_ne!(merge(&entries(&base), &fewer), Ok(entries(&result)));
        }
    }
}
