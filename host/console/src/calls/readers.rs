//! The readers of the station.

use ansinh_store::operators::{Actor, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EVERYBODY;
use crate::call::{Call, Kind};
use crate::refusal::{Code, Refusal};
use crate::service::Service;

/// The readers that the service sees.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ListReaders")]
pub struct List {}

/// A reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reader {
    /// Its PC/SC name.
    pub reader: String,
    /// Whether a card is in it.
    pub card: bool,
}

impl Call for List {
    type Answer = Vec<Reader>;
    const NAME: &'static str = "readers";
    const KIND: Kind = Kind::Read;
    const ROLES: &'static [Role] = EVERYBODY;
    const SUMMARY: &'static str = "List the readers and whether a card is in each";

    fn run(self, service: &Service, _: &Actor) -> Result<Self::Answer, Refusal> {
        if !service.readers().reachable() {
            return Err(Refusal::new(
                Code::Unavailable,
                "the PC/SC service does not run: start pcscd on the station",
            ));
        }
        let readers = service.readers().list().into_iter();
        Ok(readers.map(|(reader, card)| Reader { reader, card }).collect())
    }
}
