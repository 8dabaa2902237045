//! A block list as what changed since an earlier one (DATA 4.2): what a delta consists of, and the one way from the earlier
//! list to the later one.
//!
//! A delta needs no signature of its own: what comes out must have the count and the Merkle root of the later list's header,
//! which the issuer signed.

use core::cmp::Ordering;

use crate::crypto::Digest;
use crate::list::BlockEntry;
use crate::tlv::{Error, Field as _, Reader, Writer, template};
use crate::values::CardNumber;

template! {
    /// Object `FF3A`: the list that a delta begins with (DATA 4.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BlockDeltaBase {
        /// Its number.
        number: u32 = 0x80,
        /// Hash of its header's body `FF25`.
        header: Digest = 0x81,
    }
}

impl BlockDeltaBase {
    /// Tag of the object.
    pub const TAG: u16 = 0xFF3A;
    /// Bytes of the object.
    pub const LENGTH: usize = 43;
}

template! {
    /// A change `FF3B`: a card that is on the list no more (DATA 4.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Unblocked {
        /// The card.
        card_number: CardNumber = 0x5A,
    }
}

impl Unblocked {
    /// Tag of the change.
    pub const TAG: u16 = 0xFF3B;
}

/// One change of a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockChange {
    /// The card is on the list from now on, or with another reason.
    Blocked(BlockEntry),
    /// The card is on the list no more.
    Unblocked(Unblocked),
}

impl BlockChange {
    /// Bytes of the longest change.
    pub const MAXIMUM_LENGTH: usize = BlockEntry::LENGTH;

    /// The card.
    pub fn card_number(&self) -> CardNumber {
        match self {
            Self::Blocked(entry) => entry.card_number,
            Self::Unblocked(unblocked) => unblocked.card_number,
        }
    }

    /// Reads the next change.
    ///
    /// # Errors
    /// [`Error`] if the next object is none.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        if reader.is_next(Unblocked::TAG) {
            return Unblocked::read(reader, Unblocked::TAG).map(Self::Unblocked);
        }
        BlockEntry::read(reader, BlockEntry::TAG).map(Self::Blocked)
    }

    /// Appends the change.
    ///
    /// # Errors
    /// [`Error`] if it does not fit.
    pub fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        match self {
            Self::Blocked(entry) => entry.write(writer, BlockEntry::TAG),
            Self::Unblocked(unblocked) => unblocked.write(writer, Unblocked::TAG),
        }
    }
}

/// Why changes are no delta to a list. Two lists have exactly one delta between them (DATA 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeltaError {
    /// The changes do not ascend by card number, or one card stands twice.
    Order,
    /// A card is taken off that the list does not have.
    NotBlocked,
    /// An entry that the list has already.
    NoChange,
}

impl core::fmt::Display for DeltaError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Order => "the changes do not ascend by card number",
            Self::NotBlocked => "a card is taken off the list that is not on it",
            Self::NoChange => "an entry is added that the list has already",
        })
    }
}

impl core::error::Error for DeltaError {}

/// The way from a list to a later one, entry by entry in ascending order: neither of them needs to be in memory.
///
/// `base` gives the next entry of the earlier list, ascending, and `None` behind the last; `result` takes the next entry of the
/// later one.
#[derive(Clone, Debug, Default)]
pub struct BlockMerge {
    /// Card of the change before.
    changed: Option<CardNumber>,
    /// Entry of the earlier list that was looked at and not taken yet.
    waiting: Option<BlockEntry>,
}

impl BlockMerge {
    /// Before the first change.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next change, and all entries before it.
    ///
    /// # Errors
    /// [`DeltaError`], and those of `base` and `result`. The merge is of no use after an error.
    pub fn change<E: From<DeltaError>>(
        &mut self,
        change: &BlockChange,
        mut base: impl FnMut() -> Result<Option<BlockEntry>, E>,
        mut result: impl FnMut(BlockEntry) -> Result<(), E>,
    ) -> Result<(), E> {
        let card = change.card_number();
        if self.changed.is_some_and(|before| before >= card) {
            return Err(DeltaError::Order.into());
        }
        self.changed = Some(card);
        let present = loop {
            let Some(entry) = self.next(&mut base)? else {
                break None;
            };
            match entry.card_number.cmp(&card) {
                Ordering::Less => result(entry)?,
                Ordering::Equal => break Some(entry),
                Ordering::Greater => {
                    self.waiting = Some(entry);
                    break None;
                }
            }
        };
        match change {
            BlockChange::Blocked(entry) if present == Some(*entry) => Err(DeltaError::NoChange.into()),
            BlockChange::Blocked(entry) => result(*entry),
            BlockChange::Unblocked(_) if present.is_none() => Err(DeltaError::NotBlocked.into()),
            BlockChange::Unblocked(_) => Ok(()),
        }
    }

    /// Takes the entries behind the last change.
    ///
    /// # Errors
    /// Those of `base` and `result`.
    pub fn finish<E>(
        mut self,
        mut base: impl FnMut() -> Result<Option<BlockEntry>, E>,
        mut result: impl FnMut(BlockEntry) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(entry) = self.next(&mut base)? {
            result(entry)?;
        }
        Ok(())
    }

    fn next<E>(
        &mut self,
        base: &mut impl FnMut() -> Result<Option<BlockEntry>, E>,
    ) -> Result<Option<BlockEntry>, E> {
        match self.waiting.take() {
            Some(entry) => Ok(Some(entry)),
            None => base(),
        }
    }
}
