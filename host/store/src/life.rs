//! Life of cards after issuance: replaced, found again, expired, ended by a death.
//!
//! Nobody ever has two live cards: the old one is blocked in the transaction that lets its person wait for the next.

use card_spec::cso::CardSecurityObject;
use card_spec::signed::Signed;
use card_spec::values::CardNumber;
use sqlx::{AnyConnection, Row as _};

use crate::batches::{Batch, NewBatch, Selection, draft, vietnam_day};
use crate::cards::{BlockReason, Card, CardState, card, card_from, insert_block, set_state, wrong_state};
use crate::maintenance::demand_not_closed;
use crate::operations::log;
use crate::operators::{Actor, Role};
use crate::people::PersonReference;
use crate::personalization::set_blank_state;
use crate::store::{digits, now, number, octets};
use crate::{Store, StoreError};

/// A death as a list of the civil registry tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// Personal identification number, 12 digits.
    pub personal_id: String,
    /// Day of death, `yyyymmdd`.
    pub died_on: String,
}

/// What a death list did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deaths {
    /// Persons recorded as dead now.
    pub recorded: u64,
    /// Persons that were recorded before.
    pub known: u64,
    /// Numbers of nobody here: most of a registry's list.
    pub strangers: u64,
    /// Cards blocked: publish the block list.
    pub blocked: Vec<CardNumber>,
    /// Cards that were being made and were given up.
    pub given_up: Vec<CardNumber>,
}

impl Store {
    /// Blocks a card and drafts a batch of its person alone for the next one, in one transaction. Another officer approves the
    /// batch. What the old card paid and the ledger knows stays paid: its person's lines keep their keys.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`]; [`StoreError::WrongState`] for a card that is not active; [`StoreError::OutOfRange`] for a reason
    /// after which nobody gets another card.
    pub fn replace_card(
        &self,
        actor: &Actor,
        old: &CardNumber,
        reason: BlockReason,
        expires_on: &str,
    ) -> Result<Batch, StoreError> {
        actor.demand(Role::Operator)?;
        if !matches!(
            reason,
            BlockReason::Lost | BlockReason::Stolen | BlockReason::Replaced
        ) {
            return Err(StoreError::OutOfRange("the reason of a replacement"));
        }
        self.write(async |connection| {
            let card = card(connection, old).await?;
            if card.state != CardState::Active {
                return Err(wrong_state(&card, "an active card"));
            }
            block(connection, actor, old, reason).await?;
            let batch = NewBatch {
                title: format!("thay thẻ / replacement {old}"),
                selection: Selection::Persons(vec![card.person]),
                limit: None,
                expires_on: expires_on.to_owned(),
                quota: 1,
            };
            draft(connection, actor, &batch).await
        })
    }

    /// Takes back the block of a card that was lost and is found, if its person has not got another one meanwhile. Terminals know
    /// it with the next block list; a card that has blocked itself needs the issuer's script besides.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] without the role of approver; [`StoreError::WrongState`] unless it is blocked as lost or stolen,
    /// and no script was signed that closes it for ever;
    /// [`StoreError::Exists`] if the person has another live card or one is being made.
    pub fn unblock_card(&self, actor: &Actor, number: &CardNumber) -> Result<(), StoreError> {
        actor.demand(Role::Approver)?;
        self.write(async |connection| {
            let card = card(connection, number).await?;
            let reason = block_reason(connection, number).await?;
            if card.state != CardState::Blocked || !matches!(reason, Some(1 | 2)) {
                return Err(wrong_state(&card, "a card blocked as lost or stolen"));
            }
            let live = "SELECT number FROM card WHERE person = $1 AND state NOT IN ('blocked', 'abandoned')";
            let live = sqlx::query(live).bind(card.person.to_vec());
            if let Some(row) = live.fetch_optional(&mut *connection).await? {
                return Err(StoreError::Exists {
                    what: "another card of the holder,",
                    name: row.try_get("number")?,
                });
            }
            demand_living(connection, &card).await?;
            demand_not_closed(connection, &card).await?;
            sqlx::query("DELETE FROM block WHERE card = $1")
                .bind(number.to_string())
                .execute(&mut *connection)
                .await?;
            set_state(connection, number, CardState::Active).await?;
            log(connection, actor, "card-unblocked", &number.to_string()).await
        })
    }

    /// Active cards whose last day is before `day` (`yyyymmdd`), by number.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Malformed`].
    pub fn cards_expiring_before(&self, day: &str) -> Result<Vec<Card>, StoreError> {
        self.read(async |connection| expiring_before(connection, day).await)
    }

    /// The expiry run: ends every active card whose last day has passed. Every card and terminal refuses it since; its person
    /// waits for the next one. Returns the cards.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`]; [`StoreError::Database`].
    pub fn end_expired_cards(&self, actor: &Actor) -> Result<Vec<CardNumber>, StoreError> {
        actor.demand(Role::Operator)?;
        self.write(async |connection| {
            let expired = expiring_before(connection, &vietnam_day()).await?;
            for card in &expired {
                block(connection, actor, &card.number, BlockReason::Replaced).await?;
            }
            Ok(expired.into_iter().map(|card| card.number).collect())
        })
    }

