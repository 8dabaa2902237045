//! Command and response APDUs (ISO/IEC 7816-4:2020, clause 5), and the status words this application uses.

use core::fmt;

/// CLA bit 5: this APDU is not the last one of a command chain (ISO/IEC 7816-4:2020, 5.4.1 and 5.3.3).
const CHAINING: u8 = 0x10;

/// Why octets are not a command APDU, or a command is not a short APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// Lc, Le and the number of octets do not fit one of the cases of ISO/IEC 7816-4:2020, 5.2.
    Length,
    /// CLA is FF, which is invalid (5.4.1).
    Class,
    /// INS is 6X or 9X, which are invalid (5.4.2).
    Instruction,
    /// The output buffer is smaller than the APDU.
    BufferTooSmall,
}

impl CommandError {
    /// The status word a card answers with.
    pub const fn status(self) -> StatusWord {
        match self {
            Self::Length | Self::BufferTooSmall => StatusWord::WRONG_LENGTH,
            Self::Class => StatusWord::CLASS_NOT_SUPPORTED,
            Self::Instruction => StatusWord::INSTRUCTION_NOT_SUPPORTED,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "the length fields of the command do not fit its length; the command is refused",
            Self::Class => "class FF is invalid; the command is refused",
            Self::Instruction => "instructions 6X and 9X are invalid; the command is refused",
            Self::BufferTooSmall => "the command does not fit the buffer; split it into a command chain",
        })
    }
}

impl core::error::Error for CommandError {}

/// A command APDU.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// CLA.
    pub class: u8,
    /// INS.
    pub instruction: u8,
    /// P1.
    pub p1: u8,
    /// P2.
    pub p2: u8,
    /// The command data field; empty when Lc is absent.
    pub data: &'a [u8],
    /// Ne, the most octets of response data that the sender takes: 1 to 65 535, `None` when Le is absent. An
    /// extended Le of `0000` (65 536) is given as 65 535; no response here is that long.
    pub expected: Option<u16>,
}

impl<'a> Command<'a> {
    /// Reads a command in any of the cases 1, 2S, 3S, 4S, 2E, 3E and 4E of ISO/IEC 7816-4:2020, 5.2.
    ///
    /// # Errors
    /// [`CommandError`] unless every octet is accounted for.
    pub fn parse(octets: &'a [u8]) -> Result<Self, CommandError> {
        let (&[class, instruction, p1, p2], body) = octets.split_first_chunk().ok_or(CommandError::Length)?;
        if class == 0xFF {
            return Err(CommandError::Class);
        }
        if matches!(instruction & 0xF0, 0x60 | 0x90) {
            return Err(CommandError::Instruction);
        }
        let (data, expected) = parse_body(body)?;
        Ok(Self {
            class,
            instruction,
            p1,
            p2,
            data,
            expected,
        })
    }

    /// Writes the command as a short APDU into `out` and returns the octets written (at most 261).
    ///
    /// # Errors
    /// [`CommandError::Length`] if `data` exceeds 255 octets or `expected` is 0 or exceeds 256;
    /// [`CommandError::BufferTooSmall`] if `out` is.
    pub fn encode_short<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8], CommandError> {
        let length = u8::try_from(self.data.len()).map_err(|_| CommandError::Length)?;
        let mut writer = Writer::new(out);
        writer.put(&[self.class, self.instruction, self.p1, self.p2])?;
        if length > 0 {
            writer.put(&[length])?;
            writer.put(self.data)?;
        }
        match self.expected {
            None => {}
            Some(256) => writer.put(&[0])?,
            Some(ne) => match u8::try_from(ne) {
                Ok(le) if le > 0 => writer.put(&[le])?,
                _ => return Err(CommandError::Length),
            },
        }
        Ok(writer.written())
    }

    /// Whether further APDUs of the same command chain follow this one.
    pub const fn is_chained(&self) -> bool {
        self.class & CHAINING != 0
    }

    /// The same command with the chaining bit of CLA set (`more`) or cleared.
    #[must_use]
    pub const fn with_chaining(mut self, more: bool) -> Self {
        self.class = if more {
            self.class | CHAINING
        } else {
            self.class & !CHAINING
        };
        self
    }
}

