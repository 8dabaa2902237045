//! SPEC 14: every instruction in every state and kind of session, the order in which a card examines a command, and who
//! reads what.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::command::LifeCycle::{self, Active, Blank, Blocked, Personalizing, Terminated};
use common::issuer::{IssuerHost, Office, active_card, card_with_keys, objects, plan};
use common::terminal::Terminal;
use common::{Card, SELECT, SecureHost, blank_card, plain, set_life_cycle, status};

const STATES: [LifeCycle; 5] = [Blank, Personalizing, Active, Blocked, Terminated];

/// The tables of SPEC 14.2 as they stand there: class and instruction, then the answer in each state.
const PLAIN: &str = "
00A4 yes yes yes yes yes
00B0 6985 6985 yes yes yes
8050 yes yes yes yes yes
8482 yes yes yes yes yes
802A 6985 6985 yes yes yes
8082 6985 6985 yes yes yes";

const SCP03: &str = "
84CA yes yes yes yes yes
84D8 yes yes yes yes 6985
8447 6985 yes 6985 6985 6985
84E2 6985 yes yes 6985 6985
8424 6985 yes 6985 6985 6985
8444 6985 yes yes 6985 6985
84B0 6985 yes yes yes 6985
84B2 6985 6985 yes yes yes
845A 6985 6985 yes yes 6985";

const TERMINAL: &str = "
84CA - - yes yes yes
8488 - - yes yes yes
84B2 - - yes yes yes
84B0 - - yes yes yes
8420 - - yes 6985 6985
8424 - - yes 6985 6985
8454 - - yes yes yes
8456 - - yes yes yes
845A - - yes yes 6985
8404 - - yes 6985 6985";

/// What the table says of a command: `None` if it is none of this kind of session.
fn row(table: &str, class: u8, instruction: u8, state: LifeCycle) -> Option<&str> {
    let key = format!("{class:02X}{instruction:02X}");
    let row = table.lines().find(|line| line.starts_with(&key))?;
    let column = STATES.iter().position(|other| *other == state).unwrap();
    row.split(' ').nth(column + 1)
}

fn card_in(state: LifeCycle) -> Card {
    match state {
        Blank => blank_card(),
        Personalizing => card_with_keys().0,
        _ => {
            let mut card = active_card(&Office::new(), &plan());
            set_life_cycle(&mut card, state);
            card
        }
    }
}

/// ISO/IEC 7816-4:2020, 5.4.2: no instruction begins with 6 or 9.
fn instructions() -> impl Iterator<Item = u8> {
    (0..=0xFFu8).filter(|instruction| !matches!(instruction >> 4, 6 | 9))
}

/// Parameters that no clause has: a command that is taken in this state fails behind the life cycle, and does nothing.
const WRONG: [u8; 2] = [0x7F, 0x7F];

#[test]
fn outside_a_session() {
    for state in STATES {
        let mut card = card_in(state);
        let slots = card.memory().slots.clone();
        for class in [0x00, 0x01, 0x04, 0x0C, 0x10, 0x40, 0x80, 0x84, 0x85, 0xC0, 0xFE] {
            for instruction in instructions() {
                plain(&mut card, &SELECT).unwrap();
                let answer = status(&mut card, &[class, instruction, WRONG[0], WRONG[1]]);
                let expected = match (row(PLAIN, class, instruction, state), class) {
                    (Some("yes"), _) if instruction == 0xB0 => 0x6982,
                    (Some("yes"), _) => 0x6A86,
                    (Some(_), _) => 0x6985,
                    (None, 0x84) => 0x6982,
                    (None, 0x00 | 0x80) => 0x6D00,
                    (None, _) => 0x6E00,
                };
                assert_eq!(answer, expected, "{state:?} {class:02X} {instruction:02X}");
            }
        }
        assert!(card.memory().slots == slots, "{state:?}");
    }
}

fn sweep(card: &mut Card, secure: &mut SecureHost, table: &str, state: LifeCycle) {
    let slots = card.memory().slots.clone();
    for instruction in instructions() {
        let answer = secure.status(card, [0x80, instruction, WRONG[0], WRONG[1]], &[]);
        let expected = match row(table, 0x84, instruction, state) {
            Some("yes") if instruction == 0xCA => 0x6A88,
            // An offset, and no file is current.
            Some("yes") if instruction == 0xB0 => 0x6A82,
            Some("yes") => 0x6A86,
            Some(_) => 0x6985,
            None => 0x6D00,
        };
        assert_eq!(answer, expected, "{state:?} {instruction:02X}");
        let interindustry = secure.status(card, [0x00, instruction, WRONG[0], WRONG[1]], &[]);
        assert_eq!(interindustry, 0x6E00, "{state:?} {instruction:02X}");
    }
    assert!(card.memory().slots == slots, "{state:?}");
}

