//! The line to a real terminal core: every use case comes to its end whatever single frame is lost, late or damaged.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../../payout/tests/common/mod.rs"]
mod common;
mod powered;

use std::thread;
use std::time::Duration;

use ansinh_payout::{
    JournalIngestion, PayoutError, Publication, WholeBlockList, acknowledge, certify_terminal,
    make_block_list, time_statement,
};
use ansinh_station::terminal_link::{LinkError, Patience, TerminalLink};
use ansinh_store::Store;
use ansinh_store::cards::BlockReason;
use ansinh_store::operators::Actor;
use card_spec::certificate::{Certificate, TrustAnchor};
use card_spec::list::{BlockEntry, BlockListHeader, BlockReason as Reason};
use card_spec::merkle::{RootBuilder, leaf_hash};
use card_spec::signed::Signed;
use card_spec::tlv::{Field as _, Writer};
use card_spec::values::{CardNumber, TerminalName};
use common::{Office, Till, days_from_now, first_operator, signed, time, today, two_cards};
use link::{Hello, Refusal, TerminalState};
use powered::{Faults, at_a_pipe, runtime};
use tempfile::TempDir;
use terminal::Layout;
use tokio::io::DuplexStream;

const PATIENCE: Patience = Patience {
    hello: Duration::from_millis(250),
    erasing: Duration::from_millis(500),
    answer: Duration::from_millis(500),
};

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Payout(#[from] PayoutError),
}

struct Bench {
    office: Office,
    store: Store,
    lan: Actor,
    link: TerminalLink<DuplexStream>,
    name: TerminalName,
    _folder: TempDir,
}

impl Bench {
    fn new(faults: Faults) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("store.sqlite")).unwrap();
        let office = Office::new();
        let lan = first_operator(&store);
        let [lost, _] = two_cards(&store, &lan, &office.issuer());
        store.block(&lan, &lost.number, BlockReason::Lost).unwrap();
        Self {
            office,
            store,
            lan,
            link: TerminalLink::over(runtime(), at_a_pipe(faults), PATIENCE),
            name: "VNT0000001".parse().unwrap(),
            _folder: folder,
        }
    }

    fn provision(&mut self) -> Result<(), Failure> {
        let requests = self.link.make_keys(self.name.to_bytes())?;
        let certificates = certify_terminal(
            &self.store,
            &self.lan,
            &self.office.authority(),
            self.name,
            (&requests.agreement, &requests.journal),
            (today(), days_from_now(34)),
        )?;
        let objects = [
            anchor(&self.office.root_certificate),
            self.office.issuer_certificate.clone(),
            self.office.ca_certificate.clone(),
            certificates.agreement,
            certificates.journal,
        ];
        Ok(self.link.install(&objects.concat())?)
    }

    fn load(&mut self) -> Result<(), Failure> {
        let issuer = self.office.issuer();
        self.link.set_time(|nonce| -> Result<_, Failure> {
            Ok(time_statement(&issuer, self.name, nonce, time())?)
        })?;
        let publish = || make_block_list(&self.store, &self.lan, &issuer, time(), Publication::Daily);
        let full = publish()?;
        let first = WholeBlockList::newest(&self.store)?.unwrap();
        self.link
            .load_block_list(full.number, &full.header, &first.entries()?, &mut |_, _| {})?;
        let delta = publish()?;
        let newest = WholeBlockList::newest(&self.store)?.unwrap();
        let changes = newest.changes_since(&first)?.unwrap();
        self.link.load_block_delta(
            delta.number,
            &delta.header,
            first.hash(),
            &changes,
            &mut |_, _| {},
        )?;
        let list = Till::new(1).list(&self.store, &self.lan, &issuer);
        Ok(self
            .link
            .load_list(list.number, &list.header, &list.lines, &mut |_, _| {})?)
    }

    /// Gives the number of the last entry that was acknowledged.
    fn sync(&mut self) -> Result<u32, Failure> {
        let terminal = self.store.terminal(self.name.as_str()).unwrap();
        let mut ingestion = JournalIngestion::resume(&self.store, &terminal).unwrap();
        loop {
            let bytes = self.link.read_journal(ingestion.next_sequence())?;
            if bytes.is_empty() {
                break;
            }
            ingestion.take(&bytes).unwrap();
        }
        let key = *ingestion.journal_key();
        let signed = acknowledge(&self.store, &self.office.issuer(), self.name, &key, time())?;
        self.link.acknowledge(signed.sequence, &signed.object)?;
        Ok(signed.sequence)
    }

    fn whole_job(&mut self) -> Result<(Hello, u32), Failure> {
        self.link.hello()?;
        self.provision()?;
        self.load()?;
        let acknowledged = self.sync()?;
        Ok((self.link.hello()?, acknowledged))
    }
}

