//! What the entries of a terminal's journal say together: which orders are open, what is to be handed over.

use card_spec::crypto::Digest;
use card_spec::journal::{EncodedOrder, Entry, Event, MAXIMUM_OPEN_INTENTS, NO_CARD};
use card_spec::payment::{ClockSource, LineKey, Order};
use card_spec::values::{Amount, Time};
use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::summary;
use crate::totals::Totals;

/// Payments whose hand-over can be outstanding: those of one tap.
pub(crate) const MAXIMUM_UNHANDED: usize = 8;

/// An order that is in flash and whose outcome is not (DATA 5.3).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct OpenIntent {
    /// Sequence number of the Intent entry.
    pub(crate) sequence: u32,
    /// The newest entry that holds the order: the Intent, or the last StillOpen.
    pub(crate) entry: u32,
    pub(crate) order_hash: Digest,
}

/// The order of an open Intent.
#[derive(Clone, Debug)]
pub(crate) struct OpenOrder {
    encoding: Vec<u8, { Order::MAXIMUM_LENGTH }>,
}

impl OpenOrder {
    /// An order as the card gets it.
    pub(crate) fn new(order: &EncodedOrder<'_>) -> Option<Self> {
        let encoding = Vec::from_slice(order.encoding()).ok()?;
        Some(Self { encoding })
    }

    /// The order as the card gets it.
    pub(crate) fn encoding(&self) -> &[u8] {
        &self.encoding
    }

    /// The order; `None` never happens, for it was read before it was kept.
    pub(crate) fn order(&self) -> Option<EncodedOrder<'_>> {
        EncodedOrder::parse(&self.encoding).ok()
    }
}

/// Payments whose money was not handed over and that may wait for their cards (DATA 5.5).
pub(crate) const MAXIMUM_UNREVERSED: usize = 4;

/// A payment whose money was not handed over, and which its card may still undo here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unreversed {
    /// Sequence number of the Intent entry.
    pub(crate) intent: u32,
    /// The newest entry that holds the order.
    pub(crate) entry: u32,
    /// The newest entry that holds the reversal which the card may have got.
    pub(crate) announced: Option<u32>,
}

/// What an entry settles.
pub(crate) enum Settled {
    Nothing,
    /// An open order is paid.
    Paid(OpenIntent),
    /// A payment is undone.
    Reversed(Unreversed),
    /// A line is paid by hand.
    PaidByHand(PaidLine),
    /// The money of the payment by hand in the entry of this number was not handed over.
    NotHandedByHand(u32),
}

/// A payment in flash whose money the clerk has not confirmed to have handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unhanded {
    /// Sequence number of the Intent entry.
    pub(crate) intent: u32,
    #[serde(with = "summary::amount")]
    pub(crate) amount: Amount,
    /// The entry that holds the order.
    pub(crate) entry: u32,
    /// No card knows of it.
    pub(crate) by_hand: bool,
}

/// A line that a Paid or Reversed entry settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PaidLine {
    pub(crate) list_root: Digest,
    pub(crate) number: u32,
    pub(crate) key: LineKey,
    /// Sequence number of the Intent; 0 if it was paid elsewhere.
    pub(crate) intent: u32,
    /// No card knows of it.
    pub(crate) by_hand: bool,
}

impl PaidLine {
    pub(crate) fn of(order: &Order<'_>) -> Self {
        Self {
            list_root: order.list_root,
            number: order.line_number,
            key: order.line_key,
            intent: order.sequence,
            by_hand: order.cso_hash == NO_CARD,
        }
    }
}

/// What the entries so far say together. The journal keeps it at the beginning of each block (`summary`).
#[derive(Serialize, Deserialize)]
pub(crate) struct Standing {
    #[serde(skip)]
    pub(crate) tail: Option<(u32, Digest)>,
    pub(crate) boot_count: u32,
    /// Of the entries whose time a host had set.
    #[serde(with = "summary::time")]
    pub(crate) newest: Time,
    /// Of all entries.
    #[serde(with = "summary::time")]
    pub(crate) newest_stated: Time,
    pub(crate) open: Vec<OpenIntent, MAXIMUM_OPEN_INTENTS>,
    /// The entries tell of more open orders than there can be.
    pub(crate) overfull: bool,
    pub(crate) unhanded: Vec<Unhanded, MAXIMUM_UNHANDED>,
    pub(crate) unreversed: Vec<Unreversed, MAXIMUM_UNREVERSED>,
    /// The newest entry of a payment, by card or by hand, that no host has acknowledged; 0 for none.
    pub(crate) unsynced_payment: u32,
    /// Wrong PINs and cards of operators since a shift was opened last, as far as entries tell.
    pub(crate) failed_proofs: u32,
    pub(crate) totals: Totals,
}

impl Standing {
    pub(crate) fn new() -> Self {
        Self {
            tail: None,
            boot_count: 0,
            newest: Time::UNSET,
            newest_stated: Time::UNSET,
            open: Vec::new(),
            overfull: false,
            unhanded: Vec::new(),
            unreversed: Vec::new(),
            unsynced_payment: 0,
            failed_proofs: 0,
            totals: Totals::default(),
        }
    }

