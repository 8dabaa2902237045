//! SPEC 3: which certificates a chain accepts, by name, key object, role, flags and dates; requests and link certificates.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

use card_spec::certificate::{
    Authorization, Certificate, CertificateError, CertificateKey, Certified, Flags, Reference, Request, Role,
    TrustAnchor, verify_request,
};
use card_spec::crypto::{PortableP256, SecretKey, sha256};
use card_spec::signed::{Signed, sign};
use card_spec::tlv::{DataObject, Error, Field, Reader, Writer};
use card_spec::values::Date;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

fn date(year: u16, month: u8, day: u8) -> Date {
    Date::new(year, month, day).unwrap()
}

/// A certificate over `key(seed)`, as its clause has it.
fn certificate(authority: &str, holder: &str, role: Role, seed: u8) -> Certificate {
    Certificate {
        profile: Default::default(),
        authority: Reference::new(authority).unwrap(),
        public_key: CertificateKey {
            key: key(seed).public_key(),
            with_domain_parameters: role == Role::Root,
        },
        holder: Reference::new(holder).unwrap(),
        authorization: Authorization {
            role,
            flags: Flags::Test,
        },
        effective: date(2026, 11, 1),
        expiry: date(2026, 11, 30),
    }
}

fn root() -> Certificate {
    certificate("VNROOT00001", "VNROOT00001", Role::Root, 1)
}

fn signed(body: &Certificate, seed: u8) -> Vec<u8> {
    let mut buffer = [0; 1024];
    sign(body, &key(seed), &mut buffer).unwrap().to_vec()
}

/// Takes the root under its own key.
fn trust(root: &Certificate) -> Result<Certified, CertificateError> {
    let object = signed(root, 1);
    let parsed = Signed::<Certificate>::parse(&object).unwrap();
    Certified::trust_root(&PortableP256, &parsed, &key(1).public_key())
}

/// Verifies `body`, signed with `key(seed)`, under `authority`.
fn certify(authority: &Certified, body: &Certificate, seed: u8) -> Result<Certified, CertificateError> {
    let object = signed(body, seed);
    let parsed = Signed::<Certificate>::parse(&object).unwrap();
    authority.certify(&PortableP256, &parsed)
}

#[test]
fn the_name_says_the_role_and_nothing_more() {
    let root_key = trust(&root()).unwrap();
    let right = [
        ("VNISS7900001", Role::Issuer),
        ("VNTCA00001", Role::TerminalAuthority),
    ];
    for (holder, role) in right {
        assert!(certify(&root_key, &certificate("VNROOT00001", holder, role, 2), 1).is_ok());
    }
    let wrong = [
        // A province is two digits.
        ("VNISSAB00001", Role::Issuer),
        ("VNISS7A00001", Role::Issuer),
        ("VNISS700001", Role::Issuer),
        ("VNISS79000001", Role::Issuer),
        ("VNTCA00001", Role::Issuer),
        ("VNTCA000001", Role::TerminalAuthority),
        ("VNTCAX00001", Role::TerminalAuthority),
        ("VNTCB00001", Role::TerminalAuthority),
        ("VNISS7900001", Role::TerminalAuthority),
    ];
    for (holder, role) in wrong {
        let body = certificate("VNROOT00001", holder, role, 2);
        assert_eq!(
            certify(&root_key, &body, 1),
            Err(CertificateError::Role),
            "{holder}"
        );
    }
}

#[test]
fn a_root_has_a_roots_name() {
    for name in ["VNROOT000001", "VNROOTX00001", "VNISS7900001", "VNROO00001"] {
        let named = certificate(name, name, Role::Root, 1);
        assert_eq!(trust(&named), Err(CertificateError::Role), "{name}");
        // A card holds no certificate of its root, only the anchor.
        assert_eq!(
            Certified::trust(&named.trust_anchor()),
            Err(CertificateError::Role),
            "{name}"
        );
    }
    assert!(Certified::trust(&root().trust_anchor()).is_ok());
}

