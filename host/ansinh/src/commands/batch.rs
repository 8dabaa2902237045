//! `ansinh batch`: who is to get a card, drafted by one officer and approved by another.

use ansinh_console::calls::batches::{self, State};
use ansinh_reference::today;
use anyhow::Result;
use clap::{ArgGroup, Args, Subcommand};
use jiff::{ToSpan as _, civil};

use super::Options;

#[derive(Subcommand)]
pub(crate) enum Batch {
    /// Draft a batch of persons who wait for a card
    Draft(Draft),
    /// Approve a batch that another officer drafted: cards may be begun
    Approve(Named),
    /// End a batch: no card is begun under it any more
    Close(Named),
    /// List batches, newest first
    List,
}

#[derive(Args)]
#[command(group = ArgGroup::new("who").required(true), after_help = "\
Only persons who wait for a card and are in no other open batch come in. Cards begun under a batch are finished whatever becomes
of it.

Examples:
  ansinh batch draft --everybody --title 'November 2026' --quota 200
  ansinh batch draft --commune 26734 --title 'Phường Bến Thành' --quota 50 --until 2026-12-31")]
pub(crate) struct Draft {
    /// Everybody who waits
    #[arg(long, group = "who")]
    everybody: bool,
    /// Those who live in this commune, 5 digits
    #[arg(long, value_name = "CODE", group = "who")]
    commune: Option<String>,
    /// What people call it
    #[arg(long)]
    title: String,
    /// At most this many persons
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Most cards that one officer may begin under it
    #[arg(long, value_name = "N")]
    quota: u32,
    /// Last day on which cards may be begun; default: in 30 days
    #[arg(long, value_name = "YYYY-MM-DD")]
    until: Option<civil::Date>,
}

#[derive(Args)]
pub(crate) struct Named {
    /// Number of the batch
    number: u64,
}

/// Days on which cards may be begun under a batch, unless its drafter says otherwise.
const DAYS: i64 = 30;

impl Batch {
    pub(crate) fn run(self, options: &Options) -> Result<()> {
        match self {
            Self::Draft(draft) => print(options, &options.call(draft.call()?)?),
            Self::Approve(named) => print(options, &options.call(batches::Approve { batch: named.number })?),
            Self::Close(named) => print(options, &options.call(batches::Close { batch: named.number })?),
            Self::List => {
                let batches = options.call(batches::List {})?;
                batches.iter().try_for_each(|batch| print(options, batch))
            }
        }
    }
}

impl Draft {
    fn call(self) -> Result<batches::Draft> {
        let until = match self.until {
            Some(day) => day,
            None => today().checked_add(DAYS.days())?,
        };
        Ok(batches::Draft {
            title: self.title,
            commune: self.commune,
            limit: self.limit,
            expires_on: until.strftime("%Y%m%d").to_string(),
            quota: self.quota,
        })
    }
}

pub(super) fn print(options: &Options, batch: &batches::Batch) -> Result<()> {
    if options.json {
        println!("{}", serde_json::to_string(batch)?);
        return Ok(());
    }
    let state = match batch.state {
        State::Drafted => "chờ duyệt / waits for approval",
        State::Approved => "đã duyệt / approved",
        State::Closed => "đã đóng / closed",
    };
    println!(
        "Đợt / Batch {}: {} - {state}; {} người / persons, {} chờ / waiting; đến / until {}",
        batch.number, batch.title, batch.persons, batch.waiting, batch.expires_on
    );
    Ok(())
}
