//! A PN532 as its user manual describes it, with a card in its field, behind a serial line and behind SPI, with faults to
//! choose from; and a time of its own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use embassy_time::{Duration, Instant, MockDriver};
use embedded_hal::digital::{ErrorType as PinError, OutputPin};
use embedded_hal::spi::{ErrorType as SpiError, SpiBus};
use embedded_hal_async::digital::Wait;
use embedded_io_async::{ErrorType, Read, Write};
use reader::{FRAME, Reader, ReaderError, Serial, Spi, Transport};

pub(crate) const ACK: [u8; 6] = [0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00];
pub(crate) const SAM_CONFIGURATION: u8 = 0x14;
pub(crate) const RF_CONFIGURATION: u8 = 0x32;
pub(crate) const EXCHANGE: u8 = 0x40;
pub(crate) const LIST: u8 = 0x4A;
pub(crate) const PSL: u8 = 0x4E;
pub(crate) const RELEASE: u8 = 0x52;
const DIAGNOSE: u8 = 0x00;
/// Section 7.2.11: how long the select line is low until the chip's clock runs.
const WOKEN_AFTER: Duration = Duration::from_millis(2);
/// Time goes on by this much when everything waits.
const STEP: Duration = Duration::from_micros(100);
/// A minute: no call takes as long.
const STEPS: u32 = 600_000;

pub(crate) fn frame(content: &[u8]) -> Vec<u8> {
    let sum = content.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    let length = content.len() as u8;
    [
        &[0x00, 0x00, 0xFF, length, length.wrapping_neg()],
        content,
        &[sum.wrapping_neg(), 0x00],
    ]
    .concat()
}

pub(crate) fn answer(command: u8, data: &[u8]) -> Vec<u8> {
    frame(&[&[0xD5, command + 1], data].concat())
}

/// How chip and card take a request for another rate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateChange {
    Done,
    /// The card does not answer, and stays where it was.
    Refused,
    /// The card has changed, and its answer to that was lost.
    AnswerLost,
    /// The chip says nothing at all.
    Silence,
    /// The chip does not know the command.
    Unknown,
}

/// What is sent for one command instead of acknowledgement and answer.
pub(crate) struct Misdeed {
    pub(crate) command: u8,
    pub(crate) pieces: Vec<Vec<u8>>,
}

pub(crate) struct Chip {
    /// What can be read, and from when on.
    pub(crate) outgoing: VecDeque<(Instant, Vec<u8>)>,
    pub(crate) incoming: Vec<u8>,
    pub(crate) asleep: bool,
    pub(crate) unplugged: bool,
    /// Loses its power for a moment when this many more commands have come.
    pub(crate) resets_at: Option<usize>,
    pub(crate) unplugged_at: Option<usize>,
    pub(crate) misdeed: Option<Misdeed>,
    /// Between acknowledgement and answer.
    pub(crate) takes: Duration,
    /// Always has another frame.
    pub(crate) babbles: bool,
    /// Codes and data of the commands that came.
    pub(crate) commands: Vec<Vec<u8>>,

    pub(crate) card_there: bool,
    pub(crate) ats: Vec<u8>,
    pub(crate) response: Vec<u8>,
    pub(crate) rate_change: RateChange,
    /// The card is not heard at another rate than 106 kbit/s.
    pub(crate) deaf_when_fast: bool,
    /// It is activated: it hears no search before the field was off or it was released.
    pub(crate) active: bool,
    /// Rates of card and chip.
    pub(crate) rates: (u8, u8),

    /// SPI: since when the select line is low, and what came since.
    pub(crate) selected: Option<(Instant, Vec<u8>)>,
    pub(crate) status_reads: usize,
    pub(crate) uses_irq: bool,
    /// The IRQ line is always as told.
    pub(crate) irq_stuck: Option<bool>,
    /// The line from the chip is always as told.
    pub(crate) miso_stuck: Option<u8>,
    pub(crate) most_significant_first: bool,
}

