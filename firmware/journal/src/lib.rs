//! Power-fail-safe append-only log of opaque records over a NOR flash (no_std, no alloc).
//!
//! Once [`Journal::append`] returns `Ok`, the record survives any power cut; a torn append leaves no record and harms
//! no other. Signing and chaining the records is the caller's job. Space is used again only after a host has
//! acknowledged what is in it ([`HostAcknowledgement`]), oldest block first, so every block wears alike.
//!
//! A caller that must know at power-up what all records say together need not read them all: with a record it can give a summary
//! of those before it ([`Journal::append_after`]), which is kept at the beginning of each block.
//!
//! # Format, version 2
//! The region is a ring of erase blocks. All numbers are big-endian; CRC is CRC-32/ISO-HDLC; `W` is the chip's program
//! word (4, 8 or 16 bytes; 4 on chips that program smaller units). Every word is programmed at most once per erase.
//!
//! Block with sequence number `s` lies at index `s mod blocks`. It begins with two copies of its header:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | `41 4E 53 4A` ("ANSJ") |
//! | 4 | 1 | version, `02` |
//! | 5 | 1 | `W` |
//! | 6 | 2 | block size in bytes |
//! | 8 | 4 | block sequence number, from 0, one more for each block begun |
//! | 12 | 4 | number of the first record of this block, from 1 |
//! | 16 | 4 | last released record when the block was begun, 0 for none |
//! | 20 | 4 | CRC over bytes 0..20 |
//! | 24 | 24 | second copy, written after the first |
//!
//! A block counts when a copy is right and, except for block 0, something is written behind the header.
//!
//! From byte 48 slots of `16 + 2·W` bytes follow upwards, in order of writing; payloads lie from the end of the block
//! downwards, each padded with `FF` to whole words. The slots end where everything up to the payloads is all ones; a slot
//! of all ones before that is no record. A slot:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | number of the record; in a release mark that of the last released record; 0: a summary |
//! | 4 | 2 | offset of the payload in the block |
//! | 6 | 2 | length of the payload, 1 to 1024, of a summary 1 to 640; 0: a release mark |
//! | 8 | 4 | CRC over the payload |
//! | 12 | 4 | CRC over the block's sequence number (4 bytes) and bytes 0..12 |
//! | 16 | W | first commit word, all zero bits |
//! | 16+W | W | second commit word, all zero bits |
//!
//! Order of writing: bytes 0..16, payload, read back, first commit word, second commit word, read back. A slot is
//! committed when the second commit word is all zero, or when the first is and the second is not all ones; when opening
//! finds the first all zero and the second untouched, it programs the second. A committed slot is a record unless the
//! next entry (in a later slot, committed or not, or the first number of the next block) has the same number. A summary is the
//! first slot of its block or there is none, and it is of all records before the block.
//!
//! # Why it survives
//! A cut while programming leaves any part of one word programmed, and the word may read differently at the next
//! power-up; a cut while erasing leaves anything in that block.
//! - A header that stands alone, or one blank slot, proves nothing: they may read differently at the next power-up.
//! - A torn entry costs its slot and nothing else, since nothing of its payload was written. An entry whose payload or
//!   commit was torn costs its payload's room, known from the entry.
//! - A torn first commit word that happens to read complete makes the record in hand appear. Opening then programs the
//!   second word before anybody relies on it, so that the record cannot vanish again. If it did not read complete, the
//!   next record takes its number, so that the record cannot appear later.
//! - Before a record is written its room is checked to be blank; a block that is not blank there is left for the next.
//! - A block is erased immediately before it is begun, never earlier, so no half-erased block is trusted.
//! - Numbers of records are consecutive, so a record that can no longer be read is missed and named
//!   ([`Item::Damaged`]). A single flipped bit in a header or commit word costs nothing: each exists twice.
//!
//! # Limits
//! - The region must stay the same for the life of a journal. An opening looks at few headers, so a block that somebody copied to another
//!   place may be met later only, and is refused then ([`Error::Incompatible`]).
//! - A summary that was cut off or has rotted is missing: the one before it is found, and more records have to be read.
//! - A last slot whose entry rots counts as a record even if it was a release mark: losing a record unnoticed would be
//!   worse.
//! - A release that finds no room for its mark, or whose mark the flash does not hold, is kept from the next block on
//!   only: after a power cut before that, the host is asked to acknowledge once more, and released records of a
//!   half-erased block show as damaged until then.
//! - Until another record is kept, one that was in hand at a cut can appear at a later opening only. It can vanish again
//!   only if two cuts hit both its commit words and leave both weakly programmed.

