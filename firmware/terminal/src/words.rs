//! Amounts in Vietnamese words, as on a payment slip: digits are misread, words are not.

use core::fmt;

use card_spec::values::Amount;

const DIGITS: [&str; 10] = [
    "không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín",
];
/// Names of the groups of three digits, the highest first; [`Amount::MAXIMUM`] has four groups.
const GROUPS: [(u64, &str); 4] = [
    (1_000_000_000, " tỷ"),
    (1_000_000, " triệu"),
    (1_000, " nghìn"),
    (1, ""),
];

/// An amount in words: "một triệu không trăm linh năm nghìn đồng".
pub(crate) struct InWords(pub(crate) Amount);

impl fmt::Display for InWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vnd = self.0.vnd();
        let mut begun = false;
        for (worth, name) in GROUPS {
            let group = vnd.checked_div(worth).unwrap_or_default() % 1_000;
            if group == 0 {
                continue;
            }
            if begun {
                f.write_str(" ")?;
            }
            write_group(f, group, begun)?;
            f.write_str(name)?;
            begun = true;
        }
        f.write_str(if begun { " đồng" } else { "không đồng" })
    }
}

/// One to 999. Inside a number the hundreds and tens are said even where they are zero.
fn write_group(f: &mut fmt::Formatter<'_>, group: u64, inside: bool) -> fmt::Result {
    let (hundreds, tens, units) = (group / 100, group / 10 % 10, group % 10);
    let hundreds_said = inside || hundreds > 0;
    if hundreds_said {
        write!(f, "{} trăm", digit(hundreds))?;
    }
    if hundreds_said && (tens > 0 || units > 0) {
        f.write_str(" ")?;
    }
    match tens {
        0 if hundreds_said && units > 0 => f.write_str("linh ")?,
        0 => {}
        1 => f.write_str("mười")?,
        _ => write!(f, "{} mươi", digit(tens))?,
    }
    if tens > 0 && units > 0 {
        f.write_str(" ")?;
    }
    match (tens, units) {
        (_, 0) => Ok(()),
        (2.., 1) => f.write_str("mốt"),
        (2.., 4) => f.write_str("tư"),
        (1.., 5) => f.write_str("lăm"),
        _ => f.write_str(digit(units)),
    }
}

fn digit(digit: u64) -> &'static str {
    usize::try_from(digit)
        .ok()
        .and_then(|digit| DIGITS.get(digit))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use core::fmt::Write as _;

    use card_spec::values::Amount;

    use super::InWords;

    #[test]
    fn amounts_read_as_people_say_them() {
        for (vnd, words) in [
            (0, "không đồng"),
            (5, "năm đồng"),
            (10, "mười đồng"),
            (15, "mười lăm đồng"),
            (21, "hai mươi mốt đồng"),
            (44, "bốn mươi tư đồng"),
            (105, "một trăm linh năm đồng"),
            (111, "một trăm mười một đồng"),
            (1_000, "một nghìn đồng"),
            (500_000, "năm trăm nghìn đồng"),
            (1_005_000, "một triệu không trăm linh năm nghìn đồng"),
            (
                1_015_024,
                "một triệu không trăm mười lăm nghìn không trăm hai mươi tư đồng",
            ),
            (2_000_000_001, "hai tỷ không trăm linh một đồng"),
            (
                999_999_999_999,
                "chín trăm chín mươi chín tỷ chín trăm chín mươi chín triệu chín trăm chín mươi chín nghìn chín trăm chín \
                 mươi chín đồng",
            ),
        ] {
            let mut written = heapless::String::<256>::new();
            let amount = Amount::new(vnd).unwrap_or_default();
            assert_eq!(write!(written, "{}", InWords(amount)), Ok(()));
            assert_eq!(written.as_str(), words, "{vnd}");
        }
    }
}
