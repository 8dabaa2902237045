//! CMSDK APB UART (Arm DDI 0479, chapter 4.3): receive by interrupt into a ring, transmit by polling.

use core::convert::Infallible;
use core::future::poll_fn;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::Poll;

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;
use embassy_sync::waitqueue::AtomicWaker;
use embassy_time::{Duration, Instant, Timer};
use embedded_io_async::{ErrorType, Read, ReadExactError, Write};
use runner::Keys;

use crate::{
    interrupts::{self, Interrupt},
    register::Register,
};

/// Bytes that wait for a task; more stay in the peer's buffers, because the interrupt is masked while the ring is full.
const RING: usize = 2048;
/// Keys that wait for a task. Few, because they may be a PIN, and they are erased once they are read.
const KEYS: usize = 16;
/// 25 MHz / 217 = 115,200 baud. QEMU does not time the bits but refuses a divisor below 16.
const BAUD_DIVISOR: u32 = 217;
const TRANSMIT_ENABLE: u32 = 1 << 0;
const RECEIVE_ENABLE: u32 = 1 << 1;
const RECEIVE_INTERRUPT: u32 = 1 << 3;
const STATE_TRANSMIT_FULL: u32 = 1 << 0;
const STATE_RECEIVE_FULL: u32 = 1 << 1;
const CLEAR_RECEIVE: u32 = 1 << 1;
/// A peer that takes nothing for this long has gone; what was to be sent is dropped.
const STALLED_AFTER: Duration = Duration::from_secs(1);

type Ring<const N: usize> = Pipe<CriticalSectionRawMutex, N>;

/// Who reads, and how many bytes it waits for: it is not woken for each of them.
struct Waiter {
    wanted: AtomicUsize,
    waker: AtomicWaker,
}

impl Waiter {
    const fn new() -> Self {
        Self {
            wanted: AtomicUsize::new(1),
            waker: AtomicWaker::new(),
        }
    }
}

struct Port<const N: usize> {
    base: usize,
    interrupt: Interrupt,
    ring: &'static Ring<N>,
    waiter: &'static Waiter,
}

impl<const N: usize> Port<N> {
    const fn new(base: usize, interrupt: Interrupt, ring: &'static Ring<N>, waiter: &'static Waiter) -> Self {
        Self {
            base,
            interrupt,
            ring,
            waiter,
        }
    }

    const fn data(&self) -> Register {
        Register::at(self.base)
    }

    #[inline(always)]
    const fn state(&self) -> Register {
        Register::at(self.base + 0x04)
    }

    const fn control(&self) -> Register {
        Register::at(self.base + 0x08)
    }

    const fn interrupt_clear(&self) -> Register {
        Register::at(self.base + 0x0C)
    }

    const fn baud_divisor(&self) -> Register {
        Register::at(self.base + 0x10)
    }

    fn enable(&self) {
        self.baud_divisor().write(BAUD_DIVISOR);
        self.control()
            .write(TRANSMIT_ENABLE | RECEIVE_ENABLE | RECEIVE_INTERRUPT);
        interrupts::unmask(self.interrupt);
    }

    /// Interrupt: moves the received byte into the ring, or masks itself until a task has made room.
    fn on_receive(&self) {
        if self.ring.is_full() {
            cortex_m::peripheral::NVIC::mask(self.interrupt);
            return;
        }
        self.interrupt_clear().write(CLEAR_RECEIVE);
        if self.state().read() & STATE_RECEIVE_FULL != 0 {
            let byte = self.data().read() as u8;
            // Cannot fail: only this interrupt writes, and the ring was not full.
            let _ = self.ring.try_write(&[byte]);
        }
        if self.ring.len() >= self.waiter.wanted.load(Ordering::Relaxed) {
            self.waiter.waker.wake();
        }
    }

