//! The two ends of secure messaging, what they may carry and how they refuse.

use core::fmt;

use super::keys::{Block, SessionKeys};
use super::session::{SecurityLevel, Session};
use crate::apdu::{Command, Response, StatusWord};

/// The longest protected command, in octets: a PN532 frame carries 255 octets, of which 3 are its own, so 252 remain.
pub const MAX_PROTECTED_COMMAND: usize = 252;
/// The longest protected response with its status word, in octets: the same frame, the other way.
pub const MAX_PROTECTED_RESPONSE: usize = 252;
/// Octets of data that one protected command carries: 252 − header 4 − Lc 1 − Le 1 − MAC 8 = 238, whole blocks 224,
/// one octet at least is padding.
pub const MAX_COMMAND_DATA: usize = 223;
/// Octets of data that one protected response carries: 252 − SW 2 − MAC 8 = 242, whole blocks 240, one octet at least
/// is padding.
pub const MAX_RESPONSE_DATA: usize = 239;

/// Why a channel refused. Whatever it was, the channel is closed and its keys are erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelError {
    /// The channel was closed by an earlier failure.
    Closed,
    /// A command without its response, a response without its command.
    OutOfTurn,
    /// The class of the command names a logical channel, or protection that it does not have.
    Class,
    /// The data exceed [`MAX_COMMAND_DATA`] or [`MAX_RESPONSE_DATA`].
    TooLong,
    /// The output buffer is too small.
    BufferTooSmall,
    /// Secure messaging is missing: CLA does not announce it, or there is no room for a MAC.
    Unprotected,
    /// The MAC is wrong, or what it protects cannot have been produced by the peer's protocol.
    Forged,
    /// The encryption counter is exhausted.
    CounterExhausted,
}

impl ChannelError {
    /// The status word a card answers with, in the clear.
    pub const fn status(self) -> StatusWord {
        match self {
            Self::Closed | Self::OutOfTurn | Self::CounterExhausted => {
                StatusWord::SECURITY_STATUS_NOT_SATISFIED
            }
            Self::Class => StatusWord::CLASS_NOT_SUPPORTED,
            Self::TooLong | Self::BufferTooSmall => StatusWord::WRONG_LENGTH,
            Self::Unprotected => StatusWord::SECURE_MESSAGING_OBJECTS_MISSING,
            Self::Forged => StatusWord::SECURE_MESSAGING_OBJECTS_INCORRECT,
        }
    }
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the secure channel was closed by an earlier failure; open a new session",
            Self::OutOfTurn => "command and response are out of turn; the session is closed, open a new one",
            Self::Class => "the command's class cannot be protected; the session is closed",
            Self::TooLong => "the data are too long for one protected message; the session is closed",
            Self::BufferTooSmall => "the buffer is too small for the message; the session is closed",
            Self::Unprotected => {
                "the message is not protected; the session is closed, present the card again"
            }
            Self::Forged => {
                "the message was altered on its way; the session is closed, present the card again"
            }
            Self::CounterExhausted => "the session has sent its last message; open a new one",
        })
    }
}

impl core::error::Error for ChannelError {}

/// A response as a [`HostChannel`] took it in. Amendment D, 6.2.5: a card protects 9000 and warnings, but an error status
/// word comes bare, so anybody on the way may have put it there. It tells why nothing came, and it proves nothing: not
/// even that the card did not carry the command out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The card said this in answer to this very command.
    Authenticated(Response<'a>),
    /// Somebody said this.
    Unauthenticated(Response<'a>),
}

impl<'a> Reply<'a> {
    /// The authenticated response.
    ///
    /// # Errors
    /// The unauthenticated status word.
    pub const fn authenticated(self) -> Result<Response<'a>, StatusWord> {
        match self {
            Self::Authenticated(response) => Ok(response),
            Self::Unauthenticated(response) => Err(response.status()),
        }
    }
}

/// The end of a session that sends commands: issuance host or terminal.
#[derive(Debug)]
pub struct HostChannel(Session);

impl HostChannel {
    /// Opens a channel at `level` with session keys and the first MAC chaining value.
    pub(crate) const fn open(keys: SessionKeys, level: SecurityLevel, chaining: Block) -> Self {
        Self(Session::new(keys, level, chaining))
    }

    /// Protects `command` into `out` (261 octets always suffice, [`MAX_PROTECTED_COMMAND`] with a short Le) and
    /// returns the APDU to send. Every APDU of a command chain is protected by itself. Le, if there is one, becomes 00,
    /// because the protected response is longer than the plain one; the MAC does not cover it.
    ///
    /// # Errors
    /// Any [`ChannelError`]; the channel is closed then.
    pub fn wrap<'o>(&mut self, command: &Command<'_>, out: &'o mut [u8]) -> Result<&'o [u8], ChannelError> {
        let wrapped = self.0.wrap_command(command, out);
        self.0.close_on_failure(wrapped)
    }

    /// Checks the octets that a card answered to the last wrapped command, and decrypts their data into `out`
    /// ([`MAX_PROTECTED_RESPONSE`] octets suffice).
    ///
    /// # Errors
    /// Any [`ChannelError`]; the channel is closed then.
    pub fn unwrap<'o>(&mut self, response: &[u8], out: &'o mut [u8]) -> Result<Reply<'o>, ChannelError> {
        let reply = self.0.unwrap_response(response, out);
        self.0.close_on_failure(reply)
    }

    /// Whether a failure closed the channel.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// The end of a session that answers: the card.
#[derive(Debug)]
pub struct CardChannel(Session);

impl CardChannel {
    /// Opens a channel of the profile's level with session keys and the first MAC chaining value.
    pub(crate) const fn open(keys: SessionKeys, chaining: Block) -> Self {
        Self(Session::new(keys, SecurityLevel::FULL, chaining))
    }

    /// Checks a protected command and returns it in plain, its data decrypted into `out` (as long as the protected
    /// data field: 255 octets suffice) and its class without the secure messaging bit. `expected` is not protected.
    ///
    /// # Errors
    /// Any [`ChannelError`]; the channel is closed then and the card answers [`ChannelError::status`] in the clear.
    pub fn unwrap<'o>(
        &mut self,
        command: &Command<'_>,
        out: &'o mut [u8],
    ) -> Result<Command<'o>, ChannelError> {
        let plain = self.0.unwrap_command(command, out);
        self.0.close_on_failure(plain)
    }

    /// Protects the response to the command just unwrapped into `out` ([`MAX_PROTECTED_RESPONSE`] octets suffice) and
    /// returns the octets to send. An error status word goes out bare and without data (Amendment D, 6.2.5).
    ///
    /// # Errors
    /// Any [`ChannelError`]; the channel is closed then.
    pub fn wrap<'o>(&mut self, response: &Response<'_>, out: &'o mut [u8]) -> Result<&'o [u8], ChannelError> {
        let wrapped = self.0.wrap_response(response, out);
        self.0.close_on_failure(wrapped)
    }

    /// Whether a failure closed the channel.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}
