//! What a station asks of the ledger between cards: who is unfinished, and what a torn card needs to be finished.

use card_spec::values::CardNumber;
use sqlx::{AnyConnection, Row as _};

use crate::store::number;
use crate::{Store, StoreError};

impl Store {
    /// How many cards are bound to a chip but not active yet. Their persons wait for that very chip.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn unfinished_cards(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) AS total FROM card
                   WHERE state IN ('planned', 'keys-replaced', 'keys-generated', 'cso-released')";
        self.read(async |connection| number(&sqlx::query(sql).fetch_one(connection).await?, "total"))
    }

    /// The note of the newest journal entry that names this step, `None` if there is no such entry or it has no note.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn newest_note(&self, card: &CardNumber, step: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let sql =
            "SELECT note FROM issuance_journal WHERE card = $1 AND step = $2 ORDER BY position DESC LIMIT 1";
        self.read(async |connection| {
            let row = sqlx::query(sql)
                .bind(card.to_string())
                .bind(step)
                .fetch_optional(connection)
                .await?;
            row.map_or(Ok(None), |row| Ok(row.try_get("note")?))
        })
    }
}

/// What a torn card needed to be finished holds personal data, and nobody needs it any more.
pub(crate) async fn forget_notes(
    connection: &mut AnyConnection,
    card: &CardNumber,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE issuance_journal SET note = NULL WHERE card = $1")
        .bind(card.to_string())
        .execute(connection)
        .await?;
    Ok(())
}
