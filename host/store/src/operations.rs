//! The operations log of a station: who did what. Subjects are card numbers, references and names of lists, never names of people.

use sqlx::{AnyConnection, Row as _};

use crate::store::{draw, now};
use crate::{Store, StoreError};

/// One line of the operations log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Who.
    pub operator: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
}

impl Store {
    /// Adds a line to the operations log.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn log_operation(&self, operator: &str, action: &str, subject: &str) -> Result<(), StoreError> {
        self.write(async |connection| log(connection, operator, action, subject).await)
    }

    /// The operations log, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn operations(&self) -> Result<Vec<Operation>, StoreError> {
        let sql = "SELECT at, operator, action, subject FROM operation ORDER BY position";
        self.read(async |connection| {
            let rows = sqlx::query(sql).fetch_all(connection).await?;
            rows.iter()
                .map(|row| {
                    Ok(Operation {
                        at: row.try_get("at")?,
                        operator: row.try_get("operator")?,
                        action: row.try_get("action")?,
                        subject: row.try_get("subject")?,
                    })
                })
                .collect()
        })
    }
}

/// Adds a line within the transaction of the act it tells of.
pub(crate) async fn log(
    connection: &mut AnyConnection,
    operator: &str,
    action: &str,
    subject: &str,
) -> Result<(), StoreError> {
    let position = draw(connection, "operation").await?;
    sqlx::query(
        "INSERT INTO operation (position, at, operator, action, subject) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(position)
    .bind(now())
    .bind(operator)
    .bind(action)
    .bind(subject)
    .execute(connection)
    .await?;
    Ok(())
}
