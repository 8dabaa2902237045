//! Every rule of the import, each broken once; nothing of a bad file is taken over.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use ansinh_import::{Checked, Rejected, check};
use ansinh_reference::Reference;

const GOOD: [(&str, &str); 24] = [
    ("so_dinh_danh", "079140000001"),
    ("ho_ten", "Nguyễn Thị Gấm"),
    ("ngay_sinh", "19400000"),
    ("gioi_tinh", "2"),
    ("ma_tinh", "79"),
    ("ma_xa", "26734"),
    ("ma_che_do", "BTXH"),
    ("so_tien_thang", "1000000"),
    ("phu_cap", ""),
    ("truy_linh", ""),
    ("mai_tang_phi", ""),
    ("thu_hoi", ""),
    ("tong_so_tien", "1000000"),
    ("ky_chi_tra", "202611"),
    ("so_quyet_dinh", "12/QĐ-UBND"),
    ("ngay_thoi_huong", ""),
    ("phuong_thuc_chi_tra", "1"),
    ("nguoi_nhan_thay", ""),
    ("so_dinh_danh_nguoi_nhan_thay", ""),
    ("quan_he", ""),
    ("ngay_het_han_uy_quyen", ""),
    ("so_giay_uy_quyen", ""),
    ("ma_so_bhxh", ""),
    ("ma_the_bhyt", ""),
];

const REPRESENTED: [(&str, &str); 4] = [
    ("nguoi_nhan_thay", "Trần Văn Út"),
    ("so_dinh_danh_nguoi_nhan_thay", "079072000002"),
    ("quan_he", "02"),
    ("ngay_het_han_uy_quyen", "20271231"),
];

fn line(changes: &[(&str, &str)]) -> String {
    let value = |column: &str, good| {
        changes
            .iter()
            .find(|(name, _)| *name == column)
            .map_or(good, |(_, value)| *value)
    };
    for (column, _) in changes {
        assert!(
            GOOD.iter().any(|(name, _)| name == column),
            "the test changes an unknown column {column}"
        );
    }
    GOOD.map(|(column, good)| value(column, good)).join(";")
}

fn file(lines: &[String]) -> String {
    let header = GOOD.map(|(column, _)| column).join(";");
    format!("{header}\n{}\n", lines.join("\n"))
}

fn check_bytes(bytes: &[u8]) -> Result<Checked, Rejected> {
    check(bytes, "list.csv", &Reference::load().unwrap(), "79")
}

fn accepted(changes: &[(&str, &str)]) -> Checked {
    check_bytes(file(&[line(changes)]).as_bytes())
        .unwrap_or_else(|rejected| panic!("{changes:?}: {:#?}", rejected.errors))
}

/// Errors of a file as (line, column).
fn errors(bytes: &[u8]) -> Vec<(u64, String)> {
    let rejected = check_bytes(bytes).err().expect("the file was accepted");
    rejected
        .errors
        .into_iter()
        .map(|error| (error.line, error.column))
        .collect()
}

fn refused(changes: &[(&str, &str)], column: &str) {
    let found = errors(file(&[line(&[]), line(changes)]).as_bytes());
    assert!(found.contains(&(3, column.to_owned())), "{changes:?}: {found:?}");
    assert!(
        found.iter().all(|(line, _)| *line == 3),
        "{changes:?}: the good line was blamed: {found:?}"
    );
}

#[test]
fn a_good_line_is_accepted_with_or_without_a_byte_order_mark_and_with_either_delimiter() {
    let text = file(&[line(&[])]);
    assert!(check_bytes(text.as_bytes()).is_ok());
    assert!(check_bytes(format!("\u{FEFF}{text}").as_bytes()).is_ok());
    assert!(check_bytes(text.replace(';', ",").as_bytes()).is_ok());
    assert!(check_bytes(text.replace('\n', "\r\n").as_bytes()).is_ok());
}

#[test]
fn what_is_taken_over_is_what_the_line_says() {
    let changes = [
        &REPRESENTED[..],
        &[
            ("phu_cap", "200000"),
            ("truy_linh", "3"),
            ("tong_so_tien", "1200003"),
        ],
    ]
    .concat();
    let checked = accepted(&changes);
    let line = &checked.list.lines[0];
    let due: Vec<_> = line.due.iter().map(|due| (due.line_type, due.amount)).collect();
    assert_eq!(due, [(1, 1_000_000), (2, 3), (6, 200_000)]);
    assert_eq!(
        (line.file_line, line.period.as_str(), line.method),
        (2, "202611", 1)
    );
    assert_eq!(line.representative.as_ref().unwrap().full_name, "Trần Văn Út");
    assert_eq!(line.entitlement.month_from, "202611");
    assert!(checked.warnings.is_empty());
}

