//! DATA 5: every kind of journal entry, and what is none.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

use card_spec::crypto::{SecretKey, sha256};
use card_spec::journal::{
    CarriedReceipt, EncodedOrder, EncodedReceipt, EncodedReversal, Entry, Event, MAXIMUM_ENTRY_LENGTH,
    ManualPayment, NO_CARD, Refusal, RefusalReason, ShiftEnd,
};
use card_spec::payment::{
    ClockSource, HolderCheckMethod, HolderCheckOutcome, LineKey, LineKeyParts, LineType, Order, Receipt,
    ReceiptKind, Recipient,
};
use card_spec::reversal::Reversal;
use card_spec::signed::{Body, Signed, encode_body, sign};
use card_spec::tlv::{DataObject, Error, Field, Reader, Writer};
use card_spec::values::{Amount, Ascii, CardNumber, Date, Period, Programme, Time};

fn time() -> Time {
    Time::new(Date::new(2026, 11, 22).unwrap(), 8, 30, 0).unwrap()
}

fn reversal(nonce: u8) -> Vec<u8> {
    let reversal = Reversal {
        terminal: "VNT0000001".parse().unwrap(),
        sequence: 9,
        log_head: [1; 32],
        order_hash: [2; 32],
        cso_hash: [3; 32],
        method: HolderCheckMethod::Pin,
        operator: Ascii::new("clerk").unwrap(),
        second_operator: None,
        time: time(),
        clock: ClockSource::Host,
        nonce: [nonce; 16],
    };
    reversal.encode(&mut [0; 300]).unwrap().to_vec()
}

fn order(nonce: u8) -> Vec<u8> {
    let order = Order {
        terminal: "VNT0000001".parse().unwrap(),
        sequence: 7,
        log_head: [1; 32],
        list_root: [2; 32],
        cso_hash: [3; 32],
        line_number: 4,
        line_key: LineKey::new(&LineKeyParts {
            person: [0xAB; 16],
            programme: Programme::SUDDEN_RELIEF,
            entitlement: 1,
            line_type: LineType::Regular,
            period: Period::new(2026, 11).unwrap(),
        }),
        amount: Amount::new(1).unwrap(),
        recipient: Recipient::Holder,
        method: HolderCheckMethod::Pin,
        operator: Ascii::new("clerk").unwrap(),
        second_operator: None,
        time: time(),
        clock: ClockSource::Host,
        nonce: [nonce; 16],
    };
    order.encode(&mut [0; 300]).unwrap().to_vec()
}

