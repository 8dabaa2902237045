//! Power-fail-safe append-only record log over a NOR flash trait (no_std).
