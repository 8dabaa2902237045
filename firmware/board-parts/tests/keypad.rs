//! The keypad under bouncing contacts, two fingers and a full queue.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use board_parts::keypad::{Contacts, KeyQueue, Keypad, LANGUAGE, PAGE, STEADY};

const NONE: Contacts = [0; 4];
const FIVE: Contacts = [0, 0b0010, 0, 0];
const SIX: Contacts = [0, 0b0100, 0, 0];

/// The keys that come out of so many scans of each.
fn keys(scans: &[(Contacts, u8)]) -> Vec<u8> {
    let mut keypad = Keypad::default();
    scans
        .iter()
        .flat_map(|(contacts, count)| (0..*count).map(|_| *contacts))
        .filter_map(|contacts| keypad.scan(contacts))
        .collect()
}

#[test]
fn every_key_has_its_letter() {
    let letters = (0..16).flat_map(|place| keys(&[(only(place), STEADY)]));
    // `A` by itself is no key.
    let wanted = [
        b'1', b'2', b'3', b'4', b'5', b'6', PAGE, b'7', b'8', b'9', b'c', 0x08, b'0', b'\r', LANGUAGE,
    ];
    assert_eq!(letters.collect::<Vec<_>>(), wanted);
}

fn only(place: usize) -> Contacts {
    let mut contacts = NONE;
    contacts[place / 4] = 1 << (place % 4);
    contacts
}

#[test]
fn after_a_the_next_key_is_a_letter_and_the_one_after_that_is_not() {
    let a = [(only(3), 10), (NONE, 10)];
    let letters = (0..16).flat_map(|place| keys(&[a[0], a[1], (only(place), 10), (NONE, 10), (FIVE, 10)]));
    // `A` twice is `A` once.
    let wanted = b"o5x5n5lt5l5g5\x115h5a5b5c5d5p5\r5\x125";
    assert_eq!(letters.collect::<Vec<_>>(), wanted);
}

#[test]
fn a_key_counts_once_however_long_it_is_held() {
    assert_eq!(keys(&[(FIVE, STEADY - 1)]), []);
    assert_eq!(keys(&[(FIVE, STEADY)]), [b'5']);
    assert_eq!(keys(&[(FIVE, 250)]), [b'5']);
}

/// As when the core computed meanwhile: the key was pressed at a time of which the scans know nothing, or hardly anything.
#[test]
fn a_key_held_while_all_is_forgotten_counts_only_after_it_was_let_go() {
    for seen_before in 0..=10 {
        let mut keypad = Keypad::new();
        let scan = |keypad: &mut Keypad, contacts, count: u16| {
            (0..count)
                .filter_map(|_| keypad.scan(contacts))
                .collect::<Vec<_>>()
        };
        scan(&mut keypad, FIVE, seen_before);
        keypad.forget();
        assert_eq!(scan(&mut keypad, FIVE, 1_000), [], "{seen_before}");
        assert_eq!(scan(&mut keypad, NONE, u16::from(STEADY)), [], "{seen_before}");
        assert_eq!(scan(&mut keypad, FIVE, 1_000), [b'5'], "{seen_before}");
    }
}

#[test]
fn a_bounce_after_all_is_forgotten_is_no_letting_go() {
    let mut keypad = Keypad::new();
    keypad.forget();
    let scans = [
        (FIVE, 2),
        (NONE, STEADY - 1),
        (FIVE, 50),
        (NONE, STEADY - 1),
        (FIVE, 50),
    ];
    for (contacts, count) in scans {
        for _ in 0..count {
            assert_eq!(keypad.scan(contacts), None);
        }
    }
}

#[test]
fn after_all_is_forgotten_a_keypad_without_a_pressed_key_is_as_new() {
    for scans_before in [0, 1, STEADY, 250] {
        let mut keypad = Keypad::new();
        (0..scans_before).for_each(|_| assert_eq!(keypad.scan(NONE), None));
        keypad.forget();
        (0..STEADY).for_each(|_| assert_eq!(keypad.scan(NONE), None));
        let pressed = (0..STEADY).filter_map(|_| keypad.scan(FIVE));
        assert_eq!(pressed.collect::<Vec<_>>(), [b'5']);
    }
}

#[test]
fn an_a_typed_before_all_is_forgotten_makes_no_letter() {
    let mut keypad = Keypad::new();
    for contacts in [only(3), NONE] {
        (0..10).for_each(|_| assert_eq!(keypad.scan(contacts), None));
    }
    keypad.forget();
    let scans = [NONE; 10].into_iter().chain([FIVE; 10]);
    let pressed = scans.filter_map(|contacts| keypad.scan(contacts));
    assert_eq!(pressed.collect::<Vec<_>>(), [b'5']);
}

#[test]
fn contacts_that_bounce_make_one_key() {
    let bouncing = [(FIVE, 1), (NONE, 1), (FIVE, 2), (NONE, 2), (FIVE, 1), (NONE, 1)];
    let mut scans = bouncing.to_vec();
    scans.extend([(FIVE, 20)]);
    scans.extend(bouncing);
    scans.extend([(NONE, 20)]);
    assert_eq!(keys(&scans), [b'5']);
    scans.extend(scans.clone());
    assert_eq!(keys(&scans), [b'5', b'5']);
    assert_eq!(keys(&bouncing), []);
}

#[test]
fn a_key_slid_over_from_another_needs_a_pause() {
    assert_eq!(keys(&[(FIVE, 10), (SIX, 10)]), [b'5']);
    assert_eq!(keys(&[(FIVE, 10), (NONE, STEADY), (SIX, 10)]), [b'5', b'6']);
    assert_eq!(keys(&[(FIVE, 10), (NONE, STEADY - 1), (SIX, 10)]), [b'5']);
}

#[test]
fn two_keys_at_once_are_none_and_what_stays_of_them_is_none() {
    let both = [0, 0b0110, 0, 0];
    let other_row = [1, 0b0010, 0, 0];
    // Three corners of a rectangle close the fourth contact, too.
    let ghost = [0b0011, 0b0011, 0, 0];
    for several in [both, other_row, ghost, [0xF; 4]] {
        assert_eq!(keys(&[(several, 50)]), []);
        assert_eq!(keys(&[(several, 50), (FIVE, 50)]), []);
        assert_eq!(keys(&[(FIVE, 10), (several, 50), (FIVE, 50)]), [b'5']);
        assert_eq!(keys(&[(several, 50), (NONE, STEADY), (FIVE, 50)]), [b'5']);
    }
}

#[test]
fn every_pattern_of_contacts_gives_one_key_only_where_one_is_closed() {
    for pattern in 0..=u16::MAX {
        let contacts = [0, 4, 8, 12].map(|shift| (pattern >> shift & 0xF) as u8);
        // The one contact of `A` is no key by itself.
        let expected = usize::from(pattern.count_ones() == 1 && pattern != 1 << 3);
        assert_eq!(keys(&[(contacts, STEADY)]).len(), expected, "{pattern:016b}");
    }
}

#[test]
fn the_queue_keeps_order_and_drops_the_seventeenth() {
    let mut queue = KeyQueue::new();
    (b'a'..=b'q').for_each(|key| queue.push(key));
    let mut buffer = [0; 8];
    assert_eq!((queue.take(&mut buffer), &buffer), (8, b"abcdefgh"));
    queue.push(b'z');
    assert_eq!((queue.take(&mut buffer), &buffer), (8, b"ijklmnop"));
    assert_eq!((queue.take(&mut buffer), buffer[0]), (1, b'z'));
    assert!(queue.is_empty() && queue.take(&mut buffer) == 0);
}
