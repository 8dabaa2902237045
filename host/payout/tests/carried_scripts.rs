//! Issuer scripts that terminals carry to cards (DATA 12): signed for payments whose money a journal says was not handed over and for no
//! other, for the counters that come next; what their receipts undo is undone once, whoever brings them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use ansinh_payout::{
    EntryError, IngestionError, JournalIngestion, PayoutError, ScriptSet, carry_reversals, make_payment_list,
    script_set,
};
use ansinh_store::StoreError;
use ansinh_store::carried_scripts::{CarriedScript, Passed};
use ansinh_store::import::{ApprovedList, ImportMode, ListKind};
use ansinh_store::journal::Ingestion;
use ansinh_store::lists::PaymentList;
use ansinh_store::maintenance::{CardReceipt, SeenReceipt};
use ansinh_store::operators::Role;
use card_spec::crypto::{SecretKey, sha256};
use card_spec::journal::{EncodedReceipt, EncodedReversal, Event, Refusal, RefusalReason};
use card_spec::payment::{HolderCheckOutcome, Order, Receipt, ReceiptKind};
use card_spec::reversal::Reversal;
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::Signed;
use card_spec::values::CardNumber;
use common::{Bench, Till, approved, encode, receipt, receipt_body, signed, time, today};

const NO_CHECK: HolderCheckOutcome = HolderCheckOutcome {
    pin_verified: false,
    tries_left: 3,
};

/// Payments of the first card at the bench's till, by counter from 1, with nothing said of their money.
struct Scene {
    bench: Bench,
    list: PaymentList,
    orders: Vec<Order<'static>>,
}

impl Scene {
    fn new(payments: u8) -> Self {
        let bench = Bench::new();
        let certificate = &bench.office.issuer_certificate;
        bench
            .store
            .add_certificate("VNISS7900001", "VNROOT00001", certificate)
            .unwrap();
        let lines = (1..payments).map(|earlier| {
            let mut line = approved(1);
            line.period = format!("2025{earlier:02}");
            line
        });
        let list = ApprovedList {
            file_hash: [2; 32],
            file_name: "2025.csv".to_owned(),
            kind: ListKind::Plain,
            lines: lines.collect(),
            warnings: Vec::new(),
        };
        if payments > 1 {
            bench.store.import(&bench.lan, &list, ImportMode::Commit).unwrap();
        }
        let list = bench.till.list(&bench.store, &bench.lan, &bench.office.issuer());
        let mut scene = Self {
            bench,
            list,
            orders: Vec::new(),
        };
        let own = scene.lines_of_first_card();
        assert_eq!(own.len(), usize::from(payments));
        for (line, counter) in own.into_iter().zip(1..) {
            let order = scene.pay(line, counter);
            scene.orders.push(order);
        }
        scene
    }

    /// All of them were not handed over.
    fn kept(payments: u8) -> Self {
        let mut scene = Self::new(payments);
        for order in scene.orders.clone() {
            scene.keep(&order);
        }
        scene
    }

    fn lines_of_first_card(&self) -> Vec<usize> {
        let number = self.bench.cards[0].number;
        let is_own = |line: &Vec<u8>| {
            let number: Vec<u8> = number
                .to_string()
                .as_bytes()
                .chunks(2)
                .map(|pair| (pair[0] - b'0') << 4 | (pair[1] - b'0'))
                .collect();
            line.windows(8).any(|window| window == number)
        };
        (0..self.list.lines.len())
            .filter(|line| is_own(&self.list.lines[*line]))
            .collect()
    }

