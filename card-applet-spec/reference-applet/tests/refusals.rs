//! Every row of SPEC 9.3 refuses what it must, changes nothing, and lets the next right order pass.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::cso::{Caps, HolderCheckPolicy};
use card_spec::payment::{ClockSource, HolderCheckMethod, LineKey, LineKeyParts, LineType, Order};
use card_spec::values::Time;
use common::issuer::{IssuerHost, Office, Plan, active_card, plan, programme};
use common::terminal::{Terminal, bytes, line, receipt};
use common::till::{Till, amount, at};
use common::{Failure, date};
use reference_applet::Slot;

#[test]
fn another_terminals_order() {
    let mut till = Till::new();
    let order = Order {
        terminal: "VNT0000002".parse().unwrap(),
        ..till.order()
    };
    assert_eq!(
        till.disburse(&order),
        Err(Failure::Refused(card_spec::apdu::StatusWord(0x6982)))
    );
    let order = till.order();
    till.pays(&order);
}

#[test]
fn another_cards_order() {
    let mut till = Till::new();
    let right = till.order();
    till.refuses(
        0x6349,
        &Order {
            cso_hash: [0; 32],
            ..right
        },
    );
    till.refuses(
        0x6349,
        &Order {
            line_key: line([0xBF; 16], b"BTXH", 1, (2026, 11)),
            ..right
        },
    );
    till.pays(&right);
}

#[test]
fn a_day_outside_the_dates() {
    let mut till = Till::new();
    let right = till.order();
    // The terminal's certificate: 15 November to 19 December.
    till.refuses(
        0x6345,
        &Order {
            time: at(2026, 11, 14),
            ..right
        },
    );
    till.refuses(
        0x6345,
        &Order {
            time: at(2026, 12, 20),
            ..right
        },
    );
    till.pays(&Order {
        time: at(2026, 12, 19),
        ..right
    });
    till.pays(&Order {
        time: at(2026, 11, 15),
        line_key: line([0xBE; 16], b"BTXH", 1, (2026, 12)),
        ..right
    });

    // A CSO that becomes valid, or ends, within the terminal's days.
    let mut till = Till::with(Plan {
        dates: (date(2026, 11, 20), date(2026, 12, 1)),
        ..plan()
    });
    let right = till.order();
    till.refuses(
        0x6345,
        &Order {
            time: at(2026, 11, 19),
            ..right
        },
    );
    till.refuses(
        0x6345,
        &Order {
            time: at(2026, 12, 2),
            ..right
        },
    );
    till.pays(&Order {
        time: at(2026, 12, 1),
        ..right
    });
}

#[test]
fn a_programme_that_is_not_on_the_card_or_has_ended() {
    let mut till = Till::new();
    let right = till.order();
    till.refuses(
        0x6341,
        &Order {
            line_key: line([0xBE; 16], b"NGCC", 1, (2026, 11)),
            ..right
        },
    );
    till.refuses(
        0x6341,
        &Order {
            line_key: line([0xBE; 16], b"HTXH", 1, (2026, 11)),
            ..right
        },
    );
    till.pays(&Order {
        line_key: line([0xBE; 16], b"DXUA", 1, (2026, 11)),
        ..right
    });
}

#[test]
fn a_period_outside_the_window() {
    // The remembered date is 15 November 2026.
    let mut till = Till::new();
    let right = till.order();
    till.refuses(
        0x6342,
        &Order {
            line_key: line([0xBE; 16], b"BTXH", 1, (2023, 10)),
            ..right
        },
    );
    till.refuses(
        0x6342,
        &Order {
            line_key: line([0xBE; 16], b"BTXH", 1, (2027, 3)),
            ..right
        },
    );
    till.pays(&Order {
        line_key: line([0xBE; 16], b"BTXH", 1, (2023, 11)),
        ..right
    });
    till.pays(&Order {
        line_key: line([0xBE; 16], b"BTXH", 1, (2027, 2)),
        ..right
    });
}

#[test]
fn a_paid_line_whatever_else_the_order_says() {
    let mut till = Till::new();
    let right = till.order();
    let standing = till.pays(&right);
    let others = [
        Order {
            nonce: [2; 16],
            ..right
        },
        Order {
            amount: amount(1),
            ..right
        },
        Order {
            line_number: 2,
            ..right
        },
        Order {
            list_root: [0; 32],
            ..right
        },
        Order {
            sequence: 77,
            ..right
        },
    ];
    for other in others {
        let before = till.card.memory().slots.clone();
        assert_eq!(till.disburse(&other), Ok((0x6340, standing.clone())));
        assert!(till.card.memory().slots == before);
    }
    // Another entitlement, line type or month is another line.
    let small = Order {
        amount: amount(1),
        ..right
    };
    till.pays(&Order {
        line_key: line([0xBE; 16], b"BTXH", 2, (2026, 11)),
        ..small
    });
    let arrears = LineKeyParts {
        line_type: LineType::Arrears,
        ..right.line_key.parts()
    };
    till.pays(&Order {
        line_key: LineKey::new(&arrears),
        ..small
    });
}

