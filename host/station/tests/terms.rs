//! The terms of cards are data with days of effect: the built-in ones are the standard, a signed package sets others.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use ansinh_issuance::Terms;
use ansinh_reference::{Package, Reference, sign};
use ansinh_station::home::Station;
use ansinh_station::keyring::KeyPlaces;
use ansinh_station::reference::terms;
use anyhow::Result;
use card_spec::crypto::SecretKey;
use jiff::civil::{Date, date};

const DAY: Date = date(2026, 11, 22);

fn station(province: &str) -> Station {
    Station {
        province: province.to_owned(),
        agency: "H29".to_owned(),
        root: "VNROOT00001".to_owned(),
        issuer: "VNISS7900001".to_owned(),
        terminal_ca: "VNTCA00001".to_owned(),
        test: true,
        database: None,
        keys: KeyPlaces::default(),
    }
}

/// The built-in package with the rules of cards left out and these lines in their place.
fn with_rules(lines: &[&str]) -> Reference {
    let folder = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reference/data");
    for entry in fs::read_dir(data).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let rules = folder.path().join("rules.csv");
    let text = fs::read_to_string(&rules).unwrap();
    let kept = text.lines().filter(|line| !line.starts_with("ca"));
    let lines: Vec<_> = kept.chain(lines.iter().copied()).collect();
    fs::write(&rules, lines.join("\n") + "\n").unwrap();
    let key = SecretKey::from_bytes(&[1; 32]).unwrap();
    sign(folder.path(), &key).unwrap();
    let package = Package::read(folder.path()).unwrap();
    Reference::from_package(&package.verify(&[key.public_key()]).unwrap()).unwrap()
}

/// Years, and the caps of an order, a month and an order without PIN, in VND.
fn figures(terms: Result<Terms>) -> (u16, u64, u64, u64) {
    let Terms { years, caps, .. } = terms.unwrap();
    (
        years,
        caps.order.vnd(),
        caps.month.vnd(),
        caps.order_without_pin.vnd(),
    )
}

const STANDARD: (u16, u64, u64, u64) = (10, 30_000_000, 60_000_000, 5_000_000);

#[test]
fn what_is_built_in_are_the_standard_terms_and_so_is_what_a_package_leaves_out() {
    for reference in [Reference::load().unwrap(), with_rules(&[])] {
        let terms = terms(&station("79"), &reference, DAY);
        assert_eq!(terms.as_ref().unwrap().agency, "H29");
        assert_eq!(figures(terms), STANDARD);
    }
}

#[test]
fn a_rule_counts_from_its_day_and_a_provinces_own_before_the_countrys() {
    let reference = with_rules(&[
        "card-validity,a,a,,,10,years,20260101,20261130",
        "card-validity,a,a,,,5,years,20261201,",
        "cap-order-without-pin,a,a,,01,2000000,vnd,20260101,",
    ]);
    let on = |province, day| figures(terms(&station(province), &reference, day));
    assert_eq!(on("79", date(2026, 11, 30)), STANDARD);
    assert_eq!(
        on("79", date(2026, 12, 1)),
        (5, 30_000_000, 60_000_000, 5_000_000)
    );
    assert_eq!(
        on("01", date(2026, 12, 1)),
        (5, 30_000_000, 60_000_000, 2_000_000)
    );
}

#[test]
fn rules_that_contradict_themselves_make_no_card() {
    for rule in [
        "card-validity,a,a,,,10,months,20260101,",
        "cap-order,a,a,,,300,times,20260101,",
        "cap-order,a,a,,,60000001,vnd,20260101,",
        "cap-order,a,a,,,4999999,vnd,20260101,",
        "cap-month,a,a,,,29999999,vnd,20260101,",
        "cap-order-without-pin,a,a,,,30000001,vnd,20260101,",
    ] {
        assert!(
            terms(&station("79"), &with_rules(&[rule]), DAY).is_err(),
            "{rule}"
        );
    }
}