#![no_std]

mod error;
mod layout;
mod reader;
mod region;

use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;

pub use error::Error;
pub use reader::{Buffer, Cursor, Item, Summary};

use layout::{CRC32, Entry, Header, Slot, TABLE};
use region::{CommitWord, Region, Walk};

/// The longest record, in bytes.
pub const MAX_RECORD: usize = 1024;

/// The longest summary, in bytes.
pub const MAX_SUMMARY: usize = 640;

/// The number of a slot that holds a summary: records are numbered from 1.
const SUMMARY: u32 = 0;

/// The number of a record: 1 for the first of a journal, then one more each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u32);

/// Proof that a host holds this journal's records up to a number.
///
/// Implement it only for a type that cannot be made without checking the issuer's signature over (terminal, journal
/// key, sequence number, head) and comparing that head with the record in this journal: what it names is overwritten.
pub trait HostAcknowledgement {
    /// The last record that the host holds durably.
    fn last_record(&self) -> RecordId;
}

/// The block that takes the next record.
struct Tail {
    sequence: u32,
    /// Number of its first record.
    first: u32,
    /// Number of the last record of the journal; `first - 1` while the block has none.
    last: u32,
    /// Slots in use.
    slots: usize,
    /// Where the payloads written so far begin.
    payload: usize,
    /// Takes nothing more: what is in it cannot be relied upon to leave room.
    closed: bool,
}

/// The journal on its part of the flash.
pub struct Journal<F> {
    region: Region<F>,
    /// Sequence number of the oldest block that counts.
    oldest: u32,
    tail: Tail,
    /// Number of the last released record.
    released: u32,
    /// A flash operation failed half-way.
    undecided: bool,
}

impl<F: NorFlash> Journal<F> {
    /// Makes an empty journal, destroying what the region holds. After a cut in it, format again.
    ///
    /// The caller has made sure that no record in the region is unacknowledged.
    ///
    /// # Errors
    /// [`Error::Region`]; [`Error::Flash`]; [`Error::Worn`].
    pub fn format(flash: F, range: Range<u32>) -> Result<Self, Error<F::Error>> {
        let mut region = Region::new(flash, range)?;
        for sequence in 0..region.blocks() {
            region.erase(sequence)?;
        }
        let header = Header {
            sequence: 0,
            first: 1,
            released: 0,
        };
        if !region.begin_block(&header)? {
            return Err(Error::Worn {
                address: region.address(0, 0),
            });
        }
        Ok(Self {
            region,
            oldest: 0,
            tail: Tail::begin(&header, Region::<F>::BLOCK),
            released: 0,
            undecided: false,
        })
    }

    /// Opens the journal: reads the headers that lead to the newest and the oldest block, and the slots of the newest, no payload. Of
    /// blocks in use these are some two for each doubling of the journal; unused and damaged ones are looked at once each.
    ///
    /// # Errors
    /// [`Error::NotFormatted`]; [`Error::Incompatible`]; [`Error::Region`]; [`Error::Flash`].
    pub fn open(flash: F, range: Range<u32>) -> Result<Self, Error<F::Error>> {
        let mut region = Region::new(flash, range)?;
        let places = 0..region.blocks();
        let first = region
            .first_block(places.clone())?
            .ok_or(Error::NotFormatted)?
            .header;
        // Sequence numbers rise from place to place up to the newest block; behind it lie those of the round before.
        let newest = region.last_block(places, |header| header.sequence >= first.sequence)?;
        let newest = newest.unwrap_or(first);
        let behind = newest.sequence.saturating_add(1).saturating_sub(region.blocks());
        let oldest = region.first_block(behind..newest.sequence)?;
        let oldest = oldest.map_or(newest.sequence, |oldest| oldest.header.sequence);
        let tail = Tail::begin(&newest, Region::<F>::BLOCK);
        let mut journal = Self {
            region,
            oldest,
            tail,
            released: newest.released,
            undecided: false,
        };
        journal.scan_tail()?;
        Ok(journal)
    }