    fn pay(&mut self, line: usize, counter: u32) -> Order<'static> {
        let order = self.bench.till.order(&self.list, line, &self.bench.cards[0]);
        let intent = self.bench.till.intent(&order);
        let receipt = receipt(
            &order,
            &self.bench.cards[0],
            counter,
            &self.bench.cards[0].signing,
        );
        let paid = self.bench.till.paid(&receipt);
        self.take(&[intent, paid].concat()).unwrap();
        order
    }

    fn keep(&mut self, order: &Order<'_>) {
        let intent = order.sequence;
        self.say(Event::NotHanded { intent, order: None });
    }

    fn take(&self, bytes: &[u8]) -> Result<Ingestion, EntryError> {
        take(&self.bench, &self.bench.till, bytes)
    }

    fn say(&mut self, event: Event<'_>) -> Ingestion {
        let entry = self.bench.till.entry(event);
        self.take(&entry).unwrap()
    }

    fn carry(&self) -> Result<Vec<CarriedScript>, PayoutError> {
        let (bench, issuer) = (&self.bench, self.bench.office.issuer());
        carry_reversals(
            &bench.store,
            &bench.lan,
            &issuer,
            bench.till.name,
            &bench.cards[0].number,
            time(),
        )
    }

    fn set(&self) -> ScriptSet {
        let (bench, issuer) = (&self.bench, self.bench.office.issuer());
        script_set(&bench.store, issuer.reference(), bench.till.name, today()).unwrap()
    }

    /// What is to be sent is sent.
    fn sent(&self) {
        let (store, name) = (&self.bench.store, self.bench.till.name);
        store
            .note_scripts_sent(name.as_str(), &self.set().scripts)
            .unwrap();
    }

    /// The till tells of the receipt for a script; `lie` changes it before it is signed.
    fn executed(
        &mut self,
        script: &[u8],
        signer: &SecretKey,
        lie: impl FnOnce(&mut Receipt),
    ) -> Result<Ingestion, EntryError> {
        let receipt = self.receipt_for(script, signer, lie);
        let entry = Event::ScriptExecuted(EncodedReceipt::parse(&receipt).unwrap());
        let before = (self.bench.till.sequence, self.bench.till.head);
        let entry = self.bench.till.entry(entry);
        let taken = self.take(&entry);
        if taken.is_err() {
            (self.bench.till.sequence, self.bench.till.head) = before;
        }
        taken
    }

    fn receipt_for(&self, script: &[u8], signer: &SecretKey, lie: impl FnOnce(&mut Receipt)) -> Vec<u8> {
        let script = Signed::<IssuerScript>::parse(script).unwrap();
        let mut body = Receipt {
            counter: script.claimed().counter + 1,
            object_hash: script.hash(),
            kind: ReceiptKind::IssuerScript,
            holder_check: NO_CHECK,
            ..receipt_body(&self.orders[0], &self.bench.cards[0], 1)
        };
        lie(&mut body);
        signed(&body, signer)
    }

    fn tell(&mut self, script: &[u8]) -> Ingestion {
        let signer = self.first_key();
        self.executed(script, &signer, |_| {}).unwrap()
    }

    fn first_key(&self) -> SecretKey {
        SecretKey::from_bytes(&self.bench.cards[0].signing.to_bytes()).unwrap()
    }

    /// The card shows its receipt for a script at the desk.
    fn show(&self, script: &[u8], counter: u32) {
        let receipt = CardReceipt {
            counter,
            kind: ReceiptKind::IssuerScript as u8,
            object_hash: Signed::<IssuerScript>::parse(script).unwrap().hash(),
            receipt: self.receipt_for(script, &self.bench.cards[0].signing, |_| {}),
            object: script.to_vec(),
        };
        let seen = [SeenReceipt {
            receipt,
            payment: None,
        }];
        let number = self.bench.cards[0].number;
        self.bench
            .store
            .card_seen(&self.bench.lan, &number, 1, counter, &seen)
            .unwrap();
    }

    fn standing(&self) -> usize {
        self.bench.store.payments().unwrap().len()
    }

    fn due(&self) -> usize {
        let bench = &self.bench;
        match make_payment_list(
            &bench.store,
            &bench.lan,
            &bench.office.issuer(),
            &bench.till.terms(),
        ) {
            Ok(made) => made.list.lines.len(),
            Err(PayoutError::NothingDue) => 0,
            Err(error) => panic!("{error}"),
        }
    }

    fn is_told(&self, action: &str) -> bool {
        let log = self.bench.store.operations().unwrap();
        log.iter().any(|act| act.action == action)
    }
}

