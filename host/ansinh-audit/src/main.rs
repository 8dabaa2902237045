//! The auditor's binary: verifies cards, lists, journals and receipts from files and the root key alone.

fn main() {}
