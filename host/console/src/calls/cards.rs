//! Cards as the ledger knows them. Whose a card is stays in the ledger: nothing here needs it.

use ansinh_store::cards as store;
use ansinh_store::operators::{Actor, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EVERYBODY, card_number};
use crate::call::{Call, Kind};
use crate::refusal::Refusal;
use crate::service::Service;

/// A card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Card {
    /// Its number.
    pub card: String,
    /// The chip's serial number, 20 hexadecimal digits.
    pub chip: String,
    /// CSO version, first 1.
    pub version: u16,
    /// How far it has come: `planned`, `keys-replaced`, `keys-generated`, `cso-released`, `active`, `blocked`, `abandoned`.
    pub state: String,
}

impl From<store::Card> for Card {
    fn from(card: store::Card) -> Self {
        Self {
            card: card.number.to_string(),
            chip: hex::encode(card.chip_serial),
            version: card.version,
            state: card.state.name().to_owned(),
        }
    }
}

/// One card.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ShowCard")]
pub struct Show {
    /// Its number.
    #[schemars(regex(pattern = "^[0-9]{16}$"))]
    pub card: String,
}

impl Call for Show {
    type Answer = Card;
    const NAME: &'static str = "cards/show";
    const KIND: Kind = Kind::Read;
    const ROLES: &'static [Role] = EVERYBODY;
    const SUMMARY: &'static str = "Show a card by its number";

    fn run(self, service: &Service, _: &Actor) -> Result<Self::Answer, Refusal> {
        Ok(service.store().card(&card_number(&self.card)?)?.into())
    }
}

/// Cards by number.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PageCards")]
pub struct Page {
    /// Only cards after this number: the last one of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]{16}$"))]
    pub after: Option<String>,
    /// At most this many, 1 to 1000.
    #[serde(default = "page")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: u32,
}

const fn page() -> u32 {
    1000
}

impl Call for Page {
    type Answer = Vec<Card>;
    const NAME: &'static str = "cards";
    const KIND: Kind = Kind::Read;
    const ROLES: &'static [Role] = EVERYBODY;
    const SUMMARY: &'static str = "List cards by number, a page at a time";

    fn run(self, service: &Service, _: &Actor) -> Result<Self::Answer, Refusal> {
        if !(1..=page()).contains(&self.limit) {
            return Err(Refusal::refused_data("a page has 1 to 1000 cards"));
        }
        let after = self.after.as_deref().map(card_number).transpose()?;
        let cards = service.store().cards_after(after.as_ref(), self.limit)?;
        Ok(cards.into_iter().map(Card::from).collect())
    }
}
