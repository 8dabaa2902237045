//! Embassy's executor with a sleep that QEMU's mps2 honours: WFI (the stock executor waits with WFE and never sleeps).

use core::sync::atomic::{AtomicBool, Ordering};

use embassy_executor::{Spawner, raw};
use static_cell::StaticCell;

static EXECUTOR: StaticCell<raw::Executor> = StaticCell::new();
static PENDING: AtomicBool = AtomicBool::new(false);

/// Embassy calls this, also from interrupts, when a task can go on.
#[unsafe(export_name = "__pender")]
fn pend(_context: *mut ()) {
    PENDING.store(true, Ordering::Release);
}

/// Runs the tasks that `spawn` starts, for ever.
pub fn run(spawn: impl FnOnce(Spawner)) -> ! {
    let executor = EXECUTOR.init(raw::Executor::new(core::ptr::null_mut()));
    spawn(executor.spawner());
    loop {
        PENDING.store(false, Ordering::Release);
        // SAFETY: called here only, so never from within itself.
        unsafe { executor.poll() };
        // With interrupts off none can slip in between the question and the sleep; WFI wakes up for it all the same.
        cortex_m::interrupt::free(|_| {
            if !PENDING.load(Ordering::Acquire) {
                cortex_m::asm::wfi();
            }
        });
    }
}
