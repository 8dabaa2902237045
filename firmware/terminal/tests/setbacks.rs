//! Hosts that send what is old or of the future, and power that goes while a terminal is made anew: nothing falls back.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod bench;

use bench::card::issuer::{CertificatePlan, ISSUER, plan, signed};
use bench::card::{Card, date};
use bench::host::{Host, ListPlan, block_entry, block_header, card, line, noon};
use bench::nor::TEARS;
use bench::{Bench, chip, layout, story};
use card_spec::certificate::{Request as CertificateRequest, Role};
use card_spec::crypto::PublicKey;
use card_spec::signed::Signed;
use card_spec::values::{CardNumber, Date, Time};
use link::{Answer, Refusal, Request, TerminalState, receive};

/// The newest entry; the oldest ones may have been released and written over.
fn newest(bench: &mut Bench<'_>) -> Option<Vec<u8>> {
    let from = bench.hello().journal_tail;
    match receive::<Answer<'_>>(&bench.ask(&Request::ReadJournal { from })) {
        Ok(Answer::Entries { bytes }) if !bytes.is_empty() => Some(bytes.to_vec()),
        _ => None,
    }
}

fn usual() -> Host {
    Host::new(vec![line(1, 1, 500_000)])
}

fn day(month: u8, day: u8) -> Time {
    Time::new(date(2026, month, day), 12, 0, 0).unwrap()
}

/// A chain whose terminal certificates have these dates, of this issuer.
fn objects(
    host: &Host,
    agreement: card_spec::crypto::PublicKey,
    dates: (Date, Date),
    issuer: &'static str,
) -> Vec<u8> {
    let office = &host.office;
    let [_, authority, ..] = host.certificates(agreement, host.journal_key.unwrap());
    let issuer = CertificatePlan {
        holder: issuer,
        ..office.issuer_plan()
    };
    let terminal = |holder, role, key| {
        CertificatePlan {
            holder,
            role,
            dates,
            ..office.terminal_plan()
        }
        .sign(&office.terminal_ca, key)
    };
    [
        issuer.sign(&office.root, office.issuer.public_key()),
        authority,
        terminal("VNT0000001A00001", Role::TerminalAgreement, agreement),
        terminal(
            "VNT0000001J00001",
            Role::TerminalJournal,
            host.journal_key.unwrap(),
        ),
    ]
    .concat()
}

#[test]
fn certificates_are_renewed_forwards_only() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    let agreement = host.make_keys(&mut bench).unwrap();
    let first = host.objects(agreement);
    bench.done(&Request::Install { objects: &first }).unwrap();
    bench.done(&Request::Install { objects: &first }).unwrap();
    host.prepare(&mut bench).unwrap();
    let mut install = |dates, issuer| {
        let objects = objects(&host, agreement, dates, issuer);
        bench.done(&Request::Install { objects: &objects })
    };
    let renewed = (date(2026, 11, 20), date(2026, 12, 20));
    assert_eq!(install(renewed, "VNISS0100001"), Err(Refusal::NotForThisTerminal));
    assert_eq!(install(renewed, ISSUER), Ok(()));
    assert_eq!(
        install((date(2026, 11, 15), date(2026, 12, 15)), ISSUER),
        Err(Refusal::NotNewer)
    );
    let ended = (date(2026, 11, 20), date(2026, 11, 21));
    assert_eq!(install(ended, ISSUER), Err(Refusal::Expired));
}

fn other_issuer(host: &Host) -> Vec<u8> {
    let plan = CertificatePlan {
        holder: "VNISS0100001",
        ..host.office.issuer_plan()
    };
    plan.sign(&host.office.root, host.issuer().public_key())
}

