//! The running image as it lies in flash: the same bytes as `objcopy -O binary` makes of the file that `../build` names.
#![no_std]

use board_parts::image::written_hash;
pub use board_parts::image::{Damaged, NOTE};

/// The room for the note, as flash is when nobody has written it.
#[used]
#[unsafe(link_section = ".image_note")]
static ROOM: [u8; NOTE] = [0xFF; NOTE];

/// The image from the vector table to its note, as its first word and the rest.
///
/// No slice may begin at address 0, where it lies.
pub fn bytes() -> ([u8; 4], &'static [u8]) {
    unsafe extern "C" {
        // Of cortex-m-rt's link.x and of image.x; symbols, not variables: only their addresses mean something.
        static __vector_table: u32;
        static __image_end: u32;
    }
    let table = &raw const __vector_table;
    let rest = table.wrapping_add(1).cast::<u8>();
    let length = (&raw const __image_end).addr().wrapping_sub(rest.addr());
    // SAFETY: a volatile read may be at address 0. The table is mapped, aligned, never written, and reading it changes nothing.
    let first = unsafe { table.read_volatile() };
    // SAFETY: from the vector table to the note the image is one piece (image.x), mapped and never written.
    let rest = unsafe { core::slice::from_raw_parts(rest, length) };
    (first.to_le_bytes(), rest)
}

/// The SHA-256 that the build wrote down for this image.
///
/// # Errors
/// [`Damaged`]: the terminal must not start.
// A name of its own for the figures (tests/terminal-on-chip).
#[inline(never)]
pub fn hash() -> Result<[u8; 32], Damaged> {
    let (first, rest) = bytes();
    written_hash(first, rest)
}
