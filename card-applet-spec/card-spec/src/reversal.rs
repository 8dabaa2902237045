//! Reversal (SPEC 9.8): a terminal takes its newest payment back, for the money was not handed over.

use crate::crypto::Digest;
use crate::payment::{ClockSource, HolderCheckMethod, Operator, SecondOperator};
use crate::tlv::{DataObject, Error, Field, Reader, Writer, template};
use crate::values::{TerminalName, Time};

template! {
    /// A reversal `FF2C`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Reversal<'a> {
        /// The terminal.
        terminal: TerminalName = 0x81,
        /// Sequence number of the terminal's entry that announces the reversal.
        sequence: u32 = 0x82,
        /// Hash of the journal entry before it.
        log_head: Digest = 0x83,
        /// Hash of the order to undo.
        order_hash: Digest = 0x84,
        /// CSO hash of the card.
        cso_hash: Digest = 0x85,
        /// How the person was checked.
        method: HolderCheckMethod = 0x8A,
        /// The clerk.
        operator: Operator<'a> = 0x8B,
        /// A second clerk, not the same one.
        second_operator: Option<SecondOperator<'a>> = 0x8C,
        /// When.
        time: Time = 0x8D,
        /// Where the time comes from.
        clock: ClockSource = 0x8E,
        /// Random bytes.
        nonce: [u8; 16] = 0x8F,
    }
}

impl<'a> Reversal<'a> {
    /// Tag of a reversal.
    pub const TAG: u16 = 0xFF2C;
    /// Longest reversal in bytes.
    pub const MAXIMUM_LENGTH: usize = 192;

    /// Reads a reversal and checks what no valid one may hold: no time, an unset clock, one operator twice (SPEC 9.2).
    pub fn parse(object: DataObject<'a>) -> Result<Self, Error> {
        let reversal = Self::read(&mut Reader::new(object.encoding()), Self::TAG)?;
        let second = reversal.second_operator;
        if second.is_some_and(|second| second.as_str() == reversal.operator.as_str()) {
            return Err(Error::Value(0x8C));
        }
        if reversal.time == Time::UNSET {
            return Err(Error::Value(0x8D));
        }
        if reversal.clock == ClockSource::Unset {
            return Err(Error::Value(0x8E));
        }
        Ok(reversal)
    }

    /// Encodes the reversal at the start of `out`.
    pub fn encode<'b>(&self, out: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let mut writer = Writer::new(out);
        self.write(&mut writer, Self::TAG)?;
        Ok(writer.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::{Ascii, Date};

    fn reversal() -> Reversal<'static> {
        Reversal {
            terminal: "VNT0000001".parse().unwrap(),
            sequence: 7,
            log_head: [1; 32],
            order_hash: [2; 32],
            cso_hash: [3; 32],
            method: HolderCheckMethod::PhotoDocument,
            operator: Ascii::new("01234567890123456789").unwrap(),
            second_operator: Ascii::new("01234567890"),
            time: Time::new(Date::new(2026, 11, 22).unwrap(), 9, 30, 0).unwrap(),
            clock: ClockSource::Host,
            nonce: [4; 16],
        }
    }

    fn read_back(reversal: &Reversal<'_>) -> Result<(), Error> {
        let mut buffer = [0; 256];
        let bytes = reversal.encode(&mut buffer).unwrap();
        Reversal::parse(DataObject::parse(bytes)?).map(|read| assert_eq!(read, *reversal))
    }

    #[test]
    fn the_longest_has_the_length_stated() {
        let mut buffer = [0; 256];
        let bytes = reversal().encode(&mut buffer).unwrap();
        assert_eq!(bytes.len(), Reversal::MAXIMUM_LENGTH);
    }

    #[test]
    fn reads_what_it_writes_and_nothing_invalid() {
        let right = reversal();
        assert_eq!(read_back(&right), Ok(()));
        assert_eq!(
            read_back(&Reversal {
                second_operator: None,
                ..right
            }),
            Ok(())
        );
        let twice = Reversal {
            operator: Ascii::new("01234567890").unwrap(),
            ..right
        };
        assert_eq!(read_back(&twice), Err(Error::Value(0x8C)));
        assert_eq!(
            read_back(&Reversal {
                time: Time::UNSET,
                ..right
            }),
            Err(Error::Value(0x8D))
        );
        assert_eq!(
            read_back(&Reversal {
                clock: ClockSource::Unset,
                ..right
            }),
            Err(Error::Value(0x8E))
        );
    }
}
