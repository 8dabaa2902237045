//! The chip on an asynchronous serial line, "HSU" (section 6.2.3): 115,200 baud, 8 bits, no parity.

use embassy_time::{Duration, with_timeout};
use embedded_io_async::{Read, Write};

use crate::frame::{HEADER, START, length_after};
use crate::{FRAME, ReaderError, Transport};

/// A pause of this length (some 100 bytes at 115,200 baud) ends a transmission.
const QUIET: Duration = Duration::from_millis(10);
/// Reads of at most 64 bytes before a line that is never quiet counts as disturbed.
const DRAINED_READS: usize = 1024;
/// Section 7.2.11: HSU wake-up is a 0x55 and a pause; the zeros are that pause.
const WAKE_UP: [u8; 16] = [0x55, 0x55, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Junk before a start code that is borne: the longest frame once over.
const JUNK: usize = FRAME;

/// A PN532 on this line.
pub struct Serial<L>(pub L);

impl<L: Read + Write> Transport for Serial<L> {
    async fn start(&mut self) -> Result<(), ReaderError> {
        self.drain().await?;
        self.send(&WAKE_UP).await
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), ReaderError> {
        self.0.write_all(frame).await.map_err(|_| ReaderError::Silent)
    }

    async fn receive(
        &mut self,
        frame: &mut [u8; FRAME],
        limit: Duration,
    ) -> Result<Option<usize>, ReaderError> {
        match with_timeout(limit, self.read_frame(frame)).await {
            Ok(received) => received.map(Some),
            Err(_) => Ok(None),
        }
    }
}

impl<L: Read> Serial<L> {
    async fn drain(&mut self) -> Result<(), ReaderError> {
        let mut junk = [0; 64];
        for _ in 0..DRAINED_READS {
            match with_timeout(QUIET, self.0.read(&mut junk)).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return Err(ReaderError::Silent),
                Err(_) => return Ok(()),
            }
        }
        Err(ReaderError::Garbled)
    }

    async fn read_frame(&mut self, frame: &mut [u8; FRAME]) -> Result<usize, ReaderError> {
        let (header, body) = frame
            .split_first_chunk_mut::<HEADER>()
            .ok_or(ReaderError::TooLong)?;
        self.find_start().await?;
        let (start, lengths) = header.split_at_mut(START.len());
        start.copy_from_slice(&START);
        self.fill(lengths).await?;
        let length = length_after(*header)?;
        let body = body.get_mut(..length).ok_or(ReaderError::TooLong)?;
        self.fill(body).await?;
        Ok(HEADER.saturating_add(length))
    }

    async fn find_start(&mut self) -> Result<(), ReaderError> {
        let mut window = [0xFF; START.len()];
        for _ in 0..JUNK {
            let mut byte = [0];
            self.fill(&mut byte).await?;
            window = [window[1], window[2], byte[0]];
            if window == START {
                return Ok(());
            }
        }
        Err(ReaderError::Garbled)
    }

    async fn fill(&mut self, bytes: &mut [u8]) -> Result<(), ReaderError> {
        self.0.read_exact(bytes).await.map_err(|_| ReaderError::Silent)
    }
}
