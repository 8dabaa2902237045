//! Randomness from a chip's noise: health tests of NIST SP 800-90B, then HMAC_DRBG of NIST SP 800-90A with SHA-256.

use core::convert::Infallible;
use core::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rand_core::{TryCryptoRng, TryRng};
use sha2::Sha256;
use zeroize::{Zeroize as _, ZeroizeOnDrop};

/// Bytes of noise for a start. SP 800-90B 4.3, item 10: start-up tests look at 1,024 consecutive samples at least.
pub const NOISE: usize = 1_024;

// SP 800-90B 4.4 with a false alarm in 2^30 and half of what a source with bias correction promises: four bits of entropy
// in each byte. A start then holds 4,096 bits, where 384 are needed (SP 800-90A 10.1, 8.6.7: 256 and half of it as a nonce).

/// 4.4.1: the cutoff of the repetition count, 1 + ⌈30 / 4⌉.
const REPETITIONS: u16 = 9;
/// 4.4.2: samples in a window of the adaptive proportion test, for samples of more than one bit.
const WINDOW: u16 = 512;
/// 4.4.2: its cutoff, 1 + CRITBINOM(512, 2^-4, 1 − 2^-30).
const PROPORTION: u16 = 71;

/// The noise fails its health test: the source is broken, and keys made from it could be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "Nguồn ngẫu nhiên hỏng. Ngừng dùng thiết bị.\u{1F} / The random source has failed; stop using this terminal and \
             have it examined.",
        )
    }
}

impl core::error::Error for Broken {}

/// The continuous health tests of SP 800-90B 4.4, here over the noise of a start.
#[derive(Default)]
struct HealthTest {
    last: Option<u8>,
    repeated: u16,
    window: u8,
    place: u16,
    seen: u16,
}

impl HealthTest {
    fn take(&mut self, sample: u8) -> Result<(), Broken> {
        self.repeated = match self.last {
            Some(last) if last == sample => self.repeated.saturating_add(1),
            _ => 1,
        };
        self.last = Some(sample);
        if self.place == 0 {
            self.window = sample;
            self.seen = 0;
        }
        self.seen = self.seen.saturating_add(u16::from(sample == self.window));
        self.place = self.place.saturating_add(1) % WINDOW;
        if self.repeated >= REPETITIONS || self.seen >= PROPORTION {
            return Err(Broken);
        }
        Ok(())
    }
}

/// HMAC_DRBG (SP 800-90A 10.1.2). It asks for no new seed: 2^48 requests do not happen between two starts.
#[derive(ZeroizeOnDrop)]
pub struct HmacDrbg {
    key: [u8; 32],
    value: [u8; 32],
}

impl HmacDrbg {
    /// A generator from the noise of this start, which is tested first and overwritten. `personalization` tells devices
    /// apart even where their sources fail alike.
    ///
    /// # Errors
    /// [`Broken`]: nothing may be made from this source.
    pub fn start(noise: &mut [u8; NOISE], personalization: &[u8]) -> Result<Self, Broken> {
        let mut test = HealthTest::default();
        let healthy = noise.iter().try_for_each(|sample| test.take(*sample));
        let generator = healthy.map(|()| Self::instantiate(&[noise, personalization]));
        noise.zeroize();
        generator
    }

    /// SP 800-90A 10.1.2.3, with the seed material in parts.
    fn instantiate(seed: &[&[u8]]) -> Self {
        let mut generator = Self {
            key: [0; 32],
            value: [1; 32],
        };
        generator.update(seed);
        generator
    }

    /// 10.1.2.2.
    fn update(&mut self, provided: &[&[u8]]) {
        let rounds: &[u8] = if provided.is_empty() { &[0] } else { &[0, 1] };
        for round in rounds {
            let mut mac = self.mac();
            mac.update(&self.value);
            mac.update(&[*round]);
            provided.iter().for_each(|part| mac.update(part));
            self.key = mac.finalize().into_bytes().into();
            self.step();
        }
    }

    fn step(&mut self) {
        let mut mac = self.mac();
        mac.update(&self.value);
        self.value = mac.finalize().into_bytes().into();
    }

    /// RFC 2104: a key shorter than the block is filled with zeros.
    fn mac(&self) -> Hmac<Sha256> {
        let mut block = [0; 64];
        for (place, byte) in block.iter_mut().zip(&self.key) {
            *place = *byte;
        }
        let mac = Hmac::new(&block.into());
        block.zeroize();
        mac
    }
}

