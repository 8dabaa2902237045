//! Reference data: code lists with effective dates, as files in `data/` that are built in.

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{TimeZone, offset};

const PROVINCES: &str = include_str!("../data/provinces.csv");
const PROGRAMMES: &str = include_str!("../data/programmes.csv");
const PAYMENT_METHODS: &str = include_str!("../data/payment-methods.csv");
const RELATIONS: &str = include_str!("../data/relations.csv");

/// One code with the days on which it is in force, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The code, as text: leading zeros count.
    pub code: String,
    /// Its Vietnamese name.
    pub name: String,
    from: Date,
    to: Option<Date>,
}

impl Code {
    fn in_force(&self, day: Date) -> bool {
        self.from <= day && self.to.is_none_or(|to| day <= to)
    }
}

/// All code lists.
#[derive(Debug, Clone)]
pub struct Reference {
    provinces: Vec<Code>,
    programmes: Vec<Code>,
    payment_methods: Vec<Code>,
    relations: Vec<Code>,
}

impl Reference {
    /// Reads the built-in lists.
    ///
    /// # Errors
    /// If a list is malformed; the tests exclude it for the built-in ones.
    pub fn load() -> Result<Self> {
        Ok(Self {
            provinces: read("provinces", PROVINCES)?,
            programmes: read("programmes", PROGRAMMES)?,
            payment_methods: read("payment-methods", PAYMENT_METHODS)?,
            relations: read("relations", RELATIONS)?,
        })
    }

    /// Whether a province code is in force on a day.
    pub fn is_province(&self, code: &str, day: Date) -> bool {
        in_force(&self.provinces, code, day)
    }

    /// Whether a coarse programme code is in force on a day.
    pub fn is_programme(&self, code: &str, day: Date) -> bool {
        in_force(&self.programmes, code, day)
    }

    /// Whether a payment method is in force on a day.
    pub fn is_payment_method(&self, code: &str, day: Date) -> bool {
        in_force(&self.payment_methods, code, day)
    }

    /// Whether a relation code is in force on a day.
    pub fn is_relation(&self, code: &str, day: Date) -> bool {
        in_force(&self.relations, code, day)
    }

    /// The provinces of a day.
    pub fn provinces(&self, day: Date) -> impl Iterator<Item = &Code> {
        self.provinces.iter().filter(move |code| code.in_force(day))
    }
}

fn in_force(codes: &[Code], code: &str, day: Date) -> bool {
    codes
        .iter()
        .any(|entry| entry.code == code && entry.in_force(day))
}

fn read(name: &str, text: &str) -> Result<Vec<Code>> {
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let headers = reader.headers()?.clone();
    let place = |column: &str| {
        let found = headers.iter().position(|header| header == column);
        found.with_context(|| format!("{name}.csv: column {column} is missing"))
    };
    let (code, title, from, to) = (place("code")?, place("name")?, place("from")?, place("to")?);
    reader
        .records()
        .map(|record| {
            let record = record?;
            let field = |place: usize| record.get(place).unwrap_or_default();
            Ok(Code {
                code: field(code).to_owned(),
                name: field(title).to_owned(),
                from: day(field(from)).with_context(|| format!("{name}.csv: {record:?}"))?,
                to: if field(to).is_empty() {
                    None
                } else {
                    Some(day(field(to))?)
                },
            })
        })
        .collect()
}

fn day(text: &str) -> Result<Date> {
    Ok(Date::strptime("%Y%m%d", text)?)
}

/// Today in Vietnam (UTC+7, no daylight saving), whatever the computer's time zone.
pub fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::fixed(offset(7))).date()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn codes_have_their_days() {
        let reference = Reference::load().unwrap();
        let (before, after) = (date(2025, 6, 30), date(2025, 7, 1));
        assert_eq!(
            (
                reference.provinces(before).count(),
                reference.provinces(after).count()
            ),
            (63, 34)
        );
        let name = |day| {
            reference
                .provinces(day)
                .find(|code| code.code == "80")
                .unwrap()
                .name
                .clone()
        };
        assert_eq!(
            (name(before), name(after)),
            ("Long An".to_owned(), "Tây Ninh".to_owned())
        );
        assert!(reference.is_province("72", before) && !reference.is_province("72", after));
        assert!(!reference.is_programme("HTXH", before) && reference.is_programme("HTXH", after));
    }

    #[test]
    fn codes_are_text() {
        let reference = Reference::load().unwrap();
        let day = date(2026, 11, 1);
        assert!(reference.is_province("01", day));
        for wrong in ["1", "001", " 01", "", "00", "btxh"] {
            assert!(
                !reference.is_province(wrong, day) && !reference.is_programme(wrong, day),
                "{wrong:?}"
            );
        }
    }
}
