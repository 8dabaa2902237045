//! The hands at an issuance station: blank cards go into readers one after the other while `ansinh issue` runs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use virtual_card::{Control, Holder, ReferenceCard, blank, vpcd};

use crate::station::Station;

/// A card that was issued.
#[derive(Debug, Clone)]
pub struct Issued {
    /// Its number.
    pub number: String,
    /// The file that is its memory.
    pub memory: PathBuf,
    /// APDUs of its personalization.
    pub apdus: u64,
    /// Bytes of its personalization, both ways.
    pub bytes: u64,
    /// Milliseconds from the card's presence to its confirmed activation.
    pub milliseconds: u64,
}

/// A line of `ansinh issue --json`.
#[derive(Debug, Deserialize)]
struct Line {
    outcome: String,
    card: Option<String>,
    reader: String,
    apdus: u64,
    bytes: u64,
    milliseconds: u64,
}

/// Makes a delivery of blank cards and registers it at the station; returns their memories.
///
/// # Errors
/// Of making or registering them.
pub fn deliver(station: &Station, folder: &Path, count: usize) -> Result<Vec<PathBuf>> {
    let delivery = folder.join("delivery.json");
    let cards = folder.join("blank-cards");
    blank::deliver("DEMO-1", &delivery, &cards, count)?;
    station.run(&["delivery", "add", &delivery.to_string_lossy()])?;
    let mut memories: Vec<PathBuf> = std::fs::read_dir(&cards)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    memories.sort();
    Ok(memories)
}

/// A reader and the hand that feeds it.
struct Place {
    hand: Control,
    holder: Holder<ReferenceCard>,
    memory: PathBuf,
}

/// Runs `ansinh issue` and exchanges the card in a reader whenever one is done, until nobody waits.
///
/// # Errors
/// The first card that could not be issued, or what `ansinh issue` said.
pub fn issue_all(station: &Station, readers: &[(String, u16)], blanks: Vec<PathBuf>) -> Result<Vec<Issued>> {
    let mut blanks = blanks.into_iter();
    let mut places = BTreeMap::new();
    for ((name, port), memory) in readers.iter().zip(blanks.by_ref().take(readers.len())) {
        places.insert(name.clone(), Place::open(*port, memory)?);
    }
    let names: Vec<&str> = readers.iter().map(|(name, _)| name.as_str()).collect();
    let mut issuing = station.issue_command(&names)?.stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(issuing.stdout.take().context("no output")?).lines();
    let issued = feed(lines, &mut places, &mut blanks);
    finish(issuing, &places, issued)
}

/// An `ansinh card` command with a card of ours in the first reader; returns what it reports.
///
/// # Errors
/// What the command said when it failed.
pub fn at_the_desk(
    station: &Station,
    readers: &[(String, u16)],
    card: &Issued,
    command: &str,
) -> Result<serde_json::Value> {
    let (name, port) = readers.first().context("no reader")?;
    let place = Place::open(*port, card.memory.clone())?;
    let report = station.json(&["card", command, &card.number, "--reader", name, "--wait", "30"]);
    place.hand.end();
    report
}

fn feed(
    lines: impl Iterator<Item = std::io::Result<String>>,
    places: &mut BTreeMap<String, Place>,
    blanks: &mut impl Iterator<Item = PathBuf>,
) -> Result<Vec<Issued>> {
    let mut issued = Vec::new();
    for line in lines {
        let line = line?;
        let Ok(done) = serde_json::from_str::<Line>(&line) else {
            continue;
        };
        let place = places
            .get_mut(&done.reader)
            .context("a reader that is not ours")?;
        match (done.outcome.as_str(), done.card) {
            ("issued", Some(number)) => issued.push(Issued {
                number,
                memory: place.memory.clone(),
                apdus: done.apdus,
                bytes: done.bytes,
                milliseconds: done.milliseconds,
            }),
            ("nobody-waiting", _) => continue,
            _ => bail!("a card was not issued: {line}"),
        }
        if let Some(next) = blanks.next() {
            place.exchange(next)?;
        }
    }
    Ok(issued)
}

fn finish(
    mut issuing: Child,
    places: &BTreeMap<String, Place>,
    issued: Result<Vec<Issued>>,
) -> Result<Vec<Issued>> {
    if issued.is_err() {
        // It may wait for cards that nobody brings any more.
        let _ = issuing.kill();
    }
    let status = issuing.wait()?;
    places.values().for_each(|place| place.hand.end());
    let issued = issued?;
    ensure!(status.success(), "ansinh issue: {status}");
    Ok(issued)
}

impl Place {
    fn open(port: u16, memory: PathBuf) -> Result<Self> {
        let hand = Control::default();
        let holder = Holder::new(ReferenceCard::open(&memory, hand.writes_fuse(), false)?);
        let (mut chip, control) = (holder.clone(), hand.clone());
        // Ends with `Control::end`; an error shows as a reader that stays empty.
        thread::spawn(move || vpcd::run(&mut chip, &format!("127.0.0.1:{port}"), &control));
        hand.insert();
        Ok(Self { hand, holder, memory })
    }

    fn exchange(&mut self, memory: PathBuf) -> Result<()> {
        self.hand.remove();
        self.holder
            .exchange(ReferenceCard::open(&memory, self.hand.writes_fuse(), false)?);
        self.memory = memory;
        self.hand.insert();
        Ok(())
    }
}
