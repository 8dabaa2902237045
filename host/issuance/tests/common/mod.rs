//! A station with certificates of its own, and a person.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by tests, each of which uses its part"
)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ansinh_issuance::person::{EntitlementRecord, RepresentativeRecord};
use ansinh_issuance::station::StationError;
use ansinh_issuance::{PersonRecord, Station, Terms};
use card_spec::certificate::{Authorization, Certificate, CertificateKey, Flags, Reference, Role};
use card_spec::crypto::SecretKey;
use card_spec::signed::sign;
use card_spec::values::{Constant, Date};

pub fn day(year: u16, month: u8, day: u8) -> Date {
    Date::new(year, month, day).unwrap()
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32]).unwrap()
}

/// A certificate under the root's key 1, for key `number`.
pub fn certificate(role: Role, holder: &str, number: u8, expiry: Date) -> Vec<u8> {
    let body = Certificate {
        profile: Constant,
        authority: Reference::new("VNROOT00001").unwrap(),
        public_key: CertificateKey {
            key: key(number).public_key(),
            with_domain_parameters: role == Role::Root,
        },
        holder: Reference::new(holder).unwrap(),
        authorization: Authorization {
            role,
            flags: Flags::Test,
        },
        effective: day(2026, 1, 1),
        expiry,
    };
    sign(&body, &key(1), &mut [0; 1024]).unwrap().to_vec()
}

pub fn root() -> Vec<u8> {
    certificate(Role::Root, "VNROOT00001", 1, day(2046, 1, 1))
}

pub fn station_on(today: Date) -> Result<Station, StationError> {
    let issuer = certificate(Role::Issuer, "VNISS7900001", 2, day(2041, 1, 1));
    Station::new(&root(), &issuer, Terms::standard(today, "H79"))
}

pub fn terms() -> Terms {
    Terms::standard(day(2026, 11, 22), "H79")
}

pub fn entitlement(programme: &str, from: &str, to: Option<&str>, active: bool) -> EntitlementRecord {
    EntitlementRecord {
        programme: programme.to_owned(),
        month_from: from.to_owned(),
        month_to: to.map(str::to_owned),
        active,
    }
}

pub fn representative(name: &str, valid_to: &str) -> RepresentativeRecord {
    RepresentativeRecord {
        full_name: name.to_owned(),
        personal_id: "079168000002".to_owned(),
        relation: "02".to_owned(),
        document: Some("UQ-1".to_owned()),
        valid_to: valid_to.to_owned(),
    }
}

pub fn person() -> PersonRecord {
    PersonRecord {
        full_name: "Nguyễn Thị Ánh".to_owned(),
        birth_date: "19410000".to_owned(),
        sex: 2,
        personal_id: "079141000001".to_owned(),
        province: "79".to_owned(),
        commune: "26734".to_owned(),
        pay_point: Some("DCT0001".to_owned()),
        social_insurance_number: None,
        health_insurance_code: Some("HT3797900000001".to_owned()),
        entitlements: vec![entitlement("BTXH", "202601", None, true)],
        representatives: Vec::new(),
    }
}
