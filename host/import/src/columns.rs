//! The columns of the import file, and its header.

use std::collections::HashMap;

use crate::finding::{Finding, Findings};

/// What a column holds, as far as it matters how a spreadsheet stores it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Text, and codes: a number has lost its leading zeros.
    Text,
    /// Digits without leading zeros: sums, and codes of one digit.
    Number,
    /// A day yyyymmdd, also as a date of the spreadsheet.
    Day,
    /// Recognised and not taken over, so not looked at: what is not stored cannot leak.
    Unused,
}

/// Every column of the import file (DOMAIN: approved list), in the order of the template.
const KNOWN: [(&str, Kind); 44] = [
    ("stt", Kind::Unused),
    ("so_dinh_danh", Kind::Text),
    ("ho_ten", Kind::Text),
    ("ngay_sinh", Kind::Day),
    ("gioi_tinh", Kind::Number),
    ("ma_tinh", Kind::Text),
    ("ma_xa", Kind::Text),
    ("thon_to", Kind::Unused),
    ("dia_chi", Kind::Unused),
    ("dien_thoai", Kind::Unused),
    ("ma_che_do", Kind::Text),
    ("ma_doi_tuong", Kind::Text),
    ("he_so", Kind::Unused),
    ("muc_chuan", Kind::Unused),
    ("so_tien_thang", Kind::Number),
    ("phu_cap", Kind::Number),
    ("truy_linh", Kind::Number),
    ("mai_tang_phi", Kind::Number),
    ("thu_hoi", Kind::Number),
    ("tong_so_tien", Kind::Number),
    ("ky_chi_tra", Kind::Number),
    ("tu_thang", Kind::Number),
    ("den_thang", Kind::Number),
    ("so_quyet_dinh", Kind::Text),
    ("ngay_quyet_dinh", Kind::Day),
    ("co_quan_quyet_dinh", Kind::Text),
    ("ngay_bat_dau", Kind::Day),
    ("ngay_thoi_huong", Kind::Day),
    ("ly_do_thoi", Kind::Text),
    ("phuong_thuc_chi_tra", Kind::Number),
    ("ma_ngan_hang", Kind::Unused),
    ("so_tai_khoan", Kind::Unused),
    ("chu_tai_khoan", Kind::Unused),
    ("ma_diem_chi_tra", Kind::Text),
    ("nguoi_nhan_thay", Kind::Text),
    ("so_dinh_danh_nguoi_nhan_thay", Kind::Text),
    ("quan_he", Kind::Text),
    ("so_giay_uy_quyen", Kind::Text),
    ("ngay_het_han_uy_quyen", Kind::Day),
    ("ma_so_bhxh", Kind::Text),
    ("ma_the_bhyt", Kind::Text),
    ("trang_thai_xac_thuc", Kind::Unused),
    ("ngay_xac_thuc", Kind::Unused),
    ("ghi_chu", Kind::Unused),
];

/// Columns without which there is nothing to pay or nobody to pay it to.
const REQUIRED: [&str; 11] = [
    "so_dinh_danh",
    "ho_ten",
    "ngay_sinh",
    "gioi_tinh",
    "ma_xa",
    "ma_che_do",
    "so_tien_thang",
    "tong_so_tien",
    "ky_chi_tra",
    "so_quyet_dinh",
    "phuong_thuc_chi_tra",
];

/// Which column stands where.
#[derive(Clone, Default)]
pub(crate) struct Columns {
    names: Vec<String>,
    places: HashMap<String, usize>,
    in_sheet: bool,
}

impl Columns {
    /// The columns of a text file or, if `in_sheet`, of a spreadsheet.
    pub(crate) fn new(names: Vec<String>, in_sheet: bool) -> Self {
        let mut places = HashMap::new();
        for (place, name) in names.iter().enumerate() {
            places.entry(name.clone()).or_insert(place);
        }
        Self {
            names,
            places,
            in_sheet,
        }
    }

    pub(crate) fn place(&self, column: &str) -> Option<usize> {
        self.places.get(column).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The name of the column at a place.
    pub(crate) fn name(&self, place: usize) -> &str {
        self.names.get(place).map_or("", String::as_str)
    }

    /// What the column at a place holds.
    pub(crate) fn kind(&self, place: usize) -> Kind {
        let known = KNOWN.iter().find(|(name, _)| *name == self.name(place));
        known.map_or(Kind::Unused, |(_, kind)| *kind)
    }

    /// Where a value stands in the spreadsheet, if it is one.
    pub(crate) fn cell(&self, place: usize, line: u64) -> Option<String> {
        self.in_sheet.then(|| format!("{}{line}", letters(place)))
    }

    /// Adds the place in the spreadsheet, if it is one.
    pub(crate) fn locate(&self, mut finding: Finding) -> Finding {
        let place = self.place(&finding.column);
        finding.cell = finding.cell.or_else(|| self.cell(place?, finding.line));
        finding
    }

    /// Notes every column that is unknown, missing or there twice; true if there is none.
    pub(crate) fn check(&self, line: u64, findings: &mut Findings) -> bool {
        let before = findings.errors.len();
        for (place, name) in self.names.iter().enumerate() {
            let rule = if !KNOWN.iter().any(|(known, _)| known == name) {
                "unknown column: use the names of the template"
            } else if self.place(name) != Some(place) {
                "this column stands twice"
            } else {
                continue;
            };
            let mut finding = Finding::new(line, name, name, rule);
            // Of two columns with one name the second is meant.
            finding.cell = self.cell(place, line);
            findings.errors.push(finding);
        }
        for name in REQUIRED.iter().filter(|name| self.place(name).is_none()) {
            let rule = "this column is required and missing";
            findings.errors.push(Finding::new(line, name, "", rule));
        }
        findings.errors.len() == before
    }
}

/// The letters of a spreadsheet's column: A to Z, AA and so on.
fn letters(place: usize) -> String {
    let letter = |number: usize| char::from(b'A' + u8::try_from(number % 26).unwrap_or_default());
    match place / 26 {
        0 => letter(place).to_string(),
        more => letters(more - 1) + &letter(place).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::letters;

    #[test]
    fn letters_are_those_of_a_spreadsheet() {
        assert_eq!(
            [0, 25, 26, 43, 51, 52, 701, 702].map(letters),
            ["A", "Z", "AA", "AR", "AZ", "BA", "ZZ", "AAA"]
        );
    }
}
