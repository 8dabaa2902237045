//! The operations log (DATA 2.1): who did what at the station, one line of it naming the one before. It is not signed. What it
//! proves: whoever took a line out of its middle, changed one or put one in had to write all later ones anew, which shows to everybody
//! who wrote a head down elsewhere; and it tells of every card, payment list and block list that the issuer signed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use card_spec::crypto::{Digest, sha256};
use jiff::Timestamp;
use serde::Serialize;

use crate::files::Files;
use crate::finding::{Code, Findings, Place};

/// First of the lines that are hashed.
const KIND: &str = "ansinh operation 1";
/// Longest line of text, bytes; no operator, action or subject comes near it.
const LONGEST: u64 = 4096;
/// What the line before the first one is named by.
const NONE_BEFORE: Digest = [0; 32];

/// Up to where the operations log of a ledger is unbroken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperationsSummary {
    /// Where it stands.
    pub file: String,
    /// Last operation of the unbroken chain from operation 1.
    pub unbroken: u64,
    /// Last operation at hand.
    pub last: u64,
    /// Hash of that one, hexadecimal: compare it with what was written down elsewhere.
    pub head: String,
}

/// One operation as it was read.
struct Operation {
    position: u64,
    action: String,
    subject: String,
    previous: Digest,
    /// The hash that stands there, and the one that it must be.
    stated: Digest,
    hash: Digest,
}

/// Operations that sign an object; no other one's subject is kept.
const SIGNING: [&str; 3] = [CARD_BEGUN, PAYMENT_LIST_MADE, BLOCK_LIST_MADE];
const CARD_BEGUN: &str = "card-begun";
const PAYMENT_LIST_MADE: &str = "payment-list-made";
const BLOCK_LIST_MADE: &str = "block-list-made";

/// What the logs of each ledger tell of. A ledger is known by its first operation at hand: the hash of that one.
type Told = HashMap<Digest, HashSet<String>>;

/// One log, read to its end.
struct Log {
    summary: OperationsSummary,
    ledger: Digest,
    /// Hash of each operation, the first at 0, up to the first break.
    hashes: Vec<Digest>,
    place: Place,
}

/// Checks all operations logs: each for itself, those of one ledger against each other, and the signed objects against them.
pub(crate) fn check(files: &Files, findings: &mut Findings) -> Vec<OperationsSummary> {
    let mut told = Told::new();
    let mut logs = Vec::new();
    let mut ledgers = HashMap::new();
    for path in &files.operations {
        match read(path, &mut told, findings) {
            Ok(log) => {
                ledgers.extend(path.parent().map(|folder| (folder, log.ledger)));
                logs.push(log);
            }
            Err(error) => findings.add(Code::Unreadable, &Place::file(path), error.to_string()),
        }
    }
    check_forks(&logs, findings);
    check_told(files, &ledgers, &told, findings);
    logs.into_iter().map(|log| log.summary).collect()
}

fn read(path: &Path, told: &mut Told, findings: &mut Findings) -> io::Result<Log> {
    let mut source = Lines::new(BufReader::new(File::open(path)?));
    let place = Place::file(path);
    let (mut last, mut head, mut unbroken) = (0, NONE_BEFORE, true);
    let (mut hashes, mut ledger) = (Vec::new(), None);
    while let Some((offset, record)) = source.next_operation()? {
        let place = place.at(offset);
        let Some(operation) = record else {
            findings.add(
                Code::OperationEncoding,
                &place,
                "not the eight lines of an operation",
            );
            unbroken = false;
            continue;
        };
        let place = place.numbered(operation.position);
        let fault = fault(&operation, last, &head);
        if let Some((code, text)) = fault {
            findings.add(code, &place, text);
            unbroken = false;
        }
        if operation.stated != operation.hash {
            let text = "its hash is not that of its lines: it was changed";
            findings.add(Code::OperationHash, &place, text);
            unbroken = false;
        }
        if unbroken {
            hashes.push(operation.hash);
        }
        let ledger = *ledger.get_or_insert(operation.hash);
        if SIGNING.contains(&operation.action.as_str()) {
            let telling = telling(&operation.action, &operation.subject);
            told.entry(ledger).or_default().insert(telling);
        }
        (last, head) = (operation.position, operation.stated);
    }
    Ok(Log {
        summary: OperationsSummary {
            file: place.file.to_string(),
            unbroken: hashes.len() as u64,
            last,
            head: hex::encode(head),
        },
        ledger: ledger.unwrap_or(NONE_BEFORE),
        hashes,
        place,
    })
}

/// What is wrong with the place of an operation in the log.
fn fault(operation: &Operation, last: u64, head: &Digest) -> Option<(Code, String)> {
    let position = operation.position;
    if position <= last {
        return Some((
            Code::OperationOrder,
            format!("operation {position} follows operation {last}"),
        ));
    }
    if position - last > 1 {
        let (first, until) = (last + 1, position - 1);
        return Some((
            Code::OperationGap,
            format!("operations {first} to {until} are missing"),
        ));
    }
    let follows = operation.previous == *head;
    (!follows).then(|| {
        (
            Code::OperationPrevious,
            "does not name the operation before it".to_owned(),
        )
    })
}

