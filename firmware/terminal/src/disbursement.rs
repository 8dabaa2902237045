//! Orders and receipts: the payment itself.
//!
//! Intent before action: an order is in flash before it is sent, its receipt before the clerk sees "paid". Only a
//! protected answer of the card decides (SPEC 8.3); anything else leaves the order open, for the same card to settle.

use card_spec::apdu::StatusWord;
use card_spec::command::instruction::DISBURSE;
use card_spec::crypto::{Curve, Digest};
use card_spec::journal::{EncodedOrder, EncodedReceipt, Event, Refusal, RefusalReason};
use card_spec::payment::{HolderCheckMethod, Operator, Order, ReceiptKind, SecondOperator};
use card_spec::refusal::Refusal as Decision;
use card_spec::scp03::{MAX_COMMAND_DATA, MAX_PROTECTED_RESPONSE, Reply};
use card_spec::values::Amount;
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use rand_core::CryptoRng;

use crate::carried::{ReceiptBytes, Standing};
use crate::clerk::Flow;
use crate::clock::Stamp;
use crate::lists::LinePlace;
use crate::log::Log;
use crate::machine::Machine;
use crate::payment::refusal;
use crate::payment_list::{DueLine, MAXIMUM_DUE, may_take};
use crate::recipient::Taker;
use crate::standing::{OpenOrder, PaidLine};
use crate::tap::{CardFacts, GenuineCard};
use crate::text;

/// The card's decision that the holder check does not suffice (SPEC 9.3).
const HOLDER_CHECK: u16 = 0x6346;

/// An order on its way to the card.
pub(crate) struct Disbursing {
    card: GenuineCard,
    /// Lines still to be paid, the next one last.
    due: Vec<LinePlace, MAXIMUM_DUE>,
    taker: Taker,
    /// The order, an open one.
    order: OpenOrder,
    /// Bytes of it that were sent.
    sent: usize,
    /// It is one that was left open.
    settles: bool,
}

