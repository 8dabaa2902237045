//! Figures of issuance for the README, all from one run: APDUs and bytes of one card; cards a second on 1, 4, 8 and 16 readers
//! beside the APDUs a second that the same readers pass raw, and who spent the processor's time; readers that wait for slow
//! cards; the time of ledger and signature.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that fails prints nothing"
)]

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use issuance_tests::bench::{Bench, Fault, Trace};
use issuance_tests::figures::{Floor, Measured};
use rig::{MAX_READERS, PcscRig, command_in_namespace};
use serde_json::{Value, json};

/// Set in the second start of this program, inside the namespace of the readers.
const INSIDE: &str = "ANSINH_FIGURES_INSIDE";
/// Numbers of readers at work at once.
const COUNTS: [usize; 4] = [1, 4, 8, 16];
/// What a slow card takes in all.
const SLOW_CARD: Duration = Duration::from_secs(2);
/// Slow cards on each reader.
const SLOW_ROUNDS: usize = 2;

/// Measures issuance from card present to activation confirmed, through the real pcscd.
#[derive(Parser)]
struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Instant cards issued in each measurement
    #[arg(long, default_value_t = 800)]
    cards: usize,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if env::var_os(INSIDE).is_none() {
        let status = command_in_namespace(env::current_exe().unwrap())
            .args(env::args_os().skip(1))
            .env(INSIDE, "1")
            .status();
        let status = status.expect("setpriv is missing: install Debian's util-linux");
        return ExitCode::from(u8::from(!status.success()));
    }
    let trace = one_card();
    let rig = PcscRig::start(MAX_READERS).unwrap();
    let slow = SLOW_ROUNDS * (MAX_READERS + 1);
    let mut floor = Floor::open(&rig, options.cards * COUNTS.len() + slow, trace.clone());
    let rows: Vec<(f64, Measured)> = COUNTS
        .iter()
        .map(|&count| {
            let raw = floor.raw_rate(count, Duration::from_secs(2));
            (raw, floor.issue(count, options.cards / count, Duration::ZERO))
        })
        .collect();
    let own_time = SLOW_CARD / u32::try_from(trace.commands.len()).unwrap();
    let slow = [1, MAX_READERS].map(|count| floor.issue(count, SLOW_ROUNDS, own_time));
    let (sign, verify) = floor.signing();
    let figures = json!({
        "card": card(&trace),
        "instant": rows.iter().map(|(raw, measured)| instant(*raw, measured, &trace)).collect::<Vec<_>>(),
        "slow": { "seconds_of_the_card": SLOW_CARD.as_secs_f64(), "one_reader": slow[0].rate(),
                  "sixteen_readers": slow[1].rate(), "share": slow[1].rate() / (16.0 * slow[0].rate()) },
        "signature": { "sign_ms": sign * 1e3, "verify_ms": verify * 1e3 },
    });
    if options.json {
        println!("{figures:#}");
    } else {
        print(&figures);
    }
    ExitCode::SUCCESS
}

/// A faultless issuance, without a reader.
fn one_card() -> Trace {
    let bench = Bench::new();
    bench.attempt(&mut bench.chip(0), Fault::None).1
}

fn card(trace: &Trace) -> Value {
    let sum = |part: fn(&(u8, usize, usize)) -> usize| trace.commands.iter().map(part).sum::<usize>();
    json!({
        "apdus": trace.commands.len(), "bytes_sent": sum(|(_, sent, _)| *sent),
        "bytes_received": sum(|(_, _, received)| *received), "ledger_steps": trace.ledger,
        "commands": trace.commands.iter().map(|(instruction, sent, received)| {
            json!({ "ins": format!("{instruction:02X}"), "sent": sent, "received": received })
        }).collect::<Vec<_>>(),
    })
}

fn instant(raw: f64, measured: &Measured, trace: &Trace) -> Value {
    let ceiling = raw / trace.commands.len() as f64;
    let microseconds = |seconds: f64| (seconds * 1e6 / measured.cards as f64).round();
    json!({
        "readers": measured.readers, "raw_apdus_per_second": raw.round(), "ceiling_cards_per_second": ceiling.round(),
        "cards": measured.cards, "cards_per_second": measured.rate().round(), "share": measured.rate() / ceiling,
        "median_ms": measured.median * 1e3, "card_ms": measured.card * 1e3, "ledger_ms": measured.ledger * 1e3,
        "processor_us_per_card": measured.spent.iter()
            .map(|(who, seconds)| ((*who).to_owned(), json!(microseconds(*seconds)))).collect::<serde_json::Map<_, _>>(),
    })
}

fn print(figures: &Value) {
    let card = &figures["card"];
    println!(
        "One card: {} APDUs, {} bytes to the card, {} from it, {} ledger steps",
        card["apdus"], card["bytes_sent"], card["bytes_received"], card["ledger_steps"]
    );
    for command in card["commands"].as_array().unwrap() {
        let instruction = command["ins"].as_str().unwrap();
        println!(
            "  INS {instruction}: {:>3} sent, {:>3} received",
            command["sent"], command["received"]
        );
    }
    println!("\nAn instant card:");
    println!(
        "| readers | raw APDUs/s | ceiling cards/s | cards/s | share | ms a card | card, pcscd | ledger |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let float = |value: &Value| value.as_f64().unwrap();
    for row in figures["instant"].as_array().unwrap() {
        println!(
            "| {} | {} | {} | {} | {:.0} % | {:.1} | {:.1} | {:.1} |",
            row["readers"],
            row["raw_apdus_per_second"],
            row["ceiling_cards_per_second"],
            row["cards_per_second"],
            float(&row["share"]) * 100.0,
            float(&row["median_ms"]),
            float(&row["card_ms"]),
            float(&row["ledger_ms"])
        );
    }
    println!("\nMicroseconds of processor time for a card:");
    for row in figures["instant"].as_array().unwrap() {
        let spent = row["processor_us_per_card"].as_object().unwrap();
        let spent: Vec<_> = spent.iter().map(|(who, time)| format!("{who} {time}")).collect();
        println!("  {:>2} reader(s): {}", row["readers"], spent.join(", "));
    }
    let slow = &figures["slow"];
    println!(
        "\nA card that takes {} s: {:.3} cards/s on 1 reader, {:.2} on 16: {:.1} % of 16 times one",
        slow["seconds_of_the_card"],
        float(&slow["one_reader"]),
        float(&slow["sixteen_readers"]),
        float(&slow["share"]) * 100.0
    );
    println!(
        "One signature of the issuer: {:.3} ms; one verification of it: {:.3} ms",
        float(&figures["signature"]["sign_ms"]),
        float(&figures["signature"]["verify_ms"])
    );
}
