//! The value types of SPEC.md, clause 1: dates, times, numbers, amounts. A value of one of these types is valid.

use core::fmt;

use crate::tlv::{Error, Field, Reader, Writer};

/// Implements [`Field`] for a type that wraps bytes, by a checked constructor.
macro_rules! byte_field {
    ($type:ty, $size:literal) => {
        impl<'a> Field<'a> for $type {
            fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
                let bytes = <[u8; $size]>::read(reader, tag)?;
                Self::from_bytes(bytes).ok_or(Error::Value(tag))
            }

            fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
                writer.put(tag, &self.to_bytes())
            }
        }
    };
}

/// Days of a month in the Gregorian calendar, 0 for a month that does not exist.
const fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 0,
    }
}

/// Two decimal digits from one BCD byte.
fn from_bcd(byte: u8) -> Option<u8> {
    let (tens, ones) = (byte >> 4, byte & 0x0F);
    if tens > 9 || ones > 9 {
        return None;
    }
    tens.checked_mul(10)?.checked_add(ones)
}

/// One BCD byte from a number below 100.
fn to_bcd(value: u8) -> u8 {
    let tens = (value / 10) % 10;
    (tens << 4) | (value % 10)
}

/// A calendar day of 2000–2099 (TR-03110-3, D.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u8,
    month: u8,
    day: u8,
}

impl Date {
    /// A day that exists; `year` is the full year, 2000 to 2099.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let short = u8::try_from(year.checked_sub(2000)?)
            .ok()
            .filter(|year| *year < 100)?;
        if day == 0 || day > days_in_month(year, month) {
            return None;
        }
        Some(Self {
            year: short,
            month,
            day,
        })
    }

    /// From six bytes of one digit each, YYMMDD.
    pub fn from_bytes(bytes: [u8; 6]) -> Option<Self> {
        if bytes.iter().any(|digit| *digit > 9) {
            return None;
        }
        let [y1, y2, m1, m2, d1, d2] = bytes;
        let two = |tens: u8, ones: u8| tens.checked_mul(10)?.checked_add(ones);
        Self::new(
            u16::from(two(y1, y2)?).checked_add(2000)?,
            two(m1, m2)?,
            two(d1, d2)?,
        )
    }

    /// Six bytes of one digit each, YYMMDD.
    pub fn to_bytes(self) -> [u8; 6] {
        let Self { year, month, day } = self;
        [year / 10, year % 10, month / 10, month % 10, day / 10, day % 10]
    }

    /// The full year.
    pub fn year(self) -> u16 {
        u16::from(self.year).saturating_add(2000)
    }

    /// The month, 1 to 12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, 1 to 31.
    pub fn day(self) -> u8 {
        self.day
    }

    /// Days since 1 January 2000: differences of these are distances in days.
    pub fn day_number(self) -> u32 {
        let years = u32::from(self.year);
        let leap_days = years.saturating_add(3) / 4;
        let months = (1..self.month).fold(0_u32, |days, month| {
            days.saturating_add(u32::from(days_in_month(self.year(), month)))
        });
        years
            .saturating_mul(365)
            .saturating_add(leap_days)
            .saturating_add(months)
            .saturating_add(u32::from(self.day))
            .saturating_sub(1)
    }

    /// The month the day lies in.
    pub fn period(self) -> Period {
        Period {
            year: self.year(),
            month: self.month,
        }
    }
}
byte_field!(Date, 6);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year(), self.month, self.day)
    }
}

/// A birth date whose month and day may be unknown (`00`), as in Vietnamese civil records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BirthDate {
    year: u16,
    month: u8,
    day: u8,
}