impl TryRng for HmacDrbg {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// 10.1.2.5.
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for part in bytes.chunks_mut(32) {
            self.step();
            for (place, byte) in part.iter_mut().zip(&self.value) {
                *place = *byte;
            }
        }
        self.update(&[]);
        Ok(())
    }
}

impl TryCryptoRng for HmacDrbg {}

#[cfg(test)]
mod tests {
    use rand_core::Rng as _;

    use super::{Broken, HmacDrbg, NOISE, PROPORTION, REPETITIONS};

    /// RFC 6979 3.2 is HMAC_DRBG of key and hash; A.2.5 has its first candidates for P-256 and SHA-256 ("sample", "test").
    #[test]
    fn it_is_the_generator_of_rfc_6979() {
        let key = hex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721");
        for (hash, k) in [
            (
                hex("AF2BDBE1AA9B6EC1E2ADE1D694F41FC71A831D0268E9891562113D8A62ADD1BF"),
                hex("A6E3C57DD01ABE90086538398355DD4C3B17AA873382B0F24D6129493D8AAD60"),
            ),
            (
                hex("9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"),
                hex("D16B6AE827F17175E040871A1C7EC3500192C4C92677336EC2537ACAEE0008E0"),
            ),
        ] {
            let mut found = [0; 32];
            HmacDrbg::instantiate(&[&key, &hash]).fill_bytes(&mut found);
            assert_eq!(found, k);
        }
    }

    fn hex(digits: &str) -> [u8; 32] {
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).expect("hex");
        bytes
    }

    /// Good noise for a test: a generator of its own.
    fn noise() -> [u8; NOISE] {
        let mut noise = [0; NOISE];
        HmacDrbg::instantiate(&[b"noise"]).fill_bytes(&mut noise);
        noise
    }

    #[test]
    fn good_noise_passes_is_overwritten_and_all_of_it_counts() {
        let draw = |mut noise: [u8; NOISE], name: &[u8]| {
            let mut generator = HmacDrbg::start(&mut noise, name).expect("healthy");
            assert_eq!(noise, [0; NOISE]);
            (generator.next_u64(), generator.next_u64())
        };
        let drawn = draw(noise(), b"a");
        assert_ne!(drawn.0, drawn.1);
        assert_ne!(drawn, draw(noise(), b"b"));
        for place in [0, 511, NOISE - 1] {
            let mut other = noise();
            other[place] ^= 1;
            assert_ne!(drawn, draw(other, b"a"), "{place}");
        }
    }

    fn starts(mut noise: [u8; NOISE]) -> bool {
        let outcome = HmacDrbg::start(&mut noise, b"").map(|_| ());
        assert_eq!(noise, [0; NOISE]);
        assert!(matches!(outcome, Ok(()) | Err(Broken)));
        outcome.is_ok()
    }

    #[test]
    fn a_source_that_is_stuck_is_found_at_exactly_the_cutoff() {
        assert!(!starts([0; NOISE]) && !starts([0xFF; NOISE]));
        for (count, healthy) in [(REPETITIONS - 1, true), (REPETITIONS, false)] {
            for place in [0, 300, NOISE - usize::from(count)] {
                // 0x5A occurs nowhere else near it.
                let mut noise = noise().map(|byte| if byte == 0x5A { 0x5B } else { byte });
                noise[place..place + usize::from(count)].fill(0x5A);
                assert_eq!(starts(noise), healthy, "{count} at {place}");
            }
        }
    }

    #[test]
    fn a_source_that_prefers_a_value_is_found_at_exactly_the_cutoff() {
        for (count, healthy) in [(PROPORTION - 1, true), (PROPORTION, false)] {
            for window in [0, 512] {
                let mut noise = noise().map(|byte| if byte == 0x5A { 0x5B } else { byte });
                for index in 0..usize::from(count) {
                    noise[window + 7 * index] = 0x5A;
                }
                assert_eq!(starts(noise), healthy, "{count} in the window at {window}");
            }
        }
    }

    #[test]
    fn a_source_that_counts_or_alternates_is_found_only_where_the_tests_can() {
        // Two values in turn: half of each window.
        assert!(!starts(core::array::from_fn(|index| (index % 2) as u8)));
        // SP 800-90B's tests find failures of a source that was good, no source that was never one.
        assert!(starts(core::array::from_fn(|index| index as u8)));
    }
}
