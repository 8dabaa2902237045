//! Receipts that a card brings from other terminals (DATA 5.6): why a line is refused, and a clerk who reads a card; on a genuine card,
//! torn at any command, and on one that says whatever it likes.
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
use bench::card::issuer::{CertificatePlan, Office, plan, secret, signed};
use bench::card::terminal::{Terminal, bytes};
use bench::host::{Host, card, line};
use bench::nor::TEARS;
use bench::scripted_card::ScriptedCard;
use bench::{Bench, Chip, Story, chip, copy, story};
use card_spec::crypto::{PortableP256, PublicKey, sha256};
use card_spec::journal::{Entry, Event};
use card_spec::payment::{
    ClockSource, HolderCheckMethod, Operator, Order, Receipt, ReceiptKind, Recipient, SecondOperator,
};
use card_spec::reversal::Reversal;
use card_spec::signed::Signed;
use card_spec::values::{Amount, CardNumber};

const CARRIED: u8 = 15;
const OTHER: &str = "VNT0000002";

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

/// What the entries of kind 15 hold: counter and kind of each receipt, verified under the card's key.
fn carried(bench: &mut Bench<'_>, key: &PublicKey) -> Vec<(u32, ReceiptKind)> {
    let verified = |entry: &Vec<u8>| match &Signed::<Entry<'_>>::parse(entry).unwrap().claimed().event {
        Event::CarriedReceipt(carried) => {
            let receipt = carried.receipt().signed().verify(&PortableP256, key).unwrap();
            assert_eq!(carried.source().unwrap().terminal.as_str(), OTHER);
            Some((receipt.counter, receipt.kind))
        }
        _ => None,
    };
    bench.journal().iter().filter_map(verified).collect()
}

/// Another terminal with its own certificate.
fn other() -> Terminal {
    let office = Office::new();
    let plan = CertificatePlan {
        holder: "VNT0000002A00001",
        ..office.terminal_plan()
    };
    Terminal::with(&office, &plan)
}

/// It pays these lines of the bench's list, and undoes the last one. Gives the card's key.
fn pay_elsewhere(card: &mut Card, lines: &[(u16, u64)], undo: bool) -> PublicKey {
    card.reset();
    let mut session = other().open(card).unwrap();
    let (orders, total) = (
        lines.len() as u8 + u8::from(undo),
        lines.iter().map(|line| line.1).sum(),
    );
    assert_eq!(session.verify(card, b"271828", orders, total), 0x9000);
    let mut last = [0; 32];
    for (nonce, (entitlement, vnd)) in (1..).zip(lines) {
        let order = Order {
            line_key: line(1, *entitlement, 1).line_key,
            ..session.order((2026, 11), *vnd, nonce)
        };
        assert_eq!(session.disburse(card, &order).unwrap().0, 0x9000);
        last = sha256(&[&bytes(&order)]);
    }
    if undo {
        let order = session.order((2026, 11), 1, 77);
        let reversal = Reversal {
            terminal: order.terminal,
            sequence: 90,
            log_head: [5; 32],
            order_hash: last,
            cso_hash: order.cso_hash,
            method: HolderCheckMethod::Pin,
            operator: order.operator,
            second_operator: None,
            time: order.time,
            clock: ClockSource::Host,
            nonce: [6; 16],
        };
        let encoding = reversal.encode(&mut [0; 300]).unwrap().to_vec();
        let (status, _, _) = session
            .secure
            .send(card, [0x80, 0x56, 0x00, 0x00], &encoding)
            .unwrap();
        assert_eq!(status.0, 0x9000);
    }
    session.cso.signing_key
}

fn both_taps(bench: &mut Bench<'_>, card: &mut Card) -> String {
    bench.tap(card);
    bench.type_keys("271828\n");
    bench.read_screen();
    bench.tap(card);
    bench.read_screen()
}

