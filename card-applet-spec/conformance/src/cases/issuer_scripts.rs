//! SPEC 13.1 to 13.3: which scripts a card takes, from whom, in whatever session they come.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage, check};
use crate::encoding::{remove, set, tlv, with_long_length, with_wrong_octet};
use crate::issuer::{EXECUTE_SCRIPT, IssuerSession};
use crate::material::{Certificate, NEXT_ISSUER, OTHER_ISSUER, ROOT, Script, hash};
use crate::terminal::{Receipt, TerminalSession};

use super::receipts::{follows, read_receipt, read_subject};
use super::support::{refusal, refuses};

/// A script made for the card's present receipt counter.
pub(crate) type Make = fn(&mut Bench, u32) -> Script;

/// A script that must be refused, in a terminal's session and in the issuer's.
pub(crate) fn refused(id: &'static str, stage: Stage, purpose: &str, status: u16, make: Make) -> Case {
    refused_data(id, stage, purpose, status, move |bench, counter| {
        let script = make(bench, counter);
        bench.material.script(&script)
    })
}

fn refused_data(
    id: &'static str,
    stage: Stage,
    purpose: &str,
    status: u16,
    data: impl Fn(&mut Bench, u32) -> Vec<u8> + 'static,
) -> Case {
    Case::new(
        id,
        stage,
        purpose,
        format!("{}, in either session", refusal(status)),
        move |bench| {
            let mut terminal = TerminalSession::open(bench)?;
            let counter = terminal.card_status(bench)?.counter;
            let data = data(bench, counter);
            refuses(bench, &mut terminal.secure, EXECUTE_SCRIPT, &data, status)?;
            let mut issuer = IssuerSession::open(bench)?;
            refuses(bench, &mut issuer.secure, EXECUTE_SCRIPT, &data, status)
        },
    )
}

/// A script whose body is changed before it is signed.
fn malformed(id: &'static str, purpose: &str, change: fn(&mut Vec<Vec<u8>>)) -> Case {
    refused_data(id, Stage::Active, purpose, 0x6A80, move |bench, counter| {
        let mut members = Script::fill_tries(counter).members();
        change(&mut members);
        let body = tlv(0xFF2B, &members.concat());
        bench.material.signed(&body, crate::material::ISSUER)
    })
}

/// Carries a script out in a terminal's session; its receipt, checked.
pub(crate) fn execute(bench: &mut Bench, session: &mut TerminalSession, script: &Script) -> Outcome<Receipt> {
    let data = bench.material.script(script);
    let object = session.send(bench, EXECUTE_SCRIPT, &data)?.expect(0x9000)?;
    let receipt = session.receipt(&object)?;
    check(receipt.kind == 0x03, "the receipt is not of kind 03")?;
    check(
        receipt.done == hash(&script.body()),
        "the receipt is for something else",
    )?;
    check(
        receipt.holder_check.first() == Some(&0x00),
        "the receipt's holder check does not begin with 00",
    )?;
    Ok(receipt)
}

/// A fresh session and the card's counter in it.
pub(crate) fn open(bench: &mut Bench) -> Outcome<(TerminalSession, u32)> {
    let mut session = TerminalSession::open(bench)?;
    let counter = session.card_status(bench)?.counter;
    Ok((session, counter))
}

pub(crate) fn cases() -> Vec<Case> {
    [execution(), checks(), issuers()].into_iter().flatten().collect()
}

