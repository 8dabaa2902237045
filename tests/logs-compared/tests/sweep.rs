//! The same records on the same simulated chip (`firmware/journal/tests/support`), in the journal and in a queue of
//! `sequential-storage`: the power goes at every flash operation, in every way, twice; and every bit flips once.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

#[path = "../../../firmware/journal/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use journal::{Item, Journal, MAX_RECORD, RecordId};
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::queue::{QueueConfig, QueueStorage};
use support::{Fault, Nor, TEARS, Tear, record};

const BLOCKS: usize = 4;
const LENGTHS: [usize; 12] = [420, 60, 340, 512, 33, 230, 1000, 64, 410, 1, 512, 300];

type Chip = Nor<4>;

/// A log kept on a chip.
trait Log {
    /// Makes an empty one.
    fn make(chip: &mut Chip);
    /// Opens it and appends records until the power goes; how many were reported to be kept.
    fn append(chip: &mut Chip, records: &[Vec<u8>]) -> usize;
    /// Opens it and reads all; none if it cannot be read.
    fn read(chip: &mut Chip) -> Option<Vec<Vec<u8>>>;
}

struct Ours;

impl Log for Ours {
    fn make(chip: &mut Chip) {
        let range = chip.whole();
        Journal::format(chip, range).unwrap();
    }

    fn append(chip: &mut Chip, records: &[Vec<u8>]) -> usize {
        let range = chip.whole();
        let Ok(mut journal) = Journal::open(chip, range) else {
            return 0;
        };
        let kept = records.iter().take_while(|record| journal.append(record).is_ok());
        kept.count()
    }

    fn read(chip: &mut Chip) -> Option<Vec<Vec<u8>>> {
        let range = chip.whole();
        let mut journal = Journal::open(chip, range).ok()?;
        let mut cursor = journal.iter_from(RecordId(1)).ok()?;
        let (mut found, mut buffer) = (Vec::new(), [0; MAX_RECORD]);
        while let Some(item) = journal.next(&mut cursor, &mut buffer).ok()? {
            // A damaged one is named; here only what is there counts.
            if let Item::Record { bytes, .. } = item {
                found.push(bytes.to_vec());
            }
        }
        Some(found)
    }
}

struct Theirs;

type Queue<'c> = QueueStorage<Asynchronous<'c>, Cache<Uncached, Uncached, Uncached, ()>>;

fn queue(chip: &mut Chip) -> Queue<'_> {
    let range = chip.whole();
    QueueStorage::new(Asynchronous(chip), QueueConfig::new(range), Cache::new_uncached())
}

impl Log for Theirs {
    fn make(chip: &mut Chip) {
        now(queue(chip).erase_all()).unwrap();
    }

    fn append(chip: &mut Chip, records: &[Vec<u8>]) -> usize {
        let mut queue = queue(chip);
        let kept = records
            .iter()
            .take_while(|record| now(queue.push(record, false)).is_ok());
        kept.count()
    }

    fn read(chip: &mut Chip) -> Option<Vec<Vec<u8>>> {
        let mut queue = queue(chip);
        let mut items = now(queue.iter()).ok()?;
        let (mut found, mut buffer) = (Vec::new(), [0; MAX_RECORD]);
        while let Some(item) = now(items.next(&mut buffer)).ok()? {
            found.push(item.to_vec());
        }
        Some(found)
    }
}

/// The chip for a crate that would wait for it.
struct Asynchronous<'c>(&'c mut Chip);

impl ErrorType for Asynchronous<'_> {
    type Error = Fault;
}

impl ReadNorFlash for Asynchronous<'_> {
    const READ_SIZE: usize = <Chip as embedded_storage::nor_flash::ReadNorFlash>::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        embedded_storage::nor_flash::ReadNorFlash::read(self.0, offset, bytes)
    }

    fn capacity(&self) -> usize {
        embedded_storage::nor_flash::ReadNorFlash::capacity(self.0)
    }
}

impl NorFlash for Asynchronous<'_> {
    const WRITE_SIZE: usize = <Chip as embedded_storage::nor_flash::NorFlash>::WRITE_SIZE;
    const ERASE_SIZE: usize = <Chip as embedded_storage::nor_flash::NorFlash>::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        embedded_storage::nor_flash::NorFlash::erase(self.0, from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        embedded_storage::nor_flash::NorFlash::write(self.0, offset, bytes)
    }
}

/// The simulated chip never lets anybody wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("the chip lets somebody wait"),
    }
}

fn records() -> Vec<Vec<u8>> {
    (1..)
        .zip(LENGTHS)
        .map(|(number, length)| record(number, length))
        .collect()
}