#[test]
fn a_line_paid_elsewhere_is_refused_with_place_and_time_and_its_receipt_is_kept() {
    for newer in 0..3_usize {
        let flash = chip();
        let mut host = Host::new(vec![line(1, 1, 500_000), line(2, 2, 300_000)]);
        let mut bench = ready(&flash, &mut host);
        let mut card = card(&plan());
        // Others were paid after it, so its record is not the newest.
        let lines = [(1, 500_000), (7, 10), (8, 10)];
        let key = pay_elsewhere(&mut card, &lines[..=newer], false);
        let screen = both_taps(&mut bench, &mut card);
        let text = "Đã trả 2026-11-22 tại VNT0000002: 500.000 đồng.";
        assert!(screen.contains(text), "{screen}");
        // The other line is paid in the same tap.
        let story = told(&mut bench, &host);
        assert_eq!(
            (story.paid, story.status_words, story.open),
            (vec![2], vec![0x6340], None)
        );
        assert!(screen.contains("ĐÃ TRẢ / PAID: dòng / line 2"), "{screen}");
        assert_eq!(carried(&mut bench, &key), [(1, ReceiptKind::Payment)]);
        // It is not asked for again.
        bench.type_keys("\n");
        bench.tap(&mut card);
        assert!(bench.read_screen().contains("đã trả rồi"));
        assert_eq!(carried(&mut bench, &key).len(), 1);
    }
}

#[test]
fn an_open_order_for_what_was_paid_elsewhere_is_settled_so() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    bench.tear(&mut card, false);
    let key = pay_elsewhere(&mut card, &[(1, 500_000)], false);
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("tại VNT0000002"));
    assert_eq!(carried(&mut bench, &key), [(1, ReceiptKind::Payment)]);
    assert_eq!(told(&mut bench, &host).open, None);
}

#[test]
fn a_clerk_reads_a_card_and_what_was_read_is_known() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    let read = |bench: &mut Bench<'_>, card: &mut Card| {
        bench.type_keys("3");
        bench.tap(card);
        bench.read_screen()
    };
    assert!(read(&mut bench, &mut card).contains("New receipts of other terminals: 0."));
    // What this terminal pays itself is no news.
    both_taps(&mut bench, &mut card);
    bench.type_keys("\n");
    let key = pay_elsewhere(&mut card, &[(7, 10), (8, 20)], true);
    let screen = read(&mut bench, &mut card);
    assert!(screen.contains("New receipts of other terminals: 3."), "{screen}");
    assert!(screen.contains("All are read"), "{screen}");
    let expected = [
        (4, ReceiptKind::Reversal),
        (3, ReceiptKind::Payment),
        (2, ReceiptKind::Payment),
    ];
    assert_eq!(carried(&mut bench, &key), expected);
    assert!(read(&mut bench, &mut card).contains("New receipts of other terminals: 0."));
    assert_eq!(bench.commands, 11, "the newest is looked at");
    pay_elsewhere(&mut card, &[(9, 10)], false);
    assert!(read(&mut bench, &mut card).contains("New receipts of other terminals: 1."));
    assert_eq!(carried(&mut bench, &key).len(), 4);
    // After a power cut it is not known any more, and read again.
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    bench.type_keys("oLan\n");
    // Nor is a clock needed, nor a list.
    assert!(read(&mut bench, &mut card).contains("New receipts of other terminals: 4."));
    assert_eq!(told(&mut bench, &host).paid, [1]);
}

#[test]
fn reading_wants_a_shift_and_ends_with_a_key_or_with_time() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = Bench::power_on(&flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.read_screen();
    bench.type_keys("3");
    assert!(!bench.read_screen().contains("đọc biên nhận"));
    bench.type_keys("oLan\n");
    for end in ["c", "wait"] {
        bench.type_keys("3");
        assert!(bench.read_screen().contains("Chạm thẻ để đọc biên nhận"));
        match end {
            "c" => bench.type_keys("c"),
            _ => bench.wait(120_000),
        }
        assert!(bench.read_screen().contains("Chạm thẻ / Tap card"));
    }
    // What is to be handed over comes first.
    let mut card = card(&plan());
    both_taps(&mut bench, &mut card);
    bench.type_keys("3");
    assert!(!bench.read_screen().contains("đọc biên nhận"));
}

