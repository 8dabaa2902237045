//! The board's flash, shared by journal, device store and lists: each has its own range, and they take turns.

use core::cell::RefCell;
use core::ops::Range;

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};

/// The flash failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlashError(pub(crate) NorFlashErrorKind);

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        self.0
    }
}

/// Everybody's handle to the one flash.
pub(crate) struct Shared<'f, F>(pub(crate) &'f RefCell<F>);

impl<F> Clone for Shared<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Shared<'_, F> {}

impl<F: NorFlash> Shared<'_, F> {
    fn with<T>(&self, operate: impl FnOnce(&mut F) -> Result<T, F::Error>) -> Result<T, FlashError> {
        let mut flash = self
            .0
            .try_borrow_mut()
            .map_err(|_| FlashError(NorFlashErrorKind::Other))?;
        operate(&mut flash).map_err(|error| FlashError(error.kind()))
    }
}

impl<F: NorFlash> ErrorType for Shared<'_, F> {
    type Error = FlashError;
}

impl<F: NorFlash> ReadNorFlash for Shared<'_, F> {
    const READ_SIZE: usize = F::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        self.with(|flash| flash.read(offset, bytes))
    }

    fn capacity(&self) -> usize {
        self.0.try_borrow().map_or(0, |flash| flash.capacity())
    }
}

impl<F: NorFlash> NorFlash for Shared<'_, F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        self.with(|flash| flash.erase(from, to))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        self.with(|flash| flash.write(offset, bytes))
    }
}

/// Bytes of the largest program word that is borne.
pub(crate) const UNIT: usize = 16;

/// A part of the flash, addressed from its start.
///
/// Offsets and lengths are multiples of [`UNIT`], which every NOR flash can program and read.
pub(crate) struct Area<'f, F> {
    flash: Shared<'f, F>,
    range: Range<u32>,
}

impl<F> Clone for Area<'_, F> {
    fn clone(&self) -> Self {
        Self {
            flash: self.flash,
            range: self.range.clone(),
        }
    }
}

impl<'f, F: NorFlash> Area<'f, F> {
    pub(crate) fn new(flash: Shared<'f, F>, range: Range<u32>) -> Self {
        Self { flash, range }
    }

    pub(crate) fn size(&self) -> u32 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Erases the blocks that hold `length` bytes from `offset`, which begins a block.
    pub(crate) fn erase(&mut self, offset: u32, length: u32) -> Result<(), FlashError> {
        let block = u32::try_from(F::ERASE_SIZE).unwrap_or(u32::MAX);
        let length = length.checked_next_multiple_of(block).unwrap_or(u32::MAX);
        let from = self.address(offset, length)?;
        self.flash.erase(from, from.saturating_add(length))
    }

    pub(crate) fn write<const N: usize>(&mut self, offset: u32, bytes: &[u8; N]) -> Result<(), FlashError> {
        const { assert!(N.is_multiple_of(UNIT) && UNIT.is_multiple_of(F::WRITE_SIZE)) }
        let address = self.address(offset, u32::try_from(N).unwrap_or(u32::MAX))?;
        self.flash.write(address, bytes)
    }

    pub(crate) fn read<const N: usize>(&self, offset: u32) -> Result<[u8; N], FlashError> {
        const { assert!(N.is_multiple_of(UNIT)) }
        let mut bytes = [0; N];
        self.read_into(offset, &mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn read_into(&self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        const { assert!(UNIT.is_multiple_of(F::READ_SIZE)) }
        let address = self.address(offset, u32::try_from(bytes.len()).unwrap_or(u32::MAX))?;
        let mut flash = self.flash;
        flash.read(address, bytes)
    }

    fn address(&self, offset: u32, length: u32) -> Result<u32, FlashError> {
        let start = self.range.start.checked_add(offset);
        let end = start.and_then(|start| start.checked_add(length));
        match (start, end) {
            (Some(start), Some(end)) if end <= self.range.end => Ok(start),
            _ => Err(FlashError(NorFlashErrorKind::OutOfBounds)),
        }
    }
}
