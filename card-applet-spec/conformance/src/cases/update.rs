//! SPEC 13.6: a new CSO and new data groups on an active card.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage, check};
use crate::encoding::{find, split, tlv, with_wrong_octet};
use crate::issuer::{CardStatus, EXECUTE_SCRIPT, IssuerSession};
use crate::material::{
    CardKeys, Certificate, NEXT_ISSUER, NEXT_ROOT, OTHER_ISSUER, Objects, Plan, Script, hash,
};
use crate::terminal::{Terminal, TerminalSession, read_file};

use super::issuer_scripts::execute;
use super::support::refuses;

/// The plan of an update: version 2, another cap.
fn next(plan: &Plan) -> Plan {
    Plan {
        version: 2,
        caps: [4_000_000, 400_000_000, 300_000],
        programmes: vec![(*b"HTXH", 1), (*b"DXUA", 1)],
        ..plan.clone()
    }
}

/// The card's keys, its counter, and the CSO in force.
pub(crate) fn card(bench: &mut Bench) -> Outcome<(CardKeys, u32)> {
    let mut session = TerminalSession::open(bench)?;
    let keys = CardKeys {
        agreement: session.cso.agreement,
        signing: session.cso.signing,
    };
    Ok((keys, session.card_status(bench)?.counter))
}

/// The hash of the CSO among the objects.
pub(crate) fn cso_hash(objects: &Objects) -> [u8; 32] {
    let value = find(&objects.cso, 0xFF20).unwrap_or_default();
    let (tag, length, _) = split(&value);
    let body = find(&value, 0xFF21).unwrap_or_default();
    let end = tag.len() + length.len() + body.len();
    hash(value.get(..end).unwrap_or_default())
}

/// Loads objects on the active card in the issuer's session, which goes on.
fn load(bench: &mut Bench, objects: &Objects) -> Outcome<IssuerSession> {
    let mut session = IssuerSession::open(bench)?;
    session.store(bench, &objects.concatenated())?;
    Ok(session)
}

/// Objects that no script puts in force.
fn refused(id: &'static str, purpose: &str, make: fn(&Bench, &Plan, &CardKeys) -> Objects) -> Case {
    let expected = "634E to the script; the CSO in force stays";
    Case::new(id, Stage::Active, purpose, expected, move |bench| {
        let (keys, counter) = card(bench)?;
        let plan = next(&bench.material.plan);
        let objects = make(bench, &plan, &keys);
        let mut session = load(bench, &objects)?;
        let script = bench
            .material
            .script(&Script::update(counter, &cso_hash(&objects)));
        refuses(bench, &mut session.secure, EXECUTE_SCRIPT, &script, 0x634E)
    })
    .alone()
}

pub(crate) fn cases() -> Vec<Case> {
    [in_force(), not_in_force(), conditions()]
        .into_iter()
        .flatten()
        .collect()
}

