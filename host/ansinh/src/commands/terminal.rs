//! `ansinh terminal`: terminals at a serial port.

mod provision;
mod sync;

use ansinh_keys::{Role, SigningKey};
use ansinh_payout::{IssuerKey, WholeBlockList, issuer_certificates, time_statement, vietnam_time};
use ansinh_reference::today;
use ansinh_station::terminal_link::{LinkError, TerminalLink};
use ansinh_store::StoreError;
use ansinh_store::lists::PaymentList;
use anyhow::{Context as _, Result};
use card_spec::values::TerminalName;
use clap::{Args, Subcommand};
use link::{Hello, TerminalState};
use serde_json::json;
use tokio_serial::SerialStream;

use super::init::date;
use super::signing::Signing;
use super::{Options, Refused};

#[derive(Subcommand)]
pub(crate) enum Terminal {
    /// Let a terminal make its keys, certify them and set its clock
    Provision(provision::Provision),
    /// Take in the journal, then send the time and the newest payment list and block list
    Load(Load),
    /// Take in the journal: verify, store, acknowledge
    Sync(sync::Sync),
    /// Show who is at the port
    Status(Status),
}

impl Terminal {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        match self {
            Self::Provision(provision) => provision.run(options),
            Self::Load(load) => load.run(options),
            Self::Sync(sync) => sync.run(options),
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

impl Port {
    fn open(&self) -> Result<(Line, Hello)> {
        let mut link = TerminalLink::open(&self.port)?;
        let hello = link.hello()?;
        Ok((link, hello))
    }
}

#[derive(Args)]
#[command(after_help = "\
First the journal is taken in, as by `terminal sync`: nothing is loaded if it does not verify. What is in force already is not
sent again. A terminal pays nothing without a block list of the last 35 days.

Example:
  ansinh terminal load --port /dev/ttyUSB0")]
pub(crate) struct Load {
    #[command(flatten)]
    port: Port,
}

impl Load {
    fn run(&self, options: &Options) -> Result<()> {
        let signing = Signing::open(options)?;
        let (mut link, hello) = self.port.open()?;
        let terminal = known_terminal(&signing, &hello)?;
        install_issuers(&mut link, &signing)?;
        set_clock(&mut link, &signing.issuer()?, terminal)?;
        // A new list comes into force over payments that the ledger knows.
        let synchronised = sync::synchronise(&mut link, &signing, terminal, &hello)?;
        synchronised.demand_paid_once()?;
        let block_list = load_block_list(&mut link, &signing, &hello)?;
        let list = load_list(&mut link, &signing, &hello, terminal)?;
        signing
            .store
            .log_operation(&signing.actor, "terminal-loaded", terminal.as_str())?;
        report_load(
            options,
            terminal,
            synchronised.taken.stored,
            list.as_ref(),
            block_list,
        );
        Ok(())
    }
}

/// Brings the terminal to the newest block list: by what changed since the one that it holds, or with all entries.
fn load_block_list(link: &mut Line, signing: &Signing, hello: &Hello) -> Result<Option<u32>> {
    let Some(newest) = WholeBlockList::newest(&signing.store)? else {
        return Ok(None);
    };
    if newest.number() > hello.block_list_number {
        let sent = match WholeBlockList::numbered(&signing.store, hello.block_list_number)? {
            Some(held) => load_changes(link, &newest, &held)?,
            None => false,
        };
        if !sent {
            link.load_block_list(newest.number(), newest.header(), &newest.entries()?)
                .context("danh sách khóa / block list")?;
        }
    }
    Ok(Some(newest.number()))
}

/// Says whether the terminal has the newest list now. One that takes no changes, or holds another list under the number, is to get
/// all entries.
fn load_changes(link: &mut Line, newest: &WholeBlockList, held: &WholeBlockList) -> Result<bool> {
    let Some(changes) = newest.changes_since(held)? else {
        return Ok(false);
    };
    match link.load_block_delta(newest.number(), newest.header(), held.hash(), &changes) {
        Err(LinkError::Refused(_)) => Ok(false),
        loaded => loaded.map(|()| true).context("danh sách khóa / block list"),
    }
}

fn load_list(
    link: &mut Line,
    signing: &Signing,
    hello: &Hello,
    terminal: TerminalName,
) -> Result<Option<PaymentList>> {
    let mut lists = signing.store.payment_lists()?.into_iter();
    let newest = lists.rfind(|list| list.terminal == terminal.as_str());
    if let Some(list) = &newest
        && list.number > hello.list_number
    {
        link.load_list(list.number, &list.header, &list.lines)
            .context("danh sách chi trả / payment list")?;
    }
    Ok(newest)
}

fn report_load(
    options: &Options,
    terminal: TerminalName,
    entries: u64,
    list: Option<&PaymentList>,
    block_list: Option<u32>,
) {
    let lines = list.map_or(0, |list| list.lines.len());
    if options.json {
        let report = json!({
            "terminal": terminal.as_str(),
            "list": list.map(|list| &list.list_id),
            "list_number": list.map(|list| list.number),
            "lines": lines,
            "block_list_number": block_list,
        });
        println!("{report}");
        return;
    }
    println!("Thiết bị / Terminal {terminal}: đã đặt giờ / clock set");
    println!("  mục nhật ký mới / new journal entries {entries}");
    match list {
        Some(list) => println!(
            "  danh sách chi trả / payment list {}, {lines} dòng / lines",
            list.list_id
        ),
        None => println!("  chưa có danh sách chi trả / no payment list yet: ansinh list make …"),
    }
    match block_list {
        Some(number) => println!("  danh sách khóa / block list {number}"),
        None => println!(
            "  chưa có danh sách khóa, thiết bị sẽ không chi trả / no block list yet, so it will not pay: ansinh block publish"
        ),
    }
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
        let (_, hello) = self.port.open()?;
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

/// The certificates of all keys of the issuer that are valid today, concatenated: cards of each may be in the field.
fn valid_issuers(signing: &Signing) -> Result<Vec<u8>> {
    let issuer = signing.station.reference(Role::Issuer)?;
    let certificates = issuer_certificates(&signing.store, issuer, date(today())?)?;
    Ok(certificates.concat())
}

/// Lets the terminal know the issuer's keys: the newest signs what comes next. What it holds already changes nothing.
fn install_issuers(link: &mut Line, signing: &Signing) -> Result<()> {
    link.install(&valid_issuers(signing)?)
        .context("chứng thư nơi cấp / issuer's certificates")
}

/// Sets the terminal's clock to the time in Vietnam.
fn set_clock(link: &mut Line, issuer: &IssuerKey<'_, SigningKey>, terminal: TerminalName) -> Result<()> {
    link.set_time(|nonce| -> Result<Vec<u8>> {
        Ok(time_statement(issuer, terminal, nonce, vietnam_time()?)?)
    })
    .context("đồng hồ / clock")
}
