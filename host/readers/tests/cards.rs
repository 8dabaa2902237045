//! Cards that come, go, fall silent and lie, behind the real pcscd.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use ansinh_readers::{CardConnection, Event, Events, TransmitError, watch};
use rig::{VirtualReader, inside_readers};
use virtual_card::{Chip, Control, Moment, vpcd};

const PATIENCE: Duration = Duration::from_secs(10);
const ECHO: [u8; 7] = [0x00, 0xEE, 0x00, 0x00, 0x02, 0xAB, 0xCD];

/// Echoes a command's data (INS EE), announces data without end (E1), stays silent until told to speak (E2), counts
/// (E3: selection of volatile memory, lost at each reset).
struct Echo {
    counter: u8,
    speak: Receiver<()>,
}

impl Chip for Echo {
    fn answer_to_reset(&self) -> Vec<u8> {
        vec![0x3B, 0x80, 0x80, 0x01, 0x01]
    }

    fn reset(&mut self) {
        self.counter = 0;
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        match command {
            [_, 0xEE, _, _, _, data @ ..] => [data, &[0x90, 0x00]].concat(),
            [_, 0xE1 | 0xC0, ..] => vec![0x55, 0x61, 0x00],
            [_, 0xE2, ..] => {
                let _ = self.speak.recv();
                vec![0x90, 0x00]
            }
            [_, 0xE3, ..] => {
                self.counter += 1;
                vec![self.counter, 0x90, 0x00]
            }
            _ => vec![0x6D, 0x00],
        }
    }
}

/// A card at a reader: the hand that holds it, and what makes a silent one speak.
fn card_for(reader: &VirtualReader) -> (Control, mpsc::Sender<()>) {
    let control = Control::default();
    let (speak_now, speak) = mpsc::channel();
    let (hand, address) = (control.clone(), format!("127.0.0.1:{}", reader.port));
    thread::spawn(move || vpcd::run(&mut Echo { counter: 0, speak }, &address, &hand));
    (control, speak_now)
}

fn inserted(reader: &VirtualReader) -> (Control, mpsc::Sender<()>) {
    let events = watch().unwrap();
    let card = card_for(reader);
    insert(&card.0, reader, &events);
    card
}

fn insert(card: &Control, reader: &VirtualReader, events: &Events) {
    card.insert();
    wait_for(
        events,
        |event| matches!(event, Event::CardInserted { reader: at, .. } if *at == reader.name),
    );
}

/// Puts a card back that was torn out.
fn insert_again(card: &Control, reader: &VirtualReader, events: &Events) {
    card.insert();
    wait_for(events, |event| *event == Event::CardRemoved(reader.name.clone()));
    wait_for(
        events,
        |event| matches!(event, Event::CardInserted { reader: at, .. } if *at == reader.name),
    );
}

fn wait_for(events: &Events, wanted: impl Fn(&Event) -> bool) {
    while !wanted(&events.next_within(PATIENCE).expect("the event never came")) {}
}

fn open(reader: &VirtualReader) -> CardConnection {
    CardConnection::open(&reader.name, PATIENCE).unwrap()
}

fn count(connection: &mut CardConnection) -> u8 {
    connection
        .transaction()
        .unwrap()
        .transmit(&[0x00, 0xE3, 0, 0])
        .unwrap()
        .success()
        .unwrap()[0]
}

#[test]
fn cards_come_and_go() {
    inside_readers(2, |readers| {
        let mut events = watch().unwrap();
        let added = [events.next().unwrap(), events.next().unwrap()];
        for reader in readers {
            assert!(
                added.contains(&Event::ReaderAdded(reader.name.clone())),
                "{added:?}"
            );
        }
        let (card, _) = card_for(&readers[1]);
        assert_eq!(events.next_within(Duration::from_millis(700)), None);
        for _ in 0..2 {
            card.insert();
            let answer_to_reset = vec![0x3B, 0x80, 0x80, 0x01, 0x01];
            let reader = readers[1].name.clone();
            assert_eq!(
                events.next_within(PATIENCE),
                Some(Event::CardInserted {
                    reader,
                    answer_to_reset
                })
            );
            card.remove();
            assert_eq!(
                events.next_within(PATIENCE),
                Some(Event::CardRemoved(readers[1].name.clone()))
            );
        }
    });
}