/// All that another province installs at a terminal of this name, which has these keys.
fn of_another_province(host: &Host, terminal: [&'static str; 2], keys: [PublicKey; 2]) -> Vec<u8> {
    let office = &host.office;
    let own = |holder, role, key| {
        let plan = CertificatePlan {
            holder,
            role,
            ..office.terminal_plan()
        };
        plan.sign(&office.terminal_ca, key)
    };
    let [_, authority, ..] = host.certificates(keys[0], keys[1]);
    [
        other_issuer(host),
        authority,
        own(terminal[0], Role::TerminalAgreement, keys[0]),
        own(terminal[1], Role::TerminalJournal, keys[1]),
    ]
    .concat()
}

#[test]
fn another_provinces_certificates_come_with_new_keys_only() {
    let flash = chip();
    let mut host = usual();
    let mut bench = Bench::power_on(&flash).unwrap();
    // No payment list was ever here.
    let agreement = host.make_keys(&mut bench).unwrap();
    bench
        .done(&Request::Install {
            objects: &host.objects(agreement),
        })
        .unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    let before = flash.borrow().operations;
    let names = ["VNT0000001A00001", "VNT0000001J00001"];
    let all = of_another_province(&host, names, [agreement, host.journal_key.unwrap()]);
    for objects in [other_issuer(&host), all] {
        let refused = bench.done(&Request::Install { objects: &objects });
        assert_eq!(refused, Err(Refusal::NotForThisTerminal));
    }
    assert_eq!(flash.borrow().operations, before, "nothing was written");
    let last = bench.journal().pop().unwrap();
    host.acknowledge(&mut bench, &last).unwrap();
    let answer = bench.ask(&Request::MakeKeys { name: *b"VNT0000002" });
    let Ok(Answer::Requests { agreement, journal }) = receive(&answer) else {
        panic!("no new keys");
    };
    let keys = [agreement, journal].map(|request| {
        let request = Signed::<CertificateRequest>::parse(request).unwrap();
        request.claimed().public_key.key
    });
    let names = ["VNT0000002A00001", "VNT0000002J00001"];
    let objects = of_another_province(&host, names, keys);
    bench.done(&Request::Install { objects: &objects }).unwrap();
}

#[test]
fn a_nonce_does_not_last() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    host.prepare(&mut bench).unwrap();
    for (pause, expected) in [(30_000, Ok(())), (30_001, Err(Refusal::TimeNotAccepted))] {
        let statement = host.time_statement(Host::nonce(&mut bench), day(11, 23));
        bench.wait(pause);
        let signed = signed(&statement, host.issuer());
        assert_eq!(bench.done(&Request::SetTime { signed: &signed }), expected);
    }
}

#[test]
fn a_clock_whose_setting_is_not_recorded_is_not_set() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    host.prepare(&mut bench).unwrap();
    while host.set_time(&mut bench, noon()).is_ok() {}
    assert_eq!(host.set_time(&mut bench, day(11, 30)), Err(Refusal::JournalFull));
    let last = bench.journal().pop().unwrap();
    host.acknowledge(&mut bench, &last).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
}

#[test]
fn a_block_list_of_the_future_or_before_the_clock_is_set() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    host.prepare(&mut bench).unwrap();
    assert_eq!(
        host.load_blocks(&mut bench, 2, day(11, 23)),
        Err(Refusal::TimeNotAccepted)
    );
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    assert_eq!(host.load_blocks(&mut bench, 2, noon()), Err(Refusal::OutOfOrder));
    host.set_time(&mut bench, noon()).unwrap();
    host.load_blocks(&mut bench, 2, noon()).unwrap();
}

#[test]
fn a_block_list_that_changed_in_flash_is_none() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    host.blocked = (2..22)
        .map(|serial| CardNumber::new(79, serial).unwrap())
        .collect();
    host.prepare(&mut bench).unwrap();
    // The second one goes to the second place; it changes there before it is complete.
    let header = signed(&block_header(2, &host.blocked, noon()), host.issuer());
    bench.done(&Request::BlockBegin { header: &header }).unwrap();
    for card in &host.blocked {
        let bytes = &block_entry(*card);
        bench.done(&Request::BlockEntries { bytes }).unwrap();
    }
    let [first, second] = layout().block_lists.map(|range| range.start as usize);
    flash.borrow_mut().bytes[second + 16 + 10] ^= 0x01;
    bench.done(&Request::BlockEnd).unwrap();
    bench.type_keys("oLan\n");
    let mut card = card(&plan());
    refuses_for_want_of_a_block_list(&mut bench, &mut card);
    // The same one may be loaded again, an older one may not.
    assert_eq!(host.load_blocks(&mut bench, 1, noon()), Err(Refusal::NotNewer));
    host.load_blocks(&mut bench, 2, noon()).unwrap();
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("PIN"));
    // The one in force changes while the power is off. That is noticed once, and stays known.
    drop(bench);
    flash.borrow_mut().bytes[first + 16 + 10] ^= 0x01;
    let mut bench = Bench::power_on(&flash).unwrap();
    host.set_time(&mut bench, noon()).unwrap();
    bench.type_keys("oLan\n");
    refuses_for_want_of_a_block_list(&mut bench, &mut card);
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    assert_eq!(bench.hello().block_list_number, 0);
    host.set_time(&mut bench, noon()).unwrap();
    assert_eq!(host.load_blocks(&mut bench, 1, noon()), Err(Refusal::NotNewer));
    host.load_blocks(&mut bench, 2, noon()).unwrap();
    bench.type_keys("oLan\n");
    bench.tap(&mut card);
    assert!(bench.read_screen().contains("PIN"));
}

