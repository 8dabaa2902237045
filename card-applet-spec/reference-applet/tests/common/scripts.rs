//! What happens to an active card besides payments: issuer scripts, reversals, block lists.

use card_spec::certificate::TrustAnchor;
use card_spec::command::{BlockProof, CardStatus, IssuerMessage};
use card_spec::crypto::{SecretKey, sha256};
use card_spec::cso::CardSecurityObject;
use card_spec::list::{BlockEntry, BlockListHeader, BlockReason};
use card_spec::merkle::{RootBuilder, audit_path, leaf_hash};
use card_spec::payment::{HolderCheckMethod, Order, Receipt};
use card_spec::reversal::Reversal;
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::{Body, Signed};
use card_spec::tlv::{Field as _, Reader};
use card_spec::values::CardNumber;
use reference_applet::Slot;
use reference_applet::memory::RING;

use super::issuer::{ISSUER, IssuerHost, Objects, Office, encoded, groups, plan, reference, signed};
use super::terminal::{Decision, Terminal, bytes, receipt};
use super::till::{Till, at};
use super::{Card, Failure, Outcome, SecureHost};

/// A command whose answer comes protected; a bare one is a [`Failure`].
pub fn command(secure: &mut SecureHost, card: &mut Card, header: [u8; 4], data: &[u8]) -> Outcome<Decision> {
    match secure.send(card, header, data)? {
        (status, true, data) => Ok((status.0, data)),
        (status, false, _) => Err(Failure::Refused(status)),
    }
}

pub const EXECUTE: [u8; 4] = [0x80, 0x5A, 0x00, 0x00];
pub const REVERSE: [u8; 4] = [0x80, 0x56, 0x00, 0x00];

/// A script for the card of [`plan`] at this receipt counter.
pub fn script(counter: u32, action: Action) -> IssuerScript {
    IssuerScript {
        suite: Default::default(),
        issuer: reference(ISSUER),
        card_number: plan().number,
        counter,
        action,
        issued: at(2026, 11, 22),
    }
}

/// The script as its issuer signs it.
pub fn from_issuer(script: &IssuerScript) -> Vec<u8> {
    signed(script, &Office::new().issuer)
}

/// Certificate and signed object in one data field.
pub fn with_certificate<'a, B: Body<'a>>(certificate: &'a [u8], object: &'a [u8]) -> Vec<u8> {
    let message = IssuerMessage::<B> {
        certificate: Some(Signed::parse(certificate).unwrap()),
        object: Signed::parse(object).unwrap(),
    };
    let mut buffer = [0; 600];
    message.encode(&mut buffer).unwrap().to_vec()
}

/// A block list of the issuer: header and entries.
pub struct TestBlockList {
    pub header: BlockListHeader,
    entries: Vec<Vec<u8>>,
}

impl TestBlockList {
    pub fn new(number: u32, cards: &[CardNumber]) -> Self {
        let entry = |card_number: &CardNumber| {
            let entry = BlockEntry {
                card_number: *card_number,
                reason: BlockReason::Stolen,
            };
            encoded(&entry, BlockEntry::TAG)
        };
        let entries: Vec<Vec<u8>> = cards.iter().map(entry).collect();
        let mut builder = RootBuilder::new();
        for entry in &entries {
            builder.push(leaf_hash(entry), |_, _, _| {});
        }
        let header = BlockListHeader {
            suite: Default::default(),
            format: Default::default(),
            issuer: reference(ISSUER),
            number,
            count: builder.leaves(),
            root: builder.root(),
            issued: at(2026, 11, 22),
            issuer_sequence: 9,
            issuer_previous: [9; 32],
        };
        Self { header, entries }
    }

    pub fn signed(&self, key: &SecretKey) -> Vec<u8> {
        signed(&self.header, key)
    }

    /// Data of DEACTIVATE with the entry at this index.
    pub fn proof(&self, index: usize) -> Vec<u8> {
        let mut nodes = Vec::new();
        let mut builder = RootBuilder::new();
        for entry in &self.entries {
            builder.push(leaf_hash(entry), |level, index, hash| {
                nodes.push(((level, index), *hash))
            });
        }
        let node = |level, index| {
            let known = nodes.iter().find(|(place, _)| *place == (level, index));
            known.map(|(_, hash)| *hash)
        };
        let path = audit_path(index as u32, self.header.count, node).unwrap();
        let leaf = &self.entries[index];
        let proof = BlockProof {
            entry: BlockEntry::read(&mut Reader::new(leaf), BlockEntry::TAG).unwrap(),
            leaf,
            index: index as u32,
            path: path.iter().copied().collect(),
        };
        let mut buffer = [0; 600];
        proof.encode(&mut buffer).unwrap().to_vec()
    }
}

impl Till {
    /// GET DATA in this session.
    pub fn status(&mut self) -> CardStatus {
        let data = self
            .session
            .secure
            .done(&mut self.card, [0x80, 0xCA, 0xFF, 0x3F], &[])
            .unwrap();
        CardStatus::read(&mut Reader::new(&data), CardStatus::TAG).unwrap()
    }

    pub fn send(&mut self, header: [u8; 4], data: &[u8]) -> Outcome<Decision> {
        command(&mut self.session.secure, &mut self.card, header, data)
    }

    /// A new session with the PIN verified, as [`Till::with`] opens it.
    pub fn open_again(&mut self) {
        self.open_without_pin();
        let orders = self.plan.policy.orders_per_verify;
        let pin = self.plan.pin;
        assert_eq!(
            self.session.verify(&mut self.card, &pin, orders, 900_000_000_000),
            0x9000
        );
    }

