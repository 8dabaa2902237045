//! The personalization of a card in the ledger, step by step.
//!
//! A claim binds the next waiting person to a chip for good: after a crash the same chip resumes the same card. Every step is
//! written to the card's journal before it is taken. Once the card security object (CSO) was released for a chip, the card is
//! finished on that chip, or its number is blocked in the transaction that gives it up: a torn card cannot be had twice.

use card_spec::values::CardNumber;
use sqlx::{AnyConnection, Row as _};

use crate::batches::{Turn, next_turn, search_again};
use crate::cards::{
    BlockReason, Card, CardState, Claim, Step, card, card_on_chip, insert_block, set_state, wrong_state,
};
use crate::deliveries::{ChipSerial, serial_text};
use crate::issuer_log::{Issuer, Position, SignedObject, append};
use crate::maintenance::{confirm_version, insert_version};
use crate::operations::log;
use crate::operators::{Actor, Role};
use crate::store::{draw, is_duplicate, now};
use crate::{Store, StoreError};

impl Store {
    /// Binds the next person of an approved batch to a blank chip, or finds the card that this chip carries. No person is ever given to two
    /// chips, whatever number of readers and processes ask.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a chip of no delivery, [`StoreError::WrongState`] for a spoilt one;
    /// [`StoreError::QuotaUsedUp`] while others may go on; [`StoreError::NotAllowed`].
    pub fn claim_next_person(
        &self,
        actor: &Actor,
        chip: &ChipSerial,
        reader: &str,
        province: u8,
    ) -> Result<Claim, StoreError> {
        actor.demand(Role::Operator)?;
        let serial = serial_text(chip);
        self.write(async |connection| {
            if let Some(card) = card_on_chip(connection, &serial).await? {
                return match card.state {
                    CardState::Blocked | CardState::Abandoned => Err(wrong_state(&card, "a blank chip")),
                    _ => Ok(Claim::Resumed(card)),
                };
            }
            demand_blank(connection, &serial).await?;
            let (person, batch) = match next_turn(connection, actor).await? {
                Turn::Next(person, batch) => (person, batch),
                Turn::NobodyWaiting => return Ok(Claim::NobodyWaiting),
                Turn::QuotaUsedUp => {
                    return Err(StoreError::QuotaUsedUp {
                        operator: actor.name().to_owned(),
                    });
                }
            };
            set_blank_state(connection, &serial, "assigned").await?;
            let number = next_card_number(connection, province).await?;
            sqlx::query(
                "INSERT INTO card (number, person, chip_serial, version, state, planned_at, batch, claimed_by)
                 VALUES ($1, $2, $3, 1, 'planned', $4, $5, $6)",
            )
            .bind(number.to_string())
            .bind(person.to_vec())
            .bind(&serial)
            .bind(now())
            .bind(batch)
            .bind(actor.name())
            .execute(&mut *connection)
            .await?;
            write_step(connection, &number, "claimed", None, reader).await?;
            log(connection, actor, "card-begun", &number.to_string()).await?;
            let card = card_on_chip(connection, &serial).await?;
            card.map(Claim::New).ok_or(StoreError::Malformed("card"))
        })
    }

    /// Writes down what is known of a chip and what is about to be done to it, all of it or nothing. Call it before doing it.
    /// Asking again for a fact changes nothing, but each step that is about to be taken is a line of the card's journal, once for each time.
    ///
    /// # Errors
    /// [`StoreError::KeySeenBefore`] if any card ever had either key; [`StoreError::WrongState`] for a card that was blocked or
    /// given up, or in a state that the fact does not follow from; nothing is written then.
    pub fn record(&self, number: &CardNumber, facts: &[Fact<'_>], reader: &str) -> Result<(), StoreError> {
        self.write(async |connection| record_all(connection, number, facts, reader).await)
    }

    /// A card's journal, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn steps(&self, number: &CardNumber) -> Result<Vec<Step>, StoreError> {
        self.read(async |connection| {
            let rows = sqlx::query("SELECT * FROM issuance_journal WHERE card = $1 ORDER BY position")
                .bind(number.to_string())
                .fetch_all(connection)
                .await?;
            rows.iter()
                .map(|row| {
                    Ok(Step {
                        step: row.try_get("step")?,
                        note: row.try_get("note")?,
                        reader: row.try_get("reader")?,
                    })
                })
                .collect()
        })
    }

