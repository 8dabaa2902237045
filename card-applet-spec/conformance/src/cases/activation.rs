//! SPEC 6.7 and 6.9 to 6.11: what a card must find before it pays, and what it then says about itself.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage, check};
use crate::encoding::{remove, set, tlv, with_members, with_wrong_octet};
use crate::issuer::{ACTIVATE, CardStatus, IssuerSession, SET_PIN};
use crate::material::{
    CardKeys, Certificate, OTHER_ISSUER, Objects, Plan, ROLE_TERMINAL_CA, ROOT, TERMINAL_CA, bcd, date,
};

use super::support::{issuer_refusal, nothing, refuses};

/// The objects, spoilt; whoever spoils them may sign the CSO anew.
type Spoil = fn(&Bench, &Plan, &CardKeys, &mut Objects);

/// A load with which no card goes live.
fn never(id: &'static str, purpose: &str, spoil: Spoil) -> Case {
    let expected = "6985 to ACTIVATE, still personalizing";
    Case::new(id, Stage::Keyed, purpose, expected, move |bench| {
        let plan = bench.material.plan.clone();
        let mut session = IssuerSession::open(bench)?;
        let keys = session.prove_key_pairs(bench, &plan.number)?;
        let mut objects = bench.material.objects(&plan, &keys);
        spoil(bench, &plan, &keys, &mut objects);
        stays_personalizing(bench, &mut session, &objects)
    })
    .alone()
}

fn stays_personalizing(bench: &mut Bench, session: &mut IssuerSession, objects: &Objects) -> Outcome {
    session.store(bench, &objects.concatenated())?;
    does_not_go_live(bench, session)
}

fn does_not_go_live(bench: &mut Bench, session: &mut IssuerSession) -> Outcome {
    session.send(bench, SET_PIN, b"271828")?.expect(0x9000)?;
    refuses(bench, &mut session.secure, ACTIVATE, &[], 0x6985)?;
    let life_cycle = session.card_status(bench)?.life_cycle;
    check(life_cycle == 0x03, "the card is no longer personalizing")
}

/// A CSO with one member of another value, signed by the right issuer.
fn cso(id: &'static str, purpose: &str, change: fn(&mut Vec<Vec<u8>>)) -> Case {
    let expected = "6985 to ACTIVATE, still personalizing (or 6A80 to STORE DATA)";
    Case::new(id, Stage::Keyed, purpose, expected, move |bench| {
        let plan = bench.material.plan.clone();
        let mut session = IssuerSession::open(bench)?;
        let keys = session.prove_key_pairs(bench, &plan.number)?;
        let mut objects = bench.material.objects(&plan, &keys);
        let mut members = bench.material.cso_members(&plan, &keys, &objects);
        change(&mut members);
        objects.cso = bench
            .material
            .signed(&tlv(0xFF21, &members.concat()), plan.issuer);
        // The clause leaves open how closely STORE DATA reads the CSO.
        let answer = session.store_until_last(bench, &objects.concatenated())?;
        if answer.status != 0x9000 {
            answer.refused(0x6A80)?;
        }
        does_not_go_live(bench, &mut session)
    })
    .alone()
}

/// A data group spoilt, its digest in the CSO right.
fn group(id: &'static str, purpose: &str, spoil: fn(&mut Objects)) -> Case {
    let expected = "6985 to ACTIVATE, still personalizing";
    Case::new(id, Stage::Keyed, purpose, expected, move |bench| {
        let plan = bench.material.plan.clone();
        let mut session = IssuerSession::open(bench)?;
        let keys = session.prove_key_pairs(bench, &plan.number)?;
        let mut objects = bench.material.objects(&plan, &keys);
        spoil(&mut objects);
        bench.material.sign_cso(&plan, &keys, &mut objects);
        stays_personalizing(bench, &mut session, &objects)
    })
    .alone()
}

pub(crate) fn cases() -> Vec<Case> {
    [trust(), security_object(), groups(), command(), status()]
        .into_iter()
        .flatten()
        .collect()
}

