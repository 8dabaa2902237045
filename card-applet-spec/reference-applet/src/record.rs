//! How the card keeps a record in a slot: as a template of the profile, so that one codec serves wire and memory.

use card_spec::tlv::{Field, Reader, Writer};
use zeroize::Zeroizing;

use crate::answer::Stop;
use crate::memory::{MAX_WRITE, Memory, Slot};

/// Tag around every stored record; it never leaves the card.
const RECORD: u16 = 0xA0;

/// A record that lives in one slot, so that it changes as a whole.
pub(crate) trait Record: for<'a> Field<'a> {
    /// Reads the record; `None` if it was never written.
    fn load(memory: &impl Memory, slot: Slot) -> Result<Option<Self>, Stop> {
        let stored = memory.read(slot);
        if stored.is_empty() {
            return Ok(None);
        }
        let mut reader = Reader::new(stored);
        let record = Self::read(&mut reader, RECORD).map_err(|_| Stop::FAULT)?;
        reader.finish().map_err(|_| Stop::FAULT)?;
        Ok(Some(record))
    }

    /// Writes the record.
    fn store(&self, memory: &mut impl Memory, slot: Slot) -> Result<(), Stop> {
        let mut buffer = Zeroizing::new([0; MAX_WRITE]);
        let mut writer = Writer::new(buffer.as_mut());
        self.write(&mut writer, RECORD).map_err(|_| Stop::FAULT)?;
        Ok(memory.write(slot, writer.finish())?)
    }
}

impl<T: for<'a> Field<'a>> Record for T {}

/// Declares a record: one line per member, with its tag, in order.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub(crate) struct $name:ident {
            $( $(#[$member_meta:meta])* $member:ident : $type:ty = $tag:literal, )*
        }
    ) => {
        $(#[$meta])*
        pub(crate) struct $name {
            $( $(#[$member_meta])* pub(crate) $member: $type, )*
        }

        impl<'a> card_spec::tlv::Field<'a> for $name {
            fn read(reader: &mut card_spec::tlv::Reader<'a>, tag: u16) -> Result<Self, card_spec::tlv::Error> {
                let mut members = reader.expect(tag)?.members()?;
                let record = Self { $( $member: card_spec::tlv::Field::read(&mut members, $tag)?, )* };
                members.finish()?;
                Ok(record)
            }

            fn write(&self, writer: &mut card_spec::tlv::Writer<'_>, tag: u16) -> Result<(), card_spec::tlv::Error> {
                writer.template(tag, |members| {
                    $( card_spec::tlv::Field::write(&self.$member, members, $tag)?; )*
                    Ok(())
                })
            }
        }
    };
}
pub(crate) use record;
