//! The ledger under faults.
//!
//! [`Job`] is a station's day in the ledger, from the import to the block list, that can be begun anew after any fault and goes on
//! from where the ledger is. [`Job::judge`] says whether the ledger is then as if nothing had happened: no person with two live
//! cards, no blank lost, no number or signature twice, each act once in an unbroken operations log.
//!
//! | tests | faults |
//! |---|---|
//! | `writes.rs` | at each write of SQLite: a kill before it, a kill in its middle, an I/O error, a full disk |
//! | `answers.rs` | at each COMMIT of PostgreSQL: the connection cut before it arrives, or before its answer does |
//! | `daemons.rs` | three processes issue from one PostgreSQL ledger, one of them is killed again and again |
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod job;
mod judge;

pub use job::{Job, PEOPLE, Tokens};
