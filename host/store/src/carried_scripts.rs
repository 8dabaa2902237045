//! Issuer scripts that terminals carry to cards (DATA 12): only reversals of payments whose money was not handed over (SPEC 13.7).
//!
//! A script is good for one receipt counter of its card (SPEC 13.1), and the card is not there to be asked. So the scripts of one card
//! are signed for the highest counter that is proven and those after it, its newest payment first: should a terminal undo that one by
//! itself meanwhile, its receipt counts as the script's would have, and the next script fits. Where the card has counted on otherwise,
//! the scripts are refused, nothing happens, and others have to be signed.

use card_spec::certificate::Reference;
use card_spec::payment::ReceiptKind;
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::Signed;
use card_spec::values::CardNumber;
use sqlx::{AnyConnection, Row as _};

use crate::bookings::{Told, note_receipt};
use crate::card_receipts::{CardReceipt, Kept, Source, keep_receipt, known_counter, settle_executed};
use crate::cards::{Card, card, card_number, wrong_state};
use crate::issuer_log::SignedObject;
use crate::lists::optional_number;
use crate::maintenance::{demand, insert_script, signed_before};
use crate::operations::log;
use crate::operators::{Actor, Role, system};
use crate::reversals::{book_by_issuer, not_handed_of};
use crate::store::number;
use crate::{Store, StoreError, terminals};

/// A script that a terminal is to carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedScript {
    /// The card it is for.
    pub card: CardNumber,
    /// The receipt counter it is good for.
    pub counter: u32,
    /// SHA-256 of the order that it undoes.
    pub order: [u8; 32],
    /// The signed script.
    pub object: Vec<u8>,
}

/// Why a script is executed no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// The card is known to have counted on: another script fits.
    Counted,
    /// The card has refused it, with this status word: the ledger does not know yet what the card has done.
    Refused(u16),
    /// No terminal is given the certificate of the key that signed it.
    KeyOver,
}

/// What a terminal is to carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CarriedScripts {
    /// Of which it is not known that their cards have decided: the cards asked for last at the front, the scripts of each by counter. So
    /// holders who never come keep no others from being served.
    pub waiting: Vec<CarriedScript>,
    /// Cards with payments that still wait to be undone, though no script for this terminal can do it any more.
    pub passed: Vec<(CardNumber, Passed)>,
    /// The terminal was sent scripts before: it may still hold some.
    pub may_hold: bool,
}

/// A card's receipt for an issuer script, as a terminal's journal tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptReceipt {
    /// The card.
    pub card: CardNumber,
    /// Its receipt counter.
    pub counter: u32,
    /// SHA-256 of the script's body.
    pub script: [u8; 32],
    /// The receipt.
    pub receipt: Vec<u8>,
}

/// What a receipt of a script that a journal tells of has changed.
#[derive(Debug)]
pub(crate) enum Executed {
    /// The payments of the line that it has undone; none if that was known, or nothing was undone.
    Booked(Vec<Told>),
    /// This ledger has signed no such script, or the card has another receipt under that counter.
    Unknown,
}

impl Store {
    /// Lets `sign` make a script for each payment of a card that stands while a committed journal says that its money was not handed over,
    /// and notes that `terminal` is to carry them, and no other any more. A script that was signed for the same counter and payment before
    /// serves again.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] for anybody but an operator; [`StoreError::NotFound`] without the card or the terminal;
    /// [`StoreError::WrongState`] for a terminal that is lost, a card that is not active, has no such payment, or has refused the very
    /// script that would be signed again; whatever `sign` answers.
    pub fn carry_reversals<E: From<StoreError>>(
        &self,
        actor: &Actor,
        terminal: &str,
        number: &CardNumber,
        issuer: Reference,
        mut sign: impl FnMut(u32, Action) -> Result<SignedObject, E>,
    ) -> Result<Vec<CarriedScript>, E> {
        actor.demand(Role::Operator)?;
        self.write(async |connection| {
            terminals::demand_not_lost(connection, terminal).await?;
            let card = card(connection, number).await?;
            let orders = not_handed_of(connection, number).await?;
            if orders.is_empty() {
                return Err(wrong_state(&card, "a payment of it that was not handed over").into());
            }
            let first = known_counter(connection, number).await?;
            demand_not_refused(connection, &card, first, &orders).await?;
            forget(connection, number).await?;
            let given = next_given(connection).await?;
            let mut carried = Vec::new();
            for (counter, order) in (first..u32::MAX).zip(orders) {
                let action = Action::Reverse(order);
                demand(&card, action)?;
                let object = match signed_before(connection, number, counter, issuer, action).await? {
                    Some(object) => object,
                    None => {
                        let script = sign(counter, action)?;
                        insert_script(connection, actor, (number, counter, action), &script).await?;
                        script.object
                    }
                };
                give(connection, terminal, &object, given).await?;
                carried.push(CarriedScript {
                    card: *number,
                    counter,
                    order,
                    object,
                });
            }
            if carried.is_empty() {
                return Err(wrong_state(&card, "a card that has not counted to its end").into());
            }
            let subject = format!("{number} at {terminal}: {}", carried.len());
            log(connection, actor, "reversals-to-carry", &subject).await?;
            Ok(carried)
        })
    }

