//! Which texts may be printed.

use std::ops::RangeInclusive;

use card_spec::values::CardNumber;
use unicode_normalization::is_nfc;

use crate::FormError;

/// A field of a form, to be named in an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The person's name.
    Name,
    /// The address line.
    Address,
    /// The office that sends a letter.
    Sender,
    /// Whom to call.
    Contact,
    /// The issuer on the card's face.
    Issuer,
    /// The commune.
    Commune,
    /// The pay point.
    PayPoint,
    /// The batch of a delivery.
    Batch,
    /// What the form itself says.
    Form,
}

impl Field {
    pub(crate) const fn vietnamese(self) -> &'static str {
        match self {
            Self::Name => "Họ và tên",
            Self::Address => "Địa chỉ",
            Self::Sender => "Nơi gửi",
            Self::Contact => "Nơi liên hệ",
            Self::Issuer => "Cơ quan cấp",
            Self::Commune => "Xã",
            Self::PayPoint => "Điểm chi trả",
            Self::Batch => "Lô thẻ",
            Self::Form => "Mẫu in",
        }
    }

    pub(crate) const fn english(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Address => "Address",
            Self::Sender => "Sender",
            Self::Contact => "Contact",
            Self::Issuer => "Issuer",
            Self::Commune => "Commune",
            Self::PayPoint => "Pay point",
            Self::Batch => "Batch",
            Self::Form => "The form",
        }
    }
}

/// Longest text of any field in characters: that of HO_TEN in Decision 4750/QD-BYT, the longest name in any list.
const LONGEST: usize = 255;

/// What may be printed: the Latin script with its marks, since names in minority languages have letters outside the Vietnamese
/// alphabet (Civil Code, Art. 26), and punctuation. Left out are control and format characters (a soft hyphen, a change of the
/// direction of writing), which would let paper and ledger read differently.
const PRINTABLE: [RangeInclusive<char>; 8] = [
    ' '..='~',
    '\u{A1}'..='\u{AC}',
    '\u{AE}'..='\u{24F}',
    '\u{300}'..='\u{36F}',
    '\u{1E00}'..='\u{1EFF}',
    '\u{2010}'..='\u{2015}',
    '\u{2018}'..='\u{201F}',
    '\u{20AB}'..='\u{20AB}',
];

/// A text that [`check`] found printable.
#[derive(Clone, Copy)]
pub(crate) struct Checked<'a> {
    field: Field,
    text: &'a str,
}

impl<'a> Checked<'a> {
    /// The field it is for.
    pub(crate) fn field(self) -> Field {
        self.field
    }

    /// The text.
    pub(crate) fn text(self) -> &'a str {
        self.text
    }
}

/// Takes a text that can be printed exactly as it is.
pub(crate) fn check(field: Field, text: &str) -> Result<Checked<'_>, FormError> {
    if text.is_empty() {
        return Err(FormError::Empty(field));
    }
    if text.chars().count() > LONGEST {
        return Err(FormError::TooLong(field));
    }
    if let Some((index, character)) = text.chars().enumerate().find(|(_, it)| !is_printable(*it)) {
        return Err(unprintable(field, character, index));
    }
    if text.starts_with(' ') || text.ends_with(' ') {
        return Err(FormError::OuterSpace(field));
    }
    if !is_nfc(text) {
        return Err(FormError::NotNormal(field));
    }
    Ok(Checked { field, text })
}

/// The refusal of one character.
pub(crate) fn unprintable(field: Field, character: char, index: usize) -> FormError {
    FormError::Character {
        field,
        character,
        position: index + 1,
    }
}

fn is_printable(character: char) -> bool {
    PRINTABLE.iter().any(|range| range.contains(&character))
}

/// A card number as it stands on the card: four groups of four digits.
pub(crate) fn in_groups(number: CardNumber) -> String {
    let digits = number.to_string();
    let mut groups = String::with_capacity(19);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && index % 4 == 0 {
            groups.push(' ');
        }
        groups.push(digit);
    }
    groups
}
