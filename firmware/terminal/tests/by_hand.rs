//! A card fails, and two operators pay its holder by hand (DATA 5.7): where a list allows it, once, and nothing of it is lost.
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

use bench::by_hand::{CAP, SECOND, ask, by_hand, nothing_paid, pay, pay_by_card, ready, sync, told};
use bench::card::date;
use bench::card::issuer::{plan, signed};
use bench::host::{Host, ListPlan, card, line, noon};
use bench::nor::TEARS;
use bench::{Bench, Chip, chip, copy};
use card_spec::values::{CardNumber, Time};
use link::{Refusal, Request};

#[test]
fn one_line_is_paid_handed_over_and_never_again() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP), line(2, 2, 7)]);
    let screen = ask(&mut bench);
    for expected in [
        "Trợ cấp xã hội",
        "500.000 đồng",
        "năm trăm nghìn đồng",
        "có ở đây",
        "giấy tờ",
    ] {
        assert!(screen.contains(expected), "{expected} in {screen}");
    }
    nothing_paid(&mut bench, &host);
    bench.type_keys("7");
    let screen = bench.read_screen();
    assert!(
        screen.contains("ĐÃ GHI CHI TAY") && screen.contains("Đưa 500.000 đồng"),
        "{screen}"
    );
    assert!(!bench.field);
    bench.type_keys("p");
    let screen = bench.read_screen();
    assert!(
        screen.contains("11/2026: 500.000 đồng") && screen.contains(": Lan, minh"),
        "{screen}"
    );
    bench.type_keys("\nt");
    let screen = bench.read_screen();
    assert!(
        screen.contains("chi tay 1, 500.000 đồng") && screen.contains("thẻ đã trả 0"),
        "{screen}"
    );

    // The card is well again: the other line is left.
    let mut card = card(&plan());
    bench.tap(&mut card);
    let screen = bench.read_screen();
    assert!(
        screen.contains("7 đồng") && !screen.contains("500.000"),
        "{screen}"
    );
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    bench.type_keys("\n");
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("đã trả rồi"));
    assert!(pay(&mut bench).contains("đã trả rồi"));
    let told = told(&mut bench, &host);
    assert_eq!(
        (told.by_hand, told.paid, told.handed.len()),
        (vec![1], vec![2], 2)
    );
}

#[test]
fn paid_by_card_first() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP)]);
    pay_by_card(&mut bench);
    assert!(pay(&mut bench).contains("đã trả rồi"));
    nothing_paid(&mut bench, &host);
}

#[test]
fn the_list_says_how_much() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP + 1)]);
    assert!(ask(&mut bench).contains("Không được chi tay"));
    bench.type_keys("7");
    nothing_paid(&mut bench, &host);
    // One that allows nothing, and the smaller line of two.
    let mut next = ListPlan::new(2, vec![line(1, 1, 7)]);
    host.load_list(&mut bench, &next).unwrap();
    assert!(ask(&mut bench).contains("Không được chi tay"));
    next = by_hand(3, vec![line(1, 1, CAP + 1), line(2, 2, CAP)]);
    host.load_list(&mut bench, &next).unwrap();
    pay(&mut bench);
    assert_eq!(told(&mut bench, &host).by_hand, [2]);
}

#[test]
fn two_people_and_a_card_number() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP)]);
    bench.type_keys("m");
    assert!(bench.read_screen().contains("bấm 2 trước"));
    // The clerk is no second operator.
    bench.type_keys("2Lan\n314159\nm");
    assert!(bench.read_screen().contains("bấm 2 trước"));
    let number = plan().number.to_string();
    let wrong = format!(
        "{}{}",
        &number[..15],
        (number[15..].parse::<u8>().unwrap() + 1) % 10
    );
    for typed in [&number[..15], &wrong, ""] {
        bench.type_keys(&format!("{SECOND}m{typed}\n"));
        assert!(bench.read_screen().contains("Số thẻ sai"), "{typed}");
        bench.type_keys("c");
    }
    let other = CardNumber::new(79, 99).unwrap();
    bench.type_keys(&format!("{SECOND}m{other}\n"));
    assert!(
        bench.read_screen().contains("không có trong danh sách"),
        "not on the list"
    );
    // No other key than the one, and not for ever.
    ask(&mut bench);
    bench.type_keys("\n\r 1890mo");
    nothing_paid(&mut bench, &host);
    bench.type_keys("c7");
    ask(&mut bench);
    bench.wait(120_000);
    assert!(bench.read_screen().contains("Không chi tay"));
    bench.type_keys("7");
    nothing_paid(&mut bench, &host);
    // One vouches for one service.
    pay(&mut bench);
    bench.type_keys("\nm");
    assert!(bench.read_screen().contains("bấm 2 trước"));
    assert_eq!(told(&mut bench, &host).by_hand, [1]);
}

