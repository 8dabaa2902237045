//! The power is cut during every single flash operation of a script, in every way a chip can be left, then again during
//! recovery. What was acknowledged must be there, byte for byte; at most the record in hand may be there too, whole.
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
use support::{Acknowledged, Fault, Nor, TEARS, Tear, record, summary};

const BLOCKS: usize = 4;
const STEPS: usize = 60;

#[derive(Clone, Copy, Debug)]
enum Step {
    Append(usize),
    /// Release all but this many of the newest records.
    ReleaseAllBut(u32),
}

/// Lengths and releases that cross every block border several times and now and then find the journal full.
fn script() -> Vec<Step> {
    let lengths = [1, 320, 1024, 3, 700, 64, 511, 1000, 260, 17, 900];
    (0..STEPS)
        .map(|step| match step {
            6 | 40 | 51 | 52 => Step::ReleaseAllBut(3),
            57 => Step::ReleaseAllBut(0),
            _ => Step::Append(lengths[step % lengths.len()]),
        })
        .collect()
}

/// What the caller of the journal knows.
#[derive(Clone, Default)]
struct Known {
    /// Every record acknowledged by `Ok`, from number 1.
    kept: VecDeque<Vec<u8>>,
    released: u32,
    /// The appends that were cut since the last one that was not: a weakly programmed commit word may show one of them
    /// at a later power-up only, but never after another record has taken its number.
    in_hand: Vec<Vec<u8>>,
    full: u32,
    /// Which cut this is, for the messages.
    cut: String,
}

impl Known {
    fn last(&self) -> u32 {
        self.kept.len() as u32
    }

