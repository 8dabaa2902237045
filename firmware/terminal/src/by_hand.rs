//! Payment by hand, to the holder of a card that lies there and fails (DATA 5.7): where the list allows it, one line of a small sum, a
//! photo document, and a second operator who has typed his PIN. Everything else that refuses a payment refuses this one.

use card_spec::crypto::Curve;
use card_spec::journal::{Event, ManualPayment, NO_CARD, Refusal, RefusalReason};
use card_spec::payment::{HolderCheckMethod, Order, Recipient};
use card_spec::values::CardNumber;
use embedded_storage::nor_flash::NorFlash;
use heapless::String;
use rand_core::CryptoRng;

use crate::by_hand_text;
use crate::clerk::{BACKSPACE, DELETE, ESCAPE, Flow, PATIENCE};
use crate::lists::{LinePlace, MAXIMUM_BY_HAND};
use crate::log_error::LogError;
use crate::machine::Machine;
use crate::payment_list::{DueLine, MAXIMUM_DUE};
use crate::recipient::Taker;
use crate::standing::{OpenOrder, PaidLine};
use crate::text;

/// The key that says that the card is there and the document was seen: no slip of Enter does it.
const CONFIRM: u8 = b'7';

/// A card number as it is typed.
pub(crate) type CardEntry = String<16>;

