//! Every rule of the import, each broken once; nothing of a bad file is taken over.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use ansinh_import::WarningCode;
use ansinh_store::import::ListKind;

use common::{REPRESENTED, accepted, check_bytes, check_kind, errors, file, line, refused};

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
        ("ma_xa", &["2673", "267400", "00000", "2673A"]),
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
        ("ngay_bat_dau", &["20261032", "x", "20261201"]),
        ("ngay_thoi_huong", &["20261032", "20260000", "202610"]),
        ("ly_do_thoi", &["1", "000", "chết"]),
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
    refused(&[("ho_ten", &"Ấ".repeat(256))], "ho_ten");
    refused(&[("ho_ten", "Nguyễn 𐞀")], "ho_ten");
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
    assert_eq!(errors(b"PK\x03\x04 a spreadsheet"), [(1, String::new())]);
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
fn a_reason_without_a_day_ends_nothing() {
    refused(&[("ly_do_thoi", "001")], "ngay_thoi_huong");
    let ended = accepted(&[("ly_do_thoi", "001"), ("ngay_thoi_huong", "20261115")]);
    assert_eq!(ended.list.lines[0].stated.end_reason.as_deref(), Some("001"));
}

#[test]
fn only_a_delta_list_has_lines_that_pay_nothing() {
    let ends = [
        ("so_tien_thang", "0"),
        ("tong_so_tien", "0"),
        ("ngay_thoi_huong", "20261031"),
        ("ly_do_thoi", "001"),
    ];
    refused(&ends, "tong_so_tien");
    let checked =
        check_kind(file(&[line(&ends)]).as_bytes(), ListKind::Delta).unwrap_or_else(|_| panic!("refused"));
    assert!(checked.list.lines[0].due.is_empty());
    assert_eq!(checked.list.kind, ListKind::Delta);
    // The other rules hold in a delta list too.
    let pays = [("ngay_thoi_huong", "20261031")];
    assert!(check_kind(file(&[line(&pays)]).as_bytes(), ListKind::Delta).is_err());
    let recovers = [("thu_hoi", "1"), ("so_tien_thang", "0"), ("tong_so_tien", "0")];
    assert!(check_kind(file(&[line(&recovers)]).as_bytes(), ListKind::Delta).is_err());
}

#[test]
fn spellings_of_one_name_are_one_person() {
    let spellings = [
        "Nguye\u{302}\u{303}n Thi\u{323} Ga\u{302}\u{301}m",
        "NGUYỄN THỊ GẤM",
        "Nguyễn  Thị   Gấm",
    ];
    for name in spellings {
        let lines = [line(&[]), line(&[("ma_che_do", "NGCC"), ("ho_ten", name)])];
        assert!(check_bytes(file(&lines).as_bytes()).is_ok(), "{name:?}");
    }
}

#[test]
fn one_decision_and_one_representative_are_told_one_way() {
    let other_month = ("ky_chi_tra", "202610");
    for (column, first, second) in [
        ("ngay_bat_dau", "20250101", "20250201"),
        ("ngay_thoi_huong", "20271231", "20281231"),
    ] {
        let lines = [line(&[(column, first)]), line(&[(column, second), other_month])];
        assert_eq!(errors(file(&lines).as_bytes()), [(3, column.to_owned())]);
    }
    for (column, value) in [
        ("nguoi_nhan_thay", "Trần Văn Uất"),
        ("quan_he", "01"),
        ("ngay_het_han_uy_quyen", "20281231"),
    ] {
        let mut second = REPRESENTED.to_vec();
        second.retain(|(name, _)| *name != column);
        second.extend([(column, value), other_month]);
        let lines = [line(&REPRESENTED), line(&second)];
        assert_eq!(errors(file(&lines).as_bytes()), [(3, column.to_owned())]);
    }
    for (column, one, other) in [
        ("ma_so_bhxh", "0123456789", "0123456780"),
        ("ma_the_bhyt", "0123456789", "0123456780"),
    ] {
        let lines = [line(&[(column, one)]), line(&[(column, other), other_month])];
        assert_eq!(errors(file(&lines).as_bytes()), [(3, column.to_owned())]);
        // An empty field says nothing.
        let lines = [line(&[(column, one)]), line(&[other_month])];
        assert!(check_bytes(file(&lines).as_bytes()).is_ok());
    }
}

