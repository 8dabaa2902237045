//! The clock: a time that somebody vouched for, and the milliseconds since.

use card_spec::payment::ClockSource;
use card_spec::values::{Date, Time};
use jiff::SignedDuration;
use jiff::civil::DateTime;

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
    /// A time, when it was set, and by whom.
    set: Option<(DateTime, u64, ClockSource)>,
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
        self.set = to_civil(time).map(|time| (time, self.now, source)).or(self.set);
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
        let time = from_civil(time.checked_add(SignedDuration::from_millis(elapsed)).ok()?)?;
        Some((time, source))
    }
}

fn to_civil(time: Time) -> Option<DateTime> {
    let date = time.date()?;
    let (hour, minute, second) = time.clock();
    let part = |value| i8::try_from(value).ok();
    let year = i16::try_from(date.year()).ok()?;
    let (month, day) = (part(date.month())?, part(date.day())?);
    DateTime::new(year, month, day, part(hour)?, part(minute)?, part(second)?, 0).ok()
}

fn from_civil(time: DateTime) -> Option<Time> {
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