fn refuses_for_want_of_a_block_list(bench: &mut Bench<'_>, card: &mut Card) {
    bench.read_screen();
    bench.tap(card);
    assert!(bench.read_screen().contains("danh sách khóa thẻ"));
    assert_eq!(bench.hello().block_list_number, 0);
}

#[test]
fn new_keys_do_not_bring_an_old_block_list_back() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    host.prepare(&mut bench).unwrap();
    host.load_blocks(&mut bench, 5, noon()).unwrap();
    let last = bench.journal().pop().unwrap();
    host.acknowledge(&mut bench, &last).unwrap();
    let other = Request::MakeKeys { name: *b"VNT0000002" };
    assert_eq!(bench.refusal(&other), None);
    // Keys of the bench's name once more; then its first block list.
    assert_eq!(host.prepare(&mut bench), Err(Refusal::NotNewer));
    assert_eq!(bench.hello().state, TerminalState::Provisioned);
    assert_eq!(host.load_blocks(&mut bench, 4, noon()), Err(Refusal::NotNewer));
    host.load_blocks(&mut bench, 5, noon()).unwrap();
}

#[test]
fn power_that_goes_while_the_journal_is_made_anew() {
    let original = chip();
    let mut host = usual();
    {
        let mut bench = Bench::power_on(&original).unwrap();
        host.prepare(&mut bench).unwrap();
        // More than the journal's blocks hold at a time: what the format erases first is then the newest.
        for _ in 0..6 {
            for _ in 0..60 {
                bench.type_keys("oLan\n");
            }
            let last = newest(&mut bench).unwrap();
            host.acknowledge(&mut bench, &last).unwrap();
        }
    }
    let other = Request::MakeKeys { name: *b"VNT0000002" };
    for operation in 0.. {
        let flash = std::cell::RefCell::new(original.borrow().clone());
        let mut bench = Bench::power_on(&flash).unwrap();
        let boot = newest(&mut bench).unwrap();
        host.acknowledge(&mut bench, &boot).unwrap();
        flash.borrow_mut().cut(operation, TEARS[(operation % 7) as usize]);
        bench.refusal(&other);
        drop(bench);
        if !flash.borrow().is_dead() {
            break;
        }
        flash.borrow_mut().power_up();
        let mut bench = Bench::power_on(&flash).unwrap();
        if bench.hello().state == TerminalState::Provisioned {
            let Some(last) = newest(&mut bench) else {
                continue;
            };
            host.acknowledge(&mut bench, &last).unwrap();
        }
        assert_eq!(bench.refusal(&other), None, "cut at {operation}");
    }
}

#[test]
fn a_list_in_force_is_in_the_journal_after_any_two_cuts() {
    let original = chip();
    let mut host = usual();
    let next = ListPlan::new(2, vec![line(1, 1, 500_000)]);
    let mut bench = Bench::power_on(&original).unwrap();
    host.prepare(&mut bench).unwrap();
    drop(bench);
    let load = |cut: Option<u64>| {
        let flash = std::cell::RefCell::new(original.borrow().clone());
        let mut bench = Bench::power_on(&flash).unwrap();
        let _ = host.set_time(&mut bench, noon());
        let before = flash.borrow().operations;
        if let Some(cut) = cut {
            flash.borrow_mut().cut(cut, TEARS[0]);
        }
        let _ = host.load_list(&mut bench, &next);
        drop(bench);
        let operations = flash.borrow().operations - before;
        flash.borrow_mut().power_up();
        (flash, operations)
    };
    let (_, operations) = load(None);
    // The entry is the last thing that is written.
    let (torn, _) = load(Some(operations - 30));
    for operation in 0.. {
        let flash = std::cell::RefCell::new(torn.borrow().clone());
        flash.borrow_mut().cut(operation, TEARS[(operation % 7) as usize]);
        let _ = Bench::power_on(&flash);
        let ended = !flash.borrow().is_dead();
        flash.borrow_mut().power_up();
        let mut bench = Bench::power_on(&flash).unwrap();
        assert_eq!(bench.hello().list_number, 2);
        let kinds = story(&bench.journal(), &host.journal_key.unwrap()).kinds;
        let loaded = kinds.iter().filter(|kind| **kind == 3).count();
        assert_eq!(loaded, 2, "cut at {operation}: {kinds:?}");
        if ended {
            break;
        }
    }
}

#[test]
fn a_host_of_another_version_reads_and_changes_nothing() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    host.prepare(&mut bench).unwrap();
    bench.ask(&Request::Hello { version: 2 });
    assert_eq!(bench.refusal(&Request::TimeNonce), Some(Refusal::Version));
    assert!(!bench.journal().is_empty());
    bench.hello();
    assert_eq!(bench.refusal(&Request::TimeNonce), None);
}
