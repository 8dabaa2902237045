//! SPEC 9.6 and 9.7: what happens when the table, the ring or the counter is full.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::cso::HolderCheckPolicy;
use card_spec::payment::Order;
use common::issuer::{Plan, plan};
use common::terminal::{line, receipt};
use common::till::{Till, amount};
use reference_applet::Slot;
use reference_applet::memory::{PAID_ROWS, RING};

#[test]
fn a_full_table_refuses_and_keeps_what_it_has() {
    let caps = card_spec::cso::Caps {
        order: amount(10),
        month: amount(1_000),
        order_without_pin: amount(1),
    };
    let policy = HolderCheckPolicy {
        orders_per_verify: 255,
        ..plan().policy
    };
    let mut till = Till::with(Plan {
        caps,
        policy,
        ..plan()
    });
    let right = Order {
        amount: amount(1),
        ..till.order()
    };
    let numbered = |number: u16| Order {
        line_key: line([0xBE; 16], b"BTXH", number, (2026, 11)),
        nonce: [number as u8; 16],
        ..right
    };
    for number in 0..40 {
        till.pays(&numbered(number));
    }
    till.refuses(0x6347, &numbered(40));
    // A known row takes further months.
    till.pays(&Order {
        line_key: line([0xBE; 16], b"BTXH", 0, (2026, 12)),
        ..right
    });
    // The receipt of line 0 was 41 payments ago: the line stays paid, its receipt is no longer there (SPEC 9.7).
    assert_eq!(
        till.disburse(&Order {
            nonce: [99; 16],
            ..numbered(0)
        }),
        Ok((0x6340, Vec::new()))
    );
    assert_eq!(till.disburse(&numbered(0)), Ok((0x6340, Vec::new())));
    // 32 orders are kept: the oldest of them is the tenth, line 9's.
    assert_eq!(till.disburse(&numbered(8)), Ok((0x6340, Vec::new())));
    assert_eq!(till.disburse(&numbered(9)).unwrap().0, 0x9000);
    assert_eq!(
        till.disburse(&Order {
            nonce: [99; 16],
            ..numbered(9)
        })
        .unwrap()
        .1
        .len(),
        172
    );
}

#[test]
fn the_last_receipt_number_is_used_once() {
    let mut till = Till::new();
    let right = till.order();
    till.pays(&right);
    // Nobody pays four thousand million times: the counter is set in the memory, and the ring filled with what is there.
    let slots = &mut till.card.memory_mut().slots;
    let index = |slot: Slot| usize::from(slot.index());
    for place in 0..RING {
        slots[index(Slot::ReceiptObject(place))] = slots[index(Slot::ReceiptObject(1))].clone();
        slots[index(Slot::Receipt(place))] = slots[index(Slot::Receipt(1))].clone();
    }
    let ledger = &mut slots[index(Slot::Ledger)];
    let at = ledger
        .windows(6)
        .position(|bytes| bytes == [0x82, 4, 0, 0, 0, 1])
        .unwrap();
    ledger[at + 2..at + 6].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFE]);

    let last = Order {
        line_key: line([0xBE; 16], b"BTXH", 1, (2026, 12)),
        ..right
    };
    let object = till.pays(&last);
    assert_eq!(receipt(&till.session.cso, &object).0.counter, u32::MAX);
    till.refuses(
        0x6348,
        &Order {
            line_key: line([0xBE; 16], b"BTXH", 1, (2026, 10)),
            ..right
        },
    );
    assert_eq!(till.disburse(&last), Ok((0x9000, object)));

    // A full table is the row of SPEC 9.3 behind it.
    let slots = &mut till.card.memory_mut().slots;
    let row = slots[index(Slot::PaidRow(0))].clone();
    let at = row.windows(4).position(|bytes| bytes == [0x81, 2, 0, 1]).unwrap();
    for number in 1..PAID_ROWS {
        let mut other = row.clone();
        other[at + 2..at + 4].copy_from_slice(&[0x7F, number]);
        slots[index(Slot::PaidRow(number))] = other;
    }
    till.refuses(
        0x6348,
        &Order {
            line_key: line([0xBE; 16], b"BTXH", 2, (2026, 11)),
            ..right
        },
    );
}