fn trust() -> Vec<Case> {
    vec![
        never(
            "6.7-01",
            "a trust anchor whose digest is not in the CSO",
            |bench, _, _, objects| {
                // Another root, which certifies the issuer: whoever has the SCP03 keys only could make it.
                objects.anchor = bench.material.trust_anchor(crate::material::NEXT_ROOT);
                let certificate = Certificate {
                    authority: crate::material::NEXT_ROOT,
                    ..Certificate::issuer()
                };
                objects.issuer = bench.material.certify(&certificate);
            },
        ),
        never(
            "6.7-02",
            "a trust anchor of another role than root",
            |bench, plan, keys, objects| {
                objects.anchor = with_members(&objects.anchor, |members| set(members, 0x53, &[0x81, 0x80]));
                bench.material.sign_cso(plan, keys, objects);
            },
        ),
        never(
            "6.7-03",
            "a trust anchor that is no point on the curve",
            |bench, plan, keys, objects| {
                objects.anchor = with_members(&objects.anchor, |members| set(members, 0x83, &[0x04; 65]));
                bench.material.sign_cso(plan, keys, objects);
            },
        ),
        never(
            "6.9-01",
            "an issuer's certificate that the root did not sign",
            |bench, _, _, objects| {
                objects.issuer = bench.material.certify_by(&Certificate::issuer(), OTHER_ISSUER);
            },
        ),
        never(
            "6.9-02",
            "an issuer's certificate with the role of a terminal CA",
            |bench, _, _, objects| {
                let certificate = Certificate {
                    role: ROLE_TERMINAL_CA,
                    ..Certificate::issuer()
                };
                objects.issuer = bench.material.certify(&certificate);
            },
        ),
        never(
            "6.9-03",
            "a terminal CA's certificate in the issuer's place",
            |bench, _, _, objects| {
                objects.issuer = bench.material.certify(&Certificate::terminal_ca());
            },
        ),
        never(
            "6.9-04",
            "an issuer's certificate of a production chain under a TEST root",
            |bench, _, _, objects| {
                let certificate = Certificate {
                    flags: 0x00,
                    ..Certificate::issuer()
                };
                objects.issuer = bench.material.certify(&certificate);
            },
        ),
        never(
            "6.9-05",
            "an issuer's certificate that outlives its root",
            |bench, _, _, objects| {
                let certificate = Certificate {
                    to: (2057, 1, 1),
                    ..Certificate::issuer()
                };
                objects.issuer = bench.material.certify(&certificate);
            },
        ),
        never(
            "6.9-06",
            "a CSO signed by another issuer",
            |bench, plan, keys, objects| {
                let body = tlv(0xFF21, &bench.material.cso_members(plan, keys, objects).concat());
                objects.cso = bench.material.signed(&body, OTHER_ISSUER);
            },
        ),
        never(
            "6.9-07",
            "a CSO signed by the root",
            |bench, plan, keys, objects| {
                let body = tlv(0xFF21, &bench.material.cso_members(plan, keys, objects).concat());
                objects.cso = bench.material.signed(&body, ROOT);
            },
        ),
        never(
            "6.9-08",
            "a CSO that names another issuer",
            |bench, plan, keys, objects| {
                let mut members = bench.material.cso_members(plan, keys, objects);
                set(&mut members, 0x42, OTHER_ISSUER.as_bytes());
                objects.cso = bench
                    .material
                    .signed(&tlv(0xFF21, &members.concat()), plan.issuer);
            },
        ),
        never("6.9-09", "a CSO with a wrong signature", |_, _, _, objects| {
            objects.cso = with_wrong_octet(&objects.cso, -1);
        }),
        never(
            "6.9-10",
            "a CSO for another agreement key",
            |bench, plan, keys, objects| {
                let keys = CardKeys {
                    agreement: bench.material.public(TERMINAL_CA),
                    ..*keys
                };
                bench.material.sign_cso(plan, &keys, objects);
            },
        ),
        never(
            "6.9-11",
            "a CSO for another signing key",
            |bench, plan, keys, objects| {
                let keys = CardKeys {
                    signing: bench.material.public(TERMINAL_CA),
                    ..*keys
                };
                bench.material.sign_cso(plan, &keys, objects);
            },
        ),
        never(
            "6.9-12",
            "a CSO with the card's two keys exchanged",
            |bench, plan, keys, objects| {
                let keys = CardKeys {
                    agreement: keys.signing,
                    signing: keys.agreement,
                };
                bench.material.sign_cso(plan, &keys, objects);
            },
        ),
    ]
}

