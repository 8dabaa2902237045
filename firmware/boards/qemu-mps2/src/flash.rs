//! NOR flash in the machine's PSRAM (16 MB at 0x2100_0000), which the launcher backs with a file: it survives a kill.
//!
//! The memory would take any write; this driver enforces what a flash chip does: erase whole 4096-byte blocks to ones,
//! program whole words of 4 bytes, and only ever from one to zero. Geometry of the nRF52840's flash.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

/// Bytes that one erase sets to ones.
pub const BLOCK: usize = 4096;
const WORD: usize = 4;
const BASE: usize = 0x2100_0000;
const SIZE: usize = 16 << 20;
/// Bytes that the terminal core may use: all but the seed page.
pub const TERMINAL: u32 = (SIZE - BLOCK) as u32;

/// A part of the flash that one owner has to itself.
pub struct Flash {
    base: usize,
    capacity: usize,
}

/// The parts of the flash.
pub struct Parts {
    /// What the terminal core may use: everything but the seed page.
    pub terminal: Flash,
    /// The last block: the seed page (see `seed`).
    pub seed: Flash,
}

/// Hands out the flash.
pub fn take() -> Parts {
    let terminal_size = TERMINAL as usize;
    Parts {
        terminal: Flash {
            base: BASE,
            capacity: terminal_size,
        },
        seed: Flash {
            base: BASE + terminal_size,
            capacity: BLOCK,
        },
    }
}

/// Why the flash refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashError {
    /// Offset or length is not a multiple of the word or block.
    NotAligned,
    /// Beyond the end.
    OutOfBounds,
    /// The write would turn a zero into a one: the caller forgot to erase.
    NotErased,
}

impl From<NorFlashErrorKind> for FlashError {
    fn from(kind: NorFlashErrorKind) -> Self {
        match kind {
            NorFlashErrorKind::NotAligned => Self::NotAligned,
            _ => Self::OutOfBounds,
        }
    }
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            Self::NotErased => NorFlashErrorKind::Other,
        }
    }
}

impl Flash {
    /// The word at `offset`, which the caller has checked to be aligned and inside.
    fn word(&self, offset: usize) -> *mut u32 {
        (self.base + offset) as *mut u32
    }

    fn load(&self, offset: usize) -> u32 {
        // SAFETY: `offset` is checked, the PSRAM is always mapped, aligned, outside of every Rust object (memory.x does
        // not cover it), and each `Flash` has its part to itself.
        unsafe { self.word(offset).read_volatile() }
    }

    /// One function for every change of the flash, so that tests can cut the power before any of them.
    #[inline(never)]
    fn store(&mut self, offset: usize, value: u32) {
        // SAFETY: as for `load`; `&mut self` excludes a reader.
        unsafe { self.word(offset).write_volatile(value) }
    }
}

impl ErrorType for Flash {
    type Error = FlashError;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        check_read(self, offset, bytes.len())?;
        let first = (self.base + offset as usize) as *const u8;
        // SAFETY: as for `load`; bytes need no alignment. Nobody but this driver changes the memory.
        unsafe { first.copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = BLOCK;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        check_erase(self, from, to)?;
        for offset in (from as usize..to as usize).step_by(WORD) {
            self.store(offset, u32::MAX);
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        check_write(self, offset, bytes.len())?;
        let (words, _) = bytes.as_chunks::<WORD>();
        for (place, word) in (offset as usize..).step_by(WORD).zip(words) {
            let value = u32::from_le_bytes(*word);
            if self.load(place) & value != value {
                return Err(FlashError::NotErased);
            }
            self.store(place, value);
        }
        Ok(())
    }
}
