//! SPEC 1 and 9.2: what is no canonical encoding, and what is no order. The carrier is DISBURSE, whose encoding is checked
//! before anything else (SPEC 9.3), and VERIFY.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage, check};
use crate::encoding::{remove, set, split, tlv, with_indefinite_length, with_long_length, with_members};
use crate::terminal::{ANY_TOTAL, DISBURSE, TerminalSession, VERIFY, pin_data};

use super::support::{none_of, refuses, terminal_refusal};

/// An order spoilt as a whole.
fn spoilt(id: &'static str, purpose: &str, spoil: fn(Vec<u8>) -> Vec<u8>) -> Case {
    terminal_refusal(
        id,
        Stage::Active,
        purpose,
        DISBURSE,
        0x6A80,
        move |bench, session| Ok(spoil(session.order(bench).encode())),
    )
}

/// An order with its members changed.
fn members(id: &'static str, purpose: &str, change: fn(&mut Vec<Vec<u8>>)) -> Case {
    terminal_refusal(
        id,
        Stage::Active,
        purpose,
        DISBURSE,
        0x6A80,
        move |bench, session| Ok(with_members(&session.order(bench).encode(), change)),
    )
}

/// An order with another value in one member.
fn value(id: &'static str, purpose: &str, tag: u16, value: impl AsRef<[u8]> + 'static) -> Case {
    terminal_refusal(
        id,
        Stage::Active,
        purpose,
        DISBURSE,
        0x6A80,
        move |bench, session| {
            Ok(with_members(&session.order(bench).encode(), |members| {
                set(members, tag, value.as_ref())
            }))
        },
    )
}

/// An order with another octet at a place of its line key.
fn line_key(id: &'static str, purpose: &str, place: usize, octet: u8) -> Case {
    terminal_refusal(
        id,
        Stage::Active,
        purpose,
        DISBURSE,
        0x6A80,
        move |bench, session| {
            let order = session.order(bench).encode();
            Ok(with_members(&order, |members| {
                for member in members.iter_mut().filter(|member| member.first() == Some(&0x87)) {
                    if let Some(at) = member.get_mut(2 + place) {
                        *at = octet;
                    }
                }
            }))
        },
    )
}

pub(crate) fn cases() -> Vec<Case> {
    [canonical(), values()].into_iter().flatten().collect()
}

fn canonical() -> Vec<Case> {
    vec![
        spoilt(
            "1.1-01",
            "the template's length in one octet more than needed",
            |order| with_long_length(&order),
        ),
        members(
            "1.1-02",
            "a member's length in one octet more than needed",
            |members| {
                if let Some(first) = members.first_mut() {
                    *first = with_long_length(first);
                }
            },
        ),
        spoilt("1.1-03", "the template in the indefinite form", |order| {
            with_indefinite_length(&order)
        }),
        members("1.1-04", "a member in the indefinite form", |members| {
            if let Some(first) = members.first_mut() {
                *first = with_indefinite_length(first);
            }
        }),
        members(
            "1.1-05",
            "a member's tag in two octets where one suffices",
            |members| {
                if let Some(first) = members.first_mut() {
                    *first = [&[0x9F, 0x01], first.get(1..).unwrap_or_default()].concat();
                }
            },
        ),
        members("1.1-06", "a tag of three octets", |members| {
            members.push(vec![0x9F, 0x81, 0x01, 0x00]);
        }),
        spoilt(
            "1.1-07",
            "a length of three octets of which one is enough",
            |order| {
                let (tag, _, value) = split(&order);
                let [high, low] = (value.len() as u16).to_be_bytes();
                [tag, &[0x83, 0x00, high, low], value].concat()
            },
        ),
        spoilt("1.2-01", "an octet behind the template", |order| {
            [&order[..], &[0x00]].concat()
        }),
        spoilt("1.2-02", "the last octet missing", |mut order| {
            order.pop();
            order
        }),
        spoilt("1.2-03", "a second order behind the first", |order| {
            [&order[..], &order].concat()
        }),
        spoilt("1.2-04", "another template around the order", |order| {
            tlv(0xFF24, split(&order).2)
        }),
        spoilt("1.2-05", "an empty order", |_| tlv(0xFF23, &[])),
        members("1.2-06", "two members in the wrong order", |members| {
            members.swap(1, 2)
        }),
        members("1.2-07", "a member twice", |members| {
            if let Some(first) = members.first().cloned() {
                members.insert(0, first);
            }
        }),
        members("1.2-08", "a member that no clause has", |members| {
            members.push(tlv(0x90, &[0x00]))
        }),
        Case::new(
            "1.2-09",
            Stage::Active,
            "each member but the optional one missing",
            "6A80 for each; nothing changed",
            missing_members,
        ),
        Case::new(
            "1.2-10",
            Stage::Active,
            "an order cut off after each of its octets",
            "6A80 for each; nothing changed",
            truncated,
        ),
        members("1.3-01", "padding 00 between two members", |members| {
            members.insert(1, vec![0x00])
        }),
        members("1.3-02", "padding FF between two members", |members| {
            members.insert(1, vec![0xFF])
        }),
        members("1.3-03", "templates nested five deep", |members| {
            let nested = (0..4).fold(tlv(0x80, &[0x01]), |inner, _| tlv(0xA1, &inner));
            members.push(nested);
        }),
        verify_data(
            "1.4-01",
            "VERIFY with a length in one octet more than needed: no try is lost",
            |data| {
                let pin = with_long_length(data.get(..8).unwrap_or_default());
                [&pin, data.get(8..).unwrap_or_default()].concat()
            },
        ),
        verify_data(
            "1.4-02",
            "VERIFY with an octet behind its data: no try is lost",
            |data| [data, &[0x00]].concat(),
        ),
        verify_data(
            "1.4-03",
            "VERIFY with two objects in the wrong order: no try is lost",
            |data| {
                [data.get(8..11), data.get(..8), data.get(11..)]
                    .into_iter()
                    .flatten()
                    .flatten()
                    .copied()
                    .collect()
            },
        ),
        verify_data(
            "1.4-04",
            "VERIFY without its last object: no try is lost",
            |data| data.get(..11).unwrap_or_default().to_vec(),
        ),
    ]
}

