//! Finds frames in the byte stream of a serial line and hands them to the `pn532` crate, which checks and parses them.
//!
//! Frames of section 6.2.1: `00 00 FF LEN LCS … DCS 00`; an ACK has LEN LCS = `00 FF`, a NACK `FF 00`.

use core::{convert::Infallible, task::Poll};

use embedded_io_async::Read;
use pn532::Interface;

use crate::ReaderError;

/// The longest normal frame: start code 3, LEN, LCS, 255 bytes, DCS, postamble.
pub(crate) const FRAME: usize = 262;
const START: [u8; 3] = [0x00, 0x00, 0xFF];
const HEADER: usize = 5;
/// Junk before a start code that is borne: the longest frame once over.
const JUNK: usize = FRAME;

/// The bytes between the driver and the line: one frame out, one frame in.
pub(crate) struct Mailbox {
    outgoing: ([u8; FRAME], usize),
    incoming: ([u8; FRAME], usize),
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            outgoing: ([0; FRAME], 0),
            incoming: ([0; FRAME], 0),
        }
    }
}

impl Mailbox {
    /// Forgets both frames.
    pub(crate) fn clear(&mut self) {
        self.outgoing.1 = 0;
        self.incoming.1 = 0;
    }

    /// What the driver wants to send.
    pub(crate) fn outgoing(&self) -> &[u8] {
        self.outgoing.0.get(..self.outgoing.1).unwrap_or_default()
    }

    /// Reads from `line` until one frame is complete.
    pub(crate) async fn receive<S: Read>(&mut self, line: &mut S) -> Result<(), ReaderError> {
        self.incoming.1 = 0;
        let buffer = &mut self.incoming.0;
        let (header, body) = buffer.split_at_mut(HEADER);
        let (start, lengths) = header.split_at_mut(START.len());
        find_start(line).await?;
        start.copy_from_slice(&START);
        fill(line, lengths).await?;
        let body_length = match *lengths {
            // ACK and NACK: only the postamble follows.
            [0x00, 0xFF] | [0xFF, 0x00] => 1,
            [length, checksum] if length.wrapping_add(checksum) == 0 => usize::from(length) + 2,
            _ => return Err(ReaderError::Garbled),
        };
        let body = body.get_mut(..body_length).ok_or(ReaderError::TooLong)?;
        fill(line, body).await?;
        self.incoming.1 = HEADER + body_length;
        Ok(())
    }
}

async fn fill<S: Read>(line: &mut S, bytes: &mut [u8]) -> Result<(), ReaderError> {
    line.read_exact(bytes).await.map_err(|_| ReaderError::Silent)
}

async fn find_start<S: Read>(line: &mut S) -> Result<(), ReaderError> {
    let mut window = [0xFF; START.len()];
    for _ in 0..JUNK {
        let mut byte = [0];
        fill(line, &mut byte).await?;
        window = [window[1], window[2], byte[0]];
        if window == START {
            return Ok(());
        }
    }
    Err(ReaderError::Garbled)
}

impl Interface for Mailbox {
    type Error = Infallible;

    fn write(&mut self, frame: &mut [u8]) -> Result<(), Infallible> {
        let length = frame.len().min(FRAME);
        self.outgoing.0[..length].copy_from_slice(&frame[..length]);
        self.outgoing.1 = length;
        Ok(())
    }

    fn wait_ready(&mut self) -> Poll<Result<(), Infallible>> {
        if self.incoming.1 == 0 {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let length = bytes.len().min(self.incoming.1);
        bytes[..length].copy_from_slice(&self.incoming.0[..length]);
        self.incoming.1 = 0;
        Ok(())
    }
}
