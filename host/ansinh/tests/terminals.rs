//! Lists, blocks, terminals and the export as an operator and an auditor use them: the command, a real terminal core at a
//! pseudo-terminal, openssl, cvc-print and sqlite3.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../../payout/tests/common/mod.rs"]
mod common;
mod powered;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::num::NonZero;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ansinh_keys::{Passphrase, Role, SigningKey};
use ansinh_payout::{
    IssuerKey, JournalIngestion, Publication, TerminalAuthority, acknowledge, make_block_list,
};
use ansinh_station::home::Home;
use ansinh_store::Store;
use ansinh_store::cards::BlockReason;
use ansinh_store::operators::{Actor, Token};
use card_spec::certificate::{Certificate, Certified};
use card_spec::crypto::PortableP256;
use card_spec::journal::Entry;
use card_spec::signed::Signed;
use card_spec::tlv::Reader;
use common::{Card, Till, days_from_now, time, two_cards};
use link::{Answer, Refusal, Request};
use serde_json::{Value, json};
use tempfile::TempDir;

const PASSPHRASE: &str = "mật khẩu dùng thử 79";
const MAKE_LIST: [&str; 8] = [
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
struct Desk {
    folder: TempDir,
    cards: [Card; 2],
}

impl Desk {
    fn new() -> Self {
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

    fn with(init: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = ansinh(folder.path(), init).output().unwrap();
        assert!(output.status.success(), "{}", printed(&output));
        let keys = Keys::open(&folder.path().join("station"));
        let cards = two_cards(&keys.store, &keys.lan, &keys.issuer());
        Self { folder, cards }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn keys(&self) -> Keys {
        Keys::open(&self.path("station"))
    }

    fn succeed(&self, arguments: &[&str]) -> Value {
        let mut command = ansinh(self.folder.path(), arguments);
        let output = command.arg("--json").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", printed(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn fail(&self, code: i32, arguments: &[&str]) -> String {
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

fn ansinh(folder: &Path, arguments: &[&str]) -> Command {
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

fn printed(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes))
        .concat()
}

/// The same so many days ago (`faketime`). Time-outs go on as they are.
fn ansinh_days_ago(days: u32, folder: &Path, arguments: &[&str]) -> Output {
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
struct Keys {
    store: Store,
    lan: Actor,
    issuer: SigningKey,
    issuer_certificate: Vec<u8>,
    authority: SigningKey,
    certified: Certified,
}

impl Keys {
    fn open(folder: &Path) -> Self {
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

    fn issuer(&self) -> IssuerKey<'_, SigningKey> {
        IssuerKey::new(&self.issuer, &self.issuer_certificate).unwrap()
    }

    fn authority(&self) -> TerminalAuthority<'_, SigningKey> {
        TerminalAuthority {
            signer: &self.authority,
            certified: self.certified,
        }
    }
}

#[test]
fn a_terminal_goes_from_blank_to_synchronised() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    let status = desk.succeed(&["terminal", "status", "--port", &port]);
    assert_eq!(
        (&status["state"], &status["terminal"]),
        (&json!("blank"), &Value::Null)
    );

    let provisioned = desk.succeed(&["terminal", "provision", "--port", &port]);
    assert_eq!(provisioned["terminal"], "VNT0000001");
    let list = desk.succeed(&MAKE_LIST);
    assert_eq!(
        (&list["lines"], &list["total_vnd"]),
        (&json!(2), &json!(1_000_000))
    );
    let lost = desk.cards[0].number.to_string();
    desk.succeed(&["block", "add", &lost, "--reason", "lost"]);
    let published = desk.succeed(&["block", "publish"]);
    assert_eq!(
        (&published["number"], &published["cards"]),
        (&json!(1), &json!(1))
    );

    let loaded = desk.succeed(&["terminal", "load", "--port", &port]);
    assert_eq!(
        (&loaded["list_number"], &loaded["block_list_number"]),
        (&json!(1), &json!(1))
    );
    // Loading again changes nothing and is no error.
    assert_eq!(desk.succeed(&["terminal", "load", "--port", &port]), loaded);
    // On another day the terminal gets what changed.
    let published = desk.succeed(&["block", "publish"]);
    assert_eq!(
        (&published["number"], &published["full"]),
        (&json!(2), &json!(false))
    );
    let loaded = desk.succeed(&["terminal", "load", "--port", &port]);
    assert_eq!(loaded["block_list_number"], 2);
    let published = desk.succeed(&["block", "publish", "--full"]);
    assert_eq!(
        (&published["number"], &published["full"]),
        (&json!(3), &json!(true))
    );
    let loaded = desk.succeed(&["terminal", "load", "--port", &port]);
    assert_eq!(loaded["block_list_number"], 3);

    let synced = desk.succeed(&["terminal", "sync", "--port", &port]);
    let status = desk.succeed(&["terminal", "status", "--port", &port]);
    assert_eq!(status["state"], "provisioned");
    assert_eq!(
        (&status["acknowledged"], &status["stored"]),
        (&synced["acknowledged"], &synced["acknowledged"])
    );
    assert_eq!(
        (&status["list_number"], &status["block_list_number"]),
        (&json!(1), &json!(3))
    );
    // New since then: the entry that says so, and the clock set at the beginning of this synchronisation.
    assert_eq!(desk.succeed(&["terminal", "sync", "--port", &port])["entries"], 2);
}

#[test]
fn certificates_of_a_terminal_are_renewed_when_it_comes_and_a_week_old() {
    for (days, renewed) in [(6, false), (7, true), (40, true)] {
        let folder = tempfile::tempdir().unwrap();
        let port = powered::at_a_port();
        let init = "init --province 79 --operator lan --new-token-file lan.token --test";
        ansinh_days_ago(days, folder.path(), &init.split(' ').collect::<Vec<_>>());
        ansinh_days_ago(days, folder.path(), &["terminal", "provision", "--port", &port]);
        let sync = || {
            let mut sync = ansinh(folder.path(), &["terminal", "sync", "--json", "--port", &port]);
            let output = sync.output().unwrap();
            assert!(output.status.success(), "{}", printed(&output));
            serde_json::from_slice::<Value>(&output.stdout).unwrap()
        };
        let age = if renewed { 0 } else { i64::from(days) };
        let last_day = days_from_now(34 - age).to_string();
        assert_eq!(sync()["certified_until"], *last_day, "after {days} days");
        // What it has got now is not renewed again.
        assert_eq!(sync()["certified_until"], *last_day, "after {days} days");
        let store = folder.path().join("station/store.sqlite");
        let sql = "SELECT holder FROM certificate WHERE holder LIKE 'VNT0%J%'";
        let certificates = run("sqlite3", "sqlite3", &[store.to_str().unwrap(), sql]);
        let number = if renewed { 2 } else { 1 };
        assert_eq!(printed(&certificates).lines().count(), number);
    }
}

/// A folder as the system keeps one of serial ports, with what is connected.
fn connected(desk: &Desk, ports: &[(&str, &str)]) -> PathBuf {
    let folder = desk.path("by-id");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, port) in ports {
        std::os::unix::fs::symlink(port, folder.join(name)).unwrap();
    }
    folder
}

/// What was told of each port, by its name in the folder.
fn by_port(lines: &str) -> BTreeMap<String, Value> {
    let told = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    told.map(|told| {
        let port = Path::new(told["port"].as_str().unwrap());
        (port.file_name().unwrap().to_str().unwrap().to_owned(), told)
    })
    .collect()
}

#[test]
fn several_terminals_are_visited_at_once_and_one_that_fails_stops_no_other() {
    let desk = Desk::new();
    let ports: [String; 3] = std::array::from_fn(|_| powered::at_a_port());
    for port in &ports {
        desk.succeed(&["terminal", "provision", "--port", port]);
    }
    let blank = powered::at_a_port();
    let [first, second, third] = &ports;
    let folder = connected(
        &desk,
        &[
            ("a", first),
            ("b", second),
            ("blank", &blank),
            ("c", third),
            ("gone", "/dev/no-such-port"),
        ],
    );
    let all = [
        "terminal",
        "sync",
        "--json",
        "--all",
        "--ports-in",
        folder.to_str().unwrap(),
    ];
    let output = ansinh(desk.folder.path(), &all).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(
        printed(&output).contains("2 of 5 terminals"),
        "{}",
        printed(&output)
    );
    let told = by_port(std::str::from_utf8(&output.stdout).unwrap());
    assert_eq!(told.len(), 5);
    for (port, terminal) in [("a", "VNT0000001"), ("b", "VNT0000002"), ("c", "VNT0000003")] {
        assert_eq!(told[port]["terminal"], terminal);
        assert!(told[port]["acknowledged"].as_u64().unwrap() > 0);
    }
    assert_eq!(told["blank"]["code"], 65);
    assert!(
        told["blank"]["error"]
            .as_str()
            .unwrap()
            .contains("terminal provision")
    );
    assert!(
        told["gone"]["error"]
            .as_str()
            .unwrap()
            .contains("cannot be opened")
    );

    // Named one by one, and for people.
    let named = ["terminal", "sync", "--port", first, "--port", second];
    let output = ansinh(desk.folder.path(), &named).output().unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    for terminal in ["VNT0000001", "VNT0000002"] {
        assert_eq!(
            printed(&output).matches(terminal).count(),
            1,
            "{}",
            printed(&output)
        );
    }
    desk.fail(2, &["terminal", "sync"]);
    desk.fail(2, &["terminal", "sync", "--all", "--port", first]);
    desk.fail(2, &["terminal", "sync", "--port", first, "--watch"]);
    let nowhere = ["terminal", "sync", "--all", "--ports-in", "no-such-folder"];
    assert!(desk.fail(1, &nowhere).contains("no serial port"));
}

#[test]
fn a_terminal_is_visited_whenever_it_is_plugged_in() {
    let desk = Desk::new();
    let [first, second]: [String; 2] = std::array::from_fn(|_| powered::at_a_port());
    for port in [&first, &second] {
        desk.succeed(&["terminal", "provision", "--port", port]);
    }
    // The folder itself comes with the first port.
    let folder = desk.path("by-id");
    let watch = [
        "terminal",
        "load",
        "--json",
        "--all",
        "--watch",
        "--ports-in",
        folder.to_str().unwrap(),
    ];
    let mut watching = ansinh(desk.folder.path(), &watch)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut next = || by_port(&lines.next().unwrap().unwrap());
    connected(&desk, &[("a", &first)]);
    assert_eq!(next()["a"]["terminal"], "VNT0000001");
    connected(&desk, &[("b", &second)]);
    assert_eq!(next()["b"]["terminal"], "VNT0000002");
    // Pulled and plugged in again, the other one at its place.
    std::fs::rename(folder.join("a"), folder.join("c")).unwrap();
    assert_eq!(next()["c"]["terminal"], "VNT0000001");
    watching.kill().unwrap();
    watching.wait().unwrap();
}

#[test]
fn a_journal_comes_home_as_a_file_once() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    desk.succeed(&["terminal", "provision", "--port", &port]);
    let file = desk.path("VNT0000001.journal");
    let file = file.to_str().unwrap();
    // Without the station: far away, on another computer.
    let elsewhere = tempfile::tempdir().unwrap();
    let export = ["terminal", "export", "--json", "--port", &port, "--out", file];
    let output = ansinh(elsewhere.path(), &export).output().unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    let exported: Value = serde_json::from_slice(&output.stdout).unwrap();
    let last = exported["last"].as_u64().unwrap();
    assert_eq!(exported["first"], 1);
    assert!(
        desk.fail(1, &["terminal", "export", "--port", &port, "--out", file])
            .contains("already")
    );

    let imported = desk.succeed(&["terminal", "import", file]);
    assert_eq!(
        (&imported["entries"], &imported["up_to"]),
        (&json!(last), &json!(last))
    );
    assert_eq!(desk.succeed(&["terminal", "import", file])["entries"], 0);
    let status = desk.succeed(&["terminal", "status", "--port", &port]);
    assert_eq!(
        (&status["stored"], &status["acknowledged"]),
        (&json!(last), &json!(0))
    );
    // Only the clock that is set at the beginning is new.
    let synced = desk.succeed(&["terminal", "sync", "--port", &port]);
    assert_eq!(
        (&synced["entries"], &synced["acknowledged"]),
        (&json!(1), &json!(last + 1))
    );
}

#[test]
fn a_file_that_is_no_journal_of_a_known_terminal_changes_nothing() {
    let desk = Desk::new();
    let other = Desk::new();
    let port = powered::at_a_port();
    desk.succeed(&["terminal", "provision", "--port", &port]);
    let file = desk.path("VNT0000001.journal");
    let export = [
        "terminal",
        "export",
        "--port",
        &port,
        "--out",
        file.to_str().unwrap(),
    ];
    desk.succeed(&export);
    let good = std::fs::read(&file).unwrap();
    let import = |desk: &Desk, code: i32, bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        desk.fail(code, &["terminal", "import", file.to_str().unwrap()])
    };
    assert!(import(&desk, 65, &[]).contains("empty"));
    assert!(import(&desk, 65, b"not a journal").contains("not a journal"));
    assert!(import(&other, 1, &good).contains("VNT0000001"));
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert!(import(&desk, 1, &forged).contains("quarantine"));
    let cut_off = good.get(..good.len() - 1).unwrap();
    assert!(import(&desk, 1, cut_off).contains("quarantine"));
    desk.succeed(&["terminal", "sync", "--port", &port]);
    // The ledger has this entry with another signature.
    let mut second = good.clone();
    let first = Signed::<Entry<'_>>::read_next(&mut Reader::new(&good))
        .unwrap()
        .encoding()
        .len();
    *second.get_mut(first - 1).unwrap() ^= 1;
    assert!(import(&desk, 1, &second).contains("entry 1 differs"));
}

