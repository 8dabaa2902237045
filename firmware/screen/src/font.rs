//! Letters of 6 × 13 pixels: ASCII and all of Vietnamese, precomposed.
//!
//! They are X11's misc-fixed 6x13 ("Public domain font. Share and enjoy."), of Debian's package xfonts-base; `font/extract`
//! took them out of it.

use embedded_graphics::image::ImageRaw;
use embedded_graphics::mono_font::mapping::StrGlyphMapping;
use embedded_graphics::mono_font::{DecorationDimensions, MonoFont};
use embedded_graphics::prelude::Size;

const LETTERS: &str = include_str!("../font/letters.txt");
/// A letter that the font does not have shows as this one.
const UNKNOWN: char = '?';
/// 16 letters in a row.
const PICTURE_WIDTH: u32 = 96;

pub(crate) const LETTER: Size = Size::new(6, 13);

pub(crate) const FONT: MonoFont<'static> = MonoFont {
    image: ImageRaw::new(include_bytes!("../font/vietnamese-6x13.bin"), PICTURE_WIDTH),
    glyph_mapping: &StrGlyphMapping::new(LETTERS, index_of_unknown()),
    character_size: LETTER,
    character_spacing: 0,
    baseline: 10,
    underline: DecorationDimensions::new(12, 1),
    strikethrough: DecorationDimensions::new(6, 1),
};

/// ASCII comes first, from the space.
const fn index_of_unknown() -> usize {
    (UNKNOWN as usize).saturating_sub(' ' as usize)
}
