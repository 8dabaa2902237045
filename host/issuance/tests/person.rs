//! What goes on a card, and what is refused before it gets there.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use ansinh_issuance::{DataGroups, Failure, PersonRecord};
use card_spec::crypto::sha256;
use card_spec::groups::{Holder, MAXIMUM_LENGTH, ProgrammeStatus, Programmes, Representatives, Salt};
use card_spec::tlv::{DataObject, Field, Reader};
use card_spec::values::Period;
use common::{entitlement, person, representative, terms};

const TAGS: [u16; 5] = [0xFF31, 0xFF33, 0xFF34, 0xFF35, 0xFF36];
const ANCHOR: &[u8] = b"the trust anchor loaded with the groups";
const SALTS: [Salt; 5] = [[1; 16], [2; 16], [3; 16], [4; 16], [5; 16]];

fn build(person: &PersonRecord) -> Result<DataGroups, Failure> {
    DataGroups::build(person, &terms(), &SALTS)
}

fn object(groups: &DataGroups, place: usize) -> DataObject<'_> {
    let mut reader = Reader::new(groups.encoding());
    for tag in &TAGS[..place] {
        reader.expect(*tag).unwrap();
    }
    reader.expect(TAGS[place]).unwrap()
}

fn group<'a, T: Field<'a>>(groups: &'a DataGroups, place: usize) -> T {
    T::read(&mut Reader::new(object(groups, place).encoding()), TAGS[place]).unwrap()
}

#[test]
fn a_person_becomes_five_groups() {
    let groups = build(&person()).unwrap();
    let holder: Holder<'_> = group(&groups, 0);
    assert_eq!(holder.name.as_str(), "Nguyễn Thị Ánh");
    assert_eq!(holder.birth_date.parts(), (1941, 0, 0));
    assert_eq!(holder.social_security_number.as_str(), "079141000001");
    assert_eq!(holder.salt, SALTS[0]);
    let digests = groups.digests(ANCHOR);
    assert_eq!(digests.issuance, sha256(&[object(&groups, 4).encoding()]));
    assert_eq!(digests.trust_anchor, sha256(&[ANCHOR]));
    assert_eq!(digests.portrait, None);
}

#[test]
fn sudden_relief_is_always_there_and_decisions_are_joined() {
    let mut person = person();
    person.entitlements = vec![
        entitlement("BTXH", "202606", Some("202612"), false),
        entitlement("BTXH", "202601", Some("202703"), true),
        entitlement("HTXH", "202507", None, false),
    ];
    let groups = build(&person).unwrap();
    let programmes: Programmes = group(&groups, 1);
    let entries: Vec<_> = programmes
        .entries
        .iter()
        .map(|entry| {
            (
                entry.programme.as_str().to_owned(),
                entry.from,
                entry.to,
                entry.status,
            )
        })
        .collect();
    let month = |year, month| Period::new(year, month).unwrap();
    let (active, ended) = (ProgrammeStatus::Active, ProgrammeStatus::Ended);
    assert_eq!(
        entries,
        [
            ("BTXH".to_owned(), month(2026, 1), Some(month(2027, 3)), active),
            ("DXUA".to_owned(), month(2026, 11), None, active),
            ("HTXH".to_owned(), month(2025, 7), None, ended),
        ]
    );
}

#[test]
fn representatives_with_the_longest_authorization_go_on_the_card() {
    let mut person = person();
    person.representatives = vec![
        representative("Expired", "20261121"),
        representative("Today", "20261122"),
        representative("Longest", "20301231"),
        representative("Second", "20271231"),
    ];
    let groups = build(&person).unwrap();
    let representatives: Representatives<'_> = group(&groups, 3);
    let names: Vec<_> = representatives
        .entries
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(names, ["Longest", "Second"]);
}

#[test]
fn a_group_longer_than_a_card_takes_is_refused() {
    let object = |tag: u16, length: u16| {
        let header = [tag.to_be_bytes(), [0x82, (length >> 8) as u8]].concat();
        [header, vec![length as u8], vec![0; usize::from(length)]].concat()
    };
    let header = 5;
    let longest = MAXIMUM_LENGTH as u16 - header;
    let groups = |long: u16, length| {
        TAGS.map(|tag| object(tag, if tag == long { length } else { 300 }))
            .concat()
    };
    for tag in TAGS {
        assert!(DataGroups::parse(&groups(tag, longest)).is_ok());
        assert_eq!(
            DataGroups::parse(&groups(tag, longest + 1)).err(),
            Some(Failure::TooMuchData)
        );
    }
}

#[test]
fn the_largest_person_fits_a_card() {
    let long = "ộ".repeat(64);
    let mut person = person();
    person.full_name.clone_from(&long);
    person.social_insurance_number = Some("7900000001".to_owned());
    person.pay_point = Some("DCT000000001".to_owned());
    person.entitlements = (1..=8)
        .map(|number| entitlement(&format!("PRG{number}"), "202601", Some("202612"), true))
        .collect();
    person.representatives = vec![
        representative(&long, "20301231"),
        representative(&long, "20301231"),
    ];
    person.representatives[0].document = Some("D".repeat(30));
    assert!(build(&person).is_ok());
    person
        .entitlements
        .push(entitlement("PRG9", "202601", None, true));
    assert_eq!(
        build(&person).err(),
        Some(Failure::PersonRecord("number of programmes"))
    );
}

#[test]
fn a_field_that_does_not_fit_is_named_and_never_shown() {
    type Spoil = fn(&mut PersonRecord);
    let spoilt: [(&str, Spoil); 16] = [
        ("full name", |person| person.full_name.clear()),
        ("full name", |person| person.full_name = "x".repeat(193)),
        ("full name", |person| person.full_name.push('\n')),
        ("birth date", |person| person.birth_date = "19410005".to_owned()),
        ("birth date", |person| person.birth_date = "1941-1-1".to_owned()),
        ("birth date", |person| person.birth_date.clear()),
        ("sex", |person| person.sex = 0),
        ("sex", |person| person.sex = 255),
        ("personal ID", |person| person.personal_id = "số".to_owned()),
        ("province", |person| person.province = "7".to_owned()),
        ("commune", |person| person.commune = "2673A".to_owned()),
        ("pay point", |person| {
            person.pay_point = Some("DCT0000000001".to_owned())
        }),
        ("social insurance number", |person| {
            person.social_insurance_number = Some("79000000011".to_owned())
        }),
        ("programme", |person| {
            person.entitlements[0].programme = "btxh".to_owned()
        }),
        ("month of an entitlement", |person| {
            person.entitlements[0].month_from = "202613".to_owned()
        }),
        ("end of a representative's authorization", |person| {
            person.representatives.push(representative("Name", "20260230"));
        }),
    ];
    for (field, spoil) in spoilt {
        let mut person = person();
        spoil(&mut person);
        assert_eq!(build(&person).err(), Some(Failure::PersonRecord(field)));
    }
}

#[test]
fn kept_groups_are_taken_back_only_whole() {
    let groups = build(&person()).unwrap();
    let kept = groups.encoding();
    let parsed = DataGroups::parse(kept).unwrap();
    assert_eq!(parsed.digests(ANCHOR), groups.digests(ANCHOR));
    for length in 0..kept.len() {
        assert_eq!(
            DataGroups::parse(&kept[..length]).err(),
            Some(Failure::LedgerCso),
            "{length}"
        );
    }
    assert!(DataGroups::parse(&[kept, &[0x80, 0x00]].concat()).is_err());
}
