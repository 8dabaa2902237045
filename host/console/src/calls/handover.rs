//! Where issued cards are. Issued is not handed over.

use ansinh_store::handover::{Handover, NotHandedOver};
use ansinh_store::operators::{Actor, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EVERYBODY, card_number};
use crate::call::{Call, Kind};
use crate::refusal::Refusal;
use crate::service::Service;

/// What happened to an issued card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Happened {
    /// It left the station for a pay point or the mail.
    Dispatched,
    /// Its holder has it.
    HandedToHolder,
    /// A representative of the holder has it.
    HandedToRepresentative,
    /// It came back: nobody to take it.
    Undelivered,
}

impl From<Happened> for Handover {
    fn from(event: Happened) -> Self {
        match event {
            Happened::Dispatched => Self::Dispatched,
            Happened::HandedToHolder => Self::ToHolder,
            Happened::HandedToRepresentative => Self::ToRepresentative,
            Happened::Undelivered => Self::Undelivered,
        }
    }
}

/// Records what happened to an issued card.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RecordHandover")]
pub struct Record {
    /// Its number.
    #[schemars(regex(pattern = "^[0-9]{16}$"))]
    pub card: String,
    /// What.
    pub event: Happened,
    /// Where it was sent: the code of a pay point, or `mail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z0-9-]{1,12}$"))]
    pub place: Option<String>,
}

/// What was recorded.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Recorded {
    /// Number of the card.
    pub card: String,
    /// What happened to it.
    pub event: Happened,
}

impl Call for Record {
    type Answer = Recorded;
    const NAME: &'static str = "handover/record";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator];
    const SUMMARY: &'static str = "Record that an issued card was sent, handed over or came back";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let number = card_number(&self.card)?;
        let is_place = |place: &str| {
            (1..=12).contains(&place.len())
                && place
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if self.place.as_deref().is_some_and(|place| !is_place(place)) {
            return Err(Refusal::refused_data(
                "a place is 1 to 12 letters, digits or hyphens; nothing was recorded",
            ));
        }
        let store = service.store();
        store.record_handover(actor, &number, self.event.into(), self.place.as_deref())?;
        Ok(Recorded {
            card: number.to_string(),
            event: self.event,
        })
    }
}

/// The active cards that nobody has been given yet.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ListNotHandedOver")]
pub struct Waiting {}

/// A card that is active and not with its holder or a representative.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Undelivered {
    /// Number of the card.
    pub card: String,
    /// The last that happened to it; none: it never left the station.
    pub last: Option<String>,
    /// Where it was sent.
    pub place: Option<String>,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
}

impl From<NotHandedOver> for Undelivered {
    fn from(card: NotHandedOver) -> Self {
        Self {
            card: card.card.to_string(),
            last: card.last.map(|event| event.name().to_owned()),
            place: card.place,
            since: card.since,
        }
    }
}

impl Call for Waiting {
    type Answer = Vec<Undelivered>;
    const NAME: &'static str = "handover/waiting";
    const KIND: Kind = Kind::Read;
    const ROLES: &'static [Role] = EVERYBODY;
    const SUMMARY: &'static str = "List active cards that nobody has been given yet";

    fn run(self, service: &Service, _: &Actor) -> Result<Self::Answer, Refusal> {
        let cards = service.store().not_handed_over()?;
        Ok(cards.into_iter().map(Undelivered::from).collect())
    }
}
