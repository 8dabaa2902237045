//! An issuance station: its folder, and an operator who types `ansinh` commands.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ansinh_keys::{Passphrase, Role, SigningKey};
use ansinh_station::home::Home;
use anyhow::{Context, Result, bail, ensure};
use card_spec::certificate::{Certificate, Request};
use card_spec::signed::{Signed, sign};
use serde_json::Value;

use crate::programs::program;
use crate::witnesses;

/// Prints a card's PIN as the holder has chosen it: in this demonstration, the six digits before the last of the number.
///
/// `ansinh issue` calls it for each card; no file holds PINs.
const PIN_COMMAND: &str = "printf '%s' \"$ANSINH_CARD_NUMBER\" | cut -c10-15";

/// The PIN that the holder of a card has chosen in this demonstration.
#[must_use]
pub fn pin_of(card_number: &str) -> &str {
    card_number.get(9..15).unwrap_or_default()
}

/// A station.
#[derive(Debug)]
pub struct Station {
    folder: PathBuf,
    passphrase: String,
    /// The token of the officer who does everything but approve.
    officer: String,
    /// The token of the one who approves.
    approver: String,
}

impl Station {
    /// Sets up a station with TEST keys under a random passphrase.
    ///
    /// # Errors
    /// What `ansinh init` says.
    pub fn set_up(folder: PathBuf, province: &str) -> Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        let mut station = Self {
            folder,
            passphrase: hex::encode(random),
            officer: String::new(),
            approver: String::new(),
        };
        let said = station.run(&[
            "init",
            "--province",
            province,
            "--operator",
            "lan",
            "--test",
            "--json",
        ])?;
        station.officer = token(&said)?;
        let said = station.run(&["operator", "add", "minh", "--role", "approver", "--json"])?;
        station.approver = token(&said)?;
        Ok(station)
    }

    /// The station's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// An `ansinh` command of this station, not started.
    ///
    /// # Errors
    /// When the program was not built.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(program("ansinh")?);
        command
            .args(arguments)
            .arg("--store")
            .arg(&self.folder)
            .env("ANSINH_PASSPHRASE", &self.passphrase)
            .env("ANSINH_TOKEN", &self.officer)
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Runs a command that must succeed; returns its standard output.
    ///
    /// # Errors
    /// What the command said when it failed.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self.output(arguments)?;
        ensure!(
            output.status.success(),
            "ansinh {}: {}\n{}{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs a command that must succeed, with `--json`; returns what it reports.
    ///
    /// # Errors
    /// What the command said when it failed, or output that is not JSON.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.run(&[arguments, &["--json"]].concat())?;
        serde_json::from_str(&output).with_context(|| format!("ansinh {}: {output}", arguments.join(" ")))
    }

    /// One officer drafts a batch of everybody who waits; another one approves it.
    ///
    /// # Errors
    /// What a command said when it failed.
    pub fn approve_everybody(&self) -> Result<()> {
        let draft = [
            "batch",
            "draft",
            "--everybody",
            "--title",
            "everybody who waits",
            "--quota",
            "1000",
        ];
        let number = self.json(&draft)?["number"].to_string();
        let refused = self.refused(&["batch", "approve", &number])?;
        ensure!(
            refused.contains("another officer"),
            "one officer alone: {refused}"
        );
        let approved = self
            .command(&["batch", "approve", &number])?
            .env("ANSINH_TOKEN", &self.approver)
            .output()?;
        ensure!(
            approved.status.success(),
            "ansinh batch approve: {}",
            String::from_utf8_lossy(&approved.stderr)
        );
        Ok(())
    }

    /// Runs a command that must be refused; returns everything it said.
    ///
    /// # Errors
    /// When it succeeds.
    pub fn refused(&self, arguments: &[&str]) -> Result<String> {
        let output = self.output(arguments)?;
        if output.status.success() {
            bail!("ansinh {} was not refused", arguments.join(" "));
        }
        let said = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    fn output(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.command(arguments)?.output()?)
    }

    /// `ansinh issue` for the readers given, reporting one JSON object a card on its standard output.
    ///
    /// # Errors
    /// When the program was not built.
    pub fn issue_command(&self, readers: &[&str]) -> Result<Command> {
        let mut command = self.command(&["issue", "--json", "--pin-command", PIN_COMMAND])?;
        for reader in readers {
            command.args(["--reader", reader]);
        }
        Ok(command)
    }

    /// Gives the issuer a new key, as host/CEREMONY.md has it; the TEST station keeps its root beside it. Returns the new
    /// issuer's name.
    ///
    /// # Errors
    /// What a command said when it failed, or of the root's key.
    pub fn change_issuer_key(&self) -> Result<String> {
        let request = self.folder.with_file_name("issuer.request");
        let certificate = self.folder.with_file_name("issuer.cvc");
        let out = request.to_string_lossy();
        self.run(&["ceremony", "rekey", "--role", "issuer", "--out", &out])?;
        std::fs::write(&certificate, self.certify_issuer(&std::fs::read(&request)?)?)?;
        let accepted = self.json(&["ceremony", "accept", &certificate.to_string_lossy()])?;
        Ok(accepted["holder"].as_str().context("no holder")?.to_owned())
    }

    /// What the root signs: the present issuer's certificate for the key and the name that are asked for.
    fn certify_issuer(&self, request: &[u8]) -> Result<Vec<u8>> {
        let home = Home::new(&self.folder);
        let present = home.certificate(&home.station()?.reference(Role::Issuer)?)?;
        let request = Signed::<Request>::parse(request)?;
        let body = Certificate {
            public_key: request.claimed().public_key,
            holder: request.claimed().holder,
            ..*Signed::<Certificate>::parse(&present)?.claimed()
        };
        let root = self.signing_key(Role::Root)?;
        let mut buffer = [0; 512];
        match sign(&body, &root, &mut buffer) {
            Ok(certificate) => Ok(certificate.to_vec()),
            Err(_) => bail!("the root does not sign"),
        }
    }

    /// One of the station's keys.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn signing_key(&self, role: Role) -> Result<SigningKey> {
        let passphrase = Passphrase::new(self.passphrase.clone());
        let key = Home::new(&self.folder).signing_key(role, &passphrase)?;
        Ok(key)
    }

    /// Rows of the ledger, read by `sqlite3`.
    ///
    /// # Errors
    /// What sqlite3 says.
    pub fn ledger(&self, query: &str) -> Result<Vec<Value>> {
        witnesses::sqlite(&self.folder.join("store.sqlite"), query)
    }
}

/// The token that a command showed, in the last line that it printed.
fn token(said: &str) -> Result<String> {
    let last = said.lines().next_back().context("no token shown")?;
    let shown: Value = serde_json::from_str(last)?;
    Ok(shown["token"].as_str().context("no token shown")?.to_owned())
}
