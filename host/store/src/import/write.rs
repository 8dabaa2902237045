//! What an import adds and changes, written many rows at a time.

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Row as _};

use crate::StoreError;
use crate::import::ApprovedList;
use crate::import::known::{CHUNK, Decision, Known, People, Tracked, fetch, places};
use crate::import::plan::NewLine;
use crate::operators::Actor;
use crate::people::{PersonReference, Representative};
use crate::store::{draw, now, signed};

/// Rows written by one statement. SQLite takes `$1` for a name and looks through all names of a statement for each value bound,
/// so that large statements take the square of their size.
const ROWS: usize = 16;

type Bound = Query<'static, Any, AnyArguments>;

/// The list itself, with the warnings that the actor accepts.
pub(super) async fn list(
    connection: &mut AnyConnection,
    actor: &Actor,
    list: &ApprovedList,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO import (file_hash, file_name, kind, lines, accepted_by, imported_at) VALUES ($1, $2, $3, $4, $5, $6)";
    sqlx::query(sql)
        .bind(list.file_hash.to_vec())
        .bind(&list.file_name)
        .bind(list.kind.name())
        .bind(signed(list.lines.len() as u64, "the number of lines")?)
        .bind(actor.name())
        .bind(now())
        .execute(&mut *connection)
        .await?;
    let warnings: Vec<_> = (1_i64..).zip(&list.warnings).collect();
    let into = "import_warning (import, position, file_line, column_name, code)";
    insert(
        connection,
        into,
        5,
        "",
        &warnings,
        |query, (position, warning)| {
            Ok(query
                .bind(list.file_hash.to_vec())
                .bind(*position)
                .bind(signed(warning.file_line, "a line number")?)
                .bind(warning.column.clone())
                .bind(warning.code.clone()))
        },
    )
    .await
}

/// Persons, their decisions and representatives: new ones and changed ones.
pub(super) async fn people(connection: &mut AnyConnection, people: &People) -> Result<(), StoreError> {
    let new: Vec<&Known> = people
        .known
        .values()
        .filter(|known| known.person.is_new())
        .collect();
    new_persons(connection, &new).await?;
    for known in people.known.values().filter(|known| known.person.is_changed()) {
        changed_person(connection, known).await?;
    }
    let mut new_decisions = Vec::new();
    let mut representatives = Vec::new();
    for known in people.known.values() {
        for decision in &known.decisions {
            if decision.is_new() {
                new_decisions.push((known.reference, decision));
            } else if decision.is_changed() {
                changed_decision(connection, &known.reference, &decision.now).await?;
            }
        }
        let written = known
            .representatives
            .iter()
            .filter(|one| one.is_new() || one.is_changed());
        representatives.extend(written.map(|one| (known.reference, &one.now)));
    }
    self::new_decisions(connection, &new_decisions).await?;
    self::representatives(connection, &representatives).await
}

async fn new_persons(connection: &mut AnyConnection, new: &[&Known]) -> Result<(), StoreError> {
    if new.is_empty() {
        return Ok(());
    }
    let first = draw_many(connection, "person", new.len()).await?;
    let registered_at = now();
    let numbered: Vec<_> = (first..).zip(new).collect();
    let into =
        "person (reference, position, personal_id, full_name, birth_date, sex, province, commune, pay_point,
                social_insurance_number, health_insurance_code, registered_at)";
    insert(connection, into, 12, "", &numbered, |query, (position, known)| {
        let person = &known.person.now;
        Ok(query
            .bind(known.reference.to_vec())
            .bind(*position)
            .bind(person.personal_id.clone())
            .bind(person.full_name.clone())
            .bind(person.birth_date.clone())
            .bind(i64::from(person.sex))
            .bind(person.province.clone())
            .bind(person.commune.clone())
            .bind(person.pay_point.clone())
            .bind(person.social_insurance_number.clone())
            .bind(person.health_insurance_code.clone())
            .bind(registered_at.clone()))
    })
    .await
}

/// Identity number, birth date and sex never change by a list.
async fn changed_person(connection: &mut AnyConnection, known: &Known) -> Result<(), StoreError> {
    let sql = "UPDATE person SET full_name = $2, province = $3, commune = $4, pay_point = $5, social_insurance_number = $6,
               health_insurance_code = $7 WHERE reference = $1";
    let person = &known.person.now;
    sqlx::query(sql)
        .bind(known.reference.to_vec())
        .bind(&person.full_name)
        .bind(&person.province)
        .bind(&person.commune)
        .bind(person.pay_point.clone())
        .bind(person.social_insurance_number.clone())
        .bind(person.health_insurance_code.clone())
        .execute(connection)
        .await?;
    Ok(())
}

async fn new_decisions(
    connection: &mut AnyConnection,
    new: &[(PersonReference, &Tracked<Decision>)],
) -> Result<(), StoreError> {
    let into = "entitlement (person, programme, number, sub_code, decision, decision_date, decided_by, month_from, month_to,
                active, monthly_amount, amount_month, end_reason)";
    insert(connection, into, 13, "", new, |query, (person, decision)| {
        let Decision {
            number,
            entitlement,
            amount_month,
            end_reason,
        } = &decision.now;
        Ok(query
            .bind(person.to_vec())
            .bind(entitlement.programme.clone())
            .bind(*number)
            .bind(entitlement.sub_code.clone())
            .bind(entitlement.decision.clone())
            .bind(entitlement.decision_date.clone())
            .bind(entitlement.decided_by.clone())
            .bind(entitlement.month_from.clone())
            .bind(entitlement.month_to.clone())
            .bind(i64::from(entitlement.active))
            .bind(signed(entitlement.monthly_amount, "a monthly amount")?)
            .bind(amount_month.clone())
            .bind(end_reason.clone()))
    })
    .await
}

