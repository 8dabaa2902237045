//! Packages: what is not exactly what a trusted key signed is refused and named; what is older is refused; a crash changes nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use ansinh_reference::{
    MANIFEST_FILE, Manifest, Offer, Origin, Package, PackageError, Reference, SIGNATURE_FILE, Verified,
    offer, public_key_from_pem, sign,
};
use common::{Draft, data, key, trusted};
use jiff::civil::date;
use p256::pkcs8::{EncodePublicKey as _, LineEnding};

/// Whether a package was installed; it was not if it was in force already.
fn install(folder: &Path, package: &Verified) -> Result<bool, PackageError> {
    match offer(folder, package, &trusted())? {
        Offer::AlreadyInForce => Ok(false),
        Offer::Newer(newer) => newer.install().map(|()| true),
    }
}

fn manifest() -> Manifest {
    Package::built_in().unwrap().manifest().clone()
}

#[test]
fn a_signed_package_verifies_and_gives_its_data() {
    let draft = Draft::signed(2);
    assert_eq!(draft.verify().unwrap().manifest().version, 2);
    assert!(draft.reference().is_province("79", date(2026, 11, 22)));
}

#[test]
fn one_changed_byte_in_any_file_is_named() {
    for file in manifest().files {
        let draft = Draft::signed(2);
        let mut bytes = fs::read(draft.file(&file.name)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(draft.file(&file.name), bytes).unwrap();
        match draft.verify() {
            Err(PackageError::Changed { file: named, .. }) => assert_eq!(named, file.name),
            other => panic!("{}: {:?}", file.name, other.err()),
        }
    }
}

#[test]
fn every_changed_byte_of_manifest_or_signature_is_refused() {
    let draft = Draft::signed(2);
    let signature = fs::read(draft.file(SIGNATURE_FILE)).unwrap();
    for place in 0..signature.len() {
        let mut changed = signature.clone();
        changed[place] ^= 1;
        fs::write(draft.file(SIGNATURE_FILE), changed).unwrap();
        assert!(
            matches!(draft.verify(), Err(PackageError::WrongSignature)),
            "byte {place}"
        );
    }
    for wrong in [
        &signature[..signature.len() - 1],
        &[],
        &[signature.as_slice(), &[0]].concat(),
    ] {
        fs::write(draft.file(SIGNATURE_FILE), wrong).unwrap();
        assert!(matches!(draft.verify(), Err(PackageError::WrongSignature)));
    }
    fs::write(draft.file(SIGNATURE_FILE), &signature).unwrap();
    let manifest = fs::read(draft.file(MANIFEST_FILE)).unwrap();
    for place in (0..manifest.len()).step_by(97) {
        let mut changed = manifest.clone();
        changed[place] ^= 1;
        fs::write(draft.file(MANIFEST_FILE), changed).unwrap();
        assert!(
            matches!(draft.verify(), Err(PackageError::WrongSignature)),
            "byte {place}"
        );
    }
}

#[test]
fn only_trusted_keys_count() {
    let draft = Draft::signed(2);
    let read = || Package::read(draft.path()).unwrap();
    let [root, other] = [key(1).public_key(), key(2).public_key()];
    assert!(matches!(
        read().verify(&[other]),
        Err(PackageError::WrongSignature)
    ));
    assert!(matches!(read().verify(&[]), Err(PackageError::WrongSignature)));
    assert!(read().verify(&[other, root]).is_ok());
    fs::remove_file(draft.file(SIGNATURE_FILE)).unwrap();
    assert!(matches!(draft.verify(), Err(PackageError::Unsigned)));
}

#[test]
fn missing_extra_and_linked_files_are_named() {
    let draft = Draft::signed(2);
    fs::remove_file(draft.file("standards.csv")).unwrap();
    assert!(matches!(draft.verify(), Err(PackageError::Missing(name)) if name == "standards.csv"));

    let draft = Draft::signed(2);
    fs::write(draft.file("standards-2.csv"), "code\n").unwrap();
    assert!(matches!(draft.verify(), Err(PackageError::Extra(name)) if name == "standards-2.csv"));

    let draft = Draft::signed(2);
    fs::create_dir(draft.file("more")).unwrap();
    assert!(matches!(draft.verify(), Err(PackageError::Extra(name)) if name == "more"));

    let draft = Draft::signed(2);
    fs::remove_file(draft.file("banks.csv")).unwrap();
    std::os::unix::fs::symlink(data().join("banks.csv"), draft.file("banks.csv")).unwrap();
    assert!(matches!(draft.verify(), Err(PackageError::Extra(name)) if name == "banks.csv"));
}

#[test]
fn openssl_accepts_the_signature() {
    let draft = Draft::signed(2);
    let public = p256::PublicKey::from_sec1_bytes(key(1).public_key().as_bytes()).unwrap();
    let pem = public.to_public_key_pem(LineEnding::LF).unwrap();
    assert_eq!(public_key_from_pem(&pem).unwrap(), key(1).public_key());
    let keys = tempfile::tempdir().unwrap();
    fs::write(keys.path().join("key.pem"), pem).unwrap();
    let verify = || {
        Command::new("openssl")
            .args(["dgst", "-sha256", "-verify"])
            .arg(keys.path().join("key.pem"))
            .arg("-signature")
            .args([draft.file(SIGNATURE_FILE), draft.file(MANIFEST_FILE)])
            .output()
            .expect("openssl is missing: install the Debian package openssl")
    };
    assert_eq!(verify().stdout, b"Verified OK\n");
    draft.append(MANIFEST_FILE, " ");
    assert_ne!(verify().status.code(), Some(0));
}

#[test]
fn what_is_no_public_key_is_refused() {
    for text in ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
        assert!(matches!(public_key_from_pem(text), Err(PackageError::PublicKey)));
    }
}

