//! Mutual authentication: INITIALIZE UPDATE and EXTERNAL AUTHENTICATE (Amendment D, 6.2.2 and 7.1).

use core::fmt;

use super::channel::{CardChannel, HostChannel};
use super::keys::{Block, ChipSerial, SessionKeys, StaticKeys};
use super::session::SecurityLevel;
use crate::apdu::{Command, StatusWord};
use crate::crypto::ct_eq;

/// A challenge of S8 mode: 8 random octets, never used twice.
pub type Challenge = [u8; 8];

/// INS of INITIALIZE UPDATE (class 80).
pub const INITIALIZE_UPDATE: u8 = 0x50;
/// INS of EXTERNAL AUTHENTICATE (class 84).
pub const EXTERNAL_AUTHENTICATE: u8 = 0x82;
/// Octets of the APDU `80 50 KVN 00 08 ‖ host challenge (8) ‖ 00`.
pub const INITIALIZE_UPDATE_LENGTH: usize = 14;
/// Octets of the response data: chip serial (10) ‖ KVN ‖ 03 ‖ 60 ‖ card challenge (8) ‖ card cryptogram (8).
pub const INITIALIZE_UPDATE_RESPONSE_LENGTH: usize = 29;
/// Octets of the APDU `84 82 level 00 10 ‖ host cryptogram (8) ‖ MAC (8)`.
pub const EXTERNAL_AUTHENTICATE_LENGTH: usize = 21;

const SCP03: u8 = 0x03;
/// The parameter "i" (Amendment D, table 5-1): random card challenge, R-MAC and R-ENCRYPTION supported.
const PARAMETER_I: u8 = 0x60;
/// Class of commands before the session and of the first one inside it.
const PLAIN_CLASS: u8 = 0x80;
const PROTECTED_CLASS: u8 = 0x84;

/// Why the peers did not authenticate. There is no session then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// The command or response does not have the form that the profile prescribes.
    Malformed,
    /// The card offers another protocol, or a variant outside the profile.
    OtherProtocol,
    /// The card has no keys of that version.
    UnknownKeyVersion,
    /// The host asks for less than full protection.
    SecurityLevel,
    /// The peer does not have the keys, or the message was altered.
    NotAuthentic,
}

impl HandshakeError {
    /// The status word a card answers with.
    pub const fn status(self) -> StatusWord {
        match self {
            Self::Malformed | Self::OtherProtocol => StatusWord::INCORRECT_DATA,
            Self::UnknownKeyVersion => StatusWord::REFERENCED_DATA_NOT_FOUND,
            Self::SecurityLevel => StatusWord::INCORRECT_P1_P2,
            Self::NotAuthentic => StatusWord::SECURITY_STATUS_NOT_SATISFIED,
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => {
                "the handshake message is malformed; no session was opened, present the card again"
            }
            Self::OtherProtocol => {
                "the card does not offer SCP03 with i=60; it is not one of ours, set it aside"
            }
            Self::UnknownKeyVersion => "the card has no keys of that version; choose the version it reports",
            Self::SecurityLevel => "only security level 33 is allowed; no session was opened",
            Self::NotAuthentic => {
                "the keys do not match; stop before the card counts you out, and check the key set"
            }
        })
    }
}

impl core::error::Error for HandshakeError {}

/// What a card answers to INITIALIZE UPDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitializeUpdateResponse {
    /// The key diversification data: names the chip. Not authentic before the handshake is complete.
    pub chip_serial: ChipSerial,
    /// The version number of the keys that the card uses.
    pub key_version: u8,
    /// The card's challenge.
    pub card_challenge: Challenge,
    /// The card's proof that it has the keys.
    pub card_cryptogram: [u8; 8],
}

impl InitializeUpdateResponse {
    /// Reads the response data (without status word).
    ///
    /// # Errors
    /// [`HandshakeError::Malformed`] for another length, [`HandshakeError::OtherProtocol`] for another SCP or "i".
    pub fn parse(data: &[u8]) -> Result<Self, HandshakeError> {
        let malformed = HandshakeError::Malformed;
        let (&chip_serial, rest) = data.split_first_chunk().ok_or(malformed)?;
        let (&[key_version, protocol, i], rest) = rest.split_first_chunk().ok_or(malformed)?;
        if (protocol, i) != (SCP03, PARAMETER_I) {
            return Err(HandshakeError::OtherProtocol);
        }
        let (&card_challenge, rest) = rest.split_first_chunk().ok_or(malformed)?;
        let card_cryptogram = rest.try_into().map_err(|_| malformed)?;
        Ok(Self {
            chip_serial,
            key_version,
            card_challenge,
            card_cryptogram,
        })
    }

    /// The response data.
    pub fn to_bytes(&self) -> [u8; INITIALIZE_UPDATE_RESPONSE_LENGTH] {
        let info = [self.key_version, SCP03, PARAMETER_I];
        concat(&[
            &self.chip_serial,
            &info,
            &self.card_challenge,
            &self.card_cryptogram,
        ])
    }
}

/// The host's side between INITIALIZE UPDATE and EXTERNAL AUTHENTICATE.
#[derive(Debug)]
pub struct HostHandshake {
    host_challenge: Challenge,
    level: SecurityLevel,
}

impl HostHandshake {
    /// Starts with a fresh random challenge, at [`SecurityLevel::FULL`].
    pub const fn new(host_challenge: Challenge) -> Self {
        Self {
            host_challenge,
            level: SecurityLevel::FULL,
        }
    }

    /// The same at another level. Cards of this application refuse it.
    #[must_use]
    pub const fn at_level(self, level: SecurityLevel) -> Self {
        Self { level, ..self }
    }