async fn changed_decision(
    connection: &mut AnyConnection,
    person: &PersonReference,
    decision: &Decision,
) -> Result<(), StoreError> {
    let sql = "UPDATE entitlement SET sub_code = $3, decision_date = $4, decided_by = $5, month_from = $6, month_to = $7,
               active = $8, monthly_amount = $9, amount_month = $10, end_reason = $11 WHERE person = $1 AND number = $2";
    let entitlement = &decision.entitlement;
    sqlx::query(sql)
        .bind(person.to_vec())
        .bind(decision.number)
        .bind(entitlement.sub_code.clone())
        .bind(entitlement.decision_date.clone())
        .bind(entitlement.decided_by.clone())
        .bind(&entitlement.month_from)
        .bind(entitlement.month_to.clone())
        .bind(i64::from(entitlement.active))
        .bind(signed(entitlement.monthly_amount, "a monthly amount")?)
        .bind(decision.amount_month.clone())
        .bind(decision.end_reason.clone())
        .execute(connection)
        .await?;
    Ok(())
}

async fn representatives(
    connection: &mut AnyConnection,
    written: &[(PersonReference, &Representative)],
) -> Result<(), StoreError> {
    let into = "representative (person, personal_id, full_name, relation, document, valid_to)";
    let known = "ON CONFLICT (person, personal_id) DO UPDATE SET full_name = excluded.full_name,
                 relation = excluded.relation, document = excluded.document, valid_to = excluded.valid_to";
    insert(connection, into, 6, known, written, |query, (person, who)| {
        Ok(query
            .bind(person.to_vec())
            .bind(who.personal_id.clone())
            .bind(who.full_name.clone())
            .bind(who.relation.clone())
            .bind(who.document.clone())
            .bind(who.valid_to.clone()))
    })
    .await
}

/// Payment lines.
pub(super) async fn lines(
    connection: &mut AnyConnection,
    list: &ApprovedList,
    new: &[NewLine<'_>],
) -> Result<(), StoreError> {
    let into =
        "payment_line (person, programme, entitlement, line_type, period, amount, method, import, file_line)";
    insert(connection, into, 9, "", new, |query, new| {
        Ok(query
            .bind(new.person.to_vec())
            .bind(new.line.entitlement.programme.clone())
            .bind(new.entitlement)
            .bind(i64::from(new.due.line_type))
            .bind(new.line.period.clone())
            .bind(signed(new.due.amount, "an amount")?)
            .bind(i64::from(new.line.method))
            .bind(list.file_hash.to_vec())
            .bind(signed(new.line.file_line, "a line number")?))
    })
    .await
}

/// Marks the live cards of persons as saying something else than the ledger, under a new number for this change.
pub(super) async fn mark_outdated(
    connection: &mut AnyConnection,
    persons: &[PersonReference],
) -> Result<u64, StoreError> {
    if persons.is_empty() {
        return Ok(0);
    }
    let change = draw(connection, "change").await?;
    let mut cards: Vec<String> = Vec::new();
    for persons in persons.chunks(CHUNK) {
        let sql = format!(
            "SELECT number FROM card WHERE state NOT IN ('blocked', 'abandoned') AND person IN ({})",
            places(1, persons.len())
        );
        for row in fetch(connection, sql, persons.iter().map(|person| person.to_vec())).await? {
            cards.push(row.try_get("number")?);
        }
    }
    let again = "ON CONFLICT (card) DO UPDATE SET change = excluded.change";
    insert(
        connection,
        "outdated_card (card, change)",
        2,
        again,
        &cards,
        |query, card| Ok(query.bind(card.clone()).bind(change)),
    )
    .await?;
    Ok(cards.len() as u64)
}

/// Draws so many numbers of a series and gives the first.
async fn draw_many(connection: &mut AnyConnection, series: &str, count: usize) -> Result<i64, StoreError> {
    let count = signed(count as u64, "the number of persons")?;
    let sql = "INSERT INTO series (name, last) VALUES ($1, $2)
               ON CONFLICT (name) DO UPDATE SET last = series.last + $2 RETURNING last";
    let row = sqlx::query(sql)
        .bind(series)
        .bind(count)
        .fetch_one(connection)
        .await?;
    Ok(row.try_get::<i64, _>("last")? - count + 1)
}

/// `INSERT INTO … VALUES (…), (…), … end`, in chunks. Their text holds nothing but ours, and places for the values.
async fn insert<T>(
    connection: &mut AnyConnection,
    into: &str,
    columns: usize,
    end: &str,
    rows: &[T],
    bind: impl Fn(Bound, &T) -> Result<Bound, StoreError>,
) -> Result<(), StoreError> {
    for chunk in rows.chunks(ROWS) {
        let values: Vec<String> = (0..chunk.len())
            .map(|row| format!("({})", places(1 + row * columns, columns)))
            .collect();
        let sql = format!("INSERT INTO {into} VALUES {} {end}", values.join(", "));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for row in chunk {
            query = bind(query, row)?;
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
