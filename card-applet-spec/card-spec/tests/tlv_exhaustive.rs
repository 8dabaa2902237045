//! Every short byte string through the decoder (SPEC 1.1 to 1.4): it is refused, or written again as it was.
//!
//! What is to be accepted comes from the clauses, read here once more and by another code. Up to 3 bytes and a part of the
//! strings of 4 always; all 2³² of them by
//! `cargo test --release -p card-spec --test tlv_exhaustive -- --ignored --nocapture`

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

use std::thread;
use std::time::Instant;

use card_spec::tlv::{DataObject, Error, Extent, Reader, Writer, length_of_first_object};

/// Tags of the universal class: types of X.680, 8.6 that the crate `der` knows, each primitive or constructed as DER has
/// it (X.690, 10.2). SPEC gives an object none of them but `06`, so what else is in the class makes no difference.
const UNIVERSAL: [u8; 22] = [
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x09, 0x0A, 0x0C, 0x0D, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
    0x1A, 0x1B, 0x1E, 0x30, 0x31,
];
/// Tags of one byte: those of the universal class, and 40 to FF less the six that announce a second byte.
const TAGS_OF_ONE: u64 = UNIVERSAL.len() as u64 + 192 - 6;
/// Tags of two bytes: `5F` `7F` `9F` `BF` `DF` `FF`, each with 1F to 7F.
const TAGS_OF_TWO: u64 = 6 * 97;

/// Bytes around which the rules for tags and lengths change.
const BOUNDARIES: [u8; 12] = [
    0x00, 0x01, 0x02, 0x1E, 0x1F, 0x7F, 0x80, 0x81, 0x82, 0x83, 0x84, 0xFF,
];

/// What the clauses say of the object at the start of `bytes`: how long its header and all of it are; `None`: refused.
fn object_by_specification(bytes: &[u8]) -> Option<Extent> {
    let first = *bytes.first()?;
    let tag = match (first >> 6, first & 0x1F) {
        (0, _) => UNIVERSAL.contains(&first).then_some(1)?,
        // 1.1: two bytes at most, and the second only for a number that needs it (8.1.2.4).
        (_, 0x1F) => (0x1F..=0x7F).contains(bytes.get(1)?).then_some(2)?,
        _ => 1,
    };
    let first = usize::from(*bytes.get(tag)?);
    let (header, length) = if first < 0x80 {
        (tag + 1, first)
    } else {
        let digits = bytes.get(tag + 1..tag + 1 + first - 0x80)?;
        let length = digits
            .iter()
            .fold(0, |length, digit| length << 8 | usize::from(*digit));
        // 1.1: definite (not 80) and in the fewest bytes (10.1).
        let shortest = *digits.first()? != 0 && length >= 0x80;
        (shortest.then_some(tag + 1 + digits.len())?, length)
    };
    let total = header + length;
    (total <= bytes.len()).then_some(Extent { header, total })
}

/// Reads `bytes` to the end or the first refusal, and writes again what was read. Returns the number of objects, `None`
/// if something was refused.
fn read_all(mut reader: Reader<'_>, bytes: &[u8]) -> Option<u32> {
    let mut buffer = [0; 8];
    let mut writer = Writer::new(&mut buffer);
    let mut objects = 0;
    let mut rest = bytes;
    while !rest.is_empty() {
        let found = reader.next_object();
        let Some(extent) = object_by_specification(rest) else {
            assert_eq!(found, Err(Error::Encoding), "{bytes:02X?}");
            return None;
        };
        let object = found
            .ok()
            .flatten()
            .unwrap_or_else(|| panic!("{bytes:02X?} was refused"));
        let (encoding, after) = rest.split_at(extent.total);
        assert_eq!(length_of_first_object(rest), Ok(Some(extent)), "{bytes:02X?}");
        for end in 0..extent.header {
            assert_eq!(length_of_first_object(&rest[..end]), Ok(None), "{bytes:02X?}");
        }
        assert_eq!(object.encoding(), encoding, "{bytes:02X?}");
        assert_eq!(object.value(), &encoding[extent.header..], "{bytes:02X?}");
        if encoding[0] & 0x20 != 0 {
            read_all(object.members().unwrap(), object.value());
        }
        writer.put(object.tag(), object.value()).unwrap();
        objects += 1;
        rest = after;
    }
    assert_eq!(reader.next_object(), Ok(None), "{bytes:02X?}");
    assert_eq!(writer.finish(), bytes, "written differently");
    Some(objects)
}

/// Tries one string; says whether it is one data object.
fn try_string(bytes: &[u8]) -> bool {
    let parsed = DataObject::parse(bytes);
    let is_one = read_all(Reader::new(bytes), bytes) == Some(1);
    assert_eq!(parsed.is_ok(), is_one, "{bytes:02X?}: {parsed:?}");
    is_one
}

/// Counts the strings of `N` bytes that are one data object, the last bytes each out of `last`.
fn count_accepted<const N: usize>(last: &[u8]) -> u64 {
    let workers = thread::available_parallelism().unwrap().get() as u64;
    let free = N - if last.len() == 256 { 0 } else { 2.min(N) };
    let strings = 256_u64.pow(free as u32) * (last.len() as u64).pow((N - free) as u32);
    let string = |number: u64| {
        let mut bytes = [0; N];
        let mut rest = number;
        for (place, byte) in bytes.iter_mut().enumerate() {
            let choices = if place < free { 256 } else { last.len() as u64 };
            let choice = (rest % choices) as usize;
            *byte = if place < free { choice as u8 } else { last[choice] };
            rest /= choices;
        }
        bytes
    };
    thread::scope(|scope| {
        let shares: Vec<_> = (0..workers)
            .map(|worker| {
                scope.spawn(move || {
                    let share = (strings * worker / workers)..(strings * (worker + 1) / workers);
                    share.filter(|number| try_string(&string(*number))).count() as u64
                })
            })
            .collect();
        shares.into_iter().map(|share| share.join().unwrap()).sum()
    })
}

fn every_byte() -> Vec<u8> {
    (0..=255).collect()
}

#[test]
fn strings_up_to_three_bytes() {
    let all = every_byte();
    assert!(!try_string(&[]));
    assert_eq!(count_accepted::<1>(&all), 0);
    assert_eq!(count_accepted::<2>(&all), TAGS_OF_ONE);
    assert_eq!(count_accepted::<3>(&all), TAGS_OF_ONE * 256 + TAGS_OF_TWO);
}

/// Every tag of one and two bytes, before bytes at the boundaries.
#[test]
fn strings_of_four_bytes_at_the_boundaries() {
    let last = BOUNDARIES.len() as u64;
    assert_eq!(
        count_accepted::<4>(&BOUNDARIES),
        // Tag, 02, two bytes; two bytes of tag, 01, a byte. No length in the long form has so few bytes behind it.
        TAGS_OF_ONE * last * last + TAGS_OF_TWO * last
    );
}

#[test]
#[ignore = "takes minutes; run by hand, in release"]
fn strings_of_four_bytes() {
    let begun = Instant::now();
    let accepted = count_accepted::<4>(&every_byte());
    println!(
        "2^32 strings, {accepted} accepted, {:.0} s",
        begun.elapsed().as_secs_f64()
    );
    assert_eq!(accepted, TAGS_OF_ONE * 65_536 + TAGS_OF_TWO * 256);
}
