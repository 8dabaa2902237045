//! A terminal whose journal the tests write by hand, and what cards sign for it.

use core::fmt::Display;

use ansinh_payout::{IssuerKey, ListTerms, TerminalAuthority, certify_terminal, make_payment_list};
use ansinh_store::Store;
use ansinh_store::block_lists::BlockList;
use ansinh_store::lists::{Others, PaymentList};
use ansinh_store::operators::Actor;
use card_spec::certificate::{CertificateKey, Reference, Request};
use card_spec::crypto::{Digest, SecretKey, Sign, sha256};
use card_spec::journal::{EncodedOrder, EncodedReceipt, EncodedReversal, Entry, Event, genesis};
use card_spec::list::{BlockListHeader, ListHeader, ListLine};
use card_spec::payment::{
    ClockSource, HolderCheckMethod, HolderCheckOutcome, Operator, Order, Receipt, ReceiptKind, Recipient,
};
use card_spec::reversal::Reversal;
use card_spec::signed::Signed;
use card_spec::tlv::{Field as _, Reader};
use card_spec::values::{Constant, Period, Suite, TerminalName, Time};

use super::{Card, days_from_now, key, signed, today};

/// A terminal as the tests need it: able to write its journal, and to lie in it.
pub(crate) struct Till {
    pub(crate) name: TerminalName,
    pub(crate) journal: SecretKey,
    agreement: SecretKey,
    pub(crate) sequence: u32,
    pub(crate) head: Digest,
}

impl Till {
    pub(crate) fn new(number: u8) -> Self {
        let journal = key(40 + number);
        Self {
            name: format!("VNT{number:07}").parse().unwrap(),
            head: genesis(&journal.public_key()),
            journal,
            agreement: key(30 + number),
            sequence: 0,
        }
    }

    /// The requests for both certificates: agreement, journal.
    pub(crate) fn requests(&self) -> [Vec<u8>; 2] {
        [('A', &self.agreement), ('J', &self.journal)].map(|(purpose, key)| {
            let body = Request {
                profile: Constant,
                public_key: CertificateKey {
                    key: key.public_key(),
                    with_domain_parameters: false,
                },
                holder: Reference::new(&format!("{}{purpose}00001", self.name)).unwrap(),
            };
            signed(&body, key)
        })
    }

    pub(crate) fn register<S: Sign<Error: Display>>(
        &self,
        store: &Store,
        actor: &Actor,
        authority: &TerminalAuthority<'_, S>,
    ) {
        let [agreement, journal] = self.requests();
        let dates = (today(), days_from_now(34));
        certify_terminal(store, actor, authority, self.name, (&agreement, &journal), dates).unwrap();
    }

    pub(crate) fn list<S: Sign<Error: Display>>(
        &self,
        store: &Store,
        actor: &Actor,
        issuer: &IssuerKey<'_, S>,
    ) -> PaymentList {
        make_payment_list(store, actor, issuer, &self.terms())
            .unwrap()
            .list
    }

    pub(crate) fn terms(&self) -> ListTerms {
        ListTerms {
            by_hand_up_to: None,
            terminal: self.name,
            pay_point: "BD-26734".to_owned(),
            period: Period::new(2026, 11).unwrap(),
            effective: today(),
            expiry: days_from_now(30),
            others: Others::End,
            only_this_pay_point: false,
        }
    }

    /// Both lists come into force.
    pub(crate) fn load(&mut self, list: &PaymentList, block_list: &BlockList) -> [Vec<u8>; 2] {
        let header = Signed::<ListHeader<'_>>::parse(&list.header).unwrap().hash();
        let blocks = Signed::<BlockListHeader>::parse(&block_list.header)
            .unwrap()
            .hash();
        let (number, block_number) = (list.number, block_list.number);
        [
            self.entry(Event::ListLoaded { header, number }),
            self.entry(Event::BlockListLoaded {
                header: blocks,
                number: block_number,
            }),
        ]
    }

    /// The next entry.
    pub(crate) fn entry(&mut self, event: Event<'_>) -> Vec<u8> {
        let body = Entry {
            terminal: self.name,
            sequence: self.sequence + 1,
            boot_count: 1,
            time: time(),
            clock: ClockSource::Host,
            previous: self.head,
            event,
        };
        let entry = signed(&body, &self.journal);
        self.sequence += 1;
        self.head = Signed::<Entry<'_>>::parse(&entry).unwrap().hash();
        entry
    }

    pub(crate) fn boot(&mut self) -> Vec<u8> {
        self.entry(Event::Boot {
            firmware: [9; 32],
            flags: 0x80,
        })
    }