#[test]
fn a_lost_terminals_lines_go_to_its_successor_and_it_gets_nothing_more() {
    let desk = Desk::new();
    let [lost, successor]: [String; 2] = std::array::from_fn(|_| powered::at_a_port());
    for port in [&lost, &successor] {
        desk.succeed(&["terminal", "provision", "--port", port]);
    }
    assert_eq!(desk.succeed(&MAKE_LIST)["lines"], 2);
    desk.succeed(&["block", "publish"]);
    desk.succeed(&["terminal", "load", "--port", &lost]);
    let for_successor = MAKE_LIST.map(|word| if word == "VNT0000001" { "VNT0000002" } else { word });
    assert!(desk.fail(1, &for_successor).contains("no line is due"));

    let declare = ["terminal", "lost", "VNT0000001"];
    assert!(desk.fail(1, &declare).contains("--yes"));
    desk.fail(1, &["terminal", "lost", "VNT0000009", "--yes"]);
    desk.succeed(&[declare.as_slice(), &["--yes"]].concat());
    assert_eq!(desk.succeed(&for_successor)["lines"], 2);
    assert!(desk.fail(1, &MAKE_LIST).contains("declared lost"));

    // It is found: its journal comes home, it gets no list and no certificates, but new keys and another name.
    assert!(
        desk.fail(65, &["terminal", "load", "--port", &lost])
            .contains("declared lost")
    );
    let synced = desk.succeed(&["terminal", "sync", "--port", &lost]);
    assert_eq!(synced["certified_until"], Value::Null);
    let anew = desk.succeed(&["terminal", "provision", "--port", &lost, "--anew"]);
    assert_eq!(anew["terminal"], "VNT0000003");
}

