//! SPEC 9.4, 9.6, 9.7 and 9.9: receipts, their chain, the table of paid lines, and reading them back.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Own as _, Stage, check};
use crate::issuer::IssuerSession;
use crate::material::Order;
use crate::terminal::{ANY_TOTAL, Receipt, Terminal, TerminalSession, VERIFY, pin_data};

use super::support::{issuer_refusal, nothing, terminal_refusal};

/// READ RECORD of receipt `number`, 1 = the newest.
pub(crate) const fn read_receipt(number: u8) -> [u8; 4] {
    [0x80, 0xB2, number, 0xDC]
}

/// READ RECORD of what that receipt is for.
pub(crate) const fn read_subject(number: u8) -> [u8; 4] {
    [0x80, 0xB2, number, 0xE4]
}

/// Pays so many lines; the orders, oldest first.
fn pay_many(
    bench: &mut Bench,
    session: &mut TerminalSession,
    count: usize,
) -> Outcome<Vec<(Order, Vec<u8>)>> {
    let pin = bench.material.plan.pin;
    let mut paid = Vec::new();
    for number in 0..count {
        if number % 5 == 0 {
            session
                .send(bench, VERIFY, &pin_data(&pin, 5, ANY_TOTAL))?
                .expect(0x9000)?;
        }
        let order = session.order(bench);
        let receipt = session.disburse(bench, &order)?.expect(0x9000)?;
        paid.push((order, receipt));
    }
    Ok(paid)
}

pub(crate) fn cases() -> Vec<Case> {
    [chain(), table(), records()].into_iter().flatten().collect()
}

fn chain() -> Vec<Case> {
    vec![
        Case::new(
            "9.4-01",
            Stage::Active,
            "the first receipt: counter 1, the CSO hash before it, kind 01, PIN compared, 3 tries",
            "as SPEC 9.4 has it; GET DATA tells counter and head",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                let receipt = session.pay(bench, &order)?;
                check(receipt.counter == 1, "the counter is not 1")?;
                check(
                    receipt.previous == session.cso.hash,
                    "the hash before it is not the CSO hash",
                )?;
                check(receipt.kind == 0x01, "the kind is not 01")?;
                check(receipt.cso_version == 1, "the CSO version is not 1")?;
                check(
                    receipt.holder_check == [0x01, 0x03],
                    "the holder check is not 01 03",
                )?;
                let status = session.card_status(bench)?;
                check(
                    status.counter == 1 && status.head == Some(receipt.hash.to_vec()),
                    "GET DATA tells another head",
                )
            },
        )
        .alone(),
        Case::new(
            "9.4-02",
            Stage::Active,
            "each receipt names the hash of the one before, over sessions, terminals and power",
            "counters rise by one and hashes match",
            |bench| {
                let plan = bench.material.plan.clone();
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                let mut last = session.pay(bench, &order)?;
                for terminal in [Terminal::other(), Terminal::standard()] {
                    bench.power_cycle()?;
                    let mut session = terminal.open(bench)?;
                    session.verify(bench, &plan)?.refused(0x9000)?;
                    let order = session.order(bench);
                    let receipt = session.pay(bench, &order)?;
                    follows(&last, &receipt)?;
                    last = receipt;
                }
                Ok(())
            },
        ),
        Case::new(
            "9.4-03",
            Stage::Active,
            "a refused order leaves counter and head",
            "as before",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                let before = session.pay(bench, &order)?;
                let mut wrong = session.order(bench);
                wrong.amount = 5_000_001;
                session.disburse(bench, &wrong)?.refused(0x6343)?;
                let order = session.order(bench);
                let after = session.pay(bench, &order)?;
                follows(&before, &after)
            },
        ),
        Case::new(
            "9.4-04",
            Stage::Active,
            "the receipt tells the tries that are left",
            "2 after a wrong PIN",
            |bench| {
                let plan = bench.material.plan.clone();
                let mut session = TerminalSession::open(bench)?;
                session.verify_wrongly(bench)?.refused(0x63C2)?;
                let mut order = session.order(bench);
                order.method = 2;
                let receipt = session.pay(bench, &order)?;
                session.verify(bench, &plan)?.refused(0x9000)?;
                check(
                    receipt.holder_check == [0x00, 0x02],
                    "the holder check is not 00 02",
                )
            },
        ),
    ]
}

