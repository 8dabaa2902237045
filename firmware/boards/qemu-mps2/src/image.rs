//! The running image as bytes, so that a journal can say which firmware wrote it.

/// The image: vector table, code, constants and the initial values of variables, as they lie in flash.
///
/// `objcopy -O binary` makes the same bytes of the ELF file.
pub fn bytes() -> &'static [u8] {
    /// AN386, table 3-1: the code memory shows a second time here. A slice must not begin at address 0.
    const CODE: usize = 0x0040_0000;
    unsafe extern "C" {
        // Of cortex-m-rt's link.x; symbols, not variables: only their addresses mean something.
        static __sidata: u32;
        static __sdata: u32;
        static __edata: u32;
    }
    let data = (&raw const __edata as usize) - (&raw const __sdata as usize);
    let end = (&raw const __sidata as usize) + data;
    // SAFETY: from the vector table at 0 to the initial values of .data the image is one piece, mapped and never written.
    unsafe { core::slice::from_raw_parts(CODE as *const u8, end) }
}
