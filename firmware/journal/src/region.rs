//! The part of the flash that belongs to the journal: blocks addressed by sequence number, words padded, nothing
//! interpreted.

use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;

use crate::Error;
use crate::layout::{self, CRC32, ENTRY, Entry, Geometry, HEADER, Header, MAX_SLOT, MAX_WORD, Slot, TABLE};

/// How many bytes are looked at in one read when a longer stretch is checked.
const CHUNK: usize = 256;

pub(crate) struct Region<F> {
    flash: F,
    start: u32,
    blocks: u32,
}

impl<F: NorFlash> Region<F> {
    /// Program word in bytes. Chips that program smaller units are used in units of four.
    pub(crate) const WORD: usize = if F::WRITE_SIZE < 4 { 4 } else { F::WRITE_SIZE };
    /// Erase block in bytes.
    pub(crate) const BLOCK: usize = F::ERASE_SIZE;
    /// One slot in bytes: entry and two commit words.
    pub(crate) const SLOT: usize = ENTRY.saturating_add(Self::WORD.saturating_mul(2));

    const GEOMETRY: Geometry = {
        assert!(
            MAX_WORD.is_multiple_of(Self::WORD),
            "program words of 4, 8 or 16 bytes"
        );
        assert!(Self::WORD.is_multiple_of(F::WRITE_SIZE) && Self::WORD.is_multiple_of(F::READ_SIZE));
        assert!(Self::BLOCK >= 2048 && Self::BLOCK <= 32768 && Self::BLOCK.is_power_of_two());
        Geometry {
            word: Self::WORD as u8,
            block: Self::BLOCK as u16,
        }
    };

    pub(crate) fn new(flash: F, range: Range<u32>) -> Result<Self, Error<F::Error>> {
        let block = u32::from(Self::GEOMETRY.block);
        let length = range.end.checked_sub(range.start).ok_or(Error::Region)?;
        let blocks = length.checked_div(block).ok_or(Error::Region)?;
        let aligned = range.start.is_multiple_of(block) && length.is_multiple_of(block);
        let inside = usize::try_from(range.end).is_ok_and(|end| end <= flash.capacity());
        // Two blocks at least: one is in use while the other is erased.
        if !aligned || !inside || blocks < 2 {
            return Err(Error::Region);
        }
        Ok(Self {
            flash,
            start: range.start,
            blocks,
        })
    }

    pub(crate) fn into_flash(self) -> F {
        self.flash
    }

    pub(crate) fn blocks(&self) -> u32 {
        self.blocks
    }

    /// The flash address of a byte of a block.
    pub(crate) fn address(&self, sequence: u32, offset: usize) -> u32 {
        let index = sequence.checked_rem(self.blocks).unwrap_or(0);
        let block = index.saturating_mul(u32::from(Self::GEOMETRY.block));
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        self.start.saturating_add(block).saturating_add(offset)
    }

    /// `length` rounded up to whole words.
    pub(crate) fn padded(length: usize) -> usize {
        length.checked_next_multiple_of(Self::WORD).unwrap_or(usize::MAX)
    }

    /// Where a slot begins in its block.
    pub(crate) fn slot_offset(slot: usize) -> usize {
        slot.saturating_mul(Self::SLOT).saturating_add(TABLE)
    }

    /// How many records of `length` bytes fit between the end of the slots and the payloads, with room for one mark.
    pub(crate) fn records_between(start: usize, end: usize, length: usize) -> u32 {
        let room = end.saturating_sub(start).saturating_sub(Self::SLOT);
        let record = Self::SLOT.saturating_add(Self::padded(length));
        room.checked_div(record)
            .and_then(|records| u32::try_from(records).ok())
            .unwrap_or(0)
    }

    /// The header of a block that counts: one with something behind its header, or the journal's first.
    ///
    /// A header that stands alone may be a torn one that reads differently at the next power-up. Right bytes in the wrong place
    /// are [`Error::Incompatible`]: the region was cut differently when they were written.
    pub(crate) fn header(&mut self, sequence: u32) -> Result<Option<Header>, Error<F::Error>> {
        let Some(header) = self.header_copies(sequence)? else {
            return Ok(None);
        };
        if header.sequence > 0 && self.is_blank(sequence, TABLE, Self::BLOCK.saturating_sub(TABLE))? {
            return Ok(None);
        }
        if self.address(header.sequence, 0) != self.address(sequence, 0) {
            return Err(Error::Incompatible);
        }
        Ok(Some(header))
    }