impl Default for Chip {
    fn default() -> Self {
        Self {
            outgoing: VecDeque::new(),
            incoming: Vec::new(),
            asleep: true,
            unplugged: false,
            resets_at: None,
            unplugged_at: None,
            misdeed: None,
            takes: Duration::from_millis(2),
            babbles: false,
            commands: Vec::new(),
            card_there: true,
            ats: vec![5, 0x78, 0x80, 0x70, 0x02],
            response: vec![0x90, 0x00],
            rate_change: RateChange::Done,
            deaf_when_fast: false,
            active: false,
            rates: (0, 0),
            selected: None,
            status_reads: 0,
            uses_irq: true,
            irq_stuck: None,
            miso_stuck: None,
            most_significant_first: false,
        }
    }
}

impl Chip {
    pub(crate) fn is_selected(&self) -> bool {
        self.selected.is_some()
    }

    /// For a moment: it has forgotten everything.
    pub(crate) fn take_card_away(&mut self) {
        self.active = false;
    }

    fn reset(&mut self) {
        self.outgoing.clear();
        self.incoming.clear();
        self.asleep = true;
        self.active = false;
    }

    fn is_dead(&self) -> bool {
        self.asleep || self.unplugged
    }

    fn is_ready(&self) -> bool {
        let first = self.outgoing.front();
        !self.is_dead() && (self.babbles || first.is_some_and(|(from, _)| *from <= Instant::now()))
    }

    /// Bytes from the host; a frame that is whole is carried out.
    fn take(&mut self, bytes: &[u8]) {
        if self.is_dead() {
            return;
        }
        self.incoming.extend(bytes);
        while let Some(start) = self.incoming.windows(3).position(|bytes| bytes == [0, 0, 0xFF]) {
            let frame = &self.incoming[start..];
            let Some(&[length, checksum]) = frame.get(3..5) else {
                return;
            };
            let end = match [length, checksum] {
                [0x00, 0xFF] | [0xFF, 0x00] => 6,
                _ => usize::from(length) + 7,
            };
            let Some(frame) = frame.get(..end).map(<[u8]>::to_vec) else {
                return;
            };
            self.incoming.drain(..start + end);
            if frame == ACK {
                self.outgoing.clear();
            } else {
                self.command(&frame[6..end - 2]);
            }
        }
    }

    fn command(&mut self, command: &[u8]) {
        self.commands.push(command.to_vec());
        if self.resets_at.take_if(|at| *at == self.commands.len()).is_some() {
            return self.reset();
        }
        if self
            .unplugged_at
            .take_if(|at| *at == self.commands.len())
            .is_some()
        {
            self.unplugged = true;
            return self.reset();
        }
        let now = Instant::now();
        let pieces = match self.misdeed.take_if(|misdeed| misdeed.command == command[0]) {
            Some(misdeed) => misdeed.pieces,
            None => self.carry_out(command),
        };
        for (index, piece) in pieces.into_iter().enumerate() {
            let ready = now + Duration::from_micros(100) + self.takes * index as u32;
            self.outgoing.push_back((ready, piece));
        }
    }

    fn carry_out(&mut self, command: &[u8]) -> Vec<Vec<u8>> {
        let (code, data) = (command[0], &command[1..]);
        let data = match (code, data) {
            (SAM_CONFIGURATION, [1, _, irq]) => {
                self.uses_irq = *irq != 0;
                vec![]
            }
            (RF_CONFIGURATION, data) => {
                if data == [0x01, 0x00] {
                    self.active = false;
                }
                vec![]
            }
            (LIST, _) => self.list(),
            (PSL, [1, to, from]) if to == from => match self.rate_change {
                RateChange::Silence => return vec![ACK.to_vec()],
                RateChange::Unknown => return vec![ACK.to_vec(), frame(&[0x7F])],
                RateChange::Refused => vec![0x01],
                RateChange::AnswerLost => {
                    self.rates.0 = *to;
                    vec![0x01]
                }
                RateChange::Done => {
                    self.rates = (*to, *to);
                    vec![0x00]
                }
            },
            (EXCHANGE, [1, ..]) if self.is_heard() => [&[0x00], self.response.as_slice()].concat(),
            (EXCHANGE, _) => vec![0x01],
            (DIAGNOSE, [0x06]) if self.is_heard() => vec![0x00],
            (DIAGNOSE, _) => vec![0x01],
            (RELEASE, _) => {
                self.active &= !self.is_heard();
                vec![0x00]
            }
            _ => return vec![ACK.to_vec(), frame(&[0x7F])],
        };
        vec![ACK.to_vec(), answer(code, &data)]
    }

