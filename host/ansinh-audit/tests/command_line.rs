//! The binary: exit codes and both forms of the report. What is found is tested in `tests/vectors`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use p256::pkcs8::{EncodePublicKey, LineEnding};
use serde_json::Value;

/// The root certificate of `card-applet-spec/vectors`: encoding and key.
fn root() -> (Vec<u8>, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../card-applet-spec/vectors/certificate.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let valid = vectors["kinds"][0]["valid"].as_array().unwrap();
    let root = valid
        .iter()
        .find(|vector| vector["name"] == "certificates/VNROOT00001.cvc")
        .unwrap();
    let octets = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    let key = p256::PublicKey::from_sec1_bytes(&octets(&root["signer"]["public_key"])).unwrap();
    (
        octets(&root["encoding"]),
        key.to_public_key_pem(LineEnding::LF).unwrap(),
    )
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ansinh-audit"));
    command.current_dir(folder).args(arguments).output().unwrap()
}

#[test]
fn exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = root();
    std::fs::create_dir(folder.path().join("certificates")).unwrap();
    std::fs::write(folder.path().join("certificates/VNROOT00001.cvc"), &certificate).unwrap();
    std::fs::write(folder.path().join("root.pem"), key).unwrap();

    let clean = run(folder.path(), &["verify", ".", "--root", "root.pem"]);
    assert_eq!(clean.status.code(), Some(0));
    assert!(
        String::from_utf8(clean.stdout)
            .unwrap()
            .ends_with("No findings.\n")
    );

    for arguments in [
        &["verify", "."][..],
        &["verify", ".", "--root", "missing.pem"],
        &["verify", "missing", "--root", "root.pem"],
        &[],
    ] {
        let unusable = run(folder.path(), arguments);
        assert_eq!(unusable.status.code(), Some(2), "{arguments:?}");
        assert!(unusable.stdout.is_empty() && !unusable.stderr.is_empty());
    }

    std::fs::write(
        folder.path().join("certificates/VNROOT00001.cvc"),
        certificate.split_at(9).0,
    )
    .unwrap();
    let found = run(
        folder.path(),
        &["verify", ".", "--root", "root.pem", "--json", "--jobs", "1"],
    );
    assert_eq!(found.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(report["clean"], false);
    let codes: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| &finding["code"])
        .collect();
    assert_eq!(codes, ["encoding", "root-missing"]);
}

#[test]
fn help_teaches() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["--help"][..], &["verify", "--help"]] {
        let help = run(folder.path(), arguments);
        assert_eq!(help.status.code(), Some(0));
        let text = String::from_utf8(help.stdout).unwrap();
        for needed in [
            "ansinh-audit verify audit-2026-11 --root root.pem",
            "0  no findings",
            "1  findings",
            "2  nothing was audited",
            "from a source you trust",
        ] {
            assert!(text.contains(needed), "{arguments:?}: {needed}: {text}");
        }
    }
}
