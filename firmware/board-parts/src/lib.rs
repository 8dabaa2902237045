//! What the parts on a real board need besides wires, free of any chip's registers so that it is tried on a computer:
//! the serial flash chip, the matrix keypad, the entropy source, the processor's flash with the image.
#![no_std]

pub mod entropy;
pub mod image;
pub mod keypad;
pub mod serial_flash;
