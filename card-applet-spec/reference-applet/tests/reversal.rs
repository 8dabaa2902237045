//! SPEC 9.8: who may undo which payment, what it undoes, and that it is done once.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::command::LifeCycle;
use card_spec::cso::{Caps, HolderCheckPolicy};
use card_spec::payment::{ClockSource, HolderCheckMethod, Order, ReceiptKind};
use card_spec::reversal::Reversal;
use card_spec::script::Action;
use card_spec::values::{Ascii, Time};
use common::issuer::{CertificatePlan, IssuerHost, Office, Plan, plan};
use common::scripts::{REVERSE, reversal_bytes};
use common::terminal::Terminal;
use common::till::{Till, amount, at};
use common::{Cut, Failure, cut_at, set_life_cycle};

/// A till whose card has just paid this order.
fn till_that_paid() -> (Till, Order<'static>) {
    let mut till = Till::new();
    let order = till.order();
    till.pays(&order);
    (till, order)
}

#[test]
fn the_line_can_be_paid_again_and_the_receipt_chain_goes_on() {
    let (mut till, order) = till_that_paid();
    let reversal = till.reversal(&order, 9);
    let (receipt, _) = till.reverses(&reversal);
    assert_eq!(receipt.kind, ReceiptKind::Reversal);
    assert_eq!(receipt.counter, 2);
    assert_eq!(
        receipt.object_hash,
        card_spec::crypto::sha256(&[&reversal_bytes(&reversal)])
    );
    assert!(receipt.holder_check.pin_verified);
    let again = Order {
        nonce: [2; 16],
        ..order
    };
    till.pays(&again);
    // Paid once more, it is paid: for a third order the second one's receipt stands.
    let third = Order {
        nonce: [3; 16],
        ..order
    };
    assert_eq!(till.disburse(&third).unwrap().0, 0x6340);
}

#[test]
fn another_line_of_the_same_row_stays_paid() {
    let mut till = Till::new();
    let first = till.session.order((2026, 10), 1_000, 1);
    let second = till.session.order((2026, 11), 1_000, 2);
    till.pays(&first);
    till.pays(&second);
    let reversal = till.reversal(&second, 9);
    till.reverses(&reversal);
    let again = till.session.order((2026, 10), 1_000, 3);
    assert_eq!(till.disburse(&again).unwrap().0, 0x6340);
}

#[test]
fn the_month_gets_its_money_back() {
    let caps = Caps {
        order: amount(5),
        month: amount(5),
        order_without_pin: amount(1),
    };
    let mut till = Till::with(Plan { caps, ..plan() });
    let order = till.session.order((2026, 11), 5, 1);
    till.pays(&order);
    let other = till.session.order((2026, 12), 1, 2);
    till.refuses(0x6344, &other);
    let reversal = till.reversal(&order, 9);
    till.reverses(&reversal);
    till.pays(&till.session.order((2026, 12), 5, 3));
}

#[test]
fn money_of_another_month_than_the_one_kept_is_not_given_back() {
    let caps = Caps {
        order: amount(5),
        month: amount(7),
        order_without_pin: amount(1),
    };
    let mut till = Till::with(Plan { caps, ..plan() });
    let december = Order {
        time: at(2026, 12, 1),
        ..till.session.order((2026, 12), 1, 1)
    };
    till.pays(&december);
    // SPEC 9.5: an order of an earlier month counts to the kept month.
    let november = till.session.order((2026, 11), 5, 2);
    till.pays(&november);
    let reversal = till.reversal(&november, 9);
    till.reverses(&reversal);
    till.refuses(0x6344, &till.session.order((2026, 10), 2, 3));
    till.pays(&till.session.order((2026, 10), 1, 4));
}

