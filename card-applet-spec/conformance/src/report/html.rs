//! The report as one HTML file that needs nothing else: what a vendor hands in.

use super::{Count, Subject, words};
use crate::CaseReport;

const STYLE: &str = "body{font:16px/1.4 sans-serif;margin:2em auto;max-width:64em;padding:0 1em}\
table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:.15em .8em .15em 0}\
code{font-size:.9em;overflow-wrap:anywhere}details{border-top:1px solid #ccc;padding:.4em 0}\
summary{cursor:pointer}.pass{color:#060}.fail{color:#a00;font-weight:bold}.not-applicable{color:#666}\
ol{margin:.3em 0}";

/// The report. Failed cases are open, the others folded.
#[must_use]
pub fn html(subject: &Subject, reports: &[CaseReport<'_>]) -> String {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Conformance report</title>\
         <style>{STYLE}</style></head><body>\n<h1>Conformance report</h1>\n<table>\n"
    );
    for (name, value) in subject.lines() {
        html += &row(name, &value);
    }
    html += &row("Result", &Count::of(reports).to_string());
    html += "</table>\n";
    let mut clause = "";
    for report in reports {
        if report.case.clause() != clause {
            clause = report.case.clause();
            html += &format!("<h2>SPEC {}</h2>\n", escaped(clause));
        }
        html += &case(report);
    }
    html + "</body></html>\n"
}

fn case(report: &CaseReport<'_>) -> String {
    let (case, verdict) = (report.case, report.verdict.as_str());
    let open = if verdict == "fail" { " open" } else { "" };
    let mut html = format!(
        "<details{open}><summary><span class=\"{verdict}\">{verdict}</span> {} {}</summary>\n<table>\n",
        escaped(case.id()),
        escaped(case.purpose())
    );
    html += &row("Profile", &case.needs().to_string());
    html += &row("Starts", &case.stage().to_string());
    html += &row("Expected", case.expected());
    if !report.verdict.detail().is_empty() {
        html += &row("Found", report.verdict.detail());
    }
    html += "</table>\n<ol>\n";
    for step in &report.steps {
        html += &format!("<li><code>{}</code></li>\n", escaped(&words(step)));
    }
    html + "</ol></details>\n"
}

fn row(name: &str, value: &str) -> String {
    format!("<tr><th>{}</th><td>{}</td></tr>\n", escaped(name), escaped(value))
}

/// Text as HTML: a card's answers and a reader's name are not ours.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_from_outside_is_markup() {
        assert_eq!(escaped("<b a=\"&\">"), "&lt;b a=&quot;&amp;&quot;&gt;");
    }
}
