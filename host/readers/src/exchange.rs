//! One command and its whole answer, whatever the transmission protocol: GET RESPONSE and corrected lengths, bounded.

use std::fmt;

use crate::TransmitError;

/// GET RESPONSE commands sent for one answer. The longest answer of a short APDU in our application needs one; chips
/// that hand out their answers in pieces need a few.
pub const MAX_ROUNDS: usize = 8;
/// Bytes of data in one answer (ISO/IEC 7816-4 §5.1: Ne is at most 65,536).
pub const MAX_RESPONSE: usize = 65_536;

/// CLA INS P1 P2.
const MIN_COMMAND: usize = 4;
/// Header, extended Lc, data, extended Le.
const MAX_COMMAND: usize = 4 + 3 + 65_535 + 2;

/// What went over the wire: all that is ever recorded of APDUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Command APDUs sent, GET RESPONSE included.
    pub commands: u64,
    /// Bytes of command APDUs.
    pub bytes_sent: u64,
    /// Bytes of response APDUs, status words included.
    pub bytes_received: u64,
}

/// A card's whole answer. Its data is behind the status word: a caller must look at one to get the other.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    data: Vec<u8>,
    status: [u8; 2],
}

impl Response {
    /// The status word, SW1 SW2.
    #[must_use]
    pub fn status(&self) -> u16 {
        u16::from_be_bytes(self.status)
    }

    /// The data, if the card reports success (9000).
    ///
    /// # Errors
    /// Any other status word.
    pub fn success(&self) -> Result<&[u8], u16> {
        if self.status() == 0x9000 {
            Ok(&self.data)
        } else {
            Err(self.status())
        }
    }

    /// The response APDU (data, SW1, SW2) for a state machine that checks status words itself.
    #[must_use]
    pub fn into_apdu(self) -> Vec<u8> {
        let Self { mut data, status } = self;
        data.extend_from_slice(&status);
        data
    }
}

/// Without the data: it may be personal.
impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Response({} bytes, {:04X})",
            self.data.len(),
            self.status()
        )
    }
}

/// Sends a command by `send` (which carries one APDU there and one back) and collects the whole answer.
///
/// * `6Cxx` (wrong Le, ISO/IEC 7816-4 §5.6): the command again, once, with the length that the card names.
/// * `61xx` (data still available): GET RESPONSE on the same channel, at most [`MAX_ROUNDS`] times.
pub(crate) fn exchange(
    command: &[u8],
    mut send: impl FnMut(&[u8]) -> Result<Vec<u8>, TransmitError>,
) -> Result<Response, TransmitError> {
    if !(MIN_COMMAND..=MAX_COMMAND).contains(&command.len()) {
        return Err(TransmitError::Malformed(command.len()));
    }
    let mut answer = send(command)?;
    if let [0x6C, length] = answer[..]
        && let Some(corrected) = with_expected_length(command, length)
    {
        answer = send(&corrected)?;
    }
    let mut data = Vec::new();
    let mut rounds = 0;
    loop {
        // PC/SC reports a card that vanished during the command as success with an empty answer.
        let Some((piece, &status)) = answer.split_last_chunk() else {
            return Err(TransmitError::CardLost);
        };
        if data.len() + piece.len() > MAX_RESPONSE {
            return Err(TransmitError::Unending);
        }
        data.extend_from_slice(piece);
        let [0x61, available] = status else {
            return Ok(Response { data, status });
        };
        if rounds == MAX_ROUNDS {
            return Err(TransmitError::Unending);
        }
        rounds += 1;
        answer = send(&[channel(command), 0xC0, 0x00, 0x00, available])?;
    }
}

/// The class byte for GET RESPONSE: the command's logical channel, no secure messaging (ISO/IEC 7816-4 §5.4.1).
fn channel(command: &[u8]) -> u8 {
    match command.first() {
        Some(class) if class & 0x40 != 0 => class & 0x4F,
        Some(class) => class & 0x03,
        None => 0,
    }
}