#[test]
fn names_are_composed_and_minority_letters_allowed() {
    let decomposed = "Nguye\u{302}\u{303}n Thi\u{323} Ga\u{302}\u{301}m";
    assert_eq!(
        accepted(&[("ho_ten", decomposed)]).list.lines[0].person.full_name,
        "Nguyễn Thị Gấm"
    );
    for name in [
        "H’Wen Ayŭn Niê Kđăm",
        "Fatimah Zahrah K'Jơng",
        "Y Ê\u{306}ban",
        "A. Lò-Văn",
    ] {
        accepted(&[("ho_ten", name)]);
    }
    accepted(&[("ho_ten", &"Ấ".repeat(64))]);
}

#[test]
fn a_person_without_province_lives_in_the_stations() {
    assert_eq!(accepted(&[("ma_tinh", "")]).list.lines[0].person.province, "79");
}

#[test]
fn a_social_insurance_number_that_is_the_personal_id_is_not_kept_twice() {
    assert_eq!(
        accepted(&[("ma_so_bhxh", "079140000001")]).list.lines[0]
            .person
            .social_insurance_number,
        None
    );
    let kept = accepted(&[("ma_so_bhxh", "0123456789")]);
    assert_eq!(
        kept.list.lines[0].person.social_insurance_number.as_deref(),
        Some("0123456789")
    );
}

#[test]
fn every_required_field_is_demanded() {
    for column in [
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
    ] {
        refused(&[(column, "")], column);
        refused(&[(column, "   ")], column);
    }
}

#[test]
fn values_that_break_their_rule_are_refused() {
    let cases: &[(&str, &[&str])] = &[
        (
            "so_dinh_danh",
            &[
                "07914000000",
                "0791400000011",
                "07914000000A",
                "079 140000001",
                "０７９１４００００００１",
            ],
        ),
        (
            "ho_ten",
            &["12345", "Nguyễn 2", "Tên; DROP", "=1+1", "...", "Tab\tTab"],
        ),
        (
            "ngay_sinh",
            &[
                "19401301",
                "19400230",
                "19400001",
                "1940",
                "01011940",
                "18991231",
                "20991231",
                "1940-01-01",
            ],
        ),
        ("gioi_tinh", &["0", "4", "M", "01", "nam"]),
        ("ma_tinh", &["7", "079", "72", "00", "XX"]),
        ("ma_xa", &["2673", "267340", "00000", "2673A"]),
        ("ma_che_do", &["btxh", "BTX", "XXXX", "BT05a"]),
        (
            "so_tien_thang",
            &[
                "1.000.000",
                "1,000,000",
                "-1",
                "1e6",
                "1000000000000",
                "1000000 đ",
                "+1000000",
            ],
        ),
        ("phu_cap", &["x", "-200000", "0.5"]),
        ("truy_linh", &["x", "-1"]),
        ("mai_tang_phi", &["x", "-1"]),
        ("thu_hoi", &["1", "500000", "x"]),
        ("tong_so_tien", &["999999", "1000001", "0", "x"]),
        (
            "ky_chi_tra",
            &["202613", "202600", "2026", "20261", "112026", "199912", "2026-11"],
        ),
        ("so_quyet_dinh", &["1234567890123456789012345678901"]),
        ("ngay_thoi_huong", &["20261032", "20260000", "202610"]),
        ("phuong_thuc_chi_tra", &["0", "6", "01", "TM"]),
        ("so_giay_uy_quyen", &["12/QĐ"]),
        ("ma_so_bhxh", &["123456789", "01234567890", "A123456789"]),
        ("ma_the_bhyt", &["HT123", "ht4790123456789", "HT479012345678-"]),
    ];
    for (column, values) in cases {
        for value in *values {
            // A semicolon or tab in a value needs quotes, as a spreadsheet would write it.
            refused(&[(column, &format!("\"{value}\""))], column);
        }
    }
    refused(&[("ho_ten", &"Ấ".repeat(65))], "ho_ten");
}

#[test]
fn codes_are_judged_in_the_month_that_is_paid() {
    accepted(&[("ma_tinh", "72"), ("ky_chi_tra", "202506")]);
    refused(&[("ma_che_do", "HTXH"), ("ky_chi_tra", "202506")], "ma_che_do");
    refused(&[("ma_tinh", "72"), ("ky_chi_tra", "202507")], "ma_tinh");
}

