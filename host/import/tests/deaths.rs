//! A list of deaths is taken whole or not at all.
#![allow(clippy::unwrap_used, missing_docs)]

use ansinh_import::check_deaths;
use jiff::civil::date;

const TODAY: jiff::civil::Date = date(2026, 11, 22);

#[test]
fn a_list_is_read_with_either_separator_and_with_other_columns() {
    for text in [
        "so_dinh_danh;ngay_mat\n079040000001;20261101\n079040000002;20261122\n",
        "so_dinh_danh,ngay_mat\r\n079040000001,20261101\r\n079040000002,20261122",
        "\u{feff}ho_ten;ngay_mat;so_dinh_danh\nA;20261101;079040000001\nB;20261122; 079040000002 \n",
    ] {
        let deaths = check_deaths(text.as_bytes(), TODAY).unwrap();
        let read: Vec<_> = deaths
            .iter()
            .map(|death| (death.personal_id.as_str(), death.died_on.as_str()))
            .collect();
        assert_eq!(
            read,
            [("079040000001", "20261101"), ("079040000002", "20261122")],
            "{text:?}"
        );
    }
}

#[test]
fn one_error_refuses_the_list_and_every_error_is_named() {
    for (lines, places) in [
        ("79040000001;20261101", vec![(2, "so_dinh_danh")]),
        ("079040000001;20261123", vec![(2, "ngay_mat")]),
        ("079040000001;20260231", vec![(2, "ngay_mat")]),
        ("079040000001;", vec![(2, "ngay_mat")]),
        (
            "079040000001;20261101\nx;y\n;20261101",
            vec![(3, "so_dinh_danh"), (3, "ngay_mat"), (4, "so_dinh_danh")],
        ),
        ("079040000001;20261101;more", vec![(2, "")]),
        ("", vec![(1, "")]),
    ] {
        let refused = check_deaths(format!("so_dinh_danh;ngay_mat\n{lines}").as_bytes(), TODAY).unwrap_err();
        let found: Vec<_> = refused
            .iter()
            .map(|finding| (finding.line, finding.column.as_str()))
            .collect();
        assert_eq!(found, places, "{lines:?}");
    }
    for header in ["so_dinh_danh", "ngay_mat;so_dinh_danh;so_dinh_danh", "", "a;b"] {
        let refused =
            check_deaths(format!("{header}\n079040000001;20261101\n").as_bytes(), TODAY).unwrap_err();
        assert_eq!(refused[0].line, 1, "{header:?}");
    }
    assert!(check_deaths(b"so_dinh_danh;ngay_mat\n\xff;20261101\n", TODAY).is_err());
}
