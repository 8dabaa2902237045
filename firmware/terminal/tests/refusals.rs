//! Every reason not to pay (DATA 5.4): the clerk reads it, the journal keeps it, and no money moves.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod bench;

use bench::card::issuer::{Plan, plan, programme, signed};
use bench::card::{Card, date};
use bench::host::{Host, ListPlan, card, line, noon};
use bench::{Bench, Chip, chip, execute, story};
use card_spec::cso::Caps;
use card_spec::groups::ProgrammeStatus;
use card_spec::list::{BlockReason, ListLine};
use card_spec::payment::{LineKey, LineKeyParts, LineType};
use card_spec::script::Action;
use card_spec::values::{Amount, CardNumber, Period, Programme, Time};
use link::Request;
use reference_applet::{Memory as _, Slot};
use std::cell::RefCell;

/// A terminal with an open shift and one line of 500,000 for the usual card.
fn ready<'f>(flash: &'f RefCell<Chip>, host: &mut Host) -> Bench<'f> {
    let mut bench = Bench::power_on(flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    bench.read_screen();
    bench
}

fn usual() -> Host {
    Host::new(vec![line(1, 1, 500_000)])
}

/// Reasons and status words in the journal; and nothing is paid, nothing is left open.
fn refused(bench: &mut Bench<'_>, host: &Host) -> (Vec<u8>, Vec<u16>) {
    let told = story(&bench.journal(), &host.journal_key.unwrap());
    assert_eq!((told.paid, told.open), (vec![], None));
    (told.refused, told.status_words)
}

/// One tap is refused, for this reason, in both languages.
#[track_caller]
fn first_tap(bench: &mut Bench<'_>, host: &Host, card: &mut Card, reason: u8) {
    bench.tap(card);
    let screen = bench.read_screen();
    assert!(
        screen.contains("KHÔNG TRẢ") && screen.contains("NOT PAID"),
        "{screen}"
    );
    assert_eq!(refused(bench, host).0, [reason]);
}

/// Both taps with the right PIN; the card refuses with this status word.
#[track_caller]
fn card_refuses(plan: &Plan, lines: Vec<ListLine>, status: u16, reason: u8) {
    let flash = chip();
    let mut host = Host::new(lines);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(plan);
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    assert!(bench.read_screen().contains(&format!("{status:04X}")));
    assert_eq!(refused(&mut bench, &host), (vec![reason], vec![status]));
}

#[test]
fn a_card_that_is_not_on_the_list() {
    let flash = chip();
    let mut host = usual();
    host.list.lines[0].card_number = CardNumber::new(79, 2).unwrap();
    let mut bench = ready(&flash, &mut host);
    first_tap(&mut bench, &host, &mut card(&plan()), 1);
}

#[test]
fn a_wrong_pin_costs_a_try_and_the_last_one_blocks() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    bench.tap(&mut card);
    for tries in ["Còn 2 lần", "Còn 1 lần", "PIN đã bị khóa"] {
        bench.type_keys("000000\n");
        bench.tap(&mut card);
        let screen = bench.read_screen();
        assert!(
            screen.contains(tries) && screen.contains("sai mã PIN"),
            "{screen}"
        );
        // Before the last try, and then only.
        assert_eq!(screen.contains("đặt PIN mới"), tries == "Còn 1 lần", "{screen}");
        assert!(!screen.contains("bấm 2"), "nobody can vouch here");
    }
    let expected = (vec![2, 2, 2, 3], vec![0x63C2, 0x63C1, 0x63C0, 0x63C0]);
    assert_eq!(refused(&mut bench, &host), expected);
    // The next service finds the PIN blocked.
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    assert_eq!(refused(&mut bench, &host).1.last(), Some(&0x6983));
}

#[test]
fn a_pin_that_is_too_short_never_reaches_the_card() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    bench.tap(&mut card);
    bench.type_keys("2718\n");
    assert!(bench.read_screen().contains("6 chữ số"));
    assert!(!bench.field);
    bench.type_keys("2718999\x08\x0828\n");
    bench.tap(&mut card);
    bench.tap(&mut card);
    assert_eq!(story(&bench.journal(), &host.journal_key.unwrap()).paid, [1]);
}

#[test]
fn a_card_on_the_block_list() {
    let flash = chip();
    let mut host = usual();
    host.blocked = (1..9)
        .map(|serial| CardNumber::new(79, serial).unwrap())
        .collect();
    let mut bench = ready(&flash, &mut host);
    first_tap(&mut bench, &host, &mut card(&plan()), 4);
}