fn take(bench: &Bench, till: &Till, bytes: &[u8]) -> Result<Ingestion, EntryError> {
    let terminal = bench.store.terminal(till.name.as_str()).unwrap();
    match JournalIngestion::resume(&bench.store, &terminal)
        .unwrap()
        .take(bytes)
    {
        Ok(taken) => Ok(taken),
        Err(IngestionError::Rejected(rejected)) => Err(rejected.reason),
        Err(IngestionError::Store(error)) => panic!("{error}"),
    }
}

fn hash(order: &Order<'_>) -> [u8; 32] {
    sha256(&[&encode(order)])
}

fn plan(scripts: &[CarriedScript]) -> Vec<(u32, [u8; 32])> {
    scripts
        .iter()
        .map(|script| (script.counter, script.order))
        .collect()
}

fn is_refused(end: Result<Vec<CarriedScript>, PayoutError>) -> bool {
    matches!(end, Err(PayoutError::Store(StoreError::WrongState { .. })))
}

#[test]
fn the_newest_payment_is_undone_first_and_for_the_counter_that_comes_next() {
    let scene = Scene::kept(2);
    let expected = [(2, hash(&scene.orders[1])), (3, hash(&scene.orders[0]))];
    let carried = scene.carry().unwrap();
    assert_eq!(plan(&carried), expected);
    for (script, (counter, order)) in carried.iter().zip(expected) {
        let body = *Signed::<IssuerScript>::parse(&script.object).unwrap().claimed();
        assert_eq!((body.counter, body.action), (counter, Action::Reverse(order)));
        assert_eq!(body.card_number, scene.bench.cards[0].number);
    }
    let set = scene.set();
    assert_eq!(
        (&set.scripts, set.later, set.is_due, set.passed.len()),
        (&carried, 0, true, 0)
    );
    // The same once more, whoever it is for: not another script for a counter.
    assert_eq!(scene.carry().unwrap(), carried);
    let number = scene.bench.cards[0].number;
    assert_eq!(scene.bench.store.card_scripts(&number).unwrap().len(), 2);
    // The card need not have come as far as the second one is for, so it is not taken for one that was set back.
    let dossier = scene.bench.store.dossier(&[1; 10]).unwrap().unwrap();
    assert_eq!(dossier.open_scripts, [2]);
    // Signed is not executed.
    assert_eq!(scene.standing(), 2);
}

#[test]
fn nothing_is_signed_but_for_money_that_a_journal_says_was_kept() {
    let mut scene = Scene::new(2);
    assert!(is_refused(scene.carry()), "nobody has told of it");
    let [first, second] = [scene.orders[0], scene.orders[1]];
    scene.say(Event::Handed {
        intent: second.sequence,
    });
    assert!(is_refused(scene.carry()), "handed over");
    scene.keep(&first);
    assert_eq!(plan(&scene.carry().unwrap()), [(2, hash(&first))]);

    let bench = &scene.bench;
    let other = bench.cards[1].number;
    let issuer = bench.office.issuer();
    let of_other = carry_reversals(&bench.store, &bench.lan, &issuer, bench.till.name, &other, time());
    assert!(is_refused(of_other), "the other card's");
    let nowhere = "VNT0000099".parse().unwrap();
    let number = bench.cards[0].number;
    let end = carry_reversals(&bench.store, &bench.lan, &issuer, nowhere, &number, time());
    assert!(matches!(
        end,
        Err(PayoutError::Store(StoreError::NotFound { .. }))
    ));
    let clerk = [Role::Auditor].into_iter().collect();
    let token = bench.store.add_operator(&bench.lan, "hoa", clerk).unwrap();
    let auditor = bench.store.authenticate(&token).unwrap();
    let end = carry_reversals(&bench.store, &auditor, &issuer, bench.till.name, &number, time());
    assert!(matches!(
        end,
        Err(PayoutError::Store(StoreError::NotAllowed { .. }))
    ));
    let reason = ansinh_store::cards::BlockReason::Lost;
    bench.store.block(&bench.lan, &number, reason).unwrap();
    assert!(is_refused(scene.carry()), "a blocked card");
    // Nor is it sent to one, and the terminal is told that there is none any more.
    assert_eq!(scene.set().scripts, []);
}

