//! The auditor against broken ledgers: an honest one is clean, and each way of breaking it gives exactly the findings
//! that name it and its consequences.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use ansinh_audit::{AuditError, Code, Report, audit, read_root_key};
use card_spec::journal::{Event, Refusal, RefusalReason};
use card_spec::payment::{ClockSource, HolderCheckMethod, HolderCheckOutcome, LineType, Recipient};
use card_spec::values::{Amount, Date, Period, Time};
use vectors::{LineSpec, Person, World, pem, secret, sign};

type Files = BTreeMap<String, Vec<u8>>;

const JOURNAL: &str = "journals/VNT0000001.journal";
const LIST: &str = "lists/2026-11-0001.list";
const BLOCK_LIST: &str = "blocklists/1.blocklist";

fn write(files: &Files, folder: &Path) {
    for (path, content) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

fn audit_folders(folders: &[&Path]) -> Report {
    let folders: Vec<PathBuf> = folders.iter().map(|folder| folder.to_path_buf()).collect();
    audit(&folders, &secret("root").public_key(), NonZero::new(2).unwrap()).unwrap()
}

fn audit_files(files: &Files) -> Report {
    let folder = tempfile::tempdir().unwrap();
    write(files, folder.path());
    audit_folders(&[folder.path()])
}

fn codes(report: &Report) -> Vec<&'static str> {
    let mut codes: Vec<_> = report
        .findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

#[track_caller]
fn assert_found(files: &Files, expected: &[Code]) -> Report {
    let report = audit_files(files);
    let mut expected: Vec<_> = expected.iter().map(|code| code.as_str()).collect();
    expected.sort_unstable();
    assert_eq!(codes(&report), expected, "{report}");
    assert_eq!(report.clean, expected.is_empty());
    report
}

/// The honest ledger after `change`.
#[track_caller]
fn world_gives(change: impl FnOnce(&mut World), expected: &[Code]) -> Report {
    let mut world = World::standard();
    change(&mut world);
    assert_found(&world.all_files(), expected)
}

/// The honest ledger's files after `change`.
#[track_caller]
fn files_give(change: impl FnOnce(&mut Files), expected: &[Code]) -> Report {
    let mut files = World::standard().all_files();
    change(&mut files);
    assert_found(&files, expected)
}

fn flip_last(files: &mut Files, path: &str) {
    *files.get_mut(path).unwrap().last_mut().unwrap() ^= 1;
}

fn card_file(files: &Files, card: usize, name: &str) -> String {
    let mut paths = files
        .keys()
        .filter(|path| path.starts_with("cards/") && path.ends_with(name));
    paths.nth(card).unwrap().clone()
}

fn issue_sixth(world: &mut World) {
    world.issue(6, &Person::numbered(6));
}

fn november() -> Period {
    Period::new(2026, 11).unwrap()
}

#[test]
fn an_honest_ledger_is_clean_and_its_sums_are_right() {
    let report = world_gives(|_| (), &[]);
    assert_eq!(report.totals.payments, 4);
    assert_eq!(report.totals.paid_vnd, 2_000_000);
    assert_eq!(report.totals.by_programme_vnd["HTXH"], 2_000_000);
    assert_eq!(report.totals.unproven_payments, 0);
    assert_eq!(report.totals.handed, 4);
    assert_eq!(report.totals.refused["wrong PIN"], 1);
    assert_eq!(report.counts.cards, 5);
    assert_eq!(report.counts.entries, 25);
    assert_eq!(report.issuers[0].last, 8);
    assert_eq!(report.terminals[0].unbroken, report.terminals[0].last);
    assert!(
        report
            .terminals
            .iter()
            .all(|terminal| terminal.acknowledged.is_some())
    );
    assert_eq!(report.cards[0].counter, 2, "card 0 was paid twice, for two lines");
    assert!(report.notes.is_empty() && report.unknown_files.is_empty());
}

#[test]
fn unknown_files_are_listed_and_are_no_findings() {
    let report = files_give(
        |files| {
            files.insert("store.sqlite".into(), vec![0; 10]);
            files.insert("journals/readme.txt".into(), vec![]);
        },
        &[],
    );
    assert_eq!(report.unknown_files.len(), 2);
}

#[test]
fn nothing_but_a_root_key_and_existing_folders_is_demanded() {
    assert!(matches!(
        read_root_key("/nonexistent/root.pem".into()),
        Err(AuditError::RootKey { .. })
    ));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.pem");
    std::fs::write(&path, "no key").unwrap();
    assert!(matches!(read_root_key(path.clone()), Err(AuditError::NotAKey(_))));
    std::fs::write(&path, pem(&secret("root").public_key())).unwrap();
    let root = read_root_key(path).unwrap();
    let missing = [folder.path().join("missing")];
    assert!(matches!(
        audit(&missing, &root, NonZero::<usize>::MIN),
        Err(AuditError::Folders(_))
    ));
}

// Files: one flipped byte each.

#[test]
fn a_flipped_byte_in_a_certificate() {
    files_give(
        |files| flip_last(files, "certificates/VNTCA00001.cvc"),
        &[
            Code::CertificateSignature,
            Code::CertificateAuthority, // of the terminals below it
            Code::KeyFile,
            Code::JournalKey,
        ],
    );
}

#[test]
fn a_flipped_byte_in_the_root_certificate() {
    let report = audit_files(&{
        let mut files = World::standard().all_files();
        flip_last(&mut files, "certificates/VNROOT00001.cvc");
        files
    });
    assert!(codes(&report).contains(&"root-missing"));
    assert_eq!((report.totals.payments, report.totals.unproven_payments), (0, 4));
}

#[test]
fn a_flipped_byte_in_a_key_file() {
    let swap = |files: &mut Files| files.insert("issuer.pem".into(), pem(&secret("somebody").public_key()));
    files_give(|files| drop(swap(files)), &[Code::KeyFile]);
    files_give(
        |files| files.get_mut("terminal-VNT0000001.pem").unwrap()[40] = b'!',
        &[Code::Encoding],
    );
}

#[test]
fn a_flipped_byte_in_a_cso() {
    let report = files_give(
        |files| flip_last(files, &card_file(files, 2, "cso.tlv")),
        &[Code::CsoSignature, Code::CsoExport],
    );
    assert_eq!(report.totals.payments, 4, "card 2 was not paid");
}

#[test]
fn payments_of_a_card_without_a_valid_cso_are_not_proven() {
    let report = files_give(
        |files| flip_last(files, &card_file(files, 0, "cso.tlv")),
        &[Code::CsoSignature, Code::CsoExport],
    );
    assert_eq!((report.totals.payments, report.totals.unproven_payments), (2, 2));
}

#[test]
fn a_flipped_byte_in_the_files_beside_a_cso() {
    for name in ["cso.signed.bin", "cso.sig.der"] {
        files_give(
            |files| flip_last(files, &card_file(files, 1, name)),
            &[Code::CsoExport],
        );
    }
    let other = pem(&secret("somebody").public_key());
    files_give(
        |files| *files.get_mut(&card_file(files, 1, "card-signing.pem")).unwrap() = other,
        &[Code::CsoExport],
    );
}

#[test]
fn a_flipped_byte_in_a_list() {
    // In the Merkle root: the header has another hash then, and the root is no order's.
    files_give(
        |files| files.get_mut(LIST).unwrap()[100] ^= 1,
        &[
            Code::ListSignature,
            Code::ListRoot,
            Code::IssuerPrevious,
            Code::ListMissing,
            Code::OrderList,
        ],
    );
}

#[test]
fn a_changed_amount_in_a_list() {
    // The last amount byte of the last line, before the three bytes of the recipients.
    let change = |files: &mut Files| {
        let list = files.get_mut(LIST).unwrap();
        let place = list.len() - 4;
        list[place] ^= 1;
    };
    files_give(change, &[Code::ListTotal, Code::ListRoot, Code::OrderLine]);
}

#[test]
fn a_line_removed_from_a_list() {
    let change = |files: &mut Files| {
        let list = files.get_mut(LIST).unwrap();
        list.truncate(list.len() - 120);
    };
    files_give(
        change,
        &[Code::ListCount, Code::ListTotal, Code::ListRoot, Code::OrderLine],
    );
}

#[test]
fn lines_swapped_in_a_list() {
    let change = |files: &mut Files| {
        let list = files.get_mut(LIST).unwrap();
        let end = list.len();
        list[end - 120..].rotate_left(60);
    };
    files_give(change, &[Code::ListLineNumber, Code::ListRoot]);
}

#[test]
fn junk_behind_a_list() {
    let report = files_give(|files| files.get_mut(LIST).unwrap().push(0), &[Code::Encoding]);
    assert!(report.findings[0].place.offset.is_some());
}

#[test]
fn an_empty_list_file() {
    files_give(
        |files| files.get_mut(LIST).unwrap().clear(),
        &[
            Code::Encoding,
            Code::IssuerGap,
            Code::ListMissing,
            Code::OrderList,
        ],
    );
}

#[test]
fn a_flipped_byte_in_a_block_list() {
    let place = |files: &Files| files[BLOCK_LIST].len() - 16 - 1; // the header's signature
    files_give(
        |files| {
            let place = place(files);
            files.get_mut(BLOCK_LIST).unwrap()[place] ^= 1;
        },
        &[Code::BlockListSignature],
    );
    files_give(|files| flip_last(files, BLOCK_LIST), &[Code::Encoding]);
    // Reason 1 becomes 3: another valid entry.
    files_give(
        |files| *files.get_mut(BLOCK_LIST).unwrap().last_mut().unwrap() = 3,
        &[Code::BlockListRoot],
    );
}

#[test]
fn an_entry_removed_from_a_block_list() {
    let change = |files: &mut Files| {
        let list = files.get_mut(BLOCK_LIST).unwrap();
        list.truncate(list.len() - 16);
    };
    files_give(change, &[Code::BlockListCount, Code::BlockListRoot]);
}

#[test]
fn a_flipped_byte_in_an_acknowledgement() {
    let report = files_give(
        |files| flip_last(files, "acks/VNT0000001-12.ack"),
        &[Code::AcknowledgementSignature],
    );
    assert_eq!(report.terminals[0].acknowledged, None);
}

#[test]
fn a_flipped_byte_in_a_receipt_file() {
    for name in ["signed.bin", "sig.der"] {
        files_give(
            |files| flip_last(files, &format!("receipts/VNT0000001-6.{name}")),
            &[Code::ReceiptFile],
        );
    }
}

#[test]
fn renamed_files() {
    let rename = |files: &mut Files, from: &str, to: &str| {
        let content = files.remove(from).unwrap();
        files.insert(to.into(), content);
    };
    files_give(|files| rename(files, LIST, "lists/other.list"), &[Code::FileName]);
    files_give(
        |files| rename(files, BLOCK_LIST, "blocklists/7.blocklist"),
        &[Code::FileName],
    );
    files_give(
        |files| {
            rename(
                files,
                "certificates/VNTCA00001.cvc",
                "certificates/VNTCA00002.cvc",
            )
        },
        &[Code::FileName],
    );
    files_give(
        |files| rename(files, "acks/VNT0000001-12.ack", "acks/VNT0000001-11.ack"),
        &[Code::FileName],
    );
    files_give(
        |files| {
            rename(
                files,
                "receipts/VNT0000001-6.signed.bin",
                "receipts/VNT0000001-7.signed.bin",
            )
        },
        &[Code::ReceiptUnpaid],
    );
}

// Removed files.

#[test]
fn a_removed_cso() {
    files_give(
        |files| files.retain(|path, _| !path.starts_with(card_folder().as_str())),
        &[Code::IssuerGap, Code::ListLineCard],
    );
    fn card_folder() -> String {
        format!("cards/{}", World::standard().cards[2].number)
    }
}

#[test]
fn a_removed_cso_of_a_paid_card() {
    let report = files_give(
        |files| {
            let folder = format!("cards/{}", World::standard().cards[1].number);
            files.retain(|path, _| !path.starts_with(&folder));
        },
        &[Code::IssuerGap, Code::ListLineCard, Code::CardUnknown],
    );
    assert_eq!(report.issuers[0].missing, [(2, 2)]);
    assert_eq!(report.totals.unproven_payments, 1);
}

#[test]
fn a_card_folder_without_its_cso() {
    files_give(
        |files| drop(files.remove(&card_file(files, 2, "cso.tlv"))),
        &[Code::CsoMissing, Code::IssuerGap],
    );
}

#[test]
fn a_removed_list_and_a_removed_block_list() {
    files_give(
        |files| drop(files.remove(LIST)),
        &[Code::IssuerGap, Code::ListMissing, Code::OrderList],
    );
    // It is the issuer's last object: only the journals still show it.
    files_give(|files| drop(files.remove(BLOCK_LIST)), &[Code::BlockListMissing]);
}

#[test]
fn a_removed_journal() {
    let report = files_give(|files| drop(files.remove(JOURNAL)), &[Code::JournalMissing]);
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.text.contains("entries 1 to 12"))
    );
}

