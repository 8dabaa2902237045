//! Batches: who is to get a card, drafted by one officer and approved by another, with a quota for each officer and a last day.
//!
//! Without an approved batch no blank chip is bound to a person. Cards begun under a batch are finished whatever becomes of it.

use card_spec::values::CardNumber;
use jiff::Timestamp;
use jiff::tz::{TimeZone, offset};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::operations::log;
use crate::operators::{Actor, Role};
use crate::people::PersonReference;
use crate::store::{draw, now, number, octets, signed};
use crate::{Store, StoreError};

/// Number of a batch, first 1.
pub type BatchNumber = u64;

/// Who is to be in a batch. Only those who wait for a card and are in no other open batch come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Everybody who waits.
    Everybody,
    /// Those who live in a commune (5 digits).
    Commune(String),
    /// These persons.
    Persons(Vec<PersonReference>),
}

/// A batch to be drafted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// What people call it.
    pub title: String,
    /// Who.
    pub selection: Selection,
    /// At most this many persons, in the order of their registration.
    pub limit: Option<u32>,
    /// Last day (Vietnam) on which cards may be begun, `yyyymmdd`.
    pub expires_on: String,
    /// Most cards that one officer may begin under it; those given up do not count.
    pub quota: u32,
}

/// How far a batch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// Waits for another officer's approval.
    Drafted,
    /// Cards may be begun.
    Approved,
    /// Withdrawn, refused or closed: no card is begun any more.
    Closed,
}

impl BatchState {
    const NAMES: [(Self, &'static str); 3] = [
        (Self::Drafted, "drafted"),
        (Self::Approved, "approved"),
        (Self::Closed, "closed"),
    ];

    /// The name in the ledger.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(state, _)| *state == self)
            .map_or("", |(_, name)| name)
    }
}

/// A batch in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its number.
    pub number: BatchNumber,
    /// What people call it.
    pub title: String,
    /// How far it has come.
    pub state: BatchState,
    /// Who drafted it.
    pub drafted_by: String,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// Last day (Vietnam) on which cards may be begun, `yyyymmdd`.
    pub expires_on: String,
    /// Most cards that one officer may begin under it.
    pub quota: u32,
    /// Persons in it.
    pub persons: u64,
    /// Persons in it that wait for a card still.
    pub waiting: u64,
}

/// Under what a card may be begun by an officer, if at all.
pub(crate) enum Turn {
    /// For this person, under this batch.
    Next(PersonReference, i64),
    /// Nobody waits in a batch that is open today.
    NobodyWaiting,
    /// Somebody waits, but the officer's quota is used up.
    QuotaUsedUp,
}

impl Store {
    /// Drafts a batch.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] without the role of operator; [`StoreError::OutOfRange`] for a day that has passed, no quota, or
    /// a batch of nobody.
    pub fn draft_batch(&self, actor: &Actor, batch: &NewBatch) -> Result<Batch, StoreError> {
        self.write(async |connection| draft(connection, actor, batch).await)
    }

    /// Approves what another officer drafted.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] without the role of approver; [`StoreError::FourEyes`] for one's own draft;
    /// [`StoreError::WrongState`] for a batch that is not a draft or whose last day has passed.
    pub fn approve_batch(&self, actor: &Actor, batch: BatchNumber) -> Result<Batch, StoreError> {
        actor.demand(Role::Approver)?;
        self.write(async |connection| {
            let found = find(connection, signed(batch, "a batch number")?).await?;
            if found.drafted_by == actor.name() {
                return Err(StoreError::FourEyes {
                    operator: actor.name().to_owned(),
                });
            }
            if found.state != BatchState::Drafted {
                return Err(wrong_state(&found, found.state.name(), "a draft"));
            }
            if found.expires_on < vietnam_day() {
                return Err(wrong_state(
                    &found,
                    "past its last day",
                    "a batch whose last day is to come",
                ));
            }
            sqlx::query(
                "UPDATE batch SET state = 'approved', approved_by = $2, approved_at = $3 WHERE number = $1",
            )
            .bind(signed(batch, "a batch number")?)
            .bind(actor.name())
            .bind(now())
            .execute(&mut *connection)
            .await?;
            log(connection, actor, "batch-approved", &batch.to_string()).await?;
            find(connection, signed(batch, "a batch number")?).await
        })
    }

    /// Ends a batch: no card is begun under it any more, and its persons may come into another one.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] for anybody but its drafter and approvers; [`StoreError::WrongState`] for a closed one.
    pub fn close_batch(&self, actor: &Actor, batch: BatchNumber) -> Result<Batch, StoreError> {
        self.write(async |connection| {
            let number = signed(batch, "a batch number")?;
            let found = find(connection, number).await?;
            if found.drafted_by != actor.name() {
                actor.demand(Role::Approver)?;
            }
            if found.state == BatchState::Closed {
                return Err(wrong_state(&found, found.state.name(), "an open batch"));
            }
            sqlx::query("UPDATE batch SET state = 'closed' WHERE number = $1")
                .bind(number)
                .execute(&mut *connection)
                .await?;
            log(connection, actor, "batch-closed", &batch.to_string()).await?;
            find(connection, number).await
        })
    }

