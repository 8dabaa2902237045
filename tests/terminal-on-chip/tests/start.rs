//! What switching on costs: the instructions from reset to the clerk's prompt. Neither the journal's length nor the block list's
//! may show in them: a start reads the journal's last block and no entry of a block list (decision 24).
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

#[path = "../../../firmware/terminal/tests/bench/mod.rs"]
mod bench;

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bench::card::issuer::plan;
use bench::host::{Host, card, line};
use bench::nor::BLOCK;
use bench::{Bench, Chip, copy};
use card_spec::values::CardNumber;
use rig::{Image, Instructions, Machine, firmware_image, firmware_image_with_assembly};
use tempfile::TempDir;
use terminal::Layout;

/// As on the board (`firmware/boards/qemu-mps2/src/main.rs`).
const FLASH: usize = 16 << 20;
const BLOCKED_CARDS: u32 = 200_000;
const SOON: Duration = Duration::from_secs(60);
/// Lines that one tap pays: as many as the usual card's holder check is good for.
const LINES_OF_A_TAP: u32 = 5;
/// What the figures tell apart (`firmware/terminal/src/primitives.rs`, `firmware/boards/running-image`).
const PARTS: [(&str, &str); 3] = [
    ("ansinh_mark_verify", "verify (certificates)"),
    ("ansinh_mark_sign", "sign (Boot entry)"),
    ("running_image::hash", "CRC-32 (the image)"),
];

/// The past of a pay point: lines of its payment list, entries in its journal, and cards on its block list.
#[derive(Clone, Copy, Debug)]
struct Past {
    lines: u32,
    entries: u32,
    blocked: u64,
}

/// A pay point's flash. No payment is under way, and everybody has been paid.
fn flash_after(past: Past, file: &Path) {
    let flash = RefCell::new(Chip::new(FLASH / BLOCK));
    flash.borrow_mut().bytes.fill(0xFF);
    let lines = (1..=past.lines).map(|number| line(number, number as u16, 1_000));
    let mut host = Host::new(lines.collect());
    host.blocked = (2..past.blocked + 2)
        .map(|serial| CardNumber::new(79, serial).unwrap())
        .collect();
    let mut bench = Bench::laid_out(
        &flash,
        Layout::up_to((FLASH - BLOCK) as u32, BLOCKED_CARDS),
        true,
        1,
    )
    .unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    let fresh = card(&plan());
    for tap in 0.. {
        if bench.hello().journal_tail + 3 * LINES_OF_A_TAP > past.entries {
            break;
        }
        let mut card = copy(&fresh, tap);
        bench.tap(&mut card);
        bench.type_keys("271828\n");
        bench.tap(&mut card);
        bench.type_keys("\n");
    }
    while bench.hello().journal_tail < past.entries {
        bench.tap(&mut copy(&fresh, 0));
        bench.type_keys("c");
    }
    drop(bench);
    fs::write(file, &flash.borrow().bytes).unwrap();
}

/// The longest lists that the board takes (README, "What a flash chip holds"), after a busy day.
const FULL: Past = Past {
    lines: 4_000,
    entries: 1_000,
    blocked: BLOCKED_CARDS as u64,
};

struct Measured {
    all: u64,
    /// In the order of [`PARTS`].
    parts: [u64; PARTS.len()],
}

/// Instructions from reset until the clerk may open a shift.
fn start(image: &Path, past: Past) -> Measured {
    let folder = TempDir::new().unwrap();
    let flash = folder.path().join("flash");
    flash_after(past, &flash);
    let elf = Image::open(image).unwrap();
    let mut instructions = Instructions::new().unwrap();
    let groups = PARTS.map(|(function, _)| instructions.count_inside(&elf, function).unwrap());
    let machine = Machine::new(image, flash, "127.0.0.1:9").arguments(instructions.arguments());
    let mut terminal = machine.start().unwrap();
    terminal.wait_for("to open a shift", SOON).unwrap();
    let counts = instructions.read().unwrap();
    terminal.kill().unwrap();
    let measured = Measured {
        all: counts.all(),
        parts: groups.map(|group| counts.inside(group)),
    };
    let millions = |count: u64| count as f64 / 1e6;
    println!("{past:?}: {:.2} million instructions", millions(measured.all));
    for ((_, name), count) in PARTS.iter().zip(measured.parts) {
        println!("  {name}: {:.2}", millions(count));
    }
    let rest = measured.all - measured.parts.iter().sum::<u64>();
    println!("  all else: {:.2}", millions(rest));
    measured
}

#[test]
fn a_start_does_not_wait_for_a_long_journal_or_block_list() {
    let image: PathBuf = firmware_image_with_assembly("qemu-mps2").unwrap();
    let young = start(
        &image,
        Past {
            lines: 4,
            entries: 12,
            blocked: 0,
        },
    );
    let old = start(&image, FULL);
    assert!(old.all < young.all + 300_000, "{} and {}", young.all, old.all);
    assert!(old.all < 10_000_000, "{}", old.all);
    println!("The portable code:");
    let portable = firmware_image("qemu-mps2").unwrap();
    assert!(start(&portable, FULL).all < 50_000_000);
}
