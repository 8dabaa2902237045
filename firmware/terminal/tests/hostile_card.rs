//! Cards and people between card and reader that do not keep to the rules: nothing is paid, nothing panics, and an order
//! whose outcome is not known stays open until the same card says.
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

use bench::card::issuer::{Plan, plan};
use bench::card::{Card, TestRandom};
use bench::host::{Host, card, line};
use bench::scripted_card::ScriptedCard;
use bench::{Answering, Bench, Chip, Story, chip, copy, story};
use card_spec::values::CardNumber;
use rand_core::Rng as _;

/// Alters an answer; false takes it away.
type Change<'c> = dyn FnMut(&mut Vec<u8>) -> bool + 'c;

fn ready<'f>(flash: &'f RefCell<Chip>, host: &mut Host) -> Bench<'f> {
    let mut bench = Bench::power_on(flash).unwrap();
    host.prepare(&mut bench).unwrap();
    // Twenty characters: the order is longer than one command.
    bench.type_keys("oTran Thi Kim Ngan 01\n");
    bench.read_screen();
    bench
}

fn told(bench: &mut Bench<'_>, host: &Host) -> Story {
    story(&bench.journal(), &host.journal_key.unwrap())
}

fn paid_by(card: &Card) -> bool {
    card.memory()
        .slots
        .iter()
        .any(|slot| slot.starts_with(&[0xFF, 0x23]))
}

/// Serves the card with an alteration at command `at` of the second tap; then settles with the honest card.
fn alter(at: usize, change: &mut Change<'_>, first: &Card, second: bool) -> Option<Story> {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut card = copy(first, 1);
    let mut between = |number: usize, _: &[u8], mut answer: Vec<u8>| {
        if number == at && !change(&mut answer) {
            return None;
        }
        Some(answer)
    };
    if second {
        bench.tap(&mut card);
        bench.type_keys("271828\n");
    }
    bench.tap_with(&mut card, &mut between);
    if bench.commands <= at {
        return None;
    }
    let before = told(&mut bench, &host);
    assert_eq!(before.paid, [], "nothing is believed");
    assert!(!bench.read_screen().contains("ĐÃ TRẢ"));
    if before.open.is_none() {
        assert!(!paid_by(&card), "the card did not pay in secret");
        return Some(before);
    }
    assert!(bench.field, "the same card can be tapped");
    bench.tap(&mut card);
    let after = told(&mut bench, &host);
    assert_eq!(after.open, None, "the card settles");
    assert_eq!(after.paid == [1], paid_by(&card));
    Some(after)
}

#[test]
fn a_card_that_is_torn_away_at_any_command() {
    let card = card(&plan());
    let mut opened = 0;
    for second in [false, true] {
        let mut at = 0;
        while let Some(story) = alter(at, &mut |_| false, &card, second) {
            assert_eq!(story.refused.first(), Some(&14));
            opened += usize::from(!story.paid.is_empty() || story.kinds.contains(&6));
            at += 1;
        }
        println!("torn away at each of {at} commands");
        assert!(at > 8);
    }
    assert_eq!(opened, 2, "an order has two commands");
}

#[test]
fn a_command_that_never_reaches_the_card() {
    let first = card(&plan());
    let mut outcomes = Vec::new();
    for at in 0..13 {
        let flash = chip();
        let mut host = Host::new(vec![line(1, 1, 500_000)]);
        let mut bench = ready(&flash, &mut host);
        let mut card = copy(&first, 1);
        bench.tap(&mut card);
        bench.type_keys("271828\n");
        card.reset();
        bench.tap_any(&mut |number, command| (number != at).then(|| card.transmit(command).to_vec()));
        let open = told(&mut bench, &host).open.is_some();
        if open {
            // It was never asked, and without a PIN it does not pay now: the clerk begins anew.
            bench.tap(&mut card);
        }
        let story = told(&mut bench, &host);
        assert_eq!((story.open, paid_by(&card)), (None, story.paid == [1]));
        outcomes.push((open, story.status_words.last().copied()));
        if story.paid.is_empty() {
            bench.tap(&mut card);
            bench.type_keys("271828\n");
            bench.tap(&mut card);
            assert_eq!(told(&mut bench, &host).paid, [1], "cut {at}: {story:?}");
        }
    }
    let refused = outcomes
        .iter()
        .filter(|outcome| **outcome == (true, Some(0x6346)))
        .count();
    assert_eq!(refused, 2, "{outcomes:?}");
}

