//! SPEC 6.6 to 6.8: STORE DATA and the first PIN.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage, check};
use crate::encoding::tlv;
use crate::issuer::{ACTIVATE, BLOCK, CardStatus, IssuerSession, SET_PIN, STORE_FIRST};
use crate::material::{Objects, Plan};

use super::support::{issuer_refusal, refuses};

/// The load of the standard plan for the keys of the card.
fn load(bench: &mut Bench, session: &mut IssuerSession) -> Outcome<Objects> {
    load_of(bench, session, &bench.material.plan.clone())
}

fn load_of(bench: &mut Bench, session: &mut IssuerSession, plan: &Plan) -> Outcome<Objects> {
    let keys = session.prove_key_pairs(bench, &plan.number)?;
    Ok(bench.material.objects(plan, &keys))
}

/// Objects that STORE DATA must refuse as a whole, with its last block.
fn refused(id: &'static str, purpose: &str, objects: fn(&Objects) -> Vec<Vec<u8>>) -> Case {
    Case::new(
        id,
        Stage::Keyed,
        purpose,
        "6A80 to the last block; nothing is loaded",
        move |bench| {
            let mut session = IssuerSession::open(bench)?;
            let load = load(bench, &mut session)?;
            session
                .store_until_last(bench, &objects(&load).concat())?
                .refused(0x6A80)?;
            let flags = session.card_status(bench)?.flags;
            check(
                flags & CardStatus::DATA == 0,
                "GET DATA says that the data is loaded completely",
            )
        },
    )
}

/// A portrait with so many octets of image.
fn portrait(bench: &mut Bench, session: &mut IssuerSession, size: usize) -> Outcome<Vec<u8>> {
    let plan = Plan {
        portrait: Some(vec![0xA5; size]),
        ..bench.material.plan.clone()
    };
    Ok(load_of(bench, session, &plan)?.concatenated())
}

pub(crate) fn cases() -> Vec<Case> {
    [blocks(), contents(), pin()].into_iter().flatten().collect()
}

