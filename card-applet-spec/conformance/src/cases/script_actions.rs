//! SPEC 13.4, 13.5 and 13.7 to 13.9: what an issuer's script does to a card.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage, check};
use crate::issuer::{CardStatus, EXECUTE_SCRIPT, IssuerSession};
use crate::material::{Certificate, Month, Order, Script, date};
use crate::terminal::{Terminal, TerminalSession};

use super::issuer_scripts::{execute, open, refused};
use super::support::refuses;

pub(crate) fn cases() -> Vec<Case> {
    [tries(), blocking(), money(), dates()]
        .into_iter()
        .flatten()
        .collect()
}

fn tries() -> Vec<Case> {
    vec![
        Case::new(
            "13.4-01",
            Stage::Active,
            "the tries of a blocked PIN are filled",
            "3 tries, and the PIN as it was",
            |bench| {
                let plan = bench.material.plan.clone();
                let (mut session, counter) = open(bench)?;
                for _ in 0..3 {
                    session.verify_wrongly(bench)?;
                }
                let receipt = execute(bench, &mut session, &Script::fill_tries(counter))?;
                check(
                    receipt.holder_check == [0x00, 0x03],
                    "the receipt does not tell the tries after it",
                )?;
                session
                    .send(bench, crate::terminal::VERIFY, &[])?
                    .refused(0x63C3)?;
                session.verify(bench, &plan)?.refused(0x9000)
            },
        )
        .alone(),
        Case::new(
            "13.4-02",
            Stage::Active,
            "a new PIN is permitted once",
            "flag 5; one CHANGE REFERENCE DATA in a later issuer's session, the second answers 6985",
            |bench| {
                let plan = bench.material.plan.clone();
                let (mut session, counter) = open(bench)?;
                execute(bench, &mut session, &Script::permit_new_pin(counter))?;
                check(
                    session.card_status(bench)?.flags & CardStatus::NEW_PIN != 0,
                    "flag 5 is not set",
                )?;
                session.verify(bench, &plan)?.refused(0x9000)?;
                let mut issuer = IssuerSession::open(bench)?;
                issuer.set_pin(bench, b"314159")?.refused(0x9000)?;
                check(
                    issuer.card_status(bench)?.flags & CardStatus::NEW_PIN == 0,
                    "flag 5 is still set",
                )?;
                issuer.set_pin(bench, b"161803")?.refused(0x6985)?;
                let mut session = TerminalSession::open(bench)?;
                let changed = crate::material::Plan {
                    pin: *b"314159",
                    ..plan
                };
                session.verify(bench, &changed)?.refused(0x9000)
            },
        )
        .alone(),
        Case::new(
            "13.4-03",
            Stage::Active,
            "two permissions are one",
            "the second CHANGE REFERENCE DATA answers 6985",
            |bench| {
                let (mut session, counter) = open(bench)?;
                execute(bench, &mut session, &Script::permit_new_pin(counter))?;
                execute(bench, &mut session, &Script::permit_new_pin(counter + 1))?;
                let mut issuer = IssuerSession::open(bench)?;
                issuer.set_pin(bench, b"314159")?.refused(0x9000)?;
                issuer.set_pin(bench, b"161803")?.refused(0x6985)
            },
        )
        .alone(),
        Case::new(
            "13.4-04",
            Stage::Active,
            "a malformed PIN does not use the permission up",
            "6A80; then 9000",
            |bench| {
                let (mut session, counter) = open(bench)?;
                execute(bench, &mut session, &Script::permit_new_pin(counter))?;
                let mut issuer = IssuerSession::open(bench)?;
                refuses(
                    bench,
                    &mut issuer.secure,
                    crate::issuer::SET_PIN,
                    b"31415",
                    0x6A80,
                )?;
                issuer.set_pin(bench, b"314159")?.refused(0x9000)
            },
        )
        .alone(),
    ]
}