/// An order that two operators pay by hand, but for what `bend` does to it.
fn by_hand(bend: impl FnOnce(&mut Order<'_>)) -> Vec<u8> {
    let bytes = order(5);
    let mut order = *EncodedOrder::parse(&bytes).unwrap().order();
    order.cso_hash = NO_CARD;
    order.method = HolderCheckMethod::PhotoDocument;
    order.second_operator = Ascii::new("head");
    bend(&mut order);
    order.encode(&mut [0; 300]).unwrap().to_vec()
}

fn receipt(counter: u32, key: u8) -> Vec<u8> {
    receipt_of(ReceiptKind::Payment, [2; 32], counter, key)
}

fn receipt_of(kind: ReceiptKind, object_hash: [u8; 32], counter: u32, key: u8) -> Vec<u8> {
    let receipt = Receipt {
        suite: Default::default(),
        card_number: CardNumber::new(79, 1).unwrap(),
        cso_version: 1,
        counter,
        previous: [1; 32],
        object_hash,
        holder_check: HolderCheckOutcome {
            pin_verified: matches!(kind, ReceiptKind::Payment | ReceiptKind::Reversal),
            tries_left: 3,
        },
        kind,
    };
    let key = SecretKey::from_bytes(&[key; 32]).unwrap();
    sign(&receipt, &key, &mut [0; 300]).unwrap().to_vec()
}

fn entry(event: Event<'_>) -> Entry<'_> {
    Entry {
        terminal: "VNT0000001".parse().unwrap(),
        sequence: 7,
        boot_count: 2,
        time: time(),
        clock: ClockSource::Host,
        previous: [6; 32],
        event,
    }
}

fn read(bytes: &[u8]) -> Result<Entry<'_>, Error> {
    let mut reader = Reader::new(bytes);
    let entry = Entry::read(&mut reader, Entry::TAG)?;
    reader.finish()?;
    Ok(entry)
}

/// An entry of that kind with these bytes in its `A8`.
fn with_content(kind: u8, content: &[u8]) -> Vec<u8> {
    let boot = entry(Event::Boot {
        firmware: [1; 32],
        flags: 0,
    });
    let mut buffer = [0; 300];
    let whole = encode_body(&boot, &mut buffer).unwrap();
    let members = DataObject::parse(whole).unwrap().value();
    let at = members
        .windows(3)
        .position(|window| window == [0x87, 1, 1])
        .unwrap();
    let mut bytes = [0; 600];
    let mut writer = Writer::new(&mut bytes);
    writer
        .template(Entry::TAG, |writer| {
            writer.raw(&members[..at])?;
            writer.put(0x87, &[kind])?;
            writer.put(0xA8, content)
        })
        .unwrap();
    writer.finish().to_vec()
}

/// One event of each kind, in the order of DATA 5.2.
fn events<'a>(
    order: &'a [u8],
    by_hand: &'a [u8],
    reversal: &'a [u8],
    receipt: &'a [u8],
    carried: &'a [u8],
) -> [Event<'a>; 24] {
    [
        Event::Boot {
            firmware: [1; 32],
            flags: 0x80,
        },
        Event::ClockSet { before: Time::UNSET },
        Event::ListLoaded {
            header: [2; 32],
            number: 3,
        },
        Event::BlockListLoaded {
            header: [4; 32],
            number: 5,
        },
        Event::ShiftOpened {
            operator: Ascii::new("clerk").unwrap(),
        },
        Event::Intent(EncodedOrder::parse(order).unwrap()),
        Event::Paid(EncodedReceipt::parse(receipt).unwrap()),
        Event::Handed { intent: 8 },
        Event::Refused(Refusal {
            reason: RefusalReason::RefusedByCard,
            card_number: CardNumber::new(79, 1),
            line_number: Some(2),
            status_word: Some(0x6344),
            closes_intent: Some(6),
        }),
        Event::Synced {
            acknowledgement: [9; 32],
            sequence: 10,
        },
        Event::StillOpen(EncodedOrder::parse(order).unwrap()),
        Event::NotHanded {
            intent: 8,
            order: Some(EncodedOrder::parse(order).unwrap()),
        },
        Event::ReverseIntent {
            intent: 8,
            reversal: EncodedReversal::parse(reversal).unwrap(),
        },
        Event::Reversed {
            intent: 8,
            receipt: EncodedReceipt::parse(receipt).unwrap(),
        },
        Event::CarriedReceipt(CarriedReceipt::new(order, EncodedReceipt::parse(carried).unwrap()).unwrap()),
        Event::CardBlocked(EncodedReceipt::parse(receipt).unwrap()),
        Event::CashReceived {
            operator: Ascii::new("clerk").unwrap(),
            amount: Amount::new(18_000_000).unwrap(),
        },
        Event::CashCounted {
            operator: Ascii::new("clerk").unwrap(),
            expected: Amount::new(0).unwrap(),
            counted: Amount::new(500).unwrap(),
        },
        Event::OperatorsLoaded {
            list: [11; 32],
            number: 12,
        },
        Event::OperatorRefused {
            operator: Ascii::new("clerk").unwrap(),
            attempts: 3,
        },
        Event::ShiftClosed {
            operator: Ascii::new("clerk").unwrap(),
            end: ShiftEnd::Idle,
        },
        Event::ClockSetByOperator {
            before: time(),
            operator: Ascii::new("head").unwrap(),
        },
        Event::ManualPaid(paid_by_hand(by_hand).unwrap()),
        Event::ScriptExecuted(EncodedReceipt::parse(receipt).unwrap()),
    ]
}

fn paid_by_hand(order: &[u8]) -> Result<ManualPayment<'_>, Error> {
    let card_number = CardNumber::new(79, 1).unwrap();
    ManualPayment::new(card_number, EncodedOrder::parse(order)?)
}

/// Their bytes.
const KINDS: [usize; 24] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25,
];

#[test]
fn every_kind_is_read_as_it_was_written() {
    let (order, by_hand, reversal, receipt) = (order(5), by_hand(|_| {}), reversal(5), receipt(1, 1));
    let carried = receipt_of(ReceiptKind::Payment, sha256(&[&order]), 1, 1);
    for (kind, event) in KINDS
        .into_iter()
        .zip(events(&order, &by_hand, &reversal, &receipt, &carried))
    {
        assert_eq!(usize::from(event.kind()), kind);
        let entry = entry(event);
        let mut buffer = [0; 600];
        let bytes = encode_body(&entry, &mut buffer).unwrap();
        assert_eq!(read(bytes), Ok(entry), "kind {kind}");
    }
}

