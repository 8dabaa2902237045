//! Several payment lists in force: a list says which earlier ones stay beside it, a card is paid from all that are valid today, and
//! no power cut leaves another set than the one before or after.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod bench;

use std::cell::RefCell;

use bench::card::Card;
use bench::card::date;
use bench::card::issuer::{plan, signed};
use bench::host::{Host, ListPlan, card, line};
use bench::nor::TEARS;
use bench::{Bench, Chip, Story, chip, copy, layout, story};
use card_spec::journal::{Entry, Event, RefusalReason};
use card_spec::list::ListLine;
use card_spec::payment::{LineKey, LineKeyParts, LineType};
use card_spec::signed::Signed;
use card_spec::values::{CardNumber, Date, Period, Programme};
use link::{Refusal, Request};

const ONE: &[u8] = &[0, 0, 0, 1];
const TWO: &[u8] = &[0, 0, 0, 2];
const ONE_AND_TWO: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 2];
const ONE_TO_THREE: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
const TWO_TO_FOUR: &[u8] = &[0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4];

/// A sum after a disaster, for the usual holder.
fn relief(number: u32, entitlement: u16, vnd: u64) -> ListLine {
    with_key(line(number, entitlement, vnd), |key| {
        key.programme = Programme::SUDDEN_RELIEF;
        key.line_type = LineType::OneOff;
    })
}

fn with_key(line: ListLine, change: impl FnOnce(&mut LineKeyParts)) -> ListLine {
    let mut key = line.line_key.parts();
    change(&mut key);
    ListLine {
        line_key: LineKey::new(&key),
        ..line
    }
}

fn of_month(line: ListLine, month: u8) -> ListLine {
    with_key(line, |key| key.period = Period::new(2026, month).unwrap())
}

fn ended(list: ListPlan) -> ListPlan {
    let dates: (Date, Date) = (date(2026, 11, 1), date(2026, 11, 21));
    ListPlan { dates, ..list }
}

/// A terminal that can pay, with these lists, the first of which is number 1.
fn ready<'f>(flash: &'f RefCell<Chip>, lists: &[ListPlan]) -> (Bench<'f>, Host) {
    let mut bench = Bench::power_on(flash).unwrap();
    let mut host = Host::new(Vec::new());
    host.list = lists[0].clone();
    host.prepare(&mut bench).unwrap();
    for list in &lists[1..] {
        host.load_list(&mut bench, list).unwrap();
    }
    bench.type_keys("oLan\n");
    bench.read_screen();
    (bench, host)
}

fn pay(bench: &mut Bench<'_>, card: &mut Card) -> String {
    bench.tap(card);
    bench.type_keys("271828\n");
    bench.tap(card);
    bench.type_keys("\n\n");
    bench.read_screen()
}

fn told(bench: &mut Bench<'_>, host: &Host) -> Story {
    story(&bench.journal(), &host.journal_key.unwrap())
}

/// Amounts in VND of the orders, in turn.
fn ordered(bench: &mut Bench<'_>) -> Vec<u64> {
    let amount = |entry: Vec<u8>| match &Signed::<Entry<'_>>::parse(&entry).unwrap().claimed().event {
        Event::Intent(order) => Some(order.order().amount.vnd()),
        _ => None,
    };
    bench.journal().into_iter().filter_map(amount).collect()
}

/// Numbers of the lists that the screen counts, and how many lines each has left.
fn in_force(bench: &mut Bench<'_>) -> Vec<(u32, u32)> {
    bench.read_screen();
    bench.type_keys("t");
    let screen = bench.read_screen();
    let lists = screen.lines().filter_map(|line| line.strip_prefix("Danh sách "));
    let number = |text: &str| text.split_whitespace().next().unwrap().parse().unwrap();
    lists
        .map(|list| {
            let (list, left) = list.split_once(": còn ").unwrap();
            (number(list), number(left))
        })
        .collect()
}

const NOT_VALID: u8 = RefusalReason::ListNotValid as u8;
const NOT_ON_LIST: u8 = RefusalReason::NotOnList as u8;
const ALREADY_PAID: u8 = RefusalReason::AlreadyPaid as u8;