    /// Gives the flash back, for instance to open the journal again.
    pub fn into_flash(self) -> F {
        self.region.into_flash()
    }

    /// The last record; none in an empty journal.
    pub fn tail(&self) -> Option<RecordId> {
        (self.tail.last > 0).then_some(RecordId(self.tail.last))
    }

    /// The last released record; none if nothing was released.
    pub fn released(&self) -> Option<RecordId> {
        (self.released > 0).then_some(RecordId(self.released))
    }

    /// Keeps a record. After `Ok` it survives any power cut.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Full`], [`Error::Exhausted`]: nothing was written. [`Error::Worn`]: the record was
    /// not kept. [`Error::Flash`]: not decided, open again. [`Error::Undecided`].
    pub fn append(&mut self, record: &[u8]) -> Result<RecordId, Error<F::Error>> {
        self.append_after(&[], record)
    }

    /// Keeps a record as [`Self::append`] does. If it begins a block, `summary` is kept before it: what the caller has to know of all
    /// records before this one ([`Self::summary`]); none if it is empty.
    ///
    /// # Errors
    /// Those of [`Self::append`]; [`Error::Length`] also for a summary longer than [`MAX_SUMMARY`].
    pub fn append_after(&mut self, summary: &[u8], record: &[u8]) -> Result<RecordId, Error<F::Error>> {
        self.decided()?;
        if record.is_empty() || record.len() > MAX_RECORD || summary.len() > MAX_SUMMARY {
            return Err(Error::Length);
        }
        let number = self.tail.last.checked_add(1).ok_or(Error::Exhausted)?;
        let result = self.append_anywhere(number, summary, record);
        self.note_failure(&result);
        result?;
        self.tail.last = number;
        Ok(RecordId(number))
    }

    /// Lets the space of all records up to the acknowledged one be used again. They stay readable until it is.
    ///
    /// # Errors
    /// [`Error::NoSuchRecord`] for a record not written yet; [`Error::Flash`]; [`Error::Undecided`].
    pub fn release_until(
        &mut self,
        acknowledgement: &impl HostAcknowledgement,
    ) -> Result<(), Error<F::Error>> {
        self.decided()?;
        let last = acknowledgement.last_record().0;
        if last > self.tail.last {
            return Err(Error::NoSuchRecord);
        }
        if last <= self.released {
            return Ok(());
        }
        self.released = last;
        // `append` leaves room for one mark in each block; when that is taken, or the flash does not hold the mark, the
        // next block's header keeps the number.
        if self.has_room(&[], 0)? {
            let result = self.write_slot(last, &[]);
            self.note_failure(&result);
            self.tail.closed |= !result?;
        }
        Ok(())
    }

    /// How many records of `length` bytes are sure to be taken, as long as nothing is torn.
    ///
    /// # Errors
    /// [`Error::Flash`]; [`Error::Undecided`].
    pub fn free_records(&mut self, length: usize) -> Result<u32, Error<F::Error>> {
        self.decided()?;
        let in_block = Self::records_in_block(length);
        let in_tail = match self.tail.closed {
            true => 0,
            false => Region::<F>::records_between(self.tail.table_end::<F>(), self.tail.payload, length),
        };
        let (sequence, _) = self.block_of(self.released.saturating_add(1))?;
        let used = self.tail.sequence.saturating_sub(sequence).saturating_add(1);
        Ok(self
            .region
            .blocks()
            .saturating_sub(used)
            .saturating_mul(in_block)
            .saturating_add(in_tail))
    }

    /// How many records of `length` bytes the journal is sure to take when it is empty.
    pub fn capacity(&self, length: usize) -> u32 {
        self.region
            .blocks()
            .saturating_mul(Self::records_in_block(length))
    }

