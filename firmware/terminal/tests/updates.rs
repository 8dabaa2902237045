//! A card that was updated (SPEC 13.6), or replaced, while its order was open: what the card has paid is not lost, and no
//! other card speaks for it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod bench;

use std::cell::RefCell;

use bench::card::Card;
use bench::card::issuer::{IssuerHost, Office, Plan, cso, objects, plan, signed};
use bench::card::terminal::Terminal;
use bench::host::{Host, ListPlan, card, line};
use bench::scripted_card::ScriptedCard;
use bench::{Bench, Chip, Story, chip, execute, story};
use card_spec::command::GeneratedKeys;
use card_spec::crypto::Signature;
use card_spec::cso::CardSecurityObject;
use card_spec::list::ListLine;
use card_spec::payment::Receipt;
use card_spec::script::Action;
use card_spec::signed::Signed;
use card_spec::values::CardNumber;

fn ready<'f>(flash: &'f RefCell<Chip>, host: &mut Host) -> Bench<'f> {
    let mut bench = Bench::power_on(flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    bench.read_screen();
    bench
}

fn told(bench: &mut Bench<'_>, host: &Host) -> Story {
    story(&bench.journal(), &host.journal_key.unwrap())
}

/// Puts a CSO of the next version in force on the usual card, which has given so many receipts.
fn update(card: &mut Card, counter: u32) {
    let office = Office::new();
    let present = Terminal::new(&office).open(card).unwrap().cso;
    let keys = GeneratedKeys {
        agreement_key: present.agreement_key,
        signing_key: present.signing_key,
        signature: Signature([0; 64]),
        confirmation: [0; 16],
    };
    let mut objects = objects(&office, &plan(), &keys);
    let body = CardSecurityObject {
        version: present.version + 1,
        ..cso(&plan(), objects.digests(), &keys)
    };
    objects.cso = signed(&body, &office.issuer);
    let mut issuer = IssuerHost::open(card).unwrap();
    issuer.store(card, &objects.concatenated(), 223).unwrap();
    let hash = Signed::<CardSecurityObject>::parse(&objects.cso).unwrap().hash();
    execute(card, counter, Action::PutInForce(hash));
}

/// The usual person's next card.
fn replacement() -> Plan {
    let number = CardNumber::new(79, 2).unwrap();
    Plan { number, ..plan() }
}

fn pay(bench: &mut Bench<'_>, card: &mut Card) {
    bench.tap(card);
    bench.type_keys("271828\n");
    bench.tap(card);
}

/// The next list, in which the usual card's line has another number.
fn next_list(number: u32, lines: &[ListLine]) -> ListPlan {
    let other = ListLine {
        card_number: CardNumber::new(79, 9).unwrap(),
        ..line(1, 9, 1_000)
    };
    ListPlan::new(number, [&[other], lines].concat())
}

#[test]
fn what_a_card_paid_before_its_update_is_settled_after_it() {
    for updates in 1..=2 {
        let flash = chip();
        let mut host = Host::new(vec![line(1, 1, 500_000), line(2, 2, 300_000)]);
        let mut bench = ready(&flash, &mut host);
        let mut card = card(&plan());
        bench.tear(&mut card, true);
        (0..updates).for_each(|update_number| update(&mut card, 1 + update_number));
        bench.tap(&mut card);
        let screen = bench.read_screen();
        assert!(
            screen.contains("ĐÃ TRẢ") && screen.contains("Đưa 500.000 đồng"),
            "{screen}"
        );
        let story = told(&mut bench, &host);
        assert_eq!((story.open, story.paid), (None, vec![1]));
        bench.type_keys("\n");
        pay(&mut bench, &mut card);
        assert_eq!(told(&mut bench, &host).paid, [1, 2]);
    }
}

#[test]
fn it_is_settled_whatever_list_came_and_after_a_power_cut() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    bench.tear(&mut card, true);
    update(&mut card, 1);
    host.load_list(&mut bench, &next_list(2, &[])).unwrap();
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("ĐÃ TRẢ"));
    let story = told(&mut bench, &host);
    assert_eq!((story.open, story.paid), (None, vec![1]));
}

#[test]
fn an_order_that_the_card_never_had_ends_once_a_list_names_card_and_line() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    bench.tear(&mut card, false);
    update(&mut card, 0);
    // Nothing says which card the order was for but the hash of a CSO that is no more.
    host.load_list(&mut bench, &next_list(2, &[])).unwrap();
    bench.tap(&mut card);
    let story = told(&mut bench, &host);
    assert!(story.open.is_some());
    assert_eq!(story.status_words, [0x6349]);
    // The line comes again, as every unpaid one does.
    host.load_list(&mut bench, &next_list(3, &[line(2, 1, 500_000)]))
        .unwrap();
    bench.tap(&mut card);
    let story = told(&mut bench, &host);
    assert_eq!((story.open, story.paid), (None, vec![]));
    assert_eq!(
        (story.refused, story.status_words),
        (vec![14, 12, 12], vec![0x6349; 2])
    );
    pay(&mut bench, &mut card);
    assert_eq!(told(&mut bench, &host).paid, [2]);
}

