//! Why the terminal's journal did not keep an entry, and what a host hears of it.

use journal::Error;
use link::Refusal;

use crate::flash::FlashError;

/// An entry was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogError {
    /// Its space is taken by entries that no host has acknowledged.
    Full,
    /// The flash failed, or what it holds cannot be read.
    Failed,
}

impl From<Error<FlashError>> for LogError {
    fn from(error: Error<FlashError>) -> Self {
        match error {
            Error::Full => Self::Full,
            _ => Self::Failed,
        }
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Full => Self::JournalFull,
            LogError::Failed => Self::Storage,
        }
    }
}
