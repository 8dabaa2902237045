//! What a memory means: all that anybody can read of it or have it do.

#![allow(unreachable_pub, reason = "a module of one test")]

use std::collections::HashSet;
use std::rc::Rc;

use card_spec::command::{CardStatus, LifeCycle};
use card_spec::crypto::sha256;
use card_spec::cso::CardSecurityObject;
use card_spec::list::BlockListHeader;
use card_spec::payment::{Receipt, ReceiptKind};
use card_spec::script::IssuerScript;
use card_spec::signed::Signed;

use crate::bench::{Image, power_on};
use crate::common::issuer::IssuerHost;
use crate::common::scripts::command;
use crate::common::terminal::{Decision, Session, Terminal, present, receipt};
use crate::common::{Card, Outcome, SELECT, plain};

/// What is asked of a card besides GET DATA and READ RECORD. None of it writes.
#[derive(Default)]
pub struct Questions {
    /// Orders that no card executes: above the cap, or without a PIN.
    pub orders: Vec<Vec<u8>>,
    /// Orders above the cap for lines that were paid: whatever the power did, the card pays none of them.
    pub paid: Vec<Vec<u8>>,
    /// Is one of these the PIN?
    pub pins: Vec<[u8; 6]>,
    /// Does the card take this certificate of a terminal CA?
    pub authority: Option<Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Meaning {
    /// GET DATA, but for the tries.
    status: CardStatus,
    pub tries: u8,
    /// Receipts with what they are for, newest first.
    records: Vec<(Vec<u8>, Vec<u8>)>,
    orders: Vec<Outcome<Decision>>,
    pins: Vec<bool>,
    authority: Option<bool>,
}

impl Meaning {
    pub fn is_but_for_tries(&self, other: &Self) -> bool {
        let parts = |meaning: &'_ Self| {
            let Self {
                records,
                orders,
                pins,
                authority,
                ..
            } = meaning;
            (records.clone(), orders.clone(), pins.clone(), *authority)
        };
        self.status == other.status && parts(self) == parts(other)
    }
}

/// Reads memories through sessions that it opened once.
pub struct Examiner {
    issuer: (IssuerHost, Card),
    till: Option<(Session, Card)>,
    /// Receipts whose signature verified.
    verified: HashSet<Vec<u8>>,
    pub cso: Option<CardSecurityObject>,
}

impl Examiner {
    /// With a memory of any card with these SCP03 keys.
    pub fn new(image: &Image) -> Self {
        let mut card = power_on(image);
        Self {
            issuer: (IssuerHost::open(&mut card).unwrap(), card),
            till: None,
            verified: HashSet::new(),
            cso: None,
        }
    }

    /// From now on with the session of a terminal, which `image` takes.
    pub fn open_till(&mut self, image: &Image, terminal: &Terminal) {
        let mut card = power_on(image);
        let session = terminal.open(&mut card).unwrap();
        self.cso = Some(session.cso);
        self.till = Some((session, card));
    }

    pub fn ask(&mut self, image: &Image, questions: &Questions) -> Rc<Meaning> {
        let (host, card) = &mut self.issuer;
        card.memory_mut().slots.clone_from(image);
        let mut status = host.card_status(card).unwrap();
        let tries = std::mem::take(&mut status.pin_tries);
        let activated = !matches!(status.life_cycle, LifeCycle::Blank | LifeCycle::Personalizing);
        let mut meaning = Meaning {
            tries,
            records: Vec::new(),
            orders: Vec::new(),
            pins: Vec::new(),
            authority: questions
                .authority
                .as_ref()
                .map(|certificate| is_known(image, certificate)),
            status,
        };
        if activated {
            self.ask_active(image, questions, &mut meaning);
        }
        Rc::new(meaning)
    }

    fn ask_active(&mut self, image: &Image, questions: &Questions, meaning: &mut Meaning) {
        let (host, card) = &mut self.issuer;
        for number in 1..=meaning.status.counter.min(32) as u8 {
            let mut read = |file| host.secure.done(card, [0x80, 0xB2, number, file], &[]).unwrap();
            meaning.records.push((read(0xDC), read(0xE4)));
        }
        self.chain_holds(meaning);
        let Some((session, card)) = &mut self.till else {
            return;
        };
        card.memory_mut().slots.clone_from(image);
        let writes = card.memory().writes;
        for order in &questions.orders {
            meaning.orders.push(session.disburse_bytes(card, order));
        }
        for order in &questions.paid {
            let answer = session.disburse_bytes(card, order);
            // `6343` is the first answer to a line that was not paid.
            assert!(
                matches!(answer, Ok((0x6340 | 0x6342 | 0x6349 | 0x634C, _))),
                "a paid line is payable again: {answer:04X?}"
            );
        }
        assert_eq!(
            card.memory().writes,
            writes,
            "a question was answered by a payment"
        );
        for pin in &questions.pins {
            let header = [0x80, 0x24, 0x00, 0x81];
            let answer = command(&mut session.secure, card, header, &[*pin, *pin].concat());
            meaning.pins.push(matches!(answer, Ok((0x9000, _))));
            card.memory_mut().slots.clone_from(image);
        }
        card.memory_mut().log.clear();
    }

    /// Every receipt verifies, is for its object, and links to the one before, without a gap (SPEC 9.4, 9.7).
    fn chain_holds(&mut self, meaning: &Meaning) {
        let Some(cso) = self.cso else {
            return assert!(meaning.records.is_empty());
        };
        let mut expected = (meaning.status.counter, meaning.status.head);
        for (stored, object) in &meaning.records {
            let (body, hash) = self.verified(&cso, stored);
            assert_eq!((body.counter, Some(hash)), expected, "the chain is broken");
            assert_eq!(body.object_hash, object_hash(body.kind, object));
            expected = (body.counter - 1, Some(body.previous));
        }
    }

    fn verified(&mut self, cso: &CardSecurityObject, stored: &[u8]) -> (Receipt, [u8; 32]) {
        if !self.verified.contains(stored) {
            receipt(cso, stored);
            self.verified.insert(stored.to_vec());
        }
        let signed = Signed::<Receipt>::parse(stored).unwrap();
        (*signed.claimed(), signed.hash())
    }
}

/// Object `84` of a receipt (SPEC 9.4).
fn object_hash(kind: ReceiptKind, object: &[u8]) -> [u8; 32] {
    match kind {
        ReceiptKind::Payment | ReceiptKind::Reversal => sha256(&[object]),
        ReceiptKind::IssuerScript => Signed::<IssuerScript>::parse(object).unwrap().hash(),
        ReceiptKind::BlockList => Signed::<BlockListHeader>::parse(object).unwrap().hash(),
    }
}

/// Is the root of this certificate one of the card's trust anchors?
fn is_known(image: &Image, certificate: &[u8]) -> bool {
    let mut card = power_on(image);
    plain(&mut card, &SELECT).unwrap();
    present(&mut card, 0x90, certificate).is_ok()
}