#[test]
fn domain_parameters_stand_in_a_root_and_only_there() {
    let with = |body: Certificate, with_domain_parameters| Certificate {
        public_key: CertificateKey {
            with_domain_parameters,
            ..body.public_key
        },
        ..body
    };
    assert_eq!(trust(&with(root(), false)), Err(CertificateError::Role));
    let root = trust(&root()).unwrap();
    let issuer = certificate("VNROOT00001", "VNISS7900001", Role::Issuer, 2);
    assert_eq!(
        certify(&root, &with(issuer, true), 1),
        Err(CertificateError::Role)
    );
    let authority = certificate("VNROOT00001", "VNTCA00001", Role::TerminalAuthority, 3);
    assert_eq!(
        certify(&root, &with(authority, true), 1),
        Err(CertificateError::Role)
    );
    let authority = certify(&root, &authority, 1).unwrap();
    let terminal = certificate("VNTCA00001", "VNT0000001A00001", Role::TerminalAgreement, 4);
    assert_eq!(
        certify(&authority, &with(terminal, true), 3),
        Err(CertificateError::Role)
    );
    assert!(certify(&authority, &terminal, 3).is_ok());
}

const ROLES: [Role; 5] = [
    Role::Root,
    Role::Issuer,
    Role::TerminalAuthority,
    Role::TerminalAgreement,
    Role::TerminalJournal,
];

/// A name as SPEC 3.2 gives it to the role.
fn name(role: Role) -> &'static str {
    match role {
        Role::Root => "VNROOT00001",
        Role::Issuer => "VNISS7900001",
        Role::TerminalAuthority => "VNTCA00001",
        Role::TerminalAgreement => "VNT0000001A00001",
        Role::TerminalJournal => "VNT0000001J00001",
    }
}

/// The holder of `key(1)` in the role, at the end of its chain.
fn authority(role: Role) -> Certified {
    let root_key = trust(&root()).unwrap();
    let below = |authority: &Certified, role, seed, signer| {
        let body = certificate(authority.holder().as_str(), name(role), role, seed);
        certify(authority, &body, signer).unwrap()
    };
    match role {
        Role::Root => root_key,
        Role::Issuer | Role::TerminalAuthority => below(&root_key, role, 1, 1),
        Role::TerminalAgreement | Role::TerminalJournal => {
            let authority = below(&root_key, Role::TerminalAuthority, 1, 1);
            below(&authority, role, 1, 1)
        }
    }
}

#[test]
fn a_root_certifies_issuers_and_terminal_authorities_and_these_terminals_and_nobody_else_anybody() {
    for above in ROLES {
        for below in ROLES {
            let mut body = certificate(name(above), name(below), below, 2);
            body.public_key.with_domain_parameters = false;
            let allowed = matches!(
                (above, below),
                (Role::Root, Role::Issuer | Role::TerminalAuthority)
                    | (
                        Role::TerminalAuthority,
                        Role::TerminalAgreement | Role::TerminalJournal
                    )
            );
            let refused = (!allowed).then_some(CertificateError::Role);
            let answer = certify(&authority(above), &body, 1);
            assert_eq!(answer.err(), refused, "{above:?} certifies {below:?}");
        }
    }
}

#[test]
fn a_terminals_two_names_are_not_exchanged() {
    let authority = authority(Role::TerminalAuthority);
    for (holder, role) in [
        ("VNT0000001J00001", Role::TerminalAgreement),
        ("VNT0000001A00001", Role::TerminalJournal),
        ("VNT0000001B00001", Role::TerminalAgreement),
        ("VNT0000001B00001", Role::TerminalJournal),
        ("VNTCA00001", Role::TerminalAgreement),
    ] {
        let body = certificate("VNTCA00001", holder, role, 2);
        assert_eq!(
            certify(&authority, &body, 1),
            Err(CertificateError::Role),
            "{holder}"
        );
    }
}

