//! The keys that a blank card comes with.

use std::path::{Path, PathBuf};

use card_spec::scp03::{ChipSerial, StaticKeys, diversify};
use serde::Deserialize;

/// How a card's transport keys follow from what the vendor says about a delivery.
#[derive(Clone, Debug)]
pub struct TransportKeys {
    keys: StaticKeys,
    diversified: bool,
}

/// Why a file with transport keys is of no use.
#[derive(Debug, thiserror::Error)]
pub enum TransportKeyError {
    /// It cannot be read.
    #[error("{0}: cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// It does not say what it should.
    #[error("{0}: is no delivery file as `ansinh delivery add` takes it: {1}")]
    Malformed(PathBuf, String),
}

impl TransportKeys {
    /// The keys of test cards: the same in every card, ENC sixteen octets `A1`, MAC `A2`, DEK `A3`.
    #[must_use]
    pub fn test() -> Self {
        Self {
            keys: StaticKeys::new([0xA1; 16], [0xA2; 16], [0xA3; 16]),
            diversified: false,
        }
    }

    /// The keys of a delivery: the JSON file that a vendor sends with blank cards, `{"kdf": "KDF3" or "none",
    /// "keys": {"enc": {"key": "…"}, "mac": …, "dek": …}}`.
    ///
    /// # Errors
    /// [`TransportKeyError`].
    pub fn read(path: &Path) -> Result<Self, TransportKeyError> {
        let text = std::fs::read(path).map_err(|error| TransportKeyError::Unreadable(path.into(), error))?;
        let malformed = |reason: String| TransportKeyError::Malformed(path.into(), reason);
        let delivery: Delivery =
            serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        let key = |text: &str| {
            hex::decode(text)
                .ok()
                .and_then(|octets| <[u8; 16]>::try_from(octets).ok())
                .ok_or_else(|| malformed("a key is not 32 hexadecimal digits".to_owned()))
        };
        let DeliveredKeys { enc, mac, dek } = &delivery.keys;
        let keys = StaticKeys::new(key(&enc.key)?, key(&mac.key)?, key(&dek.key)?);
        let diversified = match delivery.kdf.as_str() {
            "KDF3" => true,
            "none" => false,
            other => return Err(malformed(format!("kdf {other} is neither KDF3 nor none"))),
        };
        Ok(Self { keys, diversified })
    }

    /// The keys of the card with this chip.
    #[must_use]
    pub fn keys_of(&self, chip_serial: &ChipSerial) -> StaticKeys {
        if self.diversified {
            diversify(&self.keys, chip_serial)
        } else {
            self.keys.clone()
        }
    }
}

#[derive(Deserialize)]
struct Delivery {
    kdf: String,
    keys: DeliveredKeys,
}

#[derive(Deserialize)]
struct DeliveredKeys {
    enc: DeliveredKey,
    mac: DeliveredKey,
    dek: DeliveredKey,
}

#[derive(Deserialize)]
struct DeliveredKey {
    key: String,
}
