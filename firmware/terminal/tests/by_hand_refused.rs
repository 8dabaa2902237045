//! What refuses a payment refuses one by hand, too, and says why (DATA 5.7); and there is an end to them.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod bench;

use bench::by_hand::{CAP, ask, by_hand, load_operators, nothing_paid, pay, ready, told};
use bench::card::date;
use bench::card::issuer::signed;
use bench::host::{Host, ListPlan, line, noon};
use bench::{Bench, chip};
use card_spec::values::Time;
use link::{Refusal, Request};

#[test]
fn a_journal_without_room() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP)]);
    while host.set_time(&mut bench, noon()) != Err(Refusal::JournalFull) {}
    let screen = pay(&mut bench);
    assert!(
        screen.contains("nhật ký đầy") && !screen.contains("có ở đây"),
        "{screen}"
    );
    nothing_paid(&mut bench, &host);
    // Nor does a host fill it between look and key.
    let flash = chip();
    let (mut bench, _) = ready(&flash, vec![line(1, 1, CAP)]);
    assert!(ask(&mut bench).contains("có ở đây"));
    assert_eq!(bench.refusal(&Request::TimeNonce), Some(Refusal::Busy));
}

#[test]
fn a_certificate_that_has_expired() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP)]);
    let next = ListPlan {
        dates: (date(2026, 11, 1), date(2027, 1, 31)),
        ..by_hand(2, vec![line(1, 1, CAP)])
    };
    host.load_list(&mut bench, &next).unwrap();
    let last = Time::new(date(2026, 12, 19), 23, 59, 0).unwrap();
    host.set_time(&mut bench, last).unwrap();
    assert!(ask(&mut bench).contains("có ở đây"));
    // It ends while the clerk looks.
    bench.wait(60_000);
    bench.type_keys("7");
    assert!(bench.read_screen().contains("chứng thư"));
    let screen = pay(&mut bench);
    assert!(screen.contains("chứng thư"), "{screen}");
    nothing_paid(&mut bench, &host);
}

#[test]
fn a_block_list_that_is_too_old() {
    let flash = chip();
    let mut host = Host::new(Vec::new());
    host.list = by_hand(1, vec![line(1, 1, CAP)]);
    let mut bench = Bench::power_on(&flash).unwrap();
    let agreement = host.make_keys(&mut bench).unwrap();
    let objects = host.objects(agreement);
    bench.done(&Request::Install { objects: &objects }).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    host.load_list(&mut bench, &host.list).unwrap();
    load_operators(&mut bench, &host);
    bench.type_keys("oLan\n314159\n");
    bench.read_screen();
    // None at all, one of 36 days, and one of 35.
    assert!(pay(&mut bench).contains("35 ngày"));
    let day = |day| Time::new(date(2026, 10, day), 23, 59, 59).unwrap();
    host.load_blocks(&mut bench, 1, day(17)).unwrap();
    assert!(pay(&mut bench).contains("35 ngày"));
    nothing_paid(&mut bench, &host);
    host.load_blocks(&mut bench, 2, day(18)).unwrap();
    pay(&mut bench);
    assert_eq!(told(&mut bench, &host).by_hand, [1]);
}

/// Lists begin, and lines come, in any mixture: none of it lets anything be paid that the list in force does not.
#[test]
fn a_host_that_mixes_a_list_that_allows_it_with_one_that_does_not() {
    let flash = chip();
    let (mut bench, host) = ready(&flash, vec![line(1, 1, CAP)]);
    host.load_list(&mut bench, &ListPlan::new(2, vec![line(1, 1, CAP)]))
        .unwrap();
    let not_allowed = |bench: &mut Bench<'_>| assert!(ask(bench).contains("Không được chi tay"));
    not_allowed(&mut bench);
    let allows = by_hand(3, vec![line(1, 1, CAP)]);
    let does_not = ListPlan::new(4, vec![line(1, 1, CAP)]);
    let header = |list: &ListPlan| signed(&list.header(), &host.office.issuer);
    // Begun, or with its lines, and not ended.
    let begin = header(&allows);
    bench.done(&Request::ListBegin { header: &begin }).unwrap();
    not_allowed(&mut bench);
    let bytes = &allows.body();
    bench.done(&Request::ListLines { bytes }).unwrap();
    not_allowed(&mut bench);
    // Another one's header behind it: that one comes into force, or nothing.
    let begin = header(&does_not);
    bench.done(&Request::ListBegin { header: &begin }).unwrap();
    let bytes = &does_not.body();
    bench.done(&Request::ListLines { bytes }).unwrap();
    bench.done(&Request::ListEnd).unwrap();
    assert_eq!(bench.hello().list_number, 4);
    not_allowed(&mut bench);
    // The one before it is too old now, and a header whose sum was altered is nobody's.
    let begin = header(&allows);
    let too_old = bench.refusal(&Request::ListBegin { header: &begin });
    assert_eq!(too_old, Some(Refusal::NotNewer));
    let mut altered = header(&by_hand(5, vec![line(1, 1, CAP)]));
    let place = altered.len() - 70;
    altered[place] ^= 1;
    assert!(bench.refusal(&Request::ListBegin { header: &altered }).is_some());
    not_allowed(&mut bench);
    nothing_paid(&mut bench, &host);
}

/// As many lines as one terminal keeps in mind, and one less.
#[test]
fn there_is_an_end_to_payments_by_hand() {
    const MARKS: usize = 0x5_F000;
    for (marked, refused) in [(511, false), (512, true)] {
        let flash = chip();
        let lines = (1..=514).map(|number| line(number, number as u16, 7)).collect();
        let (mut bench, host) = ready(&flash, lines);
        // Lines 2 and on: kind, line, entry, and their check.
        let first = bench::layout().lists[0].start as usize + MARKS;
        for line in 2..marked + 2 {
            let words = [3, line, 1_000, !(3 ^ line ^ 1_000)].map(u32::to_le_bytes);
            let place = first + (line as usize - 1) * 16;
            flash.borrow_mut().bytes[place..place + 16].copy_from_slice(words.as_flattened());
        }
        let screen = pay(&mut bench);
        assert_eq!(screen.contains("đã chi tay 512 khoản"), refused, "{screen}");
        assert_eq!(told(&mut bench, &host).by_hand.is_empty(), refused);
    }
}
