//! A second operator vouches for a photo document where the card's PIN is blocked (SPEC 9.3): another one, proven, once.
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
use bench::{Bench, Chip, Story, chip, story};
use card_spec::journal::{Entry, Event};
use card_spec::operators::{OperatorList, PinVerifier, Proof, Roles, TerminalOperator};
use card_spec::payment::HolderCheckMethod;
use card_spec::signed::Signed;
use card_spec::values::Ascii;
use link::Request;

fn operator<'a>(number: u16, name: &'a str, roles: u8) -> TerminalOperator<'a> {
    let pin = PinVerifier::new(b"314159", [number as u8; 16]).unwrap();
    TerminalOperator {
        number,
        name: Ascii::new(name).unwrap(),
        roles: Roles::from_byte(roles).unwrap(),
        proof: Proof::Pin(pin),
    }
}

/// A terminal with operators, and Lan's shift.
fn ready(flash: &RefCell<Chip>) -> (Bench<'_>, Host) {
    let mut bench = Bench::power_on(flash).unwrap();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    host.prepare(&mut bench).unwrap();
    let operators = [
        operator(1, "Lan", Roles::CLERK),
        operator(2, "minh", Roles::CLERK),
        operator(3, "twelve chars", Roles::CLERK),
        operator(4, "Hoa", Roles::SUPERVISOR),
    ];
    let list = OperatorList {
        suite: Default::default(),
        format: Default::default(),
        issuer: reference(ISSUER),
        terminal: NAME.parse().unwrap(),
        number: 1,
        operators: heapless::Vec::from_slice(&operators).unwrap(),
    };
    let signed = &signed(&list, &host.office.issuer);
    bench.done(&Request::Operators { signed }).unwrap();
    bench.type_keys("oLan\n314159\n");
    (bench, host)
}

fn block_pin(bench: &mut Bench<'_>, card: &mut Card) {
    bench.tap(card);
    for _ in 0..3 {
        bench.type_keys("000000\n");
        bench.tap(card);
    }
    let screen = bench.read_screen();
    assert!(screen.contains("bấm 2") && screen.contains("bấm d"), "{screen}");
}

/// The same, and a card whose PIN is blocked.
fn blocked(flash: &RefCell<Chip>) -> (Bench<'_>, Host, Card) {
    let (mut bench, host) = ready(flash);
    let mut card = card(&plan());
    block_pin(&mut bench, &mut card);
    (bench, host, card)
}

fn by_document(bench: &mut Bench<'_>, card: &mut Card) {
    bench.tap(card);
    bench.type_keys("d\n");
    bench.tap(card);
}

fn told(bench: &mut Bench<'_>, host: &Host) -> Story {
    story(&bench.journal(), &host.journal_key.unwrap())
}

/// Second operator of each order in the journal.
fn vouchers(bench: &mut Bench<'_>) -> Vec<Option<String>> {
    let entries = bench.journal();
    let orders =
        entries.iter().filter_map(
            |entry| match Signed::<Entry<'_>>::parse(entry).unwrap().claimed().event {
                Event::Intent(order) => {
                    Some(order.order().second_operator.map(|name| name.as_str().to_owned()))
                }
                _ => None,
            },
        );
    orders.collect()
}

#[test]
fn another_operator_vouches_for_one_service() {
    let flash = chip();
    let (mut bench, host, mut card) = blocked(&flash);
    by_document(&mut bench, &mut card);
    assert!(bench.read_screen().contains("bấm 2"));
    bench.type_keys("2minh\n314159\n");
    assert!(bench.read_screen().contains("Người thứ hai: minh"));
    by_document(&mut bench, &mut card);
    assert!(bench.read_screen().contains("ĐÃ TRẢ"));
    bench.type_keys("\n");
    let story = told(&mut bench, &host);
    assert_eq!((story.paid, story.open), (vec![1], None));
    assert_eq!(vouchers(&mut bench), [None, Some("minh".to_owned())]);
}

#[test]
fn it_vouches_once_whatever_comes_of_it() {
    // A service that ends without an order, one that the clerk cancels, and another shift.
    for between in ["service", "cancelled", "shift"] {
        let flash = chip();
        let (mut bench, host, mut card) = blocked(&flash);
        bench.type_keys("2minh\n314159\n");
        match between {
            "service" => bench.tap_any(&mut |_, _| None),
            "cancelled" => {
                bench.tap(&mut card);
                bench.type_keys("c");
            }
            _ => bench.type_keys("xoLan\n314159\n"),
        }
        by_document(&mut bench, &mut card);
        assert_eq!(vouchers(&mut bench), [None], "{between}");
        let story = told(&mut bench, &host);
        assert_eq!(
            (story.paid, story.status_words.last()),
            (vec![], Some(&0x6346)),
            "{between}"
        );
    }
}

