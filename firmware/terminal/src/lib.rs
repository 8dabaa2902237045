//! Machine of a payment terminal: sans-IO, no_std, no alloc.
//!
//! A board feeds [`Terminal`] with bytes of the host link, keys of the clerk, what the card reader sees, and the time
//! since power-on; after every input it takes the outputs one by one from [`Terminal::poll`] until there is none.
//! Nothing here waits, and nothing here touches a device.
#![no_std]

mod block_list;
mod blocking;
mod by_hand;
mod by_hand_text;
mod carried;
mod cash;
mod clerk;
mod clock;
mod clock_setting;
mod device;
mod disbursement;
mod flash;
mod handover_text;
mod host;
mod installation;
mod keys;
mod lists;
mod log;
mod log_error;
mod machine;
mod marks;
mod open_orders;
mod operator_card;
mod operators;
mod outbox;
mod payment;
mod payment_list;
mod primitives;
mod recall;
mod recipient;
mod reversal;
#[cfg(test)]
mod screens;
mod scripts;
mod second_operator;
mod shift;
mod shift_text;
mod slip;
mod standing;
mod summary;
mod tap;
mod text;
mod totals;
mod words;

use core::cell::RefCell;
use core::fmt;
use core::ops::Range;

use card_spec::crypto::{Curve, Digest};
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash as _};
use link::FrameDecoder;
use rand_core::CryptoRng;

use crate::flash::Shared;
use crate::machine::Machine;

/// Where things lie on the flash. All ranges are in bytes and begin and end with an erase block.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Keys, certificates and which lists are in force: at least four blocks.
    pub device: Range<u32>,
    /// Places for payment lists, each [`LIST_SPACE`] bytes: four in force, and one that is being loaded.
    pub lists: [Range<u32>; LIST_PLACES],
    /// Two places for block lists; their size bounds the entries (592 bytes for 64). The one that is not in
    /// use takes the next list, in full or merged from the list in force and its changes, so deltas need no place of their own.
    /// For 200,000 cards: 452 blocks of 4,096 bytes each, 3.7 MB for both.
    pub block_lists: [Range<u32>; 2],
    /// Issuer scripts that are to be carried to their cards: one block.
    pub scripts: Range<u32>,
    /// The journal: at least two blocks. Six of the longest entries fit 4,096 bytes, on average 12.
    pub journal: Range<u32>,
}

/// Bytes of flash for one payment list of 4,000 lines: lines, Merkle nodes, marks of paid lines.
pub const LIST_SPACE: u32 = payment_list::SPACE;
/// How many lists there are places for.
pub const LIST_PLACES: usize = lists::PLACES;

/// Places for payment lists one after the other from `start`.
pub const fn list_places(start: u32) -> [Range<u32>; LIST_PLACES] {
    const fn place(start: u32, number: u32) -> Range<u32> {
        let from = start.saturating_add(number.saturating_mul(LIST_SPACE));
        from..from.saturating_add(LIST_SPACE)
    }
    [
        place(start, 0),
        place(start, 1),
        place(start, 2),
        place(start, 3),
        place(start, 4),
    ]
}

impl Layout {
    /// The parts one after the other up to `end`, in blocks of 4,096 bytes: device and payment lists, two block lists of so many
    /// `cards` each, issuer scripts, and the rest for the journal; what is too little for one does not start.
    pub const fn up_to(end: u32, cards: u32) -> Self {
        const BLOCK: u32 = 4_096;
        const LISTS: u32 = 4 * BLOCK;
        const BLOCK_LISTS: u32 = LISTS.saturating_add(LIST_SPACE.saturating_mul(LIST_PLACES as u32));
        let place = match block_list::space(cards) {
            Some(bytes) => bytes.div_ceil(BLOCK).saturating_mul(BLOCK),
            None => u32::MAX,
        };
        let other = BLOCK_LISTS.saturating_add(place);
        let scripts = other.saturating_add(place);
        let journal = scripts.saturating_add(BLOCK);
        Self {
            device: 0..LISTS,
            lists: list_places(LISTS),
            block_lists: [BLOCK_LISTS..other, other..scripts],
            scripts: scripts..journal,
            journal: journal..end,
        }
    }

    /// Do all parts lie on a flash of so many bytes?
    fn fits(&self, capacity: usize) -> bool {
        let parts = [&self.device, &self.scripts, &self.journal].into_iter();
        let parts = parts.chain(&self.lists).chain(&self.block_lists);
        parts
            .into_iter()
            .all(|part| usize::try_from(part.end).is_ok_and(|end| end <= capacity))
    }
}

/// What runs on the board.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// SHA-256 of the firmware image, as the build wrote it down.
    pub firmware: Digest,
    /// Has the board no certified random source (DATA 8.3)? Then the screen and every Boot entry say TEST.
    pub test: bool,
}

