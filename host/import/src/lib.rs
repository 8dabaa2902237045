//! The import of an approved list: a CSV file is checked whole, and either every line is good or nothing is imported.
//!
//! The checks are pure: bytes in, a checked list or all findings out. Columns that only the payer's bank or the case system
//! needs (address, telephone, account) are recognised and not taken over: what is not stored cannot leak.

mod across;
mod columns;
mod line;
mod row;
mod rules;

use ansinh_store::import::ApprovedList;
use card_spec::crypto::sha256;
use serde::Serialize;

use ansinh_reference::Reference;

/// One thing that is wrong, or worth a look, in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Line in the file, the header being 1.
    pub line: u64,
    /// Column, by its name in the header.
    pub column: String,
    /// The value that was found there.
    pub value: String,
    /// The rule that it breaks.
    pub rule: String,
}

/// A list without errors.
#[derive(Clone)]
pub struct Checked {
    /// What the ledger takes.
    pub list: ApprovedList,
    /// What somebody should look at.
    pub warnings: Vec<Finding>,
}

/// A list with at least one error. Nothing of it may be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// All errors, by line.
    pub errors: Vec<Finding>,
    /// What somebody should look at besides.
    pub warnings: Vec<Finding>,
}

/// Errors and warnings as they are gathered.
#[derive(Default)]
struct Findings {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

/// Checks a list. `province` is where persons live whose line names no province.
///
/// # Errors
/// [`Rejected`] with every error of the file.
pub fn check(
    file: &[u8],
    file_name: &str,
    reference: &Reference,
    province: &str,
) -> Result<Checked, Rejected> {
    let mut findings = Findings::default();
    let mut lines = Vec::new();
    if let Some((columns, records)) = columns::read(file, &mut findings) {
        for record in &records {
            let number = record.position().map_or(0, csv::Position::line);
            let mut row = row::Row::new(number, record, &columns, &mut findings);
            lines.extend(line::check(&mut row, reference, province));
        }
        if records.is_empty() {
            findings
                .errors
                .push(Finding::new(1, "", "", "the file has a header but no lines"));
        }
    }
    across::check(&lines, &mut findings);
    findings.errors.sort_by_key(|finding| finding.line);
    if !findings.errors.is_empty() {
        return Err(Rejected {
            errors: findings.errors,
            warnings: findings.warnings,
        });
    }
    let list = ApprovedList {
        file_hash: sha256(&[file]),
        file_name: file_name.to_owned(),
        lines,
    };
    Ok(Checked {
        list,
        warnings: findings.warnings,
    })
}

impl Finding {
    pub(crate) fn new(line: u64, column: &str, value: &str, rule: impl Into<String>) -> Self {
        Self {
            line,
            column: column.to_owned(),
            value: value.to_owned(),
            rule: rule.into(),
        }
    }
}
