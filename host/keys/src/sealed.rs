//! Files of secrets other than signing keys, sealed with argon2id (RFC 9106) and ChaCha20-Poly1305 (RFC 8439).
//!
//! Layout, integers big-endian:
//! kind (8) ‖ version `01` ‖ argon2id memory in KiB (u32) ‖ passes (u32) ‖ lanes (u32) ‖ salt (16) ‖ nonce (12) ‖
//! ciphertext ‖ tag (16). Authenticated besides: everything before the ciphertext, and the purpose under which the file is
//! used, so that one sealed file cannot be renamed into another's place.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use getrandom::SysRng;
use rand_core::TryRng as _;
use zeroize::Zeroizing;

use crate::{KeyError, Passphrase, files};

/// What a file holds: its first eight bytes and the version of its layout.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Master keys of cards.
    MasterKeys,
    /// User PIN of a token.
    TokenPin,
}

impl Kind {
    const LENGTH: usize = 9;

    const fn magic_and_version(self) -> &'static [u8; Self::LENGTH] {
        match self {
            Self::MasterKeys => b"ANSINHMK\x01",
            Self::TokenPin => b"ANSINHTP\x01",
        }
    }

    const fn not_this(self) -> &'static str {
        match self {
            Self::MasterKeys => "not a master key file of version 1",
            Self::TokenPin => "not a file with a token's PIN of version 1",
        }
    }
}

const HEADER: usize = Kind::LENGTH + 3 * 4 + 16 + 12;
/// RFC 9106, section 4, second recommended option: 64 MiB, 3 passes, 4 lanes.
const COST: [u32; 3] = [64 * 1024, 3, 4];
/// A file that asks for more memory (in KiB), passes or lanes than this is refused rather than obeyed.
const HIGHEST_COST: [u32; 3] = [1024 * 1024, 64, 64];

/// Seals a secret into a new file.
pub(crate) fn seal(
    path: &Path,
    kind: Kind,
    purpose: &str,
    plain: &[u8],
    passphrase: &Passphrase,
) -> Result<(), KeyError> {
    passphrase.check_for_new_key()?;
    let mut file = kind.magic_and_version().to_vec();
    file.extend(COST.iter().flat_map(|cost| cost.to_be_bytes()));
    let mut salt_and_nonce = [0; 28];
    SysRng
        .try_fill_bytes(&mut salt_and_nonce)
        .map_err(|_| KeyError::Random)?;
    file.extend(salt_and_nonce);
    let aad = [&file, purpose.as_bytes()].concat();
    let sealed = file
        .first_chunk()
        .and_then(|header| Lock::derive(header, kind, passphrase))
        .and_then(|lock| {
            let payload = Payload {
                msg: plain,
                aad: &aad,
            };
            lock.cipher.encrypt(&lock.nonce, payload).ok()
        })
        .ok_or(KeyError::Cryptography("sealing a secret"))?;
    file.extend(sealed);
    files::write_new(path, &file)
}

/// Opens a file of this kind that was sealed for this purpose.
pub(crate) fn open(
    path: &Path,
    kind: Kind,
    purpose: &str,
    passphrase: &Passphrase,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let not_a_key = |reason| KeyError::NotAKeyFile {
        path: path.to_owned(),
        reason,
    };
    let file = files::read(path)?;
    let (header, sealed) = file.split_first_chunk::<HEADER>().ok_or(not_a_key("too short"))?;
    if !header.starts_with(kind.magic_and_version()) {
        return Err(not_a_key(kind.not_this()));
    }
    let lock =
        Lock::derive(header, kind, passphrase).ok_or(not_a_key("costs of key derivation out of range"))?;
    let aad = [header.as_slice(), purpose.as_bytes()].concat();
    let payload = Payload {
        msg: sealed,
        aad: &aad,
    };
    lock.cipher
        .decrypt(&lock.nonce, payload)
        .map(Zeroizing::new)
        .map_err(|_| KeyError::WrongPassphrase {
            path: path.to_owned(),
        })
}

/// The cipher under the key that a passphrase gives with a file's header, and the file's nonce.
struct Lock {
    cipher: ChaCha20Poly1305,
    nonce: Nonce,
}

impl Lock {
    fn derive(header: &[u8; HEADER], kind: Kind, passphrase: &Passphrase) -> Option<Self> {
        let (costs, rest) = header
            .strip_prefix(kind.magic_and_version())?
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
