//! Receipts of cards with what each is for (SPEC.md 9.9): read back from the card itself, or of an issuer script and brought by a
//! terminal's journal. How far each card has counted follows from them and from all other receipts that are proven.

use card_spec::values::CardNumber;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::store::{now, number, octets};
use crate::{Store, StoreError};

/// A receipt with what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardReceipt {
    /// Its number on the card.
    pub counter: u32,
    /// Kind (SPEC.md 9.4).
    pub kind: u8,
    /// Hash of what was done.
    pub object_hash: [u8; 32],
    /// The receipt.
    pub receipt: Vec<u8>,
    /// What it is for.
    pub object: Vec<u8>,
}

/// Who showed a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The card, in the station's reader, with all that it wrote before.
    Card,
    /// A terminal's journal: of the receipts before it nothing is said.
    Journal,
}

/// What became of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    New,
    Known,
    /// The card has another one under this counter: not stored.
    Other,
}

impl Store {
    /// The receipts of a card that are kept with what they are for, ascending.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn card_receipts(&self, number: &CardNumber) -> Result<Vec<CardReceipt>, StoreError> {
        self.read(async |connection| {
            let rows = sqlx::query("SELECT * FROM card_receipt WHERE card = $1 ORDER BY counter")
                .bind(number.to_string())
                .fetch_all(connection)
                .await?;
            rows.iter().map(receipt_from).collect()
        })
    }
}

/// Highest counter up to which the receipts were read back from the card.
pub(crate) async fn receipts_to(
    connection: &mut AnyConnection,
    card: &CardNumber,
) -> Result<u32, StoreError> {
    let sql = "SELECT coalesce(max(counter), 0) AS newest FROM card_receipt WHERE card = $1 AND brought = 0";
    let row = sqlx::query(sql)
        .bind(card.to_string())
        .fetch_one(connection)
        .await?;
    number(&row, "newest")
}

/// Stores a receipt that verifies under its card's key.
pub(crate) async fn keep_receipt(
    connection: &mut AnyConnection,
    card: &CardNumber,
    receipt: &CardReceipt,
    source: Source,
) -> Result<Kept, StoreError> {
    let known = sqlx::query("SELECT * FROM card_receipt WHERE card = $1 AND counter = $2")
        .bind(card.to_string())
        .bind(i64::from(receipt.counter))
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(known) = known {
        if receipt_from(&known)?.object_hash != receipt.object_hash {
            return Ok(Kept::Other);
        }
        if source == Source::Card {
            read_back(connection, card, receipt.counter).await?;
        }
        return Ok(Kept::Known);
    }
    sqlx::query(
        "INSERT INTO card_receipt (card, counter, kind, object_hash, receipt, object, read_at, brought)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(card.to_string())
    .bind(i64::from(receipt.counter))
    .bind(i64::from(receipt.kind))
    .bind(receipt.object_hash.to_vec())
    .bind(receipt.receipt.clone())
    .bind(receipt.object.clone())
    .bind(now())
    .bind(i64::from(source == Source::Journal))
    .execute(connection)
    .await?;
    Ok(Kept::New)
}

async fn read_back(
    connection: &mut AnyConnection,
    card: &CardNumber,
    counter: u32,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE card_receipt SET brought = 0 WHERE card = $1 AND counter = $2 AND brought = 1")
        .bind(card.to_string())
        .bind(i64::from(counter))
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps how far a card has counted, by a receipt that it has signed or by its own authenticated word.
pub(crate) async fn note_counter(
    connection: &mut AnyConnection,
    card: &CardNumber,
    counter: u32,
) -> Result<(), StoreError> {
    if counter == 0 {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO card_counter (card, counter) VALUES ($1, $2)
         ON CONFLICT (card) DO UPDATE SET counter = excluded.counter WHERE card_counter.counter < excluded.counter",
    )
    .bind(card.to_string())
    .bind(i64::from(counter))
    .execute(connection)
    .await?;
    Ok(())
}

/// How far a card has counted, as far as is known; 0 if it has no receipt.
pub(crate) async fn known_counter(
    connection: &mut AnyConnection,
    card: &CardNumber,
) -> Result<u32, StoreError> {
    let sql = "SELECT coalesce(max(counter), 0) AS counter FROM card_counter WHERE card = $1";
    let row = sqlx::query(sql)
        .bind(card.to_string())
        .fetch_one(connection)
        .await?;
    number(&row, "counter")
}

/// A script with a receipt of its own was executed; one that the counter of its card, read back, has left behind never will be.
pub(crate) async fn settle_scripts(
    connection: &mut AnyConnection,
    card: &CardNumber,
    counter: u32,
) -> Result<(), StoreError> {
    settle_executed(connection, card).await?;
    sqlx::query(
        "UPDATE card_script SET outcome = 'passed-by' WHERE card = $1 AND outcome IS NULL AND counter < $2",
    )
    .bind(card.to_string())
    .bind(i64::from(counter))
    .execute(connection)
    .await?;
    Ok(())
}

/// A script with a receipt of its own was executed, whatever was concluded before.
pub(crate) async fn settle_executed(
    connection: &mut AnyConnection,
    card: &CardNumber,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE card_script SET outcome = 'executed' WHERE card = $1 AND (outcome IS NULL OR outcome = 'passed-by') AND EXISTS
         (SELECT 1 FROM card_receipt WHERE card_receipt.card = card_script.card AND card_receipt.kind = 3
          AND card_receipt.object_hash = card_script.body_hash)",
    )
    .bind(card.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

fn receipt_from(row: &AnyRow) -> Result<CardReceipt, StoreError> {
    Ok(CardReceipt {
        counter: number(row, "counter")?,
        kind: number(row, "kind")?,
        object_hash: octets(row, "object_hash")?,
        receipt: row.try_get("receipt")?,
        object: row.try_get("object")?,
    })
}
