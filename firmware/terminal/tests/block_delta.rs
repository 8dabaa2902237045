//! Block lists that come as changes to the one in force (DATA 4.2): what they lead to, what is refused, and the power that goes
//! at any flash operation.
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

use bench::card::date;
use bench::card::issuer::{encoded, plan, secret, signed};
use bench::host::{Host, block_entry, block_header, card, line, noon};
use bench::nor::{TEARS, Tear};
use bench::{Bench, Chip, chip};
use card_spec::block_delta::Unblocked;
use card_spec::crypto::Digest;
use card_spec::journal::{Entry, Event};
use card_spec::list::BlockListHeader;
use card_spec::signed::Signed;
use card_spec::values::{CardNumber, Time};
use link::{Refusal, Request};

/// The usual card has serial 1.
fn cards(serials: &[u64]) -> Vec<CardNumber> {
    serials
        .iter()
        .map(|serial| CardNumber::new(79, *serial).unwrap())
        .collect()
}

fn off(serial: u64) -> Vec<u8> {
    let card_number = CardNumber::new(79, serial).unwrap();
    encoded(&Unblocked { card_number }, Unblocked::TAG)
}

fn on(serial: u64) -> Vec<u8> {
    block_entry(CardNumber::new(79, serial).unwrap())
}

fn header(number: u32, serials: &[u64]) -> BlockListHeader {
    block_header(number, &cards(serials), noon())
}

fn hash(host: &Host, header: &BlockListHeader) -> Digest {
    Signed::<BlockListHeader>::parse(&signed(header, host.issuer()))
        .unwrap()
        .hash()
}

/// Sends changes in so many messages as there are.
fn send(
    bench: &mut Bench<'_>,
    signed_header: &[u8],
    base: Digest,
    changes: &[Vec<u8>],
) -> Result<(), Refusal> {
    bench.done(&Request::BlockDelta {
        header: signed_header,
        base,
    })?;
    for bytes in changes {
        bench.done(&Request::BlockEntries { bytes })?;
    }
    bench.done(&Request::BlockEnd)
}

/// Changes that lead from the list `base` to the list `header`.
fn delta(
    bench: &mut Bench<'_>,
    host: &Host,
    (header, base): (&BlockListHeader, &BlockListHeader),
    changes: &[Vec<u8>],
) -> Result<(), Refusal> {
    send(bench, &signed(header, host.issuer()), hash(host, base), changes)
}

/// A terminal with block list 1 of these cards, and a shift.
fn terminal<'f>(flash: &'f RefCell<Chip>, serials: &[u64]) -> (Bench<'f>, Host) {
    let mut host = Host::new(vec![line(1, 1, 500_000)]);
    host.blocked = cards(serials);
    let mut bench = Bench::power_on(flash).unwrap();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    (bench, host)
}

/// Is the usual card refused as blocked?
fn is_blocked(bench: &mut Bench<'_>) -> bool {
    bench.read_screen();
    bench.tap(&mut card(&plan()));
    let screen = bench.read_screen();
    bench.type_keys("c");
    assert!(
        screen.contains("thẻ đã ngừng dùng") != screen.contains("PIN"),
        "{screen}"
    );
    screen.contains("thẻ đã ngừng dùng")
}

#[test]
fn days_of_changes_block_and_unblock() {
    let flash = chip();
    let (mut bench, host) = terminal(&flash, &[4, 6]);
    let days: [(&[u64], Vec<Vec<u8>>); 5] = [
        (&[1, 4, 6], vec![on(1)]),
        (&[1, 4, 6], vec![]),
        (&[1, 3, 9], vec![[on(3), off(4)].concat(), off(6), on(9)]),
        (&[3], vec![[off(1), off(9)].concat()]),
        (&[], vec![off(3)]),
    ];
    let mut base = header(1, &[4, 6]);
    for (number, (serials, changes)) in (2..).zip(days) {
        let next = header(number, serials);
        delta(&mut bench, &host, (&next, &base), &changes).unwrap();
        assert_eq!(bench.hello().block_list_number, number);
        assert_eq!(is_blocked(&mut bench), serials.contains(&1), "list {number}");
        base = next;
    }
    // The journal names each list by its header, as if it had come in full.
    let entries = bench.journal();
    let mut loaded =
        entries.iter().filter_map(
            |entry| match Signed::<Entry<'_>>::parse(entry).unwrap().claimed().event {
                Event::BlockListLoaded { header, number } => Some((header, number)),
                _ => None,
            },
        );
    assert_eq!(loaded.next_back(), Some((hash(&host, &base), 6)));
    // It is a full list in flash: the next start finds it, and a full one may follow.
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    assert_eq!(bench.hello().block_list_number, 6);
    host.set_time(&mut bench, noon()).unwrap();
    bench.type_keys("oLan\n");
    host.load_blocks(&mut bench, 7, noon()).unwrap();
    assert!(!is_blocked(&mut bench));
}

