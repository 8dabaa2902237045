//! Terminals that come and go: renewed, visited together, lost, or far away with a journal to tell.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use card_spec::journal::Entry;
use card_spec::signed::Signed;
use card_spec::tlv::Reader;
use link::Answer;
use serde_json::{Value, json};

use crate::common::days_from_now;
use crate::desk::{Desk, MAKE_LIST, ansinh, ansinh_days_ago, printed, run};
use crate::powered;

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
    // As by a stick that was pulled out too early: every length at which the last entry is not whole.
    let (mut entries, mut last) = (Reader::new(&good), 0);
    while !entries.rest().is_empty() {
        last = good.len() - entries.rest().len();
        Signed::<Entry<'_>>::read_next(&mut entries).unwrap();
    }
    for end in [last + 1, last + 2, last + 3, last + 100, good.len() - 1] {
        // And as by a power cut: the file has its length, and its end was not written.
        let mut filled = good.get(..end).unwrap().to_vec();
        filled.resize(good.len() + 8, 0);
        for lost in [good.get(..end).unwrap(), &filled] {
            let told = import(&desk, 1, lost);
            assert!(
                told.contains("after entry") && !told.contains("quarantine"),
                "{end}: {told}"
            );
        }
    }
    desk.succeed(&["terminal", "sync", "--port", &port]);
    // A bit that has flipped on the way says nothing against the terminal.
    let mut damaged = good.clone();
    let first = Signed::<Entry<'_>>::read_next(&mut Reader::new(&good)).unwrap();
    *damaged.get_mut(first.encoding().len() - 1).unwrap() ^= 1;
    assert!(import(&desk, 65, &damaged).contains("damaged"));
    // The ledger was changed from outside: what the terminal has signed is another entry.
    let path = desk.path("station/store.sqlite");
    let change =
        "DROP TRIGGER journal_entry_stays; UPDATE journal_entry SET entry = x'00' WHERE sequence = 1";
    run("sqlite3", "sqlite3", &[path.to_str().unwrap(), change]);
    assert!(import(&desk, 1, &good).contains("entry 1 differs"));
}

#[test]
fn what_a_dying_terminal_gives_is_kept() {
    let desk = Desk::new();
    let port = powered::at_a_port();
    desk.succeed(&["terminal", "provision", "--port", &port]);
    let whole = desk.path("whole.journal");
    desk.succeed(&[
        "terminal",
        "export",
        "--port",
        &port,
        "--out",
        whole.to_str().unwrap(),
    ]);
    let journal = std::fs::read(&whole).unwrap();
    let first = Signed::<Entry<'_>>::read_next(&mut Reader::new(&journal)).unwrap();
    let first = first.encoding().to_vec();
    // It shows five entries and gives one, or gives that one again and again.
    let name = *b"VNT0000001";
    let withholding = powered::withholding_at_a_port(name, first.clone());
    let again: &'static [u8] = first.clone().leak();
    let endless = powered::answering_at_a_port(name, move |_| Some(Answer::Entries { bytes: again }));
    for (port, said) in [(withholding, "up to 1"), (endless, "out of order")] {
        let out = desk.path(&format!("{}.journal", said.len()));
        let export = [
            "terminal",
            "export",
            "--port",
            &port,
            "--out",
            out.to_str().unwrap(),
        ];
        let told = desk.fail(1, &export);
        assert!(told.contains(said), "{told}");
        assert_eq!(std::fs::read(out).unwrap(), first);
    }
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
