//! Tools that are not ours, asked whether what we made holds.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Rows of an SQLite database.
///
/// # Errors
/// What sqlite3 says, or that it is missing.
pub fn sqlite(database: &Path, query: &str) -> Result<Vec<Value>> {
    let output = Command::new("sqlite3")
        .args(["-readonly", "-json"])
        .arg(database)
        .arg(query)
        .output()
        .context("sqlite3 is missing: install Debian's sqlite3")?;
    ensure!(
        output.status.success(),
        "sqlite3: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    // No rows, no output.
    if output.stdout.is_empty() {
        return Ok(Vec::new());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Whether openssl finds that `signature` (DER) is one of `key` (PEM) over SHA-256 of `signed`.
///
/// # Errors
/// When openssl is missing.
pub fn openssl_verifies(key: &Path, signature: &Path, signed: &Path) -> Result<bool> {
    let output = Command::new("openssl")
        .args(["dgst", "-sha256", "-verify"])
        .arg(key)
        .arg("-signature")
        .arg(signature)
        .arg(signed)
        .output()
        .context("openssl is missing: install Debian's openssl")?;
    Ok(output.status.success() && output.stdout.starts_with(b"Verified OK"))
}

/// Whether openpace's `cvc-print` verifies a certificate under the authorities in `folder`. Its exit code says nothing.
///
/// # Errors
/// When cvc-print is missing.
pub fn cvc_print_verifies(folder: &Path, certificate: &Path) -> Result<bool> {
    // It compares dates with the day in UTC, ours begin with the day in Vietnam.
    let output = Command::new("faketime")
        .args(["-f", "+7h", "cvc-print"])
        .arg(format!("--cvc-dir={}", folder.display()))
        .arg("-c")
        .arg(certificate)
        .output()
        .context("cvc-print or faketime is missing: install Debian's openpace and faketime")?;
    let said = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&said).contains("certificate verified"))
}

/// Checks every card, receipt and certificate of exported artefacts with openssl and cvc-print; returns how many of each.
///
/// # Errors
/// Names the first file that does not hold.
pub fn check_artefacts(folder: &Path) -> Result<[usize; 3]> {
    let mut counts = [0; 3];
    for card in entries(&folder.join("cards"))? {
        let holds = openssl_verifies(
            &folder.join("issuer.pem"),
            &card.join("cso.sig.der"),
            &card.join("cso.signed.bin"),
        )?;
        ensure!(holds, "openssl refuses {}", card.display());
        counts[0] += 1;
    }
    for signed in entries(&folder.join("receipts"))? {
        let name = signed.to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".signed.bin") else {
            continue;
        };
        let signature = format!("{stem}.sig.der");
        let key = folder
            .join("cards")
            .join(card_of_receipt(&signed)?)
            .join("card-signing.pem");
        ensure!(
            openssl_verifies(&key, Path::new(&signature), &signed)?,
            "openssl refuses {name}"
        );
        counts[1] += 1;
    }
    for certificate in entries(&folder.join("certificates"))? {
        if certificate.extension().is_none_or(|extension| extension != "cvc") {
            continue;
        }
        ensure!(
            cvc_print_verifies(folder, &certificate)?,
            "cvc-print refuses {}",
            certificate.display()
        );
        counts[2] += 1;
    }
    Ok(counts)
}

/// The card number in a receipt's signed bytes: object `5A`, behind the header `FF24 xx` and `80 01 01`.
///
/// # Errors
/// When the file has none.
pub fn card_of_receipt(signed: &Path) -> Result<String> {
    let bytes = fs::read(signed)?;
    let number = bytes.windows(10).find(|window| window.starts_with(&[0x5A, 0x08]));
    Ok(hex::encode(
        &number.context("no card number in the receipt")?[2..],
    ))
}

fn entries(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let folder = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = folder
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
