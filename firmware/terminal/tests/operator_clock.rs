//! A clock that a supervisor sets where no host is (DATA 7.2).
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

use bench::card::date;
use bench::card::issuer::{ISSUER, plan, reference, signed};
use bench::host::{Host, NAME, card, line, noon};
use bench::nor::TEARS;
use bench::{Bench, Chip, chip, story};
use card_spec::journal::{Entry, Event};
use card_spec::operators::{OperatorList, PinVerifier, Proof, Roles, TerminalOperator};
use card_spec::payment::ClockSource;
use card_spec::signed::Signed;
use card_spec::values::{Ascii, Time};
use link::{Refusal, Request};

/// A supervisor who is also a clerk, and a clerk.
fn load_operators(bench: &mut Bench<'_>, host: &Host) {
    load_list(bench, host, 1, "Hoa", "161803");
}

fn load_list(bench: &mut Bench<'_>, host: &Host, number: u32, supervisor: &'static str, pin: &str) {
    let operator = |number: u16, name: &'static str, roles: u8, pin: &str| {
        let pin = PinVerifier::new(pin.as_bytes(), [3; 16]).unwrap();
        TerminalOperator {
            number,
            name: Ascii::new(name).unwrap(),
            roles: Roles::from_byte(roles).unwrap(),
            proof: Proof::Pin(pin),
        }
    };
    let list = OperatorList {
        suite: Default::default(),
        format: Default::default(),
        issuer: reference(ISSUER),
        terminal: NAME.parse().unwrap(),
        number,
        operators: heapless::Vec::from_slice(&[
            operator(1, supervisor, Roles::CLERK | Roles::SUPERVISOR, pin),
            operator(7, "Lan", Roles::CLERK, "314159"),
        ])
        .unwrap(),
    };
    let signed = signed(&list, &host.office.issuer);
    bench.done(&Request::Operators { signed: &signed }).unwrap();
}

/// A terminal that was prepared at noon of the 22nd and has lost its power since.
fn without_time(flash: &RefCell<Chip>) -> (Bench<'_>, Host) {
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = Bench::power_on(flash).unwrap();
    host.prepare(&mut bench).unwrap();
    load_operators(&mut bench, &host);
    drop(bench);
    (Bench::power_on(flash).unwrap(), host)
}

const SET: &str = "g1\n161803\n202611230830\n";

fn at(day: u8, hour: u8, minute: u8) -> Time {
    Time::new(date(2026, 11, day), hour, minute, 0).unwrap()
}

/// Times that operators have set, with who did.
fn set_times(bench: &mut Bench<'_>) -> Vec<(Time, String)> {
    let entries = bench.journal();
    let told = entries.iter().filter_map(|entry| {
        let entry = Signed::<Entry<'_>>::parse(entry).unwrap();
        let entry = entry.claimed();
        match entry.event {
            Event::ClockSetByOperator { operator, .. } => {
                assert_eq!(entry.clock, ClockSource::Operator);
                Some((entry.time, operator.as_str().to_owned()))
            }
            _ => None,
        }
    });
    told.collect()
}

#[test]
fn a_supervisor_sets_the_clock_and_holders_are_paid_by_it() {
    let flash = chip();
    let (mut bench, host) = without_time(&flash);
    let mut card = card(&plan());
    assert!(bench.read_screen().contains("bấm g"));
    bench.type_keys(SET);
    assert!(bench.read_screen().contains("Đã đặt giờ"));
    bench.type_keys("o7\n314159\n");
    assert!(bench.read_screen().contains("người phụ trách đặt"));
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    bench.type_keys("\n");
    let entries = bench.journal();
    let order =
        entries.iter().find_map(
            |entry| match &Signed::<Entry<'_>>::parse(entry).unwrap().claimed().event {
                Event::Intent(order) => Some((order.order().time, order.order().clock)),
                _ => None,
            },
        );
    assert_eq!(order, Some((at(23, 8, 30), ClockSource::Operator)));
    assert_eq!(set_times(&mut bench), [(at(23, 8, 30), "Hoa".to_owned())]);
    assert_eq!(story(&entries, &host.journal_key.unwrap()).paid, [1]);
}

