//! PC/SC readers: one thread and one context per reader, insertions and removals as a stream of events.
//!
//! [`watch`] tells where cards come and go. [`CardConnection::open`] powers a card up; within a [`Transaction`] no other
//! process can talk to it. A card is hostile until it has proved itself: answers are bounded in rounds and length, and a
//! card that never answers costs its caller a time-out, not the thread. Commands and answers are never logged: they
//! are counted ([`Statistics`]).

mod connection;
mod error;
mod events;
mod exchange;

pub use connection::{CardConnection, Transaction};
pub use error::TransmitError;
pub use events::{Event, Events, watch};
pub use exchange::{MAX_RESPONSE, MAX_ROUNDS, Response, Statistics};
