//! Fixed keys, and keys and signatures in the formats of openssl.

use card_spec::crypto::{PublicKey, SecretKey, Signature, sha256};
use p256::pkcs8::{EncodePublicKey, LineEnding};

/// A TEST key: its scalar is SHA-256 of "ansinh TEST key: " and its name.
pub fn secret(name: &str) -> SecretKey {
    let scalar = sha256(&[b"ansinh TEST key: ", name.as_bytes()]);
    SecretKey::from_bytes(&scalar).expect("a scalar below the order")
}

/// SubjectPublicKeyInfo in PEM.
pub fn pem(key: &PublicKey) -> Vec<u8> {
    let key = p256::PublicKey::from_sec1_bytes(key.as_bytes()).expect("a public key");
    key.to_public_key_pem(LineEnding::LF).expect("a PEM").into_bytes()
}

/// `SEQUENCE { INTEGER r, INTEGER s }`.
pub fn der_signature(signature: &Signature) -> Vec<u8> {
    let signature = p256::ecdsa::Signature::from_slice(signature.as_bytes()).expect("a signature");
    signature.to_der().as_bytes().to_vec()
}
