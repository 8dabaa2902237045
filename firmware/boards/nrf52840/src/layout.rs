//! Where things lie on the board's serial flash, as large as the chip is that answers.
//!
//! | blocks of 8 MiB | of 16 MiB | what |
//! |---|---|---|
//! | 4 | 4 | keys, certificates, which lists are in force |
//! | 5 × 111 | 5 × 111 | payment lists of 4,000 lines, four in force and one on its way |
//! | 2 × 143 | 2 × 452 | block lists of 63,296 and of 200,000 cards |
//! | 1 | 1 | issuer scripts to be carried |
//! | 1,201 | 2,631 | the journal |
//! | 1 | 1 | the self-test's |
//!
//! A chip of another size is another terminal's: what was on the first one is not on it.
//!
//! The keys are not safe here: they lie on the chip that they protect. Whoever can read and write it can take a card out of a block list
//! and make the list's tag anew (decision 24, README.md "Debug port").

use board_parts::serial_flash::SECTOR;
use terminal::Layout;

const BLOCK: u32 = SECTOR as u32;

/// What the core has, and the sector that the self-test has to itself.
pub(crate) struct Places {
    pub(crate) layout: Layout,
    pub(crate) self_test: u32,
}

/// The places on a chip of so many bytes: one of those that the driver knows.
pub(crate) const fn places(capacity: usize) -> Places {
    let self_test = (capacity as u32).saturating_sub(BLOCK);
    let cards = if capacity < LARGE { 63_296 } else { 200_000 };
    Places {
        layout: Layout::up_to(self_test, cards),
        self_test,
    }
}

const SMALL: usize = 8 << 20;
const LARGE: usize = 16 << 20;

const fn journal_blocks(capacity: usize) -> u32 {
    let journal = places(capacity).layout.journal;
    (journal.end - journal.start) / BLOCK
}

/// A payment's entries: Intent, Paid, Handed.
const ENTRIES: u32 = 3;

// What can be paid without a host in between: a list of 4,000 lines with entries as long as they are on average, 13 in a block; if
// every entry were as long as the longest of a payment, 7 in a block, 2,800 lines. On the larger chip 10,000 and 6,100.
const _: () = assert!(journal_blocks(SMALL) * 13 > 4_000 * ENTRIES);
const _: () = assert!(journal_blocks(SMALL) * 7 > 2_800 * ENTRIES);
const _: () = assert!(journal_blocks(LARGE) * 13 > 10_000 * ENTRIES);
const _: () = assert!(journal_blocks(LARGE) * 7 > 6_100 * ENTRIES);
