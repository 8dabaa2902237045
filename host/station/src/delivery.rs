//! The file a card vendor sends with a delivery of blank cards: transport master keys with check values, and the chips' serials.
//!
//! ```json
//! {"delivery": "2026-11-A", "kdf": "KDF3", "kvn": 1,
//!  "keys": {"enc": {"key": "<32 hex digits>", "kcv": "<6 hex digits>"}, "mac": {…}, "dek": {…}},
//!  "cards": ["<20 hex digits>", …]}
//! ```

use std::collections::HashSet;

use ansinh_keys::{KeyError, MasterKeys};
use card_spec::scp03::ChipSerial;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Why a delivery was refused. Nothing was registered then.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// Not the JSON that was agreed.
    #[error("not a delivery file at line {line}, column {column}: {what}. The keys in it were not read")]
    Format {
        /// Line in the file.
        line: usize,
        /// Column.
        column: usize,
        /// What kind of thing is wrong; never content of the file, which holds keys.
        what: &'static str,
    },
    /// The name cannot be used as the name of a key file.
    #[error(
        "the delivery's name must be 1 to 40 letters, digits, dots, dashes or underscores, and start with a letter or digit"
    )]
    Name,
    /// Another derivation than ours.
    #[error(
        "key derivation {0:?} is not supported; only KDF3 (NIST SP 800-108, GlobalPlatform) is. Ask the vendor for such cards"
    )]
    Derivation(String),
    /// Another key version than that of transport keys.
    #[error("key version {0} is not that of transport keys, which is 1 (SPEC.md 6.2)")]
    KeyVersion(u8),
    /// A value is not hexadecimal or has the wrong length.
    #[error("{what} must be {digits} hexadecimal digits")]
    Hexadecimal {
        /// Which value.
        what: String,
        /// How many digits.
        digits: usize,
    },
    /// A delivery without cards.
    #[error("the delivery names no cards")]
    NoCards,
    /// One chip twice.
    #[error("chip {0} is named twice: two chips with one serial would share their keys. Ask the vendor")]
    DuplicateChip(String),
    /// A key is bad.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A checked delivery.
pub struct CheckedDelivery {
    /// Its name.
    pub name: String,
    /// Version of its transport keys.
    pub key_version: u8,
    /// Its transport master keys.
    pub keys: MasterKeys,
    /// Its chips.
    pub chips: Vec<ChipSerial>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<'a> {
    delivery: String,
    kdf: String,
    kvn: u8,
    #[serde(borrow)]
    keys: Keys<'a>,
    cards: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys<'a> {
    #[serde(borrow)]
    enc: Key<'a>,
    #[serde(borrow)]
    mac: Key<'a>,
    #[serde(borrow)]
    dek: Key<'a>,
}

/// Borrowed from the file, so that the only copy in memory is the one that the caller wipes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key<'a> {
    key: &'a str,
    kcv: &'a str,
}

/// Checks a delivery file.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(file: &[u8]) -> Result<CheckedDelivery, DeliveryError> {
    let file: File<'_> = serde_json::from_slice(file).map_err(|error| format_error(&error))?;
    check_name(&file.delivery)?;
    if file.kdf != "KDF3" {
        return Err(DeliveryError::Derivation(file.kdf));
    }
    if file.kvn != 1 {
        return Err(DeliveryError::KeyVersion(file.kvn));
    }
    let (enc, mac, dek) = (
        decode(&file.keys.enc, "enc")?,
        decode(&file.keys.mac, "mac")?,
        decode(&file.keys.dek, "dek")?,
    );
    let keys = MasterKeys::from_transport([(&enc.0, enc.1), (&mac.0, mac.1), (&dek.0, dek.1)])?;
    Ok(CheckedDelivery {
        name: file.delivery,
        key_version: file.kvn,
        keys,
        chips: check_chips(&file.cards)?,
    })
}

/// serde's own message may quote the value it stumbled over, which may be a key.
fn format_error(error: &serde_json::Error) -> DeliveryError {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a field is missing, unknown or of the wrong type",
        serde_json::error::Category::Eof => "the file ends too early",
        _ => "not JSON",
    };
    DeliveryError::Format {
        line: error.line(),
        column: error.column(),
        what,
    }
}

fn check_name(name: &str) -> Result<(), DeliveryError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let good = name.len() <= 40
        && name.bytes().all(allowed)
        && name
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric());
    if good { Ok(()) } else { Err(DeliveryError::Name) }
}

fn decode(key: &Key<'_>, name: &str) -> Result<(Zeroizing<[u8; 16]>, [u8; 3]), DeliveryError> {
    let mut octets = Zeroizing::new([0; 16]);
    let mut check_value = [0; 3];
    let wrong = |what: &str, digits| DeliveryError::Hexadecimal {
        what: format!("the {name} {what}"),
        digits,
    };
    hex::decode_to_slice(key.key, octets.as_mut_slice()).map_err(|_| wrong("key", 32))?;
    hex::decode_to_slice(key.kcv, &mut check_value).map_err(|_| wrong("check value", 6))?;
    Ok((octets, check_value))
}

fn check_chips(cards: &[String]) -> Result<Vec<ChipSerial>, DeliveryError> {
    if cards.is_empty() {
        return Err(DeliveryError::NoCards);
    }
    let mut seen = HashSet::new();
    let mut chips = Vec::with_capacity(cards.len());
    for text in cards {
        let mut chip = [0; 10];
        let wrong = || DeliveryError::Hexadecimal {
            what: format!("chip serial {text:?}"),
            digits: 20,
        };
        hex::decode_to_slice(text, &mut chip).map_err(|_| wrong())?;
        if !seen.insert(chip) {
            return Err(DeliveryError::DuplicateChip(text.clone()));
        }
        chips.push(chip);
    }
    Ok(chips)
}
