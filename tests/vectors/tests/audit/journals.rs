//! Journals: entries changed, removed, swapped, repeated, cut off; several journals of one terminal.

use ansinh_audit::Code;
use card_spec::journal::{Event, Refusal, RefusalReason, ShiftEnd};
use card_spec::payment::Operator;
use card_spec::payment::{ClockSource, LineType};
use card_spec::values::{Amount, Date, Time};
use vectors::{BlockListName, LineSpec, World, secret, sign};

use crate::{Files, JOURNAL, assert_found, audit_files, audit_folders, codes, november, world_gives, write};

fn entries(change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Files {
    let mut world = World::standard();
    change(&mut world.terminals[0].entries);
    world.all_files()
}

#[test]
fn a_removed_entry() {
    let report = assert_found(&entries(|entries| drop(entries.remove(4))), &[Code::EntryGap]);
    assert_eq!(report.findings[0].place.sequence, Some(6));
    assert_eq!(report.terminals[0].unbroken, 4);
    assert_found(&entries(|entries| drop(entries.remove(0))), &[Code::EntryGap]);
}

#[test]
fn a_removed_payment() {
    let mut files = entries(|entries| drop(entries.drain(5..8)));
    assert_found(&files, &[Code::EntryGap, Code::ReceiptUnpaid]);
    files.retain(|path, _| !path.starts_with("receipts"));
    assert_found(&files, &[Code::EntryGap, Code::ReceiptGap]);
}

#[test]
fn swapped_entries() {
    assert_found(
        &entries(|entries| entries.swap(3, 4)),
        &[Code::EntryGap, Code::EntryOrder],
    );
}

#[test]
fn a_repeated_entry() {
    assert_found(
        &entries(|entries| entries.insert(5, entries[4].clone())),
        &[Code::EntryOrder],
    );
}

#[test]
fn a_truncated_journal_with_a_later_acknowledgement() {
    let mut files = entries(|entries| entries.truncate(8));
    files.retain(|path, _| !path.starts_with("receipts"));
    let report = assert_found(&files, &[Code::JournalTruncated]);
    assert!(
        report.findings[0].text.contains("entries 9 to 12 existed"),
        "{report}"
    );
}

#[test]
fn a_truncated_journal_with_a_later_receipt() {
    let report = assert_found(
        &entries(|entries| entries.truncate(13)),
        &[Code::JournalTruncated],
    );
    assert!(
        report.findings[0].text.contains("entries 14 to 14 existed"),
        "{report}"
    );
}

#[test]
fn a_truncation_that_only_the_card_shows() {
    // Card 0 is paid at terminal 0 (cut off), later at terminal 1.
    let mut world = World::standard();
    world.issue_list(1, &[LineSpec::new(0, november(), LineType::OneOff, 1_000)]);
    world.load_list(1, 2);
    world.pay(1, 2, 1);
    world.terminals[0].entries.truncate(13);
    world.files.retain(|path, _| !path.starts_with("receipts"));
    let report = assert_found(&world.all_files(), &[Code::ReceiptGap]);
    assert_eq!(report.cards[0].missing, [(2, 2)]);
}

#[test]
fn an_entry_signed_with_a_wrong_key() {
    world_gives(
        |world| {
            let entry = world.terminals[0].next_entry(Event::ClockSet { before: Time::UNSET });
            world.terminals[0].append(&entry, &secret("somebody"));
        },
        &[Code::EntrySignature],
    );
}

/// One entry more in the middle of a journal: it alone is named, and all that was audited without it still is.
#[track_caller]
fn assert_alone(entry: &card_spec::journal::Entry<'_>, key: &str, place: usize, expected: &[Code]) {
    let forged = sign(entry, &secret(key));
    let report = assert_found(&entries(|entries| entries.insert(place, forged)), expected);
    assert_eq!(report.findings.len(), expected.len(), "{report}");
    let named = |finding: &ansinh_audit::Finding| finding.place.sequence == Some(entry.sequence.into());
    assert!(report.findings.iter().all(named), "{report}");
    assert_eq!((report.totals.payments, report.totals.handed), (4, 4));
    assert_eq!(report.totals.unproven_payments, 0);
    let terminal = &report.terminals[0];
    assert_eq!((terminal.unbroken, terminal.last), (16, 16));
    assert_eq!(terminal.acknowledged, Some(12));
}

#[test]
fn a_forged_entry_hides_nothing() {
    let world = World::standard();
    let mut entry = world.terminals[0].next_entry(Event::ClockSet { before: Time::UNSET });
    let own = "VNT0000001 journal";
    for place in [0, 5, 6, 15, 16] {
        let next = u32::try_from(place).unwrap() + 1;
        for sequence in [1, next, next + 1, 4_000_000_000, u32::MAX] {
            (entry.sequence, entry.boot_count) = (sequence, u32::MAX);
            if (place, sequence) == (16, 17) {
                continue; // at the end it cannot be told from a damaged one
            }
            entry.terminal = "VNT0000001".parse().unwrap();
            assert_alone(&entry, "somebody", place, &[Code::EntrySignature]);
            entry.terminal = "VNT0000002".parse().unwrap();
            assert_alone(&entry, own, place, &[Code::EntryTerminal]);
        }
    }
    entry.terminal = "VNT0000002".parse().unwrap();
    entry.sequence = u32::MAX;
    let both = [Code::EntrySignature, Code::EntryTerminal];
    assert_alone(&entry, "somebody", 5, &both);
}

#[test]
fn the_last_number_there_is_ends_a_journal() {
    let change = |world: &mut World| {
        let mut entry = world.terminals[0].next_entry(Event::ClockSet { before: Time::UNSET });
        entry.sequence = u32::MAX;
        world.terminals[0].append(&entry, &secret("VNT0000001 journal"));
        world.terminals[0].append(&entry, &secret("VNT0000001 journal"));
        let damaged = &mut world.terminals[0].entries;
        damaged.push(vec![0; 9]);
    };
    world_gives(change, &[Code::EntryGap, Code::EntryOrder, Code::Encoding]);
    // Without the certificate nothing tells a forged entry, and nothing is proven.
    let mut world = World::standard();
    change(&mut world);
    world.files.remove("certificates/VNT0000001J00001.cvc");
    let report = crate::audit_files(&world.all_files());
    assert_eq!((report.totals.payments, report.totals.unproven_payments), (1, 3));
}

#[test]
fn a_damaged_signature_leaves_its_entry_in_the_journal() {
    for place in [5, 6, 15] {
        let flip = |entries: &mut Vec<Vec<u8>>| *entries[place].last_mut().unwrap() ^= 1;
        let report = assert_found(&entries(flip), &[Code::EntrySignature]);
        assert_eq!(report.terminals[0].unbroken, 16);
        assert_eq!(report.totals.payments + report.totals.unproven_payments, 4);
    }
}

#[test]
fn entries_that_contradict_the_ones_before() {
    let give = |change: &dyn Fn(&mut card_spec::journal::Entry<'_>), expected: &[Code]| {
        world_gives(
            |world| {
                let mut entry = world.terminals[0].next_entry(Event::ClockSet { before: Time::UNSET });
                change(&mut entry);
                world.terminals[0].append(&entry, &secret("VNT0000001 journal"));
            },
            expected,
        );
    };
    give(&|_| (), &[]);
    give(&|entry| entry.boot_count = 0, &[Code::BootCount]);
    give(&|entry| entry.previous = [7; 32], &[Code::EntryPrevious]);
    give(&|entry| entry.sequence += 2, &[Code::EntryGap]);
    give(&|entry| entry.sequence -= 1, &[Code::EntryOrder]);
    give(
        &|entry| entry.terminal = "VNT0000002".parse().unwrap(),
        &[Code::EntryTerminal],
    );
    let noon = |day| Time::new(Date::new(2026, 11, day).unwrap(), 12, 0, 0).unwrap();
    give(&|entry| entry.time = noon(1), &[Code::EntryTime]);
    give(
        &|entry| (entry.clock, entry.time) = (ClockSource::Operator, noon(1)),
        &[],
    );
    give(
        &|entry| entry.event = Event::Handed { intent: 6 },
        &[Code::Handed],
    );
    give(
        &|entry| entry.event = Event::Handed { intent: 99 },
        &[Code::Handed],
    );
    give(
        &|entry| {
            entry.event = Event::Synced {
                acknowledgement: [1; 32],
                sequence: 12,
            }
        },
        &[Code::Synced],
    );
    give(
        &|entry| {
            entry.event = Event::Synced {
                acknowledgement: [1; 32],
                sequence: 99,
            }
        },
        &[Code::Synced],
    );
    give(
        &|entry| {
            entry.event = Event::Synced {
                acknowledgement: [1; 32],
                sequence: 3,
            }
        },
        &[Code::Synced],
    );
    give(
        &|entry| {
            entry.event = Event::ListLoaded {
                header: [1; 32],
                number: 9,
            }
        },
        &[Code::ListMissing],
    );
    give(
        &|entry| {
            entry.event = Event::BlockListLoaded {
                header: [1; 32],
                number: 9,
            }
        },
        &[Code::BlockListMissing],
    );
    let refusal = Refusal {
        reason: RefusalReason::RefusedByCard,
        card_number: None,
        line_number: None,
        status_word: Some(0x6343),
        closes_intent: Some(6),
    };
    give(
        &|entry| entry.event = Event::Refused(refusal),
        &[Code::RefusedIntent],
    );
}

/// Issues lists for the first terminal that keep these, and loads each.
fn beside(world: &mut World, keeps: &[&[u32]]) {
    for (kept, amount) in keeps.iter().zip(1_000..) {
        let line = LineSpec {
            entitlement: amount,
            ..LineSpec::new(2, november(), LineType::OneOff, amount.into())
        };
        let lines = vec![(2, world.line(1, &line))];
        let list = world.issue_beside(0, kept, lines);
        world.load_list(0, list);
    }
}

#[test]
fn lists_beside_each_other() {
    let paid_from_the_first = |keeps: &[&[u32]], expected: &[Code]| {
        world_gives(
            |world| {
                beside(world, keeps);
                world.pay(0, 0, 3);
            },
            expected,
        );
    };
    paid_from_the_first(&[&[1]], &[]);
    paid_from_the_first(&[&[1], &[1, 3]], &[]);
    // It has ended: by a list that keeps none, or not this one.
    paid_from_the_first(&[&[]], &[Code::OrderListNotLoaded]);
    paid_from_the_first(&[&[1], &[3]], &[Code::OrderListNotLoaded]);
    // It does not come back.
    paid_from_the_first(&[&[], &[1]], &[Code::ListLoaded]);
    world_gives(
        |world| {
            beside(world, &[&[1]]);
            world.pay(0, 2, 1);
        },
        &[],
    );
    // Another issuer's list of the same number, for another terminal, is none of those.
    world_gives(
        |world| {
            beside(world, &[&[1]]);
            world.change_issuer();
            let line = LineSpec::new(3, november(), LineType::OneOff, 7);
            world.issue_list(1, &[line]);
        },
        &[],
    );
    // Itself, one that was not made yet, and another terminal's.
    for kept in [2, 3, 4] {
        world_gives(
            |world| beside(world, &[&[1, kept]]),
            &[Code::ListKept, Code::ListLoaded],
        );
    }
    world_gives(
        |world| {
            let line = world.lists[0].lines[2];
            world.issue_beside(0, &[1], vec![line]);
        },
        &[Code::ListLineTwice, Code::ListLineNumber],
    );
}

#[test]
fn lists_loaded_against_the_rules() {
    world_gives(|world| world.load_list(0, 1), &[Code::ListLoaded]); // another terminal's
    world_gives(|world| world.load_list(0, 0), &[Code::ListLoaded]); // again
    world_gives(
        |world| {
            let first = world.issue_block_list(&[4]);
            let second = world.issue_block_list(&[4]);
            world.load_block_list(0, &second);
            world.load_block_list(0, &first);
        },
        &[Code::BlockListLoaded],
    );
}

#[test]
fn a_block_list_that_was_lost_is_loaded_again_and_no_other_in_its_place() {
    let again = |world: &mut World| {
        let second = world.issue_block_list(&[4]);
        world.load_block_list(0, &second);
        world.load_block_list(0, &second);
        second
    };
    world_gives(|world| _ = again(world), &[]);
    world_gives(
        |world| {
            let number = again(world).number + 1;
            let header = world.issuer_previous;
            world.load_block_list(0, &BlockListName { number, header });
        },
        &[Code::BlockListLoaded],
    );
    world_gives(
        |world| {
            again(world);
            let file = world.files.remove("blocklists/2.blocklist").unwrap();
            world.files.insert("copy/blocklists/2.blocklist".into(), file);
            world.block_list_number -= 1;
            let other = world.issue_block_list(&[1]);
            world.load_block_list(0, &other);
        },
        &[Code::BlockListLoaded, Code::BlockListNumber],
    );
}

#[test]
fn two_journals_of_one_terminal() {
    let honest = World::standard();
    let mut forked = World::standard();
    forked.terminals[0].entries.truncate(4);
    let terminal = &mut forked.terminals[0];
    (terminal.sequence, terminal.head) = (0, card_spec::journal::genesis(&terminal.key.public_key()));
    terminal.entries.clear();
    forked.start(0);
    forked.load_list(0, 0);
    forked.open_shift(0);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&honest.all_files(), one.path());
    let only_journals = |files: Files| -> Files {
        files
            .into_iter()
            .filter(|(path, _)| path.starts_with("journals/"))
            .collect()
    };
    write(&only_journals(forked.all_files()), two.path());
    let report = audit_folders(&[one.path(), two.path()]);
    assert_eq!(codes(&report), [Code::EntryFork.as_str()], "{report}");

    write(&only_journals(honest.all_files()), two.path());
    let report = audit_folders(&[one.path(), two.path()]);
    assert!(
        report.clean && report.totals.payments == 4,
        "the same journal twice: {report}"
    );

    // A journal in two parts.
    let mut parts = honest.all_files();
    let (first, second) = honest.terminals[0].entries.split_at(7);
    parts.insert(JOURNAL.into(), second.concat());
    write(&parts, one.path());
    parts.retain(|path, _| path == JOURNAL);
    parts.insert(JOURNAL.into(), first.concat());
    write(&parts, two.path());
    std::fs::remove_file(two.path().join("journals/VNT0000002.journal")).unwrap();
    let report = audit_folders(&[one.path(), two.path()]);
    assert!(report.clean && report.totals.payments == 4, "{report}");
}