/// As many as pcscd has places for.
#[test]
fn sixteen_readers_are_watched() {
    inside_readers(16, |readers| {
        let last = readers.last().unwrap();
        let events = watch().unwrap();
        let (card, _) = card_for(last);
        card.insert();
        wait_for(&events, |event| {
            assert_ne!(*event, Event::ServiceLost);
            matches!(event, Event::CardInserted { reader, .. } if *reader == last.name)
        });
    });
}

#[test]
fn a_command_is_answered_and_counted() {
    inside_readers(1, |readers| {
        let _card = inserted(&readers[0]);
        let mut connection = open(&readers[0]);
        assert_eq!(connection.answer_to_reset(), [0x3B, 0x80, 0x80, 0x01, 0x01]);
        let response = connection.transaction().unwrap().transmit(&ECHO).unwrap();
        assert_eq!(response.success(), Ok(&[0xAB, 0xCD][..]));
        let statistics = connection.statistics();
        assert_eq!(
            (
                statistics.commands,
                statistics.bytes_sent,
                statistics.bytes_received
            ),
            (1, 7, 4)
        );
    });
}

#[test]
fn an_empty_or_unknown_reader_is_told_apart() {
    inside_readers(1, |readers| {
        let empty = CardConnection::open(&readers[0].name, PATIENCE);
        assert_eq!(empty.unwrap_err(), TransmitError::CardLost);
        for unknown in ["no such reader", "", "nul\0byte"] {
            assert_eq!(
                CardConnection::open(unknown, PATIENCE).unwrap_err(),
                TransmitError::ReaderLost,
                "{unknown}"
            );
        }
    });
}

#[test]
fn a_card_torn_out_is_lost_for_good() {
    inside_readers(1, |readers| {
        let (card, _) = inserted(&readers[0]);
        let events = watch().unwrap();
        for (moment, carried_out) in [(Moment::Before, 1), (Moment::After, 2)] {
            let before = card.commands();
            let mut connection = open(&readers[0]);
            card.commands_fuse().set(2, moment);
            let mut transaction = connection.transaction().unwrap();
            transaction.transmit(&ECHO).unwrap();
            assert_eq!(transaction.transmit(&ECHO), Err(TransmitError::CardLost));
            assert_eq!(card.commands() - before, carried_out);
            insert_again(&card, &readers[0], &events);
            // It is back, but nothing of this connection may be sent to what may be another card.
            assert_eq!(transaction.transmit(&ECHO), Err(TransmitError::CardLost));
            drop(transaction);
            assert_eq!(connection.transaction().unwrap_err(), TransmitError::CardLost);
        }
    });
}

#[test]
fn a_mute_card_costs_a_time_out() {
    inside_readers(1, |readers| {
        let (card, speak) = inserted(&readers[0]);
        let events = watch().unwrap();
        let time_out = Duration::from_millis(300);
        let mut connection = CardConnection::open(&readers[0].name, time_out).unwrap();
        let begun = Instant::now();
        let silence = connection.transaction().unwrap().transmit(&[0x00, 0xE2, 0, 0]);
        assert_eq!(silence, Err(TransmitError::Mute(time_out)));
        assert_eq!(
            connection.transaction().unwrap_err(),
            TransmitError::Mute(time_out)
        );
        drop(connection);
        assert!(begun.elapsed() < 3 * time_out, "{:?}", begun.elapsed());
        // Out and in again: the reader works as before, although a thread still waits in it.
        card.remove();
        speak.send(()).unwrap();
        insert_again(&card, &readers[0], &events);
        assert_eq!(count(&mut open(&readers[0])), 1);
    });
}

