//! What an operator may do then, and what her tap leaves as it is.

use crate::bench::card::issuer::{Plan, plan};
use crate::bench::card::{Card, date};
use crate::bench::host::{Host, card, line, noon};
use crate::bench::{Bench, chip, honest};
use card_spec::journal::{Entry, Event};
use card_spec::payment::ClockSource;
use card_spec::signed::Signed;
use card_spec::values::Time;
use link::Request;

use crate::staff::*;

/// Neither clock nor a fresh block list is needed to work here, and both are to be paid.
#[test]
fn a_supervisor_sets_the_clock_by_her_card() {
    let flash = chip();
    let (bench, host) = ready(&flash);
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    let (mut hoa, mut lan) = (card(&of(12)), card(&lans()));
    // Another card, a wrong PIN.
    bench.type_keys("gHoa\n161803\n");
    tap(&mut bench, &mut lan);
    let screen = bench.read_screen();
    assert!(
        screen.contains("CHƯA ĐẶT GIỜ: đây không phải thẻ của Hoa") && screen.contains("Chờ 2 giây, bấm g"),
        "{screen}"
    );
    bench.wait(2_000);
    bench.type_keys("gHoa\n000000\n");
    tap(&mut bench, &mut hoa);
    assert!(bench.read_screen().contains("CHƯA ĐẶT GIỜ: sai mã PIN"));
    bench.wait(4_000);
    // Nobody is asked for a time before the card has said that the PIN is right.
    bench.type_keys("gHoa\n161803\n202611230830\n");
    tap(&mut bench, &mut hoa);
    assert!(bench.read_screen().contains("12 chữ số"));
    assert!(!bench.field);
    bench.type_keys("202611230830\n");
    assert_eq!(told(&mut bench), ["Hoa sets the clock"]);
    bench.type_keys("oLan\n161803\n");
    tap(&mut bench, &mut lan);
    let mut holder = card(&plan());
    bench.tap(&mut holder);
    bench.type_keys("271828\n");
    bench.tap(&mut holder);
    assert_eq!(story_of(&mut bench, &host).paid, [1]);
    let last = bench.journal().pop().unwrap();
    let last = Signed::<Entry<'_>>::parse(&last).unwrap();
    assert_eq!(last.claimed().clock, ClockSource::Operator);
}

/// What the terminal knows although its clock is unset: days that are over, and cards on its block list.
#[test]
fn an_unset_clock_lets_in_no_card_that_has_ended_or_is_blocked() {
    let ended = Plan {
        dates: (date(2026, 10, 1), date(2026, 11, 21)),
        ..of(12)
    };
    let last_day = Plan {
        dates: (date(2026, 10, 1), date(2026, 11, 22)),
        ..of(12)
    };
    // Nobody knows whether its first day has come.
    let new = Plan {
        dates: (date(2026, 11, 23), date(2036, 10, 31)),
        ..of(12)
    };
    for (plan, blocked, said) in [
        (&ended, vec![], "CHƯA ĐẶT GIỜ: thẻ hết hạn"),
        (&of(12), vec![of(12).number], "CHƯA ĐẶT GIỜ: thẻ đã ngừng dùng"),
        (&last_day, vec![], "12 chữ số"),
        (&new, vec![], "12 chữ số"),
    ] {
        let flash = chip();
        drop(blocking(&flash, blocked));
        let mut bench = Bench::power_on(&flash).unwrap();
        bench.type_keys("gHoa\n161803\n");
        let is_sent = tap(&mut bench, &mut card(plan));
        let screen = bench.read_screen();
        assert!(screen.contains(said), "{screen}");
        assert_eq!(is_sent, said == "12 chữ số");
    }
}

