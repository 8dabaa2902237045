//! Card numbers, amounts, programmes and terminal names.

use core::fmt;

use super::{byte_field, from_bcd, to_bcd};
use crate::tlv::{Error, Field, Reader, Writer};

/// A card number: 16 digits, the last one a Luhn check digit (ISO/IEC 7812-1, annex B).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CardNumber([u8; 8]);

impl CardNumber {
    /// From the province of issue (below 100) and a serial of up to 13 digits; the check digit is added.
    pub fn new(province: u8, serial: u64) -> Option<Self> {
        if province > 99 || serial > 9_999_999_999_999 {
            return None;
        }
        let body = u64::from(province)
            .checked_mul(10_000_000_000_000)?
            .checked_add(serial)?;
        let payload = body.checked_mul(10)?;
        (0..10).find_map(|check| Self::from_integer(payload.checked_add(check)?))
    }

    fn from_integer(number: u64) -> Option<Self> {
        let mut bytes = [0; 8];
        let mut rest = number;
        for byte in bytes.iter_mut().rev() {
            *byte = to_bcd(u8::try_from(rest % 100).ok()?);
            rest /= 100;
        }
        Self::from_bytes(bytes)
    }

    /// From eight BCD bytes.
    pub fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        let mut sum = 0_u8;
        for byte in bytes {
            from_bcd(byte)?;
            let doubled = (byte >> 4).checked_mul(2)?;
            sum = sum
                .checked_add(doubled / 10)?
                .checked_add(doubled % 10)?
                .checked_add(byte & 0x0F)?;
        }
        sum.is_multiple_of(10).then_some(Self(bytes))
    }

    /// Eight BCD bytes.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0
    }

    /// Sixteen ASCII digits.
    pub fn digits(self) -> [u8; 16] {
        let mut digits = [b'0'; 16];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[(byte >> 4) | 0x30, (byte & 0x0F) | 0x30]);
        }
        digits
    }
}
byte_field!(CardNumber, 8);

impl core::str::FromStr for CardNumber {
    type Err = InvalidCardNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidCardNumber);
        }
        text.parse()
            .ok()
            .and_then(Self::from_integer)
            .ok_or(InvalidCardNumber)
    }
}

/// Not sixteen digits with a right check digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCardNumber;

impl fmt::Display for InvalidCardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a card number has 16 digits, the last one a check digit")
    }
}

impl core::error::Error for InvalidCardNumber {}

impl fmt::Display for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardNumber({self})")
    }
}

/// An amount in Vietnamese đồng (VND), at most twelve digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u64);

impl Amount {
    /// The largest amount, 999 999 999 999 VND.
    pub const MAXIMUM: Self = Self(999_999_999_999);

    /// An amount in VND.
    pub fn new(vnd: u64) -> Option<Self> {
        (vnd <= Self::MAXIMUM.0).then_some(Self(vnd))
    }

    /// VND.
    pub fn vnd(self) -> u64 {
        self.0
    }

    /// The sum, `None` beyond [`Amount::MAXIMUM`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::new(self.0.checked_add(other.0)?)
    }
}

impl<'a> Field<'a> for Amount {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        Self::new(u64::read(reader, tag)?).ok_or(Error::Value(tag))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        self.0.write(writer, tag)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} VND", self.0)
    }
}

/// Four upper-case letters or digits that name a benefit programme (DATA.md, 1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Programme([u8; 4]);

impl Programme {
    /// Sudden relief: on every card (SPEC 5.1).
    pub const SUDDEN_RELIEF: Self = Self(*b"DXUA");

    /// From four ASCII characters.
    pub fn from_bytes(bytes: [u8; 4]) -> Option<Self> {
        let valid = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        bytes.iter().all(valid).then_some(Self(bytes))
    }

    /// Four ASCII characters.
    pub fn to_bytes(self) -> [u8; 4] {
        self.0
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}
byte_field!(Programme, 4);

impl fmt::Debug for Programme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a terminal, `VNT` and seven digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminalName([u8; 10]);

impl TerminalName {
    /// From ten ASCII characters.
    pub fn from_bytes(bytes: [u8; 10]) -> Option<Self> {
        let digits = bytes.strip_prefix(b"VNT")?;
        digits.iter().all(u8::is_ascii_digit).then_some(Self(bytes))
    }

    /// Ten ASCII characters.
    pub fn to_bytes(self) -> [u8; 10] {
        self.0
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}
byte_field!(TerminalName, 10);

impl core::str::FromStr for TerminalName {
    type Err = InvalidTerminalName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes().try_into().map_err(|_| InvalidTerminalName)?;
        Self::from_bytes(bytes).ok_or(InvalidTerminalName)
    }
}

/// Not `VNT` and seven digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTerminalName;

impl fmt::Display for InvalidTerminalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a terminal name is VNT and seven digits, as in VNT0000001")
    }
}

impl core::error::Error for InvalidTerminalName {}

impl fmt::Debug for TerminalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for TerminalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_carry_a_check_digit() {
        let number = CardNumber::new(79, 1).unwrap();
        let text = core::str::from_utf8(&number.digits())
            .unwrap()
            .parse::<CardNumber>();
        assert_eq!(text, Ok(number));
        // A published test number with a right Luhn digit, and every single-digit error in it.
        let right = *b"4111111111111111";
        assert!(
            core::str::from_utf8(&right)
                .unwrap()
                .parse::<CardNumber>()
                .is_ok()
        );
        for place in 0..16 {
            for digit in b'0'..=b'9' {
                let mut wrong = right;
                wrong[place] = digit;
                let parsed = core::str::from_utf8(&wrong).unwrap().parse::<CardNumber>();
                assert_eq!(parsed.is_ok(), wrong == right);
            }
        }
    }

    #[test]
    fn amounts_end_at_twelve_digits() {
        assert!(Amount::new(999_999_999_999).is_some());
        assert_eq!(Amount::new(1_000_000_000_000), None);
        assert_eq!(Amount::MAXIMUM.checked_add(Amount(1)), None);
    }
}
