//! Payments by hand (DATA 5.7): the ledger books what a list allows, once, and lists nothing that could be paid twice for it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use ansinh_payout::{
    EntryError, IngestionError, JournalIngestion, ListTerms, PayoutError, Sum, make_payment_list, shifts,
};
use ansinh_store::import::{ApprovedList, ImportMode, ListKind};
use ansinh_store::journal::Ingestion;
use ansinh_store::lists::{Others, PaymentList};
use card_spec::journal::{EncodedOrder, Event, ManualPayment, NO_CARD};
use card_spec::list::{ListHeader, SomeAmount};
use card_spec::payment::{HolderCheckMethod, Order};
use card_spec::signed::Signed;
use card_spec::values::{Amount, Ascii, CardNumber, Period};
use common::{Bench, Till, approved, days_from_now, encode};

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

    fn make(&self, till: &Till, by_hand_up_to: u64, others: Others) -> Result<PaymentList, PayoutError> {
        let terms = ListTerms {
            by_hand_up_to: Amount::new(by_hand_up_to).and_then(SomeAmount::new),
            others,
            ..till.terms()
        };
        let issuer = self.office.issuer();
        make_payment_list(&self.store, &self.lan, &issuer, &terms).map(|made| made.list)
    }

    /// The next list of the till, which allows so much by hand.
    fn allow(&mut self, by_hand_up_to: u64) {
        self.list = self.make(&self.till, by_hand_up_to, Others::End).unwrap();
    }

    fn order(&self, line: usize) -> Order<'static> {
        Order {
            cso_hash: NO_CARD,
            method: HolderCheckMethod::PhotoDocument,
            second_operator: Ascii::new("minh"),
            ..self.till.order(&self.list, line, &self.cards[line])
        }
    }

    fn by_hand(&mut self, order: &Order<'_>, card: CardNumber) -> Vec<u8> {
        let encoding = encode(order);
        let order = EncodedOrder::parse(&encoding).unwrap();
        self.till
            .entry(Event::ManualPaid(ManualPayment::new(card, order).unwrap()))
    }

    /// The line of the first card is paid by hand: the entry's number.
    fn pay(&mut self) -> u32 {
        let order = self.order(0);
        let entry = self.by_hand(&order, self.cards[0].number);
        let taken = self.take(&entry).unwrap();
        assert_eq!((taken.booked, taken.booked_amount), (1, order.amount.vnd()));
        order.sequence
    }

    fn say(&mut self, event: Event<'_>) -> Ingestion {
        let entry = self.till.entry(event);
        self.take(&entry).unwrap()
    }

    fn due(&self) -> usize {
        self.make(&self.till, 0, Others::End)
            .map_or(0, |list| list.lines.len())
    }
}

const MOST: u64 = 999_999_999_999;

/// Lists that were made before a payment came home.
#[test]
fn a_list_with_lines_that_no_card_would_refuse_is_not_loaded() {
    for by_hand in [false, true] {
        let mut bench = Bench::new();
        bench.allow(MOST);
        let paid_list = bench.list.clone();
        let allowing = bench.make(&bench.till, MOST, Others::End).unwrap();
        let without = bench.make(&bench.till, 0, Others::End).unwrap();
        let unguarded = |bench: &Bench| {
            [&allowing, &without].map(|list| bench.store.unguarded_paid_lines(list.number).unwrap())
        };
        assert_eq!(unguarded(&bench), [0, 0]);
        bench.list = paid_list;
        if by_hand {
            let shift = bench.till.open_shift();
            bench.take(&shift).unwrap();
            bench.pay();
        } else {
            let paid = bench.till.pay(&bench.list, 0, &bench.cards[0], 1);
            assert_eq!(bench.take(&paid.concat()).unwrap().booked, 1);
        }
        assert_eq!(unguarded(&bench), [1, u64::from(by_hand)]);
    }
}

