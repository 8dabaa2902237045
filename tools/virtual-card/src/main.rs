//! A card in a process: the reference applet behind a virtual PC/SC reader or a simulated PN532.

use std::io::{BufReader, stdin, stdout};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use virtual_card::control::answer_lines;
use virtual_card::{Control, Holder, ReferenceCard, Slow, blank, pn532, vpcd};

/// A card in a process. Orders come as lines on standard input or at the control socket, each answered by one line:
/// insert, remove, status, tear-after N before|after (the power goes at the N-th command from now, before or after the
/// chip carries it out), tear-at-write N before|after (at the N-th write into its memory), load FILE (takes the
/// card out and holds another, with that memory, ready for the next insert). A torn card is out until the next insert.
#[derive(Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Arguments {
    #[command(subcommand)]
    job: Option<Job>,
    #[command(flatten)]
    card: Option<Card>,
}

#[derive(Subcommand)]
enum Job {
    /// Make blank cards and the delivery file with their transport keys
    Blank {
        /// The delivery file to write (JSON, for `ansinh delivery add`)
        #[arg(long, value_name = "FILE")]
        delivery: PathBuf,
        /// Name of the delivery
        #[arg(long, default_value = "TEST")]
        name: String,
        /// The folder for the cards: one file each, SERIAL.card
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// How many
        #[arg(long)]
        count: usize,
    },
}

#[derive(Args)]
struct Card {
    /// The card's persistent memory
    #[arg(long, value_name = "FILE")]
    memory: PathBuf,
    /// Be the card in the virtual PC/SC reader at this address
    #[arg(
        long,
        value_name = "HOST:PORT",
        required_unless_present = "pn532",
        conflicts_with = "pn532"
    )]
    vpcd: Option<String>,
    /// Be a PN532 with the card in its field, listening at this address
    #[arg(long, value_name = "HOST:PORT")]
    pn532: Option<String>,
    /// Accept orders at this UNIX socket as well
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
    /// Start with the card outside the reader
    #[arg(long)]
    removed: bool,
    /// Make every write reach the disk
    #[arg(long)]
    sync: bool,
    /// Time that the chip takes for each command, beside what it computes
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    own_time: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match (arguments.job, arguments.card) {
        (
            Some(Job::Blank {
                delivery,
                name,
                out,
                count,
            }),
            _,
        ) => blank::deliver(&name, &delivery, &out, count),
        (None, Some(card)) => serve(&card),
        (None, None) => bail!("nothing to do: see --help"),
    }
}

fn serve(card: &Card) -> Result<()> {
    let control = Control::default();
    let owner = Owner {
        place: Holder::new(open(&card.memory, &control, card.sync)?),
        control,
        sync: card.sync,
    };
    if !card.removed {
        owner.control.insert();
    }
    if let Some(path) = &card.control {
        obey_socket(path, &owner)?;
    }
    let hand = owner.clone();
    // The end of the input ends the orders, not the card.
    thread::spawn(move || answer_lines(stdin().lock(), stdout(), |line| hand.obey(line)));
    let mut chip = Slow::new(owner.place.clone(), Duration::from_millis(card.own_time));
    match (&card.vpcd, &card.pn532) {
        (Some(address), _) => Ok(vpcd::run(&mut chip, address, &owner.control)?),
        (_, Some(address)) => {
            let listener = TcpListener::bind(address).with_context(|| address.clone())?;
            Ok(pn532::run(&mut chip, &listener, &owner.control)?)
        }
        (None, None) => bail!("no reader given: see --help"),
    }
}

fn open(memory: &Path, control: &Control, sync: bool) -> Result<ReferenceCard> {
    ReferenceCard::open(memory, control.writes_fuse(), sync).with_context(|| format!("{}", memory.display()))
}

/// Who holds the cards, and obeys orders about them.
#[derive(Clone)]
struct Owner {
    control: Control,
    place: Holder<ReferenceCard>,
    sync: bool,
}

impl Owner {
    fn obey(&self, line: &str) -> Result<String> {
        let Some(memory) = line.strip_prefix("load ") else {
            return Ok(self.control.obey(line)?);
        };
        let card = open(Path::new(memory.trim()), &self.control, self.sync)?;
        self.control.remove();
        self.place.exchange(card);
        Ok(self.control.obey("status")?)
    }
}

/// Obeys whoever connects, one after the other. A socket that a killed process left behind is replaced.
fn obey_socket(path: &Path, owner: &Owner) -> Result<()> {
    // Missing in the normal case; anything else shows when binding.
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).with_context(|| format!("{}", path.display()))?;
    let hand = owner.clone();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // An owner that hangs up in the middle of a line has given no order.
            let _ = answer_lines(BufReader::new(&connection), &connection, |line| hand.obey(line));
        }
    });
    Ok(())
}
