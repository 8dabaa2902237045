//! `ansinh operations`: who did what, and whether the log is whole.

use ansinh_console::calls::operations::{Page, Verify};
use anyhow::Result;
use clap::{Args, Subcommand};

use super::Options;

#[derive(Subcommand)]
pub(crate) enum Operations {
    /// Print the log, oldest line first
    Show(Show),
    /// Check every line against the one before and print the newest hash
    Verify,
}

#[derive(Args)]
#[command(after_help = "\
Each line holds the hash of the one before. Write the newest hash down elsewhere, say in a settlement: later it shows whether the
log was cut. Only auditors and administrators read the log.

Examples:
  ansinh operations show --after 1200 --json
  ansinh operations verify")]
pub(crate) struct Show {
    /// Only lines after this position
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: u64,
}

/// Lines asked for at a time.
const PAGE: u32 = 1000;

impl Operations {
    pub(crate) fn run(self, options: &Options) -> Result<()> {
        match self {
            Self::Show(show) => show.run(options),
            Self::Verify => verify(options),
        }
    }
}

impl Show {
    fn run(self, options: &Options) -> Result<()> {
        let mut after = self.after;
        loop {
            let lines = options.call(Page { after, limit: PAGE })?;
            for line in &lines {
                if options.json {
                    println!("{}", serde_json::to_string(line)?);
                } else {
                    println!(
                        "{:>8}  {}  {:20}  {}  {}",
                        line.position, line.at, line.operator, line.action, line.subject
                    );
                }
            }
            let Some(last) = lines.last() else { return Ok(()) };
            after = last.position;
        }
    }
}

fn verify(options: &Options) -> Result<()> {
    let head = options.call(Verify {})?;
    if options.json {
        println!("{}", serde_json::to_string(&head)?);
    } else {
        println!(
            "Nhật ký nguyên vẹn: {0} dòng / The log is whole: {0} lines",
            head.position
        );
        println!("{}", head.hash);
    }
    Ok(())
}
