//! AES keys, and how SCP03 derives some from others.

use core::fmt;
use core::ops::Sub;

use aes::cipher::array::sizes::{U16, U32};
use aes::cipher::array::{Array, ArraySize};
use aes::cipher::typenum::Unsigned as _;
use aes::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit,
};
use aes::{Aes128, Aes192, Aes256};
use cmac::{Cmac, Mac};
use zeroize::Zeroize;

use crate::crypto::ct_eq;

/// An AES block.
pub(crate) type Block = [u8; 16];

/// The key diversification data of INITIALIZE UPDATE: 10 octets that name the chip.
pub type ChipSerial = [u8; 10];

/// The first three octets of the key's encryption of sixteen octets 01 (Amendment D, 7.2.2).
pub type KeyCheckValue = [u8; 3];

/// The key that cards leave many factories with, and that GlobalPlatform tools try by default. It protects nothing.
pub const DEFAULT_KEY: [u8; 16] = [
    0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F,
];

/// Derivation constants (Amendment D, table 4-1).
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Purpose {
    CardCryptogram = 0x00,
    HostCryptogram = 0x01,
    Encryption = 0x04,
    CommandMac = 0x06,
    ResponseMac = 0x07,
}

/// An AES key, erased when dropped. The profile uses AES-128.
#[derive(Clone)]
pub struct AesKey {
    /// The key, and nothing behind it.
    octets: Octets,
    algorithm: &'static Algorithm,
}

/// Room for a key of any length.
type Octets = Array<u8, U32>;

/// In place: key, what encrypts to the initial value (`None`: that is zero), blocks. One call, so that the key is expanded once.
type Cbc = fn(&Octets, Option<&Block>, &mut [Array<u8, U16>]);

/// What AES does with keys of one length. Each key points to its own, so that a terminal, which knows AES-128 only, has no code
/// for the others in its image.
struct Algorithm {
    /// In octets.
    key_length: usize,
    cbc_encrypt: Cbc,
    cbc_decrypt: Cbc,
    cmac: fn(&Octets, &[&[u8]]) -> Block,
}

static AES_128: Algorithm = Algorithm::of::<Aes128>();
static AES_192: Algorithm = Algorithm::of::<Aes192>();
static AES_256: Algorithm = Algorithm::of::<Aes256>();

impl Algorithm {
    const fn of<C>() -> Self
    where
        C: BlockCipherEncrypt<BlockSize = U16> + BlockCipherDecrypt + KeyInit,
        Cmac<C>: Mac<OutputSize = U16> + KeyInit<KeySize = C::KeySize>,
        U32: Sub<C::KeySize, Output: ArraySize>,
    {
        Self {
            key_length: C::KeySize::USIZE,
            cbc_encrypt: |key, counter, blocks| {
                let cipher = C::new(start(key));
                let iv = initial_vector(&cipher, counter);
                cbc::Encryptor::inner_iv_init(cipher, &iv).encrypt_blocks(blocks);
            },
            cbc_decrypt: |key, counter, blocks| {
                let cipher = C::new(start(key));
                let iv = initial_vector(&cipher, counter);
                cbc::Decryptor::inner_iv_init(cipher, &iv).decrypt_blocks(blocks);
            },
            cmac: |key, parts| {
                let mut mac = <Cmac<C> as KeyInit>::new(start(key));
                for part in parts {
                    mac.update(part);
                }
                mac.finalize().into_bytes().into()
            },
        }
    }
}

fn initial_vector<C>(cipher: &C, counter: Option<&Block>) -> Array<u8, U16>
where
    C: BlockCipherEncrypt<BlockSize = U16>,
{
    let Some(counter) = counter else {
        return Array::default();
    };
    let mut iv = Array(*counter);
    cipher.encrypt_block(&mut iv);
    iv
}

fn start<N>(octets: &Octets) -> &Array<u8, N>
where
    N: ArraySize,
    U32: Sub<N, Output: ArraySize>,
{
    let (start, _) = octets.split_ref();
    start
}

impl AesKey {
    /// A key of AES-128.
    pub const fn aes128(key: [u8; 16]) -> Self {
        let mut octets = [0; 32];
        if let Some(start) = octets.first_chunk_mut() {
            *start = key;
        }
        Self {
            octets: Array(octets),
            algorithm: &AES_128,
        }
    }