fn security_object() -> Vec<Case> {
    vec![
        cso("4.1-01", "a suite that is not known", |members| {
            set(members, 0x80, &[0x02])
        }),
        cso("4.1-02", "a format version that is not known", |members| {
            set(members, 0x81, &[0x02])
        }),
        cso("4.1-03", "no holder-check method", |members| {
            set(members, 0x86, &[0, 3, 5])
        }),
        cso("4.1-04", "a holder-check method that is not known", |members| {
            set(members, 0x86, &[4, 3, 5])
        }),
        cso("4.1-05", "no PIN try", |members| set(members, 0x86, &[3, 0, 5])),
        cso("4.1-06", "sixteen PIN tries", |members| {
            set(members, 0x86, &[3, 16, 5])
        }),
        cso("4.1-07", "no order per VERIFY", |members| {
            set(members, 0x86, &[3, 3, 0])
        }),
        cso("4.1-08", "two caps instead of three", |members| {
            set(members, 0x87, &[0; 16])
        }),
        cso("4.1-09", "a cap of 1,000,000,000,000 VND", |members| {
            let cap = 1_000_000_000_000u64.to_be_bytes();
            set(members, 0x87, &[cap, cap, cap].concat());
        }),
        cso("4.1-10", "a digest of 31 octets", |members| {
            for digests in members.iter_mut().filter(|member| member.first() == Some(&0xA9)) {
                *digests = with_members(digests, |digests| set(digests, 0x84, &[0; 31]));
            }
        }),
        cso("4.1-11", "no digest of the trust anchor", |members| {
            without_digest(members, 0x80)
        }),
        cso("4.1-12", "no digest of group 5", |members| {
            without_digest(members, 0x85)
        }),
        cso("4.1-13", "a digest of a portrait that is not loaded", |members| {
            for digests in members.iter_mut().filter(|member| member.first() == Some(&0xA9)) {
                *digests = with_members(digests, |digests| digests.insert(2, tlv(0x82, &[7; 32])));
            }
        }),
        cso("4.1-14", "a card number whose check digit is wrong", |members| {
            set(members, 0x5A, &bcd("7900000000000010"));
        }),
        cso("4.1-15", "a person reference of 15 octets", |members| {
            set(members, 0x85, &[1; 15])
        }),
        cso("4.1-16", "a date that is none: 31 November", |members| {
            set(members, 0x5F25, &date((2026, 11, 31)));
        }),
    ]
}

fn without_digest(members: &mut [Vec<u8>], tag: u16) {
    for digests in members.iter_mut().filter(|member| member.first() == Some(&0xA9)) {
        *digests = with_members(digests, |digests| remove(digests, tag));
    }
}

