//! A holder is paid: shift, two taps, PIN, order, receipt, hand-over.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod bench;

use bench::card::issuer::plan;
use bench::host::{Host, card, line};
use bench::{Bench, chip, story};

#[test]
fn two_lines_are_paid_with_one_pin_and_never_again() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    assert!(bench.read_screen().contains("TEST"));
    let mut host = Host::new(vec![line(1, 1, 500_000), line(2, 2, 1_234_567)]);
    host.prepare(&mut bench).unwrap();
    let mut card = card(&plan());

    bench.type_keys("oLan\n");
    assert!(bench.read_screen().contains("Chạm thẻ"));
    bench.tap(&mut card);
    let screen = bench.read_screen();
    for expected in [
        "Nguyễn Thị Huỳnh Như",
        "Trợ cấp xã hội",
        "1.234.567 đồng",
        "1.734.567 đồng",
        "PIN",
    ] {
        assert!(screen.contains(expected), "{expected} in {screen}");
    }
    bench.type_keys("271828\n");
    let screen = bench.read_screen();
    assert!(
        screen.contains("******") && !screen.contains("271828"),
        "{screen}"
    );
    bench.tap(&mut card);
    println!("commands of the second tap: {}", bench.commands);
    let screen = bench.read_screen();
    assert_eq!(screen.matches("ĐÃ TRẢ").count(), 2, "{screen}");
    assert!(screen.contains("Đưa 1.734.567 đồng"), "{screen}");
    assert!(!bench.field, "no other card before the money is handed over");
    bench.type_keys("\n");
    assert!(bench.read_screen().contains("Đã giao tiền"));

    bench.tap(&mut card);
    assert!(bench.read_screen().contains("đã trả rồi"));
    let entries = bench.journal();
    let told = story(&entries, &host.journal_key.unwrap());
    assert_eq!(told.paid, [1, 2]);
    assert_eq!(told.refused, [6]);
    assert_eq!(told.kinds, [1, 2, 3, 4, 5, 6, 7, 6, 7, 8, 8, 9]);
}

/// Exchanges with the card that one payment takes at most, and bytes in both directions.
const EXCHANGES: usize = 10;
const BYTES: usize = 2_000;

#[test]
fn a_payment_takes_few_exchanges_and_reads_no_cso_twice() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    host.prepare(&mut bench).unwrap();
    let mut card = card(&plan());
    bench.type_keys("oLan\n");
    let reads_cso = |command: &[u8]| command[..2] == [0x00, 0xB0];
    let mut read = 0;
    bench.tap_with(&mut card, &mut |_, command, answer| {
        read += usize::from(reads_cso(command));
        Some(answer)
    });
    assert!(read > 0, "the first tap reads it");
    bench.type_keys("271828\n");
    let mut bytes = 0;
    bench.tap_with(&mut card, &mut |_, command, answer| {
        assert!(!reads_cso(command));
        bytes += command.len() + answer.len();
        Some(answer)
    });
    assert_eq!(story(&bench.journal(), &host.journal_key.unwrap()).paid, [1]);
    println!("{} exchanges, {bytes} bytes", bench.commands);
    assert!(
        bench.commands <= EXCHANGES && bytes <= BYTES,
        "{} exchanges, {bytes} bytes",
        bench.commands
    );
}

#[test]
fn a_line_feed_after_enter_confirms_nothing() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    host.prepare(&mut bench).unwrap();
    let mut card = card(&plan());
    bench.type_keys("oLan\r\n");
    bench.tap(&mut card);
    bench.type_keys("271828\r\n");
    bench.tap(&mut card);
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    assert!(bench.read_screen().contains("Đưa 500.000 đồng"));
    bench.type_keys("oMai\r\n");
    assert_eq!(story(&bench.journal(), &host.journal_key.unwrap()).handed, []);
    bench.type_keys("\r\n");
    assert_eq!(
        story(&bench.journal(), &host.journal_key.unwrap()).handed.len(),
        1
    );
}
