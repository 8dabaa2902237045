//! SPEC 9.2, 9.3 and 9.5: which orders a card carries out, and in which order it looks.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage, check};
use crate::material::{Certificate, Order, Plan};
use crate::terminal::{ANY_TOTAL, DISBURSE, Terminal, TerminalSession, VERIFY, pin_data};

use super::support::refuses;

/// An order changed so that it must be refused with this status word, protected and without data.
fn refused(id: &'static str, purpose: &str, status: u16, change: fn(&mut Order)) -> Case {
    let expected = format!("{status:04X}; nothing changed");
    Case::new(id, Stage::Active, purpose, expected, move |bench| {
        let mut session = TerminalSession::open_verified(bench)?;
        let mut order = session.order(bench);
        change(&mut order);
        refuses(bench, &mut session.secure, DISBURSE, &order.encode(), status)
    })
}

/// An order changed so that it must be carried out all the same.
fn paid(id: &'static str, purpose: &str, change: fn(&mut Order)) -> Case {
    Case::new(id, Stage::Active, purpose, "9000 and a receipt", move |bench| {
        let mut session = TerminalSession::open_verified(bench)?;
        let mut order = session.order(bench);
        change(&mut order);
        session.pay(bench, &order).map(drop)
    })
}

/// A card of another plan, active, with a session in which the PIN is verified.
fn with_plan(bench: &mut Bench, plan: &Plan) -> Outcome<TerminalSession> {
    bench.reach_with(Stage::Active, plan)?;
    let mut session = TerminalSession::open(bench)?;
    session.verify(bench, plan)?.expect(0x9000)?;
    Ok(session)
}

pub(crate) fn cases() -> Vec<Case> {
    [
        checks(),
        precedence(),
        dates(),
        periods(),
        caps(),
        holder(),
        once(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn checks() -> Vec<Case> {
    vec![
        paid("9.3-01", "an order in order", |_| {}),
        refused("9.3-02", "an order of another terminal", 0x6982, |order| {
            order.terminal = b"VNT0000002".to_vec()
        }),
        refused("9.3-03", "an order for another CSO", 0x6349, |order| {
            order.cso_hash = [7; 32]
        }),
        refused("9.3-04", "an order for another person", 0x6349, |order| {
            order.person = [7; 16]
        }),
        refused("9.3-05", "a programme that is not on the card", 0x6341, |order| {
            order.programme = *b"NCCM"
        }),
        refused("9.3-06", "a programme that has ended", 0x6341, |order| {
            order.programme = *b"HTXH"
        }),
        paid("9.3-07", "sudden relief", |order| order.programme = *b"DXUA"),
        Case::new(
            "9.3-08",
            Stage::Keyed,
            "sudden relief although its entry says ended",
            "9000 and a receipt",
            |bench| {
                let plan = Plan {
                    programmes: vec![(*b"DXUA", 0)],
                    ..bench.material.plan.clone()
                };
                let mut session = with_plan(bench, &plan)?;
                let mut order = session.order(bench);
                order.programme = *b"DXUA";
                session.pay(bench, &order).map(drop)
            },
        )
        .alone(),
        Case::new(
            "9.3-09",
            Stage::Active,
            "P1 or P2 other than 00",
            "6A86; nothing changed",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench).encode();
                for header in [[0x80, 0x54, 0x01, 0x00], [0x80, 0x54, 0x00, 0x01]] {
                    refuses(bench, &mut session.secure, header, &order, 0x6A86)?;
                }
                Ok(())
            },
        ),
    ]
}

/// Two reasons to refuse: the earlier row of the table wins.
fn precedence() -> Vec<Case> {
    vec![
        refused(
            "9.3-10",
            "of another terminal, and for another card: the terminal first",
            0x6982,
            |order| {
                order.terminal = b"VNT0000002".to_vec();
                order.cso_hash = [7; 32];
            },
        ),
        refused(
            "9.3-11",
            "for another card, and out of date: the card first",
            0x6349,
            |order| {
                order.cso_hash = [7; 32];
                order.day = (2037, 1, 1);
            },
        ),
        refused(
            "9.3-12",
            "out of date, and no programme of the card: the date first",
            0x6345,
            |order| {
                order.day = (2037, 1, 1);
                order.programme = *b"NCCM";
            },
        ),
        refused(
            "9.3-13",
            "no programme of the card, and outside the window: the programme first",
            0x6341,
            |order| {
                order.programme = *b"NCCM";
                order.month = (2020, 1);
            },
        ),
        refused(
            "9.3-14",
            "outside the window, and above the cap: the window first",
            0x6342,
            |order| {
                order.month = (2020, 1);
                order.amount = 5_000_001;
            },
        ),
        refused(
            "9.3-15",
            "above the cap, and a recipient without authorization: the cap first",
            0x6343,
            |order| {
                order.amount = 5_000_001;
                order.recipient = 3;
            },
        ),
        Case::new(
            "9.3-16",
            Stage::Active,
            "no PIN, and a recipient without authorization: the holder check first",
            "6346; nothing changed",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let mut order = session.order(bench);
                order.recipient = 3;
                refuses(bench, &mut session.secure, DISBURSE, &order.encode(), 0x6346)
            },
        ),
        Case::new(
            "9.3-17",
            Stage::Active,
            "paid before, and above the cap: the standing receipt first",
            "6340",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let mut order = session.order(bench);
                session.pay(bench, &order)?;
                order.amount = 5_000_001;
                session.disburse(bench, &order)?.expect(0x6340).map(drop)
            },
        ),
    ]
}

