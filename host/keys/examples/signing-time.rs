//! Signatures per second of a key in a file and of one in a SoftHSM token, and card keys derived per second, in one run.
//!
//!     cargo run --release -p ansinh-keys --example signing-time
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use ansinh_keys::{MasterKeys, Passphrase, SigningKey, Token, TokenPin};
use card_spec::crypto::Sign as _;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "79791945";
const ROUNDS: u32 = 2000;

fn main() {
    // A PKCS#11 library reads its settings when it is loaded: they must be there when the process starts.
    if std::env::var_os("SIGNING_TIME_FOLDER").is_none() {
        return start_with_token();
    }
    let token = Token::login(Path::new(MODULE), "figures", &TokenPin::new(PIN.to_owned())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sealed = folder.path().join("issuer.key");
    let passphrase = Passphrase::new("a passphrase for figures only".to_owned());
    SigningKey::generate()
        .unwrap()
        .seal(&sealed, &passphrase)
        .unwrap();
    let from_file = SigningKey::open(&sealed, &passphrase).unwrap();
    let in_token = SigningKey::generate_in_token(&token, "issuer").unwrap();
    let (cards_of_file, cards_in_token) = (
        MasterKeys::generate().unwrap(),
        MasterKeys::generate_in_token(&token, "cards").unwrap(),
    );
    measure("signatures, file", || {
        let _ = from_file.sign(b"a body").unwrap();
    });
    measure("signatures, SoftHSM", || {
        let _ = in_token.sign(b"a body").unwrap();
    });
    measure("keys of one card, file", || {
        drop(cards_of_file.card_keys(&[7; 10]).unwrap())
    });
    measure("keys of one card, SoftHSM", || {
        drop(cards_in_token.card_keys(&[7; 10]).unwrap())
    });
}

fn measure(what: &str, mut act: impl FnMut()) {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        act();
    }
    let each = start.elapsed() / ROUNDS;
    println!(
        "{what:28} {:8.0} a second, {:6.0} µs each",
        1.0 / each.as_secs_f64(),
        each.as_secs_f64() * 1e6
    );
}

fn start_with_token() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("softhsm2.conf");
    let tokens = format!("directories.tokendir = {}\n", folder.path().display());
    std::fs::write(&settings, tokens).unwrap();
    let made = Command::new("softhsm2-util")
        .args([
            "--init-token",
            "--free",
            "--label",
            "figures",
            "--so-pin",
            PIN,
            "--pin",
            PIN,
        ])
        .env("SOFTHSM2_CONF", &settings)
        .output()
        .expect("softhsm2-util is missing: apt-get install softhsm2");
    assert!(made.status.success(), "{made:?}");
    let run = Command::new(std::env::current_exe().unwrap())
        .env("SIGNING_TIME_FOLDER", folder.path())
        .env("SOFTHSM2_CONF", &settings)
        .status();
    assert!(run.unwrap().success());
}
