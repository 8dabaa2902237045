//! Secure messaging (Amendment D, 6.2.4 to 6.2.7): a MAC chain over the commands, encryption of data both ways, a MAC
//! over each response.

use aes::cipher::array::Array;
use zeroize::Zeroize;

use super::channel::{ChannelError, MAX_COMMAND_DATA, MAX_RESPONSE_DATA, Reply};
use super::handshake::concat;
use super::keys::{Block, SessionKeys};
use crate::apdu::{Command, Response, StatusWord};
use crate::crypto::ct_eq;

/// CLA bits 4 and 3 = 01: proprietary secure messaging (ISO/IEC 7816-4:2020, 5.4.1; GlobalPlatform CLA 84).
const SECURE_MESSAGING: u8 = 0x04;
/// The bits of CLA that a command may have before it is protected: proprietary class and command chaining. The rest
/// would name a logical channel, of which this profile has only the basic one.
const PLAIN_CLASS: u8 = 0x90;
/// S8 mode: MACs are truncated to 8 octets.
const MAC_LENGTH: usize = 8;

/// The security level (GlobalPlatform Card Specification, table 10-1), of the levels SCP03 has with C-MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityLevel(u8);

impl SecurityLevel {
    /// 01: C-MAC.
    pub const C_MAC: Self = Self(0x01);
    /// 03: C-MAC and C-DECRYPTION.
    pub const C_MAC_C_DECRYPTION: Self = Self(0x03);
    /// 11: C-MAC and R-MAC.
    pub const C_MAC_R_MAC: Self = Self(0x11);
    /// 33: everything, the one level of the profile.
    pub const FULL: Self = Self(0x33);

    /// P1 of EXTERNAL AUTHENTICATE.
    pub const fn to_byte(self) -> u8 {
        self.0
    }

    const fn encrypts_commands(self) -> bool {
        self.0 & 0x02 != 0
    }

    const fn protects_responses(self) -> bool {
        self.0 & 0x10 != 0
    }

    const fn encrypts_responses(self) -> bool {
        self.0 & 0x20 != 0
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Command,
    Response,
    Closed,
}

/// What both ends keep.
#[derive(Debug)]
pub(super) struct Session {
    keys: SessionKeys,
    level: SecurityLevel,
    /// The MAC chaining value: the full C-MAC of the command before.
    chaining: Block,
    /// The encryption counter of the command before (Amendment D, 6.2.6): the first command counts 1.
    counter: u64,
    turn: Turn,
}

impl Session {
    pub(super) const fn new(keys: SessionKeys, level: SecurityLevel, chaining: Block) -> Self {
        Self {
            keys,
            level,
            chaining,
            counter: 0,
            turn: Turn::Command,
        }
    }

    /// Passes `result` on; if it is a failure, nothing can be done with this session any more.
    pub(super) fn close_on_failure<T>(&mut self, result: Result<T, ChannelError>) -> Result<T, ChannelError> {
        if result.is_err() {
            self.turn = Turn::Closed;
            self.keys.erase();
            self.chaining.zeroize();
        }
        result
    }

    /// Whether a failure closed the session.
    pub(super) fn is_closed(&self) -> bool {
        self.turn == Turn::Closed
    }

    /// Takes the turn, which must be `now`, and passes it on to `next`.
    fn take_turn(&mut self, now: Turn, next: Turn) -> Result<(), ChannelError> {
        if self.is_closed() {
            return Err(ChannelError::Closed);
        }
        if self.turn != now {
            return Err(ChannelError::OutOfTurn);
        }
        self.turn = next;
        Ok(())
    }

    /// Counts every command, with data or without (Amendment D, 6.2.6).
    fn count(&mut self) -> Result<(), ChannelError> {
        self.counter = self
            .counter
            .checked_add(1)
            .ok_or(ChannelError::CounterExhausted)?;
        Ok(())
    }

    /// The C-MAC over the command with its final header and Lc (Amendment D, 6.2.4), which becomes the chaining value.
    fn command_mac(&self, header: &[u8; 5], data: &[u8]) -> Block {
        self.keys.mac.cmac(&[&self.chaining, header, data])
    }

