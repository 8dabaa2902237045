//! What a run came to: for a person (text, HTML) and for a program (JSON).

mod html;
mod json;
mod text;

pub use html::html;
pub use json::json;
pub use text::{line, text};

use crate::{CaseReport, SPECIFICATION_VERSION, Step};

/// What the report is about, beside the cases.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The reader's name, or "in process".
    pub card: String,
    /// All keys, objects and nonces of the kit follow from it.
    pub seed: u64,
    /// When the run began, UTC, as text.
    pub date: String,
    /// What the card answered to SELECT, before the first case.
    pub select: Vec<u8>,
}

impl Subject {
    /// Name and value of each line of the report's head.
    fn lines(&self) -> [(&'static str, String); 6] {
        [
            ("Kit", format!("ansinh-conformance {}", env!("CARGO_PKG_VERSION"))),
            (
                "Specification",
                format!("SPEC.md, version {SPECIFICATION_VERSION}"),
            ),
            ("Card", self.card.clone()),
            ("SELECT", hex::encode_upper(&self.select)),
            ("Date", self.date.clone()),
            ("Seed", self.seed.to_string()),
        ]
    }
}

/// How many cases came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Not run.
    pub not_applicable: usize,
}

impl Count {
    /// Counts.
    #[must_use]
    pub fn of(reports: &[CaseReport<'_>]) -> Self {
        let count = |verdict| {
            reports
                .iter()
                .filter(|report| report.verdict.as_str() == verdict)
                .count()
        };
        Self {
            passed: count("pass"),
            failed: count("fail"),
            not_applicable: count("not-applicable"),
        }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            passed,
            failed,
            not_applicable,
        } = self;
        write!(
            f,
            "{passed} passed, {failed} failed, {not_applicable} not applicable"
        )
    }
}

/// A step in words.
fn words(step: &Step) -> String {
    match step {
        Step::Note(text) => format!("({text})"),
        Step::Command {
            meaning,
            octets,
            answer,
            status,
        } => {
            let sent = if meaning.is_empty() {
                plain(octets)
            } else {
                format!("protected {meaning}")
            };
            match status {
                Some(status) if *answer > 0 => format!("{sent} → {answer} octets, {status:04X}"),
                Some(status) => format!("{sent} → {status:04X}"),
                None => format!("{sent} → no answer"),
            }
        }
    }
}

/// A command in plain, with its name and its octets.
fn plain(octets: &[u8]) -> String {
    let name = match octets {
        [class, instruction, ..] => crate::channel::command_name(*class, *instruction),
        _ => "octets",
    };
    let shown = octets.get(..40).unwrap_or(octets);
    let more = if shown.len() < octets.len() { "…" } else { "" };
    format!("{name} {}{more}", hex::encode_upper(shown))
}
