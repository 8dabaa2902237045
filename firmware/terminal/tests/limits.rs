//! The largest lists, and a flash that has lost bits.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod bench;

use bench::card::issuer::plan;
use bench::host::{Host, card, line, noon};
use bench::{Bench, chip, layout, story};
use card_spec::list::ListLine;
use card_spec::values::CardNumber;
use journal::{Item, Journal, MAX_RECORD, RecordId};
use link::{Refusal, Request};
use terminal::StartError;

/// Lines of other people, and the usual card's at the place given.
fn lines(count: u32, own: u32) -> Vec<ListLine> {
    let other = |number: u32| ListLine {
        card_number: CardNumber::new(80, u64::from(number)).unwrap(),
        ..line(number, 1, 1_000)
    };
    let mut lines: Vec<ListLine> = (1..=count).map(other).collect();
    lines[own as usize - 1] = line(own, 1, 500_000);
    lines
}

#[test]
fn a_line_anywhere_in_a_list_of_any_size_is_found_and_proven() {
    let card = card(&plan());
    for (count, own) in [
        (1, 1),
        (2, 2),
        (3, 3),
        (64, 33),
        (1_025, 1_025),
        (3_999, 1),
        (4_000, 4_000),
    ] {
        let flash = chip();
        let mut host = Host::new(lines(count, own));
        let mut bench = Bench::power_on(&flash).unwrap();
        host.prepare(&mut bench).unwrap();
        bench.type_keys("oLan\n");
        let mut card = bench::copy(&card, 1);
        bench.tap(&mut card);
        bench.type_keys("271828\n");
        bench.tap(&mut card);
        let told = story(&bench.journal(), &host.journal_key.unwrap());
        assert_eq!(told.paid, [own], "line {own} of {count}");
    }
}

#[test]
fn a_block_list_that_fills_its_space() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    // Six groups with their tags: 3,552 of 4,096 bytes.
    host.blocked = (2..=385)
        .map(|serial| CardNumber::new(79, serial).unwrap())
        .collect();
    let mut bench = Bench::power_on(&flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    let mut card = card(&plan());
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("PIN"), "it is below all of them");
    bench.type_keys("c");
    host.blocked.insert(0, plan().number);
    assert_eq!(host.load_blocks(&mut bench, 2, noon()), Err(Refusal::TooLarge));
    host.blocked.pop();
    host.load_blocks(&mut bench, 2, noon()).unwrap();
    bench.tap(&mut card);
    assert!(
        bench.read_screen().contains("thẻ đã ngừng dùng"),
        "it is the first of them"
    );
}

#[test]
fn a_journal_that_fills_says_so_while_it_still_pays_and_no_more_once_it_was_taken_in() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = Bench::power_on(&flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    let warns = |bench: &mut Bench<'_>| {
        host.set_time(bench, noon()).unwrap();
        bench.read_screen().contains("Nhật ký sắp đầy")
    };
    assert!(!warns(&mut bench));
    let before = (1..1_000).take_while(|_| !warns(&mut bench)).count();
    assert!((100..500).contains(&before), "{before}");
    let mut card = card(&plan());
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    bench.type_keys("\n");
    let screen = bench.read_screen();
    assert!(screen.contains("Nhật ký sắp đầy"), "{screen}");
    let entries = bench.journal();
    assert_eq!(story(&entries, &host.journal_key.unwrap()).handed.len(), 1);
    host.acknowledge(&mut bench, entries.last().unwrap()).unwrap();
    bench.read_screen();
    host.set_time(&mut bench, noon()).unwrap();
    assert!(!bench.read_screen().contains("Nhật ký sắp đầy"));
}

#[test]
fn a_journal_that_has_lost_its_newest_entry_is_read_out_and_not_continued() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = Bench::power_on(&flash).unwrap();
    host.prepare(&mut bench).unwrap();
    let entries = bench.journal();
    let last = entries.last().unwrap();
    drop(bench);
    let start = layout().journal.start as usize;
    let found = flash.borrow().bytes[start..]
        .windows(last.len())
        .position(|bytes| bytes == last);
    flash.borrow_mut().bytes[start + found.unwrap() + 20] ^= 0x01;
    let mut bench = Bench::power_on(&flash).unwrap();
    assert!(bench.read_screen().contains("Nhật ký hỏng"));
    assert_eq!(bench.hello().journal_tail as usize, entries.len());
    assert_eq!(bench.journal(), entries[..entries.len() - 1]);
    assert_eq!(bench.refusal(&Request::TimeNonce), Some(Refusal::Storage));
    assert_eq!(host.acknowledge(&mut bench, &entries[0]), Err(Refusal::Storage));
    bench.type_keys("oLan\n\n");
    assert!(!bench.field && !bench.read_screen().contains("Mở ca"));
}

#[test]
fn a_flash_that_is_too_small_does_not_start() {
    let blocks = layout().journal.end as usize / bench::nor::BLOCK;
    for blocks in [2, blocks - 1] {
        let flash = std::cell::RefCell::new(bench::Chip::new(blocks));
        assert_eq!(Bench::power_on(&flash).err(), Some(StartError::Flash));
    }
}

/// The records of the device's state in both places, each changed so.
fn rewrite(flash: &std::cell::RefCell<bench::Chip>, change: fn(&mut Vec<u8>)) {
    let device = layout().device;
    let middle = device.end / 2;
    for place in [device.start..middle, middle..device.end] {
        let mut flash = flash.borrow_mut();
        let mut records = Vec::new();
        let Ok(mut journal) = Journal::open(&mut *flash, place.clone()) else {
            continue;
        };
        let mut buffer = [0; MAX_RECORD];
        let mut cursor = journal.iter_from(RecordId(1)).unwrap();
        while let Some(Item::Record { bytes, .. }) = journal.next(&mut cursor, &mut buffer).unwrap() {
            records.push(bytes.to_vec());
        }
        let mut journal = Journal::format(&mut *flash, place).unwrap();
        for mut record in records {
            change(&mut record);
            journal.append(&record).unwrap();
        }
    }
}

/// Its keys and entries are no blank terminal's, whatever wrote them.
#[test]
fn a_state_of_another_image_is_left_as_it_is() {
    let original = chip();
    let mut bench = Bench::power_on(&original).unwrap();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    host.prepare(&mut bench).unwrap();
    let name = bench.hello().name;
    drop(bench);
    let others: [fn(&mut Vec<u8>); 4] = [
        |record| record[0] += 1,
        // As images before the format wrote it.
        |record| {
            record.remove(0);
        },
        |record| record.truncate(3),
        // A byte is missing at its end.
        |record| {
            record.pop();
        },
    ];
    for change in others {
        let flash = std::cell::RefCell::new(original.borrow().clone());
        rewrite(&flash, change);
        let before = flash.borrow().bytes.clone();
        assert_eq!(Bench::power_on(&flash).err(), Some(StartError::Format));
        assert!(flash.borrow().bytes == before);
    }
    rewrite(&original, |_| ());
    assert_eq!(Bench::power_on(&original).unwrap().hello().name, name);
}
