//! The handover sheet, read back with poppler and qpdf.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tools;

use ansinh_forms::{Field, FormError, HandoverRow, HandoverSheet, MAXIMUM_ROWS, handover_sheet};
use card_spec::values::CardNumber;
use jiff::civil::date;
use tools::{Printed, vietnamese_letters};

const LONG_NAME: &str = "Nguyễn Phúc Công Tằng Tôn Nữ Hoàng Thương Vương Mỹ Duyên Quỳnh A";

fn sheet(names: &[String]) -> Result<Vec<u8>, FormError> {
    let row = |(index, name)| HandoverRow {
        number: CardNumber::new(79, index as u64).unwrap(),
        name,
        birth_year: 1926,
    };
    let names = names.iter().map(String::as_str);
    let rows: Vec<HandoverRow<'_>> = names.enumerate().map(row).collect();
    handover_sheet(&HandoverSheet {
        commune: "Xã Bình Chánh, Thành phố Hồ Chí Minh",
        batch: "2026-11-A",
        date: date(2026, 11, 22),
        rows: &rows,
    })
}

fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|index| format!("Trần Thị Số{index}")).collect()
}

#[test]
fn it_lists_each_card_with_name_and_birth_year() {
    let printed = Printed::new(&sheet(&numbered(3)).unwrap());
    let text = printed.text();
    for index in 0..3 {
        let digits = CardNumber::new(79, index).unwrap().to_string();
        let row = text
            .lines()
            .find(|line| line.contains(&format!("Số{}", index + 1)))
            .unwrap();
        let last_group = digits.get(12..).unwrap();
        let expected = format!(
            "{} 7900 0000 0000 {last_group} Trần Thị Số{} 1926",
            index + 1,
            index + 1
        );
        assert_eq!(row.split_whitespace().collect::<Vec<_>>().join(" "), expected);
    }
    let words = printed.words();
    for expected in [
        "Xã Bình Chánh, Thành phố Hồ Chí Minh",
        "2026-11-A",
        "22/11/2026",
        "Tổng số: 3 thẻ / Total: 3 cards",
        "Trang 1 / 1 · Page 1 of 1",
        "Ký, ghi rõ họ tên",
        "Người giao / Handed over by",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
}

#[test]
fn no_row_is_lost_between_pages_whatever_their_number() {
    for count in [17, 18, 19, 20, 36, 37, 38, 39, 40, 200] {
        let printed = Printed::new(&sheet(&numbered(count)).unwrap());
        let (words, pages) = (printed.words(), printed.pages());
        for index in 1..=count {
            let name = format!("Số{index} ");
            assert_eq!(words.matches(&name).count(), 1, "{name} of {count}");
        }
        for page in 1..=pages {
            assert_eq!(
                words.matches(&format!("Page {page} of {pages}")).count(),
                1,
                "{count}"
            );
        }
        assert_eq!(words.matches("2026-11-A").count(), pages);
        assert_eq!(words.matches("Tổng số").count(), 1);
    }
}

#[test]
fn pages_are_as_many_as_rows_need() {
    // A page has room for 19 rows of 11 mm beside the closing's 42 mm on the last.
    let pages = |count| Printed::new(&sheet(&numbered(count)).unwrap()).pages();
    assert_eq!([1, 15, 16, 19, 20, 34, 35].map(pages), [1, 1, 2, 2, 2, 2, 3]);
}

#[test]
fn long_names_are_wrapped_and_push_rows_to_the_next_page() {
    let names = vec![LONG_NAME.to_owned(); 15];
    let printed = Printed::new(&sheet(&names).unwrap());
    assert_eq!(printed.words().matches("Nguyễn Phúc Công Tằng Tôn").count(), 15);
    assert_eq!(printed.words().matches("Quỳnh A").count(), 15);
    assert_eq!(printed.pages(), 2);
    assert_eq!(printed.text_within(196, 0, 14, 297).trim(), "");
}

#[test]
fn every_letter_of_the_alphabet_can_be_read_back() {
    let names: Vec<String> = vietnamese_letters()
        .chunks(8)
        .map(|letters| letters.iter().collect())
        .collect();
    let words = Printed::new(&sheet(&names).unwrap()).words();
    for name in names {
        assert!(words.contains(&name), "{name}: {words}");
    }
}

#[test]
fn one_bad_name_refuses_the_sheet() {
    for (name, expected) in [
        ("".to_owned(), FormError::Empty(Field::Name)),
        ("ă".repeat(255), FormError::TooLong(Field::Name)),
        ("Nguyễn ".repeat(36) + "An", FormError::TooLong(Field::Name)),
        (
            "An\nBình".to_owned(),
            FormError::Character {
                field: Field::Name,
                character: '\n',
                position: 3,
            },
        ),
        (
            "安".to_owned(),
            FormError::Character {
                field: Field::Name,
                character: '安',
                position: 1,
            },
        ),
    ] {
        let mut names = numbered(40);
        names[33] = name;
        assert_eq!(sheet(&names).unwrap_err(), expected);
    }
}

#[test]
fn a_sheet_has_cards_and_not_too_many() {
    assert_eq!(sheet(&[]).unwrap_err(), FormError::Rows(0));
    let many = MAXIMUM_ROWS + 1;
    assert_eq!(sheet(&numbered(many)).unwrap_err(), FormError::Rows(many));
}

#[test]
fn a_bad_commune_or_batch_is_refused() {
    let rows = [HandoverRow {
        number: CardNumber::new(79, 1).unwrap(),
        name: "An",
        birth_year: 1926,
    }];
    let with = |commune, batch| {
        let date = date(2026, 11, 22);
        handover_sheet(&HandoverSheet {
            commune,
            batch,
            date,
            rows: &rows,
        })
        .unwrap_err()
    };
    let long = "Xã ".repeat(80) + "An";
    assert_eq!(with("", "A"), FormError::Empty(Field::Commune));
    assert_eq!(with(&long, "A"), FormError::TooLong(Field::Commune));
    assert_eq!(with("Xã", ""), FormError::Empty(Field::Batch));
    assert_eq!(with("Xã", " A"), FormError::OuterSpace(Field::Batch));
}
