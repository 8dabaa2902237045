//! The same calls from outside: what the command line uses while a daemon runs.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use ansinh_store::operators::Token;
use eventsource_stream::Eventsource as _;
use futures_util::{StreamExt as _, stream};
use serde::de::DeserializeOwned;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, http};

use crate::call::{Call, Kind};
use crate::events::Happening;
use crate::refusal::Refusal;

/// A service, called with one operator's token.
pub struct Client {
    agent: Agent,
    url: String,
    token: Token,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The service refused; the message is its own.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The service cannot be reached.
    #[error(
        "không kết nối được dịch vụ, chưa thay đổi gì / the service at {url} cannot be reached ({why}); nothing was changed. Is it running?"
    )]
    Unreachable {
        /// Where.
        url: String,
        /// What the network says.
        why: String,
    },
    /// The connection broke after the call was sent.
    #[error(
        "mất kết nối, chưa rõ đã làm hay chưa / the service did not answer ({0}): perhaps it was done, perhaps not. Ask for the same once more; what was done is not done twice"
    )]
    Lost(String),
    /// What came back is no answer of this version.
    #[error("the service answered what this version does not understand: use the same version on both sides")]
    NotUnderstood,
    /// Certificates that cannot be read.
    #[error("{0}: no certificate (PEM) of the service or its authority")]
    NoCertificate(String),
    /// An address that would send the token in clear.
    #[error("{0}: only https, or http on this computer: the token would be sent in clear")]
    InClear(String),
}

/// rustls is built with one provider, and says so once for all.
pub(crate) fn use_one_tls_provider() {
    // Fails when it was said before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// How long a connection may take to be made; and an answer, for which the store waits a minute at most.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(300);
/// Longest answer: a page of cards or operations has far less.
const LONGEST: u64 = 64 * 1024 * 1024;

impl Client {
    /// A client of a service. `authorities`: certificates in PEM of which the service must show one, or one issued by it; without
    /// them, those that the operating system trusts are asked, if there are any compiled in: none are.
    ///
    /// # Errors
    /// [`ClientError::NoCertificate`], [`ClientError::InClear`].
    pub fn new(url: &str, authorities: Option<&str>, token: Token) -> Result<Self, ClientError> {
        demand_private(url)?;
        use_one_tls_provider();
        let roots = match authorities {
            Some(text) => certificates(text).ok_or_else(|| ClientError::NoCertificate(url.to_owned()))?,
            None => Vec::new(),
        };
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .build()
            .new_agent();
        Ok(Self {
            agent,
            url: url.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// Makes a call.
    ///
    /// # Errors
    /// [`ClientError`]; for [`ClientError::Lost`] the call may have been done.
    pub fn call<C: Call>(&self, call: &C) -> Result<C::Answer, ClientError> {
        let url = format!("{}/v1/{}", self.url, C::NAME);
        let bearer = self.bearer();
        let sent = match C::KIND {
            Kind::Read => {
                let query = serde_urlencoded::to_string(call).map_err(|_| ClientError::NotUnderstood)?;
                let url = if query.is_empty() {
                    url
                } else {
                    format!("{url}?{query}")
                };
                self.agent.get(url).header("authorization", &*bearer).call()
            }
            Kind::Change => {
                let body = zeroize::Zeroizing::new(
                    serde_json::to_vec(call).map_err(|_| ClientError::NotUnderstood)?,
                );
                let request = self.agent.post(url).header("authorization", &*bearer);
                request.content_type("application/json").send(&body[..])
            }
        };
        let response = sent.map_err(|error| self.no_answer(&error))?;
        let ok = response.status().is_success();
        let body = response
            .into_body()
            .into_with_config()
            .limit(LONGEST)
            .read_to_vec()
            .map_err(|error| ClientError::Lost(error.to_string()))?;
        if ok {
            return decode(&body);
        }
        Err(ClientError::Refused(decode(&body)?))
    }

    /// Follows what happens after an event's number. Ends when the service does.
    ///
    /// # Errors
    /// [`ClientError`] if it cannot begin.
    pub fn events(&self, after: u64) -> Result<impl Iterator<Item = Happening> + use<>, ClientError> {
        let url = format!("{}/v1/events?after={after}", self.url);
        let bearer = self.bearer();
        let request = self.agent.get(url).header("authorization", &*bearer);
        let response = request.call().map_err(|error| self.no_answer(&error))?;
        if !response.status().is_success() {
            return Err(refusal(response));
        }
        let mut body = response.into_body().into_reader();
        let pieces = std::iter::from_fn(move || {
            let mut piece = [0; 4096];
            match body.read(&mut piece) {
                Ok(0) | Err(_) => None,
                Ok(length) => Some(Ok::<_, std::io::Error>(piece.get(..length)?.to_vec())),
            }
        });
        let mut events = Box::pin(stream::iter(pieces).eventsource());
        Ok(std::iter::from_fn(move || {
            // Every piece is there or the reader blocks: the stream is never pending.
            let event = futures_util::FutureExt::now_or_never(events.next())??;
            serde_json::from_str(&event.ok()?.data).ok()
        }))
    }

    fn bearer(&self) -> zeroize::Zeroizing<String> {
        zeroize::Zeroizing::new(format!("Bearer {}", self.token.reveal()))
    }

    fn no_answer(&self, error: &ureq::Error) -> ClientError {
        use ureq::{Error, Timeout};
        let why = error.to_string();
        match error {
            Error::HostNotFound
            | Error::ConnectionFailed
            | Error::Tls(_)
            | Error::Timeout(Timeout::Connect) => ClientError::Unreachable {
                url: self.url.clone(),
                why,
            },
            Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                ClientError::Unreachable {
                    url: self.url.clone(),
                    why,
                }
            }
            _ => ClientError::Lost(why),
        }
    }
}

fn refusal(response: http::Response<Body>) -> ClientError {
    let body = response
        .into_body()
        .into_with_config()
        .limit(LONGEST)
        .read_to_vec();
    match body {
        Ok(body) => decode(&body).map_or_else(|error| error, ClientError::Refused),
        Err(error) => ClientError::Lost(error.to_string()),
    }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|_| ClientError::NotUnderstood)
}

/// A token goes only where nobody listens.
fn demand_private(url: &str) -> Result<(), ClientError> {
    let refused = || ClientError::InClear(url.to_owned());
    let parsed: http::Uri = url.parse().map_err(|_| refused())?;
    let host = parsed.host().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    match parsed.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if here => Ok(()),
        _ => Err(refused()),
    }
}

fn certificates(text: &str) -> Option<Vec<Certificate<'static>>> {
    let items = parse_pem(text.as_bytes()).map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let found: Vec<_> = items.collect::<Option<_>>()?;
    (!found.is_empty()).then_some(found)
}
