//! What cards have told terminals of other terminals (DATA 5.6).

use ansinh_audit::Code;
use card_spec::payment::{Order, Receipt, ReceiptKind};
use card_spec::values::{Amount, CardNumber, Time};
use vectors::{World, date, secret, sign};

use crate::world_gives;

/// Card 2 draws its line at the first terminal, and the second one reads it. Gives order and receipt.
fn draw(
    world: &mut World,
    change: impl FnOnce(&mut Order<'_>),
    lie: impl FnOnce(&mut Receipt),
) -> (Vec<u8>, Vec<u8>) {
    let mut order = world.order(0, 0, 3);
    change(&mut order);
    let order = order.encode(&mut [0; 300]).unwrap().to_vec();
    let mut receipt = world.receipt(2, &order);
    lie(&mut receipt);
    (order, sign(&receipt, &world.cards[2].signing))
}

/// A payment that is not in the first terminal's journal.
fn lost(world: &mut World, change: impl FnOnce(&mut Order<'_>), lie: impl FnOnce(&mut Receipt)) {
    let (order, receipt) = draw(world, change, lie);
    world.carry(1, &order, &receipt);
}

#[test]
fn what_its_journal_tells_too_is_nothing_new() {
    let report = world_gives(
        |world| {
            let (order, receipt) = draw(world, |_| {}, |_| {});
            world.carry(1, &order, &receipt);
            let intent = world.terminal(0).sequence + 1;
            let order = world.order(0, 0, 3);
            world.intent(0, &order);
            world.paid(0, intent, &receipt);
            // The card came once more.
            let order = order.encode(&mut [0; 300]).unwrap().to_vec();
            world.carry(1, &order, &receipt);
        },
        &[],
    );
    assert_eq!((report.totals.payments, report.totals.carried), (5, 0));
}

#[test]
fn what_a_burnt_terminal_has_paid_is_proven_and_so_is_the_range_that_is_missing() {
    let last = World::standard().terminal(0).sequence;
    let report = world_gives(
        |world| lost(world, |order| order.sequence += 6, |_| {}),
        &[Code::JournalTruncated, Code::ReceiptUnpaid],
    );
    assert_eq!((report.totals.carried, report.totals.carried_vnd), (1, 500_000));
    assert_eq!(report.totals.payments, 4);
    let range = format!("entries {} to {} existed", last + 1, last + 7);
    let found = report
        .findings
        .iter()
        .find(|found| found.code == Code::JournalTruncated);
    assert!(found.unwrap().text.contains(&range), "{found:?}");
}

/// One finding for the range, up to the highest number.
#[test]
fn reversals_are_witnesses_too() {
    let last = World::standard().terminal(0).sequence;
    let report = world_gives(
        |world| {
            let (order, receipt) = draw(world, |_| {}, |_| {});
            let mut reversal = world.reversal(0, &order);
            reversal.sequence += 3;
            let reversal = reversal.encode(&mut [0; 300]).unwrap().to_vec();
            let undone = world.reversal_receipt(2, &reversal);
            let undone = sign(&undone, &world.cards[2].signing);
            world.carry(1, &reversal, &undone);
            world.carry(1, &order, &receipt);
        },
        &[Code::JournalTruncated, Code::ReceiptUnpaid],
    );
    let ranges = report
        .findings
        .iter()
        .filter(|found| found.code == Code::JournalTruncated);
    let ranges: Vec<_> = ranges.map(|found| &found.text).collect();
    assert_eq!(ranges.len(), 1);
    assert!(ranges[0].contains(&format!("to {} existed", last + 4)));
    let card = world_number(2);
    let card = report.cards.iter().find(|summary| summary.card == card).unwrap();
    assert_eq!((card.counter, card.missing.len()), (2, 0));
}

fn world_number(card: usize) -> String {
    World::standard().cards[card].number.to_string()
}

#[test]
fn a_terminal_without_a_journal_is_missed() {
    let report = world_gives(
        |world| {
            let third = world.add_terminal(3);
            let (card, line) = world.lists[0].lines[2];
            assert_eq!((card, line.number), (2, 3));
            lost(
                world,
                |order| order.terminal = "VNT0000003".parse().unwrap(),
                |_| {},
            );
            world.terminals.remove(third);
        },
        &[Code::JournalMissing, Code::OrderList, Code::ReceiptUnpaid],
    );
    // Of no list of that terminal: told, and not counted as paid.
    assert_eq!(report.totals.carried, 0);
}

#[test]
fn the_same_line_by_two_orders_is_paid_twice() {
    world_gives(
        |world| {
            lost(world, |order| order.nonce = [7; 16], |_| {});
            world.pay(0, 0, 3);
        },
        &[Code::PaidTwice, Code::ReceiptUnpaid],
    );
}

/// The terminal that paid and undid it is gone; the line is paid where the holder comes next.
#[test]
fn what_its_card_has_undone_is_not_paid() {
    for undone in [true, false] {
        let mut expected = vec![Code::ReceiptUnpaid];
        if !undone {
            expected.push(Code::PaidTwice);
        }
        let report = world_gives(
            |world| {
                let (order, receipt) = draw(world, |order| order.nonce = [7; 16], |_| {});
                let another = world.order(0, 0, 3).encode(&mut [0; 300]).unwrap().to_vec();
                let reversal = world.reversal(0, if undone { &order } else { &another });
                let reversal = reversal.encode(&mut [0; 300]).unwrap().to_vec();
                let told = world.reversal_receipt(2, &reversal);
                let told = sign(&told, &world.cards[2].signing);
                world.carry(1, &reversal, &told);
                world.carry(1, &order, &receipt);
                world.pay(0, 0, 3);
            },
            &expected,
        );
        assert_eq!(report.totals.carried, u64::from(!undone));
    }
}

#[test]
fn a_receipt_that_its_card_did_not_sign_proves_nothing() {
    world_gives(
        |world| {
            let order = world.order(0, 0, 3);
            let order = order.encode(&mut [0; 300]).unwrap().to_vec();
            let receipt = world.receipt(2, &order);
            world.carry(1, &order, &sign(&receipt, &secret("somebody else")));
        },
        &[Code::ReceiptSignature],
    );
    world_gives(
        |world| {
            lost(
                world,
                |_| {},
                |receipt| receipt.card_number = CardNumber::new(79, 99).unwrap(),
            );
        },
        &[Code::CardUnknown],
    );
    // Another card's, under that card's key.
    world_gives(
        |world| {
            lost(
                world,
                |_| {},
                |receipt| receipt.card_number = CardNumber::new(79, 1).unwrap(),
            );
        },
        &[Code::ReceiptSignature],
    );
}

#[test]
fn a_terminal_does_not_carry_its_own() {
    world_gives(
        |world| {
            let (order, receipt) = draw(world, |_| {}, |_| {});
            world.carry(0, &order, &receipt);
        },
        &[Code::CarriedReceipt],
    );
}

#[test]
fn an_order_that_no_list_has_or_a_receipt_that_does_not_fit_it_is_told() {
    type Change = fn(&mut Order<'_>);
    let changes: [(Change, Code); 4] = [
        (|order| order.list_root = [9; 32], Code::OrderList),
        (
            |order| order.amount = Amount::new(500_001).unwrap(),
            Code::OrderLine,
        ),
        (|order| order.line_number = 4, Code::OrderLine),
        (
            |order| order.time = Time::new(date(2026, 12, 31), 8, 0, 0).unwrap(),
            Code::OrderDate,
        ),
    ];
    for (change, code) in changes {
        world_gives(
            |world| {
                let told = |receipt: &mut Receipt| receipt.holder_check.pin_verified = true;
                lost(world, change, told);
            },
            &[Code::JournalTruncated, Code::ReceiptUnpaid, code],
        );
    }
    type Lie = fn(&mut Receipt);
    let lies: [(Lie, Code); 2] = [
        (|receipt| receipt.cso_version = 2, Code::ReceiptCard),
        (
            |receipt| receipt.holder_check.pin_verified = false,
            Code::ReceiptHolderCheck,
        ),
    ];
    for (lie, code) in lies {
        world_gives(
            |world| lost(world, |_| {}, lie),
            &[Code::JournalTruncated, Code::ReceiptUnpaid, code],
        );
    }
}

/// Two receipts of one card with one number.
#[test]
fn a_fork_of_the_card_shows() {
    world_gives(
        |world| {
            lost(
                world,
                |_| {},
                |receipt| assert_eq!(receipt.kind, ReceiptKind::Payment),
            );
            world.cards[2].counter -= 1;
            lost(world, |order| order.nonce = [7; 16], |_| {});
        },
        &[
            Code::JournalTruncated,
            Code::PaidTwice,
            Code::ReceiptFork,
            Code::ReceiptUnpaid,
        ],
    );
}

/// Somebody has the key of card 1 and signs orders of his own making, or those of others; gives what card 1 says.
fn hostile(world: &mut World, order: &[u8]) -> Vec<u8> {
    let receipt = world.receipt(0, order);
    sign(&receipt, &world.cards[0].signing)
}

#[test]
fn what_another_card_says_of_an_order_takes_no_payment_away() {
    let report = world_gives(
        |world| {
            let (order, receipt) = draw(world, |order| order.nonce = [7; 16], |_| {});
            let stolen = hostile(world, &order);
            let reversal = world.reversal(0, &order).encode(&mut [0; 300]).unwrap().to_vec();
            let undone = world.reversal_receipt(0, &reversal);
            let undone = sign(&undone, &world.cards[0].signing);
            world.carry(1, &order, &stolen);
            world.carry(1, &reversal, &undone);
            world.carry(1, &order, &receipt);
            world.pay(0, 0, 3);
        },
        &[Code::ReceiptCard, Code::ReceiptUnpaid, Code::PaidTwice],
    );
    assert_eq!((report.totals.carried, report.totals.carried_vnd), (1, 500_000));
    // The same through the journal of the terminal that the order names.
    let report = world_gives(
        |world| {
            let (order, receipt) = draw(world, |_| {}, |_| {});
            let stolen = hostile(world, &order);
            let intent = world.terminal(0).sequence + 1;
            let announced = world.order(0, 0, 3);
            world.intent(0, &announced);
            world.paid(0, intent, &stolen);
            world.carry(1, &order, &receipt);
        },
        &[Code::ReceiptCard, Code::ReceiptUnpaid, Code::PaidTwice],
    );
    assert_eq!(report.totals.carried, 1);
}

#[test]
fn no_card_pays_the_line_of_another() {
    for own_cso in [false, true] {
        let report = world_gives(
            |world| {
                let order = world.order(0, 0, 3);
                world.pay(0, 0, 3);
                let mut order = Order {
                    nonce: [7; 16],
                    ..order
                };
                if own_cso {
                    order.cso_hash = world.cards[0].cso_hash;
                }
                let order = order.encode(&mut [0; 300]).unwrap().to_vec();
                let stolen = hostile(world, &order);
                world.carry(1, &order, &stolen);
            },
            if own_cso {
                &[Code::OrderLine, Code::ReceiptUnpaid]
            } else {
                &[Code::ReceiptCard, Code::ReceiptUnpaid]
            },
        );
        assert_eq!((report.totals.carried, report.totals.carried_vnd), (0, 0));
    }
}

/// The first terminal lies about what the second one has paid: the finding is at the lie, though the liar's name is the lower one.
#[test]
fn an_unproven_payment_accuses_no_proven_one() {
    let report = world_gives(
        |world| {
            let order = world.order(0, 1, 1);
            let order = Order {
                nonce: [7; 16],
                ..order
            };
            let order = world.intent(0, &order);
            let intent = world.terminal(0).sequence;
            let receipt = world.receipt(3, &order);
            world.cards[3].counter -= 1;
            world.paid(0, intent, &sign(&receipt, &secret("somebody else")));
        },
        &[Code::OrderListNotLoaded, Code::ReceiptSignature, Code::PaidTwice],
    );
    let twice = report.findings.iter().find(|found| found.code == Code::PaidTwice);
    assert!(twice.unwrap().place.file.contains("VNT0000001"), "{twice:?}");
}
