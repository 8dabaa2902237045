//! `ansinh handover`: issued cards on their way to their holders, and the papers that go with them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ansinh_console::calls::handover;
use ansinh_forms::{HandoverRow, HandoverSheet, PrinterFile, PrinterRecord, handover_sheet};
use ansinh_keys::write_new;
use ansinh_reference::{CommuneLookup, Reference, today};
use ansinh_store::Store;
use ansinh_store::cards::Card;
use ansinh_store::people::Person;
use anyhow::{Context as _, Result, bail};
use card_spec::cso::CardSecurityObject;
use card_spec::signed::Signed;
use card_spec::values::CardNumber;
use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;

use super::Options;

#[derive(Subcommand)]
pub(crate) enum Handover {
    /// Record that cards were sent, handed over or came back
    Record(Record),
    /// List active cards that nobody has been given yet
    Waiting,
    /// Write the file for card printer and mailing house (CSV) of cards not handed over yet
    PrinterFile(Paper),
    /// Write a handover sheet (PDF) for the cards of a commune that are not handed over yet
    Sheet(Sheet),
}

#[derive(Args)]
#[command(after_help = "\
Issued is not handed over: a card lies at the station until this says otherwise. A card is handed over once.

Examples:
  ansinh handover record 7900000000000018 --event dispatched --place BD-26734
  ansinh handover record 7900000000000018 --event handed-to-holder")]
pub(crate) struct Record {
    /// Card numbers, 16 digits
    #[arg(required = true)]
    cards: Vec<CardNumber>,
    /// What happened
    #[arg(long, value_enum)]
    event: Event,
    /// Where they were sent: a pay point, or mail
    #[arg(long)]
    place: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Event {
    /// Left the station for a pay point or the mail
    Dispatched,
    /// The holder has it
    HandedToHolder,
    /// A representative of the holder has it
    HandedToRepresentative,
    /// Came back: nobody to take it
    Undelivered,
}

impl From<Event> for handover::Happened {
    fn from(event: Event) -> Self {
        match event {
            Event::Dispatched => Self::Dispatched,
            Event::HandedToHolder => Self::HandedToHolder,
            Event::HandedToRepresentative => Self::HandedToRepresentative,
            Event::Undelivered => Self::Undelivered,
        }
    }
}

#[derive(Args)]
#[command(after_help = "\
The file holds names: it goes to the printer and nobody else. It holds no PIN, no personal identification number, no programme.")]
pub(crate) struct Paper {
    /// The new file
    file: PathBuf,
}

#[derive(Args)]
pub(crate) struct Sheet {
    /// The commune, 5 digits
    #[arg(long)]
    commune: String,
    /// The new file
    file: PathBuf,
}

impl Handover {
    pub(crate) fn run(self, options: &Options) -> Result<()> {
        match self {
            Self::Record(record) => record.run(options),
            Self::Waiting => waiting(options),
            Self::PrinterFile(paper) => paper.run(options),
            Self::Sheet(sheet) => sheet.run(options),
        }
    }
}

impl Record {
    fn run(self, options: &Options) -> Result<()> {
        for card in self.cards {
            let recorded = options.call(handover::Record {
                card: card.to_string(),
                event: self.event.into(),
                place: self.place.clone(),
            })?;
            if options.json {
                println!("{}", serde_json::to_string(&recorded)?);
            } else {
                println!("Đã ghi thẻ / Recorded: {}", recorded.card);
            }
        }
        Ok(())
    }
}

fn waiting(options: &Options) -> Result<()> {
    for card in options.call(handover::Waiting {})? {
        if options.json {
            println!("{}", serde_json::to_string(&card)?);
            continue;
        }
        let last = card.last.as_deref().unwrap_or("ở trạm / at the station");
        println!(
            "{}  {last} {}  {}",
            card.card,
            card.place.unwrap_or_default(),
            card.since
        );
    }
    Ok(())
}

/// A card to be handed over with what its papers say.
struct Parcel {
    card: Card,
    person: Person,
    commune: String,
    valid_thru: Date,
}

impl Paper {
    fn run(self, options: &Options) -> Result<()> {
        let home = options.home();
        let agency = home.station()?.agency;
        let store = home.open_store()?;
        let actor = options.actor(&store)?;
        let parcels = parcels(&store, &home.reference_data()?)?;
        let new = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.file);
        let mut file = new.with_context(|| format!("{}: cannot be made", self.file.display()))?;
        let written = write_records(&parcels, &agency, &mut file);
        if let Err(error) = written.and_then(|()| Ok(file.sync_all()?)) {
            // Half a file would be half the cards.
            std::fs::remove_file(&self.file).with_context(|| self.file.display().to_string())?;
            return Err(error);
        }
        store.log_operation(
            &actor,
            "printer-file-written",
            &format!("cards {}", parcels.len()),
        )?;
        told(options, &self.file, parcels.len())
    }
}

