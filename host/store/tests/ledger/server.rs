//! What a PostgreSQL server must be and keep.

use ansinh_store::{Store, StoreError};
use rig::Postgres;

use crate::fixture::*;

fn refused(location: &ansinh_store::Location) -> String {
    match Store::create(location) {
        Err(StoreError::NotDurable(why)) => why,
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn an_empty_database_is_no_store() {
    let location = server(&rig::postgres().database());
    let nothing = Store::open(&location);
    assert!(matches!(nothing, Err(StoreError::NoStore { .. })));
}

#[test]
fn a_server_that_is_not_there_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let location = server(&format!("postgres:///ansinh?host={}", folder.path().display()));
    let refused = Store::open(&location);
    assert!(matches!(refused, Err(StoreError::Database(_))));
}

#[test]
fn a_database_that_cannot_hold_every_letter_is_refused() {
    let postgres = rig::postgres();
    let sql = "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0";
    postgres.psql(&postgres.url("postgres"), sql);
    assert!(refused(&server(&postgres.url("ascii"))).contains("encoding is SQL_ASCII"));
}

#[test]
fn a_role_that_does_not_wait_for_the_disk_does_all_the_same() {
    let postgres = rig::postgres();
    let url = postgres.database();
    let sql = "CREATE ROLE careless LOGIN SUPERUSER; ALTER ROLE careless SET synchronous_commit = off";
    postgres.psql(&postgres.url("postgres"), sql);
    let location = server(&url.replace("user=ansinh", "user=careless"));
    let store = Store::create(&location).unwrap();
    store.add_certificate("VNROOT00001", "VNROOT00001", &[1]).unwrap();
}

#[test]
fn a_server_that_would_lose_commits_is_refused_and_a_crashed_one_has_them_all() {
    let postgres = Postgres::start();
    let location = server(&postgres.database());
    let store = Store::create(&location).unwrap();
    for number in 0..20 {
        let holder = format!("VNT0000001A{number:05}");
        store.add_certificate(&holder, "VNTCA00001", &[number]).unwrap();
    }
    postgres.crash_and_restart();
    assert_eq!(store.certificates().unwrap().len(), 20);
    store.add_certificate("VNROOT00001", "VNROOT00001", &[1]).unwrap();
    for setting in ["fsync", "full_page_writes"] {
        postgres.set(setting, "off");
        let opened = Store::open(&location);
        assert!(
            matches!(&opened, Err(StoreError::NotDurable(why)) if why.starts_with(setting)),
            "{setting}: {:?}",
            opened.err()
        );
        postgres.set(setting, "on");
    }
}
