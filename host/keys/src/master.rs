//! Symmetric master keys of cards, sealed with argon2id (RFC 9106) and ChaCha20-Poly1305 (RFC 8439).
//!
//! Layout of a sealed file, integers big-endian:
//! `ANSINHMK` (8) ‖ version `01` ‖ argon2id memory in KiB (u32) ‖ passes (u32) ‖ lanes (u32) ‖ salt (16) ‖ nonce (12) ‖
//! ciphertext of ENC ‖ MAC ‖ DEK (48) ‖ tag (16). Authenticated besides: everything before the ciphertext, and the purpose
//! under which the file is used, so that one sealed file cannot be renamed into another's place.

use std::path::Path;

use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead as _, Payload};
use getrandom::SysRng;
use rand_core::TryRng as _;
use zeroize::Zeroizing;

use crate::{KeyError, Passphrase, files};

/// Length of a chip serial, the derivation data of a card's keys (SPEC.md 6.2).
pub const CHIP_SERIAL_LENGTH: usize = 10;

/// First 3 bytes of AES-ECB over sixteen `01` bytes (SPEC.md 6.4).
pub type KeyCheckValue = [u8; 3];

const MAGIC: &[u8; 8] = b"ANSINHMK";
const VERSION: u8 = 1;
const SALT_AT: usize = MAGIC.len() + 1 + 12;
const NONCE_AT: usize = SALT_AT + 16;
const HEADER: usize = NONCE_AT + 12;
const KEYS: usize = 48;
/// RFC 9106, section 4, second recommended option: 64 MiB, 3 passes, 4 lanes.
const COST: (u32, u32, u32) = (64 * 1024, 3, 4);
/// A file that asks for more memory than this (in KiB) is refused rather than obeyed.
const MOST_MEMORY: u32 = 1024 * 1024;

/// The ENC, MAC and DEK master keys of one key version: the issuer's own, or a vendor's transport keys for one delivery.
pub struct MasterKeys {
    keys: Zeroizing<[u8; KEYS]>,
}

/// The static keys of one card, derived from the master keys and the chip serial.
pub struct CardKeys {
    /// Static ENC key.
    pub enc: Zeroizing<[u8; 16]>,
    /// Static MAC key.
    pub mac: Zeroizing<[u8; 16]>,
    /// Static DEK.
    pub dek: Zeroizing<[u8; 16]>,
}

