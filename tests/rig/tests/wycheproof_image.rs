//! Project Wycheproof on a Cortex-M4F: every case that `card-applet-spec/card-spec/tests/wycheproof.rs` runs on the host,
//! run by the firmware image `wycheproof` in QEMU.
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
use std::time::{Duration, Instant};

use card_spec::tlv::Writer;
use rig::{Machine, firmware_image};
use wycheproof_cases::{Case, sets};

const FLASH_SIZE: usize = 16 << 20;
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn every_case_has_the_verdict_stated() {
    let cases: Vec<Case> = sets().into_iter().flat_map(|(_, set)| set.cases).collect();
    let folder = tempfile::tempdir().unwrap();
    let flash = folder.path().join("flash");
    let mut content = cases.iter().flat_map(encode).collect::<Vec<u8>>();
    content.resize(FLASH_SIZE, 0xFF);
    fs::write(&flash, content).unwrap();

    // A card reader that nobody answers at: the image has no use for one.
    let reader = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reader.local_addr().unwrap().to_string();
    let machine = Machine::new(firmware_image("wycheproof").unwrap(), flash, address);
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