#[test]
fn no_kind_takes_the_content_of_another_form_nor_is_there_another_one() {
    let (order, by_hand, reversal, receipt) = (order(5), by_hand(|_| {}), reversal(5), receipt(1, 1));
    let carried = receipt_of(ReceiptKind::Payment, sha256(&[&order]), 1, 1);
    let contents = events(&order, &by_hand, &reversal, &receipt, &carried).map(|event| {
        let mut buffer = [0; 600];
        let bytes = encode_body(&entry(event), &mut buffer).unwrap();
        let members = DataObject::parse(bytes).unwrap().value();
        let mut reader = Reader::new(members);
        while !reader.is_next(0xA8) {
            reader.next_object().unwrap().unwrap();
        }
        reader.expect(0xA8).unwrap().value().to_vec()
    });
    // ListLoaded, BlockListLoaded, Synced and OperatorsLoaded have one form: a hash and a number; Intent and StillOpen have an
    // order, Paid, CardBlocked and ScriptExecuted a receipt.
    let form = |kind: usize| match kind {
        4 | 10 | 20 => 3,
        11 => 6,
        17 | 25 => 7,
        _ => kind,
    };
    for kind in 0..=26 {
        for (of, content) in KINDS.into_iter().zip(&contents) {
            let bytes = with_content(u8::try_from(kind).unwrap(), content);
            // NotHanded has the number of Handed, and may have an order besides.
            let taken = KINDS.contains(&kind) && (form(kind) == form(of) || (kind, of) == (12, 8));
            assert_eq!(read(&bytes).is_ok(), taken, "kind {kind}, content of {of}");
            // Nor is anything left over.
            let longer = with_content(u8::try_from(kind).unwrap(), &[content, &[0x9E, 0][..]].concat());
            assert!(read(&longer).is_err(), "kind {kind}");
        }
    }
}

#[test]
fn an_intent_keeps_the_order_as_received() {
    let bytes = order(5);
    let encoded = EncodedOrder::parse(&bytes).unwrap();
    assert_eq!(encoded.encoding(), bytes);
    assert_eq!(encoded.hash(), sha256(&[&bytes]));
    assert_eq!(encoded.order().nonce, [5; 16]);
    assert!(EncodedOrder::parse(&[&bytes[..], &[0x80, 0]].concat()).is_err());
    assert!(EncodedOrder::parse(&bytes[1..]).is_err());
}

#[test]
fn a_payment_that_was_not_handed_over_is_told_with_its_order_or_without() {
    let order = order(5);
    for order in [None, Some(EncodedOrder::parse(&order).unwrap())] {
        let entry = entry(Event::NotHanded { intent: 8, order });
        let mut buffer = [0; 600];
        let bytes = encode_body(&entry, &mut buffer).unwrap();
        assert_eq!(read(bytes), Ok(entry));
    }
}

#[test]
fn by_hand_is_what_two_operators_pay_to_a_holder_without_a_card() {
    let bytes = by_hand(|_| {});
    let paid = paid_by_hand(&bytes).unwrap();
    assert_eq!(paid.card_number(), CardNumber::new(79, 1).unwrap());
    assert_eq!(paid.order().encoding(), bytes);
    let refused = |order: Vec<u8>, tag: u16| {
        assert_eq!(paid_by_hand(&order), Err(Error::Value(tag)));
        let number = [&[0x5A, 8][..], &CardNumber::new(79, 1).unwrap().to_bytes()].concat();
        let entry = with_content(24, &[number, order].concat());
        assert_eq!(read(&entry), Err(Error::Value(tag)));
    };
    refused(by_hand(|order| order.cso_hash[31] = 1), 0x85);
    refused(
        by_hand(|order| order.recipient = Recipient::FirstRepresentative),
        0x89,
    );
    refused(by_hand(|order| order.method = HolderCheckMethod::Pin), 0x8A);
    refused(by_hand(|order| order.second_operator = None), 0x8C);
    refused(by_hand(|order| order.second_operator = Ascii::new("clerk")), 0x8C);
}

#[test]
fn a_reversal_is_kept_as_received() {
    let bytes = reversal(5);
    let encoded = EncodedReversal::parse(&bytes).unwrap();
    assert_eq!(encoded.encoding(), bytes);
    assert_eq!(encoded.hash(), sha256(&[&bytes]));
    assert_eq!(encoded.reversal().nonce, [5; 16]);
    assert!(EncodedReversal::parse(&[&bytes[..], &[0x80, 0]].concat()).is_err());
    assert!(EncodedReversal::parse(&bytes[1..]).is_err());
    assert!(EncodedReversal::parse(&order(5)).is_err());
}

