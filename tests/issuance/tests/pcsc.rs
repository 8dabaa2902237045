//! The real `ansinh issue`, the real pcscd: several readers, cards torn out, the process killed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use ansinh_issuance::Failure;
use ansinh_station::home::Home;
use ansinh_station::issue::{Office, PinSource, Plan, Report, issue};
use ansinh_store::cards::CardState;
use card_spec::command::Pin;
use card_spec::values::CardNumber;
use issuance_tests::TestStation;
use issuance_tests::bench::{Bench, Fault};
use issuance_tests::hostile::{Impostor, Lies, secret};
use issuance_tests::office::{Hand, Hanging, Issuing};
use rig::{VirtualReader, inside_readers};
use serde_json::Value;
use virtual_card::{Chip, Control, Moment, ReferenceCard};

const MOMENTS: [Moment; 2] = [Moment::Before, Moment::After];

/// Each command of an issuance, before and after.
fn cases() -> Vec<(u64, Moment)> {
    let bench = Bench::new();
    let commands = bench.attempt(&mut bench.chip(0), Fault::None).1.commands.len() as u64;
    (1..=commands)
        .flat_map(|command| MOMENTS.map(|moment| (command, moment)))
        .collect()
}

/// Runs `ansinh issue` with a thread at each reader, which gets the outcomes of its reader. Returns all lines.
fn at_each_reader(
    readers: &[VirtualReader],
    station: &TestStation,
    arguments: &[&str],
    work: impl Fn(&Hand<'_>, &Receiver<Value>) + Sync,
) -> Vec<Value> {
    let mut issuing = Issuing::start(station, arguments);
    let mut lines = Vec::new();
    thread::scope(|scope| {
        let mut outcomes = BTreeMap::new();
        for reader in readers {
            let (sender, receiver) = mpsc::channel();
            outcomes.insert(reader.name.clone(), sender);
            let work = &work;
            scope.spawn(move || work(&Hand::at(reader), &receiver));
        }
        while let Some(line) = issuing.next_line() {
            if let Some(reader) = line["reader"].as_str() {
                // A hand that has no more cards listens no more.
                let _ = outcomes[reader].send(line.clone());
            }
            lines.push(line);
        }
        outcomes.clear();
    });
    let (status, errors) = issuing.end();
    assert!(status.success(), "{status}: {errors}");
    assert_eq!(errors, "");
    lines
}

fn outcome(outcomes: &Receiver<Value>) -> String {
    let line = outcomes.recv().unwrap();
    line["failure"]
        .as_str()
        .or(line["outcome"].as_str())
        .unwrap()
        .to_owned()
}

#[test]
fn eight_people_on_four_readers() {
    inside_readers(4, |readers| {
        let station = TestStation::set_up(8, 8);
        let cards = Mutex::new(station.cards());
        let lines = at_each_reader(readers, &station, &["--all-readers"], |hand, outcomes| {
            for _ in 0..2 {
                let card = cards.lock().unwrap().pop().unwrap();
                let card = hand.insert(&card);
                assert_eq!(outcome(outcomes), "issued");
                hand.take_out(&card);
            }
        });
        assert_eq!(lines.last().unwrap()["summary"]["issued"], 8);
        station.assert_all_issued(8);
        assert_nothing_private(&station, &lines);
    });
}

/// No PIN, no name, no identity number in what `ansinh issue` says.
fn assert_nothing_private(station: &TestStation, lines: &[Value]) {
    let said = lines.iter().map(ToString::to_string).collect::<String>();
    assert!(!said.contains("271828"));
    let store = Home::new(station.home()).open_store().unwrap();
    for card in store.cards().unwrap() {
        let person = store.holder(&card.person).unwrap().person;
        assert!(!said.contains(&person.full_name) && !said.contains(&person.personal_id));
    }
}

#[test]
fn torn_out_at_each_command_and_put_back() {
    inside_readers(4, |readers| {
        let cases = cases();
        let station = TestStation::set_up(cases.len() as u32, cases.len());
        let todo: Mutex<Vec<(PathBuf, (u64, Moment))>> =
            Mutex::new(station.cards().into_iter().zip(cases.iter().copied()).collect());
        let lines = at_each_reader(readers, &station, &["--all-readers"], |hand, outcomes| {
            while let Some((memory, (command, moment))) = { todo.lock().unwrap().pop() } {
                let control = Control::default();
                control.commands_fuse().set(command, moment);
                let card = ReferenceCard::open(&memory, control.writes_fuse(), false).unwrap();
                let card = hand.insert_chip(card, control);
                assert_eq!(outcome(outcomes), "card-lost", "command {command} {moment:?}");
                hand.wait_until_out();
                card.insert();
                let end = outcome(outcomes);
                assert!(
                    ["issued", "confirmed"].contains(&end.as_str()),
                    "command {command} {moment:?}: {end}"
                );
                hand.take_out(&card);
            }
        });
        let summary = &lines.last().unwrap()["summary"];
        assert_eq!(
            (&summary["issued"], &summary["failed_attempts"]),
            (&cases.len().into(), &cases.len().into())
        );
        station.assert_all_issued(cases.len());
    });
}

#[test]
fn killed_at_each_command_and_started_again() {
    inside_readers(4, |readers| {
        let cases = cases();
        thread::scope(|scope| {
            for (reader, cases) in readers
                .iter()
                .zip(cases.chunks(cases.len().div_ceil(readers.len())))
            {
                scope.spawn(move || kill_and_start_again(reader, cases));
            }
        });
    });
}

/// A station with one reader: its process dies once for each card.
fn kill_and_start_again(reader: &VirtualReader, cases: &[(u64, Moment)]) {
    let station = TestStation::set_up(cases.len() as u32, cases.len());
    let hand = Hand::at(reader);
    let arguments = ["--reader", reader.name.as_str(), "--limit", "1"];
    for (memory, (command, moment)) in station.cards().iter().zip(cases) {
        let control = Control::default();
        let card = ReferenceCard::open(memory, control.writes_fuse(), false).unwrap();
        let ((silent, is_silent), (go_on, going_on)) = (mpsc::channel(), mpsc::channel());
        let card = hand.insert_chip(Hanging::new(card, *command, *moment, silent, going_on), control);
        let issuing = Issuing::start(&station, &arguments);
        is_silent.recv().unwrap();
        issuing.kill();
        go_on.send(()).unwrap();

        let (status, errors) = Issuing::start(&station, &arguments).end();
        assert!(
            status.success(),
            "command {command} {moment:?}: {status}: {errors}"
        );
        hand.take_out(&card);
    }
    station.assert_all_issued(cases.len());
}

/// PIN command during which another program resets the card. opensc-tool: Debian's opensc.
const RESET_MEANWHILE: &str = "opensc-tool --reader \"$ANSINH_READER\" --reset >&2 && printf 271828";

#[test]
fn a_card_that_another_program_resets_is_started_again() {
    inside_readers(1, |readers| {
        let station = TestStation::set_up(3, 1);
        let hand = Hand::at(&readers[0]);
        hand.insert(&station.cards()[0]);
        let mut issuing =
            Issuing::start_with_pin(&station, &["--all-readers", "--limit", "1"], RESET_MEANWHILE);
        let line = issuing.next_line().unwrap();
        // SELECT and INITIALIZE UPDATE twice, the PIN asked for once.
        assert_eq!(
            (&line["outcome"], &line["apdus"]),
            (&"issued".into(), &15.into()),
            "{line}: {}",
            issuing.end().1
        );
    });
}

/// Announces data without end, whatever it is asked.
struct Unending;

impl Chip for Unending {
    fn answer_to_reset(&self) -> Vec<u8> {
        vec![0x3B, 0x80, 0x01, 0x81]
    }

    fn reset(&mut self) {}

    fn transmit(&mut self, _: &[u8]) -> Vec<u8> {
        [&[0x55; 256][..], &[0x61, 0x00]].concat()
    }
}

#[test]
fn one_bad_card_does_not_stop_the_other_readers() {
    inside_readers(3, |readers| {
        let station = TestStation::set_up(3, 2);
        let hands: Vec<_> = readers.iter().map(Hand::at).collect();
        hands[0].insert_chip(Unending, Control::default());
        let stranger = Impostor::new(&station.delivery_file(), [0x77; 10], Lies::default());
        hands[1].insert_chip(stranger, Control::default());
        let good = hands[2].insert(&station.cards()[0]);
        let mut issuing = Issuing::start(&station, &["--all-readers", "--limit", "2"]);
        let mut ends = BTreeMap::new();
        while ends.len() < 3 {
            let line = issuing.next_line().unwrap();
            let end = line["failure"]
                .as_str()
                .or(line["outcome"].as_str())
                .unwrap()
                .to_owned();
            ends.insert(line["reader"].as_str().unwrap().to_owned(), end);
        }
        for (reader, end) in readers.iter().zip(["malformed", "unknown-chip", "issued"]) {
            assert_eq!(ends[&reader.name], end);
        }
        hands[2].take_out(&good);
        hands[2].insert(&station.cards()[1]);
        assert_eq!(issuing.next_line().unwrap()["outcome"], "issued");
        assert!(issuing.end().0.success());
    });
}

#[test]
fn a_chip_that_died_is_given_up_and_its_person_gets_another() {
    inside_readers(1, |readers| {
        let station = TestStation::set_up(3, 2);
        let hand = Hand::at(&readers[0]);
        let control = Control::default();
        control.commands_fuse().set(9, Moment::After);
        let card = ReferenceCard::open(&station.cards()[0], control.writes_fuse(), false).unwrap();
        let dead = hand.insert_chip(card, control);
        hand.wait_until_in();
        let mut issuing = Issuing::start(&station, &["--all-readers", "--wait", "1"]);
        let line = issuing.next_line().unwrap();
        assert_eq!(
            (&line["failure"], &line["plastic"]),
            (&"card-lost".into(), &"resumable".into())
        );
        assert_eq!(issuing.end().0.code(), Some(3));
        dead.end();

        let number = line["card"].as_str().unwrap();
        let given_up = station
            .ansinh(&["issue", "--json", "--give-up", number])
            .output()
            .unwrap();
        let said: Value = serde_json::from_slice(&given_up.stdout).unwrap();
        assert_eq!(said["state"], "blocked");
        let again = station.ansinh(&["issue", "--give-up", number]).output().unwrap();
        assert_eq!(again.status.code(), Some(1));

        hand.insert(&station.cards()[1]);
        let (status, errors) = Issuing::start(&station, &["--all-readers", "--limit", "1"]).end();
        assert!(status.success(), "{errors}");
        let cards = Home::new(station.home()).open_store().unwrap().cards().unwrap();
        assert_eq!(
            cards.iter().map(|card| card.state).collect::<Vec<_>>(),
            [CardState::Blocked, CardState::Active]
        );
        assert_eq!(cards[0].person, cards[1].person);
    });
}

#[test]
fn without_cards_it_ends_after_its_wait_and_says_what_is_missing() {
    inside_readers(1, |_| {
        let station = TestStation::set_up(3, 1);
        let (status, errors) = Issuing::start(&station, &["--all-readers", "--wait", "1"]).end();
        assert_eq!(status.code(), Some(3));
        assert!(errors.contains("3 waiting person(s)"), "{errors}");
    });
}

#[test]
fn the_day_of_issue_is_vietnams_whatever_the_computers_time_zone() {
    inside_readers(1, |_| {
        let station = TestStation::set_up(1, 1);
        // The certificates begin today in Vietnam, where the day begins at 17:00 UTC. Only from then to midnight UTC can another
        // zone's day make this fail; TZ itself matters to no code of ours as long as jiff is built without the system's zone.
        for zone in ["UTC", "XXX24", "XXX-24"] {
            let mut command = station.ansinh(&["issue", "--all-readers", "--wait", "0"]);
            let output = command.env("TZ", zone).output().unwrap();
            let errors = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(3), "{zone}: {errors}");
        }
    });
}