#[test]
fn a_terminal_keeps_its_keys_unless_new_ones_are_asked_for_and_nothing_is_left_to_tell() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    let provision = ["terminal", "provision", "--port", &port];
    desk.succeed(&provision);
    assert!(desk.fail(65, &provision).contains("already"));
    let anew = [provision.as_slice(), &["--anew"]].concat();
    assert!(desk.fail(1, &anew).contains("not acknowledged"));
    desk.succeed(&["terminal", "sync", "--port", &port]);
    assert_ne!(desk.succeed(&anew)["terminal"], "VNT0000001");
}

#[test]
fn a_name_is_not_given_twice() {
    let desk = Desk::new();
    let (first, second) = (powered::at_a_port(), powered::at_a_port());
    let named = ["terminal", "provision", "--name", "VNT0000001", "--port"];
    desk.succeed(&[named.as_slice(), &[&first]].concat());
    let refused = desk.fail(65, &[named.as_slice(), &[&second]].concat());
    assert!(refused.contains("taken"), "{refused}");
    // Without --name the next free one is found, though the first of the series is taken.
    let given = desk.succeed(&["terminal", "provision", "--port", &second]);
    assert_eq!(given["terminal"], "VNT0000002");
}

#[test]
fn a_production_station_certifies_no_test_terminal() {
    let desk = Desk::with(&[
        "init",
        "--province",
        "79",
        "--operator",
        "lan",
        "--new-token-file",
        "lan.token",
    ]);
    let refused = desk.fail(65, &["terminal", "provision", "--port", &powered::at_a_port()]);
    assert!(refused.contains("TEST"));
    assert!(desk.keys().store.terminals().unwrap().is_empty());
}

