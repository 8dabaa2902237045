//! What a card says to an order beyond "paid": a protected decision closes the order, a receipt of something else never
//! makes it paid.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod bench;

use std::cell::RefCell;

use bench::card::issuer::{Plan, plan};
use bench::host::{Host, card, line};
use bench::scripted_card::{Decision, ScriptedCard};
use bench::{Bench, Chip, Story, chip, execute, story};
use card_spec::crypto::sha256;
use card_spec::list::{BlockReason, ListLine};
use card_spec::payment::{Receipt, ReceiptKind};
use card_spec::script::Action;
use card_spec::values::CardNumber;

fn ready<'f>(flash: &'f RefCell<Chip>, host: &mut Host) -> Bench<'f> {
    let mut bench = Bench::power_on(flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    bench.read_screen();
    bench
}

fn told(bench: &mut Bench<'_>, host: &Host) -> Story {
    story(&bench.journal(), &host.journal_key.unwrap())
}

/// One tap of a card whose software is the test's.
fn tap(
    bench: &mut Bench<'_>,
    card: &mut ScriptedCard,
    mut decide: impl FnMut(&ScriptedCard, &[u8]) -> Decision,
) {
    bench.tap_any(&mut |_, command| Some(card.transmit(command, &mut decide)));
}

fn pays(card: &ScriptedCard, order: &[u8]) -> Decision {
    (0x9000, card.sign(&card.receipt(order)))
}

/// The receipt of a reversal of this order, as a card gives it: it names the reversal (SPEC 9.4).
fn reversal(card: &ScriptedCard, order: &[u8]) -> Vec<u8> {
    card.sign(&Receipt {
        kind: ReceiptKind::Reversal,
        counter: 2,
        object_hash: sha256(&[b"the reversal"]),
        ..card.receipt(order)
    })
}

#[test]
fn each_decision_closes_the_order_in_words_and_the_next_payment_works() {
    for (status, meaning) in [
        (0x634A, ": lệnh chi đã bị hủy / the payment was reversed"),
        (
            0x634C,
            ": thẻ bị khóa hoặc đã hủy, báo nơi cấp / card blocked or terminated, tell the issuer",
        ),
        (
            0x634F,
            ": người nhận không được ủy quyền / recipient not authorized",
        ),
        // No answers to an order, but decisions all the same.
        (
            0x634B,
            ": không phải khoản mới nhất của thẻ / not the card's newest payment",
        ),
        (0x634D, ""),
        (0x634E, ""),
    ] {
        let flash = chip();
        let mut host = Host::new(vec![line(1, 1, 500_000)]);
        let mut bench = ready(&flash, &mut host);
        let mut card = ScriptedCard::new(&plan(), 1);
        tap(&mut bench, &mut card, pays);
        bench.type_keys("271828\n");
        bench.read_screen();
        tap(&mut bench, &mut card, |card, order| match status {
            0x634A => (status, reversal(card, order)),
            _ => (status, Vec::new()),
        });
        let screen = bench.read_screen();
        let lines: Vec<&str> = screen.lines().take(3).collect();
        let code = format!("Mã / code {status:04X}{meaning}");
        assert_eq!(
            lines,
            ["KHÔNG TRẢ: thẻ từ chối.", "NOT PAID: the card refuses.", &code]
        );
        let story = told(&mut bench, &host);
        assert_eq!((story.open, &story.paid[..]), (None, &[][..]));
        assert_eq!((story.refused, story.status_words), (vec![12], vec![status]));

        tap(&mut bench, &mut card, pays);
        bench.type_keys("271828\n");
        tap(&mut bench, &mut card, pays);
        assert!(bench.read_screen().contains("ĐÃ TRẢ"), "{status:04X}");
        assert_eq!(told(&mut bench, &host).paid, [1]);
    }
}

#[test]
fn the_same_status_words_in_plain_close_nothing() {
    for status in 0x6341..=0x634F_u16 {
        let flash = chip();
        let mut host = Host::new(vec![line(1, 1, 500_000)]);
        let mut bench = ready(&flash, &mut host);
        let mut card = ScriptedCard::new(&plan(), 1);
        tap(&mut bench, &mut card, pays);
        bench.type_keys("271828\n");
        bench.tap_any(&mut |_, command| {
            let answer = card.transmit(command, &mut pays);
            let forged = command[..2] == [0x84, 0x54];
            Some(if forged {
                status.to_be_bytes().to_vec()
            } else {
                answer
            })
        });
        let story = told(&mut bench, &host);
        assert!(story.open.is_some() && story.paid.is_empty(), "{status:04X}");
    }
}

