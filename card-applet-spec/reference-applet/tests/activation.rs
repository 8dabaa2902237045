//! SPEC 6.9: what ACTIVATE will not let through.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::certificate::{Authorization, AuthorizationBits, Flags, Role, TrustAnchor};
use card_spec::command::{GeneratedKeys, LifeCycle};
use card_spec::cso::{CardSecurityObject, GroupDigests};
use card_spec::groups::ProgrammeStatus;
use card_spec::values::Programme;
use common::issuer::{
    IssuerHost, Objects, Office, Plan, card_with_keys, cso, encoded, objects, plan, reference, secret, signed,
};
use common::{Card, blank_card, date};

/// Loads what `change` made of the right objects; ACTIVATE refuses it, and activates the right ones afterwards.
fn does_not_activate(name: &str, change: impl FnOnce(&Office, &GeneratedKeys, &mut Objects)) {
    let office = Office::new();
    let (mut card, mut host, keys) = card_with_keys();
    host.set_pin(&mut card, &plan().pin).unwrap();
    let right = objects(&office, &plan(), &keys);
    let mut changed = right.clone();
    change(&office, &keys, &mut changed);
    assert!(
        changed.concatenated() != right.concatenated(),
        "{name}: nothing changed"
    );
    host.store(&mut card, &changed.concatenated(), 223).unwrap();
    assert_eq!(
        host.secure.status(&mut card, [0x80, 0x44, 0x00, 0x00], &[]),
        0x6985,
        "{name}"
    );
    assert_eq!(
        host.card_status(&mut card).unwrap().life_cycle,
        LifeCycle::Personalizing,
        "{name}"
    );
    host.store(&mut card, &right.concatenated(), 223).unwrap();
    host.activate(&mut card).unwrap();
}

/// The same with the CSO changed and signed again by the issuer.
fn cso_does_not_activate(name: &str, change: impl FnOnce(&mut CardSecurityObject)) {
    does_not_activate(name, |office, keys, objects| {
        let mut body = cso(&plan(), objects.digests(), keys);
        change(&mut body);
        objects.cso = signed(&body, &office.issuer);
    });
}

#[test]
fn activate_checks_the_chain() {
    does_not_activate("root key", |_, _, objects| {
        let anchor = TrustAnchor {
            key: secret(77).public_key(),
            ..Office::new().trust_anchor()
        };
        objects.anchor = encoded(&anchor, TrustAnchor::TAG);
    });
    does_not_activate("root role", |office, _, objects| {
        let bits = AuthorizationBits(Authorization {
            role: Role::Issuer,
            flags: Flags::Test,
        });
        let anchor = TrustAnchor {
            authorization: bits,
            ..office.trust_anchor()
        };
        objects.anchor = encoded(&anchor, TrustAnchor::TAG);
    });
    does_not_activate("a test issuer under a production root", |office, _, objects| {
        let bits = AuthorizationBits(Authorization {
            role: Role::Root,
            flags: Flags::Production,
        });
        let anchor = TrustAnchor {
            authorization: bits,
            ..office.trust_anchor()
        };
        objects.anchor = encoded(&anchor, TrustAnchor::TAG);
    });
    does_not_activate("issuer signed by itself", |office, _, objects| {
        objects.issuer = office
            .issuer_plan()
            .sign(&office.issuer, office.issuer.public_key());
    });
    does_not_activate("issuer's key", |office, _, objects| {
        objects.issuer = office.issuer_plan().sign(&office.root, secret(77).public_key());
    });
    does_not_activate("issuer's role", |office, _, objects| {
        objects.issuer = office
            .terminal_ca_plan()
            .sign(&office.root, office.issuer.public_key());
    });
    does_not_activate("issuer's name", |office, _, objects| {
        let plan = common::issuer::CertificatePlan {
            holder: "VNISS8000001",
            ..office.issuer_plan()
        };
        objects.issuer = plan.sign(&office.root, office.issuer.public_key());
    });
    does_not_activate("issuer beyond the root's dates", |office, _, objects| {
        let dates = (date(2026, 1, 1), date(2057, 1, 1));
        let plan = common::issuer::CertificatePlan {
            dates,
            ..office.issuer_plan()
        };
        objects.issuer = plan.sign(&office.root, office.issuer.public_key());
    });
}

