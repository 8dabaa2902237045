//! The screens that are about a holder and her card, from the prompt to the slip.

use core::fmt::Write as _;
use std::format;
use std::string::ToString as _;
use std::vec::Vec;

use card_spec::groups::Representative;
use card_spec::journal::{Refusal, RefusalReason};
use card_spec::list::ListLine;
use card_spec::payment::{
    ClockSource, HolderCheckMethod, LineType, Operator, Order, Recipient, SecondOperator,
};
use card_spec::values::{Ascii, Date, Digits, Text, Time};
use screen::{LANGUAGE_KEY, PAGE_KEY, Panel};

use super::{Tile, day, dong, draw, due_key, look, number, panel, std, tile, whole};
use crate::Output;
use crate::outbox::Outbox;
use crate::standing::Unhanded;
use crate::{by_hand_text, handover_text, text};

#[test]
fn each_state() {
    let day = Date::new(2026, 11, 5);
    assert!(day.is_some());
    look(
        "states",
        &[
            tile("not provisioned", text::not_provisioned),
            tile("damaged", text::damaged),
            tile("no shift", |out| text::idle(out, false, day)),
            tile("idle", |out| text::idle(out, true, day)),
            tile("clock unset", |out| text::idle(out, true, None)),
            tile("unsettled", text::unsettled),
            tile("same card", |out| text::tap_same_card(out, false)),
            tile("too many unknown", |out| text::tap_same_card(out, true)),
            tile("another card", text::another_card),
            tile("put aside", text::put_aside),
            tile("still open", text::still_open),
            tile("tap again", text::tap_again),
            tile("tries left", |out| text::tries_left(out, 2)),
            tile("last try", |out| text::tries_left(out, 1)),
            tile("document instead", text::document_instead),
            tile("swapped", |out| text::swapped(out, number(2), number(1))),
            tile("maybe blocked", text::maybe_blocked),
            tile("hold still", text::hold_still),
            tile("card blocked", text::card_blocked),
            tile("total", |out| text::total(out, dong(1_500_000), false)),
            tile("longest amount", |out| {
                text::total(out, dong(999_999_999_999), true)
            }),
            tile("paid", |out| text::paid(out, 4_000, dong(999_999_999_999))),
            tile("without PIN", text::without_pin),
            tile("not recorded", text::not_recorded),
            tile("not marked", text::unmarked),
        ],
    );
}

#[test]
fn receipts_of_other_terminals() {
    let order = order(17);
    look(
        "carried",
        &[
            tile("paid before", |out| text::paid_before(out, &order)),
            tile("wanted", text::tap_for_receipts),
            tile("taken", |out| {
                text::receipts_taken(out, 32);
                text::receipts_read(out);
            }),
            tile("torn", |out| {
                text::receipts_taken(out, 3);
                text::receipts_unread(out);
            }),
            tile("unread", text::receipts_unread),
            whole("no room", |out| {
                text::receipts_taken(out, 32);
                text::no_room_for_receipts(out);
            }),
        ],
    );
}

#[test]
fn money_not_handed_over() {
    look(
        "reversal",
        &[
            tile("hand over", |out| {
                let payment = Unhanded {
                    intent: 6,
                    amount: dong(1_500_000),
                    entry: 6,
                    by_hand: false,
                };
                handover_text::hand_over(out, &[payment]);
            }),
            tile("is it not", |out| handover_text::confirm_not_handed(out, false)),
            tile("are several not", |out| {
                handover_text::confirm_not_handed(out, true)
            }),
            tile("it is not", |out| handover_text::not_handed(out, false)),
            tile("several are not", |out| handover_text::not_handed(out, true)),
            tile("undone", handover_text::undone),
            tile("to be undone", handover_text::to_be_undone),
            tile("waits", handover_text::unreversed),
            tile("not undone yet", |out| handover_text::not_undone(out, false)),
            tile("not undone here", |out| handover_text::not_undone(out, true)),
            tile("perhaps undone", handover_text::not_newest),
            whole("undone by the issuer", handover_text::undone_by_issuer),
            whole("not undone by the issuer", handover_text::not_undone_by_issuer),
        ],
    );
}

