//! Payment lists, each signed within the transaction that stores it.

use std::collections::HashSet;

use card_spec::list::ListHeader;
use card_spec::signed::Signed;
use card_spec::values::{CardNumber, Date};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::cards::card_number;
use crate::issuer_log::{Issuer, Position, SignedObject, append};
use crate::operations::log;
use crate::operators::Actor;
use crate::people::PersonReference;
use crate::store::{digits, draw, number, octets, signed};
use crate::{Store, StoreError};

/// What names a payment line for ever (SPEC.md 1, `line key`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LineKey {
    /// Whose.
    pub person: PersonReference,
    /// Programme, 4 characters.
    pub programme: String,
    /// Entitlement number.
    pub entitlement: u16,
    /// Line type.
    pub line_type: u8,
    /// Month, `yyyymm`.
    pub period: String,
}

/// A line that may be paid now, with the one card that may draw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueLine {
    /// The line.
    pub key: LineKey,
    /// The card.
    pub card: CardNumber,
    /// VND.
    pub amount: u64,
    /// Whether somebody else may draw it.
    pub has_representative: bool,
    /// Pay point near the person's home, if known.
    pub pay_point: Option<String>,
    /// Whether a terminal that was declared lost may have paid it unseen: to this card, which then pays it no second time.
    pub lost_sight_of: bool,
}

/// A payment list as its maker hands it to the store.
#[derive(Debug, Clone)]
pub struct NewPaymentList {
    /// The signed header.
    pub header: SignedObject,
    /// Name of the list (AN 20).
    pub list_id: String,
    /// Merkle root of the lines.
    pub root: [u8; 32],
    /// Last day of payment, `yyyymmdd`.
    pub last_day: String,
    /// The most that may be paid by hand for one line, in VND; `None` if nothing may.
    pub by_hand_up_to: Option<u64>,
    /// The lines in order, each with its encoding.
    pub lines: Vec<(DueLine, Vec<u8>)>,
}

/// What a payment list is made from.
#[derive(Debug, Clone)]
pub struct ListDraft {
    /// Lines that are due and on none of the lists that are kept.
    pub due: Vec<DueLine>,
    /// Number of the list.
    pub number: u32,
    /// Numbers of the terminal's earlier lists that stay in force beside it, ascending.
    pub keeps: Vec<u32>,
    /// Its place in the issuer's sequence.
    pub position: Position,
}

/// Which of a terminal's lists stay in force when it gets the next one (DATA.md 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// None: their unpaid lines come again in the new list.
    End,
    /// Those that are not over yet, with their lines, whenever the new list begins.
    Stay {
        /// The day on which the list is made.
        today: Date,
    },
}

/// A stored payment list without its lines.
#[derive(Debug, Clone)]
pub struct ListSummary {
    /// List number.
    pub number: u32,
    /// Name of the list.
    pub list_id: String,
    /// Terminal that may pay it.
    pub terminal: String,
    /// The signed header.
    pub header: Vec<u8>,
    /// Number of the newest list that the terminal's committed journal shows as loaded.
    pub newest_loaded: Option<u32>,
    /// Does that list leave this one in force, or is it this one?
    pub is_in_force: bool,
}

/// A stored payment list.
#[derive(Debug, Clone)]
pub struct PaymentList {
    /// List number.
    pub number: u32,
    /// Name of the list.
    pub list_id: String,
    /// Terminal that may pay it.
    pub terminal: String,
    /// The signed header.
    pub header: Vec<u8>,
    /// The encoded lines in order.
    pub lines: Vec<Vec<u8>>,
}