    /// The first block that counts, and its header.
    pub(crate) fn first_block(&mut self, among: Range<u32>) -> Result<Option<Found>, Error<F::Error>> {
        for sequence in among {
            if let Some(header) = self.header(sequence)? {
                return Ok(Some(Found { sequence, header }));
            }
        }
        Ok(None)
    }

    /// The header of the last block of which `holds` is true. It is true of no block after one of which it is false.
    ///
    /// Halves the blocks, and looks one by one only at those without a header that counts: unused or damaged ones.
    pub(crate) fn last_block(
        &mut self,
        among: Range<u32>,
        holds: impl Fn(&Header) -> bool,
    ) -> Result<Option<Header>, Error<F::Error>> {
        let Range {
            start: mut low,
            end: mut high,
        } = among;
        let mut last = None;
        while low < high {
            let middle = low.midpoint(high);
            match self.first_block(middle..high)? {
                Some(found) if holds(&found.header) => {
                    low = found.sequence.saturating_add(1);
                    last = Some(found.header);
                }
                _ => high = middle,
            }
        }
        Ok(last)
    }

    fn header_copies(&mut self, sequence: u32) -> Result<Option<Header>, Error<F::Error>> {
        let mut copies = [0; TABLE];
        self.read(sequence, 0, &mut copies)?;
        Header::decode_copies(&copies, Self::GEOMETRY).map_err(|_| Error::Incompatible)
    }

    /// The next slot in use of a block.
    ///
    /// The slots end where all is blank up to the payloads: a blank slot alone may be a torn one that reads as if it
    /// had never been used.
    pub(crate) fn next_slot(&mut self, walk: &mut Walk) -> Result<Option<(usize, Slot)>, Error<F::Error>> {
        loop {
            let slot = walk.slot;
            let end = Self::slot_offset(slot.saturating_add(1));
            if end > walk.limit {
                return Ok(None);
            }
            let found = self.slot(walk.sequence, slot)?;
            if found == Slot::Blank && self.is_blank(walk.sequence, end, walk.limit.saturating_sub(end))? {
                return Ok(None);
            }
            walk.slot = slot.saturating_add(1);
            if let Some(entry) = found.entry() {
                walk.limit = walk.limit.min(usize::from(entry.offset));
            }
            if found != Slot::Blank {
                return Ok(Some((slot, found)));
            }
        }
    }

    /// One slot, in use or not.
    pub(crate) fn slot(&mut self, sequence: u32, slot: usize) -> Result<Slot, Error<F::Error>> {
        let mut bytes = [0; MAX_SLOT];
        let bytes = bytes.get_mut(..Self::SLOT).unwrap_or_default();
        self.read(sequence, Self::slot_offset(slot), bytes)?;
        Ok(Slot::decode(bytes, sequence, Self::GEOMETRY))
    }

    /// Erases a block and writes its header; false if the flash does not hold it.
    pub(crate) fn begin_block(&mut self, header: &Header) -> Result<bool, Error<F::Error>> {
        self.erase(header.sequence)?;
        let bytes = header.encode(Self::GEOMETRY);
        self.write(header.sequence, 0, &bytes)?;
        self.write(header.sequence, HEADER, &bytes)?;
        Ok(self.header_copies(header.sequence)? == Some(*header))
    }

    pub(crate) fn write_entry(
        &mut self,
        sequence: u32,
        slot: usize,
        entry: &Entry,
    ) -> Result<(), Error<F::Error>> {
        self.write(sequence, Self::slot_offset(slot), &entry.encode(sequence))
    }

    /// Programs one of the two commit words of a slot.
    pub(crate) fn write_commit(
        &mut self,
        sequence: u32,
        slot: usize,
        commit: CommitWord,
    ) -> Result<(), Error<F::Error>> {
        let before = match commit {
            CommitWord::First => ENTRY,
            CommitWord::Second => ENTRY.saturating_add(Self::WORD),
        };
        let word = [0; MAX_WORD];
        let word = word.get(..Self::WORD).unwrap_or_default();
        self.write(sequence, Self::slot_offset(slot).saturating_add(before), word)
    }