/// Is `next` the receipt after `last`?
pub(crate) fn follows(last: &Receipt, next: &Receipt) -> Outcome {
    check(
        Some(next.counter) == last.counter.checked_add(1),
        "the counter did not rise by one",
    )?;
    check(
        next.previous == last.hash,
        "the receipt does not name the one before",
    )
}

fn table() -> Vec<Case> {
    vec![
        Case::new(
            "9.6-01",
            Stage::Active,
            "forty rows of paid lines, and no forty-first",
            "9000 forty times, then 6347; nothing changed",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                for number in 0..40u16 {
                    if number % 5 == 0 {
                        session
                            .send(bench, VERIFY, &pin_data(b"271828", 5, ANY_TOTAL))?
                            .expect(0x9000)?;
                    }
                    let mut order = session.order(bench);
                    order.entitlement = 2_000 + number;
                    session.pay(bench, &order)?;
                }
                session
                    .send(bench, VERIFY, &pin_data(b"271828", 5, ANY_TOTAL))?
                    .expect(0x9000)?;
                let mut order = session.order(bench);
                order.entitlement = 3_000;
                super::support::refuses(
                    bench,
                    &mut session.secure,
                    crate::terminal::DISBURSE,
                    &order.encode(),
                    0x6347,
                )?;
                let mut known = session.order(bench);
                known.entitlement = 2_000;
                known.month = (2024, 2);
                session.pay(bench, &known).map(drop)
            },
        )
        .alone(),
        Case::new(
            "9.6-02",
            Stage::Active,
            "every month of the window is paid once in one row",
            "9000 for 40 months, 6340 for each of them again",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                for again in [false, true] {
                    for index in 0..40u16 {
                        if index % 5 == 0 {
                            session
                                .send(bench, VERIFY, &pin_data(b"271828", 5, ANY_TOTAL))?
                                .expect(0x9000)?;
                        }
                        let mut order = session.order(bench);
                        order.entitlement = 4_000;
                        let month = 10 + index;
                        order.month = (2023 + month / 12, (month % 12) as u8 + 1);
                        let status = if again { 0x6340 } else { 0x9000 };
                        session.disburse(bench, &order)?.expect(status)?;
                    }
                }
                Ok(())
            },
        )
        .alone(),
    ]
}

