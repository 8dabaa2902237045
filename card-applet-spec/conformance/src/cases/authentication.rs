//! SPEC 6.2 to 6.4: mutual authentication of SCP03, and the replacement of its keys.

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use card_spec::scp03::{HostHandshake, encode_put_key};

use crate::bench::{Bench, apdu};
use crate::case::{Case, Outcome, Own as _, Stage, Stop, check};
use crate::encoding::with_wrong_octet;
use crate::issuer::{CardStatus, Challenged, GET_STATUS, IssuerSession, PUT_KEY};

use super::support::issuer_refusal;

pub(crate) fn cases() -> Vec<Case> {
    [handshake(), put_key()].into_iter().flatten().collect()
}

/// EXTERNAL AUTHENTICATE, spoilt; the right one after it comes too late, for the session is dead.
fn spoilt(id: &'static str, purpose: &str, status: u16, spoil: fn(Vec<u8>) -> Vec<u8>) -> Case {
    let expected = format!("{status:04X}, and no session after it");
    Case::new(id, Stage::Blank, purpose, expected, move |bench| {
        bench.select()?;
        let challenged = Challenged::start(bench)?;
        let wrong = spoil(challenged.authenticate.clone());
        bench.plain(&wrong)?.refused(status)?;
        bench.plain(&challenged.authenticate)?.refused(0x6982)
    })
}

fn handshake() -> Vec<Case> {
    vec![
        Case::new(
            "6.2-08",
            Stage::Blank,
            "the card's challenges are random: no two alike",
            "two different card challenges for the same host challenge",
            |bench| {
                bench.select()?;
                let first = Challenged::start(bench)?.card_challenge;
                let second = Challenged::start(bench)?.card_challenge;
                check(first != second, "two card challenges are the same")
            },
        ),
        Case::new(
            "6.3-02",
            Stage::Blank,
            "authentication with the right keys",
            "9000, then GET DATA works",
            |bench| IssuerSession::open(bench)?.card_status(bench).map(drop),
        ),
        spoilt("6.3-03", "a wrong host cryptogram", 0x6982, |apdu| {
            with_wrong_octet(&apdu, 5)
        }),
        spoilt("6.3-04", "a wrong C-MAC", 0x6982, |apdu| {
            with_wrong_octet(&apdu, -1)
        }),
        spoilt("6.3-05", "cryptogram and MAC of zeros", 0x6982, |apdu| {
            [apdu.get(..5).unwrap_or_default(), &[0; 16]].concat()
        }),
        level("6.3-06", "security level 00", 0x00),
        level("6.3-07", "security level 01 (C-MAC only)", 0x01),
        level("6.3-08", "security level 03 (no protection of answers)", 0x03),
        level("6.3-09", "security level 13 (answers not encrypted)", 0x13),
        Case::new(
            "6.3-10",
            Stage::Blank,
            "EXTERNAL AUTHENTICATE of an earlier session again",
            "6982: the card's challenge is another one",
            |bench| {
                bench.select()?;
                let old = Challenged::start(bench)?;
                let replay = old.authenticate.clone();
                old.finish(bench)?;
                bench.select()?;
                Challenged::start(bench)?;
                bench.plain(&replay)?.refused(0x6982)
            },
        ),
        Case::new(
            "6.3-11",
            Stage::Blank,
            "EXTERNAL AUTHENTICATE one octet too short, one too long",
            "6700",
            |bench| {
                for extra in [15, 17] {
                    bench.select()?;
                    let challenged = Challenged::start(bench)?;
                    let mut data = challenged.authenticate.get(5..).unwrap_or_default().to_vec();
                    data.resize(extra, 0);
                    bench
                        .plain(&apdu([0x84, 0x82, 0x33, 0x00], &data)?)?
                        .refused(0x6700)?;
                }
                Ok(())
            },
        ),
        Case::new(
            "6.3-12",
            Stage::Blank,
            "ten wrong attempts in a row block authentication until power-off",
            "INITIALIZE UPDATE answers 6983, and 9000 after power-off",
            |bench| {
                wrong_attempts(bench, 10)?;
                bench.select()?;
                initialize_update(bench)?.refused(0x6983)?;
                bench.power_cycle()?;
                IssuerSession::open(bench).map(drop)
            },
        ),
        Case::new(
            "6.3-13",
            Stage::Blank,
            "nine wrong attempts, a right one, nine wrong ones: not in a row",
            "authentication still works",
            |bench| {
                wrong_attempts(bench, 9)?;
                IssuerSession::open(bench)?;
                wrong_attempts(bench, 9)?;
                IssuerSession::open(bench).map(drop)
            },
        ),
        Case::new(
            "6.3-14",
            Stage::Blank,
            "SELECT between INITIALIZE UPDATE and EXTERNAL AUTHENTICATE ends the handshake",
            "6982",
            |bench| {
                bench.select()?;
                let challenged = Challenged::start(bench)?;
                bench.select()?;
                bench.plain(&challenged.authenticate)?.refused(0x6982)
            },
        ),
        Case::new(
            "6.3-15",
            Stage::Blank,
            "a power cycle ends the session",
            "6982",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                let command = session.secure.protect(GET_STATUS, &[])?;
                bench.power_cycle()?;
                bench.plain(&command)?.refused(0x6982)?;
                bench.select()?;
                bench.plain(&command)?.refused(0x6982)
            },
        ),
    ]
}

