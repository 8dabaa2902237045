//! Who may work at a terminal: a list that the issuer signs, and how each proves to be the one (DATA 11).

use core::fmt;

use heapless::Vec;
use zeroize::Zeroizing;

use crate::certificate::Reference;
use crate::crypto::{Digest, ct_eq};
use crate::payment::Operator;
use crate::signed::Body;
use crate::tlv::{Error, Field, Reader, Writer, template};
use crate::values::{CardNumber, Constant, Suite, TerminalName};

/// Operators of one terminal at most: two shifts at one counter, those who stand in for them, and supervisors.
pub const MAXIMUM_OPERATORS: usize = 8;
/// Highest number of an operator: four keys of a keypad.
pub const MAXIMUM_OPERATOR_NUMBER: u16 = 9_999;
/// Digits of an operator's PIN.
pub const PIN_DIGITS: core::ops::RangeInclusive<usize> = 6..=12;
/// Iterations of PBKDF2 for an operator's PIN: 16,384 blocks of SHA-256, about a second of a Cortex-M4 at 64 MHz.
pub const PIN_ITERATIONS: u32 = 8_192;

/// What an operator may do at a terminal (DATA 11.1): at least one of the roles, and no other bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// Opens shifts and pays.
    pub const CLERK: u8 = 0x01;
    /// Sets the clock where no host is.
    pub const SUPERVISOR: u8 = 0x02;

    /// From the byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        (1..=Self::CLERK | Self::SUPERVISOR)
            .contains(&byte)
            .then_some(Self(byte))
    }

    /// Is the role among them?
    pub fn has(self, role: u8) -> bool {
        self.0 & role != 0
    }

    /// The byte.
    pub fn to_byte(self) -> u8 {
        self.0
    }
}

impl<'a> Field<'a> for Roles {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        Self::from_byte(u8::read(reader, tag)?).ok_or(Error::Value(tag))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        self.0.write(writer, tag)
    }
}

/// What a PIN is compared with: salt, and PBKDF2-HMAC-SHA-256 (RFC 8018, 5.2) of the PIN's digits in ASCII.
///
/// It makes a search slower, not impossible: who reads a terminal's flash tries a million PINs of six digits within
/// seconds on a graphics card.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PinVerifier {
    /// Random, of this operator at this terminal only.
    pub salt: [u8; 16],
    /// The result.
    pub derived: Digest,
}

impl PinVerifier {
    /// For a new PIN; `None` if it is none.
    pub fn new(pin: &[u8], salt: [u8; 16]) -> Option<Self> {
        Some(Self {
            salt,
            derived: *derive(pin, &salt)?,
        })
    }

    /// Is this the PIN? The comparison takes the same time for any wrong one.
    pub fn accepts(&self, pin: &[u8]) -> bool {
        derive(pin, &self.salt).is_some_and(|derived| ct_eq(&*derived, &self.derived))
    }
}

fn derive(pin: &[u8], salt: &[u8; 16]) -> Option<Zeroizing<Digest>> {
    let is_pin = PIN_DIGITS.contains(&pin.len()) && pin.iter().all(u8::is_ascii_digit);
    let derive = || {
        Zeroizing::new(pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(
            pin,
            salt,
            PIN_ITERATIONS,
        ))
    };
    is_pin.then(derive)
}

/// How an operator proves to be the one: in exactly one of two ways (DATA 11.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By a PIN of the operator's own: `83` salt · `84` verifier.
    Pin(PinVerifier),
    /// By an ansinh card and its PIN: `85` number of the card.
    Card(CardNumber),
}

impl Proof {
    const VERIFIER: u16 = 0x84;
    const CARD: u16 = 0x85;
}

/// Both ways together leave one object too many in the template, and neither one too few.
impl<'a> Field<'a> for Proof {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        if reader.is_next(Self::CARD) {
            return CardNumber::read(reader, Self::CARD).map(Self::Card);
        }
        Ok(Self::Pin(PinVerifier {
            salt: Field::read(reader, tag)?,
            derived: Field::read(reader, Self::VERIFIER)?,
        }))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        match self {
            Self::Pin(pin) => {
                pin.salt.write(writer, tag)?;
                pin.derived.write(writer, Self::VERIFIER)
            }
            Self::Card(number) => number.write(writer, Self::CARD),
        }
    }
}

template! {
    /// An operator `FF3C` (DATA 11.1).
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct TerminalOperator<'a> {
        /// What is typed where there are digits only, 1 to 9999.
        number: u16 = 0x80,
        /// The name that orders and journal entries state.
        name: Operator<'a> = 0x81,
        /// What the operator may do.
        roles: Roles = 0x82,
        /// How the operator proves to be the one; the tag is that of its first object for a PIN.
        proof: Proof = 0x83,
    }
}

impl TerminalOperator<'_> {
    /// Tag of an operator.
    pub const TAG: u16 = 0xFF3C;
}

/// Without what a PIN can be searched with.
impl fmt::Debug for TerminalOperator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TerminalOperator")
            .field("number", &self.number)
            .field("name", &self.name)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

template! {
    /// Body `FF2E`: who may work at one terminal (DATA 11.1).
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct OperatorList<'a> {
        /// Signature suite.
        suite: Suite = 0x80,
        /// Format version, `01`.
        format: Constant<1> = 0x81,
        /// CHR of the issuer.
        issuer: Reference = 0x42,
        /// The terminal that it is for.
        terminal: TerminalName = 0x82,
        /// Number of the list, rising.
        number: u32 = 0x83,
        /// The operators.
        operators: Vec<TerminalOperator<'a>, MAXIMUM_OPERATORS> = 0xFF3C,
    }
}

impl<'a> Body<'a> for OperatorList<'a> {
    const TAG: u16 = 0xFF2E;
}

impl<'a> OperatorList<'a> {
    /// Longest list with its signature in bytes.
    pub const MAXIMUM_LENGTH: usize = 791;

    /// Are there operators, each with a number in range and a name that is no number, and none of them twice? Nor is a card: whoever
    /// holds it would be two operators, and vouch for a clerk who is the same person.
    pub fn is_consistent(&self) -> bool {
        let clear = |operator: &TerminalOperator<'_>| {
            (1..=MAXIMUM_OPERATOR_NUMBER).contains(&operator.number) && !is_number(operator.name.as_str())
        };
        let twice = |index: usize, operator: &TerminalOperator<'_>| {
            let mut others = self.operators.iter().skip(index.saturating_add(1));
            others.any(|other| {
                other.number == operator.number
                    || same_name(other, operator.name.as_str())
                    || same_card(other, operator)
            })
        };
        let mut operators = self.operators.iter().enumerate();
        !self.operators.is_empty()
            && operators.all(|(index, operator)| clear(operator) && !twice(index, operator))
    }

    /// The operator who typed this: a number, or a name in capital or small letters.
    pub fn find(&self, typed: &str) -> Option<&TerminalOperator<'a>> {
        if is_number(typed) {
            let number: u16 = typed.parse().ok()?;
            return self.operators.iter().find(|operator| operator.number == number);
        }
        self.operators.iter().find(|operator| same_name(operator, typed))
    }
}

fn is_number(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

fn same_card(one: &TerminalOperator<'_>, other: &TerminalOperator<'_>) -> bool {
    matches!((one.proof, other.proof), (Proof::Card(one), Proof::Card(other)) if one == other)
}

fn same_name(operator: &TerminalOperator<'_>, name: &str) -> bool {
    operator.name.as_str().eq_ignore_ascii_case(name)
}