/// Every byte of a journal: whatever the change, something is found, and the audit ends.
#[test]
fn every_flipped_byte_of_a_journal_is_found() {
    let files = World::standard().all_files();
    let folder = tempfile::tempdir().unwrap();
    write(&files, folder.path());
    let journal = &files[JOURNAL];
    let path = folder.path().join(JOURNAL);
    for place in 0..journal.len() {
        let mut flipped = journal.clone();
        flipped[place] ^= 1 << (place % 8);
        std::fs::write(&path, flipped).unwrap();
        let report = audit_folders(&[folder.path()]);
        assert!(!report.clean, "byte {place} of {}", journal.len());
        let named = report
            .findings
            .iter()
            .any(|finding| finding.place.file.ends_with(JOURNAL));
        assert!(named, "byte {place}: the journal is not named: {report}");
    }
}

fn operator(name: &str) -> Operator<'_> {
    Operator::new(name).unwrap()
}

/// An honest payment after `before`, which may lack the shift for it.
fn paid_after(before: &[Event<'_>], expected: &[Code]) {
    world_gives(
        |world| {
            world.issue_list(1, &[LineSpec::new(0, november(), LineType::OneOff, 1_000)]);
            world.load_list(1, 2);
            world.open_shift(1);
            for event in before {
                world.terminal(1).log(*event);
            }
            world.pay(1, 2, 1);
        },
        expected,
    );
}

#[test]
fn an_order_names_the_operator_whose_shift_it_is() {
    let clerk = operator("clerk-01");
    let closed = |operator| Event::ShiftClosed {
        operator,
        end: ShiftEnd::Idle,
    };
    let boot = Event::Boot {
        firmware: [1; 32],
        flags: 0x80,
    };
    let opened = Event::ShiftOpened { operator: clerk };
    let other = Event::ShiftOpened {
        operator: operator("MINH"),
    };
    let wrong = Event::OperatorRefused {
        operator: clerk,
        attempts: 3,
    };
    paid_after(&[], &[]);
    paid_after(&[wrong, closed(clerk), opened], &[]);
    paid_after(&[other, closed(operator("MINH")), opened], &[]);
    paid_after(&[closed(clerk)], &[Code::OrderOperator]);
    paid_after(&[other], &[Code::OrderOperator]);
    paid_after(&[boot], &[Code::OrderOperator]);
    paid_after(&[closed(operator("MINH")), opened], &[Code::ShiftClosed]);
    paid_after(&[closed(clerk), closed(clerk), opened], &[Code::ShiftClosed]);
    paid_after(&[boot, closed(clerk), opened], &[Code::ShiftClosed]);
}

/// 1,500 VND come in, 1,000 are handed over, and then come `after`.
fn cash_after(after: &[Event<'_>], expected: &[Code]) {
    world_gives(
        |world| {
            world.issue_list(1, &[LineSpec::new(0, november(), LineType::OneOff, 1_000)]);
            world.load_list(1, 2);
            // Another drawer than that of the payments before.
            let operator = operator("MINH");
            world.terminal(1).log(Event::ShiftOpened { operator });
            world.open_shift(1);
            world.terminal(1).log(received("clerk-01", 1_500));
            world.pay(1, 2, 1);
            for event in after {
                world.terminal(1).log(*event);
            }
        },
        expected,
    );
}

fn vnd(vnd: u64) -> Amount {
    Amount::new(vnd).unwrap()
}

fn received(name: &'static str, amount: u64) -> Event<'static> {
    Event::CashReceived {
        operator: operator(name),
        amount: vnd(amount),
    }
}

fn counted(name: &'static str, expected: u64, counted: u64) -> Event<'static> {
    Event::CashCounted {
        operator: operator(name),
        expected: vnd(expected),
        counted: vnd(counted),
    }
}

#[test]
fn a_count_of_cash_states_what_came_in_less_what_was_handed_over() {
    let clerk = "clerk-01";
    let opened = |name| Event::ShiftOpened {
        operator: operator(name),
    };
    let closed = |end| Event::ShiftClosed {
        operator: operator(clerk),
        end,
    };
    let boot = Event::Boot {
        firmware: [1; 32],
        flags: 0x80,
    };
    let cash = &[Code::CashCounted];
    // Over and short are the clerk's, and no finding.
    cash_after(&[counted(clerk, 500, 0), counted(clerk, 500, 900)], &[]);
    cash_after(&[counted(clerk, 499, 499)], cash);
    cash_after(&[received(clerk, 7), counted(clerk, 507, 507)], &[]);
    cash_after(&[received(clerk, 7), counted(clerk, 500, 500)], cash);
    // It stays in the drawer until the clerk closes the shift or another one comes.
    cash_after(
        &[closed(ShiftEnd::Idle), opened(clerk), counted(clerk, 500, 500)],
        &[],
    );
    cash_after(&[boot, opened(clerk), counted(clerk, 500, 500)], &[]);
    cash_after(
        &[closed(ShiftEnd::Closed), opened(clerk), counted(clerk, 500, 500)],
        cash,
    );
    cash_after(
        &[
            closed(ShiftEnd::Closed),
            opened(clerk),
            received(clerk, 9),
            counted(clerk, 9, 8),
        ],
        &[],
    );
    cash_after(&[opened("MINH"), counted("MINH", 500, 500)], cash);
    cash_after(&[opened("MINH"), received("MINH", 3), counted("MINH", 3, 3)], &[]);
    // In somebody's shift, by that one.
    cash_after(&[received("MINH", 3)], cash);
    cash_after(&[counted("MINH", 500, 500)], cash);
    cash_after(&[closed(ShiftEnd::Closed), received(clerk, 3)], cash);
}

#[test]
fn nothing_is_said_of_shifts_where_entries_are_missing() {
    let missing = |number: usize| {
        let mut world = World::standard();
        world.terminals[0].entries.remove(number);
        let report = audit_files(&world.all_files());
        assert!(
            !codes(&report).contains(&Code::OrderOperator.as_str()),
            "{report}"
        );
    };
    (1..5).for_each(missing);
}

#[test]
fn nothing_is_said_of_cash_where_entries_are_missing() {
    let missing = |number: usize| {
        let mut world = World::standard();
        world.terminal(1).log(received("clerk-01", 1_500_000));
        world.terminal(1).log(counted("clerk-01", 1, 1));
        let entries = &mut world.terminals[1].entries;
        if number < entries.len() - 2 {
            entries.remove(number);
        }
        codes(&audit_files(&world.all_files())).contains(&Code::CashCounted.as_str())
    };
    let entries = World::standard().terminals[1].entries.len();
    assert!(missing(entries), "the count is wrong when nothing is missing");
    assert!((1..entries).all(|number| !missing(number)));
}

#[test]
fn lists_of_operators_rise() {
    let loaded = |number| Event::OperatorsLoaded {
        list: [number; 32],
        number: number.into(),
    };
    let load = |numbers: &[u8], expected: &[Code]| {
        let events = numbers.iter().map(|number| loaded(*number));
        world_gives(
            |world| events.for_each(|event| world.terminal(1).log(event)),
            expected,
        );
    };
    load(&[1, 2, 5], &[]);
    load(&[2, 2], &[Code::OperatorsLoaded]);
    load(&[2, 1], &[Code::OperatorsLoaded]);
    load(&[2, 1, 3], &[Code::OperatorsLoaded]);
}

#[test]
fn a_clock_set_by_an_operator_says_so_and_is_not_behind_a_hosts() {
    let set = |hour: u8, clock: ClockSource, expected: &[Code]| {
        world_gives(
            |world| {
                let day = Date::new(2026, 11, 5).unwrap();
                let mut entry = world.terminals[1].next_entry(Event::ClockSetByOperator {
                    before: Time::UNSET,
                    operator: operator("HOA"),
                });
                entry.time = Time::new(day, hour, 30, 0).unwrap();
                entry.clock = clock;
                world.terminals[1].append(&entry, &secret("VNT0000002 journal"));
            },
            expected,
        );
    };
    set(23, ClockSource::Operator, &[]);
    set(7, ClockSource::Operator, &[Code::ClockSetByOperator]);
    set(23, ClockSource::Host, &[Code::ClockSetByOperator]);
}
