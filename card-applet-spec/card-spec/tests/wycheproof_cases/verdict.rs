// What a case calls, and what came out. Host and firmware image compile this file, so that both try the same calls.

use core::convert::Infallible;

use card_spec::crypto::{Curve, PublicKey, SecretKey, Signature};
use card_spec::scp03::AesKey;
use rand_core::{TryCryptoRng, TryRng};

/// Key `04 ‖ x ‖ y`, message, signature `r ‖ s`.
pub(crate) const VERIFY: u16 = 0xA1;
/// Private key (32 bytes), public key, shared secret.
pub(crate) const AGREE: u16 = 0xA2;
/// AES key, message, CMAC.
pub(crate) const CMAC: u16 = 0xA3;
/// Private key, message, signature by RFC 6979: of Wycheproof there is none.
pub(crate) const SIGN: u16 = 0xA4;
/// The random string drawn, nothing, private key with its public key.
pub(crate) const GENERATE: u16 = 0xA5;

/// What became of a case: the letter that the image reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Verdict {
    /// Verified; or computed what the case says.
    Right = b'r',
    /// Computed something else.
    Wrong = b'w',
    /// Key or signature refused.
    Refused = b'x',
}

impl Verdict {
    fn of_comparison(computed: &[u8], stated: &[u8]) -> Self {
        if computed == stated {
            Self::Right
        } else {
            Self::Wrong
        }
    }
}

/// Tries a case with this code; `None` if there is no such operation, or a private key is none.
pub(crate) fn verdict(
    curve: &impl Curve,
    operation: u16,
    [first, second, third]: [&[u8]; 3],
) -> Option<Verdict> {
    match operation {
        VERIFY => Some(match verify(curve, first, second, third) {
            Some(()) => Verdict::Right,
            None => Verdict::Refused,
        }),
        AGREE => {
            let private = SecretKey::from_bytes(first.try_into().ok()?).ok()?;
            Some(PublicKey::from_sec1(second).map_or(Verdict::Refused, |public| {
                Verdict::of_comparison(curve.agree(&private, &public).as_bytes(), third)
            }))
        }
        CMAC => Some(AesKey::from_bytes(first).map_or(Verdict::Refused, |key| {
            Verdict::of_comparison(&key.cmac(&[second]), third)
        })),
        SIGN => {
            let private = SecretKey::from_bytes(first.try_into().ok()?).ok()?;
            Some(Verdict::of_comparison(
                curve.sign(&private, second).as_bytes(),
                third,
            ))
        }
        GENERATE => {
            let key = curve.generate(&mut Drawn(first));
            let (private, public) = third.split_first_chunk::<32>()?;
            let same = *key.to_bytes() == *private && key.public_key().as_bytes() == public;
            Some(if same { Verdict::Right } else { Verdict::Wrong })
        }
        _ => None,
    }
}

/// A random source that gives a string, over and over.
struct Drawn<'s>(&'s [u8]);

impl TryRng for Drawn<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes
            .iter_mut()
            .zip(self.0.iter().cycle())
            .for_each(|(to, from)| *to = *from);
        Ok(())
    }
}

impl TryCryptoRng for Drawn<'_> {}

fn verify(curve: &impl Curve, key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = PublicKey::from_sec1(key).ok()?;
    let signature = Signature::try_from(signature).ok()?;
    curve.verify(&key, message, &signature).ok()
}
