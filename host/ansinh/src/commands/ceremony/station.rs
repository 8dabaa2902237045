//! What is done at a station: setting it up, requests, certificates, PINs of tokens.

use std::path::PathBuf;

use ansinh_keys::{Role, write_new};
use ansinh_reference::today;
use ansinh_station::ceremony::spoken;
use ansinh_station::ceremony::station::{
    Accepted, MadeRequest, Occasion, accept, change_pin, fingerprint, request, set_up, take_root, trust,
};
use ansinh_station::home::Station;
use ansinh_station::keyring::KeyPlaces;
use ansinh_store::operators::Role as OperatorRole;
use anyhow::{Context as _, Result};
use card_spec::certificate::Flags;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::{Place, StationRole, token_pin};
use crate::commands::init::{StationArguments, first_operator};
use crate::commands::operator::NewToken;
use crate::commands::{Options, Refused, read_input};

#[derive(Args)]
#[command(after_help = "\
Makes the card master keys (in a sealed file, or with --module and --token in a token) and an empty ledger. The station can
issue after `ansinh ceremony request` and `accept` for issuer and terminal CA.

The fingerprint is the one in the minutes of the root's ceremony. Whoever gives a station a root of his own issues its cards.

Example:
  ansinh ceremony station --store /srv/ansinh --root-certificate root.cvc --province 79 --operator lan")]
pub(crate) struct NewStation {
    /// The root's certificate
    #[arg(long, value_name = "FILE")]
    root_certificate: PathBuf,
    /// Fingerprint of the root's certificate, from the minutes; default: it is shown, and somebody is asked
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<String>,
    #[command(flatten)]
    station: StationArguments,
    #[command(flatten)]
    place: Place,
    /// Name of the first operator, an administrator: 1 to 20 letters, digits, dots, hyphens
    #[arg(long, value_name = "NAME")]
    operator: String,
    #[command(flatten)]
    token: NewToken,
}

impl NewStation {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        self.token.demand_new_file()?;
        let certificate = read_input(&self.root_certificate)?;
        let root = trust(&certificate).map_err(|error| Refused(format!("{error:#}")))?;
        self.demand_consent(&spoken(&fingerprint(&certificate)?))?;
        let wanted = self.place.wanted()?;
        let master = wanted.place("card-master");
        let test = root.flags() == Flags::Test;
        let station = Station {
            root: root.holder().as_str().to_owned(),
            keys: KeyPlaces {
                card_master: master.clone(),
                ..KeyPlaces::default()
            },
            ..self.station.station(test)?
        };
        let passphrase = options.new_passphrase()?;
        let home = options.home();
        let token = set_up(home.folder(), &station, |home, store| {
            take_root(home, store, &certificate)?;
            wanted.seal_pin(home, &master, &passphrase)?;
            home.make_card_master_keys(&master, &passphrase)?;
            first_operator(store, &self.operator, &station)
        })?;
        if options.json {
            println!("{}", serde_json::to_string(&station)?);
        } else {
            println!("Đã lập trạm / Station set up: {}", home.folder().display());
            println!("  khóa chủ của thẻ ở / card master keys in: {master}");
            println!("Tiếp theo / Next: ansinh ceremony request --role issuer, --role terminal-ca");
        }
        self.token.hand_over(options, &self.operator, &token)
    }

    fn demand_consent(&self, spoken: &str) -> Result<()> {
        let plain = |text: &str| text.replace(' ', "").to_lowercase();
        if let Some(given) = &self.fingerprint {
            if plain(given) == plain(spoken) {
                return Ok(());
            }
            return Err(Refused(format!(
                "dấu vân tay khác, chưa lập gì / another fingerprint: this root has {spoken}. Nothing was set up: it is not the root \
                 of the minutes"
            ))
            .into());
        }
        println!("Dấu vân tay của gốc / Fingerprint of the root:\n  {spoken}");
        let agreed = dialoguer::Confirm::new()
            .with_prompt("Đúng như trong biên bản? / Is it the one in the minutes?")
            .default(false)
            .interact()
            .context("no terminal to ask at: compare the fingerprint and give it with --fingerprint")?;
        if agreed {
            return Ok(());
        }
        Err(Refused("chưa lập gì / nothing was set up".to_owned()).into())
    }
}

#[derive(Args)]
#[command(after_help = "\
The same command again, until the certificate is accepted, gives a request for the same key.

Examples:
  ansinh ceremony request --role issuer --out issuer.request
  ansinh ceremony request --role issuer --module /usr/lib/softhsm/libsofthsm2.so --token 'issuance 79' --out issuer.request")]
