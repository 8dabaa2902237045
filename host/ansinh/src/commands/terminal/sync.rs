//! `ansinh terminal sync`: the journal of a terminal into the ledger, and its acknowledgement back.

use std::path::PathBuf;

use ansinh_keys::{KeyError, write_new};
use ansinh_payout::{IngestionError, JournalIngestion, Rejected, acknowledge, vietnam_time};
use ansinh_station::home::Home;
use ansinh_store::journal::Ingestion;
use anyhow::{Result, anyhow, bail};
use card_spec::crypto::sha256;
use card_spec::values::{Date, TerminalName};
use clap::Args;
use link::Hello;
use serde_json::json;

use super::certificates::{install_issuers, renew};
use super::fleet::{Ports, Progress, Told};
use super::scripts::{self, Carried};
use super::{Line, Options, Signing, known_terminal, set_clock};

#[derive(Args)]
#[command(after_help = "\
Every entry is verified (signature, chain, receipt, list) and stored before it is acknowledged. At the first entry that does not
verify the command stops: the entries before it are stored, what came with it is kept in the station's quarantine folder,
nothing is acknowledged and the terminal keeps everything. `terminal load` does the same before it loads.

Examples:
  ansinh terminal sync --port /dev/ttyUSB0
  ansinh terminal sync --port /dev/ttyUSB0 --port /dev/ttyUSB1
  ansinh terminal sync --all --watch")]
pub(crate) struct Sync {
    #[command(flatten)]
    ports: Ports,
}

/// What a synchronisation did.
pub(super) struct Outcome {
    terminal: TerminalName,
    pub(super) taken: Ingestion,
    acknowledged: u32,
    /// Intents whose payments stand and whose money was not handed over.
    not_handed: Vec<u32>,
}

impl Outcome {
    pub(super) fn demand_paid_once(&self) -> Result<()> {
        match paid_twice(self.terminal, &self.taken) {
            Some(found) => bail!(found),
            None => Ok(()),
        }
    }

    /// No payment is touched by such a receipt: one card may not keep a terminal from paying others.
    pub(super) fn demand_known_scripts(&self) -> Result<()> {
        match unknown_scripts(&self.taken) {
            Some(found) => bail!(found),
            None => Ok(()),
        }
    }

    fn told(
        &self,
        lost: bool,
        certified_until: Option<Date>,
        carried: &Carried,
        fault: Option<anyhow::Error>,
    ) -> Told {
        let Self {
            terminal,
            taken,
            acknowledged,
            not_handed,
        } = self;
        let certified_until = certified_until.map(|day| day.to_string());
        let mut json = json!({
            "terminal": terminal.as_str(),
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
            "acknowledged": acknowledged,
            "certified_until": certified_until,
            "lost": lost,
        });
        carried.add_to(&mut json);
        let mut text = format!(
            "Thiết bị / Terminal {terminal}
  mục nhật ký mới / new journal entries   {}
  khoản chi trả / payments                {}\n",
            taken.stored, taken.booked
        );
        if taken.carried > 0 {
            text += &format!("  thẻ đã báo trước / known from cards     {}\n", taken.carried);
        }
        text += &format!(
            "  tổng số tiền / total                    {} VND
  đã xác nhận đến / acknowledged up to    {acknowledged}\n",
            taken.booked_amount
        );
        text += &by_hand(taken);
        text += &brought(taken);
        text += &reversals(taken, not_handed);
        text += &carried.text(*terminal);
        if let Some(day) = certified_until {
            text += &format!("  chứng thư đến / certificates until      {day}\n");
        }
        if lost {
            text += "  đã báo mất / declared lost: cấp khóa mới / give it new keys (ansinh terminal provision --anew)\n";
        }
        Told { text, json, fault }
    }
}

impl Sync {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let signing = Signing::open(options)?;
        self.ports
            .visit(options, |line, progress| sync(line, &signing, progress))
    }
}