#[test]
fn what_is_certified_is_what_the_certificate_says() {
    let body = certificate("VNROOT00001", "VNISS7900001", Role::Issuer, 2);
    let certified = certify(&trust(&root()).unwrap(), &body, 1).unwrap();
    assert_eq!(certified.holder(), body.holder);
    assert_eq!(*certified.key(), key(2).public_key());
    assert_eq!((certified.role(), certified.flags()), (Role::Issuer, Flags::Test));
    assert_eq!(
        (certified.effective(), certified.expiry()),
        (body.effective, body.expiry)
    );
    for role in ROLES {
        let refused = (role != Role::Issuer).then_some(CertificateError::Role);
        assert_eq!(certified.require_role(role).err(), refused, "{role:?}");
    }
}

#[test]
fn a_certificate_counts_under_the_authority_that_it_names_and_under_its_key_only() {
    let root_key = trust(&root()).unwrap();
    let right = certificate("VNROOT00001", "VNISS7900001", Role::Issuer, 2);
    assert!(certify(&root_key, &right, 1).is_ok());
    assert_eq!(certify(&root_key, &right, 3), Err(CertificateError::Signature));
    let other = certificate("VNROOT00002", "VNISS7900001", Role::Issuer, 2);
    assert_eq!(
        certify(&root_key, &other, 1),
        Err(CertificateError::UnknownAuthority)
    );
}

#[test]
fn test_and_production_do_not_mix_in_a_chain() {
    let flagged = |body: Certificate, flags| Certificate {
        authorization: Authorization {
            flags,
            ..body.authorization
        },
        ..body
    };
    let issuer = certificate("VNROOT00001", "VNISS7900001", Role::Issuer, 2);
    for above in [Flags::Test, Flags::Production] {
        let root_key = trust(&flagged(root(), above)).unwrap();
        for below in [Flags::Test, Flags::Production] {
            let refused = (above != below).then_some(CertificateError::Flags);
            let answer = certify(&root_key, &flagged(issuer, below), 1);
            assert_eq!(answer.err(), refused, "{below:?} below {above:?}");
        }
    }
}

/// The certificate with other dates.
fn dated(body: Certificate, effective: Date, expiry: Date) -> Certificate {
    Certificate {
        effective,
        expiry,
        ..body
    }
}

#[test]
fn dates_lie_within_those_of_the_authority() {
    let root_key = trust(&root()).unwrap();
    let issuer = certificate("VNROOT00001", "VNISS7900001", Role::Issuer, 2);
    let answer = |effective, expiry| certify(&root_key, &dated(issuer, effective, expiry), 1).err();
    let (first, last) = (root().effective, root().expiry);
    assert_eq!(answer(first, last), None);
    assert_eq!(answer(first, first), None);
    assert_eq!(answer(last, last), None);
    let refused = Some(CertificateError::Dates);
    assert_eq!(answer(date(2026, 10, 31), last), refused);
    assert_eq!(answer(first, date(2026, 12, 1)), refused);
    assert_eq!(answer(date(2026, 11, 3), date(2026, 11, 2)), refused);
}

#[test]
fn a_terminals_certificate_spans_35_days_and_no_authoritys_has_such_a_limit() {
    let (first, last) = (date(2026, 1, 1), date(2030, 12, 31));
    let root_key = trust(&dated(root(), first, last)).unwrap();
    for role in [Role::Issuer, Role::TerminalAuthority] {
        let body = dated(certificate("VNROOT00001", name(role), role, 2), first, last);
        assert!(certify(&root_key, &body, 1).is_ok(), "{role:?}");
    }
    let authority = certificate("VNROOT00001", "VNTCA00001", Role::TerminalAuthority, 2);
    let authority = certify(&root_key, &dated(authority, first, last), 1).unwrap();
    for role in [Role::TerminalAgreement, Role::TerminalJournal] {
        let body = certificate("VNTCA00001", name(role), role, 3);
        let answer = |effective, expiry| certify(&authority, &dated(body, effective, expiry), 2).err();
        let effective = date(2026, 11, 1);
        let refused = Some(CertificateError::Dates);
        assert_eq!(answer(effective, effective), None);
        assert_eq!(answer(effective, date(2026, 12, 5)), None);
        assert_eq!(answer(effective, date(2026, 12, 6)), refused);
        assert_eq!(answer(effective, date(2026, 10, 31)), refused);
    }
}

