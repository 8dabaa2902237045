//! A PN532 contactless reader on a serial line ([`Serial`]) or on SPI ([`Spi`]), for every board.
//!
//! The chip runs ISO/IEC 14443-4 by itself; a command goes to the card in one `InDataExchange`. It finds a card at 106 kbit/s;
//! one whose answer to select says that it can is then asked for 424 or 212 kbit/s. Every wait has an end, so
//! a card that leaves, or a reader that was unplugged, is an error and never a standstill.
//!
//! Section numbers are those of NXP's PN532 user manual, UM0701-02.
#![no_std]

mod frame;
mod rate;
mod serial;
mod spi;
mod transport;

use embassy_time::{Duration, Timer};
use pn532::{
    ErrorCode, Pn532, Request,
    requests::{BorrowedRequest, Command},
};

use crate::frame::Mailbox;
use crate::rate::Rate;

pub use crate::frame::FRAME;
pub use crate::serial::Serial;
pub use crate::spi::Spi;
pub use crate::transport::Transport;

/// The longest command or response APDU: 255 bytes of a normal frame less TFI, command code and target or status.
pub const MAX_APDU: usize = 252;
/// The same with the byte before it: a command's target, an answer's status.
const LONGEST: usize = MAX_APDU + 1;
/// Section 6.2.2: the chip acknowledges within 15 ms. More, because a virtual machine may stand still for a while.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(1);
/// A card signs in 32 ms, a slow one extends its waiting time (ISO/IEC 14443-4 S(WTX)); after this it is gone.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
/// What asks nothing of a card is answered at once.
const SET_UP_WITHIN: Duration = Duration::from_secs(1);
/// What the chip is told before it looks for cards:
/// - section 7.2.10: normal mode, without security module; the IRQ pin tells of frames, to wires that have it,
/// - section 7.3.1, item 1: the field off, until a card is looked for,
/// - section 7.3.1, item 5: MxRtyATR, MxRtyPSL as after reset; MxRtyPassiveActivation 1 instead of "for ever".
const SET_UP: [(Command, &[u8]); 3] = [
    (Command::SAMConfiguration, &[0x01, 0x00, 0x01]),
    (Command::RFConfiguration, &[0x01, 0x00]),
    (Command::RFConfiguration, &[0x05, 0xFF, 0x01, 0x01]),
];
/// EMV Contactless, book D, t_RESET: a card without field for 5.1 ms has forgotten everything.
const FORGOTTEN_WITHIN: Duration = Duration::from_millis(6);
/// Section 7.2.1, test 6: asks an ISO/IEC 14443-4 card for a sign of life.
const PRESENCE_TEST: [u8; 1] = [0x06];
/// Section 7.3.5: SEL_RES bit 6 says that the card speaks ISO/IEC 14443-4.
const SPEAKS_ISO_14443_4: u8 = 0x20;
/// Section 7.1: bits 5..0 of a status byte are the error, bit 6 says that more data follow.
const STATUS_ERROR: u8 = 0x3F;
const STATUS_MORE: u8 = 0x40;

/// A card in the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    number: u8,
}

/// Why there was no answer from a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReaderError {
    /// The PN532 does not answer: not connected, or without power.
    Silent,
    /// The PN532 answers, but not by its protocol: disturbance on the wires.
    Garbled,
    /// The card left the field, or does not answer any more.
    CardLost,
    /// Something is in the field that is no ISO/IEC 14443-4 card.
    NotASmartCard,
    /// The command or the response does not fit into one frame ([`MAX_APDU`]) or into the caller's buffer.
    TooLong,
}

/// The reader. After an error on the wires it sets the PN532 up again by itself at the next [`poll`](Reader::poll).
pub struct Reader<T> {
    wires: T,
    pn532: Pn532<Mailbox, (), FRAME>,
    ready: bool,
    /// Whether the next card is asked for a higher rate. Not after one was lost, until one was served to its end: a card that
    /// is hardly reached at 424 kbit/s would be lost again.
    hurry: bool,
}

impl<T: Transport> Reader<T> {
    /// A reader behind `wires`. Nothing is sent before the first [`poll`](Reader::poll).
    pub fn new(wires: T) -> Self {
        Self {
            wires,
            pn532: Pn532::new_async(Mailbox::default()),
            ready: false,
            hurry: true,
        }
    }

    /// Looks once for a card of type A and activates it (RATS included), at the highest rate that it has in both directions.
    /// `None`: no card there, or one that did not take that rate: the next look finds it and leaves it at 106 kbit/s.
    pub async fn poll(&mut self) -> Result<Option<Target>, ReaderError> {
        let Some((target, rate)) = self.activate().await? else {
            return Ok(None);
        };
        let Some(rate) = rate.filter(|_| self.hurry) else {
            return Ok(Some(target));
        };
        if self.change_rate(target, rate).await == Ok(()) {
            return Ok(Some(target));
        }
        // Nobody knows at which rate it listens now: it is to start afresh.
        self.hurry = false;
        self.ready = false;
        Ok(None)
    }

