//! SPEC 8: secure messaging, and every way out of it.

use crate::bench::{Bench, SELECT, apdu};
use crate::case::{Case, Outcome, Own as _, Stage, check};
use crate::encoding::with_wrong_octet;
use crate::issuer::{GET_STATUS, IssuerSession};
use crate::terminal::{DISBURSE, INTERNAL_AUTHENTICATE, Terminal, TerminalSession, VERIFY};

use super::support::none_of;

/// What is sent instead of a protected GET DATA, in a session of each kind; the session is dead after it.
fn ends(id: &'static str, purpose: &str, statuses: &'static [u16], spoil: fn(Vec<u8>) -> Vec<u8>) -> Case {
    let words: Vec<String> = statuses.iter().map(|status| format!("{status:04X}")).collect();
    let expected = format!(
        "{}, then 6982 until SELECT, in either kind of session",
        words.join(" or ")
    );
    Case::new(id, Stage::Active, purpose, expected, move |bench| {
        let mut issuer = IssuerSession::open(bench)?;
        let right = issuer.secure.protect(GET_STATUS, &[])?;
        dead_after(bench, &right, &spoil(right.clone()), statuses)?;
        let mut terminal = TerminalSession::open(bench)?;
        let right = terminal.secure.protect(GET_STATUS, &[])?;
        dead_after(bench, &right, &spoil(right.clone()), statuses)
    })
}

fn dead_after(bench: &mut Bench, right: &[u8], wrong: &[u8], statuses: &[u16]) -> Outcome {
    let answer = bench.plain(wrong)?;
    let status = statuses.iter().copied().find(|status| *status == answer.status);
    answer.refused(status.unwrap_or(statuses.first().copied().unwrap_or_default()))?;
    bench.plain(right)?.refused(0x6982)?;
    bench.command([0x80, 0xCA, 0xFF, 0x3F], &[])?.refused(0x6982)?;
    bench.plain(&SELECT)?.expect(0x9000).map(drop)
}

pub(crate) fn cases() -> Vec<Case> {
    [protection(), replay(), chaining()]
        .into_iter()
        .flatten()
        .collect()
}

fn protection() -> Vec<Case> {
    vec![
        ends("8.4-01", "a wrong MAC", &[0x6988], |command| {
            with_wrong_octet(&command, -2)
        }),
        ends(
            "8.4-02",
            "the first octet of the MAC wrong",
            &[0x6988],
            |command| with_wrong_octet(&command, -9),
        ),
        ends(
            "8.4-03",
            "another instruction under the same MAC",
            &[0x6988],
            |command| with_wrong_octet(&command, 1),
        ),
        ends("8.4-04", "another P1 under the same MAC", &[0x6988], |command| {
            with_wrong_octet(&command, 2)
        }),
        ends("8.4-05", "another P2 under the same MAC", &[0x6988], |command| {
            with_wrong_octet(&command, 3)
        }),
        ends("8.4-06", "a command in plain", &[0x6987], |_| {
            vec![0x80, 0xCA, 0xFF, 0x3F, 0x00]
        }),
        ends("8.4-07", "a command in plain of class 00", &[0x6987], |_| {
            vec![0x00, 0xB0, 0x9D, 0x00, 0x00]
        }),
        ends(
            "8.4-08",
            "the class bit of secure messaging missing",
            &[0x6987],
            |mut command| {
                command.splice(..1, [0x80]);
                command
            },
        ),
        ends("8.4-09", "a protected class without data", &[0x6987], |_| {
            vec![0x84, 0xCA, 0xFF, 0x3F, 0x00]
        }),
        ends(
            "8.4-10",
            "seven octets, no room for a MAC",
            &[0x6987, 0x6988],
            |_| vec![0x84, 0xCA, 0xFF, 0x3F, 0x07, 1, 2, 3, 4, 5, 6, 7, 0x00],
        ),
        ends("8.4-11", "a MAC of zeros", &[0x6988], |_| {
            [&[0x84, 0xCA, 0xFF, 0x3F, 0x08][..], &[0; 8], &[0x00]].concat()
        }),
        ends(
            "8.4-12",
            "octets that are no command",
            &[0x6700],
            |mut command| {
                command.push(0x00);
                command
            },
        ),
        ends(
            "8.4-13",
            "the class of a logical channel",
            &[0x6E00],
            |mut command| {
                command.splice(..1, [0x85]);
                command
            },
        ),
        ends("8.4-18", "the class FF", &[0x6E00], |mut command| {
            command.splice(..1, [0xFF]);
            command
        }),
        ends("8.4-19", "an instruction of 6X", &[0x6D00], |mut command| {
            command.splice(1..2, [0x6A]);
            command
        }),
        ends("8.4-20", "an instruction of 9X", &[0x6D00], |mut command| {
            command.splice(1..2, [0x9A]);
            command
        }),
        ends(
            "8.4-14",
            "ciphertext that is not of whole blocks",
            &[0x6988],
            |_| [&[0x84, 0xCA, 0xFF, 0x3F, 0x0D][..], &[0; 13], &[0x00]].concat(),
        ),
        Case::new(
            "8.4-15",
            Stage::Active,
            "a bit turned in every third octet of a protected VERIFY",
            "never carried out; no try is lost",
            turned_bits,
        ),
        Case::new(
            "8.4-16",
            Stage::Active,
            "SELECT ends a session",
            "6982",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let command = session.secure.protect(GET_STATUS, &[])?;
                bench.select()?;
                bench.plain(&command)?.refused(0x6982)
            },
        ),
        Case::new(
            "8.4-17",
            Stage::Active,
            "a SELECT that fails ends the session as well",
            "6A82, then 6982",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let command = session.secure.protect(GET_STATUS, &[])?;
                let other = [0x00, 0xA4, 0x04, 0x00, 0x05, 0xA0, 0x00, 0x00, 0x01, 0x51, 0x00];
                bench.plain(&other)?.refused(0x6A82)?;
                bench.plain(&command)?.refused(0x6982)
            },
        ),
        Case::new(
            "8.3-01",
            Stage::Active,
            "9000, 63CX and 634X come protected, other status words bare",
            "R-MAC and R-ENC on the first three, two octets for the last",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                session.card_status(bench)?;
                session.send(bench, VERIFY, &[])?.refused(0x63C3)?;
                let order = session.order(bench);
                session.disburse(bench, &order)?.refused(0x6346)?;
                session
                    .send(bench, [0x80, 0xCA, 0x00, 0x66], &[])?
                    .refused(0x6A88)?;
                session.card_status(bench).map(drop)
            },
        ),
        Case::new(
            "8.1-01",
            Stage::Active,
            "a class other than 84 with a right MAC",
            "6E00",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                session
                    .secure
                    .exchange(bench, [0x00, 0xCA, 0xFF, 0x3F], &[])?
                    .refused(0x6E00)
            },
        ),
        Case::new(
            "8.2-01",
            Stage::Active,
            "223 octets of plaintext in a command, and 239 in an answer",
            "neither is refused for its length",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                session.send(bench, DISBURSE, &[0xFF; 223])?.refused(0x6A80)?;
                let part = session
                    .send(bench, [0x80, 0xB0, 0x9D, 0x00], &[])?
                    .expect(0x9000)?;
                check(part.len() == 239, "the answer has not 239 octets")
            },
        ),
    ]
}

