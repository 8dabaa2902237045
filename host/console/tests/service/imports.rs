//! What is taken in: lists with their findings, deliveries from the inbox; and who looks for somebody's cards.

use std::os::unix::fs::symlink;

use ansinh_console::calls::imports::{Import, Manner};
use serde_json::{Value, json};

use crate::bench::Bench;

const HEADER: &str = "so_dinh_danh;ho_ten;ngay_sinh;gioi_tinh;ma_xa;ma_che_do;so_tien_thang;tong_so_tien;ky_chi_tra;so_quyet_dinh;phuong_thuc_chi_tra";
const GOOD: &str = "079140000001;Nguyễn Thị Gấm;19400000;2;25747;BTXH;1000000;1000000;202611;12/QĐ-UBND;1";

fn list(lines: &[&str]) -> Value {
    let manner = Manner {
        file_name: "list.csv",
        delta: false,
        dry_run: false,
        accept_warnings: false,
    };
    let text = format!("{HEADER}\n{}\n", lines.join("\n"));
    serde_json::to_value(Import::of(text.as_bytes(), manner)).unwrap()
}

fn with(mut list: Value, name: &str, value: Value) -> Value {
    list[name] = value;
    list
}

fn people(bench: &Bench) -> u64 {
    bench.service.store().waiting_persons().unwrap()
}

#[test]
fn a_list_is_rehearsed_taken_in_and_known_the_second_time() {
    let bench = Bench::new();
    let send = |list: Value| bench.post("/v1/imports/take-in", "operator", &list);
    let rehearsed = send(with(list(&[GOOD]), "dry_run", json!(true))).json();
    assert_eq!(
        (&rehearsed["imported"], &rehearsed["new_amount_vnd"]),
        (&json!(false), &json!(1_000_000))
    );
    assert_eq!(people(&bench), 0);
    let taken = send(list(&[GOOD])).json();
    assert_eq!(
        (&taken["imported"], &taken["new_persons"], &taken["kind"]),
        (&json!(true), &json!(1), &json!("plain"))
    );
    let again = send(list(&[GOOD])).json();
    assert_eq!(
        (&again["imported"], &again["known_file"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(people(&bench), 1);
    // Another name of the same person: a contradiction, unless the list is one that changes.
    let renamed = list(&[&GOOD.replace("Gấm", "Gầm")]);
    let refused = send(renamed.clone());
    assert_eq!(refused.refusal(), (422, "refused-data".to_owned()));
    assert_eq!(refused.json()["findings"]["errors"][0]["column"], "ho_ten");
    let changed = send(with(renamed, "delta", json!(true))).json();
    assert_eq!(changed["changes"], json!([{ "line": 2, "column": "ho_ten" }]));
}

#[test]
fn a_list_with_errors_is_refused_with_all_of_them_and_tells_them_to_nobody_else() {
    let bench = Bench::new();
    let bad = GOOD
        .replace("079140000001", "07914000000")
        .replace(";1000000;2026", ";1000001;2026");
    let refused = bench.post("/v1/imports/take-in", "operator", &list(&[GOOD, &bad]));
    assert_eq!(refused.refusal(), (422, "refused-data".to_owned()));
    let errors = &refused.json()["findings"]["errors"];
    let places: Vec<_> = errors
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (&error["line"], &error["column"]))
        .collect();
    assert_eq!(
        places,
        [
            (&json!(3), &json!("so_dinh_danh")),
            (&json!(3), &json!("tong_so_tien"))
        ]
    );
    assert_eq!(errors[0]["value"], "07914000000");
    // What is written down or printed of a refusal holds no value.
    let refusal: ansinh_console::refusal::Refusal = serde_json::from_slice(&refused.body).unwrap();
    for told in [format!("{refusal:?}"), refusal.to_string()] {
        assert!(!told.contains("07914000000") && told.contains('2'), "{told}");
    }
    assert_eq!(people(&bench), 0);
    for (name, value, expected) in [
        ("file", json!("no base64!"), 422),
        ("file", json!(""), 422),
        ("file", json!(1), 400),
        ("file_name", json!(""), 422),
        ("file_name", json!("a\nb"), 422),
        ("file_name", json!("x".repeat(256)), 422),
        ("more", json!(1), 400),
    ] {
        let refused = bench.post(
            "/v1/imports/take-in",
            "operator",
            &with(list(&[GOOD]), name, value),
        );
        assert_eq!(refused.refusal().0, expected, "{name}");
    }
    assert_eq!(people(&bench), 0);
}

#[test]
fn warnings_are_accepted_by_somebody_or_nothing_is_imported() {
    let bench = Bench::new();
    // The sex digit of the number says female.
    let doubtful = list(&[&GOOD.replace(";2;25747", ";1;25747")]);
    let send = |list: Value| bench.post("/v1/imports/take-in", "operator", &list);
    let refused = send(doubtful.clone());
    assert_eq!(refused.refusal(), (422, "warnings-not-accepted".to_owned()));
    let warning = &refused.json()["findings"]["warnings"][0];
    assert_eq!(
        (&warning["line"], &warning["warning"]),
        (&json!(2), &json!("id-sex"))
    );
    assert_eq!(people(&bench), 0);
    let rehearsed = send(with(doubtful.clone(), "dry_run", json!(true))).json();
    assert_eq!(
        (&rehearsed["imported"], &rehearsed["warnings"][0]["warning"]),
        (&json!(false), &json!("id-sex"))
    );
    let taken = send(with(doubtful, "accept_warnings", json!(true))).json();
    assert_eq!(taken["imported"], true);
    let log = bench.get("/v1/operations", "auditor").json();
    let newest = log.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&newest["operator"], &newest["action"]),
        (&json!("operator"), &json!("list-imported"))
    );
}

