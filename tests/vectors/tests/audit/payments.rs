//! Payments: orders that are not the list's, receipts that are not the card's, lines paid twice.

use ansinh_audit::Code;
use card_spec::journal::{Event, Refusal, RefusalReason};
use card_spec::payment::{HolderCheckMethod, HolderCheckOutcome, LineType, Recipient};
use card_spec::values::{Amount, Date, Time};
use vectors::{LineSpec, secret, sign};

use crate::{november, world_gives};

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
    give(&|order| order.recipient = Recipient::Representative, &[]);
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

#[test]
fn a_terminal_that_pays_without_a_block_list() {
    world_gives(
        |world| {
            let terminal = world.add_terminal(3);
            world.issue_list(terminal, &[LineSpec::new(2, november(), LineType::OneOff, 1_000)]);
            world.start(terminal);
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
        |receipt| receipt.order_hash = [1; 32],
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
    assert_eq!(report.terminals[0].open_intent, Some(17));
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
    close(Some(0x6985), &[Code::RefusedIntent]); // bare: anybody can forge it
    close(None, &[Code::RefusedIntent]);
}
