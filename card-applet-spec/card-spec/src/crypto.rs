//! Keys, signatures and digests of the suite "ECDSA and ECDH on P-256 with SHA-256", and the traits behind which a
//! chip, an HSM, a faster library or assembly stands in for the portable code.

use core::convert::Infallible;
use core::fmt;

use ecdsa::hazmat::sign_prehashed_rfc6979;
use p256::ecdsa::VerifyingKey;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::elliptic_curve::point::AffineCoordinates as _;
use p256::elliptic_curve::{Generate, sec1::ToSec1Point};
use p256::{AffinePoint, NistP256, NonZeroScalar};
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A SHA-256 digest (FIPS 180-4).
pub type Digest = [u8; 32];

/// SHA-256 over the concatenation of `parts`. The parts are not separated: a caller whose parts vary in length has
/// to make their boundaries part of what is hashed.
pub fn sha256(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// Compares two strings in time that depends on their lengths only. Strings of different length are unequal.
pub fn ct_eq(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// The octets are not an uncompressed point of P-256 other than infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPublicKey;

impl fmt::Display for InvalidPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an uncompressed point on P-256; refuse the object that carries this public key")
    }
}

impl core::error::Error for InvalidPublicKey {}

/// The octets are not a private key of P-256: zero, or not below the order of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSecretKey;

impl fmt::Display for InvalidSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a private key of P-256; restore the key from its backup")
    }
}

impl core::error::Error for InvalidSecretKey {}

/// The signature is not one of this key over this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSignature;

impl fmt::Display for InvalidSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the signature does not verify; trust nothing that it was to vouch for")
    }
}

impl core::error::Error for InvalidSignature {}

/// A public key on P-256, uncompressed: `04 ‖ x (32) ‖ y (32)` (SEC 1, 2.3.3). Whoever holds one knows that the point
/// is on the curve and is not infinity, which is full validation for a curve of cofactor 1 (SP 800-56A, 5.6.2.3.3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    octets: [u8; PublicKey::LENGTH],
    point: p256::PublicKey,
}

impl PublicKey {
    /// Octets of an encoded key.
    pub const LENGTH: usize = 65;
    /// SEC 1, 2.3.4, step 3.1.
    const UNCOMPRESSED: u8 = 0x04;

    /// Takes the uncompressed form only: one key, one encoding.
    ///
    /// # Errors
    /// [`InvalidPublicKey`] for any other length or form, and for coordinates that are not on the curve.
    pub fn from_sec1(octets: &[u8]) -> Result<Self, InvalidPublicKey> {
        let octets: [u8; Self::LENGTH] = octets.try_into().map_err(|_| InvalidPublicKey)?;
        let (&[form], coordinates) = octets.split_first_chunk().ok_or(InvalidPublicKey)?;
        let (x, coordinates) = coordinates.split_first_chunk::<32>().ok_or(InvalidPublicKey)?;
        let (y, _) = coordinates.split_first_chunk::<32>().ok_or(InvalidPublicKey)?;
        if form != Self::UNCOMPRESSED {
            return Err(InvalidPublicKey);
        }
        // Without `from_sec1_bytes`: code that takes square roots for compressed points would come into the terminal's image.
        let point = AffinePoint::from_coordinates(x.into(), y.into());
        let point = point.into_option().ok_or(InvalidPublicKey)?;
        let point = p256::PublicKey::from_affine(point).map_err(|_| InvalidPublicKey)?;
        Ok(Self { octets, point })
    }

    /// The encoded key, `04 ‖ x ‖ y`.
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.octets
    }

    fn from_point(point: p256::PublicKey) -> Self {
        let mut octets = [0; Self::LENGTH];
        // `false`: uncompressed. Only infinity would be shorter, and p256's public key cannot be that.
        for (to, from) in octets.iter_mut().zip(point.to_sec1_point(false).as_bytes()) {
            *to = *from;
        }
        Self { octets, point }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        for octet in self.octets {
            write!(f, "{octet:02x}")?;
        }
        f.write_str(")")
    }
}

/// An ECDSA signature, `r (32) ‖ s (32)`, big-endian (BSI TR-03111, 5.2.1).
///
/// Both `s` and `n − s` verify, as ECDSA has it, so anybody can turn one valid signature into another one over the
/// same message. That is harmless here: hash chains, receipts and references hash the signed bodies, never the
/// signatures, so no identity and no link depends on which of the two is stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; Signature::LENGTH]);

impl Signature {
    /// Octets of an encoded signature.
    pub const LENGTH: usize = 64;

