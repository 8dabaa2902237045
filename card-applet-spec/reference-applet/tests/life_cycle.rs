//! SPEC 14: the order in which a card examines a command, and who reads what. Which commands it takes at all is in
//! `exhaustive.rs`.

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
use common::{Card, SELECT, blank_card, plain, set_life_cycle, status};

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
