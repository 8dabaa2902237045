//! Block lists, in full and as what changed: header, entries, and that a delta leads to the list that was signed (DATA 4).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::num::NonZero;
use std::path::Path;

use card_spec::block_delta::{BlockChange, BlockDeltaBase, BlockMerge, DeltaError};
use card_spec::certificate::Reference;
use card_spec::crypto::{Digest, Verify};
use card_spec::list::{BlockEntry, BlockListHeader};
use card_spec::merkle::{RootBuilder, leaf_hash};
use card_spec::signed::Signed;
use card_spec::tlv::{self, Field as _, Reader, Writer};
use card_spec::values::{CardNumber, Time};

use crate::files::{Files, is_delta};
use crate::finding::{Code, Findings, Place};
use crate::issued::{Body, read_file};
use crate::issuer_sequence::{Link, Numbering, check_issuer};
use crate::parallel;
use crate::trust::Trust;

/// Days after which a list is published in full again (DATA 4.2).
const FULL_EVERY_DAYS: u32 = 28;

/// A block list.
#[derive(Clone, Debug)]
pub(crate) struct BlockList {
    pub(crate) number: u32,
    pub(crate) issued: Time,
    pub(crate) issuer: Reference,
    pub(crate) header: Digest,
    pub(crate) forged: bool,
    /// Of when the list in full is to which it goes back; `None`: it is not among the files.
    full: Option<Time>,
    content: Content,
}

/// Whom it blocks.
#[derive(Clone, Debug)]
enum Content {
    /// Ascending.
    Full(Vec<BlockEntry>),
    /// The base's place among the lists; `None`: it is not among the files.
    Delta(Option<usize>, BTreeMap<CardNumber, BlockChange>),
}

/// Entries of a list with all that it goes back to.
type Entries = BTreeMap<CardNumber, BlockEntry>;

/// All block lists of an audit, each behind the list that it changes.
#[derive(Debug, Default)]
pub(crate) struct BlockLists {
    lists: Vec<BlockList>,
    by_header: HashMap<Digest, usize>,
    /// Mnemonic of the issuer, and number of each list that it signed.
    published: BTreeSet<(String, u32)>,
}

impl BlockLists {
    pub(crate) fn len(&self) -> usize {
        self.lists.len()
    }

    pub(crate) fn by_header(&self, header: &Digest) -> Option<&BlockList> {
        self.lists.get(*self.by_header.get(header)?)
    }

    /// The number that the issuer published before this one. Known once all full lists and the deltas before it were read.
    fn before(&self, issuer: &Reference, number: u32) -> Option<u32> {
        let of = |number| (issuer.mnemonic().to_owned(), number);
        let mut before = self.published.range(of(0)..of(number));
        before.next_back().map(|(_, number)| *number)
    }

    fn add(&mut self, list: BlockList) {
        if !list.forged {
            let issuer = list.issuer.mnemonic().to_owned();
            self.published.insert((issuer, list.number));
        }
        self.by_header.insert(list.header, self.lists.len());
        self.lists.push(list);
    }

    /// Is the card on the list? Of a delta without its base only the changes are known.
    pub(crate) fn blocks(&self, list: &BlockList, card: &CardNumber) -> bool {
        let mut list = list;
        loop {
            match &list.content {
                Content::Full(entries) => {
                    return entries
                        .binary_search_by_key(card, |entry| entry.card_number)
                        .is_ok();
                }
                Content::Delta(base, changes) => match (changes.get(card), self.base(*base)) {
                    (Some(change), _) => return matches!(change, BlockChange::Blocked(_)),
                    (None, Some(base)) => list = base,
                    (None, None) => return false,
                },
            }
        }
    }

    /// Cards on the newest list of each issuer, as far as they are known. Its numbers go on under its next key (DATA 4.1).
    pub(crate) fn blocked_now(&self) -> HashSet<CardNumber> {
        let mut newest: HashMap<&str, &BlockList> = HashMap::new();
        for list in self.lists.iter().filter(|list| !list.forged) {
            let known = newest.entry(list.issuer.mnemonic()).or_insert(list);
            if list.number > known.number {
                *known = list;
            }
        }
        let entries = newest.values().map(|list| self.entries(list));
        entries.flat_map(Entries::into_keys).collect()
    }

