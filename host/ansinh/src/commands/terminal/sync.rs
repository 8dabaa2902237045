//! `ansinh terminal sync`: the journal of a terminal into the ledger, and its acknowledgement back.

use std::path::PathBuf;

use ansinh::home::Home;
use ansinh_keys::{KeyError, write_new};
use ansinh_payout::{JournalIngestion, Rejected, acknowledge, vietnam_time};
use ansinh_store::journal::Ingestion;
use anyhow::{Result, bail};
use card_spec::crypto::sha256;
use card_spec::values::TerminalName;
use clap::Args;
use link::Hello;

use super::{Line, Options, Port, Signing, provisioned_name, set_clock};

#[derive(Args)]
#[command(after_help = "\
Every entry is verified (signature, chain, receipt, list) and stored before it is acknowledged. At the first entry that does not
verify the command stops: the entries before it are stored, what came with it is kept in the station's quarantine folder,
nothing is acknowledged and the terminal keeps everything.

Example:
  ansinh terminal sync --port /dev/ttyUSB0")]
pub(crate) struct Sync {
    #[command(flatten)]
    port: Port,
}

/// What a synchronisation did.
struct Outcome {
    terminal: TerminalName,
    taken: Ingestion,
    acknowledged: u32,
}

impl Sync {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let signing = Signing::open(options)?;
        let (mut link, hello) = self.port.open()?;
        let terminal = provisioned_name(&hello)?;
        // Before the journal is read, so that no entry is left that is not acknowledged. The journal comes home also from a
        // terminal that does not take the time.
        let clock = set_clock(&mut link, &signing.issuer()?, terminal);
        let outcome = synchronise(&mut link, &signing, terminal, &hello)?;
        signing
            .store
            .log_operation(&options.operator, "synchronised a terminal", terminal.as_str())?;
        report(options, &outcome);
        if !outcome.taken.paid_twice.is_empty() {
            bail!(
                "đã chi trả hai lần / paid twice: orders {:?} of {terminal} paid lines that were paid before. They are stored as evidence and not booked; start an investigation",
                outcome.taken.paid_twice
            );
        }
        clock
    }
}

fn synchronise(link: &mut Line, signing: &Signing, name: TerminalName, hello: &Hello) -> Result<Outcome> {
    let terminal = signing.store.terminal(name.as_str())?;
    let mut ingestion = JournalIngestion::resume(&signing.store, &terminal)?;
    let held = ingestion.next_sequence() - 1;
    if hello.journal_tail < held {
        bail!(
            "{name}: thiết bị thiếu nhật ký / the terminal shows {} journal entries, the ledger holds {held}: its memory was exchanged or set back. Keep the terminal apart and start an investigation",
            hello.journal_tail
        );
    }
    let mut taken = Ingestion::default();
    loop {
        let bytes = link.read_journal(ingestion.next_sequence())?;
        if bytes.is_empty() {
            break;
        }
        match ingestion.take(&bytes) {
            Ok(part) => add(&mut taken, part),
            Err(rejected) => return Err(quarantine(&signing.home, name, &rejected, &bytes)?),
        }
    }
    let key = *ingestion.journal_key();
    let acknowledgement = acknowledge(&signing.store, &signing.issuer()?, name, &key, vietnam_time()?)?;
    link.acknowledge(acknowledgement.sequence, &acknowledgement.object)?;
    Ok(Outcome {
        terminal: name,
        taken,
        acknowledged: acknowledgement.sequence,
    })
}

fn add(total: &mut Ingestion, part: Ingestion) {
    total.stored += part.stored;
    total.known += part.known;
    total.booked += part.booked;
    total.booked_amount += part.booked_amount;
    total.paid_twice.extend(part.paid_twice);
}

/// Keeps what was rejected, once however often it is sent, and tells where.
fn quarantine(
    home: &Home,
    terminal: TerminalName,
    rejected: &Rejected,
    bytes: &[u8],
) -> Result<anyhow::Error> {
    let file = quarantine_file(home, terminal, rejected.sequence, bytes)?;
    match write_new(&file, bytes) {
        Ok(()) | Err(KeyError::Exists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(anyhow::anyhow!(
        "{terminal}: nhật ký bị từ chối / {rejected}. Evidence: {}. Nothing was acknowledged: the terminal keeps its journal. Keep it apart and start an investigation",
        file.display()
    ))
}

fn quarantine_file(home: &Home, terminal: TerminalName, sequence: u32, bytes: &[u8]) -> Result<PathBuf> {
    let folder = home.folder().join("quarantine");
    std::fs::create_dir_all(&folder)?;
    let [first, second, third, fourth, ..] = sha256(&[bytes]);
    let content = hex::encode([first, second, third, fourth]);
    Ok(folder.join(format!("{terminal}-{sequence}-{content}.journal")))
}

fn report(options: &Options, outcome: &Outcome) {
    let Outcome {
        terminal,
        taken,
        acknowledged,
    } = outcome;
    if options.json {
        let report = serde_json::json!({
            "terminal": terminal.as_str(),
            "entries": taken.stored,
            "payments": taken.booked,
            "total_vnd": taken.booked_amount,
            "paid_twice": taken.paid_twice,
            "acknowledged": acknowledged,
        });
        println!("{report}");
        return;
    }
    println!("Thiết bị / Terminal {terminal}");
    println!("  mục nhật ký mới / new journal entries   {}", taken.stored);
    println!("  khoản chi trả / payments                {}", taken.booked);
    println!(
        "  tổng số tiền / total                    {} VND",
        taken.booked_amount
    );
    println!("  đã xác nhận đến / acknowledged up to    {acknowledged}");
}
