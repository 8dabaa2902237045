//! Command and response APDUs: every case of ISO/IEC 7816-4:2020, 5.2, and what is none of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use card_spec::apdu::{Command, CommandError, NoStatusWord, Response, StatusWord};
use proptest::prelude::*;

fn parse(text: &str) -> Result<(Vec<u8>, Option<u16>), CommandError> {
    let octets = hex::decode(text).unwrap();
    Command::parse(&octets).map(|command| (command.data.to_vec(), command.expected))
}

#[test]
fn all_cases() {
    assert_eq!(parse("00A40400"), Ok((vec![], None)));
    assert_eq!(parse("00B0000010"), Ok((vec![], Some(16))));
    assert_eq!(parse("00B0000000"), Ok((vec![], Some(256))));
    assert_eq!(parse("00D600000201FF"), Ok((vec![1, 0xFF], None)));
    assert_eq!(parse("00D600000201FF00"), Ok((vec![1, 0xFF], Some(256))));
    assert_eq!(parse("00B00000000100"), Ok((vec![], Some(256))));
    assert_eq!(parse("00B00000000000"), Ok((vec![], Some(u16::MAX))));
    assert_eq!(parse("00D60000000002AABB"), Ok((vec![0xAA, 0xBB], None)));
    assert_eq!(
        parse("00D60000000002AABB0103"),
        Ok((vec![0xAA, 0xBB], Some(0x103)))
    );
}

#[test]
fn malformed_lengths_are_refused() {
    for text in [
        "",
        "00A404",
        // Lc announces more or less than there is.
        "00D6000002AA",
        "00D6000001AABBCC",
        "00D6000002AABB0000",
        // Extended: half an Lc, an Lc of zero, too little, too much, half an Le, a short Le.
        "00D600000000",
        "00D6000000000000",
        "00D60000000000AABB",
        "00D60000000002AA",
        "00D60000000002AABB00",
        "00D60000000002AABB000000",
    ] {
        assert_eq!(parse(text), Err(CommandError::Length), "{text}");
    }
}

#[test]
fn invalid_classes_and_instructions_are_refused() {
    assert_eq!(parse("FFA40400"), Err(CommandError::Class));
    assert_eq!(parse("00600000"), Err(CommandError::Instruction));
    assert_eq!(parse("009F0000"), Err(CommandError::Instruction));
}

#[test]
fn what_is_no_short_command_is_not_encoded() {
    let command = |data, expected| Command {
        class: 0,
        instruction: 0xB0,
        p1: 0,
        p2: 0,
        data,
        expected,
    };
    let mut out = [0; 261];
    assert_eq!(
        command(&[0; 256], None).encode_short(&mut out),
        Err(CommandError::Length)
    );
    assert_eq!(
        command(&[], Some(0)).encode_short(&mut out),
        Err(CommandError::Length)
    );
    assert_eq!(
        command(&[], Some(257)).encode_short(&mut out),
        Err(CommandError::Length)
    );
    assert_eq!(
        command(&[1; 4], None).encode_short(&mut out[..8]),
        Err(CommandError::BufferTooSmall)
    );
    assert_eq!(
        command(&[0; 255], Some(256))
            .encode_short(&mut out)
            .unwrap()
            .len(),
        261
    );
}

#[test]
fn data_of_a_refused_command_are_out_of_reach() {
    let response = Response::parse(&[0xAA, 0x6A, 0x82]).unwrap();
    assert_eq!(response.ok(), Err(StatusWord::FILE_NOT_FOUND));
    assert_eq!(
        response.checked(StatusWord::END_OF_FILE),
        Err(StatusWord::FILE_NOT_FOUND)
    );
    let warning = Response::parse(&[0xAA, 0x63, 0x40]).unwrap();
    assert_eq!(warning.ok(), Err(StatusWord::REFUSED_RECEIPT_FOLLOWS));
    assert_eq!(
        warning.checked(StatusWord::REFUSED_RECEIPT_FOLLOWS),
        Ok(&[0xAA][..])
    );
}

#[test]
fn a_card_that_left_gives_no_status_word() {
    assert_eq!(Response::parse(&[]), Err(NoStatusWord));
    assert_eq!(Response::parse(&[0x90]), Err(NoStatusWord));
}

#[test]
fn tries_left() {
    assert_eq!(StatusWord::tries_left(2), StatusWord(0x63C2));
    assert_eq!(StatusWord::tries_left(200), StatusWord(0x63CF));
    assert_eq!(StatusWord(0x63C0).tries(), Some(0));
    assert_eq!(StatusWord::REFUSED_RECEIPT_FOLLOWS.tries(), None);
    assert_eq!(StatusWord::SUCCESS.tries(), None);
}