    fn base(&self, index: Option<usize>) -> Option<&BlockList> {
        self.lists.get(index?)
    }

    fn entries(&self, list: &BlockList) -> Entries {
        let mut deltas = Vec::new();
        let mut next = Some(list);
        let mut entries = Entries::new();
        while let Some(list) = next {
            match &list.content {
                Content::Full(full) => {
                    entries = full.iter().map(|entry| (entry.card_number, *entry)).collect();
                    break;
                }
                Content::Delta(base, changes) => {
                    deltas.push(changes);
                    next = self.base(*base);
                }
            }
        }
        for changes in deltas.into_iter().rev() {
            apply(&mut entries, changes.values());
        }
        entries
    }
}

fn apply<'a>(entries: &mut Entries, changes: impl IntoIterator<Item = &'a BlockChange>) {
    for change in changes {
        match change {
            BlockChange::Blocked(entry) => entries.insert(entry.card_number, *entry),
            BlockChange::Unblocked(unblocked) => entries.remove(&unblocked.card_number),
        };
    }
}

/// A file that was read.
struct Loaded {
    findings: Findings,
    list: Option<Read>,
}

/// A list as its file has it.
struct Read {
    header: BlockListHeader,
    link: Link,
    content: ReadContent,
}

enum ReadContent {
    Full(Vec<BlockEntry>),
    Delta {
        base: Option<BlockDeltaBase>,
        changes: Vec<BlockChange>,
        damaged: bool,
    },
}

/// What stands behind the header of a delta.
enum DeltaObject {
    Base(BlockDeltaBase),
    Change(BlockChange),
}

/// Reads and verifies all block lists. Deltas follow the full lists, by number, for each may be the base of the next.
pub(crate) fn load(
    files: &Files,
    trust: &Trust,
    verifier: &(impl Verify + Sync),
    jobs: NonZero<usize>,
    findings: &mut Findings,
) -> (BlockLists, Vec<Link>) {
    let loaded = parallel::map(&files.block_lists, jobs, |(number, path)| {
        let mut findings = Findings::default();
        let list = match is_delta(path) {
            true => load_delta(*number, path, trust, verifier, &mut findings),
            false => load_full(*number, path, trust, verifier, &mut findings),
        };
        Loaded { findings, list }
    });
    let mut read = Vec::new();
    for loaded in loaded {
        findings.append(loaded.findings);
        read.extend(loaded.list);
    }
    read.sort_by_key(|list| {
        (
            matches!(list.content, ReadContent::Delta { .. }),
            list.header.number,
        )
    });
    let mut lists = BlockLists::default();
    let mut links = Vec::new();
    // Of a chain of deltas the list that was reached last, which the next one mostly changes.
    let mut reached: Option<(usize, Entries)> = None;
    for list in read {
        let mut full = Some(list.header.issued);
        let content = match list.content {
            ReadContent::Full(entries) => Content::Full(entries),
            ReadContent::Delta {
                base,
                changes,
                damaged,
            } => {
                let index = base.and_then(|base| lists.by_header.get(&base.header)).copied();
                let named = lists.base(index);
                let place = &list.link.place;
                check_base(base.as_ref(), named, &list.header, place, findings);
                full = named.and_then(|base| base.full);
                if let Some((index, base)) = index.zip(named) {
                    let before = lists.before(&list.header.issuer, list.header.number);
                    check_publication(base, before, &list.header, place, findings);
                    let (_, entries) = reached
                        .take_if(|(reached, _)| *reached == index)
                        .unwrap_or_else(|| (index, lists.entries(base)));
                    if !damaged {
                        check_changes((base, &entries), &changes, &list.header, place, findings);
                    }
                    reached = Some((index, entries));
                }
                let by_card = changes.iter().map(|change| (change.card_number(), *change));
                Content::Delta(index, by_card.collect())
            }
        };
        // The same list again, from another folder or in the other form.
        if lists.by_header.contains_key(&list.link.hash) {
            continue;
        }
        if let Content::Delta(Some(_), changes) = &content
            && let Some((index, entries)) = &mut reached
        {
            apply(entries, changes.values());
            *index = lists.len();
        }
        lists.add(BlockList {
            number: list.header.number,
            issued: list.header.issued,
            issuer: list.header.issuer,
            header: list.link.hash,
            forged: list.link.forged,
            full,
            content,
        });
        links.push(list.link);
    }
    (lists, links)
}

