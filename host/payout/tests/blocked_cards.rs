//! Cards that have blocked themselves, as terminals tell of it (DATA 5.2, kind 17): only what the card has signed is taken in.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use ansinh_payout::{EntryError, IngestionError, JournalIngestion};
use card_spec::crypto::SecretKey;
use card_spec::journal::{EncodedReceipt, Event};
use card_spec::payment::{HolderCheckOutcome, Receipt, ReceiptKind};
use card_spec::values::CardNumber;

use common::{Bench, key, receipt_body, signed, updated};

/// The first card's receipt for a block list.
fn blocked(bench: &Bench) -> Receipt {
    let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    Receipt {
        kind: ReceiptKind::BlockList,
        object_hash: [0xB1; 32],
        holder_check: HolderCheckOutcome {
            pin_verified: false,
            tries_left: 3,
        },
        ..receipt_body(&order, &bench.cards[0], 1)
    }
}

fn tell(bench: &mut Bench, receipt: &Receipt, signer: &SecretKey) -> Result<u64, EntryError> {
    let receipt = signed(receipt, signer);
    let entry = bench
        .till
        .entry(Event::CardBlocked(EncodedReceipt::parse(&receipt).unwrap()));
    let terminal = bench.store.terminal(bench.till.name.as_str()).unwrap();
    let mut ingestion = JournalIngestion::resume(&bench.store, &terminal).unwrap();
    match ingestion.take(&entry) {
        Ok(taken) => Ok(taken.stored),
        Err(IngestionError::Rejected(rejected)) => Err(rejected.reason),
        Err(IngestionError::Store(error)) => panic!("{error}"),
    }
}

#[test]
fn a_card_that_blocked_itself_is_taken_in_also_after_an_update() {
    for update in [false, true] {
        let mut bench = Bench::new();
        let receipt = blocked(&bench);
        if update {
            updated(&bench.store, &bench.lan, &bench.office.issuer(), &bench.cards[0]);
        }
        assert_eq!(tell(&mut bench, &receipt, &key(21)).unwrap(), 1);
        assert_eq!(bench.store.payments().unwrap(), []);
    }
}

#[test]
fn what_no_card_has_signed_is_not() {
    type Lie = fn(&mut Receipt);
    type Expected = fn(&EntryError) -> bool;
    let lies: [(Lie, u8, Expected); 4] = [
        (|_| {}, 22, |error| matches!(error, EntryError::Receipt)),
        (|receipt| receipt.kind = ReceiptKind::Payment, 21, is_other_kind),
        (|receipt| receipt.kind = ReceiptKind::Reversal, 21, is_other_kind),
        (
            |receipt| receipt.kind = ReceiptKind::IssuerScript,
            21,
            is_other_kind,
        ),
    ];
    for (lie, signer, expected) in lies {
        let mut bench = Bench::new();
        let mut receipt = blocked(&bench);
        lie(&mut receipt);
        let error = tell(&mut bench, &receipt, &key(signer)).unwrap_err();
        assert!(expected(&error), "{error}");
    }
}

/// A ledger that was restored does not know the newest cards: the journal comes home all the same.
#[test]
fn a_card_that_the_ledger_does_not_know_stops_no_journal() {
    let mut bench = Bench::new();
    let mut receipt = blocked(&bench);
    receipt.card_number = CardNumber::new(79, 99).unwrap();
    assert_eq!(tell(&mut bench, &receipt, &key(21)).unwrap(), 1);
    let log = bench.store.operations().unwrap();
    assert!(log.iter().any(|act| act.action == "receipt-of-unknown-card"));
}

fn is_other_kind(error: &EntryError) -> bool {
    matches!(error, EntryError::NoBlock)
}
