//! A soak: thousands of cards through `ansinh issue` and the real pcscd, while cards are torn out at random commands, another
//! program resets some, some chips die and are given up, and `ansinh` itself is killed; and then the books are checked.
//!
//! What befalls each chip follows from the seed. When it befalls it depends on the machine, so that each run is one more
//! interleaving of the same faults.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ansinh_keys::Role;
use ansinh_station::home::Home;
use ansinh_store::cards::CardState;
use card_spec::command::LifeCycle;
use card_spec::crypto::sha256;
use rig::VirtualReader;
use serde::Serialize;
use serde_json::Value;
use virtual_card::control::Fuse;
use virtual_card::{Control, Moment, ReferenceCard};

use crate::bench::select;
use crate::office::{Hand, Issuing};
use crate::{PIN, TestStation};

/// APDUs of one issuance.
const COMMANDS: u8 = 13;
/// From this command on the chip is bound to a person, so that giving it up means something.
const BOUND: u8 = 3;
/// After so long without any sign a person puts the card in again.
const NEGLECTED: Duration = Duration::from_secs(20);
/// Whoever has put the same card in so often calls for help: a watch of ours that loses readers must show.
const PATIENCE: usize = 3;

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Persons who get a card.
    pub cards: usize,
    /// What befalls the chips.
    pub seed: u64,
    /// How often `ansinh` is killed.
    pub kills: usize,
}

/// What happened. All checks of the books were passed, or there are no figures.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Figures {
    /// Cards issued.
    pub cards: usize,
    /// Readers at work.
    pub readers: usize,
    /// The seed.
    pub seed: u64,
    /// Seconds from the first insertion to the last activation, insertions included.
    pub seconds: f64,
    /// Cards taken out in the middle of a command, and put back.
    pub removals: usize,
    /// Cards put in again because nothing happened: pcscd had not noticed them, which it tells nobody.
    pub neglected: usize,
    /// Chips that died and were given up.
    pub given_up: usize,
    /// Times that `ansinh` was killed and started again.
    pub kills: usize,
    /// Cards that another program reset.
    pub resets: usize,
    /// How attempts ended, as `ansinh issue --json` names it.
    pub outcomes: BTreeMap<String, usize>,
    /// Milliseconds of an attempt that issued a card: median, 99th percentile, longest.
    pub milliseconds: [u64; 3],
    /// Command APDUs, repeated ones included.
    pub apdus: u64,
    /// Entries of the operations log, whose chain was verified.
    pub operations: u64,
    /// Chips by their state in the ledger, which is that of their memory.
    pub blanks: BTreeMap<String, usize>,
}

/// What befalls one chip: it is torn out at these commands, one for each insertion; and in the end it may stay dead.
struct Fate {
    tears: Vec<(u64, Moment)>,
    dies: bool,
}

impl Fate {
    fn of(seed: u64, chip: usize) -> Self {
        let dice = sha256(&[&seed.to_be_bytes(), &chip.to_be_bytes()]);
        let tear = |die: usize| {
            let moment = if dice[die] & 1 == 0 {
                Moment::Before
            } else {
                Moment::After
            };
            (u64::from(dice[die] / 2 % COMMANDS) + 1, moment)
        };
        let dies = dice[0] == 0;
        let tears = match dice[1] {
            _ if dies => vec![(u64::from(dice[2] % (COMMANDS - BOUND) + BOUND + 1), Moment::After)],
            0..16 => vec![tear(2), tear(3)],
            16..64 => vec![tear(2)],
            _ => vec![],
        };
        Self { tears, dies }
    }
}

/// What a hand at a reader is told.
enum News {
    /// A card has come to an end.
    Line(Value),
    /// `ansinh` was killed and started again: what it would have said of a card that is out is never said.
    Restarted,
}

/// What the hands share.
struct Room<'a> {
    station: &'a TestStation,
    plan: Plan,
    /// Chips not yet taken, with their numbers.
    chips: Mutex<Vec<(usize, PathBuf)>>,
    /// Numbers of the cards that are done.
    finished: Mutex<HashSet<String>>,
    figures: Mutex<Figures>,
}