fn dates() -> Vec<Case> {
    vec![
        paid(
            "9.3-18",
            "on the first day of the terminal's certificate",
            |order| order.day = (2026, 11, 15),
        ),
        paid("9.3-19", "on its last day", |order| order.day = (2026, 12, 19)),
        refused(
            "9.3-20",
            "on the day before the terminal's certificate",
            0x6345,
            |order| order.day = (2026, 11, 14),
        ),
        refused("9.3-21", "on the day after it", 0x6345, |order| {
            order.day = (2026, 12, 20)
        }),
        Case::new(
            "9.3-22",
            Stage::Keyed,
            "on the day before the CSO's first, and on that day",
            "6345; 9000",
            |bench| {
                let plan = Plan {
                    from: (2026, 11, 22),
                    ..bench.material.plan.clone()
                };
                let mut session = with_plan(bench, &plan)?;
                let mut order = session.order(bench);
                order.day = (2026, 11, 21);
                session.disburse(bench, &order)?.refused(0x6345)?;
                order.day = (2026, 11, 22);
                session.pay(bench, &order).map(drop)
            },
        )
        .alone(),
        Case::new(
            "9.3-23",
            Stage::Keyed,
            "on the CSO's last day, and on the day after it",
            "9000; 6345",
            |bench| {
                let plan = Plan {
                    to: (2026, 11, 22),
                    ..bench.material.plan.clone()
                };
                let mut session = with_plan(bench, &plan)?;
                let mut order = session.order(bench);
                order.day = (2026, 11, 23);
                session.disburse(bench, &order)?.refused(0x6345)?;
                order.day = (2026, 11, 22);
                session.pay(bench, &order).map(drop)
            },
        )
        .alone(),
    ]
}

fn periods() -> Vec<Case> {
    vec![
        paid("9.3-24", "the period 36 months back", |order| {
            order.month = (2023, 11)
        }),
        paid("9.3-25", "the period 3 months ahead", |order| {
            order.month = (2027, 2)
        }),
        refused("9.3-26", "the period 37 months back", 0x6342, |order| {
            order.month = (2023, 10)
        }),
        refused("9.3-27", "the period 4 months ahead", 0x6342, |order| {
            order.month = (2027, 3)
        }),
        Case::new(
            "9.3-28",
            Stage::Active,
            "the window follows the remembered date, not the order's",
            "6342 before, 9000 after a later certificate",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let mut order = session.order(bench);
                order.day = (2026, 12, 1);
                order.month = (2027, 3);
                session.disburse(bench, &order)?.refused(0x6342)?;
                let later = Terminal {
                    certificate: Certificate {
                        from: (2026, 12, 1),
                        to: (2026, 12, 31),
                        ..Certificate::terminal()
                    },
                    ..Terminal::standard()
                };
                let plan = bench.material.plan.clone();
                let mut session = later.open(bench)?;
                session.verify(bench, &plan)?.refused(0x9000)?;
                session.pay(bench, &order).map(drop)
            },
        )
        .alone(),
    ]
}

