//! A station's service with one operator for each role, and requests to it in this process.

use std::collections::BTreeMap;
use std::time::Duration;

use ansinh_console::config::Limits;
use ansinh_console::http::router;
use ansinh_console::service::Service;
use ansinh_keys::{Role as KeyRole, public_key_pem};
use ansinh_station::home::Home;
use ansinh_store::Store;
use ansinh_store::operators::Role;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use card_spec::crypto::SecretKey;
use eventsource_stream::Eventsource as _;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::timeout;
use tower::ServiceExt as _;

/// A service with operators, whose tokens are known.
pub(crate) struct Bench {
    runtime: Runtime,
    router: Router,
    tokens: BTreeMap<&'static str, String>,
    pub(crate) service: Service,
    _stop: watch::Sender<bool>,
    _folder: TempDir,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) response: Response<()>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.response
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The status with the code of the refusal.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(body["status"], self.status.as_u16());
        assert!(
            !body["detail"].as_str().unwrap().is_empty() && !body["vietnamese"].as_str().unwrap().is_empty()
        );
        (self.status.as_u16(), body["code"].as_str().unwrap().to_owned())
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        std::fs::write(home.station_file(), STATION).unwrap();
        for (role, seed) in [(KeyRole::Root, 1), (KeyRole::Issuer, 2)] {
            let key = SecretKey::from_bytes(&[seed; 32]).unwrap().public_key();
            std::fs::write(home.public_key_file(role), public_key_pem(&key).unwrap()).unwrap();
        }
        let tokens = operators(&Store::create(&home.store_file()).unwrap());
        let service = Service::open(home, || anyhow::bail!("no key is needed here")).unwrap();
        let (stop, stopping) = watch::channel(false);
        Self {
            runtime: Runtime::new().unwrap(),
            router: router(service.clone(), limits, stopping),
            tokens,
            service,
            _stop: stop,
            _folder: folder,
        }
    }

    /// The token of the operator with one role, or of one of: `suspended`, `before` (renewed since), `nobody`.
    pub(crate) fn token(&self, name: &str) -> &str {
        &self.tokens[name]
    }

    pub(crate) fn send(&self, request: Request<Body>) -> Answer {
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            Answer {
                status: parts.status,
                body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
                response: Response::from_parts(parts, ()),
            }
        })
    }

    /// Sends a request whose answer nobody waits for.
    pub(crate) fn send_unwatched(&self, request: Request<Body>) {
        self.runtime.spawn(self.router.clone().oneshot(request));
    }

    /// The answer before its body, which may have no end.
    pub(crate) fn begin(&self, request: Request<Body>) -> Response<Body> {
        self.runtime
            .block_on(self.router.clone().oneshot(request))
            .unwrap()
    }

    /// The first events of an answer that has no end.
    pub(crate) fn read(&self, response: Response<Body>, count: usize, patience: Duration) -> Vec<Value> {
        let events = response
            .into_body()
            .into_data_stream()
            .eventsource()
            .take(count)
            .map(|event| {
                let event = event.unwrap();
                let data: Value = serde_json::from_str(&event.data).unwrap();
                json!({ "id": event.id, "event": event.event, "data": data })
            });
        let events = async { timeout(patience, events.collect()).await };
        self.runtime.block_on(events).unwrap()
    }

    pub(crate) fn get(&self, path: &str, operator: &str) -> Answer {
        let request = Request::get(path).header("authorization", format!("Bearer {}", self.token(operator)));
        self.send(request.body(Body::empty()).unwrap())
    }

    pub(crate) fn post(&self, path: &str, operator: &str, body: &Value) -> Answer {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {}", self.token(operator)))
            .header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap())
    }
}

const STATION: &str = r#"{ "province": "79", "agency": "H29", "root": "VNROOT00001", "issuer": "VNISS7900001",
    "terminal_ca": "VNTCA00001", "test": true }"#;

fn operators(store: &Store) -> BTreeMap<&'static str, String> {
    let first = store.add_first_operator("first").unwrap();
    let first = store.authenticate(&first).unwrap();
    let mut tokens = BTreeMap::new();
    for role in Role::ALL {
        let token = store
            .add_operator(&first, role.name(), [role].into_iter().collect())
            .unwrap();
        tokens.insert(role.name(), token.reveal().to_owned());
    }
    let all = Role::ALL.into_iter().collect();
    for name in ["suspended", "before"] {
        let token = store.add_operator(&first, name, all).unwrap();
        tokens.insert(name, token.reveal().to_owned());
    }
    store.suspend_operator(&first, "suspended").unwrap();
    store.renew_token(&first, "before").unwrap();
    tokens.insert("nobody", "0".repeat(64));
    tokens
}
