//! One line paid, undone and paid again, told by the terminal's journal in parts and by the card at another terminal, in every order:
//! the line is in the books once from the first word on, nobody honest stands accused at the end, and nobody else gets away.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::collections::BTreeMap;

use ansinh_payout::{JournalIngestion, make_payment_list};
use ansinh_store::journal::Ingestion;
use card_spec::crypto::sha256;
use card_spec::journal::{CarriedReceipt, EncodedOrder, EncodedReceipt, Event};
use card_spec::payment::Order;
use common::{Bench, Till, encode, receipt, reversal_receipt, signed};

/// What the card keeps: order or reversal, and its receipt.
type Kept = (Vec<u8>, Vec<u8>);

/// Who tells what next.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Word {
    /// The next part of the paying terminal's journal.
    Journal,
    /// What the card keeps in this place, at the other terminal.
    Card(usize),
}

struct World {
    bench: Bench,
    other: Till,
    /// Parts of the journal that have not come home.
    journal: Vec<Vec<u8>>,
    kept: Vec<Kept>,
    told: Ingestion,
}

/// What the clerk does between the two payments.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Between {
    /// Says that the money was not handed over, and lets the card undo the payment.
    Undoes,
    /// Hands the money over, and lets the card undo the payment all the same.
    HandsOverAndUndoes,
    /// Nothing: a card that can be paid twice, by a copy of its key.
    Nothing,
}

impl World {
    fn new(between: Between) -> Self {
        Self::told(between, false)
    }

    /// `again`: NotHanded is told once more with its order, as when the terminal has let go of the entry that had it.
    fn told(between: Between, again: bool) -> Self {
        let mut bench = Bench::new();
        let other = Till::new(2);
        other.register(&bench.store, &bench.lan, &bench.office.authority());
        let first = bench.till.order(&bench.list, 0, &bench.cards[0]);
        let mut journal = vec![pay(&mut bench, &first, 1)];
        let mut kept = vec![kept(&bench, &first, 1)];
        let intent = first.sequence;
        let said = match between {
            Between::Nothing => None,
            Between::Undoes => Some(Event::NotHanded { intent, order: None }),
            Between::HandsOverAndUndoes => Some(Event::Handed { intent }),
        };
        if let Some(said) = said {
            journal.push(bench.till.entry(said));
            let encoding = encode(&first);
            let order = EncodedOrder::parse(&encoding).ok();
            let repeated = again.then(|| bench.till.entry(Event::NotHanded { intent, order }));
            let (undone, receipt) = undo(&mut bench, &first);
            journal.push([repeated.unwrap_or_default(), undone].concat());
            kept.push(receipt);
        }
        let second = bench.till.order(&bench.list, 0, &bench.cards[0]);
        let mut last = pay(&mut bench, &second, 3);
        let intent = second.sequence;
        last.extend(bench.till.entry(Event::Handed { intent }));
        journal.push(last);
        kept.push(self::kept(&bench, &second, 3));
        journal.reverse();
        Self {
            bench,
            other,
            journal,
            kept,
            told: Ingestion::default(),
        }
    }

    fn say(&mut self, word: Word) {
        match word {
            Word::Journal => {
                let part = self.journal.pop().unwrap();
                let name = self.bench.till.name;
                self.told.add(take(&self.bench, name.as_str(), &part));
            }
            Word::Card(place) => {
                let (object, receipt) = &self.kept[place];
                let receipt = EncodedReceipt::parse(receipt).unwrap();
                let carried = CarriedReceipt::new(object, receipt).unwrap();
                let entry = self.other.entry(Event::CarriedReceipt(carried));
                self.told.add(take(&self.bench, self.other.name.as_str(), &entry));
            }
        }
    }

    /// Hashes of the orders that are in the books as paid.
    fn booked(&self) -> Vec<[u8; 32]> {
        let payments = self.bench.store.payments().unwrap();
        payments.iter().map(|(_, payment)| payment.order).collect()
    }

    /// By what the commands told, and by the operations log.
    fn assert_nobody_is_accused(&self) {
        let told = &self.told;
        assert_eq!((&told.paid_twice, &told.brought_second), (&vec![], &vec![]));
        assert_eq!((told.unfounded_reversals.len(), told.brought_unlisted), (0, 0));
        assert_eq!(self.accused(), [""; 0]);
    }

