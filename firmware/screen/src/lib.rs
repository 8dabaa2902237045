//! The clerk's screen, in two kinds: a text console ([`console`]) and a panel of 128 × 64 pixels ([`Panel`]).
//!
//! The terminal core writes one stream of text, Vietnamese first and English second, with the marks below. A console shows
//! all of it. A panel has five rows of 21 letters: it leaves the English out unless it is asked for, wraps between syllables,
//! never parts an amount, shows the end of the text, and pages back through what belongs to the holder who is served.
#![no_std]

pub mod console;
pub mod oled;

mod font;
mod panel;
mod wrap;

pub use panel::{HEIGHT, Panel, WIDTH};
pub use wrap::{COLUMNS, ROWS};

/// Begins English.
pub const ENGLISH: char = '\u{1F}';
/// Ends English; the end of a line does, too.
pub const VIETNAMESE: char = '\u{1E}';
/// What came before concerns somebody else, and is forgotten.
pub const NEW_PAGE: char = '\u{0C}';

/// Key: one page back.
pub const PAGE_KEY: u8 = 0x11;
/// Key: with or without English.
pub const LANGUAGE_KEY: u8 = 0x12;

/// A screen for the clerk.
pub trait Screen {
    /// Appends `text` and shows it. A screen that fails loses it: it never stops a payment.
    fn show(&mut self, text: &str) -> impl Future<Output = ()>;

    /// Takes a key that is meant for the screen itself; false if it is not.
    fn key(&mut self, _key: u8) -> impl Future<Output = bool> {
        core::future::ready(false)
    }
}
