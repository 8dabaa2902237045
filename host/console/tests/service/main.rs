//! The service without a network: who may make which call, what is refused and how, what is told to machines.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod document;
mod imports;
mod limits;
mod roles;
