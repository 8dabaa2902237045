//! An operator proves to be the one by a card (DATA 11.4): the right one, genuine, in use, with its PIN; and nothing is paid by it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

#[path = "../bench/mod.rs"]
mod bench;

mod attempts;
mod duties;
mod interrupted;
mod opening;
mod staff;
