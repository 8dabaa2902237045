//! The holder's receipt on the screen.
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
use bench::{Bench, Chip, chip};
use card_spec::list::ListLine;

fn prepared(flash: &RefCell<Chip>, lines: Vec<ListLine>) -> (Bench<'_>, Host) {
    let mut bench = Bench::power_on(flash).unwrap();
    let mut host = Host::new(lines);
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    bench.read_screen();
    (bench, host)
}

fn pay(bench: &mut Bench<'_>, card: &mut Card) {
    bench.tap(card);
    bench.type_keys("271828\n");
    bench.tap(card);
    bench.read_screen();
}

fn slip(bench: &mut Bench<'_>) -> String {
    bench.read_screen();
    bench.type_keys("p");
    bench.read_screen()
}

#[test]
fn it_states_each_payment_the_sum_in_words_and_nobody() {
    let flash = chip();
    let (mut bench, _) = prepared(&flash, vec![line(1, 1, 500_000), line(2, 2, 7_000)]);
    let mut card = card(&plan());
    pay(&mut bench, &mut card);
    let shown = slip(&mut bench);
    assert!(
        shown.contains("BIÊN NHẬN") && shown.contains("VNT0000001"),
        "{shown}"
    );
    let payments = shown
        .lines()
        .filter(|line| line.contains("2026-11-22") && line.contains("11/2026"));
    assert_eq!(payments.count(), 2, "{shown}");
    for part in [
        "500.000 đồng",
        "7.000 đồng",
        "507.000 đồng",
        "năm trăm linh bảy nghìn đồng",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("Nguyễn") && !shown.contains("790000"), "{shown}");
    assert!(
        shown.contains("Đưa 507.000 đồng rồi bấm Enter"),
        "what comes next is said"
    );
    // Once the money is handed over it is there still, and the same.
    bench.type_keys("\n");
    let again = slip(&mut bench);
    let without_prompt = |shown: &str| shown.lines().take(5).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(without_prompt(&again), without_prompt(&shown));
    assert!(bench.field);
}

#[test]
fn there_is_none_before_a_payment_nor_of_somebody_before_nor_outside_of_a_shift() {
    let flash = chip();
    let (mut bench, _) = prepared(&flash, vec![line(1, 1, 500_000)]);
    assert!(slip(&mut bench).contains("Không có biên nhận"));
    let mut card = card(&plan());
    pay(&mut bench, &mut card);
    bench.type_keys("\n");
    assert!(slip(&mut bench).contains("500.000 đồng"));
    // Its card comes again: nothing is due.
    bench.tap(&mut card);
    let shown = slip(&mut bench);
    assert!(
        shown.contains("Không có biên nhận") && !shown.contains("500.000"),
        "{shown}"
    );
    bench.type_keys("x");
    assert_eq!(slip(&mut bench), "");
}

/// Of eight lines at once every one is on it, and what to do next is still said.
#[test]
fn the_longest_one_fits() {
    let flash = chip();
    let lines = (1..=8).map(|number| line(u32::from(number), number, 1_111_111));
    let (mut bench, _) = prepared(&flash, lines.collect());
    let mut plan = plan();
    plan.policy.orders_per_verify = 8;
    pay(&mut bench, &mut card(&plan));
    let shown = slip(&mut bench);
    assert_eq!(shown.matches(": 1.111.111 đồng").count(), 8, "{shown}");
    assert!(
        shown.contains("8.888.888 đồng") && shown.contains("rồi bấm Enter"),
        "{shown}"
    );
}

#[test]
fn an_order_whose_space_was_given_free_leaves_number_and_amount() {
    let flash = chip();
    let (mut bench, host) = prepared(&flash, vec![line(1, 1, 500_000)]);
    let mut card = card(&plan());
    pay(&mut bench, &mut card);
    bench.type_keys("\n");
    for _ in 0..600 {
        let last = bench.journal().pop().unwrap();
        host.acknowledge(&mut bench, &last).unwrap();
        if !slip(&mut bench).contains("11/2026") {
            break;
        }
    }
    let shown = slip(&mut bench);
    assert!(
        !shown.contains("11/2026") && shown.contains("500.000 đồng"),
        "{shown}"
    );
}