#[test]
fn activate_checks_the_security_object() {
    does_not_activate("signature", |_, _, objects| {
        *objects.cso.last_mut().unwrap() ^= 0x01;
    });
    does_not_activate("signer", |_, keys, objects| {
        objects.cso = signed(&cso(&plan(), objects.digests(), keys), &secret(77));
    });
    does_not_activate("a byte of the body", |_, _, objects| {
        let person = objects
            .cso
            .windows(16)
            .position(|bytes| bytes == [0xBE; 16])
            .unwrap();
        objects.cso[person] ^= 0x01;
    });
    cso_does_not_activate("issuer named", |body| body.issuer = reference("VNISS8000001"));
    cso_does_not_activate("agreement key", |body| {
        body.agreement_key = secret(77).public_key()
    });
    cso_does_not_activate("signing key", |body| body.signing_key = secret(77).public_key());
    cso_does_not_activate("keys exchanged", |body| {
        (body.agreement_key, body.signing_key) = (body.signing_key, body.agreement_key);
    });
}

#[test]
fn activate_checks_every_digest() {
    type Change = fn(&mut GroupDigests);
    let changes: [(&str, Change); 8] = [
        ("trust anchor", |digests| digests.trust_anchor[0] ^= 1),
        ("a portrait that is not there", |digests| {
            digests.portrait = Some([0; 32])
        }),
        ("an empty portrait", |digests| {
            digests.portrait = Some(card_spec::crypto::sha256(&[]))
        }),
        ("holder", |digests| digests.holder[0] ^= 1),
        ("programmes", |digests| digests.programmes[0] ^= 1),
        ("linked numbers", |digests| digests.linked_numbers[0] ^= 1),
        ("representatives", |digests| digests.representatives[0] ^= 1),
        ("issuance", |digests| digests.issuance[31] ^= 1),
    ];
    for (name, change) in changes {
        cso_does_not_activate(name, |body| change(&mut body.digests));
    }
    for group in 0..5 {
        does_not_activate("a salt", |_, _, objects| objects.groups[group][7] ^= 0x01);
    }
}

/// Loads a group 2 of the test's choosing, its digest in the CSO.
fn portrait_does_not_activate(name: &str, portrait: &[u8]) {
    does_not_activate(name, |office, keys, objects| {
        objects.groups.insert(1, portrait.to_vec());
        objects.cso = signed(&cso(&plan(), objects.digests(), keys), &office.issuer);
    });
}

/// `FF32 { 80 salt, tag image }`, by hand: what no encoder of ours makes.
fn portrait(salt: usize, tag: [u8; 2], image: usize) -> Vec<u8> {
    let [high, low] = u16::try_from(image).unwrap().to_be_bytes();
    let head = [&[0x80, u8::try_from(salt).unwrap()][..], &vec![0x5A; salt]].concat();
    let body = [&head[..], &tag, &[0x82, high, low], &vec![0xFF; image]].concat();
    let [high, low] = u16::try_from(body.len()).unwrap().to_be_bytes();
    let header: &[u8] = match high {
        0 => &[0xFF, 0x32, 0x81, low],
        _ => &[0xFF, 0x32, 0x82, high, low],
    };
    [header, &body].concat()
}

