//! Issues many cards under random faults and keeps the figures: `soak-issuance --cards 10000 --readers 16 --seed 1`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a soak that fails ends with the seed"
)]

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use issuance_tests::soak::{Plan, run};
use rig::{PcscRig, command_in_namespace};

/// Set in the second start of this program, inside the namespace of the readers.
const INSIDE: &str = "ANSINH_SOAK_INSIDE";

/// Issues cards through the real pcscd while they are torn out, reset by another program, given up, and `ansinh` is killed;
/// then checks ledger, operations log, every chip and the audit.
#[derive(Parser)]
struct Options {
    /// Persons who get a card
    #[arg(long, default_value_t = 10_000)]
    cards: usize,
    /// Readers, 1 to 16
    #[arg(long, default_value_t = rig::MAX_READERS)]
    readers: usize,
    /// What befalls which chip; default: drawn, and printed
    #[arg(long)]
    seed: Option<u64>,
    /// How often `ansinh` is killed
    #[arg(long, default_value_t = 10)]
    kills: usize,
    /// File for the figures, JSON; default: standard output
    #[arg(long, value_name = "FILE")]
    figures: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if env::var_os(INSIDE).is_none() {
        let status = command_in_namespace(env::current_exe().unwrap())
            .args(env::args_os().skip(1))
            .env(INSIDE, "1")
            .status();
        let status = status.expect("setpriv is missing: install Debian's util-linux");
        return ExitCode::from(u8::from(!status.success()));
    }
    end_at_the_first_panic();
    let seed = options.seed.unwrap_or_else(|| {
        let mut octets = [0; 4];
        getrandom::fill(&mut octets).expect("a random source");
        u32::from_be_bytes(octets).into()
    });
    let rig = PcscRig::start(options.readers).unwrap();
    let plan = Plan {
        cards: options.cards,
        seed,
        kills: options.kills,
    };
    let figures = serde_json::to_string_pretty(&run(rig.readers(), plan)).unwrap();
    match options.figures {
        Some(file) => std::fs::write(file, figures + "\n").unwrap(),
        None => println!("{figures}"),
    }
    ExitCode::SUCCESS
}

/// The others would wait for ever for a hand or an `ansinh` whose thread is gone.
fn end_at_the_first_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::exit(101);
    }));
}