#[test]
fn removed_acknowledgements_and_receipts_are_a_smaller_audit() {
    let report = files_give(
        |files| files.retain(|path, _| !path.starts_with("acks") && !path.starts_with("rec")),
        &[],
    );
    assert_eq!(report.notes.len(), 2, "{report}");
}

// Journals.

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

// Payments.

#[test]
fn a_line_paid_twice() {
    let report = world_gives(|world| world.pay(0, 0, 1), &[Code::PaidTwice]);
    assert!(report.findings[0].text.contains("500000 VND"));
}

#[test]
fn a_line_paid_again_from_another_terminals_list() {
    let report = world_gives(
        |world| {
            world.issue_list(1, &[LineSpec::new(0, november(), LineType::Regular, 500_000)]);
            world.load_list(1, 2);
            world.pay(1, 2, 1);
        },
        &[Code::PaidTwice],
    );
    assert_eq!(report.notes.len(), 1, "the line is carried");
}

#[test]
fn a_blocked_card_paid() {
    world_gives(|world| world.pay(1, 1, 2), &[Code::BlockedCard]);
}

#[test]
fn orders_that_are_not_the_lists() {
    let give = |change: &dyn Fn(&mut card_spec::payment::Order<'_>), expected: &[Code]| {
        world_gives(
            |world| {
                let mut order = world.order(0, 0, 3);
                change(&mut order);
                world.pay_order(0, 2, &order);
            },
            expected,
        );
    };
    give(&|_| (), &[]);
    give(
        &|order| order.amount = Amount::new(5_000_000).unwrap(),
        &[Code::OrderLine],
    );
    give(&|order| order.line_number = 99, &[Code::OrderLine]);
    give(&|order| order.list_root = [1; 32], &[Code::OrderList]);
    give(&|order| order.cso_hash = [1; 32], &[Code::CardUnknown]);
    give(&|order| order.sequence += 1, &[Code::OrderPlace]);
    give(&|order| order.log_head = [1; 32], &[Code::OrderPlace]);
    give(
        &|order| order.terminal = "VNT0000002".parse().unwrap(),
        &[Code::OrderPlace],
    );
    give(
        &|order| order.method = HolderCheckMethod::PhotoDocument,
        &[Code::OrderMethod],
    );
    give(&|order| order.recipient = Recipient::Representative, &[]);
    let on = |month, day| Time::new(Date::new(2026, month, day).unwrap(), 12, 0, 0).unwrap();
    give(&|order| order.time = on(11, 28), &[Code::OrderDate]); // after the list
    give(
        &|order| order.time = on(12, 20),
        &[Code::OrderDate, Code::BlockListStale],
    ); // and the certificate
}

