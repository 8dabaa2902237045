//! The card torn out, and the process killed, at every place of an issuance: then finished, with one card, one CSO.

use ansinh_issuance::Done;
use issuance_tests::bench::{Bench, End, Fault, Trace};
use virtual_card::Moment;

const MOMENTS: [Moment; 2] = [Moment::Before, Moment::After];

/// A faultless run, which tells how many places there are.
fn faultless() -> Trace {
    let bench = Bench::new();
    let (end, trace) = bench.attempt(&mut bench.chip(0), Fault::None);
    assert!(matches!(end, End::Ended(Ok(Done::Issued(_)))), "{end:?}");
    bench.assert_issued(&mut bench.chip(0), 0);
    trace
}

/// The fault strikes; the same chip is inserted again and finished.
fn survive(bench: &Bench, fault: Fault) {
    let (end, _) = bench.attempt(&mut bench.chip(0), fault);
    assert_eq!(end, End::Torn, "{fault:?}");
    finish(bench, &format!("{fault:?}"));
}

fn finish(bench: &Bench, fault: &str) {
    bench.assert_not_half_issued(&mut bench.chip(0), 0);
    let end = bench.issue(&mut bench.chip(0));
    assert!(
        matches!(
            end,
            Ok(Done::Issued(_) | Done::Confirmed(_) | Done::AlreadyIssued(_))
        ),
        "{fault}: {end:?}"
    );
    bench.assert_issued(&mut bench.chip(0), 0);
    let again = bench.issue(&mut bench.chip(0));
    assert!(matches!(again, Ok(Done::AlreadyIssued(_))), "{fault}: {again:?}");
}

/// A STORE DATA that carries all that a command can: 223 bytes of plaintext (SPEC 6.6), padded to 224 and encrypted, with header, Lc,
/// C-MAC and Le.
const FULL_BLOCK: usize = 5 + 224 + 8 + 1;

/// Each step of SPEC 6 needs a command of its own, and the data as many as they fill.
#[test]
fn an_issuance_takes_the_commands_of_the_specification_and_no_more() {
    type Commands<'a> = Vec<&'a (u8, usize, usize)>;
    let commands = faultless().commands;
    let (blocks, others): (Commands<'_>, Commands<'_>) = commands
        .iter()
        .partition(|(instruction, ..)| *instruction == 0xE2);
    let others: Vec<u8> = others.iter().map(|(instruction, ..)| *instruction).collect();
    assert_eq!(others, [0xA4, 0x50, 0x82, 0xD8, 0x47, 0x24, 0x44]);
    let (last, full) = blocks.split_last().unwrap();
    assert!(full.iter().all(|(_, sent, _)| *sent == FULL_BLOCK), "{blocks:?}");
    assert!(last.1 <= FULL_BLOCK, "{blocks:?}");
}

#[test]
fn torn_at_each_command() {
    for number in 1..=faultless().commands.len() as u64 {
        for moment in MOMENTS {
            survive(&Bench::new(), Fault::Command(number, moment));
        }
    }
}

#[test]
fn killed_at_each_question_to_the_ledger() {
    for number in 1..=faultless().ledger {
        for moment in MOMENTS {
            survive(&Bench::new(), Fault::Ledger(number, moment));
        }
    }
}

#[test]
fn power_lost_at_each_write_of_the_card() {
    let mut cuts = 0;
    for moment in MOMENTS {
        for write in 1.. {
            let bench = Bench::new();
            let mut chip = bench.chip(0);
            bench.writes.set(write, moment);
            if bench.attempt(&mut chip, Fault::None).0 != End::Torn {
                break;
            }
            finish(&bench, &format!("write {write} {moment:?}"));
            cuts += 1;
        }
    }
    assert!(cuts > 20, "only {cuts} cuts");
}

#[test]
fn torn_at_each_command_and_again_at_each_of_the_second_attempt() {
    let commands = faultless().commands.len() as u64;
    for first in 1..=commands {
        for second in 3..=commands + 1 {
            let bench = Bench::new();
            let (end, _) = bench.attempt(&mut bench.chip(0), Fault::Command(first, Moment::After));
            assert_eq!(end, End::Torn);
            let (end, _) = bench.attempt(&mut bench.chip(0), Fault::Command(second, Moment::After));
            if end != End::Torn {
                break;
            }
            finish(&bench, &format!("commands {first}, then {second}"));
        }
    }
}

#[test]
fn another_chip_in_between_takes_another_person() {
    let bench = Bench::new();
    bench.attempt(&mut bench.chip(0), Fault::Command(8, Moment::After));
    let other = bench.issue(&mut bench.chip(1));
    let first = bench.issue(&mut bench.chip(0));
    let (Ok(Done::Issued(other)), Ok(Done::Issued(first))) = (other, first) else {
        panic!("not both were issued")
    };
    assert_ne!(first, other);
    let cards = bench.store.cards().unwrap_or_default();
    assert_eq!(cards.len(), 2);
    assert_ne!(cards[0].person, cards[1].person);
}

#[test]
fn nobody_gets_a_chip_when_nobody_waits() {
    let bench = Bench::new();
    for place in 0..3 {
        assert!(matches!(bench.issue(&mut bench.chip(place)), Ok(Done::Issued(_))));
    }
    assert_eq!(bench.issue(&mut bench.chip(3)), Ok(Done::NobodyWaiting));
    assert_eq!(bench.store.blank_cards().ok(), Some(1));
}