/// A line that was shown, of a card whose number was typed.
pub(crate) struct ByHand {
    card: CardNumber,
    place: LinePlace,
}

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// Does a list of today let anything be paid by hand?
    pub(crate) fn pays_by_hand(&self) -> bool {
        let mut lists = self.lists_of_today();
        lists.any(|list| list.facts().by_hand_up_to > 0)
    }

    /// Asks for the number on the card that fails.
    pub(crate) fn ask_card_number(&mut self) {
        if self.is_waiting() {
            return self.prompt();
        }
        if !self.pays_by_hand() {
            by_hand_text::not_allowed(&mut self.out);
            return self.prompt();
        }
        if self.second.is_none() {
            by_hand_text::second_first(&mut self.out);
            return self.prompt();
        }
        self.type_card_number();
    }

    fn type_card_number(&mut self) {
        by_hand_text::ask_card_number(&mut self.out);
        self.deadline = Some(self.clock.milliseconds().saturating_add(PATIENCE));
        self.flow = Flow::TypingCard(CardEntry::new());
    }

    pub(crate) fn card_number_key(&mut self, mut entry: CardEntry, key: u8) {
        match key {
            // Another list of operators ends a shift while its clerk types.
            _ if !self.is_in_shift() => return self.end_service(),
            b'c' | b'C' | ESCAPE => return self.forget_by_hand(),
            b'\r' | b'\n' => return self.card_number_typed(&entry),
            b'0'..=b'9' => {
                let taken = entry.push(char::from(key)).is_ok();
                self.echo(
                    taken,
                    entry.get(entry.len().saturating_sub(1)..).unwrap_or_default(),
                );
            }
            BACKSPACE | DELETE => {
                let erased = entry.pop().is_some();
                self.echo(erased, "\x08 \x08");
            }
            _ => {}
        }
        self.flow = Flow::TypingCard(entry);
    }

    fn card_number_typed(&mut self, entry: &str) {
        text::end_line(&mut self.out);
        let Ok(card) = entry.parse() else {
            by_hand_text::no_card_number(&mut self.out);
            return self.type_card_number();
        };
        let Some((place, line)) = self.line_by_hand(card) else {
            return self.end_service();
        };
        text::new_page(&mut self.out);
        text::due_line(&mut self.out, line.line());
        text::in_words(&mut self.out, line.line().amount);
        by_hand_text::look(&mut self.out, card);
        self.deadline = Some(self.clock.milliseconds().saturating_add(PATIENCE));
        self.flow = Flow::PayingByHand(ByHand { card, place });
    }

    pub(crate) fn by_hand_key(&mut self, shown: ByHand, key: u8) {
        match key {
            _ if !self.is_in_shift() => self.end_service(),
            CONFIRM => self.pay_by_hand(&shown),
            b'c' | b'C' | ESCAPE => self.forget_by_hand(),
            _ => self.flow = Flow::PayingByHand(shown),
        }
    }

    /// Nothing is paid after all.
    pub(crate) fn forget_by_hand(&mut self) {
        text::end_line(&mut self.out);
        by_hand_text::nothing_paid(&mut self.out);
        self.end_service();
    }

    /// The oldest line that the holder of this card may be paid by hand now; or says why there is none.
    fn line_by_hand(&mut self, card: CardNumber) -> Option<(LinePlace, DueLine)> {
        let ready = self.may_pay().and_then(|_| self.demand_unblocked(card));
        if let Err(reason) = ready {
            self.refuse(refused(reason, card, None));
            return None;
        }
        let Ok(found) = self.entitlements(card, Recipient::Holder, MAXIMUM_DUE) else {
            self.refuse(refused(RefusalReason::ListNotValid, card, None));
            return None;
        };
        if found.due.is_empty() {
            let reason = match found.paid {
                _ if found.on_other_days => RefusalReason::ListNotValid,
                Some(_) => RefusalReason::AlreadyPaid,
                None => RefusalReason::NotOnList,
            };
            self.refuse(refused(reason, card, found.paid));
            return None;
        }
        for place in found.due {
            let line = self.due_line(place, card);
            let Some(line) = line.filter(|line| self.allows_by_hand(place, line)) else {
                continue;
            };
            // The money may be with the card, or its payment is to be undone first.
            if !matches!(self.is_in_doubt(&line), Ok(false)) {
                by_hand_text::in_doubt(&mut self.out);
                return None;
            }
            if !self.paid_by_hand().is_ok_and(|paid| paid < MAXIMUM_BY_HAND) {
                by_hand_text::too_many(&mut self.out);
                return None;
            }
            return Some((place, line));
        }
        by_hand_text::not_allowed(&mut self.out);
        None
    }

    /// Does its list let the line be paid by hand, and has its card not refused it?
    fn allows_by_hand(&self, place: LinePlace, line: &DueLine) -> bool {
        let mut lists = self.lists_of_today();
        let list = lists.find(|list| list.facts().number == place.list);
        !self.declined.contains(&place)
            && list.is_some_and(|list| {
                line.line().amount.vnd() <= list.facts().by_hand_up_to
                    && matches!(list.has_room_by_hand(), Ok(true))
            })
    }

    /// Is an order of this person open, or a payment to be undone?
    fn is_in_doubt(&mut self, line: &DueLine) -> Result<bool, LogError> {
        let person = line.line().line_key.parts().person;
        let is_theirs = |order: &OpenOrder| {
            let order = order.order();
            order.is_none_or(|order| order.order().line_key.parts().person == person)
        };
        let log = self.log.as_mut().ok_or(LogError::Failed)?;
        for open in log.open_intents().clone() {
            if is_theirs(&log.order(&open)?) {
                return Ok(true);
            }
        }
        for waiting in log.unreversed().clone() {
            if log.undone_order(&waiting)?.is_some_and(|order| is_theirs(&order)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The entry is in flash before the clerk hands over anything.
    fn pay_by_hand(&mut self, shown: &ByHand) {
        // What was checked may have changed while the clerk looked.
        let line = self.line_by_hand(shown.card);
        let Some((_, line)) = line.filter(|(place, _)| *place == shown.place) else {
            return self.forget_by_hand();
        };
        match self.keep_by_hand(shown.card, &line) {
            Some(()) => by_hand_text::paid(&mut self.out, shown.card, line.line().amount),
            None => text::not_recorded(&mut self.out),
        }
        self.end_service();
    }

    fn keep_by_hand(&mut self, card: CardNumber, line: &DueLine) -> Option<()> {
        let stamp = self.may_pay().ok()?;
        let taker = Taker {
            recipient: Recipient::Holder,
            method: HolderCheckMethod::PhotoDocument,
        };
        let mut buffer = [0; Order::MAXIMUM_LENGTH];
        let order = self.next_order(line, NO_CARD, taker, stamp, &mut buffer)?;
        let paid = ManualPayment::new(card, order).ok()?;
        self.record(Event::ManualPaid(paid)).ok()?;
        self.mark(PaidLine::of(order.order()), true);
        Some(())
    }
}

fn refused(reason: RefusalReason, card: CardNumber, line_number: Option<u32>) -> Refusal {
    Refusal {
        reason,
        card_number: Some(card),
        line_number,
        status_word: None,
        closes_intent: None,
    }
}
