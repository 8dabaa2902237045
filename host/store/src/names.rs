//! When two spellings are one name.
//!
//! Lists come from many offices and programs: composed and decomposed letters, capitals as on birth certificates, both
//! placements of the tone mark ("hòa" and "hoà" stand even in official names). So names, and numbers of decisions, are never
//! compared byte for byte.

use caseless::default_case_fold_str;
use unicode_normalization::UnicodeNormalization as _;

/// The five written tones, as combining marks: huyền, sắc, ngã, hỏi, nặng.
const TONES: [char; 5] = ['\u{300}', '\u{301}', '\u{303}', '\u{309}', '\u{323}'];

/// What two spellings of one name have in common: equal results mean the same name. For comparison only, never to be shown.
///
/// Unicode case folding; the tone mark of a run of vowels at the run's end; single spaces; one kind of apostrophe and hyphen;
/// đ for the Icelandic ð that old Vietnamese code tables turn into it. NFC.
pub fn fold(text: &str) -> String {
    let cased = default_case_fold_str(&text.nfc().collect::<String>());
    let mut folded = String::with_capacity(cased.len());
    let mut vowels = Vowels::default();
    for c in cased.nfd().map(plain) {
        if vowels.take(c) {
            continue;
        }
        vowels.end(&mut folded);
        let begins_or_doubles = c == ' ' && (folded.is_empty() || folded.ends_with(' '));
        if !begins_or_doubles {
            folded.push(c);
        }
    }
    vowels.end(&mut folded);
    folded.trim_end().nfc().collect()
}

/// The letter for signs that look alike.
fn plain(c: char) -> char {
    match c {
        '’' | '‘' | 'ʼ' | '`' | '´' => '\'',
        '‐' | '‑' | '–' => '-',
        'ð' => 'đ',
        c if c.is_whitespace() => ' ',
        c => c,
    }
}

/// A run of vowels with their marks, decomposed.
#[derive(Default)]
struct Vowels {
    letters: String,
    tones: Vec<char>,
    as_written: String,
}

impl Vowels {
    /// Takes a vowel, or a mark on one; anything else is refused.
    fn take(&mut self, c: char) -> bool {
        let mark = ('\u{300}'..='\u{36F}').contains(&c) && !self.letters.is_empty();
        if !mark && !"aeiouy".contains(c) {
            return false;
        }
        self.as_written.push(c);
        if mark && TONES.contains(&c) {
            self.tones.push(c);
        } else {
            self.letters.push(c);
        }
        true
    }

    /// A Vietnamese syllable has one tone; where other languages write more in a run, their places matter.
    fn end(&mut self, folded: &mut String) {
        if let [tone] = *self.tones {
            folded.push_str(&self.letters);
            folded.push(tone);
        } else {
            folded.push_str(&self.as_written);
        }
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn spellings_of_one_name_are_one() {
        for (one, other) in [
            ("Hòa", "Hoà"),
            ("Thúy", "Thuý"),
            ("Khỏe", "Khoẻ"),
            ("Quý", "Qúy"),
            ("Toàn", "Tòan"),
            ("Nguyễn Thị Gấm", "NGUYỄN THỊ GẤM"),
            (
                "Nguyễn Thị Gấm",
                "Nguye\u{302}\u{303}n Thi\u{323} Ga\u{302}\u{301}m",
            ),
            ("Nguyễn", "Nguy\u{1EC5}n"),
            // Marks typed in an order that is not canonical.
            ("Hồng", "Ho\u{300}\u{302}ng"),
            ("Ngọc Ánh", "  Ngọc \u{A0} Ánh\t"),
            ("H’Wen Niê Kđăm", "H'WEN NIÊ KĐĂM"),
            ("Đỗ Văn Đạt", "Ðỗ Văn Ðạt"),
            ("Lò-Văn", "Lò‑Văn"),
            ("Straße", "STRASSE"),
            ("", "  "),
        ] {
            assert_eq!(fold(one), fold(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn different_names_stay_different() {
        for (one, other) in [
            ("Hòa", "Hoa"),
            ("Hòa", "Hóa"),
            ("Thúy", "Thùy"),
            ("Thúy", "Túy"),
            ("Mỹ", "Mĩ"),
            ("Đạt", "Dạt"),
            ("Sơn", "Son"),
            ("Lân", "Lăn"),
            ("Hoàng Anh", "Hoanàg Anh"),
            ("Lan Anh", "Lananh"),
            ("Áyún", "Ayúń"),
            ("Nguyễn Văn A", "Nguyễn Văn Á"),
        ] {
            assert_ne!(fold(one), fold(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn folding_twice_changes_nothing_and_the_result_is_composed() {
        for name in [
            "Công Tằng Tôn Nữ Thùy Dương",
            "H’Wen Ayŭn Niê Kđăm",
            "Y Ê\u{306}ban",
            "Huyền Ýến",
        ] {
            assert_eq!(fold(&fold(name)), fold(name));
        }
        assert_eq!(fold("HOÀ"), "hoà");
    }
}