fn records() -> Vec<Case> {
    vec![
        Case::new(
            "9.7-01",
            Stage::Active,
            "the last 32 receipts are kept, and the one before them is not",
            "32 records, then 6A83",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let paid = pay_many(bench, &mut session, 34)?;
                for (number, (order, receipt)) in (1..=32).zip(paid.iter().rev()) {
                    let record = session.send(bench, read_receipt(number), &[])?.expect(0x9000)?;
                    check(record == *receipt, &format!("record {number} is not the receipt"))?;
                    let subject = session.send(bench, read_subject(number), &[])?.expect(0x9000)?;
                    check(
                        subject == order.encode(),
                        &format!("record {number} is not the order"),
                    )?;
                }
                session.send(bench, read_receipt(33), &[])?.refused(0x6A83)
            },
        )
        .alone(),
        Case::new(
            "9.7-02",
            Stage::Active,
            "a line whose receipt is no longer stored stays paid",
            "6340 without data, for the same order and for another one",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let paid = pay_many(bench, &mut session, 33)?;
                session
                    .send(bench, VERIFY, &pin_data(b"271828", 5, ANY_TOTAL))?
                    .expect(0x9000)?;
                let (first, _) = paid.first().own("a payment")?;
                session.disburse(bench, first)?.refused(0x6340)?;
                let other = Order {
                    nonce: [9; 16],
                    ..first.clone()
                };
                session.disburse(bench, &other)?.refused(0x6340)
            },
        )
        .alone(),
        Case::new(
            "9.9-01",
            Stage::Active,
            "READ RECORD of the newest receipt and its order, the longest there is, by another terminal",
            "both as they were",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let mut order = session.order(bench);
                (order.operator, order.second_operator) = ("operator-01-at-the-p", Some("operator-02"));
                let receipt = session.disburse(bench, &order)?.expect(0x9000)?;
                let mut other = Terminal::other().open(bench)?;
                check(
                    other.send(bench, read_receipt(1), &[])?.expect(0x9000)? == receipt,
                    "not the receipt",
                )?;
                check(
                    other.send(bench, read_subject(1), &[])?.expect(0x9000)? == order.encode(),
                    "not the order",
                )
            },
        ),
        Case::new(
            "9.9-02",
            Stage::Active,
            "READ RECORD by the issuer",
            "the newest receipt and its order",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                let receipt = session.disburse(bench, &order)?.expect(0x9000)?;
                let mut issuer = IssuerSession::open(bench)?;
                check(
                    issuer.send(bench, read_receipt(1), &[])?.expect(0x9000)? == receipt,
                    "not the receipt",
                )?;
                check(
                    issuer.send(bench, read_subject(1), &[])?.expect(0x9000)? == order.encode(),
                    "not the order",
                )
            },
        ),
        Case::new(
            "9.9-03",
            Stage::Active,
            "READ RECORD where there is none yet",
            "6A83",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                session.send(bench, read_receipt(1), &[])?.refused(0x6A83)?;
                session.send(bench, read_subject(1), &[])?.refused(0x6A83)
            },
        )
        .alone(),
        terminal_refusal(
            "9.9-04",
            Stage::Active,
            "record 00",
            read_receipt(0),
            0x6A86,
            nothing,
        ),
        terminal_refusal(
            "9.9-05",
            Stage::Active,
            "record FF",
            read_receipt(0xFF),
            0x6A83,
            nothing,
        ),
        terminal_refusal(
            "9.9-06",
            Stage::Active,
            "READ RECORD with another P2",
            [0x80, 0xB2, 0x01, 0xDD],
            0x6A86,
            nothing,
        ),
        issuer_refusal(
            "9.9-07",
            Stage::Active,
            "the same in an issuer's session",
            [0x80, 0xB2, 0x01, 0x04],
            0x6A86,
            nothing,
        ),
        terminal_refusal(
            "9.9-08",
            Stage::Active,
            "READ RECORD with data",
            read_receipt(1),
            0x6700,
            |_, _| Ok(vec![0x00]),
        ),
        Case::new(
            "9.9-09",
            Stage::Blocked,
            "a blocked card shows its receipts",
            "the receipt of the blocking script",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let record = session.send(bench, read_receipt(1), &[])?.expect(0x9000)?;
                check(
                    session.receipt(&record)?.kind == 0x03,
                    "the newest receipt is not of kind 03",
                )
            },
        ),
        Case::new(
            "9.9-10",
            Stage::Terminated,
            "a terminated card shows its receipts",
            "the receipt of the last script",
            |bench| {
                let mut session = TerminalSession::open(bench)?;
                let record = session.send(bench, read_receipt(1), &[])?.expect(0x9000)?;
                check(
                    session.receipt(&record)?.kind == 0x03,
                    "the newest receipt is not of kind 03",
                )
            },
        ),
        Case::new(
            "9.7-03",
            Stage::Active,
            "the shortest order after the longest is kept as it came",
            "the order, and nothing of the one before",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                for (operator, second_operator) in
                    [("operator-01-at-the-p", Some("operator-02")), ("o", None)]
                {
                    let order = Order {
                        operator,
                        second_operator,
                        ..session.order(bench)
                    };
                    session.pay(bench, &order)?;
                    let subject = session.send(bench, read_subject(1), &[])?.expect(0x9000)?;
                    check(subject == order.encode(), "not the order")?;
                }
                Ok(())
            },
        ),
    ]
}
