//! Reversals and issuer scripts.

use card_spec::list::BlockReason;
use card_spec::payment::HolderCheckMethod;
use card_spec::reversal::Reversal;
use card_spec::script::{Action, IssuerScript};
use card_spec::values::{Ascii, Period, Time};

use super::{HOUR_24, Kind, NO_LUHN, SUITE_2};
use crate::broken::{Body, replace};
use crate::{ISSUER, World, date, reference, sign};

pub(super) fn reversal(world: &World) -> Kind {
    let mut kind = Kind::new("reversal", "SPEC 9.8");
    let order = world.order(0, 0, 3);
    let reversal = Reversal {
        terminal: order.terminal,
        sequence: order.sequence + 2,
        log_head: [0x4C; 32],
        order_hash: [0x0D; 32],
        cso_hash: order.cso_hash,
        method: order.method,
        operator: order.operator,
        second_operator: None,
        time: order.time,
        clock: order.clock,
        nonce: [0x4E; 16],
    };
    let mut buffer = [0; 512];
    let encoding = reversal.encode(&mut buffer).expect("fits").to_vec();
    kind.valid("of an order that rested on a PIN", &encoding, None);
    let two_operators = Reversal {
        method: HolderCheckMethod::PhotoDocument,
        operator: Ascii::new("clerk-number-0000001").expect("20 characters"),
        second_operator: Ascii::new("clerk-00002"),
        ..reversal
    };
    let longest = two_operators.encode(&mut buffer).expect("fits").to_vec();
    assert_eq!(longest.len(), Reversal::MAXIMUM_LENGTH);
    kind.valid("the longest: two operators, photo document", &longest, None);
    kind.refuse_broken(
        &encoding,
        None,
        &[
            ("an order hash of 31 bytes", 0x84, &[0; 31]),
            ("method 0", 0x8A, &[0]),
            ("method 3", 0x8A, &[3]),
            ("no operator", 0x8B, &[]),
            ("time unset", 0x8D, &[0; 7]),
            ("24 o'clock", 0x8D, HOUR_24),
            ("clock unset", 0x8E, &[0]),
            ("a nonce of 15 bytes", 0x8F, &[0; 15]),
            ("a terminal name in lower case", 0x81, b"vnt0000001"),
        ],
    );
    let body = Body::of(&longest, false);
    kind.refuse(
        "a second operator of 12 characters",
        body.with(|members| replace(members, 0x8C, &[b'a'; 12])),
        "value",
    );
    kind.refuse(
        "one operator twice",
        body.with(|members| replace(members, 0x8B, b"clerk-00002")),
        "value",
    );
    kind.refuse("the tag of an order", body.with_tag(0xFF23), "members");
    kind
}

pub(super) fn issuer_script(world: &World) -> Kind {
    let mut kind = Kind::new("issuer-script", "SPEC 13.1");
    let actions = [
        ("fill PIN tries", Action::FillPinTries),
        ("permit a new PIN", Action::PermitNewPin),
        ("block", Action::Block(BlockReason::Lost)),
        ("unblock", Action::Unblock(4)),
        ("terminate", Action::Terminate(BlockReason::Replaced)),
        ("put an update in force", Action::PutInForce([0xC5; 32])),
        ("prune", Action::Prune(Period::new(2026, 1).expect("a month"))),
        ("set the remembered date", Action::SetDate(date(2026, 11, 5))),
        ("reverse", Action::Reverse([0x0D; 32])),
    ];
    let script = |action| IssuerScript {
        suite: Default::default(),
        issuer: reference(ISSUER),
        card_number: world.cards.first().expect("a card").number,
        counter: 2,
        action,
        issued: Time::new(date(2026, 11, 5), 8, 0, 0).expect("a time"),
    };
    for (name, action) in actions {
        let encoding = sign(&script(action), &world.issuer);
        kind.valid(name, &encoding, Some(("issuer", &world.issuer)));
    }
    kind.refuse_broken(
        &sign(&script(Action::FillPinTries), &world.issuer),
        Some(&world.issuer),
        &[
            SUITE_2,
            NO_LUHN,
            ("a counter of 3 bytes", 0x81, &[0, 0, 2]),
            ("action 0", 0x82, &[0]),
            ("action 10", 0x82, &[10]),
            ("time unset", 0x8D, &[0; 7]),
            ("24 o'clock", 0x8D, HOUR_24),
        ],
    );
    let contents: [(&str, &str, Action, &[u8]); 8] = [
        (
            "content for an action that has none",
            "encoding",
            Action::PermitNewPin,
            &[0x80, 1, 1],
        ),
        ("no reason", "members", Action::Block(BlockReason::Lost), &[]),
        (
            "reason 7",
            "value",
            Action::Terminate(BlockReason::Lost),
            &[0x80, 1, 7],
        ),
        (
            "something behind the reason",
            "encoding",
            Action::Block(BlockReason::Lost),
            &[0x80, 1, 1, 0x81, 0],
        ),
        (
            "a block list number of one byte",
            "value",
            Action::Unblock(4),
            &[0x80, 1, 4],
        ),
        (
            "month 13",
            "value",
            Action::Prune(Period::FIRST),
            &[0x80, 3, 0x20, 0x26, 0x13],
        ),
        (
            "a date under the tag of a hash",
            "members",
            Action::SetDate(date(2026, 11, 5)),
            &[0x80, 6, 2, 6, 1, 1, 0, 5],
        ),
        (
            "a hash of 4 bytes",
            "value",
            Action::Reverse([0x0D; 32]),
            &[0x80, 4, 0, 0, 0, 4],
        ),
    ];
    for (name, refusal, action, content) in contents {
        let body = Body::of(&sign(&script(action), &world.issuer), true);
        let encoding = body.with(|members| replace(members, 0xA3, content));
        kind.refuse(name, encoding, refusal);
    }
    let body = Body::of(&sign(&script(Action::FillPinTries), &world.issuer), true);
    let place = 5;
    kind.refuse(
        "no content object for an action without content",
        body.with(|members| drop(members.remove(place))),
        "members",
    );
    kind
}