#[test]
fn who_does_not_vouch() {
    for keys in [
        // The clerk, a name too long for an order, no clerk, a stranger, a wrong PIN, and nobody after all.
        "2Lan\n314159\n",
        "2twelve chars\n314159\n",
        "2Hoa\n",
        "2Tam\n",
        "2minh\n000000\n",
        "2minh\nc",
        "2\x1B",
    ] {
        let flash = chip();
        let (mut bench, host, mut card) = blocked(&flash);
        bench.type_keys(keys);
        by_document(&mut bench, &mut card);
        assert_eq!(vouchers(&mut bench), [None], "{keys:?}");
        assert_eq!(told(&mut bench, &host).paid, [], "{keys:?}");
    }
}

#[test]
fn who_does_not_vouch_reads_so_and_the_shift_is_no_matter() {
    for (keys, said) in [
        ("2Hoa\n", "được làm người thứ hai ở đây"),
        ("2Tam\n", "được làm người thứ hai ở đây"),
        (
            "2minh\n000000\n",
            "CHƯA CÓ NGƯỜI THỨ HAI: sai mã PIN.\nNO SECOND OPERATOR: wrong PIN.\nChờ 2 giây, bấm 2",
        ),
        ("2minh\n000000\n2", "Chờ thêm 2 giây rồi bấm 2"),
    ] {
        let flash = chip();
        let (mut bench, ..) = blocked(&flash);
        bench.type_keys(keys);
        let screen = bench.read_screen();
        assert!(screen.contains(said), "{keys}: {screen}");
        assert!(
            !screen.to_lowercase().contains("mở ca") && !screen.contains("bấm o"),
            "{keys}: {screen}"
        );
    }
}

#[test]
fn without_a_list_of_operators_nobody_vouches() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n2minh\n");
    let screen = bench.read_screen();
    assert!(screen.contains("Chưa có danh sách người trả nên"), "{screen}");
    by_document(&mut bench, &mut card(&plan()));
    assert_eq!(vouchers(&mut bench), [None]);
    // The PIN is not blocked: the document does.
    assert_eq!(told(&mut bench, &host).paid, [1]);
}

#[test]
fn a_pin_needs_no_second_operator() {
    let flash = chip();
    let (mut bench, host, _) = blocked(&flash);
    bench.type_keys("2minh\n314159\n");
    let mut card = card(&plan());
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    assert_eq!(vouchers(&mut bench), [None]);
    assert_eq!(told(&mut bench, &host).paid, [1]);
}

#[test]
fn a_blocked_pin_keeps_nobody_from_undoing_what_was_not_handed_over() {
    let flash = chip();
    let (mut bench, host) = ready(&flash);
    let mut card = card(&plan());
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    bench.type_keys("c7");
    block_pin(&mut bench, &mut card);
    // A document alone is not enough.
    by_document(&mut bench, &mut card);
    let screen = bench.read_screen();
    assert!(
        screen.contains("CHƯA HỦY") && screen.contains("bấm 2") && !screen.contains("ĐÃ HỦY"),
        "{screen}"
    );
    assert_eq!(told(&mut bench, &host).status_words.last(), Some(&0x6346));
    bench.type_keys("2minh\n314159\n");
    by_document(&mut bench, &mut card);
    let screen = bench.read_screen();
    assert!(screen.contains("ĐÃ HỦY"), "{screen}");
    assert_eq!(told(&mut bench, &host).reversed, [1]);
    let reversed = bench.journal().into_iter().rev().find_map(|entry| {
        let entry = Signed::<Entry<'_>>::parse(&entry).unwrap();
        match &entry.claimed().event {
            Event::ReverseIntent { reversal, .. } => Some(*reversal.reversal()),
            _ => None,
        }
        .map(|reversal| {
            (
                reversal.method,
                reversal.second_operator.unwrap().as_str().to_owned(),
            )
        })
    });
    assert_eq!(
        reversed,
        Some((HolderCheckMethod::PhotoDocument, "minh".to_owned()))
    );
}

#[test]
fn a_forgotten_pin_is_not_asked_for_where_a_document_undoes_it() {
    let flash = chip();
    let (mut bench, host) = ready(&flash);
    let mut card = card(&plan());
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    bench.type_keys("c7");
    bench.read_screen();
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("d = xem giấy tờ"));
    // There is no recipient to choose, and the PIN can be chosen again.
    bench.type_keys("habdp");
    let screen = bench.read_screen();
    assert!(!screen.contains("500.000"), "{screen}");
    bench.type_keys("d\n");
    bench.tap(&mut card);
    let screen = bench.read_screen();
    assert!(screen.contains("ĐÃ HỦY"), "{screen}");
    assert_eq!(told(&mut bench, &host).reversed, [1]);
}
