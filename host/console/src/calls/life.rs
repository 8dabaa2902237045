//! Cards replaced, expired, ended by a death.

use ansinh_store::cards::BlockReason;
use ansinh_store::life::Death;
use ansinh_store::operators::{Actor, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batches::Batch;
use super::{EVERYBODY, card_number, day};
use crate::call::{Call, Kind};
use crate::refusal::Refusal;
use crate::service::Service;

/// Why a card is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ReplacementReason")]
pub enum Reason {
    /// Lost.
    Lost,
    /// Stolen.
    Stolen,
    /// Damaged, or about to expire.
    Damaged,
}

impl From<Reason> for BlockReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Lost => Self::Lost,
            Reason::Stolen => Self::Stolen,
            Reason::Damaged => Self::Replaced,
        }
    }
}

/// Blocks a card and drafts a batch of its holder alone for the next one, in one transaction.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReplaceCard")]
pub struct Replace {
    /// Number of the old card.
    #[schemars(regex(pattern = "^[0-9]{16}$"))]
    pub card: String,
    /// Why.
    pub reason: Reason,
    /// Last day (Vietnam) on which the next card may be begun, `yyyymmdd`.
    #[schemars(regex(pattern = "^20[0-9]{6}$"))]
    pub expires_on: String,
}

impl Call for Replace {
    type Answer = Batch;
    const NAME: &'static str = "cards/replace";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator];
    const SUMMARY: &'static str = "Block a card and draft a batch of its holder alone for the next one";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let number = card_number(&self.card)?;
        if day(&self.expires_on).is_none() {
            return Err(Refusal::refused_data(
                "the last day of the batch is no day, yyyymmdd; nothing was changed",
            ));
        }
        let store = service.store();
        Ok(store
            .replace_card(actor, &number, self.reason.into(), &self.expires_on)?
            .into())
    }
}

/// Numbers of cards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Numbers {
    /// The cards, by number.
    pub cards: Vec<String>,
}

/// Active cards whose last day is before a day: who will need another one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ListExpiring")]
pub struct Expiring {
    /// The day, `yyyymmdd`.
    #[schemars(regex(pattern = "^20[0-9]{6}$"))]
    pub before: String,
}

impl Call for Expiring {
    type Answer = Numbers;
    const NAME: &'static str = "cards/expiring";
    const KIND: Kind = Kind::Read;
    const ROLES: &'static [Role] = EVERYBODY;
    const SUMMARY: &'static str = "List active cards whose last day is before a day";

    fn run(self, service: &Service, _: &Actor) -> Result<Self::Answer, Refusal> {
        if day(&self.before).is_none() {
            return Err(Refusal::refused_data("the day is no day, yyyymmdd"));
        }
        let cards = service.store().cards_expiring_before(&self.before)?;
        Ok(Numbers {
            cards: cards.into_iter().map(|card| card.number.to_string()).collect(),
        })
    }
}

/// Ends every active card whose last day has passed; their holders wait for the next one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "EndExpired")]
pub struct EndExpired {}

impl Call for EndExpired {
    type Answer = Numbers;
    const NAME: &'static str = "cards/end-expired";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator];
    const SUMMARY: &'static str = "End every active card whose last day has passed";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let cards = service.store().end_expired_cards(actor)?;
        Ok(Numbers {
            cards: cards.iter().map(ToString::to_string).collect(),
        })
    }
}

/// A line of a list of deaths.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deceased {
    /// Personal identification number, 12 digits.
    #[schemars(regex(pattern = "^[0-9]{12}$"))]
    pub personal_id: String,
    /// Day of death, `yyyymmdd`.
    #[schemars(regex(pattern = "^(19|20)[0-9]{6}$"))]
    pub died_on: String,
}

/// Takes in a list of deaths of the civil registry. The same list again changes nothing.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RecordDeaths")]
pub struct RecordDeaths {
    /// The dead.
    #[schemars(length(max = 100_000))]
    pub deaths: Vec<Deceased>,
}

/// What a list of deaths did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deaths {
    /// Persons recorded as dead now.
    pub recorded: u64,
    /// Persons that were recorded before.
    pub known: u64,
    /// Numbers of nobody here: most of a registry's list.
    pub strangers: u64,
    /// Cards blocked: publish the block list.
    pub blocked: Vec<String>,
    /// Cards that were being made and were given up.
    pub given_up: Vec<String>,
}

impl Call for RecordDeaths {
    type Answer = Deaths;
    const NAME: &'static str = "persons/deaths";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator];
    const SUMMARY: &'static str = "Take in a list of deaths: block the cards of the dead, make none for them";
    const LIMIT: usize = 8 * 1024 * 1024;

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let deaths = self
            .deaths
            .into_iter()
            .enumerate()
            .map(|(index, line)| checked(index + 1, line));
        let deaths = deaths.collect::<Result<Vec<_>, _>>()?;
        let done = service.store().record_deaths(actor, &deaths)?;
        let numbers =
            |cards: Vec<card_spec::values::CardNumber>| cards.iter().map(ToString::to_string).collect();
        Ok(Deaths {
            recorded: done.recorded,
            known: done.known,
            strangers: done.strangers,
            blocked: numbers(done.blocked),
            given_up: numbers(done.given_up),
        })
    }
}

/// A line that can be meant: its place is told, never the number in it.
fn checked(place: usize, line: Deceased) -> Result<Death, Refusal> {
    let is_number =
        line.personal_id.len() == 12 && line.personal_id.bytes().all(|byte| byte.is_ascii_digit());
    let died_on = day(&line.died_on).filter(|day| *day <= ansinh_reference::today());
    if !is_number || died_on.is_none() {
        return Err(Refusal::refused_data(format!(
            "line {place}: a personal identification number has 12 digits, and a day of death is a day that has come; nothing was recorded"
        )));
    }
    Ok(Death {
        personal_id: line.personal_id,
        died_on: line.died_on,
    })
}
