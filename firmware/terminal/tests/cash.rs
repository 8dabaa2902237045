//! The clerk's cash: received, handed over, counted; over and short.
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

use bench::card::issuer::plan;
use bench::host::{Host, card, line, noon};
use bench::nor::TEARS;
use bench::{Bench, Chip, chip, copy};
use card_spec::journal::{Entry, Event};
use card_spec::signed::Signed;

/// Somebody who is to be paid 507,000 VND, and a clerk in a shift.
fn prepared(flash: &RefCell<Chip>) -> (Bench<'_>, Host) {
    let mut bench = Bench::power_on(flash).unwrap();
    let mut host = Host::new(vec![line(1, 1, 500_000), line(2, 2, 7_000)]);
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    bench.read_screen();
    (bench, host)
}

fn pay(bench: &mut Bench<'_>) {
    let mut card = card(&plan());
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    bench.read_screen();
}

fn says(bench: &mut Bench<'_>, keys: &str) -> String {
    bench.read_screen();
    bench.type_keys(keys);
    bench.read_screen()
}

/// Received as VND, counted as (expected, counted), oldest first.
fn told(bench: &mut Bench<'_>) -> (Vec<u64>, Vec<(u64, u64)>) {
    let (mut received, mut counted) = (Vec::new(), Vec::new());
    for entry in bench.journal() {
        match Signed::<Entry<'_>>::parse(&entry).unwrap().claimed().event {
            Event::CashReceived { operator, amount } => {
                assert_eq!(operator.as_str(), "Lan");
                received.push(amount.vnd());
            }
            Event::CashCounted {
                operator,
                expected,
                counted: there,
            } => {
                assert_eq!(operator.as_str(), "Lan");
                counted.push((expected.vnd(), there.vnd()));
            }
            _ => {}
        }
    }
    (received, counted)
}

#[test]
fn what_is_counted_is_compared_with_what_was_received_less_what_was_handed_over() {
    let flash = chip();
    let (mut bench, _) = prepared(&flash);
    assert!(says(&mut bench, "b1000000\n").contains("một triệu đồng"));
    assert!(says(&mut bench, "\n").contains("Đã ghi tiền nhận 1.000.000 đồng; cả ca 1.000.000 đồng"));
    assert!(says(&mut bench, "b500000\n\n").contains("cả ca 1.500.000 đồng"));
    pay(&mut bench);
    bench.type_keys("\n");
    for (typed, verdict) in [
        ("993000", "ĐỦ TIỀN"),
        ("993001", "THỪA 1 đồng"),
        ("0", "THIẾU 993.000 đồng"),
    ] {
        let asked = says(&mut bench, &format!("d{typed}\n"));
        assert!(
            !asked.contains("993.000 đồng") || typed == "993000",
            "counted blind: {asked}"
        );
        let counted = says(&mut bench, "\n");
        assert!(
            counted.contains(verdict) && counted.contains("Sổ: 993.000 đồng"),
            "{counted}"
        );
    }
    let counts = vec![(993_000, 993_000), (993_000, 993_001), (993_000, 0)];
    assert_eq!(told(&mut bench), (vec![1_000_000, 500_000], counts));
}

#[test]
fn nothing_is_recorded_that_the_clerk_has_not_confirmed() {
    for keys in [
        "b1000c",
        "b1000\nc",
        "b1000\n\x1B",
        "b\n\nc",
        "b0\n\nc",
        "b1000\n7c",
    ] {
        let flash = chip();
        let (mut bench, _) = prepared(&flash);
        assert!(says(&mut bench, keys).contains("Không ghi gì"), "{keys:?}");
        assert_eq!(told(&mut bench), (vec![], vec![]), "{keys:?}");
        assert!(bench.field, "{keys:?}: the next holder can come");
    }
}

#[test]
fn an_amount_is_corrected_while_it_is_typed_and_has_twelve_digits_at_most() {
    let flash = chip();
    let (mut bench, _) = prepared(&flash);
    bench.type_keys("b19\x08\x7F\x0825\n\n");
    bench.type_keys("b9999999999999\n\n");
    assert_eq!(told(&mut bench).0, [25, 999_999_999_999]);
}

#[test]
fn an_amount_left_lying_is_forgotten() {
    let flash = chip();
    let (mut bench, _) = prepared(&flash);
    bench.type_keys("b1000");
    assert!(!bench.field);
    bench.wait(120_000);
    assert!(bench.read_screen().contains("Không ghi gì") && bench.field);
    bench.type_keys("\n\n");
    assert_eq!(told(&mut bench), (vec![], vec![]));
}

