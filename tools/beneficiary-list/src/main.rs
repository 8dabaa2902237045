//! Writes a synthetic, seeded beneficiary list with the columns of the import file.

fn main() {}
