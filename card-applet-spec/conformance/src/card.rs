//! What a card under test has to offer.

mod reader;
mod simulated;

use std::fmt;

pub use reader::ReaderCard;
pub use simulated::SimulatedCard;

/// On which side of a write into persistent memory the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The write did not happen.
    Before,
    /// The write happened, and nothing after it.
    After,
}

/// The card did not answer, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// A card under test.
pub trait Card {
    /// Sends a command APDU; returns the response APDU, at least the two octets of a status word.
    ///
    /// # Errors
    /// [`NoAnswer`] when the card has no power, is gone, or says nothing.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, NoAnswer>;

    /// Takes the power away and gives it back.
    ///
    /// # Errors
    /// [`NoAnswer`] when the card does not come back.
    fn power_cycle(&mut self) -> Result<(), NoAnswer>;

    /// Replaces the card by a blank one: new, or the same chip with the application installed anew.
    ///
    /// # Errors
    /// [`NoAnswer`] when that failed.
    fn replace_by_blank(&mut self) -> Result<(), NoAnswer>;

    /// Whether [`Self::replace_by_blank`] can be asked for.
    fn can_be_replaced(&self) -> bool;

    /// Lets the power go at the `write`-th write into persistent memory from now, counted from 0. `None` where that
    /// cannot be done.
    fn cut_power_at(&mut self, write: u32, side: Cut) -> Option<()>;

    /// Whether [`Self::cut_power_at`] works.
    fn can_be_cut(&self) -> bool;

    /// Makes the card believe that it has given so many receipts, on a card that has given one. `None` where that cannot be
    /// done: wherever the memory is out of reach.
    fn set_receipt_counter(&mut self, _counter: u32) -> Option<()> {
        None
    }

    /// Whether [`Self::set_receipt_counter`] works.
    fn receipt_counter_can_be_set(&self) -> bool {
        false
    }
}

impl fmt::Debug for dyn Card + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Card")
    }
}
