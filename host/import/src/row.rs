//! One line of the list: fields by column name, findings with line, column and value.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use crate::columns::Columns;
use crate::finding::{Finding, Findings, WarningCode};
use crate::record::Record;

/// One line of the list.
pub(super) struct Row<'a> {
    record: &'a Record,
    columns: &'a Columns,
    findings: &'a mut Findings,
}

impl<'a> Row<'a> {
    pub(super) fn new(record: &'a Record, columns: &'a Columns, findings: &'a mut Findings) -> Self {
        Self {
            record,
            columns,
            findings,
        }
    }

    /// Line in the file.
    pub(super) fn number(&self) -> u64 {
        self.record.number
    }

    /// A field in NFC; `None` if it is empty or its column missing.
    pub(super) fn text(&self, column: &str) -> Option<Cow<'a, str>> {
        let field = self.record.fields.get(self.columns.place(column)?)?;
        if field.is_empty() {
            return None;
        }
        Some(match is_nfc_quick(field.chars()) {
            IsNormalized::Yes => Cow::Borrowed(field.as_str()),
            _ => Cow::Owned(field.nfc().collect()),
        })
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

    /// Notes an error, unless the field could not even be read: that is noted already.
    pub(super) fn error(&mut self, column: &str, rule: impl Into<String>) {
        let place = self.columns.place(column);
        if place.is_some_and(|place| self.record.refused.contains(&place)) {
            return;
        }
        let finding = self.finding(column, rule);
        self.findings.errors.push(finding);
    }

    pub(super) fn warn(&mut self, column: &str, code: WarningCode, rule: impl Into<String>) {
        let mut finding = self.finding(column, rule);
        finding.warning = Some(code);
        self.findings.warnings.push(finding);
    }

    fn finding(&self, column: &str, rule: impl Into<String>) -> Finding {
        let value = self.text(column).unwrap_or_default();
        Finding::new(self.number(), column, &value, rule)
    }
}
