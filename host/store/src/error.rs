//! What the ledger refuses, told so that the operator knows what it means for card and money.

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
    /// A number outside what the ledger can hold.
    #[error("{0} is out of range; nothing was changed")]
    OutOfRange(&'static str),
    /// A value in the database does not have the form it was written with.
    #[error("the store holds a malformed {0}: the file was changed from outside. Restore it from backup")]
    Malformed(&'static str),
    /// The operating system gave no randomness.
    #[error("the operating system's random source failed; nothing was changed. Try again")]
    Random,
    /// The database itself failed.
    #[error("the store could not be read or written ({0}); nothing was changed")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the store's schema could not be brought up to date ({0}); it was left as it was")]
    Schema(#[from] sqlx::migrate::MigrateError),
    /// The runtime that drives the database could not start.
    #[error("the database driver could not start: {0}")]
    Runtime(std::io::Error),
}