fn in_force() -> Vec<Case> {
    vec![
        Case::new(
            "13.6-01",
            Stage::Active,
            "an update is put in force",
            "the new CSO, groups and caps; counter and head go on, the receipt names version 2",
            |bench| {
                let mut before = TerminalSession::open_verified(bench)?;
                let order = before.order(bench);
                let payment = before.pay(bench, &order)?;
                let (keys, counter) = card(bench)?;
                let plan = next(&bench.material.plan);
                let objects = bench.material.objects(&plan, &keys);
                load(bench, &objects)?;
                let mut session = TerminalSession::open(bench)?;
                let receipt = execute(bench, &mut session, &Script::update(counter, &cso_hash(&objects)))?;
                check(receipt.cso_version == 2, "the receipt does not name version 2")?;
                super::receipts::follows(&payment, &receipt)?;
                let mut session = TerminalSession::open(bench)?;
                check(
                    session.cso.hash == cso_hash(&objects),
                    "the CSO in force is another one",
                )?;
                check(
                    session.read_file(bench, 0x03)? == objects.programmes,
                    "group 3 is another one",
                )?;
                session.verify(bench, &plan)?.refused(0x9000)?;
                let mut order = session.order(bench);
                order.programme = *b"HTXH";
                order.amount = 4_000_001;
                session.disburse(bench, &order)?.refused(0x6343)?;
                order.amount = 4_000_000;
                session.pay(bench, &order).map(drop)
            },
        )
        .alone(),
        Case::new(
            "13.6-02",
            Stage::Active,
            "paid lines stay paid over an update",
            "6340 with the standing receipt",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                let standing = session.disburse(bench, &order)?.expect(0x9000)?;
                let (keys, counter) = card(bench)?;
                let plan = Plan {
                    version: 2,
                    ..bench.material.plan.clone()
                };
                let objects = bench.material.objects(&plan, &keys);
                load(bench, &objects)?;
                let mut session = TerminalSession::open(bench)?;
                execute(bench, &mut session, &Script::update(counter, &cso_hash(&objects)))?;
                let mut session = TerminalSession::open_verified(bench)?;
                let mut other = session.order(bench);
                (other.entitlement, other.month) = (order.entitlement, order.month);
                check(
                    session.disburse(bench, &other)?.expect(0x6340)? == standing,
                    "not the standing receipt",
                )
            },
        )
        .alone(),
        Case::new(
            "13.6-03",
            Stage::Active,
            "an update by the same issuer with its next key",
            "in force",
            |bench| {
                let (keys, counter) = card(bench)?;
                let plan = Plan {
                    issuer: NEXT_ISSUER,
                    ..next(&bench.material.plan)
                };
                let objects = bench.material.objects(&plan, &keys);
                load(bench, &objects)?;
                let mut session = TerminalSession::open(bench)?;
                execute(bench, &mut session, &Script::update(counter, &cso_hash(&objects)))?;
                let session = TerminalSession::open(bench)?;
                check(
                    session.cso.hash == cso_hash(&objects),
                    "the CSO in force is another one",
                )
            },
        )
        .alone(),
        Case::new(
            "13.6-04",
            Stage::Active,
            "the same script again after the update",
            "the same receipt; nothing changed",
            |bench| {
                let (keys, counter) = card(bench)?;
                let objects = bench.material.objects(&next(&bench.material.plan), &keys);
                let mut issuer = load(bench, &objects)?;
                let script = bench
                    .material
                    .script(&Script::update(counter, &cso_hash(&objects)));
                let first = issuer.send(bench, EXECUTE_SCRIPT, &script)?.expect(0x9000)?;
                let before = issuer.card_status(bench)?;
                check(
                    issuer.send(bench, EXECUTE_SCRIPT, &script)?.expect(0x9000)? == first,
                    "another receipt",
                )?;
                check(
                    issuer.card_status(bench)? == before,
                    "the repetition changed what GET DATA tells",
                )
            },
        )
        .alone(),
        Case::new(
            "13.6-05",
            Stage::Active,
            "an authorization by VERIFY dies with the update",
            "6346",
            |bench| {
                let (keys, counter) = card(bench)?;
                let objects = bench.material.objects(&next(&bench.material.plan), &keys);
                load(bench, &objects)?;
                let mut session = TerminalSession::open_verified(bench)?;
                execute(bench, &mut session, &Script::update(counter, &cso_hash(&objects)))?;
                let mut order = session.order(bench);
                order.cso_hash = cso_hash(&objects);
                order.programme = *b"HTXH";
                session.disburse(bench, &order)?.refused(0x6346)
            },
        )
        .alone(),
        Case::new(
            "13.6-06",
            Stage::Active,
            "an update with the card's second trust anchor",
            "in force",
            |bench| {
                bench.select()?;
                let link = bench
                    .material
                    .certify(&Certificate::link(crate::material::ROOT, NEXT_ROOT));
                crate::terminal::present(bench, crate::terminal::MORE, &link)?.refused(0x9000)?;
                let (keys, counter) = card(bench)?;
                let plan = next(&bench.material.plan);
                let objects = under_next_root(bench, &plan, &keys);
                load(bench, &objects)?;
                let mut session = TerminalSession::open(bench)?;
                execute(bench, &mut session, &Script::update(counter, &cso_hash(&objects))).map(drop)
            },
        )
        .alone(),
    ]
}

