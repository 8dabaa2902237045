//! An issuer has a newer key, and cards of the older ones are in the field (DATA 8.2): all of them are paid, nothing is
//! believed that the root did not sign, and no power cut leaves the terminal without the certificates that it had.
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

use bench::card::issuer::{
    CertificatePlan, ISSUER, Office, Plan, card_with_keys, cso, objects, plan, reference, secret, signed,
};
use bench::card::{Card, date};
use bench::host::{Host, ListPlan, card, line, noon};
use bench::nor::TEARS;
use bench::{Bench, Chip, Story, chip, copy, story};
use card_spec::certificate::Role;
use card_spec::crypto::SecretKey;
use card_spec::cso::CardSecurityObject;
use card_spec::list::{ListHeader, ListLine};
use card_spec::values::{CardNumber, Date, Time};
use link::{MAX_BYTES, Refusal, Request};

const NEXT: &str = "VNISS7900002";

fn next_key() -> SecretKey {
    secret(20)
}

/// The plan of a certificate for a later key of the usual issuer.
fn certificate_plan(holder: &'static str) -> CertificatePlan {
    CertificatePlan {
        holder,
        ..Office::new().issuer_plan()
    }
}

/// Signed by the root, for the key `seed`.
fn certificate(holder: &'static str, seed: u64) -> Vec<u8> {
    certificate_plan(holder).sign(&Office::new().root, secret(seed).public_key())
}

fn next_certificate() -> Vec<u8> {
    certificate(NEXT, 20)
}

/// The second card, of another person and of the newer key.
fn next_plan() -> Plan {
    Plan {
        number: CardNumber::new(79, 2).unwrap(),
        person: [0xCE; 16],
        ..plan()
    }
}

/// A card whose CSO the newer key has signed.
fn next_card() -> Card {
    let plan = next_plan();
    let (mut card, mut host, _) = card_with_keys();
    let keys = host.key_pairs(&mut card, 1, plan.number).unwrap();
    let mut objects = objects(&Office::new(), &plan, &keys);
    objects.issuer = next_certificate();
    let body = CardSecurityObject {
        issuer: reference(NEXT),
        ..cso(&plan, objects.digests(), &keys)
    };
    objects.cso = signed(&body, &next_key());
    host.store(&mut card, &objects.concatenated(), 223).unwrap();
    host.set_pin(&mut card, &plan.pin).unwrap();
    host.activate(&mut card).unwrap();
    card
}

fn next_line(number: u32) -> ListLine {
    let mut key = line(number, 1, 300_000).line_key.parts();
    key.person = next_plan().person;
    ListLine {
        card_number: next_plan().number,
        line_key: card_spec::payment::LineKey::new(&key),
        ..line(number, 1, 300_000)
    }
}

fn usual() -> Host {
    Host::new(vec![line(1, 1, 500_000), line(2, 2, 7)])
}

/// A terminal with the first key's certificate and list, and an open shift.
fn ready<'f>(flash: &'f RefCell<Chip>, host: &mut Host) -> Bench<'f> {
    let mut bench = Bench::power_on(flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    bench.read_screen();
    bench
}

fn install(bench: &mut Bench<'_>, objects: &[u8]) -> Result<(), Refusal> {
    bench.done(&Request::Install { objects })
}

/// The host signs with the newer key from now on.
fn change_key(host: &mut Host) {
    host.office.issuer = next_key();
    host.issuer_name = NEXT;
}

fn pay(bench: &mut Bench<'_>, card: &mut Card) {
    bench.tap(card);
    bench.type_keys("271828\n");
    bench.tap(card);
    bench.type_keys("\n");
}

fn told(bench: &mut Bench<'_>, host: &Host) -> Story {
    story(&bench.journal(), &host.journal_key.unwrap())
}

/// Both lists by the newer key, with a line for each card.
fn load_next_lists(bench: &mut Bench<'_>, host: &Host) {
    host.set_time(bench, noon()).unwrap();
    host.load_blocks(bench, 2, noon()).unwrap();
    let list = ListPlan::new(2, vec![line(1, 2, 7), next_line(2)]);
    host.load_list(bench, &list).unwrap();
}

