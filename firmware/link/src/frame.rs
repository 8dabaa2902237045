//! Frames on the serial line: COBS of message ‖ CRC-32, between zero bytes; DATA 8.1.

use cobs::{CobsEncoder, DecodeResult, DecoderState};
use crc::{CRC_32_ISO_HDLC, Crc};

const CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Message and CRC together, in bytes before COBS.
pub const MAX_FRAME: usize = 2048;
/// The longest message, in bytes.
pub const MAX_MESSAGE: usize = MAX_FRAME - 4;
/// The longest frame on the line with a zero byte on both sides.
pub const MAX_ENCODED: usize = cobs::max_encoding_length(MAX_FRAME) + 2;

/// Room for any frame as it goes over the line.
pub type Encoded = [u8; MAX_ENCODED];

/// Why a frame could not be made or was dropped. The peer gets no answer to a dropped frame and asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME`].
    #[error(
        "a frame on the line to the terminal is longer than {MAX_FRAME} bytes; it was dropped; ask again"
    )]
    TooLong,
    /// A message without bytes.
    #[error("there is no message to put into a frame for the terminal; nothing was sent")]
    Empty,
    /// Not COBS, or too short for a message and its CRC: cut short, or junk on the line.
    #[error("an incomplete frame came over the line to the terminal; it was dropped; ask again")]
    Broken,
    /// The CRC differs.
    #[error("a frame was altered on the line to the terminal; it was dropped; check the cable and ask again")]
    Checksum,
}

/// Encodes one frame and returns the bytes for the line.
///
/// The zero byte in front ends whatever junk the peer has received before; the decoder ignores empty frames.
///
/// # Errors
/// [`FrameError::TooLong`] for more than [`MAX_MESSAGE`] bytes, [`FrameError::Empty`] for none.
pub fn encode<'e>(message: &[u8], encoded: &'e mut Encoded) -> Result<&'e [u8], FrameError> {
    if message.is_empty() {
        return Err(FrameError::Empty);
    }
    if message.len() > MAX_MESSAGE {
        return Err(FrameError::TooLong);
    }
    let [start, body @ ..] = encoded;
    *start = 0;
    let mut encoder = CobsEncoder::new(body);
    let pushed = encoder
        .push(message)
        .and_then(|()| encoder.push(&CRC32.checksum(message).to_le_bytes()));
    pushed.map_err(|_| FrameError::TooLong)?;
    let length = encoder.finalize();
    let end = body.get_mut(length).ok_or(FrameError::TooLong)?;
    *end = 0;
    encoded.get(..length.saturating_add(2)).ok_or(FrameError::TooLong)
}

/// Takes the bytes from the line one by one and gives the messages.
///
/// It holds one frame, never more; after junk, a cut or an oversized frame it goes on with the next zero byte.
pub struct FrameDecoder {
    cobs: DecoderState,
    bytes: [u8; MAX_FRAME],
    length: usize,
    /// The frame is too long: drop everything up to the next zero byte.
    overlong: bool,
}

impl FrameDecoder {
    /// A decoder at the start of a frame.
    pub const fn new() -> Self {
        Self {
            cobs: DecoderState::Idle,
            bytes: [0; MAX_FRAME],
            length: 0,
            overlong: false,
        }
    }

    /// Takes one byte. At the end of a frame gives the message, or says why there is none.
    pub fn feed(&mut self, byte: u8) -> Option<Result<&[u8], FrameError>> {
        if byte != 0 {
            self.take(byte);
            return None;
        }
        let idle = matches!(self.cobs, DecoderState::Idle);
        let complete = matches!(self.cobs.feed(0), Ok(DecodeResult::DataComplete));
        let length = core::mem::take(&mut self.length);
        let overlong = core::mem::take(&mut self.overlong);
        self.cobs = DecoderState::Idle;
        match (overlong, idle, complete) {
            (true, ..) => Some(Err(FrameError::TooLong)),
            (false, true, _) => None,
            (false, false, false) => Some(Err(FrameError::Broken)),
            (false, false, true) => Some(verified(self.bytes.get(..length).unwrap_or_default())),
        }
    }

    fn take(&mut self, byte: u8) {
        // Only a zero byte can be wrong inside a frame; other bytes give data or nothing.
        let Ok(DecodeResult::DataContinue(decoded)) = self.cobs.feed(byte) else {
            return;
        };
        match self.bytes.get_mut(self.length) {
            Some(place) => {
                *place = decoded;
                self.length = self.length.saturating_add(1);
            }
            None => self.overlong = true,
        }
    }
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new()
    }
}

fn verified(frame: &[u8]) -> Result<&[u8], FrameError> {
    let (message, crc) = frame.split_last_chunk::<4>().ok_or(FrameError::Broken)?;
    // The CRC of nothing is zero, so a cut run of zero bytes would pass for an empty message.
    if message.is_empty() {
        return Err(FrameError::Broken);
    }
    if CRC32.checksum(message).to_le_bytes() != *crc {
        return Err(FrameError::Checksum);
    }
    Ok(message)
}