#[test]
fn paid_by_hand() {
    let line = ListLine {
        number: 12,
        card_number: number(42),
        line_key: due_key(LineType::Regular),
        amount: dong(500_000),
        recipients: 1,
    };
    look(
        "by-hand",
        &[
            tile("hint", |out| {
                text::idle(out, true, Some(day()));
                by_hand_text::hint(out);
            }),
            tile("not allowed", by_hand_text::not_allowed),
            tile("second first", by_hand_text::second_first),
            tile("number", |out| {
                by_hand_text::ask_card_number(out);
                let _ = out.write_str("7900000000000429");
            }),
            tile("no number", by_hand_text::no_card_number),
            tile("look", |out| {
                text::due_line(out, &line);
                text::in_words(out, line.amount);
                by_hand_text::look(out, line.card_number);
            }),
            tile("in doubt", by_hand_text::in_doubt),
            tile("too many", by_hand_text::too_many),
            tile("nothing", by_hand_text::nothing_paid),
            tile("paid", |out| {
                by_hand_text::paid(out, line.card_number, line.amount);
                let payment = Unhanded {
                    intent: 6,
                    amount: line.amount,
                    entry: 6,
                    by_hand: true,
                };
                handover_text::hand_over(out, &[payment]);
            }),
        ],
    );
}

/// Who takes the money, and how the clerk knows.
#[test]
fn whom_to_pay() {
    let person = |relation: [u8; 2]| Representative {
        name: Text::new("Nguyễn Thị Hương Giang").expect("a name"),
        personal_id: Ascii::new("079240000001").expect("a number"),
        relation: Digits::from_bytes(relation).expect("two digits"),
        expiry: day(),
        document: None,
    };
    let takers = [
        Recipient::Holder,
        Recipient::FirstRepresentative,
        Recipient::SecondRepresentative,
    ];
    let mut tiles: Vec<Tile> = [*b"01", *b"02", *b"03", *b"04", *b"05", *b"06", *b"99"]
        .map(|relation| {
            whole(&format!("relation {relation:?}"), |out| {
                text::representative(out, 'a', &person(relation), relation != *b"06");
            })
        })
        .into();
    tiles.extend(takers.map(|taker| whole(&format!("{taker:?}"), |out| text::taker(out, taker))));
    tiles.extend([
        whole("second operator", |out| {
            text::second_operator(out, "Trần Văn Minh")
        }),
        whole("no second operator", text::no_second_operator),
        whole("not to be chosen", text::not_to_be_chosen),
        whole("document", text::look_at_document),
        whole("document again", text::look_again),
        whole("document not enough", text::document_not_enough),
    ]);
    tiles.extend(
        [
            LineType::Regular,
            LineType::Arrears,
            LineType::Funeral,
            LineType::OneOff,
            LineType::Advance,
            LineType::Supplement,
        ]
        .map(|line_type| {
            let line = ListLine {
                number: 1,
                card_number: number(1),
                line_key: due_key(line_type),
                amount: dong(1_000_000),
                recipients: 1,
            };
            whole(&format!("{line_type:?}"), |out| text::due_line(out, &line))
        }),
    );
    look("recipients", &tiles);
}

/// A payment at a terminal.
fn order(sequence: u32) -> Order<'static> {
    Order {
        terminal: "VNT0000001".parse().expect("a name"),
        sequence,
        log_head: [1; 32],
        list_root: [2; 32],
        cso_hash: [3; 32],
        line_number: 1,
        line_key: due_key(LineType::Regular),
        amount: dong(500_000),
        recipient: Recipient::Holder,
        method: HolderCheckMethod::Pin,
        operator: Operator::new("LAN").expect("an operator"),
        second_operator: None,
        time: Time::new(day(), 8, 30, 0).expect("a time"),
        clock: ClockSource::Host,
        nonce: [4; 16],
    }
}

