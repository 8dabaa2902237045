//! The report as JSON: `{"cases": [{"id", "result", …}], …}`.

use serde::Serialize;

use super::Subject;
use crate::{CaseReport, SPECIFICATION_VERSION};

#[derive(Serialize)]
struct Report<'r> {
    kit: &'static str,
    specification: u8,
    card: &'r str,
    select: String,
    date: &'r str,
    seed: u64,
    cases: Vec<Case<'r>>,
}

#[derive(Serialize)]
struct Case<'r> {
    id: &'r str,
    result: &'static str,
    clause: &'r str,
    purpose: &'r str,
    expected: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'r str,
}

/// The report as one line of JSON.
///
/// # Errors
/// Those of the JSON library; there is no input for which it has any.
pub fn json(subject: &Subject, reports: &[CaseReport<'_>]) -> serde_json::Result<String> {
    let cases = reports.iter().map(|report| Case {
        id: report.case.id(),
        result: report.verdict.as_str(),
        clause: report.case.clause(),
        purpose: report.case.purpose(),
        expected: report.case.expected(),
        detail: report.verdict.detail(),
    });
    serde_json::to_string(&Report {
        kit: env!("CARGO_PKG_VERSION"),
        specification: SPECIFICATION_VERSION,
        card: &subject.card,
        select: hex::encode_upper(&subject.select),
        date: &subject.date,
        seed: subject.seed,
        cases: cases.collect(),
    })
}
