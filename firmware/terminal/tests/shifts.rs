//! Shifts: who may open one, what a stranger gets, and how one ends (DATA 11).
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
use bench::host::{Host, NAME, card, line};
use bench::nor::TEARS;
use bench::{Bench, Chip, chip};
use card_spec::journal::{Entry, Event, ShiftEnd};
use card_spec::operators::{OperatorList, PinVerifier, Proof, Roles, TerminalOperator};
use card_spec::signed::Signed;
use card_spec::values::Ascii;
use link::{Refusal, Request};

const MINUTE: u64 = 60_000;

fn operator<'a>(number: u16, name: &'a str, roles: u8, pin: &str) -> TerminalOperator<'a> {
    let pin = PinVerifier::new(pin.as_bytes(), [number as u8; 16]).unwrap();
    TerminalOperator {
        number,
        name: Ascii::new(name).unwrap(),
        roles: Roles::from_byte(roles).unwrap(),
        proof: Proof::Pin(pin),
    }
}

fn list<'a>(number: u32, operators: &[TerminalOperator<'a>]) -> OperatorList<'a> {
    OperatorList {
        suite: Default::default(),
        format: Default::default(),
        issuer: reference(ISSUER),
        terminal: NAME.parse().unwrap(),
        number,
        operators: heapless::Vec::from_slice(operators).unwrap(),
    }
}

/// Two clerks and a supervisor.
fn staff(number: u32) -> OperatorList<'static> {
    list(
        number,
        &[
            operator(7, "Lan", Roles::CLERK, "314159"),
            operator(12, "minh.2", Roles::CLERK | Roles::SUPERVISOR, "123456789012"),
            operator(1, "Hoa", Roles::SUPERVISOR, "161803"),
        ],
    )
}

fn load(bench: &mut Bench<'_>, host: &Host, list: &OperatorList<'_>) -> Result<(), Refusal> {
    bench.done(&Request::Operators {
        signed: &signed(list, &host.office.issuer),
    })
}

fn with_staff(flash: &RefCell<Chip>) -> (Bench<'_>, Host) {
    let mut bench = Bench::power_on(flash).unwrap();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    host.prepare(&mut bench).unwrap();
    load(&mut bench, &host, &staff(1)).unwrap();
    bench.read_screen();
    (bench, host)
}

/// What the journal tells about operators, in few words.
fn told(bench: &mut Bench<'_>) -> Vec<String> {
    let entries = bench.journal();
    let told = entries.iter().filter_map(|entry| {
        Some(
            match &Signed::<Entry<'_>>::parse(entry).unwrap().claimed().event {
                Event::OperatorsLoaded { number, .. } => format!("list {number}"),
                Event::ShiftOpened { operator } => format!("{} in", operator.as_str()),
                Event::ShiftClosed { operator, end } => format!("{} out {}", operator.as_str(), *end as u8),
                Event::OperatorRefused { operator, attempts } => {
                    format!("{} wrong {attempts}", operator.as_str())
                }
                _ => return None,
            },
        )
    });
    told.collect()
}

#[test]
fn without_a_list_anybody_opens_a_shift_and_everybody_reads_so() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    Host::new(vec![line(1, 1, 1)]).prepare(&mut bench).unwrap();
    assert!(bench.read_screen().contains("CA KHÔNG CÓ MÃ PIN"));
    bench.type_keys("oAnybody\n");
    assert!(bench.read_screen().contains("CA KHÔNG CÓ MÃ PIN"));
    assert!(bench.field);
    assert_eq!(told(&mut bench), ["Anybody in"]);
}

#[test]
fn an_operator_opens_a_shift_by_name_or_number_with_the_right_pin() {
    let ways = [
        ("oLan\n314159\n", "Lan in"),
        ("olan\n314159\n", "Lan in"),
        ("o7\n314159\n", "Lan in"),
        ("o007\n9\x08314159\n", "Lan in"),
        ("o12\n123456789012\n", "minh.2 in"),
    ];
    for (keys, opened) in ways {
        let flash = chip();
        let (mut bench, _) = with_staff(&flash);
        bench.type_keys(keys);
        let screen = bench.read_screen();
        assert!(
            screen.contains("Mở ca") && !screen.contains("KHÔNG CÓ MÃ PIN"),
            "{keys}: {screen}"
        );
        assert!(
            !screen.contains("314159") && !screen.contains("123456789012"),
            "{screen}"
        );
        assert!(bench.field, "{keys}");
        assert_eq!(told(&mut bench), ["list 1", opened], "{keys}");
    }
}