#[test]
fn the_first_and_the_last_day_are_days_of_validity() {
    let certified = trust(&root()).unwrap();
    for (day, valid) in [
        (date(2026, 10, 31), false),
        (date(2026, 11, 1), true),
        (date(2026, 11, 30), true),
        (date(2026, 12, 1), false),
    ] {
        let refused = (!valid).then_some(CertificateError::NotValidOn(day));
        assert_eq!(certified.valid_on(day).err(), refused);
    }
}

#[test]
fn an_anchor_is_a_root_whose_dates_are_in_order() {
    let anchor = root().trust_anchor();
    let certified = Certified::trust(&anchor).unwrap();
    assert_eq!(
        (certified.holder(), *certified.key()),
        (anchor.reference, anchor.key)
    );
    assert_eq!((certified.role(), certified.flags()), (Role::Root, Flags::Test));

    let dates = |effective, expiry| {
        let anchor = dated(root(), effective, expiry).trust_anchor();
        Certified::trust(&anchor).err()
    };
    let day = date(2026, 11, 2);
    assert_eq!(dates(day, day), None);
    assert_eq!(dates(date(2026, 11, 3), day), Some(CertificateError::Dates));
    for role in ROLES {
        let body = Certificate {
            authorization: Authorization {
                role,
                flags: Flags::Test,
            },
            ..root()
        };
        let refused = (role != Role::Root).then_some(CertificateError::Role);
        assert_eq!(Certified::trust(&body.trust_anchor()).err(), refused, "{role:?}");
    }
}

#[test]
fn a_root_certificate_is_self_signed_with_the_key_that_is_trusted() {
    let answer = |body: &Certificate, signer, trusted| {
        let object = signed(body, signer);
        let parsed = Signed::<Certificate>::parse(&object).unwrap();
        Certified::trust_root(&PortableP256, &parsed, &key(trusted).public_key()).err()
    };
    assert_eq!(answer(&root(), 1, 1), None);
    assert_eq!(answer(&root(), 1, 2), Some(CertificateError::UnknownAuthority));
    assert_eq!(answer(&root(), 2, 1), Some(CertificateError::Signature));
    // A link certificate (SPEC 3.6) is not self-signed.
    let link = certificate("VNROOT00001", "VNROOT00002", Role::Root, 1);
    assert_eq!(answer(&link, 1, 1), Some(CertificateError::UnknownAuthority));
}

#[test]
fn a_request_proves_possession_of_the_key_in_it() {
    let request = Request {
        profile: Default::default(),
        public_key: CertificateKey {
            key: key(2).public_key(),
            with_domain_parameters: false,
        },
        holder: Reference::new("VNT0000001J00001").unwrap(),
    };
    let answer = |request: &Request, signer| {
        let mut buffer = [0; 1024];
        let object = sign(request, &key(signer), &mut buffer).unwrap();
        let parsed = Signed::<Request>::parse(object).unwrap();
        let proven = verify_request(&PortableP256, &parsed)?;
        assert_eq!(proven.hash(), sha256(&[parsed.signed_bytes()]));
        Ok((proven.key(), proven.holder()))
    };
    assert_eq!(answer(&request, 2), Ok((key(2).public_key(), request.holder)));
    assert_eq!(answer(&request, 3), Err(CertificateError::Signature));
    let with_parameters = Request {
        public_key: CertificateKey {
            with_domain_parameters: true,
            ..request.public_key
        },
        ..request
    };
    assert_eq!(answer(&with_parameters, 2), Err(CertificateError::Role));
}

