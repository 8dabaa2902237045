//! Payments: orders that are not the list's, receipts that are not the card's, lines paid twice.

use ansinh_audit::Code;
use card_spec::crypto::{Sign as _, sha256};
use card_spec::journal::{Event, Refusal, RefusalReason};
use card_spec::list::ListHeader;
use card_spec::payment::{HolderCheckMethod, HolderCheckOutcome, LineType, ReceiptKind, Recipient};
use card_spec::signed::Signed;
use card_spec::values::{Amount, Date, Time};
use vectors::{LineSpec, World, secret, sign};

use crate::{assert_found, november, world_gives};

#[test]
fn a_line_paid_twice() {
    let report = world_gives(|world| world.pay(0, 0, 1), &[Code::PaidTwice]);
    assert!(report.findings[0].text.contains("500000 VND"));
}

#[test]
fn a_line_paid_again_from_another_terminals_list() {
    let report = world_gives(
        |world| {
            world.issue_list(1, &[LineSpec::new(0, november(), LineType::Regular, 500_000)]);
            world.load_list(1, 2);
            world.pay(1, 2, 1);
        },
        &[Code::PaidTwice],
    );
    assert_eq!(report.notes.len(), 1, "the line is carried");
}

#[test]
fn a_blocked_card_paid() {
    world_gives(|world| world.pay(1, 1, 2), &[Code::BlockedCard]);
}

#[test]
fn orders_that_are_not_the_lists() {
    let give = |change: &dyn Fn(&mut card_spec::payment::Order<'_>), expected: &[Code]| {
        world_gives(
            |world| {
                let mut order = world.order(0, 0, 3);
                change(&mut order);
                world.pay_order(0, 2, &order);
            },
            expected,
        );
    };
    give(&|_| (), &[]);
    give(
        &|order| order.amount = Amount::new(5_000_000).unwrap(),
        &[Code::OrderLine],
    );
    give(&|order| order.line_number = 99, &[Code::OrderLine]);
    give(&|order| order.list_root = [1; 32], &[Code::OrderList]);
    give(&|order| order.cso_hash = [1; 32], &[Code::CardUnknown]);
    give(&|order| order.sequence += 1, &[Code::OrderPlace]);
    give(&|order| order.log_head = [1; 32], &[Code::OrderPlace]);
    give(
        &|order| order.terminal = "VNT0000002".parse().unwrap(),
        &[Code::OrderPlace],
    );
    give(
        &|order| order.method = HolderCheckMethod::PhotoDocument,
        &[Code::OrderMethod],
    );
    give(&|order| order.recipient = Recipient::FirstRepresentative, &[]);
    let on = |month, day| Time::new(Date::new(2026, month, day).unwrap(), 12, 0, 0).unwrap();
    give(&|order| order.time = on(11, 28), &[Code::OrderDate]); // after the list
    give(
        &|order| order.time = on(12, 20),
        &[Code::OrderDate, Code::BlockListStale],
    ); // and the certificate
}

#[test]
fn an_order_for_another_persons_line() {
    world_gives(
        |world| {
            let mut order = world.order(0, 0, 3);
            order.cso_hash = world.cards[3].cso_hash;
            world.pay_order(0, 3, &order);
        },
        &[Code::OrderLine],
    );
}

#[test]
fn a_recipient_whom_the_list_does_not_allow() {
    world_gives(
        |world| {
            let mut line = world.line(1, &LineSpec::new(2, november(), LineType::OneOff, 1_000));
            line.recipients = 0b10;
            world.issue_lines(0, vec![(2, line)]);
            world.load_list(0, 2);
            world.pay(0, 2, 1);
        },
        &[Code::OrderLine],
    );
}

#[test]
fn a_list_that_was_not_loaded() {
    world_gives(
        |world| {
            world.issue_list(0, &[LineSpec::new(2, november(), LineType::OneOff, 1_000)]);
            world.pay(0, 2, 1);
        },
        &[Code::OrderListNotLoaded],
    );
}

/// Lists with the same lines have the same root, so it does not matter which of them an order names (DATA 3.3).
#[test]
fn lists_with_the_same_lines() {
    let spec = [LineSpec::new(2, november(), LineType::OneOff, 1_000)];
    for (loaded, other_terminal) in [(2, 0), (3, 0), (2, 1), (3, 1)] {
        world_gives(
            |world| {
                let terminals = if loaded == 2 {
                    [0, other_terminal]
                } else {
                    [other_terminal, 0]
                };
                for terminal in terminals {
                    world.issue_list(terminal, &spec);
                }
                assert_eq!(world.lists[2].root, world.lists[3].root);
                world.load_list(0, loaded);
                world.pay(0, loaded, 1);
            },
            &[],
        );
    }
    world_gives(
        |world| {
            world.issue_list(0, &spec);
            world.issue_list(1, &spec);
            world.load_list(1, 3);
            world.pay(0, 2, 1);
        },
        &[Code::OrderListNotLoaded],
    );
}

