//! The block list in flash (DATA 4): cards that are paid nothing, in ascending order.
//!
//! A new list goes into the place that is not in use, in full or merged from the list in force and its changes: so a delta leaves
//! a full list, looked up and proven like any other, and a power cut leaves the list before it.
//!
//! | bytes | of each group of [`GROUP`] entries, the last one with room for as many |
//! |---|---|
//! | 9 each | entries: card number (8), reason (1); written by [`BATCH`], the last one filled up with `FF` |
//! | 16 | tag, behind the room for all entries of the group |
//!
//! What the issuer has signed is the root of their encodings `FF39`, of 16 bytes: each value has one.
//!
//! The flash need not be trusted (decision 24): the tag is HMAC-SHA256 of the group's number and all that was written of its entries,
//! cut to 16 bytes. The key is random, made for this loading, and kept with the header once the issuer's root
//! was found in what had come in. A look-up believes only groups whose tag is right, and that a card is not listed only if the
//! entries on both sides of its place are.

use core::ops::Range;

use card_spec::block_delta::{BlockChange, BlockMerge, DeltaError};
use card_spec::command::{BlockProof, MAXIMUM_AUDIT_PATH, MAXIMUM_CHAIN};
use card_spec::crypto::Digest;
use card_spec::list::{BlockEntry, BlockListHeader, BlockReason};
use card_spec::merkle::{RootBuilder, leaf_hash, root_from_path};
use card_spec::signed::{Signed, Verified};
use card_spec::tlv::{Field as _, Reader, Writer};
use card_spec::values::{CardNumber, Time};
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use hmac::{Hmac, KeyInit as _, Mac as _};
use link::Refusal;
use sha2::Sha256;

use crate::device::{MAXIMUM_HEADER, Object};
use crate::flash::{Area, FlashError, UNIT};

/// Bytes of flash for each entry.
const STRIDE: u32 = 9;
const UNIT_BYTES: u32 = UNIT as u32;
/// Entries that are written at once: the fewest that fill whole units of the flash.
const BATCH: u32 = UNIT_BYTES;
const BATCH_BYTES: u32 = BATCH * STRIDE;
/// Entries under one tag: a look-up reads and hashes so many, and the tags take a thirty-seventh of the room.
const GROUP: u32 = 64;
const GROUP_BYTES: u32 = GROUP * STRIDE;
/// Bytes of a tag: what a thief of the flash would have to guess.
const TAG: u32 = 16;

/// Bytes of flash for a list of so many entries.
pub(crate) const fn space(entries: u32) -> Option<u32> {
    entries.div_ceil(GROUP).checked_mul(GROUP_BYTES + TAG)
}

/// Of the tags of one list.
pub(crate) type TagKey = [u8; 32];

/// The flash fails, or does not hold any more what was verified when the list came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Altered;

impl From<FlashError> for Altered {
    fn from(_: FlashError) -> Self {
        Self
    }
}

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
    key: TagKey,
}

impl<F> Clone for BlockList<'_, F> {
    fn clone(&self) -> Self {
        Self {
            area: self.area.clone(),
            facts: self.facts,
            key: self.key,
        }
    }
}

/// Entries whose tag is right.
struct Group {
    bytes: [u8; GROUP_BYTES as usize],
    length: usize,
}

impl Group {
    fn entries(&self) -> impl Iterator<Item = Result<BlockEntry, Altered>> {
        let (entries, _) = self.bytes.as_chunks::<{ STRIDE as usize }>();
        entries.iter().take(self.length).map(unpack)
    }
}

impl<'f, F: NorFlash> BlockList<'f, F> {
    /// A list that was put in force before: header and entries were verified then, and header and key kept by the device.
    pub(crate) fn open(area: Area<'f, F>, header: &[u8], key: TagKey) -> Option<Self> {
        let header = Signed::<BlockListHeader>::parse(header).ok()?;
        let facts = Facts::of(header.claimed(), header.hash());
        Some(Self { area, facts, key })
    }

