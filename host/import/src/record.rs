//! Lines as they come from a file, whatever its format.

use crate::columns::Columns;
use crate::finding::Findings;

/// One line: its fields in the order of the columns, without outer spaces.
pub(crate) struct Record {
    /// Line in the file, or row of the sheet.
    pub(crate) number: u64,
    pub(crate) fields: Vec<String>,
    /// Fields whose error is noted already.
    pub(crate) refused: Vec<usize>,
}

impl Record {
    pub(crate) fn new(number: u64, fields: Vec<String>) -> Self {
        Self {
            number,
            fields,
            refused: Vec::new(),
        }
    }

    /// A line of separators only, or a row that has nothing but its format: spreadsheets leave them behind.
    pub(crate) fn is_blank(&self) -> bool {
        self.refused.is_empty() && self.fields.iter().all(String::is_empty)
    }
}

/// Whoever takes the lines of a file, one after the other.
pub(crate) trait Sink {
    /// The findings so far.
    fn findings(&mut self) -> &mut Findings;

    /// Takes the header, or notes why it cannot be used: then there is no point in looking at the lines.
    fn header(&mut self, columns: Columns) -> bool;

    /// The columns that the header gave.
    fn columns(&self) -> &Columns;

    /// Takes a line. `part` of `whole` is read.
    fn record(&mut self, record: Record, part: u64, whole: u64);
}
