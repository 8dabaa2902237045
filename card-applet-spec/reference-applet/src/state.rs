//! What the card remembers without power, and the life cycle that follows from it.
//!
//! The life cycle is no variable of its own that could contradict the rest: key version `01` is a blank card, and since
//! ACTIVATE it stands in the ledger. So each command that changes it does so in the one write that it makes anyway.

use core::ops::Deref;

use card_spec::command::{LifeCycle, TRANSPORT_KEY_VERSION};
use card_spec::crypto::Digest;
use card_spec::scp03::StaticKeys;
use card_spec::values::{Amount, Date, Period};
use zeroize::Zeroize;

use crate::answer::Stop;
use crate::content::Generation;
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
    /// What issuer scripts granted about the PIN (SPEC 13.4): the receipt counters of the latest scripts, 0 before any.
    /// The ledger holds what was granted, the PIN what it has used of that: each changes in a write of its own.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) struct PinGrants {
        /// Its tries were filled (script `01`).
        filled: u32 = 0x80,
        /// A new PIN was permitted (script `02`).
        permitted: u32 = 0x81,
    }
}

record! {
    /// The PIN and how many tries of it are used. Tries *used*, because how many there are stands in the CSO.
    pub(crate) struct StoredPin {
        digits: [u8; 6] = 0x80,
        used: u8 = 0x81,
        /// `filled` as `used` counts from, `permitted` as the digits were set under.
        grants: PinGrants = 0xA2,
    }
}

impl StoredPin {
    /// A PIN with all its tries, which uses up a permission.
    pub(crate) const fn new(digits: [u8; 6], grants: PinGrants) -> Self {
        Self {
            digits,
            used: 0,
            grants,
        }
    }

    /// Tries used since they were last filled.
    pub(crate) const fn tries_used(&self, granted: PinGrants) -> u8 {
        if self.grants.filled == granted.filled {
            self.used
        } else {
            0
        }
    }

    /// The same PIN with so many tries used.
    pub(crate) fn with_tries_used(mut self, used: u8, granted: PinGrants) -> Self {
        self.used = used;
        self.grants.filled = granted.filled;
        self
    }

    /// Does an issuer script permit another PIN (SPEC 6.8)?
    pub(crate) const fn may_be_replaced(&self, granted: PinGrants) -> bool {
        self.grants.permitted != granted.permitted
    }
}

impl Drop for StoredPin {
    fn drop(&mut self) {
        self.digits.zeroize();
    }
}

record! {
    /// The row of paid lines that the newest receipt changed. It is repeated here, so that one write commits a payment or
    /// a reversal, and goes to its own slot before the next one.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(crate) struct NewestRow {
        number: u8 = 0x80,
        row: Row = 0xA1,
    }
}

record! {
    /// All that a card has besides its content since it was activated: one write commits a payment, a reversal, an issuer
    /// script, a block list.
    #[derive(Clone, Copy)]
    pub(crate) struct Ledger {
        /// Active, blocked or terminated.
        life_cycle: LifeCycle = 0x80,
        /// Which loading of content is in force (SPEC 13.6).
        generation: Generation = 0x81,
        /// Receipts given.
        counter: u32 = 0x82,
        /// Hash of the newest receipt's `FF24`; the CSO hash before the first.
        head: Digest = 0x83,
        /// The remembered date: the latest one that a verified chain has shown, or what a script set.
        remembered: Date = 0x84,
        /// The month that `total` is of.
        month: Period = 0x85,
        total: Amount = 0x86,
        /// The first month that may be paid at all (SPEC 13.8).
        floor: Period = 0x87,
        /// Block lists up to this number block the card no more (SPEC 13.5).
        block_list_number: u32 = 0x88,
        pin_grants: PinGrants = 0xA9,
        newest_row: Option<NewestRow> = 0xAA,
    }
}

/// The ledger of a card that is active: neither blocked nor terminated. Only the state of the memory makes it.
#[derive(Clone, Copy)]
pub(crate) struct ActiveLedger(Ledger);

impl Deref for ActiveLedger {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.0
    }
}

/// Where the card is in its life (SPEC 14.1). What needs an activated or an active card takes its ledger, which no other
/// card has.
pub(crate) enum State {
    Blank,
    Personalizing,
    Active(ActiveLedger),
    Blocked(Ledger),
    Terminated(Ledger),
}

impl State {
    /// What the memory says.
    pub(crate) fn of(memory: &impl Memory) -> Result<Self, Stop> {
        if let Some(ledger) = Ledger::load(memory, Slot::Ledger)? {
            return match ledger.life_cycle {
                LifeCycle::Active => Ok(Self::Active(ActiveLedger(ledger))),
                LifeCycle::Blocked => Ok(Self::Blocked(ledger)),
                LifeCycle::Terminated => Ok(Self::Terminated(ledger)),
                LifeCycle::Blank | LifeCycle::Personalizing => Err(Stop::FAULT),
            };
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
            Self::Blocked(_) => LifeCycle::Blocked,
            Self::Terminated(_) => LifeCycle::Terminated,
        }
    }

    /// The ledger of an active card.
    pub(crate) const fn active(&self) -> Result<ActiveLedger, Stop> {
        match self {
            Self::Active(ledger) => Ok(*ledger),
            _ => Err(Stop::LIFE_CYCLE),
        }
    }

    /// The ledger of a card that was activated, also if it is blocked or terminated by now.
    pub(crate) const fn activated(&self) -> Result<Ledger, Stop> {
        match self {
            Self::Active(ActiveLedger(ledger)) | Self::Blocked(ledger) | Self::Terminated(ledger) => {
                Ok(*ledger)
            }
            Self::Blank | Self::Personalizing => Err(Stop::LIFE_CYCLE),
        }
    }

    /// What issuer scripts granted about the PIN: nothing before the card was activated.
    pub(crate) fn pin_grants(&self) -> PinGrants {
        self.activated()
            .map_or_else(|_| PinGrants::default(), |ledger| ledger.pin_grants)
    }

    /// The loading that STORE DATA makes: what ACTIVATE will put in force, or an update (SPEC 6.6).
    pub(crate) fn next_loading(&self) -> Generation {
        self.activated()
            .map_or_else(|_| Generation::FIRST, |ledger| ledger.generation.next())
    }

    /// The loading of content that is in force.
    pub(crate) fn generation(&self) -> Generation {
        self.activated()
            .map_or_else(|_| Generation::FIRST, |ledger| ledger.generation)
    }
}
