//! What is sent wrongly, too long or too much, and what machines are told.

use std::time::Duration;

use ansinh_console::call::SMALL;
use ansinh_console::config::Limits;
use axum::body::{Body, Bytes};
use axum::http::Request;
use serde_json::json;

use crate::bench::Bench;

#[test]
fn wrong_ways_are_problems_too() {
    let bench = Bench::new();
    assert_eq!(
        bench.get("/v1/nothing", "auditor").refusal(),
        (404, "not-found".to_owned())
    );
    assert_eq!(bench.get("/", "auditor").refusal(), (404, "not-found".to_owned()));
    let wrong = bench.get("/v1/operators/add", "administrator");
    assert_eq!(wrong.refusal(), (405, "wrong-method".to_owned()));
    assert_eq!(wrong.header("allow"), "POST");
    let wrong = bench.post("/v1/operators", "administrator", &json!({}));
    assert_eq!(wrong.refusal(), (405, "wrong-method".to_owned()));
    assert_eq!(wrong.header("allow"), "GET,HEAD");
}

#[test]
fn what_is_no_name_of_a_terminal_is_not_shown_as_one_without_lists() {
    let bench = Bench::new();
    for name in ["null", "", "VNT000001", "VNT00000010", "vnt0000001", "VNS0000001"] {
        let refused = bench
            .get(&format!("/v1/lists?terminal={name}"), "auditor")
            .refusal();
        assert_eq!(refused, (422, "refused-data".to_owned()), "{name:?}");
    }
    let none = bench.get("/v1/lists?terminal=VNT0000001", "auditor").json();
    assert_eq!(none, json!([]));
}

fn post(bench: &Bench, kind: &str, body: Body) -> (u16, String) {
    let request = Request::post("/v1/operators/add")
        .header(
            "authorization",
            format!("Bearer {}", bench.token("administrator")),
        )
        .header("content-type", kind);
    bench.send(request.body(body).unwrap()).refusal()
}

#[test]
fn bodies_that_are_none_change_nothing() {
    let bench = Bench::new();
    let good = json!({ "operator": "hoa", "roles": ["auditor"] }).to_string();
    for kind in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
    ] {
        assert_eq!(
            post(&bench, kind, Body::from(good.clone())),
            (415, "wrong-media-type".to_owned())
        );
    }
    let with_more = json!({ "operator": "hoa", "roles": ["auditor"], "more": 1 }).to_string();
    for body in [
        "",
        "{",
        "null",
        "[]",
        "[\"hoa\",[\"auditor\"]]",
        "{}",
        &with_more,
        &good.replace("auditor", "king"),
        &format!("{good} {good}"),
    ] {
        let refused = post(&bench, "application/json", Body::from(body.to_owned()));
        assert_eq!(refused, (400, "bad-request".to_owned()), "{body}");
    }
    for (name, roles) in [
        ("", json!(["auditor"])),
        ("a b", json!(["auditor"])),
        ("ansinh", json!(["auditor"])),
        ("hoa", json!([])),
    ] {
        let body = json!({ "operator": name, "roles": roles }).to_string();
        let refused = post(&bench, "application/json", Body::from(body.clone()));
        assert_eq!(refused, (422, "refused-data".to_owned()), "{body}");
    }
    let operators = bench.get("/v1/operators", "auditor").json();
    assert!(!operators.to_string().contains("hoa"), "{operators}");
}

#[test]
fn a_body_too_long_or_too_slow_is_not_waited_for() {
    let limits = Limits {
        body_seconds: 1,
        ..Limits::default()
    };
    let bench = Bench::with_limits(limits);
    let long = " ".repeat(SMALL + 1);
    assert_eq!(
        post(&bench, "application/json", Body::from(long)),
        (413, "too-large".to_owned())
    );
    let endless = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    assert_eq!(
        post(&bench, "application/json; charset=utf-8", endless),
        (408, "too-slow".to_owned())
    );
}

