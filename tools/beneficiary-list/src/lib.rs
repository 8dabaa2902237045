//! The generator of synthetic beneficiary lists, as a library so that tests can feed it to the importer.
//!
//! Amounts follow Decree 76/2024/ND-CP (standard 500,000 VND), Decree 176/2025/ND-CP (social pension) and Decree 77/2024/ND-CP
//! (meritorious persons, standard 2,789,000 VND).

mod names;

use std::io;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// What to generate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Number of persons; one of them has two lines.
    pub people: u32,
    /// Seed: the same template gives the same bytes.
    pub seed: u64,
    /// Month that is paid, `yyyymm`, from 202507 (when the present province codes came into force).
    pub period: String,
}

const COLUMNS: [&str; 44] = [
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

/// Provinces of birth registration, as the first three digits of an identity number have them (Circular 07/2016/TT-BCA): the
/// 63 former provinces, since numbers keep their digits.
const ID_PREFIXES: [&str; 8] = ["001", "034", "046", "052", "066", "072", "079", "092"];

/// Some communes of Thành phố Hồ Chí Minh (province 79), by form; the importer checks five digits only.
const COMMUNES: [&str; 6] = ["26740", "26743", "26860", "27007", "27259", "27496"];

/// A kind of benefit with what one month of it is worth.
struct Benefit {
    programme: &'static str,
    sub_code: &'static str,
    coefficient: &'static str,
    standard: u64,
    monthly: u64,
    supplement: u64,
    /// Years of birth of those who get it.
    born: (u32, u32),
}

const fn benefit(
    programme: &'static str,
    sub_code: &'static str,
    coefficient: &'static str,
    standard: u64,
    monthly: u64,
    born: (u32, u32),
) -> Benefit {
    Benefit {
        programme,
        sub_code,
        coefficient,
        standard,
        monthly,
        supplement: 0,
        born,
    }
}

/// The kinds that a list is mixed from.
const BENEFITS: [Benefit; 8] = [
    benefit("BTXH", "BT05a.2", "2.0", 500_000, 1_000_000, (1930, 1945)),
    benefit("BTXH", "BT06", "1.5", 500_000, 750_000, (1966, 2004)),
    benefit("BTXH", "BT06", "2.0", 500_000, 1_000_000, (1966, 2004)),
    benefit("HTXH", "", "", 500_000, 500_000, (1932, 1950)),
    benefit("HTXH", "", "", 500_000, 500_000, (1932, 1950)),
    benefit("NGCC", "LS1", "", 2_789_000, 2_789_000, (1928, 1960)),
    benefit("NGCC", "TB60", "", 2_789_000, 5_364_000, (1940, 1960)),
    benefit("LHBH", "", "", 0, 3_800_000, (1938, 1966)),
];

/// Mother of martyrs: allowance and supplement are separate lines.
const HEROIC_MOTHER: Benefit = Benefit {
    supplement: 2_337_000,
    ..benefit("NGCC", "BMVN", "", 2_789_000, 8_367_000, (1928, 1935))
};

/// One line of the list, by column.
type Line = Vec<(&'static str, String)>;

/// Writes the list: UTF-8, `;` between fields, a header line.
///
/// # Errors
/// Only if memory for it cannot be had.
pub fn generate(template: &Template) -> io::Result<Vec<u8>> {
    let mut generator = Generator {
        random: ChaCha8Rng::seed_from_u64(template.seed),
        period: &template.period,
    };
    let mut writer = csv::WriterBuilder::new().delimiter(b';').from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    let mut number = 0_u32;
    for index in 0..template.people {
        for line in generator.person(index) {
            number += 1;
            let field = |column: &str| {
                let found = line.iter().find(|(name, _)| *name == column);
                found.map_or_else(String::new, |(_, value)| value.clone())
            };
            let fields = COLUMNS.map(|column| {
                if column == "stt" {
                    number.to_string()
                } else {
                    field(column)
                }
            });
            writer.write_record(&fields)?;
        }
    }
    writer
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))
}

struct Generator<'a> {
    random: ChaCha8Rng,
    period: &'a str,
}

