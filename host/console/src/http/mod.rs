//! The routes, made from the table of calls. Who calls is looked at before anything that was sent is read.

mod auth;
mod events;
mod probes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::info;

use crate::call::{Kind, Registered, SMALL};
use crate::calls::table;
use crate::config::Limits;
use crate::openapi::{PROBLEM, document};
use crate::refusal::{Code, Refusal};
use crate::service::Service;

/// Name of a request in the log, so that a complaint finds its line.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Who called, for the log.
#[derive(Clone)]
struct Caller(String);

/// Calls with large bodies that are worked on at once: each may hold as much memory as its limit, several times over.
const LARGE_CALLS: usize = 2;

/// What the routes share.
#[derive(Clone)]
pub(crate) struct App {
    service: Service,
    limits: Limits,
    calls: Arc<Semaphore>,
    large_calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

/// All routes. `stopping` turns true when the service stops: streams end then.
pub fn router(service: Service, limits: Limits, stopping: watch::Receiver<bool>) -> Router {
    let app = App {
        service,
        limits,
        calls: Arc::new(Semaphore::new(limits.calls)),
        large_calls: Arc::new(Semaphore::new(LARGE_CALLS)),
        streams: Arc::new(Semaphore::new(limits.streams)),
        stopping,
    };
    let mut router = Router::new();
    for call in table() {
        let handler = move |State(app): State<App>, request: Request| answer(app, call, request);
        let route = match call.kind {
            Kind::Read => get(handler),
            Kind::Change => post(handler),
        };
        router = router.route(&format!("/v1/{}", call.name), route);
    }
    router
        .route("/v1/events", get(events::follow))
        .route("/health/live", get(probes::live))
        .route("/health/ready", get(probes::ready))
        .route("/metrics", get(probes::metrics))
        .route(
            "/openapi.json",
            get(async || json(document().to_string().into_bytes())),
        )
        .fallback(async || {
            refuse(&Refusal::new(
                Code::NotFound,
                "no such call; /openapi.json lists them",
            ))
        })
        .method_not_allowed_fallback(async || {
            refuse(&Refusal::new(Code::WrongMethod, "this call has another method"))
        })
        .layer(from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

/// Runs a call: who calls, then what was sent, then the call itself.
async fn answer(app: App, call: &'static Registered, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut caller = None;
    let answered = async {
        let token = auth::token(&parts.headers)?;
        let slot = slot(&app.calls)?;
        let service = app.service.clone();
        let admitted = blocking(move || call.admit(&service, &token)).await?;
        caller = Some(Caller(admitted.actor().name().to_owned()));
        let large = (call.limit > SMALL)
            .then(|| self::slot(&app.large_calls))
            .transpose()?;
        let parameters = match call.kind {
            Kind::Read => Bytes::from(parts.uri.query().unwrap_or_default().to_owned()),
            Kind::Change => read(&parts.headers, body, call.limit, app.limits.body()).await?,
        };
        let service = app.service.clone();
        blocking(move || {
            let _slots = (slot, large);
            let start = Instant::now();
            let answer = admitted.run(&service, &parameters);
            service.metrics().ran(call.name, start.elapsed());
            answer
        })
        .await
    };
    let mut response = match answered.await {
        Ok(answer) => json(answer),
        Err(refusal) => refuse(&refusal),
    };
    if let Some(caller) = caller {
        response.extensions_mut().insert(caller);
    }
    response
}

/// The parameters of a change: JSON, not too long, not too slow.
async fn read(headers: &HeaderMap, body: Body, limit: usize, time: Duration) -> Result<Bytes, Refusal> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Refusal::new(
            Code::WrongMediaType,
            "send application/json; nothing was changed",
        ));
    }
    match timeout(time, to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Refusal::new(
            Code::TooLarge,
            format!("more than {limit} bytes were sent, or the connection broke; nothing was changed"),
        )),
        Err(_) => Err(Refusal::new(
            Code::TooSlow,
            "the body took too long; nothing was changed",
        )),
    }
}

/// One of the requests that may be worked on at once.
fn slot(slots: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Refusal> {
    Arc::clone(slots).try_acquire_owned().map_err(|_| {
        Refusal::new(
            Code::Unavailable,
            "too many requests at once; nothing was changed. Ask again in a moment",
        )
    })
}

/// Does what blocks on a thread of its own. A panic there is this request's failure only.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(Refusal::new(
            Code::PerhapsDone,
            "the service failed within this call: perhaps it was done, perhaps not. Ask for the same once more",
        )),
    }
}

fn json(body: Vec<u8>) -> Response {
    (
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        body,
    )
        .into_response()
}

fn refuse(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // A struct of texts and numbers can be written.
    let body = serde_json::to_vec(refusal).unwrap_or_default();
    let mut response = (status, [(CONTENT_TYPE, HeaderValue::from_static(PROBLEM))], body).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Counts and logs each request: its name, its call, who, how it ended, how long. Nothing that was sent.
async fn observe(
    State(app): State<App>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    let mut id = [0; 8];
    // Without randomness the request has no name; that is no reason to refuse it.
    let _ = getrandom::fill(&mut id);
    let id = hex::encode(id);
    let call = path.as_ref().map_or("none", |path| name_of(path.as_str()));
    let mut response = next.run(request).await;
    let status = response.status().as_u16();
    app.service.metrics().request(call, status);
    let operator = response
        .extensions()
        .get::<Caller>()
        .map_or("", |caller| &caller.0);
    let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    info!(request = id, call, operator, status, milliseconds, "answered");
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// The call of a route, or the route itself for what is no call.
fn name_of(path: &str) -> &'static str {
    const OTHERS: [&str; 5] = [
        "/v1/events",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/openapi.json",
    ];
    let called = table()
        .iter()
        .map(|call| call.name)
        .find(|name| path.strip_prefix("/v1/") == Some(name));
    called
        .or_else(|| OTHERS.into_iter().find(|other| *other == path))
        .unwrap_or("none")
}
