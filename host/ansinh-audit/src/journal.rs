//! One terminal's journal from its first entry to its last: signatures, chain, and what each kind of entry must agree
//! with (DATA 5). Runs by itself, so journals are read in parallel; what concerns several terminals comes after.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use card_spec::certificate::Flags;
use card_spec::crypto::{Digest, Signature, Verify};
use card_spec::journal::{Entry, Event, MAXIMUM_ENTRY_LENGTH, genesis};
use card_spec::payment::{ClockSource, LineKey, Receipt};
use card_spec::signed::Signed;
use card_spec::tlv;
use card_spec::values::{CardNumber, Period, TerminalName, Time};

use crate::acknowledgements::Acknowledgements;
use crate::block_lists::BlockList;
use crate::by_hand::ByHand;
use crate::cards::Cards;
use crate::carried::Carried;
use crate::cash::{CashCount, Drawer};
use crate::finding::{Code, Findings, Place};
use crate::issued::{Issued, PaymentList};
use crate::orders::OpenIntent;
use crate::records::{Record, Records};
use crate::reversals::{NotHanded, Reversal};
use crate::shifts::Shifts;
use crate::trust::{JournalKey, Trust};

/// Fewest bytes of an entry with its signature: how many entries damaged bytes can have been.
const SHORTEST_ENTRY: u64 = 160;

/// What a journal is checked against.
pub(crate) struct Context<'a, V> {
    pub(crate) trust: &'a Trust,
    pub(crate) cards: &'a Cards,
    pub(crate) issued: &'a Issued,
    pub(crate) acknowledgements: &'a Acknowledgements,
    pub(crate) verifier: &'a V,
}

/// A payment as journal and receipt state it.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub(crate) place: Place,
    pub(crate) intent: u32,
    pub(crate) order_hash: Digest,
    pub(crate) line_key: LineKey,
    /// VND.
    pub(crate) amount: u64,
    /// Month of the order.
    pub(crate) month: Option<Period>,
    pub(crate) card: CardNumber,
    /// Version of the card's CSO.
    pub(crate) version: u16,
    pub(crate) counter: u32,
    pub(crate) previous: Digest,
    pub(crate) receipt_hash: Digest,
    pub(crate) receipt_signature: Signature,
    /// Does the receipt fail under its card's key?
    pub(crate) forged: bool,
    /// Do all signatures behind it verify, and do order, list and card agree?
    pub(crate) proven: bool,
    /// Has its card undone it, because the money was not handed over?
    pub(crate) reversed: bool,
}

/// What one terminal's journal says.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) findings: Findings,
    pub(crate) notes: Vec<String>,
    pub(crate) payments: Vec<Payment>,
    pub(crate) by_hand: Vec<ByHand>,
    pub(crate) refused: BTreeMap<u8, u64>,
    pub(crate) handed: u64,
    pub(crate) cash_counts: Vec<CashCount>,
    pub(crate) entries: u64,
    pub(crate) last: u32,
    pub(crate) head: Option<Digest>,
    /// Last entry of the unbroken chain from entry 1.
    pub(crate) unbroken: u32,
    /// Hashes of the entries that acknowledgements name.
    pub(crate) acknowledged: HashMap<u32, Digest>,
    pub(crate) place: Option<Place>,
    pub(crate) open_intents: Vec<u32>,
    /// Intents whose money was not handed over and whose payment stands.
    pub(crate) not_handed: Vec<u32>,
    /// Receipts of reversals that their cards signed.
    pub(crate) reversals: Vec<Reversal>,
    /// Receipts that answer no Intent at hand, or are of other kinds: no payments, but links of their cards' chains.
    pub(crate) stray_receipts: Vec<(Place, Receipt, Digest)>,
    /// Receipts of issuer scripts that the terminal carried.
    pub(crate) executed: Vec<(Place, Receipt)>,
    /// What cards have told of other terminals.
    pub(crate) carried: Vec<Carried>,
}

