//! Data files: each rule is broken once, and the error names file, line, column, value and rule. Nothing of it is signed.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::fs;

use common::Draft;

/// Adds a line to a list and expects one error there that speaks of `rule`.
fn refused(file: &str, line: &str, column: &str, value: &str, rule: &str) {
    let draft = Draft::unsigned(2);
    let lines = fs::read_to_string(draft.file(file)).unwrap().lines().count();
    draft.append(file, line);
    let errors = draft.data_errors();
    let [error] = errors.as_slice() else {
        panic!("{line}: {errors:?}")
    };
    assert_eq!(
        (
            error.file.as_str(),
            error.line,
            error.column.as_str(),
            error.value.as_str()
        ),
        (file, u64::try_from(lines).unwrap() + 1, column, value),
        "{error}"
    );
    assert!(error.rule.contains(rule), "{line}: {error}");
    assert!(error.to_string().starts_with(file));
}

#[test]
fn codes_have_their_form() {
    for code in ["1", "001", "AB", "１２"] {
        refused(
            "provinces.csv",
            &format!("{code},X,tỉnh,yes,20270101,"),
            "code",
            code,
            "2 digits",
        );
    }
    refused("communes.csv", "123,Xã X,79,20270101,", "code", "123", "5 digits");
    refused("programmes.csv", "BTX,X,X,20270101,", "code", "BTX", "form");
    refused("programmes.csv", "btxh,X,X,20270101,", "code", "btxh", "form");
    refused("relations.csv", "1,X,X,20270101,", "code", "1", "form");
    refused("line-types.csv", "256,X,X,20270101,", "code", "256", "form");
    refused("line-types.csv", "08,X,X,20270101,", "code", "08", "form");
    refused("banks.csv", "97043,X,,20270101,", "code", "97043", "form");
    refused(
        "agencies.csv",
        "H29..1,X,79,20270101,",
        "code",
        "H29..1",
        "full stops",
    );
    refused(
        "pay-points.csv",
        "BD_26734,X,00004,20270101,",
        "code",
        "BD_26734",
        "1 to 12",
    );
    refused("rules.csv", "Fee,X,X,,,1,months,20270101,", "code", "Fee", "a-z");
    refused("relations.csv", ",X,X,20270101,", "code", "", "empty");
    refused("relations.csv", "08,,X,20270101,", "name", "", "empty");
}

#[test]
fn days_are_days() {
    for day in ["2027-01-01", "20270229", "2027011", "20271301", "٢٠٢٧٠١٠١"] {
        refused(
            "relations.csv",
            &format!("08,X,X,{day},"),
            "valid_from",
            day,
            "yyyymmdd",
        );
    }
    refused("relations.csv", "08,X,X,,", "valid_from", "", "empty");
    refused(
        "relations.csv",
        "08,X,X,20270101,2027",
        "valid_to",
        "2027",
        "yyyymmdd",
    );
    refused(
        "relations.csv",
        "08,X,X,20270102,20270101",
        "valid_to",
        "20270101",
        "before",
    );
}

#[test]
fn a_code_means_one_thing_on_a_day() {
    // 79 is in force without end.
    refused(
        "provinces.csv",
        "79,X,tỉnh,yes,20300101,",
        "code",
        "79",
        "already in force",
    );
    // 01 was in force until 30 June 2025: one day is too many.
    refused(
        "provinces.csv",
        "72,X,tỉnh,yes,20250630,20250701",
        "code",
        "72",
        "already in force",
    );
    refused(
        "provinces.csv",
        "80,X,tỉnh,yes,20000101,20040901",
        "code",
        "80",
        "already in force",
    );
    refused(
        "standards.csv",
        "HTXH,X,01,700000,20260601,",
        "code",
        "HTXH",
        "already in force",
    );
    refused(
        "province-successors.csv",
        "72,Tây Ninh,80,whole,20260101",
        "code",
        "72",
        "already in force",
    );
}

