//! Orders and receipts of a journal: an order repeats its list's line, a receipt answers its order (SPEC 9, DATA 5.3).

use card_spec::apdu::StatusWord;
use card_spec::crypto::{Digest, Verify};
use card_spec::cso::HolderCheckPolicy;
use card_spec::journal::{EncodedOrder, EncodedReceipt, Entry, MAXIMUM_OPEN_INTENTS, Refusal};
use card_spec::list::{BLOCK_LIST_MAXIMUM_AGE_DAYS, ListLine};
use card_spec::payment::{HolderCheckMethod, LineKey, Order, Receipt, ReceiptKind, Recipient};
use card_spec::refusal::Refusal as Decision;
use card_spec::signed::Signed;
use card_spec::values::{CardNumber, Date, Period};

use crate::cards::Card;
use crate::finding::{Code, Place};
use crate::issued::PaymentList;
use crate::journal::{Pass, Payment};

/// An Intent that waits for its receipt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenIntent {
    pub(crate) sequence: u32,
    order_hash: Digest,
    line_key: LineKey,
    amount: u64,
    month: Option<Period>,
    /// Number and version of the card that the order names.
    card: Option<(CardNumber, u16)>,
    cso_hash: Digest,
    method: HolderCheckMethod,
    proven: bool,
    /// Entries after it are missing that may have settled it.
    pub(crate) settled_unseen: bool,
}

impl OpenIntent {
    fn new(encoded: &EncodedOrder<'_>, card: Option<&Card>, proven: bool) -> Self {
        let order = encoded.order();
        Self {
            sequence: order.sequence,
            order_hash: encoded.hash(),
            cso_hash: order.cso_hash,
            settled_unseen: false,
            line_key: order.line_key,
            amount: order.amount.vnd(),
            month: order.time.date().map(Date::period),
            card: card.map(|card| (card.number, card.version)),
            method: order.method,
            proven,
        }
    }

    /// Is an order for the same card, or for a line of the same person (DATA 5.3)?
    fn same_holder(&self, order: &Order<'_>) -> bool {
        self.cso_hash == order.cso_hash || self.line_key.parts().person == order.line_key.parts().person
    }
}

impl<'a, V: Verify> Pass<'a, V> {
    pub(crate) fn intent(
        &mut self,
        entry: &Entry<'_>,
        encoded: &EncodedOrder<'_>,
        genuine: bool,
        place: &Place,
    ) {
        let order = encoded.order();
        self.check_others_open(order, place);
        if order.terminal != entry.terminal
            || order.sequence != entry.sequence
            || order.log_head != entry.previous
        {
            self.find(
                Code::OrderPlace,
                place,
                "the order names another terminal, sequence number or log head",
            );
        }
        let card = self.context.cards.by_cso(&order.cso_hash);
        let number = card.map(|card| card.number);
        let on_list = self.check_list(order, number, place).is_some();
        let allowed = card.is_some_and(|card| self.check_card(order, card, place));
        if card.is_none() {
            self.find(
                Code::CardUnknown,
                place,
                "the order is for a card that is not among the files",
            );
        }
        self.check_terminal_certificate(order, place);
        self.check_block_list(order, number, place);
        let open = OpenIntent::new(encoded, card, genuine && on_list && allowed);
        self.open.push(OpenIntent {
            sequence: entry.sequence,
            ..open
        });
    }

    /// Of a holder one order is open at most, and so many of all (DATA 5.3). What may have been settled unseen is taken to be
    /// settled by the next order that could not be there otherwise.
    pub(crate) fn check_others_open(&mut self, order: &Order<'_>, place: &Place) {
        let settled = |open: &OpenIntent| open.settled_unseen && open.same_holder(order);
        self.open.retain(|open| !settled(open));
        if let Some(open) = self.open.iter().find(|open| open.same_holder(order)) {
            let text = format!("intent {} of the same holder is still open", open.sequence);
            self.find(Code::IntentOpen, place, text);
        }
        if self.open.len() < MAXIMUM_OPEN_INTENTS {
            return;
        }
        match self.open.iter().position(|open| open.settled_unseen) {
            Some(settled) => drop(self.open.remove(settled)),
            None => {
                let text = format!("{MAXIMUM_OPEN_INTENTS} intents are still open");
                self.find(Code::IntentOpen, place, text);
                self.open.remove(0);
            }
        }
    }

    /// An order that is told once more, because the space of its Intent is given free.
    pub(crate) fn still_open(&mut self, order: &EncodedOrder<'_>, place: &Place) {
        let hash = order.hash();
        if self.open.iter().any(|open| open.order_hash == hash) || self.is_lost(order.order().sequence) {
            return;
        }
        self.find(
            Code::StillOpen,
            place,
            "repeats an order that no open intent announces",
        );
    }

