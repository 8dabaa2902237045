//! SPEC 7.5 and 7.6: key agreement, and the binding of the CSO to the session.

use card_spec::crypto::SecretKey;
use card_spec::scp11::TerminalAgreement;

use crate::bench::{Bench, apdu};
use crate::case::{Case, Outcome, Own as _, Stage, Stop, check};
use crate::encoding::{find, tlv, with_wrong_octet};
use crate::issuer::{GET_STATUS, check_signature};
use crate::terminal::{
    INTERNAL_AUTHENTICATE, MUTUAL_AUTHENTICATE, Terminal, TerminalSession, agree, binding,
};

use super::support::{none_of, nothing, terminal_refusal};

/// A fresh MUTUAL AUTHENTICATE of a terminal that has shown its certificates.
fn request(bench: &mut Bench) -> Outcome<Vec<u8>> {
    bench.select()?;
    Terminal::standard().present(bench)?;
    let agreement = TerminalAgreement::new(SecretKey::generate(&mut bench.random));
    Ok(agreement.command_data().to_vec())
}

/// MUTUAL AUTHENTICATE with spoilt data; there is no session after it.
fn spoilt(id: &'static str, purpose: &str, spoil: fn(Vec<u8>) -> Vec<u8>) -> Case {
    Case::new(id, Stage::Active, purpose, "6A80; no session", move |bench| {
        let data = spoil(request(bench)?);
        bench.command(MUTUAL_AUTHENTICATE, &data)?.refused(0x6A80)?;
        // In a session it would be 6988 (SPEC 8.4, 14.2).
        let command = apdu([0x84, 0xCA, 0xFF, 0x3F], &[0x5A; 8])?;
        bench.plain(&command)?.refused(0x6982)
    })
}

pub(crate) fn cases() -> Vec<Case> {
    [key_agreement(), session_binding()]
        .into_iter()
        .flatten()
        .collect()
}

fn key_agreement() -> Vec<Case> {
    vec![
        Case::new(
            "7.5-04",
            Stage::Active,
            "key agreement, and a first command",
            "receipt and R-MAC verify",
            |bench| {
                let (mut session, _) = Terminal::standard().agree(bench)?;
                session.card_status(bench).map(drop)
            },
        ),
        Case::new(
            "7.5-05",
            Stage::Active,
            "the card's ephemeral keys are new each time",
            "two different keys and receipts",
            |bench| {
                let mut keys = Vec::new();
                for _ in 0..2 {
                    let data = request(bench)?;
                    let answer = bench.command(MUTUAL_AUTHENTICATE, &data)?.expect(0x9000)?;
                    keys.push(find(&answer, 0x5F49));
                }
                check(keys.first() != keys.last(), "the same ephemeral key twice")
            },
        ),
        Case::new(
            "7.5-06",
            Stage::Active,
            "each octet of the control reference changed",
            "6A80 for each",
            |bench| {
                let mut accepted = Vec::new();
                for place in 0..15 {
                    let data = with_wrong_octet(&request(bench)?, place);
                    let answer = bench.command(MUTUAL_AUTHENTICATE, &data)?;
                    if answer.status != 0x6A80 {
                        accepted.push(format!("octet {place}: {:04X}", answer.status));
                    }
                }
                none_of(&accepted, "changed")
            },
        ),
        spoilt("7.5-07", "an ephemeral key that is not on the curve", |data| {
            with_wrong_octet(&data, -1)
        }),
        spoilt("7.5-08", "an ephemeral key of zeros", |data| {
            let start = data.get(..18).unwrap_or_default();
            [start, &[0x04], &[0; 64]].concat()
        }),
        spoilt("7.5-09", "an ephemeral key in compressed form", |data| {
            let (start, x) = (
                data.get(..15).unwrap_or_default(),
                data.get(19..51).unwrap_or_default(),
            );
            [start, &tlv(0x5F49, &[&[0x02], x].concat())].concat()
        }),
        spoilt("7.5-10", "one octet too short", |mut data| {
            data.pop();
            data
        }),
        spoilt("7.5-11", "one octet too long", |data| [data, vec![0x00]].concat()),
        Case::new(
            "7.5-12",
            Stage::Active,
            "another key version in P1",
            "6A86",
            |bench| {
                let data = request(bench)?;
                bench.command([0x80, 0x82, 0x02, 0x11], &data)?.refused(0x6A86)
            },
        ),
        Case::new(
            "7.5-13",
            Stage::Active,
            "another key identifier in P2",
            "6A86",
            |bench| {
                let data = request(bench)?;
                bench.command([0x80, 0x82, 0x01, 0x15], &data)?.refused(0x6A86)
            },
        ),
        Case::new(
            "7.5-14",
            Stage::Active,
            "a terminal that has not the key of the certificate that it shows",
            "6988 to its first command; the session is dead",
            |bench| {
                let session = TerminalSession::open(bench)?;
                bench.select()?;
                Terminal::standard().present(bench)?;
                let thief = bench.material.secret("a thief");
                // The receipt is wrong for the thief, who goes on all the same with keys that cannot fit.
                let agreed = agree(bench, &thief, &session.cso.agreement);
                check(
                    agreed.is_err(),
                    "the card's receipt fits a key that is not the certificate's",
                )?;
                let command = apdu([0x84, 0xCA, 0xFF, 0x3F], &[0x5A; 8])?;
                bench.plain(&command)?.refused(0x6988)?;
                bench.plain(&command)?.refused(0x6982)
            },
        ),
        Case::new(
            "7.5-15",
            Stage::Active,
            "MUTUAL AUTHENTICATE twice: the second one is a plain command in a session",
            "6987; the session is dead",
            |bench| {
                let (mut session, _) = Terminal::standard().agree(bench)?;
                let agreement = TerminalAgreement::new(SecretKey::generate(&mut bench.random));
                bench
                    .command(MUTUAL_AUTHENTICATE, agreement.command_data())?
                    .refused(0x6987)?;
                let command = session.secure.protect(GET_STATUS, &[])?;
                bench.plain(&command)?.refused(0x6982)
            },
        ),
    ]
}

