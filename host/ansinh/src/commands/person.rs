//! `ansinh person`: numbers by which people are known, and deaths.

use std::path::PathBuf;

use ansinh_console::calls::{life, persons};
use ansinh_import::check_deaths;
use ansinh_reference::today;
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Options, Refused, read_input};

#[derive(Subcommand)]
pub(crate) enum Person {
    /// Take in a list of deaths: the cards of the dead are blocked, and none is made for them
    Deaths(Deaths),
    /// Find somebody's cards; that you looked is written down
    Cards(Cards),
    /// Change a personal identification number; entitlements, payments and card stay
    Renumber(Renumber),
    /// Merge two records of one person, when nothing hangs on the second
    Merge(Merge),
    /// Give a person another social security number
    Number(Number),
    /// Set how social security numbers are made; numbers given stay
    Scheme(Scheme),
}

#[derive(Args)]
#[command(after_help = "\
The file is CSV in UTF-8, separated by ; or , with the columns so_dinh_danh and ngay_mat (yyyymmdd); others are ignored. With one
error nothing is recorded (exit code 65). The same list again changes nothing. Publish the block list afterwards.

Example:
  ansinh person deaths khai-tu-11-2026.csv
  ansinh block publish")]
pub(crate) struct Deaths {
    /// The list
    file: PathBuf,
    /// Check the file and record nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
#[command(after_help = "\
Who looked for whom is in the operations log, with the person's reference.

Example:
  ansinh person cards 079140000001")]
pub(crate) struct Cards {
    /// Personal identification number or social security number, the present one or one before
    number: String,
}

#[derive(Args)]
pub(crate) struct Renumber {
    /// The number before, 12 digits
    old: String,
    /// The number from now on, 12 digits
    new: String,
}

#[derive(Args)]
pub(crate) struct Merge {
    /// Number of the record that stays
    kept: String,
    /// Number of the other one; it stands for the first from here on
    duplicate: String,
}

#[derive(Args)]
pub(crate) struct Number {
    /// Personal identification number of the person
    personal_id: String,
    /// The new social security number, 1 to 15 letters or digits
    number: String,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  ansinh person scheme                 the personal identification number is the social security number
  ansinh person scheme --prefix AS     AS, 9 digits and a check digit (ISO/IEC 7064, MOD 11-10)")]
pub(crate) struct Scheme {
    /// Prefix of serial numbers, 1 to 5 capital letters or digits
    #[arg(long)]
    prefix: Option<String>,
}

impl Person {
    pub(crate) fn run(self, options: &Options) -> Result<()> {
        match self {
            Self::Deaths(deaths) => deaths.run(options),
            Self::Cards(Cards { number }) => show_cards(options, number),
            Self::Renumber(Renumber { old, new }) => {
                done(options, &options.call(persons::Renumber { old, new })?)
            }
            Self::Merge(Merge { kept, duplicate }) => {
                done(options, &options.call(persons::Merge { kept, duplicate })?)
            }
            Self::Number(Number { personal_id, number }) => done(
                options,
                &options.call(persons::ChangeNumber { personal_id, number })?,
            ),
            Self::Scheme(Scheme { prefix }) => done(options, &options.call(persons::SetScheme { prefix })?),
        }
    }
}

impl Deaths {
    fn run(self, options: &Options) -> Result<()> {
        let deaths = match check_deaths(&read_input(&self.file)?, today()) {
            Ok(deaths) => deaths,
            Err(errors) => {
                for error in &errors {
                    if options.json {
                        println!("{}", serde_json::to_string(error)?);
                    } else {
                        println!(
                            "LỖI / ERROR: dòng/line {}, {} {:?}: {}",
                            error.line, error.column, error.value, error.rule
                        );
                    }
                }
                return Err(Refused(format!(
                    "danh sách có {0} lỗi, chưa ghi gì / the list has {0} error(s); nothing was recorded",
                    errors.len()
                ))
                .into());
            }
        };
        if self.dry_run {
            if options.json {
                println!("{}", json!({ "lines": deaths.len(), "recorded": 0 }));
            } else {
                println!(
                    "{0} dòng hợp lệ, chưa ghi gì / {0} good lines; nothing was recorded (--dry-run)",
                    deaths.len()
                );
            }
            return Ok(());
        }
        let deaths = deaths.into_iter().map(|death| life::Deceased {
            personal_id: death.personal_id,
            died_on: death.died_on,
        });
        let done = options.call(life::RecordDeaths {
            deaths: deaths.collect(),
        })?;
        if options.json {
            println!("{}", serde_json::to_string(&done)?);
            return Ok(());
        }
        println!("Ghi mới / recorded now      {}", done.recorded);
        println!("Đã biết / known before      {}", done.known);
        println!("Không có ở đây / strangers  {}", done.strangers);
        for card in done.blocked {
            println!("Đã khóa thẻ {card} / Card {card} blocked");
        }
        for card in done.given_up {
            println!("Đã bỏ thẻ đang làm {card} / Unfinished card {card} given up");
        }
        println!("Hãy phát hành danh sách khóa / Publish the block list: ansinh block publish");
        Ok(())
    }
}

fn show_cards(options: &Options, number: String) -> Result<()> {
    let found = options.call(persons::Cards { number })?;
    if options.json {
        println!("{}", serde_json::to_string(&found)?);
        return Ok(());
    }
    println!("Người hưởng / person {}", found.person);
    if found.cards.is_empty() {
        println!("  chưa có thẻ / no card yet");
    }
    for card in found.cards {
        println!(
            "  {}  v{}  {}  chip {}",
            card.card, card.version, card.state, card.chip
        );
    }
    Ok(())
}

fn done(options: &Options, changed: &persons::Changed) -> Result<()> {
    if options.json {
        println!("{}", serde_json::to_string(changed)?);
    } else {
        println!("Đã thay đổi / Changed");
    }
    Ok(())
}
