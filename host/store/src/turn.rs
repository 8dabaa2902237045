//! The turn of those who write, and the commit that they share.
//!
//! One transaction writes at a time (decision 16). Sixteen readers that each wait for a disk would wait sixteen times; instead
//! whoever finds others waiting leaves the transaction open for them, each behind a savepoint of its own, and the last one commits
//! for all ("group commit"). Nobody is told that something was done before the commit that holds it was confirmed (decision 20).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use sqlx::{Any, AnyConnection, Connection as _, Transaction};

use crate::engine::Engine;
use crate::error::DatabaseError;
use crate::{Store, StoreError};

/// Turns, failed ones included, that those who are done wait for at most: whoever fails returns at once and may come again.
const MOST: usize = 64;

/// Whose turn it is to write.
#[derive(Default)]
pub(crate) struct WriteTurn {
    /// The transaction that was left open for whoever waits.
    open: Mutex<Option<Open>>,
    /// Uses that have not had their turn yet.
    waiting: AtomicUsize,
    ended: Arc<Condvar>,
}

/// A transaction with the uses in it.
struct Open {
    transaction: Transaction<'static, Any>,
    /// Whoever has had a turn in it.
    turns: usize,
    /// Those that succeeded so far, and wait: no more than there are threads.
    uses: usize,
    end: Announcement,
}

/// How a transaction ended.
type End = Result<(), Broken>;

/// Why what several uses share was not committed, or perhaps not.
#[derive(Clone)]
enum Broken {
    Undone(DatabaseError),
    Perhaps(DatabaseError),
}

impl From<Broken> for StoreError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Undone(error) => Self::Database(error),
            Broken::Perhaps(error) => Self::PerhapsDone(error),
        }
    }
}

/// Tells all uses of a transaction how it ended, also if whoever was to end it panics.
struct Announcement {
    end: Arc<OnceLock<End>>,
    ended: Arc<Condvar>,
}

impl Announcement {
    fn tell(&self, end: End) {
        // Only the first end is true.
        let _ = self.end.set(end);
        self.ended.notify_all();
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        let given_up = "another use of the same transaction failed, and it was undone";
        self.tell(Err(Broken::Undone(
            sqlx::Error::Protocol(given_up.to_owned()).into(),
        )));
    }
}

impl WriteTurn {
    /// Does the work when its turn comes, and returns when it is committed, or undone.
    pub(crate) fn take<T, E: From<StoreError>>(
        &self,
        store: &Store,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        // A transaction that is dropped, by a panic too, hands its connection to the runtime.
        let _context = store.runtime.enter();
        let mut shared = self.wait();
        let mut open = match shared.take() {
            Some(open) => open,
            None => self.begin(store)?,
        };
        let done = match store.runtime.block_on(open.run(store.engine, work)) {
            Ok(done) => done,
            Err(broken) => return Err(StoreError::from(broken).into()),
        };
        let end = Arc::clone(&open.end.end);
        if open.uses == 0 {
            // Nothing is in it, and nothing was told.
            store.runtime.block_on(open.undo());
        } else if self.waiting.load(Ordering::SeqCst) > 0 && open.turns < MOST {
            *shared = Some(open);
        } else {
            store.runtime.block_on(open.commit());
        }
        let result = done?;
        self.wait_for(&end, shared).map_err(StoreError::from)?;
        Ok(result)
    }