fn execution() -> Vec<Case> {
    vec![
        Case::new(
            "13.2-01",
            Stage::Active,
            "a script in a terminal's session",
            "a receipt of kind 03 that follows the one before; counter and head move",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                let payment = session.pay(bench, &order)?;
                let receipt = execute(bench, &mut session, &Script::fill_tries(payment.counter))?;
                follows(&payment, &receipt)?;
                let status = session.card_status(bench)?;
                check(
                    status.head == Some(receipt.hash.to_vec()),
                    "the head did not move",
                )
            },
        ),
        Case::new(
            "13.2-02",
            Stage::Active,
            "a script in the issuer's session",
            "a receipt of kind 03",
            |bench| {
                let (terminal, counter) = open(bench)?;
                let mut issuer = IssuerSession::open(bench)?;
                let object = issuer
                    .script(bench, &Script::fill_tries(counter))?
                    .expect(0x9000)?;
                let receipt = terminal.receipt(&object)?;
                check(
                    receipt.kind == 0x03 && receipt.counter == counter + 1,
                    "kind and counter",
                )
            },
        ),
        Case::new(
            "13.2-03",
            Stage::Active,
            "the same script again, in the other kind of session",
            "the same receipt; nothing changed",
            |bench| {
                let (mut session, counter) = open(bench)?;
                let data = bench.material.script(&Script::fill_tries(counter));
                let first = session.send(bench, EXECUTE_SCRIPT, &data)?.expect(0x9000)?;
                let before = session.card_status(bench)?;
                let mut issuer = IssuerSession::open(bench)?;
                let again = issuer.send(bench, EXECUTE_SCRIPT, &data)?.expect(0x9000)?;
                check(first == again, "another receipt")?;
                check(
                    issuer.card_status(bench)? == before,
                    "the repetition changed what GET DATA tells",
                )
            },
        ),
        Case::new(
            "13.2-04",
            Stage::Active,
            "the script is read back as it came",
            "its receipt and FF20 { FF2B, 5F37 }",
            |bench| {
                let (mut session, counter) = open(bench)?;
                let data = bench.material.script(&Script::fill_tries(counter));
                let receipt = session.send(bench, EXECUTE_SCRIPT, &data)?.expect(0x9000)?;
                check(
                    session.send(bench, read_receipt(1), &[])?.expect(0x9000)? == receipt,
                    "not the receipt",
                )?;
                check(
                    session.send(bench, read_subject(1), &[])?.expect(0x9000)? == data,
                    "not the script",
                )
            },
        ),
    ]
}

fn checks() -> Vec<Case> {
    vec![
        refused(
            "13.2-05",
            Stage::Active,
            "a script for another card",
            0x6349,
            |_, counter| Script {
                number: crate::material::card_number(790_000_000_000_002),
                ..Script::fill_tries(counter)
            },
        ),
        refused(
            "13.2-06",
            Stage::Active,
            "a script for the next counter",
            0x634D,
            |_, counter| Script::fill_tries(counter + 1),
        ),
        Case::new(
            "13.2-07",
            Stage::Active,
            "a script for a counter that has passed",
            "634D; nothing changed",
            |bench| {
                let (mut session, counter) = open(bench)?;
                execute(bench, &mut session, &Script::fill_tries(counter))?;
                let late = bench.material.script(&Script::permit_new_pin(counter));
                refuses(bench, &mut session.secure, EXECUTE_SCRIPT, &late, 0x634D)
            },
        ),
        refused(
            "13.2-08",
            Stage::Active,
            "for another card, and for another counter: the card first",
            0x6349,
            |_, counter| Script {
                number: crate::material::card_number(790_000_000_000_002),
                ..Script::fill_tries(counter + 1)
            },
        ),
        refused_data(
            "13.2-09",
            Stage::Active,
            "a wrong signature",
            0x6982,
            |bench, counter| with_wrong_octet(&bench.material.script(&Script::fill_tries(counter)), -1),
        ),
        refused_data(
            "13.2-10",
            Stage::Active,
            "signed by another issuer in this one's name",
            0x6982,
            |bench, counter| {
                let body = Script::fill_tries(counter).body();
                bench.material.signed(&body, OTHER_ISSUER)
            },
        ),
        refused_data(
            "13.2-11",
            Stage::Active,
            "signed by the root",
            0x6982,
            |bench, counter| {
                let body = Script::fill_tries(counter).body();
                bench.material.signed(&body, ROOT)
            },
        ),
        malformed("13.1-01", "a suite that is not known", |members| {
            set(members, 0x80, &[0x02])
        }),
        malformed("13.1-02", "action 00", |members| set(members, 0x82, &[0x00])),
        malformed("13.1-03", "action 0A", |members| set(members, 0x82, &[0x0A])),
        malformed("13.1-04", "content for an action that has none", |members| {
            set(members, 0xA3, &tlv(0x80, &[1]))
        }),
        malformed("13.1-05", "no content object", |members| remove(members, 0xA3)),
        malformed("13.1-06", "a counter of three octets", |members| {
            set(members, 0x81, &[0, 0, 1])
        }),
        malformed("13.1-07", "time zero", |members| set(members, 0x8D, &[0; 7])),
        malformed("13.1-08", "members in the wrong order", |members| {
            members.swap(1, 2)
        }),
        malformed("13.1-09", "a member that the clause does not name", |members| {
            members.push(tlv(0x90, &[0]))
        }),
        malformed("13.1-10", "an action without its content", |members| {
            set(members, 0x82, &[0x03])
        }),
        refused_data(
            "13.1-11",
            Stage::Active,
            "a length in one octet more than needed",
            0x6A80,
            |bench, counter| with_long_length(&bench.material.script(&Script::fill_tries(counter))),
        ),
        refused_data(
            "13.1-12",
            Stage::Active,
            "an octet behind the script",
            0x6A80,
            |bench, counter| [bench.material.script(&Script::fill_tries(counter)), vec![0x00]].concat(),
        ),
        refused_data("13.1-13", Stage::Active, "no script", 0x6A80, |bench, _| {
            bench.material.certify(&Certificate::issuer())
        }),
        Case::new(
            "13.1-14",
            Stage::Active,
            "P1 or P2 other than 00",
            "6A86; nothing changed",
            |bench| {
                let (mut session, counter) = open(bench)?;
                let data = bench.material.script(&Script::fill_tries(counter));
                for header in [[0x80, 0x5A, 0x01, 0x00], [0x80, 0x5A, 0x00, 0x01]] {
                    refuses(bench, &mut session.secure, header, &data, 0x6A86)?;
                }
                Ok(())
            },
        ),
    ]
}

