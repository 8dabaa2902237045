//! Who takes the money, and how the clerk knows that it is that person (SPEC 9.2): the holder or a representative on the card,
//! by the holder's PIN or by a photo document that the clerk has seen. The card decides at last (SPEC 9.3).

use card_spec::crypto::{Curve, ct_eq, sha256};
use card_spec::cso::HolderCheckPolicy;
use card_spec::groups::Representatives;
use card_spec::journal::{Refusal, RefusalReason};
use card_spec::payment::{HolderCheckMethod, Recipient};
use card_spec::tlv::{Field as _, Reader};
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::clerk::Flow;
use crate::lists::Entitlements;
use crate::machine::Machine;
use crate::payment::{Customer, refusal};
use crate::tap::{CardFacts, GenuineCard, KnownCard};
use crate::text;

/// Short file identifier of data group 5 (SPEC 5.1).
const FILE: u8 = 0x05;
const TAG: u16 = 0xFF35;
/// Bytes of data group 5: two representatives with the longest names are 539.
pub(crate) const MAXIMUM_REPRESENTATIVES: usize = 544;

const RECIPIENTS: [Recipient; 3] = [
    Recipient::Holder,
    Recipient::FirstRepresentative,
    Recipient::SecondRepresentative,
];

/// Who takes the money, and how that was checked.
#[derive(Clone, Copy)]
pub(crate) struct Taker {
    pub(crate) recipient: Recipient,
    pub(crate) method: HolderCheckMethod,
}

/// What the clerk can choose for a card.
#[derive(Clone, Copy)]
pub(crate) struct Choices {
    /// First and second representative: is there one whose authorization lasts today?
    representatives: [bool; 2],
    pub(crate) pin: bool,
    pub(crate) document: bool,
}

impl Choices {
    pub(crate) fn of(facts: &CardFacts, representatives: [bool; 2]) -> Self {
        Self {
            representatives,
            pin: facts.policy.methods & HolderCheckPolicy::PIN != 0,
            document: allows_documents(facts),
        }
    }

    /// Can anybody but the holder take the money?
    pub(crate) fn has_representative(&self) -> bool {
        self.representatives.contains(&true)
    }

    fn allows(&self, recipient: Recipient) -> bool {
        let [first, second] = self.representatives;
        match recipient {
            Recipient::Holder => true,
            Recipient::FirstRepresentative => first,
            Recipient::SecondRepresentative => second,
        }
    }

    /// The PIN, unless the card's policy has none.
    fn usual_method(&self) -> HolderCheckMethod {
        if self.pin {
            HolderCheckMethod::Pin
        } else {
            HolderCheckMethod::PhotoDocument
        }
    }
}

