//! The keys of a station: where each one lives, as `station.json` says, and how it is opened.
//!
//! ```json
//! "keys": {
//!   "issuer": { "pkcs11": { "module": "/usr/lib/softhsm/libsofthsm2.so", "token": "issuance 79", "object": "VNISS7900001",
//!                           "pin": "keys/VNISS7900001.pin" } },
//!   "card-master": { "sealed": "keys/card-master.key" }
//! }
//! ```
//!
//! Not a `pkcs11:` URI (RFC 7512): no maintained parser of it takes off the percent encoding, and the library's path and the
//! sealed PIN would be attributes of ours anyway.
//!
//! A signing key opens only together with its certificate: one that is not the certificate's would sign what nobody accepts.

use std::path::{Path, PathBuf};

use ansinh_keys::{MasterKeys, Passphrase, Role, SigningKey, Token, TokenPin};
use anyhow::{Context as _, Result, ensure};
use card_spec::certificate::Certificate;
use card_spec::crypto::Sign as _;
use card_spec::signed::Signed;
use serde::{Deserialize, Serialize};

use crate::home::Home;

/// Where each key of a station lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct KeyPlaces {
    /// The root's signing key: here only after `ansinh init`; by the ceremony it never comes near a station.
    pub root: KeyPlace,
    /// The issuer's signing key.
    pub issuer: KeyPlace,
    /// The terminal CA's signing key.
    pub terminal_ca: KeyPlace,
    /// The card master keys.
    pub card_master: KeyPlace,
}

impl Default for KeyPlaces {
    fn default() -> Self {
        let sealed = |name: &str| KeyPlace::Sealed(format!("keys/{name}.key").into());
        Self {
            root: sealed("root"),
            issuer: sealed("issuer"),
            terminal_ca: sealed("terminal-ca"),
            card_master: sealed("card-master"),
        }
    }
}

impl KeyPlaces {
    /// Where the signing key of a role lives.
    pub fn signing(&self, role: Role) -> &KeyPlace {
        match role {
            Role::Root => &self.root,
            Role::Issuer => &self.issuer,
            Role::TerminalCa => &self.terminal_ca,
        }
    }

    pub(crate) fn signing_mut(&mut self, role: Role) -> &mut KeyPlace {
        match role {
            Role::Root => &mut self.root,
            Role::Issuer => &mut self.issuer,
            Role::TerminalCa => &mut self.terminal_ca,
        }
    }
}

/// Where a key lives. Paths are relative to the station's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyPlace {
    /// In a sealed file.
    Sealed(PathBuf),
    /// In a token behind PKCS#11.
    Pkcs11(TokenObject),
}

/// A key in a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenObject {
    /// The token's PKCS#11 library.
    pub module: PathBuf,
    /// Label of the token.
    pub token: String,
    /// Label of the key; card master keys have `-enc`, `-mac` and `-dek` added.
    pub object: String,
    /// File with the token's PIN, sealed under the passphrase of the keys.
    pub pin: PathBuf,
}

impl core::fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Sealed(path) => write!(f, "{}", path.display()),
            Self::Pkcs11(place) => write!(f, "{:?} in the token {:?}", place.object, place.token),
        }
    }
}

/// Purpose under which the card master keys are sealed.
const CARD_MASTER: &str = "card-master";

impl Home {
    /// Opens the signing key of a role, which must be that of the role's certificate.
    ///
    /// # Errors
    /// Of [`SigningKey::open`], [`Token::login`] and [`SigningKey::in_token`]; a certificate that is missing or has another key.
    pub fn signing_key(&self, role: Role, passphrase: &Passphrase) -> Result<SigningKey> {
        let station = self.station()?;
        let holder = station.reference(role)?;
        let certificate = self.certificate(&holder)?;
        let certificate = Signed::<Certificate>::parse(&certificate)
            .with_context(|| format!("certificate {holder}: damaged; restore it from backup"))?;
        let place = station.keys.signing(role);
        let key = self.open_signing_key(place, passphrase)?;
        ensure!(
            certificate.claimed().public_key.key == key.public_key(),
            "{place}: not the key of the certificate {holder}; nothing is signed with it. Restore both from the same backup"
        );
        Ok(key)
    }

    /// Opens the issuer's card master keys.
    ///
    /// # Errors
    /// Of [`MasterKeys::open`], [`Token::login`] and [`MasterKeys::in_token`].
    pub fn card_master_keys(&self, passphrase: &Passphrase) -> Result<MasterKeys> {
        Ok(match &self.station()?.keys.card_master {
            KeyPlace::Sealed(path) => MasterKeys::open(&self.in_folder(path), CARD_MASTER, passphrase)?,
            KeyPlace::Pkcs11(place) => MasterKeys::in_token(&self.login(place, passphrase)?, &place.object)?,
        })
    }

    /// Makes new card master keys at a place: in a token, or in a file sealed under the passphrase.
    ///
    /// # Errors
    /// Of [`MasterKeys::seal`], [`Token::login`] and [`MasterKeys::generate_in_token`].
    pub fn make_card_master_keys(&self, place: &KeyPlace, passphrase: &Passphrase) -> Result<()> {
        match place {
            KeyPlace::Sealed(path) => {
                MasterKeys::generate()?.seal(&self.in_folder(path), CARD_MASTER, passphrase)?;
            }
            KeyPlace::Pkcs11(place) => {
                MasterKeys::generate_in_token(&self.login(place, passphrase)?, &place.object)?;
            }
        }
        Ok(())
    }

    /// Opens a signing key wherever it lives, without asking for a certificate.
    pub(crate) fn open_signing_key(&self, place: &KeyPlace, passphrase: &Passphrase) -> Result<SigningKey> {
        Ok(match place {
            KeyPlace::Sealed(path) => SigningKey::open(&self.in_folder(path), passphrase)?,
            KeyPlace::Pkcs11(place) => SigningKey::in_token(&self.login(place, passphrase)?, &place.object)?,
        })
    }

    /// Makes a new signing key at a place: in a token, or in a file sealed under the passphrase.
    ///
    /// # Errors
    /// Of [`SigningKey::seal`], [`Token::login`] and [`SigningKey::generate_in_token`].
    pub fn make_signing_key(&self, place: &KeyPlace, passphrase: &Passphrase) -> Result<SigningKey> {
        Ok(match place {
            KeyPlace::Sealed(path) => {
                let key = SigningKey::generate()?;
                key.seal(&self.in_folder(path), passphrase)?;
                key
            }
            KeyPlace::Pkcs11(place) => {
                SigningKey::generate_in_token(&self.login(place, passphrase)?, &place.object)?
            }
        })
    }

    fn login(&self, place: &TokenObject, passphrase: &Passphrase) -> Result<Token> {
        let pin = TokenPin::open(&self.in_folder(&place.pin), passphrase)?;
        Ok(Token::login(&place.module, &place.token, &pin)?)
    }

    pub(crate) fn in_folder(&self, path: &Path) -> PathBuf {
        self.folder().join(path)
    }
}