#[test]
fn a_manifest_is_checked_before_it_is_signed() {
    let refused = |from: &str, to: &str| {
        let draft = Draft::unsigned(2);
        draft.edit(MANIFEST_FILE, |text| text.replacen(from, to, 1));
        match sign(draft.path(), &key(1)) {
            Err(PackageError::Manifest(_)) => assert!(!draft.file(SIGNATURE_FILE).exists()),
            other => panic!("{to}: {other:?}"),
        }
    };
    refused("\"format\": 1", "\"format\": 2");
    refused("\"version\": 2", "\"version\": 0");
    refused("\"version\": 2", "\"version\": 4294967296");
    refused("\"version\": 2", "\"version\": -1");
    refused("\"published\": \"20261122\"", "\"published\": \"20261322\"");
    refused("\"published\": \"20261122\"", "\"published\": \"2026112\"");
    refused("\"name\": \"banks.csv\"", "\"name\": \"../banks.csv\"");
    refused("\"name\": \"banks.csv\"", "\"name\": \"agencies.csv\"");
    refused("\"status\": \"project\"", "\"status\": \"guess\"");
    refused("\"note\"", "\"remark\"");
    refused("{", "[");
}

#[test]
fn a_list_too_few_or_too_many_does_not_suit_the_program() {
    let draft = Draft::unsigned(2);
    draft.edit(MANIFEST_FILE, |text| {
        text.replace("banks.csv", "banks-of-2027.csv")
    });
    fs::rename(draft.file("banks.csv"), draft.file("banks-of-2027.csv")).unwrap();
    assert!(
        matches!(sign(draft.path(), &key(1)), Err(PackageError::Unsuitable(text)) if text.contains("banks.csv"))
    );

    let draft = Draft::unsigned(2);
    draft.edit(MANIFEST_FILE, |text| {
        let extra = "\"files\": [ {\"name\": \"holidays.csv\", \"sha256\": \"\", \"title\": \"\", \"status\": \"station\", \"sources\": []},";
        text.replace("\"files\": [", extra)
    });
    fs::write(draft.file("holidays.csv"), "code\n").unwrap();
    assert!(
        matches!(sign(draft.path(), &key(1)), Err(PackageError::Unsuitable(text)) if text.contains("holidays"))
    );
}

#[test]
fn more_than_any_reference_data_is_not_read() {
    let draft = Draft::unsigned(2);
    let file = fs::OpenOptions::new()
        .write(true)
        .open(draft.file("banks.csv"))
        .unwrap();
    file.set_len((8 << 20) + 1).unwrap();
    assert!(matches!(
        Package::read(draft.path()),
        Err(PackageError::TooLarge(..))
    ));
}

