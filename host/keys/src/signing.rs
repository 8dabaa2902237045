//! Signing keys on P-256: sealed as PKCS#8 EncryptedPrivateKeyInfo (RFC 5958) with PBES2 and scrypt (RFC 7914), or in a
//! PKCS#11 token.

use std::path::Path;

use card_spec::crypto::{PublicKey, SecretKey, Sign, Signature};
use getrandom::SysRng;
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{EncodePublicKey as _, LineEnding, PrivateKeyInfoRef};
use pkcs8::der::pem::PemLabel as _;
use pkcs8::{EncodePrivateKey as _, EncryptedPrivateKeyInfoRef, SecretDocument, pkcs5::pbes2};
use rand_core::TryRng as _;
use zeroize::Zeroizing;

use crate::token::{Token, TokenSigner};
use crate::{KeyError, Passphrase, files};

/// Which signer of the certificate tree a key is (SPEC.md 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// National root: signs the provincial issuers and the terminal CA.
    Root,
    /// Provincial issuer: signs cards, payment lists and block lists.
    Issuer,
    /// National terminal CA: signs terminals.
    TerminalCa,
}

impl Role {
    /// All roles, in the order in which their keys are made.
    pub const ALL: [Self; 3] = [Self::Root, Self::Issuer, Self::TerminalCa];

    /// Name of the role in file names: `root`, `issuer`, `terminal-ca`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Issuer => "issuer",
            Self::TerminalCa => "terminal-ca",
        }
    }
}

/// A private signing key, wherever it lives: in memory, taken from a sealed file, or in a PKCS#11 token.
///
/// Nonces of a key in memory are deterministic (RFC 6979), as SPEC.md 2.4 demands; a token is a chip with a random source of
/// its own (decision 14).
///
/// ```compile_fail,E0277
/// fn shown<T: std::fmt::Debug>() {}
/// shown::<ansinh_keys::SigningKey>();
/// ```
/// ```compile_fail,E0277
/// fn shown<T: std::fmt::Display>() {}
/// shown::<ansinh_keys::SigningKey>();
/// ```
pub struct SigningKey(Place);

enum Place {
    Memory(SecretKey),
    Token(TokenSigner),
}

