//! The driver against a chip that behaves as its manual says, and against chips, wires and cards that fail: over a serial line
//! and over SPI. Each failure is named, ends by itself, and is recovered from.

use crate::chip::{
    ACK, Chip, EXCHANGE, FRONTS, Front, LIST, Misdeed, RELEASE, RF_CONFIGURATION, SAM_CONFIGURATION, Shared,
    Wires, answer, frame, reader, run, tap,
};
use embassy_time::Duration;
use reader::{MAX_APDU, Reader, ReaderError};

fn served() -> Result<Option<Vec<u8>>, ReaderError> {
    Ok(Some(vec![0x90, 0x00]))
}

/// What the chip sends to a search that finds a card.
fn found() -> Vec<u8> {
    answer(
        LIST,
        &[1, 1, 0x00, 0x04, 0x20, 4, 8, 1, 2, 3, 5, 0x78, 0x80, 0x70, 0x02],
    )
}

#[test]
fn a_card_is_found_asked_and_let_go() {
    for front in FRONTS {
        let (mut reader, chip) = reader(front, Chip::default());
        assert_eq!(tap(&mut reader), served(), "{front:?}");
        let set_up = [
            vec![SAM_CONFIGURATION, 1, 0, 1],
            vec![RF_CONFIGURATION, 1, 0],
            vec![RF_CONFIGURATION, 5, 0xFF, 1, 1],
        ];
        let served_card = [
            vec![LIST, 1, 0],
            vec![EXCHANGE, 1, 0x00, 0xA4, 0x04, 0x00],
            vec![RELEASE, 1],
        ];
        assert_eq!(chip.borrow().commands, [set_up, served_card.clone()].concat());
        chip.borrow_mut().commands.clear();
        assert_eq!(tap(&mut reader), served());
        // Set up once.
        assert_eq!(chip.borrow().commands, served_card);
        chip.borrow_mut().card_there = false;
        assert_eq!(tap(&mut reader), Ok(None));
    }
}

