//! What the `ansinh` command is made of, apart from its command line: the station's folder, deliveries, import of lists,
//! issuance, the line to terminals, the export for auditors.
//!
//! It is a library so that tests and tools use the same code as the operator.

pub mod delivery;
pub mod export;
pub mod home;
pub mod import;
pub mod issue;
pub mod reference;
pub mod terminal_link;
