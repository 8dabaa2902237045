//! SPEC 9.1: the PIN.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage, check};
use crate::encoding::tlv;
use crate::issuer::IssuerSession;
use crate::material::Plan;
use crate::terminal::{ANY_TOTAL, CHANGE_PIN, Terminal, TerminalSession, VERIFY, pin_data};

use super::support::terminal_refusal;

/// VERIFY that is malformed: `6A80` at no cost.
fn malformed(id: &'static str, purpose: &str, data: fn() -> Vec<u8>) -> Case {
    let purpose = format!("{purpose}: no try is lost");
    terminal_refusal(
        id,
        Stage::Active,
        &purpose,
        VERIFY,
        0x6A80,
        move |_, _| Ok(data()),
    )
}

pub(crate) fn cases() -> Vec<Case> {
    [verify(), forms(), authorization(), change()]
        .into_iter()
        .flatten()
        .collect()
}

/// The tries of the PIN used up.
fn block_pin(bench: &mut Bench, session: &mut TerminalSession) -> Outcome {
    for left in [0x63C2, 0x63C1, 0x63C0] {
        session.verify_wrongly(bench)?.refused(left)?;
    }
    Ok(())
}

fn verify() -> Vec<Case> {
    vec![
        Case::new(
            "9.1-01",
            Stage::Active,
            "VERIFY without data before any PIN",
            "63C3",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                session.send(bench, VERIFY, &[])?.refused(0x63C3)
            },
        ),
        Case::new(
            "9.1-02",
            Stage::Active,
            "VERIFY without data never authenticates",
            "63C3; an order with a PIN is refused with 6346",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                session.send(bench, VERIFY, &[])?.refused(0x63C3)?;
                let order = session.order(bench);
                session.disburse(bench, &order)?.refused(0x6346)
            },
        ),
        Case::new(
            "9.1-03",
            Stage::Active,
            "the right PIN",
            "9000; then VERIFY without data tells 9000",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                session.send(bench, VERIFY, &[])?.refused(0x9000)
            },
        ),
        Case::new(
            "9.1-04",
            Stage::Active,
            "wrong PINs count down, a right one refills",
            "63C2, 63C1, 9000; then 63C2 again",
            |bench| {
                let plan = bench.material.plan.clone();
                let mut session = TerminalSession::open(bench)?;
                session.verify_wrongly(bench)?.refused(0x63C2)?;
                session.verify_wrongly(bench)?.refused(0x63C1)?;
                check(
                    session.card_status(bench)?.tries == 1,
                    "GET DATA tells other tries",
                )?;
                session.verify(bench, &plan)?.refused(0x9000)?;
                check(
                    session.card_status(bench)?.tries == 3,
                    "the tries were not refilled",
                )?;
                session.verify_wrongly(bench)?.refused(0x63C2)?;
                session.verify(bench, &plan)?.refused(0x9000)
            },
        ),
        Case::new(
            "9.1-05",
            Stage::Active,
            "the PIN blocks after its last try",
            "63C2, 63C1, 63C0; then 6983, with the right PIN, too, and without data",
            |bench| {
                let plan = bench.material.plan.clone();
                let mut session = TerminalSession::open(bench)?;
                block_pin(bench, &mut session)?;
                session.verify(bench, &plan)?.refused(0x6983)?;
                session.send(bench, VERIFY, &[])?.refused(0x6983)?;
                check(session.card_status(bench)?.tries == 0, "GET DATA tells tries")
            },
        )
        .alone(),
        Case::new(
            "9.1-06",
            Stage::Active,
            "tries lost stay lost over sessions and power",
            "63C2, 63C1",
            |bench| {
                let plan = bench.material.plan.clone();
                TerminalSession::open(bench)?
                    .verify_wrongly(bench)?
                    .refused(0x63C2)?;
                bench.power_cycle()?;
                let mut session = TerminalSession::open(bench)?;
                session.send(bench, VERIFY, &[])?.refused(0x63C2)?;
                session.verify_wrongly(bench)?.refused(0x63C1)?;
                session.verify(bench, &plan)?.refused(0x9000)
            },
        ),
        Case::new(
            "9.1-07",
            Stage::Active,
            "a blocked PIN stays blocked over sessions, power and terminals",
            "6983",
            |bench| {
                let plan = bench.material.plan.clone();
                let mut session = TerminalSession::open(bench)?;
                block_pin(bench, &mut session)?;
                bench.power_cycle()?;
                let mut other = Terminal::other().open(bench)?;
                other.verify(bench, &plan)?.refused(0x6983)
            },
        )
        .alone(),
        Case::new(
            "9.1-08",
            Stage::Keyed,
            "the CSO's policy says how many tries there are: one",
            "63C0, then 6983",
            |bench| {
                let plan = Plan {
                    tries: 1,
                    ..bench.material.plan.clone()
                };
                bench.reach_with(Stage::Active, &plan)?;
                let mut session = TerminalSession::open(bench)?;
                session.verify_wrongly(bench)?.refused(0x63C0)?;
                session.verify(bench, &plan)?.refused(0x6983)
            },
        )
        .alone(),
        Case::new(
            "9.1-09",
            Stage::Keyed,
            "the CSO's policy says how many tries there are: fifteen",
            "63CF at first",
            |bench| {
                let plan = Plan {
                    tries: 15,
                    ..bench.material.plan.clone()
                };
                bench.reach_with(Stage::Active, &plan)?;
                let mut session = TerminalSession::open(bench)?;
                session.send(bench, VERIFY, &[])?.refused(0x63CF)?;
                session.verify_wrongly(bench)?.refused(0x63CE)
            },
        )
        .alone(),
        terminal_refusal(
            "9.1-10",
            Stage::Active,
            "P1 = 01",
            [0x80, 0x20, 0x01, 0x81],
            0x6A86,
            |_, _| Ok(pin_data(b"271828", 1, 1)),
        ),
        terminal_refusal(
            "9.1-11",
            Stage::Active,
            "another PIN reference",
            [0x80, 0x20, 0x00, 0x82],
            0x6A86,
            |_, _| Ok(pin_data(b"271828", 1, 1)),
        ),
    ]
}