#[test]
fn a_card_torn_away_at_any_command_leaves_what_was_kept_and_is_read_again() {
    let original = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    drop(ready(&original, &mut host));
    let mut first = card(&plan());
    let key = pay_elsewhere(&mut first, &[(7, 10), (8, 20)], false);
    let mut ends = Vec::new();
    for torn in 0.. {
        let flash = RefCell::new(original.borrow().clone());
        let mut bench = Bench::power_on(&flash).unwrap();
        bench.type_keys("oLan\n3");
        let mut card = copy(&first, 1);
        bench.tap_with(&mut card, &mut |number, _, answer| {
            (number != torn).then_some(answer)
        });
        let is_whole = bench.commands <= torn;
        let taken = carried(&mut bench, &key).len();
        let screen = bench.read_screen();
        assert_eq!(screen.contains("All are read"), is_whole, "{torn}: {screen}");
        ends.push(taken);
        bench.type_keys("3");
        bench.tap(&mut card);
        assert!(bench.read_screen().contains("All are read"), "{torn}");
        let counters: Vec<_> = carried(&mut bench, &key);
        assert!(
            counters.len() <= 4 && counters.ends_with(&[(1, ReceiptKind::Payment)]),
            "{torn}"
        );
        told(&mut bench, &host);
        if is_whole {
            break;
        }
    }
    ends.dedup();
    assert_eq!(ends, [0, 1, 2]);
}

/// The terminal knows from then on that the line is paid, so it says at once that the receipt is still to be read.
#[test]
fn a_card_torn_away_after_it_has_refused_a_line_is_to_be_read_with_the_key() {
    for lines in [
        vec![line(1, 1, 500_000)],
        vec![line(1, 1, 500_000), line(2, 2, 300_000)],
    ] {
        let original = chip();
        let mut host = Host::new(lines);
        drop(ready(&original, &mut host));
        let mut first = card(&plan());
        // The receipt that stands is not the newest: two records are read.
        let key = pay_elsewhere(&mut first, &[(1, 500_000), (8, 20)], false);
        let mut torn_while_reading = 0;
        for torn in 0.. {
            let flash = RefCell::new(original.borrow().clone());
            let mut bench = ready(&flash, &mut host);
            let mut card = copy(&first, 1);
            bench.tap(&mut card);
            bench.type_keys("271828\n");
            bench.read_screen();
            bench.tap_with(&mut card, &mut |number, _, answer| {
                (number != torn).then_some(answer)
            });
            let is_whole = bench.commands <= torn;
            let screen = bench.read_screen();
            let story = told(&mut bench, &host);
            let is_refused = story.status_words == [0x6340];
            let is_kept = carried(&mut bench, &key) == [(1, ReceiptKind::Payment)];
            assert_eq!(
                screen.contains("press 3 and tap"),
                is_refused && !is_kept,
                "{torn}: {screen}"
            );
            if is_refused && !is_kept {
                torn_while_reading += 1;
                bench.type_keys("3");
                bench.tap(&mut card);
                assert!(bench.read_screen().contains("All are read"), "{torn}");
                let both = [(2, ReceiptKind::Payment), (1, ReceiptKind::Payment)];
                assert_eq!(carried(&mut bench, &key), both, "{torn}");
            }
            if is_whole {
                assert!(is_kept);
                break;
            }
        }
        assert_eq!(torn_while_reading, 2);
    }
}

