//! Which payment lines were paid (SPEC 9.6): rows of bit maps over months. Pure, because "at most once" rests on it.
//!
//! A row begins at the first month of the window in which it was last written. The remembered date never goes back,
//! so neither does the window: every month before a row's base is outside any later window and is refused. Hence
//! forgetting a month, or a whole row, never makes a line payable again.

use card_spec::values::{Period, Programme};

use crate::record::record;

/// Months before the remembered one that may be paid (SPEC 9.3).
const BEFORE: u16 = 36;
/// Months after the remembered one that may be paid (SPEC 9.3).
const AFTER: u16 = 3;

/// The months that may be paid: 36 before and 3 after the month of the remembered date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    first: u16,
    last: u16,
}

impl Window {
    pub(crate) fn around(remembered: Period) -> Self {
        let month = remembered.index();
        Self {
            first: month.saturating_sub(BEFORE),
            last: month.saturating_add(AFTER),
        }
    }

    fn contains(self, month: u16) -> bool {
        (self.first..=self.last).contains(&month)
    }
}

/// What a row is about: all of a line's key but the person, who is the card's, and the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entitlement {
    pub(crate) programme: Programme,
    pub(crate) number: u16,
    pub(crate) line_type: u8,
}

record! {
    /// A row of the table: bit n stands for the month `base + n`, months counted as [`Period::index`] does.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Row {
        programme: Programme = 0x80,
        number: u16 = 0x81,
        line_type: u8 = 0x82,
        base: u16 = 0x83,
        paid: u64 = 0x84,
    }
}

impl Row {
    fn is_about(self, entitlement: Entitlement) -> bool {
        let Entitlement {
            programme,
            number,
            line_type,
        } = entitlement;
        (self.programme, self.number, self.line_type) == (programme, number, line_type)
    }

    /// Every paid month lies before the window: forgetting them changes no answer.
    fn is_spent(self, window: Window) -> bool {
        self.based_at(window.first).paid == 0
    }

    /// The same row with months before `first` forgotten.
    fn based_at(self, first: u16) -> Self {
        let shift = u32::from(first.saturating_sub(self.base));
        Self {
            base: self.base.max(first),
            paid: self.paid.checked_shr(shift).unwrap_or(0),
            ..self
        }
    }

    /// The bit of a month, `None` if the row does not reach it.
    fn bit(self, month: u16) -> Option<u64> {
        1u64.checked_shl(u32::from(month.checked_sub(self.base)?))
    }
}

/// Where a line stands in the table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its month may not be paid (any more, or yet).
    OutsideWindow,
    /// It was paid.
    Paid,
    /// It was not paid; without a mark there is no room to remember it.
    Unpaid(Option<Mark>),
}

/// Proof that a line was found unpaid, and the row to write when it is paid. Only [`look_up`] makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    number: u8,
    row: Row,
}

impl Mark {
    /// Number of the row to replace.
    pub(crate) const fn number(self) -> u8 {
        self.number
    }

    /// The row with the line marked.
    pub(crate) const fn row(self) -> Row {
        self.row
    }
}

/// Looks a line up in the table; `None` is a row never used.
pub(crate) fn look_up(
    rows: impl Iterator<Item = Option<Row>>,
    entitlement: Entitlement,
    period: Period,
    window: Window,
) -> Standing {
    let month = period.index();
    if !window.contains(month) {
        return Standing::OutsideWindow;
    }
    let mut vacant = None;
    for (number, row) in (0..).zip(rows) {
        match row {
            Some(row) if row.is_about(entitlement) => return in_row(number, row, month, window),
            Some(row) if !row.is_spent(window) => {}
            _ => vacant = vacant.or(Some(number)),
        }
    }
    let Entitlement {
        programme,
        number,
        line_type,
    } = entitlement;
    let empty = Row {
        programme,
        number,
        line_type,
        base: window.first,
        paid: 0,
    };
    match vacant {
        Some(number) => in_row(number, empty, month, window),
        None => Standing::Unpaid(None),
    }
}

fn in_row(number: u8, row: Row, month: u16, window: Window) -> Standing {
    let row = row.based_at(window.first);
    let Some(bit) = row.bit(month) else {
        return Standing::OutsideWindow;
    };
    if row.paid & bit != 0 {
        return Standing::Paid;
    }
    Standing::Unpaid(Some(Mark {
        number,
        row: Row {
            paid: row.paid | bit,
            ..row
        },
    }))
}
