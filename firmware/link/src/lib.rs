//! Messages and framing between host and terminal (no_std).
#![no_std]

pub mod message;
