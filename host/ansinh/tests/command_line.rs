//! The `ansinh` command as an operator uses it, checked with openssl, cvc-print and sqlite3.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use card_spec::scp03::AesKey;
use serde_json::{Value, json};
use tempfile::TempDir;

const PASSPHRASE: &str = "mật khẩu dùng thử 79";

/// A folder with a station in `station`.
struct Desk(TempDir);

impl Desk {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with_station() -> Self {
        let desk = Self::empty();
        desk.succeed(&[
            "init",
            "--province",
            "79",
            "--operator",
            "lan",
            "--new-token-file",
            "lan.token",
            "--test",
        ]);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ansinh"));
        command
            .current_dir(self.0.path())
            .env_clear()
            .env("ANSINH_PASSPHRASE", PASSPHRASE);
        command
            .args(["--store", "station", "--token-file", "lan.token"])
            .args(arguments);
        command
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs a command that must fail with this exit code; gives what it printed.
    fn fail(&self, code: i32, arguments: &[&str]) -> String {
        fail(code, self.command(arguments))
    }

    fn sql(&self, sql: &str) -> String {
        let output = run(
            "sqlite3",
            &[self.path("station/store.sqlite").to_str().unwrap(), sql],
        );
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    }
}

fn fail(code: i32, mut command: Command) -> String {
    let output = command.output().unwrap();
    let printed = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {printed}");
    printed
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let package = if program == "faketime" {
        "faketime openpace"
    } else {
        program
    };
    let output = Command::new(program).args(arguments).output();
    output.unwrap_or_else(|_| panic!("{program} is missing: apt-get install {package}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn delivery() -> Value {
    let key = |mark: u8| {
        let key: [u8; 16] = std::array::from_fn(|index| mark + index as u8);
        json!({ "key": hex::encode(key), "kcv": hex::encode(AesKey::aes128(key).key_check_value()) })
    };
    json!({
        "delivery": "2026-11-A", "kdf": "KDF3", "kvn": 1,
        "keys": { "enc": key(0x80), "mac": key(0x90), "dek": key(0xA0) },
        "cards": ["00000000000000000001", "00000000000000000002"],
    })
}

const HEADER: &str = "so_dinh_danh;ho_ten;ngay_sinh;gioi_tinh;ma_xa;ma_che_do;so_tien_thang;tong_so_tien;ky_chi_tra;so_quyet_dinh;phuong_thuc_chi_tra";
const GOOD: &str = "079140000001;Nguyễn Thị Gấm;19400000;2;25747;BTXH;1000000;1000000;202611;12/QĐ-UBND;1";
const BAD: &str = "07914000000;Nguyễn Thị Gấu;19400000;2;25747;BTXH;1000000;1000001;202611;13/QĐ-UBND;1";

#[test]
fn init_makes_keys_that_openssl_opens_and_nobody_else_reads() {
    let desk = Desk::with_station();
    assert_eq!(mode(&desk.path("station")), 0o700);
    for role in ["root", "issuer", "terminal-ca"] {
        let sealed = desk.path(&format!("station/keys/{role}.key"));
        assert_eq!(mode(&sealed), 0o600);
        let sealed = sealed.to_str().unwrap();
        let public = run(
            "openssl",
            &[
                "pkey",
                "-in",
                sealed,
                "-passin",
                &format!("pass:{PASSPHRASE}"),
                "-pubout",
            ],
        );
        let stored = std::fs::read(desk.path(&format!("station/{role}.pem"))).unwrap();
        assert_eq!(text(&public.stdout), text(&stored));
        assert!(
            !run("openssl", &["pkey", "-in", sealed, "-passin", "pass:another"])
                .status
                .success()
        );
    }
    assert_eq!(
        desk.sql("SELECT operator, action FROM operation ORDER BY position"),
        "lan|operator-added\nlan|station-set-up"
    );
}

#[test]
fn cvc_print_verifies_the_certificates_of_init_and_not_those_of_another_root() {
    let (desk, other) = (Desk::with_station(), Desk::with_station());
    // cvc-print wants the authorities in files named exactly as the CAR; its exit code tells nothing.
    let verify = |authorities: &Desk, reference: &str| {
        let folder = tempfile::tempdir().unwrap();
        let root = authorities.path("station/certificates/VNROOT00001.cvc");
        std::fs::copy(root, folder.path().join("VNROOT00001")).unwrap();
        let certificate = desk.path(&format!("station/certificates/{reference}.cvc"));
        let directory = format!("--cvc-dir={}", folder.path().display());
        // It compares dates with the day in UTC, ours begin with the day in Vietnam.
        let vietnam = [
            "-f",
            "+7h",
            "cvc-print",
            &directory,
            "-c",
            certificate.to_str().unwrap(),
        ];
        let output = run("faketime", &vietnam);
        (text(&output.stdout) + &text(&output.stderr)).contains("certificate verified")
    };
    for reference in ["VNROOT00001", "VNISS7900001", "VNTCA00001"] {
        assert!(verify(&desk, reference), "{reference}");
    }
    assert!(!verify(&other, "VNISS7900001"));
}

#[test]
fn a_station_is_never_set_up_over_another() {
    let desk = Desk::with_station();
    let before = std::fs::read(desk.path("station/keys/root.key")).unwrap();
    assert!(
        desk.fail(1, &["init", "--province", "79", "--operator", "lan"])
            .contains("not empty")
    );
    assert_eq!(std::fs::read(desk.path("station/keys/root.key")).unwrap(), before);
}

#[test]
fn a_refused_init_leaves_nothing_behind() {
    let desk = Desk::empty();
    for province in ["72", "1", "XX", ""] {
        desk.fail(65, &["init", "--province", province, "--operator", "lan"]);
    }
    let mut short = desk.command(&["init", "--province", "79", "--operator", "lan"]);
    short.env("ANSINH_PASSPHRASE", "short");
    assert!(fail(1, short).contains("shorter than 15"));
    let mut none = desk.command(&["init", "--province", "79", "--operator", "lan"]);
    none.env_remove("ANSINH_PASSPHRASE");
    assert!(fail(1, none).contains("--passphrase-file"));
    assert_eq!(std::fs::read_dir(desk.0.path()).unwrap().count(), 0);
}

#[test]
fn a_delivery_is_sealed_and_its_chips_become_blanks() {
    let desk = Desk::with_station();
    desk.write("delivery.json", &delivery().to_string());
    desk.write("passphrase", &format!("{PASSPHRASE}\n"));
    let mut add = desk.command(&[
        "--passphrase-file",
        "passphrase",
        "--json",
        "delivery",
        "add",
        "delivery.json",
    ]);
    let output = add
        .env("ANSINH_PASSPHRASE", "the file goes first")
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report, json!({ "delivery": "2026-11-A", "cards": 2 }));
    assert_eq!(desk.sql("SELECT count(*) FROM blank WHERE state = 'blank'"), "2");
    let sealed = desk.path("station/keys/deliveries/2026-11-A.key");
    assert_eq!(mode(&sealed), 0o600);

    let key: [u8; 16] = std::array::from_fn(|index| 0x80 + index as u8);
    for file in [sealed, desk.path("station/store.sqlite")] {
        let content = std::fs::read(file).unwrap();
        assert!(
            !content.windows(16).any(|window| window == key),
            "a transport key in clear"
        );
        assert!(
            !text(&content).to_lowercase().contains(&hex::encode(key)),
            "a transport key in clear"
        );
    }
    assert!(
        desk.fail(65, &["delivery", "add", "delivery.json"])
            .contains("registered already")
    );
}

#[test]
fn a_bad_delivery_registers_nothing_and_shows_no_key() {
    let desk = Desk::with_station();
    let sample = AesKey::aes128(card_spec::scp03::DEFAULT_KEY);
    let cases: [(&str, Value); 12] = [
        ("/keys/mac/kcv", json!("000000")),
        ("/keys/mac/kcv", json!("00")),
        ("/keys/dek/key", json!("8081")),
        ("/keys/dek/key", json!("zz".repeat(16))),
        (
            "/keys/enc",
            json!({ "key": hex::encode(sample.as_bytes()), "kcv": hex::encode(sample.key_check_value()) }),
        ),
        ("/keys/enc", json!({ "key": 7, "kcv": "000000" })),
        ("/kdf", json!("VISA2")),
        ("/kvn", json!(2)),
        ("/delivery", json!("../keys/root")),
        ("/cards", json!([])),
        ("/cards", json!(["00000000000000000001", "00000000000000000001"])),
        ("/cards", json!(["0001"])),
    ];
    for (place, value) in cases {
        let mut file = delivery();
        *file.pointer_mut(place).unwrap() = value.clone();
        desk.write("delivery.json", &file.to_string());
        let printed = desk.fail(65, &["delivery", "add", "delivery.json"]);
        assert!(!printed.contains("8081828384"), "{place}: a key was printed");
        assert_eq!(
            desk.sql("SELECT (SELECT count(*) FROM delivery) + (SELECT count(*) FROM blank)"),
            "0",
            "{place}"
        );
    }
    let mut unknown = delivery();
    unknown["note"] = json!("x");
    desk.write("delivery.json", &unknown.to_string());
    desk.fail(65, &["delivery", "add", "delivery.json"]);
    assert_eq!(
        std::fs::read_dir(desk.path("station/keys/deliveries"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_chip_of_another_delivery_is_refused() {
    let desk = Desk::with_station();
    desk.write("delivery.json", &delivery().to_string());
    desk.succeed(&["delivery", "add", "delivery.json"]);
    let mut second = delivery();
    second["delivery"] = json!("2026-12-A");
    desk.write("delivery.json", &second.to_string());
    assert!(
        desk.fail(65, &["delivery", "add", "delivery.json"])
            .contains("chip 00000000000000000001")
    );
    assert_eq!(desk.sql("SELECT count(*) FROM delivery"), "1");
}

#[test]
fn another_passphrase_has_its_own_exit_code() {
    let desk = Desk::with_station();
    desk.write("delivery.json", &delivery().to_string());
    let mut command = desk.command(&["delivery", "add", "delivery.json"]);
    command.env("ANSINH_PASSPHRASE", "mật khẩu dùng thử 80");
    assert!(fail(77, command).contains("passphrase does not open"));
    assert_eq!(desk.sql("SELECT count(*) FROM delivery"), "0");
}

#[test]
fn a_list_with_one_error_is_refused_whole() {
    let desk = Desk::with_station();
    desk.write("list.csv", &format!("{HEADER}\n{GOOD}\n{BAD}\n"));
    let printed = desk.fail(65, &["import", "list.csv"]);
    assert!(
        printed.contains("line 3, so_dinh_danh \"07914000000\""),
        "{printed}"
    );
    assert!(printed.contains("line 3, tong_so_tien \"1000001\""), "{printed}");
    let output = desk.command(&["import", "list.csv", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["imported"], false);
    assert_eq!(report["errors"].as_array().unwrap().len(), 2);
    assert_eq!(report["errors"][1]["column"], "tong_so_tien");
    assert_eq!(
        desk.sql("SELECT (SELECT count(*) FROM person) + (SELECT count(*) FROM import)"),
        "0"
    );
}

#[test]
fn a_good_list_is_imported_once() {
    let desk = Desk::with_station();
    desk.write("list.csv", &format!("{HEADER}\n{GOOD}\n"));
    let import = |more: &[&str]| -> Value {
        serde_json::from_str(&desk.succeed(&[&["import", "list.csv", "--json"], more].concat())).unwrap()
    };
    let rehearsed = import(&["--dry-run"]);
    assert_eq!(
        (rehearsed["imported"].clone(), rehearsed["new_persons"].clone()),
        (json!(false), json!(1))
    );
    assert_eq!(desk.sql("SELECT count(*) FROM person"), "0");
    assert_eq!(import(&[])["imported"], true);
    let again = import(&[]);
    assert_eq!(
        (again["imported"].clone(), again["known_file"].clone()),
        (json!(false), json!(true))
    );
    assert_eq!(
        desk.sql("SELECT full_name, amount FROM payment_line JOIN person ON reference = person"),
        "Nguyễn Thị Gấm|1000000"
    );
    let logged = desk.sql("SELECT group_concat(subject) FROM operation");
    assert!(
        !logged.contains("079140000001") && !logged.contains("Gấm"),
        "personal data in the operations log"
    );
}

#[test]
fn a_list_that_contradicts_the_ledger_is_refused() {
    let desk = Desk::with_station();
    desk.write("list.csv", &format!("{HEADER}\n{GOOD}\n"));
    desk.succeed(&["import", "list.csv"]);
    desk.write(
        "changed.csv",
        &format!("{HEADER}\n{}\n", GOOD.replace("1000000", "1100000")),
    );
    let printed = desk.fail(65, &["import", "changed.csv"]);
    assert!(
        printed.contains("line 2, so_tien_thang") && printed.contains("supplement"),
        "{printed}"
    );
    assert_eq!(desk.sql("SELECT count(*) FROM import"), "1");
}

#[test]
fn without_a_station_every_command_says_what_to_do() {
    let desk = Desk::empty();
    desk.write("list.csv", HEADER);
    for arguments in [&["import", "list.csv"][..], &["delivery", "add", "list.csv"]] {
        assert!(desk.fail(1, arguments).contains("ansinh init"));
    }
    desk.fail(2, &["import"]);
    desk.fail(2, &["no-such-command"]);
}

fn init<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let start = [
        "init",
        "--operator",
        "lan",
        "--new-token-file",
        "x.token",
        "--test",
    ];
    [&start[..], &["--province"], more].concat()
}

#[test]
fn a_station_is_of_an_agency_that_the_reference_data_know() {
    let desk = Desk::empty();
    for (more, part) in [
        (
            &["79", "--agency", "H79"][..],
            "H29 Ủy ban nhân dân Thành phố Hồ Chí Minh",
        ),
        (&["79", "--agency", "H2"], "H29"),
        (&["79", "--agency", "h29"], "no agency code"),
        (&["79", "--agency", ""], "no agency code"),
        (&["01"], "name no agency of province 01"),
        (&["01", "--agency", "H29"], "know no agency H29 in province 01"),
        (&["02"], "no province code in force"),
    ] {
        let printed = desk.fail(65, &init(more));
        assert!(printed.contains(part), "{more:?}: {printed}");
    }
    assert!(!desk.path("station").exists() && !desk.path("x.token").exists());
    desk.succeed(&init(&["79", "--agency", "H29.1"]));
    let settings: Value =
        serde_json::from_slice(&std::fs::read(desk.path("station/station.json")).unwrap()).unwrap();
    assert_eq!(settings["agency"], "H29.1");
}

#[test]
fn a_list_with_warnings_is_imported_by_whoever_accepts_them() {
    let desk = Desk::with_station();
    // The sex digit of the number says female.
    desk.write(
        "list.csv",
        &format!("{HEADER}\n{}\n", GOOD.replace(";2;25747", ";1;25747")),
    );
    let printed = desk.fail(65, &["import", "list.csv"]);
    assert!(
        printed.contains("line 2, gioi_tinh") || printed.contains("line 2, so_dinh_danh"),
        "{printed}"
    );
    assert!(printed.contains("nobody accepted"), "{printed}");
    assert_eq!(desk.sql("SELECT count(*) FROM person"), "0");
    assert!(
        desk.succeed(&["import", "list.csv", "--dry-run"])
            .contains("warning")
    );
    desk.succeed(&["import", "list.csv", "--accept-warnings"]);
    assert_eq!(
        desk.sql("SELECT count(*), max(code) FROM import_warning"),
        "1|id-sex"
    );
}

#[test]
fn a_delivery_is_taken_in_from_the_inbox_and_its_file_removed() {
    let desk = Desk::with_station();
    std::fs::create_dir(desk.path("station/inbox")).unwrap();
    let mut bad = delivery();
    bad["keys"]["enc"]["kcv"] = json!("000000");
    desk.write("station/inbox/bad.json", &bad.to_string());
    let printed = desk.fail(65, &["delivery", "take-in", "bad.json"]);
    assert!(!printed.contains("8081828384"), "a key was printed: {printed}");
    assert!(desk.path("station/inbox/bad.json").exists());
    desk.write("station/inbox/good.json", &delivery().to_string());
    assert!(
        desk.succeed(&["delivery", "take-in", "good.json"])
            .contains("2 blank cards")
    );
    assert!(!desk.path("station/inbox/good.json").exists());
    assert_eq!(desk.sql("SELECT count(*) FROM blank"), "2");
    desk.fail(1, &["delivery", "take-in", "good.json"]);
    // Still there after the power went: removed. With one more card it is another delivery of the same name.
    desk.write("station/inbox/good.json", &delivery().to_string());
    let printed = desk.fail(1, &["delivery", "take-in", "good.json"]);
    assert!(printed.contains("registered already"), "{printed}");
    assert!(!desk.path("station/inbox/good.json").exists());
    let mut other = delivery();
    other["cards"]
        .as_array_mut()
        .unwrap()
        .push(json!("00112233445566778899"));
    desk.write("station/inbox/other.json", &other.to_string());
    desk.fail(1, &["delivery", "take-in", "other.json"]);
    assert!(desk.path("station/inbox/other.json").exists());
    assert_eq!(desk.sql("SELECT count(*) FROM blank"), "2");
    desk.write("d.json", &delivery().to_string());
    let printed = desk.fail(
        65,
        &[
            "delivery",
            "add",
            "d.json",
            "--server",
            "https://station79.example",
        ],
    );
    assert!(printed.contains("not sent over a network"), "{printed}");
}

#[test]
fn what_only_a_service_can_do_says_so_without_one() {
    let desk = Desk::with_station();
    for arguments in [
        &["issue", "--end"][..],
        &["issue", "--all-readers", "--pin-letters"],
    ] {
        let printed = desk.fail(1, arguments);
        assert!(printed.contains("no service runs"), "{printed}");
    }
    desk.fail(2, &["issue", "--end", "--all-readers"]);
    desk.fail(
        2,
        &["issue", "--all-readers", "--pin-letters", "--pin-command", "x"],
    );
}

#[test]
fn somebodys_cards_are_found_and_that_somebody_looked_too() {
    let desk = Desk::with_station();
    desk.write("list.csv", &format!("{HEADER}\n{GOOD}\n"));
    desk.succeed(&["import", "list.csv"]);
    assert!(
        desk.succeed(&["person", "cards", "079140000001"])
            .contains("no card yet")
    );
    assert!(
        !desk
            .fail(1, &["person", "cards", "079140000002"])
            .contains("079140000002")
    );
    assert_eq!(
        desk.sql("SELECT count(*), min(length(subject)), max(length(subject)) FROM operation WHERE action = 'person-looked-up'"),
        "2|6|32"
    );
}

#[test]
fn help_teaches_and_completion_is_there() {
    let desk = Desk::empty();
    let help = desk.succeed(&["--help"]);
    assert!(help.contains("Exit codes") && help.contains("ansinh init --province 79"));
    assert!(desk.succeed(&["import", "--help"]).contains("--dry-run"));
    assert!(desk.succeed(&["completion", "bash"]).contains("_ansinh"));
}
