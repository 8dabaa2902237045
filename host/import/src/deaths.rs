//! A list of deaths from the civil registry: text in UTF-8 with the columns `so_dinh_danh` and `ngay_mat`, others ignored.
//!
//! Checked whole, like a list of beneficiaries: with one error nobody is taken for dead.

use ansinh_store::life::Death;
use csv::{ReaderBuilder, StringRecord};
use jiff::civil;

use crate::finding::{Finding, Findings};
use crate::rules;

const PERSONAL_ID: &str = "so_dinh_danh";
const DIED_ON: &str = "ngay_mat";

/// Checks a list of deaths. `today`: nobody died later.
///
/// # Errors
/// Every error of the file.
pub fn check_deaths(file: &[u8], today: civil::Date) -> Result<Vec<Death>, Vec<Finding>> {
    let mut findings = Findings::default();
    let deaths = read(file, today, &mut findings);
    if deaths.is_empty() && findings.errors.is_empty() {
        findings.refuse(1, "không có dòng nào / the list has no line");
    }
    if findings.errors.is_empty() {
        Ok(deaths)
    } else {
        Err(findings.errors)
    }
}

fn read(file: &[u8], today: civil::Date, findings: &mut Findings) -> Vec<Death> {
    let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
    let header = file.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let separator = if header.contains(&b';') { b';' } else { b',' };
    let mut reader = ReaderBuilder::new().delimiter(separator).from_reader(file);
    let Some((personal_id, died_on)) = columns(reader.headers(), findings) else {
        return Vec::new();
    };
    let mut deaths = Vec::new();
    let mut record = StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => return deaths,
            Ok(true) => {}
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                findings.refuse(
                    line,
                    "dòng không đọc được / the line cannot be read: UTF-8, as many fields as the header",
                );
                return deaths;
            }
        }
        let line = record.position().map_or(1, csv::Position::line);
        let field = |place: usize| record.get(place).unwrap_or_default().trim();
        let number = rules::digits(field(personal_id), 12);
        if number.is_none() {
            findings.errors.push(Finding::new(
                line,
                PERSONAL_ID,
                field(personal_id),
                "12 chữ số / 12 digits",
            ));
        }
        let day = rules::day(field(died_on)).filter(|day| *day <= today.strftime("%Y%m%d").to_string());
        if day.is_none() {
            findings.errors.push(Finding::new(
                line,
                DIED_ON,
                field(died_on),
                "ngày mất, không sau hôm nay / a day of death, not after today",
            ));
        }
        if let (Some(personal_id), Some(died_on)) = (number, day) {
            deaths.push(Death { personal_id, died_on });
        }
    }
}

fn columns(header: Result<&StringRecord, csv::Error>, findings: &mut Findings) -> Option<(usize, usize)> {
    let Ok(header) = header else {
        findings.refuse(1, "không phải UTF-8 / the header is not UTF-8");
        return None;
    };
    let place = |name: &str| {
        let mut places = header
            .iter()
            .enumerate()
            .filter(|(_, column)| column.trim() == name);
        match (places.next(), places.next()) {
            (Some((place, _)), None) => Some(place),
            _ => None,
        }
    };
    let places = place(PERSONAL_ID).zip(place(DIED_ON));
    if places.is_none() {
        findings.refuse(
            1,
            "cần đúng một cột so_dinh_danh và một cột ngay_mat / the columns so_dinh_danh and ngay_mat are needed, each once",
        );
    }
    places
}
