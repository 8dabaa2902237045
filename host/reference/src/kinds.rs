//! The kinds of lists: which columns each has, and what its codes look like.

use crate::error::DataError;
use crate::list::Detail;
use crate::table::Row;

/// A plain list. What its codes look like is checked with [`CodeList`](crate::CodeList), which knows which list it is.
impl Detail for () {
    const COLUMNS: &'static [&'static str] = &["name_en", "valid_to"];

    fn read(_: &str, _: &Row<'_>) -> Result<Self, DataError> {
        Ok(())
    }
}

/// Province or centrally run city.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvinceKind {
    /// Tỉnh.
    Province,
    /// Thành phố trực thuộc trung ương.
    City,
}

/// What is said of a province (Decision 19/2025/QD-TTg).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Province {
    /// Province or city.
    pub kind: ProvinceKind,
    /// Whether the package holds all its communes: if not, an unknown commune code proves nothing.
    pub communes_complete: bool,
}

impl Detail for Province {
    const COLUMNS: &'static [&'static str] = &["kind", "communes_complete", "valid_to"];

    fn read(code: &str, row: &Row<'_>) -> Result<Self, DataError> {
        digits(row, "code", code, 2)?;
        let kinds = [
            ("tỉnh", ProvinceKind::Province),
            ("thành phố", ProvinceKind::City),
        ];
        Ok(Self {
            kind: row.one_of("kind", &kinds)?,
            communes_complete: row.one_of("communes_complete", &YES_NO)?,
        })
    }
}

/// What is said of a commune, ward or special zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commune {
    /// Its province, 2 digits.
    pub province: String,
}

impl Detail for Commune {
    const COLUMNS: &'static [&'static str] = &["province", "valid_to"];

    fn read(code: &str, row: &Row<'_>) -> Result<Self, DataError> {
        digits(row, "code", code, 5)?;
        let province = row.get("province");
        digits(row, "province", province, 2)?;
        Ok(Self {
            province: province.to_owned(),
        })
    }
}

/// How much of an old unit went to a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// A part: only the address can tell which.
    Part,
    /// The sources differ: somebody has to look.
    Uncertain,
}

/// Where an old unit went. The code and the name are those of the old one, `valid_from` is the first day of the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// Code of a unit that took over all or a part.
    pub successor: String,
    /// How much.
    pub extent: Extent,
    /// The old province of an old commune.
    pub province: Option<String>,
}

impl Succession {
    fn read(row: &Row<'_>, length: usize) -> Result<Self, DataError> {
        let successor = row.get("successor");
        digits(row, "code", row.get("code"), length)?;
        digits(row, "successor", successor, length)?;
        let extents = [
            ("whole", Extent::Whole),
            ("part", Extent::Part),
            ("uncertain", Extent::Uncertain),
        ];
        Ok(Self {
            successor: successor.to_owned(),
            extent: row.one_of("extent", &extents)?,
            province: Some(row.get("province").to_owned()).filter(|province| !province.is_empty()),
        })
    }
}

/// A line of the list of old provinces.
#[derive(Debug, Clone)]
pub(crate) struct ProvinceSuccession(pub(crate) Succession);

impl Detail for ProvinceSuccession {
    const COLUMNS: &'static [&'static str] = &["successor", "extent"];

    fn read(_: &str, row: &Row<'_>) -> Result<Self, DataError> {
        Succession::read(row, 2).map(Self)
    }

    fn key(&self) -> String {
        self.0.successor.clone()
    }
}

impl Detail for Succession {
    const COLUMNS: &'static [&'static str] = &["province", "successor", "extent"];

    fn read(_: &str, row: &Row<'_>) -> Result<Self, DataError> {
        digits(row, "province", row.get("province"), 2)?;
        Self::read(row, 5)
    }

    fn key(&self) -> String {
        self.successor.clone()
    }
}

/// A detailed group within a programme. It never goes on a card (DOMAIN: groups that must not be published).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubProgramme {
    /// The coarse programme (AN4).
    pub programme: String,
    /// The multiple of the standard, in hundredths: 250 is 2.5. None where amounts are not multiples.
    pub coefficient_hundredths: Option<u32>,
    /// Whether it must not be printed or posted (Decree 20/2021 Art. 8.1.b).
    pub confidential: bool,
}

impl Detail for SubProgramme {
    const COLUMNS: &'static [&'static str] =
        &["name_en", "programme", "coefficient", "confidential", "valid_to"];

    fn read(code: &str, row: &Row<'_>) -> Result<Self, DataError> {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
        demand(
            row,
            "code",
            code.len() <= 8 && code.bytes().all(letters),
            "must be 1 to 8 letters, digits and full stops",
        )?;
        let coefficient_hundredths = match row.get("coefficient") {
            "" => None,
            text => Some(hundredths(text).ok_or_else(|| {
                row.error(
                    "coefficient",
                    "must be a number from 0.01 to 99.99 with at most 2 decimals",
                )
            })?),
        };
        Ok(Self {
            programme: row.required("programme")?.to_owned(),
            coefficient_hundredths,
            confidential: row.one_of("confidential", &YES_NO)?,
        })
    }
}

/// A monthly standard of a programme. Provinces may pay more (Decree 20/2021 Art. 4.3), so it is a floor, not a ceiling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standard {
    /// The province that set it; none for the country.
    pub province: Option<String>,
    /// Amount in VND.
    pub vnd: u64,
}

