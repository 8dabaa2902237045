//! A card on the block list is shown the list, and blocks itself (SPEC 13.10): whoever has it then gets money nowhere, also not at
//! a terminal that does not have that list yet.
//!
//! Whatever comes in between, nothing is paid. A list that cannot be shown, a card that is torn away or says something else: the
//! terminal refuses the card all the same, and the next contact begins anew.

use card_spec::apdu::StatusWord;
use card_spec::command::instruction::{DEACTIVATE, READ_RECORD};
use card_spec::command::{BLOCK_LIST_ENTRY, BLOCK_LIST_HEADER, MAXIMUM_CHAIN, RECEIPT_RECORD};
use card_spec::crypto::Curve;
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

/// A card that is shown the block list.
pub(crate) struct Blocking {
    card: GenuineCard,
    step: Step,
    /// What is shown now, and how many bytes of it were sent.
    message: Object<MAXIMUM_CHAIN>,
    sent: usize,
}

/// What the card was asked last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A part of the header.
    Header,
    /// A part of the entry with its audit path.
    Entry,
    /// For its newest receipt.
    Receipt,
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
        self.show(Blocking {
            card,
            step: Step::Header,
            message,
            sent: 0,
        });
    }

    /// The header of the block list in force, behind the certificate of its issuer if the card may not have that.
    fn shown_header(&self, facts: &CardFacts) -> Option<Object<MAXIMUM_CHAIN>> {
        self.block_list.as_ref().filter(|list| list.is_provable())?;
        let header = &self.device.block_list.as_ref()?.header;
        let issuer = Signed::<BlockListHeader>::parse(header).ok()?.claimed().issuer;
        let mut message = Object::new();
        if issuer != facts.issuer {
            let place = self.credentials.as_ref()?.place_of(issuer)?;
            let certificates = self.device.certificates.as_ref()?;
            message.extend_from_slice(certificates.issuers.get(place)?).ok()?;
        }
        message.extend_from_slice(header).ok()?;
        Some(message)
    }

    /// Sends the next part.
    fn show(&mut self, mut blocking: Blocking) {
        let rest = blocking.message.get(blocking.sent..).unwrap_or_default();
        let part = rest.get(..MAX_COMMAND_DATA).unwrap_or(rest);
        let more = part.len() < rest.len();
        blocking.sent = blocking.sent.saturating_add(part.len());
        let (instruction, parameters) = match blocking.step {
            Step::Header => (DEACTIVATE, [BLOCK_LIST_HEADER, 0x00]),
            Step::Entry => (DEACTIVATE, [BLOCK_LIST_ENTRY, 0x00]),
            Step::Receipt => (READ_RECORD, [0x01, RECEIPT_RECORD]),
        };
        match blocking
            .card
            .send(instruction, parameters, part, more, self.out.command())
        {
            Ok(()) => self.flow = Flow::Blocking(blocking),
            Err(_) => self.end_service(),
        }
    }

    /// The card has answered.
    #[inline(never)]
    pub(crate) fn block_answered(&mut self, mut blocking: Blocking, response: Option<&[u8]>) {
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
        if blocking.sent < blocking.message.len() {
            return self.show(blocking);
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

    fn ask_on(&mut self, blocking: Blocking, step: Step, message: Object<MAXIMUM_CHAIN>) {
        self.show(Blocking {
            step,
            message,
            sent: 0,
            ..blocking
        });
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
