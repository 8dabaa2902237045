//! Block lists (DATA 4): published in full or as what changed, and brought to a terminal by the shortest way.
//!
//! Each publication signs the header of the whole list. So a delta is worth what it leads to: it is checked by count and root of that
//! header here before it is used, by the terminal and by the auditor.

use core::fmt::Display;
use std::collections::BTreeMap;

use ansinh_store::block_lists::{BlockList, NewBlockList};
use ansinh_store::issuer_log::SignedObject;
use ansinh_store::operators::Actor;
use ansinh_store::{Store, StoreError};
use card_spec::block_delta::{BlockChange, Unblocked};
use card_spec::certificate::Reference;
use card_spec::crypto::{Digest, Sign};
use card_spec::list::{BlockEntry, BlockListHeader, BlockReason};
use card_spec::merkle::{RootBuilder, leaf_hash};
use card_spec::signed::{Signed, sign};
use card_spec::tlv::{Reader, Writer};
use card_spec::values::{CardNumber, Constant, Suite, Time};

use crate::statements::OBJECT;
use crate::{IssuerKey, PayoutError};

/// Days after which the changes since the last full list are no longer published alone: so an auditor, and a ledger, goes back
/// over one month of deltas at most to know who was blocked.
pub const FULL_EVERY_DAYS: u32 = 28;

/// How a block list is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// With all entries.
    Full,
    /// With what changed since the list before it, where that is the shorter way.
    Daily,
}

/// A block list with all its entries, which are what the issuer signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeBlockList {
    number: u32,
    header: Vec<u8>,
    hash: Digest,
    issuer: Reference,
    issued: Time,
    entries: BTreeMap<CardNumber, BlockReason>,
}

impl WholeBlockList {
    /// The newest list.
    ///
    /// # Errors
    /// Of the store; [`StoreError::Malformed`] if the ledger's deltas do not lead to the list that was signed.
    pub fn newest(store: &Store) -> Result<Option<Self>, PayoutError> {
        Self::from_chain(&store.block_list_chain(u32::MAX)?)
    }

    /// The list of this number.
    ///
    /// # Errors
    /// As [`Self::newest`].
    pub fn numbered(store: &Store, number: u32) -> Result<Option<Self>, PayoutError> {
        let list = Self::from_chain(&store.block_list_chain(number)?)?;
        Ok(list.filter(|list| list.number == number))
    }

