//! SPEC 3 and 7.2: the chain that a terminal shows.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Own as _, Stage, check};
use crate::encoding::{set, split, tlv, with_long_length, with_members, with_wrong_octet};
use crate::material::{Certificate, ISSUER, ROLE_JOURNAL, ROLE_TERMINAL, ROLE_TERMINAL_CA, ROOT};
use crate::terminal::{LAST, MORE, READ_CSO, Terminal, TerminalSession, present};

use super::support::none_of;

/// The first certificate is refused with one of these, and nothing is readable after it.
fn first(
    id: &'static str,
    purpose: &str,
    statuses: &'static [u16],
    certificate: fn(&Bench) -> Vec<u8>,
) -> Case {
    Case::new(id, Stage::Active, purpose, words(statuses), move |bench| {
        bench.select()?;
        let certificate = certificate(bench);
        let answer = present(bench, MORE, &certificate)?;
        let status = statuses.iter().copied().find(|status| *status == answer.status);
        answer.refused(status.unwrap_or(statuses.first().copied().unwrap_or_default()))?;
        bench.command(READ_CSO, &[])?.refused(0x6982)
    })
}

/// The terminal's certificate is refused with one of these after a good CA's, and nothing is readable after it.
fn second(
    id: &'static str,
    purpose: &str,
    statuses: &'static [u16],
    certificate: fn(&Bench) -> Vec<u8>,
) -> Case {
    Case::new(id, Stage::Active, purpose, words(statuses), move |bench| {
        bench.select()?;
        let authority = bench.material.certify(&Certificate::terminal_ca());
        present(bench, MORE, &authority)?.expect(0x9000)?;
        let certificate = certificate(bench);
        let answer = present(bench, LAST, &certificate)?;
        let status = statuses.iter().copied().find(|status| *status == answer.status);
        answer.refused(status.unwrap_or(statuses.first().copied().unwrap_or_default()))?;
        bench.command(READ_CSO, &[])?.refused(0x6982)
    })
}

fn words(statuses: &[u16]) -> String {
    let words: Vec<String> = statuses.iter().map(|status| format!("{status:04X}")).collect();
    format!("{}; the CSO stays unreadable", words.join(" or "))
}

const WRONG: &[u16] = &[0x6982];
const UNKNOWN: &[u16] = &[0x6A88];
const MALFORMED: &[u16] = &[0x6A80];
/// The clause does not say whether a value out of its range is bad encoding.
const WRONG_VALUE: &[u16] = &[0x6A80, 0x6982];

fn authority() -> Certificate {
    Certificate::terminal_ca()
}

fn terminal() -> Certificate {
    Certificate::terminal()
}

/// The certificate with one member of its body changed, signed rightly.
fn changed(bench: &Bench, certificate: &Certificate, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let mut members = certificate.members(&bench.material.public(certificate.holder));
    change(&mut members);
    bench
        .material
        .certify_body(&tlv(0x7F4E, &members.concat()), certificate.authority)
}

pub(crate) fn cases() -> Vec<Case> {
    [authorities(), terminals(), chains()]
        .into_iter()
        .flatten()
        .collect()
}

