//! SPEC 13.4: what issuer scripts do about the PIN, and what the station may do then.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::command::CardStatus;
use card_spec::script::Action;
use common::issuer::IssuerHost;
use common::till::Till;

#[test]
fn filled_tries() {
    let mut till = Till::new();
    till.block_pin();
    let (receipt, _) = till.executes(Action::FillPinTries);
    assert_eq!(receipt.holder_check.tries_left, 3);
    let pin = till.plan.pin;
    // They count down again from there, and a right PIN gives them back.
    assert_eq!(till.session.verify(&mut till.card, b"000000", 1, 1), 0x63C2);
    assert_eq!(till.session.verify(&mut till.card, &pin, 1, 1), 0x9000);
    assert_eq!(till.status().pin_tries, 3);
}

fn set_pin(till: &mut Till, pin: &[u8]) -> u16 {
    let mut host = IssuerHost::open(&mut till.card).unwrap();
    let status = host.secure.status(&mut till.card, [0x80, 0x24, 0x01, 0x81], pin);
    till.open_without_pin();
    status
}

#[test]
fn a_permitted_pin() {
    let mut till = Till::new();
    let permitted = |till: &mut Till| till.status().flags & CardStatus::PIN_PERMITTED != 0;
    assert_eq!(set_pin(&mut till, b"314159"), 0x6985);
    assert!(!permitted(&mut till));
    till.block_pin();
    let (receipt, _) = till.executes(Action::PermitNewPin);
    // SPEC 13.4: until it comes, the PIN stays as it is.
    assert_eq!(receipt.holder_check.tries_left, 0);
    assert!(permitted(&mut till));
    till.executes(Action::PermitNewPin);
    assert_eq!(set_pin(&mut till, b"31415"), 0x6A80);
    assert_eq!(set_pin(&mut till, b"314159"), 0x9000);
    assert!(!permitted(&mut till));
    // Permissions do not add up, and one that was used is gone.
    assert_eq!(set_pin(&mut till, b"000000"), 0x6985);
    assert_eq!(till.status().pin_tries, 3);
    let old = till.plan.pin;
    assert_eq!(till.session.verify(&mut till.card, &old, 1, 1), 0x63C2);
    assert_eq!(till.session.verify(&mut till.card, b"314159", 1, 1), 0x9000);
}

#[test]
fn the_holders_own_change_uses_up_no_permission() {
    let mut till = Till::new();
    till.executes(Action::PermitNewPin);
    let change = [0x80, 0x24, 0x00, 0x81];
    assert_eq!(
        till.session
            .secure
            .status(&mut till.card, change, b"271828314159"),
        0x9000
    );
    assert_eq!(set_pin(&mut till, b"141421"), 0x9000);
    assert_eq!(till.session.verify(&mut till.card, b"141421", 1, 1), 0x9000);
}