impl Store {
    /// Lets `make` build and sign the next payment list of a terminal from what is due there, and stores it. What is due is
    /// read in the same transaction: two lists made at once never hold the same line.
    ///
    /// Due is what may be paid in cash on cards: lines of an active card, unpaid, no recovery, and not held by another terminal
    /// or for another card. A terminal that was not synchronised may have paid such a line, and no card refuses what another one
    /// paid. It holds the line no more once its committed journal shows a later list without it, and no open order for it; one that
    /// was declared lost holds it for other cards only (DATA.md 3.4).
    ///
    /// `first_day` of payment (`yyyymmdd`): authorizations that ended before it do not count.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown terminal, [`StoreError::WrongState`] for a lost one; whatever `make` answers.
    pub fn add_payment_list<E: From<StoreError>>(
        &self,
        actor: &Actor,
        terminal: &str,
        first_day: &str,
        others: Others,
        issuer: Issuer<'_>,
        make: impl FnOnce(ListDraft) -> Result<NewPaymentList, E>,
    ) -> Result<PaymentList, E> {
        self.write(async |connection| {
            crate::terminals::demand_not_lost(connection, terminal).await?;
            let mut due = due_lines(connection, terminal, first_day).await?;
            let keeps = match others {
                Others::End => Vec::new(),
                Others::Stay { today } => lists_that_stay(connection, terminal, &digits(today)).await?,
            };
            leave_out_lines_of(connection, &keeps, &mut due).await?;
            if !keeps.is_empty() {
                let unseen = passed_over(connection, terminal).await?;
                leave_out_lines_of(connection, &unseen, &mut due).await?;
            }
            let list_number = next_number(connection, "payment-list").await?;
            let mut made = None;
            let draft_keeps = keeps.clone();
            let (position, header) = append(connection, issuer, "payment-list", |position| {
                let list = make(ListDraft {
                    due,
                    number: list_number,
                    keeps: draft_keeps,
                    position,
                })?;
                let header = list.header.clone();
                made = Some(list);
                Ok::<_, E>(header)
            })
            .await?;
            let Some(list) = made else {
                return Err(StoreError::Malformed("payment list").into());
            };
            insert_list(connection, list_number, terminal, issuer, position, &list).await?;
            insert_kept(connection, list_number, &keeps).await?;
            log(
                connection,
                actor,
                "payment-list-made",
                &format!("{} {terminal}", list.list_id),
            )
            .await?;
            Ok(PaymentList {
                number: list_number,
                list_id: list.list_id,
                terminal: terminal.to_owned(),
                header: header.object,
                lines: list.lines.into_iter().map(|(_, content)| content).collect(),
            })
        })
    }