#[test]
fn days_that_only_touch_do_not_overlap() {
    let draft = Draft::unsigned(2);
    draft.append("relations.csv", "08,X,X,20270101,20270131");
    draft.append("relations.csv", "08,Y,Y,20270201,");
    ansinh_reference::sign(draft.path(), &common::key(1)).unwrap();
}

#[test]
fn amounts_and_numbers_are_exact() {
    for vnd in [
        "0",
        "-1",
        "500.000",
        "500,5",
        "0500000",
        "1000000000000",
        "5e5",
        "+5",
    ] {
        let value = format!("\"{vnd}\"");
        refused(
            "standards.csv",
            &format!("DXUA,X,,{value},20270101,"),
            "vnd",
            vnd,
            "must be",
        );
    }
    for coefficient in ["0", "0.00", "-1", "1,5", "1.555", "100", ".5", "1.", "1.5.5"] {
        let line = format!("BT99,X,X,BTXH,\"{coefficient}\",no,20270101,");
        refused(
            "sub-programmes.csv",
            &line,
            "coefficient",
            coefficient,
            "0.01 to 99.99",
        );
    }
    refused(
        "rules.csv",
        "list-deadline,X,X,,79,32,day-of-month,20270101,",
        "value",
        "32",
        "1 to 31",
    );
    refused(
        "rules.csv",
        "list-deadline,X,X,,79,0,months,20270101,",
        "value",
        "0",
        "1 to 10000",
    );
    refused(
        "rules.csv",
        "list-deadline,X,X,,79,5,days,20270101,",
        "unit",
        "days",
        "one of",
    );
}

#[test]
fn words_are_those_of_the_list() {
    refused(
        "provinces.csv",
        "97,X,tinh,yes,20270101,",
        "kind",
        "tinh",
        "one of",
    );
    refused(
        "provinces.csv",
        "97,X,tỉnh,true,20270101,",
        "communes_complete",
        "true",
        "one of",
    );
    refused(
        "sub-programmes.csv",
        "BT99,X,X,BTXH,1,,20270101,",
        "confidential",
        "",
        "one of",
    );
    refused(
        "commune-successors.csv",
        "99999,X,01,00004,half,20270101",
        "extent",
        "half",
        "one of",
    );
}

#[test]
fn nothing_points_nowhere() {
    refused(
        "communes.csv",
        "99999,Xã X,72,20270101,",
        "province",
        "72",
        "no province in force",
    );
    refused(
        "commune-successors.csv",
        "99999,X,01,99998,whole,20270101",
        "successor",
        "99998",
        "no commune",
    );
    refused(
        "province-successors.csv",
        "01,Hà Nội,72,whole,20270101",
        "successor",
        "72",
        "no province",
    );
    refused(
        "sub-programmes.csv",
        "XX1,X,X,XXXX,1,no,20270101,",
        "programme",
        "XXXX",
        "no programme",
    );
    refused(
        "standards.csv",
        "XXXX,X,,1000,20270101,",
        "code",
        "XXXX",
        "no programme",
    );
    refused(
        "standards.csv",
        "HTXH,X,72,1000,20270101,",
        "province",
        "72",
        "no province",
    );
    refused(
        "rules.csv",
        "fee,X,X,XXXX,,1,months,20270101,",
        "programme",
        "XXXX",
        "no programme",
    );
    refused(
        "rules.csv",
        "fee,X,X,,72,1,months,20270101,",
        "province",
        "72",
        "no province",
    );
    refused(
        "agencies.csv",
        "H99,X,72,20270101,",
        "province",
        "72",
        "no province",
    );
    refused(
        "pay-points.csv",
        "BD-1,X,99999,20270101,",
        "commune",
        "99999",
        "no commune",
    );
}

