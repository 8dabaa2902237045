//! The supply fails: no flash write begins after the warning.
//!
//! The power-fail comparator (product specification 5.3.4) interrupts above every task. All stops where it is, which is a power
//! cut as seen by the flash, and those the terminal survives at any instruction. If the supply comes back, the terminal
//! starts again; if not, the brown-out reset ends it.

use cortex_m::peripheral::{NVIC, SCB};
use embassy_nrf::interrupt;
use embassy_nrf::pac::POWER;
use embassy_nrf::pac::power::vals::Threshold;

/// Volts × 10 of the board are 30. The flash chip works down to 16.5 and the processor down to 17: a page that is being
/// programmed ends on what the capacitors hold.
const THRESHOLD: Threshold = Threshold::V27;
/// Looks of about 1 ms in a row without a warning that make a good supply.
const STEADY: u32 = 200;
/// 64 MHz.
const MILLISECOND: u32 = 64_000;

/// Switches the comparator on.
pub(crate) fn watch() {
    POWER.pofcon().write(|control| {
        control.set_threshold(THRESHOLD);
        control.set_pof(true);
    });
    POWER.events_pofwarn().write_value(0);
    POWER.intenset().write(|enabled| enabled.set_pofwarn(true));
    // SAFETY: no critical section relies on this line being masked, and its handler is below.
    unsafe { NVIC::unmask(interrupt::CLOCK_POWER) };
}

#[interrupt]
fn CLOCK_POWER() {
    cortex_m::interrupt::disable();
    let mut steady = 0;
    // A supply that stays low ends in the brown-out reset, or in the watchdog's.
    while steady < STEADY {
        POWER.events_pofwarn().write_value(0);
        cortex_m::asm::delay(MILLISECOND);
        steady = if POWER.events_pofwarn().read() == 0 {
            steady + 1
        } else {
            0
        };
    }
    SCB::sys_reset();
}
