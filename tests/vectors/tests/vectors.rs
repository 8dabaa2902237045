//! `card-applet-spec/vectors`: the generator still gives the committed files, `card-spec` reads and writes every object
//! as it stands, and tools that are not ours accept every signature and refuse every wrong one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use card_spec::crypto::{PortableP256, PublicKey, Verify};
use card_spec::tlv::Error;
use serde_json::Value;
use vectors::{World, der_signature, examine, pem};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../card-applet-spec/vectors")
}

/// Every kind of every committed file.
fn kinds() -> Vec<Value> {
    let names = vectors::vectors::all().into_iter().map(|(name, _)| name);
    names
        .flat_map(|name| committed(name)["kinds"].as_array().unwrap().clone())
        .collect()
}

fn committed(name: &str) -> Value {
    let path = folder().join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn octets(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn key(vector: &Value) -> Option<PublicKey> {
    let key = vector.get("signer")?.get("public_key")?;
    Some(PublicKey::from_sec1(&octets(key)).unwrap())
}

/// Runs a tool; its absence fails the test.
fn run(package: &str, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program}: {error}; install the Debian package {package}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_generator_gives_the_committed_files() {
    for (name, content) in vectors::vectors::all() {
        assert_eq!(
            committed(name),
            content,
            "{name}: run generate-vectors, and look at what changed"
        );
    }
}

#[test]
fn card_spec_reads_and_writes_every_object_as_it_stands() {
    let mut seen = BTreeSet::new();
    for kind in kinds() {
        let name = kind["kind"].as_str().unwrap();
        for vector in list(&kind["valid"]) {
            let encoding = octets(&vector["encoding"]);
            let examined = examine(name, &encoding).unwrap();
            assert_eq!(examined.encoding, encoding, "{name} {}", vector["name"]);
            assert_eq!(examined.body, octets(&vector["body"]));
            if let Some(key) = key(vector) {
                let signature = examined.signature.unwrap();
                assert_eq!(signature.as_bytes().to_vec(), octets(&vector["signature"]));
                PortableP256.verify(&key, &examined.body, &signature).unwrap();
                seen.insert(name.to_owned());
            }
        }
    }
    assert_eq!(seen.len(), 12, "every kind of signed object: {seen:?}");
}

#[test]
fn every_kind_of_journal_entry_is_there() {
    let kinds = kinds();
    let entries = kinds.iter().find(|kind| kind["kind"] == "journal-entry").unwrap();
    let of = |vector: &Value| {
        list(&vector["members"])
            .iter()
            .find(|member| member["tag"] == "87")
            .unwrap()["value"]
            .clone()
    };
    let kinds: BTreeSet<_> = list(&entries["valid"])
        .iter()
        .map(|vector| of(vector).to_string())
        .collect();
    assert_eq!(kinds.len(), 24, "{kinds:?}");
}

#[test]
fn what_is_wrong_is_refused_for_the_reason_stated() {
    let mut refused = 0;
    for kind in kinds() {
        let name = kind["kind"].as_str().unwrap();
        let signer = list(&kind["valid"]).iter().find_map(key);
        for vector in list(&kind["refused"]) {
            let encoding = octets(&vector["encoding"]);
            let reason = match examine(name, &encoding) {
                Err(Error::Encoding | Error::Depth) => "encoding",
                Err(Error::Expected(_)) => "members",
                Err(Error::Value(_)) => "value",
                Err(Error::Space) => panic!("{name} {}: too long", vector["name"]),
                Ok(examined) => {
                    let signature = examined
                        .signature
                        .unwrap_or_else(|| panic!("{name} {}: accepted", vector["name"]));
                    let keys: Vec<_> = list(&kind["valid"]).iter().filter_map(key).collect();
                    assert!(signer.is_some());
                    for key in keys {
                        assert!(PortableP256.verify(&key, &examined.body, &signature).is_err());
                    }
                    "signature"
                }
            };
            assert_eq!(reason, vector["refusal"], "{name}: {}", vector["name"]);
            refused += 1;
        }
    }
    assert!(refused > 150, "{refused}");
}

fn openssl_says(folder: &Path, key: &PublicKey, body: &[u8], signature: &[u8]) -> String {
    let file = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (key, body, signature) = (
        file("key.pem", &pem(key)),
        file("body", body),
        file("signature", signature),
    );
    run(
        "openssl",
        "openssl",
        &[
            "dgst",
            "-sha256",
            "-verify",
            &key,
            "-signature",
            &signature,
            &body,
        ],
    )
}

#[test]
fn openssl_accepts_every_signature_and_refuses_wrong_ones() {
    let folder = tempfile::tempdir().unwrap();
    for kind in kinds() {
        let name = kind["kind"].as_str().unwrap();
        for vector in list(&kind["valid"]) {
            let Some(key) = key(vector) else { continue };
            let body = octets(&vector["body"]);
            let signature = octets(&vector["signature"]);
            let signature = der_signature(&signature.as_slice().try_into().unwrap());
            let answer = openssl_says(folder.path(), &key, &body, &signature);
            assert_eq!(answer.trim(), "Verified OK", "{name} {}", vector["name"]);
            let answer = openssl_says(folder.path(), &key, &body[1..], &signature);
            assert_eq!(answer.trim(), "Verification failure", "{name} {}", vector["name"]);
        }
    }
}

#[test]
fn openssl_accepts_the_exported_files() {
    let world = World::standard();
    let folder = tempfile::tempdir().unwrap();
    world.write(folder.path()).unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let verify = |key: &str, stem: &str| {
        let (key, body, signature) = (
            path(key),
            path(&format!("{stem}.signed.bin")),
            path(&format!("{stem}.sig.der")),
        );
        run(
            "openssl",
            "openssl",
            &[
                "dgst",
                "-sha256",
                "-verify",
                &key,
                "-signature",
                &signature,
                &body,
            ],
        )
    };
    for card in &world.cards {
        assert_eq!(
            verify("issuer.pem", &format!("cards/{}/cso", card.number)).trim(),
            "Verified OK"
        );
    }
    let key = format!("cards/{}/card-signing.pem", world.cards[0].number);
    assert_eq!(verify(&key, "receipts/VNT0000001-6").trim(), "Verified OK");
    assert_eq!(
        verify("issuer.pem", "receipts/VNT0000001-6").trim(),
        "Verification failure"
    );
}

#[test]
fn cvc_print_verifies_every_certificate() {
    let world = World::standard();
    let folder = tempfile::tempdir().unwrap();
    let certificates = world.files.iter().filter_map(|(path, content)| {
        Some((path.strip_prefix("certificates/")?.strip_suffix(".cvc")?, content))
    });
    // The tool looks for files named exactly as the authority reference.
    for (holder, certificate) in certificates.clone() {
        std::fs::write(folder.path().join(holder), certificate).unwrap();
    }
    let option = format!("--cvc-dir={}", folder.path().to_str().unwrap());
    // It compares dates with today; those of the vectors stay.
    let then = ["-f", "2026-11-22 12:00:00", "cvc-print", &option, "-c"];
    let says = |file: &Path| {
        run(
            "faketime openpace",
            "faketime",
            &[&then[..], &[file.to_str().unwrap()]].concat(),
        )
    };
    for (holder, certificate) in certificates {
        assert!(
            says(&folder.path().join(holder)).contains("certificate verified"),
            "{holder}"
        );
        let mut flipped = certificate.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let path = folder.path().join("flipped");
        std::fs::write(&path, flipped).unwrap();
        assert!(!says(&path).contains("certificate verified"), "{holder}, flipped");
    }
}