/// Name, command, what comes instead of acknowledgement and answer, error on the serial line, error on SPI.
type Case = (&'static str, u8, Vec<Vec<u8>>, ReaderError, ReaderError);

#[test]
fn each_misdeed_is_named_and_survived() {
    let acknowledged = |piece: Vec<u8>| vec![ACK.to_vec(), piece];
    use ReaderError::{CardLost, Garbled, NotASmartCard, Silent, TooLong};
    // On SPI a frame that ends too early reads as something else than silence: the host has the clock.
    let cases: Vec<Case> = vec![
        (
            "set-up refused",
            SAM_CONFIGURATION,
            acknowledged(frame(&[0x7F])),
            Garbled,
            Garbled,
        ),
        ("silence", LIST, vec![], Silent, Silent),
        ("half an ACK", LIST, vec![ACK[..5].to_vec()], Silent, Garbled),
        (
            "a NACK",
            LIST,
            vec![vec![0, 0, 0xFF, 0xFF, 0, 0]],
            Garbled,
            Garbled,
        ),
        ("no ACK", LIST, vec![answer(LIST, &[0])], Garbled, Garbled),
        ("noise", LIST, vec![vec![0xA5; 600]], Garbled, Garbled),
        ("ACK and silence", LIST, vec![ACK.to_vec()], CardLost, CardLost),
        (
            "ACK and noise",
            LIST,
            acknowledged(vec![0xA5; 600]),
            Garbled,
            Garbled,
        ),
        (
            "half an answer",
            EXCHANGE,
            acknowledged(answer(EXCHANGE, &[0, 0x90, 0])[..9].to_vec()),
            CardLost,
            Garbled,
        ),
        (
            "half a header",
            EXCHANGE,
            acknowledged(vec![0, 0, 0xFF, 5]),
            CardLost,
            Garbled,
        ),
        ("a second ACK", LIST, acknowledged(ACK.to_vec()), Garbled, Garbled),
        (
            "syntax error",
            LIST,
            acknowledged(frame(&[0x7F])),
            Garbled,
            Garbled,
        ),
        ("empty frame", LIST, acknowledged(frame(&[])), Garbled, Garbled),
        (
            "answer to another command",
            LIST,
            acknowledged(answer(EXCHANGE, &[0])),
            Garbled,
            Garbled,
        ),
        (
            "from the host",
            LIST,
            acknowledged(frame(&[0xD4, LIST + 1, 0])),
            Garbled,
            Garbled,
        ),
        (
            "extended frame",
            LIST,
            acknowledged(vec![0, 0, 0xFF, 0xFF, 0xFF, 1, 0, 0xFF]),
            Garbled,
            Garbled,
        ),
        (
            "a target without data",
            LIST,
            acknowledged(answer(LIST, &[1])),
            NotASmartCard,
            NotASmartCard,
        ),
        (
            "a memory card",
            LIST,
            acknowledged(answer(LIST, &[1, 1, 0, 4, 0x08, 4, 1, 2, 3, 4])),
            NotASmartCard,
            NotASmartCard,
        ),
        (
            "no target count",
            LIST,
            acknowledged(answer(LIST, &[])),
            Garbled,
            Garbled,
        ),
        (
            "no status",
            EXCHANGE,
            acknowledged(answer(EXCHANGE, &[])),
            Garbled,
            Garbled,
        ),
        (
            "card gone",
            EXCHANGE,
            acknowledged(answer(EXCHANGE, &[0x01])),
            CardLost,
            CardLost,
        ),
        (
            "error of no known meaning",
            EXCHANGE,
            acknowledged(answer(EXCHANGE, &[0x3F])),
            CardLost,
            CardLost,
        ),
        (
            "more to come",
            EXCHANGE,
            acknowledged(answer(EXCHANGE, &[0x40, 0x90, 0])),
            TooLong,
            TooLong,
        ),
        (
            "overflow",
            EXCHANGE,
            acknowledged(answer(EXCHANGE, &[0x07])),
            TooLong,
            TooLong,
        ),
    ];
    for front in FRONTS {
        let (mut reader, chip) = reader(front, Chip::default());
        for (name, command, pieces, serial, spi) in cases.clone() {
            let expected = if front == Front::Serial { serial } else { spi };
            chip.borrow_mut().misdeed = Some(Misdeed { command, pieces });
            assert_eq!(tap(&mut reader), Err(expected), "{front:?}: {name}");
            assert!(!chip.borrow().is_selected(), "{name}");
            // The card that was there is put on anew.
            recover(&mut reader, &chip, name);
        }
    }
}

/// A card that was active hears no search before it was away or without field.
fn recover(reader: &mut Reader<Wires>, chip: &Shared, name: &str) {
    chip.borrow_mut().take_card_away();
    assert_eq!(tap(reader), served(), "after {name}");
}

#[test]
fn one_wrong_bit_is_an_error_wherever_it_is() {
    for front in FRONTS {
        let (mut reader, chip) = reader(front, Chip::default());
        let good = [ACK.to_vec(), found()];
        for piece in 0..good.len() {
            for place in 0..good[piece].len() * 8 {
                let mut pieces = good.to_vec();
                pieces[piece][place / 8] ^= 1 << (place % 8);
                chip.borrow_mut().misdeed = Some(Misdeed {
                    command: LIST,
                    pieces,
                });
                let outcome = tap(&mut reader);
                assert!(
                    outcome.is_err(),
                    "{front:?}: bit {place} of frame {piece} does not matter"
                );
                recover(&mut reader, &chip, "a wrong bit");
            }
        }
    }
}

#[test]
fn a_reader_that_is_unplugged_or_reset_at_any_command_is_an_error_and_comes_back() {
    for front in FRONTS {
        for fault in [
            |chip: &mut Chip, at| chip.resets_at = Some(at),
            |chip: &mut Chip, at| chip.unplugged_at = Some(at),
        ] {
            for at in 1..=6 {
                let (mut reader, chip) = reader(front, Chip::default());
                fault(&mut chip.borrow_mut(), at);
                assert_eq!(tap(&mut reader), Err(ReaderError::Silent), "{front:?} {at}");
                if chip.borrow().unplugged {
                    assert_eq!(tap(&mut reader), Err(ReaderError::Silent));
                    chip.borrow_mut().unplugged = false;
                }
                assert_eq!(tap(&mut reader), served(), "{front:?} {at}");
            }
        }
    }
}

#[test]
fn every_wait_ends() {
    for front in FRONTS {
        // Nothing there: until the set-up's first acknowledgement is missed.
        let absent = Chip {
            unplugged: true,
            ..Chip::default()
        };
        let (mut nobody, _) = reader(front, absent);
        let (outcome, took) = run(nobody.poll());
        assert_eq!(outcome, Err(ReaderError::Silent));
        assert!(took < Duration::from_millis(1_100), "{took:?}");

        // A card that answers never, and one that answers too late: its answer is not taken for the next card's.
        for takes in [3_100, 1_000_000] {
            let (mut reader, chip) = reader(front, Chip::default());
            let card = run(reader.poll()).0.expect("a reader").expect("a card");
            chip.borrow_mut().takes = Duration::from_millis(takes);
            chip.borrow_mut().response = vec![0x6A, 0x82];
            let (outcome, took) = run(reader.exchange(card, &[0; 5], &mut [0; 252]));
            assert_eq!(outcome, Err(ReaderError::CardLost));
            assert!(took < Duration::from_millis(3_100), "{took:?}");
            chip.borrow_mut().takes = Duration::from_millis(2);
            chip.borrow_mut().response = vec![0x90, 0x00];
            assert_eq!(tap(&mut reader), served());
        }
    }
}

#[test]
fn a_chip_that_never_stops_sending_is_disturbed_and_recovered_from() {
    for front in FRONTS {
        let babbling = Chip {
            babbles: true,
            ..Chip::default()
        };
        let (mut reader, chip) = reader(front, babbling);
        let first = tap(&mut reader);
        if front == Front::Serial {
            // Asleep it is quiet; woken up, it is not.
            assert_eq!(first, Err(ReaderError::Garbled));
        }
        assert_eq!(tap(&mut reader), Err(ReaderError::Garbled), "{front:?}");
        chip.borrow_mut().babbles = false;
        assert_eq!(tap(&mut reader), served(), "{front:?}");
    }
}

#[test]
fn the_longest_apdus_pass_and_longer_ones_are_refused() {
    for front in FRONTS {
        let (mut reader, chip) = reader(front, Chip::default());
        let card = run(reader.poll()).0.expect("a reader").expect("a card");
        chip.borrow_mut().response = (0..MAX_APDU as u8).collect();
        let mut response = [0; MAX_APDU];
        let (length, _) = run(reader.exchange(card, &[0x5A; MAX_APDU], &mut response));
        assert_eq!(
            (length, response.to_vec()),
            (Ok(MAX_APDU), chip.borrow().response.clone())
        );
        assert_eq!(chip.borrow().commands.last().map(Vec::len), Some(2 + MAX_APDU));

        let came = chip.borrow().commands.len();
        let too_long = run(reader.exchange(card, &[0x5A; MAX_APDU + 1], &mut response)).0;
        assert_eq!(too_long, Err(ReaderError::TooLong));
        assert_eq!(chip.borrow().commands.len(), came, "sent all the same");
        let no_room = run(reader.exchange(card, &[0x5A], &mut [0; MAX_APDU - 1])).0;
        assert_eq!(no_room, Err(ReaderError::TooLong));
        assert_eq!(run(reader.is_present(card)).0, Ok(true));
    }
}