#[test]
fn nobody_else_opens_one() {
    let wrong = [
        "oBinh\n314159\n",
        "o8\n314159\n",
        "oLan\n161803\n",
        "oLan\n\n",
        "oLan\n31415\n",
        "oLan\n3141590\n",
        "oLan\n3141592653589793\n",
        "o7\n314159c",
        "o7\n314159\x1B",
        // A supervisor who is no clerk.
        "oHoa\n161803\n",
        "o1\n161803\n",
    ];
    for keys in wrong {
        let flash = chip();
        let (mut bench, _) = with_staff(&flash);
        bench.type_keys(keys);
        assert!(!bench.field && !bench.read_screen().contains("Mở ca:"), "{keys}");
        assert_eq!(told(&mut bench), ["list 1"], "{keys}");
    }
}

#[test]
fn who_opens_no_shift_reads_so_and_how_to_leave_the_question() {
    for (keys, said) in [
        ("o", "ESC = hủy"),
        ("oBinh\n", "được mở ca ở đây"),
        ("oHoa\n", "được mở ca ở đây"),
        (
            "o7\n000000\n",
            "CHƯA MỞ CA: sai mã PIN.\nNO SHIFT OPENED: wrong PIN.\nChờ 2 giây, bấm o",
        ),
        ("o7\n000000\no", "Chờ thêm 2 giây rồi bấm o"),
    ] {
        let flash = chip();
        let (mut bench, _) = with_staff(&flash);
        bench.read_screen();
        bench.type_keys(keys);
        let screen = bench.read_screen();
        assert!(screen.contains(said), "{keys}: {screen}");
    }
}

#[test]
fn wrong_pins_cost_ever_more_time_and_from_the_third_on_an_entry() {
    let flash = chip();
    let (mut bench, _) = with_staff(&flash);
    for (wrong, seconds) in [(1, 2), (2, 4), (3, 8), (4, 16)] {
        bench.type_keys("o7\n000000\n");
        assert!(
            bench.read_screen().contains(&format!("Chờ {seconds} giây")),
            "{wrong}"
        );
        // The right PIN helps nobody before its time.
        bench.wait(seconds * 1_000 - 1);
        bench.type_keys("o7\n314159\n");
        assert!(bench.read_screen().contains("Chờ thêm 1 giây"), "{wrong}");
        assert!(!bench.field, "{wrong}");
        bench.wait(1);
    }
    bench.type_keys("o7\n314159\n");
    assert!(bench.field);
    assert_eq!(
        told(&mut bench),
        ["list 1", "Lan wrong 3", "Lan wrong 4", "Lan in"]
    );
    // They are forgiven.
    bench.type_keys("xo7\n000000\n");
    assert!(bench.read_screen().contains("Chờ 2 giây"));
}

#[test]
fn nobody_waits_longer_than_five_minutes() {
    let flash = chip();
    let (mut bench, _) = with_staff(&flash);
    for _ in 0..70 {
        bench.type_keys("o7\n000000\n");
        bench.wait(5 * MINUTE);
    }
    bench.type_keys("o7\n314159\n");
    assert!(bench.field, "{}", bench.screen);
}

#[test]
fn the_wait_outlives_the_power() {
    let flash = chip();
    let (mut bench, _) = with_staff(&flash);
    for _ in 0..3 {
        bench.type_keys("o7\n000000\n");
        bench.wait(5 * MINUTE);
    }
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    bench.type_keys("o7\n314159\n");
    assert!(!bench.field && bench.read_screen().contains("Chờ thêm 8 giây"));
    bench.wait(8_000);
    bench.type_keys("o7\n000000\n");
    assert!(bench.read_screen().contains("Chờ 16 giây"));
    assert_eq!(told(&mut bench), ["list 1", "Lan wrong 3", "Lan wrong 4"]);
}

