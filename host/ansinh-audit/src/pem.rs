//! Public keys and signatures in the formats that openssl takes (DATA 2).

use card_spec::crypto::{PublicKey, Signature};
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::pkcs8::DecodePublicKey;

/// Reads a SubjectPublicKeyInfo in PEM; `None` if it is not one of P-256.
pub(crate) fn public_key(pem: &[u8]) -> Option<PublicKey> {
    let key = p256::PublicKey::from_public_key_pem(core::str::from_utf8(pem).ok()?).ok()?;
    PublicKey::from_sec1(key.to_sec1_point(false).as_bytes()).ok()
}

/// Reads `SEQUENCE { INTEGER r, INTEGER s }` (RFC 3279, 2.2.3).
pub(crate) fn signature(der: &[u8]) -> Option<Signature> {
    let signature = p256::ecdsa::Signature::from_der(der).ok()?;
    Signature::try_from(signature.to_bytes().as_slice()).ok()
}
