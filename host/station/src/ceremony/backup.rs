//! Copies of a station's keys: made, opened, compared, and only then relied on.
//!
//! A backup is a folder with `manifest.json`, `station.json`, certificates, requests and the sealed keys. It is worth as much
//! as the keys' passphrase keeps of it. Keys in a token are not in it: the token's own tool backs them up. The ledger is not
//! in it either: it changes with each card.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use ansinh_keys::{Passphrase, Role};
use anyhow::{Context as _, Result, bail, ensure};
use card_spec::crypto::{Sign as _, sha256};
use serde::{Deserialize, Serialize};

use super::root::read;
use crate::home::{Home, Station, create_whole};
use crate::keyring::KeyPlace;

/// What a station's folder has besides the ledger: files and folders of a backup.
const PARTS: [&str; 7] = [
    "keys",
    "certificates",
    "requests",
    "root.pem",
    "issuer.pem",
    "terminal-ca.pem",
    "station.json",
];
const MANIFEST: &str = "manifest.json";

/// What a backup holds, and by what its keys are told from others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// SHA-256 of each file, in hexadecimal.
    pub files: BTreeMap<String, String>,
    /// Each key by its role or name, with what tells it from others, in hexadecimal: SHA-256 of a public key,
    /// [`ansinh_keys::MasterKeys::fingerprint`] of master keys.
    pub keys: BTreeMap<String, String>,
    /// Keys that are not in the backup, because they live in a token.
    pub in_tokens: Vec<String>,
}

/// Copies the keys of a station into a new folder and opens every key of the copy.
///
/// # Errors
/// If the folder is not new or empty; if a key does not open or is not its certificate's: then there is no backup.
pub fn backup(home: &Home, folder: &Path, passphrase: &Passphrase) -> Result<Manifest> {
    let mut manifest = None;
    create_whole(folder, |draft| {
        for part in PARTS {
            copy(&home.in_folder(Path::new(part)), &draft.join(part))?;
        }
        let (keys, in_tokens) = check_keys(&Home::new(draft), passphrase)?;
        let made = Manifest {
            files: hash_files(draft)?,
            keys,
            in_tokens,
        };
        crate::home::replace(&draft.join(MANIFEST), &serde_json::to_vec_pretty(&made)?)?;
        manifest = Some(made);
        Ok(())
    })?;
    manifest.context("no backup was made")
}

/// A backup of which every file is as it was written and every key opens and is its certificate's. Only [`verify`] makes one.
pub struct VerifiedBackup {
    folder: PathBuf,
    station: Station,
    manifest: Manifest,
}

