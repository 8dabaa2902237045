//! Measurements of issuance among real PC/SC readers: how fast cards are issued, beside how fast the same readers pass the
//! same APDUs when nobody computes anything, and whose processor time it is.
//!
//! Insertion is excluded, since pcscd looks for cards every 0.4 s: each reader holds a card all the time, and the chip
//! behind it is exchanged between two issuances. The PIN is there at once.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use ansinh_issuance::{Done, Failure};
use ansinh_keys::{Passphrase, Role, SigningKey};
use ansinh_station::home::Home;
use ansinh_station::issue::{Desk, Ledger, Outcome, PinSource, Report};
use card_spec::command::Pin;
use card_spec::crypto::Sign as _;
use card_spec::values::CardNumber;
use pcsc::{Context, Protocols, Scope, ShareMode};
use rig::{PcscRig, VirtualReader};
use virtual_card::{Chip, Control, Holder, Slow, vpcd};

use crate::bench::Trace;
use crate::instant::{self, KeyPairs};
use crate::office::Hand;
use crate::{Opened, PASSPHRASE, PIN, TestStation};

/// Whatever lies in a reader.
type AnyChip = Box<dyn Chip + Send>;

/// The readers, each with a card in it, and a station.
pub struct Floor<'a> {
    rig: &'a PcscRig,
    places: Vec<Holder<AnyChip>>,
    controls: Vec<Control>,
    test_station: TestStation,
    station: Opened,
    keys: Vec<KeyPairs>,
    used: usize,
    trace: Trace,
}

/// Processor time in seconds, by who spent it.
pub type Spent = BTreeMap<&'static str, f64>;

/// What was measured on some readers.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Readers at work at once.
    pub readers: usize,
    /// Cards issued.
    pub cards: usize,
    /// From the start of the first to the end of the last, in seconds.
    pub seconds: f64,
    /// Median time of one card in seconds.
    pub median: f64,
    /// Mean time of one card until the card's answers were there, in seconds.
    pub card: f64,
    /// Mean time of one card until the ledger's answers were there, signing included, in seconds.
    pub ledger: f64,
    /// Processor time of all cards.
    pub spent: Spent,
}

impl Measured {
    /// Cards a second.
    pub fn rate(&self) -> f64 {
        self.cards as f64 / self.seconds
    }
}

impl<'a> Floor<'a> {
    /// Puts a card into each reader of the rig. `cards`: as many as will be issued in all. `trace`: the APDUs of one card.
    pub fn open(rig: &'a PcscRig, cards: usize, trace: Trace) -> Self {
        let test_station = TestStation::set_up(u32::try_from(cards).unwrap(), cards);
        let places: Vec<Holder<AnyChip>> = rig
            .readers()
            .iter()
            .map(|_| Holder::new(Box::new(Silent) as AnyChip))
            .collect();
        let controls = rig
            .readers()
            .iter()
            .zip(&places)
            .map(|(reader, place)| lay_in(reader, place.clone()))
            .collect();
        Self {
            rig,
            places,
            controls,
            station: test_station.open(),
            test_station,
            keys: KeyPairs::pool(cards),
            used: 0,
            trace,
        }
    }

