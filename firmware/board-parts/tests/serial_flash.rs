//! The flash driver against a chip that behaves as the data sheet says, and against chips that fail.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod chip;

use std::cell::RefCell;
use std::rc::Rc;

use board_parts::serial_flash::{FlashError, SECTOR, SerialFlash, self_test};
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};

use chip::{Bus, Chip, Clock};

const MEBIBYTES_8: usize = 8 << 20;

fn nothing() {}

/// A driver and its chip.
fn started(chip: Chip) -> (SerialFlash<Bus, Clock>, Rc<RefCell<Chip>>) {
    let chip = Rc::new(RefCell::new(chip));
    let flash = SerialFlash::start(Bus(chip.clone()), Clock(chip.clone()), nothing);
    (flash.expect("the chip answers"), chip)
}

fn refused(chip: Chip) -> (FlashError, u64) {
    let chip = Rc::new(RefCell::new(chip));
    let flash = SerialFlash::start(Bus(chip.clone()), Clock(chip.clone()), nothing);
    let microseconds = chip.borrow().microseconds;
    (flash.err().expect("refused"), microseconds)
}

fn numbered(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + index / 256) as u8).collect()
}

#[test]
fn both_chips_are_known_by_their_names_and_no_other() {
    assert_eq!(started(Chip::default()).0.capacity(), MEBIBYTES_8);
    let big = Chip {
        identification: [0xC2, 0x20, 0x18],
        ..Chip::default()
    };
    assert_eq!(started(big).0.capacity(), 16 << 20);
    for identification in [[0; 3], [0xFF; 3], [0xC2, 0x28, 0x16], [0xEF, 0x40, 0x17]] {
        let other = Chip {
            identification,
            ..Chip::default()
        };
        assert_eq!(refused(other).0, FlashError::Silent);
    }
}

#[test]
fn a_chip_that_sleeps_or_still_erases_is_waited_for() {
    let sleeping = Chip {
        asleep: true,
        ..Chip::default()
    };
    started(sleeping);
    let erasing = Chip {
        busy_for: 240_000,
        ..Chip::default()
    };
    started(erasing);
}

#[test]
fn writes_of_every_length_around_a_page_boundary_are_read_back() {
    let (mut flash, _) = started(Chip::default());
    flash.erase(0, 2 * SECTOR as u32).expect("erased");
    let mut offset = 200;
    let mut wanted = vec![0xFF; 2 * SECTOR];
    for length in [4, 8, 44, 48, 52, 256, 260, 600, 1024] {
        let bytes = numbered(length);
        flash.write(offset as u32, &bytes).expect("written");
        wanted[offset..offset + length].copy_from_slice(&bytes);
        offset += length + 4;
    }
    let mut found = vec![0; 2 * SECTOR];
    flash.read(0, &mut found).expect("read");
    assert!(found == wanted);
    flash.write(0, &[]).expect("nothing to write");
}

#[test]
fn an_erase_takes_its_sectors_and_no_other() {
    let (mut flash, chip) = started(Chip::default());
    chip.borrow_mut().memory.fill(0x11);
    flash.erase(SECTOR as u32, 3 * SECTOR as u32).expect("erased");
    let memory = &chip.borrow().memory;
    assert!(memory[SECTOR..3 * SECTOR].iter().all(|byte| *byte == 0xFF));
    assert!(
        memory[..SECTOR]
            .iter()
            .chain(&memory[3 * SECTOR..])
            .all(|byte| *byte == 0x11)
    );
}

#[test]
fn what_is_not_aligned_or_outside_reaches_no_chip() {
    let (mut flash, chip) = started(Chip::default());
    let before = chip.borrow().transactions;
    let end = MEBIBYTES_8 as u32;
    assert_eq!(flash.write(2, &[0; 4]), Err(FlashError::NotAligned));
    assert_eq!(flash.write(0, &[0; 3]), Err(FlashError::NotAligned));
    assert_eq!(flash.erase(0, 100), Err(FlashError::NotAligned));
    assert_eq!(flash.erase(8, SECTOR as u32), Err(FlashError::NotAligned));
    assert_eq!(flash.write(end, &[0; 4]), Err(FlashError::OutOfBounds));
    assert_eq!(flash.write(u32::MAX - 3, &[0; 4]), Err(FlashError::OutOfBounds));
    assert_eq!(
        flash.erase(end, end + SECTOR as u32),
        Err(FlashError::OutOfBounds)
    );
    assert_eq!(flash.read(end - 3, &mut [0; 4]), Err(FlashError::OutOfBounds));
    assert_eq!(chip.borrow().transactions, before);
}

#[test]
fn a_bit_that_was_not_erased_is_an_error_and_not_silence() {
    let (mut flash, _) = started(Chip::default());
    flash.write(0, &[0xF0; 4]).expect("written");
    flash.write(0, &[0x70; 4]).expect("fewer ones");
    assert_eq!(flash.write(0, &[0x0F; 4]), Err(FlashError::Failed));
}

