//! Issuing cards in the readers of the service's computer.

use std::time::Duration;

use ansinh_station::issue::Plan;
use ansinh_store::operators::{Actor, Role};
use card_spec::command::Pin;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{EVERYBODY, card_number};
use crate::call::{Call, Kind};
use crate::refusal::Refusal;
use crate::service::Service;

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Cards that became active.
    pub issued: u64,
    /// Attempts that failed; a card taken up again and finished later still counts here.
    pub failed_attempts: u64,
    /// Chips given up.
    pub spoilt: u64,
    /// Cards that are bound to a chip and not finished.
    pub unfinished: u64,
    /// Persons of approved batches that have neither a card nor a chip bound to them.
    pub waiting: u64,
    /// Whether everything that was to be done is done.
    pub complete: bool,
}

/// Where the PINs of cards come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pins {
    /// Holders choose them: the event `pin-needed` asks, `pins/give` answers.
    #[default]
    Asked,
    /// Drawn by chance and printed as letters by the service's own print command. No PIN leaves the service but on paper: not as an
    /// answer, which a browser or a proxy may keep, and not to a program that the caller names.
    Letters,
}

/// Starts issuing: everybody of approved batches, on the cards that come into the readers.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StartIssuing")]
pub struct Start {
    /// PC/SC names of the readers; empty: all there are, those plugged in later included.
    #[serde(default)]
    #[schemars(length(max = 16), inner(length(max = 127)))]
    pub readers: Vec<String>,
    /// Issue at most this many cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// End when no card came or went for this many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u32>,
    /// Where their PINs come from.
    #[serde(default)]
    pub pins: Pins,
}

/// What is being issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Issuing {
    /// Who issues at this moment.
    pub operator: Option<String>,
    /// Cards that wait for their PIN.
    pub pins_needed: Vec<String>,
    /// What came of the last run that has ended.
    pub last: Option<Tally>,
    /// Persons of approved batches, and unfinished cards: what there is to do.
    pub to_do: u64,
    /// Number of the newest event: follow `/v1/events` from here.
    pub event: u64,
}

fn state(service: &Service) -> Result<Issuing, Refusal> {
    let issuing = service.issuing();
    Ok(Issuing {
        operator: issuing.operator(),
        pins_needed: issuing.pins_needed(),
        last: issuing.last(),
        to_do: service.store().approved_persons()? + service.store().unfinished_cards()?,
        event: service.events().newest_number(),
    })
}

impl Call for Start {
    type Answer = Issuing;
    const NAME: &'static str = "issuing/start";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator];
    const SUMMARY: &'static str = "Start issuing cards for everybody of approved batches";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        if self.readers.len() > 16 || self.readers.iter().any(|name| name.chars().count() > 127) {
            return Err(Refusal::refused_data(
                "at most 16 readers, with names of at most 127 characters",
            ));
        }
        // What the caller is told to follow begins with this run.
        let before = service.events().newest_number();
        let plan = Plan {
            readers: self.readers,
            limit: self.limit,
            wait: self
                .wait_seconds
                .map(|seconds| Duration::from_secs(seconds.into())),
        };
        crate::issuing::start(service, actor, plan, self.pins)?;
        Ok(Issuing {
            event: before,
            ..state(service)?
        })
    }
}

/// What is being issued.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ShowIssuing")]
pub struct State {}

impl Call for State {
    type Answer = Issuing;
    const NAME: &'static str = "issuing";
    const KIND: Kind = Kind::Read;
    const ROLES: &'static [Role] = EVERYBODY;
    const SUMMARY: &'static str = "Who issues, which cards wait for a PIN, what came of the last run";

    fn run(self, service: &Service, _: &Actor) -> Result<Self::Answer, Refusal> {
        state(service)
    }
}

/// Ends issuing: no card is begun any more, those in work are finished.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "EndIssuing")]
pub struct End {}

impl Call for End {
    type Answer = Issuing;
    const NAME: &'static str = "issuing/end";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator];
    const SUMMARY: &'static str = "End issuing: no card is begun any more, those in work are finished";

    fn run(self, service: &Service, _: &Actor) -> Result<Self::Answer, Refusal> {
        service.issuing().end();
        state(service)
    }
}

/// Gives a card the PIN that its holder chose.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GivePin")]
pub struct GivePin {
    /// The card that asked.
    #[schemars(regex(pattern = "^[0-9]{16}$"))]
    pub card: String,
    /// Six digits. In memory for this card only; in no file, no log, no event.
    #[schemars(with = "String", regex(pattern = "^[0-9]{6}$"))]
    pub pin: Zeroizing<String>,
}

/// A PIN that was taken.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct PinTaken {
    /// The card.
    pub card: String,
}

impl Call for GivePin {
    type Answer = PinTaken;
    const NAME: &'static str = "pins/give";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator];
    const SUMMARY: &'static str =
        "Give a card the PIN that its holder chose, within a minute of the event pin-needed";

    fn run(self, service: &Service, _: &Actor) -> Result<Self::Answer, Refusal> {
        let number = card_number(&self.card)?;
        let pin = Pin::new(self.pin.as_bytes())
            .ok_or_else(|| Refusal::refused_data("a PIN is six digits; the card still waits for one"))?;
        service.issuing().give_pin(&number, pin)?;
        Ok(PinTaken {
            card: number.to_string(),
        })
    }
}

/// Gives up an unfinished card whose chip is broken or lost.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GiveUpCard")]
pub struct GiveUp {
    /// Its number.
    #[schemars(regex(pattern = "^[0-9]{16}$"))]
    pub card: String,
}

/// A card that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GivenUp {
    /// Its number.
    pub card: String,
    /// `abandoned`, or `blocked` if the issuer had signed it.
    pub state: String,
}

impl Call for GiveUp {
    type Answer = GivenUp;
    const NAME: &'static str = "issuing/give-up";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator];
    const SUMMARY: &'static str = "Give up an unfinished card; its person waits for another, and its number is blocked if the issuer had signed it";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let number = card_number(&self.card)?;
        let state = service.store().give_up(actor, &number)?;
        Ok(GivenUp {
            card: number.to_string(),
            state: state.name().to_owned(),
        })
    }
}
