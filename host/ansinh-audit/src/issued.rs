//! Payment lists: header, lines, Merkle root (DATA 3); and all lists of an audit.

use std::collections::{HashMap, HashSet};
use std::num::NonZero;
use std::path::Path;

use card_spec::certificate::Reference;
use card_spec::crypto::{Digest, Verify};
use card_spec::list::{ListHeader, ListLine, MAXIMUM_LINES, SomeAmount};
use card_spec::merkle::{RootBuilder, leaf_hash};
use card_spec::payment::LineKey;
use card_spec::signed::Signed;
use card_spec::tlv::{self, Field as _, Reader};
use card_spec::values::{Amount, Date, TerminalName};

use crate::block_lists::{self, BlockLists};
use crate::cards::Cards;
use crate::files::Files;
use crate::finding::{Code, Findings, Place};
use crate::issuer_sequence::{Link, Numbering, check_issuer};
use crate::parallel;
use crate::records::{Record, Records};
use crate::trust::Trust;

/// Bytes of the longest header.
const LONGEST: usize = 512;
/// Tag of a signed object, which no line has.
const HEADER: [u8; 2] = [0xFF, 0x20];
/// Lines of a list that are kept: behind them no terminal pays.
const MOST_LINES: usize = MAXIMUM_LINES as usize;

/// A payment list.
#[derive(Clone, Debug)]
pub(crate) struct PaymentList {
    issuer: Reference,
    pub(crate) number: u32,
    pub(crate) terminal: TerminalName,
    pub(crate) effective: Date,
    pub(crate) expiry: Date,
    /// Numbers of the lists that it leaves in force.
    pub(crate) keeps: Vec<u32>,
    /// The most that may be paid by hand for a line.
    pub(crate) by_hand_up_to: Option<Amount>,
    /// Is the header verified?
    pub(crate) proven: bool,
    root: Digest,
    header: Digest,
    lines: HashMap<u32, ListLine>,
    place: Place,
}

impl PaymentList {
    pub(crate) fn line(&self, number: u32) -> Option<&ListLine> {
        self.lines.get(&number)
    }
}

/// All lists of an audit.
#[derive(Debug, Default)]
pub(crate) struct Issued {
    lists: Vec<PaymentList>,
    pub(crate) block_lists: BlockLists,
    by_root: HashMap<Digest, Vec<usize>>,
    by_header: HashMap<Digest, usize>,
}

struct Loaded<T> {
    findings: Findings,
    list: Option<(T, Link)>,
}

impl Issued {
    /// Reads and verifies all lists and block lists.
    pub(crate) fn load(
        files: &Files,
        trust: &Trust,
        verifier: &(impl Verify + Sync),
        jobs: NonZero<usize>,
        findings: &mut Findings,
        links: &mut Vec<Link>,
    ) -> Self {
        let mut issued = Self::default();
        let lists = parallel::map(&files.lists, jobs, |(id, path)| {
            let mut findings = Findings::default();
            let list = load_list(id, path, trust, verifier, &mut findings);
            Loaded { findings, list }
        });
        for loaded in lists {
            findings.append(loaded.findings);
            issued.add_list(loaded.list, links);
        }
        let (block_lists, of_block_lists) = block_lists::load(files, trust, verifier, jobs, findings);
        issued.block_lists = block_lists;
        links.extend(of_block_lists);
        issued
    }

    fn add_list(&mut self, loaded: Option<(PaymentList, Link)>, links: &mut Vec<Link>) {
        let Some((list, link)) = loaded.filter(|(list, _)| !self.by_header.contains_key(&list.header)) else {
            return;
        };
        let index = self.lists.len();
        self.by_root.entry(list.root).or_default().push(index);
        self.by_header.insert(list.header, index);
        self.lists.push(list);
        links.push(link);
    }

    /// Lists with the same lines have the same root.
    pub(crate) fn lists_by_root(&self, root: &Digest) -> impl Iterator<Item = (usize, &PaymentList)> {
        let indices = self.by_root.get(root).into_iter().flatten();
        indices.filter_map(|index| Some((*index, self.lists.get(*index)?)))
    }

    pub(crate) fn list_by_header(&self, header: &Digest) -> Option<(usize, &PaymentList)> {
        let index = *self.by_header.get(header)?;
        Some((index, self.lists.get(index)?))
    }

