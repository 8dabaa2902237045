//! Numbers by which people are known, changed and merged. Numbers come in and never go out.

use ansinh_store::numbers::NumberScheme;
use ansinh_store::operators::{Actor, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::call::{Call, Kind};
use crate::refusal::{Code, Refusal};
use crate::service::Service;

/// That it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// Yes.
    pub changed: bool,
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