fn sync((mut link, hello): (Line, Hello), signing: &Signing, progress: &Progress) -> Result<Told> {
    let terminal = known_terminal(signing, &hello)?;
    let lost = signing.store.is_terminal_lost(terminal.as_str())?;
    // Before the journal is read, so that no entry is left that is not acknowledged. The journal comes home also from a
    // terminal that does not take the time.
    let issuer = signing.issuer()?;
    let clock = install_issuers(&mut link, signing).and_then(|()| set_clock(&mut link, &issuer, terminal));
    let outcome = match (
        synchronise(&mut link, signing, terminal, &hello, progress),
        &clock,
    ) {
        // A terminal without the issuer's newest key takes no acknowledgement either: the cause comes first.
        (Err(error), Err(cause)) => bail!("{cause:#}. Sau đó / Then: {error:#}"),
        (outcome, _) => outcome?,
    };
    let renewed = clock.and_then(|()| (!lost).then(|| renew(&mut link, signing, terminal)).transpose());
    let until = renewed.as_ref().ok().copied().flatten();
    // A terminal without certificates takes none.
    let (carried, sent) = match until {
        Some(_) => scripts::send(&mut link, signing, terminal),
        None => (Carried::default(), Ok(())),
    };
    let found = found(terminal, &outcome.taken).map_or(Ok(()), |found| Err(anyhow!(found)));
    let fault = found.and(renewed.map(drop)).and(sent);
    Ok(outcome.told(lost, until, &carried, fault.err()))
}

pub(super) fn synchronise(
    link: &mut Line,
    signing: &Signing,
    name: TerminalName,
    hello: &Hello,
    progress: &Progress,
) -> Result<Outcome> {
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
        let read = ingestion.next_sequence() - 1;
        progress.is_at(
            "nhật ký / journal",
            (read - held).into(),
            hello.journal_tail.saturating_sub(held).into(),
        );
        let bytes = link.read_journal(ingestion.next_sequence())?;
        if bytes.is_empty() {
            break;
        }
        take(&signing.home, name, &mut ingestion, &bytes, &mut taken)?;
    }
    let key = *ingestion.journal_key();
    let acknowledgement = acknowledge(&signing.store, &signing.issuer()?, name, &key, vietnam_time()?)?;
    link.acknowledge(acknowledgement.sequence, &acknowledgement.object)?;
    signing
        .store
        .log_operation(&signing.actor, "terminal-synchronised", name.as_str())?;
    if acknowledgement.sequence < hello.journal_tail {
        bail!(
            "{name}: nhật ký chưa về đủ / the terminal shows {} journal entries but gave only those up to {}. They are stored and acknowledged; payments may be missing. Run the command again, and if it stays keep the terminal apart and start an investigation",
            hello.journal_tail,
            acknowledgement.sequence
        );
    }
    Ok(Outcome {
        terminal: name,
        taken,
        acknowledged: acknowledgement.sequence,
        not_handed: signing.store.not_handed(name.as_str())?,
    })
}

/// Takes entries in, or keeps what was rejected as evidence and says so.
pub(super) fn take(
    home: &Home,
    name: TerminalName,
    ingestion: &mut JournalIngestion<'_>,
    bytes: &[u8],
    taken: &mut Ingestion,
) -> Result<()> {
    match ingestion.take(bytes) {
        Ok(part) => taken.add(part),
        Err(IngestionError::Store(error)) => return Err(error.into()),
        Err(IngestionError::Rejected(rejected)) => {
            taken.add((*rejected.taken).clone());
            return Err(quarantine(home, name, &rejected, taken, bytes)?);
        }
    }
    Ok(())
}

fn paid_twice(terminal: TerminalName, taken: &Ingestion) -> Option<String> {
    let (orders, unfounded) = (&taken.paid_twice, &taken.unfounded_reversals);
    let twice = (!orders.is_empty()).then(|| {
        format!(
            "đã chi trả hai lần / paid twice: orders {orders:?} of {terminal} paid lines that were paid before. They are stored as evidence and not booked; start an investigation"
        )
    });
    let unfounded = (!unfounded.is_empty()).then(|| {
        format!(
            "hủy không có căn cứ / reversed without ground: cards have undone the payments of orders {unfounded:?} of {terminal}, and the ledger has none of which the clerk said that the money was not handed over. The payments stay booked; start an investigation"
        )
    });
    let unbooked = (unbooked(taken) > 0).then(|| {
        format!(
            "biên nhận của máy khác không ghi sổ được / not booked: {} receipts that cards have shown are of no listed line, or of a line that another order has paid and of which no journal at hand tells that it was undone. They are stored as evidence, and `ansinh operations show` names card and receipt; start an investigation",
            unbooked(taken)
        )
    });
    let unknown = (taken.brought_unknown > 0).then(|| {
        format!(
            "biên nhận của thẻ không có trong sổ / not checked: {} receipts of cards that this ledger does not know. They are stored as evidence, and `ansinh operations show` names card and receipt. If the ledger was restored from an older copy, export it (`ansinh export`), restore the newest copy, and import the journals of the export there (`ansinh terminal import`): what those cards have paid is booked then; else start an investigation",
            taken.brought_unknown
        )
    });
    let found: Vec<_> = [twice, unfounded, unbooked, unknown]
        .into_iter()
        .flatten()
        .collect();
    (!found.is_empty()).then(|| found.join(". "))
}