#[test]
fn the_days_of_the_list_in_force_with_the_same_lines() {
    let later = |world: &mut World| {
        let spec = [LineSpec::new(2, november(), LineType::OneOff, 1_000)];
        let (first, second) = (world.issue_list(0, &spec), world.issue_list(0, &spec));
        let file = world.files.get_mut("lists/2026-11-0004.list").unwrap();
        let (header, lines) = file.split_at(file.len() - 60);
        let mut header: ListHeader<'_> = *Signed::parse(header).unwrap().claimed();
        header.effective = vectors::date(2026, 11, 20);
        world.lists[second].header = sha256(&[&vectors::body(&header)]);
        *file = [&sign(&header, &secret("issuer")), lines].concat();
        (first, second)
    };
    world_gives(
        |world| {
            let (first, second) = later(world);
            world.load_list(0, first);
            world.pay(0, second, 1);
        },
        &[],
    );
    // The second has ended the first.
    world_gives(
        |world| {
            let (first, second) = later(world);
            world.load_list(0, first);
            world.load_list(0, second);
            world.pay(0, first, 1);
        },
        &[Code::OrderDate],
    );
    world_gives(
        |world| {
            let (_, second) = later(world);
            world.load_list(0, second);
            world.pay(0, second, 1);
        },
        &[Code::OrderDate],
    );
}

#[test]
fn caps_of_a_card() {
    let paying = |amounts: &[u64], expected: &[Code]| {
        world_gives(
            |world| {
                let specs: Vec<_> = (1..)
                    .zip(amounts)
                    .map(|(entitlement, amount)| LineSpec {
                        entitlement,
                        ..LineSpec::new(2, november(), LineType::OneOff, *amount)
                    })
                    .collect();
                let list = world.issue_list(0, &specs);
                world.load_list(0, list);
                for line in 1..=specs.len() {
                    world.pay(0, list, line);
                }
            },
            expected,
        )
    };
    paying(&[20_000_000, 20_000_000, 10_000_000], &[]);
    paying(&[20_000_001], &[Code::OrderCap]);
    let report = paying(&[20_000_000, 20_000_000, 9_999_999, 2, 1], &[Code::MonthCap]);
    assert_eq!(report.findings.len(), 2, "{report}");
    let text = &report.findings[0].text;
    assert!(text.contains("50000001") && text.contains("50000000"), "{text}");
    paying(&[60_000_000], &[Code::OrderCap, Code::MonthCap]);
}

/// A later month starts a new sum, an earlier one counts to the kept one (SPEC 9.5); the counter gives the order.
#[test]
fn months_of_a_cap() {
    let paying = |months: &[u8], caps_broken: bool| {
        let mut world = World::standard();
        let specs: Vec<_> = (1..=3)
            .map(|entitlement| LineSpec {
                entitlement,
                ..LineSpec::new(2, november(), LineType::OneOff, 20_000_000)
            })
            .collect();
        let list = world.issue_list(0, &specs);
        world.load_list(0, list);
        for (line, month) in (1..).zip(months) {
            let mut order = world.order(0, list, line);
            order.time = Time::new(vectors::date(2026, *month, 20), 12, 0, 0).unwrap();
            world.pay_order(0, 2, &order);
        }
        // The dates are outside the list's days as well.
        let report = crate::audit_files(&world.all_files());
        assert_eq!(
            crate::codes(&report).contains(&"month-cap"),
            caps_broken,
            "{report}"
        );
    };
    paying(&[11, 11, 11], true);
    paying(&[11, 11, 12], false);
    paying(&[11, 12, 12], false);
    paying(&[12, 11, 11], true);
    paying(&[12, 11, 12], true);
}

/// What its card did not sign has no place in the card's chain, unless nothing else has it.
#[test]
fn a_forged_receipt_accuses_no_card() {
    for counter in [1, 3, u32::MAX] {
        world_gives(
            |world| {
                let spec = LineSpec::new(0, november(), LineType::OneOff, 1_000);
                let list = world.issue_list(0, &[spec]);
                world.load_list(0, list);
                let order = world.order(0, list, 1);
                let encoding = world.intent(0, &order);
                let intent = world.terminals[0].sequence;
                let mut receipt = world.receipt(0, &encoding);
                receipt.counter = counter;
                world.paid(0, intent, &sign(&receipt, &secret("somebody")));
            },
            &[Code::ReceiptSignature],
        );
    }
}

