//! What terminals send: entries, payments, acknowledgements.

use ansinh_store::StoreError;
use ansinh_store::journal::{CarriedPayment, JournalEntry, Meaning, Payment};
use ansinh_store::maintenance::{CardPayments, CardReceipt, SeenReceipt};
use ansinh_store::reversals::AnnouncedReversal;

use crate::fixture::*;

on_each_engine!(
    a_second_payment_of_a_line_is_kept_as_evidence_and_not_booked,
    ingesting_the_same_entries_again_books_nothing,
    a_journal_takes_neither_gaps_nor_two_entries_under_one_number,
    an_acknowledgement_covers_what_is_committed_and_is_made_once,
    a_payment_that_its_card_told_of_is_paid_and_recognised_in_the_journal,
    a_payment_of_the_journal_is_recognised_at_its_card,
    a_second_payment_of_a_line_is_not_booked_whoever_told_of_the_first,
    orders_under_one_number_of_a_terminal_set_back_are_both_booked,
    a_receipt_of_no_line_or_of_no_payment_books_nothing,
    a_card_with_two_histories_books_nothing,
    a_line_is_due_again_once_its_payment_was_undone_and_only_if_the_money_was_kept,
    another_cards_word_on_an_order_neither_counts_nor_keeps_the_cards_own_out,
);

/// What a card shows of a payment.
fn seen(terminal: &str, payment: &Payment) -> SeenReceipt {
    SeenReceipt {
        receipt: CardReceipt {
            counter: payment.card_counter.unwrap(),
            kind: 1,
            object_hash: payment.order,
            receipt: vec![2],
            object: vec![3],
        },
        payment: Some(CarriedPayment {
            terminal: terminal.to_owned(),
            payment: payment.clone(),
        }),
    }
}

/// What the operations log calls it, by its card.
fn receipt_name(payment: &Payment) -> String {
    let (counter, order) = (payment.card_counter.unwrap(), hex::encode(payment.order));
    format!("{}-{counter}-{order:.16}", payment.card)
}

impl Ledger {
    /// A card is seen with these receipts.
    fn see(&self, receipts: &[SeenReceipt]) -> Result<(), StoreError> {
        let card = self.store.cards().unwrap()[0].number;
        self.store.card_seen(&self.officer, &card, 1, 9, receipts)
    }

    fn card_payments(&self) -> CardPayments {
        let card = self.store.cards().unwrap()[0].number;
        self.store.card_payments(&card).unwrap()
    }

    /// Subjects of the operations of this name.
    fn told(&self, action: &str) -> Vec<String> {
        let operations = self.store.operations().unwrap().into_iter();
        let told = operations.filter(|operation| operation.action == action);
        told.map(|operation| operation.subject).collect()
    }
}

fn booked(from_card_only: u64, unbooked: &[u32]) -> CardPayments {
    CardPayments {
        from_card_only,
        unbooked: unbooked.to_vec(),
    }
}

fn a_payment_that_its_card_told_of_is_paid_and_recognised_in_the_journal(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    ledger.active(0);
    let terminal = ledger.terminal(0);
    let due = ledger.next_list(&terminal);
    let paid = payment(&due[0], 1, 1);
    for _ in 0..2 {
        ledger.see(&[seen(&terminal, &paid)]).unwrap();
    }
    assert_eq!(ledger.card_payments(), booked(1, &[]));
    assert_eq!(ledger.told("payment-booked-from-card"), [receipt_name(&paid)]);
    assert_eq!(
        ledger.store.payments().unwrap(),
        [(terminal.clone(), paid.clone())]
    );
    assert_eq!(ledger.next_list(&terminal), [], "a paid line is due again");

    let entries = [entry(1, 1, None), entry(2, 2, Some(paid.clone()))];
    let result = ledger.store.ingest(&terminal, &entries).unwrap();
    assert_eq!((result.stored, result.carried, result.booked), (2, 1, 0));
    assert_eq!((result.booked_amount, result.paid_twice), (0, vec![]));
    assert_eq!(ledger.card_payments(), booked(0, &[]));
    assert_eq!(ledger.store.payments().unwrap(), [(terminal, paid)]);
}