fn turned_bits(bench: &mut Bench) -> Outcome {
    let mut carried_out = Vec::new();
    let length = {
        let mut session = TerminalSession::open(bench)?;
        session
            .secure
            .protect(VERIFY, &crate::terminal::pin_data(b"000000", 1, 1))?
            .len()
    };
    // The last octet is Le, which no MAC covers.
    for place in (0..length - 1).step_by(3) {
        let mut session = TerminalSession::open(bench)?;
        let right = session
            .secure
            .protect(VERIFY, &crate::terminal::pin_data(b"000000", 1, 1))?;
        let spoilt = with_wrong_octet(&right, isize::try_from(place).own("a place")?);
        let answer = bench.plain(&spoilt)?;
        if answer.status == 0x9000 || answer.status & 0xFF00 == 0x6300 {
            carried_out.push(place.to_string());
        }
    }
    none_of(&carried_out, "carried out with a bit turned in octet")?;
    let mut session = TerminalSession::open(bench)?;
    check(session.card_status(bench)?.tries == 3, "a try was lost")
}

fn replay() -> Vec<Case> {
    vec![
        Case::new(
            "8.1-02",
            Stage::Active,
            "a protected command sent twice",
            "6988; the session is dead",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let command = session.secure.protect(GET_STATUS, &[])?;
                bench.plain(&command)?.expect(0x9000)?;
                dead_after(bench, &command, &command, &[0x6988])
            },
        ),
        Case::new(
            "8.1-03",
            Stage::Active,
            "a protected command left out",
            "6988; the session is dead",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let lost = session.secure.protect(GET_STATUS, &[])?;
                // The kit believes that it was answered: anybody can make up a bare status word (SPEC 8.3).
                session.secure.unprotect(&[0x6A, 0x88])?;
                let next = session.secure.protect(GET_STATUS, &[])?;
                dead_after(bench, &lost, &next, &[0x6988])
            },
        ),
        Case::new(
            "8.1-04",
            Stage::Active,
            "a protected command of another session of the same terminal",
            "6988; the session is dead",
            |bench| {
                let mut one = TerminalSession::open(bench)?;
                let spliced = one.secure.protect(GET_STATUS, &[])?;
                let mut other = TerminalSession::open(bench)?;
                let right = other.secure.protect(GET_STATUS, &[])?;
                dead_after(bench, &right, &spliced, &[0x6988])
            },
        ),
        Case::new(
            "8.1-05",
            Stage::Active,
            "a protected command of an issuer's session in a terminal's",
            "6988; the session is dead",
            |bench| {
                let mut issuer = IssuerSession::open(bench)?;
                let spliced = issuer.secure.protect(GET_STATUS, &[])?;
                let mut terminal = TerminalSession::open(bench)?;
                let right = terminal.secure.protect(GET_STATUS, &[])?;
                dead_after(bench, &right, &spliced, &[0x6988])
            },
        ),
        Case::new(
            "8.1-06",
            Stage::Active,
            "the first command of a session again as the second",
            "6988: the chaining value has moved on",
            |bench| {
                let (mut session, _) = Terminal::standard().agree(bench)?;
                let first = session.secure.protect(INTERNAL_AUTHENTICATE, &[])?;
                let answer = bench.transmit("INTERNAL AUTHENTICATE", &first)?;
                session.secure.unprotect(&answer)?;
                session.card_status(bench)?;
                dead_after(bench, &first, &first, &[0x6988])
            },
        ),
        Case::new(
            "8.1-07",
            Stage::Active,
            "the same command twice in a session looks different each time, and so do the answers",
            "no two ciphertexts alike",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let mut answers = Vec::new();
                for _ in 0..2 {
                    let command = session.secure.protect(GET_STATUS, &[])?;
                    let answer = bench.transmit("GET DATA", &command)?;
                    session.secure.unprotect(&answer)?;
                    answers.push(answer);
                }
                check(
                    answers.first() != answers.last(),
                    "two answers are the same octets",
                )
            },
        ),
    ]
}