#[test]
fn the_power_goes_at_any_flash_operation_of_a_reading() {
    let original = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    drop(ready(&original, &mut host));
    let mut first = card(&plan());
    let key = pay_elsewhere(&mut first, &[(1, 500_000), (8, 20)], false);
    let mut cuts = 0;
    for operation in 0.. {
        let flash = RefCell::new(original.borrow().clone());
        let mut card = copy(&first, 1);
        let mut bench = Bench::power_on(&flash).unwrap();
        bench.type_keys("oLan\n3");
        flash
            .borrow_mut()
            .cut(operation, TEARS[operation as usize % TEARS.len()]);
        bench.read_screen();
        bench.tap(&mut card);
        let is_whole = !flash.borrow().is_dead();
        // A flash that fails is not a full one.
        let screen = bench.read_screen();
        assert!(!screen.contains("room is kept"), "{operation}: {screen}");
        assert_eq!(
            screen.contains("The journal took no entry"),
            !is_whole,
            "{operation}: {screen}"
        );
        drop(bench);
        flash.borrow_mut().power_up();
        let mut bench = Bench::power_on(&flash).unwrap();
        bench.type_keys("oLan\n3");
        bench.tap(&mut card);
        assert!(bench.read_screen().contains("All are read"), "{operation}");
        let kept = carried(&mut bench, &key);
        assert!((2..=4).contains(&kept.len()), "{operation}: {kept:?}");
        told(&mut bench, &host);
        if is_whole {
            break;
        }
        cuts += 1;
    }
    println!("{cuts} cuts while reading");
    assert!(cuts > 20);
}

/// An order at the other terminal for the bench's line, as a hostile card may make one up.
fn order(card: &ScriptedCard) -> Order<'static> {
    let line = line(1, 1, 500_000);
    Order {
        terminal: OTHER.parse().unwrap(),
        sequence: 7,
        log_head: [1; 32],
        list_root: [2; 32],
        cso_hash: card.cso_hash(),
        line_number: 1,
        line_key: line.line_key,
        amount: line.amount,
        recipient: Recipient::Holder,
        method: HolderCheckMethod::Pin,
        operator: Operator::new("Lan").unwrap(),
        second_operator: None,
        time: bench::host::noon(),
        clock: ClockSource::Host,
        nonce: [3; 16],
    }
}

