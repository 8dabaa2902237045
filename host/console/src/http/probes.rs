//! What machines ask: does it live, is it ready, what does it count. Without a token, for there is nothing personal in it.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::task::spawn_blocking;

use super::{App, json, refuse, slot};
use crate::metrics::gauged;
use crate::service::Service;

/// Answers as long as the process can answer at all.
pub(super) async fn live() -> Response {
    json(json!({ "live": true }).to_string().into_bytes())
}

/// Ready when the ledger can be read and its operations log is whole. Readers are told but not demanded: most calls need none.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let slot = match slot(&app.calls) {
        Ok(slot) => slot,
        Err(refusal) => return refuse(&refusal),
    };
    let readers = app.service.readers().reachable();
    let head = spawn_blocking(move || {
        let _slot = slot;
        app.service.operations_head()
    });
    let (status, body) = match head.await {
        Ok(Ok(head)) => {
            let operations = json!({ "position": head.position, "hash": hex::encode(head.hash) });
            (
                StatusCode::OK,
                json!({ "ready": true, "readers": readers, "operations": operations }),
            )
        }
        Ok(Err(error)) => {
            let why = error.to_string();
            (
                StatusCode::SERVICE_UNAVAILABLE,
                json!({ "ready": false, "readers": readers, "why": why }),
            )
        }
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({ "ready": false, "readers": readers }),
        ),
    };
    (status, json(body.to_string().into_bytes())).into_response()
}

/// Figures for Prometheus (OpenMetrics text).
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let service = app.service.clone();
    // What the readers do is asked now, so that it is true whatever happened since the last time.
    let lanes = service.issuing().lanes(&service.readers().list());
    service.metrics().lanes(lanes);
    if let Ok(slot) = slot(&app.calls) {
        // Without the ledger the other figures are still worth having.
        let _ = spawn_blocking(move || {
            let _slot = slot;
            refresh(&service);
        })
        .await;
    }
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(CONTENT_TYPE, kind)], app.service.metrics().text()).into_response()
}

fn refresh(service: &Service) {
    let (store, metrics) = (service.store(), service.metrics());
    if let (Ok(approved), Ok(all)) = (store.approved_persons(), store.waiting_persons()) {
        metrics.waiting.set(gauged(approved));
        metrics.unapproved.set(gauged(all.saturating_sub(approved)));
    }
    if let Ok(unfinished) = store.unfinished_cards() {
        metrics.unfinished.set(gauged(unfinished));
    }
}