/// The data stays out: it may be a PIN or personal.
impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            class,
            instruction,
            p1,
            p2,
            data,
            ..
        } = self;
        write!(
            f,
            "Command({class:02X} {instruction:02X} {p1:02X} {p2:02X}, {} octets)",
            data.len()
        )
    }
}

/// Splits what follows the header into command data and Ne (ISO/IEC 7816-4:2020, 5.2, tables 1 and 2).
fn parse_body(body: &[u8]) -> Result<(&[u8], Option<u16>), CommandError> {
    match body {
        [] => Ok((&[], None)),
        [le] => Ok((&[], Some(short_expected(*le)))),
        [0, high, low] => Ok((&[], Some(extended_expected([*high, *low])))),
        [0, high, low, rest @ ..] => {
            let (data, le) = split_data(rest, usize::from(u16::from_be_bytes([*high, *low])))?;
            match le {
                [] => Ok((data, None)),
                [high, low] => Ok((data, Some(extended_expected([*high, *low])))),
                _ => Err(CommandError::Length),
            }
        }
        [lc, rest @ ..] => {
            let (data, le) = split_data(rest, usize::from(*lc))?;
            match le {
                [] => Ok((data, None)),
                [le] => Ok((data, Some(short_expected(*le)))),
                _ => Err(CommandError::Length),
            }
        }
    }
}

/// An Lc of zero is invalid in both forms: a command without data has no Lc.
fn split_data(rest: &[u8], length: usize) -> Result<(&[u8], &[u8]), CommandError> {
    if length == 0 {
        return Err(CommandError::Length);
    }
    rest.split_at_checked(length).ok_or(CommandError::Length)
}

fn short_expected(le: u8) -> u16 {
    if le == 0 { 256 } else { u16::from(le) }
}

fn extended_expected(le: [u8; 2]) -> u16 {
    match u16::from_be_bytes(le) {
        0 => u16::MAX,
        ne => ne,
    }
}

/// SW1-SW2 (ISO/IEC 7816-4:2020, 5.6).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// 9000: done.
    pub const SUCCESS: Self = Self(0x9000);
    /// 6282: end of file reached before reading Ne octets.
    pub const END_OF_FILE: Self = Self(0x6282);
    /// 6340: refused, and the receipt that stands follows (this application: another order for a paid line).
    pub const REFUSED_RECEIPT_FOLLOWS: Self = Self(0x6340);
    /// 6700: wrong length.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// 6883: last command of the chain expected.
    pub const LAST_COMMAND_OF_CHAIN_EXPECTED: Self = Self(0x6883);
    /// 6982: security status not satisfied.
    pub const SECURITY_STATUS_NOT_SATISFIED: Self = Self(0x6982);
    /// 6983: authentication method blocked.
    pub const AUTHENTICATION_METHOD_BLOCKED: Self = Self(0x6983);
    /// 6985: conditions of use not satisfied.
    pub const CONDITIONS_NOT_SATISFIED: Self = Self(0x6985);
    /// 6987: expected secure messaging data objects missing.
    pub const SECURE_MESSAGING_OBJECTS_MISSING: Self = Self(0x6987);
    /// 6988: incorrect secure messaging data objects.
    pub const SECURE_MESSAGING_OBJECTS_INCORRECT: Self = Self(0x6988);
    /// 6A80: incorrect parameters in the command data field.
    pub const INCORRECT_DATA: Self = Self(0x6A80);
    /// 6A82: file or application not found.
    pub const FILE_NOT_FOUND: Self = Self(0x6A82);
    /// 6A83: record not found.
    pub const RECORD_NOT_FOUND: Self = Self(0x6A83);
    /// 6A84: not enough memory.
    pub const NOT_ENOUGH_MEMORY: Self = Self(0x6A84);
    /// 6A86: incorrect parameters P1-P2.
    pub const INCORRECT_P1_P2: Self = Self(0x6A86);
    /// 6A88: referenced data not found.
    pub const REFERENCED_DATA_NOT_FOUND: Self = Self(0x6A88);
    /// 6B00: wrong parameters P1-P2 (an offset beyond the end).
    pub const WRONG_OFFSET: Self = Self(0x6B00);
    /// 6D00: instruction not supported or invalid.
    pub const INSTRUCTION_NOT_SUPPORTED: Self = Self(0x6D00);
    /// 6E00: class not supported.
    pub const CLASS_NOT_SUPPORTED: Self = Self(0x6E00);
    /// 6F00: no precise diagnosis.
    pub const NO_PRECISE_DIAGNOSIS: Self = Self(0x6F00);

    /// 63CX: a wrong PIN, `tries` attempts left. X has four bits, so more than 15 are given as 15.
    pub const fn tries_left(tries: u8) -> Self {
        let [_, x] = (if tries > 15 { 15u16 } else { tries as u16 }).to_be_bytes();
        Self(u16::from_be_bytes([0x63, 0xC0 | x]))
    }

    /// The attempts left, if this is 63CX.
    pub const fn tries(self) -> Option<u8> {
        match self.0.to_be_bytes() {
            [0x63, x] if x & 0xF0 == 0xC0 => Some(x & 0x0F),
            _ => None,
        }
    }

    /// Whether this is a warning, 62XX or 63XX (ISO/IEC 7816-4:2020, 5.6).
    pub const fn is_warning(self) -> bool {
        matches!(self.0.to_be_bytes(), [0x62 | 0x63, _])
    }

    /// SW1 then SW2.
    pub const fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Four hexadecimal digits, as every standard and trace writes them.
impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

/// The card's answer is shorter than SW1-SW2: the card is gone, or what answered is not a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoStatusWord;

impl fmt::Display for NoStatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the card gave no status word; treat it as removed and present it again")
    }
}

impl core::error::Error for NoStatusWord {}

/// A response APDU whose data can only be had after the status was looked at. (Reading the data of a refused command
/// is how CVE-2024-45616 and its siblings came about in OpenSC.)
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Response<'a> {
    data: &'a [u8],
    status: StatusWord,
}

impl<'a> Response<'a> {
    /// A response to send.
    pub const fn new(data: &'a [u8], status: StatusWord) -> Self {
        Self { data, status }
    }

    /// Splits what a card answered into data and status word.
    ///
    /// # Errors
    /// [`NoStatusWord`] for fewer than two octets, which is how PC/SC reports a card that left during a command.
    pub fn parse(octets: &'a [u8]) -> Result<Self, NoStatusWord> {
        let (data, &[sw1, sw2]) = octets.split_last_chunk().ok_or(NoStatusWord)?;
        Ok(Self::new(data, StatusWord(u16::from_be_bytes([sw1, sw2]))))
    }

    /// SW1-SW2.
    pub const fn status(&self) -> StatusWord {
        self.status
    }

    /// The data of a command that succeeded (9000).
    ///
    /// # Errors
    /// The status word if it is any other one.
    pub fn ok(&self) -> Result<&'a [u8], StatusWord> {
        self.checked(StatusWord::SUCCESS)
    }

    /// The data of a response whose status is `status`, for warnings that carry data.
    ///
    /// # Errors
    /// The status word if it is any other one.
    pub fn checked(&self, status: StatusWord) -> Result<&'a [u8], StatusWord> {
        if self.status == status {
            Ok(self.data)
        } else {
            Err(self.status)
        }
    }

    /// Writes `data ‖ SW1 ‖ SW2` into `out` and returns the octets written.
    ///
    /// # Errors
    /// [`CommandError::BufferTooSmall`] if `out` is.
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8], CommandError> {
        let mut writer = Writer::new(out);
        writer.put(self.data)?;
        writer.put(&self.status.to_bytes())?;
        Ok(writer.written())
    }

    /// The data whatever the status: for the secure messaging layer only.
    pub(crate) const fn unchecked_data(&self) -> &'a [u8] {
        self.data
    }
}

/// The data stays out: it may be personal.
impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({} octets, {})", self.data.len(), self.status)
    }
}

/// Appends to a caller's buffer.
struct Writer<'o> {
    out: &'o mut [u8],
    length: usize,
}

impl<'o> Writer<'o> {
    fn new(out: &'o mut [u8]) -> Self {
        Self { out, length: 0 }
    }

    fn put(&mut self, octets: &[u8]) -> Result<(), CommandError> {
        let end = self
            .length
            .checked_add(octets.len())
            .ok_or(CommandError::BufferTooSmall)?;
        self.out
            .get_mut(self.length..end)
            .ok_or(CommandError::BufferTooSmall)?
            .copy_from_slice(octets);
        self.length = end;
        Ok(())
    }

    fn written(self) -> &'o [u8] {
        self.out.get(..self.length).unwrap_or_default()
    }
}
