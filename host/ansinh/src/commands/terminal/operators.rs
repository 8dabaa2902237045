//! `ansinh terminal operators`: who may open shifts at a terminal.

use std::path::PathBuf;

use ansinh_payout::operator_list;
use ansinh_store::StoreError;
use ansinh_store::terminal_operators::TerminalOperator;
use anyhow::{Context as _, Result, bail};
use card_spec::operators::{PIN_DIGITS, PinVerifier, Proof, Roles};
use card_spec::values::{CardNumber, TerminalName};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use zeroize::Zeroizing;

use super::certificates::install_issuers;
use super::{Line, Options, Port, Refused, Signing, known_terminal, open, set_clock};

#[derive(Subcommand)]
pub(crate) enum Operators {
    /// Let somebody work at a terminal, or give them another name, PIN, card or roles
    Set(Set),
    /// Let somebody work at a terminal no more
    Remove(Remove),
    /// List who may work at a terminal
    List(List),
    /// Send a terminal its operators, and nothing else; a terminal that has them once opens shifts for nobody else
    Send(Send),
}

/// Roles at a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GivenRole {
    /// Opens shifts and pays.
    Clerk,
    /// Sets the clock where no host is.
    Supervisor,
}

#[derive(Args)]
#[command(after_help = "\
The operator types the PIN, 6 to 12 digits, twice; of it the ledger and the terminal keep only what it is compared with. Whoever gets
hold of either can search for a short PIN within seconds: it protects a counter, not a stolen terminal. With --card there is no such PIN:
the operator taps that card, any active one of this ledger, for instance her own, and types its PIN; the card counts three wrong tries.
A card that is blocked or replaced opens nothing any more: set another one. The terminal learns of the change by
`ansinh terminal operators send`, and at `ansinh terminal load`.

Examples:
  ansinh terminal operators set --terminal VNT0000001 --number 7 --name lan --role clerk
  ansinh terminal operators set --terminal VNT0000001 --number 8 --name hoa --role supervisor --card 7900000000000429")]
pub(crate) struct Set {
    /// The terminal
    #[arg(long)]
    terminal: TerminalName,
    /// What is typed where there are digits only, 1 to 9999
    #[arg(long)]
    number: u16,
    /// 1 to 11 letters, digits, dots, hyphens, not digits alone; orders and journal state it
    #[arg(long)]
    name: String,
    /// What the operator may do; may be given several times
    #[arg(long, value_name = "ROLE", required = true, value_enum)]
    role: Vec<GivenRole>,
    /// Read the PIN from this file instead of the keyboard
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
    /// The operator has no PIN here, but this card: an active one of this ledger, and of no other operator of the terminal
    #[arg(long, value_name = "NUMBER", conflicts_with = "pin_file")]
    card: Option<CardNumber>,
}

#[derive(Args)]
pub(crate) struct Remove {
    /// The terminal
    #[arg(long)]
    terminal: TerminalName,
    /// The operator's number
    #[arg(long)]
    number: u16,
}

#[derive(Args)]
pub(crate) struct List {
    /// The terminal
    #[arg(long)]
    terminal: TerminalName,
}

#[derive(Args)]
#[command(after_help = "\
An open shift ends; its operator opens it again with PIN or card. What the terminal has already is not sent again.

Example:
  ansinh terminal operators send --port /dev/ttyUSB0")]
pub(crate) struct Send {
    #[command(flatten)]
    port: Port,
}

impl Operators {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        match self {
            Self::Set(set) => set.run(options),
            Self::Remove(remove) => remove.run(options),
            Self::List(list) => list.run(options),
            Self::Send(send) => send.run(options),
        }
    }
}

impl Set {
    fn run(&self, options: &Options) -> Result<()> {
        let store = options.home().open_store()?;
        let actor = options.actor(&store)?;
        let proof = match self.card {
            Some(card) => Proof::Card(card),
            None => Proof::Pin(self.verifier()?),
        };
        let operator = TerminalOperator {
            number: self.number,
            name: self.name.clone(),
            roles: self.roles()?,
            proof,
        };
        store.set_terminal_operator(&actor, self.terminal.as_str(), &operator)?;
        report(options, self.terminal, &operator);
        Ok(())
    }