#[test]
fn in_the_issuers_session() {
    for state in STATES {
        let mut card = card_in(state);
        let mut host = IssuerHost::open(&mut card).unwrap();
        assert_eq!(host.card_status(&mut card).unwrap().life_cycle, state);
        sweep(&mut card, &mut host.secure, SCP03, state);
    }
}

#[test]
fn in_a_terminals_session() {
    for state in [Active, Blocked, Terminated] {
        let mut card = card_in(state);
        let mut session = Terminal::new(&Office::new()).open(&mut card).unwrap();
        sweep(&mut card, &mut session.secure, TERMINAL, state);
    }
}

#[test]
fn the_first_fault_is_the_answer_in_plain() {
    let mut card = card_in(Active);
    card.reset();
    // Not selected comes before the class, and before everything else.
    assert_eq!(status(&mut card, &[0xC0, 0x00, 0x00, 0x00]), 0x6982);
    assert_eq!(status(&mut card, &[0x00, 0xB0]), 0x6700);
    plain(&mut card, &SELECT).unwrap();
    let rows: [(&str, &[u8], u16); 8] = [
        (
            "P1 P2 before the challenge",
            &[0x84, 0x82, 0x03, 0x00, 0x01, 0x00],
            0x6A86,
        ),
        (
            "the challenge before the length",
            &[0x84, 0x82, 0x33, 0x00, 0x01, 0x00],
            0x6982,
        ),
        (
            "P1 P2 before the length",
            &[0x80, 0x50, 0x01, 0x00, 0x01, 0x00],
            0x6A86,
        ),
        (
            "P1 P2 before the certificate",
            &[0x80, 0x82, 0x01, 0x10, 0x01, 0x00],
            0x6A86,
        ),
        (
            "the certificate before the encoding",
            &[0x80, 0x82, 0x01, 0x11, 0x01, 0x00],
            0x6982,
        ),
        ("P1 P2 before the certificate", &[0x00, 0xB0, 0x9D, 0x01], 0x6A86),
        (
            "the certificate before the length",
            &[0x00, 0xB0, 0x9D, 0x00, 0x01, 0x00],
            0x6982,
        ),
        (
            "the encoding before the chain",
            &[0x80, 0x2A, 0x01, 0x10, 0x01, 0x00],
            0x6A80,
        ),
    ];
    for (name, apdu, expected) in rows {
        assert_eq!(status(&mut card, apdu), expected, "{name}");
    }
}

#[test]
fn a_refused_authentication_keeps_the_challenge_and_a_wrong_one_does_not() {
    let mut card = card_in(Personalizing);
    let challenge = [0x80, 0x50, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0];
    plain(&mut card, &SELECT).unwrap();
    plain(&mut card, &challenge).unwrap();
    assert_eq!(status(&mut card, &[0x84, 0x82, 0x03, 0x00, 0x01, 0x00]), 0x6A86);
    assert_eq!(status(&mut card, &[0x84, 0x82, 0x33, 0x00, 0x01, 0x00]), 0x6700);
    let mut wrong = vec![0x84, 0x82, 0x33, 0x00, 0x10];
    wrong.extend([0x5A; 16]);
    assert_eq!(status(&mut card, &wrong), 0x6982);
    // The session is dead: the wrong answer to the same challenge is not even examined.
    assert_eq!(status(&mut card, &[0x84, 0x82, 0x03, 0x00, 0x01, 0x00]), 0x6982);
    for _ in 1..10 {
        plain(&mut card, &SELECT).unwrap();
        plain(&mut card, &challenge).unwrap();
        assert_eq!(status(&mut card, &wrong), 0x6982);
    }
    plain(&mut card, &SELECT).unwrap();
    assert_eq!(status(&mut card, &challenge), 0x6983);
    // P1 P2 before the security status, that before the length.
    assert_eq!(status(&mut card, &[0x80, 0x50, 0x01, 0x00, 0x01, 0x00]), 0x6A86);
    assert_eq!(status(&mut card, &[0x80, 0x50, 0x00, 0x00, 0x01, 0x00]), 0x6983);
}

