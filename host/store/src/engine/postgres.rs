//! PostgreSQL: one database on a server, for any number of daemons (decision 16).

use sqlx::{AnyConnection, Row as _};

use crate::StoreError;

/// `synchronous_commit` is a default that a server or a role can turn off; a commit is answered when it is on disk. A writer
/// waits as long for its turn as with SQLite. A daemon that vanished with the turn in its hand loses it (a signature by a slow
/// HSM within a transaction takes seconds).
pub(super) const SESSION: &str = "SET synchronous_commit = on; SET lock_timeout = '30s';
     SET idle_in_transaction_session_timeout = '60s'; SET client_min_messages = warning;";

/// Said here, whatever the server's default is. READ COMMITTED, because the turn is taken by a statement: the statements after
/// it must see what the writer before committed.
pub(super) const BEGIN_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// Writers take turns, as with SQLite: then a transaction that looks first and inserts later needs neither row locks nor
/// repetition. Freed by the server at the end of the transaction, after its commit became visible. The number is `ansinh` in ASCII;
/// such locks are the database's own, not the server's (PostgreSQL 13.3.5).
pub(super) async fn take_turn(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let turn = i64::from_be_bytes(*b"\0\0ansinh");
    sqlx::query("SELECT pg_advisory_xact_lock($1) IS NULL AS taken")
        .bind(turn)
        .execute(connection)
        .await?;
    Ok(())
}

/// After any failed statement COMMIT is a ROLLBACK and no error (PostgreSQL, COMMIT): a use case that passed over an error would
/// tell that it was done. Any other statement is refused then.
pub(super) async fn demand_sound(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT 1").execute(connection).await?;
    Ok(())
}

/// The oldest version that we run our tests on.
const OLDEST: i64 = 150_000;

/// Refuses a server that is too old, that is a copy of another one, that would lose commits, or that cannot hold every letter.
pub(super) async fn demand_durable(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let sql = "SELECT current_setting('server_version_num')::bigint AS version,
               current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
               current_setting('synchronous_commit') AS synchronous_commit,
               current_setting('server_encoding') AS encoding, pg_is_in_recovery()::text AS standby";
    let row = sqlx::query(sql).fetch_one(connection).await?;
    let refused = |why: String| Err(StoreError::NotDurable(why));
    if row.try_get::<i64, _>("version")? < OLDEST {
        return refused("the server is older than PostgreSQL 15. Upgrade it".to_owned());
    }
    for (setting, needed, remedy) in [
        ("fsync", "on", "Set it in postgresql.conf and reload the server"),
        (
            "full_page_writes",
            "on",
            "Set it in postgresql.conf and reload the server",
        ),
        ("synchronous_commit", "on", "Let the role of this station set it"),
        (
            "encoding",
            "UTF8",
            "Make the database anew with createdb --encoding=UTF8 --template=template0",
        ),
        ("standby", "false", "Name the primary server, not a copy of it"),
    ] {
        let found: String = row.try_get(setting)?;
        if found != needed {
            return refused(format!("{setting} is {found}, not {needed}. {remedy}"));
        }
    }
    Ok(())
}

/// The tables of a store, not the mere database.
pub(super) async fn has_store(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    let row = sqlx::query("SELECT to_regclass('issuer_log') IS NOT NULL AS found")
        .fetch_one(connection)
        .await?;
    row.try_get("found")
}
