//! Takes the job of [`store_faults::Job`] up in a ledger of SQLite and finishes it: `store-job FILE`, with the officers' tokens on
//! standard input, one a line. What fails is tried once more, as a daemon does that lives on. Exit codes: 0 finished, 3 the store
//! failed before the job began, 4 it failed twice.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use ansinh_store::{Store, StoreError};
use store_faults::{Job, Tokens};

fn main() -> ExitCode {
    let mut input = String::new();
    let read = std::io::stdin().read_to_string(&mut input);
    let tokens: Vec<_> = input.lines().map(str::to_owned).collect();
    let (Ok(_), Some(file), Ok(tokens)) = (read, std::env::args_os().nth(1), tokens.try_into()) else {
        eprintln!("usage: store-job FILE, two tokens on standard input");
        return ExitCode::from(2);
    };
    let tokens = Tokens(tokens);
    let tell = |error: StoreError, code| {
        eprintln!("{error}");
        ExitCode::from(code)
    };
    let store = match Store::open(Path::new(&file)) {
        Ok(store) => store,
        Err(error) => return tell(error, 3),
    };
    let once = || Job::of(&store, &tokens)?.go_on(&store);
    let done = once().or_else(|error| {
        eprintln!("{error}");
        once()
    });
    done.map_or_else(|error| tell(error, 4), |()| ExitCode::SUCCESS)
}
