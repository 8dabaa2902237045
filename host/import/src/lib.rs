//! The import of an approved list: a file is checked whole, and either every line is good or nothing is imported.
//!
//! The checks are pure: bytes in, a checked list or all findings out. A file is text with separators (`delimited.rs`) or a
//! workbook (`workbook.rs`); both give the same lines, held against the same rules. Columns that only the payer's bank or the
//! case system needs (address, telephone, account) are recognised and not taken over: what is not stored cannot leak.
//!
//! A plain list adds to the ledger. A delta list also changes what the ledger holds: other data of a person, the end of a
//! decision (`ngay_thoi_huong`, `ly_do_thoi`); a line of it need not pay anything. What becomes of each difference is the
//! table at the head of [`ansinh_store::import`].

mod across;
mod columns;
mod deaths;
mod delimited;
mod finding;
pub mod limits;
mod line;
mod record;
mod row;
mod rules;
mod workbook;

use ansinh_reference::Reference;
use ansinh_store::import::{ApprovedLine, ApprovedList, Contradiction, ListKind, Warning};
pub use ansinh_store::names::fold;
use card_spec::crypto::sha256;

use crate::columns::Columns;
pub use crate::deaths::check_deaths;
use crate::finding::Findings;
pub use crate::finding::{Finding, WarningCode};
use crate::record::{Record, Sink};
use crate::row::Row;

/// A list without errors.
#[derive(Clone)]
pub struct Checked {
    /// What the ledger takes.
    pub list: ApprovedList,
    /// What somebody should look at, by line.
    pub warnings: Vec<Finding>,
    columns: Columns,
}

/// A list with at least one error. Nothing of it may be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// All errors, by line.
    pub errors: Vec<Finding>,
    /// What somebody should look at besides, by line.
    pub warnings: Vec<Finding>,
}

/// What a list is held against.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// The codes in force.
    pub reference: &'a Reference,
    /// Where persons live whose line names no province, 2 digits.
    pub province: &'a str,
    /// What the list may do to what the ledger holds.
    pub kind: ListKind,
}

/// Checks a plain list. `province` is where persons live whose line names no province.
///
/// # Errors
/// [`Rejected`] with every error of the file.
pub fn check(
    file: &[u8],
    file_name: &str,
    reference: &Reference,
    province: &str,
) -> Result<Checked, Rejected> {
    let terms = Terms {
        reference,
        province,
        kind: ListKind::Plain,
    };
    check_under(terms, file, file_name, &mut |_, _| {})
}

/// Checks a list under some terms. `progress` hears how much of how much is read.
///
/// # Errors
/// [`Rejected`] with every error of the file.
pub fn check_under(
    terms: Terms<'_>,
    file: &[u8],
    file_name: &str,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Checked, Rejected> {
    let mut checker = Checker {
        terms,
        progress,
        columns: Columns::default(),
        findings: Findings::default(),
        records: 0,
        lines: Vec::new(),
    };
    checker.read(file);
    let Checker {
        columns,
        mut findings,
        lines,
        ..
    } = checker;
    across::check(&lines, &mut findings);
    let located = |findings: Vec<Finding>| {
        let mut findings: Vec<_> = findings
            .into_iter()
            .map(|finding| columns.locate(finding))
            .collect();
        findings.sort_by_key(|finding| finding.line);
        findings
    };
    let (errors, warnings) = (located(findings.errors), located(findings.warnings));
    if !errors.is_empty() {
        return Err(Rejected { errors, warnings });
    }
    let list = ApprovedList {
        file_hash: sha256(&[file]),
        file_name: file_name.to_owned(),
        kind: terms.kind,
        lines,
        warnings: warnings.iter().filter_map(kept).collect(),
    };
    Ok(Checked {
        list,
        warnings,
        columns,
    })
}

impl Checked {
    /// Where the ledger contradicts the list, as a finding.
    pub fn finding(&self, contradiction: &Contradiction) -> Finding {
        let Contradiction {
            file_line,
            column,
            rule,
        } = *contradiction;
        self.columns.locate(Finding::new(file_line, column, "", rule))
    }
}

/// What the ledger keeps of a warning.
fn kept(finding: &Finding) -> Option<Warning> {
    Some(Warning {
        file_line: finding.line,
        column: finding.column.clone(),
        code: finding.warning?.name().to_owned(),
    })
}

/// A check under way.
struct Checker<'a> {
    terms: Terms<'a>,
    progress: &'a mut dyn FnMut(u64, u64),
    columns: Columns,
    findings: Findings,
    records: usize,
    lines: Vec<ApprovedLine>,
}

impl Checker<'_> {
    fn read(&mut self, file: &[u8]) {
        if file.len() as u64 > limits::FILE {
            let rule = format!("a file of more than {} MiB: split the list", limits::FILE >> 20);
            self.findings.refuse(1, rule);
            return;
        }
        if file.starts_with(workbook::OLD_SIGNATURE) {
            let rule =
                "a workbook of Excel 97 to 2003, or one with a password: save it as .xlsx without a password";
            self.findings.refuse(1, rule);
            return;
        }
        if file.starts_with(workbook::SIGNATURE) {
            workbook::read(file, self);
        } else {
            delimited::read(file, self);
        }
        if self.records == 0 && self.findings.errors.is_empty() {
            self.findings.refuse(1, "the file has a header but no lines");
        }
    }
}

impl Sink for Checker<'_> {
    fn findings(&mut self) -> &mut Findings {
        &mut self.findings
    }

    fn header(&mut self, columns: Columns) -> bool {
        let good = columns.check(1, &mut self.findings);
        self.columns = columns;
        good
    }

    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn record(&mut self, record: Record, part: u64, whole: u64) {
        self.records += 1;
        if self.records > limits::LINES {
            if self.records == limits::LINES + 1 {
                let rule = format!("more than {} lines: split the list", limits::LINES);
                self.findings.refuse(record.number, rule);
            }
            return;
        }
        let mut row = Row::new(&record, &self.columns, &mut self.findings);
        self.lines.extend(line::check(&mut row, &self.terms));
        (self.progress)(part, whole);
    }
}
