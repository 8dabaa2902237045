//! The end of the day: what a shift has done, and what is left of the list.
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
use bench::card::issuer::{ISSUER, plan, reference, signed};
use bench::host::{Host, NAME, card, line, noon};
use bench::nor::TEARS;
use bench::{Bench, Chip, chip, copy, story};
use card_spec::list::ListLine;
use card_spec::operators::{OperatorList, PinVerifier, Proof, Roles, TerminalOperator};
use card_spec::values::{Ascii, CardNumber};
use link::Request;

fn two_lines() -> Vec<ListLine> {
    vec![line(1, 1, 500_000), line(2, 2, 7_000)]
}

fn prepared(flash: &RefCell<Chip>, lines: Vec<ListLine>) -> (Bench<'_>, Host) {
    let mut bench = Bench::power_on(flash).unwrap();
    let mut host = Host::new(lines);
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    bench.read_screen();
    (bench, host)
}

fn both_taps(bench: &mut Bench<'_>, card: &mut Card) {
    bench.tap(card);
    bench.type_keys("271828\n");
    bench.tap(card);
    bench.read_screen();
}

/// Number paid, number handed, refused, as the screen shows them.
fn totals(bench: &mut Bench<'_>) -> String {
    bench.read_screen();
    bench.type_keys("t");
    let screen = bench.read_screen();
    let lines = screen.lines().filter_map(|line| line.split(" / ").next());
    lines.take(4).collect::<Vec<_>>().join(" | ")
}

#[test]
fn a_shift_counts_what_was_paid_handed_over_and_refused() {
    let flash = chip();
    let (mut bench, _) = prepared(&flash, two_lines());
    let mut card = card(&plan());
    assert_eq!(
        totals(&mut bench),
        "Ca này: thẻ đã trả 0, 0 đồng |   đã giao 0, 0 đồng |   từ chối 0 | Danh sách 1: còn 2 trong 2 khoản, 507.000 đồng"
    );
    bench.tap(&mut card);
    bench.type_keys("000000\n");
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    assert_eq!(
        totals(&mut bench),
        "Ca này: thẻ đã trả 2, 507.000 đồng |   đã giao 0, 0 đồng |   từ chối 1 | Danh sách 1: còn 0 trong 2 khoản, 0 đồng"
    );
    bench.type_keys("\n");
    let whole = "Ca này: thẻ đã trả 2, 507.000 đồng |   đã giao 2, 507.000 đồng |   từ chối 1 | Danh sách 1: còn 0 trong 2 khoản, 0 đồng";
    assert_eq!(totals(&mut bench), whole);
    // The end of the shift shows them once more.
    bench.type_keys("x");
    assert!(bench.read_screen().contains("đã giao 2, 507.000 đồng"));
}

#[test]
fn a_power_cut_and_an_acknowledgement_take_nothing_from_the_count() {
    let flash = chip();
    let (mut bench, host) = prepared(&flash, two_lines());
    let mut card = card(&plan());
    both_taps(&mut bench, &mut card);
    bench.type_keys("\n");
    let before = totals(&mut bench);
    assert!(before.contains("đã giao 2, 507.000"));
    let last = bench.journal().pop().unwrap();
    host.acknowledge(&mut bench, &last).unwrap();
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    bench.type_keys("oLan\n");
    assert_eq!(totals(&mut bench), before);
}

#[test]
fn another_operator_and_another_shift_begin_at_nothing() {
    for next in ["oMinh\n", "xoLan\n"] {
        let flash = chip();
        let (mut bench, _) = prepared(&flash, two_lines());
        let mut card = card(&plan());
        both_taps(&mut bench, &mut card);
        bench.type_keys("\n");
        bench.type_keys(next);
        assert!(
            totals(&mut bench).starts_with("Ca này: thẻ đã trả 0, 0 đồng |   đã giao 0"),
            "{next}"
        );
    }
}

#[test]
fn money_of_the_shift_before_counts_for_whoever_hands_it_over() {
    let flash = chip();
    let (mut bench, _) = prepared(&flash, two_lines());
    let mut card = card(&plan());
    both_taps(&mut bench, &mut card);
    bench.type_keys("oMinh\n");
    bench.type_keys("\n");
    assert!(totals(&mut bench).starts_with("Ca này: thẻ đã trả 0, 0 đồng |   đã giao 2, 507.000 đồng"));
}

#[test]
fn nobody_reads_what_is_due_outside_of_a_shift() {
    let flash = chip();
    let (mut bench, _) = prepared(&flash, two_lines());
    bench.type_keys("x");
    bench.read_screen();
    bench.type_keys("tl");
    assert_eq!(bench.read_screen(), "");
}

/// Line `number` of somebody else.
fn others(number: u32) -> ListLine {
    ListLine {
        card_number: CardNumber::new(79, 1_000 + u64::from(number)).unwrap(),
        ..line(number, u16::try_from(number).unwrap(), 1_000)
    }
}

/// The numbers of the lines on the screen.
fn listed(bench: &mut Bench<'_>) -> Vec<u32> {
    let screen = bench.read_screen();
    let numbers = screen.lines().filter_map(|line| line.split_once(". "));
    numbers
        .filter_map(|(number, _)| number.trim().parse().ok())
        .collect()
}