    /// APDUs a second through the first `count` readers: those of an issuance, to cards that answer at once with as many bytes.
    pub fn raw_rate(&self, count: usize, time: Duration) -> f64 {
        let barrier = Barrier::new(count);
        thread::scope(|scope| {
            let threads: Vec<_> = self
                .rig
                .readers()
                .iter()
                .zip(&self.places)
                .take(count)
                .map(|(reader, place)| {
                    place.exchange(Box::new(Echo::of(&self.trace)));
                    let barrier = &barrier;
                    scope.spawn(move || repeat(reader, &self.trace, barrier, time))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        })
    }

    /// Issues `rounds` cards on each of the first `count` readers, with chips that take `own_time` for each command.
    pub fn issue(&mut self, count: usize, rounds: usize, own_time: Duration) -> Measured {
        let chips: Vec<Vec<AnyChip>> = (0..count)
            .map(|_| (0..rounds).map(|_| self.next_chip(own_time)).collect())
            .collect();
        let report = Report::new(0, true);
        let barrier = Barrier::new(count + 1);
        let (before, started, outcomes) = thread::scope(|scope| {
            let threads: Vec<_> = chips
                .into_iter()
                .zip(self.rig.readers().iter().zip(&self.places))
                .map(|(chips, (reader, place))| {
                    let desk = Desk {
                        ledger: Ledger {
                            store: &self.station.store,
                            actor: &self.station.actor,
                            keys: &self.station.keys,
                            station: &self.station.station,
                            province: 79,
                            reader: &reader.name,
                        },
                        pins: &PinAtOnce,
                        report: &report,
                    };
                    let barrier = &barrier;
                    let work = move || {
                        barrier.wait();
                        let outcomes: Vec<_> = chips
                            .into_iter()
                            .map(|chip| {
                                place.exchange(chip);
                                desk.serve()
                            })
                            .collect();
                        barrier.wait();
                        outcomes
                    };
                    let name = "desk".to_owned();
                    thread::Builder::new()
                        .name(name)
                        .spawn_scoped(scope, work)
                        .unwrap()
                })
                .collect();
            let before = spent(self.rig.process_id());
            barrier.wait();
            let started = Instant::now();
            barrier.wait();
            let seconds = started.elapsed().as_secs_f64();
            let spent = difference(&spent(self.rig.process_id()), &before);
            let outcomes: Vec<_> = threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect();
            (spent, seconds, outcomes)
        });
        summarize(count, started, &outcomes, before)
    }

    /// Seconds of one signature of the issuer and of one verification, over as many bytes as a CSO has.
    pub fn signing(&self) -> (f64, f64) {
        const TIMES: u32 = 200;
        let home = Home::new(self.test_station.home());
        let passphrase = Passphrase::new(PASSPHRASE.to_owned());
        let key: SigningKey = home.signing_key(Role::Issuer, &passphrase).unwrap();
        let message = [0x5A; 420];
        let begun = Instant::now();
        for _ in 0..TIMES {
            key.sign(&message).unwrap();
        }
        let sign = begun.elapsed().as_secs_f64() / f64::from(TIMES);
        let cards = self.station.store.cards().unwrap();
        let cso = cards.iter().find_map(|card| card.cso.clone()).unwrap();
        let begun = Instant::now();
        for _ in 0..TIMES {
            self.station.station.verify(&cso).unwrap();
        }
        (sign, begun.elapsed().as_secs_f64() / f64::from(TIMES))
    }

    fn next_chip(&mut self, own_time: Duration) -> AnyChip {
        let keys = self.keys.pop().unwrap();
        let name = self.test_station.cards()[self.used].clone();
        self.used += 1;
        let serial = hex::decode(name.file_stem().unwrap().to_str().unwrap()).unwrap();
        let delivery = self.test_station.delivery_file();
        let card = instant::card(&delivery, serial.try_into().unwrap(), keys);
        Box::new(Slow::new(card, own_time))
    }
}

impl Drop for Floor<'_> {
    fn drop(&mut self) {
        self.controls.iter().for_each(Control::end);
    }
}

/// A card in this reader for as long as the control says, its thread named so that its work can be told from the host's.
fn lay_in(reader: &VirtualReader, mut place: Holder<AnyChip>) -> Control {
    let control = Control::default();
    let hand = Hand::at(reader);
    control.insert();
    let (served, address) = (control.clone(), format!("127.0.0.1:{}", reader.port));
    let serve = move || vpcd::run(&mut place, &address, &served);
    thread::Builder::new()
        .name("card".to_owned())
        .spawn(serve)
        .unwrap();
    hand.wait_until_in();
    control
}

/// The APDUs of one card again and again, in one transaction, for this long. Returns APDUs a second.
fn repeat(reader: &VirtualReader, trace: &Trace, barrier: &Barrier, time: Duration) -> f64 {
    let commands: Vec<Vec<u8>> = trace
        .commands
        .iter()
        .map(|(instruction, sent, _)| {
            let mut command = vec![0; *sent];
            command[1] = *instruction;
            command
        })
        .collect();
    let context = Context::establish(Scope::User).unwrap();
    let name = std::ffi::CString::new(reader.name.as_str()).unwrap();
    let mut card = context.connect(&name, ShareMode::Shared, Protocols::ANY).unwrap();
    let transaction = card.transaction().unwrap();
    let mut buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
    let mut passed = 0;
    barrier.wait();
    let begun = Instant::now();
    while begun.elapsed() < time {
        for command in &commands {
            transaction.transmit(command, &mut buffer).unwrap();
        }
        passed += commands.len();
    }
    passed as f64 / begun.elapsed().as_secs_f64()
}

fn summarize(readers: usize, seconds: f64, outcomes: &[Outcome], spent: Spent) -> Measured {
    for outcome in outcomes {
        assert!(matches!(outcome.end, Ok(Done::Issued(_))), "{:?}", outcome.end);
    }
    let cards = outcomes.len();
    let mean = |time: fn(&Outcome) -> Duration| {
        outcomes.iter().map(time).sum::<Duration>().as_secs_f64() / cards as f64
    };
    let mut times: Vec<_> = outcomes.iter().map(|outcome| outcome.time).collect();
    times.sort();
    Measured {
        readers,
        cards,
        seconds,
        median: times[cards / 2].as_secs_f64(),
        card: mean(|outcome| outcome.card_time),
        ledger: mean(|outcome| outcome.ledger_time),
        spent,
    }
}

/// Processor time so far: pcscd's, and this process's by its threads' names. The threads that block in PC/SC calls live as
/// long as one card: theirs is what is left of the process.
fn spent(pcscd: u32) -> Spent {
    let mut spent = Spent::from([
        ("pcscd", process_seconds(&pcscd.to_string())),
        ("card", 0.0),
        ("desk", 0.0),
        ("ledger", 0.0),
    ]);
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        // A thread may end while it is looked at.
        let (Ok(name), Ok(times)) = (
            fs::read_to_string(task.join("comm")),
            fs::read_to_string(task.join("schedstat")),
        ) else {
            continue;
        };
        let who = match name.trim_end() {
            "card" => "card",
            "desk" => "desk",
            name if name.starts_with("sqlx") || name.starts_with("tokio") => "ledger",
            _ => continue,
        };
        let nanoseconds: f64 = times.split(' ').next().unwrap().parse().unwrap();
        *spent.get_mut(who).unwrap() += nanoseconds / 1e9;
    }
    let named: f64 = ["card", "desk", "ledger"].iter().map(|who| spent[who]).sum();
    spent.insert("PC/SC client", process_seconds("self") - named);
    spent
}

