//! What card, terminal, host and auditor of ansinh agree on, byte for byte.
//!
//! `card-applet-spec/SPEC.md` and `DATA.md` are normative; this crate implements them once for everybody. It has no
//! I/O, no allocation, no `unsafe` and no reachable panic, so the same code runs in the reference applet, in a
//! Cortex-M terminal, in the issuance daemon and in the audit tool.
//!
//! | module | clause |
//! |---|---|
//! | [`tlv`], [`values`] | SPEC 1: encoding and value types |
//! | [`signed`] | SPEC 2: signed objects |
//! | [`certificate`] | SPEC 3 |
//! | [`cso`], [`groups`] | SPEC 4 and 5: what is on a card |
//! | [`apdu`] | commands, responses, status words |
//! | [`scp03`], [`scp11`] | SPEC 6 to 8: sessions and secure messaging |
//! | [`command`] | SPEC 6, 7, 9 and 13: data fields of the application's commands |
//! | [`payment`], [`reversal`] | SPEC 9: order, receipt, reversal |
//! | [`refusal`] | SPEC 10: decisions about orders, reversals, scripts and block lists |
//! | [`script`] | SPEC 13: issuer scripts |
//! | [`merkle`], [`list`], [`block_delta`] | DATA 3 and 4: payment and block lists |
//! | [`journal`] | DATA 5 to 7: journal entries, acknowledgements, time statements |
//! | [`operators`] | DATA 11: who may work at a terminal |
#![no_std]

pub mod apdu;
pub mod block_delta;
pub mod certificate;
pub mod command;
pub mod crypto;
pub mod cso;
pub mod groups;
pub mod journal;
pub mod list;
pub mod merkle;
pub mod operators;
pub mod payment;
pub mod refusal;
pub mod reversal;
pub mod scp03;
pub mod scp11;
pub mod script;
pub mod signed;
pub mod tlv;
pub mod values;

/// Application identifier (SPEC 6.1): a proprietary one (first half-byte `F`, ISO/IEC 7816-4:2020, 12.3.4), "ANSINH" and a version.
pub const APPLICATION_IDENTIFIER: [u8; 8] = [0xF0, 0x41, 0x4E, 0x53, 0x49, 0x4E, 0x48, 0x01];