    pub(crate) fn erase(&mut self, sequence: u32) -> Result<(), Error<F::Error>> {
        let (from, to) = (self.address(sequence, 0), self.address(sequence, Self::BLOCK));
        self.flash.erase(from, to).map_err(Error::Flash)
    }

    /// Programs `bytes`, the last word filled up with ones. `offset` is a multiple of the word.
    pub(crate) fn write(
        &mut self,
        sequence: u32,
        offset: usize,
        bytes: &[u8],
    ) -> Result<(), Error<F::Error>> {
        let (whole, rest) = Self::split(bytes);
        if !whole.is_empty() {
            self.flash
                .write(self.address(sequence, offset), whole)
                .map_err(Error::Flash)?;
        }
        if rest.is_empty() {
            return Ok(());
        }
        let mut word = [0xFF; MAX_WORD];
        let word = word.get_mut(..Self::WORD).unwrap_or_default();
        word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        let address = self.address(sequence, offset.saturating_add(whole.len()));
        self.flash.write(address, word).map_err(Error::Flash)
    }

    /// Reads any number of bytes. `offset` is a multiple of the word.
    pub(crate) fn read(
        &mut self,
        sequence: u32,
        offset: usize,
        bytes: &mut [u8],
    ) -> Result<(), Error<F::Error>> {
        let whole = Self::split(bytes).0.len();
        let (body, rest) = bytes.split_at_mut_checked(whole).unwrap_or_default();
        if !body.is_empty() {
            self.flash
                .read(self.address(sequence, offset), body)
                .map_err(Error::Flash)?;
        }
        if rest.is_empty() {
            return Ok(());
        }
        let mut word = [0; MAX_WORD];
        let word = word.get_mut(..Self::WORD).unwrap_or_default();
        self.flash
            .read(self.address(sequence, offset.saturating_add(whole)), word)
            .map_err(Error::Flash)?;
        rest.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
        Ok(())
    }

    pub(crate) fn is_blank(
        &mut self,
        sequence: u32,
        offset: usize,
        length: usize,
    ) -> Result<bool, Error<F::Error>> {
        self.all(sequence, offset, length, layout::is_blank)
    }

    pub(crate) fn crc(
        &mut self,
        sequence: u32,
        offset: usize,
        length: usize,
    ) -> Result<u32, Error<F::Error>> {
        let mut digest = CRC32.digest();
        self.all(sequence, offset, length, |bytes| {
            digest.update(bytes);
            true
        })?;
        Ok(digest.finalize())
    }

    /// Whether `check` accepts all of a stretch, piece by piece; stops at the first that it does not.
    fn all(
        &mut self,
        sequence: u32,
        offset: usize,
        length: usize,
        mut check: impl FnMut(&[u8]) -> bool,
    ) -> Result<bool, Error<F::Error>> {
        let mut chunk = [0; CHUNK];
        for done in (0..length).step_by(CHUNK) {
            let size = length.saturating_sub(done).min(CHUNK);
            let bytes = chunk.get_mut(..size).unwrap_or_default();
            self.read(sequence, offset.saturating_add(done), bytes)?;
            if !check(bytes) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
        let rest = bytes.len().checked_rem(Self::WORD).unwrap_or(0);
        bytes
            .split_at_checked(bytes.len().saturating_sub(rest))
            .unwrap_or_default()
    }
}

/// A block that counts: where it was looked for, and its header.
pub(crate) struct Found {
    sequence: u32,
    pub(crate) header: Header,
}

/// A walk through the slots of a block, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Walk {
    pub(crate) sequence: u32,
    /// The slot to look at next.
    pub(crate) slot: usize,
    /// Where the payloads met so far begin: no slot lies beyond.
    limit: usize,
}

impl Walk {
    /// From the first slot of a block of `block` bytes.
    pub(crate) fn new(sequence: u32, block: usize) -> Self {
        Self {
            sequence,
            slot: 0,
            limit: block,
        }
    }
}

/// The two words that make a record: it counts when one is complete and the other at least begun.
#[derive(Clone, Copy)]
pub(crate) enum CommitWord {
    First,
    Second,
}
