//! Three daemons issue from one PostgreSQL ledger; one of them is killed again and again, and in the end the server crashes, too.
//!
//! When each kill falls is drawn at random; `DAEMONS_SEED=n` repeats a run as far as the machine lets it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::num::NonZero;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use ansinh_keys::Role;
use ansinh_station::export::export;
use ansinh_station::home::Home;
use ansinh_store::Store;
use ansinh_store::cards::CardState;
use card_spec::command::LifeCycle;
use issuance_tests::TestStation;
use issuance_tests::bench::select;
use rig::Postgres;
use virtual_card::control::Fuse;
use virtual_card::{Chip as _, ReferenceCard};

const PEOPLE: u32 = 24;
const CHIPS: usize = 30;
const KILLS: usize = 10;
/// A card takes about 35 steps: a kill falls anywhere in the first four.
const LONGEST_LIFE: u64 = 140;

/// A process at work.
struct Daemon {
    process: Child,
    steps: BufReader<ChildStdout>,
}

impl Daemon {
    fn start(station: &TestStation, number: usize) -> Self {
        let cards = station.cards()[0].parent().unwrap().to_owned();
        let mut process = Command::new(env!("CARGO_BIN_EXE_store-daemon"))
            .arg(station.home())
            .arg(station.home().with_file_name("lan.token"))
            .arg(cards)
            .arg(number.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let steps = BufReader::new(process.stdout.take().unwrap());
        Self { process, steps }
    }

    /// Kills it as nothing else can after so many steps; whether it still lived.
    fn kill_after(mut self, steps: u64) -> bool {
        let mut line = String::new();
        for _ in 0..steps {
            if self.steps.read_line(&mut line).unwrap() == 0 {
                break;
            }
        }
        self.process.kill().unwrap();
        self.process.wait().unwrap().signal() == Some(9)
    }

    fn end(mut self) {
        let mut line = String::new();
        while self.steps.read_line(&mut line).unwrap() != 0 {
            line.clear();
        }
        let status = self.process.wait().unwrap();
        assert!(
            status.success(),
            "a daemon that nobody killed ended with {status}"
        );
    }
}

/// A small generator (xorshift): tests need no better randomness, but the same again.
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let clock = || u64::from(std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos());
        let given = std::env::var("DAEMONS_SEED").ok();
        let seed = given.map_or_else(clock, |seed| seed.parse().expect("DAEMONS_SEED is a number"));
        println!("DAEMONS_SEED={seed}");
        Self(seed | 1 << 40)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn ansinh(station: &TestStation, arguments: &[&str]) {
    let output = station.ansinh(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
}

#[test]
fn one_of_three_daemons_is_killed_again_and_again() {
    let postgres = Postgres::start();
    let station = TestStation::set_up(PEOPLE, CHIPS);
    station.move_to(&postgres.database());
    let mut random = Random::seeded();
    let others = [Daemon::start(&station, 1), Daemon::start(&station, 2)];
    let mut alive = 0;
    for _ in 0..KILLS {
        let life = random.below(LONGEST_LIFE);
        alive += u32::from(Daemon::start(&station, 0).kill_after(life));
    }
    assert!(alive >= 2, "the work was over before the kills");
    others.into_iter().for_each(Daemon::end);
    // What the killed ones left torn was finished by the others, or is by one more.
    Daemon::start(&station, 0).end();
    postgres.crash_and_restart();
    judge(&station);
}

fn judge(station: &TestStation) {
    let home = Home::new(station.home());
    let store = home.open_store().unwrap();
    let people = usize::try_from(PEOPLE).unwrap();
    let cards = store.cards().unwrap();
    assert_eq!(cards.len(), people, "a card twice, or one lost");
    assert!(cards.iter().all(|card| card.state == CardState::Active));
    let persons: HashSet<_> = cards.iter().map(|card| card.person).collect();
    let chips: HashSet<_> = cards.iter().map(|card| card.chip_serial).collect();
    assert_eq!((persons.len(), chips.len()), (people, people));
    assert_eq!(store.blank_cards().unwrap(), (CHIPS - people) as u64);
    assert_eq!(store.waiting_persons().unwrap(), 0);
    let mut acts = HashMap::<_, usize>::new();
    for operation in store.operations().unwrap() {
        *acts.entry(operation.action).or_default() += 1;
    }
    assert_eq!((acts["card-begun"], acts["card-issued"]), (people, people));
    ansinh(station, &["store", "check"]);
    assert_eq!(active_chips(station), people);
    audit(&home, &store, station.home().with_file_name("audit").as_path());
}

/// The chips themselves: as many answer as active cards.
fn active_chips(station: &TestStation) -> usize {
    let memories = station.cards();
    let chips = memories
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension != "lock"));
    let is_active = |file: &&std::path::PathBuf| {
        let mut chip = ReferenceCard::open(file, &Fuse::default(), false).unwrap();
        chip.reset();
        select(&mut chip) == LifeCycle::Active
    };
    chips.filter(is_active).count()
}

/// The auditor, who has files and the root key alone: every signature, and an issuer's sequence without gaps.
fn audit(home: &Home, store: &Store, folder: &Path) {
    export(store, folder).unwrap();
    let root = ansinh_audit::read_root_key(home.public_key_file(Role::Root)).unwrap();
    let report = ansinh_audit::audit(&[folder.to_owned()], &root, NonZero::<usize>::MIN).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}