#[test]
fn a_reference_is_vn_a_mnemonic_and_five_digits() {
    for (text, mnemonic, sequence) in [
        ("VNA00001", "A", 1),
        ("VN900000", "9", 0),
        ("VNISS7954321", "ISS79", 54_321),
        ("VNABCDEFGH999999", "ABCDEFGH9", 99_999),
    ] {
        let reference = Reference::new(text).unwrap();
        assert_eq!(reference.as_str(), text);
        assert_eq!((reference.mnemonic(), reference.sequence()), (mnemonic, sequence));
    }
    for text in [
        "",
        "VN",
        "VN0001",
        "VN00001",           // no mnemonic
        "VNABCDEFGHIJ00001", // ten characters
        "VNa00001",
        "VN-00001",
        "VNA0000A",
        "VNA0000 ",
        "VNĐ00001",
        "VNA0000đ",
        "XNA00001",
    ] {
        assert_eq!(Reference::new(text), None, "{text:?}");
    }
}

#[test]
fn a_terminals_reference_begins_with_its_name() {
    let name = |text| Reference::new(text).unwrap().terminal_name();
    for text in ["VNT0000001A00001", "VNT0000001J00002"] {
        assert_eq!(name(text).unwrap().as_str(), "VNT0000001");
    }
    for text in [
        "VNT0000001B00001",
        "VNT0000001900001",
        "VNTX000001A00001",
        "VNX0000001A00001",
        "VNT000000A00001",
        "VNISS7900001",
        "VNT00001",
    ] {
        assert_eq!(name(text), None, "{text}");
    }
}

/// SPEC 3.6: the root of `key(1)` hands the trust on to `key(2)`.
mod link {
    use super::*;

    fn link() -> Certificate {
        certificate("VNROOT00001", "VNROOT00002", Role::Root, 2)
    }

    fn follow(authority: &Certified, body: &Certificate, seed: u8) -> Result<TrustAnchor, CertificateError> {
        let object = signed(body, seed);
        authority.follow_link(&PortableP256, &Signed::parse(&object).unwrap())
    }

    fn answer(body: &Certificate) -> Option<CertificateError> {
        follow(&authority(Role::Root), body, 1).err()
    }

    #[test]
    fn gives_the_next_anchor() {
        let next = follow(&authority(Role::Root), &link(), 1).unwrap();
        assert_eq!(next, link().trust_anchor());
        assert!(Certified::trust(&next).is_ok());
    }

    #[test]
    fn is_signed_by_the_root_before_that_it_names() {
        let other = certificate("VNROOT00003", "VNROOT00004", Role::Root, 2);
        assert_eq!(answer(&other), Some(CertificateError::UnknownAuthority));
        // By itself, as a root certificate is.
        let refused = follow(&authority(Role::Root), &link(), 2);
        assert_eq!(refused, Err(CertificateError::Signature));
    }

    #[test]
    fn joins_roots_only() {
        let role = Some(CertificateError::Role);
        let authority = authority(Role::TerminalAuthority);
        let by_another = certificate("VNTCA00001", "VNROOT00002", Role::Root, 2);
        assert_eq!(follow(&authority, &by_another, 1).err(), role);
        let mut to_another = certificate("VNROOT00001", "VNROOT00002", Role::Issuer, 2);
        to_another.public_key.with_domain_parameters = true;
        assert_eq!(answer(&to_another), role);
        let mut without_parameters = link();
        without_parameters.public_key.with_domain_parameters = false;
        assert_eq!(answer(&without_parameters), role);
        let other_name = certificate("VNROOT00001", "VNROOX00002", Role::Root, 2);
        assert_eq!(answer(&other_name), role);
    }

    #[test]
    fn leads_to_a_higher_sequence() {
        for (holder, refused) in [
            ("VNROOT00000", true),
            ("VNROOT00001", true),
            ("VNROOT00002", false),
            ("VNROOT99999", false),
        ] {
            let body = certificate("VNROOT00001", holder, Role::Root, 2);
            let refused = refused.then_some(CertificateError::Sequence);
            assert_eq!(answer(&body), refused, "{holder}");
        }
    }

