//! The running image, so that a journal can say which firmware wrote it.

use card_spec::crypto::{Digest, sha256};

/// SHA-256 over the image as it lies in flash, from the vector table to the end of the initial values of variables;
/// `objcopy -O binary` makes the same bytes of the ELF file.
pub(crate) fn hash() -> Digest {
    /// No slice may begin at address 0, so the first word comes by its name.
    const FIRST: usize = 4;
    unsafe extern "C" {
        // Of cortex-m-rt's link.x; symbols, not variables: only their addresses mean something.
        static _stack_start: u32;
        static __sidata: u32;
        static __sdata: u32;
        static __edata: u32;
    }
    let stack = (&raw const _stack_start as u32) & !7;
    let data = (&raw const __edata as usize) - (&raw const __sdata as usize);
    let end = (&raw const __sidata as usize) + data;
    // SAFETY: from the vector table at 0 to the initial values of .data the image is one piece, mapped and never written.
    let rest = unsafe { core::slice::from_raw_parts(FIRST as *const u8, end - FIRST) };
    sha256(&[&stack.to_le_bytes(), rest])
}