fn forms() -> Vec<Case> {
    vec![
        malformed("9.1-12", "a PIN of five digits", || pin_data(b"27182", 1, 1)),
        malformed("9.1-13", "a PIN of seven digits", || pin_data(b"2718281", 1, 1)),
        malformed("9.1-14", "an empty PIN", || pin_data(b"", 1, 1)),
        malformed("9.1-15", "a PIN with a letter", || pin_data(b"27182a", 1, 1)),
        malformed("9.1-16", "a PIN in BCD", || {
            pin_data(&[0x27, 0x18, 0x28, 0xFF, 0xFF, 0xFF], 1, 1)
        }),
        malformed("9.1-17", "no order", || pin_data(b"271828", 0, 1)),
        malformed("9.1-18", "more orders than the policy allows", || {
            pin_data(b"271828", 6, 1)
        }),
        malformed("9.1-19", "a total of 1,000,000,000,000 VND", || {
            pin_data(b"271828", 1, 1_000_000_000_000)
        }),
        malformed("9.1-20", "a number of orders of two octets", || {
            [
                tlv(0x80, b"271828"),
                tlv(0x81, &[0, 1]),
                tlv(0x82, &1u64.to_be_bytes()),
            ]
            .concat()
        }),
        malformed("9.1-21", "the PIN alone, in no data object", || {
            b"271828".to_vec()
        }),
    ]
}

fn authorization() -> Vec<Case> {
    let policy =
        |id, purpose: &str, expected: &str, steps: fn(&mut Bench, &mut TerminalSession) -> Outcome| {
            Case::new(id, Stage::Active, purpose, expected, move |bench| {
                let mut session = TerminalSession::open(bench)?;
                steps(bench, &mut session)
            })
        };
    vec![
        policy(
            "9.1-22",
            "as many orders as were authorized",
            "9000, 9000, 6346",
            |bench, session| {
                session
                    .send(bench, VERIFY, &pin_data(b"271828", 2, ANY_TOTAL))?
                    .refused(0x9000)?;
                for _ in 0..2 {
                    let order = session.order(bench);
                    session.pay(bench, &order)?;
                }
                let order = session.order(bench);
                session.disburse(bench, &order)?.refused(0x6346)
            },
        ),
        policy(
            "9.1-23",
            "up to the total that was authorized",
            "9000 at the total; 6346 one VND above it",
            |bench, session| {
                session
                    .send(bench, VERIFY, &pin_data(b"271828", 5, 250_000))?
                    .refused(0x9000)?;
                let mut order = session.order(bench);
                order.amount = 250_001;
                session.disburse(bench, &order)?.refused(0x6346)?;
                order.amount = 150_000;
                session.pay(bench, &order)?;
                let mut order = session.order(bench);
                order.amount = 100_001;
                session.disburse(bench, &order)?.refused(0x6346)?;
                order.amount = 100_000;
                session.pay(bench, &order).map(drop)
            },
        ),
        policy(
            "9.1-24",
            "an order that was refused uses nothing up",
            "6341; then 9000",
            |bench, session| {
                session
                    .send(bench, VERIFY, &pin_data(b"271828", 1, ANY_TOTAL))?
                    .refused(0x9000)?;
                let mut order = session.order(bench);
                order.programme = *b"NONE";
                session.disburse(bench, &order)?.refused(0x6341)?;
                let order = session.order(bench);
                session.pay(bench, &order).map(drop)
            },
        ),
        policy(
            "9.1-25",
            "the same order again uses nothing up",
            "the same receipt; then 9000",
            |bench, session| {
                session
                    .send(bench, VERIFY, &pin_data(b"271828", 2, ANY_TOTAL))?
                    .refused(0x9000)?;
                let first = session.order(bench);
                session.pay(bench, &first)?;
                session.pay(bench, &first)?;
                let second = session.order(bench);
                session.pay(bench, &second).map(drop)
            },
        ),
        policy(
            "9.1-26",
            "a wrong PIN takes the authorization away",
            "63C2; then 6346",
            |bench, session| {
                let plan = bench.material.plan.clone();
                session.verify(bench, &plan)?.refused(0x9000)?;
                session.verify_wrongly(bench)?.refused(0x63C2)?;
                let order = session.order(bench);
                session.disburse(bench, &order)?.refused(0x6346)?;
                session.verify(bench, &plan)?.refused(0x9000)
            },
        ),
        policy(
            "9.1-27",
            "a malformed VERIFY leaves the authorization",
            "6A80; then 9000",
            |bench, session| {
                let plan = bench.material.plan.clone();
                session.verify(bench, &plan)?.refused(0x9000)?;
                session.send(bench, VERIFY, b"271828")?.refused(0x6A80)?;
                let order = session.order(bench);
                session.pay(bench, &order).map(drop)
            },
        ),
        policy(
            "9.1-28",
            "the authorization dies with the session",
            "6346 in the next one",
            |bench, session| {
                let plan = bench.material.plan.clone();
                session.verify(bench, &plan)?.refused(0x9000)?;
                let mut next = TerminalSession::open(bench)?;
                next.send(bench, VERIFY, &[])?.refused(0x63C3)?;
                let order = next.order(bench);
                next.disburse(bench, &order)?.refused(0x6346)
            },
        ),
    ]
}

