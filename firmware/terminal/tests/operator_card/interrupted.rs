//! The card is torn away, the operator leaves, or another list of operators comes.

use crate::bench::host::card;
use crate::bench::{chip, copy};
use card_spec::operators::Roles;
use link::Refusal;

use crate::staff::*;

/// The card leaves at each command of its tap, before the command reaches it or before its answer comes. It opens the shift as
/// soon as it stays; a PIN that was sent is typed anew, and one that was not is not.
#[test]
fn a_card_torn_away_at_any_moment_comes_back() {
    let first = card(&lans());
    let (mut torn, mut typed_anew) = (0, 0);
    for at in 0.. {
        let mut is_over = false;
        for reaches in [false, true] {
            let flash = chip();
            let (mut bench, host) = ready(&flash);
            let mut lan = copy(&first, 1);
            bench.type_keys("oLan\n161803\n");
            bench.read_screen();
            let mut sent = false;
            lan.reset();
            bench.tap_any(&mut |number, command| {
                sent |= command[..2] == VERIFY;
                if number == at && !reaches {
                    return None;
                }
                let answer = lan.transmit(command).to_vec();
                (number != at).then_some(answer)
            });
            if bench.commands <= at {
                assert_eq!(told(&mut bench), ["Lan in"]);
                is_over = true;
                continue;
            }
            torn += 1;
            let screen = bench.read_screen();
            assert!(
                screen.contains("CHƯA MỞ CA: thẻ bị nhấc ra quá sớm") && !screen.contains("Chờ"),
                "{screen}"
            );
            assert_eq!(told(&mut bench), [""; 0]);
            if sent {
                typed_anew += 1;
                assert!(screen.contains("PIN thẻ của Lan"), "{screen}");
                assert!(!bench.field, "the PIN is gone");
                assert!(!tap(&mut bench, &mut lan));
                bench.type_keys("\n");
                assert!(bench.read_screen().contains("6 chữ số"));
                bench.type_keys("161803\n");
            } else {
                assert!(screen.contains("Chạm thẻ của Lan"), "{screen}");
            }
            assert!(tap(&mut bench, &mut lan));
            assert_eq!(told(&mut bench), ["Lan in"], "{at}");
            assert_eq!(tries(&mut lan), 0x63C3);
            assert_eq!(story_of(&mut bench, &host).refused, [], "no holder was refused");
        }
        if is_over {
            break;
        }
    }
    assert_eq!(typed_anew, 2);
    assert!(torn > 12, "{torn}");
}

/// The card's own tries bound whoever tears it away before it tells.
#[test]
fn tearing_the_card_away_saves_no_try() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    let mut lan = card(&lans());
    bench.type_keys("oLan\n000000\n");
    for left in [0x63C2, 0x63C1, 0x6983] {
        bench.tap_with(&mut lan, &mut |_, command, answer| {
            (command[..2] != VERIFY).then_some(answer)
        });
        assert_eq!(tries(&mut lan), left);
        bench.type_keys("000000\n");
    }
    bench.type_keys("\x1B");
    bench.type_keys("oLan\n161803\n");
    tap(&mut bench, &mut lan);
    assert!(bench.read_screen().contains("PIN đã bị khóa"));
    assert_eq!(told(&mut bench), [""; 0]);
}

