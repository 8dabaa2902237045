//! What of a terminal's journal enters the ledger, and what does not.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use ansinh_payout::{EntryError, IngestionError, JournalIngestion, Rejected, acknowledge};
use ansinh_store::journal::Ingestion;
use ansinh_store::{Store, StoreError};
use card_spec::crypto::{PortableP256, SecretKey, Sign as _};
use card_spec::journal::{Acknowledgement, Entry, Event, Refusal, RefusalReason};
use card_spec::payment::{HolderCheckMethod, Order, Receipt, ReceiptKind, Recipient};
use card_spec::signed::Signed;
use card_spec::values::Amount;
use common::{Bench, Till, alter, key, receipt, receipt_body, signed, time, today, updated};

impl Bench {
    fn take(&self, bytes: &[u8]) -> Result<Ingestion, Rejected> {
        take(&self.store, &self.till, bytes)
    }

    /// Boot, Intent, Paid.
    fn one_payment(&mut self) -> [Vec<u8>; 3] {
        let boot = self.till.boot();
        let [intent, paid] = self.till.pay(&self.list, 0, &self.cards[0], 1);
        [boot, intent, paid]
    }

    /// A payment whose order was changed by whoever wrote it.
    fn payment_with(&mut self, change: impl FnOnce(&mut Order<'_>)) -> Vec<u8> {
        let mut order = self.till.order(&self.list, 0, &self.cards[0]);
        change(&mut order);
        let intent = self.till.intent(&order);
        let receipt = receipt(&order, &self.cards[0], 1, &self.cards[0].signing);
        [intent, self.till.paid(&receipt)].concat()
    }

    fn held(&self) -> usize {
        self.store.journal(self.till.name.as_str()).unwrap().len()
    }
}

fn take(store: &Store, till: &Till, bytes: &[u8]) -> Result<Ingestion, Rejected> {
    let terminal = store.terminal(till.name.as_str()).unwrap();
    match JournalIngestion::resume(store, &terminal).unwrap().take(bytes) {
        Ok(taken) => Ok(taken),
        Err(IngestionError::Rejected(rejected)) => Err(rejected),
        Err(IngestionError::Store(error)) => panic!("{error}"),
    }
}

/// The terminal closes an Intent as refused.
fn refusal(intent: Option<u32>, status_word: Option<u16>) -> Event<'static> {
    Event::Refused(Refusal {
        reason: RefusalReason::RefusedByCard,
        card_number: None,
        line_number: Some(1),
        status_word,
        closes_intent: intent,
    })
}

#[test]
fn a_payment_is_booked_once_and_its_entries_are_kept_as_received() {
    let mut bench = Bench::new();
    let entries = bench.one_payment();
    let taken = bench.take(&entries.concat()).unwrap();
    assert_eq!((taken.stored, taken.booked, taken.booked_amount), (3, 1, 500_000));
    assert_eq!(bench.store.journal("VNT0000001").unwrap(), entries);
    let payments = bench.store.payments().unwrap();
    assert_eq!(payments.len(), 1);
    assert_eq!((payments[0].1.intent, payments[0].1.amount), (2, 500_000));
    let [year, month, day] = [today().year(), today().month().into(), today().day().into()];
    let midnight = format!("{year:04}{month:02}{day:02}000000");
    assert_eq!(payments[0].1.paid_at, midnight);
}

#[test]
fn an_intent_and_its_receipt_may_come_in_two_parts() {
    let mut bench = Bench::new();
    let [boot, intent, paid] = bench.one_payment();
    assert_eq!(bench.take(&[boot, intent].concat()).unwrap().booked, 0);
    assert_eq!(bench.take(&paid).unwrap().booked, 1);
}

