//! What a terminal must not lose: money that is still to be handed over, room to settle an open order, lines that are due.
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

use bench::card::Card;
use bench::card::issuer::plan;
use bench::host::{Host, card, line};
use bench::{Bench, Chip, Story, chip, story};
use link::{Refusal, Request};

/// A terminal with an open shift.
fn ready<'f>(flash: &'f RefCell<Chip>, host: &mut Host) -> Bench<'f> {
    let mut bench = Bench::power_on(flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    bench.read_screen();
    bench
}

/// Another terminal, in the same state.
fn another<'f>(flash: &'f RefCell<Chip>, host: &mut Host) -> Bench<'f> {
    let mut bench = Bench::with(flash, true, 9).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oMai\n");
    bench.read_screen();
    bench
}

fn told(bench: &mut Bench<'_>, host: &Host) -> Story {
    story(&bench.journal(), &host.journal_key.unwrap())
}

fn both_taps(bench: &mut Bench<'_>, card: &mut Card) {
    bench.tap(card);
    bench.type_keys("271828\n");
    bench.tap(card);
}

/// The card answers everything but to the order.
fn torn_away_at_the_order(bench: &mut Bench<'_>, card: &mut Card) {
    bench.tap(card);
    bench.type_keys("271828\n");
    bench.tap_with(card, &mut |_, command, answer| {
        (command[..2] != [0x84, 0x54]).then_some(answer)
    });
}

#[test]
fn money_that_was_not_handed_over_outlives_acknowledgement_and_power_cut() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    both_taps(&mut bench, &mut card(&plan()));
    let entries = bench.journal();
    host.acknowledge(&mut bench, entries.last().unwrap()).unwrap();
    let other = Request::MakeKeys { name: *b"VNT0000002" };
    assert_eq!(bench.refusal(&other), Some(Refusal::Unacknowledged));
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    assert!(bench.read_screen().contains("Đưa 500.000 đồng"));
    bench.type_keys("\n");
    assert_eq!(told(&mut bench, &host).handed.len(), 1);
    let last = bench.journal().pop().unwrap();
    host.acknowledge(&mut bench, &last).unwrap();
    assert_eq!(bench.refusal(&other), None);
}

#[test]
fn an_open_order_keeps_the_room_to_settle_it() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut paid_card = card(&plan());
    torn_away_at_the_order(&mut bench, &mut paid_card);
    let mut before = 0;
    loop {
        // A card too weak to answer, a clerk who opens shift after shift, a host that sets the clock, and no power.
        bench.tap_any(&mut |_, _| None);
        bench.type_keys("oLan\n");
        let _ = host.prepare(&mut bench);
        drop(bench);
        bench = Bench::power_on(&flash).unwrap();
        let tail = bench.hello().journal_tail;
        if core::mem::replace(&mut before, tail) == tail {
            break;
        }
    }
    assert!(before > 40, "it was filled: {before}");
    bench.read_screen();
    bench.tap_any(&mut |_, _| None);
    assert!(bench.read_screen().contains("KHÔNG TRẢ"));
    bench.tap(&mut paid_card);
    bench.type_keys("\n");
    let told = told(&mut bench, &host);
    assert_eq!((told.paid, told.open, told.handed.len()), (vec![1], None, 1));
}

#[test]
fn an_earlier_payment_without_its_receipt_decides_nothing() {
    let lines = || Host::new(vec![line(1, 1, 500_000)]);
    let flash = chip();
    let mut host = lines();
    let mut card = card(&plan());
    both_taps(&mut ready(&flash, &mut host), &mut card);
    // The card no longer finds it: the stored order is for another person's line.
    let slots = &mut card.memory_mut().slots;
    let order = slots
        .iter_mut()
        .find(|slot| slot.starts_with(&[0xFF, 0x23]))
        .unwrap();
    let person = order.windows(16).position(|part| part == plan().person).unwrap();
    order[person] ^= 0x01;
    let flash = chip();
    let mut host = lines();
    let mut bench = another(&flash, &mut host);
    both_taps(&mut bench, &mut card);
    let told = told(&mut bench, &host);
    assert_eq!(told.status_words, [0x6340]);
    assert!(told.open.is_some(), "{told:?}");
}

#[test]
fn a_line_paid_elsewhere_is_not_asked_for_again() {
    let lines = || Host::new(vec![line(1, 1, 500_000)]);
    let mut card = card(&plan());
    both_taps(&mut ready(&chip(), &mut lines()), &mut card);
    let flash = chip();
    let mut host = lines();
    let mut bench = another(&flash, &mut host);
    both_taps(&mut bench, &mut card);
    bench.read_screen();
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("đã trả rồi"));
    assert_eq!(told(&mut bench, &host).refused, [6, 6]);
}

#[test]
fn lines_that_the_card_refuses_hide_no_others() {
    let flash = chip();
    // One PIN is good for five orders; the first five are above the card's cap.
    let mut lines: Vec<_> = (1..=5)
        .map(|number| line(number, number as u16, 5_000_001))
        .collect();
    lines.extend([line(6, 6, 500_000), line(7, 7, 7)]);
    let mut host = Host::new(lines);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    both_taps(&mut bench, &mut card);
    assert_eq!(told(&mut bench, &host).paid, []);
    both_taps(&mut bench, &mut card);
    let told = told(&mut bench, &host);
    assert_eq!(told.paid, [6, 7]);
    // Behind the others they are tried again.
    assert_eq!(told.refused.len(), 8);
}
