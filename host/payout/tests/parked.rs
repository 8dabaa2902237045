//! A terminal that has put open orders aside (DATA 5.3): each is settled by itself, whatever came between.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use ansinh_payout::{EntryError, IngestionError, JournalIngestion};
use ansinh_store::journal::Ingestion;
use card_spec::journal::{EncodedOrder, Event, MAXIMUM_OPEN_INTENTS, Refusal, RefusalReason};
use card_spec::payment::{LineKey, Order};

use common::{Bench, encode, receipt};

impl Bench {
    /// As in a synchronization of its own.
    fn take(&self, bytes: &[u8]) -> Result<Ingestion, EntryError> {
        let terminal = self.store.terminal(self.till.name.as_str()).unwrap();
        match JournalIngestion::resume(&self.store, &terminal)
            .unwrap()
            .take(bytes)
        {
            Ok(taken) => Ok(taken),
            Err(IngestionError::Rejected(rejected)) => Err(rejected.reason),
            Err(IngestionError::Store(error)) => panic!("{error}"),
        }
    }

    /// Why an entry is refused; the till goes on as if it had not written it.
    fn refused(&mut self, entry: impl FnOnce(&mut Self) -> Vec<u8>) -> EntryError {
        let before = (self.till.sequence, self.till.head);
        let entry = entry(self);
        (self.till.sequence, self.till.head) = before;
        self.take(&entry).unwrap_err()
    }
}

/// Intents for both cards.
fn two_open(bench: &mut Bench) -> [Order<'static>; 2] {
    [0, 1].map(|place| {
        let order = bench.till.order(&bench.list, place, &bench.cards[place]);
        let intent = bench.till.intent(&order);
        bench.take(&intent).unwrap();
        order
    })
}

fn still_open(bench: &mut Bench, order: &Order<'_>) -> Vec<u8> {
    let encoding = encode(order);
    bench
        .till
        .entry(Event::StillOpen(EncodedOrder::parse(&encoding).unwrap()))
}

fn paid(bench: &mut Bench, order: &Order<'_>, card: usize) -> Vec<u8> {
    let card = &bench.cards[card];
    let receipt = receipt(order, card, 1, &card.signing);
    bench.till.paid(&receipt)
}

#[test]
fn orders_that_were_put_aside_are_settled_in_any_order() {
    for first in [0, 1] {
        let mut bench = Bench::new();
        let orders = two_open(&mut bench);
        for place in [first, 1 - first] {
            let entry = paid(&mut bench, &orders[place], place);
            assert_eq!(bench.take(&entry).unwrap().booked, 1);
            let again = bench.refused(|bench| paid(bench, &orders[place], place));
            assert!(matches!(again, EntryError::NoIntent), "{again}");
        }
    }
}

#[test]
fn a_refusal_closes_the_order_that_it_names() {
    let mut bench = Bench::new();
    let orders = two_open(&mut bench);
    let refused = bench.till.entry(Event::Refused(Refusal {
        reason: RefusalReason::RefusedByCard,
        card_number: None,
        line_number: None,
        status_word: Some(0x6344),
        closes_intent: Some(orders[0].sequence),
    }));
    bench.take(&refused).unwrap();
    let entry = paid(&mut bench, &orders[1], 1);
    assert_eq!(bench.take(&entry).unwrap().booked, 1);
    // Its holder may have another one now.
    let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let intent = bench.till.intent(&order);
    bench.take(&intent).unwrap();
}

#[test]
fn an_order_is_told_again_while_it_is_open_and_only_then() {
    let mut bench = Bench::new();
    let orders = two_open(&mut bench);
    for order in &orders {
        let again = still_open(&mut bench, order);
        bench.take(&again).unwrap();
    }
    let entry = paid(&mut bench, &orders[0], 0);
    assert_eq!(bench.take(&entry).unwrap().booked, 1);
    let never = Order {
        nonce: [7; 16],
        ..orders[1]
    };
    for order in [orders[0], never] {
        let refused = bench.refused(|bench| still_open(bench, &order));
        assert!(matches!(refused, EntryError::NotOpen), "{refused}");
    }
}

#[test]
fn no_more_are_open_than_may_be() {
    let mut bench = Bench::new();
    for holder in 0..=MAXIMUM_OPEN_INTENTS {
        let mut order = bench.till.order(&bench.list, 0, &bench.cards[0]);
        let mark = u8::try_from(holder).unwrap();
        let mut key = order.line_key.parts();
        key.person = [mark; 16];
        order.line_key = LineKey::new(&key);
        order.cso_hash = [mark; 32];
        let intent = bench.till.intent(&order);
        let taken = bench.take(&intent);
        if holder < MAXIMUM_OPEN_INTENTS {
            taken.unwrap();
        } else {
            assert!(matches!(taken, Err(EntryError::OpenIntent)));
        }
    }
}
