//! What shifts have done, as the ledger's journals tell.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use ansinh_payout::{CashCount, JournalIngestion, Sum, shifts};
use ansinh_store::StoreError;
use card_spec::journal::{Event, Refusal, RefusalReason, ShiftEnd};
use card_spec::payment::Operator;
use card_spec::values::Amount;

use common::{Bench, time};

fn operator(name: &'static str) -> Operator<'static> {
    Operator::new(name).unwrap()
}

fn vnd(vnd: u64) -> Amount {
    Amount::new(vnd).unwrap()
}

fn take(bench: &Bench, entries: &[Vec<u8>]) {
    let terminal = bench.store.terminal(bench.till.name.as_str()).unwrap();
    let mut ingestion = JournalIngestion::resume(&bench.store, &terminal).unwrap();
    ingestion.take(&entries.concat()).unwrap();
}

fn opened(bench: &mut Bench, name: &'static str) {
    let operator = operator(name);
    let entry = bench.till.entry(Event::ShiftOpened { operator });
    take(bench, &[entry]);
}

/// Pays the line of a card; its sequence number and amount.
fn pay(bench: &mut Bench, place: usize) -> (u32, u64) {
    let intent = bench.till.sequence + 1;
    let order = bench.till.order(&bench.list, place, &bench.cards[place]);
    let entries = bench.till.pay(&bench.list, place, &bench.cards[place], 1);
    take(bench, &entries);
    (intent, order.amount.vnd())
}

fn log(bench: &mut Bench, event: Event<'_>) {
    let entry = bench.till.entry(event);
    take(bench, &[entry]);
}

#[test]
fn each_shift_has_what_was_done_in_it() {
    let mut bench = Bench::new();
    let before = shifts(&bench.store, bench.till.name.as_str()).unwrap().len();
    opened(&mut bench, "lan");
    let lan = operator("lan");
    log(
        &mut bench,
        Event::CashReceived {
            operator: lan,
            amount: vnd(2_000_000),
        },
    );
    log(
        &mut bench,
        Event::CashReceived {
            operator: lan,
            amount: vnd(500_000),
        },
    );
    let (first, paid) = pay(&mut bench, 0);
    log(&mut bench, Event::Handed { intent: first });
    log(
        &mut bench,
        Event::CashCounted {
            operator: lan,
            expected: vnd(7),
            counted: vnd(5),
        },
    );
    let (second, more) = pay(&mut bench, 1);
    log(
        &mut bench,
        Event::ShiftClosed {
            operator: lan,
            end: ShiftEnd::Closed,
        },
    );
    opened(&mut bench, "minh");
    log(&mut bench, Event::Handed { intent: second });
    log(
        &mut bench,
        Event::Refused(Refusal {
            reason: RefusalReason::WrongPin,
            card_number: None,
            line_number: None,
            status_word: None,
            closes_intent: None,
        }),
    );
    log(
        &mut bench,
        Event::ShiftClosed {
            operator: operator("minh"),
            end: ShiftEnd::Idle,
        },
    );
    let all = shifts(&bench.store, bench.till.name.as_str()).unwrap();
    let [one, other] = &all[before..] else {
        panic!("{all:?}");
    };
    assert_eq!(
        (one.operator.as_str(), one.closed, one.opened),
        ("lan", true, time())
    );
    assert_eq!(
        one.paid,
        Sum {
            number: 2,
            vnd: paid + more
        }
    );
    assert_eq!(one.handed, Sum { number: 1, vnd: paid });
    assert_eq!((one.received_vnd, one.refused), (2_500_000, 0));
    let count = CashCount {
        time: time(),
        expected_vnd: 7,
        counted_vnd: 5,
    };
    assert_eq!(one.counts, [count]);
    assert_eq!((other.operator.as_str(), other.closed), ("minh", false));
    assert_eq!(
        (other.paid, other.handed),
        (Sum::default(), Sum { number: 1, vnd: more })
    );
    assert_eq!((other.refused, other.received_vnd, other.counts.len()), (1, 0, 0));
}

#[test]
fn a_terminal_that_is_not_in_the_ledger_has_no_shifts() {
    let bench = Bench::new();
    let unknown = shifts(&bench.store, "VNT9999999");
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })));
}
