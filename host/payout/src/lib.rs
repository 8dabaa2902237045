//! What happens between the ledger and the terminals: payment lists and block lists are made and signed, terminals get
//! their certificates, journals are verified, stored and acknowledged.
//!
//! Nothing here does I/O of its own: the store commits, the caller moves bytes.

mod block_lists;
mod error;
mod ingestion;
mod lists;
mod operators;
mod proof;
mod provisioning;
mod scripts;
mod shifts;
mod statements;

pub use block_lists::{FULL_EVERY_DAYS, Publication, WholeBlockList, make_block_list};
pub use error::PayoutError;
pub use ingestion::{EntryError, IngestionError, JournalIngestion, Rejected};
pub use lists::{ListTerms, MadeList, kept_lists, lists_to_load, make_payment_list};
pub use operators::operator_list;
pub use proof::carried_payment;
pub use provisioning::{
    HeldCertificates, TERMINAL_DAYS, TERMINAL_ISSUERS, TerminalAuthority, TerminalCertificates,
    certify_terminal, held_certificates, issuer_certificates, renew_terminal,
};
pub use scripts::{ScriptSet, carry_reversals, script_set};
pub use shifts::{CashCount, Shift, Sum, shifts};
pub use statements::{IssuerKey, acknowledge, time_statement, vietnam_time};
