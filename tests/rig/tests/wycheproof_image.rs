//! Project Wycheproof on a Cortex-M4F: every case that `card-applet-spec/card-spec/tests/wycheproof.rs` runs on the host,
//! run by the firmware image `wycheproof` in QEMU, and what Wycheproof has not: keys and signatures made.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

#[path = "../../../card-applet-spec/card-spec/tests/wycheproof_cases/mod.rs"]
mod wycheproof_cases;

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use card_spec::crypto::{SecretKey, Sign as _, sha256};
use card_spec::tlv::Writer;
use rig::{Machine, firmware_image, firmware_image_with_assembly};
use wycheproof_cases::verdict::{GENERATE, SIGN, Verdict};
use wycheproof_cases::{Case, sets};

const FLASH_SIZE: usize = 16 << 20;
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn every_case_has_the_verdict_stated() {
    run_all(firmware_image("wycheproof").unwrap());
}

/// What stands in for the portable code has the same results, and signs and makes keys as it does.
#[test]
fn every_case_has_the_verdict_stated_with_the_assembly() {
    run_all(firmware_image_with_assembly("wycheproof").unwrap());
}

fn run_all(image: PathBuf) {
    let sets = sets().into_iter().flat_map(|(_, set)| set.cases);
    let cases: Vec<Case> = sets.chain(own_cases()).collect();
    let folder = tempfile::tempdir().unwrap();
    let flash = folder.path().join("flash");
    let mut content = cases.iter().flat_map(encode).collect::<Vec<u8>>();
    content.resize(FLASH_SIZE, 0xFF);
    fs::write(&flash, content).unwrap();

    // A card reader that nobody answers at: the image has no use for one.
    let reader = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reader.local_addr().unwrap().to_string();
    let machine = Machine::new(image, flash, address);
    let begun = Instant::now();
    let letters = machine.start().unwrap().wait_for("\r\n", LIMIT).unwrap();
    println!("{} cases in {:.0} s", cases.len(), begun.elapsed().as_secs_f64());

    assert_eq!(
        letters.trim_end().len(),
        cases.len(),
        "cases were lost: {letters}"
    );
    for (case, letter) in cases.iter().zip(letters.bytes()) {
        let (found, expected) = (char::from(letter), char::from(case.expected as u8));
        assert_eq!(found, expected, "{}", case.name);
    }
}

/// Keys and signatures by the portable code on the host, at the ends of the range and in between. The first is that of
/// RFC 6979, A.2.5.
fn own_cases() -> Vec<Case> {
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let private = |text: &str| -> [u8; 32] { hex::decode(text).unwrap().try_into().unwrap() };
    let mut last = private(order);
    last[31] -= 1;
    let one: [u8; 32] = core::array::from_fn(|index| u8::from(index == 31));
    let sample = private("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
    let others = (0..24_u8).map(|number| sha256(&[&[number]]));
    let mut cases = Vec::new();
    for (number, octets) in [sample, one, last].into_iter().chain(others).enumerate() {
        let key = SecretKey::from_bytes(&octets).unwrap();
        let message = if number == 0 {
            b"sample".to_vec()
        } else {
            vec![number as u8; number * 5]
        };
        let signature = key.sign(&message).unwrap();
        let case = |operation, inputs| Case {
            name: format!("own {number}"),
            operation,
            inputs,
            expected: Verdict::Right,
        };
        cases.push(case(SIGN, [octets.to_vec(), message, signature.0.to_vec()]));
        let made = [&octets[..], key.public_key().as_bytes()].concat();
        cases.push(case(GENERATE, [octets.to_vec(), Vec::new(), made]));
    }
    let rfc6979 = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                   f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
    assert_eq!(hex::encode(&cases[0].inputs[2]), rfc6979);
    cases
}

/// As the image reads it.
fn encode(case: &Case) -> Vec<u8> {
    let mut buffer = [0; 512];
    let mut writer = Writer::new(&mut buffer);
    let inputs = (0x80..).zip(&case.inputs);
    writer
        .template(case.operation, |writer| {
            inputs
                .into_iter()
                .try_for_each(|(tag, input)| writer.put(tag, input))
        })
        .unwrap();
    writer.finish().to_vec()
}