#[test]
fn an_order_for_another_persons_line() {
    world_gives(
        |world| {
            let mut order = world.order(0, 0, 3);
            order.cso_hash = world.cards[3].cso_hash;
            world.pay_order(0, 3, &order);
        },
        &[Code::OrderLine],
    );
}

#[test]
fn a_recipient_whom_the_list_does_not_allow() {
    world_gives(
        |world| {
            let mut line = world.line(1, &LineSpec::new(2, november(), LineType::OneOff, 1_000));
            line.recipients = 0b10;
            world.issue_lines(0, vec![(2, line)]);
            world.load_list(0, 2);
            world.pay(0, 2, 1);
        },
        &[Code::OrderLine],
    );
}

#[test]
fn a_list_that_was_not_loaded() {
    world_gives(
        |world| {
            world.issue_list(0, &[LineSpec::new(2, november(), LineType::OneOff, 1_000)]);
            world.pay(0, 2, 1);
        },
        &[Code::OrderListNotLoaded],
    );
}

#[test]
fn a_terminal_that_pays_without_a_block_list() {
    world_gives(
        |world| {
            let terminal = world.add_terminal(3);
            world.issue_list(terminal, &[LineSpec::new(2, november(), LineType::OneOff, 1_000)]);
            world.start(terminal);
            world.load_list(terminal, 2);
            world.pay(terminal, 2, 1);
        },
        &[Code::BlockListStale],
    );
}

