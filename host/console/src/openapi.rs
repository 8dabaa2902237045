//! The OpenAPI document (3.1), made from the table of calls.

use std::collections::BTreeSet;

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::call::{Kind, Registered};
use crate::calls::table;
use crate::events::Happening;
use crate::refusal::{Code, Refusal};

/// Media type of a refusal (RFC 9457).
pub const PROBLEM: &str = "application/problem+json";

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let refusal = generator.subschema_for::<Refusal>();
    let mut paths = Map::new();
    for call in table() {
        let method = match call.kind {
            Kind::Read => "get",
            Kind::Change => "post",
        };
        let path = format!("/v1/{}", call.name);
        paths.insert(path, json!({ method: operation(call, &refusal, &mut generator) }));
    }
    paths.insert(
        "/v1/events".to_owned(),
        json!({ "get": events(&refusal, &mut generator) }),
    );
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ansinh",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The service of a station that issues electronic social security cards",
            "description": DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "token": {
                    "type": "http", "scheme": "bearer",
                    "description": "An operator's token, 64 hexadecimal digits. 256 random bits cannot be guessed, so guesses are not slowed down.",
                },
            },
        },
    });
    bound(&mut document);
    document
}

/// Says what an unsigned type holds at most, which its name in `format` tells to those only who know it.
fn bound(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let most = match object.get("format").and_then(Value::as_str) {
                Some("uint16") => Some(u64::from(u16::MAX)),
                Some("uint32") => Some(u64::from(u32::MAX)),
                Some("uint64") => Some(u64::MAX),
                _ => None,
            };
            if let Some(most) = most {
                object.entry("maximum").or_insert_with(|| most.into());
            }
            object.values_mut().for_each(bound);
        }
        Value::Array(values) => values.iter_mut().for_each(bound),
        _ => {}
    }
}

const DESCRIPTION: &str = "Whoever calls is known by an operator's token and may do what the operator's roles allow. A refusal \
    (RFC 9457) names a code and says in English and Vietnamese what happened; nothing was changed then, unless the code is \
    perhaps-done. Every change can be asked for again after a lost answer: what was done is not done twice.";

fn operation(call: &Registered, refusal: &Schema, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "operationId": call.name.replace('/', "-"),
        "summary": call.summary,
        "description": format!("For: {}.", call.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ")),
        "responses": responses((call.answer)(generator), refusal),
    });
    let parameters = (call.parameters)(generator);
    match call.kind {
        Kind::Change => {
            operation["requestBody"] =
                json!({ "required": true, "content": { "application/json": { "schema": parameters } } });
        }
        Kind::Read => operation["parameters"] = query(&parameters, generator),
    }
    operation
}

/// The properties of a schema as parameters of a query.
fn query(schema: &Schema, generator: &mut SchemaGenerator) -> Value {
    let name = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|path| path.rsplit('/').next());
    // Not a component then: a query is no object.
    let object = name
        .and_then(|name| generator.definitions_mut().remove(name))
        .unwrap_or_default();
    let required = &object["required"];
    let properties = object["properties"].as_object().cloned().unwrap_or_default();
    let parameters = properties.into_iter().map(|(name, mut schema)| {
        let is_required = required.as_array().is_some_and(|names| names.iter().any(|other| *other == *name));
        // In a query there is no null: a parameter is there or not.
        if let Some(types) = schema.get_mut("type") && let Some(kind) = types.as_array().and_then(|types| types.first()).cloned() {
            *types = kind;
        }
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        json!({ "in": "query", "name": name, "required": is_required, "description": description, "schema": schema })
    });
    parameters.collect()
}

fn responses(answer: Schema, refusal: &Schema) -> Value {
    let mut responses = Map::new();
    responses.insert(
        "200".to_owned(),
        json!({ "description": "Done", "content": { "application/json": { "schema": answer } } }),
    );
    refusals(&mut responses, refusal);
    Value::Object(responses)
}

fn refusals(responses: &mut Map<String, Value>, refusal: &Schema) {
    let statuses: BTreeSet<u16> = Code::ALL.into_iter().map(Code::status).collect();
    for status in statuses {
        let codes = Code::ALL.into_iter().filter(|code| code.status() == status);
        let codes = codes.filter_map(|code| serde_json::to_value(code).ok()?.as_str().map(str::to_owned));
        let description = format!("Refused: {}", codes.collect::<Vec<_>>().join(", "));
        responses.insert(
            status.to_string(),
            json!({ "description": description, "content": { PROBLEM: { "schema": refusal } } }),
        );
    }
}

fn events(refusal: &Schema, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "Events without end, as text/event-stream; the data of each is one of these",
            "content": { "text/event-stream": { "schema": { "type": "string" }, "x-event-data": generator.subschema_for::<Happening>() } },
        }),
    );
    refusals(&mut responses, refusal);
    json!({
        "operationId": "events",
        "summary": "Follow what happens at the station",
        "description": "For everybody. A broken connection goes on where it broke with Last-Event-ID; missed events are told by the event missed.",
        "parameters": [
            { "in": "header", "name": "Last-Event-ID", "required": false, "schema": { "type": "string" }, "description": "The id of the last event seen" },
            { "in": "query", "name": "after", "required": false, "schema": { "type": "integer", "minimum": 0 }, "description": "Only events after this number, as issuing/start gives it" },
        ],
        "responses": responses,
    })
}