/// Objects whose trust anchor is the next root as its link certificate has it.
fn under_next_root(bench: &Bench, plan: &Plan, keys: &CardKeys) -> Objects {
    let mut objects = bench.material.objects(plan, keys);
    let link = Certificate::link(crate::material::ROOT, NEXT_ROOT);
    let members = [
        tlv(0x42, NEXT_ROOT.as_bytes()),
        tlv(0x83, bench.material.public(NEXT_ROOT).as_bytes()),
        tlv(0x5F25, &crate::material::date(link.from)),
        tlv(0x5F24, &crate::material::date(link.to)),
        tlv(0x53, &[0xC0, 0x80]),
    ];
    objects.anchor = tlv(0xFF38, &members.concat());
    objects.issuer = bench.material.certify(&Certificate {
        authority: NEXT_ROOT,
        from: link.from,
        ..Certificate::issuer()
    });
    bench.material.sign_cso(plan, keys, &mut objects);
    objects
}

fn not_in_force() -> Vec<Case> {
    vec![
        Case::new(
            "6.11-01",
            Stage::Active,
            "an update that is loaded and not in force changes nothing",
            "flag 4; CSO, groups and payments as before",
            |bench| {
                let (keys, _) = card(bench)?;
                let old = bench.material.objects(&bench.material.plan, &keys);
                let objects = bench.material.objects(&next(&bench.material.plan), &keys);
                let mut issuer = IssuerSession::open(bench)?;
                let before = issuer.card_status(bench)?;
                issuer.store(bench, &objects.concatenated())?;
                let after = issuer.card_status(bench)?;
                let flags = before.flags | CardStatus::UPDATE;
                check(
                    after == CardStatus { flags, ..before },
                    "GET DATA does not tell flag 4 alone",
                )?;
                check(
                    read_file(bench, &mut issuer.secure, 0x03)? == old.programmes,
                    "group 3 is the new one",
                )?;
                let mut session = TerminalSession::open_verified(bench)?;
                check(
                    session.read_file(bench, 0x1D)? == old.cso,
                    "the CSO is the new one",
                )?;
                let order = session.order(bench);
                session.pay(bench, &order).map(drop)
            },
        )
        .alone(),
        Case::new(
            "6.11-02",
            Stage::Active,
            "ACTIVATE does not put an update in force",
            "9000, and the old CSO",
            |bench| {
                let (keys, _) = card(bench)?;
                let objects = bench.material.objects(&next(&bench.material.plan), &keys);
                let mut issuer = load(bench, &objects)?;
                let before = issuer.card_status(bench)?;
                issuer.activate(bench)?.refused(0x9000)?;
                check(
                    issuer.card_status(bench)? == before,
                    "ACTIVATE changed what GET DATA tells",
                )
            },
        )
        .alone(),
        Case::new(
            "6.11-03",
            Stage::Active,
            "block 00 discards an update that is not in force",
            "flag 4 is gone; the script answers 634E",
            |bench| {
                let (keys, counter) = card(bench)?;
                let objects = bench.material.objects(&next(&bench.material.plan), &keys);
                let mut issuer = load(bench, &objects)?;
                issuer
                    .send(bench, crate::issuer::STORE_FIRST, &[0xFF, 0x38])?
                    .refused(0x9000)?;
                check(
                    issuer.card_status(bench)?.flags & CardStatus::UPDATE == 0,
                    "flag 4 is still set",
                )?;
                let script = bench
                    .material
                    .script(&Script::update(counter, &cso_hash(&objects)));
                refuses(bench, &mut issuer.secure, EXECUTE_SCRIPT, &script, 0x634E)
            },
        )
        .alone(),
        Case::new(
            "13.6-07",
            Stage::Active,
            "a script for another CSO than the one loaded",
            "634E; nothing changed",
            |bench| {
                let (keys, counter) = card(bench)?;
                let objects = bench.material.objects(&next(&bench.material.plan), &keys);
                let mut issuer = load(bench, &objects)?;
                let script = bench.material.script(&Script::update(counter, &[7; 32]));
                refuses(bench, &mut issuer.secure, EXECUTE_SCRIPT, &script, 0x634E)
            },
        )
        .alone(),
        Case::new(
            "13.6-08",
            Stage::Active,
            "a script with nothing loaded",
            "634E; nothing changed",
            |bench| {
                let (_, counter) = card(bench)?;
                let mut session = TerminalSession::open(bench)?;
                let script = bench.material.script(&Script::update(counter, &session.cso.hash));
                refuses(bench, &mut session.secure, EXECUTE_SCRIPT, &script, 0x634E)
            },
        ),
    ]
}