    /// Takes a key of 16, 24 or 32 octets; `None` for any other length.
    pub fn from_bytes(octets: &[u8]) -> Option<Self> {
        let all = [&AES_128, &AES_192, &AES_256];
        let algorithm = all
            .into_iter()
            .find(|algorithm| algorithm.key_length == octets.len())?;
        let mut key = Self {
            octets: Array::default(),
            algorithm,
        };
        key.octets_mut().copy_from_slice(octets);
        Some(key)
    }

    /// The key's octets, for storage under protection.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.algorithm.key_length).unwrap_or_default()
    }

    fn octets_mut(&mut self) -> &mut [u8] {
        self.octets
            .get_mut(..self.algorithm.key_length)
            .unwrap_or_default()
    }

    /// The key check value: tells a wrong key from a right one, and nothing else about it.
    pub fn key_check_value(&self) -> KeyCheckValue {
        let [a, b, c, ..] = self.encrypt_block([0x01; 16]);
        [a, b, c]
    }

    pub(super) fn encrypt_block(&self, block: Block) -> Block {
        let mut blocks = [Array(block)];
        self.cbc_encrypt(None, &mut blocks);
        let [Array(block)] = blocks;
        block
    }

    /// In place; the initial value is `counter` encrypted with this key, or zero.
    pub(super) fn cbc_encrypt(&self, counter: Option<&Block>, blocks: &mut [Array<u8, U16>]) {
        (self.algorithm.cbc_encrypt)(&self.octets, counter, blocks);
    }

    /// The inverse of [`Self::cbc_encrypt`].
    pub(super) fn cbc_decrypt(&self, counter: Option<&Block>, blocks: &mut [Array<u8, U16>]) {
        (self.algorithm.cbc_decrypt)(&self.octets, counter, blocks);
    }

    /// AES-CMAC (SP 800-38B) over the concatenation of `parts`.
    pub fn cmac(&self, parts: &[&[u8]]) -> [u8; 16] {
        (self.algorithm.cmac)(&self.octets, parts)
    }

    /// The data derivation scheme of Amendment D, 4.1.5: SP 800-108 in counter mode with AES-CMAC. Per block it MACs
    /// 11 zeros ‖ constant ‖ 00 ‖ L in bits (2) ‖ counter (1) ‖ context.
    fn derive(&self, purpose: Purpose, context: &[&[u8; 8]; 2], out: &mut [u8]) {
        let [high, low] = u16::try_from(out.len().saturating_mul(8))
            .unwrap_or(u16::MAX)
            .to_be_bytes();
        let [host, card] = context;
        for (block, counter) in out.chunks_mut(16).zip(1u8..) {
            let mac = self.cmac(&[&[0; 11], &[purpose as u8, 0x00, high, low, counter], *host, *card]);
            fill(block, mac);
        }
    }

    /// A session key as long as this key.
    fn derive_key(&self, purpose: Purpose, context: &[&[u8; 8]; 2]) -> Self {
        self.like_this(|out| self.derive(purpose, context, out))
    }

    /// A card's key from a master key: SP 800-108 in counter mode with AES-CMAC over
    /// counter (1) ‖ 0000 00 number (4) ‖ 00 ‖ chip serial (10).
    fn diversify(&self, number: u8, chip_serial: &ChipSerial) -> Self {
        self.like_this(|out| {
            for (block, counter) in out.chunks_mut(16).zip(1u8..) {
                let mac = self.cmac(&[&[counter, 0x00, 0x00, 0x00, number, 0x00], chip_serial]);
                fill(block, mac);
            }
        })
    }

    /// A key of this one's length, with the octets that `fill` writes.
    fn like_this(&self, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut key = self.clone();
        fill(key.octets_mut());
        key
    }
}

impl Zeroize for AesKey {
    fn zeroize(&mut self) {
        self.octets.zeroize();
    }
}

impl Drop for AesKey {
    fn drop(&mut self) {
        self.zeroize();
    }
}

/// Never shows the key.
impl fmt::Debug for AesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AesKey(..)")
    }
}