#[test]
fn debug_output_shows_no_data() {
    let command = Command {
        class: 0,
        instruction: 0x20,
        p1: 0,
        p2: 0x80,
        data: b"123456",
        expected: None,
    };
    assert_eq!(format!("{command:?}"), "Command(00 20 00 80, 6 octets)");
    let response = Response::new(b"Nguyen", StatusWord::SUCCESS);
    assert_eq!(format!("{response:?}"), "Response(6 octets, 9000)");
}

proptest! {
    #[test]
    fn parsing_never_panics(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Command::parse(&octets);
        let _ = Response::parse(&octets);
    }

    #[test]
    fn short_commands_survive_encoding(
        header in any::<[u8; 4]>(),
        data in prop::collection::vec(any::<u8>(), 0..=255),
        expected in prop::option::of(1..=256u16),
    ) {
        let [class, instruction, p1, p2] = header;
        prop_assume!(class != 0xFF && !matches!(instruction & 0xF0, 0x60 | 0x90));
        let command = Command { class, instruction, p1, p2, data: &data, expected };
        let mut out = [0; 261];
        prop_assert_eq!(Command::parse(command.encode_short(&mut out).unwrap()), Ok(command));
    }
}

#[test]
fn bit_5_of_the_class_says_that_more_of_the_chain_follows() {
    let of = |class| Command {
        class,
        instruction: 0x54,
        p1: 0,
        p2: 0,
        data: &[],
        expected: None,
    };
    for (last, not_last) in [(0x00, 0x10), (0x80, 0x90), (0x84, 0x94), (0x8F, 0x9F)] {
        assert!(!of(last).is_chained());
        assert!(of(not_last).is_chained());
        for class in [last, not_last] {
            assert_eq!(of(class).with_chaining(true), of(not_last));
            assert_eq!(of(class).with_chaining(false), of(last));
        }
    }
}

#[test]
fn a_command_without_data_has_no_lc() {
    let mut command = Command {
        class: 0x80,
        instruction: 0xCA,
        p1: 0xFF,
        p2: 0x3F,
        data: &[],
        expected: None,
    };
    let mut out = [0; 16];
    assert_eq!(command.encode_short(&mut out), Ok(&[0x80, 0xCA, 0xFF, 0x3F][..]));
    command.expected = Some(256);
    assert_eq!(
        command.encode_short(&mut out),
        Ok(&[0x80, 0xCA, 0xFF, 0x3F, 0x00][..])
    );
    command.expected = Some(255);
    assert_eq!(
        command.encode_short(&mut out),
        Ok(&[0x80, 0xCA, 0xFF, 0x3F, 0xFF][..])
    );
}

#[test]
fn tries_are_told_up_to_15() {
    for tries in 0..=15 {
        let status = StatusWord::tries_left(tries);
        assert_eq!(status.to_bytes(), [0x63, 0xC0 + tries]);
        assert_eq!(status.tries(), Some(tries));
    }
    assert_eq!(StatusWord::tries_left(16), StatusWord(0x63CF));
    for other in [0x62C3, 0x6303, 0x63D3, 0x64C3] {
        assert_eq!(StatusWord(other).tries(), None, "{other:04X}");
    }
}

#[test]
fn warnings_are_62xx_and_63xx() {
    for status in 0..=u16::MAX {
        let warning = matches!(status >> 8, 0x62 | 0x63);
        assert_eq!(StatusWord(status).is_warning(), warning, "{status:04X}");
    }
}

#[test]
fn a_response_is_data_and_status_word() {
    let response = Response::new(&[1, 2], StatusWord::FILE_NOT_FOUND);
    assert_eq!(response.status(), StatusWord::FILE_NOT_FOUND);
    assert_eq!(response.encode(&mut [0; 4]), Ok(&[1, 2, 0x6A, 0x82][..]));
    for size in 0..4 {
        let mut out = vec![0; size];
        assert_eq!(response.encode(&mut out), Err(CommandError::BufferTooSmall));
    }
}

/// SPEC 8.4, 10.
#[test]
fn what_is_no_command_is_answered_with_its_own_status_word() {
    assert_eq!(CommandError::Length.status(), StatusWord(0x6700));
    assert_eq!(CommandError::BufferTooSmall.status(), StatusWord(0x6700));
    assert_eq!(CommandError::Class.status(), StatusWord(0x6E00));
    assert_eq!(CommandError::Instruction.status(), StatusWord(0x6D00));
}
