//! The rules for one line: every field, then what the fields say together.

use ansinh_reference::{CodeList, CommuneLookup, Reference, today};
use ansinh_store::import::{ApprovedLine, Due, ListKind, Stated};
use ansinh_store::people::{Entitlement, Person, Representative};
use jiff::civil;

use crate::finding::WarningCode;
use crate::row::Row;
use crate::{Terms, rules};

/// Columns that become payment lines, with their line type (DATA.md 1).
const SUMS: [(&str, u8); 4] = [
    ("so_tien_thang", 1),
    ("truy_linh", 2),
    ("mai_tang_phi", 3),
    ("phu_cap", 6),
];

const AMOUNT: &str = "whole đồng in digits only, at most 12, without separators";
const DAY: &str = "a day yyyymmdd that the calendar has";
const MONTH: &str = "a month yyyymm";
const NAME: &str = "a name of letters, at most 255 characters";
const CARD_NAME: &str =
    "a name of letters, at most 64 characters (what a card holds; agree on a short form with the person)";
const PERSONAL_ID: &str = "12 digits";

/// Checks one line. `None` if it has an error; every error of the line was noted then.
pub(super) fn check(row: &mut Row<'_>, terms: &Terms<'_>) -> Option<ApprovedLine> {
    let Terms {
        reference,
        province,
        kind,
    } = *terms;
    let period = row.required("ky_chi_tra", MONTH, rules::month);
    // Without a month the codes cannot be judged; the month's own error is noted.
    let day = period.as_deref().and_then(rules::first_day);
    let person = person(row, reference, province, day);
    let representative = representative(row, reference, day);
    let entitlement = entitlement(row, reference, period.as_deref(), day);
    let method = row.required(
        "phuong_thuc_chi_tra",
        "a payment method in force: 1 to 5",
        |text| {
            let known = day.is_none_or(|day| reference.is_payment_method(text, day));
            text.parse().ok().filter(|_| known)
        },
    );
    let due = sums(row, kind);
    let stated = stated(row, reference, day);

    let (person, representative, entitlement) = (person?, representative?, entitlement?);
    check_together(
        row,
        reference,
        &person,
        representative.as_ref(),
        &entitlement,
        period.as_deref()?,
    )?;
    Some(ApprovedLine {
        file_line: row.number(),
        person,
        representative,
        entitlement,
        period: period?,
        method: method?,
        due: due?,
        stated: stated?,
    })
}

/// What the line says outright; the rest is filled in.
fn stated(row: &mut Row<'_>, reference: &Reference, day: Option<civil::Date>) -> Option<Stated> {
    let end_reason = row.optional("ly_do_thoi", "a stop reason in force, 3 digits", |text| {
        let known = day.is_none_or(|day| reference.code(CodeList::StopReasons, text, day).is_some());
        rules::digits(text, 3).filter(|_| known)
    })?;
    if end_reason.is_some() && row.text("ngay_thoi_huong").is_none() {
        row.error(
            "ngay_thoi_huong",
            "is missing: ly_do_thoi says that the decision ended, but not when",
        );
        return None;
    }
    Some(Stated {
        province: row.text("ma_tinh").is_some(),
        month_from: row.text("ngay_bat_dau").is_some(),
        end_reason,
    })
}

fn person(
    row: &mut Row<'_>,
    reference: &Reference,
    province: &str,
    day: Option<civil::Date>,
) -> Option<Person> {
    let today = today();
    let personal_id = row.required("so_dinh_danh", PERSONAL_ID, |text| rules::digits(text, 12));
    let full_name = row.required("ho_ten", NAME, rules::name);
    let birth_rule = "a birth date yyyymmdd, 00 for an unknown month or day, from 1900 to today";
    let birth_date = row.required("ngay_sinh", birth_rule, |text| rules::birth_date(text, today));
    let sex = row.required(
        "gioi_tinh",
        "1 male, 2 female, 3 undetermined",
        |text| match text {
            "1" => Some(1),
            "2" => Some(2),
            "3" => Some(3),
            _ => None,
        },
    );
    let province_rule = "a province code in force in the month paid (Decision 19/2025/QD-TTg), 2 digits";
    let given_province = row.optional("ma_tinh", province_rule, |text| {
        let known = day.is_none_or(|day| reference.is_province(text, day));
        rules::digits(text, 2).filter(|_| known)
    });
    let commune = row.required("ma_xa", "a commune code, 5 digits", |text| {
        rules::digits(text, 5).filter(|code| code != "00000")
    });
    let pay_point = row.optional(
        "ma_diem_chi_tra",
        "a code of at most 12 ASCII characters",
        |text| rules::code(text, 12),
    );
    let own_id = personal_id.clone().unwrap_or_default();
    let social = row.optional("ma_so_bhxh", "10 digits, or the same as so_dinh_danh", |text| {
        rules::social_insurance_number(text, &own_id)
    });
    let health = row.optional(
        "ma_the_bhyt",
        "15 capitals and digits, or 10 digits",
        rules::health_insurance_code,
    );
    Some(Person {
        personal_id: personal_id?,
        full_name: full_name?,
        birth_date: birth_date?,
        sex: sex?,
        province: given_province?.unwrap_or_else(|| province.to_owned()),
        commune: commune?,
        pay_point: pay_point?,
        social_insurance_number: social?.flatten(),
        health_insurance_code: health?,
    })
}

