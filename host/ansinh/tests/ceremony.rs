//! The ceremony of host/CEREMONY.md as commands, checked with openssl, cvc-print, pkcs11-tool and ansinh-audit.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const PASSPHRASE: &str = "mật khẩu dùng thử 79";
const PEOPLE: [&str; 3] = ["người thứ nhất 1945", "người thứ hai 1954", "người thứ ba 1975"];
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "79791945";

/// The root's room and a station's, with a stick between them: one folder each.
struct Rooms(TempDir);

impl Rooms {
    /// Three people with a passphrase each, and nothing else.
    fn empty() -> Self {
        let rooms = Self(tempfile::tempdir().unwrap());
        for (number, part) in (1..).zip(PEOPLE) {
            std::fs::write(rooms.path(&format!("part-{number}")), format!("{part}\n")).unwrap();
        }
        rooms
    }

    /// A root, and a station that knows it.
    fn with_station() -> Self {
        let rooms = Self::empty();
        rooms.make_root("root");
        rooms.make_station("station", &[]);
        rooms
    }

    /// A station with certificates for all its keys.
    fn with_certified_station() -> Self {
        let rooms = Self::with_station();
        for role in ["issuer", "terminal-ca"] {
            rooms.certify("station", "request", role, &[]);
        }
        rooms
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn command(&self, station: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ansinh"));
        command
            .current_dir(self.0.path())
            .env_clear()
            .env("ANSINH_PASSPHRASE", PASSPHRASE)
            .env("SOFTHSM2_CONF", self.path("softhsm2.conf"))
            .args(["--store", station, "--token-file", &format!("{station}.token")])
            .args(arguments);
        command
    }

    fn succeed(&self, station: &str, arguments: &[&str]) -> Value {
        let output = self.command(station, arguments).arg("--json").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap_or_default()
    }

    /// Runs a command that must fail with this exit code; gives what it printed.
    fn fail(&self, code: i32, station: &str, arguments: &[&str]) -> String {
        let output = self.command(station, arguments).output().unwrap();
        let printed = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}");
        for secret in PEOPLE.iter().chain(&[PASSPHRASE, PIN]) {
            assert!(!printed.contains(secret), "a secret was printed: {printed}");
        }
        printed
    }

