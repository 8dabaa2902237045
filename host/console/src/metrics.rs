//! Figures for Prometheus. Labels are names of calls, statuses, outcomes: nothing that names a card or a person.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

type Labels = Vec<(&'static str, String)>;

/// Upper bounds of the time classes, in seconds: from a commit on a good disk to the patience of the store.
const SECONDS: [f64; 10] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0];

/// What the service counts.
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram, fn() -> Histogram>,
    cards: Family<Labels, Counter>,
    card_seconds: Histogram,
    /// Readers that are plugged in.
    pub(crate) readers: Gauge,
    lanes: Family<Labels, Gauge>,
    in_work: Gauge,
    write_seconds: Histogram,
    /// Who waits for a card, in approved batches.
    pub(crate) waiting: Gauge,
    /// Who waits for a card in no approved batch.
    pub(crate) unapproved: Gauge,
    /// Cards begun and not finished.
    pub(crate) unfinished: Gauge,
}

impl Metrics {
    /// Everything at zero.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("ansinh");
        let requests = Family::default();
        registry.register("requests", "Requests by call and status", requests.clone());
        let seconds: Family<Labels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(SECONDS));
        let text = "Time of a call with the ledger";
        registry.register_with_unit("call", text, Unit::Seconds, seconds.clone());
        let cards = Family::default();
        registry.register("cards", "Cards by outcome, or by kind of failure", cards.clone());
        let card_seconds = Histogram::new(SECONDS);
        let text = "Time of a card from insertion to its end, waiting for a PIN excluded";
        registry.register_with_unit("card", text, Unit::Seconds, card_seconds.clone());
        let write_seconds = Histogram::new(SECONDS);
        let text =
            "Time of a write of the ledger, waiting for its turn included, until it is durable or undone";
        registry.register_with_unit("store_write", text, Unit::Seconds, write_seconds.clone());
        let lanes = Family::default();
        let text = "Readers of the run by what they do: idle, at-work, waiting-for-a-person";
        registry.register("lanes", text, lanes.clone());
        let mut gauge = |name, text| {
            let gauge = Gauge::default();
            registry.register(name, text, gauge.clone());
            gauge
        };
        Self {
            readers: gauge("readers", "Readers that are plugged in"),
            in_work: gauge("cards_in_work", "Cards being worked on"),
            waiting: gauge("persons_waiting", "Persons of approved batches without a card"),
            unapproved: gauge(
                "persons_unapproved",
                "Persons without a card in no approved batch",
            ),
            unfinished: gauge("cards_unfinished", "Cards begun and not finished"),
            registry,
            requests,
            seconds,
            cards,
            card_seconds,
            lanes,
            write_seconds,
        }
    }

    /// A request has its answer.
    pub(crate) fn request(&self, call: &'static str, status: u16) {
        let labels = vec![("call", call.to_owned()), ("status", status.to_string())];
        self.requests.get_or_create(&labels).inc();
    }

    /// A call has run.
    pub(crate) fn ran(&self, call: &'static str, time: Duration) {
        let labels = vec![("call", call.to_owned())];
        self.seconds.get_or_create(&labels).observe(time.as_secs_f64());
    }

    /// A card has come to its end.
    pub(crate) fn card(&self, outcome: &str, time: Duration) {
        let labels = vec![("outcome", outcome.to_owned())];
        self.cards.get_or_create(&labels).inc();
        self.card_seconds.observe(time.as_secs_f64());
    }

    /// What is told of each write of the ledger.
    pub(crate) fn write_observer(&self) -> impl Fn(Duration) + Send + Sync + 'static {
        let seconds = self.write_seconds.clone();
        move |time| seconds.observe(time.as_secs_f64())
    }

    /// What the readers of a run do at this moment.
    pub(crate) fn lanes(&self, (idle, at_work, waiting): (u64, u64, u64)) {
        for (state, count) in [
            ("idle", idle),
            ("at-work", at_work),
            ("waiting-for-a-person", waiting),
        ] {
            let labels = vec![("state", state.to_owned())];
            self.lanes.get_or_create(&labels).set(gauged(count));
        }
        self.in_work.set(gauged(at_work + waiting));
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // A String takes everything.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A count as a gauge holds it.
pub(crate) fn gauged(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
