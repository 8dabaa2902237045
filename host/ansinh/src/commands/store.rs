//! `ansinh store`: copies of the ledger, made while others use it, a ledger from a copy, and a check for damage.

use std::path::PathBuf;

use ansinh_store::Store;
use anyhow::Result;
use clap::Subcommand;

use super::Options;

#[derive(Subcommand)]
#[command(after_help = "\
A copy is one file of SQLite, of one moment, whichever engine the ledger is in, and holds personal data. Keys are not in it.

From a file to PostgreSQL, with no daemon running (the database must be there, empty, in UTF-8):
  ansinh store backup ledger.sqlite
  put \"database\": \"postgres:///ansinh?host=/var/run/postgresql\" into station.json
  ansinh store restore ledger.sqlite

The database's password comes from PGPASSWORD, the file that PGPASSFILE names, or ~/.pgpass. A copy restored is as old as it is:
cards and payments of the time since are not in it. Whoever issued or paid meanwhile must be synchronised first.")]
pub(crate) enum Ledger {
    /// Write a copy of the ledger while it is in use
    Backup {
        /// A new file
        file: PathBuf,
    },
    /// Make the ledger from a copy, where there is none
    Restore {
        /// The copy
        file: PathBuf,
    },
    /// Look for damage and check the chain of the operations log
    Check,
}

impl Ledger {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let home = options.home();
        match self {
            Self::Backup { file } => {
                let store = home.open_store()?;
                let actor = options.actor(&store)?;
                store.copy_to(file)?;
                store.log_operation(&actor, "ledger-copied", "backup")?;
                println!("Đã sao lưu / Copied to {}", file.display());
            }
            Self::Restore { file } => {
                let store = Store::restore(file, home.ledger()?)?;
                let head = store.check()?;
                store.log_operation(&options.actor(&store)?, "ledger-restored", "from a copy")?;
                println!("Đã phục hồi / Restored: {} thao tác / operations", head.position);
            }
            Self::Check => {
                let store = home.open_store()?;
                options.actor(&store)?;
                let head = store.check()?;
                println!(
                    "Sổ cái toàn vẹn / The ledger is sound: {} thao tác / operations, {}",
                    head.position,
                    hex::encode(head.hash)
                );
            }
        }
        Ok(())
    }
}
