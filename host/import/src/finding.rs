//! What is wrong, or worth a look, in a list.

use serde::Serialize;

/// One thing that is wrong, or worth a look, in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Line in the file, or row of the sheet, the header being 1.
    pub line: u64,
    /// Column, by its name in the header; empty for the whole line.
    pub column: String,
    /// Where it stands in a spreadsheet, such as `C17`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
    /// The value that was found there.
    pub value: String,
    /// The rule that it breaks, or what to look at.
    pub rule: String,
    /// For a warning: what it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<WarningCode>,
}

/// What a warning is about. The ledger keeps this word with the list, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningCode {
    /// Century and year digits of the số định danh do not fit the birth date.
    IdYear,
    /// The sex digit of the số định danh does not fit the sex.
    IdSex,
    /// The số định danh begins with no province's digits.
    IdPrefix,
    /// The commune's code is in no list.
    UnknownCommune,
    /// The commune is in another province.
    CommuneProvince,
    /// The name is longer than a card holds: its person gets no card.
    LongName,
    /// A letter that Vietnamese names do not have.
    UnusualLetters,
    /// The authorization ends before the month that is paid.
    AuthorizationEnded,
    /// The workbook has more sheets than the one that is read.
    OtherSheets,
}

impl WarningCode {
    /// The word in ledger and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::IdYear => "id-year",
            Self::IdSex => "id-sex",
            Self::IdPrefix => "id-prefix",
            Self::UnknownCommune => "unknown-commune",
            Self::CommuneProvince => "commune-province",
            Self::LongName => "long-name",
            Self::UnusualLetters => "unusual-letters",
            Self::AuthorizationEnded => "authorization-ended",
            Self::OtherSheets => "other-sheets",
        }
    }
}

/// Errors and warnings as they are gathered.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) errors: Vec<Finding>,
    pub(crate) warnings: Vec<Finding>,
}

impl Findings {
    /// An error of a whole line, or of the file (line 1).
    pub(crate) fn refuse(&mut self, line: u64, rule: impl Into<String>) {
        self.errors.push(Finding::new(line, "", "", rule));
    }
}

impl Finding {
    pub(crate) fn new(line: u64, column: &str, value: &str, rule: impl Into<String>) -> Self {
        Self {
            line,
            column: column.to_owned(),
            cell: None,
            value: value.to_owned(),
            rule: rule.into(),
            warning: None,
        }
    }
}
