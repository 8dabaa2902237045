//! Orders and receipts.

use card_spec::crypto::{Digest, sha256};
use card_spec::journal::EncodedOrder;
use card_spec::payment::{HolderCheckMethod, HolderCheckOutcome, Order, Receipt, ReceiptKind, Recipient};
use card_spec::signed::Signed;
use card_spec::values::Ascii;

use super::{HOUR_24, Kind, NO_LUHN, SUITE_2, TRILLION};
use crate::broken::{Body, object, replace};
use crate::{World, body, sign};

pub(super) fn order(world: &World) -> Kind {
    let mut kind = Kind::new("order", "SPEC 9.2");
    let mut buffer = [0; 512];
    let encoding = world.order(0, 0, 3).encode(&mut buffer).expect("fits").to_vec();
    kind.valid("line 3 of list 1", &encoding, None);
    let two_operators = Order {
        recipient: Recipient::SecondRepresentative,
        method: HolderCheckMethod::PhotoDocument,
        operator: Ascii::new("clerk-number-0000001").expect("20 characters"),
        second_operator: Ascii::new("clerk-00002"),
        ..world.order(0, 0, 3)
    };
    let longest = two_operators.encode(&mut buffer).expect("fits").to_vec();
    assert_eq!(longest.len(), Order::MAXIMUM_LENGTH);
    kind.valid(
        "the longest: two operators, second representative, photo document",
        &longest,
        None,
    );
    let recovery = line_key_with(&encoding, 22, 7);
    let month_13 = line_key_with(&encoding, 25, 0x13);
    kind.refuse_broken(
        &encoding,
        None,
        &[
            ("amount 0", 0x88, &[0; 8]),
            ("more than the largest amount", 0x88, TRILLION),
            ("a line that is owed, not paid", 0x87, &recovery),
            ("month 13", 0x87, &month_13),
            ("recipient 0", 0x89, &[0]),
            ("recipient 4", 0x89, &[4]),
            ("time unset", 0x8D, &[0; 7]),
            ("24 o'clock", 0x8D, HOUR_24),
            ("clock unset", 0x8E, &[0]),
            ("no operator", 0x8B, &[]),
            ("an operator of 21 characters", 0x8B, &[b'a'; 21]),
            ("a terminal name in lower case", 0x81, b"vnt0000001"),
        ],
    );
    let body = Body::of(&longest, false);
    let second = |value: &[u8]| body.with(|members| replace(members, 0x8C, value));
    kind.refuse("no second operator in its object", second(&[]), "value");
    kind.refuse("a second operator of 12 characters", second(&[b'a'; 12]), "value");
    let twice = body.with(|members| {
        replace(members, 0x8B, b"clerk-00002");
    });
    kind.refuse("one operator twice", twice, "value");
    let place = 10;
    kind.refuse(
        "the second operator before the first",
        body.with(|members| members.swap(place, place + 1)),
        "members",
    );
    kind
}

/// The order's line key with one byte changed.
fn line_key_with(order: &[u8], place: usize, byte: u8) -> Vec<u8> {
    let order = EncodedOrder::parse(order).expect("an order");
    let mut key = order.order().line_key.to_bytes();
    *key.get_mut(place).expect("within the key") = byte;
    key.to_vec()
}

pub(super) fn receipt(world: &World) -> Kind {
    let mut kind = Kind::new("receipt", "SPEC 9.4");
    let card = world.cards.first().expect("a card");
    let body = world
        .files
        .get("receipts/VNT0000001-6.signed.bin")
        .expect("a receipt");
    let Ok(signature) = card_spec::crypto::Sign::sign(&card.signing, body);
    let encoding = object(
        0xFF20,
        &[body.clone(), object(0x5F37, signature.as_bytes())].concat(),
    );
    kind.valid(
        "first receipt of a card",
        &encoding,
        Some(("card 1 signing", &card.signing)),
    );
    let signed = Signed::<Receipt>::parse(&encoding).expect("our own object");
    for (name, body) in after_the_first(*signed.claimed(), signed.hash()) {
        kind.valid(
            name,
            &sign(&body, &card.signing),
            Some(("card 1 signing", &card.signing)),
        );
    }
    kind.refuse_broken(
        &encoding,
        Some(&card.signing),
        &[
            SUITE_2,
            NO_LUHN,
            ("method 2 seen by the card", 0x85, &[2, 3]),
            ("16 tries left", 0x85, &[1, 16]),
            ("kind 0", 0x86, &[0]),
            ("kind 5", 0x86, &[5]),
            ("a counter of 3 bytes", 0x82, &[0, 0, 1]),
            ("the counter 0", 0x82, &[0; 4]),
            ("a PIN for an issuer script", 0x86, &[3]),
            ("a PIN for a block list", 0x86, &[4]),
        ],
    );
    kind
}

/// Receipts of the other kinds, in the card's chain behind its first one.
fn after_the_first(first: Receipt, hash: Digest) -> [(&'static str, Receipt); 3] {
    let pin = first.holder_check;
    let none = HolderCheckOutcome {
        pin_verified: false,
        ..pin
    };
    let next = |counter, previous, kind, holder_check| Receipt {
        counter,
        previous,
        object_hash: sha256(&[b"what was done", &[counter as u8]]),
        holder_check,
        kind,
        ..first
    };
    let reversal = next(2, hash, ReceiptKind::Reversal, pin);
    let script = next(3, sha256(&[&body(&reversal)]), ReceiptKind::IssuerScript, none);
    let blocking = next(4, sha256(&[&body(&script)]), ReceiptKind::BlockList, none);
    [
        ("second receipt, of a reversal", reversal),
        ("third receipt, of an issuer script", script),
        ("fourth receipt, of a block list", blocking),
    ]
}