/// Two logs that begin alike are of one ledger: the shorter one is the beginning of the other.
fn check_forks(logs: &[Log], findings: &mut Findings) {
    let mut by_ledger: BTreeMap<Digest, &Log> = BTreeMap::new();
    for log in logs {
        let Some(first) = log.hashes.first() else { continue };
        let Some(other) = by_ledger.insert(*first, log) else {
            continue;
        };
        let mut pairs = log.hashes.iter().zip(&other.hashes).zip(1_u64..);
        if let Some((_, position)) = pairs.find(|((one, another), _)| one != another) {
            let text = format!("another operation {position} than in {}", other.place);
            findings.add(Code::OperationFork, &log.place.numbered(position), text);
        }
        if other.hashes.len() > log.hashes.len() {
            by_ledger.insert(*first, other);
        }
    }
}

/// Nothing is signed without its operation, so an end that was cut off shows as long as a later object is there. It is demanded of
/// the ledger whose log, by its folder in `ledgers`, lies nearest above the object. What lies in a folder without a log, which may
/// be of another ledger, nothing can be said of.
fn check_told(files: &Files, ledgers: &HashMap<&Path, Digest>, told: &Told, findings: &mut Findings) {
    let mut demand = |telling: String, path: &Path| {
        let Some(ledger) = path.ancestors().find_map(|folder| ledgers.get(folder)) else {
            return;
        };
        if !told.get(ledger).is_some_and(|told| told.contains(&telling)) {
            let text = format!("no operations log of its ledger tells of it ({telling})");
            findings.add(Code::OperationMissing, &Place::file(path), text);
        }
    };
    for ((_, number), card) in &files.cards {
        if let (Some(cso), None) = (&card.cso, card.version) {
            demand(telling(CARD_BEGUN, &number.to_string()), cso);
        }
    }
    for (list, path) in &files.lists {
        demand(telling(PAYMENT_LIST_MADE, list), path);
    }
    for (number, path) in &files.block_lists {
        demand(telling(BLOCK_LIST_MADE, &number.to_string()), path);
    }
}

/// An action with what it was done to, without what else its subject says.
fn telling(action: &str, subject: &str) -> String {
    format!("{action} {}", subject.split(' ').next().unwrap_or_default())
}

/// Lines of text in bounded memory.
struct Lines<R> {
    source: R,
    offset: u64,
    /// A line that was read already: the first one of the next operation.
    ahead: Option<(u64, Vec<u8>)>,
}

impl<R: BufRead> Lines<R> {
    fn new(source: R) -> Self {
        Self {
            source,
            offset: 0,
            ahead: None,
        }
    }

    /// The next operation with the offset of its first byte, or the place of what is none; it goes on at the next first line.
    fn next_operation(&mut self) -> io::Result<Option<(u64, Option<Operation>)>> {
        let Some((offset, first)) = self.next_line()? else {
            return Ok(None);
        };
        let mut lines = vec![first];
        while lines.len() < 8 {
            match self.next_line()? {
                Some((at, line)) if is_first(&line) => {
                    self.ahead = Some((at, line));
                    break;
                }
                Some((_, line)) => lines.push(line),
                None => break,
            }
        }
        let operation = parse(&lines);
        if operation.is_none() {
            self.skip_to_first()?;
        }
        Ok(Some((offset, operation)))
    }

    fn skip_to_first(&mut self) -> io::Result<()> {
        while let Some((offset, line)) = self.next_line()? {
            if is_first(&line) {
                self.ahead = Some((offset, line));
                return Ok(());
            }
        }
        Ok(())
    }

    /// A line with its line feed, if it has one; a longer one than allowed comes in pieces.
    fn next_line(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        if let Some(line) = self.ahead.take() {
            return Ok(Some(line));
        }
        let mut line = Vec::new();
        let read = self.source.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        let offset = self.offset;
        self.offset += read as u64;
        Ok((read > 0).then_some((offset, line)))
    }
}

fn is_first(line: &[u8]) -> bool {
    line.strip_suffix(b"\n") == Some(KIND.as_bytes())
}

fn parse(lines: &[Vec<u8>]) -> Option<Operation> {
    let texts: Option<Vec<&str>> = lines
        .iter()
        .map(|line| std::str::from_utf8(line).ok()?.strip_suffix('\n'))
        .collect();
    let texts = texts?;
    let [kind, position, at, _operator, action, subject, previous, stated] = texts.as_slice() else {
        return None;
    };
    let number: u64 = position.parse().ok()?;
    let hashed = lines.get(..7)?.concat();
    // DATA 2.1: "without other control characters"; the time in the one form of its kind.
    let plain = !texts.iter().any(|text| text.contains(char::is_control));
    let time = at.parse::<Timestamp>().ok()?;
    (*kind == KIND && number.to_string() == **position && time.to_string() == **at && plain).then_some(())?;
    Some(Operation {
        position: number,
        action: (*action).to_owned(),
        subject: (*subject).to_owned(),
        previous: digest(previous)?,
        stated: digest(stated)?,
        hash: sha256(&[&hashed]),
    })
}

/// 64 hexadecimal digits in lower case: one hash, one text.
fn digest(text: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).ok()?;
    (hex::encode(digest) == text).then_some(digest)
}
