//! Breaks text into rows: between syllables only, and never inside an amount.

use heapless::String;

use crate::{ENGLISH, VIETNAMESE};

/// Letters in a row.
pub const COLUMNS: usize = 21;
/// Rows of the panel.
pub const ROWS: usize = 5;

/// A row. A letter has at most four bytes.
pub(crate) type Row = String<{ COLUMNS * 4 }>;

/// Calls `each` with every row of `text`, with its English or without.
pub(crate) fn rows(text: &str, english: bool, mut each: impl FnMut(&Row)) {
    for line in text.split_terminator('\n') {
        wrap(line, english, &mut each);
    }
}

fn wrap(line: &str, english: bool, each: &mut impl FnMut(&Row)) {
    let mut row = Row::new();
    let mut words = Words {
        line: Letters::new(line, english),
        next: None,
    };
    let mut any = false;
    while let Some(unit) = words.unit() {
        any = true;
        place(&mut row, &unit, each);
    }
    // An empty line in the text is an empty row; one that holds English only is none.
    if !row.is_empty() || (!any && line.is_empty()) {
        each(&row);
    }
}

/// Puts a unit on this row or on the next. One that is longer than a row is cut, since there is no other way.
fn place(row: &mut Row, unit: &str, each: &mut impl FnMut(&Row)) {
    let needed = width(unit).saturating_add(usize::from(!row.is_empty()));
    if !row.is_empty() && width(row).saturating_add(needed) > COLUMNS {
        each(row);
        row.clear();
    }
    if !row.is_empty() {
        // It fits: that was counted.
        let _ = row.push(' ');
    }
    for letter in unit.chars() {
        if width(row) == COLUMNS {
            each(row);
            row.clear();
        }
        let _ = row.push(letter);
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// The longest unit that is kept together; a longer word comes in parts.
type Unit = String<{ COLUMNS * 4 }>;

/// What must stay together: a word, or an amount with its "đồng".
struct Words<'t> {
    line: Letters<'t>,
    next: Option<Unit>,
}

impl Words<'_> {
    fn unit(&mut self) -> Option<Unit> {
        let mut unit = self.next.take().or_else(|| self.line.word())?;
        let Some(following) = self.line.word() else {
            return Some(unit);
        };
        let is_number = unit.ends_with(|letter: char| letter.is_ascii_digit());
        let together = width(&unit).saturating_add(width(&following)) < COLUMNS;
        if is_number && following.starts_with("đồng") && together {
            let _ = unit.push(' ');
            let _ = unit.push_str(&following);
        } else {
            self.next = Some(following);
        }
        Some(unit)
    }
}

/// The letters of a line that are shown.
struct Letters<'t> {
    rest: core::str::Chars<'t>,
    english: bool,
    hidden: bool,
}

impl<'t> Letters<'t> {
    fn new(line: &'t str, english: bool) -> Self {
        Self {
            rest: line.chars(),
            english,
            hidden: false,
        }
    }

    /// The next word, or as much of it as fits a unit.
    fn word(&mut self) -> Option<Unit> {
        let mut word = Unit::new();
        while width(&word) < COLUMNS {
            match self.letter() {
                Some(' ') if word.is_empty() => {}
                None | Some(' ') => break,
                Some(letter) => {
                    let _ = word.push(letter);
                }
            }
        }
        (!word.is_empty()).then_some(word)
    }

    fn letter(&mut self) -> Option<char> {
        loop {
            match self.rest.next()? {
                ENGLISH => self.hidden = !self.english,
                VIETNAMESE => self.hidden = false,
                _ if self.hidden => {}
                letter => return Some(letter),
            }
        }
    }
}