    fn make_root(&self, name: &str) -> String {
        let mut arguments = vec!["ceremony", "root", "--root", name, "--test"];
        arguments.extend(parts(&[1, 2, 3]));
        self.succeed("nowhere", &arguments)["fingerprint"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn make_station(&self, name: &str, more: &[&str]) {
        let root = self.read("root/root.cvc");
        let fingerprint = hex::encode(body_hash(&root));
        let token = format!("{name}.token");
        let mut arguments = vec!["ceremony", "station", "--root-certificate", "root/root.cvc"];
        arguments.extend([
            "--fingerprint",
            &fingerprint,
            "--province",
            "79",
            "--operator",
            "lan",
        ]);
        arguments.extend(["--new-token-file", &token]);
        arguments.extend(more);
        self.succeed(name, &arguments);
    }

    /// Asks for a certificate; gives the request's fingerprint. The request is in `<station>-<role>.request`.
    fn ask(&self, station: &str, occasion: &str, role: &str, more: &[&str]) -> String {
        let out = format!("{station}-{role}.request");
        let _ = std::fs::remove_file(self.path(&out));
        let mut arguments = vec!["ceremony", occasion, "--role", role, "--out", &out];
        arguments.extend(more);
        self.succeed(station, &arguments)["fingerprint"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn sign_arguments<'a>(
        request: &'a str,
        root: &'a str,
        fingerprint: &'a str,
        out: &'a str,
    ) -> Vec<&'a str> {
        let mut arguments = vec!["ceremony", "sign", request, "--root", root, "--out", out];
        arguments.extend(["--fingerprint", fingerprint]);
        arguments
    }

    /// Has a request signed at a root; gives the certificate's file.
    fn sign(&self, station: &str, role: &str, root: &str, fingerprint: &str) -> String {
        let (request, out) = (
            format!("{station}-{role}.request"),
            format!("{station}-{role}.cvc"),
        );
        let _ = std::fs::remove_file(self.path(&out));
        let mut arguments = Self::sign_arguments(&request, root, fingerprint, &out);
        arguments.extend(parts(&[1, 2, 3]));
        self.succeed("nowhere", &arguments);
        out
    }

    /// Request, signature, acceptance.
    fn certify(&self, station: &str, occasion: &str, role: &str, more: &[&str]) -> Value {
        let fingerprint = self.ask(station, occasion, role, more);
        let certificate = self.sign(station, role, "root", &fingerprint);
        self.succeed(station, &["ceremony", "accept", &certificate])
    }

    fn settings(&self, station: &str) -> Value {
        serde_json::from_slice(&self.read(&format!("{station}/station.json"))).unwrap()
    }

    fn init_token(&self, label: &str) {
        std::fs::create_dir_all(self.path("tokens")).unwrap();
        let settings = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            self.path("tokens").display()
        );
        std::fs::write(self.path("softhsm2.conf"), settings).unwrap();
        std::fs::write(self.path("pin"), PIN).unwrap();
        assert!(
            Path::new(MODULE).exists(),
            "{MODULE} is missing: apt-get install softhsm2"
        );
        let arguments = [
            "--init-token",
            "--free",
            "--label",
            label,
            "--so-pin",
            "security officer",
            "--pin",
            PIN,
        ];
        let output = Command::new("softhsm2-util")
            .args(arguments)
            .env("SOFTHSM2_CONF", self.path("softhsm2.conf"))
            .output()
            .expect("softhsm2-util is missing: apt-get install softhsm2");
        assert!(output.status.success(), "{output:?}");
    }

    /// What cvc-print says of a certificate when it looks for authorities among the root's.
    fn cvc_print(&self, certificate: &str) -> String {
        let folder = self.path("cvc");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("VNROOT00001"), self.read("root/root.cvc")).unwrap();
        // It compares dates with the day in UTC, ours begin with the day in Vietnam.
        let arguments = [
            "-f".to_owned(),
            "+7h".to_owned(),
            "cvc-print".to_owned(),
            format!("--cvc-dir={}", folder.display()),
            "-c".to_owned(),
            self.path(certificate).display().to_string(),
        ];
        let output = Command::new("faketime").args(arguments).output();
        text(
            &output
                .expect("cvc-print or faketime is missing: apt-get install openpace faketime")
                .stdout,
        )
    }
}

fn parts(people: &[u8]) -> Vec<&'static str> {
    let files = ["part-1", "part-2", "part-3"];
    people
        .iter()
        .flat_map(|number| ["--part-file", files[usize::from(*number) - 1]])
        .collect()
}

fn body_hash(certificate: &[u8]) -> [u8; 32] {
    card_spec::signed::Signed::<card_spec::certificate::Certificate>::parse(certificate)
        .unwrap()
        .hash()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output();
    output.unwrap_or_else(|_| panic!("{program} is missing: apt-get install {program}"))
}

#[test]
fn a_station_is_certified_by_a_root_that_it_never_sees() {
    let rooms = Rooms::with_certified_station();
    for role in ["issuer", "terminal-ca"] {
        let printed = rooms.cvc_print(&format!("station-{role}.cvc"));
        assert!(printed.contains("certificate verified"), "{role}: {printed}");
    }
    assert!(!rooms.path("station/keys/root.key").exists());
    // The key asked for, and no other, is in the sealed file: openssl opens it.
    let sealed = rooms.path("station/keys/VNISS7900001.key");
    let opened = run(
        "openssl",
        &[
            "pkey",
            "-in",
            sealed.to_str().unwrap(),
            "-passin",
            &format!("pass:{PASSPHRASE}"),
            "-pubout",
        ],
    );
    assert_eq!(opened.stdout, rooms.read("station/issuer.pem"));
    let signed = rooms.succeed("station", &["block", "publish"]);
    assert_eq!(signed["number"], 1);
}

