//! `ansinh reference`: the codes, rates and deadlines in force, and packages that replace them.

use std::path::{Path, PathBuf};

use ansinh_keys::{Role, SigningKey};
use ansinh_reference::{
    Code, CommuneLookup, Extent, Manifest, Offer, Origin, Package, PackageError, Province, ProvinceKind,
    Reference as Data, Status, Succession, Verified, offer, public_key_from_pem, sign, today,
};
use ansinh_station::home::Home;
use ansinh_store::Store;
use ansinh_store::operators::{Actor, Role as OperatorRole};
use anyhow::{Context as _, Result, bail};
use card_spec::crypto::{PublicKey, Sign, Signature, sha256};
use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;
use serde_json::{Value, json};

use super::{Options, Refused};

#[derive(Subcommand)]
pub(crate) enum Reference {
    /// Show what is in force, with its sources; or what a code means on a day
    Show(Show),
    /// Check a package: signature, every file, every line. Changes nothing
    Verify(Verify),
    /// Put a newer signed package into force
    Install(Install),
    /// Check a folder of reference data and sign it for the stations
    Sign(SignPackage),
}

#[derive(Args)]
#[command(after_help = "\
The same digits can name another place on another day: 80 was Long An and is Tây Ninh since 1 July 2025.

Examples:
  ansinh reference show
  ansinh reference show --sources
  ansinh reference show --province 80 --day 20250630
  ansinh reference show --commune 00004")]
pub(crate) struct Show {
    /// What a province code means, and where an old province went
    #[arg(long, value_name = "CODE", conflicts_with = "commune")]
    province: Option<String>,
    /// What a commune code means, and where an old commune went
    #[arg(long, value_name = "CODE")]
    commune: Option<String>,
    /// The day that is asked for; default: today
    #[arg(long, value_name = "YYYYMMDD", value_parser = day)]
    day: Option<Date>,
    /// List the sources of each file
    #[arg(long)]
    sources: bool,
}

#[derive(Args)]
#[command(after_help = "\
Without --key the station's root.pem and issuer.pem are trusted. Anybody can check the signature without this program:
  openssl dgst -sha256 -verify root.pem -signature DIR/manifest.sig DIR/manifest.json

Example:
  ansinh reference verify vn-2
  ansinh reference verify vn-2 --key ministry.pem")]
pub(crate) struct Verify {
    /// The package's folder
    folder: PathBuf,
    /// Public key (PEM) that may have signed it; may be given several times
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "\
Needs an administrator. The package must be signed by the station's root or issuer and have a higher version than the one in
force; the same package again changes nothing. It is copied, then put into force in one step: a crash leaves the former one.

Example:
  ansinh reference install vn-2")]
pub(crate) struct Install {
    /// The package's folder
    folder: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
Writes the SHA-256 of each file into manifest.json, checks everything as a station will, and writes manifest.sig. With one error
nothing is written. Raise \"version\" in manifest.json first: a station takes only higher versions.

Examples:
  ansinh reference sign vn-2 --key-role issuer          (needs an administrator of this station)
  ansinh reference sign vn-2 --key-file ministry.key    (needs no station)")]
pub(crate) struct SignPackage {
    /// The package's folder
    folder: PathBuf,
    /// Sign with a key of this station
    #[arg(long, value_enum, required_unless_present = "key_file")]
    key_role: Option<KeyRole>,
    /// Sign with a key in a sealed file
    #[arg(long, value_name = "FILE", conflicts_with = "key_role")]
    key_file: Option<PathBuf>,
}

/// The keys whose packages stations take.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum KeyRole {
    /// The national root
    Root,
    /// The provincial issuer
    Issuer,
}

impl Reference {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let done = match self {
            Self::Show(show) => show.run(options),
            Self::Verify(verify) => verify.run(options),
            Self::Install(install) => install.run(options),
            Self::Sign(sign) => sign.run(options),
        };
        done.map_err(refused)
    }
}

/// A package that is not as it should be is refused data; a disk that fails is not.
fn refused(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<PackageError>() {
        None | Some(PackageError::File { .. } | PackageError::Signing(_)) => error,
        Some(_) => Refused(format!("{error:#}")).into(),
    }
}

impl Show {
    fn run(&self, options: &Options) -> Result<()> {
        let home = options.home();
        // Without a station there is still the data that the program brings.
        let data = if home.station_file().exists() {
            home.reference_data()?
        } else {
            Data::load()?
        };
        let day = self.day.unwrap_or_else(today);
        let answer = match (&self.province, &self.commune) {
            (Some(code), _) => province(&data, code, day),
            (None, Some(code)) => commune(&data, code, day),
            (None, None) => return self.package(options, &data),
        };
        if options.json {
            println!("{}", answer.json);
        } else {
            answer.lines.iter().for_each(|line| println!("{line}"));
        }
        Ok(())
    }