fn anchor(root: &[u8]) -> Vec<u8> {
    let root = Signed::<Certificate>::parse(root).unwrap();
    let mut buffer = [0; 512];
    let mut writer = Writer::new(&mut buffer);
    root.claimed()
        .trust_anchor()
        .write(&mut writer, TrustAnchor::TAG)
        .unwrap();
    writer.finish().to_vec()
}

fn demand_complete(faults: Faults) {
    let mut bench = Bench::new(faults);
    let (hello, acknowledged) = bench
        .whole_job()
        .unwrap_or_else(|error| panic!("{faults:?}: {error}"));
    assert_eq!(hello.state, TerminalState::Provisioned, "{faults:?}");
    assert_eq!(hello.name, Some(*b"VNT0000001"), "{faults:?}");
    assert_eq!((hello.list_number, hello.block_list_number), (1, 2), "{faults:?}");
    assert_eq!(hello.acknowledged, acknowledged, "{faults:?}");
    // Behind what was acknowledged stands the entry that says so, and nothing else.
    assert_eq!(hello.journal_tail, acknowledged + 1, "{faults:?}");
    assert_eq!(
        bench.store.journal("VNT0000001").unwrap().len(),
        acknowledged as usize
    );
}

/// Runs cases on a few threads: they wait for time-outs most of the time.
fn each(cases: impl Iterator<Item = Faults>) {
    let cases: Vec<Faults> = cases.collect();
    thread::scope(|scope| {
        let workers: Vec<_> = cases
            .chunks(cases.len().div_ceil(6))
            .map(|chunk| scope.spawn(move || chunk.iter().copied().for_each(demand_complete)))
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}

/// More than an undisturbed job has: 21.
const ANSWERS: usize = 24;

#[test]
fn a_terminal_is_provisioned_loaded_and_synchronised() {
    demand_complete(Faults::default());
}

#[test]
fn any_answer_may_be_lost() {
    each((1..=ANSWERS).map(|answer| Faults {
        lost_answer: Some(answer),
        ..Faults::default()
    }));
}

#[test]
fn any_answer_may_come_too_late() {
    each((1..=ANSWERS).map(|answer| Faults {
        late_answer: Some(answer),
        ..Faults::default()
    }));
}

#[test]
fn any_part_of_a_request_may_be_damaged() {
    each((1..3000).step_by(61).map(|byte| Faults {
        flipped_byte: Some(byte),
        ..Faults::default()
    }));
}

#[test]
fn a_terminal_that_says_nothing_is_given_up() {
    let (near, _far) = tokio::io::duplex(8192);
    let mut link = TerminalLink::over(runtime(), near, PATIENCE);
    assert!(matches!(link.hello(), Err(LinkError::Silent)));
}

#[test]
fn a_line_that_breaks_is_told_at_once() {
    let (near, far) = tokio::io::duplex(8192);
    drop(far);
    let mut link = TerminalLink::over(runtime(), near, PATIENCE);
    assert!(matches!(link.hello(), Err(LinkError::Line(_))));
}

#[test]
fn a_refusal_is_told_in_the_terminals_words_and_not_repeated() {
    let mut bench = Bench::new(Faults::default());
    let refused = bench
        .link
        .load_list(1, &[1, 2, 3], &[], &mut |_, _| {})
        .unwrap_err();
    assert!(
        matches!(refused, LinkError::Refused(Refusal::OutOfOrder)),
        "{refused}"
    );
    assert!(refused.to_string().contains("Chưa đến bước này"));
}

#[test]
fn what_another_issuer_signed_is_refused_and_changes_nothing() {
    let mut bench = Bench::new(Faults::default());
    let (before, acknowledged) = bench.whole_job().unwrap();
    let mut list = Till::new(1).list(&bench.store, &bench.lan, &bench.office.issuer());
    *list.header.last_mut().unwrap() ^= 1;
    let refused = bench
        .link
        .load_list(list.number, &list.header, &list.lines, &mut |_, _| {});
    assert!(matches!(refused, Err(LinkError::Refused(Refusal::NotGenuine))));
    // An acknowledgement that is not for this journal's end, replayed: the terminal has it already and keeps its entries.
    let signed = bench.store.acknowledgements().unwrap().remove(0).object;
    let replayed = bench.link.acknowledge(acknowledged + 1, &signed);
    let after = bench.link.hello().unwrap();
    assert_eq!(
        (after.list_number, after.acknowledged),
        (before.list_number, acknowledged),
        "{replayed:?}"
    );
}

/// Encoded entries of a long block list.
fn entries() -> Vec<Vec<u8>> {
    let entry = |serial| {
        let card_number = CardNumber::new(79, serial).unwrap();
        let reason = Reason::Lost;
        let mut buffer = [0; BlockEntry::LENGTH];
        let mut writer = Writer::new(&mut buffer);
        BlockEntry { card_number, reason }
            .write(&mut writer, BlockEntry::TAG)
            .unwrap();
        writer.finish().to_vec()
    };
    (1..=600).map(entry).collect()
}

/// A terminal that is to get a long block list; of the answers to that, counted from 1 with the Hello before it, these are lost. Gives the
/// list's header.
fn before_a_long_list(first: usize, lost: usize, entries: &[Vec<u8>]) -> (Bench, Vec<u8>) {
    // Two requests of provisioning and two for the clock.
    let mut bench = Bench::new(Faults {
        lost_answer: Some(4 + first),
        lost_after: lost - 1,
        ..Faults::default()
    });
    bench.provision().unwrap();
    let issuer = bench.office.issuer();
    let set = bench
        .link
        .set_time(|nonce| -> Result<_, Failure> { Ok(time_statement(&issuer, bench.name, nonce, time())?) });
    set.unwrap();
    let mut root = RootBuilder::new();
    entries.iter().for_each(|entry| {
        root.push(leaf_hash(entry), |_, _, _| {});
    });
    let header = BlockListHeader {
        suite: Default::default(),
        format: Default::default(),
        issuer: issuer.reference(),
        number: 7,
        count: u32::try_from(entries.len()).unwrap(),
        root: root.root(),
        issued: time(),
        issuer_sequence: 1,
        issuer_previous: [0; 32],
    };
    let header = signed(&header, &bench.office.issuer);
    (bench, header)
}

/// As many as fit into a message.
const STEP: usize = 125;

#[test]
fn a_list_goes_on_after_any_lost_answer() {
    let entries = entries();
    // Hello, beginning, five messages of entries, end.
    for lost in 1..=8 {
        let (mut bench, header) = before_a_long_list(lost, 1, &entries);
        let mut told = Vec::new();
        let mut tell = |done, all| told.push((done, all));
        bench
            .link
            .load_block_list(7, &header, &entries, &mut tell)
            .unwrap();
        // It never falls back, so nothing was sent twice; only the end, which may be lost, is begun with all that came.
        let expected = [0, STEP, 2 * STEP, 3 * STEP, 4 * STEP, 600].map(|done| (done, 600));
        told.dedup();
        assert_eq!(told, expected, "answer {lost}");
        assert_eq!(bench.link.hello().unwrap().block_list_number, 7);
    }
}

#[test]
fn a_later_load_goes_on_where_the_cable_was_pulled() {
    let entries = entries();
    // The answer to the third message of entries, and to all the Hellos after it.
    let (mut bench, header) = before_a_long_list(5, 1 + 8, &entries);
    let mut told = Vec::new();
    let mut tell = |done, _| told.push(done);
    let pulled = bench.link.load_block_list(7, &header, &entries, &mut tell);
    assert!(matches!(pulled, Err(LinkError::Silent)));
    bench
        .link
        .load_block_list(7, &header, &entries, &mut tell)
        .unwrap();
    assert_eq!(told, [0, STEP, 2 * STEP, 3 * STEP, 4 * STEP, 600]);
    assert_eq!(bench.link.hello().unwrap().block_list_number, 7);
}

/// New keys come last: the terminal erases its whole journal for them, and who gives up before leaves it without certificates.
#[test]
fn new_keys_are_waited_for_on_the_slowest_of_the_largest_flash() {
    // As on the boards (`firmware/boards/nrf52840/src/layout.rs`), and tSE in table 15 of the MX25R6435F's data sheet.
    const BLOCK: u32 = 4_096;
    const LONGEST_ERASE: Duration = Duration::from_millis(240);
    let journal = Layout::up_to((16 << 20) - BLOCK, 200_000).journal;
    let longest = LONGEST_ERASE * ((journal.end - journal.start) / BLOCK);
    assert!(Patience::default().erasing > longest, "{longest:?}");
}
