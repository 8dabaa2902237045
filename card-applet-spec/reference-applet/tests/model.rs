//! Random commands, right and wrong, torn and whole, to a card and to the oracle that knows SPEC.md: both agree on every answer
//! and, after every step, on what GET DATA tells.
//!
//! `MODEL_CASES` is the number of sequences (CI: a few seconds), `MODEL_SEED` repeats a run.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that panics has done its work"
)]

mod common;
mod driver;
mod oracle;

use std::time::{SystemTime, UNIX_EPOCH};

use card_spec::crypto::sha256;
use driver::Driver;
use driver::steps::{self, Step};
use proptest::prelude::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// Runs sequences of steps, each on a driver of its own; a failing one is shrunk and printed with the seed.
fn agree(steps: impl Strategy<Value = Vec<Step>>, start: fn() -> Driver) {
    let number = |name| {
        std::env::var(name)
            .ok()
            .map(|value: String| value.parse::<u64>().unwrap())
    };
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = number("MODEL_SEED").unwrap_or_else(now);
    let config = Config {
        cases: number("MODEL_CASES").unwrap_or(50) as u32,
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &sha256(&[&seed.to_be_bytes()]));
    let result = TestRunner::new_with_rng(config, random).run(&steps, |steps| {
        let mut driver = start();
        for (number, step) in steps.iter().enumerate() {
            driver
                .step(step)
                .map_err(|reason| TestCaseError::fail(format!("step {number}, {step:?}: {reason}")))?;
        }
        Ok(())
    });
    match result {
        Ok(()) => println!("MODEL_SEED={seed}"),
        Err(TestError::Fail(reason, steps)) => panic!("MODEL_SEED={seed}\n{reason}\n{steps:#?}"),
        Err(TestError::Abort(reason)) => panic!("MODEL_SEED={seed}: {reason}"),
    }
}

#[test]
fn from_a_blank_card() {
    agree(steps::personalizing(), Driver::blank);
}

#[test]
fn from_an_active_card() {
    agree(steps::paying(), Driver::active);
}

#[test]
fn from_an_active_card_until_its_ring_is_full() {
    agree(steps::outliving_the_ring(), Driver::active);
}
