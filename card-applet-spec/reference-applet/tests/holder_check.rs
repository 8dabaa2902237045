//! SPEC 9.1: VERIFY, the tries of the PIN, and how long an authorization lives.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::cso::HolderCheckPolicy;
use card_spec::payment::{HolderCheckMethod, Order};
use card_spec::values::Ascii;
use common::issuer::{Office, Plan, active_card, plan};
use common::terminal::{Session, Terminal};
use common::till::{Till, amount};
use common::{Card, Cut, Failure, cut_at};

fn ready() -> (Office, Card) {
    let office = Office::new();
    let card = active_card(&office, &plan());
    (office, card)
}

#[test]
fn pin_tries_are_counted_and_malformed_ones_are_free() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    let pin = plan().pin;
    let report =
        |session: &mut Session, card: &mut Card| session.secure.status(card, [0x80, 0x20, 0x00, 0x81], &[]);
    let mut session = terminal.open(&mut card).unwrap();
    assert_eq!(report(&mut session, &mut card), 0x63C3);
    let malformed: [&[u8]; 8] = [
        &[0x80],
        b"271828",
        b"\x80\x06271828",
        b"\x80\x05271828\x81\x01\x01\x82\x08\0\0\0\0\0\0\0\x01",
        b"\x80\x06", /* truncated */
        b"\x80\x0627182x\x81\x01\x01\x82\x08\0\0\0\0\0\0\0\x01",
        b"\x80\x06000000\x81\x01\x00\x82\x08\0\0\0\0\0\0\0\x01",
        b"\x80\x06000000\x81\x01\x06\x82\x08\0\0\0\0\0\0\0\x01",
    ];
    for data in malformed {
        assert_eq!(
            session.secure.status(&mut card, [0x80, 0x20, 0x00, 0x81], data),
            0x6A80,
            "{data:02X?}"
        );
    }
    assert_eq!(
        session.secure.status(&mut card, [0x80, 0x20, 0x00, 0x82], &[]),
        0x6A86
    );
    assert_eq!(report(&mut session, &mut card), 0x63C3);
    assert_eq!(session.verify(&mut card, b"000000", 1, 1), 0x63C2);
    assert_eq!(session.verify(&mut card, b"271829", 1, 1), 0x63C1);
    assert_eq!(report(&mut session, &mut card), 0x63C1);
    // A right one gives the tries back, and only in this session.
    assert_eq!(session.verify(&mut card, &pin, 1, 1), 0x9000);
    assert_eq!(report(&mut session, &mut card), 0x9000);
    let mut session = terminal.open(&mut card).unwrap();
    assert_eq!(report(&mut session, &mut card), 0x63C3);
    // Three wrong ones over sessions and resets.
    for left in [0x63C2, 0x63C1, 0x63C0] {
        card.reset();
        session = terminal.open(&mut card).unwrap();
        assert_eq!(session.verify(&mut card, b"000000", 1, 1), left);
    }
    assert_eq!(report(&mut session, &mut card), 0x6983);
    assert_eq!(session.verify(&mut card, &pin, 1, 1), 0x6983);
    card.reset();
    let mut session = terminal.open(&mut card).unwrap();
    assert_eq!(session.verify(&mut card, &pin, 1, 1), 0x6983);
}

#[test]
fn an_authorization_dies_with_its_session() {
    let (office, mut card) = ready();
    let terminal = Terminal::new(&office);
    let mut session = terminal.open(&mut card).unwrap();
    assert_eq!(session.verify(&mut card, &plan().pin, 5, 5_000_000), 0x9000);
    let order = session.order((2026, 11), 1, 1);
    let mut session = terminal.open(&mut card).unwrap();
    assert_eq!(session.disburse(&mut card, &order), Ok((0x6346, Vec::new())));
}

const CHANGE: [u8; 4] = [0x80, 0x24, 0x00, 0x81];

#[test]
fn a_blocked_pin_is_told_before_the_encoding() {
    let mut till = Till::new();
    till.block_pin();
    // SPEC 14.2: security status comes before the encoding.
    for header in [[0x80, 0x20, 0x00, 0x81], CHANGE] {
        till.refuses_command(0x6983, header, &[0x80]);
    }
    till.refuses_command(0x6983, [0x80, 0x20, 0x00, 0x81], &[]);
    till.refuses_command(0x6983, CHANGE, &[]);
    till.refuses_command(0x6983, CHANGE, b"271828314159");
}

#[test]
fn the_holder_changes_the_pin() {
    let mut till = Till::new();
    let (old, new) = (till.plan.pin, *b"314159");
    till.session.verify(&mut till.card, b"000000", 1, 1);
    assert_eq!(till.send(CHANGE, b"271828314159"), Ok((0x9000, Vec::new())));
    // Its tries are filled, and the old one is wrong.
    assert_eq!(till.status().pin_tries, 3);
    assert_eq!(till.session.verify(&mut till.card, &old, 1, 1), 0x63C2);
    assert_eq!(till.session.verify(&mut till.card, &new, 1, 1), 0x9000);
    till.card.reset();
    till.open_without_pin();
    assert_eq!(till.session.verify(&mut till.card, &new, 1, 1), 0x9000);
}

