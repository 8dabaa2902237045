//! Deliveries of blank cards. A vendor's file holds transport keys in clear: whoever reads them can personalize the blanks. So no
//! call takes such a file. It is put into the folder `inbox` of the station by somebody who may work on the service's computer, and
//! the call names it; the service seals the keys under the passphrase that it alone has, and removes the file.

use ansinh_keys::KeyError;
use ansinh_station::delivery::{self, DeliveryError};
use ansinh_store::StoreError;
use ansinh_store::operators::{Actor, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::call::{Call, Kind};
use crate::refusal::{Code, Refusal};
use crate::service::Service;

/// Registers the delivery of a file in the inbox: its transport keys are checked and sealed, its chips become blanks.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RegisterDelivery")]
pub struct Register {
    /// Name of the vendor's file in the folder `inbox` of the station, without a path.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$"))]
    pub file: String,
}

/// A delivery that is registered now; its file is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Registered {
    /// Its name.
    pub delivery: String,
    /// Its blank cards.
    pub cards: u64,
}

impl From<delivery::Registered> for Registered {
    fn from(registered: delivery::Registered) -> Self {
        Self {
            delivery: registered.name,
            cards: registered.cards as u64,
        }
    }
}

impl Call for Register {
    type Answer = Registered;
    const NAME: &'static str = "deliveries/register";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator];
    const SUMMARY: &'static str = "Register a delivery of blank cards whose file, with keys in clear, lies in the inbox of the service's computer";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        // Whether there is such a file is told before anybody is asked for a passphrase.
        let (home, store) = (service.home(), service.store());
        delivery::find(home, &self.file).map_err(|error| refusal(&error.into()))?;
        let registered = delivery::take_in(home, store, actor, &self.file, service.passphrase()?);
        Ok(registered.map_err(|error| refusal(&error))?.into())
    }
}

fn refusal(error: &anyhow::Error) -> Refusal {
    let code = match (error.downcast_ref(), error.downcast_ref(), error.is::<KeyError>()) {
        (Some(DeliveryError::NoFile(_)), _, _) => Code::NotFound,
        (Some(_), _, _) => Code::RefusedData,
        (None, Some(StoreError::Exists { .. }), _) => Code::Exists,
        (None, Some(StoreError::NotAllowed { .. }), _) => Code::NotAllowed,
        (None, Some(StoreError::PerhapsDone(_)), _) => Code::PerhapsDone,
        (None, _, true) => Code::Keys,
        _ => Code::Internal,
    };
    Refusal::new(code, format!("{error:#}"))
}
