//! Issued cards in the reader: what each job does, and what becomes of card and ledger when something goes wrong.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod outcomes;
mod torn;
