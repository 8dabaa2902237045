//! SPEC 1, the table of types: which bytes are a value, at both ends of every range, and what a value is written as.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

use card_spec::tlv::{Error, Field, Reader, Writer};
use card_spec::values::{Amount, BirthDate, CardNumber, Date, Digits, Period, Programme, TerminalName, Time};

/// The data object that holds the value under the tag 80.
fn written<'a>(value: &impl Field<'a>) -> Vec<u8> {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    value.write(&mut writer, 0x80).unwrap();
    writer.finish().to_vec()
}

/// What a data object with the tag 80 and these bytes holds.
fn read<'a, T: Field<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    T::read(&mut Reader::new(bytes), 0x80)
}

mod date {
    use super::*;

    #[test]
    fn is_every_day_of_2000_to_2099_and_no_other() {
        let mut days = 0;
        for year in 1999..=2100 {
            for month in 0..=13 {
                for day in 0..=32 {
                    let Some(date) = Date::new(year, month, day) else {
                        continue;
                    };
                    assert_eq!((date.year(), date.month(), date.day()), (year, month, day));
                    assert_eq!(Date::from_bytes(date.to_bytes()), Some(date));
                    days += 1;
                }
            }
        }
        assert_eq!(days, 36_525);
    }

    #[test]
    fn has_one_digit_in_a_byte() {
        let date = Date::new(2099, 12, 31).unwrap();
        assert_eq!(written(&date), [0x80, 6, 9, 9, 1, 2, 3, 1]);
        assert_eq!(read(&written(&date)), Ok(date));
        // Ten is no digit, though the sums would be the years 30 and 2000 + 100, the month 10 and the day 20.
        for no_date in [
            [2, 10, 0, 1, 0, 1],
            [10, 0, 0, 1, 0, 1],
            [2, 6, 0, 10, 0, 1],
            [2, 6, 0, 1, 1, 10],
            [0x32, 0x36, 0x31, 0x31, 0x32, 0x32],
        ] {
            assert_eq!(Date::from_bytes(no_date), None, "{no_date:?}");
        }
        assert_eq!(
            read::<Date>(&[0x80, 6, 2, 6, 1, 3, 0, 1]),
            Err(Error::Value(0x80))
        );
        assert_eq!(read::<Date>(&[0x80, 5, 2, 6, 1, 1, 0]), Err(Error::Value(0x80)));
    }

    #[test]
    fn lies_in_its_month() {
        let date = Date::new(2026, 11, 30).unwrap();
        assert_eq!(date.period(), Period::new(2026, 11).unwrap());
    }
}

mod birth_date {
    use super::*;

