//! A card on the block list is shown the list, and blocks itself (SPEC 13.10): whoever has it then gets money nowhere, also not at
//! a terminal that does not have that list yet.
//!
//! Whatever comes in between, nothing is paid. A list that cannot be shown, a card that is torn away or says something else: the
//! terminal refuses the card all the same, and the next contact begins anew.

use card_spec::apdu::StatusWord;
use card_spec::certificate::Reference;
use card_spec::command::instruction::{DEACTIVATE, EXECUTE_ISSUER_SCRIPT, READ_RECORD};
use card_spec::command::{BLOCK_LIST_ENTRY, BLOCK_LIST_HEADER, MAXIMUM_CHAIN, RECEIPT_RECORD};
use card_spec::crypto::{Curve, Digest};
use card_spec::journal::{EncodedReceipt, Event, Refusal, RefusalReason};
use card_spec::list::BlockListHeader;
use card_spec::payment::ReceiptKind;
use card_spec::scp03::{MAX_COMMAND_DATA, MAX_PROTECTED_RESPONSE, Reply};
use card_spec::signed::Signed;
use embedded_storage::nor_flash::NorFlash;
use rand_core::CryptoRng;

use crate::block_list::BlockList;
use crate::clerk::Flow;
use crate::device::Object;
use crate::machine::Machine;
use crate::tap::{CardFacts, GenuineCard};
use crate::text;

/// A card that is given what the issuer has signed: the block list, or a script ([`crate::scripts`]).
pub(crate) struct Delivery {
    pub(crate) card: GenuineCard,
    pub(crate) step: Step,
    /// What it is given now, and how many bytes of it were sent.
    message: Object<MAXIMUM_CHAIN>,
    sent: usize,
}

impl Delivery {
    pub(crate) fn new(card: GenuineCard, step: Step, message: Object<MAXIMUM_CHAIN>) -> Self {
        Self {
            card,
            step,
            message,
            sent: 0,
        }
    }

    /// Is nothing left to send?
    pub(crate) fn is_whole(&self) -> bool {
        self.sent >= self.message.len()
    }
}

