//! The program as a PN532: one card after the other in the same field, as people come to a terminal.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// SELECT, then INITIALIZE UPDATE (SPEC 6.3), whose answer begins with the chip's serial.
const COMMANDS: [&str; 2] = ["00A4040008F0414E53494E480100", "8050000008010203040506070800"];

struct Process(Child);

impl Process {
    /// Gives an order and returns the answer.
    fn order(&mut self, line: &str) -> String {
        writeln!(self.0.stdin.as_mut().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        BufReader::with_capacity(1, self.0.stdout.as_mut().unwrap())
            .read_line(&mut answer)
            .unwrap();
        answer.trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn connect(port: u16) -> TcpStream {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(line) => return line,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(10), "{error}"),
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn ask(line: &mut TcpStream, content: &[u8]) -> Vec<u8> {
    let sum = |bytes: &[u8]| bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    let length = content.len() as u8;
    line.write_all(&[0, 0, 0xFF, length, length.wrapping_neg()])
        .unwrap();
    line.write_all(&[content, &[sum(content).wrapping_neg(), 0]].concat())
        .unwrap();
    let mut header = [0; 6 + 5];
    line.read_exact(&mut header).unwrap();
    let mut answer = vec![0; usize::from(header[9]) + 2];
    line.read_exact(&mut answer).unwrap();
    answer.truncate(answer.len() - 2);
    answer
}

/// The serial of the card in the field.
fn serial(line: &mut TcpStream) -> Option<String> {
    if ask(line, &[0xD4, 0x4A, 1, 0])[2] == 0 {
        return None;
    }
    let mut answer = Vec::new();
    for command in COMMANDS {
        answer = ask(
            line,
            &[&[0xD4, 0x40, 1], hex::decode(command).unwrap().as_slice()].concat(),
        );
        assert_eq!(answer[2], 0, "status of the exchange");
    }
    Some(hex::encode_upper(&answer[3..13]))
}

#[test]
fn cards_are_exchanged_in_the_field() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_virtual-card"))
        .args(["blank", "--count", "3", "--delivery"])
        .arg(folder.path().join("delivery.json"))
        .arg("--out")
        .arg(folder.path().join("cards"))
        .stdout(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let cards: Vec<PathBuf> = fs::read_dir(folder.path().join("cards"))
        .unwrap()
        .map(|card| card.unwrap().path())
        .collect();

    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut process = Process(
        Command::new(env!("CARGO_BIN_EXE_virtual-card"))
            .arg("--memory")
            .arg(&cards[0])
            .args(["--removed", "--pn532", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut line = connect(port);
    line.write_all(&[0x55, 0x55, 0, 0, 0]).unwrap();
    assert_eq!(
        ask(&mut line, &[0xD4, 0x32, 0x05, 0xFF, 0x01, 0x01]),
        [0xD5, 0x33]
    );
    assert_eq!(serial(&mut line), None);
    for card in &cards {
        let loaded = process.order(&format!("load {}", card.display()));
        assert!(loaded.starts_with("ok removed"), "{loaded}");
        assert_eq!(serial(&mut line), None);
        process.order("insert");
        let name = card.file_stem().unwrap().to_str().unwrap().to_uppercase();
        assert_eq!(serial(&mut line), Some(name));
    }
    // What is no card is refused, and the one that is there stays.
    assert!(process.order("load /nowhere/none.card").starts_with("error"));
    assert!(process.order("load").starts_with("error"));
    assert!(serial(&mut line).is_some());
}