#[test]
fn openssl_opens_the_root_by_the_form_that_the_help_tells() {
    let rooms = Rooms::empty();
    rooms.make_root("root");
    let by_hand = PEOPLE.map(|part| format!("{}:{part}", part.len())).concat();
    let sealed = rooms.path("root/root.key");
    let arguments = |passphrase: &str| {
        let passphrase = format!("pass:{passphrase}");
        run(
            "openssl",
            &["pkcs8", "-in", sealed.to_str().unwrap(), "-passin", &passphrase],
        )
    };
    assert!(arguments(&by_hand).status.success());
    assert!(!arguments(&PEOPLE.concat()).status.success());
}

#[test]
fn the_root_signs_only_with_everybody_and_for_the_fingerprint_that_was_read_out() {
    let rooms = Rooms::with_station();
    let fingerprint = rooms.ask("station", "request", "issuer", &[]);
    for missing in [&[2, 3][..], &[1, 3], &[1, 2], &[1, 3, 2], &[1]] {
        let mut arguments =
            Rooms::sign_arguments("station-issuer.request", "root", &fingerprint, "issuer.cvc");
        arguments.extend(parts(missing));
        rooms.fail(77, "nowhere", &arguments);
    }
    let other = fingerprint.replace(['0', '1'], "2");
    let mut arguments = Rooms::sign_arguments("station-issuer.request", "root", &other, "issuer.cvc");
    arguments.extend(parts(&[1, 2, 3]));
    assert!(
        rooms
            .fail(65, "nowhere", &arguments)
            .contains("another fingerprint")
    );
    assert_eq!(std::fs::read_dir(rooms.path("root/issued")).unwrap().count(), 0);
    assert!(!rooms.path("issuer.cvc").exists());
}

#[test]
fn the_same_request_gets_the_same_certificate_and_no_second_key_the_name() {
    let rooms = Rooms::with_station();
    rooms.make_station("thief", &[]);
    let fingerprint = rooms.ask("station", "request", "issuer", &[]);
    // Asked again, the station repeats itself.
    assert_eq!(rooms.ask("station", "request", "issuer", &[]), fingerprint);
    rooms.sign("station", "issuer", "root", &fingerprint);
    let first = rooms.read("station-issuer.cvc");
    rooms.sign("station", "issuer", "root", &fingerprint);
    assert_eq!(rooms.read("station-issuer.cvc"), first);
    let fingerprint = rooms.ask("thief", "request", "issuer", &[]);
    let mut arguments = Rooms::sign_arguments("thief-issuer.request", "root", &fingerprint, "thief.cvc");
    arguments.extend(parts(&[1, 2, 3]));
    assert!(
        rooms
            .fail(65, "nowhere", &arguments)
            .contains("certified for another key")
    );
}

