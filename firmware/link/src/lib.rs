//! Messages and framing between host and terminal (no_std).
