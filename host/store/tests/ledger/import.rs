//! Approved lists.

use ansinh_store::StoreError;
use ansinh_store::import::{
    ApprovedLine, ApprovedList, Due, ImportCounts, ImportError, ImportMode, ListKind, Stated, Warning,
};
use ansinh_store::people::{Entitlement, Representative};

use crate::fixture::*;

on_each_engine!(
    the_same_file_twice_changes_nothing,
    a_rehearsal_counts_and_changes_nothing,
    a_carried_line_keeps_its_key_and_a_changed_amount_is_refused,
    a_known_line_does_not_change_its_payment_method,
    the_same_month_under_another_decision_is_refused_but_arrears_are_not,
    a_plain_list_changes_nothing_that_the_ledger_holds,
    a_delta_list_takes_every_difference_once_and_reports_it,
    no_list_changes_birth_date_or_sex,
    an_empty_field_and_another_spelling_say_nothing,
    a_decision_that_ends_pays_no_later_month,
    a_line_that_pays_nothing_must_be_about_somebody_known,
    a_new_monthly_amount_is_that_of_the_newest_month,
    a_third_running_authorization_is_refused,
    cards_whose_holders_changed_are_to_be_updated,
    a_person_whose_name_no_card_holds_waits_for_a_short_one,
    accepted_warnings_are_kept_with_who_accepted_them,
    whoever_is_no_operator_imports_nothing,
    lists_of_many_chunks_are_taken_whole,
    a_number_that_somebody_had_before_is_nobody_elses,
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

/// A list of one line under a hash of its own.
fn import(
    ledger: &Ledger,
    file: u8,
    kind: ListKind,
    line: &ApprovedLine,
) -> Result<ImportCounts, ImportError> {
    let list = ApprovedList {
        file_hash: [file; 32],
        file_name: format!("{file}.csv"),
        kind,
        lines: vec![line.clone()],
        warnings: Vec::new(),
    };
    ledger.store.import(&ledger.officer, &list, ImportMode::Commit)
}

/// Columns of what a line changed.
fn taken(ledger: &Ledger, file: u8, kind: ListKind, line: &ApprovedLine) -> Vec<&'static str> {
    let counts = import(ledger, file, kind, line).unwrap_or_else(|error| panic!("{error:?}"));
    counts.changes.iter().map(|change| change.column).collect()
}

/// Columns in which a line contradicts the ledger.
fn refused(ledger: &Ledger, file: u8, kind: ListKind, line: &ApprovedLine) -> Vec<&'static str> {
    match import(ledger, file, kind, line) {
        Err(ImportError::Contradictions(found)) => found.iter().map(|wrong| wrong.column).collect(),
        other => panic!("not refused: {other:?}"),
    }
}

fn representative(number: u8) -> Representative {
    Representative {
        personal_id: format!("0790720000{number:02}"),
        full_name: "Trần Văn Út".to_owned(),
        relation: "02".to_owned(),
        document: Some("15/GUQ".to_owned()),
        valid_to: "20271231".to_owned(),
    }
}

/// The line of the one person of a ledger, with a representative, and everything said outright.
fn known() -> ApprovedLine {
    ApprovedLine {
        representative: Some(representative(1)),
        stated: Stated {
            province: true,
            month_from: true,
            end_reason: None,
        },
        ..approved(0, "BTXH", "1/QĐ", "202611", 500_000)
    }
}

fn represented(engine: Engine) -> Ledger {
    let ledger = Ledger::new(engine, 1, 1);
    let counts = import(&ledger, 2, ListKind::Plain, &known()).unwrap();
    assert_eq!((counts.new_representatives, counts.carried_lines), (1, 1));
    ledger
}

