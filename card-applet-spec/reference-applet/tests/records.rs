//! SPEC 9.7 and 9.9: the receipts that a card keeps, and what they are for, come back.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::command::LifeCycle::{Blocked, Terminated};
use card_spec::crypto::sha256;
use card_spec::payment::{HolderCheckMethod, Order};
use card_spec::values::Ascii;
use common::issuer::{IssuerHost, Office};
use common::set_life_cycle;
use common::terminal::{Terminal, bytes, receipt};
use common::till::{Till, amount};

const RECEIPT: u8 = 0xDC;
const OBJECT: u8 = 0xE4;

fn read(till: &mut Till, number: u8, p2: u8) -> (u16, Vec<u8>) {
    let header = [0x80, 0xB2, number, p2];
    let (status, _, data) = till.session.secure.send(&mut till.card, header, &[]).unwrap();
    (status.0, data)
}

/// Pays so many months, one đồng each; returns the orders, newest first.
fn pay(till: &mut Till, months: u16) -> Vec<Vec<u8>> {
    let mut orders = Vec::new();
    for month in 0..months {
        let index = 2026 * 12 + 10 - 36 + month;
        let order = till
            .session
            .order((index / 12, u8::try_from(index % 12).unwrap() + 1), 1, 1);
        let order = Order {
            method: HolderCheckMethod::PhotoDocument,
            ..order
        };
        till.pays(&order);
        orders.insert(0, bytes(&order));
    }
    orders
}

#[test]
fn a_card_that_paid_nothing_has_no_record() {
    let mut till = Till::new();
    for p2 in [RECEIPT, OBJECT] {
        assert_eq!(read(&mut till, 1, p2), (0x6A83, Vec::new()));
        assert_eq!(read(&mut till, 0xFF, p2), (0x6A83, Vec::new()));
    }
}

#[test]
fn records_come_newest_first_and_form_the_chain() {
    let mut till = Till::new();
    let orders = pay(&mut till, 3);
    let mut head = IssuerHost::open(&mut till.card)
        .unwrap()
        .card_status(&mut till.card)
        .unwrap()
        .head
        .unwrap();
    till.session = Terminal::new(&Office::new()).open(&mut till.card).unwrap();
    for (order, number) in orders.iter().zip(1..) {
        assert_eq!(read(&mut till, number, OBJECT), (0x9000, order.clone()));
        let (status, object) = read(&mut till, number, RECEIPT);
        assert_eq!(status, 0x9000);
        let (body, hash) = receipt(&till.session.cso, &object);
        assert_eq!((body.counter, hash), (u32::from(4 - number), head));
        assert_eq!(body.object_hash, sha256(&[order]));
        head = body.previous;
    }
    assert_eq!(head, till.session.cso_hash);
    for p2 in [RECEIPT, OBJECT] {
        assert_eq!(read(&mut till, 4, p2).0, 0x6A83);
    }
}

#[test]
fn other_records_and_files_are_refused() {
    let mut till = Till::new();
    pay(&mut till, 1);
    for p2 in 0..=0xFF {
        let expected = if matches!(p2, RECEIPT | OBJECT) {
            0x9000
        } else {
            0x6A86
        };
        assert_eq!(read(&mut till, 1, p2).0, expected, "{p2:02X}");
        assert_eq!(read(&mut till, 0, p2).0, 0x6A86, "{p2:02X}");
    }
}

#[test]
fn thirty_two_are_kept() {
    let mut till = Till::new();
    let orders = pay(&mut till, 40);
    for (order, number) in orders.iter().zip(1..=32) {
        assert_eq!(
            read(&mut till, number, OBJECT),
            (0x9000, order.clone()),
            "{number}"
        );
        let (_, object) = read(&mut till, number, RECEIPT);
        assert_eq!(
            receipt(&till.session.cso, &object).0.counter,
            u32::from(41 - number)
        );
    }
    for number in [33, 34, 40, 0xFF] {
        for p2 in [RECEIPT, OBJECT] {
            assert_eq!(read(&mut till, number, p2), (0x6A83, Vec::new()), "{number}");
        }
    }
}

#[test]
fn the_longest_order_is_one_answer() {
    let mut till = Till::new();
    let order = Order {
        operator: Ascii::new("01234567890123456789").unwrap(),
        second_operator: Ascii::new("abcdefghijk"),
        amount: amount(5_000_000),
        ..till.order()
    };
    assert_eq!(bytes(&order).len(), Order::MAXIMUM_LENGTH);
    till.pays(&order);
    assert_eq!(read(&mut till, 1, OBJECT), (0x9000, bytes(&order)));
}

#[test]
fn the_issuer_and_every_terminal_read_them_whatever_became_of_the_card() {
    let mut till = Till::new();
    let orders = pay(&mut till, 2);
    let expected = [1, 2].map(|number| read(&mut till, number, RECEIPT));
    for state in [None, Some(Blocked), Some(Terminated)] {
        if let Some(state) = state {
            let mut fresh = Till::new();
            pay(&mut fresh, 2);
            till = fresh;
            set_life_cycle(&mut till.card, state);
        }
        till.session = Terminal::new(&Office::new()).open(&mut till.card).unwrap();
        for (index, number) in [(0, 1), (1, 2)] {
            assert_eq!(read(&mut till, number, RECEIPT), expected[index]);
            assert_eq!(read(&mut till, number, OBJECT).1, orders[index]);
        }
        let mut host = IssuerHost::open(&mut till.card).unwrap();
        for (index, number) in [(0, 1), (1, 2)] {
            let answer = host
                .secure
                .done(&mut till.card, [0x80, 0xB2, number, RECEIPT], &[]);
            assert_eq!(answer.unwrap(), expected[index].1);
            let answer = host
                .secure
                .done(&mut till.card, [0x80, 0xB2, number, OBJECT], &[]);
            assert_eq!(answer.unwrap(), orders[index]);
        }
    }
}
