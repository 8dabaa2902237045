//! What the ledger refuses, told so that the operator knows what it means for card and money.

use std::sync::Arc;

/// Why the ledger did not do what was asked. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no store at the place named.
    #[error("{path}: no store there. Run `ansinh init` first, or name the right folder with --store")]
    NoStore {
        /// The database file looked for.
        path: String,
    },
    /// Something is registered already.
    #[error("{what} {name} is registered already; nothing was changed")]
    Exists {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Something is not there.
    #[error("{what} {name} is not in the store; nothing was changed")]
    NotFound {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A card, chip or terminal is not in the state that the step needs.
    #[error("{what} {name} is {state}, but this step needs {needed}; nothing was changed")]
    WrongState {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
        /// The state it is in.
        state: String,
        /// The state or states that were needed.
        needed: &'static str,
    },
    /// A public key was seen before: some chip's key generation is broken or a card was copied.
    #[error(
        "card {number}: its public key belongs to another card already. Keep the chip apart and tell the vendor: its key generation is broken or it was copied"
    )]
    KeySeenBefore {
        /// The card being personalized.
        number: String,
    },
    /// Two entries for one (terminal, sequence), or an entry that does not follow the last one held.
    #[error(
        "terminal {terminal}, entry {sequence}: it does not follow what is stored, or differs from the entry stored under this number. Keep both files and start an investigation; nothing was stored"
    )]
    Equivocation {
        /// The terminal.
        terminal: String,
        /// The sequence number.
        sequence: u64,
    },
    /// The operator lacks the role that the act needs.
    #[error(
        "operator {operator} has not the role {needed}, which this needs; nothing was changed. Ask an administrator"
    )]
    NotAllowed {
        /// Who asked.
        operator: String,
        /// The role.
        needed: &'static str,
    },
    /// Nobody approves what they drafted.
    #[error("{operator} drafted this: another officer must approve it; nothing was changed")]
    FourEyes {
        /// Who drafted and asked.
        operator: String,
    },
    /// A token that no active operator has.
    #[error(
        "this token belongs to no active operator; nothing was changed. Ask an administrator for a new one"
    )]
    UnknownToken,
    /// A name or subject that the operations log cannot hold.
    #[error(
        "{0:?}: names have 1 to 20 letters, digits, dots, hyphens; subjects one line; nothing was changed"
    )]
    BadName(String),
    /// The operations log was changed from outside.
    #[error(
        "operations log: line {position} does not follow from the one before. Somebody changed the store from outside: keep it and its backups, and investigate"
    )]
    BrokenLog {
        /// The first line that is wrong.
        position: u64,
    },
    /// The officer has begun as many cards of the open batches as they may.
    #[error(
        "operator {operator} has begun as many cards as the batches allow; this chip is still blank. Another officer can go on, or have a new batch approved"
    )]
    QuotaUsedUp {
        /// Who.
        operator: String,
    },
    /// A number outside what the ledger can hold.
    #[error("{0} is out of range; nothing was changed")]
    OutOfRange(&'static str),
    /// A value in the database does not have the form it was written with.
    #[error("the store holds a malformed {0}: the file was changed from outside. Restore it from backup")]
    Malformed(&'static str),
    /// The operating system gave no randomness.
    #[error("the operating system's random source failed; nothing was changed. Try again")]
    Random,
    /// A database URL that cannot be used.
    #[error(
        "the database URL is refused: {0}. Give one such as postgres:///ansinh?host=/var/run/postgresql; a password belongs in the file that PGPASSFILE names, or in ~/.pgpass"
    )]
    DatabaseUrl(&'static str),
    /// What is committed there would not survive a power cut.
    #[error("the store is not opened, for payments and cards could be lost there: {0}")]
    NotDurable(String),
    /// A file that could not be written or read.
    #[error("{path}: {reason}; nothing was changed")]
    File {
        /// The file or its folder.
        path: String,
        /// What the operating system says.
        reason: String,
    },
    /// The database itself failed.
    #[error("the store could not be read or written ({0}); nothing was changed")]
    Database(DatabaseError),
    /// The answer to COMMIT was lost or was an error: the database may have committed all the same. Every use case can be
    /// asked for again: what was done stays done.
    #[error(
        "the store did not confirm what was asked of it ({0}): perhaps it was done, perhaps not. Ask for the same once more; what was done already is not done twice"
    )]
    PerhapsDone(DatabaseError),
    /// The schema could not be brought up to date.
    #[error("the store's schema could not be brought up to date ({0}); it was left as it was")]
    Schema(#[from] sqlx::migrate::MigrateError),
    /// The runtime that drives the database could not start.
    #[error("the database driver could not start: {0}")]
    Runtime(std::io::Error),
}

impl StoreError {
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            reason: error.to_string(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// What the database or its driver said. It shows the message alone: the details that PostgreSQL adds repeat the values of a
/// row, and with them personal data.
#[derive(Clone, thiserror::Error)]
#[error("{0}")]
pub struct DatabaseError(Arc<sqlx::Error>);

impl std::fmt::Debug for DatabaseError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, formatter)
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        Self(Arc::new(error))
    }
}
