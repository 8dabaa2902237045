//! The OpenAPI document and the service say the same.

use ansinh_console::call::Kind;
use ansinh_console::calls::table;
use ansinh_console::openapi::document;
use serde_json::Value;

use crate::bench::Bench;

#[test]
fn every_call_is_in_the_document_and_every_path_is_a_call() {
    let document = document();
    let mut paths: Vec<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    let mut calls: Vec<String> = table().iter().map(|call| format!("/v1/{}", call.name)).collect();
    calls.push("/v1/events".to_owned());
    calls.sort();
    paths.sort();
    assert_eq!(paths, calls);
    for call in table() {
        let path = &document["paths"][format!("/v1/{}", call.name)];
        let method = if call.kind == Kind::Read { "get" } else { "post" };
        assert!(path[method]["responses"]["403"].is_object(), "{}", call.name);
        assert_eq!(path.as_object().unwrap().len(), 1);
    }
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_no_two_types_share_a_name() {
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let numbered: Vec<_> = schemas
        .keys()
        .filter(|name| name.ends_with(|last: char| last.is_ascii_digit()))
        .collect();
    assert!(numbered.is_empty(), "two types have one name: {numbered:?}");
}

#[test]
fn the_document_is_served() {
    let answer = Bench::new().get("/openapi.json", "nobody");
    assert_eq!(answer.json(), document());
}