/// Every fault of a chip is reported at the operation that it hits, and in bounded time.
#[test]
fn faults_are_errors() {
    let longest = 1_000_000;
    type Fault = fn(&mut Chip);
    let faults: [(&str, Fault, FlashError); 6] = [
        (
            "never ready again",
            |chip| chip.never_ready = true,
            FlashError::Busy,
        ),
        (
            "says that it failed",
            |chip| chip.fails = true,
            FlashError::Failed,
        ),
        (
            "loses the permission",
            |chip| chip.deaf_to_enable = true,
            FlashError::Failed,
        ),
        ("does nothing", |chip| chip.lazy = true, FlashError::Failed),
        (
            "a bit stuck",
            |chip| chip.stuck = Some((8, 0x10)),
            FlashError::Failed,
        ),
        ("the bus fails", |chip| chip.unplugged = true, FlashError::Silent),
    ];
    for (name, fault, error) in faults {
        for erases in [true, false] {
            let (mut flash, chip) = started(Chip::default());
            flash.erase(0, SECTOR as u32).expect("erased");
            flash.write(0, &[0; 32]).expect("written");
            // A stuck bit is seen where it should change: low while erased, high while programmed.
            chip.borrow_mut().stuck_value = !erases;
            fault(&mut chip.borrow_mut());
            let begun = chip.borrow().microseconds;
            let outcome = if erases {
                flash.erase(0, SECTOR as u32)
            } else if name == "a bit stuck" {
                chip.borrow_mut().memory[..32].fill(0xFF);
                flash.write(0, &[0; 32])
            } else {
                flash.write(64, &[0; 32])
            };
            assert_eq!(outcome, Err(error), "{name}, erases: {erases}");
            assert!(chip.borrow().microseconds - begun < longest, "{name}");
        }
    }
}

#[test]
fn a_chip_that_never_gets_ready_or_a_line_that_floats_ends_the_start() {
    let busy = Chip {
        never_ready: true,
        busy_for: 1,
        ..Chip::default()
    };
    let (error, microseconds) = refused(busy);
    assert_eq!(error, FlashError::Busy);
    assert!((240_000..1_000_000).contains(&microseconds), "{microseconds}");
    let unplugged = Chip {
        unplugged: true,
        ..Chip::default()
    };
    assert_eq!(refused(unplugged).0, FlashError::Silent);
}

#[test]
fn progress_is_told_for_every_sector_and_every_page_of_what_was_done() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static STEPS: AtomicUsize = AtomicUsize::new(0);
    let chip = Rc::new(RefCell::new(Chip::default()));
    let progress = || {
        STEPS.fetch_add(1, Ordering::Relaxed);
    };
    let mut flash = SerialFlash::start(Bus(chip.clone()), Clock(chip.clone()), progress).expect("started");
    flash.erase(0, 5 * SECTOR as u32).expect("erased");
    assert_eq!(STEPS.swap(0, Ordering::Relaxed), 5);
    // The ends of two pages, and two whole ones between.
    flash.write(252, &[0; 4 + 2 * 256 + 4]).expect("written");
    assert_eq!(STEPS.swap(0, Ordering::Relaxed), 4);
    chip.borrow_mut().lazy = true;
    assert_eq!(flash.write(1_024, &[0; 8]), Err(FlashError::Failed));
    assert_eq!(flash.erase(0, SECTOR as u32), Err(FlashError::Failed));
    assert_eq!(STEPS.load(Ordering::Relaxed), 0);
}

#[test]
fn the_self_test_passes_again_and_again_and_finds_each_stuck_bit() {
    let last = (MEBIBYTES_8 - SECTOR) as u32;
    let (mut flash, _) = started(Chip::default());
    for _ in 0..3 {
        assert_eq!(self_test(&mut flash, last), Ok(()));
    }
    for value in [false, true] {
        for bit in 0..8 {
            let (mut flash, chip) = started(Chip::default());
            chip.borrow_mut().stuck = Some((last as usize + 5, 1 << bit));
            chip.borrow_mut().stuck_value = value;
            assert_eq!(
                self_test(&mut flash, last),
                Err(FlashError::Failed),
                "{bit} {value}"
            );
        }
    }
    assert_eq!(
        self_test(&mut flash, MEBIBYTES_8 as u32),
        Err(FlashError::OutOfBounds)
    );
}

/// The power goes after each byte that the driver sends: what it reported as written before is there, and the chip starts again.
#[test]
fn a_power_cut_at_any_byte_hurts_only_the_write_under_way() {
    let script = |flash: &mut SerialFlash<Bus, Clock>| -> (usize, Result<(), FlashError>) {
        for (done, part) in numbered(96).chunks(32).enumerate() {
            if let Err(error) = flash.write((240 + 32 * done) as u32, part) {
                return (done, Err(error));
            }
        }
        (3, Ok(()))
    };
    let (mut flash, chip) = started(Chip::default());
    let begun = chip.borrow().bytes;
    assert_eq!(script(&mut flash).0, 3);
    let total = chip.borrow().bytes - begun;
    assert!(total > 300, "{total}");
    for cut in 0..total {
        let (mut flash, chip) = started(Chip::default());
        chip.borrow_mut().power_lasts = Some(cut);
        let (done, outcome) = script(&mut flash);
        assert_eq!(outcome, Err(FlashError::Silent), "{cut}");
        let memory = std::mem::take(&mut chip.borrow_mut().memory);
        let (mut flash, _) = started(Chip {
            memory,
            ..Chip::default()
        });
        let mut found = vec![0; 96];
        flash.read(240, &mut found).expect("read");
        assert_eq!(found[..32 * done], numbered(96)[..32 * done], "{cut}");
        // Torn, but never wrong beyond the write under way.
        assert!(found[32 * (done + 1)..].iter().all(|byte| *byte == 0xFF), "{cut}");
    }
}