#[test]
fn cards_of_both_keys_are_paid_after_the_rekeying() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let (mut first, mut second) = (card(&plan()), next_card());
    change_key(&mut host);
    // The newer key's certificate alone: the older one stays, and so does the list that its key has signed.
    install(&mut bench, &next_certificate()).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    pay(&mut bench, &mut first);
    assert_eq!(told(&mut bench, &host).paid, [1]);
    load_next_lists(&mut bench, &host);
    pay(&mut bench, &mut second);
    assert_eq!(told(&mut bench, &host).paid, [1, 2]);
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    bench.type_keys("oLan\n");
    pay(&mut bench, &mut first);
    let story = told(&mut bench, &host);
    assert_eq!(
        (story.paid, story.refused, story.handed.len()),
        (vec![1, 2, 1], vec![], 3)
    );
    let last = bench.journal().pop().unwrap();
    host.acknowledge(&mut bench, &last).unwrap();
}

#[test]
fn a_terminal_that_begins_after_it_takes_all_keys_at_once() {
    let flash = chip();
    let mut host = usual();
    let mut bench = Bench::power_on(&flash).unwrap();
    let agreement = host.make_keys(&mut bench).unwrap();
    let objects = host.objects(agreement);
    let later = ["VNISS7900003", "VNISS7900004"].map(|holder| certificate(holder, 21));
    let anchor = host.anchor().len();
    // Newest first or last: their names say which is which.
    let all = [
        &objects[..anchor],
        &next_certificate(),
        &later.concat(),
        &objects[anchor..],
    ]
    .concat();
    assert!(all.len() <= MAX_BYTES, "{} bytes", all.len());
    install(&mut bench, &all).unwrap();
    host.office.issuer = secret(21);
    host.issuer_name = "VNISS7900004";
    load_next_lists(&mut bench, &host);
    bench.type_keys("oLan\n");
    pay(&mut bench, &mut card(&plan()));
    pay(&mut bench, &mut next_card());
    assert_eq!(told(&mut bench, &host).paid, [1, 2]);
}

#[test]
fn an_order_of_before_is_settled_after_it() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut first = card(&plan());
    bench.tear(&mut first, true);
    change_key(&mut host);
    install(&mut bench, &next_certificate()).unwrap();
    drop(bench);
    // Settling needs no clock.
    let mut bench = Bench::power_on(&flash).unwrap();
    bench.tap(&mut first);
    let story = told(&mut bench, &host);
    assert_eq!((story.open, story.paid), (None, vec![1]));
}

#[test]
fn certificates_that_do_not_belong_here() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ready(&flash, &mut host);
    let office = Office::new();
    let next = certificate_plan(NEXT);
    let key = next_key().public_key();
    let planned = |plan: CertificatePlan| plan.sign(&office.root, key);
    let dated = |holder, effective: Date, expiry: Date| {
        planned(CertificatePlan {
            dates: (effective, expiry),
            ..certificate_plan(holder)
        })
    };
    let four = ["VNISS7900002", "VNISS7900003", "VNISS7900004", "VNISS7900005"];
    let cases: [(&str, Vec<u8>, Refusal); 13] = [
        ("nothing", vec![], Refusal::Malformed),
        (
            "another root's key",
            next.sign(&secret(90), key),
            Refusal::NotGenuine,
        ),
        (
            "another root's name",
            planned(CertificatePlan {
                authority: "VNROOT00002",
                ..next.clone()
            }),
            Refusal::NotGenuine,
        ),
        (
            "signed by the issuer before",
            CertificatePlan {
                authority: ISSUER,
                ..next.clone()
            }
            .sign(&office.issuer, key),
            Refusal::NotGenuine,
        ),
        (
            "no issuer",
            planned(CertificatePlan {
                role: Role::TerminalAuthority,
                holder: "VNTCA00002",
                ..next.clone()
            }),
            Refusal::Malformed,
        ),
        (
            "a terminal CA's name for an issuer",
            planned(CertificatePlan {
                role: Role::Issuer,
                holder: "VNTCA00002",
                ..next.clone()
            }),
            Refusal::NotGenuine,
        ),
        (
            "expired",
            dated(NEXT, date(2026, 1, 1), date(2026, 11, 21)),
            Refusal::Expired,
        ),
        (
            "expired beside a good one",
            [
                next_certificate(),
                dated("VNISS7900003", date(2026, 1, 1), date(2026, 11, 21)),
            ]
            .concat(),
            Refusal::Expired,
        ),
        (
            "longer than its root",
            dated(NEXT, date(2026, 1, 1), date(2057, 1, 1)),
            Refusal::NotGenuine,
        ),
        (
            "another province's",
            certificate("VNISS0100002", 20),
            Refusal::NotForThisTerminal,
        ),
        (
            "two provinces'",
            [next_certificate(), certificate("VNISS0100002", 20)].concat(),
            Refusal::NotForThisTerminal,
        ),
        (
            "one name twice",
            [next_certificate(), certificate(NEXT, 21)].concat(),
            Refusal::Malformed,
        ),
        (
            "four beside the one that is held",
            four.map(|holder| certificate(holder, 20)).concat(),
            Refusal::TooManyIssuers,
        ),
    ];
    let before = flash.borrow().operations;
    for (name, objects, refusal) in cases {
        assert_eq!(install(&mut bench, &objects), Err(refusal), "{name}");
    }
    let older = CertificatePlan {
        dates: (date(2025, 12, 31), date(2046, 12, 31)),
        ..office.issuer_plan()
    };
    let older = older.sign(&office.root, office.issuer.public_key());
    assert!(
        install(&mut bench, &older).is_err(),
        "the present one's name, from before"
    );
    assert_eq!(flash.borrow().operations, before, "nothing was written");
    pay(&mut bench, &mut card(&plan()));
    assert_eq!(told(&mut bench, &host).paid, [1, 2]);
}

