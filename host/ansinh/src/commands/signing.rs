//! The station with its issuer's key opened: what every command needs that signs.

use ansinh_keys::{Passphrase, Role, SigningKey};
use ansinh_payout::IssuerKey;
use ansinh_station::home::{Home, Station};
use ansinh_store::Store;
use ansinh_store::operators::Actor;
use anyhow::Result;

use super::Options;

/// An opened station.
pub(crate) struct Signing {
    pub(crate) home: Home,
    pub(crate) station: Station,
    pub(crate) store: Store,
    pub(crate) actor: Actor,
    pub(crate) passphrase: Passphrase,
    signer: SigningKey,
    certificate: Vec<u8>,
}

impl Signing {
    /// Opens settings, ledger and the issuer's key.
    pub(crate) fn open(options: &Options) -> Result<Self> {
        let home = options.home();
        let station = home.station()?;
        let store = home.open_store()?;
        let actor = options.actor(&store)?;
        let passphrase = options.passphrase()?;
        Ok(Self {
            signer: home.signing_key(Role::Issuer, &passphrase)?,
            certificate: home.certificate(&station.reference(Role::Issuer)?)?,
            home,
            station,
            store,
            actor,
            passphrase,
        })
    }

    /// The issuer's key with its certificate.
    pub(crate) fn issuer(&self) -> Result<IssuerKey<'_, SigningKey>> {
        Ok(IssuerKey::new(&self.signer, &self.certificate)?)
    }
}
