//! The holder's receipt on the screen: what was paid, by which entry of which terminal, to be read or written down. Of people it names
//! only the two operators of a payment by hand.
//!
//! It is there while the money is handed over and until the next card comes.

use card_spec::crypto::Curve;
use card_spec::values::Amount;
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use rand_core::CryptoRng;

use crate::machine::Machine;
use crate::standing::{MAXIMUM_UNHANDED, OpenOrder, Unhanded};
use crate::{by_hand_text, handover_text, text};

/// Payments whose money was handed over last.
pub(crate) type LastHanded = Vec<Unhanded, MAXIMUM_UNHANDED>;

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// Shows the receipt of what is being handed over, or was last.
    pub(crate) fn show_slip(&mut self) {
        let payments = match &self.log {
            Some(log) if self.is_handing_over() => LastHanded::from_slice(log.unhanded()).unwrap_or_default(),
            _ => self.last_handed.clone(),
        };
        let Some(keys) = self.keys.as_ref().filter(|_| !payments.is_empty()) else {
            return handover_text::no_slip(&mut self.out);
        };
        handover_text::slip(&mut self.out, keys.name);
        let mut sum = Amount::default();
        for payment in &payments {
            sum = sum.checked_add(payment.amount).unwrap_or(Amount::MAXIMUM);
            self.show_payment(payment);
        }
        text::total(&mut self.out, sum, false);
        self.prompt();
    }

    fn show_payment(&mut self, payment: &Unhanded) {
        let order = self.log.as_mut().map(|log| log.paid_order(payment));
        match order.as_ref().map(|order| order.as_ref().map(OpenOrder::order)) {
            Some(Ok(Some(order))) => {
                handover_text::slip_line(&mut self.out, order.order());
                if payment.by_hand {
                    by_hand_text::slip(&mut self.out, order.order());
                }
            }
            // Its space was given free since, or the flash has lost it.
            _ => handover_text::slip_amount(&mut self.out, payment),
        }
    }
}