    /// The list with this number for this terminal.
    pub(crate) fn list_numbered(&self, terminal: TerminalName, number: u32) -> Option<usize> {
        let is_meant = |list: &PaymentList| list.terminal == terminal && list.number == number;
        self.lists.iter().position(is_meant)
    }

    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.lists.len(), self.block_lists.len())
    }

    /// A list keeps earlier ones of its terminal only, and has no line of theirs (DATA 3.1, 3.4).
    pub(crate) fn check_kept(&self, findings: &mut Findings) {
        for list in &self.lists {
            for number in &list.keeps {
                // Numbers rise per issuer, on under its next key (DATA 3.1).
                let is_meant = |other: &&PaymentList| {
                    other.number == *number && other.issuer.mnemonic() == list.issuer.mnemonic()
                };
                let others = self.lists.iter().filter(is_meant);
                let is_earlier =
                    |other: &PaymentList| other.terminal == list.terminal && *number < list.number;
                if *number >= list.number || others.clone().any(|other| !is_earlier(other)) {
                    let text = format!(
                        "keeps list {number}, which is no earlier one of {}",
                        list.terminal
                    );
                    findings.add(Code::ListKept, &list.place, text);
                    continue;
                }
                let keys: HashSet<_> = others
                    .flat_map(|other| other.lines.values().map(|line| line.line_key))
                    .collect();
                for line in list.lines.values().filter(|line| keys.contains(&line.line_key)) {
                    let text = format!(
                        "line {} stands in list {number} as well, which it keeps",
                        line.number
                    );
                    findings.add(Code::ListLineTwice, &list.place, text);
                }
            }
        }
    }

    /// Every line names a card of its person, and a line key that stands in two lists is carried: told as a note.
    pub(crate) fn check_lines(&self, cards: &Cards, findings: &mut Findings, notes: &mut Vec<String>) {
        let mut keys: HashMap<LineKey, usize> = HashMap::new();
        for (index, list) in self.lists.iter().enumerate() {
            let mut lines: Vec<_> = list.lines.values().collect();
            lines.sort_by_key(|line| line.number);
            for line in lines {
                check_line_card(line, cards, &list.place, findings);
                match keys.insert(line.line_key, index) {
                    Some(other) if other == index => {
                        let text = format!("the key of line {} stands twice in the list", line.number);
                        findings.add(Code::ListLineTwice, &list.place, text);
                    }
                    Some(_) => notes.push(format!(
                        "{}: line {} is carried from another list",
                        list.place, line.number
                    )),
                    None => {}
                }
            }
        }
    }
}

fn check_line_card(line: &ListLine, cards: &Cards, place: &Place, findings: &mut Findings) {
    let number = line.card_number;
    match cards.by_number(&number) {
        None if cards.is_unreadable(&number) => {}
        None => {
            let text = format!("line {}: there is no card {number}", line.number);
            findings.add(Code::ListLineCard, place, text);
        }
        Some(_) if !cards.is_of(&number, &line.line_key.parts().person) => {
            let text = format!("line {}: card {number} belongs to another person", line.number);
            findings.add(Code::ListLinePerson, place, text);
        }
        Some(_) => {}
    }
}

/// The lines of a file behind its header, each with its Merkle leaf.
pub(crate) struct Body<T> {
    pub(crate) items: Vec<T>,
    /// How many stand in the file: `items` has no more than were asked for.
    pub(crate) count: usize,
    pub(crate) root: RootBuilder,
    pub(crate) damaged: bool,
}

/// Reads exactly one line.
pub(crate) type Parse<T> = fn(&[u8]) -> Result<T, tlv::Error>;

/// Reads header and lines, and keeps `most` of the lines; `on_header` gets the header's bytes.
pub(crate) fn read_file<T, H>(
    path: &Path,
    (item, most): (Parse<T>, usize),
    is_header: impl Fn(&[u8]) -> Result<(), tlv::Error>,
    on_header: impl FnOnce(&[u8], &mut Findings) -> Option<H>,
    findings: &mut Findings,
) -> Option<(H, Body<T>)> {
    let place = Place::file(path);
    let test = |bytes: &[u8]| match bytes.starts_with(&HEADER) {
        true => is_header(bytes),
        false => item(bytes).map(|_| ()),
    };
    let mut header = None;
    let mut on_header = Some(on_header);
    let mut body = Body {
        items: Vec::new(),
        count: 0,
        root: RootBuilder::new(),
        damaged: false,
    };
    let mut read = || -> std::io::Result<()> {
        let mut records = Records::open(path, LONGEST)?;
        while let Some(record) = records.next_record(test)? {
            match record {
                Record::Whole { offset: 0, bytes } if is_header(bytes).is_ok() => {
                    header = on_header.take().and_then(|on_header| on_header(bytes, findings));
                }
                Record::Whole { bytes, .. } if item(bytes).is_ok() => {
                    body.root.push(leaf_hash(bytes), |_, _, _| {});
                    body.count += 1;
                    if body.items.len() < most {
                        body.items.extend(item(bytes));
                    }
                }
                Record::Whole { offset, .. } => {
                    body.damaged = true;
                    findings.add(Code::Encoding, &place.at(offset), "a second header");
                }
                Record::Damaged {
                    offset,
                    length,
                    reason,
                } => {
                    body.damaged = true;
                    let text = format!("{length} bytes were changed, or are no part of a list: {reason}");
                    findings.add(Code::Encoding, &place.at(offset), text);
                }
            }
        }
        Ok(())
    };
    if let Err(error) = read() {
        findings.add(Code::Unreadable, &place, error.to_string());
    }
    if header.is_none() && !body.damaged {
        findings.add(Code::Encoding, &place, "there is no header that can be read");
    }
    Some((header?, body))
}