#[test]
fn what_a_terminal_has_undone_by_itself_counts_for_the_scripts() {
    let mut scene = Scene::kept(2);
    let carried = scene.carry().unwrap();
    let newest = scene.orders[1];
    let reversal = Reversal {
        terminal: scene.bench.till.name,
        sequence: scene.bench.till.sequence + 1,
        log_head: scene.bench.till.head,
        order_hash: hash(&newest),
        cso_hash: newest.cso_hash,
        method: newest.method,
        operator: newest.operator,
        second_operator: None,
        time: newest.time,
        clock: newest.clock,
        nonce: [6; 16],
    };
    let encoding = reversal.encode(&mut [0; 256]).unwrap().to_vec();
    let intent = newest.sequence;
    scene.say(Event::ReverseIntent {
        intent,
        reversal: EncodedReversal::parse(&encoding).unwrap(),
    });
    let body = Receipt {
        counter: 3,
        object_hash: sha256(&[&encoding]),
        kind: ReceiptKind::Reversal,
        ..receipt_body(&newest, &scene.bench.cards[0], 1)
    };
    let receipt = signed(&body, &scene.bench.cards[0].signing);
    let receipt = EncodedReceipt::parse(&receipt).unwrap();
    scene.say(Event::Reversed { intent, receipt });
    // What was signed for the other one fits as it is.
    let set = scene.set();
    assert_eq!((set.scripts, set.passed.len()), (vec![carried[1].clone()], 0));
    assert_eq!(scene.carry().unwrap(), [carried[1].clone()]);
    assert_eq!(scene.tell(&carried[1].object).undone_by_scripts, 1);
    assert_eq!(scene.standing(), 0);
    assert_eq!(scene.set().scripts, []);
}

#[test]
fn a_receipt_undoes_once_whether_terminal_or_desk_brings_it_first() {
    for desk_first in [false, true] {
        let mut scene = Scene::kept(1);
        let due = scene.due();
        let script = scene.carry().unwrap()[0].object.clone();
        if desk_first {
            scene.show(&script, 2);
            let taken = scene.tell(&script);
            assert_eq!((taken.stored, taken.reversed, taken.undone_by_scripts), (1, 0, 0));
        } else {
            let taken = scene.tell(&script);
            assert_eq!((taken.stored, taken.reversed, taken.undone_by_scripts), (1, 1, 1));
            // Nothing was read back from the card: the receipts before it may be in no journal.
            let dossier = scene.bench.store.dossier(&[1; 10]).unwrap().unwrap();
            assert_eq!((dossier.receipts_to, dossier.open_scripts), (0, vec![]));
            scene.show(&script, 2);
            let dossier = scene.bench.store.dossier(&[1; 10]).unwrap().unwrap();
            assert_eq!(dossier.receipts_to, 2);
        }
        let again = scene.tell(&script);
        assert_eq!((again.stored, again.reversed, again.unknown_scripts), (1, 0, 0));
        assert_eq!((scene.standing(), scene.due()), (0, due + 1), "{desk_first}");
        let number = scene.bench.cards[0].number;
        let scripts = scene.bench.store.card_scripts(&number).unwrap();
        assert_eq!(scripts[0].outcome.as_deref(), Some("executed"));
        assert_eq!(scene.set().scripts, []);
        assert!(is_refused(scene.carry()));
        // What auditors get is the receipt as the card gave it, whoever brought it.
        let kept = scene.bench.store.card_receipts(&number).unwrap();
        assert_eq!(kept.len(), 1);
        Signed::<Receipt>::parse(&kept[0].receipt).unwrap();
        assert_eq!(kept[0].object, script);

        let line = scene.lines_of_first_card()[0];
        scene.pay(line, 3);
        assert_eq!(scene.standing(), 1, "paid again, once");
    }
}