fn a_payment_of_the_journal_is_recognised_at_its_card(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    ledger.active(0);
    let terminal = ledger.terminal(0);
    let due = ledger.next_list(&terminal);
    let paid = payment(&due[0], 1, 1);
    let entries = [entry(1, 1, None), entry(2, 2, Some(paid.clone()))];
    assert_eq!(ledger.store.ingest(&terminal, &entries).unwrap().booked, 1);
    ledger.see(&[seen(&terminal, &paid)]).unwrap();
    assert_eq!(ledger.card_payments(), booked(0, &[]));
    assert_eq!(ledger.store.payments().unwrap().len(), 1);
    for act in ["payment-booked-from-card", "second-payment-not-booked"] {
        assert_eq!(ledger.told(act), [] as [&str; 0]);
    }
}

fn a_second_payment_of_a_line_is_not_booked_whoever_told_of_the_first(engine: Engine) {
    // The card first: another order for the line stands in the journal.
    let ledger = Ledger::new(engine, 1, 1);
    ledger.active(0);
    let terminal = ledger.terminal(0);
    let due = ledger.next_list(&terminal);
    let of_card = payment(&due[0], 7, 1);
    ledger.see(&[seen(&terminal, &of_card)]).unwrap();
    let entries = [entry(1, 1, None), entry(2, 2, Some(payment(&due[0], 1, 2)))];
    let result = ledger.store.ingest(&terminal, &entries).unwrap();
    // What the journal tells of is in the books rather than what only a card does.
    assert_eq!((result.carried, result.booked, result.paid_twice), (1, 0, vec![]));
    assert_eq!(result.brought_second.len(), 1);
    assert_eq!(ledger.told("second-payment-not-booked"), [receipt_name(&of_card)]);
    assert_eq!(ledger.card_payments(), booked(0, &[1]));

    // The journal first.
    let ledger = Ledger::new(engine, 1, 1);
    ledger.active(0);
    let terminal = ledger.terminal(0);
    let due = ledger.next_list(&terminal);
    let entries = [entry(1, 1, None), entry(2, 2, Some(payment(&due[0], 1, 1)))];
    ledger.store.ingest(&terminal, &entries).unwrap();
    let of_card = payment(&due[0], 7, 2);
    ledger.see(&[seen(&terminal, &of_card)]).unwrap();
    assert_eq!(ledger.told("second-payment-not-booked"), [receipt_name(&of_card)]);
    assert_eq!(ledger.card_payments(), booked(0, &[2]));
    assert_eq!(ledger.store.payments().unwrap().len(), 1);
}

/// DATA 5.5.
fn a_line_is_due_again_once_its_payment_was_undone_and_only_if_the_money_was_kept(engine: Engine) {
    let kept = |handed| Meaning::HandOver { intent: 1, handed };
    for (words, undone) in [
        (&[kept(false)][..], true),
        (&[], false),
        (&[kept(true)], false),
        (&[kept(true), kept(false)], false),
        (&[kept(false), kept(true)], false),
    ] {
        let ledger = Ledger::new(engine, 1, 1);
        let card = ledger.active(0);
        let terminal = ledger.terminal(0);
        let due = ledger.next_list(&terminal);
        let paid = payment(&due[0], 1, 1);
        let reversal = AnnouncedReversal {
            intent: 1,
            order: paid.order,
            hash: [7; 32],
        };
        let told = [
            vec![Meaning::Record, Meaning::Paid(paid)],
            words.to_vec(),
            vec![
                Meaning::ReverseIntent(reversal),
                Meaning::Reversed {
                    reversal,
                    card: card.number,
                    counter: 2,
                },
            ],
        ];
        let entries: Vec<_> = (1..)
            .zip(told.concat())
            .map(|(sequence, meaning)| JournalEntry {
                meaning,
                ..entry(sequence, 1, None)
            })
            .collect();
        let (last, before) = entries.split_last().unwrap();
        ledger.store.ingest(&terminal, before).unwrap();
        assert_eq!(ledger.store.announced_reversals(&terminal).unwrap(), [reversal]);
        assert_eq!(ledger.next_list(&terminal), [], "nothing is undone yet");
        let result = ledger
            .store
            .ingest(&terminal, std::slice::from_ref(last))
            .unwrap();
        assert_eq!(result.reversed, u64::from(undone));
        assert_eq!(result.unfounded_reversals.is_empty(), undone);
        assert_eq!(ledger.told("reversal-not-booked").is_empty(), undone);
        assert_eq!(ledger.next_list(&terminal).len(), usize::from(undone));
        assert_eq!(ledger.store.payments().unwrap().is_empty(), undone);
        // The same entry again is known, and undoes nothing twice.
        let again = ledger
            .store
            .ingest(&terminal, std::slice::from_ref(last))
            .unwrap();
        assert_eq!(
            (again.known, again.reversed, again.unfounded_reversals.len()),
            (1, 0, 0)
        );
    }
}

