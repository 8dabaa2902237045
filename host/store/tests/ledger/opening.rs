//! Making and opening a store.

use std::path::PathBuf;

use ansinh_store::operators::Role;
use ansinh_store::{Location, Store, StoreError};

use crate::fixture::*;

on_each_engine!(a_store_is_neither_made_twice_nor_opened_where_none_is,);

#[test]
fn sqlite_itself_finds_the_file_sound_and_complete_after_closing() {
    let ledger = Ledger::new(Engine::Sqlite, 3, 3);
    ledger.active(0);
    let Ledger {
        folder,
        location,
        store,
        ..
    } = ledger;
    drop(store);
    let Location::File(file) = location else {
        unreachable!("SQLite is in a file")
    };
    let copy = folder.path().join("copy.sqlite");
    std::fs::copy(file, &copy).unwrap();
    let copy = Location::File(copy);
    let sql = "PRAGMA integrity_check; PRAGMA foreign_key_check; PRAGMA journal_mode;";
    assert_eq!(sql_at(&copy, sql), "ok\nwal");
    let sql = "SELECT state, count(*) FROM card GROUP BY state";
    assert_eq!(sql_at(&copy, sql), "active|1");
}

fn a_store_is_neither_made_twice_nor_opened_where_none_is(engine: Engine) {
    let ledger = Ledger::new(engine, 1, 1);
    assert!(matches!(
        Store::create(&ledger.location),
        Err(StoreError::Exists { .. })
    ));
    let folder = tempfile::tempdir().unwrap();
    let nowhere = new_location(engine, &folder);
    assert!(matches!(Store::open(&nowhere), Err(StoreError::NoStore { .. })));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_store_may_lie_in_a_folder_of_any_name_and_be_named_from_where_we_are() {
    // Relative to the crate, where cargo runs the tests.
    let folder = tempfile::Builder::new()
        .prefix("sổ cái #1 100%? ")
        .tempdir_in(".")
        .unwrap();
    let relative = PathBuf::from(folder.path().file_name().unwrap()).join("store.sqlite");
    drop(Store::create(&relative).unwrap());
    assert!(folder.path().join("store.sqlite").is_file());
    assert_eq!(Store::open(&relative).unwrap().waiting_persons().unwrap(), 0);
}

#[test]
fn whoever_has_closed_a_ledger_leaves_a_whole_file_however_short_the_work_before() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.sqlite");
        let store = Store::create(&file).unwrap();
        let officer = store.add_first_operator("officer").unwrap();
        let actor = store.authenticate(&officer).unwrap();
        let roles = [Role::Approver].into_iter().collect();
        store.add_operator(&actor, "approver", roles).unwrap();
        drop(store);
        let copy = folder.path().join("copy.sqlite");
        std::fs::copy(file, &copy).unwrap();
        let names = sql_at(&Location::File(copy), "SELECT name FROM operator ORDER BY name");
        assert_eq!(names, "approver\nofficer");
    }
}