    /// What its header says.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Of its tags.
    pub(crate) fn key(&self) -> TagKey {
        self.key
    }

    /// Why the card is blocked, if it is.
    pub(crate) fn reason(&self, card: CardNumber) -> Result<Option<BlockReason>, Altered> {
        if self.facts.count == 0 {
            return Ok(None);
        }
        let number = self.group_of(card)?;
        let mut entries = self.proven(number)?;
        let first = entries.entries().next().ok_or(Altered)??;
        if number > 0 && card < first.card_number {
            return Err(Altered);
        }
        for entry in entries.entries() {
            let entry = entry?;
            if entry.card_number >= card {
                return Ok((entry.card_number == card).then_some(entry.reason));
            }
        }
        // It is above all of its group, so it has to be below the next one.
        let next = number.saturating_add(1);
        if next < self.facts.count.div_ceil(GROUP) {
            entries = self.proven(next)?;
            let above = entries.entries().next().ok_or(Altered)??;
            if above.card_number <= card {
                return Err(Altered);
            }
        }
        Ok(None)
    }

    /// May the list be shown to a card? A longer one's audit path fits no command (SPEC 15).
    pub(crate) fn is_provable(&self) -> bool {
        self.facts.count <= 1 << MAXIMUM_AUDIT_PATH
    }

    /// The proof that the card is on the list, for the card itself (SPEC 13.10). Reads and hashes every entry once, which is
    /// some 7,000 instructions for each; what it finds leads to the issuer's root, whatever the flash says.
    pub(crate) fn proof(&self, card: CardNumber) -> Result<Object<MAXIMUM_CHAIN>, Altered> {
        let first = self.group_of(card)?.saturating_mul(GROUP);
        let mut places = first..first.saturating_add(GROUP).min(self.facts.count);
        let (index, entry) = loop {
            let index = places.next().ok_or(Altered)?;
            let entry = self.entry(index)?;
            if entry.card_number == card {
                break (index, entry);
            }
        };
        let leaf = encode(&entry)?;
        let mut path = Vec::new();
        for level in 0..MAXIMUM_AUDIT_PATH {
            let beside = ((index >> level) ^ 1) << level;
            let end = beside.saturating_add(1 << level).min(self.facts.count);
            if beside < end {
                path.push(self.subtree(beside..end)?).map_err(|_| Altered)?;
            }
        }
        let root = root_from_path(leaf_hash(&leaf), index, self.facts.count, &path);
        (root == Some(self.facts.root)).then_some(()).ok_or(Altered)?;
        let proof = BlockProof {
            entry,
            leaf: &leaf,
            index,
            path,
        };
        let mut encoding = Object::new();
        encoding.resize_default(MAXIMUM_CHAIN).map_err(|_| Altered)?;
        let length = proof.encode(&mut encoding).map_err(|_| Altered)?.len();
        encoding.truncate(length);
        Ok(encoding)
    }

    /// The hash of the entries in a range that is a subtree.
    fn subtree(&self, entries: Range<u32>) -> Result<Digest, Altered> {
        let mut root = RootBuilder::new();
        for index in entries {
            root.push(leaf_hash(&encode(&self.entry(index)?)?), |_, _, _| {});
        }
        Ok(root.root())
    }

    /// Is all of it what was verified? A base that is not leads nowhere, however often changes to it are sent.
    pub(crate) fn is_whole(&self) -> bool {
        (0..self.facts.count.div_ceil(GROUP)).all(|group| self.proven(group).is_ok())
    }

