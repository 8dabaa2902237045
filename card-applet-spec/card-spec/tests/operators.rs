//! DATA 11: operators of a terminal, their PINs and their cards.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

use card_spec::certificate::Reference;
use card_spec::crypto::SecretKey;
use card_spec::operators::{MAXIMUM_OPERATORS, OperatorList, PinVerifier, Proof, Roles, TerminalOperator};
use card_spec::signed::{Signed, encode_body, sign};
use card_spec::tlv::{Error, Field, Reader, Writer};
use card_spec::values::{Ascii, CardNumber};

fn operator(number: u16, name: &str) -> TerminalOperator<'_> {
    TerminalOperator {
        number,
        name: Ascii::new(name).unwrap(),
        roles: Roles::from_byte(Roles::CLERK).unwrap(),
        proof: Proof::Pin(PinVerifier {
            salt: [1; 16],
            derived: [2; 32],
        }),
    }
}

/// An operator with the card of this serial.
fn with_card(number: u16, name: &str, serial: u64) -> TerminalOperator<'_> {
    TerminalOperator {
        proof: Proof::Card(CardNumber::new(79, serial).unwrap()),
        ..operator(number, name)
    }
}

/// Tag and value.
type Object<'a> = (u16, &'a [u8]);

/// An operator `FF3C` of these data objects behind number, name and roles.
fn with_objects(objects: &[Object<'_>]) -> Vec<u8> {
    let mut buffer = [0; 200];
    let mut writer = Writer::new(&mut buffer);
    let members = |writer: &mut Writer<'_>| {
        writer.put(0x80, &[0, 7])?;
        writer.put(0x81, b"Lan")?;
        writer.put(0x82, &[Roles::CLERK])?;
        objects
            .iter()
            .try_for_each(|(tag, value)| writer.put(*tag, value))
    };
    writer.template(TerminalOperator::TAG, members).unwrap();
    writer.finish().to_vec()
}

fn list<'a>(operators: &[TerminalOperator<'a>]) -> OperatorList<'a> {
    OperatorList {
        suite: Default::default(),
        format: Default::default(),
        issuer: Reference::new("VN12345678900001").unwrap(),
        terminal: "VNT0000001".parse().unwrap(),
        number: 1,
        operators: heapless::Vec::from_slice(operators).unwrap(),
    }
}

/// By `hashlib.pbkdf2_hmac("sha256", b"271828", bytes([7] * 16), 8192)` of Python.
#[test]
fn the_verifier_of_a_pin_is_what_others_compute() {
    let pin = PinVerifier::new(b"271828", [7; 16]).unwrap();
    assert_eq!(
        hex::encode(pin.derived),
        "4cece5295a4a0acef95ac54da891b418024430de310e1414e64b8252deef864a"
    );
}

#[test]
fn a_verifier_takes_its_pin_and_nothing_else() {
    let pin = PinVerifier::new(b"271828", [7; 16]).unwrap();
    assert!(pin.accepts(b"271828"));
    for wrong in [&b"271829"[..], b"2718280", b"27182", b"", b"172828"] {
        assert!(!pin.accepts(wrong), "{wrong:?}");
    }
    let salted = PinVerifier { salt: [8; 16], ..pin };
    assert!(!salted.accepts(b"271828"));
    let empty = PinVerifier {
        salt: [0; 16],
        derived: [0; 32],
    };
    assert!(!empty.accepts(b"") && !empty.accepts(b"000000"));
}

#[test]
fn what_is_no_pin_has_no_verifier() {
    for wrong in [
        &b"12345"[..],
        b"",
        b"1234567890123",
        b"12345a",
        "12345\u{0663}".as_bytes(),
    ] {
        assert!(PinVerifier::new(wrong, [7; 16]).is_none(), "{wrong:?}");
    }
    assert!(PinVerifier::new(b"123456789012", [7; 16]).is_some());
}

#[test]
fn operators_are_found_by_number_and_by_name() {
    let list = list(&[operator(7, "Lan"), operator(12, "minh.2")]);
    assert!(list.is_consistent());
    for (typed, number) in [
        ("7", 7),
        ("007", 7),
        ("LAN", 7),
        ("lan", 7),
        ("12", 12),
        ("Minh.2", 12),
    ] {
        assert_eq!(
            list.find(typed).map(|found| found.number),
            Some(number),
            "{typed}"
        );
    }
    for nobody in [
        "",
        "1",
        "0",
        "70000",
        "99999999999999999999",
        "La",
        "Lan ",
        "+7",
        "-7",
    ] {
        assert_eq!(list.find(nobody), None, "{nobody}");
    }
}

#[test]
fn a_list_of_nobody_or_of_somebody_twice_is_none() {
    let wrong = [
        vec![],
        vec![operator(0, "Lan")],
        vec![operator(10_000, "Lan")],
        vec![operator(7, "7")],
        vec![operator(7, "12"), operator(12, "Minh")],
        vec![operator(7, "Lan"), operator(7, "Minh")],
        vec![operator(7, "Lan"), operator(8, "Minh"), operator(9, "LAN")],
        vec![with_card(7, "Lan", 1), operator(7, "Minh")],
        vec![with_card(7, "Lan", 1), operator(8, "lan")],
        // One card for two: its holder would vouch for herself.
        vec![with_card(7, "Lan", 1), with_card(8, "Minh", 1)],
        vec![
            with_card(7, "Lan", 1),
            operator(8, "Minh"),
            with_card(9, "Hoa", 1),
        ],
    ];
    for operators in wrong {
        assert!(!list(&operators).is_consistent(), "{operators:?}");
    }
}