    fn list(&mut self) -> Vec<u8> {
        if !self.card_there || self.active {
            return vec![0];
        }
        self.active = true;
        self.rates = (0, 0);
        [&[1, 1, 0x00, 0x04, 0x20, 4, 8, 1, 2, 3], self.ats.as_slice()].concat()
    }

    fn is_heard(&self) -> bool {
        let (card, chip) = self.rates;
        self.card_there && self.active && card == chip && !(self.deaf_when_fast && card != 0)
    }

    /// One byte on SPI, in both directions.
    fn transfer(&mut self, byte: u8) -> u8 {
        let Some((_, sent)) = &mut self.selected else {
            panic!("a byte without the select line");
        };
        sent.push(byte);
        let place = sent.len() - 1;
        let mode = sent[0];
        if self.is_dead() {
            return self.miso_stuck.unwrap_or(0xFF);
        }
        let out = match (mode, place) {
            (0x02, 1) => {
                self.status_reads += 1;
                u8::from(self.is_ready())
            }
            (0x03, 1..) if self.is_ready() => {
                let frame = self.outgoing.front().map(|(_, frame)| frame.as_slice());
                *frame.unwrap_or_default().get(place - 1).unwrap_or(&0xFF)
            }
            _ => 0xAA,
        };
        self.miso_stuck.unwrap_or(out)
    }

    /// The select line goes up: what came is taken.
    fn deselect(&mut self) {
        let Some((since, sent)) = self.selected.take() else {
            return;
        };
        if !self.unplugged && since.elapsed() >= WOKEN_AFTER {
            self.asleep = false;
        }
        match sent.split_first() {
            Some((0x01, frame)) => {
                self.incoming.clear();
                self.take(frame);
            }
            Some((0x03, read)) if !read.is_empty() && self.is_ready() => {
                self.outgoing.pop_front();
            }
            _ => {}
        }
    }
}

pub(crate) type Shared = Rc<RefCell<Chip>>;

/// The serial line to it.
pub(crate) struct Line(Shared);

impl ErrorType for Line {
    type Error = Infallible;
}

impl Read for Line {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|_| {
            let chip = &mut *self.0.borrow_mut();
            if !chip.is_ready() {
                return Poll::Pending;
            }
            if chip.babbles {
                buffer.fill(0xA5);
                return Poll::Ready(Ok(buffer.len()));
            }
            let Some((ready, mut bytes)) = chip.outgoing.pop_front() else {
                return Poll::Pending;
            };
            let count = bytes.len().min(buffer.len());
            buffer[..count].copy_from_slice(&bytes[..count]);
            if count < bytes.len() {
                chip.outgoing.push_front((ready, bytes.split_off(count)));
            }
            Poll::Ready(Ok(count))
        })
        .await
    }
}

impl Write for Line {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let chip = &mut *self.0.borrow_mut();
        if !chip.unplugged && bytes.contains(&0x55) {
            chip.asleep = false;
        }
        chip.take(bytes);
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The SPI bus to it.
pub(crate) struct Bus(Shared);

impl Bus {
    fn transfer_byte(&self, byte: u8) -> u8 {
        let chip = &mut *self.0.borrow_mut();
        if chip.most_significant_first {
            chip.transfer(byte.reverse_bits()).reverse_bits()
        } else {
            chip.transfer(byte)
        }
    }
}

impl SpiError for Bus {
    type Error = Infallible;
}

impl SpiBus for Bus {
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.iter_mut().for_each(|byte| *byte = self.transfer_byte(0));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        for byte in bytes {
            self.transfer_byte(*byte);
        }
        Ok(())
    }