impl VerifiedBackup {
    /// What is in it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// Checks a backup from the first byte to the last key.
///
/// # Errors
/// Naming the first file that is missing, changed or too many, or the first key that does not open or is another one.
pub fn verify(folder: &Path, passphrase: &Passphrase) -> Result<VerifiedBackup> {
    let manifest: Manifest = serde_json::from_slice(&read(&folder.join(MANIFEST))?)
        .with_context(|| format!("{}: not a backup's manifest", folder.join(MANIFEST).display()))?;
    let mut found = hash_files(folder)?;
    found.remove(MANIFEST);
    for (name, hash) in &manifest.files {
        match found.remove(name) {
            Some(same) if same == *hash => {}
            Some(_) => {
                bail!("{name}: changed since the backup was made. Nothing was restored; take another copy")
            }
            None => bail!("{name}: missing in the backup. Nothing was restored; take another copy"),
        }
    }
    if let Some(name) = found.into_keys().next() {
        bail!("{name}: was not in the backup when it was made. Nothing was restored");
    }
    let home = Home::new(folder);
    let (keys, _) = check_keys(&home, passphrase)?;
    // A key that lives in a token now may have been restored there from the token's own backup: it is compared, too.
    for (name, value) in &keys {
        ensure!(
            manifest.keys.get(name) == Some(value),
            "{name}: not the key that the manifest names. Nothing was restored"
        );
    }
    Ok(VerifiedBackup {
        folder: folder.to_owned(),
        station: home.station()?,
        manifest,
    })
}

/// Puts a backup's files in the place of a station's. What was there is kept beside it as `before-restore-…`, for the ledger's
/// sake the ledger stays.
///
/// # Errors
/// If the station has newer keys than the backup: old keys would sign what nobody accepts.
pub fn restore(backup: &VerifiedBackup, home: &Home) -> Result<PathBuf> {
    if home.station_file().exists() {
        demand_not_older(&backup.station, &home.station()?)?;
    }
    std::fs::create_dir_all(home.folder())?;
    let staged = tempfile::Builder::new()
        .prefix(".restore-")
        .tempdir_in(home.folder())?;
    for part in PARTS {
        copy(&backup.folder.join(part), &staged.path().join(part))?;
    }
    let kept = kept_folder(home)?;
    // station.json comes last in PARTS: until it is there, no command takes the folder for a station.
    for part in PARTS.iter().rev() {
        move_if_there(&home.in_folder(Path::new(part)), &kept.join(part))?;
    }
    for part in PARTS {
        move_if_there(&staged.path().join(part), &home.in_folder(Path::new(part)))?;
    }
    Ok(kept)
}

fn demand_not_older(backup: &Station, present: &Station) -> Result<()> {
    for role in Role::ALL {
        let (old, new) = (backup.reference(role)?, present.reference(role)?);
        ensure!(
            old.mnemonic() == new.mnemonic(),
            "the backup is of another station: {old}, here {new}. Nothing was restored"
        );
        ensure!(
            old.sequence() >= new.sequence(),
            "the backup is older than the station's keys: {old}, here {new}. Nothing was restored; take the backup that was made \
             after the new key"
        );
    }
    Ok(())
}

fn kept_folder(home: &Home) -> Result<PathBuf> {
    for number in 1..1000 {
        let folder = home.in_folder(Path::new(&format!("before-restore-{number}")));
        if !folder.exists() {
            std::fs::create_dir(&folder)?;
            return Ok(folder);
        }
    }
    bail!("too many folders before-restore-…: move them away")
}

/// Opens every key that the settings name, and every delivery's. Gives what tells them from others, and which are in tokens.
fn check_keys(home: &Home, passphrase: &Passphrase) -> Result<(BTreeMap<String, String>, Vec<String>)> {
    let station = home.station()?;
    let mut keys = BTreeMap::new();
    let mut in_tokens = Vec::new();
    for role in Role::ALL {
        let place = station.keys.signing(role);
        let has_certificate = home.certificate_file(station.reference(role)?.as_str()).exists();
        match place {
            KeyPlace::Pkcs11(_) => in_tokens.push(role.name().to_owned()),
            // By the ceremony, a station has no root key; and a first key may still wait for its certificate.
            KeyPlace::Sealed(path)
                if !has_certificate || (role == Role::Root && !home.in_folder(path).exists()) => {}
            KeyPlace::Sealed(_) => {
                let key = home.signing_key(role, passphrase)?;
                let value = hex::encode(sha256(&[key.public_key().as_bytes()]));
                keys.insert(role.name().to_owned(), value);
            }
        }
    }
    match &station.keys.card_master {
        KeyPlace::Pkcs11(_) => in_tokens.push("card-master".to_owned()),
        KeyPlace::Sealed(_) => {
            let value = home.card_master_keys(passphrase)?.fingerprint()?;
            keys.insert("card-master".to_owned(), hex::encode(value.as_flattened()));
        }
    }
    for delivery in deliveries(home)? {
        let value = home.transport_keys(&delivery, passphrase)?.fingerprint()?;
        keys.insert(format!("delivery {delivery}"), hex::encode(value.as_flattened()));
    }
    Ok((keys, in_tokens))
}

fn deliveries(home: &Home) -> Result<Vec<String>> {
    let folder = home.in_folder(Path::new("keys/deliveries"));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        names.push(name.with_context(|| path.display().to_string())?.to_owned());
    }
    names.sort();
    Ok(names)
}

/// SHA-256 of each file below a folder.
fn hash_files(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(&next).with_context(|| next.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path.strip_prefix(folder)?;
            let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
            let name = name
                .to_str()
                .filter(|_| plain)
                .context("a file name that is no text")?;
            files.insert(name.to_owned(), hex::encode(sha256(&[&read(&path)?])));
        }
    }
    Ok(files)
}

/// Copies a file or a folder; what is not there is left out.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.exists() {
        return Ok(());
    }
    if from.is_file() {
        return Ok(ansinh_keys::write_new(to, &read(from)?)?);
    }
    std::fs::create_dir(to).with_context(|| to.display().to_string())?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn move_if_there(from: &Path, to: &Path) -> Result<()> {
    if !from.exists() {
        return Ok(());
    }
    std::fs::rename(from, to)
        .with_context(|| format!("{}: cannot be moved to {}", from.display(), to.display()))
}
