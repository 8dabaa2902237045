//! SPEC 13.10: a card blocks itself when a terminal shows it the issuer's block list.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage, check};
use crate::encoding::{remove, set, with_long_length, with_wrong_octet};
use crate::issuer::IssuerSession;
use crate::material::{BlockList, Certificate, NEXT_ISSUER, OTHER_ISSUER, Script, card_number, hash};
use crate::terminal::{DEACTIVATE_ENTRY, DEACTIVATE_LIST, TerminalSession};

use super::issuer_scripts::execute;
use super::receipts::{read_receipt, read_subject};
use super::support::refuses;

/// A list of this number that blocks the card under test.
fn list(bench: &Bench, number: u32) -> BlockList {
    BlockList::with(number, &bench.material.plan.number)
}

/// A header that must be refused.
fn header(id: &'static str, purpose: &str, status: u16, make: fn(&Bench) -> Vec<u8>) -> Case {
    Case::new(
        id,
        Stage::Active,
        purpose,
        format!("{status:04X}; nothing changed"),
        move |bench| {
            let mut session = TerminalSession::open(bench)?;
            let data = make(bench);
            refuses(bench, &mut session.secure, DEACTIVATE_LIST, &data, status)?;
            // Nothing of it is kept.
            let proof = list(bench, 5).proof().concat();
            refuses(bench, &mut session.secure, DEACTIVATE_ENTRY, &proof, 0x6A88)
        },
    )
}

/// An entry that must be refused after a good header.
fn entry(id: &'static str, purpose: &str, status: u16, change: fn(&mut Vec<Vec<u8>>)) -> Case {
    Case::new(
        id,
        Stage::Active,
        purpose,
        format!("{status:04X}; still active"),
        move |bench| {
            let list = list(bench, 5);
            let mut session = TerminalSession::open(bench)?;
            let header = bench.material.block_list(&list);
            session.send(bench, DEACTIVATE_LIST, &header)?.refused(0x9000)?;
            let mut proof = list.proof();
            change(&mut proof);
            refuses(
                bench,
                &mut session.secure,
                DEACTIVATE_ENTRY,
                &proof.concat(),
                status,
            )
        },
    )
}

/// Blocks the card by a list of this number; the data object of the receipt.
fn block(bench: &mut Bench, session: &mut TerminalSession, number: u32) -> Outcome<Vec<u8>> {
    let list = list(bench, number);
    let header = bench.material.block_list(&list);
    session.send(bench, DEACTIVATE_LIST, &header)?.refused(0x9000)?;
    session
        .send(bench, DEACTIVATE_ENTRY, &list.proof().concat())?
        .expect(0x9000)
}

pub(crate) fn cases() -> Vec<Case> {
    [effect(), headers(), entries()].into_iter().flatten().collect()
}

fn effect() -> Vec<Case> {
    vec![
        Case::new(
            "13.10-01",
            Stage::Active,
            "a card on the list blocks itself",
            "a receipt of kind 04 for the header's body; life cycle 04; orders answer 634C",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let object = block(bench, &mut session, 5)?;
                let receipt = session.receipt(&object)?;
                check(receipt.kind == 0x04, "the kind is not 04")?;
                check(
                    receipt.done == hash(&list(bench, 5).body()),
                    "the receipt is for something else",
                )?;
                check(
                    session.card_status(bench)?.life_cycle == 0x04,
                    "life cycle is not 04",
                )?;
                let order = session.order(bench);
                session.disburse(bench, &order)?.refused(0x634C)?;
                check(bench.select()? == Stage::Blocked, "SELECT does not say blocked")
            },
        )
        .alone(),
        Case::new(
            "13.10-02",
            Stage::Active,
            "the list is read back",
            "its receipt and the header as it came",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let receipt = block(bench, &mut session, 5)?;
                let header = bench.material.block_list(&list(bench, 5));
                check(
                    session.send(bench, read_receipt(1), &[])?.expect(0x9000)? == receipt,
                    "not the receipt",
                )?;
                check(
                    session.send(bench, read_subject(1), &[])?.expect(0x9000)? == header,
                    "not the header",
                )
            },
        )
        .alone(),
        Case::new(
            "13.10-03",
            Stage::Active,
            "after unblocking, lists up to the script's number block the card no more",
            "634D for number 5 and 7, 9000 for 8",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                block(bench, &mut session, 5)?;
                let counter = session.card_status(bench)?.counter;
                execute(bench, &mut session, &Script::unblock(counter, 7))?;
                let mut session = TerminalSession::open(bench)?;
                for number in [5, 7] {
                    let old = bench.material.block_list(&list(bench, number));
                    refuses(bench, &mut session.secure, DEACTIVATE_LIST, &old, 0x634D)?;
                }
                block(bench, &mut session, 8).map(drop)
            },
        )
        .alone(),
        Case::new(
            "13.10-04",
            Stage::Active,
            "the header dies with the session",
            "6A88 in the next one",
            |bench| {
                let list = list(bench, 5);
                let header = bench.material.block_list(&list);
                let mut session = TerminalSession::open(bench)?;
                session.send(bench, DEACTIVATE_LIST, &header)?.refused(0x9000)?;
                let mut next = TerminalSession::open(bench)?;
                refuses(
                    bench,
                    &mut next.secure,
                    DEACTIVATE_ENTRY,
                    &list.proof().concat(),
                    0x6A88,
                )
            },
        ),
        Case::new(
            "13.10-05",
            Stage::Active,
            "the same issuer with its next key and its certificate",
            "9000",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let certificate = bench.material.certify(&Certificate {
                    holder: NEXT_ISSUER,
                    ..Certificate::issuer()
                });
                let mut members = crate::encoding::objects(crate::encoding::split(&list(bench, 5).body()).2);
                set(&mut members, 0x42, NEXT_ISSUER.as_bytes());
                let body = crate::encoding::tlv(0xFF25, &members.concat());
                let data = [certificate, bench.material.signed(&body, NEXT_ISSUER)].concat();
                session.send(bench, DEACTIVATE_LIST, &data)?.refused(0x9000)
            },
        ),
        Case::new(
            "13.10-06",
            Stage::Active,
            "DEACTIVATE in an issuer's session",
            "6D00",
            |bench| {
                let header = bench.material.block_list(&list(bench, 5));
                let mut session = IssuerSession::open(bench)?;
                session.send(bench, DEACTIVATE_LIST, &header)?.refused(0x6D00)
            },
        ),
    ]
}