fn blocking() -> Vec<Case> {
    vec![
        Case::new(
            "13.5-01",
            Stage::Active,
            "blocked by script",
            "life cycle 04; an order answers 634C",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let counter = session.card_status(bench)?.counter;
                let order = session.order(bench);
                execute(bench, &mut session, &Script::block(counter))?;
                check(
                    session.card_status(bench)?.life_cycle == 0x04,
                    "life cycle is not 04",
                )?;
                session.disburse(bench, &order)?.refused(0x634C)
            },
        )
        .alone(),
        Case::new(
            "13.5-02",
            Stage::Blocked,
            "unblocked by script, and paying again",
            "life cycle 05; 9000",
            |bench| {
                let (mut session, counter) = open(bench)?;
                execute(bench, &mut session, &Script::unblock(counter, 0))?;
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                session.pay(bench, &order).map(drop)
            },
        )
        .alone(),
        Case::new(
            "13.5-03",
            Stage::Active,
            "terminated by script from active",
            "life cycle 0C",
            |bench| {
                let (mut session, counter) = open(bench)?;
                execute(bench, &mut session, &Script::terminate(counter))?;
                check(bench.select()? == Stage::Terminated, "life cycle is not 0C")
            },
        )
        .alone(),
        Case::new(
            "13.5-04",
            Stage::Terminated,
            "nothing leads back from terminated",
            "6985 to unblock",
            |bench| {
                let (mut session, counter) = open(bench)?;
                let data = bench.material.script(&Script::unblock(counter, 0));
                refuses(bench, &mut session.secure, EXECUTE_SCRIPT, &data, 0x6985)
            },
        ),
        refused(
            "13.5-05",
            Stage::Active,
            "unblocking an active card",
            0x634E,
            |_, counter| Script::unblock(counter, 9),
        ),
        refused(
            "13.5-06",
            Stage::Blocked,
            "blocking a blocked card",
            0x634E,
            |_, counter| Script::block(counter),
        ),
        refused(
            "13.5-07",
            Stage::Blocked,
            "filling the tries of a blocked card",
            0x634E,
            |_, counter| Script::fill_tries(counter),
        ),
        refused(
            "13.5-08",
            Stage::Blocked,
            "permitting a new PIN on a blocked card",
            0x634E,
            |_, counter| Script::permit_new_pin(counter),
        ),
        refused(
            "13.5-09",
            Stage::Blocked,
            "pruning on a blocked card",
            0x634E,
            |_, counter| Script::prune(counter, (2026, 1)),
        ),
        refused(
            "13.5-10",
            Stage::Blocked,
            "setting the date of a blocked card",
            0x634E,
            |_, counter| Script::set_date(counter, (2026, 11, 30)),
        ),
        Case::new(
            "13.5-11",
            Stage::Blocked,
            "a number below the block list number does not unblock",
            "634E; nothing changed",
            |bench| {
                let (mut session, counter) = open(bench)?;
                execute(bench, &mut session, &Script::unblock(counter, 7))?;
                execute(bench, &mut session, &Script::block(counter + 1))?;
                let low = bench.material.script(&Script::unblock(counter + 2, 6));
                refuses(bench, &mut session.secure, EXECUTE_SCRIPT, &low, 0x634E)?;
                execute(bench, &mut session, &Script::unblock(counter + 2, 7)).map(drop)
            },
        )
        .alone(),
        Case::new(
            "13.5-12",
            Stage::Active,
            "an authorization by VERIFY dies when the card is blocked and unblocked",
            "6346",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let counter = session.card_status(bench)?.counter;
                execute(bench, &mut session, &Script::block(counter))?;
                execute(bench, &mut session, &Script::unblock(counter + 1, 0))?;
                let order = session.order(bench);
                session.disburse(bench, &order)?.refused(0x6346)
            },
        )
        .alone(),
        Case::new(
            "13.5-13",
            Stage::Blocked,
            "what was executed before is still answered on a blocked card, to the same order and to another for the line",
            "9000 and 6340 with the stored receipt",
            |bench| {
                let (mut session, counter) = open(bench)?;
                execute(bench, &mut session, &Script::unblock(counter, 0))?;
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                let receipt = session.disburse(bench, &order)?.expect(0x9000)?;
                execute(bench, &mut session, &Script::block(counter + 2))?;
                let mut session = TerminalSession::open(bench)?;
                check(
                    session.disburse(bench, &order)?.expect(0x9000)? == receipt,
                    "not the stored receipt",
                )?;
                let other = Order {
                    nonce: [1; 16],
                    ..order
                };
                check(
                    session.disburse(bench, &other)?.expect(0x6340)? == receipt,
                    "not the standing receipt",
                )
            },
        )
        .alone(),
    ]
}

