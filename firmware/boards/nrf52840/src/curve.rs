//! What computes on P-256: the assembly with the feature `assembly`, else the portable code.

/// The board's code for P-256.
#[cfg(feature = "assembly")]
pub(crate) const CURVE: p256_assembly::AssemblyP256 = p256_assembly::AssemblyP256;

/// The board's code for P-256.
#[cfg(not(feature = "assembly"))]
pub(crate) const CURVE: card_spec::crypto::PortableP256 = card_spec::crypto::PortableP256;
