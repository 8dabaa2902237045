//! Which issuer certificates a terminal is sent (DATA 8.5).
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use ansinh_payout::{TERMINAL_ISSUERS, issuer_certificates};
use ansinh_store::Store;
use card_spec::certificate::{Authorization, Certificate, CertificateKey, Flags, Reference, Role};
use card_spec::signed::Signed;
use card_spec::values::{Constant, Date};
use common::{date, key, location, signed};

const TODAY: (u16, u8, u8) = (2026, 11, 22);

fn reference(text: &str) -> Reference {
    Reference::new(text).unwrap()
}

fn add(store: &Store, holder: &str, role: Role, effective: Date, expiry: Date) {
    let body = Certificate {
        profile: Constant,
        authority: reference("VNROOT00001"),
        public_key: CertificateKey {
            key: key(2).public_key(),
            with_domain_parameters: false,
        },
        holder: reference(holder),
        authorization: Authorization {
            role,
            flags: Flags::Test,
        },
        effective,
        expiry,
    };
    store
        .add_certificate(holder, "VNROOT00001", &signed(&body, &key(1)))
        .unwrap();
}

/// The names of what a terminal is sent, in order.
fn sent(store: &Store, issuer: &str) -> Vec<String> {
    let (year, month, day) = TODAY;
    let found = issuer_certificates(store, reference(issuer), date(year, month, day)).unwrap();
    let holder = |object: &Vec<u8>| Signed::<Certificate>::parse(object).unwrap().claimed().holder;
    found.iter().map(|object| holder(object).to_string()).collect()
}

#[test]
fn all_valid_keys_of_the_issuer_and_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(location(folder.path())).unwrap();
    let (first, last) = (date(2026, 1, 1), date(2046, 1, 1));
    add(&store, "VNISS7900001", Role::Issuer, first, date(2026, 11, 21));
    add(&store, "VNISS7900002", Role::Issuer, first, date(2026, 11, 22));
    add(&store, "VNISS7900003", Role::Issuer, date(2026, 11, 22), last);
    add(&store, "VNISS7900004", Role::Issuer, date(2026, 11, 23), last);
    add(&store, "VNISS0100001", Role::Issuer, first, last);
    add(&store, "VNTCA00001", Role::TerminalAuthority, first, last);
    // Of the issuer's mnemonic, and no issuer.
    add(&store, "VNISS7900009", Role::TerminalAuthority, first, last);
    for present in ["VNISS7900002", "VNISS7900003"] {
        assert_eq!(sent(&store, present), ["VNISS7900003", "VNISS7900002"]);
    }
    assert_eq!(sent(&store, "VNISS0100001"), ["VNISS0100001"]);
    assert!(sent(&store, "VNISS3100001").is_empty());
}

#[test]
fn the_newest_if_there_are_more_than_a_terminal_holds() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(location(folder.path())).unwrap();
    for number in 1..=TERMINAL_ISSUERS + 2 {
        let holder = format!("VNISS79{number:05}");
        add(&store, &holder, Role::Issuer, date(2026, 1, 1), date(2046, 1, 1));
    }
    let newest = ["VNISS7900006", "VNISS7900005", "VNISS7900004", "VNISS7900003"];
    assert_eq!(sent(&store, "VNISS7900006"), newest);
}
