//! Every call with every role and every kind of wrong token. What was sent is no call's parameters: whoever is let in hears that
//! (400), whoever is not hears why (401, 403), and so it shows that nothing is read before.

use std::collections::BTreeMap;

use ansinh_console::call::Kind;
use ansinh_console::calls::table;
use ansinh_store::operators::Role;
use axum::body::Body;
use axum::http::Request;

use crate::bench::{Answer, Bench};

/// Who may do what, said a second time: o(perator), a(pprover), u (auditor), d (administrator).
const MAY: [(&str, &str); 38] = [
    ("batches", "oaud"),
    ("batches/draft", "o"),
    ("batches/approve", "a"),
    ("batches/close", "oa"),
    ("block/add", "o"),
    ("block/publish", "o"),
    ("cards", "oaud"),
    ("cards/end-expired", "o"),
    ("cards/expiring", "oaud"),
    ("cards/replace", "o"),
    ("cards/show", "oaud"),
    ("deliveries/register", "o"),
    ("handover/record", "o"),
    ("handover/waiting", "oaud"),
    ("imports/take-in", "o"),
    ("issuing", "oaud"),
    ("issuing/start", "o"),
    ("issuing/end", "o"),
    ("issuing/give-up", "o"),
    ("lists", "oaud"),
    ("lists/make", "o"),
    ("operations", "ud"),
    ("operations/verify", "ud"),
    ("operators", "oaud"),
    ("operators/add", "d"),
    ("operators/renew", "oaud"),
    ("operators/suspend", "d"),
    ("persons/cards", "oau"),
    ("persons/change-social-security-number", "a"),
    ("persons/deaths", "o"),
    ("persons/merge", "a"),
    ("persons/renumber", "a"),
    ("pins/give", "o"),
    ("readers", "oaud"),
    ("settings/number-scheme", "d"),
    ("status", "oaud"),
    ("stock", "oaud"),
    ("stock/write-off", "o"),
];

fn letter(role: Role) -> char {
    match role {
        Role::Operator => 'o',
        Role::Approver => 'a',
        Role::Auditor => 'u',
        Role::Administrator => 'd',
    }
}

fn nonsense(bench: &Bench, kind: Kind, path: &str, authorization: Option<String>) -> Answer {
    let request = match kind {
        Kind::Read => Request::get(format!("{path}?nonsense=1")),
        Kind::Change => Request::post(path).header("content-type", "application/json"),
    };
    let request = match authorization {
        Some(value) => request.header("authorization", value),
        None => request,
    };
    bench.send(request.body(Body::from("nonsense")).unwrap())
}

#[test]
fn every_call_lets_in_exactly_the_roles_that_may() {
    let bench = Bench::new();
    let may: BTreeMap<_, _> = MAY.into_iter().collect();
    assert_eq!(
        may.len(),
        table().len(),
        "a call is missing in the table of this test"
    );
    for call in table() {
        let path = format!("/v1/{}", call.name);
        for role in Role::ALL {
            let expected = if may[call.name].contains(letter(role)) {
                (400, "bad-request".to_owned())
            } else {
                (403, "not-allowed".to_owned())
            };
            let bearer = format!("Bearer {}", bench.token(role.name()));
            let answer = nonsense(&bench, call.kind, &path, Some(bearer));
            assert_eq!(answer.refusal(), expected, "{path} {role}");
        }
    }
}

#[test]
fn no_call_lets_in_a_token_that_is_nobodys() {
    let bench = Bench::new();
    let events = ("events", Kind::Read);
    let calls = table().iter().map(|call| (call.name, call.kind)).chain([events]);
    for (name, kind) in calls {
        let path = format!("/v1/{name}");
        for owner in ["suspended", "before", "nobody"] {
            let bearer = format!("Bearer {}", bench.token(owner));
            let answer = nonsense(&bench, kind, &path, Some(bearer));
            assert_eq!(
                answer.refusal(),
                (401, "unknown-token".to_owned()),
                "{path} {owner}"
            );
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        let administrator = bench.token("administrator");
        for authorization in [
            None,
            Some(String::new()),
            Some("Bearer".to_owned()),
            Some("Bearer ".to_owned()),
            Some(administrator.to_owned()),
            Some(format!("Basic {administrator}")),
        ] {
            let answer = nonsense(&bench, kind, &path, authorization.clone());
            assert_eq!(
                answer.refusal(),
                (401, "no-token".to_owned()),
                "{path} {authorization:?}"
            );
        }
    }
}

#[test]
fn a_token_that_was_taken_away_is_worth_nothing_at_once() {
    let bench = Bench::new();
    assert_eq!(bench.get("/v1/status", "auditor").status, 200);
    let suspend = serde_json::json!({ "operator": "auditor" });
    assert_eq!(
        bench
            .post("/v1/operators/suspend", "administrator", &suspend)
            .status,
        200
    );
    assert_eq!(bench.get("/v1/status", "auditor").refusal().1, "unknown-token");
    let renewed = bench.post("/v1/operators/renew", "administrator", &suspend);
    assert_eq!(renewed.json()["token"].as_str().unwrap().len(), 64);
    assert_eq!(
        bench.get("/v1/status", "auditor").refusal().1,
        "unknown-token",
        "the old token"
    );
}

#[test]
fn the_last_administrator_stays_and_nobody_renews_anothers_token() {
    let bench = Bench::new();
    let suspend = |name: &str| {
        bench.post(
            "/v1/operators/suspend",
            "administrator",
            &serde_json::json!({ "operator": name }),
        )
    };
    assert_eq!(suspend("first").status, 200);
    assert_eq!(suspend("before").status, 200);
    assert_eq!(
        suspend("administrator").refusal(),
        (409, "wrong-state".to_owned())
    );
    assert_eq!(suspend("ghost").refusal(), (404, "not-found".to_owned()));
    let another = serde_json::json!({ "operator": "approver" });
    let renew = |who| bench.post("/v1/operators/renew", who, &another);
    assert_eq!(renew("operator").refusal(), (403, "not-allowed".to_owned()));
    assert_eq!(renew("approver").status, 200);
}

#[test]
fn what_was_done_is_in_the_operations_log_and_the_log_is_whole() {
    let bench = Bench::new();
    let new = serde_json::json!({ "operator": "hoa", "roles": ["auditor"] });
    assert_eq!(bench.post("/v1/operators/add", "administrator", &new).status, 200);
    assert_eq!(
        bench.post("/v1/operators/add", "administrator", &new).refusal(),
        (409, "exists".to_owned())
    );
    let lines = bench.get("/v1/operations?limit=1000", "auditor").json();
    let newest = lines.as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&newest["operator"], &newest["subject"]),
        (&"administrator".into(), &"hoa auditor".into())
    );
    let head = bench.get("/v1/operations/verify", "auditor").json();
    assert_eq!(
        (&head["position"], &head["hash"]),
        (&newest["position"], &newest["hash"])
    );
    let ready = bench.get("/health/ready", "nobody");
    assert_eq!(ready.json()["operations"], head);
}
