//! What happens while a card is in the field: who it is, what is due, and whether the PIN is right. The orders
//! themselves are in [`crate::disbursement`].

use card_spec::apdu::StatusWord;
use card_spec::command::VerifyData;
use card_spec::crypto::{Curve, ct_eq, sha256};
use card_spec::groups::Holder;
use card_spec::journal::{Refusal, RefusalReason};
use card_spec::payment::{HolderCheckMethod, Recipient};
use card_spec::tlv::{Field as _, Reader};
use card_spec::values::{Amount, CardNumber, Date};
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::CardLost;
use crate::clerk::Flow;
use crate::lists::{Entitlements, LinePlace};
use crate::machine::Machine;
use crate::payment_list::MAXIMUM_DUE;
use crate::recipient::{Choices, Taker, allows_documents};
use crate::tap::{CardFacts, Context, GenuineCard, KnownCard, PinVerdict, Progress, Tap, TapError};
use crate::text;

/// Short file identifier of data group 1 (SPEC 5.1).
const HOLDER_FILE: u8 = 0x01;
const HOLDER_TAG: u16 = 0xFF31;

/// Somebody who was identified, and what is due.
pub(crate) struct Customer {
    pub(crate) card: KnownCard,
    pub(crate) bill: Bill,
    pub(crate) taker: Taker,
    pub(crate) choices: Choices,
    /// Nothing is to be paid: the payment of this Intent is to be undone.
    pub(crate) undoes: Option<u32>,
}

/// What is due to a recipient.
pub(crate) struct Bill {
    /// Lines, the next one last.
    due: Vec<LinePlace, MAXIMUM_DUE>,
    total: Amount,
}

impl Bill {
    pub(crate) fn nothing() -> Self {
        Self {
            due: Vec::new(),
            total: Amount::default(),
        }
    }
}

