//! SPEC 9.3 and 9.5: which orders a card carries out, and in which order it looks: card, dates, periods, caps.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage};
use crate::material::{Certificate, Order, Plan};
use crate::terminal::{DISBURSE, Terminal, TerminalSession};

use super::support::refuses;

/// An order changed so that it must be refused with this status word, protected and without data.
pub(crate) fn refused(id: &'static str, purpose: &str, status: u16, change: fn(&mut Order)) -> Case {
    let expected = format!("{status:04X}; nothing changed");
    Case::new(id, Stage::Active, purpose, expected, move |bench| {
        let mut session = TerminalSession::open_verified(bench)?;
        let mut order = session.order(bench);
        change(&mut order);
        refuses(bench, &mut session.secure, DISBURSE, &order.encode(), status)
    })
}

/// An order changed so that it must be carried out all the same.
pub(crate) fn paid(id: &'static str, purpose: &str, change: fn(&mut Order)) -> Case {
    Case::new(id, Stage::Active, purpose, "9000 and a receipt", move |bench| {
        let mut session = TerminalSession::open_verified(bench)?;
        let mut order = session.order(bench);
        change(&mut order);
        session.pay(bench, &order).map(drop)
    })
}

/// A card of another plan, active, with a session in which the PIN is verified.
pub(crate) fn with_plan(bench: &mut Bench, plan: &Plan) -> Outcome<TerminalSession> {
    bench.reach_with(Stage::Active, plan)?;
    let mut session = TerminalSession::open(bench)?;
    session.verify(bench, plan)?.expect(0x9000)?;
    Ok(session)
}

pub(crate) fn cases() -> Vec<Case> {
    [checks(), precedence(), dates(), periods(), caps()]
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
        Case::new(
            "9.3-52",
            Stage::Active,
            "paid before, and for another CSO and out of date: the standing receipt first",
            "6340",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let mut order = session.order(bench);
                session.pay(bench, &order)?;
                order.cso_hash = [7; 32];
                order.day = (2037, 1, 1);
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