fn chaining() -> Vec<Case> {
    vec![
        Case::new(
            "8.5-05",
            Stage::Active,
            "in a session VERIFY is not chained",
            "6E00; the session goes on",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                session
                    .send(bench, [0x90, 0x20, 0x00, 0x81], &[0x80, 0x06])?
                    .refused(0x6E00)?;
                session.card_status(bench).map(drop)
            },
        ),
        Case::new(
            "8.5-06",
            Stage::Active,
            "in a session STORE DATA is not chained",
            "6E00; the session goes on",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                session
                    .send(bench, [0x90, 0xE2, 0x00, 0x00], &[0xFF; 8])?
                    .refused(0x6E00)?;
                session.card_status(bench).map(drop)
            },
        ),
        broken(
            "8.5-07",
            "a chain continued with another P1",
            [0x80, 0x54, 0x01, 0x00],
        ),
        broken(
            "8.5-08",
            "a chain continued with another P2",
            [0x80, 0x54, 0x00, 0x01],
        ),
        broken("8.5-09", "a chain continued with another instruction", GET_STATUS),
        Case::new(
            "8.5-10",
            Stage::Active,
            "a chain of 513 octets",
            "6883; the session goes on",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let chained = [0x90, 0x54, 0x00, 0x00];
                session.send(bench, chained, &[0xFF; 223])?.refused(0x9000)?;
                session.send(bench, chained, &[0xFF; 223])?.refused(0x9000)?;
                session.send(bench, DISBURSE, &[0xFF; 67])?.refused(0x6883)?;
                session.card_status(bench).map(drop)
            },
        ),
        Case::new(
            "8.5-11",
            Stage::Active,
            "a chain of 512 octets",
            "taken as a whole, and refused for its encoding",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let chained = [0x90, 0x54, 0x00, 0x00];
                session.send(bench, chained, &[0xFF; 223])?.refused(0x9000)?;
                session.send(bench, chained, &[0xFF; 223])?.refused(0x9000)?;
                session.send(bench, DISBURSE, &[0xFF; 66])?.refused(0x6A80)
            },
        ),
        Case::new(
            "8.5-12",
            Stage::Active,
            "a chain of 513 octets in plain",
            "6883",
            |bench| {
                bench.select()?;
                let block = apdu([0x90, 0x2A, 0x01, 0x90], &[0x7F; 255])?;
                bench.plain(&block)?.refused(0x9000)?;
                bench.plain(&block)?.refused(0x9000)?;
                bench
                    .command([0x80, 0x2A, 0x01, 0x90], &[0x7F; 3])?
                    .refused(0x6883)
            },
        ),
    ]
}

/// A chain of DISBURSE that is continued with this: `6883`, and nothing of it is kept.
fn broken(id: &'static str, purpose: &str, continued: [u8; 4]) -> Case {
    Case::new(
        id,
        Stage::Active,
        purpose,
        "6883; the chain is dropped, the session goes on",
        move |bench| {
            let mut session = TerminalSession::open_verified(bench)?;
            let order = session.order(bench);
            let encoded = order.encode();
            let (start, rest) = encoded.split_at(100);
            session
                .send(bench, [0x90, 0x54, 0x00, 0x00], start)?
                .refused(0x9000)?;
            session.send(bench, continued, rest)?.refused(0x6883)?;
            session.send(bench, DISBURSE, rest)?.refused(0x6A80)?;
            session.pay(bench, &order).map(drop)
        },
    )
}
