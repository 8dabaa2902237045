//! The seed page: randomness for a machine that has no random source.
//!
//! The launcher writes 64 random bytes into the last flash block before every start. They are consumed here: HKDF
//! (RFC 5869) makes of them the seed of this run and the page of the next, and the page is replaced before the first
//! random byte is handed out. So two runs never share a random number, even when the launcher does not come in between.
//! Real boards have a hardware source instead.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | `ANSINHSD` |
//! | 8 | 64 | seed |

use core::fmt;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use hkdf::Hkdf;
use sha2::Sha256;

use crate::flash::{BLOCK, Flash, FlashError};

const MAGIC: [u8; 8] = *b"ANSINHSD";
const SEED_OFFSET: u32 = 8;
const SEED: usize = 64;

/// Why there is no random source.
#[derive(Debug)]
pub enum NoRandomness {
    /// There is no seed page, or a power cut hit its replacement.
    Missing,
    /// The flash refused.
    Flash(FlashError),
}

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => {
                "Không có nguồn ngẫu nhiên, máy không khởi động. / \
                 No seed page: without randomness this terminal does not start. Start it with its launcher."
            }
            Self::Flash(_) => {
                "Bộ nhớ hỏng. Ngừng dùng thiết bị. / The flash has failed; stop using this terminal and keep it."
            }
        })
    }
}

impl From<FlashError> for NoRandomness {
    fn from(error: FlashError) -> Self {
        Self::Flash(error)
    }
}

/// Consumes and replaces the seed page, then returns the random source of this run.
pub fn consume(mut page: Flash) -> Result<ChaCha20Rng, NoRandomness> {
    let mut magic = [0; MAGIC.len()];
    let mut seed = [0; SEED];
    page.read(0, &mut magic)?;
    page.read(SEED_OFFSET, &mut seed)?;
    if magic != MAGIC || seed == [0xFF; SEED] {
        return Err(NoRandomness::Missing);
    }
    let mut working = [0; 32];
    let mut next = [0; SEED];
    let hkdf = Hkdf::<Sha256>::new(None, &seed);
    // RFC 5869 section 2.3 allows 255 blocks of 32 bytes; these are one and two.
    let both = hkdf
        .expand(b"ansinh random source", &mut working)
        .and(hkdf.expand(b"ansinh next seed page", &mut next));
    if both.is_err() {
        return Err(NoRandomness::Missing);
    }
    page.erase(0, BLOCK as u32)?;
    page.write(SEED_OFFSET, &next)?;
    // The magic last: a page that was cut short has none.
    page.write(0, &MAGIC)?;
    Ok(ChaCha20Rng::from_seed(working))
}
