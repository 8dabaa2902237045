//! Who takes the money and how the person is checked (SPEC 9.2): a representative on the card, a photo document.
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

use bench::card::issuer::{Office, Plan, card_with_keys, cso, encoded, objects, plan, signed};
use bench::card::{Card, date};
use bench::host::{Host, card, line, noon};
use bench::scripted_card::ScriptedCard;
use bench::{Bench, Chip, Story, chip, story};
use card_spec::cso::HolderCheckPolicy;
use card_spec::groups::{Representative, Representatives};
use card_spec::journal::{Entry, Event};
use card_spec::list::ListLine;
use card_spec::payment::{HolderCheckMethod, Recipient};
use card_spec::signed::Signed;
use card_spec::values::{Ascii, Date, Digits, Text};

/// A line for these recipients (DATA 3.2).
fn line_for(number: u32, vnd: u64, recipients: u8) -> ListLine {
    ListLine {
        recipients,
        ..line(number, number as u16, vnd)
    }
}

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

/// Recipient and method of each order in the journal.
fn orders(bench: &mut Bench<'_>) -> Vec<(Recipient, HolderCheckMethod)> {
    let entries = bench.journal();
    let orders =
        entries.iter().filter_map(
            |entry| match Signed::<Entry<'_>>::parse(entry).unwrap().claimed().event {
                Event::Intent(order) => Some((order.order().recipient, order.order().method)),
                _ => None,
            },
        );
    orders.collect()
}

/// A card with these representatives, by the last day of each one's authorization.
fn card_with(days: &[Date]) -> Card {
    let plan = plan();
    let (mut card, mut host, _) = card_with_keys();
    let keys = host.key_pairs(&mut card, 1, plan.number).unwrap();
    let mut objects = objects(&Office::new(), &plan, &keys);
    let names = ["Trần Văn Đức", "Lê Thị Ánh"];
    let representatives = Representatives {
        salt: [5; 16],
        entries: days
            .iter()
            .zip(names)
            .map(|(expiry, name)| Representative {
                name: Text::new(name).unwrap(),
                personal_id: Ascii::new("079070000002").unwrap(),
                relation: Digits::from_bytes(*b"06").unwrap(),
                expiry: *expiry,
                document: None,
            })
            .collect(),
    };
    let group = objects
        .groups
        .iter_mut()
        .find(|group| group.starts_with(&[0xFF, 0x35]));
    *group.unwrap() = encoded(&representatives, 0xFF35);
    let body = cso(&plan, objects.digests(), &keys);
    objects.cso = signed(&body, &Office::new().issuer);
    host.store(&mut card, &objects.concatenated(), 223).unwrap();
    host.set_pin(&mut card, &plan.pin).unwrap();
    host.activate(&mut card).unwrap();
    card
}

fn policy(methods: u8) -> Plan {
    Plan {
        policy: HolderCheckPolicy {
            methods,
            ..plan().policy
        },
        ..plan()
    }
}

#[test]
fn a_representative_takes_what_the_line_allows() {
    for (recipients, keys) in [(0b11, "a"), (0b10, "")] {
        let flash = chip();
        let mut host = Host::new(vec![line_for(1, 500_000, recipients)]);
        let mut bench = ready(&flash, &mut host);
        let mut card = card(&plan());
        bench.tap(&mut card);
        assert!(
            bench
                .screen
                .contains("a = con / child: Trần Văn Đức, 079070000002")
        );
        bench.type_keys(keys);
        let screen = bench.read_screen();
        assert!(screen.contains("Người đại diện a nhận tiền"), "{screen}");
        bench.type_keys("271828\n");
        bench.tap(&mut card);
        bench.type_keys("\n");
        let story = told(&mut bench, &host);
        assert_eq!(
            (story.paid, story.handed.len(), story.refused),
            (vec![1], 1, vec![])
        );
        let expected = (Recipient::FirstRepresentative, HolderCheckMethod::Pin);
        assert_eq!(orders(&mut bench), [expected]);
    }
}