#[test]
fn the_same_reversal_again_changes_nothing() {
    let (mut till, order) = till_that_paid();
    let reversal = till.reversal(&order, 9);
    let (_, receipt) = till.reverses(&reversal);
    let data = reversal_bytes(&reversal);
    till.repeats(REVERSE, &data, &receipt);
    // Also in another session, without a PIN, behind another payment, and on a card that is no longer active.
    let other = till.session.order((2026, 10), 1_000, 5);
    till.pays(&other);
    till.open_without_pin();
    till.repeats(REVERSE, &data, &receipt);
    for life_cycle in [LifeCycle::Blocked, LifeCycle::Terminated] {
        let (mut till, order) = till_that_paid();
        let reversal = till.reversal(&order, 9);
        let (_, receipt) = till.reverses(&reversal);
        set_life_cycle(&mut till.card, life_cycle);
        till.repeats(REVERSE, &reversal_bytes(&reversal), &receipt);
    }
}

#[test]
fn a_reversed_order_is_dead() {
    let (mut till, order) = till_that_paid();
    let reversal = till.reversal(&order, 9);
    let (_, receipt) = till.reverses(&reversal);
    for life_cycle in [LifeCycle::Active, LifeCycle::Blocked, LifeCycle::Terminated] {
        let active = till.card.memory().slots.clone();
        set_life_cycle(&mut till.card, life_cycle);
        let before = till.card.memory().slots.clone();
        assert_eq!(till.disburse(&order), Ok((0x634A, receipt.clone())));
        assert!(till.card.memory().slots == before, "a dead order wrote");
        till.card.memory_mut().slots = active;
    }
    // Paying the line with another order does not raise it from the dead.
    let again = Order {
        nonce: [2; 16],
        ..order
    };
    till.pays(&again);
    assert_eq!(till.disburse(&order), Ok((0x634A, receipt)));
}

#[test]
fn encodings_and_values() {
    let (mut till, order) = till_that_paid();
    let right = till.reversal(&order, 9);
    let bytes = reversal_bytes(&right);
    let mut order_tag = bytes.clone();
    order_tag[1] = 0x23;
    let refused = [
        Vec::new(),
        bytes[..bytes.len() - 1].to_vec(),
        [&bytes[..], &[0]].concat(),
        order_tag,
        reversal_bytes(&Reversal {
            time: Time::UNSET,
            ..right
        }),
        reversal_bytes(&Reversal {
            clock: ClockSource::Unset,
            ..right
        }),
        reversal_bytes(&Reversal {
            second_operator: Ascii::new("op-01"),
            ..right
        }),
    ];
    for data in refused {
        till.refuses_command(0x6A80, REVERSE, &data);
    }
    till.refuses_command(0x6A86, [0x80, 0x56, 0x01, 0x00], &bytes);
    till.refuses_command(0x6A86, [0x80, 0x56, 0x00, 0x01], &bytes);
    till.reverses(&right);
}

#[test]
fn only_in_a_terminal_session_and_in_its_name() {
    let (mut till, order) = till_that_paid();
    let right = till.reversal(&order, 9);
    till.refuses_reversal(
        0x6982,
        &Reversal {
            terminal: "VNT0000002".parse().unwrap(),
            ..right
        },
    );
    let before = till.card.memory().slots.clone();
    let mut host = IssuerHost::open(&mut till.card).unwrap();
    assert_eq!(
        host.secure
            .status(&mut till.card, REVERSE, &reversal_bytes(&right)),
        0x6D00
    );
    assert!(till.card.memory().slots == before);
}

#[test]
fn another_card_or_version_and_another_day() {
    let (mut till, order) = till_that_paid();
    let right = till.reversal(&order, 9);
    till.refuses_reversal(
        0x6349,
        &Reversal {
            cso_hash: [0; 32],
            ..right
        },
    );
    // The terminal's certificate: 15 November to 19 December.
    for time in [at(2026, 11, 14), at(2026, 12, 20), at(2036, 11, 1)] {
        till.refuses_reversal(0x6345, &Reversal { time, ..right });
    }
    till.reverses(&Reversal {
        time: at(2026, 12, 19),
        ..right
    });
}

