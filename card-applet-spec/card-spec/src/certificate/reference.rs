//! Names of holders and authorities (SPEC 3.1, 3.2).

use core::fmt;

use crate::tlv::{Error, Field, Reader, Writer};
use crate::values::TerminalName;

/// A certificate holder or authority reference: `VN`, a mnemonic and five digits (SPEC 3.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    bytes: [u8; Reference::MAXIMUM],
    length: usize,
}

impl Reference {
    /// Longest reference in bytes (TR-03110-3, A.6.1).
    pub const MAXIMUM: usize = 16;
    const COUNTRY: &str = "VN";
    const SEQUENCE_DIGITS: usize = 5;

    /// Checks form and length.
    pub fn new(text: &str) -> Option<Self> {
        let mnemonic_and_sequence = text.strip_prefix(Self::COUNTRY)?;
        let split = mnemonic_and_sequence.len().checked_sub(Self::SEQUENCE_DIGITS)?;
        let (mnemonic, sequence) = mnemonic_and_sequence.split_at_checked(split)?;
        let letters = mnemonic
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let digits = sequence.bytes().all(|byte| byte.is_ascii_digit());
        if !(1..=9).contains(&mnemonic.len()) || !letters || !digits {
            return None;
        }
        let mut bytes = [0; Self::MAXIMUM];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self {
            bytes,
            length: text.len(),
        })
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.bytes
            .get(..self.length)
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    /// Who holds the key, over all its keys: what stands between `VN` and the sequence number.
    pub fn mnemonic(&self) -> &str {
        self.split().0
    }

    /// Which of the holder's keys: five digits, a later key has a higher number.
    pub fn sequence(&self) -> u32 {
        self.split().1.bytes().fold(0, |number: u32, digit| {
            number
                .saturating_mul(10)
                .saturating_add(u32::from(digit.saturating_sub(b'0')))
        })
    }

    /// Mnemonic and sequence number.
    fn split(&self) -> (&str, &str) {
        let text = self.as_str();
        let sequence = text.len().saturating_sub(Self::SEQUENCE_DIGITS);
        let (head, sequence) = text.split_at_checked(sequence).unwrap_or_default();
        (head.get(Self::COUNTRY.len()..).unwrap_or_default(), sequence)
    }

    /// The terminal's name, if this refers to a terminal's certificate.
    pub fn terminal_name(&self) -> Option<TerminalName> {
        let (name, rest) = self.bytes.get(..self.length)?.split_first_chunk::<10>()?;
        let purpose = matches!(rest.first(), Some(b'A' | b'J')) && rest.len() == 6;
        TerminalName::from_bytes(*name).filter(|_| purpose)
    }
}

impl<'a> Field<'a> for Reference {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        let text = core::str::from_utf8(reader.expect(tag)?.value()).map_err(|_| Error::Value(tag))?;
        Self::new(text).ok_or(Error::Value(tag))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.put(tag, self.as_str().as_bytes())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
