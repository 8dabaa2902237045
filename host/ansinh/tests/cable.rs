//! The cable between host and terminal is cut: between any two frames and inside of each, while a block list, its changes, a
//! long payment list or a journal is on its way. The host says so at once; once it is plugged in again the same work goes on
//! where it stood and ends well, with nothing twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../../payout/tests/common/mod.rs"]
mod common;
mod powered;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use ansinh_payout::{JournalIngestion, PayoutError, acknowledge, certify_terminal, time_statement};
use ansinh_station::terminal_link::{LinkError, TerminalLink};
use ansinh_store::Store;
use ansinh_store::import::{ApprovedLine, ApprovedList, ImportMode, ListKind};
use ansinh_store::lists::PaymentList;
use ansinh_store::operators::Actor;
use card_spec::block_delta::Unblocked;
use card_spec::certificate::{Certificate, TrustAnchor};
use card_spec::journal::{Entry, Event};
use card_spec::list::{BlockEntry, BlockListHeader, BlockReason};
use card_spec::merkle::{RootBuilder, leaf_hash};
use card_spec::signed::Signed;
use card_spec::tlv::{Field, Writer};
use card_spec::values::{CardNumber, TerminalName};
use common::{Office, Till, approved, days_from_now, first_operator, signed, time, today, two_cards};
use rig::{Cable, CableCut};
use tempfile::TempDir;
use tokio_serial::SerialStream;

type Link = TerminalLink<SerialStream>;

/// Bytes that pass of the frame in which the cable is cut: its first zero byte and a part of its body. The shortest frame has eight.
const INSIDE: u64 = 4;
/// Lines of the payment list: 33 fit into a message.
const LINES: u16 = 150;
/// Entries of the block list: 125 fit into a message.
const BLOCKED: u64 = 400;
/// Cuts at work at the same time.
const WORKERS: usize = 4;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Payout(#[from] PayoutError),
}

/// What is on its way in several messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Transfer {
    BlockList,
    Changes,
    PaymentList,
}

/// Items of each transfer that the terminal is known to have, as they were told.
type Told = BTreeMap<Transfer, Vec<usize>>;

/// A block list: signed header and encoded entries.
struct Blocks {
    number: u32,
    header: Vec<u8>,
    entries: Vec<Vec<u8>>,
}

impl Blocks {
    fn new(number: u32, serials: impl Iterator<Item = u64>, office: &Office) -> Self {
        let reason = BlockReason::Lost;
        let entries: Vec<Vec<u8>> = serials
            .map(|serial| CardNumber::new(79, serial).unwrap())
            .map(|card_number| encoded(&BlockEntry { card_number, reason }, BlockEntry::TAG))
            .collect();
        let mut root = RootBuilder::new();
        for entry in &entries {
            root.push(leaf_hash(entry), |_, _, _| {});
        }
        let header = BlockListHeader {
            suite: Default::default(),
            format: Default::default(),
            issuer: office.issuer().reference(),
            number,
            count: u32::try_from(entries.len()).unwrap(),
            root: root.root(),
            issued: time(),
            issuer_sequence: number.into(),
            issuer_previous: [0; 32],
        };
        Self {
            number,
            header: signed(&header, &office.issuer),
            entries,
        }
    }
}

fn encoded<'f>(object: &impl Field<'f>, tag: u16) -> Vec<u8> {
    let mut buffer = [0; 512];
    let mut writer = Writer::new(&mut buffer);
    object.write(&mut writer, tag).unwrap();
    writer.finish().to_vec()
}