    /// The encoding of one line of a list that this terminal was ever given. Lists of one root have the same lines.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn list_line(
        &self,
        terminal: &str,
        root: &[u8; 32],
        line: u32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT list_line.content FROM list_line JOIN payment_list ON payment_list.number = list_line.list
                   WHERE payment_list.terminal = $1 AND payment_list.root = $2 AND list_line.line = $3 LIMIT 1";
        self.read(async |connection| {
            let row = sqlx::query(sql)
                .bind(terminal)
                .bind(root.to_vec())
                .bind(i64::from(line))
                .fetch_optional(connection)
                .await?;
            row.map(|row| Ok(row.try_get("content")?)).transpose()
        })
    }

    /// How many unpaid lines of active cards are on no list because a terminal may still pay them to an earlier card of the person.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn lines_of_earlier_cards(&self) -> Result<u64, StoreError> {
        let sql = "
            SELECT count(*) AS total FROM unpaid_line AS line WHERE EXISTS
                (SELECT 1 FROM line_held WHERE line_held.card <> line.card AND line_held.person = line.person
                 AND line_held.programme = line.programme AND line_held.entitlement = line.entitlement
                 AND line_held.line_type = line.line_type AND line_held.period = line.period)";
        self.read(async |connection| number(&sqlx::query(sql).fetch_one(connection).await?, "total"))
    }

    /// The payment lists of a terminal, or of all, by number, with which are in force as far as committed journals tell.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn list_summaries(&self, terminal: Option<&str>) -> Result<Vec<ListSummary>, StoreError> {
        let sql = "SELECT payment_list.number, payment_list.list_id, payment_list.terminal, issuer_log.object,
                   list_in_force.list AS newest_loaded, kept_list.kept AS kept
                   FROM payment_list JOIN issuer_log
                   ON issuer_log.issuer = payment_list.issuer AND issuer_log.sequence = payment_list.sequence
                   LEFT JOIN list_in_force ON list_in_force.terminal = payment_list.terminal
                   LEFT JOIN kept_list ON kept_list.list = list_in_force.list AND kept_list.kept = payment_list.number
                   ORDER BY payment_list.number";
        self.read(async |connection| {
            let rows = sqlx::query(sql).fetch_all(&mut *connection).await?;
            let lists = rows.iter().map(list_summary);
            let is_meant = |list: &ListSummary| terminal.is_none_or(|name| list.terminal == name);
            lists
                .filter(|list| list.as_ref().map_or(true, is_meant))
                .collect()
        })
    }

    /// How many lines of a list no card would keep from being paid once more, because they are paid as far as the ledger knows: paid by
    /// hand, or by a card where the list allows payments by hand (DATA 5.7). Such a list is made again before it is loaded.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn unguarded_paid_lines(&self, list: u32) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) AS total FROM list_line JOIN payment_list ON payment_list.number = list_line.list
                   JOIN standing_payment AS payment ON payment.person = list_line.person
                   AND payment.programme = list_line.programme AND payment.entitlement = list_line.entitlement
                   AND payment.line_type = list_line.line_type AND payment.period = list_line.period
                   WHERE list_line.list = $1
                   AND (payment_list.by_hand_up_to IS NOT NULL OR payment.card_counter IS NULL)";
        self.read(async |connection| {
            let row = sqlx::query(sql)
                .bind(i64::from(list))
                .fetch_one(connection)
                .await?;
            number(&row, "total")
        })
    }

    /// A payment list with its lines.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn list_lines(&self, list: u32) -> Result<Vec<Vec<u8>>, StoreError> {
        self.read(async |connection| list_lines(connection, list).await)
    }

    /// All payment lists, by number.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn payment_lists(&self) -> Result<Vec<PaymentList>, StoreError> {
        let sql = "SELECT payment_list.*, issuer_log.object FROM payment_list JOIN issuer_log
                   ON issuer_log.issuer = payment_list.issuer AND issuer_log.sequence = payment_list.sequence
                   ORDER BY payment_list.number";
        self.read(async |connection| {
            let rows = sqlx::query(sql).fetch_all(&mut *connection).await?;
            let mut lists = Vec::with_capacity(rows.len());
            for row in &rows {
                let number = number(row, "number")?;
                lists.push(PaymentList {
                    number,
                    list_id: row.try_get("list_id")?,
                    terminal: row.try_get("terminal")?,
                    header: row.try_get("object")?,
                    lines: list_lines(connection, number).await?,
                });
            }
            Ok(lists)
        })
    }
}

async fn due_lines(
    connection: &mut AnyConnection,
    terminal: &str,
    representatives_on: &str,
) -> Result<Vec<DueLine>, StoreError> {
    let sql = "
        SELECT line.*, person.pay_point,
               (SELECT count(*) FROM representative WHERE representative.person = line.person
                   AND representative.valid_to >= $2) AS representatives,
               (SELECT count(*) FROM line_held WHERE line_held.terminal <> $1 AND line_held.person = line.person
                   AND line_held.programme = line.programme AND line_held.entitlement = line.entitlement
                   AND line_held.line_type = line.line_type AND line_held.period = line.period) AS elsewhere
        FROM unpaid_line AS line JOIN person ON person.reference = line.person
        WHERE NOT EXISTS (SELECT 1 FROM line_held
              WHERE (line_held.card <> line.card OR (line_held.terminal <> $1
                  AND NOT EXISTS (SELECT 1 FROM lost_terminal WHERE lost_terminal.terminal = line_held.terminal)))
              AND line_held.person = line.person
              AND line_held.programme = line.programme AND line_held.entitlement = line.entitlement
              AND line_held.line_type = line.line_type AND line_held.period = line.period)
        ORDER BY person.position, line.programme, line.entitlement, line.line_type, line.period";
    let rows = sqlx::query(sql)
        .bind(terminal)
        .bind(representatives_on)
        .fetch_all(connection)
        .await?;
    rows.iter().map(due_line).collect()
}

