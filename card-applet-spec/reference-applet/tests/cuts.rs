//! The power goes at every write of everything that a host does with a card, and again at every write when the host comes back:
//! the card is the one before or the one after, its receipts are a chain, and what was begun completes (SPEC 6.12, 9.3).
//!
//! CI takes each script once or twice. `ANSINH_ALL_CUTS=1 cargo test --release -p reference-applet --test cuts -- --nocapture`
//! goes on, with a card that grows older and fuller, until the power was cut a million times. `CUTS_SEED` repeats a run.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

#[path = "cuts/bench.rs"]
mod bench;
#[path = "cuts/lab.rs"]
mod lab;
#[path = "cuts/meaning.rs"]
mod meaning;
#[path = "cuts/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use lab::{Count, Lab};
use world::{Fullness, World};

const MILLION: u64 = 1_000_000;
const SCRIPTS: usize = 20;

fn seed() -> u64 {
    let given = std::env::var("CUTS_SEED").ok();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    given.map_or_else(now, |seed| seed.parse().unwrap()) & 0xFFFF_FFFF
}

/// Every script but the long ones.
fn short_scripts(world: &mut World, lab: &mut Lab) {
    world.pay(lab);
    world.pay(lab);
    world.reverse(lab);
    world.pay(lab);
    world.have_pins(lab);
    world.be_scripted(lab);
    world.have_new_keys(lab);
    world.be_blocked_by_a_list(lab);
    world.be_handed_on(lab);
    world.meet_next_month(lab);
    world.pay(lab);
}

/// What a life of cards went through.
struct Life {
    counts: BTreeMap<&'static str, Count>,
    fullest: Fullness,
}

/// One card after the other, from a blank one on, until the power was cut so often.
fn live(seed: u64, cuts: u64) -> Life {
    let (mut lab, mut world) = World::lab(seed);
    let mut fullest = Fullness::default();
    if cuts == 0 {
        lab.every = 5;
    }
    World::be_issued(&mut lab);
    world.pay(&mut lab);
    world.age(&mut lab, 36);
    for round in 0.. {
        short_scripts(&mut world, &mut lab);
        world.be_updated(&mut lab, 100 + round % 8 * 250);
        fullest = fullest.or(world.fullness());
        if lab.cuts() >= cuts {
            break;
        }
        if round % 8 == 0 {
            World::be_issued(&mut lab);
            println!("CUTS_SEED={seed}: {} cuts so far", lab.cuts());
        }
        if world.is_over() {
            world = World::new(seed + round as u64, &mut lab);
        }
        world.age(&mut lab, round as u32 % 12);
    }
    Life {
        counts: lab.counts,
        fullest,
    }
}

#[test]
fn whenever_the_power_goes_the_card_is_before_or_after() {
    let (seed, begun) = (seed(), Instant::now());
    println!("CUTS_SEED={seed}");
    let all = std::env::var_os("ANSINH_ALL_CUTS").is_some();
    let (lives, cuts) = if all {
        let lives = std::thread::available_parallelism().unwrap().get() as u64;
        (lives, MILLION.div_ceil(lives))
    } else {
        (1, 0)
    };
    let threads = (0..lives).map(|life| std::thread::spawn(move || live(seed + (life << 16), cuts)));
    let threads: Vec<_> = threads.collect();
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    let mut fullest = Fullness::default();
    for thread in threads {
        let life = thread.join().unwrap();
        fullest = fullest.or(life.fullest);
        for (name, count) in life.counts {
            *counts.entry(name).or_default() += count;
        }
    }
    let mut sum = Count::default();
    for (name, count) in &counts {
        println!(
            "{name}: {} runs, {} cuts, {} memories",
            count.runs, count.cuts, count.memories
        );
        assert!(count.cuts > 0, "{name}");
        sum += *count;
    }
    println!(
        "in all: {} runs, {} cuts, {} memories in {} s; {fullest:?}",
        sum.runs,
        sum.cuts,
        sum.memories,
        begun.elapsed().as_secs()
    );
    assert_eq!(counts.len(), SCRIPTS, "{:?}", counts.keys());
    assert!(fullest.receipts > 33, "the ring never went round: {fullest:?}");
    assert!(
        !all || fullest.rows == 40,
        "the table was never full: {fullest:?}"
    );
}
