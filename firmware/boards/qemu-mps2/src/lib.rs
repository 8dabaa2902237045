//! The board `qemu-mps2`: QEMU's mps2-an386, a Cortex-M4F with three serial lines, timers and file-backed flash.
//!
//! A machine for development and tests. Its random source is a seed page written from outside, its clock starts at zero;
//! a production root refuses its certificate. Everything that needs `unsafe` is here, nothing that knows of payments.
#![no_std]

pub mod clock;
pub mod curve;
pub mod executor;
pub mod flash;
pub mod seed;
pub mod uart;

// For every image of this board: each needs the room for the note.
pub use running_image as image;

mod failure;
mod interrupts;
mod register;