#[test]
fn a_list_is_read_as_it_was_written() {
    let list = list(&[
        operator(7, "Lan"),
        with_card(8, "Hoa", 1),
        operator(12, "Minh"),
        with_card(13, "Tam", 2),
    ]);
    assert!(list.is_consistent());
    let mut buffer = [0; 600];
    let bytes = encode_body(&list, &mut buffer).unwrap();
    let mut reader = Reader::new(bytes);
    assert_eq!(OperatorList::read(&mut reader, 0xFF2E), Ok(list));
}

/// DATA 11.1: a PIN (`83`, `84`) or a card (`85`), never both, never neither, nothing by half.
#[test]
fn an_operator_has_either_a_pin_or_a_card() {
    let (salt, derived) = ((0x83, &[1; 16][..]), (0x84, &[2; 32][..]));
    let number = CardNumber::new(79, 1).unwrap();
    let digits = number.to_bytes();
    let card = (0x85, &digits[..]);
    let read = |objects: &[Object<'_>]| {
        let encoding = with_objects(objects);
        TerminalOperator::read(&mut Reader::new(&encoding), TerminalOperator::TAG).map(|read| read.proof)
    };
    assert!(
        read(&[salt, derived])
            == Ok(Proof::Pin(PinVerifier {
                salt: [1; 16],
                derived: [2; 32],
            }))
    );
    assert!(read(&[card]) == Ok(Proof::Card(number)));
    let mut other_digit = digits;
    other_digit[7] ^= 0x01;
    let wrong: [(&[Object<'_>], Error); 12] = [
        (&[], Error::Expected(0x83)),
        (&[salt], Error::Expected(0x84)),
        (&[derived], Error::Expected(0x83)),
        (&[salt, derived, card], Error::Encoding),
        (&[card, salt, derived], Error::Encoding),
        (&[salt, card], Error::Expected(0x84)),
        (&[card, derived], Error::Encoding),
        (&[card, card], Error::Encoding),
        (&[derived, salt], Error::Expected(0x83)),
        (&[(0x85, &digits[1..])], Error::Value(0x85)),
        (&[(0x85, &[])], Error::Value(0x85)),
        // Its check digit is another one's.
        (&[(0x85, &other_digit)], Error::Value(0x85)),
    ];
    for (objects, error) in wrong {
        assert!(read(objects) == Err(error), "{objects:02X?}");
    }
}

#[test]
fn roles_are_at_least_one_and_no_others() {
    for byte in 0..=u8::MAX {
        let roles = Roles::from_byte(byte);
        assert_eq!(roles.is_some(), matches!(byte, 1..=3), "{byte}");
    }
    let both = Roles::from_byte(3).unwrap();
    assert!(both.has(Roles::CLERK) && both.has(Roles::SUPERVISOR));
    assert!(!Roles::from_byte(2).unwrap().has(Roles::CLERK));
}

#[test]
fn the_longest_list_has_the_length_stated_and_there_is_no_longer_one() {
    let names: Vec<String> = (0..9)
        .map(|index| format!("Nguyen-Thi-Minh-Ha-{index}"))
        .collect();
    let operators: Vec<_> = (1..)
        .zip(&names)
        .map(|(number, name)| operator(number, name))
        .collect();
    let longest = list(&operators[..MAXIMUM_OPERATORS]);
    assert!(longest.is_consistent());
    let key = SecretKey::from_bytes(&[7; 32]).unwrap();
    let mut buffer = [0; 1_000];
    let signed = sign(&longest, &key, &mut buffer).unwrap();
    assert_eq!(signed.len(), OperatorList::MAXIMUM_LENGTH);
    assert!(Signed::<OperatorList<'_>>::parse(signed).is_ok());

    let mut one_more = encode_body(&longest, &mut [0; 1_000]).unwrap().to_vec();
    let mut extra = [0; 200];
    let mut writer = Writer::new(&mut extra);
    operators[8].write(&mut writer, TerminalOperator::TAG).unwrap();
    let extra = writer.finish();
    one_more.extend_from_slice(extra);
    // Two octets of the tag, one that says how many octets of length follow, two of them.
    let length = u16::try_from(one_more.len() - 5).unwrap();
    one_more[3..5].copy_from_slice(&length.to_be_bytes());
    assert!(OperatorList::read(&mut Reader::new(&one_more), 0xFF2E).is_err());
}

#[test]
fn what_a_pin_can_be_searched_with_is_not_printed() {
    let shown = format!("{:?}", operator(7, "Lan"));
    assert!(
        shown.contains("number: 7") && !shown.contains("2, 2, 2") && !shown.contains("1, 1, 1"),
        "{shown}"
    );
}
