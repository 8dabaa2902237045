//! Many who write at once into a ledger of SQLite, so that they share commits: `store-crowd FILE`, with the officers' tokens on
//! standard input, one a line. Each act is a line of the operations log; what its writer was told is a line on standard output:
//! `act done`, `act undone` or `act perhaps`. What was not done is not tried again.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use ansinh_store::operators::Token;
use ansinh_store::{Store, StoreError};

const WRITERS: usize = 8;
const ACTS: usize = 4;

fn main() {
    let file = std::env::args_os().nth(1).expect("usage: store-crowd FILE");
    let token = io::stdin().lines().next().unwrap().unwrap();
    // What fails before anybody writes was not told to anybody.
    let Ok(store) = Store::open(Path::new(&file)) else {
        return;
    };
    let Ok(actor) = store.authenticate(&Token::new(&token)) else {
        return;
    };
    let together = Barrier::new(WRITERS);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (store, actor, together) = (&store, &actor, &together);
            scope.spawn(move || {
                together.wait();
                for act in 0..ACTS {
                    let subject = format!("{writer}-{act}");
                    tell(&subject, &store.log_operation(actor, "crowd", &subject));
                }
            });
        }
    });
}

/// In one write, so that a process that is killed leaves whole lines.
fn tell(act: &str, result: &Result<(), StoreError>) {
    let told = match result {
        Ok(()) => "done",
        Err(StoreError::PerhapsDone(_)) => "perhaps",
        Err(_) => "undone",
    };
    let line = format!("{act} {told}\n");
    io::stdout().lock().write_all(line.as_bytes()).unwrap();
}
