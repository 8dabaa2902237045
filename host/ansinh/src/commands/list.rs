//! `ansinh list`: payment lists for terminals.

use ansinh_console::calls::lists::{self, ListState, MadeList};
use ansinh_reference::today;
use anyhow::Result;
use card_spec::values::{Period, TerminalName};
use clap::{Args, Subcommand};
use jiff::{ToSpan as _, civil};

use super::Options;

/// Days of payment unless told otherwise; a terminal's certificates do not last longer.
const DAYS: i64 = 30;

#[derive(Subcommand)]
pub(crate) enum List {
    /// Make and sign the next payment list of a terminal
    Make(Make),
    /// Show payment lists, and which are in force
    Show(Show),
}

#[derive(Args)]
#[command(after_help = "\
Which lists are in force is known from the terminal's journal: synchronise it first.

Examples:
  ansinh list show
  ansinh list show --terminal VNT0000001")]
pub(crate) struct Show {
    /// Only those of this terminal
    #[arg(long, value_name = "NAME")]
    terminal: Option<TerminalName>,
}

#[derive(Args)]
#[command(after_help = "\
The list holds the unpaid lines up to the period whose person has an active card, unless a list of another terminal or for an
earlier card of the person has it: that one may have been paid by a terminal that was not synchronised yet. In this version such
a line stays on the terminal and card it was listed for. A list holds 4,000 lines; how many are left out is told, and the list of
another terminal takes them. Synchronise the terminal first, so that what it has paid is not listed again.

--by-hand-up-to lets two operators of the terminal pay one line by hand, up to this sum, to a holder whose card lies there and fails: right
where the way to a replacement is long. Without it nothing is paid by hand. No card proves such a payment: keep the sum low, about one month of
most holders. The terminal needs a list of operators, and lines that a lost terminal may have paid are not listed so.

The new list takes over the unpaid lines of the terminal's lists, and those end: this is right for the list of a month, and when in
doubt. With --beside they stay in force with their lines and days, and the new list holds what is due besides: for a one-off or disaster
list in the middle of a month, or for more than 4,000 lines. A terminal holds four lists; one whose last day has passed is
not kept. `terminal load` brings a terminal whatever it lacks.

Examples:
  ansinh list make --period 202611 --terminal VNT0000001 --pay-point BD-26734
  ansinh list make --period 202611 --terminal VNT0000001 --pay-point BD-26734 --only-this-pay-point
  ansinh list make --period 202611 --terminal VNT0000001 --pay-point BD-26734 --beside
  ansinh list make --period 202611 --terminal VNT0000001 --pay-point BD-26734 --by-hand-up-to 600000
  ansinh terminal load --port /dev/ttyUSB0")]
pub(crate) struct Make {
    /// The newest month that is paid; unpaid lines of months before go along
    #[arg(long, value_name = "YYYYMM", value_parser = period)]
    period: String,
    /// The terminal that may pay the list
    #[arg(long, value_name = "NAME")]
    terminal: TerminalName,
    /// Where it is paid: 1 to 12 letters, digits or dashes
    #[arg(long, value_name = "CODE", value_parser = pay_point)]
    pay_point: String,
    /// Leave out persons whose pay point (ma_diem_chi_tra) is known to be another one
    #[arg(long)]
    only_this_pay_point: bool,
    /// Leave the terminal's lists in force beside it, instead of taking over their unpaid lines
    #[arg(long)]
    beside: bool,
    /// Let two operators pay one line by hand up to this sum, to the holder of a card that fails; default: nothing
    #[arg(long, value_name = "VND", value_parser = clap::value_parser!(u64).range(1..=999_999_999_999))]
    by_hand_up_to: Option<u64>,
    /// First day of payment; default: today
    #[arg(long, value_name = "YYYY-MM-DD")]
    valid_from: Option<civil::Date>,
    /// Last day of payment; default: 30 days after the first
    #[arg(long, value_name = "YYYY-MM-DD")]
    valid_to: Option<civil::Date>,
}

