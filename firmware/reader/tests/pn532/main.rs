//! The driver against a simulated PN532, over a serial line and over SPI.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod chip;
mod faults;
mod rates;
mod spi_wires;