fn caps() -> Vec<Case> {
    vec![
        paid("9.3-29", "an amount at the cap of an order", |order| {
            order.amount = 5_000_000
        }),
        refused("9.3-30", "an amount one VND above it", 0x6343, |order| {
            order.amount = 5_000_001
        }),
        Case::new(
            "9.3-31",
            Stage::Keyed,
            "the total of a month, to the last VND",
            "9000, 6344, 9000",
            |bench| {
                let plan = Plan {
                    caps: [5_000_000, 250_000, 300_000],
                    ..bench.material.plan.clone()
                };
                let mut session = with_plan(bench, &plan)?;
                let mut order = session.order(bench);
                order.amount = 150_000;
                session.pay(bench, &order)?;
                let mut order = session.order(bench);
                order.amount = 100_001;
                session.disburse(bench, &order)?.refused(0x6344)?;
                order.amount = 100_000;
                session.pay(bench, &order).map(drop)
            },
        )
        .alone(),
        Case::new(
            "9.5-01",
            Stage::Keyed,
            "an order in a later month starts a new total; an earlier one counts to the month kept",
            "9000 in December after November is full; 6344 for another one in November",
            |bench| {
                let plan = Plan {
                    caps: [5_000_000, 250_000, 300_000],
                    ..bench.material.plan.clone()
                };
                let mut session = with_plan(bench, &plan)?;
                let mut order = session.order(bench);
                order.amount = 250_000;
                session.pay(bench, &order)?;
                let mut order = session.order(bench);
                order.day = (2026, 12, 1);
                order.amount = 200_000;
                session.pay(bench, &order)?;
                let mut order = session.order(bench);
                order.amount = 60_000;
                session.disburse(bench, &order)?.refused(0x6344)?;
                order.amount = 50_000;
                session.pay(bench, &order).map(drop)
            },
        )
        .alone(),
        Case::new(
            "9.5-02",
            Stage::Keyed,
            "the total of a month outlasts sessions and power",
            "6344",
            |bench| {
                let plan = Plan {
                    caps: [5_000_000, 250_000, 300_000],
                    ..bench.material.plan.clone()
                };
                let mut session = with_plan(bench, &plan)?;
                let mut order = session.order(bench);
                order.amount = 250_000;
                session.pay(bench, &order)?;
                bench.power_cycle()?;
                let mut session = TerminalSession::open_verified(bench)?;
                let mut order = session.order(bench);
                order.amount = 1;
                session.disburse(bench, &order)?.refused(0x6344)
            },
        )
        .alone(),
    ]
}

fn holder() -> Vec<Case> {
    /// The PIN's tries used up, an order on a photo document.
    fn without_pin(bench: &mut Bench, change: fn(&mut Order)) -> Outcome<(TerminalSession, Order)> {
        let mut session = TerminalSession::open(bench)?;
        for _ in 0..3 {
            session.verify_wrongly(bench)?;
        }
        let mut order = session.order(bench);
        order.method = 2;
        change(&mut order);
        Ok((session, order))
    }
    vec![
        Case::new(
            "9.3-32",
            Stage::Active,
            "a photo document, without a PIN",
            "9000; the receipt says 00",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let mut order = session.order(bench);
                order.method = 2;
                let receipt = session.pay(bench, &order)?;
                check(
                    receipt.holder_check == [0x00, 0x03],
                    "the receipt's holder check is not 00 03",
                )
            },
        ),
        Case::new(
            "9.3-33",
            Stage::Active,
            "a photo document although a PIN was verified",
            "9000; the receipt says 00",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let mut order = session.order(bench);
                order.method = 2;
                let receipt = session.pay(bench, &order)?;
                check(
                    receipt.holder_check == [0x00, 0x03],
                    "the receipt's holder check is not 00 03",
                )
            },
        ),
        Case::new(
            "9.3-34",
            Stage::Active,
            "a PIN that was not verified",
            "6346; nothing changed",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let order = session.order(bench).encode();
                refuses(bench, &mut session.secure, DISBURSE, &order, 0x6346)
            },
        ),
        Case::new(
            "9.3-35",
            Stage::Keyed,
            "a photo document that the policy does not allow",
            "6346",
            |bench| {
                let plan = Plan {
                    methods: 1,
                    ..bench.material.plan.clone()
                };
                let mut session = with_plan(bench, &plan)?;
                let mut order = session.order(bench);
                order.method = 2;
                session.disburse(bench, &order)?.refused(0x6346)
            },
        )
        .alone(),
        Case::new(
            "9.3-36",
            Stage::Keyed,
            "a PIN that the policy does not allow, verified",
            "6346",
            |bench| {
                let plan = Plan {
                    methods: 2,
                    ..bench.material.plan.clone()
                };
                let mut session = with_plan(bench, &plan)?;
                let order = session.order(bench);
                session.disburse(bench, &order)?.refused(0x6346)
            },
        )
        .alone(),
        Case::new(
            "9.3-37",
            Stage::Active,
            "a blocked PIN: a photo document by one operator",
            "6346; nothing changed",
            |bench| {
                let (mut session, order) = without_pin(bench, |_| {})?;
                refuses(bench, &mut session.secure, DISBURSE, &order.encode(), 0x6346)
            },
        )
        .alone(),
        Case::new(
            "9.3-38",
            Stage::Active,
            "a blocked PIN: a photo document by two operators, at the lower cap",
            "9000",
            |bench| {
                let (mut session, order) = without_pin(bench, |order| {
                    order.second_operator = Some("op-02");
                    order.amount = 300_000;
                })?;
                let receipt = session.pay(bench, &order)?;
                check(
                    receipt.holder_check == [0x00, 0x00],
                    "the receipt's holder check is not 00 00",
                )
            },
        )
        .alone(),
        Case::new(
            "9.3-39",
            Stage::Active,
            "a blocked PIN: one VND above the lower cap",
            "6343; nothing changed",
            |bench| {
                let (mut session, order) = without_pin(bench, |order| {
                    order.second_operator = Some("op-02");
                    order.amount = 300_001;
                })?;
                refuses(bench, &mut session.secure, DISBURSE, &order.encode(), 0x6343)
            },
        )
        .alone(),
        paid(
            "9.3-40",
            "a second operator although the PIN is not blocked",
            |order| {
                order.second_operator = Some("op-02");
            },
        ),
        paid("9.3-41", "a representative whose authorization lasts", |order| {
            order.recipient = 2
        }),
        refused(
            "9.3-42",
            "a representative whose authorization has ended",
            0x634F,
            |order| order.recipient = 3,
        ),
        paid(
            "9.3-43",
            "a representative on the last day of the authorization",
            |order| {
                order.recipient = 3;
                order.day = (2026, 11, 21);
            },
        ),
    ]
}

