//! SPEC 9.2 and 9.4: which orders and receipts are valid, and their bytes.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

use card_spec::payment::{
    ClockSource, HolderCheckMethod, HolderCheckOutcome, LineKey, LineKeyParts, LineType, Order, Receipt,
    ReceiptKind, Recipient,
};
use card_spec::signed::{Body, encode_body};
use card_spec::tlv::{DataObject, Error, Field, Reader, Writer};
use card_spec::values::{Amount, Ascii, CardNumber, Date, Period, Programme, Time};

fn line_key(line_type: LineType) -> LineKey {
    LineKey::new(&LineKeyParts {
        person: [0xAB; 16],
        programme: Programme::from_bytes(*b"BTXH").unwrap(),
        entitlement: 0x0102,
        line_type,
        period: Period::new(2026, 11).unwrap(),
    })
}

fn order() -> Order<'static> {
    Order {
        terminal: "VNT0000001".parse().unwrap(),
        sequence: 7,
        log_head: [1; 32],
        list_root: [2; 32],
        cso_hash: [3; 32],
        line_number: 4,
        line_key: line_key(LineType::Regular),
        amount: Amount::new(1).unwrap(),
        recipient: Recipient::Holder,
        method: HolderCheckMethod::Pin,
        operator: Ascii::new("clerk").unwrap(),
        second_operator: None,
        time: Time::new(Date::new(2026, 11, 22).unwrap(), 0, 0, 0).unwrap(),
        clock: ClockSource::Operator,
        nonce: [5; 16],
    }
}

/// Writes the order and reads it back.
fn answer(order: &Order<'_>) -> Option<Error> {
    let mut buffer = [0; 300];
    let bytes = order.encode(&mut buffer).unwrap();
    match Order::parse(DataObject::parse(bytes).unwrap()) {
        Ok(read) => {
            assert_eq!(read, *order);
            None
        }
        Err(error) => Some(error),
    }
}

mod line_key {
    use super::*;

    #[test]
    fn is_26_bytes_in_the_order_of_clause_1() {
        let key = super::line_key(LineType::Supplement);
        let bytes = [&[0xAB; 16][..], b"BTXH", &[1, 2, 6, 0x20, 0x26, 0x11]].concat();
        assert_eq!(key.to_bytes()[..], bytes);
        assert_eq!(LineKey::from_bytes(key.to_bytes()), Some(key));
        let parts = key.parts();
        assert_eq!((parts.person, parts.entitlement), ([0xAB; 16], 0x0102));
        assert_eq!(parts.programme.as_str(), "BTXH");
        assert_eq!(parts.line_type, LineType::Supplement);
        assert_eq!(parts.period, Period::new(2026, 11).unwrap());
        let mut buffer = [0; 32];
        let mut writer = Writer::new(&mut buffer);
        key.write(&mut writer, 0x87).unwrap();
        assert_eq!(writer.finish()[2..], bytes);
    }

    #[test]
    fn has_valid_parts() {
        let right = super::line_key(LineType::Regular).to_bytes();
        // A programme in lower case, no such line type (twice), month 13, a month that is no BCD.
        for (place, byte) in [(16, b'b'), (22, 0), (22, 8), (25, 0x13), (25, 0x0A)] {
            let mut wrong = right;
            wrong[place] = byte;
            assert_eq!(LineKey::from_bytes(wrong), None, "byte {place}: {byte:02X}");
            let object = [&[0x87, 26], &wrong[..]].concat();
            let refused = LineKey::read(&mut Reader::new(&object), 0x87);
            assert_eq!(refused, Err(Error::Value(0x87)));
        }
    }
}

mod order {
    use super::*;

    #[test]
    fn is_read_as_it_was_written() {
        let second = Ascii::new("other").unwrap();
        for valid in [
            order(),
            Order {
                amount: Amount::MAXIMUM,
                recipient: Recipient::SecondRepresentative,
                method: HolderCheckMethod::PhotoDocument,
                clock: ClockSource::Host,
                ..order()
            },
            Order {
                second_operator: Some(second),
                ..order()
            },
        ] {
            assert_eq!(answer(&valid), None);
        }
    }

    #[test]
    fn has_an_amount_a_time_a_clock_and_two_different_operators_or_one() {
        let no_amount = Order {
            amount: Amount::new(0).unwrap(),
            ..order()
        };
        assert_eq!(answer(&no_amount), Some(Error::Value(0x88)));
        let no_time = Order {
            time: Time::UNSET,
            ..order()
        };
        assert_eq!(answer(&no_time), Some(Error::Value(0x8D)));
        let no_clock = Order {
            clock: ClockSource::Unset,
            ..order()
        };
        assert_eq!(answer(&no_clock), Some(Error::Value(0x8E)));
        let one_twice = Order {
            second_operator: Ascii::new("clerk"),
            ..order()
        };
        assert_eq!(answer(&one_twice), Some(Error::Value(0x8C)));
    }