impl Generator<'_> {
    /// The lines of one person. The first persons are the cases that every list must have.
    fn person(&mut self, index: u32) -> Vec<Line> {
        let benefit = match index {
            0 => &HEROIC_MOTHER,
            1 | 2 => &BENEFITS[0],
            _ => &BENEFITS[self.below(BENEFITS.len())],
        };
        let identity = self.identity(index, benefit);
        let mut first = self.line(&identity, benefit, index, 1);
        match index {
            0 => {
                // Two programmes: a meritorious person who is also entitled to social assistance.
                let second = self.line(&identity, &BENEFITS[0], index, 2);
                return vec![first, second];
            }
            1 => self.add_representative(&mut first, index),
            _ => {}
        }
        vec![first]
    }

    fn identity(&mut self, index: u32, benefit: &Benefit) -> Line {
        let woman = index == 0 || self.below(2) == 0;
        let (earliest, latest) = benefit.born;
        let year = earliest + self.below((latest - earliest + 1) as usize) as u32;
        // Many old people know only the year.
        let birthday = if index == 2 || (index > 5 && self.below(10) == 0) {
            "0000".to_owned()
        } else {
            format!("{:02}{:02}", 1 + self.below(12), 1 + self.below(28))
        };
        vec![
            ("so_dinh_danh", self.personal_id(index, year, woman)),
            ("ho_ten", self.name(index, woman)),
            ("ngay_sinh", format!("{year}{birthday}")),
            ("gioi_tinh", if woman { "2" } else { "1" }.to_owned()),
            ("ma_tinh", "79".to_owned()),
            ("ma_xa", self.pick(&COMMUNES).to_owned()),
            ("ma_diem_chi_tra", format!("BD79{:04}", 1 + self.below(12))),
        ]
    }

    /// Prefix, century and sex, year, and six digits that no two persons of a list share: 7,919 and 1,000,000 have no common
    /// factor. Representatives take the numbers from half a million on.
    fn personal_id(&mut self, index: u32, year: u32, woman: bool) -> String {
        let prefix = self.pick(&ID_PREFIXES);
        let mark = 2 * ((year - 1900) / 100) + u32::from(woman);
        let serial = u64::from(index) * 7_919 % 1_000_000;
        format!("{prefix}{mark}{:02}{serial:06}", year % 100)
    }

    fn name(&mut self, index: u32, woman: bool) -> String {
        if let Some(unusual) = (3_usize..)
            .zip(names::UNUSUAL)
            .find(|(place, _)| *place == index as usize)
        {
            return unusual.1.to_owned();
        }
        let (middle, given) = if woman {
            (self.pick(&names::MIDDLE_WOMEN), self.pick(&names::GIVEN_WOMEN))
        } else {
            (self.pick(&names::MIDDLE_MEN), self.pick(&names::GIVEN_MEN))
        };
        format!("{} {middle} {given}", self.pick(&names::SURNAMES))
    }

    fn line(&mut self, identity: &Line, benefit: &Benefit, index: u32, decision: u32) -> Line {
        // Pensions differ from person to person, and now and then a month comes late.
        let raise = if benefit.programme == "LHBH" {
            1_000 * self.below(5_000) as u64
        } else {
            0
        };
        let monthly = benefit.monthly + raise;
        let arrears = if index > 5 && self.below(12) == 0 {
            monthly
        } else {
            0
        };
        let mut line = identity.clone();
        let text = |amount: u64| {
            if amount == 0 {
                String::new()
            } else {
                amount.to_string()
            }
        };
        line.extend([
            ("ma_che_do", benefit.programme.to_owned()),
            ("ma_doi_tuong", benefit.sub_code.to_owned()),
            ("he_so", benefit.coefficient.to_owned()),
            ("muc_chuan", text(benefit.standard)),
            ("so_tien_thang", monthly.to_string()),
            ("phu_cap", text(benefit.supplement)),
            ("truy_linh", text(arrears)),
            (
                "tong_so_tien",
                (monthly + benefit.supplement + arrears).to_string(),
            ),
            ("ky_chi_tra", self.period.to_owned()),
            ("so_quyet_dinh", format!("{}{decision}/QĐ-UBND", 100 + index)),
            ("ngay_quyet_dinh", "20250710".to_owned()),
            ("ngay_bat_dau", "20250701".to_owned()),
            ("phuong_thuc_chi_tra", "1".to_owned()),
        ]);
        line
    }

    fn add_representative(&mut self, line: &mut Line, index: u32) {
        let child = self.personal_id(500_000 + index, 1972, true);
        let year = self
            .period
            .get(..4)
            .and_then(|year| year.parse::<u32>().ok())
            .unwrap_or(2026);
        line.extend([
            ("nguoi_nhan_thay", self.name(u32::MAX, true)),
            ("so_dinh_danh_nguoi_nhan_thay", child),
            ("quan_he", "02".to_owned()),
            ("so_giay_uy_quyen", "15/GUQ-2025".to_owned()),
            ("ngay_het_han_uy_quyen", format!("{}1231", year + 1)),
        ]);
    }

    fn pick<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        choices
            .get(self.below(choices.len()))
            .copied()
            .unwrap_or_default()
    }

    /// A number below `bound`. The bias of the remainder does not matter for test data.
    fn below(&mut self, bound: usize) -> usize {
        self.random.next_u32() as usize % bound.max(1)
    }
}
