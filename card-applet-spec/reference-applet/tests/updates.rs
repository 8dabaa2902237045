//! SPEC 6.6 and 13.6: an update is loaded beside the content in force, and counts only once an issuer script says so.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::certificate::TrustAnchor;
use card_spec::command::{CardStatus, GeneratedKeys, LifeCycle};
use card_spec::crypto::{SecretKey, Signature};
use card_spec::cso::CardSecurityObject;
use card_spec::groups::ProgrammeStatus;
use card_spec::payment::{Receipt, ReceiptKind};
use card_spec::script::Action;
use card_spec::signed::Signed;
use common::issuer::{
    CertificatePlan, IssuerHost, Objects, Office, Plan, active_card, cso, encoded, objects, plan, programme,
    reference, secret, signed,
};
use common::scripts::{EXECUTE, from_issuer, script};
use common::terminal::{Terminal, receipt};
use common::{Card, Cut, Failure, Outcome, blank_card, cut_at, date, set_life_cycle};

/// The content that replaces the plan's: another programme, a portrait, a new address.
fn updated_plan() -> Plan {
    Plan {
        programmes: vec![
            (programme(b"NCC1"), ProgrammeStatus::Active),
            (programme(b"DXUA"), ProgrammeStatus::Active),
        ],
        portrait: Some(vec![0xFF; 700]),
        ..plan()
    }
}

/// The card's keys, as its CSO names them.
fn keys_of(card: &mut Card) -> GeneratedKeys {
    let session = Terminal::new(&Office::new()).open(card).unwrap();
    GeneratedKeys {
        agreement_key: session.cso.agreement_key,
        signing_key: session.cso.signing_key,
        signature: Signature([0; 64]),
        confirmation: [0; 16],
    }
}

/// A complete update of version 2.
fn update(card: &mut Card) -> Objects {
    let office = Office::new();
    let keys = keys_of(card);
    let mut objects = objects(&office, &updated_plan(), &keys);
    let body = CardSecurityObject {
        version: 2,
        ..cso(&updated_plan(), objects.digests(), &keys)
    };
    objects.cso = signed(&body, &office.issuer);
    objects
}

fn hash_of(objects: &Objects) -> [u8; 32] {
    Signed::<CardSecurityObject>::parse(&objects.cso).unwrap().hash()
}

fn load(card: &mut Card, objects: &Objects) -> Outcome<()> {
    IssuerHost::open(card)?.store(card, &objects.concatenated(), 223)
}

/// Status word and data of the script that puts this CSO in force.
fn put_in_force(card: &mut Card, cso_hash: [u8; 32]) -> Outcome<(u16, Vec<u8>)> {
    let counter = card_status(card).counter;
    execute(card, &from_issuer(&script(counter, Action::PutInForce(cso_hash))))
}

fn execute(card: &mut Card, script: &[u8]) -> Outcome<(u16, Vec<u8>)> {
    let mut host = IssuerHost::open(card)?;
    let (status, _, data) = host.secure.send(card, EXECUTE, script)?;
    Ok((status.0, data))
}

fn card_status(card: &mut Card) -> CardStatus {
    IssuerHost::open(card).unwrap().card_status(card).unwrap()
}

fn is_loaded(card: &mut Card) -> bool {
    card_status(card).flags & CardStatus::UPDATE_LOADED != 0
}

/// Pays a month of sudden relief, for which every content is good.
fn pays(card: &mut Card, month: u8) -> Receipt {
    let mut session = Terminal::new(&Office::new()).open(card).unwrap();
    assert_eq!(session.verify(card, &plan().pin, 1, 1_000), 0x9000);
    let right = session.order((2026, month), 1_000, month);
    let order = card_spec::payment::Order {
        line_key: common::terminal::line(plan().person, b"DXUA", 1, (2026, month)),
        ..right
    };
    let (status, object) = session.disburse(card, &order).unwrap();
    assert_eq!(status, 0x9000);
    receipt(&session.cso, &object).0
}

fn ready() -> Card {
    active_card(&Office::new(), &plan())
}

