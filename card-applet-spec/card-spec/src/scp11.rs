//! GlobalPlatform Secure Channel Protocol 11a (Amendment F, v1.3): terminal and card agree on session keys, each with a
//! static and an ephemeral key on P-256; what follows is the secure messaging of [`crate::scp03`] at level 33.
//!
//! The static public keys come out of certificates that the caller has verified; this module checks that the peer has
//! the private parts: the session keys and the receipt depend on both.

use core::fmt;

use zeroize::Zeroizing;

use crate::apdu::StatusWord;
use crate::crypto::{Agree, Curve, PortableP256, PublicKey, SecretKey, SharedSecret, ct_eq, sha256};
use crate::scp03::{AesKey, Block, CardChannel, HostChannel, SecurityLevel, SessionKeys, concat};

/// INS of MUTUAL AUTHENTICATE (class 80), the key agreement of SCP11a (Amendment F, 7.6.2).
pub const MUTUAL_AUTHENTICATE: u8 = 0x82;
/// P2 of MUTUAL AUTHENTICATE: the key identifier of SCP11a; P1 is the key version number.
pub const KEY_IDENTIFIER: u8 = 0x11;
/// Octets of the command data: A6 (15) ‖ 5F49 (68).
pub const COMMAND_LENGTH: usize = 83;
/// Octets of the response data: 5F49 (68) ‖ 86 (18).
pub const RESPONSE_LENGTH: usize = 86;

/// The receipt of the key agreement: an AES-CMAC over both ephemeral keys that only the two parties can compute. It
/// names the session, so a signature over it binds what is signed to the session.
pub type Receipt = [u8; 16];

/// The control reference template: SCP11 with the parameter 01 (SCP11a), key usage 3C (C-MAC, C-DECRYPTION, R-MAC,
/// R-ENCRYPTION), key type 88 (AES), key length 10 (Amendment F, 7.6.2.3).
const CONTROL_REFERENCE: [u8; 15] = [
    0xA6, 0x0D, 0x90, 0x02, 0x11, 0x01, 0x95, 0x01, 0x3C, 0x80, 0x01, 0x88, 0x81, 0x01, 0x10,
];
/// Key usage, key type, key length (Amendment F, 3.1.2).
const SHARED_INFO: [u8; 3] = [0x3C, 0x88, 0x10];
/// Tag and length of an ephemeral public key.
const PUBLIC_KEY_HEADER: [u8; 3] = [0x5F, 0x49, 0x41];
/// Tag and length of the receipt.
const RECEIPT_HEADER: [u8; 2] = [0x86, 0x10];

/// Octets of `5F49 41 ‖ public key`.
const PUBLIC_KEY_OBJECT: usize = 68;

/// Why no session came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgreementError {
    /// The message does not have the form that the profile prescribes.
    Malformed,
    /// The ephemeral key is not a point on P-256, or gives no secret.
    InvalidPoint,
    /// The receipt is wrong: the peer lacks the private key of its certificate, or the message was altered.
    NotAuthentic,
}

impl AgreementError {
    /// The status word a card answers with.
    pub const fn status(self) -> StatusWord {
        match self {
            Self::Malformed | Self::InvalidPoint => StatusWord::INCORRECT_DATA,
            Self::NotAuthentic => StatusWord::SECURITY_STATUS_NOT_SATISFIED,
        }
    }
}

impl fmt::Display for AgreementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => {
                "the key agreement message is malformed; no session was opened, present the card again"
            }
            Self::InvalidPoint => {
                "the key agreement holds an invalid point; no session was opened, keep the card"
            }
            Self::NotAuthentic => "the card does not own its certificate's key; do not pay, keep the card",
        })
    }
}

impl core::error::Error for AgreementError {}

/// The terminal's side of the key agreement, between command and response.
#[derive(Debug)]
pub struct TerminalAgreement {
    ephemeral: SecretKey,
    command: [u8; COMMAND_LENGTH],
}

impl TerminalAgreement {
    /// Starts with a fresh ephemeral key.
    pub fn new(ephemeral: SecretKey) -> Self {
        let object = public_key_object(&ephemeral.public_key());
        Self {
            command: concat(&[&CONTROL_REFERENCE, &object]),
            ephemeral,
        }
    }

    /// The data of MUTUAL AUTHENTICATE.
    pub const fn command_data(&self) -> &[u8; COMMAND_LENGTH] {
        &self.command
    }

    /// Checks the card's response data (without status word) and opens the session. `terminal_key` is the static key
    /// of the certificate that the card has verified, `card_key` the agreement key of the card that is expected.
    ///
    /// # Errors
    /// [`AgreementError`]; then nothing is known about the card.
    pub fn finish(
        self,
        terminal_key: &impl Agree,
        card_key: &PublicKey,
        response: &[u8],
    ) -> Result<(HostChannel, Receipt), AgreementError> {
        self.finish_with(&PortableP256, &terminal_key.agree(card_key), response)
    }

