//! SPEC 5, 7.4, 7.7 and 14.3: who reads what, and in which parts.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Own as _, Stage, check};
use crate::issuer::{IssuerSession, Plan};
use crate::material::{CardKeys, Objects};
use crate::terminal::{Terminal, TerminalSession, read_file, read_plain_cso};

use super::support::{issuer_refusal, nothing, refuses, terminal_refusal};

/// READ BINARY of a file from its start.
const fn read(short_identifier: u8) -> [u8; 4] {
    [0x80, 0xB0, 0x80 | short_identifier, 0x00]
}

/// What was loaded on the card: the kit makes the same objects again, but for the CSO.
fn loaded(bench: &Bench, session: &TerminalSession) -> Objects {
    let keys = CardKeys {
        agreement: session.cso.agreement,
        signing: session.cso.signing,
    };
    bench.material.objects(&bench.material.plan, &keys)
}

fn terminal_reads(id: &'static str, purpose: &str, file: u8, object: fn(Objects) -> Vec<u8>) -> Case {
    Case::new(
        id,
        Stage::Active,
        purpose,
        "the object that was loaded, in parts of 239 octets",
        move |bench| {
            let mut session = TerminalSession::open(bench)?;
            let expected = object(loaded(bench, &session));
            check(
                session.read_file(bench, file)? == expected,
                "the file is not what was loaded",
            )
        },
    )
}

pub(crate) fn cases() -> Vec<Case> {
    let unreadable =
        |id, stage, purpose, file| terminal_refusal(id, stage, purpose, read(file), 0x6982, nothing);
    vec![
        terminal_reads("14.3-01", "a terminal reads group 1", 0x01, |objects| {
            objects.holder
        }),
        terminal_reads("14.3-02", "a terminal reads group 3", 0x03, |objects| {
            objects.programmes
        }),
        terminal_reads("14.3-03", "a terminal reads group 5", 0x05, |objects| {
            objects.representatives
        }),
        terminal_reads("14.3-04", "a terminal reads the CSO", 0x1D, |objects| objects.cso),
        unreadable("14.3-05", Stage::Active, "a terminal does not read group 4", 0x04),
        unreadable("14.3-06", Stage::Active, "a terminal does not read group 6", 0x06),
        unreadable(
            "14.3-07",
            Stage::Blocked,
            "on a blocked card a terminal does not read group 1",
            0x01,
        ),
        unreadable(
            "14.3-08",
            Stage::Blocked,
            "on a blocked card a terminal does not read group 3",
            0x03,
        ),
        unreadable(
            "14.3-09",
            Stage::Blocked,
            "on a blocked card a terminal does not read group 5",
            0x05,
        ),
        unreadable(
            "14.3-10",
            Stage::Terminated,
            "on a terminated card a terminal does not read group 1",
            0x01,
        ),
        cso_is_read(
            "14.3-11",
            Stage::Blocked,
            "on a blocked card a terminal reads the CSO",
        ),
        cso_is_read(
            "14.3-12",
            Stage::Terminated,
            "on a terminated card a terminal reads the CSO",
        ),
        Case::new(
            "14.3-13",
            Stage::Active,
            "the issuer reads every file",
            "what was loaded",
            |bench| {
                let terminal = TerminalSession::open(bench)?;
                let objects = loaded(bench, &terminal);
                issuer_reads(bench, &objects)
            },
        ),
        Case::new(
            "14.3-14",
            Stage::Blocked,
            "the issuer reads every file of a blocked card",
            "what was loaded",
            |bench| {
                let terminal = TerminalSession::open(bench)?;
                let objects = loaded(bench, &terminal);
                issuer_reads(bench, &objects)
            },
        ),
        terminal_refusal(
            "5.2-01",
            Stage::Active,
            "a portrait that is not there",
            read(0x02),
            0x6A82,
            nothing,
        ),
        Case::new(
            "5.2-02",
            Stage::Keyed,
            "a portrait of 1,000 octets is read in parts",
            "what was loaded",
            |bench| {
                let plan = Plan {
                    portrait: Some((0..1_000).map(|octet| octet as u8).collect()),
                    ..bench.material.plan.clone()
                };
                bench.reach_with(Stage::Active, &plan)?;
                let mut session = TerminalSession::open(bench)?;
                let file = session.read_file(bench, 0x02)?;
                check(
                    file.ends_with(plan.portrait.as_deref().unwrap_or_default()),
                    "not the portrait",
                )
            },
        )
        .alone(),
        terminal_refusal(
            "7.7-01",
            Stage::Active,
            "a file that SPEC 5.1 does not name",
            read(0x0A),
            0x6A82,
            nothing,
        ),
        issuer_refusal(
            "7.7-02",
            Stage::Active,
            "the same in an issuer's session",
            read(0x0A),
            0x6A82,
            nothing,
        ),
        Case::new(
            "7.7-03",
            Stage::Active,
            "offsets at the last octet, at the end and behind it",
            "one octet; 6B00; 6B00",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let length = session.read_file(bench, 0x01)?.len();
                let at = |offset: usize| -> Outcome<[u8; 4]> {
                    let [high, low] = u16::try_from(offset).own("an offset")?.to_be_bytes();
                    Ok([0x80, 0xB0, high, low])
                };
                let last = session.send(bench, at(length - 1)?, &[])?.expect(0x9000)?;
                check(last.len() == 1, "the last octet comes with others")?;
                session.send(bench, at(length)?, &[])?.refused(0x6B00)?;
                session
                    .send(bench, [0x80, 0xB0, 0x7F, 0xFF], &[])?
                    .refused(0x6B00)
            },
        ),
        terminal_refusal(
            "7.7-04",
            Stage::Active,
            "P2 other than 00 with a short identifier",
            [0x80, 0xB0, 0x81, 0x01],
            0x6A86,
            nothing,
        ),
        terminal_refusal(
            "7.7-05",
            Stage::Active,
            "data in READ BINARY",
            read(0x01),
            0x6700,
            |_, _| Ok(vec![0x00]),
        ),
        Case::new(
            "7.7-06",
            Stage::Active,
            "a refused READ BINARY does not make its file current",
            "the next offset reads the file before",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let first = session.send(bench, read(0x01), &[])?.expect(0x9000)?;
                refuses(bench, &mut session.secure, read(0x04), &[], 0x6982)?;
                let again = session
                    .send(bench, [0x80, 0xB0, 0x00, 0x00], &[])?
                    .expect(0x9000)?;
                check(again == first, "another file is current")
            },
        ),
        Case::new(
            "7.4-03",
            Stage::Active,
            "after a valid terminal certificate the CSO is readable in plain, in parts of 239 octets",
            "the CSO",
            |bench| {
                let session = TerminalSession::open(bench)?;
                let expected = loaded(bench, &session).cso;
                bench.select()?;
                Terminal::standard().present(bench)?;
                check(read_plain_cso(bench)? == expected, "not the CSO that was loaded")?;
                let first = bench.command(crate::terminal::READ_CSO, &[])?.expect(0x9000)?;
                check(first.len() == 239, "the first part has not 239 octets")
            },
        ),
        plain_file("7.4-04", "group 1 in plain", 0x81),
        plain_file("7.4-05", "group 3 in plain", 0x83),
        plain_file("7.4-06", "group 5 in plain", 0x85),
        Case::new(
            "7.4-07",
            Stage::Active,
            "READ BINARY of the CSO in plain with data",
            "6700",
            |bench| {
                bench.select()?;
                Terminal::standard().present(bench)?;
                bench.command(crate::terminal::READ_CSO, &[0x00])?.refused(0x6700)
            },
        ),
    ]
}

