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
    /// Sign the next block list: what changed since the one before, or every blocked card
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
Publish once a day, also without news: a terminal whose block list is older than 35 days does not pay. What changed since the list
before is published alone where that is shorter; every 28 days, under another issuer's key and with --full all cards are. Either way
`terminal load` brings a terminal to the newest list by the shortest way from the one that it holds.

Example:
  ansinh block publish
  ansinh block publish --full
  ansinh terminal load --port /dev/ttyUSB0")]
pub(crate) struct Publish {
    /// Publish every blocked card, however few changes there are
    #[arg(long)]
    full: bool,
}

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
            Self::Publish(publish) => publish.run(options),
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

impl Publish {
    fn run(&self, options: &Options) -> Result<()> {
        let list = options.call(block::Publish { full: self.full })?;
        if options.json {
            println!("{}", serde_json::to_string(&list)?);
            return Ok(());
        }
        let (form, form_in_english) = match list.full {
            true => ("đầy đủ", "in full"),
            false => ("phần thay đổi", "as what changed"),
        };
        println!(
            "Đã phát hành danh sách khóa số {0} ({form}): {1} thẻ / Block list {0} published {form_in_english}: {1} cards",
            list.number, list.cards
        );
        println!("Hãy nạp vào mọi thiết bị / Load it into every terminal: ansinh terminal load --port …");
        Ok(())
    }
}
