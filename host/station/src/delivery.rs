//! The file a card vendor sends with a delivery of blank cards: transport master keys with check values, and the chips' serials.
//!
//! ```json
//! {"delivery": "2026-11-A", "kdf": "KDF3", "kvn": 1,
//!  "keys": {"enc": {"key": "<32 hex digits>", "kcv": "<6 hex digits>"}, "mac": {…}, "dek": {…}},
//!  "cards": ["<20 hex digits>", …]}
//! ```
//!
//! The keys in it are in clear, so the file never goes over a network. Whoever may work on the station's computer puts it into the
//! folder `inbox` of the station; the service, which alone has the passphrase, takes it from there ([`take_in`]).

use std::collections::HashSet;
use std::fs::{self, File as DiskFile, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use ansinh_keys::{KeyError, MasterKeys, Passphrase};
use ansinh_store::deliveries::Delivery;
use ansinh_store::operators::Actor;
use ansinh_store::{Store, StoreError};
use anyhow::{Context as _, Result};
use card_spec::scp03::ChipSerial;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::home::Home;

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
    /// The name cannot be that of a file in the inbox.
    #[error(
        "the file's name must be 1 to 60 letters, digits, dots, dashes or underscores, and start with a letter or digit"
    )]
    FileName,
    /// There is no such file, or something else under its name.
    #[error(
        "inbox/{0}: no file there. If an answer was lost, `ansinh stock show` says whether the delivery is registered"
    )]
    NoFile(String),
    /// More than any delivery holds.
    #[error("the file has more than {} MiB; ask the vendor for several deliveries", LONGEST >> 20)]
    TooLong,
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

/// Longest file, bytes: half a million chips.
const LONGEST: u64 = 16 << 20;

/// A delivery that is registered now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its name.
    pub name: String,
    /// Its blank cards.
    pub cards: usize,
}

/// Registers a delivery: seals its transport keys and makes its chips blanks.
///
/// # Errors
/// [`DeliveryError`] if it is refused, [`StoreError::Exists`] for a delivery or chip that is registered already, [`KeyError`] if
/// the passphrase is not the station's; of the file system.
pub fn register(
    home: &Home,
    store: &Store,
    actor: &Actor,
    file: &[u8],
    passphrase: &Passphrase,
) -> Result<Registered> {
    let checked = check(file)?;
    // One at a time, whoever asks: of two deliveries of one name neither may take the other's keys for those of an attempt that died.
    let sealed = home.delivery_file(&checked.name);
    let folder = sealed.parent().unwrap_or(home.folder());
    let _turn = DiskFile::open(folder)
        .and_then(|folder| folder.lock().map(|()| folder))
        .with_context(|| folder.display().to_string())?;
    if store.delivery_names()?.contains(&checked.name) {
        let name = checked.name;
        return Err(StoreError::Exists {
            what: "delivery",
            name,
        }
        .into());
    }
    // The passphrase must be the station's, or nobody could open the delivery's keys together with the others.
    home.card_master_keys(passphrase)?;
    // Left by an attempt that died between sealing and registering: these keys were never used.
    if sealed.exists() {
        fs::remove_file(&sealed).with_context(|| sealed.display().to_string())?;
    }
    home.seal_transport_keys(&checked.name, &checked.keys, passphrase)?;
    let delivery = Delivery {
        name: checked.name,
        key_version: checked.key_version,
        check_values: checked.keys.check_values()?.as_flattened().try_into()?,
    };
    store.add_delivery(actor, &delivery, &checked.chips)?;
    Ok(Registered {
        name: delivery.name,
        cards: checked.chips.len(),
    })
}

/// Where a file in the inbox is.
///
/// # Errors
/// [`DeliveryError::FileName`], [`DeliveryError::NoFile`].
pub fn find(home: &Home, name: &str) -> Result<PathBuf, DeliveryError> {
    if !is_plain_name(name, 60) {
        return Err(DeliveryError::FileName);
    }
    let path = home.inbox().join(name);
    // A link would let whoever may write here have any file of the service's read.
    if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
        return Err(DeliveryError::NoFile(name.to_owned()));
    }
    Ok(path)
}

/// Registers the delivery of a file in the inbox, and removes the file: it holds keys in clear. A file that is still there although
/// its delivery is registered (the answer was lost, or the power) is removed, too.
///
/// # Errors
/// As [`register`], and [`DeliveryError::FileName`], [`DeliveryError::NoFile`]; the file is still there then, unless all that is in it
/// was registered before.
pub fn take_in(
    home: &Home,
    store: &Store,
    actor: &Actor,
    name: &str,
    passphrase: &Passphrase,
) -> Result<Registered> {
    let path = find(home, name)?;
    let mut content = Zeroizing::new(Vec::new());
    DiskFile::open(&path)
        .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut content))
        .with_context(|| format!("inbox/{name}: cannot be read"))?;
    if content.len() as u64 > LONGEST {
        return Err(DeliveryError::TooLong.into());
    }
    let registered = register(home, store, actor, &content, passphrase);
    if registered.is_err() && !is_registered(store, &content)? {
        return registered;
    }
    fs::remove_file(&path).with_context(|| {
        format!("inbox/{name}: the delivery is registered, but its file cannot be removed. Remove it: it holds keys in clear")
    })?;
    registered
}

/// Whether all that is in this file is registered.
fn is_registered(store: &Store, file: &[u8]) -> Result<bool> {
    let checked = check(file)?;
    let check_values = checked.keys.check_values()?;
    for chip in &checked.chips {
        match store.delivery_of(chip) {
            Ok(known) if known.name == checked.name && known.check_values == *check_values.as_flattened() => {
            }
            Ok(_) | Err(StoreError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// Puts a checked file into the inbox under a name of its own, readable by nobody else.
///
/// # Errors
/// Of the file system.
pub fn put_into_inbox(home: &Home, delivery: &CheckedDelivery, file: &[u8]) -> Result<String> {
    let (inbox, name) = (home.inbox(), format!("{}.json", delivery.name));
    let path = inbox.join(&name);
    let failed = || format!("{}: cannot be written", path.display());
    fs::create_dir_all(&inbox).with_context(failed)?;
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(failed)?;
    if let Err(error) = target.write_all(file) {
        // Half a file with keys helps nobody.
        let _ = fs::remove_file(&path);
        return Err(error).with_context(failed);
    }
    Ok(name)
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
    if is_plain_name(name, 40) {
        return Ok(());
    }
    Err(DeliveryError::Name)
}

/// Whether this is the name of a file and of nothing else, no longer than this.
fn is_plain_name(name: &str, longest: usize) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.len() <= longest
        && name.bytes().all(allowed)
        && name
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
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
