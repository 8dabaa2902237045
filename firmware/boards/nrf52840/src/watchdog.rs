//! The watchdog: resets a terminal that stands still. A reset is a power cut, which every step survives.

use embassy_nrf::pac::WDT;
use embassy_nrf::pac::wdt::vals::Rr;

/// 30 s in ticks of 32,768 Hz: the longest turn of the loop, a start with full lists or a reader that does not answer, takes
/// a few seconds; erasing room for a list takes longer and feeds after every sector.
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