#[test]
fn an_answer_without_end_is_cut_off() {
    inside_readers(1, |readers| {
        let (card, _) = inserted(&readers[0]);
        let mut connection = open(&readers[0]);
        let endless = connection.transaction().unwrap().transmit(&[0x00, 0xE1, 0, 0, 0]);
        assert_eq!(endless, Err(TransmitError::Unending));
        assert!(card.commands() < 20);
        assert_eq!(
            connection
                .transaction()
                .unwrap()
                .transmit(&ECHO)
                .unwrap()
                .status(),
            0x9000
        );
    });
}

#[test]
fn a_reset_by_another_program_is_noticed_once() {
    inside_readers(1, |readers| {
        let _card = inserted(&readers[0]);
        let mut connection = open(&readers[0]);
        assert_eq!((count(&mut connection), count(&mut connection)), (1, 2));
        // Dropping a connection resets the card.
        drop(open(&readers[0]));
        assert_eq!(connection.transaction().unwrap_err(), TransmitError::Reset);
        assert_eq!(count(&mut connection), 1);
    });
}

#[test]
fn a_transaction_keeps_others_out_until_it_is_dropped() {
    inside_readers(1, |readers| {
        let _card = inserted(&readers[0]);
        let mut first = open(&readers[0]);
        let mut second = CardConnection::open(&readers[0].name, Duration::from_millis(300)).unwrap();
        let transaction = first.transaction().unwrap();
        assert_eq!(second.transaction().unwrap_err(), TransmitError::Busy);
        drop(transaction);
        let mut third = open(&readers[0]);
        assert_eq!(
            third.transaction().unwrap().transmit(&ECHO).unwrap().status(),
            0x9000
        );
    });
}

#[test]
fn one_silent_card_does_not_hold_up_the_others() {
    inside_readers(4, |readers| {
        let cards: Vec<_> = readers.iter().map(inserted).collect();
        thread::scope(|scope| {
            let silent = scope.spawn(|| {
                open(&readers[0])
                    .transaction()
                    .unwrap()
                    .transmit(&[0x00, 0xE2, 0, 0])
            });
            let busy: Vec<_> = readers[1..]
                .iter()
                .map(|reader| scope.spawn(|| exchanges(reader, 500)))
                .collect();
            for thread in busy {
                let rate = thread.join().unwrap();
                println!("{rate:.0} commands a second on one of 3 readers");
                // Without acknowledgements at once and single writes it would be 20.
                assert!(rate > 200.0, "{rate} commands a second");
            }
            assert!(!silent.is_finished());
            cards[0].1.send(()).unwrap();
            assert_eq!(silent.join().unwrap().unwrap().status(), 0x9000);
        });
    });
}

fn exchanges(reader: &VirtualReader, commands: u32) -> f64 {
    let mut connection = open(reader);
    let mut transaction = connection.transaction().unwrap();
    let begun = Instant::now();
    for _ in 0..commands {
        assert_eq!(
            transaction.transmit(&ECHO).unwrap().success(),
            Ok(&[0xAB, 0xCD][..])
        );
    }
    f64::from(commands) / begun.elapsed().as_secs_f64()
}

#[test]
fn a_service_that_stops_is_reported() {
    inside_readers(1, |readers| {
        let _card = inserted(&readers[0]);
        let events = watch().unwrap();
        let mut connection = open(&readers[0]);
        let pcscd = std::fs::read_to_string("/run/pcscd/pcscd.pid").unwrap();
        let killed = std::process::Command::new("kill")
            .args(["-9", pcscd.trim_end_matches(['\n', '\0'])])
            .status()
            .unwrap();
        assert!(killed.success());
        wait_for(&events, |event| *event == Event::ServiceLost);
        assert_eq!(connection.transaction().unwrap_err(), TransmitError::ServiceLost);
        assert_eq!(
            CardConnection::open(&readers[0].name, PATIENCE).unwrap_err(),
            TransmitError::ServiceLost
        );
    });
}
