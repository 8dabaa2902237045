//! What an auditor is given, checked with tools that are not ours.

use std::num::NonZero;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ansinh_payout::{JournalIngestion, Publication, acknowledge, make_block_list, operator_list};
use ansinh_store::cards::BlockReason;
use ansinh_store::terminal_operators::TerminalOperator;
use card_spec::operators::{PinVerifier, Proof, Roles};
use serde_json::json;

use crate::common::{Till, time};
use crate::desk::{Desk, printed, run};

/// A station whose terminal VNT0000009 has paid both cards.
pub(crate) fn desk_with_payments() -> Desk {
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
fn an_export_holds_nothing_to_search_an_operators_pin_with() {
    let desk = desk_with_payments();
    let keys = desk.keys();
    let pin = PinVerifier::new(b"314159", *b"a salt to look 4").unwrap();
    let (salt, derived) = (pin.salt, pin.derived);
    let operator = TerminalOperator {
        number: 7,
        name: "lan".to_owned(),
        roles: Roles::from_byte(Roles::CLERK).unwrap(),
        proof: Proof::Pin(pin),
    };
    let name = "VNT0000009".parse().unwrap();
    keys.store
        .set_terminal_operator(&keys.lan, "VNT0000009", &operator)
        .unwrap();
    operator_list(&keys.store, &keys.lan, &keys.issuer(), name).unwrap();
    desk.succeed(&["export", "--out", "out"]);
    keys.store.copy_to(&desk.path("backup.sqlite")).unwrap();
    let copy = desk.path("out/store.sqlite");
    let ask = |sql: &str| printed(&run("sqlite3", "sqlite3", &[copy.to_str().unwrap(), sql]));
    let sql = "SELECT name, hex(salt), hex(derived) FROM terminal_operator";
    let nothing = format!("lan|{}|{}", "00".repeat(16), "00".repeat(32));
    assert_eq!(ask(sql).trim(), nothing);
    let sql = "SELECT number, length(object) FROM terminal_operator_list";
    assert_eq!(ask(sql).trim(), "1|0");
    for secret in [&salt[..], &derived] {
        let holds = |file: &Path| {
            let bytes = std::fs::read(file).unwrap();
            bytes.windows(secret.len()).any(|window| window == secret)
        };
        for file in files_in(&desk.path("out")) {
            assert!(!holds(&file), "{}", file.display());
        }
        assert!(holds(&desk.path("backup.sqlite")), "a backup restores everything");
    }
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files_in(&path)
            } else {
                vec![path]
            }
        })
        .collect()
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
    // By the clock of Viet Nam, whose day certificates begin on: the program has no time zone.
    let vietnam = ["-f", "+7h", "cvc-print", &folder, "-c", file.to_str().unwrap()];
    let output = run("faketime", "faketime and openpace", &vietnam);
    printed(&output).contains("certificate verified")
}

fn flip_last_byte(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(file, bytes).unwrap();
}
