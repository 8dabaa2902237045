//! An operator proves to be the one by a card (DATA 11.4, decision 32): a genuine one, that of the list of operators, and its PIN.
//!
//! The tap tells who works here and nothing else. The PIN authorizes no order that pays, its session ends with the answer, and
//! an open order of the card or money of its holder is left for a tap of the holder's.

use card_spec::command::VerifyData;
use card_spec::crypto::Curve;
use card_spec::journal::{Refusal, RefusalReason};
use card_spec::operators::Proof;
use card_spec::values::Amount;
use embedded_storage::nor_flash::NorFlash;
use rand_core::CryptoRng;

use crate::clerk::{Flow, PATIENCE};
use crate::machine::Machine;
use crate::payment::refusal;
use crate::shift::{Claimant, Identified};
use crate::shift_text;
use crate::tap::{CardFacts, GenuineCard, PinVerdict, Progress, Tap};

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// The PIN of the card is typed: now the card itself.
    pub(crate) fn card_pin_typed(&mut self, claimant: Claimant) {
        if self.shift.pin.pin().is_none() {
            shift_text::no_card_pin(&mut self.out);
            return self.ask_operator_pin(claimant);
        }
        // The Enter is what asks for the card, so one that lies there already will do.
        self.armed = true;
        self.await_operator(claimant);
    }

    fn await_operator(&mut self, claimant: Claimant) {
        shift_text::tap_operator_card(&mut self.out, &claimant.name);
        self.deadline = Some(self.clock.milliseconds().saturating_add(PATIENCE));
        self.flow = Flow::AwaitingOperator(claimant);
    }

    /// A card came. Neither clock nor block list nor payment list is needed: who is to set the clock comes before them.
    pub(crate) fn operator_tap(&mut self, claimant: Claimant) {
        self.deadline = None;
        if !self.is_still_listed(&claimant) {
            return;
        }
        match Tap::begin(self.out.command()) {
            Some(tap) => self.flow = Flow::Proving(claimant, tap),
            None => self.forget_operator_pin(),
        }
    }

    /// The card has answered to a step of the session.
    #[inline(never)]
    pub(crate) fn operator_approached(&mut self, claimant: Claimant, progress: Result<Progress, Refusal>) {
        match progress {
            Ok(Progress::Next(tap)) => self.flow = Flow::Proving(claimant, tap),
            Ok(Progress::Genuine(card)) => self.send_operator_pin(claimant, card),
            // The PIN was not sent, so it need not be typed anew.
            Err(refusal) if refusal.reason == RefusalReason::CardRemoved => {
                self.say(&refusal);
                self.await_operator(claimant);
            }
            Err(refusal) if refusal.reason == RefusalReason::NotGenuine => self.not_genuine(&claimant),
            Err(refusal) => self.unproven(&refusal),
        }
    }

    /// The card is genuine. Only if it is that of the operator, and may be used, it is sent the PIN.
    fn send_operator_pin(&mut self, claimant: Claimant, mut card: GenuineCard) {
        let facts = *card.facts();
        let Proof::Card(number) = claimant.proof else {
            return self.forget_operator_pin();
        };
        if facts.number != number {
            shift_text::other_card(&mut self.out, self.shift.wish, &claimant.name);
            return self.attempt_failed(&claimant);
        }
        if let Err(reason) = self.may_prove(&facts) {
            return self.unproven(&refusal(reason, None));
        }
        let Some(pin) = self.shift.pin.pin() else {
            return self.forget_operator_pin();
        };
        self.shift.pin.erase();
        // One order is the fewest that VERIFY takes, and none is of 0 VND (SPEC 9.1, 9.2).
        let claim = VerifyData {
            pin,
            orders: 1,
            total: Amount::default(),
        };
        match card.send_pin(&claim, self.out.command()) {
            Ok(()) => self.flow = Flow::VerifyingOperator(claimant, card),
            Err(_) => self.not_genuine(&claimant),
        }
    }

    /// Dates and block list, as far as the terminal knows them. What it does not know, unset clock or no block list, stops no
    /// operator, else nobody could set the clock where no host is; it pays nobody all the same.
    fn may_prove(&mut self, facts: &CardFacts) -> Result<(), RefusalReason> {
        match self.clock.today() {
            Some(today) => self.demand_valid(facts, today)?,
            // The clock cannot be set behind that time any more.
            None if self
                .newest_time()
                .date()
                .is_some_and(|newest| facts.expiry < newest) =>
            {
                return Err(RefusalReason::CardExpired);
            }
            None => {}
        }
        match self.demand_unblocked(facts.number) {
            Err(RefusalReason::CardBlocked) => Err(RefusalReason::CardBlocked),
            _ => Ok(()),
        }
    }

    /// The card has compared the PIN.
    #[inline(never)]
    pub(crate) fn operator_verified(
        &mut self,
        claimant: Claimant,
        mut card: GenuineCard,
        response: Option<&[u8]>,
    ) {
        let Some(response) = response else {
            self.say(&refusal(RefusalReason::CardRemoved, None));
            return self.ask_operator_pin(claimant);
        };
        let Ok((verdict, status)) = card.receive_pin(response) else {
            return self.not_genuine(&claimant);
        };
        match verdict {
            PinVerdict::Right => {
                self.identified_as(Identified::proven(&claimant));
                self.end_operator_tap();
            }
            PinVerdict::Wrong { tries } => {
                self.say(&refusal(RefusalReason::WrongPin, None));
                shift_text::card_tries_left(&mut self.out, tries);
                self.attempt_failed(&claimant);
            }
            PinVerdict::Blocked => self.unproven(&refusal(RefusalReason::PinBlocked, None)),
            PinVerdict::NotCompared => self.unproven(&Refusal {
                status_word: Some(status.0),
                ..refusal(RefusalReason::RefusedByCard, None)
            }),
        }
    }

    /// Says what is not done, and why. The journal is of payments: it tells of attempts only.
    fn say(&mut self, refusal: &Refusal) {
        shift_text::unproven(&mut self.out, self.shift.wish, refusal);
    }

    /// What only pretends to be the card, or somebody is between it and the reader.
    fn not_genuine(&mut self, claimant: &Claimant) {
        shift_text::forged_card(&mut self.out, self.shift.wish);
        self.attempt_failed(claimant);
    }

    /// A PIN or a card was tried, and it was not the one.
    fn attempt_failed(&mut self, claimant: &Claimant) {
        self.count_attempt(&claimant.name);
        self.end_operator_tap();
        self.prompt();
    }

    /// A card that may not be used, or of which the terminal knows nothing yet: no attempt, for there is nothing to guess with.
    fn unproven(&mut self, refusal: &Refusal) {
        self.say(refusal);
        self.end_operator_tap();
        self.prompt();
    }

    /// Ends the card's session, in which its PIN was right perhaps. The card that lies there still is no holder's who wants money.
    fn end_operator_tap(&mut self) {
        self.shift.pin.erase();
        self.out.drop_field();
        self.armed = false;
    }
}