#[test]
fn a_failure_names_the_card_and_a_spoilt_one_matters_while_somebody_waits() {
    inside_readers(1, |readers| {
        let station = TestStation::set_up(3, 3);
        let hand = Hand::at(&readers[0]);
        let serial = |place: usize| {
            let card = station.cards()[place].clone();
            let name = card.file_stem().unwrap().to_str().unwrap().to_owned();
            <[u8; 10]>::try_from(hex::decode(name).unwrap()).unwrap()
        };
        let lies = Lies::with_keys(secret(1), secret(1));
        let liar = hand.insert_chip(
            Impostor::new(&station.delivery_file(), serial(0), lies),
            Control::default(),
        );
        let mut issuing = Issuing::start(&station, &["--all-readers", "--limit", "1"]);
        let spoilt = issuing.next_line().unwrap();
        assert_eq!(spoilt["failure"], "key-proof");
        assert!(spoilt["card"].is_string(), "{spoilt}");
        hand.take_out(&liar);
        let again = Impostor::new(&station.delivery_file(), serial(0), Lies::default());
        let again = hand.insert_chip(again, Control::default());
        let retired = issuing.next_line().unwrap();
        assert_eq!(
            (&retired["failure"], &retired["card"]),
            (&"retired-chip".into(), &spoilt["card"])
        );
        hand.take_out(&again);
        let good = hand.insert(&station.cards()[1]);
        assert_eq!(issuing.next_line().unwrap()["outcome"], "issued");
        // The limit is reached, but a chip was spoilt and somebody waits.
        assert_eq!(issuing.end().0.code(), Some(3));
        hand.take_out(&good);
    });
}

