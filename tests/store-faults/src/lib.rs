//! The ledger under faults.
//!
//! [`Job`] is a station's day in the ledger, from the import to the block list, that can be begun anew after any fault and goes on
//! from where the ledger is. [`Job::judge`] says whether the ledger is then as if nothing had happened: no person with two live
//! cards, no blank lost, no number or signature twice, each act once in an unbroken operations log.
//!
//! | tests | faults |
//! |---|---|
//! | `writes.rs` | at each write of SQLite: a kill before it, a kill in its middle, an I/O error, a full disk; also while many share commits |
//! | `answers.rs` | at each COMMIT of PostgreSQL: the connection cut before it arrives, or before its answer does |
//! | `daemons.rs` | three processes issue from one PostgreSQL ledger, one of them is killed again and again |
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod job;
mod judge;

pub use job::{Job, PEOPLE, Tokens};

/// The places of a fault, from 1, that this run tries: with `ALL_FAULTS=1` all; else the first ones, the last, and every so many
/// between.
#[must_use]
pub fn places(count: u64, start: u64, stride: u64) -> Vec<u64> {
    let all = std::env::var_os("ALL_FAULTS").is_some_and(|all| all == "1");
    let is_tried = |at: &u64| all || *at <= start || at.is_multiple_of(stride) || *at == count;
    (1..=count).filter(is_tried).collect()
}