#[test]
fn a_station_uses_the_newest_package() {
    let station = tempfile::tempdir().unwrap();
    let folder = station.path().join("reference");
    let load = || Reference::load_or(&folder, &trusted());
    let in_force = || {
        load()
            .map(|reference| (reference.manifest().version, reference.origin()))
            .unwrap()
    };
    assert_eq!(in_force(), (1, Origin::BuiltIn));
    let offer = |version| install(&folder, &Draft::signed(version).verify().unwrap());

    assert!(offer(3).unwrap());
    assert_eq!(in_force(), (3, Origin::Installed));
    assert!(matches!(
        offer(2),
        Err(PackageError::NotNewer {
            installed: 3,
            offered: 2
        })
    ));
    assert_eq!(in_force(), (3, Origin::Installed));
    assert!(offer(10).unwrap());
    assert_eq!(
        in_force(),
        (10, Origin::Installed),
        "10 is above 3 as a number, not as a name"
    );
}

#[test]
fn the_same_package_twice_changes_nothing_and_another_of_its_version_is_refused() {
    let station = tempfile::tempdir().unwrap();
    let draft = Draft::signed(2);
    let offer = || install(station.path(), &draft.verify().unwrap());
    assert!(offer().unwrap());
    assert!(!offer().unwrap());
    draft.edit("standards.csv", |text| text.replace("540000", "550000"));
    sign(draft.path(), &key(1)).unwrap();
    assert!(matches!(
        offer(),
        Err(PackageError::NotNewer {
            installed: 2,
            offered: 2
        })
    ));
}

#[test]
fn another_package_is_refused() {
    let station = tempfile::tempdir().unwrap();
    let draft = Draft::unsigned(2);
    draft.edit(MANIFEST_FILE, |text| {
        text.replace("ansinh-reference-vietnam", "another")
    });
    sign(draft.path(), &key(1)).unwrap();
    let refused = install(station.path(), &draft.verify().unwrap());
    assert!(matches!(refused, Err(PackageError::OtherPackage { offered, .. }) if offered == "another"));
    assert_eq!(fs::read_dir(station.path()).unwrap().count(), 0);
}

#[test]
fn a_damaged_installed_package_is_an_error_and_not_passed_over() {
    let station = tempfile::tempdir().unwrap();
    let load = || Reference::load_or(station.path(), &trusted());
    let offered = Draft::signed(2).verify().unwrap();
    install(station.path(), &offered).unwrap();
    let standards = station.path().join("v2").join("standards.csv");
    let good = fs::read(&standards).unwrap();
    fs::write(
        &standards,
        String::from_utf8(good.clone())
            .unwrap()
            .replace("540000", "999999"),
    )
    .unwrap();
    assert!(matches!(load(), Err(PackageError::Changed { file, .. }) if file == "standards.csv"));
    assert!(matches!(
        Reference::load_or(station.path(), &[key(2).public_key()]),
        Err(PackageError::WrongSignature)
    ));
    fs::write(&standards, good).unwrap();
    assert_eq!(load().unwrap().manifest().version, 2);
    fs::rename(station.path().join("v2"), station.path().join("v7")).unwrap();
    assert!(
        matches!(load(), Err(PackageError::Manifest(_))),
        "an old package under a high number"
    );
}

#[test]
fn a_draft_that_a_crash_left_is_not_in_force() {
    let station = tempfile::tempdir().unwrap();
    fs::create_dir(station.path().join(".incoming-abc")).unwrap();
    fs::write(station.path().join(".incoming-abc").join("banks.csv"), "half").unwrap();
    let reference = Reference::load_or(station.path(), &trusted()).unwrap();
    assert_eq!(reference.origin(), Origin::BuiltIn);
    let offered = Draft::signed(2).verify().unwrap();
    assert!(install(station.path(), &offered).unwrap());
}

#[test]
fn the_built_in_package_wins_over_an_older_installed_one() {
    let station = tempfile::tempdir().unwrap();
    fs::create_dir(station.path().join("v1")).unwrap();
    let reference = Reference::load_or(station.path(), &trusted()).unwrap();
    assert_eq!(
        (reference.manifest().version, reference.origin()),
        (1, Origin::BuiltIn)
    );
}
