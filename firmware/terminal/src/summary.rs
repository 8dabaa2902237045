//! What the journal keeps at the beginning of each of its blocks (`journal::Journal::append_after`): what all entries before say
//! together, so that a start reads one block however long the journal is.
//!
//! A summary is worth what the entries are that a start reads without verifying them: host and auditor check the chain.

use heapless::Vec;
use journal::MAX_SUMMARY;

use crate::standing::Standing;

/// Another firmware may keep something else: then the entries are read one by one. A change of [`Standing`] is a new format.
const FORMAT: u8 = 6;

/// The bytes to keep. None if they are too many, which they never are: then a start reads more.
pub(crate) fn encode(standing: &Standing) -> Vec<u8, MAX_SUMMARY> {
    let mut bytes = [0; MAX_SUMMARY];
    let encoded = postcard::to_slice(&(FORMAT, standing), &mut bytes);
    encoded
        .ok()
        .and_then(|encoded| Vec::from_slice(encoded).ok())
        .unwrap_or_default()
}

/// `None` for one of another firmware.
pub(crate) fn decode(bytes: &[u8]) -> Option<Standing> {
    let (format, rest) = bytes.split_first()?;
    match postcard::take_from_bytes(rest) {
        Ok((standing, [])) if *format == FORMAT => Some(standing),
        _ => None,
    }
}

/// An amount as a number of VND.
pub(crate) mod amount {
    use card_spec::values::Amount;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(crate) fn serialize<S: Serializer>(amount: &Amount, to: S) -> Result<S::Ok, S::Error> {
        amount.vnd().serialize(to)
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Amount, D::Error> {
        Amount::new(u64::deserialize(from)?).ok_or_else(|| D::Error::custom("no amount"))
    }
}

/// A time as its seven bytes.
pub(crate) mod time {
    use card_spec::values::Time;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Time, to: S) -> Result<S::Ok, S::Error> {
        time.to_bytes().serialize(to)
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Time, D::Error> {
        Time::from_bytes(<[u8; 7]>::deserialize(from)?).ok_or_else(|| D::Error::custom("no time"))
    }
}

/// A date as its six bytes.
pub(crate) mod date {
    use card_spec::values::Date;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(crate) fn serialize<S: Serializer>(date: &Date, to: S) -> Result<S::Ok, S::Error> {
        date.to_bytes().serialize(to)
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Date, D::Error> {
        Date::from_bytes(<[u8; 6]>::deserialize(from)?).ok_or_else(|| D::Error::custom("no date"))
    }
}
