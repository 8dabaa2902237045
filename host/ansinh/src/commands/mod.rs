//! The command line: what all subcommands share. Each subcommand is a file of its own beside this one.

mod batch;
mod block;
mod card;
mod ceremony;
mod completion;
mod delivery;
mod export;
mod handover;
mod import;
mod init;
mod issue;
mod list;
mod operations;
mod operator;
mod person;
mod reference;
mod replacement;
mod serve;
mod signing;
mod stock;
mod store;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ansinh_console::call::{Call, run_here};
use ansinh_console::client::{Client, ClientError};
use ansinh_console::presence;
use ansinh_console::refusal::{Code, Refusal};
use ansinh_console::service::Service;
use ansinh_keys::{KeyError, Passphrase};
use ansinh_station::delivery::DeliveryError;
use ansinh_station::home::Home;
use ansinh_store::operators::{Actor, Token};
use ansinh_store::{Store, StoreError};
use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use zeroize::Zeroizing;

const ABOUT: &str =
    "Issues electronic social security cards and runs the terminals that pay benefits against them.";

const AFTER_HELP: &str = "\
A station from nothing:
  ansinh init --province 79 --operator lan --new-token-file lan.token
  ansinh operator add minh --role approver --new-token-file minh.token
  ansinh delivery add 2026-11-A.json
  ansinh import danh-sach-11-2026.csv --dry-run
  ansinh import danh-sach-11-2026.csv
  ansinh batch draft --everybody --title 'November 2026' --quota 200
  ansinh batch approve 1                       (by another officer)
  ansinh issue --all-readers

A month of payment:
  ansinh terminal provision --port /dev/ttyUSB0
  ansinh list make --period 202611 --terminal VNT0000001 --pay-point BD-26734
  ansinh block publish
  ansinh terminal load --port /dev/ttyUSB0
  ansinh terminal sync --port /dev/ttyUSB0
  ansinh terminal sync --all --watch          (each terminal that is plugged in)
  ansinh export --out audit-2026-11

Who acts is known by an operator's token, from --token-file, else from the environment variable ANSINH_TOKEN, else from a
prompt. The passphrase of the keys comes from --passphrase-file, else from ANSINH_PASSPHRASE, else from a prompt.

While `ansinh serve` runs for the station, operator, batch, import, delivery, block, list, issue, stock, person, operations, handover
(but for its papers), card replace and card expiring are calls to it, or to the one that --server names; it has the keys then, and
nobody is asked for their passphrase. All other commands work on the station's own folder, beside the service: init and ceremony make
its keys, terminal needs the serial line of this computer, and the rest reads or writes files.

Exit codes: 0 done; 1 failed (the message says what to do); 2 wrong use of the command line; 3 issuing is not complete;
65 the data given was refused and nothing was changed; 77 a key does not open, or the operator may not do this.";

#[derive(Parser)]
#[command(name = "ansinh", version, about = ABOUT, after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

/// Options of every subcommand.
#[derive(Args)]
pub(crate) struct Options {
    /// Folder of the station: keys, certificates, ledger
    #[arg(
        long,
        value_name = "DIR",
        env = "ANSINH_HOME",
        default_value = "ansinh-station",
        global = true
    )]
    store: PathBuf,
    /// File that holds the passphrase of the keys, and nothing else
    #[arg(long, value_name = "FILE", global = true)]
    passphrase_file: Option<PathBuf>,
    /// File that holds your operator's token, and nothing else
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) token_file: Option<PathBuf>,
    /// Print the result as JSON on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The service to call; default: the one that runs for the station, if one does
    #[arg(long, value_name = "URL", env = "ANSINH_SERVER", global = true)]
    server: Option<String>,
    /// Certificate of that service or of its authority, PEM
    #[arg(long, value_name = "FILE", env = "ANSINH_SERVER_CERTIFICATE", global = true)]
    server_certificate: Option<PathBuf>,
}

impl Options {
    /// The station's folder.
    pub(crate) fn home(&self) -> Home {
        Home::new(&self.store)
    }

    /// Who acts: whoever holds the token given.
    pub(crate) fn actor(&self, store: &Store) -> Result<Actor> {
        Ok(store.authenticate(&self.token()?)?)
    }