#[test]
fn an_answer_that_is_altered_in_any_way() {
    let card = card(&plan());
    let mut random = TestRandom(7);
    let alterations: [&mut Change<'_>; 9] = [
        &mut |answer| {
            answer[0] ^= 0x01;
            true
        },
        &mut |answer| {
            let middle = answer.len() / 2;
            answer[middle] ^= 0x80;
            true
        },
        &mut |answer| {
            let last = answer.len() - 3.min(answer.len());
            answer[last] ^= 0x01;
            true
        },
        &mut |answer| {
            answer.remove(0);
            true
        },
        &mut |answer| {
            answer.insert(0, 0);
            true
        },
        &mut |answer| {
            *answer = vec![0x61, 0xFF];
            true
        },
        &mut |answer| {
            *answer = vec![0x63, 0x40];
            true
        },
        &mut |answer| {
            *answer = vec![0x90, 0x00];
            true
        },
        &mut |answer| {
            random.fill_bytes(answer);
            answer.extend([0x90, 0x00]);
            true
        },
    ];
    let mut cases = 0;
    for change in alterations {
        for second in [false, true] {
            let mut at = 0;
            // A changed answer may be as good as the right one where only its status word counts.
            while at < 14 {
                cases += usize::from(alter_or_pays(at, change, &card, second));
                at += 1;
            }
        }
    }
    println!("{cases} altered answers refused");
    assert!(cases > 120);
}

/// Like [`alter`], but an alteration that changes nothing of weight may let the payment through.
fn alter_or_pays(at: usize, change: &mut Change<'_>, first: &Card, second: bool) -> bool {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut card = copy(first, 1);
    if second {
        bench.tap(&mut card);
        bench.type_keys("271828\n");
    }
    bench.tap_with(&mut card, &mut |number, _, mut answer| {
        if number == at {
            change(&mut answer);
        }
        Some(answer)
    });
    let before = told(&mut bench, &host);
    assert!(before.paid.is_empty() || paid_by(&card));
    if before.open.is_some() {
        bench.tap(&mut card);
    }
    let after = told(&mut bench, &host);
    assert_eq!(after.open, None);
    assert_eq!(after.paid == [1], paid_by(&card));
    !before.refused.is_empty()
}

#[test]
fn endless_and_senseless_answers() {
    let endless: [&mut Answering<'_>; 5] = [
        &mut |_, _| Some(vec![0x61, 0x10]),
        &mut |_, _| Some(vec![0x90, 0x00]),
        &mut |_, _| Some([vec![0x5A; 250], vec![0x90, 0x00]].concat()),
        &mut |_, _| Some(vec![]),
        &mut |_, _| Some(vec![0x90]),
    ];
    for chip_answer in endless {
        let flash = chip();
        let mut host = Host::new(vec![line(1, 1, 500_000)]);
        let mut bench = ready(&flash, &mut host);
        bench.tap_any(chip_answer);
        let story = told(&mut bench, &host);
        assert_eq!(story.paid, []);
        assert!(matches!(story.refused[..], [7 | 14]), "{story:?}");
    }
}

#[test]
fn a_certificate_in_small_parts() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    // The right bytes one by one: they would keep the terminal busy for hundreds of commands.
    bench.tap_with(&mut card(&plan()), &mut |_, command, mut answer| {
        if command[1] == 0xB0 {
            answer.drain(1..answer.len() - 2);
        }
        Some(answer)
    });
    assert_eq!(told(&mut bench, &host).refused, [7]);
    assert!(bench.commands < 10);
}

