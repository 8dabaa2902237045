//! Symmetric master keys of cards, sealed with argon2id (RFC 9106) and ChaCha20-Poly1305 (RFC 8439).
//!
//! Layout of a sealed file, integers big-endian:
//! `ANSINHMK` (8) ‖ version `01` ‖ argon2id memory in KiB (u32) ‖ passes (u32) ‖ lanes (u32) ‖ salt (16) ‖ nonce (12) ‖
//! ciphertext of ENC ‖ MAC ‖ DEK (48) ‖ tag (16). Authenticated besides: everything before the ciphertext, and the purpose
//! under which the file is used, so that one sealed file cannot be renamed into another's place.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use card_spec::scp03::{AesKey, ChipSerial, DEFAULT_KEY, KeyCheckValue, StaticKeys, diversify};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use getrandom::SysRng;
use rand_core::TryRng as _;
use zeroize::Zeroizing;

use crate::{KeyError, Passphrase, files};

const MAGIC_AND_VERSION: &[u8; 9] = b"ANSINHMK\x01";
const HEADER: usize = MAGIC_AND_VERSION.len() + 3 * 4 + 16 + 12;
/// RFC 9106, section 4, second recommended option: 64 MiB, 3 passes, 4 lanes.
const COST: [u32; 3] = [64 * 1024, 3, 4];
/// A file that asks for more memory (in KiB), passes or lanes than this is refused rather than obeyed.
const HIGHEST_COST: [u32; 3] = [1024 * 1024, 64, 64];

/// The ENC, MAC and DEK master keys of one key version: the issuer's own, or a vendor's transport keys for one delivery.
pub struct MasterKeys(StaticKeys);

/// A transport key as a vendor delivered it, with its check value.
pub type TransportKey<'a> = (&'a [u8; 16], KeyCheckValue);

impl MasterKeys {
    /// Makes new master keys from the operating system's random source.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        let mut keys = Zeroizing::new([[0; 16]; 3]);
        SysRng
            .try_fill_bytes(keys.as_flattened_mut())
            .map_err(|_| KeyError::Random)?;
        Ok(Self::from_octets(&keys))
    }

    /// Takes the transport keys of a delivery in the order ENC, MAC, DEK.
    ///
    /// # Errors
    /// [`KeyError::DefaultKey`] for the key `40 41 … 4F` of GlobalPlatform samples and for one repeated byte;
    /// [`KeyError::CheckValue`].
    pub fn from_transport(keys: [TransportKey<'_>; 3]) -> Result<Self, KeyError> {
        for ((key, check_value), name) in keys.iter().zip(["enc", "mac", "dek"]) {
            if is_public_knowledge(key) {
                return Err(KeyError::DefaultKey { name });
            }
            if AesKey::Aes128(**key).key_check_value() != *check_value {
                return Err(KeyError::CheckValue { name });
            }
        }
        Ok(Self::from_octets(&Zeroizing::new(keys.map(|(key, _)| *key))))
    }

    /// Seals the keys into a new file.
    ///
    /// # Errors
    /// [`KeyError::PassphraseTooShort`], [`KeyError::Exists`], [`KeyError::File`], [`KeyError::Random`].
    pub fn seal(&self, path: &Path, purpose: &str, passphrase: &Passphrase) -> Result<(), KeyError> {
        passphrase.check_for_new_key()?;
        let mut file = MAGIC_AND_VERSION.to_vec();
        file.extend(COST.iter().flat_map(|cost| cost.to_be_bytes()));
        let mut salt_and_nonce = [0; 28];
        SysRng
            .try_fill_bytes(&mut salt_and_nonce)
            .map_err(|_| KeyError::Random)?;
        file.extend(salt_and_nonce);

        let keys = Zeroizing::new(self.check_order().map(AesKey::as_bytes).concat());
        let aad = [&file, purpose.as_bytes()].concat();
        let sealed = file
            .first_chunk()
            .and_then(|header| Lock::derive(header, passphrase))
            .and_then(|lock| {
                lock.cipher
                    .encrypt(
                        &lock.nonce,
                        Payload {
                            msg: &keys,
                            aad: &aad,
                        },
                    )
                    .ok()
            })
            .ok_or(KeyError::Cryptography("sealing the master keys"))?;
        file.extend(sealed);
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
        if !header.starts_with(MAGIC_AND_VERSION) {
            return Err(not_a_key("not a master key file of version 1"));
        }
        let lock =
            Lock::derive(header, passphrase).ok_or(not_a_key("costs of key derivation out of range"))?;
        let aad = [header.as_slice(), purpose.as_bytes()].concat();
        let keys = lock
            .cipher
            .decrypt(
                &lock.nonce,
                Payload {
                    msg: sealed,
                    aad: &aad,
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| KeyError::WrongPassphrase {
                path: path.to_owned(),
            })?;
        match keys.as_chunks::<16>() {
            ([enc, mac, dek], []) => Ok(Self(StaticKeys::new(*enc, *mac, *dek))),
            _ => Err(not_a_key("wrong number of keys")),
        }
    }

    /// The static keys of one card, derived from the master keys and the serial of its chip (KDF3). Nothing else ever
    /// leaves, so that losing one card's keys loses one card.
    pub fn card_keys(&self, chip_serial: &ChipSerial) -> StaticKeys {
        diversify(&self.0, chip_serial)
    }

    /// Check values of ENC, MAC and DEK, which may be shown and stored.
    pub fn check_values(&self) -> [KeyCheckValue; 3] {
        self.check_order().map(AesKey::key_check_value)
    }

    fn check_order(&self) -> [&AesKey; 3] {
        [&self.0.enc, &self.0.mac, &self.0.dek]
    }

    fn from_octets([enc, mac, dek]: &[[u8; 16]; 3]) -> Self {
        Self(StaticKeys::new(*enc, *mac, *dek))
    }
}

/// GlobalPlatform's sample key, and keys of one repeated byte: a card under such a key belongs to anybody.
fn is_public_knowledge(key: &[u8; 16]) -> bool {
    let [first, rest @ ..] = key;
    *key == DEFAULT_KEY || rest.iter().all(|byte| byte == first)
}

/// The cipher under the key that a passphrase gives with a file's header, and the file's nonce.
struct Lock {
    cipher: ChaCha20Poly1305,
    nonce: Nonce,
}

impl Lock {
    fn derive(header: &[u8; HEADER], passphrase: &Passphrase) -> Option<Self> {
        let (costs, rest) = header
            .strip_prefix(MAGIC_AND_VERSION)?
            .split_first_chunk::<12>()?;
        let (salt, rest) = rest.split_first_chunk::<16>()?;
        let nonce: &[u8; 12] = rest.first_chunk()?;
        let (costs, _) = costs.as_chunks::<4>();
        if costs
            .iter()
            .zip(HIGHEST_COST)
            .any(|(cost, highest)| u32::from_be_bytes(*cost) > highest)
        {
            return None;
        }
        let &[memory, passes, lanes] = costs.first_chunk()?;
        let [memory, passes, lanes] = [memory, passes, lanes].map(u32::from_be_bytes);
        let parameters = Params::new(memory, passes, lanes, Some(32)).ok()?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
            .hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice())
            .ok()?;
        Some(Self {
            cipher: ChaCha20Poly1305::new((&*key).into()),
            nonce: (*nonce).into(),
        })
    }
}
