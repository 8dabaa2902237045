//! `ansinh terminal provision`: from a blank terminal to one that its cards believe.

use std::collections::HashSet;

use ansinh_payout::TERMINAL_DAYS;
use ansinh_store::Store;
use anyhow::{Context as _, Result};
use card_spec::values::TerminalName;
use clap::Args;
use link::{Hello, TerminalState};

use super::certificates::{Chain, valid_issuers};
use super::{Options, Port, Refused, Signing, open, set_clock};

#[derive(Args)]
#[command(after_help = "\
The terminal makes its own keys; only requests leave it. Do this in the issuer's room: the first trust anchor is taken on the
word of whoever sends it. A name is never given twice, because it stands for one pair of keys.

Examples:
  ansinh terminal provision --port /dev/ttyUSB0
  ansinh terminal provision --port /dev/ttyUSB0 --json | jq -r .terminal")]
pub(crate) struct Provision {
    #[command(flatten)]
    port: Port,
    /// Name of the terminal, VNT and 7 digits; default: the next one that is free
    #[arg(long)]
    name: Option<TerminalName>,
    /// Give a terminal that has certificates already new keys and a new name; its journal must be synchronised
    #[arg(long)]
    anew: bool,
}

impl Provision {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let signing = Signing::open(options)?;
        let (mut link, hello) = open(&self.port.port)?;
        self.check(&hello, signing.station.test)?;
        let name = self.choose_name(&signing.store)?;
        let requests = link.make_keys(name.to_bytes())?;
        let chain = Chain::open(&signing)?;
        let certificates = chain.certify(&signing, name, &requests)?;
        let objects = [
            chain.anchor()?,
            valid_issuers(&signing)?,
            chain.authority,
            certificates.agreement,
            certificates.journal,
        ];
        link.install(&objects.concat())?;
        set_clock(&mut link, &signing.issuer()?, name)?;
        signing
            .store
            .log_operation(&signing.actor, "terminal-provisioned", name.as_str())?;
        report(options, name, &hello);
        Ok(())
    }

    fn check(&self, hello: &Hello, test_station: bool) -> Result<()> {
        if hello.test && !test_station {
            return Err(Refused(
                "thiết bị THỬ NGHIỆM / this is a TEST terminal, without a certified random source: a production root certifies none. Set up a station with `ansinh init --test` for it"
                    .to_owned(),
            )
            .into());
        }
        if hello.state == TerminalState::Provisioned && !self.anew {
            return Err(Refused(
                "thiết bị đã có chứng thư / the terminal has its certificates already; nothing was changed. For new keys and a new name: --anew"
                    .to_owned(),
            )
            .into());
        }
        Ok(())
    }

    fn choose_name(&self, store: &Store) -> Result<TerminalName> {
        let taken: HashSet<String> = store
            .terminals()?
            .into_iter()
            .map(|terminal| terminal.name)
            .collect();
        if let Some(name) = self.name {
            if taken.contains(name.as_str()) {
                return Err(Refused(format!(
                    "tên {name} đã dùng / the name {name} is taken: it stands for the keys of a terminal for ever. Leave --name out to get the next free one"
                ))
                .into());
            }
            return Ok(name);
        }
        loop {
            let name = store.next_terminal_name()?;
            if !taken.contains(&name) {
                return name.parse().context("terminal name");
            }
        }
    }
}

fn report(options: &Options, name: TerminalName, hello: &Hello) {
    if options.json {
        println!(
            "{}",
            serde_json::json!({ "terminal": name.as_str(), "test": hello.test, "days": TERMINAL_DAYS })
        );
        return;
    }
    println!(
        "Đã cấp chứng thư cho thiết bị {name} / Terminal {name} provisioned, {TERMINAL_DAYS} ngày / days"
    );
    if hello.test {
        println!(
            "  THỬ NGHIỆM / TEST: không có nguồn ngẫu nhiên được chứng nhận / no certified random source"
        );
    }
    println!(
        "Tiếp theo / Next: ansinh list make --terminal {name} …; ansinh block publish; ansinh terminal load --port …"
    );
}