fn blocks() -> Vec<Case> {
    vec![
        Case::new(
            "6.6-01",
            Stage::Keyed,
            "a load in the largest blocks",
            "9000; flag 2 set, the CSO hash reported",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                let load = load(bench, &mut session)?;
                session.store(bench, &load.concatenated())?;
                let status = session.card_status(bench)?;
                check(status.flags & CardStatus::DATA != 0, "flag 2 is not set")?;
                check(status.cso_hash.is_some(), "no CSO hash")
            },
        )
        .alone(),
        Case::new(
            "6.6-02",
            Stage::Keyed,
            "a load in blocks of 90 octets",
            "9000; flag 2 set",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                let load = load(bench, &mut session)?.concatenated();
                let count = load.chunks(90).count();
                for (number, block) in load.chunks(90).enumerate() {
                    let p1 = if number + 1 == count { 0x80 } else { 0x00 };
                    session
                        .send(bench, [0x80, 0xE2, p1, number as u8], block)?
                        .expect(0x9000)?;
                }
                let flags = session.card_status(bench)?.flags;
                check(flags & CardStatus::DATA != 0, "flag 2 is not set")
            },
        )
        .alone(),
        issuer_refusal(
            "6.6-03",
            Stage::Keyed,
            "block 01 without block 00",
            [0x80, 0xE2, 0x00, 0x01],
            0x6A86,
            |_, _| Ok(vec![0xFF; 10]),
        ),
        Case::new(
            "6.6-04",
            Stage::Keyed,
            "a block left out, and one sent twice",
            "6A86; the right block is then taken",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                let load = load(bench, &mut session)?.concatenated();
                let block = |number: usize| load.chunks(BLOCK).nth(number).unwrap_or_default();
                session.send(bench, STORE_FIRST, block(0))?.expect(0x9000)?;
                refuses(
                    bench,
                    &mut session.secure,
                    [0x80, 0xE2, 0x00, 0x02],
                    block(2),
                    0x6A86,
                )?;
                session
                    .send(bench, [0x80, 0xE2, 0x00, 0x01], block(1))?
                    .expect(0x9000)?;
                refuses(
                    bench,
                    &mut session.secure,
                    [0x80, 0xE2, 0x00, 0x01],
                    block(1),
                    0x6A86,
                )?;
                session
                    .send(bench, [0x80, 0xE2, 0x00, 0x02], block(2))?
                    .expect(0x9000)
                    .map(drop)
            },
        ),
        issuer_refusal(
            "6.6-05",
            Stage::Keyed,
            "P1 = 40",
            [0x80, 0xE2, 0x40, 0x00],
            0x6A86,
            |_, _| Ok(vec![0xFF; 10]),
        ),
        issuer_refusal(
            "6.6-06",
            Stage::Loaded,
            "a first block that is the last one: what was loaded stays",
            [0x80, 0xE2, 0x80, 0x00],
            0x6A80,
            |_, _| Ok(vec![0xFF; 10]),
        ),
        issuer_refusal(
            "6.6-07",
            Stage::Loaded,
            "an empty block: what was loaded stays",
            STORE_FIRST,
            0x6700,
            |_, _| Ok(Vec::new()),
        ),
        Case::new(
            "6.6-08",
            Stage::Keyed,
            "the end of the session ends the loading",
            "block 01 in the next session: 6A86",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                let load = load(bench, &mut session)?.concatenated();
                let mut blocks = load.chunks(BLOCK);
                let (first, second) = (blocks.next(), blocks.next());
                session
                    .send(bench, STORE_FIRST, first.unwrap_or_default())?
                    .expect(0x9000)?;
                let mut next = IssuerSession::open(bench)?;
                let second = second.unwrap_or_default();
                refuses(bench, &mut next.secure, [0x80, 0xE2, 0x00, 0x01], second, 0x6A86)
            },
        ),
        Case::new(
            "6.6-09",
            Stage::Loaded,
            "block 00 discards what was loaded before",
            "flag 2 and the CSO hash are gone; ACTIVATE answers 6985",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                session.send(bench, STORE_FIRST, &[0xFF, 0x38])?.expect(0x9000)?;
                let status = session.card_status(bench)?;
                check(status.flags & CardStatus::DATA == 0, "flag 2 is still set")?;
                check(status.cso_hash.is_none(), "the CSO hash is still there")?;
                refuses(bench, &mut session.secure, ACTIVATE, &[], 0x6985)
            },
        )
        .alone(),
        Case::new(
            "6.6-10",
            Stage::Keyed,
            "a block after the last one",
            "6A86; the load stays",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                let load = load(bench, &mut session)?.concatenated();
                session.store(bench, &load)?;
                let next = load.chunks(BLOCK).count() as u8;
                refuses(
                    bench,
                    &mut session.secure,
                    [0x80, 0xE2, 0x00, next],
                    &[0x00; 10],
                    0x6A86,
                )
            },
        )
        .alone(),
        Case::new(
            "6.6-11",
            Stage::Keyed,
            "a load of more than 8,704 octets",
            "6A84 to the block that is too much",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                for number in 0..39 {
                    session
                        .send(bench, [0x80, 0xE2, 0x00, number], &[0xFF; BLOCK])?
                        .expect(0x9000)?;
                }
                refuses(
                    bench,
                    &mut session.secure,
                    [0x80, 0xE2, 0x00, 39],
                    &[0xFF; BLOCK],
                    0x6A84,
                )
            },
        ),
    ]
}

