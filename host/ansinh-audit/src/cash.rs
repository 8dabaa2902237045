//! A clerk's cash at a terminal: what its entries brought, handed out and counted (DATA 5.3).

use std::cmp::Ordering;
use std::fmt;

use card_spec::crypto::Verify;
use card_spec::journal::ShiftEnd;
use card_spec::values::Amount;
use serde::Serialize;

use crate::finding::{Code, Place};
use crate::journal::Pass;

/// A clerk's count of the cash at the end of a shift, or before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CashCount {
    /// Sequence number of the entry.
    pub entry: u32,
    /// Who counted.
    pub operator: String,
    /// What should have been there by the terminal's entries, in VND.
    pub expected_vnd: u64,
    /// What was there: more is over, less is short.
    pub counted_vnd: u64,
}

impl fmt::Display for CashCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            entry,
            operator,
            expected_vnd: expected,
            counted_vnd: counted,
        } = self;
        let difference = counted.abs_diff(*expected);
        let verdict = match counted.cmp(expected) {
            Ordering::Equal => "as it should be".to_owned(),
            Ordering::Greater => format!("{difference} VND over"),
            Ordering::Less => format!("{difference} VND short"),
        };
        writeln!(
            f,
            "  entry {entry}: {operator} counted {counted} VND of cash, {verdict}"
        )
    }
}

/// A clerk's cash between two entries.
#[derive(Default)]
pub(crate) struct Drawer {
    holder: Holder,
    /// The holder has closed the shift: the next shift has a new drawer, whoever's it is.
    is_closed: bool,
    received: u64,
    handed: u64,
}

#[derive(Default, PartialEq, Eq)]
enum Holder {
    /// Nobody yet.
    #[default]
    Nobody,
    Clerk(String),
    /// Entries are missing that may have changed what is in it.
    Unknown,
}

impl Drawer {
    pub(crate) fn shift_opened(&mut self, operator: &str) {
        let continues = match &self.holder {
            Holder::Clerk(clerk) => clerk == operator,
            Holder::Unknown => true,
            Holder::Nobody => false,
        };
        if self.is_closed || !continues {
            *self = Self {
                holder: Holder::Clerk(operator.to_owned()),
                ..Self::default()
            };
        }
    }

    pub(crate) fn shift_closed(&mut self, end: ShiftEnd) {
        self.is_closed = end == ShiftEnd::Closed;
    }

    pub(crate) fn handed(&mut self, vnd: u64) {
        self.handed = self.handed.saturating_add(vnd);
    }

    /// From here on nothing is known until a shift begins with a new drawer.
    pub(crate) fn entries_are_missing(&mut self) {
        *self = Self {
            holder: Holder::Unknown,
            ..Self::default()
        };
    }
}

impl<V: Verify> Pass<'_, V> {
    pub(crate) fn cash_received(&mut self, operator: &str, amount: Amount, place: &Place) {
        self.check_clerk(operator, place);
        self.drawer.received = self.drawer.received.saturating_add(amount.vnd());
    }

    pub(crate) fn cash_counted(&mut self, count: CashCount, place: &Place) {
        self.check_clerk(&count.operator, place);
        let Drawer { received, handed, .. } = self.drawer;
        if self.drawer.holder != Holder::Unknown && received.checked_sub(handed) != Some(count.expected_vnd) {
            let stated = count.expected_vnd;
            let text = format!("states {stated} VND; {received} came in, {handed} were handed over");
            self.find(Code::CashCounted, place, text);
        }
        self.journal.cash_counts.push(count);
    }

    fn check_clerk(&mut self, operator: &str, place: &Place) {
        if let Some(other) = self.shifts.not_working(operator) {
            self.find(Code::CashCounted, place, other);
        }
    }
}