#[test]
fn blanks_and_columns_are_exact() {
    refused("relations.csv", "08,\" X\",X,20270101,", "name", " X", "blank");
    refused("relations.csv", "08 ,X,X,20270101,", "code", "08 ", "blank");
    refused(
        "relations.csv",
        "08,X,X,20270101",
        "",
        "",
        "4 values; the header has 5",
    );
    let header = |from: &str, to: &str, expected: &str| {
        let draft = Draft::unsigned(2);
        draft.edit("relations.csv", |text| text.replacen(from, to, 1));
        let errors = draft.data_errors();
        assert!(
            errors
                .iter()
                .all(|error| (error.line, error.column.as_str()) == (1, "header")),
            "{errors:?}"
        );
        assert!(
            errors.iter().any(|error| error.rule.contains(expected)),
            "{errors:?}"
        );
    };
    header("valid_to", "until", "missing");
    header("valid_to", "until", "unknown");
    header("name_en", "name", "twice");
    header("code,", "Code,", "missing");
}

#[test]
fn the_columns_may_stand_in_any_order_and_comments_are_allowed() {
    let draft = Draft::unsigned(2);
    fs::write(
        draft.file("relations.csv"),
        "# a comment\nvalid_to,valid_from,name_en,name,code\n,20210701,Spouse,\"Vợ, chồng\",01\n",
    )
    .unwrap();
    ansinh_reference::sign(draft.path(), &common::key(1)).unwrap();
    let reference = draft.reference();
    let spouse = reference
        .code(
            ansinh_reference::CodeList::Relations,
            "01",
            jiff::civil::date(2026, 1, 1),
        )
        .unwrap();
    assert_eq!(
        (spouse.name.as_str(), spouse.name_en.as_deref()),
        ("Vợ, chồng", Some("Spouse"))
    );
}

#[test]
fn encodings_are_refused_with_the_line() {
    let broken = |change: &dyn Fn(Vec<u8>) -> Vec<u8>, line: u64, rule: &str| {
        let draft = Draft::unsigned(2);
        let bytes = fs::read(draft.file("relations.csv")).unwrap();
        fs::write(draft.file("relations.csv"), change(bytes)).unwrap();
        let errors = draft.data_errors();
        let [error] = errors.as_slice() else {
            panic!("{errors:?}")
        };
        assert_eq!(
            (error.file.as_str(), error.line),
            ("relations.csv", line),
            "{error}"
        );
        assert!(error.rule.contains(rule), "{error}");
    };
    let with = |tail: &'static [u8]| move |bytes: Vec<u8>| [bytes.as_slice(), tail].concat();
    let end = fs::read_to_string(common::data().join("relations.csv"))
        .unwrap()
        .lines()
        .count() as u64
        + 1;
    broken(
        &|bytes| [b"\xEF\xBB\xBF".as_slice(), &bytes].concat(),
        1,
        "byte order mark",
    );
    broken(
        &|bytes| {
            String::from_utf8(bytes)
                .unwrap()
                .replace('\n', "\r\n")
                .into_bytes()
        },
        1,
        "CR LF",
    );
    broken(&with(b"08,X,X,20270101,\r\n"), end, "CR LF");
    broken(&with(b"08,V\xF3,X,20270101,\n"), end, "not UTF-8");
    broken(&with(b"08,X\0,X,20270101,\n"), end, "control");
    broken(&with(b"08,X\tY,X,20270101,\n"), end, "control");
    // Ợ as O with horn and a combining dot below.
    broken(
        &with("08,V\u{01A1}\u{0323},X,20270101,\n".as_bytes()),
        end,
        "normalization form C",
    );
    let utf16 = |bytes: Vec<u8>| {
        let text = format!("\u{FEFF}{}", String::from_utf8(bytes).unwrap());
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    broken(&utf16, 1, "not UTF-8");
}

#[test]
fn all_errors_come_at_once() {
    let draft = Draft::unsigned(2);
    draft.append("relations.csv", "8,X,X,20270101,");
    draft.append("banks.csv", "1,X,,20270101,");
    draft.append("banks.csv", "2,X,,2027,");
    let errors = draft.data_errors();
    assert_eq!(errors.len(), 3, "{errors:?}");
}
