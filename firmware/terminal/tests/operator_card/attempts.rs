//! Attempts that failed cost the card's tries and time, whatever was tried.

use crate::bench::host::card;
use crate::bench::{Bench, chip};

use crate::staff::*;

#[test]
fn wrong_pins_cost_the_cards_tries_and_time_and_from_the_third_on_an_entry() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    let mut lan = card(&lans());
    for (wrong, seconds, said) in [
        (1, 2, "Thẻ còn 2 lần thử"),
        (2, 4, "Thẻ còn 1 lần thử"),
        (3, 8, "PIN thẻ đã khóa: nơi cấp thẻ mở."),
    ] {
        bench.type_keys("oLan\n000000\n");
        assert!(tap(&mut bench, &mut lan));
        let screen = bench.read_screen();
        assert!(
            screen.contains(said)
                && screen.contains("CHƯA MỞ CA: sai mã PIN.")
                && screen.contains(&format!("Chờ {seconds} giây, bấm o")),
            "{wrong}: {screen}"
        );
        assert!(!bench.field && !screen.contains("bấm c"), "{wrong}: {screen}");
        assert_eq!(tries(&mut lan), [0x63C2, 0x63C1, 0x6983][wrong - 1]);
        // Nobody tries anything before its time.
        bench.wait(seconds * 1_000 - 1);
        bench.type_keys("ominh\n");
        assert!(bench.read_screen().contains("Chờ thêm 1 giây"), "{wrong}");
        bench.wait(1);
    }
    assert_eq!(told(&mut bench), ["Lan wrong 3"]);
    // No PIN helps any more, and none is compared: that is no attempt.
    bench.type_keys("oLan\n161803\n");
    tap(&mut bench, &mut lan);
    let screen = bench.read_screen();
    assert!(
        screen.contains("CHƯA MỞ CA: PIN đã bị khóa") && !screen.contains("Chờ"),
        "{screen}"
    );
    assert_eq!(told(&mut bench), ["Lan wrong 3"]);
    // Whoever else works here may.
    bench.type_keys("ominh\n314159\n");
    assert_eq!(told(&mut bench), ["Lan wrong 3", "minh in"]);
}

#[test]
fn a_right_pin_gives_the_tries_back_and_forgives_the_attempts() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    let mut lan = card(&lans());
    bench.type_keys("oLan\n000000\n");
    tap(&mut bench, &mut lan);
    bench.wait(2_000);
    bench.type_keys("oLan\n161803\n");
    tap(&mut bench, &mut lan);
    assert_eq!(
        (told(&mut bench), tries(&mut lan)),
        (vec!["Lan in".to_owned()], 0x63C3)
    );
    bench.type_keys("xoLan\n000000\n");
    tap(&mut bench, &mut lan);
    assert!(bench.read_screen().contains("Chờ 2 giây"));
}

/// A PIN of an operator's own, a card's PIN, another card and a forged one: all are attempts, in one row.
#[test]
fn attempts_of_all_kinds_count_together_and_outlive_the_power() {
    let flash = chip();
    let (mut bench, _) = ready(&flash);
    bench.type_keys("ominh\n000000\n");
    assert!(bench.read_screen().contains("Chờ 2 giây"));
    bench.wait(2_000);
    bench.type_keys("oLan\n161803\n");
    tap(&mut bench, &mut card(&of(13)));
    assert!(bench.read_screen().contains("Chờ 4 giây"));
    bench.wait(4_000);
    bench.type_keys("oTam\n161803\n");
    bench.tap_any(&mut |_, _| Some(vec![0x6A, 0x82]));
    assert!(bench.read_screen().contains("Chờ 8 giây"));
    bench.wait(8_000);
    bench.type_keys("oLan\n000000\n");
    tap(&mut bench, &mut card(&lans()));
    assert!(bench.read_screen().contains("Chờ 16 giây"));
    assert_eq!(told(&mut bench), ["Tam wrong 3", "Lan wrong 4"]);
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    bench.type_keys("oLan\n");
    assert!(bench.read_screen().contains("Chờ thêm 16 giây"));
}
