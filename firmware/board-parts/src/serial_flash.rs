//! A serial NOR flash chip on SPI: Macronix MX25R6435F (8 MiB, on the nRF52840-DK) and MX25L12833F (16 MiB).
//!
//! One data line in each direction. Every wait has an end, every change is checked by the chip's own verdict and by reading
//! back: what is reported as written is there. Clauses are those of the MX25R6435F data sheet, revision 1.6.

use embedded_hal::delay::DelayNs;
use embedded_hal::spi::{Operation, SpiDevice};
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

/// Bytes that one erase sets to ones.
pub const SECTOR: usize = 4_096;
/// Bytes that one command can program; the chip wraps around at its end.
const PAGE: usize = 256;
const WORD: usize = 4;

// Table 5, "Command set".
const WRITE_ENABLE: u8 = 0x06;
const READ_STATUS: u8 = 0x05;
const READ_SECURITY: u8 = 0x2B;
const READ_IDENTIFICATION: u8 = 0x9F;
const READ: u8 = 0x03;
const PAGE_PROGRAM: u8 = 0x02;
const SECTOR_ERASE: u8 = 0x20;
const RELEASE_FROM_POWER_DOWN: u8 = 0xAB;

// Table 6, status register.
const WRITE_IN_PROGRESS: u8 = 1 << 0;
const WRITE_ENABLED: u8 = 1 << 1;
// Table 9, security register.
const PROGRAM_FAILED: u8 = 1 << 5;
const ERASE_FAILED: u8 = 1 << 6;

/// Microseconds between two looks at the status.
const LOOK: u32 = 100;
/// Looks before a chip that erases counts as dead: 0.5 s; the longest sector erase (table 15, tSE) is 0.24 s.
const LOOKS_ERASE: u32 = 5_000;
/// Looks before a chip that programs counts as dead: 20 ms; the longest page program (tPP) is 10 ms.
const LOOKS_PROGRAM: u32 = 200;
/// Microseconds until a chip that slept takes commands (tRES1 is 35).
const WAKE_UP: u32 = 50;

/// Manufacturer, type and density (table 8), and bytes.
const KNOWN: [([u8; 3], usize); 2] = [([0xC2, 0x28, 0x17], 8 << 20), ([0xC2, 0x20, 0x18], 16 << 20)];

/// Why the flash refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashError {
    /// Offset or length is not a multiple of the word or sector.
    NotAligned,
    /// Beyond the end.
    OutOfBounds,
    /// The bus failed, or there is no chip that this driver knows.
    Silent,
    /// The chip did not end what it was told to do in its longest time.
    Busy,
    /// The chip says that it failed, did not take the command, or holds something else than what was written.
    Failed,
}

impl From<NorFlashErrorKind> for FlashError {
    fn from(kind: NorFlashErrorKind) -> Self {
        match kind {
            NorFlashErrorKind::NotAligned => Self::NotAligned,
            NorFlashErrorKind::OutOfBounds => Self::OutOfBounds,
            _ => Self::Failed,
        }
    }
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            Self::Silent | Self::Busy | Self::Failed => NorFlashErrorKind::Other,
        }
    }
}

/// The chip.
pub struct SerialFlash<S, D> {
    spi: S,
    delay: D,
    progress: fn(),
    capacity: usize,
}

