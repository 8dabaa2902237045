//! What has to hold in the memory of a card whatever was sent to it (SPEC 9).

use std::collections::HashSet;

use card_spec::command::LifeCycle;
use card_spec::crypto::{Digest, PortableP256, PublicKey, sha256};
use card_spec::list::BlockListHeader;
use card_spec::payment::{LineKey, Order, Receipt, ReceiptKind};
use card_spec::reversal::Reversal;
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::Signed;
use card_spec::tlv::{DataObject, Field as _};
use reference_applet::memory::RING;
use reference_applet::{Memory, Slot};

/// The first members of the applet's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) life_cycle: LifeCycle,
    /// Receipts given.
    pub(crate) counter: u32,
    /// Hash of the newest receipt.
    pub(crate) head: Digest,
}

impl Ledger {
    /// `None` before ACTIVATE.
    pub(crate) fn of(memory: &impl Memory) -> Option<Self> {
        let stored = memory.read(Slot::Ledger);
        if stored.is_empty() {
            return None;
        }
        let mut members = DataObject::parse(stored)
            .and_then(|object| object.members())
            .expect("a record");
        let life_cycle = LifeCycle::read(&mut members, 0x80).expect("the life cycle");
        members.next_object().expect("which content is in force");
        Some(Self {
            life_cycle,
            counter: u32::read(&mut members, 0x82).expect("the counter"),
            head: Digest::read(&mut members, 0x83).expect("the head"),
        })
    }

    /// What a command may make of a ledger.
    pub(crate) fn may_follow(&self, before: &Self) -> bool {
        let grown = self.counter.checked_sub(before.counter);
        let risen = before.life_cycle == LifeCycle::Terminated && self.life_cycle != LifeCycle::Terminated;
        !risen && grown.is_some_and(|grown| grown <= 1 && (grown == 1) == (self.head != before.head))
    }
}

/// The receipts that the card keeps form a chain up to its head, the newest one is signed, each belongs to what it is for,
/// and no line is paid twice.
pub(crate) fn check(memory: &impl Memory, ledger: &Ledger) {
    let (_, signing_key) = public_keys(memory).expect("an active card has keys");
    let kept = u32::from(RING) - 1;
    let mut paid = Paid::default();
    let mut previous = None;
    for counter in ledger.counter.saturating_sub(kept) + 1..=ledger.counter {
        let place = u8::try_from(counter % u32::from(RING)).expect("a place");
        let receipt = Signed::<Receipt>::parse(memory.read(Slot::Receipt(place))).expect("a receipt");
        let body = receipt.claimed();
        assert_eq!(body.counter, counter);
        assert!(
            previous.is_none_or(|hash| hash == body.previous),
            "receipt {counter}: the chain is broken"
        );
        paid.take(body, memory.read(Slot::ReceiptObject(place)));
        previous = Some(receipt.hash());
        if counter == ledger.counter {
            assert!(
                receipt.verify(&PortableP256, &signing_key).is_ok(),
                "receipt {counter}: not signed"
            );
        }
    }
    assert!(
        previous.is_none_or(|hash| hash == ledger.head),
        "the head is not the newest receipt"
    );
}

/// The card's agreement key and signing key, if it has any.
pub(crate) fn public_keys(memory: &impl Memory) -> Option<(PublicKey, PublicKey)> {
    let stored = DataObject::parse(memory.read(Slot::KeyPairs)).ok()?;
    let mut members = stored.members().expect("a record");
    let mut next = || members.next_object().ok().flatten().map(|object| object.value());
    let [_, agreement, _, signing] = [next()?, next()?, next()?, next()?];
    Some((
        PublicKey::from_sec1(agreement).ok()?,
        PublicKey::from_sec1(signing).ok()?,
    ))
}

/// The lines that stand paid.
#[derive(Default)]
struct Paid {
    orders: Vec<(Digest, LineKey)>,
}

impl Paid {
    fn take(&mut self, receipt: &Receipt, object: &[u8]) {
        let hash = match receipt.kind {
            ReceiptKind::Payment => self.pay(object),
            ReceiptKind::Reversal => {
                let reversal = DataObject::parse(object)
                    .and_then(Reversal::parse)
                    .expect("a reversal");
                self.reverse(&reversal.order_hash);
                sha256(&[object])
            }
            ReceiptKind::IssuerScript => {
                let script = Signed::<IssuerScript>::parse(object).expect("a script");
                if let Action::Reverse(order) = script.claimed().action {
                    self.reverse(&order);
                }
                script.hash()
            }
            ReceiptKind::BlockList => Signed::<BlockListHeader>::parse(object).expect("a header").hash(),
        };
        assert_eq!(
            hash, receipt.object_hash,
            "receipt {} is for something else",
            receipt.counter
        );
    }

    fn pay(&mut self, object: &[u8]) -> Digest {
        let order = DataObject::parse(object)
            .and_then(Order::parse)
            .expect("an order");
        let hash = sha256(&[object]);
        self.orders.push((hash, order.line_key));
        let lines: HashSet<_> = self.orders.iter().map(|(_, line)| line).collect();
        assert_eq!(
            lines.len(),
            self.orders.len(),
            "{:?} is paid twice",
            order.line_key
        );
        hash
    }

    fn reverse(&mut self, order: &Digest) {
        self.orders.retain(|(hash, _)| hash != order);
    }
}