    #[test]
    fn keeps_the_flags() {
        let mut body = link();
        body.authorization.flags = Flags::Production;
        assert_eq!(answer(&body), Some(CertificateError::Flags));
    }

    #[test]
    fn begins_within_the_dates_of_the_root_before_and_may_end_after_them() {
        let dates = |effective, expiry| answer(&dated(link(), effective, expiry));
        let (first, last) = (root().effective, root().expiry);
        for (effective, expiry) in [
            (first, first),
            (first, date(2040, 1, 1)),
            (last, last),
            (last, date(2040, 1, 1)),
        ] {
            assert_eq!(dates(effective, expiry), None, "{effective} to {expiry}");
        }
        for (effective, expiry) in [
            (date(2026, 10, 31), last),
            (date(2026, 12, 1), date(2040, 1, 1)),
            (date(2026, 11, 3), date(2026, 11, 2)),
        ] {
            let refused = Some(CertificateError::Dates);
            assert_eq!(dates(effective, expiry), refused, "{effective} to {expiry}");
        }
    }
}

/// SPEC 3.1, object `7F49`: the parameters of P-256 as SP 800-186, 3.2.1.3 prints them, around the key.
#[test]
fn a_roots_key_stands_among_the_parameters_of_its_curve() {
    let oid = "060a04007f00070202020203";
    let parameters = [
        "8120ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
        "8220ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
        "83205ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
        "8441046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
         4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        "8520ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    ];
    let (key, cofactor) = (key(1).public_key(), "870101");
    let object = format!("8641{}", hex::encode(key.as_bytes()));
    let members = hex::decode([oid, &parameters.concat(), &object, cofactor].concat()).unwrap();
    let read = |members: &[u8]| {
        let mut buffer = [0; 400];
        let mut writer = Writer::new(&mut buffer);
        writer.put(0x7F49, members).unwrap();
        CertificateKey::read(&mut Reader::new(writer.finish()), 0x7F49)
    };
    let right = CertificateKey {
        key,
        with_domain_parameters: true,
    };
    assert_eq!(read(&members), Ok(right));
    let mut buffer = [0; 400];
    let mut writer = Writer::new(&mut buffer);
    right.write(&mut writer, 0x7F49).unwrap();
    let written = DataObject::parse(writer.finish()).unwrap();
    assert_eq!(written.value(), members);

    for place in 0..members.len() {
        let mut wrong = members.clone();
        wrong[place] ^= 1;
        assert_ne!(read(&wrong), Ok(right), "byte {place}");
    }
    // A curve in part, and a key alone with something behind it.
    for wrong in [
        [oid, &parameters.concat(), &object].concat(),
        [oid, &parameters[..4].concat(), &object, cofactor].concat(),
        [oid, &object, cofactor].concat(),
    ] {
        assert!(read(&hex::decode(wrong).unwrap()).is_err());
    }
    let alone = CertificateKey {
        with_domain_parameters: false,
        ..right
    };
    assert_eq!(read(&hex::decode([oid, &object].concat()).unwrap()), Ok(alone));
}

/// SPEC 3.1, object `7F4C`, and `53` of a trust anchor.
#[test]
fn an_authorization_is_a_role_and_flags_under_the_oid_of_this_system() {
    let oid = "06146983d0dcf9b681cbaabfddb6c0aeb89693bc8722";
    let authorization = Authorization {
        role: Role::TerminalJournal,
        flags: Flags::Test,
    };
    let bytes = hex::decode(format!("7f4c1a{oid}53020280")).unwrap();
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    authorization.write(&mut writer, 0x7F4C).unwrap();
    assert_eq!(writer.finish(), bytes);
    let read = |bytes: &[u8]| Authorization::read(&mut Reader::new(bytes), 0x7F4C);
    assert_eq!(read(&bytes), Ok(authorization));
    for place in 0..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[place] ^= 4;
        assert!(read(&wrong).is_err(), "byte {place}");
    }
    let longer = hex::decode(format!("7f4c1d{oid}53020280540100")).unwrap();
    assert_eq!(read(&longer), Err(Error::Encoding));
}
