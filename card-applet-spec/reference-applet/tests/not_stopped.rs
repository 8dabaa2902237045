//! SPEC 11.5: what the card does not stop, so that the text neither hides nor exaggerates it.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::payment::Order;
use common::issuer::{CertificatePlan, Office, active_card, plan};
use common::terminal::{Terminal, line};
use common::till::{Till, amount, at};
use common::{CHIP_SERIAL, SELECT, date, plain};

/// SPEC 9.5: 35 days that begin on the last day of January reach into March.
#[test]
fn a_certificate_around_february_spans_three_months() {
    let office = Office::new();
    let mut card = active_card(&office, &plan());
    let terminal = CertificatePlan {
        dates: (date(2027, 1, 31), date(2027, 3, 6)),
        ..office.terminal_plan()
    };
    let mut session = Terminal::with(&office, &terminal).open(&mut card).unwrap();
    let mut entitlement = 0;
    let mut draw = |time, vnd| {
        entitlement += 1;
        session.verify(&mut card, &plan().pin, 1, 900_000_000_000);
        let order = Order {
            time,
            line_key: line(session.cso.person, b"BTXH", entitlement, (2027, 1)),
            ..session.order((2027, 1), vnd, 1)
        };
        session.disburse(&mut card, &order).unwrap().0
    };
    assert_eq!(plan().caps.month, amount(12_000_000));
    for day in [at(2027, 1, 31), at(2027, 2, 15), at(2027, 3, 6)] {
        for _ in 0..3 {
            assert_eq!(draw(day, 4_000_000), 0x9000);
        }
        assert_eq!(draw(day, 1), 0x6344);
    }
}

/// The card has no clock: a certificate that expired years ago opens a card that has met no later one.
#[test]
fn an_expired_certificate_opens_a_card_that_met_no_later_one() {
    let office = Office::new();
    let mut card = active_card(&office, &plan());
    let stolen = Terminal::new(&office);
    stolen.open(&mut card).unwrap();
    let later = CertificatePlan {
        dates: (date(2026, 12, 20), date(2027, 1, 20)),
        ..office.terminal_plan()
    };
    Terminal::with(&office, &later).open(&mut card).unwrap();
    assert!(stolen.open(&mut card).is_err());
}

/// SPEC 9.8: once the receipt of its reversal has left the ring, a reversed order is like any other.
#[test]
fn a_reversed_order_is_dead_as_long_as_the_reversal_is_stored() {
    let mut till = Till::new();
    let order = till.order();
    till.pays(&order);
    let reversal = till.reversal(&order, 1);
    till.reverses(&reversal);
    for entitlement in 2..=33 {
        assert_eq!(till.disburse(&order).unwrap().0, 0x634A);
        till.open_again();
        till.pays(&Order {
            amount: amount(1),
            line_key: line(till.session.cso.person, b"BTXH", entitlement, (2026, 11)),
            ..order
        });
    }
    till.pays(&order);
    // The line is paid as ever: once.
    let other = Order {
        nonce: [2; 16],
        ..order
    };
    assert_eq!(till.disburse(&other).unwrap().0, 0x6340);
}

/// SPEC 6.2: the chip serial, which the station derives the keys from, is told to anybody who asks.
#[test]
fn the_chip_serial_is_no_secret() {
    let mut card = active_card(&Office::new(), &plan());
    plain(&mut card, &SELECT).unwrap();
    let initialize_update = [0x80, 0x50, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0];
    let answer = plain(&mut card, &initialize_update).unwrap();
    assert!(answer.starts_with(&CHIP_SERIAL));
}
