//! The rules for single values: text in, value out, or `None`.

use card_spec::values::{Amount, BirthDate, Date, Period};
use jiff::civil;
use unicode_normalization::char::is_combining_mark;

use crate::finding::WarningCode;

/// Longest name (HO_TEN of QĐ 4750/QĐ-BYT; names have no legal limit).
const NAME_CHARACTERS: usize = 255;

/// Longest name that a card holds (SPEC.md 5.1). Its other limit, 192 bytes, follows: no letter of a name takes more than 3.
const CARD_NAME_CHARACTERS: usize = 64;

/// Exactly so many decimal digits.
pub(super) fn digits(text: &str, count: usize) -> Option<String> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.to_owned())
}

/// Printable ASCII without spaces at most so long, because it goes onto the card or into a code list.
pub(super) fn code(text: &str, longest: usize) -> Option<String> {
    (text.len() <= longest && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
}

/// Text without control characters, at most so many characters.
pub(super) fn plain(text: &str, longest: usize) -> Option<String> {
    (text.chars().count() <= longest && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// A person's name. Letters of any alphabet that UTF-8 writes in 3 bytes are allowed: minority names use F, J, W, Z and others
/// (Civil Code, Art. 26), some of which (ê̆, ơ̆ of Ê Đê) exist only with a combining mark.
pub(super) fn name(text: &str) -> Option<String> {
    let allowed =
        |c: char| c.len_utf8() <= 3 && (c.is_alphabetic() || is_combining_mark(c) || " '’-.".contains(c));
    let fits = text.chars().count() <= NAME_CHARACTERS;
    let good = fits && text.chars().all(allowed) && text.chars().any(char::is_alphabetic);
    good.then(|| text.to_owned())
}

/// A name that a card holds.
pub(super) fn card_name(text: &str) -> Option<String> {
    name(text).filter(|name| name.chars().count() <= CARD_NAME_CHARACTERS)
}

/// The letters of a name that are neither of the Latin alphabet nor one of the 134 others of Vietnamese (TCVN 6909:2001).
pub(super) fn unusual_letters(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| {
        let usual = matches!(*c,
            '\u{C0}'..='\u{C3}' | '\u{C8}'..='\u{CA}' | '\u{CC}'..='\u{CD}' | '\u{D2}'..='\u{D5}' | '\u{D9}'..='\u{DA}' | '\u{DD}'
            | '\u{E0}'..='\u{E3}' | '\u{E8}'..='\u{EA}' | '\u{EC}'..='\u{ED}' | '\u{F2}'..='\u{F5}' | '\u{F9}'..='\u{FA}' | '\u{FD}'
            | '\u{102}'..='\u{103}' | '\u{110}'..='\u{111}' | '\u{128}'..='\u{129}' | '\u{168}'..='\u{169}'
            | '\u{1A0}'..='\u{1A1}' | '\u{1AF}'..='\u{1B0}' | '\u{1EA0}'..='\u{1EF9}');
        !c.is_ascii() && !usual && (c.is_alphabetic() || is_combining_mark(*c))
    })
}

/// Whole đồng in plain digits, at most 12.
pub(super) fn amount(text: &str) -> Option<u64> {
    let value = digits(text, text.len())
        .filter(|text| text.len() <= 12)?
        .parse()
        .ok()?;
    Amount::new(value).map(Amount::vnd)
}

/// A birth date `yyyymmdd`, `00` for an unknown month or day, not in the future and after 1900.
pub(super) fn birth_date(text: &str, today: civil::Date) -> Option<String> {
    let (year, month, day) = parts(text)?;
    BirthDate::new(year, month, day)?;
    let latest = format!("{:04}{:02}{:02}", today.year(), today.month(), today.day());
    (year >= 1900 && text <= latest.as_str()).then(|| text.to_owned())
}

/// A day `yyyymmdd` that the calendar has, 1945 to 2099.
pub(super) fn day(text: &str) -> Option<String> {
    let (year, month, day) = parts(text)?;
    let year_number = i16::try_from(year).ok()?;
    civil::Date::new(year_number, month.try_into().ok()?, day.try_into().ok()?).ok()?;
    (1945..=2099).contains(&year).then(|| text.to_owned())
}

/// A day that a card can hold, 2000 to 2099.
pub(super) fn card_day(text: &str) -> Option<String> {
    let (year, month, day) = parts(text)?;
    Date::new(year, month, day).map(|_| text.to_owned())
}

/// A month `yyyymm`, 2000 to 2099.
pub(super) fn month(text: &str) -> Option<String> {
    let text = digits(text, 6)?;
    let (year, month) = text.split_at_checked(4)?;
    let year = year.parse().ok().filter(|year| (2000..=2099).contains(year))?;
    Period::new(year, month.parse().ok()?).map(|_| text.clone())
}

/// The first day of a month that [`month`] accepted.
pub(super) fn first_day(month: &str) -> Option<civil::Date> {
    civil::Date::strptime("%Y%m%d", format!("{month}01")).ok()
}

/// Social insurance number: 10 digits, or since 1 August 2025 the personal ID (Official Letter 1804/BHXH-QLT), which is not
/// kept twice.
pub(super) fn social_insurance_number(text: &str, personal_id: &str) -> Option<Option<String>> {
    if text == personal_id {
        return Some(None);
    }
    digits(text, 10).map(Some)
}

/// Health insurance card code: 15 characters (Decision 1351/QD-BHXH), or the 10 digits that newer cards print.
pub(super) fn health_insurance_code(text: &str) -> Option<String> {
    let good = text
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (good && (text.len() == 15 || text.len() == 10)).then(|| text.to_owned())
}

/// What the personal ID says about century, sex and year of birth (Decree 137/2015, Art. 7; Circular 07/2016/TT-BCA), where it
/// differs from the list. Numbers were given with errors, so this is for a person to look at, never a reason to refuse.
pub(super) fn id_differences(
    personal_id: &str,
    birth_date: &str,
    sex: u8,
) -> Vec<(WarningCode, &'static str)> {
    let (Some(mark), Some(year)) = (personal_id.get(3..4), personal_id.get(4..6)) else {
        return Vec::new();
    };
    let Ok(mark) = mark.parse::<u16>() else {
        return Vec::new();
    };
    let mut differences = Vec::new();
    let century = 1900 + 100 * (mark / 2);
    if birth_date.get(..4) != Some(&format!("{:02}{year}", century / 100)) {
        let difference = "the century and year digits of so_dinh_danh do not fit ngay_sinh";
        differences.push((WarningCode::IdYear, difference));
    }
    let sex_of_mark = if mark.is_multiple_of(2) { 1 } else { 2 };
    if sex != 3 && sex != sex_of_mark {
        differences.push((
            WarningCode::IdSex,
            "the sex digit of so_dinh_danh does not fit gioi_tinh",
        ));
    }
    differences
}

fn parts(text: &str) -> Option<(u16, u8, u8)> {
    let text = digits(text, 8)?;
    let (year, rest) = text.split_at_checked(4)?;
    let (month, day) = rest.split_at_checked(2)?;
    Some((year.parse().ok()?, month.parse().ok()?, day.parse().ok()?))
}