type Change = fn(&mut Order<'_>);
type Lie = fn(&mut Receipt);
/// What a card shows that is not as it should be.
const LIES: [(&str, Change, Lie); 5] = [
    (
        "another card's",
        |_| {},
        |receipt| {
            receipt.card_number = CardNumber::new(79, 2).unwrap();
        },
    ),
    ("a version to come", |_| {}, |receipt| receipt.cso_version = 3),
    ("of an earlier version", |_| {}, |receipt| receipt.cso_version = 1),
    (
        "for something else",
        |_| {},
        |receipt| receipt.object_hash = [7; 32],
    ),
    (
        "another person's line",
        |order| {
            let parts = card_spec::payment::LineKeyParts {
                person: [9; 16],
                ..order.line_key.parts()
            };
            order.line_key = card_spec::payment::LineKey::new(&parts);
        },
        |_| {},
    ),
];

/// Order and receipt, each with a lie.
fn lie(card: &ScriptedCard, change: Change, lie: Lie) -> (Vec<u8>, Vec<u8>) {
    let mut order = order(card);
    change(&mut order);
    let order = bytes(&order);
    let mut receipt = card.receipt(&order);
    lie(&mut receipt);
    (card.sign(&receipt), order)
}

fn scripted(bench: &mut Bench<'_>, card: &mut ScriptedCard, standing: &[u8]) -> String {
    let mut decide = |_: &ScriptedCard, _: &[u8]| (0x6340, standing.to_vec());
    bench.tap_any(&mut |_, command| Some(card.transmit(command, &mut decide)));
    bench.read_screen()
}

#[test]
fn only_the_word_for_no_record_says_that_a_card_has_no_receipts() {
    const PROTECTED_READ_RECORD: [u8; 2] = [0x84, 0xB2];
    let original = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    drop(ready(&original, &mut host));
    for status in [0x6A83_u16, 0x6F00, 0x6A82, 0x6982, 0x6985, 0x6A86, 0x6A88, 0x9000] {
        let flash = RefCell::new(original.borrow().clone());
        let mut bench = Bench::power_on(&flash).unwrap();
        bench.type_keys("oLan\n3");
        let mut card = ScriptedCard::new(&plan(), 2);
        card.records = vec![lie(&card, |_| {}, |_| {})];
        let mut decide = |_: &ScriptedCard, _: &[u8]| (0x6340, Vec::new());
        let mut records = 0;
        bench.tap_any(&mut |_, command| {
            if command[..2] == PROTECTED_READ_RECORD {
                records += 1;
                return Some(status.to_be_bytes().to_vec());
            }
            Some(card.transmit(command, &mut decide))
        });
        assert_eq!(records, 1, "{status:04X}");
        let screen = bench.read_screen();
        assert_eq!(
            screen.contains("All are read"),
            status == 0x6A83,
            "{status:04X}: {screen}"
        );
        // What has ended early is read at the next tap.
        if status != 0x6A83 {
            bench.type_keys("3");
            let screen = scripted(&mut bench, &mut card, &[]);
            assert!(
                screen.contains("New receipts of other terminals: 1."),
                "{status:04X}: {screen}"
            );
        }
        told(&mut bench, &host);
    }
}

#[test]
fn what_does_not_belong_together_is_not_kept() {
    let original = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    drop(ready(&original, &mut host));
    let mut cases = Vec::new();
    let card = ScriptedCard::new(&plan(), 2);
    for (name, change, told) in LIES {
        cases.push((name.to_owned(), vec![lie(&card, change, told)]));
    }
    let (receipt, order) = lie(&card, |_| {}, |_| {});
    let body = card.receipt(&order);
    let forged = signed(&body, &secret(99));
    let mut flipped = receipt.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let too_long = [&receipt[..], &[0; 60]].concat();
    for (name, receipt, object) in [
        ("forged", forged, order.clone()),
        ("flipped", flipped, order.clone()),
        ("no receipt", vec![0xFF; 30], order.clone()),
        ("nothing", Vec::new(), order.clone()),
        ("oversize", too_long, order.clone()),
        ("no order", receipt.clone(), vec![0xFF; 239]),
        ("empty order", receipt.clone(), Vec::new()),
        (
            "another order",
            receipt.clone(),
            bytes(&Order {
                nonce: [8; 16],
                ..self::order(&card)
            }),
        ),
    ] {
        cases.push((name.to_owned(), vec![(receipt, object)]));
    }
    // Receipts whose numbers do not count down.
    let second = card.sign(&Receipt { counter: 3, ..body });
    cases.push(("a gap".to_owned(), vec![(second, Vec::new()), (receipt, order)]));
    for (name, records) in cases {
        let flash = RefCell::new(original.borrow().clone());
        let mut bench = Bench::power_on(&flash).unwrap();
        bench.type_keys("oLan\n3");
        let mut card = ScriptedCard::new(&plan(), 2);
        card.records = records;
        let screen = scripted(&mut bench, &mut card, &[]);
        assert!(
            screen.contains("not genuine") && !screen.contains("All are read"),
            "{name}: {screen}"
        );
        assert!(!told(&mut bench, &host).kinds.contains(&CARRIED), "{name}");
    }
}

/// The card refuses the line by a good receipt, and lies about what it is for.
#[test]
fn a_card_that_refuses_a_line_and_shows_no_order_for_it_is_refused_all_the_same() {
    let original = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    drop(ready(&original, &mut host));
    let honest = ScriptedCard::new(&plan(), 2);
    let (receipt, good) = lie(&honest, |_| {}, |_| {});
    let other_line = bytes(&Order {
        line_key: line(2, 2, 1).line_key,
        ..order(&honest)
    });
    let of_other_line = honest.sign(&honest.receipt(&other_line));
    let newer = honest.sign(&Receipt {
        counter: 40,
        ..honest.receipt(&good)
    });
    let own = bytes(&Order {
        terminal: "VNT0000001".parse().unwrap(),
        ..order(&honest)
    });
    let of_own = honest.sign(&honest.receipt(&own));
    let cases = [
        ("good", &receipt, vec![(receipt.clone(), good.clone())], 1, true),
        ("no records", &receipt, vec![], 0, false),
        (
            "another order",
            &receipt,
            vec![(receipt.clone(), own.clone())],
            0,
            false,
        ),
        (
            "another line",
            &of_other_line,
            vec![(of_other_line.clone(), other_line)],
            0,
            false,
        ),
        ("overwritten", &receipt, vec![(newer, good)], 0, false),
        ("its own", &of_own, vec![(of_own.clone(), own)], 0, true),
    ];
    for (name, standing, records, kept, is_told) in cases {
        let flash = RefCell::new(original.borrow().clone());
        let mut bench = Bench::power_on(&flash).unwrap();
        host.prepare(&mut bench).unwrap();
        bench.type_keys("oLan\n");
        let mut card = ScriptedCard::new(&plan(), 2);
        card.records = records;
        scripted(&mut bench, &mut card, &[]);
        bench.type_keys("271828\n");
        let screen = scripted(&mut bench, &mut card, standing);
        let story = told(&mut bench, &host);
        assert_eq!((story.open, &story.paid[..]), (None, &[][..]), "{name}: {screen}");
        assert_eq!(story.status_words, [0x6340], "{name}");
        let entries = story.kinds.iter().filter(|kind| **kind == CARRIED).count();
        assert_eq!(
            (entries, screen.contains("Đã trả 2026")),
            (kept, is_told),
            "{name}: {screen}"
        );
    }
}

#[test]
fn the_longest_order_fits_and_payments_keep_their_room() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut card = ScriptedCard::new(&plan(), 2);
    let long = Order {
        operator: Operator::new("a clerk of 20 lette.").unwrap(),
        second_operator: SecondOperator::new("another one"),
        amount: Amount::new(1).unwrap(),
        ..order(&card)
    };
    let mut taken = 0;
    let mut screen = String::new();
    // Each reading brings receipts that are new.
    for round in 1..200_u32 {
        card.records = (0..32)
            .map(|back| {
                let order = bytes(&Order {
                    sequence: round * 32 - back,
                    ..long
                });
                assert_eq!(order.len(), Order::MAXIMUM_LENGTH);
                let receipt = Receipt {
                    counter: round * 32 - back,
                    ..card.receipt(&order)
                };
                (card.sign(&receipt), order)
            })
            .collect();
        bench.type_keys("3");
        screen = scripted(&mut bench, &mut card, &[]);
        if !screen.contains("All are read") {
            break;
        }
        taken += 32;
    }
    let full = "room is kept for payments: sync, then press 3";
    assert!(screen.contains(full), "{taken}: {screen}");
    assert!(!screen.contains("tap the card again"), "{screen}");
    let story = told(&mut bench, &host);
    assert!(story.kinds.iter().filter(|kind| **kind == CARRIED).count() >= taken.max(32));
    // Money goes on.
    let mut genuine = bench::host::card(&plan());
    both_taps(&mut bench, &mut genuine);
    assert_eq!(told(&mut bench, &host).paid, [1]);
    bench.type_keys("\n");
    // Once the host has it all there is room again.
    let last = bench.journal().pop().unwrap();
    host.acknowledge(&mut bench, &last).unwrap();
    bench.type_keys("3");
    let screen = scripted(&mut bench, &mut card, &[]);
    assert!(screen.contains("All are read"), "{screen}");
}
