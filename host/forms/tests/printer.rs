//! The file for the card printer, read back with Python's csv module.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{self, ErrorKind, Write};
use std::process::{Command, Stdio};

use ansinh_forms::{COLUMNS, Field, FormError, PrinterFile, PrinterRecord};
use jiff::civil::date;

fn record<'a>(name: &'a str) -> PrinterRecord<'a> {
    PrinterRecord {
        number: "7900000000000014".parse().unwrap(),
        name,
        valid_thru: date(2036, 11, 30),
        issuer: "Sở Nội vụ TP Hồ Chí Minh",
        commune: "Xã Bình Chánh, Thành phố Hồ Chí Minh",
        pay_point: Some("BD79001"),
    }
}

fn written(records: &[PrinterRecord<'_>]) -> Result<Vec<u8>, FormError> {
    let mut file = PrinterFile::new(Vec::new())?;
    for record in records {
        file.write(record)?;
    }
    file.finish()
}

/// The rows as Python reads them, fields separated by `|`.
fn read_back(file: &[u8]) -> Vec<String> {
    const PROGRAM: &str = "import csv,io,sys
text = sys.stdin.buffer.read().decode('utf-8')
for row in csv.reader(io.StringIO(text, newline=''), strict=True): sys.stdout.buffer.write(('|'.join(row) + '\\n').encode())";
    let mut python = Command::new("python3")
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|_| panic!("python3 is missing: apt-get install python3"));
    python.stdin.take().unwrap().write_all(file).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn python_reads_what_was_written() {
    let without_pay_point = PrinterRecord {
        pay_point: None,
        ..record("H’Hen \"Niê\"")
    };
    let rows = read_back(&written(&[record("Nguyễn Thị Gấm"), without_pay_point]).unwrap());
    let fixed = "11/2036|Sở Nội vụ TP Hồ Chí Minh";
    let commune = "Xã Bình Chánh, Thành phố Hồ Chí Minh";
    assert_eq!(
        rows,
        [
            COLUMNS.join("|"),
            format!("7900 0000 0000 0014|NGUYỄN THỊ GẤM|{fixed}|Nguyễn Thị Gấm|{commune}|BD79001"),
            format!("7900 0000 0000 0014|H’HEN \"NIÊ\"|{fixed}|H’Hen \"Niê\"|{commune}|"),
        ]
    );
}

#[test]
fn the_bytes_are_as_documented() {
    let file = written(&[record("Ý")]).unwrap();
    let expected = "card_number,printed_name,valid_thru,issuer,mailing_name,commune,pay_point\r\n\
        7900 0000 0000 0014,Ý,11/2036,Sở Nội vụ TP Hồ Chí Minh,Ý,\"Xã Bình Chánh, Thành phố Hồ Chí Minh\",BD79001\r\n";
    assert_eq!(String::from_utf8(file).unwrap(), expected);
}

#[test]
fn lower_case_letters_all_have_their_upper_case() {
    let lower = "àáâãèéêìíòóôõùúýăđĩũơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ";
    let upper = "ÀÁÂÃÈÉÊÌÍÒÓÔÕÙÚÝĂĐĨŨƠƯẠẢẤẦẨẪẬẮẰẲẴẶẸẺẼẾỀỂỄỆỈỊỌỎỐỒỔỖỘỚỜỞỠỢỤỦỨỪỬỮỰỲỴỶỸ";
    assert_eq!(lower.chars().count(), 67);
    let file = String::from_utf8(written(&[record(lower)]).unwrap()).unwrap();
    assert!(file.contains(&format!(",{upper},")) && file.contains(&format!(",{lower},")));
}

#[test]
fn whatever_a_spreadsheet_would_run_is_refused() {
    for start in ["=", "+", "-", "@"] {
        let text = format!("{start}HYPERLINK(A1)");
        let expected = |field| Err(FormError::Formula(field));
        assert_eq!(written(&[record(&text)]), expected(Field::Name));
        assert_eq!(
            written(&[PrinterRecord {
                issuer: &text,
                ..record("An")
            }]),
            expected(Field::Issuer)
        );
        assert_eq!(
            written(&[PrinterRecord {
                commune: &text,
                ..record("An")
            }]),
            expected(Field::Commune)
        );
        let with_pay_point = PrinterRecord {
            pay_point: Some(&text),
            ..record("An")
        };
        assert_eq!(written(&[with_pay_point]), expected(Field::PayPoint));
    }
    // A hyphen inside a name is none.
    assert!(written(&[record("A Jắk-Wĕ")]).is_ok());
}

#[test]
fn bad_texts_are_refused_and_leave_the_file_as_it_was() {
    let mut file = PrinterFile::new(Vec::new()).unwrap();
    file.write(&record("An")).unwrap();
    for (name, expected) in [
        ("".to_owned(), FormError::Empty(Field::Name)),
        (" =1".to_owned(), FormError::OuterSpace(Field::Name)),
        ("An ".to_owned(), FormError::OuterSpace(Field::Name)),
        ("a".repeat(256), FormError::TooLong(Field::Name)),
        ("Gâ\u{301}m".to_owned(), FormError::NotNormal(Field::Name)),
        (
            "An\r\n=1".to_owned(),
            FormError::Character {
                field: Field::Name,
                character: '\r',
                position: 3,
            },
        ),
        (
            "\t=1".to_owned(),
            FormError::Character {
                field: Field::Name,
                character: '\t',
                position: 1,
            },
        ),
        (
            "＝1".to_owned(),
            FormError::Character {
                field: Field::Name,
                character: '＝',
                position: 1,
            },
        ),
    ] {
        assert_eq!(file.write(&record(&name)), Err(expected), "{name:?}");
    }
    assert_eq!(
        file.write(&PrinterRecord {
            pay_point: Some(""),
            ..record("An")
        }),
        Err(FormError::Empty(Field::PayPoint))
    );
    assert_eq!(file.finish(), written(&[record("An")]));
}

/// Takes so many bytes, then is full.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 < bytes.len() {
            return Err(ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_told_at_the_latest_at_the_end() {
    let many = |output| -> Result<Full, FormError> {
        let mut file = PrinterFile::new(output)?;
        (0..1000).try_for_each(|_| file.write(&record("An")))?;
        file.finish()
    };
    for room in [0, 10_000, 100_000] {
        assert_eq!(
            many(Full(room)).err(),
            Some(FormError::Write(ErrorKind::StorageFull)),
            "{room}"
        );
    }
    assert!(many(Full(1_000_000)).is_ok());
}
