//! The chip on SPI (section 6.2.5): mode 0, **least significant bit first**, at most 5 MHz.
//!
//! The host says with the first byte of a transmission what it wants: write a frame, read the status, read a frame. A frame is
//! read in one transmission, whose length its own header tells: so the select line is moved here and not by a `SpiDevice`,
//! which wants to know the length before.

use embassy_time::{Duration, Instant, Timer, with_timeout};
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiBus;
use embedded_hal_async::digital::Wait;

use crate::frame::{ACK, HEADER, length_after};
use crate::{FRAME, ReaderError, Transport};

const WRITE_DATA: u8 = 0x01;
const READ_STATUS: u8 = 0x02;
const READ_DATA: u8 = 0x03;
/// The status of a chip that has a frame to be read. A line that nobody drives reads as 00 or FF.
const READY: u8 = 0x01;
/// Section 7.2.11: the select line wakes the chip up, which takes 2 ms until its clock runs.
const WAKE_UP: Duration = Duration::from_millis(3);
/// How long the IRQ pin is waited for before the status is asked without it: a broken wire costs time and no payment.
const LOOK: Duration = Duration::from_millis(10);
/// Between two looks at a status that contradicts the IRQ pin.
const PAUSE: Duration = Duration::from_micros(500);
/// Frames that are thrown away before a chip that always has another one counts as disturbed.
const DRAINED_FRAMES: usize = 16;

/// A PN532 on a bus of its own.
pub struct Spi<B, S, I> {
    bus: B,
    select: S,
    irq: I,
}

impl<B: SpiBus, S: OutputPin, I: Wait> Spi<B, S, I> {
    /// A chip on `bus` (mode 0, least significant bit first), with `select` at NSS and `irq` at P70_IRQ, both active low.
    pub fn new(bus: B, select: S, irq: I) -> Self {
        Self { bus, select, irq }
    }

    /// One transmission, with the select line low. A frame takes a millisecond at 2 MHz: its bytes are not waited for.
    fn transmit<R>(
        &mut self,
        exchange: impl FnOnce(&mut B) -> Result<R, ReaderError>,
    ) -> Result<R, ReaderError> {
        self.select.set_low().map_err(|_| ReaderError::Silent)?;
        let result = exchange(&mut self.bus);
        // Until the last bit is on the wire.
        let sent = self.bus.flush().map_err(|_| ReaderError::Silent);
        self.select.set_high().map_err(|_| ReaderError::Silent)?;
        sent.and(result)
    }

    fn is_ready(&mut self) -> Result<bool, ReaderError> {
        let mut bytes = [READ_STATUS, 0];
        self.transmit(|bus| bus.transfer_in_place(&mut bytes).map_err(|_| ReaderError::Silent))?;
        Ok(bytes[1] == READY)
    }

    fn write_frame(&mut self, frame: &[u8]) -> Result<(), ReaderError> {
        self.transmit(|bus| {
            bus.write(&[WRITE_DATA]).map_err(|_| ReaderError::Silent)?;
            bus.write(frame).map_err(|_| ReaderError::Silent)
        })
    }

    fn read_frame(&mut self, frame: &mut [u8; FRAME]) -> Result<usize, ReaderError> {
        self.transmit(|bus| {
            let (header, body) = frame
                .split_first_chunk_mut::<HEADER>()
                .ok_or(ReaderError::TooLong)?;
            bus.write(&[READ_DATA]).map_err(|_| ReaderError::Silent)?;
            bus.read(header).map_err(|_| ReaderError::Silent)?;
            let length = length_after(*header)?;
            let body = body.get_mut(..length).ok_or(ReaderError::TooLong)?;
            bus.read(body).map_err(|_| ReaderError::Silent)?;
            Ok(HEADER.saturating_add(length))
        })
    }

    /// Waits until a frame can be read; false when none could within `limit`.
    async fn wait_ready(&mut self, limit: Duration) -> Result<bool, ReaderError> {
        let begun = Instant::now();
        loop {
            // The pin only says when to ask: it may be broken, or still low from the frame before.
            let _ = with_timeout(LOOK, self.irq.wait_for_low()).await;
            if self.is_ready()? {
                return Ok(true);
            }
            if begun.elapsed() >= limit {
                return Ok(false);
            }
            Timer::after(PAUSE).await;
        }
    }
}

impl<B: SpiBus, S: OutputPin, I: Wait> Transport for Spi<B, S, I> {
    async fn start(&mut self) -> Result<(), ReaderError> {
        self.select.set_low().map_err(|_| ReaderError::Silent)?;
        Timer::after(WAKE_UP).await;
        self.select.set_high().map_err(|_| ReaderError::Silent)?;
        self.write_frame(&ACK)?;
        let mut junk = [0; FRAME];
        for _ in 0..DRAINED_FRAMES {
            Timer::after(PAUSE).await;
            if !self.is_ready()? {
                return Ok(());
            }
            self.transmit(|bus| {
                bus.write(&[READ_DATA]).map_err(|_| ReaderError::Silent)?;
                bus.read(&mut junk).map_err(|_| ReaderError::Silent)
            })?;
        }
        Err(ReaderError::Garbled)
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), ReaderError> {
        self.write_frame(frame)
    }

    async fn receive(
        &mut self,
        frame: &mut [u8; FRAME],
        limit: Duration,
    ) -> Result<Option<usize>, ReaderError> {
        if !self.wait_ready(limit).await? {
            return Ok(None);
        }
        self.read_frame(frame).map(Some)
    }
}