#[test]
fn what_the_card_has_not_signed_so_is_refused_or_kept_as_evidence() {
    type Lie = fn(&mut Receipt);
    let mut scene = Scene::kept(1);
    let script = scene.carry().unwrap()[0].object.clone();
    let (own, others) = (scene.first_key(), common::key(22));
    let error = scene.executed(&script, &others, |_| {}).unwrap_err();
    assert!(matches!(error, EntryError::Receipt), "{error}");
    for kind in [
        ReceiptKind::Payment,
        ReceiptKind::Reversal,
        ReceiptKind::BlockList,
    ] {
        let error = scene
            .executed(&script, &own, |receipt| receipt.kind = kind)
            .unwrap_err();
        assert!(matches!(error, EntryError::NoScript), "{error}");
    }
    // Of no script that this ledger signed, or not of the counter that it was signed for: the journal goes on.
    let lies: [Lie; 2] = [
        |receipt| receipt.object_hash = [9; 32],
        |receipt| receipt.counter = 5,
    ];
    for lie in lies {
        let taken = scene.executed(&script, &own, lie).unwrap();
        assert_eq!((taken.stored, taken.reversed, taken.unknown_scripts), (1, 0, 1));
        let again = scene.executed(&script, &own, lie).unwrap();
        assert_eq!((again.stored, again.unknown_scripts), (1, 0), "told once");
    }
    assert!(scene.is_told("receipt-of-unknown-script"));
    let stranger = |receipt: &mut Receipt| receipt.card_number = CardNumber::new(79, 99).unwrap();
    let taken = scene.executed(&script, &own, stranger).unwrap();
    assert_eq!((taken.stored, taken.brought_unknown), (1, 1));
    // The other card's receipt for it is a receipt, and undoes nothing.
    let other = scene.bench.cards[1].number;
    let taken = scene
        .executed(&script, &others, |receipt| receipt.card_number = other)
        .unwrap();
    assert_eq!((taken.reversed, taken.unknown_scripts), (0, 1));
    assert_eq!(scene.standing(), 1);
}

/// A card with two histories: the other receipt stops no journal, and changes nothing.
#[test]
fn another_receipt_under_the_counter_is_told_and_not_booked() {
    let mut scene = Scene::kept(1);
    let script = scene.carry().unwrap()[0].object.clone();
    let number = scene.bench.cards[0].number;
    let receipt = CardReceipt {
        counter: 2,
        kind: ReceiptKind::BlockList as u8,
        object_hash: [7; 32],
        receipt: vec![2],
        object: vec![3],
    };
    let seen = [SeenReceipt {
        receipt,
        payment: None,
    }];
    scene
        .bench
        .store
        .card_seen(&scene.bench.lan, &number, 1, 2, &seen)
        .unwrap();
    let taken = scene.tell(&script);
    assert_eq!((taken.stored, taken.reversed, taken.unknown_scripts), (1, 0, 1));
    assert_eq!(scene.standing(), 1);
}

