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
        "./lib/systemd/system/ansinh-block-list.service",
        "./lib/systemd/system/ansinh-block-list.timer",
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
fn systemd_understands_the_units_and_finds_them_well_locked() {
    let folder = tempfile::tempdir().unwrap();
    let units = [
        "ansinh.service",
        "ansinh-block-list.service",
        "ansinh-block-list.timer",
    ];
    for unit in units {
        let text = fs::read_to_string(packaging(unit)).unwrap();
        // Where the program is on this computer; one that is not there is a finding.
        fs::write(folder.path().join(unit), text.replace("/usr/bin/ansinh", BINARY)).unwrap();
    }
    let path = |unit: &str| folder.path().join(unit).to_str().unwrap().to_owned();
    for unit in units {
        let found = run(
            "systemd-analyze",
            "systemd",
            &["verify", "--man=no", "--recursive-errors=no", &path(unit)],
        );
        assert_eq!(found.trim(), "", "{unit}");
    }
    for service in &units[..2] {
        // In tenths; systemd calls 20 and less well protected, and an unprotected service has 96.
        run(
            "systemd-analyze",
            "systemd",
            &["security", "--offline=true", "--threshold=20", &path(service)],
        );
    }
}

/// What a unit starts is a command that this program has.
#[test]
fn the_units_start_commands_that_there_are() {
    for (unit, command) in [
        ("ansinh.service", ["serve", "--store"]),
        ("ansinh-block-list.service", ["block", "publish"]),
    ] {
        let text = fs::read_to_string(packaging(unit)).unwrap();
        let start = text
            .lines()
            .find(|line| line.starts_with("ExecStart=/usr/bin/ansinh "));
        assert!(start.unwrap().contains(&command.join(" ")), "{unit}");
    }
    run(BINARY, "ansinh", &["block", "publish", "--help"]);
    run(BINARY, "ansinh", &["serve", "--help"]);
    let timer = fs::read_to_string(packaging("ansinh-block-list.timer")).unwrap();
    let calendar = timer.lines().find_map(|line| line.strip_prefix("OnCalendar="));
    let next = run("systemd-analyze", "systemd", &["calendar", calendar.unwrap()]);
    assert!(
        next.contains("22:00:00 UTC"),
        "5 in the morning in Vietnam: {next}"
    );
}