#[test]
fn a_card_is_paid_from_all_lists_in_force_with_one_pin() {
    let flash = chip();
    let monthly = ListPlan::new(1, vec![line(1, 1, 500_000)]);
    let beside = ListPlan::beside(2, ONE, vec![relief(1, 9, 2_000_000)]);
    let (mut bench, host) = ready(&flash, &[monthly, beside]);
    assert_eq!(in_force(&mut bench), [(1, 1), (2, 1)]);
    let mut card = card(&plan());
    bench.tap(&mut card);
    let screen = bench.read_screen();
    assert!(screen.contains("2.500.000 đồng"), "{screen}");
    // The words tell them apart, for both are line 1.
    assert!(screen.contains("500.000 đồng") && screen.contains("2.000.000 đồng"));
    bench.type_keys("271828\n");
    bench.tap(&mut card);
    bench.type_keys("\n");
    assert_eq!(ordered(&mut bench), [500_000, 2_000_000]);
    assert_eq!(in_force(&mut bench), [(1, 0), (2, 0)]);
    assert_eq!(told(&mut bench, &host).handed.len(), 2);
    // The marks are in flash: a start finds them.
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    host.set_time(&mut bench, bench::host::noon()).unwrap();
    bench.type_keys("oLan\n");
    assert_eq!(in_force(&mut bench), [(1, 0), (2, 0)]);
    bench.tap(&mut card);
    assert_eq!(told(&mut bench, &host).refused, [ALREADY_PAID]);
}

#[test]
fn the_oldest_period_is_paid_first_whatever_its_list() {
    let flash = chip();
    let monthly = ListPlan::new(1, vec![line(1, 1, 11), of_month(line(2, 2, 10), 10)]);
    let arrears = ListPlan::beside(2, ONE, vec![of_month(line(1, 3, 9), 9), line(2, 4, 12)]);
    let (mut bench, _) = ready(&flash, &[monthly, arrears]);
    pay(&mut bench, &mut card(&plan()));
    assert_eq!(ordered(&mut bench), [9, 10, 11, 12]);
}

#[test]
fn more_than_one_tap_pays_come_at_the_next_from_all_lists() {
    let flash = chip();
    let lines = |first: u16| (0..4).map(move |n| line(u32::from(n) + 1, first + n, u64::from(first + n)));
    let monthly = ListPlan::new(1, lines(1).collect());
    let arrears = ListPlan::beside(2, ONE, lines(5).map(|line| of_month(line, 9)).collect());
    let (mut bench, _) = ready(&flash, &[monthly, arrears]);
    let mut card = card(&plan());
    let screen = pay(&mut bench, &mut card);
    assert!(screen.contains("Còn khoản khác"), "{screen}");
    assert_eq!(ordered(&mut bench), [5, 6, 7, 8, 1]);
    pay(&mut bench, &mut card);
    assert_eq!(ordered(&mut bench)[5..], [2, 3, 4]);
}

#[test]
fn a_list_that_is_not_kept_is_not_paid_from() {
    let flash = chip();
    let monthly = ListPlan::new(1, vec![line(1, 1, 500_000)]);
    let beside = ListPlan::beside(2, ONE, vec![relief(1, 9, 2_000_000)]);
    let (mut bench, host) = ready(&flash, &[monthly, beside]);
    host.load_list(&mut bench, &ListPlan::beside(3, TWO, vec![line(1, 2, 7)]))
        .unwrap();
    assert_eq!(in_force(&mut bench), [(2, 1), (3, 1)]);
    pay(&mut bench, &mut card(&plan()));
    assert_eq!(ordered(&mut bench), [2_000_000, 7]);
    // One that keeps none ends them all, as a list of the next month does.
    let others = ListLine {
        card_number: CardNumber::new(79, 9).unwrap(),
        ..line(1, 3, 8)
    };
    host.load_list(&mut bench, &ListPlan::new(4, vec![others]))
        .unwrap();
    assert_eq!(in_force(&mut bench), [(4, 1)]);
    bench.tap(&mut card(&plan()));
    assert_eq!(told(&mut bench, &host).refused, [NOT_ON_LIST]);
}