#[test]
fn nobody_else_sets_it_and_nothing_else_is_a_time() {
    let wrong = [
        // A clerk, a stranger, a wrong PIN, cancelled.
        "g7\n314159\n202611230830\n",
        "g9\n161803\n202611230830\n",
        "g1\n161804\n202611230830\n",
        "g1\n161803\n202611230830c",
        "g1\n161803\n202611230830\x1B",
        // No times.
        "g1\n161803\n\n",
        "g1\n161803\n20261123083\n",
        "g1\n161803\n202611310830\n",
        "g1\n161803\n202613230830\n",
        "g1\n161803\n202611232430\n",
        "g1\n161803\n202611230860\n",
        "g1\n161803\n199911230830\n",
        // Behind the newest entry, which is of noon on the 22nd.
        "g1\n161803\n202611221159\n",
        "g1\n161803\n202610230830\n",
        // Beyond the terminal's certificates.
        "g1\n161803\n202701230830\n",
        "g1\n161803\n209912310830\n",
    ];
    for keys in wrong {
        let flash = chip();
        let (mut bench, _) = without_time(&flash);
        bench.type_keys(keys);
        assert!(!bench.read_screen().contains("Đã đặt giờ"), "{keys}");
        bench.type_keys("o7\n314159\n");
        bench.wait(10_000);
        bench.type_keys("o7\n314159\n");
        bench.tap(&mut card(&plan()));
        assert!(bench.read_screen().contains("chưa có giờ"), "{keys}");
        assert_eq!(set_times(&mut bench), [], "{keys}");
    }
}

#[test]
fn without_operators_only_a_host_sets_the_clock() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    Host::new(vec![line(1, 1, 1)]).prepare(&mut bench).unwrap();
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    bench.type_keys("g");
    assert!(bench.read_screen().contains("chỉ máy chủ đặt được giờ"));
    bench.type_keys("oLan\n");
    assert!(bench.read_screen().contains("Mở ca: Lan"));
}

#[test]
fn a_hosts_time_stays_and_takes_the_place_of_an_operators() {
    let flash = chip();
    let (mut bench, host) = without_time(&flash);
    // The supervisor is a day ahead of the host, which is right.
    bench.type_keys(SET);
    assert_eq!(set_times(&mut bench).len(), 1);
    host.set_time(&mut bench, at(22, 13, 0)).unwrap();
    bench.read_screen();
    bench.type_keys("g1\n161803\n202611230930\n");
    assert!(bench.read_screen().contains("Giờ do máy chủ đặt, giữ nguyên"));
    assert_eq!(set_times(&mut bench).len(), 1);
    bench.type_keys("o7\n314159\n");
    let last = bench.journal().pop().unwrap();
    let last = Signed::<Entry<'_>>::parse(&last).unwrap();
    assert_eq!(
        (last.claimed().time, last.claimed().clock),
        (at(22, 13, 0), ClockSource::Host)
    );
    // A host's own time never goes back.
    assert_eq!(host.set_time(&mut bench, noon()), Err(Refusal::TimeNotAccepted));
}

#[test]
fn a_hosts_time_that_comes_while_a_supervisor_types_stays() {
    // The host comes while the time is typed, or before that, while the PIN is.
    for (before, after) in [
        ("g1\n161803\n202611230830", "\n"),
        ("g1\n161803", "\n202611230830\n"),
    ] {
        let flash = chip();
        let (mut bench, host) = without_time(&flash);
        bench.type_keys(before);
        host.set_time(&mut bench, at(22, 13, 0)).unwrap();
        bench.read_screen();
        bench.type_keys(after);
        let screen = bench.read_screen();
        assert!(screen.contains("Giờ do máy chủ đặt, giữ nguyên"), "{screen}");
        assert_eq!(set_times(&mut bench), []);
    }
}