#[test]
fn a_pin_that_is_left_lying_is_forgotten() {
    let flash = chip();
    let (mut bench, _) = with_staff(&flash);
    bench.type_keys("o7\n31415");
    bench.wait(2 * MINUTE);
    bench.read_screen();
    bench.type_keys("9\n");
    assert!(!bench.field && !bench.read_screen().contains("Mở ca:"));
    bench.type_keys("o7\n314159\n");
    assert!(bench.field);
}

#[test]
fn a_shift_is_closed_by_a_key_once_the_money_is_handed_over() {
    let flash = chip();
    let (mut bench, _) = with_staff(&flash);
    let mut card: Card = card(&plan());
    bench.type_keys("o7\n314159\n");
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    bench.read_screen();
    bench.type_keys("x");
    assert!(
        bench.read_screen().contains("500.000 đồng"),
        "it asks for the money first"
    );
    bench.type_keys("\nx");
    assert!(bench.read_screen().contains("Kết ca: Lan"));
    assert!(!bench.field);
    bench.type_keys("xx");
    assert_eq!(told(&mut bench), ["list 1", "Lan in", "Lan out 1"]);
    bench.tap(&mut card);
    assert_eq!(bench.commands, 0, "without a shift no card is served");
}

#[test]
fn a_shift_that_nobody_works_in_ends() {
    let flash = chip();
    let (mut bench, _) = with_staff(&flash);
    let mut card: Card = card(&plan());
    bench.type_keys("o7\n314159\n");
    bench.wait(15 * MINUTE - 1);
    // A key is work; and while a holder is served the clerk is there.
    bench.type_keys("?");
    bench.wait(14 * MINUTE);
    bench.tap(&mut card);
    bench.wait(MINUTE);
    assert!(bench.field || bench.read_screen().contains("PIN"));
    bench.wait(MINUTE);
    bench.wait(14 * MINUTE);
    assert_eq!(told(&mut bench), ["list 1", "Lan in"]);
    bench.type_keys("o");
    bench.wait(15 * MINUTE);
    assert!(bench.read_screen().contains("Kết ca: Lan vì đã lâu"));
    assert!(!bench.field);
    bench.type_keys("7\n");
    assert_eq!(told(&mut bench), ["list 1", "Lan in", "Lan out 2"]);
}

#[test]
fn another_list_ends_the_shift_and_who_is_not_on_it_opens_no_other() {
    let flash = chip();
    let (mut bench, host) = with_staff(&flash);
    bench.type_keys("o7\n314159\n");
    let newer = list(2, &[operator(12, "minh.2", Roles::CLERK, "123456789012")]);
    load(&mut bench, &host, &newer).unwrap();
    assert!(!bench.field && bench.read_screen().contains("Kết ca: Lan"));
    bench.type_keys("o7\n314159\n");
    assert!(!bench.field);
    assert_eq!(told(&mut bench), ["list 1", "Lan in", "list 2", "Lan out 3"]);
    // So it is after a power cut.
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    bench.type_keys("o7\n314159\n");
    assert!(!bench.field);
    bench.type_keys("o12\n123456789012\n");
    assert!(bench.field);
}