impl Detail for Standard {
    const COLUMNS: &'static [&'static str] = &["province", "vnd", "valid_to"];

    fn read(_: &str, row: &Row<'_>) -> Result<Self, DataError> {
        let vnd = row.number("vnd")?;
        // DOMAIN C2: amounts have at most 12 digits.
        demand(
            row,
            "vnd",
            (1..=999_999_999_999).contains(&vnd),
            "must be 1 to 999999999999",
        )?;
        Ok(Self {
            province: optional_province(row)?,
            vnd,
        })
    }

    fn key(&self) -> String {
        self.province.clone().unwrap_or_default()
    }
}

/// An agency (Decision 20/2020/QD-TTg).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agency {
    /// Its province; none for a central one.
    pub province: Option<String>,
}

impl Detail for Agency {
    const COLUMNS: &'static [&'static str] = &["province", "valid_to"];

    fn read(code: &str, row: &Row<'_>) -> Result<Self, DataError> {
        demand(
            row,
            "code",
            is_agency_code(code),
            "must be groups of A-Z and 0-9 with full stops between, at most 35 characters",
        )?;
        Ok(Self {
            province: optional_province(row)?,
        })
    }
}

/// Whether a text has the form of an agency code: groups of A-Z and 0-9 separated by full stops, up to 35 characters.
pub(crate) fn is_agency_code(code: &str) -> bool {
    let group = |group: &str| {
        !group.is_empty()
            && group
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    code.len() <= 35 && code.split('.').all(group)
}

/// A pay point. Stations register their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayPoint {
    /// The commune that it stands in, 5 digits.
    pub commune: String,
}

impl Detail for PayPoint {
    const COLUMNS: &'static [&'static str] = &["commune", "valid_to"];

    fn read(code: &str, row: &Row<'_>) -> Result<Self, DataError> {
        let letters = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
        demand(
            row,
            "code",
            code.len() <= 12 && code.bytes().all(letters),
            "must be 1 to 12 of A-Z, 0-9 and -",
        )?;
        let commune = row.get("commune");
        digits(row, "commune", commune, 5)?;
        Ok(Self {
            commune: commune.to_owned(),
        })
    }
}

/// What a rule's number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A day of the month, 1 to 31.
    DayOfMonth,
    /// Months.
    Months,
    /// Years.
    Years,
    /// A multiple of a standard.
    Times,
    /// Hundredths of a percent of what is paid out.
    BasisPoints,
    /// Vietnamese dong.
    Vnd,
}

/// A deadline, threshold, fee or period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The programme that it is for; none for all.
    pub programme: Option<String>,
    /// The province that set it; none for the country.
    pub province: Option<String>,
    /// How many.
    pub value: u32,
    /// Of what.
    pub unit: Unit,
}

impl Detail for Rule {
    const COLUMNS: &'static [&'static str] =
        &["name_en", "programme", "province", "value", "unit", "valid_to"];

    fn read(code: &str, row: &Row<'_>) -> Result<Self, DataError> {
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        demand(row, "code", code.bytes().all(letters), "must be of a-z and -")?;
        let units = [
            ("day-of-month", Unit::DayOfMonth),
            ("months", Unit::Months),
            ("years", Unit::Years),
            ("times", Unit::Times),
            ("basis-points", Unit::BasisPoints),
            ("vnd", Unit::Vnd),
        ];
        let unit = row.one_of("unit", &units)?;
        let most = match unit {
            Unit::DayOfMonth => 31,
            Unit::Vnd => 1_000_000_000,
            _ => 10_000,
        };
        let value = row.number("value")?;
        let value = u32::try_from(value)
            .ok()
            .filter(|value| (1..=most).contains(value));
        Ok(Self {
            programme: Some(row.get("programme").to_owned()).filter(|programme| !programme.is_empty()),
            province: optional_province(row)?,
            value: value.ok_or_else(|| row.error("value", format!("must be 1 to {most} for this unit")))?,
            unit,
        })
    }

    fn key(&self) -> String {
        format!("{:?} {:?}", self.programme, self.province)
    }
}

const YES_NO: [(&str, bool); 2] = [("yes", true), ("no", false)];

fn demand(row: &Row<'_>, column: &str, holds: bool, rule: &str) -> Result<(), DataError> {
    if holds {
        Ok(())
    } else {
        Err(row.error(column, rule))
    }
}

fn digits(row: &Row<'_>, column: &str, text: &str, length: usize) -> Result<(), DataError> {
    let good = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    demand(row, column, good, &format!("must be {length} digits"))
}

fn optional_province(row: &Row<'_>) -> Result<Option<String>, DataError> {
    match row.get("province") {
        "" => Ok(None),
        province => digits(row, "province", province, 2).map(|()| Some(province.to_owned())),
    }
}

/// `2`, `2.5` or `2.25` in hundredths, exactly: a coefficient is never a floating-point number.
fn hundredths(text: &str) -> Option<u32> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let plain = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(decimals) {
        return None;
    }
    let decimals: u32 = format!("{decimals:0<2}").parse().ok()?;
    let value = whole
        .parse::<u32>()
        .ok()?
        .checked_mul(100)?
        .checked_add(decimals)?;
    (value > 0).then_some(value)
}
