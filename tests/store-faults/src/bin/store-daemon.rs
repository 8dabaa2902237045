//! One of several stations' processes that issue from one ledger: `store-daemon STATION TOKEN-FILE CARDS NUMBER`.
//!
//! Its readers are simulated: a chip is in this process's reader while it holds the lock on the chip's lock file, and the kernel
//! takes the lock away when the process dies, as a hand takes a card out. A line on standard output tells each step. It ends when
//! nobody waits and no chip is unfinished.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ansinh_issuance::{Done, Event, Failure, Issuance, Randomness, Station, Step, Terms};
use ansinh_keys::{Passphrase, Role};
use ansinh_station::home::Home;
use ansinh_station::issue::{IssuingKeys, Ledger};
use ansinh_store::Store;
use ansinh_store::operators::{Actor, Token};
use card_spec::certificate::Certificate;
use card_spec::command::Pin;
use card_spec::signed::Signed;
use getrandom::SysRng;
use issuance_tests::{PASSPHRASE, PIN};
use virtual_card::control::Fuse;
use virtual_card::{Chip, ReferenceCard};

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [station, token, cards, number] = &arguments[..] else {
        panic!("usage: store-daemon STATION TOKEN-FILE CARDS NUMBER");
    };
    let daemon = Daemon::start(Path::new(station), Path::new(token));
    let mut chips = chips(Path::new(cards));
    let first = number.parse::<usize>().unwrap() * chips.len() / 3;
    chips.rotate_left(first);
    while !daemon.round(&chips) {}
}

/// The memories of the chips.
fn chips(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut chips: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|extension| extension != "lock"))
        .collect();
    chips.sort();
    chips
}

struct Daemon {
    store: Store,
    actor: Actor,
    station: Station,
    keys: IssuingKeys,
}

impl Daemon {
    fn start(folder: &Path, token: &Path) -> Self {
        let home = Home::new(folder);
        let settings = home.station().unwrap();
        let certificate = |role| home.certificate(&settings.reference(role).unwrap()).unwrap();
        let (root, issuer) = (certificate(Role::Root), certificate(Role::Issuer));
        let today = Signed::<Certificate>::parse(&issuer).unwrap().claimed().effective;
        let station = Station::new(&root, &issuer, Terms::standard(today, "H79")).unwrap();
        let store = home.open_store().unwrap();
        let passphrase = Passphrase::new(PASSPHRASE.to_owned());
        Self {
            keys: IssuingKeys::open(&home, &store, &station, &passphrase).unwrap(),
            actor: store
                .authenticate(&Token::new(&fs::read_to_string(token).unwrap()))
                .unwrap(),
            station,
            store,
        }
    }

    /// Puts every chip into the reader once, but for those that others have; whether there is nothing left to do.
    fn round(&self, chips: &[PathBuf]) -> bool {
        let mut is_finished = true;
        for chip in chips {
            let lock = File::create(chip.with_extension("lock")).unwrap();
            if lock.try_lock().is_err() {
                is_finished = false;
                continue;
            }
            let mut card = ReferenceCard::open(chip, &Fuse::default(), false).unwrap();
            match self.issue(&mut card) {
                Ok(Done::AlreadyIssued(_) | Done::NobodyWaiting) => {}
                Ok(_) => is_finished = false,
                Err(failure) => panic!("{}: {failure:?}", chip.display()),
            }
        }
        is_finished
    }

    fn issue(&self, chip: &mut impl Chip) -> Result<Done, Failure> {
        chip.reset();
        let ledger = Ledger {
            store: &self.store,
            actor: &self.actor,
            keys: &self.keys,
            station: &self.station,
            province: 79,
            reader: "simulated",
        };
        let (mut issuance, mut step) = Issuance::start(&self.station, Randomness::draw(&mut SysRng).unwrap());
        loop {
            tell();
            let event = match step {
                Step::Done(done) => return Ok(done),
                Step::Failed(failure) => return Err(failure),
                Step::AskPin(_) => Event::Pin(Pin::new(PIN).unwrap()),
                Step::Transmit(command) => Event::Response(chip.transmit(&command)),
                step => match ledger.answer(step) {
                    Ok(event) => event,
                    Err(_) => panic!("all other steps are matched"),
                },
            };
            step = issuance.answer(event);
        }
    }
}

/// Fails when nobody listens any more, which is no reason to stop.
fn tell() {
    let _ = writeln!(io::stdout(), "step");
}