/// What the card was asked last.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A part of the header.
    Header,
    /// A part of the entry with its audit path.
    Entry,
    /// For its newest receipt.
    Receipt,
    /// To execute the script with this counter and hash, which is kept in that place.
    Script(usize, u32, Digest),
}

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// The card is not paid; if that is because it is on the block list it is shown so.
    pub(crate) fn part_with(&mut self, card: GenuineCard, refusal: Refusal) {
        self.refuse(refusal);
        if refusal.reason != RefusalReason::CardBlocked {
            return self.end_service();
        }
        self.block(card);
    }

    /// An order is settled, which comes before all else; nothing more is asked of the card unless it is on the block list.
    pub(crate) fn block_if_listed(&mut self, card: GenuineCard) {
        let number = card.facts().number;
        match self.block_list.as_ref().map(|list| list.reason(number)) {
            Some(Ok(Some(_))) => self.block(card),
            _ => self.end_service(),
        }
    }

    fn block(&mut self, card: GenuineCard) {
        let Some(message) = self.shown_header(card.facts()) else {
            return self.end_service();
        };
        text::hold_still(&mut self.out);
        self.deliver(Delivery::new(card, Step::Header, message));
    }

    /// The header of the block list in force.
    fn shown_header(&self, facts: &CardFacts) -> Option<Object<MAXIMUM_CHAIN>> {
        self.block_list.as_ref().filter(|list| list.is_provable())?;
        let header = &self.device.block_list.as_ref()?.header;
        let issuer = Signed::<BlockListHeader>::parse(header).ok()?.claimed().issuer;
        self.behind_certificate(facts, issuer, header)
    }

    /// What the issuer has signed, behind the certificate of its key if the card may not have that (SPEC 13.3).
    pub(crate) fn behind_certificate(
        &self,
        facts: &CardFacts,
        issuer: Reference,
        object: &[u8],
    ) -> Option<Object<MAXIMUM_CHAIN>> {
        let mut message = Object::new();
        if issuer != facts.issuer {
            let place = self.credentials.as_ref()?.place_of(issuer)?;
            let certificates = self.device.certificates.as_ref()?;
            message.extend_from_slice(certificates.issuers.get(place)?).ok()?;
        }
        message.extend_from_slice(object).ok()?;
        Some(message)
    }

    /// Sends the next part.
    pub(crate) fn deliver(&mut self, mut delivery: Delivery) {
        let rest = delivery.message.get(delivery.sent..).unwrap_or_default();
        let part = rest.get(..MAX_COMMAND_DATA).unwrap_or(rest);
        let more = part.len() < rest.len();
        delivery.sent = delivery.sent.saturating_add(part.len());
        let (instruction, parameters) = match delivery.step {
            Step::Header => (DEACTIVATE, [BLOCK_LIST_HEADER, 0x00]),
            Step::Entry => (DEACTIVATE, [BLOCK_LIST_ENTRY, 0x00]),
            Step::Receipt => (READ_RECORD, [0x01, RECEIPT_RECORD]),
            Step::Script(..) => (EXECUTE_ISSUER_SCRIPT, [0x00, 0x00]),
        };
        match delivery
            .card
            .send(instruction, parameters, part, more, self.out.command())
        {
            Ok(()) => self.flow = Flow::Delivering(delivery),
            Err(_) => self.end_service(),
        }
    }

    /// The card has answered.
    pub(crate) fn delivered(&mut self, delivery: Delivery, response: Option<&[u8]>) {
        match delivery.step {
            Step::Script(place, counter, hash) => {
                self.script_answered(delivery, place, counter, hash, response);
            }
            _ => self.block_answered(delivery, response),
        }
    }

    #[inline(never)]
    fn block_answered(&mut self, mut blocking: Delivery, response: Option<&[u8]>) {
        let mut plain = [0; MAX_PROTECTED_RESPONSE];
        let reply = response.map(|response| blocking.card.receive(response, &mut plain));
        let response = match (reply, blocking.step) {
            (Some(Ok(Reply::Authenticated(response))), _) if response.status() == StatusWord::SUCCESS => {
                response
            }
            // It is blocked already: perhaps by this list, and its answer was lost on the way.
            (Some(Ok(Reply::Unauthenticated(response))), Step::Header)
                if response.status() == StatusWord::CONDITIONS_NOT_SATISFIED =>
            {
                return self.ask_on(blocking, Step::Receipt, Object::new());
            }
            _ => return self.end_service(),
        };
        if !blocking.is_whole() {
            return self.deliver(blocking);
        }
        if blocking.step == Step::Header {
            let number = blocking.card.facts().number;
            let proof = self.block_list.as_ref().map(|list| list.proof(number));
            return match proof {
                Some(Ok(proof)) => self.ask_on(blocking, Step::Entry, proof),
                _ => self.end_service(),
            };
        }
        let receipt = response.ok().unwrap_or_default();
        self.keep_block(blocking.card.facts(), receipt);
        self.end_service();
    }

    fn ask_on(&mut self, blocking: Delivery, step: Step, message: Object<MAXIMUM_CHAIN>) {
        self.deliver(Delivery::new(blocking.card, step, message));
    }

    /// Keeps the card's receipt, if it says that the card was blocked by the list in force.
    fn keep_block(&mut self, facts: &CardFacts, receipt: &[u8]) {
        let list = self.block_list.as_ref().map(BlockList::facts);
        let (Some(list), Some(receipt)) = (list, facts.verify_receipt(&self.curve, receipt)) else {
            return;
        };
        if receipt.kind != ReceiptKind::BlockList || receipt.object_hash != list.hash {
            return;
        }
        let Ok(receipt) = EncodedReceipt::parse(receipt.encoding()) else {
            return;
        };
        text::card_blocked(&mut self.out);
        if self.record(Event::CardBlocked(receipt)).is_err() {
            text::not_recorded(&mut self.out);
        }
    }
}