fn unknown_scripts(taken: &Ingestion) -> Option<String> {
    (taken.unknown_scripts > 0).then(|| {
        format!(
            "biên nhận của lệnh lạ / executed unknown scripts: {} receipts say that cards have executed issuer scripts that this ledger has not signed for them. They are stored as evidence and nothing was booked, and `ansinh operations show` names card and receipt. If the ledger was restored, read those cards (`ansinh card show`); else start an investigation",
            taken.unknown_scripts
        )
    })
}

/// Everything in what was taken in that has to be looked into.
pub(super) fn found(terminal: TerminalName, taken: &Ingestion) -> Option<String> {
    let found: Vec<_> = [paid_twice(terminal, taken), unknown_scripts(taken)]
        .into_iter()
        .flatten()
        .collect();
    (!found.is_empty()).then(|| found.join(". "))
}

/// Receipts that cards have shown and for which nothing is in the books.
pub(super) fn unbooked(taken: &Ingestion) -> u64 {
    taken.brought_unlisted + taken.brought_second.len() as u64
}

/// Line of a report on what two operators have paid without a card's receipt; none if there is nothing to tell.
pub(super) fn by_hand(taken: &Ingestion) -> String {
    match taken.by_hand {
        0 => String::new(),
        count => format!("  trong đó chi tay / of them by hand      {count}\n"),
    }
}

/// Lines of a report on what cards have told of other terminals; none if there is nothing to tell.
pub(super) fn brought(taken: &Ingestion) -> String {
    let mut text = String::new();
    if taken.brought > 0 {
        text += &format!(
            "  khoản của máy khác, do thẻ báo / payments at other terminals that cards told of, booked now  {}\n",
            taken.brought
        );
    }
    text
}

/// Lines of a report on money that was not handed over; none if there is nothing to tell.
pub(super) fn reversals(taken: &Ingestion, not_handed: &[u32]) -> String {
    let mut text = String::new();
    if taken.reversed > 0 {
        text += &format!("  đã hủy, chưa giao tiền / reversed       {}\n", taken.reversed);
    }
    if taken.undone_by_scripts > 0 {
        text += &format!(
            "  trong đó theo lệnh / of them by scripts {}\n",
            taken.undone_by_scripts
        );
    }
    if !not_handed.is_empty() {
        text += &format!(
            "  thẻ đã trả, CHƯA GIAO TIỀN, chưa hủy / paid by the card, money not handed over: orders {not_handed:?}\n  \
             hủy khoản cuối tại thiết bị; các khoản khác tại bàn, hoặc theo lệnh thiết bị mang đi / undo the last one at the terminal; others here, or by \
             scripts that a terminal carries: ansinh card undo-payments CARD [--at TERMINAL]\n"
        );
    }
    text
}

/// Keeps what was rejected, once however often it is sent, and tells where.
fn quarantine(
    home: &Home,
    terminal: TerminalName,
    rejected: &Rejected,
    taken: &Ingestion,
    bytes: &[u8],
) -> Result<anyhow::Error> {
    let file = quarantine_file(home, terminal, rejected.sequence, bytes)?;
    match write_new(&file, bytes) {
        Ok(()) | Err(KeyError::Exists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let found = found(terminal, taken).map_or_else(String::new, |found| format!(". {found}"));
    Ok(anyhow::anyhow!(
        "{terminal}: nhật ký bị từ chối / {rejected}. Evidence: {}. Nothing was acknowledged: the terminal keeps its journal. Keep it apart and start an investigation{found}",
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
