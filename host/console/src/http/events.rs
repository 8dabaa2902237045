//! Live events as server-sent events (WHATWG HTML, 9.2).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ansinh_store::operators::Token;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::sleep;

use super::{App, Caller, auth, blocking, refuse, slot};
use crate::events::{Happening, Numbered};
use crate::refusal::{Code, Refusal};

/// How often a silent stream shows that it lives, and how often its token is looked at again.
const HEARTBEAT: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    after: Option<u64>,
}

/// Follows what happens, until the caller goes, the token is taken away, or the service stops.
pub(super) async fn follow(State(app): State<App>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    match open(app, &request).await {
        Ok((caller, stream)) => {
            let events = unfold(stream, async |mut stream| {
                let event = stream.next().await?;
                Some((Ok::<_, Infallible>(event), stream))
            });
            let mut response = Sse::new(events).into_response();
            response.extensions_mut().insert(caller);
            response
        }
        Err(refusal) => refuse(&refusal),
    }
}

async fn open(app: App, request: &Parts) -> Result<(Caller, Stream), Refusal> {
    let token = Arc::new(auth::token(&request.headers)?);
    let slot = slot(&app.streams)?;
    let name = authenticate(&app, &token).await?;
    let query: Query = serde_urlencoded::from_str(request.uri.query().unwrap_or_default()).map_err(|_| {
        Refusal::new(
            Code::BadRequest,
            "the query is not what this call takes: after=NUMBER",
        )
    })?;
    let events = app.service.events();
    let newest = events.newest();
    let last = request
        .headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok());
    let mut queue = VecDeque::new();
    let last = match last {
        None => query.after.unwrap_or_else(|| *newest.borrow()),
        Some(name) => events.number(name).unwrap_or_else(|| {
            // Of a run before: what happened in between is gone.
            queue.push_back(Numbered {
                number: 0,
                happening: Happening::Missed,
            });
            0
        }),
    };
    Ok((
        Caller(name),
        Stream {
            stopping: app.stopping.clone(),
            app,
            token,
            newest,
            last,
            queue,
            checked: Instant::now(),
            _slot: slot,
        },
    ))
}

async fn authenticate(app: &App, token: &Arc<Token>) -> Result<String, Refusal> {
    let (service, token) = (app.service.clone(), Arc::clone(token));
    blocking(move || Ok(service.store().authenticate(&token)?.name().to_owned())).await
}

struct Stream {
    app: App,
    token: Arc<Token>,
    newest: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    /// Number of the last event taken from the ring.
    last: u64,
    queue: VecDeque<Numbered>,
    checked: Instant,
    _slot: OwnedSemaphorePermit,
}

impl Stream {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return self.encode(&event);
            }
            self.take_new();
            if !self.queue.is_empty() {
                continue;
            }
            let woken = tokio::select! {
                changed = self.newest.changed() => changed.is_ok(),
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
                () = sleep(HEARTBEAT) => false,
            };
            if self.checked.elapsed() >= HEARTBEAT {
                authenticate(&self.app, &self.token).await.ok()?;
                self.checked = Instant::now();
            }
            if !woken {
                return Some(Event::default().comment("alive"));
            }
        }
    }

    fn take_new(&mut self) {
        self.newest.mark_unchanged();
        self.queue.extend(self.app.service.events().after(self.last));
        if let Some(newest) = self.queue.back() {
            self.last = newest.number;
        }
    }

    fn encode(&self, event: &Numbered) -> Option<Event> {
        let data = serde_json::to_value(&event.happening).ok()?;
        let kind = data["event"].as_str().unwrap_or("event").to_owned();
        let name = self.app.service.events().name(event.number);
        Some(Event::default().id(name).event(kind).data(data.to_string()))
    }
}
