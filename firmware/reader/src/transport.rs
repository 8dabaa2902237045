//! What all wires to a PN532 have in common.

use embassy_time::Duration;

use crate::{FRAME, ReaderError};

/// The wires to a PN532: they carry frames (section 6.2.1) and do not know what these say.
///
/// Every wait has an end. A future that is given up leaves the wires so that [`start`](Transport::start) mends them.
pub trait Transport {
    /// Wakes the chip up, and throws away what is still coming from before an error, or the next answer would be taken for
    /// another's.
    ///
    /// # Errors
    /// [`ReaderError::Silent`] if the wires fail, [`ReaderError::Garbled`] if the chip does not stop sending.
    fn start(&mut self) -> impl Future<Output = Result<(), ReaderError>>;

    /// Sends one frame.
    ///
    /// # Errors
    /// [`ReaderError::Silent`] if the wires fail. Whether the chip was there the frame's acknowledgement tells.
    fn send(&mut self, frame: &[u8]) -> impl Future<Output = Result<(), ReaderError>>;

    /// Receives one frame: its length, or none when it was not there within `limit`.
    ///
    /// # Errors
    /// [`ReaderError::Garbled`] if what came is no frame, [`ReaderError::TooLong`] if it is no normal one,
    /// [`ReaderError::Silent`] if the wires fail.
    fn receive(
        &mut self,
        frame: &mut [u8; FRAME],
        limit: Duration,
    ) -> impl Future<Output = Result<Option<usize>, ReaderError>>;
}