/// Issues the cards on all these readers, and checks the books.
///
/// # Panics
/// With the seed, when anything is not as it has to be.
pub fn run(readers: &[VirtualReader], plan: Plan) -> Figures {
    println!(
        "soak: {} cards, {} readers, seed {}",
        plan.cards,
        readers.len(),
        plan.seed
    );
    let dead = (0..)
        .map(|chip| Fate::of(plan.seed, chip))
        .take(plan.cards)
        .filter(|fate| fate.dies)
        .count();
    let station = TestStation::set_up(
        u32::try_from(plan.cards).unwrap(),
        plan.cards + 2 * dead + readers.len(),
    );
    let mut chips: Vec<_> = station.cards().into_iter().enumerate().collect();
    chips.reverse();
    let room = Room {
        station: &station,
        plan,
        chips: Mutex::new(chips),
        finished: Mutex::default(),
        figures: Mutex::default(),
    };
    let started = Instant::now();
    thread::scope(|scope| {
        let mut hands = BTreeMap::new();
        for reader in readers {
            let (news, told) = mpsc::channel();
            hands.insert(reader.name.clone(), news);
            let room = &room;
            scope.spawn(move || room.work_at(reader, &told));
        }
        room.lead(hands);
    });
    let mut figures = room.figures.into_inner().unwrap();
    figures.seconds = started.elapsed().as_secs_f64();
    (figures.cards, figures.readers, figures.seed) = (plan.cards, readers.len(), plan.seed);
    assert!(
        figures.neglected <= readers.len() + plan.cards / 100,
        "seed {}: {} cards were not noticed",
        plan.seed,
        figures.neglected
    );
    check_books(&station, plan, &mut figures);
    figures
}

impl Room<'_> {
    /// Runs `ansinh issue`, kills it now and then, and tells the hands what it says.
    fn lead(&self, hands: BTreeMap<String, Sender<News>>) {
        let mut issuing = self.start();
        let mut times = Vec::new();
        let mut next_kill = 1;
        while let Some(line) = issuing.next_line() {
            let Some(reader) = line["reader"].as_str() else {
                continue;
            };
            let end = line["failure"]
                .as_str()
                .or(line["outcome"].as_str())
                .unwrap()
                .to_owned();
            if end == "issued" {
                times.push(line["milliseconds"].as_u64().unwrap());
            }
            {
                let mut figures = lock(&self.figures);
                *figures.outcomes.entry(end).or_default() += 1;
                figures.apdus += line["apdus"].as_u64().unwrap();
            }
            // A hand that has no more chips listens no more.
            let _ = hands[reader].send(News::Line(line));
            if next_kill <= self.plan.kills
                && times.len() * (self.plan.kills + 1) >= next_kill * self.plan.cards
            {
                next_kill += 1;
                lock(&self.figures).kills += 1;
                issuing.kill();
                issuing = self.start();
                for hand in hands.values() {
                    let _ = hand.send(News::Restarted);
                }
            }
        }
        drop(hands);
        let (status, errors) = issuing.end();
        assert!(status.success(), "seed {}: {status}: {errors}", self.plan.seed);
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        lock(&self.figures).milliseconds = [at(50), at(99), at(100)];
    }

    /// About one card in a hundred, by two digits of its number, is reset while its PIN is asked for.
    fn start(&self) -> Issuing {
        let (tens, hundreds) = (self.plan.seed % 10, self.plan.seed / 10 % 10);
        let pin = String::from_utf8_lossy(PIN);
        let command = format!(
            "case $ANSINH_CARD_NUMBER in *{hundreds}{tens}?) opensc-tool --reader \"$ANSINH_READER\" --reset >&2; \
             echo >> '{}';; esac; printf {pin}",
            self.resets().display()
        );
        Issuing::start_with_pin(self.station, &["--all-readers"], &command)
    }

    /// A line for each reset.
    fn resets(&self) -> PathBuf {
        self.station.home().join("resets")
    }

    /// One hand: chip after chip into its reader, until there are no more or nobody waits.
    fn work_at(&self, reader: &VirtualReader, told: &Receiver<News>) {
        let hand = Hand::at(reader);
        while let Some((chip, memory)) = { lock(&self.chips).pop() } {
            if self.serve(&hand, chip, &memory, told).is_none() {
                return;
            }
        }
    }

    /// One chip to its end; `None` when issuing is over.
    fn serve(&self, hand: &Hand<'_>, chip: usize, memory: &Path, told: &Receiver<News>) -> Option<()> {
        let fate = Fate::of(self.plan.seed, chip);
        let mut tears = fate.tears.into_iter();
        let control = Control::default();
        let mut torn_for_good = false;
        if let Some((command, moment)) = tears.next() {
            torn_for_good = fate.dies;
            control.commands_fuse().set(command, moment);
        }
        let card = ReferenceCard::open(memory, control.writes_fuse(), false).unwrap();
        let control = hand.insert_chip(card, control);
        let mut neglected = 0;
        loop {
            let news = match told.recv_timeout(NEGLECTED) {
                Ok(news) => news,
                Err(RecvTimeoutError::Disconnected) => {
                    control.end();
                    return None;
                }
                Err(RecvTimeoutError::Timeout) => {
                    neglected += 1;
                    assert!(
                        neglected <= PATIENCE,
                        "seed {}, chip {chip}: nobody ever notices it",
                        self.plan.seed
                    );
                    control.remove();
                    hand.pause();
                    lock(&self.figures).neglected += 1;
                    control.insert();
                    continue;
                }
            };
            let number = match &news {
                News::Line(line) => line["card"].as_str().map(str::to_owned),
                News::Restarted if control.is_inserted() => continue,
                News::Restarted => None,
            };
            if let News::Line(line) = &news {
                if line["outcome"] != "failed" {
                    // Said of the card before: it was in still when `ansinh` was started again.
                    if number.is_some_and(|number| !lock(&self.finished).insert(number)) {
                        continue;
                    }
                    control.end();
                    hand.pause();
                    return Some(());
                }
                assert_eq!(
                    line["plastic"], "resumable",
                    "seed {}, chip {chip}: {line}",
                    self.plan.seed
                );
            }
            control.remove();
            hand.pause();
            lock(&self.figures).removals += 1;
            if let (true, Some(number)) = (torn_for_good, number) {
                control.end();
                self.give_up(&number);
                return Some(());
            }
            torn_for_good = false;
            if let Some((command, moment)) = tears.next() {
                control.commands_fuse().set(command, moment);
            }
            control.insert();
        }
    }

    fn give_up(&self, number: &str) {
        let output = self
            .station
            .ansinh(&["issue", "--give-up", number])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        lock(&self.figures).given_up += 1;
    }
}