#[test]
fn what_is_held_already_is_not_written_again() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ready(&flash, &mut host);
    let office = Office::new();
    let first = office
        .issuer_plan()
        .sign(&office.root, office.issuer.public_key());
    install(&mut bench, &[first.clone(), next_certificate()].concat()).unwrap();
    let before = flash.borrow().operations;
    install(&mut bench, &[next_certificate(), first.clone()].concat()).unwrap();
    install(&mut bench, &first).unwrap();
    assert_eq!(flash.borrow().operations, before);
}

#[test]
fn certificates_need_a_terminal_with_its_own() {
    let flash = chip();
    let mut host = usual();
    let mut bench = Bench::power_on(&flash).unwrap();
    assert_eq!(install(&mut bench, &next_certificate()), Err(Refusal::OutOfOrder));
    host.make_keys(&mut bench).unwrap();
    let objects = [host.anchor(), next_certificate()].concat();
    assert_eq!(install(&mut bench, &objects), Err(Refusal::OutOfOrder));
}

#[test]
fn only_the_newest_key_speaks_to_the_terminal() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ready(&flash, &mut host);
    install(&mut bench, &next_certificate()).unwrap();
    // What the key before signs: it may have been given up because somebody else has it.
    let list = ListPlan::new(2, vec![line(1, 1, 500_000)]);
    let refused = Err(Refusal::NotForThisTerminal);
    assert_eq!(host.load_list(&mut bench, &list), refused);
    assert_eq!(host.load_blocks(&mut bench, 2, noon()), refused);
    assert_eq!(host.set_time(&mut bench, noon()), refused);
    let last = bench.journal().pop().unwrap();
    assert_eq!(host.acknowledge(&mut bench, &last), refused);
    // And in the newer one's name.
    let header = ListHeader {
        issuer: reference(NEXT),
        ..list.header()
    };
    let header = signed(&header, host.issuer());
    assert_eq!(
        bench.refusal(&Request::ListBegin { header: &header }),
        Some(Refusal::NotGenuine)
    );
    assert_eq!(bench.hello().list_number, 1);
}

#[test]
fn a_card_whose_issuer_is_not_held_is_not_called_a_forgery() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ready(&flash, &mut host);
    let mut second = next_card();
    bench.tap(&mut second);
    let screen = bench.read_screen();
    assert!(
        screen.contains("chưa có chứng thư của nơi cấp thẻ") && screen.contains("sync with the host"),
        "{screen}"
    );
    let story = told(&mut bench, &host);
    assert_eq!((story.refused, story.paid), (vec![16], vec![]));
    // A CSO that names a key which is held, and was signed by another, is one.
    install(&mut bench, &certificate(NEXT, 21)).unwrap();
    bench.tap(&mut second);
    assert_eq!(told(&mut bench, &host).refused, [16, 7]);
}

