// What a case calls, and what came out. Host and firmware image compile this file, so that both try the same calls.

use card_spec::crypto::{Agree as _, PortableP256, PublicKey, SecretKey, Signature, Verify as _};
use card_spec::scp03::AesKey;

/// Key `04 ‖ x ‖ y`, message, signature `r ‖ s`.
pub(crate) const VERIFY: u16 = 0xA1;
/// Private key (32 bytes), public key, shared secret.
pub(crate) const AGREE: u16 = 0xA2;
/// AES key, message, CMAC.
pub(crate) const CMAC: u16 = 0xA3;

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

/// Tries a case; `None` if there is no such operation, or a private key is none.
pub(crate) fn verdict(operation: u16, [first, second, third]: [&[u8]; 3]) -> Option<Verdict> {
    match operation {
        VERIFY => Some(match verify(first, second, third) {
            Some(()) => Verdict::Right,
            None => Verdict::Refused,
        }),
        AGREE => {
            let private = SecretKey::from_bytes(first.try_into().ok()?).ok()?;
            Some(PublicKey::from_sec1(second).map_or(Verdict::Refused, |public| {
                Verdict::of_comparison(private.agree(&public).as_bytes(), third)
            }))
        }
        CMAC => Some(AesKey::from_bytes(first).map_or(Verdict::Refused, |key| {
            Verdict::of_comparison(&key.cmac(&[second]), third)
        })),
        _ => None,
    }
}

fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = PublicKey::from_sec1(key).ok()?;
    let signature = Signature::try_from(signature).ok()?;
    PortableP256.verify(&key, message, &signature).ok()
}