#[test]
fn activate_checks_the_form_of_a_portrait() {
    const IMAGE: [u8; 2] = [0x5F, 0x40];
    let largest = portrait(16, IMAGE, 6_000);
    portrait_does_not_activate("6,001 bytes", &portrait(16, IMAGE, 6_001));
    portrait_does_not_activate("a salt of 15 bytes", &portrait(15, IMAGE, 300));
    portrait_does_not_activate("a salt of 17 bytes", &portrait(17, IMAGE, 300));
    portrait_does_not_activate("another tag", &portrait(16, [0x5F, 0x41], 300));
    portrait_does_not_activate("a length that is not minimal", &portrait(16, IMAGE, 200));
    portrait_does_not_activate(
        "no image",
        &largest[..5]
            .iter()
            .chain(&[0x5A; 6_023])
            .copied()
            .collect::<Vec<_>>(),
    );
    portrait_does_not_activate(
        "a salt alone",
        &[&[0xFF, 0x32, 0x12, 0x80, 0x10][..], &[0x5A; 16]].concat(),
    );
    portrait_does_not_activate("nothing", &[0xFF, 0x32, 0x00]);
    // A tag or a length after the other, outside and inside.
    for place in [5, 6, 23, 24, 25, 26, 27] {
        let mut wrong = portrait(16, IMAGE, 300);
        wrong[place] ^= 0x01;
        portrait_does_not_activate(&format!("byte {place}"), &wrong);
    }
    // One byte behind the image.
    let mut longer = portrait(16, IMAGE, 300);
    longer.push(0x00);
    longer[4] += 1;
    portrait_does_not_activate("a byte left over", &longer);

    let office = Office::new();
    let (mut card, mut host, keys) = card_with_keys();
    host.set_pin(&mut card, &plan().pin).unwrap();
    let mut right = objects(&office, &plan(), &keys);
    right.groups.insert(1, largest);
    right.cso = signed(&cso(&plan(), right.digests(), &keys), &office.issuer);
    host.store(&mut card, &right.concatenated(), 223).unwrap();
    host.activate(&mut card).unwrap();
}

#[test]
fn activate_checks_that_groups_make_sense() {
    // Each group is altered and the CSO signed over what it became, so that only its meaning is wrong.
    let broken: [(&str, usize, &[u8], &[u8]); 7] = [
        ("province", 0, b"\x83\x0279", b"\x83\x027:"),
        ("commune", 0, b"\x84\x0526734", b"\x84\x05\x00\x02\x06\x07\x04"),
        ("relation", 3, b"\x81\x0202", b"\x81\x02\x00\x02"),
        ("sex", 0, &[0x5F, 0x35, 0x01, 0x32], &[0x5F, 0x35, 0x01, 0x34]),
        ("tag", 2, &[0x81, 0x0A], &[0x84, 0x0A]),
        ("relation's tag", 3, &[0x81, 0x02], &[0x89, 0x02]),
        ("date of issue", 4, &[2, 6, 1, 1, 0, 1], &[2, 6, 1, 3, 0, 1]),
    ];
    for (name, group, old, new) in broken {
        does_not_activate(name, |office, keys, objects| {
            let bytes = &mut objects.groups[group];
            let at = bytes.windows(old.len()).position(|window| window == old).unwrap();
            bytes[at..at + new.len()].copy_from_slice(new);
            objects.cso = signed(&cso(&plan(), objects.digests(), keys), &office.issuer);
        });
    }
    does_not_activate("no sudden relief", |office, keys, objects| {
        let programmes = vec![(Programme::from_bytes(*b"BTXH").unwrap(), ProgrammeStatus::Active)];
        objects.groups = common::issuer::groups(&Plan { programmes, ..plan() });
        objects.cso = signed(&cso(&plan(), objects.digests(), keys), &office.issuer);
    });
}

#[test]
fn activate_needs_keys_data_and_pin() {
    let office = Office::new();
    let mut card = blank_card();
    let mut host = IssuerHost::open(&mut card).unwrap();
    host.put_key(&mut card).unwrap();
    let refused = |host: &mut IssuerHost, card: &mut Card| {
        assert_eq!(host.secure.status(card, [0x80, 0x44, 0x00, 0x00], &[]), 0x6985);
    };
    refused(&mut host, &mut card);
    let keys = host.key_pairs(&mut card, 0, plan().number).unwrap();
    refused(&mut host, &mut card);
    host.store(&mut card, &objects(&office, &plan(), &keys).concatenated(), 223)
        .unwrap();
    refused(&mut host, &mut card);
    host.set_pin(&mut card, &plan().pin).unwrap();
    host.activate(&mut card).unwrap();
    // Its confirmation may have been lost.
    host.activate(&mut card).unwrap();
}
