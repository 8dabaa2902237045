//! Frames on their way between the wires and the `pn532` crate, which checks and parses them.
//!
//! Frames of section 6.2.1: `00 00 FF LEN LCS … DCS 00`; an ACK has LEN LCS = `00 FF`, a NACK `FF 00`.

use core::convert::Infallible;
use core::task::Poll;

use pn532::Interface;

use crate::ReaderError;

/// The longest normal frame in bytes: start code 3, LEN, LCS, 255 bytes, DCS, postamble.
pub const FRAME: usize = 262;
/// Preamble and start code.
pub(crate) const START: [u8; 3] = [0x00, 0x00, 0xFF];
/// Start, LEN and LCS: from these a receiver knows how long the frame is.
pub(crate) const HEADER: usize = 5;
/// Section 6.2.1.3. From the host it ends the command that runs.
pub(crate) const ACK: [u8; 6] = [0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00];

/// How many bytes follow a header.
pub(crate) fn length_after(header: [u8; HEADER]) -> Result<usize, ReaderError> {
    let [0x00, 0x00, 0xFF, length, checksum] = header else {
        return Err(ReaderError::Garbled);
    };
    match [length, checksum] {
        // ACK and NACK: only the postamble follows.
        [0x00, 0xFF] | [0xFF, 0x00] => Ok(1),
        _ if length.wrapping_add(checksum) == 0 => Ok(usize::from(length).saturating_add(2)),
        _ => Err(ReaderError::Garbled),
    }
}

/// The bytes between the driver and the wires: one frame out, one frame in.
pub(crate) struct Mailbox {
    outgoing: ([u8; FRAME], usize),
    /// None: nothing came yet.
    incoming: ([u8; FRAME], Option<usize>),
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            outgoing: ([0; FRAME], 0),
            incoming: ([0; FRAME], None),
        }
    }
}

impl Mailbox {
    /// Forgets both frames.
    pub(crate) fn clear(&mut self) {
        self.outgoing.1 = 0;
        self.incoming.1 = None;
    }

    /// What the driver wants to send.
    pub(crate) fn outgoing(&self) -> &[u8] {
        self.outgoing.0.get(..self.outgoing.1).unwrap_or_default()
    }

    /// Where the next frame goes, and then its length.
    pub(crate) fn incoming(&mut self) -> (&mut [u8; FRAME], &mut Option<usize>) {
        (&mut self.incoming.0, &mut self.incoming.1)
    }
}

impl Interface for Mailbox {
    type Error = Infallible;

    fn write(&mut self, frame: &mut [u8]) -> Result<(), Infallible> {
        self.outgoing.1 = copy(frame, &mut self.outgoing.0);
        Ok(())
    }

    fn wait_ready(&mut self) -> Poll<Result<(), Infallible>> {
        match self.incoming.1 {
            None => Poll::Pending,
            Some(_) => Poll::Ready(Ok(())),
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let length = self.incoming.1.take().unwrap_or_default();
        copy(self.incoming.0.get(..length).unwrap_or_default(), bytes);
        Ok(())
    }
}

/// Copies as much as there is room for; returns how much.
fn copy(from: &[u8], to: &mut [u8]) -> usize {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
    from.len().min(to.len())
}
