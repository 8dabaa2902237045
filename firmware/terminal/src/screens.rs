//! What the clerk sees on the panel of 128 × 64 pixels, for everything that [`crate::text`] says: pictures in `screens/`, to
//! be looked at, and the panel must draw exactly those. Here is how they are drawn and compared; [`service`] has the screens that
//! are about a holder, [`shift`] those about the terminal's day.
//!
//! After a text has changed: `SCREENS=write cargo test -p terminal screens`, and look at them.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod service;
mod shift;

extern crate std;

use std::format;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::string::{String, ToString as _};
use std::vec::Vec;

use card_spec::payment::{LineKey, LineKeyParts, LineType};
use card_spec::values::{Amount, CardNumber, Date, Period, Programme};
use screen::oled::Frame;
use screen::{HEIGHT, PAGE_KEY, Panel, WIDTH};

use crate::Output;
use crate::outbox::Outbox;

const COLUMNS: usize = 4;
const GAP: usize = 4;
const TILE: (usize, usize) = (WIDTH as usize + GAP, HEIGHT as usize + GAP);

/// A screen and what it is of.
struct Tile {
    name: String,
    frame: Frame,
}

fn draw(panel: &Panel) -> Frame {
    let mut frame = Frame::default();
    let Ok(()) = panel.draw(&mut frame);
    frame
}

/// A panel that shows what the core says.
fn panel(say: impl FnOnce(&mut Outbox)) -> Panel {
    let mut out = Outbox::new();
    say(&mut out);
    let mut panel = Panel::default();
    if let Some(Output::Screen(text)) = out.next() {
        panel.append(text);
    }
    panel
}

fn tile(name: &str, say: impl FnOnce(&mut Outbox)) -> Tile {
    Tile {
        name: name.to_string(),
        frame: draw(&panel(say)),
    }
}

/// Rows of pixels: true is lit. Between the tiles all is lit.
fn sheet(tiles: &[Tile]) -> Vec<Vec<bool>> {
    let rows = tiles.len().div_ceil(COLUMNS);
    let mut pixels = std::vec![std::vec![true; COLUMNS * TILE.0 + GAP]; rows * TILE.1 + GAP];
    for (index, tile) in tiles.iter().enumerate() {
        let (left, top) = corner(index);
        for y in 0..HEIGHT as usize {
            for x in 0..WIDTH as usize {
                pixels[top + y][left + x] = tile.frame.is_lit(x, y);
            }
        }
    }
    pixels
}

fn corner(index: usize) -> (usize, usize) {
    (GAP + index % COLUMNS * TILE.0, GAP + index / COLUMNS * TILE.1)
}

fn write(path: &Path, pixels: &[Vec<bool>]) {
    let file = BufWriter::new(File::create(path).expect("the picture can be written"));
    let mut encoder = png::Encoder::new(file, pixels[0].len() as u32, pixels.len() as u32);
    encoder.set_depth(png::BitDepth::One);
    let bytes: Vec<u8> = pixels
        .iter()
        .flat_map(|row| {
            row.chunks(8).map(|eight| {
                let byte = eight.iter().fold(0_u8, |byte, lit| byte << 1 | u8::from(*lit));
                byte << (8 - eight.len())
            })
        })
        .collect();
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&bytes).expect("pixels");
}

fn read(path: &Path) -> Vec<Vec<bool>> {
    let file = File::open(path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
    let mut reader = png::Decoder::new(BufReader::new(file))
        .read_info()
        .expect("a picture");
    let width = reader.info().width as usize;
    let mut bytes = std::vec![0; reader.output_buffer_size().expect("small")];
    reader.next_frame(&mut bytes).expect("pixels");
    bytes
        .chunks(width.div_ceil(8))
        .map(|row| (0..width).map(|x| row[x / 8] << (x % 8) & 0x80 != 0).collect())
        .collect()
}

/// Where the clerk reads the end of a sentence alone, it may say the contrary of the whole: so everything is to be on one page.
#[track_caller]
fn whole(name: &str, say: impl FnOnce(&mut Outbox)) -> Tile {
    let mut panel = panel(say);
    let frame = draw(&panel);
    panel.key(PAGE_KEY);
    assert!(frame == draw(&panel), "{name:?} has more than one page");
    Tile {
        name: name.to_string(),
        frame,
    }
}

/// The tiles are as they were looked at.
#[track_caller]
fn look(name: &str, tiles: &[Tile]) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "screens", &format!("{name}.png")]
        .iter()
        .collect();
    let drawn = sheet(tiles);
    if std::env::var_os("SCREENS").is_some() {
        return write(&path, &drawn);
    }
    let kept = read(&path);
    for (index, tile) in tiles.iter().enumerate() {
        let (left, top) = corner(index);
        let same = (top..top + HEIGHT as usize).all(|y| {
            let part = |pixels: &[Vec<bool>]| {
                pixels
                    .get(y)?
                    .get(left..left + WIDTH as usize)
                    .map(<[bool]>::to_vec)
            };
            part(&drawn) == part(&kept)
        });
        assert!(same, "{name}: the screen of {:?} is another", tile.name);
    }
    assert!(drawn == kept, "{name}: there are screens too many or too few");
}

fn number(serial: u64) -> CardNumber {
    CardNumber::new(79, serial).unwrap_or_else(|| panic!("a card number"))
}

fn dong(vnd: u64) -> Amount {
    Amount::new(vnd).expect("an amount")
}
fn day() -> Date {
    Date::new(2026, 11, 22).expect("a day")
}

fn due_key(line_type: LineType) -> LineKey {
    LineKey::new(&LineKeyParts {
        person: [7; 16],
        programme: Programme::SUDDEN_RELIEF,
        entitlement: 1,
        line_type,
        period: Period::new(2026, 11).expect("a month"),
    })
}
