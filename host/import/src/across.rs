//! The rules over several lines: nothing due twice; a person, a decision, a representative told one way.

use std::collections::{BTreeSet, HashMap};

use ansinh_store::import::ApprovedLine;
use ansinh_store::names::fold;

use crate::finding::{Finding, Findings};

/// A card holds at most two representatives (SPEC.md 5.1, file 5).
const REPRESENTATIVES: usize = 2;

/// Arrears: several decisions may give some for the same month.
const ARREARS: u8 = 2;

pub(super) fn check(lines: &[ApprovedLine], findings: &mut Findings) {
    let mut found = Vec::new();
    due_once(lines, &mut found);
    told_one_way(lines, &mut found);
    few_representatives(lines, &mut found);
    findings.errors.append(&mut found);
}

/// (person, programme, line type, period) once, arrears once by decision.
fn due_once(lines: &[ApprovedLine], found: &mut Vec<Finding>) {
    let mut seen = HashMap::new();
    for line in lines {
        for due in &line.due {
            let decision = (due.line_type == ARREARS).then(|| fold(&line.entitlement.decision));
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
                let id = &line.person.personal_id;
                found.push(Finding::new(line.file_line, "so_dinh_danh", id, rule));
            }
        }
    }
}

/// Later lines of a person, of a decision, of a representative say the same as the first one.
fn told_one_way(lines: &[ApprovedLine], found: &mut Vec<Finding>) {
    let mut persons = HashMap::new();
    let mut decisions = HashMap::new();
    let mut representatives = HashMap::new();
    for line in lines {
        let id = line.person.personal_id.as_str();
        let first = *persons.entry(id).or_insert(line);
        report(line, first, "person", person_differences(first, line), found);

        // Most persons have one line, and then there is nothing to compare.
        let decision = (id, &line.entitlement.programme, fold(&line.entitlement.decision));
        let first = *decisions.entry(decision).or_insert(line);
        report(line, first, "decision", decision_differences(first, line), found);

        let Some(representative) = &line.representative else {
            continue;
        };
        let first = *representatives
            .entry((id, &representative.personal_id))
            .or_insert(line);
        report(
            line,
            first,
            "representative",
            representative_differences(first, line),
            found,
        );
    }
}

type Differences<'a> = Vec<(&'static str, &'a str)>;

fn report(
    line: &ApprovedLine,
    first: &ApprovedLine,
    what: &str,
    columns: Differences<'_>,
    found: &mut Vec<Finding>,
) {
    for (column, value) in columns {
        let rule = format!("differs from line {}, which is the same {what}", first.file_line);
        found.push(Finding::new(line.file_line, column, value, rule));
    }
}

fn person_differences<'a>(first: &ApprovedLine, other: &'a ApprovedLine) -> Differences<'a> {
    if std::ptr::eq(first, other) {
        return Vec::new();
    }
    let (first, other) = (&first.person, &other.person);
    let mut differences = Vec::new();
    if fold(&first.full_name) != fold(&other.full_name) {
        differences.push(("ho_ten", other.full_name.as_str()));
    }
    let texts = [
        ("ngay_sinh", &first.birth_date, &other.birth_date),
        ("ma_tinh", &first.province, &other.province),
        ("ma_xa", &first.commune, &other.commune),
    ];
    let texts = texts.into_iter().filter(|(_, one, two)| one != two);
    differences.extend(texts.map(|(column, _, value)| (column, value.as_str())));
    if first.sex != other.sex {
        differences.push(("gioi_tinh", ""));
    }
    differences.extend(told_apart([
        ("ma_diem_chi_tra", &first.pay_point, &other.pay_point),
        (
            "ma_so_bhxh",
            &first.social_insurance_number,
            &other.social_insurance_number,
        ),
        (
            "ma_the_bhyt",
            &first.health_insurance_code,
            &other.health_insurance_code,
        ),
    ]));
    differences
}

fn decision_differences<'a>(first: &ApprovedLine, other: &'a ApprovedLine) -> Differences<'a> {
    if std::ptr::eq(first, other) {
        return Vec::new();
    }
    let (one, two) = (&first.entitlement, &other.entitlement);
    let mut differences: Differences<'a> = told_apart([
        ("ma_doi_tuong", &one.sub_code, &two.sub_code),
        ("ngay_quyet_dinh", &one.decision_date, &two.decision_date),
        ("co_quan_quyet_dinh", &one.decided_by, &two.decided_by),
        ("ngay_thoi_huong", &one.month_to, &two.month_to),
        ("ly_do_thoi", &first.stated.end_reason, &other.stated.end_reason),
    ])
    .collect();
    if first.stated.month_from && other.stated.month_from && one.month_from != two.month_from {
        differences.push(("ngay_bat_dau", &two.month_from));
    }
    differences
}

fn representative_differences<'a>(first: &ApprovedLine, other: &'a ApprovedLine) -> Differences<'a> {
    let (Some(one), Some(two)) = (&first.representative, &other.representative) else {
        return Vec::new();
    };
    let mut differences = Vec::new();
    if fold(&one.full_name) != fold(&two.full_name) {
        differences.push(("nguoi_nhan_thay", two.full_name.as_str()));
    }
    if one.relation != two.relation {
        differences.push(("quan_he", two.relation.as_str()));
    }
    if one.valid_to != two.valid_to {
        differences.push(("ngay_het_han_uy_quyen", two.valid_to.as_str()));
    }
    differences.extend(told_apart([("so_giay_uy_quyen", &one.document, &two.document)]));
    differences
}

/// Fields that both lines give, differently. An empty field says nothing.
fn told_apart<'a, const N: usize>(
    fields: [(&'static str, &Option<String>, &'a Option<String>); N],
) -> impl Iterator<Item = (&'static str, &'a str)> {
    fields.into_iter().filter_map(|(column, one, two)| {
        let (one, two) = (one.as_deref()?, two.as_deref()?);
        (fold(one) != fold(two)).then_some((column, two))
    })
}

fn few_representatives(lines: &[ApprovedLine], found: &mut Vec<Finding>) {
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
            found.push(Finding::new(
                line.file_line,
                column,
                &representative.personal_id,
                rule,
            ));
        }
    }
}
