//! Numbers by which people are known: the personal identification number, which may change, and the social security number.
//!
//! The person reference stays whatever happens to numbers (DESIGN: "A payment line has a key that never changes"), so nothing is
//! paid twice because somebody was renumbered. A number that stood for somebody never comes to stand for somebody else.

use sqlx::{AnyConnection, Row as _};

use crate::life::person_of;
use crate::operations::log;
use crate::operators::{Actor, Role};
use crate::people::PersonReference;
use crate::store::{draw, now};
use crate::{Store, StoreError};

/// How social security numbers are made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum NumberScheme {
    /// The personal identification number, as since 1 August 2025 for social insurance (Official Letter 1804/BHXH-QLT).
    #[default]
    PersonalId,
    /// A prefix and a serial number of 9 digits with a check digit (ISO/IEC 7064, MOD 11-10), at most 15 characters.
    Serial {
        /// 1 to 5 letters or digits.
        prefix: String,
    },
}

const SCHEME: &str = "social-security-number-scheme";

impl Store {
    /// How new social security numbers are made.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn number_scheme(&self) -> Result<NumberScheme, StoreError> {
        self.read(async |connection| scheme(connection).await)
    }

    /// Sets how social security numbers are made from here on; numbers given stay.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] for anybody but an administrator; [`StoreError::OutOfRange`] for a prefix that is not 1 to 5 letters
    /// or digits.
    pub fn set_number_scheme(&self, actor: &Actor, scheme: &NumberScheme) -> Result<(), StoreError> {
        actor.demand(Role::Administrator)?;
        let value = match scheme {
            NumberScheme::PersonalId => "personal-id".to_owned(),
            NumberScheme::Serial { prefix } => {
                let fits = (1..=5).contains(&prefix.len())
                    && prefix
                        .bytes()
                        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
                if !fits {
                    return Err(StoreError::OutOfRange("the prefix of social security numbers"));
                }
                format!("serial {prefix}")
            }
        };
        self.write(async |connection| {
            let sql = "INSERT INTO setting (name, value) VALUES ($1, $2)
                       ON CONFLICT (name) DO UPDATE SET value = excluded.value";
            let query = sqlx::query(sql).bind(SCHEME).bind(&value);
            query.execute(&mut *connection).await?;
            log(connection, actor, "number-scheme-set", &value).await
        })
    }

    /// The social security number of a person, given now if the person has none.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Exists`] if the number by the scheme is another one's: give one by hand.
    pub fn social_security_number(
        &self,
        actor: &Actor,
        person: &PersonReference,
    ) -> Result<String, StoreError> {
        actor.demand(Role::Operator)?;
        self.write(async |connection| {
            if let Some(number) = in_force(connection, person).await? {
                return Ok(number);
            }
            let number = match scheme(connection).await? {
                NumberScheme::PersonalId => personal_id(connection, person).await?,
                NumberScheme::Serial { prefix } => {
                    personal_id(connection, person).await?;
                    let serial = format!("{:09}", draw(connection, "social-security-number").await?);
                    format!("{prefix}{serial}{}", check_digit(&serial))
                }
            };
            assign(connection, actor, person, &number).await?;
            Ok(number)
        })
    }

    /// Gives a person another social security number. The old one is retired, and is nobody else's ever.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] without the role of approver; [`StoreError::NotFound`]; [`StoreError::Exists`] for a number ever given;
    /// [`StoreError::OutOfRange`] for one that is not 1 to 15 letters or digits.
    pub fn change_social_security_number(
        &self,
        actor: &Actor,
        person: &PersonReference,
        number: &str,
    ) -> Result<(), StoreError> {
        actor.demand(Role::Approver)?;
        let fits =
            (1..=15).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !fits {
            return Err(StoreError::OutOfRange("the social security number"));
        }
        self.write(async |connection| {
            personal_id(connection, person).await?;
            let sql =
                "UPDATE social_security_number SET retired_at = $2 WHERE person = $1 AND retired_at IS NULL";
            let query = sqlx::query(sql).bind(person.to_vec()).bind(now());
            query.execute(&mut *connection).await?;
            assign(connection, actor, person, number).await
        })
    }

    /// Whose personal identification number this is or was.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn person_by_number(&self, personal_id: &str) -> Result<Option<PersonReference>, StoreError> {
        self.read(async |connection| person_of(connection, personal_id).await)
    }

    /// A person was given another personal identification number. The reference, and with it every entitlement, line, payment and
    /// card, stays. Lists that name the old number find the person still.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`]; [`StoreError::NotFound`]; [`StoreError::Exists`] if the new number is or was somebody else's;
    /// [`StoreError::OutOfRange`] for one that is not 12 digits.
    pub fn change_personal_id(&self, actor: &Actor, old: &str, new: &str) -> Result<(), StoreError> {
        actor.demand(Role::Approver)?;
        if new.len() != 12 || !new.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(StoreError::OutOfRange("the new personal identification number"));
        }
        self.write(async |connection| {
            let person = demand_person(connection, old).await?;
            match person_of(connection, new).await? {
                Some(same) if same == person && personal_id(connection, &person).await? == new => {
                    return Ok(());
                }
                Some(same) if same == person => {
                    // Back to a number that the person had before.
                    let query = sqlx::query("DELETE FROM former_personal_id WHERE personal_id = $1");
                    query.bind(new).execute(&mut *connection).await?;
                }
                Some(_) => return Err(taken()),
                None => {}
            }
            let current = personal_id(connection, &person).await?;
            former(connection, actor, &current, &person).await?;
            sqlx::query("UPDATE person SET personal_id = $2 WHERE reference = $1")
                .bind(person.to_vec())
                .bind(new)
                .execute(&mut *connection)
                .await?;
            log(connection, actor, "personal-id-changed", &hex::encode(person)).await
        })
    }

    /// Two records turned out to be one person: from here on the number of `duplicate` stands for `kept`. A record that has a
    /// card or anything due cannot be merged away, because what stands in signed lists and receipts keeps its key: block its
    /// card and let its lines be paid or withdrawn first.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`]; [`StoreError::NotFound`]; [`StoreError::WrongState`] if the duplicate has a card that is not
    /// abandoned or blocked, or an unpaid line.
    pub fn merge_persons(&self, actor: &Actor, kept: &str, duplicate: &str) -> Result<(), StoreError> {
        actor.demand(Role::Approver)?;
        self.write(async |connection| {
            let kept = demand_person(connection, kept).await?;
            let gone = demand_person(connection, duplicate).await?;
            if kept == gone {
                return Ok(());
            }
            demand_nothing_live(connection, &gone).await?;
            let number = personal_id(connection, &gone).await?;
            // The record stays under a number of its own making: payments and cards of the past name it.
            sqlx::query("UPDATE person SET personal_id = $2 WHERE reference = $1")
                .bind(gone.to_vec())
                .bind(format!("merged-{}", hex::encode(gone)))
                .execute(&mut *connection)
                .await?;
            sqlx::query("UPDATE former_personal_id SET person = $2 WHERE person = $1")
                .bind(gone.to_vec())
                .bind(kept.to_vec())
                .execute(&mut *connection)
                .await?;
            former(connection, actor, &number, &kept).await?;
            sqlx::query(
                "INSERT INTO merged_person (person, into_person, operator, at) VALUES ($1, $2, $3, $4)",
            )
            .bind(gone.to_vec())
            .bind(kept.to_vec())
            .bind(actor.name())
            .bind(now())
            .execute(&mut *connection)
            .await?;
            let subject = format!("{} into {}", hex::encode(gone), hex::encode(kept));
            log(connection, actor, "persons-merged", &subject).await
        })
    }
}

