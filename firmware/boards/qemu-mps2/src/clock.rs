//! Embassy's time driver on two CMSDK timers (Arm DDI 0479, chapter 4.1): TIMER0 counts, TIMER1 is the alarm.
//!
//! Both count down at 25 MHz. One round of TIMER0 takes 172 s; its interrupt counts the rounds.

use core::{
    cell::RefCell,
    sync::atomic::{AtomicU32, Ordering},
    task::Waker,
};

use critical_section::Mutex;
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;

use crate::{
    interrupts::{self, Interrupt},
    register::Register,
};

const CLOCK_HZ: u64 = 25_000_000;
const CYCLES_PER_TICK: u64 = CLOCK_HZ / TICK_HZ;
const ENABLE: u32 = 1 << 0;
const ENABLE_INTERRUPT: u32 = 1 << 3;
/// The longest alarm: half a round. A later one fires early and is set again.
const LONGEST_ALARM: u64 = (u32::MAX / 2) as u64;

struct Counter {
    control: Register,
    value: Register,
    reload: Register,
    interrupt_clear: Register,
}

impl Counter {
    const fn at(base: usize) -> Self {
        Self {
            control: Register::at(base),
            value: Register::at(base + 0x04),
            reload: Register::at(base + 0x08),
            interrupt_clear: Register::at(base + 0x0C),
        }
    }
}

const ROUND: Counter = Counter::at(0x4000_0000);
const ALARM: Counter = Counter::at(0x4000_1000);

struct Clock {
    rounds: AtomicU32,
    wakers: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock {
    rounds: AtomicU32::new(0),
    wakers: Mutex::new(RefCell::new(Queue::new())),
});

/// Starts the clock at zero.
pub fn start() {
    ROUND.reload.write(u32::MAX);
    ROUND.value.write(u32::MAX);
    ROUND.control.write(ENABLE | ENABLE_INTERRUPT);
    interrupts::unmask(Interrupt::Timer0);
    interrupts::unmask(Interrupt::Timer1);
}

impl Driver for Clock {
    fn now(&self) -> u64 {
        critical_section::with(|_| {
            let before = ROUND.value.read();
            let ended = ROUND.interrupt_clear.read() & 1;
            let value = ROUND.value.read();
            // A round that ended while interrupts were off, or between the two reads, is not counted yet.
            let uncounted = if value > before { 1 } else { ended };
            let rounds = self.rounds.load(Ordering::Relaxed).wrapping_add(uncounted);
            ((u64::from(rounds) << 32) | u64::from(u32::MAX - value)) / CYCLES_PER_TICK
        })
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|section| {
            let mut wakers = self.wakers.borrow_ref_mut(section);
            if wakers.schedule_wake(at, waker) {
                self.arm(&mut wakers);
            }
        });
    }
}

impl Clock {
    /// Wakes whom it is time for, and sets the alarm for the next.
    fn arm(&self, wakers: &mut Queue) {
        let now = self.now();
        let next = wakers.next_expiration(now);
        ALARM.control.write(0);
        ALARM.interrupt_clear.write(1);
        if next == u64::MAX {
            return;
        }
        // At least one tick, so that an alarm in the past cannot stop the timer at zero.
        let ticks = next.saturating_sub(now).max(1);
        let cycles = ticks.saturating_mul(CYCLES_PER_TICK).min(LONGEST_ALARM) as u32;
        ALARM.reload.write(cycles);
        ALARM.value.write(cycles);
        ALARM.control.write(ENABLE | ENABLE_INTERRUPT);
    }
}

#[unsafe(no_mangle)]
extern "C" fn TIMER0() {
    ROUND.interrupt_clear.write(1);
    CLOCK.rounds.fetch_add(1, Ordering::Relaxed);
}

#[unsafe(no_mangle)]
extern "C" fn TIMER1() {
    critical_section::with(|section| CLOCK.arm(&mut CLOCK.wakers.borrow_ref_mut(section)));
}
