//! The bytes on the flash: block headers, slots and commit words. Pure functions; the format is described in the crate's
//! documentation.

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::MAX_RECORD;

/// CRC-32 of ISO/IEC 13239 (HDLC), the one of Ethernet and zip.
pub(crate) const CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// One copy of the block header, in bytes.
pub(crate) const HEADER: usize = 24;
/// Where the slots begin: behind both copies of the block header.
pub(crate) const TABLE: usize = 48;
/// The description of a record at the start of its slot, in bytes; the two commit words follow.
pub(crate) const ENTRY: usize = 16;
/// The largest program word, in bytes.
pub(crate) const MAX_WORD: usize = 16;
/// The largest slot, in bytes.
pub(crate) const MAX_SLOT: usize = 48;

const MAGIC: [u8; 4] = *b"ANSJ";
const VERSION: u8 = 2;

/// What the format takes from the flash chip.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Program word in bytes.
    pub(crate) word: u8,
    /// Erase block in bytes.
    pub(crate) block: u16,
}

/// The header of a block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The block's number since the journal was made; its place on the flash is this modulo the number of blocks.
    pub(crate) sequence: u32,
    /// The number of the first record that this block takes.
    pub(crate) first: u32,
    /// The last released record when the block was begun; 0 for none.
    pub(crate) released: u32,
}

/// A header whose CRC is right but which this build cannot work with.
pub(crate) struct Incompatible;

impl Header {
    pub(crate) fn encode(&self, geometry: Geometry) -> [u8; HEADER] {
        let mut bytes = concat(&[
            &MAGIC,
            &[VERSION, geometry.word],
            &geometry.block.to_be_bytes(),
            &self.sequence.to_be_bytes(),
            &self.first.to_be_bytes(),
            &self.released.to_be_bytes(),
        ]);
        if let Some((body, crc)) = bytes.split_last_chunk_mut::<4>() {
            *crc = CRC32.checksum(body).to_be_bytes();
        }
        bytes
    }

    /// Reads the two copies at the start of a block; one is enough.
    pub(crate) fn decode_copies(
        copies: &[u8; TABLE],
        geometry: Geometry,
    ) -> Result<Option<Self>, Incompatible> {
        let (copies, _) = copies.as_chunks::<HEADER>();
        for copy in copies {
            if let Some(header) = Self::decode(copy, geometry)? {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    fn decode(bytes: &[u8; HEADER], geometry: Geometry) -> Result<Option<Self>, Incompatible> {
        let mut fields = Fields(bytes);
        let Some((body, crc)) = bytes.split_last_chunk::<4>() else {
            return Ok(None);
        };
        if fields.take() != Some(MAGIC) || CRC32.checksum(body).to_be_bytes() != *crc {
            return Ok(None);
        }
        let same_version = fields.take() == Some([VERSION, geometry.word]);
        let same_block = fields.take() == Some(geometry.block.to_be_bytes());
        if !(same_version && same_block) {
            return Err(Incompatible);
        }
        let (Some(sequence), Some(first), Some(released)) = (fields.take(), fields.take(), fields.take())
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            sequence: u32::from_be_bytes(sequence),
            first: u32::from_be_bytes(first),
            released: u32::from_be_bytes(released),
        }))
    }
}

/// The description of a record, or of a release mark when `length` is 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The record's number; in a release mark the last released record; in a summary 0.
    pub(crate) number: u32,
    /// Where the payload begins, from the start of the block.
    pub(crate) offset: u16,
    /// Payload bytes.
    pub(crate) length: u16,
    /// CRC-32 of the payload.
    pub(crate) crc: u32,
}

impl Entry {
    /// The CRC covers the block's sequence number too, so that what an interrupted erase leaves of an older block is
    /// never taken for a record of the new one.
    pub(crate) fn encode(&self, sequence: u32) -> [u8; ENTRY] {
        let body: [u8; 12] = concat(&[
            &self.number.to_be_bytes(),
            &self.offset.to_be_bytes(),
            &self.length.to_be_bytes(),
            &self.crc.to_be_bytes(),
        ]);
        concat(&[&body, &entry_crc(sequence, &body).to_be_bytes()])
    }

    fn decode(bytes: &[u8; ENTRY], sequence: u32, geometry: Geometry) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if entry_crc(sequence, body).to_be_bytes() != *crc {
            return None;
        }
        let mut fields = Fields(body);
        let entry = Self {
            number: u32::from_be_bytes(fields.take()?),
            offset: u16::from_be_bytes(fields.take()?),
            length: u16::from_be_bytes(fields.take()?),
            crc: u32::from_be_bytes(fields.take()?),
        };
        let inside = entry
            .offset
            .checked_add(entry.length)
            .is_some_and(|end| end <= geometry.block);
        (inside && usize::from(entry.length) <= MAX_RECORD).then_some(entry)
    }
}

fn entry_crc(sequence: u32, body: &[u8]) -> u32 {
    let mut digest = CRC32.digest();
    digest.update(&sequence.to_be_bytes());
    digest.update(body);
    digest.finalize()
}

/// What a slot holds. An entry is missing where its own CRC is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Not used, or torn so that it reads as if.
    Blank,
    /// Begun and not committed: no record.
    Abandoned(Option<Entry>),
    /// The first commit word reads complete, the second is untouched: committed, once the second is programmed.
    Unconfirmed(Entry),
    /// Committed.
    Committed(Option<Entry>),
}

impl Slot {
    /// The entry, if it can be read.
    pub(crate) fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Blank => None,
            Self::Unconfirmed(entry) => Some(entry),
            Self::Abandoned(entry) | Self::Committed(entry) => entry.as_ref(),
        }
    }

    pub(crate) fn decode(bytes: &[u8], sequence: u32, geometry: Geometry) -> Self {
        if is_blank(bytes) {
            return Self::Blank;
        }
        let Some((entry, commit)) = bytes.split_first_chunk::<ENTRY>() else {
            return Self::Abandoned(None);
        };
        let Some((first, second)) = commit.split_at_checked(usize::from(geometry.word)) else {
            return Self::Abandoned(None);
        };
        let entry = Entry::decode(entry, sequence, geometry);
        match (is_zero(first), is_zero(second), is_blank(second), entry) {
            (_, true, _, entry) | (true, _, false, entry) => Self::Committed(entry),
            (true, _, true, Some(entry)) => Self::Unconfirmed(entry),
            (_, _, _, entry) => Self::Abandoned(entry),
        }
    }
}

/// Erased: all ones.
pub(crate) fn is_blank(bytes: &[u8]) -> bool {
    // By words: a start looks at whole blocks.
    let (words, rest) = bytes.as_chunks::<4>();
    words.iter().all(|word| *word == [0xFF; 4]) && rest.iter().all(|byte| *byte == 0xFF)
}

/// A commit word is complete when every bit is programmed: an interrupted one has at least one bit left.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn concat<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes
        .iter_mut()
        .zip(parts.iter().copied().flatten())
        .for_each(|(to, from)| *to = *from);
    bytes
}

/// Fixed-size fields, taken one after the other.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }
}