#[test]
fn no_byte_of_an_entry_can_be_changed() {
    let mut bench = Bench::new();
    let [boot, intent, paid] = bench.one_payment();
    bench.take(&[boot, intent].concat()).unwrap();
    for position in 0..paid.len() {
        let mut changed = paid.clone();
        changed[position] ^= 0x01;
        let rejected = bench.take(&changed).expect_err("a changed byte was taken in");
        assert_eq!(rejected.sequence, 3, "byte {position}");
    }
    assert_eq!(bench.held(), 2);
    assert!(bench.store.payments().unwrap().is_empty());
    assert_eq!(bench.take(&paid).unwrap().booked, 1);
}

#[test]
fn what_is_before_a_bad_entry_is_kept_and_nothing_after_it() {
    let mut bench = Bench::new();
    let [boot, mut intent, paid] = bench.one_payment();
    *intent.last_mut().unwrap() ^= 0x01;
    let rejected = bench.take(&[boot, intent, paid].concat()).unwrap_err();
    assert!(matches!(rejected.reason, EntryError::Signature));
    assert_eq!((rejected.sequence, bench.held()), (2, 1));
}

#[test]
fn a_removed_or_reordered_or_repeated_entry_breaks_the_chain() {
    let mut bench = Bench::new();
    let [boot, intent, paid] = bench.one_payment();
    bench.take(&boot).unwrap();
    for wrong in [paid.clone(), [paid, intent].concat(), boot] {
        let rejected = bench.take(&wrong).unwrap_err();
        assert!(matches!(rejected.reason, EntryError::Chain), "{rejected}");
        assert_eq!(rejected.sequence, 2);
    }
    assert_eq!(bench.held(), 1);
}

#[test]
fn entries_cut_short_or_followed_by_junk_are_refused() {
    let mut bench = Bench::new();
    let boot = bench.till.boot();
    for length in 1..boot.len() {
        let rejected = bench.take(&boot[..length]).unwrap_err();
        assert!(
            matches!(rejected.reason, EntryError::Encoding(_)),
            "{length} bytes"
        );
    }
    let junk = [boot.as_slice(), &[0xFF, 0x20]].concat();
    assert_eq!(bench.take(&junk).unwrap_err().sequence, 2);
    assert_eq!(bench.held(), 1);
}

#[test]
fn another_key_cannot_write_a_terminals_journal() {
    let mut bench = Bench::new();
    bench.till.journal = key(99);
    let boot = bench.till.boot();
    let rejected = bench.take(&boot).unwrap_err();
    assert!(matches!(rejected.reason, EntryError::Signature));
}

#[test]
fn a_terminal_cannot_write_under_another_name() {
    let mut bench = Bench::new();
    bench.till.name = "VNT0000002".parse().unwrap();
    let boot = bench.till.boot();
    bench.till.name = "VNT0000001".parse().unwrap();
    let rejected = bench.take(&boot).unwrap_err();
    assert!(matches!(rejected.reason, EntryError::OtherTerminal));
}

#[test]
fn two_entries_of_one_number_are_refused_and_the_first_stays() {
    let mut bench = Bench::new();
    let first = bench.till.boot();
    bench.take(&first).unwrap();
    let mut rolled_back = Till::new(1);
    let other = rolled_back.entry(Event::Boot {
        firmware: [1; 32],
        flags: 0,
    });
    assert!(matches!(
        bench.take(&other).unwrap_err().reason,
        EntryError::Chain
    ));
    assert_eq!(bench.store.journal("VNT0000001").unwrap(), [first]);
}