/// A station, and a terminal with certificates that has no list yet.
struct Bench {
    office: Office,
    store: Store,
    name: TerminalName,
    terminal: PathBuf,
    certificates: Vec<u8>,
    list: PaymentList,
    blocks: [Blocks; 2],
    changes: Vec<Vec<u8>>,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("store.sqlite")).unwrap();
        let office = Office::new();
        let lan = first_operator(&store);
        let _cards = two_cards(&store, &lan, &office.issuer());
        store.import(&lan, &many_sums(), ImportMode::Commit).unwrap();
        let name: TerminalName = "VNT0000001".parse().unwrap();
        let terminal = PathBuf::from(powered::at_a_port());
        let certificates = provision(&terminal, name, &store, &lan, &office);
        let list = Till::new(1).list(&store, &lan, &office.issuer());
        assert_eq!(list.lines.len(), usize::from(LINES) + 2);
        // Every second card is on the first list; half of these are found again, and others come.
        let blocks = [
            Blocks::new(1, (1..=BLOCKED).map(|card| 2 * card), &office),
            Blocks::new(2, (1..=BLOCKED).map(|card| 4 * card), &office),
        ];
        Self {
            changes: changes(),
            office,
            store,
            name,
            terminal,
            certificates,
            list,
            blocks,
            _folder: folder,
        }
    }

    /// What a host does with a terminal that comes.
    fn visit(&self, cable: &Cable, told: &mut Told) -> Result<(), Failure> {
        let link = &mut TerminalLink::open(&cable.port().to_string_lossy())?;
        let hello = link.hello()?;
        link.install(&self.certificates)?;
        let issuer = self.office.issuer();
        link.set_time(|nonce| -> Result<_, Failure> {
            Ok(time_statement(&issuer, self.name, nonce, time())?)
        })?;
        let mut tell = |transfer, done| told.entry(transfer).or_default().push(done);
        let [first, second] = &self.blocks;
        if hello.block_list_number < first.number {
            let tell = &mut |done, _| tell(Transfer::BlockList, done);
            link.load_block_list(first.number, &first.header, &first.entries, tell)?;
        }
        if hello.block_list_number < second.number {
            let base = Signed::<BlockListHeader>::parse(&first.header).unwrap().hash();
            let tell = &mut |done, _| tell(Transfer::Changes, done);
            link.load_block_delta(second.number, &second.header, base, &self.changes, tell)?;
        }
        let tell = &mut |done, _| tell(Transfer::PaymentList, done);
        link.load_list(self.list.number, &self.list.header, &self.list.lines, tell)?;
        self.synchronise(link)
    }

    fn synchronise(&self, link: &mut Link) -> Result<(), Failure> {
        let terminal = self.store.terminal(self.name.as_str()).unwrap();
        let mut ingestion = JournalIngestion::resume(&self.store, &terminal).unwrap();
        loop {
            let bytes = link.read_journal(ingestion.next_sequence())?;
            if bytes.is_empty() {
                break;
            }
            ingestion.take(&bytes).unwrap();
        }
        let key = *ingestion.journal_key();
        let signed = acknowledge(&self.store, &self.office.issuer(), self.name, &key, time())?;
        Ok(link.acknowledge(signed.sequence, &signed.object)?)
    }

    /// Every list is in force, and came into force once; every entry is in the ledger once, and acknowledged.
    fn demand_everything_once(&self, cut: CableCut) {
        let cable = Cable::connect(&self.terminal, None, None).unwrap();
        let hello = open(&cable).hello().unwrap();
        let lists = (hello.list_number, hello.block_list_number);
        assert_eq!(lists, (self.list.number, 2), "{cut:?}");
        let entries = self.store.journal(self.name.as_str()).unwrap();
        assert_eq!(entries.len(), hello.acknowledged as usize, "{cut:?}");
        let loaded: Vec<u32> = entries.iter().filter_map(|entry| loaded(entry)).collect();
        assert_eq!(loaded, [1, 2, self.list.number], "{cut:?}");
    }
}

/// The number of the list whose coming into force an entry tells.
fn loaded(entry: &[u8]) -> Option<u32> {
    match Signed::<Entry<'_>>::parse(entry).unwrap().claimed().event {
        Event::ListLoaded { number, .. } | Event::BlockListLoaded { number, .. } => Some(number),
        _ => None,
    }
}

fn open(cable: &Cable) -> Link {
    TerminalLink::open(&cable.port().to_string_lossy()).unwrap()
}

