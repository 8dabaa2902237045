//! A chip that takes its time, as real ones do: generating keys and signing takes them tenths of seconds.

use std::thread;
use std::time::Duration;

use crate::Chip;

/// A chip that keeps each answer back for a fixed time.
pub struct Slow<C> {
    chip: C,
    own_time: Duration,
}

impl<C> Slow<C> {
    /// `own_time` for each command; none at all for an instant card.
    pub const fn new(chip: C, own_time: Duration) -> Self {
        Self { chip, own_time }
    }
}

impl<C: Chip> Chip for Slow<C> {
    fn answer_to_reset(&self) -> Vec<u8> {
        self.chip.answer_to_reset()
    }

    fn reset(&mut self) {
        self.chip.reset();
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        let answer = self.chip.transmit(command);
        thread::sleep(self.own_time);
        answer
    }
}
