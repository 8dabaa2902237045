//! Core of a payment terminal: sans-IO, no_std.
