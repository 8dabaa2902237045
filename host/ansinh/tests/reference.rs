//! `ansinh reference` as an administrator uses it; the signature is checked with openssl.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A station with an administrator (`lan`) and an operator (`minh`), and a draft of version 2 in `vn-2`.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
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
        desk.succeed(&[
            "operator",
            "add",
            "minh",
            "--role",
            "operator",
            "--new-token-file",
            "minh.token",
        ]);
        std::fs::create_dir(desk.path("vn-2")).unwrap();
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reference/data");
        for entry in std::fs::read_dir(data).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), desk.path("vn-2").join(entry.file_name())).unwrap();
        }
        desk.edit("vn-2/manifest.json", "\"version\": 1,", "\"version\": 2,");
        desk.edit("vn-2/standards.csv", "540000", "600000");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{name}: {from}");
        std::fs::write(self.path(name), text.replace(from, to)).unwrap();
    }

    fn run_as(&self, operator: &str, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_ansinh"))
            .current_dir(self.0.path())
            .env_clear()
            .env("ANSINH_PASSPHRASE", "mật khẩu dùng thử 79")
            .args(["--store", "station", "--token-file", &format!("{operator}.token")])
            .args(arguments)
            .output()
            .unwrap()
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run_as("lan", arguments);
        assert!(output.status.success(), "{arguments:?}: {}", printed(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.succeed(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Runs a command that must fail with this exit code and say this.
    fn fail(&self, code: i32, operator: &str, arguments: &[&str], says: &str) {
        let output = self.run_as(operator, arguments);
        let printed = printed(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}");
        assert!(printed.contains(says), "{arguments:?}: {printed}");
    }

    fn actions(&self) -> String {
        let store = self.path("station/store.sqlite");
        let output = Command::new("sqlite3")
            .arg(store)
            .arg("SELECT operator || ' ' || action FROM operation WHERE action LIKE 'reference%' ORDER BY position")
            .output()
            .expect("sqlite3 is missing: apt-get install sqlite3");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn codes_are_shown_by_day_without_a_station() {
    let empty = Desk(tempfile::tempdir().unwrap());
    let name = |day| empty.json(&["reference", "show", "--province", "80", "--day", day])["name"].clone();
    assert_eq!(
        (name("20250630"), name("20250701")),
        ("Long An".into(), "Tây Ninh".into())
    );
    let old = empty.json(&["reference", "show", "--province", "72", "--day", "20250701"]);
    assert_eq!(
        (&old["in_force"], &old["successors"]),
        (&false.into(), &serde_json::json!(["80"]))
    );

    let ward = empty.json(&["reference", "show", "--commune", "00016"]);
    assert_eq!(
        (&ward["state"], ward["successors"].as_array().unwrap().len()),
        (&"unknown".into(), 2)
    );
    assert_eq!(ward["successors"][0]["extent"], "part");
    let before = empty.json(&["reference", "show", "--commune", "00004", "--day", "20250630"]);
    assert_eq!(before["state"], "cannot-be-checked");
    assert!(
        empty
            .succeed(&["reference", "show", "--commune", "00004"])
            .contains("Phường Ba Đình, Hà Nội")
    );

    let package = empty.json(&["reference", "show"]);
    assert_eq!(
        (&package["version"], &package["built_in"]),
        (&1.into(), &true.into())
    );
    assert!(
        empty
            .succeed(&["reference", "show", "--sources"])
            .contains("19/2025/QĐ-TTg")
    );
    empty.fail(
        2,
        "lan",
        &["reference", "show", "--day", "2025-07-01"],
        "yyyymmdd",
    );
}

#[test]
fn a_package_is_signed_checked_by_openssl_installed_and_in_force() {
    let desk = Desk::new();
    desk.fail(65, "lan", &["reference", "verify", "vn-2"], "not signed");
    assert_eq!(
        desk.json(&["reference", "sign", "vn-2", "--key-role", "root"])["version"],
        2
    );
    let openssl = Command::new("openssl")
        .current_dir(desk.0.path())
        .args(["dgst", "-sha256", "-verify", "station/root.pem"])
        .args(["-signature", "vn-2/manifest.sig", "vn-2/manifest.json"])
        .output()
        .expect("openssl is missing: apt-get install openssl");
    assert_eq!(openssl.stdout, b"Verified OK\n", "{}", printed(&openssl));

    assert_eq!(desk.json(&["reference", "verify", "vn-2"])["valid"], true);
    assert_eq!(desk.json(&["reference", "install", "vn-2"])["installed"], true);
    let package = desk.json(&["reference", "show"]);
    assert_eq!(
        (&package["version"], &package["built_in"]),
        (&2.into(), &false.into())
    );
    assert_eq!(desk.json(&["reference", "install", "vn-2"])["installed"], false);
    assert_eq!(
        desk.actions(),
        "lan reference-data-signed\nlan reference-data-installed\n"
    );

    desk.edit("station/reference/v2/standards.csv", "600000", "900000");
    desk.fail(
        65,
        "lan",
        &["reference", "show"],
        "standards.csv: changed after it was signed",
    );
}

#[test]
fn the_issuer_may_sign_and_a_stranger_may_not() {
    let desk = Desk::new();
    desk.succeed(&["reference", "sign", "vn-2", "--key-role", "issuer"]);
    desk.succeed(&["reference", "verify", "vn-2"]);
    desk.succeed(&["reference", "verify", "vn-2", "--key", "station/issuer.pem"]);
    desk.fail(
        65,
        "lan",
        &["reference", "verify", "vn-2", "--key", "station/terminal-ca.pem"],
        "no signature of",
    );
    desk.fail(
        65,
        "lan",
        &["reference", "verify", "vn-2", "--key", "vn-2/manifest.json"],
        "not a P-256 public key",
    );
    // A sealed key that is no key of this station, as a ministry of another country would have it.
    desk.succeed(&[
        "reference",
        "sign",
        "vn-2",
        "--key-file",
        "station/keys/terminal-ca.key",
    ]);
    desk.fail(65, "lan", &["reference", "install", "vn-2"], "no signature of");
    assert!(!desk.path("station/reference").exists());
}

#[test]
fn what_is_wrong_is_refused_and_changes_nothing() {
    let desk = Desk::new();
    desk.edit("vn-2/standards.csv", "600000", "600.000");
    desk.fail(
        65,
        "lan",
        &["reference", "sign", "vn-2", "--key-role", "root"],
        "standards.csv, line",
    );
    assert!(!desk.path("vn-2/manifest.sig").exists());
    desk.edit("vn-2/standards.csv", "600.000", "600000");
    desk.fail(
        77,
        "minh",
        &["reference", "sign", "vn-2", "--key-role", "root"],
        "minh",
    );
    desk.succeed(&["reference", "sign", "vn-2", "--key-role", "root"]);
    desk.fail(77, "minh", &["reference", "install", "vn-2"], "minh");
    desk.edit("vn-2/communes.csv", "Phường Ba Đình", "Phường Ba Vì");
    desk.fail(
        65,
        "lan",
        &["reference", "install", "vn-2"],
        "communes.csv: changed after it was signed",
    );
    desk.edit("vn-2/manifest.json", "\"version\": 2,", "\"version\": 1,");
    desk.succeed(&["reference", "sign", "vn-2", "--key-role", "root"]);
    desk.fail(
        65,
        "lan",
        &["reference", "install", "vn-2"],
        "version 1 is not above version 1",
    );
    desk.fail(
        1,
        "lan",
        &["reference", "install", "no-such-folder"],
        "no-such-folder",
    );
    assert!(!desk.path("station/reference").exists());
    assert!(!desk.actions().contains("installed"));
}
