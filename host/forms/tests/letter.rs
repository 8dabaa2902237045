//! The PIN letter, read back with poppler and qpdf.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tools;

use ansinh_forms::{Field, FormError, PinLetter, letter};
use card_spec::command::Pin;
use jiff::civil::date;
use tools::{Printed, vietnamese_letters};

const PIN: &str = "271828";

/// A letter with two texts of the caller's.
fn pdf_to(name: &str, address: &str) -> Result<Vec<u8>, FormError> {
    let made = letter(&PinLetter {
        number: "7900000000000014".parse().unwrap(),
        name,
        address,
        sender: "Sở Nội vụ Thành phố Hồ Chí Minh",
        contact: "Trạm cấp thẻ, 159 Pasteur, 028 3829 1302",
        printed: date(2026, 11, 22).at(9, 5, 7, 0),
        pin: &Pin::new(PIN.as_bytes()).unwrap(),
    });
    made.map(|pdf| pdf.to_vec())
}

fn to(name: &str) -> Result<Vec<u8>, FormError> {
    pdf_to(name, "Xã Bình Chánh, Thành phố Hồ Chí Minh")
}

fn printed(name: &str) -> Printed {
    Printed::new(&to(name).unwrap())
}

#[test]
fn it_says_card_name_address_time_and_whom_to_call() {
    let words = printed("Nguyễn Thị Gấm").words();
    for expected in [
        "7900 0000 0000 0014",
        "Nguyễn Thị Gấm",
        "Xã Bình Chánh, Thành phố Hồ Chí Minh",
        "Sở Nội vụ Thành phố Hồ Chí Minh",
        "22/11/2026 09:05:07",
        "Trạm cấp thẻ, 159 Pasteur, 028 3829 1302",
        "Chỉ thư mới nhất có giá trị",
        "Only the newest letter counts",
        "Không nói mã PIN cho bất kỳ ai, kể cả nhân viên chi trả",
        "Tell nobody the PIN: not the pay clerk",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
}

#[test]
fn the_pin_is_there_once_and_nowhere_but_in_its_frame() {
    let letter = printed("Nguyễn Thị Gấm");
    assert_eq!(letter.words().matches(PIN).count(), 1);
    assert_eq!(letter.text_within(60, 128, 90, 24).trim(), PIN);
    // Neither title nor any other metadata has it.
    let raw = letter.uncompressed();
    assert!(!raw.windows(PIN.len()).any(|window| window == PIN.as_bytes()));
    assert_eq!(letter.pages(), 1);
}

#[test]
fn the_window_shows_name_and_address_and_nothing_else() {
    let window = printed("Nguyễn Thị Gấm").text_within(20, 45, 85, 45);
    let lines: Vec<&str> = window
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(
        lines,
        [
            "Sở Nội vụ Thành phố Hồ Chí Minh",
            "Nguyễn Thị Gấm",
            "Xã Bình Chánh, Thành phố Hồ Chí Minh"
        ]
    );
}

#[test]
fn folded_the_pin_is_inside_and_no_line_of_text_is_beyond_the_edge() {
    let letter = printed("Nguyễn Thị Gấm");
    let outside = letter.text_within(0, 0, 210, 105) + &letter.text_within(0, 210, 210, 87);
    assert!(!outside.contains(PIN) && outside.contains("Nguyễn"));
    let margins = letter.text_within(0, 0, 15, 297)
        + &letter.text_within(195, 0, 15, 297)
        + &letter.text_within(0, 285, 210, 12);
    assert_eq!(margins.trim(), "");
}

#[test]
fn every_letter_of_the_alphabet_can_be_read_back() {
    for letters in vietnamese_letters().chunks(20) {
        let name: String = letters.iter().collect();
        let words = printed(&name).words();
        assert!(words.contains(&name), "{name}: {words}");
    }
}

#[test]
fn names_in_minority_languages_are_printed_as_they_are() {
    for name in ["H’Hen Niê", "Y Wơ̆l Kbuôr", "Êban Ê̆đê", "Đinh Ƀlơn", "A Jắk-Wĕ Fz"] {
        let words = printed(name).words();
        assert!(words.contains(name), "{name}: {words}");
    }
}

#[test]
fn all_fonts_are_embedded_subsets() {
    let fonts = printed("Nguyễn Thị Gấm").fonts();
    assert_eq!(fonts.len(), 2, "{fonts:?}");
    for font in fonts {
        let columns: Vec<&str> = font.split_whitespace().collect();
        let [.., embedded, subset, unicode, _, _] = columns.as_slice() else {
            panic!("{font}")
        };
        assert_eq!([*embedded, *subset, *unicode], ["yes"; 3], "{font}");
        assert!(font.contains("DejaVuSans"), "{font}");
    }
}

#[test]
fn the_same_letter_has_the_same_bytes_and_the_callers_date() {
    assert_eq!(to("Nguyễn Thị Gấm"), to("Nguyễn Thị Gấm"));
    let letter = printed("Nguyễn Thị Gấm");
    let raw = String::from_utf8_lossy(&letter.uncompressed()).into_owned();
    assert!(raw.contains("<pdfaid:part>2</pdfaid:part>") && raw.contains("<pdfaid:conformance>B<"));
    let information = letter.information();
    let line = information
        .lines()
        .find(|line| line.starts_with("CreationDate:"))
        .unwrap();
    // In the zone of whoever reads it.
    assert!(line.contains("Nov 22 ") && line.contains(":05:07 2026"), "{line}");
}

#[test]
fn a_long_name_is_wrapped_and_complete() {
    // 64 characters, the longest name on a card.
    let name = "NGUYỄN PHÚC CÔNG TẰNG TÔN NỮ HOÀNG THƯƠNG VƯƠNG MỸ DUYÊN QUỲNH A";
    assert_eq!(name.chars().count(), 64);
    assert!(printed(name).words().contains(name));
}

#[test]
fn the_longest_name_and_address_stay_in_the_window() {
    let text = "Nguyễn Phúc Công Tằng Tôn Nữ Hoàng Thương Vương Mỹ Duyên Quỳnh Anh Thư Ngọc Lan";
    let window = Printed::new(&pdf_to(text, text).unwrap()).text_within(20, 45, 85, 45);
    let words = window.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words, format!("Sở Nội vụ Thành phố Hồ Chí Minh {text} {text}"));
    assert_eq!(window.lines().filter(|line| !line.trim().is_empty()).count(), 7);
}

