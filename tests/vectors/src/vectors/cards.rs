//! What is on a card: the CSO and the data groups.

use card_spec::crypto::sha256;
use card_spec::cso::{CardSecurityObject, GroupDigests, PersonReference};
use card_spec::groups::Image;
use card_spec::signed::Signed;
use card_spec::tlv::DataObject;

use super::{BadValue, DATE_ASCII, FEBRUARY_30, Kind, NO_LUHN, OFF_CURVE, SUITE_2, TRILLION};
use crate::broken::{Body, object};
use crate::issued::portrait;
use crate::{World, groups, sign};

pub(super) fn cso(world: &World) -> Kind {
    let mut kind = Kind::new("cso", "SPEC 4.1");
    let files = world.files.iter().filter(|(path, _)| path.ends_with("cso.tlv"));
    let encodings: Vec<_> = files.map(|(_, encoding)| encoding).take(2).collect();
    for (number, encoding) in (1..).zip(&encodings) {
        kind.valid(
            &format!("card {number}"),
            encoding,
            Some(("issuer", &world.issuer)),
        );
    }
    let signed =
        Signed::<CardSecurityObject>::parse(encodings.first().expect("a card")).expect("our own object");
    let with_portrait = with_portrait(*signed.claimed());
    kind.valid(
        "card 1 with a portrait",
        &sign(&with_portrait, &world.issuer),
        Some(("issuer", &world.issuer)),
    );
    kind.refuse_broken(
        encodings.first().expect("a card"),
        Some(&world.issuer),
        &[
            SUITE_2,
            ("format 2", 0x81, &[2]),
            NO_LUHN,
            FEBRUARY_30,
            DATE_ASCII,
            ("a point that is not on the curve", 0x83, OFF_CURVE),
            ("a key in compressed form", 0x84, &[2; 33]),
            ("no holder-check method", 0x86, &[0, 3, 4]),
            ("no PIN tries", 0x86, &[1, 0, 4]),
            (
                "a cap of more than the largest amount",
                0x87,
                &[TRILLION, &[0; 16]].concat(),
            ),
            (
                "a cap without PIN of more than the largest amount",
                0x87,
                &[&[0; 16], TRILLION].concat(),
            ),
            ("two caps", 0x87, &[0; 16]),
            ("four caps", 0x87, &[0; 32]),
        ],
    );
    refuse_digests(&mut kind, &sign(&with_portrait, &world.issuer));
    kind
}

/// The same card with the digest of a portrait.
fn with_portrait(cso: CardSecurityObject) -> CardSecurityObject {
    let digests = GroupDigests {
        portrait: Some(sha256(&[&portrait(&cso.person)])),
        ..cso.digests
    };
    CardSecurityObject { digests, ..cso }
}

/// Digests that are missing, out of order or of what is no group.
fn refuse_digests(kind: &mut Kind, encoding: &[u8]) {
    let body = Body::of(encoding, true);
    let mut refuse = |name: &str, refusal: &str, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let changed = body.with(|members| {
            let place = members
                .iter()
                .position(|member| member.starts_with(&[0xA9]))
                .expect("digests");
            let mut digests = members_of(&members[place]);
            change(&mut digests);
            members[place] = object(0xA9, &digests.concat());
        });
        kind.refuse(name, changed, refusal);
    };
    refuse("no digest of the trust anchor", "members", &|digests| {
        drop(digests.remove(0))
    });
    refuse("no digest of group 1", "members", &|digests| {
        drop(digests.remove(1))
    });
    refuse("the portrait's digest before group 1's", "members", &|digests| {
        digests.swap(1, 2)
    });
    refuse("the portrait's digest twice", "members", &|digests| {
        digests.insert(2, digests[2].clone())
    });
    refuse("the portrait's digest last", "encoding", &|digests| {
        let portrait = digests.remove(2);
        digests.push(portrait);
    });
}

pub(super) fn members_of(template: &[u8]) -> Vec<Vec<u8>> {
    let template = DataObject::parse(template).expect("an object");
    let mut reader = template.members().expect("a template");
    let mut members = Vec::new();
    while let Some(member) = reader.next_object().expect("canonical") {
        members.push(member.encoding().to_vec());
    }
    members
}

fn portrait_group(person: &PersonReference) -> Kind {
    let mut kind = Kind::new("portrait", "SPEC 5.1");
    let encoding = portrait(person);
    kind.valid("portrait", &encoding, None);
    kind.refuse_broken(
        &encoding,
        None,
        &[
            ("a salt of 15 bytes", 0x80, &[0; 15]),
            ("an image of 6,001 bytes", 0x5F40, &[0; Image::MAXIMUM + 1]),
        ],
    );
    kind
}

pub(super) fn data_groups(world: &World) -> Vec<Kind> {
    let person = world.cards.first().expect("a card").person;
    let names = [
        "holder",
        "programmes",
        "linked-numbers",
        "representatives",
        "issuance",
    ];
    let bad: [&[BadValue<'_>]; 5] = [
        &[
            ("a salt of 15 bytes", 0x80, &[0; 15]),
            ("a name that is not UTF-8", 0x5F20, &[0xFF]),
            ("a name with a control character", 0x5F20, b"Nguyen\n"),
            ("the 31st of April", 0x5F2B, &[0x19, 0x44, 0x04, 0x31]),
            ("sex 4", 0x5F35, b"4"),
        ],
        &[("a salt of 17 bytes", 0x80, &[0; 17])],
        &[("a number of 11 characters", 0x81, b"79000000011")],
        &[],
        &[("the 30th of February", 0x82, &[2, 6, 0, 2, 3, 0])],
    ];
    groups(&person)
        .iter()
        .zip(names)
        .zip(bad)
        .map(|(((_, encoding), name), bad)| {
            let mut kind = Kind::new(name, "SPEC 5.1");
            kind.valid(name, encoding, None);
            if name == "representatives" {
                // One member only: nothing to swap.
                kind.refuse(
                    "a byte behind the object",
                    [&encoding[..], &[0]].concat(),
                    "encoding",
                );
            } else {
                kind.refuse_broken(encoding, None, bad);
            }
            kind
        })
        .chain([portrait_group(&person)])
        .collect()
}