/// ISO/IEC 7064:2003, 8: MOD 11-10, one decimal check digit.
fn check_digit(digits: &str) -> u32 {
    let product = digits.bytes().fold(10, |product, byte| {
        let sum = (u32::from(byte - b'0') + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10
}

async fn scheme(connection: &mut AnyConnection) -> Result<NumberScheme, StoreError> {
    let row = sqlx::query("SELECT value FROM setting WHERE name = $1")
        .bind(SCHEME)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else {
        return Ok(NumberScheme::default());
    };
    let value: String = row.try_get("value")?;
    match value.split_once(' ') {
        None if value == "personal-id" => Ok(NumberScheme::PersonalId),
        Some(("serial", prefix)) => Ok(NumberScheme::Serial {
            prefix: prefix.to_owned(),
        }),
        _ => Err(StoreError::Malformed("number scheme")),
    }
}

async fn in_force(
    connection: &mut AnyConnection,
    person: &PersonReference,
) -> Result<Option<String>, StoreError> {
    let row =
        sqlx::query("SELECT number FROM social_security_number WHERE person = $1 AND retired_at IS NULL")
            .bind(person.to_vec())
            .fetch_optional(connection)
            .await?;
    row.map(|row| Ok(row.try_get("number")?)).transpose()
}

async fn assign(
    connection: &mut AnyConnection,
    actor: &Actor,
    person: &PersonReference,
    number: &str,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO social_security_number (number, person, assigned_at) VALUES ($1, $2, $3)
               ON CONFLICT (number) DO NOTHING";
    let query = sqlx::query(sql).bind(number).bind(person.to_vec()).bind(now());
    if query.execute(&mut *connection).await?.rows_affected() == 0 {
        return Err(StoreError::Exists {
            what: "this social security number",
            name: String::new(),
        });
    }
    log(
        connection,
        actor,
        "social-security-number-given",
        &hex::encode(person),
    )
    .await
}

async fn personal_id(connection: &mut AnyConnection, person: &PersonReference) -> Result<String, StoreError> {
    let row = sqlx::query("SELECT personal_id FROM person WHERE reference = $1")
        .bind(person.to_vec())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::NotFound {
            what: "person",
            name: hex::encode(person),
        })?;
    Ok(row.try_get("personal_id")?)
}

async fn demand_person(
    connection: &mut AnyConnection,
    personal_id: &str,
) -> Result<PersonReference, StoreError> {
    person_of(connection, personal_id)
        .await?
        .ok_or(StoreError::NotFound {
            what: "a person with this personal identification number",
            name: String::new(),
        })
}

async fn former(
    connection: &mut AnyConnection,
    actor: &Actor,
    personal_id: &str,
    person: &PersonReference,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO former_personal_id (personal_id, person, operator, at) VALUES ($1, $2, $3, $4)")
        .bind(personal_id)
        .bind(person.to_vec())
        .bind(actor.name())
        .bind(now())
        .execute(connection)
        .await?;
    Ok(())
}

async fn demand_nothing_live(
    connection: &mut AnyConnection,
    person: &PersonReference,
) -> Result<(), StoreError> {
    let sql = "SELECT 'a card' AS what FROM card WHERE person = $1 AND state NOT IN ('blocked', 'abandoned')
               UNION ALL SELECT 'an unpaid line' FROM payment_line AS line WHERE line.person = $1 AND NOT EXISTS
                   (SELECT 1 FROM standing_payment AS payment WHERE payment.person = line.person
                    AND payment.programme = line.programme AND payment.entitlement = line.entitlement
                    AND payment.line_type = line.line_type AND payment.period = line.period) LIMIT 1";
    let row = sqlx::query(sql)
        .bind(person.to_vec())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(()) };
    let held: String = row.try_get("what")?;
    Err(StoreError::WrongState {
        what: "person",
        name: hex::encode(person),
        state: format!("still the holder of {held}"),
        needed: "a record without a live card and without anything due",
    })
}

/// The number itself is personal data and stays out of the message.
fn taken() -> StoreError {
    StoreError::Exists {
        what: "the new personal identification number",
        name: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::check_digit;

    /// ISO/IEC 7064:2003, 8.2, gives 0794 with check digit 5.
    #[test]
    fn the_check_digit_is_that_of_the_standard() {
        assert_eq!(check_digit("0794"), 5);
        assert_ne!(check_digit("0749"), 5);
    }
}
