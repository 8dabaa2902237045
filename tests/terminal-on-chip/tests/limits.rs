//! The terminal's image in QEMU with everything as long as it may be: four payment lists of 4,000 lines, 200,000 blocked cards, and
//! 10,000 payments (Intent, Paid and Handed each) that no host has. It starts, refuses who is blocked, pays who stands beside them
//! in the list, and brings all of its journal home. That past is made by the terminal core in this process, card by card.
//!
//! `LIMITS=all` takes the numbers above (some minutes); without it there are fewer blocked cards and payments.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

#[path = "../../../firmware/terminal/tests/bench/mod.rs"]
mod bench;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ansinh_station::terminal_link::{LinkError, TerminalLink};
use bench::card::Card;
use bench::card::issuer::{Plan, plan, programme, signed};
use bench::host::{Host, ListPlan, block_entry, block_header, card, noon};
use bench::nor::BLOCK;
use bench::{Bench, Chip, story};
use card_spec::journal::{Entry, Event};
use card_spec::list::ListLine;
use card_spec::payment::{LineKey, LineKeyParts, LineType};
use card_spec::signed::Signed;
use card_spec::tlv::Reader;
use card_spec::values::{Amount, CardNumber, Period};
use link::Request;
use rig::{BYTES_A_SECOND, Cable, Image, Instructions, Machine, QemuTerminal, firmware_image_with_assembly};
use tempfile::TempDir;
use terminal::Layout;
use virtual_card::{Control, Holder, pn532};

/// As on the board (`firmware/boards/qemu-mps2/src/main.rs`).
const FLASH: usize = 16 << 20;
const BLOCKED_CARDS: u32 = 200_000;
const SOON: Duration = Duration::from_secs(120);
/// Lines that one tap pays: as many as the usual card's holder check is good for.
const LINES_OF_A_TAP: u32 = 5;
/// People of a list who have so many lines; with [`NEIGHBOURS`] of one line each they make 4,000 lines.
const PEOPLE_OF_A_LIST: u64 = 799;
const NEIGHBOURS: u64 = 5;
/// Each list beside all before it.
const KEPT: [&[u8]; 4] = [
    &[],
    &[0, 0, 0, 1],
    &[0, 0, 0, 1, 0, 0, 0, 2],
    &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
];

/// How much there is.
#[derive(Clone, Copy, Debug)]
struct Scale {
    lists: u64,
    payments: u32,
    blocked: u64,
}

impl Scale {
    /// Serial numbers of the blocked cards, odd ones up to 400,000.
    fn blocked(self) -> impl Iterator<Item = u64> {
        let step = 400_000 / self.blocked;
        (0..self.blocked).map(move |index| 1 + index * step)
    }

    /// The first, the middle and the last of them.
    fn edges(self) -> [u64; 3] {
        [0, self.blocked / 2, self.blocked - 1].map(|index| self.blocked().nth(index as usize).unwrap())
    }

    /// Serial numbers of the people of a list, and how many lines each has; even numbers, so all stand between blocked cards.
    fn people(self, list: u64) -> Vec<(u64, u32)> {
        let five = (0..PEOPLE_OF_A_LIST)
            .map(|person| (4 + (list * PEOPLE_OF_A_LIST + person) * 124, LINES_OF_A_TAP));
        // On the last list, who has the number after a blocked one.
        let after = self.edges().map(|blocked| blocked + 1);
        let single = (0..NEIGHBOURS).map(|person| match after.get(person as usize) {
            Some(serial) if list + 1 == self.lists => (*serial, 1),
            _ => (1_000_000 + 2 * (list * NEIGHBOURS + person), 1),
        });
        let mut people: Vec<_> = five.chain(single).collect();
        people.sort_unstable();
        people
    }
}

fn number(serial: u64) -> CardNumber {
    CardNumber::new(79, serial).unwrap()
}

fn person(serial: u64) -> [u8; 16] {
    (u128::from(serial) << 64 | 0xBE).to_be_bytes()
}

/// The card with this serial number.
fn card_of(serial: u64) -> Card {
    card(&Plan {
        number: number(serial),
        person: person(serial),
        ..plan()
    })
}

fn lines(people: &[(u64, u32)]) -> Vec<ListLine> {
    let due = people
        .iter()
        .flat_map(|(serial, lines)| (1..=*lines).map(|line| (*serial, line)));
    let line = |(number_of_line, (serial, entitlement)): (u32, (u64, u32))| ListLine {
        number: number_of_line,
        card_number: number(serial),
        line_key: LineKey::new(&LineKeyParts {
            person: person(serial),
            programme: programme(b"BTXH"),
            entitlement: entitlement as u16,
            line_type: LineType::Regular,
            period: Period::new(2026, 11).unwrap(),
        }),
        amount: Amount::new(500_000).unwrap(),
        recipients: 1,
    };
    (1..).zip(due).map(line).collect()
}

