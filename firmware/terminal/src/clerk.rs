//! What the clerk does for a holder: types the PIN, confirms the money handed over, cancels. Shifts are in
//! [`crate::shift`].

use core::fmt::Write as _;

use card_spec::command::Pin;
use card_spec::crypto::Curve;
use card_spec::journal::{Event, Refusal, RefusalReason};
use card_spec::payment::HolderCheckMethod;
use embedded_storage::nor_flash::NorFlash;
use heapless::{String, Vec};
use rand_core::CryptoRng;
use zeroize::{Zeroize as _, Zeroizing};

use crate::blocking::Delivery;
use crate::by_hand::{ByHand, CardEntry};
use crate::by_hand_text;
use crate::carried::Reading;
use crate::cash::{CashEntry, Telling};
use crate::clock_setting::TimeEntry;
use crate::disbursement::Disbursing;
use crate::handover_text;
use crate::lists::LinePlace;
use crate::log::Log;
use crate::machine::Machine;
use crate::payment::Customer;
use crate::recipient::MAXIMUM_REPRESENTATIVES;
use crate::reversal::Reversing;
use crate::shift::{Claimant, Wish};
use crate::shift_text;
use crate::slip::LastHanded;
use crate::tap::{GenuineCard, Tap};
use crate::text::{self, EN};

/// Milliseconds that the clerk may be silent while a holder is served: then the PIN is forgotten.
pub(crate) const PATIENCE: u64 = 120_000;

pub(crate) const BACKSPACE: u8 = 0x08;
pub(crate) const DELETE: u8 = 0x7F;
pub(crate) const ESCAPE: u8 = 0x1B;

/// Where the service of a holder is.
pub(crate) enum Flow {
    /// Nobody is served.
    Idle,
    /// The clerk types a name.
    Naming(String<20>),
    /// Who says to be an operator types the PIN.
    TypingOperatorPin(Claimant),
    /// The card of that operator is to come.
    AwaitingOperator(Claimant),
    /// It has come: is it genuine?
    Proving(Claimant, Tap),
    /// Its PIN was sent.
    VerifyingOperator(Claimant, GenuineCard),
    /// A supervisor types the time.
    TypingTime(TimeEntry),
    /// The clerk reads unpaid lines, up to this one so far.
    Listing(LinePlace),
    /// The clerk types an amount of cash.
    TypingCash(CashEntry),
    /// The clerk types the number of a card that fails.
    TypingCard(CardEntry),
    /// The clerk looks at that card and its holder's document.
    PayingByHand(ByHand),
    /// First tap.
    Identifying(Tap),
    /// First tap: reading data group 1.
    Greeting(GenuineCard, Zeroizing<Vec<u8, 384>>),
    /// First tap: reading data group 5.
    Representing(GenuineCard, Zeroizing<Vec<u8, MAXIMUM_REPRESENTATIVES>>),
    /// The card is away: the holder's PIN is typed, or the clerk looks at a document.
    TypingPin(Customer),
    /// The card is to come back.
    Awaiting(Customer),
    /// Second tap, as if by the card of the first one.
    Returning(Customer, Tap),
    /// Second tap of a card that is not the one of the first tap as it was then: who is it?
    Comparing(Customer, Tap),
    /// Second tap: VERIFY was sent.
    Verifying(Customer, GenuineCard),
    /// An Intent is in flash and its order is on the way.
    Disbursing(Disbursing),
    /// The clerk says that the money was not handed over, and has not confirmed it yet.
    Doubting,
    /// A ReverseIntent is in flash and its reversal is on the way.
    Reversing(Reversing),
    /// The card is given what the issuer has signed: the block list that names it, or a script.
    Delivering(Delivery),
    /// A card is to come whose receipts the clerk wants.
    AwaitingReceipts,
    /// It has come: is it genuine?
    Approaching(Tap),
    /// Its receipts are read, or the one that stands for a line which it has refused.
    Reading(Reading),
}

/// A PIN of at most `N` digits as it is typed, kept until it is used. It stays in one place: what is moved is left behind
/// unerased.
pub(crate) struct PinEntry<const N: usize> {
    digits: Zeroizing<[u8; N]>,
    length: usize,
}

