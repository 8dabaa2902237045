//! Repeatable randomness: everything that the kit makes up follows from the seed that the report names.

use std::convert::Infallible;

use card_spec::crypto::sha256;
use rand_core::{Rng as _, TryCryptoRng, TryRng};

/// SHA-256 over seed, label and a counter. Good for test keys only: whoever knows the seed knows them.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: [u8; 32],
    counter: u64,
}

impl Random {
    /// The stream of this name.
    pub(crate) fn new(seed: u64, label: &str) -> Self {
        Self {
            state: sha256(&[&seed.to_be_bytes(), label.as_bytes()]),
            counter: 0,
        }
    }

    /// The next octets.
    pub(crate) fn octets<const LENGTH: usize>(&mut self) -> [u8; LENGTH] {
        let mut octets = [0; LENGTH];
        self.fill_bytes(&mut octets);
        octets
    }
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes(self.octets()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes(self.octets()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(32) {
            let block = sha256(&[&self.state, &self.counter.to_be_bytes()]);
            self.counter += 1;
            chunk.iter_mut().zip(block).for_each(|(to, from)| *to = from);
        }
        Ok(())
    }
}

impl TryCryptoRng for Random {}
