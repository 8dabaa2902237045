//! The operations log: each way of bending it, and what no file alone can show.

use std::sync::LazyLock;

use ansinh_audit::Code;
use card_spec::crypto::sha256;
use vectors::World;

use crate::{Files, assert_found, audit_folders, write};

const LOG: &str = "operations.log";

/// A log of these acts, its hashes computed here from the text of DATA 2.1.
fn log_of(acts: &[(String, String)]) -> Vec<Vec<String>> {
    let mut previous = "0".repeat(64);
    let lines = acts.iter().zip(1..).map(|((action, subject), position)| {
        let position = u64::to_string(&position);
        let time = "2026-11-22T08:00:00Z";
        let mut lines: Vec<String> = [
            "ansinh operation 1",
            &position,
            time,
            "lan",
            action,
            subject,
            &previous,
        ]
        .map(str::to_owned)
        .into();
        previous = hex::encode(sha256(&[(lines.join("\n") + "\n").as_bytes()]));
        lines.push(previous.clone());
        lines
    });
    lines.collect()
}

fn text(log: &[Vec<String>]) -> Vec<u8> {
    let lines = log.iter().flatten().map(|line| format!("{line}\n"));
    lines.collect::<String>().into_bytes()
}

/// The acts without which none of the files would be: two before, then the objects, one after.
fn acts(files: &Files) -> Vec<(String, String)> {
    let mut acts = vec![
        ("operator-added".to_owned(), "lan operator".to_owned()),
        ("batch-approved".to_owned(), "1".to_owned()),
    ];
    for path in files.keys() {
        let parts: Vec<_> = path.split('/').collect();
        let act = match parts.as_slice() {
            ["cards", number, "cso.tlv"] => ("card-begun", (*number).to_owned()),
            ["lists", list] => ("payment-list-made", list.replace(".list", " VNT0000001")),
            ["blocklists", list] => ("block-list-made", list.replace(".blocklist", "")),
            _ => continue,
        };
        acts.push((act.0.to_owned(), act.1));
    }
    acts.push(("ledger-copied".to_owned(), "backup".to_owned()));
    acts
}

/// The honest ledger's files and its log.
fn world() -> (Files, Vec<Vec<String>>) {
    // Made once: it takes some fifty signatures.
    static FILES: LazyLock<Files> = LazyLock::new(|| World::standard().all_files());
    (FILES.clone(), log_of(&acts(&FILES)))
}

/// What is found when the log is bent like this.
#[track_caller]
fn bent(bend: impl FnOnce(&mut Vec<Vec<String>>), expected: &[Code]) {
    let (mut files, mut log) = world();
    bend(&mut log);
    files.insert(LOG.into(), text(&log));
    assert_found(&files, expected);
}

#[test]
fn a_whole_log_is_clean_and_its_head_is_told() {
    let (mut files, log) = world();
    files.insert(LOG.into(), text(&log));
    let report = assert_found(&files, &[]);
    let summary = &report.operations[0];
    assert_eq!(
        (summary.unbroken, summary.last),
        (log.len() as u64, log.len() as u64)
    );
    assert_eq!(Some(&summary.head), log.last().and_then(|lines| lines.last()));
    assert!(report.to_string().contains(&summary.head));
    files.insert(LOG.into(), Vec::new());
    assert_found(&files, &[Code::OperationMissing]);
}

#[test]
fn without_a_log_the_report_says_so() {
    let (files, _) = world();
    let report = assert_found(&files, &[]);
    assert!(report.operations.is_empty() && report.to_string().contains("No operations log"));
}

#[test]
fn an_operation_that_was_taken_out_shows() {
    bent(|log| drop(log.remove(1)), &[Code::OperationGap]);
    bent(|log| drop(log.remove(0)), &[Code::OperationGap]);
    // One that tells of a card.
    bent(
        |log| drop(log.remove(2)),
        &[Code::OperationGap, Code::OperationMissing],
    );
    bent(
        |log| log[1][1] = "3".into(),
        &[Code::OperationGap, Code::OperationHash, Code::OperationOrder],
    );
}

#[test]
fn an_operation_that_was_changed_shows_in_whatever_line() {
    for (line, value) in [
        (2, "2026-11-22T08:00:01Z"),
        (3, "minh"),
        (4, "batch-drafted"),
        (5, "2"),
    ] {
        bent(|log| log[1][line] = value.into(), &[Code::OperationHash]);
    }
    bent(
        |log| log[1][6] = "0".repeat(64),
        &[Code::OperationHash, Code::OperationPrevious],
    );
    bent(
        |log| log[1][7] = "0".repeat(64),
        &[Code::OperationHash, Code::OperationPrevious],
    );
    // Its hash made to fit: then the next one does not.
    let fitting = |log: &mut Vec<Vec<String>>| {
        log[1][3] = "minh".into();
        let hashed = log[1][..7].join("\n") + "\n";
        log[1][7] = hex::encode(sha256(&[hashed.as_bytes()]));
    };
    bent(fitting, &[Code::OperationPrevious]);
}