#[test]
fn an_order_that_misstates_its_place_is_refused() {
    for change in [
        (|order| order.sequence += 1) as fn(&mut Order<'_>),
        |order| order.log_head = [7; 32],
        |order| order.terminal = "VNT0000009".parse().unwrap(),
    ] {
        let mut bench = Bench::new();
        let entries = bench.payment_with(change);
        let rejected = bench.take(&entries).unwrap_err();
        assert!(matches!(rejected.reason, EntryError::OrderPlace), "{rejected}");
        assert_eq!(bench.held(), 0);
    }
}

#[test]
fn an_order_that_is_not_a_line_of_the_signed_list_is_not_booked() {
    for change in [
        (|order| order.amount = Amount::new(500_001).unwrap()) as fn(&mut Order<'_>),
        |order| order.line_number = 0,
        |order| order.line_number = 2,
        |order| order.line_number = u32::MAX,
        |order| order.list_root = [7; 32],
        |order| order.cso_hash = [7; 32],
        |order| order.recipient = Recipient::FirstRepresentative,
        |order| {
            let mut parts = order.line_key.parts();
            parts.entitlement += 1;
            order.line_key = card_spec::payment::LineKey::new(&parts);
        },
    ] {
        let mut bench = Bench::new();
        let entries = bench.payment_with(change);
        let rejected = bench.take(&entries).unwrap_err();
        assert!(matches!(rejected.reason, EntryError::NotOnList), "{rejected}");
        assert_eq!(bench.held(), 1);
        assert!(bench.store.payments().unwrap().is_empty());
    }
}

#[test]
fn the_list_of_another_terminal_is_no_ground_for_payment() {
    let mut bench = Bench::new();
    let mut other = Till::new(2);
    other.register(&bench.store, &bench.lan, &bench.office.authority());
    let entries = other.pay(&bench.list, 0, &bench.cards[0], 1).concat();
    let rejected = take(&bench.store, &other, &entries).unwrap_err();
    assert!(matches!(rejected.reason, EntryError::NotOnList));
    bench.till.boot();
}

#[test]
fn another_card_cannot_sign_for_a_line() {
    let mut bench = Bench::new();
    let [_, other] = &bench.cards;
    let entries = bench.till.pay(&bench.list, 0, other, 1).concat();
    let rejected = bench.take(&entries).unwrap_err();
    assert!(matches!(rejected.reason, EntryError::NotOnList));
}

#[test]
fn a_receipt_under_another_key_is_refused() {
    let mut bench = Bench::new();
    let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let intent = bench.till.intent(&order);
    let forged = receipt(&order, &bench.cards[0], 1, &bench.cards[1].signing);
    let entries = [intent, bench.till.paid(&forged)].concat();
    assert!(matches!(
        bench.take(&entries).unwrap_err().reason,
        EntryError::Receipt
    ));
}

#[test]
fn a_receipt_for_another_order_or_without_an_order_is_refused() {
    let mut bench = Bench::new();
    let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let replayed = receipt(&order, &bench.cards[0], 1, &bench.cards[0].signing);
    let alone = bench.till.paid(&replayed);
    assert!(matches!(
        bench.take(&alone).unwrap_err().reason,
        EntryError::NoIntent
    ));

    let mut bench = Bench::new();
    let mut order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let intent = bench.till.intent(&order);
    order.nonce = [1; 16];
    let other = receipt(&order, &bench.cards[0], 1, &bench.cards[0].signing);
    let entries = [intent, bench.till.paid(&other)].concat();
    assert!(matches!(
        bench.take(&entries).unwrap_err().reason,
        EntryError::NoIntent
    ));
}

#[test]
fn one_receipt_cannot_be_entered_twice() {
    let mut bench = Bench::new();
    let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let receipt = receipt(&order, &bench.cards[0], 1, &bench.cards[0].signing);
    let entries = [
        bench.till.intent(&order),
        bench.till.paid(&receipt),
        bench.till.paid(&receipt),
    ];
    let rejected = bench.take(&entries.concat()).unwrap_err();
    assert!(matches!(rejected.reason, EntryError::NoIntent));
    assert_eq!((rejected.sequence, bench.held()), (3, 2));
    assert_eq!(bench.store.payments().unwrap().len(), 1);
}

#[test]
fn a_second_payment_of_a_line_is_kept_as_evidence_and_not_booked() {
    let mut bench = Bench::new();
    let first = bench.till.pay(&bench.list, 0, &bench.cards[0], 1).concat();
    let second = bench.till.pay(&bench.list, 0, &bench.cards[0], 2).concat();
    assert_eq!(bench.take(&first).unwrap().booked, 1);
    let taken = bench.take(&second).unwrap();
    assert_eq!((taken.stored, taken.booked, taken.booked_amount), (2, 0, 0));
    assert_eq!(taken.paid_twice, [3]);
    assert_eq!((bench.held(), bench.store.payments().unwrap().len()), (4, 1));
    let log = bench.store.operations().unwrap();
    assert!(log.iter().any(|operation| operation.subject == "VNT0000001-3"));
}

#[test]
fn a_card_that_the_ledger_does_not_know_is_refused() {
    let mut bench = Bench::new();
    bench.cards[0].number = card_spec::values::CardNumber::new(79, 999_999).unwrap();
    let entries = bench.till.pay(&bench.list, 0, &bench.cards[0], 1).concat();
    assert!(matches!(
        bench.take(&entries).unwrap_err().reason,
        EntryError::UnknownCard
    ));
}

#[test]
fn the_acknowledgement_names_the_last_stored_entry_and_is_the_same_when_asked_again() {
    let mut bench = Bench::new();
    let key = bench.till.journal.public_key();
    let issuer = bench.office.issuer();
    let ask = |store: &Store, till: &Till| acknowledge(store, &issuer, till.name, &key, time());
    assert!(matches!(
        ask(&bench.store, &bench.till).unwrap_err(),
        ansinh_payout::PayoutError::Store(StoreError::NotFound { .. })
    ));

    let boot = bench.till.boot();
    take(&bench.store, &bench.till, &boot).unwrap();
    let first = ask(&bench.store, &bench.till).unwrap();
    let signed = Signed::<Acknowledgement>::parse(&first.object).unwrap();
    let body = signed
        .verify(&PortableP256, &issuer.signer().public_key())
        .unwrap();
    assert_eq!((body.sequence, body.head), (1, bench.till.head));
    assert_eq!(ask(&bench.store, &bench.till).unwrap(), first);
}

#[test]
fn no_second_intent_of_a_holder_while_one_is_open() {
    let mut bench = Bench::new();
    let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let first = bench.till.intent(&order);
    let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let second = bench.till.intent(&order);
    let rejected = bench.take(&[first, second].concat()).unwrap_err();
    assert!(matches!(rejected.reason, EntryError::OpenIntent), "{rejected}");
    assert_eq!((rejected.sequence, bench.held()), (2, 1));
}

#[test]
fn only_the_cards_decision_about_the_open_intent_closes_it() {
    for (closes, status) in [
        (2, Some(0x6340)),
        (0, Some(0x6340)),
        (1, None),
        (1, Some(0x6982)),
        (1, Some(0x9000)),
        (1, Some(0x6350)),
    ] {
        let mut bench = Bench::new();
        let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
        let intent = bench.till.intent(&order);
        let closing = bench.till.entry(refusal(Some(closes), status));
        let rejected = bench.take(&[intent, closing].concat()).unwrap_err();
        assert!(
            matches!(rejected.reason, EntryError::Closing),
            "{closes} {status:X?}"
        );
    }

    let mut bench = Bench::new();
    let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let intent = bench.till.intent(&order);
    bench.take(&intent).unwrap();
    let undecided = bench.till.entry(refusal(None, Some(0x6982)));
    let closing = bench.till.entry(refusal(Some(1), Some(0x6341)));
    bench.take(&[undecided, closing].concat()).unwrap();
    let paid = bench.till.pay(&bench.list, 0, &bench.cards[0], 1).concat();
    assert_eq!(bench.take(&paid).unwrap().booked, 1);
    // Closed twice.
    let again = bench.till.entry(refusal(Some(1), Some(0x6341)));
    assert!(matches!(
        bench.take(&again).unwrap_err().reason,
        EntryError::Closing
    ));
}

#[test]
fn an_intent_stays_open_over_however_many_entries() {
    let mut bench = Bench::new();
    let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let intent = bench.till.intent(&order);
    let boots: Vec<u8> = (0..130).flat_map(|_| bench.till.boot()).collect();
    bench.take(&[intent, boots].concat()).unwrap();
    let receipt = receipt(&order, &bench.cards[0], 1, &bench.cards[0].signing);
    let paid = bench.till.paid(&receipt);
    assert_eq!(bench.take(&paid).unwrap().booked, 1);
}

#[test]
fn a_receipt_states_the_cards_version_and_the_orders_holder_check() {
    for change in [
        (|receipt| receipt.cso_version = 2) as fn(&mut Receipt),
        |receipt| receipt.holder_check.pin_verified = false,
    ] {
        let mut bench = Bench::new();
        let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
        let intent = bench.till.intent(&order);
        let mut body = receipt_body(&order, &bench.cards[0], 1);
        change(&mut body);
        let paid = bench.till.paid(&signed(&body, &bench.cards[0].signing));
        let rejected = bench.take(&[intent, paid].concat()).unwrap_err();
        assert!(matches!(rejected.reason, EntryError::OtherReceipt), "{rejected}");
        assert!(bench.store.payments().unwrap().is_empty());
    }
    // A photo document was seen, though the card says PIN.
    let mut bench = Bench::new();
    let mut order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    order.method = HolderCheckMethod::PhotoDocument;
    let intent = bench.till.intent(&order);
    let mut body = receipt_body(&order, &bench.cards[0], 1);
    body.holder_check.pin_verified = true;
    let paid = bench.till.paid(&signed(&body, &bench.cards[0].signing));
    let rejected = bench.take(&[intent, paid].concat()).unwrap_err();
    assert!(matches!(rejected.reason, EntryError::OtherReceipt), "{rejected}");
}

/// DATA 5.3: an Intent is settled by the same order at the same card, also if that card has another CSO version by now.
#[test]
fn an_order_for_an_earlier_version_is_settled_by_the_receipt_of_that_version_only() {
    // The versions that order and receipt name; whether the payment is booked.
    for (ordered, stated, booked) in [
        (1, 1, true),
        (2, 2, true),
        (1, 2, false),
        (2, 1, false),
        (1, 3, false),
    ] {
        let mut bench = Bench::new();
        let issuer = bench.office.issuer();
        let newer = updated(&bench.store, &bench.lan, &issuer, &bench.cards[0]);
        let card = if ordered == 1 { &bench.cards[0] } else { &newer };
        let order = bench.till.order(&bench.list, 0, card);
        let mut body = receipt_body(&order, card, 1);
        body.cso_version = stated;
        let entries = [
            bench.till.intent(&order),
            bench.till.paid(&signed(&body, &card.signing)),
        ]
        .concat();
        match bench.take(&entries) {
            Ok(taken) => assert!(booked && taken.booked == 1, "order {ordered}, receipt {stated}"),
            Err(rejected) => {
                assert!(!booked, "order {ordered}, receipt {stated}: {rejected}");
                assert!(matches!(rejected.reason, EntryError::OtherReceipt), "{rejected}");
                assert!(bench.store.payments().unwrap().is_empty());
            }
        }
    }
}

#[test]
fn an_order_for_a_version_that_was_never_signed_is_rejected() {
    let mut bench = Bench::new();
    updated(&bench.store, &bench.lan, &bench.office.issuer(), &bench.cards[0]);
    let entries = bench.payment_with(|order| order.cso_hash = [7; 32]);
    assert!(matches!(
        bench.take(&entries).unwrap_err().reason,
        EntryError::NotOnList
    ));
}

#[test]
fn a_receipt_of_another_kind_proves_no_payment() {
    for kind in [
        ReceiptKind::Reversal,
        ReceiptKind::IssuerScript,
        ReceiptKind::BlockList,
    ] {
        let mut bench = Bench::new();
        let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
        let intent = bench.till.intent(&order);
        let mut body = receipt_body(&order, &bench.cards[0], 1);
        body.kind = kind;
        body.holder_check.pin_verified = kind == ReceiptKind::Reversal;
        let paid = bench.till.paid(&signed(&body, &bench.cards[0].signing));
        let rejected = bench.take(&[intent, paid.clone()].concat()).unwrap_err();
        assert!(
            matches!(rejected.reason, EntryError::NoPayment),
            "{kind:?}: {rejected}"
        );
        // The Intent before it is kept and open; of the rest nothing is, however it comes.
        assert_eq!((rejected.sequence, bench.held()), (2, 1));
        assert_eq!(bench.take(&paid).unwrap_err().sequence, 2);
        assert_eq!(bench.held(), 1);
        assert!(bench.store.payments().unwrap().is_empty());
    }
}

#[test]
fn a_line_paid_twice_is_told_also_when_a_later_entry_is_rejected() {
    let mut bench = Bench::new();
    let first = bench.till.pay(&bench.list, 0, &bench.cards[0], 1).concat();
    let second = bench.till.pay(&bench.list, 0, &bench.cards[0], 2).concat();
    let rejected = bench.take(&[&first[..], &second, &[0xFF]].concat()).unwrap_err();
    assert_eq!((rejected.taken.booked, rejected.taken.paid_twice), (1, vec![3]));
}

#[test]
fn a_failing_ledger_is_no_rejection_and_stores_nothing() {
    let mut bench = Bench::new();
    let entries = bench.one_payment().concat();
    let terminal = bench.store.terminal("VNT0000001").unwrap();
    let mut ingestion = JournalIngestion::resume(&bench.store, &terminal).unwrap();
    alter(&bench.location, "ALTER TABLE payment RENAME TO elsewhere");
    assert!(matches!(ingestion.take(&entries), Err(IngestionError::Store(_))));
    alter(&bench.location, "ALTER TABLE elsewhere RENAME TO payment");
    assert_eq!(bench.held(), 0);
    assert_eq!(bench.take(&entries).unwrap().booked, 1);
}

/// A signed object's body in which the receipt's counter is 0 instead of 1, and its signature.
fn with_counter_0(body: &[u8], signer: &SecretKey) -> Vec<u8> {
    const VERSION_AND_COUNTER: [u8; 10] = [0x81, 2, 0, 1, 0x82, 4, 0, 0, 0, 1];
    let is_it = |bytes: &[u8]| bytes == VERSION_AND_COUNTER;
    let mut body = body.to_vec();
    if let Some(place) = body.windows(10).position(is_it) {
        body[place + 9] = 0;
    }
    let Ok(signature) = signer.sign(&body);
    [&body, &[0x5F, 0x37, 64][..], signature.as_bytes()].concat()
}

/// Receipts count from 1 (SPEC 9.4). A journal that has another is refused as any that nobody can read, and not for a fault of the ledger.
#[test]
fn a_receipt_with_the_counter_0_is_malformed() {
    let mut bench = Bench::new();
    let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let intent = bench.till.intent(&order);
    let card = &bench.cards[0];
    let receipt = receipt(&order, card, 1, &card.signing);
    let paid = bench.till.paid(&receipt);
    let of_card = Signed::<Receipt>::parse(&receipt).unwrap();
    let inner = &receipt[receipt.len() - of_card.signed_bytes().len() - 67..];
    let changed = with_counter_0(of_card.signed_bytes(), &card.signing);
    let body = Signed::<Entry<'_>>::parse(&paid).unwrap().signed_bytes().to_vec();
    let place = body
        .windows(inner.len())
        .position(|bytes| bytes == inner)
        .unwrap();
    let body = [&body[..place], &changed, &body[place + inner.len()..]].concat();
    let header = &paid[..paid.len() - body.len() - 67];
    let paid = [header, &with_counter_0(&body, &bench.till.journal)].concat();
    let rejected = bench.take(&[intent, paid].concat()).unwrap_err();
    assert!(matches!(rejected.reason, EntryError::Encoding(_)), "{rejected}");
    assert_eq!((rejected.sequence, rejected.taken.stored), (2, 1));
}
