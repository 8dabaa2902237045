//! What cards have told terminals of other terminals' payments and reversals (DATA 5.6): proven like a payment of the journal
//! itself, a witness for how far the other terminal's journal reached, and all that is left of one that is gone.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use card_spec::crypto::{Digest, Verify};
use card_spec::journal::{CarriedReceipt, EncodedReversal};
use card_spec::payment::{Order, Receipt, ReceiptKind};
use card_spec::values::{CardNumber, TerminalName};

use crate::acknowledgements::check_reach;
use crate::finding::{Code, Findings, Place};
use crate::journal::{Journal, Pass, Payment};
use crate::orders::repeats;
use crate::trust::read;

/// What the lists say of an order of another terminal.
#[derive(Clone, Copy, Default)]
struct Listing {
    /// The issuer listed the line for that terminal and this card.
    is_listed: bool,
    /// And list, day and card are in order.
    is_proven: bool,
}

/// A receipt of another terminal's doing, which its card has signed.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    place: Place,
    /// The terminal whose doing it was, and the number of its entry.
    terminal: TerminalName,
    sequence: u32,
    /// `None` for a reversal.
    pub(crate) payment: Option<Payment>,
    /// Does its order repeat a line of its card that the issuer listed for that terminal?
    is_listed: bool,
    /// Hash of the order that a reversal undoes, and its card.
    undoes: Option<(Digest, CardNumber)>,
}

impl<V: Verify> Pass<'_, V> {
    pub(crate) fn carried_receipt(&mut self, carried: &CarriedReceipt<'_>, genuine: bool, place: &Place) {
        let Some(source) = carried.source() else {
            return;
        };
        if source.terminal == self.terminal {
            let text = "the receipt is of this terminal's own payment or reversal";
            return self.find(Code::CarriedReceipt, place, text);
        }
        let receipt = carried.receipt();
        if !self.check_witness(&receipt, place) {
            return;
        }
        let signed = receipt.signed();
        let mut listing = Listing::default();
        let payment = carried.order().map(|order| {
            listing = self.check_other_list(order.order(), &signed.claimed().card_number, place);
            self.answered(&order, &signed, genuine && listing.is_proven, place)
        });
        if payment.is_none() {
            let link = (place.clone(), *signed.claimed(), signed.hash());
            self.journal.stray_receipts.push(link);
        }
        self.journal.carried.push(Carried {
            place: place.clone(),
            terminal: source.terminal,
            sequence: source.sequence,
            payment,
            is_listed: listing.is_listed,
            undoes: carried
                .reversal()
                .map(|reversal| (reversal.reversal().order_hash, signed.claimed().card_number)),
        });
    }

    /// The order repeats a line that the issuer listed for the terminal that it names, on a day of list and terminal. What was in force
    /// there its own journal tells. `signer` is the card that has signed.
    fn check_other_list(&mut self, order: &Order<'_>, signer: &CardNumber, place: &Place) -> Listing {
        let card = self.context.cards.by_cso(&order.cso_hash);
        let mut lists = self.context.issued.lists_by_root(&order.list_root);
        let Some((_, list)) = lists.find(|(_, list)| list.terminal == order.terminal) else {
            let text = format!("no list among the files is the order's, for {}", order.terminal);
            self.find(Code::OrderList, place, text);
            return Listing::default();
        };
        let line = list.line(order.line_number);
        let matches = line.is_some_and(|line| repeats(order, line, card.map(|card| card.number)));
        if !matches {
            let text = format!("the order is not for line {} of its list", order.line_number);
            self.find(Code::OrderLine, place, text);
        }
        let key = self.context.trust.journal_key(&order.terminal);
        let in_time = order.time.date().is_some_and(|date| {
            let certified = key.is_some_and(|key| key.valid_on(date));
            certified && list.effective <= date && date <= list.expiry
        });
        if !in_time {
            let text = format!(
                "{} is outside the days of list or certificate of {}",
                order.time, order.terminal
            );
            self.find(Code::OrderDate, place, text);
        }
        // Whoever has the key of a card can have it sign orders for other cards' lines.
        let is_listed = list.proven && matches && line.is_some_and(|line| line.card_number == *signer);
        Listing {
            is_listed,
            is_proven: is_listed && in_time && card.is_some_and(|card| card.proven),
        }
    }
}

