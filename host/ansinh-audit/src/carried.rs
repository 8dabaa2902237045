//! What cards have told terminals of other terminals' payments and reversals (DATA 5.6): proven like a payment of the journal
//! itself, a witness for how far the other terminal's journal reached, and all that is left of one that is gone.

use std::collections::{BTreeMap, HashSet};

use card_spec::crypto::{Digest, Verify};
use card_spec::journal::CarriedReceipt;
use card_spec::payment::Order;
use card_spec::values::{CardNumber, TerminalName};

use crate::acknowledgements::check_reach;
use crate::finding::{Code, Findings, Place};
use crate::journal::{Journal, Pass, Payment};
use crate::orders::repeats;

/// A receipt of another terminal's doing, which its card has signed.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    place: Place,
    /// The terminal whose doing it was, and the number of its entry.
    terminal: TerminalName,
    sequence: u32,
    /// `None` for a reversal.
    pub(crate) payment: Option<Payment>,
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
        let payment = carried.order().map(|order| {
            let listed = self.check_other_list(order.order(), place);
            self.answered(&order, &signed, genuine && listed, place)
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
            undoes: carried
                .reversal()
                .map(|reversal| (reversal.reversal().order_hash, signed.claimed().card_number)),
        });
    }

    /// The order repeats a line that the issuer listed for the terminal that it names, on a day of list and terminal; false if that is
    /// not proven. What was in force there its own journal tells.
    fn check_other_list(&mut self, order: &Order<'_>, place: &Place) -> bool {
        let card = self.context.cards.by_cso(&order.cso_hash);
        let mut lists = self.context.issued.lists_by_root(&order.list_root);
        let Some((_, list)) = lists.find(|(_, list)| list.terminal == order.terminal) else {
            let text = format!("no list among the files is the order's, for {}", order.terminal);
            self.find(Code::OrderList, place, text);
            return false;
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
        list.proven && matches && in_time && card.is_some_and(|card| card.proven)
    }
}

/// Compares with the journals of the terminals that they are of. Gives the payments that no journal at hand shows, each once.
pub(crate) fn check<'j>(
    journals: &'j BTreeMap<TerminalName, Journal>,
    findings: &mut Findings,
) -> Vec<&'j Payment> {
    let known: HashSet<_> = journals
        .values()
        .flat_map(|journal| &journal.payments)
        .map(|payment| payment.order_hash)
        .collect();
    let mut reach: BTreeMap<TerminalName, (u32, &Place)> = BTreeMap::new();
    let carried = || journals.values().flat_map(|journal| &journal.carried);
    let undone: HashSet<_> = carried().filter_map(|carried| carried.undoes).collect();
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
        if known.contains(&payment.order_hash) || !told.insert(payment.order_hash) {
            continue;
        }
        let text = format!(
            "card {} paid {} VND at {}, intent {}, which no journal at hand shows",
            payment.card, payment.amount, carried.terminal, payment.intent
        );
        findings.add(Code::ReceiptUnpaid, &carried.place, text);
        // Its card has undone it since: its line is not paid by it.
        if !undone.contains(&(payment.order_hash, payment.card)) {
            lost.push(payment);
        }
    }
    // The proven missing range ends at the highest number that any card has told of.
    for (terminal, (sequence, place)) in reach {
        check_reach(journals, &terminal, sequence, place, findings);
    }
    lost
}