    fn response_mac(&self, data: &[u8], status: StatusWord) -> Block {
        self.keys.rmac.cmac(&[&self.chaining, data, &status.to_bytes()])
    }

    /// The counter block, which S-ENC encrypts to the initial chaining vector; for responses its first bit is set
    /// (Amendment D, 6.2.6 and 6.2.7).
    fn counter_block(&self, first: u8) -> Block {
        concat(&[&[first], &[0; 7], &self.counter.to_be_bytes()])
    }

    /// Encrypts the first `length` octets of `buffer` in place, padded; returns the length of the ciphertext. Empty
    /// data stay empty (Amendment D, 6.2.6).
    fn encrypt(&self, first: u8, buffer: &mut [u8], length: usize) -> Result<usize, ChannelError> {
        if length == 0 {
            return Ok(0);
        }
        // 80 and then zeros up to a whole number of blocks: ISO/IEC 9797-1, padding method 2.
        let padded = (length | 0x0F).checked_add(1).ok_or(ChannelError::TooLong)?;
        let text = buffer.get_mut(..padded).ok_or(ChannelError::BufferTooSmall)?;
        let padding = text.get_mut(length..).unwrap_or_default();
        padding.fill(0);
        if let Some(marker) = padding.first_mut() {
            *marker = 0x80;
        }
        let (blocks, _) = Array::slice_as_chunks_mut(text);
        self.keys
            .enc
            .cbc_encrypt(Some(&self.counter_block(first)), blocks);
        Ok(padded)
    }

    /// Decrypts `text` in place and strips the padding.
    fn decrypt<'t>(&self, first: u8, text: &'t mut [u8]) -> Result<&'t [u8], ChannelError> {
        if text.is_empty() {
            return Ok(text);
        }
        let (blocks, []) = Array::slice_as_chunks_mut(text) else {
            return Err(ChannelError::Forged);
        };
        self.keys
            .enc
            .cbc_decrypt(Some(&self.counter_block(first)), blocks);
        unpad(text).ok_or(ChannelError::Forged)
    }
}

/// Removes 80 and the zeros after it; the marker has to be in the last block.
fn unpad(text: &[u8]) -> Option<&[u8]> {
    let marker = text.iter().rposition(|&octet| octet != 0)?;
    let (data, padding) = text.split_at_checked(marker)?;
    (padding.first() == Some(&0x80) && padding.len() <= 16).then_some(data)
}

/// The first 8 octets of a MAC, which are what is sent in S8 mode.
fn truncate(mac: &Block) -> [u8; MAC_LENGTH] {
    let [a, b, c, d, e, f, g, h, ..] = *mac;
    [a, b, c, d, e, f, g, h]
}

/// Initial vectors of commands and of responses differ in the first bit.
const OF_COMMAND: u8 = 0x00;
const OF_RESPONSE: u8 = 0x80;

/// Amendment D, 6.2.5: all status words but 9000 and the warnings are errors.
fn is_error(status: StatusWord) -> bool {
    status != StatusWord::SUCCESS && !status.is_warning()
}

impl Session {
    pub(super) fn wrap_command<'o>(
        &mut self,
        command: &Command<'_>,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], ChannelError> {
        self.take_turn(Turn::Command, Turn::Response)?;
        if command.class & !PLAIN_CLASS != 0 {
            return Err(ChannelError::Class);
        }
        if command.data.len() > MAX_COMMAND_DATA {
            return Err(ChannelError::TooLong);
        }
        self.count()?;

        let mut text = [0; MAX_COMMAND_DATA + 1 + MAC_LENGTH];
        put(&mut text, 0, command.data)?;
        let mut length = command.data.len();
        if self.level.encrypts_commands() {
            length = self.encrypt(OF_COMMAND, &mut text, length)?;
        }
        let protected = length.checked_add(MAC_LENGTH).ok_or(ChannelError::TooLong)?;
        let lc = u8::try_from(protected).map_err(|_| ChannelError::TooLong)?;

