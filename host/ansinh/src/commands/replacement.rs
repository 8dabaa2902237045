//! `ansinh card replace` and `ansinh card expiring`: the next card of somebody who has or had one.

use ansinh_console::calls::life;
use ansinh_reference::today;
use anyhow::Result;
use card_spec::values::CardNumber;
use clap::{Args, ValueEnum};
use jiff::{ToSpan as _, civil};

use super::Options;
use super::batch::print;

#[derive(Args)]
#[command(after_help = "\
The old card is blocked in the same transaction: publish the block list. Another officer approves the batch, then `ansinh issue`
makes the next card. Unpaid lines come to it once the terminals that held them have synchronised a later list.

Example:
  ansinh card replace 7900000000000018 --reason lost
  ansinh block publish
  ansinh batch approve 12                      (by another officer)")]
pub(crate) struct Replace {
    /// Number of the old card, 16 digits
    card: CardNumber,
    /// Why
    #[arg(long, value_enum)]
    reason: Reason,
    /// Last day on which the next card may be begun; default: in 30 days
    #[arg(long, value_name = "YYYY-MM-DD")]
    until: Option<civil::Date>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Reason {
    /// Lost
    Lost,
    /// Stolen
    Stolen,
    /// Damaged, or about to expire
    Damaged,
}

impl From<Reason> for life::Reason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Lost => Self::Lost,
            Reason::Stolen => Self::Stolen,
            Reason::Damaged => Self::Damaged,
        }
    }
}

/// Days within which the next card may be begun, unless the officer says otherwise.
const DAYS: i64 = 30;

impl Replace {
    pub(crate) fn run(self, options: &Options) -> Result<()> {
        let until = match self.until {
            Some(day) => day,
            None => today().checked_add(DAYS.days())?,
        };
        let batch = options.call(life::Replace {
            card: self.card.to_string(),
            reason: self.reason.into(),
            expires_on: until.strftime("%Y%m%d").to_string(),
        })?;
        print(options, &batch)
    }
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  ansinh card expiring --before 2027-03-01     who will need another card
  ansinh card expiring --end                   end those whose last day has passed: their holders wait for the next one")]
pub(crate) struct Expiring {
    /// List cards whose last day is before this one; default: in 90 days
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with = "end")]
    before: Option<civil::Date>,
    /// End every active card whose last day has passed; terminals and cards refuse those already
    #[arg(long)]
    end: bool,
}

/// Days ahead that the list of expiring cards looks, unless the officer says otherwise.
const AHEAD: i64 = 90;

impl Expiring {
    pub(crate) fn run(self, options: &Options) -> Result<()> {
        let numbers = if self.end {
            options.call(life::EndExpired {})?
        } else {
            let before = match self.before {
                Some(day) => day,
                None => today().checked_add(AHEAD.days())?,
            };
            options.call(life::Expiring {
                before: before.strftime("%Y%m%d").to_string(),
            })?
        };
        if options.json {
            println!("{}", serde_json::to_string(&numbers)?);
            return Ok(());
        }
        for card in &numbers.cards {
            println!("{card}");
        }
        println!("{} thẻ / cards", numbers.cards.len());
        Ok(())
    }
}