    /// The APDU to send first; `key_version` 0 lets the card choose.
    pub fn initialize_update(&self, key_version: u8) -> [u8; INITIALIZE_UPDATE_LENGTH] {
        concat(&[
            &[PLAIN_CLASS, INITIALIZE_UPDATE, key_version, 0x00, 0x08],
            &self.host_challenge,
            &[0x00],
        ])
    }

    /// Checks that the card has `keys`, and returns the channel with the EXTERNAL AUTHENTICATE to send. Use the channel
    /// only after the card answered 9000 to it, in the clear; the R-MAC of the first response then proves that it was
    /// the card.
    ///
    /// # Errors
    /// [`HandshakeError::NotAuthentic`] if the cryptogram is not that of `keys`.
    pub fn card_response(
        self,
        keys: &StaticKeys,
        response: &InitializeUpdateResponse,
    ) -> Result<(HostChannel, [u8; EXTERNAL_AUTHENTICATE_LENGTH]), HandshakeError> {
        let session = SessionKeys::derive(keys, &self.host_challenge, &response.card_challenge);
        let expected = session.card_cryptogram(&self.host_challenge, &response.card_challenge);
        if !ct_eq(&expected, &response.card_cryptogram) {
            return Err(HandshakeError::NotAuthentic);
        }
        let cryptogram = session.host_cryptogram(&self.host_challenge, &response.card_challenge);
        let header = external_authenticate_header(self.level);
        let mac = external_authenticate_mac(&session, self.level, &cryptogram);
        let apdu = concat(&[&header, &cryptogram, mac.first_chunk::<8>().unwrap_or(&[0; 8])]);
        Ok((HostChannel::open(session, self.level, mac), apdu))
    }
}

/// The card's side between INITIALIZE UPDATE and EXTERNAL AUTHENTICATE. One attempt: it is consumed by it.
pub struct CardHandshake {
    session: SessionKeys,
    host_cryptogram: [u8; 8],
}

impl CardHandshake {
    /// Answers INITIALIZE UPDATE with `keys` of version `key_version` and a fresh random challenge.
    ///
    /// # Errors
    /// [`HandshakeError::Malformed`] if `command` is not a well-formed INITIALIZE UPDATE;
    /// [`HandshakeError::UnknownKeyVersion`] if it asks for another version than `key_version` or 0.
    pub fn initialize_update(
        command: &Command<'_>,
        keys: &StaticKeys,
        key_version: u8,
        chip_serial: ChipSerial,
        card_challenge: Challenge,
    ) -> Result<(Self, [u8; INITIALIZE_UPDATE_RESPONSE_LENGTH]), HandshakeError> {
        if (command.class, command.instruction, command.p2) != (PLAIN_CLASS, INITIALIZE_UPDATE, 0x00) {
            return Err(HandshakeError::Malformed);
        }
        let host_challenge: Challenge = command.data.try_into().map_err(|_| HandshakeError::Malformed)?;
        if command.p1 != 0 && command.p1 != key_version {
            return Err(HandshakeError::UnknownKeyVersion);
        }
        let session = SessionKeys::derive(keys, &host_challenge, &card_challenge);
        let card_cryptogram = session.card_cryptogram(&host_challenge, &card_challenge);
        let host_cryptogram = session.host_cryptogram(&host_challenge, &card_challenge);
        let response = InitializeUpdateResponse {
            chip_serial,
            key_version,
            card_challenge,
            card_cryptogram,
        };
        Ok((
            Self {
                session,
                host_cryptogram,
            },
            response.to_bytes(),
        ))
    }

    /// Checks EXTERNAL AUTHENTICATE; the card answers 9000 in the clear, and protects everything after it.
    ///
    /// # Errors
    /// [`HandshakeError`] unless the host has the keys and asks for [`SecurityLevel::FULL`].
    pub fn external_authenticate(self, command: &Command<'_>) -> Result<CardChannel, HandshakeError> {
        if (command.class, command.instruction, command.p2) != (PROTECTED_CLASS, EXTERNAL_AUTHENTICATE, 0x00)
        {
            return Err(HandshakeError::Malformed);
        }
        let received: &[u8; 16] = command.data.try_into().map_err(|_| HandshakeError::Malformed)?;
        if command.p1 != SecurityLevel::FULL.to_byte() {
            return Err(HandshakeError::SecurityLevel);
        }
        let mac = external_authenticate_mac(&self.session, SecurityLevel::FULL, &self.host_cryptogram);
        let expected: [u8; 16] = concat(&[&self.host_cryptogram, mac.first_chunk::<8>().unwrap_or(&[0; 8])]);
        if !ct_eq(&expected, received) {
            return Err(HandshakeError::NotAuthentic);
        }
        Ok(CardChannel::open(self.session, mac))
    }
}

/// The host cryptogram stays out: it is what a host has to know.
impl fmt::Debug for CardHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardHandshake(..)")
    }
}

const fn external_authenticate_header(level: SecurityLevel) -> [u8; 5] {
    [
        PROTECTED_CLASS,
        EXTERNAL_AUTHENTICATE,
        level.to_byte(),
        0x00,
        0x10,
    ]
}

/// The C-MAC of EXTERNAL AUTHENTICATE: the chaining value before it is all zeros (Amendment D, 6.2.3).
fn external_authenticate_mac(session: &SessionKeys, level: SecurityLevel, cryptogram: &[u8; 8]) -> Block {
    session
        .mac
        .cmac(&[&[0; 16], &external_authenticate_header(level), cryptogram])
}

/// The concatenation of parts that are `N` octets together.
pub(crate) fn concat<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(parts.iter().copied().flatten()) {
        *to = *from;
    }
    out
}
