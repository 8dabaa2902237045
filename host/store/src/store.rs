//! Opening the database, and the two ways of using it: a read, and a write that happens wholly or not at all.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use card_spec::values::Date;
use jiff::{Timestamp, Unit};
use sqlx::any::{AnyRow, install_default_drivers};
use sqlx::{AnyConnection, Connection as _, Row as _};
use tokio::runtime::{Builder, Runtime};

use crate::connections::Connections;
use crate::engine::Engine;
use crate::migrations::migrations;
use crate::turn::WriteTurn;
use crate::{Location, StoreError};

/// Hears how long each write took.
type Observer = Box<dyn Fn(Duration) + Send + Sync>;

/// The ledger, opened.
pub struct Store {
    pub(crate) runtime: Runtime,
    pub(crate) connections: Connections,
    /// Of this process. SQLite lets writers sleep and try again (its busy handler), which costs sixteen readers most of their
    /// time; here they are woken.
    pub(crate) turn: WriteTurn,
    pub(crate) engine: Engine,
    observer: OnceLock<Observer>,
}

impl Store {
    /// Makes a new store: a new file, or the tables in an empty database.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is a file, or a store in the database; [`StoreError::NotDurable`],
    /// [`StoreError::Database`], [`StoreError::Schema`].
    pub fn create(location: impl Into<Location>) -> Result<Self, StoreError> {
        let location = location.into();
        let exists = || StoreError::Exists {
            what: "store",
            name: location.to_string(),
        };
        if let Location::File(path) = &location
            && path.exists()
        {
            return Err(exists());
        }
        Self::connect(
            &location,
            "rwc",
            |has_store| if has_store { Err(exists()) } else { Ok(()) },
        )
    }

    /// Opens a store and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::NoStore`], [`StoreError::NotDurable`], [`StoreError::Database`], [`StoreError::Schema`].
    pub fn open(location: impl Into<Location>) -> Result<Self, StoreError> {
        let location = location.into();
        let nothing = || StoreError::NoStore {
            path: location.to_string(),
        };
        if let Location::File(path) = &location
            && !path.is_file()
        {
            return Err(nothing());
        }
        Self::connect(
            &location,
            "rw",
            |has_store| if has_store { Ok(()) } else { Err(nothing()) },
        )
    }

    fn connect(
        location: &Location,
        mode: &str,
        accept: impl FnOnce(bool) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        install_default_drivers();
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(StoreError::Runtime)?;
        let engine = Engine::of(location);
        let options = location.connect_options(mode)?;
        let connections = runtime.block_on(async {
            let mut first = AnyConnection::connect_with(&options).await?;
            sqlx::raw_sql(engine.session()).execute(&mut first).await?;
            engine.demand_durable(&mut first).await?;
            accept(engine.has_store(&mut first).await?)?;
            migrations(engine).run(&mut first).await?;
            first.close().await?;
            Ok::<_, StoreError>(Connections::new(engine, options))
        })?;
        Ok(Self {
            runtime,
            connections,
            turn: WriteTurn::default(),
            engine,
            observer: OnceLock::new(),
        })
    }

    /// Has the time of each write told from here on, the wait for its turn included, however it ended. The first observer stays.
    pub fn observe_writes(&self, observer: impl Fn(Duration) + Send + Sync + 'static) {
        let _ = self.observer.set(Box::new(observer));
    }

    /// Runs queries that change nothing.
    pub(crate) fn read<T, E: From<StoreError>>(
        &self,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.runtime.block_on(async {
            let mut connection = self.connections.acquire().await.map_err(StoreError::from)?;
            work(&mut connection).await
        })
    }

    /// Runs one use case in one transaction, which others may share: committed if the work returns `Ok`, undone if not. An error
    /// of the commit itself is [`StoreError::PerhapsDone`]: the database may have committed before the answer was lost.
    pub(crate) fn write<T, E: From<StoreError>>(
        &self,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let start = Instant::now();
        let result = self.turn.take(self, work);
        if let Some(observer) = self.observer.get() {
            observer(start.elapsed());
        }
        result
    }
}

