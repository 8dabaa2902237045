//! The import of an approved list: persons, decisions and what is due to them, wholly or not at all.

use std::collections::HashSet;

use getrandom::SysRng;
use getrandom::rand_core::TryRng as _;
use sqlx::{AnyConnection, Row as _};

use crate::people::{Entitlement, Person, PersonReference, Representative, person_from};
use crate::store::{draw, is_duplicate, now, number, octets, signed};
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
    /// By which decision.
    pub entitlement: Entitlement,
    /// For which month, `yyyymm`.
    pub period: String,
    /// Payment method, 1 to 5 (1 cash, 2 cash at home, 3 bank, 4 e-wallet, 5 mobile money).
    pub method: u8,
    /// What.
    pub due: Vec<Due>,
}

/// A checked list.
#[derive(Clone)]
pub struct ApprovedList {
    /// SHA-256 of the file.
    pub file_hash: [u8; 32],
    /// Name of the file, for the record.
    pub file_name: String,
    /// Its lines.
    pub lines: Vec<ApprovedLine>,
}

/// What an import did, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// The same file was imported before; nothing was changed.
    pub known_file: bool,
    /// Persons seen for the first time.
    pub new_persons: u64,
    /// Decisions seen for the first time.
    pub new_entitlements: u64,
    /// Payment lines added.
    pub new_lines: u64,
    /// Payment lines that were there already with the same amount: carried from an earlier list.
    pub carried_lines: u64,
    /// Sum of the lines added, VND.
    pub new_amount: u64,
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

