//! What a shift has paid, handed over and refused, and what the list still has: on the clerk's screen at the end of the day.
//!
//! The counts are part of what the journal's entries say together, so no power cut loses them.

use card_spec::crypto::Curve;
use card_spec::journal::ShiftEnd;
use card_spec::list::ListLine;
use card_spec::values::Amount;
use embedded_storage::nor_flash::NorFlash;
use heapless::String;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::cash::Cash;
use crate::clerk::{ESCAPE, Flow, PATIENCE};
use crate::flash::FlashError;
use crate::lists::{LinePlace, MAXIMUM_LISTS};
use crate::log::Log;
use crate::machine::Machine;
use crate::payment_list::PaymentList;
use crate::shift_text;

/// Unpaid lines on one page.
const PAGE: usize = 5;

/// Payments and their sum in VND.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) number: u32,
    vnd: u64,
}

impl Sum {
    fn add(&mut self, amount: Amount) {
        self.number = self.number.saturating_add(1);
        self.vnd = self.vnd.saturating_add(amount.vnd());
    }

    /// The sum; the most that an amount can be if it is more.
    pub(crate) fn amount(self) -> Amount {
        Amount::new(self.vnd).unwrap_or(Amount::MAXIMUM)
    }
}

/// Of one operator's shift. After a power cut, or an end for idleness, the same operator's next shift goes on with it.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Totals {
    operator: String<20>,
    is_closed: bool,
    pub(crate) paid: Sum,
    pub(crate) by_hand: Sum,
    pub(crate) handed: Sum,
    pub(crate) refused: u32,
    pub(crate) cash: Cash,
}

impl Totals {
    pub(crate) fn shift_opened(&mut self, operator: &str) {
        if self.is_closed || self.operator != operator {
            *self = Self {
                operator: String::try_from(operator).unwrap_or_default(),
                ..Self::default()
            };
        }
    }

    /// One that nobody has closed goes on when the same operator comes back: the cash is still in the drawer.
    pub(crate) fn shift_closed(&mut self, end: ShiftEnd) {
        self.is_closed = end == ShiftEnd::Closed;
    }

    pub(crate) fn paid(&mut self, amount: Amount) {
        self.paid.add(amount);
    }

    pub(crate) fn paid_by_hand(&mut self, amount: Amount) {
        self.by_hand.add(amount);
    }

    pub(crate) fn handed(&mut self, amount: Amount) {
        self.handed.add(amount);
        self.cash.hand(amount);
    }

    pub(crate) fn refused(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }
}

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// Shows what the shift has done, and what is left of the list.
    pub(crate) fn show_totals(&mut self) {
        let Some(log) = &self.log else {
            return;
        };
        shift_text::totals(&mut self.out, log.totals());
        for place in 0..MAXIMUM_LISTS {
            let Some(list) = self.lists().nth(place) else {
                return;
            };
            match unpaid(&list) {
                Ok(left) => {
                    shift_text::list_totals(&mut self.out, list.facts().number, list.facts().lines, left)
                }
                Err(_) => shift_text::unreadable_list(&mut self.out),
            }
        }
    }

    /// Shows the unpaid lines after line `after`, one page of them.
    pub(crate) fn show_unpaid(&mut self, mut after: LinePlace) {
        self.deadline = None;
        if self.device.lists.number() == 0 {
            shift_text::no_list(&mut self.out);
            return self.prompt();
        }
        let are_several = self.lists().nth(1).is_some();
        for _ in 0..PAGE {
            match self.next_unpaid(after) {
                Ok(Some((place, line))) => {
                    if are_several && place.list != after.list {
                        shift_text::unpaid_list(&mut self.out, place.list);
                    }
                    shift_text::unpaid_line(&mut self.out, &line);
                    after = place;
                }
                Ok(None) => {
                    shift_text::no_more_unpaid(&mut self.out);
                    return self.prompt();
                }
                Err(_) => {
                    shift_text::unreadable_list(&mut self.out);
                    return self.prompt();
                }
            }
        }
        shift_text::next_page(&mut self.out);
        self.deadline = Some(self.clock.milliseconds().saturating_add(PATIENCE));
        self.flow = Flow::Listing(after);
    }

    /// The first unpaid line after line `after` of the lists in force, one list after the other.
    fn next_unpaid(&self, after: LinePlace) -> Result<Option<(LinePlace, ListLine)>, FlashError> {
        for list in self.lists().filter(|list| list.facts().number >= after.list) {
            let is_begun = list.facts().number == after.list;
            if let Some(line) = list.next_unpaid(if is_begun { after.line } else { 0 })? {
                return Ok(Some((list.place_of(&line), line)));
            }
        }
        Ok(None)
    }

    pub(crate) fn listing_key(&mut self, after: LinePlace, key: u8) {
        match key {
            // Another list of operators ends a shift while its clerk reads.
            _ if !self.is_in_shift() => self.end_service(),
            b'\r' | b'\n' | b' ' => self.show_unpaid(after),
            b'c' | b'C' | ESCAPE => self.end_service(),
            _ => self.flow = Flow::Listing(after),
        }
    }

    /// Does somebody work here, who may see what is due?
    pub(crate) fn is_in_shift(&self) -> bool {
        self.operator.is_some() && self.log.as_ref().is_some_and(|log| !Log::is_damaged(log))
    }
}

fn unpaid<F: NorFlash>(list: &PaymentList<'_, F>) -> Result<Sum, FlashError> {
    let (mut sum, mut after) = (Sum::default(), 0);
    while let Some(ListLine { number, amount, .. }) = list.next_unpaid(after)? {
        sum.add(amount);
        after = number;
    }
    Ok(sum)
}
