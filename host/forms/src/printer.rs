//! The file for the card printer and the mailing house: one CSV record for each card.
//!
//! | column | what |
//! |---|---|
//! | `card_number` | four groups of four digits, as printed |
//! | `printed_name` | the name in upper case, as on Vietnamese documents (Circular 04/2020/TT-BTP) |
//! | `valid_thru` | last month of validity, `MM/YYYY` |
//! | `issuer` | issuing office, as printed |
//! | `mailing_name` | the name for the envelope |
//! | `commune` | commune and province for the envelope |
//! | `pay_point` | pay point that hands the card over, or empty |
//!
//! UTF-8 without byte order mark, NFC, commas, CRLF, quoted where needed (RFC 4180), a header row.
//!
//! What is not in it: PIN and keys; the programme and its sub-code, which say that somebody is poor or ill (Decree 20/2021,
//! Art. 8.1.b); the personal ID number, birth date and sex. A card is found by its number; a lost card or a lost file must not
//! give away the number that opens a person's other records.
//!
//! The file passes through spreadsheets, so a text that begins with `=`, `+`, `-` or `@` is refused. It is not escaped: the
//! escape would be printed on the card.

use std::io::{ErrorKind, Write};

use card_spec::values::CardNumber;
use csv::{Terminator, Writer, WriterBuilder};
use jiff::civil::Date;
use unicode_normalization::UnicodeNormalization as _;

use crate::FormError;
use crate::text::{Field, check, in_groups};

/// The columns, in order.
pub const COLUMNS: [&str; 7] = [
    "card_number",
    "printed_name",
    "valid_thru",
    "issuer",
    "mailing_name",
    "commune",
    "pay_point",
];

/// What is printed on one card, and where it is sent.
pub struct PrinterRecord<'a> {
    /// The card.
    pub number: CardNumber,
    /// The holder's name as in the ledger.
    pub name: &'a str,
    /// Last day of validity (5F24 of the CSO).
    pub valid_thru: Date,
    /// Issuing office.
    pub issuer: &'a str,
    /// Commune and province.
    pub commune: &'a str,
    /// Pay point, if the ledger has one.
    pub pay_point: Option<&'a str>,
}

/// Writes the file record by record.
pub struct PrinterFile<W: Write>(Writer<W>);

impl<W: Write> PrinterFile<W> {
    /// Begins a file with its header row.
    ///
    /// # Errors
    /// [`FormError::Write`].
    pub fn new(output: W) -> Result<Self, FormError> {
        let mut writer = WriterBuilder::new()
            .terminator(Terminator::CRLF)
            .from_writer(output);
        writer.write_record(COLUMNS).map_err(write_failure)?;
        Ok(Self(writer))
    }

    /// Adds a card. A refused one leaves the file as it was.
    ///
    /// # Errors
    /// A text that cannot be printed as it is, or [`FormError::Write`].
    pub fn write(&mut self, record: &PrinterRecord<'_>) -> Result<(), FormError> {
        let name = plain(Field::Name, record.name)?;
        let printed: String = name.to_uppercase().nfc().collect();
        let number = in_groups(record.number);
        let valid_thru = record.valid_thru.strftime("%m/%Y").to_string();
        let issuer = plain(Field::Issuer, record.issuer)?;
        let commune = plain(Field::Commune, record.commune)?;
        let pay_point = record
            .pay_point
            .map(|text| plain(Field::PayPoint, text))
            .transpose()?;
        let fields = [
            &number,
            &printed,
            &valid_thru,
            issuer,
            name,
            commune,
            pay_point.unwrap_or_default(),
        ];
        self.0.write_record(fields).map_err(write_failure)
    }

    /// Writes out what is left and gives the output back.
    ///
    /// # Errors
    /// [`FormError::Write`].
    pub fn finish(self) -> Result<W, FormError> {
        self.0
            .into_inner()
            .map_err(|error| FormError::Write(error.error().kind()))
    }
}

/// A text that no spreadsheet takes for a formula.
fn plain(field: Field, text: &str) -> Result<&str, FormError> {
    let text = check(field, text)?.text();
    if text.starts_with(['=', '+', '-', '@']) {
        return Err(FormError::Formula(field));
    }
    Ok(text)
}

fn write_failure(error: csv::Error) -> FormError {
    FormError::Write(match error.into_kind() {
        csv::ErrorKind::Io(error) => error.kind(),
        _ => ErrorKind::Other,
    })
}