impl BirthDate {
    /// A day of 1800–2099; `month` and `day` 0 if unknown, `day` unknown if `month` is.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let known = month != 0 || day == 0;
        let exists = day == 0 || day <= days_in_month(year, month);
        if !(1800..=2099).contains(&year) || month > 12 || !known || !exists {
            return None;
        }
        Some(Self { year, month, day })
    }

    /// From four BCD bytes, YYYYMMDD.
    pub fn from_bytes(bytes: [u8; 4]) -> Option<Self> {
        let [century, year, month, day] = bytes;
        let year = u16::from(from_bcd(century)?)
            .checked_mul(100)?
            .checked_add(u16::from(from_bcd(year)?))?;
        Self::new(year, from_bcd(month)?, from_bcd(day)?)
    }

    /// Four BCD bytes, YYYYMMDD.
    pub fn to_bytes(self) -> [u8; 4] {
        let [century, year] = year_bcd(self.year);
        [century, year, to_bcd(self.month), to_bcd(self.day)]
    }

    /// Year, month (0 unknown), day (0 unknown).
    pub fn parts(self) -> (u16, u8, u8) {
        (self.year, self.month, self.day)
    }
}
byte_field!(BirthDate, 4);

fn year_bcd(year: u16) -> [u8; 2] {
    let low = |value: u16| u8::try_from(value % 100).unwrap_or_default();
    [to_bcd(low(year / 100)), to_bcd(low(year))]
}

/// A calendar month: what a benefit line is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    year: u16,
    month: u8,
}

impl Period {
    /// January 2000.
    pub const FIRST: Self = Self { year: 2000, month: 1 };

    /// A month of 2000–2099.
    pub fn new(year: u16, month: u8) -> Option<Self> {
        let valid = (2000..=2099).contains(&year) && (1..=12).contains(&month);
        valid.then_some(Self { year, month })
    }

    /// From three BCD bytes, YYYYMM.
    pub fn from_bytes(bytes: [u8; 3]) -> Option<Self> {
        let [century, year, month] = bytes;
        let year = u16::from(from_bcd(century)?)
            .checked_mul(100)?
            .checked_add(u16::from(from_bcd(year)?))?;
        Self::new(year, from_bcd(month)?)
    }

    /// Three BCD bytes, YYYYMM.
    pub fn to_bytes(self) -> [u8; 3] {
        let [century, year] = year_bcd(self.year);
        [century, year, to_bcd(self.month)]
    }

    /// The full year.
    pub fn year(self) -> u16 {
        self.year
    }

    /// The month, 1 to 12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// Months since January 2000: differences of these are distances in months.
    pub fn index(self) -> u16 {
        let years = self.year.saturating_sub(2000);
        years
            .saturating_mul(12)
            .saturating_add(u16::from(self.month))
            .saturating_sub(1)
    }
}
byte_field!(Period, 3);

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// Vietnam time (UTC+7), or unset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time([u8; 7]);

impl Time {
    /// A clock that nobody has set.
    pub const UNSET: Self = Self([0; 7]);

    /// A time of day on a date.
    pub fn new(date: Date, hour: u8, minute: u8, second: u8) -> Option<Self> {
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let [century, year] = year_bcd(date.year());
        let [month, day] = [to_bcd(date.month()), to_bcd(date.day())];
        Some(Self([
            century,
            year,
            month,
            day,
            to_bcd(hour),
            to_bcd(minute),
            to_bcd(second),
        ]))
    }

    /// From seven BCD bytes YYYYMMDDhhmmss; all zero is [`Time::UNSET`].
    pub fn from_bytes(bytes: [u8; 7]) -> Option<Self> {
        if bytes == [0; 7] {
            return Some(Self::UNSET);
        }
        let [century, year, month, day, hour, minute, second] = bytes;
        let year = u16::from(from_bcd(century)?)
            .checked_mul(100)?
            .checked_add(u16::from(from_bcd(year)?))?;
        let date = Date::new(year, from_bcd(month)?, from_bcd(day)?)?;
        Self::new(date, from_bcd(hour)?, from_bcd(minute)?, from_bcd(second)?)
    }

    /// Seven BCD bytes YYYYMMDDhhmmss.
    pub fn to_bytes(self) -> [u8; 7] {
        self.0
    }