impl SigningKey {
    /// Makes a new key from the operating system's random source.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        let key = p256::SecretKey::try_generate_from_rng(&mut SysRng).map_err(|_| KeyError::Random)?;
        Self::from_p256(&key).ok_or(KeyError::Random)
    }

    /// Makes a new key pair in a token, which never gives the private key away.
    ///
    /// # Errors
    /// [`KeyError::ObjectExists`], [`KeyError::TokenLost`], [`KeyError::TokenFailed`].
    pub fn generate_in_token(token: &Token, object: &str) -> Result<Self, KeyError> {
        TokenSigner::generate(token, object).map(|signer| Self(Place::Token(signer)))
    }

    /// Finds a key pair in a token by its label, and proves that both halves belong together.
    ///
    /// # Errors
    /// [`KeyError::ObjectMissing`], [`KeyError::ObjectTwice`], [`KeyError::WrongKeyType`], [`KeyError::Extractable`],
    /// [`KeyError::HalvesDiffer`], [`KeyError::TokenLost`], [`KeyError::TokenFailed`].
    pub fn in_token(token: &Token, object: &str) -> Result<Self, KeyError> {
        TokenSigner::open(token, object).map(|signer| Self(Place::Token(signer)))
    }

    fn from_p256(key: &p256::SecretKey) -> Option<Self> {
        let octets = Zeroizing::new(<[u8; 32]>::from(key.to_bytes()));
        SecretKey::from_bytes(&octets)
            .map(|key| Self(Place::Memory(key)))
            .ok()
    }

    /// Seals the key into a new file that `openssl pkcs8 -in FILE` opens with the same passphrase.
    ///
    /// # Errors
    /// [`KeyError::PassphraseTooShort`], [`KeyError::Exists`], [`KeyError::File`], [`KeyError::Random`];
    /// [`KeyError::StaysInToken`] for a key of a token.
    pub fn seal(&self, path: &Path, passphrase: &Passphrase) -> Result<(), KeyError> {
        let Place::Memory(secret) = &self.0 else {
            return Err(KeyError::StaysInToken);
        };
        passphrase.check_for_new_key()?;
        let failed = |_| KeyError::Cryptography("PKCS#8 encryption");
        let key = p256::SecretKey::from_slice(secret.to_bytes().as_slice())
            .map_err(|_| KeyError::Cryptography("private key"))?;
        let plain = key.to_pkcs8_der().map_err(failed)?;
        let info =
            PrivateKeyInfoRef::try_from(plain.as_bytes()).map_err(|_| KeyError::Cryptography("PKCS#8"))?;
        let sealed = info
            .encrypt_with_params(sealing_parameters()?, passphrase.as_bytes())
            .map_err(failed)?;
        let pem = sealed
            .to_pem(EncryptedPrivateKeyInfoRef::PEM_LABEL, LineEnding::LF)
            .map_err(|_| KeyError::Cryptography("PEM"))?;
        files::write_new(path, pem.as_bytes())
    }

    /// Opens a sealed file.
    ///
    /// # Errors
    /// [`KeyError::WrongPassphrase`], [`KeyError::NotAKeyFile`], [`KeyError::File`].
    pub fn open(path: &Path, passphrase: &Passphrase) -> Result<Self, KeyError> {
        let not_a_key = |reason| KeyError::NotAKeyFile {
            path: path.to_owned(),
            reason,
        };
        let wrong = || KeyError::WrongPassphrase {
            path: path.to_owned(),
        };
        let pem = files::read(path)?;
        let text = str::from_utf8(&pem).map_err(|_| not_a_key("not PEM text"))?;
        let (label, der) = SecretDocument::from_pem(text).map_err(|_| not_a_key("not PEM text"))?;
        EncryptedPrivateKeyInfoRef::validate_pem_label(label)
            .map_err(|_| not_a_key("not an ENCRYPTED PRIVATE KEY"))?;
        let sealed: EncryptedPrivateKeyInfoRef<'_> = der
            .decode_msg()
            .map_err(|_| not_a_key("not PKCS#8 EncryptedPrivateKeyInfo"))?;
        let plain = sealed.decrypt(passphrase.as_bytes()).map_err(|_| wrong())?;
        // CBC padding has no authenticator: one wrong passphrase in 256 decrypts to noise, which fails here.
        let info: PrivateKeyInfoRef<'_> = plain.decode_msg().map_err(|_| wrong())?;
        let key = p256::SecretKey::try_from(info).map_err(|_| not_a_key("not a P-256 key"))?;
        Self::from_p256(&key).ok_or(not_a_key("not a P-256 key"))
    }
}

impl Sign for SigningKey {
    type Error = KeyError;

    fn public_key(&self) -> PublicKey {
        match &self.0 {
            Place::Memory(key) => key.public_key(),
            Place::Token(signer) => *signer.public_key(),
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, KeyError> {
        match &self.0 {
            Place::Memory(key) => {
                let Ok(signature) = key.sign(message);
                Ok(signature)
            }
            Place::Token(signer) => signer.sign(message),
        }
    }
}

/// A public key as SubjectPublicKeyInfo in PEM, for `openssl dgst -sha256 -verify`.
///
/// # Errors
/// [`KeyError::Cryptography`] if the encoder refuses it.
pub fn public_key_pem(key: &PublicKey) -> Result<String, KeyError> {
    p256::PublicKey::from_sec1_bytes(key.as_bytes())
        .ok()
        .and_then(|key| key.to_public_key_pem(LineEnding::LF).ok())
        .ok_or(KeyError::Cryptography("SubjectPublicKeyInfo"))
}

/// scrypt N = 2^14, r = 8, p = 5 with AES-256-CBC: 16 MiB, as strong as N = 2^17, p = 1 (OWASP Password Storage Cheat Sheet),
/// because openssl refuses to spend more than 32 MiB on a key file (`SCRYPT_MAX_MEM` in crypto/evp/pbe_scrypt.c).
fn sealing_parameters() -> Result<pbes2::Parameters, KeyError> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    SysRng.try_fill_bytes(&mut salt).map_err(|_| KeyError::Random)?;
    SysRng.try_fill_bytes(&mut iv).map_err(|_| KeyError::Random)?;
    let failed = KeyError::Cryptography("scrypt parameters");
    let Ok(cost) = pkcs8::pkcs5::scrypt::Params::new(14, 8, 5) else {
        return Err(failed);
    };
    pbes2::Parameters::generate_scrypt_aes256cbc(cost, &salt, iv).map_err(|_| failed)
}