#[test]
fn a_refused_order_breaks_no_cap() {
    world_gives(
        |world| {
            let spec = LineSpec::new(2, november(), LineType::OneOff, 20_000_001);
            let list = world.issue_list(0, &[spec]);
            world.load_list(0, list);
            let order = world.order(0, list, 1);
            world.intent(0, &order);
            let refusal = Refusal {
                reason: RefusalReason::RefusedByCard,
                card_number: None,
                line_number: Some(1),
                status_word: Some(0x6343),
                closes_intent: Some(world.terminals[0].sequence),
            };
            world.terminals[0].log(Event::Refused(refusal));
        },
        &[],
    );
}

#[test]
fn a_terminal_that_pays_without_a_block_list() {
    world_gives(
        |world| {
            let terminal = world.add_terminal(3);
            world.issue_list(terminal, &[LineSpec::new(2, november(), LineType::OneOff, 1_000)]);
            world.start(terminal);
            world.open_shift(terminal);
            world.load_list(terminal, 2);
            world.pay(terminal, 2, 1);
        },
        &[Code::BlockListStale],
    );
}

/// Pays line 3 with a receipt that `change` has altered and `key` signs.
fn receipt_gives(change: impl FnOnce(&mut card_spec::payment::Receipt), key: &str, expected: &[Code]) {
    world_gives(
        |world| {
            let order = world.order(0, 0, 3);
            let encoding = world.intent(0, &order);
            let intent = world.terminals[0].sequence;
            let mut receipt = world.receipt(2, &encoding);
            change(&mut receipt);
            world.paid(0, intent, &sign(&receipt, &secret(key)));
        },
        expected,
    );
}

#[test]
fn receipts_that_are_not_the_cards() {
    receipt_gives(|_| (), "card 3 signing", &[]);
    receipt_gives(|_| (), "somebody", &[Code::ReceiptSignature]);
    receipt_gives(
        |receipt| receipt.object_hash = [1; 32],
        "card 3 signing",
        &[Code::PaidWithoutIntent, Code::ReceiptUnpaid],
    );
    receipt_gives(
        |receipt| receipt.cso_version = 2,
        "card 3 signing",
        &[Code::ReceiptCard],
    );
    receipt_gives(
        |receipt| receipt.previous = [1; 32],
        "card 3 signing",
        &[Code::ReceiptPrevious],
    );
    receipt_gives(
        |receipt| receipt.counter = 3,
        "card 3 signing",
        &[Code::ReceiptGap],
    );
    let unseen = HolderCheckOutcome {
        pin_verified: false,
        tries_left: 3,
    };
    receipt_gives(
        |receipt| receipt.holder_check = unseen,
        "card 3 signing",
        &[Code::ReceiptHolderCheck],
    );
}

#[test]
fn a_receipt_of_another_kind_is_no_payment() {
    receipt_gives(
        |receipt| receipt.kind = ReceiptKind::Reversal,
        "card 3 signing",
        &[Code::ReceiptKind],
    );
    for kind in [ReceiptKind::IssuerScript, ReceiptKind::BlockList] {
        receipt_gives(
            |receipt| (receipt.kind, receipt.holder_check.pin_verified) = (kind, false),
            "card 3 signing",
            &[Code::ReceiptKind, Code::ReceiptHolderCheck],
        );
    }
}

/// Files the next receipt of card 3, of what no journal tells, as it was read back from the card; gives its path without
/// suffix.
fn read_back(world: &mut World, kind: ReceiptKind, key: &str) -> String {
    let order = world.order(0, 0, 3).encode(&mut [0; 512]).unwrap().to_vec();
    let mut receipt = world.receipt(2, &order);
    receipt.kind = kind;
    receipt.holder_check.pin_verified = kind == ReceiptKind::Payment;
    let bytes = vectors::body(&receipt);
    world.cards[2].head = sha256(&[&bytes]);
    let Ok(signature) = secret(key).sign(&bytes);
    let stem = format!("receipts/{}-{}", receipt.card_number, receipt.counter);
    world.files.insert(format!("{stem}.signed.bin"), bytes);
    world
        .files
        .insert(format!("{stem}.sig.der"), vectors::der_signature(&signature));
    stem
}

