//! Figures of the card for the README and PROFILE.md: runs the conformance kit against the reference applet on a Cortex-M4F in QEMU
//! and tells what each command costs there.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use ansinh_conformance::{Case, Runner, Step, TransportKeys, Verdict, cases};
use anyhow::{Context, Result, ensure};
use card_on_chip::{Exchange, QemuCard};
use clap::Parser;
use serde::Serialize;

/// The kit's seed. The card's own randomness is fresh, so figures repeat but for its share.
const SEED: u64 = 1;

/// A case of the kit that pays once, from SELECT to the receipt; what comes before it issues the card.
const PAYMENT: &str = "9.3-01";
/// A case that updates a card, with checks before and after.
const UPDATE: &str = "13.6-01";
/// What of it is the update, after SELECT: the issuer's session, the loading, the script.
const OF_UPDATE: [[u8; 2]; 4] = [[0x80, 0x50], [0x84, 0x82], [0x84, 0xE2], [0x84, 0x5A]];

/// Count the instructions of each command of the card on a Cortex-M4F.
#[derive(Parser)]
struct Arguments {
    /// The firmware image `card` (ELF): firmware/boards/build qemu-mps2 card
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// Issue, pay and update only, instead of every case of the kit
    #[arg(long)]
    acts: bool,
    /// Print the figures as JSON on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Figures {
    acts: Vec<Act>,
    commands: Vec<CommandCost>,
    /// Bytes, the board's executor and serial line included.
    stack: u32,
    passed: usize,
    failed: Vec<String>,
    not_applicable: usize,
}

/// What a case sends, from the moment the card is ready for it.
#[derive(Serialize)]
struct Act {
    name: &'static str,
    apdus: usize,
    bytes_to_card: usize,
    bytes_from_card: usize,
    instructions: u64,
}

/// What one instruction byte costs, over all commands that were carried out.
#[derive(Serialize)]
struct CommandCost {
    name: &'static str,
    header: String,
    carried_out: usize,
    least: u64,
    median: u64,
    most: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let card = QemuCard::new(&arguments.image)?;
    let (exchanges, deepest_stack) = (card.exchanges(), card.deepest_stack());
    let all = cases();
    let mut runner = Runner::new(Box::new(card), TransportKeys::test(), SEED);

    let mut run = |id: &str| -> Result<(Vec<Exchange>, Vec<Exchange>)> {
        let case = all.iter().find(|case| case.id() == id);
        let case = case.with_context(|| format!("the kit has no case {id}"))?;
        let before = exchanges.borrow().len();
        let preparing = commands_of(&mut runner, case)?;
        let mut preparation = exchanges.borrow()[before..].to_vec();
        let act = preparation.split_off(preparing);
        Ok((preparation, act))
    };
    let (issue, payment) = run(PAYMENT)?;
    let (_, mut update) = run(UPDATE)?;
    update.retain(|exchange| {
        OF_UPDATE
            .iter()
            .any(|header| exchange.command.starts_with(header))
    });
    let acts = vec![
        Act::new("issue, each step in a session", &issue),
        Act::new("payment", &payment),
        Act::new("update, after SELECT", &update),
    ];

    let chosen: Vec<&Case> = if arguments.acts {
        Vec::new()
    } else {
        all.iter().collect()
    };
    let reports = runner.run(&chosen, |report| {
        eprintln!("{} {}", report.case.id(), report.verdict.as_str());
    });
    drop(runner);
    let count =
        |verdict: fn(&Verdict) -> bool| reports.iter().filter(|report| verdict(&report.verdict)).count();
    let figures = Figures {
        acts,
        commands: costs(&exchanges.borrow()),
        stack: *deepest_stack.borrow(),
        passed: count(|verdict| matches!(verdict, Verdict::Pass)),
        not_applicable: count(|verdict| matches!(verdict, Verdict::NotApplicable(_))),
        failed: reports
            .iter()
            .filter(|report| matches!(report.verdict, Verdict::Fail(_)))
            .map(|report| format!("{}: {}", report.case.id(), report.verdict.detail()))
            .collect(),
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print!("{figures}");
    }
    ensure!(figures.failed.is_empty(), "the card does not pass the kit");
    Ok(())
}

/// Runs one case, and returns how many commands made the card ready for it.
fn commands_of(runner: &mut Runner, case: &Case) -> Result<usize> {
    let reports = runner.run(&[case], |_| {});
    let report = reports.first().context("the kit gave no report")?;
    ensure!(
        report.verdict == Verdict::Pass,
        "{}: {}",
        case.id(),
        report.verdict.detail()
    );
    let begins = |step: &Step| matches!(step, Step::Note(note) if note.ends_with("the case begins"));
    let begun = report
        .steps
        .iter()
        .position(begins)
        .context("the case never began")?;
    let commands = report.steps.iter().take(begun);
    Ok(commands
        .filter(|step| matches!(step, Step::Command { .. }))
        .count())
}

