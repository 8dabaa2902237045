//! Visits every state of a run and says which property fails, with the way there.

use std::time::Instant;

use clap::Parser;
use money_model::{MAXIMUM_ORDERS, MAXIMUM_RING, Scope, Thief};
use stateright::{Checker as _, HasDiscoveries, Model as _};

/// Checks the model of payment, tear, replay, reversal and blocking over all its states.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Orders, at most 4
    #[arg(long, default_value_t = 2)]
    orders: usize,
    /// Lines, at most 2
    #[arg(long, default_value_t = 1)]
    lines: u8,
    /// Cards, at most 2
    #[arg(long, default_value_t = 1)]
    cards: u8,
    /// Places in a card's ring, at most 3
    #[arg(long, default_value_t = 2)]
    ring: usize,
    /// Issuer scripts, at most 3
    #[arg(long, default_value_t = 1)]
    scripts: usize,
    /// Block lists, at most 3
    #[arg(long, default_value_t = 1)]
    block_lists: usize,
    /// Lines listed anew
    #[arg(long, default_value_t = 0)]
    lists: u8,
    /// No terminal is destroyed
    #[arg(long)]
    fireproof: bool,
    /// A thief has the key of a terminal and the PIN
    #[arg(long)]
    thief: bool,
    /// Rings may overwrite what an open Intent waits for
    #[arg(long)]
    short_memory: bool,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Stop after so many states
    #[arg(long)]
    at_most: Option<usize>,
}

fn main() {
    let arguments = Arguments::parse();
    let scope = Scope {
        orders: arguments.orders.min(MAXIMUM_ORDERS),
        lines: arguments.lines,
        cards: arguments.cards,
        ring: arguments.ring.min(MAXIMUM_RING),
        scripts: arguments.scripts,
        block_lists: arguments.block_lists,
        lists: arguments.lists,
        burning: !arguments.fireproof,
        thief: if arguments.thief {
            Thief::KeyAndPin
        } else {
            Thief::None
        },
        ring_outlasts_intents: !arguments.short_memory,
        fault: None,
    };
    let properties = scope.properties();
    let start = Instant::now();
    let mut checker = scope
        .checker()
        .threads(arguments.threads)
        .finish_when(HasDiscoveries::AnyFailures);
    if let Some(count) = arguments.at_most {
        checker = checker.target_state_count(count);
    }
    let checker = checker.spawn_bfs().join();
    let discoveries = checker.discoveries();
    let mut failed = false;
    for property in properties {
        let failure = property.expectation.discovery_is_failure();
        let discovery = discoveries.get(property.name);
        let good = discovery.is_some() != failure;
        failed |= !good;
        println!("{} {}", if good { "ok    " } else { "FAILED" }, property.name);
        if let (true, Some(path)) = (failure, discovery) {
            for action in path.clone().into_actions() {
                println!("         {action:?}");
            }
        }
    }
    println!(
        "{scope:?}\n{} states, {} distinct, depth {}, {:.0} s",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        start.elapsed().as_secs_f64()
    );
    if failed {
        std::process::exit(1);
    }
}
