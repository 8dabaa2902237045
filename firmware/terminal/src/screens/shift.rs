//! The screens that are about the terminal's day: who opens and ends a shift, the clock, cash and list.

use std::format;

use card_spec::journal::{Refusal, RefusalReason, ShiftEnd};
use card_spec::list::ListLine;
use card_spec::payment::{ClockSource, LineType};
use card_spec::values::Time;

use super::{day, dong, due_key, look, number, std, tile, whole};
use crate::cash::Telling;
use crate::clock_setting::WrongTime;
use crate::shift::Wish;
use crate::shift_text;
use crate::totals::Totals;

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