    /// Records that a new block is sure to take, beside the longest summary.
    fn records_in_block(length: usize) -> u32 {
        let summary = Region::<F>::SLOT.saturating_add(Region::<F>::padded(MAX_SUMMARY));
        Region::<F>::records_between(TABLE.saturating_add(summary), Region::<F>::BLOCK, length)
    }

    fn decided(&self) -> Result<(), Error<F::Error>> {
        if self.undecided {
            Err(Error::Undecided)
        } else {
            Ok(())
        }
    }

    fn note_failure<T>(&mut self, result: &Result<T, Error<F::Error>>) {
        self.undecided |= matches!(result, Err(Error::Flash(_)));
    }

    /// Writes the record into the last block, or into a new one if it does not fit or does not hold there.
    fn append_anywhere(&mut self, number: u32, summary: &[u8], record: &[u8]) -> Result<(), Error<F::Error>> {
        for _ in 0..2 {
            if !self.has_room(record, Region::<F>::SLOT)? {
                self.begin_next_block()?;
                // One that the flash does not hold is missing, and no more than that.
                if !summary.is_empty() {
                    self.write_slot(SUMMARY, summary)?;
                }
            }
            if self.write_slot(number, record)? {
                return Ok(());
            }
            self.tail.closed = true;
        }
        Err(Error::Worn {
            address: self.region.address(self.tail.sequence, 0),
        })
    }

    /// Whether slot and payload fit into the last block with `reserve` bytes to spare, on blank flash.
    fn has_room(&mut self, payload: &[u8], reserve: usize) -> Result<bool, Error<F::Error>> {
        let length = Region::<F>::padded(payload.len());
        let (start, end) = (self.tail.table_end::<F>(), self.tail.payload);
        let needed = Region::<F>::SLOT.saturating_add(length).saturating_add(reserve);
        if self.tail.closed || end.saturating_sub(start) < needed {
            return Ok(false);
        }
        let sequence = self.tail.sequence;
        let blank = self.region.is_blank(sequence, start, Region::<F>::SLOT)?
            && self
                .region
                .is_blank(sequence, end.saturating_sub(length), length)?;
        self.tail.closed |= !blank;
        Ok(blank)
    }

    /// Writes and commits one slot of the last block, which has room; false if the flash does not hold it.
    fn write_slot(&mut self, number: u32, payload: &[u8]) -> Result<bool, Error<F::Error>> {
        let Tail {
            sequence,
            slots: slot,
            ..
        } = self.tail;
        let offset = self
            .tail
            .payload
            .saturating_sub(Region::<F>::padded(payload.len()));
        // Both are at most a block, 32768 bytes.
        let (Ok(start), Ok(length)) = (u16::try_from(offset), u16::try_from(payload.len())) else {
            return Ok(false);
        };
        let entry = Entry {
            number,
            offset: start,
            length,
            crc: CRC32.checksum(payload),
        };
        self.tail.slots = slot.saturating_add(1);
        self.tail.payload = offset;

        self.region.write_entry(sequence, slot, &entry)?;
        self.region.write(sequence, offset, payload)?;
        let written = self.region.slot(sequence, slot)? == Slot::Abandoned(Some(entry));
        if !written || self.region.crc(sequence, offset, payload.len())? != entry.crc {
            return Ok(false);
        }
        self.region.write_commit(sequence, slot, CommitWord::First)?;
        self.region.write_commit(sequence, slot, CommitWord::Second)?;
        Ok(self.region.slot(sequence, slot)? == Slot::Committed(Some(entry)))
    }

