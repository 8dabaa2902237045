//! What the clerk sees on the panel of 128 × 64 pixels, for everything that [`crate::text`] says: pictures in `screens/`, to
//! be looked at, and the panel must draw exactly those.
//!
//! After a text has changed: `SCREENS=write cargo test -p terminal screens`, and look at them.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

extern crate std;

use core::fmt::Write as _;
use std::format;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::string::{String, ToString as _};
use std::vec::Vec;

use card_spec::groups::Representative;
use card_spec::journal::{Refusal, RefusalReason, ShiftEnd};
use card_spec::list::ListLine;
use card_spec::payment::{
    ClockSource, HolderCheckMethod, LineKey, LineKeyParts, LineType, Operator, Order, Recipient,
    SecondOperator,
};
use card_spec::values::{Amount, Ascii, CardNumber, Date, Digits, Period, Programme, Text, Time};
use screen::oled::Frame;
use screen::{HEIGHT, LANGUAGE_KEY, PAGE_KEY, Panel, WIDTH};

use crate::Output;
use crate::cash::Telling;
use crate::clock_setting::WrongTime;
use crate::outbox::Outbox;
use crate::shift::Wish;
use crate::standing::Unhanded;
use crate::totals::Totals;
use crate::{by_hand_text, handover_text, shift_text, text};

const COLUMNS: usize = 4;
const GAP: usize = 4;
const TILE: (usize, usize) = (WIDTH as usize + GAP, HEIGHT as usize + GAP);

/// A screen and what it is of.
struct Tile {
    name: String,
    frame: Frame,
}

fn draw(panel: &Panel) -> Frame {
    let mut frame = Frame::default();
    let Ok(()) = panel.draw(&mut frame);
    frame
}

/// A panel that shows what the core says.
fn panel(say: impl FnOnce(&mut Outbox)) -> Panel {
    let mut out = Outbox::new();
    say(&mut out);
    let mut panel = Panel::default();
    if let Some(Output::Screen(text)) = out.next() {
        panel.append(text);
    }
    panel
}

fn tile(name: &str, say: impl FnOnce(&mut Outbox)) -> Tile {
    Tile {
        name: name.to_string(),
        frame: draw(&panel(say)),
    }
}

/// Rows of pixels: true is lit. Between the tiles all is lit.
fn sheet(tiles: &[Tile]) -> Vec<Vec<bool>> {
    let rows = tiles.len().div_ceil(COLUMNS);
    let mut pixels = std::vec![std::vec![true; COLUMNS * TILE.0 + GAP]; rows * TILE.1 + GAP];
    for (index, tile) in tiles.iter().enumerate() {
        let (left, top) = corner(index);
        for y in 0..HEIGHT as usize {
            for x in 0..WIDTH as usize {
                pixels[top + y][left + x] = tile.frame.is_lit(x, y);
            }
        }
    }
    pixels
}

fn corner(index: usize) -> (usize, usize) {
    (GAP + index % COLUMNS * TILE.0, GAP + index / COLUMNS * TILE.1)
}

fn write(path: &Path, pixels: &[Vec<bool>]) {
    let file = BufWriter::new(File::create(path).expect("the picture can be written"));
    let mut encoder = png::Encoder::new(file, pixels[0].len() as u32, pixels.len() as u32);
    encoder.set_depth(png::BitDepth::One);
    let bytes: Vec<u8> = pixels
        .iter()
        .flat_map(|row| {
            row.chunks(8).map(|eight| {
                let byte = eight.iter().fold(0_u8, |byte, lit| byte << 1 | u8::from(*lit));
                byte << (8 - eight.len())
            })
        })
        .collect();
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&bytes).expect("pixels");
}

fn read(path: &Path) -> Vec<Vec<bool>> {
    let file = File::open(path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
    let mut reader = png::Decoder::new(BufReader::new(file))
        .read_info()
        .expect("a picture");
    let width = reader.info().width as usize;
    let mut bytes = std::vec![0; reader.output_buffer_size().expect("small")];
    reader.next_frame(&mut bytes).expect("pixels");
    bytes
        .chunks(width.div_ceil(8))
        .map(|row| (0..width).map(|x| row[x / 8] << (x % 8) & 0x80 != 0).collect())
        .collect()
}

/// Where the clerk reads the end of a sentence alone, it may say the contrary of the whole: so everything is to be on one page.
#[track_caller]
fn whole(name: &str, say: impl FnOnce(&mut Outbox)) -> Tile {
    let mut panel = panel(say);
    let frame = draw(&panel);
    panel.key(PAGE_KEY);
    assert!(frame == draw(&panel), "{name:?} has more than one page");
    Tile {
        name: name.to_string(),
        frame,
    }
}

/// The tiles are as they were looked at.
#[track_caller]
fn look(name: &str, tiles: &[Tile]) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "screens", &format!("{name}.png")]
        .iter()
        .collect();
    let drawn = sheet(tiles);
    if std::env::var_os("SCREENS").is_some() {
        return write(&path, &drawn);
    }
    let kept = read(&path);
    for (index, tile) in tiles.iter().enumerate() {
        let (left, top) = corner(index);
        let same = (top..top + HEIGHT as usize).all(|y| {
            let part = |pixels: &[Vec<bool>]| {
                pixels
                    .get(y)?
                    .get(left..left + WIDTH as usize)
                    .map(<[bool]>::to_vec)
            };
            part(&drawn) == part(&kept)
        });
        assert!(same, "{name}: the screen of {:?} is another", tile.name);
    }
    assert!(drawn == kept, "{name}: there are screens too many or too few");
}