fn groups() -> Vec<Case> {
    vec![
        never(
            "6.9-13",
            "group 1 is another than the one in the CSO",
            |_, _, _, objects| {
                objects.holder = with_wrong_octet(&objects.holder, -1);
            },
        ),
        never(
            "6.9-14",
            "group 3 is another than the one in the CSO",
            |_, _, _, objects| {
                objects.programmes = with_wrong_octet(&objects.programmes, -1);
            },
        ),
        never(
            "6.9-15",
            "group 4 is another than the one in the CSO",
            |_, _, _, objects| {
                objects.linked_numbers = with_wrong_octet(&objects.linked_numbers, -1);
            },
        ),
        never(
            "6.9-16",
            "group 5 is another than the one in the CSO",
            |_, _, _, objects| {
                objects.representatives = with_wrong_octet(&objects.representatives, -1);
            },
        ),
        never(
            "6.9-17",
            "group 6 is another than the one in the CSO",
            |_, _, _, objects| {
                objects.issuance = with_wrong_octet(&objects.issuance, -1);
            },
        ),
        never(
            "6.9-18",
            "a portrait whose digest is not in the CSO",
            |_, _, _, objects| {
                objects.portrait = Some(tlv(
                    0xFF32,
                    &[tlv(0x80, &[0x22; 16]), tlv(0x5F40, b"face")].concat(),
                ));
            },
        ),
        never(
            "6.9-19",
            "a portrait that is another than the one in the CSO",
            |bench, plan, keys, objects| {
                let portrait = tlv(0xFF32, &[tlv(0x80, &[0x22; 16]), tlv(0x5F40, b"face")].concat());
                objects.portrait = Some(portrait.clone());
                bench.material.sign_cso(plan, keys, objects);
                objects.portrait = Some(with_wrong_octet(&portrait, -1));
            },
        ),
        group("5.1-01", "a salt of 15 octets", |objects| {
            objects.holder = with_members(&objects.holder, |members| set(members, 0x80, &[1; 15]));
        }),
        group("5.1-02", "a name of 193 octets", |objects| {
            objects.holder = with_members(&objects.holder, |members| set(members, 0x5F20, &[b'A'; 193]));
        }),
        group("5.1-03", "a name that is not UTF-8", |objects| {
            objects.holder = with_members(&objects.holder, |members| set(members, 0x5F20, &[0xC3, 0x28]));
        }),
        group("5.1-04", "a name with a control character", |objects| {
            objects.holder = with_members(&objects.holder, |members| set(members, 0x5F20, b"A\x0AB"));
        }),
        group("5.1-05", "a sex other than 1, 2, 3", |objects| {
            objects.holder = with_members(&objects.holder, |members| set(members, 0x5F35, b"4"));
        }),
        group("5.1-06", "no commune", |objects| {
            objects.holder = with_members(&objects.holder, |members| remove(members, 0x84));
        }),
        group("5.1-07", "programmes without DXUA", |objects| {
            objects.programmes = with_members(&objects.programmes, |members| {
                members.pop();
            });
        }),
        group("5.1-08", "ten programmes", |objects| {
            objects.programmes = with_members(&objects.programmes, |members| {
                let last = members.last().cloned().unwrap_or_default();
                members.resize(11, last);
            });
        }),
        group("5.1-09", "three representatives", |objects| {
            objects.representatives = with_members(&objects.representatives, |members| {
                let last = members.last().cloned().unwrap_or_default();
                members.push(last);
            });
        }),
        group(
            "5.1-10",
            "a social insurance number of 11 characters",
            |objects| {
                objects.linked_numbers = with_members(&objects.linked_numbers, |members| {
                    set(members, 0x81, b"79000000011")
                });
            },
        ),
        group("5.1-11", "an agency of 36 characters", |objects| {
            objects.issuance = with_members(&objects.issuance, |members| set(members, 0x81, &[b'A'; 36]));
        }),
        group("5.1-12", "a member behind the last one of a group", |objects| {
            objects.issuance = with_members(&objects.issuance, |members| members.push(tlv(0x84, &[0])));
        }),
    ]
}

