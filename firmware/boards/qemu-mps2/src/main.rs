//! The terminal on QEMU's mps2-an386: a thin binary around the terminal core.
#![no_std]
#![no_main]

use core::cell::RefCell;

use card_spec::crypto::{PortableP256, sha256};
use cortex_m_rt::entry;
use embassy_time::Instant;
use embedded_io_async::Write;
use qemu_mps2::seed::NoRandomness;
use qemu_mps2::{clock, executor, flash, image, seed, uart};
use runner::Lines;
use terminal::{Image, Layout, StartError, Terminal};

/// Room for some 4,600 journal entries.
const JOURNAL: u32 = 2 << 20;

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
    let parts = flash::take();
    let random = match seed::consume(parts.seed) {
        Ok(random) => random,
        Err(reason) => return say(&mut console, without_randomness(reason)).await,
    };
    let image = Image {
        firmware: sha256(&[image::bytes()]),
        test: true,
    };
    let flash = RefCell::new(parts.terminal);
    let layout = Layout::from_start(0, JOURNAL);
    let now = Instant::now().as_millis();
    match Terminal::start(&flash, layout, random, PortableP256, image, now) {
        Ok(mut terminal) => {
            let lines = Lines {
                host,
                console,
                card_reader,
            };
            runner::run(&mut terminal, lines).await
        }
        Err(reason) => say(&mut console, without_start(reason)).await,
    }
}

fn without_randomness(reason: NoRandomness) -> &'static str {
    match reason {
        NoRandomness::Missing => {
            "Máy không có nguồn ngẫu nhiên nên không thể chi trả.\r\n\
             No seed page: without randomness this terminal does not start. Start it with its launcher.\r\n"
        }
        NoRandomness::Flash(_) => FLASH_FAILS,
    }
}

const FLASH_FAILS: &str = "Bộ nhớ của máy bị hỏng. Giữ máy lại và báo cho tỉnh.\r\n\
     The flash fails. Keep the terminal, what it holds may be needed, and report it.\r\n";

fn without_start(reason: StartError) -> &'static str {
    match reason {
        StartError::Flash => FLASH_FAILS,
        StartError::Journal => {
            "Không đọc được nhật ký của máy. Giữ máy lại và báo cho tỉnh.\r\n\
             The newest journal entry cannot be read. Keep the terminal and report it.\r\n"
        }
    }
}

async fn say(console: &mut uart::Uart, text: &str) {
    let Ok(()) = console.write_all(text.as_bytes()).await;
}
