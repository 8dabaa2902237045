//! The terminal on QEMU's mps2-an386: a thin binary around the terminal core.
//!
//! A machine for development and tests. Its random source is a seed page written from outside, its clock starts at zero;
//! a production root refuses its certificate.
#![no_std]
#![no_main]

mod clock;
mod executor;
mod flash;
mod interrupts;
mod register;
mod seed;
mod uart;

use core::fmt::Write as _;

use cortex_m_rt::{ExceptionFrame, entry, exception};
use embassy_executor::Spawner;
use embassy_futures::select::{Either3, select3};
use embassy_time::{Instant, Timer};
use embedded_io_async::{Read, Write};
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use reader::Reader;

use crate::{flash::Flash, uart::Uart};

#[entry]
fn main() -> ! {
    executor::run(|spawner| {
        clock::start();
        if let Ok(task) = terminal(spawner) {
            spawner.spawn(task);
        }
    })
}

#[embassy_executor::task]
async fn terminal(_spawner: Spawner) {
    let mut lines = uart::enable();
    let mut parts = flash::take();
    say(&mut lines.console, "hello\r\n").await;
    let random = seed::consume(parts.seed);
    match random {
        Ok(_) => say(&mut lines.console, "seed ok\r\n").await,
        Err(_) => say(&mut lines.console, "no seed\r\n").await,
    }
    let boots = count_boot(&mut parts.terminal);
    let mut text = heapless::String::<64>::new();
    let _ = write!(text, "boots {boots:?}\r\n");
    say(&mut lines.console, &text).await;
    let mut reader = Reader::new(lines.card_reader);
    let mut key = [0; 8];
    let mut frame = [0; 256];
    loop {
        match select3(
            lines.host.read(&mut frame),
            lines.console.read(&mut key),
            Timer::after_millis(200),
        )
        .await
        {
            Either3::First(Ok(count)) => {
                let _ = lines.host.write_all(&frame[..count]).await;
            }
            Either3::Second(Ok(_)) => {
                let mut text = heapless::String::<64>::new();
                let _ = write!(text, "now {} ms\r\n", Instant::now().as_millis());
                say(&mut lines.console, &text).await;
            }
            _ => {
                let mut text = heapless::String::<64>::new();
                match reader.poll().await {
                    Ok(None) => {}
                    Ok(Some(target)) => {
                        let mut response = [0; 252];
                        let answer = reader
                            .exchange(
                                target,
                                &[0, 0xA4, 4, 0, 8, 0xF0, 0x41, 0x4E, 0x53, 0x49, 0x4E, 0x48, 1],
                                &mut response,
                            )
                            .await;
                        let _ = write!(
                            text,
                            "select {:?}\r\n",
                            answer.map(|n| response[n.saturating_sub(2)])
                        );
                    }
                    Err(error) => {
                        let _ = write!(text, "reader {error:?}\r\n");
                    }
                }
                say(&mut lines.console, &text).await;
            }
        }
    }
}

fn count_boot(flash: &mut Flash) -> Option<u32> {
    let mut word = [0; 4];
    flash.read(0, &mut word).ok()?;
    let count = u32::from_le_bytes(word).wrapping_add(1);
    flash.erase(0, 4096).ok()?;
    flash.write(0, &count.to_le_bytes()).ok()?;
    Some(count)
}

async fn say(console: &mut Uart, text: &str) {
    // Cannot fail: the line's error type is Infallible.
    let _ = console.write_all(text.as_bytes()).await;
}

#[panic_handler]
fn on_panic(panic: &core::panic::PanicInfo<'_>) -> ! {
    // The place only: a message could carry personal data.
    halt(|out| match panic.location() {
        Some(place) => writeln!(out, "{}:{}\r", place.file(), place.line()),
        None => writeln!(out, "?\r"),
    })
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    halt(|out| writeln!(out, "HardFault at {:#010x}\r", frame.pc()))
}

/// Says what happened and what to do, then stands still: what was said to be paid is in flash.
fn halt(place: impl FnOnce(&mut uart::LastWords) -> core::fmt::Result) -> ! {
    cortex_m::interrupt::disable();
    let mut out = uart::LastWords;
    let _ = out.write_str(
        "\r\nMáy bị lỗi. Khoản đã báo ĐÃ TRẢ vẫn còn nguyên. Tắt máy rồi bật lại.\r\n\
         The terminal failed. What it said was paid is kept. Switch it off and on again.\r\nPANIC ",
    );
    let _ = place(&mut out);
    loop {
        cortex_m::asm::wfi();
    }
}
