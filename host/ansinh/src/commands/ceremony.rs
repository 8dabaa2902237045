//! `ansinh ceremony`: the keys of a country and its provinces, made and certified by people who watch each other.

mod backup;
mod root;
mod station;

use std::path::PathBuf;

use ansinh_keys::{Passphrase, Role, TokenPin};
use ansinh_station::ceremony::station::{Wanted, WantedToken};
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};

use super::{Options, read_input};

#[derive(Subcommand)]
#[command(after_help = "\
host/CEREMONY.md says who does what, in which room, with whom watching. In short:

At the root, offline, by three people:
  ansinh ceremony root --root /media/root --people 3
At a new station, with the root's certificate on a stick:
  ansinh ceremony station --store /srv/ansinh --root-certificate root.cvc --province 79 --operator lan
  ansinh ceremony request --role issuer --out issuer.request
At the root:
  ansinh ceremony sign issuer.request --root /media/root --people 3 --out issuer.cvc
At the station:
  ansinh ceremony accept issuer.cvc
  ansinh ceremony backup --out /media/backup")]
pub(crate) enum Ceremony {
    /// Make a root: its key, sealed under the passphrases of several people, and its certificate
    Root(root::MakeRoot),
    /// At the root: look at a request, compare its fingerprint, sign its certificate
    Sign(root::Sign),
    /// Set up a station below a root that is elsewhere: card master keys and an empty ledger
    Station(station::NewStation),
    /// Make a key and a request for its certificate
    Request(station::Request),
    /// Make a new key and a request, with cards in the field; the present key works on until the certificate is accepted
    Rekey(station::Rekey),
    /// Take in the certificate for a request; from then on its key signs
    Accept(station::Accept),
    /// Seal another PIN, after a token's PIN was changed with the token's own tool
    Pin(station::Pin),
    /// Copy the station's keys and open each key of the copy
    Backup(backup::Backup),
    /// Check a backup and put it in the place of the station's keys
    Restore(backup::Restore),
}

impl Ceremony {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        match self {
            Self::Root(root) => root.run(options),
            Self::Sign(sign) => sign.run(options),
            Self::Station(station) => station.run(options),
            Self::Request(request) => request.run(options),
            Self::Rekey(rekey) => rekey.run(options),
            Self::Accept(accept) => accept.run(options),
            Self::Pin(pin) => pin.run(options),
            Self::Backup(backup) => backup.run(options),
            Self::Restore(restore) => restore.run(options),
        }
    }
}

/// Roles of keys that a station has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StationRole {
    /// Provincial issuer: cards, payment lists, block lists
    Issuer,
    /// National terminal CA
    TerminalCa,
}

impl From<StationRole> for Role {
    fn from(role: StationRole) -> Self {
        match role {
            StationRole::Issuer => Self::Issuer,
            StationRole::TerminalCa => Self::TerminalCa,
        }
    }
}

/// Where a new key is to live.
#[derive(Args)]
struct Place {
    /// PKCS#11 library of the token that is to hold the new key; default: a sealed file
    #[arg(long, value_name = "FILE", requires = "token")]
    module: Option<PathBuf>,
    /// Label of the token
    #[arg(long, value_name = "LABEL", requires = "module")]
    token: Option<String>,
    /// Label of the new key in the token; default: its name
    #[arg(long, value_name = "LABEL", requires = "token")]
    object: Option<String>,
    /// File that holds the token's PIN, and nothing else; default: a prompt
    #[arg(long, value_name = "FILE", requires = "token")]
    pin_file: Option<PathBuf>,
}

impl Place {
    fn wanted(&self) -> Result<Wanted> {
        let (Some(module), Some(token)) = (&self.module, &self.token) else {
            return Ok(Wanted::Sealed);
        };
        Ok(Wanted::Token(WantedToken {
            module: module.clone(),
            token: token.clone(),
            object: self.object.clone(),
            pin: token_pin(self.pin_file.as_deref())?,
        }))
    }
}

/// A token's PIN, from a file or typed.
fn token_pin(file: Option<&std::path::Path>) -> Result<TokenPin> {
    if let Some(path) = file {
        return Ok(TokenPin::new(secret_text(path)?));
    }
    let typed = dialoguer::Password::new()
        .with_prompt("Mã PIN của thiết bị giữ khóa / PIN of the token")
        .interact()
        .context("no terminal to ask for the token's PIN: use --pin-file")?;
    Ok(TokenPin::new(typed))
}

fn secret_text(path: &std::path::Path) -> Result<String> {
    let content = read_input(path)?;
    let text = str::from_utf8(&content).with_context(|| format!("{}: not text", path.display()))?;
    Ok(text.to_owned())
}

/// The passphrases of the people who keep the root.
#[derive(Args)]
struct People {
    /// How many people have a passphrase each; all of them are needed, in the same order
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u8).range(1..=9))]
    people: u8,
    /// File with one person's passphrase; given once for each, in their order; default: each types it unseen by the others
    #[arg(long, value_name = "FILE")]
    part_file: Vec<PathBuf>,
}

impl People {
    fn existing(&self) -> Result<Passphrase> {
        self.join(|number| {
            dialoguer::Password::new()
                .with_prompt(format!(
                    "Mật khẩu của người thứ {number} / Passphrase of person {number}"
                ))
                .interact()
        })
    }

    /// Each types twice: one typing error would lock the root for ever.
    fn new_ones(&self) -> Result<Passphrase> {
        self.join(|number| {
            dialoguer::Password::new()
                .with_prompt(format!(
                    "Mật khẩu mới của người thứ {number} / New passphrase of person {number}"
                ))
                .with_confirmation("Nhập lại / Once more", "Hai lần nhập khác nhau / The two differ")
                .interact()
        })
    }

    fn join(&self, ask: impl Fn(u8) -> dialoguer::Result<String>) -> Result<Passphrase> {
        let mut parts = Vec::new();
        if self.part_file.is_empty() {
            for number in 1..=self.people {
                let typed = ask(number).context("no terminal to ask for passphrases: use --part-file")?;
                parts.push(Passphrase::new(typed));
            }
        }
        for path in &self.part_file {
            parts.push(Passphrase::new(secret_text(path)?));
        }
        for part in &parts {
            part.check_for_new_key()?;
        }
        Ok(Passphrase::of_several(&parts))
    }
}
