//! The rules over several lines: nothing due twice, one person told one way.

use std::collections::{BTreeSet, HashMap};

use ansinh_store::import::ApprovedLine;
use ansinh_store::people::Person;

use crate::{Finding, Findings};

/// A card holds at most two representatives (SPEC.md 5.1, file 5).
const REPRESENTATIVES: usize = 2;

pub(super) fn check(lines: &[ApprovedLine], findings: &mut Findings) {
    due_once(lines, findings);
    one_person_one_way(lines, findings);
    few_representatives(lines, findings);
}

/// Arrears: several decisions may give some for the same month.
const ARREARS: u8 = 2;

/// (person, programme, line type, period) once, arrears once by decision.
fn due_once(lines: &[ApprovedLine], findings: &mut Findings) {
    let mut seen = HashMap::new();
    for line in lines {
        for due in &line.due {
            let decision = (due.line_type == ARREARS).then_some(&line.entitlement.decision);
            let key = (
                &line.person.personal_id,
                &line.entitlement.programme,
                decision,
                due.line_type,
                &line.period,
            );
            let first = *seen.entry(key).or_insert(line.file_line);
            if first != line.file_line {
                let rule = format!("the same person, programme, kind of sum and month as line {first}");
                findings.errors.push(Finding::new(
                    line.file_line,
                    "so_dinh_danh",
                    &line.person.personal_id,
                    rule,
                ));
            }
        }
    }
}

fn one_person_one_way(lines: &[ApprovedLine], findings: &mut Findings) {
    let mut seen: HashMap<&str, &ApprovedLine> = HashMap::new();
    for line in lines {
        let first = *seen.entry(&line.person.personal_id).or_insert(line);
        for (column, value) in differences(&first.person, &line.person) {
            let rule = format!("differs from line {}, which is the same person", first.file_line);
            findings
                .errors
                .push(Finding::new(line.file_line, column, value, rule));
        }
    }
}

fn differences<'a>(first: &Person, other: &'a Person) -> Vec<(&'static str, &'a str)> {
    let mut differences = Vec::new();
    let texts = [
        ("ho_ten", &first.full_name, &other.full_name),
        ("ngay_sinh", &first.birth_date, &other.birth_date),
        ("ma_tinh", &first.province, &other.province),
        ("ma_xa", &first.commune, &other.commune),
    ];
    differences.extend(
        texts
            .into_iter()
            .filter(|(_, a, b)| a != b)
            .map(|(column, _, b)| (column, b.as_str())),
    );
    if first.sex != other.sex {
        differences.push(("gioi_tinh", ""));
    }
    differences
}

fn few_representatives(lines: &[ApprovedLine], findings: &mut Findings) {
    let mut known: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for line in lines {
        let Some(representative) = &line.representative else {
            continue;
        };
        // A card is made without those whose authorization has ended.
        if representative.valid_to < format!("{}01", line.period) {
            continue;
        }
        let of_person = known.entry(&line.person.personal_id).or_default();
        if of_person.insert(&representative.personal_id) && of_person.len() > REPRESENTATIVES {
            let rule = "a card holds at most two representatives";
            let column = "so_dinh_danh_nguoi_nhan_thay";
            findings.errors.push(Finding::new(
                line.file_line,
                column,
                &representative.personal_id,
                rule,
            ));
        }
    }
}