    /// The shift of whoever its orders name.
    pub(crate) fn open_shift(&mut self) -> Vec<u8> {
        let operator = Operator::new("lan").unwrap();
        self.entry(Event::ShiftOpened { operator })
    }

    /// Intent and Paid for a line of a list.
    pub(crate) fn pay(&mut self, list: &PaymentList, line: usize, card: &Card, counter: u32) -> [Vec<u8>; 2] {
        let order = self.order(list, line, card);
        let intent = self.intent(&order);
        let receipt = receipt(&order, card, counter, &card.signing);
        [intent, self.paid(&receipt)]
    }

    pub(crate) fn order(&self, list: &PaymentList, line: usize, card: &Card) -> Order<'static> {
        let header = Signed::<ListHeader<'_>>::parse(&list.header).unwrap();
        let line = ListLine::read(&mut Reader::new(&list.lines[line]), ListLine::TAG).unwrap();
        Order {
            terminal: self.name,
            sequence: self.sequence + 1,
            log_head: self.head,
            list_root: header.claimed().root,
            cso_hash: card.cso_hash,
            line_number: line.number,
            line_key: line.line_key,
            amount: line.amount,
            recipient: Recipient::Holder,
            method: HolderCheckMethod::Pin,
            operator: Operator::new("lan").unwrap(),
            second_operator: None,
            time: time(),
            clock: ClockSource::Host,
            nonce: [8; 16],
        }
    }

    pub(crate) fn intent(&mut self, order: &Order<'_>) -> Vec<u8> {
        let encoding = encode(order);
        self.entry(Event::Intent(EncodedOrder::parse(&encoding).unwrap()))
    }

    /// What would undo an order, if it were announced by the next entry.
    pub(crate) fn reversal<'a>(&self, order: &Order<'a>) -> Reversal<'a> {
        Reversal {
            terminal: self.name,
            sequence: self.sequence + 1,
            log_head: self.head,
            order_hash: sha256(&[&encode(order)]),
            cso_hash: order.cso_hash,
            method: order.method,
            operator: order.operator,
            second_operator: None,
            time: order.time,
            clock: order.clock,
            nonce: [6; 16],
        }
    }

    /// ReverseIntent, and the reversal as a card gets it.
    pub(crate) fn announce(&mut self, order: &Order<'_>, reversal: &Reversal<'_>) -> (Vec<u8>, Vec<u8>) {
        let encoding = encode_reversal(reversal);
        let entry = self.entry(Event::ReverseIntent {
            intent: order.sequence,
            reversal: EncodedReversal::parse(&encoding).unwrap(),
        });
        (entry, encoding)
    }

    pub(crate) fn paid(&mut self, receipt: &[u8]) -> Vec<u8> {
        self.entry(Event::Paid(EncodedReceipt::parse(receipt).unwrap()))
    }
}

pub(crate) fn encode(order: &Order<'_>) -> Vec<u8> {
    order.encode(&mut [0; Order::MAXIMUM_LENGTH]).unwrap().to_vec()
}

pub(crate) fn encode_reversal(reversal: &Reversal<'_>) -> Vec<u8> {
    reversal
        .encode(&mut [0; Reversal::MAXIMUM_LENGTH])
        .unwrap()
        .to_vec()
}

/// A card's receipt for a reversal of an order that it was paid by its first receipt.
pub(crate) fn reversal_receipt(order: &Order<'_>, card: &Card, reversal: &[u8]) -> Receipt {
    Receipt {
        counter: 2,
        object_hash: sha256(&[reversal]),
        kind: ReceiptKind::Reversal,
        ..receipt_body(order, card, 1)
    }
}

/// A receipt for an order, under whatever key.
pub(crate) fn receipt(order: &Order<'_>, card: &Card, counter: u32, signer: &SecretKey) -> Vec<u8> {
    signed(&receipt_body(order, card, counter), signer)
}

pub(crate) fn receipt_body(order: &Order<'_>, card: &Card, counter: u32) -> Receipt {
    Receipt {
        suite: Suite::default(),
        card_number: card.number,
        cso_version: 1,
        counter,
        previous: card.cso_hash,
        object_hash: sha256(&[&encode(order)]),
        holder_check: HolderCheckOutcome {
            pin_verified: order.method == HolderCheckMethod::Pin,
            tries_left: 3,
        },
        kind: ReceiptKind::Payment,
    }
}

pub(crate) fn time() -> Time {
    Time::new(today(), 0, 0, 0).unwrap()
}