#[test]
fn wrong_use_is_refused_with_what_to_do() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    assert!(
        desk.fail(65, &["terminal", "load", "--port", &port])
            .contains("terminal provision")
    );
    assert!(
        desk.fail(65, &["terminal", "sync", "--port", &port])
            .contains("terminal provision")
    );
    assert!(
        desk.fail(1, &["terminal", "status", "--port", "no-such-port"])
            .contains("cannot be opened")
    );
    assert!(desk.fail(1, &MAKE_LIST).contains("VNT0000001"));
    desk.fail(2, &["block", "add", "7900000000000011", "--reason", "lost"]);
    desk.fail(
        2,
        &[
            "list",
            "make",
            "--period",
            "202613",
            "--terminal",
            "VNT0000001",
            "--pay-point",
            "X",
        ],
    );
    desk.fail(
        2,
        &[
            "list",
            "make",
            "--period",
            "202611",
            "--terminal",
            "VNT0000001",
            "--pay-point",
            "../X",
        ],
    );
    let backwards = [MAKE_LIST.as_slice(), &["--valid-to", "2020-01-01"]].concat();
    assert!(desk.fail(65, &backwards).contains("before"));
}

#[test]
fn a_journal_that_does_not_verify_is_quarantined_and_not_acknowledged() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    desk.succeed(&["terminal", "provision", "--port", &port]);
    // The ledger knows another journal key than the terminal has.
    let path = desk.path("station/store.sqlite");
    let other = hex::encode(common::key(66).public_key().as_bytes());
    run(
        "sqlite3",
        "sqlite3",
        &[
            path.to_str().unwrap(),
            &format!("UPDATE terminal SET journal_key = x'{other}'"),
        ],
    );
    let refused = desk.fail(1, &["terminal", "load", "--port", &port]);
    assert!(refused.contains("quarantine"), "{refused}");
    let refused = desk.fail(1, &["terminal", "sync", "--port", &port]);
    assert!(
        refused.contains("journal entry 1") && refused.contains("quarantine"),
        "{refused}"
    );
    desk.fail(1, &["terminal", "sync", "--port", &port]);
    let status = desk.succeed(&["terminal", "status", "--port", &port]);
    assert_eq!(
        (&status["acknowledged"], &status["stored"]),
        (&json!(0), &json!(0))
    );
    assert!(
        std::fs::read_dir(desk.path("station/quarantine"))
            .unwrap()
            .count()
            >= 1
    );
}