#[test]
fn more_at_once_than_the_limit_is_refused_and_not_queued() {
    let bench = Bench::with_limits(Limits {
        streams: 1,
        ..Limits::default()
    });
    let follow = || {
        let bearer = format!("Bearer {}", bench.token("auditor"));
        Request::get("/v1/events")
            .header("authorization", bearer)
            .body(Body::empty())
            .unwrap()
    };
    let first = bench.begin(follow());
    assert_eq!(first.status(), 200);
    assert_eq!(bench.send(follow()).refusal(), (503, "unavailable".to_owned()));
    drop(first);
    assert_eq!(bench.begin(follow()).status(), 200);
}

#[test]
fn two_large_bodies_are_taken_at_once_and_small_ones_besides() {
    let bench = Bench::new();
    let import = |body| {
        let bearer = format!("Bearer {}", bench.token("operator"));
        Request::post("/v1/imports/take-in")
            .header("authorization", bearer)
            .header("content-type", "application/json")
            .body(body)
            .unwrap()
    };
    let refusal = || bench.send(import(Body::from("nonsense"))).refusal();
    assert_eq!(refusal(), (400, "bad-request".to_owned()));
    for _ in 0..2 {
        let endless = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        bench.send_unwatched(import(Body::from_stream(endless)));
    }
    // As soon as both are being read.
    assert!((0..2_000).any(|_| refusal().0 == 503));
    assert_eq!(bench.get("/v1/status", "operator").status, 200);
}

#[test]
fn parameters_of_a_read_are_held_against_their_rules() {
    let bench = Bench::new();
    for (query, expected) in [
        ("operations?limit=0", 422),
        ("operations?limit=1001", 422),
        ("operations?limit=x", 400),
        ("operations?after=-1", 400),
        ("operations?limit=1&limit=2", 400),
        ("cards?after=1", 422),
        ("cards?after=", 422),
        ("cards?after=7900000000000017", 422),
        ("cards?after=7900000000000014%27--", 422),
        ("cards?after=-900000000000014", 422),
        ("cards?after=7900000000000014&after=7900000000000014", 400),
        ("cards?limit=0", 422),
        ("cards?limit=1001", 422),
        ("cards?limit=-1", 400),
        ("cards?before=7900000000000014", 400),
        ("cards/show", 400),
        ("cards/show?card=7900000000000017", 422),
        ("cards/show?card=7900000000000014", 404),
        ("readers", 503),
    ] {
        let answer = bench.get(&format!("/v1/{query}"), "auditor");
        assert_eq!(answer.refusal().0, expected, "{query}");
    }
}

#[test]
fn batches_that_break_a_rule_are_not_drafted() {
    let bench = Bench::new();
    let good = json!({ "title": "Tháng 11", "quota": 1, "expires_on": "20991231" });
    for (key, value) in [
        ("title", json!("")),
        ("title", json!("a\nb")),
        ("title", json!("x".repeat(101))),
        ("quota", json!(0)),
        ("expires_on", json!("20991131")),
        ("expires_on", json!("20200101")),
        ("expires_on", json!("2099-12-31")),
        ("commune", json!("1234")),
        // Nobody waits.
        ("commune", json!("26734")),
    ] {
        let mut batch = good.clone();
        batch[key] = value;
        let refused = bench.post("/v1/batches/draft", "operator", &batch);
        assert_eq!(refused.refusal(), (422, "refused-data".to_owned()), "{batch}");
    }
    assert_eq!(bench.get("/v1/batches", "auditor").json(), json!([]));
    assert_eq!(
        bench
            .post("/v1/batches/approve", "approver", &json!({ "batch": 1 }))
            .refusal()
            .0,
        404
    );
}