#[test]
fn caps_of_an_order_and_of_a_month() {
    let mut till = Till::new();
    let right = till.order();
    till.refuses(
        0x6343,
        &Order {
            amount: amount(5_000_001),
            ..right
        },
    );
    till.pays(&Order {
        amount: amount(5_000_000),
        ..right
    });
    let second = Order {
        line_key: line([0xBE; 16], b"BTXH", 2, (2026, 11)),
        amount: amount(5_000_000),
        ..right
    };
    till.pays(&second);
    // 10 of 12 million are used.
    let third = Order {
        line_key: line([0xBE; 16], b"BTXH", 3, (2026, 11)),
        ..right
    };
    till.refuses(
        0x6344,
        &Order {
            amount: amount(2_000_001),
            ..third
        },
    );
    till.pays(&Order {
        amount: amount(2_000_000),
        ..third
    });
    // December is a new month; an order dated November then counts to December (SPEC 9.5).
    let fourth = Order {
        line_key: line([0xBE; 16], b"BTXH", 4, (2026, 11)),
        amount: amount(5_000_000),
        ..right
    };
    till.refuses(0x6344, &fourth);
    till.pays(&Order {
        time: at(2026, 12, 1),
        ..fourth
    });
}

#[test]
fn an_earlier_month_counts_to_the_kept_one() {
    let mut till = Till::new();
    let right = Order {
        amount: amount(5_000_000),
        ..till.order()
    };
    till.pays(&Order {
        time: at(2026, 12, 1),
        ..right
    });
    till.pays(&Order {
        line_key: line([0xBE; 16], b"BTXH", 2, (2026, 11)),
        ..right
    });
    till.refuses(
        0x6344,
        &Order {
            line_key: line([0xBE; 16], b"BTXH", 3, (2026, 11)),
            ..right
        },
    );
}

#[test]
fn a_holder_who_was_not_checked() {
    let office = Office::new();
    let mut card = active_card(&office, &plan());
    let session = Terminal::new(&office).open(&mut card).unwrap();
    let mut till = Till {
        card,
        session,
        plan: plan(),
    };
    let right = till.order();
    till.refuses(0x6346, &right);
    // Fewer orders or a lower total than asked for.
    let pin = till.plan.pin;
    assert_eq!(till.session.verify(&mut till.card, &pin, 1, 999_999), 0x9000);
    till.refuses(0x6346, &right);
    assert_eq!(till.session.verify(&mut till.card, &pin, 1, 5_000_000), 0x9000);
    till.pays(&right);
    let next = Order {
        line_key: line([0xBE; 16], b"BTXH", 1, (2026, 12)),
        ..right
    };
    till.refuses(0x6346, &next);
    // A wrong PIN takes away what an earlier right one gave.
    assert_eq!(till.session.verify(&mut till.card, &pin, 1, 5_000_000), 0x9000);
    assert_eq!(
        till.session.verify(&mut till.card, b"000000", 1, 5_000_000),
        0x63C2
    );
    till.refuses(0x6346, &next);
    // The photo document needs no PIN, and the receipt says that the card saw none.
    let object = till.pays(&Order {
        method: HolderCheckMethod::PhotoDocument,
        ..next
    });
    let (body, _) = receipt(&till.session.cso, &object);
    assert!(!body.holder_check.pin_verified);
    assert_eq!(body.holder_check.tries_left, 2);
}

#[test]
fn a_pin_authorizes_a_total_and_not_a_dong_more() {
    let mut till = Till::new();
    let pin = till.plan.pin;
    assert_eq!(till.session.verify(&mut till.card, &pin, 5, 1_500_000), 0x9000);
    let right = till.order();
    till.pays(&right);
    let next = Order {
        line_key: line([0xBE; 16], b"BTXH", 1, (2026, 12)),
        ..right
    };
    till.refuses(
        0x6346,
        &Order {
            amount: amount(500_001),
            ..next
        },
    );
    till.pays(&Order {
        amount: amount(500_000),
        ..next
    });
}

#[test]
fn a_method_that_the_policy_does_not_allow() {
    let policy = |methods| HolderCheckPolicy {
        methods,
        ..plan().policy
    };
    let mut till = Till::with(Plan {
        policy: policy(HolderCheckPolicy::PIN),
        ..plan()
    });
    let right = till.order();
    till.refuses(
        0x6346,
        &Order {
            method: HolderCheckMethod::PhotoDocument,
            ..right
        },
    );
    till.pays(&right);
    let mut till = Till::with(Plan {
        policy: policy(HolderCheckPolicy::PHOTO_DOCUMENT),
        ..plan()
    });
    let right = till.order();
    till.refuses(0x6346, &right);
    till.pays(&Order {
        method: HolderCheckMethod::PhotoDocument,
        ..right
    });
}

