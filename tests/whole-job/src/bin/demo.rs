//! The demonstration: the whole job on a synthetic list of 20 people. Start it by `tools/demo`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use serde_json::Value;
use whole_job::issuing::{self, Issued};
use whole_job::pay_point::{PayPoint, screen};
use whole_job::programs::program;
use whole_job::readers;
use whole_job::scene::period;
use whole_job::station::{Station, pin_of};
use whole_job::summary::{FlippedByte, Summary, Witnesses, vnd};
use whole_job::witnesses;

const PEOPLE: usize = 20;
/// Blank cards in the delivery: some are left over.
const BLANKS: usize = 24;
const PROVINCE: &str = "79";
const PAY_POINT: &str = "BD-26734";

/// Issue 20 cards on 4 readers, pay a month at a terminal in QEMU, audit. Start it by `tools/demo`, which provides the readers.
#[derive(Parser)]
struct Arguments {
    /// Where the artefacts go: a new or empty folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the summary as JSON on standard output
    #[arg(long)]
    json: bool,
    /// The terminal's firmware image (ELF)
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let begun = Instant::now();
    let out = artefact_folder(arguments.out.as_deref())?;
    // The station with its sealed keys is nobody's artefact.
    let work = tempfile::tempdir()?;
    let mut summary = Summary {
        period: period(),
        people: PEOPLE,
        ..Summary::default()
    };

    say("A station is set up; an approved list comes in.");
    let station = Station::set_up(work.path().join("station"), PROVINCE)?;
    import(&station, work.path(), &summary.period)?;

    say("Cards are issued on four readers at once.");
    let cards = issue(&station, work.path(), &mut summary)?;

    say("A terminal gets its keys, its list, the block list and the time.");
    let mut pay_point = PayPoint::open(
        &arguments.image,
        &work.path().join("terminal.flash"),
        &cards[0].memory,
    )?;
    let blocked = prepare(&station, &mut pay_point, &cards, &summary.period)?;

    say("Pay day.");
    pay_day(&station, &mut pay_point, &cards, &blocked, &mut summary)?;

    say("The terminal's journal goes to the host; the artefacts go to the auditor.");
    synchronise(&station, &pay_point, &mut summary)?;
    pay_point.cut_power()?;
    station.run(&["export", "--out", &out.to_string_lossy()])?;
    audit(&out, &mut summary)?;
    count(&out, &mut summary)?;
    flip_a_byte(&out, work.path(), &mut summary)?;

    summary.seconds = begun.elapsed().as_secs();
    let json = serde_json::to_string_pretty(&summary)?;
    fs::write(out.join("summary.json"), format!("{json}\n"))?;
    if arguments.json {
        println!("{json}");
    } else {
        println!("\n{summary}");
    }
    eprintln!("\nArtefacts: {}", out.display());
    Ok(())
}

fn say(text: &str) {
    eprintln!("\n— {text}");
}

fn artefact_folder(given: Option<&Path>) -> Result<PathBuf> {
    let Some(folder) = given else {
        return Ok(tempfile::Builder::new().prefix("ansinh-demo-").tempdir()?.keep());
    };
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    ensure!(
        fs::read_dir(folder)?.next().is_none(),
        "{} is not empty: choose a new folder",
        folder.display()
    );
    Ok(folder.canonicalize()?)
}

