//! The ledger's promises, on each engine, with the engine's own command line as the outside checker.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

/// Makes tests of checks that take an engine: one with SQLite, one with PostgreSQL.
macro_rules! on_each_engine {
    ($($check:ident),* $(,)?) => {
        mod sqlite {$(
            #[test]
            fn $check() {
                super::$check(crate::fixture::Engine::Sqlite);
            }
        )*}
        mod postgres {$(
            #[test]
            fn $check() {
                super::$check(crate::fixture::Engine::Postgres);
            }
        )*}
    };
}

mod append_only;
mod backup;
mod batches;
mod block_lists;
mod card_counters;
mod cards;
mod claiming;
mod fixture;
mod import;
mod issuer_log;
mod journal;
mod life;
mod lists;
mod opening;
mod operators;
mod personalization;
mod server;
mod terminal_operators;
mod terminals;