#[test]
fn a_representative_is_told_wholly() {
    for (left_out, _) in REPRESENTED {
        let changes: Vec<_> = REPRESENTED
            .into_iter()
            .filter(|(column, _)| *column != left_out)
            .collect();
        refused(&changes, left_out);
    }
    let changed = |column, value| [&[(column, value)], &REPRESENTED[..]].concat();
    refused(
        &changed("so_dinh_danh_nguoi_nhan_thay", "079140000001"),
        "so_dinh_danh_nguoi_nhan_thay",
    );
    refused(&changed("quan_he", "99"), "quan_he");
    refused(
        &changed("ngay_het_han_uy_quyen", "19991231"),
        "ngay_het_han_uy_quyen",
    );
    refused(&[("so_giay_uy_quyen", "15/GUQ")], "so_giay_uy_quyen");
}

#[test]
fn an_ended_entitlement_pays_no_month_but_a_funeral_allowance() {
    refused(&[("ngay_thoi_huong", "20261031")], "ngay_thoi_huong");
    accepted(&[("ngay_thoi_huong", "20261101")]);
    let funeral = [
        ("ngay_thoi_huong", "20261031"),
        ("so_tien_thang", "0"),
        ("mai_tang_phi", "1000000"),
    ];
    let checked = accepted(&funeral);
    assert!(!checked.list.lines[0].entitlement.active);
    assert_eq!(checked.list.lines[0].due[0].line_type, 3);
}

#[test]
fn a_line_that_pays_nothing_is_refused() {
    refused(&[("so_tien_thang", "0"), ("tong_so_tien", "0")], "tong_so_tien");
}

#[test]
fn all_errors_of_all_lines_are_listed() {
    let lines = [
        line(&[("so_dinh_danh", "1"), ("gioi_tinh", "9"), ("ky_chi_tra", "x")]),
        line(&[]),
        line(&[("ho_ten", ""), ("ngay_sinh", "x")]),
    ];
    let found = errors(file(&lines).as_bytes());
    let expected = [
        (2, "ky_chi_tra"),
        (2, "so_dinh_danh"),
        (2, "gioi_tinh"),
        (4, "ho_ten"),
        (4, "ngay_sinh"),
    ];
    assert_eq!(found, expected.map(|(line, column)| (line, column.to_owned())));
}

#[test]
fn nothing_is_due_twice() {
    let twice = |changes: &[(&str, &str)]| file(&[line(&[]), line(changes)]);
    assert_eq!(errors(twice(&[]).as_bytes()), [(3, "so_dinh_danh".to_owned())]);
    assert_eq!(
        errors(twice(&[("so_quyet_dinh", "13/QĐ")]).as_bytes()),
        [(3, "so_dinh_danh".to_owned())]
    );
    assert!(check_bytes(twice(&[("ma_che_do", "NGCC")]).as_bytes()).is_ok());
    assert!(check_bytes(twice(&[("ky_chi_tra", "202610")]).as_bytes()).is_ok());
}

#[test]
fn one_person_is_told_one_way() {
    for (column, value) in [
        ("ho_ten", "Nguyễn Thị Gấu"),
        ("ngay_sinh", "19400101"),
        ("ma_xa", "26743"),
        ("ma_tinh", "01"),
    ] {
        let lines = [line(&[]), line(&[("ma_che_do", "NGCC"), (column, value)])];
        assert_eq!(errors(file(&lines).as_bytes()), [(3, column.to_owned())]);
    }
}

#[test]
fn arrears_of_two_decisions_may_fall_in_one_month_and_nothing_else() {
    let of = |decision, regular, arrears| {
        line(&[
            ("so_quyet_dinh", decision),
            ("so_tien_thang", regular),
            ("truy_linh", arrears),
            ("tong_so_tien", if regular == "0" { arrears } else { regular }),
        ])
    };
    let good = [of("1/QĐ", "0", "300000"), of("2/QĐ", "0", "300000")];
    assert!(check_bytes(file(&good).as_bytes()).is_ok());
    let once = vec![(3, "so_dinh_danh".to_owned())];
    let same_decision = [of("1/QĐ", "0", "300000"), of("1/QĐ", "0", "300000")];
    assert_eq!(errors(file(&same_decision).as_bytes()), once);
    let regular = [of("1/QĐ", "300000", ""), of("2/QĐ", "300000", "")];
    assert_eq!(errors(file(&regular).as_bytes()), once);
}