/// A bad file is refused whole; the good one is imported, and the same one again changes nothing.
fn import(station: &Station, work: &Path, period: &str) -> Result<()> {
    let people = PEOPLE.to_string();
    let output = Command::new(program("beneficiary-list")?)
        .args(["--people", &people, "--seed", "1", "--period", period])
        .output()?;
    ensure!(
        output.status.success(),
        "beneficiary-list: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let good = work.join("list.csv");
    fs::write(&good, &output.stdout)?;

    // A month that does not exist, in every line that has this month.
    let text = String::from_utf8(output.stdout)?;
    let bad = work.join("bad.csv");
    fs::write(&bad, text.replace(period, "202613"))?;
    let said = station.refused(&["import", &bad.to_string_lossy()])?;
    eprintln!(
        "  A list with a month 13 is refused: {} lines of errors, nothing imported.",
        said.lines().count()
    );
    station.run(&["import", "--accept-warnings", &good.to_string_lossy()])?;
    station.run(&["import", "--accept-warnings", &good.to_string_lossy()])?;
    station.approve_everybody()?;
    let persons = station.ledger("SELECT count(*) AS n FROM person")?;
    ensure!(persons[0]["n"] == PEOPLE, "{persons:?} persons in the ledger");
    eprintln!("  The right one is imported; importing it again changes nothing: {PEOPLE} people.");
    Ok(())
}

fn issue(station: &Station, work: &Path, summary: &mut Summary) -> Result<Vec<Issued>> {
    let blanks = issuing::deliver(station, work, BLANKS)?;
    let readers = readers::provided()?;
    let begun = Instant::now();
    let cards = issuing::issue_all(station, &readers, blanks)?;
    ensure!(cards.len() == PEOPLE, "{} cards issued", cards.len());
    summary.cards_issued = cards.len();
    summary.readers = readers.len();
    let (apdus, bytes) = (cards[0].apdus, cards[0].bytes);
    eprintln!(
        "  {} cards on {} readers in {:.1} s, insertions included; {apdus} APDUs and {bytes} bytes for the first.",
        cards.len(),
        readers.len(),
        begun.elapsed().as_secs_f64()
    );
    Ok(cards)
}

/// Provisions and loads the terminal; one card is lost after the list was made. Returns its number.
fn prepare(station: &Station, pay_point: &mut PayPoint, cards: &[Issued], period: &str) -> Result<String> {
    pay_point.switch_on()?;
    let port = pay_point.port().to_string_lossy().into_owned();
    let provisioned = station.json(&["terminal", "provision", "--port", &port])?;
    let terminal = provisioned["terminal"]
        .as_str()
        .context("no terminal name")?
        .to_owned();
    let list = station.json(&[
        "list",
        "make",
        "--period",
        period,
        "--terminal",
        &terminal,
        "--pay-point",
        PAY_POINT,
    ])?;
    let due = due_by_card(station)?;
    // Somebody with one line and no representative, who is not needed for another scene.
    let lost = cards
        .iter()
        .rev()
        .find(|card| due.get(&card.number) == Some(&1))
        .context("nobody to lose a card")?;
    station.run(&["block", "add", &lost.number, "--reason", "lost"])?;
    station.run(&["block", "publish"])?;
    station.run(&["terminal", "load", "--port", &port])?;
    eprintln!(
        "  {terminal}: {} lines, {} VND; card {} was reported lost after the list was made.",
        list["lines"],
        vnd(list["total_vnd"].as_u64().unwrap_or_default()),
        lost.number
    );
    Ok(lost.number.clone())
}

/// Lines on payment lists by card.
fn due_by_card(station: &Station) -> Result<BTreeMap<String, u64>> {
    let rows = station.ledger("SELECT card, count(*) AS lines FROM list_line GROUP BY card")?;
    let entry = |row: &Value| Some((row["card"].as_str()?.to_owned(), row["lines"].as_u64()?));
    rows.iter().map(|row| entry(row).context("ledger row")).collect()
}

fn pay_day(
    station: &Station,
    pay_point: &mut PayPoint,
    cards: &[Issued],
    blocked: &str,
    summary: &mut Summary,
) -> Result<()> {
    pay_point.open_shift("Lan")?;
    let due = due_by_card(station)?;
    let (lost, mut holders): (Vec<_>, Vec<_>) = cards.iter().partition(|card| card.number == blocked);
    // The power fails for the one with the most lines: the rest of them is paid afterwards.
    holders.sort_by_key(|card| (std::cmp::Reverse(due.get(&card.number)), &card.number));
    let [lost] = lost[..] else {
        bail!("the blocked card is not there")
    };
    let [unlucky, first, careless, others @ ..] = &holders[..] else {
        bail!("too few cards")
    };

    pay_point.pay(first)?;
    eprintln!("  {}: paid.", first.number);
    eprintln!("  {}: comes again — {}", first.number, pay_point.refused(first)?);
    eprintln!("  {}: reported lost — {}", lost.number, pay_point.refused(lost)?);

    pay_point.identify(careless, wrong_pin(pin_of(&careless.number)))?;
    pay_point.tap(careless)?;
    eprintln!("  {}: {}", careless.number, pay_point.reason()?);
    pay_point.wait_for(screen::PIN)?;
    pay_point.lift();
    pay_point.press(&format!("{}\r", pin_of(&careless.number)))?;
    pay_point.wait_for(screen::TAP_AGAIN)?;
    pay_point.tap(careless)?;
    pay_point.wait_for(screen::HAND_OVER)?;
    pay_point.hand_over()?;
    eprintln!("  {}: the right PIN, paid.", careless.number);

    pay_point.pay_and_lose_power(unlucky)?;
    eprintln!(
        "  {}: the power fails between the card's receipt and the journal.",
        unlucky.number
    );
    pay_point.switch_on()?;
    pay_point.wait_for(screen::UNSETTLED)?;
    pay_point.tap(unlucky)?;
    pay_point.wait_for(screen::PAID)?;
    pay_point.wait_for(screen::HAND_OVER)?;
    pay_point.lift();
    pay_point.press("\r")?;
    summary.settled_after_power_cut += 1;
    eprintln!(
        "  {}: the same card settles it: that line is paid, once.",
        unlucky.number
    );

    // After a power cut the terminal does not know the time, and pays nobody until the host has told it.
    pay_point.open_shift("Lan")?;
    let next = others.first().context("nobody left")?;
    eprintln!("  {}: not yet — {}", next.number, pay_point.refused(next)?);
    station.run(&["terminal", "load", "--port", &pay_point.port().to_string_lossy()])?;
    eprintln!("  The host sets the clock.");
    pay_point.pay(unlucky)?;
    eprintln!("  {}: gets the lines that were not begun.", unlucky.number);
    for card in others {
        pay_point.pay(card)?;
    }
    eprintln!("  {} more: paid.", others.len());
    Ok(())
}

fn wrong_pin(right: &str) -> &'static str {
    if right == "000000" { "000001" } else { "000000" }
}

