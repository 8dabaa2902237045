//! A panel of 128 × 64 pixels: what is on it, and how to draw that.

use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::{DrawTarget, Drawable, Pixel, Point};
use embedded_graphics::text::{Baseline, Text};
use heapless::String;

use crate::font::{FONT, LETTER};
use crate::wrap::{ROWS, rows};
use crate::{LANGUAGE_KEY, NEW_PAGE, PAGE_KEY};

/// Pixels in a row.
pub const WIDTH: u32 = 128;
/// Pixels in a column.
pub const HEIGHT: u32 = 64;

/// Bytes of text that can be paged through: those of the longest service of one holder, and more.
const MEMORY: usize = 2_048;
const BACKSPACE: char = '\u{08}';

/// The panel's text, and which part of it is shown.
#[derive(Default)]
pub struct Panel {
    text: String<MEMORY>,
    pages_back: usize,
    english: bool,
}

impl Panel {
    /// Appends text; the end of it is shown.
    pub fn append(&mut self, text: &str) {
        self.pages_back = 0;
        for letter in text.chars() {
            match letter {
                NEW_PAGE => self.text.clear(),
                BACKSPACE => {
                    self.text.pop();
                }
                '\r' => {}
                _ => self.push(letter),
            }
        }
    }

    /// Takes a key that is meant for the panel; false if it is not.
    pub fn key(&mut self, key: u8) -> bool {
        match key {
            PAGE_KEY => {
                let back = self.pages_back.saturating_add(1);
                // After the first page comes the last one again.
                self.pages_back = if back.saturating_mul(ROWS) < self.count() {
                    back
                } else {
                    0
                };
            }
            LANGUAGE_KEY => {
                self.english = !self.english;
                self.pages_back = 0;
            }
            _ => return false,
        }
        true
    }

    /// Draws the panel on a black `target`.
    ///
    /// # Errors
    /// Those of the target.
    pub fn draw<D: DrawTarget<Color = BinaryColor>>(&self, target: &mut D) -> Result<(), D::Error> {
        let end = self.count().saturating_sub(self.pages_back.saturating_mul(ROWS));
        let begin = end.saturating_sub(ROWS);
        let style = MonoTextStyle::new(&FONT, BinaryColor::On);
        let mut outcome = Ok(());
        let mut number = 0_usize;
        rows(&self.text, self.english, |row| {
            let place = number
                .checked_sub(begin)
                .filter(|place| *place < ROWS && number < end);
            number = number.saturating_add(1);
            if let (Some(place), Ok(())) = (place, &outcome) {
                outcome = Text::with_baseline(row, Point::new(0, top_of(place)), style, Baseline::Top)
                    .draw(target)
                    .map(|_| ());
            }
        });
        outcome?;
        if begin > 0 { draw_more(target) } else { Ok(()) }
    }

    fn count(&self) -> usize {
        let mut count = 0_usize;
        rows(&self.text, self.english, |_| count = count.saturating_add(1));
        count
    }

    /// Adds a letter; the oldest line goes where there is no room.
    fn push(&mut self, letter: char) {
        while self.text.push(letter).is_err() {
            let line = self.text.find('\n').map(|end| end.saturating_add(1));
            let rest = line.and_then(|start| self.text.get(start..)).unwrap_or_default();
            let mut kept = String::new();
            // A part of what was there fits.
            let _ = kept.push_str(rest);
            self.text = kept;
        }
    }
}

/// Five rows of 13 pixels are one more than there are: the last one begins on the last line of the one above.
fn top_of(place: usize) -> i32 {
    let top = u32::try_from(place)
        .unwrap_or_default()
        .saturating_mul(LETTER.height);
    let top = top.min(HEIGHT.saturating_sub(LETTER.height));
    i32::try_from(top).unwrap_or_default()
}

/// A small triangle in the corner beside the rows: there is more before.
fn draw_more<D: DrawTarget<Color = BinaryColor>>(target: &mut D) -> Result<(), D::Error> {
    let triangle = [(126, 0), (126, 1), (127, 1)];
    target.draw_iter(triangle.map(|(x, y)| Pixel(Point::new(x, y), BinaryColor::On)))
}