    /// Makes a call: to the service if one runs for the station, else in this process.
    pub(crate) fn call<C: Call>(&self, call: C) -> Result<C::Answer> {
        if let Some(client) = self.client()? {
            return Ok(client.call(&call)?);
        }
        Ok(run_here(&self.service()?, &self.token()?, call)?)
    }

    /// The station, opened in this process.
    pub(crate) fn service(&self) -> Result<Service> {
        let file = self.passphrase_file.clone();
        Service::open(self.home(), move || passphrase(file.as_deref()))
    }

    /// The service that runs for the station, or the one that was named.
    pub(crate) fn client(&self) -> Result<Option<Client>> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))
        };
        let certificate = self.server_certificate.as_ref().map(read).transpose()?;
        if let Some(url) = &self.server {
            return Ok(Some(Client::new(url, certificate.as_deref(), self.token()?)?));
        }
        let Some(found) = presence::find(&self.home())? else {
            return Ok(None);
        };
        Ok(Some(Client::new(
            &found.url,
            certificate.or(found.certificate).as_deref(),
            self.token()?,
        )?))
    }

    fn token(&self) -> Result<Token> {
        if let Some(path) = &self.token_file {
            let text = Zeroizing::new(
                std::fs::read_to_string(path)
                    .with_context(|| format!("{}: cannot be read", path.display()))?,
            );
            return Ok(Token::new(&text));
        }
        if let Ok(text) = std::env::var("ANSINH_TOKEN") {
            return Ok(Token::new(&Zeroizing::new(text)));
        }
        let typed = dialoguer::Password::new()
            .with_prompt("Mã cán bộ / Operator's token")
            .interact()
            .context("no terminal to ask for the operator's token: use --token-file or ANSINH_TOKEN")?;
        Ok(Token::new(&Zeroizing::new(typed)))
    }

    /// The passphrase of existing keys.
    pub(crate) fn passphrase(&self) -> Result<Passphrase> {
        passphrase(self.passphrase_file.as_deref())
    }

    /// The passphrase for new keys, typed twice, since a typing error would lock the keys for ever.
    pub(crate) fn new_passphrase(&self) -> Result<Passphrase> {
        let passphrase = match given_passphrase(self.passphrase_file.as_deref())? {
            Some(given) => given,
            None => Passphrase::new(
                dialoguer::Password::new()
                    .with_prompt("Đặt mật khẩu cho khóa / New passphrase of the keys")
                    .with_confirmation("Nhập lại / Once more", "Hai lần nhập khác nhau / The two differ")
                    .interact()
                    .context(
                        "no terminal to ask for the passphrase: use --passphrase-file or ANSINH_PASSPHRASE",
                    )?,
            ),
        };
        passphrase.check_for_new_key()?;
        Ok(passphrase)
    }
}

fn passphrase(file: Option<&Path>) -> Result<Passphrase> {
    if let Some(given) = given_passphrase(file)? {
        return Ok(given);
    }
    let typed = dialoguer::Password::new()
        .with_prompt("Mật khẩu của khóa / Passphrase of the keys")
        .interact()
        .context("no terminal to ask for the passphrase: use --passphrase-file or ANSINH_PASSPHRASE")?;
    Ok(Passphrase::new(typed))
}

fn given_passphrase(file: Option<&Path>) -> Result<Option<Passphrase>> {
    if let Some(path) = file {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        return Ok(Some(Passphrase::new(text)));
    }
    Ok(std::env::var("ANSINH_PASSPHRASE").ok().map(Passphrase::new))
}