        let class = command.class | SECURE_MESSAGING;
        let header = [class, command.instruction, command.p1, command.p2, lc];
        self.chaining = self.command_mac(&header, text.get(..length).unwrap_or_default());
        put(&mut text, length, &truncate(&self.chaining))?;

        let data = text.get(..protected).unwrap_or_default();
        let expected = command.expected.map(|_| 256);
        let apdu = Command {
            class,
            data,
            expected,
            ..*command
        };
        apdu.encode_short(out).map_err(|_| ChannelError::BufferTooSmall)
    }

    pub(super) fn unwrap_command<'o>(
        &mut self,
        command: &Command<'_>,
        out: &'o mut [u8],
    ) -> Result<Command<'o>, ChannelError> {
        self.take_turn(Turn::Command, Turn::Response)?;
        if command.class & SECURE_MESSAGING == 0 {
            return Err(ChannelError::Unprotected);
        }
        let class = command.class & !SECURE_MESSAGING;
        if class & !PLAIN_CLASS != 0 {
            return Err(ChannelError::Class);
        }
        let lc = u8::try_from(command.data.len()).map_err(|_| ChannelError::TooLong)?;
        let (text, received) = command
            .data
            .split_last_chunk::<MAC_LENGTH>()
            .ok_or(ChannelError::Unprotected)?;

        let header = [command.class, command.instruction, command.p1, command.p2, lc];
        let mac = self.command_mac(&header, text);
        if !ct_eq(&truncate(&mac), received) {
            return Err(ChannelError::Forged);
        }
        self.chaining = mac;
        self.count()?;

        let plain = out.get_mut(..text.len()).ok_or(ChannelError::BufferTooSmall)?;
        plain.copy_from_slice(text);
        let data = if self.level.encrypts_commands() {
            self.decrypt(OF_COMMAND, plain)?
        } else {
            plain
        };
        if data.len() > MAX_COMMAND_DATA {
            return Err(ChannelError::TooLong);
        }
        let Command {
            instruction,
            p1,
            p2,
            expected,
            ..
        } = *command;
        Ok(Command {
            class,
            instruction,
            p1,
            p2,
            data,
            expected,
        })
    }

    pub(super) fn wrap_response<'o>(
        &mut self,
        response: &Response<'_>,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], ChannelError> {
        self.take_turn(Turn::Response, Turn::Command)?;
        let status = response.status();
        if is_error(status) {
            return Response::new(&[], status)
                .encode(out)
                .map_err(|_| ChannelError::BufferTooSmall);
        }
        let data = response.unchecked_data();
        if data.len() > MAX_RESPONSE_DATA {
            return Err(ChannelError::TooLong);
        }
        put(out, 0, data)?;
        let length = self.encrypt(OF_RESPONSE, out, data.len())?;
        let mac = self.response_mac(out.get(..length).unwrap_or_default(), status);
        let end = put(out, length, &truncate(&mac))?;
        let end = put(out, end, &status.to_bytes())?;
        out.get(..end).ok_or(ChannelError::BufferTooSmall)
    }

    pub(super) fn unwrap_response<'o>(
        &mut self,
        response: &[u8],
        out: &'o mut [u8],
    ) -> Result<Reply<'o>, ChannelError> {
        self.take_turn(Turn::Response, Turn::Command)?;
        let response = Response::parse(response).map_err(|_| ChannelError::Unprotected)?;
        let (data, status) = (response.unchecked_data(), response.status());
        let protected = self.level.protects_responses() && !(is_error(status) && data.is_empty());
        if !protected {
            put(out, 0, data)?;
            let plain = out.get(..data.len()).unwrap_or_default();
            return Ok(Reply::Unauthenticated(Response::new(plain, status)));
        }
        let (text, received) = data
            .split_last_chunk::<MAC_LENGTH>()
            .ok_or(ChannelError::Unprotected)?;
        if !ct_eq(&truncate(&self.response_mac(text, status)), received) {
            return Err(ChannelError::Forged);
        }
        let plain = out.get_mut(..text.len()).ok_or(ChannelError::BufferTooSmall)?;
        plain.copy_from_slice(text);
        let plain = if self.level.encrypts_responses() {
            self.decrypt(OF_RESPONSE, plain)?
        } else {
            plain
        };
        Ok(Reply::Authenticated(Response::new(plain, status)))
    }
}

