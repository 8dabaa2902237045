//! Where things lie on the board's 8 MiB of serial flash.
//!
//! | blocks | what |
//! |---|---|
//! | 4 | keys, certificates, which lists are in force |
//! | 5 × 111 | payment lists of 4,000 lines, four in force and one on its way |
//! | 2 × 128 | block lists of some 32,000 cards |
//! | the rest | the journal |
//! | 1 | the self-test's |
//!
//! The keys are not safe here: they lie on the chip that they protect. Whoever can read and write it can take a card out of a block list
//! and make the list's tag anew (decision 24, README.md "Debug port").

use board_parts::serial_flash::SECTOR;
use terminal::{LIST_PLACES, LIST_SPACE, Layout, list_places};

const CHIP: u32 = 8 << 20;
const BLOCK: u32 = SECTOR as u32;
const BLOCK_LIST: u32 = 128 * BLOCK;

const LISTS: u32 = 4 * BLOCK;
const BLOCK_LISTS: u32 = LISTS + LIST_PLACES as u32 * LIST_SPACE;
const JOURNAL: u32 = BLOCK_LISTS + 2 * BLOCK_LIST;

/// The sector that the self-test has to itself.
pub(crate) const SELF_TEST: u32 = CHIP - BLOCK;

/// The places.
pub(crate) const LAYOUT: Layout = Layout {
    device: 0..LISTS,
    lists: list_places(LISTS),
    block_lists: [
        BLOCK_LISTS..BLOCK_LISTS + BLOCK_LIST,
        BLOCK_LISTS + BLOCK_LIST..JOURNAL,
    ],
    journal: JOURNAL..SELF_TEST,
};

/// A payment's entries: Intent, Paid, Handed.
const ENTRIES: u32 = 3;

// What can be paid without a host in between: a list of 4,000 lines with entries as long as they are on average, 13 in a block; if
// every entry were as long as the longest of a payment, 7 in a block, 2,800 lines.
const _: () = assert!(SELF_TEST > JOURNAL);
const _: () = assert!((SELF_TEST - JOURNAL) / BLOCK * 13 > 4_000 * ENTRIES);
const _: () = assert!((SELF_TEST - JOURNAL) / BLOCK * 7 > 2_800 * ENTRIES);
