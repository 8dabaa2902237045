//! The ledger of issuance and payment: one set of queries over a file of SQLite or a database of PostgreSQL.
//!
//! Facts are inserted and hardly ever changed; what changes is a guarded state column. Each public function is one use case
//! and one transaction: it happens wholly or not at all, and once it returns it survives a power cut. Any number of processes may
//! use the same store: writers take turns (decision 16). Only where the answer to a COMMIT was lost is the outcome unknown
//! ([`StoreError::PerhapsDone`]); then the same is asked for again.
//!
//! The functions block; call them from ordinary threads, never from inside an async task. [`Store`] is [`Sync`]: reader
//! threads share one.
//!
//! | module | what it keeps |
//! |---|---|
//! | [`import`] | approved lists, what is due |
//! | [`names`] | when two spellings are one name |
//! | [`people`] | persons, entitlements, representatives |
//! | [`deliveries`] | deliveries of blank cards |
//! | [`cards`] | cards from claim to activation, the journal of each personalization, blocking |
//! | [`issuance`] | what a station asks between cards |
//! | [`maintenance`] | issued cards: further versions, issuer scripts, receipts read back |
//! | [`carried_scripts`] | issuer scripts that terminals carry to cards |
//! | [`issuer_log`] | every object an issuer signed, chained; certificates |
//! | [`numbers`] | personal identification and social security numbers, changed and merged |
//! | [`life`] | cards replaced, found again, expired, ended by a death |
//! | [`handover`] | who has an issued card |
//! | [`stock`] | where every blank is |
//! | [`lists`] | payment lists |
//! | [`block_lists`] | block lists, in full and as changes |
//! | [`terminals`] | terminals, their acknowledgements |
//! | [`terminal_operators`] | who may work at a terminal |
//! | [`journal`] | ingested journal entries and payments |
//! | [`batches`] | who is to get a card, under four eyes |
//! | [`operators`] | who may act, and their tokens |
//! | [`operations`] | who did what, chained |

mod backup;
pub mod batches;
pub mod block_lists;
mod bookings;
mod card_receipts;
pub mod cards;
pub mod carried_scripts;
mod connections;
pub mod deliveries;
mod engine;
mod error;
pub mod handover;
pub mod import;
mod ingestion;
pub mod issuance;
pub mod issuer_log;
pub mod journal;
pub mod life;
pub mod lists;
mod location;
pub mod maintenance;
mod migrations;
pub mod names;
pub mod numbers;
pub mod operations;
pub mod operators;
pub mod people;
mod personalization;
pub mod reversals;
pub mod stock;
mod store;
pub mod terminal_operators;
pub mod terminals;
mod turn;

pub use error::{DatabaseError, StoreError};
pub use location::{DatabaseUrl, Location};
pub use personalization::Fact;
pub use store::Store;
