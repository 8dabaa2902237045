//! A card that takes no time of its own: its key pairs come from a pool made beforehand, it computes with AWS-LC, and it
//! checks nothing of what it is given. So a measurement with it is one of host, ledger, pcscd and wire.

use std::path::Path;

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use card_spec::command::{GenerateData, GeneratedKeys, KeyPossession};
use card_spec::crypto::{PublicKey, Signature, sha256};
use card_spec::scp03::{AesKey, ChipSerial};
use card_spec::signed::encode_body;

use crate::hostile::{Impostor, Lies, encode};

/// Both key pairs of one card.
pub struct KeyPairs {
    agreement: PrivateKey,
    signing: EcdsaKeyPair,
    agreement_key: PublicKey,
    signing_key: PublicKey,
}

impl KeyPairs {
    /// Key pairs for this many cards.
    pub fn pool(cards: usize) -> Vec<Self> {
        (0..cards).map(|_| Self::generate()).collect()
    }

    fn generate() -> Self {
        let agreement = PrivateKey::generate(&ECDH_P256).unwrap();
        let signing = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let agreement_key = agreement.compute_public_key().unwrap();
        Self {
            agreement_key: PublicKey::from_sec1(agreement_key.as_ref()).unwrap(),
            signing_key: PublicKey::from_sec1(signing.public_key().as_ref()).unwrap(),
            agreement,
            signing,
        }
    }

    /// The proof of SPEC 6.5.
    fn prove(&self, question: &GenerateData) -> GeneratedKeys {
        let possession = KeyPossession {
            suite: Default::default(),
            card_number: question.card_number,
            nonce: question.nonce,
            agreement_key: self.agreement_key,
            signing_key: self.signing_key,
        };
        let mut buffer = [0; 256];
        let body = encode_body(&possession, &mut buffer).unwrap();
        let signature = self.signing.sign(&SystemRandom::new(), body).unwrap();
        let host = UnparsedPublicKey::new(&ECDH_P256, question.ephemeral.as_bytes());
        let block = agree(&self.agreement, host, (), |secret| {
            Ok(sha256(&[secret, &[0, 0, 0, 1]]))
        })
        .unwrap();
        GeneratedKeys {
            agreement_key: possession.agreement_key,
            signing_key: possession.signing_key,
            signature: Signature::try_from(signature.as_ref()).unwrap(),
            confirmation: AesKey::from_bytes(&block[..16]).unwrap().cmac(&[body]),
        }
    }
}

/// The chip of this serial, with keys from the pool.
pub fn card(delivery: &Path, serial: ChipSerial, keys: KeyPairs) -> Impostor {
    let lies = Lies::with_proof(move |question| encode(&keys.prove(question)));
    Impostor::new(delivery, serial, lies)
}
