//! Reading records back, in order and one by one, and naming the damaged ones.

use embedded_storage::nor_flash::NorFlash;

use crate::layout::{Entry, Slot};
use crate::region::{Region, Walk};
use crate::{Error, Journal, MAX_RECORD, RecordId, SUMMARY};

/// Room for any record.
pub type Buffer = [u8; MAX_RECORD];

/// What was found for one record, or for several damaged ones in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'b> {
    /// A record, exactly as it was appended.
    Record {
        /// Its number.
        id: RecordId,
        /// Its bytes.
        bytes: &'b [u8],
    },
    /// Records that were kept and can no longer be read: the flash has lost bits. After an interrupted reuse of space,
    /// released records can show so too.
    Damaged {
        /// The first of them.
        first: RecordId,
        /// The last of them.
        last: RecordId,
        /// Flash address where they were, or where the search ended.
        address: u32,
    },
}

/// What a caller said of all records before one ([`Journal::append_after`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary<'b> {
    /// The first record that it knows nothing of: everything from here on has to be read.
    pub next: RecordId,
    /// Its bytes.
    pub bytes: &'b [u8],
}

/// A place between two records. It stays valid while records are appended and released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    next: u32,
    walk: Walk,
}

impl<F: NorFlash> Journal<F> {
    /// A cursor before record `from`, or before the oldest that is left if `from` was released and overwritten.
    ///
    /// # Errors
    /// [`Error::Flash`]; [`Error::Undecided`].
    pub fn iter_from(&mut self, from: RecordId) -> Result<Cursor, Error<F::Error>> {
        self.decided()?;
        let (sequence, first) = self.block_of(from.0)?;
        // Below the oldest block all records are released, or lost with their block and then still to be named.
        let next = from.0.max(first.min(self.released.saturating_add(1)));
        Ok(Cursor {
            next,
            walk: Walk::new(sequence, Region::<F>::BLOCK),
        })
    }

    /// The next record or the next damaged ones; none after the last record.
    ///
    /// # Errors
    /// [`Error::Flash`]; [`Error::Undecided`].
    pub fn next<'b>(
        &mut self,
        cursor: &mut Cursor,
        buffer: &'b mut Buffer,
    ) -> Result<Option<Item<'b>>, Error<F::Error>> {
        self.decided()?;
        if !(self.oldest..=self.tail.sequence).contains(&cursor.walk.sequence) {
            *cursor = self.iter_from(RecordId(cursor.next))?;
        }
        if cursor.next > self.tail.last {
            return Ok(None);
        }
        let Some((entry, before)) = self.find(cursor)? else {
            let address = self.region.address(self.tail.sequence, 0);
            return Ok(Some(damaged(cursor, self.tail.last, address)));
        };
        let address = self
            .region
            .address(cursor.walk.sequence, usize::from(entry.offset));
        if entry.number > cursor.next {
            cursor.walk = before;
            return Ok(Some(damaged(cursor, entry.number.saturating_sub(1), address)));
        }
        match self.payload(before.sequence, &entry, buffer)? {
            Some(bytes) => {
                cursor.next = entry.number.saturating_add(1);
                Ok(Some(Item::Record {
                    id: RecordId(entry.number),
                    bytes,
                }))
            }
            None => Ok(Some(damaged(cursor, entry.number, address))),
        }
    }

    /// One record.
    ///
    /// # Errors
    /// [`Error::NoSuchRecord`]; [`Error::Flash`]; [`Error::Undecided`].
    pub fn read<'b>(&mut self, id: RecordId, buffer: &'b mut Buffer) -> Result<Item<'b>, Error<F::Error>> {
        let mut cursor = self.iter_from(id)?;
        if cursor.next != id.0 || id.0 == 0 {
            return Err(Error::NoSuchRecord);
        }
        self.next(&mut cursor, buffer)?.ok_or(Error::NoSuchRecord)
    }

    /// The newest summary that can be read, if there is one.
    ///
    /// Costs no more for a long journal than for a short one, unless power cuts or rot have taken the newest summaries.
    ///
    /// # Errors
    /// [`Error::Flash`]; [`Error::Undecided`].
    pub fn summary<'b>(&mut self, buffer: &'b mut Buffer) -> Result<Option<Summary<'b>>, Error<F::Error>> {
        self.decided()?;
        for sequence in (self.oldest..=self.tail.sequence).rev() {
            if let Some((next, length)) = self.summary_of(sequence, buffer)? {
                return Ok(buffer.get(..length).map(|bytes| Summary { next, bytes }));
            }
        }
        Ok(None)
    }

    /// Reads the summary at the beginning of a block into `buffer`.
    fn summary_of(
        &mut self,
        sequence: u32,
        buffer: &mut Buffer,
    ) -> Result<Option<(RecordId, usize)>, Error<F::Error>> {
        let first = match sequence == self.tail.sequence {
            true => Some(self.tail.first),
            false => self.region.header(sequence)?.map(|header| header.first),
        };
        let (Some(first), Slot::Committed(Some(entry))) = (first, self.region.slot(sequence, 0)?) else {
            return Ok(None);
        };
        if entry.number != SUMMARY || entry.length == 0 {
            return Ok(None);
        }
        let read = self.payload(sequence, &entry, buffer)?;
        Ok(read.map(|bytes| (RecordId(first), bytes.len())))
    }

    /// Walks to the first readable entry of a record at or after the cursor's number. Also returns the walk before it.
    fn find(&mut self, cursor: &mut Cursor) -> Result<Option<(Entry, Walk)>, Error<F::Error>> {
        while cursor.walk.sequence <= self.tail.sequence {
            let before = cursor.walk;
            let Some((_, slot)) = self.region.next_slot(&mut cursor.walk)? else {
                cursor.walk = Walk::new(before.sequence.saturating_add(1), Region::<F>::BLOCK);
                continue;
            };
            let (Slot::Committed(Some(entry)) | Slot::Unconfirmed(entry)) = slot else {
                continue;
            };
            let wanted = entry.length > 0 && entry.number >= cursor.next;
            if wanted && self.stands(cursor.walk, &entry)? {
                return Ok(Some((entry, before)));
            }
        }
        Ok(None)
    }

    fn payload<'b>(
        &mut self,
        sequence: u32,
        entry: &Entry,
        buffer: &'b mut Buffer,
    ) -> Result<Option<&'b [u8]>, Error<F::Error>> {
        let bytes = buffer.get_mut(..usize::from(entry.length)).unwrap_or_default();
        self.region.read(sequence, usize::from(entry.offset), bytes)?;
        let intact = crate::layout::CRC32.checksum(bytes) == entry.crc;
        Ok(intact.then_some(bytes))
    }
}

fn damaged<'b>(cursor: &mut Cursor, last: u32, address: u32) -> Item<'b> {
    let first = RecordId(cursor.next);
    cursor.next = last.saturating_add(1);
    Item::Damaged {
        first,
        last: RecordId(last),
        address,
    }
}
