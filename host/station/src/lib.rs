//! The folder of an issuance station and what is done there: keys and their ceremony, deliveries, issuance, the line to terminals, the export for auditors.
//!
//! The command line and the daemon are two faces of this crate; tests and tools use the same code as the operator.

pub mod ceremony;
pub mod delivery;
pub mod export;
pub mod home;
pub mod issue;
pub mod keyring;
pub mod maintain;
pub mod reference;
pub mod terminal_link;
