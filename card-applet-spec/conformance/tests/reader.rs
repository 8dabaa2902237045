//! The kit against a card behind the real pcscd: the reference applet in a virtual reader, made blank again by a command.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use pcsc::{Context, Protocols, Scope, ShareMode};
use rig::inside_readers;
use virtual_card::control::Control;
use virtual_card::{ReferenceCard, blank, vpcd};

#[test]
fn a_card_in_a_reader_conforms() {
    inside_readers(1, |readers| {
        let folder = tempfile::tempdir().unwrap();
        let (delivery, cards) = (folder.path().join("delivery.json"), folder.path().join("cards"));
        blank::deliver("KIT", &delivery, &cards, 1).unwrap();
        let factory = std::fs::read_dir(&cards).unwrap().next().unwrap().unwrap().path();
        let memory = folder.path().join("card");
        std::fs::copy(&factory, &memory).unwrap();
        let control = Control::default();
        let mut card = ReferenceCard::open(&memory, control.writes_fuse(), false).unwrap();
        control.insert();
        let address = format!("127.0.0.1:{}", readers[0].port);
        thread::spawn(move || vpcd::run(&mut card, &address, &control));
        wait_for_card(&readers[0].name);

        // The card reads its memory anew when it is powered: copying the factory's over it makes it blank.
        let fresh = format!("cp '{}' '{}'", factory.display(), memory.display());
        let output = Command::new(env!("CARGO_BIN_EXE_ansinh-conformance"))
            .args([
                "--reader",
                &readers[0].name,
                "--fresh-command",
                &fresh,
                "--json",
                "--transport-key-file",
            ])
            .arg(&delivery)
            .output()
            .unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
        });
        let with = |result: &str| {
            let cases = report["cases"].as_array().unwrap().iter();
            cases
                .filter(|case| case["result"] == result)
                .map(|case| case.to_string())
                .collect::<Vec<_>>()
        };
        assert!(with("fail").is_empty(), "{:#?}", with("fail"));
        assert!(with("pass").len() > 600);
        assert!(
            with("not-applicable")
                .iter()
                .all(|case| case.contains("a reader cannot"))
        );
        assert!(output.status.success());
    });
}

/// pcscd notices an inserted card within a second.
fn wait_for_card(reader: &str) {
    let name = std::ffi::CString::new(reader).unwrap();
    let begun = Instant::now();
    while let Err(error) = Context::establish(Scope::User)
        .and_then(|context| context.connect(&name, ShareMode::Shared, Protocols::ANY))
    {
        assert!(begun.elapsed() < Duration::from_secs(10), "no card: {error}");
        thread::sleep(Duration::from_millis(20));
    }
}
