//! Files written once: mode 0600, complete or not there at all, never overwritten.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use zeroize::Zeroizing;

use crate::KeyError;

/// Writes a new file with mode 0600: first under a temporary name in the same folder, flushed to disk, then linked to its
/// name in one step. A power cut leaves the whole file or none.
///
/// # Errors
/// [`KeyError::Exists`] if there is a file of that name; [`KeyError::File`] from the operating system.
pub fn write_new(path: &Path, content: &[u8]) -> Result<(), KeyError> {
    // The parent of a bare name is the empty path, which no system opens.
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let file_error = |source| KeyError::File {
        path: path.to_owned(),
        source,
    };
    // tempfile creates with mode 0600 (its documented default on Unix).
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(file_error)?;
    file.write_all(content).map_err(file_error)?;
    file.as_file().sync_all().map_err(file_error)?;
    file.persist_noclobber(path)
        .map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => KeyError::Exists {
                path: path.to_owned(),
            },
            _ => file_error(error.error),
        })?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(file_error)
}

/// Reads a file that holds sealed secrets.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|source| KeyError::File {
            path: path.to_owned(),
            source,
        })
}
