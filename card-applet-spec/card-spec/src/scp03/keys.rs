//! AES keys, and how SCP03 derives some from others.

use core::fmt;

use aes::cipher::array::Array;
use aes::cipher::array::sizes::U16;
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
pub enum AesKey {
    /// AES-128.
    Aes128([u8; 16]),
    /// AES-192.
    Aes192([u8; 24]),
    /// AES-256.
    Aes256([u8; 32]),
}

impl AesKey {
    /// Takes a key of 16, 24 or 32 octets; `None` for any other length.
    pub fn from_bytes(octets: &[u8]) -> Option<Self> {
        if let Ok(key) = octets.try_into() {
            return Some(Self::Aes128(key));
        }
        if let Ok(key) = octets.try_into() {
            return Some(Self::Aes192(key));
        }
        octets.try_into().ok().map(Self::Aes256)
    }

    /// The key's octets, for storage under protection.
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Aes128(key) => key,
            Self::Aes192(key) => key,
            Self::Aes256(key) => key,
        }
    }

    /// The key check value: tells a wrong key from a right one, and nothing else about it.
    pub fn key_check_value(&self) -> KeyCheckValue {
        let [a, b, c, ..] = self.encrypt_block([0x01; 16]);
        [a, b, c]
    }

    pub(super) fn encrypt_block(&self, block: Block) -> Block {
        let mut blocks = [Array(block)];
        self.cbc_encrypt(&[0; 16], &mut blocks);
        let [Array(block)] = blocks;
        block
    }

    pub(super) fn cbc_encrypt(&self, iv: &Block, blocks: &mut [Array<u8, U16>]) {
        match self {
            Self::Aes128(key) => cbc_encrypt_with(Aes128::new(key.into()), iv, blocks),
            Self::Aes192(key) => cbc_encrypt_with(Aes192::new(key.into()), iv, blocks),
            Self::Aes256(key) => cbc_encrypt_with(Aes256::new(key.into()), iv, blocks),
        }
    }

    pub(super) fn cbc_decrypt(&self, iv: &Block, blocks: &mut [Array<u8, U16>]) {
        match self {
            Self::Aes128(key) => cbc_decrypt_with(Aes128::new(key.into()), iv, blocks),
            Self::Aes192(key) => cbc_decrypt_with(Aes192::new(key.into()), iv, blocks),
            Self::Aes256(key) => cbc_decrypt_with(Aes256::new(key.into()), iv, blocks),
        }
    }

    /// AES-CMAC (SP 800-38B) over the concatenation of `parts`.
    pub fn cmac(&self, parts: &[&[u8]]) -> [u8; 16] {
        match self {
            Self::Aes128(key) => cmac_over(Cmac::<Aes128>::new(key.into()), parts),
            Self::Aes192(key) => cmac_over(Cmac::<Aes192>::new(key.into()), parts),
            Self::Aes256(key) => cmac_over(Cmac::<Aes256>::new(key.into()), parts),
        }
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
        match &mut key {
            Self::Aes128(octets) => fill(octets),
            Self::Aes192(octets) => fill(octets),
            Self::Aes256(octets) => fill(octets),
        }
        key
    }
}

impl Zeroize for AesKey {
    fn zeroize(&mut self) {
        match self {
            Self::Aes128(key) => key.zeroize(),
            Self::Aes192(key) => key.zeroize(),
            Self::Aes256(key) => key.zeroize(),
        }
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

fn cbc_encrypt_with<C>(cipher: C, iv: &Block, blocks: &mut [Array<u8, U16>])
where
    C: BlockCipherEncrypt<BlockSize = U16>,
{
    cbc::Encryptor::inner_iv_init(cipher, iv.into()).encrypt_blocks(blocks);
}

fn cbc_decrypt_with<C>(cipher: C, iv: &Block, blocks: &mut [Array<u8, U16>])
where
    C: BlockCipherDecrypt<BlockSize = U16>,
{
    cbc::Decryptor::inner_iv_init(cipher, iv.into()).decrypt_blocks(blocks);
}

fn cmac_over(mut mac: impl Mac<OutputSize = U16>, parts: &[&[u8]]) -> Block {
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
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
            enc: AesKey::Aes128(enc),
            mac: AesKey::Aes128(mac),
            dek: AesKey::Aes128(dek),
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
            enc: AesKey::Aes128(enc),
            mac: AesKey::Aes128(mac),
            rmac: AesKey::Aes128(rmac),
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