/// Many sums for one card, each of a programme of its own.
fn many_sums() -> ApprovedList {
    let sum = |number: u16| {
        let mut line: ApprovedLine = approved(1);
        line.file_line = u64::from(number) + 1;
        line.entitlement.programme = format!("P{number:03}");
        line.entitlement.monthly_amount = 1_000;
        line.due[0].amount = 1_000;
        line
    };
    ApprovedList {
        file_hash: [9; 32],
        file_name: "truy-linh.csv".to_owned(),
        kind: ListKind::Plain,
        lines: (1..=LINES).map(sum).collect(),
        warnings: Vec::new(),
    }
}

/// From the first block list to the second: what is no multiple of four leaves it, and what lies beyond the first one comes.
fn changes() -> Vec<Vec<u8>> {
    let card = |serial| CardNumber::new(79, serial).unwrap();
    let left = (1..=2 * BLOCKED).filter(|serial| serial % 4 == 2);
    let come = (2 * BLOCKED + 1..=4 * BLOCKED).filter(|serial| serial % 4 == 0);
    let left = left.map(|serial| {
        encoded(
            &Unblocked {
                card_number: card(serial),
            },
            Unblocked::TAG,
        )
    });
    let reason = BlockReason::Lost;
    let come = come.map(|serial| {
        encoded(
            &BlockEntry {
                card_number: card(serial),
                reason,
            },
            BlockEntry::TAG,
        )
    });
    left.chain(come).collect()
}

/// Gives what a host installs at each connection.
fn provision(terminal: &Path, name: TerminalName, store: &Store, lan: &Actor, office: &Office) -> Vec<u8> {
    let cable = Cable::connect(terminal, None, None).unwrap();
    let link = &mut open(&cable);
    let requests = link.make_keys(name.to_bytes()).unwrap();
    let keys = (requests.agreement.as_slice(), requests.journal.as_slice());
    let dates = (today(), days_from_now(34));
    let own = certify_terminal(store, lan, &office.authority(), name, keys, dates).unwrap();
    let root = Signed::<Certificate>::parse(&office.root_certificate).unwrap();
    let objects = [
        encoded(&root.claimed().trust_anchor(), TrustAnchor::TAG),
        office.issuer_certificate.clone(),
        office.ca_certificate.clone(),
        own.agreement,
        own.journal,
    ];
    link.install(&objects.concat()).unwrap();
    objects.concat()
}

/// A visit that the cut ends, and another one.
fn cut(cut: CableCut) {
    let bench = Bench::new();
    let (mut before, mut after) = (Told::new(), Told::new());
    let cable = Cable::connect(&bench.terminal, None, Some(cut)).unwrap();
    let ended = bench.visit(&cable, &mut before);
    let Err(Failure::Link(error @ LinkError::Line(_))) = ended else {
        panic!("{cut:?}: {ended:?}");
    };
    assert!(error.to_string().contains("run the command again"));
    drop(cable);
    let cable = Cable::connect(&bench.terminal, None, None).unwrap();
    bench
        .visit(&cable, &mut after)
        .unwrap_or_else(|error| panic!("{cut:?}: {error}"));
    drop(cable);
    // What the terminal has confirmed is not sent again.
    for (transfer, told) in &before {
        let (had, goes_on) = (told.last(), after.get(transfer).and_then(|told| told.first()));
        assert!(
            goes_on.is_none_or(|first| Some(first) >= had),
            "{cut:?}: {told:?}"
        );
    }
    bench.demand_everything_once(cut);
}

#[test]
fn a_cable_cut_anywhere_is_told_and_the_next_visit_goes_on() {
    let bench = Bench::new();
    let cable = Cable::connect(&bench.terminal, None, None).unwrap();
    let mut told = Told::new();
    bench.visit(&cable, &mut told).unwrap();
    assert!(told.values().all(|told| told.len() > 3), "{told:?}");
    let cuts = (0..cable.frames()).flat_map(|frames| [0, INSIDE].map(|bytes| CableCut { frames, bytes }));
    let cuts = Mutex::new(cuts.collect::<Vec<_>>());
    println!("{} cuts", cuts.lock().unwrap().len());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(next) = { cuts.lock().unwrap().pop() } {
                    cut(next);
                }
            });
        }
    });
}
