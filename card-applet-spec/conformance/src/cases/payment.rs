//! SPEC 9.3: who was checked and how, who receives, and that a line is paid once.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage, check};
use crate::material::{Order, Plan};
use crate::terminal::{ANY_TOTAL, DISBURSE, Terminal, TerminalSession, VERIFY, pin_data};

use super::decisions::{paid, refused, with_plan};
use super::support::refuses;

pub(crate) fn cases() -> Vec<Case> {
    [holder(), once()].into_iter().flatten().collect()
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