impl<const N: usize> Default for PinEntry<N> {
    fn default() -> Self {
        Self {
            digits: Zeroizing::new([0; N]),
            length: 0,
        }
    }
}

impl<const N: usize> PinEntry<N> {
    pub(crate) fn push(&mut self, digit: u8) -> bool {
        let Some(place) = self.digits.get_mut(self.length) else {
            return false;
        };
        *place = digit;
        self.length = self.length.saturating_add(1);
        true
    }

    pub(crate) fn pop(&mut self) -> bool {
        let any = self.length > 0;
        self.length = self.length.saturating_sub(1);
        any
    }

    /// What was typed so far.
    pub(crate) fn digits(&self) -> &[u8] {
        self.digits.get(..self.length).unwrap_or_default()
    }

    /// A card's PIN, if that is what was typed.
    pub(crate) fn pin(&self) -> Option<Pin> {
        Pin::new(self.digits())
    }

    pub(crate) fn erase(&mut self) {
        self.digits.zeroize();
        self.length = 0;
    }
}

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// Takes one key.
    pub(crate) fn key(&mut self, key: u8) {
        // CR LF is one Enter: a second one could confirm money that nobody has handed over.
        if core::mem::replace(&mut self.last_key, key) == b'\r' && key == b'\n' {
            return;
        }
        self.shift.touch(self.clock.milliseconds());
        self.shift.is_warned &= matches!(key, b'x' | b'X');
        self.deadline = self
            .deadline
            .map(|_| self.clock.milliseconds().saturating_add(PATIENCE));
        match core::mem::replace(&mut self.flow, Flow::Idle) {
            Flow::Idle => self.idle_key(key),
            Flow::Naming(name) => self.naming_key(name, key),
            Flow::TypingOperatorPin(claimant) => self.operator_pin_key(claimant, key),
            Flow::TypingTime(entry) => self.time_key(entry, key),
            Flow::Listing(after) => self.listing_key(after, key),
            Flow::TypingCash(entry) => self.cash_key(entry, key),
            Flow::TypingCard(entry) => self.card_number_key(entry, key),
            Flow::PayingByHand(line) => self.by_hand_key(line, key),
            Flow::TypingPin(customer) => self.pin_key(customer, key),
            Flow::Doubting => self.doubt_key(key),
            Flow::Awaiting(customer) if matches!(key, b'c' | b'C' | ESCAPE) => self.cancel(&customer),
            Flow::AwaitingReceipts if matches!(key, b'c' | b'C' | ESCAPE) => self.end_service(),
            Flow::AwaitingOperator(_) if matches!(key, b'c' | b'C' | ESCAPE) => self.forget_operator_pin(),
            // While a card is in the field, keys have no meaning.
            flow => self.flow = flow,
        }
        self.wish_field();
    }

    /// Ends what the clerk left lying.
    pub(crate) fn tick(&mut self, now: u64) {
        self.clock.tick(now);
        if self.is_serving() {
            self.shift.touch(now);
        }
        self.end_idle_service();
        self.end_idle_shift();
    }

    fn end_idle_service(&mut self) {
        if self
            .deadline
            .is_none_or(|deadline| self.clock.milliseconds() < deadline)
        {
            return;
        }
        self.deadline = None;
        match core::mem::replace(&mut self.flow, Flow::Idle) {
            Flow::TypingPin(customer) | Flow::Awaiting(customer) => self.cancel(&customer),
            Flow::TypingOperatorPin(_) | Flow::AwaitingOperator(_) | Flow::TypingTime(_) => {
                self.forget_operator_pin();
            }
            Flow::Listing(_) | Flow::Doubting | Flow::AwaitingReceipts => self.end_service(),
            Flow::TypingCash(_) => self.forget_cash(),
            Flow::TypingCard(_) | Flow::PayingByHand(_) => self.forget_by_hand(),
            flow => self.flow = flow,
        }
        self.wish_field();
    }

    fn idle_key(&mut self, key: u8) {
        match key {
            b'o' | b'O' if self.log.as_ref().is_some_and(|log| !log.is_damaged()) => {
                self.ask_operator(Wish::Shift);
            }
            b'g' | b'G' if self.log.as_ref().is_some_and(|log| !log.is_damaged()) => self.ask_clock(),
            b'x' | b'X' => self.close_shift(),
            b't' | b'T' if self.is_in_shift() => {
                self.show_totals();
                self.prompt();
            }
            b'l' | b'L' if self.is_in_shift() => self.show_unpaid(LinePlace::default()),
            // What is being handed over would be in the drawer and in the holder's hand.
            b'b' | b'B' if self.is_in_shift() && !self.is_handing_over() => self.ask_cash(Telling::Received),
            b'd' | b'D' if self.is_in_shift() && !self.is_handing_over() => self.ask_cash(Telling::Counted),
            b'\r' | b'\n' if self.is_handing_over() => self.handed(),
            b'c' | b'C' if self.is_handing_over() => self.doubt(),
            b'p' | b'P' if self.is_in_shift() => self.show_slip(),
            b'n' | b'N' if self.is_waiting() => self.go_on(),
            b'm' | b'M' if self.is_in_shift() && !self.is_handing_over() => self.ask_card_number(),
            b'3' if self.is_in_shift() && !self.is_handing_over() => self.ask_receipts(),
            b'2' if self.operator.is_some() => self.ask_operator(Wish::Second),
            _ => {}
        }
    }

    pub(crate) fn echo(&mut self, changed: bool, text: &str) {
        if changed {
            let _ = self.out.write_str(text);
        }
    }

    fn pin_key(&mut self, customer: Customer, key: u8) {
        let by_document = customer.taker.method == HolderCheckMethod::PhotoDocument;
        match key {
            b'0'..=b'9' if !by_document => {
                let taken = self.pin.push(key);
                self.echo(taken, "*");
            }
            BACKSPACE | DELETE => {
                let erased = self.pin.pop();
                self.echo(erased, "\x08 \x08");
            }
            b'c' | b'C' | ESCAPE => return self.cancel(&customer),
            letter if letter.is_ascii_alphabetic() => return self.choose(customer, letter),
            b'\r' | b'\n' => {
                let _ = writeln!(self.out);
                if !by_document && self.pin.pin().is_none() {
                    return self.ask_pin(customer, "Mã PIN có 6 chữ số.\u{1F} / A PIN has 6 digits.");
                }
                // The clerk's Enter is what asks for the second tap, so a card that lies there already will do.
                self.armed = true;
                return self.await_card(customer);
            }
            _ => {}
        }
        self.flow = Flow::TypingPin(customer);
    }

    /// Asks for the holder's PIN or for a document, after a line of explanation.
    pub(crate) fn ask_pin(&mut self, customer: Customer, explanation: &str) {
        if !explanation.is_empty() {
            let _ = writeln!(self.out, "{explanation}");
        }
        match customer.taker.method {
            HolderCheckMethod::Pin => text::enter_pin(&mut self.out),
            HolderCheckMethod::PhotoDocument => text::look_at_document(&mut self.out),
        }
        self.deadline = Some(self.clock.milliseconds().saturating_add(PATIENCE));
        self.pin.erase();
        self.flow = Flow::TypingPin(customer);
    }

    /// Asks for the second tap.
    pub(crate) fn await_card(&mut self, customer: Customer) {
        text::tap_again(&mut self.out);
        self.deadline = Some(self.clock.milliseconds().saturating_add(PATIENCE));
        // While the card is away: what is made now the second tap need not wait for.
        if self.ephemeral.is_none() {
            self.ephemeral = Some(self.curve.generate(&mut self.random));
        }
        self.flow = Flow::Awaiting(customer);
    }

    fn cancel(&mut self, customer: &Customer) {
        let _ = writeln!(self.out);
        if customer.undoes.is_some() {
            handover_text::not_undone(&mut self.out, false);
            return self.end_service();
        }
        self.refuse(Refusal {
            reason: RefusalReason::Cancelled,
            card_number: Some(customer.card.facts.number),
            line_number: None,
            status_word: None,
            closes_intent: None,
        });
        self.end_service();
    }

    /// Back to where the next holder can come.
    pub(crate) fn end_service(&mut self) {
        self.deadline = None;
        self.pin.erase();
        self.ephemeral = None;
        self.second = None;
        self.flow = Flow::Idle;
        self.prompt();
    }

    /// The clerk has handed over what was paid.
    fn handed(&mut self) {
        let unhanded = self.log.as_ref().map(Log::unhanded).unwrap_or_default();
        let unhanded = LastHanded::from_slice(unhanded).unwrap_or_default();
        for payment in &unhanded {
            let intent = payment.intent;
            if self.record(Event::Handed { intent }).is_err() {
                return text::not_recorded(&mut self.out);
            }
        }
        self.last_handed = unhanded;
        let _ = writeln!(
            self.out,
            "Đã giao tiền. p = biên nhận.{EN} / Money handed over. p = receipt."
        );
        self.armed = true;
        self.prompt();
    }

    pub(crate) fn is_handing_over(&self) -> bool {
        self.log
            .as_ref()
            .is_some_and(|log| !log.is_damaged() && !log.unhanded().is_empty())
    }

    /// Is a holder being served?
    pub(crate) fn is_serving(&self) -> bool {
        !matches!(
            self.flow,
            Flow::Idle
                | Flow::Naming(_)
                | Flow::TypingOperatorPin(_)
                | Flow::AwaitingOperator(_)
                | Flow::TypingTime(_)
                | Flow::Listing(_)
                | Flow::Doubting
                | Flow::TypingCash(_)
                | Flow::TypingCard(_)
        )
    }

    /// Says what comes next when nobody is served.
    pub(crate) fn prompt(&mut self) {
        if !matches!(self.flow, Flow::Idle) {
            return;
        }
        let Some(log) = &self.log else {
            return text::not_provisioned(&mut self.out);
        };
        if log.is_damaged() {
            return text::damaged(&mut self.out);
        }
        // Before anybody else's card, or the money of two would be asked for as one sum.
        if self.is_handing_over() {
            return handover_text::hand_over(&mut self.out, log.unhanded());
        }
        if self.is_waiting() {
            return self.show_open();
        }
        if self.log.as_ref().is_some_and(|log| !log.unreversed().is_empty()) {
            handover_text::unreversed(&mut self.out);
        }
        if let Some(Ok(Some(left))) = self.log.as_mut().map(Log::last_payments) {
            text::journal_fills(&mut self.out, left);
        }
        text::idle(&mut self.out, self.operator.is_some(), self.clock.today());
        if self.operator.is_some() && self.device.operators.is_some() && self.pays_by_hand() {
            by_hand_text::hint(&mut self.out);
        }
        if self.operator.is_none() && self.device.operators.is_none() {
            shift_text::unprotected(&mut self.out);
        }
        if self.device.operators.is_some() {
            shift_text::clock_source(&mut self.out, self.clock.stamp().source);
        }
    }

    /// Tells the board whether cards are wanted.
    pub(crate) fn wish_field(&mut self) {
        let wanted = match &self.flow {
            Flow::Idle => self.wants_first_tap(),
            Flow::Naming(_)
            | Flow::TypingOperatorPin(_)
            | Flow::TypingTime(_)
            | Flow::Listing(_)
            | Flow::TypingCash(_)
            | Flow::TypingCard(_)
            | Flow::PayingByHand(_)
            | Flow::Doubting
            | Flow::TypingPin(..) => false,
            _ => true,
        };
        self.out.field(wanted);
    }

    /// Not before money that is paid was handed over. Then an open order is settled by anybody at any time; for all else there is
    /// a shift.
    pub(crate) fn wants_first_tap(&self) -> bool {
        let Some(log) = self.log.as_ref().filter(|log| !log.is_damaged()) else {
            return false;
        };
        let is_anybody_expected = self.operator.is_some() || !log.open_intents().is_empty();
        is_anybody_expected && log.unhanded().is_empty()
    }
}
