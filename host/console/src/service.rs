//! A station opened for work: what every call works upon, whether it came over the network or from the command line.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ansinh_keys::{Passphrase, Role, SigningKey};
use ansinh_payout::IssuerKey;
use ansinh_station::home::{Home, Station};
use ansinh_store::operations::OperationsHead;
use ansinh_store::{Store, StoreError};
use anyhow::Result;

use crate::config::PinLetters;
use crate::events::Events;
use crate::issuing::Issuing;
use crate::metrics::Metrics;
use crate::readers::Readers;
use crate::refusal::{Code, Refusal};

/// Where the passphrase of the keys comes from when a call needs a key for the first time.
type Ask = Box<dyn Fn() -> Result<Passphrase> + Send + Sync>;

/// A station opened for work. Clones are the same station.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    home: Home,
    station: Station,
    store: Store,
    ask: Ask,
    passphrase: OnceLock<Passphrase>,
    issuer: OnceLock<Issuer>,
    pin_letters: OnceLock<PinLetters>,
    verified: Mutex<OperationsHead>,
    events: Events,
    readers: Readers,
    issuing: Issuing,
    metrics: Metrics,
}

struct Issuer {
    key: SigningKey,
    certificate: Vec<u8>,
}

impl Service {
    /// Opens the settings and the ledger; keys are opened when they are needed.
    ///
    /// # Errors
    /// Of the station's folder and the store.
    pub fn open(home: Home, ask: impl Fn() -> Result<Passphrase> + Send + Sync + 'static) -> Result<Self> {
        let (store, metrics) = (home.open_store()?, Metrics::new());
        store.observe_writes(metrics.write_observer());
        Ok(Self(Arc::new(Inner {
            station: home.station()?,
            store,
            home,
            ask: Box::new(ask),
            passphrase: OnceLock::new(),
            issuer: OnceLock::new(),
            pin_letters: OnceLock::new(),
            verified: Mutex::new(OperationsHead {
                position: 0,
                hash: [0; 32],
            }),
            events: Events::new(),
            readers: Readers::new(),
            issuing: Issuing::new(),
            metrics,
        })))
    }

    /// The station's folder.
    pub fn home(&self) -> &Home {
        &self.0.home
    }

    /// Its settings.
    pub fn station(&self) -> &Station {
        &self.0.station
    }

    /// The ledger.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// What happens here.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// The readers, as long as somebody watches them.
    pub fn readers(&self) -> &Readers {
        &self.0.readers
    }

    /// The issuing of cards.
    pub fn issuing(&self) -> &Issuing {
        &self.0.issuing
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Sets who prints PIN letters, once.
    pub(crate) fn set_pin_letters(&self, letters: PinLetters) {
        let _ = self.0.pin_letters.set(letters);
    }

    /// The program that prints PIN letters and whom holders call about them, if that is set.
    pub(crate) fn pin_letters(&self) -> Option<(&str, &str)> {
        let letters = self.0.pin_letters.get()?;
        Some((letters.command.as_deref()?, letters.contact.as_deref()?))
    }

    /// The passphrase of the keys; asked for once.
    ///
    /// # Errors
    /// [`Code::Keys`] if there is nobody to ask.
    pub fn passphrase(&self) -> Result<&Passphrase, Refusal> {
        if self.0.passphrase.get().is_none() {
            let asked = (self.0.ask)().map_err(|error| no_key(&error))?;
            // Somebody else may have asked meanwhile: the same passphrase.
            let _ = self.0.passphrase.set(asked);
        }
        let held = self.0.passphrase.get();
        held.ok_or_else(|| Refusal::new(Code::Keys, "the passphrase is gone; start again"))
    }

    /// The issuer's key, opened.
    ///
    /// # Errors
    /// [`Code::Keys`] if it does not open.
    pub fn issuer(&self) -> Result<IssuerKey<'_, SigningKey>, Refusal> {
        if self.0.issuer.get().is_none() {
            let opened = self.open_issuer().map_err(|error| no_key(&error))?;
            let _ = self.0.issuer.set(opened);
        }
        let held = self.0.issuer.get();
        let held = held.ok_or_else(|| Refusal::new(Code::Keys, "the issuer's key is gone; start again"))?;
        Ok(IssuerKey::new(&held.key, &held.certificate)?)
    }

    fn open_issuer(&self) -> Result<Issuer> {
        let (home, station) = (&self.0.home, &self.0.station);
        Ok(Issuer {
            key: home.signing_key(Role::Issuer, self.passphrase()?)?,
            certificate: home.certificate(&station.reference(Role::Issuer)?)?,
        })
    }

    /// Checks what the operations log has grown by since the last time, and gives its head. The first time it is the whole log.
    ///
    /// # Errors
    /// [`StoreError::BrokenLog`] at the first line that does not follow from the one before.
    pub fn operations_head(&self) -> Result<OperationsHead, StoreError> {
        let mut verified = self.0.verified.lock().unwrap_or_else(PoisonError::into_inner);
        *verified = self.store().verify_operations_after(*verified)?;
        Ok(*verified)
    }
}

fn no_key(error: &anyhow::Error) -> Refusal {
    match error.downcast_ref::<Refusal>() {
        Some(refusal) => refusal.clone(),
        None => Refusal::new(Code::Keys, format!("{error:#}")),
    }
}
