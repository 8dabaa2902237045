//! Somebody has the flash chip on a bench of his own, or it rots: whatever it holds then, no blocked card counts as not blocked,
//! and no other card as blocked (decision 24).
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

use bench::card::issuer::{Plan, plan, signed};
use bench::host::{Host, block_entry, block_header, card, line, noon};
use bench::{Bench, Chip, chip, layout};
use card_spec::values::CardNumber;
use link::Request;
use terminal::Layout;

const ENTRY: usize = 9;
/// Entries that are written at once.
const BATCH: usize = 16 * ENTRY;
/// Where a group's tag lies, behind the room for all of its entries.
const TAG: usize = 64 * ENTRY;
/// Bytes of a group with its tag.
const GROUP: usize = TAG + 16;

fn number(serial: u64) -> CardNumber {
    CardNumber::new(79, serial).unwrap()
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Served,
    Blocked,
    /// The list is lost, and the terminal knows.
    NoList,
}

/// A terminal whose block list has these cards, switched off. Another seed, other keys.
fn terminal(serials: impl IntoIterator<Item = u64>, seed: u64) -> (RefCell<Chip>, Host) {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    host.blocked = serials.into_iter().map(number).collect();
    let mut bench = Bench::with(&flash, true, seed).unwrap();
    host.prepare(&mut bench).unwrap();
    drop(bench);
    (flash, host)
}

/// What the terminal does with the card of this serial number; the list is not due to it, so it is never paid.
fn verdict(flash: &Chip, host: &Host, serial: u64) -> Verdict {
    let flash = RefCell::new(flash.clone());
    let mut bench = Bench::power_on(&flash).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    bench.type_keys("oLan\n");
    bench.read_screen();
    let plan = Plan {
        number: number(serial),
        ..plan()
    };
    bench.tap(&mut card(&plan));
    let screen = bench.read_screen();
    let known = bench.hello().block_list_number > 0;
    match (
        screen.contains("thẻ đã ngừng dùng"),
        screen.contains("danh sách khóa thẻ"),
    ) {
        (true, false) if known => Verdict::Blocked,
        (false, true) if !known => Verdict::NoList,
        (false, false) if known => Verdict::Served,
        _ => panic!("{screen}"),
    }
}

fn place() -> usize {
    layout().block_lists[0].start as usize
}

#[test]
fn every_place_in_lists_of_every_size_is_found() {
    for count in [1, 2, 63, 64, 65, 127, 128, 129, 193] {
        // Even serials are blocked.
        let (flash, host) = terminal((1..=count).map(|index| 2 * index), 1);
        let flash = flash.into_inner();
        let edges = [1, 2, 63, 64, 65, 128, 129, count];
        for index in edges.into_iter().filter(|index| *index <= count) {
            for (serial, expected) in [
                (2 * index - 1, Verdict::Served),
                (2 * index, Verdict::Blocked),
                (2 * index + 1, Verdict::Served),
            ] {
                assert_eq!(
                    verdict(&flash, &host, serial),
                    expected,
                    "card {serial} of {count}"
                );
            }
        }
    }
}

#[test]
fn a_flipped_bit_never_unblocks_and_never_blocks() {
    let (flash, host) = terminal((1..=130).map(|index| 2 * index), 1);
    let sound = flash.into_inner();
    // Entries at the edges of the groups, what the last ones are filled up with, the tags, and some more; each bit in turn.
    let entries = 0..2 * GROUP + BATCH;
    let last_tag = 2 * GROUP + TAG..3 * GROUP;
    let is_tried = |byte: &usize| byte % GROUP < 40 || byte % GROUP > GROUP - 40 || byte.is_multiple_of(17);
    for byte in entries.filter(is_tried).chain(last_tag) {
        let mut flash = sound.clone();
        flash.bytes[place() + byte] ^= 1 << (byte % 8);
        // The blocked card of the entry, or of the last one before a tag.
        let entry = (byte / GROUP * 64 + (byte % GROUP / ENTRY).min(63)).min(129) as u64;
        assert_eq!(
            verdict(&flash, &host, 2 * entry + 2),
            Verdict::NoList,
            "byte {byte}"
        );
        assert_eq!(
            verdict(&flash, &host, 2 * entry + 1),
            Verdict::NoList,
            "byte {byte}"
        );
    }
}

