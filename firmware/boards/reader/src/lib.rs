//! A PN532 contactless reader on an asynchronous serial line ("HSU"), for every board.
//!
//! The chip runs ISO/IEC 14443-4 by itself; a command goes to the card in one `InDataExchange`. Every wait has an end, so
//! a card that leaves, or a reader that was unplugged, is an error and never a standstill.
//!
//! Section numbers are those of NXP's PN532 user manual, UM0701-02.
#![no_std]

mod frame;

use embassy_time::{Duration, with_timeout};
use embedded_io_async::{Read, Write};
use pn532::{
    ErrorCode, Pn532, Request,
    requests::{BorrowedRequest, Command, SAMMode},
};

use crate::frame::{FRAME, Mailbox};

/// The longest command or response APDU: 255 bytes of a normal frame less TFI, command code and target or status.
pub const MAX_APDU: usize = 252;
/// Section 6.2.2: the chip acknowledges within 15 ms. More, because a virtual machine may stand still for a while.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(1);
/// A card signs in 32 ms, a slow one extends its waiting time (ISO/IEC 14443-4 S(WTX)); after this it is gone.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
/// A pause of this length (some 100 bytes at 115,200 baud) ends a transmission.
const QUIET: Duration = Duration::from_millis(10);
/// Reads of at most 64 bytes before a line that is never quiet counts as disturbed.
const DRAINED_READS: usize = 1024;
/// Section 7.2.11: HSU wake-up is a 0x55 and a pause; the zeros are that pause.
const WAKE_UP: [u8; 16] = [0x55, 0x55, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Section 7.3.1, item 5: MxRtyATR, MxRtyPSL as after reset; MxRtyPassiveActivation 1 instead of "for ever".
const RETRIES: [u8; 4] = [0x05, 0xFF, 0x01, 0x01];
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
    /// The PN532 answers, but not by its protocol: disturbance on the line.
    Garbled,
    /// The card left the field, or does not answer any more.
    CardLost,
    /// Something is in the field that is no ISO/IEC 14443-4 card.
    NotASmartCard,
    /// The command or the response does not fit into one frame ([`MAX_APDU`]) or into the caller's buffer.
    TooLong,
}

/// The reader. After an error on the line it sets the PN532 up again by itself at the next [`poll`](Reader::poll).
pub struct Reader<S> {
    line: S,
    pn532: Pn532<Mailbox, (), FRAME>,
    ready: bool,
}

impl<S: Read + Write> Reader<S> {
    /// A reader on `line`. Nothing is sent before the first [`poll`](Reader::poll).
    pub fn new(line: S) -> Self {
        Self {
            line,
            pn532: Pn532::new_async(Mailbox::default()),
            ready: false,
        }
    }

    /// Looks once for a card of type A and activates it (RATS included). `None`: no card there.
    pub async fn poll(&mut self) -> Result<Option<Target>, ReaderError> {
        if !self.ready {
            self.set_up().await?;
        }
        let found = self
            .process((&Request::INLIST_ONE_ISO_A_TARGET).into(), MAX_APDU + 1)
            .await?;
        match found {
            [] => Err(ReaderError::Garbled),
            [0, ..] => Ok(None),
            // NbTg, Tg, SENS_RES (2), SEL_RES, …
            [_, number, _, _, sel_res, ..] if sel_res & SPEAKS_ISO_14443_4 != 0 => {
                Ok(Some(Target { number: *number }))
            }
            _ => Err(ReaderError::NotASmartCard),
        }
    }

    /// Sends one command APDU to the card and copies its response into `response`; returns the response's length.
    pub async fn exchange(
        &mut self,
        target: Target,
        command: &[u8],
        response: &mut [u8],
    ) -> Result<usize, ReaderError> {
        let mut data = [0; MAX_APDU + 1];
        let data = data.get_mut(..=command.len()).ok_or(ReaderError::TooLong)?;
        let (first, rest) = data.split_first_mut().ok_or(ReaderError::TooLong)?;
        *first = target.number;
        rest.copy_from_slice(command);
        let request = BorrowedRequest::new(Command::InDataExchange, data);
        let answer = self.process(request, MAX_APDU + 1).await?;
        let (&status, apdu) = answer.split_first().ok_or(ReaderError::Garbled)?;
        check(status)?;
        response
            .get_mut(..apdu.len())
            .ok_or(ReaderError::TooLong)?
            .copy_from_slice(apdu);
        Ok(apdu.len())
    }

    /// Whether the card is still there; disturbs neither its state nor its session.
    pub async fn is_present(&mut self, _target: Target) -> Result<bool, ReaderError> {
        let request = BorrowedRequest::new(Command::Diagnose, &PRESENCE_TEST);
        let answer = self.process(request, 1).await?;
        Ok(matches!(answer, [0x00]))
    }

    /// Lets the card go; the next [`poll`](Reader::poll) starts it afresh.
    pub async fn release(&mut self, target: Target) -> Result<(), ReaderError> {
        let data = [target.number];
        let request = BorrowedRequest::new(Command::InRelease, &data);
        self.process(request, 1).await.map(|_| ())
    }

    async fn set_up(&mut self) -> Result<(), ReaderError> {
        self.drain().await?;
        write(&mut self.line, &WAKE_UP).await?;
        let normal = Request::sam_configuration(SAMMode::Normal, false);
        self.process((&normal).into(), 0).await?;
        let retries = BorrowedRequest::new(Command::RFConfiguration, &RETRIES);
        self.process(retries, 0).await?;
        self.ready = true;
        Ok(())
    }

    /// Throws away what is still coming from before an error, or the next answer would be taken for another's.
    async fn drain(&mut self) -> Result<(), ReaderError> {
        let mut junk = [0; 64];
        for _ in 0..DRAINED_READS {
            match with_timeout(QUIET, self.line.read(&mut junk)).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return Err(ReaderError::Silent),
                Err(_) => return Ok(()),
            }
        }
        Err(ReaderError::Garbled)
    }

    /// One command and its answer. A failure on the line leaves the reader to be set up again.
    async fn process(&mut self, request: BorrowedRequest<'_>, longest: usize) -> Result<&[u8], ReaderError> {
        let command = request.command;
        let was_ready = core::mem::replace(&mut self.ready, false);
        self.pn532.interface.clear();
        self.pn532.send(request).map_err(|_| ReaderError::Garbled)?;
        write(&mut self.line, self.pn532.interface.outgoing()).await?;
        if !self.receive(ACKNOWLEDGED_WITHIN).await? {
            return Err(ReaderError::Silent);
        }
        self.pn532.receive_ack().map_err(|_| ReaderError::Garbled)?;
        if !self.receive(ANSWERED_WITHIN).await? {
            // An ACK from the host ends the running command (section 6.2.1.3).
            self.pn532.abort().map_err(|_| ReaderError::Garbled)?;
            write(&mut self.line, self.pn532.interface.outgoing()).await?;
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
        match with_timeout(limit, self.pn532.interface.receive(&mut self.line)).await {
            Ok(received) => received.map(|()| true),
            Err(_) => Ok(false),
        }
    }
}

async fn write<S: Write>(line: &mut S, bytes: &[u8]) -> Result<(), ReaderError> {
    line.write_all(bytes).await.map_err(|_| ReaderError::Silent)
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
