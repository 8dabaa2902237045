//! The auditor's command line. Exit code 0: no findings, 1: findings, 2: nothing could be audited.

use std::io::Write as _;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;

use ansinh_audit::{Report, audit, read_root_key};
use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Take the root key from a source you trust, not from the folder: whoever made the folder could have made its root.pem too.

Examples:
  ansinh-audit verify audit-2026-11 --root root.pem
  ansinh-audit verify audit-2026-10 audit-2026-11 --root root.pem
  ansinh-audit verify audit-2026-11 --root root.pem --json > report.json

Exit codes:
  0  no findings: what was read agrees and is proven
  1  findings: each line names file, byte, sequence number, code and reason
  2  nothing was audited: arguments, root key or folders cannot be used";

/// Verifies cards, lists, journals and receipts of ansinh from files and the root public key alone.
///
/// Proves which card was issued by whom, what was paid, to whom, once, and that nothing was inserted, edited, reordered or
/// removed up to the heads that the report names. It needs no network and changes no file.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Verify everything below the given folders
    #[command(after_help = EXAMPLES)]
    Verify {
        /// Folders as `ansinh export` writes them (DATA.md, chapter 2); several are audited as one ledger
        #[arg(required = true, value_name = "DIR")]
        paths: Vec<PathBuf>,
        /// The root public key in PEM, from a source you trust
        #[arg(long, value_name = "FILE")]
        root: PathBuf,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
        /// Threads [default: one for each core]
        #[arg(long, value_name = "COUNT")]
        jobs: Option<NonZero<usize>>,
    },
}

fn main() -> ExitCode {
    let Command::Verify {
        paths,
        root,
        json,
        jobs,
    } = Arguments::parse().command;
    let jobs = jobs
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZero::<usize>::MIN);
    let report = read_root_key(root).and_then(|root| audit(&paths, &root, jobs));
    match report {
        Ok(report) => finish(&report, json),
        Err(error) => {
            eprintln!("ansinh-audit: {error}");
            ExitCode::from(2)
        }
    }
}

fn finish(report: &Report, json: bool) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let printed = if json {
        serde_json::to_writer_pretty(&mut out, report)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        write!(out, "{report}")
    };
    match printed {
        Err(error) => {
            eprintln!("ansinh-audit: cannot print the report: {error}");
            ExitCode::from(2)
        }
        Ok(()) if report.clean => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(1),
    }
}
