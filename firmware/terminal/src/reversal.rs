//! Money that was not handed over: the payment is undone by its card (SPEC 9.8, DATA 5.5).
//!
//! The clerk's word is in flash at once. Then the same card comes as for a payment: first tap, PIN with the card away, second tap.
//! The reversal is in flash before it is sent, the card's receipt before the clerk sees that it is undone. A reversal whose answer
//! was lost is sent again first: a card that has carried it out gives the same receipt, without a PIN.

use card_spec::apdu::StatusWord;
use card_spec::command::instruction::REVERSE;
use card_spec::crypto::{Curve, sha256};
use card_spec::journal::{EncodedReceipt, EncodedReversal, Event, Refusal, RefusalReason};
use card_spec::payment::{HolderCheckMethod, Operator, ReceiptKind, SecondOperator};
use card_spec::refusal::Refusal as Decision;
use card_spec::reversal::Reversal;
use card_spec::scp03::{MAX_COMMAND_DATA, MAX_PROTECTED_RESPONSE, Reply};
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use rand_core::CryptoRng;

use crate::clerk::{Flow, PATIENCE};
use crate::clock::Stamp;
use crate::log::Log;
use crate::log_error::LogError;
use crate::machine::Machine;
use crate::open_orders::is_for;
use crate::payment::{Bill, Customer, refusal};
use crate::recipient::{Choices, Taker};
use crate::standing::{MAXIMUM_UNHANDED, OpenOrder, PaidLine, Unhanded, Unreversed};
use crate::tap::{CardFacts, GenuineCard, KnownCard};
use crate::{handover_text, text};

/// A reversal as the card gets it.
pub(crate) type EncodedBytes = Vec<u8, { Reversal::MAXIMUM_LENGTH }>;

// It is sent in one command.
const _: () = assert!(Reversal::MAXIMUM_LENGTH <= MAX_COMMAND_DATA);

/// The key that confirms that money was not handed over: far from the one that asks, so that no slip does it.
const CONFIRM: u8 = b'7';

/// A reversal on its way to the card.
pub(crate) struct Reversing {
    card: GenuineCard,
    /// Sequence number of the payment's Intent.
    intent: u32,
    encoding: EncodedBytes,
    /// Was it made in this session? Then the card has never seen it before.
    is_new: bool,
}

impl Reversing {
    fn method(&self) -> Option<HolderCheckMethod> {
        let reversal = EncodedReversal::parse(&self.encoding).ok()?;
        Some(reversal.reversal().method)
    }
}