impl<S: SpiDevice, D: DelayNs> SerialFlash<S, D> {
    /// Wakes the chip up, lets it end what it was doing when the power went, and asks which it is. `progress` is called
    /// after every sector erased and every page programmed: making a long list anew takes the longest of all that a terminal does.
    ///
    /// # Errors
    /// [`FlashError::Busy`] or [`FlashError::Silent`].
    pub fn start(spi: S, delay: D, progress: fn()) -> Result<Self, FlashError> {
        let mut flash = Self {
            spi,
            delay,
            progress,
            capacity: 0,
        };
        flash.command(&[RELEASE_FROM_POWER_DOWN])?;
        flash.delay.delay_us(WAKE_UP);
        flash.wait(LOOKS_ERASE)?;
        let identification = flash.ask::<3>(READ_IDENTIFICATION)?;
        let known = KNOWN.iter().find(|(known, _)| *known == identification);
        flash.capacity = known.ok_or(FlashError::Silent)?.1;
        Ok(flash)
    }

    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), FlashError> {
        self.spi.transaction(operations).map_err(|_| FlashError::Silent)
    }

    fn command(&mut self, bytes: &[u8]) -> Result<(), FlashError> {
        self.transaction(&mut [Operation::Write(bytes)])
    }

    fn ask<const N: usize>(&mut self, command: u8) -> Result<[u8; N], FlashError> {
        let mut answer = [0; N];
        self.transaction(&mut [Operation::Write(&[command]), Operation::Read(&mut answer)])?;
        Ok(answer)
    }

    fn wait(&mut self, looks: u32) -> Result<(), FlashError> {
        for _ in 0..looks {
            let [status] = self.ask(READ_STATUS)?;
            if status & WRITE_IN_PROGRESS == 0 {
                return Ok(());
            }
            self.delay.delay_us(LOOK);
        }
        Err(FlashError::Busy)
    }

    /// Section 10-1: each change needs a permission of its own, which is asked for since a disturbed line could lose it.
    fn enable_write(&mut self) -> Result<(), FlashError> {
        self.command(&[WRITE_ENABLE])?;
        let [status] = self.ask(READ_STATUS)?;
        if status & (WRITE_ENABLED | WRITE_IN_PROGRESS) == WRITE_ENABLED {
            Ok(())
        } else {
            Err(FlashError::Failed)
        }
    }

    fn verdict(&mut self, failed: u8) -> Result<(), FlashError> {
        let [security] = self.ask(READ_SECURITY)?;
        if security & failed == 0 {
            Ok(())
        } else {
            Err(FlashError::Failed)
        }
    }

    /// Programs bytes of one page.
    fn program(&mut self, address: u32, bytes: &[u8]) -> Result<(), FlashError> {
        self.enable_write()?;
        self.transaction(&mut [
            Operation::Write(&addressed(PAGE_PROGRAM, address)),
            Operation::Write(bytes),
        ])?;
        self.wait(LOOKS_PROGRAM)?;
        self.verdict(PROGRAM_FAILED)?;
        self.expect(address, bytes.iter().copied())
    }

    fn erase_sector(&mut self, address: u32) -> Result<(), FlashError> {
        self.enable_write()?;
        self.command(&addressed(SECTOR_ERASE, address))?;
        self.wait(LOOKS_ERASE)?;
        self.verdict(ERASE_FAILED)?;
        self.expect(address, core::iter::repeat_n(0xFF, SECTOR))
    }

    /// Reads back what was changed.
    fn expect(
        &mut self,
        address: u32,
        mut wanted: impl ExactSizeIterator<Item = u8>,
    ) -> Result<(), FlashError> {
        let mut place = address;
        while wanted.len() > 0 {
            let mut buffer = [0; PAGE];
            let length = wanted.len().min(PAGE);
            let found = buffer.get_mut(..length).unwrap_or_default();
            self.fetch(place, found)?;
            if !found.iter().all(|byte| wanted.next() == Some(*byte)) {
                return Err(FlashError::Failed);
            }
            place = place.saturating_add(length_of(found));
        }
        Ok(())
    }

    fn fetch(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        self.transaction(&mut [
            Operation::Write(&addressed(READ, address)),
            Operation::Read(bytes),
        ])
    }
}

/// A command with its address of 24 bits, which the bounds check keeps it to.
fn addressed(command: u8, address: u32) -> [u8; 4] {
    let [_, high, middle, low] = address.to_be_bytes();
    [command, high, middle, low]
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

impl<S: SpiDevice, D: DelayNs> ErrorType for SerialFlash<S, D> {
    type Error = FlashError;
}

impl<S: SpiDevice, D: DelayNs> ReadNorFlash for SerialFlash<S, D> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        check_read(self, offset, bytes.len())?;
        self.fetch(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}

impl<S: SpiDevice, D: DelayNs> NorFlash for SerialFlash<S, D> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        check_erase(self, from, to)?;
        for sector in (from..to).step_by(SECTOR) {
            self.erase_sector(sector)?;
            (self.progress)();
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        check_write(self, offset, bytes.len())?;
        let in_page = usize::try_from(offset).unwrap_or_default() % PAGE;
        let (first, rest) = bytes.split_at(bytes.len().min(PAGE.saturating_sub(in_page)));
        let mut place = offset;
        for part in core::iter::once(first).chain(rest.chunks(PAGE)) {
            if !part.is_empty() {
                self.program(place, part)?;
                (self.progress)();
            }
            place = place.saturating_add(length_of(part));
        }
        Ok(())
    }
}

/// Tries a sector that holds nothing else: it can be erased, takes a pattern and its opposite, and each bit can be one and
/// zero. One erase for each start wears it out in 27 years of ten starts a day (100,000 erases).
///
/// # Errors
/// The flash's, or [`FlashError::Failed`] if it holds something else than what was written.
pub fn self_test<F: NorFlash<Error = FlashError>>(flash: &mut F, sector: u32) -> Result<(), FlashError> {
    const PATTERN: [u8; 16] = [
        0x00, 0xFF, 0x55, 0xAA, 0x33, 0xCC, 0x0F, 0xF0, 0x01, 0x80, 0x10, 0x08, 0xFE, 0x7F, 0xEF, 0xF7,
    ];
    let end = sector.saturating_add(u32::try_from(F::ERASE_SIZE).unwrap_or(u32::MAX));
    let other = sector.saturating_add(length_of(&PATTERN));
    let opposite = PATTERN.map(|byte| !byte);
    flash.erase(sector, end)?;
    expect(flash, sector, [0xFF; 16])?;
    flash.write(sector, &PATTERN)?;
    flash.write(other, &opposite)?;
    expect(flash, sector, PATTERN)?;
    expect(flash, other, opposite)?;
    // Each bit has been a one now, and becomes a zero.
    flash.write(sector, &[0; 32])?;
    expect(flash, sector, [0; 16])?;
    expect(flash, other, [0; 16])
}

fn expect<F: NorFlash<Error = FlashError>>(
    flash: &mut F,
    offset: u32,
    wanted: [u8; 16],
) -> Result<(), FlashError> {
    let mut found = [0; 16];
    flash.read(offset, &mut found)?;
    if found == wanted {
        Ok(())
    } else {
        Err(FlashError::Failed)
    }
}
