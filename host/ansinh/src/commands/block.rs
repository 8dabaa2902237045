//! `ansinh block`: cards that no terminal may pay, and the list that tells terminals so.

use ansinh_console::calls::block;
use anyhow::Result;
use card_spec::values::CardNumber;
use clap::{Args, Subcommand, ValueEnum};

use super::Options;

#[derive(Subcommand)]
pub(crate) enum Block {
    /// Block a card for good; terminals know it after `block publish` and `terminal load`
    Add(Add),
    /// Sign the next block list: every blocked card, in full
    Publish(Publish),
}

#[derive(Args)]
#[command(after_help = "\
Example:
  ansinh block add 7900000000000014 --reason lost
  ansinh block publish")]
pub(crate) struct Add {
    /// Card number, 16 digits
    card: CardNumber,
    /// Why
    #[arg(long, value_enum)]
    reason: Reason,
}

#[derive(Args)]
#[command(after_help = "\
A terminal whose block list is older than 35 days does not pay: publish at least once a month, also without news.

Example:
  ansinh block publish
  ansinh terminal load --port /dev/ttyUSB0")]
pub(crate) struct Publish {}

/// Reasons that an operator can give (DATA 4); the others follow from issuance.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Reason {
    /// Lost
    Lost,
    /// Stolen
    Stolen,
    /// The holder died: no other card is made, also if this one was lost before
    Deceased,
    /// The entitlement ended: no other card is made, also if this one was lost before
    Ended,
}

impl From<Reason> for block::Reason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Lost => Self::Lost,
            Reason::Stolen => Self::Stolen,
            Reason::Deceased => Self::Deceased,
            Reason::Ended => Self::Ended,
        }
    }
}

impl Block {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        match self {
            Self::Add(add) => add.run(options),
            Self::Publish(Publish {}) => publish(options),
        }
    }
}

impl Add {
    fn run(&self, options: &Options) -> Result<()> {
        let blocked = options.call(block::Add {
            card: self.card.to_string(),
            reason: self.reason.into(),
        })?;
        if options.json {
            println!("{}", serde_json::to_string(&blocked)?);
        } else {
            println!("Đã khóa thẻ {0} / Card {0} blocked", blocked.card);
            println!("Hãy phát hành danh sách khóa / Publish it now: ansinh block publish");
        }
        Ok(())
    }
}

fn publish(options: &Options) -> Result<()> {
    let list = options.call(block::Publish {})?;
    if options.json {
        println!("{}", serde_json::to_string(&list)?);
    } else {
        println!(
            "Đã phát hành danh sách khóa số {0}: {1} thẻ / Block list {0} published: {1} cards",
            list.number, list.cards
        );
        println!("Hãy nạp vào mọi thiết bị / Load it into every terminal: ansinh terminal load --port …");
    }
    Ok(())
}