#[test]
fn a_card_that_has_counted_on_needs_another_script_and_is_told_of() {
    let mut scene = Scene::kept(1);
    let number = scene.bench.cards[0].number;
    let before = scene.carry().unwrap();
    // It was shown a block list elsewhere.
    let body = Receipt {
        counter: 2,
        kind: ReceiptKind::BlockList,
        object_hash: [0xB1; 32],
        holder_check: NO_CHECK,
        ..receipt_body(&scene.orders[0], &scene.bench.cards[0], 1)
    };
    let receipt = signed(&body, &scene.bench.cards[0].signing);
    scene.say(Event::CardBlocked(EncodedReceipt::parse(&receipt).unwrap()));
    let set = scene.set();
    assert_eq!(
        (set.scripts, set.passed),
        (vec![], vec![(number, Passed::Counted)])
    );
    let after = scene.carry().unwrap();
    assert_eq!(plan(&after), [(2, hash(&scene.orders[0]))]);
    assert_ne!(after, before);
    let set = scene.set();
    assert_eq!((set.scripts, set.passed), (after.clone(), vec![]));
    assert_eq!(scene.tell(&after[0].object).reversed, 1);
    assert_eq!(scene.set().passed, []);
}

#[test]
fn what_the_card_refuses_is_not_sent_again_and_is_told_of() {
    let mut scene = Scene::kept(2);
    let number = scene.bench.cards[0].number;
    let carried = scene.carry().unwrap();
    let refusal = |card, line, status| {
        Event::Refused(Refusal {
            reason: RefusalReason::RefusedByCard,
            card_number: Some(card),
            line_number: line,
            status_word: Some(status),
            closes_intent: None,
        })
    };
    // What it refuses before these were sent is something else, such as a script of before.
    scene.say(refusal(number, None, 0x634D));
    assert_eq!(scene.set().scripts, carried);
    scene.sent();
    // Another card's, or a payment's.
    scene.say(refusal(scene.bench.cards[1].number, None, 0x634D));
    scene.say(refusal(number, Some(1), 0x634D));
    // No decision: the terminal sends it again.
    scene.say(refusal(number, None, 0x6A88));
    assert_eq!(scene.set().scripts, carried);
    scene.say(refusal(number, None, 0x634D));
    let set = scene.set();
    assert_eq!(
        (set.scripts, set.passed),
        (vec![carried[1].clone()], vec![(number, Passed::Refused(0x634D))])
    );
    scene.say(refusal(number, None, 0x634D));
    let set = scene.set();
    let refused = vec![(number, Passed::Refused(0x634D))];
    assert_eq!((set.scripts, &set.passed), (vec![], &refused));
    assert_eq!(scene.standing(), 2);
    // The very same once more would be refused once more: what the card has done since has to be known first.
    assert!(is_refused(scene.carry()));
    assert_eq!(scene.set().passed, refused, "and is told still");
    let body = Receipt {
        counter: 3,
        kind: ReceiptKind::BlockList,
        object_hash: [0xB1; 32],
        holder_check: NO_CHECK,
        ..receipt_body(&scene.orders[0], &scene.bench.cards[0], 1)
    };
    let receipt = signed(&body, &scene.bench.cards[0].signing);
    scene.say(Event::CardBlocked(EncodedReceipt::parse(&receipt).unwrap()));
    let anew = [(3, hash(&scene.orders[1])), (4, hash(&scene.orders[0]))];
    assert_eq!(plan(&scene.carry().unwrap()), anew);
}

#[test]
fn a_terminal_that_may_hold_scripts_is_told_when_there_are_none() {
    let mut scene = Scene::kept(1);
    let name = scene.bench.till.name.to_string();
    assert!(!scene.set().is_due, "it never had any");
    let script = scene.carry().unwrap()[0].object.clone();
    assert!(scene.set().is_due);
    scene.sent();
    scene.sent();
    scene.tell(&script);
    let set = scene.set();
    assert_eq!((set.is_due, set.bytes()), (true, vec![]));
    scene.bench.store.note_no_scripts_at(&name).unwrap();
    assert!(!scene.set().is_due);
}

