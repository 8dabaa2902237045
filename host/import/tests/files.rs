//! Files that are no good lists, and lists in every form that is one: the same lines give the same result.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::io::Write as _;
use std::process::Command;

use ansinh_import::{Checked, Finding, Rejected, WarningCode, limits};
use proptest::prelude::*;
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook, Worksheet};

use common::{GOOD, check_bytes, errors, file, line};

/// What a file is refused for, as (line, part of the rule).
fn refused_for(bytes: &[u8], expected: &[(u64, &str)]) {
    let rejected = check_bytes(bytes).err().expect("the file was accepted");
    let found: Vec<_> = rejected
        .errors
        .iter()
        .map(|error| (error.line, error.rule.as_str()))
        .collect();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((line, rule), (expected_line, part)) in found.iter().zip(expected) {
        assert!(
            line == expected_line && rule.contains(part),
            "{line}: {rule}, not {part}"
        );
    }
}

#[test]
fn what_is_no_text_is_told_with_its_line() {
    let good = file(&[line(&[]), line(&[])]);
    refused_for(b"", &[(1, "empty")]);
    refused_for("\u{FEFF}\n\n".as_bytes(), &[(1, "empty")]);
    refused_for(good.replacen("12/Q", "12\0Q", 1).as_bytes(), &[(2, "NUL")]);
    let windows = good
        .as_bytes()
        .iter()
        .map(|byte| if *byte == 0xC4 { 0xFF } else { *byte })
        .collect::<Vec<_>>();
    refused_for(&windows, &[(2, "UTF-8")]);
    let utf16: Vec<u8> = [0xFF, 0xFE]
        .into_iter()
        .chain(good.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    refused_for(&utf16, &[(1, "UTF-16")]);
    refused_for(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", &[(1, ".xlsx")]);
    let header_only = good.lines().next().unwrap();
    refused_for(header_only.as_bytes(), &[(1, "no lines")]);
    refused_for(format!("{header_only}\n;;;\n\n").as_bytes(), &[(1, "no lines")]);
}

#[test]
fn separators_are_one_kind_throughout() {
    let good = file(&[line(&[]), line(&[])]);
    refused_for(good.replacen(';', ",", 1).as_bytes(), &[(1, "mixes ; and ,")]);
    refused_for(good.replace(';', "\t").as_bytes(), &[(1, "neither ; nor ,")]);
    let (first, last) = good.trim_end().rsplit_once('\n').unwrap();
    let mixed = format!("{first}\n{}\n", last.replace(';', ","));
    let rejected = check_bytes(mixed.as_bytes()).err().unwrap();
    assert!(
        rejected.errors[0]
            .rule
            .contains("separated by , where the header is by ;"),
        "{:?}",
        rejected.errors
    );
    assert!(rejected.errors.iter().all(|error| error.line == 3));
}

#[test]
fn an_open_quotation_mark_swallows_nobody() {
    let bad = |field: &str| {
        file(&[
            line(&[]),
            line(&[("so_quyet_dinh", field)]),
            line(&[("gioi_tinh", "9"), ("ma_che_do", "NGCC")]),
        ])
    };
    for field in [
        "\"12", "12\"", "1\"2", "\"1\"2", "\"12\" ", " \"12\"", "\"", "\"1\"\"",
    ] {
        let rejected = check_bytes(bad(field).as_bytes()).err().unwrap();
        let found: Vec<_> = rejected
            .errors
            .iter()
            .map(|error| (error.line, error.column.as_str()))
            .collect();
        assert_eq!(found, [(3, ""), (4, "gioi_tinh")], "{field}");
        assert!(rejected.errors[0].rule.contains("quotation mark"));
    }
    // Two marks that would close each other over the lines between them.
    let apart = file(&[
        line(&[("ma_the_bhyt", "\"")]),
        line(&[("ma_che_do", "NGCC")]),
        line(&[("ma_the_bhyt", "\"")]),
    ]);
    refused_for(apart.as_bytes(), &[(2, "quotation mark"), (4, "quotation mark")]);
    let broken = file(&[
        line(&[("so_quyet_dinh", "\"12/QĐ\n-UBND\"")]),
        line(&[("gioi_tinh", "9")]),
    ]);
    let lines: Vec<_> = errors(broken.as_bytes())
        .into_iter()
        .map(|(line, _)| line)
        .collect();
    assert_eq!(lines, [2, 3, 4]);
    refused_for(
        file(&[line(&[("so_quyet_dinh", "12\rQĐ")])]).as_bytes(),
        &[(2, "carriage return")],
    );
    let proper = file(&[line(&[("so_quyet_dinh", "\"12/\"\"QĐ\"\"; số 1\"")])]);
    let checked = check_bytes(proper.as_bytes()).unwrap_or_else(|_| panic!("refused"));
    assert_eq!(checked.list.lines[0].entitlement.decision, "12/\"QĐ\"; số 1");
}

#[test]
fn what_is_too_big_is_refused() {
    refused_for(
        file(&[line(&[("ma_the_bhyt", &"A".repeat(limits::FIELD + 1))])]).as_bytes(),
        &[(2, "1,024")],
    );
    let big = vec![b'x'; usize::try_from(limits::FILE).unwrap() + 1];
    refused_for(&big, &[(1, "64 MiB")]);
    let columns = "so_dinh_danh;ho_ten;ngay_sinh;gioi_tinh;ma_xa;ma_che_do;so_tien_thang;tong_so_tien;ky_chi_tra;so_quyet_dinh;phuong_thuc_chi_tra";
    let line = |number| format!("\n079140{number:06};Gấm;19400000;2;26740;BTXH;1;1;202611;1;1");
    let many: String = std::iter::once(columns.to_owned())
        .chain((0..=limits::LINES).map(line))
        .collect();
    let rejected = check_bytes(many.as_bytes()).err().unwrap();
    let too_many: Vec<_> = rejected
        .errors
        .iter()
        .filter(|error| error.rule.contains("300000"))
        .collect();
    assert_eq!(too_many.len(), 1);
    assert_eq!(too_many[0].line, 300_002);
}

#[test]
fn one_error_among_a_hundred_thousand_lines_refuses_them_all() {
    let mut lines: Vec<_> = (0..100_000)
        .map(|number| line(&[("so_dinh_danh", &format!("079140{number:06}"))]))
        .collect();
    lines[77_777] = line(&[("so_dinh_danh", "079140077777"), ("gioi_tinh", "x")]);
    assert_eq!(
        errors(file(&lines).as_bytes()),
        [(77_779, "gioi_tinh".to_owned())]
    );
}

/// A workbook whose cells are all text.
fn workbook(rows: &[Vec<String>]) -> Vec<u8> {
    workbook_with(rows, |_| {})
}

fn workbook_with(rows: &[Vec<String>], change: impl FnOnce(&mut Worksheet)) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (row, fields) in (0_u32..).zip(rows) {
        for (column, field) in (0_u16..).zip(fields) {
            if !field.is_empty() {
                sheet.write_string(row, column, field).unwrap();
            }
        }
    }
    change(sheet);
    workbook.save_to_buffer().unwrap()
}

fn rows(changes: &[&[(&str, &str)]]) -> Vec<Vec<String>> {
    let header = GOOD.map(|(column, _)| column.to_owned()).to_vec();
    let lines = changes
        .iter()
        .map(|changes| line(changes).split(';').map(str::to_owned).collect());
    std::iter::once(header).chain(lines).collect()
}

/// The place of a column in the sheet.
fn place(column: &str) -> u16 {
    let place = GOOD.iter().position(|(name, _)| *name == column).unwrap();
    u16::try_from(place).unwrap()
}

fn accepted(bytes: &[u8]) -> Checked {
    check_bytes(bytes).unwrap_or_else(|rejected| panic!("{:#?}", rejected.errors))
}

#[test]
fn numbers_and_dates_of_a_spreadsheet_are_taken_where_they_lose_nothing() {
    let bytes = workbook_with(&rows(&[&[]]), |sheet| {
        for (column, number) in [
            ("so_tien_thang", 1_000_000.0),
            ("tong_so_tien", 1_000_000.0),
            ("ky_chi_tra", 202_611.0),
            ("gioi_tinh", 2.0),
        ] {
            sheet.write_number(1, place(column), number).unwrap();
        }
        let day = Format::new().set_num_format("dd/mm/yyyy");
        let born = ExcelDateTime::from_ymd(1940, 3, 1).unwrap();
        sheet
            .write_datetime_with_format(1, place("ngay_sinh"), &born, &day)
            .unwrap();
        let begins = ExcelDateTime::from_ymd(2025, 7, 1).unwrap();
        sheet
            .write_datetime_with_format(1, place("ngay_bat_dau"), &begins, &day)
            .unwrap();
    });
    let checked = accepted(&bytes);
    let line = &checked.list.lines[0];
    assert_eq!(
        (line.due[0].amount, line.person.birth_date.as_str()),
        (1_000_000, "19400301")
    );
    assert_eq!(
        (
            line.period.as_str(),
            line.entitlement.month_from.as_str(),
            line.file_line
        ),
        ("202611", "202507", 2)
    );
}

/// What is found about one changed cell of the second row.
fn about(column: &str, change: impl FnOnce(&mut Worksheet, u16)) -> Vec<Finding> {
    let bytes = workbook_with(&rows(&[&[]]), |sheet| change(sheet, place(column)));
    check_bytes(&bytes).err().expect("accepted").errors
}

#[test]
fn cells_that_cannot_be_a_field_are_refused_with_their_place_and_reason() {
    let day = Format::new().set_num_format("dd/mm/yyyy");
    for column in ["so_dinh_danh", "ma_tinh", "ma_xa", "quan_he", "ma_so_bhxh"] {
        let found = about(column, |sheet, place| {
            sheet.write_number(1, place, 79.0).unwrap();
        });
        assert!(found[0].rule.contains("leading zeros"), "{found:?}");
        assert_eq!(
            (found.len(), found[0].line, found[0].column.as_str()),
            (1, 2, column)
        );
    }
    let found = about("ma_xa", |sheet, place| {
        sheet.write_number(1, place, 26740.0).unwrap();
    });
    assert_eq!(found[0].cell.as_deref(), Some("F2"));
    let found = about("tong_so_tien", |sheet, place| {
        sheet
            .write_formula(1, place, Formula::new("=1000000").set_result("1000000"))
            .unwrap();
    });
    assert!(found[0].rule.contains("formula") && found.len() == 1, "{found:?}");
    let found = about("tong_so_tien", |sheet, place| {
        sheet.write_boolean(1, place, true).unwrap();
    });
    assert!(found[0].rule.contains("neither"), "{found:?}");
    let month = ExcelDateTime::from_ymd(2026, 11, 1).unwrap();
    let found = about("ky_chi_tra", |sheet, place| {
        sheet.write_datetime_with_format(1, place, &month, &day).unwrap();
    });
    assert!(found[0].rule.contains("a date where none belongs"), "{found:?}");
    let noon = ExcelDateTime::from_ymd(1940, 1, 1)
        .unwrap()
        .and_hms(12, 0, 0)
        .unwrap();
    let found = about("ngay_sinh", |sheet, place| {
        sheet.write_datetime_with_format(1, place, &noon, &day).unwrap();
    });
    assert!(found[0].rule.contains("time of day"), "{found:?}");
    for number in [1_000_000.5, -1.0, 1e15] {
        let found = about("so_tien_thang", |sheet, place| {
            sheet.write_number(1, place, number).unwrap();
        });
        assert!(found[0].rule.contains("whole đồng"), "{found:?}");
    }
    let found = about("so_quyet_dinh", |sheet, place| {
        sheet.write_string(1, place, "12\nQĐ").unwrap();
    });
    assert!(found[0].rule.contains("line break"), "{found:?}");
    let found = about("so_quyet_dinh", |sheet, _| {
        sheet.write_string(1, 30, "beside").unwrap();
    });
    assert!(
        found[0].rule.contains("beside the columns") && found[0].cell.as_deref() == Some("AE2"),
        "{found:?}"
    );
}

#[test]
fn the_header_of_a_sheet_is_its_first_row_and_complete() {
    let mut shifted = rows(&[&[]]);
    shifted.insert(0, Vec::new());
    refused_for(&workbook(&shifted), &[(2, "first row")]);
    let mut wrong = rows(&[&[]]);
    wrong[0][1] = "hoten".to_owned();
    let rejected = check_bytes(&workbook(&wrong)).err().unwrap();
    let found: Vec<_> = rejected
        .errors
        .iter()
        .map(|error| (error.column.as_str(), error.cell.as_deref()))
        .collect();
    assert_eq!(found, [("hoten", Some("B1")), ("ho_ten", None)]);
    refused_for(&workbook(&[]), &[(1, "empty")]);
    refused_for(&workbook(&rows(&[])), &[(1, "no lines")]);
}

#[test]
fn only_the_first_sheet_is_read_and_the_others_are_named() {
    let mut book = Workbook::new();
    for (name, fields) in [
        ("Danh sách", rows(&[&[]])),
        ("Cũ", rows(&[&[("gioi_tinh", "9")]])),
    ] {
        let sheet = book.add_worksheet().set_name(name).unwrap();
        for (row, fields) in (0_u32..).zip(fields) {
            for (column, field) in (0_u16..).zip(fields) {
                sheet.write_string(row, column, field).unwrap();
            }
        }
    }
    let checked = accepted(&book.save_to_buffer().unwrap());
    let warnings: Vec<_> = checked
        .warnings
        .iter()
        .map(|one| (one.value.as_str(), one.warning))
        .collect();
    assert_eq!(warnings, [("Cũ", Some(WarningCode::OtherSheets))]);
    assert_eq!(checked.list.lines.len(), 1);
    book.worksheet_from_index(1).unwrap().set_active(true);
    book.worksheet_from_index(0).unwrap().set_hidden(true);
    refused_for(&book.save_to_buffer().unwrap(), &[(1, "hidden")]);
}

#[test]
fn damaged_and_exploding_workbooks_are_refused() {
    let good = workbook(&rows(&[&[]]));
    for cut in [4, 100, good.len() / 2, good.len() - 1] {
        refused_for(&good[..cut], &[(1, "not readable as a workbook")]);
    }
    let mut flipped = good.clone();
    flipped[60] ^= 0xFF;
    assert!(check_bytes(&flipped).is_err());
    // 600 MiB of zeros in half a megabyte, in an entry that no workbook has.
    let mut bomb = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    bomb.start_file(
        "xl/worksheets/sheet1.xml",
        zip::write::SimpleFileOptions::default(),
    )
    .unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..=limits::UNPACKED >> 20 {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap().into_inner();
    assert!(bomb.len() < 1 << 20);
    refused_for(&bomb, &[(1, "unpacks to more than 512 MiB")]);
    let mut parts = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for part in 0..=limits::PARTS {
        parts
            .start_file(part.to_string(), zip::write::SimpleFileOptions::default())
            .unwrap();
    }
    refused_for(
        &parts.finish().unwrap().into_inner(),
        &[(1, "more than 1000 parts")],
    );
}

#[test]
fn a_workbook_that_openpyxl_wrote_gives_the_same_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (text, book) = (folder.path().join("list.csv"), folder.path().join("list.xlsx"));
    let lists = [
        line(&[("ho_ten", "Nguye\u{302}\u{303}n Thị Hoà")]),
        line(&[
            ("so_dinh_danh", "079140000002"),
            ("truy_linh", "5"),
            ("tong_so_tien", "1000005"),
        ]),
    ];
    std::fs::write(&text, file(&lists)).unwrap();
    let script = "
import csv, datetime, sys, openpyxl
rows = list(csv.reader(open(sys.argv[1], encoding='utf-8'), delimiter=';'))
sheet = (book := openpyxl.Workbook()).active
numbers = {'so_tien_thang', 'tong_so_tien', 'truy_linh', 'ky_chi_tra'}
sheet.append(rows[0])
for row in rows[1:]:
    sheet.append([int(value) if name in numbers and value else value or None for name, value in zip(rows[0], row)])
book.save(sys.argv[2])";
    let done = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .arg(&text)
        .arg(&book)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "openpyxl is missing: apt-get install python3-openpyxl ({complaint})"
    );
    let (text, book) = (
        accepted(&std::fs::read(text).unwrap()),
        accepted(&std::fs::read(book).unwrap()),
    );
    assert_eq!(told(&Ok(text)), told(&Ok(book)));
}

