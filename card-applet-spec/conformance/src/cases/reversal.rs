//! SPEC 9.8: the newest payment undone at the terminal that made it.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage, check};
use crate::encoding::{remove, set, with_long_length, with_members};
use crate::material::{Order, Plan, Reversal};
use crate::terminal::{ANY_TOTAL, REVERSE, Terminal, TerminalSession, VERIFY, pin_data};

use super::receipts::{follows, read_receipt, read_subject};
use super::support::refuses;

/// A card with a payment of this session, PIN verified.
fn paid(bench: &mut Bench) -> Outcome<(TerminalSession, Order, Reversal)> {
    let mut session = TerminalSession::open_verified(bench)?;
    let order = session.order(bench);
    session.pay(bench, &order)?;
    let reversal = Reversal::of(&order, bench.random.octets());
    Ok((session, order, reversal))
}

/// A reversal changed so that it must be refused.
fn refused(id: &'static str, purpose: &str, status: u16, change: fn(&mut Reversal)) -> Case {
    Case::new(
        id,
        Stage::Active,
        purpose,
        format!("{status:04X}; nothing changed"),
        move |bench| {
            let (mut session, _, mut reversal) = paid(bench)?;
            change(&mut reversal);
            refuses(bench, &mut session.secure, REVERSE, &reversal.encode(), status)
        },
    )
}

/// A reversal whose octets are spoilt.
fn spoilt(id: &'static str, purpose: &str, spoil: fn(Vec<u8>) -> Vec<u8>) -> Case {
    Case::new(
        id,
        Stage::Active,
        purpose,
        "6A80; nothing changed",
        move |bench| {
            let (mut session, _, reversal) = paid(bench)?;
            refuses(
                bench,
                &mut session.secure,
                REVERSE,
                &spoil(reversal.encode()),
                0x6A80,
            )
        },
    )
}

pub(crate) fn cases() -> Vec<Case> {
    [effect(), refusals(), encodings()]
        .into_iter()
        .flatten()
        .collect()
}

fn effect() -> Vec<Case> {
    vec![
        Case::new(
            "9.8-01",
            Stage::Active,
            "the newest payment is undone",
            "a receipt of kind 02 that follows the payment's; the line can be paid by another order",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                let payment = session.pay(bench, &order)?;
                let reversal = Reversal::of(&order, bench.random.octets());
                let object = session.reverse(bench, &reversal)?.expect(0x9000)?;
                let receipt = session.receipt(&object)?;
                check(receipt.kind == 0x02, "the kind is not 02")?;
                check(
                    receipt.done == crate::material::hash(&reversal.encode()),
                    "the receipt is for something else",
                )?;
                follows(&payment, &receipt)?;
                let again = Order {
                    nonce: bench.random.octets(),
                    ..order
                };
                session.pay(bench, &again).map(drop)
            },
        ),
        Case::new(
            "9.8-02",
            Stage::Active,
            "the same reversal again",
            "the same receipt; nothing changed",
            |bench| {
                let (mut session, _, reversal) = paid(bench)?;
                let first = session.reverse(bench, &reversal)?.expect(0x9000)?;
                let before = session.card_status(bench)?;
                bench.power_cycle()?;
                let mut session = TerminalSession::open(bench)?;
                let again = session.reverse(bench, &reversal)?.expect(0x9000)?;
                check(first == again, "another receipt")?;
                check(
                    session.card_status(bench)? == before,
                    "the repetition changed what GET DATA tells",
                )
            },
        ),
        Case::new(
            "9.8-03",
            Stage::Active,
            "an order that was reversed is dead",
            "634A with the receipt of the reversal; nothing changed",
            |bench| {
                let (mut session, order, reversal) = paid(bench)?;
                let undone = session.reverse(bench, &reversal)?.expect(0x9000)?;
                let before = session.card_status(bench)?;
                check(
                    session.disburse(bench, &order)?.expect(0x634A)? == undone,
                    "not the receipt of the reversal",
                )?;
                check(
                    session.card_status(bench)? == before,
                    "the refusal changed what GET DATA tells",
                )
            },
        ),
        Case::new(
            "9.8-04",
            Stage::Keyed,
            "the month's total falls by the amount",
            "a second order up to the cap: 9000",
            |bench| {
                let plan = Plan {
                    caps: [5_000_000, 250_000, 300_000],
                    ..bench.material.plan.clone()
                };
                bench.reach_with(Stage::Active, &plan)?;
                let mut session = TerminalSession::open_verified(bench)?;
                let mut order = session.order(bench);
                order.amount = 250_000;
                session.pay(bench, &order)?;
                let reversal = Reversal::of(&order, bench.random.octets());
                session.reverse(bench, &reversal)?.expect(0x9000)?;
                let mut next = session.order(bench);
                next.amount = 250_001;
                session.disburse(bench, &next)?.refused(0x6344)?;
                next.amount = 250_000;
                session.pay(bench, &next).map(drop)
            },
        )
        .alone(),
        Case::new(
            "9.8-05",
            Stage::Active,
            "the reversal is read back",
            "record 1: its receipt, and FF2C as it came",
            |bench| {
                let (mut session, _, reversal) = paid(bench)?;
                let receipt = session.reverse(bench, &reversal)?.expect(0x9000)?;
                check(
                    session.send(bench, read_receipt(1), &[])?.expect(0x9000)? == receipt,
                    "not the receipt",
                )?;
                check(
                    session.send(bench, read_subject(1), &[])?.expect(0x9000)? == reversal.encode(),
                    "not the reversal",
                )
            },
        ),
        Case::new(
            "9.8-06",
            Stage::Active,
            "a reversal uses up one of the orders that VERIFY authorized",
            "9000, 9000, 6346",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                session
                    .send(bench, VERIFY, &pin_data(b"271828", 2, ANY_TOTAL))?
                    .refused(0x9000)?;
                let order = session.order(bench);
                session.pay(bench, &order)?;
                let reversal = Reversal::of(&order, bench.random.octets());
                session.reverse(bench, &reversal)?.expect(0x9000)?;
                let order = session.order(bench);
                session.disburse(bench, &order)?.refused(0x6346)
            },
        ),
        Case::new(
            "9.8-07",
            Stage::Active,
            "a reversal on a photo document",
            "9000; the receipt says 00",
            |bench| {
                let (_, _, mut reversal) = paid(bench)?;
                let mut session = TerminalSession::open(bench)?;
                reversal.method = 2;
                let object = session.reverse(bench, &reversal)?.expect(0x9000)?;
                check(
                    session.receipt(&object)?.holder_check == [0x00, 0x03],
                    "the holder check is not 00 03",
                )
            },
        ),
    ]
}

