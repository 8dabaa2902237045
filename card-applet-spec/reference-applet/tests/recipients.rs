//! SPEC 9.3, recipients: the holder, or a representative in group 5 as long as the authorization lasts.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::payment::{Order, Recipient};
use common::till::{Till, at};

/// The card of `plan()` has one representative, until 31 December 2030.
fn to(till: &Till, recipient: Recipient) -> Order<'static> {
    Order {
        recipient,
        ..till.order()
    }
}

#[test]
fn the_representative_on_the_card() {
    let mut till = Till::new();
    till.pays(&to(&till, Recipient::FirstRepresentative));
}

#[test]
fn a_representative_who_is_not_on_the_card() {
    let mut till = Till::new();
    let order = to(&till, Recipient::SecondRepresentative);
    till.refuses(0x634F, &order);
    till.pays(&to(&till, Recipient::Holder));
}

#[test]
fn the_last_day_of_an_authorization() {
    use common::date;
    use common::issuer::{CertificatePlan, Office};
    use common::terminal::Terminal;
    let mut till = Till::new();
    let office = Office::new();
    // A terminal whose certificate spans the end of the authorization.
    let certificate = CertificatePlan {
        dates: (date(2030, 12, 20), date(2031, 1, 20)),
        ..office.terminal_plan()
    };
    till.session = Terminal::with(&office, &certificate)
        .open(&mut till.card)
        .unwrap();
    let pin = till.plan.pin;
    assert_eq!(till.session.verify(&mut till.card, &pin, 5, 5_000_000), 0x9000);
    let order = Order {
        time: at(2031, 1, 1),
        recipient: Recipient::FirstRepresentative,
        ..till.session.order((2030, 12), 1_000, 1)
    };
    till.refuses(0x634F, &order);
    till.pays(&Order {
        time: at(2030, 12, 31),
        ..order
    });
}

#[test]
fn the_row_stands_between_the_holder_check_and_the_counter() {
    let mut till = Till::new();
    till.pays(&till.session.order((2026, 10), 1_000, 2));
    till.exhaust_counter();
    let order = to(&till, Recipient::SecondRepresentative);
    till.refuses(0x634F, &order);
    till.refuses(0x6348, &to(&till, Recipient::Holder));
    till.open_without_pin();
    let order = Order {
        cso_hash: till.session.cso_hash,
        ..order
    };
    till.refuses(0x6346, &order);
}
