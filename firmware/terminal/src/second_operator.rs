//! A second operator vouches for the clerk: a photo document pays a card whose PIN is blocked only then (SPEC 9.3).
//!
//! It proves itself by name and PIN, or card and PIN, for one service. Where the terminal has no list of operators nobody can.

use card_spec::crypto::Curve;
use card_spec::payment::HolderCheckMethod;
use embedded_storage::nor_flash::NorFlash;
use heapless::String;
use rand_core::CryptoRng;

use crate::machine::Machine;
use crate::shift::Identified;
use crate::text;

/// A name as an order has room for it (SPEC 9.2).
pub(crate) type SecondName = String<11>;

impl<F: NorFlash, R: CryptoRng, C: Curve> Machine<'_, F, R, C> {
    /// Somebody has proven to be an operator: is it another one than the clerk, with a name that fits into an order?
    pub(crate) fn second_joins(&mut self, identified: &Identified) {
        let name = identified.name();
        let is_clerk = self.operator.as_deref() == Some(name);
        self.second = SecondName::try_from(name)
            .ok()
            .filter(|_| !is_clerk && self.operator.is_some());
        match &self.second {
            Some(name) => text::second_operator(&mut self.out, name),
            None => text::no_second_operator(&mut self.out),
        }
        self.armed = true;
        self.prompt();
    }

    /// The second operator of an order: for a document alone, a PIN needs none.
    pub(crate) fn voucher(&self, method: HolderCheckMethod) -> Option<SecondName> {
        match method {
            HolderCheckMethod::Pin => None,
            HolderCheckMethod::PhotoDocument => self.second.clone(),
        }
    }
}