    /// The day, `None` if the clock is unset.
    pub fn date(self) -> Option<Date> {
        let [century, year, month, day, ..] = self.0;
        let year = u16::from(from_bcd(century)?)
            .checked_mul(100)?
            .checked_add(u16::from(from_bcd(year)?))?;
        Date::new(year, from_bcd(month)?, from_bcd(day)?)
    }

    /// Hour, minute and second.
    pub fn clock(self) -> (u8, u8, u8) {
        let [_, _, _, _, hour, minute, second] = self.0;
        let part = |byte| from_bcd(byte).unwrap_or_default();
        (part(hour), part(minute), part(second))
    }
}
byte_field!(Time, 7);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(date) = self.date() else {
            return f.write_str("unset");
        };
        let (hour, minute, second) = self.clock();
        write!(f, "{date} {hour:02}:{minute:02}:{second:02}")
    }
}

/// A card number: 16 digits, the last one a Luhn check digit (ISO/IEC 7812-1, annex B).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CardNumber([u8; 8]);

impl CardNumber {
    /// From the province of issue (below 100) and a serial of up to 13 digits; the check digit is added.
    pub fn new(province: u8, serial: u64) -> Option<Self> {
        if province > 99 || serial > 9_999_999_999_999 {
            return None;
        }
        let body = u64::from(province)
            .checked_mul(10_000_000_000_000)?
            .checked_add(serial)?;
        let payload = body.checked_mul(10)?;
        (0..10).find_map(|check| Self::from_integer(payload.checked_add(check)?))
    }

    fn from_integer(number: u64) -> Option<Self> {
        let mut bytes = [0; 8];
        let mut rest = number;
        for byte in bytes.iter_mut().rev() {
            *byte = to_bcd(u8::try_from(rest % 100).ok()?);
            rest /= 100;
        }
        Self::from_bytes(bytes)
    }

    /// From eight BCD bytes.
    pub fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        let mut sum = 0_u8;
        for byte in bytes {
            from_bcd(byte)?;
            let doubled = (byte >> 4).checked_mul(2)?;
            sum = sum
                .checked_add(doubled / 10)?
                .checked_add(doubled % 10)?
                .checked_add(byte & 0x0F)?;
        }
        sum.is_multiple_of(10).then_some(Self(bytes))
    }

    /// Eight BCD bytes.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0
    }

    /// Sixteen ASCII digits.
    pub fn digits(self) -> [u8; 16] {
        let mut digits = [b'0'; 16];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[(byte >> 4) | 0x30, (byte & 0x0F) | 0x30]);
        }
        digits
    }
}
byte_field!(CardNumber, 8);

impl core::str::FromStr for CardNumber {
    type Err = InvalidCardNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidCardNumber);
        }
        text.parse()
            .ok()
            .and_then(Self::from_integer)
            .ok_or(InvalidCardNumber)
    }
}

/// Not sixteen digits with a right check digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCardNumber;

impl fmt::Display for InvalidCardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a card number has 16 digits, the last one a check digit")
    }
}

impl core::error::Error for InvalidCardNumber {}

impl fmt::Display for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardNumber({self})")
    }
}

/// An amount in Vietnamese đồng (VND), at most twelve digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u64);

impl Amount {
    /// The largest amount, 999 999 999 999 VND.
    pub const MAXIMUM: Self = Self(999_999_999_999);

    /// An amount in VND.
    pub fn new(vnd: u64) -> Option<Self> {
        (vnd <= Self::MAXIMUM.0).then_some(Self(vnd))
    }

    /// VND.
    pub fn vnd(self) -> u64 {
        self.0
    }

    /// The sum, `None` beyond [`Amount::MAXIMUM`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::new(self.0.checked_add(other.0)?)
    }
}

impl<'a> Field<'a> for Amount {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        Self::new(u64::read(reader, tag)?).ok_or(Error::Value(tag))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        self.0.write(writer, tag)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} VND", self.0)
    }
}

