//! Payments by hand (DATA 5.7): a list allows them, two operators vouch for them, and a line is paid once all the same.

use ansinh_audit::{Code, Report};
use card_spec::journal::Event;
use card_spec::payment::{LineType, Operator, Order};
use card_spec::values::{Ascii, Time};
use vectors::{LineSpec, World};

use crate::{november, world_gives};

const VND: u64 = 500_000;

/// The first terminal has operators, and a list that lets lines of card 3 be paid by hand up to a sum; then `what` happens with it.
fn allowed_up_to(most: u64, what: impl Fn(&mut World, usize), expected: &[Code]) -> Report {
    world_gives(
        |world| {
            load_operators(world);
            let list = list(world, most);
            what(world, list);
        },
        expected,
    )
}

fn load_operators(world: &mut World) {
    world.terminals[0].log(Event::OperatorsLoaded {
        list: [1; 32],
        number: 1,
    });
}

fn list(world: &mut World, most: u64) -> usize {
    let line = LineSpec {
        entitlement: 77,
        ..LineSpec::new(2, november(), LineType::OneOff, VND)
    };
    let lines = vec![(2, world.line(1, &line))];
    let list = world.issue_by_hand(0, most, lines);
    world.load_list(0, list);
    list
}

fn pay(world: &mut World, list: usize) -> u32 {
    let order = world.order_by_hand(0, list, 1);
    world.pay_by_hand(0, 2, &order)
}

fn bent(bend: impl Fn(&mut Order<'static>), expected: &[Code]) {
    allowed_up_to(
        VND,
        |world, list| {
            let mut order = world.order_by_hand(0, list, 1);
            bend(&mut order);
            world.pay_by_hand(0, 2, &order);
        },
        expected,
    );
}

#[test]
fn what_a_list_allows_is_told_beside_the_payments_of_cards() {
    let before = allowed_up_to(VND, |_, _| {}, &[]).totals;
    let report = allowed_up_to(
        VND,
        |world, list| {
            let intent = pay(world, list);
            world.terminals[0].log(Event::Handed { intent });
        },
        &[],
    );
    let after = &report.totals;
    assert_eq!((after.by_hand, after.by_hand_vnd), (1, VND));
    assert_eq!(
        (after.payments, after.paid_vnd, after.handed),
        (before.payments, before.paid_vnd, before.handed + 1)
    );
    assert!(
        report
            .to_string()
            .contains("Paid by hand, which no card proves: 1, 500000 VND.")
    );
}

#[test]
fn no_more_than_the_list_allows() {
    allowed_up_to(
        VND - 1,
        |world, list| {
            pay(world, list);
        },
        &[Code::ByHand],
    );
    world_gives(
        |world| {
            load_operators(world);
            pay_line_3(world);
        },
        &[Code::ByHand],
    );
}

fn pay_line_3(world: &mut World) {
    let order = world.order_by_hand(0, 0, 3);
    world.pay_by_hand(0, 2, &order);
}

#[test]
fn two_operators_where_a_list_of_them_was_loaded() {
    world_gives(
        |world| {
            let list = list(world, VND);
            pay(world, list);
        },
        &[Code::ByHandOperators],
    );
    bent(
        |order| order.operator = Operator::new("clerk-09").unwrap(),
        &[Code::OrderOperator],
    );
    bent(|order| order.second_operator = Ascii::new("clerk-09"), &[]);
}

#[test]
fn a_line_is_paid_once_by_card_or_by_hand() {
    let by_card = |world: &mut World, list: usize| world.pay(0, list, 1);
    let by_hand = |world: &mut World, list: usize| {
        pay(world, list);
    };
    type Pay = fn(&mut World, usize);
    let both: [Pay; 2] = [by_card, by_hand];
    for (first, second) in [(0, 1), (1, 0), (1, 1)] {
        allowed_up_to(
            VND,
            |world, list| {
                both[first](world, list);
                both[second](world, list);
            },
            &[Code::PaidTwice],
        );
    }
}

#[test]
fn what_was_not_handed_over_is_not_paid() {
    let report = allowed_up_to(
        VND,
        |world, list| {
            let intent = pay(world, list);
            world.not_handed(0, intent);
            world.pay(0, list, 1);
        },
        &[],
    );
    assert_eq!((report.totals.by_hand, report.totals.not_handed), (0, 0));
    allowed_up_to(
        VND,
        |world, list| {
            let intent = pay(world, list);
            world.terminals[0].log(Event::Handed { intent });
            world.not_handed(0, intent);
            world.pay(0, list, 1);
        },
        &[Code::NotHanded, Code::PaidTwice],
    );
}

#[test]
fn orders_that_do_not_fit_their_place_list_or_card() {
    bent(|order| order.sequence += 1, &[Code::OrderPlace]);
    bent(|order| order.log_head[0] ^= 1, &[Code::OrderPlace]);
    bent(|order| order.line_number = 2, &[Code::OrderLine]);
    bent(|order| order.list_root[0] ^= 1, &[Code::OrderList]);
    let late = Time::new(vectors::date(2026, 11, 26), 9, 0, 0).unwrap();
    bent(|order| order.time = late, &[Code::OrderDate]);
    // Another card's line.
    allowed_up_to(
        VND,
        |world, list| {
            let order = world.order_by_hand(0, list, 1);
            world.pay_by_hand(0, 1, &order);
        },
        &[Code::OrderLine],
    );
    allowed_up_to(
        VND,
        |world, list| {
            let blocked = world.issue_block_list(&[2, 4]);
            world.load_block_list(0, &blocked);
            pay(world, list);
        },
        &[Code::BlockedCard],
    );
    allowed_up_to(
        VND,
        |world, list| {
            let order = world.order(0, list, 1);
            world.intent(0, &order);
            pay(world, list);
        },
        &[Code::IntentOpen],
    );
}
