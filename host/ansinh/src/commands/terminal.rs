//! `ansinh terminal`: terminals at serial ports.

mod certificates;
mod fleet;
mod journal_file;
mod load;
mod lost;
mod operators;
mod provision;
mod scripts;
mod shifts;
mod sync;

use ansinh_keys::SigningKey;
use ansinh_payout::{IssuerKey, time_statement, vietnam_time};
use ansinh_station::terminal_link::TerminalLink;
use ansinh_store::StoreError;
use anyhow::{Context as _, Result};
use card_spec::values::TerminalName;
use clap::{Args, Subcommand};
use link::{Hello, TerminalState};
use serde_json::json;
use tokio_serial::SerialStream;

use super::signing::Signing;
use super::{Options, Refused};

#[derive(Subcommand)]
pub(crate) enum Terminal {
    /// Let a terminal make its keys, certify them and set its clock
    Provision(provision::Provision),
    /// Take in the journal, then send the time and the newest payment list and block list
    Load(load::Load),
    /// Take in the journal: verify, store, acknowledge
    Sync(sync::Sync),
    /// Say who may open shifts at a terminal, and send it there
    #[command(subcommand)]
    Operators(operators::Operators),
    /// Show what each shift at a terminal has paid, handed over and counted
    Shifts(shifts::Shifts),
    /// Write what a terminal has to tell into a file, without its station
    Export(journal_file::Export),
    /// Take in a journal from a file
    Import(journal_file::Import),
    /// Declare a terminal lost or destroyed: others pay its lines
    Lost(lost::Lost),
    /// Show who is at the port
    Status(Status),
}

impl Terminal {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        match self {
            Self::Provision(provision) => provision.run(options),
            Self::Load(load) => load.run(options),
            Self::Sync(sync) => sync.run(options),
            Self::Operators(operators) => operators.run(options),
            Self::Shifts(shifts) => shifts.run(options),
            Self::Export(export) => export.run(options),
            Self::Import(import) => import.run(options),
            Self::Lost(lost) => lost.run(options),
            Self::Status(status) => status.run(options),
        }
    }
}

/// Where the terminal is.
#[derive(Args)]
struct Port {
    /// Serial port of the terminal, as in /dev/ttyUSB0
    #[arg(long)]
    port: String,
}

type Line = TerminalLink<SerialStream>;

/// Opens a port and asks who is there.
fn open(port: &str) -> Result<(Line, Hello)> {
    let mut link = TerminalLink::open(port)?;
    let hello = link.hello()?;
    Ok((link, hello))
}

#[derive(Args)]
#[command(after_help = "\
Example:
  ansinh terminal status --port /dev/ttyUSB0 --json")]
pub(crate) struct Status {
    #[command(flatten)]
    port: Port,
}

impl Status {
    fn run(&self, options: &Options) -> Result<()> {
        let store = options.home().open_store()?;
        let (_, hello) = open(&self.port.port)?;
        let name = hello.name.and_then(TerminalName::from_bytes);
        let stored = match name {
            Some(name) => store.journal_head(name.as_str())?.map_or(0, |head| head.sequence),
            None => 0,
        };
        if options.json {
            let report = json!({
                "terminal": name.map(|name| name.to_string()),
                "state": state_name(hello.state),
                "test": hello.test,
                "firmware": hex::encode(hello.firmware),
                "journal_tail": hello.journal_tail,
                "acknowledged": hello.acknowledged,
                "stored": stored,
                "list_number": hello.list_number,
                "block_list_number": hello.block_list_number,
            });
            println!("{report}");
            return Ok(());
        }
        let test = if hello.test {
            " (THỬ NGHIỆM / TEST)"
        } else {
            ""
        };
        let shown = name.map_or("–".to_owned(), |name| name.to_string());
        println!("Thiết bị / Terminal            {shown}{test}");
        println!("Trạng thái / State             {}", state_text(hello.state));
        println!("Phần mềm / Firmware            {}", hex::encode(hello.firmware));
        println!("Nhật ký / Journal up to        {}", hello.journal_tail);
        println!("  đã xác nhận / acknowledged   {}", hello.acknowledged);
        println!("  trong sổ / in the ledger     {stored}");
        println!("Danh sách chi trả / List       {}", hello.list_number);
        println!("Danh sách khóa / Block list    {}", hello.block_list_number);
        Ok(())
    }
}

fn state_name(state: TerminalState) -> &'static str {
    match state {
        TerminalState::Blank => "blank",
        TerminalState::KeysMade => "keys-made",
        TerminalState::Provisioned => "provisioned",
    }
}

fn state_text(state: TerminalState) -> &'static str {
    match state {
        TerminalState::Blank => "chưa có khóa / blank",
        TerminalState::KeysMade => "chờ chứng thư / waits for certificates",
        TerminalState::Provisioned => "sẵn sàng / provisioned",
    }
}

/// The name of a terminal that has its certificates.
fn provisioned_name(hello: &Hello) -> Result<TerminalName> {
    let name = hello.name.and_then(TerminalName::from_bytes);
    match (hello.state, name) {
        (TerminalState::Provisioned, Some(name)) => Ok(name),
        _ => Err(Refused(
            "thiết bị chưa được cấp chứng thư / the terminal has no certificates yet: ansinh terminal provision --port …"
                .to_owned(),
        )
        .into()),
    }
}

/// The name of a terminal that this station has provisioned. Another station's is to be sent nothing.
fn known_terminal(signing: &Signing, hello: &Hello) -> Result<TerminalName> {
    let name = provisioned_name(hello)?;
    match signing.store.terminal(name.as_str()) {
        Ok(_) => Ok(name),
        Err(StoreError::NotFound { .. }) => Err(Refused(format!(
            "thiết bị {name} không thuộc trạm này / the terminal {name} is not in this station's ledger: nothing was sent to it. Connect it \
             to the station that provisioned it; to take it over, synchronise it there, then here: ansinh terminal provision --anew"
        ))
        .into()),
        Err(error) => Err(error.into()),
    }
}

/// Sets the terminal's clock to the time in Vietnam.
fn set_clock(link: &mut Line, issuer: &IssuerKey<'_, SigningKey>, terminal: TerminalName) -> Result<()> {
    link.set_time(|nonce| -> Result<Vec<u8>> {
        Ok(time_statement(issuer, terminal, nonce, vietnam_time()?)?)
    })
    .context("đồng hồ / clock")
}
