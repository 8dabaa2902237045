//! The value types of SPEC.md, clause 1: dates, times, numbers, amounts, text. A value of one of these types is valid.

mod calendar;
mod numbers;
mod text;

use crate::tlv::{Error, Field, Reader, Writer};

pub use calendar::{BirthDate, Date, Period, Time};
pub use numbers::{Amount, CardNumber, InvalidCardNumber, InvalidTerminalName, Programme, TerminalName};
pub use text::{Ascii, Digits, Text};

/// Implements [`Field`] for a type that wraps bytes, by a checked constructor.
macro_rules! byte_field {
    ($type:ty, $size:literal) => {
        impl<'a> $crate::tlv::Field<'a> for $type {
            fn read(reader: &mut $crate::tlv::Reader<'a>, tag: u16) -> Result<Self, $crate::tlv::Error> {
                let bytes = <[u8; $size] as $crate::tlv::Field>::read(reader, tag)?;
                Self::from_bytes(bytes).ok_or($crate::tlv::Error::Value(tag))
            }

            fn write(
                &self,
                writer: &mut $crate::tlv::Writer<'_>,
                tag: u16,
            ) -> Result<(), $crate::tlv::Error> {
                writer.put(tag, &self.to_bytes())
            }
        }
    };
}
use byte_field;

/// Two decimal digits from one BCD byte.
fn from_bcd(byte: u8) -> Option<u8> {
    let (tens, ones) = (byte >> 4, byte & 0x0F);
    if tens > 9 || ones > 9 {
        return None;
    }
    tens.checked_mul(10)?.checked_add(ones)
}

/// One BCD byte from a number below 100.
fn to_bcd(value: u8) -> u8 {
    let tens = (value / 10) % 10;
    (tens << 4) | (value % 10)
}

/// A data object that can hold one value only, such as the suite byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Constant<const VALUE: u8>;

/// Suite `01`: ECDSA over P-256 with SHA-256 (SPEC 2.1).
pub type Suite = Constant<1>;

impl<'a, const VALUE: u8> Field<'a> for Constant<VALUE> {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        if u8::read(reader, tag)? == VALUE {
            Ok(Self)
        } else {
            Err(Error::Value(tag))
        }
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        VALUE.write(writer, tag)
    }
}

/// Declares an enumeration of one byte with named values; other bytes are refused.
macro_rules! byte_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $value:literal, )* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $( $(#[$variant_meta])* $variant = $value, )* }

        impl $name {
            /// From its byte.
            pub fn from_byte(byte: u8) -> Option<Self> {
                match byte { $( $value => Some(Self::$variant), )* _ => None }
            }
        }

        impl<'a> $crate::tlv::Field<'a> for $name {
            fn read(reader: &mut $crate::tlv::Reader<'a>, tag: u16) -> Result<Self, $crate::tlv::Error> {
                Self::from_byte(u8::read(reader, tag)?).ok_or($crate::tlv::Error::Value(tag))
            }

            fn write(&self, writer: &mut $crate::tlv::Writer<'_>, tag: u16) -> Result<(), $crate::tlv::Error> {
                (*self as u8).write(writer, tag)
            }
        }
    };
}
pub(crate) use byte_enum;
