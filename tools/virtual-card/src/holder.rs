//! A place for one card after the other: the reader goes on while the card in it is exchanged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Chip;

/// The chip that lies in a reader. Clones are handles to the same place.
#[derive(Debug)]
pub struct Holder<C>(Arc<Mutex<C>>);

impl<C> Holder<C> {
    /// A place that holds `chip`.
    pub fn new(chip: C) -> Self {
        Self(Arc::new(Mutex::new(chip)))
    }

    /// Puts `chip` in place of the present one, after the command that it may be carrying out.
    pub fn exchange(&self, chip: C) {
        *self.chip() = chip;
    }

    /// A panicking chip is as good as any card that misbehaves.
    fn chip(&self) -> MutexGuard<'_, C> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Clone for Holder<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Chip> Chip for Holder<C> {
    fn answer_to_reset(&self) -> Vec<u8> {
        self.chip().answer_to_reset()
    }

    fn reset(&mut self) {
        self.chip().reset();
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.chip().transmit(command)
    }
}
