//! Opening the database, and the two ways of using it: a read, and a write that happens wholly or not at all.

use std::path::Path;
use std::time::Duration;

use jiff::{Timestamp, Unit};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, AnyRow, install_default_drivers};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AnyPool, Row as _, SqlSafeStr as _};
use tokio::runtime::{Builder, Runtime};

use crate::StoreError;

/// WAL lets readers go on beside a writer; FULL makes a commit survive a power cut in WAL mode too (sqlite.org/pragma.html,
/// "synchronous"). Foreign keys are off by default in SQLite.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
     PRAGMA busy_timeout = 30000; PRAGMA trusted_schema = OFF;";

/// What `PRAGMA synchronous` answers for FULL.
const FULL: i64 = 2;

/// Takes the write lock at the start: a transaction that read first and wrote later could fail halfway (SQLITE_BUSY), and two
/// processes could claim the same person.
const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// As many connections as readers work at once (PC/SC Lite's limit is 16).
const CONNECTIONS: u32 = 16;

/// The ledger, opened.
pub struct Store {
    runtime: Runtime,
    pool: AnyPool,
}

impl Store {
    /// Makes a new store.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is a file; [`StoreError::Database`], [`StoreError::Schema`].
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        if path.exists() {
            return Err(StoreError::Exists {
                what: "store",
                name: path.display().to_string(),
            });
        }
        Self::connect(path, "rwc")
    }

    /// Opens a store and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::NoStore`], [`StoreError::Database`], [`StoreError::Schema`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.is_file() {
            return Err(StoreError::NoStore {
                path: path.display().to_string(),
            });
        }
        Self::connect(path, "rw")
    }

    fn connect(path: &Path, mode: &str) -> Result<Self, StoreError> {
        install_default_drivers();
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .map_err(StoreError::Runtime)?;
        // A relative path would stand where a URL has its host.
        let path = std::path::absolute(path).map_err(|error| StoreError::Database(error.into()))?;
        let path = path.display().to_string();
        let path = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        let options: AnyConnectOptions = format!("sqlite://{path}?mode={mode}").parse()?;
        let pool = runtime.block_on(async {
            let pool = durable_pool(options).await?;
            migrations().run(&pool).await?;
            Ok::<_, StoreError>(pool)
        })?;
        Ok(Self { runtime, pool })
    }

    /// Runs queries that change nothing.
    pub(crate) fn read<T, E: From<StoreError>>(
        &self,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.runtime.block_on(async {
            let mut connection = self.pool.acquire().await.map_err(StoreError::from)?;
            work(&mut connection).await
        })
    }

    /// Runs one use case in one transaction: committed if the work returns `Ok`, undone if not.
    pub(crate) fn write<T, E: From<StoreError>>(
        &self,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.runtime.block_on(async {
            let mut transaction = self
                .pool
                .begin_with(BEGIN_WRITE)
                .await
                .map_err(StoreError::from)?;
            let result = work(&mut transaction).await?;
            transaction.commit().await.map_err(StoreError::from)?;
            Ok(result)
        })
    }
}

impl Drop for Store {
    /// Closes the connections in order, so that SQLite folds its write-ahead log into the one file that gets copied and audited.
    fn drop(&mut self) {
        self.runtime.block_on(self.pool.close());
    }
}

/// Connections whose commits survive a power cut, or none.
async fn durable_pool(options: AnyConnectOptions) -> Result<AnyPool, sqlx::Error> {
    let pool = AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(60))
        .after_connect(|connection, _| {
            Box::pin(async move { sqlx::raw_sql(SETTINGS).execute(connection).await.map(drop) })
        })
        .connect_with(options)
        .await?;
    // Not in after_connect: the pool tries a refused connection again and again.
    demand_durable(&mut *pool.acquire().await?).await?;
    Ok(pool)
}

/// SQLite answers a setting that it cannot keep with another one, not with an error (sqlite.org/pragma.html, "journal_mode").
async fn demand_durable(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let journal = sqlx::query("PRAGMA journal_mode")
        .fetch_one(&mut *connection)
        .await?;
    let synchronous = sqlx::query("PRAGMA synchronous").fetch_one(connection).await?;
    let (journal, synchronous): (String, i64) = (journal.try_get(0)?, synchronous.try_get(0)?);
    if journal == "wal" && synchronous == FULL {
        return Ok(());
    }
    let refused = format!(
        "journal_mode is {journal} and synchronous {synchronous}, not wal and {FULL}: what is committed would not survive a power cut. Put the store on a local disk"
    );
    Err(sqlx::Error::Configuration(refused.into()))
}

fn migrations() -> Migrator {
    let ledger = include_str!("../migrations/0001_ledger.sql").into_sql_str();
    Migrator::with_migrations(vec![Migration::new(
        1,
        "ledger".into(),
        MigrationType::Simple,
        ledger,
        false,
    )])
}

/// The present moment, RFC 3339 in UTC, to the second.
pub(crate) fn now() -> String {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now).to_string()
}

/// The next number of a series; numbers may be skipped, never drawn twice.
pub(crate) async fn draw(connection: &mut AnyConnection, series: &str) -> Result<i64, StoreError> {
    let sql = "INSERT INTO series (name, last) VALUES ($1, 1)
               ON CONFLICT (name) DO UPDATE SET last = series.last + 1 RETURNING last";
    Ok(sqlx::query(sql)
        .bind(series)
        .fetch_one(connection)
        .await?
        .try_get("last")?)
}

/// Whether an error is the refusal of a second row under a unique key.
pub(crate) fn is_duplicate(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// A stored byte string of fixed length.
pub(crate) fn octets<const N: usize>(row: &AnyRow, column: &'static str) -> Result<[u8; N], StoreError> {
    let bytes: Vec<u8> = row.try_get(column)?;
    bytes.try_into().map_err(|_| StoreError::Malformed(column))
}

/// A stored non-negative integer.
pub(crate) fn number<T: TryFrom<i64>>(row: &AnyRow, column: &'static str) -> Result<T, StoreError> {
    T::try_from(row.try_get::<i64, _>(column)?).map_err(|_| StoreError::Malformed(column))
}

/// An unsigned integer as the database holds it.
pub(crate) fn signed(value: u64, what: &'static str) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::OutOfRange(what))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_keeps_no_write_ahead_log_is_refused() {
        install_default_drivers();
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let refused = runtime.block_on(durable_pool("sqlite::memory:".parse().unwrap()));
        assert!(
            matches!(&refused, Err(sqlx::Error::Configuration(reason)) if reason.to_string().contains("memory")),
            "{refused:?}"
        );
    }
}
