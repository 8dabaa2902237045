//! PIN letters and the commands that print them, faulty ones above all: no PIN is given that its holder cannot have read.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use ansinh_issuance::Failure;
use ansinh_station::issue::pin::PinCommand;
use ansinh_station::issue::{Addressee, LetterPin, Letterhead, PinSource};
use card_spec::values::CardNumber;
use tempfile::TempDir;

fn addressee(name: &str) -> Addressee {
    Addressee {
        name: name.to_owned(),
        address: "Xã Bình Chánh, Thành phố Hồ Chí Minh".to_owned(),
    }
}

fn ask(source: &dyn PinSource) -> Result<[u8; 6], Failure> {
    let number = "4111111111111111".parse().unwrap();
    source.pin(&number, "reader 00").map(|pin| *pin.digits())
}

/// Has a letter to this addressee printed by a command.
fn letter_pin(
    command: String,
    time_limit: Duration,
    addressee: &Result<Addressee, Failure>,
) -> Result<[u8; 6], Failure> {
    let head = Letterhead {
        sender: "Sở Nội vụ".to_owned(),
        contact: "Trạm cấp thẻ, 028 3829 1302".to_owned(),
    };
    let find = |_: &CardNumber| addressee.clone();
    ask(&LetterPin::new(command, time_limit, head, &find))
}

/// The same, in this folder.
fn print_to(name: &str, folder: &Path, command: &str, time_limit: Duration) -> Result<[u8; 6], Failure> {
    let command = format!("cd '{}' || exit\n{command}", folder.display());
    letter_pin(command, time_limit, &Ok(addressee(name)))
}

fn print(folder: &Path, command: &str) -> Result<[u8; 6], Failure> {
    print_to("Nguyễn Thị Gấm", folder, command, LetterPin::TIME_LIMIT)
}

