//! `ansinh terminal export` and `import`: a journal that comes home as a file, because the terminal is far from its station, or
//! about to die.

use std::path::PathBuf;

use ansinh_keys::write_new;
use ansinh_payout::JournalIngestion;
use ansinh_store::journal::Ingestion;
use anyhow::{Context as _, Result, bail, ensure};
use card_spec::crypto::{PortableP256, PublicKey};
use card_spec::journal::Entry;
use card_spec::signed::Signed;
use card_spec::tlv::{Reader, length_of_first_object};
use card_spec::values::TerminalName;
use clap::Args;
use serde_json::json;

use super::sync::{brought, by_hand, found, reversals, take, unbooked};
use super::{Line, Options, Refused, open, provisioned_name};

#[derive(Args)]
#[command(after_help = "\
Needs neither a station nor its keys: the entries are signed by the terminal and say nothing of anybody but card numbers. The terminal keeps
them until its station has acknowledged them at a synchronisation.

Example:
  ansinh terminal export --port /dev/ttyUSB0 --out VNT0000001.journal")]
pub(crate) struct Export {
    #[command(flatten)]
    port: super::Port,
    /// File that is written; it must not be there yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Export {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        if self.out.exists() {
            bail!(
                "{}: tệp đã có / the file is there already; nothing was read. Name another one",
                self.out.display()
            );
        }
        let (mut link, hello) = open(&self.port.port)?;
        let name = provisioned_name(&hello)?;
        let mut journal = Vec::new();
        // What was acknowledged may have been overwritten, and is in the ledger.
        let mut last = hello.acknowledged;
        let fault = read_all(&mut link, &mut journal, &mut last).err();
        // A dying terminal gives what it can: that is worth keeping, whatever the rest.
        write_new(&self.out, &journal)?;
        self.report(options, name, (hello.acknowledged, last));
        if let Some(fault) = fault {
            return Err(fault.context(format!(
                "{name}: chỉ đọc được đến mục {last} / read up to entry {last} only"
            )));
        }
        if last < hello.journal_tail {
            bail!(
                "{name}: nhật ký chưa đọc được đến cuối / the terminal shows {} journal entries but gave only those up to {last}; they are in the file. Payments may be missing: keep the terminal apart and start an investigation",
                hello.journal_tail
            );
        }
        Ok(())
    }

    fn report(&self, options: &Options, name: TerminalName, (before, last): (u32, u32)) {
        let first = u64::from(before) + 1;
        if options.json {
            let report = json!({ "terminal": name.as_str(), "first": first, "last": last, "file": self.out });
            println!("{report}");
            return;
        }
        println!(
            "Thiết bị / Terminal {name}: mục nhật ký / journal entries {first} – {last}
  Tiếp theo, ở trạm / Next, at the station: ansinh terminal import {}",
            self.out.display()
        );
    }
}

/// Reads the entries after `last`, as far as the terminal gives them.
fn read_all(link: &mut Line, journal: &mut Vec<u8>, last: &mut u32) -> Result<()> {
    while let Some(next) = last.checked_add(1) {
        let bytes = link.read_journal(next)?;
        if bytes.is_empty() {
            break;
        }
        for entry in Entries::of(&bytes) {
            let (_, sequence, encoding) = entry?;
            // A terminal that gives the same again and again would never come to an end.
            ensure!(
                sequence > *last,
                "thiết bị trả lời sai / the terminal gives its entries out of order"
            );
            *last = sequence;
            journal.extend_from_slice(encoding);
        }
    }
    Ok(())
}

#[derive(Args)]
#[command(after_help = "\
Entries are verified and stored as by `terminal sync`. Those that the ledger has already must be the same. Nothing is acknowledged: the
terminal, if there still is one, learns at its next synchronisation that they are safe.

Example:
  ansinh terminal import VNT0000001.journal")]
pub(crate) struct Import {
    /// File that `terminal export` has written, or one of the journals of an export
    file: PathBuf,
}