#[test]
fn arrears_of_one_decision_in_two_spellings_are_due_once() {
    let of = |decision| {
        line(&[
            ("so_quyet_dinh", decision),
            ("so_tien_thang", "0"),
            ("truy_linh", "300000"),
            ("tong_so_tien", "300000"),
        ])
    };
    let lines = [of("1/QĐ"), of("1/qđ")];
    assert_eq!(errors(file(&lines).as_bytes()), [(3, "so_dinh_danh".to_owned())]);
}

#[test]
fn what_only_a_person_can_judge_is_a_warning_with_its_code_and_without_its_value_in_the_ledger() {
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, WarningCode);
    let cases: &[Case<'_>] = &[
        (&[("gioi_tinh", "1")], "so_dinh_danh", WarningCode::IdSex),
        (&[("ngay_sinh", "19410000")], "so_dinh_danh", WarningCode::IdYear),
        (
            &[("so_dinh_danh", "999140000001")],
            "so_dinh_danh",
            WarningCode::IdPrefix,
        ),
        (
            &[(
                "ho_ten",
                "Nguyễn Thị Gấm Nguyễn Thị Gấm Nguyễn Thị Gấm Nguyễn Thị Gấm Nguyễn",
            )],
            "ho_ten",
            WarningCode::LongName,
        ),
        (
            &[("ho_ten", "H’Wen Ayŭn Niê")],
            "ho_ten",
            WarningCode::UnusualLetters,
        ),
        (
            &[("ho_ten", "Ðặng Thị Gấm")],
            "ho_ten",
            WarningCode::UnusualLetters,
        ),
        (
            &[("ho_ten", "Nguyễn V\u{430}n")],
            "ho_ten",
            WarningCode::UnusualLetters,
        ),
        (&[("ma_xa", "26734")], "ma_xa", WarningCode::UnknownCommune),
        (&[("ma_tinh", "01")], "ma_xa", WarningCode::CommuneProvince),
    ];
    for (changes, column, code) in cases {
        let checked = accepted(changes);
        let found: Vec<_> = checked
            .warnings
            .iter()
            .map(|one| (one.line, one.column.as_str(), one.warning))
            .collect();
        assert_eq!(found, [(2, *column, Some(*code))], "{changes:?}");
        let kept: Vec<_> = checked
            .list
            .warnings
            .iter()
            .map(|one| (one.file_line, one.column.as_str(), one.code.as_str()))
            .collect();
        assert_eq!(kept, [(2, *column, code.name())]);
    }
    for usual in [
        "Ấ".repeat(64),
        "Fatimah Zahrah K'Jơng".to_owned(),
        "Ỵ Ỹ ỵ Đ đ Ư ơ".to_owned(),
    ] {
        assert_eq!(accepted(&[("ho_ten", &usual)]).warnings, [], "{usual}");
    }
    let ended = [&REPRESENTED[..3], &[("ngay_het_han_uy_quyen", "20261031")]].concat();
    assert_eq!(
        accepted(&ended).warnings[0].warning,
        Some(WarningCode::AuthorizationEnded)
    );
    // A card must hold its representatives.
    let long = [
        &[(
            "nguoi_nhan_thay",
            "Trần Trần Trần Trần Trần Trần Trần Trần Trần Trần Trần Trần Trần Trần",
        )],
        &REPRESENTED[1..],
    ]
    .concat();
    refused(&long, "nguoi_nhan_thay");
}