#[test]
fn receipts_are_the_same_with_the_same_body_and_the_same_signature_only() {
    let (bytes, other_body, other_signature) = (receipt(1, 1), receipt(2, 1), receipt(1, 2));
    let encoded = EncodedReceipt::parse(&bytes).unwrap();
    assert_eq!(encoded, EncodedReceipt::parse(&bytes.clone()).unwrap());
    assert_ne!(encoded, EncodedReceipt::parse(&other_body).unwrap());
    assert_ne!(encoded, EncodedReceipt::parse(&other_signature).unwrap());
    let signed = Signed::<Receipt>::parse(&bytes).unwrap();
    assert_eq!(encoded.signed().signed_bytes(), signed.signed_bytes());
    assert_eq!(encoded.signed().signature(), signed.signature());
    assert!(EncodedReceipt::parse(&bytes[..bytes.len() - 1]).is_err());
}

#[test]
fn a_carried_receipt_is_one_with_what_it_is_for() {
    let (order, reversal) = (order(5), reversal(5));
    for (kind, object, other) in [
        (ReceiptKind::Payment, &order, &reversal),
        (ReceiptKind::Reversal, &reversal, &order),
    ] {
        let bytes = receipt_of(kind, sha256(&[object]), 1, 1);
        let receipt = EncodedReceipt::parse(&bytes).unwrap();
        let carried = CarriedReceipt::new(object, receipt).unwrap();
        assert_eq!(carried.receipt(), receipt);
        assert_eq!(carried.order().is_some(), kind == ReceiptKind::Payment);
        assert_eq!(carried.reversal().is_some(), kind == ReceiptKind::Reversal);
        let source = carried.source().unwrap();
        let sequence = if kind == ReceiptKind::Payment { 7 } else { 9 };
        assert_eq!(
            (source.terminal.as_str(), source.sequence),
            ("VNT0000001", sequence)
        );
        assert_eq!(source.cso_hash, [3; 32]);
        let mut buffer = [0; 600];
        let entry = entry(Event::CarriedReceipt(carried));
        assert_eq!(read(encode_body(&entry, &mut buffer).unwrap()), Ok(entry));

        // Neither for another object, nor of another kind.
        for wrong in [
            receipt_of(kind, [2; 32], 1, 1),
            receipt_of(kind, sha256(&[other]), 1, 1),
            receipt_of(ReceiptKind::IssuerScript, sha256(&[object]), 1, 1),
            receipt_of(ReceiptKind::BlockList, sha256(&[object]), 1, 1),
        ] {
            let receipt = EncodedReceipt::parse(&wrong).unwrap();
            assert!(CarriedReceipt::new(object, receipt).is_err());
            let content = [
                object,
                receipt.signed().signed_bytes(),
                &bytes[bytes.len() - 67..],
            ]
            .concat();
            assert!(read(&with_content(15, &content)).is_err());
        }
        assert!(CarriedReceipt::new(other, receipt).is_err());
        assert!(CarriedReceipt::new(&object[1..], receipt).is_err());
        assert!(CarriedReceipt::new(&[object, &[0x80, 0][..]].concat(), receipt).is_err());
    }
    let swapped = receipt_of(ReceiptKind::Reversal, sha256(&[&order]), 1, 1);
    assert!(CarriedReceipt::new(&order, EncodedReceipt::parse(&swapped).unwrap()).is_err());
}

/// With the longest order: no entry is longer ([`MAXIMUM_ENTRY_LENGTH`]).
#[test]
fn the_longest_entry_fits() {
    let bytes = order(5);
    let short = EncodedOrder::parse(&bytes).unwrap();
    let order = Order {
        operator: Ascii::new("a clerk of 20 lette.").unwrap(),
        second_operator: Some(Ascii::new("another one").unwrap()),
        ..*short.order()
    };
    let mut buffer = [0; 300];
    let order = order.encode(&mut buffer).unwrap();
    assert_eq!(order.len(), Order::MAXIMUM_LENGTH);
    let receipt = receipt_of(ReceiptKind::Payment, sha256(&[order]), 1, 1);
    let carried = CarriedReceipt::new(order, EncodedReceipt::parse(&receipt).unwrap()).unwrap();
    let key = SecretKey::from_bytes(&[1; 32]).unwrap();
    let mut buffer = [0; MAXIMUM_ENTRY_LENGTH];
    let entry = entry(Event::CarriedReceipt(carried));
    assert_eq!(sign(&entry, &key, &mut buffer).unwrap().len(), 564);
}