    /// What a full list and all deltas after it lead to.
    fn from_chain(chain: &[BlockList]) -> Result<Option<Self>, PayoutError> {
        let Some(newest) = chain.last() else {
            return Ok(None);
        };
        let mut entries = BTreeMap::new();
        for list in chain {
            let mut reader = Reader::new(&list.content);
            while !reader.rest().is_empty() {
                match BlockChange::read(&mut reader).map_err(|_| malformed())? {
                    BlockChange::Blocked(entry) => entries.insert(entry.card_number, entry.reason),
                    BlockChange::Unblocked(unblocked) => entries.remove(&unblocked.card_number),
                };
            }
        }
        let signed = Signed::<BlockListHeader>::parse(&newest.header).map_err(|_| malformed())?;
        let header = signed.claimed();
        let tree = tree(&entries)?;
        if (tree.leaves(), tree.root()) != (header.count, header.root) {
            return Err(malformed());
        }
        Ok(Some(Self {
            number: newest.number,
            header: newest.header.clone(),
            hash: signed.hash(),
            issuer: header.issuer,
            issued: header.issued,
            entries,
        }))
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The signed header.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Hash of the header's body: by it a delta names its base.
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// The encoded entries in order.
    ///
    /// # Errors
    /// [`PayoutError::Encoding`].
    pub fn entries(&self) -> Result<Vec<Vec<u8>>, PayoutError> {
        encoded_entries(&self.entries)
    }

    /// The encoded changes that lead from `base` to this list, in order; `None` where all entries are not longer.
    ///
    /// # Errors
    /// [`PayoutError::Encoding`].
    pub fn changes_since(&self, base: &Self) -> Result<Option<Vec<Vec<u8>>>, PayoutError> {
        shorter_changes(&base.entries, &self.entries)
    }
}

/// Makes, signs and stores the next block list.
///
/// # Errors
/// Of the store and the key. On an error no list exists.
pub fn make_block_list<S: Sign<Error: Display>>(
    store: &Store,
    actor: &Actor,
    issuer: &IssuerKey<'_, S>,
    issued: Time,
    publication: Publication,
) -> Result<BlockList, PayoutError> {
    store.add_block_list(actor, issuer.issuer(), |draft| {
        let mut entries = BTreeMap::new();
        for (card_number, reason) in draft.blocked {
            let reason = BlockReason::from_byte(*reason).ok_or(PayoutError::Value("a block reason"))?;
            entries.insert(*card_number, reason);
        }
        let changes = match base(draft.chain, issuer.reference(), issued, publication)? {
            Some(base) => shorter_changes(&base.entries, &entries)?,
            None => None,
        };
        let tree = tree(&entries)?;
        let header = BlockListHeader {
            suite: Suite::default(),
            format: Constant,
            issuer: issuer.reference(),
            number: draft.number,
            count: tree.leaves(),
            root: tree.root(),
            issued,
            issuer_sequence: draft.position.sequence,
            issuer_previous: draft.position.previous_hash,
        };
        let mut buffer = [0; OBJECT];
        let object = sign(&header, issuer.signer(), &mut buffer)?;
        let body_hash = Signed::<BlockListHeader>::parse(object)?.hash();
        Ok(NewBlockList {
            header: SignedObject {
                body_hash,
                object: object.to_vec(),
            },
            is_delta: changes.is_some(),
            content: match changes {
                Some(changes) => changes.concat(),
                None => encoded_entries(&entries)?.concat(),
            },
        })
    })
}

/// The list whose changes may be published: the newest one, by the same issuer's key, with a full list that is not too old.
fn base(
    chain: &[BlockList],
    issuer: Reference,
    issued: Time,
    publication: Publication,
) -> Result<Option<WholeBlockList>, PayoutError> {
    let (Publication::Daily, Some(full)) = (publication, chain.first()) else {
        return Ok(None);
    };
    let full = Signed::<BlockListHeader>::parse(&full.header).map_err(|_| malformed())?;
    let days = full.claimed().issued.date().zip(issued.date());
    let age = days.and_then(|(full, today)| today.day_number().checked_sub(full.day_number()));
    if age.is_none_or(|days| days >= FULL_EVERY_DAYS) {
        return Ok(None);
    }
    let newest = WholeBlockList::from_chain(chain)?;
    Ok(newest.filter(|newest| newest.issuer == issuer && newest.issued <= issued))
}

/// The encoded changes from one list to another; `None` where the entries are not longer.
fn shorter_changes(
    base: &BTreeMap<CardNumber, BlockReason>,
    result: &BTreeMap<CardNumber, BlockReason>,
) -> Result<Option<Vec<Vec<u8>>>, PayoutError> {
    let blocked = result
        .iter()
        .filter(|(card, reason)| base.get(card) != Some(reason))
        .map(|(card, reason)| BlockChange::Blocked(entry(*card, *reason)));
    let unblocked = base
        .keys()
        .filter(|card| !result.contains_key(card))
        .map(|card| BlockChange::Unblocked(Unblocked { card_number: *card }));
    let mut changes: Vec<BlockChange> = blocked.chain(unblocked).collect();
    changes.sort_by_key(BlockChange::card_number);
    let changes = changes.iter().map(encoded).collect::<Result<Vec<_>, _>>()?;
    let length: usize = changes.iter().map(Vec::len).sum();
    Ok((length < result.len() * BlockEntry::LENGTH).then_some(changes))
}

fn entry(card_number: CardNumber, reason: BlockReason) -> BlockEntry {
    BlockEntry { card_number, reason }
}

fn encoded(change: &BlockChange) -> Result<Vec<u8>, PayoutError> {
    let mut buffer = [0; BlockChange::MAXIMUM_LENGTH];
    let mut writer = Writer::new(&mut buffer);
    change.write(&mut writer)?;
    Ok(writer.finish().to_vec())
}

fn encoded_entries(entries: &BTreeMap<CardNumber, BlockReason>) -> Result<Vec<Vec<u8>>, PayoutError> {
    let entries = entries.iter();
    entries
        .map(|(card, reason)| encoded(&BlockChange::Blocked(entry(*card, *reason))))
        .collect()
}

fn tree(entries: &BTreeMap<CardNumber, BlockReason>) -> Result<RootBuilder, PayoutError> {
    let mut tree = RootBuilder::new();
    for entry in encoded_entries(entries)? {
        tree.push(leaf_hash(&entry), |_, _, _| {});
    }
    Ok(tree)
}

fn malformed() -> PayoutError {
    StoreError::Malformed("block list").into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use card_spec::crypto::SecretKey;

    use super::*;

    type Entries = BTreeMap<CardNumber, BlockReason>;

    /// Every list over three cards, each absent or blocked for one of two reasons.
    fn all_lists() -> Vec<Entries> {
        let reasons = [None, Some(BlockReason::Lost), Some(BlockReason::HolderDeceased)];
        let list = |index: usize| {
            let reasons = (1..4).map(|card| (card, reasons[index / 3_usize.pow(card - 1) % 3]));
            reasons
                .filter_map(|(card, reason)| Some((CardNumber::new(79, u64::from(card))?, reason?)))
                .collect()
        };
        (0..27).map(list).collect()
    }

    fn stored(number: u32, list: &Entries, base: Option<u32>, content: Vec<u8>) -> BlockList {
        let tree = tree(list).unwrap();
        let header = BlockListHeader {
            suite: Suite::default(),
            format: Constant,
            issuer: Reference::new("VNISS7900001").unwrap(),
            number,
            count: tree.leaves(),
            root: tree.root(),
            issued: Time::UNSET,
            issuer_sequence: u64::from(number),
            issuer_previous: [0; 32],
        };
        let key = SecretKey::from_bytes(&[7; 32]).unwrap();
        let mut buffer = [0; OBJECT];
        BlockList {
            number,
            header: sign(&header, &key, &mut buffer).unwrap().to_vec(),
            base,
            content,
        }
    }

    #[test]
    fn a_full_list_and_its_changes_are_the_later_list_and_fewer_changes_are_not() {
        let lists = all_lists();
        let mut deltas = 0;
        for base in &lists {
            let content = encoded_entries(base).unwrap().concat();
            let full = stored(1, base, None, content);
            for result in &lists {
                let Some(changes) = shorter_changes(base, result).unwrap() else {
                    continue;
                };
                deltas += 1;
                let delta = |changes: &[Vec<u8>]| stored(2, result, Some(1), changes.concat());
                let whole = WholeBlockList::from_chain(&[full.clone(), delta(&changes)]);
                assert_eq!(&whole.unwrap().unwrap().entries, result);
                for left_out in 0..changes.len() {
                    let mut fewer = changes.clone();
                    fewer.remove(left_out);
                    assert!(WholeBlockList::from_chain(&[full.clone(), delta(&fewer)]).is_err());
                }
            }
        }
        assert!(deltas > 100, "{deltas}");
    }
}
