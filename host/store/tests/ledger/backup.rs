//! Copies, and ledgers from copies.

use ansinh_store::cards::BlockReason;
use ansinh_store::{Location, Store, StoreError};

use crate::fixture::*;

on_each_engine!(
    a_copy_holds_everything_and_comes_back_on_either_engine,
    a_copy_never_replaces_anything_and_leaves_nothing_beside_it,
    a_ledger_is_checked_from_its_first_operation,
);

const TABLES: [&str; 9] = [
    "person",
    "operation",
    "card",
    "issuance_journal",
    "issuer_log",
    "journal_entry",
    "payment",
    "block",
    "series",
];

/// Every table's rows, in one order on both engines.
fn content(location: &Location) -> String {
    let select = |table: &&str| {
        let columns = match *table {
            "person" => "position, personal_id, full_name, registered_at, pay_point",
            "operation" => "position, at, operator, action, subject",
            "card" => "number, chip_serial, version, state, planned_at",
            "issuance_journal" => "card, position, step, note, reader, written_at",
            "issuer_log" => "issuer, sequence, kind, signed_at",
            "journal_entry" => "terminal, sequence, ingested_at",
            "payment" => "terminal, sequence, amount, card, paid_at",
            "block" => "card, reason, blocked_at",
            _ => "name, last",
        };
        format!("SELECT {columns} FROM {table} ORDER BY 1, 2;")
    };
    let queries: Vec<_> = TABLES.iter().map(select).collect();
    sql_at(location, &queries.join(" "))
}

/// A ledger with a payment, a blocked card and texts in Vietnamese.
fn used(engine: Engine) -> Ledger {
    let ledger = Ledger::new(engine, 3, 3);
    let (first, second) = (ledger.active(0), ledger.active(1));
    let terminal = ledger.terminal(0);
    let due = ledger.next_list(&terminal);
    let entries = [entry(1, 1, None), entry(2, 2, Some(payment(&due[0], 1, 1)))];
    ledger.store.ingest(&terminal, &entries).unwrap();
    ledger
        .store
        .block(&ledger.officer, &second.number, BlockReason::Lost)
        .unwrap();
    assert_ne!(first.number, second.number);
    ledger
}

fn a_copy_holds_everything_and_comes_back_on_either_engine(engine: Engine) {
    let ledger = used(engine);
    let copy = ledger.folder.path().join("copy.sqlite");
    ledger.store.copy_to(&copy).unwrap();
    let before = content(&ledger.location);
    assert!(before.contains("Nguyễn Thị 2") && before.contains("operator-added"));
    for target in [Engine::Sqlite, Engine::Postgres] {
        let folder = tempfile::tempdir().unwrap();
        let location = new_location(target, &folder);
        let restored = Store::restore(&copy, &location).unwrap();
        assert_eq!(content(&location), before, "{target:?}");
        assert_eq!(restored.check().unwrap(), ledger.store.check().unwrap());
        // It goes on where the other one was.
        let again = restored.claim_next_person(&ledger.officer, &chip(2), "reader", 79);
        assert!(matches!(again, Ok(ansinh_store::cards::Claim::New(_))));
        let refused = Store::restore(&copy, &location);
        assert!(matches!(refused, Err(StoreError::Exists { .. })), "{target:?}");
    }
}

fn a_copy_never_replaces_anything_and_leaves_nothing_beside_it(engine: Engine) {
    let ledger = used(engine);
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.sqlite");
    std::fs::write(&copy, "something else").unwrap();
    let refused = ledger.store.copy_to(&copy);
    assert!(matches!(refused, Err(StoreError::Exists { .. })));
    assert_eq!(std::fs::read(&copy).unwrap(), b"something else");
    std::fs::remove_file(&copy).unwrap();
    ledger.store.copy_to(&copy).unwrap();
    let names: Vec<_> = folder.path().read_dir().unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let nowhere = folder.path().join("none").join("copy.sqlite");
    let refused = ledger.store.copy_to(&nowhere);
    assert!(matches!(refused, Err(StoreError::File { .. })));
}

fn a_ledger_is_checked_from_its_first_operation(engine: Engine) {
    let ledger = used(engine);
    let head = ledger.store.check().unwrap();
    assert_eq!(
        head.position.to_string(),
        ledger.sql("SELECT count(*) FROM operation")
    );
    let drop_guard = match engine {
        Engine::Sqlite => "DROP TRIGGER operation_stays;",
        Engine::Postgres => "DROP TRIGGER operation_stays ON operation;",
    };
    ledger.sql(&format!(
        "{drop_guard} UPDATE operation SET subject = 'other' WHERE position = 2"
    ));
    let broken = ledger.store.check();
    assert!(matches!(broken, Err(StoreError::BrokenLog { position: 2 })));
}