/// The columns of a representative are given all (the document's number may be missing) or not at all.
fn representative(
    row: &mut Row<'_>,
    reference: &Reference,
    day: Option<civil::Date>,
) -> Option<Option<Representative>> {
    let document = row.optional("so_giay_uy_quyen", "at most 30 ASCII characters", |text| {
        rules::code(text, 30)
    });
    let columns = [
        "nguoi_nhan_thay",
        "so_dinh_danh_nguoi_nhan_thay",
        "quan_he",
        "ngay_het_han_uy_quyen",
    ];
    if columns.iter().all(|column| row.text(column).is_none()) {
        if row.text("so_giay_uy_quyen").is_some() {
            row.error("so_giay_uy_quyen", "an authorization without nguoi_nhan_thay");
            return None;
        }
        return document.map(|_| None);
    }
    let full_name = row.required("nguoi_nhan_thay", CARD_NAME, rules::card_name);
    let personal_id = row.required("so_dinh_danh_nguoi_nhan_thay", PERSONAL_ID, |text| {
        rules::digits(text, 12)
    });
    let relation = row.required("quan_he", "a relation code in force, 2 digits", |text| {
        let known = day.is_none_or(|day| reference.is_relation(text, day));
        rules::digits(text, 2).filter(|_| known)
    });
    let valid_to = row.required(
        "ngay_het_han_uy_quyen",
        "a day yyyymmdd of 2000 to 2099",
        rules::card_day,
    );
    Some(Some(Representative {
        personal_id: personal_id?,
        full_name: full_name?,
        relation: relation?,
        document: document?,
        valid_to: valid_to?,
    }))
}

fn entitlement(
    row: &mut Row<'_>,
    reference: &Reference,
    period: Option<&str>,
    day: Option<civil::Date>,
) -> Option<Entitlement> {
    let programme_rule = "a programme code in force in the month paid: BTXH, HTXH, NGCC, LHBH, TCTN or DXUA";
    let programme = row.required("ma_che_do", programme_rule, |text| {
        day.is_none_or(|day| reference.is_programme(text, day))
            .then(|| text.to_owned())
    });
    let sub_code = row.optional("ma_doi_tuong", "a code of at most 8 ASCII characters", |text| {
        rules::code(text, 8)
    });
    let decision = row.required(
        "so_quyet_dinh",
        "a decision number of at most 30 characters",
        |text| rules::plain(text, 30),
    );
    let decision_date = row.optional("ngay_quyet_dinh", DAY, rules::day);
    let decided_by = row.optional("co_quan_quyet_dinh", "at most 100 characters", |text| {
        rules::plain(text, 100)
    });
    let from = row.optional("ngay_bat_dau", DAY, rules::day);
    let to = row.optional("ngay_thoi_huong", DAY, rules::day);
    let first_month = row.optional("tu_thang", MONTH, rules::month);
    let last_month = row.optional("den_thang", MONTH, rules::month);
    let monthly_amount = row.text("so_tien_thang").as_deref().and_then(rules::amount);
    if let (Some(Some(first)), Some(Some(last))) = (&first_month, &last_month)
        && first > last
    {
        row.error("den_thang", "lies before tu_thang");
        return None;
    }
    let month_of = |day: &str| day.get(..6).map(str::to_owned);
    let start = from?
        .as_deref()
        .and_then(month_of)
        .filter(|month| rules::month(month).is_some());
    let last = to?.as_deref().and_then(month_of);
    Some(Entitlement {
        programme: programme?,
        sub_code: sub_code?,
        decision: decision?,
        decision_date: decision_date?,
        decided_by: decided_by?,
        month_from: start.or(first_month?).or(period.map(str::to_owned))?,
        active: last
            .as_deref()
            .zip(period)
            .is_none_or(|(last, period)| period <= last),
        month_to: last,
        monthly_amount: monthly_amount?,
    })
}

