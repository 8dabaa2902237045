//! What gets onto the panel, read back from its pixels: no syllable cut, no amount parted, nothing lost.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::HashMap;

use screen::oled::{Controller, Frame, PAGES};
use screen::{COLUMNS, LANGUAGE_KEY, PAGE_KEY, Panel, ROWS, console};

const LETTERS: &str = include_str!("../font/letters.txt");
const TOPS: [usize; ROWS] = [0, 13, 26, 39, 51];

fn drawn(panel: &Panel) -> Frame {
    let mut frame = Frame::default();
    let Ok(()) = panel.draw(&mut frame);
    frame
}

/// A letter's pixels; in the last two rows without their uppermost and lowest, one of which they share.
fn cell(frame: &Frame, row: usize, column: usize) -> Vec<bool> {
    let lines = if row < 3 { 0..13 } else { 1..12 };
    let places = lines.flat_map(|y| (0..6).map(move |x| (x, y)));
    places
        .map(|(x, y)| frame.is_lit(6 * column + x, TOPS[row] + y))
        .collect()
}

/// Reads the rows off the pixels.
fn read(panel: &Panel, alphabet: &HashMap<Vec<bool>, char>) -> Vec<String> {
    let frame = drawn(panel);
    let row = |row| {
        let letters = (0..COLUMNS).map(|column| alphabet[&cell(&frame, row, column)]);
        letters.collect::<String>().trim_end().to_owned()
    };
    (0..ROWS).map(row).collect()
}

/// Each letter's pixels. Of letters that look alike in the last two rows the first is taken.
fn alphabet() -> HashMap<Vec<bool>, char> {
    let mut alphabet = HashMap::new();
    for letter in LETTERS.chars() {
        let mut panel = Panel::default();
        panel.append(&format!("x{letter}\nx\nx\nx{letter}"));
        let frame = drawn(&panel);
        alphabet.entry(cell(&frame, 0, 1)).or_insert(letter);
        alphabet.entry(cell(&frame, 3, 1)).or_insert(letter);
    }
    alphabet
}

fn rows(text: &str) -> Vec<String> {
    let mut panel = Panel::default();
    panel.append(text);
    read(&panel, &alphabet())
}

#[test]
fn every_letter_of_vietnamese_is_there_and_is_itself() {
    let marked = "àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵ";
    let pictures: HashMap<_, _> = LETTERS
        .chars()
        .map(|letter| {
            let mut panel = Panel::default();
            panel.append(&format!("x{letter}"));
            let frame = drawn(&panel);
            let pixels: Vec<bool> = (0..13 * 6).map(|at| frame.is_lit(6 + at % 6, at / 6)).collect();
            (pixels, letter)
        })
        .collect();
    // The dash and the hyphen.
    assert_eq!(
        pictures.len(),
        LETTERS.chars().count() - 1,
        "other letters look alike"
    );
    for letter in marked
        .chars()
        .flat_map(|letter| std::iter::once(letter).chain(letter.to_uppercase()))
    {
        assert!(LETTERS.contains(letter), "{letter}");
    }
}

#[test]
fn syllables_stay_whole() {
    assert_eq!(
        rows("thẻ không có trong danh sách của điểm này.\n")[..3],
        ["thẻ không có trong", "danh sách của điểm", "này."]
    );
    // Exactly a row, and one letter more.
    assert_eq!(
        rows("123456789 abcdefghijk x\n")[..2],
        ["123456789 abcdefghijk", "x"]
    );
    assert_eq!(
        rows("123456789 abcdefghijkl\n")[..2],
        ["123456789", "abcdefghijkl"]
    );
    // What no row holds is cut, and nothing of it lost.
    assert_eq!(
        rows("a 0123456789012345678901234567890 b\n")[..3],
        ["a", "012345678901234567890", "1234567890 b"]
    );
}

#[test]
fn amounts_stay_whole_wherever_they_fall() {
    let longest = "999.999.999.999 đồng";
    for amount in ["5 đồng", "500.000 đồng", "1.000.000 đồng,", longest] {
        for before in 0..=COLUMNS {
            let text = format!("{} {amount} sau\n", "a".repeat(before));
            assert!(
                rows(&text).iter().any(|row| row.contains(amount)),
                "{text}: {:?}",
                rows(&text)
            );
        }
    }
    // A number before another word is no amount.
    assert_eq!(
        rows("aaaaaaaaaaaaaaaaaa 12 dong\n")[..2],
        ["aaaaaaaaaaaaaaaaaa 12", "dong"]
    );
}

#[test]
fn english_is_left_out_until_it_is_asked_for() {
    let text = "Cộng\u{1F} / total\u{1E}: 5\n\u{1F}NOT PAID: wrong PIN.\nChạm thẻ\u{1F} / Tap card\n";
    assert_eq!(rows(text), ["Cộng: 5", "Chạm thẻ", "", "", ""]);
    let mut panel = Panel::default();
    panel.append(text);
    assert!(panel.key(LANGUAGE_KEY));
    assert_eq!(
        read(&panel, &alphabet())[..3],
        ["Cộng / total: 5", "NOT PAID: wrong PIN.", "Chạm thẻ / Tap card"]
    );
    assert!(panel.key(LANGUAGE_KEY));
    assert_eq!(read(&panel, &alphabet())[1], "Chạm thẻ");
}