/// A column, and how to say something else there.
type Difference = (&'static str, fn(&mut ApprovedLine));

const DIFFERENCES: [Difference; 15] = [
    ("ho_ten", |line| {
        line.person.full_name = "Nguyễn Thị Khác".to_owned()
    }),
    ("ma_tinh", |line| line.person.province = "01".to_owned()),
    ("ma_xa", |line| line.person.commune = "26743".to_owned()),
    ("ma_diem_chi_tra", |line| {
        line.person.pay_point = Some("BD790001".to_owned())
    }),
    ("ma_so_bhxh", |line| {
        line.person.social_insurance_number = Some("0123456789".to_owned())
    }),
    ("ma_the_bhyt", |line| {
        line.person.health_insurance_code = Some("0123456789".to_owned())
    }),
    ("nguoi_nhan_thay", |line| {
        with(line).full_name = "Trần Văn Uất".to_owned()
    }),
    ("quan_he", |line| with(line).relation = "01".to_owned()),
    ("ngay_het_han_uy_quyen", |line| {
        with(line).valid_to = "20261231".to_owned()
    }),
    ("so_giay_uy_quyen", |line| {
        with(line).document = Some("16/GUQ".to_owned())
    }),
    ("ma_doi_tuong", |line| {
        line.entitlement.sub_code = Some("BT05b".to_owned())
    }),
    ("ngay_quyet_dinh", |line| {
        line.entitlement.decision_date = Some("20250101".to_owned())
    }),
    ("co_quan_quyet_dinh", |line| {
        line.entitlement.decided_by = Some("UBND".to_owned())
    }),
    ("ngay_bat_dau", |line| {
        line.entitlement.month_from = "202502".to_owned()
    }),
    ("ngay_thoi_huong", |line| {
        line.entitlement.month_to = Some("202712".to_owned())
    }),
];

fn with(line: &mut ApprovedLine) -> &mut Representative {
    line.representative.as_mut().unwrap()
}

fn a_plain_list_changes_nothing_that_the_ledger_holds(engine: Engine) {
    let ledger = represented(engine);
    for (column, change) in DIFFERENCES {
        let mut line = known();
        change(&mut line);
        assert_eq!(refused(&ledger, 3, ListKind::Plain, &line), [column]);
    }
    assert_eq!(ledger.sql("SELECT count(*) FROM import"), "2");
}

fn a_delta_list_takes_every_difference_once_and_reports_it(engine: Engine) {
    let ledger = represented(engine);
    let mut line = known();
    for (file, (column, change)) in (10..).zip(DIFFERENCES) {
        change(&mut line);
        assert_eq!(taken(&ledger, file, ListKind::Delta, &line), [column]);
        assert!(import(&ledger, file, ListKind::Delta, &line).unwrap().known_file);
        assert!(
            taken(&ledger, file + 50, ListKind::Delta, &line).is_empty(),
            "{column} twice"
        );
    }
    // The ledger says now what the list said: a plain list finds nothing to contradict.
    assert!(taken(&ledger, 200, ListKind::Plain, &line).is_empty());
    assert_eq!(ledger.sql("SELECT count(*) FROM person; SELECT count(*) FROM entitlement; SELECT count(*) FROM payment_line; SELECT count(*) FROM representative"), "1\n1\n1\n1");
    assert_eq!(ledger.sql("SELECT amount FROM payment_line"), "500000");
}

fn no_list_changes_birth_date_or_sex(engine: Engine) {
    let ledger = represented(engine);
    let mut line = known();
    line.person.birth_date = "19410000".to_owned();
    line.person.sex = 1;
    for kind in [ListKind::Plain, ListKind::Delta] {
        assert_eq!(refused(&ledger, 3, kind, &line), ["ngay_sinh", "gioi_tinh"]);
    }
}

fn an_empty_field_and_another_spelling_say_nothing(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let mut full = known();
    full.person.full_name = "Nguyễn Thị Hoà".to_owned();
    for (_, change) in &DIFFERENCES[3..] {
        change(&mut full);
    }
    taken(&ledger, 2, ListKind::Delta, &full);
    let mut spare = full.clone();
    spare.stated = Stated::default();
    spare.representative = None;
    spare.person.province = "79".to_owned();
    spare.entitlement.month_from = "202611".to_owned();
    spare.person.full_name = "NGUYE\u{302}\u{303}N THI\u{323}  HÒA".to_owned();
    spare.entitlement.decision = "1/qđ".to_owned();
    let unsaid = [
        &mut spare.person.pay_point,
        &mut spare.person.social_insurance_number,
        &mut spare.person.health_insurance_code,
        &mut spare.entitlement.sub_code,
        &mut spare.entitlement.decision_date,
        &mut spare.entitlement.decided_by,
        &mut spare.entitlement.month_to,
    ];
    for field in unsaid {
        *field = None;
    }
    for (file, kind) in [(3, ListKind::Plain), (4, ListKind::Delta)] {
        assert!(taken(&ledger, file, kind, &spare).is_empty());
    }
    assert_eq!(ledger.sql("SELECT full_name FROM person"), "Nguyễn Thị Hoà");
    assert_eq!(ledger.sql("SELECT number FROM entitlement"), "1");
    assert!(taken(&ledger, 5, ListKind::Plain, &full).is_empty());
}

fn a_decision_that_ends_pays_no_later_month(engine: Engine) {
    let ledger = represented(engine);
    let card = ledger.active(0);
    let terminal = ledger.terminal(0);
    let mut december = known();
    december.period = "202612".to_owned();
    december.due.push(Due {
        line_type: 6,
        amount: 7,
    });
    taken(&ledger, 3, ListKind::Plain, &december);
    let mut ends = december.clone();
    ends.due.clear();
    ends.entitlement.monthly_amount = 0;
    ends.entitlement.month_to = Some("202611".to_owned());
    ends.entitlement.active = false;
    ends.stated.end_reason = Some("001".to_owned());
    assert_eq!(
        refused(&ledger, 4, ListKind::Plain, &ends),
        ["ngay_thoi_huong", "ly_do_thoi"]
    );
    let counts = import(&ledger, 4, ListKind::Delta, &ends).unwrap();
    assert_eq!(
        (counts.ended_entitlements, counts.new_lines, counts.outdated_cards),
        (1, 0, 1)
    );
    // November is due, December neither in the ledger nor from a list; a funeral allowance is.
    let due: Vec<_> = ledger
        .next_list(&terminal)
        .into_iter()
        .map(|line| (line.card, line.key.period))
        .collect();
    assert_eq!(due, [(card.number, "202611".to_owned())]);
    let mut january = known();
    january.period = "202701".to_owned();
    for kind in [ListKind::Plain, ListKind::Delta] {
        assert_eq!(refused(&ledger, 5, kind, &january), ["ngay_thoi_huong"]);
    }
    let mut funeral = january.clone();
    funeral.due = vec![Due {
        line_type: 3,
        amount: 10_000_000,
    }];
    assert_eq!(
        import(&ledger, 6, ListKind::Plain, &funeral).unwrap().new_lines,
        1
    );
    // Another end lets it go on.
    january.entitlement.month_to = Some("202712".to_owned());
    assert_eq!(taken(&ledger, 7, ListKind::Delta, &january), ["ngay_thoi_huong"]);
    assert_eq!(ledger.sql("SELECT active FROM entitlement"), "1");
}

fn a_line_that_pays_nothing_must_be_about_somebody_known(engine: Engine) {
    let ledger = represented(engine);
    let mut nothing = approved(7, "BTXH", "1/QĐ", "202611", 0);
    nothing.due.clear();
    assert_eq!(refused(&ledger, 3, ListKind::Delta, &nothing), ["so_dinh_danh"]);
    let mut nothing = approved(0, "BTXH", "2/QĐ", "202611", 0);
    nothing.due.clear();
    assert_eq!(refused(&ledger, 3, ListKind::Delta, &nothing), ["so_quyet_dinh"]);
    assert_eq!(
        ledger.sql("SELECT count(*) FROM person; SELECT count(*) FROM entitlement"),
        "1\n1"
    );
}

fn a_new_monthly_amount_is_that_of_the_newest_month(engine: Engine) {
    let ledger = represented(engine);
    let line = |period: &str, amount| approved(0, "BTXH", "1/QĐ", period, amount);
    assert_eq!(
        taken(&ledger, 3, ListKind::Plain, &line("202701", 650_000)),
        ["so_tien_thang"]
    );
    assert!(taken(&ledger, 4, ListKind::Plain, &line("202612", 500_000)).is_empty());
    assert_eq!(ledger.sql("SELECT monthly_amount FROM entitlement"), "650000");
    for kind in [ListKind::Plain, ListKind::Delta] {
        assert_eq!(
            refused(&ledger, 5, kind, &line("202701", 700_000)),
            ["so_tien_thang"]
        );
    }
}

fn a_third_running_authorization_is_refused(engine: Engine) {
    let ledger = represented(engine);
    let of = |number| ApprovedLine {
        representative: Some(representative(number)),
        ..known()
    };
    taken(&ledger, 3, ListKind::Plain, &of(2));
    for kind in [ListKind::Plain, ListKind::Delta] {
        assert_eq!(
            refused(&ledger, 4, kind, &of(3)),
            ["so_dinh_danh_nguoi_nhan_thay"]
        );
    }
    let mut ended = of(2);
    with(&mut ended).valid_to = "20261031".to_owned();
    taken(&ledger, 5, ListKind::Delta, &ended);
    assert_eq!(
        import(&ledger, 6, ListKind::Plain, &of(3))
            .unwrap()
            .new_representatives,
        1
    );
}

fn cards_whose_holders_changed_are_to_be_updated(engine: Engine) {
    let ledger = Ledger::new(engine, 2, 2);
    let card = ledger.active(0);
    ledger.claim(1);
    let numbers = || {
        ledger
            .store
            .cards_to_update()
            .unwrap()
            .iter()
            .map(|one| one.card)
            .collect::<Vec<_>>()
    };
    // What no card shows makes no card wrong.
    let mut december = approved(0, "BTXH", "1/QĐ", "202612", 600_000);
    december.entitlement.sub_code = Some("BT05b".to_owned());
    assert_eq!(
        import(&ledger, 3, ListKind::Delta, &december)
            .unwrap()
            .outdated_cards,
        0
    );
    assert_eq!(numbers(), []);
    // A programme that the card does not know is one it does not pay.
    let other = approved(0, "NGCC", "2/QĐ", "202612", 600_000);
    assert_eq!(
        import(&ledger, 4, ListKind::Plain, &other)
            .unwrap()
            .outdated_cards,
        1
    );
    let first = ledger.store.cards_to_update().unwrap();
    assert_eq!(numbers(), [card.number]);
    // A change while the card is being updated makes it one to update again.
    let mut moved = december.clone();
    moved.person.commune = "26743".to_owned();
    assert_eq!(taken(&ledger, 5, ListKind::Delta, &moved), ["ma_xa"]);
    ledger.store.card_updated(&card.number, first[0].change).unwrap();
    assert_eq!(numbers(), [card.number]);
    let second = ledger.store.cards_to_update().unwrap();
    ledger.store.card_updated(&card.number, second[0].change).unwrap();
    assert_eq!(numbers(), []);
    // A card that is being made counts when it is active: its data may have been read before the change.
    let mut moved = approved(1, "BTXH", "1/QĐ", "202612", 600_000);
    moved.person.commune = "26743".to_owned();
    assert_eq!(
        import(&ledger, 6, ListKind::Delta, &moved)
            .unwrap()
            .outdated_cards,
        1
    );
    assert_eq!(numbers(), []);
    ledger.active(1);
    assert_eq!(numbers().len(), 1);
}

fn a_person_whose_name_no_card_holds_waits_for_a_short_one(engine: Engine) {
    let ledger = Ledger::new(engine, 0, 1);
    let mut line = approved(0, "BTXH", "1/QĐ", "202611", 500_000);
    line.person.full_name = "Ấ".repeat(65);
    taken(&ledger, 2, ListKind::Plain, &line);
    assert_eq!(ledger.store.waiting_persons().unwrap(), 0);
    line.person.full_name = "Ấ".repeat(64);
    assert_eq!(taken(&ledger, 3, ListKind::Delta, &line), ["ho_ten"]);
    assert_eq!(ledger.store.waiting_persons().unwrap(), 1);
}

fn accepted_warnings_are_kept_with_who_accepted_them(engine: Engine) {
    let ledger = Ledger::new(engine, 0, 1);
    let warnings = [("ho_ten", "long-name"), ("so_dinh_danh", "id-year")].map(|(column, code)| Warning {
        file_line: 2,
        column: column.to_owned(),
        code: code.to_owned(),
    });
    let mut list = list(2, 1);
    list.warnings = warnings.to_vec();
    ledger
        .store
        .import(&ledger.officer, &list, ImportMode::Rehearse)
        .unwrap();
    assert_eq!(ledger.store.import_warnings(&[2; 32]).unwrap(), []);
    ledger
        .store
        .import(&ledger.officer, &list, ImportMode::Commit)
        .unwrap();
    assert_eq!(ledger.store.import_warnings(&[2; 32]).unwrap(), warnings);
    assert_eq!(
        ledger.sql("SELECT accepted_by FROM import WHERE lines = 1"),
        "officer"
    );
    let operation = ledger.store.operations().unwrap().pop().unwrap();
    assert_eq!(
        (operation.action.as_str(), operation.operator.as_str()),
        ("list-imported", "officer")
    );
    assert_eq!(operation.subject, format!("{} plain", "02".repeat(32)));
    ledger.store.verify_operations().unwrap();
}

fn whoever_is_no_operator_imports_nothing(engine: Engine) {
    let ledger = Ledger::new(engine, 0, 1);
    let refused = ledger
        .store
        .import(&ledger.approver, &list(2, 1), ImportMode::Rehearse);
    assert!(matches!(
        refused,
        Err(ImportError::Store(StoreError::NotAllowed { .. }))
    ));
}

fn lists_of_many_chunks_are_taken_whole(engine: Engine) {
    let ledger = Ledger::new(engine, 0, 1);
    let mut list = list(2, 0);
    list.lines = (0..1_501_u64)
        .map(|number| {
            let mut line = approved(0, "BTXH", "1/QĐ", "202611", 500_000 + number);
            line.file_line = number + 2;
            line.person.personal_id = format!("07924000{number:04}");
            line
        })
        .collect();
    let counts = ledger
        .store
        .import(&ledger.officer, &list, ImportMode::Commit)
        .unwrap();
    assert_eq!(
        (counts.new_persons, counts.new_entitlements, counts.new_lines),
        (1_501, 1_501, 1_501)
    );
    list.file_hash = [3; 32];
    let again = ledger
        .store
        .import(&ledger.officer, &list, ImportMode::Commit)
        .unwrap();
    assert_eq!(
        (again.new_persons, again.carried_lines, again.changes.len()),
        (0, 1_501, 0)
    );
    let expected = "1501\n1501\n1501\n751625750";
    let sql = "SELECT count(DISTINCT position) FROM person; SELECT count(*) FROM entitlement; SELECT count(*) FROM payment_line; SELECT sum(amount) FROM payment_line";
    assert_eq!(ledger.sql(sql), expected);
}

fn a_number_that_somebody_had_before_is_nobody_elses(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let (old, new) = ("079240000000", "079240000099");
    ledger
        .store
        .change_personal_id(&ledger.officer, old, new)
        .unwrap();
    for kind in [ListKind::Plain, ListKind::Delta] {
        assert_eq!(refused(&ledger, 3, kind, &known()), ["so_dinh_danh"]);
    }
    let mut renewed = approved(0, "BTXH", "1/QĐ", "202611", 500_000);
    renewed.person.personal_id = new.to_owned();
    let counts = import(&ledger, 4, ListKind::Plain, &renewed).unwrap();
    assert_eq!((counts.new_persons, counts.carried_lines), (0, 1));
}