/// Escape, `c` and two minutes of silence, before, while and after the PIN is typed, and after a card that was torn away.
#[test]
fn whoever_leaves_leaves_no_pin_behind() {
    let mut lan = card(&lans());
    for typed in ["oLan\n", "oLan\n1618", "oLan\n161803", "oLan\n161803\n", "torn"] {
        for leave in ["\x1B", "c", "C", "silence"] {
            let flash = chip();
            let (mut bench, _) = ready(&flash);
            if typed == "torn" {
                bench.type_keys("oLan\n161803\n");
                bench.tap_with(&mut lan, &mut |number, _, answer| (number < 3).then_some(answer));
                assert!(bench.field);
            } else {
                bench.type_keys(typed);
            }
            match leave {
                "silence" => {
                    bench.wait(2 * MINUTE - 1);
                    assert!(!bench.screen.contains("Bấm o"), "{typed:?}");
                    bench.wait(1);
                }
                key => bench.type_keys(key),
            }
            assert!(bench.read_screen().contains("Bấm o"), "{typed:?} {leave:?}");
            assert!(!bench.field, "{typed:?} {leave:?}");
            assert!(!tap(&mut bench, &mut lan), "{typed:?} {leave:?}");
            bench.type_keys("oLan\n\n");
            assert!(bench.read_screen().contains("6 chữ số"), "{typed:?} {leave:?}");
            assert_eq!(told(&mut bench), [""; 0]);
        }
    }
}

/// The clerk is asked for a card and presses anything else: nothing happens.
#[test]
fn no_other_key_means_anything_while_the_card_is_awaited() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    bench.type_keys("oLan\n161803\n");
    bench.read_screen();
    bench.type_keys("ogxtlbdpnm32 \n\x7F161803");
    assert_eq!(bench.read_screen(), "");
    assert!(tap(&mut bench, &mut card(&lans())));
    assert_eq!(told(&mut bench), ["Lan in"]);
}

/// Another list comes between two steps: of somebody else's card, of a PIN, without the name, or of other roles only. Nobody has proven
/// anything; the same list once more changes nothing.
#[test]
fn another_list_of_operators_ends_what_was_begun() {
    let lists = [
        list(2, &[operator(1, "Lan", Roles::CLERK, by_card(13))]),
        list(2, &[operator(1, "Lan", Roles::CLERK, by_pin())]),
        list(2, &[operator(1, "Tam", Roles::CLERK, by_card(11))]),
        list(2, &[operator(1, "Lan", Roles::SUPERVISOR, by_card(11))]),
        list(2, &[operator(1, "Lan", Roles::CLERK, by_card(11))]),
    ];
    for (place, other) in lists.iter().enumerate() {
        for typed in ["oLan\n161803", "oLan\n161803\n"] {
            let flash = chip();
            let (mut bench, host) = ready(&flash);
            bench.type_keys(typed);
            load(&mut bench, &host, other).unwrap();
            bench.read_screen();
            if !typed.ends_with('\n') {
                bench.type_keys("\n");
            }
            assert!(!tap(&mut bench, &mut card(&lans())), "{place} {typed:?}");
            let screen = bench.read_screen();
            assert!(
                screen.contains("CHƯA MỞ CA: có danh sách người trả mới. Hãy bấm o lần nữa."),
                "{place} {typed:?}: {screen}"
            );
            assert!(!bench.field);
            assert_eq!(told(&mut bench), [""; 0], "{place} {typed:?}");
        }
    }
    let flash = chip();
    let (mut bench, host) = ready(&flash);
    bench.type_keys("oLan\n161803");
    load(&mut bench, &host, &staff()).unwrap();
    bench.type_keys("\n");
    load(&mut bench, &host, &staff()).unwrap();
    assert!(tap(&mut bench, &mut card(&lans())));
    assert_eq!(told(&mut bench), ["Lan in"]);
}

#[test]
fn no_list_comes_while_the_card_is_there() {
    let first = card(&lans());
    let flash = chip();
    let (mut bench, host) = ready(&flash);
    let mut lan = copy(&first, 1);
    bench.type_keys("oLan\n161803\n");
    let other = list(2, &[operator(1, "Lan", Roles::CLERK, by_card(13))]);
    let mut command = bench.look(true);
    let mut steps = 0;
    while let Some(sent) = command.take() {
        assert_eq!(
            load(&mut bench, &host, &other),
            Err(Refusal::Busy),
            "step {steps}"
        );
        steps += 1;
        let answer = lan.transmit(&sent).to_vec();
        bench.answer(&answer);
        command = bench.look(true);
    }
    assert!(steps > 6, "{steps}");
    assert_eq!(told(&mut bench), ["Lan in"]);
}