fn verify_data(id: &'static str, purpose: &str, spoil: fn(&[u8]) -> Vec<u8>) -> Case {
    terminal_refusal(id, Stage::Active, purpose, VERIFY, 0x6A80, move |_, _| {
        Ok(spoil(&pin_data(b"000000", 1, ANY_TOTAL)))
    })
}

fn missing_members(bench: &mut Bench) -> Outcome {
    let mut session = TerminalSession::open(bench)?;
    let order = session.order(bench).encode();
    let tags = [
        0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8B, 0x8D, 0x8E, 0x8F,
    ];
    tags.into_iter().try_for_each(|tag| {
        let spoilt = with_members(&order, |members| remove(members, tag));
        refuses(bench, &mut session.secure, DISBURSE, &spoilt, 0x6A80)
    })
}

fn truncated(bench: &mut Bench) -> Outcome {
    let mut session = TerminalSession::open(bench)?;
    let before = session.card_status(bench)?;
    let order = session.order(bench).encode();
    let mut wrong = Vec::new();
    for length in 1..order.len() {
        let answer = session.send(bench, DISBURSE, order.get(..length).unwrap_or_default())?;
        if answer.status != 0x6A80 {
            wrong.push(format!("{length} octets: {:04X}", answer.status));
        }
    }
    none_of(&wrong, "cut off after")?;
    check(
        session.card_status(bench)? == before,
        "a refused command changed what GET DATA tells",
    )
}

fn values() -> Vec<Case> {
    vec![
        value("9.2-01", "a terminal name of nine octets", 0x81, b"VNT000001"),
        value("9.2-02", "a terminal name that is none", 0x81, b"VNX0000001"),
        value("9.2-03", "a sequence number of three octets", 0x82, [0, 0, 7]),
        value(
            "9.2-04",
            "a sequence number of five octets",
            0x82,
            [0, 0, 0, 0, 7],
        ),
        value("9.2-05", "a hash of 31 octets", 0x83, [0x83; 31]),
        value("9.2-06", "a hash of 33 octets", 0x84, [0x84; 33]),
        value("9.2-07", "an empty value", 0x86, []),
        value("9.2-08", "a line key of 25 octets", 0x87, [b'A'; 25]),
        line_key("9.2-09", "line type 0", 22, 0),
        line_key("9.2-10", "line type 7, a recovery", 22, 7),
        line_key("9.2-11", "line type 8", 22, 8),
        line_key("9.2-12", "a period in month 00", 25, 0x00),
        line_key("9.2-13", "a period in month 13", 25, 0x13),
        line_key("9.2-14", "a period with a digit A", 25, 0x0A),
        value("9.2-15", "an amount of 0", 0x88, [0; 8]),
        value(
            "9.2-16",
            "an amount of 1,000,000,000,000 VND",
            0x88,
            1_000_000_000_000u64.to_be_bytes(),
        ),
        value("9.2-17", "an amount of seven octets", 0x88, [0, 0, 0, 0, 1, 0, 0]),
        value("9.2-18", "recipient 0", 0x89, [0]),
        value("9.2-19", "recipient 4", 0x89, [4]),
        value("9.2-20", "method 0", 0x8A, [0]),
        value("9.2-21", "method 3", 0x8A, [3]),
        value("9.2-22", "no operator", 0x8B, []),
        value("9.2-23", "an operator of 21 characters", 0x8B, [b'o'; 21]),
        value("9.2-24", "an operator with a control character", 0x8B, b"op\x0A1"),
        value(
            "9.2-25",
            "an operator with a character above 7E",
            0x8B,
            b"op\x7F1",
        ),
        value("9.2-26", "time zero: the clock was not set", 0x8D, [0; 7]),
        value(
            "9.2-27",
            "a time on 31 November",
            0x8D,
            [0x20, 0x26, 0x11, 0x31, 9, 0x30, 0],
        ),
        value(
            "9.2-28",
            "a time in hour 24",
            0x8D,
            [0x20, 0x26, 0x11, 0x22, 0x24, 0, 0],
        ),
        value(
            "9.2-29",
            "a time with a digit A",
            0x8D,
            [0x20, 0x26, 0x11, 0x0A, 9, 0x30, 0],
        ),
        value("9.2-30", "clock source 0", 0x8E, [0]),
        value("9.2-31", "clock source 3", 0x8E, [3]),
        value("9.2-32", "a nonce of 15 octets", 0x8F, [1; 15]),
        value("9.2-33", "a nonce of 17 octets", 0x8F, [1; 17]),
        terminal_refusal(
            "9.2-35",
            Stage::Active,
            "a second operator of 12 characters",
            DISBURSE,
            0x6A80,
            |bench, session| {
                let mut order = session.order(bench);
                order.second_operator = Some("operator-002");
                Ok(order.encode())
            },
        ),
        terminal_refusal(
            "9.2-34",
            Stage::Active,
            "a second operator who is the first",
            DISBURSE,
            0x6A80,
            |bench, session| {
                let mut order = session.order(bench);
                order.second_operator = Some("op-01");
                Ok(order.encode())
            },
        ),
    ]
}
