//! The block list in flash (DATA 4): cards that are paid nothing, in ascending order.
//!
//! A new list goes into the place that is not in use, in full or merged from the list in force and its changes: so a delta leaves
//! a full list, looked up and proven like any other, and a power cut leaves the list before it.

use card_spec::block_delta::{BlockChange, BlockMerge, DeltaError};
use card_spec::crypto::Digest;
use card_spec::list::{BlockEntry, BlockListHeader, BlockReason};
use card_spec::merkle::{RootBuilder, leaf_hash};
use card_spec::signed::{Signed, Verified};
use card_spec::tlv::{Field as _, Reader, Writer};
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

impl<F> Clone for BlockList<'_, F> {
    fn clone(&self) -> Self {
        Self {
            area: self.area.clone(),
            facts: self.facts,
        }
    }
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
    header: Object<MAXIMUM_HEADER>,
    draft: Draft<'f, F>,
    base: Option<Base<'f, F>>,
}

impl<'f, F: NorFlash> BlockLoading<'f, F> {
    /// Erases the area for a block list with this header: with all its entries to come, or the changes to `base`.
    pub(crate) fn begin(
        mut area: Area<'f, F>,
        header: &Verified<'_, BlockListHeader>,
        base: Option<BlockList<'f, F>>,
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
            header: Object::from_slice(header.encoding()).map_err(|_| Refusal::TooLarge)?,
            draft: Draft {
                area,
                facts,
                entries: 0,
                last: None,
            },
            base: base.map(|list| Base {
                list,
                taken: 0,
                merge: BlockMerge::new(),
            }),
        })
    }

    /// Takes the next entries or changes, whole ones.
    pub(crate) fn entries(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let mut reader = Reader::new(bytes);
        while !reader.rest().is_empty() {
            match &mut self.base {
                None => {
                    let entry =
                        BlockEntry::read(&mut reader, BlockEntry::TAG).map_err(|_| Refusal::Malformed)?;
                    self.draft.push(entry)?;
                }
                Some(base) => {
                    let change = BlockChange::read(&mut reader).map_err(|_| Refusal::Malformed)?;
                    base.change(&change, &mut self.draft)?;
                }
            }
        }
        Ok(())
    }

    /// The block list, if it is what the issuer signed.
    pub(crate) fn finish(mut self) -> Result<(Object<MAXIMUM_HEADER>, BlockList<'f, F>), Refusal> {
        if let Some(base) = self.base {
            base.finish(&mut self.draft)?;
        }
        let Draft {
            area, facts, entries, ..
        } = self.draft;
        if entries != facts.count {
            return Err(Refusal::Incomplete);
        }
        let list = BlockList { area, facts };
        Ok((self.header, list.proven().ok_or(Refusal::Incomplete)?))
    }
}

/// What is written so far.
struct Draft<'f, F> {
    area: Area<'f, F>,
    facts: Facts,
    entries: u32,
    last: Option<CardNumber>,
}

impl<F: NorFlash> Draft<'_, F> {
    fn push(&mut self, entry: BlockEntry) -> Result<(), Refusal> {
        let ascending = self.last.is_none_or(|last| last < entry.card_number);
        if !ascending || self.entries >= self.facts.count {
            return Err(Refusal::Incomplete);
        }
        let mut encoding = [0; STRIDE as usize];
        entry
            .write(&mut Writer::new(&mut encoding), BlockEntry::TAG)
            .map_err(|_| Refusal::Malformed)?;
        self.area
            .write(offset(self.entries), &encoding)
            .map_err(|_| Refusal::Storage)?;
        self.last = Some(entry.card_number);
        self.entries = self.entries.saturating_add(1);
        Ok(())
    }
}

/// The list in force, as far as it is merged with changes.
struct Base<'f, F> {
    list: BlockList<'f, F>,
    taken: u32,
    merge: BlockMerge,
}

/// Why a merge stops.
struct Stopped(Refusal);

impl From<DeltaError> for Stopped {
    fn from(_: DeltaError) -> Self {
        Self(Refusal::Incomplete)
    }
}

impl<F: NorFlash> Base<'_, F> {
    fn change(&mut self, change: &BlockChange, draft: &mut Draft<'_, F>) -> Result<(), Refusal> {
        let Self { list, taken, merge } = self;
        let merged = merge.change(
            change,
            || next(list, taken),
            |entry| draft.push(entry).map_err(Stopped),
        );
        merged.map_err(|Stopped(refusal)| refusal)
    }

    fn finish(self, draft: &mut Draft<'_, F>) -> Result<(), Refusal> {
        let Self {
            list,
            mut taken,
            merge,
        } = self;
        let merged = merge.finish(
            || next(&list, &mut taken),
            |entry| draft.push(entry).map_err(Stopped),
        );
        merged.map_err(|Stopped(refusal)| refusal)
    }
}

/// The next entry of the list in force. The flash has lost one that cannot be read.
fn next<F: NorFlash>(list: &BlockList<'_, F>, taken: &mut u32) -> Result<Option<BlockEntry>, Stopped> {
    if *taken >= list.facts.count {
        return Ok(None);
    }
    let bytes = list
        .area
        .read::<{ STRIDE as usize }>(offset(*taken))
        .map_err(|_| Stopped(Refusal::Storage))?;
    let entry =
        BlockEntry::read(&mut Reader::new(&bytes), BlockEntry::TAG).map_err(|_| Stopped(Refusal::Storage))?;
    *taken = taken.saturating_add(1);
    Ok(Some(entry))
}
