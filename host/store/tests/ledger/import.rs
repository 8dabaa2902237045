//! Approved lists.

use std::collections::HashSet;

use ansinh_store::import::{ApprovedLine, ApprovedList, ImportError, ImportMode, ListKind};
use ansinh_store::people::Entitlement;

use crate::fixture::*;

on_each_engine!(
    the_same_file_twice_changes_nothing,
    a_rehearsal_counts_and_changes_nothing,
    a_carried_line_keeps_its_key_and_a_changed_amount_is_refused,
    a_known_line_does_not_change_its_payment_method,
    the_same_month_under_another_decision_is_refused_but_arrears_are_not,
    personal_data_that_a_card_holds_do_not_change_by_an_import,
);

fn the_same_file_twice_changes_nothing(engine: Engine) {
    let ledger = Ledger::new(engine, 3, 1);
    let again = ledger
        .store
        .import(&ledger.officer, &list(1, 3), ImportMode::Commit)
        .unwrap();
    assert!(again.known_file);
    assert_eq!((again.new_persons, again.new_lines), (0, 0));
    assert_eq!(
        ledger.sql("SELECT count(*) FROM import; SELECT count(*) FROM payment_line"),
        "1\n3"
    );
}

fn a_rehearsal_counts_and_changes_nothing(engine: Engine) {
    let ledger = Ledger::new(engine, 2, 1);
    let counts = ledger
        .store
        .import(&ledger.officer, &list(2, 5), ImportMode::Rehearse)
        .unwrap();
    assert_eq!(
        (counts.new_persons, counts.new_lines, counts.carried_lines),
        (3, 3, 2)
    );
    assert_eq!(counts.new_amount, 1_500_000);
    assert_eq!(ledger.sql("SELECT count(*) FROM person"), "2");
}

fn a_carried_line_keeps_its_key_and_a_changed_amount_is_refused(engine: Engine) {
    let ledger = Ledger::new(engine, 2, 1);
    let carried = ledger
        .store
        .import(&ledger.officer, &list(2, 2), ImportMode::Commit)
        .unwrap();
    assert_eq!((carried.new_lines, carried.carried_lines), (0, 2));
    let mut changed = list(3, 3);
    changed.lines[1].due[0].amount += 1;
    let Err(ImportError::Contradictions(found)) =
        ledger.store.import(&ledger.officer, &changed, ImportMode::Commit)
    else {
        panic!("not refused")
    };
    assert_eq!(
        found
            .iter()
            .map(|wrong| (wrong.file_line, wrong.column))
            .collect::<Vec<_>>(),
        [(3, "so_tien_thang")]
    );
    assert_eq!(
        ledger.sql("SELECT count(*) FROM person; SELECT count(*) FROM import"),
        "2\n2"
    );
}

fn a_known_line_does_not_change_its_payment_method(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let mut list = list(2, 1);
    list.lines[0].method = 3;
    let refused = ledger.store.import(&ledger.officer, &list, ImportMode::Commit);
    let Err(ImportError::Contradictions(found)) = refused else {
        panic!("a line was turned from cash to bank")
    };
    let columns: Vec<_> = found.iter().map(|wrong| wrong.column).collect();
    assert_eq!(columns, ["phuong_thuc_chi_tra"]);
}

fn the_same_month_under_another_decision_is_refused_but_arrears_are_not(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let mut second = approved(0, "BTXH", "2/QĐ", "202611", 300_000);
    let import = |file: u8, line: &ApprovedLine| {
        let list = ApprovedList {
            file_hash: [file; 32],
            file_name: String::new(),
            kind: ListKind::Plain,
            lines: vec![line.clone()],
            warnings: Vec::new(),
        };
        ledger.store.import(&ledger.officer, &list, ImportMode::Commit)
    };
    assert!(matches!(import(2, &second), Err(ImportError::Contradictions(found)) if found.len() == 1));
    second.due[0].line_type = 2;
    assert_eq!(import(3, &second).unwrap().new_lines, 1);
    let third = ApprovedLine {
        entitlement: Entitlement {
            decision: "3/QĐ".to_owned(),
            ..second.entitlement.clone()
        },
        ..second
    };
    assert_eq!(import(4, &third).unwrap().new_lines, 1);
    assert_eq!(
        ledger.sql("SELECT number FROM entitlement ORDER BY number"),
        "1\n2\n3"
    );
}

fn personal_data_that_a_card_holds_do_not_change_by_an_import(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let mut list = list(2, 1);
    list.lines[0].person.full_name = "Nguyễn Thị Khác".to_owned();
    list.lines[0].person.birth_date = "19410000".to_owned();
    let Err(ImportError::Contradictions(found)) =
        ledger.store.import(&ledger.officer, &list, ImportMode::Commit)
    else {
        panic!("not refused")
    };
    assert_eq!(
        found.iter().map(|wrong| wrong.column).collect::<HashSet<_>>(),
        ["ho_ten", "ngay_sinh"].into()
    );
}