/// Everything that a check says, but for the file's hash and the place in a sheet.
fn told(result: &Result<Checked, Rejected>) -> String {
    let findings = |findings: &[Finding]| {
        let told = findings.iter().map(|one| {
            format!(
                "{} {} {:?} {} {:?}\n",
                one.line, one.column, one.value, one.rule, one.warning
            )
        });
        told.collect::<String>()
    };
    match result {
        Err(rejected) => format!("{}{}", findings(&rejected.errors), findings(&rejected.warnings)),
        Ok(Checked { list, warnings, .. }) => {
            let mut told = findings(warnings);
            for line in &list.lines {
                let (person, decision) = (&line.person, &line.entitlement);
                told += &format!(
                    "{} {} {} {} {} {} {} {:?} {:?} {:?} | {} {:?} {} {} {:?} {} {} | {} {} {:?} {:?}\n",
                    line.file_line,
                    person.personal_id,
                    person.full_name,
                    person.birth_date,
                    person.sex,
                    person.province,
                    person.commune,
                    person.pay_point,
                    person.social_insurance_number,
                    person.health_insurance_code,
                    decision.programme,
                    decision.sub_code,
                    decision.decision,
                    decision.month_from,
                    decision.month_to,
                    decision.active,
                    decision.monthly_amount,
                    line.period,
                    line.method,
                    line.due,
                    line.stated
                );
                if let Some(one) = &line.representative {
                    told += &format!(
                        "{} {} {} {:?} {}\n",
                        one.personal_id, one.full_name, one.relation, one.document, one.valid_to
                    );
                }
            }
            told
        }
    }
}