/// Four upper-case letters or digits that name a benefit programme (DATA.md, 1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Programme([u8; 4]);

impl Programme {
    /// Sudden relief: on every card (SPEC 5.1).
    pub const SUDDEN_RELIEF: Self = Self(*b"DXUA");

    /// From four ASCII characters.
    pub fn from_bytes(bytes: [u8; 4]) -> Option<Self> {
        let valid = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        bytes.iter().all(valid).then_some(Self(bytes))
    }

    /// Four ASCII characters.
    pub fn to_bytes(self) -> [u8; 4] {
        self.0
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}
byte_field!(Programme, 4);

impl fmt::Debug for Programme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a terminal, `VNT` and seven digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminalName([u8; 10]);

impl TerminalName {
    /// From ten ASCII characters.
    pub fn from_bytes(bytes: [u8; 10]) -> Option<Self> {
        let digits = bytes.strip_prefix(b"VNT")?;
        digits.iter().all(u8::is_ascii_digit).then_some(Self(bytes))
    }

    /// Ten ASCII characters.
    pub fn to_bytes(self) -> [u8; 10] {
        self.0
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}
byte_field!(TerminalName, 10);

impl core::str::FromStr for TerminalName {
    type Err = InvalidTerminalName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes().try_into().map_err(|_| InvalidTerminalName)?;
        Self::from_bytes(bytes).ok_or(InvalidTerminalName)
    }
}

/// Not `VNT` and seven digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTerminalName;

impl fmt::Display for InvalidTerminalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a terminal name is VNT and seven digits, as in VNT0000001")
    }
}

impl core::error::Error for InvalidTerminalName {}

impl fmt::Debug for TerminalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for TerminalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// UTF-8 text of 1 to `N` bytes without control characters. Holds personal data: its `Debug` shows the length only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<'a, const N: usize>(&'a str);

impl<'a, const N: usize> Text<'a, N> {
    /// Checks the length and the characters.
    pub fn new(text: &'a str) -> Option<Self> {
        let valid = (1..=N).contains(&text.len()) && !text.chars().any(char::is_control);
        valid.then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

impl<const N: usize> fmt::Debug for Text<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl<'a, const N: usize> Field<'a> for Text<'a, N> {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        let bytes = reader.expect(tag)?.value();
        core::str::from_utf8(bytes)
            .ok()
            .and_then(Self::new)
            .ok_or(Error::Value(tag))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.put(tag, self.0.as_bytes())
    }
}

/// Printable ASCII (`20`–`7E`) of 1 to `N` bytes, "AN N" in SPEC.md.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ascii<'a, const N: usize>(&'a str);

impl<'a, const N: usize> Ascii<'a, N> {
    /// Checks the length and the characters.
    pub fn new(text: &'a str) -> Option<Self> {
        let printable = text.bytes().all(|byte| (0x20..=0x7E).contains(&byte));
        ((1..=N).contains(&text.len()) && printable).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

impl<const N: usize> fmt::Debug for Ascii<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ascii({} bytes)", self.0.len())
    }
}

impl<'a, const N: usize> Field<'a> for Ascii<'a, N> {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        let bytes = reader.expect(tag)?.value();
        core::str::from_utf8(bytes)
            .ok()
            .and_then(Self::new)
            .ok_or(Error::Value(tag))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.put(tag, self.0.as_bytes())
    }
}

/// A data object that can hold one value only, such as the suite byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Constant<const VALUE: u8>;

/// Suite `01`: ECDSA over P-256 with SHA-256 (SPEC 2.1).
pub type Suite = Constant<1>;

impl<'a, const VALUE: u8> Field<'a> for Constant<VALUE> {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        if u8::read(reader, tag)? == VALUE {
            Ok(Self)
        } else {
            Err(Error::Value(tag))
        }
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        VALUE.write(writer, tag)
    }
}

