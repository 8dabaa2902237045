//! The import of an approved list: persons, decisions and what is due to them, wholly or not at all.
//!
//! What the ledger holds of the list's people is read once (`known.rs`), every line is held against it in memory (`plan.rs`),
//! and what is new or changed is written in bulk (`write.rs`). Every difference between list and ledger is either taken, and
//! reported as a [`Change`], or a [`Contradiction`] that refuses the whole list:
//!
//! | the list says | a plain list | a delta list |
//! |---|---|---|
//! | a person, decision, representative or payment line that the ledger does not hold | adds it | adds it |
//! | another monthly amount for the newest month | takes it | takes it |
//! | other data of a person, a decision or a representative, an earlier or later end | refused | takes it |
//! | another birth date or sex: perhaps another person | refused | refused |
//! | another amount or method of a line that is there | refused | refused |
//!
//! An empty field says nothing. Names and decision numbers are the same if they [`fold`](crate::names::fold) to the same.
//! The amount of a line never changes: it may be on a signed list or paid. A correction is a supplement line (DATA.md 1).

mod known;
mod plan;
mod write;

use card_spec::values::CardNumber;
use sqlx::{AnyConnection, Row as _};

use crate::cards::card_number;
use crate::operations::log;
use crate::operators::{Actor, Role};
use crate::people::{Entitlement, Person, PersonReference, Representative};
use crate::store::{number, octets};
use crate::{Store, StoreError};

/// A sum that is due: line type (DATA.md 1) and VND.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Line type, 1 to 7.
    pub line_type: u8,
    /// VND, more than 0.
    pub amount: u64,
}

/// One checked line of an approved list.
#[derive(Clone)]
pub struct ApprovedLine {
    /// Line in the file, the header being 1.
    pub file_line: u64,
    /// Who.
    pub person: Person,
    /// Who may draw instead.
    pub representative: Option<Representative>,
    /// By which decision. A monthly amount of 0 says nothing about it.
    pub entitlement: Entitlement,
    /// For which month, `yyyymm`.
    pub period: String,
    /// Payment method, 1 to 5 (1 cash, 2 cash at home, 3 bank, 4 e-wallet, 5 mobile money).
    pub method: u8,
    /// What. Empty only in a delta list.
    pub due: Vec<Due>,
    /// Which of the above the line says outright.
    pub stated: Stated,
}

/// What a line says outright, where the values above may be filled in from elsewhere. What is not stated changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stated {
    /// The province; else it is the station's.
    pub province: bool,
    /// The first month of the decision; else it is the first month paid.
    pub month_from: bool,
    /// Why the decision ended.
    pub end_reason: Option<String>,
}

/// What a list may do to what the ledger holds already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ListKind {
    /// It adds, and may contradict nothing.
    #[default]
    Plain,
    /// It adds and changes (`--delta`).
    Delta,
}

impl ListKind {
    /// The name in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Delta => "delta",
        }
    }
}

/// A warning that somebody accepted by importing the list. Without the value, which may be personal: the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Line in the file.
    pub file_line: u64,
    /// Column of the import file; empty for the whole file.
    pub column: String,
    /// What it is about, a word in kebab case such as `id-year`.
    pub code: String,
}

/// A checked list.
#[derive(Clone)]
pub struct ApprovedList {
    /// SHA-256 of the file.
    pub file_hash: [u8; 32],
    /// Name of the file, for the record.
    pub file_name: String,
    /// What it may do.
    pub kind: ListKind,
    /// Its lines.
    pub lines: Vec<ApprovedLine>,
    /// What somebody should look at.
    pub warnings: Vec<Warning>,
}

/// What an import did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// The same file was imported before; nothing was changed.
    pub known_file: bool,
    /// Persons seen for the first time.
    pub new_persons: u64,
    /// Decisions seen for the first time.
    pub new_entitlements: u64,
    /// Representatives seen for the first time.
    pub new_representatives: u64,
    /// Decisions that ended by this list.
    pub ended_entitlements: u64,
    /// Payment lines added.
    pub new_lines: u64,
    /// Payment lines that were there already with the same amount: carried from an earlier list.
    pub carried_lines: u64,
    /// Sum of the lines added, VND.
    pub new_amount: u64,
    /// Live cards that say something else than the ledger from now on.
    pub outdated_cards: u64,
    /// What of the ledger was changed, in the order of the list.
    pub changes: Vec<Change>,
}

/// A difference that was taken over into the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Line in the file.
    pub file_line: u64,
    /// Column of the import file.
    pub column: &'static str,
}

/// Where a list contradicts the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// Line in the file.
    pub file_line: u64,
    /// Column of the import file.
    pub column: &'static str,
    /// What is wrong and what to do.
    pub rule: &'static str,
}

