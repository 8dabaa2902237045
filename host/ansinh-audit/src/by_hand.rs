//! Payments by hand to holders whose cards fail (DATA 5.7): two operators vouch for them, and a list has to allow them.

use card_spec::crypto::Verify;
use card_spec::journal::{Entry, ManualPayment};
use card_spec::payment::LineKey;

use crate::finding::{Code, Place};
use crate::journal::Pass;

/// A payment by hand.
#[derive(Debug)]
pub(crate) struct ByHand {
    pub(crate) place: Place,
    /// Sequence number of its entry.
    pub(crate) entry: u32,
    pub(crate) line_key: LineKey,
    /// VND.
    pub(crate) amount: u64,
    /// Does the entry verify, and does a verified list allow it?
    pub(crate) proven: bool,
    /// The clerk said that the money was not handed over: then nothing was paid.
    pub(crate) not_handed: bool,
}

impl<V: Verify> Pass<'_, V> {
    pub(crate) fn paid_by_hand(
        &mut self,
        entry: &Entry<'_>,
        paid: &ManualPayment<'_>,
        genuine: bool,
        place: &Place,
    ) {
        let order = paid.order().order();
        let card = paid.card_number();
        self.check_operator(order.operator.as_str(), place);
        if !self.shifts.are_operators_known() && !self.damage_before {
            let text = "names a second operator, and no list of operators was loaded";
            self.find(Code::ByHandOperators, place, text);
        }
        self.check_others_open(order, place);
        let here = (entry.terminal, entry.sequence, entry.previous);
        if (order.terminal, order.sequence, order.log_head) != here {
            let text = "the order names another terminal, sequence number or log head";
            self.find(Code::OrderPlace, place, text);
        }
        if self.context.cards.by_number(&card).is_none() {
            self.find(
                Code::CardUnknown,
                place,
                format!("card {card} is not among the files"),
            );
        }
        self.check_terminal_certificate(order, place);
        self.check_block_list(order, Some(card), place);
        let list = self.check_list(order, Some(card), place);
        let most = list.map(|list| list.by_hand_up_to);
        let allowed = most.flatten().is_some_and(|most| order.amount <= most);
        if most.is_some() && !allowed {
            let text = format!("{} VND, and its list does not allow that", order.amount.vnd());
            self.find(Code::ByHand, place, text);
        }
        let amount = order.amount.vnd();
        self.unhanded.insert(entry.sequence, amount);
        self.journal.by_hand.push(ByHand {
            place: place.clone(),
            entry: entry.sequence,
            line_key: order.line_key,
            amount,
            proven: genuine && allowed,
            not_handed: false,
        });
    }
}
