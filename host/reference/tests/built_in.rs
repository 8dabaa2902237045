//! The built-in data: what the law says, on the days on which it says so.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::collections::BTreeSet;

use ansinh_reference::{CodeList, CommuneLookup, Extent, ProvinceKind, Reference, Status};
use jiff::civil::{Date, date};

const BEFORE: Date = date(2025, 6, 30);
const AFTER: Date = date(2025, 7, 1);

fn reference() -> Reference {
    Reference::load().unwrap()
}

#[test]
fn codes_are_text() {
    let reference = reference();
    let day = date(2026, 11, 1);
    assert!(reference.is_province("01", day));
    for wrong in ["1", "001", " 01", "", "00", "btxh"] {
        assert!(
            !reference.is_province(wrong, day) && !reference.is_programme(wrong, day),
            "{wrong:?}"
        );
    }
}

#[test]
fn provinces_changed_on_1_july_2025() {
    let reference = reference();
    assert_eq!(
        (
            reference.provinces(BEFORE).count(),
            reference.provinces(AFTER).count()
        ),
        (63, 34)
    );
    // DOMAIN B2, the trap: the same digits name another place.
    let changed = [
        ("15", "Yên Bái", "Lào Cai"),
        ("24", "Bắc Giang", "Bắc Ninh"),
        ("44", "Quảng Bình", "Quảng Trị"),
        ("52", "Bình Định", "Gia Lai"),
        ("80", "Long An", "Tây Ninh"),
        ("82", "Tiền Giang", "Đồng Tháp"),
        ("91", "Kiên Giang", "An Giang"),
    ];
    let name = |code, day| reference.province(code, day).unwrap().name.clone();
    for (code, old, new) in changed {
        assert_eq!(
            (name(code, BEFORE), name(code, AFTER)),
            (old.to_owned(), new.to_owned()),
            "{code}"
        );
    }
    let others = reference
        .provinces(AFTER)
        .filter(|new| !changed.iter().any(|(code, ..)| *code == new.code));
    for new in others {
        assert_eq!(name(&new.code, BEFORE), new.name);
    }
    assert!(reference.is_province("72", BEFORE) && !reference.is_province("72", AFTER));
    let day = |code, year, month, day| reference.province(code, date(year, month, day)).unwrap();
    assert_eq!(day("46", 2024, 12, 31).name, "Thừa Thiên Huế");
    assert_eq!(day("46", 2025, 1, 1).name, "Huế");
    assert_eq!(day("75", 2026, 4, 29).detail.kind, ProvinceKind::Province);
    assert_eq!(day("75", 2026, 4, 30).detail.kind, ProvinceKind::City);
}

#[test]
fn every_old_province_went_to_one_of_today() {
    let reference = reference();
    let mut reached = BTreeSet::new();
    for old in reference.provinces(BEFORE) {
        let successors: Vec<_> = reference.province_successors(&old.code).collect();
        assert_eq!(successors.len(), 1, "{}", old.code);
        assert_eq!(successors[0].extent, Extent::Whole);
        reached.insert(successors[0].successor.clone());
    }
    let today: BTreeSet<String> = reference.provinces(AFTER).map(|code| code.code.clone()).collect();
    assert_eq!(reached, today);
    let to = |old| {
        reference
            .province_successors(old)
            .next()
            .unwrap()
            .successor
            .clone()
    };
    // Long An and Tây Ninh became Tây Ninh under the code of Long An.
    assert_eq!((to("80"), to("72")), ("80".to_owned(), "80".to_owned()));
    assert_eq!((to("64"), to("77")), ("52".to_owned(), "79".to_owned()));
    assert_eq!(reference.province_successors("99").count(), 0);
}

