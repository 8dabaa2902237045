//! Lists of codes. A code may name different things on different days, never two on one day.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::error::DataError;
use crate::table::{self, Row};

/// One code with what it says and the days on which it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code<D = ()> {
    /// The code, as text: leading zeros count.
    pub code: String,
    /// Its Vietnamese name.
    pub name: String,
    /// Its English name, where the list has one.
    pub name_en: Option<String>,
    /// First day on which it is in force.
    pub valid_from: Date,
    /// Last day on which it is in force; none if no end is known.
    pub valid_to: Option<Date>,
    /// What else the list says of it.
    pub detail: D,
    /// Where it stands in its file.
    pub(crate) line: u64,
}

impl<D> Code<D> {
    /// Whether it is in force on a day.
    pub fn in_force(&self, day: Date) -> bool {
        self.valid_from <= day && self.valid_to.is_none_or(|last| day <= last)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.in_force(other.valid_from) || other.in_force(self.valid_from)
    }
}

/// What a kind of list has besides code, name and days.
pub(crate) trait Detail: Sized {
    /// Its columns besides `code`, `name`, `valid_from`.
    const COLUMNS: &'static [&'static str];

    /// Checks the code and reads the columns.
    fn read(code: &str, row: &Row<'_>) -> Result<Self, DataError>;

    /// What must be unique on a day together with the code.
    fn key(&self) -> String {
        String::new()
    }
}

/// A list, by code.
#[derive(Debug, Clone)]
pub(crate) struct List<D> {
    file: &'static str,
    codes: BTreeMap<String, Vec<Code<D>>>,
}

impl<D: Detail> List<D> {
    /// Reads a list, adding what is wrong to `errors`.
    pub(crate) fn read(file: &'static str, bytes: &[u8], errors: &mut Vec<DataError>) -> Self {
        let columns = [&["code", "name", "valid_from"], D::COLUMNS].concat();
        let mut codes: BTreeMap<String, Vec<Code<D>>> = BTreeMap::new();
        let found = table::read(file, bytes, &columns, |row| {
            let code = read_code::<D>(row)?;
            let same = codes.entry(code.code.clone()).or_default();
            let clash = same
                .iter()
                .find(|other| other.overlaps(&code) && other.detail.key() == code.detail.key());
            if let Some(other) = clash {
                let rule = format!(
                    "this code is already in force on some of these days by line {}",
                    other.line
                );
                return Err(row.error("code", rule));
            }
            same.push(code);
            Ok(())
        });
        errors.extend(found);
        Self { file, codes }
    }
}

impl<D> List<D> {
    /// The file that it was read from.
    pub(crate) fn file(&self) -> &'static str {
        self.file
    }

    /// All that a code has ever meant.
    pub(crate) fn history(&self, code: &str) -> &[Code<D>] {
        self.codes.get(code).map_or(&[], Vec::as_slice)
    }

    /// What a code means on a day.
    pub(crate) fn on(&self, code: &str, day: Date) -> Option<&Code<D>> {
        self.history(code).iter().find(|code| code.in_force(day))
    }

    /// All codes in force on a day, in order.
    pub(crate) fn all(&self, day: Date) -> impl Iterator<Item = &Code<D>> {
        self.iter().filter(move |code| code.in_force(day))
    }

    /// All codes of all times, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Code<D>> {
        self.codes.values().flatten()
    }
}

fn read_code<D: Detail>(row: &Row<'_>) -> Result<Code<D>, DataError> {
    let code = row.required("code")?;
    let valid_from = row.day("valid_from")?;
    let valid_to = match row.get("valid_to") {
        "" => None,
        _ => Some(row.day("valid_to")?),
    };
    if valid_to.is_some_and(|last| last < valid_from) {
        return Err(row.error("valid_to", "must not be before valid_from"));
    }
    let name_en = row.get("name_en");
    Ok(Code {
        code: code.to_owned(),
        name: row.required("name")?.to_owned(),
        name_en: (!name_en.is_empty()).then(|| name_en.to_owned()),
        valid_from,
        valid_to,
        detail: D::read(code, row)?,
        line: row.line,
    })
}