#[test]
fn an_ended_list_does_not_stand_in_the_way_of_another() {
    let flash = chip();
    let monthly = ended(ListPlan::new(1, vec![line(1, 1, 500_000)]));
    let beside = ListPlan::beside(2, ONE, vec![relief(1, 9, 2_000_000)]);
    let (mut bench, host) = ready(&flash, &[monthly.clone(), beside.clone()]);
    pay(&mut bench, &mut card(&plan()));
    assert_eq!(ordered(&mut bench), [2_000_000]);
    // Nothing is due, but the money of the month is not paid.
    bench.tap(&mut card(&plan()));
    assert_eq!(told(&mut bench, &host).refused, [NOT_VALID]);
    let flash = chip();
    let (mut bench, host) = ready(&flash, &[monthly, ended(beside)]);
    bench.tap(&mut card(&plan()));
    assert_eq!(told(&mut bench, &host).refused, [NOT_VALID]);
}

#[test]
fn who_is_only_on_a_list_of_other_days_is_told_so() {
    let others = || {
        vec![ListLine {
            card_number: CardNumber::new(79, 9).unwrap(),
            ..relief(1, 9, 7)
        }]
    };
    let to_come = |list: ListPlan| ListPlan {
        dates: (date(2026, 11, 23), date(2026, 11, 30)),
        ..list
    };
    for of_other_days in [ended, to_come] {
        let flash = chip();
        let monthly = of_other_days(ListPlan::new(1, vec![line(1, 1, 500_000)]));
        let (mut bench, host) = ready(&flash, &[monthly, ListPlan::beside(2, ONE, others())]);
        bench.tap(&mut card(&plan()));
        assert_eq!(told(&mut bench, &host).refused, [NOT_VALID]);
        assert_eq!(ordered(&mut bench), [0_u64; 0]);
    }
}

/// While the holder types the PIN midnight passes.
#[test]
fn a_list_that_ends_between_the_taps_is_not_paid_from() {
    let flash = chip();
    let today = (date(2026, 11, 1), date(2026, 11, 22));
    let monthly = ListPlan {
        dates: today,
        ..ListPlan::new(1, vec![line(1, 1, 500_000)])
    };
    let beside = ListPlan::beside(2, ONE, vec![relief(1, 9, 2_000_000)]);
    let (mut bench, host) = ready(&flash, &[monthly, beside]);
    let midnight = 12 * 3_600_000;
    bench.wait(midnight - 5_000);
    bench.type_keys("oLan\n");
    let mut card = card(&plan());
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.wait(6_000);
    bench.tap(&mut card);
    assert_eq!(ordered(&mut bench), [0_u64; 0]);
    assert_eq!(told(&mut bench, &host).refused, [NOT_VALID]);
}

#[test]
fn a_line_that_stands_in_two_lists_is_paid_once() {
    let flash = chip();
    let both = || vec![line(1, 1, 500_000)];
    let second = || vec![relief(1, 9, 7), line(2, 1, 500_000)];
    let lists = [ListPlan::new(1, both()), ListPlan::beside(2, ONE, second())];
    let (mut bench, host) = ready(&flash, &lists);
    let mut first = card(&plan());
    pay(&mut bench, &mut first);
    assert_eq!(ordered(&mut bench), [500_000, 7]);
    bench.tap(&mut first);
    // It is known without asking the card, which would refuse it, too.
    assert_eq!(told(&mut bench, &host).refused, [ALREADY_PAID]);
    assert_eq!(ordered(&mut bench).len(), 2);

    // Its mark counts although the list with the mark has ended since.
    let flash = chip();
    let today = (date(2026, 11, 1), date(2026, 11, 22));
    let monthly = ListPlan {
        dates: today,
        ..ListPlan::new(1, both())
    };
    let (mut bench, host) = ready(&flash, &[monthly]);
    pay(&mut bench, &mut card(&plan()));
    host.load_list(&mut bench, &ListPlan::beside(2, ONE, second()))
        .unwrap();
    bench.wait(13 * 3_600_000);
    bench.type_keys("oLan\n");
    pay(&mut bench, &mut card(&plan()));
    assert_eq!(ordered(&mut bench), [500_000, 7]);
}

