//! What goes over I²C to a 128 × 64 OLED with an SSD1306 or an SH1106. Page addressing, which both have.
//!
//! Sections are those of the data sheets SSD1306 rev 1.1 and SH1106 V2.3.

use core::convert::Infallible;

use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Pixel, Size};

use crate::panel::{HEIGHT, WIDTH};

/// The usual address; a solder bridge makes it 0x3D.
pub const ADDRESS: u8 = 0x3C;
/// Bands of eight rows.
pub const PAGES: u8 = 8;
const COLUMNS: usize = WIDTH as usize;
/// SSD1306 8.1.5.2: after this byte only commands follow, or only data.
const COMMANDS: u8 = 0x00;
const DATA: u8 = 0x40;

/// Bytes of one transfer: control byte and a page.
pub type PageData = [u8; COLUMNS + 1];

/// The picture, as the controllers hold it: a byte is eight pixels below each other, the uppermost in the lowest bit.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame([[u8; COLUMNS]; PAGES as usize]);

impl Default for Frame {
    fn default() -> Self {
        Self([[0; COLUMNS]; PAGES as usize])
    }
}

impl Frame {
    /// Is the pixel lit?
    pub fn is_lit(&self, x: usize, y: usize) -> bool {
        let byte = self.0.get(y / 8).and_then(|page| page.get(x));
        byte.is_some_and(|byte| byte & bit(y) != 0)
    }

    /// Do the two differ in this page?
    pub fn differs(&self, other: &Self, page: u8) -> bool {
        self.0.get(usize::from(page)) != other.0.get(usize::from(page))
    }
}

const fn bit(y: usize) -> u8 {
    1 << (y % 8)
}

impl OriginDimensions for Frame {
    fn size(&self) -> Size {
        Size::new(WIDTH, HEIGHT)
    }
}

impl DrawTarget for Frame {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(point, color) in pixels {
            let (Ok(x), Ok(y)) = (usize::try_from(point.x), usize::try_from(point.y)) else {
                continue;
            };
            if let Some(byte) = self.0.get_mut(y / 8).and_then(|page| page.get_mut(x)) {
                *byte = if color.is_on() {
                    *byte | bit(y)
                } else {
                    *byte & !bit(y)
                };
            }
        }
        Ok(())
    }
}

/// The chip on the panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// 0.96-inch panels.
    Ssd1306,
    /// 1.3-inch panels; its memory is 132 columns wide and the panel begins at the third.
    Sh1106,
}

impl Controller {
    /// Switches the panel on. Its memory holds noise until the pages are sent.
    pub const fn start(self) -> &'static [u8] {
        match self {
            // Off, clock, 64 rows, no offset, first row 0, charge pump on, mirrored, contrast, pre-charge, VCOMH, from memory,
            // not inverted, on (SSD1306 tables 9-1 and 9.1).
            Self::Ssd1306 => &[
                COMMANDS, 0xAE, 0xD5, 0x80, 0xA8, 0x3F, 0xD3, 0x00, 0x40, 0x8D, 0x14, 0xA1, 0xC8, 0xDA, 0x12,
                0x81, 0xCF, 0xD9, 0xF1, 0xDB, 0x40, 0xA4, 0xA6, 0xAF,
            ],
            // The same; the DC-DC converter has another command (SH1106 section "Command table", 16).
            Self::Sh1106 => &[
                COMMANDS, 0xAE, 0xD5, 0x80, 0xA8, 0x3F, 0xD3, 0x00, 0x40, 0xAD, 0x8B, 0xA1, 0xC8, 0xDA, 0x12,
                0x81, 0x80, 0xD9, 0x22, 0xDB, 0x35, 0xA4, 0xA6, 0xAF,
            ],
        }
    }

    /// Says that a page comes: its number and its first column.
    pub const fn select(self, page: u8) -> [u8; 4] {
        let column = match self {
            Self::Ssd1306 => 0,
            Self::Sh1106 => 2,
        };
        [
            COMMANDS,
            0xB0 | (page & 0x07),
            column & 0x0F,
            0x10 | (column >> 4),
        ]
    }

    /// The page itself.
    pub fn data(self, frame: &Frame, page: u8) -> PageData {
        let mut bytes = [DATA; COLUMNS + 1];
        let content = frame.0.get(usize::from(page)).into_iter().flatten();
        for (place, byte) in bytes.iter_mut().skip(1).zip(content) {
            *place = *byte;
        }
        bytes
    }
}