    /// Records these facts, lets `sign` make the card's CSO as the next object of the issuer's sequence, and stores it, all in one
    /// transaction. A CSO that was released before is returned as it is: there is one per chip.
    ///
    /// # Errors
    /// Those of [`Store::record`]; [`StoreError::WrongState`] if the card's keys are not proved; whatever `sign` answers.
    pub fn release_cso<E: From<StoreError>>(
        &self,
        number: &CardNumber,
        (facts, reader): (&[Fact<'_>], &str),
        issuer: Issuer<'_>,
        sign: impl FnOnce(Position) -> Result<SignedObject, E>,
    ) -> Result<Vec<u8>, E> {
        self.write(async |connection| {
            record_all(connection, number, facts, reader).await?;
            let card = card(connection, number).await?;
            match (card.state, card.cso) {
                (CardState::KeysGenerated, None) => {}
                (CardState::CsoReleased | CardState::Active, Some(cso)) => return Ok(cso),
                (state, cso) => {
                    let card = Card { state, cso, ..card };
                    return Err(wrong_state(&card, "proved keys and no CSO").into());
                }
            }
            let (_, signed_object) = append(connection, issuer, "cso", sign).await?;
            set_cso(connection, number, &signed_object.object).await?;
            insert_version(connection, number, card.version, &signed_object.object, None).await?;
            Ok(signed_object.object)
        })
    }

    /// The card confirmed its activation. Asking again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::WrongState`].
    pub fn activated(&self, actor: &Actor, number: &CardNumber) -> Result<(), StoreError> {
        self.write(async |connection| {
            let card = card(connection, number).await?;
            match card.state {
                CardState::CsoReleased => {
                    set_state(connection, number, CardState::Active).await?;
                    confirm_version(connection, number, card.version).await?;
                    log(connection, actor, "card-issued", &number.to_string()).await
                }
                CardState::Active => Ok(()),
                _ => Err(wrong_state(&card, "a card with a released CSO")),
            }
        })
    }

    /// Gives up an unfinished card: the chip is spoilt, the person waits again, and if a CSO was released the number is blocked
    /// in the same transaction. Returns the state the card ended in.
    ///
    /// # Errors
    /// [`StoreError::WrongState`] for an active card (block it instead) or one given up already.
    pub fn give_up(&self, actor: &Actor, number: &CardNumber) -> Result<CardState, StoreError> {
        self.write(async |connection| {
            let card = card(connection, number).await?;
            let end = match card.state {
                CardState::Planned | CardState::KeysReplaced | CardState::KeysGenerated => {
                    CardState::Abandoned
                }
                CardState::CsoReleased => CardState::Blocked,
                _ => return Err(wrong_state(&card, "an unfinished card")),
            };
            set_blank_state(connection, &serial_text(&card.chip_serial), "spoilt").await?;
            set_state(connection, number, end).await?;
            search_again(connection, number).await?;
            if end == CardState::Blocked {
                insert_block(connection, number, BlockReason::IssuanceFailed).await?;
            }
            log(connection, actor, "card-given-up", &number.to_string()).await?;
            Ok(end)
        })
    }
}

/// What is written down about a chip in personalization.
#[derive(Debug, Clone, Copy)]
pub enum Fact<'a> {
    /// The journal: this is about to be done.
    About {
        /// The step.
        step: &'a str,
        /// What a later run needs of it.
        note: Option<&'a [u8]>,
    },
    /// The chip is known to answer to the issuer's keys.
    KeysReplaced,
    /// The chip has proved its two key pairs. Before the CSO is released a chip may make new ones after a tear.
    KeysProven {
        /// Public key agreement key, uncompressed.
        agreement: &'a [u8; 65],
        /// Public signing key, uncompressed.
        signing: &'a [u8; 65],
    },
}

async fn record_all(
    connection: &mut AnyConnection,
    number: &CardNumber,
    facts: &[Fact<'_>],
    reader: &str,
) -> Result<(), StoreError> {
    for fact in facts {
        match *fact {
            Fact::About { step, note } => write_step(connection, number, step, note, reader).await,
            Fact::KeysReplaced => keys_replaced(connection, number).await,
            Fact::KeysProven { agreement, signing } => {
                keys_proven(connection, number, agreement, signing).await
            }
        }?;
    }
    Ok(())
}

async fn keys_replaced(connection: &mut AnyConnection, number: &CardNumber) -> Result<(), StoreError> {
    let card = card(connection, number).await?;
    match card.state {
        CardState::Planned => set_state(connection, number, CardState::KeysReplaced).await,
        CardState::Blocked | CardState::Abandoned => Err(wrong_state(&card, "a card in personalization")),
        _ => Ok(()),
    }
}

async fn keys_proven(
    connection: &mut AnyConnection,
    number: &CardNumber,
    agreement_key: &[u8; 65],
    signing_key: &[u8; 65],
) -> Result<(), StoreError> {
    let card = card(connection, number).await?;
    let same = card.agreement_key == Some(*agreement_key) && card.signing_key == Some(*signing_key);
    match card.state {
        CardState::Planned | CardState::KeysReplaced | CardState::KeysGenerated => {}
        CardState::CsoReleased | CardState::Active if same => return Ok(()),
        _ => return Err(wrong_state(&card, "a card before the release of its CSO")),
    }
    refuse_known_key(connection, number, agreement_key, signing_key).await?;
    let sql =
        "UPDATE card SET state = 'keys-generated', agreement_key = $2, signing_key = $3 WHERE number = $1";
    sqlx::query(sql)
        .bind(number.to_string())
        .bind(agreement_key.to_vec())
        .bind(signing_key.to_vec())
        .execute(connection)
        .await
        .map_err(|error| key_seen(error, number))?;
    Ok(())
}

pub(crate) async fn demand_blank(connection: &mut AnyConnection, serial: &str) -> Result<(), StoreError> {
    let row = sqlx::query("SELECT state FROM blank WHERE chip_serial = $1")
        .bind(serial)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or_else(|| StoreError::NotFound {
            what: "chip",
            name: serial.to_owned(),
        })?;
    let state: String = row.try_get("state")?;
    if state != "blank" {
        return Err(StoreError::WrongState {
            what: "chip",
            name: serial.to_owned(),
            state,
            needed: "a blank chip",
        });
    }
    Ok(())
}

pub(crate) async fn set_blank_state(
    connection: &mut AnyConnection,
    serial: &str,
    state: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE blank SET state = $2 WHERE chip_serial = $1")
        .bind(serial)
        .bind(state)
        .execute(connection)
        .await?;
    Ok(())
}

async fn next_card_number(connection: &mut AnyConnection, province: u8) -> Result<CardNumber, StoreError> {
    let serial =
        u64::try_from(draw(connection, "card").await?).map_err(|_| StoreError::Malformed("series"))?;
    CardNumber::new(province, serial).ok_or(StoreError::OutOfRange("the next card number"))
}

async fn write_step(
    connection: &mut AnyConnection,
    number: &CardNumber,
    step: &str,
    note: Option<&[u8]>,
    reader: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO issuance_journal (card, position, step, note, reader, written_at)
         SELECT $1, coalesce(max(position), 0) + 1, $2, $3, $4, $5 FROM issuance_journal WHERE card = $1",
    )
    .bind(number.to_string())
    .bind(step)
    .bind(note.map(<[u8]>::to_vec))
    .bind(reader)
    .bind(now())
    .execute(connection)
    .await?;
    Ok(())
}

/// A key that any other card has, in either role. The unique columns see only equal roles.
async fn refuse_known_key(
    connection: &mut AnyConnection,
    number: &CardNumber,
    agreement_key: &[u8; 65],
    signing_key: &[u8; 65],
) -> Result<(), StoreError> {
    let seen = StoreError::KeySeenBefore {
        number: number.to_string(),
    };
    if agreement_key == signing_key {
        return Err(seen);
    }
    let sql = "SELECT 1 AS known FROM card WHERE number <> $1 AND (agreement_key IN ($2, $3) OR signing_key IN ($2, $3))";
    let row = sqlx::query(sql)
        .bind(number.to_string())
        .bind(agreement_key.to_vec())
        .bind(signing_key.to_vec())
        .fetch_optional(connection)
        .await?;
    if row.is_some() { Err(seen) } else { Ok(()) }
}

fn key_seen(error: sqlx::Error, number: &CardNumber) -> StoreError {
    if is_duplicate(&error) {
        StoreError::KeySeenBefore {
            number: number.to_string(),
        }
    } else {
        error.into()
    }
}

async fn set_cso(connection: &mut AnyConnection, number: &CardNumber, cso: &[u8]) -> Result<(), StoreError> {
    sqlx::query("UPDATE card SET state = 'cso-released', cso = $2 WHERE number = $1")
        .bind(number.to_string())
        .bind(cso)
        .execute(connection)
        .await?;
    Ok(())
}
