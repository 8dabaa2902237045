//! Frames over a bad line: cut, altered, oversized, with junk in between. Nothing wrong comes out, and the next frame
//! comes through.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use link::{FrameDecoder, FrameError, MAX_ENCODED, MAX_FRAME, MAX_MESSAGE, encode};
use proptest::prelude::*;

type Received = Vec<Result<Vec<u8>, FrameError>>;

fn frame(message: &[u8]) -> Vec<u8> {
    encode(message, &mut [0; MAX_ENCODED]).unwrap().to_vec()
}

fn decode(bytes: &[u8]) -> Received {
    let mut decoder = FrameDecoder::new();
    let feed = |byte: &u8| decoder.feed(*byte).map(|message| message.map(<[u8]>::to_vec));
    bytes.iter().filter_map(feed).collect()
}

fn counting(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 256) as u8).collect()
}

#[test]
fn every_length_around_the_limits_comes_through() {
    for length in (1..1030).chain(MAX_MESSAGE - 300..=MAX_MESSAGE) {
        for message in [counting(length), vec![0; length], vec![0xFF; length]] {
            let bytes = frame(&message);
            assert!(!bytes[1..bytes.len() - 1].contains(&0), "a zero byte inside");
            assert_eq!(decode(&bytes), [Ok(message)]);
        }
    }
}

#[test]
fn a_known_frame() {
    // CRC-32/ISO-HDLC of "123456789" is CBF43926 (the algorithm's check value).
    let bytes = b"\x00\x0E123456789\x26\x39\xF4\xCB\x00";
    assert_eq!(frame(b"123456789"), bytes);
    assert_eq!(decode(bytes), [Ok(b"123456789".to_vec())]);
}

#[test]
fn refuses_to_send_more_than_fits_or_nothing() {
    assert_eq!(
        encode(&[1; MAX_MESSAGE + 1], &mut [0; MAX_ENCODED]),
        Err(FrameError::TooLong)
    );
}

#[test]
fn every_truncation_is_dropped_and_the_next_frame_read() {
    for message in [counting(700), vec![0; 20], vec![0xAA; 300]] {
        let (whole, next) = (frame(&message), frame(b"next"));
        for length in 0..whole.len() - 1 {
            let received = decode(&[&whole[..length], &next[..]].concat());
            let (last, before) = received.split_last().unwrap();
            assert_eq!(*last, Ok(b"next".to_vec()), "cut at {length}");
            assert!(before.iter().all(Result::is_err), "cut at {length}");
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let message = counting(300);
    let (whole, next) = (frame(&message), frame(b"next"));
    for position in 1..whole.len() - 1 {
        for bit in 0..8 {
            let mut altered = whole.clone();
            altered[position] ^= 1 << bit;
            let received = decode(&[altered, next.clone()].concat());
            assert_eq!(
                received.last(),
                Some(&Ok(b"next".to_vec())),
                "byte {position} bit {bit}"
            );
            assert!(received.len() >= 2, "byte {position} bit {bit} went unreported");
            assert!(
                received[..received.len() - 1].iter().all(Result::is_err),
                "byte {position} bit {bit}"
            );
        }
    }
}

#[test]
fn every_lost_doubled_or_swapped_byte_is_noticed() {
    let whole = frame(&counting(300));
    for position in 1..whole.len() - 2 {
        let (mut lost, mut doubled, mut swapped) = (whole.clone(), whole.clone(), whole.clone());
        lost.remove(position);
        doubled.insert(position, whole[position]);
        swapped.swap(position, position + 1);
        for altered in [lost, doubled, swapped] {
            assert!(
                altered == whole || decode(&altered).iter().all(Result::is_err),
                "byte {position}"
            );
        }
    }
}

#[test]
fn an_oversized_frame_is_dropped_within_bounds() {
    // A frame of one byte too much, by the other side's rules.
    let mut long = vec![0; cobs::max_encoding_length(MAX_FRAME + 1)];
    let length = cobs::encode(&counting(MAX_FRAME + 1), &mut long);
    let long = [&long[..length], &[0], &frame(b"next")].concat();
    assert_eq!(decode(&long), [Err(FrameError::TooLong), Ok(b"next".to_vec())]);
    let endless = [vec![0x55; 1_000_000], frame(b"next")].concat();
    assert_eq!(decode(&endless), [Err(FrameError::TooLong), Ok(b"next".to_vec())]);
}

#[test]
fn too_short_for_a_checksum_is_broken_and_empty_is_nothing() {
    assert_eq!(decode(&[0, 0, 0]), []);
    for content in [&[1u8][..], &[2, 7], &[4, 1, 2, 3], &[1, 1, 1, 1, 1]] {
        assert_eq!(decode(&[content, &[0]].concat()), [Err(FrameError::Broken)]);
    }
    assert_eq!(decode(&[6, 1, 2, 3, 4, 5, 0]), [Err(FrameError::Checksum)]);
}

#[test]
fn every_error_says_what_to_do() {
    for error in [FrameError::TooLong, FrameError::Broken, FrameError::Checksum] {
        assert!(error.to_string().contains("ask again"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        // A failure prints its seed and keeps it here.
        failure_persistence: Some(Box::new(proptest::test_runner::FileFailurePersistence::Direct(
            "tests/framing.proptest-regressions",
        ))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn frames_come_through_junk(
        parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..100), prop::collection::vec(any::<u8>(), 1..600)), 1..8),
    ) {
        let line: Vec<u8> = parts.iter().flat_map(|(junk, message)| [junk.clone(), frame(message)].concat()).collect();
        let received: Vec<_> = decode(&line).into_iter().filter_map(Result::ok).collect();
        let sent: Vec<_> = parts.into_iter().map(|(_, message)| message).collect();
        prop_assert_eq!(received, sent);
    }
}
