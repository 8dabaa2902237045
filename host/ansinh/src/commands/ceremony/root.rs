//! What is done at the root: `ansinh ceremony root` and `ansinh ceremony sign`.

use std::path::PathBuf;

use ansinh_keys::write_new;
use ansinh_reference::today;
use ansinh_station::ceremony::root::{Proposal, Root};
use ansinh_station::ceremony::spoken;
use anyhow::{Context as _, Result};
use card_spec::certificate::{Flags, Reference};
use clap::Args;
use serde_json::json;

use super::People;
use crate::commands::{Options, Refused, read_input};

#[derive(Args)]
#[command(after_help = "\
Do this on a computer that never had a network and never will. The folder belongs on two sticks in two safes; each passphrase
into an envelope of its own, in a third place. Without any one of the passphrases nobody signs, nor does the root come back.

openssl opens the key, too: `openssl pkcs8 -in root.key`, with the passphrases one after the other, each with its length in
bytes and a colon before it, as in `15:first passphrase...`.

Example:
  ansinh ceremony root --root /media/root --people 3")]
pub(crate) struct MakeRoot {
    /// New folder of the root
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Name of the root: VNROOT and five digits
    #[arg(long, value_name = "CHR", default_value = "VNROOT00001", value_parser = reference)]
    name: Reference,
    #[command(flatten)]
    people: People,
    /// Mark everything below this root as TEST: cards below it are worth nothing
    #[arg(long)]
    test: bool,
}

fn reference(text: &str) -> Result<Reference, String> {
    Reference::new(text).ok_or_else(|| "VN, 1 to 9 capitals or digits, five digits".to_owned())
}

impl MakeRoot {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let flags = if self.test { Flags::Test } else { Flags::Production };
        let passphrase = self.people.new_ones()?;
        let fingerprint = Root::create(&self.root, self.name, flags, &passphrase, today())?;
        // What several people typed must open it now, not in ten years.
        Root::open(&self.root, &passphrase).context("the new root does not open again; delete the folder")?;
        if options.json {
            println!(
                "{}",
                json!({ "root": self.name.as_str(), "fingerprint": hex::encode(fingerprint) })
            );
            return Ok(());
        }
        println!(
            "Đã lập khóa gốc {0} / Root {0} made: {1}",
            self.name,
            self.root.display()
        );
        println!("Dấu vân tay, ghi vào biên bản / Fingerprint, for the minutes:");
        println!("  {}", spoken(&fingerprint));
        println!(
            "Đưa cho các trạm / For the stations: {}",
            self.root.join("root.cvc").display()
        );
        Ok(())
    }
}

#[derive(Args)]
#[command(after_help = "\
Shows what the certificate would say, and the request's fingerprint. The station showed the same one when it made the request:
have it read to you by somebody you know, over the telephone or from the minutes, not from the stick. Only if all of it is the
same, say so. --fingerprint says it for a script: anything else is refused.

Example:
  ansinh ceremony sign issuer.request --root /media/root --people 3 --out issuer.cvc")]
pub(crate) struct Sign {
    /// The request
    request: PathBuf,
    /// Folder of the root
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    #[command(flatten)]
    people: People,
    /// Where to write the certificate
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The request's fingerprint as the station gave it; default: it is shown, and somebody is asked
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<String>,
}

impl Sign {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let request = read_input(&self.request)?;
        let root = Root::open(&self.root, &self.people.existing()?)?;
        let proposal = root
            .examine(&request, today())
            .map_err(|error| Refused(format!("{}: {error:#}", self.request.display())))?;
        self.demand_consent(options, &proposal)?;
        let certificate = root.sign(&proposal)?;
        write_new(&self.out, &certificate)?;
        let holder = proposal.body().holder;
        if options.json {
            println!(
                "{}",
                json!({ "holder": holder.as_str(), "certificate": self.out })
            );
            return Ok(());
        }
        println!(
            "Đã ký chứng thư {holder} / Certificate of {holder} signed: {}",
            self.out.display()
        );
        println!(
            "Ở trạm / At the station: ansinh ceremony accept {}",
            self.out.display()
        );
        Ok(())
    }

    fn demand_consent(&self, options: &Options, proposal: &Proposal) -> Result<()> {
        let spoken = spoken(proposal.fingerprint());
        if let Some(given) = &self.fingerprint {
            let plain = |text: &str| text.replace(' ', "").to_lowercase();
            if plain(given) == plain(&spoken) {
                return Ok(());
            }
            return Err(Refused(format!(
                "dấu vân tay khác, chưa ký gì / another fingerprint: the request has {spoken}. Nothing was signed: it is not the \
                 request that the station made"
            ))
            .into());
        }
        if !options.json {
            show(proposal, &spoken);
        }
        let agreed = dialoguer::Confirm::new()
            .with_prompt("Trạm đọc đúng dấu vân tay này? Ký? / Did the station read this fingerprint? Sign?")
            .default(false)
            .interact()
            .context("no terminal to ask at: compare the fingerprint and give it with --fingerprint")?;
        if agreed {
            return Ok(());
        }
        Err(Refused("chưa ký gì / nothing was signed".to_owned()).into())
    }
}

fn show(proposal: &Proposal, spoken: &str) {
    let body = proposal.body();
    println!("Sẽ ký / To be signed:");
    println!(
        "  người giữ / holder        {} ({})",
        body.holder,
        proposal.role().name()
    );
    println!("  người ký / authority      {}", body.authority);
    println!("  hiệu lực / valid          {} – {}", body.effective, body.expiry);
    println!("  loại / kind               {:?}", body.authorization.flags);
    println!("  vân tay / fingerprint     {spoken}");
}
