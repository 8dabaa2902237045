//! What cards have told terminals of other terminals (DATA 5.6): taken in if the card has signed it, and booked once, whoever tells
//! first: a card at any number of terminals, a card at the station, the terminal's own journal.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::fs;
use std::path::Path;

use ansinh_payout::{
    EntryError, IngestionError, JournalIngestion, ListTerms, carried_payment, make_payment_list,
};
use ansinh_store::Store;
use ansinh_store::import::{ApprovedList, ImportMode, ListKind};
use ansinh_store::journal::Ingestion;
use ansinh_store::lists::{Others, PaymentList};
use ansinh_store::maintenance::{CardReceipt, SeenReceipt};
use card_spec::crypto::{SecretKey, sha256};
use card_spec::journal::{CarriedReceipt, EncodedReceipt, Event};
use card_spec::payment::{Order, Receipt};
use card_spec::reversal::Reversal;
use card_spec::values::{Amount, CardNumber};
use common::{
    Bench, Card, Till, active_card, approve_everybody, approved, delivery, encode, encode_reversal, key,
    location, receipt, receipt_body, reversal_receipt, signed, today, unbooked, updated,
};

/// The terminal that the first card comes to next.
fn other(bench: &Bench, number: u8) -> Till {
    let till = Till::new(number);
    till.register(&bench.store, &bench.lan, &bench.office.authority());
    till
}

/// Order and receipt as the first card keeps them of its payment at the bench's till.
fn kept(
    bench: &Bench,
    change: impl FnOnce(&mut Order<'_>),
    lie: impl FnOnce(&mut Receipt),
    signer: &SecretKey,
) -> (Vec<u8>, Vec<u8>) {
    let mut order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    change(&mut order);
    let mut body = receipt_body(&order, &bench.cards[0], 1);
    lie(&mut body);
    (encode(&order), signed(&body, signer))
}

fn honest(bench: &Bench) -> (Vec<u8>, Vec<u8>) {
    kept(bench, |_| {}, |_| {}, &bench.cards[0].signing)
}

fn take(bench: &Bench, till: &Till, entries: &[Vec<u8>]) -> Result<Ingestion, EntryError> {
    take_into(&bench.store, till, entries)
}

fn take_into(store: &Store, till: &Till, entries: &[Vec<u8>]) -> Result<Ingestion, EntryError> {
    let terminal = store.terminal(till.name.as_str()).unwrap();
    let mut ingestion = JournalIngestion::resume(store, &terminal).unwrap();
    match ingestion.take(&entries.concat()) {
        Ok(taken) => Ok(taken),
        Err(IngestionError::Rejected(rejected)) => Err(rejected.reason),
        Err(IngestionError::Store(error)) => panic!("{error}"),
    }
}

/// The entry by which a till carries what a card keeps.
fn carried(till: &mut Till, (object, receipt): &(Vec<u8>, Vec<u8>)) -> Vec<u8> {
    let receipt = EncodedReceipt::parse(receipt).unwrap();
    let carried = CarriedReceipt::new(object, receipt).unwrap();
    till.entry(Event::CarriedReceipt(carried))
}

fn carry(bench: &Bench, till: &mut Till, told: &(Vec<u8>, Vec<u8>)) -> Result<Ingestion, EntryError> {
    let entry = carried(till, told);
    take(bench, till, &[entry])
}

/// A receipt as the station reads it.
fn seen(bench: &Bench, (object, receipt): &(Vec<u8>, Vec<u8>)) -> SeenReceipt {
    let body = *EncodedReceipt::parse(receipt).unwrap().signed().claimed();
    let receipt = CardReceipt {
        counter: body.counter,
        kind: body.kind as u8,
        object_hash: body.object_hash,
        receipt: receipt.clone(),
        object: object.clone(),
    };
    let payment = carried_payment(&bench.store, &receipt).unwrap();
    SeenReceipt { receipt, payment }
}

/// The station reads the card.
fn see(bench: &Bench, told: &(Vec<u8>, Vec<u8>)) {
    let seen = [seen(bench, told)];
    let number = bench.cards[0].number;
    bench.store.card_seen(&bench.lan, &number, 1, 1, &seen).unwrap();
}

/// Who tells of one payment.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Teller {
    Journal,
    Second,
    Third,
    Station,
}