/// What the card says to an order.
enum Verdict {
    /// It wants the rest of the order.
    Continue,
    /// It has paid; the receipt was verified.
    Paid(ReceiptBytes),
    /// It will not pay; with the receipt that stands, if it has paid before.
    Refused(RefusalReason, StatusWord, ReceiptBytes),
    /// Nothing that decides.
    Undecided(RefusalReason, Option<StatusWord>),
}

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// Begins the next order, if a line is left: Intent into flash, then DISBURSE.
    pub(crate) fn disburse_next(
        &mut self,
        card: GenuineCard,
        mut due: Vec<LinePlace, MAXIMUM_DUE>,
        taker: Taker,
    ) {
        let Some(place) = due.pop() else {
            return self.end_service();
        };
        let facts = *card.facts();
        let line_refusal = |reason| Refusal {
            line_number: Some(place.line),
            ..refusal(reason, Some(&facts))
        };
        let stamp = match self.may_pay() {
            Ok(stamp) => stamp,
            Err(reason) => return self.give_up(line_refusal(reason)),
        };
        let Some(line) = self.due_line(place, facts.number) else {
            return self.give_up(line_refusal(RefusalReason::ListNotValid));
        };
        // The card would refuse a line of somebody else, after an Intent for a second order of that person.
        if !may_take(line.line(), taker.recipient) || !facts.owns(&line.line().line_key) {
            return self.give_up(line_refusal(RefusalReason::ListNotValid));
        }
        let Some(order) = self.intend(&line, &facts, taker, stamp) else {
            return self.give_up(line_refusal(RefusalReason::JournalFull));
        };
        self.send_order(Disbursing {
            card,
            due,
            taker,
            order,
            sent: 0,
            settles: false,
        });
    }

    /// Writes an order for a card into flash.
    fn intend(&mut self, line: &DueLine, facts: &CardFacts, taker: Taker, stamp: Stamp) -> Option<OpenOrder> {
        // The first tap has looked for one, too: of a holder there is one at most.
        if self.open_order_of(facts).ok()?.is_some() {
            return None;
        }
        let mut buffer = [0; Order::MAXIMUM_LENGTH];
        let order = self.next_order(line, facts.cso_hash, taker, stamp, &mut buffer)?;
        let open = OpenOrder::new(&order)?;
        self.record(Event::Intent(order)).ok()?;
        Some(open)
    }

    /// The order for a line that stands in the next entry of the journal.
    pub(crate) fn next_order<'b>(
        &mut self,
        line: &DueLine,
        cso_hash: Digest,
        taker: Taker,
        stamp: Stamp,
        buffer: &'b mut [u8; Order::MAXIMUM_LENGTH],
    ) -> Option<EncodedOrder<'b>> {
        let mut nonce = [0; 16];
        self.random.fill_bytes(&mut nonce);
        let second = self.voucher(taker.method);
        let keys = self.keys.as_ref()?;
        let log = self.log.as_mut()?;
        log.boot(&self.curve, keys, stamp).ok()?;
        let order = Order {
            terminal: keys.name,
            sequence: log.next_sequence()?,
            log_head: log.head(),
            list_root: line.root(),
            cso_hash,
            line_number: line.line().number,
            line_key: line.line().line_key,
            amount: line.line().amount,
            recipient: taker.recipient,
            method: taker.method,
            operator: Operator::new(self.operator.as_ref()?)?,
            second_operator: second.as_deref().and_then(SecondOperator::new),
            time: stamp.time,
            clock: stamp.source,
            nonce,
        };
        EncodedOrder::parse(order.encode(buffer).ok()?).ok()
    }

    /// Sends the next part of an order that is open.
    fn send_order(&mut self, mut disbursing: Disbursing) {
        let encoding = disbursing.order.encoding();
        let rest = encoding.get(disbursing.sent..).unwrap_or_default();
        let part = rest.get(..MAX_COMMAND_DATA).unwrap_or(rest);
        let more = part.len() < rest.len();
        disbursing.sent = disbursing.sent.saturating_add(part.len());
        let sent = disbursing
            .card
            .send(DISBURSE, [0x00, 0x00], part, more, self.out.command());
        match sent {
            Ok(()) => self.flow = Flow::Disbursing(disbursing),
            Err(_) => self.end_service(),
        }
    }

    /// The card has answered to a part of the order.
    #[inline(never)]
    pub(crate) fn disbursed(&mut self, mut disbursing: Disbursing, response: Option<&[u8]>) {
        let facts = *disbursing.card.facts();
        let verdict = self.verdict(&mut disbursing, response);
        let Some(order) = disbursing.order.order() else {
            return self.end_service();
        };
        let order = order.order();
        let (sequence, amount, method) = (order.sequence, order.amount, order.method);
        let (line, line_key) = (PaidLine::of(order), order.line_key);
        let line_refusal = |reason, status: Option<StatusWord>| Refusal {
            line_number: Some(line.number),
            status_word: status.map(|status| status.0),
            ..refusal(reason, Some(&facts))
        };
        match verdict {
            Verdict::Continue => self.send_order(disbursing),
            Verdict::Paid(receipt) => {
                if self.keep_receipt(&receipt, line, amount, method).is_none() {
                    // The order stays open, and the card will give the receipt again.
                    text::not_recorded(&mut self.out);
                    return self.end_service();
                }
                let Disbursing {
                    card,
                    due,
                    taker,
                    settles,
                    ..
                } = disbursing;
                self.proceed(card, due, taker, settles);
            }
            Verdict::Refused(reason, status, receipt) => {
                self.refuse(Refusal {
                    closes_intent: Some(sequence),
                    ..line_refusal(reason, Some(status))
                });
                let open = self.log.as_ref().map(Log::open_intents);
                if open.is_some_and(|open| open.iter().any(|open| open.sequence == sequence)) {
                    return self.end_service();
                }
                if status.0 == HOLDER_CHECK && method == HolderCheckMethod::PhotoDocument {
                    text::document_not_enough(&mut self.out);
                }
                self.remember_refusal(reason, line);
                let Disbursing {
                    card,
                    due,
                    taker,
                    settles,
                    ..
                } = disbursing;
                if !receipt.is_empty() {
                    let standing = Standing {
                        receipt,
                        line: line_key,
                        due,
                        taker,
                        settles,
                    };
                    return self.read_standing(card, standing);
                }
                self.proceed(card, due, taker, settles);
            }
            Verdict::Undecided(reason, status) => {
                self.refuse(line_refusal(reason, status));
                if reason != RefusalReason::CardRemoved {
                    text::still_open(&mut self.out);
                }
                self.end_service();
            }
        }
    }

    /// An order is settled: the next one, if there is one.
    pub(crate) fn proceed(
        &mut self,
        card: GenuineCard,
        due: Vec<LinePlace, MAXIMUM_DUE>,
        taker: Taker,
        settles: bool,
    ) {
        if settles {
            return self.block_if_listed(card);
        }
        self.disburse_next(card, due, taker);
    }

    /// Reads the card's answer to the order.
    fn verdict(&self, disbursing: &mut Disbursing, response: Option<&[u8]>) -> Verdict {
        const FORGED: Verdict = Verdict::Undecided(RefusalReason::NotGenuine, None);
        let Some(response) = response else {
            return Verdict::Undecided(RefusalReason::CardRemoved, None);
        };
        let Some(order) = disbursing.order.order() else {
            return FORGED;
        };
        let mut plain = [0; MAX_PROTECTED_RESPONSE];
        let response = match disbursing.card.receive(response, &mut plain) {
            Ok(Reply::Authenticated(response)) => response,
            // SPEC 8.3: a bare status word is no decision about money.
            Ok(Reply::Unauthenticated(response)) => {
                return Verdict::Undecided(RefusalReason::RefusedByCard, Some(response.status()));
            }
            Err(_) => return FORGED,
        };
        let status = response.status();
        let data = response.checked(status).unwrap_or_default();
        let facts = disbursing.card.facts();
        let receipt = |data| {
            let receipt = facts.verify_receipt(&self.curve, data)?;
            // Another kind is no payment and no receipt that stands.
            (receipt.kind == ReceiptKind::Payment).then_some(())?;
            let same_order = receipt.object_hash == order.hash();
            (!same_order || facts.is_consistent(&receipt, &order.order().cso_hash)).then_some(())?;
            let encoding = Vec::from_slice(receipt.encoding()).ok()?;
            Some((same_order, encoding))
        };
        let decides = self.decides(facts, order.order());
        match status.0 {
            0x9000 if disbursing.sent < order.encoding().len() => Verdict::Continue,
            0x9000 | 0x6340 => match receipt(data) {
                // DATA 5.3: the standing receipt of this very order is a payment, that of another one a refusal.
                Some((true, receipt)) => Verdict::Paid(receipt),
                Some((false, receipt)) if status.0 == 0x6340 && decides => {
                    Verdict::Refused(RefusalReason::AlreadyPaid, status, receipt)
                }
                // Nothing proves which order the card has paid.
                _ => Verdict::Undecided(RefusalReason::NotGenuine, Some(status)),
            },
            _ if Decision::from_status(status).is_none() => {
                Verdict::Undecided(RefusalReason::NotGenuine, Some(status))
            }
            _ if decides => Verdict::Refused(RefusalReason::RefusedByCard, status, Vec::new()),
            _ => Verdict::Undecided(RefusalReason::RefusedByCard, Some(status)),
        }
    }

    /// Is it certain that the order was for this card? One that replaced it refuses the order, too, and does not know what
    /// the card before has paid.
    fn decides(&self, facts: &CardFacts, order: &Order<'_>) -> bool {
        order.cso_hash == facts.cso_hash || self.is_listed(order.line_key, facts.number)
    }

    /// A line that was paid elsewhere is not asked for again; any other one comes after those not yet tried.
    fn remember_refusal(&mut self, reason: RefusalReason, line: PaidLine) {
        if reason == RefusalReason::AlreadyPaid {
            return self.mark(PaidLine { intent: 0, ..line }, true);
        }
        // A list that is out of force has nothing that is asked for.
        let Some(place) = self.place_of(line.list_root, line.number) else {
            return;
        };
        if self.declined.is_full() {
            self.declined.remove(0);
        }
        // There is room now.
        let _ = self.declined.push(place);
    }

    /// Writes the receipt into flash; only then does the clerk see that it is paid.
    fn keep_receipt(
        &mut self,
        receipt: &[u8],
        line: PaidLine,
        amount: Amount,
        method: HolderCheckMethod,
    ) -> Option<()> {
        let receipt = EncodedReceipt::parse(receipt).ok()?;
        let pin_verified = receipt.signed().claimed().holder_check.pin_verified;
        self.record(Event::Paid(receipt)).ok()?;
        self.mark(line, true);
        text::paid(&mut self.out, line.number, amount);
        if method == HolderCheckMethod::Pin && !pin_verified {
            // The card has paid, so the money is the holder's; that it did so without a PIN is the auditor's.
            text::without_pin(&mut self.out);
        }
        Some(())
    }

    /// The card is back for an open order: the same order again yields the same receipt, or the card's refusal.
    pub(crate) fn settle(&mut self, card: GenuineCard, order: OpenOrder) {
        let Some(parsed) = order.order() else {
            return self.end_service();
        };
        let taker = Taker {
            recipient: parsed.order().recipient,
            method: parsed.order().method,
        };
        if taker.method == HolderCheckMethod::PhotoDocument {
            // The card may pay only now, and whoever holds it need not be who was seen.
            text::look_again(&mut self.out);
        }
        self.send_order(Disbursing {
            card,
            due: Vec::new(),
            taker,
            order,
            sent: 0,
            settles: true,
        });
    }
}
