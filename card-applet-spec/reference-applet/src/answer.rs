//! What a command comes to: data and a status word, or the end of power.

use card_spec::apdu::StatusWord;
use card_spec::refusal::Refusal;
use card_spec::scp03::ChannelError;
use card_spec::tlv;
use heapless::Vec;

use crate::memory::PowerLost;

/// The most response data a card returns (short length fields).
pub(crate) const MAX_DATA: usize = 256;

/// Response data and status word, before secure messaging.
pub(crate) struct Answer {
    pub(crate) data: Vec<u8, MAX_DATA>,
    pub(crate) status: StatusWord,
}

impl Answer {
    /// A status word alone.
    pub(crate) const fn status(status: StatusWord) -> Self {
        Self {
            data: Vec::new(),
            status,
        }
    }

    /// `9000` alone.
    pub(crate) const fn done() -> Self {
        Self::status(StatusWord::SUCCESS)
    }

    /// Data with `9000`.
    pub(crate) fn data(data: &[u8]) -> Result<Self, Stop> {
        Self::with(data, StatusWord::SUCCESS)
    }

    /// Data with a status word.
    pub(crate) fn with(data: &[u8], status: StatusWord) -> Result<Self, Stop> {
        let data = Vec::from_slice(data).map_err(|_| Stop::FAULT)?;
        Ok(Self { data, status })
    }
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Refused with a status word; nothing changed.
    Refused(StatusWord),
    /// The chip is without power; it answers nothing.
    PowerLost,
}

impl Stop {
    /// The card's own memory or arithmetic is not what this program left there: no clause names it, nobody can help it.
    pub(crate) const FAULT: Self = Self::Refused(StatusWord::NO_PRECISE_DIAGNOSIS);
    /// `6985`.
    pub(crate) const LIFE_CYCLE: Self = Self::Refused(StatusWord::CONDITIONS_NOT_SATISFIED);
    /// `6982`.
    pub(crate) const SECURITY: Self = Self::Refused(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
    /// `6A80`.
    pub(crate) const DATA: Self = Self::Refused(StatusWord::INCORRECT_DATA);
    /// `6A86`.
    pub(crate) const P1_P2: Self = Self::Refused(StatusWord::INCORRECT_P1_P2);
    /// `6D00`.
    pub(crate) const INSTRUCTION: Self = Self::Refused(StatusWord::INSTRUCTION_NOT_SUPPORTED);
    /// `6E00`.
    pub(crate) const CLASS: Self = Self::Refused(StatusWord::CLASS_NOT_SUPPORTED);
    /// `6700`.
    pub(crate) const LENGTH: Self = Self::Refused(StatusWord::WRONG_LENGTH);
}

impl From<PowerLost> for Stop {
    fn from(_: PowerLost) -> Self {
        Self::PowerLost
    }
}

/// SPEC 1.4: whatever breaks the encoding is `6A80`.
impl From<tlv::Error> for Stop {
    fn from(_: tlv::Error) -> Self {
        Self::DATA
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.status())
    }
}

impl From<ChannelError> for Stop {
    fn from(error: ChannelError) -> Self {
        Self::Refused(error.status())
    }
}