#[test]
fn an_update_counts_from_the_script_on() {
    let mut card = ready();
    let first = pays(&mut card, 9);
    let before = card_status(&mut card);
    let update = update(&mut card);
    load(&mut card, &update).unwrap();
    let loaded = card_status(&mut card);
    assert_eq!(loaded.flags, before.flags | CardStatus::UPDATE_LOADED);
    assert_eq!((loaded.cso_hash, loaded.head), (before.cso_hash, before.head));
    let second = pays(&mut card, 10);
    assert_eq!((first.cso_version, second.cso_version), (1, 1));

    let (status, object) = put_in_force(&mut card, hash_of(&update)).unwrap();
    assert_eq!(status, 0x9000);
    let session = Terminal::new(&Office::new()).open(&mut card).unwrap();
    let (script, hash) = receipt(&session.cso, &object);
    assert_eq!(
        (script.counter, script.cso_version, script.kind),
        (3, 2, ReceiptKind::IssuerScript)
    );
    let after = card_status(&mut card);
    assert_eq!((after.cso_hash, after.head), (Some(hash_of(&update)), Some(hash)));
    assert_eq!((after.flags, after.counter), (before.flags, 3));
    // What was paid stays paid, what is paid names the new version.
    let third = pays(&mut card, 11);
    assert_eq!((third.counter, third.cso_version), (4, 2));
    let mut session = Terminal::new(&Office::new()).open(&mut card).unwrap();
    session.verify(&mut card, &plan().pin, 1, 1_000);
    let again = card_spec::payment::Order {
        line_key: common::terminal::line(plan().person, b"DXUA", 1, (2026, 9)),
        ..session.order((2026, 9), 1_000, 77)
    };
    assert_eq!(session.disburse(&mut card, &again).unwrap().0, 0x6340);
}

#[test]
fn a_portrait_comes_back_as_it_was_loaded() {
    let mut card = ready();
    let office = Office::new();
    let plan = Plan {
        portrait: Some((0..6_000u16).map(|n| n.to_be_bytes()[1]).collect()),
        ..plan()
    };
    let keys = keys_of(&mut card);
    let mut update = objects(&office, &plan, &keys);
    let body = CardSecurityObject {
        version: 2,
        ..cso(&plan, update.digests(), &keys)
    };
    update.cso = signed(&body, &office.issuer);
    load(&mut card, &update).unwrap();
    let mut session = Terminal::new(&Office::new()).open(&mut card).unwrap();
    assert_eq!(
        session.secure.status(&mut card, [0x80, 0xB0, 0x82, 0x00], &[]),
        0x6A82
    );
    assert_eq!(put_in_force(&mut card, hash_of(&update)).unwrap().0, 0x9000);
    let mut session = Terminal::new(&Office::new()).open(&mut card).unwrap();
    let mut read = session
        .secure
        .done(&mut card, [0x80, 0xB0, 0x82, 0x00], &[])
        .unwrap();
    while read.len() < update.groups[1].len() {
        let [high, low] = u16::try_from(read.len()).unwrap().to_be_bytes();
        read.extend(
            session
                .secure
                .done(&mut card, [0x80, 0xB0, high, low], &[])
                .unwrap(),
        );
    }
    assert_eq!(read, update.groups[1]);
}

/// The banks take turns, and the old content is never taken for an update.
#[test]
fn one_update_after_the_other() {
    let mut card = ready();
    let office = Office::new();
    let keys = keys_of(&mut card);
    let first = hash_of(&objects(&office, &plan(), &keys));
    for version in 2..7 {
        let mut next = objects(&office, &updated_plan(), &keys);
        let body = CardSecurityObject {
            version,
            ..cso(&updated_plan(), next.digests(), &keys)
        };
        next.cso = signed(&body, &office.issuer);
        load(&mut card, &next).unwrap();
        assert!(is_loaded(&mut card));
        let mut other = hash_of(&next);
        other[0] ^= 0x01;
        assert_eq!(put_in_force(&mut card, other).unwrap().0, 0x634E);
        assert_eq!(put_in_force(&mut card, hash_of(&next)).unwrap().0, 0x9000);
        assert!(!is_loaded(&mut card), "version {version}");
        for old in [first, hash_of(&next)] {
            assert_eq!(
                put_in_force(&mut card, old).unwrap().0,
                0x634E,
                "version {version}"
            );
        }
        assert_eq!(
            pays(&mut card, u8::try_from(version).unwrap()).cso_version,
            version
        );
    }
}

