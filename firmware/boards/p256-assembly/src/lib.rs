//! P-256 on a Cortex-M4 by Emil Lenngren's assembly (crate `p256-cortex-m4-sys`), with the results of the portable code in a
//! tenth of the instructions. The same vectors go over both (`tests/rig/tests/wycheproof_image.rs`).
//!
//! The assembly works in constant time on secrets on a processor without data cache, as this one is. It takes 256-bit
//! integers as eight words, the least significant first.
#![no_std]

use card_spec::crypto::{
    Curve, InvalidSecretKey, InvalidSignature, PublicKey, SecretKey, SharedSecret, Signature, Verify, sha256,
};
use p256_cortex_m4_sys::{p256_ecdh_calc_shared_secret, p256_keygen, p256_sign, p256_verify};
use rand_core::CryptoRng;
use rfc6979::KGenerator;
use rfc6979::bigint::U256;
use sha2::Sha256;
use zeroize::Zeroizing;

/// The order of the group (SP 800-186, 3.2.1.3).
const ORDER: U256 = U256::from_be_hex("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");
/// Octets of a digest.
const DIGEST: u32 = 32;

type Words = [u32; 8];

/// [`Curve`] by the assembly.
#[derive(Clone, Copy, Debug, Default)]
pub struct AssemblyP256;

impl Verify for AssemblyP256 {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        let (x, y) = coordinates(key);
        let (r, s) = halves(signature.as_bytes());
        let digest = sha256(&[message]);
        // SAFETY: four arrays of eight words and one of `DIGEST` bytes are read, and no pointer is kept.
        let valid = unsafe {
            p256_verify(
                x.as_ptr(),
                y.as_ptr(),
                digest.as_ptr(),
                DIGEST,
                r.as_ptr(),
                s.as_ptr(),
            )
        };
        if valid { Ok(()) } else { Err(InvalidSignature) }
    }
}

impl Curve for AssemblyP256 {
    /// FIPS 186-5, A.2.2: random strings until one is in the range.
    fn generate(&self, random: &mut impl CryptoRng) -> SecretKey {
        let mut octets = Zeroizing::new([0; 32]);
        loop {
            random.fill_bytes(octets.as_mut());
            if let Ok(key) = self.load(&octets) {
                return key;
            }
        }
    }

    fn load(&self, octets: &[u8; 32]) -> Result<SecretKey, InvalidSecretKey> {
        let public = public_key(octets).ok_or(InvalidSecretKey)?;
        SecretKey::with_public_key(octets, public)
    }

    fn sign(&self, key: &SecretKey, message: &[u8]) -> Signature {
        let digest = sha256(&[message]);
        let octets = key.to_bytes();
        let private = Zeroizing::new(words(&octets));
        let mut nonces = KGenerator::<Sha256, U256>::new(octets.as_ref(), &digest, &[], &ORDER);
        loop {
            let mut nonce = Zeroizing::new([0; 32]);
            nonces.fill_next_k(nonce.as_mut());
            let k = Zeroizing::new(words(&nonce));
            let (mut r, mut s) = ([0; 8], [0; 8]);
            // SAFETY: two arrays of eight words are read and two are written, one of `DIGEST` bytes is read, and no pointer
            // is kept.
            let signed = unsafe {
                p256_sign(
                    r.as_mut_ptr(),
                    s.as_mut_ptr(),
                    digest.as_ptr(),
                    DIGEST,
                    private.as_ptr(),
                    k.as_ptr(),
                )
            };
            // RFC 6979, 3.2, step h.3: a nonce that does not serve is followed by the next.
            if signed {
                return Signature(concatenated(&r, &s));
            }
        }
    }

    fn agree(&self, key: &SecretKey, peer: &PublicKey) -> SharedSecret {
        let (x, y) = coordinates(peer);
        let private = Zeroizing::new(words(&key.to_bytes()));
        let mut secret = Zeroizing::new([0; 32]);
        // SAFETY: three arrays of eight words are read, one of 32 bytes is written, and no pointer is kept.
        let agreed = unsafe {
            p256_ecdh_calc_shared_secret(secret.as_mut_ptr(), private.as_ptr(), x.as_ptr(), y.as_ptr())
        };
        if !agreed {
            // It refuses points off the curve, which a `PublicKey` never is. If it did all the same, this would be a secret that
            // nobody shares: the session ends at its first MAC.
            *secret = sha256(&[key.to_bytes().as_ref(), peer.as_bytes()]);
        }
        SharedSecret::new(secret)
    }
}

/// The public key of a private one, if that is in the range.
fn public_key(octets: &[u8; 32]) -> Option<PublicKey> {
    let private = Zeroizing::new(words(octets));
    let (mut x, mut y) = ([0; 8], [0; 8]);
    // SAFETY: one array of eight words is read and two are written, and no pointer is kept.
    let made = unsafe { p256_keygen(x.as_mut_ptr(), y.as_mut_ptr(), private.as_ptr()) };
    let mut octets = [4; PublicKey::LENGTH];
    let (_, point) = octets.split_first_mut()?;
    point.copy_from_slice(&concatenated(&x, &y));
    made.then(|| PublicKey::from_sec1(&octets).ok()).flatten()
}

/// x and y of `04 ‖ x ‖ y`.
fn coordinates(key: &PublicKey) -> (Words, Words) {
    let [_, point @ ..] = key.as_bytes();
    halves(point)
}

fn halves(octets: &[u8; 64]) -> (Words, Words) {
    let mut first = [0; 32];
    let mut second = [0; 32];
    first.copy_from_slice(&octets[..32]);
    second.copy_from_slice(&octets[32..]);
    (words(&first), words(&second))
}

fn words(octets: &[u8; 32]) -> Words {
    let mut words = [0; 8];
    for (word, octets) in words.iter_mut().rev().zip(octets.chunks_exact(4)) {
        *word = octets.iter().fold(0, |word, octet| word << 8 | u32::from(*octet));
    }
    words
}

fn concatenated(first: &Words, second: &Words) -> [u8; 64] {
    let mut octets = [0; 64];
    let words = first.iter().rev().chain(second.iter().rev());
    for (octets, word) in octets.chunks_exact_mut(4).zip(words) {
        octets.copy_from_slice(&word.to_be_bytes());
    }
    octets
}