#[test]
fn each_recipient_gets_the_lines_that_are_for_him() {
    let lines = || {
        vec![
            line_for(1, 100_000, 0b01),
            line_for(2, 20_000, 0b10),
            line_for(3, 3_000, 0b11),
        ]
    };
    for (keys, sum, paid) in [
        ("", "103.000", [1, 3]),
        ("a", "23.000", [2, 3]),
        ("ah", "103.000", [1, 3]),
    ] {
        let flash = chip();
        let mut host = Host::new(lines());
        let mut bench = ready(&flash, &mut host);
        let mut card = card(&plan());
        bench.tap(&mut card);
        bench.type_keys(keys);
        bench.type_keys("271828\n");
        bench.tap(&mut card);
        let screen = bench.read_screen();
        assert!(screen.contains(&format!("Đưa {sum} đồng")), "{keys}: {screen}");
        assert_eq!(told(&mut bench, &host).paid, paid, "{keys}");
    }
}

#[test]
fn nobody_takes_a_line_that_is_not_for_him() {
    // Recipients of the line, keys that choose in vain, and who takes it after them.
    for (recipients, keys, taker) in [
        (0b01, "a", Recipient::Holder),
        (0b11, "b", Recipient::Holder),
        (0b10, "h", Recipient::FirstRepresentative),
        (0b10, "b", Recipient::FirstRepresentative),
    ] {
        let flash = chip();
        let mut host = Host::new(vec![line_for(1, 500_000, recipients)]);
        let mut bench = ready(&flash, &mut host);
        let mut card = card(&plan());
        bench.tap(&mut card);
        bench.type_keys(keys);
        let screen = bench.read_screen();
        assert!(
            screen.contains("không nhận được"),
            "{recipients} {keys}: {screen}"
        );
        bench.type_keys("271828\n");
        bench.tap(&mut card);
        assert_eq!(orders(&mut bench), [(taker, HolderCheckMethod::Pin)]);
        assert_eq!(told(&mut bench, &host).paid, [1]);
    }
}

#[test]
fn an_authorization_lasts_to_its_last_day() {
    let (today, before) = (noon().date().unwrap(), date(2026, 11, 21));
    // Last days of the representatives, and who may take a line that is for them alone.
    for (days, taker) in [
        (vec![today], Some(Recipient::FirstRepresentative)),
        (vec![before], None),
        (vec![before, today], Some(Recipient::SecondRepresentative)),
        (vec![before, before], None),
        (vec![], None),
    ] {
        let flash = chip();
        let mut host = Host::new(vec![line_for(1, 500_000, 0b10)]);
        let mut bench = ready(&flash, &mut host);
        let mut card = card_with(&days);
        bench.tap(&mut card);
        let ended = days.iter().filter(|day| **day == before).count();
        assert_eq!(bench.screen.matches("hết hạn").count(), ended, "{days:?}");
        if taker.is_some() {
            bench.type_keys("271828\n");
            bench.tap(&mut card);
        }
        let expected: Vec<_> = taker
            .map(|taker| (taker, HolderCheckMethod::Pin))
            .into_iter()
            .collect();
        assert_eq!(orders(&mut bench), expected, "{days:?}");
        let story = told(&mut bench, &host);
        let refused = if taker.is_some() { vec![] } else { vec![1] };
        assert_eq!(
            (story.paid.len(), story.refused),
            (expected.len(), refused),
            "{days:?}"
        );
    }
}

#[test]
fn a_line_for_the_holder_alone_does_not_ask_the_card_for_others() {
    let taps = [0b01, 0b11].map(|recipients| {
        let mut host = Host::new(vec![line_for(1, 500_000, recipients)]);
        let flash = chip();
        let mut bench = ready(&flash, &mut host);
        bench.tap(&mut card(&plan()));
        bench.commands
    });
    assert_eq!(taps[1], taps[0] + 1);
}

#[test]
fn a_document_that_the_clerk_has_seen() {
    let flash = chip();
    let mut host = Host::new(vec![line_for(1, 500_000, 0b11)]);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    bench.tap(&mut card);
    assert!(bench.screen.contains("Số định danh / personal ID: 079141000001"));
    bench.read_screen();
    // There and back and there; digits mean nothing now.
    bench.type_keys("27d");
    assert!(bench.read_screen().contains("Xem giấy tờ có ảnh"));
    bench.type_keys("p");
    assert!(bench.read_screen().contains("Nhập PIN"));
    bench.type_keys("da123\n");
    bench.tap(&mut card);
    let screen = bench.read_screen();
    assert!(
        screen.contains("ĐÃ TRẢ") && !screen.contains("không có PIN"),
        "{screen}"
    );
    assert_eq!(told(&mut bench, &host).paid, [1]);
    let expected = (Recipient::FirstRepresentative, HolderCheckMethod::PhotoDocument);
    assert_eq!(orders(&mut bench), [expected]);
}