#[test]
fn a_line_that_another_list_has_paid_takes_no_place_in_a_tap() {
    let flash = chip();
    let mut one_order = plan();
    one_order.policy.orders_per_verify = 1;
    let (mut bench, host) = ready(&flash, &[ListPlan::new(1, vec![line(1, 1, 500_000)])]);
    let mut card = card(&one_order);
    pay(&mut bench, &mut card);
    let lines = vec![line(1, 1, 500_000), line(2, 2, 7)];
    host.load_list(&mut bench, &ListPlan::beside(2, ONE, lines))
        .unwrap();
    let screen = pay(&mut bench, &mut card);
    assert!(!screen.contains("Còn khoản khác"), "{screen}");
    assert_eq!(ordered(&mut bench), [500_000, 7]);
    bench.tap(&mut card);
    assert_eq!(told(&mut bench, &host).refused, [ALREADY_PAID]);

    // Nor is it still to come, where the list in which it is not paid is over.
    let flash = chip();
    let (mut bench, host) = ready(&flash, &[ListPlan::new(1, vec![line(1, 1, 500_000)])]);
    let mut card = bench::host::card(&plan());
    pay(&mut bench, &mut card);
    let double = ended(ListPlan::beside(2, ONE, vec![line(1, 1, 500_000)]));
    host.load_list(&mut bench, &double).unwrap();
    bench.tap(&mut card);
    assert_eq!(told(&mut bench, &host).refused, [ALREADY_PAID]);
}

#[test]
fn a_list_that_keeps_what_is_not_in_force_is_refused_and_changes_nothing() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, &[ListPlan::new(1, vec![line(1, 1, 500_000)])]);
    let refused = |bench: &mut Bench<'_>, list: ListPlan, expected| {
        let header = signed(&list.header(), &host.office.issuer);
        assert_eq!(bench.refusal(&Request::ListBegin { header: &header }), expected);
        let end = bench.refusal(&Request::ListEnd);
        assert_eq!(end, Some(Refusal::OutOfOrder));
    };
    let lines = || vec![relief(1, 9, 7)];
    let other = Some(Refusal::KeepsOther);
    refused(&mut bench, ListPlan::beside(3, TWO, lines()), other);
    refused(&mut bench, ListPlan::beside(3, ONE_AND_TWO, lines()), other);
    refused(&mut bench, ListPlan::beside(3, &[0, 0, 0, 3], lines()), other); // itself
    refused(
        &mut bench,
        ListPlan::beside(3, &[0, 0, 0, 1, 0, 0, 0, 4], lines()),
        other,
    );
    refused(
        &mut bench,
        ListPlan::beside(1, ONE, lines()),
        Some(Refusal::NotNewer),
    );
    assert_eq!(in_force(&mut bench), [(1, 1)]);
    assert_eq!(bench.hello().list_number, 1);
    // Once it holds the missing one it takes the list.
    host.load_list(&mut bench, &ListPlan::beside(2, ONE, lines()))
        .unwrap();
    host.load_list(&mut bench, &ListPlan::beside(3, ONE_AND_TWO, vec![line(1, 3, 8)]))
        .unwrap();
    assert_eq!(in_force(&mut bench), [(1, 1), (2, 1), (3, 1)]);
    // What is out of force does not come back.
    host.load_list(&mut bench, &ListPlan::beside(4, TWO, vec![line(1, 4, 8)]))
        .unwrap();
    refused(&mut bench, ListPlan::beside(5, ONE, lines()), other);
    assert_eq!(in_force(&mut bench), [(2, 1), (4, 1)]);
}