    /// What a terminal is to carry.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn carried_scripts(&self, terminal: &str) -> Result<CarriedScripts, StoreError> {
        let sql = "SELECT script.card AS card, script.counter AS counter, script.object AS object, script.outcome AS outcome,
                   carried_script.refused AS refused FROM carried_script
                   JOIN card_script AS script ON script.body_hash = carried_script.body_hash
                   JOIN card ON card.number = script.card AND card.state = 'active'
                   WHERE carried_script.terminal = $1 AND (script.outcome IS NULL OR script.outcome = 'passed-by')
                   ORDER BY carried_script.given DESC, script.card, script.counter";
        self.read(async |connection| {
            let rows = sqlx::query(sql)
                .bind(terminal)
                .fetch_all(&mut *connection)
                .await?;
            let mut scripts = CarriedScripts {
                may_hold: may_hold(connection, terminal).await?,
                ..CarriedScripts::default()
            };
            for row in &rows {
                let card = card_number(row, "card")?;
                let (counter, object): (u32, Vec<u8>) = (number(row, "counter")?, row.try_get("object")?);
                let order = order_of(&object)?;
                if !not_handed_of(connection, &card).await?.contains(&order) {
                    continue;
                }
                let outcome: Option<String> = row.try_get("outcome")?;
                let has_counted = outcome.is_some() || known_counter(connection, &card).await? > counter;
                let passed = match optional_number(row, "refused")? {
                    _ if has_counted => Passed::Counted,
                    Some(status) => {
                        let status =
                            u16::try_from(status).map_err(|_| StoreError::Malformed("status word"))?;
                        Passed::Refused(status)
                    }
                    None => {
                        scripts.waiting.push(CarriedScript {
                            card,
                            counter,
                            order,
                            object,
                        });
                        continue;
                    }
                };
                if scripts.passed.iter().all(|(known, _)| *known != card) {
                    scripts.passed.push((card, passed));
                }
            }
            Ok(scripts)
        })
    }

    /// Notes, before they are sent, that a terminal may hold these scripts.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn note_scripts_sent(&self, terminal: &str, scripts: &[CarriedScript]) -> Result<(), StoreError> {
        self.write(async |connection| {
            sqlx::query("INSERT INTO script_holder (terminal) VALUES ($1) ON CONFLICT DO NOTHING")
                .bind(terminal)
                .execute(&mut *connection)
                .await?;
            for script in scripts {
                sqlx::query("UPDATE carried_script SET sent = 1 WHERE body_hash = $1 AND terminal = $2")
                    .bind(parse(&script.object)?.hash().to_vec())
                    .bind(terminal)
                    .execute(&mut *connection)
                    .await?;
            }
            Ok(())
        })
    }

    /// Notes that a terminal holds none: it has confirmed that, or its image cannot hold any.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn note_no_scripts_at(&self, terminal: &str) -> Result<(), StoreError> {
        self.write(async |connection| {
            for sql in [
                "DELETE FROM script_holder WHERE terminal = $1",
                "UPDATE carried_script SET sent = 0 WHERE terminal = $1",
            ] {
                sqlx::query(sql).bind(terminal).execute(&mut *connection).await?;
            }
            Ok(())
        })
    }
}

/// Takes in a receipt of an issuer script that a journal tells of. The same one again changes nothing, nor one that was read back from its
/// card before.
pub(crate) async fn executed(
    connection: &mut AnyConnection,
    told: &ScriptReceipt,
) -> Result<Executed, StoreError> {
    let kept = match script_of(connection, told).await? {
        Some(object) => {
            let receipt = CardReceipt {
                counter: told.counter,
                kind: ReceiptKind::IssuerScript as u8,
                object_hash: told.script,
                receipt: told.receipt.clone(),
                object,
            };
            let kept = keep_receipt(connection, &told.card, &receipt, Source::Journal).await?;
            (kept, Some(receipt))
        }
        None => (Kept::Other, None),
    };
    match kept {
        (Kept::New, Some(receipt)) => {
            settle_executed(connection, &told.card).await?;
            let told = book_by_issuer(connection, &system(), &told.card, &receipt).await?;
            Ok(Executed::Booked(told))
        }
        (Kept::Known, _) => Ok(Executed::Booked(Vec::new())),
        _ => Ok(Executed::Unknown),
    }
}