fn load_full(
    number: u32,
    path: &Path,
    trust: &Trust,
    verifier: &impl Verify,
    findings: &mut Findings,
) -> Option<Read> {
    let on_header =
        |bytes: &[u8], findings: &mut Findings| read_header(bytes, number, path, trust, verifier, findings);
    // DATA 4 sets no bound: a block list grows with the cards.
    let ((header, link), mut body) = read_file(path, (entry, usize::MAX), is_header, on_header, findings)?;
    if !body.damaged {
        check_full(&header, &body, &link.place, findings);
    }
    body.items.sort_by_key(|entry| entry.card_number);
    Some(Read {
        header,
        link,
        content: ReadContent::Full(body.items),
    })
}

fn load_delta(
    number: u32,
    path: &Path,
    trust: &Trust,
    verifier: &impl Verify,
    findings: &mut Findings,
) -> Option<Read> {
    let on_header =
        |bytes: &[u8], findings: &mut Findings| read_header(bytes, number, path, trust, verifier, findings);
    let ((header, link), body) = read_file(path, (delta_object, usize::MAX), is_header, on_header, findings)?;
    let mut damaged = body.damaged;
    let mut objects = body.items.into_iter().peekable();
    let base = match objects.next_if(|object| matches!(object, DeltaObject::Base(_))) {
        Some(DeltaObject::Base(base)) => Some(base),
        _ => None,
    };
    let mut changes = Vec::new();
    for object in objects {
        match object {
            DeltaObject::Change(change) => changes.push(change),
            DeltaObject::Base(_) => {
                damaged = true;
                findings.add(Code::Encoding, &link.place, "a base behind the first change");
            }
        }
    }
    Some(Read {
        header,
        link,
        content: ReadContent::Delta {
            base,
            changes,
            damaged,
        },
    })
}

fn is_header(bytes: &[u8]) -> Result<(), tlv::Error> {
    Signed::<BlockListHeader>::parse(bytes).map(|_| ())
}

fn entry(bytes: &[u8]) -> Result<BlockEntry, tlv::Error> {
    let mut reader = Reader::new(bytes);
    let entry = BlockEntry::read(&mut reader, BlockEntry::TAG)?;
    reader.finish().map(|()| entry)
}

fn delta_object(bytes: &[u8]) -> Result<DeltaObject, tlv::Error> {
    let mut reader = Reader::new(bytes);
    let object = match reader.is_next(BlockDeltaBase::TAG) {
        true => DeltaObject::Base(BlockDeltaBase::read(&mut reader, BlockDeltaBase::TAG)?),
        false => DeltaObject::Change(BlockChange::read(&mut reader)?),
    };
    reader.finish().map(|()| object)
}

/// The header with its place in the issuer's sequence.
fn read_header(
    bytes: &[u8],
    number: u32,
    path: &Path,
    trust: &Trust,
    verifier: &impl Verify,
    findings: &mut Findings,
) -> Option<(BlockListHeader, Link)> {
    let signed = Signed::<BlockListHeader>::parse(bytes).ok()?;
    let header = *signed.claimed();
    let place = Place::file(path).numbered(header.issuer_sequence);
    if header.number != number {
        let text = format!("holds the block list {}", header.number);
        findings.add(Code::FileName, &place, text);
    }
    let Some(date) = header.issued.date() else {
        findings.add(Code::Encoding, &place, "a block list without a date");
        return None;
    };
    let key = check_issuer(trust, &header.issuer, date, &place, findings);
    let forged = key.is_some_and(|key| signed.verify(verifier, &key).is_err());
    if forged {
        findings.add(
            Code::BlockListSignature,
            &place,
            "changed, or not signed by its issuer: the signature does not verify",
        );
    }
    let link = Link {
        issuer: header.issuer,
        sequence: header.issuer_sequence,
        previous: header.issuer_previous,
        hash: signed.hash(),
        number: Some(Numbering::BlockList(header.number)),
        forged,
        place,
    };
    Some((header, link))
}