    fn verifier(&self) -> Result<PinVerifier> {
        let pin = self.pin()?;
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)
            .context("the operating system's random source failed; nothing was changed")?;
        let Some(pin) = PinVerifier::new(pin.trim().as_bytes(), salt) else {
            bail!(
                "mã PIN phải có {} đến {} chữ số / a PIN has {0} to {1} digits; nothing was changed",
                PIN_DIGITS.start(),
                PIN_DIGITS.end()
            );
        };
        Ok(pin)
    }

    fn pin(&self) -> Result<Zeroizing<String>> {
        if let Some(path) = &self.pin_file {
            let text = std::fs::read_to_string(path);
            return Ok(Zeroizing::new(
                text.with_context(|| format!("{}: cannot be read", path.display()))?,
            ));
        }
        let typed = dialoguer::Password::new()
            .with_prompt("PIN của người trả, 6 đến 12 chữ số / Operator's PIN, 6 to 12 digits")
            .with_confirmation("Nhập lại / Once more", "Hai lần nhập khác nhau / The two differ")
            .interact()
            .context("no terminal to ask for the PIN: use --pin-file")?;
        Ok(Zeroizing::new(typed))
    }

    fn roles(&self) -> Result<Roles> {
        let bits = self.role.iter().map(|role| match role {
            GivenRole::Clerk => Roles::CLERK,
            GivenRole::Supervisor => Roles::SUPERVISOR,
        });
        Roles::from_byte(bits.fold(0, |roles, role| roles | role)).context("no role was given")
    }
}

impl Remove {
    fn run(&self, options: &Options) -> Result<()> {
        let store = options.home().open_store()?;
        let actor = options.actor(&store)?;
        let removed = store.remove_terminal_operator(&actor, self.terminal.as_str(), self.number);
        if let Err(StoreError::WrongState { .. }) = removed {
            return Err(Refused(format!(
                "{0} {1}: người cuối cùng, thiết bị sẽ giữ danh sách cũ / is the last operator, and the terminal would keep the list it has; nothing was changed. Set another one first (ansinh terminal operators set)",
                self.terminal, self.number
            ))
            .into());
        }
        removed?;
        if options.json {
            println!(
                "{}",
                json!({ "terminal": self.terminal.as_str(), "removed": self.number })
            );
        } else {
            println!("Đã bỏ / Removed: {} {}", self.terminal, self.number);
        }
        Ok(())
    }
}

impl List {
    fn run(&self, options: &Options) -> Result<()> {
        let store = options.home().open_store()?;
        for operator in store.terminal_operators(self.terminal.as_str())? {
            report(options, self.terminal, &operator);
        }
        Ok(())
    }
}

fn report(options: &Options, terminal: TerminalName, operator: &TerminalOperator) {
    let mut roles = Vec::new();
    if operator.roles.has(Roles::CLERK) {
        roles.push("clerk");
    }
    if operator.roles.has(Roles::SUPERVISOR) {
        roles.push("supervisor");
    }
    let card = match operator.proof {
        Proof::Pin(_) => None,
        Proof::Card(number) => Some(number.to_string()),
    };
    if options.json {
        let line = json!({
            "terminal": terminal.as_str(),
            "number": operator.number,
            "name": operator.name,
            "roles": roles,
            "card": card,
        });
        println!("{line}");
        return;
    }
    let proof = card.map_or_else(|| "PIN".to_owned(), |number| format!("thẻ / card {number}"));
    println!(
        "{terminal}  {:>4}  {:20}  {:17}  {proof}",
        operator.number,
        operator.name,
        roles.join(", ")
    );
}

impl Send {
    fn run(&self, options: &Options) -> Result<()> {
        let signing = Signing::open(options)?;
        let (mut link, hello) = open(&self.port.port)?;
        let terminal = known_terminal(&signing, &hello)?;
        install_issuers(&mut link, &signing)?;
        set_clock(&mut link, &signing.issuer()?, terminal)?;
        let number = send(&mut link, &signing, terminal)?;
        if options.json {
            println!(
                "{}",
                json!({ "terminal": terminal.as_str(), "operator_list": number })
            );
        } else {
            println!("Thiết bị / Terminal {terminal}: danh sách người trả / operators, list {number}");
        }
        Ok(())
    }
}

/// Sends what the ledger has; gives the list's number.
fn send(link: &mut Line, signing: &Signing, terminal: TerminalName) -> Result<u32> {
    let list = operator_list(&signing.store, &signing.actor, &signing.issuer()?, terminal)?;
    link.load_operators(&list.object)
        .context("danh sách người trả / operators")?;
    Ok(list.number)
}

/// Brings a terminal for which operators were set to the newest list; one without stays without.
pub(super) fn renew(link: &mut Line, signing: &Signing, terminal: TerminalName) -> Result<Option<u32>> {
    if signing.store.terminal_operators(terminal.as_str())?.is_empty() {
        return Ok(None);
    }
    send(link, signing, terminal).map(Some)
}