/// A terminal whose first issuer's certificate ends today, beside the newer one's.
fn ending<'f>(flash: &'f RefCell<Chip>, host: &mut Host) -> Bench<'f> {
    let mut bench = ready(flash, host);
    let office = Office::new();
    let ending = CertificatePlan {
        dates: (date(2026, 1, 1), date(2026, 11, 22)),
        ..office.issuer_plan()
    };
    let ending = ending.sign(&office.root, office.issuer.public_key());
    change_key(host);
    install(&mut bench, &[next_certificate(), ending].concat()).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    bench
}

fn tomorrow() -> Time {
    Time::new(date(2026, 11, 23), 8, 0, 0).unwrap()
}

#[test]
fn an_issuer_whose_certificate_has_ended_has_no_cards() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ending(&flash, &mut host);
    let mut first = card(&plan());
    bench.tap(&mut first);
    assert!(bench.read_screen().contains("500.007 đồng"), "it is valid today");
    bench.type_keys("c");
    host.set_time(&mut bench, tomorrow()).unwrap();
    bench.tap(&mut first);
    assert!(bench.read_screen().contains("chứng thư của nơi cấp thẻ"));
    let story = told(&mut bench, &host);
    assert_eq!((story.refused.last(), story.paid), (Some(&16), vec![]));
}

#[test]
fn an_open_order_outlives_the_certificate_of_its_cards_issuer() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ending(&flash, &mut host);
    let mut first = card(&plan());
    bench.tear(&mut first, true);
    host.set_time(&mut bench, tomorrow()).unwrap();
    install(&mut bench, &certificate("VNISS7900003", 21)).unwrap();
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    bench.tap(&mut first);
    let story = told(&mut bench, &host);
    assert_eq!((story.open, story.paid), (None, vec![1]));
    // It was kept for the order only.
    let before = flash.borrow().operations;
    install(&mut bench, &certificate("VNISS7900003", 21)).unwrap();
    assert!(flash.borrow().operations > before);
}

#[test]
fn an_ended_certificate_makes_room() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ending(&flash, &mut host);
    let more = [("VNISS7900003", 21), ("VNISS7900004", 22)].map(|(holder, seed)| certificate(holder, seed));
    install(&mut bench, &more.concat()).unwrap();
    let fifth = certificate("VNISS7900005", 23);
    assert_eq!(install(&mut bench, &fifth), Err(Refusal::TooManyIssuers));
    (host.office.issuer, host.issuer_name) = (secret(22), "VNISS7900004");
    host.set_time(&mut bench, tomorrow()).unwrap();
    install(&mut bench, &fifth).unwrap();
}

#[test]
fn a_fifth_key_takes_the_place_of_an_ended_one_under_an_open_order() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ending(&flash, &mut host);
    let mut first = card(&plan());
    bench.tear(&mut first, true);
    bench.type_keys("n");
    let more = [("VNISS7900003", 21), ("VNISS7900004", 22)].map(|(holder, seed)| certificate(holder, seed));
    install(&mut bench, &more.concat()).unwrap();
    let fifth = certificate("VNISS7900005", 23);
    // As long as the first is valid its cards are, too.
    assert_eq!(install(&mut bench, &fifth), Err(Refusal::TooManyIssuers));
    (host.office.issuer, host.issuer_name) = (secret(22), "VNISS7900004");
    host.set_time(&mut bench, tomorrow()).unwrap();
    install(&mut bench, &fifth).unwrap();
    // Nothing is said against the card, and its order stays open.
    bench.tap(&mut first);
    let story = told(&mut bench, &host);
    assert_eq!((story.refused.last(), story.all_open.len()), (Some(&16), 1));
}

