//! What the ledger holds of a list's people, read at once, and how it changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use getrandom::SysRng;
use getrandom::rand_core::TryRng as _;
use sqlx::any::AnyRow;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Row as _};

use crate::StoreError;
use crate::import::ApprovedList;
use crate::names::fold;
use crate::people::{
    Entitlement, Person, PersonReference, Representative, entitlement_from, person_from, representative_from,
};
use crate::store::{number, octets};

/// Persons asked for at once.
pub(super) const CHUNK: usize = 200;

/// Something in the ledger: as it was before the import, and as it will be.
pub(super) struct Tracked<T> {
    pub(super) before: Option<T>,
    pub(super) now: T,
}

impl<T: Clone + PartialEq> Tracked<T> {
    fn held(value: T) -> Self {
        Self {
            before: Some(value.clone()),
            now: value,
        }
    }

    pub(super) fn new(value: T) -> Self {
        Self {
            before: None,
            now: value,
        }
    }

    pub(super) fn is_new(&self) -> bool {
        self.before.is_none()
    }

    pub(super) fn is_changed(&self) -> bool {
        self.before.as_ref().is_some_and(|before| *before != self.now)
    }
}

/// A decision under the number that cards and terminals know it by.
#[derive(Clone, PartialEq)]
pub(super) struct Decision {
    pub(super) number: i64,
    pub(super) entitlement: Entitlement,
    /// The newest month for which a list told the monthly amount.
    pub(super) amount_month: Option<String>,
    pub(super) end_reason: Option<String>,
}

/// A payment line in the ledger.
pub(super) struct Line {
    pub(super) programme: String,
    pub(super) entitlement: i64,
    pub(super) line_type: u8,
    pub(super) period: String,
    pub(super) amount: u64,
    pub(super) method: u8,
}

/// A person of the list with what the ledger holds of them; lines only of the list's months.
pub(super) struct Known {
    pub(super) reference: PersonReference,
    pub(super) person: Tracked<Person>,
    pub(super) decisions: Vec<Tracked<Decision>>,
    pub(super) representatives: Vec<Tracked<Representative>>,
    pub(super) lines: Vec<Line>,
}

impl Known {
    fn held(reference: PersonReference, person: Person) -> Self {
        Self {
            reference,
            person: Tracked::held(person),
            decisions: Vec::new(),
            representatives: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// A decision by its number as offices write it.
    pub(super) fn decision(&mut self, programme: &str, decision: &str) -> Option<&mut Tracked<Decision>> {
        let folded = fold(decision);
        self.decisions.iter_mut().find(|known| {
            let known = &known.now.entitlement;
            known.programme == programme && fold(&known.decision) == folded
        })
    }

    /// Whether a card made before this import says something else than one made after it would.
    fn needs_another_card(&self) -> bool {
        let representatives = |known: &Tracked<_>| known.is_new() || known.is_changed();
        !self.person.is_new()
            && (self.person.is_changed()
                || self.representatives.iter().any(representatives)
                || programmes(self.decisions.iter().filter_map(|known| known.before.as_ref()))
                    != programmes(self.decisions.iter().map(|known| &known.now)))
    }
}

/// First month, last month, whether it is running.
type Running<'a> = (&'a str, Option<&'a str>, bool);

/// What a card says of programmes: one entry for each, whatever number of decisions it rests on (SPEC.md 5.1, file 3).
fn programmes<'a>(decisions: impl Iterator<Item = &'a Decision>) -> BTreeMap<&'a str, Running<'a>> {
    let mut entries: BTreeMap<&str, Running<'_>> = BTreeMap::new();
    for Decision { entitlement, .. } in decisions {
        let to = entitlement.month_to.as_deref();
        let found: Running<'_> = (&entitlement.month_from, to, entitlement.active);
        let joined = |known: &mut Running<'a>| {
            *known = (
                known.0.min(found.0),
                known.1.zip(found.1).map(|(one, other)| one.max(other)),
                known.2 || found.2,
            );
        };
        entries
            .entry(&entitlement.programme)
            .and_modify(joined)
            .or_insert(found);
    }
    entries
}

/// All people of a list, by số định danh.
#[derive(Default)]
pub(super) struct People {
    pub(super) known: BTreeMap<String, Known>,
    /// Numbers that were somebody's before: nobody else ever has them (table `former_personal_id`).
    pub(super) former: BTreeSet<String>,
}

impl People {
    /// Adds a person whom the ledger does not hold, under a new reference.
    pub(super) fn add(&mut self, person: &Person) -> Result<&mut Known, StoreError> {
        let mut reference = [0; 16];
        SysRng
            .try_fill_bytes(&mut reference)
            .map_err(|_| StoreError::Random)?;
        let known = Known {
            person: Tracked::new(person.clone()),
            ..Known::held(reference, person.clone())
        };
        Ok(self.known.entry(person.personal_id.clone()).or_insert(known))
    }