#[test]
fn an_ended_authorization_takes_no_place_on_the_card() {
    let lines = [
        ("BTXH", "079072000001", "20261031"),
        ("HTXH", "079072000002", "20261101"),
        ("NGCC", "079072000003", "20271231"),
    ];
    let lines = lines.map(|(programme, id, end)| {
        let mut changes = REPRESENTED.to_vec();
        changes.retain(|(column, _)| {
            !["so_dinh_danh_nguoi_nhan_thay", "ngay_het_han_uy_quyen"].contains(column)
        });
        changes.extend([
            ("ma_che_do", programme),
            ("so_dinh_danh_nguoi_nhan_thay", id),
            ("ngay_het_han_uy_quyen", end),
        ]);
        line(&changes)
    });
    assert!(check_bytes(file(&lines).as_bytes()).is_ok());
}

#[test]
fn a_card_holds_at_most_two_representatives() {
    let lines: Vec<_> = ["BTXH", "NGCC", "LHBH"]
        .iter()
        .zip(["079072000002", "079072000003", "079072000004"])
        .map(|(programme, id)| {
            let changes = [("ma_che_do", *programme), ("so_dinh_danh_nguoi_nhan_thay", id)];
            line(&[&changes[..], &REPRESENTED[..]].concat())
        })
        .collect();
    assert!(check_bytes(file(&lines[..2]).as_bytes()).is_ok());
    assert_eq!(
        errors(file(&lines).as_bytes()),
        [(4, "so_dinh_danh_nguoi_nhan_thay".to_owned())]
    );
}

#[test]
fn an_id_that_does_not_fit_birth_date_or_sex_is_only_a_warning() {
    let warnings = |changes: &[(&str, &str)]| {
        accepted(changes)
            .warnings
            .into_iter()
            .map(|warning| (warning.line, warning.column))
            .collect::<Vec<_>>()
    };
    let warned = |count: usize| vec![(2, "so_dinh_danh".to_owned()); count];
    assert_eq!(warnings(&[]), []);
    assert_eq!(warnings(&[("gioi_tinh", "1")]), warned(1));
    assert_eq!(warnings(&[("gioi_tinh", "3")]), []);
    assert_eq!(warnings(&[("ngay_sinh", "19410000")]), warned(1));
    assert_eq!(
        warnings(&[("ngay_sinh", "20050101"), ("gioi_tinh", "1")]),
        warned(2)
    );
    assert_eq!(
        warnings(&[("so_dinh_danh", "079305000001"), ("ngay_sinh", "20050101")]),
        []
    );
}

#[test]
fn a_header_that_cannot_be_used_is_told_column_by_column() {
    let text = file(&[line(&[])]);
    let header = |from: &str, to: &str| errors(text.replacen(from, to, 1).as_bytes());
    let of = |columns: &[&str]| {
        columns
            .iter()
            .map(|column| (1, (*column).to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(header("ho_ten", "hoten"), of(&["hoten", "ho_ten"]));
    assert_eq!(header("ma_the_bhyt", "Ma_the_bhyt"), of(&["Ma_the_bhyt"]));
    assert_eq!(header("ma_the_bhyt", "ho_ten"), of(&["ho_ten"]));
    assert_eq!(header("ma_xa", ""), of(&["", "ma_xa"]));
}

#[test]
fn files_that_are_no_lists_are_refused() {
    assert_eq!(errors(b"").len(), 1);
    assert_eq!(errors("\u{FEFF}".as_bytes()).len(), 1);
    assert_eq!(errors(file(&[]).as_bytes()).len(), 1);
    assert!(errors(b"PK\x03\x04 a spreadsheet").len() > 1);
    let windows = file(&[line(&[]), line(&[])]).into_bytes();
    let broken = [&windows[..windows.len() - 20], b"\xEA\xFF;;;\n"].concat();
    assert_eq!(errors(&broken), [(3, String::new())]);
    let utf16: Vec<u8> = file(&[line(&[])])
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert!(check_bytes(&utf16).is_err());
}

#[test]
fn a_line_with_too_few_or_too_many_fields_is_refused() {
    let good = line(&[]);
    for wrong in [
        format!("{good};x"),
        good.rsplit_once(';').unwrap().0.to_owned(),
        "x".to_owned(),
    ] {
        let found = errors(file(&[good.clone(), wrong]).as_bytes());
        assert!(found.contains(&(3, String::new())), "{found:?}");
    }
}

#[test]
fn a_quoted_line_break_does_not_shift_line_numbers() {
    let lines = [
        line(&[("so_quyet_dinh", "\"12/QĐ\n-UBND\"")]),
        line(&[("gioi_tinh", "9")]),
    ];
    assert_eq!(
        errors(file(&lines).as_bytes()),
        [(2, "so_quyet_dinh".to_owned()), (4, "gioi_tinh".to_owned())]
    );
}
