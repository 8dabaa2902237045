//! The connections of an opened store.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, Connection as _, Transaction};
use tokio::sync::Notify;

use crate::engine::Engine;

/// As many connections as readers work at once (PC/SC Lite's limit is 16).
const CONNECTIONS: u32 = 16;

/// How long a use case waits for a connection, a restart of the server included.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connections, made when they are needed, kept, and tried before use: after a restart of the server the next use case finds a new
/// one.
pub(crate) struct Connections {
    pool: AnyPool,
    refusal: Arc<Refusal>,
}

/// Why a new connection could not be set up. The pool would try it again and again without saying so.
#[derive(Default)]
struct Refusal {
    reason: Mutex<Option<sqlx::Error>>,
    came: Notify,
}

impl Connections {
    /// Connects to nothing yet.
    pub(crate) fn new(engine: Engine, options: AnyConnectOptions) -> Self {
        let refusal = Arc::<Refusal>::default();
        let on_refusal = Arc::clone(&refusal);
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
            .before_acquire(|connection, _| {
                // SQLite undoes a transaction itself when the disk is full, and then there is nothing to roll back: sqlx takes that
                // for a transaction that goes on, and the connection could never begin another one.
                let usable = !connection.is_in_transaction();
                Box::pin(async move { Ok(usable) })
            })
            .after_connect(move |connection, _| {
                let refusal = Arc::clone(&on_refusal);
                Box::pin(async move {
                    let set_up = sqlx::raw_sql(engine.session()).execute(connection).await;
                    set_up.map(drop).or_else(|error| refusal.tell(error))
                })
            })
            .connect_lazy_with(options);
        Self { pool, refusal }
    }

    /// A connection that is set up, or why there is none.
    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Any>, sqlx::Error> {
        self.or_refusal(self.pool.acquire()).await
    }

    /// A transaction on a connection of its own, begun with this statement.
    pub(crate) async fn begin(
        &self,
        statement: &'static str,
    ) -> Result<Transaction<'static, Any>, sqlx::Error> {
        self.or_refusal(self.pool.begin_with(statement)).await
    }

    async fn or_refusal<T>(
        &self,
        acquiring: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let acquired = pin!(acquiring);
        let mut refused = pin!(self.refusal.came.notified());
        refused.as_mut().enable();
        match select(acquired, refused).await {
            Either::Left((acquired, _)) => acquired,
            Either::Right(_) => Err(self.refusal.take()),
        }
    }

    /// Closes them in order, after the engine has put all that was committed into the one file that gets copied.
    pub(crate) async fn close(&self, engine: Engine) {
        // The pool does not say whether the last connection could do it in closing. What stays in the log beside the file is not
        // lost: the next one who opens both reads it.
        if let Some(fold) = engine.fold()
            && self.pool.size() > 0
            && let Ok(mut connection) = self.acquire().await
        {
            let _ = sqlx::raw_sql(fold).execute(&mut *connection).await;
        }
        self.pool.close().await;
    }
}

impl Refusal {
    fn tell(&self, error: sqlx::Error) -> Result<(), sqlx::Error> {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.came.notify_waiters();
        Err(sqlx::Error::PoolTimedOut)
    }

    /// Of several who waited, one learns the reason.
    fn take(&self) -> sqlx::Error {
        let mut reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        reason.take().unwrap_or(sqlx::Error::PoolTimedOut)
    }
}