/// A card names in its reversal whatever order it likes, be it of another card (DATA 5.6).
fn another_cards_word_on_an_order_neither_counts_nor_keeps_the_cards_own_out(engine: Engine) {
    for is_announced in [false, true] {
        let ledger = Ledger::new(engine, 2, 2);
        let (hostile, own) = (ledger.active(0), ledger.active(1));
        let [teller, terminal] = [0, 1].map(|number| ledger.terminal(number));
        let due = ledger.next_list(&terminal);
        let line = due.iter().find(|line| line.card == own.number).unwrap();
        let paid = payment(line, 1, 1);
        let reversal = |card| Meaning::CarriedReversal {
            card,
            counter: 2,
            order: paid.order,
        };
        let tell = |terminal: &str, sequence, meaning| {
            let told = JournalEntry {
                meaning,
                ..entry(sequence, u8::from(terminal == teller), None)
            };
            ledger.store.ingest(terminal, &[told]).unwrap()
        };
        tell(&teller, 1, reversal(hostile.number));
        if is_announced {
            tell(&terminal, 1, Meaning::Record);
            tell(&terminal, 2, Meaning::Paid(paid.clone()));
            let (intent, handed) = (1, false);
            tell(&terminal, 3, Meaning::HandOver { intent, handed });
        } else {
            let carried = Meaning::CarriedReceipt {
                card: own.number,
                counter: 1,
                object: paid.order,
                payment: Some(CarriedPayment {
                    terminal: terminal.clone(),
                    payment: paid.clone(),
                }),
            };
            tell(&teller, 2, carried);
        }
        assert_eq!(ledger.store.payments().unwrap().len(), 1);
        tell(&teller, 2 + u32::from(!is_announced), reversal(own.number));
        assert_eq!(
            ledger.store.payments().unwrap(),
            [],
            "its own card tells it undone"
        );
        let due = ledger.next_list(&terminal);
        assert!(due.iter().any(|line| line.card == own.number));
    }
}

/// A terminal whose memory was set back gives a number twice: both times money left.
fn orders_under_one_number_of_a_terminal_set_back_are_both_booked(engine: Engine) {
    let ledger = Ledger::new(engine, 2, 2);
    ledger.active(0);
    ledger.active(1);
    let terminal = ledger.terminal(0);
    let due = ledger.next_list(&terminal);
    let entries = [entry(1, 1, None), entry(2, 2, Some(payment(&due[1], 1, 1)))];
    assert_eq!(ledger.store.ingest(&terminal, &entries).unwrap().booked, 1);
    ledger.see(&[seen(&terminal, &payment(&due[0], 1, 1))]).unwrap();
    assert_eq!(ledger.card_payments(), booked(1, &[]));
    assert_eq!(ledger.next_list(&terminal), [], "a paid line is due again");
}

fn a_receipt_of_no_line_or_of_no_payment_books_nothing(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let card = ledger.active(0);
    let terminal = ledger.terminal(0);
    let due = ledger.next_list(&terminal);
    let mut of_no_line = seen(&terminal, &payment(&due[0], 1, 1));
    of_no_line.payment = None;
    let mut script = seen(&terminal, &payment(&due[0], 2, 2));
    script.receipt.kind = 3;
    ledger.see(&[of_no_line, script]).unwrap();
    assert_eq!(ledger.card_payments(), booked(0, &[1]));
    let told = ledger.told("receipt-of-no-line");
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with(&format!("{}-1-", card.number)), "{told:?}");
    assert_eq!(ledger.store.payments().unwrap(), []);
    assert_eq!(ledger.store.card_receipts(&card.number).unwrap().len(), 2);
    assert_eq!(ledger.next_list(&terminal).len(), 1);
}