fn load_blocks(bench: &mut Bench<'_>, host: &Host, cards: &[CardNumber]) {
    let header = signed(&block_header(2, cards, noon()), host.issuer());
    bench.done(&Request::BlockBegin { header: &header }).unwrap();
    for cards in cards.chunks(50) {
        let bytes: Vec<u8> = cards.iter().flat_map(|card| block_entry(*card)).collect();
        bench.done(&Request::BlockEntries { bytes: &bytes }).unwrap();
    }
    bench.done(&Request::BlockEnd).unwrap();
}

/// A pay point's flash after so many payments, and its host.
fn flash_after(scale: Scale, file: &Path) -> Host {
    let flash = RefCell::new(Chip::new(FLASH / BLOCK));
    flash.borrow_mut().bytes.fill(0xFF);
    let layout = Layout::up_to((FLASH - BLOCK) as u32, BLOCKED_CARDS);
    let mut bench = Bench::laid_out(&flash, layout, true, 1).unwrap();
    let people: Vec<Vec<(u64, u32)>> = (0..scale.lists).map(|list| scale.people(list)).collect();
    let mut host = Host::new(lines(&people[0]));
    host.prepare(&mut bench).unwrap();
    for (index, people) in people.iter().enumerate().skip(1) {
        let list = ListPlan::beside(index as u32 + 1, KEPT[index], lines(people));
        assert_eq!(list.lines.len(), 4_000);
        host.load_list(&mut bench, &list).unwrap();
    }
    load_blocks(
        &mut bench,
        &host,
        &scale.blocked().map(number).collect::<Vec<_>>(),
    );
    bench.type_keys("oLan\n");
    let payers = people
        .iter()
        .flatten()
        .filter(|(_, lines)| *lines == LINES_OF_A_TAP);
    for (serial, _) in payers.take((scale.payments / LINES_OF_A_TAP) as usize) {
        let mut card = card_of(*serial);
        bench.read_screen();
        bench.tap(&mut card);
        bench.type_keys("271828\n");
        bench.tap(&mut card);
        bench.type_keys("\n");
    }
    assert!(bench.hello().journal_tail >= 3 * scale.payments);
    drop(bench);
    fs::write(file, &flash.borrow().bytes).unwrap();
    host
}

/// A card in the field of the simulated PN532.
struct Tapped(Card);

impl virtual_card::Chip for Tapped {
    fn answer_to_reset(&self) -> Vec<u8> {
        Vec::new()
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.0.transmit(command).to_vec()
    }
}

/// The image under power, its clerk, and the field of its reader.
struct PayPoint {
    terminal: QemuTerminal,
    field: Holder<Tapped>,
    hand: Control,
    instructions: Instructions,
}

impl PayPoint {
    fn switch_on(flash: &Path) -> Self {
        let image = firmware_image_with_assembly("qemu-mps2").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let field = Holder::new(Tapped(card_of(1)));
        let hand = Control::default();
        let (mut chip, control) = (field.clone(), hand.clone());
        thread::spawn(move || pn532::run(&mut chip, &listener, &control));
        let mut instructions = Instructions::new().unwrap();
        instructions
            .count_inside(&Image::open(&image).unwrap(), "ansinh_mark_verify")
            .unwrap();
        let machine = Machine::new(image, flash, address).arguments(instructions.arguments());
        let terminal = machine.start().unwrap();
        Self {
            terminal,
            field,
            hand,
            instructions,
        }
    }

    fn wait_for(&mut self, text: &str) -> String {
        self.terminal.wait_for(text, SOON).unwrap()
    }

    fn executed(&self) -> u64 {
        self.instructions.read().unwrap().all()
    }

    /// Holds a card into the field until the screen shows a text; gives the instructions that it took.
    fn tap(&mut self, card: Card, text: &str) -> u64 {
        self.field.exchange(Tapped(card));
        self.hold(text)
    }

    /// The card that is there already comes again.
    fn hold(&mut self, text: &str) -> u64 {
        assert!(self.hand.wait_until_missed(SOON), "the reader does not look");
        let before = self.executed();
        self.hand.insert();
        self.wait_for(text);
        let executed = self.executed() - before;
        self.hand.remove();
        executed
    }
}

fn set_time(pay_point: &PayPoint, host: &Host) -> TerminalLink<tokio_serial::SerialStream> {
    let mut link = TerminalLink::open(&pay_point.terminal.host_link().to_string_lossy()).unwrap();
    link.set_time(|nonce| Ok::<_, LinkError>(signed(&host.time_statement(nonce, noon()), host.issuer())))
        .unwrap();
    link
}