#[test]
fn a_terminal_with_fewer_entries_than_the_ledger_is_not_synchronised() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    desk.succeed(&["terminal", "provision", "--port", &port]);
    let synced = desk.succeed(&["terminal", "sync", "--port", &port]);
    let path = desk.path("station/store.sqlite");
    let ahead = "INSERT INTO journal_entry (terminal, sequence, hash, entry, ingested_at)
        SELECT terminal, 99, zeroblob(32), entry, ingested_at FROM journal_entry WHERE sequence = 1";
    run("sqlite3", "sqlite3", &[path.to_str().unwrap(), ahead]);
    let refused = desk.fail(1, &["terminal", "sync", "--port", &port]);
    assert!(refused.contains("the ledger holds 99"), "{refused}");
    let status = desk.succeed(&["terminal", "status", "--port", &port]);
    assert_eq!(status["acknowledged"], synced["acknowledged"]);
}

#[test]
fn loading_takes_the_journal_in_first() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    desk.succeed(&["terminal", "provision", "--port", &port]);
    desk.succeed(&MAKE_LIST);
    assert_eq!(
        desk.succeed(&["terminal", "status", "--port", &port])["stored"],
        json!(0)
    );
    desk.succeed(&["terminal", "load", "--port", &port]);
    let status = desk.succeed(&["terminal", "status", "--port", &port]);
    assert_eq!(status["stored"], status["acknowledged"]);
    assert!(status["stored"].as_u64() > Some(0));
}