fn level(id: &'static str, purpose: &str, level: u8) -> Case {
    Case::new(id, Stage::Blank, purpose, "6A86: only level 33", move |bench| {
        bench.select()?;
        let challenged = Challenged::start(bench)?;
        let mut apdu = challenged.authenticate.clone();
        if let Some(p1) = apdu.get_mut(2) {
            *p1 = level;
        }
        bench.plain(&apdu)?.refused(0x6A86)
    })
}

fn wrong_attempts(bench: &mut Bench, count: usize) -> Outcome {
    for _ in 0..count {
        bench.select()?;
        let challenged = Challenged::start(bench)?;
        let wrong = with_wrong_octet(&challenged.authenticate, 5);
        bench.plain(&wrong)?.refused(0x6982)?;
    }
    Ok(())
}

fn initialize_update(bench: &mut Bench) -> Outcome<crate::channel::Answer> {
    let handshake = HostHandshake::new(bench.random.octets());
    bench.plain(&handshake.initialize_update(0))
}

fn put_key() -> Vec<Case> {
    let spoilt = |id, purpose, place: isize| {
        issuer_refusal(
            id,
            Stage::Personalizing,
            purpose,
            PUT_KEY,
            0x6A80,
            move |bench, session| Ok(with_wrong_octet(&due(bench, session)?, place)),
        )
    };
    vec![
        Case::new(
            "6.4-01",
            Stage::Blank,
            "the first PUT KEY: from blank to personalizing, the session stays, the new keys are in force",
            "new version and check values; life cycle 03; the next session runs on the new keys",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                session.put_key(bench)?;
                let status = session.card_status(bench)?;
                check(
                    (status.life_cycle, status.key_version) == (0x03, 2),
                    "life cycle and key version",
                )?;
                let next = IssuerSession::open(bench)?;
                check(
                    next.key_version == 2,
                    "INITIALIZE UPDATE does not name the new version",
                )
            },
        )
        .alone(),
        Case::new(
            "6.4-02",
            Stage::Active,
            "PUT KEY on an active card changes the keys and nothing else",
            "9000; GET DATA differs in the key version only",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                let before = session.card_status(bench)?;
                session.put_key(bench)?;
                let after = session.card_status(bench)?;
                let key_version = before.key_version + 1;
                check(
                    after
                        == CardStatus {
                            key_version,
                            ..before
                        },
                    "more than the key version changed",
                )
            },
        )
        .alone(),
        spoilt("6.4-03", "a wrong check value of the first key", 23),
        spoilt("6.4-04", "a wrong check value of the last key", -1),
        spoilt("6.4-05", "a wrong octet of an encrypted key", 10),
        spoilt("6.4-06", "another key type than AES (88)", 1),
        spoilt("6.4-07", "another length of a key", 3),
        spoilt("6.4-08", "another length of a check value", 20),
        issuer_refusal(
            "6.4-09",
            Stage::Personalizing,
            "the present version again",
            PUT_KEY,
            0x6A80,
            |bench, session| session.put_key_data(bench, session.key_version),
        ),
        issuer_refusal(
            "6.4-10",
            Stage::Personalizing,
            "a version left out",
            PUT_KEY,
            0x6A80,
            |bench, session| session.put_key_data(bench, session.key_version + 2),
        ),
        issuer_refusal(
            "6.4-11",
            Stage::Personalizing,
            "back to version 01",
            PUT_KEY,
            0x6A80,
            |bench, session| session.put_key_data(bench, 1),
        ),
        issuer_refusal(
            "6.4-12",
            Stage::Personalizing,
            "keys encrypted under another key than the DEK",
            PUT_KEY,
            0x6A80,
            |bench, session| {
                let version = session.key_version + 1;
                let new = bench.material.issuer_keys(version);
                Ok(encode_put_key(version, &new, &session.keys.mac)
                    .own("PUT KEY")?
                    .to_vec())
            },
        ),
        issuer_refusal(
            "6.4-13",
            Stage::Personalizing,
            "P1 other than 00",
            [0x80, 0xD8, 0x02, 0x81],
            0x6A86,
            due,
        ),
        issuer_refusal(
            "6.4-14",
            Stage::Personalizing,
            "P2 other than 81",
            [0x80, 0xD8, 0x00, 0x01],
            0x6A86,
            due,
        ),
        lengths("6.4-15", "one octet too short", 69),
        lengths("6.4-16", "one octet too long", 71),
        Case::new(
            "6.4-17",
            Stage::Blank,
            "the transport keys are of no use after PUT KEY",
            "6982",
            |bench| {
                IssuerSession::open(bench)?.put_key(bench)?;
                bench.select()?;
                let handshake = HostHandshake::new(bench.random.octets());
                let answer = bench.plain(&handshake.initialize_update(0))?.expect(0x9000)?;
                let response = card_spec::scp03::InitializeUpdateResponse::parse(&answer)
                    .map_err(|error| Stop::Failed(error.to_string()))?;
                let old = bench.transport().keys_of(&response.chip_serial);
                check(
                    handshake.card_response(&old, &response).is_err(),
                    "the card still authenticates with its transport keys",
                )
            },
        )
        .alone(),
        issuer_refusal(
            "6.4-18",
            Stage::Personalizing,
            "the factory key 40…4F as ENC",
            PUT_KEY,
            0x6A80,
            |bench, session| {
                let factory: [u8; 16] = std::array::from_fn(|octet| 0x40 + octet as u8);
                let encrypted = aes(session.keys.dek.as_bytes(), factory)?;
                let [first, second, third, ..] = aes(&factory, [0x01; 16])?;
                let check_value = [0x03, first, second, third];
                let block = [&[0x88, 0x11, 0x10], &encrypted[..], &check_value].concat();
                let mut data = due(bench, session)?;
                data.splice(1..1 + block.len(), block);
                Ok(data)
            },
        ),
        Case::new(
            "15-01",
            Stage::Personalizing,
            "the last key version is 7F",
            "126 replacements, then 6A80",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                while session.key_version < 0x7F {
                    session.put_key(bench)?;
                }
                let data = session.put_key_data(bench, 0x80)?;
                session.send(bench, PUT_KEY, &data)?.refused(0x6A80)
            },
        )
        .alone(),
    ]
}

/// The data of the next PUT KEY.
fn due(bench: &mut Bench, session: &IssuerSession) -> Outcome<Vec<u8>> {
    session.put_key_data(bench, session.key_version + 1)
}

/// One block of AES-128.
fn aes(key: &[u8], block: [u8; 16]) -> Outcome<[u8; 16]> {
    let cipher = Aes128::new_from_slice(key).own("a key of AES-128")?;
    let mut block = block.into();
    cipher.encrypt_block(&mut block);
    Ok(block.into())
}

fn lengths(id: &'static str, purpose: &str, length: usize) -> Case {
    issuer_refusal(
        id,
        Stage::Personalizing,
        purpose,
        PUT_KEY,
        0x6A80,
        move |bench, session| {
            let mut data = due(bench, session)?;
            data.resize(length, 0x03);
            Ok(data)
        },
    )
}