/// Pays line 3 with a receipt that `change` has altered and `key` signs.
fn receipt_gives(change: impl FnOnce(&mut card_spec::payment::Receipt), key: &str, expected: &[Code]) {
    world_gives(
        |world| {
            let order = world.order(0, 0, 3);
            let encoding = world.intent(0, &order);
            let intent = world.terminals[0].sequence;
            let mut receipt = world.receipt(2, &encoding);
            change(&mut receipt);
            world.paid(0, intent, &sign(&receipt, &secret(key)));
        },
        expected,
    );
}

#[test]
fn receipts_that_are_not_the_cards() {
    receipt_gives(|_| (), "card 3 signing", &[]);
    receipt_gives(|_| (), "somebody", &[Code::ReceiptSignature]);
    receipt_gives(
        |receipt| receipt.order_hash = [1; 32],
        "card 3 signing",
        &[Code::PaidWithoutIntent, Code::ReceiptUnpaid],
    );
    receipt_gives(
        |receipt| receipt.cso_version = 2,
        "card 3 signing",
        &[Code::ReceiptCard],
    );
    receipt_gives(
        |receipt| receipt.previous = [1; 32],
        "card 3 signing",
        &[Code::ReceiptPrevious],
    );
    receipt_gives(
        |receipt| receipt.counter = 3,
        "card 3 signing",
        &[Code::ReceiptGap],
    );
    let unseen = HolderCheckOutcome {
        pin_verified: false,
        tries_left: 3,
    };
    receipt_gives(
        |receipt| receipt.holder_check = unseen,
        "card 3 signing",
        &[Code::ReceiptHolderCheck],
    );
}