fn headers() -> Vec<Case> {
    vec![
        header("13.10-07", "a header with a wrong signature", 0x6982, |bench| {
            with_wrong_octet(&bench.material.block_list(&list(bench, 5)), -1)
        }),
        header("13.10-08", "a header signed by another issuer", 0x6982, |bench| {
            bench.material.signed(&list(bench, 5).body(), OTHER_ISSUER)
        }),
        header(
            "13.10-09",
            "a header of another issuer without its certificate",
            0x6A88,
            |bench| {
                let mut members = crate::encoding::objects(crate::encoding::split(&list(bench, 5).body()).2);
                set(&mut members, 0x42, OTHER_ISSUER.as_bytes());
                bench
                    .material
                    .signed(&crate::encoding::tlv(0xFF25, &members.concat()), OTHER_ISSUER)
            },
        ),
        header(
            "13.10-10",
            "a number that is not above the card's block list number",
            0x634D,
            |bench| bench.material.block_list(&list(bench, 0)),
        ),
        header(
            "13.10-11",
            "a header in a form that is not canonical",
            0x6A80,
            |bench| with_long_length(&bench.material.block_list(&list(bench, 5))),
        ),
        header("13.10-12", "a script in the place of a header", 0x6A80, |bench| {
            bench.material.script(&Script::block(0))
        }),
        Case::new(
            "13.10-13",
            Stage::Active,
            "another P1, another P2",
            "6A86; nothing changed",
            |bench| {
                let header = bench.material.block_list(&list(bench, 5));
                let mut session = TerminalSession::open(bench)?;
                for wrong in [[0x80, 0x04, 0x02, 0x00], [0x80, 0x04, 0x00, 0x01]] {
                    refuses(bench, &mut session.secure, wrong, &header, 0x6A86)?;
                }
                Ok(())
            },
        ),
    ]
}

fn entries() -> Vec<Case> {
    vec![
        Case::new(
            "13.10-14",
            Stage::Active,
            "an entry without a header",
            "6A88; still active",
            |bench| {
                let proof = list(bench, 5).proof().concat();
                let mut session = TerminalSession::open(bench)?;
                refuses(bench, &mut session.secure, DEACTIVATE_ENTRY, &proof, 0x6A88)
            },
        ),
        entry("13.10-15", "the entry of another card", 0x6349, |proof| {
            let other = BlockList::with(5, &card_number(790_000_000_000_002));
            *proof = other.proof();
        }),
        entry("13.10-16", "a path that leads elsewhere", 0x6982, |proof| {
            if let Some(path) = proof.last_mut() {
                *path = with_wrong_octet(path, -1);
            }
        }),
        entry("13.10-17", "another index", 0x6982, |proof| {
            set(proof, 0x81, &2u32.to_be_bytes())
        }),
        entry("13.10-18", "an index behind the last entry", 0x6982, |proof| {
            set(proof, 0x81, &3u32.to_be_bytes())
        }),
        entry("13.10-19", "another reason than in the list", 0x6982, |proof| {
            if let Some(entry) = proof.first_mut() {
                *entry = crate::encoding::with_members(entry, |members| set(members, 0x80, &[2]));
            }
        }),
        entry("13.10-20", "a path that is too short", 0x6982, |proof| {
            set(proof, 0x82, &[0; 32]);
        }),
        entry("13.10-21", "a path of 33 octets", 0x6A80, |proof| {
            set(proof, 0x82, &[0; 33])
        }),
        entry("13.10-22", "no index", 0x6A80, |proof| remove(proof, 0x81)),
        entry("13.10-23", "an octet behind the path", 0x6A80, |proof| {
            proof.push(vec![0x00])
        }),
    ]
}
