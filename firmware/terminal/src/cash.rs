//! The clerk's cash: what came in, what should be there, and what was counted (DATA 5.3).
//!
//! It is counted blind: the clerk types what is there before the screen says what should be. A second count is a second entry.

use core::fmt::Write as _;

use card_spec::crypto::Curve;
use card_spec::journal::Event;
use card_spec::payment::Operator;
use card_spec::values::Amount;
use embedded_storage::nor_flash::NorFlash;
use heapless::String;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::clerk::{BACKSPACE, DELETE, ESCAPE, Flow, PATIENCE};
use crate::machine::Machine;
use crate::{shift_text, text};

/// Digits of [`Amount::MAXIMUM`].
const DIGITS: usize = 12;

/// Cash of a clerk, in VND. A part of [`crate::totals::Totals`].
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Cash {
    received: u64,
    handed: u64,
    is_counted: bool,
}

/// More was handed over than was received: so many VND.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overdrawn(pub(crate) Amount);

impl Cash {
    pub(crate) fn receive(&mut self, amount: Amount) {
        self.received = self.received.saturating_add(amount.vnd());
        self.is_counted = false;
    }

    pub(crate) fn hand(&mut self, amount: Amount) {
        self.handed = self.handed.saturating_add(amount.vnd());
        self.is_counted = false;
    }

    pub(crate) fn count(&mut self) {
        self.is_counted = true;
    }

    /// All that came in.
    pub(crate) fn received(&self) -> Amount {
        Amount::new(self.received).unwrap_or(Amount::MAXIMUM)
    }

    /// Has the clerk recorded any?
    pub(crate) fn is_kept(&self) -> bool {
        self.received > 0
    }

    /// Was it recorded, and has it changed since it was counted?
    pub(crate) fn is_uncounted(&self) -> bool {
        self.is_kept() && !self.is_counted
    }

    /// What should be in the drawer.
    pub(crate) fn expected(&self) -> Result<Amount, Overdrawn> {
        let cap = |vnd| Amount::new(vnd).unwrap_or(Amount::MAXIMUM);
        match self.received.checked_sub(self.handed) {
            Some(left) => Ok(cap(left)),
            None => Err(Overdrawn(cap(self.handed.saturating_sub(self.received)))),
        }
    }
}

/// What the clerk tells of the cash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    Received,
    Counted,
}

/// An amount as it is typed.
pub(crate) struct CashEntry {
    telling: Telling,
    digits: String<DIGITS>,
    /// It was shown, and Enter keeps it.
    is_shown: bool,
}

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// Asks the clerk for an amount of cash.
    pub(crate) fn ask_cash(&mut self, telling: Telling) {
        if telling == Telling::Counted && self.countable().is_none() {
            return;
        }
        shift_text::ask_cash(&mut self.out, telling);
        self.deadline = Some(self.clock.milliseconds().saturating_add(PATIENCE));
        self.flow = Flow::TypingCash(CashEntry {
            telling,
            digits: String::new(),
            is_shown: false,
        });
    }

    /// What should be in the drawer; or says why nothing can be counted.
    fn countable(&mut self) -> Option<Amount> {
        let cash = self.log.as_ref().map(|log| log.totals().cash);
        let Some(cash) = cash.filter(Cash::is_kept) else {
            shift_text::no_cash(&mut self.out);
            return None;
        };
        cash.expected()
            .inspect_err(|Overdrawn(amount)| shift_text::overdrawn(&mut self.out, *amount))
            .ok()
    }

    pub(crate) fn cash_key(&mut self, mut entry: CashEntry, key: u8) {
        match key {
            // Another list of operators ends a shift while its clerk counts.
            _ if !self.is_in_shift() => return self.end_service(),
            b'c' | b'C' | ESCAPE => return self.forget_cash(),
            b'\r' | b'\n' => return self.cash_typed(entry),
            _ if entry.is_shown => {}
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
            _ => {}
        }
        self.flow = Flow::TypingCash(entry);
    }

    /// Nothing is recorded after all.
    pub(crate) fn forget_cash(&mut self) {
        let _ = writeln!(self.out);
        shift_text::cash_unrecorded(&mut self.out);
        self.end_service();
    }

    /// The amount is shown in words first: a zero too many is a month of ten people.
    fn cash_typed(&mut self, mut entry: CashEntry) {
        let amount = entry.digits.parse().ok().and_then(Amount::new);
        let is_some = |amount: &Amount| entry.telling == Telling::Counted || amount.vnd() > 0;
        let Some(amount) = amount.filter(is_some) else {
            self.flow = Flow::TypingCash(entry);
            return;
        };
        if !entry.is_shown {
            entry.is_shown = true;
            let _ = writeln!(self.out);
            shift_text::confirm_cash(&mut self.out, amount);
            self.flow = Flow::TypingCash(entry);
            return;
        }
        self.keep_cash(entry.telling, amount);
        self.end_service();
    }

    fn keep_cash(&mut self, telling: Telling, amount: Amount) {
        let name = self.operator.clone().unwrap_or_default();
        let Some(operator) = Operator::new(&name) else {
            return;
        };
        let event = match telling {
            Telling::Received => Event::CashReceived { operator, amount },
            Telling::Counted => {
                let Some(expected) = self.countable() else {
                    return;
                };
                Event::CashCounted {
                    operator,
                    expected,
                    counted: amount,
                }
            }
        };
        if self.record(event).is_err() {
            return text::not_recorded(&mut self.out);
        }
        match event {
            Event::CashCounted {
                expected, counted, ..
            } => {
                shift_text::cash_counted(&mut self.out, expected, counted);
            }
            _ => {
                let cash = self.log.as_ref().map(|log| log.totals().cash);
                shift_text::cash_received(&mut self.out, amount, cash.unwrap_or_default());
            }
        }
    }
}
