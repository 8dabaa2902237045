//! What happens when the firmware itself fails: it starts again, which is a power cut, and says where it failed.
//!
//! The place is kept in memory that a reset does not clear.

use core::fmt::Write as _;

use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, exception};
use embassy_nrf::pac::POWER;
use heapless::String;

/// Says that the rest was written by [`restart`]: memory holds noise after power-on.
const MARK: u32 = 0x414E_5348;
/// Bytes of a place that are kept.
const PLACE: usize = 60;

#[repr(C)]
#[derive(Clone, Copy)]
struct Failure {
    mark: u32,
    length: u32,
    place: [u8; PLACE],
}

#[unsafe(link_section = ".uninit.ANSINH_FAILURE")]
static mut FAILURE: core::mem::MaybeUninit<Failure> = core::mem::MaybeUninit::uninit();

#[panic_handler]
fn on_panic(panic: &core::panic::PanicInfo<'_>) -> ! {
    let mut place = String::<PLACE>::new();
    // The place only: a message could carry personal data. Its end tells most.
    if let Some(location) = panic.location() {
        let file = location.file();
        let start = file.len().saturating_sub(PLACE - 12);
        let _ = write!(place, "{}:{}", file.get(start..).unwrap_or("?"), location.line());
    }
    restart(&place)
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    let mut place = String::<PLACE>::new();
    let _ = write!(place, "HardFault {:#010x}", frame.pc());
    restart(&place)
}

fn restart(place: &str) -> ! {
    cortex_m::interrupt::disable();
    let mut failure = Failure {
        mark: MARK,
        length: place.len() as u32,
        place: [0; PLACE],
    };
    for (kept, byte) in failure.place.iter_mut().zip(place.bytes()) {
        *kept = byte;
    }
    // SAFETY: interrupts are off and there is one core: nobody else reads or writes it. Volatile, as nothing reads it before
    // the reset.
    unsafe { (&raw mut FAILURE).cast::<Failure>().write_volatile(failure) };
    SCB::sys_reset();
}

/// What ended the start before this one, if it was a failure; told once.
pub(crate) fn before_this_start() -> Option<String<320>> {
    let reasons = POWER.resetreas().read();
    // Product specification 5.3.7.10: bits are cleared by writing them.
    POWER.resetreas().write_value(reasons);
    // SAFETY: any bytes are a `Failure`; called once, before anything could fail again, and there is one core.
    let failure = unsafe { (&raw const FAILURE).cast::<Failure>().read_volatile() };
    // SAFETY: as above.
    unsafe { (&raw mut FAILURE).cast::<u32>().write_volatile(0) };
    let place = match failure.mark {
        MARK => core::str::from_utf8(failure.place.get(..failure.length as usize)?).ok()?,
        _ if reasons.dog() => "watchdog",
        _ => return None,
    };
    let mut text = String::new();
    // It fits.
    let _ = writeln!(
        text,
        "Máy vừa bị lỗi và khởi động lại. Khoản đã báo ĐÃ TRẢ vẫn còn nguyên.\u{1F} / The terminal failed and has started \
         again. What it said was paid is kept.\u{1E}\n{place}"
    );
    Some(text)
}