impl Import {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let home = options.home();
        let store = home.open_store()?;
        let actor = options.actor(&store)?;
        let bytes =
            std::fs::read(&self.file).with_context(|| format!("{}: cannot be read", self.file.display()))?;
        let refused = |why: &str| {
            Refused(format!(
                "{}: {why}; nothing was stored. Export the journal anew",
                self.file.display()
            ))
        };
        let Some(first) = Entries::of(&bytes).next() else {
            return Err(refused("tệp rỗng / the file is empty").into());
        };
        let (name, _, _) = first.map_err(|_| refused("không phải nhật ký / not a journal"))?;
        let terminal = store.terminal(name.as_str())?;
        let mut ingestion = JournalIngestion::resume(&store, &terminal)?;
        let stored = store.journal(name.as_str())?;
        let mut known = 0;
        for entry in Entries::of(&bytes) {
            let Ok((_, sequence, encoding)) = entry else { break };
            if sequence >= ingestion.next_sequence() {
                break;
            }
            let index = usize::try_from(sequence)
                .ok()
                .and_then(|number| number.checked_sub(1));
            let held = index.and_then(|index| stored.get(index));
            if held.is_none_or(|held| held != encoding) {
                if !is_genuine(encoding, ingestion.journal_key()) {
                    return Err(refused("tệp bị hỏng / the file is damaged").into());
                }
                bail!(
                    "{name}: mục {sequence} khác với sổ / entry {sequence} differs from the one in the ledger: the terminal's key has signed two. Keep the file, keep the terminal apart and start an investigation; nothing was stored"
                );
            }
            known += encoding.len();
        }
        let new = bytes.get(known..).unwrap_or_default();
        let whole = new.get(..without_lost_end(new)).unwrap_or_default();
        let mut taken = Ingestion::default();
        take(&home, name, &mut ingestion, whole, &mut taken)?;
        store.log_operation(&actor, "terminal-journal-imported", name.as_str())?;
        let not_handed = store.not_handed(name.as_str())?;
        let up_to = ingestion.next_sequence() - 1;
        report(options, name, &taken, &not_handed, up_to);
        if let Some(found) = found(name, &taken) {
            bail!(found);
        }
        if whole.len() < new.len() {
            bail!(
                "{}: tệp bị cắt cụt sau mục {up_to} / the file is cut off, or filled with zeros, after entry {up_to}: what is whole is in the ledger, up to that entry. Copy the file or export the journal anew, and import it once more",
                self.file.display()
            );
        }
        Ok(())
    }
}

fn report(options: &Options, name: TerminalName, taken: &Ingestion, not_handed: &[u32], up_to: u32) {
    if options.json {
        let report = json!({
            "terminal": name.as_str(),
            "entries": taken.stored,
            "payments": taken.booked,
            "payments_by_hand": taken.by_hand,
            "payments_known_from_cards": taken.carried,
            "payments_of_other_terminals": taken.brought,
            "receipts_not_booked": unbooked(taken),
            "receipts_of_unknown_cards": taken.brought_unknown,
            "total_vnd": taken.booked_amount,
            "paid_twice": taken.paid_twice,
            "receipts_of_unknown_scripts": taken.unknown_scripts,
            "reversed": taken.reversed,
            "undone_by_scripts": taken.undone_by_scripts,
            "not_handed_over": not_handed,
            "up_to": up_to,
        });
        println!("{report}");
        return;
    }
    println!(
        "Thiết bị / Terminal {name}
  mục nhật ký mới / new journal entries   {}
  khoản chi trả / payments                {}
  tổng số tiền / total                    {} VND
{}{}{}  trong sổ đến / in the ledger up to      {up_to}",
        taken.stored,
        taken.booked,
        taken.booked_amount,
        by_hand(taken),
        brought(taken),
        reversals(taken, not_handed)
    );
}

/// A file that ends with so many zeros was not written to its end: no signature ends so.
const UNWRITTEN: [u8; 8] = [0; 8];

/// Bytes before an end that was lost in copying, cut off or filled with zeros; else all. Such an end says nothing against the terminal.
fn without_lost_end(journal: &[u8]) -> usize {
    let is_filled = journal.ends_with(&UNWRITTEN);
    let zeros = journal
        .iter()
        .rev()
        .take_while(|byte| is_filled && **byte == 0)
        .count();
    let written = journal.get(..journal.len() - zeros).unwrap_or_default();
    let mut entries = Reader::new(written);
    while let Ok(Some(_)) = entries.next_object() {}
    let last = entries.rest();
    let is_cut_off = match length_of_first_object(last) {
        Ok(Some(length)) => length.total > last.len(),
        Ok(None) => true,
        Err(_) => false,
    };
    written.len() - if is_cut_off { last.len() } else { 0 }
}

/// Has the terminal signed this?
fn is_genuine(entry: &[u8], key: &PublicKey) -> bool {
    Signed::<Entry<'_>>::parse(entry).is_ok_and(|entry| entry.verify(&PortableP256, key).is_ok())
}

/// Concatenated entries: terminal and sequence number as claimed, and encoding. Nothing is verified here.
struct Entries<'a>(Reader<'a>);

impl<'a> Entries<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(TerminalName, u32, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.rest().is_empty() {
            return None;
        }
        let entry = Signed::<Entry<'_>>::read_next(&mut self.0)
            .map(|signed| {
                (
                    signed.claimed().terminal,
                    signed.claimed().sequence,
                    signed.encoding(),
                )
            })
            .context("an entry of the journal");
        if entry.is_err() {
            self.0 = Reader::new(&[]);
        }
        Some(entry)
    }
}
