//! Which cards are asked for a higher rate, and what becomes of those that do not take it.

use crate::chip::{Chip, EXCHANGE, FRONTS, PSL, RF_CONFIGURATION, RateChange, Shared, reader, tap};
use reader::ReaderError;

const FOURFOLD: [u8; 4] = [PSL, 1, 2, 2];
/// T0 with TA1, and 424 kbit/s both ways.
const FAST: [u8; 3] = [3, 0x18, 0xB3];

fn served() -> Result<Option<Vec<u8>>, ReaderError> {
    Ok(Some(vec![0x90, 0x00]))
}

/// Requests for a rate since the last call, after taps of cards with this answer to select.
fn asked(chip: &Shared) -> Vec<Vec<u8>> {
    let commands = core::mem::take(&mut chip.borrow_mut().commands);
    commands.into_iter().filter(|command| command[0] == PSL).collect()
}

#[test]
fn a_card_is_asked_for_the_highest_rate_that_it_has_in_both_directions() {
    let cases: [(&[u8], Option<u8>); 22] = [
        (&[], None),
        (&[1], None),
        (&[2, 0x78], None),
        // Shorter than it says, and longer.
        (&[5, 0x78], None),
        (&[2, 0x78, 0x33], None),
        // T0 without TA1: what follows is TB1.
        (&[3, 0x28, 0x33], None),
        (&[3, 0x18, 0x00], None),
        (&[3, 0x18, 0x80], None),
        (&[3, 0x18, 0x03], None),
        (&[3, 0x18, 0x30], None),
        (&[3, 0x18, 0x21], None),
        (&[3, 0x18, 0x12], None),
        (&[3, 0x18, 0x44], None),
        // Reserved: 106 kbit/s only.
        (&[3, 0x18, 0x3B], None),
        (&[3, 0x18, 0x08], None),
        (&[3, 0x18, 0x11], Some(1)),
        (&[3, 0x18, 0x91], Some(1)),
        (&[3, 0x18, 0x13], Some(1)),
        (&[3, 0x18, 0x71], Some(1)),
        (&[3, 0x18, 0x22], Some(2)),
        (&[3, 0x18, 0xB3], Some(2)),
        (&[6, 0x78, 0x77, 0x70, 0x02, 0x80], Some(2)),
    ];
    for front in FRONTS {
        for (ats, rate) in cases {
            let (mut reader, chip) = reader(
                front,
                Chip {
                    ats: ats.to_vec(),
                    ..Chip::default()
                },
            );
            assert_eq!(tap(&mut reader), served(), "{ats:02X?}");
            let expected: Vec<_> = rate.map(|rate| vec![PSL, 1, rate, rate]).into_iter().collect();
            assert_eq!(asked(&chip), expected, "{front:?} {ats:02X?}");
        }
    }
}

#[test]
fn a_card_that_does_not_take_the_rate_starts_afresh_and_is_paid_at_106() {
    use RateChange::{AnswerLost, Refused, Silence, Unknown};
    for front in FRONTS {
        for rate_change in [Refused, AnswerLost, Silence, Unknown] {
            let (mut reader, chip) = reader(
                front,
                Chip {
                    ats: FAST.to_vec(),
                    rate_change,
                    ..Chip::default()
                },
            );
            // A look that finds nobody, and the next.
            assert_eq!(tap(&mut reader), Ok(None));
            assert_eq!(tap(&mut reader), served());
            let commands = chip.borrow().commands.clone();
            let at = |wanted: &[u8]| commands.iter().rposition(|command| command.starts_with(wanted));
            assert!(
                at(&FOURFOLD) < at(&[RF_CONFIGURATION, 1, 0]),
                "the field was off after that"
            );
            assert!(at(&[RF_CONFIGURATION, 1, 0]) < at(&[EXCHANGE]));
            assert_eq!(asked(&chip), [FOURFOLD], "once");
            // The next one may be another card.
            assert_eq!(tap(&mut reader), Ok(None));
            assert_eq!(tap(&mut reader), served());
            assert_eq!(asked(&chip), [FOURFOLD]);
        }
    }
}

#[test]
fn a_card_that_is_lost_at_a_higher_rate_is_served_at_106_when_it_comes_back() {
    for front in FRONTS {
        let (mut reader, chip) = reader(
            front,
            Chip {
                ats: FAST.to_vec(),
                deaf_when_fast: true,
                ..Chip::default()
            },
        );
        assert_eq!(tap(&mut reader), Err(ReaderError::CardLost));
        assert_eq!(asked(&chip), [FOURFOLD]);
        chip.borrow_mut().take_card_away();
        chip.borrow_mut().card_there = false;
        assert_eq!(tap(&mut reader), Ok(None));
        chip.borrow_mut().card_there = true;
        assert_eq!(tap(&mut reader), served());
        assert!(asked(&chip).is_empty());
        // It was served to its end: the next one is asked again.
        chip.borrow_mut().deaf_when_fast = false;
        assert_eq!(tap(&mut reader), served());
        assert_eq!(asked(&chip), [FOURFOLD]);
    }
}