#[test]
fn what_refuses_a_payment_refuses_this_one() {
    let flash = chip();
    let (mut bench, mut host) = ready(&flash, vec![line(1, 1, CAP)]);
    host.blocked = vec![plan().number];
    host.load_blocks(&mut bench, 2, noon()).unwrap();
    assert!(pay(&mut bench).contains("đã ngừng dùng"), "blocked");
    nothing_paid(&mut bench, &host);

    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP)]);
    // The list is over.
    let late = Time::new(date(2026, 12, 1), 12, 0, 0).unwrap();
    host.set_time(&mut bench, late).unwrap();
    let screen = pay(&mut bench);
    assert!(screen.contains("Không được chi tay"), "{screen}");
    nothing_paid(&mut bench, &host);

    // No clock.
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    bench.type_keys("oLan\n314159\n");
    let screen = pay(&mut bench);
    assert!(screen.contains("Không được chi tay"), "{screen}");
    nothing_paid(&mut bench, &host);

    // No shift.
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP)]);
    bench.type_keys("x");
    pay(&mut bench);
    nothing_paid(&mut bench, &host);
}

#[test]
fn an_order_of_the_holder_that_is_open_comes_first() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP), line(2, 2, 7)]);
    let mut card = card(&plan());
    bench.tear(&mut card, true);
    pay(&mut bench);
    // Put aside, it still may be with the card.
    bench.type_keys("n");
    let screen = pay(&mut bench);
    assert!(screen.contains("KHÔNG CHI TAY"), "{screen}");
    nothing_paid(&mut bench, &host);
    assert_eq!(told(&mut bench, &host).all_open.len(), 1);
}

#[test]
fn a_payment_of_the_card_that_is_to_be_undone_comes_first() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP), line(2, 2, 7)]);
    // The other line is still due.
    let mut one_order = plan();
    one_order.policy.orders_per_verify = 1;
    let mut card = card(&one_order);
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    bench.type_keys("c7");
    let screen = pay(&mut bench);
    assert!(screen.contains("KHÔNG CHI TAY"), "{screen}");
    nothing_paid(&mut bench, &host);
}

#[test]
fn a_mark_that_the_flash_refuses_ends_all_paying() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP), line(2, 2, 7)]);
    let mark = bench::layout().lists[0].start as usize + 0x5_F000;
    flash.borrow_mut().stuck = (mark..mark + 16).step_by(4).collect();
    assert!(pay(&mut bench).contains("ĐÃ GHI CHI TAY"));
    bench.type_keys("\n");
    let screen = pay(&mut bench);
    assert!(
        screen.contains("không ghi được dấu") && !screen.contains("nhật ký đầy"),
        "{screen}"
    );
    // The next start does not get it marked either, and the one after that does.
    for stuck in [true, false] {
        if !stuck {
            flash.borrow_mut().stuck.clear();
        }
        drop(bench);
        bench = Bench::power_on(&flash).unwrap();
        host.set_time(&mut bench, noon()).unwrap();
        bench.type_keys("oLan\n314159\n");
        bench.read_screen();
        let screen = pay(&mut bench);
        assert_eq!(screen.contains("không ghi được dấu"), stuck, "{screen}");
    }
    assert_eq!(told(&mut bench, &host).by_hand, [1, 2]);
}