    /// As [`Self::finish`], with a board's code, and with the secret that the static keys of terminal and card share
    /// (ShSss): it is the same in each session of the two.
    ///
    /// # Errors
    /// [`AgreementError`]; then nothing is known about the card.
    pub fn finish_with(
        self,
        curve: &impl Curve,
        fixed: &SharedSecret,
        response: &[u8],
    ) -> Result<(HostChannel, Receipt), AgreementError> {
        let response: &[u8; RESPONSE_LENGTH] = response.try_into().map_err(|_| AgreementError::Malformed)?;
        let (object, rest) = response
            .split_first_chunk::<PUBLIC_KEY_OBJECT>()
            .ok_or(AgreementError::Malformed)?;
        let received = rest
            .strip_prefix(&RECEIPT_HEADER)
            .ok_or(AgreementError::Malformed)?;
        let card_ephemeral = parse_public_key(object)?;

        let ephemeral = curve.agree(&self.ephemeral, &card_ephemeral);
        let keys = derive(&ephemeral, fixed)?;
        let receipt = keys.receipt(&self.command, object);
        if !ct_eq(&receipt, received) {
            return Err(AgreementError::NotAuthentic);
        }
        // The receipt is the first MAC chaining value (Amendment F).
        Ok((
            HostChannel::open(keys.session, SecurityLevel::FULL, receipt),
            receipt,
        ))
    }
}

/// The card's side: from the data of MUTUAL AUTHENTICATE to the open session, its receipt and the response data.
/// `terminal_key` is the static key of the verified terminal certificate, `card_key` the card's static agreement key,
/// `ephemeral` a fresh one. The terminal proves its static key with its first C-MAC; before that the card knows
/// nothing about who asks, and must reveal nothing.
///
/// # Errors
/// [`AgreementError`]; there is no session then.
pub fn card_agreement(
    command_data: &[u8],
    card_key: &impl Agree,
    terminal_key: &PublicKey,
    ephemeral: &SecretKey,
) -> Result<(CardChannel, Receipt, [u8; RESPONSE_LENGTH]), AgreementError> {
    let command: &[u8; COMMAND_LENGTH] = command_data.try_into().map_err(|_| AgreementError::Malformed)?;
    let terminal_object = command
        .strip_prefix(&CONTROL_REFERENCE)
        .ok_or(AgreementError::Malformed)?;
    let terminal_ephemeral = parse_public_key(terminal_object)?;

    let keys = derive(
        &ephemeral.agree(&terminal_ephemeral),
        &card_key.agree(terminal_key),
    )?;
    let object = public_key_object(&ephemeral.public_key());
    let receipt = keys.receipt(command, &object);
    let response = concat(&[&object, &RECEIPT_HEADER, &receipt]);
    Ok((CardChannel::open(keys.session, receipt), receipt, response))
}

/// What the key derivation yields.
struct AgreedKeys {
    receipt_key: AesKey,
    session: SessionKeys,
}

impl AgreedKeys {
    /// The receipt covers command data and the card's ephemeral key object (Amendment F).
    fn receipt(&self, command: &[u8; COMMAND_LENGTH], card_ephemeral: &[u8]) -> Receipt {
        self.receipt_key.cmac(&[command, card_ephemeral])
    }
}

/// The X9.63 key derivation with SHA-256 (BSI TR-03111, 4.3.3) over ShSee ‖ ShSss (Amendment F, 3.1.2): receipt key,
/// S-ENC, S-MAC, S-RMAC. S-DEK, which would be the fifth key, has no use here and is not derived.
fn derive(ephemeral: &SharedSecret, fixed: &SharedSecret) -> Result<AgreedKeys, AgreementError> {
    // An honest agreement hits x = 0 with a probability of about 2^-255; a faulty chip may answer it at will.
    if [ephemeral, fixed]
        .iter()
        .any(|secret| ct_eq(secret.as_bytes(), &[0; 32]))
    {
        return Err(AgreementError::InvalidPoint);
    }
    let block = |counter: u32| -> Zeroizing<[u8; 32]> {
        Zeroizing::new(sha256(&[
            ephemeral.as_bytes(),
            fixed.as_bytes(),
            &counter.to_be_bytes(),
            &SHARED_INFO,
        ]))
    };
    let [receipt, enc] = halves(&block(1));
    let [mac, rmac] = halves(&block(2));
    Ok(AgreedKeys {
        receipt_key: AesKey::aes128(receipt),
        session: SessionKeys::agreed(enc, mac, rmac),
    })
}

fn halves(block: &[u8; 32]) -> [Block; 2] {
    let (first, second) = block.split_at(16);
    [concat(&[first]), concat(&[second])]
}

fn public_key_object(key: &PublicKey) -> [u8; PUBLIC_KEY_OBJECT] {
    concat(&[&PUBLIC_KEY_HEADER, key.as_bytes()])
}

fn parse_public_key(object: &[u8]) -> Result<PublicKey, AgreementError> {
    let key = object
        .strip_prefix(&PUBLIC_KEY_HEADER)
        .ok_or(AgreementError::Malformed)?;
    PublicKey::from_sec1(key).map_err(|_| AgreementError::InvalidPoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_secret_gives_no_keys() {
        let secret = |octet| SharedSecret::new(Zeroizing::new([octet; 32]));
        assert!(derive(&secret(1), &secret(2)).is_ok());
        assert_eq!(
            derive(&secret(0), &secret(2)).err(),
            Some(AgreementError::InvalidPoint)
        );
        assert_eq!(
            derive(&secret(1), &secret(0)).err(),
            Some(AgreementError::InvalidPoint)
        );
    }
}