fn write_records(parcels: &[Parcel], agency: &str, file: &mut std::fs::File) -> Result<()> {
    let mut records = PrinterFile::new(&mut *file)?;
    for parcel in parcels {
        records
            .write(&PrinterRecord {
                number: parcel.card.number,
                name: &parcel.person.full_name,
                valid_thru: parcel.valid_thru,
                issuer: agency,
                commune: &parcel.commune,
                pay_point: parcel.person.pay_point.as_deref(),
            })
            .with_context(|| format!("thẻ / card {}", parcel.card.number))?;
    }
    records.finish()?;
    file.flush()?;
    Ok(())
}

impl Sheet {
    fn run(self, options: &Options) -> Result<()> {
        let home = options.home();
        let store = home.open_store()?;
        let actor = options.actor(&store)?;
        let parcels = parcels(&store, &home.reference_data()?)?;
        let of_commune: Vec<_> = parcels
            .iter()
            .filter(|parcel| parcel.person.commune == self.commune)
            .collect();
        let Some(first) = of_commune.first() else {
            bail!(
                "xã {0} không có thẻ chờ giao / no card of commune {0} waits to be handed over; no sheet was written",
                self.commune
            );
        };
        let rows: Vec<_> = of_commune
            .iter()
            .map(|parcel| HandoverRow {
                number: parcel.card.number,
                name: &parcel.person.full_name,
                birth_year: parcel
                    .person
                    .birth_date
                    .get(..4)
                    .and_then(|year| year.parse().ok())
                    .unwrap_or(0),
            })
            .collect();
        let sheet = handover_sheet(&HandoverSheet {
            commune: &first.commune,
            batch: &self.commune,
            date: today(),
            rows: &rows,
        })?;
        write_new(&self.file, &sheet)?;
        let subject = format!("{} cards {}", self.commune, rows.len());
        store.log_operation(&actor, "handover-sheet-written", &subject)?;
        told(options, &self.file, rows.len())
    }
}

fn parcels(store: &Store, reference: &Reference) -> Result<Vec<Parcel>> {
    let waiting = store.not_handed_over()?;
    waiting
        .iter()
        .map(|waiting| {
            let card = store.card(&waiting.card)?;
            let person = store.holder(&card.person)?.person;
            Ok(Parcel {
                commune: commune_name(reference, &person),
                valid_thru: last_day(&card)?,
                card,
                person,
            })
        })
        .collect()
}

fn commune_name(reference: &Reference, person: &Person) -> String {
    match reference.commune(&person.commune, today()) {
        CommuneLookup::InForce(commune) => commune.name.clone(),
        _ => person.commune.clone(),
    }
}

fn last_day(card: &Card) -> Result<Date> {
    let cso = card
        .cso
        .as_deref()
        .context("the ledger has no CSO of an active card: restore it from backup")?;
    let cso = Signed::<CardSecurityObject>::parse(cso).context("card security object")?;
    let day = cso.claimed().expiry;
    let small = |value: u8| i8::try_from(value);
    Ok(Date::new(
        day.year().try_into()?,
        small(day.month())?,
        small(day.day())?,
    )?)
}

fn told(options: &Options, file: &Path, cards: usize) -> Result<()> {
    if options.json {
        println!("{}", serde_json::json!({ "file": file, "cards": cards }));
    } else {
        println!("{}: {cards} thẻ / cards", file.display());
    }
    Ok(())
}