/// Instructions of a start, of the first and of the second tap of somebody with one line.
fn a_day(scale: Scale, flash: &Path, host: &Host) -> [u64; 3] {
    let mut pay_point = PayPoint::switch_on(flash);
    pay_point.wait_for("to open a shift");
    let start = pay_point.executed();
    drop(set_time(&pay_point, host));
    pay_point.terminal.press("olan\r").unwrap();
    pay_point.wait_for("Tap card");
    for serial in scale.edges() {
        pay_point.tap(card_of(serial), "thẻ đã ngừng dùng");
        pay_point.wait_for("Tap card");
    }
    let mut taps = [0; 2];
    for serial in scale.edges() {
        let first = pay_point.tap(card_of(serial + 1), "Enter PIN, c = cancel: ");
        pay_point.terminal.press("271828\r").unwrap();
        pay_point.wait_for("Tap the card again, c = cancel");
        let second = pay_point.hold("PAID");
        pay_point.wait_for("then press Enter.");
        pay_point.terminal.press("\r").unwrap();
        pay_point.wait_for("Tap card");
        taps = [first, second];
    }
    [start, taps[0], taps[1]]
}

/// All entries, and how many of the bytes on the line they are.
fn sync(flash: &Path, host: &Host) -> (Vec<Vec<u8>>, String) {
    let mut pay_point = PayPoint::switch_on(flash);
    pay_point.wait_for("to open a shift");
    let cable = Cable::connect(pay_point.terminal.host_link(), None, None).unwrap();
    let mut link = TerminalLink::open(&cable.port().to_string_lossy()).unwrap();
    let tail = link.hello().unwrap().journal_tail;
    let begun = Instant::now();
    let mut entries = Vec::new();
    while entries.len() < tail as usize {
        let bytes = link.read_journal(entries.len() as u32 + 1).unwrap();
        let mut reader = Reader::new(&bytes);
        while let Some(object) = reader.next_object().unwrap() {
            entries.push(object.encoding().to_vec());
        }
    }
    let last = entries.last().unwrap();
    let acknowledgement = signed(&host.acknowledgement(last), host.issuer());
    link.acknowledge(tail, &acknowledgement).unwrap();
    assert_eq!(link.hello().unwrap().acknowledged, tail);
    let (wire, bytes) = (cable.passed(), entries.iter().map(Vec::len).sum::<usize>());
    let figures = format!(
        "{} entries: {bytes} of {wire} bytes on the line, {:.3}; {:.0} s here, {:.0} s for the bytes alone at {BYTES_A_SECOND} a second",
        entries.len(),
        bytes as f64 / wire as f64,
        begun.elapsed().as_secs_f64(),
        wire as f64 / f64::from(BYTES_A_SECOND),
    );
    (entries, figures)
}

/// Lines that were paid, each once, and handed over; every signature and the chain are right.
fn paid(entries: &[Vec<u8>], host: &Host) -> usize {
    let story = story(entries, &host.journal_key.unwrap());
    assert_eq!((story.open, &story.not_handed), (None, &vec![]));
    let (mut ordered, mut lines) = (HashMap::new(), HashSet::new());
    for entry in entries {
        match &Signed::<Entry<'_>>::parse(entry).unwrap().claimed().event {
            Event::Intent(order) => drop(ordered.insert(order.hash(), order.order().line_key)),
            Event::Paid(receipt) => {
                let line = ordered[&receipt.signed().claimed().object_hash];
                assert!(lines.insert(line.to_bytes()), "paid twice: {line:?}");
            }
            _ => {}
        }
    }
    assert_eq!((story.paid.len(), story.handed.len()), (lines.len(), lines.len()));
    lines.len()
}

#[test]
fn everything_at_its_limit_and_nothing_lost() {
    let full = Scale {
        lists: 4,
        payments: 10_000,
        blocked: u64::from(BLOCKED_CARDS),
    };
    let young = Scale {
        lists: 1,
        payments: 5,
        blocked: 10,
    };
    let old = match std::env::var("LIMITS").as_deref() {
        Ok("all") => full,
        _ => Scale {
            lists: 4,
            payments: 50,
            blocked: 2_000,
        },
    };
    let folder = TempDir::new().unwrap();
    let mut days = Vec::new();
    for scale in [young, old] {
        let flash = folder.path().join("flash");
        let begun = Instant::now();
        let host = flash_after(scale, &flash);
        println!("{scale:?}: made in {:.0} s", begun.elapsed().as_secs_f64());
        let day = a_day(scale, &flash, &host);
        let [start, first, second] = day.map(|count| count as f64 / 1e6);
        println!("  start {start:.2}, first tap {first:.2}, second tap {second:.2} million instructions");
        let (entries, figures) = sync(&flash, &host);
        println!("  {figures}");
        assert_eq!(paid(&entries, &host), scale.payments as usize + 3);
        days.push(day);
    }
    let [start, first, second] = [0, 1, 2].map(|part| days[1][part].abs_diff(days[0][part]));
    println!("differences: {start}, {first}, {second}");
    assert!(days[1][0] < days[0][0] + 300_000);
    assert!(days[1][2] < days[0][2] + 300_000);
}