    /// Is the entry of this number among the missing ones?
    fn is_lost(&self, sequence: u32) -> bool {
        let before = self.lost.partition_point(|(first, _)| *first <= sequence);
        let range = before.checked_sub(1).and_then(|last| self.lost.get(last));
        range.is_some_and(|(_, last)| sequence <= *last)
    }

    fn take_open(&mut self, is_meant: impl Fn(&OpenIntent) -> bool) -> Option<OpenIntent> {
        let place = self.open.iter().position(is_meant)?;
        Some(self.open.remove(place))
    }

    /// The list in force at this terminal of which the order repeats a line; `None` if that is not proven.
    pub(crate) fn check_list(
        &mut self,
        order: &Order<'_>,
        card: Option<CardNumber>,
        place: &Place,
    ) -> Option<&'a PaymentList> {
        let is_in_time = |list: &PaymentList| {
            let date = order.time.date();
            date.is_some_and(|date| list.effective <= date && date <= list.expiry)
        };
        // It does not matter which of several lists with the same lines an order names (DATA 3.3): it counts as the one
        // that allows it.
        let lists = self.context.issued.lists_by_root(&order.list_root);
        let lists = lists.map(|(index, list)| (self.lists.contains(&index), is_in_time(list), list));
        let Some((loaded, in_time, list)) =
            lists.max_by_key(|(loaded, in_time, list)| (*loaded, *in_time, list.proven))
        else {
            self.find(Code::OrderList, place, "the order's list is not among the files");
            return None;
        };
        if !loaded && !self.damage_before {
            self.find(
                Code::OrderListNotLoaded,
                place,
                "the order's list was not in force at this terminal",
            );
        }
        if !in_time {
            let text = format!(
                "{} is outside the list's days {} to {}",
                order.time, list.effective, list.expiry
            );
            self.find(Code::OrderDate, place, text);
        }
        let matches = list
            .line(order.line_number)
            .is_some_and(|line| repeats(order, line, card));
        if !matches {
            let text = format!(
                "line, card, amount or recipient are not those of line {}",
                order.line_number
            );
            self.find(Code::OrderLine, place, text);
        }
        (list.proven && loaded && in_time && matches).then_some(list)
    }

    fn check_card(&mut self, order: &Order<'_>, card: &Card, place: &Place) -> bool {
        let in_time = order
            .time
            .date()
            .is_some_and(|date| card.effective <= date && date <= card.expiry);
        if !in_time {
            self.find(
                Code::OrderDate,
                place,
                format!("card {} is not valid at {}", card.number, order.time),
            );
        }
        let allowed = card.methods & method_bit(order.method) != 0;
        if !allowed {
            let text = format!("card {} does not allow {:?}", card.number, order.method);
            self.find(Code::OrderMethod, place, text);
        }
        card.proven && in_time && allowed
    }

    pub(crate) fn check_terminal_certificate(&mut self, order: &Order<'_>, place: &Place) {
        let valid = |date: Date| self.key.is_none_or(|key| key.valid_on(date));
        if !order.time.date().is_some_and(valid) {
            let text = format!("no certificate of the terminal is valid at {}", order.time);
            self.find(Code::OrderDate, place, text);
        }
    }

    /// With a stale block list a terminal pays nobody, and with a fresh one nobody on it (DATA 4).
    pub(crate) fn check_block_list(&mut self, order: &Order<'_>, card: Option<CardNumber>, place: &Place) {
        if self.block_list_lost {
            return;
        }
        let Some(list) = self.block_list else {
            if !self.damage_before {
                self.find(Code::BlockListStale, place, "paid without a block list");
            }
            return;
        };
        let age = order
            .time
            .date()
            .zip(list.issued.date())
            .map(|(now, issued)| now.day_number().saturating_sub(issued.day_number()));
        if age.is_none_or(|days| days > BLOCK_LIST_MAXIMUM_AGE_DAYS) {
            let text = format!(
                "block list {} of {} is too old at {}",
                list.number, list.issued, order.time
            );
            self.find(Code::BlockListStale, place, text);
        }
        let block_lists = &self.context.issued.block_lists;
        if let Some(card) = card.filter(|card| block_lists.blocks(list, card)) {
            let text = format!(
                "card {card} is on block list {}, which the terminal had",
                list.number
            );
            self.find(Code::BlockedCard, place, text);
        }
    }

    pub(crate) fn paid(&mut self, receipt: &EncodedReceipt<'_>, genuine: bool, place: &Place) {
        let signed = receipt.signed();
        let body = *signed.claimed();
        let Some(open) = self.take_open(|open| open.order_hash == body.object_hash) else {
            self.find(
                Code::PaidWithoutIntent,
                place,
                "its receipt does not answer an open intent",
            );
            if !self.is_forged(&signed) {
                let stray = (place.clone(), body, signed.hash());
                self.journal.stray_receipts.push(stray);
            }
            return;
        };
        let payment = self.payment(&signed, &open, genuine, place);
        self.add_payment(payment);
    }

    /// The payment of another terminal, by its order and the card's receipt for it.
    pub(crate) fn answered(
        &mut self,
        order: &EncodedOrder<'_>,
        receipt: &Signed<'_, Receipt>,
        proven: bool,
        place: &Place,
    ) -> Payment {
        let card = self.context.cards.by_cso(&order.order().cso_hash);
        let allowed = card.is_some_and(|card| self.check_card(order.order(), card, place));
        if card.is_none() {
            let text = "the order is for a card that is not among the files";
            self.find(Code::CardUnknown, place, text);
        }
        let open = OpenIntent::new(order, card, allowed);
        self.payment(receipt, &open, proven, place)
    }

    fn payment(
        &mut self,
        signed: &Signed<'_, Receipt>,
        open: &OpenIntent,
        genuine: bool,
        place: &Place,
    ) -> Payment {
        let body = signed.claimed();
        let forged = self.is_forged(signed);
        let verified = self.check_receipt(signed, forged, open, place);
        Payment {
            place: place.clone(),
            intent: open.sequence,
            order_hash: open.order_hash,
            line_key: open.line_key,
            amount: open.amount,
            month: open.month,
            card: body.card_number,
            version: body.cso_version,
            counter: body.counter,
            previous: body.previous,
            receipt_hash: signed.hash(),
            receipt_signature: *signed.signature(),
            forged,
            proven: genuine && verified && open.proven,
            reversed: false,
        }
    }

    /// Is the card's key at hand, and is the receipt not signed with it?
    pub(crate) fn is_forged(&self, signed: &Signed<'_, Receipt>) -> bool {
        let card = self.context.cards.by_number(&signed.claimed().card_number);
        card.is_some_and(|card| signed.verify(self.context.verifier, &card.signing_key).is_err())
    }

    fn check_receipt(
        &mut self,
        signed: &Signed<'_, Receipt>,
        forged: bool,
        open: &OpenIntent,
        place: &Place,
    ) -> bool {
        let body = signed.claimed();
        let Some(card) = self.context.cards.by_number(&body.card_number) else {
            let text = format!(
                "card {} is not among the files: its receipt proves nothing",
                body.card_number
            );
            self.find(Code::CardUnknown, place, text);
            return false;
        };
        let cards = self.context.cards;
        let own = open.card.map_or_else(
            || cards.version(&card.number, body.cso_version).is_some(),
            |ordered| ordered == (card.number, body.cso_version),
        );
        if !own {
            self.find(
                Code::ReceiptCard,
                place,
                "the receipt is of another card or version than the order",
            );
        }
        // `01` exactly if the payment rests on the PIN (SPEC 9.4).
        let agrees = (open.method == HolderCheckMethod::Pin) == body.holder_check.pin_verified;
        if !agrees {
            let text = format!("the order states {:?}, the card saw something else", open.method);
            self.find(Code::ReceiptHolderCheck, place, text);
        }
        if forged {
            self.find(
                Code::ReceiptSignature,
                place,
                format!("does not verify under the key of card {}", card.number),
            );
        }
        let of_payment = body.kind == ReceiptKind::Payment;
        if !of_payment {
            let text = format!("the receipt is of kind {:?}: it proves no payment", body.kind);
            self.find(Code::ReceiptKind, place, text);
        }
        own && agrees && !forged && of_payment
    }

    pub(crate) fn refused(&mut self, refusal: &Refusal, place: &Place) {
        *self.journal.refused.entry(refusal.reason as u8).or_default() += 1;
        let Some(closed) = refusal.closes_intent else {
            return;
        };
        if self.reversal_refused(refusal) {
            return;
        }
        if self.take_open(|open| open.sequence == closed).is_none() && !self.is_lost(closed) {
            self.find(Code::RefusedIntent, place, format!("intent {closed} is not open"));
        }
        // Only a protected answer of the card is a decision about an order (SPEC 8.3).
        let decision = refusal
            .status_word
            .map(StatusWord)
            .and_then(Decision::from_status);
        if decision.is_none() {
            let text = format!("closes intent {closed} without the card's decision");
            self.find(Code::RefusedIntent, place, text);
        }
    }
}

pub(crate) fn repeats(order: &Order<'_>, line: &ListLine, card: Option<CardNumber>) -> bool {
    let recipient = match order.recipient {
        Recipient::Holder => 0b01,
        Recipient::FirstRepresentative | Recipient::SecondRepresentative => 0b10,
    };
    line.line_key == order.line_key
        && line.amount == order.amount
        && line.recipients & recipient != 0
        && card.is_none_or(|card| card == line.card_number)
}

fn method_bit(method: HolderCheckMethod) -> u8 {
    match method {
        HolderCheckMethod::Pin => HolderCheckPolicy::PIN,
        HolderCheckMethod::PhotoDocument => HolderCheckPolicy::PHOTO_DOCUMENT,
    }
}