/// Orders that cards tell undone, each with the card.
pub(crate) type Undone = HashSet<(Digest, CardNumber)>;

/// What cards have told terminals of their reversals.
pub(crate) fn undone(journals: &BTreeMap<TerminalName, Journal>) -> Undone {
    let carried = journals.values().flat_map(|journal| &journal.carried);
    carried.filter_map(|carried| carried.undoes).collect()
}

/// The order and card of the reversal in the file beside a receipt that its card has signed; `None` if it is another one.
pub(crate) fn read_undone(
    path: &Path,
    receipt: &Receipt,
    findings: &mut Findings,
) -> Option<(Digest, CardNumber)> {
    let place = Place::file(path);
    let bytes = read(path, &place, findings)?;
    let Ok(encoded) = EncodedReversal::parse(&bytes) else {
        findings.add(Code::Encoding, &place, "not a reversal");
        return None;
    };
    if receipt.kind != ReceiptKind::Reversal || receipt.object_hash != encoded.hash() {
        findings.add(
            Code::ReversalOfReceipt,
            &place,
            "not the reversal that its card's receipt is for",
        );
        return None;
    }
    Some((encoded.reversal().order_hash, receipt.card_number))
}

/// What a card tells undone is undone where its terminal's journal tells that the money was not handed over (DATA 5.6).
pub(crate) fn settle(journals: &mut BTreeMap<TerminalName, Journal>, undone: &Undone) {
    for journal in journals.values_mut() {
        let Journal {
            payments, not_handed, ..
        } = journal;
        let told = payments.iter_mut().filter(|payment| !payment.reversed);
        for payment in told.filter(|payment| undone.contains(&meant(payment))) {
            if let Some(place) = not_handed.iter().position(|intent| *intent == payment.intent) {
                not_handed.remove(place);
                payment.reversed = true;
            }
        }
    }
}

/// Compares with the journals of the terminals that they are of. Gives the payments of listed lines that no journal at hand shows, each
/// once. A card's word is about its own payment of an order, whatever other cards say of the same order.
pub(crate) fn check<'j>(
    journals: &'j BTreeMap<TerminalName, Journal>,
    undone: &Undone,
    findings: &mut Findings,
) -> Vec<&'j Payment> {
    let known: HashSet<_> = journals
        .values()
        .flat_map(|journal| &journal.payments)
        .map(meant)
        .collect();
    let mut reach: BTreeMap<TerminalName, (u32, &Place)> = BTreeMap::new();
    let carried = || journals.values().flat_map(|journal| &journal.carried);
    let mut told = HashSet::new();
    let mut lost = Vec::new();
    for carried in carried() {
        let highest = reach
            .entry(carried.terminal)
            .or_insert((carried.sequence, &carried.place));
        if highest.0 < carried.sequence {
            *highest = (carried.sequence, &carried.place);
        }
        let Some(payment) = &carried.payment else {
            continue;
        };
        if known.contains(&meant(payment)) || !told.insert(meant(payment)) {
            continue;
        }
        let text = format!(
            "card {} paid {} VND at {}, intent {}, which no journal at hand shows",
            payment.card, payment.amount, carried.terminal, payment.intent
        );
        findings.add(Code::ReceiptUnpaid, &carried.place, text);
        // Its card has undone it since: its line is not paid by it.
        if carried.is_listed && !undone.contains(&meant(payment)) {
            lost.push(payment);
        }
    }
    // The proven missing range ends at the highest number that any card has told of.
    for (terminal, (sequence, place)) in reach {
        check_reach(journals, &terminal, sequence, place, findings);
    }
    lost
}

fn meant(payment: &Payment) -> (Digest, CardNumber) {
    (payment.order_hash, payment.card)
}
