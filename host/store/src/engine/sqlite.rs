//! SQLite: one file, for one machine.

use sqlx::{AnyConnection, Row as _};

use crate::StoreError;

/// WAL lets readers go on beside a writer; FULL makes a commit survive a power cut in WAL mode too (sqlite.org/pragma.html,
/// "synchronous"). Foreign keys are off by default in SQLite. `secure_delete` overwrites what is forgotten, such as the personal
/// data of a card that was finished.
pub(super) const SESSION: &str =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;
     PRAGMA busy_timeout = 30000; PRAGMA trusted_schema = OFF;";

/// What `PRAGMA synchronous` answers for FULL.
const FULL: i64 = 2;

/// Takes the write lock at the start: a transaction that read first and wrote later could fail halfway (SQLITE_BUSY), and two
/// processes could claim the same person.
pub(super) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// Folds the write-ahead log into the file, as far as no other process reads an earlier state (sqlite.org/pragma.html,
/// "wal_checkpoint").
pub(super) const FOLD: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// SQLite answers a setting that it cannot keep with another one, not with an error (sqlite.org/pragma.html, "journal_mode").
pub(super) async fn demand_durable(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let journal = sqlx::query("PRAGMA journal_mode")
        .fetch_one(&mut *connection)
        .await?;
    let synchronous = sqlx::query("PRAGMA synchronous").fetch_one(connection).await?;
    let (journal, synchronous): (String, i64) = (journal.try_get(0)?, synchronous.try_get(0)?);
    if journal == "wal" && synchronous == FULL {
        return Ok(());
    }
    Err(StoreError::NotDurable(format!(
        "journal_mode is {journal} and synchronous {synchronous}, not wal and {FULL}. Put the store on a local disk"
    )))
}

/// The tables of a store, not the mere file.
pub(super) async fn has_store(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'issuer_log'";
    let row = sqlx::query(sql).fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>(0)? == 1)
}