/// Loads what `change` made of a right update: it is not put in force, and a right one is afterwards.
fn is_not_put_in_force(name: &str, change: impl FnOnce(&mut Objects, &GeneratedKeys)) {
    let mut card = ready();
    let keys = keys_of(&mut card);
    let right = update(&mut card);
    let mut wrong = right.clone();
    change(&mut wrong, &keys);
    assert!(
        wrong.concatenated() != right.concatenated(),
        "{name}: nothing changed"
    );
    load(&mut card, &wrong).unwrap();
    let before = card.memory().slots.clone();
    assert_eq!(
        put_in_force(&mut card, hash_of(&wrong)),
        Ok((0x634E, Vec::new())),
        "{name}"
    );
    assert!(card.memory().slots == before, "{name}: a refusal wrote");
    load(&mut card, &right).unwrap();
    assert_eq!(
        put_in_force(&mut card, hash_of(&right)).unwrap().0,
        0x9000,
        "{name}"
    );
}

/// The same with the CSO changed and signed again by the issuer.
fn cso_is_not_put_in_force(name: &str, change: impl FnOnce(&mut CardSecurityObject)) {
    is_not_put_in_force(name, |objects, keys| {
        let mut body = cso(&updated_plan(), objects.digests(), keys);
        body.version = 2;
        change(&mut body);
        objects.cso = signed(&body, &Office::new().issuer);
    });
}

#[test]
fn an_update_is_of_this_card_and_later() {
    cso_is_not_put_in_force("the same version", |body| body.version = 1);
    cso_is_not_put_in_force("an earlier version", |body| body.version = 0);
    cso_is_not_put_in_force("card number", |body| {
        body.card_number = card_spec::values::CardNumber::new(79, 2).unwrap();
    });
    cso_is_not_put_in_force("person", |body| body.person = [0xAA; 16]);
    cso_is_not_put_in_force("agreement key", |body| {
        body.agreement_key = secret(77).public_key()
    });
    cso_is_not_put_in_force("signing key", |body| body.signing_key = secret(77).public_key());
    cso_is_not_put_in_force("issuer", |body| body.issuer = reference("VNISS8000001"));
}

#[test]
fn an_update_fulfils_the_conditions_of_activate() {
    is_not_put_in_force("signature", |objects, _| *objects.cso.last_mut().unwrap() ^= 0x01);
    cso_is_not_put_in_force("a digest", |body| body.digests.issuance[0] ^= 1);
    cso_is_not_put_in_force("the portrait's digest", |body| {
        body.digests.portrait = Some([0; 32])
    });
    cso_is_not_put_in_force("a portrait left over", |body| body.digests.portrait = None);
    is_not_put_in_force("a portrait missing", |objects, _| drop(objects.groups.remove(1)));
    is_not_put_in_force("no sudden relief", |objects, keys| {
        let plan = Plan {
            programmes: vec![(programme(b"BTXH"), ProgrammeStatus::Active)],
            ..plan()
        };
        objects.groups = common::issuer::groups(&plan);
        let body = CardSecurityObject {
            version: 2,
            ..cso(&plan, objects.digests(), keys)
        };
        objects.cso = signed(&body, &Office::new().issuer);
    });
}

/// Issuer and CSO under a root and with a name of the test's choosing, everything signed as it should be.
fn with_issuer(objects: &mut Objects, keys: &GeneratedKeys, plan: &CertificatePlan, root: &SecretKey) {
    let issuer = secret(21);
    objects.issuer = plan.sign(root, issuer.public_key());
    let mut body = cso(&updated_plan(), objects.digests(), keys);
    body.version = 2;
    body.issuer = reference(plan.holder);
    objects.cso = signed(&body, &issuer);
}

