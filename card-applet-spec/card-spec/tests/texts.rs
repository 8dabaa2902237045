//! What values and errors say to people: each error something of its own, each value as it is written on screens and in
//! reports, and nothing that is secret or personal.

#![allow(clippy::unwrap_used, reason = "a test that panics has done its work")]

use std::collections::BTreeSet;

use card_spec::apdu::{CommandError, NoStatusWord, StatusWord};
use card_spec::certificate::{CertificateError, Reference};
use card_spec::crypto::{Agree, InvalidPublicKey, InvalidSecretKey, InvalidSignature, SecretKey, Sign};
use card_spec::cso::CsoError;
use card_spec::groups::Image;
use card_spec::payment::{LineKey, LineKeyParts, LineType};
use card_spec::refusal::Refusal;
use card_spec::scp03::{CardHandshake, ChannelError, HandshakeError, HostHandshake, PutKeyError, StaticKeys};
use card_spec::scp11::AgreementError;
use card_spec::tlv;
use card_spec::values::{
    Amount, CardNumber, Date, Digits, InvalidCardNumber, InvalidTerminalName, Period, Programme,
    TerminalName, Time,
};

fn date() -> Date {
    Date::new(2026, 1, 2).unwrap()
}

#[test]
fn every_error_says_something_of_its_own() {
    let errors: Vec<Box<dyn std::error::Error>> = vec![
        Box::new(CommandError::Length),
        Box::new(CommandError::Class),
        Box::new(CommandError::Instruction),
        Box::new(CommandError::BufferTooSmall),
        Box::new(NoStatusWord),
        Box::new(tlv::Error::Encoding),
        Box::new(tlv::Error::Expected(0x5F24)),
        Box::new(tlv::Error::Value(0x5F24)),
        Box::new(tlv::Error::Depth),
        Box::new(tlv::Error::Space),
        Box::new(InvalidPublicKey),
        Box::new(InvalidSecretKey),
        Box::new(InvalidSignature),
        Box::new(InvalidCardNumber),
        Box::new(InvalidTerminalName),
        Box::new(CertificateError::UnknownAuthority),
        Box::new(CertificateError::Signature),
        Box::new(CertificateError::Role),
        Box::new(CertificateError::Flags),
        Box::new(CertificateError::Dates),
        Box::new(CertificateError::Sequence),
        Box::new(CertificateError::NotValidOn(date())),
        Box::new(CsoError::Issuer),
        Box::new(CsoError::Signature),
        Box::new(HandshakeError::Malformed),
        Box::new(HandshakeError::OtherProtocol),
        Box::new(HandshakeError::UnknownKeyVersion),
        Box::new(HandshakeError::SecurityLevel),
        Box::new(HandshakeError::NotAuthentic),
        Box::new(ChannelError::Closed),
        Box::new(ChannelError::OutOfTurn),
        Box::new(ChannelError::Class),
        Box::new(ChannelError::TooLong),
        Box::new(ChannelError::BufferTooSmall),
        Box::new(ChannelError::Unprotected),
        Box::new(ChannelError::Forged),
        Box::new(ChannelError::CounterExhausted),
        Box::new(PutKeyError::Malformed),
        Box::new(PutKeyError::CheckValue),
        Box::new(PutKeyError::DefaultKey),
        Box::new(AgreementError::Malformed),
        Box::new(AgreementError::InvalidPoint),
        Box::new(AgreementError::NotAuthentic),
    ];
    let mut texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.extend(Refusal::ALL.iter().map(ToString::to_string));
    let different: BTreeSet<_> = texts.iter().collect();
    assert_eq!(different.len(), texts.len());
    assert!(texts.iter().all(|text| text.len() > 20), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("2026-01-02")));
    assert_eq!(texts.iter().filter(|text| text.contains("5F24")).count(), 2);
}

#[test]
fn values_read_as_they_are_written_on_screens() {
    let number = CardNumber::new(79, 1).unwrap();
    let name: TerminalName = "VNT0000001".parse().unwrap();
    let reference = Reference::new("VNISS7900001").unwrap();
    let shown = [
        (number.to_string(), "7900000000000014"),
        (format!("{number:?}"), "CardNumber(7900000000000014)"),
        (name.to_string(), "VNT0000001"),
        (format!("{name:?}"), "VNT0000001"),
        (reference.to_string(), "VNISS7900001"),
        (format!("{reference:?}"), "VNISS7900001"),
        (format!("{:?}", Programme::SUDDEN_RELIEF), "DXUA"),
        (Amount::new(1_500_000).unwrap().to_string(), "1500000 VND"),
        (date().to_string(), "2026-01-02"),
        (Period::new(2026, 1).unwrap().to_string(), "2026-01"),
        (
            Time::new(date(), 3, 4, 5).unwrap().to_string(),
            "2026-01-02 03:04:05",
        ),
        (Time::UNSET.to_string(), "unset"),
        (StatusWord::FILE_NOT_FOUND.to_string(), "6A82"),
        (format!("{:?}", StatusWord::FILE_NOT_FOUND), "6A82"),
    ];
    for (text, expected) in shown {
        assert_eq!(text, expected);
    }
}

#[test]
fn keys_and_signatures_are_shown_in_hexadecimal() {
    let key = SecretKey::from_bytes(&[1; 32]).unwrap();
    let public = key.public_key();
    let hexadecimal = hex::encode(public.as_bytes());
    assert_eq!(format!("{public:?}"), format!("PublicKey({hexadecimal})"));
    let Ok(signature) = key.sign(b"message");
    let hexadecimal = hex::encode(signature.as_bytes());
    assert_eq!(format!("{signature:?}"), format!("Signature({hexadecimal})"));
}

#[test]
fn what_is_secret_or_personal_is_not_shown() {
    let key = SecretKey::from_bytes(&[1; 32]).unwrap();
    assert_eq!(format!("{:?}", key.agree(&key.public_key())), "SharedSecret(..)");
    let keys = StaticKeys::new([1; 16], [2; 16], [3; 16]);
    let apdu = HostHandshake::new([5; 8]).initialize_update(1);
    let command = card_spec::apdu::Command::parse(&apdu).unwrap();
    let (handshake, _) = CardHandshake::initialize_update(&command, &keys, 1, [0; 10], [7; 8]).unwrap();
    assert_eq!(format!("{handshake:?}"), "CardHandshake(..)");
    assert_eq!(format!("{:?}", Image::new(&[1, 2, 3]).unwrap()), "Image(3 bytes)");
    assert_eq!(format!("{:?}", Digits::from_bytes(*b"79").unwrap()), "Digits(2)");
    let line = LineKey::new(&LineKeyParts {
        person: [0xAB; 16],
        programme: Programme::SUDDEN_RELIEF,
        entitlement: 7,
        line_type: LineType::Regular,
        period: Period::FIRST,
    });
    assert_eq!(format!("{line:?}"), "LineKey(DXUA 7 Regular 2000-01)");
}