/// The sums of the line; their total must be the one that was approved. A line of a delta list may only tell of a change.
fn sums(row: &mut Row<'_>, kind: ListKind) -> Option<Vec<Due>> {
    let total = row.required("tong_so_tien", AMOUNT, rules::amount);
    let recovery = row.optional("thu_hoi", AMOUNT, rules::amount);
    if let Some(Some(1..)) = recovery {
        let rule = "a recovery is not paid by card in this version: settle it apart and give 0";
        row.error("thu_hoi", rule);
    }
    let monthly = row.required("so_tien_thang", AMOUNT, rules::amount);
    let others = SUMS.map(|(column, line_type)| (line_type, row_sum(row, column, monthly)));
    let mut due = Vec::new();
    let mut sum = 0_u64;
    for (line_type, amount) in others {
        let amount = amount?;
        sum = sum.saturating_add(amount);
        if amount > 0 {
            due.push(Due { line_type, amount });
        }
    }
    let total = total?;
    if !matches!(recovery?, None | Some(0)) {
        return None;
    }
    if sum != total {
        let rule =
            format!("must be the sum of so_tien_thang, phu_cap, truy_linh and mai_tang_phi, which is {sum}");
        row.error("tong_so_tien", rule);
        return None;
    }
    if due.is_empty() && kind == ListKind::Plain {
        row.error("tong_so_tien", "nothing is due on this line: leave it out");
        return None;
    }
    Some(due)
}

/// `so_tien_thang` was read already; the others may be missing, which is zero.
fn row_sum(row: &mut Row<'_>, column: &str, monthly: Option<u64>) -> Option<u64> {
    if column == "so_tien_thang" {
        return monthly;
    }
    row.optional(column, AMOUNT, rules::amount)
        .map(Option::unwrap_or_default)
}

/// What the fields say together.
fn check_together(
    row: &mut Row<'_>,
    reference: &Reference,
    person: &Person,
    representative: Option<&Representative>,
    entitlement: &Entitlement,
    period: &str,
) -> Option<()> {
    for (code, difference) in rules::id_differences(&person.personal_id, &person.birth_date, person.sex) {
        row.warn("so_dinh_danh", code, difference);
    }
    look_at_name(row, "ho_ten", &person.full_name);
    look_at_codes(row, reference, person, rules::first_day(period)?);
    // Arrears and a funeral allowance may still be due after the end.
    if !entitlement.active && entitlement.monthly_amount > 0 {
        row.error(
            "ngay_thoi_huong",
            "the entitlement ended before the month that is to be paid",
        );
        return None;
    }
    if entitlement.month_from.as_str() > period {
        row.error(
            "ngay_bat_dau",
            "the entitlement begins after the month that is to be paid",
        );
        return None;
    }
    let Some(representative) = representative else {
        return Some(());
    };
    look_at_name(row, "nguoi_nhan_thay", &representative.full_name);
    if representative.personal_id == person.personal_id {
        row.error("so_dinh_danh_nguoi_nhan_thay", "is the holder's own number");
        return None;
    }
    if representative
        .valid_to
        .get(..6)
        .is_some_and(|month| month < period)
    {
        row.warn(
            "ngay_het_han_uy_quyen",
            WarningCode::AuthorizationEnded,
            "the authorization ends before the month that is to be paid",
        );
    }
    Some(())
}

/// A name is never cut, and no letter is refused: both are for a person to look at.
fn look_at_name(row: &mut Row<'_>, column: &str, name: &str) {
    if rules::card_name(name).is_none() {
        let rule = "longer than the 64 characters that a card holds: no card is made until a short form, agreed with the person, comes in a delta list";
        row.warn(column, WarningCode::LongName, rule);
    }
    let unusual: String = rules::unusual_letters(name).collect();
    if !unusual.is_empty() {
        let rule = format!(
            "letters that Vietnamese names do not have ({unusual}): right for a minority name, else a slip"
        );
        row.warn(column, WarningCode::UnusualLetters, rule);
    }
}

/// Codes that may be right although our lists do not have them: nobody is refused for one.
fn look_at_codes(row: &mut Row<'_>, reference: &Reference, person: &Person, day: civil::Date) {
    if !reference.has_known_prefix(&person.personal_id) {
        let rule = "the first three digits of so_dinh_danh are those of no province";
        row.warn("so_dinh_danh", WarningCode::IdPrefix, rule);
    }
    match reference.commune(&person.commune, day) {
        CommuneLookup::InForce(commune) if commune.detail.province != person.province => {
            let rule = format!(
                "the commune {} is in province {}",
                commune.name, commune.detail.province
            );
            row.warn("ma_xa", WarningCode::CommuneProvince, rule);
        }
        CommuneLookup::Unknown => {
            let rule = "no commune has this code in the month paid: an old code, a slip, or newer than our reference data";
            row.warn("ma_xa", WarningCode::UnknownCommune, rule);
        }
        CommuneLookup::InForce(_) | CommuneLookup::CannotBeChecked => {}
    }
}
