//! Shifts: a clerk says who it is, proves it where the issuer has sent operators (DATA 11), by a PIN or a card
//! ([`crate::operator_card`]), works, and ends.

use core::fmt::Write as _;

use card_spec::crypto::{Curve, Digest};
use card_spec::journal::{Event, RefusalReason, ShiftEnd};
use card_spec::operators::{PIN_DIGITS, Proof, Roles};
use card_spec::payment::Operator;
use embedded_storage::nor_flash::NorFlash;
use heapless::String;
use rand_core::CryptoRng;

use crate::clerk::{BACKSPACE, DELETE, ESCAPE, Flow, PATIENCE, PinEntry};
use crate::machine::Machine;
use crate::operators::Lookup;
use crate::payment::refusal;
use crate::{shift_text, text};

/// Milliseconds after which a shift ends by itself when nobody has touched the terminal.
const IDLE: u64 = 900_000;
/// From the third attempt in a row that failed on each is kept in the journal, and so outlives the power.
const RECORDED_FROM: u32 = 3;
/// Longest wait after such an attempt in milliseconds: twelve guesses an hour.
const LONGEST_WAIT: u64 = 300_000;

/// What shifts need to remember since power-on.
#[derive(Default)]
pub(crate) struct Shift {
    /// What the operator wants who types name and PIN.
    pub(crate) wish: Wish,
    /// The operator's PIN, or that of the operator's card, as it is typed.
    pub(crate) pin: PinEntry<{ *PIN_DIGITS.end() }>,
    /// Wrong PINs and cards since a shift was opened last.
    wrong: u32,
    /// Nobody can say to be an operator before, in milliseconds since power-on.
    locked_until: u64,
    /// When the terminal was touched last, in milliseconds since power-on.
    touched: u64,
    /// The clerk has just read that the cash is not counted.
    pub(crate) is_warned: bool,
}

impl Shift {
    /// After power-on, with the failed attempts that the journal tells of: the wait begins anew, or it would end with the power.
    pub(crate) fn resume(wrong: u32, now: u64) -> Self {
        Self {
            wrong,
            locked_until: now.saturating_add(wait(wrong)),
            touched: now,
            ..Self::default()
        }
    }

    pub(crate) fn touch(&mut self, now: u64) {
        self.touched = now;
    }
}

/// Milliseconds to wait after so many failed attempts in a row: 2, 4, 8 … seconds.
fn wait(wrong: u32) -> u64 {
    if wrong == 0 {
        return 0;
    }
    let doubled = 1_000_u64.checked_shl(wrong.min(16)).unwrap_or(LONGEST_WAIT);
    doubled.min(LONGEST_WAIT)
}

/// What an operator wants who says who it is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Wish {
    #[default]
    Shift,
    Clock,
    /// To vouch for the clerk in the next service ([`crate::second_operator`]).
    Second,
}

impl Wish {
    fn role(self) -> u8 {
        match self {
            Self::Shift | Self::Second => Roles::CLERK,
            Self::Clock => Roles::SUPERVISOR,
        }
    }
}

/// Somebody who says to be an operator, and has the role for what is wished.
pub(crate) struct Claimant {
    pub(crate) name: String<20>,
    /// How that operator proves it.
    pub(crate) proof: Proof,
    /// Hash and number of the list that says so.
    pub(crate) operators: Option<(Digest, u32)>,
}

/// Somebody who has the role for what is wished, and has proven to be the one, or there is no list of operators.
pub(crate) struct Identified(String<20>);

