//! What a card keeps of other terminals' doings (SPEC 9.9) is kept here, too: a burnt terminal's payments come home through the
//! journals of those that its cards come to next (DATA 5.6).
//!
//! Nothing is paid or refused by it. A card torn away leaves what was kept; it may be read again, and host and auditor take what
//! comes twice as one.

use card_spec::apdu::StatusWord;
use card_spec::command::instruction::READ_RECORD;
use card_spec::command::{OBJECT_RECORD, RECEIPT_RECORD};
use card_spec::crypto::Curve;
use card_spec::journal::{CarriedReceipt, EncodedReceipt, Event, RefusalReason};
use card_spec::payment::{LineKey, MAXIMUM_RECEIPT_LENGTH, ReceiptKind};
use card_spec::scp03::{MAX_PROTECTED_RESPONSE, Reply};
use card_spec::values::CardNumber;
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use rand_core::CryptoRng;

use crate::clerk::{Flow, PATIENCE};
use crate::lists::LinePlace;
use crate::log_error::LogError;
use crate::machine::Machine;
use crate::payment::refusal;
use crate::payment_list::MAXIMUM_DUE;
use crate::recipient::Taker;
use crate::tap::{CardFacts, GenuineCard, Tap};
use crate::text;

/// Receipts that every card stores (SPEC 9.7).
const RECORDS: u32 = 32;

/// Cards whose receipts were read to the end since power-on, with the newest of them: as many as are remembered.
pub(crate) type ReadCards = Vec<(CardNumber, u32), 8>;

/// A receipt as the card gives it.
pub(crate) type ReceiptBytes = Vec<u8, MAXIMUM_RECEIPT_LENGTH>;

/// A card whose receipts are read.
pub(crate) struct Reading {
    card: GenuineCard,
    wish: Wish,
    /// Which one is read: 1 is the newest.
    record: u32,
    /// The receipt of which it is asked what it is for; empty while a receipt is awaited.
    receipt: ReceiptBytes,
    /// Counter of the newest one, once it was seen.
    newest: u32,
}

/// Why receipts are read.
#[expect(
    clippy::large_enum_variant,
    reason = "there is no heap, and there is one of it"
)]
enum Wish {
    /// One stands for a line that the card has refused; what the tap was for goes on after it.
    Standing(Standing),
    /// The clerk wants them all; so many were taken.
    All(u32),
}

/// A receipt that stands for a line, and what is left of the tap.
pub(crate) struct Standing {
    pub(crate) receipt: ReceiptBytes,
    pub(crate) line: LineKey,
    pub(crate) due: Vec<LinePlace, MAXIMUM_DUE>,
    pub(crate) taker: Taker,
    pub(crate) settles: bool,
}

