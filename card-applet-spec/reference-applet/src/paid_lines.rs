//! Which payment lines were paid (SPEC 9.6): rows of bit maps over months. Pure, because "at most once" rests on it.
//!
//! A row begins at the first month of the window in which it was last marked, its base; what lies before is forgotten.
//! As long as the remembered date moves forward so does the window, and where a script sets it back the floor rises to the
//! latest base of any row (SPEC 13.9). So every month that was forgotten is outside any later window and is refused:
//! forgetting a month, or a whole row, never makes a line payable again; only a reversal does.

use card_spec::payment::LineKeyParts;
use card_spec::values::{Period, Programme};

use crate::record::record;

/// Months before the remembered one that may be paid (SPEC 9.3).
const BEFORE: u16 = 36;
/// Months after the remembered one that may be paid (SPEC 9.3).
const AFTER: u16 = 3;

/// The months that may be paid: 36 before and 3 after the month of the remembered date, none before the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    first: u16,
    last: u16,
}

impl Window {
    pub(crate) fn around(remembered: Period, floor: Period) -> Self {
        let month = remembered.index();
        Self {
            first: month.saturating_sub(BEFORE).max(floor.index()),
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

impl Entitlement {
    pub(crate) const fn of(line: &LineKeyParts) -> Self {
        Self {
            programme: line.programme,
            number: line.entitlement,
            line_type: line.line_type as u8,
        }
    }
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
    /// It was paid.
    Paid,
    /// The table does not know it as paid.
    Unpaid(Unpaid),
}

/// What is to be said of a line that the table does not know as paid.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unpaid {
    /// Its month may not be paid (any more, or yet).
    OutsideWindow,
    /// The table has no room to remember it.
    NoRoom,
    /// It may be paid.
    Payable(Mark),
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

/// Looks a line up in the table; `None` is a row never used. A line that a row still knows as paid is paid, wherever the
/// window is by now: an order whose receipt was overwritten must not be told anything else (SPEC 9.3).
pub(crate) fn look_up(
    rows: impl Iterator<Item = Option<Row>>,
    entitlement: Entitlement,
    period: Period,
    window: Window,
) -> Standing {
    let month = period.index();
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
        None if window.contains(month) => Standing::Unpaid(Unpaid::NoRoom),
        None => Standing::Unpaid(Unpaid::OutsideWindow),
    }
}

fn in_row(number: u8, row: Row, month: u16, window: Window) -> Standing {
    if row.bit(month).is_some_and(|bit| row.paid & bit != 0) {
        return Standing::Paid;
    }
    let row = row.based_at(window.first);
    match row.bit(month) {
        Some(bit) if window.contains(month) => Standing::Unpaid(Unpaid::Payable(Mark {
            number,
            row: Row {
                paid: row.paid | bit,
                ..row
            },
        })),
        _ => Standing::Unpaid(Unpaid::OutsideWindow),
    }
}

/// The row to write when the payment of a line is undone, and its number; `None` if the table has forgotten the line, which
/// then lies outside any later window.
pub(crate) fn unmark(
    rows: impl Iterator<Item = Option<Row>>,
    entitlement: Entitlement,
    period: Period,
) -> Option<(u8, Row)> {
    let known = |(number, row): (u8, Option<Row>)| {
        row.filter(|row| row.is_about(entitlement))
            .map(|row| (number, row))
    };
    let (number, row) = (0..).zip(rows).find_map(known)?;
    let bit = row.bit(period.index()).filter(|bit| row.paid & bit != 0)?;
    let paid = row.paid & !bit;
    Some((number, Row { paid, ..row }))
}

/// The latest base of any row: no month that the table has forgotten lies at or after it.
pub(crate) fn latest_base(rows: impl Iterator<Item = Option<Row>>) -> Option<Period> {
    let base = rows.flatten().map(|row| row.base).max()?;
    Period::from_index(base)
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
        Window::around(month(remembered), Period::FIRST)
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
        let Standing::Unpaid(Unpaid::Payable(mark)) = standing(table, number, period, remembered) else {
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
            assert_eq!(
                standing(&table, 1, period, 300),
                Standing::Unpaid(Unpaid::OutsideWindow)
            );
        }
    }

    #[test]
    fn a_month_stays_paid_until_its_row_forgets_it_outside_the_window() {
        let mut table = [None; 1];
        pay(&mut table, 1, 303, 300);
        for remembered in 300..420 {
            assert_eq!(
                standing(&table, 1, 303, remembered),
                Standing::Paid,
                "{remembered}"
            );
        }
        pay(&mut table, 1, 340, 340);
        for remembered in 340..420 {
            assert_eq!(
                standing(&table, 1, 303, remembered),
                Standing::Unpaid(Unpaid::OutsideWindow),
                "{remembered}"
            );
        }
    }

    #[test]
    fn a_row_is_reused_only_when_all_its_months_are_gone() {
        let mut table = [None; 1];
        pay(&mut table, 1, 290, 300);
        pay(&mut table, 1, 303, 300);
        assert_eq!(standing(&table, 2, 339, 339), Standing::Unpaid(Unpaid::NoRoom));
        pay(&mut table, 2, 340, 340);
        assert_eq!(
            standing(&table, 1, 290, 340),
            Standing::Unpaid(Unpaid::OutsideWindow)
        );
        assert_eq!(
            standing(&table, 1, 303, 340),
            Standing::Unpaid(Unpaid::OutsideWindow)
        );
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
        assert_eq!(
            standing(&[Some(row)], 1, 289, 300),
            Standing::Unpaid(Unpaid::OutsideWindow)
        );
        assert!(matches!(
            standing(&[Some(row)], 1, 290, 300),
            Standing::Unpaid(Unpaid::Payable(_))
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
            assert_eq!(found, Standing::Unpaid(Unpaid::NoRoom));
        }
    }

    #[test]
    fn no_month_before_the_floor_is_paid_and_its_row_is_free() {
        let mut table = [None; 1];
        pay(&mut table, 1, 300, 300);
        let with_floor = |table: &[Option<Row>], number, period, floor| {
            let window = Window::around(month(300), month(floor));
            look_up(table.iter().copied(), entitlement(number), month(period), window)
        };
        assert_eq!(
            with_floor(&table, 1, 299, 301),
            Standing::Unpaid(Unpaid::OutsideWindow)
        );
        assert_eq!(with_floor(&table, 1, 300, 301), Standing::Paid);
        assert_eq!(with_floor(&table, 1, 300, 300), Standing::Paid);
        assert_eq!(with_floor(&table, 2, 301, 300), Standing::Unpaid(Unpaid::NoRoom));
        assert!(matches!(
            with_floor(&table, 2, 301, 301),
            Standing::Unpaid(Unpaid::Payable(_))
        ));
        // A floor before the window changes nothing, one behind it leaves nothing to pay.
        assert_eq!(
            with_floor(&table, 1, 263, 200),
            Standing::Unpaid(Unpaid::OutsideWindow)
        );
        assert_eq!(
            with_floor(&table, 1, 303, 304),
            Standing::Unpaid(Unpaid::OutsideWindow)
        );
    }

    #[test]
    fn undoing_a_payment_undoes_that_one_only() {
        let mut table = [None; 2];
        pay(&mut table, 1, 299, 300);
        pay(&mut table, 1, 300, 300);
        pay(&mut table, 2, 300, 300);
        let undo = |table: &[Option<Row>], number, period| {
            unmark(table.iter().copied(), entitlement(number), month(period))
        };
        for (number, period) in [(3, 300), (1, 298), (1, 301), (1, 0), (1, 900), (2, 299)] {
            assert_eq!(
                undo(&table, number, period),
                None,
                "line {number}, month {period}"
            );
        }
        let (number, row) = undo(&table, 1, 300).unwrap();
        table[usize::from(number)] = Some(row);
        assert_eq!(undo(&table, 1, 300), None);
        assert_eq!(standing(&table, 1, 299, 300), Standing::Paid);
        assert_eq!(standing(&table, 2, 300, 300), Standing::Paid);
        pay(&mut table, 1, 300, 300);
    }

    /// What happens to a table between two looks at it.
    #[derive(Clone, Debug)]
    enum Step {
        /// A line is paid, if it may be: entitlement, months after two before the window.
        Pay(u16, u16),
        /// Time goes on by so many months.
        Advance(u16),
        /// One of the payments that stand is undone.
        Undo(proptest::sample::Index),
        /// Script 07: the floor rises to so many months before the remembered one.
        Prune(u16),
        /// Script 08: the remembered month becomes this one.
        SetDate(u16),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            12 => (0u16..6, 0u16..44).prop_map(|(number, offset)| Step::Pay(number, offset)),
            2 => (0u16..4).prop_map(Step::Advance),
            3 => any::<proptest::sample::Index>().prop_map(Step::Undo),
            1 => (0u16..40).prop_map(Step::Prune),
            1 => (60u16..400).prop_map(Step::SetDate),
        ]
    }

    /// Table and model side by side.
    struct Model {
        table: Vec<Option<Row>>,
        remembered: u16,
        floor: u16,
        /// The first month of the window at the latest payment: what lies before may be forgotten.
        latest_base: u16,
        /// Payments that stand, also those the table has forgotten.
        paid: BTreeSet<(u16, u16)>,
    }

    impl Model {
        /// The first month that may be paid, as SPEC 9.3 says it.
        fn first(&self) -> u16 {
            self.floor.max(self.remembered.saturating_sub(36))
        }

        fn pay(&mut self, number: u16, period: u16) -> Result<(), TestCaseError> {
            let inside = (self.first()..=self.remembered + 3).contains(&period);
            let line = (number, period);
            let window = Window::around(month(self.remembered), month(self.floor));
            let rows = self.table.iter().copied();
            match look_up(rows, entitlement(number), month(period), window) {
                Standing::Unpaid(Unpaid::Payable(mark)) => {
                    prop_assert!(inside && self.paid.insert(line), "{line:?} twice");
                    self.table[usize::from(mark.number())] = Some(mark.row());
                    prop_assert!(self.first() >= self.latest_base, "a base went back");
                    self.latest_base = self.first();
                }
                Standing::Unpaid(Unpaid::NoRoom) => {
                    prop_assert!(inside && !self.paid.contains(&line));
                    let live = |other: &u16| self.paid.iter().any(|(n, m)| n == other && *m >= self.first());
                    prop_assert!(
                        !live(&number) && (0..6).filter(live).count() == 4,
                        "room was left"
                    );
                }
                Standing::Paid => prop_assert!(self.paid.contains(&line)),
                Standing::Unpaid(Unpaid::OutsideWindow) => prop_assert!(!inside),
            }
            Ok(())
        }

        fn undo(&mut self, which: proptest::sample::Index) -> Result<(), TestCaseError> {
            if self.paid.is_empty() {
                return Ok(());
            }
            let (number, period) = *self.paid.iter().nth(which.index(self.paid.len())).unwrap();
            self.paid.remove(&(number, period));
            match unmark(self.table.iter().copied(), entitlement(number), month(period)) {
                Some((row_number, row)) => self.table[usize::from(row_number)] = Some(row),
                None => prop_assert!(period < self.latest_base, "a line was forgotten too soon"),
            }
            Ok(())
        }

        fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
            match step {
                Step::Pay(number, offset) => self.pay(number, (self.first() + offset).saturating_sub(2))?,
                Step::Advance(months) => self.remembered += months,
                Step::Undo(which) => self.undo(which)?,
                // Not before the present one (SPEC 13.8).
                Step::Prune(before) => self.floor = self.floor.max(self.remembered.saturating_sub(before)),
                Step::SetDate(remembered) => {
                    let latest = latest_base(self.table.iter().copied());
                    prop_assert_eq!(latest.map_or(0, Period::index), self.latest_base);
                    self.floor = self.floor.max(self.latest_base);
                    self.remembered = remembered;
                }
            }
            Ok(())
        }
    }

    proptest! {
        /// Whatever is paid and undone in whatever order, while time goes on, the floor rises and the date is set forward and
        /// back: no line that stands paid is ever payable, and with room left no unpaid line of the window is refused.
        #[test]
        fn no_line_is_ever_payable_twice(steps in proptest::collection::vec(step(), 1..500)) {
            let mut model = Model {
                table: std::vec![None; 4],
                remembered: 100,
                floor: 0,
                latest_base: 0,
                paid: BTreeSet::new(),
            };
            for step in steps {
                model.step(step)?;
            }
        }
    }
}