impl Identified {
    /// Only who has compared the PIN, or had the card compare it, may say so.
    pub(crate) fn proven(claimant: &Claimant) -> Self {
        Self(claimant.name.clone())
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// Asks who wants to work, or to set the clock.
    pub(crate) fn ask_operator(&mut self, wish: Wish) {
        self.shift.wish = wish;
        let now = self.clock.milliseconds();
        if now < self.shift.locked_until {
            let left = self.shift.locked_until.saturating_sub(now).div_ceil(1_000);
            return shift_text::still_to_wait(&mut self.out, wish, left);
        }
        shift_text::ask_operator(&mut self.out, self.device.operators.is_some());
        self.flow = Flow::Naming(String::new());
    }

    pub(crate) fn naming_key(&mut self, mut name: String<20>, key: u8) {
        match key {
            b'\r' | b'\n' if !name.trim().is_empty() => return self.named(name.trim()),
            ESCAPE => {
                let _ = writeln!(self.out);
                return self.prompt();
            }
            BACKSPACE | DELETE => {
                let erased = name.pop().is_some();
                self.echo(erased, "\x08 \x08");
            }
            0x20..=0x7E => {
                let taken = name.push(char::from(key)).is_ok();
                self.echo(
                    taken,
                    name.get(name.len().saturating_sub(1)..).unwrap_or_default(),
                );
            }
            _ => {}
        }
        self.flow = Flow::Naming(name);
    }

    fn named(&mut self, typed: &str) {
        let _ = writeln!(self.out);
        match self.find_operator(typed) {
            Lookup::Unprotected if self.shift.wish == Wish::Shift => {
                if let Ok(name) = String::try_from(typed) {
                    self.open_shift(Identified(name));
                }
            }
            Lookup::Operator(known) if known.roles.has(self.shift.wish.role()) => {
                self.ask_operator_pin(Claimant {
                    name: known.name,
                    proof: known.proof,
                    operators: self.operators_in_force(),
                });
            }
            Lookup::Unprotected => {
                shift_text::nobody_vouches(&mut self.out);
                self.prompt();
            }
            _ => {
                shift_text::no_operator(&mut self.out, self.shift.wish);
                self.prompt();
            }
        }
    }

    pub(crate) fn ask_operator_pin(&mut self, claimant: Claimant) {
        match claimant.proof {
            Proof::Pin(_) => shift_text::ask_operator_pin(&mut self.out),
            Proof::Card(_) => shift_text::ask_card_pin(&mut self.out, &claimant.name),
        }
        self.shift.pin.erase();
        self.deadline = Some(self.clock.milliseconds().saturating_add(PATIENCE));
        self.flow = Flow::TypingOperatorPin(claimant);
    }

    pub(crate) fn operator_pin_key(&mut self, claimant: Claimant, key: u8) {
        match key {
            b'0'..=b'9' => {
                let taken = self.shift.pin.push(key);
                self.echo(taken, "*");
            }
            BACKSPACE | DELETE => {
                let erased = self.shift.pin.pop();
                self.echo(erased, "\x08 \x08");
            }
            b'c' | b'C' | ESCAPE => return self.forget_operator_pin(),
            b'\r' | b'\n' => return self.operator_pin_typed(claimant),
            _ => {}
        }
        self.flow = Flow::TypingOperatorPin(claimant);
    }

    /// Nobody proves anything after all.
    pub(crate) fn forget_operator_pin(&mut self) {
        self.shift.pin.erase();
        self.deadline = None;
        let _ = writeln!(self.out);
        self.prompt();
    }

    fn operator_pin_typed(&mut self, claimant: Claimant) {
        self.deadline = None;
        let _ = writeln!(self.out);
        if !self.is_still_listed(&claimant) {
            return;
        }
        let Proof::Pin(pin) = claimant.proof else {
            return self.card_pin_typed(claimant);
        };
        let is_right = pin.accepts(self.shift.pin.digits());
        self.shift.pin.erase();
        if is_right {
            return self.identified_as(Identified::proven(&claimant));
        }
        // Something that is no PIN at all counts, too: it was an attempt, and to say more would help a stranger only.
        shift_text::unproven(
            &mut self.out,
            self.shift.wish,
            &refusal(RefusalReason::WrongPin, None),
        );
        self.count_attempt(&claimant.name);
        self.prompt();
    }

    /// Is the list in force the one that was asked by? A host may have sent another one since, of other operators, PINs or cards: then
    /// nobody has proven anything.
    pub(crate) fn is_still_listed(&mut self, claimant: &Claimant) -> bool {
        let is_listed = self.operators_in_force() == claimant.operators;
        if !is_listed {
            self.shift.pin.erase();
            shift_text::other_operators(&mut self.out, self.shift.wish);
            self.prompt();
        }
        is_listed
    }

    /// Somebody has proven to be an operator who may do what is wished.
    pub(crate) fn identified_as(&mut self, identified: Identified) {
        match self.shift.wish {
            Wish::Shift => self.open_shift(identified),
            Wish::Clock => self.ask_time(identified),
            Wish::Second => self.second_joins(&identified),
        }
    }

    /// Somebody has not proven to be this operator: nobody can try again before a while, and from the third time on the journal tells.
    pub(crate) fn count_attempt(&mut self, name: &str) {
        let wrong = self.shift.wrong.saturating_add(1);
        self.shift.wrong = wrong;
        self.shift.locked_until = self.clock.milliseconds().saturating_add(wait(wrong));
        shift_text::wait_first(&mut self.out, self.shift.wish, wait(wrong).div_ceil(1_000));
        if let Some(operator) = Operator::new(name).filter(|_| wrong >= RECORDED_FROM) {
            let attempts = wrong;
            // A full journal keeps no attempt; the wait stands all the same.
            if self
                .record(Event::OperatorRefused { operator, attempts })
                .is_err()
            {
                text::not_recorded(&mut self.out);
            }
        }
    }

    fn open_shift(&mut self, Identified(name): Identified) {
        let Some(operator) = Operator::new(&name) else {
            return self.prompt();
        };
        match self.record(Event::ShiftOpened { operator }) {
            Ok(_) => {
                shift_text::opened(&mut self.out, &name, self.device.operators.is_some());
                self.operator = Some(name);
                self.second = None;
                self.shift.wrong = 0;
                self.shift.touched = self.clock.milliseconds();
                self.armed = true;
            }
            Err(_) => text::not_recorded(&mut self.out),
        }
        self.prompt();
    }

    /// The clerk goes home. Money that was not handed over is asked for first.
    pub(crate) fn close_shift(&mut self) {
        if self.is_handing_over() {
            return self.prompt();
        }
        if self.operator.is_some() {
            self.show_totals();
        }
        let cash = self.log.as_ref().map(|log| log.totals().cash);
        if self.operator.is_some() && cash.is_some_and(|cash| cash.is_uncounted()) && !self.shift.is_warned {
            shift_text::count_first(&mut self.out);
            self.shift.is_warned = true;
            return;
        }
        self.end_shift(ShiftEnd::Closed);
        self.prompt();
    }

    /// Ends the shift, if there is one. Without room in the journal it ends without an entry.
    pub(crate) fn end_shift(&mut self, end: ShiftEnd) {
        self.second = None;
        let Some(name) = self.operator.take() else {
            return;
        };
        let recorded = Operator::new(&name).map(|operator| self.record(Event::ShiftClosed { operator, end }));
        shift_text::closed(&mut self.out, &name, end);
        if !matches!(recorded, Some(Ok(_))) {
            text::not_recorded(&mut self.out);
        }
    }

    /// Ends a shift that nobody works in any more.
    pub(crate) fn end_idle_shift(&mut self) {
        let idle = self.clock.milliseconds().saturating_sub(self.shift.touched);
        if self.operator.is_some() && idle >= IDLE {
            self.flow = Flow::Idle;
            self.end_shift(ShiftEnd::Idle);
            self.prompt();
            self.wish_field();
        }
    }
}
