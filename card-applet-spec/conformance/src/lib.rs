//! The conformance kit: does a card do what `SPEC.md` says?
//!
//! A [`Case`] tests one statement of one clause. The registry ([`cases`]) holds them all; a [`Runner`] brings the card
//! under test into the state that a case starts from, runs it and keeps a protocol of what was sent and answered. The kit
//! plays every other part itself, with keys of its own that follow from the seed: root, issuer, terminal CA, terminals.
//!
//! | module | what |
//! |---|---|
//! | [`card`] | what a card under test has to offer, in process or behind PC/SC |
//! | [`report`] | text, HTML and JSON |
//! | `bench`, `issuer`, `terminal`, `channel` | the host's side of SPEC 6 to 9 |
//! | `cases` | the cases, a module for each group of clauses |

mod bench;
mod case;
mod cases;
mod channel;
mod encoding;
mod issuer;
mod material;
mod random;
mod runner;
mod script;
mod terminal;
mod transport;

pub mod card;
pub mod report;

pub use case::{Case, Needs, Outcome, Pattern, Stage, Stop};
pub use cases::cases;
pub use runner::{CaseReport, Runner, Step, Verdict};
pub use transport::{TransportKeyError, TransportKeys};

/// The version of SPEC.md that the cases are of.
pub const SPECIFICATION_VERSION: u8 = 1;