/// Declares an enumeration of one byte with named values; other bytes are refused.
macro_rules! byte_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $value:literal, )* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $( $(#[$variant_meta])* $variant = $value, )* }

        impl $name {
            /// From its byte.
            pub fn from_byte(byte: u8) -> Option<Self> {
                match byte { $( $value => Some(Self::$variant), )* _ => None }
            }
        }

        impl<'a> $crate::tlv::Field<'a> for $name {
            fn read(reader: &mut $crate::tlv::Reader<'a>, tag: u16) -> Result<Self, $crate::tlv::Error> {
                Self::from_byte(u8::read(reader, tag)?).ok_or($crate::tlv::Error::Value(tag))
            }

            fn write(&self, writer: &mut $crate::tlv::Writer<'_>, tag: u16) -> Result<(), $crate::tlv::Error> {
                (*self as u8).write(writer, tag)
            }
        }
    };
}
pub(crate) use byte_enum;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        assert!(Date::new(2024, 2, 29).is_some());
        for (year, month, day) in [
            (2023, 2, 29),
            (2024, 13, 1),
            (2024, 0, 1),
            (2024, 4, 31),
            (2024, 1, 0),
            (1999, 1, 1),
            (2100, 1, 1),
        ] {
            assert_eq!(Date::new(year, month, day), None, "{year}-{month}-{day}");
        }
        assert_eq!(Date::from_bytes([2, 6, 1, 1, 3, 10]), None);
    }

    #[test]
    fn days_are_counted_without_gaps() {
        let mut expected = 0;
        for year in 2000..=2099 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    assert_eq!(Date::new(year, month, day).unwrap().day_number(), expected);
                    expected += 1;
                }
            }
        }
        assert_eq!(expected, 36_525); // 100 years, 25 of them leap years
    }

    #[test]
    fn birth_dates_may_lack_month_and_day() {
        assert_eq!(BirthDate::new(1941, 0, 0).unwrap().to_bytes(), [0x19, 0x41, 0, 0]);
        assert!(BirthDate::new(1941, 5, 0).is_some());
        assert_eq!(BirthDate::new(1941, 0, 5), None);
        assert_eq!(BirthDate::new(1941, 2, 29), None);
    }

    #[test]
    fn card_numbers_carry_a_check_digit() {
        let number = CardNumber::new(79, 1).unwrap();
        let text = core::str::from_utf8(&number.digits())
            .unwrap()
            .parse::<CardNumber>();
        assert_eq!(text, Ok(number));
        // A published test number with a right Luhn digit, and every single-digit error in it.
        let right = *b"4111111111111111";
        assert!(
            core::str::from_utf8(&right)
                .unwrap()
                .parse::<CardNumber>()
                .is_ok()
        );
        for place in 0..16 {
            for digit in b'0'..=b'9' {
                let mut wrong = right;
                wrong[place] = digit;
                let parsed = core::str::from_utf8(&wrong).unwrap().parse::<CardNumber>();
                assert_eq!(parsed.is_ok(), wrong == right);
            }
        }
    }

    #[test]
    fn times_order_as_their_bytes() {
        let date = Date::new(2026, 11, 22).unwrap();
        let earlier = Time::new(date, 9, 59, 59).unwrap();
        let later = Time::new(date, 10, 0, 0).unwrap();
        assert!(Time::UNSET < earlier && earlier < later);
        assert_eq!(Time::from_bytes(later.to_bytes()), Some(later));
        assert_eq!(later.date(), Some(date));
        assert_eq!(Time::from_bytes([0x20, 0x26, 0x11, 0x22, 0x24, 0, 0]), None);
    }

    #[test]
    fn amounts_end_at_twelve_digits() {
        assert!(Amount::new(999_999_999_999).is_some());
        assert_eq!(Amount::new(1_000_000_000_000), None);
        assert_eq!(Amount::MAXIMUM.checked_add(Amount(1)), None);
    }
}
