//! How the station stands.

use ansinh_store::operators::{Actor, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EVERYBODY;
use crate::call::{Call, Kind};
use crate::refusal::Refusal;
use crate::service::Service;

/// How the station stands.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ShowStatus")]
pub struct Show {}

/// How the station stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Holder reference of the issuer's certificate.
    pub issuer: String,
    /// Whether everything below its root is a demonstration.
    pub test: bool,
    /// Persons that wait for a card, in a batch or not.
    pub waiting: u64,
    /// Those of them for whom a card may be begun today.
    pub approved: u64,
    /// Cards begun and not finished.
    pub unfinished: u64,
    /// Whether the PC/SC service runs.
    pub readers_reachable: bool,
    /// Who issues at this moment.
    pub issuing: Option<String>,
}

impl Call for Show {
    type Answer = Status;
    const NAME: &'static str = "status";
    const KIND: Kind = Kind::Read;
    const ROLES: &'static [Role] = EVERYBODY;
    const SUMMARY: &'static str = "How the station stands";

    fn run(self, service: &Service, _: &Actor) -> Result<Self::Answer, Refusal> {
        let (store, station) = (service.store(), service.station());
        Ok(Status {
            issuer: station.issuer.clone(),
            test: station.test,
            waiting: store.waiting_persons()?,
            approved: store.approved_persons()?,
            unfinished: store.unfinished_cards()?,
            readers_reachable: service.readers().reachable(),
            issuing: service.issuing().operator(),
        })
    }
}