/// Nothing but the CSO is readable outside a session (SPEC 7.4).
fn plain_file(id: &'static str, purpose: &str, p1: u8) -> Case {
    Case::new(id, Stage::Active, purpose, "6982", move |bench| {
        bench.select()?;
        Terminal::standard().present(bench)?;
        bench.command([0x00, 0xB0, p1, 0x00], &[])?.refused(0x6982)
    })
}

fn cso_is_read(id: &'static str, stage: Stage, purpose: &str) -> Case {
    Case::new(id, stage, purpose, "the CSO", |bench| {
        let mut session = TerminalSession::open(bench)?;
        let expected = loaded(bench, &session).cso;
        check(
            session.read_file(bench, 0x1D)? == expected,
            "not the CSO that was loaded",
        )
    })
}

fn issuer_reads(bench: &mut Bench, objects: &Objects) -> Outcome {
    let mut session = IssuerSession::open(bench)?;
    let files = [
        (0x01, &objects.holder),
        (0x03, &objects.programmes),
        (0x04, &objects.linked_numbers),
        (0x05, &objects.representatives),
        (0x06, &objects.issuance),
        (0x1D, &objects.cso),
    ];
    for (file, object) in files {
        let read = read_file(bench, &mut session.secure, file)?;
        check(
            read == *object,
            &format!("file {file:02X} is not what was loaded"),
        )?;
    }
    Ok(())
}