fn conditions() -> Vec<Case> {
    vec![
        refused("13.6-09", "the version in force again", |bench, plan, keys| {
            let plan = Plan {
                version: 1,
                ..plan.clone()
            };
            bench.material.objects(&plan, keys)
        }),
        refused("13.6-10", "another card number", |bench, plan, keys| {
            let plan = Plan {
                number: crate::material::card_number(790_000_000_000_002),
                ..plan.clone()
            };
            bench.material.objects(&plan, keys)
        }),
        refused("13.6-11", "another person", |bench, plan, keys| {
            let plan = Plan {
                person: [7; 16],
                ..plan.clone()
            };
            bench.material.objects(&plan, keys)
        }),
        refused("13.6-12", "another agreement key", |bench, plan, keys| {
            let keys = CardKeys {
                agreement: bench.material.public(NEXT_ROOT),
                ..*keys
            };
            bench.material.objects(plan, &keys)
        }),
        refused("13.6-13", "another signing key", |bench, plan, keys| {
            let keys = CardKeys {
                signing: bench.material.public(NEXT_ROOT),
                ..*keys
            };
            bench.material.objects(plan, &keys)
        }),
        refused("13.6-14", "another province's CSO", |bench, plan, keys| {
            let plan = Plan {
                issuer: OTHER_ISSUER,
                ..plan.clone()
            };
            bench.material.objects(&plan, keys)
        }),
        refused(
            "13.6-15",
            "a trust anchor that the card does not have",
            under_next_root,
        ),
        refused(
            "13.6-16",
            "a group that is another than the one in the CSO",
            |bench, plan, keys| {
                let mut objects = bench.material.objects(plan, keys);
                objects.holder = with_wrong_octet(&objects.holder, -1);
                objects
            },
        ),
        refused("13.6-17", "a CSO with a wrong signature", |bench, plan, keys| {
            let mut objects = bench.material.objects(plan, keys);
            objects.cso = with_wrong_octet(&objects.cso, -1);
            objects
        }),
        refused("13.6-18", "programmes without DXUA", |bench, plan, keys| {
            let plan = Plan {
                programmes: vec![(*b"BTXH", 1)],
                ..plan.clone()
            };
            bench.material.objects(&plan, keys)
        }),
        refused(
            "13.6-19",
            "the issuer with an earlier key",
            |bench, plan, keys| {
                let plan = Plan {
                    issuer: "VNISS7900000",
                    ..plan.clone()
                };
                bench.material.objects(&plan, keys)
            },
        ),
        Case::new(
            "13.6-20",
            Stage::Active,
            "a terminal alone cannot load an update",
            "6D00 to STORE DATA",
            |bench| {
                let mut session = Terminal::standard().open(bench)?;
                session
                    .send(bench, crate::issuer::STORE_FIRST, &[0xFF, 0x38])?
                    .refused(0x6D00)
            },
        ),
    ]
}
