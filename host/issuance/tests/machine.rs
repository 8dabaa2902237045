//! The machine's manners: it refuses default keys before it authenticates, answers it did not ask for, stations without a
//! valid chain; and every failure tells the operator three things in two languages.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use ansinh_issuance::station::StationError;
use ansinh_issuance::{CardKeys, Event, Failure, Issuance, Plastic, Randomness, Station, Step};
use card_spec::apdu::{Command, StatusWord};
use card_spec::certificate::{CertificateError, Role};
use card_spec::scp03::{CardHandshake, DEFAULT_KEY, StaticKeys};
use common::{certificate, day, root, station_on, terms};
use getrandom::SysRng;

const SELECTED: [u8; 22] = [
    0x6F, 0x12, 0x84, 0x08, 0xF0, 0x41, 0x4E, 0x53, 0x49, 0x4E, 0x48, 0x01, 0x8A, 0x01, 0x01, 0xA5, 0x03,
    0x80, 0x01, 0x01, 0x90, 0x00,
];

fn start(station: &Station) -> (Issuance<'_>, Step) {
    Issuance::start(station, Randomness::draw(&mut SysRng).unwrap())
}

fn station() -> Station {
    station_on(day(2026, 11, 22)).unwrap()
}

fn failure(step: Step) -> Failure {
    match step {
        Step::Failed(failure) => failure,
        _ => panic!("it went on"),
    }
}

#[test]
fn default_keys_are_refused_before_the_card_is_authenticated() {
    let good = [7; 16];
    for position in 0..3 {
        let mut keys = [good; 3];
        keys[position] = DEFAULT_KEY;
        let [enc, mac, dek] = keys;
        let transport = StaticKeys::new(enc, mac, dek);
        let station = station();
        let (mut issuance, _) = start(&station);
        let Step::Transmit(update) = issuance.answer(Event::Response(SELECTED.to_vec())) else {
            panic!("no command")
        };
        let command = Command::parse(&update).unwrap();
        let (_, response) =
            CardHandshake::initialize_update(&command, &transport, 1, [3; 10], [4; 8]).unwrap();
        let step = issuance.answer(Event::Response([&response[..], &[0x90, 0x00]].concat()));
        assert!(matches!(step, Step::FindKeys(chip) if chip == [3; 10]));
        let issuer = StaticKeys::new(good, good, good);
        let step = issuance.answer(Event::Keys(Box::new(CardKeys { transport, issuer })));
        assert_eq!(failure(step), Failure::DefaultKeys);
    }
}

#[test]
fn an_answer_to_another_question_ends_it() {
    let station = station();
    for event in [Event::Written, Event::NobodyWaiting, Event::Signed(Vec::new())] {
        let (mut issuance, _) = start(&station);
        assert!(matches!(failure(issuance.answer(event)), Failure::Program(_)));
        assert!(matches!(
            failure(issuance.answer(Event::Written)),
            Failure::Program(_)
        ));
    }
}

#[test]
fn a_card_of_somebody_else_is_left_alone() {
    let station = station();
    let mut other_version = SELECTED;
    other_version[19] = 2;
    let mut terminated = SELECTED;
    terminated[14] = 0x0C;
    for (answer, expected) in [
        (&[0x6A, 0x82][..], Failure::ForeignCard),
        (&[0x90, 0x00], Failure::ForeignCard),
        (&SELECTED[..10], Failure::ForeignCard),
        (&other_version, Failure::ForeignCard),
        (&terminated, Failure::ClosedCard),
        (&[], Failure::CardLost),
        (&[0x90], Failure::CardLost),
    ] {
        let (mut issuance, _) = start(&station);
        assert_eq!(
            failure(issuance.answer(Event::Response(answer.to_vec()))),
            expected
        );
    }
}

#[test]
fn ten_wrong_attempts_are_told_from_a_broken_card() {
    let station = station();
    for (status, expected) in [
        ([0x69, 0x83], Failure::AuthenticationBlocked),
        (
            [0x6F, 0x00],
            Failure::CardRefused {
                command: "INITIALIZE UPDATE",
                status: StatusWord(0x6F00),
            },
        ),
    ] {
        let (mut issuance, _) = start(&station);
        issuance.answer(Event::Response(SELECTED.to_vec()));
        assert_eq!(
            failure(issuance.answer(Event::Response(status.to_vec()))),
            expected
        );
    }
}

#[test]
fn a_station_issues_only_under_a_valid_chain() {
    assert!(station_on(day(2026, 1, 1)).is_ok() && station_on(day(2041, 1, 1)).is_ok());
    for outside in [day(2025, 12, 31), day(2041, 1, 2)] {
        let error = station_on(outside).err();
        assert_eq!(
            error,
            Some(StationError::Certificate(CertificateError::NotValidOn(outside)))
        );
    }
    let expiry = day(2027, 1, 1);
    let terminal_ca = certificate(Role::TerminalAuthority, "VNTCA00001", 2, expiry);
    assert!(Station::new(&root(), &terminal_ca, terms()).is_err());
    let mut altered = certificate(Role::Issuer, "VNISS7900001", 2, expiry);
    for position in 0..altered.len() {
        altered[position] ^= 0x01;
        assert!(
            Station::new(&root(), &altered, terms()).is_err(),
            "byte {position}"
        );
        altered[position] ^= 0x01;
    }
}

#[test]
fn every_failure_says_what_happened_what_it_means_and_what_to_do_in_two_languages() {
    let failures = [
        Failure::CardLost,
        Failure::MuteCard,
        Failure::ReaderGone,
        Failure::ForeignCard,
        Failure::UnknownChip,
        Failure::DefaultKeys,
        Failure::WrongCardKeys,
        Failure::AuthenticationBlocked,
        Failure::ClosedCard,
        Failure::RetiredChip,
        Failure::UnrecordedCard,
        Failure::UnrecordedCso,
        Failure::CopiedChip,
        Failure::Altered,
        Failure::CardRefused {
            command: "PUT KEY",
            status: StatusWord(0x6A80),
        },
        Failure::CardFull,
        Failure::Malformed("x"),
        Failure::KeyProof("x"),
        Failure::DuplicateKey,
        Failure::OtherCso,
        Failure::LostKeys,
        Failure::LedgerCso,
        Failure::PersonRecord("x"),
        Failure::TooMuchData,
        Failure::Pin(String::new()),
        Failure::Ledger(String::new()),
        Failure::Keys(String::new()),
        Failure::Reader(String::new()),
        Failure::Program("x"),
        Failure::OtherCard,
        Failure::NothingDue,
        Failure::NothingToUndo,
        Failure::BlankChip,
        Failure::UnfinishedCard,
        Failure::BlockedCard,
        Failure::TerminatedCard,
        Failure::ExpiredCard,
        Failure::RewoundCard,
        Failure::NotUnblockable,
        Failure::JobRefused {
            command: "EXECUTE ISSUER SCRIPT",
            status: StatusWord(0x634E),
        },
        Failure::JobMalformed("x"),
    ];
    for failure in failures {
        for text in [failure.vietnamese(), &failure.to_string()] {
            assert!(text.matches(['.', ':', ';']).count() >= 3, "{text}");
        }
        assert_ne!(failure.vietnamese(), failure.to_string());
        let spoilt = failure.plastic() == Plastic::Spoilt;
        assert_eq!(
            failure.to_string().contains("chip is spoilt"),
            spoilt,
            "{failure}"
        );
    }
}
