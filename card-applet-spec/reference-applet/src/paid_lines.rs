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

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test that panics has done its work"
)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn entitlement(number: u16) -> Entitlement {
        Entitlement {
            programme: Programme::SUDDEN_RELIEF,
            number,
            line_type: 1,
        }
    }

    fn month(index: u16) -> Period {
        Period::new(2000 + index / 12, u8::try_from(index % 12).unwrap() + 1).unwrap()
    }

    fn window(remembered: u16) -> Window {
        Window::around(month(remembered))
    }

    fn standing(table: &[Option<Row>], number: u16, period: u16, remembered: u16) -> Standing {
        look_up(
            table.iter().copied(),
            entitlement(number),
            month(period),
            window(remembered),
        )
    }

    fn pay(table: &mut [Option<Row>], number: u16, period: u16, remembered: u16) {
        let Standing::Unpaid(Some(mark)) = standing(table, number, period, remembered) else {
            panic!("line {number}, month {period} is not payable in month {remembered}")
        };
        table[usize::from(mark.number())] = Some(mark.row());
    }

    #[test]
    fn every_month_of_the_window_is_paid_once() {
        let mut table = [None; 2];
        for period in 300 - 36..=300 + 3 {
            pay(&mut table, 1, period, 300);
            assert_eq!(standing(&table, 1, period, 300), Standing::Paid);
        }
        assert_eq!(table[1], None, "one entitlement takes one row");
        for period in [0, 300 - 37, 300 + 4, 1000] {
            assert_eq!(standing(&table, 1, period, 300), Standing::OutsideWindow);
        }
    }

    #[test]
    fn a_month_stays_paid_until_it_leaves_the_window() {
        let mut table = [None; 1];
        pay(&mut table, 1, 303, 300);
        for remembered in 300..=339 {
            assert_eq!(
                standing(&table, 1, 303, remembered),
                Standing::Paid,
                "{remembered}"
            );
        }
        for remembered in 340..420 {
            assert_eq!(
                standing(&table, 1, 303, remembered),
                Standing::OutsideWindow,
                "{remembered}"
            );
        }
    }

    #[test]
    fn a_row_is_reused_only_when_all_its_months_are_gone() {
        let mut table = [None; 1];
        pay(&mut table, 1, 290, 300);
        pay(&mut table, 1, 303, 300);
        assert_eq!(standing(&table, 2, 339, 339), Standing::Unpaid(None));
        pay(&mut table, 2, 340, 340);
        assert_eq!(standing(&table, 1, 290, 340), Standing::OutsideWindow);
        assert_eq!(standing(&table, 1, 303, 340), Standing::OutsideWindow);
    }

    #[test]
    fn a_known_row_behind_a_free_one_is_found() {
        let mut table = [None; 3];
        pay(&mut table, 1, 264, 300);
        pay(&mut table, 2, 303, 300);
        // Row 0 may be reused, but line 2 has its own.
        assert_eq!(standing(&table, 2, 303, 301), Standing::Paid);
        pay(&mut table, 2, 304, 301);
        assert_eq!(table.iter().flatten().filter(|row| row.number == 2).count(), 1);
    }

    #[test]
    fn a_row_that_reaches_less_far_back_refuses_what_it_cannot_know() {
        let row = Row {
            programme: Programme::SUDDEN_RELIEF,
            number: 1,
            line_type: 1,
            base: 290,
            paid: 0,
        };
        assert_eq!(standing(&[Some(row)], 1, 289, 300), Standing::OutsideWindow);
        assert!(matches!(
            standing(&[Some(row)], 1, 290, 300),
            Standing::Unpaid(Some(_))
        ));
    }

    #[test]
    fn each_part_of_the_entitlement_counts() {
        let mut table = [None; 1];
        pay(&mut table, 1, 300, 300);
        let paid = entitlement(1);
        let others = [
            Entitlement { number: 2, ..paid },
            Entitlement { line_type: 2, ..paid },
            Entitlement {
                programme: Programme::from_bytes(*b"BTXH").unwrap(),
                ..paid
            },
        ];
        for other in others {
            let found = look_up(table.iter().copied(), other, month(300), window(300));
            assert_eq!(found, Standing::Unpaid(None));
        }
    }

    proptest! {
        /// Whatever is paid in whatever order while time goes on, no line is payable twice; and with room left, no
        /// unpaid line of the window is refused.
        #[test]
        fn no_line_is_ever_payable_twice(
            steps in proptest::collection::vec((0u16..6, 0u16..44, 0u16..5), 1..400),
        ) {
            let mut table: Vec<Option<Row>> = std::vec![None; 4];
            let mut paid = BTreeSet::new();
            let mut remembered = 100;
            for (number, offset, advance) in steps {
                remembered += advance / 4;
                let period = remembered - 38 + offset;
                let inside = (remembered - 36..=remembered + 3).contains(&period);
                match standing(&table, number, period, remembered) {
                    Standing::Unpaid(Some(mark)) => {
                        prop_assert!(inside && paid.insert((number, period)), "line {number} month {period} twice");
                        table[usize::from(mark.number())] = Some(mark.row());
                    }
                    Standing::Unpaid(None) => {
                        prop_assert!(inside && !paid.contains(&(number, period)));
                        let live = |other: &u16| {
                            paid.iter().any(|(n, month)| n == other && *month >= remembered - 36)
                        };
                        prop_assert!((0..6).filter(live).count() == 4, "room was left");
                    }
                    Standing::Paid => prop_assert!(inside && paid.contains(&(number, period))),
                    Standing::OutsideWindow => prop_assert!(!inside),
                }
            }
        }
    }
}
