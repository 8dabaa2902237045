//! A desk without a reader: one person, one chip, and a fault at any chosen place.

use std::fs;
use std::path::Path;
use std::process;
use std::sync::OnceLock;

use ansinh_issuance::{Done, Event, Failure, Issuance, Randomness, Station, Step};
use ansinh_station::issue::Ledger;
use ansinh_store::Store;
use ansinh_store::batches::{NewBatch, Selection};
use ansinh_store::cards::{Card, CardState};
use ansinh_store::operators::Actor;
use card_spec::apdu::{Command, Response};
use card_spec::command::instruction::GET_DATA;
use card_spec::command::{CardStatus, FileControlInformation, LifeCycle, Pin};
use card_spec::scp03::{HostHandshake, InitializeUpdateResponse};
use card_spec::tlv::{Field as _, Reader};
use getrandom::SysRng;
use tempfile::TempDir;
use virtual_card::control::Fuse;
use virtual_card::{Chip, Moment, ReferenceCard};

use crate::{Opened, PIN, TestStation};

/// What is made once for all benches of a test program.
struct Template {
    station: TestStation,
    opened: Opened,
}

/// Persons on the list of a bench.
pub const PEOPLE: u32 = 3;

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let station = TestStation::set_up(PEOPLE, 4);
        let opened = station.open();
        Template { station, opened }
    })
}

/// Where the power fails, or the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nowhere.
    None,
    /// At the n-th command, from 1.
    Command(u64, Moment),
    /// At the n-th question to the ledger, from 1: `Before` it is committed, or `After`.
    Ledger(u64, Moment),
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The personalization came to its own end.
    Ended(Result<Done, Failure>),
    /// The fault struck, or the chip stopped answering.
    Torn,
}

/// What went over the wire, and how often the ledger was asked.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// INS, bytes of the command, bytes of the response.
    pub commands: Vec<(u8, usize, usize)>,
    /// Questions to the ledger.
    pub ledger: u64,
}

