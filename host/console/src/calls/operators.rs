//! Named operators and their tokens.

use ansinh_store::operators::{Actor, Role, Roles, Token};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EVERYBODY;
use crate::call::{Call, Kind};
use crate::refusal::Refusal;
use crate::service::Service;

/// A role as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// Imports lists, drafts batches, issues and hands over cards, serves terminals.
    Operator,
    /// Approves what another one drafted.
    Approver,
    /// Reads everything, changes nothing.
    Auditor,
    /// Operators, deliveries, keys, reference data.
    Administrator,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Operator => Self::Operator,
            RoleName::Approver => Self::Approver,
            RoleName::Auditor => Self::Auditor,
            RoleName::Administrator => Self::Administrator,
        }
    }
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::Operator => Self::Operator,
            Role::Approver => Self::Approver,
            Role::Auditor => Self::Auditor,
            Role::Administrator => Self::Administrator,
        }
    }
}

/// An operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Operator {
    /// The name.
    pub operator: String,
    /// What they may do.
    pub roles: Vec<RoleName>,
    /// Whether their token is accepted.
    pub active: bool,
    /// Since when, RFC 3339 in UTC.
    pub added_at: String,
}

/// All operators, by name.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ListOperators")]
pub struct List {}

impl Call for List {
    type Answer = Vec<Operator>;
    const NAME: &'static str = "operators";
    const KIND: Kind = Kind::Read;
    const ROLES: &'static [Role] = EVERYBODY;
    const SUMMARY: &'static str = "List the operators and their roles";

    fn run(self, service: &Service, _: &Actor) -> Result<Self::Answer, Refusal> {
        let operators = service.store().operators()?;
        let answer = operators.into_iter().map(|operator| Operator {
            operator: operator.name,
            roles: operator.roles.iter().map(RoleName::from).collect(),
            active: operator.active,
            added_at: operator.added_at,
        });
        Ok(answer.collect())
    }
}

/// A token, shown this one time.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct NewToken {
    /// Whose.
    pub operator: String,
    /// 64 hexadecimal digits. The ledger keeps its hash only.
    pub token: String,
}

impl NewToken {
    fn of(operator: String, token: &Token) -> Self {
        Self {
            operator,
            token: token.reveal().to_owned(),
        }
    }
}

/// Adds an operator.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AddOperator")]
pub struct Add {
    /// The name, for good: the operations log knows people by it.
    #[schemars(regex(pattern = "^[A-Za-z0-9._-]{1,20}$"))]
    pub operator: String,
    /// What they may do.
    #[schemars(length(min = 1, max = 4))]
    pub roles: Vec<RoleName>,
}

impl Call for Add {
    type Answer = NewToken;
    const NAME: &'static str = "operators/add";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Administrator];
    const SUMMARY: &'static str = "Add an operator; the token is shown once";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let roles: Roles = self.roles.iter().copied().map(Role::from).collect();
        if !(1..=4).contains(&self.roles.len()) {
            return Err(Refusal::refused_data(
                "an operator has 1 to 4 roles; nobody was added",
            ));
        }
        let token = service.store().add_operator(actor, &self.operator, roles)?;
        Ok(NewToken::of(self.operator, &token))
    }
}

/// Gives an operator a new token.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RenewOperator")]
pub struct Renew {
    /// The name.
    #[schemars(length(max = 20))]
    pub operator: String,
}

impl Call for Renew {
    type Answer = NewToken;
    const NAME: &'static str = "operators/renew";
    const KIND: Kind = Kind::Change;
    /// Everybody for themselves; for others the store asks for an administrator.
    const ROLES: &'static [Role] = EVERYBODY;
    const SUMMARY: &'static str =
        "Give oneself, or as an administrator anybody, a new token; the old one is worth nothing any more";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let name = short_name(self.operator)?;
        let token = service.store().renew_token(actor, &name)?;
        Ok(NewToken::of(name, &token))
    }
}

/// Refuses an operator's token from now on.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SuspendOperator")]
pub struct Suspend {
    /// The name.
    #[schemars(length(max = 20))]
    pub operator: String,
}

/// An operator who was suspended.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Suspended {
    /// The name.
    pub operator: String,
    /// Whether their token is accepted: no.
    pub active: bool,
}

impl Call for Suspend {
    type Answer = Suspended;
    const NAME: &'static str = "operators/suspend";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Administrator];
    const SUMMARY: &'static str = "Refuse an operator's token from now on";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let operator = short_name(self.operator)?;
        service.store().suspend_operator(actor, &operator)?;
        Ok(Suspended {
            operator,
            active: false,
        })
    }
}

/// A name that can be asked for; whether there is such an operator is the store's to say.
fn short_name(name: String) -> Result<String, Refusal> {
    if name.chars().count() > 20 || name.contains(char::is_control) {
        return Err(Refusal::refused_data(
            "operators' names have at most 20 characters",
        ));
    }
    Ok(name)
}
