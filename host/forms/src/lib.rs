//! What an issuance station puts on paper: PIN letters, handover sheets, the file for card printer and mailing house.
//!
//! Data in, bytes out; nothing here opens a file or knows the time. The same input gives the same bytes.
//!
//! | call | gives | for |
//! |---|---|---|
//! | [`letter()`] | PDF of one page | one holder: the PIN of one card. There is no call for several |
//! | [`handover_sheet`] | PDF | a commune's delivery, signed by hand by whoever receives a card |
//! | [`PrinterFile`] | CSV | card printer and mailing house |
//!
//! The PDFs are PDF/A-2b (ISO 19005-2): signed sheets are vouchers to be kept for years, and all fonts are inside. The font is
//! DejaVu Sans, built into the program by the crate `dejavu` (licence: Bitstream Vera, free to embed): it has every letter of
//! Vietnamese and of the minority languages, and a letter does not depend on which fonts a station has installed.
//!
//! A text that cannot be printed as it is gets refused ([`FormError`]), never cut or replaced: what stands on paper is what
//! stands in the ledger.

mod handover;
mod letter;
mod paper;
mod printer;
mod text;

pub use handover::{HandoverRow, HandoverSheet, MAXIMUM_ROWS, handover_sheet};
pub use letter::{PinLetter, letter};
pub use printer::{COLUMNS, PrinterFile, PrinterRecord};
pub use text::Field;

/// Why something cannot be printed. No message repeats a person's data; a refused letter is named alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A field has no text.
    #[error("{}: trống, không in được. Bổ sung rồi in lại / {}: empty, so nothing was printed. Fill it in, then print again", .0.vietnamese(), .0.english())]
    Empty(Field),
    /// A character that is no Latin letter, digit or punctuation mark, or that the font lacks.
    #[error("{}: ký tự U+{:04X} ở vị trí {position} không in được. Sửa rồi in lại / {}: character U+{:04X} at place {position} cannot be printed, so nothing was. Correct it, then print again", .field.vietnamese(), u32::from(*.character), .field.english(), u32::from(*.character))]
    Character {
        /// Where.
        field: Field,
        /// The character.
        character: char,
        /// Its place in the field, counted from 1.
        position: usize,
    },
    /// A text that is not in Unicode's normal form NFC, as all texts of the ledger are.
    #[error("{}: không ở dạng Unicode dựng sẵn (NFC). Nhập lại rồi in / {}: not in Unicode normal form NFC, so nothing was printed. Enter it again, then print", .0.vietnamese(), .0.english())]
    NotNormal(Field),
    /// A text that begins or ends with a space.
    #[error("{}: có dấu cách ở đầu hoặc cuối. Sửa rồi in lại / {}: begins or ends with a space, so nothing was printed. Correct it, then print again", .0.vietnamese(), .0.english())]
    OuterSpace(Field),
    /// A text of too many characters, or that does not fit the space on the form. It is not cut.
    #[error("{}: quá dài so với chỗ in. Rút gọn rồi in lại / {}: too long for its place on the form, so nothing was printed. Shorten it, then print again", .0.vietnamese(), .0.english())]
    TooLong(Field),
    /// A text that a spreadsheet would run as a formula.
    #[error("{}: bắt đầu bằng dấu của công thức (= + - @). Sửa rồi xuất lại / {}: begins like a formula (= + - @), so the record was not written. Correct it, then export again", .0.vietnamese(), .0.english())]
    Formula(Field),
    /// A handover sheet without rows or with more than [`MAXIMUM_ROWS`].
    #[error(
        "Danh sách giao thẻ phải có từ 1 đến {MAXIMUM_ROWS} thẻ, đây là {0} / A handover sheet has 1 to {MAXIMUM_ROWS} cards, not {0}: divide it"
    )]
    Rows(usize),
    /// The file for the printer could not be written.
    #[error(
        "Không ghi được tệp cho máy in thẻ ({0}). Bỏ tệp dở dang và xuất lại / The file for the card printer cannot be written ({0}). Discard what there is of it and export again"
    )]
    Write(std::io::ErrorKind),
    /// The PDF could not be made: a fault of this program.
    #[error(
        "Không tạo được PDF: lỗi của chương trình, báo người quản trị / The PDF cannot be made: a fault of this program, tell the administrator"
    )]
    Pdf,
}
