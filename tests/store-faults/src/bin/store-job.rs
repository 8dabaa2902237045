//! Takes the job of [`store_faults::Job`] up in a ledger of SQLite and finishes it: `store-job FILE`, with the officers' tokens on
//! standard input, one a line. What fails is tried once more, as a daemon does that lives on. Exit codes: 0 finished, 3 the store
//! failed.

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
    match work(Path::new(&file), &tokens) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(3)
        }
    }
}

fn work(file: &Path, tokens: &Tokens) -> Result<(), StoreError> {
    let store = Store::open(file)?;
    let once = || Job::of(&store, tokens)?.go_on(&store);
    once().or_else(|error| {
        eprintln!("{error}");
        once()
    })
}
