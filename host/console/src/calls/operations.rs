//! The operations log: who did what.

use ansinh_store::operations::{self as store, OperationsHead};
use ansinh_store::operators::{Actor, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::call::{Call, Kind};
use crate::refusal::Refusal;
use crate::service::Service;

const READERS: &[Role] = &[Role::Auditor, Role::Administrator];

/// Most lines of one page.
const PAGE: u32 = 1000;

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    /// Its place, first 1, without gaps.
    pub position: u64,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Who.
    pub operator: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Hash of the line before, hexadecimal.
    pub previous_hash: String,
    /// Hash of this line, hexadecimal.
    pub hash: String,
}

impl From<store::Operation> for Operation {
    fn from(line: store::Operation) -> Self {
        Self {
            position: line.position,
            at: line.at,
            operator: line.operator,
            action: line.action,
            subject: line.subject,
            previous_hash: hex::encode(line.previous_hash),
            hash: hex::encode(line.hash),
        }
    }
}

/// Lines of the log, oldest first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PageOperations")]
pub struct Page {
    /// Only lines after this position.
    #[serde(default)]
    pub after: u64,
    /// At most this many, 1 to 1000.
    #[serde(default = "page")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: u32,
}

const fn page() -> u32 {
    PAGE
}

impl Call for Page {
    type Answer = Vec<Operation>;
    const NAME: &'static str = "operations";
    const KIND: Kind = Kind::Read;
    const ROLES: &'static [Role] = READERS;
    const SUMMARY: &'static str = "Lines of the operations log, oldest first";

    fn run(self, service: &Service, _: &Actor) -> Result<Self::Answer, Refusal> {
        if !(1..=PAGE).contains(&self.limit) {
            return Err(Refusal::refused_data("a page has 1 to 1000 lines"));
        }
        let lines = service.store().operations_after(self.after, self.limit)?;
        Ok(lines.into_iter().map(Operation::from).collect())
    }
}

/// Checks the whole chain of the log.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "VerifyOperations")]
pub struct Verify {}

/// The newest line of the log. Written down elsewhere it shows later whether the log was cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Head {
    /// Lines in the log.
    pub position: u64,
    /// Hash of the newest one, hexadecimal.
    pub hash: String,
}

impl From<OperationsHead> for Head {
    fn from(head: OperationsHead) -> Self {
        Self {
            position: head.position,
            hash: hex::encode(head.hash),
        }
    }
}

impl Call for Verify {
    type Answer = Head;
    const NAME: &'static str = "operations/verify";
    const KIND: Kind = Kind::Read;
    const ROLES: &'static [Role] = READERS;
    const SUMMARY: &'static str = "Check the whole chain of the operations log";

    fn run(self, service: &Service, _: &Actor) -> Result<Self::Answer, Refusal> {
        Ok(service.store().verify_operations()?.into())
    }
}
