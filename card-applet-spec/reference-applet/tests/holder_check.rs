//! SPEC 9.1: VERIFY, the tries of the PIN, and how long an authorization lives.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use common::Card;
use common::issuer::{Office, active_card, plan};
use common::terminal::{Session, Terminal};

fn ready() -> (Office, Card) {
    let office = Office::new();
    let card = active_card(&office, &plan());
    (office, card)
}

#[test]
fn pin_tries_are_counted_and_malformed_ones_are_free() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    let pin = plan().pin;
    let report =
        |session: &mut Session, card: &mut Card| session.secure.status(card, [0x80, 0x20, 0x00, 0x81], &[]);
    let mut session = terminal.open(&mut card).unwrap();
    assert_eq!(report(&mut session, &mut card), 0x63C3);
    let malformed: [&[u8]; 8] = [
        &[0x80],
        b"271828",
        b"\x80\x06271828",
        b"\x80\x05271828\x81\x01\x01\x82\x08\0\0\0\0\0\0\0\x01",
        b"\x80\x06", /* truncated */
        b"\x80\x0627182x\x81\x01\x01\x82\x08\0\0\0\0\0\0\0\x01",
        b"\x80\x06000000\x81\x01\x00\x82\x08\0\0\0\0\0\0\0\x01",
        b"\x80\x06000000\x81\x01\x06\x82\x08\0\0\0\0\0\0\0\x01",
    ];
    for data in malformed {
        assert_eq!(
            session.secure.status(&mut card, [0x80, 0x20, 0x00, 0x81], data),
            0x6A80,
            "{data:02X?}"
        );
    }
    assert_eq!(
        session.secure.status(&mut card, [0x80, 0x20, 0x00, 0x82], &[]),
        0x6A86
    );
    assert_eq!(report(&mut session, &mut card), 0x63C3);
    assert_eq!(session.verify(&mut card, b"000000", 1, 1), 0x63C2);
    assert_eq!(session.verify(&mut card, b"271829", 1, 1), 0x63C1);
    assert_eq!(report(&mut session, &mut card), 0x63C1);
    // A right one gives the tries back, and only in this session.
    assert_eq!(session.verify(&mut card, &pin, 1, 1), 0x9000);
    assert_eq!(report(&mut session, &mut card), 0x9000);
    let mut session = terminal.open(&mut card).unwrap();
    assert_eq!(report(&mut session, &mut card), 0x63C3);
    // Three wrong ones over sessions and resets.
    for left in [0x63C2, 0x63C1, 0x63C0] {
        card.reset();
        session = terminal.open(&mut card).unwrap();
        assert_eq!(session.verify(&mut card, b"000000", 1, 1), left);
    }
    assert_eq!(report(&mut session, &mut card), 0x6983);
    assert_eq!(session.verify(&mut card, &pin, 1, 1), 0x6983);
    card.reset();
    let mut session = terminal.open(&mut card).unwrap();
    assert_eq!(session.verify(&mut card, &pin, 1, 1), 0x6983);
}

#[test]
fn an_authorization_dies_with_its_session() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    let mut session = terminal.open(&mut card).unwrap();
    assert_eq!(session.verify(&mut card, &plan().pin, 5, 5_000_000), 0x9000);
    let order = session.order((2026, 11), 1, 1);
    let mut session = terminal.open(&mut card).unwrap();
    assert_eq!(session.disburse(&mut card, &order), Ok((0x6346, Vec::new())));
}
