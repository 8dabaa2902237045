//! The Debian package and its unit, checked with dpkg-deb and systemd-analyze.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_ansinh");

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../packaging")
        .join(name)
}

/// What a program that must succeed prints.
fn run(program: &str, package: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|_| panic!("{program} is missing: apt-get install {package}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {printed}{errors}"
    );
    printed + &errors
}

fn build(out: &Path) -> String {
    let script = packaging("build-deb");
    let path = run(
        script.to_str().unwrap(),
        "bash",
        &[out.to_str().unwrap(), "--binary", BINARY],
    );
    path.lines().next().expect("the path of the package").to_owned()
}

#[test]
fn the_package_holds_what_the_service_needs_and_is_the_same_each_time() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (package, again) = (build(first.path()), build(second.path()));
    assert!(
        fs::read(&package).unwrap() == fs::read(again).unwrap(),
        "the package differs each time"
    );
    let fields = run("dpkg-deb", "dpkg", &["--field", &package]);
    for field in ["Package: ansinh", "Version: 0.1.0", "pcscd"] {
        assert!(fields.contains(field), "{field} is not in\n{fields}");
    }
    let contents = run("dpkg-deb", "dpkg", &["--contents", &package]);
    for file in [
        "-rwxr-xr-x root/root",
        "./usr/bin/ansinh",
        "./lib/systemd/system/ansinh.service",
        "./usr/lib/sysusers.d/ansinh.conf",
        "./lib/udev/rules.d/60-ansinh-readers.rules",
        "./usr/share/polkit-1/rules.d/60-ansinh-pcscd.rules",
        "./usr/share/doc/ansinh/copyright",
    ] {
        assert!(contents.contains(file), "{file} is not in\n{contents}");
    }
    let tree = first.path().join("tree");
    run(
        "dpkg-deb",
        "dpkg",
        &["--raw-extract", &package, tree.to_str().unwrap()],
    );
    let settings = fs::read_to_string(tree.join("etc/ansinh/ansinh.toml")).unwrap();
    assert_eq!(settings, run(BINARY, "ansinh", &["serve", "--print-config"]));
    let conffiles = fs::read_to_string(tree.join("DEBIAN/conffiles")).unwrap();
    assert_eq!(conffiles, "/etc/ansinh/ansinh.toml\n");
    for script in ["postinst", "prerm"] {
        let script = tree.join("DEBIAN").join(script);
        run("sh", "dash", &["-n", script.to_str().unwrap()]);
    }
}

#[test]
fn systemd_understands_the_unit_and_finds_it_well_locked() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("ansinh.service");
    let text = fs::read_to_string(packaging("ansinh.service")).unwrap();
    assert!(text.contains("ExecStart=/usr/bin/ansinh serve"));
    // Where the program is on this computer; one that is not there is a finding.
    fs::write(&unit, text.replace("/usr/bin/ansinh", BINARY)).unwrap();
    let unit = unit.to_str().unwrap();
    let found = run(
        "systemd-analyze",
        "systemd",
        &["verify", "--man=no", "--recursive-errors=no", unit],
    );
    assert_eq!(found.trim(), "");
    // In tenths; systemd calls 20 and less well protected, and an unprotected service has 96.
    run(
        "systemd-analyze",
        "systemd",
        &["security", "--offline=true", "--threshold=20", unit],
    );
}
