//! A signing key in a token: P-256 under CKM_ECDSA, which takes a digest and gives `r ‖ s` (PKCS #11 2.40 mechanisms, 2.3.1).

use card_spec::crypto::{PortableP256, PublicKey, Signature, Verify as _, sha256};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use p256::pkcs8::der::Decode as _;
use p256::pkcs8::der::asn1::OctetStringRef;

use super::Token;
use crate::KeyError;

/// DER of the object identifier 1.2.840.10045.3.1.7, secp256r1, as CKA_EC_PARAMS has it.
const P256: [u8; 10] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const EXPECTED: &str = "a P-256 key that may sign";

/// What is signed to see whether private and public key belong together: no object of ours begins like this.
const TRIAL: &[u8] = b"ansinh: do the two halves of this key belong together?";

/// A private key in a token, by its handle.
pub(crate) struct TokenSigner {
    token: Token,
    private: ObjectHandle,
    public_key: PublicKey,
}

impl TokenSigner {
    pub(crate) fn generate(token: &Token, object: &str) -> Result<Self, KeyError> {
        token.demand_free(object)?;
        let label = Attribute::Label(object.as_bytes().to_vec());
        let public = [
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Verify(true),
            Attribute::EcParams(P256.to_vec()),
            label.clone(),
        ];
        let private = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            label,
        ];
        token.with_session(|session| {
            session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)
        })?;
        Self::open(token, object)
    }

    pub(crate) fn open(token: &Token, object: &str) -> Result<Self, KeyError> {
        let private = token.find(ObjectClass::PRIVATE_KEY, object)?;
        token.demand_own_key(private, object, KeyType::EC, EXPECTED)?;
        let signer = Self {
            token: token.clone(),
            private,
            public_key: read_public_key(token, object)?,
        };
        let trial = signer.sign(TRIAL)?;
        PortableP256
            .verify(&signer.public_key, TRIAL, &trial)
            .map_err(|_| KeyError::HalvesDiffer {
                token: token.label().to_owned(),
                object: object.to_owned(),
            })?;
        Ok(signer)
    }

    pub(crate) fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Signature, KeyError> {
        let digest = sha256(&[message]);
        let signature = self
            .token
            .with_session(|session| session.sign(&Mechanism::Ecdsa, self.private, &digest))?;
        Signature::try_from(signature.as_slice()).map_err(|_| KeyError::TokenFailed {
            token: self.token.label().to_owned(),
            reason: "a signature that is not 64 bytes long".to_owned(),
        })
    }
}

fn read_public_key(token: &Token, object: &str) -> Result<PublicKey, KeyError> {
    let handle = token.find(ObjectClass::PUBLIC_KEY, object)?;
    let wrong = || token.wrong_key_type(object, EXPECTED);
    let wanted = [
        AttributeType::KeyType,
        AttributeType::EcParams,
        AttributeType::EcPoint,
    ];
    let attributes = token.with_session(|session| session.get_attributes(handle, &wanted))?;
    if !attributes.contains(&Attribute::EcParams(P256.to_vec())) {
        return Err(wrong());
    }
    // CKA_EC_POINT is the point inside a DER OCTET STRING (PKCS #11 2.40 mechanisms, 2.3.3).
    let point = attributes.iter().find_map(|attribute| match attribute {
        Attribute::EcPoint(point) => <&OctetStringRef>::from_der(point).ok(),
        _ => None,
    });
    point
        .and_then(|point| PublicKey::from_sec1(point.as_bytes()).ok())
        .ok_or_else(wrong)
}