#[test]
fn a_station_takes_no_certificate_but_its_own() {
    let rooms = Rooms::with_station();
    rooms.make_station("other", &[]);
    let before = rooms.read("station/station.json");
    // A second copy of the root signs the same name for another station's key.
    for name in ["second", "second/issued"] {
        std::fs::create_dir(rooms.path(name)).unwrap();
    }
    for name in ["root.key", "root.cvc"] {
        std::fs::copy(rooms.path("root").join(name), rooms.path("second").join(name)).unwrap();
    }
    let own = rooms.ask("station", "request", "issuer", &[]);
    let own = rooms.sign("station", "issuer", "root", &own);
    let foreign = rooms.ask("other", "request", "issuer", &[]);
    let foreign = rooms.sign("other", "issuer", "second", &foreign);
    let printed = rooms.fail(1, "station", &["ceremony", "accept", &foreign]);
    assert!(printed.contains("another key"), "{printed}");
    // One of another root of the same name.
    rooms.make_root("stranger");
    let fingerprint = rooms.ask("other", "request", "terminal-ca", &[]);
    let stranger = rooms.sign("other", "terminal-ca", "stranger", &fingerprint);
    let printed = rooms.fail(1, "other", &["ceremony", "accept", &stranger]);
    assert!(printed.contains("does not verify"), "{printed}");
    // One that nobody asked for, and the root's own.
    let fingerprint = rooms.ask("other", "request", "terminal-ca", &[]);
    let unasked = rooms.sign("other", "terminal-ca", "root", &fingerprint);
    let printed = rooms.fail(1, "station", &["ceremony", "accept", &unasked]);
    assert!(printed.contains("no key of this station waits"), "{printed}");
    rooms.fail(1, "station", &["ceremony", "accept", "root/root.cvc"]);
    rooms.fail(1, "station", &["ceremony", "accept", "station-issuer.request"]);
    assert_eq!(rooms.read("station/station.json"), before);
    assert!(!rooms.path("station/certificates/VNISS7900001.cvc").exists());
    rooms.succeed("station", &["ceremony", "accept", &own]);
    // Twice changes nothing.
    let accepted = rooms.read("station/station.json");
    rooms.succeed("station", &["ceremony", "accept", &own]);
    assert_eq!(rooms.read("station/station.json"), accepted);
}

#[test]
fn a_station_is_set_up_below_the_root_of_the_minutes_only() {
    let rooms = Rooms::empty();
    let fingerprint = rooms.make_root("root");
    let other = fingerprint.replace(['0', '1'], "2");
    let mut arguments = vec![
        "ceremony",
        "station",
        "--root-certificate",
        "root/root.cvc",
        "--province",
        "79",
    ];
    arguments.extend(["--operator", "lan", "--fingerprint", &other]);
    assert!(
        rooms
            .fail(65, "station", &arguments)
            .contains("not the root of the minutes")
    );
    assert!(!rooms.path("station").exists());
    rooms.make_station("station", &[]);
    let printed = rooms.fail(77, "station", &["block", "publish"]);
    assert!(
        printed.contains("ceremony") || printed.contains("key"),
        "{printed}"
    );
}

#[test]
fn a_new_issuer_key_goes_on_where_the_old_one_ended() {
    let rooms = Rooms::with_certified_station();
    rooms.fail(
        1,
        "station",
        &["ceremony", "request", "--role", "issuer", "--out", "x"],
    );
    assert_eq!(rooms.succeed("station", &["block", "publish"])["number"], 1);
    rooms.succeed("station", &["ceremony", "backup", "--out", "before"]);
    let fingerprint = rooms.ask("station", "rekey", "issuer", &[]);
    // Until the certificate is there the present key signs.
    assert_eq!(rooms.succeed("station", &["block", "publish"])["number"], 2);
    let certificate = rooms.sign("station", "issuer", "root", &fingerprint);
    let accepted = rooms.succeed("station", &["ceremony", "accept", &certificate]);
    assert_eq!(accepted["holder"], "VNISS7900002");
    assert_eq!(accepted["before"], "VNISS7900001");
    assert_eq!(rooms.settings("station")["issuer"], "VNISS7900002");
    // DATA 4: numbers of block lists outlive an issuer's key; SPEC 4.3: the new issuer's sequence begins anew.
    assert_eq!(rooms.succeed("station", &["block", "publish"])["number"], 3);
    rooms.succeed("station", &["export", "--out", "audit"]);
    let folder = rooms.path("audit");
    let root = ansinh_audit::read_root_key(rooms.path("root/root.pem")).unwrap();
    let report = ansinh_audit::audit(&[folder], &root, NonZero::<usize>::MIN).unwrap();
    assert!(report.clean, "{:?}", report.findings);
    // A backup from before the new key would bring a key back that signs no more.
    let printed = rooms.fail(1, "station", &["ceremony", "restore", "before"]);
    assert!(printed.contains("older than the station's keys"), "{printed}");
    rooms.succeed("station", &["ceremony", "backup", "--out", "after"]);
    rooms.succeed("station", &["ceremony", "restore", "after"]);
    assert_eq!(rooms.succeed("station", &["block", "publish"])["number"], 4);
}