/// Everybody has one active card under keys of its own, the auditor finds nothing, and every chip is what the ledger says.
fn check_books(station: &TestStation, plan: Plan, figures: &mut Figures) {
    let home = Home::new(station.home());
    let store = home.open_store().unwrap();
    let cards = store.cards().unwrap();
    let active: Vec<_> = cards
        .iter()
        .filter(|card| card.state == CardState::Active)
        .collect();
    assert_eq!(
        active.len(),
        plan.cards,
        "seed {}: not one active card for each person",
        plan.seed
    );
    assert_eq!(cards.len(), plan.cards + figures.given_up);
    let persons: HashSet<_> = active.iter().map(|card| card.person).collect();
    assert_eq!(persons.len(), plan.cards);
    let known: Vec<_> = cards
        .iter()
        .flat_map(|card| [card.agreement_key, card.signing_key])
        .flatten()
        .collect();
    assert_eq!(
        known.iter().collect::<HashSet<_>>().len(),
        known.len(),
        "a key twice"
    );
    assert_eq!(
        (
            store.waiting_persons().unwrap(),
            store.unfinished_cards().unwrap()
        ),
        (0, 0)
    );
    figures.operations = store.verify_operations().unwrap().position;
    for memory in station.cards() {
        *figures.blanks.entry(check_chip(&store, &memory)).or_default() += 1;
    }
    let resets = fs::read_to_string(station.home().join("resets")).unwrap_or_default();
    figures.resets = resets.lines().count();
    drop(store);
    audit(&home, station, plan.cards);
}

/// The chip of this memory says of itself what the ledger says, whose word for it is returned.
fn check_chip(store: &ansinh_store::Store, memory: &Path) -> String {
    let serial = hex::decode(memory.file_stem().unwrap().to_str().unwrap()).unwrap();
    let card = store.card_by_chip(&serial.try_into().unwrap()).unwrap();
    let mut chip = ReferenceCard::open(memory, &Fuse::default(), false).unwrap();
    let life_cycle = select(&mut chip);
    match &card {
        Some(card) if card.state == CardState::Active => assert_eq!(life_cycle, LifeCycle::Active),
        // Torn after the chip had activated itself: its number is blocked.
        Some(card) if life_cycle == LifeCycle::Active => assert_eq!(card.state, CardState::Blocked),
        Some(_) => {}
        None => assert_eq!(life_cycle, LifeCycle::Blank),
    }
    card.map_or("blank", |card| card.state.name()).to_owned()
}

/// The auditor, who shares with the station the specification and the verifier behind it and nothing else, finds nothing.
fn audit(home: &Home, station: &TestStation, cards: usize) {
    // Cards that were given up after their signature are known as blocked by the next list only.
    let published = station.ansinh(&["block", "publish"]).output().unwrap();
    assert!(
        published.status.success(),
        "{}",
        String::from_utf8_lossy(&published.stderr)
    );
    let files = station.home().join("soak-export");
    let exported = station.ansinh(&["export", "--out"]).arg(&files).output().unwrap();
    assert!(
        exported.status.success(),
        "{}",
        String::from_utf8_lossy(&exported.stderr)
    );
    let root = ansinh_audit::read_root_key(home.public_key_file(Role::Root)).unwrap();
    let report = ansinh_audit::audit(&[files], &root, NonZero::<usize>::MIN).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(report.counts.cards >= cards);
}

/// A hand that panicked leaves plain numbers behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