#[test]
fn all_communes_of_the_country_are_there() {
    let reference = reference();
    let kinds = |day: Date| {
        let count = |kind: &str| {
            let provinces: Vec<_> = reference.provinces(day).collect();
            let communes = provinces
                .iter()
                .flat_map(|province| reference.communes(&province.code, day));
            communes.filter(|commune| commune.name.starts_with(kind)).count()
        };
        (count("Xã "), count("Phường "), count("Đặc khu "))
    };
    // DOMAIN B2: 2,621 communes, 687 wards, 13 special zones; 10 and 12 communes became wards in 2026.
    assert_eq!(kinds(AFTER), (2_621, 687, 13));
    assert_eq!(kinds(date(2026, 4, 30)), (2_611, 697, 13));
    assert_eq!(kinds(date(2026, 9, 20)), (2_599, 709, 13));
    assert!(
        reference
            .provinces(AFTER)
            .all(|province| reference.communes(&province.code, AFTER).count() > 0)
    );
    assert!(
        reference
            .provinces(AFTER)
            .all(|province| province.detail.communes_complete)
    );
}

#[test]
fn a_commune_is_known_unknown_or_cannot_be_checked() {
    let reference = reference();
    let CommuneLookup::InForce(ward) = reference.commune("00004", AFTER) else {
        panic!()
    };
    assert_eq!(
        (ward.name.as_str(), ward.detail.province.as_str()),
        ("Phường Ba Đình", "01")
    );
    for wrong in ["00001", "4", "0004", "", "99999"] {
        assert_eq!(
            reference.commune(wrong, AFTER),
            CommuneLookup::Unknown,
            "{wrong:?}"
        );
    }
    // The list of before has not been sourced: nobody may be refused for it.
    for code in ["00004", "00001", "99999"] {
        assert_eq!(reference.commune(code, BEFORE), CommuneLookup::CannotBeChecked);
    }
    assert_eq!(
        reference.commune("99999", date(1990, 1, 1)),
        CommuneLookup::CannotBeChecked,
        "no provinces known"
    );
}

#[test]
fn one_incomplete_province_leaves_unknown_codes_open() {
    let draft = common::Draft::unsigned(2);
    draft.edit("provinces.csv", |text| {
        text.replace("96,Cà Mau,tỉnh,yes", "96,Cà Mau,tỉnh,no")
    });
    ansinh_reference::sign(draft.path(), &common::key(1)).unwrap();
    let reference = draft.reference();
    assert_eq!(reference.commune("99999", AFTER), CommuneLookup::CannotBeChecked);
    assert!(matches!(
        reference.commune("00004", AFTER),
        CommuneLookup::InForce(_)
    ));
}

#[test]
fn old_communes_lead_to_new_ones() {
    let reference = reference();
    // Trúc Bạch, whose digits are now those of Ba Đình.
    let [whole] = reference.commune_successors("00004") else {
        panic!()
    };
    assert_eq!(
        (whole.name.as_str(), whole.detail.successor.as_str()),
        ("Phường Trúc Bạch", "00004")
    );
    assert_eq!(
        (whole.detail.extent, whole.detail.province.as_deref()),
        (Extent::Whole, Some("01"))
    );
    let parts = reference.commune_successors("00016");
    assert_eq!(parts.len(), 2);
    assert!(parts.iter().all(|part| part.detail.extent == Extent::Part));
    assert_eq!(
        reference.commune_successors("00553")[0].detail.extent,
        Extent::Uncertain
    );
    assert!(reference.commune_successors("99999").is_empty());
}

#[test]
fn standards_follow_the_day() {
    let reference = reference();
    let vnd = |programme, day, province| {
        reference
            .standard(programme, day, province)
            .map(|code| code.detail.vnd)
    };
    let national = |programme, year, month, day| vnd(programme, date(year, month, day), "79");
    assert_eq!(national("BTXH", 2021, 6, 30), None);
    assert_eq!(national("BTXH", 2021, 7, 1), Some(360_000));
    assert_eq!(national("BTXH", 2024, 6, 30), Some(360_000));
    assert_eq!(national("BTXH", 2024, 7, 1), Some(500_000));
    assert_eq!(national("BTXH", 2026, 6, 30), Some(500_000));
    assert_eq!(national("BTXH", 2026, 7, 1), Some(540_000));
    assert_eq!(national("HTXH", 2025, 6, 30), None);
    assert_eq!(national("HTXH", 2025, 7, 1), Some(500_000));
    assert_eq!(national("HTXH", 2026, 7, 1), Some(540_000));
    assert_eq!(national("NGCC", 2024, 6, 30), Some(2_055_000));
    assert_eq!(national("NGCC", 2024, 7, 1), Some(2_789_000));
    assert_eq!(national("LHBH", 2026, 7, 1), None);
    assert_eq!(vnd("HTXH", date(2025, 12, 31), "01"), Some(500_000));
    assert_eq!(vnd("HTXH", date(2026, 1, 1), "01"), Some(650_000));
    assert_eq!(vnd("BTXH", date(2026, 1, 1), "01"), Some(500_000));
}

