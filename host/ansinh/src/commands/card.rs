//! `ansinh card`: issued cards in the reader.

mod carried;

use std::io::{self, Write as _};
use std::time::Duration;

use ansinh_issuance::Station;
use ansinh_issuance::maintenance::Job;
use ansinh_keys::Role;
use ansinh_reference::today;
use ansinh_station::home::Home;
use ansinh_station::issue::pin::{PinCommand, PinPrompt};
use ansinh_station::issue::{IssuingKeys, PinSource, Report};
use ansinh_station::maintain::report::{json, lines};
use ansinh_station::maintain::{Chosen, Office, Plan, Summary, due, tend};
use ansinh_station::reference::terms;
use ansinh_store::Store;
use anyhow::{Result, bail};
use card_spec::certificate::Reference;
use card_spec::list::BlockReason;
use card_spec::values::{CardNumber, TerminalName};
use clap::{Args, Subcommand, ValueEnum};

use super::Options;
use super::issue::Incomplete;
use super::replacement::{Expiring, Replace};

#[derive(Subcommand)]
pub(crate) enum Card {
    /// Say what card is in the reader, and read its receipts back
    Show(Where),
    /// Set a new PIN that the holder chooses; all tries are left then
    NewPin(NewPin),
    /// Block the card, in the ledger first; it can be unblocked
    Block(Reasoned),
    /// Lift the block of a card that was found, in the ledger; an approver does this, before `unblock`
    ApproveUnblock(Lift),
    /// Let a blocked card pay again whose block an approver has lifted
    Unblock(Where),
    /// Write the holder's record as it is today: programmes, representatives, name, commune
    Update(Update),
    /// Close the card for ever, in the ledger first
    Terminate(Reasoned),
    /// Undo payments whose money was not handed over, so that the next payment list has them again
    UndoPayments(Undo),
    /// Block a card, whether at hand or not, and draft a batch of its holder alone for the next one
    Replace(Replace),
    /// List active cards whose last day is before a day; with --end, end those whose last day has passed
    Expiring(Expiring),
}

#[derive(Args)]
#[command(after_help = "\
The card is known by its chip. With CARD nothing is done to any other. A card that was torn out is finished by the same
command on the same card; whatever was signed for it is used once.

Examples:
  ansinh card show
  ansinh card unblock 7900000000000018
  ansinh card block --reason lost --reader 'ACS ACR39U 00 00'")]
pub(crate) struct Where {
    /// Number of the card that is meant, 16 digits
    card: Option<CardNumber>,
    /// PC/SC name of a reader to use; may be given several times; default: every reader
    #[arg(long, value_name = "NAME")]
    reader: Vec<String>,
    /// End when no card came for this long
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  ansinh card approve-unblock 7900000000000018")]
pub(crate) struct Lift {
    /// Card number, 16 digits
    card: CardNumber,
}

#[derive(Args)]
pub(crate) struct NewPin {
    #[command(flatten)]
    place: Where,
    /// Program that prints the PIN, as for `ansinh issue`; default: a prompt
    #[arg(long, value_name = "CMD")]
    pin_command: Option<String>,
}

#[derive(Args)]
pub(crate) struct Reasoned {
    #[command(flatten)]
    place: Where,
    /// Why
    #[arg(long, value_enum)]
    reason: Reason,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  ansinh card update 7900000000000018
  ansinh card update --all-due")]
pub(crate) struct Update {
    #[command(flatten)]
    place: Where,
    /// Go on with every card that no longer says what the ledger says, as they are put in; others are left alone
    #[arg(long, conflicts_with = "card")]
    all_due: bool,
}

#[derive(Args)]
#[command(after_help = "\
A terminal undoes only the last payment of a card, and only its own. This undoes all payments of the card of which the journals
say that their money was not handed over: synchronise the terminal that paid first. Nobody can undo any other payment.

With --at no card has to come here: the terminal takes the scripts with it when it is synchronised or loaded the next time, the card
executes them when its holder comes to that terminal, and the payments are undone here once the terminal was synchronised again. Should
the card have paid or undone anything elsewhere in between, it refuses them and nothing happens: the next synchronisation says so, and
this command signs others. At most 12 scripts are with a terminal at a time.

Examples:
  ansinh terminal sync --all
  ansinh card undo-payments 7900000000000018
  ansinh card undo-payments 7900000000000018 --at VNT0000001")]
pub(crate) struct Undo {
    #[command(flatten)]
    place: Where,
    /// Let this terminal carry the scripts to CARD, instead of doing it here
    #[arg(long, value_name = "TERMINAL", requires = "card", conflicts_with_all = ["reader", "wait"])]
    at: Option<TerminalName>,
}

/// Reasons that an operator can give (DATA 4).
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Reason {
    /// Lost, and found by somebody
    Lost,
    /// Stolen, and found
    Stolen,
    /// Another card takes its place
    Replaced,
    /// The holder died: no other card is made
    Deceased,
    /// The entitlement ended: no other card is made
    Ended,
}

impl From<Reason> for BlockReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Lost => Self::Lost,
            Reason::Stolen => Self::Stolen,
            Reason::Replaced => Self::Replaced,
            Reason::Deceased => Self::HolderDeceased,
            Reason::Ended => Self::EntitlementEnded,
        }
    }
}