#[test]
fn two_receipts_with_one_counter() {
    world_gives(
        |world| {
            world.cards[0].counter -= 1;
            world.issue_list(0, &[LineSpec::new(0, november(), LineType::OneOff, 1_000)]);
            world.load_list(0, 2);
            world.pay(0, 2, 1);
        },
        &[Code::ReceiptFork],
    );
}

#[test]
fn intents_stay_open_until_they_are_settled() {
    let report = world_gives(
        |world| {
            let order = world.order(0, 0, 3);
            world.intent(0, &order);
        },
        &[],
    );
    assert_eq!(report.terminals[0].open_intent, Some(17));
    world_gives(
        |world| {
            let order = world.order(0, 0, 3);
            world.intent(0, &order);
            let order = world.order(0, 0, 3);
            world.intent(0, &order);
        },
        &[Code::IntentOpen],
    );
    let close = |status_word: Option<u16>, expected: &[Code]| {
        world_gives(
            |world| {
                let order = world.order(0, 0, 3);
                world.intent(0, &order);
                let refusal = Refusal {
                    reason: RefusalReason::RefusedByCard,
                    card_number: None,
                    line_number: Some(3),
                    status_word,
                    closes_intent: Some(17),
                };
                world.terminals[0].log(Event::Refused(refusal));
            },
            expected,
        );
    };
    close(Some(0x6343), &[]);
    close(Some(0x6985), &[Code::RefusedIntent]); // bare: anybody can forge it
    close(None, &[Code::RefusedIntent]);
}

// Cards.

#[test]
fn a_card_number_given_twice() {
    world_gives(
        |world| {
            let path = format!("cards/{}/cso.tlv", world.cards[4].number);
            let (honest, key) = (world.files[&path].clone(), world.cards[4].signing.public_key());
            world.issue(5, &Person::numbered(77));
            let second = world.files.insert(path.clone(), honest).unwrap();
            let folder = format!("cards/{}", world.cards[4].number);
            world
                .files
                .retain(|path, _| !path.starts_with(&folder) || path.ends_with("cso.tlv"));
            world
                .files
                .insert(format!("{folder}/card-signing.pem"), pem(&key));
            world.files.insert(format!("copy/{path}"), second);
        },
        &[Code::CardTwice],
    );
}

#[test]
fn a_person_with_two_live_cards() {
    let second = |world: &mut World| {
        world.issue(
            6,
            &Person {
                keys: "card 6".into(),
                ..Person::numbered(1)
            },
        );
    };
    world_gives(second, &[Code::PersonTwice]);
    world_gives(
        |world| {
            second(world);
            world.issue_block_list(&[0, 4]); // the first one is reported lost
        },
        &[],
    );
}

