//! What can go wrong, and what it means for the records.

/// Why the journal refused or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error<E: core::fmt::Debug> {
    /// The flash driver failed. Whether the record in hand was kept shows only after opening again.
    #[error(
        "flash failed ({0:?}); kept records are safe; open the journal again to see whether the last one is there"
    )]
    Flash(E),
    /// An earlier operation failed half-way; what the flash holds must be read anew.
    #[error("an earlier flash failure left this journal undecided; open it again before anything else")]
    Undecided,
    /// The flash does not keep what was written, twice in a row.
    #[error(
        "the flash block at {address:#010x} no longer keeps what is written; the record was not kept; replace the device"
    )]
    Worn {
        /// Flash address of the block.
        address: u32,
    },
    /// No block of the region begins a journal.
    #[error(
        "no journal in this region of the flash; provision the terminal, or have its flash examined if it was in use"
    )]
    NotFormatted,
    /// A journal of another format version, word or block size, or of a region cut differently.
    #[error(
        "this journal was written in another format; nothing was changed; use the firmware that wrote it"
    )]
    Incompatible,
    /// The range is not block-aligned, too short (two blocks) or outside the flash.
    #[error("the range given for the journal does not fit this flash")]
    Region,
    /// Records have 1 to [`MAX_RECORD`](crate::MAX_RECORD) bytes.
    #[error("a record has 1 to {max} bytes; nothing was written", max = crate::MAX_RECORD)]
    Length,
    /// Every block holds records that no host has acknowledged.
    #[error("the journal is full; nothing was written; synchronise with the host so that space is released")]
    Full,
    /// The record was never written, or was released and overwritten.
    #[error("no such record: never written, or acknowledged and overwritten")]
    NoSuchRecord,
    /// Record or block numbers are used up.
    #[error("the numbers of this journal are used up; nothing was written; provision the terminal anew")]
    Exhausted,
}
