//! The program as tests and demo use it: blank cards of a delivery, in a virtual reader behind the real pcscd.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pcsc::{Context, Protocols, Scope, ShareMode};
use rig::{VirtualReader, inside_readers};

const SELECT: [u8; 14] = [
    0, 0xA4, 4, 0, 8, 0xF0, 0x41, 0x4E, 0x53, 0x49, 0x4E, 0x48, 0x01, 0,
];
/// INITIALIZE UPDATE (SPEC 6.3): the answer begins with the chip's serial.
const INITIALIZE_UPDATE: [u8; 14] = [0x80, 0x50, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0];

fn virtual_card() -> Command {
    Command::new(env!("CARGO_BIN_EXE_virtual-card"))
}

fn deliver(folder: &Path, count: &str) -> Output {
    let delivery = folder.join("delivery.json");
    let cards = folder.join("cards");
    virtual_card()
        .args(["blank", "--count", count, "--delivery"])
        .arg(delivery)
        .arg("--out")
        .arg(cards)
        .output()
        .unwrap()
}

fn cards(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder.join("cards"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

/// A card process and the hand that holds it; killed when dropped, as by a power cut of the machine.
struct Process(Child);

impl Process {
    fn start(memory: &Path, reader: &VirtualReader, extra: &[&str]) -> Self {
        let mut command = virtual_card();
        command
            .arg("--memory")
            .arg(memory)
            .args(["--vpcd", &format!("127.0.0.1:{}", reader.port)])
            .args(extra);
        Self(
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap(),
        )
    }

    fn order(&mut self, line: &str) -> String {
        writeln!(self.0.stdin.as_mut().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap())
            .read_line(&mut answer)
            .unwrap();
        answer.trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn connect(reader: &VirtualReader) -> pcsc::Card {
    let name = std::ffi::CString::new(reader.name.as_str()).unwrap();
    let begun = Instant::now();
    loop {
        let context = Context::establish(Scope::User).unwrap();
        match context.connect(&name, ShareMode::Shared, Protocols::ANY) {
            Ok(card) => return card,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(10), "no card: {error}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn transmit(card: &pcsc::Card, command: &[u8]) -> Vec<u8> {
    card.transmit(command, &mut [0; pcsc::MAX_BUFFER_SIZE_EXTENDED])
        .unwrap()
        .to_vec()
}

fn serial(card: &pcsc::Card) -> String {
    assert!(transmit(card, &SELECT).ends_with(&[0x90, 0x00]));
    let answer = transmit(card, &INITIALIZE_UPDATE);
    assert!(answer.ends_with(&[0x90, 0x00]), "{answer:02X?}");
    hex::encode_upper(&answer[..10])
}

#[test]
fn a_delivery_describes_its_cards() {
    let folder = tempfile::tempdir().unwrap();
    assert!(deliver(folder.path(), "3").status.success());
    let path = folder.path().join("delivery.json");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let delivery: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let listed = delivery["cards"].as_array().unwrap();
    assert_eq!((listed.len(), cards(folder.path()).len()), (3, 3));
    for serial in listed {
        assert!(
            folder
                .path()
                .join("cards")
                .join(format!("{}.card", serial.as_str().unwrap()))
                .exists()
        );
    }
    let keys = ["enc", "mac", "dek"].map(|key| delivery["keys"][key]["key"].as_str().unwrap());
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    let again = deliver(folder.path(), "1");
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("exists already"));
    assert_eq!(cards(folder.path()).len(), 3);
}

#[test]
fn a_card_keeps_its_memory_and_loses_its_session() {
    inside_readers(2, |readers| {
        let folder = tempfile::tempdir().unwrap();
        assert!(deliver(folder.path(), "1").status.success());
        let memory = cards(folder.path()).remove(0);
        for reader in readers {
            let _process = Process::start(&memory, reader, &[]);
            let card = connect(reader);
            assert_eq!(serial(&card), memory.file_stem().unwrap().to_str().unwrap());
        }
    });
}

#[test]
fn orders_are_obeyed_on_input_and_socket() {
    inside_readers(1, |readers| {
        let folder = tempfile::tempdir().unwrap();
        assert!(deliver(folder.path(), "1").status.success());
        let memory = cards(folder.path()).remove(0);
        let socket = folder.path().join("control");
        let mut process = Process::start(
            &memory,
            &readers[0],
            &["--removed", "--control", socket.to_str().unwrap()],
        );
        assert_eq!(process.order("status"), "ok removed commands=0");
        assert!(process.order("jump").starts_with("error: expected"));
        let mut hand = UnixStream::connect(&socket).unwrap();
        hand.write_all(b"insert\ntear-after 2 before\n").unwrap();
        let answers: Vec<String> = BufReader::new(&hand)
            .lines()
            .take(2)
            .map(Result::unwrap)
            .collect();
        assert_eq!(answers, ["ok inserted commands=0"; 2]);
        let card = connect(&readers[0]);
        assert!(transmit(&card, &SELECT).ends_with(&[0x90, 0x00]));
        assert!(transmit(&card, &SELECT).is_empty());
        assert_eq!(process.order("status"), "ok removed commands=1");
    });
}

#[test]
fn what_is_no_card_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let junk = folder.path().join("junk");
    fs::write(&junk, [0xFF; 64]).unwrap();
    for memory in [junk, folder.path().join("missing")] {
        let refused = virtual_card()
            .arg("--memory")
            .arg(&memory)
            .args(["--vpcd", "127.0.0.1:1"])
            .output()
            .unwrap();
        assert!(!refused.status.success());
        assert!(!refused.stderr.is_empty());
    }
    for arguments in [
        &[][..],
        &["--memory", "x"],
        &["--memory", "x", "--vpcd", "a", "--pn532", "b"],
    ] {
        assert!(
            !virtual_card().args(arguments).output().unwrap().status.success(),
            "{arguments:?}"
        );
    }
}
