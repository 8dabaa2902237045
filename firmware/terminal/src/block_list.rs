//! The block list in flash (DATA 4): cards that are paid nothing, in ascending order.

use card_spec::crypto::Digest;
use card_spec::list::{BlockEntry, BlockListHeader, BlockReason};
use card_spec::merkle::{RootBuilder, leaf_hash};
use card_spec::signed::{Signed, Verified};
use card_spec::tlv::{Field as _, Reader};
use card_spec::values::{CardNumber, Time};
use embedded_storage::nor_flash::NorFlash;
use link::Refusal;

use crate::device::{MAXIMUM_HEADER, Object};
use crate::flash::{Area, FlashError};

/// Bytes of flash for each entry: the entry itself.
const STRIDE: u32 = 16;
const _: () = assert!(BlockEntry::LENGTH == STRIDE as usize);

/// What a verified header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) hash: Digest,
    pub(crate) number: u32,
    pub(crate) issued: Time,
    count: u32,
    root: Digest,
}

impl Facts {
    fn of(header: &BlockListHeader, hash: Digest) -> Self {
        Self {
            hash,
            number: header.number,
            issued: header.issued,
            count: header.count,
            root: header.root,
        }
    }
}

/// The block list in force.
pub(crate) struct BlockList<'f, F> {
    area: Area<'f, F>,
    facts: Facts,
}

impl<'f, F: NorFlash> BlockList<'f, F> {
    /// A list that was put in force before; its header was verified then and kept by the device. `None` if the flash has
    /// lost it.
    pub(crate) fn open(area: Area<'f, F>, header: &[u8]) -> Option<Self> {
        let header = Signed::<BlockListHeader>::parse(header).ok()?;
        let facts = Facts::of(header.claimed(), header.hash());
        Self { area, facts }.proven()
    }

    /// The list as it lies in flash, if it still is what the issuer signed: a binary search would not find an entry
    /// behind one that has changed.
    fn proven(self) -> Option<Self> {
        let mut root = RootBuilder::new();
        for index in 0..self.facts.count {
            let entry = self.area.read::<{ STRIDE as usize }>(offset(index)).ok()?;
            root.push(leaf_hash(&entry), |_, _, _| {});
        }
        (root.root() == self.facts.root).then_some(self)
    }

    /// What its header says.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Why the card is blocked, if it is: a binary search. An entry that cannot be read counts as the card's: the
    /// flash has lost it, and what it said is unknown.
    pub(crate) fn reason(&self, card: CardNumber) -> Result<Option<BlockReason>, FlashError> {
        let (mut low, mut high) = (0, self.facts.count);
        while low < high {
            let middle = low.midpoint(high);
            let bytes = self.area.read::<{ STRIDE as usize }>(offset(middle))?;
            let Ok(entry) = BlockEntry::read(&mut Reader::new(&bytes), BlockEntry::TAG) else {
                return Ok(Some(BlockReason::Lost));
            };
            match entry.card_number.cmp(&card) {
                core::cmp::Ordering::Equal => return Ok(Some(entry.reason)),
                core::cmp::Ordering::Less => low = middle.saturating_add(1),
                core::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }
}

fn offset(index: u32) -> u32 {
    index.saturating_mul(STRIDE)
}

/// A block list on its way into the area that is not in use.
pub(crate) struct BlockLoading<'f, F> {
    area: Area<'f, F>,
    header: Object<MAXIMUM_HEADER>,
    facts: Facts,
    /// Entries taken so far.
    entries: u32,
    last: Option<CardNumber>,
}

impl<'f, F: NorFlash> BlockLoading<'f, F> {
    /// Erases the area for a block list with this header.
    pub(crate) fn begin(
        mut area: Area<'f, F>,
        header: &Verified<'_, BlockListHeader>,
    ) -> Result<Self, Refusal> {
        let facts = Facts::of(header, header.hash());
        let length = facts.count.checked_mul(STRIDE).ok_or(Refusal::TooLarge)?;
        if length > area.size() {
            return Err(Refusal::TooLarge);
        }
        if facts.issued == Time::UNSET {
            return Err(Refusal::Malformed);
        }
        area.erase(0, length).map_err(|_| Refusal::Storage)?;
        Ok(Self {
            area,
            header: Object::from_slice(header.encoding()).map_err(|_| Refusal::TooLarge)?,
            facts,
            entries: 0,
            last: None,
        })
    }

    /// Takes the next entries, whole ones.
    pub(crate) fn entries(&mut self, entries: &[u8]) -> Result<(), Refusal> {
        let mut reader = Reader::new(entries);
        while !reader.rest().is_empty() {
            let before = reader.rest();
            let entry = BlockEntry::read(&mut reader, BlockEntry::TAG).map_err(|_| Refusal::Malformed)?;
            let encoding = before
                .first_chunk::<{ STRIDE as usize }>()
                .ok_or(Refusal::Malformed)?;
            let ascending = self.last.is_none_or(|last| last < entry.card_number);
            if !ascending || self.entries >= self.facts.count {
                return Err(Refusal::Incomplete);
            }
            self.area
                .write(offset(self.entries), encoding)
                .map_err(|_| Refusal::Storage)?;
            self.last = Some(entry.card_number);
            self.entries = self.entries.saturating_add(1);
        }
        Ok(())
    }

    /// The block list, if it is what the issuer signed.
    pub(crate) fn finish(self) -> Result<(Object<MAXIMUM_HEADER>, BlockList<'f, F>), Refusal> {
        if self.entries != self.facts.count {
            return Err(Refusal::Incomplete);
        }
        let list = BlockList {
            area: self.area,
            facts: self.facts,
        };
        Ok((self.header, list.proven().ok_or(Refusal::Incomplete)?))
    }
}
