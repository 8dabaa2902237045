//! Whether the image that runs is the one that the build has made: its note.

use core::fmt::{self, Display};

use crc::{CRC_32_ISO_HDLC, Crc};

const CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// The last bytes of an image, which the build writes: 32 bytes SHA-256 of all that stands before the note, then four bytes, the
/// low one first, CRC-32 (that of zlib) of all that stands before them.
pub const NOTE: usize = HASH + 4;
const HASH: usize = 32;

/// The SHA-256 that the build wrote into the note of the image `first` ‖ `rest`: that of all bytes before the note.
///
/// The CRC-32 finds what happens to a flash: every damage within 32 bits in a row, and of other damage all but one part in 2³². It
/// finds no forger, who writes both numbers anew: that is for the boot loader and its signature.
///
/// # Errors
/// [`Damaged`] when the CRC-32 is not that of the image, or was never written.
pub fn written_hash(first: [u8; 4], rest: &[u8]) -> Result<[u8; HASH], Damaged> {
    let (noted, crc) = rest.split_last_chunk::<4>().ok_or(Damaged)?;
    let (_, hash) = noted.split_last_chunk::<HASH>().ok_or(Damaged)?;
    let mut digest = CRC32.digest();
    digest.update(&first);
    digest.update(noted);
    if digest.finalize() != u32::from_le_bytes(*crc) {
        return Err(Damaged);
    }
    Ok(*hash)
}

/// The image is not as the build has made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "Phần mềm hỏng. Ngừng dùng thiết bị; nạp lại phần mềm.\
             \u{1F} / The image is damaged; stop using this terminal. What it has paid is kept: flash the image again.",
        )
    }
}

impl core::error::Error for Damaged {}