impl Drop for Store {
    /// Closes the connections in order, so that one file is left that gets copied and audited.
    fn drop(&mut self) {
        self.runtime.block_on(self.connections.close(self.engine));
    }
}

/// The present moment, RFC 3339 in UTC, to the second.
pub(crate) fn now() -> String {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now).to_string()
}

/// A day as it is stored, `yyyymmdd`: days are compared as texts.
pub(crate) fn digits(day: Date) -> String {
    format!("{:04}{:02}{:02}", day.year(), day.month(), day.day())
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
    use crate::DatabaseUrl;

    const INSERT: &str = "INSERT INTO series (name, last) VALUES ('test', 1)";

    fn on_a_server() -> Store {
        Store::create(Location::Server(
            DatabaseUrl::new(&rig::postgres().database()).unwrap(),
        ))
        .unwrap()
    }

    fn series(store: &Store) -> i64 {
        let sql = "SELECT count(*) AS total FROM series";
        let count = store.read(async |connection| {
            let row = sqlx::query(sql).fetch_one(connection).await?;
            Ok::<i64, StoreError>(row.try_get("total")?)
        });
        count.unwrap()
    }

    #[test]
    fn a_file_that_keeps_no_write_ahead_log_is_refused() {
        install_default_drivers();
        let runtime = Builder::new_current_thread().build().unwrap();
        let refused = runtime.block_on(async {
            let mut connection = AnyConnection::connect("sqlite::memory:").await?;
            Engine::Sqlite.demand_durable(&mut connection).await
        });
        assert!(
            matches!(&refused, Err(StoreError::NotDurable(why)) if why.contains("journal_mode is memory")),
            "{refused:?}"
        );
    }

    #[test]
    fn an_error_that_was_passed_over_is_not_committed_as_done() {
        let store = on_a_server();
        let result = store.write(async |connection| {
            sqlx::query(INSERT).execute(&mut *connection).await?;
            let passed_over = sqlx::query(INSERT).execute(connection).await;
            assert!(passed_over.is_err_and(|error| is_duplicate(&error)));
            Ok::<_, StoreError>(())
        });
        assert!(matches!(result, Err(StoreError::Database(_))), "{result:?}");
        assert_eq!(series(&store), 0);
    }

    #[test]
    fn a_connection_that_dies_before_the_commit_changed_nothing() {
        let store = on_a_server();
        let result = store.write(async |connection| {
            sqlx::query(INSERT).execute(&mut *connection).await?;
            let kill = "SELECT pg_terminate_backend(pg_backend_pid())";
            sqlx::query(kill).execute(connection).await?;
            Ok::<_, StoreError>(())
        });
        assert!(matches!(result, Err(StoreError::Database(_))), "{result:?}");
        assert_eq!(series(&store), 0);
        // The next one finds a new connection.
        let written = store.write(async |connection| {
            sqlx::query(INSERT).execute(connection).await?;
            Ok::<_, StoreError>(())
        });
        written.unwrap();
        assert_eq!(series(&store), 1);
    }

    #[test]
    fn who_writes_waits_for_whoever_wrote_first() {
        let store = on_a_server();
        let total = 40;
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..total / 8 {
                        let drawn = store.write(async |connection| {
                            // Looks first and inserts later, without any lock of its own.
                            let sql = "SELECT coalesce(max(last), 0) + 1 AS next FROM series";
                            let row = sqlx::query(sql).fetch_one(&mut *connection).await?;
                            let next: i64 = row.try_get("next")?;
                            sqlx::query("INSERT INTO series (name, last) VALUES ($1, $2)")
                                .bind(next.to_string())
                                .bind(next)
                                .execute(connection)
                                .await?;
                            Ok::<_, StoreError>(())
                        });
                        drawn.unwrap();
                    }
                });
            }
        });
        assert_eq!(series(&store), total);
    }
}