/// What the board is to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Output<'t> {
    /// Append this text to the clerk's screen. UTF-8, lines end with `\n`, `\x08 \x08` takes a letter back. English stands
    /// between U+001F and U+001E (or the end of its line): a small screen leaves it out, a console the two marks only.
    /// At a form feed a small screen forgets what it showed: another holder comes.
    Screen(&'t str),
    /// Send these bytes to the host.
    Host(&'t [u8]),
    /// Look for cards from now on ([`Terminal::card_present`] tells of them), or switch the field off.
    Field(bool),
    /// Send this command to the card and give its answer to [`Terminal::card_response`].
    Transmit(&'t [u8]),
}

/// The card did not answer: it left the field, or the reader waited for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardLost;

/// A terminal cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The flash fails, or its parts do not fit the layout.
    Flash,
    /// Another image has written the flash, in a way that this one does not know.
    Format,
    /// The journal cannot be read at all.
    Journal,
    /// The certificates in flash do not verify, or are for the other kind of board (test or production).
    Credentials,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flash => {
                "Bộ nhớ hỏng. Ngừng dùng thiết bị. / The flash has failed; stop using this terminal and keep it."
            }
            Self::Format => {
                "Đồng bộ bằng phiên bản cũ trước. / Another image wrote the flash; synchronise with the old image first."
            }
            Self::Journal => {
                "Nhật ký hỏng. Ngừng dùng thiết bị. / The journal cannot be read; stop using this terminal and keep it."
            }
            Self::Credentials => {
                "Chứng thư hỏng. Ngừng dùng thiết bị. / The certificates do not verify; have the terminal examined."
            }
        })
    }
}

impl core::error::Error for StartError {}

/// A terminal.
pub struct Terminal<'f, F, R, C> {
    decoder: FrameDecoder,
    machine: Machine<'f, F, R, C>,
}

impl<'f, F: NorFlash, R: CryptoRng, C: Curve> Terminal<'f, F, R, C> {
    /// [`Self::start_in`] where memory is no concern.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(
        flash: &'f RefCell<F>,
        layout: Layout,
        random: R,
        curve: C,
        image: Image,
        now: u64,
    ) -> Result<Self, StartError> {
        let mut place = None;
        Self::start_in(&mut place, flash, layout, random, curve, image, now)?;
        place.ok_or(StartError::Flash)
    }

    /// Starts up on its flash: a flash that holds no terminal becomes one without keys. `now` is in milliseconds since
    /// power-on, here and in [`Self::tick`]. The terminal stays in `place`: a board's stack has no room for one.
    ///
    /// # Errors
    /// [`StartError`]; the board shows it and stops.
    pub fn start_in<'t>(
        place: &'t mut Option<Self>,
        flash: &'f RefCell<F>,
        layout: Layout,
        random: R,
        curve: C,
        image: Image,
        now: u64,
    ) -> Result<&'t mut Self, StartError> {
        if !layout.fits(Shared(flash).capacity()) {
            return Err(StartError::Flash);
        }
        let terminal = Self::put(place, flash, layout, random, curve, image, now);
        terminal.machine.begin()?;
        Ok(terminal)
    }

    // By itself: its stack, with a whole terminal on it, is given back before anything goes deeper.
    #[inline(never)]
    fn put<'t>(
        place: &'t mut Option<Self>,
        flash: &'f RefCell<F>,
        layout: Layout,
        random: R,
        curve: C,
        image: Image,
        now: u64,
    ) -> &'t mut Self {
        place.insert(Self {
            decoder: FrameDecoder::new(),
            machine: Machine::new(Shared(flash), layout, random, curve, image, now),
        })
    }

    /// Tells the time: at least once a second, and before any other input that came later than the last call.
    pub fn tick(&mut self, now: u64) {
        self.machine.out.settle();
        self.machine.tick(now);
    }

    /// Takes a byte from the host link. Frames that are broken are dropped, the host asks again.
    pub fn host_byte(&mut self, byte: u8) {
        if let Some(Ok(message)) = self.decoder.feed(byte) {
            self.machine.out.settle();
            self.machine.host_message(message);
        }
    }

    /// Takes a byte of the clerk's keyboard: printable ASCII, CR or LF for Enter, BS or DEL, ESC or `c` to cancel.
    pub fn key(&mut self, key: u8) {
        self.machine.out.settle();
        self.machine.key(key);
    }

    /// What the reader sees while the field is on and no command is under way: a card or none, told at every look. Only a
    /// look that finds none makes the next card a new tap: one that lies there and fails is not tried again and again.
    pub fn card_present(&mut self, present: bool) {
        self.machine.out.settle();
        self.machine.card_present(present);
    }

    /// Takes the card's answer to the last [`Output::Transmit`].
    pub fn card_response(&mut self, response: Result<&[u8], CardLost>) {
        self.machine.out.settle();
        self.machine.card_response(response);
    }

    /// The next output, oldest of its kind first; `None` once all is said.
    pub fn poll(&mut self) -> Option<Output<'_>> {
        self.machine.out.next()
    }
}
