//! Cards: what the ledger knows of each, and blocking. How a card comes to be is in `personalization.rs`.

use card_spec::values::CardNumber;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::deliveries::{ChipSerial, serial_text};
use crate::issuance::forget_notes;
use crate::life::person_of;
use crate::operations::log;
use crate::operators::Actor;
use crate::people::PersonReference;
use crate::store::{now, number, octets, signed};
use crate::{Store, StoreError};

/// How far a card has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardState {
    /// Bound to a chip; the chip has its transport keys still, or the issuer's already.
    Planned,
    /// The chip is known to have the issuer's keys.
    KeysReplaced,
    /// The chip has proved its key pairs.
    KeysGenerated,
    /// The issuer's signature was released: from here on the card is finished or blocked.
    CsoReleased,
    /// Activation was confirmed.
    Active,
    /// On the block list.
    Blocked,
    /// Given up before a CSO was released; the chip is spoilt.
    Abandoned,
}

impl CardState {
    const NAMES: [(Self, &'static str); 7] = [
        (Self::Planned, "planned"),
        (Self::KeysReplaced, "keys-replaced"),
        (Self::KeysGenerated, "keys-generated"),
        (Self::CsoReleased, "cso-released"),
        (Self::Active, "active"),
        (Self::Blocked, "blocked"),
        (Self::Abandoned, "abandoned"),
    ];

    /// The name in the ledger.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(state, _)| *state == self)
            .map_or("", |(_, name)| name)
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        let found = Self::NAMES.iter().find(|(_, name)| *name == text);
        found
            .map(|(state, _)| *state)
            .ok_or(StoreError::Malformed("card state"))
    }
}

/// Why a card is blocked (DATA.md 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum BlockReason {
    /// Lost.
    Lost = 1,
    /// Stolen.
    Stolen = 2,
    /// Replaced by another card.
    Replaced = 3,
    /// The holder died.
    Deceased = 4,
    /// The entitlement ended.
    Ended = 5,
    /// Issuance failed after the CSO was released.
    IssuanceFailed = 6,
}

impl BlockReason {
    /// The reason with this code (DATA.md 4).
    ///
    /// # Errors
    /// [`StoreError::Malformed`] for a code without meaning.
    pub fn from_code(code: u8) -> Result<Self, StoreError> {
        match code {
            1 => Ok(Self::Lost),
            2 => Ok(Self::Stolen),
            3 => Ok(Self::Replaced),
            4 => Ok(Self::Deceased),
            5 => Ok(Self::Ended),
            6 => Ok(Self::IssuanceFailed),
            _ => Err(StoreError::Malformed("block reason")),
        }
    }
}

/// A card in the ledger.
#[derive(Debug, Clone)]
pub struct Card {
    /// Card number.
    pub number: CardNumber,
    /// Whose.
    pub person: PersonReference,
    /// On which chip.
    pub chip_serial: ChipSerial,
    /// CSO version, first is 1.
    pub version: u16,
    /// How far it has come.
    pub state: CardState,
    /// Key agreement key, once proved.
    pub agreement_key: Option<[u8; 65]>,
    /// Signing key, once proved.
    pub signing_key: Option<[u8; 65]>,
    /// The signed CSO, once released.
    pub cso: Option<Vec<u8>>,
}

/// Somebody's cards.
#[derive(Debug, Clone)]
pub struct PersonCards {
    /// Whose.
    pub person: PersonReference,
    /// All of them, those blocked and given up included, by number.
    pub cards: Vec<Card>,
}

/// What a chip on a reader is for.
#[derive(Debug)]
pub enum Claim {
    /// A person was bound to this blank chip.
    New(Card),
    /// The chip carries a card already: finish it (or leave it, if it is active).
    Resumed(Card),
    /// Everybody has a card.
    NobodyWaiting,
}

