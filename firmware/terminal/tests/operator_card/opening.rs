//! The right card and its PIN open a shift; another card, a forged one, or an answer that was changed opens none.

use crate::bench::card::issuer::{Plan, plan};
use crate::bench::card::{Card, date, set_life_cycle};
use crate::bench::host::card;
use crate::bench::scripted_card::ScriptedCard;
use crate::bench::{Bench, chip, copy};
use card_spec::command::{LifeCycle, VerifyData};
use card_spec::values::{Amount, CardNumber};
use reference_applet::Slot;

use crate::staff::*;

#[test]
fn the_card_and_its_pin_open_a_shift() {
    for named in ["Lan", "lan", "1", "001"] {
        let flash = chip();
        let (mut bench, _) = ready(&flash);
        bench.type_keys(&format!("o{named}\n9\x08161803\n"));
        let screen = bench.read_screen();
        assert!(screen.contains("Chạm thẻ của Lan"), "{screen}");
        assert!(
            !screen.contains("161803") && screen.contains("******"),
            "{screen}"
        );
        assert_eq!(told(&mut bench), [""; 0], "a PIN alone proves nothing");
        assert!(tap(&mut bench, &mut card(&lans())));
        assert!(bench.read_screen().contains("Mở ca: Lan"));
        assert!(bench.field);
        assert_eq!(told(&mut bench), ["Lan in"], "{named}");
    }
}

/// The session ends with the field; and the card that lies there still is no holder's.
#[test]
fn the_card_is_let_go_before_anybody_else_comes() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    let mut card = card(&lans());
    bench.type_keys("o1\n161803\n");
    bench.switched.clear();
    let mut command = bench.look(true);
    assert!(command.is_some());
    while let Some(sent) = command.take() {
        let answer = card.transmit(&sent).to_vec();
        bench.answer(&answer);
        command = bench.look(true);
    }
    assert!(bench.read_screen().contains("Mở ca: Lan"));
    assert_eq!(bench.switched, [false, true]);
    for _ in 0..3 {
        assert_eq!(bench.look(true), None);
    }
    assert_eq!(bench.read_screen(), "");
    bench.look(false);
    assert!(bench.look(true).is_some(), "a card that comes now is a holder's");
}

#[test]
fn the_pin_authorizes_no_order_that_could_pay() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    let mut lan = ScriptedCard::new(&lans(), 1);
    bench.type_keys("oLan\n161803\n");
    bench.tap_any(&mut |_, command| {
        Some(lan.transmit(command, &mut |_, _| panic!("an operator's tap sends no order")))
    });
    assert_eq!(told(&mut bench), ["Lan in"]);
    let [claim] = &lan.claims[..] else {
        panic!("one PIN is sent")
    };
    let claim = VerifyData::parse(claim).unwrap();
    // No order is of 0 VND (SPEC 9.2).
    assert_eq!((claim.orders, claim.total), (1, Amount::default()));
    assert_eq!(claim.pin.digits(), b"161803");
}

#[test]
fn a_payment_straight_after_needs_the_holders_pin() {
    let flash = chip();
    let (mut bench, host) = ready(&flash);
    // The clerk is a holder, too.
    let mut binhs = card(&plan());
    bench.type_keys("oBinh\n271828\n");
    assert!(tap(&mut bench, &mut binhs));
    assert_eq!(told(&mut bench), ["Binh in"]);
    assert!(!tap(&mut bench, &mut binhs));
    assert!(bench.read_screen().contains("500.000"));
    bench.type_keys("\n");
    assert!(bench.read_screen().contains("6 chữ số"));
    bench.tap(&mut binhs);
    assert_eq!(bench.commands, 0, "it is not asked for");
    bench.type_keys("161803\n");
    bench.tap(&mut binhs);
    assert_eq!(story_of(&mut bench, &host).paid, [], "another PIN");
    bench.type_keys("271828\n");
    bench.tap(&mut binhs);
    assert_eq!(story_of(&mut bench, &host).paid, [1]);
}

/// Who may be clerk at all is decided before any card.
#[test]
fn who_has_not_the_role_is_asked_for_no_card() {
    for keys in ["oHoa\n", "o3\n", "o9\n", "oNobody\n", "gLan\n"] {
        let flash = chip();
        let (mut bench, _) = ready(&flash);
        if keys.starts_with('g') {
            drop(bench);
            bench = Bench::power_on(&flash).unwrap();
        }
        bench.read_screen();
        bench.type_keys(keys);
        let screen = bench.read_screen();
        assert!(screen.contains("Không ai có tên hoặc số này"), "{keys}: {screen}");
        bench.type_keys("161803\n");
        assert!(!tap(&mut bench, &mut card(&lans())), "{keys}");
        assert_eq!(told(&mut bench), [""; 0], "{keys}");
    }
}

#[test]
fn what_is_no_pin_of_a_card_is_not_sent_and_costs_nothing() {
    for digits in ["", "1", "16180", "1618033", "161803398874"] {
        let flash = chip();
        let (mut bench, _) = ready(&flash);
        bench.type_keys(&format!("oLan\n{digits}\n"));
        let screen = bench.read_screen();
        assert!(screen.contains("6 chữ số") && !screen.contains("Chờ"), "{screen}");
        assert!(!bench.field);
        bench.type_keys("161803\n");
        assert!(tap(&mut bench, &mut card(&lans())), "{digits}");
        assert_eq!(told(&mut bench), ["Lan in"], "{digits}");
    }
}