/// Removes the entry of card 100 in every way that keeps the list looking like one.
#[test]
fn an_entry_that_is_taken_out_is_missed() {
    let (flash, host) = terminal((1..=193).map(|index| 2 * index), 1);
    let sound = flash.into_inner();
    assert_eq!(verdict(&sound, &host, 100), Verdict::Blocked);
    let (older, _) = terminal((1..=193).filter(|index| *index != 50).map(|index| 2 * index), 2);
    let older = older.into_inner();
    let list = place()..place() + 3 * GROUP;
    let at = place() + 49 * ENTRY;
    let mut attempts = vec![
        // Those behind it move up; a neighbour is written over it; another group takes its place.
        {
            let mut flash = sound.clone();
            flash.bytes.copy_within(at + ENTRY..place() + 64 * ENTRY, at);
            flash
        },
        {
            let mut flash = sound.clone();
            flash.bytes.copy_within(at - ENTRY..at, at);
            flash
        },
        {
            let mut flash = sound.clone();
            flash
                .bytes
                .copy_within(place() + GROUP..place() + 2 * GROUP, place());
            flash
        },
        // A list that was sound on another day, or at another terminal, with its tags.
        {
            let mut flash = sound.clone();
            flash.bytes[list.clone()].copy_from_slice(&older.bytes[list.clone()]);
            flash
        },
    ];
    for blank in [0x00, 0xFF] {
        let mut flash = sound.clone();
        flash.bytes[list.clone()].fill(blank);
        attempts.push(flash);
    }
    // The first entries of the groups lead the search astray.
    for group in 1..3 {
        for lie in [0, group * GROUP + ENTRY] {
            let mut flash = sound.clone();
            let from = place() + lie;
            flash
                .bytes
                .copy_within(from..from + ENTRY, place() + group * GROUP);
            attempts.push(flash);
        }
    }
    for (number, flash) in attempts.iter().enumerate() {
        for serial in [100, 2, 128, 130, 256, 258, 386] {
            let found = verdict(flash, &host, serial);
            assert_ne!(found, Verdict::Served, "attempt {number}, card {serial}");
        }
        for serial in [1, 99, 101, 129, 257, 387] {
            let found = verdict(flash, &host, serial);
            assert_ne!(found, Verdict::Blocked, "attempt {number}, card {serial}");
        }
    }
}

/// The list before is still in the other place, with tags that were good in its day.
#[test]
fn the_list_before_does_not_come_back() {
    let (flash, mut host) = terminal([2, 4, 6], 1);
    let mut bench = Bench::power_on(&flash).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    host.blocked = [2, 3, 6].map(number).to_vec();
    host.load_blocks(&mut bench, 2, noon()).unwrap();
    drop(bench);
    let mut flash = flash.into_inner();
    assert_eq!(verdict(&flash, &host, 3), Verdict::Blocked);
    let [before, now] = layout().block_lists.map(|range| range.start as usize);
    flash.bytes.copy_within(before..before + 0x1000, now);
    assert_eq!(verdict(&flash, &host, 3), Verdict::NoList);
    assert_eq!(verdict(&flash, &host, 4), Verdict::NoList);
}

/// 452 blocks of 4,096 bytes hold them.
#[test]
fn two_hundred_thousand_cards_are_looked_up_by_the_one_group() {
    const CARDS: u64 = 200_000;
    const PLACE: u32 = 452 * 4_096;
    let start = layout().journal.end;
    let places = Layout {
        block_lists: [start..start + PLACE, start + PLACE..start + 2 * PLACE],
        ..layout()
    };
    let flash = RefCell::new(Chip::new((start + 2 * PLACE) as usize / bench::nor::BLOCK));
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = Bench::laid_out(&flash, places.clone(), true, 1).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    host.blocked = (1..=CARDS).map(|index| number(2 * index)).collect();
    let header = block_header(2, &host.blocked, noon());
    bench
        .done(&Request::BlockBegin {
            header: &signed(&header, host.issuer()),
        })
        .unwrap();
    for cards in host.blocked.chunks(120) {
        let bytes: Vec<u8> = cards.iter().flat_map(|card| block_entry(*card)).collect();
        bench.done(&Request::BlockEntries { bytes: &bytes }).unwrap();
    }
    bench.done(&Request::BlockEnd).unwrap();
    drop(bench);
    flash.borrow_mut().reads = 0;
    let mut bench = Bench::laid_out(&flash, places, true, 2).unwrap();
    let at_start = flash.borrow().reads;
    host.set_time(&mut bench, noon()).unwrap();
    bench.type_keys("oLan\n");
    for (serial, blocked) in [
        (1, false),
        (2, true),
        (2 * CARDS - 1, false),
        (2 * CARDS, true),
        (2 * CARDS + 1, false),
        (200_128, true),
        (200_129, false),
    ] {
        bench.read_screen();
        let plan = Plan {
            number: number(serial),
            ..plan()
        };
        bench.tap(&mut card(&plan));
        let screen = bench.read_screen();
        assert_eq!(
            screen.contains("thẻ đã ngừng dùng"),
            blocked,
            "card {serial}: {screen}"
        );
        bench.type_keys("c");
    }
    println!("{at_start} reads of the flash at the start");
    assert!(at_start < 300);
}