#[test]
fn a_terminal_that_gives_fewer_entries_than_it_shows_is_told() {
    let desk = Desk::new();
    let keys = desk.keys();
    let mut till = Till::new(9);
    till.register(&keys.store, &keys.lan, &keys.authority());
    let port = powered::withholding_at_a_port(till.name.to_bytes(), till.boot());
    let refused = desk.fail(1, &["terminal", "sync", "--port", &port]);
    assert!(
        refused.contains("shows 5 journal entries but gave only those up to 1"),
        "{refused}"
    );
    assert_eq!(keys.store.acknowledgements().unwrap().len(), 1);
}

#[test]
fn why_the_newest_key_was_not_taken_is_said_before_what_follows_from_it() {
    let desk = Desk::new();
    let keys = desk.keys();
    let mut till = Till::new(9);
    till.register(&keys.store, &keys.lan, &keys.authority());
    let first: &'static [u8] = till.boot().leak();
    let port = powered::answering_at_a_port(till.name.to_bytes(), move |request| {
        let refused = |code| Answer::Refused { code };
        Some(match request {
            Request::Install { .. } => refused(Refusal::TooManyIssuers),
            Request::ReadJournal { from: 1 } => Answer::Entries { bytes: first },
            Request::ReadJournal { .. } => Answer::Entries { bytes: &[] },
            _ => refused(Refusal::NotForThisTerminal),
        })
    });
    let printed = desk.fail(1, &["terminal", "sync", "--port", &port]);
    let place = |refusal: Refusal| printed.find(refusal.text().1);
    let (cause, consequence) = (place(Refusal::TooManyIssuers), place(Refusal::NotForThisTerminal));
    assert!(cause.is_some() && cause < consequence, "{printed}");
    assert_eq!(
        keys.store.journal_head("VNT0000009").unwrap().unwrap().sequence,
        1
    );
}

#[test]
fn a_terminal_of_another_station_is_sent_nothing() {
    let desk = Desk::new();
    for command in ["load", "sync"] {
        let port = powered::answering_at_a_port(*b"VNT0000009", |_| None);
        let refused = desk.fail(65, &["terminal", command, "--port", &port]);
        assert!(refused.contains("nothing was sent"), "{refused}");
    }
}

/// A station whose terminal VNT0000009 has paid both cards.
fn desk_with_payments() -> Desk {
    let desk = Desk::new();
    let keys = desk.keys();
    let mut till = Till::new(9);
    till.register(&keys.store, &keys.lan, &keys.authority());
    let list = till.list(&keys.store, &keys.lan, &keys.issuer());
    let blocks = make_block_list(&keys.store, &keys.lan, &keys.issuer(), time(), Publication::Full).unwrap();
    let mut entries = till.boot();
    entries.extend(till.load(&list, &blocks).concat());
    entries.extend(till.open_shift());
    for (line, card) in desk.cards.iter().enumerate() {
        entries.extend(till.pay(&list, line, card, 1).concat());
    }
    let terminal = keys.store.terminal(till.name.as_str()).unwrap();
    let mut ingestion = JournalIngestion::resume(&keys.store, &terminal).unwrap();
    assert_eq!(ingestion.take(&entries).unwrap().booked, 2);
    let key = *ingestion.journal_key();
    acknowledge(&keys.store, &keys.issuer(), till.name, &key, time()).unwrap();
    // Then a card is lost: on list 2 in full, and on list 3, to which nothing changed.
    let lost = &desk.cards[0].number;
    keys.store.block(&keys.lan, lost, BlockReason::Lost).unwrap();
    for _ in 2..=3 {
        make_block_list(&keys.store, &keys.lan, &keys.issuer(), time(), Publication::Daily).unwrap();
    }
    desk
}

