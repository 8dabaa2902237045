//! The reference applet as a chip, its memory in a file.

use std::io;
use std::path::Path;

use getrandom::SysRng;
use rand_core::UnwrapErr;
use reference_applet::Applet;

use crate::Chip;
use crate::control::Fuse;
use crate::memory::FileMemory;

/// T=1 at the default speed, no historical bytes: TS, T0, TD1, TCK (ISO/IEC 7816-3 §8.2).
const ANSWER_TO_RESET: [u8; 4] = [0x3B, 0x80, 0x01, 0x81];

/// A card of SPEC.md that outlives its process.
pub struct ReferenceCard(Applet<FileMemory, UnwrapErr<SysRng>>);

impl ReferenceCard {
    /// The card whose memory is in `file` (see [`crate::blank`] for how one comes to be); `writes` can cut its power.
    /// `synced`: each write reaches the disk before the card goes on.
    ///
    /// # Errors
    /// When there is no such file, or another kind of file.
    pub fn open(file: &Path, writes: &Fuse, synced: bool) -> io::Result<Self> {
        file.metadata()?;
        let memory = FileMemory::open(file, writes.clone())?;
        let memory = if synced { memory.synced() } else { memory };
        Ok(Self(Applet::power_on(memory, UnwrapErr(SysRng))))
    }
}

impl Chip for ReferenceCard {
    fn answer_to_reset(&self) -> Vec<u8> {
        ANSWER_TO_RESET.to_vec()
    }

    fn reset(&mut self) {
        if let Err(error) = self.0.memory_mut().reload() {
            eprintln!("virtual-card: the card keeps the memory it knew: {error}");
        }
        self.0.reset();
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.0.transmit(command).to_vec()
    }
}