/// What the card says to a reversal.
#[expect(
    clippy::large_enum_variant,
    reason = "there is no heap, and it lives for a moment"
)]
enum Verdict {
    /// The payment is undone; the receipt was verified.
    Undone(Vec<u8, MAX_PROTECTED_RESPONSE>),
    /// It will not, or has not.
    Refused(StatusWord),
    /// Nothing that decides.
    Undecided(RefusalReason, Option<StatusWord>),
}

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// The clerk has not handed over the money: really?
    pub(crate) fn doubt(&mut self) {
        let unhanded = self.log.as_ref().map(Log::unhanded).unwrap_or_default();
        handover_text::confirm_not_handed(&mut self.out, unhanded.len() > 1);
        self.deadline = Some(self.clock.milliseconds().saturating_add(PATIENCE));
        self.flow = Flow::Doubting;
    }

    /// Anything but the one key leads back to the money.
    pub(crate) fn doubt_key(&mut self, key: u8) {
        self.deadline = None;
        if key == CONFIRM && self.is_handing_over() {
            return self.not_handed();
        }
        self.prompt();
    }

    /// The money of what was paid stays in the drawer.
    fn not_handed(&mut self) {
        let unhanded = self.log.as_ref().map(Log::unhanded).unwrap_or_default();
        let unhanded: Vec<Unhanded, MAXIMUM_UNHANDED> = unhanded.iter().copied().collect();
        // Oldest first: the last one is the newest payment of its card, which alone can be undone here.
        for payment in &unhanded {
            let intent = payment.intent;
            let by_hand = self.log.as_mut().filter(|_| payment.by_hand);
            let by_hand = by_hand.and_then(|log| log.paid_order(payment).ok());
            if self.record(Event::NotHanded { intent, order: None }).is_err() {
                text::not_recorded(&mut self.out);
                return self.prompt();
            }
            // No card knows of it, so nothing is left to undo.
            if let Some(order) = by_hand.as_ref().and_then(OpenOrder::order) {
                self.mark(PaidLine::of(order.order()), false);
            }
        }
        handover_text::not_handed(&mut self.out, unhanded.len() > 1);
        self.armed = true;
        self.prompt();
    }

    /// The payment that this card, or its holder's, is to undo. One whose order the flash has lost stands.
    pub(crate) fn unreversed_of(
        &mut self,
        facts: &CardFacts,
    ) -> Result<Option<(Unreversed, OpenOrder)>, LogError> {
        let log = self.log.as_mut().ok_or(LogError::Failed)?;
        for waiting in log.unreversed().clone().into_iter().rev() {
            if let Some(order) = log.undone_order(&waiting)?
                && is_for(&order, facts)
            {
                return Ok(Some((waiting, order)));
            }
        }
        Ok(None)
    }

    /// First tap of a card whose payment is to be undone. What it may have carried out already it is asked first.
    pub(crate) fn begin_reversal(&mut self, card: GenuineCard, waiting: &Unreversed, order: &OpenOrder) {
        let Some(order) = order.order() else {
            return self.end_service();
        };
        handover_text::to_be_undone(&mut self.out);
        text::open_order(&mut self.out, order.order());
        let taker = Taker {
            recipient: order.order().recipient,
            method: order.order().method,
        };
        match self.log.as_mut().map(|log| log.reversal(waiting)) {
            Some(Ok(Some(encoding))) => self.send_reversal(Reversing {
                card,
                intent: waiting.intent,
                encoding,
                is_new: false,
            }),
            Some(Ok(None)) => self.ask_to_undo(card.into_known(), waiting.intent, taker),
            // The card may have carried it out, and would refuse another one.
            _ => self.not_readable(),
        }
    }

    // There are two callers, and it is large.
    #[inline(never)]
    fn ask_to_undo(&mut self, card: KnownCard, intent: u32, taker: Taker) {
        // As the order was checked, or as the card allows it besides (SPEC 9.8): the PIN may be blocked by now.
        let choices = Choices::of(&card.facts, [false; 2]);
        let customer = Customer {
            card,
            bill: Bill::nothing(),
            taker,
            choices,
            undoes: Some(intent),
        };
        self.ask_taker(customer);
    }

    /// Second tap, holder checked: the reversal goes into flash, then to the card.
    pub(crate) fn reverse(&mut self, card: GenuineCard, intent: u32, method: HolderCheckMethod) {
        let facts = *card.facts();
        let stamp = match self.may_reverse() {
            Ok(stamp) => stamp,
            Err(reason) => return self.give_up(refusal(reason, Some(&facts))),
        };
        let Some(encoding) = self.announce(intent, &facts, method, stamp) else {
            text::not_recorded(&mut self.out);
            return self.end_service();
        };
        self.send_reversal(Reversing {
            card,
            intent,
            encoding,
            is_new: true,
        });
    }

    /// Writes a reversal into flash.
    fn announce(
        &mut self,
        intent: u32,
        facts: &CardFacts,
        method: HolderCheckMethod,
        stamp: Stamp,
    ) -> Option<EncodedBytes> {
        let mut nonce = [0; 16];
        self.random.fill_bytes(&mut nonce);
        let second = self.voucher(method);
        let keys = self.keys.as_ref()?;
        let log = self.log.as_mut()?;
        let waiting = *log.unreversed().iter().find(|waiting| waiting.intent == intent)?;
        let order_hash = sha256(&[log.undone_order(&waiting).ok()??.encoding()]);
        log.boot(&self.curve, keys, stamp).ok()?;
        let reversal = Reversal {
            terminal: keys.name,
            sequence: log.next_sequence()?,
            log_head: log.head(),
            order_hash,
            cso_hash: facts.cso_hash,
            method,
            operator: Operator::new(self.operator.as_ref()?)?,
            second_operator: second.as_deref().and_then(SecondOperator::new),
            time: stamp.time,
            clock: stamp.source,
            nonce,
        };
        let mut buffer = [0; Reversal::MAXIMUM_LENGTH];
        let encoding = reversal.encode(&mut buffer).ok()?;
        let reversal = EncodedReversal::parse(encoding).ok()?;
        let event = Event::ReverseIntent { intent, reversal };
        log.append(&self.curve, keys, stamp, event).ok()?;
        EncodedBytes::from_slice(encoding).ok()
    }

    fn send_reversal(&mut self, mut reversing: Reversing) {
        let Reversing { card, encoding, .. } = &mut reversing;
        let sent = card.send(REVERSE, [0x00, 0x00], encoding, false, self.out.command());
        match sent {
            Ok(()) => self.flow = Flow::Reversing(reversing),
            Err(_) => self.end_service(),
        }
    }

    /// The card has answered to the reversal.
    #[inline(never)]
    pub(crate) fn reversed(&mut self, mut reversing: Reversing, response: Option<&[u8]>) {
        let facts = *reversing.card.facts();
        let intent = reversing.intent;
        let verdict = self.judge_reversal(&mut reversing, response);
        let log = self.log.as_mut();
        let order = log.and_then(|log| {
            let waiting = *log.unreversed().iter().find(|waiting| waiting.intent == intent)?;
            log.undone_order(&waiting).ok()?
        });
        let Some(order) = order.as_ref().and_then(OpenOrder::order) else {
            return self.not_readable();
        };
        let order = order.order();
        let line_refusal = |reason, status: Option<StatusWord>| Refusal {
            line_number: Some(order.line_number),
            status_word: status.map(|status| status.0),
            ..refusal(reason, Some(&facts))
        };
        match verdict {
            Verdict::Undone(receipt) => {
                let receipt = EncodedReceipt::parse(&receipt).ok();
                let kept = receipt.map(|receipt| self.record(Event::Reversed { intent, receipt }));
                if matches!(kept, Some(Ok(_))) {
                    self.mark(PaidLine::of(order), false);
                    handover_text::undone(&mut self.out);
                    text::open_order(&mut self.out, order);
                } else {
                    // The card will give the receipt again.
                    text::not_recorded(&mut self.out);
                }
            }
            // It has not carried out the one before, and a new one may do: in time, and for its present CSO.
            Verdict::Refused(status) if !reversing.is_new && may_be_asked_anew(status) => {
                let taker = Taker {
                    recipient: order.recipient,
                    method: order.method,
                };
                return self.ask_to_undo(reversing.card.into_known(), intent, taker);
            }
            Verdict::Refused(status) => {
                let is_final = Decision::from_status(status) != Some(Decision::HolderCheck);
                self.refuse(Refusal {
                    closes_intent: is_final.then_some(intent),
                    ..line_refusal(RefusalReason::RefusedByCard, Some(status))
                });
                if !is_final && reversing.method() == Some(HolderCheckMethod::PhotoDocument) {
                    text::document_not_enough(&mut self.out);
                }
                if Decision::from_status(status) == Some(Decision::NotNewest) {
                    handover_text::not_newest(&mut self.out);
                } else {
                    handover_text::not_undone(&mut self.out, is_final);
                }
            }
            Verdict::Undecided(reason, status) => {
                self.refuse(line_refusal(reason, status));
                handover_text::not_undone(&mut self.out, false);
            }
        }
        self.end_service();
    }

    /// Reads the card's answer to the reversal.
    fn judge_reversal(&self, reversing: &mut Reversing, response: Option<&[u8]>) -> Verdict {
        let Some(response) = response else {
            return Verdict::Undecided(RefusalReason::CardRemoved, None);
        };
        let mut plain = [0; MAX_PROTECTED_RESPONSE];
        let response = match reversing.card.receive(response, &mut plain) {
            Ok(Reply::Authenticated(response)) => response,
            // SPEC 8.3: a bare status word is no decision about money.
            Ok(Reply::Unauthenticated(response)) => {
                return Verdict::Undecided(RefusalReason::RefusedByCard, Some(response.status()));
            }
            Err(_) => return Verdict::Undecided(RefusalReason::NotGenuine, None),
        };
        let status = response.status();
        if Decision::from_status(status).is_some() {
            return Verdict::Refused(status);
        }
        let receipt = response.ok().ok().and_then(|data| {
            let receipt = reversing.card.facts().verify_receipt(&self.curve, data)?;
            let answers = receipt.kind == ReceiptKind::Reversal
                && receipt.object_hash == sha256(&[&reversing.encoding]);
            answers.then(|| Vec::from_slice(receipt.encoding()).ok())?
        });
        match receipt {
            Some(receipt) => Verdict::Undone(receipt),
            None => Verdict::Undecided(RefusalReason::NotGenuine, Some(status)),
        }
    }
}

/// Does the refusal of a reversal that was sent before leave the way open for a new one? It came after the card had looked for the
/// receipt of the one before (SPEC 9.8).
fn may_be_asked_anew(status: StatusWord) -> bool {
    matches!(
        Decision::from_status(status),
        Some(Decision::HolderCheck | Decision::Date | Decision::OtherCard)
    )
}
