//! The real `ansinh issue` at real readers with its ledger on a PostgreSQL server: one station, and three that share the ledger.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use issuance_tests::TestStation;
use issuance_tests::office::{Hand, Hanging, Issuing};
use rig::{VirtualReader, inside_readers_with_postgres};
use virtual_card::{Control, Moment, ReferenceCard};

#[test]
fn cards_are_issued_torn_and_finished_with_the_ledger_on_a_server() {
    inside_readers_with_postgres(1, |readers, database| {
        let station = TestStation::set_up(3, 3);
        station.move_to(database);
        let hand = Hand::at(&readers[0]);
        let mut issuing = Issuing::start(&station, &["--all-readers"]);
        for (place, memory) in station.cards().iter().enumerate() {
            let control = Control::default();
            if place > 0 {
                control.commands_fuse().set(5 + 3 * place as u64, Moment::After);
            }
            let card = ReferenceCard::open(memory, control.writes_fuse(), false).unwrap();
            let card = hand.insert_chip(card, control);
            if place > 0 {
                assert_eq!(issuing.next_line().unwrap()["failure"], "card-lost");
                hand.wait_until_out();
                card.insert();
            }
            assert_eq!(issuing.next_line().unwrap()["outcome"], "issued");
            hand.take_out(&card);
        }
        let (status, errors) = issuing.end();
        assert!(status.success(), "{errors}");
        station.assert_all_issued(3);
    });
}

/// Where the first station dies: the person is claimed, the keys are made, the CSO is signed, the PIN is set.
const DEATHS: [u64; 4] = [4, 6, 8, 12];
/// Cards of each of the other two.
const OTHERS: usize = 5;

fn at(reader: &VirtualReader) -> [&str; 2] {
    ["--reader", &reader.name]
}

/// The station at this reader is killed while it makes a card, is started again and finishes it.
fn die_and_come_back(station: &TestStation, reader: &VirtualReader, memory: &Path, command: u64) {
    let hand = Hand::at(reader);
    let issuing = Issuing::start(station, &at(reader));
    let control = Control::default();
    let ((silent, is_silent), (go_on, going_on)) = (mpsc::channel(), mpsc::channel());
    let card = ReferenceCard::open(memory, control.writes_fuse(), false).unwrap();
    let card = hand.insert_chip(
        Hanging::new(card, command, Moment::After, silent, going_on),
        control,
    );
    is_silent.recv().unwrap();
    issuing.kill();
    go_on.send(()).unwrap();
    let mut again = Issuing::start(station, &at(reader));
    let line = again.next_line().unwrap();
    assert_eq!(line["outcome"], "issued", "command {command}: {line}");
    hand.take_out(&card);
}

#[test]
fn three_stations_issue_from_one_ledger_and_one_of_them_is_killed_again_and_again() {
    inside_readers_with_postgres(3, |readers, database| {
        let people = DEATHS.len() + 2 * OTHERS;
        let station = TestStation::set_up(people as u32, people);
        station.move_to(database);
        let cards = station.cards();
        let (dying, others) = cards.split_at(DEATHS.len());
        let others = Mutex::new(others.to_vec());
        thread::scope(|scope| {
            for reader in &readers[1..] {
                let (station, others) = (&station, &others);
                scope.spawn(move || {
                    let hand = Hand::at(reader);
                    let mut issuing = Issuing::start(station, &at(reader));
                    while let Some(memory) = { others.lock().unwrap().pop() } {
                        let card = hand.insert(&memory);
                        assert_eq!(issuing.next_line().unwrap()["outcome"], "issued");
                        hand.take_out(&card);
                    }
                });
            }
            for (memory, command) in dying.iter().zip(DEATHS) {
                die_and_come_back(&station, &readers[0], memory, command);
            }
        });
        station.assert_all_issued(people);
    });
}
