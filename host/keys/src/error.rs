//! What can go wrong with a key, told so that the person at the station knows what to do next.

use std::path::PathBuf;

/// Why a key could not be made, sealed, opened or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file did not open under this passphrase. Wrong passphrase and tampered file look the same to the cipher.
    #[error(
        "{path}: the passphrase does not open this key file (or the file was changed). Nothing was signed. \
         Try again; if it stays so, restore the file from the backup made at `ansinh init`"
    )]
    WrongPassphrase {
        /// The sealed file.
        path: PathBuf,
    },
    /// The file is not a sealed key of the kind expected.
    #[error("{path}: not a sealed key file of this kind ({reason}). Restore it from backup")]
    NotAKeyFile {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        reason: &'static str,
    },
    /// A key file is never overwritten: that would destroy the only copy of a key that cards depend on.
    #[error(
        "{path}: exists already and is never overwritten. Move it away if you really mean to make a new one"
    )]
    Exists {
        /// The file in the way.
        path: PathBuf,
    },
    /// A passphrase below the minimum length.
    #[error("the passphrase is shorter than {minimum} characters. Choose a longer one")]
    PassphraseTooShort {
        /// Fewest characters accepted.
        minimum: usize,
    },
    /// A default or degenerate master key, known to everybody.
    #[error(
        "the {name} key is a default or trivial key that everybody knows. Ask the card vendor for a delivery with its own transport keys"
    )]
    DefaultKey {
        /// `enc`, `mac` or `dek`.
        name: &'static str,
    },
    /// The key does not match its check value.
    #[error(
        "the {name} key does not match its check value: it was mistyped or damaged on the way. Ask for it again; do not try it on cards"
    )]
    CheckValue {
        /// `enc`, `mac` or `dek`.
        name: &'static str,
    },
    /// The operating system gave no randomness.
    #[error("the operating system's random source failed; no key was made. Try again")]
    Random,
    /// Signing or sealing failed inside the cryptographic library.
    #[error("cryptographic operation failed ({0}); nothing was written")]
    Cryptography(&'static str),
    /// Reading or writing a file failed.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
}