/// A script of another issuer, with a certificate before it.
fn by(bench: &Bench, counter: u32, issuer: &'static str, certificate: &Certificate) -> Vec<u8> {
    let script = Script {
        issuer,
        ..Script::fill_tries(counter)
    };
    [
        bench.material.certify(certificate),
        bench.material.script(&script),
    ]
    .concat()
}

/// The certificate of the same issuer with its next key.
fn next_issuer() -> Certificate {
    Certificate {
        holder: NEXT_ISSUER,
        ..Certificate::issuer()
    }
}

fn issuers() -> Vec<Case> {
    vec![
        refused(
            "13.3-01",
            Stage::Active,
            "an issuer that the card has no certificate of",
            0x6A88,
            |_, counter| Script {
                issuer: NEXT_ISSUER,
                ..Script::fill_tries(counter)
            },
        ),
        Case::new(
            "13.3-02",
            Stage::Active,
            "the same issuer with its next key and its certificate",
            "9000",
            |bench| {
                let (mut session, counter) = open(bench)?;
                let data = by(bench, counter, NEXT_ISSUER, &next_issuer());
                session
                    .send(bench, EXECUTE_SCRIPT, &data)?
                    .expect(0x9000)
                    .map(drop)
            },
        ),
        Case::new(
            "13.3-03",
            Stage::Active,
            "the card's own issuer with its certificate",
            "9000",
            |bench| {
                let (mut session, counter) = open(bench)?;
                let data = by(bench, counter, crate::material::ISSUER, &Certificate::issuer());
                session
                    .send(bench, EXECUTE_SCRIPT, &data)?
                    .expect(0x9000)
                    .map(drop)
            },
        ),
        refused_data(
            "13.3-04",
            Stage::Active,
            "another province",
            0x6982,
            |bench, counter| {
                let certificate = Certificate {
                    holder: OTHER_ISSUER,
                    ..Certificate::issuer()
                };
                by(bench, counter, OTHER_ISSUER, &certificate)
            },
        ),
        refused_data(
            "13.3-05",
            Stage::Active,
            "the same issuer with an earlier key",
            0x6982,
            |bench, counter| {
                let certificate = Certificate {
                    holder: "VNISS7900000",
                    ..Certificate::issuer()
                };
                by(bench, counter, "VNISS7900000", &certificate)
            },
        ),
        refused_data(
            "13.3-06",
            Stage::Active,
            "a certificate that the root did not sign",
            0x6982,
            |bench, counter| {
                let script = Script {
                    issuer: NEXT_ISSUER,
                    ..Script::fill_tries(counter)
                };
                [
                    bench.material.certify_by(&next_issuer(), OTHER_ISSUER),
                    bench.material.script(&script),
                ]
                .concat()
            },
        ),
        refused_data(
            "13.3-07",
            Stage::Active,
            "a certificate that ended before the remembered date",
            0x6982,
            |bench, counter| {
                let certificate = Certificate {
                    to: (2026, 10, 31),
                    ..next_issuer()
                };
                by(bench, counter, NEXT_ISSUER, &certificate)
            },
        ),
        refused_data(
            "13.3-08",
            Stage::Active,
            "a terminal CA's certificate",
            0x6982,
            |bench, counter| by(bench, counter, NEXT_ISSUER, &Certificate::terminal_ca()),
        ),
        refused_data(
            "13.3-09",
            Stage::Active,
            "a certificate of another CHR than the script names",
            0x6982,
            |bench, counter| {
                let script = Script::fill_tries(counter);
                [
                    bench.material.certify(&next_issuer()),
                    bench.material.script(&script),
                ]
                .concat()
            },
        ),
    ]
}