#[test]
fn orders_that_are_not_well_formed() {
    let mut till = Till::new();
    let right = till.order();
    let wrong = card_spec::apdu::StatusWord(0x6A80);
    let invalid = [
        Order {
            amount: amount(0),
            ..right
        },
        Order {
            time: Time::UNSET,
            ..right
        },
        Order {
            clock: ClockSource::Unset,
            ..right
        },
        Order {
            line_key: LineKey::new(&LineKeyParts {
                line_type: LineType::Recovery,
                ..right.line_key.parts()
            }),
            ..right
        },
    ];
    for order in invalid {
        assert_eq!(till.disburse(&order), Err(Failure::Refused(wrong)));
    }
    let whole = bytes(&right);
    for end in 0..whole.len() {
        assert!(
            till.session
                .disburse_bytes(&mut till.card, &whole[..end])
                .is_err(),
            "{end} bytes were accepted"
        );
    }
    let trailing = [&whole[..], &[0]].concat();
    assert_eq!(
        till.session.disburse_bytes(&mut till.card, &trailing),
        Err(Failure::Refused(wrong))
    );
    // A flipped tag or length is refused; a flipped value is another order, which may be a right one.
    let mut at = 4;
    while at < whole.len() {
        for place in [at, at + 1] {
            let mut flipped = whole.clone();
            flipped[place] ^= 0x01;
            assert_eq!(
                till.session.disburse_bytes(&mut till.card, &flipped),
                Err(Failure::Refused(wrong)),
                "byte {place}"
            );
        }
        at += 2 + usize::from(whole[at + 1]);
    }
    assert_eq!(at, whole.len());
    till.pays(&right);
}

#[test]
fn two_refusals_at_once_answer_the_first_row() {
    let mut till = Till::new();
    let right = till.order();
    let far = line([0xBF; 16], b"NGCC", 1, (2023, 1));
    let all = Order {
        cso_hash: [0; 32],
        time: at(2027, 1, 1),
        line_key: far,
        amount: amount(6_000_000),
        ..right
    };
    till.refuses(0x6349, &all);
    let all = Order {
        cso_hash: right.cso_hash,
        line_key: line([0xBE; 16], b"NGCC", 1, (2023, 1)),
        ..all
    };
    till.refuses(0x6345, &all);
    let all = Order {
        time: right.time,
        ..all
    };
    till.refuses(0x6341, &all);
    let all = Order {
        line_key: line([0xBE; 16], b"BTXH", 1, (2023, 1)),
        ..all
    };
    till.refuses(0x6342, &all);
    let all = Order {
        line_key: right.line_key,
        amount: amount(12_000_001),
        ..all
    };
    till.refuses(0x6343, &all);

    // The holder's check comes after the caps.
    let policy = HolderCheckPolicy {
        methods: HolderCheckPolicy::PIN,
        ..plan().policy
    };
    let caps = Caps {
        order: amount(5_000_000),
        month: amount(4_000_000),
        order_without_pin: amount(1_000_000),
    };
    let mut till = Till::with(Plan {
        policy,
        caps,
        ..plan()
    });
    let unchecked = Order {
        method: HolderCheckMethod::PhotoDocument,
        ..till.order()
    };
    for (vnd, status) in [(5_000_001, 0x6343), (4_000_001, 0x6344), (4_000_000, 0x6346)] {
        till.refuses(
            status,
            &Order {
                amount: amount(vnd),
                ..unchecked
            },
        );
    }
}

#[test]
fn a_card_whose_memory_is_corrupt_pays_nothing() {
    let mut till = Till::new();
    let right = till.order();
    till.pays(&right);
    let next = Order {
        line_key: line([0xBE; 16], b"BTXH", 1, (2026, 12)),
        ..right
    };
    let sound = till.card.memory().slots.clone();
    let places = [
        Slot::KeyPairs,
        Slot::Pin,
        Slot::ContentIndex(0),
        // In the middle of the CSO.
        Slot::Content(0, 2),
        Slot::Ledger,
        Slot::PaidRow(39),
        Slot::Receipt(1),
    ];
    for place in places {
        let slots = &mut till.card.memory_mut().slots;
        slots[usize::from(place.index())] = vec![0xA0, 0x01, 0x00];
        let before = slots.clone();
        assert_eq!(
            till.disburse(&next),
            Err(Failure::Refused(card_spec::apdu::StatusWord(0x6F00))),
            "{place:?}"
        );
        assert!(till.card.memory().slots == before, "{place:?}");
        till.card.memory_mut().slots.clone_from(&sound);
    }
    till.pays(&next);
}

#[test]
fn disburse_is_not_for_the_issuer() {
    let mut till = Till::new();
    let order = bytes(&till.order());
    let mut host = IssuerHost::open(&mut till.card).unwrap();
    assert_eq!(
        host.secure
            .status(&mut till.card, [0x80, 0x54, 0x00, 0x00], &order[..200]),
        0x6D00
    );
}

#[test]
fn a_programme_code_is_compared_whole() {
    let mut till = Till::new();
    let right = till.order();
    let near = LineKeyParts {
        programme: programme(b"BTX1"),
        ..right.line_key.parts()
    };
    till.refuses(
        0x6341,
        &Order {
            line_key: LineKey::new(&near),
            ..right
        },
    );
}