#[test]
fn operations_that_changed_places_or_stand_twice_show() {
    bent(|log| log.swap(0, 1), &[Code::OperationGap, Code::OperationOrder]);
    bent(|log| log.insert(1, log[0].clone()), &[Code::OperationOrder]);
}

#[test]
fn an_end_that_was_cut_off_shows_by_what_was_signed_after_it() {
    bent(|log| log.truncate(log.len() - 2), &[Code::OperationMissing]);
    bent(|log| log.truncate(1), &[Code::OperationMissing]);
    // The last one tells of nothing that is here: only its hash, written down elsewhere, tells of it.
    bent(|log| log.truncate(log.len() - 1), &[]);
    // And a log that was written anew from some place on is whole.
    let (mut files, _) = world();
    let mut acts = acts(&files);
    acts[0].1 = "minh operator".into();
    files.insert(LOG.into(), text(&log_of(&acts)));
    assert_found(&files, &[]);
}

#[test]
fn what_is_no_operation_is_named_and_the_next_one_read() {
    for (line, value) in [
        (0, "ansinh operation 2"),
        (1, "02"),
        (1, "two"),
        (1, ""),
        (2, ""),
        (2, "now"),
        (2, "2026-11-31T08:00:00Z"),
        (2, "2026-11-22T08:00:00"),
        (2, "2026-11-22T08:00:00+07:00"),
        (2, "20261122T080000Z"),
        (3, "lan\r"),
        (4, "batch\tapproved"),
        (5, "1\u{85}"),
        (5, "\0"),
        (6, "0"),
        (7, "none"),
    ] {
        bent(
            |log| log[1][line] = value.into(),
            &[Code::OperationEncoding, Code::OperationGap],
        );
    }
    let upper = |log: &mut Vec<Vec<String>>| log[1][7] = log[1][7].to_uppercase();
    bent(upper, &[Code::OperationEncoding, Code::OperationGap]);
    bent(|log| log[1].push("more".into()), &[Code::OperationEncoding]);
    bent(
        |log| drop(log[1].pop()),
        &[Code::OperationEncoding, Code::OperationGap],
    );
    bent(
        |log| log[1][5] = "x".repeat(10_000),
        &[Code::OperationEncoding, Code::OperationGap],
    );
    let (mut files, log) = world();
    let mut cut = text(&log);
    cut.pop();
    files.insert(LOG.into(), cut);
    assert_found(&files, &[Code::OperationEncoding]);
    let mut not_text = text(&log);
    not_text[25] = 0xFF;
    files.insert(LOG.into(), not_text);
    assert_found(&files, &[Code::OperationEncoding, Code::OperationGap]);
}

/// What is found where logs lie as `places` says, files of the honest ledger in `a` and `b`.
#[track_caller]
fn logs_give(places: &[(&str, &[Vec<String>])], expected: &[Code]) {
    let (files, _) = world();
    let folder = tempfile::tempdir().unwrap();
    write(&files, &folder.path().join("a"));
    write(&files, &folder.path().join("b"));
    for (place, log) in places {
        let log = Files::from([(LOG.to_owned(), text(log))]);
        write(&log, &folder.path().join(place));
    }
    let report = audit_folders(&[folder.path()]);
    let expected: Vec<_> = expected.iter().map(|code| code.as_str()).collect();
    assert_eq!(crate::codes(&report), expected, "{report}");
}

#[test]
fn the_log_of_one_ledger_does_not_tell_of_what_another_one_signed() {
    let (files, log) = world();
    let mut acts = acts(&files);
    acts[0].1 = "hoa administrator".into();
    let (other, short) = (log_of(&acts), &log[..log.len() - 2]);
    logs_give(&[("a", &log), ("b", &other)], &[]);
    logs_give(&[("a", short), ("b", &other)], &[Code::OperationMissing]);
    // A log speaks for the files of its folder, without those folders that have one of their own.
    logs_give(&[("a", short), ("", &other)], &[Code::OperationMissing]);
    logs_give(&[("a", &log), ("", &other)], &[]);
    // A later log of the same ledger tells of what was signed after the end of the earlier one.
    logs_give(&[("a", short), ("b", &log)], &[]);
    logs_give(&[("a", short), ("", &log)], &[]);
}

#[test]
fn an_earlier_export_is_the_beginning_of_the_later_one_or_a_finding() {
    let found = |earlier: &[Vec<String>]| {
        let (mut files, log) = world();
        files.insert(LOG.into(), text(&log));
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        write(&Files::from([(LOG.to_owned(), text(earlier))]), folders[0].path());
        write(&files, folders[1].path());
        crate::codes(&audit_folders(&[folders[0].path(), folders[1].path()]))
    };
    let (files, log) = world();
    assert_eq!(found(&log[..2]), [""; 0]);
    let mut other = acts(&files);
    other[1].1 = "2".into();
    assert_eq!(found(&log_of(&other[..3])), ["operation-fork"]);
    // Another first operation: another ledger.
    other[0].1 = "hoa administrator".into();
    assert_eq!(found(&log_of(&other[..3])), [""; 0]);
}
