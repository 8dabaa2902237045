//! Text of bounded length. It may be personal data, so its `Debug` shows the length only.

use core::fmt;

use crate::tlv::{Error, Field, Reader, Writer};

/// Declares a type of text of 1 to `N` bytes all of whose characters fulfil a condition.
macro_rules! text_type {
    ($(#[$meta:meta])* $name:ident, $valid:expr) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $name<'a, const N: usize>(&'a str);

        impl<'a, const N: usize> $name<'a, N> {
            /// Checks the length and the characters.
            pub fn new(text: &'a str) -> Option<Self> {
                let valid: fn(char) -> bool = $valid;
                ((1..=N).contains(&text.len()) && text.chars().all(valid)).then_some(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &'a str {
                self.0
            }
        }

        impl<const N: usize> fmt::Debug for $name<'_, N> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({} bytes)", stringify!($name), self.0.len())
            }
        }

        impl<'a, const N: usize> Field<'a> for $name<'a, N> {
            fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
                let bytes = reader.expect(tag)?.value();
                core::str::from_utf8(bytes).ok().and_then(Self::new).ok_or(Error::Value(tag))
            }

            fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
                writer.put(tag, self.0.as_bytes())
            }
        }
    };
}

text_type! {
    /// UTF-8 text of 1 to `N` bytes without control characters.
    Text, |character| !character.is_control()
}

text_type! {
    /// Printable ASCII (`20`–`7E`) of 1 to `N` bytes, "AN N" in SPEC.md.
    Ascii, |character| matches!(character, ' '..='~')
}

/// `N` ASCII digits: a code, not a number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digits<const N: usize>([u8; N]);

impl<const N: usize> Digits<N> {
    /// Checks that all are digits.
    pub fn from_bytes(bytes: [u8; N]) -> Option<Self> {
        bytes.iter().all(u8::is_ascii_digit).then_some(Self(bytes))
    }

    /// The digits in ASCII.
    pub fn to_bytes(&self) -> [u8; N] {
        self.0
    }
}

impl<const N: usize> fmt::Debug for Digits<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digits({N})")
    }
}

impl<'a, const N: usize> Field<'a> for Digits<N> {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        Self::from_bytes(<[u8; N]>::read(reader, tag)?).ok_or(Error::Value(tag))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.put(tag, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_in_bytes_and_controls_are_refused() {
        assert!(Text::<4>::new("ắa").is_some());
        for refused in ["", "ắắ", "a\n", "\u{85}"] {
            assert_eq!(Text::<4>::new(refused), None, "{refused:?}");
        }
        assert!(Ascii::<3>::new(" ~A").is_some());
        for refused in ["", "ABCD", "é", "\u{7f}"] {
            assert_eq!(Ascii::<3>::new(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn digits_are_ascii_digits() {
        assert!(Digits::from_bytes(*b"09").is_some());
        for refused in [*b"0:", *b"/9", *b" 1", [0, 1], [0x79, 0x79]] {
            assert_eq!(Digits::from_bytes(refused), None, "{refused:?}");
        }
    }
}