    /// The last group that begins at or below the card, or the first one: as the flash has it, which proves nothing.
    fn group_of(&self, card: CardNumber) -> Result<u32, Altered> {
        let (mut low, mut high) = (0, self.facts.count.div_ceil(GROUP));
        while low < high {
            let middle = low.midpoint(high);
            if self.entry(middle.saturating_mul(GROUP))?.card_number <= card {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        Ok(low.saturating_sub(1))
    }

    /// An entry as the flash has it, which proves nothing.
    fn entry(&self, index: u32) -> Result<BlockEntry, Altered> {
        let offset = offset(index);
        // The two units where it lies; what is not of it is of the next one, or of the tag.
        let skipped = offset % UNIT_BYTES;
        let units = self.area.read::<{ 2 * UNIT }>(offset.saturating_sub(skipped))?;
        let (_, packed) = units.split_at_checked(skipped as usize).ok_or(Altered)?;
        unpack(packed.first_chunk().ok_or(Altered)?)
    }

    /// A group, if it is what was verified.
    fn proven(&self, number: u32) -> Result<Group, Altered> {
        let first = number.saturating_mul(GROUP);
        let length = self.facts.count.saturating_sub(first).min(GROUP);
        let mut group = Group {
            bytes: [0; GROUP_BYTES as usize],
            length: usize::try_from(length).map_err(|_| Altered)?,
        };
        let written = length.div_ceil(BATCH).saturating_mul(BATCH_BYTES);
        let bytes = group.bytes.get_mut(..written as usize).ok_or(Altered)?;
        self.area.read_into(offset(first), bytes)?;
        let tag = self.area.read::<{ TAG as usize }>(tag_offset(number))?;
        let mut expected = begin_tag(&self.key, number).ok_or(Altered)?;
        expected.update(bytes);
        expected.verify_truncated_left(&tag).map_err(|_| Altered)?;
        Ok(group)
    }
}

fn unpack(packed: &[u8; STRIDE as usize]) -> Result<BlockEntry, Altered> {
    let [card_number @ .., reason] = packed;
    Ok(BlockEntry {
        card_number: CardNumber::from_bytes(*card_number).ok_or(Altered)?,
        reason: BlockReason::from_byte(*reason).ok_or(Altered)?,
    })
}

/// As the issuer has hashed it.
fn encode(entry: &BlockEntry) -> Result<[u8; BlockEntry::LENGTH], Altered> {
    let mut encoding = [0; BlockEntry::LENGTH];
    entry
        .write(&mut Writer::new(&mut encoding), BlockEntry::TAG)
        .map_err(|_| Altered)?;
    Ok(encoding)
}

fn begin_tag(key: &TagKey, group: u32) -> Option<Hmac<Sha256>> {
    let mut tag = Hmac::<Sha256>::new_from_slice(key).ok()?;
    tag.update(&group.to_be_bytes());
    Some(tag)
}

/// Where an entry lies: behind all before it and the tags of their groups.
fn offset(index: u32) -> u32 {
    let tags = (index / GROUP).saturating_mul(TAG);
    index.saturating_mul(STRIDE).saturating_add(tags)
}

/// Where the tag of a group lies.
fn tag_offset(group: u32) -> u32 {
    offset(group.saturating_mul(GROUP)).saturating_add(GROUP_BYTES)
}

/// A block list on its way into the area that is not in use.
pub(crate) struct BlockLoading<'f, F> {
    header: Object<MAXIMUM_HEADER>,
    draft: Draft<'f, F>,
    base: Option<Base<'f, F>>,
    /// Entries or changes that came in.
    taken: u32,
}

impl<'f, F: NorFlash> BlockLoading<'f, F> {
    /// Erases the area for a block list with this header: with all its entries to come, or the changes to `base`. `key` is
    /// random and was never used.
    pub(crate) fn begin(
        mut area: Area<'f, F>,
        header: &Verified<'_, BlockListHeader>,
        base: Option<BlockList<'f, F>>,
        key: TagKey,
    ) -> Result<Self, Refusal> {
        let facts = Facts::of(header, header.hash());
        let length = space(facts.count).ok_or(Refusal::TooLarge)?;
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
                key,
                root: RootBuilder::new(),
                batch: Vec::new(),
                tag: None,
                last: None,
            },
            base: base.map(|list| Base {
                list,
                taken: 0,
                merge: BlockMerge::new(),
            }),
            taken: 0,
        })
    }

    /// Is it the list with this header that comes in, and as changes to this base?
    pub(crate) fn is_of(
        &self,
        header: &Verified<'_, BlockListHeader>,
        base: Option<&BlockList<'f, F>>,
    ) -> bool {
        let own = self.base.as_ref().map(|base| base.list.facts.hash);
        self.draft.facts.hash == header.hash() && own == base.map(|list| list.facts.hash)
    }

    /// Entries or changes that came in.
    pub(crate) fn taken(&self) -> u32 {
        self.taken
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
            self.taken = self.taken.saturating_add(1);
        }
        Ok(())
    }

    /// The block list, if it is what the issuer signed.
    pub(crate) fn finish(mut self) -> Result<(Object<MAXIMUM_HEADER>, BlockList<'f, F>), Refusal> {
        if let Some(base) = self.base {
            base.finish(&mut self.draft)?;
        }
        Ok((self.header, self.draft.finish()?))
    }
}

