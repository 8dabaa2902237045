//! Reading the file: encoding, delimiter, header.

use csv::StringRecord;

use crate::{Finding, Findings};

/// Every column of the import file (DOMAIN: approved list), in the order of the template.
const KNOWN: [&str; 44] = [
    "stt",
    "so_dinh_danh",
    "ho_ten",
    "ngay_sinh",
    "gioi_tinh",
    "ma_tinh",
    "ma_xa",
    "thon_to",
    "dia_chi",
    "dien_thoai",
    "ma_che_do",
    "ma_doi_tuong",
    "he_so",
    "muc_chuan",
    "so_tien_thang",
    "phu_cap",
    "truy_linh",
    "mai_tang_phi",
    "thu_hoi",
    "tong_so_tien",
    "ky_chi_tra",
    "tu_thang",
    "den_thang",
    "so_quyet_dinh",
    "ngay_quyet_dinh",
    "co_quan_quyet_dinh",
    "ngay_bat_dau",
    "ngay_thoi_huong",
    "ly_do_thoi",
    "phuong_thuc_chi_tra",
    "ma_ngan_hang",
    "so_tai_khoan",
    "chu_tai_khoan",
    "ma_diem_chi_tra",
    "nguoi_nhan_thay",
    "so_dinh_danh_nguoi_nhan_thay",
    "quan_he",
    "so_giay_uy_quyen",
    "ngay_het_han_uy_quyen",
    "ma_so_bhxh",
    "ma_the_bhyt",
    "trang_thai_xac_thuc",
    "ngay_xac_thuc",
    "ghi_chu",
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
pub(super) struct Columns(Vec<String>);

impl Columns {
    pub(super) fn place(&self, column: &str) -> Option<usize> {
        self.0.iter().position(|name| name == column)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Reads header and records. With a header that cannot be used there is no point in looking at the lines.
pub(super) fn read(file: &[u8], findings: &mut Findings) -> Option<(Columns, Vec<StringRecord>)> {
    let text = decode(file, findings)?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(text))
        .flexible(true)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut records = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => records.push(record),
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                findings.errors.push(Finding::new(
                    line,
                    "",
                    "",
                    format!("not readable as CSV ({error})"),
                ));
                return None;
            }
        }
    }
    if records.is_empty() {
        findings.errors.push(Finding::new(1, "", "", "the file is empty"));
        return None;
    }
    let header = records.remove(0);
    let columns = Columns(header.iter().map(|name| name.trim().to_owned()).collect());
    check_header(&columns, findings).then_some((columns, records))
}

fn decode<'a>(file: &'a [u8], findings: &mut Findings) -> Option<&'a str> {
    let content = file.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(file);
    match str::from_utf8(content) {
        Ok(text) => Some(text),
        Err(error) => {
            let good = content.get(..error.valid_up_to()).unwrap_or_default();
            let line = good.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            let rule = "not UTF-8 text: save the list as \"CSV UTF-8\"";
            findings.errors.push(Finding::new(line, "", "", rule));
            None
        }
    }
}

/// Excel writes `;` where the comma is the decimal sign, as in Vietnam. No column name holds either.
fn delimiter(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    if header.contains(';') { b';' } else { b',' }
}

fn check_header(columns: &Columns, findings: &mut Findings) -> bool {
    let before = findings.errors.len();
    for (place, name) in columns.0.iter().enumerate() {
        if !KNOWN.contains(&name.as_str()) {
            findings.errors.push(Finding::new(
                1,
                name,
                name,
                "unknown column: use the names of the template",
            ));
        } else if columns.place(name) != Some(place) {
            findings
                .errors
                .push(Finding::new(1, name, name, "this column stands twice"));
        }
    }
    for name in REQUIRED.iter().filter(|name| columns.place(name).is_none()) {
        findings
            .errors
            .push(Finding::new(1, name, "", "this column is required and missing"));
    }
    findings.errors.len() == before
}
