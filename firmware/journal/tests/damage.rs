//! Lost bits, misuse, wear and limits: damage is named and never returned as a record.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod support;

use journal::{Error, Item, Journal, MAX_RECORD, RecordId};
use support::{Acknowledged, BLOCK, Fault, Nor, record};

type Chip = Nor<4>;

fn journal_of(blocks: usize, lengths: &[usize]) -> Journal<Chip> {
    let chip = Chip::new(blocks);
    let range = chip.whole();
    let mut journal = Journal::format(chip, range).unwrap();
    for (index, length) in lengths.iter().enumerate() {
        journal.append(&record(index as u32 + 1, *length)).unwrap();
    }
    journal
}

/// Numbers of the readable and of the damaged records; a readable one is compared with what was appended.
fn survey(journal: &mut Journal<Chip>, lengths: &[usize]) -> (Vec<u32>, Vec<u32>) {
    let (mut intact, mut lost) = (Vec::new(), Vec::new());
    let mut buffer = [0; MAX_RECORD];
    let mut cursor = journal.iter_from(RecordId(1)).unwrap();
    while let Some(item) = journal.next(&mut cursor, &mut buffer).unwrap() {
        match item {
            Item::Record { id, bytes } => {
                assert_eq!(bytes, record(id.0, lengths[id.0 as usize - 1]), "altered {id:?}");
                intact.push(id.0);
            }
            Item::Damaged { first, last, .. } => lost.extend(first.0..=last.0),
        }
    }
    (intact, lost)
}

/// Flips every bit of a three-record journal, one at a time: at most the record it belongs to is lost, and named.
#[test]
fn a_flipped_bit_loses_at_most_its_record_and_says_so() {
    let lengths = [60, 41, 77];
    let sound = journal_of(2, &lengths).into_flash();
    let used = (0..48 + 3 * 24).chain(BLOCK - 200..BLOCK);
    let (mut harmless, mut named) = (0, 0);
    for position in used {
        for bit in 0..8 {
            let mut chip = sound.clone();
            chip.bytes[position] ^= 1 << bit;
            let range = chip.whole();
            let mut journal = Journal::open(chip, range).unwrap();
            assert_eq!(journal.tail(), Some(RecordId(3)), "byte {position}");
            let (intact, lost) = survey(&mut journal, &lengths);
            assert_eq!(intact.len() + lost.len(), 3, "byte {position}");
            assert!(lost.len() <= 1, "byte {position} bit {bit}: {lost:?}");
            harmless += u32::from(lost.is_empty());
            named += u32::from(!lost.is_empty());
            // The log goes on behind the damage.
            assert_eq!(journal.append(&record(4, 33)), Ok(RecordId(4)));
            let (after, still) = survey(&mut journal, &[60, 41, 77, 33]);
            assert_eq!((after.last(), still), (Some(&4), lost));
        }
    }
    assert!(
        harmless > 0 && named > 8 * (12 * 3 + 60 + 41 + 77),
        "{harmless} {named}"
    );
}

#[test]
fn a_block_without_header_still_gives_its_records() {
    let lengths = [900; 12];
    let mut chip = journal_of(6, &lengths).into_flash();
    chip.bytes[BLOCK..BLOCK + 48].fill(0);
    let range = chip.whole();
    let mut journal = Journal::open(chip, range).unwrap();
    assert_eq!(survey(&mut journal, &lengths), ((1..=12).collect(), vec![]));
}

#[test]
fn a_lost_block_is_named_and_the_rest_read() {
    let lengths = [900; 12];
    let mut chip = journal_of(6, &lengths).into_flash();
    chip.bytes[BLOCK..2 * BLOCK].fill(0x5A);
    let range = chip.whole();
    let mut journal = Journal::open(chip, range).unwrap();
    let (intact, lost) = survey(&mut journal, &lengths);
    assert_eq!(intact.len() + lost.len(), 12);
    assert_eq!(lost, [5, 6, 7, 8]);
    assert!(matches!(
        journal.read(RecordId(6), &mut [0; MAX_RECORD]),
        Ok(Item::Damaged { .. })
    ));
}

