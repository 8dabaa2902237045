//! Whether the terminal's journal had to be written: the same records, cuts and flipped bits go over it and over the crate
//! `sequential-storage` (decision 25). No program uses this crate, and no image holds the other log.