    /// The octets `r ‖ s`.
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Signature {
    type Error = InvalidSignature;

    fn try_from(octets: &[u8]) -> Result<Self, InvalidSignature> {
        octets.try_into().map(Self).map_err(|_| InvalidSignature)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(")?;
        for octet in self.0 {
            write!(f, "{octet:02x}")?;
        }
        f.write_str(")")
    }
}

/// Verifies signatures.
pub trait Verify {
    /// Checks `signature` of `key` over SHA-256 of `message`.
    ///
    /// # Errors
    /// [`InvalidSignature`] whenever it does not verify, whatever the reason.
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature>;
}

/// Signs with one key, wherever that key lives.
pub trait Sign {
    /// What can go wrong where the key lives.
    type Error;

    /// The public part of the signing key.
    fn public_key(&self) -> PublicKey;

    /// Signs SHA-256 of `message`.
    ///
    /// # Errors
    /// Whatever the holder of the key reports.
    fn sign(&self, message: &[u8]) -> Result<Signature, Self::Error>;
}

/// Agrees on secrets with one key (ECC CDH, SP 800-56A, 5.7.1.2; BSI TR-03111, 4.3.1, "ECKA").
pub trait Agree {
    /// The shared secret with the owner of `public_key`.
    fn agree(&self, public_key: &PublicKey) -> SharedSecret;
}

/// Everything that a terminal computes on P-256, on keys in its memory: by the portable code, or by that of a board whose
/// processor has better. All of them give the same results for the same inputs.
pub trait Curve: Verify {
    /// Draws a key uniformly from the whole range.
    fn generate(&self, random: &mut impl CryptoRng) -> SecretKey;

    /// Takes a stored key, as [`SecretKey::from_bytes`] does.
    ///
    /// # Errors
    /// [`InvalidSecretKey`] if the integer is zero or not below the group order.
    fn load(&self, octets: &[u8; 32]) -> Result<SecretKey, InvalidSecretKey>;

    /// Signs SHA-256 of `message`, by RFC 6979, 3.2.
    fn sign(&self, key: &SecretKey, message: &[u8]) -> Signature;

    /// The secret that `key` shares with the owner of `public_key`.
    fn agree(&self, key: &SecretKey, public_key: &PublicKey) -> SharedSecret;
}

/// The portable code of RustCrypto's `p256`.
#[derive(Clone, Copy, Debug, Default)]
pub struct PortableP256;

impl Verify for PortableP256 {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from(key.point);
        let signature =
            p256::ecdsa::Signature::from_slice(signature.as_bytes()).map_err(|_| InvalidSignature)?;
        key.verify_prehash(&sha256(&[message]), &signature)
            .map_err(|_| InvalidSignature)
    }
}

impl Curve for PortableP256 {
    fn generate(&self, random: &mut impl CryptoRng) -> SecretKey {
        SecretKey::generate(random)
    }

    fn load(&self, octets: &[u8; 32]) -> Result<SecretKey, InvalidSecretKey> {
        SecretKey::from_bytes(octets)
    }

    fn sign(&self, key: &SecretKey, message: &[u8]) -> Signature {
        let digest = sha256(&[message]);
        let (signature, _) = sign_prehashed_rfc6979::<NistP256, Sha256>(&key.scalar, &digest, &[]);
        Signature(signature.to_bytes().into())
    }

    fn agree(&self, key: &SecretKey, public_key: &PublicKey) -> SharedSecret {
        let secret = p256::ecdh::diffie_hellman(&*key.scalar, public_key.point.as_affine());
        SharedSecret::new(Zeroizing::new((*secret.raw_secret_bytes()).into()))
    }
}

/// The x coordinate of a Diffie-Hellman point, 32 octets, erased when dropped.
#[derive(Clone)]
pub struct SharedSecret(Zeroizing<[u8; 32]>);

impl SharedSecret {
    /// Takes over the x coordinate that another implementation computed.
    pub const fn new(x: Zeroizing<[u8; 32]>) -> Self {
        Self(x)
    }

    /// The x coordinate, big-endian: input of a key derivation, never a key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// A private key of P-256 in memory, for signatures or for key agreement, erased when dropped.
pub struct SecretKey {
    scalar: Zeroizing<NonZeroScalar>,
    public_key: PublicKey,
}

impl SecretKey {
    /// Draws a key uniformly from the whole range.
    pub fn generate(random: &mut impl CryptoRng) -> Self {
        Self::from_scalar(Zeroizing::new(NonZeroScalar::generate_from_rng(random)))
    }

    fn from_scalar(scalar: Zeroizing<NonZeroScalar>) -> Self {
        let public_key = PublicKey::from_point(p256::PublicKey::from_secret_scalar(&scalar));
        Self { scalar, public_key }
    }

    /// Takes a stored key: a big-endian integer.
    ///
    /// # Errors
    /// [`InvalidSecretKey`] if the integer is zero or not below the group order.
    pub fn from_bytes(octets: &[u8; 32]) -> Result<Self, InvalidSecretKey> {
        scalar(octets).map(Self::from_scalar)
    }

    /// Takes a key together with its public key, which the caller has computed: for a [`Curve`] that has faster code.
    ///
    /// # Errors
    /// [`InvalidSecretKey`] as for [`Self::from_bytes`]. Whether the two belong together is not checked.
    pub fn with_public_key(octets: &[u8; 32], public_key: PublicKey) -> Result<Self, InvalidSecretKey> {
        let scalar = scalar(octets)?;
        Ok(Self { scalar, public_key })
    }

    /// The integer, big-endian, for storage under protection.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.scalar.to_bytes().into())
    }

    /// The public key that belongs to this one.
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }
}

fn scalar(octets: &[u8; 32]) -> Result<Zeroizing<NonZeroScalar>, InvalidSecretKey> {
    let scalar = Option::from(NonZeroScalar::from_repr((*octets).into()));
    scalar.map(Zeroizing::new).ok_or(InvalidSecretKey)
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl Sign for SecretKey {
    type Error = Infallible;

    fn public_key(&self) -> PublicKey {
        SecretKey::public_key(self)
    }

    /// Deterministic, by RFC 6979, 3.2: needs no random source and the same message yields the same signature.
    fn sign(&self, message: &[u8]) -> Result<Signature, Infallible> {
        Ok(PortableP256.sign(self, message))
    }
}

impl Agree for SecretKey {
    fn agree(&self, public_key: &PublicKey) -> SharedSecret {
        PortableP256.agree(self, public_key)
    }
}
