//! CSV files, read strictly: one spelling of everything, because what is signed must mean the same to everybody.
//!
//! UTF-8 without byte order mark, NFC, lines ended by LF, comma-separated (RFC 4180 quoting), a header with exactly the
//! columns of the list in any order, no blanks around a value. Lines that start with `#` are comments.

use std::str;

use jiff::civil::Date;
use unicode_normalization::is_nfc;

use crate::error::DataError;

/// One line of a file.
pub(crate) struct Row<'a> {
    file: &'a str,
    pub(crate) line: u64,
    columns: &'a [String],
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    /// The value of a column, empty if it is empty.
    pub(crate) fn get(&self, column: &str) -> &str {
        let place = self.columns.iter().position(|name| name == column);
        place.and_then(|place| self.record.get(place)).unwrap_or_default()
    }

    /// The value of a column that must not be empty.
    pub(crate) fn required(&self, column: &str) -> Result<&str, DataError> {
        match self.get(column) {
            "" => Err(self.error(column, "must not be empty")),
            value => Ok(value),
        }
    }

    /// A day as `yyyymmdd`.
    pub(crate) fn day(&self, column: &str) -> Result<Date, DataError> {
        let text = self.required(column)?;
        let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
        let day = digits.then(|| Date::strptime("%Y%m%d", text).ok()).flatten();
        day.ok_or_else(|| self.error(column, "must be a day as yyyymmdd"))
    }

    /// A number without sign, in decimal digits without leading zeros.
    pub(crate) fn number(&self, column: &str) -> Result<u64, DataError> {
        let text = self.required(column)?;
        let number = text.parse::<u64>().ok();
        number
            .filter(|number| number.to_string() == text)
            .ok_or_else(|| self.error(column, "must be a whole number without leading zeros"))
    }

    /// One of some words.
    pub(crate) fn one_of<T: Copy>(&self, column: &str, words: &[(&str, T)]) -> Result<T, DataError> {
        let text = self.get(column);
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.error(column, format!("must be one of: {}", known.join(", ")))
        })
    }

    /// An error at a column of this line.
    pub(crate) fn error(&self, column: &str, rule: impl Into<String>) -> DataError {
        DataError {
            file: self.file.to_owned(),
            line: self.line,
            column: column.to_owned(),
            value: self.get(column).to_owned(),
            rule: rule.into(),
        }
    }
}

/// Reads a file and hands each line to `take`; gathers every error.
pub(crate) fn read(
    file: &str,
    bytes: &[u8],
    columns: &[&str],
    mut take: impl FnMut(&Row<'_>) -> Result<(), DataError>,
) -> Vec<DataError> {
    let text = match check_text(file, bytes) {
        Ok(text) => text,
        Err(error) => return vec![error],
    };
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_owned).collect(),
        Err(error) => return vec![csv_error(file, &error)],
    };
    let mut errors = check_header(file, &header, columns);
    if !errors.is_empty() {
        return errors;
    }
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                errors.push(csv_error(file, &error));
                continue;
            }
        };
        let row = Row {
            file,
            line: record.position().map_or(0, csv::Position::line),
            columns: &header,
            record: &record,
        };
        if let Err(error) = check_values(&row).and_then(|()| take(&row)) {
            errors.push(error);
        }
    }
    errors
}

fn check_text<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, DataError> {
    let line_of = |place: usize| {
        let before = bytes.get(..place).unwrap_or_default();
        1 + before.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>()
    };
    let whole_line = |line, rule: &str| DataError {
        file: file.to_owned(),
        line,
        column: String::new(),
        value: String::new(),
        rule: rule.to_owned(),
    };
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err(whole_line(
            1,
            "starts with a byte order mark; save it as UTF-8 without one",
        ));
    }
    let text = str::from_utf8(bytes)
        .map_err(|error| whole_line(line_of(error.valid_up_to()), "is not UTF-8; save it as UTF-8"))?;
    if let Some(place) = text.find(|letter: char| letter.is_control() && letter != '\n') {
        let rule = if bytes.get(place) == Some(&b'\r') {
            "ends with CR LF; save it with LF line ends"
        } else {
            "holds a control character"
        };
        return Err(whole_line(line_of(place), rule));
    }
    for (line, content) in (1..).zip(text.split('\n')) {
        if !is_nfc(content) {
            return Err(whole_line(
                line,
                "is not in Unicode normalization form C; convert it to NFC",
            ));
        }
    }
    Ok(text)
}

fn check_header(file: &str, header: &[String], columns: &[&str]) -> Vec<DataError> {
    let error = |column: &str, rule: &str| DataError {
        file: file.to_owned(),
        line: 1,
        column: "header".to_owned(),
        value: column.to_owned(),
        rule: rule.to_owned(),
    };
    let missing = columns
        .iter()
        .filter(|column| !header.iter().any(|name| name == *column))
        .map(|column| error(column, "this column is missing"));
    let unknown = header
        .iter()
        .filter(|name| !columns.contains(&name.as_str()))
        .map(|name| error(name, "this column is unknown in this list"));
    let twice = (0..header.len())
        .filter(|place| {
            header
                .iter()
                .take(*place)
                .any(|name| Some(name) == header.get(*place))
        })
        .filter_map(|place| header.get(place))
        .map(|name| error(name, "this column is there twice"));
    missing.chain(unknown).chain(twice).collect()
}

fn check_values(row: &Row<'_>) -> Result<(), DataError> {
    let padded = row
        .columns
        .iter()
        .find(|column| row.get(column).trim() != row.get(column));
    match padded {
        Some(column) => Err(row.error(column, "must not begin or end with a blank")),
        None => Ok(()),
    }
}

fn csv_error(file: &str, error: &csv::Error) -> DataError {
    let rule = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            format!("has {len} values; the header has {expected_len}")
        }
        other => format!("is not CSV: {other:?}"),
    };
    DataError {
        file: file.to_owned(),
        line: error.position().map_or(1, csv::Position::line),
        column: String::new(),
        value: String::new(),
        rule,
    }
}