#[test]
fn a_receipt_that_is_not_of_this_payment_leaves_the_order_open() {
    type Change = fn(&mut Receipt);
    let changes: [(&str, Change); 7] = [
        ("reversal", |receipt| receipt.kind = ReceiptKind::Reversal),
        ("script", |receipt| {
            receipt.kind = ReceiptKind::IssuerScript;
            receipt.holder_check.pin_verified = false;
        }),
        ("block list", |receipt| {
            receipt.kind = ReceiptKind::BlockList;
            receipt.holder_check.pin_verified = false;
        }),
        ("reversal of another order", |receipt| {
            receipt.kind = ReceiptKind::Reversal;
            receipt.object_hash = [7; 32];
        }),
        ("a version to come", |receipt| receipt.cso_version = 3),
        ("a version before the order's", |receipt| receipt.cso_version = 1),
        ("another card", |receipt| {
            receipt.card_number = CardNumber::new(79, 2).unwrap();
        }),
    ];
    for (name, change) in changes {
        for status in [0x9000, 0x6340] {
            let flash = chip();
            let mut host = Host::new(vec![line(1, 1, 500_000)]);
            let mut bench = ready(&flash, &mut host);
            let mut card = ScriptedCard::new(&plan(), 2);
            tap(&mut bench, &mut card, pays);
            bench.type_keys("271828\n");
            tap(&mut bench, &mut card, |card, order| {
                let mut receipt = card.receipt(order);
                change(&mut receipt);
                (status, card.sign(&receipt))
            });
            let screen = bench.read_screen();
            assert!(
                screen.contains("KHÔNG ĐƯA TIỀN") && !screen.contains("ĐÃ TRẢ"),
                "{name}"
            );
            let story = told(&mut bench, &host);
            assert!(
                story.open.is_some() && story.paid.is_empty(),
                "{name} {status:04X}"
            );
            // The right one settles it.
            tap(&mut bench, &mut card, pays);
            let story = told(&mut bench, &host);
            assert_eq!((story.open, story.paid), (None, vec![1]), "{name}");
        }
    }
}

#[test]
fn an_order_that_the_issuer_reversed_before_its_receipt_came() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    let order = bench.tear(&mut card, true);
    execute(&mut card, 1, Action::Reverse(order));
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("634A: lệnh chi đã bị hủy"));
    let story = told(&mut bench, &host);
    assert_eq!(
        (story.open, story.paid, story.status_words),
        (None, vec![], vec![0x634A])
    );
    // The line is unpaid again, by a new order.
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    assert_eq!(told(&mut bench, &host).paid, [1]);
}

#[test]
fn a_card_that_was_blocked_while_its_order_was_open() {
    for (reaches, paid) in [(false, vec![2]), (true, vec![1, 2])] {
        let flash = chip();
        let number = CardNumber::new(79, 2).unwrap();
        let neighbours = ListLine {
            card_number: number,
            ..line(2, 2, 300_000)
        };
        let mut host = Host::new(vec![line(1, 1, 500_000), neighbours]);
        let mut bench = ready(&flash, &mut host);
        let mut blocked = card(&plan());
        bench.tear(&mut blocked, reaches);
        execute(
            &mut blocked,
            u32::from(reaches),
            Action::Block(BlockReason::Stolen),
        );
        bench.tap(&mut blocked);
        assert_eq!(bench.read_screen().contains("634C: thẻ bị khóa"), !reaches);
        assert_eq!(told(&mut bench, &host).open, None);
        // What it had paid it still tells; the money is handed over before the next holder is served.
        bench.type_keys("\n");
        let mut next = card(&Plan { number, ..plan() });
        bench.tap(&mut next);
        bench.type_keys("271828\n");
        bench.tap(&mut next);
        assert_eq!(told(&mut bench, &host).paid, paid);
    }
}
