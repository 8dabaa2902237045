//! The journal of a terminal that nobody has synchronised for long: every payment of it is booked, once.
//!
//! `PAYMENTS=10000 cargo test -p ansinh-payout --test long_journal -- --nocapture` takes in as many payments as a flash of 16 MiB holds
//! unsynchronised (README), in the messages that the link carries.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use ansinh_payout::{JournalIngestion, ListTerms, PayoutError, make_payment_list};
use ansinh_store::Store;
use ansinh_store::import::{ApprovedList, ImportMode, ListKind};
use ansinh_store::journal::Ingestion;
use ansinh_store::lists::{Others, PaymentList};
use ansinh_store::operators::Actor;
use card_spec::crypto::{SecretKey, sha256};
use card_spec::journal::Event;
use card_spec::list::{ListHeader, ListLine};
use card_spec::signed::Signed;
use card_spec::tlv::{Field as _, Reader};
use card_spec::values::CardNumber;
use common::{
    Card, Office, Till, active_card_with, approve_everybody, approved, delivery, first_operator, location,
    today,
};

const AMOUNT: u64 = 500_000;

/// How many payments: 300, or what the environment says.
fn payments() -> u32 {
    std::env::var("PAYMENTS").map_or(300, |number| number.parse().expect("PAYMENTS is a number"))
}

/// One person with one line and one card for each payment.
fn people(store: &Store, lan: &Actor, office: &Office, payments: u32) -> Vec<Card> {
    let list = ApprovedList {
        file_hash: [1; 32],
        file_name: "11-2026.csv".to_owned(),
        kind: ListKind::Plain,
        lines: (1..=payments).map(approved).collect(),
        warnings: Vec::new(),
    };
    store.import(lan, &list, ImportMode::Commit).unwrap();
    let chips: Vec<_> = (1..=payments).map(chip).collect();
    store.add_delivery(lan, &delivery("2026-11-A"), &chips).unwrap();
    approve_everybody(store, lan);
    let issuer = office.issuer();
    let mut cards: Vec<_> = (1..=payments)
        .map(|number| {
            let keys = ["agreement", "signing"].map(|purpose| secret(purpose, number));
            active_card_with(store, lan, &issuer, &chip(number), keys)
        })
        .collect();
    cards.sort_by_key(|card| card.number);
    cards
}

fn chip(number: u32) -> [u8; 10] {
    let mut serial = [1; 10];
    serial[..4].copy_from_slice(&number.to_be_bytes());
    serial
}

fn secret(purpose: &str, number: u32) -> SecretKey {
    SecretKey::from_bytes(&sha256(&[purpose.as_bytes(), &number.to_be_bytes()])).unwrap()
}

/// The till's next list, beside those before; `None` if nothing is due any more.
fn next_list(store: &Store, lan: &Actor, office: &Office, till: &Till) -> Option<PaymentList> {
    let terms = ListTerms {
        others: Others::Stay { today: today() },
        ..till.terms()
    };
    match make_payment_list(store, lan, &office.issuer(), &terms) {
        Ok(made) => Some(made.list),
        Err(PayoutError::NothingDue) => None,
        Err(error) => panic!("{error}"),
    }
}

/// ListLoaded, then Intent, Paid and Handed for each line.
fn pay_all(till: &mut Till, list: &PaymentList, cards: &[Card], journal: &mut Vec<Vec<u8>>) {
    let header = Signed::<ListHeader<'_>>::parse(&list.header).unwrap().hash();
    let number = list.number;
    journal.push(till.entry(Event::ListLoaded { header, number }));
    for (place, line) in list.lines.iter().enumerate() {
        let card = card_of(line, cards);
        let intent = till.sequence + 1;
        journal.extend(till.pay(list, place, card, 1));
        journal.push(till.entry(Event::Handed { intent }));
    }
}

fn card_of<'c>(line: &[u8], cards: &'c [Card]) -> &'c Card {
    let line = ListLine::read(&mut Reader::new(line), ListLine::TAG).unwrap();
    let place = cards.binary_search_by_key(&line.card_number, |card| card.number);
    &cards[place.unwrap()]
}

/// As many whole entries at a time as a message of the link holds.
fn messages(journal: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut messages = vec![Vec::new()];
    for entry in journal {
        if messages.last().unwrap().len() + entry.len() > link::MAX_BYTES {
            messages.push(Vec::new());
        }
        messages.last_mut().unwrap().extend(entry);
    }
    messages
}

/// The most memory that this process has had so far, in KiB.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = line.and_then(|line| line.split_whitespace().next());
    peak.unwrap().parse().unwrap()
}

#[test]
fn a_long_journal_is_taken_in_wholly_and_each_payment_of_it_is_booked_once() {
    let payments = payments();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(location(folder.path())).unwrap();
    let (office, lan) = (Office::new(), first_operator(&store));
    let cards = people(&store, &lan, &office, payments);
    let mut till = Till::new(1);
    till.register(&store, &lan, &office.authority());
    let mut journal = vec![till.boot(), till.open_shift()];
    while let Some(list) = next_list(&store, &lan, &office, &till) {
        pay_all(&mut till, &list, &cards, &mut journal);
    }

    let terminal = store.terminal(till.name.as_str()).unwrap();
    let mut ingestion = JournalIngestion::resume(&store, &terminal).unwrap();
    let messages = messages(&journal);
    let (before, begun) = (peak_memory(), Instant::now());
    let mut taken = Ingestion::default();
    for message in &messages {
        taken.add(ingestion.take(message).unwrap());
    }
    let took = begun.elapsed();
    println!(
        "{} entries of {payments} payments, {} bytes in {} messages: {:.1} s, {:.0} microseconds an entry; {} KiB more memory than before",
        journal.len(),
        journal.iter().map(Vec::len).sum::<usize>(),
        messages.len(),
        took.as_secs_f64(),
        took.as_secs_f64() * 1e6 / f64::from(till.sequence),
        peak_memory() - before
    );

    let (count, total) = (u64::from(payments), u64::from(payments) * AMOUNT);
    let expected = Ingestion {
        stored: u64::from(till.sequence),
        booked: count,
        booked_amount: total,
        ..Ingestion::default()
    };
    assert_eq!(taken, expected);
    let booked = store.payments().unwrap();
    assert_eq!(booked.len(), cards.len());
    assert_eq!(
        booked.iter().map(|(_, payment)| payment.amount).sum::<u64>(),
        total
    );
    let paid: BTreeSet<CardNumber> = booked.iter().map(|(_, payment)| payment.card).collect();
    assert!(paid.into_iter().eq(cards.iter().map(|card| card.number)));
    let lines: BTreeSet<_> = booked.iter().map(|(_, payment)| payment.key.person).collect();
    assert_eq!(lines.len(), cards.len());
    // Not one line would come again in a list that ends all others.
    let again = make_payment_list(&store, &lan, &office.issuer(), &till.terms());
    assert!(matches!(again, Err(PayoutError::NothingDue)), "{again:?}");

    // Its end once more does not follow upon itself.
    let head = store.journal_head(till.name.as_str()).unwrap().unwrap();
    assert_eq!((head.sequence, head.hash), (till.sequence, till.head));
    let mut ingestion = JournalIngestion::resume(&store, &terminal).unwrap();
    assert_eq!(ingestion.next_sequence(), till.sequence + 1);
    assert!(ingestion.take(messages.last().unwrap()).is_err());
    assert_eq!(store.payments().unwrap(), booked);
}
