//! What the card remembers without power, and the life cycle that follows from it.
//!
//! The life cycle is no variable of its own that could contradict the rest: key version `01` is a blank card, a ledger is
//! an active one. So PUT KEY and ACTIVATE change it in the one write that they make anyway.

use card_spec::command::{LifeCycle, TRANSPORT_KEY_VERSION};
use card_spec::crypto::Digest;
use card_spec::scp03::StaticKeys;
use card_spec::values::{Amount, Date, Period};
use zeroize::Zeroize;

use crate::answer::Stop;
use crate::memory::{Memory, Slot};
use crate::paid_lines::Row;
use crate::record::{Record as _, record};

record! {
    /// The SCP03 keys.
    pub(crate) struct StoredKeys {
        version: u8 = 0x80,
        enc: [u8; 16] = 0x81,
        mac: [u8; 16] = 0x82,
        dek: [u8; 16] = 0x83,
    }
}

impl StoredKeys {
    /// The keys to compute with.
    pub(crate) const fn keys(&self) -> StaticKeys {
        StaticKeys::new(self.enc, self.mac, self.dek)
    }

    /// `None` unless all three are AES-128.
    pub(crate) fn new(version: u8, keys: &StaticKeys) -> Option<Self> {
        Some(Self {
            version,
            enc: keys.enc.as_bytes().try_into().ok()?,
            mac: keys.mac.as_bytes().try_into().ok()?,
            dek: keys.dek.as_bytes().try_into().ok()?,
        })
    }
}

impl Drop for StoredKeys {
    fn drop(&mut self) {
        self.enc.zeroize();
        self.mac.zeroize();
        self.dek.zeroize();
    }
}

record! {
    /// The card's own key pairs.
    pub(crate) struct KeyPairs {
        agreement_secret: [u8; 32] = 0x80,
        agreement: [u8; 65] = 0x81,
        signing_secret: [u8; 32] = 0x82,
        signing: [u8; 65] = 0x83,
        /// A CSO was loaded for them: they are never replaced again (SPEC 6.5).
        kept: u8 = 0x84,
    }
}

impl Drop for KeyPairs {
    fn drop(&mut self) {
        self.agreement_secret.zeroize();
        self.signing_secret.zeroize();
    }
}

record! {
    /// The PIN and how many tries of it are used. Tries *used*, because how many there are stands in the CSO.
    pub(crate) struct StoredPin {
        digits: [u8; 6] = 0x80,
        used: u8 = 0x81,
    }
}

impl Drop for StoredPin {
    fn drop(&mut self) {
        self.digits.zeroize();
    }
}

record! {
    /// The row of paid lines that the newest payment marked. It is repeated here, so that one write commits a payment, and
    /// goes to its own slot before the next one.
    #[derive(Clone, Copy)]
    pub(crate) struct NewestRow {
        number: u8 = 0x80,
        row: Row = 0xA1,
    }
}

record! {
    /// The money side of an active card: one write commits a payment.
    #[derive(Clone, Copy)]
    pub(crate) struct Ledger {
        /// Receipts given.
        counter: u32 = 0x80,
        /// Hash of the newest receipt's `FF24`; the CSO hash before the first.
        head: Digest = 0x81,
        /// The latest date a verified chain has shown.
        remembered: Date = 0x82,
        /// The month that `total` is of.
        month: Period = 0x83,
        total: Amount = 0x84,
        newest_row: Option<NewestRow> = 0xA5,
    }
}

/// Where the card is in its life. What needs an active card takes the ledger, which only an active card has.
pub(crate) enum State {
    Blank,
    Personalizing,
    Active(Ledger),
}

impl State {
    /// What the memory says.
    pub(crate) fn of(memory: &impl Memory) -> Result<Self, Stop> {
        if let Some(ledger) = Ledger::load(memory, Slot::Ledger)? {
            return Ok(Self::Active(ledger));
        }
        let keys = StoredKeys::load(memory, Slot::StaticKeys)?.ok_or(Stop::FAULT)?;
        Ok(if keys.version == TRANSPORT_KEY_VERSION {
            Self::Blank
        } else {
            Self::Personalizing
        })
    }

    pub(crate) const fn life_cycle(&self) -> LifeCycle {
        match self {
            Self::Blank => LifeCycle::Blank,
            Self::Personalizing => LifeCycle::Personalizing,
            Self::Active(_) => LifeCycle::Active,
        }
    }

    /// The ledger of an active card.
    pub(crate) fn active(self) -> Result<Ledger, Stop> {
        match self {
            Self::Active(ledger) => Ok(ledger),
            Self::Blank | Self::Personalizing => Err(Stop::LIFE_CYCLE),
        }
    }
}
