//! SPEC 4 and 5: which card security objects and data groups are valid.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

use card_spec::certificate::{
    Authorization, AuthorizationBits, Certificate, CertificateKey, Certified, Flags, Reference, Role,
    TrustAnchor,
};
use card_spec::crypto::{PortableP256, SecretKey};
use card_spec::cso::{self, Caps, CardSecurityObject, CsoError, GroupDigests, HolderCheckPolicy};
use card_spec::groups::{Image, MAXIMUM_PROGRAMMES, Portrait, ProgrammeEntry, ProgrammeStatus, Programmes};
use card_spec::signed::{Signed, sign};
use card_spec::tlv::{Error, Field, Reader, Writer};
use card_spec::values::{Amount, CardNumber, Date, Period, Programme};

fn key(octet: u8) -> SecretKey {
    SecretKey::from_bytes(&[octet; 32]).unwrap()
}

fn date(year: u16) -> Date {
    Date::new(year, 1, 1).unwrap()
}

fn written<'a>(value: &impl Field<'a>, tag: u16) -> Vec<u8> {
    let mut buffer = vec![0; 7_000];
    let mut writer = Writer::new(&mut buffer);
    value.write(&mut writer, tag).unwrap();
    writer.finish().to_vec()
}

fn read<'a, T: Field<'a>>(bytes: &'a [u8], tag: u16) -> Result<T, Error> {
    let mut reader = Reader::new(bytes);
    let value = T::read(&mut reader, tag)?;
    reader.finish()?;
    Ok(value)
}

#[test]
fn a_policy_has_a_known_method_1_to_15_tries_and_an_order_per_verify() {
    let policy = |bytes: [u8; 3]| read::<HolderCheckPolicy>(&[&[0x86, 3], &bytes[..]].concat(), 0x86);
    for bytes in [[1, 1, 1], [2, 15, 255], [3, 3, 2]] {
        let policy = policy(bytes).unwrap();
        let [methods, pin_tries, orders_per_verify] = bytes;
        let expected = HolderCheckPolicy {
            methods,
            pin_tries,
            orders_per_verify,
        };
        assert_eq!(policy, expected);
        assert_eq!(written(&policy, 0x86), [&[0x86, 3], &bytes[..]].concat());
    }
    for bytes in [
        [0, 3, 1], // no method
        [4, 3, 1], // a method that there is not, alone and beside others
        [7, 3, 1],
        [0x81, 3, 1],
        [1, 0, 1],
        [1, 16, 1],
        [1, 3, 0],
    ] {
        assert_eq!(policy(bytes), Err(Error::Value(0x86)), "{bytes:02X?}");
    }
}

#[test]
fn caps_are_three_amounts() {
    let amount = |vnd| Amount::new(vnd).unwrap();
    let caps = Caps {
        order: amount(1),
        month: amount(2),
        order_without_pin: Amount::MAXIMUM,
    };
    let bytes = written(&caps, 0x87);
    let amounts = [1_u64, 2, 999_999_999_999].map(u64::to_be_bytes);
    assert_eq!(bytes, [&[0x87, 24], amounts.as_flattened()].concat());
    assert_eq!(read(&bytes, 0x87), Ok(caps));
    for place in 0..3 {
        let mut amounts = amounts;
        amounts[place] = 1_000_000_000_000_u64.to_be_bytes();
        let bytes = [&[0x87, 24], amounts.as_flattened()].concat();
        assert_eq!(read::<Caps>(&bytes, 0x87), Err(Error::Value(0x87)));
    }
}

/// The issuer of `key(2)` or another authority in its place.
fn authority(role: Role, holder: &str) -> Certified {
    let root = TrustAnchor {
        reference: Reference::new("VNROOT00001").unwrap(),
        key: key(1).public_key(),
        effective: date(2026),
        expiry: date(2040),
        authorization: AuthorizationBits(Authorization {
            role: Role::Root,
            flags: Flags::Test,
        }),
    };
    let certificate = Certificate {
        profile: Default::default(),
        authority: root.reference,
        public_key: CertificateKey {
            key: key(2).public_key(),
            with_domain_parameters: false,
        },
        holder: Reference::new(holder).unwrap(),
        authorization: Authorization {
            role,
            flags: Flags::Test,
        },
        effective: date(2026),
        expiry: date(2040),
    };
    let mut buffer = [0; 1024];
    let object = sign(&certificate, &key(1), &mut buffer).unwrap();
    Certified::trust(&root)
        .unwrap()
        .certify(&PortableP256, &Signed::parse(object).unwrap())
        .unwrap()
}