    /// All batches, newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn batches(&self) -> Result<Vec<Batch>, StoreError> {
        let sql = format!("{SELECT_BATCH} ORDER BY batch.number DESC");
        self.read(async |connection| {
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                .fetch_all(connection)
                .await?;
            rows.iter().map(batch_from).collect()
        })
    }

    /// How many persons wait in batches under which cards may be begun today.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn approved_persons(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) AS total FROM waiting_person JOIN open_batch_person ON open_batch_person.person = waiting_person.reference
                   JOIN batch ON batch.number = open_batch_person.batch WHERE batch.state = 'approved' AND batch.expires_on >= $1";
        self.read(async |connection| {
            let row = sqlx::query(sql).bind(vietnam_day()).fetch_one(connection).await?;
            number(&row, "total")
        })
    }
}

/// Drafts a batch within the transaction of what makes it needed.
pub(crate) async fn draft(
    connection: &mut AnyConnection,
    actor: &Actor,
    batch: &NewBatch,
) -> Result<Batch, StoreError> {
    actor.demand(Role::Operator)?;
    let today = vietnam_day();
    let is_day = batch.expires_on.len() == 8 && batch.expires_on.bytes().all(|byte| byte.is_ascii_digit());
    if !is_day || batch.expires_on < today {
        return Err(StoreError::OutOfRange("the last day of the batch"));
    }
    if batch.quota == 0 {
        return Err(StoreError::OutOfRange("the quota of the batch"));
    }
    let batch_number = draw(connection, "batch").await?;
    sqlx::query(
        "INSERT INTO batch (number, title, state, drafted_by, drafted_at, expires_on, quota)
         VALUES ($1, $2, 'drafted', $3, $4, $5, $6)",
    )
    .bind(batch_number)
    .bind(&batch.title)
    .bind(actor.name())
    .bind(now())
    .bind(&batch.expires_on)
    .bind(i64::from(batch.quota))
    .execute(&mut *connection)
    .await?;
    fill(connection, batch_number, batch, &today).await?;
    let drafted = find(connection, batch_number).await?;
    if drafted.persons == 0 {
        return Err(StoreError::OutOfRange(
            "the batch (nobody who waits would be in it)",
        ));
    }
    let subject = format!("{batch_number} persons {}", drafted.persons);
    log(connection, actor, "batch-drafted", &subject).await?;
    Ok(drafted)
}

/// Batches under which cards may be begun today.
const OPEN: &str = "batch.state = 'approved' AND batch.expires_on >= $1";

/// The next person whose card this officer may begin today: of the oldest batch, in the order of registration. After a person
/// was returned to a batch (a chip was given up), [`search_again`] makes the search begin at that person.
pub(crate) async fn next_turn(connection: &mut AnyConnection, actor: &Actor) -> Result<Turn, StoreError> {
    let within_quota = format!(
        "SELECT batch.number, batch.next_position FROM batch WHERE {OPEN} AND batch.quota > (SELECT count(*) FROM card
         LEFT JOIN block ON block.card = card.number WHERE card.batch = batch.number AND card.claimed_by = $2
         AND card.state <> 'abandoned' AND (block.reason IS NULL OR block.reason <> 6)) ORDER BY batch.number"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(within_quota))
        .bind(vietnam_day())
        .bind(actor.name())
        .fetch_all(&mut *connection)
        .await?;
    let mut batches = Vec::new();
    for row in &rows {
        batches.push((row.try_get("number")?, row.try_get("next_position")?));
    }
    for (batch, from) in &batches {
        let next = first_waiting(connection, *batch, *from).await?;
        search_from(connection, *batch, next.map(|(_, position)| position)).await?;
        if let Some((person, _)) = next {
            return Ok(Turn::Next(person, *batch));
        }
    }
    for (batch, _) in &batches {
        if let Some((person, _)) = first_waiting(connection, *batch, 0).await? {
            return Ok(Turn::Next(person, *batch));
        }
    }
    let anybody = format!(
        "SELECT 1 FROM waiting_person JOIN open_batch_person ON open_batch_person.person = waiting_person.reference
         JOIN batch ON batch.number = open_batch_person.batch WHERE {OPEN} LIMIT 1"
    );
    let anybody = sqlx::query(sqlx::AssertSqlSafe(anybody))
        .bind(vietnam_day())
        .fetch_optional(connection)
        .await?;
    Ok(if anybody.is_some() {
        Turn::QuotaUsedUp
    } else {
        Turn::NobodyWaiting
    })
}

/// The first person of a batch who waits, from a position on.
async fn first_waiting(
    connection: &mut AnyConnection,
    batch: i64,
    from: i64,
) -> Result<Option<(PersonReference, i64)>, StoreError> {
    let sql = "SELECT waiting_person.reference, waiting_person.position FROM waiting_person
        WHERE waiting_person.position >= $2 AND EXISTS (SELECT 1 FROM open_batch_person
            WHERE open_batch_person.batch = $1 AND open_batch_person.person = waiting_person.reference)
        ORDER BY waiting_person.position LIMIT 1";
    let row = sqlx::query(sql)
        .bind(batch)
        .bind(from)
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok((octets(&row, "reference")?, row.try_get("position")?)))
        .transpose()
}

