//! Last words: what the clerk sees when the firmware itself fails. The machine then stands still; what it said was paid
//! is in flash.

use core::fmt::Write as _;

use cortex_m_rt::{ExceptionFrame, exception};

use crate::uart::LastWords;

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

/// Says what happened and what to do, then stands still.
fn halt(place: impl FnOnce(&mut LastWords) -> core::fmt::Result) -> ! {
    cortex_m::interrupt::disable();
    let mut out = LastWords;
    let _ = out.write_str(
        "\r\nMáy bị lỗi. Khoản đã báo ĐÃ TRẢ vẫn còn nguyên. Tắt máy rồi bật lại.\r\n\
         The terminal failed. What it said was paid is kept. Switch it off and on again.\r\nPANIC ",
    );
    let _ = place(&mut out);
    loop {
        cortex_m::asm::wfi();
    }
}