#[test]
fn only_the_newest_payment() {
    let mut till = Till::new();
    let first = till.session.order((2026, 10), 1_000, 1);
    let second = till.session.order((2026, 11), 1_000, 2);
    // Nothing was paid yet.
    let early = till.reversal(&first, 8);
    till.refuses_reversal(0x634B, &early);
    till.pays(&first);
    till.pays(&second);
    till.refuses_reversal(0x634B, &early);
    let unknown = Reversal {
        order_hash: [0; 32],
        ..early
    };
    till.refuses_reversal(0x634B, &unknown);
    let reversal = till.reversal(&second, 9);
    till.reverses(&reversal);
    // The newest receipt is the reversal's: neither the payment before nor the same one again.
    till.refuses_reversal(0x634B, &early);
    let again = till.reversal(&second, 10);
    till.refuses_reversal(0x634B, &again);
}

#[test]
fn not_behind_an_issuer_script() {
    let (mut till, order) = till_that_paid();
    till.executes(Action::FillPinTries);
    let reversal = till.reversal(&order, 9);
    till.refuses_reversal(0x634B, &reversal);
}

#[test]
fn only_at_the_terminal_that_paid() {
    let (mut till, order) = till_that_paid();
    let office = Office::new();
    let other = CertificatePlan {
        holder: "VNT0000002A00001",
        ..office.terminal_plan()
    };
    till.session = Terminal::with(&office, &other).open(&mut till.card).unwrap();
    let pin = till.plan.pin;
    till.session.verify(&mut till.card, &pin, 5, 1_000_000);
    let reversal = till.reversal(&order, 9);
    assert_eq!(reversal.terminal, "VNT0000002".parse().unwrap());
    till.refuses_reversal(0x634B, &reversal);
}

#[test]
fn the_holder_is_checked_as_for_an_order() {
    let (mut till, order) = till_that_paid();
    let pin = till.reversal(&order, 9);
    let photo = Reversal {
        method: HolderCheckMethod::PhotoDocument,
        ..pin
    };
    till.open_without_pin();
    till.refuses_reversal(0x6346, &pin);
    till.block_pin();
    till.refuses_reversal(0x6346, &pin);
    // SPEC 9.3: while no try is left a photo document takes two operators.
    till.refuses_reversal(0x6346, &photo);
    let (receipt, _) = till.reverses(&Reversal {
        second_operator: Ascii::new("op-02"),
        ..photo
    });
    assert!(!receipt.holder_check.pin_verified);
    assert_eq!(receipt.holder_check.tries_left, 0);
}

#[test]
fn a_photo_document_takes_one_operator_while_tries_are_left() {
    let (mut till, order) = till_that_paid();
    till.open_without_pin();
    let photo = Reversal {
        method: HolderCheckMethod::PhotoDocument,
        ..till.reversal(&order, 9)
    };
    till.reverses(&photo);
}

#[test]
fn a_method_that_the_policy_does_not_allow() {
    let policy = |methods| HolderCheckPolicy {
        methods,
        ..plan().policy
    };
    for (methods, method) in [
        (HolderCheckPolicy::PIN, HolderCheckMethod::PhotoDocument),
        (HolderCheckPolicy::PHOTO_DOCUMENT, HolderCheckMethod::Pin),
    ] {
        let mut till = Till::with(Plan {
            policy: policy(methods),
            ..plan()
        });
        let allowed = match method {
            HolderCheckMethod::Pin => HolderCheckMethod::PhotoDocument,
            HolderCheckMethod::PhotoDocument => HolderCheckMethod::Pin,
        };
        let order = Order {
            method: allowed,
            ..till.order()
        };
        till.pays(&order);
        let reversal = Reversal {
            method,
            ..till.reversal(&order, 9)
        };
        till.refuses_reversal(0x6346, &reversal);
    }
}

#[test]
fn a_reversal_is_one_of_the_orders_that_a_pin_covers() {
    let policy = HolderCheckPolicy {
        orders_per_verify: 2,
        ..plan().policy
    };
    let mut till = Till::with(Plan { policy, ..plan() });
    let first = till.session.order((2026, 10), 1_000, 1);
    let second = till.session.order((2026, 11), 1_000, 2);
    till.pays(&first);
    till.pays(&second);
    let reversal = till.reversal(&second, 9);
    till.refuses_reversal(0x6346, &reversal);
    till.open_again();
    till.reverses(&reversal);
    till.pays(&till.session.order((2026, 12), 1_000, 3));
    till.refuses(0x6346, &till.session.order((2027, 1), 1_000, 4));
}