#[test]
fn a_list_that_comes_while_a_supervisor_types_asks_for_the_supervisor_anew() {
    // Somebody else is supervisor now, or the PIN is another one.
    for (supervisor, pin) in [("Binh", "161803"), ("Hoa", "141421")] {
        let flash = chip();
        let (mut bench, host) = without_time(&flash);
        bench.type_keys("g1\n161803\n202611230830");
        load_list(&mut bench, &host, 2, supervisor, pin);
        bench.read_screen();
        bench.type_keys("\n");
        let screen = bench.read_screen();
        assert!(screen.contains("bấm g lần nữa"), "{screen}");
        assert_eq!(set_times(&mut bench), []);
        bench.type_keys(&format!("g1\n{pin}\n202611230830\n"));
        assert_eq!(set_times(&mut bench), [(at(23, 8, 30), supervisor.to_owned())]);
    }
    // The same list once more changes nothing.
    let flash = chip();
    let (mut bench, host) = without_time(&flash);
    bench.type_keys("g1\n161803\n202611230830");
    load_operators(&mut bench, &host);
    bench.type_keys("\n");
    assert_eq!(set_times(&mut bench), [(at(23, 8, 30), "Hoa".to_owned())]);
}

#[test]
fn who_may_not_set_the_clock_reads_so() {
    for (keys, said) in [
        ("g7\n", "được đặt giờ ở đây"),
        ("g9\n", "được đặt giờ ở đây"),
        (
            "g1\n000000\n",
            "CHƯA ĐẶT GIỜ: sai mã PIN.\nCLOCK UNCHANGED: wrong PIN.\nChờ 2 giây, bấm g",
        ),
        ("g1\n000000\ng", "Chờ thêm 2 giây rồi bấm g"),
    ] {
        let flash = chip();
        let (mut bench, _) = without_time(&flash);
        bench.read_screen();
        bench.type_keys(keys);
        let screen = bench.read_screen();
        assert!(screen.contains(said), "{keys}: {screen}");
        assert!(!screen.contains("CHƯA MỞ CA"), "{keys}: {screen}");
    }
}

#[test]
fn a_supervisor_corrects_forwards_only_also_after_another_start() {
    let flash = chip();
    let (mut bench, host) = without_time(&flash);
    bench.type_keys(SET);
    bench.type_keys("g1\n161803\n202611230829\n");
    assert!(bench.read_screen().contains("sớm hơn"));
    bench.type_keys("g1\n161803\n202611230831\n");
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    bench.type_keys("g1\n161803\n202611230830\n");
    assert!(bench.read_screen().contains("sớm hơn"));
    // The host's time is still what it was before the supervisor's.
    host.set_time(&mut bench, at(22, 12, 1)).unwrap();
    let expected = [
        (at(23, 8, 30), "Hoa".to_owned()),
        (at(23, 8, 31), "Hoa".to_owned()),
    ];
    assert_eq!(set_times(&mut bench), expected);
}

#[test]
fn a_time_left_lying_is_not_set() {
    let flash = chip();
    let (mut bench, _) = without_time(&flash);
    bench.type_keys("g1\n161803\n202611230830");
    bench.wait(120_000);
    bench.type_keys("\n");
    assert_eq!(set_times(&mut bench), []);
}

#[test]
fn a_pin_for_the_clock_opens_no_shift() {
    let flash = chip();
    let (mut bench, _) = without_time(&flash);
    bench.type_keys(SET);
    assert!(!bench.field);
    bench.type_keys("g1\n161803\nc");
    assert!(!bench.field);
    // Wrong ones count for both.
    bench.type_keys("g1\n000000\n");
    bench.read_screen();
    bench.type_keys("o7\n");
    assert!(bench.read_screen().contains("Chờ thêm"));
}

#[test]
fn a_power_cut_while_the_clock_is_set_leaves_an_entry_or_none() {
    let original = chip();
    drop(without_time(&original));
    let mut cuts = 0;
    for operation in 0.. {
        let flash = RefCell::new(original.borrow().clone());
        flash.borrow_mut().cut(operation, TEARS[(operation % 7) as usize]);
        let mut promised = false;
        if let Ok(mut bench) = Bench::power_on(&flash) {
            bench.type_keys(SET);
            promised = bench.screen.contains("Đã đặt giờ");
        }
        if !flash.borrow().is_dead() {
            break;
        }
        cuts += 1;
        flash.borrow_mut().power_up();
        let mut bench = Bench::power_on(&flash).unwrap();
        let kept = set_times(&mut bench).len();
        assert!(kept <= 1 && (kept == 1 || !promised), "cut at {operation}");
        bench.type_keys(SET);
        assert!(bench.screen.contains("Đã đặt giờ"), "cut at {operation}");
    }
    assert!(cuts > 2, "{cuts}");
}