#[test]
fn a_card_that_is_expired_or_not_yet_valid() {
    for dates in [
        (date(2026, 11, 1), date(2026, 11, 21)),
        (date(2026, 11, 23), date(2036, 11, 22)),
    ] {
        let flash = chip();
        let mut host = usual();
        let mut bench = ready(&flash, &mut host);
        let mut card = card(&Plan { dates, ..plan() });
        bench.tap(&mut card);
        let reasons = refused(&mut bench, &host).0;
        // A card whose remembered date lies behind the terminal's certificate refuses by itself.
        assert_eq!(reasons, [5], "{dates:?}");
    }
}

#[test]
fn a_line_that_is_paid_is_known_after_a_restart_and_after_a_sync() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    bench.type_keys("\n");
    let last = bench.journal().pop().unwrap();
    host.acknowledge(&mut bench, &last).unwrap();
    drop(bench);
    let mut bench = ready(&flash, &mut host);
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("đã trả rồi"));
    let told = story(&bench.journal(), &host.journal_key.unwrap());
    assert_eq!((told.paid, told.refused), (vec![1], vec![6]));
}

#[test]
fn a_line_that_was_paid_elsewhere_is_the_cards_word() {
    // Another terminal has paid the line: the card says 6340 and shows the receipt that stands.
    let mut card = {
        let flash = chip();
        let mut host = usual();
        let mut bench = ready(&flash, &mut host);
        let mut card = card(&plan());
        bench.tap(&mut card);
        bench.type_keys("271828\n");
        bench.tap(&mut card);
        card
    };
    let flash = chip();
    let mut host = usual();
    let mut bench = Bench::with(&flash, true, 9).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oMai\n");
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    assert_eq!(refused(&mut bench, &host), (vec![6], vec![0x6340]));
}

#[test]
fn a_clock_that_nobody_has_set() {
    let flash = chip();
    let mut host = usual();
    drop(ready(&flash, &mut host));
    let mut bench = Bench::power_on(&flash).unwrap();
    bench.type_keys("oLan\n");
    first_tap(&mut bench, &host, &mut card(&plan()), 8);
    assert_eq!(bench.commands, 0, "the card was not even asked");
}

#[test]
fn a_block_list_that_is_too_old_or_missing() {
    let flash = chip();
    let mut host = usual();
    let mut bench = Bench::power_on(&flash).unwrap();
    let agreement = host.make_keys(&mut bench).unwrap();
    let objects = host.objects(agreement);
    bench.done(&Request::Install { objects: &objects }).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    host.load_list(&mut bench, &host.list).unwrap();
    bench.type_keys("oLan\n");
    let mut card = card(&plan());
    first_tap(&mut bench, &host, &mut card, 9);
    // 35 days are borne, 36 are not.
    let day = |month, day| Time::new(date(2026, month, day), 23, 59, 59).unwrap();
    host.load_blocks(&mut bench, 1, day(10, 17)).unwrap();
    bench.tap(&mut card);
    assert_eq!(refused(&mut bench, &host).0, [9, 9]);
    host.load_blocks(&mut bench, 2, day(10, 18)).unwrap();
    bench.tap(&mut card);
    assert_eq!(refused(&mut bench, &host).0, [9, 9]);
}

#[test]
fn a_terminal_whose_certificate_has_expired() {
    let flash = chip();
    let mut host = usual();
    host.list.dates = (date(2026, 11, 1), date(2027, 1, 31));
    let mut bench = ready(&flash, &mut host);
    host.set_time(&mut bench, Time::new(date(2026, 12, 19), 23, 59, 0).unwrap())
        .unwrap();
    bench.wait(59_000);
    let mut card = card(&plan());
    bench.tap(&mut card);
    bench.type_keys("c");
    bench.wait(1_000);
    bench.tap(&mut card);
    assert_eq!(refused(&mut bench, &host).0, [15, 10]);
}

#[test]
fn a_list_that_is_not_for_today() {
    for dates in [
        (date(2026, 11, 1), date(2026, 11, 21)),
        (date(2026, 11, 23), date(2026, 11, 30)),
    ] {
        let flash = chip();
        let mut host = usual();
        host.list.dates = dates;
        let mut bench = ready(&flash, &mut host);
        first_tap(&mut bench, &host, &mut card(&plan()), 13);
    }
}