    #[test]
    fn is_a_day_or_a_month_or_a_year_of_1800_to_2099() {
        for (year, month, day) in [
            (1800, 1, 1),
            (2099, 12, 31),
            (1941, 12, 0),
            (1941, 0, 0),
            (2000, 2, 29),
            (2024, 2, 29),
        ] {
            let date = BirthDate::new(year, month, day).unwrap();
            assert_eq!(date.parts(), (year, month, day));
            assert_eq!(BirthDate::from_bytes(date.to_bytes()), Some(date));
        }
        for (year, month, day) in [
            (1799, 12, 31),
            (2100, 1, 1),
            (1941, 13, 0),
            (1941, 13, 1),
            (1941, 0, 1),
            (1941, 1, 32),
            (1941, 4, 31),
            // Of the centuries only every fourth has a leap year (Gregorian calendar).
            (1800, 2, 29),
            (1900, 2, 29),
            (2023, 2, 29),
        ] {
            assert_eq!(BirthDate::new(year, month, day), None, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn is_four_bytes_of_bcd() {
        let date = BirthDate::new(1987, 10, 9).unwrap();
        assert_eq!(written(&date), [0x80, 4, 0x19, 0x87, 0x10, 0x09]);
        assert_eq!(read(&written(&date)), Ok(date));
        for no_date in [
            [0x1A, 0x00, 0x01, 0x01],
            [0x19, 0x7B, 0x01, 0x01],
            [0x19, 0x87, 0x0A, 0x01],
            [0x19, 0x87, 0x01, 0x1A],
            [0xA0, 0x00, 0x01, 0x01],
        ] {
            assert_eq!(BirthDate::from_bytes(no_date), None, "{no_date:02X?}");
        }
    }
}

mod period {
    use super::*;

    #[test]
    fn is_a_month_of_2000_to_2099() {
        assert_eq!(Period::new(2000, 1), Some(Period::FIRST));
        assert!(Period::new(2099, 12).is_some());
        for (year, month) in [(1999, 12), (2100, 1), (2026, 0), (2026, 13)] {
            assert_eq!(Period::new(year, month), None, "{year}-{month}");
        }
    }

    #[test]
    fn is_three_bytes_of_bcd() {
        let period = Period::new(2026, 10).unwrap();
        assert_eq!((period.year(), period.month()), (2026, 10));
        assert_eq!(written(&period), [0x80, 3, 0x20, 0x26, 0x10]);
        assert_eq!(read(&written(&period)), Ok(period));
        for no_period in [[0x20, 0x26, 0x0A], [0x20, 0x2A, 0x01], [0x1A, 0x00, 0x01]] {
            assert_eq!(Period::from_bytes(no_period), None, "{no_period:02X?}");
        }
    }

    #[test]
    fn is_one_further_from_the_first_with_each_month() {
        let periods =
            (2000..=2099).flat_map(|year| (1..=12).filter_map(move |month| Period::new(year, month)));
        for (index, period) in (0..1200).zip(periods) {
            assert_eq!(period.index(), index);
        }
        assert_eq!(Period::new(2099, 12).unwrap().index(), 1199);
    }
}

mod time {
    use super::*;

    fn day() -> Date {
        Date::new(2026, 11, 22).unwrap()
    }

    #[test]
    fn is_seven_bytes_of_bcd() {
        let time = Time::new(day(), 23, 59, 10).unwrap();
        assert_eq!(
            written(&time),
            [0x80, 7, 0x20, 0x26, 0x11, 0x22, 0x23, 0x59, 0x10]
        );
        assert_eq!(read(&written(&time)), Ok(time));
        assert_eq!((time.date(), time.clock()), (Some(day()), (23, 59, 10)));
        for no_time in [
            [0x20, 0x26, 0x11, 0x22, 0x1A, 0x00, 0x00],
            [0x20, 0x26, 0x11, 0x22, 0x00, 0x0A, 0x00],
            [0x20, 0x26, 0x11, 0x22, 0x00, 0x00, 0x0A],
            [0x20, 0x26, 0x11, 0x2A, 0x00, 0x00, 0x00],
            [0x20, 0x26, 0x0A, 0x22, 0x00, 0x00, 0x00],
            [0x20, 0x1A, 0x11, 0x22, 0x00, 0x00, 0x00],
            [0x1A, 0x00, 0x11, 0x22, 0x00, 0x00, 0x00],
            [0x19, 0x99, 0x12, 0x31, 0x00, 0x00, 0x00],
            [0x21, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00],
        ] {
            assert_eq!(Time::from_bytes(no_time), None, "{no_time:02X?}");
        }
    }

    #[test]
    fn of_day_ends_at_235959() {
        assert!(Time::new(day(), 0, 0, 0).is_some());
        assert!(Time::new(day(), 23, 59, 59).is_some());
        for (hour, minute, second) in [(24, 0, 0), (0, 60, 0), (0, 0, 60)] {
            assert_eq!(Time::new(day(), hour, minute, second), None);
        }
    }

    #[test]
    fn is_unset_where_all_is_zero_and_only_there() {
        assert_eq!(Time::from_bytes([0; 7]), Some(Time::UNSET));
        assert_eq!(Time::UNSET.to_bytes(), [0; 7]);
        assert_eq!(Time::UNSET.date(), None);
        assert_eq!(Time::from_bytes([0, 0, 0, 0, 0, 0, 1]), None);
        assert_eq!(Time::from_bytes([0x20, 0, 0, 0, 0, 0, 0]), None);
    }
}

mod card_number {
    use super::*;

    #[test]
    fn is_province_serial_and_check_digit() {
        // The check digits from another implementation of ISO/IEC 7812-1, annex B.
        for (province, serial, digits) in [
            (0, 0, "0000000000000000"),
            (79, 1, "7900000000000014"),
            (1, 1_234_567_890_123, "0112345678901236"),
            (99, 9_999_999_999_999, "9999999999999995"),
        ] {
            let number = CardNumber::new(province, serial).unwrap();
            assert_eq!(number.digits(), digits.as_bytes());
            assert_eq!(hex::encode(number.to_bytes()), digits);
            assert_eq!(digits.parse(), Ok(number));
            assert_eq!(written(&number)[2..], number.to_bytes());
            assert_eq!(read(&written(&number)), Ok(number));
        }
        assert_eq!(CardNumber::new(100, 0), None);
        assert_eq!(CardNumber::new(0, 10_000_000_000_000), None);
    }

    #[test]
    fn is_sixteen_digits() {
        for text in [
            "",
            "411111111111111",
            "41111111111111111",
            "411111111111111A",
            // Without the length or the digits a leading zero would make these right.
            "112345678901236",
            "+112345678901236",
        ] {
            assert!(text.parse::<CardNumber>().is_err(), "{text}");
        }
        // Half-bytes above nine, though the sums end in zero.
        assert_eq!(CardNumber::from_bytes([0xA0, 0, 0, 0, 0, 0, 0, 0x08]), None);
        assert_eq!(CardNumber::from_bytes([0x0A, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}

mod amount {
    use super::*;

    #[test]
    fn is_at_most_twelve_digits() {
        let largest = Amount::new(999_999_999_999).unwrap();
        assert_eq!(largest, Amount::MAXIMUM);
        assert_eq!(largest.vnd(), 999_999_999_999);
        assert_eq!(Amount::new(1_000_000_000_000), None);
        assert_eq!(Amount::new(u64::MAX), None);
    }

    #[test]
    fn adds_up_to_the_largest_and_not_beyond() {
        let amount = |vnd| Amount::new(vnd).unwrap();
        assert_eq!(amount(3).checked_add(amount(4)), Some(amount(7)));
        let below = amount(999_999_999_998);
        assert_eq!(below.checked_add(amount(1)), Some(Amount::MAXIMUM));
        assert_eq!(below.checked_add(amount(2)), None);
    }

    #[test]
    fn is_eight_bytes_big_endian() {
        let amount = Amount::new(0x01_0203_0405).unwrap();
        assert_eq!(written(&amount), [0x80, 8, 0, 0, 0, 1, 2, 3, 4, 5]);
        assert_eq!(read(&written(&amount)), Ok(amount));
        let beyond = [0x80, 8, 0, 0, 0, 0xE8, 0xD4, 0xA5, 0x10, 0x00];
        assert_eq!(read::<Amount>(&beyond), Err(Error::Value(0x80)));
    }
}

#[test]
fn a_programme_is_four_upper_case_letters_or_digits() {
    for text in [*b"DXUA", *b"AZ09"] {
        let programme = Programme::from_bytes(text).unwrap();
        assert_eq!(programme.as_str().as_bytes(), text);
        assert_eq!(written(&programme), [&[0x80, 4], &text[..]].concat());
    }
    for text in [*b"dxua", *b"DXU ", *b"DX-A", *b"DXU\0"] {
        assert_eq!(Programme::from_bytes(text), None, "{text:?}");
    }
}

#[test]
fn a_terminals_name_is_vnt_and_seven_digits() {
    let name = TerminalName::from_bytes(*b"VNT0123456").unwrap();
    assert_eq!("VNT0123456".parse(), Ok(name));
    assert_eq!((name.as_str(), name.to_bytes()), ("VNT0123456", *b"VNT0123456"));
    for text in [
        "VNT012345",
        "VNT01234567",
        "VNT012345A",
        "VNTA123456",
        "VNX0123456",
        "vnt0123456",
    ] {
        assert!(text.parse::<TerminalName>().is_err(), "{text}");
    }
}

#[test]
fn a_code_of_digits_is_ascii_digits() {
    let code = Digits::from_bytes(*b"09").unwrap();
    assert_eq!(written(&code), [0x80, 2, b'0', b'9']);
    assert_eq!(read(&written(&code)), Ok(code));
    for wrong in [
        &[0x80, 2, 0, 9][..],
        &[0x80, 1, b'0'],
        &[0x80, 3, b'0', b'9', b'0'],
    ] {
        assert_eq!(read::<Digits<2>>(wrong), Err(Error::Value(0x80)));
    }
}
