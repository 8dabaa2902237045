//! `ansinh init`: a station from nothing.

use ansinh_keys::{Passphrase, Role};
use ansinh_reference::{Reference as ReferenceData, today};
pub(crate) use ansinh_station::ceremony::authority::date;
use ansinh_station::ceremony::authority::{RootAuthority, root_certificate};
use ansinh_station::ceremony::station::{keep_certificate, set_up};
use ansinh_station::home::{Home, Station};
use ansinh_station::keyring::KeyPlaces;
use ansinh_store::Store;
use ansinh_store::operators::Token;
use anyhow::{Result, bail};
use card_spec::certificate::Flags;
use card_spec::crypto::Sign as _;
use clap::Args;

use super::operator::NewToken;
use super::{Options, Refused};

#[derive(Args)]
#[command(after_help = "\
Example:
  ansinh init --store /srv/ansinh --province 79 --agency H29.1 --operator lan --new-token-file lan.token

Makes three signing keys (national root, provincial issuer, national terminal CA) and the card master keys, sealed under one
passphrase of at least 15 characters; their certificates; an empty ledger. Keep a copy (`ansinh ceremony backup`) and the
passphrase apart: nobody can make them again. The folder must be new or empty.

For demonstrations and small beginnings: here one person has all keys, the root's included. In production the root stays
offline under several people, and the station's keys are certified by request: `ansinh ceremony`, and host/CEREMONY.md.")]
pub(crate) struct Init {
    #[command(flatten)]
    station: StationArguments,
    /// Name of the first operator, an administrator: 1 to 20 letters, digits, dots, hyphens
    #[arg(long, value_name = "NAME")]
    operator: String,
    #[command(flatten)]
    token: NewToken,
    /// Mark everything below the new root as TEST: needed for terminals without a certified random source (QEMU)
    #[arg(long)]
    test: bool,
}

impl Init {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        self.token.demand_new_file()?;
        let station = self.station.station(self.test)?;
        let home = options.home();
        let passphrase = options.new_passphrase()?;
        let token = set_up(home.folder(), &station, |home, store| {
            make_certificates(home, &station, store, &passphrase)?;
            home.make_card_master_keys(&station.keys.card_master, &passphrase)?;
            first_operator(store, &self.operator, &station)
        })?;
        report(options, &home, &station)?;
        self.token.hand_over(options, &self.operator, &token)
    }
}

/// Part of setting up: a station that nobody may use would be none.
pub(crate) fn first_operator(store: &Store, name: &str, station: &Station) -> Result<Token> {
    let token = store.add_first_operator(name)?;
    store.log_operation(&store.authenticate(&token)?, "station-set-up", &station.issuer)?;
    Ok(token)
}

/// Which station is to be set up.
#[derive(Args)]
pub(crate) struct StationArguments {
    /// Province of the issuer, 2 digits (Decision 19/2025/QD-TTg)
    #[arg(long, value_name = "CODE")]
    province: String,
    /// Issuing agency (Decision 20/2020/QD-TTg); default: the one that the reference data name for the province
    #[arg(long, value_name = "CODE")]
    agency: Option<String>,
}

impl StationArguments {
    /// The settings of a new station whose keys are where `init` makes them.
    pub(crate) fn station(&self, test: bool) -> Result<Station> {
        let reference = ReferenceData::load()?;
        if !reference.is_province(&self.province, today()) {
            bail!(Refused(format!(
                "{:?} is no province code in force today (Decision 19/2025/QD-TTg)",
                self.province
            )));
        }
        let agency = self.agency(&reference)?;
        Ok(Station {
            issuer: format!("VNISS{}00001", self.province),
            province: self.province.clone(),
            agency,
            root: "VNROOT00001".to_owned(),
            terminal_ca: "VNTCA00001".to_owned(),
            test,
            database: None,
            keys: KeyPlaces::default(),
        })
    }

    /// The agency given if it may issue here, else the province's only one. It stands on every card, so nothing is guessed.
    fn agency(&self, reference: &ReferenceData) -> Result<String, Refused> {
        let known = reference.agencies_of(&self.province, today());
        let candidates: Vec<_> = known
            .iter()
            .map(|agency| format!("{} {}", agency.code, agency.name))
            .collect();
        let candidates = match candidates.as_slice() {
            [] => "none is known".to_owned(),
            some => some.join(", "),
        };
        let Some(code) = &self.agency else {
            return match known.as_slice() {
                [only] => Ok(only.code.clone()),
                [] => Err(Refused(format!(
                    "dữ liệu tham chiếu chưa có cơ quan nào của tỉnh {0} / the reference data name no agency of province {0}: give \
                     its code of Decision 20/2020/QD-TTg with --agency",
                    self.province
                ))),
                _ => Err(Refused(format!("choose with --agency: {candidates}"))),
            };
        };
        if !ReferenceData::has_agency_form(code) {
            return Err(Refused(format!(
                "{code:?} is no agency code: groups of A-Z and 0-9 with full stops between, at most 35 characters"
            )));
        }
        let above = reference.agency_or_above(code, today());
        let may_issue = match above.map(|agency| agency.detail.province.as_deref()) {
            Some(province) => province.is_none_or(|province| province == self.province),
            // Not every province's agency could be sourced (DATA-SOURCES.md): where none is known, absence proves nothing.
            None => known.is_empty(),
        };
        if may_issue {
            return Ok(code.clone());
        }
        Err(Refused(format!(
            "dữ liệu tham chiếu không có cơ quan {code} ở tỉnh {0} / the reference data know no agency {code} in province {0}. \
             Candidates, and whatever is below them: {candidates}",
            self.province
        )))
    }
}

fn make_certificates(home: &Home, station: &Station, store: &Store, passphrase: &Passphrase) -> Result<()> {
    let flags = if station.test {
        Flags::Test
    } else {
        Flags::Production
    };
    let root = home.make_signing_key(&station.keys.root, passphrase)?;
    let name = station.reference(Role::Root)?;
    let certificate = root_certificate(&root, name, flags, today())?;
    keep_certificate(home, store, Role::Root, &certificate)?;
    let root = RootAuthority::new(root, &certificate)?;
    for role in [Role::Issuer, Role::TerminalCa] {
        let key = home.make_signing_key(station.keys.signing(role), passphrase)?;
        let body = root.draft(role, station.reference(role)?, key.public_key(), today())?;
        keep_certificate(home, store, role, &root.certify(&body)?)?;
    }
    Ok(())
}

fn report(options: &Options, home: &Home, station: &Station) -> Result<()> {
    if options.json {
        println!("{}", serde_json::to_string(station)?);
        return Ok(());
    }
    println!(
        "Đã lập trạm phát hành / Station set up: {}",
        home.folder().display()
    );
    println!("  gốc / root          {}", station.root);
    println!("  cơ quan / issuer    {}", station.issuer);
    println!("  CA thiết bị / terminal CA  {}", station.terminal_ca);
    if station.test {
        println!("  THỬ NGHIỆM / TEST: thẻ không có giá trị / cards below this root are worth nothing");
    }
    println!(
        "Hãy sao lưu thư mục keys/ và mật khẩu / Back up keys/ and the passphrase, apart from each other"
    );
    Ok(())
}
