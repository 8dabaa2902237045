//! Issuer scripts (SPEC 13): what an issuer has a card do after ACTIVATE, whoever carries the command.

use crate::certificate::Reference;
use crate::crypto::Digest;
use crate::list::BlockReason;
use crate::signed::Body;
use crate::tlv::{Error, Field, Reader, Writer};
use crate::values::{CardNumber, Date, Period, Suite, Time};

/// What a script does, with its content: objects `82` and `A3` (SPEC 13.1). An action without content has an empty `A3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `01`: all tries of the PIN are left again.
    FillPinTries,
    /// `02`: a new PIN may be set, once.
    PermitNewPin,
    /// `03`: the card pays nothing until it is unblocked.
    Block(BlockReason),
    /// `04`: the card pays again; block lists up to this number block it no more.
    Unblock(u32),
    /// `05`: the card pays nothing for ever.
    Terminate(BlockReason),
    /// `06`: the update whose CSO has this hash counts.
    PutInForce(Digest),
    /// `07`: no month before this one is paid from then on.
    Prune(Period),
    /// `08`: the remembered date.
    SetDate(Date),
    /// `09`: the payment by the order with this hash is undone.
    Reverse(Digest),
}

impl Action {
    const CONTENT: u16 = 0xA3;

    /// Its byte, object `82`.
    pub const fn number(&self) -> u8 {
        match self {
            Self::FillPinTries => 0x01,
            Self::PermitNewPin => 0x02,
            Self::Block(_) => 0x03,
            Self::Unblock(_) => 0x04,
            Self::Terminate(_) => 0x05,
            Self::PutInForce(_) => 0x06,
            Self::Prune(_) => 0x07,
            Self::SetDate(_) => 0x08,
            Self::Reverse(_) => 0x09,
        }
    }
}

/// The tag is that of the number; the content follows it under its own.
impl<'a> Field<'a> for Action {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        let number = u8::read(reader, tag)?;
        let mut content = reader.expect(Self::CONTENT)?.members()?;
        let members = &mut content;
        let action = match number {
            0x01 => Self::FillPinTries,
            0x02 => Self::PermitNewPin,
            0x03 => Self::Block(Field::read(members, 0x80)?),
            0x04 => Self::Unblock(Field::read(members, 0x80)?),
            0x05 => Self::Terminate(Field::read(members, 0x80)?),
            0x06 => Self::PutInForce(Field::read(members, 0x80)?),
            0x07 => Self::Prune(Field::read(members, 0x80)?),
            0x08 => Self::SetDate(Field::read(members, 0x5F25)?),
            0x09 => Self::Reverse(Field::read(members, 0x80)?),
            _ => return Err(Error::Value(tag)),
        };
        content.finish()?;
        Ok(action)
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        self.number().write(writer, tag)?;
        writer.template(Self::CONTENT, |members| match self {
            Self::FillPinTries | Self::PermitNewPin => Ok(()),
            Self::Block(reason) | Self::Terminate(reason) => reason.write(members, 0x80),
            Self::Unblock(number) => number.write(members, 0x80),
            Self::PutInForce(hash) | Self::Reverse(hash) => hash.write(members, 0x80),
            Self::Prune(floor) => floor.write(members, 0x80),
            Self::SetDate(date) => date.write(members, 0x5F25),
        })
    }
}

/// Body `FF2B`: an issuer script (SPEC 13.1). It works once, for it names the receipt counter that it is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuerScript {
    /// Signature suite.
    pub suite: Suite,
    /// CHR of the issuer's certificate.
    pub issuer: Reference,
    /// The card.
    pub card_number: CardNumber,
    /// The card's receipt counter for which the script is good.
    pub counter: u32,
    /// What the card is to do.
    pub action: Action,
    /// When it was signed.
    pub issued: Time,
}

/// Longest script with its signature in bytes.
pub const MAXIMUM_LENGTH: usize = 159;

impl Body<'_> for IssuerScript {
    const TAG: u16 = 0xFF2B;
}

