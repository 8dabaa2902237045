//! What only SPI has: the select line, the status byte, the IRQ pin.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use crate::chip::{Chip, EXCHANGE, Front, answer, reader, run, tap};
use embassy_time::Duration;
use reader::ReaderError;

fn served() -> Result<Option<Vec<u8>>, ReaderError> {
    Ok(Some(vec![0x90, 0x00]))
}

/// Status bytes read while a card works for two seconds.
fn looks(irq_stuck: Option<bool>) -> usize {
    let (mut reader, chip) = reader(Front::Spi, Chip::default());
    let card = run(reader.poll()).0.expect("a reader").expect("a card");
    let before = {
        let chip = &mut *chip.borrow_mut();
        chip.irq_stuck = irq_stuck;
        chip.takes = Duration::from_secs(2);
        chip.status_reads
    };
    let (outcome, took) = run(reader.exchange(card, &[0; 5], &mut [0; 252]));
    assert_eq!(outcome, Ok(2));
    assert!(took < Duration::from_millis(2_020), "{took:?}");
    let after = chip.borrow().status_reads;
    after - before
}

#[test]
fn the_pin_says_when_to_ask_and_the_status_byte_decides() {
    // Every 10 ms at most, whether the pin works or its wire is broken; stuck low, every half millisecond.
    assert!((2..=202).contains(&looks(None)));
    assert!((190..=202).contains(&looks(Some(true))));
    assert!((3_000..=4_010).contains(&looks(Some(false))));
}

#[test]
fn a_tap_needs_no_irq_pin() {
    for irq_stuck in [None, Some(true), Some(false)] {
        let (mut reader, _) = reader(
            Front::Spi,
            Chip {
                irq_stuck,
                ..Chip::default()
            },
        );
        assert_eq!(tap(&mut reader), served(), "{irq_stuck:?}");
    }
}

#[test]
fn a_line_that_nobody_drives_is_silence() {
    for level in [0x00, 0xFF] {
        for irq_stuck in [None, Some(true), Some(false)] {
            let stuck = Chip {
                miso_stuck: Some(level),
                irq_stuck,
                ..Chip::default()
            };
            let (mut reader, chip) = reader(Front::Spi, stuck);
            assert_eq!(tap(&mut reader), Err(ReaderError::Silent), "{level:02X}");
            chip.borrow_mut().miso_stuck = None;
            assert_eq!(tap(&mut reader), served(), "{level:02X}");
        }
    }
}

#[test]
fn a_line_that_reads_as_ready_for_ever_is_garbled() {
    let stuck = Chip {
        miso_stuck: Some(0x01),
        ..Chip::default()
    };
    let (mut reader, chip) = reader(Front::Spi, stuck);
    assert_eq!(tap(&mut reader), Err(ReaderError::Garbled));
    chip.borrow_mut().miso_stuck = None;
    assert_eq!(tap(&mut reader), served());
}

#[test]
fn a_bus_with_the_other_bit_order_is_a_reader_that_does_not_answer() {
    let (mut reader, chip) = reader(
        Front::Spi,
        Chip {
            most_significant_first: true,
            ..Chip::default()
        },
    );
    assert_eq!(tap(&mut reader), Err(ReaderError::Silent));
    assert!(chip.borrow().commands.is_empty());
}

#[test]
fn what_the_chip_still_does_for_a_terminal_that_restarted_is_ended_first() {
    let (mut reader, chip) = reader(Front::Spi, Chip::default());
    {
        let chip = &mut *chip.borrow_mut();
        chip.asleep = false;
        let soon = embassy_time::Instant::now() + Duration::from_millis(4);
        chip.outgoing
            .push_back((soon, answer(EXCHANGE, &[0, 0x6A, 0x82])));
    }
    assert_eq!(tap(&mut reader), served());
}

/// Given up at any of its steps, an exchange leaves the select line high, and the next tap finds chip and card again.
#[test]
fn an_exchange_that_is_given_up_leaves_nothing_behind() {
    for steps in 1..60 {
        let (mut reader, chip) = reader(Front::Spi, Chip::default());
        let card = run(reader.poll()).0.expect("a reader").expect("a card");
        {
            let mut response = [0; 252];
            let mut exchange = pin!(reader.exchange(card, &[0; 5], &mut response));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..steps {
                if exchange.as_mut().poll(&mut context).is_ready() {
                    break;
                }
                embassy_time::MockDriver::get().advance(Duration::from_micros(100));
            }
        }
        assert!(!chip.borrow().is_selected(), "{steps}");
        chip.borrow_mut().take_card_away();
        assert_eq!(tap(&mut reader), served(), "{steps}");
    }
}
