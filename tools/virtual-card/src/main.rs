//! A card in a process: the reference applet behind a virtual PC/SC reader or a simulated PN532.

fn main() {}