#[test]
fn four_are_in_force_and_the_place_of_one_that_ended_takes_the_next() {
    let flash = chip();
    let plans = [
        ListPlan::new(1, vec![line(1, 1, 1)]),
        ListPlan::beside(2, ONE, vec![line(1, 2, 2)]),
        ListPlan::beside(3, ONE_AND_TWO, vec![line(1, 3, 3)]),
        ListPlan::beside(4, ONE_TO_THREE, vec![line(1, 4, 4)]),
    ];
    let (mut bench, host) = ready(&flash, &plans);
    assert_eq!(in_force(&mut bench), [(1, 1), (2, 1), (3, 1), (4, 1)]);
    host.load_list(&mut bench, &ListPlan::beside(5, TWO_TO_FOUR, vec![line(1, 5, 5)]))
        .unwrap();
    assert_eq!(in_force(&mut bench), [(2, 1), (3, 1), (4, 1), (5, 1)]);
    // The lists that stayed lie where they lay, through more loading than there are places, and through starts.
    for number in 6_u32..13 {
        let keeps: Vec<u8> = [2, 3, number - 1]
            .into_iter()
            .flat_map(u32::to_be_bytes)
            .collect();
        let list = ListPlan::beside(number, keeps.leak(), vec![line(1, 6, u64::from(number))]);
        host.load_list(&mut bench, &list).unwrap();
        drop(bench);
        bench = Bench::power_on(&flash).unwrap();
        host.set_time(&mut bench, bench::host::noon()).unwrap();
        bench.type_keys("oLan\n");
        assert_eq!(in_force(&mut bench)[..2], [(2, 1), (3, 1)]);
    }
    // The last two have the same line.
    pay(&mut bench, &mut card(&plan()));
    assert_eq!(ordered(&mut bench), [2, 3, 11]);
}

#[test]
fn the_unpaid_lines_of_all_lists_are_shown_list_by_list() {
    let flash = chip();
    let monthly = ListPlan::new(1, (1..=4).map(|n| line(n, n as u16, 1_000)).collect());
    let beside = ListPlan::beside(2, ONE, (1..=4).map(|n| relief(n, n as u16, 2_000)).collect());
    let (mut bench, _) = ready(&flash, &[monthly, beside]);
    bench.type_keys("l");
    let page = bench.read_screen();
    let shown = |page: &str, text: &str| page.matches(text).count();
    assert_eq!(
        (shown(&page, "1.000 đồng"), shown(&page, "2.000 đồng")),
        (4, 1),
        "{page}"
    );
    assert!(page.find("Danh sách 1").unwrap() < page.find("Danh sách 2").unwrap());
    bench.type_keys("\n");
    let page = bench.read_screen();
    assert_eq!(
        (shown(&page, "1.000 đồng"), shown(&page, "2.000 đồng")),
        (0, 3),
        "{page}"
    );
    assert!(page.contains("Hết khoản chưa trả"));
}

/// What a load may leave: the numbers in force before and after it.
type Sets = [Vec<(u32, u32)>; 2];

/// After every so many cuts a card is paid as well, and the load done again.
const PAID: u64 = 5;