#[test]
fn an_update_comes_from_the_cards_issuer_under_a_root_that_it_trusts() {
    let office = Office::new();
    let named = |holder| CertificatePlan {
        holder,
        ..Office::new().issuer_plan()
    };
    for holder in ["VNISS8000001", "VNISS8000002", "VNISS7900000"] {
        is_not_put_in_force(holder, |objects, keys| {
            with_issuer(objects, keys, &named(holder), &office.root)
        });
    }
    is_not_put_in_force("a root of somebody's own", |objects, keys| {
        let anchor = TrustAnchor {
            key: secret(66).public_key(),
            ..office.trust_anchor()
        };
        objects.anchor = encoded(&anchor, TrustAnchor::TAG);
        with_issuer(objects, keys, &office.issuer_plan(), &secret(66));
    });
    is_not_put_in_force("other dates of the root", |objects, keys| {
        let anchor = TrustAnchor {
            expiry: date(2060, 12, 31),
            ..office.trust_anchor()
        };
        objects.anchor = encoded(&anchor, TrustAnchor::TAG);
        with_issuer(objects, keys, &office.issuer_plan(), &office.root);
    });
    // The issuer's next key signs an update, and the old one no more.
    let mut card = ready();
    let keys = keys_of(&mut card);
    let mut next = update(&mut card);
    with_issuer(&mut next, &keys, &named("VNISS7900002"), &office.root);
    load(&mut card, &next).unwrap();
    assert_eq!(put_in_force(&mut card, hash_of(&next)).unwrap().0, 0x9000);
    assert_eq!(put_in_force(&mut card, [0; 32]).unwrap().0, 0x6A88);
}

#[test]
fn nothing_loaded_or_not_completely_is_nothing_to_put_in_force() {
    let mut card = ready();
    let right = update(&mut card);
    assert_eq!(put_in_force(&mut card, hash_of(&right)).unwrap().0, 0x634E);
    load(&mut card, &right).unwrap();
    let mut host = IssuerHost::open(&mut card).unwrap();
    let whole = right.concatenated();
    host.secure
        .done(&mut card, [0x80, 0xE2, 0x00, 0x00], &whole[..223])
        .unwrap();
    assert!(!is_loaded(&mut card), "loading anew discards what was loaded");
    assert_eq!(put_in_force(&mut card, hash_of(&right)).unwrap().0, 0x634E);
    pays(&mut card, 11);
    for state in [LifeCycle::Blocked, LifeCycle::Terminated] {
        let mut card = ready();
        set_life_cycle(&mut card, state);
        let mut host = IssuerHost::open(&mut card).unwrap();
        let refused = host
            .secure
            .status(&mut card, [0x80, 0xE2, 0x00, 0x00], &whole[..223]);
        assert_eq!(refused, 0x6985);
    }
}

/// The power goes at every write of loading and of the script. The card is the old one or the new one, whole.
#[test]
fn an_update_survives_every_cut() {
    let mut base = ready();
    pays(&mut base, 9);
    let right = update(&mut base);
    let (old, new) = (card_status(&mut base).cso_hash, Some(hash_of(&right)));
    let script = from_issuer(&script(1, Action::PutInForce(hash_of(&right))));
    let flow = |card: &mut Card| -> Outcome<u16> {
        load(card, &right)?;
        execute(card, &script).map(|(status, _)| status)
    };
    let slots = base.memory().slots.clone();
    let mut writes = 0;
    for write in 0.. {
        for side in [Cut::Before, Cut::After] {
            let mut card = blank_card();
            card.memory_mut().slots.clone_from(&slots);
            cut_at(&mut card, Some((write, side)));
            let outcome = flow(&mut card);
            if card.memory().writes <= write {
                assert_eq!(outcome, Ok(0x9000));
                writes = write;
                break;
            }
            assert_eq!(outcome, Err(Failure::Gone), "write {write}, {side:?}");
            cut_at(&mut card, None);
            card.reset();
            let status = card_status(&mut card);
            assert!(
                status.cso_hash == old || status.cso_hash == new,
                "write {write}, {side:?}"
            );
            assert_eq!(status.counter, if status.cso_hash == new { 2 } else { 1 });
            let version = if status.cso_hash == new { 2 } else { 1 };
            // The script alone where the update is complete, the whole flow where it is not.
            if status.cso_hash == new || status.flags & CardStatus::UPDATE_LOADED != 0 {
                assert_eq!(execute(&mut card, &script).unwrap().0, 0x9000);
            } else {
                assert_eq!(execute(&mut card, &script).unwrap().0, 0x634E);
                assert_eq!(
                    flow(&mut card),
                    Ok(0x9000),
                    "write {write}, {side:?} on version {version}"
                );
            }
            assert_eq!(card_status(&mut card).cso_hash, new);
            let paid = pays(&mut card, 10);
            assert_eq!((paid.counter, paid.cso_version), (3, 2));
        }
        if writes > 0 {
            break;
        }
    }
    println!("update: {writes} writes, {} cuts", writes * 2);
    assert!(writes > 20, "only {writes} writes were cut");
}