/// Pays one line of a month.
fn pay_month(bench: &mut Bench, session: &mut TerminalSession, month: Month) -> Outcome<Order> {
    let plan = bench.material.plan.clone();
    session.verify(bench, &plan)?.refused(0x9000)?;
    let mut order = session.order(bench);
    order.month = month;
    session.pay(bench, &order)?;
    Ok(order)
}

fn money() -> Vec<Case> {
    vec![
        Case::new(
            "13.7-01",
            Stage::Active,
            "the issuer reverses a payment that is not the newest",
            "a receipt of kind 03; the line can be paid again, the old order is dead (634A)",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let first = session.order(bench);
                session.pay(bench, &first)?;
                let second = session.order(bench);
                let newest = session.pay(bench, &second)?;
                execute(
                    bench,
                    &mut session,
                    &Script::reverse(newest.counter, &first.hash()),
                )?;
                session.disburse(bench, &first)?.expect(0x634A)?;
                let again = Order {
                    nonce: [1; 16],
                    ..first
                };
                session.pay(bench, &again).map(drop)
            },
        ),
        Case::new(
            "13.7-02",
            Stage::Active,
            "the issuer reverses another terminal's payment",
            "a receipt of kind 03",
            |bench| {
                let plan = bench.material.plan.clone();
                let mut other = Terminal::other().open(bench)?;
                other.verify(bench, &plan)?.refused(0x9000)?;
                let order = other.order(bench);
                let payment = other.pay(bench, &order)?;
                let mut session = TerminalSession::open(bench)?;
                execute(
                    bench,
                    &mut session,
                    &Script::reverse(payment.counter, &order.hash()),
                )
                .map(drop)
            },
        ),
        refused(
            "13.7-03",
            Stage::Active,
            "reversing what was never paid",
            0x634E,
            |_, counter| Script::reverse(counter, &[7; 32]),
        ),
        Case::new(
            "13.7-04",
            Stage::Active,
            "reversing what was reversed already",
            "634E; nothing changed",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                let payment = session.pay(bench, &order)?;
                execute(
                    bench,
                    &mut session,
                    &Script::reverse(payment.counter, &order.hash()),
                )?;
                let again = bench
                    .material
                    .script(&Script::reverse(payment.counter + 1, &order.hash()));
                refuses(bench, &mut session.secure, EXECUTE_SCRIPT, &again, 0x634E)
            },
        ),
        Case::new(
            "13.8-01",
            Stage::Active,
            "after pruning no earlier period is paid",
            "6342 before the floor, 9000 at it",
            |bench| {
                let (mut session, counter) = open(bench)?;
                execute(bench, &mut session, &Script::prune(counter, (2026, 6)))?;
                let mut session = TerminalSession::open_verified(bench)?;
                let mut order = session.order(bench);
                order.month = (2026, 5);
                session.disburse(bench, &order)?.refused(0x6342)?;
                order.month = (2026, 6);
                session.pay(bench, &order).map(drop)
            },
        )
        .alone(),
        Case::new(
            "13.8-02",
            Stage::Active,
            "rows before the floor are free again, and their lines are not payable",
            "9000 for a new row, 6342 for an old line",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let mut counter = 0;
                for number in 0..40u16 {
                    let plan = bench.material.plan.clone();
                    session.verify(bench, &plan)?.refused(0x9000)?;
                    let mut order = session.order(bench);
                    (order.entitlement, order.month) = (2_000 + number, (2026, 1));
                    counter = session.pay(bench, &order)?.counter;
                }
                execute(bench, &mut session, &Script::prune(counter, (2026, 2)))?;
                pay_month(bench, &mut session, (2026, 3))?;
                let mut old = session.order(bench);
                (old.entitlement, old.month) = (2_000, (2026, 1));
                session.disburse(bench, &old)?.refused(0x6342)
            },
        )
        .alone(),
        Case::new(
            "13.8-03",
            Stage::Active,
            "the floor does not go back",
            "634E; nothing changed",
            |bench| {
                let (mut session, counter) = open(bench)?;
                execute(bench, &mut session, &Script::prune(counter, (2026, 6)))?;
                let back = bench.material.script(&Script::prune(counter + 1, (2026, 5)));
                refuses(bench, &mut session.secure, EXECUTE_SCRIPT, &back, 0x634E)
            },
        )
        .alone(),
        refused(
            "13.8-04",
            Stage::Active,
            "a floor after the month of the remembered date",
            0x634E,
            |_, counter| Script::prune(counter, (2026, 12)),
        ),
    ]
}