#[test]
fn amounts_are_those_of_the_decree() {
    let reference = reference();
    // DOMAIN B3, at 500,000 VND.
    let amounts = [
        ("BT01.1", 1_250_000),
        ("BT01.2", 750_000),
        ("BT02", 750_000),
        ("BT03.1", 1_250_000),
        ("BT03.2", 1_000_000),
        ("BT04", 500_000),
        ("BT05a.1", 750_000),
        ("BT05a.2", 1_000_000),
        ("BT05b", 500_000),
        ("BT05c", 500_000),
        ("BT05d", 1_500_000),
        ("BT06.1", 1_000_000),
        ("BT06.2", 1_250_000),
        ("BT06.3", 750_000),
        ("BT06.4", 1_000_000),
        ("BT07", 750_000),
        ("BT08", 750_000),
    ];
    for (code, vnd) in amounts {
        assert_eq!(
            reference.monthly_amount(code, date(2025, 1, 1), "79"),
            Some(vnd),
            "{code}"
        );
    }
    assert_eq!(reference.sub_programmes("BTXH", AFTER).count(), amounts.len());
    assert_eq!(
        reference.monthly_amount("BT06.3", date(2026, 7, 1), "79"),
        Some(810_000)
    );
    assert_eq!(
        reference.monthly_amount("NC1c", AFTER, "79"),
        None,
        "not a multiple"
    );
    assert_eq!(reference.monthly_amount("BT99", AFTER, "79"), None);
    // Decree 20/2021 Art. 8.1.b: these must not be posted, and their names must not say why.
    let confidential: Vec<_> = reference
        .sub_programmes("BTXH", AFTER)
        .filter(|code| code.detail.confidential)
        .collect();
    let codes: Vec<&str> = confidential.iter().map(|code| code.code.as_str()).collect();
    assert_eq!(codes, ["BT03.1", "BT03.2", "BT08"]);
    assert!(confidential.iter().all(|code| !code.name.contains("HIV")));
}

#[test]
fn rules_prefer_the_nearest() {
    let reference = reference();
    let day = date(2026, 11, 22);
    let value = |code, programme| {
        reference
            .rule(code, day, programme, "79")
            .map(|rule| rule.detail.value)
    };
    assert_eq!(value("list-deadline", "BTXH"), Some(25));
    assert_eq!(value("settlement-deadline", "HTXH"), Some(20));
    assert_eq!(value("authorisation-maximum", "LHBH"), Some(12));
    assert_eq!(value("authorisation-maximum", "BTXH"), None);
    assert_eq!(value("retention-vouchers", "BTXH"), Some(10));
    assert_eq!(value("no-such-rule", "BTXH"), None);
    assert!(
        reference
            .rule("home-payment-age", date(2025, 6, 30), "LHBH", "79")
            .is_none()
    );

    let draft = common::Draft::unsigned(2);
    draft.append("rules.csv", "list-deadline,X,X,,79,24,day-of-month,20210701,");
    draft.append("rules.csv", "list-deadline,X,X,BTXH,,23,day-of-month,20210701,");
    draft.append("rules.csv", "list-deadline,X,X,BTXH,79,22,day-of-month,20210701,");
    ansinh_reference::sign(draft.path(), &common::key(1)).unwrap();
    let reference = draft.reference();
    let value = |programme, province| {
        reference
            .rule("list-deadline", day, programme, province)
            .unwrap()
            .detail
            .value
    };
    assert_eq!(
        [
            value("BTXH", "79"),
            value("BTXH", "01"),
            value("HTXH", "79"),
            value("HTXH", "01")
        ],
        [22, 23, 24, 25]
    );
}

