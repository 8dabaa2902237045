//! The demonstration as a stranger runs it once, and what a stranger does with its artefacts: read them, verify them with
//! tools that are not ours, and tamper with copies.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::{Value, json};
use whole_job::programs::program;
use whole_job::witnesses;

/// One run for all tests; its artefacts stay in cargo's target folder until the next.
static DEMONSTRATION: LazyLock<Demonstration> = LazyLock::new(Demonstration::run);

struct Demonstration {
    folder: PathBuf,
    printed: Value,
}

impl Demonstration {
    fn run() -> Self {
        let folder = fresh("artefacts");
        let output = demo(&folder);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let printed = serde_json::from_slice(&output.stdout).unwrap();
        Self { folder, printed }
    }
}

/// Path of an artefact.
fn artefact(name: &str) -> PathBuf {
    DEMONSTRATION.folder.join(name)
}

/// A path in cargo's folder for tests at which there is nothing yet.
fn fresh(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if path.exists() {
        fs::remove_dir_all(&path).unwrap();
    }
    path
}

fn demo(out: &Path) -> Output {
    Command::new(program("with-readers").unwrap())
        .args(["4", "--"])
        .arg(program("demo").unwrap())
        .args(["--json", "--image"])
        .arg(rig::firmware_image("qemu-mps2").unwrap())
        .arg("--out")
        .arg(out)
        .output()
        .unwrap()
}