fn synchronise(station: &Station, pay_point: &PayPoint, summary: &mut Summary) -> Result<()> {
    let port = pay_point.port().to_string_lossy().into_owned();
    let report = station.json(&["terminal", "sync", "--port", &port])?;
    summary.journal_entries = report["acknowledged"]
        .as_u64()
        .context("nothing was acknowledged")? as usize;
    ensure!(
        report["paid_twice"].as_array().is_none_or(Vec::is_empty),
        "paid twice: {report}"
    );
    eprintln!(
        "  {} entries are in the ledger and acknowledged.",
        summary.journal_entries
    );
    Ok(())
}

/// Runs the audit and keeps its report; the exit code has to agree with it.
fn audit(out: &Path, summary: &mut Summary) -> Result<()> {
    let (clean, report) = run_audit(out)?;
    fs::write(out.join("audit.json"), &report)?;
    let parsed: Value = serde_json::from_str(&report)?;
    summary.audit_findings = findings(&parsed)?.len();
    summary.refused = serde_json::from_value(parsed["totals"]["refused"].clone())?;
    ensure!(
        clean == (summary.audit_findings == 0),
        "the audit's exit code and report disagree"
    );
    ensure!(clean, "the audit has findings: {report}");
    let [cards, receipts, certificates] = witnesses::check_artefacts(out)?;
    summary.witnesses = Witnesses {
        cards,
        receipts,
        certificates,
    };
    Ok(())
}

fn run_audit(folder: &Path) -> Result<(bool, String)> {
    let output = Command::new(program("ansinh-audit")?)
        .arg("verify")
        .arg(folder)
        .arg("--root")
        .arg(folder.join("root.pem"))
        .arg("--json")
        .output()?;
    let code = output.status.code();
    ensure!(
        matches!(code, Some(0 | 1)),
        "ansinh-audit: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((code == Some(0), String::from_utf8(output.stdout)?))
}

fn findings(report: &Value) -> Result<&Vec<Value>> {
    report["findings"]
        .as_array()
        .context("the audit's report lists no findings")
}

/// What was paid and refused, from the ledger's copy among the artefacts.
fn count(out: &Path, summary: &mut Summary) -> Result<()> {
    let ledger = out.join("store.sqlite");
    let paid = "SELECT programme, count(*) AS lines, sum(amount) AS vnd FROM payment GROUP BY programme";
    for row in witnesses::sqlite(&ledger, paid)? {
        let vnd = row["vnd"].as_u64().context("sum")?;
        summary.lines_paid += row["lines"].as_u64().context("count")? as usize;
        summary.total_vnd += vnd;
        summary
            .vnd_by_programme
            .insert(row["programme"].as_str().context("programme")?.to_owned(), vnd);
    }
    let cards = witnesses::sqlite(&ledger, "SELECT count(DISTINCT card) AS n FROM payment")?;
    summary.cards_paid = cards[0]["n"].as_u64().context("count")? as usize;
    Ok(())
}

/// Flips one byte in the middle of a copy of the journal and lets the audit find it.
fn flip_a_byte(out: &Path, work: &Path, summary: &mut Summary) -> Result<()> {
    let copy = work.join("copy");
    let copied = Command::new("cp").arg("-r").arg(out).arg(&copy).status()?;
    ensure!(copied.success(), "cp: {copied}");
    let journal = fs::read_dir(copy.join("journals"))?
        .next()
        .context("no journal")??
        .path();
    let mut bytes = fs::read(&journal)?;
    let offset = bytes.len() / 2;
    bytes[offset] ^= 0x01;
    fs::File::create(&journal)?.write_all(&bytes)?;
    let (clean, report) = run_audit(&copy)?;
    let report: Value = serde_json::from_str(&report)?;
    let findings = findings(&report)?;
    ensure!(
        !clean && !findings.is_empty(),
        "the audit did not find a flipped byte"
    );
    let first = &findings[0];
    summary.flipped_byte = FlippedByte {
        file: journal.strip_prefix(&copy)?.display().to_string(),
        offset,
        findings: findings.len(),
        first_finding: format!(
            "entry {}: {}",
            first["sequence"],
            first["text"].as_str().unwrap_or_default()
        ),
    };
    Ok(())
}
