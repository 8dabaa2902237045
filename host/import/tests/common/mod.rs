//! A good line of a list, and what becomes of lists with changes to it.
#![allow(dead_code)] // Each test program uses some of it.

use std::sync::LazyLock;

use ansinh_import::{Checked, Rejected, Terms, check_under};
use ansinh_reference::Reference;
use ansinh_store::import::ListKind;

pub(crate) const GOOD: [(&str, &str); 26] = [
    ("so_dinh_danh", "079140000001"),
    ("ho_ten", "Nguyễn Thị Gấm"),
    ("ngay_sinh", "19400000"),
    ("gioi_tinh", "2"),
    ("ma_tinh", "79"),
    ("ma_xa", "26740"),
    ("ma_che_do", "BTXH"),
    ("so_tien_thang", "1000000"),
    ("phu_cap", ""),
    ("truy_linh", ""),
    ("mai_tang_phi", ""),
    ("thu_hoi", ""),
    ("tong_so_tien", "1000000"),
    ("ky_chi_tra", "202611"),
    ("so_quyet_dinh", "12/QĐ-UBND"),
    ("ngay_bat_dau", ""),
    ("ngay_thoi_huong", ""),
    ("ly_do_thoi", ""),
    ("phuong_thuc_chi_tra", "1"),
    ("nguoi_nhan_thay", ""),
    ("so_dinh_danh_nguoi_nhan_thay", ""),
    ("quan_he", ""),
    ("ngay_het_han_uy_quyen", ""),
    ("so_giay_uy_quyen", ""),
    ("ma_so_bhxh", ""),
    ("ma_the_bhyt", ""),
];

pub(crate) const REPRESENTED: [(&str, &str); 4] = [
    ("nguoi_nhan_thay", "Trần Văn Út"),
    ("so_dinh_danh_nguoi_nhan_thay", "079072000002"),
    ("quan_he", "02"),
    ("ngay_het_han_uy_quyen", "20271231"),
];

pub(crate) fn line(changes: &[(&str, &str)]) -> String {
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

pub(crate) fn file(lines: &[String]) -> String {
    let header = GOOD.map(|(column, _)| column).join(";");
    format!("{header}\n{}\n", lines.join("\n"))
}

pub(crate) fn check_bytes(bytes: &[u8]) -> Result<Checked, Rejected> {
    check_kind(bytes, ListKind::Plain)
}

pub(crate) fn check_kind(bytes: &[u8], kind: ListKind) -> Result<Checked, Rejected> {
    static REFERENCE: LazyLock<Reference> = LazyLock::new(|| Reference::load().unwrap());
    let terms = Terms {
        reference: &REFERENCE,
        province: "79",
        kind,
    };
    check_under(terms, bytes, "list.csv", &mut |_, _| {})
}

pub(crate) fn accepted(changes: &[(&str, &str)]) -> Checked {
    check_bytes(file(&[line(changes)]).as_bytes())
        .unwrap_or_else(|rejected| panic!("{changes:?}: {:#?}", rejected.errors))
}

/// Errors of a file as (line, column).
pub(crate) fn errors(bytes: &[u8]) -> Vec<(u64, String)> {
    let rejected = check_bytes(bytes).err().expect("the file was accepted");
    rejected
        .errors
        .into_iter()
        .map(|error| (error.line, error.column))
        .collect()
}

pub(crate) fn refused(changes: &[(&str, &str)], column: &str) {
    let found = errors(file(&[line(&[]), line(changes)]).as_bytes());
    assert!(found.contains(&(3, column.to_owned())), "{changes:?}: {found:?}");
    assert!(
        found.iter().all(|(line, _)| *line == 3),
        "{changes:?}: the good line was blamed: {found:?}"
    );
}