    /// Nothing but the end that was told ends the waiting.
    fn wait_for(&self, end: &OnceLock<End>, mut shared: MutexGuard<'_, Option<Open>>) -> End {
        loop {
            if let Some(end) = end.get() {
                return end.clone();
            }
            shared = self.ended.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whoever is counted as waiting takes the turn for certain, and then ends what was left open.
    fn wait(&self) -> MutexGuard<'_, Option<Open>> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // A writer that panicked has dropped its transaction, and so undone it.
        let shared = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        shared
    }

    fn begin(&self, store: &Store) -> Result<Open, StoreError> {
        let transaction = store.runtime.block_on(async {
            let begun = store.connections.begin(store.engine.begin_write());
            let mut transaction = begun.await?;
            store.engine.take_turn(&mut transaction).await?;
            Ok::<_, sqlx::Error>(transaction)
        })?;
        Ok(Open {
            transaction,
            turns: 0,
            uses: 0,
            end: Announcement {
                end: Arc::default(),
                ended: Arc::clone(&self.ended),
            },
        })
    }
}

impl Open {
    /// One use. The outer error is the end of the whole transaction; after the inner one it is as if the use had not been.
    async fn run<T, E: From<StoreError>>(
        &mut self,
        engine: Engine,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<Result<T, E>, Broken> {
        let undone = |error: sqlx::Error| Broken::Undone(error.into());
        self.turns += 1;
        if self.uses == 0 {
            let result = sound(engine, &mut self.transaction, work).await;
            self.uses += usize::from(result.is_ok());
            return Ok(result);
        }
        let mut savepoint = self.transaction.begin().await.map_err(undone)?;
        let result = sound(engine, &mut savepoint, work).await;
        // An error that has ended the whole transaction (a full disk) shows here.
        match result {
            Ok(_) => savepoint.commit().await.map_err(undone)?,
            Err(_) => savepoint.rollback().await.map_err(undone)?,
        }
        self.uses += usize::from(result.is_ok());
        Ok(result)
    }

    async fn commit(self) {
        let committed = self.transaction.commit().await;
        self.end
            .tell(committed.map_err(|error| Broken::Perhaps(error.into())));
    }

    async fn undo(self) {
        // A connection that cannot even do this is broken: the database undoes what it had begun.
        let _ = self.transaction.rollback().await;
    }
}

/// The work, refused if it passed over an error after which COMMIT would be an undoing.
async fn sound<T, E: From<StoreError>>(
    engine: Engine,
    connection: &mut AnyConnection,
    work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, E>,
) -> Result<T, E> {
    let result = work(connection).await?;
    let sound = engine.demand_sound(connection).await;
    sound.map_err(StoreError::from)?;
    Ok(result)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use sqlx::Row as _;

    use super::*;
    use crate::{DatabaseUrl, Location};

    const INSERT: &str = "INSERT INTO series (name, last) VALUES ($1, 1)";

    /// The same on SQLite and on PostgreSQL.
    fn on_each_engine(test: impl Fn(&Store)) {
        let folder = tempfile::tempdir().unwrap();
        test(&Store::create(Location::File(folder.path().join("store.sqlite"))).unwrap());
        let url = DatabaseUrl::new(&rig::postgres().database()).unwrap();
        test(&Store::create(Location::Server(url)).unwrap());
    }

    async fn insert(connection: &mut AnyConnection, name: &str) -> Result<(), StoreError> {
        let insert = sqlx::query(INSERT).bind(name.to_owned());
        Ok(insert.execute(connection).await.map(drop)?)
    }

    fn write(store: &Store, name: &str) -> Result<(), StoreError> {
        store.write(async |connection| insert(connection, name).await)
    }

    /// Writes, and leaves the transaction open: `others` wait for their turn by then.
    fn write_before(store: &Store, name: &str, others: usize) -> Result<(), StoreError> {
        store.write(async |connection| {
            insert(connection, name).await?;
            while store.turn.waiting.load(Ordering::SeqCst) < others {
                thread::yield_now();
            }
            Ok::<_, StoreError>(())
        })
    }

    fn written(store: &Store) -> Vec<String> {
        let names = store.read(async |connection| {
            let rows = sqlx::query("SELECT name FROM series ORDER BY name")
                .fetch_all(connection)
                .await?;
            let names = rows.iter().map(|row| row.try_get("name"));
            Ok::<_, StoreError>(names.collect::<Result<Vec<String>, _>>()?)
        });
        names.unwrap()
    }

    /// What the first is told, whose transaction `second` joins.
    fn first_with(store: &Store, second: impl FnOnce() + Send) -> Result<(), StoreError> {
        thread::scope(|scope| {
            let first = scope.spawn(|| write_before(store, "first", 1));
            while store.turn.open.try_lock().is_ok() {
                thread::yield_now();
            }
            scope.spawn(second);
            first.join().unwrap()
        })
    }

    #[test]
    fn who_fails_leaves_nothing_and_takes_nobody_along() {
        on_each_engine(|store| {
            let first = first_with(store, || {
                let failed = store.write(async |connection| {
                    insert(connection, "second").await?;
                    insert(connection, "second").await
                });
                assert!(matches!(failed, Err(StoreError::Database(_))), "{failed:?}");
            });
            first.unwrap();
            assert_eq!(written(store), ["first"]);
        });
    }

    #[test]
    fn an_error_that_was_passed_over_is_not_committed_with_others() {
        let url = DatabaseUrl::new(&rig::postgres().database()).unwrap();
        let store = Store::create(Location::Server(url)).unwrap();
        let first = first_with(&store, || {
            let passed_over = store.write(async |connection| {
                insert(connection, "second").await?;
                let _ = insert(connection, "second").await;
                Ok::<_, StoreError>(())
            });
            assert!(
                matches!(passed_over, Err(StoreError::Database(_))),
                "{passed_over:?}"
            );
        });
        first.unwrap();
        assert_eq!(written(&store), ["first"]);
    }

    #[test]
    fn a_panic_undoes_the_transaction_and_everybody_in_it_is_told() {
        on_each_engine(|store| {
            let first = first_with(store, || {
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    store.write(async |connection| {
                        insert(connection, "second").await?;
                        std::panic::resume_unwind(Box::new("second"));
                        #[expect(unreachable_code, reason = "gives the closure its type")]
                        Ok::<_, StoreError>(())
                    })
                }));
                assert!(panicked.is_err());
            });
            assert!(matches!(first, Err(StoreError::Database(_))), "{first:?}");
            write(store, "third").unwrap();
            assert_eq!(written(store), ["third"]);
        });
    }

    #[test]
    fn a_connection_that_dies_under_two_is_told_to_both() {
        let url = DatabaseUrl::new(&rig::postgres().database()).unwrap();
        let store = Store::create(Location::Server(url)).unwrap();
        let first = first_with(&store, || {
            let killed = store.write(async |connection| {
                insert(connection, "second").await?;
                let kill = "SELECT pg_terminate_backend(pg_backend_pid())";
                sqlx::query(kill).execute(connection).await?;
                Ok::<_, StoreError>(())
            });
            assert!(matches!(killed, Err(StoreError::Database(_))), "{killed:?}");
        });
        assert!(matches!(first, Err(StoreError::Database(_))), "{first:?}");
        write(&store, "third").unwrap();
        assert_eq!(written(&store), ["third"]);
    }

    #[test]
    fn a_commit_that_fails_is_perhaps_done_for_everybody_in_it() {
        let url = DatabaseUrl::new(&rig::postgres().database()).unwrap();
        let store = Store::create(Location::Server(url)).unwrap();
        let table = "CREATE TABLE late (name text UNIQUE DEFERRABLE INITIALLY DEFERRED)";
        let table = store.write(async |connection| {
            sqlx::query(table).execute(connection).await?;
            Ok::<_, StoreError>(())
        });
        table.unwrap();
        let first = first_with(&store, || {
            let second = store.write(async |connection| {
                sqlx::query("INSERT INTO late VALUES ('x'), ('x')")
                    .execute(connection)
                    .await?;
                Ok::<_, StoreError>(())
            });
            assert!(matches!(second, Err(StoreError::PerhapsDone(_))), "{second:?}");
        });
        assert!(matches!(first, Err(StoreError::PerhapsDone(_))), "{first:?}");
        assert!(written(&store).is_empty());
    }

    #[test]
    fn those_who_fail_without_end_do_not_keep_the_others_from_their_commit() {
        on_each_engine(|store| {
            let committed = AtomicBool::new(false);
            let fail = || {
                while !committed.load(Ordering::SeqCst) {
                    let failed = store.write(async |_| Err::<(), _>(StoreError::Random));
                    assert!(failed.is_err());
                }
            };
            thread::scope(|scope| {
                (0..3).for_each(|_| drop(scope.spawn(fail)));
                write_before(store, "first", 1).unwrap();
                committed.store(true, Ordering::SeqCst);
            });
            assert_eq!(written(store), ["first"]);
        });
    }
}
