//! PIN commands that do not do what they should: no card gets a PIN that its holder does not know.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use ansinh_issuance::Failure;
use ansinh_station::issue::PinSource;
use ansinh_station::issue::pin::PinCommand;

fn pin(command: &str) -> Result<[u8; 6], Failure> {
    pin_within(command, PinCommand::TIME_LIMIT)
}

fn pin_within(command: &str, time_limit: Duration) -> Result<[u8; 6], Failure> {
    let number = "4111111111111111".parse().unwrap();
    PinCommand::new(command.to_owned(), time_limit)
        .pin(&number, "reader 00")
        .map(|pin| *pin.digits())
}

#[test]
fn six_digits_are_taken_with_or_without_a_line_end() {
    for command in ["printf 271828", "echo 271828", r"printf '271828\r\n'"] {
        assert_eq!(pin(command), Ok(*b"271828"), "{command}");
    }
}

#[test]
fn the_command_learns_card_and_reader_and_no_passphrase() {
    let checks = r#"test "$ANSINH_CARD_NUMBER" = 4111111111111111 && test "$ANSINH_READER" = 'reader 00' &&
        test -z "$ANSINH_PASSPHRASE" && printf 271828"#;
    assert_eq!(pin(checks), Ok(*b"271828"));
}

#[test]
fn anything_else_is_no_pin() {
    for command in [
        "true",
        "echo",
        "printf 27182",
        "printf 2718281",
        "printf 27182x",
        "printf ' 271828'",
        r"printf '271828\n314159\n'",
        "printf '２７'",
        "printf 271828; false",
        "kill -9 $$",
        "no-such-program",
        "head -c 100000 /dev/zero",
        "yes",
        "printf 271828; yes 271828",
    ] {
        let failure = pin(command).expect_err(command);
        assert!(
            matches!(&failure, Failure::Pin(why) if !why.contains("2718")),
            "{command}: {failure}"
        );
    }
}

#[test]
fn a_command_that_hangs_is_ended() {
    for command in [
        "sleep 20",
        "printf 271828; sleep 20",
        "printf 271828; exec >&-; sleep 20",
        "sleep 20 & printf 271828",
    ] {
        let start = Instant::now();
        let end = pin_within(command, Duration::from_millis(500));
        assert!(
            matches!(&end, Err(Failure::Pin(why)) if why.contains("too long")),
            "{command}: {end:?}"
        );
        assert!(start.elapsed() < Duration::from_secs(15), "{command}");
    }
}
