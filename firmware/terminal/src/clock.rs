//! The clock: a time that somebody vouched for, and the milliseconds since.

use card_spec::payment::ClockSource;
use card_spec::values::{Date, Time};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Time and source as a journal entry holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) time: Time,
    pub(crate) source: ClockSource,
}

/// The clock of a terminal. It is unset at power-on: no time passes for a terminal without power.
#[derive(Clone)]
pub(crate) struct Clock {
    /// Milliseconds since power-on.
    now: u64,
    /// A time, when it was set, and by whom. It is the time in Vietnam as if it were UTC: a scale to add milliseconds on, which
    /// takes 14 kB of code less than adding to a civil time does.
    set: Option<(Timestamp, u64, ClockSource)>,
}

impl Clock {
    pub(crate) fn new(now: u64) -> Self {
        Self { now, set: None }
    }

    pub(crate) fn tick(&mut self, now: u64) {
        self.now = self.now.max(now);
    }

    /// Milliseconds since power-on.
    pub(crate) fn milliseconds(&self) -> u64 {
        self.now
    }

    /// Sets the clock to the time of a host or an operator; nothing happens for [`Time::UNSET`].
    pub(crate) fn set(&mut self, time: Time, source: ClockSource) {
        self.set = to_scale(time).map(|time| (time, self.now, source)).or(self.set);
    }

    /// The present time and its source; unset beyond the year 2099, too.
    pub(crate) fn stamp(&self) -> Stamp {
        match self.present() {
            Some((time, source)) => Stamp { time, source },
            None => Stamp {
                time: Time::UNSET,
                source: ClockSource::Unset,
            },
        }
    }

    /// Today, if the clock is set.
    pub(crate) fn today(&self) -> Option<Date> {
        self.stamp().time.date()
    }

    fn present(&self) -> Option<(Time, ClockSource)> {
        let (time, at, source) = self.set?;
        let elapsed = i64::try_from(self.now.saturating_sub(at)).ok()?;
        let present = Timestamp::from_millisecond(time.as_millisecond().checked_add(elapsed)?).ok()?;
        Some((from_scale(present)?, source))
    }
}

fn to_scale(time: Time) -> Option<Timestamp> {
    let date = time.date()?;
    let (hour, minute, second) = time.clock();
    let part = |value| i8::try_from(value).ok();
    let year = i16::try_from(date.year()).ok()?;
    let (month, day) = (part(date.month())?, part(date.day())?);
    let civil = DateTime::new(year, month, day, part(hour)?, part(minute)?, part(second)?, 0).ok()?;
    Offset::UTC.to_timestamp(civil).ok()
}

fn from_scale(time: Timestamp) -> Option<Time> {
    let time = Offset::UTC.to_datetime(time);
    let part = |value| u8::try_from(value).ok();
    let year = u16::try_from(time.year()).ok()?;
    let date = Date::new(year, part(time.month())?, part(time.day())?)?;
    Time::new(
        date,
        part(time.hour())?,
        part(time.minute())?,
        part(time.second())?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(year: u16, month: u8, day: u8, [hour, minute, second]: [u8; 3]) -> Option<Time> {
        Time::new(Date::new(year, month, day)?, hour, minute, second)
    }

    fn after(start: Option<Time>, milliseconds: u64) -> Option<Time> {
        let mut clock = Clock::new(5_000);
        clock.set(start?, ClockSource::Host);
        clock.tick(milliseconds.saturating_add(5_000));
        Some(clock.stamp().time)
    }

    #[test]
    fn time_goes_on_over_seconds_days_and_leap_years() {
        let evening = time(2028, 2, 28, [23, 59, 59]);
        assert_eq!(after(evening, 999), evening);
        assert_eq!(after(evening, 1_000), time(2028, 2, 29, [0, 0, 0]));
        assert_eq!(after(evening, 86_401_000), time(2028, 3, 1, [0, 0, 0]));
        assert_eq!(
            after(time(2026, 12, 31, [12, 0, 0]), 43_200_000),
            time(2027, 1, 1, [0, 0, 0])
        );
    }

    #[test]
    fn beyond_its_last_year_or_any_number_the_clock_is_unset() {
        let last = time(2099, 12, 31, [23, 59, 59]);
        assert_eq!(after(last, 999), last);
        assert_eq!(after(last, 1_000), Some(Time::UNSET));
        for milliseconds in [i64::MAX as u64, u64::MAX] {
            assert_eq!(after(last, milliseconds), Some(Time::UNSET));
        }
        assert_eq!(after(Some(Time::UNSET), 1_000), Some(Time::UNSET));
    }
}
