//! The card's persistent memory: numbered slots in one file, which changes atomically or not at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::control::{Fuse, Moment};

/// The power was lost at a write: the chip stops here and keeps what it had written before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerLost;

/// Slots of bytes in a file. Each write of a slot is atomic: a kill of the process at any instant leaves the old content
/// or the new one.
#[derive(Debug)]
pub struct FileMemory {
    path: PathBuf,
    slots: Vec<Vec<u8>>,
    writes: Fuse,
    synced: bool,
}

impl FileMemory {
    /// Opens the memory in `path`; a missing file is a memory without content. The fuse may cut the power at a write.
    ///
    /// # Errors
    /// When the file cannot be read or is no such memory.
    pub fn open(path: &Path, writes: Fuse) -> io::Result<Self> {
        let slots = match fs::read(path) {
            Ok(bytes) => postcard::from_bytes(&bytes).map_err(|error| {
                io::Error::new(
                    ErrorKind::InvalidData,
                    format!("{} is no card memory: {error}", path.display()),
                )
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            path: path.to_owned(),
            slots,
            writes,
            synced: false,
        })
    }

    /// Makes every write reach the disk: the memory then survives a power cut of this machine, not just a kill.
    #[must_use]
    pub fn synced(self) -> Self {
        Self { synced: true, ..self }
    }

    /// Content of a slot; one never written is empty.
    #[must_use]
    pub fn slot(&self, index: usize) -> &[u8] {
        self.slots.get(index).map_or(&[], Vec::as_slice)
    }

    /// Replaces the content of a slot.
    ///
    /// # Errors
    /// When the power is lost, before or after the content was replaced. A file that cannot be written counts as that,
    /// with a line on standard error: a chip whose memory fails must not answer either.
    pub fn set_slot(&mut self, index: usize, content: &[u8]) -> Result<(), PowerLost> {
        let torn = self.writes.step();
        if torn == Some(Moment::Before) {
            return Err(PowerLost);
        }
        if self.slots.len() <= index {
            self.slots.resize(index + 1, Vec::new());
        }
        if let Some(slot) = self.slots.get_mut(index) {
            content.clone_into(slot);
        }
        if let Err(error) = self.save() {
            eprintln!("virtual-card: {} cannot be written: {error}", self.path.display());
            return Err(PowerLost);
        }
        if torn.is_some() { Err(PowerLost) } else { Ok(()) }
    }

    fn save(&self) -> io::Result<()> {
        let bytes = postcard::to_allocvec(&self.slots).map_err(io::Error::other)?;
        let folder = self
            .path
            .parent()
            .filter(|folder| *folder != Path::new(""))
            .unwrap_or(Path::new("."));
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(&bytes)?;
        if self.synced {
            file.as_file().sync_all()?;
        }
        file.persist(&self.path)?;
        if self.synced {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reopened(path: &Path) -> FileMemory {
        FileMemory::open(path, Fuse::default()).unwrap()
    }

    #[test]
    fn what_was_written_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card");
        let mut memory = reopened(&path).synced();
        memory.set_slot(2, b"two").unwrap();
        memory.set_slot(0, b"zero").unwrap();
        let memory = reopened(&path);
        assert_eq!(
            [memory.slot(0), memory.slot(1), memory.slot(2), memory.slot(9)],
            [&b"zero"[..], b"", b"two", b""]
        );
    }

    #[test]
    fn a_torn_write_leaves_old_or_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card");
        for (moment, kept) in [(Moment::Before, &b"old"[..]), (Moment::After, b"new")] {
            let fuse = Fuse::default();
            let mut memory = FileMemory::open(&path, fuse.clone()).unwrap();
            memory.set_slot(0, b"old").unwrap();
            fuse.set(1, moment);
            assert_eq!(memory.set_slot(0, b"new"), Err(PowerLost));
            assert_eq!(reopened(&path).slot(0), kept);
        }
    }

    #[test]
    fn a_full_or_missing_disk_is_a_dead_chip() {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = reopened(&folder.path().join("none/card"));
        assert_eq!(memory.set_slot(0, b"x"), Err(PowerLost));
    }

    #[test]
    fn another_file_is_no_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card");
        fs::write(&path, [0xFF; 40]).unwrap();
        assert_eq!(
            FileMemory::open(&path, Fuse::default()).unwrap_err().kind(),
            ErrorKind::InvalidData
        );
    }
}
