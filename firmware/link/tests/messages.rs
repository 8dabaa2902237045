//! The messages: their fixed encoding, their limits, and that nothing else is taken for one.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use std::collections::HashSet;

use link::{
    Answer, FrameDecoder, FrameError, Hello, MAX_BYTES, MAX_ENCODED, MAX_MESSAGE, MessageError, Refusal,
    Request, TerminalState, VERSION, receive, send,
};
use serde::{Deserialize, Serialize};

fn over_the_line(message: &impl Serialize) -> Vec<u8> {
    let mut decoder = FrameDecoder::new();
    let mut encoded = [0; MAX_ENCODED];
    let line = send(message, &mut encoded).unwrap();
    line.iter()
        .find_map(|byte| decoder.feed(*byte).map(|message| message.unwrap().to_vec()))
        .unwrap()
}

fn requests() -> Vec<(Request<'static>, Vec<u8>)> {
    let bytes: &[u8] = b"ab";
    let with_bytes = |variant: u8| vec![variant, 2, b'a', b'b'];
    vec![
        (Request::Hello { version: VERSION }, vec![0, 1]),
        (
            Request::MakeKeys { name: *b"VN0100001T" },
            [&[1], &b"VN0100001T"[..]].concat(),
        ),
        (Request::Install { objects: bytes }, with_bytes(2)),
        (Request::TimeNonce, vec![3]),
        (Request::SetTime { signed: bytes }, with_bytes(4)),
        (Request::ListBegin { header: bytes }, with_bytes(5)),
        (Request::ListLines { bytes }, with_bytes(6)),
        (Request::ListEnd, vec![7]),
        (Request::BlockBegin { header: bytes }, with_bytes(8)),
        (Request::BlockEntries { bytes }, with_bytes(9)),
        (Request::BlockEnd, vec![10]),
        (Request::ReadJournal { from: 300 }, vec![11, 0xAC, 0x02]),
        (Request::Acknowledge { signed: bytes }, with_bytes(12)),
        (
            Request::BlockDelta {
                header: bytes,
                base: [7; 32],
            },
            [with_bytes(13), vec![7; 32]].concat(),
        ),
        (Request::Operators { signed: bytes }, with_bytes(14)),
        (Request::Scripts { bytes }, with_bytes(15)),
    ]
}

fn answers() -> Vec<(Answer<'static>, Vec<u8>)> {
    let hello = Hello {
        version: VERSION,
        name: Some(*b"VN0100001T"),
        state: TerminalState::Provisioned,
        test: true,
        firmware: [7; 32],
        journal_tail: 5,
        acknowledged: 4,
        list_number: 3,
        block_list_number: 2,
    };
    vec![
        (
            Answer::Hello(hello),
            [&[0, 1, 1], &b"VN0100001T"[..], &[2, 1], &[7; 32], &[5, 4, 3, 2]].concat(),
        ),
        (
            Answer::Requests {
                agreement: b"ab",
                journal: b"c",
            },
            vec![1, 2, b'a', b'b', 1, b'c'],
        ),
        (Answer::Done, vec![2]),
        (Answer::Nonce { nonce: [9; 16] }, [&[3], &[9; 16][..]].concat()),
        (Answer::Entries { bytes: b"" }, vec![4, 0]),
        (
            Answer::Refused {
                code: Refusal::Storage,
            },
            vec![5, 14],
        ),
        (Answer::Taken { count: 300 }, vec![6, 0xAC, 0x02]),
    ]
}

/// Encodes as written down, decodes to the same, and no part of it nor anything longer is a message.
fn check<'m, T>(message: T, encoding: &'m [u8], longer: &'m [u8])
where
    T: Serialize + Deserialize<'m> + PartialEq + std::fmt::Debug,
{
    assert_eq!(over_the_line(&message), encoding, "{message:?}");
    assert_eq!(receive(encoding), Ok(message));
    for length in 0..encoding.len() {
        assert_eq!(receive::<T>(&encoding[..length]), Err(MessageError::Malformed));
    }
    assert_eq!(receive::<T>(longer), Err(MessageError::Malformed));
}

#[test]
fn every_message_has_its_encoding() {
    for (request, encoding) in requests() {
        check(request, &encoding, &[&encoding[..], &[0]].concat());
    }
    for (answer, encoding) in answers() {
        check(answer, &encoding, &[&encoding[..], &[0]].concat());
    }
}

#[test]
fn unknown_messages_are_refused() {
    for variant in 16..=255 {
        assert_eq!(receive::<Request>(&[variant, 1, 1]), Err(MessageError::Malformed));
    }
    for variant in 7..=255 {
        assert_eq!(receive::<Answer>(&[variant, 1, 1]), Err(MessageError::Malformed));
    }
    assert_eq!(receive::<Answer>(&[5, 19]), Err(MessageError::Malformed));
    // A length that reaches beyond the message, and one beyond any memory.
    assert_eq!(receive::<Request>(&[2, 3, 1, 1]), Err(MessageError::Malformed));
    assert_eq!(
        receive::<Request>(&[2, 255, 255, 255, 255, 15, 1]),
        Err(MessageError::Malformed)
    );
}

#[test]
fn the_longest_byte_field_fits_and_the_longest_message_is_a_limit() {
    let longest = [0xA5; MAX_BYTES];
    let line = over_the_line(&Request::ListLines { bytes: &longest });
    assert_eq!(receive(&line), Ok(Request::ListLines { bytes: &longest }));
    let both = Answer::Requests {
        agreement: &longest[..1000],
        journal: &longest[1000..],
    };
    assert_eq!(receive(&over_the_line(&both)), Ok(both));
    let too_long = [0; MAX_MESSAGE];
    let refused = send(&Request::ListLines { bytes: &too_long }, &mut [0; MAX_ENCODED]).map(<[u8]>::len);
    assert_eq!(refused, Err(FrameError::TooLong));
}

#[test]
fn every_refusal_tells_the_operator_in_both_languages() {
    let refusals: Vec<Refusal> = (0..=255).filter_map(|code| receive(&[code]).ok()).collect();
    assert_eq!(refusals.len(), 19);
    let mut seen = HashSet::new();
    for refusal in refusals {
        let (vietnamese, english) = refusal.text();
        assert!(vietnamese.len() > 40 && english.len() > 40, "{refusal}");
        assert!(english.is_ascii() && !vietnamese.is_ascii(), "{refusal}");
        assert!(seen.insert(vietnamese) && seen.insert(english), "{refusal} twice");
    }
}
