//! Personalization of a card (SPEC 6), and its life in the issuer's reader afterwards (SPEC 13), without I/O.
//!
//! An [`Issuance`] says what it needs next as a [`Step`] — send this APDU, write this to the ledger, ask for a PIN, have
//! this card security object signed — and is told the result as an [`Event`]. It never waits, reads no clock and draws
//! no randomness of its own, so that one process can run any number of them and replay each from its inputs.
//!
//! It may be dropped at any step, as a torn card or a killed process does: a new one on the same chip finds out from card
//! and ledger what is still to be done.
//!
//! | module | job |
//! |---|---|
//! | [`machine`] | steps, events, and what drives the protocol from one to the next |
//! | `protocol` | the order of things, from SELECT to ACTIVATE |
//! | [`maintenance`] | a card after ACTIVATE: new PIN, block, unblock, update, terminate; receipts read back |
//! | `opening`, `session`, `exchange` | what both share: the issuer's session, and how a protocol asks its caller |
//! | [`station`] | what an issuing station puts on every card |
//! | [`person`] | data groups from a person's record |
//! | [`proof`] | the card's proof that its keys are its own |
//! | [`failure`] | what went wrong, what it means for the plastic, what to do |

mod exchange;
pub mod failure;
pub mod machine;
pub mod maintenance;
mod opening;
pub mod person;
pub mod proof;
mod protocol;
mod session;
pub mod station;

pub use failure::{Failure, Plastic};
pub use machine::{
    Assignment, CardKeys, Done, End, Event, Issuance, JournalStep, LedgerWrite, Progress, Randomness, Step,
};
pub use person::{DataGroups, PersonRecord};
pub use proof::ProvenKeys;
pub use station::{CsoDraft, Station, Terms};
