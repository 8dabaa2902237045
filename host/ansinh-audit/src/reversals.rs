//! Payments whose money was not handed over, and their reversals (DATA 5.5): the clerk's word comes first, then the reversal as the
//! card gets it, then the card's receipt. A journal alone makes a payment not paid by all three; beside the clerk's word stand the other ways of DATA 5.6.

use card_spec::apdu::StatusWord;
use card_spec::crypto::{Digest, Verify};
use card_spec::journal::{EncodedOrder, EncodedReceipt, EncodedReversal, Entry, Refusal};
use card_spec::payment::{Receipt, ReceiptKind};
use card_spec::refusal::Refusal as Decision;
use card_spec::values::CardNumber;

use crate::finding::{Code, Place};
use crate::journal::Pass;

/// A payment that the clerk has not handed over.
#[derive(Debug)]
pub(crate) struct NotHanded {
    order_hash: Digest,
    card: CardNumber,
    /// Hashes of the reversals that the journal has announced.
    announced: Vec<Digest>,
    /// The card has decided that it does not reverse it here.
    is_left: bool,
}

/// A reversal in a card's chain.
#[derive(Clone, Debug)]
pub(crate) struct Reversal {
    pub(crate) place: Place,
    pub(crate) receipt: Receipt,
    pub(crate) hash: Digest,
}

impl<V: Verify> Pass<'_, V> {
    pub(crate) fn not_handed(&mut self, intent: u32, order: Option<&EncodedOrder<'_>>, place: &Place) {
        if let Some(order) = order {
            return self.not_handed_again(intent, order, place);
        }
        if self.unhanded.remove(&intent).is_none() {
            if !self.damage_before {
                let text = format!("no payment of intent {intent} is waiting to be handed over");
                self.find(Code::NotHanded, place, text);
            }
            return;
        }
        // No card knows of what is paid by hand: the clerk's word alone undoes it (DATA 5.7).
        let mut by_hand = self.journal.by_hand.iter_mut().rev();
        if let Some(payment) = by_hand.find(|payment| payment.entry == intent) {
            payment.not_handed = true;
            return;
        }
        let payments = self.journal.payments.iter().rev();
        if let Some(payment) = payments.into_iter().find(|payment| payment.intent == intent) {
            let not_handed = NotHanded {
                order_hash: payment.order_hash,
                card: payment.card,
                announced: Vec::new(),
                is_left: false,
            };
            self.not_handed.insert(intent, not_handed);
        }
    }

    /// Told again with its order, because the space of what told it first is given free.
    fn not_handed_again(&mut self, intent: u32, order: &EncodedOrder<'_>, place: &Place) {
        let known = self.not_handed.get(&intent);
        let is_known = known.is_some_and(|payment| !payment.is_left && payment.order_hash == order.hash());
        if !is_known && !self.damage_before {
            let text = format!(
                "tells again of intent {intent}, of which there is nothing to tell, or of another order"
            );
            self.find(Code::NotHanded, place, text);
        }
    }

    pub(crate) fn reverse_intent(
        &mut self,
        entry: &Entry<'_>,
        intent: u32,
        encoded: &EncodedReversal<'_>,
        place: &Place,
    ) {
        let (reversal, hash) = (encoded.reversal(), encoded.hash());
        let waiting = self
            .not_handed
            .get_mut(&intent)
            .filter(|payment| !payment.is_left);
        let Some(payment) = waiting else {
            if !self.damage_before {
                let text = format!("no payment of intent {intent} is known not to have been handed over");
                self.find(Code::ReverseIntent, place, text);
            }
            return;
        };
        // Told again, because the space of its entry is given free.
        if payment.announced.contains(&hash) {
            return;
        }
        let same_order = payment.order_hash == reversal.order_hash;
        payment.announced.push(hash);
        if !same_order {
            let text = format!("names another order than that of intent {intent}");
            self.find(Code::ReverseIntent, place, text);
        }
        let here = (entry.terminal, entry.sequence, entry.previous);
        if (reversal.terminal, reversal.sequence, reversal.log_head) != here {
            self.find(
                Code::ReverseIntent,
                place,
                "the reversal names another terminal, sequence number or log head",
            );
        }
        self.check_operator(reversal.operator.as_str(), place);
    }

    pub(crate) fn reversed(&mut self, intent: u32, receipt: &EncodedReceipt<'_>, place: &Place) {
        let signed = receipt.signed();
        let body = *signed.claimed();
        let forged = self.is_forged(&signed);
        if !forged {
            self.journal.reversals.push(Reversal {
                place: place.clone(),
                receipt: body,
                hash: signed.hash(),
            });
        }
        let Some(payment) = self.not_handed.get(&intent) else {
            if !self.damage_before {
                let text = format!("no reversal of intent {intent} is announced");
                self.find(Code::Reversed, place, text);
            }
            return;
        };
        let is_left = payment.is_left;
        let answers = payment.announced.contains(&body.object_hash);
        let own = payment.card == body.card_number;
        if !answers {
            let text = format!("its receipt answers no reversal that was announced for intent {intent}");
            self.find(Code::Reversed, place, text);
        }
        // What its card has signed is undone, whatever the terminal says before.
        if is_left {
            let text = format!("the card had refused to reverse intent {intent} here");
            self.find(Code::Reversed, place, text);
        }
        if !own {
            let text = format!(
                "the receipt is of card {}, another one has paid",
                body.card_number
            );
            self.find(Code::ReceiptCard, place, text);
        }
        if forged {
            let text = format!("does not verify under the key of card {}", body.card_number);
            self.find(Code::ReceiptSignature, place, text);
        }
        let of_reversal = body.kind == ReceiptKind::Reversal;
        if !of_reversal {
            let text = format!("the receipt is of kind {:?}: it proves no reversal", body.kind);
            self.find(Code::ReceiptKind, place, text);
        }
        let known = self.context.cards.by_number(&body.card_number).is_some();
        if !(answers && own && known && !forged && of_reversal) {
            return;
        }
        self.not_handed.remove(&intent);
        let mut payments = self.journal.payments.iter_mut().rev();
        if let Some(payment) = payments.find(|payment| payment.intent == intent) {
            payment.reversed = true;
        }
    }

    /// The card does not reverse a payment here: true if the refusal speaks of one whose reversal was announced.
    pub(crate) fn reversal_refused(&mut self, refusal: &Refusal) -> bool {
        let intent = refusal.closes_intent.unwrap_or_default();
        let decided = refusal
            .status_word
            .map(StatusWord)
            .and_then(Decision::from_status)
            .is_some();
        match self.not_handed.get_mut(&intent) {
            Some(payment) if decided && !payment.is_left && !payment.announced.is_empty() => {
                payment.is_left = true;
                true
            }
            _ => false,
        }
    }
}