    pub fn open_without_pin(&mut self) {
        self.session = Terminal::new(&Office::new()).open(&mut self.card).unwrap();
    }

    /// The command is refused with this status word, protected and without data, and nothing persistent changed.
    pub fn refuses_command(&mut self, status: u16, header: [u8; 4], data: &[u8]) {
        let before = self.card.memory().slots.clone();
        let answer = self.send(header, data);
        if status & 0xFF00 == 0x6300 {
            assert_eq!(answer, Ok((status, Vec::new())));
        } else {
            assert_eq!(answer, Err(Failure::Refused(card_spec::apdu::StatusWord(status))));
        }
        assert!(self.card.memory().slots == before, "a refusal wrote");
    }

    /// The command is carried out again: same answer, nothing changes.
    pub fn repeats(&mut self, header: [u8; 4], data: &[u8], answer: &[u8]) {
        let before = self.card.memory().slots.clone();
        assert_eq!(self.send(header, data), Ok((0x9000, answer.to_vec())));
        assert!(self.card.memory().slots == before, "a repetition wrote");
    }

    /// The command is done; its answer is the next receipt of the card's chain.
    pub fn gives_receipt(&mut self, header: [u8; 4], data: &[u8]) -> (Receipt, Vec<u8>) {
        let before = self.status();
        let (status, object) = self.send(header, data).unwrap();
        assert_eq!(status, 0x9000);
        let (body, hash) = receipt(&self.session.cso, &object);
        assert_eq!(body.counter, before.counter + 1);
        assert_eq!(Some(body.previous), before.head);
        let after = self.status();
        assert_eq!((after.counter, after.head), (body.counter, Some(hash)));
        assert_eq!(body.holder_check.tries_left, after.pin_tries);
        (body, object)
    }

    /// The issuer's script for this action, now.
    pub fn script(&mut self, action: Action) -> Vec<u8> {
        from_issuer(&script(self.status().counter, action))
    }

    pub fn executes(&mut self, action: Action) -> (Receipt, Vec<u8>) {
        let script = self.script(action);
        self.gives_receipt(EXECUTE, &script)
    }

    pub fn refuses_script(&mut self, status: u16, action: Action) {
        let script = self.script(action);
        self.refuses_command(status, EXECUTE, &script);
    }

    /// The reversal of an order.
    pub fn reversal(&self, order: &Order<'_>, nonce: u8) -> Reversal<'static> {
        Reversal {
            terminal: self.session.terminal,
            sequence: 1000 + u32::from(nonce),
            log_head: [7; 32],
            order_hash: order_hash(order),
            cso_hash: self.session.cso_hash,
            method: HolderCheckMethod::Pin,
            operator: card_spec::values::Ascii::new("op-01").unwrap(),
            second_operator: None,
            time: at(2026, 11, 22),
            clock: card_spec::payment::ClockSource::Host,
            nonce: [nonce; 16],
        }
    }

    pub fn refuses_reversal(&mut self, status: u16, reversal: &Reversal<'_>) {
        self.refuses_command(status, REVERSE, &reversal_bytes(reversal));
    }

    pub fn reverses(&mut self, reversal: &Reversal<'_>) -> (Receipt, Vec<u8>) {
        self.gives_receipt(REVERSE, &reversal_bytes(reversal))
    }

    /// STORE DATA of an update, version 2 with this change to its CSO; its CSO hash. The terminal's session is gone.
    pub fn load_update(&mut self, change: impl FnOnce(&mut CardSecurityObject)) -> [u8; 32] {
        let mut host = IssuerHost::open(&mut self.card).unwrap();
        let present = self.session.cso;
        let mut cso = CardSecurityObject {
            version: present.version + 1,
            ..present
        };
        change(&mut cso);
        let office = Office::new();
        let signed_cso = signed(&cso, &office.issuer);
        let objects = Objects {
            anchor: encoded(&office.trust_anchor(), TrustAnchor::TAG),
            issuer: office
                .issuer_plan()
                .sign(&office.root, office.issuer.public_key()),
            cso: signed_cso.clone(),
            groups: groups(&self.plan),
        };
        host.store(&mut self.card, &objects.concatenated(), 223).unwrap();
        Signed::<CardSecurityObject>::parse(&signed_cso).unwrap().hash()
    }

    /// Three wrong PINs: no try is left, and no authorization either.
    pub fn block_pin(&mut self) {
        for _ in 0..self.plan.policy.pin_tries {
            self.session.verify(&mut self.card, b"000000", 1, 1);
        }
        assert_eq!(self.status().pin_tries, 0);
    }

    /// Sets the receipt counter to its end: every place of the ring holds the receipt of the only one given so far.
    pub fn exhaust_counter(&mut self) {
        let slots = &mut self.card.memory_mut().slots;
        for kind in [Slot::Receipt, Slot::ReceiptObject] {
            let first = slots[usize::from(kind(1).index())].clone();
            (0..RING).for_each(|place| slots[usize::from(kind(place).index())].clone_from(&first));
        }
        let ledger = &mut slots[usize::from(Slot::Ledger.index())];
        let counter = [0x82, 4, 0, 0, 0, 1];
        let at = ledger.windows(6).position(|bytes| bytes == counter).unwrap();
        ledger[at + 2..at + 6].fill(0xFF);
    }
}

pub fn order_hash(order: &Order<'_>) -> [u8; 32] {
    sha256(&[&bytes(order)])
}

pub fn reversal_bytes(reversal: &Reversal<'_>) -> Vec<u8> {
    let mut buffer = [0; 256];
    reversal.encode(&mut buffer).unwrap().to_vec()
}
