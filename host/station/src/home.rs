//! The folder of an issuance station: keys, certificates, store and settings, all under one `--store DIR`.
//!
//! ```text
//! DIR/station.json                     province, agency, names of the certificates
//! DIR/store.sqlite                     the ledger
//! DIR/root.pem issuer.pem terminal-ca.pem
//! DIR/certificates/<CHR>.cvc
//! DIR/keys/root.key issuer.key terminal-ca.key card-master.key     sealed, mode 0600
//! DIR/keys/deliveries/<name>.key       transport keys, sealed
//! ```

use std::path::{Path, PathBuf};

use ansinh_keys::{MasterKeys, Passphrase, Role, SigningKey};
use ansinh_store::Store;
use anyhow::{Context as _, Result, bail};
use card_spec::certificate::Reference;
use serde::{Deserialize, Serialize};

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

/// Purpose under which the card master keys are sealed.
const CARD_MASTER: &str = "card-master";

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

    /// Opens the ledger.
    ///
    /// # Errors
    /// See [`Store::open`].
    pub fn open_store(&self) -> Result<Store> {
        Ok(Store::open(&self.store_file())?)
    }

    /// Opens a signing key.
    ///
    /// # Errors
    /// See [`SigningKey::open`].
    pub fn signing_key(&self, role: Role, passphrase: &Passphrase) -> Result<SigningKey> {
        Ok(SigningKey::open(&self.signing_key_file(role), passphrase)?)
    }

    /// Opens the issuer's card master keys.
    ///
    /// # Errors
    /// See [`MasterKeys::open`].
    pub fn card_master_keys(&self, passphrase: &Passphrase) -> Result<MasterKeys> {
        Ok(MasterKeys::open(
            &self.card_master_file(),
            CARD_MASTER,
            passphrase,
        )?)
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

    /// Seals the issuer's card master keys.
    ///
    /// # Errors
    /// See [`MasterKeys::seal`].
    pub fn seal_card_master_keys(&self, keys: &MasterKeys, passphrase: &Passphrase) -> Result<()> {
        Ok(keys.seal(&self.card_master_file(), CARD_MASTER, passphrase)?)
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
                "{}: the certificate is missing; restore it from backup",
                path.display()
            )
        })
    }

    /// Path of the settings.
    pub fn station_file(&self) -> PathBuf {
        self.folder.join("station.json")
    }

    /// Path of the ledger.
    pub fn store_file(&self) -> PathBuf {
        self.folder.join("store.sqlite")
    }

    /// Path of a signing key.
    pub fn signing_key_file(&self, role: Role) -> PathBuf {
        self.folder.join("keys").join(role.name()).with_extension("key")
    }

    /// Path of a public key in PEM.
    pub fn public_key_file(&self, role: Role) -> PathBuf {
        self.folder.join(role.name()).with_extension("pem")
    }

    /// Path of a certificate.
    pub fn certificate_file(&self, holder: &str) -> PathBuf {
        self.folder.join("certificates").join(format!("{holder}.cvc"))
    }

    /// Path of the sealed transport keys of a delivery.
    pub fn delivery_file(&self, delivery: &str) -> PathBuf {
        self.folder
            .join("keys")
            .join("deliveries")
            .join(format!("{delivery}.key"))
    }

    fn card_master_file(&self) -> PathBuf {
        self.folder.join("keys").join("card-master.key")
    }
}

fn delivery_purpose(name: &str) -> String {
    format!("delivery {name}")
}