#[test]
fn a_stale_or_missing_block_list_stops_no_operator_and_pays_nobody() {
    for missing in [false, true] {
        let flash = chip();
        let mut bench = Bench::power_on(&flash).unwrap();
        let mut host = Host::new(vec![line(1, 1, 500_000)]);
        if missing {
            let agreement = host.make_keys(&mut bench).unwrap();
            let objects = host.objects(agreement);
            bench.done(&Request::Install { objects: &objects }).unwrap();
            host.set_time(&mut bench, noon()).unwrap();
            host.load_list(&mut bench, &host.list).unwrap();
        } else {
            host.prepare(&mut bench).unwrap();
        }
        load(&mut bench, &host, &staff()).unwrap();
        let later = if missing {
            noon()
        } else {
            Time::new(date(2026, 12, 28), 12, 0, 0).unwrap()
        };
        host.set_time(&mut bench, later).unwrap();
        bench.type_keys("oLan\n161803\n");
        assert!(tap(&mut bench, &mut card(&lans())), "missing: {missing}");
        assert_eq!(told(&mut bench), ["Lan in"], "missing: {missing}");
        bench.tap(&mut card(&plan()));
        let screen = bench.read_screen();
        assert!(screen.contains("KHÔNG TRẢ"), "{screen}");
        assert_eq!(story_of(&mut bench, &host).paid, []);
    }
}

/// A holder's card with a blocked PIN, in minh's shift.
fn blocked_holder(bench: &mut Bench<'_>) -> Card {
    bench.type_keys("ominh\n314159\n");
    let mut holder = card(&plan());
    bench.tap(&mut holder);
    for _ in 0..3 {
        bench.type_keys("000000\n");
        bench.tap(&mut holder);
    }
    assert!(bench.read_screen().contains("bấm 2"));
    holder
}

fn by_document(bench: &mut Bench<'_>, holder: &mut Card) {
    bench.tap(holder);
    bench.type_keys("d\n");
    bench.tap(holder);
}

#[test]
fn a_second_operator_joins_by_her_card_and_vouches_once() {
    let flash = chip();
    let (mut bench, host) = ready(&flash);
    let mut holder = blocked_holder(&mut bench);
    bench.switched.clear();
    bench.type_keys("2Tam\n161803\n");
    assert!(tap(&mut bench, &mut card(&of(13))));
    let screen = bench.read_screen();
    assert!(screen.contains("Người thứ hai: Tam"), "{screen}");
    // Off while name and PIN are typed, on for the card, and off and on when it is let go.
    assert_eq!(bench.switched, [false, true, false, true]);
    by_document(&mut bench, &mut holder);
    assert!(bench.read_screen().contains("ĐÃ TRẢ"));
    let story = story_of(&mut bench, &host);
    assert_eq!((story.paid, story.open), (vec![1], None));
    let voucher = bench.journal().iter().find_map(|entry| {
        match Signed::<Entry<'_>>::parse(entry).unwrap().claimed().event {
            Event::Intent(order) => Some(order.order().second_operator?.as_str().to_owned()),
            _ => None,
        }
    });
    assert_eq!(voucher.as_deref(), Some("Tam"));
}

#[test]
fn who_has_not_shown_the_card_vouches_for_nobody() {
    type Way = fn(&mut Bench<'_>, &mut Card);
    let ways: [(&str, &str, Way, &str); 5] = [
        (
            "the holder's card",
            "2Tam\n161803\n",
            |bench, holder| bench.tap(holder),
            "CHƯA CÓ NGƯỜI THỨ HAI: đây không phải thẻ của Tam",
        ),
        (
            "a wrong PIN",
            "2Tam\n271828\n",
            |bench, _| bench.tap(&mut card(&of(13))),
            "CHƯA CÓ NGƯỜI THỨ HAI: sai mã PIN",
        ),
        (
            "torn away",
            "2Tam\n161803\n",
            |bench, _| {
                bench.tap_with(&mut card(&of(13)), &mut |number, _, answer| {
                    (number < 5).then_some(answer)
                });
                bench.type_keys("c");
            },
            "CHƯA CÓ NGƯỜI THỨ HAI: thẻ bị nhấc ra quá sớm",
        ),
        (
            "no card",
            "2Tam\n161803\n",
            |bench, _| bench.type_keys("c"),
            "Chạm thẻ của Tam",
        ),
        (
            "a supervisor",
            "2Hoa\n",
            |_, _| {},
            "được làm người thứ hai ở đây",
        ),
    ];
    for (what, keys, way, said) in ways {
        let flash = chip();
        let (mut bench, host) = ready(&flash);
        let mut holder = blocked_holder(&mut bench);
        bench.type_keys(keys);
        way(&mut bench, &mut holder);
        let screen = bench.read_screen();
        assert!(
            screen.contains(said) && !screen.contains("Người thứ hai: Tam"),
            "{what}: {screen}"
        );
        by_document(&mut bench, &mut holder);
        let story = story_of(&mut bench, &host);
        assert_eq!(
            (story.paid, story.status_words.last()),
            (vec![], Some(&0x6346)),
            "{what}"
        );
    }
}

#[test]
fn the_clerk_is_no_second_operator_by_her_own_card() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    let mut lan = card(&lans());
    bench.type_keys("oLan\n161803\n");
    tap(&mut bench, &mut lan);
    bench.type_keys("2Lan\n161803\n");
    tap(&mut bench, &mut lan);
    let screen = bench.read_screen();
    assert!(screen.contains("phải là người khác"), "{screen}");
}