#[test]
fn the_oldest_block_lost_before_its_release_is_named() {
    let lengths = [900; 12];
    let mut chip = journal_of(6, &lengths).into_flash();
    chip.bytes[..BLOCK].fill(0x5A);
    let range = chip.whole();
    let mut journal = Journal::open(chip, range).unwrap();
    assert_eq!(survey(&mut journal, &lengths).1, [1, 2, 3, 4]);
}

/// Whichever headers rot, in each round of the ring: what is found is what a look at every block would find.
#[test]
fn whichever_headers_are_lost_the_newest_and_oldest_left_are_found() {
    const BLOCKS: usize = 7;
    /// Records of 900 bytes that a block holds beside two release marks at most.
    const EACH: u32 = 4;
    let chip = Chip::new(BLOCKS);
    let range = chip.whole();
    let mut journal = Journal::format(chip, range.clone()).unwrap();
    let mut opened = 0;
    for number in 1..=EACH * 24 {
        journal.append(&record(number, 900)).unwrap();
        if number % 5 == 0 && number > 9 {
            journal.release_until(&Acknowledged(number - 9)).unwrap();
        }
        if number % EACH != 2 {
            continue;
        }
        let sound = journal.into_flash();
        let tail = (number - 1) / EACH;
        let begun = (tail + 1).saturating_sub(BLOCKS as u32)..tail + 1;
        for lost in 0..1_usize << BLOCKS {
            let mut chip = sound.clone();
            for index in (0..BLOCKS).filter(|index| lost >> index & 1 == 1) {
                chip.bytes[index * BLOCK..index * BLOCK + 48].fill(0x5A);
            }
            let left: Vec<u32> = begun
                .clone()
                .filter(|sequence| lost >> (*sequence as usize % BLOCKS) & 1 == 0)
                .collect();
            let (Some(oldest), Some(newest)) = (left.first(), left.last()) else {
                assert_eq!(
                    Journal::open(chip, range.clone()).err(),
                    Some(Error::NotFormatted)
                );
                continue;
            };
            let mut journal = Journal::open(chip, range.clone()).unwrap();
            let last = number.min((newest + 1) * EACH);
            assert_eq!(journal.tail(), Some(RecordId(last)), "{number} {lost:07b}");
            let released = journal.released().map_or(0, |released| released.0);
            let (intact, named) = survey(&mut journal, &[900; EACH as usize * 24]);
            let first = oldest * EACH + 1;
            assert_eq!(intact, (first..=last).collect::<Vec<_>>(), "{number} {lost:07b}");
            assert_eq!(
                named,
                (released + 1..first).collect::<Vec<_>>(),
                "{number} {lost:07b}"
            );
            // Free is what lies outside of the blocks from the first record on that is not released.
            let is_released = |sequence: &&u32| **sequence * EACH <= released;
            let needed = *left.iter().rfind(is_released).unwrap_or(oldest);
            let each = journal.capacity(900) / BLOCKS as u32;
            let free = BLOCKS as u32 - 1 - (newest - needed);
            let found = journal.free_records(900).unwrap();
            assert!(
                (free * each..=(free + 1) * each).contains(&found),
                "{number} {lost:07b}"
            );
            opened += 1;
        }
        journal = Journal::open(sound, range.clone()).unwrap();
    }
    assert_eq!(opened, 24 * ((1 << BLOCKS) - 1) - unopened(BLOCKS));
}

/// In the first round blocks are unused: with all others lost nothing opens.
fn unopened(blocks: usize) -> usize {
    (1..blocks).map(|used| (1 << (blocks - used)) - 1).sum()
}