#[test]
fn a_change_authorizes_nothing_and_takes_nothing() {
    let mut till = Till::new();
    // The authorization given before stays.
    assert_eq!(till.send(CHANGE, b"271828314159").unwrap().0, 0x9000);
    till.pays(&till.session.order((2026, 10), 1_000, 2));
    till.open_without_pin();
    assert_eq!(till.send(CHANGE, b"314159271828").unwrap().0, 0x9000);
    till.refuses(0x6346, &till.order());
}

#[test]
fn a_wrong_pin_costs_a_try_and_the_authorization() {
    let mut till = Till::new();
    for left in [0x63C2, 0x63C1, 0x63C0] {
        assert_eq!(till.send(CHANGE, b"000000314159"), Ok((left, Vec::new())));
        till.refuses(0x6346, &till.order());
    }
    till.refuses_command(0x6983, CHANGE, b"271828314159");
    assert_eq!(till.status().pin_tries, 0);
}

#[test]
fn a_malformed_change_is_free() {
    let mut till = Till::new();
    let malformed: [&[u8]; 7] = [
        b"",
        b"271828",
        b"27182831415",
        b"2718283141590",
        b"27182x314159",
        b"27182831415x",
        b"\x80\x06271828",
    ];
    for data in malformed {
        till.refuses_command(0x6A80, CHANGE, data);
    }
    for header in [[0x80, 0x24, 0x01, 0x81], [0x80, 0x24, 0x00, 0x82]] {
        till.refuses_command(0x6A86, header, b"271828314159");
    }
    assert_eq!(till.status().pin_tries, 3);
    till.pays(&till.order());
}

#[test]
fn a_change_survives_every_cut() {
    let mut cuts = 0;
    for (write, side) in (0..).flat_map(|write| [(write, Cut::Before), (write, Cut::After)]) {
        let mut till = Till::new();
        cut_at(&mut till.card, Some((write, side)));
        let outcome = till.send(CHANGE, b"271828314159");
        let done = till.card.memory().writes <= write;
        cut_at(&mut till.card, None);
        if done {
            assert_eq!(outcome.unwrap().0, 0x9000);
            break;
        }
        cuts += 1;
        assert_eq!(outcome, Err(Failure::Gone));
        till.card.reset();
        till.open_without_pin();
        // One PIN or the other; a cut can cost a try, never give one.
        let new = till.session.verify(&mut till.card, b"314159", 1, 1);
        let old = till.session.verify(&mut till.card, b"271828", 1, 1);
        assert_eq!((new == 0x9000) as u8 + (old == 0x9000) as u8, 1);
    }
    assert_eq!(cuts, 4);
}

fn blocked() -> Till {
    let mut till = Till::new();
    till.block_pin();
    till
}

fn photo(till: &Till, vnd: u64) -> Order<'static> {
    Order {
        method: HolderCheckMethod::PhotoDocument,
        amount: amount(vnd),
        ..till.order()
    }
}

#[test]
fn with_a_blocked_pin_two_operators_pay_less() {
    let mut till = blocked();
    let one = photo(&till, 1_000_000);
    let two = Order {
        second_operator: Ascii::new("op-02"),
        ..one
    };
    till.refuses(0x6346, &one);
    // The cap for it comes before the second operator.
    let more = amount(1_000_001);
    till.refuses(0x6343, &Order { amount: more, ..one });
    till.refuses(0x6343, &Order { amount: more, ..two });
    till.pays(&two);
}

#[test]
fn with_tries_left_one_operator_pays_up_to_the_cap_of_an_order() {
    let mut till = Till::new();
    till.pays(&photo(&till, 5_000_000));
    let mut till = Till::new();
    till.session.verify(&mut till.card, b"000000", 1, 1);
    till.session.verify(&mut till.card, b"000000", 1, 1);
    till.pays(&photo(&till, 5_000_000));
}

#[test]
fn the_cap_of_an_order_holds_with_a_blocked_pin_too() {
    let caps = card_spec::cso::Caps {
        order: amount(10),
        order_without_pin: amount(20),
        ..plan().caps
    };
    let mut till = Till::with(Plan { caps, ..plan() });
    till.block_pin();
    let two = Order {
        second_operator: Ascii::new("op-02"),
        ..photo(&till, 11)
    };
    till.refuses(0x6343, &two);
    till.pays(&Order {
        amount: amount(10),
        ..two
    });
}

#[test]
fn a_second_operator_helps_no_pin_and_no_method_that_is_not_allowed() {
    let mut till = blocked();
    let pin = Order {
        second_operator: Ascii::new("op-02"),
        ..till.order()
    };
    till.refuses(0x6346, &pin);
    let policy = HolderCheckPolicy {
        methods: HolderCheckPolicy::PIN,
        ..plan().policy
    };
    let mut till = Till::with(Plan { policy, ..plan() });
    let order = Order {
        second_operator: Ascii::new("op-02"),
        ..photo(&till, 1)
    };
    till.refuses(0x6346, &order);
    till.block_pin();
    till.refuses(0x6346, &order);
}