#[test]
fn openssl_verifies_every_exported_signature_and_nothing_else() {
    let desk = desk_with_payments();
    let exported = desk.succeed(&["export", "--out", "out"]);
    assert_eq!(
        (&exported["cards"], &exported["receipts"], &exported["entries"]),
        (&json!(2), &json!(2), &json!(8))
    );
    let out = desk.path("out");
    let issuer = out.join("issuer.pem");
    for (card, sequence) in desk.cards.iter().zip([5, 7]) {
        let card = out.join("cards").join(card.number.to_string());
        let cso = [card.join("cso.sig.der"), card.join("cso.signed.bin")];
        assert!(openssl_verifies(&issuer, &cso));
        assert!(!openssl_verifies(&out.join("root.pem"), &cso));
        let receipt = |end: &str| out.join(format!("receipts/VNT0000009-{sequence}.{end}"));
        let receipt = [receipt("sig.der"), receipt("signed.bin")];
        assert!(openssl_verifies(&card.join("card-signing.pem"), &receipt));
        flip_last_byte(&receipt[1]);
        assert!(!openssl_verifies(&card.join("card-signing.pem"), &receipt));
    }
    for file in [
        "terminal-ca.pem",
        "terminal-VNT0000009.pem",
        "journals/VNT0000009.journal",
        "lists/BD-26734-000001.list",
        "blocklists/1.blocklist",
        "blocklists/2.blocklist",
        "blocklists/3.blockdelta",
        "acks/VNT0000009-8.ack",
    ] {
        assert!(out.join(file).is_file(), "{file}");
    }
}

#[test]
fn cvc_print_verifies_every_exported_certificate_and_no_changed_one() {
    let desk = desk_with_payments();
    desk.succeed(&["export", "--out", "out"]);
    let out = desk.path("out");
    let mut checked = 0;
    for entry in std::fs::read_dir(out.join("certificates")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some() {
            assert!(cvc_print_verifies(&out, &file), "{}", file.display());
            flip_last_byte(&file);
            assert!(!cvc_print_verifies(&out, &file), "{}", file.display());
            checked += 1;
        }
    }
    assert_eq!(checked, 5);
}

#[test]
fn the_exported_ledger_is_whole_and_the_folder_is_never_overwritten() {
    let desk = desk_with_payments();
    desk.succeed(&["export", "--out", "out"]);
    let copy = desk.path("out/store.sqlite");
    let sql = "PRAGMA integrity_check; SELECT count(*), sum(amount) FROM payment";
    let output = run("sqlite3", "sqlite3", &[copy.to_str().unwrap(), sql]);
    assert_eq!(printed(&output).trim(), "ok\n2|1000000");
    assert!(desk.fail(1, &["export", "--out", "out"]).contains("not empty"));
}

