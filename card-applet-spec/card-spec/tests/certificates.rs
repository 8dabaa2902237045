//! SPEC 3: which certificates a chain accepts, by name, key object, role, flags and dates.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

use card_spec::certificate::{
    Authorization, Certificate, CertificateError, CertificateKey, Certified, Flags, Reference, Role,
};
use card_spec::crypto::{PortableP256, SecretKey};
use card_spec::signed::{Signed, sign};
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