fn authorities() -> Vec<Case> {
    vec![
        first(
            "3.4-01",
            "a terminal CA's certificate that the root did not sign",
            WRONG,
            |bench| bench.material.certify_by(&authority(), ISSUER),
        ),
        first("3.4-02", "a root that the card does not know", UNKNOWN, |bench| {
            bench.material.certify(&Certificate {
                authority: "VNROOT00009",
                ..authority()
            })
        }),
        first(
            "3.2-01",
            "an issuer's certificate in the place of a terminal CA's",
            WRONG,
            |bench| bench.material.certify(&Certificate::issuer()),
        ),
        first(
            "3.2-02",
            "a terminal's certificate directly under the root",
            WRONG,
            |bench| {
                bench.material.certify(&Certificate {
                    authority: ROOT,
                    ..terminal()
                })
            },
        ),
        first(
            "3.2-03",
            "the role of a terminal CA under the name of an issuer",
            WRONG,
            |bench| {
                bench.material.certify(&Certificate {
                    holder: ISSUER,
                    ..authority()
                })
            },
        ),
        first(
            "3.3-01",
            "a production certificate under a TEST root",
            WRONG,
            |bench| {
                bench.material.certify(&Certificate {
                    flags: 0x00,
                    ..authority()
                })
            },
        ),
        first("3.3-02", "a flag that is not known", WRONG_VALUE, |bench| {
            bench.material.certify(&Certificate {
                flags: 0xC0,
                ..authority()
            })
        }),
        first("3.4-03", "a certificate that outlives its root", WRONG, |bench| {
            bench.material.certify(&Certificate {
                to: (2057, 1, 1),
                ..authority()
            })
        }),
        first(
            "3.4-04",
            "a certificate that begins before its root",
            WRONG,
            |bench| {
                bench.material.certify(&Certificate {
                    from: (2025, 12, 31),
                    ..authority()
                })
            },
        ),
        first(
            "3.4-05",
            "a certificate that ends before it begins",
            WRONG,
            |bench| {
                bench.material.certify(&Certificate {
                    from: (2031, 12, 31),
                    to: (2031, 12, 30),
                    ..authority()
                })
            },
        ),
        first(
            "7.2-05",
            "a terminal CA's certificate that ended before the remembered date",
            WRONG,
            |bench| {
                bench.material.certify(&Certificate {
                    to: (2026, 10, 31),
                    ..authority()
                })
            },
        ),
        first(
            "3.1-01",
            "domain parameters in a certificate that is no root's",
            WRONG,
            |bench| {
                bench.material.certify(&Certificate {
                    domain_parameters: true,
                    ..authority()
                })
            },
        ),
        first("3.1-02", "another profile identifier", WRONG_VALUE, |bench| {
            changed(bench, &authority(), |members| set(members, 0x5F29, &[0x01]))
        }),
        first(
            "3.1-03",
            "another algorithm in the public key",
            WRONG_VALUE,
            |bench| {
                changed(bench, &authority(), |members| {
                    if let Some(key) = members.get_mut(2) {
                        *key = with_members(key, |key| set(key, 0x06, &[0x04, 0, 0x7F, 0, 7, 2, 2, 2, 2, 4]));
                    }
                })
            },
        ),
        first("3.1-04", "another arc in the CHAT", WRONG_VALUE, |bench| {
            changed(bench, &authority(), |members| {
                if let Some(chat) = members.get_mut(4) {
                    *chat = with_members(chat, |chat| set(chat, 0x06, &[0x04, 0, 0x7F, 0, 7, 3, 1, 2, 1]));
                }
            })
        }),
        first(
            "3.1-05",
            "a public key that is not on the curve",
            WRONG_VALUE,
            |bench| {
                changed(bench, &authority(), |members| {
                    if let Some(key) = members.get_mut(2) {
                        *key = with_wrong_octet(key, -1);
                    }
                })
            },
        ),
        first("3.1-06", "a CHR of another country", WRONG_VALUE, |bench| {
            changed(bench, &authority(), |members| set(members, 0x5F20, b"DETCA00001"))
        }),
        first(
            "3.1-07",
            "a date that is none: 31 November",
            WRONG_VALUE,
            |bench| {
                changed(bench, &authority(), |members| {
                    set(members, 0x5F24, &[2, 6, 1, 1, 3, 1])
                })
            },
        ),
        first("3.1-08", "members in the wrong order", MALFORMED, |bench| {
            changed(bench, &authority(), |members| members.swap(5, 6))
        }),
        first("3.1-09", "a member missing", MALFORMED, |bench| {
            changed(bench, &authority(), |members| {
                members.pop();
            })
        }),
        first("2.1-01", "a signature of 63 octets", MALFORMED, |bench| {
            with_members(&bench.material.certify(&authority()), |members| {
                set(members, 0x5F37, &[1; 63])
            })
        }),
        first("2.1-02", "a signature of zeros", WRONG, |bench| {
            with_members(&bench.material.certify(&authority()), |members| {
                set(members, 0x5F37, &[0; 64])
            })
        }),
        first(
            "2.2-01",
            "a certificate in the template of another signed object",
            MALFORMED,
            |bench| {
                let certificate = bench.material.certify(&authority());
                tlv(0xFF20, split(&certificate).2)
            },
        ),
        first(
            "7.2-06",
            "a certificate with a length in one octet more than needed",
            MALFORMED,
            |bench| with_long_length(&bench.material.certify(&authority())),
        ),
        first("7.2-07", "an octet behind the certificate", MALFORMED, |bench| {
            [bench.material.certify(&authority()), vec![0x00]].concat()
        }),
        first(
            "7.2-08",
            "the last octet of the certificate missing",
            MALFORMED,
            |bench| {
                let mut certificate = bench.material.certify(&authority());
                certificate.pop();
                certificate
            },
        ),
    ]
}

