//! Money that was not handed over (DATA 5.5): when a line is unpaid again, and when it is not.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use ansinh_payout::{
    EntryError, IngestionError, JournalIngestion, PayoutError, Sum, make_payment_list, shifts,
};
use ansinh_store::StoreError;
use ansinh_store::issuer_log::SignedObject;
use ansinh_store::journal::Ingestion;
use ansinh_store::maintenance::{CardReceipt, SeenReceipt};
use card_spec::certificate::Reference;
use card_spec::crypto::sha256;
use card_spec::journal::{EncodedOrder, EncodedReceipt, EncodedReversal, Event, Refusal, RefusalReason};
use card_spec::payment::{Order, Receipt, ReceiptKind};
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::Signed;
use common::{Bench, encode, key, receipt, reversal_receipt, signed};

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

    /// The first card is paid, and nothing is said of the money yet: its order.
    fn paid(&mut self) -> Order<'static> {
        let order = self.till.order(&self.list, 0, &self.cards[0]);
        let intent = self.till.intent(&order);
        let receipt = receipt(&order, &self.cards[0], 1, &self.cards[0].signing);
        let paid = self.till.paid(&receipt);
        assert_eq!(self.take(&[intent, paid].concat()).unwrap().booked, 1);
        order
    }

    fn say(&mut self, event: Event<'_>) -> Ingestion {
        let entry = self.till.entry(event);
        self.take(&entry).unwrap()
    }

    fn announce(&mut self, order: &Order<'_>) -> (Vec<u8>, Vec<u8>) {
        let reversal = self.till.reversal(order);
        self.till.announce(order, &reversal)
    }

    /// Reversed, with the receipt of a card; `lie` changes it before it is signed.
    fn reversed(
        &mut self,
        order: &Order<'_>,
        reversal: &[u8],
        signer: usize,
        lie: impl FnOnce(&mut Receipt),
    ) -> Vec<u8> {
        let mut body = reversal_receipt(order, &self.cards[0], reversal);
        lie(&mut body);
        let receipt = signed(&body, &self.cards[signer].signing);
        self.till.entry(Event::Reversed {
            intent: order.sequence,
            receipt: EncodedReceipt::parse(&receipt).unwrap(),
        })
    }

    fn standing(&self) -> usize {
        self.store.payments().unwrap().len()
    }

    fn not_handed(&self) -> Vec<u32> {
        self.store.not_handed(self.till.name.as_str()).unwrap()
    }

    fn due(&self) -> usize {
        match make_payment_list(&self.store, &self.lan, &self.office.issuer(), &self.till.terms()) {
            Ok(made) => made.list.lines.len(),
            Err(PayoutError::NothingDue) => 0,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_line_is_due_again_once_its_card_has_undone_the_payment_and_not_before() {
    let mut bench = Bench::new();
    let order = bench.paid();
    let due = bench.due();
    let intent = order.sequence;
    bench.say(Event::NotHanded { intent, order: None });
    assert_eq!(
        (bench.standing(), bench.due(), bench.not_handed()),
        (1, due, vec![intent])
    );
    let (entry, reversal) = bench.announce(&order);
    bench.take(&entry).unwrap();
    assert_eq!(
        (bench.standing(), bench.due(), bench.not_handed()),
        (1, due, vec![intent])
    );
    let entry = bench.reversed(&order, &reversal, 0, |_| {});
    let taken = bench.take(&entry).unwrap();
    assert_eq!((taken.reversed, taken.unfounded_reversals), (1, vec![]));
    assert_eq!(
        (bench.standing(), bench.due(), bench.not_handed()),
        (0, due + 1, vec![])
    );

    // Paid again by another order: booked, and that one stands.
    let [intent, paid] = bench.till.pay(&bench.list, 0, &bench.cards[0], 3);
    let taken = bench.take(&[intent, paid].concat()).unwrap();
    assert_eq!((taken.booked, taken.paid_twice), (1, vec![]));
    assert_eq!(bench.standing(), 1);
    // Once more is twice.
    let [intent, paid] = bench.till.pay(&bench.list, 0, &bench.cards[0], 4);
    assert_eq!(bench.take(&[intent, paid].concat()).unwrap().paid_twice.len(), 1);
}

#[test]
fn all_of_it_may_come_at_once() {
    let mut bench = Bench::new();
    let opened = bench.till.open_shift();
    bench.take(&opened).unwrap();
    let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let intent = bench.till.intent(&order);
    let receipt = receipt(&order, &bench.cards[0], 1, &bench.cards[0].signing);
    let paid = bench.till.paid(&receipt);
    let not_handed = bench.till.entry(Event::NotHanded {
        intent: order.sequence,
        order: None,
    });
    let (announced, reversal) = bench.announce(&order);
    let reversed = bench.reversed(&order, &reversal, 0, |_| {});
    let taken = bench
        .take(&[intent, paid, not_handed, announced, reversed].concat())
        .unwrap();
    assert_eq!((taken.stored, taken.booked, taken.reversed), (5, 1, 1));
    assert_eq!(bench.standing(), 0);
    let after = shifts(&bench.store, bench.till.name.as_str()).unwrap();
    let sum = Sum {
        number: 1,
        vnd: 500_000,
    };
    let shift = after.last().unwrap();
    assert_eq!((shift.paid, shift.not_handed, shift.reversed), (sum, sum, sum));
    assert_eq!(shift.handed, Sum::default());
}

/// Whoever has a terminal's key and a PIN draws the money, reverses and draws again: the line stays paid.
#[test]
fn a_reversal_of_money_that_was_handed_over_is_evidence_and_changes_nothing() {
    for words in [&[true][..], &[], &[true, false], &[false, true]] {
        let mut bench = Bench::new();
        let order = bench.paid();
        let (due, intent) = (bench.due(), order.sequence);
        for handed in words {
            bench.say(if *handed {
                Event::Handed { intent }
            } else {
                Event::NotHanded { intent, order: None }
            });
        }
        let (entry, reversal) = bench.announce(&order);
        bench.take(&entry).unwrap();
        let entry = bench.reversed(&order, &reversal, 0, |_| {});
        let taken = bench.take(&entry).unwrap();
        assert_eq!(
            (taken.reversed, taken.unfounded_reversals),
            (0, vec![intent]),
            "{words:?}"
        );
        assert_eq!((bench.standing(), bench.due()), (1, due), "{words:?}");
        let told = bench.store.operations().unwrap();
        let subject = format!("VNT0000001-{intent}");
        assert!(
            told.iter()
                .any(|told| told.action == "reversal-not-booked" && told.subject == subject)
        );
    }
}

#[test]
fn a_reversal_announced_before_the_money_was_not_handed_over_undoes_nothing() {
    let mut bench = Bench::new();
    let order = bench.paid();
    let intent = order.sequence;
    let (entry, early) = bench.announce(&order);
    bench.take(&entry).unwrap();
    bench.say(Event::NotHanded { intent, order: None });
    // Nor does it when it is told again.
    let again = bench.say(Event::ReverseIntent {
        intent,
        reversal: EncodedReversal::parse(&early).unwrap(),
    });
    assert_eq!(again.stored, 1);
    let entry = bench.reversed(&order, &early, 0, |_| {});
    let taken = bench.take(&entry).unwrap();
    assert_eq!((taken.reversed, taken.unfounded_reversals), (0, vec![intent]));
    assert_eq!(bench.standing(), 1);
    // One that comes in its order does.
    let (entry, reversal) = bench.announce(&order);
    bench.take(&entry).unwrap();
    let entry = bench.reversed(&order, &reversal, 0, |_| {});
    assert_eq!(bench.take(&entry).unwrap().reversed, 1);
    assert_eq!(bench.standing(), 0);
}

#[test]
fn a_reversal_of_another_order_undoes_nothing() {
    let mut bench = Bench::new();
    let order = bench.paid();
    bench.say(Event::NotHanded {
        intent: order.sequence,
        order: None,
    });
    let other = Order {
        nonce: [1; 16],
        ..order
    };
    let (entry, reversal) = bench.announce(&other);
    bench.take(&entry).unwrap();
    let entry = bench.reversed(&order, &reversal, 0, |_| {});
    let taken = bench.take(&entry).unwrap();
    assert_eq!((taken.reversed, taken.unfounded_reversals.len()), (0, 1));
    assert_eq!(bench.standing(), 1);
}

#[test]
fn receipts_that_prove_no_reversal_are_refused() {
    let mut bench = Bench::new();
    let order = bench.paid();
    bench.say(Event::NotHanded {
        intent: order.sequence,
        order: None,
    });
    // Nothing is announced.
    let refused = bench.refused(|bench| bench.reversed(&order, b"another", 0, |_| {}));
    assert!(matches!(refused, EntryError::NoReversal), "{refused}");
    let (entry, reversal) = bench.announce(&order);
    bench.take(&entry).unwrap();
    let refused = bench.refused(|bench| bench.reversed(&order, b"another", 0, |_| {}));
    assert!(matches!(refused, EntryError::NoReversal), "{refused}");
    let refused = bench.refused(|bench| bench.reversed(&order, &reversal, 1, |_| {}));
    assert!(matches!(refused, EntryError::Receipt), "{refused}");
    let refused =
        bench.refused(|bench| bench.reversed(&order, &reversal, 0, |body| body.kind = ReceiptKind::Payment));
    assert!(matches!(refused, EntryError::OtherKind), "{refused}");
    // For another Intent than the one it was announced for.
    let another = Order {
        sequence: 99,
        ..order
    };
    let refused = bench.refused(|bench| bench.reversed(&another, &reversal, 0, |_| {}));
    assert!(matches!(refused, EntryError::NoReversal), "{refused}");
    assert_eq!(bench.standing(), 1);
    // The other card's own receipt for it is a receipt, and undoes nothing.
    let number = bench.cards[1].number;
    let entry = bench.reversed(&order, &reversal, 1, |body| body.card_number = number);
    assert_eq!(bench.take(&entry).unwrap().unfounded_reversals.len(), 1);
    assert_eq!(bench.standing(), 1);
}

#[test]
fn a_reversal_states_its_own_place_or_is_told_again() {
    let mut bench = Bench::new();
    let order = bench.paid();
    bench.say(Event::NotHanded {
        intent: order.sequence,
        order: None,
    });
    for wrong in 0..3 {
        let refused = bench.refused(|bench| {
            let mut reversal = bench.till.reversal(&order);
            match wrong {
                0 => reversal.sequence += 1,
                1 => reversal.log_head = [1; 32],
                _ => reversal.terminal = "VNT0000002".parse().unwrap(),
            }
            bench.till.announce(&order, &reversal).0
        });
        assert!(matches!(refused, EntryError::ReversalPlace), "{refused}");
    }
    let (entry, reversal) = bench.announce(&order);
    bench.take(&entry).unwrap();
    let again = bench.say(Event::ReverseIntent {
        intent: order.sequence,
        reversal: EncodedReversal::parse(&reversal).unwrap(),
    });
    assert_eq!(again.stored, 1);
}

#[test]
fn its_order_is_told_again_and_the_card_may_refuse() {
    let mut bench = Bench::new();
    let order = bench.paid();
    let encoding = encode(&order);
    let again = || Event::NotHanded {
        intent: order.sequence,
        order: EncodedOrder::parse(&encoding).ok(),
    };
    let refusal = |status| {
        Event::Refused(Refusal {
            reason: RefusalReason::RefusedByCard,
            card_number: None,
            line_number: None,
            status_word: Some(status),
            closes_intent: Some(order.sequence),
        })
    };
    let early = bench.refused(|bench| bench.till.entry(again()));
    assert!(matches!(early, EntryError::NotTold), "{early}");
    bench.say(Event::NotHanded {
        intent: order.sequence,
        order: None,
    });
    bench.say(again());
    let early = bench.refused(|bench| bench.till.entry(refusal(0x634B)));
    assert!(matches!(early, EntryError::Closing), "{early}");
    let (entry, _) = bench.announce(&order);
    bench.take(&entry).unwrap();
    let bare = bench.refused(|bench| bench.till.entry(refusal(0x6985)));
    assert!(matches!(bare, EntryError::Closing), "{bare}");
    bench.say(refusal(0x634B));
    assert_eq!((bench.standing(), bench.not_handed()), (1, vec![order.sequence]));
}

#[test]
fn a_shift_tells_of_money_that_was_not_handed_over_and_of_what_the_card_has_undone() {
    let mut bench = Bench::new();
    let shift = bench.till.open_shift();
    bench.take(&shift).unwrap();
    let order = bench.paid();
    let of_last_shift = |bench: &Bench| {
        let shifts = shifts(&bench.store, bench.till.name.as_str()).unwrap();
        let last = shifts.last().unwrap();
        [last.paid, last.handed, last.not_handed, last.reversed]
    };
    let paid = Sum {
        number: 1,
        vnd: order.amount.vnd(),
    };
    let nothing = Sum::default();
    assert_eq!(of_last_shift(&bench), [paid, nothing, nothing, nothing]);
    bench.say(Event::NotHanded {
        intent: order.sequence,
        order: None,
    });
    assert_eq!(of_last_shift(&bench), [paid, nothing, paid, nothing]);
    let (entry, reversal) = bench.announce(&order);
    let reversed = bench.reversed(&order, &reversal, 0, |_| ());
    bench.take(&[entry, reversed].concat()).unwrap();
    assert_eq!(of_last_shift(&bench), [paid, nothing, paid, paid]);
}

impl Bench {
    /// The issuer's script that undoes an order on the first card, if the ledger has it signed.
    fn undoing(&self, order: [u8; 32], card: usize) -> Result<Vec<u8>, StoreError> {
        let (number, issuer) = (self.cards[card].number, Reference::new("VNISS7900001").unwrap());
        let action = |_| Action::Reverse(order);
        let sign = |action| Ok(self.script(action, card));
        self.store
            .sign_script(&self.lan, &number, 1, issuer, action, sign)
    }

    /// A script, whatever the ledger says to it.
    fn script(&self, action: Action, card: usize) -> SignedObject {
        let script = IssuerScript {
            suite: Default::default(),
            issuer: Reference::new("VNISS7900001").unwrap(),
            card_number: self.cards[card].number,
            counter: 1,
            action,
            issued: self.till.order(&self.list, 0, &self.cards[0]).time,
        };
        let object = signed(&script, &key(98));
        let body_hash = Signed::<IssuerScript>::parse(&object).unwrap().hash();
        SignedObject { body_hash, object }
    }

    /// The first card shows its receipt of a script.
    fn executed(&self, script: &[u8]) {
        let receipt = CardReceipt {
            counter: 2,
            kind: ReceiptKind::IssuerScript as u8,
            object_hash: Signed::<IssuerScript>::parse(script).unwrap().hash(),
            receipt: vec![2],
            object: script.to_vec(),
        };
        self.show(receipt);
    }

    fn show(&self, receipt: CardReceipt) {
        let seen = [SeenReceipt {
            receipt,
            payment: None,
        }];
        let number = self.cards[0].number;
        self.store.card_seen(&self.lan, &number, 1, 2, &seen).unwrap();
    }
}

#[test]
fn the_issuer_undoes_what_a_journal_says_was_not_handed_over_and_nothing_else() {
    let refused =
        |end: Result<Vec<u8>, StoreError>| assert!(matches!(end, Err(StoreError::WrongState { .. })));
    let mut bench = Bench::new();
    let order = bench.paid();
    let (due, hash, intent) = (bench.due(), sha256(&[&encode(&order)]), order.sequence);
    refused(bench.undoing(hash, 0));
    bench.say(Event::NotHanded { intent, order: None });
    refused(bench.undoing([9; 32], 0));
    refused(bench.undoing(hash, 1));
    let script = bench.undoing(hash, 0).unwrap();
    // Signed is not executed.
    assert_eq!(
        (bench.standing(), bench.due(), bench.not_handed()),
        (1, due, vec![intent])
    );
    for _ in 0..2 {
        bench.executed(&script);
        assert_eq!(
            (bench.standing(), bench.due(), bench.not_handed()),
            (0, due + 1, vec![])
        );
    }
    refused(bench.undoing(hash, 0));
    // The terminal does not know of it: it tells again, announces a reversal, and hears from the card.
    let told = encode(&order);
    bench.say(Event::NotHanded {
        intent,
        order: Some(EncodedOrder::parse(&told).unwrap()),
    });
    let (entry, _) = bench.announce(&order);
    bench.take(&entry).unwrap();
    bench.say(Event::Refused(Refusal {
        reason: RefusalReason::RefusedByCard,
        card_number: None,
        line_number: None,
        status_word: Some(0x634B),
        closes_intent: Some(intent),
    }));
    assert_eq!((bench.standing(), bench.not_handed()), (0, vec![]));

    let [intent, paid] = bench.till.pay(&bench.list, 0, &bench.cards[0], 3);
    let taken = bench.take(&[intent, paid].concat()).unwrap();
    assert_eq!((taken.booked, taken.paid_twice), (1, vec![]));

    let mut bench = Bench::new();
    let order = bench.paid();
    let hash = sha256(&[&encode(&order)]);
    bench.say(Event::Handed {
        intent: order.sequence,
    });
    refused(bench.undoing(hash, 0));
    assert_eq!(bench.standing(), 1);
}

#[test]
fn a_receipt_that_proves_no_execution_undoes_nothing() {
    let lies: [fn(&mut CardReceipt); 4] = [
        |receipt| receipt.kind = ReceiptKind::BlockList as u8,
        |receipt| receipt.object_hash = [9; 32],
        |receipt| receipt.object.truncate(20),
        |_| {},
    ];
    for (place, lie) in lies.into_iter().enumerate() {
        let mut bench = Bench::new();
        let order = bench.paid();
        let intent = order.sequence;
        bench.say(Event::NotHanded { intent, order: None });
        let script = bench.undoing(sha256(&[&encode(&order)]), 0).unwrap();
        let mut receipt = CardReceipt {
            counter: 2,
            kind: ReceiptKind::IssuerScript as u8,
            object_hash: Signed::<IssuerScript>::parse(&script).unwrap().hash(),
            receipt: vec![2],
            object: script,
        };
        lie(&mut receipt);
        bench.show(receipt);
        assert_eq!(bench.standing(), usize::from(place < 3), "lie {place}");
    }
}

/// A ledger that was restored from before the clerk's word: the card is read first, and the journal comes home later.
#[test]
fn a_receipt_of_the_issuers_script_counts_as_soon_as_the_journal_tells_the_clerks_word() {
    for (handed, standing) in [(false, 0), (true, 1)] {
        let mut bench = Bench::new();
        let order = bench.paid();
        let (due, hash, intent) = (bench.due(), sha256(&[&encode(&order)]), order.sequence);
        let script = bench.script(Action::Reverse(hash), 0).object;
        bench.executed(&script);
        assert_eq!((bench.standing(), bench.due()), (1, due), "nobody's word yet");
        bench.say(match handed {
            true => Event::Handed { intent },
            false => Event::NotHanded { intent, order: None },
        });
        assert_eq!((bench.standing(), bench.due()), (standing, due + 1 - standing));
        assert_eq!(bench.not_handed(), [0; 0]);
    }
}

#[test]
fn the_issuer_undoes_a_second_payment_whose_money_was_not_handed_over() {
    let mut bench = Bench::new();
    bench.paid();
    let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let (hash, intent) = (sha256(&[&encode(&order)]), order.sequence);
    let announced = bench.till.intent(&order);
    let receipt = receipt(&order, &bench.cards[0], 4, &bench.cards[0].signing);
    let paid = bench.till.paid(&receipt);
    let taken = bench.take(&[announced, paid].concat()).unwrap();
    assert_eq!(taken.paid_twice, [intent]);
    assert!(matches!(
        bench.undoing(hash, 0),
        Err(StoreError::WrongState { .. })
    ));
    bench.say(Event::NotHanded { intent, order: None });
    assert_eq!(bench.not_handed(), [intent]);
    let script = bench.undoing(hash, 0).unwrap();
    bench.executed(&script);
    assert_eq!((bench.standing(), bench.not_handed()), (1, vec![]));
    let log = bench.store.operations().unwrap();
    let cleared = format!("{}-{intent}", bench.till.name);
    let is_cleared = |act: &str| act == "second-payment-cleared";
    assert!(
        log.iter()
            .any(|told| is_cleared(&told.action) && told.subject == cleared)
    );
}
