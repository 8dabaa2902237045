//! `ansinh delivery`: deliveries of blank cards with their transport keys.

use std::fs;
use std::path::PathBuf;

use ansinh_console::calls::deliveries::{Register, Registered};
use ansinh_station::delivery;
use ansinh_store::StoreError;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};

use super::{Options, Refused, read_input};

#[derive(Subcommand)]
pub(crate) enum Delivery {
    /// Register a delivery: its transport keys are checked and sealed, its chips become blanks
    Add(Add),
    /// The same with a file that lies in the folder inbox of the station already, on the service's computer
    TakeIn(TakeIn),
}

#[derive(Args)]
#[command(after_help = "\
The vendor's file holds keys in clear: destroy it after this command has succeeded. It never goes over a network. While
`ansinh serve` runs here, a copy is put into the folder inbox of the station, which the service takes in and removes; for a service
on another computer, put the file into that folder there and give `ansinh delivery take-in`.

Example:
  ansinh delivery add 2026-11-A.json

  {\"delivery\": \"2026-11-A\", \"kdf\": \"KDF3\", \"kvn\": 1,
   \"keys\": {\"enc\": {\"key\": \"<32 hex digits>\", \"kcv\": \"<6 hex digits>\"}, \"mac\": {…}, \"dek\": {…}},
   \"cards\": [\"<20 hex digits of a chip serial>\", …]}

Refused: keys that do not fit their check values (kcv), the default keys 40…4F, a chip named twice or known already.")]
pub(crate) struct Add {
    /// The vendor's file (JSON)
    file: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  ansinh delivery take-in 2026-11-A.json --server https://station79.example:8620")]
pub(crate) struct TakeIn {
    /// Name of the vendor's file in the inbox, without a path
    file: String,
}

impl Delivery {
    pub(crate) fn run(self, options: &Options) -> Result<()> {
        match self {
            Self::Add(add) => add.run(options),
            Self::TakeIn(TakeIn { file }) => {
                let registered = options.call(Register { file })?;
                report(options, &registered);
                Ok(())
            }
        }
    }
}

impl Add {
    fn run(&self, options: &Options) -> Result<()> {
        if options.server.is_some() {
            return Err(Refused(
                "tệp chứa khóa không gửi qua mạng / the file holds keys in clear and is not sent over a network: put it into the \
                 folder inbox of the station there, and give `ansinh delivery take-in`"
                    .to_owned(),
            )
            .into());
        }
        let home = options.home();
        // Without a station there is nothing to look at.
        home.station()?;
        let content = read_input(&self.file)?;
        let checked = delivery::check(&content).with_context(|| self.file.display().to_string())?;
        if let Some(client) = options.client()? {
            let file = delivery::put_into_inbox(&home, &checked, &content)?;
            let copy = home.inbox().join(&file);
            let registered = client.call(&Register { file });
            // The service removes what it took in; what it refused is no use there.
            if registered.is_err() && copy.exists() {
                fs::remove_file(&copy).with_context(|| copy.display().to_string())?;
            }
            report(options, &registered?);
            return Ok(());
        }
        let store = home.open_store()?;
        let actor = options.actor(&store)?;
        let registered = delivery::register(&home, &store, &actor, &content, &options.passphrase()?);
        report(options, &registered.map_err(refused)?.into());
        Ok(())
    }
}

fn refused(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref() {
        Some(StoreError::Exists { .. }) => Refused(error.to_string()).into(),
        _ => error,
    }
}

fn report(options: &Options, registered: &Registered) {
    let Registered { delivery, cards } = registered;
    if options.json {
        println!("{}", serde_json::json!({ "delivery": delivery, "cards": cards }));
        return;
    }
    println!(
        "Đã đăng ký lô thẻ {delivery}: {cards} thẻ trắng / Delivery {delivery} registered: {cards} blank cards"
    );
    println!(
        "Hãy hủy tệp của nhà cung cấp, vì tệp chứa khóa / Destroy the vendor's file now: it holds keys in clear"
    );
}
