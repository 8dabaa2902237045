//! Days, months and times as data objects hold them.

use core::fmt;

use super::{byte_field, from_bcd, to_bcd};

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

    /// The month with this [`Period::index`], if it is one of 2000–2099.
    pub fn from_index(index: u16) -> Option<Self> {
        let month = u8::try_from(index % 12).ok()?;
        Self::new((index / 12).checked_add(2000)?, month.checked_add(1)?)
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
    fn months_are_counted_there_and_back() {
        for index in 0..1_200 {
            assert_eq!(Period::from_index(index).map(Period::index), Some(index));
        }
        assert_eq!(Period::from_index(0), Some(Period::FIRST));
        assert_eq!(Period::from_index(322), Period::new(2026, 11));
        for index in [1_200, u16::MAX] {
            assert_eq!(Period::from_index(index), None);
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
}
