//! Commands to a card in any order, in every state of its life (SPEC 14), from strangers, from an issuer and from a terminal
//! with their keys, and power cuts between them. After each: the card has not panicked, and its receipts hold together.
//!
//! Input: a byte for the card to begin with, then steps; the first byte of a step says which one ([`Bench::step`]).
#![no_main]

#[path = "../../../../card-applet-spec/reference-applet/tests/common/mod.rs"]
mod common;
mod ledger;
mod stages;
mod steps;

use fuzz::Pieces;
use libfuzzer_sys::fuzz_target;

use steps::Bench;

fuzz_target!(|input: &[u8]| {
    let mut pieces = Pieces(input);
    let mut bench = Bench::new(stages::card(pieces.byte()));
    while !pieces.is_empty() {
        bench.step(&mut pieces);
        bench.check();
    }
});