    /// The names of which the operations log's last word is that they are second payments.
    fn accused(&self) -> Vec<String> {
        let log = self.bench.store.operations().unwrap();
        let words = log.into_iter().filter_map(|act| match act.action.as_str() {
            "second-payment-not-booked" => Some((act.subject, true)),
            "second-payment-cleared" => Some((act.subject, false)),
            _ => None,
        });
        let last: BTreeMap<String, bool> = words.collect();
        let accused = last.into_iter().filter(|(_, is_accused)| *is_accused);
        accused.map(|(name, _)| name).collect()
    }

    fn order(&self, place: usize) -> [u8; 32] {
        sha256(&[&self.kept[place].0])
    }
}

fn take(bench: &Bench, terminal: &str, entries: &[u8]) -> Ingestion {
    let terminal = bench.store.terminal(terminal).unwrap();
    let mut ingestion = JournalIngestion::resume(&bench.store, &terminal).unwrap();
    ingestion.take(entries).unwrap()
}

fn pay(bench: &mut Bench, order: &Order<'_>, counter: u32) -> Vec<u8> {
    let card = &bench.cards[0];
    let receipt = receipt(order, card, counter, &card.signing);
    [bench.till.intent(order), bench.till.paid(&receipt)].concat()
}

fn kept(bench: &Bench, order: &Order<'_>, counter: u32) -> Kept {
    let card = &bench.cards[0];
    (encode(order), receipt(order, card, counter, &card.signing))
}

/// ReverseIntent and Reversed, and what the card keeps.
fn undo(bench: &mut Bench, order: &Order<'_>) -> (Vec<u8>, Kept) {
    let reversal = bench.till.reversal(order);
    let (announced, object) = bench.till.announce(order, &reversal);
    let card = &bench.cards[0];
    let receipt = signed(&reversal_receipt(order, card, &object), &card.signing);
    let intent = order.sequence;
    let undone = bench.till.entry(Event::Reversed {
        intent,
        receipt: EncodedReceipt::parse(&receipt).unwrap(),
    });
    ([announced, undone].concat(), (object, receipt))
}

/// The orders in which so many parts of a journal and the words of the card can come home.
fn arrivals(parts: usize, words: usize) -> Vec<Vec<Word>> {
    let mut all = vec![Vec::new()];
    for _ in 0..parts + words {
        let next = |said: &Vec<Word>| -> Vec<Vec<Word>> {
            let journal = said.iter().filter(|word| **word == Word::Journal).count();
            let journal = (journal < parts).then_some(Word::Journal);
            let cards = (0..words).map(Word::Card).filter(|word| !said.contains(word));
            let following = journal.into_iter().chain(cards);
            following
                .map(|word| [said.as_slice(), &[word]].concat())
                .collect()
        };
        all = all.iter().flat_map(next).collect();
    }
    // Of 210 a seventh, but for ALL_ARRIVALS=1: they take a minute.
    let is_sampled = all.len() > 100 && std::env::var_os("ALL_ARRIVALS").is_none();
    all.into_iter().step_by(if is_sampled { 7 } else { 1 }).collect()
}

#[test]
fn an_honest_clerk_is_not_accused_in_whatever_order_it_is_told() {
    let arrivals = arrivals(4, 3);
    for (arrival, again) in arrivals
        .iter()
        .flat_map(|arrival| [(arrival, false), (arrival, true)])
    {
        let mut world = World::told(Between::Undoes, again);
        let mut is_paid = false;
        for (place, word) in arrival.iter().enumerate() {
            world.say(*word);
            is_paid |= world.journal.is_empty() || *word == Word::Card(2);
            // Were it due again, its holder would get it twice.
            let booked = world.booked().len();
            assert!(booked <= 1 && (booked == 1 || !is_paid), "{arrival:?}, {place}");
        }
        assert_eq!(world.booked(), [world.order(2)], "{arrival:?}");
        world.assert_nobody_is_accused();
        let name = world.bench.till.name;
        assert_eq!(world.bench.store.not_handed(name.as_str()).unwrap(), [0; 0]);
    }
}

/// The paying terminal burns: what the card tells, newest first or oldest first, is all that is left.
#[test]
fn the_card_alone_tells_that_the_second_payment_stands() {
    for arrival in arrivals(0, 3) {
        let mut world = World::new(Between::Undoes);
        for word in &arrival {
            world.say(*word);
        }
        assert_eq!(world.booked(), [world.order(2)], "{arrival:?}");
        world.assert_nobody_is_accused();
    }
}