/// The lists in force once the terminal has its newest one, but for those that were over before today.
async fn lists_that_stay(
    connection: &mut AnyConnection,
    terminal: &str,
    today: &str,
) -> Result<Vec<u32>, StoreError> {
    let sql = "
        SELECT payment_list.number, payment_list.last_day, issuer_log.object FROM payment_list JOIN issuer_log
        ON issuer_log.issuer = payment_list.issuer AND issuer_log.sequence = payment_list.sequence
        WHERE payment_list.terminal = $1
          AND (payment_list.number = (SELECT max(number) FROM payment_list WHERE terminal = $1)
               OR payment_list.number IN (SELECT kept FROM kept_list
                                          WHERE list = (SELECT max(number) FROM payment_list WHERE terminal = $1)))
        ORDER BY payment_list.number";
    let rows = sqlx::query(sql).bind(terminal).fetch_all(connection).await?;
    let mut staying = Vec::new();
    for row in &rows {
        if last_day(row)?.as_str() >= today {
            staying.push(number(row, "number")?);
        }
    }
    Ok(staying)
}

/// Lists from which the terminal may have paid by hand unseen, and which its newest one ends. It carries the marks of such lines from list
/// to list (DATA.md 3.4), and the newest may be without them: beside that one they wait until the terminal's journal has come home.
async fn passed_over(connection: &mut AnyConnection, terminal: &str) -> Result<Vec<u32>, StoreError> {
    let sql = "
        SELECT payment_list.number FROM payment_list
        LEFT JOIN list_in_force ON list_in_force.terminal = payment_list.terminal
        LEFT JOIN kept_list ON kept_list.list = list_in_force.list AND kept_list.kept = payment_list.number
        WHERE payment_list.terminal = $1 AND payment_list.by_hand_up_to IS NOT NULL
          AND payment_list.number < (SELECT max(number) FROM payment_list WHERE terminal = $1)
          AND payment_list.number NOT IN (SELECT kept FROM kept_list
                                          WHERE list = (SELECT max(number) FROM payment_list WHERE terminal = $1))
          AND (list_in_force.list IS NULL OR payment_list.number >= list_in_force.list OR kept_list.kept IS NOT NULL)";
    let rows = sqlx::query(sql).bind(terminal).fetch_all(connection).await?;
    rows.iter().map(|row| number(row, "number")).collect()
}

/// Last day of a list, `yyyymmdd`. Of one from before this was a column the header tells.
fn last_day(row: &AnyRow) -> Result<String, StoreError> {
    if let Some(day) = row.try_get("last_day")? {
        return Ok(day);
    }
    let header: Vec<u8> = row.try_get("object")?;
    let header =
        Signed::<ListHeader<'_>>::parse(&header).map_err(|_| StoreError::Malformed("payment list"))?;
    Ok(digits(header.claimed().expiry))
}

/// No line stands in two lists in force.
async fn leave_out_lines_of(
    connection: &mut AnyConnection,
    lists: &[u32],
    due: &mut Vec<DueLine>,
) -> Result<(), StoreError> {
    let sql = "SELECT person, programme, entitlement, line_type, period FROM list_line WHERE list = $1";
    for list in lists {
        let rows = sqlx::query(sql)
            .bind(i64::from(*list))
            .fetch_all(&mut *connection)
            .await?;
        let listed: HashSet<LineKey> = rows.iter().map(line_key).collect::<Result<_, _>>()?;
        due.retain(|line| !listed.contains(&line.key));
    }
    Ok(())
}