#[test]
fn a_copied_certificate_without_the_keys() {
    // Another card's chip answers, but shows this card's CSO.
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut genuine = card(&plan());
    let number = CardNumber::new(79, 2).unwrap();
    let mut copier = card(&Plan { number, ..plan() });
    copier.reset();
    genuine.reset();
    bench.tap_any(&mut |_, command| {
        let honest = genuine.transmit(command).to_vec();
        let answer = copier.transmit(command).to_vec();
        Some(if command[..2] == [0x00, 0xB0] {
            honest
        } else {
            answer
        })
    });
    assert_eq!(told(&mut bench, &host).refused, [7]);
}

#[test]
fn a_copy_of_the_card_at_the_second_tap() {
    // The terminal knows this CSO from the first tap; it knows nothing of who shows it now.
    for agreement in [true, false] {
        let flash = chip();
        let mut host = Host::new(vec![line(1, 1, 500_000)]);
        let mut bench = ready(&flash, &mut host);
        let mut genuine = ScriptedCard::new(&plan(), 1);
        let nothing = &mut |_: &ScriptedCard, _: &[u8]| -> (u16, Vec<u8>) { panic!("an order was sent") };
        bench.tap_any(&mut |_, command| Some(genuine.transmit(command, nothing)));
        bench.type_keys("271828\n");
        let mut copy = ScriptedCard::new(&plan(), 1).without_a_key(agreement);
        bench.tap_any(&mut |_, command| {
            assert_ne!(command[..2], [0x84, 0x20], "it gets no PIN");
            Some(copy.transmit(command, nothing))
        });
        assert_eq!(told(&mut bench, &host).refused, [7], "{agreement}");
        assert!(bench.read_screen().contains("thẻ không hợp lệ"));
    }
}

#[test]
fn no_session_has_the_key_of_another() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    let mut keys = std::collections::HashSet::new();
    let mut sessions = 0;
    for torn in [false, true, true, false] {
        bench.tap_with(&mut card, &mut |_, command, answer| {
            let agrees = command[..2] == [0x80, 0x82];
            if agrees {
                sessions += 1;
                keys.insert(command.to_vec());
            }
            (!agrees || !torn).then_some(answer)
        });
        bench.type_keys("271828\n");
    }
    assert_eq!((sessions, keys.len()), (4, 4));
    assert_eq!(told(&mut bench, &host).paid, [1]);
}

#[test]
fn another_card_does_not_settle_an_open_order() {
    let flash = chip();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    let mut bench = ready(&flash, &mut host);
    let mut card = card(&plan());
    let number = CardNumber::new(79, 2).unwrap();
    let person = [0xEE; 16];
    let mut other = bench::host::card(&Plan {
        number,
        person,
        ..plan()
    });
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    let mut last = 0;
    bench.tap_with(&mut card, &mut |number, command, answer| {
        // The order's last part.
        last = number;
        (command[..2] != [0x84, 0x54]).then_some(answer)
    });
    assert!(told(&mut bench, &host).open.is_some());
    bench.tap(&mut other);
    assert!(bench.read_screen().contains("Thẻ khác"));
    assert!(told(&mut bench, &host).open.is_some());
    // Without a power cut or with one: only the same card settles, and it needs no clock.
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    assert!(bench.read_screen().contains("CHƯA RÕ KẾT QUẢ"));
    bench.tap(&mut other);
    assert!(told(&mut bench, &host).open.is_some());
    bench.tap(&mut card);
    let screen = bench.read_screen();
    assert!(
        screen.contains("ĐÃ TRẢ") && screen.contains("Đưa 500.000 đồng"),
        "{screen}"
    );
    bench.type_keys("\n");
    assert_eq!(told(&mut bench, &host).handed.len(), 1);
}
