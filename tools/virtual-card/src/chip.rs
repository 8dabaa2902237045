//! What a transport needs of a card: power, and an answer to each command.

/// A smart card's chip: the reference applet, or in tests one that misbehaves.
pub trait Chip {
    /// The answer to reset (ISO/IEC 7816-3, at most 33 bytes) that introduces the chip to a reader.
    fn answer_to_reset(&self) -> Vec<u8>;

    /// Power comes on, or the reader resets the chip: everything volatile is gone.
    fn reset(&mut self);

    /// Carries out one command APDU. An empty answer means that the chip lost its power on the way.
    fn transmit(&mut self, command: &[u8]) -> Vec<u8>;
}

impl<C: Chip + ?Sized> Chip for Box<C> {
    fn answer_to_reset(&self) -> Vec<u8> {
        (**self).answer_to_reset()
    }

    fn reset(&mut self) {
        (**self).reset();
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        (**self).transmit(command)
    }
}