fn check_full(header: &BlockListHeader, body: &Body<BlockEntry>, place: &Place, findings: &mut Findings) {
    let entries = body.items.len();
    if u64::from(header.count) != entries as u64 {
        let text = format!("states {} entries and has {entries}", header.count);
        findings.add(Code::BlockListCount, place, text);
    }
    if !body.items.is_sorted_by(|a, b| a.card_number < b.card_number) {
        findings.add(
            Code::BlockListOrder,
            place,
            "the entries do not ascend by card number",
        );
    }
    if body.root.root() != header.root {
        findings.add(
            Code::BlockListRoot,
            place,
            "the entries are not the ones that the issuer signed",
        );
    }
}

/// A delta names an earlier list that is there.
fn check_base(
    stated: Option<&BlockDeltaBase>,
    named: Option<&BlockList>,
    header: &BlockListHeader,
    place: &Place,
    findings: &mut Findings,
) {
    let text = match (stated, named) {
        (None, _) => "does not say which list it changes".to_owned(),
        (Some(stated), None) => format!(
            "changes block list {}, which is not among the files",
            stated.number
        ),
        (Some(stated), Some(named)) if stated.number != named.number || named.number >= header.number => {
            format!("changes block list {}, stated as {}", named.number, stated.number)
        }
        _ => return,
    };
    findings.add(Code::BlockDeltaBase, place, text);
}

/// DATA 4.2: a list is published "as a delta to the list published before it; a list in full at least every 28 days and as the
/// first under another key". So whom a list blocks is known from one month's files.
fn check_publication(
    base: &BlockList,
    before: Option<u32>,
    header: &BlockListHeader,
    place: &Place,
    findings: &mut Findings,
) {
    let mut find = |text| findings.add(Code::BlockListPublication, place, text);
    if let Some(before) = before.filter(|before| *before > base.number) {
        find(format!(
            "changes block list {}, and {before} was published before it",
            base.number
        ));
    }
    if base.issuer != header.issuer {
        find(format!(
            "changes a list of {}: the first one under another key is given in full",
            base.issuer
        ));
    }
    let days = base.full.and_then(Time::date).zip(header.issued.date());
    let age = days.map(|(full, issued)| issued.day_number().saturating_sub(full.day_number()));
    if let Some(age) = age.filter(|age| *age > FULL_EVERY_DAYS) {
        find(format!(
            "the list in full before it is {age} days older, more than {FULL_EVERY_DAYS}"
        ));
    }
}

/// The changes lead to the list that was signed: a card that is missing there would be paid.
fn check_changes(
    (base, entries): (&BlockList, &Entries),
    changes: &[BlockChange],
    header: &BlockListHeader,
    place: &Place,
    findings: &mut Findings,
) {
    let mut root = RootBuilder::new();
    if let Err(error) = merge(entries, changes, &mut root) {
        return findings.add(Code::BlockDeltaChange, place, error.to_string());
    }
    if (root.leaves(), root.root()) != (header.count, header.root) {
        let text = format!(
            "block list {} and its changes are {} cards, not the {} that the issuer signed",
            base.number,
            root.leaves(),
            header.count
        );
        findings.add(Code::BlockDeltaResult, place, text);
    }
}

fn merge(entries: &Entries, changes: &[BlockChange], root: &mut RootBuilder) -> Result<(), DeltaError> {
    let mut entries = entries.values().copied();
    let mut push = |entry: BlockEntry| {
        let mut buffer = [0; BlockEntry::LENGTH];
        // An entry has one length, and so always fits.
        let _ = entry.write(&mut Writer::new(&mut buffer), BlockEntry::TAG);
        root.push(leaf_hash(&buffer), |_, _, _| {});
        Ok(())
    };
    let mut merge = BlockMerge::new();
    for change in changes {
        merge.change(change, || Ok(entries.next()), &mut push)?;
    }
    merge.finish(|| Ok(entries.next()), push)
}
