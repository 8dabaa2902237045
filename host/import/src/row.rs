//! One line of the file: fields by column name, findings with line, column and value.

use csv::StringRecord;
use unicode_normalization::UnicodeNormalization as _;

use crate::columns::Columns;
use crate::{Finding, Findings};

/// One line of the file.
pub(super) struct Row<'a> {
    number: u64,
    record: &'a StringRecord,
    columns: &'a Columns,
    findings: &'a mut Findings,
}

impl<'a> Row<'a> {
    pub(super) fn new(
        number: u64,
        record: &'a StringRecord,
        columns: &'a Columns,
        findings: &'a mut Findings,
    ) -> Self {
        let mut row = Self {
            number,
            record,
            columns,
            findings,
        };
        if row.record.len() != row.columns.len() {
            let rule = format!(
                "{} fields where the header has {}",
                row.record.len(),
                row.columns.len()
            );
            row.error("", rule);
        }
        row
    }

    /// Line in the file.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// A field without outer spaces, in NFC; `None` if it is empty or its column missing.
    pub(super) fn text(&self, column: &str) -> Option<String> {
        let field = self.record.get(self.columns.place(column)?)?.trim();
        (!field.is_empty()).then(|| field.nfc().collect())
    }

    /// A field that must be there and fit its rule.
    pub(super) fn required<T>(
        &mut self,
        column: &str,
        rule: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let Some(text) = self.text(column) else {
            self.error(column, format!("is missing: {rule}"));
            return None;
        };
        let parsed = parse(&text);
        if parsed.is_none() {
            self.error(column, rule);
        }
        parsed
    }

    /// A field that must fit its rule if it is there. `None` means an error, `Some(None)` an empty field.
    pub(super) fn optional<T>(
        &mut self,
        column: &str,
        rule: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.text(column).is_none() {
            return Some(None);
        }
        self.required(column, rule, parse).map(Some)
    }

    pub(super) fn error(&mut self, column: &str, rule: impl Into<String>) {
        let finding = self.finding(column, rule);
        self.findings.errors.push(finding);
    }

    pub(super) fn warn(&mut self, column: &str, rule: impl Into<String>) {
        let finding = self.finding(column, rule);
        self.findings.warnings.push(finding);
    }

    fn finding(&self, column: &str, rule: impl Into<String>) -> Finding {
        Finding::new(self.number, column, &self.text(column).unwrap_or_default(), rule)
    }
}