#[test]
fn unpaid_lines_are_read_page_by_page() {
    let flash = chip();
    let lines = (1..=12).map(|number| {
        if number == 4 {
            line(4, 4, 9)
        } else {
            others(number)
        }
    });
    let (mut bench, _) = prepared(&flash, lines.collect());
    let mut card = card(&plan());
    both_taps(&mut bench, &mut card);
    bench.type_keys("\n");
    bench.read_screen();
    bench.type_keys("l");
    assert!(bench.screen.contains("1.000 đồng") && !bench.field);
    assert_eq!(listed(&mut bench), [1, 2, 3, 5, 6]);
    bench.type_keys("7");
    assert_eq!(listed(&mut bench), []);
    bench.type_keys("\n");
    assert_eq!(listed(&mut bench), [7, 8, 9, 10, 11]);
    bench.type_keys(" ");
    assert!(bench.screen.contains("Hết khoản chưa trả"));
    assert_eq!(listed(&mut bench), [12]);
    assert!(bench.field, "the next holder can come");
    for end in ["c", "\x1B"] {
        bench.type_keys("l");
        bench.type_keys(end);
        assert!(bench.field);
    }
    bench.type_keys("l");
    bench.wait(120_000);
    assert!(bench.field, "a list left lying ends by itself");
}

/// Who may work here, loaded while a clerk reads, ends the shift and the reading.
#[test]
fn nobody_reads_on_when_the_shift_has_ended() {
    let flash = chip();
    let (mut bench, host) = prepared(&flash, (1..=12).map(others).collect());
    bench.type_keys("l");
    assert_eq!(listed(&mut bench), [1, 2, 3, 4, 5]);
    let pin = PinVerifier::new(b"314159", [3; 16]).unwrap();
    let lan = TerminalOperator {
        number: 1,
        name: Ascii::new("Lan").unwrap(),
        roles: Roles::from_byte(Roles::CLERK).unwrap(),
        proof: Proof::Pin(pin),
    };
    let list = OperatorList {
        suite: Default::default(),
        format: Default::default(),
        issuer: reference(ISSUER),
        terminal: NAME.parse().unwrap(),
        number: 1,
        operators: heapless::Vec::from_slice(&[lan]).unwrap(),
    };
    let signed = &signed(&list, &host.office.issuer);
    bench.done(&Request::Operators { signed }).unwrap();
    bench.read_screen();
    bench.type_keys("\n");
    assert_eq!(listed(&mut bench), []);
    bench.type_keys("\n l");
    assert_eq!(listed(&mut bench), []);
    bench.type_keys("o1\n314159\n");
    assert!(bench.read_screen().contains("Mở ca: Lan"));
}

#[test]
fn a_list_of_four_thousand_lines_is_counted_and_read_to_its_end() {
    let flash = chip();
    let (mut bench, _) = prepared(&flash, (1..=4_000).map(others).collect());
    assert!(totals(&mut bench).ends_with("Danh sách 1: còn 4000 trong 4000 khoản, 4.000.000 đồng"));
    bench.type_keys("l");
    let mut seen = listed(&mut bench);
    while !bench.field {
        bench.type_keys("\n");
        seen.extend(listed(&mut bench));
    }
    assert_eq!(seen, (1..=4_000).collect::<Vec<_>>());
}

/// The power goes at each flash operation of a payment: afterwards the count is what the journal tells.
#[test]
fn the_count_is_what_the_journal_tells_wherever_the_power_went() {
    let original = chip();
    let (bench, host) = prepared(&original, two_lines());
    drop(bench);
    let journal_key = host.journal_key.unwrap();
    let first = card(&plan());
    let (mut cuts, mut paid) = (0, 0);
    for operation in 0.. {
        let flash = RefCell::new(original.borrow().clone());
        let mut card = copy(&first, 1);
        flash.borrow_mut().cut(operation, TEARS[(operation % 7) as usize]);
        if let Ok(mut bench) = Bench::power_on(&flash) {
            let _ = host.set_time(&mut bench, noon());
            bench.type_keys("oLan\n");
            both_taps(&mut bench, &mut card);
            bench.type_keys("\n");
        }
        if !flash.borrow().is_dead() {
            break;
        }
        cuts += 1;
        flash.borrow_mut().power_up();
        let mut bench = Bench::power_on(&flash).unwrap();
        bench.type_keys("\noLan\n");
        let told = story(&bench.journal(), &journal_key);
        // An order that the cut left open: its card settles it, or it is none of the count.
        let expected = format!("trả {}, ", told.paid.len());
        let shown = totals(&mut bench);
        paid += usize::from(!told.paid.is_empty());
        if told.open.is_none() {
            assert!(shown.contains(&expected), "cut at {operation}: {shown}");
            let handed = format!("giao {}, ", told.handed.len());
            assert!(shown.contains(&handed), "cut at {operation}: {shown}");
        }
    }
    assert!(cuts > 100 && paid > 10, "{cuts}, {paid}");
}
