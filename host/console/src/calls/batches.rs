//! Batches: who is to get a card, drafted by one officer and approved by another.

use ansinh_store::batches::{self as store, BatchState, NewBatch, Selection};
use ansinh_store::operators::{Actor, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EVERYBODY, day};
use crate::call::{Call, Kind};
use crate::events::Happening;
use crate::refusal::Refusal;
use crate::service::Service;

/// How far a batch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits for another officer's approval.
    Drafted,
    /// Cards may be begun.
    Approved,
    /// No card is begun any more.
    Closed,
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Batch {
    /// Its number.
    pub number: u64,
    /// What people call it.
    pub title: String,
    /// How far it has come.
    pub state: State,
    /// Who drafted it.
    pub drafted_by: String,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// Last day (Vietnam) on which cards may be begun, `yyyymmdd`.
    pub expires_on: String,
    /// Most cards that one officer may begin under it.
    pub quota: u32,
    /// Persons in it.
    pub persons: u64,
    /// Persons in it that wait for a card still.
    pub waiting: u64,
}

impl From<store::Batch> for Batch {
    fn from(batch: store::Batch) -> Self {
        Self {
            number: batch.number,
            title: batch.title,
            state: match batch.state {
                BatchState::Drafted => State::Drafted,
                BatchState::Approved => State::Approved,
                BatchState::Closed => State::Closed,
            },
            drafted_by: batch.drafted_by,
            approved_by: batch.approved_by,
            expires_on: batch.expires_on,
            quota: batch.quota,
            persons: batch.persons,
            waiting: batch.waiting,
        }
    }
}

fn told(service: &Service, batch: store::Batch) -> Batch {
    service.events().tell(Happening::Batch {
        batch: batch.number,
        state: batch.state.name().to_owned(),
    });
    batch.into()
}

/// All batches, newest first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ListBatches")]
pub struct List {}

impl Call for List {
    type Answer = Vec<Batch>;
    const NAME: &'static str = "batches";
    const KIND: Kind = Kind::Read;
    const ROLES: &'static [Role] = EVERYBODY;
    const SUMMARY: &'static str = "List batches, newest first";

    fn run(self, service: &Service, _: &Actor) -> Result<Self::Answer, Refusal> {
        Ok(service.store().batches()?.into_iter().map(Batch::from).collect())
    }
}

/// Drafts a batch of persons who wait for a card and are in no other open batch.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DraftBatch")]
pub struct Draft {
    /// What people call it: one line.
    #[schemars(regex(pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,100}$"))]
    pub title: String,
    /// Only those who live in this commune; left out: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]{5}$"))]
    pub commune: Option<String>,
    /// At most this many persons, in the order of their registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Most cards that one officer may begin under it.
    #[schemars(range(min = 1))]
    pub quota: u32,
    /// Last day (Vietnam) on which cards may be begun, `yyyymmdd`.
    #[schemars(regex(pattern = "^20[0-9]{6}$"))]
    pub expires_on: String,
}

impl Call for Draft {
    type Answer = Batch;
    const NAME: &'static str = "batches/draft";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator];
    const SUMMARY: &'static str = "Draft a batch of persons who wait for a card";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let title = (1..=100).contains(&self.title.chars().count()) && !self.title.contains(char::is_control);
        if !title {
            return Err(Refusal::refused_data(
                "a batch's title is one line of 1 to 100 characters; nothing was drafted",
            ));
        }
        let is_commune = |code: &String| code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_digit());
        if self.commune.as_ref().is_some_and(|code| !is_commune(code)) {
            return Err(Refusal::refused_data(
                "a commune's code has 5 digits; nothing was drafted",
            ));
        }
        if day(&self.expires_on).is_none() {
            return Err(Refusal::refused_data(
                "the last day of the batch is no day, yyyymmdd; nothing was drafted",
            ));
        }
        let batch = service.store().draft_batch(
            actor,
            &NewBatch {
                title: self.title,
                selection: self.commune.map_or(Selection::Everybody, Selection::Commune),
                limit: self.limit,
                expires_on: self.expires_on,
                quota: self.quota,
            },
        )?;
        Ok(told(service, batch))
    }
}

/// Approves what another officer drafted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ApproveBatch")]
pub struct Approve {
    /// Number of the batch.
    pub batch: u64,
}

impl Call for Approve {
    type Answer = Batch;
    const NAME: &'static str = "batches/approve";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Approver];
    const SUMMARY: &'static str = "Approve a batch that another officer drafted";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let batch = service.store().approve_batch(actor, self.batch)?;
        Ok(told(service, batch))
    }
}

/// Ends a batch: no card is begun under it any more.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CloseBatch")]
pub struct Close {
    /// Number of the batch.
    pub batch: u64,
}

impl Call for Close {
    type Answer = Batch;
    const NAME: &'static str = "batches/close";
    const KIND: Kind = Kind::Change;
    /// Drafters and approvers; which of them, the store says.
    const ROLES: &'static [Role] = &[Role::Operator, Role::Approver];
    const SUMMARY: &'static str = "End a batch: no card is begun under it any more";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let batch = service.store().close_batch(actor, self.batch)?;
        Ok(told(service, batch))
    }
}
