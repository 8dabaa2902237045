//! Who worked at a terminal: its lists of operators, shifts, and that orders name whoever had the shift (DATA 5.3, 11).

use card_spec::crypto::Verify;

use crate::finding::{Code, Place};
use crate::journal::Pass;

/// What is known of shifts between two entries.
#[derive(Default)]
pub(crate) struct Shifts {
    open: Shift,
    /// Number of the newest list of operators.
    newest_list: u32,
}

#[derive(Default)]
enum Shift {
    #[default]
    Closed,
    Open(String),
    /// Entries are missing that may have opened or closed one.
    Unknown,
}

impl Shifts {
    /// A start ends what was open.
    pub(crate) fn boot(&mut self) {
        self.open = Shift::Closed;
    }

    pub(crate) fn opened(&mut self, operator: &str) {
        self.open = Shift::Open(operator.to_owned());
    }

    /// Was a list of operators loaded?
    pub(crate) fn are_operators_known(&self) -> bool {
        self.newest_list > 0
    }

    pub(crate) fn entries_are_missing(&mut self) {
        self.open = Shift::Unknown;
    }

    /// Why this operator cannot have done something now, if it is so.
    pub(crate) fn not_working(&self, operator: &str) -> Option<String> {
        match &self.open {
            Shift::Open(open) if open != operator => Some(format!("names {operator} in a shift of {open}")),
            Shift::Closed => Some(format!("names {operator}, and no shift is open")),
            Shift::Open(_) | Shift::Unknown => None,
        }
    }
}

impl<V: Verify> Pass<'_, V> {
    pub(crate) fn operators_loaded(&mut self, number: u32, place: &Place) {
        let before = self.shifts.newest_list;
        if number <= before {
            let text = format!("list of operators {number}, {before} was loaded before");
            self.find(Code::OperatorsLoaded, place, text);
        }
        self.shifts.newest_list = before.max(number);
    }

    pub(crate) fn shift_closed(&mut self, operator: &str, place: &Place) {
        let is_open = match std::mem::take(&mut self.shifts.open) {
            Shift::Open(open) => open == operator,
            Shift::Unknown => true,
            Shift::Closed => false,
        };
        if !is_open {
            self.find(Code::ShiftClosed, place, format!("{operator} has no open shift"));
        }
    }

    /// An order or a reversal names the operator whose shift it is.
    pub(crate) fn check_operator(&mut self, operator: &str, place: &Place) {
        if let Some(text) = self.shifts.not_working(operator) {
            self.find(Code::OrderOperator, place, text);
        }
    }
}