fn cso(issuer: &str, portrait: bool) -> CardSecurityObject {
    let amount = Amount::new(5_000_000).unwrap();
    CardSecurityObject {
        suite: Default::default(),
        format: Default::default(),
        issuer: Reference::new(issuer).unwrap(),
        card_number: CardNumber::new(79, 1).unwrap(),
        version: 1,
        effective: date(2026),
        expiry: date(2036),
        agreement_key: key(3).public_key(),
        signing_key: key(4).public_key(),
        person: [5; 16],
        policy: HolderCheckPolicy {
            methods: HolderCheckPolicy::PIN,
            pin_tries: 3,
            orders_per_verify: 1,
        },
        caps: Caps {
            order: amount,
            month: amount,
            order_without_pin: amount,
        },
        digests: GroupDigests {
            trust_anchor: [0; 32],
            holder: [1; 32],
            portrait: portrait.then_some([2; 32]),
            programmes: [3; 32],
            linked_numbers: [4; 32],
            representatives: [5; 32],
            issuance: [6; 32],
        },
        issuer_sequence: 1,
        issuer_previous: [7; 32],
    }
}

#[test]
fn a_cso_counts_under_the_issuer_that_it_names() {
    let verify = |issuer: &Certified, cso: &CardSecurityObject, signer| {
        let mut buffer = [0; 1024];
        let object = sign(cso, &key(signer), &mut buffer).unwrap();
        let signed = Signed::<CardSecurityObject>::parse(object).unwrap();
        cso::verify(&PortableP256, issuer, signed).map(|verified| verified.into_body())
    };
    let issuer = authority(Role::Issuer, "VNISS7900001");
    let right = cso("VNISS7900001", false);
    assert_eq!(verify(&issuer, &right, 2), Ok(right));
    assert_eq!(verify(&issuer, &right, 3), Err(CsoError::Signature));
    let another = authority(Role::Issuer, "VNISS7900002");
    assert_eq!(verify(&another, &right, 2), Err(CsoError::Issuer));
    // No issuer, though the CSO names it.
    let no_issuer = authority(Role::TerminalAuthority, "VNTCA00001");
    assert_eq!(
        verify(&no_issuer, &cso("VNTCA00001", false), 2),
        Err(CsoError::Issuer)
    );
}

#[test]
fn the_longest_cso_has_a_portrait_and_a_long_issuers_name() {
    for (cso, longest) in [
        (cso("VNABCDEFGHI00001", true), true),
        (cso("VNABCDEFGHI00001", false), false),
        (cso("VNISS7900001", true), false),
    ] {
        let mut buffer = [0; 1024];
        let length = sign(&cso, &key(2), &mut buffer).unwrap().len();
        assert_eq!(length == cso::MAXIMUM_LENGTH, longest);
        assert!(length <= cso::MAXIMUM_LENGTH);
    }
}

#[test]
fn a_portrait_has_at_most_6000_bytes() {
    let image = vec![0xFF; 6_001];
    let portrait = Portrait {
        salt: [1; 16],
        image: Image::new(&image[..6_000]).unwrap(),
    };
    assert_eq!(portrait.image.as_bytes(), &image[..6_000]);
    let bytes = written(&portrait, 0xFF32);
    assert_eq!(bytes.len(), Portrait::MAXIMUM_LENGTH);
    assert_eq!(read(&bytes, 0xFF32), Ok(portrait));
    assert_eq!(Image::new(&image), None);
    let mut buffer = vec![0; 7_000];
    let mut writer = Writer::new(&mut buffer);
    writer.put(0x5F40, &image).unwrap();
    assert_eq!(
        read::<Image<'_>>(writer.finish(), 0x5F40),
        Err(Error::Value(0x5F40))
    );
}

#[test]
fn a_card_has_at_most_nine_programmes() {
    let entry = ProgrammeEntry {
        programme: Programme::SUDDEN_RELIEF,
        from: Period::FIRST,
        to: None,
        status: ProgrammeStatus::Active,
    };
    let mut programmes = Programmes {
        salt: [1; 16],
        entries: heapless::Vec::new(),
    };
    for _ in 0..MAXIMUM_PROGRAMMES {
        programmes.entries.push(entry).unwrap();
        assert_eq!(
            read(&written(&programmes, 0xFF33), 0xFF33),
            Ok(programmes.clone())
        );
    }
    let mut buffer = [0; 400];
    let mut writer = Writer::new(&mut buffer);
    writer
        .template(0xFF33, |members| {
            members.put(0x80, &[1; 16])?;
            (0..=MAXIMUM_PROGRAMMES).try_for_each(|_| entry.write(members, 0xA1))
        })
        .unwrap();
    assert_eq!(
        read::<Programmes>(writer.finish(), 0xFF33),
        Err(Error::Value(0xA1))
    );
}
