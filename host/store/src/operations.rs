//! The operations log: who did what, append-only and chained, so that a line taken out or changed later shows.
//!
//! A line is written in the transaction of the act that it tells of: there is no act without its line and no line without its
//! act. Subjects are card numbers, references and names of lists, never names of people.
//!
//! The hash of a line is the SHA-256 of seven text lines, each ended by a line feed: `ansinh operation 1`, position, time,
//! operator, action, subject, and the hash of the line before in lower-case hexadecimal (64 zeros for the first), so that
//! anybody checks it with `sha256sum`.

use card_spec::crypto::sha256;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::operators::Actor;
use crate::store::{draw, now, number, octets};
use crate::{Store, StoreError};

/// One line of the operations log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its place, first 1, without gaps.
    pub position: u64,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Who.
    pub operator: String,
    /// What was done, a word in kebab case such as `card-blocked`.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Hash of the line before.
    pub previous_hash: [u8; 32],
    /// Hash of this line.
    pub hash: [u8; 32],
}

impl Operation {
    fn sealed(self) -> Self {
        let hash = self.expected_hash();
        Self { hash, ..self }
    }

    /// The seven text lines that are hashed.
    pub fn hashed_text(&self) -> String {
        let previous = hex::encode(self.previous_hash);
        let lines = [
            "ansinh operation 1",
            &self.position.to_string(),
            &self.at,
            &self.operator,
            &self.action,
            &self.subject,
            &previous,
            "",
        ];
        lines.join("\n")
    }

    /// The hash that this line must have.
    pub fn expected_hash(&self) -> [u8; 32] {
        sha256(&[self.hashed_text().as_bytes()])
    }
}

/// Position and hash of the newest line. Whoever writes it down elsewhere can tell later whether the log was cut or rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationsHead {
    /// Lines in the log.
    pub position: u64,
    /// Hash of the newest one; zeros for an empty log.
    pub hash: [u8; 32],
}

impl Store {
    /// Writes down an act that changes nothing in the ledger, such as an export.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn log_operation(&self, actor: &Actor, action: &str, subject: &str) -> Result<(), StoreError> {
        self.write(async |connection| log(connection, actor, action, subject).await)
    }

    /// At most `limit` lines after a position, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn operations_after(&self, position: u64, limit: u32) -> Result<Vec<Operation>, StoreError> {
        let sql = "SELECT * FROM operation WHERE position > $1 ORDER BY position LIMIT $2";
        let position = i64::try_from(position).map_err(|_| StoreError::OutOfRange("a position"))?;
        self.read(async |connection| {
            let rows = sqlx::query(sql)
                .bind(position)
                .bind(i64::from(limit))
                .fetch_all(connection)
                .await?;
            rows.iter().map(operation_from).collect()
        })
    }

    /// The whole operations log, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn operations(&self) -> Result<Vec<Operation>, StoreError> {
        self.operations_after(0, u32::MAX)
    }

    /// Checks the chain from its first line and gives its head.
    ///
    /// # Errors
    /// [`StoreError::BrokenLog`] at the first line that does not follow from the one before.
    pub fn verify_operations(&self) -> Result<OperationsHead, StoreError> {
        self.verify_operations_after(OperationsHead {
            position: 0,
            hash: [0; 32],
        })
    }

    /// Checks the chain on from a head that was checked before, and gives the new one.
    ///
    /// # Errors
    /// As [`Self::verify_operations`].
    pub fn verify_operations_after(&self, mut head: OperationsHead) -> Result<OperationsHead, StoreError> {
        const PAGE: u32 = 10_000;
        loop {
            let page = self.operations_after(head.position, PAGE)?;
            for line in &page {
                let follows = line.position == head.position + 1
                    && line.previous_hash == head.hash
                    && line.hash == line.expected_hash();
                if !follows {
                    return Err(StoreError::BrokenLog {
                        position: head.position + 1,
                    });
                }
                head = OperationsHead {
                    position: line.position,
                    hash: line.hash,
                };
            }
            if page.is_empty() {
                return Ok(head);
            }
        }
    }
}

/// Was this act done to this subject before?
pub(crate) async fn is_logged(
    connection: &mut AnyConnection,
    action: &str,
    subject: &str,
) -> Result<bool, StoreError> {
    let sql = "SELECT 1 AS found FROM operation WHERE action = $1 AND subject = $2 LIMIT 1";
    let query = sqlx::query(sql).bind(action).bind(subject);
    Ok(query.fetch_optional(connection).await?.is_some())
}

/// Adds a line within the transaction of the act it tells of.
///
/// # Errors
/// [`StoreError::BadName`] for a subject of more than one line: it would make two readings of one hash.
pub(crate) async fn log(
    connection: &mut AnyConnection,
    actor: &Actor,
    action: &str,
    subject: &str,
) -> Result<(), StoreError> {
    if [action, subject]
        .iter()
        .any(|text| text.contains(char::is_control))
    {
        return Err(StoreError::BadName(action.to_owned()));
    }
    let position = draw(connection, "operation").await?;
    let previous = sqlx::query("SELECT hash FROM operation WHERE position = $1")
        .bind(position - 1)
        .fetch_optional(&mut *connection)
        .await?;
    let previous_hash = previous.map_or(Ok([0; 32]), |row| octets(&row, "hash"))?;
    let line = Operation {
        position: u64::try_from(position).map_err(|_| StoreError::Malformed("operation"))?,
        at: now(),
        operator: actor.name().to_owned(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        previous_hash,
        hash: [0; 32],
    }
    .sealed();
    let sql = "INSERT INTO operation (position, at, operator, action, subject, previous_hash, hash)
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    sqlx::query(sql)
        .bind(position)
        .bind(&line.at)
        .bind(&line.operator)
        .bind(&line.action)
        .bind(&line.subject)
        .bind(line.previous_hash.to_vec())
        .bind(line.hash.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}

fn operation_from(row: &AnyRow) -> Result<Operation, StoreError> {
    Ok(Operation {
        position: number(row, "position")?,
        at: row.try_get("at")?,
        operator: row.try_get("operator")?,
        action: row.try_get("action")?,
        subject: row.try_get("subject")?,
        previous_hash: octets(row, "previous_hash")?,
        hash: octets(row, "hash")?,
    })
}