#[test]
fn one_terminal_carries_them_and_no_more_than_it_has_room_for() {
    let scene = Scene::kept(13);
    let carried = scene.carry().unwrap();
    assert_eq!(carried.len(), 13);
    let set = scene.set();
    assert_eq!((set.scripts.as_slice(), set.later), (&carried[..12], 1));
    let bytes: Vec<u8> = carried[..12]
        .iter()
        .flat_map(|script| script.object.clone())
        .collect();
    assert_eq!(set.bytes(), bytes);

    // Another one is to carry them.
    let other = Till::new(2);
    let bench = &scene.bench;
    other.register(&bench.store, &bench.lan, &bench.office.authority());
    let (issuer, number) = (bench.office.issuer(), bench.cards[0].number);
    let moved = carry_reversals(&bench.store, &bench.lan, &issuer, other.name, &number, time()).unwrap();
    assert_eq!(moved, carried);
    assert_eq!(scene.set().scripts, []);
    let there = script_set(&bench.store, issuer.reference(), other.name, today()).unwrap();
    assert_eq!(there.scripts, carried[..12]);
}

/// Holders who never come take no place from those asked for after them.
#[test]
fn what_was_asked_for_last_is_carried_first() {
    let mut scene = Scene::kept(12);
    let first = scene.carry().unwrap();
    scene.sent();
    let place = (0..scene.list.lines.len()).find(|line| !scene.lines_of_first_card().contains(line));
    let (intent, paid, order) = {
        let (list, card) = (&scene.list, &scene.bench.cards[1]);
        let order = scene.bench.till.order(list, place.unwrap(), card);
        let intent = scene.bench.till.intent(&order);
        let receipt = receipt(&order, card, 1, &card.signing);
        (intent, scene.bench.till.paid(&receipt), order)
    };
    scene.take(&[intent, paid].concat()).unwrap();
    scene.keep(&order);
    let (bench, issuer) = (&scene.bench, scene.bench.office.issuer());
    let number = bench.cards[1].number;
    let second = carry_reversals(
        &bench.store,
        &bench.lan,
        &issuer,
        bench.till.name,
        &number,
        time(),
    )
    .unwrap();
    let set = scene.set();
    assert_eq!((set.scripts.len(), set.later), (12, 1));
    assert!(set.scripts.contains(&second[0]));
    // Of a card that has not room for all of its scripts those come first that it executes first.
    assert!(first[..11].iter().all(|script| set.scripts.contains(script)));
    // Asked for once more, the others are the newest.
    assert_eq!(scene.carry().unwrap(), first);
    assert_eq!((scene.set().scripts, scene.set().later), (first, 1));
}

/// No counter is left for it, which is no success.
#[test]
fn a_card_that_has_counted_to_its_end_is_refused() {
    let mut scene = Scene::kept(1);
    let body = Receipt {
        counter: u32::MAX,
        kind: ReceiptKind::BlockList,
        object_hash: [0xB1; 32],
        holder_check: NO_CHECK,
        ..receipt_body(&scene.orders[0], &scene.bench.cards[0], 1)
    };
    let receipt = signed(&body, &scene.bench.cards[0].signing);
    scene.say(Event::CardBlocked(EncodedReceipt::parse(&receipt).unwrap()));
    assert!(is_refused(scene.carry()));
}

/// A terminal has no certificate of a key that is over, and would refuse them all.
#[test]
fn a_script_of_a_key_that_is_over_is_not_sent() {
    let scene = Scene::kept(1);
    scene.carry().unwrap();
    let issuer = scene.bench.office.issuer().reference();
    let later = common::date(2037, 1, 1);
    let set = script_set(&scene.bench.store, issuer, scene.bench.till.name, later).unwrap();
    let number = scene.bench.cards[0].number;
    assert_eq!(
        (set.scripts, set.passed),
        (vec![], vec![(number, Passed::KeyOver)])
    );
}