#[test]
fn receipts_of_other_kinds_fill_their_places_in_the_chain() {
    for kind in [
        ReceiptKind::Reversal,
        ReceiptKind::IssuerScript,
        ReceiptKind::BlockList,
    ] {
        let mut world = World::standard();
        let stem = read_back(&mut world, kind, "card 3 signing");
        world.pay(0, 0, 3);
        assert_found(&world.all_files(), &[]);
        world.files.remove(&format!("{stem}.sig.der"));
        assert_found(&world.all_files(), &[Code::ReceiptGap]);
    }
}

#[test]
fn a_payment_read_back_that_no_journal_shows_is_found() {
    let lost = |world: &mut World| drop(read_back(world, ReceiptKind::Payment, "card 3 signing"));
    world_gives(lost, &[Code::ReceiptUnpaid]);
    world_gives(
        |world| {
            world.pay(0, 0, 3);
            let number = world.cards[2].number;
            let intent = world.terminals[0].sequence - 2;
            for suffix in ["signed.bin", "sig.der"] {
                let of_terminal = format!("receipts/VNT0000001-{intent}.{suffix}");
                let bytes = world.files[&of_terminal].clone();
                world.files.insert(format!("receipts/{number}-1.{suffix}"), bytes);
            }
        },
        &[],
    );
}

#[test]
fn receipts_read_back_that_are_not_the_cards() {
    let script = ReceiptKind::IssuerScript;
    world_gives(
        |world| drop(read_back(world, script, "somebody")),
        &[Code::ReceiptSignature],
    );
    world_gives(
        |world| {
            let stem = read_back(world, script, "card 3 signing");
            for suffix in ["signed.bin", "sig.der"] {
                let bytes = world.files.remove(&format!("{stem}.{suffix}")).unwrap();
                let number = world.cards[2].number;
                world.files.insert(format!("receipts/{number}-2.{suffix}"), bytes);
            }
        },
        &[Code::FileName],
    );
    world_gives(
        |world| {
            let stem = read_back(world, script, "card 3 signing");
            world
                .files
                .insert(format!("{stem}.signed.bin"), vec![0xFF, 0x24, 0x00]);
        },
        &[Code::Encoding],
    );
}

#[test]
fn a_reversal_lowers_the_months_total() {
    for (reversed, expected) in [(true, vec![]), (false, vec![Code::MonthCap])] {
        let mut world = World::standard();
        let specs: Vec<_> = (1..=3)
            .map(|entitlement| LineSpec {
                entitlement,
                ..LineSpec::new(2, november(), LineType::OneOff, 20_000_000)
            })
            .collect();
        let list = world.issue_list(0, &specs);
        world.load_list(0, list);
        world.pay(0, list, 1);
        world.pay(0, list, 2);
        if reversed {
            read_back(&mut world, ReceiptKind::Reversal, "card 3 signing");
        }
        world.pay(0, list, 3);
        assert_found(&world.all_files(), &expected);
    }
}

#[test]
fn two_receipts_with_one_counter() {
    world_gives(
        |world| {
            world.cards[0].counter -= 1;
            world.issue_list(0, &[LineSpec::new(0, november(), LineType::OneOff, 1_000)]);
            world.load_list(0, 2);
            world.pay(0, 2, 1);
        },
        &[Code::ReceiptFork],
    );
}

#[test]
fn intents_stay_open_until_they_are_settled() {
    let report = world_gives(
        |world| {
            let order = world.order(0, 0, 3);
            world.intent(0, &order);
        },
        &[],
    );
    assert_eq!(report.terminals[0].open_intents, [17]);
    world_gives(
        |world| {
            let order = world.order(0, 0, 3);
            world.intent(0, &order);
            let order = world.order(0, 0, 3);
            world.intent(0, &order);
        },
        &[Code::IntentOpen],
    );
    let close = |status_word: Option<u16>, expected: &[Code]| {
        world_gives(
            |world| {
                let order = world.order(0, 0, 3);
                world.intent(0, &order);
                let refusal = Refusal {
                    reason: RefusalReason::RefusedByCard,
                    card_number: None,
                    line_number: Some(3),
                    status_word,
                    closes_intent: Some(17),
                };
                world.terminals[0].log(Event::Refused(refusal));
            },
            expected,
        );
    };
    close(Some(0x6343), &[]);
    close(Some(0x634A), &[]);
    close(Some(0x634C), &[]);
    close(Some(0x634F), &[]);
    close(Some(0x6350), &[Code::RefusedIntent]);
    close(Some(0x6985), &[Code::RefusedIntent]); // bare: anybody can forge it
    close(None, &[Code::RefusedIntent]);
}