    /// Waits until the ring holds so many bytes, which it has room for.
    async fn wait_for(&self, count: usize) {
        poll_fn(|context| {
            self.waiter.wanted.store(count, Ordering::Relaxed);
            // Before the look: a byte that comes in between wakes.
            self.waiter.waker.register(context.waker());
            if self.ring.len() >= count {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Takes what is there into `buffer`; says how much.
    fn take(&self, buffer: &mut [u8]) -> usize {
        let mut taken = 0;
        while let Some(rest) = buffer.get_mut(taken..).filter(|rest| !rest.is_empty()) {
            match self.ring.try_read(rest) {
                Ok(count) => taken += count,
                Err(_) => break,
            }
        }
        self.erase_read();
        interrupts::unmask(self.interrupt);
        taken
    }

    /// Overwrites what was read, if nothing is waiting: bytes of the console may be a PIN. The large rings are left as
    /// they are.
    fn erase_read(&self) {
        if N != KEYS {
            return;
        }
        // Without the interrupt in between, or its byte would be taken for one of these.
        critical_section::with(|_| {
            if !self.ring.is_empty() {
                return;
            }
            while self.ring.try_write(&[0; N]).is_ok() {}
            while self.ring.try_read(&mut [0; N]).is_ok() {}
        });
    }

    #[inline(always)]
    fn transmitter_full(&self) -> bool {
        self.state().read() & STATE_TRANSMIT_FULL != 0
    }
}

// Statics of their own: inside `Port` the rings would be initialised data and take 6 kB of the image, and the waiters would
// make a variable of it, whose addresses the compiler knows no more.
static HOST_RING: Ring<RING> = Ring::new();
static CARD_READER_RING: Ring<RING> = Ring::new();
static CONSOLE_RING: Ring<KEYS> = Ring::new();

static HOST_WAITER: Waiter = Waiter::new();
static CARD_READER_WAITER: Waiter = Waiter::new();
static CONSOLE_WAITER: Waiter = Waiter::new();

static HOST: Port<RING> = Port::new(0x4000_4000, Interrupt::Uart0Receive, &HOST_RING, &HOST_WAITER);
static CARD_READER: Port<RING> = Port::new(
    0x4000_5000,
    Interrupt::Uart1Receive,
    &CARD_READER_RING,
    &CARD_READER_WAITER,
);
static CONSOLE: Port<KEYS> = Port::new(
    0x4000_6000,
    Interrupt::Uart2Receive,
    &CONSOLE_RING,
    &CONSOLE_WAITER,
);

#[unsafe(no_mangle)]
extern "C" fn UART0_RX() {
    HOST.on_receive();
}

#[unsafe(no_mangle)]
extern "C" fn UART1_RX() {
    CARD_READER.on_receive();
}

#[unsafe(no_mangle)]
extern "C" fn UART2_RX() {
    CONSOLE.on_receive();
}

/// A serial line. `read` waits for at least one byte.
pub struct Uart<const N: usize = RING>(&'static Port<N>);

/// The line of screen and keys.
pub type Console = Uart<KEYS>;

/// The three lines of the terminal.
pub struct Lines {
    /// UART0: frames to and from the host.
    pub host: Uart,
    /// UART1: the PN532.
    pub card_reader: Uart,
    /// UART2: the clerk's screen and keys.
    pub console: Console,
}

/// Switches the three lines on.
pub fn enable() -> Lines {
    HOST.enable();
    CARD_READER.enable();
    CONSOLE.enable();
    Lines {
        host: Uart(&HOST),
        card_reader: Uart(&CARD_READER),
        console: Uart(&CONSOLE),
    }
}

impl<const N: usize> Uart<N> {
    /// What comes in, and what goes out.
    pub fn split(self) -> (impl Keys<Error = Infallible>, impl Write<Error = Infallible>) {
        (Self(self.0), self)
    }

    /// False when the peer has taken nothing for too long.
    async fn wait_to_send(&self) -> bool {
        let patience = Instant::now() + STALLED_AFTER;
        while self.0.transmitter_full() {
            if Instant::now() > patience {
                return false;
            }
            Timer::after_micros(100).await;
        }
        true
    }
}

impl<const N: usize> ErrorType for Uart<N> {
    type Error = Infallible;
}

impl<const N: usize> Read for Uart<N> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.0.wait_for(1).await;
        Ok(self.0.take(buffer))
    }

    /// Nothing is lost when it is given up: what has come stays in the ring.
    async fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), ReadExactError<Infallible>> {
        for part in buffer.chunks_mut(N) {
            self.0.wait_for(part.len()).await;
            self.0.take(part);
        }
        Ok(())
    }
}

impl<const N: usize> Keys for Uart<N> {}

impl<const N: usize> Write for Uart<N> {
    /// Sends all of `bytes`, or drops the rest when the peer has stopped taking them: every protocol above has checksums
    /// and time limits, and a terminal must not stand still because nobody listens.
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for &byte in bytes {
            if self.0.transmitter_full() && !self.wait_to_send().await {
                return Ok(bytes.len());
            }
            self.0.data().write(u32::from(byte));
        }
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Writes to the console without the executor, for the last words after a panic.
pub struct LastWords;

impl core::fmt::Write for LastWords {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            let mut patience = 1_000_000_u32;
            while CONSOLE.transmitter_full() {
                patience = patience.checked_sub(1).ok_or(core::fmt::Error)?;
            }
            CONSOLE.data().write(u32::from(byte));
        }
        Ok(())
    }
}
