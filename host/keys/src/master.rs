//! Symmetric master keys of cards: in a sealed file (layout: `sealed.rs`, content ENC ‖ MAC ‖ DEK), or in a PKCS#11 token
//! that derives each card's keys itself.

use std::path::Path;

use card_spec::scp03::{AesKey, ChipSerial, DEFAULT_KEY, KeyCheckValue, StaticKeys, diversify};
use getrandom::SysRng;
use rand_core::TryRng as _;
use zeroize::Zeroizing;

use crate::token::{Token, TokenMasterKeys};
use crate::{KeyError, Passphrase, sealed};

/// The ENC, MAC and DEK master keys of one key version: the issuer's own, or a vendor's transport keys for one delivery.
///
/// ```compile_fail,E0277
/// fn shown<T: std::fmt::Debug>() {}
/// shown::<ansinh_keys::MasterKeys>();
/// ```
/// ```compile_fail,E0277
/// fn shown<T: std::fmt::Display>() {}
/// shown::<ansinh_keys::MasterKeys>();
/// ```
pub struct MasterKeys(Place);

enum Place {
    Memory(StaticKeys),
    Token(TokenMasterKeys),
}

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
            if AesKey::aes128(**key).key_check_value() != *check_value {
                return Err(KeyError::CheckValue { name });
            }
        }
        Ok(Self::from_octets(&Zeroizing::new(keys.map(|(key, _)| *key))))
    }

    /// Makes new master keys in a token, which never gives them away: AES objects `<object>-enc`, `-mac` and `-dek`.
    ///
    /// # Errors
    /// [`KeyError::ObjectExists`], [`KeyError::TokenLost`], [`KeyError::TokenFailed`].
    pub fn generate_in_token(token: &Token, object: &str) -> Result<Self, KeyError> {
        TokenMasterKeys::generate(token, object).map(|keys| Self(Place::Token(keys)))
    }

    /// Finds master keys in a token.
    ///
    /// # Errors
    /// [`KeyError::ObjectMissing`], [`KeyError::ObjectTwice`], [`KeyError::WrongKeyType`], [`KeyError::Extractable`],
    /// [`KeyError::TokenLost`], [`KeyError::TokenFailed`].
    pub fn in_token(token: &Token, object: &str) -> Result<Self, KeyError> {
        TokenMasterKeys::open(token, object).map(|keys| Self(Place::Token(keys)))
    }

    /// Seals the keys into a new file.
    ///
    /// # Errors
    /// [`KeyError::PassphraseTooShort`], [`KeyError::Exists`], [`KeyError::File`], [`KeyError::Random`];
    /// [`KeyError::StaysInToken`] for keys of a token.
    pub fn seal(&self, path: &Path, purpose: &str, passphrase: &Passphrase) -> Result<(), KeyError> {
        let Place::Memory(keys) = &self.0 else {
            return Err(KeyError::StaysInToken);
        };
        let plain = Zeroizing::new(each(keys).map(AesKey::as_bytes).concat());
        sealed::seal(path, sealed::Kind::MasterKeys, purpose, &plain, passphrase)
    }

    /// Opens a sealed file that was sealed for this purpose.
    ///
    /// # Errors
    /// [`KeyError::WrongPassphrase`], also for a changed file or one of another purpose; [`KeyError::NotAKeyFile`];
    /// [`KeyError::File`].
    pub fn open(path: &Path, purpose: &str, passphrase: &Passphrase) -> Result<Self, KeyError> {
        let keys = sealed::open(path, sealed::Kind::MasterKeys, purpose, passphrase)?;
        match keys.as_chunks::<16>() {
            ([enc, mac, dek], []) => Ok(Self(Place::Memory(StaticKeys::new(*enc, *mac, *dek)))),
            _ => Err(KeyError::NotAKeyFile {
                path: path.to_owned(),
                reason: "wrong number of keys",
            }),
        }
    }

    /// The static keys of one card, derived from the master keys and the serial of its chip (SPEC 6.2, KDF3). Nothing else
    /// ever leaves, so that losing one card's keys loses one card.
    ///
    /// # Errors
    /// [`KeyError::TokenLost`], [`KeyError::TokenFailed`]; none for keys of a file.
    pub fn card_keys(&self, chip_serial: &ChipSerial) -> Result<StaticKeys, KeyError> {
        match &self.0 {
            Place::Memory(keys) => Ok(diversify(keys, chip_serial)),
            Place::Token(keys) => keys.card_keys(chip_serial),
        }
    }

    /// Check values of ENC, MAC and DEK as GlobalPlatform has them, which may be shown and stored.
    ///
    /// # Errors
    /// [`KeyError::StaysInToken`] for keys of a token, which encrypt nothing: see [`Self::fingerprint`].
    pub fn check_values(&self) -> Result<[KeyCheckValue; 3], KeyError> {
        match &self.0 {
            Place::Memory(keys) => Ok(each(keys).map(AesKey::key_check_value)),
            Place::Token(_) => Err(KeyError::StaysInToken),
        }
    }

    /// Tells these master keys from others wherever they live, and may be shown and stored: the check values of the keys that
    /// a chip with a serial of ten zeros would get.
    ///
    /// # Errors
    /// As [`Self::card_keys`].
    pub fn fingerprint(&self) -> Result<[KeyCheckValue; 3], KeyError> {
        let keys = self.card_keys(&[0; 10])?;
        Ok(each(&keys).map(AesKey::key_check_value))
    }

    fn from_octets([enc, mac, dek]: &[[u8; 16]; 3]) -> Self {
        Self(Place::Memory(StaticKeys::new(*enc, *mac, *dek)))
    }
}

fn each(keys: &StaticKeys) -> [&AesKey; 3] {
    [&keys.enc, &keys.mac, &keys.dek]
}

/// GlobalPlatform's sample key, and keys of one repeated byte: a card under such a key belongs to anybody.
fn is_public_knowledge(key: &[u8; 16]) -> bool {
    let [first, rest @ ..] = key;
    *key == DEFAULT_KEY || rest.iter().all(|byte| byte == first)
}
