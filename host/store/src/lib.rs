//! The ledger of issuance and payment: one set of queries over SQLite (and, by its portable SQL, PostgreSQL later).
//!
//! Facts are inserted and hardly ever changed; what changes is a guarded state column. Each public function is one use case
//! and one transaction: it happens wholly or not at all, and once it returns it survives a power cut (WAL with
//! synchronous=FULL). A second process may use the same file: writers take turns (BEGIN IMMEDIATE).
//!
//! The functions block; call them from ordinary threads, never from inside an async task. [`Store`] is [`Sync`]: reader
//! threads share one.
//!
//! | module | what it keeps |
//! |---|---|
//! | [`import`] | approved lists, what is due |
//! | [`people`] | persons, entitlements, representatives |
//! | [`deliveries`] | deliveries of blank cards |
//! | [`cards`] | cards from claim to activation, the journal of each personalization, blocking |
//! | [`issuance`] | what a station asks between cards |
//! | [`issuer_log`] | every object an issuer signed, chained; certificates |
//! | [`lists`] | payment lists and block lists |
//! | [`terminals`] | terminals, their acknowledgements |
//! | [`journal`] | ingested journal entries and payments |
//! | [`operations`] | who did what |

mod backup;
pub mod cards;
pub mod deliveries;
mod error;
pub mod import;
pub mod issuance;
pub mod issuer_log;
pub mod journal;
pub mod lists;
pub mod operations;
pub mod people;
mod personalization;
mod store;
pub mod terminals;

pub use error::StoreError;
pub use store::Store;