fn command() -> Vec<Case> {
    vec![
        Case::new(
            "6.9-20",
            Stage::Loaded,
            "ACTIVATE on a complete card",
            "9000; active, counter 0, head = CSO hash, remembered date = valid-from",
            |bench| {
                let plan = bench.material.plan.clone();
                let mut session = IssuerSession::open(bench)?;
                session.activate(bench)?.refused(0x9000)?;
                let status = session.card_status(bench)?;
                check(status.life_cycle == 0x05, "life cycle is not 05")?;
                check(status.counter == 0, "the receipt counter is not 0")?;
                check(
                    status.head.is_some() && status.head == status.cso_hash,
                    "the head is not the CSO hash",
                )?;
                check(
                    status.date == Some(date(plan.from)),
                    "the remembered date is not the CSO's first day",
                )
            },
        )
        .alone(),
        Case::new(
            "6.9-21",
            Stage::Active,
            "ACTIVATE on an active card",
            "9000, and nothing happens",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                let before = session.card_status(bench)?;
                session.activate(bench)?.refused(0x9000)?;
                check(
                    session.card_status(bench)? == before,
                    "GET DATA tells something else afterwards",
                )
            },
        ),
        issuer_refusal(
            "6.9-22",
            Stage::Personalizing,
            "ACTIVATE with nothing loaded",
            ACTIVATE,
            0x6985,
            nothing,
        ),
        issuer_refusal(
            "6.9-23",
            Stage::Keyed,
            "ACTIVATE with key pairs only",
            ACTIVATE,
            0x6985,
            nothing,
        ),
        Case::new(
            "6.9-24",
            Stage::Keyed,
            "ACTIVATE without a PIN",
            "6985; nothing changed",
            |bench| {
                let plan = bench.material.plan.clone();
                let mut session = IssuerSession::open(bench)?;
                let keys = session.prove_key_pairs(bench, &plan.number)?;
                let load = bench.material.objects(&plan, &keys).concatenated();
                session.store(bench, &load)?;
                refuses(bench, &mut session.secure, ACTIVATE, &[], 0x6985)
            },
        )
        .alone(),
        issuer_refusal(
            "6.9-25",
            Stage::Loaded,
            "P1 = 01",
            [0x80, 0x44, 0x01, 0x00],
            0x6A86,
            nothing,
        ),
        issuer_refusal(
            "6.9-26",
            Stage::Loaded,
            "P2 = 01",
            [0x80, 0x44, 0x00, 0x01],
            0x6A86,
            nothing,
        ),
        issuer_refusal(
            "6.9-27",
            Stage::Loaded,
            "data in ACTIVATE",
            ACTIVATE,
            0x6700,
            |_, _| Ok(vec![0x00]),
        ),
        Case::new(
            "6.9-28",
            Stage::Keyed,
            "a load with a portrait goes live",
            "9000; active",
            |bench| {
                let plan = Plan {
                    portrait: Some(vec![0xA5; 3_000]),
                    ..bench.material.plan.clone()
                };
                bench.reach_with(Stage::Active, &plan)
            },
        )
        .alone(),
    ]
}

fn status() -> Vec<Case> {
    let told = |id, stage, purpose: &str, expected: CardStatus| {
        let words = format!(
            "life cycle {:02X}, flags {:02X}",
            expected.life_cycle, expected.flags
        );
        Case::new(id, stage, purpose, words, move |bench| {
            let status = IssuerSession::open(bench)?.card_status(bench)?;
            let comparable = CardStatus {
                cso_hash: None,
                head: None,
                ..status.clone()
            };
            check(comparable == expected, &format!("GET DATA tells {status:02X?}"))
        })
    };
    let empty = CardStatus {
        life_cycle: 0x01,
        key_version: 1,
        flags: 0,
        cso_hash: None,
        tries: 0,
        counter: 0,
        head: None,
        date: None,
    };
    let personalizing = CardStatus {
        life_cycle: 0x03,
        key_version: 2,
        ..empty.clone()
    };
    const GET_OTHER: [u8; 4] = [0x80, 0xCA, 0x00, 0x66];
    vec![
        told("6.10-01", Stage::Blank, "what a blank card tells", empty),
        told(
            "6.10-02",
            Stage::Personalizing,
            "what a card with issuer keys tells",
            personalizing.clone(),
        ),
        told(
            "6.10-03",
            Stage::Loaded,
            "what a complete card tells",
            CardStatus {
                flags: 0x07,
                tries: 3,
                ..personalizing
            },
        ),
        issuer_refusal(
            "6.10-04",
            Stage::Blank,
            "GET DATA of another object",
            GET_OTHER,
            0x6A88,
            nothing,
        ),
        issuer_refusal(
            "6.10-05",
            Stage::Active,
            "GET DATA with data",
            crate::issuer::GET_STATUS,
            0x6700,
            |_, _| Ok(vec![0x00]),
        ),
        super::support::terminal_refusal(
            "6.10-06",
            Stage::Active,
            "a terminal's GET DATA of another object",
            GET_OTHER,
            0x6A88,
            nothing,
        ),
    ]
}