/// Copies `octets` to `buffer` from `start`, and returns where they end.
fn put(buffer: &mut [u8], start: usize, octets: &[u8]) -> Result<usize, ChannelError> {
    let end = start
        .checked_add(octets.len())
        .ok_or(ChannelError::BufferTooSmall)?;
    buffer
        .get_mut(start..end)
        .ok_or(ChannelError::BufferTooSmall)?
        .copy_from_slice(octets);
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(counter: u64) -> Session {
        let keys = SessionKeys::agreed([1; 16], [2; 16], [3; 16]);
        Session {
            counter,
            ..Session::new(keys, SecurityLevel::FULL, [0; 16])
        }
    }

    #[test]
    fn an_exhausted_counter_closes_the_channel() {
        let command = Command {
            class: 0x80,
            instruction: 0x20,
            p1: 0,
            p2: 0,
            data: &[],
            expected: None,
        };
        let mut out = [0; 261];
        let mut host = session(u64::MAX - 1);
        assert!(host.wrap_command(&command, &mut out).is_ok());
        assert!(host.unwrap_response(&[0x6A, 0x80], &mut out).is_ok());
        let refused = host.wrap_command(&command, &mut out);
        assert_eq!(
            host.close_on_failure(refused),
            Err(ChannelError::CounterExhausted)
        );
        assert_eq!(host.wrap_command(&command, &mut out), Err(ChannelError::Closed));
    }

    #[test]
    fn a_closed_session_has_lost_its_keys() {
        let mut host = session(0);
        let refused = host.unwrap_response(&[0x90, 0x00], &mut []);
        assert!(host.close_on_failure(refused).is_err());
        let SessionKeys { enc, mac, rmac } = &host.keys;
        assert!([enc, mac, rmac].iter().all(|key| key.as_bytes() == [0; 16]));
    }

    /// A command of 254 octets that an honest host never makes, though every MAC and padding in it is right.
    #[test]
    #[allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "a test that panics has done its work"
    )]
    fn more_plaintext_than_a_frame_carries_is_refused() {
        for length in [MAX_COMMAND_DATA, MAX_COMMAND_DATA + 1, 239] {
            let (mut host, mut card) = (session(0), session(0));
            host.count().unwrap();
            let mut text = [0x5A; 248];
            let protected = host.encrypt(OF_COMMAND, &mut text, length).unwrap();
            let lc = u8::try_from(protected + MAC_LENGTH).unwrap();
            let mac = host.command_mac(&[0x84, 0x54, 0, 0, lc], &text[..protected]);
            put(&mut text, protected, &truncate(&mac)).unwrap();
            let command = Command {
                class: 0x84,
                instruction: 0x54,
                p1: 0,
                p2: 0,
                data: &text[..usize::from(lc)],
                expected: None,
            };
            let mut out = [0; 256];
            let plain = card
                .unwrap_command(&command, &mut out)
                .map(|plain| plain.data.len());
            let expected = if length == MAX_COMMAND_DATA {
                Ok(length)
            } else {
                Err(ChannelError::TooLong)
            };
            assert_eq!(plain, expected);
        }
    }

    #[test]
    fn padding_other_than_amendment_d_prescribes_is_refused() {
        assert_eq!(unpad(&[0; 16]), None);
        assert_eq!(unpad(&[1; 16]), None);
        assert_eq!(unpad(&[]), None);
        let mut early = [0; 32];
        if let Some(octet) = early.get_mut(15) {
            *octet = 0x80;
        }
        assert_eq!(unpad(&early), None);
        assert_eq!(unpad(&[0x80, 0, 0, 0]), Some(&[][..]));
    }
}