/// The names in a folder of the artefacts that end in `suffix`, without it, in order.
fn stems(folder: &str, suffix: &str) -> Vec<String> {
    let mut stems: Vec<String> = fs::read_dir(artefact(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(suffix).map(str::to_owned))
        .collect();
    stems.sort();
    stems
}

/// The two verifiers: our auditor's, and a stranger's who had nothing but the specification.
fn verifiers(folder: &Path) -> [(&'static str, Output); 2] {
    let root = folder.join("root.pem");
    let ours = Command::new(program("ansinh-audit").unwrap())
        .arg("verify")
        .arg(folder)
        .arg("--root")
        .arg(&root)
        .output();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../independent-verifier/verify.py");
    // Debian's own interpreter, because python3-cryptography is installed for that one.
    let independent = Command::new("/usr/bin/python3")
        .arg("-B")
        .arg(script)
        .arg(folder)
        .arg("--root")
        .arg(&root)
        .output()
        .unwrap_or_else(|error| panic!("{error}: install Debian's python3 and python3-cryptography"));
    [("ansinh-audit", ours.unwrap()), ("verify.py", independent)]
}

/// Both verifiers exit with `code`, and the findings name `file` if there is one.
fn assert_verdict(folder: &Path, code: i32, file: Option<&str>) {
    for (verifier, output) in verifiers(folder) {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{verifier}: {said}{errors}");
        if let Some(file) = file {
            assert!(said.contains(file), "{verifier} does not name {file}: {said}");
        }
    }
}

/// A copy of the artefacts with one bit flipped in the middle of a file.
fn tampered(file: &str) -> PathBuf {
    let copy = fresh(&format!("tampered-{}", file.replace('/', "-")));
    copy_folder(&DEMONSTRATION.folder, &copy);
    let path = copy.join(file);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x01;
    fs::write(&path, bytes).unwrap();
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[test]
fn the_summary_tells_what_happened() {
    let summary = &DEMONSTRATION.printed;
    let file: Value = serde_json::from_slice(&fs::read(artefact("summary.json")).unwrap()).unwrap();
    assert_eq!(&file, summary);
    // Two programmes for one person, two lines for another and one card reported lost with its line unpaid.
    for (name, expected) in [
        ("people", 20),
        ("cards_issued", 20),
        ("readers", 4),
        ("lines_paid", 22),
        ("cards_paid", 19),
        ("settled_after_power_cut", 1),
        ("audit_findings", 0),
    ] {
        assert_eq!(summary[name], expected, "{name}");
    }
    assert_eq!(
        summary["refused"],
        json!({ "already paid": 1, "card on the block list": 1, "clock unset": 1, "wrong PIN": 1 })
    );
    assert_eq!(
        summary["witnesses"],
        json!({ "cards": 20, "receipts": 22, "certificates": 5 })
    );
    assert!(summary["flipped_byte"]["findings"].as_u64() >= Some(1));
    assert!(summary["seconds"].as_u64() < Some(180));
}

#[test]
fn the_money_adds_up_in_the_summary_the_ledger_and_the_audit() {
    let summary = &DEMONSTRATION.printed;
    let by_programme = summary["vnd_by_programme"].as_object().unwrap().values();
    let total: u64 = by_programme.map(|amount| amount.as_u64().unwrap()).sum();
    assert!(total > 0);
    assert_eq!(summary["total_vnd"], total);
    let ledger = "SELECT count(*) AS lines, sum(amount) AS vnd FROM payment WHERE reversed = 0";
    let rows = witnesses::sqlite(&artefact("store.sqlite"), ledger).unwrap();
    assert_eq!(rows, [json!({ "lines": 22, "vnd": total })]);
    let audit: Value = serde_json::from_slice(&fs::read(artefact("audit.json")).unwrap()).unwrap();
    assert_eq!(audit["findings"], json!([]));
    assert_eq!(audit["totals"]["paid_vnd"], total);
}

#[test]
fn every_promised_file_is_there() {
    let terminals = stems("journals", ".journal");
    let [terminal] = &terminals[..] else {
        panic!("{terminals:?}")
    };
    let key = format!("terminal-{terminal}.pem");
    for name in [
        "root.pem",
        "issuer.pem",
        &key,
        "store.sqlite",
        "audit.json",
        "summary.json",
    ] {
        assert!(artefact(name).metadata().unwrap().len() > 0, "{name}");
    }
    let cards = stems("cards", "");
    assert_eq!(cards.len(), 20);
    for card in cards {
        for name in ["cso.signed.bin", "cso.sig.der", "card-signing.pem", "cso.tlv"] {
            assert!(
                artefact("cards").join(&card).join(name).is_file(),
                "{card}/{name}"
            );
        }
    }
    let receipts = stems("receipts", ".signed.bin");
    assert_eq!(receipts, stems("receipts", ".sig.der"));
    assert_eq!(receipts.len(), 22);
    let prefix = format!("{terminal}-");
    assert!(receipts.iter().all(|receipt| receipt.starts_with(&prefix)));
    for (folder, suffix, count) in [
        ("lists", ".list", 1),
        ("blocklists", ".blocklist", 1),
        ("certificates", ".cvc", 5),
    ] {
        assert_eq!(stems(folder, suffix).len(), count, "{folder}");
    }
    // One for each time that the host took in a part of the journal.
    let acknowledgements = stems("acks", ".ack");
    assert!(!acknowledgements.is_empty());
    assert!(acknowledgements.iter().all(|name| name.starts_with(&prefix)));
}

#[test]
fn openssl_and_cvc_print_verify_everything() {
    let counts = witnesses::check_artefacts(&DEMONSTRATION.folder).unwrap();
    assert_eq!(counts, [20, 22, 5]);
}

#[test]
fn openssl_refuses_the_signature_of_another_card() {
    let key = artefact("issuer.pem");
    let [one, other, ..] = &stems("cards", "")[..] else {
        panic!("too few cards")
    };
    let (one, other) = (artefact("cards").join(one), artefact("cards").join(other));
    let verifies =
        |signature: &Path| witnesses::openssl_verifies(&key, signature, &one.join("cso.signed.bin")).unwrap();
    assert!(verifies(&one.join("cso.sig.der")));
    assert!(!verifies(&other.join("cso.sig.der")));
}

#[test]
fn openssl_refuses_the_signature_of_another_receipt() {
    let [one, other, ..] = &stems("receipts", ".signed.bin")[..] else {
        panic!("too few receipts")
    };
    let file = |stem: &str, end: &str| artefact(&format!("receipts/{stem}.{end}"));
    let signed = file(one, "signed.bin");
    let card = witnesses::card_of_receipt(&signed).unwrap();
    let key = artefact("cards").join(card).join("card-signing.pem");
    let verifies = |stem: &str| witnesses::openssl_verifies(&key, &file(stem, "sig.der"), &signed).unwrap();
    assert!(verifies(one));
    assert!(!verifies(other));
}

#[test]
fn openssl_refuses_a_card_under_a_key_other_than_its_issuers() {
    let card = artefact("cards").join(&stems("cards", "")[0]);
    let verified = witnesses::openssl_verifies(
        &artefact("root.pem"),
        &card.join("cso.sig.der"),
        &card.join("cso.signed.bin"),
    );
    assert!(!verified.unwrap());
}

#[test]
fn cvc_print_verifies_no_certificate_without_its_authority_or_under_another() {
    let authorities = fresh("authorities");
    fs::create_dir(&authorities).unwrap();
    let certificates = stems("certificates", ".cvc");
    let terminal = certificates.iter().find(|name| name.contains('J')).unwrap();
    let terminal = artefact(&format!("certificates/{terminal}.cvc"));
    assert!(!witnesses::cvc_print_verifies(&authorities, &terminal).unwrap());
    // The issuer in the place of the terminals' authority, under that one's name.
    let place = |stem: &str| certificates.iter().find(|name| name.starts_with(stem)).unwrap();
    let (root, issuer, authority) = (place("VNROOT"), place("VNISS"), place("VNTCA"));
    for (certificate, name) in [(root, root), (issuer, authority)] {
        let from = artefact(&format!("certificates/{certificate}.cvc"));
        fs::copy(from, authorities.join(name)).unwrap();
    }
    assert!(!witnesses::cvc_print_verifies(&authorities, &terminal).unwrap());
    fs::copy(
        artefact(&format!("certificates/{authority}.cvc")),
        authorities.join(authority),
    )
    .unwrap();
    assert!(witnesses::cvc_print_verifies(&authorities, &terminal).unwrap());
}

#[test]
fn both_verifiers_find_nothing() {
    assert_verdict(&DEMONSTRATION.folder, 0, None);
}

#[test]
fn both_verifiers_find_one_flipped_byte_in_any_kind_of_object() {
    let card = &stems("cards", "")[3];
    let first = |folder: &str, suffix: &str| format!("{folder}/{}{suffix}", stems(folder, suffix)[0]);
    for file in [
        first("journals", ".journal"),
        first("lists", ".list"),
        format!("cards/{card}/cso.tlv"),
        first("blocklists", ".blocklist"),
        first("acks", ".ack"),
        first("certificates", ".cvc"),
        first("receipts", ".signed.bin"),
    ] {
        assert_verdict(&tampered(&file), 1, Some(&file));
    }
}

#[test]
fn both_verifiers_refuse_another_root_key() {
    let copy = fresh("other-root");
    copy_folder(&DEMONSTRATION.folder, &copy);
    fs::copy(artefact("issuer.pem"), copy.join("root.pem")).unwrap();
    assert_verdict(&copy, 1, None);
}

#[test]
fn unknown_files_are_listed_and_are_no_findings() {
    let copy = fresh("unknown-file");
    copy_folder(&DEMONSTRATION.folder, &copy);
    fs::write(copy.join("notes.txt"), "counted twice").unwrap();
    assert_verdict(&copy, 0, None);
}

#[test]
fn a_folder_that_is_not_empty_is_left_alone() {
    let before = fs::read(artefact("summary.json")).unwrap();
    let output = demo(&DEMONSTRATION.folder);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("is not empty"), "{said}");
    assert_eq!(fs::read(artefact("summary.json")).unwrap(), before);
}