fn terminals() -> Vec<Case> {
    vec![
        second(
            "3.4-06",
            "a terminal's certificate that its CA did not sign",
            WRONG,
            |bench| bench.material.certify_by(&terminal(), ROOT),
        ),
        second(
            "3.4-07",
            "a terminal's certificate under another CA",
            UNKNOWN,
            |bench| {
                bench.material.certify(&Certificate {
                    authority: "VNTCA00002",
                    ..terminal()
                })
            },
        ),
        second("3.4-08", "a terminal's certificate of 36 days", WRONG, |bench| {
            bench.material.certify(&Certificate {
                to: (2026, 12, 20),
                ..terminal()
            })
        }),
        second(
            "3.4-09",
            "a terminal's certificate that outlives its CA",
            WRONG,
            |bench| {
                bench.material.certify(&Certificate {
                    from: (2031, 12, 10),
                    to: (2032, 1, 5),
                    ..terminal()
                })
            },
        ),
        second(
            "3.2-04",
            "a journal certificate in the place of the agreement's",
            WRONG,
            |bench| {
                bench.material.certify(&Certificate {
                    holder: "VNT0000001J00001",
                    role: ROLE_JOURNAL,
                    ..terminal()
                })
            },
        ),
        second(
            "3.2-05",
            "the agreement role under the name of a journal key",
            WRONG,
            |bench| {
                bench.material.certify(&Certificate {
                    holder: "VNT0000001J00001",
                    role: ROLE_TERMINAL,
                    ..terminal()
                })
            },
        ),
        second("3.2-06", "a terminal CA under a terminal CA", WRONG, |bench| {
            bench.material.certify(&Certificate {
                holder: "VNTCA00002",
                role: ROLE_TERMINAL_CA,
                ..terminal()
            })
        }),
        second(
            "3.3-03",
            "a production terminal under a TEST CA",
            WRONG,
            |bench| {
                bench.material.certify(&Certificate {
                    flags: 0x00,
                    ..terminal()
                })
            },
        ),
        second(
            "7.2-09",
            "a terminal's certificate that ended before the remembered date",
            WRONG,
            |bench| {
                bench.material.certify(&Certificate {
                    from: (2026, 10, 1),
                    to: (2026, 10, 31),
                    ..terminal()
                })
            },
        ),
        second(
            "7.2-10",
            "the CA's certificate in the place of the terminal's",
            UNKNOWN,
            |bench| bench.material.certify(&authority()),
        ),
        Case::new(
            "3.4-10",
            Stage::Active,
            "a terminal's certificate of one day",
            "9000",
            |bench| {
                let one_day = Certificate {
                    from: (2026, 11, 22),
                    to: (2026, 11, 22),
                    ..terminal()
                };
                bench.select()?;
                let (authority, own) = (
                    bench.material.certify(&authority()),
                    bench.material.certify(&one_day),
                );
                present(bench, MORE, &authority)?.expect(0x9000)?;
                present(bench, LAST, &own)?.refused(0x9000)
            },
        ),
    ]
}

