//! Payments that come home through their cards (SPEC 9.9): booked once, whichever of card and journal tells of them first.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use ansinh_payout::{JournalIngestion, PayoutError, carried_payment, make_payment_list};
use ansinh_store::StoreError;
use ansinh_store::cards::BlockReason;
use ansinh_store::journal::Ingestion;
use ansinh_store::maintenance::{CardPayments, CardReceipt, SeenReceipt};
use card_spec::payment::{HolderCheckMethod, Order, Receipt, ReceiptKind, Recipient};
use card_spec::values::Amount;
use common::{
    Bench, Till, active_card, alter, approve_everybody, delivery, encode, encode_reversal, key, receipt_body,
    reversal_receipt, signed, updated,
};

impl Bench {
    /// What the first card keeps of a payment at the till.
    fn carried(&self, counter: u32) -> CardReceipt {
        self.carried_with(counter, |_| {}, |_| {})
    }

    /// The same, with another order or receipt than a genuine terminal and card would make.
    fn carried_with(
        &self,
        counter: u32,
        change: impl FnOnce(&mut Order<'_>),
        lie: impl FnOnce(&mut Receipt),
    ) -> CardReceipt {
        let card = &self.cards[0];
        let mut order = self.till.order(&self.list, 0, card);
        change(&mut order);
        let mut body = receipt_body(&order, card, counter);
        lie(&mut body);
        CardReceipt {
            counter,
            kind: body.kind as u8,
            object_hash: body.object_hash,
            receipt: signed(&body, &card.signing),
            object: encode(&order),
        }
    }

    /// What the first card keeps of having undone an order.
    fn undone(&self, order: &Order<'_>) -> CardReceipt {
        let card = &self.cards[0];
        let object = encode_reversal(&self.till.reversal(order));
        let body = reversal_receipt(order, card, &object);
        CardReceipt {
            counter: body.counter,
            kind: body.kind as u8,
            object_hash: body.object_hash,
            receipt: signed(&body, &card.signing),
            object,
        }
    }

    /// The first card is read.
    fn see(&self, receipt: CardReceipt) -> CardPayments {
        self.see_all([receipt])
    }

    /// The same, in this order.
    fn see_all<const N: usize>(&self, receipts: [CardReceipt; N]) -> CardPayments {
        let number = self.cards[0].number;
        let counter = receipts.iter().map(|receipt| receipt.counter).max().unwrap();
        let seen = receipts.map(|receipt| SeenReceipt {
            payment: carried_payment(&self.store, &receipt).unwrap(),
            receipt,
        });
        self.store
            .card_seen(&self.lan, &number, 1, counter, &seen)
            .unwrap();
        self.store.card_payments(&number).unwrap()
    }

    fn take(&self, entries: &[Vec<u8>]) -> Ingestion {
        let terminal = self.store.terminal(self.till.name.as_str()).unwrap();
        let mut ingestion = JournalIngestion::resume(&self.store, &terminal).unwrap();
        ingestion.take(&entries.concat()).unwrap()
    }

    /// How many lines a till's next list has.
    fn due(&self, till: &Till) -> usize {
        match make_payment_list(&self.store, &self.lan, &self.office.issuer(), &till.terms()) {
            Ok(made) => made.list.lines.len(),
            Err(PayoutError::NothingDue) => 0,
            Err(error) => panic!("{error}"),
        }
    }
}

fn payments(from_card_only: u64, unbooked: &[u32]) -> CardPayments {
    CardPayments {
        from_card_only,
        unbooked: unbooked.to_vec(),
    }
}

#[test]
fn a_payment_comes_home_through_its_card_and_is_recognised_in_the_journal_later() {
    let mut bench = Bench::new();
    let carried = bench.carried(1);
    assert_eq!(bench.see(carried.clone()), payments(1, &[]));
    let booked = bench.store.payments().unwrap();
    assert_eq!(booked.len(), 1);
    assert_eq!(
        (booked[0].0.as_str(), booked[0].1.amount),
        ("VNT0000001", 500_000)
    );
    assert_eq!(bench.due(&bench.till), 1, "the paid line is listed again");
    assert_eq!(bench.see(carried), payments(1, &[]));

    // The very same order and receipt.
    let entries = bench.till.pay(&bench.list, 0, &bench.cards[0], 1);
    let taken = bench.take(&entries);
    assert_eq!(
        (taken.stored, taken.carried, taken.booked, taken.booked_amount),
        (2, 1, 0, 0)
    );
    assert_eq!(taken.paid_twice, [] as [u32; 0]);
    assert_eq!(bench.store.payments().unwrap(), booked);
}

/// Newest first, as a card is read: the line is in the books by the later order when the one that was undone is told.
#[test]
fn a_payment_that_the_card_has_undone_is_no_word_against_it() {
    let bench = Bench::new();
    let first = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let again = bench.carried_with(3, |order| order.nonce = [9; 16], |_| {});
    let read = bench.see_all([again, bench.undone(&first), bench.carried(1)]);
    assert_eq!(read, payments(1, &[]));
    // One that it has not undone is.
    let twice = bench.carried_with(4, |order| order.nonce = [7; 16], |_| {});
    assert_eq!(bench.see(twice), payments(1, &[4]));
}

#[test]
fn a_payment_in_the_journal_is_recognised_at_its_card() {
    let mut bench = Bench::new();
    let carried = bench.carried(1);
    let entries = bench.till.pay(&bench.list, 0, &bench.cards[0], 1);
    assert_eq!(bench.take(&entries).booked, 1);
    assert_eq!(bench.see(carried), payments(0, &[]));
    assert_eq!(bench.store.payments().unwrap().len(), 1);
}

#[test]
fn an_open_intent_is_settled_by_the_card_and_its_paid_entry_comes_later() {
    let mut bench = Bench::new();
    let carried = bench.carried(1);
    let [intent, paid] = bench.till.pay(&bench.list, 0, &bench.cards[0], 1);
    assert_eq!(bench.take(&[intent]).booked, 0);
    assert_eq!(bench.see(carried), payments(1, &[]));
    let taken = bench.take(&[paid]);
    assert_eq!((taken.carried, taken.booked, taken.paid_twice.len()), (1, 0, 0));
}

/// The terminal that paid burnt; the old card is brought back when its holder gets another one.
#[test]
fn what_the_replaced_card_paid_is_not_listed_for_its_successor() {
    let bench = Bench::new();
    let (old, carried) = (bench.cards[0].number, bench.carried(1));
    bench
        .store
        .block(&bench.lan, &old, BlockReason::Replaced)
        .unwrap();
    bench
        .store
        .add_delivery(&bench.lan, &delivery("2026-11-B"), &[[3; 10]])
        .unwrap();
    approve_everybody(&bench.store, &bench.lan);
    active_card(&bench.store, &bench.lan, &bench.office.issuer(), 3);
    let other = Till::new(2);
    other.register(&bench.store, &bench.lan, &bench.office.authority());
    assert_eq!(bench.store.lines_of_earlier_cards().unwrap(), 1);
    assert_eq!(bench.see(carried), payments(1, &[]));
    assert_eq!(bench.store.lines_of_earlier_cards().unwrap(), 0);
    // Only the other person's line, at the till that has it already.
    assert_eq!((bench.due(&bench.till), bench.due(&other)), (1, 0));
}

#[test]
fn two_orders_for_one_line_are_paid_twice_whoever_tells_first() {
    let mut bench = Bench::new();
    let other = bench.carried_with(2, |order| order.nonce = [9; 16], |_| {});
    let entries = bench.till.pay(&bench.list, 0, &bench.cards[0], 1);
    assert_eq!(bench.take(&entries).booked, 1);
    assert_eq!(bench.see(other), payments(0, &[2]));

    let mut bench = Bench::new();
    let other = bench.carried_with(2, |order| order.nonce = [9; 16], |_| {});
    assert_eq!(bench.see(other), payments(1, &[]));
    let entries = bench.till.pay(&bench.list, 0, &bench.cards[0], 1);
    let taken = bench.take(&entries);
    // What the journal tells of comes before what only a card tells of.
    assert_eq!((taken.carried, taken.booked, taken.paid_twice), (1, 0, vec![]));
    assert_eq!(taken.brought_second.len(), 1);
    assert_eq!(bench.store.payments().unwrap().len(), 1);
    assert_eq!(
        bench.store.card_payments(&bench.cards[0].number).unwrap(),
        payments(0, &[2])
    );
}

#[test]
fn a_receipt_whose_order_is_for_no_listed_line_is_kept_and_books_nothing() {
    let changes: [fn(&mut Order<'_>); 9] = [
        |order| order.terminal = "VNT0000002".parse().unwrap(),
        |order| order.list_root = [0; 32],
        |order| order.line_number = 2,
        |order| order.line_number = 3,
        |order| order.amount = Amount::new(500_001).unwrap(),
        |order| order.cso_hash = [0; 32],
        |order| order.recipient = Recipient::FirstRepresentative,
        |order| order.method = HolderCheckMethod::PhotoDocument,
        |order| order.sequence = 0,
    ];
    for (place, change) in changes.into_iter().enumerate() {
        let bench = Bench::new();
        let receipt = bench.carried_with(1, change, |receipt| receipt.holder_check.pin_verified = true);
        let expected = match place {
            // Where the order stands in the journal is for the journal to say.
            8 => payments(1, &[]),
            _ => payments(0, &[1]),
        };
        assert_eq!(bench.see(receipt), expected, "change {place}");
        assert_eq!(
            bench.store.card_receipts(&bench.cards[0].number).unwrap().len(),
            1
        );
        assert_eq!(
            bench.due(&bench.till),
            2 - usize::from(place == 8),
            "change {place}"
        );
    }
}

#[test]
fn a_receipt_that_does_not_fit_order_and_card_proves_nothing() {
    let lies: [fn(&mut Receipt); 5] = [
        |receipt| receipt.cso_version = 2,
        |receipt| receipt.holder_check.pin_verified = false,
        |receipt| receipt.object_hash = [0; 32],
        |receipt| receipt.kind = ReceiptKind::Reversal,
        |receipt| receipt.card_number = "4111111111111111".parse().unwrap(),
    ];
    for (place, lie) in lies.into_iter().enumerate() {
        let bench = Bench::new();
        let receipt = bench.carried_with(1, |_| {}, lie);
        assert_eq!(
            carried_payment(&bench.store, &receipt).unwrap(),
            None,
            "lie {place}"
        );
    }
    let bench = Bench::new();
    let genuine = bench.carried(1);
    assert!(carried_payment(&bench.store, &genuine).unwrap().is_some());
    let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let forged = signed(&receipt_body(&order, &bench.cards[0], 1), &key(99));
    let other_card = signed(&receipt_body(&order, &bench.cards[1], 1), &bench.cards[1].signing);
    for receipt in [forged, other_card, vec![], vec![0xFF; 40]] {
        let wrong = CardReceipt {
            receipt,
            ..genuine.clone()
        };
        assert_eq!(carried_payment(&bench.store, &wrong).unwrap(), None);
    }
    for object in [vec![], vec![0xFF; 40], genuine.object[1..].to_vec()] {
        let wrong = CardReceipt {
            object,
            ..genuine.clone()
        };
        assert_eq!(carried_payment(&bench.store, &wrong).unwrap(), None);
    }
}

#[test]
fn no_byte_of_receipt_or_order_can_be_changed() {
    let bench = Bench::new();
    let genuine = bench.carried(1);
    for position in 0..genuine.receipt.len() {
        let mut wrong = genuine.clone();
        wrong.receipt[position] ^= 0x01;
        assert_eq!(
            carried_payment(&bench.store, &wrong).unwrap(),
            None,
            "receipt, byte {position}"
        );
    }
    for position in 0..genuine.object.len() {
        let mut wrong = genuine.clone();
        wrong.object[position] ^= 0x01;
        assert_eq!(
            carried_payment(&bench.store, &wrong).unwrap(),
            None,
            "order, byte {position}"
        );
    }
}

#[test]
fn a_payment_under_an_earlier_version_of_the_card_is_booked() {
    let bench = Bench::new();
    let carried = bench.carried(1);
    updated(&bench.store, &bench.lan, &bench.office.issuer(), &bench.cards[0]);
    assert_eq!(bench.see(carried), payments(1, &[]));
}

#[test]
fn a_failing_ledger_says_nothing_about_the_receipt() {
    let bench = Bench::new();
    let carried = bench.carried(1);
    alter(&bench.location, "ALTER TABLE payment_list RENAME TO elsewhere");
    let end = carried_payment(&bench.store, &carried);
    assert!(matches!(end, Err(StoreError::Database(_))), "{end:?}");
    alter(&bench.location, "ALTER TABLE elsewhere RENAME TO payment_list");
    assert_eq!(bench.see(carried), payments(1, &[]));
}
