//! `ansinh delivery`: deliveries of blank cards with their transport keys.

use std::path::PathBuf;

use ansinh_station::delivery;
use ansinh_store::StoreError;
use ansinh_store::deliveries::Delivery as StoredDelivery;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};

use super::{Options, Refused, read_input};

#[derive(Subcommand)]
pub(crate) enum Delivery {
    /// Register a delivery: its transport keys are checked and sealed, its chips become blanks
    Add(Add),
}

#[derive(Args)]
#[command(after_help = "\
The vendor's file holds keys in clear: destroy it after this command has succeeded.

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

impl Delivery {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let Self::Add(add) = self;
        add.run(options)
    }
}

impl Add {
    fn run(&self, options: &Options) -> Result<()> {
        let home = options.home();
        let store = home.open_store()?;
        let actor = options.actor(&store)?;
        let checked =
            delivery::check(&read_input(&self.file)?).with_context(|| self.file.display().to_string())?;
        if store.delivery_names()?.contains(&checked.name) {
            return Err(Refused(format!(
                "delivery {} is registered already; nothing was changed",
                checked.name
            ))
            .into());
        }
        let passphrase = options.passphrase()?;
        // The passphrase must be the station's, or nobody could open the delivery's keys together with the others.
        home.card_master_keys(&passphrase)?;

        // Left by an attempt that died between sealing and registering: these keys were never used.
        let sealed = home.delivery_file(&checked.name);
        if sealed.exists() {
            std::fs::remove_file(&sealed).with_context(|| sealed.display().to_string())?;
        }
        home.seal_transport_keys(&checked.name, &checked.keys, &passphrase)?;
        let delivery = StoredDelivery {
            name: checked.name,
            key_version: checked.key_version,
            check_values: checked.keys.check_values()?.as_flattened().try_into()?,
        };
        store
            .add_delivery(&actor, &delivery, &checked.chips)
            .map_err(refused)?;
        report(options, &delivery.name, checked.chips.len());
        Ok(())
    }
}

fn refused(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Exists { .. } => Refused(error.to_string()).into(),
        other => other.into(),
    }
}

fn report(options: &Options, name: &str, chips: usize) {
    if options.json {
        println!("{}", serde_json::json!({ "delivery": name, "cards": chips }));
    } else {
        println!(
            "Đã đăng ký lô thẻ {name}: {chips} thẻ trắng / Delivery {name} registered: {chips} blank cards"
        );
        println!(
            "Hãy hủy tệp của nhà cung cấp, vì tệp chứa khóa / Destroy the vendor's file now: it holds keys in clear"
        );
    }
}