async fn insert_kept(connection: &mut AnyConnection, list: u32, keeps: &[u32]) -> Result<(), StoreError> {
    for kept in keeps {
        sqlx::query("INSERT INTO kept_list (list, kept) VALUES ($1, $2)")
            .bind(i64::from(list))
            .bind(i64::from(*kept))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn list_summary(row: &AnyRow) -> Result<ListSummary, StoreError> {
    let list: u32 = number(row, "number")?;
    let newest_loaded = optional_number(row, "newest_loaded")?;
    let is_kept = optional_number(row, "kept")?.is_some();
    Ok(ListSummary {
        number: list,
        list_id: row.try_get("list_id")?,
        terminal: row.try_get("terminal")?,
        header: row.try_get("object")?,
        newest_loaded,
        is_in_force: is_kept || newest_loaded == Some(list),
    })
}

pub(crate) fn optional_number(row: &AnyRow, column: &'static str) -> Result<Option<u32>, StoreError> {
    let value: Option<i64> = row.try_get(column)?;
    value
        .map(|value| u32::try_from(value).map_err(|_| StoreError::OutOfRange("a number")))
        .transpose()
}

pub(crate) async fn next_number(connection: &mut AnyConnection, series: &str) -> Result<u32, StoreError> {
    u32::try_from(draw(connection, series).await?).map_err(|_| StoreError::OutOfRange("the list number"))
}

async fn insert_list(
    connection: &mut AnyConnection,
    list_number: u32,
    terminal: &str,
    issuer: Issuer<'_>,
    position: Position,
    list: &NewPaymentList,
) -> Result<(), StoreError> {
    let by_hand_up_to = list
        .by_hand_up_to
        .map(|vnd| signed(vnd, "an amount"))
        .transpose()?;
    let sql = "INSERT INTO payment_list (number, list_id, terminal, root, issuer, sequence, last_day, by_hand_up_to)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    sqlx::query(sql)
        .bind(i64::from(list_number))
        .bind(&list.list_id)
        .bind(terminal)
        .bind(list.root.to_vec())
        .bind(issuer.reference)
        .bind(signed(position.sequence, "the issuer's sequence number")?)
        .bind(&list.last_day)
        .bind(by_hand_up_to)
        .execute(&mut *connection)
        .await?;
    for (index, (line, content)) in (1_i64..).zip(&list.lines) {
        sqlx::query(
            "INSERT INTO list_line (list, line, card, person, programme, entitlement, line_type, period, content)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(i64::from(list_number))
        .bind(index)
        .bind(line.card.to_string())
        .bind(line.key.person.to_vec())
        .bind(&line.key.programme)
        .bind(i64::from(line.key.entitlement))
        .bind(i64::from(line.key.line_type))
        .bind(&line.key.period)
        .bind(content.clone())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn list_lines(connection: &mut AnyConnection, list_number: u32) -> Result<Vec<Vec<u8>>, StoreError> {
    let rows = sqlx::query("SELECT content FROM list_line WHERE list = $1 ORDER BY line")
        .bind(i64::from(list_number))
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok(row.try_get("content")?)).collect()
}

/// The columns of a line key, as several tables have them.
pub(crate) fn line_key(row: &AnyRow) -> Result<LineKey, StoreError> {
    Ok(LineKey {
        person: octets(row, "person")?,
        programme: row.try_get("programme")?,
        entitlement: number(row, "entitlement")?,
        line_type: number(row, "line_type")?,
        period: row.try_get("period")?,
    })
}

fn due_line(row: &AnyRow) -> Result<DueLine, StoreError> {
    Ok(DueLine {
        key: line_key(row)?,
        card: card_number(row, "card")?,
        amount: number(row, "amount")?,
        has_representative: row.try_get::<i64, _>("representatives")? > 0,
        pay_point: row.try_get("pay_point")?,
        // Of other terminals only those that were declared lost let a line go.
        lost_sight_of: row.try_get::<i64, _>("elsewhere")? > 0,
    })
}