/// A step of a personalization as its journal tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Name of the step.
    pub step: String,
    /// What the step needs to be resumed, if anything.
    pub note: Option<Vec<u8>>,
    /// The reader it was taken on.
    pub reader: String,
}

impl Store {
    /// The card that a chip carries, if any.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn card_by_chip(&self, chip: &ChipSerial) -> Result<Option<Card>, StoreError> {
        self.read(async |connection| card_on_chip(connection, &serial_text(chip)).await)
    }

    /// A card by its number.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn card(&self, number: &CardNumber) -> Result<Card, StoreError> {
        self.read(async |connection| card(connection, number).await)
    }

    /// All cards, by number.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn cards(&self) -> Result<Vec<Card>, StoreError> {
        self.read(async |connection| {
            let rows = sqlx::query("SELECT * FROM card ORDER BY number")
                .fetch_all(connection)
                .await?;
            rows.iter().map(card_from).collect()
        })
    }

    /// At most `limit` cards whose numbers are above this one, by number. A card keeps its number, so whoever goes on from the last
    /// one seen sees each card once, however many were begun meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn cards_after(&self, last: Option<&CardNumber>, limit: u32) -> Result<Vec<Card>, StoreError> {
        let last = last.map_or_else(String::new, ToString::to_string);
        self.read(async |connection| {
            let rows = sqlx::query("SELECT * FROM card WHERE number > $1 ORDER BY number LIMIT $2")
                .bind(&last)
                .bind(i64::from(limit))
                .fetch_all(connection)
                .await?;
            rows.iter().map(card_from).collect()
        })
    }

    /// The cards of whoever has or had this personal identification number or social security number, by number; `None` for a
    /// number of nobody here. That somebody looked is written down, with the person's reference: who asks for people is to be seen.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn look_up_cards(&self, actor: &Actor, number: &str) -> Result<Option<PersonCards>, StoreError> {
        self.write(async |connection| {
            let Some(person) = person_of_any(connection, number).await? else {
                log(connection, actor, "person-looked-up", "nobody").await?;
                return Ok(None);
            };
            log(connection, actor, "person-looked-up", &hex::encode(person)).await?;
            let rows = sqlx::query("SELECT * FROM card WHERE person = $1 ORDER BY number")
                .bind(person.to_vec())
                .fetch_all(connection)
                .await?;
            let cards = rows.iter().map(card_from).collect::<Result<_, _>>()?;
            Ok(Some(PersonCards { person, cards }))
        })
    }

    /// Blocks a live card whose CSO was released. Asking again keeps the first reason, unless it tells that the person is to
    /// get no other card.
    ///
    /// # Errors
    /// [`StoreError::WrongState`] for a card without a CSO: give it up instead.
    pub fn block(&self, actor: &Actor, number: &CardNumber, reason: BlockReason) -> Result<(), StoreError> {
        self.write(async |connection| {
            let card = card(connection, number).await?;
            match card.state {
                CardState::CsoReleased | CardState::Active => {}
                CardState::Blocked => {
                    end_waiting(connection, number, reason).await?;
                    let subject = format!("{number} again {}", reason as u8);
                    return log(connection, actor, "card-blocked", &subject).await;
                }
                _ => return Err(wrong_state(&card, "a card with a released CSO")),
            }
            set_state(connection, number, CardState::Blocked).await?;
            insert_block(connection, number, reason).await?;
            log(
                connection,
                actor,
                "card-blocked",
                &format!("{number} {}", reason as u8),
            )
            .await
        })
    }
}

/// Blocked cards with the reason's code, ascending by number: the content of the next block list (DATA.md 4).
pub(crate) async fn blocked_cards(
    connection: &mut AnyConnection,
) -> Result<Vec<(CardNumber, u8)>, StoreError> {
    let rows = sqlx::query("SELECT card, reason FROM block ORDER BY card")
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| Ok((card_number(row, "card")?, number(row, "reason")?)))
        .collect()
}

