//! The stock of blank cards: every blank of every delivery is accounted for.

use ansinh_store::deliveries::ChipSerial;
use ansinh_store::operators::{Actor, Role};
use ansinh_store::stock::{self as store, WriteOff};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EVERYBODY;
use crate::call::{Call, Kind};
use crate::refusal::Refusal;
use crate::service::Service;

/// Where the blanks of one delivery are. The parts add up to what was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stock {
    /// The delivery.
    pub delivery: String,
    /// Blanks received.
    pub received: u64,
    /// Still blank and usable.
    pub blank: u64,
    /// Bound to a person, card not finished.
    pub in_work: u64,
    /// Became cards, those blocked since included.
    pub issued: u64,
    /// Spoilt while a card was made of them.
    pub spoilt_in_issuance: u64,
    /// Written off while blank.
    pub written_off: u64,
    /// Blanks that none of the counts explains; 0, or the store was changed from outside.
    pub unaccounted: i64,
}

impl From<store::Stock> for Stock {
    fn from(stock: store::Stock) -> Self {
        Self {
            unaccounted: i64::try_from(stock.unaccounted()).unwrap_or(i64::MAX),
            delivery: stock.delivery,
            received: stock.received,
            blank: stock.blank,
            in_work: stock.in_work,
            issued: stock.issued,
            spoilt_in_issuance: stock.spoilt_in_issuance,
            written_off: stock.written_off,
        }
    }
}

/// Where the blanks of each delivery are.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ShowStock")]
pub struct Show {}

impl Call for Show {
    type Answer = Vec<Stock>;
    const NAME: &'static str = "stock";
    const KIND: Kind = Kind::Read;
    const ROLES: &'static [Role] = EVERYBODY;
    const SUMMARY: &'static str = "Show where the blanks of each delivery are";

    fn run(self, service: &Service, _: &Actor) -> Result<Self::Answer, Refusal> {
        Ok(service.store().stock()?.into_iter().map(Stock::from).collect())
    }
}

/// Why a blank leaves the stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "WriteOffReason")]
pub enum Reason {
    /// Bent, scratched, does not answer.
    Spoilt,
    /// Went back to its vendor.
    Returned,
    /// In the delivery note, not in the box, or lost since.
    Missing,
}

impl From<Reason> for WriteOff {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Spoilt => Self::Spoilt,
            Reason::Returned => Self::Returned,
            Reason::Missing => Self::Missing,
        }
    }
}

/// Takes a blank out of the stock: its chip is never personalized.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WriteOffBlank")]
pub struct TakeOut {
    /// Serial number of the chip, 20 hexadecimal digits.
    #[schemars(regex(pattern = "^[0-9A-Fa-f]{20}$"))]
    pub chip: String,
    /// Why.
    pub reason: Reason,
}

/// A blank that is none any more.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct TakenOut {
    /// Serial number of the chip.
    pub chip: String,
}

impl Call for TakeOut {
    type Answer = TakenOut;
    const NAME: &'static str = "stock/write-off";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator];
    const SUMMARY: &'static str = "Take a blank out of the stock: spoilt, returned or missing";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let mut chip: ChipSerial = [0; 10];
        if hex::decode_to_slice(&self.chip, &mut chip).is_err() {
            return Err(Refusal::refused_data(
                "a chip's serial number has 20 hexadecimal digits; nothing was changed",
            ));
        }
        service
            .store()
            .write_off_blank(actor, &chip, self.reason.into())?;
        Ok(TakenOut {
            chip: hex::encode_upper(chip),
        })
    }
}