/// A refusal of which nothing but the reason and the card is known.
pub(crate) fn refusal(reason: RefusalReason, facts: Option<&CardFacts>) -> Refusal {
    Refusal {
        reason,
        card_number: facts.map(|facts| facts.number),
        line_number: None,
        status_word: None,
        closes_intent: None,
    }
}

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// A card came or left.
    pub(crate) fn card_present(&mut self, present: bool) {
        if !present {
            self.armed = true;
            return;
        }
        if !core::mem::replace(&mut self.armed, false) {
            return;
        }
        match core::mem::replace(&mut self.flow, Flow::Idle) {
            Flow::Idle if self.wants_first_tap() => self.first_tap(),
            Flow::Awaiting(customer) => self.second_tap(customer),
            Flow::AwaitingReceipts => self.receipts_tap(),
            Flow::AwaitingOperator(claimant) => self.operator_tap(claimant),
            flow => self.flow = flow,
        }
        self.wish_field();
    }

    fn first_tap(&mut self) {
        text::new_page(&mut self.out);
        self.last_handed.clear();
        // Whether the card is one that settles an open order only its session tells, and that needs nothing else.
        let may_settle = self
            .log
            .as_ref()
            .is_some_and(|log| !log.open_intents().is_empty() || !log.unreversed().is_empty());
        if !may_settle && let Err(reason) = self.may_pay() {
            self.refuse(refusal(reason, None));
            return self.end_service();
        }
        match Tap::begin(self.out.command()) {
            Some(tap) => self.flow = Flow::Identifying(tap),
            None => self.end_service(),
        }
    }

    fn second_tap(&mut self, customer: Customer) {
        let ready = match customer.undoes {
            Some(_) => self.may_reverse(),
            None => self.may_pay(),
        };
        if let Err(reason) = ready {
            self.refuse(refusal(reason, Some(&customer.card.facts)));
            return self.end_service();
        }
        self.deadline = None;
        match Tap::begin(self.out.command()) {
            Some(tap) => self.flow = Flow::Returning(customer, tap),
            None => self.end_service(),
        }
    }

    /// Takes the card's answer.
    pub(crate) fn card_response(&mut self, response: Result<&[u8], CardLost>) {
        // PC/SC and some readers report a card that left as an answer without a status word.
        let response = response.ok().filter(|response| response.len() >= 2);
        match core::mem::replace(&mut self.flow, Flow::Idle) {
            Flow::Identifying(tap) => match self.advance(tap, None, response) {
                Ok(Progress::Next(tap)) => self.flow = Flow::Identifying(tap),
                Ok(Progress::Genuine(card)) => self.identified(card),
                Err(refusal) => self.give_up(refusal),
            },
            Flow::Greeting(card, file) => self.holder_read(card, file, response),
            Flow::Representing(card, file) => self.representatives_read(card, file, response),
            Flow::Returning(customer, tap) => match self.advance(tap, Some(&customer.card), response) {
                Ok(Progress::Next(tap)) => self.flow = Flow::Returning(customer, tap),
                Ok(Progress::Genuine(card)) => self.returned(customer, card),
                Err(refusal) if refusal.reason == RefusalReason::NotGenuine => self.compare(customer),
                Err(refusal) => self.come_back(customer, refusal),
            },
            Flow::Comparing(customer, tap) => match self.advance(tap, None, response) {
                Ok(Progress::Next(tap)) => self.flow = Flow::Comparing(customer, tap),
                Ok(Progress::Genuine(card)) => self.returned(customer, card),
                Err(refusal) => self.come_back(customer, refusal),
            },
            Flow::Verifying(customer, card) => self.verified(customer, card, response),
            Flow::Disbursing(disbursing) => self.disbursed(disbursing, response),
            Flow::Reversing(reversing) => self.reversed(reversing, response),
            Flow::Approaching(tap) => match self.advance(tap, None, response) {
                Ok(Progress::Next(tap)) => self.flow = Flow::Approaching(tap),
                Ok(Progress::Genuine(card)) => self.read_all(card),
                Err(refusal) => self.give_up(refusal),
            },
            Flow::Reading(reading) => self.record_read(reading, response),
            Flow::Proving(claimant, tap) => {
                let progress = self.advance(tap, None, response);
                self.operator_approached(claimant, progress);
            }
            Flow::VerifyingOperator(claimant, card) => self.operator_verified(claimant, card, response),
            Flow::Delivering(delivery) => self.delivered(delivery, response),
            flow => self.flow = flow,
        }
        self.wish_field();
    }

    /// What answers is not the card of the first tap as it was then: another one, one that was updated since, or a forged one. Only
    /// its CSO tells.
    #[inline(never)]
    fn compare(&mut self, customer: Customer) {
        match Tap::begin(self.out.command()) {
            Some(tap) => self.flow = Flow::Comparing(customer, tap),
            None => self.end_service(),
        }
    }

    /// Takes the next step of a session; the refusal says why there is none.
    fn advance(
        &mut self,
        tap: Tap,
        known: Option<&KnownCard>,
        response: Option<&[u8]>,
    ) -> Result<Progress, Refusal> {
        let response = response.ok_or(refusal(RefusalReason::CardRemoved, None))?;
        let genuine = |error| match error {
            TapError::NotGenuine => refusal(RefusalReason::NotGenuine, None),
            TapError::UnknownIssuer => refusal(RefusalReason::UnknownIssuer, None),
            TapError::Refused(status) => Refusal {
                status_word: Some(status.0),
                ..refusal(RefusalReason::RefusedByCard, None)
            },
        };
        let (context, ephemeral, out) = self.session().ok_or(refusal(RefusalReason::NotGenuine, None))?;
        let context = Context { known, ..context };
        tap.answer(&context, ephemeral, response, out.command())
            .map_err(genuine)
    }

    pub(crate) fn give_up(&mut self, refusal: Refusal) {
        self.refuse(refusal);
        self.end_service();
    }

    /// The card was torn away before anything was decided: it may come back with the PIN still known.
    fn come_back(&mut self, customer: Customer, refusal: Refusal) {
        let removed = refusal.reason == RefusalReason::CardRemoved;
        self.refuse(Refusal {
            card_number: Some(customer.card.facts.number),
            ..refusal
        });
        if !removed {
            return self.end_service();
        }
        self.await_card(customer);
    }

    /// First tap, genuine card: an order that is open comes first; else, is anything due?
    #[inline(never)]
    fn identified(&mut self, card: GenuineCard) {
        match self.open_order_of(card.facts()) {
            Ok(Some(order)) => return self.settle(card, order),
            Ok(None) if self.is_waiting() => return self.refuse_other_card(),
            Ok(None) => {}
            // It may be the very card of an open order.
            Err(_) => return self.not_readable(),
        }
        if self.operator.is_none() {
            return self.end_service();
        }
        match self.unreversed_of(card.facts()) {
            Ok(Some((waiting, order))) => return self.begin_reversal(card, &waiting, &order),
            Ok(None) => {}
            Err(_) => return self.not_readable(),
        }
        if let Err(reason) = self.may_pay() {
            return self.give_up(refusal(reason, Some(card.facts())));
        }
        if let Err(refusal) = self.may_be_paid(card.facts()) {
            return self.part_with(card, refusal);
        }
        self.execute_scripts(card, 0);
    }

    /// Nothing comes before the holder any more.
    pub(crate) fn greet_holder(&mut self, mut card: GenuineCard) {
        match card.read(HOLDER_FILE, 0, self.out.command()) {
            Ok(()) => self.flow = Flow::Greeting(card, Zeroizing::new(Vec::new())),
            Err(_) => self.give_up(refusal(RefusalReason::NotGenuine, Some(card.facts()))),
        }
    }

    /// What the journal says of this card cannot be read: nothing is decided.
    pub(crate) fn not_readable(&mut self) {
        text::not_recorded(&mut self.out);
        self.end_service();
    }

    /// Dates of issuer and card, and block list.
    fn may_be_paid(&mut self, facts: &CardFacts) -> Result<(), Refusal> {
        let refused = |reason| refusal(reason, Some(facts));
        let today = self.clock.today().ok_or(refused(RefusalReason::ClockUnset))?;
        self.demand_valid(facts, today).map_err(refused)?;
        self.demand_unblocked(facts.number).map_err(refused)
    }

    /// A card is good on the days of its CSO, and its issuer on those of its certificate.
    pub(crate) fn demand_valid(&self, facts: &CardFacts, today: Date) -> Result<(), RefusalReason> {
        let issuer = self
            .credentials
            .as_ref()
            .and_then(|credentials| credentials.issuer(facts.issuer));
        if issuer.is_none_or(|issuer| issuer.valid_on(today).is_err()) {
            return Err(RefusalReason::UnknownIssuer);
        }
        if facts.effective <= today && today <= facts.expiry {
            Ok(())
        } else {
            Err(RefusalReason::CardExpired)
        }
    }

    /// A card on the block list in force is refused.
    pub(crate) fn demand_unblocked(&mut self, card: CardNumber) -> Result<(), RefusalReason> {
        match self.block_list.as_ref().map(|list| list.reason(card)) {
            Some(Ok(None)) => Ok(()),
            Some(Ok(Some(_))) => Err(RefusalReason::CardBlocked),
            // Who is blocked is unknown.
            Some(Err(_)) | None => {
                self.lose_block_list();
                Err(RefusalReason::BlockListStale)
            }
        }
    }

    /// Data group 1 comes in; once it is there, shows who it is. If somebody else may take the money data group 5 follows, else
    /// what is due.
    #[inline(never)]
    fn holder_read(
        &mut self,
        mut card: GenuineCard,
        mut file: Zeroizing<Vec<u8, 384>>,
        response: Option<&[u8]>,
    ) {
        let facts = *card.facts();
        let Some(response) = response else {
            return self.give_up(refusal(RefusalReason::CardRemoved, Some(&facts)));
        };
        let complete = card.receive_part(response, &mut file);
        if complete == Ok(false) && card.read(HOLDER_FILE, file.len(), self.out.command()).is_ok() {
            self.flow = Flow::Greeting(card, file);
            return;
        }
        if let Err(TapError::Refused(status)) = complete {
            return self.not_shown(&facts, status);
        }
        let genuine = complete == Ok(true) && ct_eq(&sha256(&[&file]), &facts.holder_digest);
        let holder = Holder::read(&mut Reader::new(&file), HOLDER_TAG);
        let (true, Ok(holder)) = (genuine, holder) else {
            return self.give_up(refusal(RefusalReason::NotGenuine, Some(&facts)));
        };
        text::holder(&mut self.out, facts.number, holder.name.as_str());
        if allows_documents(&facts) {
            text::personal_id(&mut self.out, holder.personal_id.as_str());
        }
        match self.found(&facts, Recipient::Holder) {
            Ok(found) if found.for_representative => self.read_representatives(card),
            Ok(found) => self.offer(card.into_known(), [false; 2], Some(found)),
            Err(refusal) => self.give_up(refusal),
        }
    }

    /// The card shows nothing of its holder to a terminal that it has taken for one: it was blocked, maybe where a newer block list
    /// is in force. The word comes bare and proves nothing (SPEC 8.3), so nobody is called a forger for it.
    fn not_shown(&mut self, facts: &CardFacts, status: StatusWord) {
        self.refuse(Refusal {
            status_word: Some(status.0),
            ..refusal(RefusalReason::RefusedByCard, Some(facts))
        });
        text::maybe_blocked(&mut self.out);
        self.end_service();
    }

    /// No PIN helps any more today; what does depends on what the issuer allowed for this card.
    fn pin_blocked(&mut self, refusal: Refusal, facts: &CardFacts) {
        self.refuse(refusal);
        if allows_documents(facts) && self.device.operators.is_some() {
            text::document_instead(&mut self.out);
        }
        self.end_service();
    }

    /// What the lists in force have for this card and recipient.
    pub(crate) fn found(&self, facts: &CardFacts, recipient: Recipient) -> Result<Entitlements, Refusal> {
        let unreadable = refusal(RefusalReason::ListNotValid, Some(facts));
        // One PIN authorizes so many orders (SPEC 4.1, policy).
        let most = usize::from(facts.policy.orders_per_verify);
        self.entitlements(facts.number, recipient, most)
            .map_err(|_| unreadable)
    }

    /// What is due of what was found, checked line by line and shown.
    pub(crate) fn bill(&mut self, facts: &CardFacts, found: Entitlements) -> Result<Bill, Refusal> {
        let unreadable = refusal(RefusalReason::ListNotValid, Some(facts));
        let Entitlements {
            mut due,
            paid,
            on_other_days,
            more,
            ..
        } = found;
        if due.is_empty() {
            // The money that is still to come is what the person asks for.
            if on_other_days {
                return Err(refusal(RefusalReason::ListNotValid, Some(facts)));
            }
            let reason = match paid {
                Some(_) => RefusalReason::AlreadyPaid,
                None => RefusalReason::NotOnList,
            };
            return Err(Refusal {
                line_number: paid,
                ..refusal(reason, Some(facts))
            });
        }
        let mut total = Amount::default();
        for place in &due {
            let line = self.due_line(*place, facts.number).ok_or(Refusal {
                line_number: Some(place.line),
                ..unreadable
            })?;
            total = total.checked_add(line.line().amount).ok_or(unreadable)?;
            text::due_line(&mut self.out, line.line());
        }
        text::total(&mut self.out, total, more);
        due.reverse();
        Ok(Bill { due, total })
    }

    /// Second tap, genuine card: is it the one from before?
    fn returned(&mut self, customer: Customer, mut card: GenuineCard) {
        if card.facts().cso_hash != customer.card.facts.cso_hash {
            let first = customer.card.facts.number;
            text::swapped(&mut self.out, card.facts().number, first);
            return self.ask_pin(customer, "");
        }
        // Money comes back from any card that wants to give it.
        if customer.undoes.is_none()
            && let Err(refusal) = self.may_be_paid(card.facts())
        {
            return self.part_with(card, refusal);
        }
        if customer.taker.method == HolderCheckMethod::PhotoDocument {
            return self.order_next(customer, card);
        }
        let Some(pin) = self.pin.pin() else {
            return self.ask_pin(customer, "");
        };
        self.pin.erase();
        let claim = VerifyData {
            pin,
            // A reversal counts as one (SPEC 9.8).
            orders: u8::try_from(customer.bill.due.len()).unwrap_or(u8::MAX).max(1),
            total: customer.bill.total,
        };
        match card.send_pin(&claim, self.out.command()) {
            Ok(()) => self.flow = Flow::Verifying(customer, card),
            Err(_) => self.give_up(refusal(RefusalReason::NotGenuine, Some(&customer.card.facts))),
        }
    }

    /// The holder was checked.
    fn order_next(&mut self, customer: Customer, card: GenuineCard) {
        match customer.undoes {
            Some(intent) => self.reverse(card, intent, customer.taker.method),
            None => self.disburse_next(card, customer.bill.due, customer.taker),
        }
    }

    /// The card has compared the PIN.
    #[inline(never)]
    fn verified(&mut self, customer: Customer, mut card: GenuineCard, response: Option<&[u8]>) {
        let facts = customer.card.facts;
        let Some(response) = response else {
            self.refuse(refusal(RefusalReason::CardRemoved, Some(&facts)));
            return self.ask_pin(customer, "");
        };
        let Ok((verdict, status)) = card.receive_pin(response) else {
            return self.give_up(refusal(RefusalReason::NotGenuine, Some(&facts)));
        };
        let refused = |reason| Refusal {
            status_word: Some(status.0),
            ..refusal(reason, Some(&facts))
        };
        match verdict {
            PinVerdict::Right => self.order_next(customer, card),
            PinVerdict::Wrong { tries: 0 } => {
                self.refuse(refused(RefusalReason::WrongPin));
                self.pin_blocked(refused(RefusalReason::PinBlocked), &facts);
            }
            PinVerdict::Wrong { tries } => {
                self.refuse(refused(RefusalReason::WrongPin));
                text::tries_left(&mut self.out, tries);
                self.ask_pin(customer, "");
            }
            PinVerdict::Blocked => self.pin_blocked(refused(RefusalReason::PinBlocked), &facts),
            PinVerdict::NotCompared => self.give_up(refused(RefusalReason::RefusedByCard)),
        }
    }
}