#[test]
fn a_backup_with_a_wrong_byte_anywhere_replaces_nothing() {
    let rooms = Rooms::with_certified_station();
    rooms.succeed("station", &["ceremony", "backup", "--out", "backup"]);
    let manifest: Value = serde_json::from_slice(&rooms.read("backup/manifest.json")).unwrap();
    let keys = manifest["keys"].as_object().unwrap();
    assert_eq!(
        keys.keys().collect::<Vec<_>>(),
        ["card-master", "issuer", "terminal-ca"]
    );
    let own = rooms.read("station/keys/VNISS7900001.key");
    for name in manifest["files"].as_object().unwrap().keys() {
        let path = rooms.path("backup").join(name);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 1;
        std::fs::write(&path, bad).unwrap();
        let printed = rooms.fail(65, "station", &["ceremony", "restore", "backup"]);
        assert!(
            printed.contains(name.as_str()) && printed.contains("changed"),
            "{printed}"
        );
        std::fs::remove_file(&path).unwrap();
        let printed = rooms.fail(65, "station", &["ceremony", "restore", "backup"]);
        assert!(printed.contains("missing"), "{printed}");
        std::fs::write(&path, good).unwrap();
    }
    std::fs::write(rooms.path("backup/keys/more.key"), b"x").unwrap();
    rooms.fail(65, "station", &["ceremony", "restore", "backup"]);
    std::fs::remove_file(rooms.path("backup/keys/more.key")).unwrap();
    let mut wrong = rooms.command("station", &["ceremony", "restore", "backup"]);
    let wrong = wrong
        .env("ANSINH_PASSPHRASE", "another passphrase")
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(77));
    assert_eq!(rooms.read("station/keys/VNISS7900001.key"), own);
    assert!(!rooms.path("station/before-restore-1").exists());
}

#[test]
fn a_lost_key_folder_comes_back_from_the_backup() {
    let rooms = Rooms::with_certified_station();
    rooms.succeed("station", &["ceremony", "backup", "--out", "backup"]);
    std::fs::remove_dir_all(rooms.path("station/keys")).unwrap();
    rooms.fail(77, "station", &["block", "publish"]);
    rooms.succeed("station", &["ceremony", "restore", "backup", "--check"]);
    rooms.fail(77, "station", &["block", "publish"]);
    rooms.succeed("station", &["ceremony", "restore", "backup"]);
    assert_eq!(rooms.succeed("station", &["block", "publish"])["number"], 1);
}

#[test]
fn a_key_that_is_not_the_certificates_signs_nothing() {
    let rooms = Rooms::with_certified_station();
    let keys = rooms.path("station/keys");
    std::fs::copy(keys.join("VNTCA00001.key"), keys.join("VNISS7900001.key")).unwrap();
    let printed = rooms.fail(77, "station", &["block", "publish"]);
    assert!(
        printed.contains("not the key of the certificate VNISS7900001"),
        "{printed}"
    );
    let printed = rooms.fail(1, "station", &["ceremony", "backup", "--out", "backup"]);
    assert!(printed.contains("not the key of the certificate"), "{printed}");
    assert!(!rooms.path("backup").exists());
}