/// The next search begins after this position; `None`: after everybody registered so far.
async fn search_from(
    connection: &mut AnyConnection,
    batch: i64,
    after: Option<i64>,
) -> Result<(), StoreError> {
    let sql = "UPDATE batch SET next_position = 1 + coalesce($2, (SELECT max(position) FROM person), 0) WHERE number = $1";
    sqlx::query(sql)
        .bind(batch)
        .bind(after)
        .execute(connection)
        .await?;
    Ok(())
}

/// The person of this card waits again and is the next of the batch, if no earlier one waits.
pub(crate) async fn search_again(
    connection: &mut AnyConnection,
    number: &CardNumber,
) -> Result<(), StoreError> {
    let sql = "UPDATE batch SET next_position = person.position FROM card JOIN person ON person.reference = card.person
        WHERE card.number = $1 AND batch.number = card.batch AND person.position < batch.next_position";
    sqlx::query(sql)
        .bind(number.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

const SELECT_BATCH: &str = "
    SELECT batch.*, (SELECT count(*) FROM batch_person WHERE batch_person.batch = batch.number) AS persons,
        (SELECT count(*) FROM open_batch_person JOIN waiting_person ON waiting_person.reference = open_batch_person.person
         WHERE open_batch_person.batch = batch.number) AS waiting
    FROM batch";

async fn fill(
    connection: &mut AnyConnection,
    batch_number: i64,
    batch: &NewBatch,
    today: &str,
) -> Result<(), StoreError> {
    // A person whose batch was closed, or ran out, may come into another one.
    const FREE: &str = "
        INSERT INTO batch_person (batch, person) SELECT $1, waiting_person.reference FROM waiting_person
        JOIN person ON person.reference = waiting_person.reference
        WHERE NOT EXISTS (SELECT 1 FROM open_batch_person JOIN batch ON batch.number = open_batch_person.batch
            WHERE open_batch_person.person = waiting_person.reference AND batch.state <> 'closed' AND batch.expires_on >= $2)";
    let limit = i64::from(batch.limit.unwrap_or(u32::MAX));
    match &batch.selection {
        Selection::Everybody => {
            let sql = format!("{FREE} ORDER BY waiting_person.position LIMIT $3");
            let query = sqlx::query(sqlx::AssertSqlSafe(sql));
            query
                .bind(batch_number)
                .bind(today)
                .bind(limit)
                .execute(connection)
                .await?;
        }
        Selection::Commune(commune) => {
            let sql = format!("{FREE} AND person.commune = $3 ORDER BY waiting_person.position LIMIT $4");
            let query = sqlx::query(sqlx::AssertSqlSafe(sql));
            query
                .bind(batch_number)
                .bind(today)
                .bind(commune)
                .bind(limit)
                .execute(connection)
                .await?;
        }
        Selection::Persons(persons) => {
            let sql = format!("{FREE} AND person.reference = $3");
            for person in persons.iter().take(usize::try_from(limit).unwrap_or(usize::MAX)) {
                let query = sqlx::query(sqlx::AssertSqlSafe(sql.clone()));
                query
                    .bind(batch_number)
                    .bind(today)
                    .bind(person.to_vec())
                    .execute(&mut *connection)
                    .await?;
            }
        }
    }
    Ok(())
}

async fn find(connection: &mut AnyConnection, batch: i64) -> Result<Batch, StoreError> {
    let sql = format!("{SELECT_BATCH} WHERE batch.number = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(batch)
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::NotFound {
            what: "batch",
            name: batch.to_string(),
        })?;
    batch_from(&row)
}

fn batch_from(row: &AnyRow) -> Result<Batch, StoreError> {
    let state: String = row.try_get("state")?;
    let state = BatchState::NAMES.iter().find(|(_, name)| *name == state);
    Ok(Batch {
        number: number(row, "number")?,
        title: row.try_get("title")?,
        state: state.ok_or(StoreError::Malformed("batch state"))?.0,
        drafted_by: row.try_get("drafted_by")?,
        approved_by: row.try_get("approved_by")?,
        expires_on: row.try_get("expires_on")?,
        quota: number(row, "quota")?,
        persons: number(row, "persons")?,
        waiting: number(row, "waiting")?,
    })
}

fn wrong_state(batch: &Batch, state: &str, needed: &'static str) -> StoreError {
    StoreError::WrongState {
        what: "batch",
        name: batch.number.to_string(),
        state: state.to_owned(),
        needed,
    }
}

/// Today in Vietnam (UTC+7, no daylight saving), `yyyymmdd`.
pub(crate) fn vietnam_day() -> String {
    let day = Timestamp::now().to_zoned(TimeZone::fixed(offset(7))).date();
    format!("{:04}{:02}{:02}", day.year(), day.month(), day.day())
}
