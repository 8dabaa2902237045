//! The report as text.

use super::{Count, Subject, words};
use crate::{CaseReport, Verdict};

/// One case in a line, with its steps below if it failed.
#[must_use]
pub fn line(report: &CaseReport<'_>) -> String {
    let case = report.case;
    let mut text = format!(
        "{:<14} {:<9} {}\n",
        report.verdict.as_str(),
        case.id(),
        case.purpose()
    );
    if let Verdict::Fail(reason) = &report.verdict {
        text += &format!(
            "               expected: {}\n               found:    {reason}\n",
            case.expected()
        );
        for step in &report.steps {
            text += &format!("                 {}\n", words(step));
        }
    }
    text
}

/// The whole report, with the steps of every case that ran.
#[must_use]
pub fn text(subject: &Subject, reports: &[CaseReport<'_>]) -> String {
    let mut text = String::from("Conformance report\n\n");
    for (name, value) in subject.lines() {
        text += &format!("{name:<14} {value}\n");
    }
    text += &format!("{:<14} {}\n", "Result", Count::of(reports));
    for report in reports {
        let case = report.case;
        text += &format!("\n{} {}\n", case.id(), report.verdict.as_str());
        text += &format!("  purpose   {}\n", case.purpose());
        text += &format!("  profile   {}\n", case.needs());
        text += &format!("  starts    {}\n", case.stage());
        text += &format!("  expected  {}\n", case.expected());
        if !report.verdict.detail().is_empty() {
            text += &format!("  found     {}\n", report.verdict.detail());
        }
        for step in &report.steps {
            text += &format!("    {}\n", words(step));
        }
    }
    text
}
