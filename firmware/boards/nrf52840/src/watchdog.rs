//! The watchdog: resets a terminal that stands still. A reset is a power cut, which every step survives.

use embassy_nrf::pac::WDT;
use embassy_nrf::pac::wdt::vals::Rr;

/// 30 s in ticks of 32,768 Hz. It is fed for each turn of the loop and each exchange with a card (`runner::run` says how long they
/// take), and for each sector of the flash erased and each page programmed: making a block list anew from its changes takes
/// longer than that if it is long. What feeds nothing is shorter: even reading the whole chip would take 8.4 s (8 MiB at 8 MHz).
const TICKS: u32 = 30 * 32_768 - 1;

/// Starts it; nothing but a reset stops it (product specification 6.36.1).
pub(crate) fn start() {
    WDT.crv().write_value(TICKS);
    WDT.rren().write(|enabled| enabled.set_rr(0, true));
    WDT.tasks_start().write_value(1);
    feed();
}

/// Progress was made.
pub(crate) fn feed() {
    WDT.rr(0).write(|register| register.set_rr(Rr::Reload));
}
