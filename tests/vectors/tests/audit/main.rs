//! The auditor against broken ledgers: an honest one is clean, and each way of breaking it gives exactly the findings
//! that name it and its consequences.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod block_lists;
mod by_hand;
mod carried;
mod carried_scripts;
mod files;
mod issuer;
mod journals;
mod operations;
mod parked;
mod payments;
mod reversals;
mod versions;
mod witnessed;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use ansinh_audit::{AuditError, Code, Report, audit, read_root_key};
use card_spec::values::Period;
use vectors::{Person, World, pem, secret};

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
