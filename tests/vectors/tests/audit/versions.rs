//! Versions of one card (SPEC 13.6): which follow each other, and what is no version of it.

use ansinh_audit::Code;
use card_spec::crypto::sha256;
use card_spec::cso::CardSecurityObject;
use card_spec::signed::Signed;
use vectors::{Person, World, body, date, secret, sign};

use crate::world_gives;

/// A card's folder.
fn folder(world: &World, card: usize) -> String {
    format!("cards/{}", world.cards[card].number)
}

/// The next object in the issuer's sequence: the newest CSO of a card, changed and signed anew. It is not filed yet.
fn next(world: &mut World, card: usize, change: impl FnOnce(&mut CardSecurityObject)) -> Vec<u8> {
    let newest = &world.files[&format!("{}/cso.tlv", folder(world, card))];
    let mut cso = *Signed::<CardSecurityObject>::parse(newest).unwrap().claimed();
    cso.issuer_sequence = world.issuer_sequence + 1;
    cso.issuer_previous = world.issuer_previous;
    change(&mut cso);
    world.issuer_sequence += 1;
    world.issuer_previous = sha256(&[&body(&cso)]);
    sign(&cso, &world.issuer)
}

/// Files it as the newest version; the one before it goes into a folder of its own.
fn file(world: &mut World, card: usize, newest: Vec<u8>) {
    let folder = folder(world, card);
    let path = format!("{folder}/cso.tlv");
    let before = world.files[&path].clone();
    let version = Signed::<CardSecurityObject>::parse(&before)
        .unwrap()
        .claimed()
        .version;
    // What lies beside it is of the version before.
    world
        .files
        .retain(|path, _| !path.starts_with(&folder) || path.ends_with("cso.tlv"));
    world.files.insert(format!("{folder}/{version}/cso.tlv"), before);
    world.files.insert(path, newest);
}

fn update(world: &mut World, card: usize, version: u16) {
    let newest = next(world, card, |cso| cso.version = version);
    file(world, card, newest);
}

#[test]
fn a_card_with_three_versions_is_clean() {
    let report = world_gives(
        |world| {
            update(world, 0, 2);
            update(world, 0, 3);
        },
        &[],
    );
    assert_eq!(report.counts.cards, 5);
}

/// Numbers of versions need not be without a gap (SPEC 13.6: "higher"); what was signed shows in the issuer's sequence.
#[test]
fn a_version_that_was_never_signed_is_not_missed_and_one_that_was_is() {
    world_gives(|world| update(world, 0, 3), &[]);
    world_gives(
        |world| {
            update(world, 0, 2);
            update(world, 0, 3);
            let removed = format!("{}/2/cso.tlv", folder(world, 0));
            world.files.remove(&removed).unwrap();
        },
        &[Code::IssuerGap],
    );
}

#[test]
fn a_newest_version_that_was_removed_is_missed_once_anything_follows_it() {
    world_gives(
        |world| {
            let _removed = next(world, 0, |cso| cso.version = 2);
            world.issue_block_list(&[4]);
        },
        &[Code::IssuerGap],
    );
}

#[test]
fn versions_that_were_signed_in_the_other_order_are_found() {
    world_gives(
        |world| {
            update(world, 0, 3);
            let between = next(world, 0, |cso| cso.version = 2);
            let path = format!("{}/2/cso.tlv", folder(world, 0));
            world.files.insert(path, between);
        },
        &[Code::CardVersion],
    );
}

#[test]
fn two_versions_in_each_others_folders_are_found() {
    world_gives(
        |world| {
            update(world, 0, 2);
            update(world, 0, 3);
            let folder = folder(world, 0);
            let [first, second] = ["1", "2"].map(|version| format!("{folder}/{version}/cso.tlv"));
            let (one, two) = (world.files[&first].clone(), world.files[&second].clone());
            world.files.insert(first, two);
            world.files.insert(second, one);
        },
        &[Code::FileName],
    );
}

/// An update may begin on any day, and an issuer whose clock was wrong signs what he signs: the sequence tells the order.
#[test]
fn a_later_version_with_an_earlier_first_day_is_a_version() {
    world_gives(
        |world| {
            let earlier = next(world, 4, |cso| {
                (cso.version, cso.effective) = (2, date(2026, 11, 1))
            });
            file(world, 4, earlier);
        },
        &[],
    );
}

#[test]
fn a_version_whose_last_day_comes_before_its_first_is_found() {
    world_gives(
        |world| {
            let backwards = next(world, 4, |cso| {
                (cso.version, cso.expiry) = (2, date(2026, 10, 31))
            });
            file(world, 4, backwards);
        },
        &[Code::CsoDates],
    );
}

#[test]
fn one_version_with_two_contents_is_two_cards() {
    for version in [1, 2] {
        world_gives(
            |world| {
                if version == 2 {
                    update(world, 4, 2);
                }
                let other = next(world, 4, |cso| cso.caps.order_without_pin = cso.caps.month);
                let path = format!("copy/{}/cso.tlv", folder(world, 4));
                world.files.insert(path, other);
            },
            &[Code::CardTwice],
        );
    }
}

#[test]
fn a_version_of_another_person_or_with_other_keys_is_two_cards() {
    let changes: [fn(&mut CardSecurityObject); 3] = [
        |cso| cso.person = Person::numbered(77).reference,
        |cso| cso.signing_key = secret("another signing").public_key(),
        |cso| cso.agreement_key = secret("another agreement").public_key(),
    ];
    for change in changes {
        world_gives(
            |world| {
                let other = next(world, 4, |cso| {
                    cso.version = 2;
                    change(cso);
                });
                file(world, 4, other);
            },
            &[Code::CardTwice],
        );
    }
}

#[test]
fn a_forged_version_is_found_and_says_nothing_of_the_order() {
    world_gives(
        |world| {
            let mut cso =
                *Signed::<CardSecurityObject>::parse(&world.files[&format!("{}/cso.tlv", folder(world, 4))])
                    .unwrap()
                    .claimed();
            cso.version = 2;
            let forged = sign(&cso, &secret("not the issuer"));
            file(world, 4, forged);
        },
        &[Code::CsoSignature],
    );
}