    /// Those whose cards say something else from now on, if they have one.
    pub(super) fn with_other_cards(&self) -> Vec<PersonReference> {
        let others = self.known.values().filter(|known| known.needs_another_card());
        others.map(|known| known.reference).collect()
    }
}

/// Reads what the ledger holds of a list's people.
pub(super) async fn read(connection: &mut AnyConnection, list: &ApprovedList) -> Result<People, StoreError> {
    let ids: BTreeSet<&str> = list
        .lines
        .iter()
        .map(|line| line.person.personal_id.as_str())
        .collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let periods: BTreeSet<&str> = list.lines.iter().map(|line| line.period.as_str()).collect();
    let periods: Vec<&str> = periods.into_iter().collect();
    let mut people = People::default();
    for ids in ids.chunks(CHUNK) {
        read_chunk(connection, ids, &periods, &mut people).await?;
    }
    Ok(people)
}

async fn read_chunk(
    connection: &mut AnyConnection,
    ids: &[&str],
    periods: &[&str],
    people: &mut People,
) -> Result<(), StoreError> {
    let of_them = places(1, ids.len());
    let sql = format!("SELECT personal_id FROM former_personal_id WHERE personal_id IN ({of_them})");
    for row in fetch(connection, sql, ids.iter().map(|id| (*id).to_owned())).await? {
        people.former.insert(row.try_get("personal_id")?);
    }
    let mut chunk: HashMap<PersonReference, Known> = HashMap::new();
    let sql = format!(
        "SELECT * FROM person WHERE personal_id IN ({})",
        places(1, ids.len())
    );
    for row in fetch(connection, sql, ids.iter().map(|id| (*id).to_owned())).await? {
        let reference = octets(&row, "reference")?;
        chunk.insert(reference, Known::held(reference, person_from(&row)?));
    }
    if chunk.is_empty() {
        return Ok(());
    }
    let references: Vec<Vec<u8>> = chunk.keys().map(|reference| reference.to_vec()).collect();
    let of_them = places(1, references.len());
    let sql = format!("SELECT * FROM entitlement WHERE person IN ({of_them}) ORDER BY number");
    for row in fetch(connection, sql, references.iter().cloned()).await? {
        let decision = Tracked::held(decision_from(&row)?);
        of(&mut chunk, &row)?.decisions.push(decision);
    }
    let sql = format!("SELECT * FROM representative WHERE person IN ({of_them}) ORDER BY personal_id");
    for row in fetch(connection, sql, references.iter().cloned()).await? {
        let representative = Tracked::held(representative_from(&row)?);
        of(&mut chunk, &row)?.representatives.push(representative);
    }
    for period in periods {
        let sql = format!(
            "SELECT * FROM payment_line WHERE period = $1 AND person IN ({})",
            places(2, references.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind((*period).to_owned());
        for reference in &references {
            query = query.bind(reference.clone());
        }
        for row in query.fetch_all(&mut *connection).await? {
            let line = line_from(&row)?;
            of(&mut chunk, &row)?.lines.push(line);
        }
    }
    let by_id = |known: Known| (known.person.now.personal_id.clone(), known);
    people.known.extend(chunk.into_values().map(by_id));
    Ok(())
}

/// The person whom a row belongs to.
fn of<'a>(chunk: &'a mut HashMap<PersonReference, Known>, row: &AnyRow) -> Result<&'a mut Known, StoreError> {
    chunk
        .get_mut(&octets(row, "person")?)
        .ok_or(StoreError::Malformed("person"))
}

/// `$first, $first+1, …`: as many as there are values.
pub(super) fn places(first: usize, count: usize) -> String {
    let places: Vec<String> = (first..first + count).map(|place| format!("${place}")).collect();
    places.join(", ")
}

/// Rows of a statement whose text holds nothing but ours, and places for the values.
pub(super) async fn fetch<T>(
    connection: &mut AnyConnection,
    sql: String,
    values: impl Iterator<Item = T>,
) -> Result<Vec<AnyRow>, StoreError>
where
    T: for<'t> sqlx::Encode<'t, Any> + sqlx::Type<Any>,
{
    let bind = |query: Query<'static, Any, _>, value| query.bind(value);
    let query = values.fold(sqlx::query(AssertSqlSafe(sql)), bind);
    Ok(query.fetch_all(connection).await?)
}

fn decision_from(row: &AnyRow) -> Result<Decision, StoreError> {
    Ok(Decision {
        number: row.try_get("number")?,
        entitlement: entitlement_from(row)?,
        amount_month: row.try_get("amount_month")?,
        end_reason: row.try_get("end_reason")?,
    })
}

fn line_from(row: &AnyRow) -> Result<Line, StoreError> {
    Ok(Line {
        programme: row.try_get("programme")?,
        entitlement: row.try_get("entitlement")?,
        line_type: number(row, "line_type")?,
        period: row.try_get("period")?,
        amount: number(row, "amount")?,
        method: number(row, "method")?,
    })
}
