//! Data fields of commands and answers (SPEC 6.5, 7.6, 9.1, 13.1): read as written, and nothing missing or left over.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

use card_spec::certificate::{Authorization, Certificate, CertificateKey, Flags, Reference, Role};
use card_spec::command::{GenerateData, GeneratedKeys, IssuerMessage, Pin, SessionBinding, VerifyData};
use card_spec::crypto::{SecretKey, Sign};
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::sign;
use card_spec::tlv::Error;
use card_spec::values::{Amount, CardNumber, Date, Time};

fn key(octet: u8) -> SecretKey {
    SecretKey::from_bytes(&[octet; 32]).unwrap()
}

/// Every cut of the bytes, and the bytes with an object behind them.
fn cut_and_longer(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cuts = (0..bytes.len()).map(|end| bytes[..end].to_vec());
    cuts.chain([[bytes, &[0x9E, 0]].concat()])
}

#[test]
fn a_pin_is_six_digits() {
    assert_eq!(Pin::new(b"094321").unwrap().digits(), b"094321");
    for wrong in [
        &b""[..],
        b"12345",
        b"1234567",
        b"12345x",
        b"12345 ",
        &[1, 2, 3, 4, 5, 6],
    ] {
        assert!(Pin::new(wrong).is_none(), "{wrong:?}");
    }
}

#[test]
fn verify_carries_pin_orders_and_total() {
    let data = VerifyData {
        pin: Pin::new(b"271828").unwrap(),
        orders: 2,
        total: Amount::new(3).unwrap(),
    };
    let mut buffer = [0; 64];
    let bytes = data.encode(&mut buffer).unwrap();
    let expected = [
        &[0x80, 6][..],
        b"271828",
        &[0x81, 1, 2, 0x82, 8, 0, 0, 0, 0, 0, 0, 0, 3],
    ]
    .concat();
    assert_eq!(bytes, expected);
    let read = VerifyData::parse(bytes).unwrap();
    assert_eq!(read.pin.digits(), b"271828");
    assert_eq!((read.orders, read.total), (2, data.total));
    for wrong in cut_and_longer(bytes) {
        assert!(VerifyData::parse(&wrong).is_err(), "{wrong:02X?}");
    }
    let mut no_orders = expected;
    no_orders[10] = 0;
    assert_eq!(VerifyData::parse(&no_orders).err(), Some(Error::Value(0x81)));
}

#[test]
fn generate_carries_number_nonce_and_the_hosts_key() {
    let data = GenerateData {
        card_number: CardNumber::new(79, 1).unwrap(),
        nonce: [7; 16],
        ephemeral: key(1).public_key(),
    };
    let mut buffer = [0; 128];
    let bytes = data.encode(&mut buffer).unwrap();
    assert_eq!(GenerateData::parse(bytes), Ok(data));
    for wrong in cut_and_longer(bytes) {
        assert!(GenerateData::parse(&wrong).is_err(), "{wrong:02X?}");
    }
}

#[test]
fn the_answer_to_generate_carries_keys_signature_and_confirmation() {
    let Ok(signature) = key(2).sign(b"possession");
    let answer = GeneratedKeys {
        agreement_key: key(1).public_key(),
        signing_key: key(2).public_key(),
        signature,
        confirmation: [9; 16],
    };
    let mut buffer = [0; 256];
    let bytes = answer.encode(&mut buffer).unwrap();
    assert_eq!(GeneratedKeys::parse(bytes), Ok(answer));
    for wrong in cut_and_longer(bytes) {
        assert!(GeneratedKeys::parse(&wrong).is_err(), "{wrong:02X?}");
    }
}

#[test]
fn a_session_binding_is_receipt_cso_hash_and_terminal() {
    let binding = SessionBinding {
        suite: Default::default(),
        session_receipt: [1; 16],
        cso_hash: [2; 32],
        terminal: "VNT0000001".parse().unwrap(),
    };
    let mut buffer = [0; 128];
    let expected = [
        &[0xFF, 0x29, 67, 0x80, 1, 1, 0x81, 16][..],
        &[1; 16],
        &[0x82, 32],
        &[2; 32],
        &[0x83, 10],
        b"VNT0000001",
    ];
    assert_eq!(binding.signed_bytes(&mut buffer), Ok(&expected.concat()[..]));
}

#[test]
fn an_issuer_message_has_one_signed_object_and_the_issuers_certificate_or_none() {
    let issuer = Reference::new("VNISS7900001").unwrap();
    let certificate = Certificate {
        profile: Default::default(),
        authority: Reference::new("VNROOT00001").unwrap(),
        public_key: CertificateKey {
            key: key(2).public_key(),
            with_domain_parameters: false,
        },
        holder: issuer,
        authorization: Authorization {
            role: Role::Issuer,
            flags: Flags::Test,
        },
        effective: Date::new(2026, 1, 1).unwrap(),
        expiry: Date::new(2036, 1, 1).unwrap(),
    };
    let script = IssuerScript {
        suite: Default::default(),
        issuer,
        card_number: CardNumber::new(79, 1).unwrap(),
        counter: 3,
        action: Action::FillPinTries,
        issued: Time::new(Date::new(2026, 11, 22).unwrap(), 8, 0, 0).unwrap(),
    };
    let (mut first, mut second) = ([0; 512], [0; 512]);
    let certificate = sign(&certificate, &key(1), &mut first).unwrap();
    let script = sign(&script, &key(2), &mut second).unwrap();
    let both = [certificate, script].concat();
    for (bytes, with_certificate) in [(script, false), (&both, true)] {
        let message = IssuerMessage::<IssuerScript>::parse(bytes).unwrap();
        assert_eq!(message.certificate.is_some(), with_certificate);
        assert_eq!(message.object.encoding(), script);
        let mut buffer = [0; 600];
        assert_eq!(message.encode(&mut buffer), Ok(bytes));
        for wrong in cut_and_longer(bytes) {
            assert!(IssuerMessage::<IssuerScript>::parse(&wrong).is_err());
        }
    }
    for wrong in [
        [script, certificate].concat(),
        [certificate, certificate, script].concat(),
        [script, script].concat(),
    ] {
        assert!(IssuerMessage::<IssuerScript>::parse(&wrong).is_err());
    }
}