#[test]
fn a_journal_without_room_pays_nothing_until_it_is_acknowledged() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    let mut shifts = 0;
    loop {
        bench.type_keys("oLan\n");
        shifts += 1;
        bench.read_screen();
        bench.tap(&mut card);
        let screen = bench.read_screen();
        bench.type_keys("c");
        if screen.contains("nhật ký đầy") {
            break;
        }
        assert!(shifts < 1_000, "{screen}");
    }
    let entries = bench.journal();
    println!("full after {} entries in 65,536 bytes", entries.len());
    assert_eq!(refused(&mut bench, &host).0.last(), Some(&11));
    host.acknowledge(&mut bench, entries.last().unwrap()).unwrap();
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("ĐÃ TRẢ"));
}

#[test]
fn the_card_refuses_and_says_why() {
    let with = |parts: LineKeyParts| ListLine {
        line_key: LineKey::new(&parts),
        ..line(1, 1, 500_000)
    };
    let usual = line(1, 1, 500_000).line_key.parts();
    let ended = Plan {
        programmes: vec![
            (programme(b"BTXH"), ProgrammeStatus::Ended),
            (Programme::SUDDEN_RELIEF, ProgrammeStatus::Active),
        ],
        ..plan()
    };
    card_refuses(&ended, vec![line(1, 1, 500_000)], 0x6341, 12);
    let old = Period::new(2023, 10).unwrap();
    card_refuses(
        &plan(),
        vec![with(LineKeyParts { period: old, ..usual })],
        0x6342,
        12,
    );
    card_refuses(&plan(), vec![line(1, 1, 5_000_001)], 0x6343, 12);
    let caps = Caps {
        month: Amount::new(499_999).unwrap(),
        ..plan().caps
    };
    card_refuses(&Plan { caps, ..plan() }, vec![line(1, 1, 500_000)], 0x6344, 12);
}

#[test]
fn a_line_of_somebody_else_gets_no_order() {
    let flash = chip();
    let person = [0xEE; 16];
    let mut host = Host::new(vec![ListLine {
        line_key: LineKey::new(&LineKeyParts {
            person,
            ..line(1, 1, 500_000).line_key.parts()
        }),
        ..line(1, 1, 500_000)
    }]);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    assert_eq!(refused(&mut bench, &host).0, [13]);
    let told = story(&bench.journal(), &host.journal_key.unwrap());
    assert!(told.paid.is_empty() && !told.kinds.contains(&6), "an Intent");
}

#[test]
fn recoveries_and_empty_lines_are_due_to_nobody() {
    let flash = chip();
    let parts = line(1, 1, 1).line_key.parts();
    let recovery = LineKeyParts {
        line_type: LineType::Recovery,
        ..parts
    };
    let nobody = ListLine {
        recipients: 0,
        ..line(3, 3, 7)
    };
    let recovery = ListLine {
        line_key: LineKey::new(&recovery),
        ..line(1, 1, 500_000)
    };
    let mut host = Host::new(vec![recovery, line(2, 2, 0), nobody]);
    let mut bench = ready(&flash, &mut host);
    first_tap(&mut bench, &host, &mut card(&plan()), 1);
}

#[test]
fn a_line_that_changed_in_flash_is_not_paid() {
    for offset in 0..ListLine::LENGTH {
        let flash = chip();
        let mut host = Host::new(vec![line(1, 1, 500_000), line(2, 2, 7)]);
        let mut bench = ready(&flash, &mut host);
        let mut card = card(&plan());
        bench.tap(&mut card);
        bench.type_keys("271828\n");
        // The first list goes to the first place.
        flash.borrow_mut().bytes[bench::layout().lists[0].start as usize + offset] ^= 0x01;
        bench.tap(&mut card);
        let told = story(&bench.journal(), &host.journal_key.unwrap());
        assert_eq!((told.paid, told.refused), (vec![], vec![13]), "byte {offset}");
    }
}

/// Lines of others around the usual card's, which is line 12 of 20.
fn amidst_others() -> Host {
    let other = |number: u32| ListLine {
        card_number: CardNumber::new(80, u64::from(number)).unwrap(),
        ..line(number, 1, 1_000)
    };
    let mut lines: Vec<ListLine> = (1..=20).map(other).collect();
    lines[11] = line(12, 1, 500_000);
    Host::new(lines)
}

/// Where line `number` of the first list lies.
fn line_in_flash(number: usize) -> usize {
    bench::layout().lists[0].start as usize + (number - 1) * 64
}