/// A receipt of two payments.
#[test]
fn a_slip() {
    look(
        "slip",
        &[
            tile("slip", |out| handover_text::slip(out, order(17).terminal)),
            tile("line", |out| handover_text::slip_line(out, &order(17))),
            tile("by hand", |out| {
                let by_hand = Order {
                    second_operator: SecondOperator::new("MINH"),
                    ..order(17)
                };
                handover_text::slip_line(out, &by_hand);
                by_hand_text::slip(out, &by_hand);
            }),
            tile("all", |out| {
                handover_text::slip(out, order(17).terminal);
                handover_text::slip_line(out, &order(17));
                handover_text::slip_line(out, &order(20));
                text::total(out, dong(1_000_000), false);
            }),
            tile("no slip", handover_text::no_slip),
        ],
    );
}

fn refused(reason: RefusalReason, status_word: Option<u16>) -> Refusal {
    Refusal {
        reason,
        card_number: None,
        line_number: None,
        status_word,
        closes_intent: None,
    }
}

#[test]
fn each_refusal() {
    let reasons = (0..=u8::MAX).filter_map(RefusalReason::from_byte);
    let tiles: Vec<Tile> = reasons
        .map(|reason| {
            tile(&format!("{reason:?}"), |out| {
                text::refusal(out, &refused(reason, None))
            })
        })
        .collect();
    assert!(tiles.len() >= 16, "{}", tiles.len());
    look("refusals", &tiles);
    let tiles: Vec<Tile> = (0x6340..=0x634F)
        .map(|status| {
            let refusal = refused(RefusalReason::RefusedByCard, Some(status));
            tile(&format!("{status:04X}"), |out| text::refusal(out, &refusal))
        })
        .collect();
    look("decisions", &tiles);
}

/// One holder from tap to hand-over, with the keys that page and change the language.
#[test]
fn a_service() {
    let mut panel = panel(|out| {
        text::new_page(out);
        text::total(out, dong(1), false);
    });
    let mut tiles = Vec::new();
    let mut keep = |name: &str, panel: &Panel| {
        tiles.push(Tile {
            name: name.to_string(),
            frame: draw(panel),
        });
    };
    panel.append("\u{0C}Thẻ\u{1F} / card\u{1E} 1234 5678 9012: NGUYỄN THỊ HƯƠNG GIANG\n");
    panel.append(
        "   1. Trợ cấp hưu trí xã hội\u{1F} / social pension\u{1E}, hằng tháng\u{1F} / monthly\u{1E} 11/2026: 500.000 đồng\n   2. Cứu \
         trợ đột xuất\u{1F} / sudden relief\u{1E}, một lần\u{1F} / once\u{1E} 11/2026: 1.000.000 đồng\n",
    );
    let mut out = Outbox::new();
    text::total(&mut out, dong(1_500_000), false);
    if let Some(Output::Screen(text)) = out.next() {
        panel.append(text);
    }
    panel.append("Nhập PIN rồi Enter, c = hủy\u{1F} / Enter PIN, c = cancel\u{1E}: ");
    keep("PIN asked", &panel);
    panel.append("****");
    panel.append("\u{08} \u{08}");
    keep("PIN typed", &panel);
    for page in 1..=3 {
        assert!(panel.key(PAGE_KEY));
        keep(&format!("{page} pages back"), &panel);
    }
    assert!(panel.key(LANGUAGE_KEY));
    keep("with English", &panel);
    assert!(panel.key(PAGE_KEY) && panel.key(PAGE_KEY));
    keep("with English, two pages back", &panel);
    assert!(!panel.key(b'1') && !panel.key(b'\r'));
    panel.append("\u{0C}Chạm thẻ\n");
    assert!(!panel.key(b'c'));
    keep("the next holder", &panel);
    look("service", &tiles);
}