#[derive(Debug, Default, PartialEq)]
struct Outcome {
    runs: u64,
    /// A record that was reported to be kept is not there any more.
    lost: u64,
    /// Something is there that nobody wrote, or in another order.
    altered: u64,
    /// The log cannot be read, or takes nothing any more.
    unusable: u64,
    /// Runs that failed, by what the first cut left.
    tears: BTreeMap<String, u64>,
}

impl Outcome {
    /// `kept`: reported to be kept; up to `begun` may be there.
    fn judge(&mut self, found: Option<&Vec<Vec<u8>>>, kept: usize, begun: usize, all: &[Vec<u8>]) -> bool {
        let Some(found) = found else {
            self.unusable += 1;
            return false;
        };
        if found.len() < kept && all.starts_with(found) {
            self.lost += 1;
            return false;
        }
        if !all.starts_with(found) || found.len() > begun {
            let missing = all.iter().take(kept).any(|record| !found.contains(record));
            *(if missing {
                &mut self.lost
            } else {
                &mut self.altered
            }) += 1;
            return false;
        }
        true
    }
}

/// The power goes at every operation in every way; then it goes at some operation of the next three records again, or does not.
fn cuts<L: Log>() -> Outcome {
    let all = records();
    let mut outcome = Outcome::default();
    let mut fresh = Chip::new(BLOCKS);
    L::make(&mut fresh);
    let operations = {
        let mut chip = fresh.clone();
        let before = chip.operations;
        assert_eq!(L::append(&mut chip, &all), all.len());
        chip.operations - before
    };
    for operation in 0..operations {
        for tear in TEARS {
            for second in [None, Some(0), Some(operation % 40)] {
                outcome.runs += 1;
                let mut chip = fresh.clone();
                chip.cut(operation, tear);
                let second = second.map(|after| (after, TEARS[operation as usize % TEARS.len()]));
                if !run::<L>(chip, &all, second, &mut outcome) {
                    *outcome.tears.entry(format!("{tear:?}")).or_default() += 1;
                }
            }
        }
    }
    outcome
}

/// Records until the cut, three more until the second one, and what is there after two power-ups; true if all is well.
fn run<L: Log>(mut chip: Chip, all: &[Vec<u8>], second: Option<(u64, Tear)>, outcome: &mut Outcome) -> bool {
    let kept = L::append(&mut chip, all);
    chip.power_up();
    let found = L::read(&mut chip);
    if !outcome.judge(found.as_ref(), kept, kept + 1, all) {
        return false;
    }
    let there = found.unwrap_or_default().len();
    let rest = all.get(there..).unwrap_or_default();
    let few = rest.get(..3).unwrap_or(rest);
    if let Some((after, tear)) = second {
        chip.cut(after, tear);
    }
    let more = L::append(&mut chip, few);
    if second.is_none() && more < few.len() {
        outcome.unusable += 1;
        return false;
    }
    (0..2).all(|_| {
        chip.power_up();
        let found = L::read(&mut chip);
        outcome.judge(found.as_ref(), there + more, there + more + 1, all)
    })
}

/// Every bit of a log of three records flips: how many flips lose more than one record, and how many return something else.
fn flips<L: Log>() -> Outcome {
    let all: Vec<Vec<u8>> = (1..=3).map(|number| record(number, 50)).collect();
    let mut sound = Chip::new(BLOCKS);
    L::make(&mut sound);
    assert_eq!(L::append(&mut sound, &all), 3);
    let mut outcome = Outcome::default();
    for byte in 0..support::BLOCK {
        for bit in 0..8 {
            outcome.runs += 1;
            let mut chip = sound.clone();
            chip.bytes[byte] ^= 1 << bit;
            match L::read(&mut chip) {
                None => outcome.unusable += 1,
                Some(found) if found.iter().any(|record| !all.contains(record)) => outcome.altered += 1,
                Some(found) if found.len() < 2 => outcome.lost += 1,
                Some(_) => {}
            }
        }
    }
    outcome
}

#[test]
fn the_journal_survives_what_the_queue_does_not() {
    let (ours, theirs) = (cuts::<Ours>(), cuts::<Theirs>());
    println!("power cuts, the journal: {ours:?}\npower cuts, sequential-storage: {theirs:?}");
    let (ours_flipped, theirs_flipped) = (flips::<Ours>(), flips::<Theirs>());
    println!(
        "flipped bits, the journal: {ours_flipped:?}\nflipped bits, sequential-storage: {theirs_flipped:?}"
    );
    for outcome in [&ours, &ours_flipped] {
        let sound = Outcome {
            runs: outcome.runs,
            ..Outcome::default()
        };
        assert_eq!(outcome, &sound);
    }
}