    /// Takes in a list of deaths: blocks the cards of the dead, gives up cards being made for them, and lets them wait for none.
    /// The same list again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`]; [`StoreError::Database`].
    pub fn record_deaths(&self, actor: &Actor, deaths: &[Death]) -> Result<Deaths, StoreError> {
        actor.demand(Role::Operator)?;
        self.write(async |connection| {
            let mut result = Deaths::default();
            for death in deaths {
                let Some(person) = person_of(connection, &death.personal_id).await? else {
                    result.strangers += 1;
                    continue;
                };
                record_death(connection, actor, &person, death, &mut result).await?;
            }
            Ok(result)
        })
    }
}

async fn record_death(
    connection: &mut AnyConnection,
    actor: &Actor,
    person: &PersonReference,
    death: &Death,
    result: &mut Deaths,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO death (person, died_on, operator, at) VALUES ($1, $2, $3, $4) ON CONFLICT (person) DO NOTHING";
    let inserted = sqlx::query(sql)
        .bind(person.to_vec())
        .bind(&death.died_on)
        .bind(actor.name())
        .bind(now())
        .execute(&mut *connection)
        .await?;
    if inserted.rows_affected() == 0 {
        result.known += 1;
        return Ok(());
    }
    result.recorded += 1;
    log(connection, actor, "death-recorded", &hex::encode(person)).await?;
    let rows = sqlx::query("SELECT * FROM card WHERE person = $1 AND state NOT IN ('blocked', 'abandoned')")
        .bind(person.to_vec())
        .fetch_all(&mut *connection)
        .await?;
    for row in &rows {
        let card = card_from(row)?;
        match card.state {
            CardState::Active => result.blocked.push(card.number),
            CardState::CsoReleased => {
                set_blank_state(connection, &hex::encode_upper(card.chip_serial), "spoilt").await?;
                result.blocked.push(card.number);
            }
            _ => {
                set_blank_state(connection, &hex::encode_upper(card.chip_serial), "spoilt").await?;
                set_state(connection, &card.number, CardState::Abandoned).await?;
                log(connection, actor, "card-given-up", &card.number.to_string()).await?;
                result.given_up.push(card.number);
                continue;
            }
        }
        block(connection, actor, &card.number, BlockReason::Deceased).await?;
    }
    Ok(())
}

/// Who has this personal identification number, or had it once.
pub(crate) async fn person_of(
    connection: &mut AnyConnection,
    personal_id: &str,
) -> Result<Option<PersonReference>, StoreError> {
    let sql = "SELECT reference FROM person WHERE personal_id = $1
               UNION SELECT person FROM former_personal_id WHERE personal_id = $1";
    let row = sqlx::query(sql)
        .bind(personal_id)
        .fetch_optional(connection)
        .await?;
    row.map(|row| octets(&row, "reference")).transpose()
}

async fn block(
    connection: &mut AnyConnection,
    actor: &Actor,
    card: &CardNumber,
    reason: BlockReason,
) -> Result<(), StoreError> {
    set_state(connection, card, CardState::Blocked).await?;
    insert_block(connection, card, reason).await?;
    log(
        connection,
        actor,
        "card-blocked",
        &format!("{card} {}", reason as u8),
    )
    .await
}

async fn block_reason(connection: &mut AnyConnection, card: &CardNumber) -> Result<Option<u8>, StoreError> {
    let row = sqlx::query("SELECT reason FROM block WHERE card = $1")
        .bind(card.to_string())
        .fetch_optional(connection)
        .await?;
    row.map(|row| number(&row, "reason")).transpose()
}

async fn demand_living(connection: &mut AnyConnection, card: &Card) -> Result<(), StoreError> {
    let row = sqlx::query("SELECT 1 AS dead FROM death WHERE person = $1")
        .bind(card.person.to_vec())
        .fetch_optional(connection)
        .await?;
    if row.is_some() {
        return Err(wrong_state(card, "a card whose holder lives"));
    }
    Ok(())
}

async fn expiring_before(connection: &mut AnyConnection, day: &str) -> Result<Vec<Card>, StoreError> {
    let rows = sqlx::query("SELECT * FROM card WHERE state = 'active' ORDER BY number")
        .fetch_all(connection)
        .await?;
    let mut expiring = Vec::new();
    for row in &rows {
        let card = card_from(row)?;
        if last_day(&card)?.as_str() < day {
            expiring.push(card);
        }
    }
    Ok(expiring)
}

/// Last day of a card as its CSO has it, `yyyymmdd`.
fn last_day(card: &Card) -> Result<String, StoreError> {
    let malformed = || StoreError::Malformed("card security object");
    let cso = card.cso.as_deref().ok_or_else(malformed)?;
    let cso = Signed::<CardSecurityObject>::parse(cso).map_err(|_| malformed())?;
    Ok(digits(cso.claimed().expiry))
}