impl MasterKeys {
    /// Makes new master keys from the operating system's random source.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        let mut keys = Zeroizing::new([0; KEYS]);
        SysRng
            .try_fill_bytes(keys.as_mut_slice())
            .map_err(|_| KeyError::Random)?;
        Ok(Self { keys })
    }

    /// Takes transport keys as a vendor delivered them, each with its check value, in the order ENC, MAC, DEK.
    ///
    /// # Errors
    /// [`KeyError::DefaultKey`] for the key `40 41 … 4F` of GlobalPlatform samples and for one repeated byte;
    /// [`KeyError::CheckValue`].
    pub fn from_transport([enc, mac, dek]: [(&[u8; 16], KeyCheckValue); 3]) -> Result<Self, KeyError> {
        let mut keys = Zeroizing::new([0; KEYS]);
        let named = [("enc", enc), ("mac", mac), ("dek", dek)];
        for (place, (name, (key, check_value))) in keys.chunks_exact_mut(16).zip(named) {
            if is_public_knowledge(key) {
                return Err(KeyError::DefaultKey { name });
            }
            if key_check_value(key) != check_value {
                return Err(KeyError::CheckValue { name });
            }
            place.copy_from_slice(key);
        }
        Ok(Self { keys })
    }

    /// Seals the keys into a new file.
    ///
    /// # Errors
    /// [`KeyError::PassphraseTooShort`], [`KeyError::Exists`], [`KeyError::File`], [`KeyError::Random`].
    pub fn seal(&self, path: &Path, purpose: &str, passphrase: &Passphrase) -> Result<(), KeyError> {
        passphrase.check_for_new_key()?;
        let mut random = [0; 28];
        SysRng.try_fill_bytes(&mut random).map_err(|_| KeyError::Random)?;
        let (memory, passes, lanes) = COST;
        let mut file = Vec::with_capacity(HEADER + KEYS + 16);
        file.extend_from_slice(MAGIC);
        file.push(VERSION);
        for cost in [memory, passes, lanes] {
            file.extend_from_slice(&cost.to_be_bytes());
        }
        file.extend_from_slice(&random);
        let header: [u8; HEADER] = file
            .as_slice()
            .try_into()
            .map_err(|_| KeyError::Cryptography("header"))?;
        let payload = Payload {
            msg: self.keys.as_slice(),
            aad: &associated_data(&header, purpose),
        };
        let sealed = cipher(&header, passphrase)
            .and_then(|cipher| cipher.encrypt(&nonce(&header).into(), payload).ok())
            .ok_or(KeyError::Cryptography("sealing"))?;
        file.extend_from_slice(&sealed);
        files::write_new(path, &file)
    }

    /// Opens a sealed file that was sealed for this purpose.
    ///
    /// # Errors
    /// [`KeyError::WrongPassphrase`], also for a changed file or one of another purpose; [`KeyError::NotAKeyFile`];
    /// [`KeyError::File`].
    pub fn open(path: &Path, purpose: &str, passphrase: &Passphrase) -> Result<Self, KeyError> {
        let not_a_key = |reason| KeyError::NotAKeyFile {
            path: path.to_owned(),
            reason,
        };
        let file = files::read(path)?;
        let (header, sealed) = file.split_first_chunk::<HEADER>().ok_or(not_a_key("too short"))?;
        if !header.starts_with(MAGIC) || header.get(MAGIC.len()) != Some(&VERSION) {
            return Err(not_a_key("not a master key file of version 1"));
        }
        let cipher = cipher(header, passphrase).ok_or(not_a_key("key derivation parameters out of range"))?;
        let payload = Payload {
            msg: sealed,
            aad: &associated_data(header, purpose),
        };
        let plain = cipher
            .decrypt(&nonce(header).into(), payload)
            .map(Zeroizing::new)
            .map_err(|_| KeyError::WrongPassphrase {
                path: path.to_owned(),
            })?;
        let mut keys = Zeroizing::new([0; KEYS]);
        if plain.len() != KEYS {
            return Err(not_a_key("wrong number of keys"));
        }
        keys.copy_from_slice(&plain);
        Ok(Self { keys })
    }

    /// Check values of ENC, MAC and DEK, which may be shown and stored.
    pub fn check_values(&self) -> [KeyCheckValue; 3] {
        let (keys, _) = self.keys.as_chunks::<16>();
        let mut values = [[0; 3]; 3];
        for (value, key) in values.iter_mut().zip(keys) {
            *value = key_check_value(key);
        }
        values
    }
}

/// The check value of a key (SPEC.md 6.4).
pub fn key_check_value(key: &[u8; 16]) -> KeyCheckValue {
    let mut block = [1; 16].into();
    aes::Aes128::new(key.into()).encrypt_block(&mut block);
    let [first, second, third, ..] = block.0;
    [first, second, third]
}

/// GlobalPlatform's sample key, and keys of one repeated byte: a card under such a key belongs to anybody.
fn is_public_knowledge(key: &[u8; 16]) -> bool {
    let sample = key.iter().zip(0x40..).all(|(byte, expected)| *byte == expected);
    let [first, rest @ ..] = key;
    sample || rest.iter().all(|byte| byte == first)
}

fn cipher(header: &[u8; HEADER], passphrase: &Passphrase) -> Option<ChaCha20Poly1305> {
    let number = |at: usize| Some(u32::from_be_bytes(*header.get(at..)?.first_chunk()?));
    let (memory, passes, lanes) = (number(9)?, number(13)?, number(17)?);
    if memory > MOST_MEMORY || passes > 64 || lanes > 64 {
        return None;
    }
    let parameters = Params::new(memory, passes, lanes, Some(32)).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
        .hash_password_into(
            passphrase.as_bytes(),
            header.get(SALT_AT..NONCE_AT)?,
            key.as_mut_slice(),
        )
        .ok()?;
    Some(ChaCha20Poly1305::new((&*key).into()))
}

fn nonce(header: &[u8; HEADER]) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&header[NONCE_AT..]);
    nonce
}

fn associated_data(header: &[u8; HEADER], purpose: &str) -> Vec<u8> {
    [header.as_slice(), purpose.as_bytes()].concat()
}