/// The state between two entries.
pub(crate) struct Pass<'a, V> {
    pub(crate) context: &'a Context<'a, V>,
    pub(crate) terminal: TerminalName,
    pub(crate) key: Option<&'a JournalKey>,
    pub(crate) journal: Journal,
    /// The lists in force.
    pub(crate) lists: HashSet<usize>,
    pub(crate) block_list: Option<&'a BlockList>,
    /// Orders whose outcome is not known yet, oldest first.
    pub(crate) open: Vec<OpenIntent>,
    /// First and last of each range of entries that are missing: an Intent among them is no contradiction.
    pub(crate) lost: Vec<(u32, u32)>,
    /// Entries are missing or damaged somewhere before.
    pub(crate) damage_before: bool,
    /// The block list in force is not among the files: whom it blocks is not known.
    pub(crate) block_list_lost: bool,
    pub(crate) shifts: Shifts,
    pub(crate) drawer: Drawer,
    newest_list: u32,
    previous: Option<Digest>,
    doubtful: Option<Doubtful>,
    boot_count: u32,
    times: HashMap<ClockSource, Time>,
    /// Payments by their Intent, with the amount in VND.
    pub(crate) unhanded: HashMap<u32, u64>,
    /// Payments whose money was not handed over, by their Intents.
    pub(crate) not_handed: BTreeMap<u32, NotHanded>,
    synced: u32,
    /// Bytes damaged since the last entry.
    damaged: u64,
    /// Hashes by sequence number, where several files may tell of one entry.
    hashes: Option<HashMap<u32, Digest>>,
}

/// An entry that is not proven to be this terminal's and stands where its next one is expected: a genuine one that was
/// damaged, or a forged one before it. What follows tells.
struct Doubtful {
    sequence: u32,
    bytes: Vec<u8>,
    place: Place,
}

fn is_entry(bytes: &[u8]) -> Result<(), tlv::Error> {
    Signed::<Entry<'_>>::parse(bytes).map(|_| ())
}

/// Audits all files of one terminal's journal.
pub(crate) fn audit<V: Verify>(
    context: &Context<'_, V>,
    terminal: TerminalName,
    paths: &[PathBuf],
) -> Journal {
    let mut pass = Pass::new(context, terminal, paths);
    // Of two that start alike the longer one is taken for the journal, the other for a part of it or a fork.
    let length = |path: &PathBuf| Reverse(path.metadata().map_or(0, |file| file.len()));
    let mut paths: Vec<_> = paths
        .iter()
        .map(|path| {
            let first = first_sequence(path, pass.key, context.verifier);
            (first.unwrap_or(u32::MAX), length(path), path)
        })
        .collect();
    paths.sort();
    for (index, (_, _, path)) in paths.into_iter().enumerate() {
        let place = Place::file(path);
        pass.journal.place = Some(place.clone());
        if let Err(error) = pass.read(path, &place, index > 0) {
            pass.journal
                .findings
                .add(Code::Unreadable, &place, error.to_string());
        }
    }
    pass.finish()
}

/// Where a file starts: parts of a journal in several folders are read in their order. A forged entry says nothing.
fn first_sequence(path: &Path, key: Option<&JournalKey>, verifier: &impl Verify) -> Option<u32> {
    let mut records = Records::open(path, MAXIMUM_ENTRY_LENGTH).ok()?;
    loop {
        let Record::Whole { bytes, .. } = records.next_record(is_entry).ok()?? else {
            continue;
        };
        let signed = Signed::<Entry<'_>>::parse(bytes).ok()?;
        if key.is_none_or(|key| signed.verify(verifier, &key.key).is_ok()) {
            return Some(signed.claimed().sequence);
        }
    }
}

impl<'a, V: Verify> Pass<'a, V> {
    fn new(context: &'a Context<'a, V>, terminal: TerminalName, paths: &[PathBuf]) -> Self {
        let key = context.trust.journal_key(&terminal);
        let mut journal = Journal::default();
        if let (None, Some(path)) = (key, paths.first()) {
            let text =
                format!("no valid certificate for the journal key of {terminal}: its entries prove nothing");
            journal.findings.add(Code::JournalKey, &Place::file(path), text);
        }
        Self {
            context,
            terminal,
            key,
            journal,
            lists: HashSet::new(),
            block_list: None,
            open: Vec::new(),
            lost: Vec::new(),
            damage_before: false,
            block_list_lost: false,
            shifts: Shifts::default(),
            drawer: Drawer::default(),
            newest_list: 0,
            previous: key.map(|key| genesis(&key.key)),
            doubtful: None,
            boot_count: 0,
            times: HashMap::new(),
            unhanded: HashMap::new(),
            not_handed: BTreeMap::new(),
            synced: 0,
            damaged: 0,
            hashes: (paths.len() > 1).then(HashMap::new),
        }
    }

