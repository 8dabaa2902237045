//! Faults of cards and readers over the real `ansinh issue` and the real pcscd: each has an outcome of its own that says what
//! to do with the plastic, and none stops the other readers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread;

use ansinh_issuance::{Failure, Plastic};
use ansinh_readers::TransmitError;
use ansinh_station::home::Home;
use ansinh_store::cards::CardState;
use card_spec::apdu::StatusWord;
use card_spec::command::instruction::{ACTIVATE, INITIALIZE_UPDATE, STORE_DATA};
use issuance_tests::TestStation;
use issuance_tests::hostile::{Impostor, Lies, Meddler, secret};
use issuance_tests::office::{Hand, Hanging, Issuing};
use pcsc::{Context, Disposition, Protocols, Scope, ShareMode};
use rig::{MAX_READERS, PcscRig, inside_readers};
use serde_json::Value;
use virtual_card::{Chip, Control, Moment, ReferenceCard};

/// APDUs of one issuance.
const COMMANDS: u64 = 13;

fn genuine(memory: &Path, control: &Control) -> ReferenceCard {
    ReferenceCard::open(memory, control.writes_fuse(), false).unwrap()
}

/// The serial of a chip: the name of its memory.
fn serial(memory: &Path) -> [u8; 10] {
    let name = memory.file_stem().unwrap().to_str().unwrap();
    hex::decode(name).unwrap().try_into().unwrap()
}

/// A genuine card that refuses one instruction, which it does not carry out then.
struct Refusing {
    card: ReferenceCard,
    instruction: u8,
    status: [u8; 2],
}

impl Chip for Refusing {
    fn answer_to_reset(&self) -> Vec<u8> {
        self.card.answer_to_reset()
    }

    fn reset(&mut self) {
        self.card.reset();
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        if command[1] == self.instruction {
            self.status.to_vec()
        } else {
            self.card.transmit(command)
        }
    }
}

/// A card of another kind: it answers every command alike.
struct Other {
    answer_to_reset: &'static [u8],
    answer: Vec<u8>,
}

impl Chip for Other {
    fn answer_to_reset(&self) -> Vec<u8> {
        self.answer_to_reset.to_vec()
    }

    fn reset(&mut self) {}

    fn transmit(&mut self, _: &[u8]) -> Vec<u8> {
        self.answer.clone()
    }
}

/// An answer to reset as banking cards give it.
const OTHER_ANSWER_TO_RESET: &[u8] = &[0x3B, 0x65, 0x00, 0x00, 0x20, 0x63, 0xCB, 0x68, 0x00];

/// A card with a fault: what it ends with, and whether the genuine card in its place is finished afterwards.
struct Case {
    chip: Box<dyn Chip + Send>,
    control: Control,
    failure: Failure,
    /// The card's memory, where the card itself is sound.
    sound: bool,
}

impl Case {
    fn new(chip: impl Chip + Send + 'static, failure: Failure) -> Self {
        Self {
            chip: Box::new(chip),
            control: Control::default(),
            failure,
            sound: false,
        }
    }

    fn sound(mut self) -> Self {
        self.sound = true;
        self
    }
}