#[test]
fn the_first_fault_is_the_answer_in_a_session() {
    let (mut card, mut host, keys) = card_with_keys();
    let data = objects(&Office::new(), &plan(), &keys).concatenated();
    host.store(&mut card, &data, 223).unwrap();
    type Rows<'a> = &'a [(&'a str, [u8; 4], &'a [u8], u16)];
    let rows: Rows<'_> = &[
        (
            "instruction before life cycle",
            [0x80, 0x54, 0x01, 0x00],
            &[],
            0x6D00,
        ),
        ("life cycle before P1 P2", [0x80, 0xB2, 0x00, 0x00], &[0], 0x6985),
        ("P1 P2 before length", [0x80, 0x44, 0x01, 0x00], &[0], 0x6A86),
        ("P1 P2 before length", [0x80, 0xE2, 0x00, 0x05], &[], 0x6A86),
        ("length before encoding", [0x80, 0xE2, 0x80, 0x00], &[], 0x6700),
        ("file before length", [0x80, 0xCA, 0xFF, 0x00], &[0], 0x6A88),
        ("length before file", [0x80, 0xB0, 0x82, 0x00], &[0], 0x6700),
        (
            "encoding before the pairs that are kept",
            [0x80, 0x47, 0x00, 0x00],
            &[0],
            0x6A80,
        ),
        (
            "PIN's encoding behind P1 P2",
            [0x80, 0x24, 0x00, 0x81],
            &[0],
            0x6A86,
        ),
    ];
    for (name, header, data, expected) in rows {
        assert_eq!(host.secure.status(&mut card, *header, data), *expected, "{name}");
    }
    let mut card = card_in(Active);
    let mut session = Terminal::new(&Office::new()).open(&mut card).unwrap();
    let rows: Rows<'_> = &[
        ("P1 P2 before rights", [0x80, 0xB0, 0x84, 0x01], &[], 0x6A86),
        ("rights before length", [0x80, 0xB0, 0x84, 0x00], &[0], 0x6982),
        ("length before file", [0x80, 0xB0, 0x82, 0x00], &[0], 0x6700),
        ("P1 P2 before length", [0x80, 0xB2, 0x00, 0xDC], &[0], 0x6A86),
        ("length before record", [0x80, 0xB2, 0x01, 0xDC], &[0], 0x6700),
    ];
    for (name, header, data, expected) in rows {
        assert_eq!(
            session.secure.status(&mut card, *header, data),
            *expected,
            "{name}"
        );
    }
}

#[test]
fn who_reads_what() {
    let files = [0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x9D];
    let portrait = common::issuer::Plan {
        portrait: Some(vec![0xFF; 300]),
        ..plan()
    };
    for (state, terminal, issuer) in [
        (
            Active,
            [0x9000, 0x9000, 0x9000, 0x6982, 0x9000, 0x6982, 0x9000],
            0x9000,
        ),
        (
            Blocked,
            [0x6982, 0x6982, 0x6982, 0x6982, 0x6982, 0x6982, 0x9000],
            0x9000,
        ),
        (
            Terminated,
            [0x6982, 0x6982, 0x6982, 0x6982, 0x6982, 0x6982, 0x9000],
            0x6985,
        ),
    ] {
        let mut card = active_card(&Office::new(), &portrait);
        set_life_cycle(&mut card, state);
        let mut session = Terminal::new(&Office::new()).open(&mut card).unwrap();
        for (file, expected) in files.into_iter().zip(terminal) {
            let header = [0x80, 0xB0, file, 0x00];
            assert_eq!(
                session.secure.status(&mut card, header, &[]),
                expected,
                "{state:?} {file:02X}"
            );
        }
        let mut host = IssuerHost::open(&mut card).unwrap();
        for file in files {
            let header = [0x80, 0xB0, file, 0x00];
            assert_eq!(
                host.secure.status(&mut card, header, &[]),
                issuer,
                "{state:?} {file:02X}"
            );
        }
    }
}

/// A file that was current while the card was active is not readable by its offset once the card is not.
#[test]
fn blocking_ends_the_reading_of_a_file() {
    let mut card = card_in(Active);
    let mut session = Terminal::new(&Office::new()).open(&mut card).unwrap();
    session
        .secure
        .done(&mut card, [0x80, 0xB0, 0x81, 0x00], &[])
        .unwrap();
    session
        .secure
        .done(&mut card, [0x80, 0xB0, 0x00, 0x01], &[])
        .unwrap();
    set_life_cycle(&mut card, Blocked);
    assert_eq!(
        session.secure.status(&mut card, [0x80, 0xB0, 0x00, 0x01], &[]),
        0x6982
    );
}