    fn transfer(&mut self, _: &mut [u8], _: &[u8]) -> Result<(), Infallible> {
        unreachable!("the driver has one buffer")
    }

    fn transfer_in_place(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes
            .iter_mut()
            .for_each(|byte| *byte = self.transfer_byte(*byte));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Its select line.
pub(crate) struct Select(Shared);

impl PinError for Select {
    type Error = Infallible;
}

impl OutputPin for Select {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.borrow_mut().selected = Some((Instant::now(), Vec::new()));
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.borrow_mut().deselect();
        Ok(())
    }
}

/// Its IRQ pin.
pub(crate) struct Irq(Shared);

impl PinError for Irq {
    type Error = Infallible;
}

impl Wait for Irq {
    async fn wait_for_low(&mut self) -> Result<(), Infallible> {
        poll_fn(|_| {
            let chip = self.0.borrow();
            let low = chip
                .irq_stuck
                .map_or(chip.uses_irq && chip.is_ready(), |high| !high);
            if low { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await
    }

    async fn wait_for_high(&mut self) -> Result<(), Infallible> {
        unreachable!("the pin is active low")
    }

    async fn wait_for_rising_edge(&mut self) -> Result<(), Infallible> {
        unreachable!("the pin is active low")
    }

    async fn wait_for_falling_edge(&mut self) -> Result<(), Infallible> {
        unreachable!("an edge can be missed")
    }

    async fn wait_for_any_edge(&mut self) -> Result<(), Infallible> {
        unreachable!("an edge can be missed")
    }
}

/// Which wires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Front {
    Serial,
    Spi,
}

pub(crate) const FRONTS: [Front; 2] = [Front::Serial, Front::Spi];

/// The wires, as one type.
pub(crate) enum Wires {
    Serial(Serial<Line>),
    Spi(Spi<Bus, Select, Irq>),
}

impl Transport for Wires {
    async fn start(&mut self) -> Result<(), ReaderError> {
        match self {
            Self::Serial(wires) => wires.start().await,
            Self::Spi(wires) => wires.start().await,
        }
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), ReaderError> {
        match self {
            Self::Serial(wires) => wires.send(frame).await,
            Self::Spi(wires) => wires.send(frame).await,
        }
    }

    async fn receive(
        &mut self,
        frame: &mut [u8; FRAME],
        limit: Duration,
    ) -> Result<Option<usize>, ReaderError> {
        match self {
            Self::Serial(wires) => wires.receive(frame, limit).await,
            Self::Spi(wires) => wires.receive(frame, limit).await,
        }
    }
}

/// A driver and its chip.
pub(crate) fn reader(front: Front, chip: Chip) -> (Reader<Wires>, Shared) {
    let chip = Rc::new(RefCell::new(chip));
    let wires = match front {
        Front::Serial => Wires::Serial(Serial(Line(chip.clone()))),
        Front::Spi => Wires::Spi(Spi::new(
            Bus(chip.clone()),
            Select(chip.clone()),
            Irq(chip.clone()),
        )),
    };
    (Reader::new(wires), chip)
}

/// Runs a future to its end, and says how long it took in its own time. A wait without end is a failure.
pub(crate) fn run<F: Future>(future: F) -> (F::Output, Duration) {
    /// All tests of a program share the time.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let begun = Instant::now();
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..STEPS {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return (output, begun.elapsed());
        }
        MockDriver::get().advance(STEP);
    }
    panic!("a wait without end");
}

/// One tap: find the card, ask it, let it go.
pub(crate) fn tap(reader: &mut Reader<Wires>) -> Result<Option<Vec<u8>>, ReaderError> {
    run(async {
        let Some(card) = reader.poll().await? else {
            return Ok(None);
        };
        let mut response = [0; 252];
        let length = reader
            .exchange(card, &[0x00, 0xA4, 0x04, 0x00], &mut response)
            .await?;
        reader.release(card).await?;
        Ok(Some(response[..length].to_vec()))
    })
    .0
}