fn load_list(
    id: &str,
    path: &Path,
    trust: &Trust,
    verifier: &impl Verify,
    findings: &mut Findings,
) -> Option<(PaymentList, Link)> {
    let mut stated = None;
    let is_header = |bytes: &[u8]| Signed::<ListHeader<'_>>::parse(bytes).map(|_| ());
    let on_header = |bytes: &[u8], findings: &mut Findings| {
        let signed = Signed::<ListHeader<'_>>::parse(bytes).ok()?;
        let header = signed.claimed();
        let place = Place::file(path).numbered(header.issuer_sequence);
        if header.list_id.as_str() != id {
            findings.add(
                Code::FileName,
                &place,
                format!("holds the list {}", header.list_id.as_str()),
            );
        }
        if header.effective > header.expiry {
            findings.add(
                Code::ListDates,
                &place,
                "the last day of payment lies before the first",
            );
        }
        let key = check_issuer(trust, &header.issuer, header.effective, &place, findings);
        let proven = key.is_some_and(|key| signed.verify(verifier, &key).is_ok());
        if key.is_some() && !proven {
            findings.add(
                Code::ListSignature,
                &place,
                "changed, or not signed by its issuer: the signature does not verify",
            );
        }
        stated = Some((header.lines, header.total));
        let list = PaymentList {
            issuer: header.issuer,
            number: header.number,
            terminal: header.terminal,
            effective: header.effective,
            expiry: header.expiry,
            keeps: header.kept().collect(),
            by_hand_up_to: header.by_hand_up_to.map(SomeAmount::amount),
            proven,
            root: header.root,
            header: signed.hash(),
            lines: HashMap::new(),
            place: place.clone(),
        };
        let link = Link {
            issuer: header.issuer,
            sequence: header.issuer_sequence,
            previous: header.issuer_previous,
            hash: signed.hash(),
            number: Some(Numbering::List(header.number)),
            forged: key.is_some() && !proven,
            place,
        };
        Some((list, link))
    };
    let ((mut list, link), body) = read_file(path, (line, MOST_LINES), is_header, on_header, findings)?;
    if let Some((count, total)) = stated.filter(|_| !body.damaged) {
        check_list(&list, &body, count, total.vnd(), findings);
    }
    list.lines = body.items.into_iter().map(|line| (line.number, line)).collect();
    Some((list, link))
}

fn line(bytes: &[u8]) -> Result<ListLine, tlv::Error> {
    let mut reader = Reader::new(bytes);
    let line = ListLine::read(&mut reader, ListLine::TAG)?;
    reader.finish().map(|()| line)
}

fn check_list(list: &PaymentList, body: &Body<ListLine>, count: u32, total: u64, findings: &mut Findings) {
    let place = &list.place;
    let lines = body.count;
    if u64::from(count) != lines as u64 || !(1..=MAXIMUM_LINES).contains(&count) {
        let text = format!("states {count} lines and has {lines}; a list has 1 to {MAXIMUM_LINES}");
        findings.add(Code::ListCount, place, text);
    }
    if body.root.root() != list.root {
        findings.add(
            Code::ListRoot,
            place,
            "the lines are not the ones that the issuer signed",
        );
    }
    // The sum of lines that were not kept is not known.
    if lines > body.items.len() {
        return;
    }
    let sum: u64 = body.items.iter().map(|line| line.amount.vnd()).sum();
    if sum != total {
        findings.add(
            Code::ListTotal,
            place,
            format!("states {total} VND, its lines sum to {sum} VND"),
        );
    }
    if let Some((expected, line)) = (1..)
        .zip(&body.items)
        .find(|(expected, line)| *expected != line.number)
    {
        findings.add(
            Code::ListLineNumber,
            place,
            format!("line {expected} is numbered {}", line.number),
        );
    }
}