impl Act {
    fn new(name: &'static str, exchanges: &[Exchange]) -> Self {
        Self {
            name,
            apdus: exchanges.len(),
            bytes_to_card: exchanges.iter().map(|exchange| exchange.command.len()).sum(),
            bytes_from_card: exchanges.iter().map(|exchange| exchange.response).sum(),
            instructions: exchanges.iter().map(|exchange| exchange.instructions).sum(),
        }
    }
}

/// Commands that were carried out (`9000`, and not the first parts of a chain), by class without secure messaging's bit and
/// instruction.
fn costs(exchanges: &[Exchange]) -> Vec<CommandCost> {
    let mut instructions: BTreeMap<[u8; 2], Vec<u64>> = BTreeMap::new();
    for exchange in exchanges {
        let [class, instruction, ..] = exchange.command[..] else {
            continue;
        };
        let chained = class & 0x10 != 0;
        if exchange.status == 0x9000 && !chained && name_of([class, instruction]).is_some() {
            instructions
                .entry([class, instruction])
                .or_default()
                .push(exchange.instructions);
        }
    }
    let cost = |(header, mut counts): ([u8; 2], Vec<u64>)| {
        counts.sort_unstable();
        Some(CommandCost {
            name: name_of(header)?,
            header: format!("{:02X} {:02X}", header[0], header[1]),
            carried_out: counts.len(),
            least: *counts.first()?,
            median: *counts.get(counts.len() / 2)?,
            most: *counts.last()?,
        })
    };
    instructions.into_iter().filter_map(cost).collect()
}

/// The name that SPEC.md gives to class and instruction.
const fn name_of(header: [u8; 2]) -> Option<&'static str> {
    Some(match header {
        [0x00, 0xA4] => "SELECT",
        [0x00, 0xB0] => "READ BINARY in plain",
        [0x80, 0x50] => "INITIALIZE UPDATE",
        [0x84, 0x82] => "EXTERNAL AUTHENTICATE",
        [0x80, 0x2A] => "PERFORM SECURITY OPERATION",
        [0x80, 0x82] => "MUTUAL AUTHENTICATE",
        [0x84, 0x04] => "DEACTIVATE",
        [0x84, 0x20] => "VERIFY",
        [0x84, 0x24] => "CHANGE REFERENCE DATA",
        [0x84, 0x44] => "ACTIVATE",
        [0x84, 0x47] => "GENERATE ASYMMETRIC KEY PAIR",
        [0x84, 0x54] => "DISBURSE",
        [0x84, 0x56] => "REVERSE",
        [0x84, 0x5A] => "EXECUTE ISSUER SCRIPT",
        [0x84, 0x88] => "INTERNAL AUTHENTICATE",
        [0x84, 0xB0] => "READ BINARY",
        [0x84, 0xB2] => "READ RECORD",
        [0x84, 0xCA] => "GET DATA",
        [0x84, 0xD8] => "PUT KEY",
        [0x84, 0xE2] => "STORE DATA",
        _ => return None,
    })
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millions = |count: u64| count as f64 / 1e6;
        writeln!(
            f,
            "{:<32}{:>7}{:>10}{:>12}{:>16}",
            "act", "APDUs", "bytes to", "bytes from", "million instr."
        )?;
        for act in &self.acts {
            writeln!(
                f,
                "{:<32}{:>7}{:>10}{:>12}{:>16.2}",
                act.name,
                act.apdus,
                act.bytes_to_card,
                act.bytes_from_card,
                millions(act.instructions)
            )?;
        }
        writeln!(
            f,
            "\n{:<32}{:<7}{:>7}{:>10}{:>10}{:>10}",
            "command", "", "9000", "least", "median", "most"
        )?;
        for cost in &self.commands {
            writeln!(
                f,
                "{:<32}{:<7}{:>7}{:>10.3}{:>10.3}{:>10.3}",
                cost.name,
                cost.header,
                cost.carried_out,
                millions(cost.least),
                millions(cost.median),
                millions(cost.most)
            )?;
        }
        writeln!(f, "\nstack: {} bytes", self.stack)?;
        writeln!(
            f,
            "kit: {} passed, {} failed, {} not applicable",
            self.passed,
            self.failed.len(),
            self.not_applicable
        )?;
        self.failed
            .iter()
            .try_for_each(|failed| writeln!(f, "  {failed}"))
    }
}
