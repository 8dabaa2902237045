//! Lists as text with separators (RFC 4180, with `;` as well as `,`).
//!
//! One line of the file is one line of the list: a field holds no line break. So a quotation mark that somebody forgot to close
//! is found on its own line, and never swallows the people below it.

use csv::{ReaderBuilder, StringRecord};

use crate::columns::Columns;
use crate::limits;
use crate::record::{Record, Sink};

const NOT_UTF8: &str = "not UTF-8 text: save the list as \"CSV UTF-8\"";
const QUOTING: &str = "a quotation mark stands where none may be, or is not closed on its line: quote the whole field, double each mark in it, and remove line breaks";

/// Reads a file to the sink, line by line.
pub(crate) fn read(file: &[u8], sink: &mut impl Sink) {
    let Some(text) = decode(file, sink) else {
        return;
    };
    let mut lines = (1..)
        .zip(text.split('\n'))
        .map(|(number, line)| (number, line.strip_suffix('\r').unwrap_or(line)));
    let Some((number, header)) = lines.find(|(_, line)| !line.trim().is_empty()) else {
        sink.findings().refuse(1, "the file is empty");
        return;
    };
    let Some(delimiter) = delimiter(number, header, sink) else {
        return;
    };
    let mut reader = ReaderBuilder::new();
    reader
        .delimiter(delimiter as u8)
        .has_headers(false)
        .flexible(true);
    match fields(&reader, header, delimiter) {
        Ok(names) => {
            if !sink.header(Columns::new(names, false)) {
                return;
            }
        }
        Err(rule) => return sink.findings().refuse(number, rule),
    }
    let whole = text.len() as u64;
    let mut part = 0;
    for (number, line) in lines {
        part += line.len() as u64 + 1;
        if line.is_empty() {
            continue;
        }
        let record = match fields(&reader, line, delimiter) {
            Ok(fields) => Record::new(number, fields),
            Err(rule) => {
                sink.findings().refuse(number, rule);
                continue;
            }
        };
        if record.is_blank() {
            continue;
        }
        let expected = sink.columns().len();
        if record.fields.len() != expected {
            let rule = wrong_count(record.fields.len(), expected, line, delimiter);
            // No field of it can be told from its neighbours.
            sink.findings().refuse(number, rule);
            continue;
        }
        sink.record(record, part, whole);
    }
}

fn decode<'a>(file: &'a [u8], sink: &mut impl Sink) -> Option<&'a str> {
    let content = file.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(file);
    let line_of = |place: usize| {
        let before = content.get(..place).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1
    };
    if [[0xFF, 0xFE], [0xFE, 0xFF]]
        .iter()
        .any(|mark| content.starts_with(mark))
    {
        sink.findings()
            .refuse(1, "UTF-16 text: save the list as \"CSV UTF-8\"");
        return None;
    }
    if let Some(place) = content.iter().position(|byte| *byte == 0) {
        sink.findings()
            .refuse(line_of(place), "a NUL byte: the file is damaged or no text");
        return None;
    }
    match str::from_utf8(content) {
        Ok(text) => Some(text),
        Err(error) => {
            sink.findings().refuse(line_of(error.valid_up_to()), NOT_UTF8);
            None
        }
    }
}

/// Excel writes `;` where the comma is the decimal sign, as in Vietnam. No column name holds either.
fn delimiter(number: u64, header: &str, sink: &mut impl Sink) -> Option<char> {
    match (header.contains(';'), header.contains(',')) {
        (true, false) => Some(';'),
        (false, true) => Some(','),
        (true, true) => {
            sink.findings().refuse(
                number,
                "the header mixes ; and , as separators: use one of them throughout",
            );
            None
        }
        (false, false) => {
            sink.findings()
                .refuse(number, "the header has neither ; nor , between its columns");
            None
        }
    }
}

/// The fields of a line without outer spaces, or why it has none.
fn fields(reader: &ReaderBuilder, line: &str, delimiter: char) -> Result<Vec<String>, &'static str> {
    if line.contains('\r') {
        return Err("a carriage return within the line: remove line breaks from its fields");
    }
    let mut record = StringRecord::new();
    let read = reader.from_reader(line.as_bytes()).read_record(&mut record);
    if read.is_err() || !reads_as_written(line, &record, delimiter) {
        return Err(QUOTING);
    }
    if record.iter().any(|field| field.chars().count() > limits::FIELD) {
        return Err("a field of more than 1,024 characters");
    }
    Ok(record.iter().map(|field| field.trim().to_owned()).collect())
}

/// The reader is lenient with quotation marks. A line counts only if its fields, written properly, give the line again.
fn reads_as_written(line: &str, record: &StringRecord, delimiter: char) -> bool {
    let mut rest = line;
    for (place, field) in record.iter().enumerate() {
        let after_delimiter = if place == 0 {
            Some(rest)
        } else {
            rest.strip_prefix(delimiter)
        };
        let Some(begin) = after_delimiter else {
            return false;
        };
        let after_field = if begin.starts_with('"') {
            begin.strip_prefix(format!("\"{}\"", field.replace('"', "\"\"")).as_str())
        } else if field.contains('"') {
            None
        } else {
            begin.strip_prefix(field)
        };
        let Some(end) = after_field else {
            return false;
        };
        rest = end;
    }
    rest.is_empty()
}

fn wrong_count(found: usize, expected: usize, line: &str, delimiter: char) -> String {
    let other = if delimiter == ';' { ',' } else { ';' };
    if found == 1 && line.contains(other) {
        return format!(
            "separated by {other} where the header is by {delimiter}: use one of them throughout"
        );
    }
    format!("{found} fields where the header has {expected}")
}