#[test]
fn a_card_that_is_not_active() {
    for life_cycle in [LifeCycle::Blocked, LifeCycle::Terminated] {
        let (mut till, order) = till_that_paid();
        let right = till.reversal(&order, 9);
        set_life_cycle(&mut till.card, life_cycle);
        till.refuses_reversal(0x634C, &right);
        // The row stands before those of the card and the day.
        till.refuses_reversal(
            0x634C,
            &Reversal {
                cso_hash: [0; 32],
                ..right
            },
        );
        // What was paid is still told.
        assert_eq!(till.disburse(&order).unwrap().0, 0x9000);
    }
}

#[test]
fn a_receipt_counter_at_its_end() {
    let (mut till, order) = till_that_paid();
    till.exhaust_counter();
    let reversal = till.reversal(&order, 9);
    till.refuses_reversal(0x6348, &reversal);
}

/// One thing after the other is put right: each answer is that of the first row that is still wrong.
#[test]
fn the_rows_stand_in_their_order() {
    let (mut till, order) = till_that_paid();
    till.open_without_pin();
    till.exhaust_counter();
    let right = till.reversal(&order, 9);
    let mut reversal = Reversal {
        terminal: "VNT0000002".parse().unwrap(),
        cso_hash: [0; 32],
        time: at(2026, 11, 14),
        order_hash: [0; 32],
        ..right
    };
    till.refuses_reversal(0x6982, &reversal);
    reversal.terminal = right.terminal;
    let active = till.card.memory().slots.clone();
    set_life_cycle(&mut till.card, LifeCycle::Blocked);
    till.refuses_reversal(0x634C, &reversal);
    till.card.memory_mut().slots = active;
    till.refuses_reversal(0x6349, &reversal);
    reversal.cso_hash = right.cso_hash;
    till.refuses_reversal(0x6345, &reversal);
    reversal.time = right.time;
    till.refuses_reversal(0x634B, &reversal);
    reversal.order_hash = right.order_hash;
    till.refuses_reversal(0x6346, &reversal);
    reversal.method = HolderCheckMethod::PhotoDocument;
    till.refuses_reversal(0x6348, &reversal);
}

#[test]
fn the_power_goes_at_every_write() {
    let mut writes = 0;
    for write in 0.. {
        for side in [Cut::Before, Cut::After] {
            let (mut till, order) = till_that_paid();
            let reversal = till.reversal(&order, 9);
            let head = till.status().head;
            cut_at(&mut till.card, Some((write, side)));
            let outcome = till.send(REVERSE, &reversal_bytes(&reversal));
            let done = till.card.memory().writes <= write;
            cut_at(&mut till.card, None);
            if done {
                assert_eq!(outcome.unwrap().0, 0x9000);
                writes = write;
                break;
            }
            assert_eq!(outcome, Err(Failure::Gone), "write {write}, {side:?}");
            till.card.reset();
            till.open_again();
            // Before or after: the order is paid, or the reversal has its receipt. The same reversal settles it.
            let (status, _) = till.disburse(&order).unwrap();
            assert!(status == 0x9000 || status == 0x634A);
            let (status, object) = till.send(REVERSE, &reversal_bytes(&reversal)).unwrap();
            assert_eq!(status, 0x9000);
            let (body, hash) = common::terminal::receipt(&till.session.cso, &object);
            assert_eq!((body.counter, Some(body.previous)), (2, head));
            assert_eq!(till.status().head, Some(hash));
            assert_eq!(till.disburse(&order).unwrap().0, 0x634A);
            till.pays(&Order {
                nonce: [2; 16],
                ..order
            });
        }
        if writes > 0 {
            break;
        }
    }
    // The row before, reversal, receipt, ledger.
    println!("reversal: {writes} writes, {} cuts", writes * 2);
    assert_eq!(writes, 4);
}