#[test]
fn a_pin_is_taken_only_from_whom_it_was_asked_and_never_repeated() {
    let bench = Bench::new();
    for (card, pin, expected) in [
        ("7900000000000014", "271828", 404),
        ("7900000000000017", "271828", 422),
        ("7900000000000014", "27182", 422),
        ("7900000000000014", "2718281", 422),
        ("7900000000000014", "27182x", 422),
    ] {
        let answer = bench.post("/v1/pins/give", "operator", &json!({ "card": card, "pin": pin }));
        assert_eq!(answer.refusal().0, expected);
        assert!(!String::from_utf8_lossy(&answer.body).contains("27182"));
    }
    let wrong_type = bench.post(
        "/v1/pins/give",
        "operator",
        &json!({ "card": "7900000000000014", "pin": 271828 }),
    );
    assert_eq!(wrong_type.refusal().0, 400);
    assert!(!String::from_utf8_lossy(&wrong_type.body).contains("27182"));
}

#[test]
fn machines_are_told_what_they_need_and_no_more() {
    let bench = Bench::new();
    assert_eq!(bench.get("/health/live", "nobody").status, 200);
    let ready = bench.get("/health/ready", "nobody");
    assert_eq!(
        (ready.status.as_u16(), &ready.json()["ready"]),
        (200, &json!(true))
    );
    bench.get("/v1/operators", "auditor");
    bench.get("/v1/operators", "nobody");
    let metrics = String::from_utf8(bench.get("/metrics", "nobody").body).unwrap();
    for line in [
        "ansinh_requests_total{call=\"operators\",status=\"200\"} 1",
        "ansinh_requests_total{call=\"operators\",status=\"401\"} 1",
        "ansinh_call_seconds_count{call=\"operators\"} 1",
        "ansinh_persons_waiting 0",
        "ansinh_persons_unapproved 0",
        "ansinh_lanes{state=\"idle\"} 0",
        "ansinh_cards_in_work 0",
        "ansinh_store_write_seconds_count ",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    for name in ["suspended", "first", "administrator", bench.token("auditor")] {
        assert!(!metrics.contains(name), "{name}");
    }
}

#[test]
fn nothing_is_cached_and_each_request_has_a_name() {
    let bench = Bench::new();
    let (first, second) = (
        bench.get("/v1/status", "auditor"),
        bench.get("/v1/nothing", "auditor"),
    );
    for answer in [&first, &second] {
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-request-id").len(), 16);
    }
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}

#[test]
fn events_go_on_where_they_broke() {
    use ansinh_console::events::Happening;

    let bench = Bench::new();
    let follow = |last: &str| {
        let request = Request::get("/v1/events")
            .header("authorization", format!("Bearer {}", bench.token("auditor")))
            .header("last-event-id", last);
        bench.begin(request.body(Body::empty()).unwrap())
    };
    bench.service.events().tell(Happening::ReadersLost);
    bench.service.events().tell(Happening::Batch {
        batch: 7,
        state: "approved".to_owned(),
    });
    // An id of no run: all that is kept, and the word that there may have been more.
    let all = bench.read(follow("1-1"), 3, Duration::from_secs(20));
    let kinds: Vec<_> = all
        .iter()
        .map(|event| event["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["missed", "readers-lost", "batch"]);
    let id = all[1]["id"].as_str().unwrap().to_owned();
    let rest = bench.read(follow(&id), 1, Duration::from_secs(20));
    assert_eq!(
        (&rest[0]["data"]["batch"], &rest[0]["data"]["state"]),
        (&json!(7), &json!("approved"))
    );
}

#[test]
fn pin_letters_that_nobody_prints_are_refused_before_a_card_is_begun() {
    let bench = Bench::new();
    let start = |pins: &str| bench.post("/v1/issuing/start", "operator", &json!({ "pins": pins }));
    assert_eq!(start("letters").refusal(), (409, "wrong-state".to_owned()));
    assert_eq!(start("chosen-by-me").refusal().0, 400);
    // A program is for the settings to name, not for a caller.
    let named = json!({ "pins": "letters", "command": "cat" });
    assert_eq!(
        bench.post("/v1/issuing/start", "operator", &named).refusal().0,
        400
    );
    assert_eq!(
        bench.get("/v1/issuing", "auditor").json()["operator"],
        json!(null)
    );
}
