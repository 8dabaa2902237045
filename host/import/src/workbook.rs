//! Lists as the first sheet of a workbook (XLSX, ISO/IEC 29500): the same fields as in a text file, or the reason why a cell
//! cannot be one.

use std::io::{Cursor, Read as _, copy, sink};

use calamine::{DataRef, SheetType, SheetVisible, Xlsx, XlsxError, open_workbook_from_rs};
use calamine::{ExcelDateTime, Reader as _};
use zip::ZipArchive;

use crate::columns::{Columns, Kind};
use crate::finding::{Finding, WarningCode};
use crate::limits;
use crate::record::{Record, Sink};

/// How a ZIP archive begins, which a workbook is.
pub(crate) const SIGNATURE: &[u8] = b"PK\x03\x04";

/// How a compound file begins: a workbook of Excel 97 to 2003, or an encrypted one.
pub(crate) const OLD_SIGNATURE: &[u8] = b"\xD0\xCF\x11\xE0";

/// A day after the last one that a spreadsheet knows (10000-01-01).
const NO_DAY: f64 = 2_958_466.0;

/// Reads a file to the sink, row by row.
pub(crate) fn read(file: &[u8], sink: &mut impl Sink) {
    if let Err(rule) = check_size(file) {
        sink.findings().refuse(1, rule);
        return;
    }
    if let Err(rule) = read_sheet(file, sink) {
        sink.findings().refuse(1, rule);
    }
}

/// Unpacks everything once to nowhere: what a part says of its size may be a lie.
fn check_size(file: &[u8]) -> Result<(), String> {
    let damaged = |error: zip::result::ZipError| {
        format!("not readable as a workbook ({error}): save it as .xlsx once more")
    };
    let mut archive = ZipArchive::new(Cursor::new(file)).map_err(damaged)?;
    if archive.len() > limits::PARTS {
        return Err(format!("a workbook of more than {} parts", limits::PARTS));
    }
    let mut left = limits::UNPACKED;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(damaged)?;
        let read = copy(&mut part.take(left + 1), &mut sink());
        let read = read.map_err(|error| damaged(error.into()))?;
        left = left.checked_sub(read).ok_or_else(|| {
            format!(
                "a workbook that unpacks to more than {} MiB: split the list",
                limits::UNPACKED >> 20
            )
        })?;
    }
    Ok(())
}

fn read_sheet(file: &[u8], sink: &mut impl Sink) -> Result<(), String> {
    let damaged =
        |error: XlsxError| format!("not readable as a workbook ({error}): save it as .xlsx once more");
    let mut workbook: Xlsx<_> = open_workbook_from_rs(Cursor::new(file)).map_err(damaged)?;
    let first = first_sheet(&workbook, sink)?;
    let mut cells = workbook.worksheet_cells_reader(&first).map_err(damaged)?;
    let last_row = u64::from(cells.dimensions().end.0) + 1;
    let mut rows = Rows::new(sink, last_row);
    while let Some(cell) = cells.next_cell_with_formula_metadata().map_err(damaged)? {
        let (row, column) = cell.pos;
        rows.cell(row, column, Value::of(&cell.value, cell.formula.is_some()))?;
        if rows.stopped {
            return Ok(());
        }
    }
    rows.end();
    if rows.header {
        Ok(())
    } else {
        Err("the first sheet is empty".to_owned())
    }
}

/// Name of the first sheet. The others are named in a warning.
fn first_sheet(workbook: &Xlsx<Cursor<&[u8]>>, sink: &mut impl Sink) -> Result<String, String> {
    let mut sheets = workbook.sheets_metadata().iter();
    let first = sheets.next().ok_or("a workbook without sheets")?;
    if first.typ != SheetType::WorkSheet || first.visible != SheetVisible::Visible {
        return Err(format!(
            "the first sheet ({}) is hidden or no table: the list must be the first sheet",
            first.name
        ));
    }
    let others: Vec<&str> = sheets.map(|sheet| sheet.name.as_str()).collect();
    if !others.is_empty() {
        let mut warning = Finding::new(
            1,
            "",
            &others.join(", "),
            "only the first sheet is read; the others are not looked at",
        );
        warning.warning = Some(WarningCode::OtherSheets);
        sink.findings().warnings.push(warning);
    }
    Ok(first.name.clone())
}

/// What a cell holds, as far as a list can use it.
enum Value {
    Empty,
    Text(String),
    Number(f64),
    Day(ExcelDateTime),
    Formula,
    Error,
    Other,
}

impl Value {
    fn of(value: &DataRef<'_>, is_formula: bool) -> Self {
        if is_formula {
            return Self::Formula;
        }
        match value {
            DataRef::Empty => Self::Empty,
            DataRef::String(text) => Self::text(text),
            DataRef::SharedString(text) => Self::text(text),
            #[allow(clippy::cast_precision_loss)] // A cell holds a double.
            DataRef::Int(number) => Self::Number(*number as f64),
            DataRef::Float(number) => Self::Number(*number),
            DataRef::DateTime(moment) => Self::Day(*moment),
            DataRef::Error(_) => Self::Error,
            DataRef::Bool(_) | DataRef::DateTimeIso(_) | DataRef::DurationIso(_) => Self::Other,
        }
    }