fn change() -> Vec<Case> {
    let malformed = |id, purpose, data: &'static [u8]| {
        terminal_refusal(id, Stage::Active, purpose, CHANGE_PIN, 0x6A80, move |_, _| {
            Ok(data.to_vec())
        })
    };
    vec![
        Case::new(
            "9.1-29",
            Stage::Active,
            "the holder changes the PIN",
            "the new one counts, the old one no more",
            |bench| {
                let plan = bench.material.plan.clone();
                let mut session = TerminalSession::open(bench)?;
                session
                    .send(bench, CHANGE_PIN, b"271828314159")?
                    .refused(0x9000)?;
                session.verify(bench, &plan)?.refused(0x63C2)?;
                let changed = Plan {
                    pin: *b"314159",
                    ..plan
                };
                session.verify(bench, &changed)?.refused(0x9000)
            },
        )
        .alone(),
        Case::new(
            "9.1-30",
            Stage::Active,
            "a change with a wrong PIN counts as a wrong PIN",
            "63C2, 63C1, 63C0, 6983; the PIN stays",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                for status in [0x63C2, 0x63C1, 0x63C0, 0x6983] {
                    session
                        .send(bench, CHANGE_PIN, b"000000314159")?
                        .refused(status)?;
                }
                session.send(bench, CHANGE_PIN, b"271828314159")?.refused(0x6983)
            },
        )
        .alone(),
        Case::new(
            "9.1-31",
            Stage::Active,
            "a change of the PIN leaves the authorization",
            "9000 for the order",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                session
                    .send(bench, CHANGE_PIN, b"271828314159")?
                    .refused(0x9000)?;
                let order = session.order(bench);
                session.pay(bench, &order).map(drop)
            },
        )
        .alone(),
        Case::new(
            "9.1-32",
            Stage::Active,
            "a change of the PIN fills its tries",
            "3 tries",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                session.verify_wrongly(bench)?.refused(0x63C2)?;
                session
                    .send(bench, CHANGE_PIN, b"271828314159")?
                    .refused(0x9000)?;
                check(
                    session.card_status(bench)?.tries == 3,
                    "the tries were not filled",
                )
            },
        )
        .alone(),
        malformed("9.1-33", "a change with eleven digits", b"27182831415"),
        malformed("9.1-34", "a change with thirteen digits", b"2718283141592"),
        malformed("9.1-35", "a change with a letter", b"27182831415a"),
        malformed("9.1-36", "a change with six digits", b"271828"),
        terminal_refusal(
            "9.1-37",
            Stage::Active,
            "the issuer's way of setting a PIN (P1 = 01) in a terminal's session",
            [0x80, 0x24, 0x01, 0x81],
            0x6A86,
            |_, _| Ok(b"314159".to_vec()),
        ),
        Case::new(
            "9.1-38",
            Stage::Active,
            "VERIFY in an issuer's session",
            "6D00",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                session
                    .send(bench, VERIFY, &pin_data(b"271828", 1, 1))?
                    .refused(0x6D00)
            },
        ),
    ]
}