#[test]
fn a_key_on_two_cards() {
    world_gives(
        |world| {
            _ = world.issue(
                6,
                &Person {
                    keys: "card 1".into(),
                    ..Person::numbered(6)
                },
            )
        },
        &[Code::CardKeyTwice],
    );
}

#[test]
fn objects_signed_with_a_wrong_key() {
    let forged = |change: fn(&mut World)| {
        move |world: &mut World| {
            world.issuer = secret("somebody");
            change(world);
        }
    };
    world_gives(forged(issue_sixth), &[Code::CsoSignature]);
    world_gives(
        forged(|world| _ = world.issue_block_list(&[])),
        &[Code::BlockListSignature],
    );
    let list =
        |world: &mut World| _ = world.issue_list(0, &[LineSpec::new(2, november(), LineType::OneOff, 1)]);
    world_gives(forged(list), &[Code::ListSignature]);
    let acknowledgement = |world: &mut World| {
        let acknowledgement = world.acknowledgement(0);
        world.file_acknowledgement(&acknowledgement);
    };
    world_gives(forged(acknowledgement), &[Code::AcknowledgementSignature]);
}

#[test]
fn acknowledgements_that_are_not_the_journals() {
    let give = |change: &dyn Fn(&mut card_spec::journal::Acknowledgement), expected: &[Code]| {
        world_gives(
            |world| {
                let mut acknowledgement = world.acknowledgement(0);
                change(&mut acknowledgement);
                world.file_acknowledgement(&acknowledgement);
            },
            expected,
        );
    };
    give(&|_| (), &[]);
    give(
        &|acknowledgement| acknowledgement.head = [1; 32],
        &[Code::AcknowledgementHead],
    );
    give(
        &|acknowledgement| acknowledgement.journal_key = [1; 32],
        &[Code::AcknowledgementKey],
    );
    give(
        &|acknowledgement| acknowledgement.sequence += 1,
        &[Code::JournalTruncated],
    );
    give(
        &|acknowledgement| acknowledgement.time = Time::UNSET,
        &[Code::Encoding],
    );
    give(
        &|acknowledgement| acknowledgement.issuer = vectors::reference("VNISS0100001"),
        &[Code::Issuer],
    );
}

#[test]
fn the_issuers_sequence_broken() {
    let issue = issue_sixth;
    world_gives(
        |world| {
            world.issuer_sequence += 1;
            issue(world);
        },
        &[Code::IssuerGap],
    );
    world_gives(
        |world| {
            world.issuer_sequence -= 1;
            issue(world);
        },
        &[Code::IssuerTwice],
    );
    world_gives(
        |world| {
            world.issuer_previous = [1; 32];
            issue(world);
        },
        &[Code::IssuerPrevious],
    );
    world_gives(
        |world| {
            world.block_list_number = 0;
            let honest = world.files[BLOCK_LIST].clone();
            world.issue_block_list(&[]);
            let second = world.files.insert(BLOCK_LIST.into(), honest).unwrap();
            world.files.insert("copy/blocklists/1.blocklist".into(), second);
        },
        &[Code::BlockListNumber],
    );
}

#[test]
fn lines_that_no_list_may_hold() {
    let give = |change: &dyn Fn(&World) -> Vec<card_spec::list::ListLine>, expected: &[Code]| {
        world_gives(
            |world| {
                let lines = change(world).into_iter().map(|line| (2, line)).collect();
                world.issue_lines(0, lines);
            },
            expected,
        );
    };
    let spec = LineSpec::new(2, november(), LineType::OneOff, 1_000);
    give(&|world| vec![world.line(1, &spec)], &[]);
    give(&|_| Vec::new(), &[Code::ListCount]);
    give(
        &|world| vec![world.line(1, &spec), world.line(2, &spec)],
        &[Code::ListLineTwice],
    );
    give(&|world| vec![world.line(2, &spec)], &[Code::ListLineNumber]);
    let other = |world: &World| card_spec::list::ListLine {
        card_number: world.cards[1].number,
        ..world.line(1, &spec)
    };
    give(&|world| vec![other(world)], &[Code::ListLinePerson]);
}

#[test]
fn block_list_out_of_order() {
    world_gives(
        |world| {
            let numbers = [world.cards[4].number, world.cards[3].number];
            world.issue_block_entries(&numbers);
        },
        &[Code::BlockListOrder],
    );
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
