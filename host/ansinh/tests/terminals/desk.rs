//! A station with two active cards, and its commands as somebody at the desk gives them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ansinh_keys::{Passphrase, Role, SigningKey};
use ansinh_payout::{IssuerKey, TerminalAuthority};
use ansinh_station::home::Home;
use ansinh_store::Store;
use ansinh_store::import::{ApprovedList, ImportMode, ListKind};
use ansinh_store::operators::{Actor, Token};
use card_spec::certificate::{Certificate, Certified};
use card_spec::crypto::PortableP256;
use card_spec::signed::Signed;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Card, approved, two_cards};

pub(crate) const PASSPHRASE: &str = "mật khẩu dùng thử 79";
pub(crate) const MAKE_LIST: [&str; 8] = [
    "list",
    "make",
    "--period",
    "202611",
    "--pay-point",
    "BD-26734",
    "--terminal",
    "VNT0000001",
];

/// A station with two active cards.
pub(crate) struct Desk {
    pub(crate) folder: TempDir,
    pub(crate) cards: [Card; 2],
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with(&[
            "init",
            "--province",
            "79",
            "--operator",
            "lan",
            "--new-token-file",
            "lan.token",
            "--test",
        ])
    }

    pub(crate) fn with(init: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = ansinh(folder.path(), init).output().unwrap();
        assert!(output.status.success(), "{}", printed(&output));
        let keys = Keys::open(&folder.path().join("station"));
        let cards = two_cards(&keys.store, &keys.lan, &keys.issuer());
        Self { folder, cards }
    }

    /// One more sum is approved for the first card's holder.
    pub(crate) fn approve_more(&self) {
        let mut line = approved(1);
        line.entitlement.decision = "9/QĐ-TL".to_owned();
        line.due[0].line_type = 2;
        let list = ApprovedList {
            file_hash: [9; 32],
            file_name: "truy-linh.csv".to_owned(),
            kind: ListKind::Plain,
            lines: vec![line],
            warnings: Vec::new(),
        };
        let keys = self.keys();
        keys.store.import(&keys.lan, &list, ImportMode::Commit).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn keys(&self) -> Keys {
        Keys::open(&self.path("station"))
    }

    pub(crate) fn succeed(&self, arguments: &[&str]) -> Value {
        let mut command = ansinh(self.folder.path(), arguments);
        let output = command.arg("--json").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", printed(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub(crate) fn fail(&self, code: i32, arguments: &[&str]) -> String {
        let output = ansinh(self.folder.path(), arguments).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            printed(&output)
        );
        printed(&output)
    }
}

pub(crate) fn ansinh(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ansinh"));
    command
        .current_dir(folder)
        .env_clear()
        .env("ANSINH_PASSPHRASE", PASSPHRASE);
    command
        .args(["--store", "station", "--token-file", "lan.token"])
        .args(arguments);
    command
}

pub(crate) fn printed(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes))
        .concat()
}

/// The same so many days ago (`faketime`). Time-outs go on as they are.
pub(crate) fn ansinh_days_ago(days: u32, folder: &Path, arguments: &[&str]) -> Output {
    let command = ansinh(folder, arguments);
    let mut then = Command::new("faketime");
    then.current_dir(folder)
        .env_clear()
        .env("ANSINH_PASSPHRASE", PASSPHRASE)
        .env("DONT_FAKE_MONOTONIC", "1")
        .args(["-f", &format!("-{days}d")])
        .arg(command.get_program())
        .args(command.get_args());
    let output = then
        .output()
        .expect("faketime is missing: apt-get install faketime");
    assert!(output.status.success(), "{arguments:?}: {}", printed(&output));
    output
}

/// A station's keys, opened beside the command.
pub(crate) struct Keys {
    pub(crate) store: Store,
    pub(crate) lan: Actor,
    pub(crate) issuer: SigningKey,
    pub(crate) issuer_certificate: Vec<u8>,
    pub(crate) authority: SigningKey,
    pub(crate) certified: Certified,
}

impl Keys {
    pub(crate) fn open(folder: &Path) -> Self {
        let home = Home::new(folder);
        let station = home.station().unwrap();
        let passphrase = Passphrase::new(PASSPHRASE.to_owned());
        let certificate = |role| home.certificate(&station.reference(role).unwrap()).unwrap();
        let (root, ca) = (certificate(Role::Root), certificate(Role::TerminalCa));
        let root = Signed::<Certificate>::parse(&root).unwrap();
        let ca = Signed::<Certificate>::parse(&ca).unwrap();
        let trusted = Certified::trust_root(&PortableP256, &root, &root.claimed().public_key.key).unwrap();
        let store = home.open_store().unwrap();
        let token = std::fs::read_to_string(folder.with_file_name("lan.token")).unwrap();
        Self {
            lan: store.authenticate(&Token::new(&token)).unwrap(),
            store,
            issuer: home.signing_key(Role::Issuer, &passphrase).unwrap(),
            issuer_certificate: certificate(Role::Issuer),
            authority: home.signing_key(Role::TerminalCa, &passphrase).unwrap(),
            certified: trusted.certify(&PortableP256, &ca).unwrap(),
        }
    }

    pub(crate) fn issuer(&self) -> IssuerKey<'_, SigningKey> {
        IssuerKey::new(&self.issuer, &self.issuer_certificate).unwrap()
    }

    pub(crate) fn authority(&self) -> TerminalAuthority<'_, SigningKey> {
        TerminalAuthority {
            signer: &self.authority,
            certified: self.certified,
        }
    }
}

pub(crate) fn run(program: &str, package: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output();
    output.unwrap_or_else(|_| panic!("{program} is missing: apt-get install {package}"))
}