#[test]
fn the_end_is_shown_and_paging_reaches_every_row_once() {
    let mut panel = Panel::default();
    (1..=12).for_each(|line| panel.append(&format!("dong {line}\n")));
    let alphabet = alphabet();
    let pages: Vec<_> = (0..4)
        .map(|_| {
            let page = read(&panel, &alphabet);
            assert!(panel.key(PAGE_KEY));
            page
        })
        .collect();
    assert_eq!(pages[0], ["dong 8", "dong 9", "dong 10", "dong 11", "dong 12"]);
    assert_eq!(pages[1], ["dong 3", "dong 4", "dong 5", "dong 6", "dong 7"]);
    assert_eq!(pages[2], ["dong 1", "dong 2", "", "", ""]);
    assert_eq!(pages[3], pages[0]);
    // Anything new is shown at once.
    panel.append("moi\n");
    assert_eq!(read(&panel, &alphabet)[4], "moi");
}

#[test]
fn another_holder_sees_nothing_of_the_one_before() {
    let mut panel = Panel::default();
    panel.append("NGUYEN VAN A\n\u{0C}");
    assert!(panel.key(PAGE_KEY) && panel.key(LANGUAGE_KEY));
    assert!(drawn(&panel) == Frame::default());
}

#[test]
fn what_is_typed_can_be_taken_back() {
    let mut panel = Panel::default();
    panel.append("PIN: **");
    panel.append("\u{08} \u{08}");
    assert_eq!(read(&panel, &alphabet())[0], "PIN: *");
    // More than there is.
    (0..50).for_each(|_| panel.append("\u{08}"));
    assert!(drawn(&panel) == Frame::default());
}

#[test]
fn more_text_than_there_is_room_for_loses_the_oldest_lines() {
    let mut panel = Panel::default();
    (0..2_000).for_each(|line| panel.append(&format!("đồng {line}\n")));
    assert_eq!(read(&panel, &alphabet())[4], "đồng 1999");
    panel.append(&"ậ".repeat(5_000));
    assert!(read(&panel, &alphabet())[0].starts_with('ậ'));
}

#[test]
fn a_console_gets_all_of_it_without_marks() {
    let text = "\u{0C}Cộng\u{1F} / total\u{1E}: 5\n\u{1F}NOT PAID\n\nPIN: ";
    let shown: String = console::pieces(text).collect();
    assert_eq!(shown, "Cộng / total: 5\r\nNOT PAID\r\n\r\nPIN: ");
}

/// The memory of a controller, 132 columns wide in an SH1106.
struct Module {
    memory: Vec<[u8; 132]>,
    page: usize,
    column: usize,
    on: bool,
}

impl Module {
    /// Commands of the data sheets with their arguments; anything else is a mistake.
    fn take(&mut self, transfer: &[u8]) {
        let (control, bytes) = transfer.split_first().expect("a control byte");
        let mut bytes = bytes.iter().copied();
        if *control == 0x40 {
            for byte in bytes {
                self.memory[self.page][self.column] = byte;
                self.column += 1;
            }
            return;
        }
        assert_eq!(*control, 0x00);
        while let Some(command) = bytes.next() {
            match command {
                0x00..=0x0F => self.column = self.column & 0xF0 | usize::from(command),
                0x10..=0x1F => self.column = self.column & 0x0F | usize::from(command & 0xF) << 4,
                0xB0..=0xB7 => self.page = usize::from(command & 7),
                0xAE | 0xAF => self.on = command == 0xAF,
                0xD5 | 0xA8 | 0xD3 | 0x8D | 0xAD | 0xDA | 0x81 | 0xD9 | 0xDB => {
                    bytes.next().expect("an argument");
                }
                0x40 | 0xA1 | 0xC8 | 0xA4 | 0xA6 => {}
                _ => panic!("{command:02X} is no command of these controllers"),
            }
        }
    }
}

#[test]
fn both_controllers_show_the_picture_whatever_their_memory_held() {
    let mut panel = Panel::default();
    panel.append("Chạm thẻ\nỆ\nẤ\nữ\nđồng");
    let frame = drawn(&panel);
    for (controller, left) in [(Controller::Ssd1306, 0), (Controller::Sh1106, 2)] {
        let mut module = Module {
            memory: vec![[0xA5; 132]; usize::from(PAGES)],
            page: 5,
            column: 77,
            on: false,
        };
        module.take(controller.start());
        for page in 0..PAGES {
            module.take(&controller.select(page));
            module.take(&controller.data(&frame, page));
        }
        assert!(module.on);
        for (x, y) in (0..128).flat_map(|x| (0..64).map(move |y| (x, y))) {
            let lit = module.memory[y / 8][left + x] >> (y % 8) & 1 == 1;
            assert_eq!(lit, frame.is_lit(x, y), "{controller:?} {x} {y}");
        }
    }
}