/// One card for each fault, each on a chip of its own.
fn cases(
    station: &TestStation,
    memories: &[std::path::PathBuf],
    silent: Sender<()>,
) -> (Vec<Case>, Sender<()>) {
    let any = Control::default();
    let card = |place: usize| genuine(&memories[place], &any);
    let impostor =
        |place: usize, lies| Impostor::new(&station.delivery_file(), serial(&memories[place]), lies);
    let refusing = |place, instruction, status: StatusWord| Refusing {
        card: card(place),
        instruction,
        status: status.0.to_be_bytes(),
    };
    let stranger = Impostor::new(&station.delivery_file(), [0x77; 10], Lies::default());
    let elsewhere = station.home().with_file_name("elsewhere.json");
    virtual_card::blank::deliver("OTHER", &elsewhere, &station.home().with_file_name("none"), 0).unwrap();
    let other_keys = Impostor::new(&elsewhere, serial(&memories[4]), Lies::default());
    let altered = Meddler::new(card(6), |number, mut answer: Vec<u8>| {
        if number == 5 {
            answer[0] ^= 0x01;
        }
        answer
    });
    let (speak, going_on) = mpsc::channel();
    let mut torn = Case::new(card(8), Failure::CardLost).sound();
    torn.control = Control::default();
    torn.control.commands_fuse().set(9, Moment::After);
    let refused = Failure::CardRefused {
        command: "ACTIVATE",
        status: StatusWord::CONDITIONS_NOT_SATISFIED,
    };
    let cases = vec![
        Case::new(
            refusing(0, STORE_DATA, StatusWord::NOT_ENOUGH_MEMORY),
            Failure::CardFull,
        )
        .sound(),
        Case::new(
            Hanging::new(card(1), 6, Moment::Before, silent, going_on),
            Failure::MuteCard,
        )
        .sound(),
        Case::new(
            Other {
                answer_to_reset: OTHER_ANSWER_TO_RESET,
                answer: vec![0x6A, 0x82],
            },
            Failure::ForeignCard,
        ),
        Case::new(stranger, Failure::UnknownChip),
        Case::new(other_keys, Failure::WrongCardKeys),
        Case::new(
            refusing(5, INITIALIZE_UPDATE, StatusWord::AUTHENTICATION_METHOD_BLOCKED),
            Failure::AuthenticationBlocked,
        )
        .sound(),
        Case::new(altered, Failure::Altered).sound(),
        Case::new(
            impostor(7, Lies::with_keys(secret(3), secret(3))),
            Failure::KeyProof("one key for two uses"),
        ),
        torn,
        Case::new(
            Other {
                answer_to_reset: &[0x3B, 0x80, 0x01, 0x81],
                answer: [&[0x55; 256][..], &[0x61, 0x00]].concat(),
            },
            Failure::Malformed("an answer without end"),
        ),
        Case::new(
            refusing(10, ACTIVATE, StatusWord::CONDITIONS_NOT_SATISFIED),
            refused,
        )
        .sound(),
        Case::new(
            Other {
                answer_to_reset: &[0x42, 0x42],
                answer: vec![0x6D, 0x00],
            },
            Failure::Reader(TransmitError::Unresponsive.to_string()),
        ),
        // The same keys as the card before it.
        Case::new(impostor(13, Lies::default()), Failure::DuplicateKey),
    ];
    (cases, speak)
}

fn assert_says(line: &Value, failure: &Failure) {
    let plastic = match failure.plastic() {
        Plastic::Untouched => "untouched",
        Plastic::Resumable => "resumable",
        Plastic::Spoilt => "spoilt",
    };
    let said = ["failure", "plastic", "vi", "en"].map(|name| line[name].as_str().unwrap());
    let english = failure.to_string();
    assert_eq!(said, [failure.code(), plastic, failure.vietnamese(), &english]);
}

#[test]
fn sixteen_readers_one_of_each_fault_and_the_rest_issued() {
    inside_readers(MAX_READERS, |readers| {
        let station = TestStation::set_up(16, 16);
        let memories = station.cards();
        let hands: Vec<_> = readers.iter().map(Hand::at).collect();
        let mut issuing = Issuing::start(&station, &["--all-readers"]);
        // Its keys come again in another chip.
        let first = Impostor::new(&station.delivery_file(), serial(&memories[12]), Lies::default());
        let first = hands[15].insert_chip(first, Control::default());
        assert_eq!(issuing.next_line().unwrap()["outcome"], "issued");
        hands[15].take_out(&first);

        let (silent, is_silent) = mpsc::channel();
        let (cases, speak) = cases(&station, &memories, silent);
        let mut expected = HashMap::new();
        let mut faulty = Vec::new();
        for (place, case) in cases.into_iter().enumerate() {
            let control = hands[place].insert_chip(case.chip, case.control);
            expected.insert(readers[place].name.clone(), case.failure);
            faulty.push((place, control, case.sound));
        }
        is_silent.recv().unwrap();
        // While one card is mute, cards beside it are issued one after the other.
        let mut lines = BTreeMap::new();
        let mut next = |issuing: &mut Issuing| loop {
            let line = issuing.next_line().unwrap();
            let reader = line["reader"].as_str().unwrap().to_owned();
            match expected.get(&reader) {
                Some(_) => assert!(lines.insert(reader, line).is_none()),
                None => break line,
            }
        };
        for memory in &memories[14..] {
            let good = hands[14].insert(memory);
            assert_eq!(next(&mut issuing)["outcome"], "issued");
            hands[14].take_out(&good);
        }
        while lines.len() < expected.len() {
            let line = issuing.next_line().unwrap();
            lines.insert(line["reader"].as_str().unwrap().to_owned(), line);
        }
        for (reader, failure) in &expected {
            assert_says(&lines[reader], failure);
        }

        // What was sound is finished; what was not has harmed nobody.
        speak.send(()).unwrap();
        let mut sound = 0;
        for (place, control, is_sound) in faulty {
            if is_sound {
                hands[place].take_out(&control);
                let good = hands[place].insert(&memories[place]);
                assert_eq!(
                    issuing.next_line().unwrap()["outcome"],
                    "issued",
                    "reader {place}"
                );
                hands[place].take_out(&good);
                sound += 1;
            }
        }
        drop(issuing);
        let store = Home::new(station.home()).open_store().unwrap();
        let cards = store.cards().unwrap();
        let active = cards
            .iter()
            .filter(|card| card.state == CardState::Active)
            .count();
        let given_up = cards
            .iter()
            .filter(|card| card.state == CardState::Abandoned)
            .count();
        assert_eq!((active, given_up, cards.len()), (sound + 3, 2, sound + 5));
        assert_eq!(store.waiting_persons().unwrap(), 16 - active as u64);
        station.assert_audit_is_clean(active);
    });
}