/// Copies as much of `mac` as `block` takes, and erases it.
fn fill(block: &mut [u8], mut mac: Block) {
    for (to, from) in block.iter_mut().zip(mac) {
        *to = from;
    }
    mac.zeroize();
}

/// The three long-term keys that one key version number names: of a card, or the master keys of an issuer.
#[derive(Clone, Debug)]
pub struct StaticKeys {
    /// Key-ENC: session encryption keys derive from it.
    pub enc: AesKey,
    /// Key-MAC: session MAC keys derive from it.
    pub mac: AesKey,
    /// Key-DEK: encrypts keys in PUT KEY, as it is.
    pub dek: AesKey,
}

impl StaticKeys {
    /// Three AES-128 keys.
    pub const fn new(enc: [u8; 16], mac: [u8; 16], dek: [u8; 16]) -> Self {
        Self {
            enc: AesKey::aes128(enc),
            mac: AesKey::aes128(mac),
            dek: AesKey::aes128(dek),
        }
    }

    /// Whether any of the keys is [`DEFAULT_KEY`]; such a set must not be put on a card nor left on one.
    pub fn has_default_key(&self) -> bool {
        self.each().iter().any(|key| ct_eq(key.as_bytes(), &DEFAULT_KEY))
    }

    /// ENC, MAC, DEK: the order of PUT KEY (key identifiers 1, 2, 3).
    pub(super) const fn each(&self) -> [&AesKey; 3] {
        [&self.enc, &self.mac, &self.dek]
    }
}

/// The keys of one card from an issuer's master keys, by "KDF3" as GlobalPlatformPro has it, so that a card remains
/// manageable with that tool: SP 800-108 in counter mode, constants 1, 2, 3 for ENC, MAC, DEK.
pub fn diversify(master: &StaticKeys, chip_serial: &ChipSerial) -> StaticKeys {
    StaticKeys {
        enc: master.enc.diversify(1, chip_serial),
        mac: master.mac.diversify(2, chip_serial),
        dek: master.dek.diversify(3, chip_serial),
    }
}

/// The keys of one secure channel session.
#[derive(Debug)]
pub struct SessionKeys {
    pub(super) enc: AesKey,
    pub(super) mac: AesKey,
    pub(super) rmac: AesKey,
}

impl SessionKeys {
    /// S-ENC, S-MAC and S-RMAC from the static keys and the two challenges (Amendment D, 6.2.1).
    pub fn derive(keys: &StaticKeys, host_challenge: &[u8; 8], card_challenge: &[u8; 8]) -> Self {
        let context = [host_challenge, card_challenge];
        Self {
            enc: keys.enc.derive_key(Purpose::Encryption, &context),
            mac: keys.mac.derive_key(Purpose::CommandMac, &context),
            rmac: keys.mac.derive_key(Purpose::ResponseMac, &context),
        }
    }

    /// Session keys that a key agreement gave.
    pub(crate) const fn agreed(enc: Block, mac: Block, rmac: Block) -> Self {
        Self {
            enc: AesKey::aes128(enc),
            mac: AesKey::aes128(mac),
            rmac: AesKey::aes128(rmac),
        }
    }

    /// The card authentication cryptogram (Amendment D, 6.2.2.2).
    pub(super) fn card_cryptogram(&self, host_challenge: &[u8; 8], card_challenge: &[u8; 8]) -> [u8; 8] {
        self.cryptogram(Purpose::CardCryptogram, &[host_challenge, card_challenge])
    }

    /// The host authentication cryptogram (Amendment D, 6.2.2.3).
    pub(super) fn host_cryptogram(&self, host_challenge: &[u8; 8], card_challenge: &[u8; 8]) -> [u8; 8] {
        self.cryptogram(Purpose::HostCryptogram, &[host_challenge, card_challenge])
    }

    /// Erases the keys of a session that has ended.
    pub(super) fn erase(&mut self) {
        self.enc.zeroize();
        self.mac.zeroize();
        self.rmac.zeroize();
    }

    fn cryptogram(&self, purpose: Purpose, context: &[&[u8; 8]; 2]) -> [u8; 8] {
        let mut cryptogram = [0; 8];
        self.mac.derive(purpose, context, &mut cryptogram);
        cryptogram
    }
}