fn chains() -> Vec<Case> {
    vec![
        Case::new(
            "7.2-03",
            Stage::Active,
            "a terminal's certificate without its CA's before it",
            "6A88; the CSO stays unreadable",
            |bench| {
                bench.select()?;
                let own = bench.material.certify(&terminal());
                present(bench, LAST, &own)?.refused(0x6A88)?;
                bench.command(READ_CSO, &[])?.refused(0x6982)
            },
        ),
        Case::new(
            "7.2-11",
            Stage::Active,
            "after a refused terminal certificate (6982) the chain starts anew",
            "the right one then answers 6A88",
            |bench| {
                bench.select()?;
                let authority = bench.material.certify(&authority());
                present(bench, MORE, &authority)?.expect(0x9000)?;
                let wrong = bench.material.certify_by(&terminal(), ROOT);
                present(bench, LAST, &wrong)?.refused(0x6982)?;
                let right = bench.material.certify(&terminal());
                present(bench, LAST, &right)?.refused(0x6A88)
            },
        ),
        Case::new(
            "7.2-12",
            Stage::Active,
            "SELECT forgets the certificates shown",
            "6982 to READ BINARY, 6A88 to the terminal's certificate",
            |bench| {
                bench.select()?;
                Terminal::standard().present(bench)?;
                bench.select()?;
                bench.command(READ_CSO, &[])?.refused(0x6982)?;
                let own = bench.material.certify(&terminal());
                present(bench, LAST, &own)?.refused(0x6A88)
            },
        ),
        Case::new(
            "7.2-13",
            Stage::Active,
            "a bit turned in any octet of the terminal's certificate",
            "never 9000",
            any_bit,
        ),
        Case::new(
            "7.2-14",
            Stage::Active,
            "a certificate whose dates begin after the remembered date is accepted: the card has no clock",
            "9000",
            |bench| {
                let later = Certificate {
                    from: (2027, 3, 1),
                    to: (2027, 3, 31),
                    ..terminal()
                };
                bench.select()?;
                let (authority, own) = (bench.material.certify(&authority()), bench.material.certify(&later));
                present(bench, MORE, &authority)?.expect(0x9000)?;
                present(bench, LAST, &own)?.refused(0x9000)
            },
        ),
        Case::new(
            "7.5-02",
            Stage::Active,
            "the remembered date moves to the terminal certificate's first day, with the first valid C-MAC and not before",
            "the date stays until then; after it, a certificate that has ended is refused (6982)",
            remembered_date,
        )
        .alone(),
        Case::new(
            "7.5-03",
            Stage::Active,
            "the remembered date never goes back",
            "the date stays with a terminal whose certificate began earlier",
            |bench| {
                TerminalSession::open(bench)?;
                let earlier = Terminal {
                    certificate: Certificate {
                        from: (2026, 10, 20),
                        to: (2026, 11, 20),
                        ..terminal()
                    },
                    ..Terminal::standard()
                };
                let mut session = earlier.open(bench)?;
                let date = session.card_status(bench)?.date;
                check(date == Some(crate::material::date((2026, 11, 15))), "the remembered date went back")
            },
        ),
    ]
}

fn any_bit(bench: &mut Bench) -> Outcome {
    let (authority, own) = (
        bench.material.certify(&authority()),
        bench.material.certify(&terminal()),
    );
    let mut accepted = Vec::new();
    for place in (0..own.len()).step_by(5) {
        bench.select()?;
        present(bench, MORE, &authority)?.expect(0x9000)?;
        let spoilt = with_wrong_octet(&own, isize::try_from(place).own("a place")?);
        if present(bench, LAST, &spoilt)?.status == 0x9000 {
            accepted.push(place.to_string());
        }
    }
    none_of(&accepted, "accepted with a bit turned in octet")
}

fn remembered_date(bench: &mut Bench) -> Outcome {
    let later = Terminal {
        certificate: Certificate {
            from: (2027, 1, 10),
            to: (2027, 2, 1),
            ..terminal()
        },
        ..Terminal::standard()
    };
    // Key agreement only: the terminal has proven nothing.
    later.agree(bench)?;
    bench.select()?;
    Terminal::standard().present(bench)?;
    later.open(bench)?;
    bench.select()?;
    let (authority, old) = (
        bench.material.certify(&authority()),
        bench.material.certify(&terminal()),
    );
    present(bench, MORE, &authority)?.expect(0x9000)?;
    present(bench, LAST, &old)?.refused(0x6982)?;
    let mut session = later.open(bench)?;
    let date = session.card_status(bench)?.date;
    check(
        date == Some(crate::material::date((2027, 1, 10))),
        "the remembered date is not the certificate's first day",
    )
}