#[test]
fn a_replacement_does_not_speak_for_the_card_before_it() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut first = card(&plan());
    bench.tear(&mut first, true);
    let mut second = card(&replacement());
    bench.tap(&mut second);
    assert!(bench.read_screen().contains("CHƯA RÕ KẾT QUẢ"));
    let story = told(&mut bench, &host);
    assert!(story.open.is_some() && story.paid.is_empty());
    assert_eq!(story.status_words, [0x6349]);
    bench.tap(&mut first);
    assert_eq!(told(&mut bench, &host).paid, [1]);
}

/// An issuer that names two cards for one line has not said which of them it is.
#[test]
fn a_replacement_that_a_second_list_names_does_not_speak_while_the_first_names_the_card_before() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut first = card(&plan());
    bench.tear(&mut first, true);
    let successors = ListLine {
        card_number: replacement().number,
        ..line(1, 1, 500_000)
    };
    let beside = ListPlan::beside(2, &[0, 0, 0, 1], vec![successors]);
    host.load_list(&mut bench, &beside).unwrap();
    bench.tap(&mut card(&replacement()));
    assert!(told(&mut bench, &host).open.is_some());
    // Without the first it is said.
    host.load_list(&mut bench, &ListPlan::new(3, vec![successors]))
        .unwrap();
    bench.tap(&mut card(&replacement()));
    assert_eq!(told(&mut bench, &host).open, None);
}

#[test]
fn a_replacement_that_claims_to_have_paid_or_to_decide_is_not_believed() {
    type Claim = fn(&ScriptedCard, &[u8]) -> (u16, Vec<u8>);
    let claims: [Claim; 4] = [
        // It was never of the version that it now has when the order was made.
        |card, order| (0x9000, card.sign(&card.receipt(order))),
        |card, order| (0x6340, card.sign(&card.receipt(order))),
        |card, _| (0x6340, card.sign(&card.receipt(b"another order"))),
        |_, _| (0x634C, Vec::new()),
    ];
    for (index, claim) in claims.into_iter().enumerate() {
        let flash = chip();
        let mut host = Host::new(vec![line(1, 1, 500_000)]);
        let mut bench = ready(&flash, &mut host);
        let mut first = card(&plan());
        bench.tear(&mut first, true);
        let mut second = ScriptedCard::new(&replacement(), 2);
        bench.tap_any(&mut |_, command| Some(second.transmit(command, &mut { claim })));
        let story = told(&mut bench, &host);
        assert!(story.open.is_some() && story.paid.is_empty(), "claim {index}");
        bench.tap(&mut first);
        assert_eq!(told(&mut bench, &host).paid, [1]);
    }
}

#[test]
fn somebody_elses_card_is_not_sent_the_order() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut first = card(&plan());
    bench.tear(&mut first, true);
    let person = [0xEE; 16];
    let mut other = ScriptedCard::new(
        &Plan {
            person,
            ..replacement()
        },
        2,
    );
    let mut claim = |card: &ScriptedCard, order: &[u8]| {
        let receipt = Receipt {
            cso_version: 1,
            ..card.receipt(order)
        };
        (0x9000, card.sign(&receipt))
    };
    bench.tap_any(&mut |_, command| {
        assert_ne!(command[..2], [0x84, 0x54]);
        Some(other.transmit(command, &mut claim))
    });
    assert!(bench.read_screen().contains("Thẻ khác"));
    assert!(told(&mut bench, &host).open.is_some());
}

#[test]
fn a_line_that_was_paid_elsewhere_before_the_update() {
    let mut card = {
        let flash = chip();
        let mut host = Host::new(vec![line(1, 1, 500_000)]);
        let mut bench = ready(&flash, &mut host);
        let mut card = card(&plan());
        pay(&mut bench, &mut card);
        assert_eq!(told(&mut bench, &host).paid, [1]);
        card
    };
    update(&mut card, 1);
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = Bench::with(&flash, true, 9).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oMai\n");
    pay(&mut bench, &mut card);
    let story = told(&mut bench, &host);
    assert_eq!((story.open, story.paid), (None, vec![]));
    assert_eq!((story.refused, story.status_words), (vec![6], vec![0x6340]));
}