    fn package(&self, options: &Options, data: &Data) -> Result<()> {
        let manifest = data.manifest();
        let built_in = data.origin() == Origin::BuiltIn;
        if options.json {
            let mut report = serde_json::to_value(manifest)?;
            if let Value::Object(report) = &mut report {
                report.insert("built_in".to_owned(), json!(built_in));
            }
            println!("{report}");
            return Ok(());
        }
        let origin = if built_in {
            "có sẵn trong chương trình / built in"
        } else {
            "do trạm cài đặt / installed"
        };
        print_head(manifest);
        println!("{origin}");
        println!("{}", manifest.note);
        for file in &manifest.files {
            println!("\n{:24} {:10} {}", file.name, status(file.status), file.title);
            if !file.note.is_empty() {
                println!("    {}", file.note);
            }
            for source in file.sources.iter().filter(|_| self.sources) {
                println!("    - {} {}", source.title, source.url);
            }
        }
        Ok(())
    }
}

/// An answer in both forms.
struct Answer {
    lines: Vec<String>,
    json: Value,
}

fn province(data: &Data, code: &str, day: Date) -> Answer {
    let found = data.province(code, day);
    let mut lines = vec![match found {
        Some(found) => format!("{code}  {} ({})", found.name, kind(found)),
        None => format!("{code}: không có hiệu lực ngày {day} / not in force on {day}"),
    }];
    let name = |successor: &Succession| {
        let new = data
            .province(&successor.successor, day)
            .or_else(|| data.province(&successor.successor, today()));
        new.map_or_else(String::new, |new| new.name.clone())
    };
    let successors: Vec<&Succession> = data.province_successors(code).collect();
    for successor in &successors {
        lines.push(format!(
            "trước 01/7/2025, nay thuộc / before 1 July 2025, now: {} {}",
            successor.successor,
            name(successor)
        ));
    }
    let json = json!({
        "code": code, "day": day.strftime("%Y%m%d").to_string(), "in_force": found.is_some(),
        "name": found.map(|found| &found.name),
        "successors": successors.iter().map(|one| &one.successor).collect::<Vec<_>>(),
    });
    Answer { lines, json }
}

fn commune(data: &Data, code: &str, day: Date) -> Answer {
    let (state, name, line) = match data.commune(code, day) {
        CommuneLookup::InForce(found) => {
            let province = data.province(&found.detail.province, day);
            let province = province.map_or("", |province| province.name.as_str());
            (
                "in-force",
                Some(&found.name),
                format!("{code}  {}, {province}", found.name),
            )
        }
        CommuneLookup::Unknown => (
            "unknown",
            None,
            format!("{code}: không có mã này ngày {day} / no such commune on {day}"),
        ),
        CommuneLookup::CannotBeChecked => (
            "cannot-be-checked",
            None,
            format!(
                "{code}: danh sách ngày {day} chưa đủ, không kiểm tra được / the list of {day} is not complete: cannot be checked"
            ),
        ),
    };
    let mut lines = vec![line];
    let successors = data.commune_successors(code);
    for successor in successors {
        let new = match data.commune(&successor.detail.successor, today()) {
            CommuneLookup::InForce(new) => new.name.as_str(),
            _ => "",
        };
        lines.push(format!(
            "trước 01/7/2025 là {0}, nay là / before 1 July 2025 {0}, now: {1} {new} ({2})",
            successor.name,
            successor.detail.successor,
            extent(successor.detail.extent)
        ));
    }
    let json = json!({
        "code": code, "day": day.strftime("%Y%m%d").to_string(), "state": state, "name": name,
        "successors": successors.iter().map(|one| json!({
            "old_name": one.name, "successor": one.detail.successor, "extent": extent(one.detail.extent),
        })).collect::<Vec<_>>(),
    });
    Answer { lines, json }
}

impl Verify {
    fn run(&self, options: &Options) -> Result<()> {
        let trusted = match self.key.as_slice() {
            [] => options.home().reference_keys()?,
            files => files.iter().map(public_key).collect::<Result<_>>()?,
        };
        let package = checked(&self.folder, &trusted)?;
        if options.json {
            println!("{}", summary(package.manifest(), "valid", true));
            return Ok(());
        }
        print_head(package.manifest());
        println!("Chữ ký và mọi tệp đều đúng / Signature and all files are right");
        Ok(())
    }
}

