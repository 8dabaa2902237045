//! The primitives that a payment spends its time in, each behind a function of its own name that is never inlined: a
//! profiler or an instruction counter tells them apart by these symbols.

use core::convert::Infallible;

use card_spec::crypto::{
    Curve, InvalidSecretKey, InvalidSignature, PublicKey, SecretKey, SharedSecret, Sign, Signature, Verify,
};
use rand_core::CryptoRng;

/// The board's code for P-256 behind these functions.
pub(crate) struct Marked<C>(pub(crate) C);

impl<C: Verify> Verify for Marked<C> {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        ansinh_mark_verify(&self.0, key, message, signature)
    }
}

impl<C: Curve> Curve for Marked<C> {
    fn generate(&self, random: &mut impl CryptoRng) -> SecretKey {
        ansinh_mark_generate(&self.0, random)
    }

    fn load(&self, octets: &[u8; 32]) -> Result<SecretKey, InvalidSecretKey> {
        self.0.load(octets)
    }

    fn sign(&self, key: &SecretKey, message: &[u8]) -> Signature {
        ansinh_mark_sign(&self.0, key, message)
    }

    fn agree(&self, key: &SecretKey, public_key: &PublicKey) -> SharedSecret {
        ansinh_mark_agree(&self.0, key, public_key)
    }
}

#[inline(never)]
fn ansinh_mark_verify(
    curve: &impl Verify,
    key: &PublicKey,
    message: &[u8],
    signature: &Signature,
) -> Result<(), InvalidSignature> {
    curve.verify(key, message, signature)
}

#[inline(never)]
fn ansinh_mark_generate(curve: &impl Curve, random: &mut impl CryptoRng) -> SecretKey {
    curve.generate(random)
}

#[inline(never)]
fn ansinh_mark_sign(curve: &impl Curve, key: &SecretKey, message: &[u8]) -> Signature {
    curve.sign(key, message)
}

#[inline(never)]
fn ansinh_mark_agree(curve: &impl Curve, key: &SecretKey, public_key: &PublicKey) -> SharedSecret {
    curve.agree(key, public_key)
}

/// A key of the terminal with the code that signs with it.
pub(crate) struct Signer<'k, C> {
    pub(crate) curve: &'k C,
    pub(crate) key: &'k SecretKey,
}

impl<C: Curve> Sign for Signer<'_, C> {
    type Error = Infallible;

    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, Infallible> {
        Ok(self.curve.sign(self.key, message))
    }
}