#[test]
fn what_does_not_fit_is_refused_not_cut() {
    let words = "Nguyễn ".repeat(37).trim_end().to_owned();
    assert!(words.chars().count() > 250);
    for name in [&words, &"W".repeat(40), &"ă".repeat(255), &"a".repeat(256)] {
        assert_eq!(to(name).unwrap_err(), FormError::TooLong(Field::Name), "{name}");
    }
    assert_eq!(
        pdf_to("An", &words).unwrap_err(),
        FormError::TooLong(Field::Address)
    );
}

#[test]
fn a_character_that_cannot_be_printed_is_named() {
    for (name, character, position) in [
        ("An\nBình", '\n', 3),
        ("An\tBình", '\t', 3),
        ("An\0", '\0', 3),
        ("\u{1B}[2J", '\u{1B}', 1),
        ("An\u{85}", '\u{85}', 3),
        ("An\u{A0}Bình", '\u{A0}', 3),
        ("An\u{AD}Bình", '\u{AD}', 3),
        ("An\u{200B}", '\u{200B}', 3),
        ("An\u{202E}hnìB", '\u{202E}', 3),
        ("\u{FEFF}An", '\u{FEFF}', 1),
        ("Nguyễn 安", '安', 8),
        ("An مريم", 'م', 4),
        ("Аn", 'А', 1),
        ("An 🙂", '🙂', 4),
        ("An \u{E000}", '\u{E000}', 4),
        ("An \u{FFFD}", '\u{FFFD}', 4),
    ] {
        let expected = FormError::Character {
            field: Field::Name,
            character,
            position,
        };
        assert_eq!(to(name).unwrap_err(), expected, "{name:?}");
    }
}

#[test]
fn a_latin_letter_that_the_font_lacks_is_named() {
    let within = |character: char| to(&format!("An {character}"));
    let latin = ('\u{A1}'..='\u{24F}')
        .chain('\u{1E00}'..='\u{1EFF}')
        .filter(|it| *it != '\u{AD}');
    let refused: Vec<char> = latin.filter(|it| within(*it).is_err()).collect();
    // Those of Middle Welsh.
    assert_eq!(refused, ['Ỽ', 'ỽ', 'Ỿ', 'ỿ']);
}

#[test]
fn empty_and_sloppy_texts_are_refused() {
    for (name, expected) in [
        ("", FormError::Empty(Field::Name)),
        (" ", FormError::OuterSpace(Field::Name)),
        (" An", FormError::OuterSpace(Field::Name)),
        ("An ", FormError::OuterSpace(Field::Name)),
        ("Gâ\u{301}m", FormError::NotNormal(Field::Name)),
    ] {
        assert_eq!(to(name).unwrap_err(), expected, "{name:?}");
    }
    assert_eq!(pdf_to("An", "").unwrap_err(), FormError::Empty(Field::Address));
}

#[test]
fn a_refusal_says_in_both_languages_what_to_do_and_repeats_no_name() {
    let refusal = to("Nguyễn Thị Gấm 安").unwrap_err().to_string();
    assert!(
        refusal.starts_with("Họ và tên: ký tự U+5B89 ở vị trí 16"),
        "{refusal}"
    );
    assert!(
        refusal.contains("/ Name: character U+5B89 at place 16 cannot be printed"),
        "{refusal}"
    );
    assert!(!refusal.contains("Gấm"));
}