#[test]
fn a_line_is_booked_and_listed_no_more() {
    let mut bench = Bench::new();
    bench.allow(MOST);
    assert_eq!(bench.due(), 2);
    bench.allow(MOST);
    let shift = bench.till.open_shift();
    bench.take(&shift).unwrap();
    let intent = bench.pay();
    let booked = bench.store.payments().unwrap();
    assert_eq!(booked.len(), 1);
    let (_, payment) = &booked[0];
    assert_eq!(
        (payment.card, payment.card_counter),
        (bench.cards[0].number, None)
    );
    assert_eq!(bench.say(Event::Handed { intent }).reversed, 0);
    assert_eq!(
        (bench.due(), bench.store.payments().unwrap()),
        (1, booked.clone())
    );
    let told = shifts(&bench.store, bench.till.name.as_str()).unwrap();
    let sum = Sum {
        number: 1,
        vnd: booked[0].1.amount,
    };
    assert_eq!(
        (told[0].by_hand, told[0].handed, told[0].paid),
        (sum, sum, Sum::default())
    );
}

#[test]
fn by_hand_and_by_card_is_paid_twice() {
    for by_card_first in [false, true] {
        let mut bench = Bench::new();
        bench.allow(MOST);
        let (card, list) = (&bench.cards[0], &bench.list);
        let mut paid_twice = Vec::new();
        if by_card_first {
            let paid = bench.till.pay(list, 0, card, 1).concat();
            bench.take(&paid).unwrap();
            let order = bench.order(0);
            let entry = bench.by_hand(&order, bench.cards[0].number);
            paid_twice.extend(bench.take(&entry).unwrap().paid_twice);
        } else {
            bench.pay();
            let (card, list) = (&bench.cards[0], &bench.list);
            let paid = bench.till.pay(list, 0, card, 1).concat();
            paid_twice.extend(bench.take(&paid).unwrap().paid_twice);
        }
        assert_eq!(paid_twice.len(), 1);
        assert_eq!(bench.store.payments().unwrap().len(), 1);
    }
}

#[test]
fn what_was_not_handed_over_is_unpaid_unless_it_was_handed_over_before() {
    let mut bench = Bench::new();
    bench.allow(MOST);
    let intent = bench.pay();
    assert_eq!(bench.say(Event::NotHanded { intent, order: None }).reversed, 1);
    assert_eq!(bench.store.payments().unwrap(), []);
    assert_eq!(bench.store.not_handed(bench.till.name.as_str()).unwrap(), []);
    // By hand once more, and now it stands.
    let intent = bench.pay();
    assert_eq!(bench.say(Event::Handed { intent }).reversed, 0);
    assert_eq!(bench.say(Event::NotHanded { intent, order: None }).reversed, 0);
    assert_eq!((bench.store.payments().unwrap().len(), bench.due()), (1, 1));
    // That of a card waits for its card.
    let (card, list) = (&bench.cards[1], &bench.list);
    let intent = bench.till.sequence + 1;
    let paid = bench.till.pay(list, 1, card, 1).concat();
    bench.take(&paid).unwrap();
    assert_eq!(bench.say(Event::NotHanded { intent, order: None }).reversed, 0);
    assert_eq!(bench.store.payments().unwrap().len(), 2);
}