/// Keeps that a journal tells of a receipt for a script that this ledger has not signed. `false` if that was written down before.
pub(crate) async fn note_unknown(
    connection: &mut AnyConnection,
    told: &ScriptReceipt,
) -> Result<bool, StoreError> {
    let receipt = (&told.card, told.counter, &told.script);
    note_receipt(connection, &system(), "receipt-of-unknown-script", receipt).await
}

/// The card has refused something at this terminal, with this status word: the first script that it could have been, if any.
pub(crate) async fn note_refused(
    connection: &mut AnyConnection,
    terminal: &str,
    card: &CardNumber,
    status: u16,
) -> Result<(), StoreError> {
    let sql = "UPDATE carried_script SET refused = $3 WHERE body_hash = (SELECT script.body_hash FROM card_script AS script
               JOIN carried_script AS carried ON carried.body_hash = script.body_hash
               WHERE carried.terminal = $1 AND carried.sent = 1 AND carried.refused IS NULL AND script.card = $2 AND script.outcome IS NULL
               ORDER BY script.counter LIMIT 1)";
    sqlx::query(sql)
        .bind(terminal)
        .bind(card.to_string())
        .bind(i64::from(status))
        .execute(connection)
        .await?;
    Ok(())
}

/// The script of this card that a receipt is for, one counter before it.
async fn script_of(
    connection: &mut AnyConnection,
    told: &ScriptReceipt,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT object FROM card_script WHERE body_hash = $1 AND card = $2 AND counter + 1 = $3";
    let row = sqlx::query(sql)
        .bind(told.script.to_vec())
        .bind(told.card.to_string())
        .bind(i64::from(told.counter))
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok(row.try_get("object")?)).transpose()
}

/// The script that comes next for this card must not be one that it has refused: signed again it would be refused again, and what the card
/// has done since only its receipts tell.
async fn demand_not_refused(
    connection: &mut AnyConnection,
    card: &Card,
    counter: u32,
    orders: &[[u8; 32]],
) -> Result<(), StoreError> {
    let sql = "SELECT script.object AS object FROM carried_script
               JOIN card_script AS script ON script.body_hash = carried_script.body_hash
               WHERE script.card = $1 AND script.counter = $2 AND carried_script.refused IS NOT NULL";
    let rows = sqlx::query(sql)
        .bind(card.number.to_string())
        .bind(i64::from(counter))
        .fetch_all(connection)
        .await?;
    for row in rows {
        let object: Vec<u8> = row.try_get("object")?;
        if orders.first() == Some(&order_of(&object)?) {
            return Err(wrong_state(
                card,
                "its newest receipts, for it has refused this very script: have a clerk read them at any terminal and synchronise that, or take the card to the station's desk",
            ));
        }
    }
    Ok(())
}

async fn forget(connection: &mut AnyConnection, card: &CardNumber) -> Result<(), StoreError> {
    let sql =
        "DELETE FROM carried_script WHERE body_hash IN (SELECT body_hash FROM card_script WHERE card = $1)";
    sqlx::query(sql)
        .bind(card.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

async fn next_given(connection: &mut AnyConnection) -> Result<i64, StoreError> {
    let sql = "SELECT coalesce(max(given), 0) + 1 AS next FROM carried_script";
    Ok(sqlx::query(sql).fetch_one(connection).await?.try_get("next")?)
}

async fn give(
    connection: &mut AnyConnection,
    terminal: &str,
    object: &[u8],
    given: i64,
) -> Result<(), StoreError> {
    let hash = parse(object)?.hash();
    sqlx::query("INSERT INTO carried_script (body_hash, terminal, given) VALUES ($1, $2, $3)")
        .bind(hash.to_vec())
        .bind(terminal)
        .bind(given)
        .execute(connection)
        .await?;
    Ok(())
}

async fn may_hold(connection: &mut AnyConnection, terminal: &str) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 AS found FROM script_holder WHERE terminal = $1")
        .bind(terminal)
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

fn order_of(object: &[u8]) -> Result<[u8; 32], StoreError> {
    match parse(object)?.claimed().action {
        Action::Reverse(order) => Ok(order),
        _ => Err(StoreError::Malformed("issuer script")),
    }
}

fn parse(object: &[u8]) -> Result<Signed<'_, IssuerScript>, StoreError> {
    Signed::parse(object).map_err(|_| StoreError::Malformed("issuer script"))
}