#[test]
fn plain_lists_have_the_codes_of_the_specification() {
    let reference = reference();
    let codes = |list| {
        reference
            .codes(list, AFTER)
            .map(|code| code.code.clone())
            .collect::<Vec<_>>()
    };
    let numbers = |last: u8| {
        let mut numbers: Vec<String> = (1..=last).map(|number| number.to_string()).collect();
        numbers.sort();
        numbers
    };
    // DATA 1, 4 and 5.4.
    assert_eq!(codes(CodeList::LineTypes), numbers(7));
    assert_eq!(codes(CodeList::Recipients), numbers(3));
    assert_eq!(codes(CodeList::HolderChecks), numbers(2));
    assert_eq!(codes(CodeList::BlockReasons), numbers(6));
    assert_eq!(codes(CodeList::RefusalReasons), numbers(16));
    assert_eq!(codes(CodeList::PaymentMethods), numbers(5));
    assert_eq!(
        codes(CodeList::Programmes),
        ["BTXH", "DXUA", "HTXH", "LHBH", "NGCC", "TCTN"]
    );
    assert!(!reference.is_programme("HTXH", BEFORE));
    for list in CodeList::ALL {
        assert!(reference.codes(list, AFTER).count() > 0, "{list:?}");
    }
    assert_eq!(
        reference
            .code(CodeList::UnpaidReasons, "001", AFTER)
            .unwrap()
            .name,
        "Không đến nhận"
    );
}

#[test]
fn prefixes_agencies_and_pay_points() {
    let reference = reference();
    assert!(reference.has_known_prefix("079123456789") && reference.has_known_prefix("096"));
    for unknown in ["003123456789", "", "07", "å79"] {
        assert!(!reference.has_known_prefix(unknown), "{unknown:?}");
    }
    assert!(reference.agency("H29", AFTER).is_some() && reference.agency("H79", AFTER).is_none());
    let codes = |province| -> Vec<_> {
        let agencies = reference.agencies_of(province, AFTER).into_iter();
        agencies.map(|agency| agency.code.as_str()).collect()
    };
    assert_eq!((codes("79"), codes("01")), (vec!["H29"], vec![]));
    assert!(
        reference.agencies_of("79", date(2019, 1, 1)).is_empty(),
        "before the decision"
    );
    let above = |code| {
        reference
            .agency_or_above(code, AFTER)
            .map(|agency| agency.code.as_str())
    };
    assert_eq!(
        (above("H29"), above("H29.1"), above("H29.1.2")),
        (Some("H29"), Some("H29"), Some("H29"))
    );
    for stranger in ["H2", "H291", "H79", "1.H29", ""] {
        assert_eq!(above(stranger), None, "{stranger:?}");
    }
    assert!(Reference::has_agency_form("H29.1") && Reference::has_agency_form("000.00.00.H29"));
    for wrong in ["", ".", "H29.", "h29", "H 29", &"A".repeat(36)] {
        assert!(!Reference::has_agency_form(wrong), "{wrong:?}");
    }
    assert!(
        reference.pay_point("BD-26734", AFTER).is_none(),
        "stations register their own"
    );
}

#[test]
fn the_manifest_says_what_is_a_choice_of_the_project() {
    let reference = reference();
    let status = |name: &str| {
        reference
            .manifest()
            .files
            .iter()
            .find(|file| file.name == name)
            .unwrap()
            .status
    };
    assert_eq!(status("provinces.csv"), Status::Law);
    assert_eq!(status("standards.csv"), Status::Secondary);
    assert_eq!(status("programmes.csv"), Status::Project);
    assert_eq!(status("pay-points.csv"), Status::Station);
}
