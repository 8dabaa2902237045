//! PUT KEY: replaces a card's three AES-128 keys inside a session (Amendment D, 7.2; GlobalPlatform Card
//! Specification, 11.8).
//!
//! Data: new KVN ‖ 3 × (`88 11 10` ‖ key encrypted (16) ‖ `03` ‖ key check value (3)), where 88 is AES, 11 the length of
//! what follows up to the check value, and 10 the length of the key. Response: KVN ‖ 3 key check values.

use core::fmt;

use aes::cipher::array::Array;
use zeroize::Zeroizing;

use super::handshake::concat;
use super::keys::{AesKey, KeyCheckValue, StaticKeys};
use crate::apdu::StatusWord;
use crate::crypto::ct_eq;

/// INS of PUT KEY (class 80; P1 is the version of the keys to replace).
pub const PUT_KEY: u8 = 0xD8;
/// P2 of PUT KEY: several keys, the first one with identifier 1.
pub const PUT_KEY_P2: u8 = 0x81;
/// Octets of the command data.
pub const PUT_KEY_LENGTH: usize = 70;
/// Octets of the response data.
pub const PUT_KEY_RESPONSE_LENGTH: usize = 10;

const PREFIX: [u8; 3] = [0x88, 0x11, 0x10];
const CHECK_VALUE_LENGTH: u8 = 3;
/// `88 11 10`, ciphertext, `03`, check value.
const KEY_BLOCK_LENGTH: usize = 23;

/// Why keys were not replaced. The old ones stay in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutKeyError {
    /// A key is not AES-128, or the data are not laid out as above.
    Malformed,
    /// A key check value is not that of the key: damaged, or encrypted under another DEK.
    CheckValue,
    /// A key is the factory default 40…4F.
    DefaultKey,
}

impl PutKeyError {
    /// The status word a card answers with.
    pub const fn status(self) -> StatusWord {
        StatusWord::INCORRECT_DATA
    }
}

impl fmt::Display for PutKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the key block is malformed; the card keeps its old keys",
            Self::CheckValue => "a key check value does not match; the card keeps its old keys",
            Self::DefaultKey => {
                "factory default keys are refused; the card keeps its old keys, choose others"
            }
        })
    }
}

impl core::error::Error for PutKeyError {}

/// The data of PUT KEY that give a card `new` keys under version `key_version`, encrypted with the card's present
/// `dek` (AES-CBC with a zero IV, Amendment D, 7.2; a static key in SCP03).
///
/// # Errors
/// [`PutKeyError::Malformed`] if a new key is not AES-128; [`PutKeyError::DefaultKey`].
pub fn encode_put_key(
    key_version: u8,
    new: &StaticKeys,
    dek: &AesKey,
) -> Result<[u8; PUT_KEY_LENGTH], PutKeyError> {
    if new.has_default_key() {
        return Err(PutKeyError::DefaultKey);
    }
    let [enc, mac, dek] = new.each().map(|key| encode_key(key, dek));
    Ok(concat(&[&[key_version], &enc?, &mac?, &dek?]))
}

/// The new key version and keys out of the data of PUT KEY, on a card whose present key encryption key is `dek`.
///
/// # Errors
/// [`PutKeyError`]; the card keeps its keys then.
pub fn parse_put_key(data: &[u8], dek: &AesKey) -> Result<(u8, StaticKeys), PutKeyError> {
    let data: &[u8; PUT_KEY_LENGTH] = data.try_into().map_err(|_| PutKeyError::Malformed)?;
    let (&[key_version], blocks) = data.split_first_chunk().ok_or(PutKeyError::Malformed)?;
    let (enc, blocks) = parse_key(blocks, dek)?;
    let (mac, blocks) = parse_key(blocks, dek)?;
    let (dek, _) = parse_key(blocks, dek)?;
    let keys = StaticKeys { enc, mac, dek };
    if keys.has_default_key() {
        return Err(PutKeyError::DefaultKey);
    }
    Ok((key_version, keys))
}

/// The response data of PUT KEY; the host compares them with what the card sent.
pub fn put_key_response(key_version: u8, keys: &StaticKeys) -> [u8; PUT_KEY_RESPONSE_LENGTH] {
    let [enc, mac, dek] = keys.each().map(AesKey::key_check_value);
    concat(&[&[key_version], &enc, &mac, &dek])
}

fn encode_key(key: &AesKey, dek: &AesKey) -> Result<[u8; KEY_BLOCK_LENGTH], PutKeyError> {
    let octets = key.as_bytes().try_into().map_err(|_| PutKeyError::Malformed)?;
    let encrypted = dek.encrypt_block(octets);
    Ok(concat(&[
        &PREFIX,
        &encrypted,
        &[CHECK_VALUE_LENGTH],
        &key.key_check_value(),
    ]))
}

fn parse_key<'d>(data: &'d [u8], dek: &AesKey) -> Result<(AesKey, &'d [u8]), PutKeyError> {
    let malformed = PutKeyError::Malformed;
    let (prefix, rest) = data.split_first_chunk::<3>().ok_or(malformed)?;
    let (&encrypted, rest) = rest.split_first_chunk::<16>().ok_or(malformed)?;
    let (&[length], rest) = rest.split_first_chunk().ok_or(malformed)?;
    let (check_value, rest) = rest.split_first_chunk::<3>().ok_or(malformed)?;
    if *prefix != PREFIX || length != CHECK_VALUE_LENGTH {
        return Err(malformed);
    }
    let mut block = Zeroizing::new(encrypted);
    let (blocks, _) = Array::slice_as_chunks_mut(block.as_mut_slice());
    dek.cbc_decrypt(None, blocks);
    let key = AesKey::aes128(*block);
    let expected: KeyCheckValue = key.key_check_value();
    if !ct_eq(&expected, check_value) {
        return Err(PutKeyError::CheckValue);
    }
    Ok((key, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scp03::DEFAULT_KEY;

    /// The encoder refuses such a block, so it is put together here.
    #[test]
    fn a_card_refuses_default_keys() {
        let dek = AesKey::aes128([3; 16]);
        let default = encode_key(&AesKey::aes128(DEFAULT_KEY), &dek).unwrap();
        let other = encode_key(&AesKey::aes128([1; 16]), &dek).unwrap();
        for blocks in [
            [default, other, other],
            [other, default, other],
            [other, other, default],
        ] {
            let data: [u8; PUT_KEY_LENGTH] = concat(&[&[0x31], blocks.as_flattened()]);
            assert_eq!(parse_put_key(&data, &dek).err(), Some(PutKeyError::DefaultKey));
        }
    }
}
