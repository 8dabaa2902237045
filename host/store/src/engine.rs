//! What differs between the two engines: how a session is set up, how writers take turns, and what must hold so that a
//! commit survives a power cut. The queries are the same.

mod postgres;
mod sqlite;

use sqlx::AnyConnection;

use crate::{Location, StoreError};

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// The engine at a place.
    pub(crate) fn of(location: &Location) -> Self {
        match location {
            Location::File(_) => Self::Sqlite,
            Location::Server(_) => Self::Postgres,
        }
    }

    /// Statements that set up each new connection.
    pub(crate) fn session(self) -> &'static str {
        match self {
            Self::Sqlite => sqlite::SESSION,
            Self::Postgres => postgres::SESSION,
        }
    }

    /// Begins a transaction that writes.
    pub(crate) fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => sqlite::BEGIN_WRITE,
            Self::Postgres => postgres::BEGIN_WRITE,
        }
    }

    /// The first statement of a transaction that writes: waits until no other transaction writes.
    pub(crate) async fn take_turn(self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        match self {
            // BEGIN IMMEDIATE has taken it.
            Self::Sqlite => Ok(()),
            Self::Postgres => postgres::take_turn(connection).await,
        }
    }

    /// The last statement before COMMIT: fails where COMMIT would undo everything without saying so.
    pub(crate) async fn demand_sound(self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        match self {
            // A statement that failed undid itself alone, or the whole transaction, and then COMMIT fails.
            Self::Sqlite => Ok(()),
            Self::Postgres => postgres::demand_sound(connection).await,
        }
    }

    /// Puts all that was committed where a copy of the store is taken from, if it is not there by itself.
    pub(crate) fn fold(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => Some(sqlite::FOLD),
            Self::Postgres => None,
        }
    }

    /// Refuses a database whose commits would not survive a power cut.
    pub(crate) async fn demand_durable(self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        match self {
            Self::Sqlite => sqlite::demand_durable(connection).await,
            Self::Postgres => postgres::demand_durable(connection).await,
        }
    }

    /// Whether a store was made in this database.
    pub(crate) async fn has_store(self, connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
        match self {
            Self::Sqlite => sqlite::has_store(connection).await,
            Self::Postgres => postgres::has_store(connection).await,
        }
    }
}
