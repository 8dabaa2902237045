//! A delivery of blank cards as a vendor would send it: the cards, and the file with their transport keys.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use card_spec::scp03::{ChipSerial, StaticKeys, diversify};
use serde_json::{Value, json};

use crate::control::Fuse;
use crate::memory::FileMemory;

/// Makes `count` blank cards, `FOLDER/SERIAL.card`, with random serials and keys diversified (KDF3) from random transport
/// keys, and the delivery file that `ansinh delivery add` takes. It holds those keys: only its owner may read it.
///
/// # Errors
/// When a file is there already or cannot be written.
pub fn deliver(name: &str, delivery: &Path, folder: &Path, count: usize) -> Result<()> {
    ensure!(
        !delivery.exists(),
        "{} exists already: choose another name",
        delivery.display()
    );
    fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let [enc, mac, dek] = [random()?, random()?, random()?];
    let master = StaticKeys::new(enc, mac, dek);
    let cards = (0..count)
        .map(|_| make_card(&master, folder))
        .collect::<Result<Vec<_>>>()?;
    let described = json!({
        "delivery": name,
        "kdf": "KDF3",
        "kvn": 1,
        "keys": {
            "enc": described(&enc, master.enc.key_check_value()),
            "mac": described(&mac, master.mac.key_check_value()),
            "dek": described(&dek, master.dek.key_check_value()),
        },
        "cards": cards,
    });
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(delivery)
        .with_context(|| format!("{}", delivery.display()))?;
    writeln!(file, "{described:#}").with_context(|| format!("{}", delivery.display()))
}

fn make_card(master: &StaticKeys, folder: &Path) -> Result<String> {
    let serial: ChipSerial = random()?;
    let name = hex::encode_upper(serial);
    let path = folder.join(format!("{name}.card"));
    let mut memory = FileMemory::open(&path, Fuse::default())?;
    reference_applet::blank(&mut memory, &serial, &diversify(master, &serial))
        .map_err(|error| anyhow!("{}: {error}", path.display()))?;
    Ok(name)
}

fn described(key: &[u8; 16], check_value: [u8; 3]) -> Value {
    json!({ "key": hex::encode_upper(key), "kcv": hex::encode_upper(check_value) })
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH]> {
    let mut octets = [0; LENGTH];
    getrandom::fill(&mut octets).map_err(|error| anyhow!("no random source: {error}"))?;
    Ok(octets)
}