#[test]
fn a_full_journal_refuses_and_writes_nothing_until_released() {
    let mut journal = journal_of(3, &[]);
    let promised = journal.free_records(MAX_RECORD).unwrap();
    let mut number = 0;
    let refused = loop {
        let before = journal.free_records(MAX_RECORD).unwrap();
        match journal.append(&record(number + 1, MAX_RECORD)) {
            Ok(id) => number = id.0,
            Err(error) => break (before, error),
        }
    };
    assert_eq!((refused, number), ((0, Error::Full), promised));
    let operations = journal.into_flash();
    let (before, range) = (operations.operations, operations.whole());
    let mut journal = Journal::open(operations, range).unwrap();
    assert_eq!(journal.append(&[1; MAX_RECORD]), Err(Error::Full));
    journal.release_until(&Acknowledged(2)).unwrap();
    assert_eq!(
        journal.append(&[1; MAX_RECORD]),
        Err(Error::Full),
        "the first block holds three"
    );
    journal.release_until(&Acknowledged(3)).unwrap();
    assert_eq!(journal.free_records(MAX_RECORD), Ok(3));
    assert_eq!(
        journal.append(&record(number + 1, MAX_RECORD)),
        Ok(RecordId(number + 1))
    );
    assert!(journal.into_flash().operations > before);
}

#[test]
fn refuses_what_is_no_record_and_reads_none_that_is_not_there() {
    let mut journal = journal_of(2, &[5, 6]);
    assert_eq!(journal.append(&[]), Err(Error::Length));
    assert_eq!(journal.append(&[0; MAX_RECORD + 1]), Err(Error::Length));
    let mut buffer = [0; MAX_RECORD];
    for absent in [0, 3, u32::MAX] {
        assert_eq!(
            journal.read(RecordId(absent), &mut buffer),
            Err(Error::NoSuchRecord)
        );
    }
    assert_eq!(journal.release_until(&Acknowledged(3)), Err(Error::NoSuchRecord));
    assert_eq!(journal.released(), None);
}

#[test]
fn released_records_stay_readable_until_overwritten_and_releases_survive() {
    let mut journal = journal_of(3, &[900; 8]);
    journal.release_until(&Acknowledged(7)).unwrap();
    journal.release_until(&Acknowledged(2)).unwrap();
    let chip = journal.into_flash();
    let range = chip.whole();
    let mut journal = Journal::open(chip, range).unwrap();
    assert_eq!(journal.released(), Some(RecordId(7)));
    assert_eq!(survey(&mut journal, &[900; 8]), ((1..=8).collect(), vec![]));
    for number in 9..=13 {
        journal.append(&record(number, 900)).unwrap();
    }
    assert_eq!(
        journal.read(RecordId(4), &mut [0; MAX_RECORD]),
        Err(Error::NoSuchRecord)
    );
    assert_eq!(survey(&mut journal, &[900; 13]), ((5..=13).collect(), vec![]));
}

#[test]
fn a_cursor_outlives_appends_and_reuse() {
    let mut journal = journal_of(3, &[900; 6]);
    let mut buffer = [0; MAX_RECORD];
    let mut cursor = journal.iter_from(RecordId(1)).unwrap();
    let next =
        |journal: &mut Journal<Chip>, cursor: &mut _, buffer: &mut _| match journal.next(cursor, buffer) {
            Ok(Some(Item::Record { id, .. })) => Some(id.0),
            Ok(None) => None,
            other => panic!("{other:?}"),
        };
    assert_eq!(next(&mut journal, &mut cursor, &mut buffer), Some(1));
    journal.release_until(&Acknowledged(6)).unwrap();
    for number in 7..=13 {
        journal.append(&record(number, 900)).unwrap();
    }
    let rest: Vec<_> = std::iter::from_fn(|| next(&mut journal, &mut cursor, &mut buffer)).collect();
    assert_eq!(rest, [5, 6, 7, 8, 9, 10, 11, 12, 13], "1 to 4 were overwritten");
    journal.append(&record(14, 3)).unwrap();
    assert_eq!(next(&mut journal, &mut cursor, &mut buffer), Some(14));
    assert_eq!(next(&mut journal, &mut cursor, &mut buffer), None);
}

