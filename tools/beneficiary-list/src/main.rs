//! Writes a synthetic, seeded beneficiary list with the columns of the import file. No person in it exists.

use std::io::Write as _;
use std::process::ExitCode;

use beneficiary_list::{Template, generate};
use clap::Parser;

/// Writes a synthetic list of beneficiaries as CSV to standard output. The same options give the same bytes.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  beneficiary-list --people 20 --seed 1 --period 202611 > danh-sach-11-2026.csv"
)]
struct Cli {
    /// Number of persons; one of them has two lines
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    people: u32,
    /// Seed of the generator
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Month that is paid, yyyymm
    #[arg(long, default_value = "202611", value_parser = period)]
    period: String,
}

fn period(text: &str) -> Result<String, String> {
    let digits = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let month = text.get(4..).and_then(|month| month.parse::<u8>().ok());
    let good = digits && matches!(month, Some(1..=12)) && text >= "202507";
    if good {
        Ok(text.to_owned())
    } else {
        Err("a month yyyymm from 202507".to_owned())
    }
}

fn main() -> ExitCode {
    let Cli { people, seed, period } = Cli::parse();
    let list = generate(&Template { people, seed, period });
    match list.map(|list| std::io::stdout().write_all(&list)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) | Err(error) => {
            eprintln!("beneficiary-list: {error}");
            ExitCode::FAILURE
        }
    }
}
