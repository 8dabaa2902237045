//! The journal of the board in QEMU, 2,631 blocks, filled by payments alone: the clerk is warned when a quarter is left, what he is told is
//! kept, nobody is paid whose payment could not be recorded to its end, and who was paid before is settled all the same.
//!
//! `JOURNAL=all` fills all of them (some 10,700 payments, minutes); without it the journal has 128.
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
use bench::card::issuer::{Plan, plan, programme};
use bench::host::{Host, ListPlan, card};
use bench::nor::BLOCK;
use bench::{Bench, Chip, story};
use card_spec::list::ListLine;
use card_spec::payment::{LineKey, LineKeyParts, LineType};
use card_spec::values::{Amount, CardNumber, Period};
use terminal::Layout;

/// As on the board (`firmware/boards/qemu-mps2/src/main.rs`).
const FLASH: usize = 16 << 20;
const BLOCKED_CARDS: u32 = 200_000;
const JOURNAL_BLOCKS: u32 = 2_631;
const FEWER_BLOCKS: u32 = 128;
/// Lines that one tap pays: as many as the usual card's holder check is good for.
const LINES_OF_A_TAP: u32 = 5;
const PEOPLE_OF_A_LIST: u32 = 800;
/// Each list beside all before it.
const KEPT: [&[u8]; 4] = [
    &[],
    &[0, 0, 0, 1],
    &[0, 0, 0, 1, 0, 0, 0, 2],
    &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
];

fn number(person: u32) -> CardNumber {
    CardNumber::new(79, 1 + u64::from(person)).unwrap()
}

fn reference(person: u32) -> [u8; 16] {
    (u128::from(person) << 64 | 0xBE).to_be_bytes()
}

fn card_of(person: u32) -> Card {
    card(&Plan {
        number: number(person),
        person: reference(person),
        ..plan()
    })
}

/// The lines of list `list`, counted from 0.
fn lines(list: u32) -> Vec<ListLine> {
    let line = |index: u32| ListLine {
        number: index + 1,
        card_number: number(list * PEOPLE_OF_A_LIST + index / LINES_OF_A_TAP),
        line_key: LineKey::new(&LineKeyParts {
            person: reference(list * PEOPLE_OF_A_LIST + index / LINES_OF_A_TAP),
            programme: programme(b"BTXH"),
            entitlement: 1 + (index % LINES_OF_A_TAP) as u16,
            line_type: LineType::Regular,
            period: Period::new(2026, 11).unwrap(),
        }),
        amount: Amount::new(500_000).unwrap(),
        recipients: 1,
    };
    (0..PEOPLE_OF_A_LIST * LINES_OF_A_TAP).map(line).collect()
}

/// For how many payments there is room, if the clerk is warned.
fn told(screen: &str) -> Option<u32> {
    let (_, rest) = screen.rsplit_once("Nhật ký sắp đầy: chắc chắn còn đủ cho ")?;
    Some(rest.split_once(' ')?.0.parse().unwrap())
}

fn is_full(screen: &str) -> bool {
    screen.contains("nhật ký đầy")
}

#[test]
fn payments_fill_the_whole_journal_and_none_is_lost() {
    let flash = RefCell::new(Chip::new(FLASH / BLOCK));
    let mut layout = Layout::up_to((FLASH - BLOCK) as u32, BLOCKED_CARDS);
    assert_eq!(layout.journal.len() / BLOCK, JOURNAL_BLOCKS as usize);
    let blocks = match std::env::var("JOURNAL").as_deref() {
        Ok("all") => JOURNAL_BLOCKS,
        _ => FEWER_BLOCKS,
    };
    layout.journal.end = layout.journal.start + blocks * BLOCK as u32;
    let mut bench = Bench::laid_out(&flash, layout.clone(), true, 1).unwrap();
    let mut host = Host::new(lines(0));
    host.prepare(&mut bench).unwrap();
    for (list, kept) in (0..).zip(KEPT).skip(1) {
        let list = ListPlan::beside(list + 1, kept, lines(list));
        host.load_list(&mut bench, &list).unwrap();
    }
    bench.type_keys("oLan\n");

    // The first one's card was torn away, has paid, and does not come back before the journal is full.
    let mut away = card_of(0);
    bench.tear(&mut away, true);
    let mut next = card_of(1);
    bench.tap(&mut next);
    bench.type_keys("n");

    let mut people = 1..;
    let (mut warnings, mut paid) = (Vec::new(), 0);
    let refused = loop {
        let person = people.next().unwrap();
        let mut card = card_of(person);
        bench.read_screen();
        bench.tap(&mut card);
        if is_full(&bench.read_screen()) {
            break person;
        }
        bench.type_keys("271828\n");
        bench.tap(&mut card);
        bench.type_keys("\n");
        let screen = bench.read_screen();
        paid += screen.matches("ĐÃ TRẢ").count();
        warnings.extend(told(&screen).map(|left| (bench.hello().journal_tail, left)));
    };
    let full = bench.hello().journal_tail;

    let (first, most) = warnings[0];
    println!("{paid} payments, {full} entries; the first warning after {first}, of {most} payments more");
    // Three of four blocks, of which each takes 12 or 13 entries; less than four are kept free for open orders.
    let share = f64::from(first) / f64::from(full);
    assert!((0.74..0.79).contains(&share), "{share}");
    assert!(warnings.is_sorted_by(|before, after| before.1 >= after.1));
    for (tail, left) in &warnings {
        assert!(
            full - tail >= 3 * left,
            "{left} payments were promised after {tail}"
        );
    }

    // Whoever insists does not use up the room of the order that is open.
    for _ in 0..30 {
        bench.tap(&mut card_of(refused));
        assert!(is_full(&bench.read_screen()));
    }
    drop(bench);
    let mut bench = Bench::laid_out(&flash, layout, true, 2).unwrap();
    bench.tap(&mut away);
    assert!(bench.read_screen().contains("ĐÃ TRẢ"));
    bench.type_keys("\n");

    let entries = bench.journal();
    assert_eq!(entries.len() as u32, bench.hello().journal_tail);
    let known = story(&entries, &host.journal_key.unwrap());
    assert_eq!((known.open, &known.not_handed), (None, &vec![]));
    assert_eq!((known.paid.len(), known.handed.len()), (paid + 1, paid + 1));

    host.acknowledge(&mut bench, entries.last().unwrap()).unwrap();
    host.set_time(&mut bench, bench::host::noon()).unwrap();
    bench.type_keys("oLan\n");
    let mut card = card_of(refused);
    bench.read_screen();
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    bench.type_keys("\n");
    let screen = bench.read_screen();
    assert!(screen.contains("ĐÃ TRẢ") && told(&screen).is_none(), "{screen}");
}