fn contents() -> Vec<Case> {
    vec![
        refused("6.6-12", "an octet behind the last object", |load| {
            let mut objects = load.in_order();
            objects.push(vec![0x00]);
            objects
        }),
        refused("6.6-13", "the last octet missing", |load| {
            let mut load = load.concatenated();
            load.pop();
            vec![load]
        }),
        refused("6.6-14", "two objects in the wrong order", |load| {
            let mut objects = load.in_order();
            objects.swap(4, 5);
            objects
        }),
        refused("6.6-15", "an object missing: linked numbers", |load| {
            let mut objects = load.in_order();
            objects.remove(5);
            objects
        }),
        refused("6.6-16", "an object missing: trust anchor", |load| {
            let mut objects = load.in_order();
            objects.remove(0);
            objects
        }),
        refused("6.6-17", "an object twice", |load| {
            let mut objects = load.in_order();
            objects.insert(3, load.holder.clone());
            objects
        }),
        refused("6.6-18", "an object that SPEC 6.6 does not name", |load| {
            let mut objects = load.in_order();
            objects.push(tlv(0xFF37, &[0x00]));
            objects
        }),
        refused("6.6-19", "a group of more than 768 octets", |load| {
            let load = Objects {
                issuance: tlv(0xFF36, &[0x41; 770]),
                ..load.clone()
            };
            load.in_order()
        }),
        Case::new(
            "6.6-20",
            Stage::Keyed,
            "a portrait of 6,000 octets",
            "9000; flag 2 set",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                let load = portrait(bench, &mut session, 6_000)?;
                session.store(bench, &load)
            },
        )
        .alone(),
        Case::new(
            "6.6-21",
            Stage::Keyed,
            "a portrait of 6,001 octets",
            "6A80, at loading or at the latest 6985 at ACTIVATE",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                let load = portrait(bench, &mut session, 6_001)?;
                let answer = session.store_until_last(bench, &load)?;
                if answer.status != 0x9000 {
                    return answer.refused(0x6A80);
                }
                session.set_pin(bench, b"271828")?.expect(0x9000)?;
                refuses(bench, &mut session.secure, ACTIVATE, &[], 0x6985)
            },
        )
        .alone(),
    ]
}

fn pin() -> Vec<Case> {
    let refused = |id, purpose, pin: &'static [u8]| {
        issuer_refusal(id, Stage::Keyed, purpose, SET_PIN, 0x6A80, move |_, _| {
            Ok(pin.to_vec())
        })
    };
    vec![
        Case::new(
            "6.8-01",
            Stage::Keyed,
            "a PIN is set",
            "9000; flag 3 set",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                session.set_pin(bench, b"271828")?.expect(0x9000)?;
                let status = session.card_status(bench)?;
                check(status.flags & CardStatus::PIN != 0, "flag 3 is not set")?;
                check(
                    status.tries == 0,
                    "tries are reported before a CSO says how many there are (SPEC 6.10)",
                )
            },
        )
        .alone(),
        refused("6.8-02", "a PIN of five digits", b"27182"),
        refused("6.8-03", "a PIN of seven digits", b"2718281"),
        refused("6.8-04", "no PIN", b""),
        refused("6.8-05", "a PIN with a letter", b"27182a"),
        refused("6.8-06", "a PIN with the character before 0", b"27182/"),
        refused("6.8-07", "a PIN with the character after 9", b"27182:"),
        issuer_refusal(
            "6.8-08",
            Stage::Keyed,
            "another PIN reference",
            [0x80, 0x24, 0x01, 0x82],
            0x6A86,
            |_, _| Ok(b"271828".to_vec()),
        ),
        Case::new(
            "6.8-09",
            Stage::Keyed,
            "the holder's way of changing a PIN (P1 = 00) in an issuer's session",
            "6A86; nothing changed",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                let data = b"271828314159";
                refuses(bench, &mut session.secure, [0x80, 0x24, 0x00, 0x81], data, 0x6A86)
            },
        ),
        Case::new(
            "6.8-10",
            Stage::Loaded,
            "the PIN set again before ACTIVATE counts",
            "the new one verifies",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                session.set_pin(bench, b"314159")?.expect(0x9000)?;
                session.activate(bench)?.expect(0x9000)?;
                let plan = Plan {
                    pin: *b"314159",
                    ..bench.material.plan.clone()
                };
                let mut terminal = crate::terminal::TerminalSession::open(bench)?;
                terminal.verify(bench, &plan)?.refused(0x9000)
            },
        )
        .alone(),
    ]
}
