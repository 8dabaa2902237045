//! Writes a ledger with one long journal, to measure the auditor on: `synthetic-ledger FOLDER PAYMENTS`.

use std::io;
use std::path::PathBuf;

use card_spec::payment::LineType;
use card_spec::values::Period;
use vectors::{LineSpec, Person, World};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or(io::ErrorKind::InvalidInput)?);
    let payments = arguments.next().and_then(|text| text.to_str()?.parse().ok());
    ledger(payments.ok_or(io::ErrorKind::InvalidInput)?).write(&folder)
}

/// Lines of a card: each has a row of its table (SPEC 9.6), and their sum stays below its caps (SPEC 9.3).
const LINES_OF_A_CARD: u16 = 40;

/// As many cards as the payments need; every line of an entitlement of its own, 4,000 to a list (DATA 3.1).
fn ledger(payments: u16) -> World {
    let mut world = World::new();
    let cards = payments.div_ceil(LINES_OF_A_CARD);
    for serial in (1..).take(cards.into()) {
        world.issue(serial, &Person::numbered(serial));
    }
    world.add_terminal(1);
    let block_list = world.issue_block_list(&[]);
    world.start(0);
    world.load_block_list(0, &block_list);
    let specs: Vec<_> = (0..payments)
        .filter_map(|line| {
            let card = usize::from(line % cards);
            let spec = LineSpec::new(card, Period::new(2026, 11)?, LineType::Regular, 500_000);
            let entitlement = line / cards + 1;
            Some(LineSpec { entitlement, ..spec })
        })
        .collect();
    for specs in specs.chunks(4_000) {
        let list = world.issue_list(0, specs);
        world.load_list(0, list);
        for line in 1..=specs.len() {
            world.pay(0, list, line);
        }
    }
    world
}