#[test]
fn only_its_owner_can_open_an_export_and_nothing_is_left_beside_it() {
    let desk = desk_with_payments();
    std::fs::create_dir(desk.path("out")).unwrap();
    desk.succeed(&["export", "--out", "out"]);
    let mode = std::fs::metadata(desk.path("out")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let mut names: Vec<_> = std::fs::read_dir(desk.path("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "VNISS7900001",
        "VNROOT00001",
        "VNTCA00001",
        "acks",
        "blocklists",
        "cards",
        "certificates",
        "issuer.pem",
        "journals",
        "lists",
        "operations.log",
        "receipts",
        "root.pem",
        "store.sqlite",
        "terminal-VNT0000009.pem",
        "terminal-ca.pem",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_auditor_finds_nothing_in_an_export_and_a_flipped_byte_in_a_changed_one() {
    let desk = desk_with_payments();
    desk.succeed(&["export", "--out", "out"]);
    let out = desk.path("out");
    let root = ansinh_audit::read_root_key(out.join("root.pem")).unwrap();
    let audit = || ansinh_audit::audit(std::slice::from_ref(&out), &root, NonZero::<usize>::MIN).unwrap();
    let report = audit();
    assert!(report.clean, "{:?}", report.findings);
    flip_last_byte(&out.join("journals/VNT0000009.journal"));
    assert!(!audit().clean);
}

fn openssl_verifies(key: &Path, [signature, signed]: &[PathBuf; 2]) -> bool {
    let [key, signature, signed] = [key, signature, signed].map(|path| path.to_str().unwrap());
    let arguments = ["dgst", "-sha256", "-verify", key, "-signature", signature, signed];
    printed(&run("openssl", "openssl", &arguments)).contains("Verified OK")
}

fn cvc_print_verifies(folder: &Path, file: &Path) -> bool {
    let folder = format!("--cvc-dir={}", folder.display());
    let output = run("cvc-print", "openpace", &[&folder, "-c", file.to_str().unwrap()]);
    printed(&output).contains("certificate verified")
}

fn flip_last_byte(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(file, bytes).unwrap();
}

fn run(program: &str, package: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output();
    output.unwrap_or_else(|_| panic!("{program} is missing: apt-get install {package}"))
}

#[test]
fn operators_are_named_at_the_desk_and_known_to_the_terminal() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    desk.succeed(&["terminal", "provision", "--port", &port]);
    std::fs::write(desk.path("pin"), "314159\n").unwrap();
    let set = |number: &'static str, name: &'static str, pin: &'static str| {
        let who = [
            "terminal",
            "operators",
            "set",
            "--terminal",
            "VNT0000001",
            "--number",
            number,
        ];
        [&who[..], &["--name", name, "--role", "clerk", "--pin-file", pin]].concat()
    };
    let send = ["terminal", "operators", "send", "--port", &port];
    assert!(desk.fail(1, &send).contains("nobody is to work"));
    let named = desk.succeed(&set("7", "lan", "pin"));
    assert_eq!(
        (&named["name"], &named["roles"]),
        (&json!("lan"), &json!(["clerk"]))
    );
    for wrong in ["12345", "1234567890123", "12345a", ""] {
        std::fs::write(desk.path("wrong"), wrong).unwrap();
        let told = desk.fail(1, &set("8", "minh", "wrong"));
        assert!(told.contains("6 to 12 digits"), "{told}");
        assert!(wrong.is_empty() || !told.contains(wrong), "{told}");
    }
    assert!(
        desk.fail(1, &set("8", "LAN", "pin"))
            .contains("registered already")
    );

    let entries = || {
        let status = desk.succeed(&["terminal", "status", "--port", &port]);
        status["journal_tail"].as_u64().unwrap()
    };
    let (before, sent) = (entries(), desk.succeed(&send));
    assert_eq!(sent["operator_list"], 1);
    // The clock, and the operators; again: the clock.
    assert_eq!(entries(), before + 2);
    assert_eq!(desk.succeed(&send), sent);
    assert_eq!(entries(), before + 3);
    // What has changed since goes along whenever the terminal is loaded.
    desk.succeed(&set("8", "minh", "pin"));
    desk.succeed(&["terminal", "load", "--port", &port]);
    assert_eq!(desk.succeed(&send)["operator_list"], 2);
    let remove = [
        "terminal",
        "operators",
        "remove",
        "--terminal",
        "VNT0000001",
        "--number",
        "7",
    ];
    desk.succeed(&remove);
    assert!(desk.fail(1, &remove).contains("not in the store"));
    let listed = desk.succeed(&["terminal", "operators", "list", "--terminal", "VNT0000001"]);
    assert_eq!((&listed["number"], &listed["name"]), (&json!(8), &json!("minh")));
    // The journal tells of both lists, and the auditor knows such entries.
    desk.succeed(&["terminal", "sync", "--port", &port]);
    desk.succeed(&["export", "--out", "out"]);
    let root = ansinh_audit::read_root_key(desk.path("out/root.pem")).unwrap();
    let report = ansinh_audit::audit(&[desk.path("out")], &root, NonZero::<usize>::MIN).unwrap();
    assert!(report.clean, "{:?}", report.findings);
}
