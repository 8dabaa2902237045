//! The terminal on QEMU's mps2-an386: a thin binary around the terminal core.
#![no_std]
#![no_main]

use core::cell::RefCell;
use core::fmt::{Display, Write as _};

use cortex_m_rt::entry;
use embassy_time::Instant;
use embedded_io_async::Write;
use heapless::String;
use qemu_mps2::curve::CURVE;
use qemu_mps2::{clock, executor, flash, image, seed, uart};
use reader::Serial;
use runner::{Console, Parts};
use terminal::{Image, Layout, Terminal};

/// All of the flash: five payment lists of 4,000 lines, two block lists of so many cards, and the rest for the journal.
const LAYOUT: Layout = Layout::up_to(flash::TERMINAL, BLOCKED_CARDS);
const BLOCKED_CARDS: u32 = 200_000;

// 10,000 payments that no host has: Intent, Paid and Handed each, as long as they are on average, 13 in a block.
const _: () = assert!((LAYOUT.journal.end - LAYOUT.journal.start) / flash::BLOCK as u32 * 13 > 10_000 * 3);

#[entry]
fn main() -> ! {
    clock::start();
    executor::run(|spawner| {
        if let Ok(task) = terminal() {
            spawner.spawn(task);
        }
    })
}

#[embassy_executor::task]
async fn terminal() {
    let uart::Lines {
        host,
        card_reader,
        mut console,
    } = uart::enable();
    let firmware = match image::hash() {
        Ok(hash) => hash,
        Err(damaged) => return stop(&mut console, &damaged).await,
    };
    let parts = flash::take();
    let random = match seed::consume(parts.seed) {
        Ok(random) => random,
        Err(reason) => return stop(&mut console, &reason).await,
    };
    let image = Image { firmware, test: true };
    let flash = RefCell::new(parts.terminal);
    let now = Instant::now().as_millis();
    let mut place = None;
    match Terminal::start_in(&mut place, &flash, LAYOUT, random, CURVE, image, now) {
        Ok(terminal) => {
            let (keys, screen) = console.split();
            let parts = Parts {
                host,
                screen: Console(screen),
                keys,
                card_reader: Serial(card_reader),
            };
            // This machine has no watchdog.
            match runner::run(terminal, parts, || ()).await {}
        }
        Err(reason) => stop(&mut console, &reason).await,
    }
}

/// Says why the terminal does not start. It then stands still: what it holds stays as it is.
async fn stop(console: &mut uart::Console, reason: &impl Display) {
    let mut text = String::<256>::new();
    // Too long a text is cut.
    let _ = write!(text, "{reason}\r\n");
    let Ok(()) = console.write_all(text.as_bytes()).await;
}
