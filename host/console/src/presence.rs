//! How the command line finds the daemon of its station: the daemon holds a lock and writes down where it listens.
//!
//! `daemon.json` alone may be left over from a crash; a lock is let go with the process that held it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ansinh_station::home::Home;
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// How long a start waits for commands that are just looking whether a daemon runs.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a daemon listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Its URL.
    pub url: String,
    /// The certificate that it shows, PEM; none in clear.
    pub certificate: Option<String>,
}

/// The daemon of a station: there is one at most.
pub struct Presence {
    _lock: File,
    announcement: PathBuf,
}

impl Presence {
    /// Becomes the daemon.
    ///
    /// # Errors
    /// If there is one already.
    pub fn claim(home: &Home) -> Result<Self> {
        let lock = open(&home.folder().join(LOCK))?;
        let end = Instant::now() + PATIENCE;
        while let Err(refused) = lock.try_lock() {
            if let TryLockError::Error(error) = refused {
                return Err(error).context(LOCK);
            }
            if Instant::now() >= end {
                bail!(
                    "{}: a service runs for this station already",
                    home.folder().display()
                );
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Self {
            _lock: lock,
            announcement: home.folder().join(ANNOUNCEMENT),
        })
    }

    /// Tells where it listens.
    ///
    /// # Errors
    /// Of the file system.
    pub fn announce(&self, announcement: &Announcement) -> Result<()> {
        let failed = || format!("{}: cannot be written", self.announcement.display());
        let folder = self.announcement.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
        file.write_all(&serde_json::to_vec_pretty(announcement)?)
            .with_context(failed)?;
        file.persist(&self.announcement).with_context(failed)?;
        Ok(())
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // It is there unless the start failed; the lock tells the truth in any case.
        let _ = std::fs::remove_file(&self.announcement);
    }
}

const LOCK: &str = "daemon.lock";
const ANNOUNCEMENT: &str = "daemon.json";

fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    options
        .open(path)
        .with_context(|| format!("{}: cannot be opened", path.display()))
}

/// The daemon that runs for a station, if one does.
///
/// # Errors
/// If it runs but has not told where.
pub fn find(home: &Home) -> Result<Option<Announcement>> {
    let Ok(lock) = File::open(home.folder().join(LOCK)) else {
        return Ok(None);
    };
    match lock.try_lock_shared() {
        Ok(()) => return Ok(None),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error).context(LOCK),
    }
    let path = home.folder().join(ANNOUNCEMENT);
    let text = std::fs::read(&path).with_context(|| {
        format!(
            "{}: the service is just starting or stopping; try again",
            path.display()
        )
    })?;
    let announcement = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
    Ok(Some(announcement))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement() -> Announcement {
        Announcement {
            url: "http://127.0.0.1:1".to_owned(),
            certificate: None,
        }
    }

    #[test]
    fn a_daemon_is_found_while_it_lives_and_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        assert_eq!(find(&home).unwrap(), None);
        let presence = Presence::claim(&home).unwrap();
        assert!(find(&home).is_err(), "it runs and has not told where");
        presence.announce(&announcement()).unwrap();
        assert_eq!(find(&home).unwrap(), Some(announcement()));
        drop(presence);
        assert_eq!(find(&home).unwrap(), None);
        assert!(!folder.path().join(ANNOUNCEMENT).exists());
    }

    #[test]
    fn what_a_crashed_daemon_left_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let presence = Presence::claim(&home).unwrap();
        presence.announce(&announcement()).unwrap();
        let left = std::fs::read(folder.path().join(ANNOUNCEMENT)).unwrap();
        drop(presence);
        std::fs::write(folder.path().join(ANNOUNCEMENT), left).unwrap();
        assert_eq!(find(&home).unwrap(), None);
    }

    #[test]
    fn there_is_one_daemon_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let _presence = Presence::claim(&home).unwrap();
        let second = Presence::claim(&home).err().unwrap();
        assert!(second.to_string().contains("already"), "{second}");
    }
}