impl Store {
    /// Takes in a checked list, wholly or not at all. The same file twice changes nothing.
    ///
    /// # Errors
    /// [`ImportError::Contradictions`] with all of them; [`ImportError::Store`].
    pub fn import(&self, list: &ApprovedList, mode: ImportMode) -> Result<ImportCounts, ImportError> {
        let result = self.write(async |connection| {
            let counts = import(connection, list).await?;
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
}

async fn import(connection: &mut AnyConnection, list: &ApprovedList) -> Result<ImportCounts, ImportError> {
    let known = sqlx::query("SELECT 1 AS known FROM import WHERE file_hash = $1")
        .bind(list.file_hash.to_vec())
        .fetch_optional(&mut *connection)
        .await?;
    if known.is_some() {
        return Ok(ImportCounts {
            known_file: true,
            ..ImportCounts::default()
        });
    }
    sqlx::query("INSERT INTO import (file_hash, file_name, lines, imported_at) VALUES ($1, $2, $3, $4)")
        .bind(list.file_hash.to_vec())
        .bind(&list.file_name)
        .bind(signed(list.lines.len() as u64, "the number of lines")?)
        .bind(now())
        .execute(&mut *connection)
        .await?;
    let mut import = Import {
        connection,
        file_hash: &list.file_hash,
        counts: ImportCounts::default(),
        wrong: Vec::new(),
    };
    for line in &list.lines {
        import.line(line).await?;
    }
    if import.wrong.is_empty() {
        Ok(import.counts)
    } else {
        Err(ImportError::Contradictions(import.wrong))
    }
}

/// An import under way, within its transaction.
struct Import<'a> {
    connection: &'a mut AnyConnection,
    file_hash: &'a [u8; 32],
    counts: ImportCounts,
    wrong: Vec<Contradiction>,
}

impl Import<'_> {
    async fn line(&mut self, line: &ApprovedLine) -> Result<(), StoreError> {
        let reference = self.person(line).await?;
        if let Some(representative) = &line.representative {
            self.representative(&reference, representative).await?;
        }
        let entitlement = self.entitlement(&reference, line).await?;
        for due in &line.due {
            self.due(&reference, entitlement, line, *due).await?;
        }
        Ok(())
    }

    fn contradicts(&mut self, line: &ApprovedLine, column: &'static str, rule: &'static str) {
        self.wrong.push(Contradiction {
            file_line: line.file_line,
            column,
            rule,
        });
    }

    /// The reference of the line's person, newly made if the identity number is new.
    async fn person(&mut self, line: &ApprovedLine) -> Result<PersonReference, StoreError> {
        let known = sqlx::query("SELECT * FROM person WHERE personal_id = $1")
            .bind(&line.person.personal_id)
            .fetch_optional(&mut *self.connection)
            .await?;
        let Some(row) = known else {
            return self.new_person(&line.person).await;
        };
        for column in differences(&person_from(&row)?, &line.person) {
            self.contradicts(line, column, "differs from the person registered under this số định danh: correct the list, or the register");
        }
        octets(&row, "reference")
    }

    async fn new_person(&mut self, person: &Person) -> Result<PersonReference, StoreError> {
        let mut reference = [0; 16];
        SysRng
            .try_fill_bytes(&mut reference)
            .map_err(|_| StoreError::Random)?;
        let position = draw(self.connection, "person").await?;
        sqlx::query(
            "INSERT INTO person (reference, position, personal_id, full_name, birth_date, sex, province, commune, pay_point,
             social_insurance_number, health_insurance_code, registered_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(reference.to_vec())
        .bind(position)
        .bind(&person.personal_id)
        .bind(&person.full_name)
        .bind(&person.birth_date)
        .bind(i64::from(person.sex))
        .bind(&person.province)
        .bind(&person.commune)
        .bind(person.pay_point.clone())
        .bind(person.social_insurance_number.clone())
        .bind(person.health_insurance_code.clone())
        .bind(now())
        .execute(&mut *self.connection)
        .await?;
        self.counts.new_persons += 1;
        Ok(reference)
    }

    async fn representative(
        &mut self,
        person: &PersonReference,
        who: &Representative,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO representative (person, personal_id, full_name, relation, document, valid_to)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (person, personal_id) DO UPDATE SET full_name = excluded.full_name,
             relation = excluded.relation, document = excluded.document, valid_to = excluded.valid_to",
        )
        .bind(person.to_vec())
        .bind(&who.personal_id)
        .bind(&who.full_name)
        .bind(&who.relation)
        .bind(who.document.clone())
        .bind(&who.valid_to)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// The number of the line's decision, the next one of the person if the decision is new (DATA.md 1).
    async fn entitlement(
        &mut self,
        person: &PersonReference,
        line: &ApprovedLine,
    ) -> Result<i64, StoreError> {
        let entitlement = &line.entitlement;
        let known = sqlx::query(
            "SELECT number FROM entitlement WHERE person = $1 AND programme = $2 AND decision = $3",
        )
        .bind(person.to_vec())
        .bind(&entitlement.programme)
        .bind(&entitlement.decision)
        .fetch_optional(&mut *self.connection)
        .await?;
        if let Some(row) = known {
            return Ok(row.try_get("number")?);
        }
        let last = sqlx::query("SELECT coalesce(max(number), 0) AS last FROM entitlement WHERE person = $1")
            .bind(person.to_vec())
            .fetch_one(&mut *self.connection)
            .await?;
        let next = last.try_get::<i64, _>("last")? + 1;
        u16::try_from(next).map_err(|_| StoreError::OutOfRange("the number of a person's decisions"))?;
        sqlx::query(
            "INSERT INTO entitlement (person, programme, number, sub_code, decision, decision_date, decided_by, month_from,
             month_to, active, monthly_amount) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(person.to_vec())
        .bind(&entitlement.programme)
        .bind(next)
        .bind(entitlement.sub_code.clone())
        .bind(&entitlement.decision)
        .bind(entitlement.decision_date.clone())
        .bind(entitlement.decided_by.clone())
        .bind(&entitlement.month_from)
        .bind(entitlement.month_to.clone())
        .bind(i64::from(entitlement.active))
        .bind(signed(entitlement.monthly_amount, "a monthly amount")?)
        .execute(&mut *self.connection)
        .await?;
        self.counts.new_entitlements += 1;
        Ok(next)
    }

    /// Adds what is due. A line that is there already keeps its key, amount and method: a changed amount is a supplement line, never a
    /// new version, for the old one may be on a terminal or paid.
    async fn due(
        &mut self,
        person: &PersonReference,
        entitlement: i64,
        line: &ApprovedLine,
        due: Due,
    ) -> Result<(), StoreError> {
        let known = sqlx::query(
            "SELECT amount, method FROM payment_line WHERE person = $1 AND programme = $2 AND entitlement = $3 AND line_type = $4
             AND period = $5",
        )
        .bind(person.to_vec())
        .bind(&line.entitlement.programme)
        .bind(entitlement)
        .bind(i64::from(due.line_type))
        .bind(&line.period)
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(known) = known else {
            return self.new_due(person, entitlement, line, due).await;
        };
        let same_amount = number::<u64>(&known, "amount")? == due.amount;
        let same_method = number::<u8>(&known, "method")? == line.method;
        if !same_amount {
            self.contradicts(line, column_of(due.line_type), "this line is in the ledger with another amount: give the difference as phu_cap (a supplement line) instead");
        }
        if !same_method {
            self.contradicts(line, "phuong_thuc_chi_tra", "this line is in the ledger with another payment method and could be paid both ways: it keeps the method of the first list");
        }
        if same_amount && same_method {
            self.counts.carried_lines += 1;
        }
        Ok(())
    }

    async fn new_due(
        &mut self,
        person: &PersonReference,
        entitlement: i64,
        line: &ApprovedLine,
        due: Due,
    ) -> Result<(), StoreError> {
        let inserted = sqlx::query(
            "INSERT INTO payment_line (person, programme, entitlement, line_type, period, amount, method, import, file_line)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(person.to_vec())
        .bind(&line.entitlement.programme)
        .bind(entitlement)
        .bind(i64::from(due.line_type))
        .bind(&line.period)
        .bind(signed(due.amount, "an amount")?)
        .bind(i64::from(line.method))
        .bind(self.file_hash.to_vec())
        .bind(signed(line.file_line, "a line number")?)
        .execute(&mut *self.connection)
        .await;
        match inserted {
            Ok(_) => {
                self.counts.new_lines += 1;
                self.counts.new_amount += due.amount;
                Ok(())
            }
            Err(error) if is_duplicate(&error) => {
                self.contradicts(line, column_of(due.line_type), "this person is due the same kind of sum of this programme and month under another decision already");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The column of the import file that a line type comes from.
fn column_of(line_type: u8) -> &'static str {
    match line_type {
        1 => "so_tien_thang",
        2 => "truy_linh",
        3 => "mai_tang_phi",
        6 => "phu_cap",
        _ => "tong_so_tien",
    }
}

/// What a card holds of a person must not change by an import: the card would go on showing the old value.
fn differences(known: &Person, given: &Person) -> HashSet<&'static str> {
    let pairs = [
        ("ho_ten", known.full_name == given.full_name),
        ("ngay_sinh", known.birth_date == given.birth_date),
        ("gioi_tinh", known.sex == given.sex),
        ("ma_xa", known.commune == given.commune),
    ];
    pairs
        .into_iter()
        .filter(|(_, same)| !same)
        .map(|(column, _)| column)
        .collect()
}