#[test]
fn what_the_cards_policy_allows_is_offered_and_nothing_else() {
    use HolderCheckMethod::{PhotoDocument, Pin};
    for (methods, keys, method) in [
        (1, "271d828\n", Pin),
        (1, "271828\n", Pin),
        (2, "\n", PhotoDocument),
        (2, "p\n", PhotoDocument),
        (3, "271828\n", Pin),
        (3, "d\n", PhotoDocument),
    ] {
        let flash = chip();
        let mut host = Host::new(vec![line(1, 1, 500_000)]);
        let mut bench = ready(&flash, &mut host);
        let mut card = card(&policy(methods));
        bench.tap(&mut card);
        let offered = bench.read_screen().contains("d = xem giấy tờ");
        assert_eq!(offered, methods == 3, "{methods}");
        bench.type_keys(keys);
        bench.tap(&mut card);
        assert_eq!(told(&mut bench, &host).paid, [1], "{methods} {keys}");
        assert_eq!(
            orders(&mut bench),
            [(Recipient::Holder, method)],
            "{methods} {keys}"
        );
    }
}

#[test]
fn a_document_alone_does_not_pay_a_card_whose_pin_is_blocked() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    bench.tap(&mut card);
    for _ in 0..3 {
        bench.type_keys("000000\n");
        bench.tap(&mut card);
    }
    bench.read_screen();
    bench.tap(&mut card);
    bench.type_keys("d\n");
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("PIN thẻ đã khóa"));
    let story = told(&mut bench, &host);
    assert_eq!((story.paid, story.open), (vec![], None));
    assert_eq!(story.status_words.last(), Some(&0x6346));
}

#[test]
fn a_torn_payment_on_a_document_is_settled_with_another_look_at_it() {
    for reaches in [true, false] {
        let flash = chip();
        let mut host = Host::new(vec![line(1, 1, 500_000)]);
        let mut bench = ready(&flash, &mut host);
        let mut card = card(&plan());
        bench.tap(&mut card);
        bench.type_keys("d\n");
        card.reset();
        bench.tap_any(&mut |_, command| {
            let torn = command[..2] == [0x84, 0x54];
            if torn && !reaches {
                return None;
            }
            let answer = card.transmit(command).to_vec();
            (!torn).then_some(answer)
        });
        drop(bench);
        let mut bench = Bench::power_on(&flash).unwrap();
        bench.tap(&mut card);
        let screen = bench.read_screen();
        assert!(
            screen.contains("xem lại giấy tờ") && screen.contains("ĐÃ TRẢ"),
            "{screen}"
        );
        let story = told(&mut bench, &host);
        assert_eq!((story.paid, story.open), (vec![1], None));
        let orders = card
            .memory()
            .slots
            .iter()
            .filter(|slot| slot.starts_with(&[0xFF, 0x23]));
        assert_eq!(orders.count(), 1);
    }
}

#[test]
fn a_card_that_tears_or_lies_while_it_is_asked_for_representatives() {
    let flash = chip();
    let mut host = Host::new(vec![line_for(1, 500_000, 0b11)]);
    let mut bench = ready(&flash, &mut host);
    let mut honest = card(&plan());
    bench.tap(&mut honest);
    bench.type_keys("c");
    let last = bench.commands - 1;
    bench.tap_with(&mut honest, &mut |number, _, answer| {
        (number < last).then_some(answer)
    });
    assert_eq!(told(&mut bench, &host).refused, [15, 14]);
    // Genuine keys, and another group than the CSO says.
    let mut liar = ScriptedCard::new(&plan(), 1);
    bench.tap_any(&mut |_, command| Some(liar.transmit(command, &mut |_, _| panic!("no order"))));
    let story = told(&mut bench, &host);
    assert_eq!((story.refused, story.paid), (vec![15, 14, 7], vec![]));
}