impl List {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        match self {
            Self::Make(make) => make.run(options),
            Self::Show(show) => show.run(options),
        }
    }
}

impl Show {
    fn run(&self, options: &Options) -> Result<()> {
        let terminal = self.terminal.as_ref().map(ToString::to_string);
        let lists = options.call(lists::Show { terminal })?;
        if options.json {
            println!("{}", serde_json::to_string(&lists)?);
            return Ok(());
        }
        if lists.is_empty() {
            println!("Chưa có danh sách chi trả / No payment list yet: ansinh list make …");
        }
        for list in &lists {
            println!(
                "{} {}, {} – {}: {} dòng / lines, {} VND, {}",
                list.terminal,
                list.list,
                list.valid_from,
                list.valid_to,
                list.lines,
                list.total_vnd,
                state(list.state)
            );
        }
        Ok(())
    }
}

fn state(state: ListState) -> &'static str {
    match state {
        ListState::Made => "chưa nạp / not loaded yet",
        ListState::InForce => "đang dùng / in force",
        ListState::Ended => "hết hiệu lực / ended",
    }
}

impl Make {
    fn run(&self, options: &Options) -> Result<()> {
        report(options, &options.call(self.call()?)?)
    }

    fn call(&self) -> Result<lists::Make> {
        let first = self.valid_from.unwrap_or_else(today);
        let last = match self.valid_to {
            Some(last) => last,
            None => first.checked_add(DAYS.days())?,
        };
        let text = |day: civil::Date| day.strftime("%Y%m%d").to_string();
        Ok(lists::Make {
            terminal: self.terminal.to_string(),
            pay_point: self.pay_point.clone(),
            period: self.period.clone(),
            valid_from: text(first),
            valid_to: text(last),
            only_this_pay_point: self.only_this_pay_point,
            beside: self.beside,
            by_hand_up_to: self.by_hand_up_to,
        })
    }
}

fn period(text: &str) -> Result<String, String> {
    let month = (text.len() == 6).then(|| text.split_at_checked(4)).flatten();
    month
        .and_then(|(year, month)| Period::new(year.parse().ok()?, month.parse().ok()?))
        .map(|_| text.to_owned())
        .ok_or_else(|| "a month is 4 digits of the year and 2 of the month, as in 202611".to_owned())
}

/// It becomes part of a file name.
fn pay_point(text: &str) -> Result<String, String> {
    let good = (1..=12).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    good.then(|| text.to_owned())
        .ok_or_else(|| "a pay point is 1 to 12 letters, digits or dashes".to_owned())
}

fn report(options: &Options, made: &MadeList) -> Result<()> {
    if options.json {
        println!("{}", serde_json::to_string(made)?);
        return Ok(());
    }
    println!(
        "Đã lập danh sách chi trả {0} / Payment list {0} made: {1} dòng / lines, {2} VND, {3}",
        made.list, made.lines, made.total_vnd, made.terminal
    );
    if !made.keeps.is_empty() {
        let kept = made.keeps.iter().map(u32::to_string).collect::<Vec<_>>();
        println!(
            "Dùng cùng danh sách số {0} / Lists number {0} stay in force beside it",
            kept.join(", ")
        );
    }
    if made.left_out > 0 {
        println!(
            "Còn {0} dòng chưa vào danh sách nào / {0} lines did not fit: make a list for another terminal, or one more for this with --beside",
            made.left_out
        );
    }
    if made.of_earlier_cards > 0 {
        println!(
            "Còn {0} dòng thuộc danh sách của thẻ trước / {0} lines of replaced cards are on no list: a list named them for the card before",
            made.of_earlier_cards
        );
    }
    println!("Hãy nạp vào thiết bị / Load it now: ansinh terminal load --port …");
    Ok(())
}
