//! The journal against a plain queue, on random scripts; and what opening costs.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod support;

use std::collections::VecDeque;

use journal::{Error, Item, Journal, MAX_RECORD, RecordId, Summary};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use support::{Acknowledged, Nor, record, summary};

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<u8>),
    Release(u32),
    Reopen,
    Read(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 1..=MAX_RECORD).prop_map(Step::Append),
        4 => prop::collection::vec(any::<u8>(), 1..60).prop_map(Step::Append),
        3 => (0..30u32).prop_map(Step::Release),
        1 => Just(Step::Reopen),
        2 => any::<u32>().prop_map(Step::Read),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        // A failure prints its seed and keeps it here.
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/model.proptest-regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn behaves_like_a_queue(steps in prop::collection::vec(step(), 1..120), blocks in 2usize..6) {
        let chip = Nor::<4>::new(blocks);
        let range = chip.whole();
        let mut journal = Journal::format(chip, range.clone()).unwrap();
        let mut model: VecDeque<Vec<u8>> = VecDeque::new();
        let mut released = 0;
        let mut releases = vec![0];
        let mut buffer = [0; MAX_RECORD];
        for step in steps {
            let last = model.len() as u32;
            match step {
                Step::Append(bytes) => {
                    let sure = journal.free_records(bytes.len()).unwrap() > 0;
                    match journal.append_after(&summary(last + 1), &bytes) {
                        Ok(id) => {
                            prop_assert_eq!(id, RecordId(last + 1));
                            model.push_back(bytes);
                        }
                        Err(error) => {
                            prop_assert_eq!(error, Error::Full);
                            prop_assert!(!sure && last > released);
                        }
                    }
                }
                Step::Release(behind) => {
                    let until = last.saturating_sub(behind);
                    released = released.max(until);
                    releases.push(released);
                    prop_assert_eq!(journal.release_until(&Acknowledged(until)), Ok(()));
                }
                Step::Reopen => {
                    journal = Journal::open(journal.into_flash(), range.clone()).unwrap();
                    // A release that found no room for its mark is forgotten, and one before it counts (the crate's limits).
                    released = journal.released().map_or(0, |id| id.0);
                    prop_assert!(releases.contains(&released));
                }
                Step::Read(number) => {
                    let number = number % (last + 2);
                    match journal.read(RecordId(number), &mut buffer) {
                        Ok(Item::Record { id, bytes }) => {
                            prop_assert_eq!(id.0, number);
                            prop_assert_eq!(bytes, &model[number as usize - 1][..]);
                        }
                        other => {
                            prop_assert_eq!(other, Err(Error::NoSuchRecord));
                            prop_assert!(number <= released || number > last);
                        }
                    }
                }
            }
            prop_assert_eq!(journal.tail().map_or(0, |id| id.0), model.len() as u32);
            if let Some(Summary { next: first, bytes }) = journal.summary(&mut buffer).unwrap() {
                prop_assert_eq!(bytes, summary(first.0));
            }
        }
    }
}

/// 1000 records of 400 bytes on a 1 MB chip.
#[test]
fn opening_reads_little() {
    let blocks = 256;
    let chip = Nor::<4>::new(blocks);
    let range = chip.whole();
    let mut journal = Journal::format(chip, range.clone()).unwrap();
    for number in 1..=1000 {
        journal.append(&record(number, 400)).unwrap();
    }
    let mut chip = journal.into_flash();
    chip.reads = 0;
    let journal = Journal::open(chip, range).unwrap();
    assert_eq!(journal.tail(), Some(RecordId(1000)));
    let reads = journal.into_flash().reads;
    println!("opening 1000 records in {blocks} blocks: {reads} reads");
    assert!(reads < blocks as u64, "{reads} reads");
}

/// 40 times around the ring: no block is erased twice more often than another.
#[test]
fn every_block_wears_alike() {
    let chip = Nor::<4>::new(5);
    let range = chip.whole();
    let mut journal = Journal::format(chip, range).unwrap();
    for number in 1..=5 * 40 * 4 {
        let id = journal.append(&record(number, 900)).unwrap();
        journal.release_until(&Acknowledged(id.0)).unwrap();
    }
    let erased = journal.into_flash().erased;
    let (least, most) = (erased.values().min().unwrap(), erased.values().max().unwrap());
    assert!(erased.len() == 5 && most - least <= 2, "{erased:?}");
}

/// However long the journal is: what is left to be read after the summary fits one block.
#[test]
fn a_summary_leaves_little_to_read() {
    let chip = Nor::<4>::new(64);
    let range = chip.whole();
    let mut journal = Journal::format(chip, range.clone()).unwrap();
    let mut buffer = [0; MAX_RECORD];
    assert_eq!(journal.summary(&mut buffer), Ok(None));
    let mut in_block = 0;
    for number in 1..=400 {
        let before = journal.summary(&mut buffer).unwrap().map(|found| found.next);
        journal
            .append_after(&summary(number), &record(number, 300 + number as usize % 200))
            .unwrap();
        let (first, bytes) = match journal.summary(&mut buffer).unwrap() {
            Some(found) => (found.next, found.bytes),
            // The first block begins without records.
            None => continue,
        };
        assert_eq!(bytes, summary(first.0));
        in_block = if before == Some(first) { in_block + 1 } else { 1 };
        assert_eq!(
            first.0,
            number + 1 - in_block,
            "all between are in the last block"
        );
        assert!(in_block <= 13);
    }
    // The newest summary rots: the one before it is found.
    let first = journal.summary(&mut buffer).unwrap().unwrap().next;
    let mut chip = journal.into_flash();
    let rotten = summary(first.0);
    let place = chip
        .bytes
        .windows(rotten.len())
        .rposition(|bytes| bytes == rotten);
    chip.bytes[place.unwrap()] ^= 1;
    let mut journal = Journal::open(chip, range).unwrap();
    let Summary { next: earlier, bytes } = journal.summary(&mut buffer).unwrap().unwrap();
    assert_eq!(bytes, summary(earlier.0));
    assert!(
        earlier < first && first.0 - earlier.0 <= 13,
        "{earlier:?} {first:?}"
    );
    assert_eq!(
        journal.append_after(&[0; journal::MAX_SUMMARY + 1], b"x"),
        Err(Error::Length)
    );
    assert_eq!(journal.tail(), Some(RecordId(400)));
}
