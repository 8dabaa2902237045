//! Persons, what they are entitled to, who may draw for them. They come from lists (`import.rs`).

use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::store::number;
use crate::{Store, StoreError};

/// A person's reference: 16 random bytes, constant over replaced cards and renewed identity numbers.
pub type PersonReference = [u8; 16];

/// A person as lists name them. Texts are NFC; dates `yyyymmdd`, `00` for an unknown month or day.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Personal identification number (số định danh), 12 digits.
    pub personal_id: String,
    /// Full name.
    pub full_name: String,
    /// Birth date.
    pub birth_date: String,
    /// 1 male, 2 female, 3 undetermined.
    pub sex: u8,
    /// Province, 2 digits.
    pub province: String,
    /// Commune, 5 digits.
    pub commune: String,
    /// Pay point near home.
    pub pay_point: Option<String>,
    /// Social insurance number, 10 digits.
    pub social_insurance_number: Option<String>,
    /// Health insurance card code, 15 characters.
    pub health_insurance_code: Option<String>,
}

/// Somebody who may draw for the person.
#[derive(Clone, PartialEq, Eq)]
pub struct Representative {
    /// Personal identification number.
    pub personal_id: String,
    /// Full name.
    pub full_name: String,
    /// Relation, 2 digits (DATA.md 1).
    pub relation: String,
    /// Number of the authorization document.
    pub document: Option<String>,
    /// Last day of the authorization, `yyyymmdd`.
    pub valid_to: String,
}

/// One decision that entitles to a programme. Months are `yyyymm`.
#[derive(Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// Coarse programme code, 4 characters.
    pub programme: String,
    /// Detailed code. Never printed and never on a card (Decree 20/2021, Art. 8.1.b).
    pub sub_code: Option<String>,
    /// Decision number.
    pub decision: String,
    /// Decision date.
    pub decision_date: Option<String>,
    /// Deciding agency.
    pub decided_by: Option<String>,
    /// First month.
    pub month_from: String,
    /// Last month.
    pub month_to: Option<String>,
    /// Whether it is running.
    pub active: bool,
    /// Monthly amount in VND.
    pub monthly_amount: u64,
}

/// A person with everything a card needs to hold.
#[derive(Clone)]
pub struct Holder {
    /// The person's reference.
    pub reference: PersonReference,
    /// The person.
    pub person: Person,
    /// All decisions, each with its entitlement number.
    pub entitlements: Vec<(u16, Entitlement)>,
    /// Who may draw instead.
    pub representatives: Vec<Representative>,
}

impl Store {
    /// A person with entitlements and representatives.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn holder(&self, reference: &PersonReference) -> Result<Holder, StoreError> {
        self.read(async |connection| {
            let row = sqlx::query("SELECT * FROM person WHERE reference = $1")
                .bind(reference.to_vec())
                .fetch_optional(&mut *connection)
                .await?
                .ok_or_else(|| StoreError::NotFound {
                    what: "person",
                    name: hex::encode(reference),
                })?;
            let entitlements = sqlx::query("SELECT * FROM entitlement WHERE person = $1 ORDER BY number")
                .bind(reference.to_vec())
                .fetch_all(&mut *connection)
                .await?;
            let representatives =
                sqlx::query("SELECT * FROM representative WHERE person = $1 ORDER BY personal_id")
                    .bind(reference.to_vec())
                    .fetch_all(&mut *connection)
                    .await?;
            Ok(Holder {
                reference: *reference,
                person: person_from(&row)?,
                entitlements: entitlements
                    .iter()
                    .map(|row| Ok((number(row, "number")?, entitlement_from(row)?)))
                    .collect::<Result<_, StoreError>>()?,
                representatives: representatives
                    .iter()
                    .map(representative_from)
                    .collect::<Result<_, StoreError>>()?,
            })
        })
    }

    /// How many persons wait for a card.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn waiting_persons(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) AS total FROM waiting_person";
        self.read(async |connection| number(&sqlx::query(sql).fetch_one(connection).await?, "total"))
    }
}

pub(crate) fn person_from(row: &AnyRow) -> Result<Person, StoreError> {
    Ok(Person {
        personal_id: row.try_get("personal_id")?,
        full_name: row.try_get("full_name")?,
        birth_date: row.try_get("birth_date")?,
        sex: number(row, "sex")?,
        province: row.try_get("province")?,
        commune: row.try_get("commune")?,
        pay_point: row.try_get("pay_point")?,
        social_insurance_number: row.try_get("social_insurance_number")?,
        health_insurance_code: row.try_get("health_insurance_code")?,
    })
}

pub(crate) fn representative_from(row: &AnyRow) -> Result<Representative, StoreError> {
    Ok(Representative {
        personal_id: row.try_get("personal_id")?,
        full_name: row.try_get("full_name")?,
        relation: row.try_get("relation")?,
        document: row.try_get("document")?,
        valid_to: row.try_get("valid_to")?,
    })
}

pub(crate) fn entitlement_from(row: &AnyRow) -> Result<Entitlement, StoreError> {
    Ok(Entitlement {
        programme: row.try_get("programme")?,
        sub_code: row.try_get("sub_code")?,
        decision: row.try_get("decision")?,
        decision_date: row.try_get("decision_date")?,
        decided_by: row.try_get("decided_by")?,
        month_from: row.try_get("month_from")?,
        month_to: row.try_get("month_to")?,
        active: row.try_get::<i64, _>("active")? == 1,
        monthly_amount: number(row, "monthly_amount")?,
    })
}