fn once() -> Vec<Case> {
    vec![
        Case::new(
            "9.3-44",
            Stage::Active,
            "the same order again",
            "the same receipt, octet by octet; nothing changed",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                let first = session.disburse(bench, &order)?.expect(0x9000)?;
                let before = session.card_status(bench)?;
                let again = session.disburse(bench, &order)?.expect(0x9000)?;
                check(first == again, "another receipt")?;
                check(
                    session.card_status(bench)? == before,
                    "the repetition changed what GET DATA tells",
                )
            },
        ),
        Case::new(
            "9.3-45",
            Stage::Active,
            "the same order again in another session, without a PIN, after power-off",
            "the same receipt",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                let first = session.disburse(bench, &order)?.expect(0x9000)?;
                bench.power_cycle()?;
                let mut session = TerminalSession::open(bench)?;
                check(
                    session.disburse(bench, &order)?.expect(0x9000)? == first,
                    "another receipt",
                )
            },
        ),
        Case::new(
            "9.3-46",
            Stage::Active,
            "another order for a line that was paid",
            "6340 with the standing receipt; nothing changed",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                let standing = session.disburse(bench, &order)?.expect(0x9000)?;
                let before = session.card_status(bench)?;
                let other = Order {
                    nonce: bench.random.octets(),
                    amount: 1,
                    ..order
                };
                check(
                    session.disburse(bench, &other)?.expect(0x6340)? == standing,
                    "not the standing receipt",
                )?;
                check(
                    session.card_status(bench)? == before,
                    "the refusal changed what GET DATA tells",
                )
            },
        ),
        Case::new(
            "9.3-47",
            Stage::Active,
            "another terminal's order for a line that was paid",
            "6340 with the standing receipt",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                let standing = session.disburse(bench, &order)?.expect(0x9000)?;
                let plan = bench.material.plan.clone();
                let mut other = Terminal::other().open(bench)?;
                other.verify(bench, &plan)?.refused(0x9000)?;
                let theirs = Order {
                    terminal: other.name.clone(),
                    ..order
                };
                check(
                    other.disburse(bench, &theirs)?.expect(0x6340)? == standing,
                    "not the standing receipt",
                )
            },
        ),
        Case::new(
            "9.3-48",
            Stage::Active,
            "each part of the line key counts: entitlement, type, programme, period",
            "9000 for each that differs in one of them",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                session.pay(bench, &order)?;
                let others: [fn(&mut Order); 4] = [
                    |order| order.entitlement += 1_000,
                    |order| order.line_type = 6,
                    |order| order.programme = *b"DXUA",
                    |order| order.month = (2024, 1),
                ];
                for change in others {
                    let mut other = order.clone();
                    change(&mut other);
                    session.pay(bench, &other)?;
                }
                Ok(())
            },
        ),
        Case::new(
            "9.3-49",
            Stage::Active,
            "an authorization of another session's PIN is not enough for an order of this one",
            "6346 for both kinds of session change",
            |bench| {
                let plan = bench.material.plan.clone();
                TerminalSession::open_verified(bench)?;
                let mut other = Terminal::other().open(bench)?;
                let order = other.order(bench);
                other.disburse(bench, &order)?.refused(0x6346)?;
                other
                    .send(bench, VERIFY, &pin_data(&plan.pin, 1, ANY_TOTAL))?
                    .refused(0x9000)?;
                other.pay(bench, &order).map(drop)
            },
        ),
    ]
}