/// What is written so far.
struct Draft<'f, F> {
    area: Area<'f, F>,
    facts: Facts,
    key: TagKey,
    root: RootBuilder,
    /// Entries that are not written yet.
    batch: Vec<u8, { BATCH_BYTES as usize }>,
    /// Of what is written of the group that is not full.
    tag: Option<Hmac<Sha256>>,
    last: Option<CardNumber>,
}

impl<'f, F: NorFlash> Draft<'f, F> {
    fn push(&mut self, entry: BlockEntry) -> Result<(), Refusal> {
        let index = self.root.leaves();
        let ascending = self.last.is_none_or(|last| last < entry.card_number);
        if !ascending || index >= self.facts.count {
            return Err(Refusal::Incomplete);
        }
        let encoding = encode(&entry).map_err(|_| Refusal::Malformed)?;
        self.root.push(leaf_hash(&encoding), |_, _, _| {});
        self.last = Some(entry.card_number);
        self.batch.extend(entry.card_number.to_bytes());
        self.batch
            .push(entry.reason as u8)
            .map_err(|_| Refusal::Storage)?;
        if self.batch.is_full() {
            self.end_batch(index)?;
        }
        if self.root.leaves().is_multiple_of(GROUP) {
            self.end_group()?;
        }
        Ok(())
    }

    /// Writes the entries up to this one.
    fn end_batch(&mut self, last: u32) -> Result<(), Refusal> {
        let mut bytes = [0xFF; BATCH_BYTES as usize];
        bytes
            .iter_mut()
            .zip(&self.batch)
            .for_each(|(to, from)| *to = *from);
        self.batch.clear();
        let first = last.saturating_sub(last % BATCH);
        self.area
            .write(offset(first), &bytes)
            .map_err(|_| Refusal::Storage)?;
        let begun = self.tag.take().or_else(|| begin_tag(&self.key, last / GROUP));
        self.tag.insert(begun.ok_or(Refusal::Storage)?).update(&bytes);
        Ok(())
    }

    fn end_group(&mut self) -> Result<(), Refusal> {
        let Some(last) = self.root.leaves().checked_sub(1) else {
            return Ok(());
        };
        if !self.batch.is_empty() {
            self.end_batch(last)?;
        }
        let Some(tag) = self.tag.take() else {
            return Ok(());
        };
        let tag = tag.finalize().into_bytes();
        let tag = tag.first_chunk::<{ TAG as usize }>().ok_or(Refusal::Storage)?;
        self.area
            .write(tag_offset(last / GROUP), tag)
            .map_err(|_| Refusal::Storage)
    }

    fn finish(mut self) -> Result<BlockList<'f, F>, Refusal> {
        if self.root.leaves() != self.facts.count || self.root.root() != self.facts.root {
            return Err(Refusal::Incomplete);
        }
        self.end_group()?;
        Ok(BlockList {
            area: self.area,
            facts: self.facts,
            key: self.key,
        })
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
    let entry = list.entry(*taken).map_err(|_| Stopped(Refusal::Storage))?;
    *taken = taken.saturating_add(1);
    Ok(Some(entry))
}
