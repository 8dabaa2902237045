//! What card, terminal, host and auditor of ansinh agree on, byte for byte.
//!
//! [`SPEC.md`](../../SPEC.md) is normative; this crate implements it once for everybody. It has no I/O, no allocation,
//! no `unsafe` and no reachable panic, so the same code runs in the reference applet, in a Cortex-M terminal, in the
//! issuance daemon and in the audit tool.
#![no_std]

pub mod apdu;
pub mod crypto;
pub mod scp03;
pub mod scp11;
