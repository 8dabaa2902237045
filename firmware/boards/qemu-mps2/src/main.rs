//! The terminal on QEMU's mps2-an386: a thin binary around the terminal core.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use qemu_mps2::{clock, executor};

#[entry]
fn main() -> ! {
    clock::start();
    executor::run(|_| ())
}
