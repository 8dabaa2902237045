//! The primitives that a payment spends its time in, each behind a function of its own name that is never inlined: a
//! profiler or an instruction counter tells them apart by these symbols.

use core::convert::Infallible;

use card_spec::crypto::{InvalidSignature, PublicKey, SecretKey, Sign, Signature, Verify};
use card_spec::scp03::HostChannel;
use card_spec::scp11::{AgreementError, Receipt, TerminalAgreement};
use rand_core::CryptoRng;

/// The board's verifier behind [`ansinh_mark_verify`].
pub(crate) struct Verifier<V>(pub(crate) V);

impl<V: Verify> Verify for Verifier<V> {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        ansinh_mark_verify(&self.0, key, message, signature)
    }
}

#[inline(never)]
fn ansinh_mark_verify<V: Verify>(
    verifier: &V,
    key: &PublicKey,
    message: &[u8],
    signature: &Signature,
) -> Result<(), InvalidSignature> {
    verifier.verify(key, message, signature)
}

/// A key of the terminal behind [`ansinh_mark_sign`].
pub(crate) struct Signer<'k>(pub(crate) &'k SecretKey);

impl Sign for Signer<'_> {
    type Error = Infallible;

    fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, Infallible> {
        ansinh_mark_sign(self.0, message)
    }
}

#[inline(never)]
fn ansinh_mark_sign(key: &SecretKey, message: &[u8]) -> Result<Signature, Infallible> {
    key.sign(message)
}

/// Makes a key pair.
#[inline(never)]
pub(crate) fn ansinh_mark_generate(random: &mut impl CryptoRng) -> SecretKey {
    SecretKey::generate(random)
}

/// Two key agreements and the derivation of the session keys.
#[inline(never)]
pub(crate) fn ansinh_mark_agree(
    agreement: TerminalAgreement,
    terminal_key: &SecretKey,
    card_key: &PublicKey,
    response: &[u8],
) -> Result<(HostChannel, Receipt), AgreementError> {
    agreement.finish(terminal_key, card_key, response)
}