#[test]
fn a_payment_is_booked_once_in_whatever_order_it_is_told() {
    use Teller::{Journal, Second, Station, Third};
    for tellers in [
        [Journal, Second, Third, Station],
        [Second, Journal, Station, Third],
        [Second, Third, Second, Journal],
        [Station, Second, Journal, Second],
        [Third, Station, Journal, Second],
    ] {
        let mut bench = Bench::new();
        let (mut second, mut third) = (other(&bench, 2), other(&bench, 3));
        let told = honest(&bench);
        let paid = bench.till.pay(&bench.list, 0, &bench.cards[0], 1);
        for (place, teller) in tellers.into_iter().enumerate() {
            let is_first = u64::from(place == 0);
            match teller {
                Journal => {
                    let taken = take(&bench, &bench.till, &paid).unwrap();
                    let counts = (taken.booked, taken.carried, taken.paid_twice.len());
                    assert_eq!(counts, (is_first, 1 - is_first, 0), "{tellers:?}");
                }
                Second | Third => {
                    let till = if teller == Second { &mut second } else { &mut third };
                    let taken = carry(&bench, till, &told).unwrap();
                    assert_eq!((taken.brought, unbooked(&taken)), (is_first, 0), "{tellers:?}");
                }
                Station => see(&bench, &told),
            }
            let booked = bench.store.payments().unwrap();
            assert_eq!(booked.len(), 1);
            assert_eq!(
                (booked[0].0.as_str(), booked[0].1.amount),
                ("VNT0000001", 500_000)
            );
        }
    }
}

#[test]
fn a_payment_under_an_earlier_version_of_the_card_is_booked() {
    let bench = Bench::new();
    let told = honest(&bench);
    updated(&bench.store, &bench.lan, &bench.office.issuer(), &bench.cards[0]);
    let mut second = other(&bench, 2);
    assert_eq!(carry(&bench, &mut second, &told).unwrap().brought, 1);
}

#[test]
fn what_the_card_did_not_sign_is_not_taken_in() {
    type Expected = fn(&EntryError) -> bool;
    type Lie = fn(&mut Receipt);
    let wrong: [(Lie, u8, Expected); 3] = [
        (|_| {}, 99, |error| matches!(error, EntryError::Receipt)),
        (
            |receipt| receipt.cso_version = 2,
            99,
            |error| matches!(error, EntryError::Receipt),
        ),
        (|_| {}, 22, |error| matches!(error, EntryError::Receipt)),
    ];
    for (lie, signer, expected) in wrong {
        let bench = Bench::new();
        let mut second = other(&bench, 2);
        let told = kept(&bench, |_| {}, lie, &key(signer));
        let error = carry(&bench, &mut second, &told).unwrap_err();
        assert!(expected(&error), "{error}");
        assert_eq!(bench.store.payments().unwrap(), []);
        assert_eq!(bench.store.journal("VNT0000002").unwrap().len(), 0);
    }
}

/// A ledger that was restored does not know the newest cards: the journal comes home all the same, and nothing is booked for them.
#[test]
fn a_receipt_of_an_unknown_card_stops_nobody_elses() {
    let bench = Bench::new();
    let mut second = other(&bench, 2);
    let unknown = kept(
        &bench,
        |_| {},
        |receipt| receipt.card_number = CardNumber::new(79, 99).unwrap(),
        &key(99),
    );
    let undone = reversed(&bench, &unknown);
    let undone = {
        let mut body = *EncodedReceipt::parse(&undone.1).unwrap().signed().claimed();
        body.card_number = CardNumber::new(79, 99).unwrap();
        (undone.0, signed(&body, &key(99)))
    };
    for (told, is_new) in [(&unknown, 1), (&undone, 1), (&unknown, 0)] {
        let taken = carry(&bench, &mut second, told).unwrap();
        let counts = (
            taken.stored,
            taken.brought,
            unbooked(&taken),
            taken.brought_unknown,
        );
        assert_eq!(counts, (1, 0, 0, is_new));
    }
    assert_eq!(bench.store.payments().unwrap(), []);
    assert_eq!(carry(&bench, &mut second, &honest(&bench)).unwrap().brought, 1);
    let log = bench.store.operations().unwrap();
    let told = log.iter().filter(|act| act.action == "receipt-of-unknown-card");
    assert_eq!(told.count(), 2);
}

/// A card comes into a ledger by a newer copy alone, and what the older one has taken in meanwhile comes after it, as its journals: each
/// receipt that nobody could check is checked then, however many its card has signed since.
#[test]
fn a_receipt_of_an_unknown_card_is_booked_by_the_newer_ledger_from_the_journals_of_the_older() {
    let bench = Bench::new();
    let mut second = other(&bench, 2);
    let folder = tempfile::tempdir().unwrap();
    let [older, newer] = ["older", "newer"].map(|name| folder.path().join(name));
    bench.store.copy_to(&older).unwrap();
    let (list, card) = third_card(&bench);
    bench.store.copy_to(&newer).unwrap();
    let order = bench.till.order(&list, 0, &card);
    let told = (encode(&order), receipt(&order, &card, 1, &card.signing));

    let older = restored(&older, &folder.path().join("older ledger"));
    let entry = carried(&mut second, &told);
    let taken = take_into(&older, &second, &[entry]).unwrap();
    assert_eq!((taken.stored, taken.brought_unknown, taken.brought), (1, 1, 0));
    let newer = restored(&newer, &folder.path().join("newer ledger"));
    let journal = older.journal(second.name.as_str()).unwrap();
    let taken = take_into(&newer, &second, &journal).unwrap();
    assert_eq!((taken.stored, taken.brought_unknown, taken.brought), (1, 0, 1));
    let booked = newer.payments().unwrap();
    assert_eq!((booked.len(), booked[0].1.card), (1, card.number));
}