/// The power goes at every flash operation of a load, in each way of tearing in turn.
fn cut_every_operation(lists: &[ListPlan], loaded: &ListPlan, sets: &Sets, due: [&[u64]; 2]) {
    let original = chip();
    let (bench, host) = ready(&original, lists);
    drop(bench);
    let mut cuts = 0;
    for operation in 0.. {
        let flash = RefCell::new(original.borrow().clone());
        let mut bench = Bench::power_on(&flash).unwrap();
        let tear = TEARS[operation as usize % TEARS.len()];
        flash.borrow_mut().cut(operation, tear);
        let done = host.load_list(&mut bench, loaded);
        drop(bench);
        if !flash.borrow().is_dead() {
            break;
        }
        cuts += 1;
        let context = format!("cut at operation {operation}, {tear:?}");
        for _ in 0..2 {
            flash.borrow_mut().power_up();
            let mut bench = Bench::power_on(&flash).expect(&context);
            host.set_time(&mut bench, bench::host::noon()).unwrap();
            bench.type_keys("oLan\n");
            let found = in_force(&mut bench);
            let is_after = found == sets[1];
            assert!(is_after || found == sets[0], "{context}: {found:?}");
            assert!(is_after || done.is_err(), "{context}: it was done");
            // The journal names the newest one, once.
            let newest = found.last().unwrap().0;
            assert_eq!(bench.hello().list_number, newest, "{context}");
            assert_eq!(named(&mut bench, newest), 1, "{context}");
        }
        // From now on everything goes its way, from whichever set it is.
        if operation % PAID != 0 {
            continue;
        }
        let mut bench = Bench::power_on(&flash).unwrap();
        host.set_time(&mut bench, bench::host::noon()).unwrap();
        bench.type_keys("oLan\n");
        let is_after = in_force(&mut bench) == sets[1];
        pay(&mut bench, &mut copy(&card(&plan()), 3));
        assert_eq!(ordered(&mut bench), due[usize::from(is_after)], "{context}");
        if !is_after {
            host.load_list(&mut bench, loaded).unwrap();
        }
        let numbers = |set: &[(u32, u32)]| set.iter().map(|(number, _)| *number).collect::<Vec<_>>();
        assert_eq!(numbers(&in_force(&mut bench)), numbers(&sets[1]), "{context}");
    }
    assert!(cuts > 20, "{cuts}");
}

/// The journal's flash does not hold the entry that names the list, and no start comes in between.
#[test]
fn a_list_in_force_is_named_before_anything_else() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, &[ListPlan::new(1, vec![line(1, 1, 5)])]);
    let journal = layout().journal;
    flash.borrow_mut().stuck = (journal.start as usize..journal.end as usize).collect();
    let loaded = host.load_list(&mut bench, &ListPlan::beside(2, ONE, vec![relief(1, 9, 7)]));
    flash.borrow_mut().stuck.clear();
    assert!(loaded.is_err());
    assert_eq!((bench.hello().list_number, named(&mut bench, 2)), (2, 0));
    pay(&mut bench, &mut card(&plan()));
    assert_eq!(ordered(&mut bench), [5, 7]);
    assert_eq!(named(&mut bench, 2), 1);
    let entries = bench.journal();
    let place = |is_it: fn(&Event<'_>) -> bool| {
        let is_it = |entry: &Vec<u8>| is_it(&Signed::<Entry<'_>>::parse(entry).unwrap().claimed().event);
        entries.iter().position(is_it).unwrap()
    };
    let list = place(|event| matches!(event, Event::ListLoaded { number: 2, .. }));
    assert!(list < place(|event| matches!(event, Event::Intent(_))));
    // A start owes nothing more.
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    assert_eq!(named(&mut bench, 2), 1);
}

/// How often the journal names a list as loaded.
fn named(bench: &mut Bench<'_>, list: u32) -> usize {
    let is_it = |entry: &Vec<u8>| {
        let entry = Signed::<Entry<'_>>::parse(entry).unwrap();
        matches!(entry.claimed().event, Event::ListLoaded { number, .. } if number == list)
    };
    bench.journal().iter().filter(|entry| is_it(entry)).count()
}

#[test]
fn a_cut_while_a_list_is_loaded_beside_another_leaves_the_set_before_or_after() {
    cut_every_operation(
        &[ListPlan::new(1, vec![line(1, 1, 5)])],
        &ListPlan::beside(2, ONE, vec![relief(1, 9, 7)]),
        &[vec![(1, 1)], vec![(1, 1), (2, 1)]],
        [&[5], &[5, 7]],
    );
}

#[test]
fn a_cut_while_a_list_ends_others_leaves_the_set_before_or_after() {
    cut_every_operation(
        &[
            ListPlan::new(1, vec![line(1, 1, 5)]),
            ListPlan::beside(2, ONE, vec![relief(1, 9, 7)]),
        ],
        &ListPlan::beside(3, TWO, vec![line(1, 1, 5), line(2, 2, 6)]),
        &[vec![(1, 1), (2, 1)], vec![(2, 1), (3, 2)]],
        [&[5, 7], &[7, 5, 6]],
    );
}
