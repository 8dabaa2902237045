//! The keypad's wires: a task scans it, and the clerk's keys are read from what it found.

use core::cell::RefCell;
use core::convert::Infallible;
use core::future::poll_fn;
use core::task::Poll;

use board_parts::keypad::{KeyQueue, Keypad, SCAN_INTERVAL, SIZE};
use critical_section::Mutex;
use embassy_nrf::gpio::{Input, Output};
use embassy_sync::waitqueue::AtomicWaker;
use embassy_time::Timer;
use embedded_io_async::{ErrorType, Read};

/// Cycles until a column follows its row: 2 µs for the pull-up of 13 kΩ and some 50 pF of wire.
const SETTLED: u32 = 128;

static KEYPAD: Mutex<RefCell<Keypad>> = Mutex::new(RefCell::new(Keypad::new()));
static QUEUE: Mutex<RefCell<KeyQueue>> = Mutex::new(RefCell::new(KeyQueue::new()));
static READER: AtomicWaker = AtomicWaker::new();

/// Scans the keypad for ever: rows are pulled low one by one, and a pressed key pulls its column.
#[embassy_executor::task]
pub(crate) async fn scan(mut rows: [Output<'static>; SIZE], columns: [Input<'static>; SIZE]) {
    loop {
        // No ticker: it would make up for what was missed while the core computed, by scans in one go.
        Timer::after_millis(SCAN_INTERVAL).await;
        let contacts = rows.each_mut().map(|row| {
            row.set_low();
            cortex_m::asm::delay(SETTLED);
            let closed = columns
                .iter()
                .zip([1, 2, 4, 8])
                .filter_map(|(column, bit)| column.is_low().then_some(bit))
                .sum();
            row.set_high();
            closed
        });
        let key = critical_section::with(|section| KEYPAD.borrow_ref_mut(section).scan(contacts));
        if let Some(key) = key {
            critical_section::with(|section| QUEUE.borrow_ref_mut(section).push(key));
            READER.wake();
        }
    }
}

/// What was typed.
pub(crate) struct Keys;

impl ErrorType for Keys {
    type Error = Infallible;
}

impl Read for Keys {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|context| {
            // Before the look: a key that comes in between wakes.
            READER.register(context.waker());
            match critical_section::with(|section| QUEUE.borrow_ref_mut(section).take(buffer)) {
                0 if !buffer.is_empty() => Poll::Pending,
                count => Poll::Ready(Ok(count)),
            }
        })
        .await
    }
}

impl runner::Keys for Keys {
    fn forget_held(&mut self) {
        critical_section::with(|section| KEYPAD.borrow_ref_mut(section).forget());
    }
}
