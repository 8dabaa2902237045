//! People by their numbers: their cards, and the numbers themselves, changed and merged. Numbers come in and never go out.

use ansinh_store::numbers::NumberScheme;
use ansinh_store::operators::{Actor, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cards::Card;
use crate::call::{Call, Kind};
use crate::refusal::{Code, Refusal};
use crate::service::Service;

/// That it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// Yes.
    pub changed: bool,
}

/// Looks for somebody's cards. That somebody looked, and for whom, is in the operations log; so it is a change, and the number is in
/// no URL, which proxies and histories keep.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FindCardsOfPerson")]
pub struct Cards {
    /// Personal identification number or social security number, the present one or one before.
    #[schemars(regex(pattern = "^[A-Za-z0-9]{1,15}$"))]
    pub number: String,
}

/// Somebody's cards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CardsOfPerson {
    /// The person's reference, 32 hexadecimal digits, as the operations log has it.
    pub person: String,
    /// All cards, those blocked and given up included, by number.
    pub cards: Vec<Card>,
}

impl Call for Cards {
    type Answer = CardsOfPerson;
    const NAME: &'static str = "persons/cards";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator, Role::Approver, Role::Auditor];
    const SUMMARY: &'static str = "Find somebody's cards; who looked for whom is in the operations log";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let found = service.store().look_up_cards(actor, &self.number)?;
        let found = found.ok_or_else(|| {
            Refusal::new(
                Code::NotFound,
                "no person with this number here; only that somebody looked was written down",
            )
        })?;
        Ok(CardsOfPerson {
            person: hex::encode(found.person),
            cards: found.cards.into_iter().map(Card::from).collect(),
        })
    }
}

/// A person was given another personal identification number. Entitlements, payments and card stay.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RenumberPerson")]
pub struct Renumber {
    /// The number before.
    #[schemars(regex(pattern = "^[0-9]{12}$"))]
    pub old: String,
    /// The number from now on.
    #[schemars(regex(pattern = "^[0-9]{12}$"))]
    pub new: String,
}

impl Call for Renumber {
    type Answer = Changed;
    const NAME: &'static str = "persons/renumber";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Approver];
    const SUMMARY: &'static str = "Change a personal identification number; the person stays the same";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        service.store().change_personal_id(actor, &self.old, &self.new)?;
        Ok(Changed { changed: true })
    }
}

/// Two records turned out to be one person.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MergePersons")]
pub struct Merge {
    /// Personal identification number of the record that stays.
    #[schemars(regex(pattern = "^[0-9]{12}$"))]
    pub kept: String,
    /// Personal identification number of the other one; it stands for the first from here on.
    #[schemars(regex(pattern = "^[0-9]{12}$"))]
    pub duplicate: String,
}

impl Call for Merge {
    type Answer = Changed;
    const NAME: &'static str = "persons/merge";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Approver];
    const SUMMARY: &'static str = "Merge two records of one person, when nothing hangs on the second";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        service
            .store()
            .merge_persons(actor, &self.kept, &self.duplicate)?;
        Ok(Changed { changed: true })
    }
}

/// Gives a person another social security number.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeSocialSecurityNumber")]
pub struct ChangeNumber {
    /// Personal identification number of the person.
    #[schemars(regex(pattern = "^[0-9]{12}$"))]
    pub personal_id: String,
    /// The new social security number.
    #[schemars(regex(pattern = "^[A-Za-z0-9]{1,15}$"))]
    pub number: String,
}

impl Call for ChangeNumber {
    type Answer = Changed;
    const NAME: &'static str = "persons/change-social-security-number";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Approver];
    const SUMMARY: &'static str =
        "Give a person another social security number; the old one is nobody else's ever";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let store = service.store();
        let person = store.person_by_number(&self.personal_id)?.ok_or_else(|| {
            Refusal::new(
                Code::NotFound,
                "no person with this personal identification number; nothing was changed",
            )
        })?;
        store.change_social_security_number(actor, &person, &self.number)?;
        Ok(Changed { changed: true })
    }
}

/// How social security numbers are made from here on.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SetNumberScheme")]
pub struct SetScheme {
    /// Prefix of serial numbers; left out: the personal identification number is the social security number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Z0-9]{1,5}$"))]
    pub prefix: Option<String>,
}

impl Call for SetScheme {
    type Answer = Changed;
    const NAME: &'static str = "settings/number-scheme";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Administrator];
    const SUMMARY: &'static str = "Set how social security numbers are made; numbers given stay";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let scheme = self
            .prefix
            .map_or(NumberScheme::PersonalId, |prefix| NumberScheme::Serial { prefix });
        service.store().set_number_scheme(actor, &scheme)?;
        Ok(Changed { changed: true })
    }
}