impl Install {
    fn run(&self, options: &Options) -> Result<()> {
        let home = options.home();
        let store = home.open_store()?;
        let actor = options.actor(&store)?;
        actor.demand(OperatorRole::Administrator)?;
        let trusted = home.reference_keys()?;
        let package = checked(&self.folder, &trusted)?;
        let folder = home.reference_folder();
        let manifest = package.manifest();
        let newer = match offer(&folder, &package, &trusted)? {
            Offer::Newer(newer) => newer,
            Offer::AlreadyInForce => return report_installed(options, manifest, false),
        };
        // First the log, then the act: a crash in between shows one line more, never data in force that nobody has put there.
        let subject = format!("{} v{}", manifest.name, manifest.version);
        store.log_operation(&actor, "reference-data-installed", &subject)?;
        newer.install()?;
        report_installed(options, manifest, true)
    }
}

fn report_installed(options: &Options, manifest: &Manifest, installed: bool) -> Result<()> {
    if options.json {
        println!("{}", summary(manifest, "installed", installed));
        return Ok(());
    }
    print_head(manifest);
    if installed {
        println!("Đã có hiệu lực tại trạm / In force at this station from now on");
    } else {
        println!("Đã có hiệu lực trước đây, không thay đổi gì / In force already; nothing was changed");
    }
    Ok(())
}

impl SignPackage {
    fn run(&self, options: &Options) -> Result<()> {
        let manifest = match (&self.key_file, self.key_role) {
            (Some(file), _) => sign(&self.folder, &SigningKey::open(file, &options.passphrase()?)?)?,
            (None, Some(role)) => self.sign_with(options, &options.home(), role)?,
            (None, None) => bail!("name the key: --key-role or --key-file"),
        };
        if options.json {
            println!("{}", summary(&manifest, "signed", true));
            return Ok(());
        }
        print_head(&manifest);
        println!(
            "Đã ký / Signed: {}",
            self.folder.join(ansinh_reference::SIGNATURE_FILE).display()
        );
        Ok(())
    }

    fn sign_with(&self, options: &Options, home: &Home, role: KeyRole) -> Result<Manifest> {
        let store = home.open_store()?;
        let actor = options.actor(&store)?;
        actor.demand(OperatorRole::Administrator)?;
        let role = match role {
            KeyRole::Root => Role::Root,
            KeyRole::Issuer => Role::Issuer,
        };
        let key = home.signing_key(role, &options.passphrase()?)?;
        Ok(sign(
            &self.folder,
            &Logged {
                key,
                store: &store,
                actor: &actor,
            },
        )?)
    }
}

/// A key that writes into the operations log what it is about to sign.
struct Logged<'a> {
    key: SigningKey,
    store: &'a Store,
    actor: &'a Actor,
}

impl Sign for Logged<'_> {
    type Error = String;

    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, String> {
        let digest = hex::encode(sha256(&[message]));
        self.store
            .log_operation(self.actor, "reference-data-signed", &digest)
            .map_err(|error| error.to_string())?;
        self.key.sign(message).map_err(|error| error.to_string())
    }
}

/// A package of which everything is right.
fn checked(folder: &Path, trusted: &[PublicKey]) -> Result<Verified> {
    let package = Package::read(folder)?.verify(trusted)?;
    Data::from_package(&package)?;
    Ok(package)
}

fn public_key(file: &PathBuf) -> Result<PublicKey> {
    let pem = std::fs::read_to_string(file).with_context(|| format!("{}: cannot be read", file.display()))?;
    public_key_from_pem(&pem).with_context(|| file.display().to_string())
}

fn print_head(manifest: &Manifest) {
    println!(
        "{}, phiên bản / version {}, công bố / published {}",
        manifest.name, manifest.version, manifest.published
    );
}

fn summary(manifest: &Manifest, what: &str, value: bool) -> Value {
    json!({ "name": manifest.name, "version": manifest.version, "published": manifest.published, what: value })
}

fn kind(province: &Code<Province>) -> &'static str {
    match province.detail.kind {
        ProvinceKind::Province => "tỉnh / province",
        ProvinceKind::City => "thành phố / city",
    }
}

const fn status(status: Status) -> &'static str {
    match status {
        Status::Law => "law",
        Status::Secondary => "secondary",
        Status::Project => "project",
        Status::Station => "station",
    }
}

const fn extent(extent: Extent) -> &'static str {
    match extent {
        Extent::Whole => "whole",
        Extent::Part => "part",
        Extent::Uncertain => "uncertain",
    }
}

fn day(text: &str) -> Result<Date, String> {
    let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    let day = digits.then(|| Date::strptime("%Y%m%d", text).ok()).flatten();
    day.ok_or_else(|| "must be a day as yyyymmdd".to_owned())
}