/// A value for a column: good, wrong, empty or of another column.
fn field() -> impl Strategy<Value = (usize, String)> {
    let wrong = prop_oneof![
        Just(String::new()),
        Just("  ".to_owned()),
        Just("x".to_owned()),
        Just("0".to_owned()),
        Just("20261131".to_owned()),
        Just("079140000002".to_owned()),
        Just("Hoà; \"Út\", K’Jơng".to_owned()),
        Just("Nguye\u{302}\u{303}n".to_owned()),
        "[0-9]{1,12}",
        "[A-Za-zĐđạ ;,\"'’.-]{0,12}",
    ];
    (0..GOOD.len(), wrong)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// CSV with either separator, and a sheet, of the same rows: the same lines and the same findings.
    #[test]
    fn the_form_of_a_list_does_not_matter(
        lists in proptest::collection::vec(proptest::collection::vec(field(), 0..3), 0..5),
        blank in any::<bool>(),
    ) {
        let mut all = rows(&[]);
        for (number, changes) in lists.into_iter().enumerate() {
            let mut row = GOOD.map(|(_, good)| good.to_owned());
            row[0] = format!("07914000000{number}");
            for (place, value) in changes {
                row[place] = value;
            }
            all.push(row.to_vec());
            if blank {
                all.push(vec![String::new(); GOOD.len()]);
            }
        }
        let text = |delimiter| {
            let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
            for row in &all {
                writer.write_record(row).unwrap();
            }
            writer.into_inner().unwrap()
        };
        let by_semicolon = told(&check_bytes(&text(b';')));
        prop_assert_eq!(&by_semicolon, &told(&check_bytes(&text(b','))));
        prop_assert_eq!(&by_semicolon, &told(&check_bytes(&workbook(&all))));
    }
}