/// What comes after a record.
enum Next {
    Ask,
    Done,
    /// It is none of a genuine card.
    Forged,
    /// The journal has not kept it.
    NotKept(LogError),
}

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// The clerk wants the receipts of the next card.
    pub(crate) fn ask_receipts(&mut self) {
        text::tap_for_receipts(&mut self.out);
        self.deadline = Some(self.clock.milliseconds().saturating_add(PATIENCE));
        self.armed = true;
        self.flow = Flow::AwaitingReceipts;
    }

    /// That card came. Neither clock nor list nor PIN is needed.
    pub(crate) fn receipts_tap(&mut self) {
        self.deadline = None;
        match Tap::begin(self.out.command()) {
            Some(tap) => self.flow = Flow::Approaching(tap),
            None => self.end_service(),
        }
    }

    #[inline(never)]
    pub(crate) fn read_all(&mut self, card: GenuineCard) {
        self.ask_record(Reading {
            card,
            wish: Wish::All(0),
            record: 1,
            receipt: ReceiptBytes::new(),
            newest: 0,
        });
    }

    /// The card has refused a line: who has paid it? The newest receipt tells where the one that stands is stored.
    pub(crate) fn read_standing(&mut self, card: GenuineCard, standing: Standing) {
        self.ask_record(Reading {
            card,
            wish: Wish::Standing(standing),
            record: 1,
            receipt: ReceiptBytes::new(),
            newest: 0,
        });
    }

    fn ask_record(&mut self, mut reading: Reading) {
        let file = match reading.receipt.is_empty() {
            true => RECEIPT_RECORD,
            false => OBJECT_RECORD,
        };
        let record = u8::try_from(reading.record).unwrap_or(u8::MAX);
        let sent = reading
            .card
            .send(READ_RECORD, [record, file], &[], false, self.out.command());
        match sent {
            Ok(()) => self.flow = Flow::Reading(reading),
            Err(_) => self.end_service(),
        }
    }

    /// The card has shown a record.
    #[inline(never)]
    pub(crate) fn record_read(&mut self, mut reading: Reading, response: Option<&[u8]>) {
        let mut plain = [0; MAX_PROTECTED_RESPONSE];
        let reply = response.map(|response| reading.card.receive(response, &mut plain));
        let next = match reply {
            None => return self.reading_broken(&reading, RefusalReason::CardRemoved),
            Some(Ok(Reply::Authenticated(response))) => {
                let data = response.ok().unwrap_or_default();
                self.take_record(&mut reading, data)
            }
            // A card without receipts has no record (SPEC 9.9). Any other bare word proves nothing, and elsewhere this one, too.
            Some(Ok(Reply::Unauthenticated(response)))
                if reading.newest == 0 && response.status() == StatusWord::RECORD_NOT_FOUND =>
            {
                Next::Done
            }
            Some(Ok(Reply::Unauthenticated(_))) => {
                return self.reading_broken(&reading, RefusalReason::CardRemoved);
            }
            Some(Err(_)) => Next::Forged,
        };
        match next {
            Next::Ask => self.ask_record(reading),
            Next::Done => self.reading_done(reading),
            Next::Forged => self.reading_broken(&reading, RefusalReason::NotGenuine),
            Next::NotKept(error) => self.reading_stopped(&reading, error),
        }
    }

    fn take_record(&mut self, reading: &mut Reading, data: &[u8]) -> Next {
        let facts = *reading.card.facts();
        if !reading.receipt.is_empty() {
            return self.take_object(reading, &facts, data);
        }
        let Some(receipt) = facts.verify_receipt(&self.curve, data) else {
            return Next::Forged;
        };
        if reading.record == 1 {
            reading.newest = receipt.counter;
        }
        if let Wish::Standing(standing) = &reading.wish {
            return match place_of(&standing.receipt, receipt.counter) {
                Some(record) => {
                    reading.record = record;
                    reading.receipt = standing.receipt.clone();
                    Next::Ask
                }
                None => Next::Done,
            };
        }
        // One after the other, without a gap.
        if receipt.counter.checked_add(reading.record) != reading.newest.checked_add(1) {
            return Next::Forged;
        }
        let is_known = |card: &(CardNumber, u32)| card.0 == facts.number && receipt.counter <= card.1;
        if self.read_cards.iter().any(is_known) {
            return Next::Done;
        }
        if !matches!(receipt.kind, ReceiptKind::Payment | ReceiptKind::Reversal) {
            return next_record(reading);
        }
        match ReceiptBytes::from_slice(receipt.encoding()) {
            Ok(bytes) => reading.receipt = bytes,
            Err(_) => return Next::Forged,
        }
        Next::Ask
    }

    /// What a receipt is for has come.
    fn take_object(&mut self, reading: &mut Reading, facts: &CardFacts, object: &[u8]) -> Next {
        let receipt = core::mem::take(&mut reading.receipt);
        let Some((carried, is_foreign)) = self.carried(facts, object, &receipt) else {
            return Next::Forged;
        };
        match &mut reading.wish {
            Wish::Standing(standing) => {
                let Some(order) = carried.order() else {
                    return Next::Forged;
                };
                if order.order().line_key != standing.line {
                    return Next::Forged;
                }
                if is_foreign && self.record(Event::CarriedReceipt(carried)).is_err() {
                    text::not_recorded(&mut self.out);
                }
                text::paid_before(&mut self.out, order.order());
                Next::Done
            }
            Wish::All(taken) => {
                if is_foreign {
                    if let Err(error) = self.keep_beside_payments(carried) {
                        return Next::NotKept(error);
                    }
                    *taken = taken.saturating_add(1);
                }
                next_record(reading)
            }
        }
    }

    /// As long as the journal is not filling: what is left then is for payments.
    fn keep_beside_payments(&mut self, carried: CarriedReceipt<'_>) -> Result<(), LogError> {
        let log = self.log.as_mut().ok_or(LogError::Failed)?;
        if log.last_payments()?.is_some() {
            return Err(LogError::Full);
        }
        self.record(Event::CarriedReceipt(carried)).map(drop)
    }

    /// Receipt and object, if they belong together and to this card; and are they another terminal's?
    fn carried<'a>(
        &self,
        facts: &CardFacts,
        object: &'a [u8],
        receipt: &'a [u8],
    ) -> Option<(CarriedReceipt<'a>, bool)> {
        let receipt = EncodedReceipt::parse(receipt).ok()?;
        let carried = CarriedReceipt::new(object, receipt).ok()?;
        let source = carried.source()?;
        let own = carried
            .order()
            .is_none_or(|order| facts.owns(&order.order().line_key));
        (own && facts.is_consistent(receipt.signed().claimed(), &source.cso_hash)).then_some(())?;
        Some((carried, source.terminal != self.keys.as_ref()?.name))
    }

    /// No more is to be read.
    fn reading_done(&mut self, reading: Reading) {
        let number = reading.card.facts().number;
        match reading.wish {
            Wish::Standing(standing) => {
                let Standing {
                    due, taker, settles, ..
                } = standing;
                self.proceed(reading.card, due, taker, settles);
            }
            Wish::All(taken) => {
                text::receipts_taken(&mut self.out, taken);
                text::receipts_read(&mut self.out);
                self.remember_read(number, reading.newest);
                self.end_service();
            }
        }
    }

    /// The card left, or what answers is none; nothing more is asked of it.
    fn reading_broken(&mut self, reading: &Reading, reason: RefusalReason) {
        let facts = reading.card.facts();
        match &reading.wish {
            // At the next tap the line's mark answers, and nobody asks for this receipt.
            Wish::Standing(standing) => {
                text::receipts_unread(&mut self.out);
                // The line is refused, and there was nothing else.
                if standing.due.is_empty() {
                    return self.end_service();
                }
            }
            Wish::All(taken) => {
                text::receipts_taken(&mut self.out, *taken);
                text::receipts_unread(&mut self.out);
            }
        }
        match (&reading.wish, reason) {
            (Wish::All(_), RefusalReason::CardRemoved) => self.end_service(),
            _ => self.give_up(refusal(reason, Some(facts))),
        }
    }

    /// The journal takes no more of what the clerk has read.
    fn reading_stopped(&mut self, reading: &Reading, error: LogError) {
        if let Wish::All(taken) = reading.wish {
            text::receipts_taken(&mut self.out, taken);
        }
        match error {
            LogError::Full => text::no_room_for_receipts(&mut self.out),
            LogError::Failed => text::not_recorded(&mut self.out),
        }
        self.end_service();
    }

    fn remember_read(&mut self, number: CardNumber, newest: u32) {
        self.read_cards.retain(|card| card.0 != number);
        if self.read_cards.is_full() {
            self.read_cards.remove(0);
        }
        // There is room now.
        let _ = self.read_cards.push((number, newest));
    }
}

/// The next older receipt, if the card has to have it.
fn next_record(reading: &mut Reading) -> Next {
    if reading.record >= reading.newest.min(RECORDS) {
        return Next::Done;
    }
    reading.record = reading.record.saturating_add(1);
    Next::Ask
}

/// Where a receipt is stored, behind the newest one.
fn place_of(receipt: &[u8], newest: u32) -> Option<u32> {
    let receipt = EncodedReceipt::parse(receipt).ok()?;
    let place = newest
        .checked_sub(receipt.signed().claimed().counter)?
        .checked_add(1)?;
    (place <= RECORDS).then_some(place)
}