#[test]
fn a_fifth_key_shows_by_its_own_date_that_the_first_has_ended() {
    let flash = chip();
    let mut host = usual();
    let mut bench = ready(&flash, &mut host);
    let office = Office::new();
    let dated = |holder, seed, dates| {
        let plan = CertificatePlan {
            dates,
            ..certificate_plan(holder)
        };
        plan.sign(&office.root, secret(seed).public_key())
    };
    let first = CertificatePlan {
        dates: (date(2026, 1, 1), date(2026, 12, 31)),
        ..office.issuer_plan()
    };
    let first = first.sign(&office.root, office.issuer.public_key());
    let next = [("VNISS7900002", 20), ("VNISS7900003", 21), ("VNISS7900004", 22)];
    let next = next.map(|(holder, seed)| certificate(holder, seed)).concat();
    install(&mut bench, &[first, next.clone()].concat()).unwrap();
    (host.office.issuer, host.issuer_name) = (secret(22), "VNISS7900004");
    host.set_time(&mut bench, noon()).unwrap();
    drop(bench);
    // After the turn of the year; the terminal has heard of no day since November.
    let mut bench = Bench::power_on(&flash).unwrap();
    let before = flash.borrow().operations;
    let fifth = |effective| dated("VNISS7900005", 23, (effective, date(2041, 1, 2)));
    let too_soon = [fifth(date(2026, 12, 31)), next.clone()].concat();
    assert_eq!(install(&mut bench, &too_soon), Err(Refusal::TooManyIssuers));
    let forged = CertificatePlan {
        dates: (date(2027, 1, 2), date(2041, 1, 2)),
        ..certificate_plan("VNISS7900005")
    };
    let forged = forged.sign(&secret(90), secret(23).public_key());
    assert_eq!(install(&mut bench, &forged), Err(Refusal::NotGenuine));
    assert_eq!(flash.borrow().operations, before, "nothing was written");
    install(&mut bench, &[fifth(date(2027, 1, 2)), next].concat()).unwrap();
    (host.office.issuer, host.issuer_name) = (secret(23), "VNISS7900005");
    host.set_time(&mut bench, Time::new(date(2027, 1, 2), 8, 0, 0).unwrap())
        .unwrap();
    let last = bench.journal().pop().unwrap();
    host.acknowledge(&mut bench, &last).unwrap();
}

/// At every so many of the cuts cards are tapped, too: a prime, so that each kind of tear has its turn.
const TAPPED: u64 = 11;

#[test]
fn the_power_goes_at_any_flash_operation_of_an_install() {
    let original = chip();
    let mut host = usual();
    drop(ready(&original, &mut host));
    let (first, second) = (card(&plan()), next_card());
    let mut next_host = usual();
    next_host.journal_key = host.journal_key;
    change_key(&mut next_host);
    let mut cuts = 0;
    for operation in 0.. {
        let flash = RefCell::new(original.borrow().clone());
        let mut bench = Bench::power_on(&flash).unwrap();
        flash
            .borrow_mut()
            .cut(operation, TEARS[operation as usize % TEARS.len()]);
        let done = install(&mut bench, &next_certificate());
        drop(bench);
        if !flash.borrow().is_dead() {
            break;
        }
        cuts += 1;
        let context = format!("cut at operation {operation}");
        for _ in 0..2 {
            flash.borrow_mut().power_up();
            let mut bench = Bench::power_on(&flash).expect(&context);
            // Whoever sets the clock holds the newest key that is known here.
            let has_next = next_host.set_time(&mut bench, noon()).is_ok();
            assert!(has_next || host.set_time(&mut bench, noon()).is_ok(), "{context}");
            assert!(has_next || done.is_err(), "{context}: it was done");
            if operation % TAPPED != 0 {
                continue;
            }
            bench.type_keys("oLan\n");
            bench.tap(&mut copy(&first, 3));
            assert!(bench.read_screen().contains("500.007 đồng"), "{context}");
            bench.type_keys("c");
            bench.tap(&mut copy(&second, 3));
            let expected = if has_next { 1 } else { 16 };
            assert_eq!(
                told(&mut bench, &host).refused.last(),
                Some(&expected),
                "{context}"
            );
        }
        if operation % (5 * TAPPED) == 0 {
            let mut bench = Bench::power_on(&flash).unwrap();
            install(&mut bench, &next_certificate()).expect(&context);
            load_next_lists(&mut bench, &next_host);
            bench.type_keys("oLan\n");
            pay(&mut bench, &mut copy(&first, 4));
            pay(&mut bench, &mut copy(&second, 4));
            assert_eq!(told(&mut bench, &host).paid, [1, 2], "{context}");
        }
    }
    println!("{cuts} cuts while installing");
    assert!(cuts > 300);
}