    #[test]
    fn pays_every_line_type_but_what_is_owed() {
        for number in 1..=7 {
            let line_type = LineType::from_byte(number).unwrap();
            let owed = (line_type == LineType::Recovery).then_some(Error::Value(0x87));
            let order = Order {
                line_key: super::line_key(line_type),
                ..order()
            };
            assert_eq!(answer(&order), owed, "{line_type:?}");
        }
    }

    #[test]
    fn is_one_object_under_its_own_tag() {
        let mut buffer = [0; 300];
        let bytes = order().encode(&mut buffer).unwrap().to_vec();
        assert_eq!(bytes[..2], [0xFF, 0x23]);
        let mut other = bytes.clone();
        other[1] = 0x24;
        let other = DataObject::parse(&other).unwrap();
        assert_eq!(Order::parse(other), Err(Error::Expected(0xFF23)));
    }
}

mod receipt {
    use super::*;

    fn receipt(kind: ReceiptKind, pin_verified: bool) -> Receipt {
        Receipt {
            suite: Default::default(),
            card_number: CardNumber::new(79, 1).unwrap(),
            cso_version: 1,
            counter: 9,
            previous: [1; 32],
            object_hash: [2; 32],
            holder_check: HolderCheckOutcome {
                pin_verified,
                tries_left: 3,
            },
            kind,
        }
    }

    /// Kinds `03` and `04` have no holder before them.
    #[test]
    fn of_a_script_or_a_block_list_rests_on_no_pin() {
        for (kind, holder_present) in [
            (ReceiptKind::Payment, true),
            (ReceiptKind::Reversal, true),
            (ReceiptKind::IssuerScript, false),
            (ReceiptKind::BlockList, false),
        ] {
            for pin_verified in [false, true] {
                let receipt = receipt(kind, pin_verified);
                let mut buffer = [0; 200];
                let bytes = encode_body(&receipt, &mut buffer).unwrap();
                let read = Receipt::read(&mut Reader::new(bytes), Receipt::TAG);
                let expected = if pin_verified && !holder_present {
                    Err(Error::Value(0x85))
                } else {
                    Ok(receipt)
                };
                assert_eq!(read, expected, "{kind:?}, PIN {pin_verified}");
            }
        }
    }

    #[test]
    fn counts_from_1() {
        for counter in [0, 1, u32::MAX] {
            let receipt = Receipt {
                counter,
                ..receipt(ReceiptKind::Payment, true)
            };
            let mut buffer = [0; 200];
            let bytes = encode_body(&receipt, &mut buffer).unwrap();
            let read = Receipt::read(&mut Reader::new(bytes), Receipt::TAG);
            let expected = if counter == 0 {
                Err(Error::Value(0x82))
            } else {
                Ok(receipt)
            };
            assert_eq!(read, expected, "{counter}");
        }
    }

    #[test]
    fn holds_method_and_tries_in_two_bytes() {
        for pin_verified in [false, true] {
            for tries_left in 0..=15 {
                let outcome = HolderCheckOutcome {
                    pin_verified,
                    tries_left,
                };
                let mut buffer = [0; 4];
                let mut writer = Writer::new(&mut buffer);
                outcome.write(&mut writer, 0x85).unwrap();
                let bytes = writer.finish();
                assert_eq!(bytes, [0x85, 2, u8::from(pin_verified), tries_left]);
                assert_eq!(
                    HolderCheckOutcome::read(&mut Reader::new(bytes), 0x85),
                    Ok(outcome)
                );
            }
        }
        for wrong in [[2, 3], [0xFF, 3], [0, 16], [1, 0xFF]] {
            let object = [&[0x85, 2], &wrong[..]].concat();
            let refused = HolderCheckOutcome::read(&mut Reader::new(&object), 0x85);
            assert_eq!(refused, Err(Error::Value(0x85)), "{wrong:02X?}");
        }
    }

    #[test]
    fn is_read_to_its_last_member() {
        let mut buffer = [0; 200];
        let bytes = encode_body(&receipt(ReceiptKind::Payment, true), &mut buffer).unwrap();
        // One object more inside, the length of the template with it.
        let mut longer = [bytes, &[0x87, 0]].concat();
        longer[2] += 2;
        let refused = Receipt::read(&mut Reader::new(&longer), Receipt::TAG);
        assert_eq!(refused, Err(Error::Encoding));
    }
}