    /// Runs steps until the power goes.
    fn run<const W: usize>(&mut self, journal: &mut Journal<Nor<W>>, steps: &[Step]) -> Result<(), Fault> {
        for step in steps {
            match step {
                Step::Append(length) => {
                    let bytes = record(self.last() + 1, *length);
                    match journal.append_after(&summary(self.last() + 1), &bytes) {
                        Ok(id) => {
                            assert_eq!(id, RecordId(self.last() + 1));
                            self.kept.push_back(bytes);
                            self.in_hand.clear();
                        }
                        Err(Error::Full) => self.full += 1,
                        Err(Error::Flash(fault)) => {
                            self.in_hand.push(bytes);
                            return Err(fault);
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
                Step::ReleaseAllBut(newest) => {
                    let last = self.last().saturating_sub(*newest);
                    if last == 0 {
                        continue;
                    }
                    self.released = self.released.max(last);
                    match journal.release_until(&Acknowledged(last)) {
                        Ok(()) => {}
                        Err(Error::Flash(fault)) => return Err(fault),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks a journal that was just opened, and takes over what it decided about the record in hand.
    fn check<const W: usize>(&mut self, journal: &mut Journal<Nor<W>>) {
        let found = journal.tail().map_or(0, |id| id.0);
        let mut buffer = [0; MAX_RECORD];
        if found == self.last() + 1 {
            let appeared = journal.read(RecordId(found), &mut buffer).unwrap();
            let in_hand = self.in_hand.iter().find(|bytes| is_record(&appeared, bytes));
            self.kept
                .push_back(in_hand.expect("a record nobody wrote").clone());
            self.in_hand.clear();
        }
        assert_eq!(found, self.last(), "last record, {}", self.cut);
        assert!(
            journal.released().map_or(0, |id| id.0) <= self.released,
            "released without acknowledgement"
        );

        if let Some(Summary { next: first, bytes }) = journal.summary(&mut buffer).unwrap() {
            assert!(
                bytes == summary(first.0),
                "summary before {first:?}, {}",
                self.cut
            );
            assert!(
                first.0 <= self.last() + 1,
                "summary of records that are not there"
            );
        }

        let mut cursor = journal.iter_from(RecordId(1)).unwrap();
        let mut expected = None;
        while let Some(item) = journal.next(&mut cursor, &mut buffer).unwrap() {
            let (first, last) = match item {
                Item::Record { id, bytes } => {
                    assert!(
                        bytes == self.kept[id.0 as usize - 1],
                        "{id:?} altered, {}",
                        self.cut
                    );
                    (id.0, id.0)
                }
                Item::Damaged { first, last, .. } => {
                    assert!(
                        last.0 <= self.released,
                        "lost {first:?} to {last:?} of {} (released {}), {}",
                        self.last(),
                        self.released,
                        self.cut
                    );
                    (first.0, last.0)
                }
            };
            assert!(
                expected.is_none_or(|expected| expected == first),
                "a gap before {first}"
            );
            assert!(
                expected.is_some() || first <= self.released + 1,
                "lost before {first}"
            );
            expected = Some(last + 1);
        }
        assert_eq!(
            expected.unwrap_or(self.released + 1),
            self.last() + 1,
            "all up to the last"
        );
    }
}

fn is_record(item: &Item<'_>, expected: &[u8]) -> bool {
    matches!(item, Item::Record { bytes, .. } if *bytes == expected)
}

/// Opens after a cut; a second cut comes during recovery or soon after, if asked for.
fn recover<const W: usize>(
    mut chip: Nor<W>,
    known: &mut Known,
    second: Option<(u64, Tear)>,
    steps: &[Step],
) -> bool {
    chip.power_up();
    if let Some((after, tear)) = second {
        known.cut += &format!(", then {tear:?} after {after}");
        chip.cut(after, tear);
    }
    let range = chip.whole();
    let mut journal = match Journal::open(chip.clone(), range.clone()) {
        Ok(journal) => journal,
        Err(Error::Flash(Fault::PowerCut)) => return recover_again(chip, known, second, steps),
        Err(error) => panic!("{error}"),
    };
    known.check(&mut journal);
    let cut = known.run(&mut journal, steps).is_err();
    let mut chip = journal.into_flash();
    chip.power_up();
    let mut journal = Journal::open(chip, range).unwrap();
    known.check(&mut journal);
    cut
}

/// The cut came while opening: `open` consumed the chip, so the same cut is repeated on a borrowed one.
fn recover_again<const W: usize>(
    mut chip: Nor<W>,
    known: &mut Known,
    second: Option<(u64, Tear)>,
    steps: &[Step],
) -> bool {
    let range = chip.whole();
    assert!(Journal::open(&mut chip, range).is_err() && second.is_some());
    recover(chip, known, None, steps);
    true
}

fn format<const W: usize>() -> Journal<Nor<W>> {
    let chip = Nor::new(BLOCKS);
    let range = chip.whole();
    Journal::format(chip, range).unwrap()
}

/// Cuts at every operation of the script. The script runs in pieces, so that a cut late in it is not paid for with a
/// replay of everything before.
fn sweep<const W: usize>() -> (u64, u64) {
    let steps = script();
    let after = &steps[34..49];
    let mut chip = format::<W>().into_flash();
    let mut known = Known::default();
    let (mut cuts, mut seconds) = (0, 0);
    for piece in steps.chunks(6) {
        for tear in TEARS {
            for operation in 0.. {
                let Some((torn, mut knows)) = cut_once(chip.clone(), known.clone(), piece, operation, tear)
                else {
                    break;
                };
                cuts += 1;
                recover(torn.clone(), &mut knows.clone(), None, after);
                // The second cut: in the operation that opening does, or in the appends after it.
                let after_opening = [0, 1, operation % 300][operation as usize % 3];
                let tear = TEARS[(operation / 3) as usize % TEARS.len()];
                seconds += u64::from(recover(torn, &mut knows, Some((after_opening, tear)), after));
            }
        }
        let range = chip.whole();
        let mut journal = Journal::open(chip, range).unwrap();
        known.run(&mut journal, piece).unwrap();
        chip = journal.into_flash();
    }
    assert!(known.full > 0, "the script never fills the journal");
    (cuts, seconds)
}

/// Runs a piece of the script with a cut; none if the piece has fewer operations.
fn cut_once<const W: usize>(
    mut chip: Nor<W>,
    mut known: Known,
    piece: &[Step],
    operation: u64,
    tear: Tear,
) -> Option<(Nor<W>, Known)> {
    known.cut = format!("{tear:?} at operation {operation} after {} records", known.last());
    chip.cut(operation, tear);
    let range = chip.whole();
    let mut journal = Journal::open(chip, range).unwrap();
    known
        .run(&mut journal, piece)
        .is_err()
        .then(|| (journal.into_flash(), known))
}

#[test]
fn every_cut_keeps_what_was_acknowledged_on_4_byte_words() {
    let (cuts, seconds) = sweep::<4>();
    println!("4-byte words: {cuts} cuts, {seconds} second cuts");
    assert!(cuts > 30_000 && seconds > 30_000);
}

#[test]
fn every_cut_keeps_what_was_acknowledged_on_8_byte_words() {
    let (cuts, seconds) = sweep::<8>();
    println!("8-byte words: {cuts} cuts, {seconds} second cuts");
    assert!(cuts > 15_000 && seconds > 15_000);
}

#[test]
fn a_cut_while_formatting_leaves_no_journal_or_an_empty_one() {
    for tear in TEARS {
        for operation in 0.. {
            let mut chip = Nor::<4>::new(BLOCKS);
            let range = chip.whole();
            chip.cut(operation, tear);
            if Journal::format(&mut chip, range.clone()).is_ok() {
                break;
            }
            chip.power_up();
            match Journal::open(&mut chip, range.clone()) {
                Ok(journal) => assert_eq!(journal.tail(), None),
                Err(error) => assert_eq!(error, Error::NotFormatted),
            }
            chip.power_up();
            let mut journal = Journal::format(chip, range).unwrap();
            assert_eq!(journal.append(b"first"), Ok(RecordId(1)));
        }
    }
}

#[test]
fn after_a_flash_failure_nothing_is_done_until_opened_again() {
    let mut journal = format::<4>();
    journal.append(b"kept").unwrap();
    let mut chip = journal.into_flash();
    chip.cut(3, Tear::Half);
    let range = chip.whole();
    let mut journal = Journal::open(chip, range.clone()).unwrap();
    assert_eq!(journal.append(b"torn"), Err(Error::Flash(Fault::PowerCut)));
    assert_eq!(journal.append(b"more"), Err(Error::Undecided));
    assert_eq!(journal.release_until(&Acknowledged(1)), Err(Error::Undecided));
    assert_eq!(journal.free_records(1), Err(Error::Undecided));
    assert_eq!(journal.iter_from(RecordId(1)), Err(Error::Undecided));
    let mut chip = journal.into_flash();
    chip.power_up();
    let mut journal = Journal::open(chip, range).unwrap();
    assert_eq!(journal.append(b"more"), Ok(RecordId(2)));
}