fn a_card_with_two_histories_books_nothing(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    ledger.active(0);
    let terminal = ledger.terminal(0);
    let due = ledger.next_list(&terminal);
    let mut of_no_line = seen(&terminal, &payment(&due[0], 9, 2));
    of_no_line.payment = None;
    ledger.see(&[of_no_line]).unwrap();
    let histories = [
        seen(&terminal, &payment(&due[0], 1, 1)),
        seen(&terminal, &payment(&due[0], 3, 2)),
    ];
    assert!(matches!(ledger.see(&histories), Err(StoreError::Exists { .. })));
    assert_eq!(ledger.card_payments(), booked(0, &[2]));
    assert_eq!(ledger.store.payments().unwrap(), []);
}

fn a_second_payment_of_a_line_is_kept_as_evidence_and_not_booked(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    ledger.active(0);
    let terminal = ledger.terminal(0);
    let due = ledger.next_list(&terminal);
    let entries = [
        entry(1, 1, None),
        entry(2, 2, Some(payment(&due[0], 1, 1))),
        entry(3, 3, None),
        entry(4, 4, Some(payment(&due[0], 3, 2))),
    ];
    let result = ledger.store.ingest(&terminal, &entries).unwrap();
    assert_eq!((result.stored, result.booked, result.paid_twice), (4, 1, vec![3]));
    assert_eq!(ledger.store.journal(&terminal).unwrap().len(), 4);
    assert_eq!(ledger.store.payments().unwrap().len(), 1);
    let subjects: Vec<_> = ledger
        .store
        .operations()
        .unwrap()
        .into_iter()
        .filter(|operation| operation.action == "second-payment-not-booked")
        .map(|operation| operation.subject)
        .collect();
    assert_eq!(subjects, [format!("{terminal}-3")]);
}

fn ingesting_the_same_entries_again_books_nothing(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    ledger.active(0);
    let terminal = ledger.terminal(0);
    let due = ledger.next_list(&terminal);
    let entries = [entry(1, 1, None), entry(2, 2, Some(payment(&due[0], 1, 1)))];
    ledger.store.ingest(&terminal, &entries).unwrap();
    let again = ledger.store.ingest(&terminal, &entries).unwrap();
    assert_eq!(
        (again.stored, again.known, again.booked, again.paid_twice.len()),
        (0, 2, 0, 0)
    );
}

fn a_journal_takes_neither_gaps_nor_two_entries_under_one_number(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let terminal = ledger.terminal(0);
    ledger
        .store
        .ingest(&terminal, &[entry(1, 1, None), entry(2, 2, None)])
        .unwrap();
    for wrong in [
        vec![entry(2, 9, None)],
        vec![entry(4, 4, None)],
        vec![entry(3, 3, None), entry(5, 5, None)],
    ] {
        let refused = ledger.store.ingest(&terminal, &wrong);
        assert!(matches!(refused, Err(StoreError::Equivocation { .. })));
    }
    assert_eq!(
        ledger.store.journal_head(&terminal).unwrap().unwrap().sequence,
        2,
        "part of a refused batch was kept"
    );
    assert!(matches!(
        ledger.store.ingest("VNT9999999", &[]),
        Err(StoreError::NotFound { .. })
    ));
}

fn an_acknowledgement_covers_what_is_committed_and_is_made_once(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let terminal = ledger.terminal(0);
    let nothing = ledger
        .store
        .acknowledge(&terminal, |_| Ok::<_, StoreError>(vec![]));
    assert!(matches!(nothing, Err(StoreError::NotFound { .. })));
    ledger.store.ingest(&terminal, &[entry(1, 1, None)]).unwrap();
    let first = ledger
        .store
        .acknowledge(&terminal, |head| Ok::<_, StoreError>(head.hash.to_vec()))
        .unwrap();
    let again = ledger
        .store
        .acknowledge(&terminal, |_| Err(StoreError::Random))
        .unwrap();
    assert_eq!((first.sequence, &first), (1, &again));
    assert_eq!(ledger.store.acknowledgements().unwrap(), [first]);
}