#[test]
fn one_search_finds_all_marks_that_go_along() {
    const LINES: u16 = 300;
    let lines = || (1..=LINES).map(|number| line(number.into(), number, 7)).collect();
    let mut reads = Vec::new();
    for payments in [1, 4] {
        let flash = chip();
        let (mut bench, host) = ready(&flash, lines());
        for _ in 0..payments {
            pay(&mut bench);
            bench.type_keys("\n");
        }
        sync(&mut bench, &host);
        let before = flash.borrow().reads;
        host.load_list(&mut bench, &by_hand(2, lines())).unwrap();
        reads.push(flash.borrow().reads - before);
        pay(&mut bench);
        assert_eq!(told(&mut bench, &host).by_hand.len(), payments + 1);
    }
    assert!(reads[1] - reads[0] < u64::from(LINES), "{reads:?}");
}

#[test]
fn the_key_is_named_where_it_does_anything() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP)]);
    bench.type_keys("x");
    bench.type_keys("oLan\n314159\n");
    assert!(bench.read_screen().contains("2, rồi m"));
    drop(host);
    drop(bench);
    let flash = chip();
    let mut host = Host::new(Vec::new());
    host.list = by_hand(1, vec![line(1, 1, CAP)]);
    let mut bench = Bench::power_on(&flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("x");
    bench.type_keys("oLan\n");
    let screen = bench.read_screen();
    assert!(screen.contains("Lan") && !screen.contains("rồi m"), "{screen}");
}

#[test]
fn money_that_stays_makes_the_line_unpaid_again() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP)]);
    for _ in 0..3 {
        pay(&mut bench);
        bench.type_keys("c7");
        assert!(bench.read_screen().contains("CHƯA GIAO TIỀN"));
    }
    // Also after a power cut.
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    bench.type_keys("oLan\n314159\n");
    pay(&mut bench);
    bench.type_keys("\n");
    let told = told(&mut bench, &host);
    assert_eq!(
        (told.by_hand, told.not_handed.len(), told.handed.len()),
        (vec![1; 4], 3, 1)
    );
    assert!(pay(&mut bench).contains("đã trả rồi"));
}

#[test]
fn the_next_list_has_the_line_again_and_the_terminal_knows() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP), line(2, 2, 7)]);
    pay(&mut bench);
    bench.type_keys("\n");
    // Made before the journal came home, in another order; and one more.
    sync(&mut bench, &host);
    for number in [2, 3] {
        let lines = vec![line(1, 2, 7), line(2, 1, CAP)];
        host.load_list(&mut bench, &by_hand(number, lines)).unwrap();
        let screen = ask(&mut bench);
        assert!(screen.contains(": 7 đồng"), "{screen}");
        bench.type_keys("c");
        let mut card = card(&plan());
        bench.tap(&mut card);
        let screen = bench.read_screen();
        assert!(
            screen.contains("7 đồng") && !screen.contains("500.000"),
            "{screen}"
        );
        bench.type_keys("c");
    }
    // What was not handed over in the middle of it is unpaid in the new list.
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP)]);
    pay(&mut bench);
    sync(&mut bench, &host);
    host.load_list(&mut bench, &by_hand(2, vec![line(1, 1, CAP)]))
        .unwrap();
    bench.type_keys("c7");
    assert!(pay(&mut bench).contains("ĐÃ GHI CHI TAY"));
}