fn number(serial: u64) -> CardNumber {
    CardNumber::new(79, serial).unwrap_or_else(|| panic!("a card number"))
}

fn dong(vnd: u64) -> Amount {
    Amount::new(vnd).expect("an amount")
}

#[test]
fn each_state() {
    let day = card_spec::values::Date::new(2026, 11, 5);
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
        ],
    );
}

#[test]
fn paid_by_hand() {
    let line = ListLine {
        number: 12,
        card_number: number(42),
        line_key: LineKey::new(&LineKeyParts {
            person: [7; 16],
            programme: Programme::SUDDEN_RELIEF,
            entitlement: 1,
            line_type: LineType::Regular,
            period: Period::new(2026, 11).expect("a month"),
        }),
        amount: dong(500_000),
        recipients: 1,
    };
    look(
        "by-hand",
        &[
            tile("hint", |out| {
                text::idle(out, true, Date::new(2026, 11, 22));
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

fn day() -> Date {
    Date::new(2026, 11, 22).expect("a day")
}

fn morning() -> Time {
    Time::new(day(), 8, 30, 0).expect("a time")
}

/// Who opens and ends shifts, and what a wrong PIN brings.
#[test]
fn a_shift() {
    let wishes = [
        ("shift", Wish::Shift),
        ("clock", Wish::Clock),
        ("second", Wish::Second),
    ];
    let mut tiles = std::vec![
        whole("unprotected", shift_text::unprotected),
        whole("name", |out| shift_text::ask_operator(out, false)),
        whole("name or number", |out| shift_text::ask_operator(out, true)),
        whole("PIN", shift_text::ask_operator_pin),
        whole("nobody vouches", shift_text::nobody_vouches),
        whole("opened", |out| shift_text::opened(out, "Nguyễn Thị Lan", true)),
    ];
    for (name, wish) in wishes {
        tiles.push(whole(&format!("nobody: {name}"), |out| {
            shift_text::no_operator(out, wish)
        }));
        tiles.push(whole(&format!("wrong PIN: {name}"), |out| {
            shift_text::unproven(out, wish, &because(RefusalReason::WrongPin));
            shift_text::wait_first(out, wish, 30);
        }));
        tiles.push(whole(&format!("wait: {name}"), |out| {
            shift_text::still_to_wait(out, wish, 3_600);
        }));
        tiles.push(whole(&format!("other operators: {name}"), |out| {
            shift_text::other_operators(out, wish);
        }));
    }
    for end in [ShiftEnd::Closed, ShiftEnd::Idle, ShiftEnd::OperatorsChanged] {
        tiles.push(whole(&format!("{end:?}"), |out| {
            shift_text::closed(out, "Nguyễn Thị Lan", end)
        }));
    }
    look("shift", &tiles);
}

fn because(reason: RefusalReason) -> Refusal {
    Refusal {
        reason,
        card_number: None,
        line_number: None,
        status_word: (reason == RefusalReason::RefusedByCard).then_some(0x6985),
        closes_intent: None,
    }
}

/// An operator proves to be the one by a card.
#[test]
fn an_operators_card() {
    // As long as the host lets one be.
    const NAME: &str = "minh.hanh-2";
    let mut tiles = std::vec![
        whole("PIN of the card", |out| shift_text::ask_card_pin(out, NAME)),
        whole("no PIN", |out| {
            shift_text::no_card_pin(out);
            shift_text::ask_card_pin(out, NAME);
        }),
        whole("card", |out| shift_text::tap_operator_card(out, NAME)),
        whole("torn", |out| {
            shift_text::unproven(out, Wish::Shift, &because(RefusalReason::CardRemoved));
            shift_text::tap_operator_card(out, NAME);
        }),
    ];
    for wish in [Wish::Shift, Wish::Clock, Wish::Second] {
        tiles.push(whole("another card", |out| {
            shift_text::other_card(out, wish, NAME);
            shift_text::wait_first(out, wish, 30);
        }));
        tiles.push(whole("wrong PIN", |out| {
            shift_text::unproven(out, wish, &because(RefusalReason::WrongPin));
            shift_text::card_tries_left(out, 2);
            shift_text::wait_first(out, wish, 30);
        }));
        tiles.push(whole("last try", |out| {
            shift_text::unproven(out, wish, &because(RefusalReason::WrongPin));
            shift_text::card_tries_left(out, 0);
            shift_text::wait_first(out, wish, 30);
        }));
        tiles.push(whole("forged", |out| {
            shift_text::forged_card(out, wish);
            shift_text::wait_first(out, wish, 30);
        }));
    }
    let refused = [
        RefusalReason::PinBlocked,
        RefusalReason::CardBlocked,
        RefusalReason::CardExpired,
        RefusalReason::UnknownIssuer,
        RefusalReason::RefusedByCard,
    ];
    tiles.extend(refused.map(|reason| {
        whole(&format!("{reason:?}"), |out| {
            shift_text::unproven(out, Wish::Second, &because(reason));
        })
    }));
    look("operator-card", &tiles);
}

#[test]
fn the_clock() {
    let wrong = [WrongTime::NoTime, WrongTime::Behind, WrongTime::Beyond];
    let mut tiles = std::vec![
        whole("unset", |out| shift_text::clock_source(out, ClockSource::Unset)),
        whole("by an operator", |out| {
            shift_text::clock_source(out, ClockSource::Operator)
        }),
        whole("by a host", shift_text::host_clock),
        whole("nobody sets it", shift_text::nobody_sets_clock),
        whole("asked", shift_text::ask_time),
        whole("set", |out| shift_text::clock_set(
            out,
            morning(),
            "Trần Văn Minh"
        )),
    ];
    tiles.extend(wrong.map(|wrong| whole(&format!("{wrong:?}"), |out| shift_text::wrong_time(out, wrong))));
    look("clock", &tiles);
}

/// What a shift has paid, what it has got and counted, and what the list still has.
#[test]
fn the_day() {
    let totals = |received| {
        let mut totals = Totals::default();
        for _ in 0..3 {
            totals.paid(dong(500_000));
            totals.handed(dong(500_000));
        }
        totals.refused();
        totals.cash.receive(dong(received));
        totals
    };
    let kept = totals(20_000_000).cash;
    let line = |number| ListLine {
        number,
        card_number: self::number(u64::from(number)),
        line_key: due_key(LineType::Regular),
        amount: dong(500_000),
        recipients: 1,
    };
    look(
        "day",
        &[
            tile("totals", |out| shift_text::totals(out, &totals(0))),
            tile("totals with cash", |out| {
                shift_text::totals(out, &totals(20_000_000))
            }),
            whole("list", |out| {
                shift_text::list_totals(out, 12, 4_000, totals(0).paid)
            }),
            tile("unpaid", |out| {
                shift_text::unpaid_list(out, 12);
                shift_text::unpaid_line(out, &line(7));
                shift_text::unpaid_line(out, &line(4_000));
                shift_text::next_page(out);
            }),
            whole("no more unpaid", shift_text::no_more_unpaid),
            whole("no list", shift_text::no_list),
            whole("unreadable list", shift_text::unreadable_list),
            whole("cash received?", |out| {
                shift_text::ask_cash(out, Telling::Received)
            }),
            whole("cash counted?", |out| shift_text::ask_cash(out, Telling::Counted)),
            whole("is it so much?", |out| {
                shift_text::confirm_cash(out, dong(20_000_000))
            }),
            whole("not recorded", shift_text::cash_unrecorded),
            whole("received", |out| {
                shift_text::cash_received(out, dong(5_000_000), kept)
            }),
            whole("correct", |out| {
                shift_text::cash_counted(out, dong(18_500_000), dong(18_500_000))
            }),
            whole("over", |out| {
                shift_text::cash_counted(out, dong(18_500_000), dong(18_600_000))
            }),
            whole("short", |out| {
                shift_text::cash_counted(out, dong(18_500_000), dong(18_400_000))
            }),
            whole("nothing received", shift_text::no_cash),
            whole("overdrawn", |out| shift_text::overdrawn(out, dong(500_000))),
            whole("count first", shift_text::count_first),
        ],
    );
}

fn due_key(line_type: LineType) -> LineKey {
    LineKey::new(&LineKeyParts {
        person: [7; 16],
        programme: Programme::SUDDEN_RELIEF,
        entitlement: 1,
        line_type,
        period: Period::new(2026, 11).expect("a month"),
    })
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
        line_key: LineKey::new(&LineKeyParts {
            person: [7; 16],
            programme: Programme::SUDDEN_RELIEF,
            entitlement: 1,
            line_type: LineType::Regular,
            period: Period::new(2026, 11).expect("a month"),
        }),
        amount: dong(500_000),
        recipient: Recipient::Holder,
        method: HolderCheckMethod::Pin,
        operator: Operator::new("LAN").expect("an operator"),
        second_operator: None,
        time: Date::new(2026, 11, 22)
            .and_then(|day| Time::new(day, 8, 30, 0))
            .expect("a time"),
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