#[test]
fn a_worn_word_costs_no_record() {
    for word in [48, 60, 64, 68, BLOCK - 4, BLOCK - 900] {
        let mut chip = journal_of(4, &[]).into_flash();
        chip.stuck.push(word);
        let range = chip.whole();
        let mut journal = Journal::open(chip, range).unwrap();
        for number in 1..=5 {
            assert_eq!(
                journal.append(&record(number, 900)),
                Ok(RecordId(number)),
                "word {word}"
            );
        }
        let chip = journal.into_flash();
        let range = chip.whole();
        let mut journal = Journal::open(chip, range).unwrap();
        assert_eq!(
            survey(&mut journal, &[900; 5]),
            ((1..=5).collect(), vec![]),
            "word {word}"
        );
    }
}

#[test]
fn a_release_whose_mark_does_not_hold_is_kept_by_the_next_block() {
    // Entry and commit words of the slot behind two records.
    for word in (48 + 2 * 24..48 + 3 * 24).step_by(4) {
        let mut chip = journal_of(3, &[900, 900]).into_flash();
        chip.stuck.push(word);
        let range = chip.whole();
        let mut journal = Journal::open(chip, range.clone()).unwrap();
        journal.release_until(&Acknowledged(2)).unwrap();
        assert_eq!(journal.released(), Some(RecordId(2)), "word {word}");
        assert_eq!(journal.append(&record(3, 900)), Ok(RecordId(3)), "word {word}");
        let mut journal = Journal::open(journal.into_flash(), range).unwrap();
        assert_eq!(journal.released(), Some(RecordId(2)), "word {word}");
        assert_eq!(
            survey(&mut journal, &[900; 3]),
            ((1..=3).collect(), vec![]),
            "word {word}"
        );
    }
}

#[test]
fn one_copy_of_a_header_is_enough_and_none_is_reported() {
    let mut chip = journal_of(2, &[900; 4]).into_flash();
    chip.stuck.push(BLOCK);
    let range = chip.whole();
    let mut journal = Journal::open(chip, range.clone()).unwrap();
    assert_eq!(journal.append(&record(5, 900)), Ok(RecordId(5)));
    let mut journal = Journal::open(journal.into_flash(), range.clone()).unwrap();
    assert_eq!(survey(&mut journal, &[900; 5]), ((1..=5).collect(), vec![]));

    let mut chip = journal_of(2, &[900; 4]).into_flash();
    chip.stuck.extend([BLOCK, BLOCK + 24]);
    let mut journal = Journal::open(chip, range).unwrap();
    assert_eq!(
        journal.append(&record(5, 900)),
        Err(Error::Worn {
            address: BLOCK as u32
        })
    );
    assert_eq!(survey(&mut journal, &[900; 4]), ((1..=4).collect(), vec![]));
}

#[test]
fn opens_nothing_but_its_own_format_in_a_region_that_fits() {
    let chip = journal_of(4, &[10]).into_flash();
    let block = BLOCK as u32;
    for range in [
        0..block,
        0..2 * block + 4,
        4..4 + 2 * block,
        0..5 * block,
        3 * block..block,
        0..0,
    ] {
        assert_eq!(Journal::open(chip.clone(), range).err(), Some(Error::Region));
    }
    assert_eq!(
        Journal::open(Chip::new(3), 0..3 * block).err(),
        Some(Error::NotFormatted)
    );
    assert_eq!(
        Journal::open(chip.clone(), block..3 * block).err(),
        Some(Error::NotFormatted)
    );
    let filled = journal_of(4, &[900; 8]).into_flash();
    assert_eq!(
        Journal::open(filled, block..3 * block).err(),
        Some(Error::Incompatible)
    );
    // A chip with other words sees a journal that it must not touch.
    let mut other = Nor::<8>::new(4);
    other.bytes.copy_from_slice(&chip.bytes);
    assert_eq!(
        Journal::open(other, 0..4 * block).err(),
        Some(Error::Incompatible)
    );
}

#[test]
fn every_error_says_what_to_do() {
    let errors: [Error<Fault>; 8] = [
        Error::Flash(Fault::PowerCut),
        Error::Undecided,
        Error::Worn { address: 4096 },
        Error::NotFormatted,
        Error::Incompatible,
        Error::Length,
        Error::Full,
        Error::Exhausted,
    ];
    for error in errors {
        assert!(error.to_string().len() > 40, "{error}");
    }
}