/// Does the card's policy take a photo document that the clerk has seen (SPEC 4.1)?
pub(crate) fn allows_documents(facts: &CardFacts) -> bool {
    facts.policy.methods & HolderCheckPolicy::PHOTO_DOCUMENT != 0
}

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// Asks the card who may take the money besides its holder.
    pub(crate) fn read_representatives(&mut self, mut card: GenuineCard) {
        match card.read(FILE, 0, self.out.command()) {
            Ok(()) => self.flow = Flow::Representing(card, Zeroizing::new(Vec::new())),
            Err(_) => self.give_up(refusal(RefusalReason::NotGenuine, Some(card.facts()))),
        }
    }

    /// Data group 5 comes in; once it is there, shows who may take the money, and what is due.
    #[inline(never)]
    pub(crate) fn representatives_read(
        &mut self,
        mut card: GenuineCard,
        mut file: Zeroizing<Vec<u8, MAXIMUM_REPRESENTATIVES>>,
        response: Option<&[u8]>,
    ) {
        let facts = *card.facts();
        let Some(response) = response else {
            return self.give_up(refusal(RefusalReason::CardRemoved, Some(&facts)));
        };
        let complete = card.receive_part(response, &mut file);
        if complete == Ok(false) && card.read(FILE, file.len(), self.out.command()).is_ok() {
            self.flow = Flow::Representing(card, file);
            return;
        }
        let genuine = complete == Ok(true) && ct_eq(&sha256(&[&file]), &facts.representatives_digest);
        let group = Representatives::read(&mut Reader::new(&file), TAG);
        let (true, Ok(group), Some(today)) = (genuine, group, self.clock.today()) else {
            return self.give_up(refusal(RefusalReason::NotGenuine, Some(&facts)));
        };
        let mut may_take = [false; 2];
        for ((person, key), may_take) in group.entries.iter().zip(['a', 'b']).zip(&mut may_take) {
            // Its last day included, as on the card (SPEC 9.3).
            *may_take = today <= person.expiry;
            text::representative(&mut self.out, key, person, *may_take);
        }
        self.offer(card.into_known(), may_take, None);
    }

    /// Shows what is due, to the holder if anything is, else to a representative, and asks how the person is checked.
    /// `found`: what the lists have for the holder, where that is known already.
    pub(crate) fn offer(
        &mut self,
        card: KnownCard,
        representatives: [bool; 2],
        mut found: Option<Entitlements>,
    ) {
        let choices = Choices::of(&card.facts, representatives);
        let mut refused: Option<Refusal> = None;
        for recipient in RECIPIENTS {
            if !choices.allows(recipient) {
                continue;
            }
            let taker = Taker {
                recipient,
                method: choices.usual_method(),
            };
            let found = match found.take() {
                Some(found) => Ok(found),
                None => self.found(&card.facts, recipient),
            };
            match found.and_then(|found| self.bill(&card.facts, found)) {
                Ok(bill) => {
                    return self.ask_taker(Customer {
                        card,
                        bill,
                        taker,
                        choices,
                        undoes: None,
                    });
                }
                Err(refusal) => refused = refused.or(Some(refusal)),
            }
        }
        let nothing = refusal(RefusalReason::NotOnList, Some(&card.facts));
        self.give_up(refused.unwrap_or(nothing));
    }

    /// Asks how the person is checked, and shows what the clerk can choose.
    pub(crate) fn ask_taker(&mut self, customer: Customer) {
        if customer.choices.has_representative() {
            text::taker(&mut self.out, customer.taker.recipient);
        }
        text::choices(&mut self.out, &customer.choices);
        self.ask_pin(customer, "");
    }

    /// The clerk chooses another recipient or another check; who gets nothing has no recipient to choose.
    pub(crate) fn choose(&mut self, mut customer: Customer, key: u8) {
        let choices = customer.choices;
        let pays = customer.undoes.is_none();
        let recipient = match key.to_ascii_lowercase() {
            b'h' if pays => Some(Recipient::Holder),
            b'a' if pays => Some(Recipient::FirstRepresentative),
            b'b' if pays => Some(Recipient::SecondRepresentative),
            b'd' if choices.document => {
                customer.taker.method = HolderCheckMethod::PhotoDocument;
                None
            }
            b'p' if choices.pin => {
                customer.taker.method = HolderCheckMethod::Pin;
                None
            }
            // No key of anything: what was typed so far stays.
            _ => return self.flow = Flow::TypingPin(customer),
        };
        text::end_line(&mut self.out);
        let Some(recipient) = recipient else {
            return self.ask_pin(customer, "");
        };
        let allowed = choices.allows(recipient);
        let found = self
            .found(&customer.card.facts, recipient)
            .ok()
            .filter(|_| allowed);
        let bill = found.map(|found| self.bill(&customer.card.facts, found));
        let Some(Ok(bill)) = bill else {
            text::not_to_be_chosen(&mut self.out);
            return self.ask_pin(customer, "");
        };
        customer.bill = bill;
        customer.taker.recipient = recipient;
        self.ask_taker(customer);
    }
}
