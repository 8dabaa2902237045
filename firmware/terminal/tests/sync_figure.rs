//! What of the line to the host is journal: the bytes of 2,000 entries beside all bytes that go over the wire to fetch them, frames
//! and questions of both directions included. At 115,200 baud the line takes 11,520 bytes a second.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod bench;

use std::cell::RefCell;

use bench::card::issuer::plan;
use bench::host::{Host, card, line};
use bench::nor::BLOCK;
use bench::{Bench, Chip, copy, layout};
use card_spec::tlv::Reader;
use link::{Answer, MAX_ENCODED, Request, receive, send};
use terminal::Layout;

const ENTRIES: u32 = 2_000;
/// Bytes a second.
const PACE: usize = 11_520;

#[test]
fn nine_tenths_of_what_goes_over_the_wire_are_entries() {
    let start = layout().journal.start;
    let layout = Layout {
        journal: start..start + 0x20_0000,
        ..layout()
    };
    let flash = RefCell::new(Chip::new(layout.journal.end as usize / BLOCK));
    let lines = (1..=ENTRIES / 3).map(|number| line(number, number as u16, 1_000));
    let mut host = Host::new(lines.collect());
    let mut bench = Bench::laid_out(&flash, layout, true, 1).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    let fresh = card(&plan());
    for tap in 0.. {
        let mut card = copy(&fresh, tap);
        bench.tap(&mut card);
        bench.type_keys("271828\n");
        bench.tap(&mut card);
        bench.type_keys("\nc");
        if bench.hello().journal_tail >= ENTRIES {
            break;
        }
    }
    let (mut entries, mut bytes_of_entries, mut wire) = (0, 0, 0);
    while entries < ENTRIES {
        let request = Request::ReadJournal { from: entries + 1 };
        wire += send(&request, &mut [0; MAX_ENCODED]).unwrap().len();
        let message = bench.ask(&request);
        let answer = receive::<Answer<'_>>(&message).unwrap();
        wire += send(&answer, &mut [0; MAX_ENCODED]).unwrap().len();
        let Answer::Entries { bytes } = answer else {
            panic!("{answer:?}")
        };
        let mut reader = Reader::new(bytes);
        while let Some(object) = reader.next_object().unwrap() {
            bytes_of_entries += object.encoding().len();
            entries += 1;
        }
    }
    let share = bytes_of_entries as f64 / wire as f64;
    println!(
        "{entries} entries: {bytes_of_entries} of {wire} bytes on the wire, {share:.3}; {} s at {PACE} bytes a second",
        wire / PACE
    );
    assert!(share >= 0.9);
}