    fn text(text: &str) -> Self {
        match text.trim() {
            "" => Self::Empty,
            text => Self::Text(text.to_owned()),
        }
    }

    /// The field as a text file would have it, or why it cannot be one.
    fn field(self, kind: Kind) -> Result<String, &'static str> {
        match (self, kind) {
            (_, Kind::Unused) | (Self::Empty, _) => Ok(String::new()),
            (Self::Text(text), _) if text.chars().count() > limits::FIELD => {
                Err("a field of more than 1,024 characters")
            }
            (Self::Text(text), _) if text.contains(['\n', '\r', '\0']) => {
                Err("a line break within the cell: remove it")
            }
            (Self::Text(text), _) => Ok(text),
            (Self::Number(number), Kind::Number | Kind::Day) => Ok(number.to_string()),
            (Self::Number(_), Kind::Text) => Err(
                "a number: a spreadsheet drops the leading zeros of codes. Format the column as text and type the codes again",
            ),
            (Self::Day(moment), Kind::Day) => {
                day(moment).ok_or("a date with a time of day, or one that no calendar has")
            }
            (Self::Day(_), Kind::Text | Kind::Number) => {
                Err("a date where none belongs: format the cell as text")
            }
            (Self::Formula, _) => Err("a formula: paste the list as values"),
            (Self::Error, _) => Err("an error of the spreadsheet"),
            (Self::Other, _) => Err("neither text, number nor date: format the cell as text"),
        }
    }
}

fn day(moment: ExcelDateTime) -> Option<String> {
    let value = moment.as_f64();
    if !moment.is_datetime() || !(0.0..NO_DAY).contains(&value) || value.fract() != 0.0 {
        return None;
    }
    let (year, month, day, ..) = moment.to_ymd_hms_milli();
    Some(format!("{year:04}{month:02}{day:02}"))
}

/// Cells put together to rows.
struct Rows<'a, S> {
    sink: &'a mut S,
    last: u64,
    row: u32,
    cells: Vec<(u32, Value)>,
    header: bool,
    stopped: bool,
}

impl<'a, S: Sink> Rows<'a, S> {
    fn new(sink: &'a mut S, last: u64) -> Self {
        Self {
            sink,
            last,
            row: 0,
            cells: Vec::new(),
            header: false,
            stopped: false,
        }
    }

    /// Takes the next cell. Places must rise: of two values for one cell nobody could say which was approved.
    fn cell(&mut self, row: u32, column: u32, value: Value) -> Result<(), String> {
        if row != self.row {
            self.end();
        }
        let rises = row >= self.row && self.cells.last().is_none_or(|(last, _)| *last < column);
        if !rises {
            return Err(format!(
                "row {}: its cells are out of order: save the workbook once more",
                u64::from(row) + 1
            ));
        }
        self.row = row;
        if !matches!(value, Value::Empty) {
            self.cells.push((column, value));
        }
        Ok(())
    }

    /// The row is complete.
    fn end(&mut self) {
        let cells = std::mem::take(&mut self.cells);
        if self.stopped || cells.is_empty() {
            return;
        }
        let number = u64::from(self.row) + 1;
        if !self.header {
            self.header = true;
            self.stopped = !self.take_header(number, cells);
            return;
        }
        let record = self.record(number, cells);
        if !record.is_blank() {
            self.sink.record(record, number.min(self.last), self.last);
        }
    }

    fn take_header(&mut self, number: u64, cells: Vec<(u32, Value)>) -> bool {
        if number != 1 {
            self.sink
                .findings()
                .refuse(number, "the header must be the first row of the sheet");
            return false;
        }
        let mut names = Vec::new();
        for (column, value) in cells {
            // A header with gaps has columns without a name, which are unknown.
            names.resize(names.len().max((column as usize).min(16_384)), String::new());
            names.push(match value {
                Value::Text(name) => name,
                _ => String::new(),
            });
        }
        self.sink.header(Columns::new(names, true))
    }

    fn record(&mut self, number: u64, cells: Vec<(u32, Value)>) -> Record {
        let mut record = Record::new(number, vec![String::new(); self.sink.columns().len()]);
        for (column, value) in cells {
            let place = column as usize;
            let columns = self.sink.columns();
            let name = columns.name(place).to_owned();
            let cell = columns.cell(place, number);
            let field = match record.fields.get(place) {
                Some(_) => value.field(columns.kind(place)),
                None => Err("a value beside the columns of the header"),
            };
            match (field, record.fields.get_mut(place)) {
                (Ok(text), Some(field)) => *field = text,
                (Err(rule), _) => {
                    record.refused.push(place);
                    let mut error = Finding::new(number, &name, "", rule);
                    error.cell = cell;
                    self.sink.findings().errors.push(error);
                }
                (Ok(_), None) => {}
            }
        }
        record
    }
}
