//! Orders whose outcome is not known (DATA 5.3): which card settles them, and whether the others need to wait for it.
//!
//! The clerk puts an open order aside and goes on with the next person. Its holder is locked here until the order is settled:
//! the first thing done with that card is the same order again.

use card_spec::crypto::Curve;
use embedded_storage::nor_flash::NorFlash;
use rand_core::CryptoRng;

use crate::log::Log;
use crate::log_error::LogError;
use crate::machine::Machine;
use crate::standing::OpenOrder;
use crate::tap::CardFacts;
use crate::text;

/// Is it the order of this card, or of its holder's?
pub(crate) fn is_for(order: &OpenOrder, facts: &CardFacts) -> bool {
    order
        .order()
        .is_some_and(|order| facts.may_have_had(order.order()))
}

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// Is nobody served but the card of an open order? Until the clerk puts it aside, once in each start: what a power cut
    /// left is seen by whoever works here now. There is no room for one more beside as many as can be open.
    pub(crate) fn is_waiting(&self) -> bool {
        self.log
            .as_ref()
            .map(Log::open_intents)
            .is_some_and(|open| open.is_full() || open.iter().any(|open| open.sequence > self.put_aside))
    }

    /// Goes on with the next person.
    pub(crate) fn go_on(&mut self) {
        let open = self.log.as_ref().map(Log::open_intents);
        let Some(open) = open.filter(|open| !open.is_full()) else {
            return self.prompt();
        };
        self.put_aside = open.iter().map(|open| open.sequence).max().unwrap_or_default();
        text::put_aside(&mut self.out);
        // Whoever comes next may lie there already.
        self.armed = true;
        self.prompt();
    }

    /// The open order that waits for this card, or for its holder's. If none does, but the flash has lost one, it may be that one.
    pub(crate) fn open_order_of(&mut self, facts: &CardFacts) -> Result<Option<OpenOrder>, LogError> {
        let log = self.log.as_mut().ok_or(LogError::Failed)?;
        let mut lost = None;
        for open in log.open_intents().clone() {
            match log.order(&open) {
                Ok(order) if is_for(&order, facts) => return Ok(Some(order)),
                Ok(_) => {}
                Err(error) => lost = Some(error),
            }
        }
        lost.map_or(Ok(None), Err)
    }

    /// Shows the open orders and what to do about them.
    pub(crate) fn show_open(&mut self) {
        text::unsettled(&mut self.out);
        let Some(log) = &mut self.log else {
            return;
        };
        let all = log.open_intents().clone();
        for open in &all {
            match log.order(open).as_ref().map(OpenOrder::order) {
                Ok(Some(order)) => text::open_order(&mut self.out, order.order()),
                _ => text::not_recorded(&mut self.out),
            }
        }
        text::tap_same_card(&mut self.out, all.is_full());
    }

    /// Another card came while an open order waits.
    pub(crate) fn refuse_other_card(&mut self) {
        text::another_card(&mut self.out);
        self.end_service();
    }
}