/// Why an import was refused. Nothing was imported then.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The list contradicts what the ledger holds.
    #[error("{} line(s) contradict the ledger; nothing was imported", .0.len())]
    Contradictions(Vec<Contradiction>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing was to be changed: these are the counts of the rehearsal.
    #[error("rehearsal only; nothing was imported")]
    Rehearsed(ImportCounts),
}

impl From<sqlx::Error> for ImportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Whether an import is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// Carry it out.
    Commit,
    /// Go through everything and undo it (`--dry-run`).
    Rehearse,
}

/// An active card that no longer says what the ledger says of its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CardToUpdate {
    /// The card.
    pub card: CardNumber,
    /// Its holder.
    pub person: PersonReference,
    /// The newest change. Give it to [`Store::card_updated`] when the card holds what the ledger said after it.
    pub change: u64,
}

impl Store {
    /// Takes in a checked list, wholly or not at all, with its warnings as accepted by the actor. The same file twice changes
    /// nothing.
    ///
    /// # Errors
    /// [`ImportError::Contradictions`] with all of them; [`ImportError::Store`], [`StoreError::NotAllowed`] for anybody but an
    /// operator.
    pub fn import(
        &self,
        actor: &Actor,
        list: &ApprovedList,
        mode: ImportMode,
    ) -> Result<ImportCounts, ImportError> {
        actor.demand(Role::Operator)?;
        let result = self.write(async |connection| {
            let counts = import(connection, actor, list).await?;
            match mode {
                ImportMode::Commit => Ok(counts),
                ImportMode::Rehearse => Err(ImportError::Rehearsed(counts)),
            }
        });
        match result {
            Err(ImportError::Rehearsed(counts)) => Ok(counts),
            other => other,
        }
    }

    /// The warnings that were accepted with a file, by line.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn import_warnings(&self, file_hash: &[u8; 32]) -> Result<Vec<Warning>, StoreError> {
        self.read(async |connection| {
            let rows = sqlx::query("SELECT * FROM import_warning WHERE import = $1 ORDER BY position")
                .bind(file_hash.to_vec())
                .fetch_all(connection)
                .await?;
            rows.iter()
                .map(|row| {
                    Ok(Warning {
                        file_line: number(row, "file_line")?,
                        column: row.try_get("column_name")?,
                        code: row.try_get("code")?,
                    })
                })
                .collect()
        })
    }

    /// Active cards that no longer say what the ledger says of their holders, by number.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn cards_to_update(&self) -> Result<Vec<CardToUpdate>, StoreError> {
        let sql = "SELECT card.number, card.person, outdated_card.change FROM outdated_card JOIN card
                   ON card.number = outdated_card.card WHERE card.state = 'active' ORDER BY card.number";
        self.read(async |connection| {
            let rows = sqlx::query(sql).fetch_all(connection).await?;
            rows.iter()
                .map(|row| {
                    Ok(CardToUpdate {
                        card: card_number(row, "number")?,
                        person: octets(row, "person")?,
                        change: number(row, "change")?,
                    })
                })
                .collect()
        })
    }

    /// A card holds what the ledger said of its holder after `change`. A later change still makes it one to update.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn card_updated(&self, card: &CardNumber, change: u64) -> Result<(), StoreError> {
        self.write(async |connection| card_updated(connection, card, change).await)
    }
}

/// As [`Store::card_updated`], within the transaction of an act.
pub(crate) async fn card_updated(
    connection: &mut AnyConnection,
    card: &CardNumber,
    change: u64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM outdated_card WHERE card = $1 AND change = $2")
        .bind(card.to_string())
        .bind(crate::store::signed(change, "a change")?)
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes that what the ledger says of these persons has changed: their live cards, if any, are to be updated. Returns how many.
pub(crate) async fn mark_outdated(
    connection: &mut AnyConnection,
    persons: &[PersonReference],
) -> Result<u64, StoreError> {
    write::mark_outdated(connection, persons).await
}

async fn import(
    connection: &mut AnyConnection,
    actor: &Actor,
    list: &ApprovedList,
) -> Result<ImportCounts, ImportError> {
    let known_file = sqlx::query("SELECT 1 AS known FROM import WHERE file_hash = $1")
        .bind(list.file_hash.to_vec())
        .fetch_optional(&mut *connection)
        .await?;
    if known_file.is_some() {
        return Ok(ImportCounts {
            known_file: true,
            ..ImportCounts::default()
        });
    }
    let mut people = known::read(connection, list).await?;
    let (mut counts, lines) = plan::plan(list, &mut people)?;
    write::list(connection, actor, list).await?;
    write::people(connection, &people).await?;
    write::lines(connection, list, &lines).await?;
    counts.outdated_cards = mark_outdated(connection, &people.with_other_cards()).await?;
    log(connection, actor, "list-imported", &subject(list)).await?;
    Ok(counts)
}

/// The file's hash and kind: its name may be that of a person.
fn subject(list: &ApprovedList) -> String {
    format!("{} {}", hex::encode(list.file_hash), list.kind.name())
}
