//! `ansinh export`: the ledger as files for auditors.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::Options;

#[derive(Args)]
#[command(after_help = "\
File names and formats: DATA.md, chapter 2. The folder holds a copy of the ledger and so personal data.

Examples:
  ansinh export --out audit-2026-11
  ansinh-audit verify audit-2026-11 --root audit-2026-11/root.pem
  cd audit-2026-11/cards/7900000000000018
  openssl dgst -sha256 -verify ../../issuer.pem -signature cso.sig.der cso.signed.bin
  head -n 7 audit-2026-11/operations.log | sha256sum; sed -n 8p audit-2026-11/operations.log
  cvc-print --cvc-dir=audit-2026-11 -c audit-2026-11/certificates/VNTCA00001.cvc")]
pub(crate) struct Export {
    /// A new or empty folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Export {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let store = options.home().open_store()?;
        let exported = ansinh_station::export::export(&store, &self.out)?;
        store.log_operation(&options.actor(&store)?, "ledger-exported", "files for audit")?;
        if options.json {
            println!("{}", serde_json::to_string(&exported)?);
            return Ok(());
        }
        println!("Đã xuất / Exported to {}", self.out.display());
        println!("  thẻ / cards                      {}", exported.cards);
        println!("  thiết bị / terminals             {}", exported.terminals);
        println!("  mục nhật ký / journal entries    {}", exported.entries);
        println!("  biên nhận / receipts             {}", exported.receipts);
        println!("  danh sách chi trả / lists        {}", exported.lists);
        println!("  danh sách khóa / block lists     {}", exported.block_lists);
        println!("  nhật ký thao tác / operations    {}", exported.operations);
        println!("Thư mục có dữ liệu cá nhân / The folder holds personal data: keep it accordingly");
        Ok(())
    }
}