/// An order of that very card is open, executed or not: its operator's tap neither settles nor disturbs it, and its tap as a holder's
/// card ends it as if there had been none.
#[test]
fn an_open_order_of_the_card_is_left_as_it_is() {
    for reaches in [false, true] {
        for is_aside in [false, true] {
            let stories = [false, true].map(|operator_taps| {
                let flash = chip();
                let (mut bench, host) = ready(&flash);
                let mut binhs = card(&plan());
                bench.type_keys("ominh\n314159\n");
                let order = bench.tear(&mut binhs, reaches);
                if is_aside {
                    bench.type_keys("n");
                }
                let before = story_of(&mut bench, &host);
                assert_eq!(before.all_open.len(), 1);
                if operator_taps {
                    let slots = binhs.memory().slots.clone();
                    bench.type_keys("oBinh\n271828\n");
                    assert!(tap(&mut bench, &mut binhs));
                    assert_eq!(told(&mut bench), ["minh in", "Binh in"]);
                    let after = story_of(&mut bench, &host);
                    assert_eq!((after.all_open, after.paid), (before.all_open, vec![]));
                    // The card has given its try back, and nothing else has changed.
                    assert_eq!(differing(&slots, &binhs), 0, "order {order:02X?}");
                }
                bench.tap(&mut binhs);
                let after = story_of(&mut bench, &host);
                assert_eq!(after.open, None);
                (after.paid, after.status_words)
            });
            assert_eq!(stories[0], stories[1], "reaches: {reaches}, aside: {is_aside}");
            assert_eq!(stories[0].0.is_empty(), !reaches);
        }
    }
}

/// Money of that card was not handed over: its operator's tap undoes nothing, its holder's does.
#[test]
fn a_payment_that_is_to_be_undone_waits_for_the_holder() {
    let flash = chip();
    let (mut bench, host) = ready(&flash);
    let mut binhs = card(&plan());
    bench.type_keys("ominh\n314159\n");
    bench.tap(&mut binhs);
    bench.type_keys("271828\n");
    bench.tap(&mut binhs);
    bench.type_keys("c7");
    bench.type_keys("oBinh\n271828\n");
    assert!(tap(&mut bench, &mut binhs));
    let story = story_of(&mut bench, &host);
    assert_eq!((story.announced, story.reversed), (0, vec![]));
    bench.tap(&mut binhs);
    bench.type_keys("271828\n");
    bench.tap(&mut binhs);
    assert_eq!(story_of(&mut bench, &host).reversed, [1]);
}

/// No holder was refused by anything that concerns an operator: a shift's count of refused payments is of payments.
#[test]
fn what_operators_do_wrong_is_no_refused_payment() {
    let flash = chip();
    let (mut bench, host) = ready(&flash);
    let mut lan = card(&lans());
    bench.type_keys("oLan\n000000\n");
    bench.tap_with(&mut lan, &mut honest);
    bench.wait(2_000);
    bench.type_keys("oLan\n161803\n");
    tap(&mut bench, &mut card(&of(13)));
    bench.wait(4_000);
    bench.type_keys("oLan\n161803\n");
    bench.tap_with(&mut lan, &mut |number, _, answer| (number < 2).then_some(answer));
    bench.type_keys("c");
    assert_eq!(story_of(&mut bench, &host).refused, []);
}
