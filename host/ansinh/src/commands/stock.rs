//! `ansinh stock`: where every blank card is.

use ansinh_console::calls::stock;
use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};

use super::Options;

#[derive(Subcommand)]
pub(crate) enum Stock {
    /// Show where the blanks of each delivery are
    Show,
    /// Take a blank out of the stock; its chip is never personalized
    WriteOff(WriteOff),
}

#[derive(Args)]
#[command(after_help = "\
An unfinished card is no blank: give it up instead (ansinh issue --give-up CARD).

Example:
  ansinh stock write-off 00112233445566778899 --reason spoilt")]
pub(crate) struct WriteOff {
    /// Serial number of the chip, 20 hexadecimal digits, as in the delivery's file
    chip: String,
    /// Why
    #[arg(long, value_enum)]
    reason: Reason,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Reason {
    /// Bent, scratched, does not answer
    Spoilt,
    /// Went back to its vendor
    Returned,
    /// In the delivery note, not in the box, or lost since
    Missing,
}

impl From<Reason> for stock::Reason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Spoilt => Self::Spoilt,
            Reason::Returned => Self::Returned,
            Reason::Missing => Self::Missing,
        }
    }
}

impl Stock {
    pub(crate) fn run(self, options: &Options) -> Result<()> {
        match self {
            Self::Show => show(options),
            Self::WriteOff(blank) => {
                let gone = options.call(stock::TakeOut {
                    chip: blank.chip,
                    reason: blank.reason.into(),
                })?;
                if options.json {
                    println!("{}", serde_json::to_string(&gone)?);
                } else {
                    println!("Đã loại khỏi kho / Taken out of the stock: {}", gone.chip);
                }
                Ok(())
            }
        }
    }
}

fn show(options: &Options) -> Result<()> {
    for stock in options.call(stock::Show {})? {
        if options.json {
            println!("{}", serde_json::to_string(&stock)?);
            continue;
        }
        println!(
            "Lô / Delivery {}: nhận / received {}",
            stock.delivery, stock.received
        );
        println!("  còn trắng / blank                {:>8}", stock.blank);
        println!("  đang làm / in work               {:>8}", stock.in_work);
        println!("  đã thành thẻ / issued            {:>8}", stock.issued);
        println!(
            "  hỏng khi làm / spoilt in issuing {:>8}",
            stock.spoilt_in_issuance
        );
        println!("  đã loại / written off            {:>8}", stock.written_off);
        if stock.unaccounted != 0 {
            println!(
                "  KHÔNG RÕ / UNACCOUNTED           {:>8}: sổ đã bị sửa từ bên ngoài / the ledger was changed from outside",
                stock.unaccounted
            );
        }
    }
    Ok(())
}
