//! SPEC 6.5: the card's own key pairs, made on it and proven.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage, check};
use crate::encoding::{tlv, with_wrong_octet};
use crate::issuer::{GENERATE, IssuerSession, PROVE, key_pair_request};

use super::support::{issuer_refusal, refuses};

/// The request with one object exchanged.
fn changed(id: &'static str, purpose: &str, place: usize, object: fn(&[u8]) -> Vec<u8>) -> Case {
    issuer_refusal(
        id,
        Stage::Personalizing,
        purpose,
        GENERATE,
        0x6A80,
        move |bench, _| {
            let mut objects = request(bench);
            if let Some(at) = objects.get_mut(place) {
                *at = object(at);
            }
            Ok(objects.concat())
        },
    )
}

fn request(bench: &mut Bench) -> Vec<Vec<u8>> {
    let (number, nonce) = (bench.material.plan.number.clone(), bench.random.octets());
    key_pair_request(bench, &number, &nonce)
}

fn well_formed(bench: &mut Bench, _: &IssuerSession) -> Outcome<Vec<u8>> {
    Ok(request(bench).concat())
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "6.5-01",
            Stage::Personalizing,
            "key pairs are generated, the signature and the confirmation prove both",
            "two keys on P-256, a signature and a confirmation that verify; flag 1 set",
            |bench| {
                let number = bench.material.plan.number.clone();
                let mut session = IssuerSession::open(bench)?;
                let keys = session.generate_key_pairs(bench, &number)?;
                check(keys.agreement != keys.signing, "both key pairs are the same")?;
                check(session.card_status(bench)?.flags == 0x01, "flags other than 01")?;
                let again = session.prove_key_pairs(bench, &number)?;
                check(again == keys, "P1 = 01 proves other keys than were generated")
            },
        )
        .alone(),
        Case::new(
            "6.5-02",
            Stage::Keyed,
            "generated anew as long as no CSO was loaded for the present ones",
            "9000, other keys",
            |bench| {
                let number = bench.material.plan.number.clone();
                let mut session = IssuerSession::open(bench)?;
                let first = session.prove_key_pairs(bench, &number)?;
                let second = session.generate_key_pairs(bench, &number)?;
                check(
                    first.agreement != second.agreement && first.signing != second.signing,
                    "a key was not made anew",
                )
            },
        ),
        issuer_refusal(
            "6.5-03",
            Stage::Personalizing,
            "proof of keys that are not there",
            PROVE,
            0x6A88,
            well_formed,
        ),
        Case::new(
            "6.5-04",
            Stage::Loaded,
            "generated anew after a CSO was loaded for the present ones",
            "6985; the keys stay",
            |bench| {
                let number = bench.material.plan.number.clone();
                let mut session = IssuerSession::open(bench)?;
                let before = session.prove_key_pairs(bench, &number)?;
                let data = request(bench).concat();
                refuses(bench, &mut session.secure, GENERATE, &data, 0x6985)?;
                check(
                    session.prove_key_pairs(bench, &number)? == before,
                    "the keys changed",
                )
            },
        ),
        Case::new(
            "6.5-05",
            Stage::Loaded,
            "generated anew after that load was begun anew: the refusal is for ever",
            "6985; the keys stay",
            |bench| {
                let number = bench.material.plan.number.clone();
                let mut session = IssuerSession::open(bench)?;
                let before = session.prove_key_pairs(bench, &number)?;
                session
                    .send(bench, [0x80, 0xE2, 0x00, 0x00], &[0xFF, 0x38])?
                    .expect(0x9000)?;
                let data = request(bench).concat();
                refuses(bench, &mut session.secure, GENERATE, &data, 0x6985)?;
                check(
                    session.prove_key_pairs(bench, &number)? == before,
                    "the keys changed",
                )
            },
        )
        .alone(),
        issuer_refusal(
            "6.5-06",
            Stage::Personalizing,
            "P1 = 02",
            [0x80, 0x47, 0x02, 0x00],
            0x6A86,
            well_formed,
        ),
        issuer_refusal(
            "6.5-07",
            Stage::Personalizing,
            "P2 = 01",
            [0x80, 0x47, 0x00, 0x01],
            0x6A86,
            well_formed,
        ),
        changed(
            "6.5-08",
            "a card number whose check digit is wrong",
            0,
            |number| with_wrong_octet(number, -1),
        ),
        changed("6.5-09", "a card number of seven octets", 0, |_| {
            tlv(0x5A, &[0x79; 7])
        }),
        changed("6.5-10", "a nonce of 15 octets", 1, |_| tlv(0x81, &[1; 15])),
        changed("6.5-11", "a nonce of 17 octets", 1, |_| tlv(0x81, &[1; 17])),
        changed("6.5-12", "no nonce", 1, |_| Vec::new()),
        changed("6.5-13", "an ephemeral key that is not on the curve", 2, |key| {
            with_wrong_octet(key, -1)
        }),
        changed("6.5-14", "an ephemeral key in compressed form", 2, |key| {
            let x = key.get(4..36).unwrap_or_default();
            tlv(0x5F49, &[&[0x02], x].concat())
        }),
        changed("6.5-15", "an ephemeral key at infinity", 2, |_| {
            tlv(0x5F49, &[0x00])
        }),
        issuer_refusal(
            "6.5-16",
            Stage::Personalizing,
            "an octet behind the data",
            GENERATE,
            0x6A80,
            |bench, _| Ok([request(bench).concat(), vec![0x00]].concat()),
        ),
        issuer_refusal(
            "6.5-17",
            Stage::Personalizing,
            "objects in the wrong order",
            GENERATE,
            0x6A80,
            |bench, _| {
                let mut objects = request(bench);
                objects.swap(0, 1);
                Ok(objects.concat())
            },
        ),
    ]
}
