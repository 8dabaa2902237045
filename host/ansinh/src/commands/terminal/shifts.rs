//! `ansinh terminal shifts`: what each shift has paid, handed over and counted.

use ansinh_payout::{CashCount, Shift, Sum, shifts};
use anyhow::Result;
use card_spec::values::TerminalName;
use clap::Args;
use jiff::civil;
use serde_json::{Value, json};

use super::Options;

#[derive(Args)]
#[command(after_help = "\
As far as the terminal's journal is in the ledger: `ansinh terminal sync` brings the rest. Cash is what the clerk recorded as received and
counted at the terminal; over and short are the difference between the count and what should have been there.

Example:
  ansinh terminal shifts VNT0000001 --day 2026-11-22 --json")]
pub(crate) struct Shifts {
    /// Name of the terminal
    terminal: TerminalName,
    /// Only shifts that were opened on this day
    #[arg(long, value_name = "YYYY-MM-DD")]
    day: Option<civil::Date>,
}

impl Shifts {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let store = options.home().open_store()?;
        let mut found = shifts(&store, self.terminal.as_str())?;
        if let Some(day) = self.day {
            found.retain(|shift| opened_on(shift, day));
        }
        if options.json {
            println!("{}", found.iter().map(to_json).collect::<Value>());
            return Ok(());
        }
        if found.is_empty() {
            println!("Không có ca nào / No shift is in the ledger");
        }
        found.iter().for_each(print);
        Ok(())
    }
}

fn opened_on(shift: &Shift, day: civil::Date) -> bool {
    let opened = shift.opened.date().map(|date| date.to_string());
    opened == Some(day.to_string())
}

fn to_json(shift: &Shift) -> Value {
    let sum = |sum: Sum| json!({ "number": sum.number, "vnd": sum.vnd });
    let counts = shift.counts.iter().map(|count| {
        json!({
            "time": count.time.to_string(),
            "expected_vnd": count.expected_vnd,
            "counted_vnd": count.counted_vnd,
        })
    });
    json!({
        "entry": shift.entry,
        "opened": shift.opened.date().map(|_| shift.opened.to_string()),
        "operator": shift.operator,
        "closed": shift.closed,
        "paid": sum(shift.paid),
        "by_hand": sum(shift.by_hand),
        "handed_over": sum(shift.handed),
        "not_handed_over": sum(shift.not_handed),
        "reversed": sum(shift.reversed),
        "refused": shift.refused,
        "cash_received_vnd": shift.received_vnd,
        "cash_counts": counts.collect::<Value>(),
    })
}

fn print(shift: &Shift) {
    let opened = match shift.opened.date() {
        Some(_) => shift.opened.to_string(),
        None => "chưa có giờ / clock unset".to_owned(),
    };
    let closed = if shift.closed {
        ""
    } else {
        " (chưa kết / not closed)"
    };
    println!("{opened}  {}{closed}", shift.operator);
    print_sum("thẻ đã trả / paid by cards", shift.paid);
    if shift.by_hand.number > 0 {
        print_sum("chi tay / paid by hand", shift.by_hand);
    }
    print_sum("đã giao / handed over", shift.handed);
    if shift.not_handed.number > 0 {
        print_sum("chưa giao / not handed over", shift.not_handed);
    }
    if shift.reversed.number > 0 {
        print_sum("thẻ đã hủy / undone by cards", shift.reversed);
    }
    println!("  {:<28} {:>7}", "từ chối / refused", shift.refused);
    if shift.received_vnd > 0 {
        println!(
            "  {:<28} {:>24} VND",
            "tiền nhận / cash received", shift.received_vnd
        );
    }
    shift.counts.iter().for_each(print_count);
}

fn print_sum(text: &str, sum: Sum) {
    println!("  {text:<28} {:>7} {:>16} VND", sum.number, sum.vnd);
}

fn print_count(count: &CashCount) {
    let CashCount {
        time,
        expected_vnd: expected,
        counted_vnd: counted,
    } = count;
    let difference = i128::from(*counted) - i128::from(*expected);
    let verdict = match difference {
        0 => "đủ / correct",
        1.. => "thừa / over",
        _ => "thiếu / short",
    };
    println!(
        "  {time} đếm được / counted {counted} VND, phải có / should be {expected}: {difference:+} {verdict}"
    );
}