    /// Sends one command APDU to the card and copies its response into `response`; returns the response's length.
    pub async fn exchange(
        &mut self,
        target: Target,
        command: &[u8],
        response: &mut [u8],
    ) -> Result<usize, ReaderError> {
        let mut data = [0; LONGEST];
        let data = data.get_mut(..=command.len()).ok_or(ReaderError::TooLong)?;
        let (first, rest) = data.split_first_mut().ok_or(ReaderError::TooLong)?;
        *first = target.number;
        rest.copy_from_slice(command);
        let request = BorrowedRequest::new(Command::InDataExchange, data);
        // Until the card has answered it counts as lost.
        let hurry = core::mem::replace(&mut self.hurry, false);
        let answer = self.process(request, LONGEST, ANSWERED_WITHIN).await?;
        let (&status, apdu) = answer.split_first().ok_or(ReaderError::Garbled)?;
        check(status)?;
        response
            .get_mut(..apdu.len())
            .ok_or(ReaderError::TooLong)?
            .copy_from_slice(apdu);
        let length = apdu.len();
        self.hurry = hurry;
        Ok(length)
    }

    /// Whether the card is still there; disturbs neither its state nor its session.
    pub async fn is_present(&mut self, _target: Target) -> Result<bool, ReaderError> {
        let request = BorrowedRequest::new(Command::Diagnose, &PRESENCE_TEST);
        let answer = self.process(request, 1, ANSWERED_WITHIN).await?;
        Ok(matches!(answer, [0x00]))
    }

    /// Lets the card go; the next [`poll`](Reader::poll) starts it afresh.
    pub async fn release(&mut self, target: Target) -> Result<(), ReaderError> {
        let data = [target.number];
        let request = BorrowedRequest::new(Command::InRelease, &data);
        self.process(request, 1, ANSWERED_WITHIN).await?;
        self.hurry = true;
        Ok(())
    }

    /// Finds a card at 106 kbit/s, and says which rate it has.
    async fn activate(&mut self) -> Result<Option<(Target, Option<Rate>)>, ReaderError> {
        if !self.ready {
            self.set_up().await?;
        }
        let found = self
            .process(
                (&Request::INLIST_ONE_ISO_A_TARGET).into(),
                LONGEST,
                ANSWERED_WITHIN,
            )
            .await?;
        match found {
            [] => Err(ReaderError::Garbled),
            [0, ..] => Ok(None),
            // NbTg, Tg, SENS_RES (2), SEL_RES, NFCIDLength, NFCID1, ATS
            [_, number, _, _, sel_res, rest @ ..] if sel_res & SPEAKS_ISO_14443_4 != 0 => {
                Ok(Some((Target { number: *number }, Rate::after_sel_res(rest))))
            }
            _ => Err(ReaderError::NotASmartCard),
        }
    }

    /// Section 7.3.7: `InPSL`, which is PPS to an ISO/IEC 14443-4 card.
    async fn change_rate(&mut self, target: Target, rate: Rate) -> Result<(), ReaderError> {
        let data = [target.number, rate.code(), rate.code()];
        let request = BorrowedRequest::new(Command::InPSL, &data);
        match self.process(request, 1, ANSWERED_WITHIN).await? {
            [status] => check(*status),
            _ => Err(ReaderError::Garbled),
        }
    }

    /// Wakes the chip up and tells it how we work. A card that is there starts afresh.
    async fn set_up(&mut self) -> Result<(), ReaderError> {
        self.wires.start().await?;
        for (command, data) in SET_UP {
            self.process(BorrowedRequest::new(command, data), 0, SET_UP_WITHIN)
                .await?;
        }
        Timer::after(FORGOTTEN_WITHIN).await;
        self.ready = true;
        Ok(())
    }

    /// One command and its answer. A failure on the wires leaves the reader to be set up again.
    async fn process(
        &mut self,
        request: BorrowedRequest<'_>,
        longest: usize,
        within: Duration,
    ) -> Result<&[u8], ReaderError> {
        let command = request.command;
        let was_ready = core::mem::replace(&mut self.ready, false);
        self.pn532.interface.clear();
        self.pn532.send(request).map_err(|_| ReaderError::Garbled)?;
        self.wires.send(self.pn532.interface.outgoing()).await?;
        if !self.receive(ACKNOWLEDGED_WITHIN).await? {
            return Err(ReaderError::Silent);
        }
        self.pn532.receive_ack().map_err(|_| ReaderError::Garbled)?;
        if !self.receive(within).await? {
            // An ACK from the host ends the running command (section 6.2.1.3).
            self.pn532.abort().map_err(|_| ReaderError::Garbled)?;
            self.wires.send(self.pn532.interface.outgoing()).await?;
            return Err(ReaderError::CardLost);
        }
        let answer = self
            .pn532
            .receive_response(command, longest)
            .map_err(|_| ReaderError::Garbled)?;
        self.ready = was_ready;
        Ok(answer)
    }

    /// Waits for one frame; false when none came in time.
    async fn receive(&mut self, limit: Duration) -> Result<bool, ReaderError> {
        let (frame, length) = self.pn532.interface.incoming();
        *length = self.wires.receive(frame, limit).await?;
        Ok(length.is_some())
    }
}

fn check(status: u8) -> Result<(), ReaderError> {
    if status & STATUS_MORE != 0 {
        return Err(ReaderError::TooLong);
    }
    if status & STATUS_ERROR == 0 {
        return Ok(());
    }
    match ErrorCode::try_from(status) {
        Ok(ErrorCode::InternalBufferOverflow | ErrorCode::InsufficientCommunicationBuffer) => {
            Err(ReaderError::TooLong)
        }
        // Time-out, CRC, framing, protocol, "not acceptable": whatever the chip saw, the card has to be tapped again.
        _ => Err(ReaderError::CardLost),
    }
}
