//! The folder of an issuance station: keys, certificates, store and settings, all under one `--store DIR`.
//!
//! ```text
//! DIR/station.json                     province, agency, names of the certificates
//! DIR/store.sqlite                     the ledger
//! DIR/root.pem issuer.pem terminal-ca.pem
//! DIR/certificates/<CHR>.cvc
//! DIR/keys/root.key issuer.key terminal-ca.key card-master.key     sealed, mode 0600
//! DIR/keys/deliveries/<name>.key       transport keys, sealed
//! DIR/inbox/                           vendors' files of deliveries, until they are registered
//! DIR/requests/<CHR>.json .request     keys made by a ceremony that wait for their certificates
//! ```
//!
//! That is where keys lie after `ansinh init`; `station.json` may name other files, or a token ([`crate::keyring`]).

use std::fs::{DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use ansinh_keys::{MasterKeys, Passphrase, Role};
use ansinh_store::{DatabaseUrl, Location, Store};
use anyhow::{Context as _, Result, bail};
use card_spec::certificate::Reference;
use serde::{Deserialize, Serialize};

use crate::keyring::KeyPlaces;

/// Settings that were fixed when the station was set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Station {
    /// Province of the issuer, 2 digits.
    pub province: String,
    /// Issuing agency (Decision 20/2020/QD-TTg), up to 35 characters.
    pub agency: String,
    /// Holder reference of the root.
    pub root: String,
    /// Holder reference of the provincial issuer.
    pub issuer: String,
    /// Holder reference of the terminal CA.
    pub terminal_ca: String,
    /// Whether the root is a demonstration root (SPEC.md 3.3).
    pub test: bool,
    /// URL of the PostgreSQL database that holds the ledger, without a password; else it is in the folder, in `store.sqlite`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Where the keys live; left out: in the files that `ansinh init` makes.
    #[serde(default)]
    pub keys: KeyPlaces,
}

impl Station {
    /// The province as a number.
    ///
    /// # Errors
    /// If `station.json` was changed to something else.
    pub fn province_number(&self) -> Result<u8> {
        self.province
            .parse()
            .context("station.json: the province is not a number")
    }

    /// Holder reference of a role's certificate.
    ///
    /// # Errors
    /// If `station.json` was changed to something else.
    pub fn reference(&self, role: Role) -> Result<Reference> {
        let text = match role {
            Role::Root => &self.root,
            Role::Issuer => &self.issuer,
            Role::TerminalCa => &self.terminal_ca,
        };
        Reference::new(text)
            .with_context(|| format!("station.json: {text:?} is no certificate holder reference"))
    }
}

/// A station's folder.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
}

impl Home {
    /// Names a folder; nothing is read yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The settings.
    ///
    /// # Errors
    /// If the folder is no station, with what to do.
    pub fn station(&self) -> Result<Station> {
        let path = self.station_file();
        let Ok(text) = std::fs::read(&path) else {
            bail!(
                "{}: no station there. Run `ansinh init` first, or name the right folder with --store",
                self.folder.display()
            );
        };
        serde_json::from_slice(&text).with_context(|| format!("{}: not readable as settings", path.display()))
    }

    /// Where the ledger is.
    ///
    /// # Errors
    /// If the folder is no station, or its settings name a database that cannot be used.
    pub fn ledger(&self) -> Result<Location> {
        match self.station()?.database {
            Some(url) => Ok(Location::Server(
                DatabaseUrl::new(&url).context("station.json, database")?,
            )),
            None => Ok(Location::File(self.store_file())),
        }
    }

    /// Opens the ledger.
    ///
    /// # Errors
    /// See [`Store::open`].
    pub fn open_store(&self) -> Result<Store> {
        Ok(Store::open(self.ledger()?)?)
    }

    /// Opens the transport keys of a delivery.
    ///
    /// # Errors
    /// See [`MasterKeys::open`].
    pub fn transport_keys(&self, delivery: &str, passphrase: &Passphrase) -> Result<MasterKeys> {
        Ok(MasterKeys::open(
            &self.delivery_file(delivery),
            &delivery_purpose(delivery),
            passphrase,
        )?)
    }

    /// Seals the transport keys of a delivery.
    ///
    /// # Errors
    /// See [`MasterKeys::seal`].
    pub fn seal_transport_keys(
        &self,
        delivery: &str,
        keys: &MasterKeys,
        passphrase: &Passphrase,
    ) -> Result<()> {
        Ok(keys.seal(
            &self.delivery_file(delivery),
            &delivery_purpose(delivery),
            passphrase,
        )?)
    }

    /// Reads a certificate by its holder reference.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn certificate(&self, holder: &Reference) -> Result<Vec<u8>> {
        let path = self.certificate_file(holder.as_str());
        std::fs::read(&path).with_context(|| {
            format!(
                "{}: the certificate is missing. Restore it from backup, or take it in with `ansinh ceremony accept`",
                path.display()
            )
        })
    }

    /// Replaces the settings in one step.
    ///
    /// # Errors
    /// Of the file system; then the former ones are still there.
    pub fn save_station(&self, station: &Station) -> Result<()> {
        replace(&self.station_file(), &serde_json::to_vec_pretty(station)?)
    }

    /// Path of the settings.
    pub fn station_file(&self) -> PathBuf {
        self.folder.join("station.json")
    }

    /// Path of the ledger.
    pub fn store_file(&self) -> PathBuf {
        self.folder.join("store.sqlite")
    }

    /// Path of a public key in PEM.
    pub fn public_key_file(&self, role: Role) -> PathBuf {
        self.folder.join(role.name()).with_extension("pem")
    }

    /// Path of a certificate.
    pub fn certificate_file(&self, holder: &str) -> PathBuf {
        self.folder.join("certificates").join(format!("{holder}.cvc"))
    }

    /// Where files lie that the service is to take in and that must not go over a network.
    pub fn inbox(&self) -> PathBuf {
        self.folder.join("inbox")
    }

    /// Path of the sealed transport keys of a delivery.
    pub fn delivery_file(&self, delivery: &str) -> PathBuf {
        self.folder
            .join("keys")
            .join("deliveries")
            .join(format!("{delivery}.key"))
    }
}

fn delivery_purpose(name: &str) -> String {
    format!("delivery {name}")
}

/// Replaces a file in one step: a crash leaves the former content or the new one.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let failed = || format!("{}: cannot be written", path.display());
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    file.write_all(content).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(path).with_context(failed)?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(failed)
}

/// Makes a folder with all that belongs into it, beside its place, and moves it there when it is complete: a crash leaves
/// nothing. Only its owner can open it.
///
/// # Errors
/// If the folder is there and not empty, or whatever `fill` reports.
pub(crate) fn create_whole<T>(folder: &Path, fill: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!(
            "{}: not empty. Nothing is ever set up over something else",
            folder.display()
        );
    }
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    let draft = tempfile::Builder::new()
        .prefix(".ansinh-draft-")
        .tempdir_in(parent)?;
    let inside = draft.path().join("draft");
    DirBuilder::new().mode(0o700).create(&inside)?;
    let filled = fill(&inside)?;
    std::fs::rename(&inside, folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    Ok(filled)
}