impl<'a> Field<'a> for IssuerScript {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        let mut members = reader.expect(tag)?.members()?;
        let script = Self {
            suite: Field::read(&mut members, 0x80)?,
            issuer: Field::read(&mut members, 0x42)?,
            card_number: Field::read(&mut members, 0x5A)?,
            counter: Field::read(&mut members, 0x81)?,
            action: Field::read(&mut members, 0x82)?,
            issued: Field::read(&mut members, 0x8D)?,
        };
        members.finish()?;
        if script.issued == Time::UNSET {
            return Err(Error::Value(0x8D));
        }
        Ok(script)
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.template(tag, |members| {
            self.suite.write(members, 0x80)?;
            self.issuer.write(members, 0x42)?;
            self.card_number.write(members, 0x5A)?;
            self.counter.write(members, 0x81)?;
            self.action.write(members, 0x82)?;
            self.issued.write(members, 0x8D)
        })
    }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test that panics has done its work"
)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use crate::crypto::SecretKey;
    use crate::signed::{Signed, encode_body, sign};

    fn actions() -> [Action; 9] {
        [
            Action::FillPinTries,
            Action::PermitNewPin,
            Action::Block(BlockReason::Lost),
            Action::Unblock(4),
            Action::Terminate(BlockReason::HolderDeceased),
            Action::PutInForce([6; 32]),
            Action::Prune(Period::FIRST),
            Action::SetDate(Date::new(2026, 1, 1).unwrap()),
            Action::Reverse([9; 32]),
        ]
    }

    fn script(action: Action) -> IssuerScript {
        IssuerScript {
            suite: Default::default(),
            issuer: Reference::new("VN12345678900001").unwrap(),
            card_number: CardNumber::new(79, 1).unwrap(),
            counter: 3,
            action,
            issued: Time::new(Date::new(2026, 11, 22).unwrap(), 8, 0, 0).unwrap(),
        }
    }

    fn encoded(script: &IssuerScript) -> Vec<u8> {
        let mut buffer = [0; 256];
        encode_body(script, &mut buffer).unwrap().to_vec()
    }

    fn read(bytes: &[u8]) -> Result<IssuerScript, Error> {
        let mut reader = Reader::new(bytes);
        let script = IssuerScript::read(&mut reader, IssuerScript::TAG)?;
        reader.finish()?;
        Ok(script)
    }

    /// The encoding with action and content replaced by these bytes.
    fn with_action(action: &[u8]) -> Vec<u8> {
        let whole = encoded(&script(Action::FillPinTries));
        let action_and_content = [0x82, 0x01, 0x01, 0xA3, 0x00];
        let at = whole
            .windows(action_and_content.len())
            .position(|window| window == action_and_content)
            .unwrap();
        let mut bytes = [&whole[..at], action, &whole[at + action_and_content.len()..]].concat();
        bytes[2] = u8::try_from(bytes.len() - 3).unwrap();
        bytes
    }

    #[test]
    fn every_action_reads_as_it_was_written() {
        for (number, action) in (1..).zip(actions()) {
            assert_eq!(action.number(), number);
            assert_eq!(read(&encoded(&script(action))), Ok(script(action)));
        }
    }

    #[test]
    fn no_action_takes_the_content_of_another() {
        let contents = actions().map(|action| {
            let bytes = encoded(&script(action));
            let from = bytes
                .windows(4)
                .position(|w| w[..3] == [0x82, 0x01, action.number()] && w[3] == 0xA3);
            let from = from.unwrap() + 3;
            bytes[from..from + 2 + usize::from(bytes[from + 1])].to_vec()
        });
        for number in 0..=255 {
            for content in &contents {
                let bytes = with_action(&[&[0x82, 0x01, number], &content[..]].concat());
                // The nine contents have six shapes, and no two shapes have one length.
                let own = contents.get(usize::from(number).wrapping_sub(1));
                let fits = own.is_some_and(|own| own.len() == content.len());
                assert_eq!(
                    read(&bytes).is_ok(),
                    fits,
                    "action {number}, content {content:02X?}"
                );
            }
        }
    }

    #[test]
    fn refuses_what_is_no_action() {
        let refused: [&[u8]; 12] = [
            &[0x82, 1, 0x01],                                     // no content object
            &[0x82, 1, 0x00, 0xA3, 0],                            // no such action
            &[0x82, 1, 0x0A, 0xA3, 0],                            // no such action
            &[0x82, 1, 0xFF, 0xA3, 3, 0x80, 1, 1],                // no such action
            &[0x82, 1, 0x01, 0xA3, 3, 0x80, 1, 1],                // content for an action that has none
            &[0x82, 1, 0x03, 0xA3, 0],                            // reason missing
            &[0x82, 1, 0x03, 0xA3, 3, 0x80, 1, 0],                // no such reason
            &[0x82, 1, 0x03, 0xA3, 6, 0x80, 1, 1, 0x81, 1, 1],    // an object too many
            &[0x82, 1, 0x04, 0xA3, 3, 0x80, 1, 4],                // number not of 4 bytes
            &[0x82, 1, 0x07, 0xA3, 5, 0x80, 3, 0x20, 0x26, 0x13], // month 13
            &[0x82, 1, 0x08, 0xA3, 8, 0x80, 6, 2, 6, 1, 1, 0, 1], // wrong tag
            &[0xA3, 0, 0x82, 1, 0x01],                            // order
        ];
        for action in refused {
            assert!(read(&with_action(action)).is_err(), "{action:02X?}");
        }
        assert!(read(&with_action(&[0x82, 1, 0x01, 0xA3, 0])).is_ok());
    }

    #[test]
    fn refuses_an_unset_time() {
        let unset = IssuerScript {
            issued: Time::UNSET,
            ..script(Action::FillPinTries)
        };
        assert_eq!(read(&encoded(&unset)), Err(Error::Value(0x8D)));
    }

    #[test]
    fn the_longest_has_the_length_stated() {
        let key = SecretKey::from_bytes(&[7; 32]).unwrap();
        let mut buffer = [0; 256];
        let object = sign(&script(Action::Reverse([9; 32])), &key, &mut buffer).unwrap();
        assert_eq!(object.len(), MAXIMUM_LENGTH);
        assert!(Signed::<IssuerScript>::parse(object).is_ok());
    }
}
