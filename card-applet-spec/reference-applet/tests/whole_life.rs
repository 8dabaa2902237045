//! One card's whole way: blank, personalized, paying.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::crypto::sha256;
use common::issuer::{Office, active_card, plan};
use common::terminal::{Terminal, bytes, receipt};

#[test]
fn pays_once_and_says_so_again() {
    let (office, plan) = (Office::new(), plan());
    let mut card = active_card(&office, &plan);
    let terminal = Terminal::new(&office);

    let mut session = terminal.open(&mut card).unwrap();
    assert_eq!(session.verify(&mut card, &plan.pin, 2, 3_000_000), 0x9000);
    let order = session.order((2026, 11), 1_000_000, 1);
    let (status, first) = session.disburse(&mut card, &order).unwrap();
    assert_eq!(status, 0x9000);
    let (body, head) = receipt(&session.cso, &first);
    assert_eq!(body.counter, 1);
    assert_eq!(body.previous, session.cso_hash);
    assert_eq!(body.object_hash, sha256(&[&bytes(&order)]));
    assert!(body.holder_check.pin_verified);
    assert_eq!(body.holder_check.tries_left, 3);

    // The same order, in the same session and in another one without a PIN: the same bytes.
    assert_eq!(session.disburse(&mut card, &order), Ok((0x9000, first.clone())));
    let mut later = terminal.open(&mut card).unwrap();
    assert_eq!(later.disburse(&mut card, &order), Ok((0x9000, first.clone())));

    // Another order for the same line: refused, and the receipt that stands.
    let again = later.order((2026, 11), 1_000_000, 2);
    assert_eq!(later.disburse(&mut card, &again), Ok((0x6340, first)));

    // The chain goes on.
    assert_eq!(later.verify(&mut card, &plan.pin, 1, 1_000_000), 0x9000);
    let next = later.order((2026, 12), 1_000_000, 3);
    let (status, second) = later.disburse(&mut card, &next).unwrap();
    assert_eq!(status, 0x9000);
    let (body, _) = receipt(&later.cso, &second);
    assert_eq!((body.counter, body.previous), (2, head));
}
