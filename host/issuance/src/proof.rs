//! The card's proof that both its keys are its own, fresh, and for this number (SPEC 6.5).

use ansinh_verifier::AwsLc;
use card_spec::command::{GenerateData, GeneratedKeys, KeyPossession};
use card_spec::crypto::{Agree as _, PublicKey, SecretKey, SharedSecret, Verify as _, ct_eq, sha256};
use card_spec::cso::CardSecurityObject;
use card_spec::scp03::AesKey;
use card_spec::signed::encode_body;
use card_spec::values::CardNumber;
use zeroize::Zeroizing;

use crate::Failure;

/// Keys whose private parts the card has shown to have. Only a verified answer to this run's
/// question makes it, or the CSO in force on an authenticated card; a CSO names no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvenKeys {
    agreement: PublicKey,
    signing: PublicKey,
}

impl ProvenKeys {
    /// The keys of a card in force: it proved them before its first CSO was signed, and every CSO of the card names the same
    /// (SPEC 13.6). The caller has verified the CSO, and the authenticated card has said that it is in force.
    pub(crate) fn in_force(cso: &CardSecurityObject) -> Self {
        Self {
            agreement: cso.agreement_key,
            signing: cso.signing_key,
        }
    }

    /// The key agreement key.
    pub fn agreement(&self) -> &PublicKey {
        &self.agreement
    }

    /// The signing key.
    pub fn signing(&self) -> &PublicKey {
        &self.signing
    }
}

/// What the card is asked to prove: fresh for each run.
pub(crate) struct Question {
    number: CardNumber,
    nonce: [u8; 16],
    ephemeral: SecretKey,
}

impl Question {
    pub(crate) fn new(number: CardNumber, nonce: [u8; 16], ephemeral: SecretKey) -> Self {
        Self {
            number,
            nonce,
            ephemeral,
        }
    }

    /// Data of GENERATE ASYMMETRIC KEY PAIR.
    pub(crate) fn command_data(&self) -> GenerateData {
        GenerateData {
            card_number: self.number,
            nonce: self.nonce,
            ephemeral: self.ephemeral.public_key(),
        }
    }

    /// Checks the card's answer: the signature proves the signing key, the confirmation the agreement key, and both cover
    /// the number and the nonce, so that an old answer or another card's does not pass.
    pub(crate) fn verify(&self, answer: &[u8]) -> Result<ProvenKeys, Failure> {
        let keys = GeneratedKeys::parse(answer).map_err(|_| Failure::KeyProof("encoding"))?;
        if keys.agreement_key == keys.signing_key {
            return Err(Failure::KeyProof("one key for two uses"));
        }
        let possession = KeyPossession {
            suite: Default::default(),
            card_number: self.number,
            nonce: self.nonce,
            agreement_key: keys.agreement_key,
            signing_key: keys.signing_key,
        };
        let mut buffer = [0; 256];
        let body = encode_body(&possession, &mut buffer).map_err(|_| Failure::KeyProof("encoding"))?;
        AwsLc
            .verify(&keys.signing_key, body, &keys.signature)
            .map_err(|_| Failure::KeyProof("signature"))?;
        let confirmation = confirmation_key(&self.ephemeral.agree(&keys.agreement_key)).cmac(&[body]);
        if !ct_eq(&confirmation, &keys.confirmation) {
            return Err(Failure::KeyProof("key confirmation"));
        }
        Ok(ProvenKeys {
            agreement: keys.agreement_key,
            signing: keys.signing_key,
        })
    }
}

/// First 16 bytes of the X9.63 KDF (TR-03111, 4.3.3) with SHA-256 and empty SharedInfo: one block, counter 1.
fn confirmation_key(secret: &SharedSecret) -> AesKey {
    let block = Zeroizing::new(sha256(&[secret.as_bytes(), &1_u32.to_be_bytes()]));
    let (key, _) = block.split_first_chunk().unwrap_or((&[0; 16], &[]));
    AesKey::aes128(*key)
}