/// A store and the memory of one chip, both copies.
pub struct Bench {
    folder: TempDir,
    /// The ledger.
    pub store: Store,
    /// Certificates and terms.
    pub station: Station,
    /// The fuse of the chip's memory.
    pub writes: Fuse,
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    /// A station with [`PEOPLE`] waiting, and blank chips.
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for file in fs::read_dir(template().station.home()).unwrap() {
            let file = file.unwrap();
            if file.file_name().to_string_lossy().starts_with("store.sqlite") {
                fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
            }
        }
        for card in template().station.cards() {
            fs::copy(&card, folder.path().join(card.file_name().unwrap())).unwrap();
        }
        let store = Store::open(&folder.path().join("store.sqlite")).unwrap();
        Self {
            folder,
            store,
            station: template().opened.station.clone(),
            writes: Fuse::default(),
        }
    }

    /// Powers the chip of this place (from 0) up, as after an insertion.
    pub fn chip(&self, place: usize) -> ReferenceCard {
        let card = template().station.cards()[place].file_name().unwrap().to_owned();
        ReferenceCard::open(&self.folder.path().join(card), &self.writes, false).unwrap()
    }

    /// The serial of the chip of this place.
    pub fn serial(place: usize) -> [u8; 10] {
        let card = template().station.cards()[place].clone();
        hex::decode(card.file_stem().unwrap().to_str().unwrap())
            .unwrap()
            .try_into()
            .unwrap()
    }

    /// The vendor's delivery file.
    pub fn delivery_file() -> std::path::PathBuf {
        template().station.delivery_file()
    }

    /// The root's public key.
    pub fn root_key_file() -> std::path::PathBuf {
        template().station.home().join("root.pem")
    }

    /// The officer who issues.
    pub fn actor(&self) -> &'static Actor {
        &template().opened.actor
    }

    /// Puts everybody who waits into an approved batch.
    pub fn approve_everybody(&self) {
        let batch = NewBatch {
            title: "everybody".to_owned(),
            selection: Selection::Everybody,
            limit: None,
            expires_on: "20991231".to_owned(),
            quota: 99,
        };
        let batch = self.store.draft_batch(self.actor(), &batch).unwrap();
        self.store.approve_batch(self.approver(), batch.number).unwrap();
    }

    /// The officer who approves.
    pub fn approver(&self) -> &'static Actor {
        &template().opened.approver
    }

    /// Ledger and keys as a reader uses them.
    pub fn ledger(&self) -> Ledger<'_> {
        Ledger {
            store: &self.store,
            actor: self.actor(),
            keys: &template().opened.keys,
            station: &self.station,
            province: 79,
            reader: "bench",
        }
    }

    /// One attempt, which the fault may cut short.
    pub fn attempt(&self, chip: &mut impl Chip, fault: Fault) -> (End, Trace) {
        let mut trace = Trace::default();
        chip.reset();
        let (mut issuance, mut step) = Issuance::start(&self.station, Randomness::draw(&mut SysRng).unwrap());
        loop {
            let event = match step {
                Step::Done(done) => return (End::Ended(Ok(done)), trace),
                Step::Failed(failure) => return (End::Ended(Err(failure)), trace),
                Step::AskPin(_) => Event::Pin(Pin::new(PIN).unwrap()),
                Step::Transmit(command) => match transmit(chip, &command, fault, &mut trace) {
                    Some(response) => Event::Response(response),
                    None => return (End::Torn, trace),
                },
                step => {
                    trace.ledger += 1;
                    if fault == Fault::Ledger(trace.ledger, Moment::Before) {
                        return (End::Torn, trace);
                    }
                    let Ok(event) = self.ledger().answer(step) else {
                        unreachable!("all other steps are matched")
                    };
                    if fault == Fault::Ledger(trace.ledger, Moment::After) {
                        return (End::Torn, trace);
                    }
                    event
                }
            };
            step = issuance.answer(event);
        }
    }

    /// An attempt without a fault.
    pub fn issue(&self, chip: &mut impl Chip) -> Result<Done, Failure> {
        match self.attempt(chip, Fault::None).0 {
            End::Ended(end) => end,
            End::Torn => Err(Failure::CardLost),
        }
    }

    /// The card that the ledger has on the chip of this place.
    pub fn card(&self, place: usize) -> Option<Card> {
        self.store.card_by_chip(&Self::serial(place)).unwrap()
    }

    /// Hashes of the CSOs that the issuer ever signed.
    pub fn signed_csos(&self) -> Vec<[u8; 32]> {
        let entries = self.store.issuer_log(self.station.issuer().as_str()).unwrap();
        entries.iter().map(|entry| entry.signed.body_hash).collect()
    }

    /// What the genuine chip of this place says of itself in an issuer's session.
    pub fn status(&self, chip: &mut impl Chip, place: usize) -> CardStatus {
        chip.reset();
        select(chip);
        let handshake = HostHandshake::new([7; 8]);
        let response = chip.transmit(&handshake.initialize_update(0));
        let update =
            InitializeUpdateResponse::parse(Response::parse(&response).unwrap().ok().unwrap()).unwrap();
        let Ok(Event::Keys(keys)) = self.ledger().answer(Step::FindKeys(Self::serial(place))) else {
            unreachable!("the chip is of the test delivery")
        };
        let present = if update.key_version == 1 {
            &keys.transport
        } else {
            &keys.issuer
        };
        let (mut channel, authenticate) = handshake.card_response(present, &update).unwrap();
        assert_eq!(chip.transmit(&authenticate), [0x90, 0x00]);
        let [p1, p2] = CardStatus::TAG.to_be_bytes();
        let command = Command {
            class: 0x80,
            instruction: GET_DATA,
            p1,
            p2,
            data: &[],
            expected: Some(256),
        };
        let mut buffer = [0; 261];
        let response = chip.transmit(channel.wrap(&command, &mut buffer).unwrap());
        let mut buffer = [0; 252];
        let reply = channel.unwrap(&response, &mut buffer).unwrap();
        let data = reply.authenticated().unwrap().ok().unwrap();
        CardStatus::read(&mut Reader::new(data), CardStatus::TAG).unwrap()
    }

    /// The promise (DESIGN.md, 1): the chip is an active card under the one CSO that was ever signed, and the ledger says so.
    pub fn assert_issued(&self, chip: &mut impl Chip, place: usize) {
        let card = self.card(place).unwrap();
        assert_eq!(card.state, CardState::Active);
        assert_eq!(self.store.cards().unwrap().len(), 1);
        assert_eq!(self.store.approved_persons().unwrap(), u64::from(PEOPLE) - 1);
        assert_eq!(self.store.unfinished_cards().unwrap(), 0);
        assert_eq!(select(chip), LifeCycle::Active);
        let status = self.status(chip, place);
        assert_eq!(self.signed_csos(), [status.cso_hash.unwrap()]);
        assert_eq!(
            (status.life_cycle, status.counter, status.pin_tries),
            (LifeCycle::Active, 0, 3)
        );
    }

    /// What must hold at any moment: an active chip has a released CSO in the ledger, and it is the chip's.
    pub fn assert_not_half_issued(&self, chip: &mut impl Chip, place: usize) {
        chip.reset();
        if select(chip) == LifeCycle::Active {
            let state = self.card(place).unwrap().state;
            assert!(
                matches!(state, CardState::CsoReleased | CardState::Active),
                "{state:?}"
            );
            assert_eq!(self.signed_csos(), [self.status(chip, place).cso_hash.unwrap()]);
        }
        assert!(self.signed_csos().len() <= 1 && self.store.cards().unwrap().len() <= 1);
    }

    /// Changes the ledger from outside. sqlite3: Debian's sqlite3.
    pub fn alter_ledger(&self, sql: &str) {
        let file = self.folder.path().join("store.sqlite");
        let status = process::Command::new("sqlite3").arg(file).arg(sql).status();
        assert!(status.expect("sqlite3 starts").success(), "{sql}");
    }

    /// Puts a backup of the ledger, made by [`Store::copy_to`], in its place.
    pub fn restore(&mut self, backup: &Path) {
        self.store = Store::open(backup).unwrap();
    }

    /// The folder of this bench.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// SELECT, and the life cycle that it answers.
pub fn select(chip: &mut impl Chip) -> LifeCycle {
    let response = chip.transmit(&[
        0x00, 0xA4, 0x04, 0x00, 0x08, 0xF0, 0x41, 0x4E, 0x53, 0x49, 0x4E, 0x48, 0x01, 0x00,
    ]);
    let data = Response::parse(&response).unwrap().ok().unwrap();
    FileControlInformation::read(&mut Reader::new(data), FileControlInformation::TAG)
        .unwrap()
        .life_cycle
}

pub(crate) fn transmit(
    chip: &mut impl Chip,
    command: &[u8],
    fault: Fault,
    trace: &mut Trace,
) -> Option<Vec<u8>> {
    let number = trace.commands.len() as u64 + 1;
    if fault == Fault::Command(number, Moment::Before) {
        return None;
    }
    let response = chip.transmit(command);
    trace.commands.push((command[1], command.len(), response.len()));
    let torn = response.is_empty() || fault == Fault::Command(number, Moment::After);
    (!torn).then_some(response)
}