    /// Takes the next entry into account; names what it settles.
    pub(crate) fn observe(&mut self, entry: &Entry<'_>) -> Settled {
        self.boot_count = entry.boot_count;
        self.newest_stated = self.newest_stated.max(entry.time);
        // What an operator states never keeps a host's time out.
        if entry.clock == ClockSource::Host {
            self.newest = self.newest.max(entry.time);
        }
        if matches!(entry.event, Event::Paid(_) | Event::ManualPaid(_)) {
            self.unsynced_payment = entry.sequence;
        }
        match &entry.event {
            Event::Intent(order) | Event::StillOpen(order) => {
                self.opened(entry.sequence, order);
            }
            Event::Paid(receipt) => {
                let paid = receipt.signed().claimed().object_hash;
                if let Some(open) = self.close(|open| open.order_hash == paid) {
                    return Settled::Paid(open);
                }
            }
            Event::ManualPaid(paid) => {
                let order = paid.order().order();
                self.totals.paid_by_hand(order.amount);
                self.hand_over(Unhanded {
                    intent: entry.sequence,
                    amount: order.amount,
                    entry: entry.sequence,
                    by_hand: true,
                });
                return Settled::PaidByHand(PaidLine::of(order));
            }
            Event::NotHanded { intent, order } => {
                return self.not_handed(entry.sequence, *intent, order.is_some());
            }
            Event::ReverseIntent { intent, .. } => {
                if let Some(waiting) = self.waiting(*intent) {
                    waiting.announced = Some(entry.sequence);
                }
            }
            Event::Reversed { intent, .. } => {
                if let Some(waiting) = self.leave(*intent) {
                    return Settled::Reversed(waiting);
                }
            }
            Event::Refused(refusal) => {
                self.totals.refused();
                self.close(|open| refusal.closes_intent == Some(open.sequence));
                if let Some(intent) = refusal.closes_intent {
                    self.leave(intent);
                }
            }
            Event::Handed { intent } => {
                let is_meant = |payment: &Unhanded| payment.intent == *intent;
                if let Some(place) = self.unhanded.iter().position(is_meant) {
                    self.totals.handed(self.unhanded.remove(place).amount);
                }
            }
            Event::Synced { sequence, .. } => self.synced(*sequence),
            Event::OperatorRefused { attempts, .. } => {
                self.failed_proofs = *attempts;
            }
            Event::ShiftOpened { operator } => {
                self.failed_proofs = 0;
                self.totals.shift_opened(operator.as_str());
            }
            Event::ShiftClosed { end, .. } => {
                self.totals.shift_closed(*end);
            }
            Event::CashReceived { amount, .. } => {
                self.totals.cash.receive(*amount);
            }
            Event::CashCounted { .. } => {
                self.totals.cash.count();
            }
            _ => {}
        }
        Settled::Nothing
    }

    /// A host has acknowledged the entries up to this one.
    pub(crate) fn synced(&mut self, sequence: u32) {
        if self.unsynced_payment <= sequence {
            self.unsynced_payment = 0;
        }
    }

    /// Only the newest payment of a card can be undone (SPEC 9.8): the last of a tap. The others stand. `again`: with its order.
    fn not_handed(&mut self, entry: u32, intent: u32, again: bool) -> Settled {
        if again {
            match self.waiting(intent) {
                Some(waiting) => waiting.entry = entry,
                None => self.wait(intent, entry),
            }
            return Settled::Nothing;
        }
        let is_meant = |payment: &Unhanded| payment.intent == intent;
        let Some(place) = self.unhanded.iter().position(is_meant) else {
            return Settled::Nothing;
        };
        let payment = self.unhanded.remove(place);
        if payment.by_hand {
            return Settled::NotHandedByHand(payment.entry);
        }
        if self.unhanded.is_empty() {
            self.wait(intent, payment.entry);
        }
        Settled::Nothing
    }

    fn wait(&mut self, intent: u32, entry: u32) {
        if self.unreversed.is_full() {
            self.unreversed.remove(0);
        }
        // There is room now.
        let _ = self.unreversed.push(Unreversed {
            intent,
            entry,
            announced: None,
        });
    }

    fn waiting(&mut self, intent: u32) -> Option<&mut Unreversed> {
        self.unreversed
            .iter_mut()
            .find(|waiting| waiting.intent == intent)
    }

    /// The flash has lost the reversal that the card may have got.
    pub(crate) fn forget_reversal(&mut self, intent: u32) {
        if let Some(waiting) = self.waiting(intent) {
            waiting.announced = None;
        }
    }

    /// The payment is undone, or never will be here.
    fn leave(&mut self, intent: u32) -> Option<Unreversed> {
        let place = self
            .unreversed
            .iter()
            .position(|waiting| waiting.intent == intent)?;
        Some(self.unreversed.remove(place))
    }

    fn opened(&mut self, entry: u32, order: &EncodedOrder<'_>) {
        let open = OpenIntent {
            sequence: order.order().sequence,
            entry,
            order_hash: order.hash(),
        };
        let known = self
            .open
            .iter_mut()
            .find(|known| known.order_hash == open.order_hash);
        match known {
            Some(known) => *known = open,
            None => self.overfull |= self.open.push(open).is_err(),
        }
    }

    fn close(&mut self, is_meant: impl Fn(&OpenIntent) -> bool) -> Option<OpenIntent> {
        let place = self.open.iter().position(is_meant)?;
        Some(self.open.remove(place))
    }

    /// An order that was open is paid: its money is to be handed over.
    pub(crate) fn paid(&mut self, open: &OpenIntent, order: &Order<'_>) -> PaidLine {
        self.totals.paid(order.amount);
        self.hand_over(Unhanded {
            intent: open.sequence,
            amount: order.amount,
            entry: open.entry,
            by_hand: false,
        });
        PaidLine::of(order)
    }

    fn hand_over(&mut self, payment: Unhanded) {
        if self.unhanded.is_full() {
            self.unhanded.remove(0);
        }
        // There is room now.
        let _ = self.unhanded.push(payment);
    }
}