    /// Erases the block after the last one and begins it, if all its records are released.
    fn begin_next_block(&mut self) -> Result<(), Error<F::Error>> {
        let sequence = self.tail.sequence.checked_add(1).ok_or(Error::Exhausted)?;
        let replaced = sequence
            .checked_sub(self.region.blocks())
            .filter(|replaced| *replaced >= self.oldest);
        if let Some(replaced) = replaced {
            let (following, first) = self.block_from(replaced.saturating_add(1))?;
            if first.saturating_sub(1) > self.released {
                return Err(Error::Full);
            }
            self.oldest = following;
        }
        let header = Header {
            sequence,
            first: self.tail.last.saturating_add(1),
            released: self.released,
        };
        if !self.region.begin_block(&header)? {
            return Err(Error::Worn {
                address: self.region.address(sequence, 0),
            });
        }
        self.tail = Tail::begin(&header, Region::<F>::BLOCK);
        Ok(())
    }

    /// Sequence number and first record of the next block that counts, from this one on.
    fn block_from(&mut self, sequence: u32) -> Result<(u32, u32), Error<F::Error>> {
        let found = self.region.first_block(sequence..self.tail.sequence)?;
        Ok(found.map_or((self.tail.sequence, self.tail.first), |found| {
            (found.header.sequence, found.header.first)
        }))
    }

    /// Sequence number and first record of the block where a walk to a record begins: the last one that begins with it or with one
    /// before it, or the oldest.
    fn block_of(&mut self, record: u32) -> Result<(u32, u32), Error<F::Error>> {
        if self.tail.first <= record {
            return Ok((self.tail.sequence, self.tail.first));
        }
        let before = self.oldest..self.tail.sequence;
        match self.region.last_block(before, |header| header.first <= record)? {
            Some(header) => Ok((header.sequence, header.first)),
            None => Ok((self.oldest, self.block_from(self.oldest)?.1)),
        }
    }

    /// Finds the end of the last block and decides on an append that was cut between its commit words.
    fn scan_tail(&mut self) -> Result<(), Error<F::Error>> {
        let mut walk = Walk::new(self.tail.sequence, Region::<F>::BLOCK);
        while let Some((slot, found)) = self.region.next_slot(&mut walk)? {
            self.tail.slots = walk.slot;
            match found {
                Slot::Committed(Some(entry)) if self.stands(walk, &entry)? => self.take(&entry),
                Slot::Committed(None) => self.take_unreadable(),
                Slot::Unconfirmed(entry) if self.stands(walk, &entry)? => {
                    self.region
                        .write_commit(walk.sequence, slot, CommitWord::Second)?;
                    self.take(&entry);
                }
                other => self.tail.occupy(other.entry()),
            }
        }
        Ok(())
    }

    /// Whether a slot that reads as committed, just walked past, holds a record. Had an earlier opening not read it so,
    /// the next record would have been given its number.
    fn stands(&mut self, mut walk: Walk, entry: &Entry) -> Result<bool, Error<F::Error>> {
        while let Some((_, later)) = self.region.next_slot(&mut walk)? {
            if let Some(next) = later.entry().filter(|next| next.length > 0) {
                return Ok(next.number != entry.number);
            }
        }
        if walk.sequence == self.tail.sequence {
            return Ok(true);
        }
        let (_, first) = self.block_from(walk.sequence.saturating_add(1))?;
        Ok(first != entry.number)
    }

    fn take(&mut self, entry: &Entry) {
        self.tail.closed = false;
        self.tail.occupy(Some(entry));
        match entry.length {
            0 => self.released = self.released.max(entry.number),
            _ => self.tail.last = self.tail.last.max(entry.number),
        }
    }

    /// A committed slot whose entry has rotted: it keeps its number, and where its payload begins is unknown until a
    /// later entry tells.
    fn take_unreadable(&mut self) {
        self.tail.last = self.tail.last.saturating_add(1);
        self.tail.closed = true;
    }
}

impl Tail {
    fn begin(header: &Header, block: usize) -> Self {
        let last = header.first.saturating_sub(1);
        Self {
            sequence: header.sequence,
            first: header.first,
            last,
            slots: 0,
            payload: block,
            closed: false,
        }
    }

    fn occupy(&mut self, entry: Option<&Entry>) {
        if let Some(entry) = entry {
            self.payload = self.payload.min(usize::from(entry.offset));
        }
    }

    fn table_end<F: NorFlash>(&self) -> usize {
        Region::<F>::slot_offset(self.slots)
    }
}