#[test]
fn what_was_not_received_cannot_be_counted() {
    let flash = chip();
    let (mut bench, _) = prepared(&flash);
    assert!(says(&mut bench, "d").contains("Chưa ghi tiền nhận"));
    bench.type_keys("b400000\n\n");
    pay(&mut bench);
    bench.type_keys("\n");
    assert!(says(&mut bench, "d").contains("nhiều hơn tiền đã ghi nhận 107.000 đồng"));
    bench.type_keys("b107000\n\n");
    assert!(says(&mut bench, "d0\n\n").contains("ĐỦ TIỀN"));
    assert_eq!(told(&mut bench), (vec![400_000, 107_000], vec![(0, 0)]));
}

#[test]
fn nobody_counts_while_money_is_handed_over_or_outside_of_a_shift() {
    let flash = chip();
    let (mut bench, _) = prepared(&flash);
    bench.type_keys("b600000\n\n");
    pay(&mut bench);
    bench.type_keys("bd");
    assert_eq!(bench.read_screen(), "");
    bench.type_keys("\nxx");
    assert!(bench.read_screen().contains("Kết ca"));
    assert_eq!(says(&mut bench, "bd"), "");
}

#[test]
fn a_shift_with_uncounted_cash_is_closed_by_the_second_key_only() {
    let flash = chip();
    let (mut bench, _) = prepared(&flash);
    bench.type_keys("b600000\n\n");
    assert!(says(&mut bench, "x").contains("Chưa đếm tiền"));
    // Any other key in between, and it is asked again.
    bench.type_keys("t");
    let again = says(&mut bench, "x");
    assert!(again.contains("Chưa đếm tiền") && !again.contains("Kết ca"));
    assert!(says(&mut bench, "x").contains("Kết ca: Lan"));
    bench.type_keys("oLan\n");
    assert!(
        says(&mut bench, "d").contains("Chưa ghi tiền nhận"),
        "a new shift has a new drawer"
    );
    bench.type_keys("b600000\n\nd600000\n\n");
    assert!(says(&mut bench, "x").contains("Kết ca: Lan"), "counted");
}

/// The clerk went to lunch: the cash is still in the drawer.
#[test]
fn an_idle_end_and_a_power_cut_leave_the_cash_and_another_operator_has_their_own() {
    let flash = chip();
    let (mut bench, _) = prepared(&flash);
    bench.type_keys("b600000\n\n");
    bench.wait(900_000);
    assert!(bench.read_screen().contains("Kết ca: Lan vì"));
    bench.type_keys("oLan\n");
    assert!(says(&mut bench, "t").contains("tiền đã nhận 600.000 đồng"));
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    bench.type_keys("oLan\n");
    assert!(says(&mut bench, "d600000\n\n").contains("ĐỦ TIỀN"));
    bench.type_keys("oMinh\n");
    assert!(says(&mut bench, "d").contains("Chưa ghi tiền nhận"));
}

/// The power goes at each flash operation: what the screen then says is what the journal tells.
#[test]
fn no_power_cut_takes_cash_or_adds_some() {
    let original = chip();
    let (bench, host) = prepared(&original);
    drop(bench);
    let holder = card(&plan());
    let (mut cuts, mut paid) = (0, 0);
    for operation in 0.. {
        let flash = RefCell::new(original.borrow().clone());
        let mut card = copy(&holder, 1);
        flash.borrow_mut().cut(operation, TEARS[(operation % 7) as usize]);
        if let Ok(mut bench) = Bench::power_on(&flash) {
            let _ = host.set_time(&mut bench, noon());
            bench.type_keys("oLan\nb1000000\n\n");
            bench.tap(&mut card);
            bench.type_keys("271828\n");
            bench.tap(&mut card);
            bench.type_keys("\nd493000\n\n");
        }
        if !flash.borrow().is_dead() {
            break;
        }
        cuts += 1;
        flash.borrow_mut().power_up();
        let mut bench = Bench::power_on(&flash).unwrap();
        bench.type_keys("\noLan\n");
        let (received, counted) = told(&mut bench);
        assert!(received.iter().all(|vnd| *vnd == 1_000_000) && received.len() <= 1);
        assert!(
            counted.is_empty() || counted == [(493_000, 493_000)],
            "cut at {operation}: {counted:?}"
        );
        let shown = says(&mut bench, "t");
        assert_eq!(
            shown.contains("tiền đã nhận 1.000.000 đồng"),
            !received.is_empty(),
            "cut at {operation}"
        );
        paid += usize::from(shown.contains("thẻ đã trả 2"));
        let uncounted = !received.is_empty() && counted.is_empty();
        assert_eq!(
            shown.contains("chưa đếm tiền"),
            uncounted,
            "cut at {operation}: {shown}"
        );
    }
    assert!(cuts > 100 && paid > 10, "{cuts}, {paid}");
}