/// Another program, which resets the card as soon as it can.
fn reset_by_another_program(reader: &str) {
    let reader = CString::new(reader).unwrap();
    let context = Context::establish(Scope::User).unwrap();
    let mut card = context
        .connect(&reader, ShareMode::Shared, Protocols::ANY)
        .unwrap();
    card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::ResetCard)
        .unwrap();
}

#[test]
fn another_program_resets_the_card_at_each_command_and_every_card_is_issued() {
    inside_readers(4, |readers| {
        let station = TestStation::set_up(COMMANDS as u32, COMMANDS as usize);
        let memories = station.cards();
        let mut issuing = Issuing::start(&station, &["--all-readers"]);
        for (place, memory) in memories.iter().enumerate() {
            let reader = &readers[place % readers.len()];
            let hand = Hand::at(reader);
            let control = Control::default();
            let ((silent, is_silent), (go_on, going_on)) = (mpsc::channel(), mpsc::channel());
            let card = genuine(memory, &control);
            let card = Hanging::new(card, place as u64 + 1, Moment::After, silent, going_on);
            let card = hand.insert_chip(card, control);
            is_silent.recv().unwrap();
            thread::scope(|scope| {
                let other = scope.spawn(|| reset_by_another_program(&reader.name));
                go_on.send(()).unwrap();
                let line = issuing.next_line().unwrap();
                assert_eq!(line["outcome"], "issued", "command {}: {line}", place + 1);
                // Between SELECT and PIN, and after the PIN, nobody gets in. While the PIN is typed a reset costs SELECT and
                // INITIALIZE UPDATE anew.
                let commands = line["apdus"].as_u64().unwrap();
                assert!([COMMANDS, COMMANDS + 2].contains(&commands), "{line}");
                other.join().unwrap();
            });
            hand.take_out(&card);
        }
        assert!(issuing.end().0.success());
        station.assert_audit_is_clean(COMMANDS as usize);
    });
}

/// pcscd forgets a reader without USB only when it is started anew: so the service is lost besides, for all readers.
#[test]
fn a_reader_is_unplugged_and_another_plugged_in_while_cards_are_made() {
    inside_readers(4, |readers| {
        let station = TestStation::set_up(3, 3);
        let memories = station.cards();
        let (unplugged, stays) = (&readers[0], &readers[2]);
        let mut issuing = Issuing::start(&station, &["--all-readers"]);
        let hang = |reader, memory: &Path| {
            let control = Control::default();
            let ((silent, is_silent), (go_on, going_on)) = (mpsc::channel(), mpsc::channel());
            let card = Hanging::new(genuine(memory, &control), 8, Moment::After, silent, going_on);
            let card = Hand::at(reader).insert_chip(card, control);
            is_silent.recv().unwrap();
            (card, go_on)
        };
        let (first, second) = (hang(unplugged, &memories[0]), hang(stays, &memories[1]));
        let plugged = PcscRig::plug(1..3).unwrap();
        first.0.end();
        for (_, go_on) in [&first, &second] {
            go_on.send(()).unwrap();
        }
        // Both issuances are interrupted; the second card, still in its reader, is finished when the reader is back.
        let mut ends: Vec<(String, String)> = Vec::new();
        while ends.len() < 3 {
            let line = issuing.next_line().unwrap();
            if line["outcome"] == "failed" {
                assert_eq!(line["plastic"], "resumable", "{line}");
            }
            let [reader, outcome] = ["reader", "outcome"].map(|name| line[name].as_str().unwrap().to_owned());
            ends.push((reader, outcome));
        }
        let end = |reader: &str, outcome: &str| (reader.to_owned(), outcome.to_owned());
        assert!(ends.contains(&end(&unplugged.name, "failed")), "{ends:?}");
        assert_eq!(ends.last(), Some(&end(&stays.name, "issued")), "{ends:?}");

        let new = plugged.readers().last().unwrap();
        let hand = Hand::at(new);
        for memory in [&memories[0], &memories[2]] {
            let card = hand.insert(memory);
            let line = issuing.next_line().unwrap();
            assert_eq!(
                (&line["reader"], &line["outcome"]),
                (&new.name.as_str().into(), &"issued".into())
            );
            hand.take_out(&card);
        }
        assert!(issuing.end().0.success());
        station.assert_audit_is_clean(3);
    });
}