#[test]
fn changes_renew_the_age_of_the_list() {
    let flash = chip();
    let (mut bench, mut host) = terminal(&flash, &[]);
    let old = Time::new(date(2026, 10, 17), 12, 0, 0).unwrap();
    host.blocked = cards(&[4]);
    host.load_blocks(&mut bench, 2, old).unwrap();
    bench.read_screen();
    bench.tap(&mut card(&plan()));
    assert!(bench.read_screen().contains("danh sách khóa thẻ"), "36 days");
    let base = block_header(2, &host.blocked, old);
    delta(&mut bench, &host, (&header(3, &[4]), &base), &[]).unwrap();
    assert!(!is_blocked(&mut bench));
}

#[test]
fn changes_that_do_not_lead_to_what_the_issuer_signed() {
    let flash = chip();
    let (mut bench, host) = terminal(&flash, &[4, 6, 8]);
    let base = header(1, &[4, 6, 8]);
    let next = header(2, &[1, 6, 8, 9]);
    let good = [on(1), off(4), on(9)];
    let cases: [(&str, &[Vec<u8>]); 10] = [
        ("the usual card is missing", &[off(4), on(9)]),
        ("another card in its place", &[on(2), off(4), on(9)]),
        ("one is not taken off", &[on(1), on(9)]),
        ("one more", &[on(1), on(2), off(4), on(9)]),
        ("another one is taken off", &[on(1), off(6), on(9)]),
        (
            "one is taken off that is not there",
            &[on(1), off(4), off(5), on(9)],
        ),
        ("one is there already", &[on(1), off(4), on(6), on(9)]),
        ("one twice", &[on(1), on(1), off(4), on(9)]),
        ("descending", &[on(9), off(4), on(1)]),
        ("none", &[]),
    ];
    for (name, changes) in cases {
        let refused = delta(&mut bench, &host, (&next, &base), changes);
        assert_eq!(refused, Err(Refusal::Incomplete), "{name}");
    }
    for garbage in [vec![0], off(4)[..12].to_vec(), [off(4), vec![0]].concat()] {
        let refused = delta(&mut bench, &host, (&next, &base), &[garbage]);
        assert_eq!(refused, Err(Refusal::Malformed));
        assert_eq!(bench.refusal(&Request::BlockEnd), Some(Refusal::OutOfOrder));
    }
    // A full list knows no card that is taken off.
    let full = signed(&next, host.issuer());
    bench.done(&Request::BlockBegin { header: &full }).unwrap();
    let refused = bench.refusal(&Request::BlockEntries { bytes: &off(4) });
    assert_eq!(refused, Some(Refusal::Malformed));
    assert_eq!(bench.hello().block_list_number, 1);
    assert!(!is_blocked(&mut bench), "the old list is in force");
    delta(&mut bench, &host, (&next, &base), &good).unwrap();
    assert!(is_blocked(&mut bench));
}

#[test]
fn headers_that_may_not_follow() {
    let flash = chip();
    let (mut bench, host) = terminal(&flash, &[4]);
    let base = header(1, &[4]);
    let next = header(2, &[1, 4]);
    let refused = |bench: &mut Bench<'_>, header: &BlockListHeader, base: &BlockListHeader| {
        delta(bench, &host, (header, base), &[on(1)])
    };
    // Another list of the same number, or with the same cards and another number.
    for other in [header(1, &[5]), header(2, &[4]), next] {
        assert_eq!(refused(&mut bench, &next, &other), Err(Refusal::OtherBase));
    }
    for number in [0, 1] {
        let old = BlockListHeader { number, ..next };
        assert_eq!(refused(&mut bench, &old, &base), Err(Refusal::NotNewer));
    }
    let future = block_header(
        2,
        &cards(&[1, 4]),
        Time::new(date(2026, 11, 23), 0, 0, 0).unwrap(),
    );
    assert_eq!(refused(&mut bench, &future, &base), Err(Refusal::TimeNotAccepted));
    let large = BlockListHeader { count: 385, ..next };
    assert_eq!(refused(&mut bench, &large, &base), Err(Refusal::TooLarge));
    let forged = signed(&next, &secret(82));
    let refused = send(&mut bench, &forged, hash(&host, &base), &[on(1)]);
    assert_eq!(refused, Err(Refusal::NotGenuine));
    assert_eq!(bench.hello().block_list_number, 1);
    assert!(!is_blocked(&mut bench));
}