#[test]
fn operators_of_anybody_but_the_issuer_or_for_another_terminal_are_refused() {
    let flash = chip();
    let (mut bench, host) = with_staff(&flash);
    let other_terminal = OperatorList {
        terminal: "VNT0000002".parse().unwrap(),
        ..staff(2)
    };
    let other_issuer = OperatorList {
        issuer: reference("VNISS7900009"),
        ..staff(2)
    };
    let twice = list(
        2,
        &[
            operator(7, "Lan", Roles::CLERK, "314159"),
            operator(7, "Minh", Roles::CLERK, "314159"),
        ],
    );
    let refused = [
        (other_terminal, Refusal::NotForThisTerminal),
        (other_issuer, Refusal::NotForThisTerminal),
        (list(2, &[]), Refusal::Malformed),
        (twice, Refusal::Malformed),
        (
            list(1, &[operator(7, "Lan", Roles::CLERK, "000000")]),
            Refusal::NotNewer,
        ),
        (
            list(0, &[operator(7, "Lan", Roles::CLERK, "000000")]),
            Refusal::NotNewer,
        ),
    ];
    for (wrong, reason) in refused {
        assert_eq!(load(&mut bench, &host, &wrong), Err(reason), "{wrong:?}");
    }
    let forged = signed(&staff(2), &host.office.terminal_ca);
    assert_eq!(
        bench.done(&Request::Operators { signed: &forged }),
        Err(Refusal::NotGenuine)
    );
    let whole = signed(&staff(2), &host.office.issuer);
    for end in 0..whole.len() {
        let cut = bench.done(&Request::Operators {
            signed: &whole[..end],
        });
        assert_eq!(cut, Err(Refusal::Malformed), "{end}");
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x01;
        assert!(
            bench.done(&Request::Operators { signed: &changed }).is_err(),
            "{at}"
        );
    }
    // The one in force again is no other list.
    load(&mut bench, &host, &staff(1)).unwrap();
    assert_eq!(told(&mut bench), ["list 1"]);
    bench.type_keys("o7\n314159\n");
    assert!(bench.field);
}

#[test]
fn a_terminal_without_certificates_takes_no_operators() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let host = Host::new(vec![line(1, 1, 1)]);
    assert_eq!(load(&mut bench, &host, &staff(1)), Err(Refusal::OutOfOrder));
}

#[test]
fn no_operators_come_while_a_holder_is_served() {
    let flash = chip();
    let (mut bench, host) = with_staff(&flash);
    let mut card: Card = card(&plan());
    bench.type_keys("o7\n314159\n");
    bench.tap(&mut card);
    assert_eq!(load(&mut bench, &host, &staff(2)), Err(Refusal::Busy));
    assert_eq!(told(&mut bench), ["list 1", "Lan in"]);
}

/// The power goes at each flash operation of loading operators: the list before or after is in force, its entry is in the
/// journal, and no terminal that had operators is without any.
#[test]
fn a_power_cut_leaves_the_operators_before_or_after() {
    let original = chip();
    let (bench, host) = with_staff(&original);
    drop(bench);
    let mut cuts = 0;
    for operation in 0.. {
        let flash = RefCell::new(original.borrow().clone());
        let tear = TEARS[(operation % 7) as usize];
        flash.borrow_mut().cut(operation, tear);
        let mut promised = false;
        if let Ok(mut bench) = Bench::power_on(&flash) {
            let newer = list(2, &[operator(9, "Binh", Roles::CLERK, "577215")]);
            promised = load(&mut bench, &host, &newer).is_ok();
        }
        if !flash.borrow().is_dead() {
            break;
        }
        cuts += 1;
        // And once more during what completes it.
        flash.borrow_mut().power_up();
        flash.borrow_mut().cut(operation % 5, tear);
        drop(Bench::power_on(&flash));
        flash.borrow_mut().power_up();
        let mut bench = Bench::power_on(&flash).unwrap();
        bench.type_keys("o9\n577215\n");
        let is_newer = bench.field;
        assert!(is_newer || !promised, "cut at {operation}: the list was promised");
        if !is_newer {
            bench.type_keys("o7\n314159\n");
            assert!(bench.field, "cut at {operation}: {}", bench.screen);
        }
        let expected: &[&str] = if is_newer {
            &["list 1", "list 2", "Binh in"]
        } else {
            &["list 1", "Lan in"]
        };
        assert_eq!(told(&mut bench), expected, "cut at {operation}");
    }
    assert!(cuts > 20, "{cuts}");
}

#[test]
fn ends_of_shifts_have_the_bytes_of_data_5() {
    let ends = [ShiftEnd::Closed, ShiftEnd::Idle, ShiftEnd::OperatorsChanged];
    assert_eq!(ends.map(|end| end as u8), [1, 2, 3]);
}