pub(crate) async fn set_state(
    connection: &mut AnyConnection,
    number: &CardNumber,
    state: CardState,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE card SET state = $2 WHERE number = $1")
        .bind(number.to_string())
        .bind(state.name())
        .execute(&mut *connection)
        .await?;
    match state {
        CardState::Active | CardState::Blocked | CardState::Abandoned => {
            forget_notes(connection, number).await
        }
        _ => Ok(()),
    }
}

/// Whoever lost a card waits for another one until we hear that the holder died or is entitled to nothing any more.
async fn end_waiting(
    connection: &mut AnyConnection,
    number: &CardNumber,
    reason: BlockReason,
) -> Result<(), StoreError> {
    if matches!(reason, BlockReason::Deceased | BlockReason::Ended) {
        sqlx::query("UPDATE block SET reason = $2 WHERE card = $1 AND reason NOT IN (4, 5)")
            .bind(number.to_string())
            .bind(signed(reason as u64, "a block reason")?)
            .execute(connection)
            .await?;
    }
    Ok(())
}

pub(crate) async fn insert_block(
    connection: &mut AnyConnection,
    number: &CardNumber,
    reason: BlockReason,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO block (card, reason, blocked_at) VALUES ($1, $2, $3)")
        .bind(number.to_string())
        .bind(signed(reason as u64, "a block reason")?)
        .bind(now())
        .execute(connection)
        .await?;
    Ok(())
}

async fn person_of_any(
    connection: &mut AnyConnection,
    number: &str,
) -> Result<Option<PersonReference>, StoreError> {
    if let Some(person) = person_of(connection, number).await? {
        return Ok(Some(person));
    }
    let row = sqlx::query("SELECT person FROM social_security_number WHERE number = $1")
        .bind(number)
        .fetch_optional(connection)
        .await?;
    row.map(|row| octets(&row, "person")).transpose()
}

pub(crate) async fn card_on_chip(
    connection: &mut AnyConnection,
    serial: &str,
) -> Result<Option<Card>, StoreError> {
    let row = sqlx::query("SELECT * FROM card WHERE chip_serial = $1")
        .bind(serial)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(card_from).transpose()
}

pub(crate) async fn card(connection: &mut AnyConnection, number: &CardNumber) -> Result<Card, StoreError> {
    let row = sqlx::query("SELECT * FROM card WHERE number = $1")
        .bind(number.to_string())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::NotFound {
            what: "card",
            name: number.to_string(),
        })?;
    card_from(&row)
}

pub(crate) fn card_from(row: &AnyRow) -> Result<Card, StoreError> {
    let mut chip_serial = [0; 10];
    let serial: String = row.try_get("chip_serial")?;
    hex::decode_to_slice(serial, &mut chip_serial).map_err(|_| StoreError::Malformed("chip serial"))?;
    Ok(Card {
        number: card_number(row, "number")?,
        person: octets(row, "person")?,
        chip_serial,
        version: number(row, "version")?,
        state: CardState::parse(row.try_get("state")?)?,
        agreement_key: optional_key(row, "agreement_key")?,
        signing_key: optional_key(row, "signing_key")?,
        cso: row.try_get("cso")?,
    })
}

pub(crate) fn card_number(row: &AnyRow, column: &str) -> Result<CardNumber, StoreError> {
    row.try_get::<String, _>(column)?
        .parse()
        .map_err(|_| StoreError::Malformed("card number"))
}

fn optional_key(row: &AnyRow, column: &'static str) -> Result<Option<[u8; 65]>, StoreError> {
    let bytes: Option<Vec<u8>> = row.try_get(column)?;
    bytes
        .map(|bytes| bytes.try_into().map_err(|_| StoreError::Malformed(column)))
        .transpose()
}

pub(crate) fn wrong_state(card: &Card, needed: &'static str) -> StoreError {
    StoreError::WrongState {
        what: "card",
        name: card.number.to_string(),
        state: card.state.name().to_owned(),
        needed,
    }
}
