//! Money that was not handed over (DATA 5.5): its payment counts until its card has undone it, and nothing else undoes it.

use ansinh_audit::{Code, Report};
use card_spec::crypto::{Sign as _, sha256};
use card_spec::journal::{EncodedReversal, Event, Refusal, RefusalReason};
use card_spec::payment::{Receipt, ReceiptKind};
use card_spec::reversal::Reversal;
use card_spec::script::{Action, IssuerScript};
use card_spec::values::Ascii;
use vectors::{World, body, der_signature, secret, sign};

use crate::world_gives;

/// Name of the issuer's key.
pub(crate) const ISSUER: &str = "issuer";

/// Line 3 of the first list is paid and the money not handed over; then `what` happens, given the Intent and the order.
pub(crate) fn not_handed(what: impl Fn(&mut World, u32, &[u8]), expected: &[Code]) -> Report {
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

/// The issuer undoes the payment of an order (SPEC 13.7): the card's receipt and its script, as the station files them, altered
/// before they are signed.
pub(crate) fn undo_by_issuer(
    world: &mut World,
    order: &[u8],
    change: impl FnOnce(&mut IssuerScript),
    lie: impl FnOnce(&mut Receipt),
    signer: &str,
) -> String {
    let mut script = IssuerScript {
        suite: Default::default(),
        issuer: world.issuer_name,
        card_number: world.cards[2].number,
        counter: world.cards[2].counter,
        action: Action::Reverse(sha256(&[order])),
        issued: world.terminals[0].next_entry(Event::Handed { intent: 1 }).time,
    };
    change(&mut script);
    let mut receipt = world.reversal_receipt(2, &body(&script));
    receipt.kind = ReceiptKind::IssuerScript;
    receipt.holder_check.pin_verified = false;
    lie(&mut receipt);
    let bytes = body(&receipt);
    world.cards[2].head = sha256(&[&bytes]);
    let Ok(signature) = secret("card 3 signing").sign(&bytes);
    let stem = format!("receipts/{}-{}", world.cards[2].number, receipt.counter);
    let script = sign(&script, &secret(signer));
    let files = [
        ("signed.bin", bytes),
        ("sig.der", der_signature(&signature)),
        ("script", script),
    ];
    for (suffix, content) in files {
        world.files.insert(format!("{stem}.{suffix}"), content);
    }
    stem
}

fn undo(world: &mut World, order: &[u8]) -> String {
    undo_by_issuer(world, order, |_| {}, |_| {}, ISSUER)
}

#[test]
fn what_the_issuer_has_undone_may_be_paid_again() {
    let report = not_handed(
        |world, intent, order| {
            world.not_handed(0, intent);
            undo(world, order);
            world.pay(0, 0, 3);
        },
        &[],
    );
    assert_eq!((report.totals.reversed, report.totals.not_handed), (1, 0));
    assert!(report.terminals[0].not_handed.is_empty());
    // Its card had told the terminal that it does not undo it there.
    not_handed(
        |world, intent, order| {
            world.announce_reversal(0, intent, order);
            world.terminals[0].log(refusal(intent, 0x634B));
            undo(world, order);
            world.pay(0, 0, 3);
        },
        &[],
    );
    not_handed(
        |world, intent, order| {
            world.not_handed(0, intent);
            undo(world, order);
            world.pay(0, 0, 3);
            world.pay(0, 0, 3);
        },
        &[Code::PaidTwice],
    );
}

#[test]
fn the_issuer_undoes_no_money_that_was_handed_over() {
    let handed = |world: &mut World, intent, order: &[u8]| {
        world.terminals[0].log(Event::Handed { intent });
        undo(world, order);
    };
    let report = not_handed(handed, &[Code::UndoneHanded]);
    assert_eq!(report.totals.reversed, 0);
    not_handed(
        |world, intent, order| {
            handed(world, intent, order);
            world.pay(0, 0, 3);
        },
        &[Code::UndoneHanded, Code::PaidTwice],
    );
    not_handed(|world, _, order| drop(undo(world, order)), &[Code::UndoneHanded]);
}

#[test]
fn scripts_that_undo_nothing() {
    type Change<T> = fn(&mut T);
    let scripts: [(Change<IssuerScript>, Change<Receipt>, &str, Code); 6] = [
        (|_| {}, |_| {}, "somebody", Code::ScriptSignature),
        (|script| script.counter += 1, |_| {}, ISSUER, Code::Script),
        (
            |script| script.card_number = "4111111111111111".parse().unwrap(),
            |_| {},
            ISSUER,
            Code::Script,
        ),
        (
            |_| {},
            |receipt| receipt.object_hash = [7; 32],
            ISSUER,
            Code::Script,
        ),
        (
            |_| {},
            |receipt| receipt.kind = ReceiptKind::BlockList,
            ISSUER,
            Code::Script,
        ),
        (
            |script| script.issuer = vectors::reference("VNISS7900099"),
            |_| {},
            ISSUER,
            Code::Issuer,
        ),
    ];
    for (change, lie, signer, code) in scripts {
        let report = not_handed(
            |world, intent, order| {
                world.not_handed(0, intent);
                undo_by_issuer(world, order, change, lie, signer);
            },
            &[code],
        );
        assert_eq!((report.totals.reversed, report.totals.not_handed), (0, 1));
    }
    // Another order, another action: nothing of this payment.
    for action in [Action::Reverse([9; 32]), Action::FillPinTries] {
        let report = not_handed(
            |world, intent, order| {
                world.not_handed(0, intent);
                undo_by_issuer(world, order, |script| script.action = action, |_| {}, ISSUER);
            },
            &[],
        );
        assert_eq!((report.totals.reversed, report.totals.not_handed), (0, 1));
    }
    not_handed(
        |world, intent, order| {
            world.not_handed(0, intent);
            let stem = undo(world, order);
            world.files.insert(format!("{stem}.script"), vec![0x30, 0x00]);
        },
        &[Code::Encoding],
    );
}
