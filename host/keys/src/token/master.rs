//! Card master keys in a token: three AES-128 keys that may do nothing but CKM_AES_CMAC. KDF3 makes a card's key from one
//! CMAC over 16 bytes (SPEC 6.2; NIST SP 800-108 in counter mode), so the token derives it and the master key stays inside.

use card_spec::scp03::{ChipSerial, StaticKeys};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use zeroize::Zeroizing;

use super::Token;
use crate::KeyError;

const EXPECTED: &str = "an AES-128 key that may make CMACs";

/// Handles of the ENC, MAC and DEK master keys.
pub(crate) struct TokenMasterKeys {
    token: Token,
    keys: [ObjectHandle; 3],
}

impl TokenMasterKeys {
    pub(crate) fn generate(token: &Token, object: &str) -> Result<Self, KeyError> {
        let labels = labels(object);
        for label in &labels {
            token.demand_free(label)?;
        }
        for label in &labels {
            let template = [
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Sign(true),
                Attribute::Encrypt(false),
                Attribute::Decrypt(false),
                Attribute::ValueLen(16.into()),
                Attribute::Label(label.as_bytes().to_vec()),
            ];
            token.with_session(|session| session.generate_key(&Mechanism::AesKeyGen, &template))?;
        }
        Self::open(token, object)
    }

    pub(crate) fn open(token: &Token, object: &str) -> Result<Self, KeyError> {
        let [enc, mac, dek] = labels(object);
        Ok(Self {
            keys: [
                find_key(token, &enc)?,
                find_key(token, &mac)?,
                find_key(token, &dek)?,
            ],
            token: token.clone(),
        })
    }

    pub(crate) fn card_keys(&self, chip_serial: &ChipSerial) -> Result<StaticKeys, KeyError> {
        let [enc, mac, dek] = self.keys;
        Ok(StaticKeys::new(
            *self.derive(enc, 1, chip_serial)?,
            *self.derive(mac, 2, chip_serial)?,
            *self.derive(dek, 3, chip_serial)?,
        ))
    }

    /// Key n = AES-CMAC under master key n of `01 ‖ 0000000n ‖ 00 ‖ chip serial` (SPEC 6.2).
    fn derive(
        &self,
        key: ObjectHandle,
        number: u8,
        chip_serial: &ChipSerial,
    ) -> Result<Zeroizing<[u8; 16]>, KeyError> {
        let input = [&[0x01, 0x00, 0x00, 0x00, number, 0x00], chip_serial.as_slice()].concat();
        let derived = self
            .token
            .with_session(|session| session.sign(&Mechanism::AesCMac, key, &input))
            .map(Zeroizing::new)?;
        let octets = derived.as_slice().try_into();
        octets.map(Zeroizing::new).map_err(|_| KeyError::TokenFailed {
            token: self.token.label().to_owned(),
            reason: "a CMAC that is not 16 bytes long".to_owned(),
        })
    }
}

fn labels(object: &str) -> [String; 3] {
    ["enc", "mac", "dek"].map(|name| format!("{object}-{name}"))
}

fn find_key(token: &Token, label: &str) -> Result<ObjectHandle, KeyError> {
    let handle = token.find(ObjectClass::SECRET_KEY, label)?;
    token.demand_own_key(handle, label, KeyType::AES, EXPECTED)?;
    let length = token.with_session(|session| session.get_attributes(handle, &[AttributeType::ValueLen]))?;
    if length != [Attribute::ValueLen(16.into())] {
        return Err(token.wrong_key_type(label, EXPECTED));
    }
    Ok(handle)
}
