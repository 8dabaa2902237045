//! What the database itself refuses, whoever asks.

use crate::fixture::*;
use ansinh_store::Fact;

on_each_engine!(
    nothing_signed_ingested_or_done_is_changed_or_deleted,
    of_a_cards_journal_a_note_is_forgotten_and_nothing_else,
);

/// A ledger with a row in every table that only grows.
fn full(engine: Engine) -> Ledger {
    let ledger = Ledger::new(engine, 2, 2);
    ledger.active(0);
    let terminal = ledger.terminal(0);
    let due = ledger.next_list(&terminal);
    let entries = [entry(1, 1, None), entry(2, 2, Some(payment(&due[0], 1, 1)))];
    ledger.store.ingest(&terminal, &entries).unwrap();
    ledger
        .store
        .acknowledge(&terminal, |head| {
            Ok::<_, ansinh_store::StoreError>(head.hash.to_vec())
        })
        .unwrap();
    ledger
}

fn nothing_signed_ingested_or_done_is_changed_or_deleted(engine: Engine) {
    let ledger = full(engine);
    for (table, column) in [
        ("operation", "at"),
        ("issuer_log", "signed_at"),
        ("journal_entry", "ingested_at"),
        ("acknowledgement", "signed_at"),
    ] {
        let count = format!("SELECT count(*) FROM {table} WHERE {column} <> ''");
        let before = ledger.sql(&count);
        assert_ne!(before, "0", "{table} is empty");
        let mut attempts = vec![
            format!("UPDATE {table} SET {column} = ''"),
            format!("DELETE FROM {table}"),
        ];
        if engine == Engine::Postgres {
            attempts.push(format!("TRUNCATE {table} CASCADE"));
        }
        for sql in attempts {
            let (done, answer) = ledger.try_sql(&sql);
            assert!(!done && answer.contains("append-only"), "{sql}: {answer}");
        }
        assert_eq!(ledger.sql(&count), before, "{table}");
    }
}

fn of_a_cards_journal_a_note_is_forgotten_and_nothing_else(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    let card = ledger.claim(0);
    ledger
        .store
        .record(
            &card.number,
            &[Fact::About {
                step: "store holder",
                note: Some(b"a name"),
            }],
            "reader 0",
        )
        .unwrap();
    for sql in [
        "DELETE FROM issuance_journal",
        "UPDATE issuance_journal SET step = 'other'",
        "UPDATE issuance_journal SET note = NULL, reader = 'other'",
        "UPDATE issuance_journal SET note = NULL, written_at = ''",
        "UPDATE issuance_journal SET note = card",
    ] {
        let sql = match engine {
            Engine::Postgres => sql.replace("note = card", "note = card::bytea"),
            Engine::Sqlite => sql.to_owned(),
        };
        let (done, answer) = ledger.try_sql(&sql);
        assert!(!done && answer.contains("append-only"), "{sql}: {answer}");
    }
    ledger.store.give_up(&ledger.officer, &card.number).unwrap();
    let steps = ledger.store.steps(&card.number).unwrap();
    assert_eq!(steps.len(), 2);
    assert!(steps.iter().all(|step| step.note.is_none()));
}
