//! Memory-mapped registers: the one place where the addresses of peripherals become loads and stores.

/// A 32-bit device register.
#[derive(Clone, Copy)]
pub(crate) struct Register(usize);

impl Register {
    /// The register at `address`, which must belong to a peripheral of the mps2-an386 (Arm AN386, section 4.1).
    #[inline(always)]
    pub(crate) const fn at(address: usize) -> Self {
        Self(address)
    }

    /// Reads the register; for some registers reading has an effect of its own.
    #[inline(always)]
    pub(crate) fn read(self) -> u32 {
        // SAFETY: the address is that of an aligned device register, always mapped and never part of a Rust object.
        unsafe { (self.0 as *const u32).read_volatile() }
    }

    /// Writes the register.
    #[inline(always)]
    pub(crate) fn write(self, value: u32) {
        // SAFETY: as for `read`.
        unsafe { (self.0 as *mut u32).write_volatile(value) }
    }
}
