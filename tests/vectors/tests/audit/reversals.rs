//! Money that was not handed over (DATA 5.5): its payment counts until its card has undone it, and nothing else undoes it.

use ansinh_audit::{Code, Report};
use card_spec::journal::{EncodedReversal, Event, Refusal, RefusalReason};
use card_spec::payment::{Receipt, ReceiptKind};
use card_spec::reversal::Reversal;
use card_spec::values::Ascii;
use vectors::World;

use crate::world_gives;

/// Line 3 of the first list is paid and the money not handed over; then `what` happens, given the Intent and the order.
fn not_handed(what: impl Fn(&mut World, u32, &[u8]), expected: &[Code]) -> Report {
    world_gives(
        |world| {
            let order = world.order(0, 0, 3);
            let (intent, order) = world.pay_only(0, 2, &order);
            what(world, intent, &order);
        },
        expected,
    )
}

fn reverse(world: &mut World, intent: u32, order: &[u8]) {
    let reversal = world.announce_reversal(0, intent, order);
    let receipt = world.reversal_receipt(2, &reversal);
    world.reversed(0, 2, intent, &receipt);
}

/// The card does not reverse it here.
fn refusal(intent: u32, status_word: u16) -> Event<'static> {
    Event::Refused(Refusal {
        reason: RefusalReason::RefusedByCard,
        card_number: None,
        line_number: None,
        status_word: Some(status_word),
        closes_intent: Some(intent),
    })
}

#[test]
fn a_line_that_was_reversed_is_not_paid_and_may_be_paid_again() {
    let before = not_handed(
        |world, intent, _| world.terminals[0].log(Event::Handed { intent }),
        &[],
    );
    let reversed = not_handed(reverse, &[]);
    let (before, after) = (before.totals, reversed.totals);
    assert_eq!(
        (after.payments + 1, after.reversed, after.not_handed),
        (before.payments, 1, 0)
    );
    assert_eq!(after.paid_vnd + after.reversed_vnd, before.paid_vnd);
    assert!(reversed.terminals[0].not_handed.is_empty());
    let again = not_handed(
        |world, intent, order| {
            reverse(world, intent, order);
            world.pay(0, 0, 3);
        },
        &[],
    );
    assert_eq!(
        (again.totals.paid_vnd, again.totals.reversed),
        (before.paid_vnd, 1)
    );
    not_handed(
        |world, intent, order| {
            reverse(world, intent, order);
            world.pay(0, 0, 3);
            world.pay(0, 0, 3);
        },
        &[Code::PaidTwice],
    );
}

#[test]
fn until_its_card_says_so_nothing_is_reversed() {
    let report = not_handed(|world, intent, _| world.not_handed(0, intent), &[]);
    assert_eq!((report.totals.not_handed, report.totals.reversed), (1, 0));
    let [intent] = report.terminals[0].not_handed[..] else {
        panic!("{:?}", report.terminals[0]);
    };
    let text = report.to_string();
    assert!(
        text.contains(&format!("intent {intent} paid and not handed over")),
        "{text}"
    );
    not_handed(
        |world, intent, order| {
            world.announce_reversal(0, intent, order);
            world.pay(0, 0, 3);
        },
        &[Code::PaidTwice],
    );
}

#[test]
fn the_clerks_word_is_given_once() {
    for events in [[8, 12], [12, 8], [12, 12]] {
        let expected = if events[1] == 8 {
            Code::Handed
        } else {
            Code::NotHanded
        };
        not_handed(
            |world, intent, _| {
                for kind in events {
                    match kind {
                        8 => world.terminals[0].log(Event::Handed { intent }),
                        _ => world.not_handed(0, intent),
                    }
                }
            },
            &[expected],
        );
    }
    not_handed(|world, _, _| world.not_handed(0, 99), &[Code::NotHanded]);
}

#[test]
fn orders_and_reversals_are_told_again_while_they_matter() {
    not_handed(
        |world, intent, order| {
            let reversal = world.announce_reversal(0, intent, order);
            world.not_handed_again(0, intent, order);
            let encoded = EncodedReversal::parse(&reversal).unwrap();
            world.terminals[0].log(Event::ReverseIntent {
                intent,
                reversal: encoded,
            });
            let receipt = world.reversal_receipt(2, &reversal);
            world.reversed(0, 2, intent, &receipt);
        },
        &[],
    );
    not_handed(
        |world, intent, order| {
            reverse(world, intent, order);
            world.not_handed_again(0, intent, order);
        },
        &[Code::NotHanded],
    );
}