#[test]
fn nobody_listens_any_more_and_it_ends() {
    inside_readers(1, |readers| {
        let station = TestStation::set_up(3, 2);
        let hand = Hand::at(&readers[0]);
        let mut issuing = Issuing::start(&station, &["--all-readers"]);
        issuing.hang_up();
        hand.insert(&station.cards()[0]);
        let (status, errors) = issuing.end();
        assert_eq!(status.code(), Some(3), "{errors}");
        assert!(!errors.contains("panicked"), "{errors}");
        let store = Home::new(station.home()).open_store().unwrap();
        assert_eq!(store.cards().unwrap()[0].state, CardState::Active);
    });
}

/// Does what no program should.
struct Panicking;

impl PinSource for Panicking {
    fn pin(&self, _: &CardNumber, _: &str) -> Result<Pin, Failure> {
        panic!("a fault of the program")
    }
}

#[test]
fn a_panic_at_one_reader_ends_the_run() {
    inside_readers(1, |readers| {
        let test_station = TestStation::set_up(3, 1);
        let opened = test_station.open();
        let office = Office {
            store: &opened.store,
            actor: &opened.actor,
            keys: &opened.keys,
            station: &opened.station,
            province: 79,
            pins: &Panicking,
            report: &Report::new(3, true),
        };
        Hand::at(&readers[0]).insert(&test_station.cards()[0]);
        let run = catch_unwind(AssertUnwindSafe(|| issue(office, &Plan::default())));
        assert!(run.is_err());
    });
}