#[derive(Subcommand)]
enum Command {
    /// Set up a station: root, provincial issuer and terminal CA keys, certificates, ledger
    Init(init::Init),
    /// Keys under several people: root offline, requests, certificates, new keys, backup
    #[command(subcommand)]
    Ceremony(ceremony::Ceremony),
    /// Name operators, give and take their tokens
    #[command(subcommand)]
    Operator(operator::Operator),
    /// Draft and approve batches: who is to get a card
    #[command(subcommand)]
    Batch(batch::Batch),
    /// Register deliveries of blank cards
    #[command(subcommand)]
    Delivery(delivery::Delivery),
    /// Take in an approved list of beneficiaries
    Import(import::Import),
    /// Personalize a card for everybody who waits, in several readers at once
    Issue(issue::Issue),
    /// Make payment lists for terminals
    #[command(subcommand)]
    List(list::List),
    /// Block cards and publish the block list
    #[command(subcommand)]
    Block(block::Block),
    /// Serve issued cards in the reader: show, new PIN, block, unblock, update, close for ever
    #[command(subcommand)]
    Card(card::Card),
    /// Record where issued cards are; write handover sheets and the printer's file
    #[command(subcommand)]
    Handover(handover::Handover),
    /// Show and check the log of who did what
    #[command(subcommand)]
    Operations(operations::Operations),
    /// Show the stock of blank cards, write blanks off
    #[command(subcommand)]
    Stock(stock::Stock),
    /// Somebody's cards; deaths, changed and merged numbers of persons
    #[command(subcommand)]
    Person(person::Person),
    /// Provision, load, synchronise terminals over a serial line
    #[command(subcommand)]
    Terminal(terminal::Terminal),
    /// Write every signed object as files that others can check with their own tools
    Export(export::Export),
    /// Copy the ledger while it is in use, make one from a copy, look for damage
    #[command(subcommand)]
    Store(store::Ledger),
    /// Show, check, install and sign reference data: codes, rates, deadlines
    #[command(subcommand)]
    Reference(reference::Reference),
    /// Serve the calls of all these commands over HTTP, all day
    Serve(serve::Serve),
    /// Print a completion script for a shell
    Completion(completion::Completion),
}

/// Data that was given was refused; the reasons were printed already.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

/// Parses the command line, runs the subcommand, prints the error, if any.
pub(crate) fn run() -> ExitCode {
    let Cli { options, command } = Cli::parse();
    let result = match command {
        Command::Init(init) => init.run(&options),
        Command::Ceremony(ceremony) => ceremony.run(&options),
        Command::Operator(operator) => operator.run(&options),
        Command::Batch(batch) => batch.run(&options),
        Command::Delivery(delivery) => delivery.run(&options),
        Command::Import(import) => import.run(&options),
        Command::Issue(issue) => issue.run(&options),
        Command::List(list) => list.run(&options),
        Command::Block(block) => block.run(&options),
        Command::Card(card) => card.run(&options),
        Command::Handover(handover) => handover.run(&options),
        Command::Operations(operations) => operations.run(&options),
        Command::Stock(stock) => stock.run(&options),
        Command::Person(person) => person.run(&options),
        Command::Terminal(terminal) => terminal.run(&options),
        Command::Export(export) => export.run(&options),
        Command::Store(ledger) => ledger.run(&options),
        Command::Reference(reference) => reference.run(&options),
        Command::Serve(serve) => serve.run(&options),
        Command::Completion(completion) => completion.run::<Cli>(),
    };
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    eprintln!("ansinh: {error:#}");
    ExitCode::from(exit_code(&error))
}

/// sysexits.h where it fits: 65 EX_DATAERR, 77 EX_NOPERM.
fn exit_code(error: &anyhow::Error) -> u8 {
    let locked = matches!(
        error.downcast_ref(),
        Some(
            KeyError::WrongPassphrase { .. }
                | KeyError::WrongPin { .. }
                | KeyError::FinalPinTry { .. }
                | KeyError::PinLocked { .. }
        )
    );
    if locked {
        return 77;
    }
    if let Some(StoreError::NotAllowed { .. } | StoreError::FourEyes { .. } | StoreError::UnknownToken) =
        error.downcast_ref()
    {
        return 77;
    }
    if let Some(refusal) = refusal(error) {
        return match (refusal.status, refusal.code) {
            (401 | 403, _) | (_, Code::Keys) => 77,
            (400 | 413 | 422, _) => 65,
            _ => 1,
        };
    }
    if error.is::<Refused>() || error.is::<DeliveryError>() {
        return 65;
    }
    if error.is::<issue::Incomplete>() {
        return issue::Incomplete::EXIT_CODE;
    }
    1
}

/// What a call was refused with, here or by the service.
fn refusal(error: &anyhow::Error) -> Option<&Refusal> {
    match error.downcast_ref() {
        Some(ClientError::Refused(refusal)) => Some(refusal),
        _ => error.downcast_ref(),
    }
}

/// Reads a file given on the command line; wiped after use, because it may hold keys or personal data.
pub(crate) fn read_input(path: &std::path::Path) -> Result<Zeroizing<Vec<u8>>> {
    std::fs::read(path)
        .map(Zeroizing::new)
        .with_context(|| format!("{}: cannot be read", path.display()))
}