#[test]
fn money_that_left_twice_is_found_in_whatever_order_it_is_told() {
    for (between, parts, words) in [(Between::Nothing, 2, 2), (Between::HandsOverAndUndoes, 4, 3)] {
        for arrival in arrivals(parts, words) {
            let mut world = World::new(between);
            for word in &arrival {
                world.say(*word);
                assert!(world.booked().len() <= 1, "{between:?} {arrival:?}");
            }
            assert_eq!(world.booked().len(), 1, "{between:?} {arrival:?}");
            let told = &world.told;
            let is_told = !told.paid_twice.is_empty() || !told.unfounded_reversals.is_empty();
            assert!(is_told, "{between:?} {arrival:?}");
        }
    }
}

#[test]
fn a_second_payment_is_told_once_however_often_its_card_is_read() {
    let mut world = World::new(Between::Nothing);
    for word in [
        Word::Journal,
        Word::Card(1),
        Word::Card(1),
        Word::Card(0),
        Word::Card(1),
    ] {
        world.say(word);
    }
    assert_eq!(world.told.paid_twice.len() + world.told.brought_second.len(), 1);
    let log = world.bench.store.operations().unwrap();
    let told = log.iter().filter(|act| act.action == "second-payment-not-booked");
    assert_eq!(told.count(), 1);
}

/// Whoever has a card's key signs two orders under one counter, and undoes one of them.
#[test]
fn what_clears_one_payment_clears_no_other_under_the_same_counter() {
    let mut world = World::new(Between::Nothing);
    world.say(Word::Journal);
    let bench = &mut world.bench;
    let orders = [3, 4].map(|nonce| Order {
        nonce: [nonce; 16],
        ..bench.till.order(&bench.list, 0, &bench.cards[0])
    });
    let (_, undone) = undo(bench, &orders[0]);
    let told = orders.map(|order| kept(bench, &order, 5));
    world.kept = told.into_iter().chain([undone]).collect();
    for place in 0..3 {
        world.say(Word::Card(place));
    }
    assert_eq!(world.told.brought_second, [world.order(1)]);
    assert_eq!(world.accused().len(), 1);
}

/// The clerk's word is in the ledger, then the terminal burns with the receipt for it: the card's own copy is enough.
#[test]
fn what_a_journal_says_was_not_handed_over_and_its_card_undone_is_unpaid() {
    for words in [[0, 1], [1, 0]] {
        for handed in [false, true] {
            let mut bench = Bench::new();
            let mut other = Till::new(2);
            other.register(&bench.store, &bench.lan, &bench.office.authority());
            let order = bench.till.order(&bench.list, 0, &bench.cards[0]);
            let mut journal = pay(&mut bench, &order, 1);
            let intent = order.sequence;
            journal.extend(bench.till.entry(match handed {
                true => Event::Handed { intent },
                false => Event::NotHanded { intent, order: None },
            }));
            let (_, (object, receipt)) = undo(&mut bench, &order);
            let carried = CarriedReceipt::new(&object, EncodedReceipt::parse(&receipt).unwrap()).unwrap();
            let told = other.entry(Event::CarriedReceipt(carried));
            for word in words {
                let (till, entries) = [(bench.till.name, &journal), (other.name, &told)][word];
                take(&bench, till.as_str(), entries);
            }
            let standing = bench.store.payments().unwrap().len();
            assert_eq!(standing, usize::from(handed), "{words:?}");
        }
    }
}

/// A card that signs two receipts under one counter: no order of words makes its line due once more.
#[test]
fn a_line_of_which_any_payment_stands_is_due_to_nobody() {
    let mut world = World::new(Between::Undoes);
    world.journal.remove(0);
    let bench = &world.bench;
    let mut order = bench.till.order(&bench.list, 0, &bench.cards[0]);
    order.nonce = [9; 16];
    world.kept.push(kept(bench, &order, 1));
    for word in [Word::Journal, Word::Card(3), Word::Journal, Word::Journal] {
        world.say(word);
    }
    assert_eq!(world.booked(), [[0; 32]; 0]);
    assert_eq!(world.told.brought_second, [world.order(3)]);
    let bench = &world.bench;
    let made = make_payment_list(
        &bench.store,
        &bench.lan,
        &bench.office.issuer(),
        &bench.till.terms(),
    );
    assert_eq!(made.unwrap().list.lines.len(), 1, "the other person's");
}