/// What is held to the reader instead, what is said, and does it count as an attempt?
#[test]
fn no_other_card_is_sent_the_pin() {
    let hers = lans().number;
    let ended = Plan {
        dates: (date(2026, 10, 1), date(2026, 11, 21)),
        ..lans()
    };
    let not_yet = Plan {
        dates: (date(2026, 11, 23), date(2036, 10, 31)),
        ..lans()
    };
    type Case = (&'static str, Card, Vec<CardNumber>, &'static str, bool);
    let cases: [Case; 6] = [
        ("Tam's", card(&of(13)), vec![], "đây không phải thẻ của Lan", true),
        (
            "nobody's",
            card(&of(14)),
            vec![],
            "đây không phải thẻ của Lan",
            true,
        ),
        (
            "of another issuer",
            foreign_card(&lans()),
            vec![],
            "thiết bị chưa có chứng thư của nơi cấp thẻ",
            false,
        ),
        ("blocked", card(&lans()), vec![hers], "thẻ đã ngừng dùng", false),
        (
            "expired",
            card(&ended),
            vec![],
            "thẻ hết hạn hoặc chưa có hiệu lực",
            false,
        ),
        (
            "not yet valid",
            card(&not_yet),
            vec![],
            "thẻ hết hạn hoặc chưa có hiệu lực",
            false,
        ),
    ];
    for (what, mut wrong, blocked, said, counts) in cases {
        let flash = chip();
        let (mut bench, _) = blocking(&flash, blocked);
        let before = pin_of(&wrong);
        bench.type_keys("oLan\n161803\n");
        bench.read_screen();
        assert!(!tap(&mut bench, &mut wrong), "{what}: the PIN was sent");
        let screen = bench.read_screen();
        assert!(
            screen.contains(&format!("CHƯA MỞ CA: {said}")),
            "{what}: {screen}"
        );
        assert_eq!(screen.contains("Chờ 2 giây, bấm o"), counts, "{what}: {screen}");
        assert!(!bench.field, "{what}");
        assert_eq!(told(&mut bench), [""; 0], "{what}");
        assert_eq!(pin_of(&wrong), before, "{what}");
        assert_eq!(
            life_cycle(&mut wrong),
            LifeCycle::Active as u8,
            "{what}: it is left as it is"
        );
        // The PIN is forgotten.
        bench.wait(2_000);
        bench.type_keys("oLan\n\n");
        assert!(bench.read_screen().contains("6 chữ số"), "{what}");
    }
}

/// The card's PIN and its tries, as it keeps them.
fn pin_of(card: &Card) -> Vec<u8> {
    card.memory().slots[usize::from(Slot::Pin.index())].clone()
}

#[test]
fn what_only_pretends_to_be_the_card_is_sent_no_pin() {
    for (key, agreement) in [("agreement", true), ("signing", false)] {
        let flash = chip();
        let (mut bench, _) = ready(&flash);
        let mut clone = ScriptedCard::new(&lans(), 1).without_a_key(agreement);
        bench.type_keys("oLan\n161803\n");
        bench.tap_any(&mut |_, command| Some(clone.transmit(command, &mut |_, _| panic!("no order"))));
        let screen = bench.read_screen();
        assert!(
            screen.contains("CHƯA MỞ CA: thẻ không hợp lệ") && screen.contains("Chờ 2 giây, bấm o"),
            "{key}: {screen}"
        );
        assert!(clone.claims.is_empty(), "{key}");
        assert_eq!(told(&mut bench), [""; 0], "{key}");
    }
    // A card of another kind.
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    bench.type_keys("oLan\n161803\n");
    bench.tap_any(&mut |_, _| Some(vec![0x6A, 0x82]));
    assert_eq!(bench.commands, 1);
    assert!(bench.read_screen().contains("CHƯA MỞ CA: thẻ không hợp lệ"));
}

/// A card that its issuer has blocked opens sessions still, and compares no PIN.
#[test]
fn a_card_that_is_not_active_proves_nothing() {
    for life_cycle in [LifeCycle::Blocked, LifeCycle::Terminated] {
        let flash = chip();
        let (mut bench, _) = ready(&flash);
        let mut dead = card(&lans());
        set_life_cycle(&mut dead, life_cycle);
        bench.type_keys("oLan\n161803\n");
        tap(&mut bench, &mut dead);
        let screen = bench.read_screen();
        assert!(
            screen.contains("CHƯA MỞ CA: thẻ từ chối") && !screen.contains("Chờ"),
            "{screen}"
        );
        assert_eq!(told(&mut bench), [""; 0]);
    }
}

/// Whatever the answers are changed to on their way: nobody works here who has not the card.
#[test]
fn an_answer_that_was_changed_opens_no_shift() {
    let first = card(&lans());
    let mut steps = 0;
    for at in 0.. {
        let mut reached = false;
        for last in [false, true] {
            let flash = chip();
            let (mut bench, _) = ready(&flash);
            let mut lan = copy(&first, 1);
            bench.type_keys("oLan\n161803\n");
            bench.tap_with(&mut lan, &mut |number, _, mut answer| {
                if number == at {
                    reached = true;
                    let place = if last { answer.len() - 1 } else { 0 };
                    answer[place] ^= 0x01;
                }
                Some(answer)
            });
            if reached {
                // SELECT's data are the card's own affair.
                let untouched = at == 0 && !last;
                assert_eq!(told(&mut bench).is_empty(), !untouched, "step {at}, last: {last}");
            }
        }
        if !reached {
            break;
        }
        steps += 1;
    }
    assert!(steps > 6, "{steps}");
}