pub(crate) struct Request {
    /// Whose key
    #[arg(long, value_enum)]
    role: StationRole,
    #[command(flatten)]
    place: Place,
    /// Where to write the request
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
Makes the next key of the role and its request. Nothing else changes: the present key goes on signing until the new
certificate is accepted. The cards in the field stay valid; DATA and SPEC 13.3 let the new key do all that the old one did.

Example:
  ansinh ceremony rekey --role issuer --out issuer-2.request")]
pub(crate) struct Rekey {
    #[command(flatten)]
    request: Request,
}

impl Request {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        self.make(options, Occasion::First)
    }

    fn make(&self, options: &Options, occasion: Occasion) -> Result<()> {
        let home = options.home();
        let store = home.open_store()?;
        let actor = options.actor(&store)?;
        actor.demand(OperatorRole::Administrator)?;
        let wanted = self.place.wanted()?;
        let MadeRequest {
            holder,
            encoding,
            fingerprint,
        } = request(&home, self.role.into(), occasion, &wanted, &options.passphrase()?)?;
        write_new(&self.out, &encoding)?;
        store.log_operation(&actor, "key-made", holder.as_str())?;
        if options.json {
            println!(
                "{}",
                json!({ "holder": holder.as_str(), "request": self.out, "fingerprint": hex::encode(fingerprint) })
            );
            return Ok(());
        }
        println!(
            "Yêu cầu chứng thư của {holder} / Request for {holder}: {}",
            self.out.display()
        );
        println!("Dấu vân tay, đọc cho bên gốc / Fingerprint, to be read to the root:");
        println!("  {}", spoken(&fingerprint));
        Ok(())
    }
}

impl Rekey {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        self.request.make(options, Occasion::Rekey)
    }
}

#[derive(Args)]
#[command(after_help = "\
Checks the certificate under the station's root and against the key that waits for it. With it a new issuer key begins to
sign: stop the daemon before, and see host/CEREMONY.md for what terminals get then.

Example:
  ansinh ceremony accept issuer.cvc")]
pub(crate) struct Accept {
    /// The certificate from the root
    certificate: PathBuf,
}

impl Accept {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let home = options.home();
        let store = home.open_store()?;
        let actor = options.actor(&store)?;
        actor.demand(OperatorRole::Administrator)?;
        let certificate = read_input(&self.certificate)?;
        let Accepted { role, holder, before } =
            accept(&home, &store, &certificate, &options.passphrase()?, today())?;
        store.log_operation(&actor, "certificate-accepted", holder.as_str())?;
        if options.json {
            let before = before.map(|before| before.as_str().to_owned());
            println!(
                "{}",
                json!({ "holder": holder.as_str(), "role": role.name(), "before": before })
            );
            return Ok(());
        }
        println!("Đã nhận chứng thư {holder} / Certificate of {holder} accepted");
        if role == Role::Issuer && before.is_some() {
            println!("Thẻ đã phát hành vẫn có giá trị / Cards issued before stay valid");
            println!("Tiếp theo / Next: ansinh ceremony backup; ansinh block publish");
        }
        Ok(())
    }
}

/// Keys that may live in a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TokenKey {
    /// Provincial issuer
    Issuer,
    /// National terminal CA
    TerminalCa,
    /// Card master keys
    CardMaster,
}

#[derive(Args)]
#[command(after_help = "\
The new PIN is tried at the token once. If the token refuses it, the PIN sealed before stays.

Example:
  ansinh ceremony pin --key issuer")]
pub(crate) struct Pin {
    /// Which key's token
    #[arg(long, value_enum)]
    key: TokenKey,
    /// File that holds the token's PIN, and nothing else; default: a prompt
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

impl Pin {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let home = options.home();
        let store = home.open_store()?;
        let actor = options.actor(&store)?;
        actor.demand(OperatorRole::Administrator)?;
        let keys = home.station()?.keys;
        let place = match self.key {
            TokenKey::Issuer => &keys.issuer,
            TokenKey::TerminalCa => &keys.terminal_ca,
            TokenKey::CardMaster => &keys.card_master,
        };
        let passphrase = options.passphrase()?;
        change_pin(&home, place, &token_pin(self.pin_file.as_deref())?, &passphrase)?;
        store.log_operation(&actor, "token-pin-changed", &place.to_string())?;
        if !options.json {
            println!("Đã lưu mã PIN mới / New PIN sealed: {place}");
        }
        Ok(())
    }
}