impl Card {
    pub(crate) fn run(self, options: &Options) -> Result<()> {
        match self {
            Self::Show(place) => serve(options, Job::Inspect, place, false, None),
            Self::NewPin(NewPin { place, pin_command }) => {
                serve(options, Job::NewPin, place, false, pin_command)
            }
            Self::Block(Reasoned { place, reason }) => {
                serve(options, Job::Block(reason.into()), place, false, None)
            }
            Self::ApproveUnblock(Lift { card }) => lift(options, &card),
            Self::Unblock(place) => serve(options, Job::Unblock, place, false, None),
            Self::Replace(replace) => replace.run(options),
            Self::Expiring(expiring) => expiring.run(options),
            Self::Update(Update { place, all_due }) => serve(options, Job::Update, place, all_due, None),
            Self::Terminate(Reasoned { place, reason }) => {
                serve(options, Job::Terminate(reason.into()), place, false, None)
            }
            Self::UndoPayments(Undo { place, at }) => match (place.card, at) {
                (Some(card), Some(terminal)) => carried::carry(options, card, terminal),
                _ => serve(options, Job::UndoPayments, place, false, None),
            },
        }
    }
}

fn serve(
    options: &Options,
    job: Job,
    place: Where,
    all_due: bool,
    pin_command: Option<String>,
) -> Result<()> {
    let home = options.home();
    let store = home.open_store()?;
    let actor = options.actor(&store)?;
    let chosen = match place.card {
        _ if all_due => Chosen::Due(due(&store)?),
        Some(number) => Chosen::One(number),
        None => Chosen::Any,
    };
    let passphrase = options.passphrase()?;
    let station = station(&home, &store)?;
    let keys = IssuingKeys::open(&home, &store, &station, &passphrase)?;
    drop(passphrase);
    let report = Report::new(0, true);
    let command = pin_command.map(|command| PinCommand::new(command, PinCommand::TIME_LIMIT));
    let prompt = PinPrompt::new(&report);
    let pins: &dyn PinSource = command.as_ref().map_or(&prompt, |command| command);
    let plan = Plan {
        job,
        chosen,
        readers: place.reader,
        wait: place.wait.map(Duration::from_secs),
    };
    let office = Office {
        store: &store,
        actor: &actor,
        keys: &keys,
        station: &station,
        pins,
    };
    if !options.json {
        eprintln!("Đưa thẻ vào đầu đọc / Put the card into the reader");
    }
    let summary = tend(office, plan, &mut |reader, served| {
        let text = if options.json {
            json(reader, served).to_string()
        } else {
            lines(reader, served).join("\n")
        };
        // The exit code tells the same to a reader who has gone.
        let _ = writeln!(io::stdout(), "{text}");
    })?;
    finish(summary, all_due)
}

fn lift(options: &Options, card: &CardNumber) -> Result<()> {
    let store = options.home().open_store()?;
    store.unblock_card(&options.actor(&store)?, card)?;
    if options.json {
        println!(
            "{}",
            serde_json::json!({ "card": card.to_string(), "block_lifted": true })
        );
    } else {
        println!("Đã bỏ khóa thẻ {card} trong sổ / The block of card {card} is lifted in the store");
        println!("Phát hành danh sách khóa, rồi đưa thẻ vào / Publish the block list, then put the card in:");
        println!("  ansinh block publish");
        println!("  ansinh card unblock {card}");
    }
    Ok(())
}

fn finish(summary: Summary, all_due: bool) -> Result<()> {
    if all_due && summary.left > 0 {
        let left = summary.left;
        return Err(Incomplete(format!(
            "còn {left} thẻ phải cập nhật / {left} card(s) are still to be updated"
        ))
        .into());
    }
    if !all_due && summary.done == 0 {
        if summary.failed_attempts == 0 {
            bail!(
                "không có thẻ nào được đưa vào, không thay đổi gì / no card was put in, nothing was changed"
            );
        }
        bail!("việc chưa xong, xem dòng trên / the job is not done, the lines above say why");
    }
    Ok(())
}

/// The station, with the issuer's earlier keys for cards that were signed under them.
fn station(home: &Home, store: &Store) -> Result<Station> {
    let settings = home.station()?;
    let root = home.certificate(&settings.reference(Role::Root)?)?;
    let issuer = settings.reference(Role::Issuer)?;
    let terms = terms(&settings, &home.reference_data()?, today())?;
    let mut station = Station::new(&root, &home.certificate(&issuer)?, terms)?;
    for (holder, certificate) in store.certificates()? {
        let earlier = Reference::new(&holder).is_some_and(|holder| {
            holder.mnemonic() == issuer.mnemonic() && holder.sequence() < issuer.sequence()
        });
        if earlier {
            station = station.with_earlier_issuer(&root, &certificate)?;
        }
    }
    Ok(station)
}