fn text_of(pdf: &Path) -> String {
    let output = Command::new("pdftotext").arg(pdf).arg("-").output();
    let output = output.unwrap_or_else(|_| panic!("pdftotext is missing: apt-get install poppler-utils"));
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn the_letter_has_the_pin_that_the_card_gets() {
    let folder = folder();
    let pin = print(folder.path(), "cat > letter.pdf").unwrap();
    let text = text_of(&folder.path().join("letter.pdf"));
    for expected in [
        str::from_utf8(&pin).unwrap(),
        "4111 1111 1111 1111",
        "Nguyễn Thị Gấm",
        "Xã Bình Chánh, Thành phố Hồ Chí Minh",
        "Sở Nội vụ",
        "Trạm cấp thẻ, 028 3829 1302",
    ] {
        assert_eq!(text.matches(expected).count(), 1, "{expected}: {text}");
    }
}

#[test]
fn each_letter_has_a_pin_of_its_own() {
    let folder = folder();
    let pins: HashSet<[u8; 6]> = (0..8)
        .map(|_| print(folder.path(), "cat > /dev/null").unwrap())
        .collect();
    // Two of eight are alike once in 36,000 runs; half of them never.
    assert!(pins.len() > 4);
}

#[test]
fn the_command_learns_card_and_reader_and_neither_pin_nor_passphrase() {
    let folder = folder();
    let pin = print(
        folder.path(),
        "env > environment; cat > letter.pdf; ps -o args= -p $$ > arguments",
    )
    .unwrap();
    let learned = fs::read_to_string(folder.path().join("environment")).unwrap();
    assert!(
        learned.contains("ANSINH_CARD_NUMBER=4111111111111111\n")
            && learned.contains("ANSINH_READER=reader 00\n")
    );
    assert!(!learned.contains("ANSINH_PASSPHRASE"));
    let arguments = fs::read_to_string(folder.path().join("arguments")).unwrap();
    assert!(!(learned + &arguments).contains(str::from_utf8(&pin).unwrap()));
}

#[test]
fn a_letter_that_was_not_printed_gives_no_pin() {
    for (command, why) in [
        ("exit 1", "exit status: 1"),
        ("cat > letter.pdf; exit 1", "exit status: 1"),
        ("cat > letter.pdf; false", "exit status: 1"),
        ("no-such-printer", "exit status: 127"),
        ("kill -9 $$", "signal: 9"),
        ("cat > letter.pdf; kill -9 $$", "signal: 9"),
        // Printers that succeed without the letter, or with its beginning.
        ("true", "did not read the whole letter"),
        ("exec <&-", "did not read the whole letter"),
        ("cat < /dev/null", "did not read the whole letter"),
        ("head -c 1 > letter.pdf", "did not read the whole letter"),
    ] {
        let folder = folder();
        let failure = print(folder.path(), command).expect_err(command);
        let Failure::Pin(said) = &failure else {
            panic!("{command}: {failure}")
        };
        assert!(said.contains(why), "{command}: {said}");
        assert!(said.contains("đưa lại thẻ này để in thư mới"), "{said}");
        assert!(said.contains("insert this card again for a new letter"), "{said}");
    }
}

#[test]
fn a_printer_that_hangs_is_ended_before_or_after_it_took_the_letter() {
    for command in [
        "sleep 100",
        "cat > letter.pdf; sleep 100",
        "sleep 100 < /dev/null",
        "cat > letter.pdf & wait; sleep 100",
    ] {
        let folder = folder();
        let failure = print_to("An", folder.path(), command, Duration::from_millis(300)).expect_err(command);
        assert!(
            matches!(&failure, Failure::Pin(why) if why.contains("too long") && why.contains("No PIN was set")),
            "{command}: {failure}"
        );
    }
}

/// What is written into a named pipe by processes of a command, until none of them is left.
fn last_words(folder: &Path, run: impl FnOnce()) -> String {
    let pipe = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let listener = thread::spawn(move || {
        let mut words = String::new();
        File::open(pipe).unwrap().read_to_string(&mut words).unwrap();
        words
    });
    run();
    listener.join().unwrap()
}

#[test]
fn nothing_that_a_command_started_outlives_it() {
    const CHILD: &str = "exec 9> pipe; (sleep 5; echo alive >&9) & echo started >&9;";
    for (end, succeeds) in [
        ("cat > letter.pdf", true),
        ("exit 1", false),
        ("sleep 100", false),
    ] {
        let folder = folder();
        let command = format!("{CHILD} {end}");
        let words = last_words(folder.path(), || {
            // Long enough for a shell to begin; one that has not begun by then never opens the pipe.
            let printed = print_to("An", folder.path(), &command, Duration::from_secs(2));
            assert_eq!(printed.is_ok(), succeeds, "{end}");
        });
        assert_eq!(words, "started\n", "{end}");
    }
}

#[test]
fn nothing_that_a_pin_command_started_outlives_it() {
    for (end, succeeds) in [
        ("printf 271828", true),
        ("printf 2718281828", false),
        ("exit 1", false),
    ] {
        let folder = folder();
        let enter = format!("cd '{}' || exit", folder.path().display());
        // The child holds the pipe but not the output, which would be waited for.
        let command =
            format!("{enter}; exec 9> pipe; (sleep 5; echo alive >&9) > /dev/null & echo started >&9; {end}");
        let words = last_words(folder.path(), || {
            let source = PinCommand::new(command, PinCommand::TIME_LIMIT);
            assert_eq!(ask(&source).is_ok(), succeeds, "{end}");
        });
        assert_eq!(words, "started\n", "{end}");
    }
}

#[test]
fn a_name_that_cannot_be_printed_gives_no_pin_and_nothing_is_printed() {
    for (name, why) in [
        ("", "empty"),
        ("An\n", "U+000A"),
        ("Nguyễn 安", "U+5B89"),
        (" An", "space"),
    ] {
        let folder = folder();
        let failure =
            print_to(name, folder.path(), "cat > letter.pdf", LetterPin::TIME_LIMIT).expect_err(name);
        assert!(
            matches!(&failure, Failure::Pin(said) if said.contains(why)),
            "{name:?}: {failure}"
        );
        assert!(!failure.to_string().contains("Nguyễn"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_holder_that_the_ledger_cannot_tell_gives_no_pin() {
    let failure = Failure::Ledger("gone".to_owned());
    let asked = letter_pin(
        "cat > /dev/null".to_owned(),
        LetterPin::TIME_LIMIT,
        &Err(failure.clone()),
    );
    assert_eq!(asked, Err(failure));
}