    fn read(&mut self, path: &Path, place: &Place, may_overlap: bool) -> io::Result<()> {
        let mut records = Records::open(path, MAXIMUM_ENTRY_LENGTH)?;
        while let Some(record) = records.next_record(is_entry)? {
            match record {
                Record::Whole { offset, bytes } => {
                    self.entry(bytes, &place.at(offset), may_overlap);
                }
                Record::Damaged {
                    offset,
                    length,
                    reason,
                } => {
                    self.settle_doubtful();
                    self.damaged += length;
                    let place = place.at(offset).numbered(self.journal.last.saturating_add(1));
                    self.find(
                        Code::Encoding,
                        &place,
                        format!("{length} bytes were changed, or are no journal entry: {reason}"),
                    );
                }
            }
        }
        Ok(())
    }

    pub(crate) fn find(&mut self, code: Code, place: &Place, text: impl Into<String>) {
        self.journal.findings.add(code, place, text);
    }

    /// One entry; `is_entry` has accepted its bytes.
    fn entry(&mut self, bytes: &[u8], place: &Place, may_overlap: bool) {
        let Ok(signed) = Signed::<Entry<'_>>::parse(bytes) else {
            return;
        };
        let entry = signed.claimed();
        let place = &place.numbered(entry.sequence);
        let known = self.known_hash(entry.sequence).filter(|_| may_overlap);
        if known == Some(signed.hash()) {
            return;
        }
        self.journal.entries += 1;
        let genuine = self.check_signature(&signed, place);
        let own = self.check_terminal(entry, place);
        let trusted = own && (genuine || self.key.is_none());
        if known.is_some() {
            if trusted {
                let text = "another file has another entry with this sequence number";
                self.find(Code::EntryFork, place, text);
            }
            return;
        }
        if trusted {
            self.doubtful
                .take_if(|doubtful| doubtful.sequence == entry.sequence);
            self.settle_doubtful();
            self.take(&signed, genuine, place);
            return;
        }
        // An entry that is not proven and stands elsewhere is reported and has no place in the chain.
        let after_doubtful = |doubtful: &Doubtful| doubtful.sequence.checked_add(1) == Some(entry.sequence);
        if self.doubtful.as_ref().is_some_and(after_doubtful) {
            self.settle_doubtful();
        }
        if self.doubtful.is_none() && self.journal.last.checked_add(1) == Some(entry.sequence) {
            self.doubtful = Some(Doubtful {
                sequence: entry.sequence,
                bytes: bytes.to_vec(),
                place: place.clone(),
            });
        }
    }

    /// Nothing genuine has taken the place of the doubtful entry: it is one of the journal, and proves nothing.
    fn settle_doubtful(&mut self) {
        let Some(doubtful) = self.doubtful.take() else {
            return;
        };
        if let Ok(signed) = Signed::parse(&doubtful.bytes) {
            self.take(&signed, false, &doubtful.place);
        }
    }

    /// Takes an entry for the next of the chain.
    fn take(&mut self, signed: &Signed<'_, Entry<'_>>, genuine: bool, place: &Place) {
        let entry = signed.claimed();
        let hash = signed.hash();
        if !self.check_sequence(entry, place) {
            return;
        }
        if self
            .context
            .acknowledgements
            .names(&self.terminal, entry.sequence)
        {
            self.journal.acknowledged.insert(entry.sequence, hash);
        }
        if let Some(hashes) = &mut self.hashes {
            hashes.insert(entry.sequence, hash);
        }
        self.check_clock(entry, place);
        self.event(entry, genuine, place);
        self.previous = Some(hash);
        self.journal.last = entry.sequence;
        self.journal.head = Some(hash);
    }

    /// What an earlier file has told of this entry.
    fn known_hash(&self, sequence: u32) -> Option<Digest> {
        self.hashes.as_ref()?.get(&sequence).copied()
    }

    fn check_terminal(&mut self, entry: &Entry<'_>, place: &Place) -> bool {
        let own = entry.terminal == self.terminal;
        if !own {
            let text = format!("is an entry of {}", entry.terminal);
            self.find(Code::EntryTerminal, place, text);
        }
        own
    }

    fn check_signature(&mut self, signed: &Signed<'_, Entry<'_>>, place: &Place) -> bool {
        let Some(key) = self.key else {
            return false;
        };
        let genuine = signed.verify(self.context.verifier, &key.key).is_ok();
        if !genuine {
            self.find(
                Code::EntrySignature,
                place,
                "changed, or not signed by this terminal: the signature does not verify",
            );
        }
        genuine
    }

    /// Does the entry come next? One that stands again or too late is reported and not taken.
    fn check_sequence(&mut self, entry: &Entry<'_>, place: &Place) -> bool {
        let Some(expected) = self.journal.last.checked_add(1) else {
            self.find(Code::EntryOrder, place, "stands behind the last number there is");
            return false;
        };
        if entry.sequence < expected {
            self.find(
                Code::EntryOrder,
                place,
                format!("stands where entry {expected} is expected"),
            );
            return false;
        }
        let missing = entry.sequence - expected;
        let damaged = std::mem::take(&mut self.damaged);
        if u64::from(missing) > damaged.div_ceil(SHORTEST_ENTRY) {
            let text = format!("entries {expected} to {} are missing", entry.sequence - 1);
            self.find(Code::EntryGap, place, text);
        }
        if missing > 0 {
            self.lost.push((expected, entry.sequence - 1));
            self.damage_before = true;
            self.shifts.entries_are_missing();
            self.drawer.entries_are_missing();
            // Whatever was open may have been settled there.
            self.open.iter_mut().for_each(|open| open.settled_unseen = true);
            return true;
        }
        let follows = self.previous == Some(entry.previous);
        if self.previous.is_some() && !follows {
            self.find(Code::EntryPrevious, place, "does not name the entry before it");
        }
        if follows && self.journal.unbroken.checked_add(1) == Some(entry.sequence) {
            self.journal.unbroken = entry.sequence;
        }
        true
    }

    fn check_clock(&mut self, entry: &Entry<'_>, place: &Place) {
        if entry.boot_count < self.boot_count {
            self.find(
                Code::BootCount,
                place,
                format!("boot count {} after {}", entry.boot_count, self.boot_count),
            );
        }
        self.boot_count = entry.boot_count;
        if entry.clock == ClockSource::Unset {
            return;
        }
        let before = self.times.insert(entry.clock, entry.time).unwrap_or(Time::UNSET);
        if entry.time < before {
            self.find(
                Code::EntryTime,
                place,
                format!("{} lies behind {before}", entry.time),
            );
        }
    }

    fn clock_set_by_operator(&mut self, entry: &Entry<'_>, place: &Place) {
        let host = self.times.get(&ClockSource::Host).copied().unwrap_or(Time::UNSET);
        if entry.clock != ClockSource::Operator || entry.time < host {
            let text = format!(
                "{} by clock source {}, after {host}",
                entry.time, entry.clock as u8
            );
            self.find(Code::ClockSetByOperator, place, text);
        }
    }

    fn event(&mut self, entry: &Entry<'_>, genuine: bool, place: &Place) {
        match &entry.event {
            Event::Boot { flags, .. } => self.boot(*flags, place),
            Event::ClockSet { .. } | Event::OperatorRefused { .. } => {}
            Event::ShiftOpened { operator } => {
                self.shifts.opened(operator.as_str());
                self.drawer.shift_opened(operator.as_str());
            }
            Event::ShiftClosed { operator, end } => {
                self.shift_closed(operator.as_str(), place);
                self.drawer.shift_closed(*end);
            }
            Event::CashReceived { operator, amount } => {
                self.cash_received(operator.as_str(), *amount, place);
            }
            Event::CashCounted {
                operator,
                expected,
                counted,
            } => {
                let count = CashCount {
                    entry: entry.sequence,
                    operator: operator.as_str().to_owned(),
                    expected_vnd: expected.vnd(),
                    counted_vnd: counted.vnd(),
                };
                self.cash_counted(count, place);
            }
            Event::OperatorsLoaded { number, .. } => self.operators_loaded(*number, place),
            Event::ClockSetByOperator { .. } => self.clock_set_by_operator(entry, place),
            Event::ListLoaded { header, number } => self.list_loaded(header, *number, place),
            Event::BlockListLoaded { header, number } => self.block_list_loaded(header, *number, place),
            Event::Intent(order) => {
                self.check_operator(order.order().operator.as_str(), place);
                self.intent(entry, order, genuine, place);
            }
            Event::StillOpen(order) => self.still_open(order, place),
            Event::Paid(receipt) => self.paid(receipt, genuine, place),
            Event::CarriedReceipt(carried) => self.carried_receipt(carried, genuine, place),
            Event::ManualPaid(paid) => self.paid_by_hand(entry, paid, genuine, place),
            Event::CardBlocked(receipt) => self.card_blocked(receipt, place),
            Event::ScriptExecuted(receipt) => self.script_executed(receipt, place),
            Event::Handed { intent } => self.handed(*intent, place),
            Event::NotHanded { intent, order } => self.not_handed(*intent, order.as_ref(), place),
            Event::ReverseIntent { intent, reversal } => {
                self.reverse_intent(entry, *intent, reversal, place);
            }
            Event::Reversed { intent, receipt } => self.reversed(*intent, receipt, place),
            Event::Refused(refusal) => self.refused(refusal, place),
            Event::Synced {
                acknowledgement,
                sequence,
            } => {
                self.synced(entry.sequence, *sequence, acknowledgement, place);
            }
        }
    }

    fn boot(&mut self, flags: u8, place: &Place) {
        self.shifts.boot();
        let production = |key: &JournalKey| {
            key.certificates
                .iter()
                .any(|known| known.flags() == Flags::Production)
        };
        if flags & Flags::Test as u8 != 0 && self.key.is_some_and(production) {
            self.find(
                Code::BootTest,
                place,
                "a TEST terminal with a production certificate",
            );
        }
    }

    fn list_loaded(&mut self, header: &Digest, number: u32, place: &Place) {
        let Some((index, list)) = self.context.issued.list_by_header(header) else {
            let text = format!("list number {number} was loaded and is not among the files");
            return self.find(Code::ListMissing, place, text);
        };
        if list.terminal != self.terminal {
            self.find(
                Code::ListLoaded,
                place,
                format!("the list is for {}", list.terminal),
            );
        }
        if list.number != number || number <= self.newest_list {
            let text = format!(
                "number {number}; the list has {}, {} was loaded before",
                list.number, self.newest_list
            );
            self.find(Code::ListLoaded, place, text);
        }
        self.newest_list = self.newest_list.max(number);
        self.put_in_force(index, list, place);
    }

    /// The list and those that it keeps, which have to be in force before, are in force; all others end (DATA 3.4).
    fn put_in_force(&mut self, index: usize, list: &PaymentList, place: &Place) {
        let mut in_force = HashSet::from([index]);
        for kept in &list.keeps {
            let known = self.context.issued.list_numbered(self.terminal, *kept);
            if known.is_none_or(|known| !self.lists.contains(&known)) && !self.damage_before {
                let text = format!("number {} keeps list {kept}, which was not in force", list.number);
                self.find(Code::ListLoaded, place, text);
            }
            in_force.extend(known);
        }
        self.lists = in_force;
    }

    fn block_list_loaded(&mut self, header: &Digest, number: u32, place: &Place) {
        let Some(list) = self.context.issued.block_lists.by_header(header) else {
            let text = format!("block list number {number} was loaded and is not among the files");
            self.block_list_lost = true;
            return self.find(Code::BlockListMissing, place, text);
        };
        let before = self.block_list.map_or(0, |list| list.number);
        // A terminal that has lost its list takes the same one again (DATA 4.1).
        let is_again = self.block_list.is_some_and(|present| present.header == *header);
        if list.number != number || (number <= before && !is_again) {
            let text = format!(
                "number {number}; the block list has {}, {before} was loaded before",
                list.number
            );
            self.find(Code::BlockListLoaded, place, text);
        }
        self.block_list_lost = false;
        self.block_list = Some(list);
    }

    fn handed(&mut self, intent: u32, place: &Place) {
        if let Some(vnd) = self.unhanded.remove(&intent) {
            self.journal.handed += 1;
            self.drawer.handed(vnd);
            return;
        }
        // What it was is not known.
        self.drawer.entries_are_missing();
        // The money that was in the drawer has left it: its card undoes nothing any more (DATA 5.5).
        let contradicts = self.not_handed.remove(&intent).is_some();
        if contradicts || !self.damage_before {
            let text = format!("no payment of intent {intent} is waiting to be handed over");
            self.find(Code::Handed, place, text);
        }
    }

    pub(crate) fn add_payment(&mut self, payment: Payment) {
        self.unhanded.insert(payment.intent, payment.amount);
        self.journal.payments.push(payment);
    }

    fn synced(&mut self, sequence: u32, acknowledged: u32, acknowledgement: &Digest, place: &Place) {
        if acknowledged >= sequence || acknowledged < self.synced {
            let text = format!("entry {acknowledged} as acknowledged, after {}", self.synced);
            self.find(Code::Synced, place, text);
        } else {
            self.synced = acknowledged;
        }
        match self
            .context
            .acknowledgements
            .has(&self.terminal, acknowledged, acknowledgement)
        {
            Some(true) => {}
            Some(false) => self.find(
                Code::Synced,
                place,
                "names another acknowledgement than the files have",
            ),
            None => self
                .journal
                .notes
                .push(format!("{place}: its acknowledgement is not among the files")),
        }
    }

    fn finish(mut self) -> Journal {
        self.settle_doubtful();
        self.journal.not_handed = self.not_handed.keys().copied().collect();
        self.journal.open_intents = self.open.iter().map(|open| open.sequence).collect();
        self.journal
    }
}