/// User and system time of a process, in seconds (proc(5), `/proc/pid/stat`, fields 14 and 15, in hundredths).
fn process_seconds(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

fn difference(after: &Spent, before: &Spent) -> Spent {
    after
        .iter()
        .map(|(who, seconds)| (*who, seconds - before[who]))
        .collect()
}

/// The PIN of every card, without a person who types it.
struct PinAtOnce;

impl PinSource for PinAtOnce {
    fn pin(&self, _: &CardNumber, _: &str) -> Result<Pin, Failure> {
        Ok(Pin::new(PIN).unwrap())
    }
}

/// Answer to reset of every chip here: T=1, no historical bytes.
const ANSWER_TO_RESET: [u8; 4] = [0x3B, 0x80, 0x01, 0x81];

/// Nothing but an answer to reset.
struct Silent;

impl Chip for Silent {
    fn answer_to_reset(&self) -> Vec<u8> {
        ANSWER_TO_RESET.to_vec()
    }

    fn reset(&mut self) {}

    fn transmit(&mut self, _: &[u8]) -> Vec<u8> {
        vec![0x6F, 0x00]
    }
}

/// Answers each instruction with as many bytes as a card does, at once.
struct Echo(BTreeMap<u8, Vec<u8>>);

impl Echo {
    fn of(trace: &Trace) -> Self {
        let answer = |(instruction, _, received): &(u8, usize, usize)| (*instruction, vec![0x90; *received]);
        Self(trace.commands.iter().map(answer).collect())
    }
}

impl Chip for Echo {
    fn answer_to_reset(&self) -> Vec<u8> {
        ANSWER_TO_RESET.to_vec()
    }

    fn reset(&mut self) {}

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.0[&command[1]].clone()
    }
}
