//! The host binary: command line of a provincial issuance station.

mod commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run()
}
