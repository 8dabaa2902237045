//! The auditor's command line. Exit code 0: no findings, 1: findings, 2: nothing could be audited.

use std::io::Write as _;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;

use ansinh_audit::{Report, audit, read_root_key};
use clap::{Parser, Subcommand};

/// Verifies cards, lists, journals and receipts of ansinh from files and the root public key alone.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Verify everything below the given folders. Exit code 0: no findings, 1: findings, 2: could not run.
    Verify {
        /// Folders with the layout of DATA.md, clause 2
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// The root public key, from a source you trust
        #[arg(long)]
        root: PathBuf,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
        /// Threads; as many as there are cores if not given
        #[arg(long)]
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