#[test]
fn what_the_list_does_not_allow_is_refused() {
    let mut bench = Bench::new();
    bench.allow(1_000_000);
    let amount = bench.order(0).amount.vnd();
    let refused = |bench: &mut Bench, order: &Order<'_>, card: usize| {
        let before = (bench.till.sequence, bench.till.head);
        let entry = bench.by_hand(order, bench.cards[card].number);
        (bench.till.sequence, bench.till.head) = before;
        let error = bench.take(&entry).unwrap_err();
        assert!(bench.store.payments().unwrap().is_empty());
        error
    };
    let order = bench.order(0);
    let more = Amount::new(amount + 1).unwrap();
    let bent = Order {
        amount: more,
        ..order
    };
    assert!(matches!(refused(&mut bench, &bent, 0), EntryError::NotOnList));
    assert!(matches!(refused(&mut bench, &order, 1), EntryError::NotOnList));
    let elsewhere = Order {
        sequence: order.sequence + 1,
        ..order
    };
    assert!(matches!(
        refused(&mut bench, &elsewhere, 0),
        EntryError::OrderPlace
    ));
    bench.allow(amount - 1);
    let order = bench.order(0);
    // The list before had the same lines, and allowed it.
    let entry = bench.by_hand(&order, bench.cards[0].number);
    assert_eq!(bench.take(&entry).unwrap().booked, 1);

    for most in [0, amount - 1] {
        let mut bench = Bench::new();
        if most > 0 {
            bench.allow(most);
        }
        let order = bench.order(0);
        assert!(
            matches!(refused(&mut bench, &order, 0), EntryError::NotByHand),
            "{most}"
        );
    }
}

#[test]
fn while_an_order_of_the_holder_is_open() {
    let mut bench = Bench::new();
    bench.allow(MOST);
    let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    let intent = bench.till.intent(&order);
    bench.take(&intent).unwrap();
    let order = bench.order(0);
    let entry = bench.by_hand(&order, bench.cards[0].number);
    assert!(matches!(bench.take(&entry), Err(EntryError::OpenIntent)));
}

#[test]
fn lines_of_a_lost_terminal_are_not_paid_by_hand() {
    let bench = Bench::new();
    bench.make(&bench.till, MOST, Others::End).unwrap();
    let successor = Till::new(2);
    successor.register(&bench.store, &bench.lan, &bench.office.authority());
    let lines = |most| {
        bench
            .make(&successor, most, Others::End)
            .map(|list| list.lines.len())
    };
    assert!(matches!(lines(MOST), Err(PayoutError::NothingDue)));
    bench
        .store
        .declare_lost(&bench.lan, bench.till.name.as_str())
        .unwrap();
    assert!(matches!(lines(MOST), Err(PayoutError::LostSightOf)));
    assert_eq!(lines(0).unwrap(), 2);
}

/// A sum of an earlier month under another decision.
fn import_older(bench: &Bench) {
    let mut line = approved(1);
    line.entitlement.decision = "2/QĐ-TL".to_owned();
    line.due[0].line_type = 2;
    line.period = "202601".to_owned();
    let list = ApprovedList {
        file_hash: [3; 32],
        file_name: "truy-linh.csv".to_owned(),
        kind: ListKind::Plain,
        lines: vec![line],
        warnings: Vec::new(),
    };
    bench.store.import(&bench.lan, &list, ImportMode::Commit).unwrap();
}

#[test]
fn beside_a_list_that_may_have_ended_one_unseen_its_lines_wait() {
    for most in [0, MOST] {
        let mut bench = Bench::new();
        bench.allow(most);
        import_older(&bench);
        // It ends the first list, and has only what is older.
        let terms = ListTerms {
            period: Period::new(2026, 1).unwrap(),
            ..bench.till.terms()
        };
        let issuer = bench.office.issuer();
        let older = make_payment_list(&bench.store, &bench.lan, &issuer, &terms).unwrap();
        assert_eq!(older.list.lines.len(), 1);
        let stay = Others::Stay {
            today: days_from_now(0),
        };
        if most > 0 {
            let beside = bench.make(&bench.till, 0, stay);
            assert!(matches!(beside, Err(PayoutError::NothingDue)));
            // The journal shows that the first one has ended: what was paid from it is known.
            let header = Signed::<ListHeader<'_>>::parse(&older.list.header)
                .unwrap()
                .hash();
            let number = older.list.number;
            bench.say(Event::ListLoaded { header, number });
        }
        assert_eq!(bench.make(&bench.till, 0, stay).unwrap().lines.len(), 2);
    }
}
