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
use crate::cards::{card, card_number, wrong_state};
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

/// What a terminal is to carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CarriedScripts {
    /// Of which it is not known that their cards have decided, those signed first at the front.
    pub waiting: Vec<CarriedScript>,
    /// Cards with payments that still wait to be undone, though no script for this terminal can do it any more: the card has counted on
    /// elsewhere, or has refused it.
    pub passed: Vec<CardNumber>,
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
    /// [`StoreError::WrongState`] for a terminal that is lost, a card that is not active, or one without such a payment; whatever `sign`
    /// answers.
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
            forget(connection, number).await?;
            let first = known_counter(connection, number).await?;
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
                give(connection, terminal, &object).await?;
                carried.push(CarriedScript {
                    card: *number,
                    counter,
                    order,
                    object,
                });
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
                   ORDER BY script.signed_at, script.card, script.counter";
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
                let is_decided = outcome.is_some() || optional_number(row, "refused")?.is_some();
                if !is_decided && known_counter(connection, &card).await? <= counter {
                    scripts.waiting.push(CarriedScript {
                        card,
                        counter,
                        order,
                        object,
                    });
                } else if !scripts.passed.contains(&card) {
                    scripts.passed.push(card);
                }
            }
            Ok(scripts)
        })
    }

    /// Notes, before they are sent, that a terminal may hold scripts; and, once it has confirmed that there are none, that it holds none.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn note_scripts_at(&self, terminal: &str, may_hold: bool) -> Result<(), StoreError> {
        let sql = if may_hold {
            "INSERT INTO script_holder (terminal) VALUES ($1) ON CONFLICT DO NOTHING"
        } else {
            "DELETE FROM script_holder WHERE terminal = $1"
        };
        self.write(async |connection| {
            sqlx::query(sql).bind(terminal).execute(connection).await?;
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
               WHERE carried.terminal = $1 AND carried.refused IS NULL AND script.card = $2 AND script.outcome IS NULL
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

async fn forget(connection: &mut AnyConnection, card: &CardNumber) -> Result<(), StoreError> {
    let sql =
        "DELETE FROM carried_script WHERE body_hash IN (SELECT body_hash FROM card_script WHERE card = $1)";
    sqlx::query(sql)
        .bind(card.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

async fn give(connection: &mut AnyConnection, terminal: &str, object: &[u8]) -> Result<(), StoreError> {
    let hash = parse(object)?.hash();
    sqlx::query("INSERT INTO carried_script (body_hash, terminal) VALUES ($1, $2)")
        .bind(hash.to_vec())
        .bind(terminal)
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
