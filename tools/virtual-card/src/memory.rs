//! The card's persistent memory: numbered slots in one file, which changes atomically or not at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use reference_applet::{Memory, PowerLost, Slot};
use tempfile::NamedTempFile;

use crate::control::{Fuse, Moment};

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
        let mut memory = Self {
            path: path.to_owned(),
            slots: Vec::new(),
            writes,
            synced: false,
        };
        memory.reload()?;
        Ok(memory)
    }

    /// Makes every write reach the disk: the memory then survives a power cut of this machine, not just a kill.
    #[must_use]
    pub fn synced(self) -> Self {
        Self { synced: true, ..self }
    }

    /// Reads the file anew, as a chip does when power comes on: another process may have had the card in between.
    ///
    /// # Errors
    /// When the file cannot be read or is no such memory.
    pub fn reload(&mut self) -> io::Result<()> {
        self.slots = match fs::read(&self.path) {
            Ok(bytes) => postcard::from_bytes(&bytes).map_err(|error| {
                let message = format!("{} is no card memory: {error}", self.path.display());
                io::Error::new(ErrorKind::InvalidData, message)
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(())
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

impl Memory for FileMemory {
    fn read(&self, slot: Slot) -> &[u8] {
        self.slots
            .get(usize::from(slot.index()))
            .map_or(&[], Vec::as_slice)
    }

    /// A file that cannot be written counts as a loss of power, with a line on standard error: a chip whose memory fails
    /// must not answer either.
    fn write(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), PowerLost> {
        let torn = self.writes.step();
        if torn == Some(Moment::Before) {
            return Err(PowerLost);
        }
        let index = usize::from(slot.index());
        if self.slots.len() <= index {
            self.slots.resize(index + 1, Vec::new());
        }
        if let Some(slot) = self.slots.get_mut(index) {
            bytes.clone_into(slot);
        }
        if let Err(error) = self.save() {
            eprintln!("virtual-card: {} cannot be written: {error}", self.path.display());
            return Err(PowerLost);
        }
        if torn.is_some() { Err(PowerLost) } else { Ok(()) }
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
        memory.write(Slot::KeyPairs, b"two").unwrap();
        memory.write(Slot::ChipSerial, b"zero").unwrap();
        let memory = reopened(&path);
        assert_eq!(
            [
                memory.read(Slot::ChipSerial),
                memory.read(Slot::StaticKeys),
                memory.read(Slot::KeyPairs),
                memory.read(Slot::Receipt(32))
            ],
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
            memory.write(Slot::ChipSerial, b"old").unwrap();
            fuse.set(1, moment);
            assert_eq!(memory.write(Slot::ChipSerial, b"new"), Err(PowerLost));
            assert_eq!(reopened(&path).read(Slot::ChipSerial), kept);
        }
    }

    #[test]
    fn a_full_or_missing_disk_is_a_dead_chip() {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = reopened(&folder.path().join("none/card"));
        assert_eq!(memory.write(Slot::ChipSerial, b"x"), Err(PowerLost));
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
