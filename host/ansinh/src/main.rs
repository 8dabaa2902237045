//! The host binary: command line of a provincial issuance station.

fn main() {}