#[test]
fn without_a_list_in_force_there_is_nothing_to_change() {
    let flash = chip();
    let (bench, host) = terminal(&flash, &[4, 6]);
    drop(bench);
    // The flash loses the list while the power is off.
    let first = bench::layout().block_lists[0].start as usize;
    flash.borrow_mut().bytes[first + 10] ^= 0x01;
    let mut bench = Bench::power_on(&flash).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    let (base, next) = (header(1, &[4, 6]), header(2, &[1, 4, 6]));
    let refused = delta(&mut bench, &host, (&next, &base), &[on(1)]);
    assert_eq!(refused, Err(Refusal::OtherBase));
    assert_eq!(bench.hello().block_list_number, 0);
}

#[test]
fn a_base_that_the_flash_loses_on_the_way_counts_for_nothing() {
    let flash = chip();
    let (mut bench, host) = terminal(&flash, &[4, 6]);
    let (base, next) = (header(1, &[4, 6]), header(2, &[4, 6, 9]));
    let first = bench::layout().block_lists[0].start as usize;
    let signed_header = signed(&next, host.issuer());
    bench
        .done(&Request::BlockDelta {
            header: &signed_header,
            base: hash(&host, &base),
        })
        .unwrap();
    flash.borrow_mut().bytes[first + 9 + 7] ^= 0x01;
    let sent = bench.done(&Request::BlockEntries { bytes: &on(9) });
    let refused = sent.and_then(|()| bench.done(&Request::BlockEnd));
    assert!(
        matches!(refused, Err(Refusal::Storage | Refusal::Incomplete)),
        "{refused:?}"
    );
    assert_eq!(bench.hello().block_list_number, 1);
    // The next changes to it find out: the host sends all of the list then.
    let refused = delta(&mut bench, &host, (&next, &base), &[on(9)]);
    assert_eq!(refused, Err(Refusal::OtherBase));
    assert_eq!(bench.hello().block_list_number, 0);
}

/// One kind of tear at each operation, another one at the next; with `ALL_TEARS` set in the environment, all at each.
fn in_turn(operation: u64) -> Vec<Tear> {
    if std::env::var_os("ALL_TEARS").is_some() {
        return TEARS.to_vec();
    }
    vec![TEARS[(operation % 7) as usize]]
}

/// The usual card is blocked by the changes, and card 5 no more.
#[test]
fn the_power_goes_at_any_operation_and_leaves_the_list_before_or_after() {
    let original = chip();
    drop(terminal(&original, &[5, 9]));
    let (base, next) = (header(1, &[5, 9]), header(2, &[1, 9]));
    let changes = [on(1), off(5)];
    let (mut cuts, mut after) = (0, 0);
    for operation in 0.. {
        let mut ended = true;
        for tear in in_turn(operation) {
            let flash = RefCell::new(original.borrow().clone());
            let mut bench = Bench::power_on(&flash).unwrap();
            let host = Host::new(Vec::new());
            host.set_time(&mut bench, noon()).unwrap();
            flash.borrow_mut().cut(operation, tear);
            let confirmed = delta(&mut bench, &host, (&next, &base), &changes).is_ok();
            let promised = bench.hello().block_list_number;
            assert!(!confirmed || promised == 2);
            if !flash.borrow().is_dead() {
                continue;
            }
            ended = false;
            cuts += 1;
            drop(bench);
            flash.borrow_mut().power_up();
            let mut bench = Bench::power_on(&flash).unwrap();
            let number = bench.hello().block_list_number;
            let context = format!("operation {operation}, {tear:?}: list {number}, promised {promised}");
            assert!(number == 1 || number == 2, "{context}");
            assert!(number >= promised, "{context}");
            after += usize::from(number == 2);
            host.set_time(&mut bench, noon()).unwrap();
            bench.type_keys("oLan\n");
            assert_eq!(is_blocked(&mut bench), number == 2, "{context}");
            // What did not arrive is sent once more.
            if number == 1 {
                delta(&mut bench, &host, (&next, &base), &changes).expect(&context);
            }
            assert_eq!(bench.hello().block_list_number, 2, "{context}");
        }
        if ended {
            break;
        }
    }
    println!("{cuts} cuts, after {after} of them the list after");
    assert!(cuts > 20 && after > 0 && after < cuts);
}