/// Somebody who comes later gets a card, and is on the till's next list, beside the first.
fn third_card(bench: &Bench) -> (PaymentList, Card) {
    let list = ApprovedList {
        file_hash: [3; 32],
        file_name: "late.csv".to_owned(),
        kind: ListKind::Plain,
        lines: vec![approved(3)],
        warnings: Vec::new(),
    };
    bench.store.import(&bench.lan, &list, ImportMode::Commit).unwrap();
    let chips = [[3; 10]];
    bench
        .store
        .add_delivery(&bench.lan, &delivery("late"), &chips)
        .unwrap();
    approve_everybody(&bench.store, &bench.lan);
    let card = active_card(&bench.store, &bench.lan, &bench.office.issuer(), 3);
    let terms = ListTerms {
        others: Others::Stay { today: today() },
        ..bench.till.terms()
    };
    let made = make_payment_list(&bench.store, &bench.lan, &bench.office.issuer(), &terms);
    (made.unwrap().list, card)
}

fn restored(copy: &Path, folder: &Path) -> Store {
    fs::create_dir(folder).unwrap();
    Store::restore(copy, location(folder)).unwrap()
}

#[test]
fn a_terminal_does_not_carry_its_own() {
    let mut bench = Bench::new();
    let (object, receipt) = honest(&bench);
    let receipt = EncodedReceipt::parse(&receipt).unwrap();
    let carried = CarriedReceipt::new(&object, receipt).unwrap();
    let entry = bench.till.entry(Event::CarriedReceipt(carried));
    let error = take(&bench, &bench.till, &[entry]).unwrap_err();
    assert!(matches!(error, EntryError::OwnReceipt), "{error}");
}