#[test]
fn a_station_whose_keys_are_in_a_token_signs_and_leaves_no_key_in_a_file() {
    let rooms = Rooms::empty();
    rooms.make_root("root");
    rooms.init_token("issuance 79");
    let token = ["--module", MODULE, "--token", "issuance 79", "--pin-file", "pin"];
    rooms.make_station("station", &token);
    rooms.certify("station", "request", "issuer", &token);
    rooms.certify("station", "request", "terminal-ca", &[]);
    assert_eq!(rooms.succeed("station", &["block", "publish"])["number"], 1);
    assert!(!rooms.path("station/keys/VNISS7900001.key").exists());
    assert!(!rooms.path("station/keys/card-master.key").exists());
    let printed = rooms.cvc_print("station-issuer.cvc");
    assert!(printed.contains("certificate verified"), "{printed}");
    let listed = Command::new("pkcs11-tool")
        .args([
            "--module",
            MODULE,
            "--token-label",
            "issuance 79",
            "--login",
            "--pin",
            PIN,
            "--list-objects",
        ])
        .env("SOFTHSM2_CONF", rooms.path("softhsm2.conf"))
        .output()
        .expect("pkcs11-tool is missing: apt-get install opensc");
    let listed = text(&listed.stdout);
    for label in [
        "VNISS7900001",
        "card-master-enc",
        "card-master-mac",
        "card-master-dek",
    ] {
        assert!(listed.contains(label), "{label}: {listed}");
    }
    let backup = rooms.succeed("station", &["ceremony", "backup", "--out", "backup"]);
    assert_eq!(backup["in_tokens"], serde_json::json!(["issuer", "card-master"]));
    // From a token to a file, and the other way: a new key.
    rooms.certify("station", "rekey", "issuer", &[]);
    rooms.certify("station", "rekey", "issuer", &token);
    assert_eq!(rooms.settings("station")["issuer"], "VNISS7900003");
    assert_eq!(rooms.succeed("station", &["block", "publish"])["number"], 2);
}

#[test]
fn a_token_that_is_away_or_has_another_pin_stops_signing_and_says_so() {
    let rooms = Rooms::empty();
    rooms.make_root("root");
    rooms.init_token("issuance 79");
    std::fs::write(rooms.path("wrong-pin"), "12345678").unwrap();
    let token = ["--module", MODULE, "--token", "issuance 79", "--pin-file", "pin"];
    let wrong = [
        "--module",
        MODULE,
        "--token",
        "issuance 79",
        "--pin-file",
        "wrong-pin",
    ];
    rooms.make_station("station", &[]);
    let mut arguments = vec!["ceremony", "request", "--role", "issuer", "--out", "x"];
    arguments.extend(wrong);
    let printed = rooms.fail(77, "station", &arguments);
    assert!(printed.contains("refuses its PIN"), "{printed}");
    assert!(!rooms.path("x").exists());
    rooms.certify("station", "request", "issuer", &token);
    // Its PIN is changed with the token's own tool; the sealed one is now wrong.
    let changed = Command::new("pkcs11-tool")
        .args([
            "--module",
            MODULE,
            "--token-label",
            "issuance 79",
            "--login",
            "--pin",
            PIN,
        ])
        .args(["--change-pin", "--new-pin", "86420864"])
        .env("SOFTHSM2_CONF", rooms.path("softhsm2.conf"))
        .output()
        .expect("pkcs11-tool is missing: apt-get install opensc");
    assert!(changed.status.success(), "{changed:?}");
    rooms.fail(77, "station", &["block", "publish"]);
    rooms.fail(
        77,
        "station",
        &["ceremony", "pin", "--key", "issuer", "--pin-file", "wrong-pin"],
    );
    std::fs::write(rooms.path("new-pin"), "86420864").unwrap();
    rooms.succeed(
        "station",
        &["ceremony", "pin", "--key", "issuer", "--pin-file", "new-pin"],
    );
    assert_eq!(rooms.succeed("station", &["block", "publish"])["number"], 1);
    std::fs::rename(rooms.path("tokens"), rooms.path("pulled")).unwrap();
    std::fs::create_dir(rooms.path("tokens")).unwrap();
    let printed = rooms.fail(77, "station", &["block", "publish"]);
    assert!(printed.contains("no token \"issuance 79\""), "{printed}");
}