fn refusals() -> Vec<Case> {
    vec![
        refused("9.8-08", "a reversal of another terminal", 0x6982, |reversal| {
            reversal.terminal = b"VNT0000002".to_vec();
        }),
        refused("9.8-09", "for another CSO", 0x6349, |reversal| {
            reversal.cso_hash = [7; 32]
        }),
        refused(
            "9.8-10",
            "on the day after the terminal's certificate",
            0x6345,
            |reversal| {
                reversal.day = (2026, 12, 20);
            },
        ),
        refused(
            "9.8-11",
            "of an order that was never carried out",
            0x634B,
            |reversal| reversal.order_hash = [7; 32],
        ),
        Case::new(
            "9.8-12",
            Stage::Active,
            "of a payment that is not the newest",
            "634B; nothing changed",
            |bench| {
                let (mut session, _, reversal) = paid(bench)?;
                let next = session.order(bench);
                session.pay(bench, &next)?;
                refuses(bench, &mut session.secure, REVERSE, &reversal.encode(), 0x634B)
            },
        ),
        Case::new(
            "9.8-13",
            Stage::Active,
            "of another terminal's payment",
            "634B; nothing changed",
            |bench| {
                let (_, order, _) = paid(bench)?;
                let plan = bench.material.plan.clone();
                let mut other = Terminal::other().open(bench)?;
                other.verify(bench, &plan)?.refused(0x9000)?;
                let mut reversal = Reversal::of(&order, bench.random.octets());
                reversal.terminal = other.name.clone();
                refuses(bench, &mut other.secure, REVERSE, &reversal.encode(), 0x634B)
            },
        ),
        Case::new(
            "9.8-14",
            Stage::Active,
            "of a payment that was reversed already",
            "634B; nothing changed",
            |bench| {
                let (mut session, order, reversal) = paid(bench)?;
                session.reverse(bench, &reversal)?.expect(0x9000)?;
                let second = Reversal::of(&order, [1; 16]);
                refuses(bench, &mut session.secure, REVERSE, &second.encode(), 0x634B)
            },
        ),
        Case::new(
            "9.8-15",
            Stage::Active,
            "of a reversal",
            "634B; nothing changed",
            |bench| {
                let (mut session, order, reversal) = paid(bench)?;
                session.reverse(bench, &reversal)?.expect(0x9000)?;
                let mut second = Reversal::of(&order, [1; 16]);
                second.order_hash = crate::material::hash(&reversal.encode());
                refuses(bench, &mut session.secure, REVERSE, &second.encode(), 0x634B)
            },
        ),
        Case::new(
            "9.8-16",
            Stage::Active,
            "by PIN, without a PIN in this session",
            "6346; nothing changed",
            |bench| {
                let (_, _, reversal) = paid(bench)?;
                let mut session = TerminalSession::open(bench)?;
                refuses(bench, &mut session.secure, REVERSE, &reversal.encode(), 0x6346)
            },
        ),
        Case::new(
            "9.8-17",
            Stage::Active,
            "P1 or P2 other than 00",
            "6A86; nothing changed",
            |bench| {
                let (mut session, _, reversal) = paid(bench)?;
                for header in [[0x80, 0x56, 0x01, 0x00], [0x80, 0x56, 0x00, 0x01]] {
                    refuses(bench, &mut session.secure, header, &reversal.encode(), 0x6A86)?;
                }
                Ok(())
            },
        ),
        Case::new(
            "9.8-18",
            Stage::Active,
            "an order in place of a reversal",
            "6A80; nothing changed",
            |bench| {
                let (mut session, order, _) = paid(bench)?;
                refuses(bench, &mut session.secure, REVERSE, &order.encode(), 0x6A80)
            },
        ),
    ]
}

fn encodings() -> Vec<Case> {
    vec![
        spoilt("9.8-19", "a length in one octet more than needed", |reversal| {
            with_long_length(&reversal)
        }),
        spoilt("9.8-20", "the last octet missing", |mut reversal| {
            reversal.pop();
            reversal
        }),
        spoilt("9.8-21", "an octet behind the reversal", |reversal| {
            [reversal, vec![0x00]].concat()
        }),
        spoilt("9.8-22", "no order hash", |reversal| {
            with_members(&reversal, |members| remove(members, 0x84))
        }),
        spoilt("9.8-23", "time zero", |reversal| {
            with_members(&reversal, |members| set(members, 0x8D, &[0; 7]))
        }),
        spoilt("9.8-24", "method 3", |reversal| {
            with_members(&reversal, |members| set(members, 0x8A, &[3]))
        }),
    ]
}