/// The terminal that carries it cannot know, so its journal is taken in; nothing is booked, and the log names the receipt.
#[test]
fn a_genuine_receipt_of_no_listed_line_is_kept_as_evidence() {
    let changes: [fn(&mut Order<'_>); 4] = [
        |order| order.list_root = [0; 32],
        |order| order.amount = Amount::new(500_001).unwrap(),
        |order| order.line_number = 2,
        |order| order.terminal = "VNT0000007".parse().unwrap(),
    ];
    for change in changes {
        let bench = Bench::new();
        let mut second = other(&bench, 2);
        let told = kept(&bench, change, |_| {}, &bench.cards[0].signing);
        let taken = carry(&bench, &mut second, &told).unwrap();
        assert_eq!((taken.stored, taken.brought, unbooked(&taken)), (1, 0, 1));
        assert_eq!(bench.store.payments().unwrap(), []);
        assert_logged(&bench, "receipt-of-no-line");
    }
}

/// Whoever has copied the key of a card signs another receipt under a counter of it.
#[test]
fn two_receipts_under_one_counter_are_both_told_and_each_once() {
    let is_of_no_line: fn(&mut Order<'_>, u8) = |order, nonce| {
        order.list_root = [0; 32];
        order.nonce = [nonce; 16];
    };
    let is_unknown: fn(&mut Receipt) = |receipt| receipt.card_number = CardNumber::new(79, 99).unwrap();
    let cases: [(fn(&mut Receipt), _, _); 2] = [
        (|_| {}, "receipt-of-no-line", (1, 0)),
        (is_unknown, "receipt-of-unknown-card", (0, 1)),
    ];
    for (whose, act, counts) in cases {
        let bench = Bench::new();
        let mut second = other(&bench, 2);
        let mut told = |nonce| {
            let change = |order: &mut Order<'_>| is_of_no_line(order, nonce);
            let told = kept(&bench, change, whose, &bench.cards[0].signing);
            let taken = carry(&bench, &mut second, &told).unwrap();
            (taken.brought_unlisted, taken.brought_unknown)
        };
        assert_eq!(
            [told(1), told(2), told(1), told(2)],
            [counts, counts, (0, 0), (0, 0)]
        );
        let log = bench.store.operations().unwrap();
        assert_eq!(log.iter().filter(|told| told.action == act).count(), 2);
    }
}

#[test]
fn a_line_that_another_order_has_paid_is_told() {
    let mut bench = Bench::new();
    let mut second = other(&bench, 2);
    let cards = &bench.cards[0].signing;
    let told = kept(
        &bench,
        |order| order.nonce = [9; 16],
        |receipt| receipt.counter = 2,
        cards,
    );
    let paid = bench.till.pay(&bench.list, 0, &bench.cards[0], 1);
    take(&bench, &bench.till, &paid).unwrap();
    let taken = carry(&bench, &mut second, &told).unwrap();
    assert_eq!((taken.brought, unbooked(&taken)), (0, 1));
    assert_eq!(bench.store.payments().unwrap().len(), 1);
    assert_logged(&bench, "second-payment-not-booked");
}

fn assert_logged(bench: &Bench, act: &str) {
    let number = bench.cards[0].number;
    let log = bench.store.operations().unwrap();
    let is_told = log
        .iter()
        .any(|operation| operation.action == act && operation.subject.starts_with(&number.to_string()));
    assert!(is_told, "{act}");
}

/// Nobody's journal says that the money left; once one does, the card's word alone undoes nothing (DATA 5.6).
#[test]
fn a_carried_reversal_undoes_only_what_only_its_card_tells_of() {
    let mut bench = Bench::new();
    let mut second = other(&bench, 2);
    let told = honest(&bench);
    assert_eq!(carry(&bench, &mut second, &told).unwrap().brought, 1);
    let undone = reversed(&bench, &told);
    let taken = carry(&bench, &mut second, &undone).unwrap();
    assert_eq!((taken.stored, taken.brought, taken.reversed), (1, 0, 0));
    assert_eq!(bench.store.payments().unwrap(), []);

    let paid = bench.till.pay(&bench.list, 0, &bench.cards[0], 1);
    let taken = take(&bench, &bench.till, &paid).unwrap();
    assert_eq!((taken.carried + taken.booked, taken.paid_twice), (1, vec![]));
    carry(&bench, &mut second, &undone).unwrap();
    assert_eq!(bench.store.payments().unwrap().len(), 1);
}

/// The reversal of an order by the first card at the bench's till, as the card keeps it.
fn reversed(bench: &Bench, (order, _): &(Vec<u8>, Vec<u8>)) -> (Vec<u8>, Vec<u8>) {
    let ordered = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let reversal = Reversal {
        order_hash: sha256(&[order]),
        ..bench.till.reversal(&ordered)
    };
    let object = encode_reversal(&reversal);
    let body = reversal_receipt(&ordered, &bench.cards[0], &object);
    (object, signed(&body, &bench.cards[0].signing))
}

/// Its terminal is gone; the holder never had the money.
#[test]
fn a_payment_that_its_card_has_undone_does_not_come_home_as_paid() {
    let bench = Bench::new();
    let mut second = other(&bench, 2);
    let paid = honest(&bench);
    let undone = reversed(&bench, &paid);
    // As a terminal reads them: the newest first.
    for told in [&undone, &paid] {
        let taken = carry(&bench, &mut second, told).unwrap();
        assert_eq!((taken.stored, taken.brought, unbooked(&taken)), (1, 0, 0));
    }
    assert!(bench.store.payments().unwrap().is_empty());
    see(&bench, &paid);
    assert!(bench.store.payments().unwrap().is_empty());

    // The station reads both, the oldest first.
    let bench = Bench::new();
    let seen: Vec<_> = [&honest(&bench), &reversed(&bench, &honest(&bench))]
        .map(|told| seen(&bench, told))
        .into();
    bench
        .store
        .card_seen(&bench.lan, &bench.cards[0].number, 1, 2, &seen)
        .unwrap();
    assert!(bench.store.payments().unwrap().is_empty());
}

/// Another card's word is nothing to it, nor is a reversal of another order; and what its own journal tells is booked.
#[test]
fn only_the_reversal_of_its_own_order_keeps_a_payment_from_the_books() {
    let bench = Bench::new();
    let mut second = other(&bench, 2);
    let another = kept(
        &bench,
        |order| order.nonce = [0x55; 16],
        |_| {},
        &bench.cards[0].signing,
    );
    carry(&bench, &mut second, &reversed(&bench, &another)).unwrap();
    assert_eq!(carry(&bench, &mut second, &honest(&bench)).unwrap().brought, 1);

    let mut bench = Bench::new();
    let mut second = other(&bench, 2);
    let told = reversed(&bench, &honest(&bench));
    carry(&bench, &mut second, &told).unwrap();
    let paid = bench.till.pay(&bench.list, 0, &bench.cards[0], 1);
    let taken = take(&bench, &bench.till, &paid).unwrap();
    assert_eq!((taken.booked, taken.paid_twice), (1, vec![]));
}
