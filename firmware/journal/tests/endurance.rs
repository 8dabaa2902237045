//! Ten years of a busy pay point: how often each block is erased, and what a start then reads of a journal that is full.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod support;

use journal::{Error, Journal, MAX_RECORD, RecordId};
use support::{Acknowledged, Nor, record, summary};

/// The journal of the board in QEMU.
const BLOCKS: usize = 2_632;
const YEARS: u32 = 10;
const PAYMENTS_A_MONTH: u32 = 2_000;
/// Intent, Paid, Handed.
const ENTRIES_A_PAYMENT: u32 = 3;
/// Boot, clock, shift opened and closed, synced.
const ENTRIES_A_DAY: u32 = 5;
/// As long as an entry may be (`card_spec::journal::MAXIMUM_ENTRY_LENGTH`): fewer fit a block than ever will.
const LENGTH: usize = 576;
/// Erases that a block is good for: nRF52840 product specification 6.12 (its own flash); serial NOR chips name 100,000.
const RATED: u32 = 10_000;

#[test]
fn ten_years_wear_every_block_alike_and_little() {
    let chip = Nor::<4>::new(BLOCKS);
    let range = chip.whole();
    let mut journal = Journal::format(chip, range.clone()).unwrap();
    let days = YEARS * 365;
    let entries = YEARS * 12 * PAYMENTS_A_MONTH * ENTRIES_A_PAYMENT + days * ENTRIES_A_DAY;
    let mut bytes = record(1, LENGTH);
    let known = summary(1);
    for number in 1..=entries {
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        assert_eq!(journal.append_after(&known, &bytes), Ok(RecordId(number)));
        // The host comes once a week.
        if number % (entries / (days / 7)) == 0 {
            journal.release_until(&Acknowledged(number)).unwrap();
        }
    }
    // It does not come any more.
    let full = loop {
        match journal.append_after(&known, &bytes) {
            Ok(id) => assert!(id.0 < entries + 7 * BLOCKS as u32),
            Err(error) => break error,
        }
    };
    assert_eq!(full, Error::Full);
    let mut chip = journal.into_flash();
    let (least, most) = (
        chip.erased.values().min().unwrap(),
        chip.erased.values().max().unwrap(),
    );
    let mean = chip.erased.values().map(|erases| f64::from(*erases)).sum::<f64>() / BLOCKS as f64;
    println!(
        "{entries} entries of {LENGTH} bytes: a block is erased {least} to {most} times, {mean:.1} on average"
    );
    assert_eq!(chip.erased.len(), BLOCKS);
    assert!(most - least <= 2 && *most < RATED / 40);

    chip.reads = 0;
    let mut journal = Journal::open(chip, range).unwrap();
    let mut buffer = [0; MAX_RECORD];
    let tail = journal.tail().unwrap();
    let summary = journal.summary(&mut buffer).unwrap().unwrap();
    let unread = tail.0 + 1 - summary.next.0;
    let reads = journal.into_flash().reads;
    println!("full: a start takes {reads} reads of the flash, and then has {unread} records to read");
    assert!(reads < 200 && unread <= 9);
}
