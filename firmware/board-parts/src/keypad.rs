//! A matrix keypad of 4 × 4 keys: debounces it, and keeps what was typed until it is read.
//!
//! Contacts bounce for up to 20 ms (data sheets of membrane keypads say 5 to 10). A key counts once it was seen in
//! [`STEADY`] scans in a row, and again only after no key was seen for as long. Two keys at once count as none: with a
//! third they would show a fourth that nobody pressed, and a PIN must never hold a digit that nobody pressed.
//! Scans must lie [`SCAN_INTERVAL`] apart at least, however late they are: scans in one go would see one bounce many times.

use zeroize::Zeroize as _;

/// Milliseconds between two scans, at least.
pub const SCAN_INTERVAL: u64 = 5;
/// Scans in a row that must agree.
pub const STEADY: u8 = 4;
/// Rows and columns.
pub const SIZE: usize = 4;

/// What the terminal core gets for each key ([`Keypad::scan`]), row by row.
///
/// `C` is `c` (cancel), `#` is Enter, `*` takes a digit back. `B` and `D` are for the screen.
const KEYS: [[u8; SIZE]; SIZE] = [
    [b'1', b'2', b'3', LETTER],
    [b'4', b'5', b'6', PAGE],
    [b'7', b'8', b'9', b'c'],
    [0x08, b'0', b'\r', LANGUAGE],
];

/// The same after key `A`: the letters by which the terminal takes orders.
const LETTERS: [[u8; SIZE]; SIZE] = [
    [b'o', b'x', b'n', LETTER],
    [b't', b'l', b'g', PAGE],
    [b'h', b'a', b'b', b'c'],
    [b'd', b'p', b'\r', LANGUAGE],
];

/// Key `A`: the next key is a letter. The core never sees it.
const LETTER: u8 = 0;
/// Key `B`: the page before. A control code that no console sends by accident (DC1).
pub const PAGE: u8 = 0x11;
/// Key `D`: with or without English (DC2).
pub const LANGUAGE: u8 = 0x12;

/// The closed contacts of one scan: for each row one bit for each column.
pub type Contacts = [u8; SIZE];

/// The keypad's state between scans.
#[derive(Default)]
pub struct Keypad {
    /// Row and column.
    candidate: Option<(usize, usize)>,
    agreed: u8,
    held: bool,
    letter: bool,
}

impl Keypad {
    /// No key is held, as a constant.
    pub const fn new() -> Self {
        Self {
            candidate: None,
            agreed: 0,
            held: false,
            letter: false,
        }
    }

    /// Drops what was begun: a key that is held now was perhaps pressed while nobody scanned, and counts only after it was let
    /// go. So does one that is pressed before the next [`STEADY`] scans.
    pub fn forget(&mut self) {
        *self = Self {
            held: true,
            ..Self::new()
        };
    }

    /// Takes one scan; returns a key when it has just been pressed for good.
    pub fn scan(&mut self, contacts: Contacts) -> Option<u8> {
        let seen = Seen::of(contacts);
        let candidate = match seen {
            Seen::Key(key) => Some(key),
            Seen::None => None,
            // Neither pressed nor let go.
            Seen::Several => {
                self.agreed = 0;
                self.held = true;
                return None;
            }
        };
        if candidate != self.candidate {
            self.candidate = candidate;
            self.agreed = 0;
        }
        self.agreed = self.agreed.saturating_add(1);
        if self.agreed != STEADY {
            return None;
        }
        let was_held = core::mem::replace(&mut self.held, candidate.is_some());
        if was_held { None } else { self.press(candidate?) }
    }

    fn press(&mut self, (row, column): (usize, usize)) -> Option<u8> {
        let table = if self.letter { &LETTERS } else { &KEYS };
        let key = *table.get(row)?.get(column)?;
        self.letter = key == LETTER;
        (!self.letter).then_some(key)
    }
}

enum Seen {
    None,
    Key((usize, usize)),
    Several,
}

impl Seen {
    fn of(contacts: Contacts) -> Self {
        let mut closed = contacts.iter().enumerate().flat_map(|(row, contacts)| {
            [1_u8, 2, 4, 8]
                .into_iter()
                .enumerate()
                .filter_map(move |(column, bit)| (contacts & bit != 0).then_some((row, column)))
        });
        match (closed.next(), closed.next()) {
            (None, _) => Self::None,
            (Some(key), None) => Self::Key(key),
            (Some(_), Some(_)) => Self::Several,
        }
    }
}

/// Keys that wait to be read: few, because they may be a PIN, and each place is erased once it is read.
#[derive(Default)]
pub struct KeyQueue {
    keys: [u8; 16],
    waiting: usize,
}

impl KeyQueue {
    /// No keys, as a constant.
    pub const fn new() -> Self {
        Self {
            keys: [0; 16],
            waiting: 0,
        }
    }

    /// Adds a key; one that finds no room is dropped.
    pub fn push(&mut self, key: u8) {
        if let Some(place) = self.keys.get_mut(self.waiting) {
            *place = key;
            self.waiting = self.waiting.saturating_add(1);
        }
    }

    /// Moves what waits into `buffer`, the oldest first; says how many.
    pub fn take(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.waiting);
        for (place, key) in buffer.iter_mut().zip(&self.keys).take(count) {
            *place = *key;
        }
        self.keys.rotate_left(count);
        self.waiting = self.waiting.saturating_sub(count);
        if let Some(read) = self.keys.get_mut(self.waiting..) {
            read.zeroize();
        }
        count
    }

    /// Waits nothing?
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

#[cfg(test)]
mod tests {
    use super::KeyQueue;

    #[test]
    fn what_was_read_is_erased() {
        let mut queue = KeyQueue::new();
        b"123456".iter().for_each(|key| queue.push(*key));
        queue.take(&mut [0; 4]);
        assert_eq!(queue.keys[..3], [b'5', b'6', 0]);
        queue.take(&mut [0; 4]);
        assert_eq!(queue.keys, [0; 16]);
    }
}
