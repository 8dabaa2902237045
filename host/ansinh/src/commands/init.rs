//! `ansinh init`: a station from nothing.

use std::fs::{DirBuilder, create_dir};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use ansinh_keys::{MasterKeys, Passphrase, Role, SigningKey, public_key_pem, write_new};
use ansinh_reference::{Reference as ReferenceData, today};
use ansinh_station::home::{Home, Station};
use ansinh_store::Store;
use anyhow::{Context as _, Result, anyhow, bail};
use card_spec::certificate::{Authorization, Certificate, CertificateKey, Flags, Role as HolderRole};
use card_spec::crypto::Sign as _;
use card_spec::signed::sign;
use card_spec::values::{Constant, Date};
use clap::Args;
use jiff::{ToSpan as _, civil};

use super::operator::NewToken;
use super::{Options, Refused};

#[derive(Args)]
#[command(after_help = "\
Example:
  ansinh init --store /srv/ansinh --province 79 --agency H29.1 --operator lan --new-token-file lan.token

Makes three signing keys (national root, provincial issuer, national terminal CA) and the card master keys, sealed under one
passphrase of at least 15 characters; their certificates; an empty ledger. Keep a copy of the folder's keys/ and of the
passphrase apart: nobody can make them again. The folder must be new or empty.")]
pub(crate) struct Init {
    /// Province of the issuer, 2 digits (Decision 19/2025/QD-TTg)
    #[arg(long, value_name = "CODE")]
    province: String,
    /// Issuing agency (Decision 20/2020/QD-TTg); default: H and the province
    #[arg(long, value_name = "CODE")]
    agency: Option<String>,
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
        let station = self.station()?;
        let home = options.home();
        demand_new_or_empty(home.folder())?;
        let passphrase = options.new_passphrase()?;
        build(home.folder(), &station, &passphrase)?;
        let token = home.open_store()?.add_first_operator(&self.operator)?;
        report(options, &home, &station)?;
        self.token.hand_over(options, &self.operator, &token)
    }

    fn station(&self) -> Result<Station> {
        let today = today();
        if !ReferenceData::load()?.is_province(&self.province, today) {
            bail!(Refused(format!(
                "{:?} is no province code in force today (Decision 19/2025/QD-TTg)",
                self.province
            )));
        }
        let agency = self
            .agency
            .clone()
            .unwrap_or_else(|| format!("H{}", self.province));
        if agency.is_empty() || agency.len() > 35 || !agency.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!(Refused(
                "the agency's code must have 1 to 35 characters without spaces".to_owned()
            ));
        }
        Ok(Station {
            issuer: format!("VNISS{}00001", self.province),
            province: self.province.clone(),
            agency,
            root: "VNROOT00001".to_owned(),
            terminal_ca: "VNTCA00001".to_owned(),
            test: self.test,
        })
    }
}

fn demand_new_or_empty(folder: &Path) -> Result<()> {
    let occupied = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        bail!(
            "{}: not empty. A station is never set up over another one",
            folder.display()
        );
    }
    Ok(())
}

/// Builds the station beside its place and moves it there when it is complete: a crash leaves no half station.
fn build(folder: &Path, station: &Station, passphrase: &Passphrase) -> Result<()> {
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    let draft = tempfile::Builder::new()
        .prefix(".ansinh-init-")
        .tempdir_in(parent)?;
    let home = Home::new(draft.path().join("station"));
    DirBuilder::new().mode(0o700).create(home.folder())?;
    for name in ["keys", "keys/deliveries", "certificates"] {
        create_dir(home.folder().join(name))?;
    }
    write_new(&home.station_file(), &serde_json::to_vec_pretty(station)?)?;
    let store = Store::create(&home.store_file())?;
    make_certificates(&home, station, &store, passphrase)?;
    home.seal_card_master_keys(&MasterKeys::generate()?, passphrase)?;
    drop(store);
    std::fs::rename(home.folder(), folder).with_context(|| format!("{}: cannot be made", folder.display()))
}

fn make_certificates(home: &Home, station: &Station, store: &Store, passphrase: &Passphrase) -> Result<()> {
    let root = SigningKey::generate()?;
    for role in Role::ALL {
        let other;
        let key = if role == Role::Root {
            &root
        } else {
            other = SigningKey::generate()?;
            &other
        };
        key.seal(&home.signing_key_file(role), passphrase)?;
        write_new(
            &home.public_key_file(role),
            public_key_pem(&key.public_key())?.as_bytes(),
        )?;
        let body = certificate_body(station, role, key)?;
        let mut buffer = [0; 1024];
        let certificate =
            sign(&body, &root, &mut buffer).map_err(|error| anyhow!("certificate: {error:?}"))?;
        write_new(&home.certificate_file(body.holder.as_str()), certificate)?;
        store.add_certificate(body.holder.as_str(), body.authority.as_str(), certificate)?;
    }
    Ok(())
}

/// Years of validity: an issuer outlives its last card, the root outlives everybody.
const fn years(role: Role) -> i64 {
    match role {
        Role::Root => 20,
        Role::Issuer => 15,
        Role::TerminalCa => 10,
    }
}

fn certificate_body(station: &Station, role: Role, key: &SigningKey) -> Result<Certificate> {
    let today = today();
    let last = today.checked_add(years(role).years())?;
    Ok(Certificate {
        profile: Constant,
        authority: station.reference(Role::Root)?,
        public_key: CertificateKey {
            key: key.public_key(),
            with_domain_parameters: role == Role::Root,
        },
        holder: station.reference(role)?,
        authorization: Authorization {
            role: match role {
                Role::Root => HolderRole::Root,
                Role::Issuer => HolderRole::Issuer,
                Role::TerminalCa => HolderRole::TerminalAuthority,
            },
            flags: if station.test {
                Flags::Test
            } else {
                Flags::Production
            },
        },
        effective: date(today)?,
        expiry: date(last)?,
    })
}

/// A day as the formats have it.
pub(crate) fn date(day: civil::Date) -> Result<Date> {
    Date::new(
        day.year().try_into()?,
        day.month().try_into()?,
        day.day().try_into()?,
    )
    .context("the computer's clock is outside the years 2000 to 2099")
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