/// What still reads as a line of this card does not lead to the root; what does not is none of its lines (DATA 3.2).
#[test]
fn a_line_that_changed_before_the_first_tap_is_refused_then() {
    for offset in 0..ListLine::LENGTH {
        let flash = chip();
        let mut host = amidst_others();
        let mut bench = ready(&flash, &mut host);
        flash.borrow_mut().bytes[line_in_flash(12) + offset] ^= 0x01;
        bench.tap(&mut card(&plan()));
        let (reasons, _) = refused(&mut bench, &host);
        let expected: &[u8] = match offset {
            // Its number: that of no line may be marked.
            5..9 => &[6, 13],
            // Person, programme and entitlement; day of the period; what of the amount is not its size.
            21..43 | 45..47 | 52..57 => &[13],
            // Tags and lengths, the card number, line type, recipients.
            _ => &[1],
        };
        assert!(
            reasons.len() == 1 && expected.contains(&reasons[0]),
            "byte {offset}: {reasons:?}"
        );
    }
}

#[test]
fn where_any_line_cannot_be_read_nobody_is_told_that_nothing_is_due() {
    for number in 1..=20 {
        let flash = chip();
        let mut host = amidst_others();
        let mut bench = ready(&flash, &mut host);
        let place = line_in_flash(number);
        flash.borrow_mut().unreadable = place..place + 1;
        first_tap(&mut bench, &host, &mut card(&plan()), 13);
        flash.borrow_mut().unreadable = 0..0;
        bench.tap(&mut card(&plan()));
        assert!(bench.read_screen().contains("500.000"), "line {number}");
    }
}

#[test]
fn silence_ends_the_service_and_forgets_the_pin() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    for keys in ["", "2718", "271828\n"] {
        bench.tap(&mut card);
        bench.type_keys(keys);
        bench.wait(119_999);
        assert!(!bench.read_screen().contains("đã hủy"));
        bench.wait(1);
        assert!(bench.read_screen().contains("đã hủy"));
    }
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.type_keys("c");
    assert_eq!(refused(&mut bench, &host).0, [15; 4]);
}

#[test]
fn another_card_at_the_second_tap_gets_no_pin() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ready(&flash, &mut host);
    let number = CardNumber::new(79, 2).unwrap();
    let mut other = card(&Plan { number, ..plan() });
    let mut card = card(&plan());
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    let before = other.memory().read(Slot::Pin).to_vec();
    bench.tap(&mut other);
    let screen = bench.read_screen();
    let told = format!("Thẻ khác: {number}. Trả lại thẻ đó, dùng thẻ {}", plan().number);
    assert!(screen.contains(&told), "{screen}");
    assert_eq!(other.memory().read(Slot::Pin), before, "no PIN was tried on it");
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("ĐÃ TRẢ"));
}

/// Blocked where a newer block list is in force: that is no forgery, and the clerk does not say so to the person.
#[test]
fn a_card_that_was_blocked_elsewhere_is_not_called_a_forgery() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    execute(&mut card, 0, Action::Block(BlockReason::Replaced));
    bench.tap(&mut card);
    let screen = bench.read_screen();
    assert!(
        screen.contains("mời đến nơi cấp thẻ") && !screen.contains("không hợp lệ"),
        "{screen}"
    );
    assert_eq!(refused(&mut bench, &host), (vec![12], vec![0x6982]));
    // An altered file is none the less.
    let mut forged = bench::host::card(&plan());
    bench.tap_with(&mut forged, &mut |_, command, mut answer| {
        if command[..2] == [0x84, 0xB0] {
            answer[3] ^= 1;
        }
        Some(answer)
    });
    assert!(bench.read_screen().contains("không hợp lệ"));
    assert_eq!(refused(&mut bench, &host).0, [12, 7]);
}

#[test]
fn a_card_that_stays_is_not_a_second_tap() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ready(&flash, &mut host);
    assert!(bench.look(true).is_some());
    bench.answer(&[0x6A, 0x82]);
    assert_eq!(refused(&mut bench, &host).0, [7]);
    assert_eq!(bench.look(true), None);
    assert_eq!(bench.look(false), None);
    assert!(bench.look(true).is_some());
}

#[test]
fn lists_are_loaded_again_only_with_a_higher_number() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ready(&flash, &mut host);
    let next = ListPlan::new(2, vec![line(1, 9, 1_000)]);
    let header = signed(&next.header(), host.issuer());
    bench.done(&Request::ListBegin { header: &header }).unwrap();
    // Until ListEnd the first one is in force.
    let mut card = card(&plan());
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("500.000"));
    bench.type_keys("c");
    bench.done(&Request::ListLines { bytes: &next.body() }).unwrap();
    bench.done(&Request::ListEnd).unwrap();
    bench.tap(&mut card);
    assert!(bench.read_screen().contains(" 1.000 đồng"));
}
