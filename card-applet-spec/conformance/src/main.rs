//! `ansinh-conformance`: runs the cases of SPEC.md against a card.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use ansinh_conformance::card::{Card, ReaderCard, SimulatedCard};
use ansinh_conformance::report::{Count, Subject, html, json, line, text};
use ansinh_conformance::{Case, Pattern, Runner, TransportKeys, cases};
use anyhow::{Context as _, Result};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};
use clap_complete::Shell;

const ABOUT: &str = "Runs the conformance cases of SPEC.md against a card, in a PC/SC reader or in process.";

const AFTER_HELP: &str = "\
The kit plays the issuer and the terminals with keys of its own, which follow from the seed. It CONSUMES the card: in the end
the card is terminated, or of another issuer's keys than yours. Use a blank card that you can spare, with test transport keys.

Without --fresh-command it takes one card through its life, from blank to terminated, and runs what fits on the way; cases
that need a blank card of their own are then not applicable. --fresh-command is a shell command that makes the card in the
reader blank again, such as one that installs the applet anew; the kit lets go of the card while it runs. Power cuts inside a
command need --in-process.

Examples:
  ansinh-conformance --in-process
  ansinh-conformance --list --case 9.3
  ansinh-conformance --reader 'ACS ACR39U 00 00' --transport-key-file delivery.json --html report.html
  ansinh-conformance --reader 'ACS ACR39U 00 00' --fresh-command './reinstall.sh' --case '6.*'

Exit codes: 0 no case failed; 1 a case failed, or the card cannot be reached; 2 wrong use of the command line.";

#[derive(Parser)]
#[command(name = "ansinh-conformance", version, about = ABOUT, after_help = AFTER_HELP)]
struct Cli {
    /// The card in the reader of this PC/SC name
    #[arg(long, value_name = "NAME", conflicts_with = "in_process", required_unless_present_any = ["in_process", "list", "completion"])]
    reader: Option<String>,
    /// The reference applet in this process
    #[arg(long)]
    in_process: bool,
    /// Delivery file with the card's transport keys (JSON as for `ansinh delivery add`); else ENC A1…A1, MAC A2…A2, DEK A3…A3
    #[arg(long, value_name = "FILE")]
    transport_key_file: Option<PathBuf>,
    /// Shell command that makes the card in the reader blank again
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "reader",
        conflicts_with = "in_process"
    )]
    fresh_command: Option<String>,
    /// Only these cases: an ID (6.4-03) or a clause (6.4, 6), `*` for any characters; may be given several times
    #[arg(long, value_name = "PATTERN")]
    case: Vec<String>,
    /// Print the cases and run none
    #[arg(long)]
    list: bool,
    /// What all keys and nonces of the kit follow from
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Print the report as JSON on standard output: {"cases":[{"id","result"}]}, results pass, fail, not-applicable
    #[arg(long)]
    json: bool,
    /// Write the report as HTML
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the report as text, with every step
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print a completion script for a shell
    #[arg(long, value_name = "SHELL")]
    completion: Option<Shell>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(shell) = cli.completion {
        clap_complete::generate(
            shell,
            &mut Cli::command(),
            "ansinh-conformance",
            &mut std::io::stdout(),
        );
        return ExitCode::SUCCESS;
    }
    match run(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ansinh-conformance: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether no case failed.
fn run(cli: &Cli) -> Result<bool> {
    let all = cases();
    let patterns: Vec<Pattern> = cli.case.iter().map(|pattern| Pattern::new(pattern)).collect();
    let chosen: Vec<&Case> = all
        .iter()
        .filter(|case| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(case.id())))
        .collect();
    if chosen.is_empty() {
        let nothing = "no case is meant by --case: see --list";
        Cli::command().error(ErrorKind::InvalidValue, nothing).exit();
    }
    if cli.list {
        chosen.iter().for_each(|case| say(&listed(case)));
        return Ok(true);
    }
    let transport = match &cli.transport_key_file {
        Some(path) => TransportKeys::read(path)?,
        None => TransportKeys::test(),
    };
    let mut runner = Runner::new(card(cli, &transport)?, transport, cli.seed);
    let subject = Subject {
        card: cli
            .reader
            .clone()
            .unwrap_or_else(|| "reference applet, in process".to_owned()),
        seed: cli.seed,
        date: jiff::Timestamp::now()
            .strftime("%Y-%m-%d %H:%M:%S UTC")
            .to_string(),
        select: runner.select()?,
    };
    // Not after the cases, which consume the card.
    let (html_file, text_file) = (create(cli.html.as_ref())?, create(cli.report.as_ref())?);
    let reports = runner.run(&chosen, |report| {
        if !cli.json {
            say(&line(report));
        }
    });
    let count = Count::of(&reports);
    if cli.json {
        say(&format!("{}\n", json(&subject, &reports)?));
    } else {
        say(&format!("\n{count} (seed {})\n", cli.seed));
    }
    write(html_file, || html(&subject, &reports))?;
    write(text_file, || text(&subject, &reports))?;
    Ok(count.failed == 0)
}

/// Prints to whoever still listens: one who went away must not end a run that consumes a card.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn card(cli: &Cli, transport: &TransportKeys) -> Result<Box<dyn Card>> {
    let Some(reader) = &cli.reader else {
        return Ok(Box::new(SimulatedCard::new(transport, cli.seed)?));
    };
    eprintln!("ansinh-conformance: the card in {reader} will be consumed");
    Ok(Box::new(ReaderCard::open(reader, cli.fresh_command.clone())?))
}

fn listed(case: &Case) -> String {
    format!(
        "{}\n  purpose   {}\n  profile   {}\n  starts    {}\n  expected  {}\n",
        case.id(),
        case.purpose(),
        case.needs(),
        case.stage(),
        case.expected()
    )
}

fn create(path: Option<&PathBuf>) -> Result<Option<File>> {
    path.map(|path| File::create(path).with_context(|| format!("{}: cannot be written", path.display())))
        .transpose()
}

fn write(file: Option<File>, report: impl FnOnce() -> String) -> Result<()> {
    let Some(mut file) = file else { return Ok(()) };
    file.write_all(report().as_bytes())
        .context("the report could not be written; the cases have run, and the card is used")
}
