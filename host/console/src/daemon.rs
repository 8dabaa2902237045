//! The service from start to graceful stop.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::TokioTimer;
use sd_notify::NotifyState;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::level_filters::LevelFilter;
use tracing::{info, warn};

use crate::config::{Config, Level};
use crate::http::router;
use crate::presence::{Announcement, Presence};
use crate::readers;
use crate::service::Service;

/// How long threads that still work at the end are waited for.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Serves until SIGTERM or SIGINT, then finishes the cards in work and gives all answers.
///
/// # Errors
/// If it cannot start: another daemon of this station, a port in use, a certificate that cannot be read.
pub fn serve(service: &Service, config: &Config) -> Result<()> {
    config.check()?;
    write_log(config.log.level);
    service.set_pin_letters(config.pin_letters.clone());
    let presence = Presence::claim(service.home())?;
    let listener = TcpListener::bind(config.listen)
        .with_context(|| format!("{}: cannot listen there", config.listen))?;
    listener.set_nonblocking(true)?;
    let watched = service.clone();
    let watcher = thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || readers::keep_watching(&watched))?;
    let runtime = Runtime::new_for_service()?;
    let ended = runtime.block_on(run(service, config, listener, &presence));
    service.readers().stop();
    runtime.shutdown_timeout(LAST_WAIT);
    // A panic there was told already.
    let _ = watcher.join();
    ended
}

trait ForService: Sized {
    fn new_for_service() -> Result<Self>;
}

impl ForService for Runtime {
    /// Calls block, so what is shared out is threads that may block; the network needs few.
    fn new_for_service() -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.context("the runtime of the service cannot start")
    }
}

async fn run(service: &Service, config: &Config, listener: TcpListener, presence: &Presence) -> Result<()> {
    let address = listener.local_addr()?;
    let url = config.url(address);
    let (stop, stopping) = watch::channel(false);
    let router = router(service.clone(), config.limits, stopping);
    let handle = Handle::new();
    let (tls, certificate) = tls(config).await?;
    let mut signals = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
    let mut server = tokio::spawn(listen(
        listener,
        tls,
        router,
        config.limits.head(),
        handle.clone(),
    ));
    presence.announce(&Announcement {
        url: url.clone(),
        certificate,
    })?;
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    info!(url, "serving");
    let failed = tokio::select! {
        ended = &mut server => Some(ended),
        () = any(&mut signals) => None,
    };
    if let Some(ended) = failed {
        return ended?.context("the service cannot listen any more");
    }
    info!("stopping: no new calls, cards in work are finished");
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    stop.send_replace(true);
    let limit = config.limits.stop();
    handle.graceful_shutdown(Some(limit));
    let closing = service.clone();
    let closed = spawn_blocking(move || closing.issuing().close());
    let (cards, answers) = tokio::join!(timeout(limit, closed), server);
    if cards.is_err() {
        warn!("a card took too long; it is unfinished and can be taken up again");
    }
    answers?.context("the service could not give its last answers")?;
    info!("stopped");
    Ok(())
}

async fn any(signals: &mut [Signal; 2]) {
    let [first, second] = signals;
    tokio::select! {
        _ = first.recv() => {}
        _ = second.recv() => {}
    }
}

async fn listen(
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    router: Router,
    head: Duration,
    handle: Handle<std::net::SocketAddr>,
) -> std::io::Result<()> {
    match tls {
        Some(tls) => {
            let mut server = axum_server::from_tcp_rustls(listener, tls)?.handle(handle);
            server
                .http_builder()
                .http1()
                .timer(TokioTimer::new())
                .header_read_timeout(head);
            server.serve(router.into_make_service()).await
        }
        None => {
            let mut server = axum_server::from_tcp(listener)?.handle(handle);
            server
                .http_builder()
                .http1()
                .timer(TokioTimer::new())
                .header_read_timeout(head);
            server.serve(router.into_make_service()).await
        }
    }
}

/// The TLS settings, and the certificate for those who look for the daemon.
async fn tls(config: &Config) -> Result<(Option<RustlsConfig>, Option<String>)> {
    let (Some(certificate), Some(key)) = (&config.tls.certificate, &config.tls.key) else {
        return Ok((None, None));
    };
    crate::client::use_one_tls_provider();
    let loaded = RustlsConfig::from_pem_file(certificate, key).await;
    let loaded = loaded.with_context(|| {
        format!(
            "{} and {}: no certificate with its key",
            certificate.display(),
            key.display()
        )
    })?;
    let text = std::fs::read_to_string(certificate)?;
    Ok((Some(loaded), Some(text)))
}

/// JSON lines on standard error. Nothing but what is passed to it by name: no bodies, no queries, no headers.
fn write_log(level: Level) {
    let level = match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .finish();
    // Fails when a test has one already.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
