//! A supervisor sets the clock where no host is (DATA 7): known by PIN or card, never behind what the terminal has seen, and never against
//! a host's time.

use core::fmt::Write as _;

use card_spec::crypto::{Curve, Digest};
use card_spec::journal::Event;
use card_spec::payment::{ClockSource, Operator};
use card_spec::values::{Date, Time};
use embedded_storage::nor_flash::NorFlash;
use heapless::String;
use rand_core::CryptoRng;

use crate::clerk::{BACKSPACE, DELETE, ESCAPE, Flow, PATIENCE};
use crate::keys::Credentials;
use crate::log::Log;
use crate::machine::Machine;
use crate::shift::{Identified, Wish};
use crate::{shift_text, text};

/// Year, month, day, hour, minute as they are typed.
const DIGITS: usize = 12;

/// A supervisor who types the time.
pub(crate) struct TimeEntry {
    supervisor: Identified,
    /// Hash and number of the list that the supervisor is on.
    operators: Option<(Digest, u32)>,
    digits: String<DIGITS>,
}

/// Why a time is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrongTime {
    /// Not twelve digits of a day and time.
    NoTime,
    /// Behind what the terminal has signed or seen signed.
    Behind,
    /// On a day on which the terminal's certificates are not valid.
    Beyond,
}

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// Asks who wants to set the clock, unless a host has set it.
    pub(crate) fn ask_clock(&mut self) {
        if self.clock.stamp().source == ClockSource::Host {
            return shift_text::host_clock(&mut self.out);
        }
        if self.device.operators.is_none() {
            return shift_text::nobody_sets_clock(&mut self.out);
        }
        self.ask_operator(Wish::Clock);
    }

    /// A supervisor has shown to be one.
    pub(crate) fn ask_time(&mut self, supervisor: Identified) {
        shift_text::ask_time(&mut self.out);
        self.deadline = Some(self.clock.milliseconds().saturating_add(PATIENCE));
        self.flow = Flow::TypingTime(TimeEntry {
            supervisor,
            operators: self.operators_in_force(),
            digits: String::new(),
        });
    }

    pub(crate) fn time_key(&mut self, mut entry: TimeEntry, key: u8) {
        match key {
            b'0'..=b'9' => {
                let digit = char::from(key);
                if entry.digits.push(digit).is_ok() {
                    let _ = self.out.write_char(digit);
                }
            }
            BACKSPACE | DELETE => {
                let erased = entry.digits.pop().is_some();
                self.echo(erased, "\x08 \x08");
            }
            b'c' | b'C' | ESCAPE => return self.forget_operator_pin(),
            b'\r' | b'\n' => return self.time_typed(&entry),
            _ => {}
        }
        self.flow = Flow::TypingTime(entry);
    }

    fn time_typed(&mut self, entry: &TimeEntry) {
        self.deadline = None;
        let _ = writeln!(self.out);
        self.set_typed(entry);
        self.prompt();
    }

    /// A host may have come since the supervisor was asked, with its time, or with another list: of other supervisors or PINs.
    fn set_typed(&mut self, entry: &TimeEntry) {
        if self.clock.stamp().source == ClockSource::Host {
            return shift_text::host_clock(&mut self.out);
        }
        if self.operators_in_force() != entry.operators {
            return shift_text::other_operators(&mut self.out, Wish::Clock);
        }
        match self.acceptable(&entry.digits) {
            Ok(time) => self.set_by(&entry.supervisor, time),
            Err(wrong) => shift_text::wrong_time(&mut self.out, wrong),
        }
    }

    fn acceptable(&self, digits: &str) -> Result<Time, WrongTime> {
        let time = parse(digits).ok_or(WrongTime::NoTime)?;
        let stated = self.log.as_ref().map_or(Time::UNSET, Log::newest_stated_time);
        if time < self.newest_time().max(stated) {
            return Err(WrongTime::Behind);
        }
        let valid = |credentials: &Credentials| time.date().is_some_and(|day| credentials.valid_on(day));
        if self.credentials.as_ref().is_some_and(valid) {
            Ok(time)
        } else {
            Err(WrongTime::Beyond)
        }
    }

    fn set_by(&mut self, supervisor: &Identified, time: Time) {
        let Some(operator) = Operator::new(supervisor.name()) else {
            return;
        };
        let before = self.clock.stamp().time;
        let kept = self.clock.clone();
        self.clock.set(time, ClockSource::Operator);
        match self.record(Event::ClockSetByOperator { before, operator }) {
            Ok(_) => shift_text::clock_set(&mut self.out, time, supervisor.name()),
            Err(_) => {
                self.clock = kept;
                text::not_recorded(&mut self.out);
            }
        }
    }
}

fn parse(digits: &str) -> Option<Time> {
    let (year, rest) = digits.split_at_checked(4)?;
    let part = |at: usize| rest.get(at..at.checked_add(2)?)?.parse::<u8>().ok();
    let date = Date::new(year.parse().ok()?, part(0)?, part(2)?)?;
    Time::new(date, part(4)?, part(6)?, 0)
}