#[test]
fn a_list_waits_until_the_host_knows_what_was_paid() {
    let unsynced = Err(Refusal::Unacknowledged);
    let lines = || vec![line(1, 1, CAP)];
    let cases = [
        (ListPlan::new(2, lines()), by_hand(3, lines())),
        (by_hand(2, lines()), ListPlan::new(3, lines())),
    ];
    for (before, next) in cases {
        let flash = chip();
        let (mut bench, host) = ready(&flash, lines());
        host.load_list(&mut bench, &before).unwrap();
        pay_by_card(&mut bench);
        assert_eq!(host.load_list(&mut bench, &next), unsynced);
        // A start forgets nothing of it, and the list in force stays.
        drop(bench);
        let mut bench = Bench::power_on(&flash).unwrap();
        host.set_time(&mut bench, noon()).unwrap();
        assert_eq!(host.load_list(&mut bench, &next), unsynced);
        assert_eq!(bench.hello().list_number, 2);
        sync(&mut bench, &host);
        bench.done(&Request::ListEnd).unwrap();
        assert_eq!(bench.hello().list_number, 3);
    }
    // Where nothing is paid by hand the cards know.
    let flash = chip();
    let (mut bench, host) = ready(&flash, lines());
    host.load_list(&mut bench, &ListPlan::new(2, lines())).unwrap();
    pay_by_card(&mut bench);
    host.load_list(&mut bench, &ListPlan::new(3, lines())).unwrap();
}

#[test]
fn a_payment_while_the_next_list_is_on_its_way() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP)]);
    let next = by_hand(2, vec![line(1, 1, CAP)]);
    let header = signed(&next.header(), &host.office.issuer);
    bench.done(&Request::ListBegin { header: &header }).unwrap();
    pay(&mut bench);
    bench.type_keys("\n");
    let body = next.body();
    bench.done(&Request::ListLines { bytes: &body }).unwrap();
    assert_eq!(bench.refusal(&Request::ListEnd), Some(Refusal::Unacknowledged));
    sync(&mut bench, &host);
    // It is all there.
    bench.done(&Request::ListEnd).unwrap();
    assert!(pay(&mut bench).contains("đã trả rồi"));
    assert_eq!(told(&mut bench, &host).by_hand, [1]);
}

#[test]
fn the_power_goes_at_any_flash_operation() {
    let original = chip();
    let journal_key = {
        let (mut bench, host) = ready(&original, vec![line(1, 1, CAP)]);
        bench.type_keys("x");
        host.journal_key
    };
    let first = card(&plan());
    let mut cuts = 0;
    for undone in [false, true] {
        for operation in 0.. {
            // Each PIN costs a second of a small processor, so the tears take turns.
            let tear = TEARS[operation as usize % TEARS.len()];
            let flash = RefCell::new(original.borrow().clone());
            let mut host = Host::new(Vec::new());
            host.journal_key = journal_key;
            flash.borrow_mut().cut(operation, tear);
            let mut promised = false;
            if let Ok(mut bench) = Bench::power_on(&flash)
                && host.set_time(&mut bench, noon()).is_ok()
            {
                bench.type_keys("oLan\n314159\n");
                pay(&mut bench);
                bench.type_keys(if undone { "c7" } else { "\n" });
                promised = bench.read_screen().contains(if undone {
                    "CHƯA GIAO TIỀN"
                } else {
                    "Đã giao tiền"
                });
            }
            if !flash.borrow().is_dead() {
                break;
            }
            cuts += 1;
            recover(
                &flash,
                &host,
                promised,
                undone,
                &format!("{operation}, {tear:?}"),
                &first,
            );
        }
    }
    println!("{cuts} cuts");
    assert!(cuts > 20);
}

/// The power comes back: what is paid is asked for, and in the end the line is paid once, by hand or by card.
fn recover(
    flash: &RefCell<Chip>,
    host: &Host,
    promised: bool,
    undone: bool,
    context: &str,
    first: &bench::card::Card,
) {
    flash.borrow_mut().power_up();
    drop(Bench::power_on(flash).unwrap());
    flash.borrow_mut().power_up();
    let mut bench = Bench::power_on(flash).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    let before = told(&mut bench, host);
    assert!(
        !promised || before.handed.len() + before.not_handed.len() == 1,
        "{context}"
    );
    bench.type_keys("\noLan\n314159\n");
    let mut card = copy(first, 7);
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    bench.type_keys("\n");
    let told = told(&mut bench, host);
    let by_hand = told.by_hand.len() - told.not_handed.len();
    assert_eq!(by_hand + told.paid.len(), 1, "{context}, {undone}: {told:?}");
    assert_eq!(told.handed.len(), 1, "{context}");
}