/// The short command with another Le; `None` if it has no Le to correct, or is an extended one.
fn with_expected_length(command: &[u8], length: u8) -> Option<Vec<u8>> {
    let (&le, rest) = command.split_last()?;
    let is_case_2 = command.len() == MIN_COMMAND + 1;
    let is_case_4 = command
        .get(MIN_COMMAND)
        .is_some_and(|&lc| lc != 0 && command.len() == MIN_COMMAND + 2 + usize::from(lc));
    // A card that asks for the same length again would get the same command for ever from a careless caller.
    ((is_case_2 || is_case_4) && le != length).then(|| [rest, &[length]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card that answers from a list, and what it was sent.
    fn play(command: &[u8], answers: &[&[u8]]) -> (Result<Response, TransmitError>, Vec<Vec<u8>>) {
        let mut sent = Vec::new();
        let result = exchange(command, |command| {
            let answer = answers.get(sent.len()).expect("one command too many");
            sent.push(command.to_vec());
            Ok(answer.to_vec())
        });
        (result, sent)
    }

    #[test]
    fn data_comes_only_with_success() {
        let (result, _) = play(&[0, 0xB0, 0, 0, 2], &[&[1, 2, 0x90, 0]]);
        assert_eq!(result.unwrap().success(), Ok(&[1, 2][..]));
        let (result, _) = play(&[0, 0xB0, 0, 0, 2], &[&[1, 2, 0x6A, 0x82]]);
        let response = result.unwrap();
        assert_eq!(response.success(), Err(0x6A82));
        assert_eq!(format!("{response:?}"), "Response(2 bytes, 6A82)");
        assert_eq!(response.into_apdu(), [1, 2, 0x6A, 0x82]);
    }

    #[test]
    fn an_answer_in_pieces_is_put_together() {
        let (result, sent) = play(
            &[0x87, 0xCA, 0, 0, 0],
            &[&[1, 0x61, 2], &[2, 3, 0x61, 1], &[4, 0x90, 0]],
        );
        assert_eq!(result.unwrap().success(), Ok(&[1, 2, 3, 4][..]));
        assert_eq!(sent[1..], [[3, 0xC0, 0, 0, 2], [3, 0xC0, 0, 0, 1]]);
    }

    #[test]
    fn an_answer_without_end_ends() {
        let (result, sent) = play(&[0, 0xCA, 0, 0, 0], &[&[0x61, 0][..]; MAX_ROUNDS + 1]);
        assert_eq!(result, Err(TransmitError::Unending));
        assert_eq!(sent.len(), MAX_ROUNDS + 1);
        let piece = [&[0; 40_000][..], &[0x61, 0]].concat();
        assert_eq!(
            play(&[0, 0xCA, 0, 0, 0], &[&piece, &piece]).0,
            Err(TransmitError::Unending)
        );
    }

    #[test]
    fn a_length_is_corrected_once() {
        let (result, sent) = play(&[0, 0xB0, 0, 0, 0], &[&[0x6C, 1], &[7, 0x90, 0]]);
        assert_eq!(result.unwrap().success(), Ok(&[7][..]));
        assert_eq!(sent[1], [0, 0xB0, 0, 0, 1]);
        let (result, _) = play(&[0, 0xB0, 0, 0, 0], &[&[0x6C, 1], &[0x6C, 2]]);
        assert_eq!(result.unwrap().status(), 0x6C02);
        let (_, sent) = play(&[0, 0xDA, 0, 0, 1, 9, 0], &[&[0x6C, 4], &[0x90, 0]]);
        assert_eq!(sent[1], [0, 0xDA, 0, 0, 1, 9, 4]);
    }

    #[test]
    fn a_command_without_le_is_not_corrected() {
        for command in [
            &[0, 0xDA, 0, 0][..],
            &[0, 0xDA, 0, 0, 1, 9],
            &[0, 0xB0, 0, 0, 0, 1, 0],
            &[0, 0xB0, 0, 0, 5],
        ] {
            assert_eq!(
                play(command, &[&[0x6C, 5]]).0.unwrap().status(),
                0x6C05,
                "{command:?}"
            );
        }
    }

    #[test]
    fn no_answer_is_a_lost_card() {
        for answers in [&[&[][..]][..], &[&[0x90]], &[&[0x61, 2], &[]]] {
            assert_eq!(play(&[0, 0xCA, 0, 0, 0], answers).0, Err(TransmitError::CardLost));
        }
    }

    #[test]
    fn what_is_no_command_is_not_sent() {
        for length in [0, 3, MAX_COMMAND + 1] {
            assert_eq!(
                play(&vec![0; length], &[]).0,
                Err(TransmitError::Malformed(length))
            );
        }
    }
}