#[test]
fn who_looks_for_somebody_is_written_down_and_whom_without_a_number() {
    let bench = Bench::new();
    bench.post("/v1/imports/take-in", "operator", &list(&[GOOD]));
    let look = |number: &str| bench.post("/v1/persons/cards", "auditor", &json!({ "number": number }));
    let found = look("079140000001").json();
    assert_eq!(
        (found["person"].as_str().unwrap().len(), &found["cards"]),
        (32, &json!([]))
    );
    for stranger in ["079140000002", "", "0791%", "x' OR '1'='1"] {
        let refused = look(stranger);
        assert_eq!(refused.refusal(), (404, "not-found".to_owned()));
        assert!(stranger.is_empty() || !String::from_utf8_lossy(&refused.body).contains(stranger));
    }
    let log = bench.get("/v1/operations", "auditor").json().to_string();
    assert!(log.contains("person-looked-up") && log.contains(found["person"].as_str().unwrap()));
    assert!(!log.contains("0791400000"), "{log}");
    // In no URL.
    assert_eq!(
        bench
            .get("/v1/persons/cards?number=079140000001", "auditor")
            .refusal()
            .0,
        405
    );
}

#[test]
fn a_delivery_comes_from_the_inbox_and_from_nowhere_else() {
    let bench = Bench::new();
    let home = bench.service.home();
    let inbox = home.inbox();
    std::fs::create_dir_all(inbox.join("folder")).unwrap();
    std::fs::write(home.folder().join("outside.json"), "{}").unwrap();
    symlink(home.folder().join("outside.json"), inbox.join("link.json")).unwrap();
    std::fs::write(inbox.join("delivery.json"), "{\"keys\": \"40414243\"}").unwrap();
    let register = |file: &str| bench.post("/v1/deliveries/register", "operator", &json!({ "file": file }));
    for (file, expected) in [
        ("", 422),
        ("../outside.json", 422),
        ("folder/../delivery.json", 422),
        ("/etc/passwd", 422),
        (".", 422),
        ("..", 422),
        ("a\u{0}b", 422),
        (&"x".repeat(61), 422),
        ("absent.json", 404),
        ("folder", 404),
        ("link.json", 404),
    ] {
        assert_eq!(register(file).refusal().0, expected, "{file:?}");
    }
    // This bench has no passphrase: keys, and nothing of the file is told, which stays.
    let refused = register("delivery.json");
    assert_eq!(refused.refusal(), (500, "keys".to_owned()));
    assert!(!String::from_utf8_lossy(&refused.body).contains("4041"));
    assert!(inbox.join("delivery.json").exists());
    assert!(bench.service.store().delivery_names().unwrap().is_empty());
}
