//! Cards that no terminal may pay, and the list that tells terminals so.

use ansinh_payout::{PayoutError, Publication, make_block_list, vietnam_time};
use ansinh_store::cards::BlockReason;
use ansinh_store::operators::{Actor, Role};
use card_spec::list::BlockListHeader;
use card_spec::signed::Signed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::card_number;
use crate::call::{Call, Kind};
use crate::events::Happening;
use crate::refusal::Refusal;
use crate::service::Service;

/// Reasons that an operator can give (DATA.md 4); the others follow from issuance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// Lost.
    Lost,
    /// Stolen.
    Stolen,
    /// The holder died: no other card is made.
    Deceased,
    /// The entitlement ended: no other card is made.
    Ended,
}

impl From<Reason> for BlockReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Lost => Self::Lost,
            Reason::Stolen => Self::Stolen,
            Reason::Deceased => Self::Deceased,
            Reason::Ended => Self::Ended,
        }
    }
}

/// Blocks a card for good.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BlockCard")]
pub struct Add {
    /// Its number.
    #[schemars(regex(pattern = "^[0-9]{16}$"))]
    pub card: String,
    /// Why.
    pub reason: Reason,
}

/// A card that is on the next block list.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Blocked {
    /// Its number.
    pub card: String,
    /// Yes.
    pub blocked: bool,
}

impl Call for Add {
    type Answer = Blocked;
    const NAME: &'static str = "block/add";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator];
    const SUMMARY: &'static str = "Block a card for good; terminals know it from the next block list";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let number = card_number(&self.card)?;
        service.store().block(actor, &number, self.reason.into())?;
        Ok(Blocked {
            card: number.to_string(),
            blocked: true,
        })
    }
}

/// Signs the next block list: what changed since the one before, or every blocked card where that is shorter, asked for, or due.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PublishBlockList")]
pub struct Publish {
    /// Publish every blocked card, however few changes there are.
    #[serde(default)]
    pub full: bool,
}

/// A block list that was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Published {
    /// Its number.
    pub number: u32,
    /// Cards on it.
    pub cards: u32,
    /// Was it published in full, and not as what changed since the list before it?
    pub full: bool,
}

impl Call for Publish {
    type Answer = Published;
    const NAME: &'static str = "block/publish";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator];
    const SUMMARY: &'static str = "Sign the next block list, in full or as what changed since the one before";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let publication = if self.full {
            Publication::Full
        } else {
            Publication::Daily
        };
        let (store, issuer) = (service.store(), service.issuer()?);
        let list = make_block_list(store, actor, &issuer, vietnam_time()?, publication)?;
        let header = Signed::<BlockListHeader>::parse(&list.header).map_err(PayoutError::Encoding)?;
        service
            .events()
            .tell(Happening::BlockListPublished { number: list.number });
        Ok(Published {
            number: list.number,
            cards: header.claimed().count,
            full: list.base.is_none(),
        })
    }
}