fn dates() -> Vec<Case> {
    vec![
        Case::new(
            "13.9-01",
            Stage::Active,
            "the remembered date goes back by script, after a certificate with a wrong date",
            "the date; certificates that had ended are accepted again",
            |bench| {
                let wrong = Terminal {
                    certificate: Certificate {
                        from: (2030, 1, 1),
                        to: (2030, 1, 31),
                        ..Certificate::terminal()
                    },
                    ..Terminal::standard()
                };
                let mut session = wrong.open(bench)?;
                let counter = session.card_status(bench)?.counter;
                execute(bench, &mut session, &Script::set_date(counter, (2026, 11, 20)))?;
                let mut session = TerminalSession::open(bench)?;
                check(
                    session.card_status(bench)?.date == Some(date((2026, 11, 20))),
                    "not the date of the script",
                )
            },
        )
        .alone(),
        Case::new(
            "13.9-02",
            Stage::Active,
            "a date that goes back leaves the floor at the latest base of any row",
            "6342 for periods before it, of a line that has no row, too",
            |bench| {
                let (mut session, counter) = with_later_date(bench)?;
                let plan = bench.material.plan.clone();
                session.verify(bench, &plan)?.refused(0x9000)?;
                let mut order = session.order(bench);
                order.day = (2027, 1, 10);
                session.pay(bench, &order)?;
                execute(
                    bench,
                    &mut session,
                    &Script::set_date(counter + 1, (2026, 11, 20)),
                )?;
                let mut session = TerminalSession::open_verified(bench)?;
                let mut order = session.order(bench);
                (order.entitlement, order.month) = (99, (2023, 12));
                session.disburse(bench, &order)?.refused(0x6342)?;
                order.month = (2024, 1);
                session.pay(bench, &order).map(drop)
            },
        )
        .alone(),
        Case::new(
            "13.9-03",
            Stage::Active,
            "a date that goes back and under which nothing was paid costs nothing",
            "9000 for the first month of the window of the date set",
            |bench| {
                let (mut session, counter) = with_later_date(bench)?;
                execute(bench, &mut session, &Script::set_date(counter, (2026, 11, 20)))?;
                let mut session = TerminalSession::open_verified(bench)?;
                let mut order = session.order(bench);
                order.month = (2023, 11);
                session.pay(bench, &order).map(drop)
            },
        )
        .alone(),
    ]
}

/// A session of a terminal whose certificate moves the remembered date two months ahead, and the card's counter.
fn with_later_date(bench: &mut Bench) -> Outcome<(TerminalSession, u32)> {
    let later = Terminal {
        certificate: Certificate {
            from: (2027, 1, 1),
            to: (2027, 1, 31),
            ..Certificate::terminal()
        },
        ..Terminal::standard()
    };
    let mut session = later.open(bench)?;
    let counter = session.card_status(bench)?.counter;
    Ok((session, counter))
}