#[test]
fn nothing_is_told_again_that_was_not_told() {
    not_handed(
        |world, intent, order| world.not_handed_again(0, intent, order),
        &[Code::NotHanded],
    );
    not_handed(
        |world, intent, _| {
            world.not_handed(0, intent);
            let other = world.order(0, 0, 1);
            let other = other.encode(&mut [0; 512]).unwrap().to_vec();
            world.not_handed_again(0, intent, &other);
        },
        &[Code::NotHanded],
    );
}

#[test]
fn a_reversal_that_nothing_leads_to() {
    // The clerk's word is missing, or says the contrary.
    for handed in [false, true] {
        not_handed(
            |world, intent, order| {
                if handed {
                    world.terminals[0].log(Event::Handed { intent });
                }
                let reversal = world.reversal(0, order);
                let reversal = world.reverse_intent(0, intent, &reversal);
                let receipt = world.reversal_receipt(2, &reversal);
                world.reversed(0, 2, intent, &receipt);
            },
            &[Code::ReverseIntent, Code::Reversed],
        );
    }
    // No ReverseIntent.
    not_handed(
        |world, intent, _| {
            world.not_handed(0, intent);
            let receipt = world.reversal_receipt(2, b"never announced");
            world.reversed(0, 2, intent, &receipt);
        },
        &[Code::Reversed],
    );
}

#[test]
fn a_reversal_that_names_something_else() {
    let give = |change: &dyn Fn(&mut Reversal<'_>), expected: &[Code]| {
        not_handed(
            |world, intent, order| {
                world.not_handed(0, intent);
                let mut reversal = world.reversal(0, order);
                change(&mut reversal);
                world.reverse_intent(0, intent, &reversal);
            },
            expected,
        );
    };
    give(&|_| (), &[]);
    give(&|reversal| reversal.order_hash = [1; 32], &[Code::ReverseIntent]);
    give(&|reversal| reversal.sequence += 1, &[Code::ReverseIntent]);
    give(&|reversal| reversal.log_head = [1; 32], &[Code::ReverseIntent]);
    give(
        &|reversal| reversal.terminal = "VNT0000002".parse().unwrap(),
        &[Code::ReverseIntent],
    );
    give(
        &|reversal| reversal.operator = Ascii::new("another").unwrap(),
        &[Code::OrderOperator],
    );
}

#[test]
fn a_receipt_that_proves_no_reversal() {
    let give = |card: usize, change: &dyn Fn(&mut Receipt), expected: &[Code]| {
        let report = not_handed(
            |world, intent, order| {
                let reversal = world.announce_reversal(0, intent, order);
                let mut receipt = world.reversal_receipt(2, &reversal);
                change(&mut receipt);
                world.reversed(0, card, intent, &receipt);
            },
            expected,
        );
        assert_eq!((report.totals.reversed, report.totals.not_handed), (0, 1));
    };
    give(
        2,
        &|receipt| receipt.kind = ReceiptKind::Payment,
        &[Code::ReceiptKind],
    );
    give(2, &|receipt| receipt.object_hash = [1; 32], &[Code::Reversed]);
    give(3, &|_| (), &[Code::ReceiptSignature]);
}

#[test]
fn what_the_card_refuses_is_left_to_the_station() {
    let report = not_handed(
        |world, intent, order| {
            world.announce_reversal(0, intent, order);
            world.terminals[0].log(refusal(intent, 0x634B));
        },
        &[],
    );
    assert_eq!(report.totals.not_handed, 1);
    not_handed(
        |world, intent, order| {
            let reversal = world.announce_reversal(0, intent, order);
            world.terminals[0].log(refusal(intent, 0x634B));
            let receipt = world.reversal_receipt(2, &reversal);
            world.reversed(0, 2, intent, &receipt);
        },
        &[Code::Reversed],
    );
    // A bare status word decides nothing, nor does one before anything was announced.
    not_handed(
        |world, intent, order| {
            world.announce_reversal(0, intent, order);
            world.terminals[0].log(refusal(intent, 0x6985));
        },
        &[Code::RefusedIntent],
    );
    not_handed(
        |world, intent, _| {
            world.not_handed(0, intent);
            world.terminals[0].log(refusal(intent, 0x634B));
        },
        &[Code::RefusedIntent],
    );
}