fn session_binding() -> Vec<Case> {
    vec![
        Case::new(
            "7.6-01",
            Stage::Active,
            "INTERNAL AUTHENTICATE signs session receipt, CSO hash and terminal",
            "a signature of 64 octets that verifies",
            |bench| TerminalSession::open(bench).map(drop),
        ),
        Case::new(
            "7.6-02",
            Stage::Active,
            "the signature is over this session: that of another one does not verify",
            "two sessions have different receipts",
            |bench| {
                let mut signed = Vec::new();
                for _ in 0..2 {
                    let (mut session, receipt) = Terminal::standard().agree(bench)?;
                    let answer = session.send(bench, INTERNAL_AUTHENTICATE, &[])?.expect(0x9000)?;
                    let signature = find(&answer, 0x5F37).own("a signature")?;
                    let message = binding(&receipt, &session.cso.hash, &session.name);
                    check_signature(&session.cso.signing, &message, &signature)?;
                    signed.push((message, signature, session.cso.signing));
                }
                let [(message, ..), (_, signature, key)] = &signed[..] else {
                    return Err(Stop::Kit("two sessions are needed".to_owned()));
                };
                check(
                    check_signature(key, message, signature).is_err(),
                    "the signature of one session verifies in the other",
                )
            },
        ),
        terminal_refusal(
            "7.6-03",
            Stage::Active,
            "P1 = 01",
            [0x80, 0x88, 0x01, 0x00],
            0x6A86,
            nothing,
        ),
        terminal_refusal(
            "7.6-04",
            Stage::Active,
            "P2 = 01",
            [0x80, 0x88, 0x00, 0x01],
            0x6A86,
            nothing,
        ),
        terminal_refusal(
            "7.6-05",
            Stage::Active,
            "data in INTERNAL AUTHENTICATE",
            INTERNAL_AUTHENTICATE,
            0x6700,
            |_, _| Ok(vec![0x00; 8]),
        ),
        Case::new(
            "7.6-06",
            Stage::Blocked,
            "a blocked card proves itself",
            "the signature verifies",
            |bench| TerminalSession::open(bench).map(drop),
        ),
        Case::new(
            "7.6-07",
            Stage::Terminated,
            "a terminated card proves itself",
            "the signature verifies",
            |bench| TerminalSession::open(bench).map(drop),
        ),
    ]
}
