//! `ansinh ceremony backup` and `restore`.

use std::path::PathBuf;

use ansinh_station::ceremony::backup::{Manifest, backup, restore, verify};
use ansinh_store::operators::Role as OperatorRole;
use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::commands::{Options, Refused};

#[derive(Args)]
#[command(after_help = "\
Every key of the copy is opened and compared with its certificate before the command says that there is a backup. Keys in
tokens are not in it, nor is the ledger. Make one after each ceremony, and keep it apart from the passphrase.

Example:
  ansinh ceremony backup --out /media/backup/2026-11-22")]
pub(crate) struct Backup {
    /// New folder for the backup
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Backup {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let home = options.home();
        let store = home.open_store()?;
        let actor = options.actor(&store)?;
        actor.demand(OperatorRole::Administrator)?;
        let manifest = backup(&home, &self.out, &options.passphrase()?)?;
        store.log_operation(&actor, "keys-backed-up", &manifest.keys.len().to_string())?;
        report(options, &manifest, "Đã sao lưu và mở thử / Backed up and opened:");
        Ok(())
    }
}

#[derive(Args)]
#[command(after_help = "\
Checks every byte and opens every key before anything is replaced. What was there is kept in before-restore-…; the ledger
stays as it is. A backup from before a newer key is refused. The passphrase is that of the backup.

Example:
  ansinh ceremony restore /media/backup/2026-11-22")]
pub(crate) struct Restore {
    /// Folder of the backup
    backup: PathBuf,
    /// Check the backup and stop there
    #[arg(long)]
    check: bool,
}

impl Restore {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let verified = verify(&self.backup, &options.passphrase()?).map_err(|error| {
            // A wrong passphrase keeps its exit code; anything else is bad input.
            match error.downcast_ref::<ansinh_keys::KeyError>() {
                Some(_) => error,
                None => Refused(format!("{}: {error:#}", self.backup.display())).into(),
            }
        })?;
        if self.check {
            report(options, verified.manifest(), "Bản sao lưu tốt / A good backup:");
            return Ok(());
        }
        let kept = restore(&verified, &options.home())?;
        report(options, verified.manifest(), "Đã khôi phục / Restored:");
        if !options.json {
            println!("Bản trước ở / What was there before: {}", kept.display());
        }
        Ok(())
    }
}

fn report(options: &Options, manifest: &Manifest, title: &str) {
    if options.json {
        println!(
            "{}",
            json!({ "keys": manifest.keys, "in_tokens": manifest.in_tokens })
        );
        return;
    }
    println!("{title}");
    for name in manifest.keys.keys() {
        println!("  {name}");
    }
    for name in &manifest.in_tokens {
        println!("  {name}: trong thiết bị, sao lưu riêng / in a token, back it up there");
    }
}
